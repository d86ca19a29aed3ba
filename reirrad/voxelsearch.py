"""Registration uncertainty point by point: the largest earlier dose within reach of every point of an organ.

Every point takes the worst place for itself, so the result is what no rigid shift among those searched can exceed. For the maximum it is the worst rigid
shift itself; for the dose of a volume and the mean it lies above. Restricted to places inside the same organ of the earlier course, it leaves out dose
that this organ cannot have received.

References
----------
RADAR25 : ellipsoid search, free and restricted to the organ on the earlier images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import OrganDose
from reirrad.course import Course
from reirrad.dose import Float32
from reirrad.errors import GeometryError
from reirrad.grid import Float64
from reirrad.planes import slabs_of
from reirrad.points import OrganPoints, organ_points
from reirrad.radiobiology import eqd2
from reirrad.structures import Structure

__all__ = ["Region", "VoxelSearch", "region_of"]

HALF = 0.5  # a cell is inside where at least this part of it is covered
SMALL_SESSIONS = 1e-9  # factor of the quadratic term that makes a dose one of sessions so small that EQD2 is proportional to it


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The inside of a structure, cell by cell.

    Parameters
    ----------
    points : OrganPoints
        Whose slabs and lattice they are.
    inside : (S, rows, columns) bool
    """

    points: OrganPoints
    inside: NDArray[np.bool_]

    def contains(self, points_mm: Float64) -> NDArray[np.bool_]:
        """Whether points (P, 3) lie inside; NaN do not."""
        p = self.points
        local = points_mm if p.in_axial_frame else points_mm @ p.slabs.rotation.T
        n_slabs, n_rows, n_columns = self.inside.shape
        w = np.nan_to_num(local[:, 2], nan=np.inf)
        slab = np.clip(np.searchsorted(p.slab_low_mm, w, side="right") - 1, 0, n_slabs - 1)
        cell = np.floor((local[:, :2] - p.origin_mm[slab]) / p.step_mm)
        here = (w >= p.slab_low_mm[slab]) & (w <= p.slab_high_mm[slab])
        here &= (cell[:, 0] >= 0) & (cell[:, 0] < n_columns) & (cell[:, 1] >= 0) & (cell[:, 1] < n_rows)
        column, row = (np.where(here, cell[:, axis], 0).astype(np.intp) for axis in (0, 1))
        return np.asarray(here & self.inside[slab, row, column])


def region_of(structure: Structure, course: Course, step_of_set_mm: float | None = None) -> Region | None:
    """Inside of a structure of a course, in the frame of the course; None when its contours enclose nothing that can be used."""
    image = course.image
    try:
        slabs = slabs_of(structure, None if image is None else image.normal, None if image is None else image.positions_mm, step_of_set_mm)
        points = organ_points(structure.name, slabs)
    except GeometryError:
        return None
    assert np.all(np.diff(points.slab_low_mm) > 0), "slabs rise"
    inside = np.zeros((points.slab_low_mm.size, int(points.column_row.max()) + 1, int(points.column_col.max()) + 1), bool)
    filled = points.column_area_mm2 >= HALF * points.step_mm**2
    inside[points.column_slab[filled], points.column_row[filled], points.column_col[filled]] = True
    return Region(points, inside)


@dataclass(slots=True, eq=False)
class VoxelSearch:
    """Largest EQD2 of each earlier course at every point of an organ, over the places searched so far.

    Parameters
    ----------
    dose : OrganDose
    alpha_betas_gy : sequence of float
        For which the EQD2 is searched.
    courses : tuple of int
        Courses to search.
    """

    dose: OrganDose
    alpha_betas_gy: Sequence[float]
    courses: tuple[int, ...]
    anywhere: dict[tuple[int, float], Float32] = field(init=False, default_factory=dict)
    inside: dict[tuple[int, float], Float32] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        nothing = np.full(self.dose.volumes_cc.size + self.dose.edge_gy.shape[1], -np.inf, np.float32)
        for key in ((course, alpha_beta) for course in self.courses for alpha_beta in self.alpha_betas_gy):
            self.anywhere[key], self.inside[key] = nothing.copy(), nothing.copy()

    def add(self, course: int, rows: Float32, is_inside: NDArray[np.bool_] | None) -> None:
        """Take in one place for every point.

        Parameters
        ----------
        rows : (K, P + E) float32
            Dose of each delivery of the course, Gy.
        is_inside : (P + E,) bool or None
            Whether the place lies in the same organ of that course; None when that organ is not known.
        """
        for alpha_beta in self.alpha_betas_gy:
            value = np.zeros(rows.shape[1], np.float32)
            for row, sessions in zip(rows, self._sessions(course), strict=True):
                value += eqd2(row, sessions, alpha_beta)
            key = course, alpha_beta
            np.maximum(self.anywhere[key], value, out=self.anywhere[key])
            if is_inside is not None:
                np.maximum(self.inside[key], value, out=self.inside[key], where=is_inside)

    def worst(self, alpha_beta_gy: float) -> OrganDose:
        """Dose of the organ in which every point has the largest EQD2 found, at this alpha/beta."""
        return self._as_dose({k: self.anywhere[k, alpha_beta_gy] for k in self.courses}, alpha_beta_gy)

    def worst_inside(self, alpha_beta_gy: float) -> tuple[OrganDose, float]:
        """The same over places inside the organ of the earlier course, and the volume (cc) where there was none: there the free search stands."""
        n, volumes = self.dose.volumes_cc.size, self.dose.volumes_cc
        found, without = {}, np.zeros(n, bool)
        for k in self.courses:
            inside = self.inside[k, alpha_beta_gy]
            nowhere = np.isneginf(inside)
            found[k] = np.where(nowhere, self.anywhere[k, alpha_beta_gy], inside)
            without |= nowhere[:n]
        return self._as_dose(found, alpha_beta_gy), float(volumes[without].sum())

    def _sessions(self, course: int) -> list[float]:
        here = np.flatnonzero(self.dose.course == course)
        return [float(self.dose.fractions[k] / (1.0 if self.dose.repair is None else self.dose.repair[k])) for k in here]

    def _as_dose(self, eqd2_gy: dict[int, Float32], alpha_beta_gy: float) -> OrganDose:
        """Organ whose EQD2 at this alpha/beta is as given: doses in ever smaller sessions, of which EQD2 is the part alpha/beta / (2 + alpha/beta)."""
        d, n = self.dose, self.dose.volumes_cc.size
        if not self.courses:
            return d
        others = np.flatnonzero(~np.isin(d.course, self.courses))
        rows = np.array([eqd2_gy[k] for k in self.courses], np.float32) * np.float32((2 + alpha_beta_gy) / alpha_beta_gy)
        repair = np.ones(d.course.size) if d.repair is None else d.repair
        return replace(
            d,
            dose_gy=np.concatenate([d.dose_gy[others], rows[:, :n]]),
            edge_gy=np.concatenate([d.edge_gy[others], rows[:, n:]]),
            fractions=np.concatenate([d.fractions[others], np.ones(len(self.courses), np.intp)]),
            course=np.concatenate([d.course[others], np.array(self.courses, np.intp)]),
            repair=np.concatenate([repair[others], np.full(len(self.courses), SMALL_SESSIONS)]),
        )
