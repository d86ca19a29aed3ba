"""The sum of all courses voxel by voxel, for files that other systems show. Organs are judged at their own points; no limit is ever held against this sum.

The voxels are those of the dose of the reference course. Every other course is read once at their centres, through its transform; no grid is resampled twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import course_dose, deliveries
from reirrad.course import Case, Course
from reirrad.displaymap import DisplayMap
from reirrad.dose import Float32
from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid
from reirrad.halftimes import convention, half_time
from reirrad.timing import repair_factor

__all__ = ["VoxelSum", "reference_grid", "summable", "voxel_sum"]


@dataclass(frozen=True, slots=True, eq=False)
class VoxelSum:
    """Doses on the grid of the reference course.

    Parameters
    ----------
    grid : Grid
    physical_gy : dict
        Course number to its physical dose (nz, ny, nx) float32, Gy; NaN where it is not known.
    least_eqd2_gy : (nz, ny, nx) float32
        EQD2 of the courses known at each voxel, Gy: that of all where `is_known`, else the least it can be.
    least_with_recovery_gy : (nz, ny, nx) float32 or None
        The same after recovery; None where no recovery was chosen.
    is_known : (nz, ny, nx) bool
        Where all courses are known.
    """

    grid: Grid
    physical_gy: Mapping[int, Float32]
    least_eqd2_gy: Float32
    least_with_recovery_gy: Float32 | None
    is_known: NDArray[np.bool_]


def summable(case: Case) -> tuple[int, ...]:
    """Numbers of the courses whose dose is known at voxels of the reference frame: neither on paper nor left unregistered."""
    return tuple(k for k, c in enumerate(case.courses) if not c.is_on_paper and k not in case.unregistered)


def reference_grid(case: Case) -> Grid:
    """Grid of the dose of the reference course; the one with most voxels where it has several.

    Raises
    ------
    GeometryError
        When the reference course is on paper.
    """
    grids = [c.dose.grid for phase in case.courses[case.reference].phases for c in phase.components]
    if not grids:
        raise GeometryError("The reference course has no dose grid on which voxels could be summed. Choose a reference course with an RTDOSE.")
    return max(grids, key=lambda g: g.u_mm.size * g.v_mm.size * g.w_mm.size)


def voxel_sum(case: Case, grid: Grid, display: DisplayMap, kept: Mapping[str, Mapping[int, float]] | None = None) -> VoxelSum:
    """Sum the courses that can be summed (`summable`) at voxel centres, plane by plane.

    EQD2 = (alpha/beta Q1 + Q2) / (2 + alpha/beta) with Q1 = sum of D and Q2 = sum of repair D^2 / n over the deliveries, at the alpha/beta of the voxel.
    Half times of repair are those of the organ of the voxel; outside organs the long one of the convention, which gives the higher dose.

    Parameters
    ----------
    grid : Grid
        In the reference frame.
    display : DisplayMap
        On this grid.
    kept : mapping, optional
        Organ key to the part of the EQD2 of each course (by number) that still counts after recovery; 1 where none is given. Empty: no recovery was chosen.
    """
    courses = summable(case)
    physical = {k: np.empty(grid.shape, np.float32) for k in courses}
    least, known = np.zeros(grid.shape, np.float32), np.ones(grid.shape, bool)
    recovered = np.zeros(grid.shape, np.float32) if kept else None
    factors = {k: _repair(case, case.courses[k], display.keys) for k in courses}
    parts = {k: np.array([*((kept or {}).get(key, {}).get(k, 1.0) for key in display.keys), 1.0]) for k in courses}
    for plane in range(grid.w_mm.size):
        points = grid.plane_points_mm(plane)
        organ, alpha_beta = display.organ[plane].ravel(), display.alpha_beta_gy[plane].ravel().astype(np.float64)
        total, after = np.zeros(organ.size), np.zeros(organ.size)
        for k in courses:
            rows = course_dose(case.courses[k], points, case.transforms[k], case.interpolation)
            q1 = rows.sum(axis=0, dtype=np.float64)
            q2 = (factors[k][:, organ] * rows.astype(np.float64) ** 2).sum(axis=0)
            here = ~np.isnan(q1)
            eqd2 = np.where(here, (alpha_beta * q1 + q2) / (2 + alpha_beta), 0.0)
            total += eqd2
            after += parts[k][organ] * eqd2
            physical[k][plane] = q1.reshape(grid.shape[1:])
            known[plane] &= here.reshape(grid.shape[1:])
        least[plane] = total.reshape(grid.shape[1:])
        if recovered is not None:
            recovered[plane] = after.reshape(grid.shape[1:])
    return VoxelSum(grid, physical, least, recovered, known)


def _repair(case: Case, course: Course, keys: tuple[str, ...]) -> Float64:
    """Repair divided by sessions of each delivery (K, organs + 1), 1; the last column is for voxels outside organs."""
    sessions = [n for n, _ in deliveries(course.phases)]
    hours = [*(half_time(key, case.half_time_h.get(key)).hours for key in keys), convention().hours]
    timing = course.timing
    return np.array([[repair_factor(timing, n, h) / n if timing.needs_half_time else 1 / n for h in hours] for n in sessions])
