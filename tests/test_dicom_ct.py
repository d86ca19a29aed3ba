from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import FRAME, OTHER_FRAME, ct, save
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from reirrad.autoregistration import register
from reirrad.ctvolume import CtVolume
from reirrad.dicom import ct as module
from reirrad.dicom.ct import read_ct
from reirrad.dicom.files import Record, read_record, scan
from reirrad.dicom.images import read_stack
from reirrad.errors import DicomError, Notice

ROWS, COLUMNS = 2, 3
CODES = np.arange(6).reshape(ROWS, COLUMNS)  # plane k stores 1000 + 10 k + these


def plane(k: int, values: np.ndarray | None = None, **more: Any) -> Dataset:
    """Pixels 1.5 mm apart along columns (x), 2 mm along rows (y); planes 3 mm apart; HU = 2 x stored - 1024."""
    stored = 1000 + 10 * k + CODES if values is None else values
    attributes: dict[str, Any] = {"PixelSpacing": [2.0, 1.5], "RescaleSlope": "2", "RescaleIntercept": "-1024", "RescaleType": "HU"}
    attributes |= {"Rows": stored.shape[0], "Columns": stored.shape[1], "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}
    attributes |= {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0}
    ds = ct(k, **{**attributes, **more})
    kind = "i" if ds.PixelRepresentation else "u"
    ds.PixelData = stored.astype(f"<{kind}2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def read(tmp_path: Path, *planes: Dataset, syntax: str = ExplicitVRLittleEndian) -> tuple[CtVolume, list[Notice]]:
    found = records(tmp_path, *planes, syntax=syntax)
    stack, _ = read_stack(found, FRAME)
    assert stack is not None
    return read_ct(found, stack, "C")


def records(tmp_path: Path, *planes: Dataset, syntax: str = ExplicitVRLittleEndian) -> tuple[Record, ...]:
    found = [read_record(save(ds, tmp_path / f"{k}.dcm", syntax), f"{k}.dcm") for k, ds in enumerate(planes)]
    return tuple(r for r in found if r is not None)


def test_values_and_places(tmp_path: Path) -> None:
    volume, notices = read(tmp_path, plane(2), plane(0), plane(1))
    g = volume.grid
    assert (g.u_mm.tolist(), g.v_mm.tolist(), g.w_mm.tolist()) == ([-250, -248.5, -247], [-240, -238], [20, 23, 26])
    assert volume.hu[2, 1, 0] == 2 * 1023 - 1024
    assert volume.hu.dtype == np.float32
    assert (volume.frame_uid, notices) == (FRAME, [])


def test_head_first_prone_and_coronal_planes_keep_each_voxel_in_its_place(tmp_path: Path) -> None:
    prone, _ = read(tmp_path, *(plane(k, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]) for k in range(2)))
    assert prone.grid.u_mm.tolist() == [-253, -251.5, -250]
    assert prone.hu[0, 1, 2] == 2 * 1000 - 1024  # the first stored pixel lies at the largest x and y
    coronal, _ = read(tmp_path, *(plane(k, ImageOrientationPatient=[1, 0, 0, 0, 0, -1], ImagePositionPatient=[0, 3.0 * k, 50]) for k in range(2)))
    assert coronal.grid.v_mm.tolist() == [0, 3]
    assert coronal.grid.w_mm.tolist() == [48, 50]
    assert coronal.hu[1, 1, 0] == 2 * 1003 - 1024 + 14  # z = 50 is the first row; plane 1 lies at y = 3


def test_oblique_planes(tmp_path: Path) -> None:
    row, normal = np.array([0.8, 0, 0.6]), np.array([-0.6, 0, 0.8])
    volume, _ = read(tmp_path, *(plane(k, ImageOrientationPatient=[*row, 0, 1, 0], ImagePositionPatient=list(4.0 * k * normal)) for k in range(2)))
    assert volume.grid.plane_points_mm(1)[1] == pytest.approx(4 * normal + 1.5 * row)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_padding_of_signed_pixels(tmp_path: Path, syntax: str) -> None:
    values = np.array([[-2000, -1990, 5], [6, 7, -1989]])
    planes = [plane(k, values, PixelRepresentation=1, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990) for k in range(2)]
    for ds in planes:
        ds["PixelPaddingValue"].VR = ds["PixelPaddingRangeLimit"].VR = "SS"
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = values.astype(">i2").tobytes()
    volume, _ = read(tmp_path, *planes, syntax=syntax)
    assert np.isnan(volume.hu[0]).tolist() == [[True, True, False], [False, False, False]]
    assert volume.hu[0, 1, 2] == 2 * -1989 - 1024


def test_padding_of_unsigned_pixels_and_empty_padding(tmp_path: Path) -> None:
    values = np.array([[63536, 1, 2], [3, 4, 5]])
    padded, _ = read(tmp_path, *(plane(k, values, PixelPaddingValue=63536) for k in range(2)))
    assert np.isnan(padded.hu).sum() == 2
    ds = [plane(k, values) for k in range(2)]
    for d in ds:
        d.add_new(0x00280120, "US", None)
    assert np.isfinite(read(tmp_path, *ds)[0].hu).all()


def test_uneven_planes_stay_where_they_are(tmp_path: Path) -> None:
    volume, notices = read(tmp_path, plane(0), plane(1), plane(2), plane(4))
    assert volume.grid.w_mm.tolist() == [20, 23, 26, 32]
    assert [(n.code, n.course) for n in notices] == [("ct_gap_interpolated", "C")]


def test_a_repeated_plane_counts_once_unless_it_differs(tmp_path: Path) -> None:
    volume, notices = read(tmp_path, plane(0), plane(1), plane(1, tag=2))
    assert (volume.grid.w_mm.size, notices) == (2, [])
    with pytest.raises(DicomError, match="two different CT images"):
        read(tmp_path, plane(0), plane(1), plane(1, CODES, tag=2))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"ImagePositionPatient": [-250, -239, 23]}, "tilted gantry"),
        ({"ImagePositionPatient": [-250, -240, 31]}, "no hole wider than 10 mm"),
        ({"ImagePositionPatient": [-250, -240, 20]}, "one plane only"),
        ({"PixelSpacing": [2, 2]}, "another number or size"),
        ({"Rows": 3}, "another number or size"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, np.cos(5e-4), np.sin(5e-4)]}, "parallel"),
        ({"RescaleType": "OD"}, "no Hounsfield units"),
        ({"RescaleSlope": "0"}, "no Hounsfield units"),
        ({"RescaleSlope": None}, "missing"),
        ({"RescaleIntercept": None}, "missing"),
        ({"SamplesPerPixel": 3}, "cannot be read"),
    ],
)
def test_refusals(tmp_path: Path, second: dict[str, Any], message: str) -> None:
    with pytest.raises(DicomError, match=message):
        read(tmp_path, plane(0), plane(1, **second))


