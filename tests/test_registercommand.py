"""Automatic registration of a case: through the command, the object it writes, and the check itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from case_factory import COURSES, write_case_file, write_course
from dicom_factory import FRAME, OTHER_FRAME
from typer.testing import CliRunner

from reirrad.autoloading import _region
from reirrad.casefile import read_case_file
from reirrad.cli import app
from reirrad.dicom.patient_registration import patient_registration
from reirrad.dicom.spatial import read_transform
from reirrad.errors import ReirradError
from reirrad.loading import load_case
from reirrad.registerfile import write_registration
from reirrad.registration import Rigid

SAMPLE = Path(__file__).parent.parent / "sample_plans" / "D-field-edge-two-scans"
# Points of the body, in the frame of the proposed course.
PLACES = np.array([[0.0, 0.0, 0.0], [80.0, 20.0, -40.0], [-90.0, -30.0, 60.0], [10.0, 60.0, 90.0]])


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["register", *map(str, arguments)])


def frames() -> tuple[str, str]:
    case, _ = load_case(SAMPLE / "case.yaml")
    return case.courses[case.reference].frame_uid, case.courses[1 - case.reference].frame_uid


@pytest.mark.hazard("H05", "H12")
def test_registration_of_the_sample_case(tmp_path: Path) -> None:
    """What the command writes lies within 1 mm of the registration object that the sample was made with, and is of the same patient and study."""
    found = run(SAMPLE / "case-auto.yaml", "--out", tmp_path / "auto.dcm")
    assert found.exit_code == 0
    assert "Warning (registration_auto)" in found.stderr
    assert "rigid: turned by 3.6 degrees" in found.stdout
    reference, other = frames()
    made = read_transform([(SAMPLE / "reg.dcm", "reg.dcm")], reference, other).transform
    written = read_transform([(tmp_path / "auto.dcm", "auto.dcm")], reference, other).transform
    assert np.linalg.norm(made(PLACES) - written(PLACES), axis=1).max() < 1
    ds, true = pydicom.dcmread(tmp_path / "auto.dcm"), pydicom.dcmread(SAMPLE / "reg.dcm")
    assert (ds.PatientID, str(ds.PatientName), ds.SOPClassUID) == (true.PatientID, str(true.PatientName), true.SOPClassUID)
    assert ds.SOPInstanceUID != true.SOPInstanceUID
    again = run(SAMPLE / "case-auto.yaml", "--out", tmp_path / "auto.dcm")
    assert again.exit_code == 2
    assert "exists already" in again.stderr


@pytest.mark.hazard("H05")
def test_check_registers_by_itself_and_says_so() -> None:
    case, _ = load_case(SAMPLE / "case-auto.yaml")
    made, _ = load_case(SAMPLE / "case.yaml")
    number = 1 - case.reference
    assert case.registration[number] == "auto"
    found, true = case.transforms[number], made.transforms[number]
    assert found is not None
    assert true is not None
    assert np.linalg.norm(found(PLACES) - true(PLACES), axis=1).max() < 1
    assert [n.course for n in case.notices if n.code == "registration_auto"] == [case.courses[number].name]


@pytest.mark.parametrize(
    ("text", "course", "words"),
    [
        ("registration: [{course: first, method: none}]", None, "0 entries have method: auto; needed is one, or its name under --course"),
        ("registration: [{course: first, method: auto}]", "second", '0 entries have method: auto for course "second"'),
        ("registration: [{course: first, method: auto}]", None, "03.dcm: Pixel Spacing (0028,0030) is missing"),
    ],
)
def test_what_cannot_be_registered_is_refused(tmp_path: Path, text: str, course: str | None, words: str) -> None:
    write_course(tmp_path / "c1", 1, 30, 10, frame=OTHER_FRAME)
    write_course(tmp_path / "c2", 2, 20, 5, frame=FRAME)
    write_case_file(tmp_path, f"constraints: limits.yaml\n{text}", COURSES)
    with pytest.raises(ReirradError) as found:
        write_registration(tmp_path, tmp_path / "out.dcm", course)
    assert words in str(found.value)
    assert not (tmp_path / "out.dcm").exists()


def test_course_without_ct_is_refused(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10, frame=OTHER_FRAME)
    write_course(tmp_path / "c2", 2, 20, 5)
    for k in range(3, 9):
        (tmp_path / "c2" / f"{k:02d}.dcm").unlink(missing_ok=True)
    write_case_file(tmp_path, "constraints: limits.yaml\nregistration: [{course: first, method: auto}]", COURSES)
    found = run(tmp_path, "--out", tmp_path / "out.dcm")
    assert found.exit_code == 2
    assert "method auto needs the CT of both courses" in found.stderr


def test_folder_of_the_object_must_exist(tmp_path: Path) -> None:
    found = run(SAMPLE / "case-auto.yaml", "--out", tmp_path / "nowhere" / "auto.dcm")
    assert (found.exit_code, "Needed is a new file name in an existing folder" in found.stderr) == (2, True)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_unknown_structure_of_a_region_is_refused() -> None:
    file = read_case_file(SAMPLE / "case-auto.yaml")
    named = file.model_copy(update={"registration": [file.registration[0].model_copy(update={"structures": ["Bladdr"]})]})
    case, _ = load_case(SAMPLE / "case.yaml")
    with pytest.raises(ReirradError, match=r'no structure "Bladdr" with contours.*Bladder'):
        _region(named, 0, case.courses[case.reference])
    known = file.model_copy(update={"registration": [file.registration[0].model_copy(update={"structures": ["Bladder", "Sacrum"]})]})
    points = _region(known, 0, case.courses[case.reference])
    assert points is not None
    assert points.shape[1] == 3


def test_object_needs_planes_of_both_ct() -> None:
    import datetime as dt

    with pytest.raises(ReirradError, match="refers to the planes of two CT"):
        patient_registration(Rigid(np.eye(4)), [], [], dt.date(2026, 1, 1))
