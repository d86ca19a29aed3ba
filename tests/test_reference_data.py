"""Objects of other systems through the command line, from a folder outside the project; skipped without it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dicom_factory as dicom
import numpy as np
import pydicom
import pytest
from case_factory import stored_box, stored_dose

from reirrad import cli
from reirrad.assessment import assess
from reirrad.dicom.files import read_record
from reirrad.dicom.rtdose import read_dose
from reirrad.dose import DoseGrid
from reirrad.loading import load_case
from reirrad.statistics import statistics

Check = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Check a case: exit status, result (None when refused), standard error."""

    def call(folder: Path) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["reirrad", "check", str(folder), "--json", "-"])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), json.loads(out) if out else None, err

    return call


def case_file(folder: Path, courses: str, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.yaml").write_text(f"courses:\n{courses}{more}\n", encoding="utf-8")
    return folder


def dose_of(path: Path) -> DoseGrid:
    record = read_record(path, path.name)
    assert record is not None
    return read_dose(record)


# ------------------------------------------------------------------------------------------------------- two courses and their registration

RIGID = "two_courses_rigid_deformable"
TWO = "  - {name: one, kind: prior, dicom: course1, fractions: 10}\n  - {name: two, kind: proposed, dicom: course2, fractions: 5}\n"
MAPPED = "structures: {Sphere30: rectum}\n"


def two_courses(data: Path, folder: Path, more: str = "", registration: str | None = None) -> Path:
    """A copy: links that lead outside a case are refused."""
    for name in ("course1", "course2"):
        shutil.copytree(data / RIGID / name, folder / name)
    if registration is not None:
        shutil.copy(data / RIGID / registration, folder / "reg.dcm")
        more += "registration: [{course: one, method: file, file: reg.dcm}]\n"
    return case_file(folder, TWO, MAPPED + more)


def same_person(ds: pydicom.Dataset) -> dict[str, str]:
    """The patient of a reference object, so that made objects go with it."""
    return {keyword: str(ds.get(keyword, "")) for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")}


@pytest.mark.hazard("H01")
def test_two_frames_without_registration_are_refused(tmp_path: Path, reference_data: Path, check: Check) -> None:
    status, result, message = check(two_courses(reference_data, tmp_path))
    assert (status, result) == (2, None)
    assert 'Courses "one" and "two" are in different DICOM frames of reference' in message


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("registration", ["reg_rigid/sro.dcm", "reg_pydicomrt/sro_rigid.dcm"])
def test_doses_meet_through_the_registration_of_two_writers(tmp_path: Path, reference_data: Path, check: Check, registration: str) -> None:
    """The sphere of 30 mm lies around the origin of course 1, where its dose 0.5 (x + 100) is 50 Gy; around (12, -7, 9) of course 2: 0.3 (102) = 30.6 Gy.

    Both doses are linear, so their means are those at the centre; the contours are drawn on voxels of 3 mm. The other direction would give 62 Gy.
    """
    _, result, _ = check(two_courses(reference_data, tmp_path, registration=registration))
    (sphere,) = (s for s in result["structures"] if s["name"] == "Sphere30")
    assert sphere["courses"]["one"]["physical"]["mean_gy"] == pytest.approx(50, abs=0.3)
    assert sphere["courses"]["two"]["physical"]["mean_gy"] == pytest.approx(30.6, abs=0.3)
    assert sphere["coverage"] == 1.0
    assert [c["registration"]["method"] for c in result["courses"]] == ["file", "same_frame"]


OBJECTS = ["reg_rigid/sro.dcm", "reg_pydicomrt/sro_rigid.dcm", "reg_pydicomrt/dsro_grid_then_rigid.dcm", "reg_deformable/dro.dcm"]


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("reference", ["one", "two"])
@pytest.mark.parametrize("registration", OBJECTS)
def test_sums_through_rigid_and_deformable_objects_in_both_directions(tmp_path: Path, reference_data: Path, registration: str, reference: str) -> None:
    """Dose 1 is 0.5 (x + 100) and dose 2 0.3 (y + 109), each in its own frame: at every point the sum follows from where the object puts it."""
    other = "two" if reference == "one" else "one"
    folder = two_courses(reference_data, tmp_path, f"reference: {reference}\nregistration: [{{course: {other}, method: file, file: reg.dcm}}]\n")
    shutil.copy(reference_data / RIGID / registration, folder / "reg.dcm")
    case_file(
        folder,
        TWO,
        f"structures: {{Sphere30: rectum, Donut: bladder}}\nreference: {reference}\nregistration: [{{course: {other}, method: file, file: reg.dcm}}]",
    )
    found = assess(*load_case(folder))
    transforms = dict(zip(("one", "two"), found.case.transforms, strict=True))
    assert {o.name for o in found.organs} == {"Sphere30", "Donut"}
    for organ in found.organs:
        assert organ.sum is not None
        dose = organ.sum.dose
        assert dose.points_mm is not None

        def truth(points: np.ndarray) -> np.ndarray:
            x1 = (points if transforms["one"] is None else transforms["one"](points))[:, 0]
            y2 = (points if transforms["two"] is None else transforms["two"](points))[:, 1]
            return np.array([0.5 * (x1 + 100), 0.3 * (y2 + 109)], np.float32)

        exact = dataclasses.replace(dose, dose_gy=truth(dose.points_mm.astype(float)), edge_gy=truth(dose.edge_points_mm.astype(float)))  # type: ignore[union-attr]
        if organ.coverage < 1:
            continue  # outside the deformable field nothing is known
        for name, value in statistics(exact.eqd2(3.0)).values.items():
            assert organ.cumulative.values[name] == pytest.approx(value, abs=0.05), name
        for k in (0, 1):
            for name, value in statistics(exact.physical(k)).values.items():
                assert organ.physical[k].values[name] == pytest.approx(value, abs=0.05), name
    assert any(o.coverage == 1 for o in found.organs)


@pytest.mark.hazard("H04")
def test_body_that_leaves_the_dose_grid_is_not_known(tmp_path: Path, reference_data: Path, check: Check) -> None:
    folder = two_courses(reference_data, tmp_path, registration="reg_rigid/sro.dcm")
    case_file(folder, TWO, "structures: {External: skin}\nregistration: [{course: one, method: file, file: reg.dcm}]\nconstraints: spine")
    status, result, _ = check(folder)
    (body,) = result["structures"]
    assert 0.5 < body["coverage"] < 0.999
    assert body["cumulative"]["mean_gy"] is None
    assert body["cumulative"]["reasons"]["mean_gy"].endswith("of the structure lies outside a dose grid; its dose there is not known")
    assert body["cumulative"]["lower_bounds"]["max_gy"] > 0
    assert "dose_grid_truncates_structure" in {w["code"] for w in result["warnings"]}
    assert status == 1


# ------------------------------------------------------------------------------------------------------- encodings


def first_course(data: Path) -> DoseGrid:
    return dose_of(data / RIGID / "course1" / "dose.dcm")


def centres(dose: DoseGrid) -> np.ndarray:
    return np.concatenate([dose.grid.plane_points_mm(k) for k in range(dose.grid.w_mm.size)])


@pytest.mark.hazard("H11")
@pytest.mark.parametrize("name", ["gfov_absolute_caseB", "gfov_descending", "gfov_nonuniform"])
def test_other_frame_offsets_hold_the_dose_of_the_first_course(reference_data: Path, name: str) -> None:
    """Equal at every voxel centre of the odd one, which are voxel centres of the first course too."""
    original, odd = first_course(reference_data), dose_of(reference_data / "oddities" / f"{name}.dcm")
    points = centres(odd)
    np.testing.assert_allclose(odd.dose_gy.ravel(), original.at_points(points, "linear"), atol=2e-5)
    np.testing.assert_allclose(odd.dose_gy.ravel(), 0.5 * (points[:, 0] + 100), atol=3e-4)  # the scaling has six digits


def test_single_frame_is_one_plane_of_the_first_course(reference_data: Path) -> None:
    found = dose_of(reference_data / "oddities" / "single_frame.dcm")
    assert found.grid.shape == (1, 81, 81)
    assert found.grid.w_mm.tolist() == [0.0]
    np.testing.assert_allclose(found.dose_gy.ravel(), first_course(reference_data).at_points(centres(found), "linear"), atol=2e-5)


@pytest.mark.hazard("H11")
def test_rows_and_columns_of_different_spacing(reference_data: Path) -> None:
    """Columns 1.25 mm apart instead of 2.5 mm: the same voxels reach half as far along x, so the dose 0.5 (x + 100) becomes x + 100."""
    found = dose_of(reference_data / "oddities" / "anisotropic_pixelspacing_tag_swaptest.dcm")
    assert found.grid.spacing_mm == pytest.approx((1.25, 2.5, 2.5))
    assert found.at_points(np.array([[-40.0, 55.0, 10.0]]), "linear") == pytest.approx([60], abs=1e-3)


def with_dose(data: Path, folder: Path, dose: Path, more: str = "fractions: 10") -> Path:
    """The first course with another dose, alone."""
    shutil.copytree(data / RIGID / "course1", folder / "course1")
    (folder / "course1" / "dose.dcm").unlink()
    shutil.copyfile(dose, folder / "course1" / "dose.dcm")
    return case_file(folder, f"  - {{name: one, kind: proposed, dicom: course1, {more}}}\n", MAPPED)


@pytest.mark.hazard("H02")
def test_fraction_dose_is_that_of_all_fractions(tmp_path: Path, reference_data: Path, check: Check) -> None:
    """Dose Summation Type FRACTION is the whole delivery of a fraction group: 50 Gy in the mean, not 500."""
    _, result, _ = check(with_dose(reference_data, tmp_path, reference_data / "oddities" / "summation_fraction.dcm"))
    assert result["courses"][0]["fractions"] == 10
    assert result["structures"][0]["courses"]["one"]["physical"]["mean_gy"] == pytest.approx(50, abs=0.05)


@pytest.mark.hazard("H16", "H26")
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("oddities/units_relative", "Dose Units (3004,0002) is RELATIVE, but a calculation needs GY."),
        ("oddities/missing_units_type", "Dose Units (3004,0002) is nothing, but a calculation needs GY."),
        ("oddities/scaling_zero", "is not greater than zero, so it gives no dose."),
    ],
)
def test_doses_that_are_none_are_refused(tmp_path: Path, reference_data: Path, check: Check, file: str, words: str) -> None:
    status, result, message = check(with_dose(reference_data, tmp_path, reference_data / f"{file}.dcm"))
    assert (status, result) == (2, None)
    assert words in message
    assert message.startswith("Refused: ")
    assert message.count("\n") == 1


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.hazard("H16")
@pytest.mark.parametrize("name", ["rtdose", "rtdose_1frame", "rtdose_expb", "rtdose_rle"])
def test_relative_dose_is_refused_in_any_encoding(tmp_path: Path, reference_data: Path, check: Check, name: str) -> None:
    """The dose of the only beam of a plan."""
    file = reference_data / "pydicom_rtdose" / f"{name}.dcm"
    ds = pydicom.dcmread(file, force=True)
    (plan,) = ds.ReferencedRTPlanSequence
    (group,) = plan.ReferencedFractionGroupSequence
    beam = int(group.ReferencedBeamSequence[0].ReferencedBeamNumber)
    dicom.save(dicom.plan(plan.ReferencedSOPInstanceUID, [(10, (beam,))], **same_person(ds)), tmp_path / "c" / "plan.dcm")
    shutil.copyfile(file, tmp_path / "c" / "dose.dcm")
    status, _, message = check(case_file(tmp_path, "  - {name: one, kind: proposed, dicom: c}\n"))
    assert status == 2
    assert "c/dose.dcm: Dose Units (3004,0002) is RELATIVE, but a calculation needs GY." in message


