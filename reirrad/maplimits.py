"""Which cumulative limits are limits of every voxel, and of which organs.

Limits of maxima and of near-maxima up to 5 cc are taken as limits of every voxel. That is sufficient for them, and stricter than they are: a plan that keeps
to them everywhere meets them. Other limits (means, volumes above a dose, large volumes) are no statement about a voxel, and are named as left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reirrad.budget import Budget, LimitBudget, holds_for
from reirrad.course import Case
from reirrad.errors import printable
from reirrad.leftover import as_eqd2, clause_caps
from reirrad.metrics import Metric
from reirrad.organregistration import step_of_set_mm
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.planes import Slabs, slabs_of

__all__ = ["LeftOut", "MapOrgan", "VoxelLimit", "map_organs"]

LARGEST_CC: Final = 5.0  # near-maxima of larger volumes say little of a voxel


@dataclass(frozen=True, slots=True)
class VoxelLimit:
    """A limit of the EQD2 of every voxel.

    Parameters
    ----------
    limit_gy : float
        EQD2.
    cap_gy : float
        EQD2 that further clauses of the rule permit the new course alone; infinite without any.
    elsewhere_gy : float or None
        EQD2 of the earlier courses without dose at points: at most so much anywhere in the organ. None when nothing bounds it.
    kept : mapping or None
        Course to the part of its EQD2 that still counts, for a limit of sums after recovery.
    """

    id: str
    limit_gy: float
    alpha_beta_gy: float
    cap_gy: float = np.inf
    elsewhere_gy: float | None = 0.0
    kept: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MapOrgan:
    """An organ whose voxels have limits.

    Parameters
    ----------
    repair : mapping
        Earlier course with dose to the factor of the quadratic term of each of its deliveries.
    closed : str or None
        Why nothing may be given to it: a limit of it that cannot be judged, or whose condition fails.
    """

    name: str
    slabs: Slabs
    limits: tuple[VoxelLimit, ...]
    repair: Mapping[int, Sequence[float]]
    closed: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A limit that is not in the map, and why."""

    structure: str | None
    limit_id: str
    reason: str


def map_organs(budget: Budget, fractions: int, *, optimal: bool = False) -> tuple[tuple[MapOrgan, ...], tuple[LeftOut, ...]]:
    """Organs with the limits that a map keeps to, and the limits it leaves out.

    Parameters
    ----------
    fractions : int
        Of the new course: limits for other numbers are left out.
    optimal : bool
        Whether optimal limits are kept to too.
    """
    results = budget.priors.organs
    limits: list[list[VoxelLimit]] = [[] for _ in results]
    closed: list[list[str]] = [[] for _ in results]
    left_out = []
    for row in budget.rows:
        names = () if row.structure is None else (row.structure, *row.structure.split(" + "))
        here = [k for k, o in enumerate(results) if o.organ == row.limit.organ and o.name in names and o.sum is not None]
        volume_cc = sum(results[k].volume_cc or 0.0 for k in here)
        reason = _left_out(row, fractions, optimal, volume_cc) if here else row.reason or "no structure stands for the organ"
        if reason is not None:
            left_out.append(LeftOut(row.structure, row.limit.id, reason))
            continue
        for k in here:
            limits[k].append(_voxel_limit(row, results[k]))
            if row.closed is not None:
                closed[k].append(f"limit {printable(row.limit.id)}: {row.closed}")
    found = tuple(
        MapOrgan(o.name, _slabs(budget.case, k), tuple(limits[k]), _repair(o, budget.case), "; ".join(closed[k]) or None)
        for k, o in enumerate(results)
        if limits[k]
    )
    return found, tuple(left_out)


def _left_out(row: LimitBudget, fractions: int, optimal: bool, volume_cc: float) -> str | None:
    """Why a limit is no limit of the voxels of a map."""
    limit, metric = row.limit, row.limit.metric
    if limit.level != "mandatory" and not optimal:
        return "the limit is optimal"
    if not holds_for(limit, fractions):
        return "the limit is for other numbers of fractions"
    if metric.kind not in ("max", "dose_at_volume"):
        return f"{metric} is no limit of a voxel"
    if metric.argument is not None and metric.argument * (volume_cc / 100 if metric.argument_unit == "%" else 1) > LARGEST_CC:
        return f"{metric} is of a volume above {LARGEST_CC:g} cc, and no limit of a voxel"
    if limit.quantity == "physical":
        return "physical doses of several courses are not summed"
    return row.closed if limit.level != "mandatory" else None


def _voxel_limit(row: LimitBudget, organ: OrganResult) -> VoxelLimit:
    limit = row.limit
    assert limit.alpha_beta_gy is not None, "in EQD2 or BED"
    assert organ.sum is not None, "has contours"
    kept = organ.kept if limit.recovery == "discounted" else None
    cap = min(clause_caps(limit, row.prior, is_even=False).values(), default=np.inf)
    return VoxelLimit(limit.id, as_eqd2(limit, limit.limit), limit.alpha_beta_gy, cap, _elsewhere(organ.sum, limit.alpha_beta_gy, kept), kept)


def _elsewhere(organ: OrganSum, alpha_beta_gy: float, kept: Mapping[int, float] | None) -> float | None:
    """EQD2 of the courses without dose at points: at most the sum of their maxima. None when one has no known maximum."""
    total = 0.0
    for k in organ.papers:
        high = organ.value(Metric("max"), "Gy", "EQD2", alpha_beta_gy, k, kept).high
        if high is None:
            return None
        total += high
    return total


def _repair(organ: OrganResult, case: Case) -> dict[int, list[float]]:
    """Factors of the quadratic term of every earlier course with dose at points."""
    assert organ.sum is not None, "has contours"
    dose = organ.sum.dose
    factors = np.ones(dose.course.size) if dose.repair is None else dose.repair
    return {k: [float(f) for f in factors[dose.course == k]] for k, c in enumerate(case.courses) if c.kind == "prior" and np.any(dose.course == k)}


def _slabs(case: Case, number: int) -> Slabs:
    course = case.courses[case.reference]
    normal, positions = (None, None) if course.image is None else (course.image.normal, course.image.positions_mm)
    return slabs_of(case.organs[number][0], normal, positions, step_of_set_mm(course))
