"""The largest scale of a course at which one limit is still met in one organ.

Every value that a limit names rises (a spared volume falls) with dose, so that there is one such scale: exactly so for maximum, mean and volumes.
A near-maximum may step by hundredths of a Gy where points of different volume change places, and is then met just below it. The scale is bracketed on the
values that limits are held against, from a start in closed form where there is one:

- maximum: the least over points of s = n (-ab + sqrt(ab² + 4 (2 + ab) R / n)) / (2 D), with R what the other courses leave of the limit at a point;
- dose at a volume v, and volume at a dose: that volume of these scales, sorted;
- mean: ab s mean(D) + s² mean(D²) / n = (2 + ab) (limit - mean of the others).

Only points that can be among the hottest v are looked at: a point at which both this course and the others give less than at more than v of other points is not
among them at any scale, in any number of fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import OrganDose
from reirrad.dose import Float32
from reirrad.dvh import ROUNDING
from reirrad.evaluation import Finding
from reirrad.grid import Float64
from reirrad.judgement import held
from reirrad.limit import Limit
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.radiobiology import eqd2_from_bed
from reirrad.rescheduling import rescheduled
from reirrad.situation import DECIMALS, Situation

__all__ = ["MOST_SCALE", "LargestScale", "ScaledLimit", "ScaledOrgan"]

MOST_SCALE: Final = 1e3  # a course that may be given a thousand times is not restricted
NOTHING: Final = 1e-9  # the other courses alone
LEAST_SCALE: Final = 1e-4  # less of a course is nothing
TOLERANCE: Final = 1e-6
STEP: Final = 3e-7  # to either side of where the limit should be reached
HALF: Final[float] = 0.5 * 10.0**-DECIMALS  # values are rounded before they are held against a limit
JUST: Final = 1e-12
N_BINS: Final = 256
OF_HOTTEST: Final = ("max", "dose_at_volume", "volume_at_dose", "critical_volume")
OF_VOLUMES: Final = ("volume_at_dose", "critical_volume")


@dataclass(frozen=True, slots=True)
class LargestScale:
    """How far a course can be scaled for one limit of one organ.

    Parameters
    ----------
    scale : float or None
        None when no scale meets the limit; infinity when none up to `MOST_SCALE` breaks it. At this scale the limit is met, a millionth above it is not.
    value : float or None
        Value that is held against the limit there; without the course where no scale meets it.
    deficit : float or None
        By how much the limit is exceeded without the course, in its unit.
    is_judged : bool
        False where the limit cannot be shown to be met; the scale is then that above which it is surely exceeded.
    """

    scale: float | None
    value: float | None
    deficit: float | None = None
    is_judged: bool = True
    reason: str | None = None


class ScaledOrgan:
    """One structure of which one course is to be scaled."""

    def __init__(self, result: OrganResult, course: int) -> None:
        assert result.sum is not None
        self.result, self.course = result, course
        self.sum = rescheduled(result.sum, course, 1.0, 1)  # its deliveries are one
        self._hotter: dict[float | None, Float64] = {}

    def limit(self, limit: Limit) -> ScaledLimit:
        """Prepare one limit."""
        recovered = self.result.recovered if limit.recovery == "discounted" and limit.scope == "cumulative" else {}
        return ScaledLimit(limit, replace(self.result, sum=self._part(limit), recovered=recovered), self.course)

    def _part(self, limit: Limit) -> OrganSum:
        """The organ with all points that cannot matter to the limit laid together as one without dose."""
        dose = self.sum.dose
        several = np.unique(dose.course).size > 2
        if not dose.volumes_cc.size or limit.metric.kind not in OF_HOTTEST or (several and (limit.clauses or limit.recovery == "discounted")):
            return self.sum  # these look at the earlier courses one by one
        most_cc = hottest_cc(limit, float(dose.volumes_cc.sum())) + 2 * float(dose.volumes_cc.max(initial=0.0))
        rest = (self._hotter_cc(limit) > most_cc) & ~np.isnan(dose.dose_gy).any(axis=0)
        if not rest.any():
            return self.sum
        part = replace(
            dose,
            volumes_cc=np.append(dose.volumes_cc[~rest], dose.volumes_cc[rest].sum()),
            dose_gy=np.append(dose.dose_gy[:, ~rest], np.zeros((dose.course.size, 1), np.float32), axis=1),
            points_mm=None,
            edge_points_mm=None,
        )
        return replace(self.sum, dose=part)

    def _hotter_cc(self, limit: Limit) -> Float64:
        """Volume (P,) that surely gets more than each point from this course and from the others."""
        key = limit.alpha_beta_gy if limit.scope == "cumulative" else None
        if key not in self._hotter:
            dose = self.sum.dose
            own = dose.dose_gy[-1]
            others = own if key is None else dose.eqd2(key, None, {self.course: 0.0}).dose_gy
            known = np.where(np.isnan(dose.dose_gy).any(axis=0), 0.0, dose.volumes_cc)
            here, there = (_bins(np.nan_to_num(d)) for d in (own, others if np.ptp(np.nan_to_num(others)) > 0 else own))
            table = np.bincount(here * N_BINS + there, known, N_BINS**2).reshape(N_BINS, N_BINS)
            above = np.pad(table[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1], (0, 1))
            self._hotter[key] = above[here + 1, there + 1]
        return self._hotter[key]


class ScaledLimit:
    """One limit of one structure, of which one course is to be scaled."""

    def __init__(self, limit: Limit, result: OrganResult, course: int) -> None:
        assert result.sum is not None
        self.limit, self.result, self.course, self.sum = limit, result, course, result.sum
        self._kept = result.kept
        self._without: Finding | None = None
        self._last = 1.0
        self._others = _others(limit, result.sum.dose, course, result.kept)

    def largest(self, fractions: int, repair: float, situation: Situation) -> LargestScale | None:
        """Largest scale of the course in this many equal fractions; None when the limit is for other numbers of fractions.

        Parameters
        ----------
        repair : float
            What multiplies the quadratic term of these fractions in this organ.
        situation : Situation
            With these fractions as those of the proposed course.
        """
        n = situation.proposed_fractions
        if n is not None and ((self.limit.min_fractions or n) > n or (self.limit.max_fractions or n) < n):
            return None

        def judge(scale: float) -> Finding:
            finding = held(self.limit, replace(self.result, sum=rescheduled(self.sum, self.course, scale, fractions, repair)), situation)
            assert finding is not None, "the limit is for this number of fractions"
            return finding

        if self._without is None:
            self._without = judge(NOTHING)
        if self._without.status == "exceed":
            return _none_left(self._without)
        if self._without.status == "not_evaluable" and (finding := judge(MOST_SCALE)).status != "exceed":
            return LargestScale(math.inf, None, None, False, finding.reason)
        is_judged = self._without.status != "not_evaluable"
        failing = ("exceed", "not_evaluable") if is_judged else ("exceed",)
        scale = self._of_value(fractions, repair)
        finding = judge(max(scale, NOTHING))
        # Further clauses, and organs of which a part may be missing, are judged as they stand; so the judgement itself is asked at both ends of the bracket.
        if finding.status in failing or (scale < MOST_SCALE and judge(max(scale * (1 + 2 * TOLERANCE), NOTHING)).status not in failing):
            scale = self._bracketed(lambda s: 1.0 if judge(s).status in failing else -1.0, self._last, None)
            finding = judge(max(scale, NOTHING))
        if scale < LEAST_SCALE:
            return LargestScale(None, self._without.judged_value, 0.0, is_judged, "the other courses reach the limit; nothing is left")
        self._last = scale
        if scale >= MOST_SCALE:
            return LargestScale(math.inf, None)
        return LargestScale(scale, finding.judged_value, None, is_judged, finding.reason)

    def _of_value(self, fractions: int, repair: float) -> float:
        """Scale at which the value itself reaches the limit."""

        def excess(scale: float) -> float | None:
            return self._excess(rescheduled(self.sum, self.course, scale, fractions, repair))

        return self._bracketed(excess, self._start(fractions, repair), excess(NOTHING))

    def _excess(self, organ: OrganSum) -> float | None:
        """By how much the limit is exceeded, above zero only where it is; None where nothing known exceeds it."""
        limit = self.limit
        bounds = organ.value(limit.metric, limit.unit, limit.quantity, limit.alpha_beta_gy, self.course if limit.scope == "course" else None, self._kept)
        value = bounds.low if bounds.high is None else bounds.high
        if value is None or (limit.comparator == ">=" and not bounds.is_exact):
            return None
        rounded = round(value, DECIMALS)
        if limit.comparator == ">=":
            met, excess = rounded >= limit.limit, limit.limit - HALF - value
        elif limit.comparator == "<":
            met, excess = rounded < limit.limit, value - limit.limit + HALF
        else:
            met, excess = rounded <= limit.limit, value - limit.limit - HALF
        return min(excess, 0.0) if met else max(excess, JUST)

    def _bracketed(self, excess: Callable[[float], float | None], start: float, without: float | None) -> float:
        """Largest scale at which nothing exceeds, by secants and halves of the bracket; `MOST_SCALE` when that does not."""
        low, high, wide = 0.0, math.inf, STEP
        jumps = self.limit.metric.kind in OF_VOLUMES
        last = None if without is None or jumps else (0.0, without)
        exact = self.limit.metric.kind in ("max", "mean", *OF_VOLUMES)
        scale = min(max(start * (1 - STEP) if exact else start, NOTHING), MOST_SCALE)
        count = 0
        while True:
            found, count = excess(scale), count + 1
            is_high = found is not None and found > 0
            low, high = (low, scale) if is_high else (scale, high)
            if low >= MOST_SCALE or high <= low * (1 + TOLERANCE) or high < LEAST_SCALE:
                return low
            aim = None
            if exact and count == 1 and not is_high:
                aim = start * (1 + STEP)
            elif last is not None and found is not None and found != last[1] and count % 5:
                root = scale - found * (scale - last[0]) / (found - last[1])
                aim = root * (1 - STEP if is_high else 1 + STEP)
            last = None if found is None or jumps else (scale, found)
            if aim is not None and low < aim < min(high, MOST_SCALE):
                scale = aim
            elif low > 0 and high < math.inf:
                scale = math.sqrt(low * high)
            else:
                wide *= 16
                scale = min(low * (1 + wide), MOST_SCALE) if low > 0 else high / (1 + wide)

    def _start(self, fractions: int, repair: float) -> float:
        """Scale at which the limit is reached, in closed form where there is one."""
        limit, metric = self.limit, self.limit.metric
        volumes = self.sum.dose.volumes_cc
        if metric.kind == "mean":
            return self._start_of_mean(fractions, repair)
        if metric.kind not in OF_HOTTEST:
            return self._last
        slack = -HALF if limit.comparator == "<" else HALF
        if metric.kind in OF_VOLUMES:
            assert metric.argument is not None
            part = self._scales(metric.argument * (1 - ROUNDING), fractions, repair)[: volumes.size]
        else:
            part = self._scales(limit.limit + slack, fractions, repair)
            if metric.kind == "max":
                return float(part.min(initial=2 * MOST_SCALE))
            part = part[: volumes.size]
        order = np.argsort(part)
        reached = np.cumsum(volumes[order])
        total = float(reached[-1]) if reached.size else 0.0
        most_cc = hottest_cc(limit, total)
        if metric.kind == "dose_at_volume":
            return float(np.interp(most_cc, reached - volumes[order] / 2, part[order])) if reached.size else 1.0
        k = int(np.searchsorted(reached, most_cc + slack * (total / 100 if limit.unit == "%" else 1.0), "right"))
        return float(part[order[k]]) if k < reached.size else 2 * MOST_SCALE

    def _scales(self, level: float, fractions: int, repair: float) -> Float64:
        """Scale (P + E,) at which each point, and surface point, reaches a dose in the quantity of the limit."""
        dose, limit = self.sum.dose, self.limit
        own = np.nan_to_num(np.concatenate([dose.dose_gy[-1], dose.edge_gy[-1]]).astype(np.float64))
        if limit.alpha_beta_gy is None:
            physical = np.full(own.size, level)
        else:
            ab = limit.alpha_beta_gy
            left = np.maximum(self._as_eqd2(level) - self._others, 0.0) * (2 + ab)
            physical = 2 * left / (ab + np.sqrt(ab**2 + 4 * repair / fractions * left))
        return np.minimum(physical / np.maximum(own, 1e-30), 2 * MOST_SCALE)

    def _as_eqd2(self, level: float) -> float:
        """A dose in the quantity of the limit as EQD2."""
        ab = self.limit.alpha_beta_gy
        return eqd2_from_bed(level, ab) if self.limit.quantity == "BED" and ab is not None else level

    def _start_of_mean(self, fractions: int, repair: float) -> float:
        dose, limit = self.sum.dose, self.limit
        share = dose.volumes_cc / dose.volumes_cc.sum()
        own = np.nan_to_num(dose.dose_gy[-1].astype(np.float64))
        level = limit.limit + (-HALF if limit.comparator == "<" else HALF)
        once, squares = float(share @ own), float(share @ own**2) * repair / fractions
        if once <= 0:
            return 2 * MOST_SCALE
        if limit.alpha_beta_gy is None:
            return level / once
        ab = limit.alpha_beta_gy
        left = (self._as_eqd2(level) - float(share @ self._others[: share.size])) * (2 + ab)
        return max(2 * left / (ab * once + math.sqrt((ab * once) ** 2 + 4 * squares * max(left, 0.0))), LEAST_SCALE)


def hottest_cc(limit: Limit, organ_cc: float) -> float:
    """Volume, cc, of the hottest part that a limit speaks of."""
    metric = limit.metric
    if metric.kind == "dose_at_volume" and metric.argument is not None:
        return organ_cc * metric.argument / 100 if metric.argument_unit == "%" else metric.argument
    if metric.kind in OF_VOLUMES:
        volume = organ_cc * limit.limit / 100 if limit.unit == "%" else limit.limit
        return volume if metric.kind == "volume_at_dose" else organ_cc - volume
    return 0.0


def _none_left(without: Finding) -> LargestScale:
    margin = without.margin
    deficit = -margin if margin is not None and margin < 0 else None
    return LargestScale(None, without.judged_value, deficit, True, without.reason or "the other courses alone exceed the limit")


def _others(limit: Limit, dose: OrganDose, course: int, kept: dict[int, float] | None) -> Float64:
    """EQD2 (P + E,) of the other courses at points and surface points; 0 for a limit of one course."""
    n = dose.volumes_cc.size + dose.edge_gy.shape[1]
    if limit.scope == "course" or limit.alpha_beta_gy is None:
        return np.zeros(n)
    there = dose.eqd2(limit.alpha_beta_gy, None, {**(kept or {}), course: 0.0})
    return np.nan_to_num(np.concatenate([there.dose_gy, there.edge_gy]).astype(np.float64))


def _bins(dose: Float32) -> NDArray[np.intp]:
    """Number (P,) of the step each dose lies in; a higher number is a higher dose."""
    largest = float(dose.max())
    return np.zeros(dose.size, np.intp) if largest <= 0 else np.maximum(dose * ((N_BINS - 1) / largest), 0.0).astype(np.intp)
