"""What the conditions of limits refer to: courses, their fractions, the interval between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["DECIMALS", "Situation", "Status"]

Status = Literal["pass", "caution", "exceed", "not_evaluable"]
# Values are compared after rounding to this many decimals (0.1 mGy), so that a limit met exactly is met.
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Situation:
    """What the conditions of limits refer to.

    Parameters
    ----------
    proposed : int or None
        Number of the proposed course.
    proposed_fractions : int or None
        Its fractions.
    interval_months : float or None
        From the end of the last prior course to the start of the proposed one; None when a date is unknown.
    courses : mapping
        Number of every course to its name.
    priors : frozenset
        Numbers of the prior courses.
    """

    proposed: int | None
    proposed_fractions: int | None
    interval_months: float | None
    courses: Mapping[int, str]
    priors: frozenset[int] = frozenset()
