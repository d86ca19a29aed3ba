"""RTSTRUCT: closed contours of every region of interest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from reirrad.dicom.files import Record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import integer, items, numbers_in, people_text, text
from reirrad.errors import DicomError, Notice, printable
from reirrad.grid import Float64
from reirrad.structures import Contour, Structure

__all__ = ["StructureSet", "read_structure_set", "read_structures"]

CONTOUR_DATA = 0x30060050
# Contour Geometric Type (DICOM PS3.3 C.8.8.6.1, C.8.8.6.3)
SAME_PLANE_MM = 0.3  # contours closer than this along their normal lie in one plane
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "INTERPOLATED_PLANAR")
# Coordinates further from the origin than this are not in a scanner.
MAX_COORDINATE_MM = 10_000.0


@dataclass(frozen=True, slots=True, eq=False)
class StructureSet:
    """Structures of one RTSTRUCT.

    Parameters
    ----------
    frame_uid : str
        Frame of Reference UID of the contours; empty when the object names none.
    image_series : frozenset of str
        Series Instance UIDs of the images it was drawn on.
    """

    record: Record
    label: str
    frame_uid: str
    structures: tuple[Structure, ...]
    image_series: frozenset[str]
    notices: tuple[Notice, ...]


def read_structures(record: Record, wanted: Collection[str] | None = None) -> tuple[Structure, ...]:
    """Structures of an RTSTRUCT; see `read_structure_set`."""
    return read_structure_set(record, wanted).structures


def read_structure_set(record: Record, wanted: Collection[str] | None = None) -> StructureSet:
    """Read the structures of an RTSTRUCT.

    Parameters
    ----------
    wanted : collection of str, optional
        ROI names; others are left out. All by default.

    Returns
    -------
    StructureSet
        In the order of the file; two regions of the same name both stay.

    Raises
    ------
    DicomError
        When the file is damaged, when contour coordinates are not finite numbers in threes as counted, or when regions
        lie in several frames of reference.
    """
    file = record.name
    header = read_header(record.path, file)
    ds = header.dataset
    with reading(file):
        frames = items(ds, "ReferencedFrameOfReferenceSequence")
        declared = {text(f, "FrameOfReferenceUID") for f in frames} | {text(ds, "FrameOfReferenceUID")}
        series = {text(s, "SeriesInstanceUID") for f in frames for st in items(f, "RTReferencedStudySequence") for s in items(st, "RTReferencedSeriesSequence")}
        kinds = {integer(o, "ReferencedROINumber", file): text(o, "RTROIInterpretedType") for o in items(ds, "RTROIObservationsSequence")}
        drawn: dict[int | None, list[Dataset]] = {}
        for roi_contour in items(ds, "ROIContourSequence"):
            drawn.setdefault(integer(roi_contour, "ReferencedROINumber", file), []).extend(items(roi_contour, "ContourSequence"))
        structures: list[Structure] = []
        notices: list[Notice] = []
        used: set[str] = set()
        numbers: set[int] = set()
        for roi in items(ds, "StructureSetROISequence"):
            number, name = integer(roi, "ROINumber", file), people_text(roi, "ROIName")
            if number is None or number in numbers:
                raise DicomError(f"{file}: the ROI '{printable(name)}' has no number of its own, so its contours are unknown. Export the structures again.")
            numbers.add(number)
            if wanted is not None and name not in wanted:
                continue
            contours, n_ignored, n_open_alone = _contours(drawn.get(number, []), name, file, notices)
            if contours:
                used.add(_frame(roi, name, declared, file))
            structures.append(Structure(name, number, contours, kinds.get(number, ""), n_ignored, n_open_alone))
        frame = _one_frame(used, declared, file)
        return StructureSet(record, people_text(ds, "StructureSetLabel"), frame, tuple(structures), frozenset(series - {""}), tuple(notices))


def _frame(roi: Dataset, name: str, declared: set[str], file: str) -> str:
    """Frame of Reference UID of a region, which the set must know if it lists any."""
    frame = text(roi, "ReferencedFrameOfReferenceUID")
    if frame and declared - {""} and frame not in declared:
        raise DicomError(f"{file}: the ROI '{printable(name)}' lies in a frame of reference its structure set does not list. Export the structures again.")
    return frame


def _one_frame(used: set[str], declared: set[str], file: str) -> str:
    used = used - {""}
    declared = declared - {""}
    if len(used) > 1:
        raise DicomError(f"{file}: its regions lie in {len(used)} frames of reference; one is needed. Export the structures of each image set apart.")
    if used:
        return used.pop()
    return declared.pop() if len(declared) == 1 else ""


def _contours(stored: list[Dataset], name: str, file: str, notices: list[Notice]) -> tuple[tuple[Contour, ...], int, int]:
    """Closed contours of one region, how many items enclose no area, and how many of these are open lines on planes of their own."""
    contours: list[Contour] = []
    lines: list[Float64] = []
    n_ignored = n_interpolated = 0
    shown = printable(name)
    for item in stored:
        kind = text(item, "ContourGeometricType").upper()
        points = _points(item, shown, file)
        if kind not in CLOSED or not _encloses(points):
            n_ignored += 1
            if kind != "POINT" and _encloses(points):
                lines.append(points)
            continue
        n_interpolated += kind == "INTERPOLATED_PLANAR"
        contours.append(Contour(points, kind == "CLOSEDPLANAR_XOR"))
    if n_ignored:
        message = f"{n_ignored} item(s) of the ROI '{shown}' in {file} enclose no area (points, open lines, fewer than three points) and were left out."
        notices.append(Notice("contour_ignored", message, structure=name))
    if n_interpolated:
        message = f"{n_interpolated} contour(s) of the ROI '{shown}' in {file} were interpolated by the contouring system."
        notices.append(Notice("contour_interpolated", message, structure=name))
    n_alone = sum(not any(_share_plane(line, c.points_mm) for c in contours) for line in lines)
    if n_alone:
        message = (
            f"{n_alone} open line(s) of the ROI '{shown}' in {file} lie on planes where nothing closed is drawn: a part of the structure may be missing, "
            "and its limits are not evaluable. Close the contours and export the structures again."
        )
        notices.append(Notice("contour_open", message, structure=name))
    return tuple(contours), n_ignored, n_alone


def _share_plane(line: Float64, closed: Float64) -> bool:
    """Whether a closed contour lies in the plane of an open line, perpendicular to x, y or z."""
    axis = int(np.ptp(line, axis=0).argmin())
    return bool(abs(closed[:, axis].mean() - line[:, axis].mean()) < SAME_PLANE_MM)


def _encloses(points: Float64) -> bool:
    """Whether there are three different points."""
    if len(points) < 3:
        return False
    others = points[(points != points[0]).any(axis=1)]
    return bool(len(others) and (others != others[0]).any())


def _points(item: Dataset, shown: str, file: str) -> Float64:
    """Vertices (N, 3) of one contour item, without a closing copy of the first."""
    element = item.get_item(CONTOUR_DATA)
    where = f"{file}: Contour Data (3006,0050) of the ROI '{shown}'"
    if element is None or not element.value:
        return np.empty((0, 3))
    try:
        values = numbers_in(element.value) if isinstance(element, RawDataElement) else np.array(element.value, np.float64)
    except ValueError:
        raise DicomError(f"{where} holds text that is not a number. Export the structures again.") from None
    if values.size % 3:
        raise DicomError(f"{where} has {values.size} values, which is not three per point. Export the structures again.")
    if not np.all(np.abs(values) <= MAX_COORDINATE_MM):
        raise DicomError(f"{where} holds coordinates that are not finite (NaN, infinite) or metres away. Export the structures again.")
    points = values.reshape(-1, 3)
    n_points = integer(item, "NumberOfContourPoints", file)
    if n_points is not None and n_points != len(points):
        raise DicomError(f"{where} has {len(points)} points where its header counts {n_points}. Export the structures again.")
    while len(points) > 1 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    return points
