"""The highest dose every voxel may still get in n fractions, given every organ a part of it belongs to.

References
----------
fowler_1989 : the linear-quadratic model. R = limit - earlier EQD2; D of n fractions with D (D / n + alpha/beta) / (2 + alpha/beta) = R.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reirrad.accumulation import course_dose, deliveries
from reirrad.course import Case
from reirrad.dose import Float32
from reirrad.errors import Notice, printable
from reirrad.grid import Float64, Grid
from reirrad.maplimits import MapOrgan
from reirrad.parameters import whole
from reirrad.radiobiology import eqd2
from reirrad.voxelcover import borders_mm, reaches_beyond, touched

__all__ = ["NO_LIMIT_GY", "OrganMap", "RemainingMap", "dose_for", "remaining_gy", "remaining_map"]

NO_LIMIT_GY: Final = 100.0  # where no organ with a limit is; and no voxel is given more
AT_ONCE: Final = 200_000  # voxels calculated together


@dataclass(frozen=True, slots=True)
class OrganMap:
    """What the map says of one organ.

    Parameters
    ----------
    n_voxels, n_unknown, n_deficit : int
        Voxels a part of which is the organ; of these with unknown earlier dose, and with more than a limit already.
    deficit_cc : float
        Volume of the whole voxels with a deficit.
    worst_deficit_gy : float
        EQD2 by which a limit is exceeded there at most; 0 when it is nowhere.
    least_gy : float or None
        Least remaining dose of a voxel; None when the organ has no voxel on the grid.
    cap_gy : float or None
        EQD2 that further clauses of its limits permit any voxel; None without any.
    closed : str or None
        Why the organ is given nothing.
    """

    name: str
    limit_ids: tuple[str, ...]
    n_voxels: int
    n_unknown: int
    n_deficit: int
    deficit_cc: float
    worst_deficit_gy: float
    least_gy: float | None
    cap_gy: float | None = None
    closed: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RemainingMap:
    """Remaining dose on a grid.

    Parameters
    ----------
    dose_gy : (nz, ny, nx) float32
        Physical dose in `fractions` fractions; NO_LIMIT_GY where no organ with a limit is.
    """

    grid: Grid
    fractions: int
    dose_gy: Float32
    organs: tuple[OrganMap, ...]
    notices: tuple[Notice, ...] = ()


def remaining_map(case: Case, organs: Sequence[MapOrgan], grid: Grid, fractions: int) -> RemainingMap:
    """Calculate the remaining dose at every voxel, organ by organ.

    Parameters
    ----------
    case : Case
        Its earlier courses are read.
    grid : Grid
        In the frame of the reference course.
    """
    whole("fractions", fractions)
    out = np.full(grid.shape, NO_LIMIT_GY, np.float32)
    found = [_lower(out, organ, case, grid, fractions) for organ in organs]
    notices = [notice for organ, one in zip(organs, found, strict=True) for notice in _notices(organ, one, grid)]
    return RemainingMap(grid, fractions, out, tuple(found), tuple(notices))


def _lower(out: Float32, organ: MapOrgan, case: Case, grid: Grid, fractions: int) -> OrganMap:
    """Lower a map (nz, ny, nx), in place, to what one organ permits in its voxels."""
    here = touched(organ.slabs, grid)
    part, where = out[here.box], np.argwhere(here.inside)
    depth, height, width = (np.diff(borders_mm(c)) for c in (grid.w_mm, grid.v_mm, grid.u_mm))
    n_unknown = n_deficit = 0
    deficit_cc, worst, least = 0.0, 0.0, np.inf
    for start in range(0, len(where), AT_ONCE):
        some = where[start : start + AT_ONCE]
        k, j, i = (some + here.first).T
        points = grid.to_patient(np.column_stack([grid.u_mm[i], grid.v_mm[j], grid.w_mm[k]]))
        gy, deficit = remaining_gy(points, organ, case, fractions)
        over = deficit > 0
        n_unknown += int(np.isnan(deficit).sum())
        n_deficit += int(over.sum())
        deficit_cc += float((depth[k] * height[j] * width[i])[over].sum()) / 1000
        worst, least = max(worst, float(np.fmax.reduce(deficit, initial=0.0))), min(least, float(gy.min()))
        np.minimum.at(part, tuple(some.T), gy)
    cap = min((x.cap_gy for x in organ.limits if np.isfinite(x.cap_gy)), default=None)
    ids = tuple(x.id for x in organ.limits)
    return OrganMap(organ.name, ids, len(where), n_unknown, n_deficit, deficit_cc, worst, least if len(where) else None, cap, organ.closed)


def _notices(organ: MapOrgan, found: OrganMap, grid: Grid) -> Iterator[Notice]:
    name = f'structure "{printable(organ.name)}"'
    if found.n_unknown:
        message = (
            f"The earlier dose is not known in {found.n_unknown} of {found.n_voxels} voxels of {name}; the map gives them no dose. "
            "Give the missing dose, or plan there by other means."
        )
        yield Notice("remaining_unknown", message, None, organ.name)
    if reaches_beyond(organ.slabs, grid):
        message = (
            f"A part of {name} lies outside the dose grid of the reference course; the map and its zones say nothing there. "
            "Export the dose of the reference course on a larger grid."
        )
        yield Notice("remaining_outside_grid", message, None, organ.name)
    if organ.closed is not None:
        yield Notice("remaining_closed", f"The map gives {name} no dose: {printable(organ.closed, 300)}.", None, organ.name)


def remaining_gy(points_mm: Float64, organ: MapOrgan, case: Case, fractions: int) -> tuple[Float32, Float32]:
    """Highest dose that points of an organ may still get, over all its limits.

    Parameters
    ----------
    points_mm : (N, 3) float64
        In the reference frame.

    Returns
    -------
    remaining_gy : (N,) float32
        Physical dose in `fractions` fractions, from 0 to NO_LIMIT_GY; 0 where the earlier dose is not known.
    deficit_gy : (N,) float32
        EQD2 by which the earlier courses exceed a limit there, 0 where none; NaN where the earlier dose is not known.
    """
    left, deficit = np.full(len(points_mm), NO_LIMIT_GY), np.zeros(len(points_mm))
    doses = {k: course_dose(case.courses[k], points_mm, case.transforms[k], case.interpolation) for k in organ.repair}
    for limit in organ.limits:
        prior = np.full(len(points_mm), np.nan if limit.elsewhere_gy is None else limit.elsewhere_gy)
        for k, rows in doses.items():
            part = 1.0 if limit.kept is None else limit.kept.get(k, 1.0)
            for row, (n, _), repair in zip(rows, deliveries(case.courses[k].phases), organ.repair[k], strict=True):
                if part > 0:
                    prior += part * eqd2(row.astype(np.float64), n / repair, limit.alpha_beta_gy)
        room = limit.limit_gy - prior
        np.minimum(left, dose_for(np.minimum(room, limit.cap_gy), fractions, limit.alpha_beta_gy), out=left)
        np.maximum(deficit, -room, out=deficit)  # NaN stays
    left[np.isnan(left)] = 0.0
    if organ.closed is not None:
        left[:] = 0.0
    return left.astype(np.float32), deficit.astype(np.float32)


def dose_for(eqd2_gy: Float64, fractions: int, alpha_beta_gy: float) -> Float64:
    """Physical dose whose fractions have this EQD2; 0 where it is negative, NaN where it is unknown.

    >>> [round(float(d), 2) for d in dose_for(np.array([20.0, 0.0, -3.0]), 5, 2.0)]
    [15.62, 0.0, 0.0]
    """
    c = np.maximum(eqd2_gy, 0.0) * (2 + alpha_beta_gy) / fractions
    return np.asarray(fractions * 2 * c / (alpha_beta_gy + np.sqrt(alpha_beta_gy**2 + 4 * c)), np.float64)
