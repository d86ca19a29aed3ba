import dataclasses
import datetime as dt
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RTIonPlanStorage

from reirrad.dicom.write import Study, ds_text, ds_texts, uid_from_text, write_dataset
from reirrad.dicom.write_dose import rt_dose
from reirrad.dicom.write_image import CtGeometry, ct_slice
from reirrad.dicom.write_ion_plan import IonBeam, rt_ion_plan
from reirrad.dicom.write_plan import Arc, rt_plan
from reirrad.dicom.write_registration import ImageSeries, ct_series, registration_object
from reirrad.dicom.write_structures import rt_structure_set
from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError
from reirrad.grid import Grid
from reirrad.structures import Contour, Structure

STUDY = Study("test", "Made^Up", "MADE-1", dt.date(2021, 3, 1), uid_from_text("frame"), "F", "Test", "Made data.")
CT = CtGeometry(-50.3, -40.7, 2.25, np.array([-3.3, -0.3, 2.7, 5.7]))
RING = Contour(np.array([[1.0, 2.0, 2.7], [11.12345, 2.0, 2.7], [6.0, -1e-9, 2.7]]))
AWAY = Contour(RING.points_mm + np.array([0.0, 0.0, 1.2]), xor=True)
STRUCTURES = [Structure("Bladder", 4, (RING, AWAY), "ORGAN"), Structure("Empty", 9, ())]
FIELDS = [IonBeam(122.5, (160.0, 151.5), 25.0, 15.0), IonBeam(172.0, (150.0,))]
BEFORE = dataclasses.replace(STUDY, seed="test before", date=dt.date(2020, 3, 1), frame_uid=uid_from_text("frame before"))
ARCS = [Arc(181, 179, True), Arc(30, 300, False, 20, 15)]


def some_dose():
    grid = Grid(np.eye(3), -20.25 + 2.5 * np.arange(7), 3.125 + 3.0 * np.arange(5), -7.7 + 2.0 * np.arange(4))
    dose = np.arange(140, dtype=np.float32).reshape(4, 5, 7) * np.float32(0.37)
    return DoseGrid(grid, dose, STUDY.frame_uid)


def ion_plan(reviewer="Made^Reviewer"):
    return rt_ion_plan(STUDY, "Side wall p 45", 45.0, 25, FIELDS, (1.5, -2.0, 3.25), {"PTV_4500": 45.0}, reviewer=reviewer)


def turned():
    """2 degrees about x, then 3 degrees about z, then (14, -9, 23) mm."""
    (ca, sa), (cb, sb) = ((np.cos(np.radians(a)), np.sin(np.radians(a))) for a in (3, 2))
    return np.array([[ca, -sa * cb, sa * sb, 14], [sa, ca * cb, -ca * sb, -9], [0, sb, cb, 23], [0, 0, 0, 1]])


def registration(matrix=None, source=BEFORE, registered=STUDY, **more):
    return registration_object(registered, turned() if matrix is None else matrix, ct_series(source, CT), ct_series(registered, CT), **more)


def everything():
    plan = rt_plan(STUDY, "Pelvis 54/45", 54.0, 30, ARCS, (1.5, -2.0, 3.25), {"PTV_5400": 54.0, "PTV_4500": 45.0}, reviewer="Made^Reviewer")
    return {
        "CT": ct_slice(STUDY, CT, 2, np.arange(-1024, -1024 + 15 * 100, 100, dtype=np.int16).reshape(3, 5)),
        "RTSTRUCT": rt_structure_set(STUDY, STRUCTURES, CT, "Pelvis"),
        "RTPLAN": plan,
        "RTDOSE": rt_dose(STUDY, some_dose(), comment="Test dose"),
    }


# Modules the standard leaves to the user that our objects have.
OPTIONAL_MODULES = {
    "CT": (),
    "RTSTRUCT": (),
    "RTPLAN": ("rt-prescription", "rt-patient-setup", "rt-fraction-scheme", "rt-beams", "rt-ion-beams", "approval", "frame-of-reference"),
    "RTDOSE": ("general-image", "image-plane", "image-pixel", "multi-frame", "frame-of-reference"),
    "REG": (),
}


