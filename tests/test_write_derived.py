"""Objects derived from a course: whose they are is copied to the byte, what they are is said, and their numbers come back."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dicom_factory as dicom
import numpy as np
import pydicom
import pytest
from case_factory import PLANES, box_structure, even_dose, grid, rectangle, replaced, stored_box, stored_dose, write_course
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import DSfloat
from test_dicom_write import dciodvfy, missing

from reirrad.course import Course
from reirrad.dicom.course import read_course
from reirrad.dicom.files import read_record
from reirrad.dicom.rtdose import read_dose
from reirrad.dicom.rtstruct import read_structure_set
from reirrad.dicom.source_study import SourceImages
from reirrad.dicom.write import encoded, write_dataset
from reirrad.dicom.write_derived import DerivedStructure, SourceStudy, derived_dose, derived_structures
from reirrad.dose import DoseGrid
from reirrad.errors import DicomError, GeometryError, ParameterError
from reirrad.grid import Grid

DAY = dt.date(2026, 3, 31)
IN = "1.2.840.10008.5.1.4.1.1.481.5"
TWO_PLANS = ((IN, "1.2.3.1.5"), (IN, "1.2.3.2.5"))
needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")


def source_of(root: Path, **more: Any) -> SourceStudy:
    """A written course as read, and what is taken over from it."""
    return SourceStudy.of(root, course_in(root, **more))


def course_in(root: Path, **more: Any) -> Course:
    write_course(root / "c", 1, 20.0, 5, **more)
    return read_course("first", "prior", root / "c", root)[0]


def made(source: SourceStudy, dose: DoseGrid | None = None, **more: Any) -> Dataset:
    values: dict[str, Any] = {"dose_type": "EFFECTIVE", "summation": "MULTI_PLAN", "comment": "Cumulative EQD2, a/b 3 Gy", "plans": TWO_PLANS, "day": DAY}
    return derived_dose(source, uneven() if dose is None else dose, **values | more)


def uneven() -> DoseGrid:
    """Values that are no multiple of any step; uneven planes."""
    on = Grid(np.eye(3), grid().u_mm, grid().v_mm, np.array([-20.0, -16.5, -11, -5, 0.5, 4]))
    return DoseGrid(on, (np.pi * np.arange(540) ** 1.1 / 40).reshape(6, 9, 10).astype(np.float32), "1.2.3.100")


def written(ds: Dataset, folder: Path) -> pydicom.FileDataset:
    write_dataset(ds, folder / "derived.dcm")
    return pydicom.dcmread(folder / "derived.dcm")


def read_again(ds: Dataset, folder: Path) -> DoseGrid:
    write_dataset(ds, folder / "derived.dcm")
    record = read_record(folder / "derived.dcm", "derived.dcm")
    assert record is not None
    return read_dose(record)


def twin(ds: Dataset) -> Dataset:
    """The same with 16 bits: dciodvfy of 2022 aborts on 32."""
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    stored = ds.pixel_array
    step = int(stored.max()) // 65535 + 1
    ds.PixelData = (stored // step).astype("<u2").tobytes()
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.DoseGridScaling = DSfloat(float(ds.DoseGridScaling) * step, auto_format=True)
    return ds


# ------------------------------------------------------------------------------------------------------- whose it is


PEOPLE = [
    ("ISO_IR 192", "Nováková^Jana", "utf-8"),
    ("ISO_IR 100", "Müller^Jürgen", "latin-1"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "iso2022_jp"),
    (None, "Doe^Jane", "ascii"),
]


@pytest.mark.parametrize(("charset", "name", "_codec"), PEOPLE)
@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_patient_and_study_are_copied_to_the_byte(charset: Any, name: str, _codec: str, syntax: str | None, tmp_path: Path) -> None:
    more = {"PatientName": name, "PatientID": "P 77", "StudyDescription": "A", "StudyDate": "20240229", "StudyID": "7", "AccessionNumber": "AC1"}
    course = course_in(tmp_path, SpecificCharacterSet=charset, IssuerOfPatientID="HOSP", **more)
    file = tmp_path / "c" / "00.dcm"
    if syntax is not None:
        ds = pydicom.dcmread(file)
        ds.decode()
        if charset is None:
            del ds.SpecificCharacterSet
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = ds.pixel_array.astype(">u4").tobytes()
        ds.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(file, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)
    before = pydicom.dcmread(file)
    after = written(made(SourceStudy.of(tmp_path, course)), tmp_path)
    assert before.get("SpecificCharacterSet") == after.get("SpecificCharacterSet")
    kept = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "IssuerOfPatientID", "StudyInstanceUID", "StudyDate")
    for keyword in (*kept, "StudyDescription", "StudyID", "AccessionNumber"):
        one, other = (ds.get_item(keyword) for ds in (before, after))
        assert (one is None) == (other is None), keyword
        assert one is None or one.value.rstrip(b" \0") == other.value.rstrip(b" \0"), keyword
    assert str(after.PatientName) == name
    assert after.FrameOfReferenceUID == "1.2.3.100"
    assert (after.StudyTime, after.PositionReferenceIndicator) in (("", ""), ("", None))  # there, though the source has none


@pytest.mark.hazard("H19")
def test_identifiers_are_new_and_follow_from_the_content(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    one = made(source)
    more = uneven().dose_gy.copy()
    more[3, 4, 5] += np.float32(0.01)
    others = [
        made(source, DoseGrid(uneven().grid, more, "1.2.3.100")),
        made(source, comment="Cumulative EQD2, a/b 2 Gy"),
        made(source, day=dt.date(2026, 4, 1)),
        made(source, details="x"),
        made(source, plans=TWO_PLANS[::-1]),
    ]
    assert encoded(one) == encoded(made(source_of(tmp_path / "again")))
    uids = {ds.SOPInstanceUID for ds in (one, *others)} | {ds.SeriesInstanceUID for ds in (one, *others)}
    assert len(uids) == 12
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    stored = written(one, tmp_path)
    assert stored.file_meta.MediaStorageSOPInstanceUID == stored.SOPInstanceUID
    assert (stored.StudyInstanceUID, stored.Manufacturer, stored.InstanceCreationDate, stored.SeriesDate) == ("1.2.3.8", "reirrad", "20260331", "20260331")


def test_who_is_named_by_a_text(tmp_path: Path) -> None:
    source = source_of(tmp_path, PatientName="Nováková^Jana Li", PatientID="AB-1207")
    assert all(source.names_patient(words) for words in ("CRT Novakova", "JANA 2021", "case 1207", "xnovákováx"))
    assert not any(source.names_patient(words) for words in ("CRT 2021", "Li", "first"))


def test_a_course_of_files_that_changed_or_without_dose_is_refused(tmp_path: Path) -> None:
    course = course_in(tmp_path)
    assert SourceStudy.of(tmp_path, course).frame_uid == "1.2.3.100"
    with pytest.raises(DicomError, match="has no dose file from which"):
        SourceStudy.of(tmp_path, replaced(course, inputs=()))
    dicom.save(stored_dose("1.2.3.77", 20.0, "1.2.3.1.5"), tmp_path / "c" / "00.dcm")
    with pytest.raises(DicomError, match="no longer the object that was read at first"):
        SourceStudy.of(tmp_path, course)
    (tmp_path / "c" / "00.dcm").write_bytes(b"no DICOM at all")
    with pytest.raises(DicomError):
        SourceStudy.of(tmp_path, course)


def test_a_dose_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no Study Instance UID"):
        source_of(tmp_path, dose={"StudyInstanceUID": ""})


RBES = [("PHYSICAL", None, False), ("EFFECTIVE", None, True), ("PHYSICAL", 1.1, True), ("PHYSICAL", 1.0, False)]


@pytest.mark.parametrize(("dose_type", "rbe", "effective"), RBES)
def test_whether_a_course_holds_an_rbe(dose_type: str, rbe: float | None, effective: bool, tmp_path: Path) -> None:
    course = course_in(tmp_path, dose={"DoseType": dose_type})
    assert SourceStudy.of(tmp_path, replaced(course, rbe=rbe)).is_effective is effective


def test_a_dose_that_names_no_plan_gets_an_identifier_in_its_place(tmp_path: Path) -> None:
    def plans(folder: str, **more: Any) -> tuple[tuple[str, str], ...]:
        write_course(tmp_path / folder, 1, 20.0, None, **more)
        course = read_course("first", "prior", tmp_path / folder, tmp_path, fractions=5)[0]
        return SourceStudy.of(tmp_path, course).plans

    assert plans("with") == ((IN, "1.2.3.1.5"),)
    ((sop_class, instance),) = plans("none", dose={"ReferencedRTPlanSequence": []})
    assert sop_class == IN
    assert instance.startswith("2.25.")
    assert plans("again", dose={"ReferencedRTPlanSequence": []}) == ((sop_class, instance),)


# ------------------------------------------------------------------------------------------------------- what it is


def test_a_dose_says_what_it_is(tmp_path: Path) -> None:
    words = "Dose of \u0160imon\\B"
    ds = written(made(source_of(tmp_path), description=words, details="alpha/beta 3 Gy at every voxel"), tmp_path)
    assert (ds.Modality, ds.DoseUnits, ds.DoseType, ds.DoseSummationType) == ("RTDOSE", "GY", "EFFECTIVE", "MULTI_PLAN")
    assert (ds.DoseComment, ds.SeriesDescription, ds.ImageComments) == ("Cumulative EQD2, a/b 3 Gy", "Dose of Simon/B", "alpha/beta 3 Gy at every voxel")
    assert [(r.ReferencedSOPClassUID, r.ReferencedSOPInstanceUID) for r in ds.ReferencedRTPlanSequence] == list(TWO_PLANS)
    assert "DVHSequence" not in ds
    ds = written(made(source_of(tmp_path / "b"), plans=TWO_PLANS[:1], dose_type="PHYSICAL", description="\u2622" * 70), tmp_path)
    assert (ds.DoseType, ds.DoseSummationType, ds.SeriesDescription) == ("PHYSICAL", "PLAN", "?" * 64)
    ds = written(made(source_of(tmp_path / "d"), plans=()), tmp_path)
    assert ("ReferencedRTPlanSequence" in ds, "ImageComments" in ds, ds.SeriesDescription) == (False, False, "Derived dose")


@pytest.mark.parametrize("comment", ["", "x" * 65, "α/β 3 Gy", "two\\values", "two\nlines"])
def test_a_comment_that_would_be_cut_or_garbled_is_refused(comment: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="dose comment is empty, longer than 64 characters or not plain"):
        made(source_of(tmp_path), comment=comment)
    assert made(source_of(tmp_path / "b"), comment="x" * 64).DoseComment == "x" * 64


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01])
def test_what_is_unknown_or_impossible_is_never_written(value: float, tmp_path: Path) -> None:
    dose = uneven().dose_gy.copy()
    dose[1, 2, 3] = value
    with pytest.raises(GeometryError, match="unknown, infinite or below zero"):
        made(source_of(tmp_path), DoseGrid(uneven().grid, dose, "1.2.3.100"))


def test_a_dose_of_another_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="not in the frame of reference of the study"):
        made(source_of(tmp_path), DoseGrid(uneven().grid, uneven().dose_gy.copy(), "1.2.3.200"))


# ------------------------------------------------------------------------------------------------------- its numbers


def turned(*degrees: float) -> np.ndarray:
    """Rotation about x, then y, then z."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        a, b = [k for k in range(3) if k != axis]
        one[a, a], one[a, b], one[b, a], one[b, b] = c, -s, s, c
        out = one @ out
    return out


