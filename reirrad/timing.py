"""How the sessions of a delivery are given, and what that does to the quadratic term of the linear-quadratic model.

The factor is Q / sum d², with Q the double integral of Lea and Catcheside over the time of irradiation and d the dose of each session: 1 for short sessions
with complete repair between them, above 1 for several a day, below 1 for sessions so slow that damage is repaired while they last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from reirrad.errors import ParameterError, printable
from reirrad.implants import PermanentImplant
from reirrad.parameters import positive, whole
from reirrad.repair import Pulse, Repair, bed_of_pulses
from reirrad.repair import repair_factor as acute_factor

__all__ = ["Acute", "LowDoseRate", "Pattern", "Permanent", "Pulsed", "SlowFraction", "Timing", "overnight_unrepaired", "repair_factor"]

HOURS_OF_A_DAY: Final = 24.0
# Sessions longer than this are applications (days apart). More of them than this are no course: the number is that of pulses or hours.
LONG_SESSION_H: Final = 12.0
MOST_LONG_SESSIONS: Final = 6
# Beyond these a number is in the wrong unit.
MOST_HOURS: Final = 336.0
MOST_MINUTES: Final = 720.0
MOST_HALF_LIFE_DAYS: Final = 100.0
MOST_PULSES: Final = 1000
MOST_PER_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Acute:
    """Sessions of a few minutes."""


@dataclass(frozen=True, slots=True)
class LowDoseRate:
    """Constant dose rate; each session (application) lasts `hours`."""

    hours: float

    def __post_init__(self) -> None:
        _at_most("hours", self.hours, MOST_HOURS)


@dataclass(frozen=True, slots=True)
class Pulsed:
    """Each session (application) is a train of equal pulses that start every `period_h` and last `pulse_h` hours."""

    pulses: int
    period_h: float
    pulse_h: float

    def __post_init__(self) -> None:
        whole("pulses", self.pulses)
        _at_most("pulses", self.pulses, MOST_PULSES)
        positive("pulse_h", self.pulse_h)
        _at_most("period_h", self.period_h, MOST_HOURS)
        if self.pulse_h > self.period_h:
            raise ParameterError(
                f"pulse_h is {self.pulse_h:g}, longer than the period_h of {self.period_h:g}; needed are pulses one after the other. Correct one."
            )
        _at_most("pulses times period_h", self.pulses * self.period_h, MOST_HOURS)


@dataclass(frozen=True, slots=True)
class Permanent:
    """Sources that stay: one session that decays with the half life of the nuclide, dose after complete decay."""

    half_life_days: float

    def __post_init__(self) -> None:
        _at_most("half_life_days", self.half_life_days, MOST_HALF_LIFE_DAYS)


@dataclass(frozen=True, slots=True)
class SlowFraction:
    """Sessions at a constant dose rate that last `minutes`: long radiosurgery, intra-operative."""

    minutes: float

    def __post_init__(self) -> None:
        _at_most("minutes", self.minutes, MOST_MINUTES)


Pattern = Acute | LowDoseRate | Pulsed | Permanent | SlowFraction
_PATTERNS: Final[dict[str, type[Pattern]]] = {
    "acute": Acute,
    "low_dose_rate": LowDoseRate,
    "pulsed": Pulsed,
    "permanent": Permanent,
    "slow_fraction": SlowFraction,
}


@dataclass(frozen=True, slots=True)
class Timing:
    """Sessions of a delivery in time.

    Parameters
    ----------
    per_day : int
        Sessions on one day.
    interval_h : float or None
        Hours from the start of one to the start of the next on the same day; None for one a day.
    pattern : Pattern
        What one session is.

    Raises
    ------
    ParameterError
        When sessions do not fit into a day, or overlap.
    """

    per_day: int = 1
    interval_h: float | None = None
    pattern: Pattern = Acute()

    def __post_init__(self) -> None:
        whole("per_day", self.per_day)
        _at_most("per_day", self.per_day, MOST_PER_DAY)
        if (self.per_day > 1) != (self.interval_h is not None):
            raise ParameterError("per_day or interval_h is stated without the other; needed are both for several fractions a day. Add or take away one.")
        if self.interval_h is None:
            return
        positive("interval_h", self.interval_h)
        if isinstance(self.pattern, LowDoseRate | Permanent):
            raise ParameterError(f"per_day is {self.per_day} for a low dose rate or permanent implant; needed is 1. Take per_day and interval_h away.")
        if self.interval_h < self.session_h:
            raise ParameterError(
                f"interval_h is {self.interval_h:g} for sessions of {self.session_h:g} h; needed are sessions one after the other. Correct one."
            )
        if self.per_day * self.interval_h > HOURS_OF_A_DAY:
            raise ParameterError(
                f"per_day is {self.per_day} and interval_h is {self.interval_h:g}: the night is shorter than the interval; "
                "needed are fractions that fit into a day. Correct one."
            )

    @classmethod
    def from_case(cls, per_day: int = 1, interval_h: float | None = None, delivery: Mapping[str, Any] | None = None) -> Timing:
        """Timing as a case file states it.

        Parameters
        ----------
        delivery : mapping, optional
            The key `pattern`, and the parameters of this pattern under their names.

        Raises
        ------
        ParameterError
            When the pattern is unknown, or has other parameters.

        >>> Timing.from_case(delivery={"pattern": "pulsed", "pulses": 60, "period_h": 1, "pulse_h": 0.1667}).pattern
        Pulsed(pulses=60, period_h=1, pulse_h=0.1667)
        """
        given = dict(delivery or {"pattern": "acute"})
        name = given.pop("pattern", None)
        kind = _PATTERNS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise ParameterError(f"The pattern of a delivery is {printable(name, 40)}; needed is one of {', '.join(_PATTERNS)}. Correct it.")
        names = [f.name for f in fields(kind)]
        if set(given) != set(names):
            found = printable(", ".join(map(str, given)), 80) or "nothing"
            raise ParameterError(f"A delivery with pattern {name} states {found}; needed is {', '.join(names) or 'nothing'} beside pattern. Correct it.")
        return cls(per_day, interval_h, kind(**given))

    @property
    def needs_half_time(self) -> bool:
        """Whether the factor depends on a half time of repair; not for one short session a day."""
        return self.per_day > 1 or not isinstance(self.pattern, Acute)

    @property
    def session_h(self) -> float:
        """How long a session lasts, h; infinite for a permanent implant."""
        match self.pattern:
            case LowDoseRate(hours):
                return hours
            case Pulsed(pulses, period_h, pulse_h):
                return (pulses - 1) * period_h + pulse_h
            case SlowFraction(minutes):
                return minutes / 60
            case Permanent():
                return float("inf")
            case _:
                return 0.0

    @property
    def title(self) -> str:
        """For people.

        >>> Timing(2, 6).title, Timing(pattern=LowDoseRate(60)).title
        ('2 a day, 6 h apart', 'low dose rate, 60 h')
        """
        match self.pattern:
            case LowDoseRate(hours):
                text = f"low dose rate, {hours:g} h"
            case Pulsed(pulses, period_h, pulse_h):
                text = f"{pulses} pulses of {pulse_h:.3g} h every {period_h:g} h"
            case SlowFraction(minutes):
                text = f"sessions of {minutes:g} min"
            case Permanent(half_life_days):
                text = f"permanent implant, half life {half_life_days:g} days"
            case _:
                text = ""
        often = "one a day" if self.interval_h is None else f"{self.per_day} a day, {self.interval_h:g} h apart"
        if not text:
            return often
        return text if self.interval_h is None else f"{text}, {often}"


def repair_factor(timing: Timing, fractions: int, half_time_h: float) -> float:
    """Q divided by sum d² of a delivery of equal sessions; no unit.

    Between days, and between applications, repair is taken as complete.

    Parameters
    ----------
    fractions : int
        Sessions of this delivery: fractions, or applications (not pulses).
    half_time_h : float
        Half time of repair, h.

    Raises
    ------
    ParameterError
        When a permanent implant has more than one session; when there are more long sessions than a course can have.

    References
    ----------
    thames_1985
    voyant_2014, equation 5.

    >>> bed = lambda d, n, ab, timing, half_time: d * (1 + repair_factor(timing, n, half_time) * d / (n * ab))
    >>> round(bed(30, 1, 3, Timing(pattern=LowDoseRate(60)), 1.5), 3), round(bed(145, 1, 3, Timing(pattern=Permanent(59.4)), 0.27), 2)
    (50.86, 146.33)
    """
    whole("fractions", fractions)
    positive("half_time_h", half_time_h)
    if timing.session_h > LONG_SESSION_H and fractions > (most := 1 if isinstance(timing.pattern, Permanent) else MOST_LONG_SESSIONS):
        raise ParameterError(
            f"fractions is {fractions} for {timing.title}; needed is the number of applications, at most {most}, not of pulses or hours. Correct it."
        )
    match timing.pattern:
        case Acute():
            return acute_factor(fractions, timing.per_day, timing.interval_h, half_time_h) if timing.interval_h is not None else 1.0
        case Permanent(half_life_days):
            return PermanentImplant(1.0, half_life_days, half_time_h).bed(1.0) - 1.0
    full_days, rest = divmod(int(fractions), timing.per_day)
    total = full_days * _quadratic(timing, timing.per_day, half_time_h)
    return (total + (_quadratic(timing, rest, half_time_h) if rest else 0.0)) / fractions


def overnight_unrepaired(timing: Timing, half_time_h: float) -> float:
    """Part of the damage left unrepaired at the first session of the next day, 0 to 1. The factor leaves it out.

    Zero for sessions longer than 12 h, which are applications days apart.

    >>> round(overnight_unrepaired(Timing(2, 6), 4.4), 4), round(overnight_unrepaired(Timing(), 5), 4)
    (0.0587, 0.0359)
    """
    positive("half_time_h", half_time_h)
    if timing.session_h > LONG_SESSION_H:
        return 0.0
    night_h = HOURS_OF_A_DAY - (timing.per_day - 1) * (timing.interval_h or 0.0) - timing.session_h
    return float(2 ** (-night_h / half_time_h))


def _quadratic(timing: Timing, n_sessions: int, half_time_h: float) -> float:
    """Q of sessions of 1 Gy on one day, Gy²."""
    pulses = [pulse for k in range(n_sessions) for pulse in _session(timing, k * (timing.interval_h or 0.0))]
    return bed_of_pulses(pulses, 1.0, Repair((half_time_h,))) - n_sessions


def _session(timing: Timing, start_h: float) -> list[Pulse]:
    """One session of 1 Gy."""
    if isinstance(timing.pattern, Pulsed):
        n, period_h, pulse_h = timing.pattern.pulses, timing.pattern.period_h, timing.pattern.pulse_h
        return [Pulse(start_h + k * period_h, pulse_h, 1 / n) for k in range(n)]
    return [Pulse(start_h, timing.session_h, 1.0)]


def _at_most(name: str, value: float, most: float) -> None:
    positive(name, value)
    if value > most:
        raise ParameterError(f"{name} is {value:g}; needed is at most {most:g}. Check the unit.")
