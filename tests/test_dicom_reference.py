"""Objects of other systems, read from a folder outside the project; skipped without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reirrad.dicom.course import read_course
from reirrad.dicom.files import Record, read_record
from reirrad.dicom.rtdose import read_dose
from reirrad.dicom.rtplan import read_plan
from reirrad.dicom.rtstruct import read_structures
from reirrad.dicom.spatial import read_rigid
from reirrad.errors import DicomError


def record(path: Path) -> Record:
    found = read_record(path, path.name)
    assert found is not None
    return found


@pytest.mark.hazard("H11")
def test_orientations(reference_data: Path) -> None:
    expected = json.loads((reference_data / "orientations" / "expected.json").read_text())
    assert len(expected) == 8
    for name, truth in expected.items():
        found = read_dose(record(reference_data / "orientations" / name))
        for index, place in truth["DICOM"].items():
            column, row, frame = json.loads(index.replace("(", "[").replace(")", "]"))
            local = found.grid.to_local(np.array(place))
            k, j, i = (int(np.abs(line - at).argmin()) for line, at in zip((found.grid.w_mm, found.grid.v_mm, found.grid.u_mm), local[::-1], strict=True))
            centre = found.grid.to_patient(np.array([found.grid.u_mm[i], found.grid.v_mm[j], found.grid.w_mm[k]]))
            np.testing.assert_allclose(centre, place, atol=1e-3)
            assert found.dose_gy[k, j, i] == pytest.approx((column + 1000 * row + 1e6 * frame) * 1e-6, abs=1e-6), (name, index)


def test_same_dose_in_three_encodings(reference_data: Path) -> None:
    one = read_dose(record(reference_data / "oddities" / "gfov_absolute_caseB.dcm"))
    two = read_dose(record(reference_data / "oddities" / "gfov_descending.dcm"))
    three = read_dose(record(reference_data / "oddities" / "gfov_nonuniform.dcm"))
    np.testing.assert_array_equal(one.grid.w_mm, two.grid.w_mm)
    np.testing.assert_allclose(one.dose_gy, two.dose_gy, atol=1e-5)
    points = np.array([[3.0, -12.0, 5.0], [40.0, 20.0, -60.0], [-30.0, 7.0, 55.0]])
    np.testing.assert_allclose(three.at_points(points), one.at_points(points), atol=1e-3)
    np.testing.assert_allclose(one.at_points(points), 0.5 * (points[:, 0] + 100), atol=1e-3)


@pytest.mark.hazard("H26")
@pytest.mark.parametrize("name", ["units_relative", "missing_units_type", "scaling_zero"])
def test_oddities_refused(reference_data: Path, name: str) -> None:
    with pytest.raises(DicomError):
        read_dose(record(reference_data / "oddities" / f"{name}.dcm"))


@pytest.mark.hazard("H16")
def test_relative_doses_in_any_encoding_are_refused_for_their_units(reference_data: Path) -> None:
    for name in ("rtdose", "rtdose_expb", "rtdose_rle", "rtdose_1frame"):
        with pytest.raises(DicomError, match="RELATIVE"):
            read_dose(record(reference_data / "pydicom_rtdose" / f"{name}.dcm"))


def test_truncated_plan(reference_data: Path) -> None:
    path = reference_data / "pydicom_rtdose" / "rtplan_truncated.dcm"
    with pytest.raises(DicomError):
        read_plan(record(path))


@pytest.mark.hazard("H02")
def test_fraction_groups(reference_data: Path) -> None:
    found = read_plan(record(reference_data / "fraction_groups" / "rtplan.dcm"))
    assert [g.fractions for g in found.groups] == [16, 4]
    assert found.planned_fractions == 20


def test_breast_case(reference_data: Path) -> None:
    found, _ = read_course("breast", "prior", reference_data / "dicompyler-core", reference_data)
    (phase,) = found.phases
    assert (phase.label, phase.fractions, phase.prescription_gy) == ("B1", 7, 14.0)
    assert float(phase.components[0].dose.dose_gy.max()) == pytest.approx(14.6808, abs=1e-4)
    assert len(found.structures) == 10
    assert next(s for s in found.structures if s.name == "Areola").contours == ()


def test_prostate_case(reference_data: Path) -> None:
    found, _ = read_course("prostate", "prior", reference_data / "eclipse_prostate", reference_data)
    assert (found.fractions, found.phases[0].prescription_gy, len(found.structures)) == (23, 46.0, 16)


def test_proton_beams_add_up_to_the_plan(reference_data: Path) -> None:
    plan_dose, *beams = (read_dose(record(p)) for p in sorted((reference_data / "proton_ramp").glob("RD*.dcm")))
    np.testing.assert_allclose(beams[0].dose_gy + beams[1].dose_gy, plan_dose.dose_gy, atol=1e-4)
    (plan_file,) = (reference_data / "proton_ramp").glob("ramped*.dcm")
    assert read_plan(record(plan_file)).radiations == ("proton",)
    with pytest.raises(DicomError, match="Two patients"):
        read_course("ramp", "prior", reference_data / "proton_ramp", reference_data)


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("file", ["reg_rigid/sro.dcm", "reg_pydicomrt/sro_rigid.dcm"])
def test_rigid_registrations_of_two_writers(reference_data: Path, file: str) -> None:
    folder = reference_data / "two_courses_rigid_deformable"
    frames = [record(folder / c / "dose.dcm").frame_uid for c in ("course1", "course2")]
    expected = json.loads((folder / "expected_points.json").read_text())["sro_rigid moving->fixed"]
    matrix = read_rigid(folder / file, file, frames[0], frames[1])
    back = read_rigid(folder / file, file, frames[1], frames[0])
    for source, target in expected.items():
        np.testing.assert_allclose(matrix @ [*json.loads(source), 1], [*target, 1], atol=1e-3)
        np.testing.assert_allclose(back @ [*target, 1], [*json.loads(source), 1], atol=1e-3)


def test_structures_of_two_courses(reference_data: Path) -> None:
    names = [s.name for s in read_structures(record(reference_data / "two_courses_rigid_deformable" / "course1" / "rtss.dcm"))]
    assert {"Sphere30", "Donut"} <= set(names)
