from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import FRAME, POSITION, SHAPE, dataset, dose, save, voxels
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from reirrad.dicom.files import read_record
from reirrad.dicom.planes import read_source, sources
from reirrad.dicom.rtdose import read_dose, read_dose_header
from reirrad.dose import DoseGrid
from reirrad.errors import DicomError


def read(path: Path) -> DoseGrid:
    record = read_record(path, path.name)
    assert record is not None
    return read_dose(record)


def written(tmp_path: Path, syntax: str = ExplicitVRLittleEndian, **more: Any) -> Path:
    return save(dose(**more), tmp_path / "RD.dcm", syntax)


@pytest.mark.hazard("H11", "H23")
@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_values_and_places(tmp_path: Path, bits: int, syntax: str) -> None:
    found = read(written(tmp_path, syntax, bits=bits))
    assert found.grid.shape == SHAPE
    assert found.dose_gy.dtype == np.float32
    np.testing.assert_allclose(found.dose_gy, voxels() * 0.01, rtol=1e-6)
    assert found.grid.u_mm.tolist() == [-7, -4.5, -2, 0.5, 3]  # columns are 2.5 mm apart
    assert found.grid.v_mm.tolist() == [11, 13, 15, 17]  # rows are 2 mm apart
    assert found.grid.w_mm.tolist() == [20, 23, 26]
    assert found.frame_uid == FRAME


@pytest.mark.parametrize("bits", [16, 32])
def test_big_endian(tmp_path: Path, bits: int) -> None:
    ds = dose(bits=bits)
    ds.PixelData = voxels().astype(f">u{bits // 8}").tobytes()
    ds["PixelData"].VR = "OW"
    np.testing.assert_allclose(read(save(ds, tmp_path / "b.dcm", ExplicitVRBigEndian)).dose_gy, voxels() * 0.01, rtol=1e-6)


def test_rle(tmp_path: Path) -> None:
    ds = dose(bits=16)
    save(ds, tmp_path / "plain.dcm")
    ds.compress(RLELossless)
    ds.save_as(tmp_path / "rle.dcm", enforce_file_format=True)
    np.testing.assert_allclose(read(tmp_path / "rle.dcm").dose_gy, voxels() * 0.01, rtol=1e-6)
    (tmp_path / "no preamble").write_bytes((tmp_path / "rle.dcm").read_bytes()[132:])
    np.testing.assert_allclose(read(tmp_path / "no preamble").dose_gy, voxels() * 0.01, rtol=1e-6)


@pytest.mark.hazard("H26")
def test_signed_values(tmp_path: Path) -> None:
    np.testing.assert_allclose(read(written(tmp_path, PixelRepresentation=1)).dose_gy, voxels() * 0.01, rtol=1e-6)
    negative = voxels().astype("<i4")
    negative[0, 0, 0] = -1
    with pytest.raises(DicomError, match="negative"):
        read(written(tmp_path, PixelRepresentation=1, PixelData=negative.tobytes()))


OFFSETS = {
    "relative": ([0, 3, 7], POSITION[2], [20, 23, 27]),
    "absolute": ([20, 23, 27], POSITION[2], [20, 23, 27]),
    "falling": ([0, -4, -7], 27.0, [20, 23, 27]),
    "absolute falling": ([27, 23, 20], 27.0, [20, 23, 27]),
    "rounding": ([0, 3.0001, 6.9999], POSITION[2], [20, 23.0001, 26.9999]),
}


@pytest.mark.hazard("H11")
@pytest.mark.parametrize(("offsets", "z", "planes"), OFFSETS.values(), ids=OFFSETS.keys())
def test_grid_frame_offsets(tmp_path: Path, offsets: list[float], z: float, planes: list[float]) -> None:
    values = voxels() if offsets[1] > offsets[0] else voxels()[::-1]
    found = read(written(tmp_path, values=values, GridFrameOffsetVector=offsets, ImagePositionPatient=[*POSITION[:2], z]))
    np.testing.assert_allclose(found.grid.w_mm, planes, atol=1e-9)
    np.testing.assert_allclose(found.dose_gy, voxels() * 0.01, rtol=1e-6)