def missing(ds):
    """Attributes of type 1 or 2 that the tables of the standard ask of the modules of an object, but are not there."""
    tables = pytest.importorskip("highdicom._standard_utils")
    modules = tables.get_iod_module_map()[tables.get_sop_class_iod_map()[ds.SOPClassUID]]
    wanted = [a for m in modules if m["usage"] == "M" or m["key"] in OPTIONAL_MODULES[ds.Modality] for a in tables.get_module_attribute_map()[m["key"]]]
    found = []
    for attribute in wanted:
        items = [ds]
        for keyword in attribute["path"]:
            items = [child for item in items if keyword in item for child in item[keyword].value]
        for item in items:
            absent = attribute["keyword"] not in item
            if attribute["type"] in ("1", "2") and (absent or (attribute["type"] == "1" and item[attribute["keyword"]].is_empty)):
                found.append(".".join([*attribute["path"], attribute["keyword"]]))
    return sorted(set(found))


@pytest.mark.parametrize("kind", ["CT", "RTSTRUCT", "RTPLAN", "RTDOSE"])
def test_objects_hold_what_the_standard_asks_for(kind):
    assert missing(everything()[kind]) == []


def test_a_proton_plan_holds_what_the_standard_asks_for():
    assert missing(ion_plan()) == []


@pytest.mark.parametrize("body_part", ["", "PELVIS"])
def test_a_registration_holds_what_the_standard_asks_for(body_part):
    assert missing(registration(body_part=body_part)) == []


def test_the_checker_finds_what_is_missing():
    made = everything()
    del made["RTDOSE"].DoseUnits
    made["RTSTRUCT"].StructureSetLabel = ""
    del made["RTPLAN"].FractionGroupSequence[0].NumberOfBeams
    del made["RTPLAN"].BeamSequence[1].BeamNumber
    made["REG"] = registration()
    del made["REG"].RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrix
    assert missing(made["REG"]) == ["RegistrationSequence.MatrixRegistrationSequence.MatrixSequence.FrameOfReferenceTransformationMatrix"]
    assert missing(made["RTDOSE"]) == ["DoseUnits"]
    assert missing(made["RTSTRUCT"]) == ["StructureSetLabel"]
    assert missing(made["RTPLAN"]) == ["BeamSequence.BeamNumber", "FractionGroupSequence.NumberOfBeams"]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("kind", ["CT", "RTSTRUCT", "RTPLAN", "RTDOSE"])
def test_dciodvfy_finds_no_fault(kind, tmp_path):
    ds = everything()[kind]
    if kind == "RTDOSE":  # dciodvfy of 2022 aborts on 32 bits
        ds = rt_dose(STUDY, some_dose(), bits=16)
    if kind == "RTSTRUCT":  # and does not know CLOSEDPLANAR_XOR
        ds = rt_structure_set(STUDY, [Structure("Bladder", 4, (RING,), "ORGAN"), STRUCTURES[1]], CT, "Pelvis")
    assert dciodvfy(ds, tmp_path) == []


def dciodvfy(ds, folder):
    write_dataset(ds, folder / "object.dcm")
    run = subprocess.run(["dciodvfy", folder / "object.dcm"], capture_output=True, text=True, check=False)
    return sorted({line for line in run.stderr.splitlines() if line.startswith(("Error", "Warning"))})


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_fault_in_a_proton_plan(tmp_path):
    # of 2022, it wants a Modulated Scan Mode Type beside MODULATED; the standard wants one beside MODULATED_SPEC only
    outdated = "Error - Missing attribute Type 1C Conditional Element=<ModulatedScanModeType> Module=<RTIonBeams>"
    assert [line for line in dciodvfy(ion_plan(), tmp_path) if line != outdated] == []


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_fault_in_a_registration(tmp_path):
    assert dciodvfy(registration(body_part="PELVIS"), tmp_path) == []
    # without a part of the body it says that an unknown side should be an exception
    assert [line for line in dciodvfy(registration(), tmp_path) if "attribute <Laterality>" not in line] == []


