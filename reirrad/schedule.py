"""Schedules as people write them: `54/30`, `50/25+16/8`, `45/30 per-day=2 interval=6h`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reirrad.errors import ReirradError, printable

__all__ = ["Part", "Schedule", "ScheduleError", "parse_fractions", "parse_schedule"]

MOST_FRACTIONS: Final = 200
MOST_PER_FRACTION_GY: Final = 100.0
MOST_PER_DAY: Final = 24
HOURS_OF_A_DAY: Final = 24.0

_PART = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)/([0-9]{1,6})")
_INTERVAL = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)h")
_WHOLE = re.compile(r"[0-9]{1,6}")
_FORM = "needed is total dose in Gy / number of fractions, as in 54/30 or 50.4/28; phases are joined by +, as in 50/25+16/8"


class ScheduleError(ReirradError, ValueError):
    """A schedule cannot be read, or is none that a patient can be given."""


@dataclass(frozen=True, slots=True)
class Part:
    """Equal fractions: total dose, Gy, and their number."""

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
        In the order of delivery.
    per_day : int
        Fractions on one day.
    interval_h : float or None
        Hours between them; None for one a day.
    """

    text: str
    parts: tuple[Part, ...]
    per_day: int = 1
    interval_h: float | None = None

    @property
    def night_h(self) -> float:
        """Hours from the last fraction of a day to the first of the next."""
        return HOURS_OF_A_DAY - (self.per_day - 1) * (self.interval_h or 0.0)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule.

    Raises
    ------
    ScheduleError
        With the text that was found.

    >>> parse_schedule("45/30 per-day=2 interval=6h")
    Schedule(text='45/30 per-day=2 interval=6h', parts=(Part(dose_gy=45.0, fractions=30),), per_day=2, interval_h=6.0)
    """
    tidy = re.sub(r"\s*([/+=])\s*", r"\1", " ".join(text.split()))
    phases, *options = tidy.split(" ") if tidy else [""]
    parts = tuple(_part(part, text) for part in phases.split("+"))
    if sum(p.fractions for p in parts) > MOST_FRACTIONS:
        raise ScheduleError(f"{_quoted(text)} has more than {MOST_FRACTIONS} fractions; {_FORM}. Check which number is the dose.")
    per_day, interval_h = _times(options, text)
    if per_day > max(p.fractions for p in parts):
        raise ScheduleError(f"{_quoted(text)} has more fractions a day than fractions; needed is per-day of at most their number. Correct one of them.")
    schedule = Schedule(tidy, parts, per_day, interval_h)
    if interval_h is not None and schedule.night_h < interval_h:
        raise ScheduleError(
            f"{_quoted(text)} leaves {max(schedule.night_h, 0.0):g} h between days, less than between the fractions of a day; "
            "needed are fractions that fit into a day. Correct per-day or interval."
        )
    return schedule


def parse_fractions(text: str) -> tuple[int, ...]:
    """Read numbers of fractions, as in 1,3,5.

    >>> parse_fractions("1, 3,5")
    (1, 3, 5)
    """
    words = [w.strip() for w in text.split(",")]
    if not all(_WHOLE.fullmatch(w) and 1 <= int(w) <= MOST_FRACTIONS for w in words):
        raise ScheduleError(
            f"{_quoted(text)} are no numbers of fractions; needed are whole numbers from 1 to {MOST_FRACTIONS} with commas between, as in 1,3,5."
        )
    return tuple(dict.fromkeys(int(w) for w in words))


def _part(word: str, text: str) -> Part:
    found = _PART.fullmatch(word)
    if not found:
        raise ScheduleError(f"{_quoted(text)} is no schedule; {_FORM}.")
    dose, fractions = float(found[1]), int(found[2])
    if dose == 0 or fractions == 0:
        raise ScheduleError(f"{_quoted(text)} has no {'dose' if dose == 0 else 'fractions'}; {_FORM}. Leave out a part that was not given.")
    if dose / fractions > MOST_PER_FRACTION_GY:
        raise ScheduleError(
            f"{_quoted(text)} is {dose / fractions:g} Gy per fraction, more than {MOST_PER_FRACTION_GY:g}; {_FORM}. Give the dose in Gy, not cGy."
        )
    return Part(dose, fractions)


def _times(options: list[str], text: str) -> tuple[int, float | None]:
    """Fractions a day and hours between them."""
    values = dict(option.partition("=")[::2] for option in options)
    if len(values) < len(options) or not values.keys() <= {"per-day", "interval"}:
        raise ScheduleError(f"{_quoted(text)} says something unknown or twice after the phases; known are per-day=2 and interval=6h, once each.")
    per_day = values.get("per-day", "1")
    if not _WHOLE.fullmatch(per_day) or not 1 <= int(per_day) <= MOST_PER_DAY:
        raise ScheduleError(f"{_quoted(text)} has no usable per-day; needed is a whole number from 1 to {MOST_PER_DAY}, as in per-day=2.")
    if (int(per_day) > 1) != ("interval" in values):
        raise ScheduleError(
            f"{_quoted(text)} has per-day or interval without the other; needed are both for more than one fraction a day, as in per-day=2 interval=6h."
        )
    if "interval" not in values:
        return 1, None
    hours = _INTERVAL.fullmatch(values["interval"])
    if not hours or float(hours[1]) == 0:
        raise ScheduleError(f"{_quoted(text)} has no usable interval; needed are the hours between fractions of a day, above zero, as in interval=6h.")
    return int(per_day), float(hours[1])


def _quoted(text: str) -> str:
    return f'"{printable(text, 60)}"'
