"""Every control of a hazard has a test that proves it, every warning has words; both tables are current."""

import sys
import tomllib

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import make_docs

HAZARDS = tomllib.loads((ROOT / "docs" / "hazards.toml").read_text(encoding="utf-8"))["hazard"]
WARNINGS = tomllib.loads((ROOT / "docs" / "warnings.toml").read_text(encoding="utf-8"))
PACKAGE = ROOT / "reirrad"


@pytest.fixture(scope="module")
def found():
    return make_docs.proofs(ROOT / "tests")


def test_the_table_is_whole():
    assert [h["id"] for h in HAZARDS] == [f"H{k:02d}" for k in range(1, 50)]
    for h in HAZARDS:
        assert set(h) <= {"id", "title", "group", "severity", "probability", "kind", "state", "control", "not_yet", "source"}
        assert h["severity"] in range(1, 6)
        assert h["probability"] in range(1, 6)
        assert h["kind"]
        assert set(h["kind"]) <= {"design", "protective", "information"}
        assert h["state"] in make_docs.STATES


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda h: h["id"])
def test_what_is_claimed_is_proved(hazard, found):
    tests = [p for p in found if p.hazard == hazard["id"]]
    if hazard["state"] == "later":
        assert "control" not in hazard, "nothing is claimed for a thing that does not exist"
        assert not tests, "a hazard with a proved control is not of later"
    else:
        assert hazard["control"].strip()
        assert [p for p in tests if p.always], "a control needs a test that runs everywhere"
    assert ("not_yet" in hazard) == (hazard["state"] != "controlled")


def test_markers_name_hazards_of_the_table(found):
    assert {p.hazard for p in found} <= {h["id"] for h in HAZARDS}


def test_modules_a_control_names_exist():
    for h in HAZARDS:
        for name in (n for n in h.get("control", "").split("`")[1::2] if n.islower() and n.replace("/", "").replace(".", "").isalpha()):
            module = name.split(".")[0]
            is_word = name in {"pass", "exceed", "phases", "rbe", "check", "draft", "pacs"}
            assert is_word or (PACKAGE / f"{module}.py").is_file(), f"{h['id']}: {name}"


def test_every_code_has_words_and_every_word_a_code():
    codes = make_docs.warning_codes(PACKAGE)
    assert set(codes) == set(WARNINGS["warning"])
    for words in WARNINGS["warning"].values():
        assert set(words) == {"group", "when", "do"}
        assert words["group"] in WARNINGS["groups"]


def test_codes_are_snake_case():
    assert all(code.isidentifier() and code.islower() for code in WARNINGS["warning"])


@pytest.mark.parametrize("name", ["hazards.md", "warnings.md"])
def test_rendered_tables_are_current(name):
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == make_docs.rendered()[name], "run python docs/make_docs.py"


# what is counted as a proof, and what is not

MARKED = """
import pytest
pytestmark = [pytest.mark.hazard("H01")]

@pytest.mark.hazard("H02", "H03")
@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.hazard("H04"))])
def test_a(x): ...

class TestB:
    pytestmark = pytest.mark.hazard("H05")
    @pytest.mark.skipif(True, reason="")
    @pytest.mark.hazard("H06")
    def test_c(self): ...

def test_d(reference_data): ...
"""


def test_markers_are_found_where_pytest_finds_them():
    proofs = sorted(make_docs.proofs_in("test_x.py", MARKED))
    shown = [(p.test.removeprefix("test_x.py::"), p.hazard, p.always) for p in proofs]
    assert shown == [
        *(("TestB::test_c", h, False) for h in ("H01", "H05", "H06")),
        *(("test_a", h, True) for h in ("H01", "H02", "H03", "H04")),
        ("test_d", "H01", False),
    ]


@pytest.mark.parametrize(
    "source",
    ["m = pytest.mark.hazard('H01')", "@pytest.mark.hazard('H01')\ndef helper(): ...", "ID = 'H01'\n@pytest.mark.hazard(ID)\ndef test_a(): ..."],
)
def test_a_marker_that_would_prove_nothing_is_refused(source):
    with pytest.raises(ValueError, match="the hazard marker in line"):
        list(make_docs.proofs_in("test_x.py", source))


def test_codes_are_read_from_the_source():
    source = "Notice('a', m); errors.Notice(code='b', message=m); note('c', m); Notice('d' if x else 'e', m); Notice(n.code, m); Notice(code, m)"
    assert list(make_docs.codes_in(source, "x.py")) == ["a", "b", "c", "d", "e"]
    with pytest.raises(ValueError, match=r"x\.py:1: the code of a notice must be written out"):
        list(make_docs.codes_in("Notice('a' + b, m)", "x.py"))