def stored_matrices(ds):
    """Frame of each item and the matrix of it, by pydicom alone."""
    found = {}
    for item in ds.RegistrationSequence:
        (only,) = item.MatrixRegistrationSequence
        (stored,) = only.MatrixSequence
        assert stored.FrameOfReferenceTransformationMatrixType == "RIGID"
        found[item.FrameOfReferenceUID] = np.array(stored.FrameOfReferenceTransformationMatrix, float).reshape(4, 4)
    return found


def test_a_registration_maps_the_source_to_the_registered_frame(tmp_path):
    write_dataset(registration(), tmp_path / "r.dcm", deflated=True)
    ds = pydicom.dcmread(tmp_path / "r.dcm")
    assert (ds.Modality, ds.FrameOfReferenceUID, ds.StudyInstanceUID) == ("REG", STUDY.frame_uid, STUDY.study_uid)
    matrices = stored_matrices(ds)
    assert list(matrices) == [STUDY.frame_uid, BEFORE.frame_uid]
    assert np.array_equal(matrices[STUDY.frame_uid], np.eye(4))
    matrix = matrices[BEFORE.frame_uid]
    assert np.abs(matrix - turned()).max() < 1e-13
    assert np.abs(matrix[:3, :3].T @ matrix[:3, :3] - np.eye(3)).max() < 1e-12
    # 100 mm along x: 100 cos 3 and 100 sin 3 beside the shift
    np.testing.assert_allclose(matrix @ [100, 0, 0, 1], [14 + 99.862953, -9 + 5.233596, 23, 1], atol=1e-6)
    texts = [str(v) for i in ds.RegistrationSequence for v in i.MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrix]
    assert max(map(len, texts)) <= 16


def test_our_reader_gets_the_matrix_back_in_both_directions(tmp_path):
    from reirrad.dicom.spatial import read_rigid

    write_dataset(registration(), tmp_path / "r.dcm")
    there = read_rigid(tmp_path / "r.dcm", "r.dcm", BEFORE.frame_uid, STUDY.frame_uid)
    back = read_rigid(tmp_path / "r.dcm", "r.dcm", STUDY.frame_uid, BEFORE.frame_uid)
    np.testing.assert_allclose(there, turned(), atol=1e-12)
    np.testing.assert_allclose(back @ turned(), np.eye(4), atol=1e-10)


def images_of(items):
    return [[r.ReferencedSOPInstanceUID for r in item.ReferencedInstanceSequence] for item in items]


def test_a_registration_names_the_images_of_both_scans():
    ds = registration()
    ours, theirs = ([study.uid("CT", k) for k in range(4)] for study in (STUDY, BEFORE))
    assert [[r.ReferencedSOPInstanceUID for r in item.ReferencedImageSequence] for item in ds.RegistrationSequence] == [ours, theirs]
    assert [s.SeriesInstanceUID for s in ds.ReferencedSeriesSequence] == [STUDY.series_uid("CT")]
    assert images_of(ds.ReferencedSeriesSequence) == [ours]
    (other,) = ds.StudiesContainingOtherReferencedInstancesSequence
    assert (other.StudyInstanceUID, [s.SeriesInstanceUID for s in other.ReferencedSeriesSequence]) == (BEFORE.study_uid, [BEFORE.series_uid("CT")])
    assert images_of(other.ReferencedSeriesSequence) == [theirs]


def test_a_registration_of_series_of_one_study_or_of_none_of_its_own():
    within = ImageSeries("1.2.3", STUDY.study_uid, "1.2.4", ("1.2.5",), MRImageStorage)
    ds = registration_object(STUDY, turned(), within, ct_series(STUDY, CT))
    assert [s.SeriesInstanceUID for s in ds.ReferencedSeriesSequence] == [STUDY.series_uid("CT"), "1.2.4"]
    assert "StudiesContainingOtherReferencedInstancesSequence" not in ds
    assert [i.ReferencedImageSequence[0].ReferencedSOPClassUID for i in ds.RegistrationSequence] == [CTImageStorage, MRImageStorage]
    ds = registration_object(dataclasses.replace(STUDY, seed="apart"), turned(), ct_series(BEFORE, CT), ct_series(STUDY, CT))
    assert "ReferencedSeriesSequence" not in ds
    assert [s.StudyInstanceUID for s in ds.StudiesContainingOtherReferencedInstancesSequence] == [STUDY.study_uid, BEFORE.study_uid]


