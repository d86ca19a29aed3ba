"""What earlier courses leave of one cumulative limit: the largest EQD2 that may be added evenly to the whole organ.

EQD2 is additive, so an even dose raises that of every point by the same amount, whatever was given there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from reirrad.dvh import ROUNDING, Dvh
from reirrad.limit import Limit
from reirrad.organsum import Bounds, OrganSum
from reirrad.radiobiology import eqd2_from_bed

__all__ = ["Leftover", "as_eqd2", "clause_caps", "leftover"]

NO_DOSE_GY = 0.1  # less is no earlier dose, and a ratio to it means nothing
SHIFTED = ("max", "min", "mean", "dose_at_volume")  # an even dose raises these by itself
STEP_GY = 1e-3  # a volume above a dose jumps there; what remains ends this much before


@dataclass(frozen=True, slots=True)
class Leftover:
    """What the sum alone leaves.

    Parameters
    ----------
    prior : Bounds
        Value of the earlier courses in the unit of the limit.
    least_gy, most_gy : float or None
        EQD2 that remains at least and at most; negative where the limit is exceeded already. None where that is not known.
    reason : str
        Why they differ.
    is_unlimited : bool
        No even dose can break the limit.
    """

    prior: Bounds
    least_gy: float | None
    most_gy: float | None
    reason: str = ""
    is_unlimited: bool = False


def leftover(limit: Limit, organ: OrganSum, kept: Mapping[int, float] | None) -> Leftover:
    """Largest EQD2 that may be added evenly to an organ so that the sum still meets a limit.

    Maximum, near-maxima, mean: the limit less the value. A volume above a dose: that dose less the dose which so much volume exceeds. gEUD: by bracketing.

    Parameters
    ----------
    limit : Limit
        In EQD2 or BED.
    kept : mapping or None
        Course to the part of its EQD2 that still counts after recovery.

    Raises
    ------
    Undefined
        When the organ has no such value, whatever the dose.
    """
    metric, ab = limit.metric, limit.alpha_beta_gy
    assert ab is not None, "in EQD2 or BED"
    prior = organ.value(metric, limit.unit, limit.quantity, ab, None, kept)
    if metric.kind in SHIFTED:
        least, most = (None if side is None else as_eqd2(limit, limit.limit - side) for side in (prior.high, prior.low))
        return Leftover(prior, least, most, prior.reason)
    if not prior.is_exact or prior.high is None:
        return Leftover(prior, None, None, prior.reason)
    dvh = (organ.dose.bed if limit.quantity == "BED" else organ.dose.eqd2)(ab, None, kept).known()
    argument = metric.argument
    assert argument is not None, "volumes and gEUD have one"
    if metric.kind == "geud":
        left = _geud_left(dvh, argument, limit.limit)
        return Leftover(prior, as_eqd2(limit, left), as_eqd2(limit, left))
    volume_cc = limit.limit * dvh.volume_cc / 100 if limit.unit == "%" else limit.limit
    shift = _volume_left(dvh, argument, dvh.volume_cc - volume_cc if metric.kind == "critical_volume" else volume_cc)
    if shift is None:
        return Leftover(prior, None, None, f"the structure has {dvh.volume_cc:.3g} cc: any dose meets the limit", is_unlimited=True)
    return Leftover(prior, as_eqd2(limit, shift), as_eqd2(limit, shift))


def _volume_left(dvh: Dvh, dose_gy: float, volume_cc: float) -> float | None:
    """Even dose after which no more than a volume reaches a dose; negative when more does so already. None: the whole organ may reach it."""
    order = np.argsort(-dvh.dose_gy, kind="stable")
    hotter = np.cumsum(dvh.volumes_cc[order])
    first = int(np.searchsorted(hotter, volume_cc + 1e-9 * dvh.volume_cc, side="right"))  # the point that may not reach it
    return None if first >= order.size else dose_gy * (1 - 2 * ROUNDING) - STEP_GY - float(dvh.dose_gy[order[first]])


def _geud_left(dvh: Dvh, a: float, limit_gy: float) -> float:
    dose = dvh.dose_gy.astype(np.float64)

    def over(shift: float) -> float:
        return replace(dvh, dose_gy=dose + shift).geud_gy(a) - limit_gy  # type: ignore[arg-type]

    already = over(0.0)
    # above the limit by more than rounding once even the least dose is
    return -already if already >= 0 else float(brentq(over, 0.0, limit_gy - float(dose.min()) + 1.0, xtol=1e-9))


def clause_caps(limit: Limit, prior: Bounds, *, is_even: bool = True) -> dict[str, float]:
    """EQD2, Gy, that the further clauses of a rule permit the new course.

    A new course of even dose x has x as its own near-maximum, and adds x to that of the sum: x / (P + x) <= r up to r P / (1 - r). Where its dose is not
    even, its hot spot need not be that of the sum, of which P is all that is proven: x <= r P. For a metric that an even dose does not raise by itself the
    latter holds too.

    >>> from reirrad.constraints import load_set
    >>> hytec = next(x for x in load_set("spine") if any(c.what == "ratio" for c in x.clauses))
    >>> clause_caps(hytec, Bounds(40.0, 40.0)), clause_caps(hytec, Bounds(20.0, 20.0), is_even=False)["ratio"]
    ({'this_course': 25.0, 'ratio': 40.0}, 10.0)
    """
    caps: dict[str, float] = {}
    for clause in limit.clauses:
        if clause.what in ("this_course", "each_course"):
            caps[clause.what] = as_eqd2(limit, clause.limit)
        elif clause.what == "ratio" and not (prior.high is not None and prior.high < NO_DOSE_GY) and clause.limit < 1:
            least = prior.low or 0.0
            caps["ratio"] = as_eqd2(limit, clause.limit * least / (1 - clause.limit if is_even and limit.metric.kind in SHIFTED else 1))
    return caps


def as_eqd2(limit: Limit, dose_gy: float) -> float:
    """A dose in the quantity of a limit (EQD2 or BED) as EQD2, Gy."""
    assert limit.alpha_beta_gy is not None, "in EQD2 or BED"
    return eqd2_from_bed(dose_gy, limit.alpha_beta_gy) if limit.quantity == "BED" else dose_gy