@pytest.mark.hazard("H11")
def test_absolute_offsets_with_normal_towards_the_feet(tmp_path: Path) -> None:
    # feet first supine: row -x, column +y, so planes at z = 20, 17, 14 lie along the normal
    found = read(written(tmp_path, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0], GridFrameOffsetVector=[20, 17, 14]))
    assert found.grid.w_mm.tolist() == [14, 17, 20]
    assert found.grid.u_mm.tolist() == [-17, -14.5, -12, -9.5, -7]
    np.testing.assert_allclose(found.dose_gy, voxels()[::-1, :, ::-1] * 0.01, rtol=1e-6)


def test_rounded_cosines_are_made_orthonormal(tmp_path: Path) -> None:
    c, s = 0.98481, 0.17365  # 10 degrees, five digits
    found = read(written(tmp_path, ImageOrientationPatient=[c, s, 0, -s, c, 0]))
    np.testing.assert_allclose(found.grid.rotation @ found.grid.rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found.grid.to_patient(np.array([found.grid.u_mm[0], found.grid.v_mm[0], found.grid.w_mm[0]])), POSITION, atol=1e-9)


REFUSED = {
    "units missing": ({"DoseUnits": None}, "Dose Units .* is nothing"),
    "relative": ({"DoseUnits": "RELATIVE"}, "RELATIVE"),
    "type missing": ({"DoseType": None}, "Dose Type .* is nothing"),
    "error": ({"DoseType": "ERROR"}, "Dose Type .* is ERROR"),
    "scaling zero": ({"DoseGridScaling": "0"}, "not greater than zero"),
    "scaling negative": ({"DoseGridScaling": "-1"}, "not greater than zero"),
    "scaling missing": ({"DoseGridScaling": None}, "Scaling .* missing or empty"),
    "far too much": ({"DoseGridScaling": "1e6"}, "above 100000 Gy"),
    "rescale": ({"RescaleSlope": "2"}, "Rescale Slope"),
    "spacing zero": ({"PixelSpacing": [0, 2.5]}, "Pixel Spacing .* not between"),
    "spacing huge": ({"PixelSpacing": [2, 101]}, "Pixel Spacing .* not between"),
    "one spacing": ({"PixelSpacing": [2]}, "Pixel Spacing .* has 1 values where 2"),
    "no position": ({"ImagePositionPatient": None}, "Image Position .* missing"),
    "not orthogonal": ({"ImageOrientationPatient": [1, 0, 0, 0.001, 1, 0]}, "Image Orientation"),
    "not unit": ({"ImageOrientationPatient": [1.001, 0, 0, 0, 1, 0]}, "Image Orientation"),
    "no frame": ({"FrameOfReferenceUID": None}, "Frame of Reference UID .* missing"),
    "no offsets": ({"GridFrameOffsetVector": None}, "Offset Vector .* missing"),
    "few offsets": ({"GridFrameOffsetVector": [0, 3]}, "2 values for 3 frames"),
    "repeated": ({"GridFrameOffsetVector": [0, 3, 3]}, "monotonically"),
    "turning": ({"GridFrameOffsetVector": [0, 3, 2]}, "monotonically"),
    "starting elsewhere": ({"GridFrameOffsetVector": [5, 8, 11]}, "starts neither at zero"),
    "absolute, oblique": ({"GridFrameOffsetVector": [20, 23, 26], "ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}, "starts neither at zero"),
    "huge gap": ({"GridFrameOffsetVector": [0, 3, 300]}, "gaps outside"),
    "tiny gap": ({"GridFrameOffsetVector": [0, 3, 3.001]}, "gaps outside"),
    "frames that are no planes": ({"FrameIncrementPointer": 0x00181063}, "does not point to"),
    "bits": ({"BitsAllocated": 8}, "16 or 32 bits"),
    "stored bits": ({"BitsStored": 31}, "16 or 32 bits"),
    "high values": ({"BitsStored": 10, "HighBit": 9}, "more bits than"),
    "colour": ({"SamplesPerPixel": 3}, "16 or 32 bits"),
    "inverse": ({"PhotometricInterpretation": "MONOCHROME1"}, "16 or 32 bits"),
    "no rows": ({"Rows": None}, r"Rows \(0028,0010\) is missing"),
    "zero rows": ({"Rows": 0}, "no rows, columns or frames"),
    "more rows": ({"Rows": 5}, "length of 240 bytes"),
    "one frame stated": ({"NumberOfFrames": None}, "length of 240 bytes"),
    "header bomb": ({"Rows": 65535, "Columns": 65535}, "larger than any dose grid"),
    "frame bomb": ({"NumberOfFrames": 2147483647}, "larger than any dose grid"),
}  # fmt: skip


@pytest.mark.hazard("H11", "H16", "H26", "H27", "H33")
@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DicomError, match=r"RD\.dcm.*" + message):
        read(written(tmp_path, **change))


@pytest.mark.hazard("H26")
@pytest.mark.parametrize("text", [b"nan ", b"1e99", b"1_02", b"abcd", b"-inf"])
def test_scaling_that_is_no_number(tmp_path: Path, text: bytes) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"0.01", text, 1))
    with pytest.raises(DicomError, match=r"Scaling|above 100000 Gy"):
        read(path)


