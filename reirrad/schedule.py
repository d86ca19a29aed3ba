"""Schedules as people write them: `54/30`, `50/25+16/8`, `45/30 per-day=2 interval=6h`, `40 rate=0.55Gy/h`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

from reirrad.errors import printable
from reirrad.scheduleoptions import (
    HOURS_OF_A_DAY,
    Delivery,
    LowDoseRate,
    PermanentSources,
    PulsedDoseRate,
    ScheduleError,
    SlowFraction,
    read_options,
)

__all__ = ["SYNTAX", "Part", "Schedule", "ScheduleError", "parse_fractions", "parse_schedule"]

MOST_FRACTIONS: Final = 200
MOST_PER_FRACTION_GY: Final = 100.0
MOST_OF_A_LIST_GY: Final = 30.0  # a larger dose in a list is more likely 54+30 for 54/30
MOST_WITHOUT_FRACTIONS_GY: Final = 300.0
MOST_APPLICATIONS: Final = 6  # at low dose rate; a larger number is that of fractions or hours
LOW_RATES_GY_PER_H: Final = (0.01, 12.0)  # high dose rate begins at 12 Gy/h; a larger number is cGy/h

SYNTAX: Final = (
    ("54/30", "total dose in Gy / fractions; with a simultaneous boost, the total of this point"),
    ("50/25+16/8", "phases one after the other"),
    ("8+8+8+2+2", "every fraction by itself, Gy"),
    ('"45/30 per-day=2 interval=6h"', "several a day"),
    ('"60/30 rbe=1.1"', "protons, physical dose; let=2.5 (keV/µm) adds two models of variable RBE"),
    ('"40 rate=0.55Gy/h"', "low dose rate; also 40/1 hours=72; 60/2 for two applications, complete repair between them"),
    ('"30/60 pulse=10min every=1h"', "pulsed dose rate: pulses of 10 min, one each hour"),
    ('"145 permanent half-life=59.4d"', "permanent implant, half-life of the source"),
    ('"12.5/1 minutes=30"', "slow fractions of 30 min"),
    ('"50/25 recovered=0.5"', "prior course of which this part has recovered; never the last course"),
    ('"70/35 days=46"', "days from first to last fraction, for --tumour"),
)

_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})/([0-9]{{1,6}})")
_DOSE = re.compile(_NUMBER)
_WHOLE = re.compile(r"[0-9]{1,6}")
_FORM = (
    "needed is total dose in Gy / number of fractions, as in 54/30 or 50.4/28; phases are joined by +, as in 50/25+16/8; a list of every fraction is 8+8+8+2+2"
)


@dataclass(frozen=True, slots=True)
class Part:
    """Equal fractions (or pulses): total dose, Gy, and their number."""

    dose_gy: float
    fractions: int

    @property
    def dose_per_fraction_gy(self) -> float:
        """Gy."""
        return self.dose_gy / self.fractions


@dataclass(frozen=True, slots=True)
class Schedule:
    """One course: parts one after the other.

    Parameters
    ----------
    text : str
        As it was written, spaces tidied.
    parts : tuple of Part
        In the order of delivery; physical dose where `rbe` is given.
    per_day : int
        Fractions on one day.
    interval_h : float or None
        Hours between them; None for one a day.
    rbe, let_kev_um : float or None
        What the dose is multiplied with before anything else; dose-averaged LET, keV/µm.
    delivery : Delivery or None
        How the dose comes when fractions are not acute.
    recovered : float or None
        Part of the effect that no longer counts, 0 to 1.
    overall_days : int or None
        First to last day.
    """

    text: str
    parts: tuple[Part, ...]
    per_day: int = 1
    interval_h: float | None = None
    rbe: float | None = None
    let_kev_um: float | None = None
    delivery: Delivery | None = None
    recovered: float | None = None
    overall_days: int | None = None

    @property
    def night_h(self) -> float:
        """Hours from the last fraction of a day to the first of the next."""
        return HOURS_OF_A_DAY - (self.per_day - 1) * (self.interval_h or 0.0)

    @property
    def has_fractions(self) -> bool:
        """Whether it makes sense to speak of a dose per fraction."""
        return self.delivery is None or isinstance(self.delivery, SlowFraction)

    @property
    def slow_minutes(self) -> float | None:
        """Length of a slow fraction; None for short ones."""
        return self.delivery.minutes if isinstance(self.delivery, SlowFraction) else None

    @property
    def least_days(self) -> int:
        """Fewest days from the first to the last fraction that the schedule fits into."""
        if self.has_fractions:
            return sum(math.ceil(p.fractions / self.per_day) for p in self.parts) - 1
        hours = sum(p.fractions * _hours_of_one(p, self.delivery) for p in self.parts)
        return math.floor(hours / HOURS_OF_A_DAY + 1e-9)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule.

    Raises
    ------
    ScheduleError
        With the text that was found.

    >>> parse_schedule("45/30 per-day=2 interval=6h").parts, parse_schedule("40 rate=0.5Gy/h").delivery
    ((Part(dose_gy=45.0, fractions=30),), LowDoseRate(rate_gy_per_h=0.5))
    """
    quoted = f'"{printable(text, 60)}"'
    tidy = re.sub(r"\s*([/+=])\s*", r"\1", " ".join(text.split()))
    phases, *words = tidy.split(" ") if tidy else [""]
    options = read_options([w for w in words if w], quoted)
    parts = _parts(phases, options.without_fractions, quoted)
    if sum(p.fractions for p in parts) > MOST_FRACTIONS:
        raise ScheduleError(f"{quoted} has more than {MOST_FRACTIONS} fractions; {_FORM}. Check which number is the dose.")
    schedule = Schedule(
        tidy, parts, options.per_day, options.interval_h, options.rbe, options.let_kev_um, options.delivery, options.recovered, options.overall_days
    )
    if options.hours is not None:
        schedule = replace(schedule, delivery=_rate_from_hours(parts, options.hours, quoted))
    _refuse_impossible(schedule, quoted)
    return schedule


