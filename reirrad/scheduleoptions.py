"""What may follow the doses of a schedule: `per-day=2`, `rbe=1.1`, `permanent`. Reads the words and refuses those that contradict each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from reirrad.errors import ReirradError, printable

__all__ = ["HOURS_OF_A_DAY", "Delivery", "LowDoseRate", "Options", "PermanentSources", "PulsedDoseRate", "ScheduleError", "SlowFraction", "read_options"]

HOURS_OF_A_DAY: Final = 24.0


class ScheduleError(ReirradError, ValueError):
    """A schedule cannot be read, or is none that a patient can be given."""


@dataclass(frozen=True, slots=True)
class LowDoseRate:
    """Constant rate, Gy/h; complete repair between applications."""

    rate_gy_per_h: float


@dataclass(frozen=True, slots=True)
class PulsedDoseRate:
    """Pulses of a length, one every so many hours."""

    pulse_h: float
    period_h: float


@dataclass(frozen=True, slots=True)
class PermanentSources:
    """Sources that stay and decay with this half-life, days."""

    half_life_days: float


@dataclass(frozen=True, slots=True)
class SlowFraction:
    """Fractions so long that damage is repaired while they last, minutes each; complete repair between them."""

    minutes: float


Delivery = LowDoseRate | PulsedDoseRate | PermanentSources | SlowFraction


@dataclass(frozen=True, slots=True)
class Options:
    """The words as values; `hours` is the length of one application at low dose rate, whose rate follows from the dose."""

    per_day: int = 1
    interval_h: float | None = None
    rbe: float | None = None
    let_kev_um: float | None = None
    delivery: Delivery | None = None
    hours: float | None = None
    recovered: float | None = None
    overall_days: int | None = None

    @property
    def without_fractions(self) -> bool:
        """Whether a dose may stand alone."""
        return self.hours is not None or isinstance(self.delivery, LowDoseRate | PermanentSources)


class _Value(NamedTuple):
    """Units and their size, the range, and what a refusal says; a lower end of None means above zero."""

    units: dict[str, float]
    least: float | None
    most: float
    needed: str
    whole: bool = False


_PLAIN = {"": 1.0}
_TIME = {"h": 1.0, "min": 1 / 60}
_VALUES: Final = {
    "per-day": _Value(_PLAIN, 1, 24, "a whole number from 1 to 24, as in per-day=2", whole=True),
    "interval": _Value({"h": 1.0}, None, 999, "the hours between fractions of a day, above zero, as in interval=6h"),
    "rbe": _Value(_PLAIN, 1, 2, "a number from 1 to 2, as in rbe=1.1"),
    "let": _Value(_PLAIN, 0, 20, "the dose-averaged LET of protons from 0 to 20 keV/µm, as in let=2.5"),
    "rate": _Value({"Gy/h": 1.0}, None, 999999, "the dose rate, above zero, as in rate=0.55Gy/h"),
    "hours": _Value(_PLAIN, None, 720, "the hours of the application, above zero, at most 720, as in hours=72"),
    "pulse": _Value(_TIME, None, 24, "the length of a pulse, above zero, at most 24 h, as in pulse=10min"),
    "every": _Value(_TIME, None, 24, "the time from one pulse to the next, above zero, at most 24 h, as in every=1h"),
    "half-life": _Value({"d": 1.0}, None, 100, "the half-life of the source, above zero, at most 100 days, as in half-life=59.4d"),
    "minutes": _Value(_PLAIN, None, 720, "the minutes of a fraction, above zero, at most 720, as in minutes=30"),
    "recovered": _Value(_PLAIN, 0, 1, "a part from 0 to 1, as in recovered=0.5"),
    "days": _Value(_PLAIN, 0, 400, "whole days from the first to the last fraction, at most 400, as in days=46", whole=True),
}
_WORD = "permanent"
# At most one of these; the words of one go together.
_DELIVERIES: Final = (("per-day", "interval"), ("rate",), ("hours",), ("pulse", "every"), (_WORD, "half-life"), ("minutes",))
_NUMBER = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)([A-Za-z/]*)")


def read_options(words: list[str], quoted: str) -> Options:
    """Read the words after the doses; `quoted` is the schedule, for refusals.

    Raises
    ------
    ScheduleError
        For words that are unknown, twice, out of range, or contradict each other.

    >>> read_options(["pulse=15min", "every=1h"], "").delivery
    PulsedDoseRate(pulse_h=0.25, period_h=1.0)
    """
    found = _values(words, quoted)
    if found.get("per-day") == 1 and "interval" not in found:
        del found["per-day"]
    _refuse_contradictions(found, quoted)
    return Options(
        per_day=int(found.get("per-day", 1)),
        interval_h=found.get("interval"),
        rbe=found.get("rbe"),
        let_kev_um=found.get("let"),
        delivery=_delivery(found),
        hours=found.get("hours"),
        recovered=found.get("recovered"),
        overall_days=int(found["days"]) if "days" in found else None,
    )


def _values(words: list[str], quoted: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        key, equals, value = word.partition("=")
        known = word == _WORD or (key in _VALUES and equals)
        if not known or key in found:
            raise ScheduleError(
                f'{quoted} says something unknown or twice after the doses, "{printable(word, 30)}"; known are {", ".join(f"{k}=" for k in _VALUES)} '
                f"and {_WORD}, once each. See reirrad eqd2 --help."
            )
        found[key] = 1.0 if word == _WORD else _number(key, value, quoted)
    return found


def _number(key: str, text: str, quoted: str) -> float:
    rule, parsed = _VALUES[key], _NUMBER.fullmatch(text)
    if parsed and parsed[2] in rule.units:
        value = float(parsed[1]) * rule.units[parsed[2]]
        above = value > 0 if rule.least is None else value >= rule.least
        if above and value <= rule.most and (not rule.whole or text.isdigit()):
            return value
    raise ScheduleError(f"{quoted} has no usable {key}; needed is {rule.needed}. Correct it.")


def _refuse_contradictions(found: dict[str, float], quoted: str) -> None:
    here = [names for names in _DELIVERIES if found.keys() & set(names)]
    for first, *others in here:
        alone = bool(others) and (first in found) != (others[0] in found)
        if alone or (first == "per-day" and found[first] == 1):
            raise ScheduleError(
                f"{quoted} has {first} or {others[0]} without the other; needed are both, {_BOTH[first]}. Add what is missing, or leave both out."
            )
    if len(here) > 1:
        raise ScheduleError(
            f"{quoted} mixes several ways of delivery ({', '.join(names[0] for names in here)}); needed is one for a course. Write them as separate courses."
        )
    if "pulse" in found and found["pulse"] > found["every"]:
        raise ScheduleError(f"{quoted} has pulses longer than the time between their starts; needed is pulse=10min every=1h or alike. Correct one.")
    if "let" in found and "rbe" not in found:
        raise ScheduleError(
            f"{quoted} has let without rbe; needed is the physical dose with the constant RBE of the clinic, as in 60/30 rbe=1.1 let=2.5. "
            "Divide a dose that was weighted already by its RBE first."
        )
    if "rbe" in found and here and here[0][0] not in ("per-day", "minutes"):
        raise ScheduleError(f"{quoted} has rbe together with {here[0][0]}; needed is rbe for external beams alone. Leave it out.")
    if "let" in found and "minutes" in found:
        raise ScheduleError(f"{quoted} has let together with minutes; needed is a LET for protons in short fractions. Leave out one of them.")
    if "recovered" in found and _WORD in found:
        raise ScheduleError(f"{quoted} discounts a permanent implant; needed is a course that ended, which an implant does not. Leave out recovered.")


_BOTH: Final = {
    "per-day": "for more than one fraction a day, as in per-day=2 interval=6h",
    "pulse": "as in pulse=10min every=1h",
    _WORD: "as in 145 permanent half-life=59.4d",
}


def _delivery(found: dict[str, float]) -> Delivery | None:
    if "rate" in found:
        return LowDoseRate(found["rate"])
    if "pulse" in found:
        return PulsedDoseRate(found["pulse"], found["every"])
    if _WORD in found:
        return PermanentSources(found["half-life"])
    if "minutes" in found:
        return SlowFraction(found["minutes"])
    return None