def test_another_matrix_is_another_object():
    shifted = turned() + 0.001 * np.eye(4, k=3)
    assert registration().SOPInstanceUID == registration().SOPInstanceUID
    assert registration(shifted).SOPInstanceUID != registration().SOPInstanceUID
    ds = registration(label="CHECKED", description="By eye")
    assert (ds.ContentLabel, ds.ContentDescription, ds.Laterality, "BodyPartExamined" in ds) == ("CHECKED", "By eye", "", False)
    ds = registration(body_part="PELVIS")
    assert (ds.BodyPartExamined, "Laterality" in ds) == ("PELVIS", False)


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([1.00001, 1, 1, 1]),  # scale
        np.eye(4) + 1e-5 * np.eye(4, k=1),  # shear
        np.diag([-1.0, 1, 1, 1]),  # mirrored
        np.diag([1.0, 1, 1, 2]),
        np.diag([1.0, 1, np.nan, 1]),
        np.eye(3),
    ],
)
def test_what_is_not_rigid_is_not_written(matrix):
    with pytest.raises(GeometryError, match="not a rotation and translation"):
        registration(matrix)


def test_frames_that_do_not_fit_are_not_written():
    with pytest.raises(GeometryError, match="in one frame of reference, which needs none"):
        registration(source=dataclasses.replace(BEFORE, frame_uid=STUDY.frame_uid))
    with pytest.raises(GeometryError, match="not in the frame of reference of the registered images"):
        registration_object(BEFORE, turned(), ct_series(BEFORE, CT), ct_series(STUDY, CT))


def test_objects_are_linked_from_dose_to_image():
    made = everything()
    assert made["RTDOSE"].ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == made["RTPLAN"].SOPInstanceUID
    assert made["RTPLAN"].ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == made["RTSTRUCT"].SOPInstanceUID
    contour = made["RTSTRUCT"].ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == made["CT"].SOPInstanceUID
    assert {ds.FrameOfReferenceUID for ds in made.values()} == {STUDY.frame_uid}
    assert {ds.StudyInstanceUID for ds in made.values()} == {STUDY.study_uid}
    assert len({ds.SeriesInstanceUID for ds in made.values()}) == 4


def test_uids_are_valid_and_always_the_same():
    assert STUDY.uid("CT", 1) == "2.25.336138701219471191640345067234488666909"
    assert uid_from_text("a").is_valid
    assert uid_from_text("a", "b") != uid_from_text("ab")


def test_decimal_strings_have_at_most_16_characters(tmp_path):
    for ds in everything().values():
        write_dataset(ds, tmp_path / "object.dcm")
        for element in pydicom.dcmread(tmp_path / "object.dcm").iterall():
            if element.VR == "DS" and not element.is_empty:
                values = element.value if element.VM > 1 else [element.value]
                assert max(len(str(value)) for value in values) <= 16


def test_numbers_as_text():
    assert ds_texts([2.5, -0.0, 100.0, 1e20, 0.1 + 0.2]) == ["2.5", "0", "100", "1e+20", "0.3"]
    assert abs(float(ds_text(-1234.56789012345678)) + 1234.56789012345678) < 1e-9


@pytest.mark.parametrize("deflated", [False, True])
def test_files_are_the_same_bytes_each_time(tmp_path, deflated):
    for name in ("a", "b"):
        write_dataset(everything()["RTDOSE"], tmp_path / name, deflated=deflated)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pydicom.dcmread(tmp_path / "a").file_meta.TransferSyntaxUID.is_deflated is deflated


def test_ct_pixels_come_back_as_hounsfield_units():
    ds = everything()["CT"]
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    hu = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    assert hu.shape == (3, 5)
    assert (hu[0, 0], hu[0, 1], hu[2, 4]) == (-1024, -924, 376)
    assert ds.ImagePositionPatient == [-50.3, -40.7, 2.7]
    assert (ds.SliceThickness, list(ds.PixelSpacing)) == (3.0, [2.25, 2.25])