# ------------------------------------------------------------------------------------------------------- plans


def own_course(folder: Path, plan: Path, *doses: Any) -> Path:
    """A plan of another system with doses and a box of this patient."""
    structures = dicom.structure_set(rois=[("Rectum", stored_box())])
    for keyword, text in same_person(doses[0]).items():
        setattr(structures, keyword, text)
    for k, ds in enumerate((structures, *doses)):
        dicom.save(ds, folder / "c" / f"{k}.dcm")
    shutil.copyfile(plan, folder / "c" / "plan.dcm")
    return case_file(folder, "  - {name: breast, kind: proposed, dicom: c}\n")


GROUPS_UID = "2.16.840.1.114337.1.1.1558497888.0"


def anonymous(uid: str, gy: float, **more: Any) -> Any:
    return stored_dose(uid, gy, GROUPS_UID, PatientID="Anonymous", PatientName="", PatientBirthDate="", PatientSex="", **more)


@pytest.mark.hazard("H02")
def test_one_dose_of_two_fraction_groups_is_refused(tmp_path: Path, reference_data: Path, check: Check) -> None:
    folder = own_course(tmp_path, reference_data / "fraction_groups" / "rtplan.dcm", anonymous("1.2.3.2", 52.4))
    status, _, message = check(folder)
    assert status == 2
    assert "has 2 fraction groups but one dose for all of them, so the dose per fraction is unknown." in message


