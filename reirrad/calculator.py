"""BED and EQD2 of schedules, their sum, and what a limit leaves. Works on one point that receives the stated dose; no image, no volume.

The main result is linear-quadratic, with a constant RBE and without recovery; it alone is held against the limit. What stands beside it is labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from reirrad.calculation import Calculation, CourseEffect, LimitLeft, Remaining, Sensitivity
from reirrad.calculatornotices import assumed_half_time, assumed_recovery, fraction_sizes, unrepaired_nights
from reirrad.effect import Effect, Growth, acute_bed, effect_of, less_growth, schedule_bed, summed
from reirrad.errors import ParameterError
from reirrad.halftimes import convention
from reirrad.parameters import positive
from reirrad.radiobiology import dose_per_fraction_for_eqd2
from reirrad.schedule import Schedule

if TYPE_CHECKING:
    from reirrad.calculatorsensitivity import LqL, Usc

__all__ = ["calculate", "exit_status"]

ALPHA_BETA_RANGE_GY: Final = (0.1, 50.0)


def calculate(
    schedules: Sequence[Schedule],
    alpha_beta_gy: float,
    half_time_h: float | None = None,
    limit_eqd2_gy: float | None = None,
    fractions: Sequence[int] = (),
    growth: Growth | None = None,
    sensitivities: Sequence[LqL | Usc] = (),
) -> Calculation:
    """Compute.

    Parameters
    ----------
    schedules : sequence of Schedule
        Courses; phases within one keep their own number of fractions.
    alpha_beta_gy : float
        Gy, one for all.
    half_time_h : float, optional
        Half time of repair, h; needed for a low, pulsed, decaying or slow dose rate. For several fractions a day a convention by default, and a notice.
    limit_eqd2_gy : float, optional
        Cumulative limit of an organ.
    fractions : sequence of int
        Numbers of fractions to spend what remains in.
    growth : Growth, optional
        Repopulation; for tumours alone, and then without limit and recovery.
    sensitivities : sequence of LqL or Usc
        Models to put beside the result.

    Raises
    ------
    ParameterError
        For parameters outside their range, or that do not go together.

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
    _refuse_what_does_not_go_together(schedules, growth, limit_eqd2_gy)
    assumed = half_time_h is None and any(s.interval_h is not None for s in schedules) and all(s.delivery is None for s in schedules)
    if assumed:
        half_time_h = convention().hours
    courses = tuple(_course(s, alpha_beta_gy, half_time_h, growth) for s in schedules)
    total = summed([c.effect for c in courses])
    after_recovery = summed([c.after_recovery or c.effect for c in courses]) if any(c.after_recovery for c in courses) else None
    limit, remaining = _budget(limit_eqd2_gy, total, fractions, alpha_beta_gy)
    limit_after_recovery, remaining_after_recovery = _budget(limit_eqd2_gy, after_recovery, fractions, alpha_beta_gy)
    return Calculation(
        alpha_beta_gy=alpha_beta_gy,
        half_time_h=half_time_h,
        growth=growth,
        courses=courses,
        total=total,
        complete_repair=summed([c.complete_repair or c.effect for c in courses]) if any(c.complete_repair for c in courses) else None,
        without_growth=summed([c.without_growth or c.effect for c in courses]) if growth else None,
        after_recovery=after_recovery,
        limit=limit,
        remaining=remaining,
        limit_after_recovery=limit_after_recovery,
        remaining_after_recovery=remaining_after_recovery,
        sensitivities=_sensitivities(schedules, alpha_beta_gy, half_time_h, growth, sensitivities),
        notices=(
            *fraction_sizes(courses, remaining, bool(sensitivities)),
            *unrepaired_nights(courses, alpha_beta_gy, half_time_h),
            *assumed_recovery(courses),
            *(assumed_half_time(half_time_h) if assumed else ()),
        ),
    )


def exit_status(found: Calculation) -> int:
    """1 when the limit is exceeded already, else 0. Recovery does not count."""
    return int(found.limit is not None and found.limit.status == "exceeded")


def _refuse_what_does_not_go_together(schedules: Sequence[Schedule], growth: Growth | None, limit_eqd2_gy: float | None) -> None:
    if schedules and schedules[-1].recovered is not None:
        raise ParameterError(
            f'"{schedules[-1].text}" is the last course and has recovered; needed is recovered on earlier courses alone. Leave it out, or order the courses.'
        )
    if growth is None:
        if dated := next((s for s in schedules if s.overall_days is not None), None):
            raise ParameterError(
                f'"{dated.text}" gives days, which count for the repopulation of a tumour alone; needed are --tumour, --repopulation and --kickoff. '
                "Late reacting organs have no time term: leave out days."
            )
        return
    if limit_eqd2_gy is not None:
        raise ParameterError("--tumour stands beside --limit, a limit of an organ, which has no repopulation; needed is one of them. Calculate twice.")
    if recovering := next((s for s in schedules if s.recovered is not None), None):
        raise ParameterError(f'"{recovering.text}" has recovered beside --tumour; needed is recovery for late reacting organs alone. Leave out one of them.')


def _course(schedule: Schedule, alpha_beta_gy: float, half_time_h: float | None, growth: Growth | None) -> CourseEffect:
    bed_gy = schedule_bed(schedule, alpha_beta_gy, half_time_h)
    several = schedule.interval_h is not None
    complete_gy = acute_bed(schedule, alpha_beta_gy) if several else None
    if growth is None:
        left = None if schedule.recovered is None else effect_of(bed_gy * (1 - schedule.recovered), alpha_beta_gy)
        return CourseEffect(schedule, effect_of(bed_gy, alpha_beta_gy), _maybe(complete_gy, alpha_beta_gy), None, left)
    grown_gy = less_growth(bed_gy, schedule, alpha_beta_gy, half_time_h, growth)
    if complete_gy is not None:
        complete_gy = less_growth(complete_gy, schedule, alpha_beta_gy, half_time_h, growth)
    return CourseEffect(schedule, effect_of(grown_gy, alpha_beta_gy), _maybe(complete_gy, alpha_beta_gy), effect_of(bed_gy, alpha_beta_gy))


def _maybe(bed_gy: float | None, alpha_beta_gy: float) -> Effect | None:
    return None if bed_gy is None else effect_of(bed_gy, alpha_beta_gy)


def _sensitivities(
    schedules: Sequence[Schedule], alpha_beta_gy: float, half_time_h: float | None, growth: Growth | None, asked: Sequence[LqL | Usc]
) -> tuple[Sensitivity, ...]:
    if not asked and all(s.let_kev_um is None and s.slow_minutes is None for s in schedules):
        return ()
    from reirrad import calculatorsensitivity  # arrays, which a plain calculation does without

    return calculatorsensitivity.sensitivities(schedules, alpha_beta_gy, half_time_h, growth, asked)


def _budget(
    limit_eqd2_gy: float | None, total: Effect | None, fractions: Sequence[int], alpha_beta_gy: float
) -> tuple[LimitLeft | None, tuple[Remaining, ...]]:
    if limit_eqd2_gy is None or total is None:
        return None, ()
    limit = _left(limit_eqd2_gy, total.eqd2_gy)
    return limit, tuple(_remaining(limit, n, alpha_beta_gy) for n in fractions)


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
