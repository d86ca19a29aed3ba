from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from case_factory import COURSES, LIMITS, stored_box, write_case, write_case_file, write_course
from dicom_factory import OTHER_FRAME, registration, save
from jsonschema import Draft202012Validator

import reirrad
from reirrad import checkcommand, cli
from reirrad.errors import place_of
from reirrad.result import result_schema

Outcome = tuple[int, str, str]
Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: exit status, standard output, standard error."""

    def call(*words: Any) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["reirrad", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err  # type: ignore[return-value]

    return call


def outside(*words: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "reirrad", *map(str, words)], capture_output=True, encoding="utf-8", env=os.environ | environment, check=False)


def refused(outcome: Outcome) -> str:
    """The message of a refusal: one plain paragraph on standard error and nothing else."""
    status, out, err = outcome
    assert (status, out) == (2, "")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert err.startswith("Refused: ")
    assert "Traceback" not in err
    return err.removeprefix("Refused: ").rstrip("\n")


TIGHT = LIMITS.replace("limit_gy: 80", "limit_gy: 63")


# ------------------------------------------------------------------------------------------------------- check


def test_table_of_a_case_within_its_limits(tmp_path: Path, run: Run) -> None:
    status, out, err = run("check", write_case(tmp_path))
    assert (status, err) == (0, "")
    assert out.startswith("Case two\n")
    assert "Verdict: ✓ within every limit that was checked" in out


@pytest.mark.hazard("H08")
@pytest.mark.parametrize(
    ("text", "limits", "status", "verdict"),
    [
        ("constraints: limits.yaml", LIMITS, 0, "within"),
        ("constraints: limits.yaml", LIMITS.replace("limit_gy: 80", "limit_gy: 65"), 0, "caution"),
        ("constraints: limits.yaml", TIGHT, 1, "exceeded"),
        ("constraints: limits.yaml", TIGHT.replace("mandatory", "optimal"), 0, "caution"),
        ("constraints: limits.yaml", LIMITS.replace("D2cc", "D9cc"), 1, "not_evaluable"),
        ("constraints: limits.yaml", LIMITS.replace("organ: rectum", "organ: bladder"), 1, "not_evaluable"),
        ("constraints: limits.yaml", LIMITS.replace("level", "min_fractions: 6, level"), 1, "not_evaluable"),  # not a single limit applies
    ],
)
def test_exit_status_and_verdict(tmp_path: Path, run: Run, text: str, limits: str, status: int, verdict: str) -> None:
    found, out, _ = run("check", write_case(tmp_path, text, limits=limits), "--json", "-")
    assert (found, json.loads(out)["verdict"]) == (status, verdict)


def test_json_on_standard_output_is_the_result_and_nothing_else(tmp_path: Path, run: Run) -> None:
    status, out, err = run("check", write_case(tmp_path), "--json", "-")
    assert (status, err) == (0, "")
    document = json.loads(out)
    Draft202012Validator(result_schema()).validate(document)
    assert document["structures"][0]["cumulative"]["mean_gy"] == 64.0
    assert [(i["role"], i["file"], i["used"]) for i in document["courses"][0]["inputs"]][:3] == [
        ("RTDOSE", "c1/00.dcm", True), ("RTPLAN", "c1/01.dcm", True), ("RTSTRUCT", "c1/02.dcm", True)]  # fmt: skip


def test_json_in_a_file_beside_the_table(tmp_path: Path, run: Run) -> None:
    status, out, _ = run("check", write_case(tmp_path / "a"), "--json", tmp_path / "out.json")
    assert status == 0
    assert "Verdict" in out
    Draft202012Validator(result_schema()).validate(json.loads((tmp_path / "out.json").read_text(encoding="utf-8")))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out.json"]
    assert run("check", tmp_path / "a", "--json", tmp_path / "out.json", "--quiet") == (0, "", "")


def test_case_file_may_be_named_itself(tmp_path: Path, run: Run) -> None:
    assert run("check", write_case(tmp_path) / "case.yaml", "-q") == (0, "", "")


def test_zip_of_a_case_gives_the_same_result(tmp_path: Path, run: Run) -> None:
    folder = write_case(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(tmp_path))
    assert run("check", tmp_path / "a.zip", "--json", "-") == run("check", folder, "--json", "-")


NOWHERE = "bad was not found; needed a case folder that holds case.yaml, or the path of a case file."


@pytest.mark.hazard("H32")
def test_several_cases_of_which_one_is_refused(tmp_path: Path, run: Run) -> None:
    good, tight, bad = write_case(tmp_path / "good"), write_case(tmp_path / "tight", limits=TIGHT), tmp_path / "bad"
    status, out, err = run("check", good, bad, tight, "--json", "-")
    assert status == 2
    first, second, third = json.loads(out)
    assert (first["verdict"], third["verdict"]) == ("within", "exceeded")
    assert second == {"case_path": str(bad), "outcome": "refused", "message": NOWHERE}
    assert err == f"Refused: bad: {NOWHERE}\n"
    assert run("check", good, tight, "-q")[0] == 1


@pytest.mark.hazard("H34")
def test_refusal_writes_nothing(tmp_path: Path, run: Run) -> None:
    folder = write_case(tmp_path / "a", "constraints: limits.yaml\nrecovery: jones")
    message = refused(run("check", folder, "--json", tmp_path / "out.json"))
    assert message.startswith('case.yaml:6: recovery: "jones" is not a recovery model (none, doi_2021')
    assert not (tmp_path / "out.json").exists()
    refused(run("check", folder, "--json", "-"))


@pytest.mark.hazard("H34")
@pytest.mark.parametrize("target", ["nowhere/out.json", "a", "a/case.yaml/out.json"])
def test_result_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr(checkcommand, "_assess", lambda *_: pytest.fail("computed in vain"))
    message = refused(run("check", write_case(tmp_path / "a"), "--json", tmp_path / target))
    assert message.startswith("the result cannot be written to ")
    assert message.endswith("needed a file name in an existing folder that may be written to.")


@pytest.mark.hazard("H32", "H34")
def test_full_disk_leaves_nothing_behind(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case(tmp_path / "a")
    (tmp_path / "out.json").write_text("older", encoding="utf-8")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    message = refused(run("check", folder, "--json", tmp_path / "out.json", "-q"))
    assert "(No space left on device). Free space or choose another folder" in message
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out.json"]


def test_progress_is_told_to_a_person_only(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case(tmp_path)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    told: list[str] = []
    monkeypatch.setattr("rich.status.Status.update", lambda _, text: told.append(text.plain))
    assert run("check", folder, "-q")[0] == 0
    assert told == [*(f"{what} course {name}" for what in ("reading", "registration of") for name in ("first", "second")), "Rectum"]


# ------------------------------------------------------------------------------------------------------- the door


def test_version_and_help(run: Run) -> None:
    status, out, _ = run("--version")
    assert (status, out.splitlines()[0]) == (0, f"reirrad {reirrad.__version__}")
    status, out, _ = run("check", "--help")
    assert status == 0
    assert "--json FILE" in out
    assert run("check", "--nonsense")[0] == 2


def test_help_and_version_load_no_heavy_library() -> None:
    for words in (["--help"], ["check", "--help"], ["--version"]):
        code = f"import sys; sys.argv[1:] = {words}; from reirrad.cli import main\ntry: main()\nexcept SystemExit as e: print(e.code, file=sys.stderr)\n"
        code += "print(sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'scipy', 'pydicom', 'ruamel', 'dicompylercore'}), file=sys.stderr)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stderr.splitlines() == ["0", "[]"]


@pytest.mark.hazard("H37")
def test_fault_of_the_program_shows_no_traceback_and_no_values(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("CANARY Doe^Jane 19500101")

    monkeypatch.setattr("reirrad.organresult.accumulate", fault)
    message = refused(run("check", write_case(tmp_path / "a"), "--json", tmp_path / "out.json"))
    assert re.search(r"\(ZeroDivisionError at organresult\.py:[0-9]+\)", message)
    assert "CANARY" not in message
    assert "1950" not in message
    assert not (tmp_path / "out.json").exists()


@pytest.mark.hazard("H37")
@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (MemoryError("CANARY"), 2, "Refused: this machine has not enough memory"),
        (KeyboardInterrupt("CANARY"), 130, "Stopped on request; nothing was written."),
        (RuntimeError("CANARY"), 2, "(RuntimeError at cli.py:"),
    ],
)
def test_what_ends_the_program(run: Run, monkeypatch: pytest.MonkeyPatch, fault: BaseException, status: int, words: str) -> None:
    def app() -> None:
        raise fault

    monkeypatch.setattr(cli, "app", app)
    found, out, err = run("check")
    assert (found, out) == (status, "")
    assert words in err
    assert "CANARY" not in err


def test_reader_that_left_gets_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def app() -> None:
        raise BrokenPipeError

    pointed: list[int] = []
    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(os, "dup2", lambda _, there: pointed.append(there))
    monkeypatch.setattr("sys.stdout.fileno", lambda: 7)
    assert run("check") == (2, "", "")
    assert pointed == [7]  # what is left in the buffer goes nowhere


def test_output_that_is_no_stream_of_bytes(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, text = write_case(tmp_path), io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    assert run("check", folder, "--json", "-")[0] == 0
    assert json.loads(text.getvalue())["verdict"] == "within"


def test_fault_outside_the_package_is_placed_nowhere() -> None:
    assert place_of(ValueError("never raised")) == "unknown place"


def test_closed_pipe_gives_no_traceback(tmp_path: Path) -> None:
    folder = write_case(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run([sys.executable, "-m", "reirrad", "check", folder, "--json", "-"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert found.returncode != 0
    assert "Traceback" not in found.stderr


def test_output_that_knows_no_greek_gets_question_marks_and_whole_json(tmp_path: Path) -> None:
    folder = write_case(tmp_path, rois=[("Rectum", stored_box()), ("Größe", ())])
    found = outside("check", folder, PYTHONIOENCODING="ascii")
    assert (found.returncode, found.stderr) == (0, "")
    assert "D2cc EQD2 ?/? 3, all courses" in found.stdout
    found = outside("check", folder, "--json", "-", PYTHONIOENCODING="ascii")
    assert any("Größe" in w["message"] for w in json.loads(found.stdout)["warnings"])


@pytest.mark.hazard("H34")
def test_case_path_that_is_no_text(tmp_path: Path) -> None:
    """A folder name of bytes that are no UTF-8 is escaped; nothing is left half written."""
    good = write_case(tmp_path / "a")
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    found = outside("check", good, strange, "-q", "--json", tmp_path / "out.json")
    assert found.returncode == 2
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))[1]["case_path"] == strange
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out.json"]


# ------------------------------------------------------------------------------------------------------- determinism


@pytest.mark.hazard("H30")
def test_same_input_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    rois = [("Rectum", stored_box()), ("Bladder", stored_box((-15.0, -10.0))), *((f"zz{k}", ()) for k in range(5))]
    folder = write_case(tmp_path, "", rois=rois)  # every limit set of the library
    one, two = (outside("check", folder, "--json", "-", PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one.stdout == two.stdout
    assert one.returncode == two.returncode
    assert len(json.loads(one.stdout)["evaluations"]) > 5


# ------------------------------------------------------------------------------------------------------- privacy

CANARIES = {"PatientID": "QX-7741-CANARY", "PatientName": "Zyxwvut^Canary", "PatientBirthDate": "19330303"}
TELLTALES = ("QX-7741", "CANARY", "Zyxwvut", "Canary", "19330303", "1933-03-03")


def two_patients(folder: Path) -> Path:
    write_course(folder / "c1", 1, 30, 10, **CANARIES)
    write_course(folder / "c2", 2, 20, 5, **CANARIES | {"PatientID": "QX-7741-CANARY2"})
    return write_case_file(folder)


def other_patient_in_a_course(folder: Path) -> Path:
    write_case(folder, **CANARIES)
    write_course(folder / "c1" / "more", 3, 30, 10, **CANARIES | {"PatientID": "CANARY3"})
    return folder


def other_patient_in_the_registration(folder: Path) -> Path:
    write_case(folder, "constraints: limits.yaml\nregistration: [{course: first, method: file, file: reg.dcm}]", **CANARIES)
    write_course(folder / "c1", 1, 30, 10, frame=OTHER_FRAME, **CANARIES)
    save(registration([], **CANARIES | {"PatientID": "CANARY4"}), folder / "reg.dcm")
    return folder


def damaged(folder: Path) -> Path:
    write_case(folder, **CANARIES)
    file = folder / "c1" / "00.dcm"
    file.write_bytes(file.read_bytes()[:-200])
    return folder


@pytest.mark.hazard("H10", "H37")
@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda f: write_case(f, **CANARIES), 0),
        (lambda f: write_case(f, "constraints: limits.yaml\npatient_id: QX-7741-CANARY", **CANARIES), 0),
        (lambda f: write_case(f, "constraints: limits.yaml\npatient_id: QX-7741-CANARX", **CANARIES), 2),
        (lambda f: write_case(f, courses=COURSES.replace("dicom: c1", "dicom: c1, fractions: 40"), **CANARIES), 2),
        (lambda f: write_case(f, dose={"DoseUnits": "CANARY9"}, **CANARIES), 2),
        (lambda f: write_case(f, dose={"DoseGridScaling": "0"}, **CANARIES), 2),
        (two_patients, 2),
        (other_patient_in_a_course, 2),
        (other_patient_in_the_registration, 2),
        (damaged, 2),
    ],
)
def test_no_patient_data_leave_by_any_door(tmp_path: Path, make: Callable[[Path], Path], status: int) -> None:
    folder = make(tmp_path / "a")
    found = outside("check", folder, "--json", tmp_path / "out.json")
    assert found.returncode == status
    said = found.stdout + found.stderr
    if status == 2:
        assert not (tmp_path / "out.json").exists()
        refused((2, found.stdout, found.stderr))
    else:
        said += (tmp_path / "out.json").read_text(encoding="utf-8")
    # units are no patient data, and a refusal may say which it found
    assert [t for t in TELLTALES if t in said.replace("CANARY9", "")] == []