@pytest.mark.hazard("H26")
def test_no_pixels(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no Pixel Data and no histograms"):
        read(written(tmp_path, PixelData=None))
    with pytest.raises(DicomError, match="no Pixel Data, so no dose grid"):
        read(written(tmp_path, PixelData=None, DVHSequence=[dataset(DVHType="CUMULATIVE")]))


@pytest.mark.hazard("H26")
@pytest.mark.parametrize("cut", [1, 100, 400])
def test_cut_file(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DicomError, match=r"truncated|cut short|cannot be read"):
        read(path)


@pytest.mark.hazard("H33")
def test_deflated_bombs_take_no_memory(tmp_path: Path) -> None:
    path = written(tmp_path, DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + int.from_bytes(path.read_bytes()[140:144], "little")
    head = path.read_bytes()[:start]
    honest = save(
        dose(Rows=4096, Columns=4096, NumberOfFrames=8, GridFrameOffsetVector=[3.0 * k for k in range(8)]), tmp_path / "x.dcm", ExplicitVRLittleEndian
    ).read_bytes()
    body = honest[honest.index(b"\x08\x00\x05\x00CS") :]
    body = body[: body.rindex(b"\xe0\x7f\x10\x00")] + b"\xe0\x7f\x10\x00OW\0\0" + (4096 * 4096 * 8 * 4).to_bytes(4, "little")
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    path.write_bytes(head + pack.compress(body + bytes(1 << 22)) + pack.flush())
    with pytest.raises(DicomError, match="too large for a deflated file"):
        read(path)
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192" + b"\x09\x00\x02\x10OB\0\0" + (70 << 20).to_bytes(4, "little")
    path.write_bytes(head + pack.compress(text + bytes(70 << 20)) + pack.flush())
    with pytest.raises(DicomError, match="inflated size is larger than"):
        read(path)


def test_deflated_file_cut_short(tmp_path: Path) -> None:
    path = written(tmp_path, DeflatedExplicitVRLittleEndian)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DicomError, match="deflated content ends early"):
        read(path)


@pytest.mark.hazard("H33", "H35")
def test_compressed_bomb_and_damage(tmp_path: Path) -> None:
    ds = dose(bits=16)
    save(ds, tmp_path / "plain.dcm")
    ds.compress(RLELossless)
    ds.Rows = ds.Columns = 10000
    ds.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    with pytest.raises(DicomError, match=r"too large for .* compressed bytes"):
        read(tmp_path / "bomb.dcm")
    ds.Rows, ds.Columns = 4, 6
    ds.save_as(tmp_path / "bad.dcm", enforce_file_format=True)
    with pytest.raises(DicomError, match="damaged and cannot be decoded"):
        read(tmp_path / "bad.dcm")
    ds.Rows, ds.Columns, ds.file_meta.TransferSyntaxUID = 4, 5, JPEG2000Lossless
    ds.save_as(tmp_path / "j2k.dcm", enforce_file_format=True)
    with pytest.raises(DicomError, match="cannot be decoded"):
        read(tmp_path / "j2k.dcm")
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.save_as(tmp_path / "lossy.dcm", enforce_file_format=True)
    with pytest.raises(DicomError, match="lossy"):
        read(tmp_path / "lossy.dcm")


@pytest.mark.hazard("H35")
def test_plain_pixels_under_a_compressed_syntax(tmp_path: Path) -> None:
    path = written(tmp_path)
    # 1.2.840.10008.1.2.5 is RLE; both identifiers have the same length
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))
    with pytest.raises(DicomError, match="does not fit its transfer syntax"):
        read(path)