GRIDS = {
    "uneven": uneven().grid,
    "oblique": Grid(turned(12.0, -7.0, 30.0), -21.37 + 2.5 * np.arange(9), 4.2 + 3.1 * np.arange(8), np.array([-12.0, -9, -5.5, -2.5, 1])),
    "decubitus": Grid(turned(0.0, 0.0, 90.0), -21.37 + 2.5 * np.arange(9), 4.2 + 3.1 * np.arange(8), -12.0 + 3 * np.arange(5)),
    "one plane": Grid(np.eye(3), -21.37 + 2.5 * np.arange(9), 4.2 + 3.1 * np.arange(8), np.array([7.25])),
}


@pytest.mark.parametrize("which", GRIDS)
@pytest.mark.parametrize("top_gy", [1e-5, 0.037, 97.123456, 1234.5])
def test_values_come_back_at_any_point_within_half_a_step(which: str, top_gy: float, tmp_path: Path) -> None:
    on = GRIDS[which]
    values = np.random.default_rng(8).random(on.shape).astype(np.float32) * np.float32(top_gy)
    dose = DoseGrid(on, values, "1.2.3.100")
    ds = made(source_of(tmp_path), dose)
    again = read_again(ds, tmp_path)
    stored = pydicom.dcmread(tmp_path / "derived.dcm")
    step = float(stored.DoseGridScaling)
    # the text of the scaling is what the integers were made with, and they use all 32 bits
    assert len(str(stored.DoseGridScaling)) <= 16
    np.testing.assert_array_equal(stored.pixel_array.reshape(on.shape), np.rint(values.astype(np.float64) / step).astype(np.uint32))
    assert 0.999 * 2**32 < stored.pixel_array.max() < 2**32
    ends = np.array([[c[0], c[-1]] for c in (on.u_mm, on.v_mm, on.w_mm)])
    local = ends[:, 0] + np.random.default_rng(9).random((100, 3)) * (ends[:, 1] - ends[:, 0])
    points = on.to_patient(local)
    expected = dose.at_points(points, "linear")
    assert not np.isnan(expected).any()
    # positions are rounded to 16 characters: 1e-9 mm; both readings are in single precision
    np.testing.assert_allclose(again.at_points(points, "linear"), expected, rtol=3e-7, atol=step + 1e-7 * top_gy)


