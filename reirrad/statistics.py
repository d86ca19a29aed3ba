"""Maximum, mean and near-maxima of an organ: the numbers shown for every course and for their sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from reirrad.dvh import Dvh, Undefined
from reirrad.metrics import Metric
from reirrad.organsum import OrganSum, at_least, missing

__all__ = ["KEYS", "NEAR_MAXIMA_CC", "Statistics", "no_statistics", "statistics", "statistics_of_sum"]

NEAR_MAXIMA_CC: Final = (0.03, 0.1, 1.0, 2.0)
METRICS: Final = {
    "max_gy": Metric("max"),
    "mean_gy": Metric("mean"),
    **{f"D{cc:g}cc_gy": Metric("dose_at_volume", cc, "cc") for cc in NEAR_MAXIMA_CC},
}
KEYS: Final = tuple(METRICS)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Dose statistics of one organ in one quantity, in Gy.

    Parameters
    ----------
    values : dict
        max_gy, mean_gy, D0.03cc_gy ... ; None where undefined.
    reasons : dict
        Why a value is None.
    lower_bounds : dict
        What the values are at least, where they are not known exactly. Empty otherwise.
    upper : str
        Empty for exact values; why the values are proven upper bounds where a course is known from paper only.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    lower_bounds: dict[str, float]
    upper: str = ""


def statistics(dvh: Dvh, floor: Callable[[], Dvh] | None = None) -> Statistics:
    """Maximum, mean and near-maxima of one distribution.

    Parameters
    ----------
    dvh : Dvh
    floor : callable, optional
        Gives the least it can be, for an organ with unknown dose; by default the same with zero there.
    """
    if not dvh.is_complete:
        bound = statistics(floor() if floor is not None else Dvh(np.nan_to_num(dvh.dose_gy), dvh.volumes_cc, np.nan_to_num(dvh.edge_gy)))
        lower = {k: v for k, v in bound.values.items() if v is not None}
        return Statistics(dict.fromkeys(bound.values), dict.fromkeys(bound.values, missing(dvh.coverage)), lower)
    known = dvh.known()
    values: dict[str, float | None] = {"max_gy": known.max_gy(), "mean_gy": known.mean_gy()}
    lacking = {cc: reason for cc in NEAR_MAXIMA_CC if (reason := known.lacks(cc)) is not None}
    asked = [cc for cc in NEAR_MAXIMA_CC if cc not in lacking]
    values |= {f"D{cc:g}cc_gy": None for cc in NEAR_MAXIMA_CC}
    values |= {f"D{cc:g}cc_gy": dose for cc, dose in zip(asked, known.near_maxima_gy(asked) if asked else [], strict=True)}
    return Statistics(values, {f"D{cc:g}cc_gy": reason for cc, reason in lacking.items()}, {})


def statistics_of_sum(organ: OrganSum, alpha_beta_gy: float | None, course: int | None = None, kept: Mapping[int, float] | None = None) -> Statistics:
    """Statistics of one course or of all, in EQD2; of one course in physical dose without an alpha/beta."""
    if not any(course in (None, k) for k in organ.papers):
        if alpha_beta_gy is None:
            assert course is not None
            return statistics(organ.dose.physical(course), lambda: at_least(organ.dose).physical(course))
        return statistics(organ.dose.eqd2(alpha_beta_gy, course, kept), lambda: at_least(organ.dose).eqd2(alpha_beta_gy, course, kept))
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    lower: dict[str, float] = {}
    upper = ""
    for key, metric in METRICS.items():
        try:
            bounds = organ.value(metric, "Gy", "physical" if alpha_beta_gy is None else "EQD2", alpha_beta_gy, course, kept)
        except Undefined as why:
            values[key], reasons[key] = None, str(why)
            continue
        values[key] = bounds.high
        if bounds.high is None:
            reasons[key] = bounds.reason
        elif not bounds.is_exact:
            upper = bounds.reason
        if bounds.low is not None and not bounds.is_exact:
            lower[key] = bounds.low
    return Statistics(values, reasons, lower, upper)


def no_statistics(reason: str) -> Statistics:
    """Statistics of an organ of which nothing can be said."""
    return Statistics(dict.fromkeys(KEYS), dict.fromkeys(KEYS, reason), {})
