"""Doses exported one file per plane, put together again."""

from __future__ import annotations

import numpy as np

from reirrad.dicom.parsing import reading
from reirrad.dicom.rtdose import DoseHeader, plane_geometry, read_dose
from reirrad.dicom.values import integer
from reirrad.dose import DoseGrid
from reirrad.errors import DicomError
from reirrad.grid import Grid

__all__ = ["DoseSource", "read_source", "sources"]

DoseSource = tuple[DoseHeader, ...]
"""Files that make one dose: one file, or its planes."""

IN_PLANE_TOLERANCE_MM = 0.01
# A gap wider than the usual one by this factor is a plane whose file is missing.
GAP = 1.5


def sources(headers: list[DoseHeader]) -> list[DoseSource]:
    """Group single planes that say the same of themselves; every other dose stands alone."""
    stacks: dict[tuple[object, ...], list[DoseHeader]] = {}
    alone: list[DoseSource] = []
    for header in headers:
        if header.n_frames != 1 or header.has_offsets or header.pixels is None:
            alone.append((header,))
            continue
        key = (header.record.series_uid, header.plans, header.summation, header.dose_type, header.units, header.record.frame_uid)
        stacks.setdefault(key, []).append(header)
    return alone + [tuple(stack) for stack in stacks.values()]


def read_source(source: DoseSource) -> DoseGrid:
    """Dose of one source.

    Raises
    ------
    DicomError
        As `read_dose`; when single planes do not make one regular stack; when there is one plane or line only.
    """
    dose = read_dose(source[0]) if len(source) == 1 else _stacked(source)
    if min(dose.grid.shape) < 2:
        raise DicomError(f"{source[0].name}: the dose is a single plane, and a volume is needed. Export the dose of the whole volume.")
    return dose


def _stacked(source: DoseSource) -> DoseGrid:
    """One dose of single-plane files.

    Each file is read as a dose of its own, so every check of `read_dose` holds for every plane.
    """
    first = source[0]
    with reading(first.name):
        position, row, column, spacing = plane_geometry(first.dataset, first.name)
    normal = np.cross(row, column)
    size = (integer(first.dataset, "Rows", first.name), integer(first.dataset, "Columns", first.name))
    offsets = []
    for header in source:
        with reading(header.name):
            p, r, c, s = plane_geometry(header.dataset, header.name)
            same_size = size == (integer(header.dataset, "Rows", header.name), integer(header.dataset, "Columns", header.name))
        shift = p - position
        offset = float(shift @ normal)
        beside = np.abs(shift - offset * normal).max()
        if not same_size or beside > IN_PLANE_TOLERANCE_MM or np.abs(np.r_[r - row, c - column, s - spacing]).max() > 1e-6:
            raise DicomError(f"{first.name} and {header.name} are single planes of one series that do not lie above each other. Export the dose as one file.")
        offsets.append(offset)
    rank = np.argsort(offsets)
    along = np.array(offsets)[rank]
    gaps = np.diff(along)
    if gaps.min() <= IN_PLANE_TOLERANCE_MM or gaps.max() > GAP * np.median(gaps):
        raise DicomError(f"{first.name} and {len(source) - 1} more files are single dose planes that repeat or leave gaps. Export the dose as one file.")
    planes = [read_dose(source[k]) for k in rank]
    n_rows, n_columns = size
    assert n_rows is not None
    assert n_columns is not None
    start = position + along[0] * normal
    grid, order, step = Grid.from_dicom(start, row, column, float(spacing[0]), float(spacing[1]), n_rows, n_columns, along - along[0])
    # each plane was turned like the whole: its axis of length one is where the planes go
    axis = order.index(0)
    stacked = np.concatenate([p.dose_gy for p in planes], axis=axis)
    if step[axis] < 0:
        stacked = np.ascontiguousarray(np.flip(stacked, axis))
    return DoseGrid(grid, stacked, planes[0].frame_uid)