def parse_fractions(text: str) -> tuple[int, ...]:
    """Read numbers of fractions, as in 1,3,5.

    >>> parse_fractions("1, 3,5")
    (1, 3, 5)
    """
    words = [w.strip() for w in text.split(",")]
    if not all(_WHOLE.fullmatch(w) and 1 <= int(w) <= MOST_FRACTIONS for w in words):
        raise ScheduleError(
            f'"{printable(text, 60)}" are no numbers of fractions; needed are whole numbers from 1 to {MOST_FRACTIONS} with commas between, as in 1,3,5.'
        )
    return tuple(dict.fromkeys(int(w) for w in words))


def _parts(phases: str, without_fractions: bool, quoted: str) -> tuple[Part, ...]:
    """Phases with their fractions, or a list of single fractions; a dose alone only where there are no fractions."""
    words = phases.split("+")
    if not all(_DOSE.fullmatch(w) for w in words):
        return tuple(_part(w, without_fractions, quoted) for w in words)
    if without_fractions:
        return tuple(_part(f"{w}/1", without_fractions, quoted) for w in words)
    if len(words) == 1:
        raise ScheduleError(f"{quoted} is no schedule, but a dose alone; {_FORM}.")
    for word in words:
        if float(word) > MOST_OF_A_LIST_GY:
            raise ScheduleError(f"{quoted} lists a fraction of {word} Gy, more than {MOST_OF_A_LIST_GY:g}; {_FORM}. Write {word}/1 if it was one fraction.")
    return tuple(_part(f"{w}/1", without_fractions, quoted) for w in words)


def _part(word: str, without_fractions: bool, quoted: str) -> Part:
    found = _PART.fullmatch(word)
    if not found:
        raise ScheduleError(f"{quoted} is no schedule; {_FORM}.")
    dose, fractions = float(found[1]), int(found[2])
    if dose == 0 or fractions == 0:
        raise ScheduleError(f"{quoted} has no {'dose' if dose == 0 else 'fractions'}; {_FORM}. Leave out a part that was not given.")
    most = MOST_WITHOUT_FRACTIONS_GY if without_fractions else MOST_PER_FRACTION_GY
    if dose / fractions > most:
        raise ScheduleError(f"{quoted} is {dose / fractions:g} Gy per fraction, more than {most:g}; {_FORM}. Give the dose in Gy, not cGy.")
    return Part(dose, fractions)


def _rate_from_hours(parts: tuple[Part, ...], hours: float, quoted: str) -> LowDoseRate:
    if sum(p.fractions for p in parts) > 1:
        raise ScheduleError(
            f"{quoted} gives hours for more than one application; needed are hours of a single one, or the dose rate, as in 40/2 rate=0.55Gy/h. "
            "Write the applications as courses, or give the rate."
        )
    return LowDoseRate(parts[0].dose_gy / hours)


def _refuse_impossible(schedule: Schedule, quoted: str) -> None:
    """What is well written and yet cannot be given."""
    if schedule.per_day > max(p.fractions for p in schedule.parts):
        raise ScheduleError(
            f"{quoted} has more fractions a day than fractions; needed is per-day of at most the fractions of a phase, and no list of single fractions. "
            "Correct one of them."
        )
    if schedule.interval_h is not None and schedule.night_h < schedule.interval_h:
        raise ScheduleError(
            f"{quoted} leaves {max(schedule.night_h, 0.0):g} h between days, less than between the fractions of a day; "
            "needed are fractions that fit into a day. Correct per-day or interval."
        )
    match schedule.delivery:
        case LowDoseRate(rate):
            low, high = LOW_RATES_GY_PER_H
            if not low <= rate <= high:
                raise ScheduleError(
                    f"{quoted} has a dose rate of {rate:.3g} Gy/h; needed is a rate from {low:g} to {high:g} Gy/h. "
                    "Give it in Gy, not cGy; write what is faster as a slow fraction, as in 12.5/1 minutes=30."
                )
            if (n_applications := sum(p.fractions for p in schedule.parts)) > MOST_APPLICATIONS:
                raise ScheduleError(
                    f"{quoted} has {n_applications} applications at low dose rate; needed are at most {MOST_APPLICATIONS}, each of its part of the dose. "
                    "Write the dose of one application alone, as in 40 rate=0.55Gy/h."
                )
        case PulsedDoseRate() if max(p.fractions for p in schedule.parts) == 1:
            raise ScheduleError(f"{quoted} has one pulse; needed is total dose / number of pulses, as in 30/60 pulse=10min every=1h. Correct the number.")
        case PermanentSources() if sum(p.fractions for p in schedule.parts) > 1:
            raise ScheduleError(f"{quoted} has an implant in several fractions; needed is one dose, as in 145 permanent half-life=59.4d. Write courses.")
        case _:
            pass
    if schedule.overall_days is not None and schedule.overall_days < schedule.least_days:
        raise ScheduleError(
            f"{quoted} does not fit into {schedule.overall_days} days; needed are the days from the first to the last fraction, "
            f"at least {schedule.least_days}. Correct days."
        )


def _hours_of_one(part: Part, delivery: Delivery | None) -> float:
    match delivery:
        case LowDoseRate(rate):
            return part.dose_per_fraction_gy / rate
        case PulsedDoseRate(_, period_h):
            return period_h
        case _:
            return 0.0
