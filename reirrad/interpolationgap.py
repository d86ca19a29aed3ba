"""By how much EQD2 depends on whether dose is interpolated before or after it is converted: what a dose grid leaves open in steep dose.

Between voxels of doses D_i with linear weights w_i, converting first gives (sum w_i D_i² - (sum w_i D_i)²) / (n (2 + alpha/beta)) more. Nobody knows which is
right there; the true dose lies between, or beyond where it has a peak between voxels.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import OrganDose, deliveries
from reirrad.course import Case, Course
from reirrad.dose import DoseGrid, axis_weights
from reirrad.grid import Float64
from reirrad.registration import Transform

__all__ = ["interpolation_gap_gy", "spread_gy"]

HOT_CC = 2.0  # looked at: where near-maxima are read
N_POINTS = 1000


def interpolation_gap_gy(case: Case, dose: OrganDose, alpha_beta_gy: float) -> float | None:
    """Largest gap within the hottest 2 cc of the sum, Gy EQD2; None where the dose there is not known.

    Several doses of one delivery add their spread as if they varied together, which is the most it can be.

    Parameters
    ----------
    dose : OrganDose
        With the places of its points.
    """
    assert dose.points_mm is not None, "the points were kept"
    total = dose.eqd2(alpha_beta_gy).dose_gy
    order = np.argsort(-np.nan_to_num(total, nan=-1.0), kind="stable")
    n = int(np.searchsorted(np.cumsum(dose.volumes_cc[order]), HOT_CC)) + 1
    hot = order[:n][:: max(n // N_POINTS, 1)]
    if np.isnan(total[hot]).any() or not hot.size:
        return None
    points = dose.points_mm[hot].astype(np.float64)
    gap = np.zeros(hot.size)
    for k, course in enumerate(case.courses):
        if not course.is_on_paper and k not in case.unregistered:
            gap += _of_course(course, case.transforms[k], points, dose, k, alpha_beta_gy)
    return None if np.isnan(gap).any() else float(gap.max())


def _of_course(course: Course, transform: Transform | None, points_mm: Float64, dose: OrganDose, number: int, alpha_beta_gy: float) -> Float64:
    where = points_mm if transform is None else transform(points_mm)
    spread = [sum(c.factor * spread_gy(c.dose, where) for c in phase.components) for phase in course.phases]
    repair = np.ones(dose.fractions.size) if dose.repair is None else dose.repair
    gap = np.zeros(len(points_mm))
    for row, (n, parts) in zip(np.flatnonzero(dose.course == number), deliveries(course.phases), strict=True):
        gap += repair[row] * sum(part * spread[p] for p, part in parts.items()) ** 2 / (n * (2 + alpha_beta_gy))
    return gap


def spread_gy(dose: DoseGrid, points_mm: Float64) -> Float64:
    """Standard deviation (P,), Gy, of the eight voxels around points (P, 3), under their linear weights; NaN outside.

    >>> from reirrad.grid import Grid
    >>> grid = Grid(np.eye(3), np.array([0.0, 2.0]), np.array([0.0, 2.0]), np.array([0.0, 3.0]))
    >>> doses = np.broadcast_to(np.array([0.0, 10.0], np.float32), (2, 2, 2))  # rises by 10 Gy along x
    >>> round(float(spread_gy(DoseGrid(grid, doses, "1"), np.array([[1.0, 1.0, 1.0]]))[0]) ** 2 / (3 * (2 + 2)), 4)  # 3 fractions, alpha/beta 2
    2.0833
    """
    local = dose.grid.to_local(points_mm)
    axes: list[tuple[NDArray[np.intp], Float64]] = [
        axis_weights(c, np.ascontiguousarray(local[:, 2 - k]), "linear") for k, c in enumerate((dose.grid.w_mm, dose.grid.v_mm, dose.grid.u_mm))
    ]
    mean, square = np.zeros(len(local)), np.zeros(len(local))
    for corner in itertools.product(*(range(weights.shape[1]) for _, weights in axes)):
        weight = np.prod([weights[:, t] for t, (_, weights) in zip(corner, axes, strict=True)], axis=0)
        value = dose.dose_gy[tuple(first + t for t, (first, _) in zip(corner, axes, strict=True))].astype(np.float64)
        mean += weight * value
        square += weight * value**2
    return np.sqrt(np.maximum(square - mean**2, 0.0))
