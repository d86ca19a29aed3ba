"""BED of one schedule at one point, for every way of delivery."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from reirrad.errors import ParameterError
from reirrad.implants import PermanentImplant
from reirrad.parameters import not_negative, positive
from reirrad.radiobiology import bed, eqd2_from_bed
from reirrad.repair import Pulse, Repair, bed_constant_rate, bed_of_pulses, bed_several_a_day, train
from reirrad.repopulation import less_repopulation
from reirrad.schedule import Part, Schedule
from reirrad.scheduleoptions import HOURS_OF_A_DAY, LowDoseRate, PermanentSources, PulsedDoseRate, SlowFraction

__all__ = [
    "Effect",
    "Growth",
    "acute_bed",
    "constant_rbe",
    "effect_of",
    "growth_of",
    "less_growth",
    "needs_half_time",
    "schedule_bed",
    "sessions",
    "summed",
    "weighted_parts",
]

Rbe = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Effect:
    """BED and EQD2, Gy."""

    bed_gy: float
    eqd2_gy: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Repopulation of a tumour: BED lost per day, Gy, from the kick-off day of each course on."""

    per_day_gy: float
    kickoff_days: float

    def __post_init__(self) -> None:
        positive("repopulation", self.per_day_gy)
        not_negative("kick-off", self.kickoff_days)


def growth_of(tumour: bool, per_day_gy: float | None, kickoff_days: float | None) -> Growth | None:
    """Return the growth of a tumour, when all of it is given.

    Raises
    ------
    ParameterError
        When a part of it is missing.

    >>> growth_of(True, 0.9, 28)
    Growth(per_day_gy=0.9, kickoff_days=28)
    """
    if tumour and per_day_gy is not None and kickoff_days is not None:
        return Growth(per_day_gy, kickoff_days)
    if tumour or per_day_gy is not None or kickoff_days is not None:
        raise ParameterError(
            "Repopulation is given in part; needed are --tumour, --repopulation (Gy BED a day) and --kickoff (days) together. "
            "Add what is missing; for a late reacting organ leave out all three."
        )
    return None


def effect_of(bed_gy: float, alpha_beta_gy: float) -> Effect:
    """Return both quantities of a BED."""
    return Effect(bed_gy, eqd2_from_bed(bed_gy, alpha_beta_gy))


def summed(effects: list[Effect]) -> Effect:
    """Add effects of the same alpha/beta."""
    return Effect(math.fsum(e.bed_gy for e in effects), math.fsum(e.eqd2_gy for e in effects))


def needs_half_time(schedule: Schedule) -> bool:
    """Whether repair takes part in the effect."""
    return schedule.interval_h is not None or schedule.delivery is not None


def constant_rbe(schedule: Schedule) -> Rbe:
    """RBE by dose per fraction: the constant of the schedule, 1 without one."""
    value = 1.0 if schedule.rbe is None else schedule.rbe
    return lambda _: value


def weighted_parts(schedule: Schedule, rbe: Rbe | None = None) -> list[tuple[Part, float]]:
    """Return the parts, each with its RBE-weighted dose, Gy; the RBE default is the constant of the schedule."""
    factor = rbe or constant_rbe(schedule)
    return [(p, p.dose_gy * factor(p.dose_per_fraction_gy)) for p in schedule.parts]


def acute_bed(schedule: Schedule, alpha_beta_gy: float, rbe: Rbe | None = None) -> float:
    """BED, Gy, of acute fractions with complete repair between them.

    >>> from reirrad.schedule import parse_schedule
    >>> acute_bed(parse_schedule("16/1 minutes=60"), 2)
    144.0
    """
    return math.fsum(bed(d, p.fractions, alpha_beta_gy) for p, d in weighted_parts(schedule, rbe))


def schedule_bed(schedule: Schedule, alpha_beta_gy: float, half_time_h: float | None = None, rbe: Rbe | None = None) -> float:
    """BED, Gy, as delivered, without repopulation.

    Parameters
    ----------
    schedule : Schedule
    alpha_beta_gy : float
        Gy.
    half_time_h : float, optional
        Half time of repair, h; needed where `needs_half_time`.
    rbe : callable, optional
        RBE of a physical dose per fraction, Gy; default the constant of the schedule.

    Raises
    ------
    ParameterError
        Without a half time that is needed.

    >>> from reirrad.schedule import parse_schedule
    >>> [round(schedule_bed(parse_schedule(s), ab, t), 2) for s, ab, t in (("54.545/30 rbe=1.1", 2, None), ("16/1 minutes=60", 2, 1.5),
    ...  ("30/60 pulse=10min every=1h", 3, 1.5), ("30 rate=0.5Gy/h", 3, 1.5), ("145 permanent half-life=59.4d", 3, 0.27))]
    [120.0, 126.37, 51.14, 50.86, 146.33]
    """
    if not needs_half_time(schedule):
        return acute_bed(schedule, alpha_beta_gy, rbe)
    if half_time_h is None:
        raise ParameterError(
            f'"{schedule.text}" has {_repairing(schedule)}, so that the effect depends on repair; needed is the half time of repair of the organ, '
            "as in --half-time 4 (hours). Give one, from a source for this endpoint."
        )
    return math.fsum(_bed_with_repair(schedule, p, d, alpha_beta_gy, half_time_h) for p, d in weighted_parts(schedule, rbe))


