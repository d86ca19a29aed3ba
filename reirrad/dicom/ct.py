"""A CT series as Hounsfield units on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from reirrad.course import ImageStack
from reirrad.ctvolume import CtVolume
from reirrad.dicom.files import Record
from reirrad.dicom.parsing import Header, read_header, reading
from reirrad.dicom.pixels import pixel_format, stored_values
from reirrad.dicom.rtdose import plane_geometry
from reirrad.dicom.values import decimal, integer, name_of, text
from reirrad.errors import DicomError, GeometryError, Notice, printable
from reirrad.grid import Float64, Grid

__all__ = ["read_ct"]

# 512 x 512 x 1024 voxels: 1 GB as 32 bit numbers.
MAX_CT_VOXELS = 1 << 28
SAME_PLANE_MM = 0.01
# First pixels of planes lie above each other within this; if not, the gantry was tilted.
IN_LINE_MM = 0.1
SAME_DIRECTION = 1e-4
# Planes farther apart than this are a hole, over which nothing is guessed.
MAX_GAP_MM = 10.0
GAP = 1.5


@dataclass(frozen=True, slots=True)
class _Plane:
    """Header of one plane and where it lies."""

    record: Record
    header: Header
    position: Float64
    row: Float64
    column: Float64
    spacing: Float64
    n_rows: int
    n_columns: int


def read_ct(records: Sequence[Record], stack: ImageStack, course: str | None = None) -> tuple[CtVolume, list[Notice]]:
    """Read the series of a stack of planes.

    Parameters
    ----------
    records : sequence of Record
        CT images, of any series.
    stack : ImageStack
        What `read_stack` chose.
    course : str, optional
        For the notices.

    Returns
    -------
    volume, notices
        HU on the planes as they are, oblique and unevenly spaced ones too; NaN where Pixel Padding Value says there is none.

    Raises
    ------
    DicomError
        When the series is not there, its planes do not form one straight stack of HU, a hole is wider than 10 mm, two different images
        lie at one place, or it is larger than 2**28 voxels.

    References
    ----------
    DICOM PS3.3 C.7.6.2 (Image Plane), C.7.5.1.1.2 (Pixel Padding Value), C.8.2.1 (CT Image: Rescale).
    """
    planes = [_plane(r) for r in records if r.series_uid == stack.series_uid and r.frame_uid == stack.frame_uid]
    if not planes:
        raise DicomError("The files of the planning CT are not there, so it cannot be registered. Put the CT of the course into its folder.")
    first = planes[0]
    _check_alike(planes)
    if len(planes) * first.n_rows * first.n_columns > MAX_CT_VOXELS:
        raise DicomError(f"The CT ({first.record.name}) has {len(planes)} planes of {first.n_rows} x {first.n_columns} pixels, too many to be registered here.")
    normal = np.cross(first.row, first.column)
    planes.sort(key=lambda p: (round(float(p.position @ normal), 3), p.record.name))
    offsets = np.array([(p.position - planes[0].position) @ normal for p in planes])
    notices = _check_gaps(offsets, first.record.name, course)
    kept = np.r_[True, np.diff(offsets) > SAME_PLANE_MM]
    hu = np.empty((int(kept.sum()), first.n_rows, first.n_columns), np.float32)
    k = -1
    for plane, new in zip(planes, kept, strict=True):
        values = _hounsfield(plane)
        if new:
            k += 1
            hu[k] = values
        elif not np.array_equal(hu[k], values, equal_nan=True):
            message = "two different CT images lie at the same place (phases of breathing, or contrast?). Keep the series the plan was made on."
            raise DicomError(f"{plane.record.name}: {message}")
    try:
        spacing = float(first.spacing[0]), float(first.spacing[1])
        grid, order, step = Grid.from_dicom(planes[0].position, first.row, first.column, *spacing, first.n_rows, first.n_columns, offsets[kept])
        view = hu.transpose(order)[:: step[0], :: step[1], :: step[2]]
        return CtVolume(grid, np.ascontiguousarray(view), stack.frame_uid), notices
    except GeometryError as error:
        raise DicomError(f"The CT ({first.record.name}) cannot be registered. {error}") from None


def _plane(record: Record) -> _Plane:
    header = read_header(record.path, record.name)
    with reading(record.name):
        position, row, column, spacing = plane_geometry(header.dataset, record.name)
        n_rows, n_columns = integer(header.dataset, "Rows", record.name), integer(header.dataset, "Columns", record.name)
        return _Plane(record, header, position, row, column, spacing, n_rows or 0, n_columns or 0)


def _check_alike(planes: Sequence[_Plane]) -> None:
    """All planes have the same pixels above each other."""
    first = planes[0]
    normal = np.cross(first.row, first.column)
    for p in planes[1:]:
        if (p.n_rows, p.n_columns) != (first.n_rows, first.n_columns) or np.abs(p.spacing - first.spacing).max() > 1e-4:
            raise DicomError(f"{p.record.name}: another number or size of pixels than {first.record.name} of the same series. Export the CT again.")
        if max(np.abs(p.row - first.row).max(), np.abs(p.column - first.column).max()) > SAME_DIRECTION:
            raise DicomError(f"{p.record.name}: it does not lie parallel to {first.record.name} of the same series. Keep the planes of the planning CT.")
        apart = p.position - first.position
        if np.abs(apart - (apart @ normal) * normal).max() > IN_LINE_MM:
            message = "does not lie straight above it: a tilted gantry, or two series in one. Register such a CT in the planning system."
            raise DicomError(f"{p.record.name}: {first.record.name} of the same series {message}")


def _check_gaps(offsets: Float64, file: str, course: str | None) -> list[Notice]:
    gaps = np.diff(offsets)
    gaps = gaps[gaps > SAME_PLANE_MM]
    if gaps.size == 0:
        raise DicomError(f"The CT ({file}) has one plane only, which cannot be registered. Put the whole planning CT into the folder.")
    if gaps.max() > MAX_GAP_MM:
        raise DicomError(
            f"The CT ({file}) has planes up to {gaps.max():.3g} mm apart; to be registered, it may have no hole wider than {MAX_GAP_MM:g} mm. "
            "Put all planes into the folder, or give a registration object."
        )
    if gaps.max() <= GAP * np.median(gaps):
        return []
    message = f"The CT has planes up to {gaps.max():.3g} mm apart, usually {np.median(gaps):.3g} mm; between them HU were interpolated to register it."
    return [Notice("ct_gap_interpolated", message, course=course)]


def _hounsfield(plane: _Plane) -> NDArray[np.float32]:
    """HU (rows, columns) of a plane; NaN in the padding."""
    file, header = plane.record.name, plane.header
    ds = header.dataset
    with reading(file):
        kind = text(ds, "RescaleType").upper()
        slope, intercept = decimal(ds, "RescaleSlope", file), decimal(ds, "RescaleIntercept", file)
        if kind not in ("", "HU") or slope <= 0:
            found = printable(kind, 20) or "no type"
            raise DicomError(f"{file}: its values are no Hounsfield units ({name_of('RescaleType')}: {found}; slope {slope:g}). Give the planning CT.")
        try:
            layout = pixel_format(ds, 1, header.pixels, file)
            stored = stored_values(plane.record.path, file, header.syntax, layout, header.pixels)[0]
        except DicomError:
            raise DicomError(
                f"{file}: its pixels cannot be read: there are none, they are cut short, they use lossy or unusual compression, or they are not whole numbers "
                "of 16 or 32 bits. Export the CT again, uncompressed."
            ) from None
        hu = (stored * np.float64(slope) + intercept).astype(np.float32)
        hu[_padding(ds, stored, layout.signed)] = np.nan
        return np.asarray(hu)


def _padding(ds: Dataset, stored: NDArray[Any], signed: bool) -> NDArray[np.bool_]:
    """Where pixels hold Pixel Padding Value, or lie between it and Pixel Padding Range Limit."""
    ends = [v for v in (_pixel_value(ds, keyword, signed) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")) if v is not None]
    return (stored >= min(ends)) & (stored <= max(ends)) if ends else np.zeros(stored.shape, bool)


def _pixel_value(ds: Dataset, keyword: str, signed: bool) -> int | None:
    """A value of 16 bits that is signed when the pixels are (VR US or SS), whatever the file calls it; None when absent."""
    element: Any = ds.get_item(Tag(keyword))
    if element is None or element.value in (None, b"", ""):
        return None
    order: Literal["little", "big"] = "little" if not isinstance(element, RawDataElement) or element.is_little_endian else "big"
    value = int.from_bytes(element.value[:2], order) if isinstance(element.value, bytes) else int(element.value)
    value &= 0xFFFF
    return value - 0x10000 if signed and value >= 0x8000 else value
