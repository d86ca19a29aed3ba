"""BED and EQD2 of schedules, their sum, and what a limit leaves. Works on one point that receives the stated dose; no image, no volume."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from reirrad import __version__
from reirrad.errors import Notice, ParameterError
from reirrad.parameters import positive
from reirrad.radiobiology import bed, dose_per_fraction_for_eqd2, eqd2_from_bed
from reirrad.repair import Pulse, Repair, bed_of_pulses, bed_several_a_day
from reirrad.schedule import HOURS_OF_A_DAY, Schedule

__all__ = ["Calculation", "CourseEffect", "Effect", "LimitLeft", "Remaining", "as_dict", "as_json", "calculate", "exit_status"]

ALPHA_BETA_RANGE_GY: Final = (0.1, 50.0)
LQ_SUPPORTED_GY, LQ_REASONABLE_GY = 10.0, 18.0  # brenner_2008
USUAL_GY: Final = (0.2, 30.0)
UNREPAIRED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Effect:
    """BED and EQD2, Gy."""

    bed_gy: float
    eqd2_gy: float


@dataclass(frozen=True, slots=True)
class CourseEffect:
    """One schedule; `complete_repair` only where incomplete repair makes a difference."""

    schedule: Schedule
    effect: Effect
    complete_repair: Effect | None


@dataclass(frozen=True, slots=True)
class Remaining:
    """What a number of fractions, once a day, may still give; None with the reason when nothing."""

    fractions: int
    dose_gy: float | None
    dose_per_fraction_gy: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """A cumulative limit in EQD2 at the same alpha/beta."""

    limit_eqd2_gy: float
    status: Literal["within", "reached", "exceeded"]
    remaining_eqd2_gy: float | None
    exceeded_by_gy: float | None


@dataclass(frozen=True, slots=True)
class Calculation:
    """All of it."""

    alpha_beta_gy: float
    half_time_h: float | None
    courses: tuple[CourseEffect, ...]
    total: Effect
    complete_repair: Effect | None
    limit: LimitLeft | None
    remaining: tuple[Remaining, ...]
    notices: tuple[Notice, ...]


def calculate(
    schedules: Sequence[Schedule], alpha_beta_gy: float, half_time_h: float | None = None, limit_eqd2_gy: float | None = None, fractions: Sequence[int] = ()
) -> Calculation:
    """Compute.

    Parameters
    ----------
    schedules : sequence of Schedule
        Courses; phases within one keep their own number of fractions.
    alpha_beta_gy : float
        Gy, one for all.
    half_time_h : float, optional
        Half time of repair, h; needed when a schedule has several fractions a day.
    limit_eqd2_gy : float, optional
        Cumulative limit.
    fractions : sequence of int
        Numbers of fractions to spend what remains in.

    Raises
    ------
    ParameterError
        For parameters outside their range, and several fractions a day without a half time.

    >>> from reirrad.schedule import parse_schedule
    >>> found = calculate([parse_schedule("54/30"), parse_schedule("50.4/28")], 3, limit_eqd2_gy=100, fractions=[5])
    >>> round(found.total.eqd2_gy, 3), found.limit.status, found.remaining[0].dose_gy
    (100.224, 'exceeded', None)
    """
    low, high = ALPHA_BETA_RANGE_GY
    if not low <= alpha_beta_gy <= high:
        raise ParameterError(f"alpha/beta is {alpha_beta_gy:g}; needed is a value from {low:g} to {high:g} Gy. Correct it.")
    if half_time_h is not None:
        positive("half time", half_time_h)
    courses = tuple(_course(s, alpha_beta_gy, half_time_h) for s in schedules)
    total = _sum([c.effect for c in courses])
    limit = None if limit_eqd2_gy is None else _left(limit_eqd2_gy, total.eqd2_gy)
    remaining = () if limit is None else tuple(_remaining(limit, n, alpha_beta_gy) for n in fractions)
    return Calculation(
        alpha_beta_gy=alpha_beta_gy,
        half_time_h=half_time_h,
        courses=courses,
        total=total,
        complete_repair=_sum([c.complete_repair or c.effect for c in courses]) if any(c.complete_repair for c in courses) else None,
        limit=limit,
        remaining=remaining,
        notices=(*_fraction_size(courses, remaining), *_nights(courses, alpha_beta_gy, half_time_h)),
    )


def _course(schedule: Schedule, alpha_beta_gy: float, half_time_h: float | None) -> CourseEffect:
    complete = _effect(math.fsum(bed(p.dose_gy, p.fractions, alpha_beta_gy) for p in schedule.parts), alpha_beta_gy)
    if schedule.interval_h is None:
        return CourseEffect(schedule, complete, None)
    if half_time_h is None:
        raise ParameterError(
            f'"{schedule.text}" has {schedule.per_day} fractions a day, between which repair is not complete; needed is the half time of repair of the organ, '
            "as in --half-time 4 (hours). Give one, from a source for this endpoint."
        )
    value = math.fsum(bed_several_a_day(p.dose_gy, p.fractions, alpha_beta_gy, schedule.per_day, schedule.interval_h, half_time_h) for p in schedule.parts)
    return CourseEffect(schedule, _effect(value, alpha_beta_gy), complete)


def _effect(bed_gy: float, alpha_beta_gy: float) -> Effect:
    return Effect(bed_gy, eqd2_from_bed(bed_gy, alpha_beta_gy))


def _sum(effects: Sequence[Effect]) -> Effect:
    return Effect(math.fsum(e.bed_gy for e in effects), math.fsum(e.eqd2_gy for e in effects))


def _left(limit_gy: float, spent_gy: float) -> LimitLeft:
    positive("limit", limit_gy)
    left = limit_gy - spent_gy
    if abs(left) <= 1e-9 * limit_gy:  # rounding of decimal fractions
        return LimitLeft(limit_gy, "reached", None, None)
    if left < 0:
        return LimitLeft(limit_gy, "exceeded", None, -left)
    return LimitLeft(limit_gy, "within", left, None)


def _remaining(limit: LimitLeft, fractions: int, alpha_beta_gy: float) -> Remaining:
    if limit.remaining_eqd2_gy is None:
        return Remaining(fractions, None, None, f"limit {limit.status}")
    d = dose_per_fraction_for_eqd2(limit.remaining_eqd2_gy, fractions, alpha_beta_gy)
    return Remaining(fractions, fractions * d, d)


def _fraction_size(courses: Sequence[CourseEffect], remaining: Sequence[Remaining]) -> list[Notice]:
    """Fractions that the model, or practice, does not know."""
    notices: list[Notice] = []
    sizes = [(c.schedule.text, max(p.dose_per_fraction_gy for p in c.schedule.parts)) for c in courses]
    for where, d in [*sizes, *((f"remaining in {r.fractions}", r.dose_per_fraction_gy) for r in remaining if r.dose_per_fraction_gy is not None)]:
        if d > LQ_REASONABLE_GY:
            text = f"{where}: {d:.3g} Gy per fraction. The linear-quadratic model is hardly supported above {LQ_REASONABLE_GY:g} Gy per fraction."
            notices.append(Notice("lq_range_strong", text, where))
        elif d > LQ_SUPPORTED_GY:
            text = f"{where}: {d:.3g} Gy per fraction. The linear-quadratic model is less certain above {LQ_SUPPORTED_GY:g} Gy per fraction."
            notices.append(Notice("lq_range", text, where))
    low, high = USUAL_GY
    for c in courses:
        for p in c.schedule.parts:
            if not low <= p.dose_per_fraction_gy <= high:
                text = f"{c.schedule.text}: {p.dose_per_fraction_gy:.3g} Gy per fraction is unusual. Check dose and fractions."
                notices.append(Notice("dose_per_fraction_unusual", text, c.schedule.text))
    return notices


def _nights(courses: Sequence[CourseEffect], alpha_beta_gy: float, half_time_h: float | None) -> list[Notice]:
    """Repair that is not complete by the next day, and what it would add if all days followed each other."""
    notices: list[Notice] = []
    for c in courses:
        if half_time_h is None or (unrepaired := 2 ** (-c.schedule.night_h / half_time_h)) <= UNREPAIRED:
            continue
        value = eqd2_from_bed(bed_of_pulses(_sessions(c.schedule), alpha_beta_gy, Repair((half_time_h,))), alpha_beta_gy)
        text = (
            f"{c.schedule.text}: with a half time of {half_time_h:g} h, {unrepaired:.0%} of the damage is unrepaired after the {c.schedule.night_h:g} h "
            f"to the next day; the EQD2 of {c.effect.eqd2_gy:.2f} Gy assumes none, and days without a break would make it {value:.2f} Gy."
        )
        notices.append(Notice("repair_overnight", text, c.schedule.text))
    return notices


def _sessions(schedule: Schedule) -> list[Pulse]:
    """Every fraction at its hour, days in a row; each part begins on a new day."""
    sessions: list[Pulse] = []
    day = 0
    for part in schedule.parts:
        for k in range(part.fractions):
            later, of_day = divmod(k, schedule.per_day)
            sessions.append(Pulse((day + later) * HOURS_OF_A_DAY + of_day * (schedule.interval_h or 0.0), 0.0, part.dose_per_fraction_gy))
        day += math.ceil(part.fractions / schedule.per_day)
    return sessions


def exit_status(found: Calculation) -> int:
    """1 when the limit is exceeded already, else 0."""
    return int(found.limit is not None and found.limit.status == "exceeded")


def as_dict(found: Calculation) -> dict[str, Any]:
    """Document for JSON; what is undefined is None."""
    return {
        "schema": 1,
        "reirrad_version": __version__,
        "alpha_beta_gy": found.alpha_beta_gy,
        "half_time_h": found.half_time_h,
        "courses": [
            {
                "schedule": c.schedule.text,
                "phases": [asdict(p) | {"dose_per_fraction_gy": p.dose_per_fraction_gy} for p in c.schedule.parts],
                "per_day": c.schedule.per_day,
                "interval_h": c.schedule.interval_h,
                **asdict(c.effect),
                "complete_repair": c.complete_repair and asdict(c.complete_repair),
            }
            for c in found.courses
        ],
        "sum": {**asdict(found.total), "complete_repair": found.complete_repair and asdict(found.complete_repair)},
        "limit": found.limit and asdict(found.limit),
        "remaining": [asdict(r) for r in found.remaining],
        "warnings": [asdict(n) for n in found.notices],
    }


def as_json(found: Calculation) -> str:
    """Return the JSON document."""
    return json.dumps(as_dict(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