def planes(tmp_path: Path, orientation: list[float], along: list[float], **more: Any) -> list[Path]:
    paths = []
    for k, z in enumerate(along):
        ds = dose(f"1.2.{k + 1}", voxels()[k : k + 1], NumberOfFrames=None, GridFrameOffsetVector=None, FrameIncrementPointer=None)
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [*POSITION[:2], z], orientation
        for keyword, values in more.items():
            setattr(ds, keyword, values[k])
        paths.append(save(ds, tmp_path / f"p{k}.dcm"))
    return paths


def stack(paths: list[Path]) -> DoseGrid:
    headers = []
    for path in paths:
        record = read_record(path, path.name)
        assert record is not None
        headers.append(read_dose_header(record))
    found = sources(headers)
    assert len(found) == 1
    return read_source(found[0])


def test_single_planes_are_stacked(tmp_path: Path) -> None:
    found = stack(planes(tmp_path, [1, 0, 0, 0, 1, 0], [20, 23, 26])[::-1])
    assert found.grid.w_mm.tolist() == [20, 23, 26]
    np.testing.assert_allclose(found.dose_gy, voxels() * 0.01, rtol=1e-6)


@pytest.mark.hazard("H11")
def test_single_planes_feet_first(tmp_path: Path) -> None:
    found = stack(planes(tmp_path, [-1, 0, 0, 0, 1, 0], [26, 23, 20]))
    assert found.grid.w_mm.tolist() == [20, 23, 26]
    np.testing.assert_allclose(found.dose_gy, voxels()[::-1, :, ::-1] * 0.01, rtol=1e-6)


@pytest.mark.hazard("H11")
@pytest.mark.parametrize(
    ("along", "more", "message"),
    [
        ([20, 20, 23], {}, "repeat or leave gaps"),
        ([20, 23, 35], {}, "repeat or leave gaps"),
        ([20, 23, 26], {"PixelSpacing": [[2, 2.5], [2, 2.5], [2, 2.6]]}, "do not lie above each other"),
        ([20, 23, 26], {"ImagePositionPatient": [[0, 0, 20], [0, 0, 23], [0, 1, 26]]}, "do not lie above each other"),
    ],
)
def test_single_planes_refused(tmp_path: Path, along: list[float], more: dict[str, Any], message: str) -> None:
    with pytest.raises(DicomError, match=message):
        stack(planes(tmp_path, [1, 0, 0, 0, 1, 0], along, **more))


def test_one_plane_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="single plane"):
        stack(planes(tmp_path, [1, 0, 0, 0, 1, 0], [20]))


def test_references(tmp_path: Path) -> None:
    record = read_record(written(tmp_path, group=2, beams=(3, 4)), "RD.dcm")
    assert record is not None
    (reference,) = read_dose_header(record).plans
    assert (reference.plan_uid, reference.groups, reference.beams, reference.setups) == ("1.2.3.5", (2,), (3, 4), ())
