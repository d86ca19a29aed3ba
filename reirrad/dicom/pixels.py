"""Stored values of Pixel Data, after checking that the file holds exactly what its header asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from reirrad.dicom.parsing import COMPRESSED, PARSE_ERRORS, UNCOMPRESSED, UNDEFINED_LENGTH, PixelSpan, inflate_limit, open_object
from reirrad.dicom.values import integer, name_of, text
from reirrad.errors import DicomError

__all__ = ["MAX_VOXELS", "PixelFormat", "pixel_format", "stored_values"]

# 0.5 mm voxels over 40 x 40 x 40 cm; no planning system writes as many.
MAX_VOXELS = 1 << 29


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Shape and type of stored values."""

    n_frames: int
    n_rows: int
    n_columns: int
    n_bits: int
    n_bits_stored: int
    signed: bool

    @property
    def n_voxels(self) -> int:
        """Voxels of all frames."""
        return self.n_frames * self.n_rows * self.n_columns

    @property
    def n_bytes(self) -> int:
        """Bytes of all frames, uncompressed."""
        return self.n_voxels * self.n_bits // 8


def pixel_format(ds: Dataset, n_frames: int, pixels: PixelSpan | None, file: str) -> PixelFormat:
    """Check the description of the pixels against their length.

    Raises
    ------
    DicomError
        When there are no pixels, when they are not 16 or 32 bit whole numbers of one sample, or when their length is
        not what rows, columns and frames need.
    """
    if pixels is None:
        raise DicomError(f"{file}: it has no Pixel Data, so no dose grid (histograms only?). Export the dose grid.")
    found: dict[str, int] = {}
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        value = integer(ds, keyword, file)
        if value is None:
            raise DicomError(f"{file}: {name_of(keyword)} is missing, so its pixels cannot be read. Export the dose again.")
        found[keyword] = value
    samples = integer(ds, "SamplesPerPixel", file)
    bits, stored = found["BitsAllocated"], found["BitsStored"]
    usable = bits in (16, 32) and 1 <= stored <= bits and found["HighBit"] == stored - 1 and found["PixelRepresentation"] in (0, 1)
    if not usable or samples not in (None, 1) or text(ds, "PhotometricInterpretation") not in ("", "MONOCHROME2"):
        raise DicomError(f"{file}: its pixels are not whole numbers of 16 or 32 bits with one sample each, as a dose needs. Export the dose again.")
    layout = PixelFormat(n_frames, found["Rows"], found["Columns"], bits, stored, found["PixelRepresentation"] == 1)
    if min(n_frames, layout.n_rows, layout.n_columns) < 1:
        raise DicomError(f"{file}: it has no rows, columns or frames, so no dose grid. Export the dose again.")
    needs = f"{n_frames} frames of {layout.n_rows} x {layout.n_columns} pixels of {bits} bits"
    if layout.n_voxels > MAX_VOXELS:
        raise DicomError(f"{file}: its header asks for {needs}, larger than any dose grid. Export the dose again.")
    # PS3.5 8.1.1: a value of odd length is padded by one byte; 16 and 32 bit pixels never are
    if pixels.length not in (UNDEFINED_LENGTH, layout.n_bytes):
        raise DicomError(
            f"{file}: its header asks for {needs}, which is {layout.n_bytes} bytes, but Pixel Data has a length of {pixels.length} bytes. "
            "The file is truncated or wrong: export the dose again."
        )
    return layout


def stored_values(path: Path, file: str, syntax: str, layout: PixelFormat, pixels: PixelSpan | None) -> NDArray[Any]:
    """Whole numbers (frames, rows, columns) as stored.

    Raises
    ------
    DicomError
        When the transfer syntax cannot be decoded or the file ends too early.
    """
    assert pixels is not None
    if syntax not in UNCOMPRESSED + COMPRESSED:
        raise DicomError(f"{file}: its transfer syntax (lossy or unusual compression) is not decoded for a dose. Export it uncompressed.")
    if (pixels.length == UNDEFINED_LENGTH) != (syntax in COMPRESSED):
        raise DicomError(f"{file}: its Pixel Data does not fit its transfer syntax. Export the dose again.")
    if syntax in COMPRESSED:
        values = _decompressed(path, file, syntax, layout, pixels)
    else:
        kind = np.dtype(f"{'>' if syntax == ExplicitVRBigEndian else '<'}{'i' if layout.signed else 'u'}{layout.n_bits // 8}")
        end = pixels.offset + pixels.length
        if syntax == DeflatedExplicitVRLittleEndian and end > inflate_limit(path.stat().st_size):
            raise DicomError(f"{file}: its header asks for {layout.n_bytes} bytes of pixels, too large for a deflated file of its size. Export it plain.")
        with open_object(path, file, end) as opened:
            if opened.size < end:
                raise DicomError(f"{file} is truncated: it ends inside Pixel Data, {end - opened.size} bytes short. Copy or export the dose again.")
            opened.stream.seek(pixels.offset)
            values = np.frombuffer(opened.stream.read(pixels.length), kind)
    if layout.n_bits_stored < layout.n_bits:
        top = 1 << (layout.n_bits_stored - (1 if layout.signed else 0))
        if int(values.max()) >= top or int(values.min()) < (-top if layout.signed else 0):
            raise DicomError(f"{file}: its pixels use more bits than {name_of('BitsStored')} says. Export the dose again.")
    return values.reshape(layout.n_frames, layout.n_rows, layout.n_columns)


def _decompressed(path: Path, file: str, syntax: str, layout: PixelFormat, pixels: PixelSpan) -> NDArray[Any]:
    """Decode lossless compressed frames with pydicom, unless the header asks for more than they can hold."""
    size = path.stat().st_size
    # RLE packs at most 64 to 1, and a dose far less: what asks for more was made to exhaust the memory
    if layout.n_bytes > inflate_limit(size - pixels.offset):
        raise DicomError(f"{file}: its header asks for {layout.n_bytes} bytes of pixels, too large for {size} compressed bytes. Export the dose again.")
    decoder = get_decoder(UID(syntax))
    if not decoder.is_available:
        raise DicomError(f"{file}: its compressed transfer syntax cannot be decoded here. Export the dose uncompressed.")
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.Rows, ds.Columns, ds.NumberOfFrames = layout.n_rows, layout.n_columns, layout.n_frames
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = layout.n_bits, layout.n_bits_stored, layout.n_bits_stored - 1
    ds.PixelRepresentation = int(layout.signed)
    with path.open("rb") as stream:
        stream.seek(pixels.offset)
        ds.PixelData = stream.read()
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    try:
        values: NDArray[Any] = decoder.as_array(ds, raw=True)[0]
    except PARSE_ERRORS:
        raise DicomError(f"{file}: its compressed pixels are damaged and cannot be decoded. Export the dose uncompressed.") from None
    if values.size != layout.n_voxels or values.dtype.itemsize * 8 != layout.n_bits:
        raise DicomError(f"{file}: its compressed pixels do not hold the planes its header states. Export the dose uncompressed.")
    return values
