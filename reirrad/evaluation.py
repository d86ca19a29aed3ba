"""A limit held against the dose of an organ: pass, caution, exceed, or not evaluable with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reirrad.accumulation import OrganDose
from reirrad.constraints import Limit
from reirrad.dvh import Dvh, Undefined
from reirrad.metrics import Metric

__all__ = ["Finding", "Situation", "Status", "at_least", "brief", "evaluate", "metric_value", "not_evaluable"]

Status = Literal["pass", "caution", "exceed", "not_evaluable"]

# A value within this part of its limit is a caution: no dose in a patient is known better.
NEAR = 0.05
# Values are compared after rounding to this many decimals (0.1 mGy), so that a limit met exactly is met.
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Situation:
    """What the conditions of limits refer to.

    Parameters
    ----------
    proposed : int or None
        Number of the proposed course.
    proposed_fractions : int or None
        Its fractions.
    interval_months : float or None
        From the end of the last prior course to the start of the proposed one; None when a date is unknown.
    """

    proposed: int | None
    proposed_fractions: int | None
    interval_months: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One limit for one structure.

    Parameters
    ----------
    structure : str or None
        As in the RTSTRUCT; None when no structure of that organ exists.
    value : float or None
        In the unit of the limit; None when not evaluable. A lower bound when `is_lower_bound`.
    reason : str or None
        Why it is not evaluable, or what to know about the value.
    """

    limit: Limit
    structure: str | None
    value: float | None
    status: Status
    reason: str | None = None
    is_lower_bound: bool = False

    @property
    def margin(self) -> float | None:
        """What is left until the limit (negative: by how much it is exceeded), in its unit."""
        if self.value is None:
            return None
        left = self.limit.limit - self.value
        return -left if self.limit.comparator == ">=" else left


def metric_value(dvh: Dvh, metric: Metric, unit: str) -> float:
    """Value of a metric in `unit` (Gy, cc or %).

    Raises
    ------
    Undefined
        When the organ has no such value.
    """
    x = metric.argument
    match metric.kind:
        case "max":
            return dvh.max_gy()
        case "min":
            return dvh.min_gy()
        case "mean":
            return dvh.mean_gy()
        case "geud" if x is not None:
            return dvh.geud_gy(x)
        case "dose_at_volume" if x is not None:
            return dvh.near_max_percent_gy(x) if metric.argument_unit == "%" else dvh.near_max_gy(x)
        case "volume_at_dose" | "critical_volume" if x is not None:
            volume = dvh.volume_above_cc(x) if metric.kind == "volume_at_dose" else dvh.volume_below_cc(x)
            return 100 * volume / dvh.volume_cc if unit == "%" else volume
    raise Undefined(f"the metric {metric} has no definition")


def evaluate(limit: Limit, structure: str, dose: OrganDose, situation: Situation) -> Finding | None:
    """Hold one limit against one organ; None when its schedule condition is not that of the proposed course."""
    n = situation.proposed_fractions
    if n is not None and ((limit.min_fractions or n) > n or (limit.max_fractions or n) < n):
        return None
    if reason := _not_applicable(limit, situation):
        return not_evaluable(limit, structure, reason)
    dvh = _quantity(limit, dose, situation)
    try:
        if dvh.is_complete:
            return _judge(limit, structure, metric_value(dvh.known(), limit.metric, limit.unit))
        return _judge_bound(limit, structure, dvh.coverage, _quantity(limit, at_least(dose), situation))
    except Undefined as why:
        return not_evaluable(limit, structure, f"{why}")


def at_least(dose: OrganDose) -> OrganDose:
    """Return the least an organ has received: unknown dose taken as zero, course by course."""
    return replace(dose, dose_gy=np.nan_to_num(dose.dose_gy), edge_gy=np.nan_to_num(dose.edge_gy))


def brief(value: float) -> str:
    """Two digits for messages, large numbers without exponent.

    >>> brief(0.0123), brief(7.49), brief(216.4)
    ('0.012', '7.5', '216')
    """
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def not_evaluable(limit: Limit, structure: str | None, reason: str) -> Finding:
    """Make the finding of a limit that cannot be held against anything."""
    return Finding(limit, structure, None, "not_evaluable", reason)


def _not_applicable(limit: Limit, situation: Situation) -> str | None:
    """Why a limit cannot be applied in this situation."""
    if limit.scope == "course" and situation.proposed is None:
        return "the limit is for the proposed course, and the case has none"
    if limit.scope == "cumulative" and limit.quantity == "physical":
        return "physical doses of courses with different fractionation are not summed; a limit in EQD2 or BED is needed"
    if situation.proposed_fractions is None and (limit.min_fractions is not None or limit.max_fractions is not None):
        return "the limit holds for certain numbers of fractions of the proposed course, and the case has none"
    months = situation.interval_months
    if limit.min_interval_months is not None:
        if months is None:
            return f"the limit holds for an interval of at least {limit.min_interval_months:g} months, and the interval is not known"
        if months < limit.min_interval_months:
            return f"the limit holds for an interval of at least {limit.min_interval_months:g} months; here it is {months:.2f}"
    if limit.max_interval_months is not None and (months is None or months > limit.max_interval_months):
        found = "not known" if months is None else f"{months:.2f}"
        return f"the limit holds for an interval of at most {limit.max_interval_months:g} months; here it is {found}"
    return None


def _quantity(limit: Limit, dose: OrganDose, situation: Situation) -> Dvh:
    """The distribution a limit speaks of."""
    course = situation.proposed if limit.scope == "course" else None
    if limit.quantity == "physical":
        assert course is not None
        return dose.physical(course)
    assert limit.alpha_beta_gy is not None
    return dose.bed(limit.alpha_beta_gy, course) if limit.quantity == "BED" else dose.eqd2(limit.alpha_beta_gy, course)


def _judge(limit: Limit, structure: str, value: float) -> Finding:
    value = round(value, DECIMALS)
    if limit.comparator == ">=":
        met, near = value >= limit.limit, value < limit.limit * (1 + NEAR)
        between = limit.caution is not None and value < limit.caution
    else:
        met = value < limit.limit if limit.comparator == "<" else value <= limit.limit
        near = value > limit.limit * (1 - NEAR)
        between = limit.caution is not None and value > limit.caution
    if not met:
        return Finding(limit, structure, value, "exceed")
    if between:
        return Finding(limit, structure, value, "caution", f"within the published range, between {limit.caution:g} and {limit.limit:g} {limit.unit}")
    if near:
        return Finding(limit, structure, value, "caution", f"within {100 * NEAR:g} % of the limit")
    return Finding(limit, structure, value, "pass")


def _judge_bound(limit: Limit, structure: str, coverage: float, floor: Dvh) -> Finding:
    """Judge an organ with unknown dose: unknown dose is at least zero, so a value found with zero there is a lower bound."""
    missing = f"{brief(100 * (1 - coverage))} % of the structure lies outside a dose grid"
    if limit.metric.kind in ("max", "mean", "dose_at_volume", "volume_at_dose", "geud") and limit.comparator != ">=":
        finding = _judge(limit, structure, metric_value(floor, limit.metric, limit.unit))
        if finding.status == "exceed":
            return Finding(limit, structure, finding.value, "exceed", f"at least this: {missing}", is_lower_bound=True)
    return not_evaluable(limit, structure, f"{missing}: its dose there is not known")