def test_no_files_too_many_voxels_and_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = records(tmp_path, plane(0), plane(1))
    stack, _ = read_stack(found, FRAME)
    assert stack is not None
    with pytest.raises(DicomError, match="not there"):
        read_ct(records(tmp_path / "other", plane(0, FrameOfReferenceUID=OTHER_FRAME)), stack)
    with pytest.raises(DicomError, match="no volume"):
        read(tmp_path / "line", *(plane(k, np.ones((1, 4)), FrameOfReferenceUID=FRAME) for k in range(2)))
    monkeypatch.setattr(module, "MAX_CT_VOXELS", 2 * ROWS * COLUMNS - 1)
    with pytest.raises(DicomError, match="too many"):
        read_ct(found, stack)


def test_two_scans_of_another_program(reference_data: Path) -> None:
    """A box of water, in the second CT 12 mm to the left, 7.5 mm to the front (half a pixel less on one side) and 9 mm to the head."""
    root = reference_data / "two_courses_rigid_deformable"
    volumes = []
    for name in ("course1", "course2"):
        found = scan(root / name, root).of("CT")
        stack, _ = read_stack(found, found[0].frame_uid)
        assert stack is not None
        volumes.append(read_ct(found, stack)[0])
    transform = register(volumes[0], volumes[1]).transform
    assert transform(np.zeros(3)) == pytest.approx([12, -7.5, 9], abs=0.55)
    assert transform.matrix[:3, :3] == pytest.approx(np.eye(3), abs=1e-3)