def test_contours_come_back_to_a_thousandth_of_a_millimetre(tmp_path):
    write_dataset(everything()["RTSTRUCT"], tmp_path / "s.dcm", deflated=True)
    ds = pydicom.dcmread(tmp_path / "s.dcm")
    first, second = ds.ROIContourSequence[0].ContourSequence
    assert list(first.ContourData) == [1.0, 2.0, 2.7, 11.123, 2.0, 2.7, 6.0, 0.0, 2.7]
    assert (first.ContourGeometricType, second.ContourGeometricType) == ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
    assert "ContourImageSequence" not in second  # 3.9 mm lies between two images
    assert [(r.ROINumber, r.ROIName) for r in ds.StructureSetROISequence] == [(4, "Bladder"), (9, "Empty")]
    assert [o.RTROIInterpretedType for o in ds.RTROIObservationsSequence] == ["ORGAN", ""]
    assert "ContourSequence" not in ds.ROIContourSequence[1]


def test_plan_says_fractions_prescription_and_where_the_gantry_goes():
    ds = everything()["RTPLAN"]
    group = ds.FractionGroupSequence[0]
    assert (group.NumberOfFractionsPlanned, group.NumberOfBeams) == (30, 2)
    assert sum(float(b.BeamDose) for b in group.ReferencedBeamSequence) == pytest.approx(1.8)
    assert [(d.DoseReferenceDescription, d.TargetPrescriptionDose) for d in ds.DoseReferenceSequence] == [("PTV_5400", 54.0), ("PTV_4500", 45.0)]
    assert (ds.ApprovalStatus, str(ds.ReviewerName)) == ("APPROVED", "Made^Reviewer")
    first, second = ds.BeamSequence
    assert [float(c.GantryAngle) for c in second.ControlPointSequence][:2] == [30.0, 20.0]
    assert float(second.ControlPointSequence[-1].GantryAngle) == 300.0
    assert first.NumberOfControlPoints == len(first.ControlPointSequence) == 37
    weights = [float(c.CumulativeMetersetWeight) for c in first.ControlPointSequence]
    assert (weights[0], weights[-1]) == (0.0, 1.0)
    assert np.all(np.diff(weights) > 0)
    for point in first.ControlPointSequence:
        leaves = np.array(point.BeamLimitingDevicePositionSequence[-1].LeafJawPositions, float).reshape(2, 60)
        assert np.all(leaves[0] <= leaves[1])


def test_a_plan_without_a_reviewer_is_unapproved():
    ds = rt_plan(STUDY, "P", 30.0, 5, ARCS[:1], (0.0, 0.0, 0.0), {})
    assert ds.ApprovalStatus == "UNAPPROVED"
    assert "ReviewerName" not in ds


def test_a_proton_plan_says_fields_energies_spots_and_what_is_prescribed():
    ds = ion_plan()
    assert (ds.SOPClassUID, ds.Modality, ds.ApprovalStatus) == (RTIonPlanStorage, "RTPLAN", "APPROVED")
    group = ds.FractionGroupSequence[0]
    assert (group.NumberOfFractionsPlanned, group.NumberOfBeams, [b.ReferencedBeamNumber for b in group.ReferencedBeamSequence]) == (25, 2, [1, 2])
    assert not any("BeamDose" in b for b in group.ReferencedBeamSequence)
    assert [(d.DoseReferenceDescription, d.TargetPrescriptionDose) for d in ds.DoseReferenceSequence] == [("PTV_4500", 45.0)]
    first, second = ds.IonBeamSequence
    assert (first.RadiationType, first.ScanMode, first.NumberOfControlPoints, second.NumberOfControlPoints) == ("PROTON", "MODULATED", 4, 2)
    points = first.IonControlPointSequence
    assert [(float(p.NominalBeamEnergy), float(p.CumulativeMetersetWeight)) for p in points] == [(160, 0), (160, 0.5), (151.5, 0.5), (151.5, 1)]
    assert [float(f.IonControlPointSequence[0].GantryAngle) for f in ds.IonBeamSequence] == [122.5, 172.0]
    # 10 mm apart in an ellipse of 25 and 15 mm: five in the middle row, three in each row beside it
    spots = np.array(points[0].ScanSpotPositionMap).reshape(-1, 2)
    assert points[0].NumberOfScanSpotPositions == len(spots) == 11
    assert (spots[spots[:, 1] == 0, 0].tolist(), spots[spots[:, 1] == 10, 0].tolist()) == ([-20, -10, 0, 10, 20], [-10, 0, 10])
    # the second control point of a layer adds nothing: all weights together are the field
    assert sum(sum(p.ScanSpotMetersetWeights) for p in points) == pytest.approx(1.0)
    assert sum(points[1].ScanSpotMetersetWeights) == 0


