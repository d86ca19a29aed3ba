import hashlib
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

SAMPLES = Path(__file__).resolve().parents[1] / "sample_plans"
COURSES = {"A-groin-relapse": ("crt-2021", "groin-2023"), "B-para-aortic-nodes": ("crt-2022", "sbrt-2024")}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    sys.path.insert(0, str(SAMPLES))
    try:
        import make
    finally:
        sys.path.remove(str(SAMPLES))
    out = tmp_path_factory.mktemp("samples")
    make.make(out)
    return out


def files(root):
    return {path.relative_to(root).as_posix(): path for name in COURSES for path in sorted((root / name).rglob("*")) if path.is_file()}


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


def test_the_committed_files_are_what_the_script_makes(rebuilt):
    committed, again = files(SAMPLES), files(rebuilt)
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


def test_both_courses_share_a_frame_but_not_their_images():
    for case, courses in COURSES.items():
        first, second = (load(case, course)["RTSTRUCT"] for course in courses)
        assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
        assert first.StudyInstanceUID != second.StudyInstanceUID
        assert roi_points(first)["Bladder"].shape != roi_points(second)["Bladder"].shape


def test_skin_is_drawn_as_a_shell_of_5_mm():
    skin = next(item for item in load("A-groin-relapse", "groin-2023")["RTSTRUCT"].ROIContourSequence if item.ReferencedROINumber == 2)
    rings = [np.array(c.ContourData, float).reshape(-1, 3) for c in skin.ContourSequence]
    pair = [ring for ring in rings if ring[0, 2] == 90.0]
    assert len(pair) == 2
    left = sorted(ring[:, 0].max() for ring in pair)
    assert left[1] - left[0] == pytest.approx(5.0, abs=0.3)