def less_growth(bed_gy: float, schedule: Schedule, alpha_beta_gy: float, half_time_h: float | None, growth: Growth) -> float:
    """BED, Gy, less what a tumour grew: to the last day of a course, or until the decaying rate of an implant no longer outruns growth.

    Raises
    ------
    ParameterError
        Without the overall time, for an implant with a kick-off time, and when growth outran the course.
    """
    if isinstance(schedule.delivery, PermanentSources):
        if growth.kickoff_days > 0:
            raise ParameterError(f'"{schedule.text}" is an implant, against which growth counts from the first day; needed is --kickoff 0. Calculate it apart.')
        seeds = PermanentImplant(schedule.parts[0].dose_gy, schedule.delivery.half_life_days, half_time_h or 0.0)
        days = seeds.effective_days(1.0, math.log(2) / growth.per_day_gy)  # K = ln 2 / (alpha Tp) is all that counts
        left = less_repopulation(seeds.bed(alpha_beta_gy, days), growth.per_day_gy, days, 0.0)
    elif schedule.overall_days is None:
        raise ParameterError(
            f'"{schedule.text}" does not say how long it took; needed for --tumour are the days from the first to the last fraction of every course, '
            "as in days=46. Add them."
        )
    else:
        left = less_repopulation(bed_gy, growth.per_day_gy, schedule.overall_days, growth.kickoff_days)
    if left <= 0:
        raise ParameterError(
            f'"{schedule.text}" leaves no effect: its growth of {growth.per_day_gy:g} Gy BED a day outran the dose; '
            "needed is a course that controls growth. Correct days, --repopulation or --kickoff."
        )
    return left


def sessions(schedule: Schedule) -> list[Pulse]:
    """Every fraction at its hour, days in a row, with its RBE-weighted dose; each part begins on a new day."""
    rbe, every = constant_rbe(schedule), schedule.interval_h or 0.0
    found: list[Pulse] = []
    day = 0
    for part in schedule.parts:
        d = part.dose_per_fraction_gy
        for k in range(part.fractions):
            later, of_day = divmod(k, schedule.per_day)
            found.append(Pulse((day + later) * HOURS_OF_A_DAY + of_day * every, _slow_hours(schedule), d * rbe(d)))
        day += math.ceil(part.fractions / schedule.per_day)
    return found


def _bed_with_repair(schedule: Schedule, part: Part, dose_gy: float, alpha_beta_gy: float, half_time_h: float) -> float:
    n, d = part.fractions, dose_gy / part.fractions
    match schedule.delivery:
        case LowDoseRate(rate):
            return n * bed_constant_rate(rate, d / rate, alpha_beta_gy, half_time_h)
        case PulsedDoseRate(pulse_h, period_h):
            return bed_of_pulses(train(d, n, period_h, pulse_h), alpha_beta_gy, Repair((half_time_h,)))
        case PermanentSources(half_life_days):
            return PermanentImplant(dose_gy, half_life_days, half_time_h).bed(alpha_beta_gy)
        case SlowFraction():
            return n * bed_of_pulses([Pulse(0, _slow_hours(schedule), d)], alpha_beta_gy, Repair((half_time_h,)))
        case _:
            return bed_several_a_day(dose_gy, n, alpha_beta_gy, schedule.per_day, schedule.interval_h or 0.0, half_time_h)


def _slow_hours(schedule: Schedule) -> float:
    return (schedule.slow_minutes or 0.0) / 60


def _repairing(schedule: Schedule) -> str:
    match schedule.delivery:
        case LowDoseRate():
            return "a low dose rate"
        case PulsedDoseRate():
            return "pulses"
        case PermanentSources():
            return "a dose rate that decays"
        case SlowFraction():
            return "slow fractions"
        case _:
            return f"{schedule.per_day} fractions a day"
