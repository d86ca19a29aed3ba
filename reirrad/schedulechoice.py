"""Equal fractions whose dose is open: how many, how many on one day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reirrad.errors import ParameterError, printable
from reirrad.timing import Timing

__all__ = ["DEFAULT_SCHEDULES", "ScheduleChoice"]

MOST_FRACTIONS: Final = 100
INTERVAL_H: Final = 6.0


@dataclass(frozen=True, slots=True)
class ScheduleChoice:
    """Equal fractions, of a dose that is asked for.

    Parameters
    ----------
    fractions : int
    per_day : int
    interval_h : float or None
        Between fractions of one day; None for one a day.

    Raises
    ------
    ParameterError
        When the numbers make no schedule.
    """

    fractions: int
    per_day: int = 1
    interval_h: float | None = None

    def __post_init__(self) -> None:
        Timing(self.per_day, self.interval_h)  # refuses what makes no day
        if not 1 <= self.fractions <= MOST_FRACTIONS or self.fractions != int(self.fractions):
            raise ParameterError(f"fractions is {printable(self.fractions)}; needed is a whole number from 1 to {MOST_FRACTIONS}. Correct it.")
        if self.fractions < self.per_day:
            raise ParameterError(f"per_day is {self.per_day} for a schedule of {self.fractions} fractions; needed are at least as many. Correct one.")

    @property
    def title(self) -> str:
        """For people.

        >>> ScheduleChoice(5).title, ScheduleChoice(30, 2, 6.0).title
        ('5 fractions', '30 fractions, 2 a day, 6 h apart')
        """
        count = "1 fraction" if self.fractions == 1 else f"{self.fractions} fractions"
        return count if self.interval_h is None else f"{count}, {self.per_day} a day, {self.interval_h:g} h apart"


# Once a day up to eight weeks; twice a day where this is published for re-irradiation: even numbers from 20 to 40.
DEFAULT_SCHEDULES: Final = (*(ScheduleChoice(n) for n in range(1, 41)), *(ScheduleChoice(n, 2, INTERVAL_H) for n in range(20, 41, 2)))
