"""LET in the form of an RTDOSE: values and places, and everything that is refused because it may be something else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ION, OTHER_FRAME, SHAPE, course, dose, plan, save, voxels

from reirrad.course import Course
from reirrad.dicom.course import read_course
from reirrad.dicom.identity import Identity
from reirrad.dicom.let import LetMap, read_let
from reirrad.errors import DicomError

# 2 keV/µm at the first voxel, 5 at the last, where dose is largest: units of 0.01
LET = np.round(np.linspace(200, 500, int(np.prod(SHAPE)))).reshape(SHAPE)


@pytest.fixture
def proton(tmp_path: Path) -> tuple[Course, Identity]:
    course(tmp_path / "one", dose(), plan(SOPClassUID=ION, radiation="PROTON"))
    return read_course("One", "prior", tmp_path / "one", tmp_path, radiation="proton", rbe=1.1)


def let_file(tmp_path: Path, values: np.ndarray = LET, **more: Any) -> Path:
    return save(dose("1.2.3.77", values, **{"DoseUnits": "RELATIVE", "DoseType": "ERROR", **more}), tmp_path / "let.dcm")


def read(tmp_path: Path, proton: tuple[Course, Identity], values: np.ndarray = LET, patient_id: str | None = None, **more: Any) -> LetMap:
    return read_let(let_file(tmp_path, values, **more), "let.dcm", *proton, patient_id)


def refusal(*arguments: Any, **more: Any) -> str:
    with pytest.raises(DicomError) as refused:
        read(*arguments, **more)
    return str(refused.value)


@pytest.mark.parametrize("units", ["GY", "RELATIVE"])
def test_values_and_places(tmp_path, proton, units):
    found = read(tmp_path, proton, DoseUnits=units, DoseType="PHYSICAL")
    np.testing.assert_allclose(found.kev_um.dose_gy, LET * 0.01, rtol=1e-6)
    np.testing.assert_allclose(found.kev_um.at_points(np.array([[-7.0, 11, 20], [3, 17, 26], [0, 0, 0]]), "linear"), [2, 5, np.nan], rtol=1e-6)
    assert found.record.name == "let.dcm"
    assert [(n.code, n.course) for n in found.notices] == [("let_assumed_kev_um", "One")]
    assert "let.dcm is taken as dose-averaged LET in keV/µm because the case file says so" in found.notices[0].message


def test_another_grid(tmp_path, proton):
    wide = np.full((5, 6, 7), 250)
    found = read(tmp_path, proton, wide, ImagePositionPatient=[-9.0, 9.0, 18.0])
    assert found.kev_um.at_points(np.array([[0.0, 13, 22]]), "linear")[0] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        (LET * 11, {}, "its largest value is 55, which no protons have in keV/µm"),
        (LET * 0.039, {}, "its largest value is 0.19, which no protons have in keV/µm"),
        (LET * 0, {}, "its largest value is 0, which"),
        (LET * 4, {}, "has a median of 17 where dose is at least half of its maximum"),  # MeV/cm
        (LET * 0.06, {}, "where dose is at least half of its maximum; protons have 0.3 to 12 keV/µm there"),
        (LET, {"DoseUnits": "CGY"}, "A map of LET cannot be read. let.dcm: Dose Units (3004,0002) is CGY; needed is GY or RELATIVE"),
        (LET, {"DoseUnits": ""}, "Dose Units (3004,0002) is nothing"),
        (LET, {"FrameOfReferenceUID": OTHER_FRAME}, "lie in different frames of reference"),
        (LET, {"PatientID": "P2"}, "Two patients in course 'One'"),
        (LET, {"DoseGridScaling": "0"}, "A map of LET cannot be read. let.dcm: Dose Grid Scaling (3004,000E) is not greater than zero"),
        (LET - 201, {"PixelRepresentation": 1}, "A map of LET cannot be read. let.dcm: its pixels hold negative"),
        (LET[:1], {}, "the dose is a single plane"),
        (LET[:2], {}, "does not reach to where dose of the course is at least half of its maximum"),
        (voxels() * 0.3, {}, "follows a dose of the course voxel by voxel"),
        (voxels() * 0.3, {"DoseGridScaling": "0.007"}, "follows a dose of the course voxel by voxel"),
    ],
)
def test_refused(tmp_path, proton, values, more, message):
    if values.min() < 0:
        values = values.astype("<i4").view("<u4")
    assert message in refusal(tmp_path, proton, values, **more)


def test_what_is_in_use_as_dose_is_no_let(tmp_path, proton):
    assert "is in use as a dose of course 'One'" in refusal(tmp_path, proton, SOPInstanceUID="1.2.3.2")


def test_other_objects(tmp_path, proton):
    text, ct = tmp_path / "let.txt", tmp_path / "one" / "01.dcm"
    text.write_text("LET")
    for path in (text, ct):
        with pytest.raises(DicomError, match=r"is named as LET but is no RTDOSE"):
            read_let(path, path.name, *proton)


def test_photons_have_no_let(tmp_path, proton):
    photons = dataclasses.replace(proton[0], radiation="photon")
    assert "of radiation photon; it is for protons" in refusal(tmp_path, (photons, proton[1]))


def test_patient(tmp_path, proton):
    assert [n.code for n in read(tmp_path, proton, patient_id="P1").notices] == ["let_assumed_kev_um"]
    assert [n.code for n in read(tmp_path, proton, PatientID=None).notices] == ["patient_id_missing", "let_assumed_kev_um"]
    assert [n.code for n in read(tmp_path, proton, PatientSex="M").notices] == ["patient_identity_differs", "let_assumed_kev_um"]
    assert [n.code for n in read(tmp_path, (proton[0], Identity())).notices] == ["let_assumed_kev_um"]
    assert "has no Patient ID" in refusal(tmp_path, proton, patient_id="P1", PatientID=None)
