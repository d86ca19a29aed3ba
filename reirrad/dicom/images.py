"""The planes of a planning CT, from headers alone."""

from __future__ import annotations

import numpy as np

from reirrad.course import ImageStack
from reirrad.dicom.files import Record
from reirrad.dicom.parsing import reading
from reirrad.dicom.values import decimals
from reirrad.errors import DicomError, Notice

__all__ = ["read_stack"]

# Planes nearer than this are the same plane; a gap wider than the usual one by this factor is a missing plane.
SAME_PLANE_MM = 0.01
GAP = 1.5


def read_stack(
    records: tuple[Record, ...], frame_uid: str, series: frozenset[str] = frozenset(), course: str | None = None
) -> tuple[ImageStack | None, list[Notice]]:
    """Stack the CT planes of the frame of a course.

    Parameters
    ----------
    records : tuple of Record
        CT images.
    frame_uid : str
        Frame of Reference UID of the dose and structures.
    series : frozenset of str
        Series the structure set was drawn on; chosen when there are several.

    Returns
    -------
    stack, notices
        None when no image lies in that frame and none was named by the structure set.

    Raises
    ------
    DicomError
        When all images lie in another frame, or planes have no or differing orientation.
    """
    notices: list[Notice] = []
    if not records:
        return None, notices
    named = [r for r in records if r.series_uid in series]
    strays = [r for r in (named or records) if r.frame_uid != frame_uid]
    if strays and (named or len(strays) == len(records)):
        raise DicomError(
            f"The CT ({strays[0].name}) lies in another frame of reference than the dose and structures of its course. Put the planning CT into the folder."
        )
    by_series: dict[str, list[Record]] = {}
    for record in named or [r for r in records if r.frame_uid == frame_uid]:
        by_series.setdefault(record.series_uid, []).append(record)
    chosen = max(by_series, key=lambda uid: (len(by_series[uid]), uid))
    if len({r.series_uid for r in records}) > 1:
        how = "the one the structure set refers to" if named else "the one with most planes"
        notices.append(Notice("ct_series_chosen", f"The course has several CT series; {how} is used ({by_series[chosen][0].name}).", course=course))
    planes = by_series[chosen]
    positions, normal = _positions(planes)
    gaps = np.diff(positions)
    keep = np.r_[True, gaps > SAME_PLANE_MM]
    if not keep.all():
        notices.append(Notice("ct_slice_repeated", f"{int((~keep).sum())} CT plane(s) lie where another one does ({planes[0].name}).", course=course))
    positions = positions[keep]
    gaps = np.diff(positions)
    if gaps.size and gaps.max() > GAP * np.median(gaps):
        n_gaps = int((gaps > GAP * np.median(gaps)).sum())
        message = f"The CT has {n_gaps} gap(s) wider than its usual plane distance of {np.median(gaps):.3g} mm: planes are missing."
        notices.append(Notice("ct_slice_missing", message, course=course))
    return ImageStack(frame_uid, positions, normal, chosen), notices


def _positions(planes: list[Record]) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Rising positions (N,) of planes along their common normal (3,)."""
    normals, points = [], []
    for record in planes:
        with reading(record.name):
            cosines = decimals(record.header, "ImageOrientationPatient", record.name, 6)
            normal = np.cross(cosines[:3], cosines[3:])
            if abs(np.linalg.norm(normal) - 1) > 1e-3:
                raise DicomError(f"{record.name}: Image Orientation (Patient) is not two orthogonal unit directions. Export the CT again.")
            normals.append(normal)
            points.append(decimals(record.header, "ImagePositionPatient", record.name, 3))
    common = normals[0] / np.linalg.norm(normals[0])
    if np.abs(np.array(normals) - common).max() > 1e-3:
        raise DicomError(f"The CT planes of one series ({planes[0].name}) do not have the same orientation (a localiser among them?). Keep the axial planes.")
    common = common * (1.0 if common[np.argmax(np.abs(common))] > 0 else -1.0)
    common[np.abs(common) < 1e-9] = 0.0
    return np.sort(np.array(points) @ common), common
