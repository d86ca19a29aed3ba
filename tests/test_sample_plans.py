import hashlib
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from ruamel.yaml import YAML

from reirrad.dicom.course import read_course
from reirrad.organs import match_organ

SAMPLES = Path(__file__).resolve().parents[1] / "sample_plans"
COURSES = {
    "A-groin-relapse": ("crt-2021", "groin-2023"),
    "B-para-aortic-nodes": ("crt-2022", "sbrt-2024"),
    "C-field-edge-twice-daily": ("crt-2022", "pelvis-2024", "protons-2024"),
    "E-intraoperative": ("crt-2021", "preop-2023"),
}
CASE_C, CASE_E = SAMPLES / "C-field-edge-twice-daily", SAMPLES / "E-intraoperative"
RBE = {"protons-2024": 1.1}  # prescriptions of protons have it, their PHYSICAL doses do not


def rebuild(case, out):
    sys.path.insert(0, str(SAMPLES))
    try:
        import make
    finally:
        sys.path.remove(str(SAMPLES))
    make.make(out, (case,))


def files(root):
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}


def assert_same_content(committed, again):
    """Equal but for the last digit: other compression libraries and processors may round the last bit otherwise."""
    ours, theirs = (list(pydicom.dcmread(path).iterall()) for path in (committed, again))
    assert [(e.tag, e.VR) for e in ours] == [(e.tag, e.VR) for e in theirs]
    for one, two in zip(ours, theirs, strict=True):
        if one.keyword == "PixelData":
            image = pydicom.dcmread(committed).pixel_array.astype(np.int64) - pydicom.dcmread(again).pixel_array
            assert np.abs(image).max() <= 1
        elif one.keyword == "ContourData":
            assert np.abs(np.array(one.value, float) - np.array(two.value, float)).max() <= 0.011
        elif one.VR != "SQ":
            assert one.value == two.value


@pytest.mark.parametrize("case", COURSES)
def test_the_committed_files_are_what_the_script_makes(case, tmp_path):
    rebuild(case, tmp_path)
    committed, again = files(SAMPLES / case), files(tmp_path / case)
    assert list(committed) == list(again)
    for name, path in committed.items():
        if hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(again[name].read_bytes()).digest():
            assert name.endswith(".dcm"), name
            assert_same_content(path, again[name])


@pytest.mark.parametrize("case", COURSES)
def test_a_case_is_small_and_holds_nobody(case):
    assert sum(path.stat().st_size for path in (SAMPLES / case).rglob("*")) < 6_000_000
    for path in (SAMPLES / case).rglob("*.dcm"):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        assert str(ds.PatientName) == f"Sample^Case {case[0]}"
        assert ds.PatientID == f"SAMPLE-{case[0]}"
        assert (ds.PatientBirthDate, "No person" in ds.PatientComments) == ("", True)


def load(case, course):
    return {kind: pydicom.dcmread(SAMPLES / case / course / f"{kind}.dcm") for kind in ("RTSTRUCT", "RTPLAN", "RTDOSE")}


def roi_points(structures):
    names = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    return {
        names[item.ReferencedROINumber]: np.vstack([np.array(c.ContourData, float).reshape(-1, 3) for c in item.ContourSequence])
        for item in structures.ROIContourSequence
    }


@pytest.mark.parametrize(("case", "course"), [(case, course) for case, courses in COURSES.items() for course in courses])
def test_the_dose_covers_every_contour_and_fits_the_prescription(case, course):
    made = load(case, course)
    ds = made["RTDOSE"]
    dose = ds.pixel_array * float(ds.DoseGridScaling)
    start = np.array(ds.ImagePositionPatient, float)
    step = np.array([ds.PixelSpacing[1], ds.PixelSpacing[0], ds.GridFrameOffsetVector[1]], float)
    points = roi_points(made["RTSTRUCT"])
    every = np.vstack(list(points.values()))
    assert np.all(every.min(axis=0) - step > start)
    assert np.all(every.max(axis=0) + step < start + step * (np.array(dose.shape[::-1]) - 1))
    prescription = max(float(d.TargetPrescriptionDose) for d in made["RTPLAN"].DoseReferenceSequence)
    dose *= RBE.get(course, 1.0)
    assert dose.max() < prescription * (1.25 if made["RTPLAN"].FractionGroupSequence[0].NumberOfFractionsPlanned == 5 else 1.07)
    # the edge of each target gets about 95 % of what is prescribed to it, or more
    for target in made["RTPLAN"].DoseReferenceSequence:
        index = np.rint((points[target.DoseReferenceDescription] - start) / step).astype(int)
        at_edge = dose[index[:, 2], index[:, 1], index[:, 0]]
        assert np.median(at_edge) > 0.93 * float(target.TargetPrescriptionDose)
        assert np.percentile(at_edge, 5) > 0.8 * float(target.TargetPrescriptionDose)
    # the grid is neither on the planes nor as wide as them
    assert abs((start[2] - points["BODY"][0, 2]) % 1.0) > 1e-3
    # outside the body there is none
    assert dose[:, :2, :].max() == 0


@pytest.mark.parametrize("case", COURSES)
def test_the_courses_share_a_frame_but_not_their_images(case):
    structures = [load(case, course)["RTSTRUCT"] for course in COURSES[case]]
    assert len({s.FrameOfReferenceUID for s in structures}) == 1
    assert len({s.StudyInstanceUID for s in structures}) == len(structures)
    assert len({roi_points(s)["Bladder"].shape for s in structures}) == len(structures)