def test_a_dose_refers_to_a_proton_plan():
    link = rt_dose(STUDY, some_dose(), plan_class=RTIonPlanStorage).ReferencedRTPlanSequence[0]
    assert (link.ReferencedSOPClassUID, link.ReferencedSOPInstanceUID) == (RTIonPlanStorage, ion_plan(reviewer="").SOPInstanceUID)


@pytest.mark.parametrize(("bits", "step_gy", "error_gy"), [(32, None, 1e-8), (16, None, 51.43 / 65535 / 2), (16, 0.005, 0.0025), (32, 0.001, 0.0005)])
def test_dose_comes_back_within_half_a_step(bits, step_gy, error_gy, tmp_path):
    dose = some_dose()
    write_dataset(rt_dose(STUDY, dose, bits=bits, step_gy=step_gy), tmp_path / "d.dcm", deflated=True)
    ds = pydicom.dcmread(tmp_path / "d.dcm")
    assert len(str(ds.DoseGridScaling)) <= 16
    back = ds.pixel_array * float(ds.DoseGridScaling)
    assert np.abs(back - dose.dose_gy).max() <= error_gy * 1.0001
    assert (ds.ImagePositionPatient, list(ds.PixelSpacing)) == ([-20.25, 3.125, -7.7], [3.0, 2.5])
    assert list(ds.GridFrameOffsetVector) == [0, 2, 4, 6]
    assert (ds.DoseUnits, ds.DoseType, ds.DoseSummationType, ds.BitsAllocated) == ("GY", "PHYSICAL", "PLAN", bits)


def test_a_turned_grid_keeps_its_place():
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    grid = Grid(turn, np.array([1.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.array([7.0]))
    ds = rt_dose(dataclasses.replace(STUDY, comments=""), DoseGrid(grid, np.zeros((1, 3, 2), np.float32), STUDY.frame_uid))
    assert "PatientComments" not in ds
    # u runs along y, v along -x: the first voxel (u 1, v 4, w 7) is at x = -4, y = 1
    assert [float(v) for v in ds.ImagePositionPatient] == [-4, 1, 7]
    assert [float(v) for v in ds.ImageOrientationPatient] == [0, 1, 0, -1, 0, 0]
    assert (list(ds.PixelSpacing), ds.SliceThickness, ds.DoseGridScaling > 0) == ([1, 2], None, True)


def test_a_single_row_of_voxels_has_a_nominal_spacing():
    grid = Grid(np.eye(3), np.array([0.5]), np.array([1.5, 4.0]), np.array([0.0, 1.0]))
    assert list(rt_dose(STUDY, DoseGrid(grid, np.ones((2, 2, 1), np.float32))).PixelSpacing) == [2.5, 1]


def test_a_dose_too_large_for_its_step_is_refused():
    with pytest.raises(GeometryError, match=r"51\.43 Gy does not fit 16 bits at 0\.0005 Gy"):
        rt_dose(STUDY, some_dose(), step_gy=0.0005, bits=16)


def test_uneven_voxels_are_refused():
    grid = Grid(np.eye(3), np.array([0.0, 1.0, 2.5]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    with pytest.raises(GeometryError, match="column spacing of a dose grid is uneven"):
        rt_dose(STUDY, DoseGrid(grid, np.zeros((2, 2, 3), np.float32)))
