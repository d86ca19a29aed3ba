"""What a calculation of schedules says aloud: fractions the model does not know, repair that is not over by the next day, recovery that is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reirrad.calculation import CourseEffect, Remaining
from reirrad.effect import constant_rbe, sessions
from reirrad.errors import Notice
from reirrad.radiobiology import eqd2_from_bed
from reirrad.repair import Repair, bed_of_pulses
from reirrad.schedule import Part, Schedule

__all__ = ["assumed_half_time", "assumed_recovery", "fraction_sizes", "unrepaired_nights"]

LQ_SUPPORTED_GY, LQ_REASONABLE_GY = 10.0, 18.0  # brenner_2008
USUAL_GY: Final = (0.2, 30.0)
UNREPAIRED: Final = 0.05


def fraction_sizes(courses: Sequence[CourseEffect], remaining: Sequence[Remaining], has_models: bool) -> list[Notice]:
    """Fractions that the model, or practice, does not know."""
    notices: list[Notice] = []
    fractionated = [c.schedule for c in courses if c.schedule.has_fractions]
    beside = "" if has_models else " The option --lq-l shows a model for large doses per fraction beside it."
    sizes = [(s.text, max(_weighted(s, p) for p in s.parts), beside) for s in fractionated]
    for where, d, more in [*sizes, *((f"remaining in {r.fractions}", r.dose_per_fraction_gy, "") for r in remaining if r.dose_per_fraction_gy is not None)]:
        if d > LQ_REASONABLE_GY:
            text = f"{where}: {d:.3g} Gy per fraction. The linear-quadratic model is hardly supported above {LQ_REASONABLE_GY:g} Gy per fraction.{more}"
            notices.append(Notice("lq_range_strong", text, where))
        elif d > LQ_SUPPORTED_GY:
            text = f"{where}: {d:.3g} Gy per fraction. The linear-quadratic model is less certain above {LQ_SUPPORTED_GY:g} Gy per fraction.{more}"
            notices.append(Notice("lq_range", text, where))
    low, high = USUAL_GY
    notices += [
        Notice("dose_per_fraction_unusual", f"{s.text}: {d:.3g} Gy per fraction is unusual. Check dose and fractions.", s.text)
        for s in fractionated
        for d in dict.fromkeys(_weighted(s, p) for p in s.parts)
        if not low <= d <= high
    ]
    return notices


def _weighted(schedule: Schedule, part: Part) -> float:
    """RBE-weighted dose per fraction, Gy."""
    return part.dose_per_fraction_gy * constant_rbe(schedule)(part.dose_per_fraction_gy)


def assumed_recovery(courses: Sequence[CourseEffect]) -> list[Notice]:
    """Recovery is a choice of the user."""
    return [
        Notice(
            "recovery_assumed",
            f"{c.schedule.text}: recovery of {c.schedule.recovered:.0%} is assumed. The sum without it stays the main one and alone is held against the limit.",
            c.schedule.text,
        )
        for c in courses
        if c.schedule.recovered
    ]


def unrepaired_nights(courses: Sequence[CourseEffect], alpha_beta_gy: float, half_time_h: float | None) -> list[Notice]:
    """Repair that is not complete by the next day, and what it would add if all days followed each other."""
    notices: list[Notice] = []
    for c in courses:
        if half_time_h is None or not c.schedule.has_fractions or (unrepaired := 2 ** (-c.schedule.night_h / half_time_h)) <= UNREPAIRED:
            continue
        value = eqd2_from_bed(bed_of_pulses(sessions(c.schedule), alpha_beta_gy, Repair((half_time_h,))), alpha_beta_gy)
        text = (
            f"{c.schedule.text}: with a half time of {half_time_h:g} h, {unrepaired:.0%} of the damage is unrepaired after the {c.schedule.night_h:g} h "
            f"to the next day; the EQD2 of {(c.without_growth or c.effect).eqd2_gy:.2f} Gy assumes none, and days without a break would make it {value:.2f} Gy."
        )
        notices.append(Notice("repair_overnight", text, c.schedule.text))
    return notices


def assumed_half_time(hours: float | None) -> list[Notice]:
    """The half time that stands for want of a stated one."""
    text = (
        f"No half time of repair is given: {hours:g} h are assumed, that of subcutaneous fibrosis. Most pelvic tissues are quoted with less, which would give "
        "a lower EQD2, nerves with more. State it with --half-time, from a source for this endpoint."
    )
    return [Notice("half_time_convention", text)]
