from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import FRAME, OTHER_FRAME, SQUARE, contour, dataset, save, structure_set
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from reirrad.dicom.files import read_record
from reirrad.dicom.rtstruct import StructureSet, read_structure_set, read_structures
from reirrad.errors import DicomError


def read(tmp_path: Path, ds: Dataset, syntax: str = ImplicitVRLittleEndian, **more: Any) -> StructureSet:
    record = read_record(save(ds, tmp_path / "RS.dcm", syntax), "RS.dcm")
    assert record is not None
    return read_structure_set(record, **more)


def test_contours_names_types(tmp_path: Path) -> None:
    found = read(tmp_path, structure_set(rois=[("Rectum", [contour(), contour(kind="CLOSEDPLANAR_XOR")]), ("Leer", [])]))
    rectum, empty = found.structures
    np.testing.assert_array_equal(rectum.contours[0].points_mm, np.array(SQUARE).reshape(4, 3))
    assert [c.xor for c in rectum.contours] == [False, True]
    assert (rectum.name, rectum.number, rectum.interpreted_type, rectum.n_ignored) == ("Rectum", 1, "ORGAN", 0)
    assert (empty.name, empty.contours) == ("Leer", ())
    assert (found.frame_uid, found.label, found.image_series, found.notices) == (FRAME, "S", {"1.2.3.9.2"}, ())


@pytest.mark.hazard("H14")
@pytest.mark.parametrize(
    ("charset", "name"), [("ISO_IR 192", "Blase – 膀胱"), ("ISO_IR 100", "Vésicule Öl"), ("ISO_IR 192", " a\\b"), ("ISO_IR 192", "=cmd|'x'!A0")]
)
def test_names_are_exact(tmp_path: Path, charset: str, name: str) -> None:
    found = read(tmp_path, structure_set(rois=[(name, [contour()])], SpecificCharacterSet=charset))
    assert found.structures[0].name == name


def test_same_name_twice_stays_twice(tmp_path: Path) -> None:
    found = read(tmp_path, structure_set(rois=[("A", [contour()]), ("A", [contour([v + 1 for v in SQUARE])])]))
    assert [s.name for s in found.structures] == ["A", "A"]


def test_wanted_only(tmp_path: Path) -> None:
    ds = structure_set(rois=[("A", [contour()]), ("B", [contour([1.0, 2.0], n_points=1)])])
    assert [s.name for s in read(tmp_path, ds, wanted={"A"}).structures] == ["A"]
    record = read_record(tmp_path / "RS.dcm", "RS.dcm")
    assert record is not None
    assert [s.name for s in read_structures(record, ["A"])] == ["A"]


@pytest.mark.hazard("H07")
def test_items_without_area_are_left_out_with_a_notice(tmp_path: Path) -> None:
    items = [
        contour(),
        contour([1, 2, 3], "POINT"),
        contour(SQUARE, "OPEN_PLANAR"),
        contour(SQUARE[:6]),
        contour(SQUARE[:6] * 3),
        contour(SQUARE[:3] * 4),
        contour([]),
    ]
    found = read(tmp_path, structure_set(rois=[("A", items)]))
    assert (len(found.structures[0].contours), found.structures[0].n_ignored) == (1, 6)
    assert [(n.code, n.structure) for n in found.notices] == [("contour_ignored", "A")]


def test_closing_copy_of_the_first_point_is_dropped_and_interpolated_noticed(tmp_path: Path) -> None:
    found = read(tmp_path, structure_set(rois=[("A", [contour(SQUARE + SQUARE[:3], "INTERPOLATED_PLANAR")])]))
    assert found.structures[0].contours[0].points_mm.shape == (4, 3)
    assert [n.code for n in found.notices] == ["contour_interpolated"]


@pytest.mark.hazard("H07", "H27")
@pytest.mark.parametrize(
    ("item", "message"),
    [
        (contour(SQUARE[:-1], n_points=4), "11 values, which is not three per point"),
        (contour(n_points=5), "4 points where its header counts 5"),
        (contour([1e5, *SQUARE[1:]]), "not finite .* or metres away"),
    ],
)
def test_bad_coordinates_name_the_roi(tmp_path: Path, item: Dataset, message: str) -> None:
    with pytest.raises(DicomError, match="ROI 'A' .*" + message):
        read(tmp_path, structure_set(rois=[("A", [item])]))


@pytest.mark.hazard("H07")
@pytest.mark.parametrize(
    ("text", "message"), [(b"nan  ", "not finite"), (b"inf  ", "not finite"), (b"12,5 ", "not a number"), (b"1_2  ", "not a number"), (b"1\\  5", "values")]
)
def test_bad_text_names_the_roi(tmp_path: Path, text: bytes, message: str) -> None:
    path = save(structure_set(rois=[("A", [contour(["12.75", *SQUARE[1:]])])]), tmp_path / "RS.dcm")
    path.write_bytes(path.read_bytes().replace(b"12.75", text))
    record = read_record(path, path.name)
    assert record is not None
    with pytest.raises(DicomError, match=f"ROI 'A' .*{message}"):
        read_structures(record)


@pytest.mark.hazard("H01")
def test_frames(tmp_path: Path) -> None:
    ds = structure_set(rois=[("A", [contour()]), ("B", [contour()])])
    ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = OTHER_FRAME
    with pytest.raises(DicomError, match="ROI 'B' lies in a frame of reference its structure set does not list"):
        read(tmp_path, ds)
    ds.ReferencedFrameOfReferenceSequence.append(dataset(FrameOfReferenceUID=OTHER_FRAME))
    with pytest.raises(DicomError, match="lie in 2 frames"):
        read(tmp_path, ds)
    for roi in ds.StructureSetROISequence:
        del roi.ReferencedFrameOfReferenceUID
    assert read(tmp_path, ds).frame_uid == ""
    del ds.ReferencedFrameOfReferenceSequence[1]
    assert read(tmp_path, ds).frame_uid == FRAME


@pytest.mark.hazard("H14")
def test_roi_numbers_must_be_there_and_differ(tmp_path: Path) -> None:
    ds = structure_set(rois=[("A", [contour()]), ("B", [contour()])])
    ds.StructureSetROISequence[1].ROINumber = 1
    with pytest.raises(DicomError, match="ROI 'B' has no number of its own"):
        read(tmp_path, ds)


@pytest.mark.hazard("H33")
def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = save(structure_set(), tmp_path / "RS.dcm")
    level = b"\x0a\x30\x04\x00SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(path.read_bytes() + level * 2000)
    record = read_record(path, path.name)
    assert record is not None
    with pytest.raises(DicomError, match=r"nested deeper|does not parse"):
        read_structures(record)


@pytest.mark.hazard("H07")
def test_an_open_line_on_a_plane_of_its_own_is_a_missing_part(tmp_path):
    """A square at z = 0 with an open line in its plane, and one 3 mm above."""
    square = [0, 0, 0, 10, 0, 0, 10, 8, 0, 0, 8, 0]
    beside = [12, 0, 0, 15, 0, 0, 15, 4, 0]
    above = [0, 0, 3, 10, 0, 3, 10, 8, 3]
    for lines, alone in ((([beside]), 0), (([beside, above]), 1)):
        items = [contour(square), *(contour(line, "OPEN_PLANAR") for line in lines)]
        path = save(structure_set(rois=[("Rectum", items)]), tmp_path / f"{alone}.dcm")
        found = read_structure_set(read_record(path, path.name))
        assert found.structures[0].n_open_alone == alone
        assert ("contour_open" in {n.code for n in found.notices}) == bool(alone)
