"""What a calculation of schedules holds: main result, what stands beside it, what a limit leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reirrad.effect import Effect, Growth
from reirrad.errors import Notice
from reirrad.schedule import Schedule

__all__ = ["Calculation", "CourseEffect", "LimitLeft", "Model", "Remaining", "Sensitivity"]

Model = Literal["lq-l", "usc", "mcnamara", "wedenberg", "acute"]


@dataclass(frozen=True, slots=True)
class CourseEffect:
    """One schedule.

    Parameters
    ----------
    schedule : Schedule
    effect : Effect
        Main result.
    complete_repair : Effect or None
        Where several fractions a day make a difference.
    without_growth : Effect or None
        Where tumour repopulation was asked for.
    after_recovery : Effect or None
        What still counts of a course with a recovered part.
    """

    schedule: Schedule
    effect: Effect
    complete_repair: Effect | None = None
    without_growth: Effect | None = None
    after_recovery: Effect | None = None


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
class Sensitivity:
    """One model beside the main result.

    Parameters
    ----------
    model : str
    description : str
        With its parameters.
    alpha_beta_gy : float
        Of this model; the universal survival curve has its own.
    courses : tuple of Effect
        In the order of the courses.
    applied : tuple of bool
        Whether the model says anything about the course; otherwise its main value stands in.
    total, linear_quadratic : Effect
        The sum, and the sum in the main model at the same alpha/beta.
    """

    model: Model
    description: str
    alpha_beta_gy: float
    courses: tuple[Effect, ...]
    applied: tuple[bool, ...]
    total: Effect
    linear_quadratic: Effect


@dataclass(frozen=True, slots=True)
class Calculation:
    """All of it. What stands beside a main result is None when it would say the same or was not asked for."""

    alpha_beta_gy: float
    half_time_h: float | None
    growth: Growth | None
    courses: tuple[CourseEffect, ...]
    total: Effect
    complete_repair: Effect | None
    without_growth: Effect | None
    after_recovery: Effect | None
    limit: LimitLeft | None
    remaining: tuple[Remaining, ...]
    limit_after_recovery: LimitLeft | None
    remaining_after_recovery: tuple[Remaining, ...]
    sensitivities: tuple[Sensitivity, ...]
    notices: tuple[Notice, ...]