def test_a_dose_of_nothing_is_written(tmp_path: Path) -> None:
    again = read_again(made(source_of(tmp_path), even_dose(0.0)), tmp_path)
    assert (again.dose_gy == 0).all()


def test_numbers_have_at_most_16_characters(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    structure = DerivedStructure("Z", [np.array([[1 / 3, 20000 / 7, -15.0], [1e-9, 2.0, -15.0], [-1 / 7, 9.0, -15.0]])], (1, 2, 3))
    oblique = DoseGrid(GRIDS["oblique"], np.full(GRIDS["oblique"].shape, 1 / 3, np.float32), "1.2.3.100")
    n = 0
    for ds in (made(source, oblique), derived_structures(source, [structure], label="Z", day=DAY)):
        for element in written(ds, tmp_path).iterall():
            if element.VR == "DS" and not element.is_empty:
                values = element.value if element.VM > 1 else [element.value]
                assert max(len(str(value)) for value in values) <= 16
                n += len(values)
    assert n > 20


# ------------------------------------------------------------------------------------------------------- by other eyes


def zones() -> list[DerivedStructure]:
    boxes = [np.array(rectangle(z)) for z in PLANES]
    return [DerivedStructure("Up to 10 Gy", boxes, (255, 0, 0)), DerivedStructure("Up to 20 Gy", [np.array(rectangle(-12.5))], (0, 255, 0))]


# what the source must have itself for an object of its study to be without fault
WHOLE = {"StudyDate": "20240229", "StudyTime": "101500", "StudyID": "7"}


@pytest.mark.parametrize("with_details", [True, False])
def test_a_dose_holds_what_the_standard_asks_for(with_details: bool, tmp_path: Path) -> None:
    source = source_of(tmp_path)
    assert missing(made(source, details="x" if with_details else "")) == []
    assert missing(derived_structures(source, zones(), label="zones", day=DAY)) == []


@needs_dciodvfy
@pytest.mark.parametrize("which", GRIDS)
@pytest.mark.parametrize("plans", [TWO_PLANS, TWO_PLANS[:1]])
def test_dciodvfy_finds_no_fault_in_a_dose(which: str, plans: Sequence[tuple[str, str]], tmp_path: Path) -> None:
    on = GRIDS[which]
    dose = DoseGrid(on, np.arange(np.prod(on.shape), dtype=np.float32).reshape(on.shape), "1.2.3.100")
    ds = twin(made(source_of(tmp_path, **WHOLE), dose, plans=plans, details="alpha/beta 3 Gy at every voxel", description="Cumulative EQD2 of 2 courses"))
    assert dciodvfy(ds, tmp_path) == []


@needs_dciodvfy
def test_dciodvfy_finds_no_fault_in_structures_and_the_checker_finds_one(tmp_path: Path) -> None:
    source = source_of(tmp_path, **WHOLE)
    ds = derived_structures(source, zones(), label="zones", day=DAY)
    assert dciodvfy(ds, tmp_path) == []
    del ds.StructureSetLabel
    assert any("StructureSetLabel" in line for line in dciodvfy(ds, tmp_path))
    whole = subprocess.run(["dciodvfy", tmp_path / "object.dcm"], capture_output=True, check=False)
    assert whole.returncode != 0


# ------------------------------------------------------------------------------------------------------- structures


def test_structures_come_back_and_name_their_images(tmp_path: Path) -> None:
    source = source_of(tmp_path, rois=[("Rectum", stored_box())])
    empty = DerivedStructure("Empty", [], (1, 2, 3))
    write_dataset(derived_structures(source, [*zones(), empty], label="zones", day=DAY), tmp_path / "z.dcm")
    record = read_record(tmp_path / "z.dcm", "z.dcm")
    assert record is not None
    found = read_structure_set(record)
    assert found.frame_uid == "1.2.3.100"
    assert [(s.name, len(s.contours)) for s in found.structures] == [("Up to 10 Gy", 3), ("Up to 20 Gy", 1), ("Empty", 0)]
    for got, put in zip(found.structures[0].contours, box_structure().contours, strict=True):
        np.testing.assert_array_equal(got.points_mm, put.points_mm)
    ds = pydicom.dcmread(tmp_path / "z.dcm")
    first, second, third = ds.ROIContourSequence
    # planes of the CT are at -20, -15, -10, -5, 0 and 5 mm
    named = [c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in first.ContourSequence]
    assert named == [f"1.2.3.7.1.{k}" for k in (1, 2, 3)]
    assert "ContourImageSequence" not in second.ContourSequence[0]  # between two planes
    assert "ContourSequence" not in third
    assert list(first.ROIDisplayColor) == [255, 0, 0]
    series = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert (series.SeriesInstanceUID, len(series.ContourImageSequence)) == ("1.2.3.9.2", 6)
    assert (ds.ApprovalStatus, ds.StructureSetDate, ds.StructureSetROISequence[0].ROIGenerationAlgorithm) == ("UNAPPROVED", "20260331", "AUTOMATIC")


def test_structures_of_a_course_without_images_name_none(tmp_path: Path) -> None:
    course = course_in(tmp_path)
    source = SourceStudy.of(tmp_path, replaced(course, image=None))
    ds = derived_structures(source, zones(), label="zones", day=DAY)
    assert source.images is None
    assert "RTReferencedStudySequence" not in ds.ReferencedFrameOfReferenceSequence[0]
    assert "ContourImageSequence" not in ds.ROIContourSequence[0].ContourSequence[0]


def test_a_contour_lies_in_the_plane_it_is_nearest_to() -> None:
    planes = SourceImages("1.2", "1.3", np.array([0.0, 0.0, 1.0]), np.array([6.0, 0.0, 3.0]), (("ct", "six"), ("ct", "zero"), ("ct", "three")))
    at = [planes.at(np.array([[0.0, 0.0, z], [9.0, 1.0, z]])) for z in (0.29, 0.31, 2.8, 6.0, 9.0)]
    assert [None if a is None else a[1] for a in at] == ["zero", None, "three", "six", None]
    assert planes.at(np.array([[0.0, 0.0, 0.0], [9.0, 1.0, 3.0]])) is None  # a contour that is not parallel to the planes
    assert SourceImages("1.2", "1.3", planes.normal, np.array([0.0]), (("ct", "zero"),)).at(np.zeros((3, 3))) is None


SQUARE = np.array(rectangle(-15.0))


@pytest.mark.parametrize(
    ("structures", "label", "error", "match"),
    [
        ([], "z", ParameterError, "at least one structure"),
        ([DerivedStructure("a", [SQUARE], (0, 0, 0))] * 2, "z", ParameterError, "a name of its own"),
        ([DerivedStructure("a", [SQUARE], (0, 0, 0))], "seventeen letters", ParameterError, "label of a structure set is empty, longer than 16"),
        ([DerivedStructure("é", [SQUARE], (0, 0, 0))], "z", ParameterError, "name of a structure"),
        ([DerivedStructure("a", [SQUARE[:2]], (0, 0, 0))], "z", GeometryError, "fewer than three points"),
        ([DerivedStructure("a", [SQUARE[:, :2]], (0, 0, 0))], "z", GeometryError, "fewer than three points"),
        ([DerivedStructure("a", [SQUARE[0]], (0, 0, 0))], "z", GeometryError, "fewer than three points"),
        ([DerivedStructure("a", [SQUARE * np.nan], (0, 0, 0))], "z", GeometryError, "not finite"),
    ],
)
def test_structures_that_cannot_be_written(structures: list[DerivedStructure], label: str, error: type[Exception], match: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=match):
        derived_structures(source_of(tmp_path), structures, label=label, day=DAY)