def plain_yaml(path):
    return YAML(typ="safe").load(path)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/case*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_case_file_names_courses_that_are_there_and_organs_that_are_known(path):
    case = plain_yaml(path)
    assert case["patient_id"] == f"SAMPLE-{path.parent.name[0]}"
    assert all((path.parent / course["dicom"] / "RTDOSE.dcm").is_file() for course in case["courses"] if "dicom" in course)
    reference = next(course for course in case["courses"] if course["name"] == case["reference"])
    roi_names = {roi.ROIName for roi in load(path.parent.name, reference["dicom"])["RTSTRUCT"].StructureSetROISequence}
    named = case.get("structures", {})
    assert set(named) <= roi_names
    # two structures without an organ, in one of the cases, show what is said of them
    unknown = {name for name in roi_names - set(named) if match_organ(name) is None and name[:3] not in ("GTV", "CTV", "PTV", "BOD")}
    assert unknown == ({"Spleen", "SpinalCanal"} if path.parent.name[0] == "B" else set())


def test_case_c_is_given_twice_a_day_or_with_protons():
    twice, protons = (plain_yaml(CASE_C / name)["courses"] for name in ("case.yaml", "case-protons.yaml"))
    assert twice[0] == protons[0]  # the same past
    assert (twice[1]["per_day"], twice[1]["interval_h"]) == (2, 6)
    plan = load(CASE_C.name, "pelvis-2024")["RTPLAN"]
    assert (plan.FractionGroupSequence[0].NumberOfFractionsPlanned, plan.DoseReferenceSequence[0].TargetPrescriptionDose) == (26, 39.0)
    assert (protons[1]["radiation"], protons[1]["rbe"], protons[1]["let_kev_um"]) == ("proton", 1.1, 2.5)
    assert plan.PatientSex == "M"


def test_protons_of_case_c_are_a_physical_dose_that_ends_behind_the_target():
    made = load(CASE_C.name, "protons-2024")
    plan, dose = made["RTPLAN"], made["RTDOSE"]
    assert (plan.SOPClassUID.name, dose.DoseType) == ("RT Ion Plan Storage", "PHYSICAL")
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPClassUID == plan.SOPClassUID
    protons, photons = (read_course(name, "proposed", CASE_C / name, CASE_C)[0].phases[0] for name in ("protons-2024", "pelvis-2024"))
    assert (protons.fractions, protons.prescription_gy, protons.components[0].factor) == (25, 45.0, 1.1)
    grid, other = protons.components[0].dose, photons.components[0].dose
    # 40.9 Gy at the centre of the target, at (56, 12, 10) mm
    centre = np.array([[56.0, 12.0, 10.0]])
    assert grid.at_points(centre, "linear")[0] == pytest.approx(45 / 1.1, rel=0.03)
    # one field comes from 8 degrees left of straight behind: before her belly, and 70 mm to her right, there is no proton dose at all
    away = np.array([[56.0, -70.0, 10.0], [-14.0, 12.0, 10.0]])
    assert grid.at_points(away, "linear").tolist() == [0.0, 0.0]
    assert np.all(other.at_points(away, "linear") > 1.0)
    # the steepest fall along the way of that field, 10 % of the dose per mm or more
    track = centre + np.arange(-5.0, 60.0, 0.5)[:, None] * np.array([[-np.sin(np.radians(172)), np.cos(np.radians(172)), 0.0]])
    fall = -np.diff(grid.at_points(track, "cubic")) / 0.5
    assert fall.max() > 0.5 * 0.1 * 45 / 1.1  # half of the dose ends here, the other field ends elsewhere


def test_electrons_of_case_e_have_a_dose_for_every_organ_contoured():
    case = plain_yaml(CASE_E / "case.yaml")
    prior, before, during = case["courses"]
    assert (case["reference"], before["name"]) == ("Preop 2023", "Preop 2023")
    assert (during["kind"], during["radiation"], during["prescription"]) == ("proposed", "electron", {"dose_gy": 12.5, "fractions": 1})
    assert "dicom" not in during
    assert prior["completed"] < before["starts"] < during["starts"]
    names = [roi.ROIName for roi in load(CASE_E.name, "preop-2023")["RTSTRUCT"].StructureSetROISequence]
    keys = {case["structures"].get(name) or match_organ(name) for name in names} - {None}
    assert keys == set(during["organ_doses"])
    assert max(dose["Dmax"] for dose in during["organ_doses"].values()) == 12.5
    plan = load(CASE_E.name, "preop-2023")["RTPLAN"]
    assert (plan.FractionGroupSequence[0].NumberOfFractionsPlanned, plan.DoseReferenceSequence[0].TargetPrescriptionDose) == (17, 30.6)


def test_skin_is_drawn_as_a_shell_of_5_mm():
    skin = next(item for item in load("A-groin-relapse", "groin-2023")["RTSTRUCT"].ROIContourSequence if item.ReferencedROINumber == 2)
    rings = [np.array(c.ContourData, float).reshape(-1, 3) for c in skin.ContourSequence]
    pair = [ring for ring in rings if ring[0, 2] == 90.0]
    assert len(pair) == 2
    left = sorted(ring[:, 0].max() for ring in pair)
    assert left[1] - left[0] == pytest.approx(5.0, abs=0.3)
