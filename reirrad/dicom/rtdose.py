"""RTDOSE: what it says it is, and its dose on a grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from reirrad.dicom.files import Record
from reirrad.dicom.parsing import PixelSpan, read_header, reading
from reirrad.dicom.pixels import PixelFormat, pixel_format, stored_values
from reirrad.dicom.values import decimal, decimals, integer, items, name_of, people_text, text, texts
from reirrad.dose import DoseGrid
from reirrad.errors import DicomError, GeometryError, printable
from reirrad.grid import Float64, Grid

__all__ = ["DoseHeader", "PlanReference", "check_delivered", "check_quantity", "read_dose", "read_dose_header"]

# Orientation cosines in files are rounded to few digits; more than this is a wrong orientation, not rounding.
ORTHONORMAL = 1e-4
# Larger pixels than this are a mix-up of units.
MAX_SPACING_MM = 100.0
# First grid frame offset against zero (relative) or against the z of the position (absolute).
OFFSET_TOLERANCE_MM = 0.01
MAX_DOSE_GY = 100_000.0
# How a dose that was derived, here or elsewhere, names itself.
NOT_OF_A_COURSE = re.compile(r"\bEQD2\b|\bremaining dose\b|\bdose partly unknown\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlanReference:
    """One item of Referenced RT Plan Sequence, with the parts of the plan the dose is of; empty when not stated."""

    plan_uid: str
    groups: tuple[int, ...] = ()
    beams: tuple[int, ...] = ()
    setups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DoseHeader:
    """What an RTDOSE says about itself, without its pixels.

    Parameters
    ----------
    record : Record
        The file.
    units, dose_type, summation : str
        Dose Units, Dose Type, Dose Summation Type; empty when absent.
    plans : tuple of PlanReference
        Plans it refers to.
    n_frames : int
        Planes.
    """

    record: Record
    units: str
    dose_type: str
    summation: str
    plans: tuple[PlanReference, ...]
    n_frames: int
    dataset: Dataset
    syntax: str
    pixels: PixelSpan | None

    @property
    def name(self) -> str:
        """File name for messages."""
        return self.record.name

    @property
    def has_offsets(self) -> bool:
        """Whether it has a Grid Frame Offset Vector."""
        return bool(texts(self.dataset, "GridFrameOffsetVector"))


def read_dose_header(record: Record) -> DoseHeader:
    """Read everything but the pixels.

    Raises
    ------
    DicomError
        When the file is damaged or cut short.
    """
    header = read_header(record.path, record.name)
    ds = header.dataset
    with reading(record.name):
        if header.pixels is None and not items(ds, "DVHSequence"):
            raise DicomError(f"{record.name} has no Pixel Data and no histograms: it is damaged or cut short. Export it again or take it away.")
        plans = tuple(_plan_reference(item, record.name) for item in items(ds, "ReferencedRTPlanSequence"))
        n_frames = integer(ds, "NumberOfFrames", record.name)
        return DoseHeader(
            record,
            text(ds, "DoseUnits").upper(),
            text(ds, "DoseType").upper(),
            text(ds, "DoseSummationType").upper(),
            plans,
            1 if n_frames is None else n_frames,
            ds,
            header.syntax,
            header.pixels,
        )


def _plan_reference(item: Dataset, file: str) -> PlanReference:
    groups, beams, setups = [], [], []
    for group in items(item, "ReferencedFractionGroupSequence"):
        groups.append(integer(group, "ReferencedFractionGroupNumber", file))
        beams += [integer(b, "ReferencedBeamNumber", file) for b in items(group, "ReferencedBeamSequence")]
        setups += [integer(s, "ReferencedBrachyApplicationSetupNumber", file) for s in items(group, "ReferencedBrachyApplicationSetupSequence")]
    kept = (tuple(n for n in numbers if n is not None) for numbers in (groups, beams, setups))
    return PlanReference(text(item, "ReferencedSOPInstanceUID"), *kept)


def check_quantity(header: DoseHeader) -> None:
    """Refuse what is not an absorbed or effective dose in gray (DICOM PS3.3 C.8.8.3).

    Raises
    ------
    DicomError
        For Dose Units other than GY, for Dose Type ERROR or none.
    """
    found = printable(header.units, 20) or "nothing"
    if header.units != "GY":
        raise DicomError(f"{header.name}: Dose Units (3004,0002) is {found}, but a calculation needs GY. Export the dose as absolute dose in Gy.")
    if header.dose_type not in ("PHYSICAL", "EFFECTIVE"):
        found = printable(header.dose_type, 20) or "nothing"
        raise DicomError(f"{header.name}: Dose Type (3004,0004) is {found}, but PHYSICAL (or EFFECTIVE) is needed. Export the dose distribution itself.")


def check_delivered(header: DoseHeader) -> None:
    """Refuse what says of itself that it is no dose of a course: EQD2, a remaining dose, or one that is unknown in parts (and holds zero there).

    Raises
    ------
    DicomError
        By the words of the Dose Comment or the Series Description.
    """
    with reading(header.name):
        said = " ".join(people_text(header.dataset, keyword) for keyword in ("DoseComment", "SeriesDescription"))
    if NOT_OF_A_COURSE.search(said):
        raise DicomError(
            f"{header.name} says in its comment or description that it is EQD2, a remaining dose or partly unknown, so it is not the dose of a course. "
            "Use the dose that the planning system calculated."
        )


def read_dose(source: Record | DoseHeader) -> DoseGrid:
    """Read the dose of one RTDOSE.

    Parameters
    ----------
    source : Record or DoseHeader
        The object; the pixels are read once.

    Returns
    -------
    DoseGrid
        Gray as stored times Dose Grid Scaling, whatever the Dose Summation Type.

    Raises
    ------
    DicomError
        When anything needed for position, size or value of a voxel is missing, contradictory or impossible.

    References
    ----------
    DICOM PS3.3 C.8.8.3 (RT Dose), C.7.6.2 (Image Plane).
    """
    header = source if isinstance(source, DoseHeader) else read_dose_header(source)
    check_quantity(header)
    file, ds = header.name, header.dataset
    with reading(file):
        layout = pixel_format(ds, header.n_frames, header.pixels, file)
        scaling = _scaling(ds, file)
        grid, order, step = _grid(ds, layout, file)
        stored = stored_values(header.record.path, file, header.syntax, layout, header.pixels)
        dose_gy = _scaled(stored, scaling, order, step, file)
        return DoseGrid(grid, dose_gy, text(ds, "FrameOfReferenceUID"))


def _scaling(ds: Dataset, file: str) -> float:
    scaling = decimal(ds, "DoseGridScaling", file)
    if scaling <= 0:
        raise DicomError(f"{file}: {name_of('DoseGridScaling')} is not greater than zero, so it gives no dose. Export the dose again.")
    for keyword, neutral in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        if texts(ds, keyword) and decimal(ds, keyword, file) != neutral:
            raise DicomError(f"{file}: {name_of(keyword)} is set, which has no meaning in an RTDOSE. Export the dose again.")
    return scaling


def _scaled(stored: NDArray[Any], scaling: float, order: tuple[int, int, int], step: tuple[int, int, int], file: str) -> NDArray[np.float32]:
    """Stored values (frames, rows, columns) as Gy on the axes of the grid."""
    if stored.dtype.kind == "i" and stored.min() < 0:
        raise DicomError(f"{file}: its pixels hold negative dose values, which cannot be added to another course. Export the dose of the whole plan.")
    if float(stored.max()) * scaling > MAX_DOSE_GY:
        raise DicomError(f"{file}: the largest dose is above {MAX_DOSE_GY:g} Gy; {name_of('DoseGridScaling')} or the pixels are wrong. Export the dose again.")
    view = stored.transpose(order)[:: step[0], :: step[1], :: step[2]]
    dose_gy = np.empty(view.shape, np.float32)
    for k in range(view.shape[0]):  # plane by plane: no second copy of the whole grid
        dose_gy[k] = view[k] * scaling
    return dose_gy


def plane_geometry(ds: Dataset, file: str) -> tuple[Float64, Float64, Float64, Float64]:
    """Position (3,), unit row direction (3,), unit column direction (3,), pixel spacing (2,) in mm.

    Raises
    ------
    DicomError
        When missing, not finite, not orthonormal, or a spacing outside 0 to 100 mm.
    """
    position = decimals(ds, "ImagePositionPatient", file, 3)
    cosines = decimals(ds, "ImageOrientationPatient", file, 6)
    row, column = cosines[:3], cosines[3:]
    lengths = np.array([row @ row, column @ column, row @ column])
    if np.abs(lengths - [1.0, 1.0, 0.0]).max() > ORTHONORMAL:
        raise DicomError(f"{file}: {name_of('ImageOrientationPatient')} is not two orthogonal unit directions. Export the object again.")
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    spacing = decimals(ds, "PixelSpacing", file, 2)
    if spacing.min() <= 0 or spacing.max() > MAX_SPACING_MM:
        raise DicomError(f"{file}: {name_of('PixelSpacing')} is not between 0 and {MAX_SPACING_MM:g} mm. Export the object again.")
    return position, row, column, spacing


def _grid(ds: Dataset, layout: PixelFormat, file: str) -> tuple[Grid, tuple[int, int, int], tuple[int, int, int]]:
    position, row, column, spacing = plane_geometry(ds, file)
    if not text(ds, "FrameOfReferenceUID"):
        raise DicomError(f"{file}: {name_of('FrameOfReferenceUID')} is missing, so the dose has no place in the patient. Export the dose again.")
    offsets = _offsets(ds, layout.n_frames, position, row, column, file)
    try:
        return Grid.from_dicom(position, row, column, float(spacing[0]), float(spacing[1]), layout.n_rows, layout.n_columns, offsets)
    except GeometryError as error:
        raise DicomError(f"{file}: {error} Export the dose again.") from None


def _offsets(ds: Dataset, n_frames: int, position: Float64, row: Float64, column: Float64, file: str) -> Float64:
    """Offsets (n_frames,) along the plane normal from the first frame, in mm (DICOM PS3.3 C.8.8.3.2)."""
    title = name_of("GridFrameOffsetVector")
    if not texts(ds, "GridFrameOffsetVector"):
        if n_frames == 1:
            return np.zeros(1)
        raise DicomError(f"{file}: {title} is missing, so the {n_frames} planes have no place. Export the dose again.")
    pointer = ds.get("FrameIncrementPointer")
    if n_frames > 1 and pointer is not None and pointer != Tag("GridFrameOffsetVector"):
        raise DicomError(f"{file}: {name_of('FrameIncrementPointer')} does not point to {title}, so the frames may not be planes. Export the dose again.")
    offsets = decimals(ds, "GridFrameOffsetVector", file)
    if offsets.size != n_frames:
        raise DicomError(f"{file}: {title} has {offsets.size} values for {n_frames} frames. Export the dose again.")
    if abs(offsets[0]) > OFFSET_TOLERANCE_MM:
        axial = np.abs(np.abs(np.r_[row, column]) - [1, 0, 0, 0, 1, 0]).max() <= ORTHONORMAL
        if not axial or abs(offsets[0] - position[2]) > OFFSET_TOLERANCE_MM:
            raise DicomError(f"{file}: {title} starts neither at zero nor at the z of the first plane (axial grids only). Export the dose again.")
        offsets = (offsets - offsets[0]) * np.sign(np.cross(row, column)[2])
    gaps = np.diff(offsets)
    if n_frames > 1 and not (np.all(gaps > 0) or np.all(gaps < 0)):
        raise DicomError(f"{file}: {title} does not rise or fall monotonically; planes repeat or are out of order. Export the dose again.")
    if n_frames > 1 and (np.abs(gaps).max() > MAX_SPACING_MM or np.abs(gaps).min() < OFFSET_TOLERANCE_MM):
        raise DicomError(f"{file}: {title} leaves gaps outside {OFFSET_TOLERANCE_MM:g} to {MAX_SPACING_MM:g} mm between planes. Export the dose again.")
    return np.asarray(offsets - offsets[0])