@pytest.mark.hazard("H02")
def test_doses_of_two_fraction_groups_are_two_phases(tmp_path: Path, reference_data: Path, check: Check) -> None:
    """42.4 Gy in 16 and 10 Gy in 4: at alpha/beta 3 Gy 42.4 (2.65 + 3) / 5 + 10 (2.5 + 3) / 5 = 58.912 Gy."""
    doses = [anonymous(f"1.2.3.2{g}", gy, summation="FRACTION", group=g) for g, gy in ((1, 42.4), (2, 10.0))]
    folder = own_course(tmp_path, reference_data / "fraction_groups" / "rtplan.dcm", *doses)
    _, result, _ = check(folder)
    assert [p["fractions"] for p in result["courses"][0]["phases"]] == [16, 4]
    assert result["structures"][0]["cumulative"]["mean_gy"] == pytest.approx(58.912, abs=1e-3)


def test_truncated_plan_is_refused(tmp_path: Path, reference_data: Path, check: Check) -> None:
    folder = own_course(tmp_path, reference_data / "pydicom_rtdose" / "rtplan_truncated.dcm", stored_dose("1.2.3.2", 20, dicom.PLAN_UID))
    status, result, message = check(folder)
    assert (status, result) == (2, None)
    assert "plan.dcm" in message
