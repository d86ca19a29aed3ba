"""The command `reirrad eqd2` and its table."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from reirrad import cli


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["reirrad", "eqd2", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def test_two_courses(run):
    status, out, err = run("54/30", "50.4/28", "--alpha-beta", "3")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["54/30", "1.8", "86.40", "51.84"] in lines
    assert ["50.4/28", "1.8", "80.64", "48.38"] in lines
    assert ["Sum", "167.04", "100.22"] in lines
    assert "repair" not in out
    assert "Limit" not in out


def test_several_a_day_and_what_remains_rounded_down(run):
    status, out, err = run("60/40 per-day=2 interval=6h", "10/5", "--alpha-beta", "2", "--half-time", "4", "--limit", "90.45495", "--fractions", "1,10")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["60/40", "per-day=2", "interval=6h", "1.5", "120.91", "60.45", "105.00", "52.50"] in lines
    assert ["10/5", "2", "20.00", "10.00", "20.00", "10.00"] in lines
    assert "Incomplete repair within a day: half time 4 h." in out
    assert "EQD2 19.99 Gy remain" in out
    assert ["1", "7.99", "7.999"] in lines  # 7.9999
    assert ["10", "19.99", "1.999"] in lines


def test_the_default_numbers_of_fractions(run):
    status, out, _ = run("50/25", "--alpha-beta", "2", "--limit", "70")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert [x for x in lines if len(x) == 3 and x[0] in "135"] == [["1", "8.00", "8.000"], ["3", "12.77", "4.259"], ["5", "15.61", "3.123"]]


def test_exceeded_and_reached(run):
    status, out, _ = run("54/30", "50.4/28", "--alpha-beta", "3", "--limit", "100")
    assert status == 1
    assert "Limit EQD2 100 Gy: exceeded by 0.23 Gy, nothing remains" in out
    assert out.count("limit exceeded") == 3
    status, out, _ = run("50/25", "--alpha-beta", "3", "--limit", "50")
    assert status == 0
    assert "reached, nothing remains" in out


def test_json_alone_on_standard_output_and_warnings_beside_it(run):
    status, out, err = run("50/25", "24/2", "--alpha-beta", "3", "--limit", "200", "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert document["courses"][1]["eqd2_gy"] == pytest.approx(72)
    assert [w["code"] for w in document["warnings"]] == ["lq_range", "lq_range_strong"]
    assert err.startswith("Warning (lq_range): 24/2: 12 Gy per fraction.")


def test_json_file(run, tmp_path):
    status, out, _ = run("50/25", "--alpha-beta", "3", "--json", str(tmp_path / "r.json"))
    assert status == 0
    assert "Sum" in out
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["sum"]["eqd2_gy"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["54-30", "--alpha-beta", "3"], 'Refused: "54-30" is no schedule'),
        (["54/30", "--alpha-beta", "nan"], "Refused: alpha/beta is nan"),
        (["54/30", "--alpha-beta", "3", "--fractions", "5"], "Refused: --fractions without a limit"),
        (["54/30", "--alpha-beta", "3", "--limit", "90", "--fractions", "0"], 'Refused: "0" are no numbers of fractions'),
        (["54/30", "--alpha-beta", "3", "--json", "/nowhere/r.json"], "Refused: the result cannot be written"),
        (["54/30 per-day=2 interval=6h", "--alpha-beta", "3"], "half time of repair"),
        (["54/30"], "Missing option '--alpha-beta'"),
        (["-54/30", "--alpha-beta", "3"], "No such option"),
    ],
)
def test_refusals(run, words, message):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--help"], ["54/30", "--alpha-beta", "3"]])
def test_no_heavy_library_is_loaded(words):
    code = (
        f"import sys; sys.argv = ['reirrad', 'eqd2', *{words!r}]\nfrom reirrad.cli import main\ntry: main()\nexcept SystemExit as e: assert not e.code\n"
        "print([m for m in ('numpy', 'scipy', 'pydicom', 'ruamel') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr.strip() == "[]"
