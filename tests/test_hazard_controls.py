"""Controls of hazards seen from outside: whole cases of real DICOM through the command line, and what the source may not contain.

The case has 30 Gy in 10 before and 20 Gy in 5 proposed, everywhere in a box of 7.5 cc: EQD2 at 3 Gy 36 + 28 = 64 Gy, limit 80 Gy.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import case_factory as cases
import dicom_factory as dicom
import numpy as np
import pytest
from conftest import ROOT
from pydicom import dcmread

from reirrad import cli

Run = Callable[..., tuple[int, str, str]]
PACKAGE = ROOT / "reirrad"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line: exit status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reirrad", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def change(path: Path, edit: Callable[[Any], object]) -> None:
    ds = dcmread(path)
    edit(ds)
    ds.save_as(path, enforce_file_format=True)


def replace_bytes(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) >= 1
    path.write_bytes(content.replace(old, new))


def replace_text(path: Path, old: str, new: str) -> None:
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def edited(file: str, **values: Any) -> Callable[[Path], None]:
    """Set (or, with None, take away) elements of one object."""

    def edit(ds: Any) -> None:
        for keyword, value in values.items():
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)

    return lambda case: change(case / file, edit)


def other_frame(case: Path) -> None:
    cases.write_course(case / "c1", 1, 30, 10, frame=dicom.OTHER_FRAME)


def foreign_registration(case: Path) -> None:
    """A registration of the prior course to a third frame."""
    other_frame(case)
    dicom.save(dicom.registration([(dicom.OTHER_FRAME, [np.eye(4)])], frame="1.2.3.300"), case / "reg.dcm")
    replace_text(case / "case.yaml", "constraints:", "registration: [{course: first, method: file, file: reg.dcm}]\nconstraints:")


def copied_dose(case: Path) -> None:
    cases.write_course(case / "c2", 2, 30, 10)


def plan(text: str) -> Callable[[Path], None]:
    return lambda case: replace_text(case / "case.yaml", "constraints:", f"{text}\nconstraints:")


def limits(old: str, new: str) -> Callable[[Path], None]:
    return lambda case: replace_text(case / "limits.yaml", old, new)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        pytest.param(other_frame, "different DICOM frames of reference", marks=pytest.mark.hazard("H01"), id="frames"),
        pytest.param(edited("c1/02.dcm", ReferencedFrameOfReferenceSequence=[dicom.dataset(FrameOfReferenceUID="1.9")]), "does not list",
                     marks=pytest.mark.hazard("H01"), id="frame of structures"),
        pytest.param(foreign_registration, "does not link the frames", marks=pytest.mark.hazard("H12"), id="registration of other frames"),
        pytest.param(edited("c1/01.dcm", FractionGroupSequence=[]), "number of fractions", marks=pytest.mark.hazard("H02"), id="no fraction group"),
        pytest.param(edited("c1/00.dcm", ReferencedRTPlanSequence=None), "does not refer to any RTPLAN", marks=pytest.mark.hazard("H02"), id="no plan"),
        pytest.param(edited("c1/00.dcm", DoseGridScaling="0.001"), "one fraction", marks=pytest.mark.hazard("H02"), id="dose of one fraction"),
        pytest.param(copied_dose, "hold the same dose, which would count twice", marks=pytest.mark.hazard("H03"), id="same dose in both courses"),
        pytest.param(edited("c1/00.dcm", DoseSummationType="BEAM"), "beam", marks=pytest.mark.hazard("H03"), id="one beam"),
        pytest.param(edited("c2/00.dcm", PatientID="P2"), "Two patients", marks=pytest.mark.hazard("H10"), id="patient within a course"),
        pytest.param(edited("c2/00.dcm", PatientName="Doe^John", PatientBirthDate="19011231"), "another name and date of birth",
                     marks=pytest.mark.hazard("H10"), id="described patient within a course"),
        pytest.param(plan("patient_id: P2"), "another Patient ID than the case file states", marks=pytest.mark.hazard("H10"), id="patient of the case file"),
        pytest.param(edited("c1/00.dcm", ImageOrientationPatient=[1, 0, 0, 0, 0.9, 0]), "not two orthogonal unit",
                     marks=pytest.mark.hazard("H11"), id="cosines"),
        pytest.param(plan("recovery: exponential"), "is not a recovery model", marks=pytest.mark.hazard("H13"), id="recovery"),
        pytest.param(edited("c1/00.dcm", DoseUnits="RELATIVE"), "Dose Units .* is RELATIVE", marks=pytest.mark.hazard("H16"), id="relative dose"),
        pytest.param(limits("D2cc", "V20Gy"), "limits.yaml:2.*a volume", marks=pytest.mark.hazard("H17"), id="unit of a limit"),
        pytest.param(limits("alpha_beta_gy: 3, ", ""), "needs alpha_beta_gy", marks=pytest.mark.hazard("H06", "H17"), id="limit without alpha/beta"),
        pytest.param(lambda case: replace_text(case / "case.yaml", "2022-01-01", "2020-11-01"), "before a prior course was completed",
                     marks=pytest.mark.hazard("H24"), id="dates"),
        pytest.param(edited("c1/00.dcm", DoseGridScaling="-0.01"), "not greater than zero", marks=pytest.mark.hazard("H26"), id="negative scaling"),
        pytest.param(lambda case: replace_bytes(case / "c1" / "00.dcm", b"0.01", b"nan "), "not a finite number",
                     marks=pytest.mark.hazard("H26"), id="scaling NaN"),
        pytest.param(edited("c1/00.dcm", DoseGridScaling="1"), "too high to be in Gy", marks=pytest.mark.hazard("H27"), id="cGy"),
        pytest.param(plan("alpha_beta_gy: {rectum: 3}\nalpha_beta_gy: {rectum: 10}"), "given twice", marks=pytest.mark.hazard("H28"), id="key twice"),
        pytest.param(lambda case: (case / "c1" / "more").symlink_to("/"), "leads outside the case folder", marks=pytest.mark.hazard("H38"), id="link"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_and_nothing_is_written(tmp_path: Path, run: Run, mistake: Callable[[Path], object], message: str) -> None:
    case = cases.write_case(tmp_path / "case")
    mistake(case)
    status, out, err = run("check", case, "--json", tmp_path / "out.json")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"Refused: .{40,}\n", err)
    assert re.search(message, err)
    assert not (tmp_path / "out.json").exists()


def result(run: Run, case: Path, expected: int = 0) -> Any:
    status, out, err = run("check", case, "--json", "-")
    assert (status, err) == (expected, "")
    return json.loads(out)


def warned(document: Any) -> set[str]:
    return {w["code"] for w in document["warnings"]} - {"dose_grid_coarse", "dose_grid_truncated"}  # the small grid has both


@pytest.mark.hazard("H25")
def test_courses_are_converted_each_and_then_summed(tmp_path: Path, run: Run) -> None:
    document = result(run, cases.write_case(tmp_path))
    assert document["structures"][0]["cumulative"]["mean_gy"] == pytest.approx(64, abs=1e-3)  # 50 Gy in 15 would be 63.3
    assert (document["verdict"], warned(document)) == ("within", set())


@pytest.mark.hazard("H04")
def test_an_organ_half_outside_a_dose_grid_never_passes(tmp_path: Path, run: Run) -> None:
    """The prior dose ends at z -10, in the middle of the box: what is known everywhere is the 28 Gy of the second course."""
    case = cases.write_case(tmp_path)
    dicom.save(cases.stored_dose("1.2.3.1.2", 30, "1.2.3.1.5", (3, 9, 10)), case / "c1" / "00.dcm")
    document = result(run, case, 1)
    rectum, (finding,) = document["structures"][0], document["evaluations"]
    assert rectum["coverage"] == pytest.approx(0.5, abs=0.01)
    assert (rectum["cumulative"]["mean_gy"], rectum["courses"]["first"]["physical"]["max_gy"]) == (None, None)
    assert rectum["cumulative"]["lower_bounds"]["max_gy"] == pytest.approx(64, abs=1e-3)
    assert rectum["cumulative"]["lower_bounds"]["mean_gy"] == pytest.approx(28 + 36 * rectum["coverage"], abs=0.01)
    assert (finding["status"], finding["value_gy"], document["verdict"]) == ("not_evaluable", None, "not_evaluable")
    assert "dose_grid_truncates_structure" in warned(document)


@pytest.mark.hazard("H15")
def test_a_structure_smaller_than_the_metric_has_no_value(tmp_path: Path, run: Run) -> None:
    """A box of 6 x 5 x 15 mm3 is 0.45 cc."""
    case = cases.write_case_file(tmp_path)
    rois = [("Rectum", cases.stored_box(box=(0.0, 6.0, 20.0, 25.0)))]
    cases.write_course(case / "c1", 1, 30, 10, rois)
    cases.write_course(case / "c2", 2, 20, 5, rois)
    document = result(run, case, 1)
    values, (finding,) = document["structures"][0]["cumulative"], document["evaluations"]
    assert (values["D0.1cc_gy"], values["D1cc_gy"], values["D2cc_gy"]) == (pytest.approx(64, abs=1e-3), None, None)
    assert finding["status"] == "not_evaluable"
    assert "0.45 cc, less than the 2 cc" in finding["reason"]


@pytest.mark.hazard("H14")
def test_a_planning_structure_does_not_stand_for_its_organ(tmp_path: Path, run: Run) -> None:
    case = cases.write_case_file(tmp_path)
    for number, (gy, n) in enumerate(((30, 10), (20, 5)), 1):
        rois = [("Rectum_old", cases.stored_box()), ("Bladder", cases.stored_box())]
        cases.write_course(case / f"c{number}", number, gy, n, rois)
    document = result(run, case, 1)
    assert [s["name"] for s in document["structures"]] == ["Bladder"]
    assert {(e["structure"], e["status"]) for e in document["evaluations"]} == {(None, "not_evaluable")}
    assert {"structure_unmatched", "limit_without_structure"} <= warned(document)


@pytest.mark.hazard("H02", "H03")
def test_fractions_and_a_plan_without_dose_are_told(tmp_path: Path, run: Run) -> None:
    """5 of 10 fractions: 15 Gy in 5, EQD2 18 Gy; with 28 Gy 46 Gy."""
    case = cases.write_case(tmp_path)
    replace_text(case / "case.yaml", "dicom: c1,", "dicom: c1, fractions: 5,")
    dicom.save(dicom.plan("1.2.3.77", label="Boost"), case / "c1" / "boost.dcm")
    document = result(run, case)
    assert document["courses"][0]["fractions"] == 5
    assert document["structures"][0]["cumulative"]["mean_gy"] == pytest.approx(46, abs=1e-3)
    assert warned(document) == {"fractions_delivered_differ", "plan_without_dose"}


@pytest.mark.hazard("H16")
def test_an_effective_dose_is_converted_once_and_told(tmp_path: Path, run: Run) -> None:
    case = cases.write_case(tmp_path)
    edited("c1/00.dcm", DoseType="EFFECTIVE")(case)
    document = result(run, case)
    assert document["structures"][0]["cumulative"]["mean_gy"] == pytest.approx(64, abs=1e-3)
    assert warned(document) == {"dose_type_effective"}


@pytest.mark.hazard("H22")
def test_large_fractions_are_told(tmp_path: Path, run: Run) -> None:
    """20 Gy in one fraction: above 10 and 18 Gy in all of the box."""
    case = cases.write_case_file(tmp_path)
    cases.write_course(case / "c1", 1, 30, 10)
    cases.write_course(case / "c2", 2, 20, 1)
    document = result(run, case, 1)  # 36 + 20 (20 + 3) / 5 = 128 Gy
    (notice,) = [w for w in document["warnings"] if w["code"] == "lq_range_strong"]
    assert (notice["course"], notice["structure"]) == ("second", "Rectum")
    assert "7.5 cc of structure" in notice["message"]


@pytest.mark.hazard("H10", "H24")
def test_what_can_only_be_told_is_told(tmp_path: Path, run: Run) -> None:
    case = cases.write_case(tmp_path)
    for k in range(9):
        edited(f"c1/{k:02d}.dcm", PatientBirthDate="19500102")(case)
    replace_text(case / "case.yaml", ", starts: 2022-01-01", "")
    assert warned(result(run, case)) == {"patient_identity_differs", "interval_unknown"}


# what a result rests on


@pytest.mark.hazard("H08", "H48")
def test_a_result_says_what_it_rests_on(tmp_path: Path, run: Run) -> None:
    case = cases.write_case(tmp_path)
    document = result(run, case)
    assert document["reirrad_version"]
    assert set(document["settings"]) >= {"interpolation", "recovery", "reference", "constraints", "interval_days"}
    for course in document["courses"]:
        assert course["registration"]["method"] == "same_frame"
        roles = {i["role"]: i for i in course["inputs"]}
        for role in ("RTDOSE", "RTPLAN", "RTSTRUCT"):
            assert roles[role]["used"]
            assert roles[role]["sha256"] == hashlib.sha256((case / roles[role]["file"]).read_bytes()).hexdigest()
    assert document["structures"][0]["alpha_beta_gy"] == 3
    (finding,) = document["evaluations"]
    assert [finding[k] for k in ("limit_gy", "quantity", "alpha_beta_gy", "scope", "source")] == [80, "EQD2", 3, "cumulative", "protocol 7"]


@pytest.mark.hazard("H48")
def test_a_changed_input_shows(tmp_path: Path, run: Run) -> None:
    case = cases.write_case(tmp_path)
    before = result(run, case)
    edited("c2/01.dcm", RTPlanDate="20210102")(case)
    after = result(run, case)
    changed = [a["file"] for a, b in zip(after["courses"][1]["inputs"], before["courses"][1]["inputs"], strict=True) if a != b]
    assert changed == ["c2/01.dcm"]


@pytest.mark.hazard("H08", "H09")
def test_the_table_shows_sources_warnings_and_intended_use(tmp_path: Path, run: Run) -> None:
    _, out, _ = run("check", cases.write_case(tmp_path))
    text = " ".join(out.split())
    assert "protocol 7" in text
    assert "(dose_grid_coarse)" in text
    assert "not a medical device: check independently before use" in text
    assert text.index("Warnings (") < text.index("Verdict:")


@pytest.mark.hazard("H09")
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_intended_use_is_stated(option: str, run: Run) -> None:
    status, out, _ = run(option)
    assert status == 0
    assert "not a medical device" in " ".join(out.split())


# patient data, markup


CANARY = "CANARYXQ"
PEOPLE = {
    "PatientName": f"{CANARY}^Jane",
    "PatientID": CANARY,
    "PatientBirthDate": CANARY,
    "PatientAddress": CANARY,
    "PatientComments": CANARY,
    "OperatorsName": CANARY,
    "InstitutionName": CANARY,
    "StudyDescription": CANARY,
    "AccessionNumber": CANARY,
}  # fmt: skip


def canary_case(folder: Path) -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the date of birth is none
        return cases.write_case(folder, **PEOPLE)


@pytest.mark.hazard("H37")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("c1/00.dcm", b"", b""),
        ("c1/00.dcm", b"0.01", b"CANA"),
        ("c1/00.dcm", b"-8.0\\10.0", b"CANARYXQ "),
        ("c1/01.dcm", b"APPROVED", b"CANARYXQ"),
        ("c1/02.dcm", b"-5.0\\15.0", b"CANARYXQ "),
        ("c1/03.dcm", b"-250.0\\-240.0", b"CANARYXQ_____"),
        ("c2/02.dcm", b"CLOSED_PLANAR", b"CANARYXQ_____"),
    ],
)
def test_nothing_of_the_patient_is_said(tmp_path: Path, run: Run, file: str, old: bytes, new: bytes) -> None:
    case = canary_case(tmp_path / "case")
    content = (case / file).read_bytes()
    assert old in content
    (case / file).write_bytes(content.replace(old, new, 1) if old else content)
    for options in ((), ("--json", "-")):
        _, out, err = run("check", case, *options)
        assert out + err
        assert "CANA" not in out + err


@pytest.mark.hazard("H39")
def test_names_are_shown_as_text(tmp_path: Path, run: Run) -> None:
    name = "[bold red]Rectum[/] \x1b[2J\x1b]0;x\x07‮<script>"
    case = cases.write_case_file(tmp_path)
    for number, (gy, n) in enumerate(((30, 10), (20, 5)), 1):
        cases.write_course(case / f"c{number}", number, gy, n, [(name, cases.stored_box())])
    yaml_name = name.replace("\x1b", "\\e").replace("\x07", "\\a").replace("‮", "\\u202E")
    replace_text(case / "case.yaml", "constraints:", f'structures: {{"{yaml_name}": rectum}}\nconstraints:')
    status, out, err = run("check", case)
    assert status == 0
    assert "[bold red]" in out
    assert not set("\x1b\x07‮") & set(out + err)
    document = run("check", case, "--json", "-")[1]
    assert not set("\x1b\x07") & set(document)
    assert json.loads(document)["structures"][0]["name"] == name


# a whole run, watched from outside

WATCHED = """
import sys
seen = []
def watch(event, arguments):
    writes = event == "open" and ((isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")) or (arguments[1] is None and arguments[2] & 3))
    if writes and not isinstance(arguments[0], int):
        seen.append("write " + str(arguments[0]))
    elif event == "socket.__new__" or (event == "socket.bind" and arguments[1] == ("::1", 0)):
        pass  # urllib3, which pydicom imports where it is installed, so asks whether the machine knows IPv6: nobody can hear it
    elif event.split(".")[0] in ("socket", "subprocess", "pickle", "marshal", "urllib") or event in ("os.system", "os.exec", "os.posix_spawn", "os.fork"):
        seen.append(event)
sys.addaudithook(watch)
from reirrad.cli import main
try:
    main()
finally:
    sys.stderr.write("\\n".join(seen))
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What a run of `check` did, and the folder of its result."""
    folder = tmp_path_factory.mktemp("watched")
    case, out = cases.write_case(folder / "case"), folder / "out"
    out.mkdir()
    command = [sys.executable, "-c", WATCHED, "check", str(case), "--json", str(out / "r.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0
    assert json.loads((out / "r.json").read_text())["verdict"] == "within"
    return [e for e in done.stderr.splitlines() if e not in ("marshal.loads", "marshal.load")], out  # the interpreter's own reading of modules


@pytest.mark.hazard("H44", "H45", "H47")
def test_a_run_calls_nobody_and_unpickles_nothing(watched: tuple[list[str], Path]) -> None:
    assert [e for e in watched[0] if not e.startswith("write ")] == []


@pytest.mark.hazard("H38")
def test_a_run_writes_nothing_but_its_result(watched: tuple[list[str], Path]) -> None:
    written = [Path(e.removeprefix("write ")) for e in watched[0] if e.startswith("write ")]
    assert written
    assert {p.parent for p in written} == {watched[1]}


@pytest.mark.hazard("H30")
def test_hashing_and_threads_change_no_byte(tmp_path: Path) -> None:
    case = cases.write_case_file(tmp_path)
    rising = np.add.outer(np.add.outer(2 * np.arange(6), np.arange(9)), 0.7 * np.arange(10)) + 1
    cases.write_course(case / "c1", 1, rising, 10)
    cases.write_course(case / "c2", 2, rising[::-1, :, ::-1], 5)
    found = set()
    for seed, threads in (("1", "1"), ("2", "4")):
        settings = {"PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-m", "reirrad", "check", str(case), "--json", "-"]
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, **settings})
        found.add(done.stdout)
    assert len(found) == 1


# what the source may not contain

FORBIDDEN_MODULES = {
    **dict.fromkeys(("subprocess", "multiprocessing", "pty"), "H44"),
    **dict.fromkeys(("pickle", "cPickle", "shelve", "marshal", "code", "runpy", "joblib", "dill"), "H45"),
    **dict.fromkeys(
        ("socket", "ssl", "http", "ftplib", "smtplib", "urllib", "requests", "httpx", "aiohttp", "webbrowser", "pynetdicom", "dicomweb_client", "retrying"),
        "H47",
    ),
}
FORBIDDEN_CALLS = {
    **dict.fromkeys(("os.system", "os.popen", "os.execv", "os.execvp", "os.spawnv", "os.posix_spawn", "os.startfile"), "H44"),
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "np.load", "numpy.load", "pickle.loads", "yaml.load"), "H45"),
}


# The only modules that may: the command of the page asks whether a port is free, its gate takes addresses apart; the batch starts this program itself, with
# fixed arguments; archives are what `pacs` is for.
ALLOWED = {
    "appcommand.py": {"H47"},
    "ui/gate.py": {"H47"},
    "batchcage.py": {"H44"},
    "pacs/dicomweb.py": {"H47"},
    "pacs/dimse.py": {"H47"},
    "pacs/profile.py": {"H47"},
}


def offences(source: str) -> set[str]:
    """Hazards that a source text opens."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {FORBIDDEN_MODULES.get(a.name.split(".")[0], "") for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(FORBIDDEN_MODULES.get((node.module or "").split(".")[0], ""))
        elif isinstance(node, ast.Call):
            found.add(FORBIDDEN_CALLS.get(ast.unparse(node.func), ""))
    return found - {""}


@pytest.mark.hazard("H44", "H45", "H47")
def test_no_module_of_the_package_can_call_out_or_run_data() -> None:
    sources = {p.relative_to(PACKAGE).as_posix(): p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py")}
    assert len(sources) > 40
    assert {name: offences(text) for name, text in sources.items() if offences(text)} == ALLOWED


@pytest.mark.parametrize(
    ("source", "hazard"),
    [
        ("import subprocess as s", "H44"),
        ("from os import path; os.system('x')", "H44"),
        ("from pickle import load", "H45"),
        ("eval('1')", "H45"),
        ("import urllib.request", "H47"),
    ],
)
def test_the_search_finds_what_it_looks_for(source: str, hazard: str) -> None:
    assert offences(source) == {hazard}


@pytest.mark.hazard("H23", "H46")
@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_installation_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pinned = {line.split("==")[0].split("[")[0] for line in lines}
    assert all(re.match(r"[^ ]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", line) for line in lines)
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[<>=!~\[ ]", n)[0].lower().replace(".", "-") for n in needed}
    assert names <= pinned
    assert len(names) <= 16


# a part that may be missing, and rows of a table for other schedules

TWO_LIMITS = """
- {id: high, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 500, level: mandatory, source: "protocol 7"}
- {id: low, organ: rectum, metric: Dmax, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 1, level: mandatory, source: "protocol 7"}
"""


@pytest.mark.hazard("H07", "H08")
def test_an_organ_with_a_part_that_may_be_missing_never_passes(tmp_path: Path, run: Run) -> None:
    """An open line above the box: a limit that holds for the rest is not evaluable, one that the rest exceeds is exceeded."""
    line = dicom.contour([v for x, y in ((0, 0), (9, 0), (9, 7)) for v in (x, y, 400.0)], "OPEN_PLANAR")
    cases.write_course(tmp_path / "c1", 1, 30, 10)
    cases.write_course(tmp_path / "c2", 2, 20, 5, [("Rectum", [*cases.stored_box(), line])])
    cases.write_case_file(tmp_path, limits=TWO_LIMITS)
    status, out, _ = run("check", tmp_path, "--json", "-")
    found = {e["limit_id"]: (e["status"], e["value_gy"] is None, e["is_lower_bound"]) for e in json.loads(out)["evaluations"]}
    assert status == 1
    assert found == {"high": ("not_evaluable", True, False), "low": ("exceed", False, True)}


@pytest.mark.hazard("H17")
@pytest.mark.parametrize(("rows", "statuses", "exit_status"), [((3,), ["not_evaluable"], 1), ((3, 5), ["pass"], 0)])
def test_a_limit_of_the_user_for_other_fractions_is_not_lost(tmp_path: Path, run: Run, rows: tuple[int, ...], statuses: list[str], exit_status: int) -> None:
    """5 fractions proposed: a row for 3 alone cannot be evaluated; beside one for 5 it is not needed."""
    text = "".join(
        f"- {{id: n{n}, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 500, level: mandatory, "
        f'source: "protocol 7", min_fractions: {n}, max_fractions: {n}}}\n'
        for n in rows
    )
    case = cases.write_case(tmp_path, limits="\n" + text)
    status, out, _ = run("check", case, "--json", "-")
    assert [e["status"] for e in json.loads(out)["evaluations"]] == statuses
    assert status == exit_status


@pytest.mark.hazard("H10")
def test_an_empty_argument_is_not_the_current_folder(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases.write_case(tmp_path)
    monkeypatch.chdir(case)
    status, out, err = run("check", "")
    assert (status, out) == (2, "")
    assert "one of the arguments is empty" in err


@pytest.mark.hazard("H03", "H08")
def test_a_second_proposed_course_is_named(tmp_path: Path, run: Run) -> None:
    for number in (1, 2):
        cases.write_course(tmp_path / f"c{number}", number, 18 + 2 * number, 5)
    courses = "\n  - {name: first, kind: proposed, dicom: c1, starts: 2022-01-01}\n  - {name: second, kind: proposed, dicom: c2, starts: 2022-02-01}\n"
    assert "several_proposed_courses" in warned(result(run, cases.write_case_file(tmp_path, courses=courses)))
