"""What the Explore page keeps of the patient of a tab: the schedules that were calculated, and the one that the sliders show."""

from __future__ import annotations

import datetime as dt
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from reirrad.assessment import Assessment
from reirrad.budget import Budget, remaining
from reirrad.errors import Notice, ParameterError
from reirrad.evaluation import Finding
from reirrad.exploration import DEFAULT_SCHEDULES, Exploration, IsotoxicRow, ScheduleChoice, explore
from reirrad.halftimes import half_time
from reirrad.judgement import LimitChoice, judged, situations_of
from reirrad.options import MOST_OPTIONS, AskedSchedule, Option, evaluate_options
from reirrad.organresult import OrganResult
from reirrad.rescheduling import course_to_reschedule, rescheduled, rescheduled_case
from reirrad.timing import Timing, repair_factor
from reirrad.tumour import effects, overall_days
from reirrad.ui.session import Loaded, Session

__all__ = [
    "EVERY", "USUAL", "Budgets", "Exploring", "Use", "asked_schedule", "budgets_of", "exploring_of", "largest_use", "planned", "preview", "twice_a_day",
    "use_of",
]  # fmt: skip

KEY: Final = "explore"
BUDGETS: Final = "budgets"
USUAL_FRACTIONS: Final = (1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 28, 30, 35, 40)
USUAL: Final = tuple(ScheduleChoice(n) for n in USUAL_FRACTIONS)
EVERY: Final = tuple(choice for choice in DEFAULT_SCHEDULES if choice.interval_h is None)
TWICE_A_DAY: Final = (20, 24, 30, 36, 40)
# Said of the whole number of schedules tried; the page says it of those it shows.
OF_ONE_RUN: Final = ("explore_lq_range",)


@dataclass(slots=True, eq=False)
class Exploring:
    """State of the page.

    Parameters
    ----------
    course : int
        Number of the course that is scaled.
    prescription_gy : float
        Its prescription.
    token : str
        Part of the names of widgets, so that none keeps a choice of another patient.
    options : dict
        Those that were added, by dose and schedule.
    highest : dict
        Highest dose of every schedule that was asked for.
    notes : dict
        What to know of the highest doses, by code.
    """

    loaded: Loaded
    course: int
    prescription_gy: float
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    options: dict[tuple[float, ScheduleChoice], Option] = field(default_factory=dict)
    highest: dict[ScheduleChoice, IsotoxicRow] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def exploration(self) -> Exploration:
        """The highest doses found so far: once a day first, by rising number of fractions."""
        rows = sorted(self.highest.values(), key=lambda row: (row.choice.interval_h or 0.0, row.choice.fractions))
        return Exploration(tuple(rows), self.course, self.prescription_gy)

    @property
    def is_full(self) -> bool:
        """Whether no further option has room on the sheet."""
        return len(self.options) >= MOST_OPTIONS

    def find_highest(self, choices: Sequence[ScheduleChoice]) -> None:
        """Calculate the highest dose of those of the schedules that were not calculated yet.

        Raises
        ------
        ReirradError
            As `explore`.
        """
        missing = [choice for choice in choices if choice not in self.highest]
        if not missing:
            return
        found = explore(self.loaded.assessment, self.loaded.choice, missing, self.course)
        self.highest |= {row.choice: row for row in found.rows}
        self.notes |= {n.code: n.message for n in found.notices if n.code not in OF_ONE_RUN}

    def add(self, asked: AskedSchedule) -> None:
        """Judge a schedule as an option, at the points a check of it would use.

        Raises
        ------
        ReirradError
            As `evaluate_options`.
        """
        key = (asked.dose_gy, asked.choice)
        if key in self.options or self.is_full:
            return
        loaded = self.loaded
        (option,) = evaluate_options(loaded.assessment, loaded.choice, self.course, (asked,), loaded.case.tumour)
        self.find_highest((asked.choice,))
        self.options[key] = option


@dataclass(slots=True, eq=False)
class Budgets:
    """What earlier courses leave, by the number of fractions of a new one; and files of it by their date as well."""

    loaded: Loaded
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    found: dict[int, Budget] = field(default_factory=dict)
    files: dict[tuple[int, dt.date], tuple[bytes, list[str], list[Notice]]] = field(default_factory=dict)

    def find(self, fractions: int) -> None:
        """Calculate what remains, unless it is known.

        Raises
        ------
        ParameterError
            As `remaining`.
        """
        if fractions not in self.found:
            self.found[fractions] = remaining(self.loaded.case, self.loaded.choice, (fractions,))


def budgets_of(session: Session, loaded: Loaded) -> Budgets:
    """What was calculated of the loaded case."""
    kept = session.kept.get(BUDGETS)
    if not isinstance(kept, Budgets) or kept.loaded is not loaded:
        kept = session.kept[BUDGETS] = Budgets(loaded)
    return kept


def exploring_of(session: Session, loaded: Loaded) -> Exploring:
    """The state of the page for the loaded case.

    Raises
    ------
    ParameterError
        When no course of it can be scaled.
    """
    kept = session.kept.get(KEY)
    if not isinstance(kept, Exploring) or kept.loaded is not loaded:
        course = course_to_reschedule(loaded.case)
        prescription = loaded.case.courses[course].delivered_gy
        assert prescription is not None, "course_to_reschedule sees to it"
        kept = session.kept[KEY] = Exploring(loaded, course, prescription)
    return kept


def asked_schedule(dose_gy: float, fractions: int, interval_h: float | None) -> AskedSchedule:
    """Schedule of so many fractions; with an interval two of them a day.

    >>> asked_schedule(45.0, 30, 6.0).text, asked_schedule(30.0, 5, None).text
    ('45/30 per-day=2 interval=6h', '30/5')
    """
    often = "" if interval_h is None else f" per-day=2 interval={interval_h:g}h"
    return AskedSchedule(f"{dose_gy:g}/{fractions}{often}", dose_gy, ScheduleChoice(fractions, 1 if interval_h is None else 2, interval_h))


def twice_a_day(interval_h: float) -> tuple[ScheduleChoice, ...]:
    """Schedules of two fractions a day that are usual in re-irradiation."""
    return tuple(ScheduleChoice(n, 2, interval_h) for n in TWICE_A_DAY)


def preview(assessment: Assessment, choice: LimitChoice, course: int, asked: AskedSchedule) -> Option:
    """Judge every limit under another schedule at the points of the case as it stands: fast enough for a slider.

    Points lie closer where dose is high, and so elsewhere in a check of the plan so scaled: values may differ by hundredths of a Gy from those of
    `evaluate_options`. Statistics of organs and uncertainty are not calculated.
    """
    before = assessment.case
    prescription = before.courses[course].delivered_gy
    assert prescription is not None, "course_to_reschedule sees to it"
    scale, n = asked.dose_gy / prescription, asked.choice.fractions
    timing = Timing(asked.choice.per_day, asked.choice.interval_h, before.courses[course].timing.pattern)
    case = rescheduled_case(before, course, scale, n, timing)

    def organ(result: OrganResult) -> OrganResult:
        if result.sum is None:
            return result
        hours = half_time(result.organ, before.half_time_h.get(result.organ)).hours if timing.needs_half_time else 0.0
        repair = repair_factor(timing, n, hours) if timing.needs_half_time else 1.0
        return replace(result, sum=rescheduled(result.sum, course, scale, n, repair))

    organs = tuple(organ(result) for result in assessment.organs)
    findings, notices = judged(case, choice, organs, situations_of(case))
    verdict = Assessment(case, organs, tuple(findings), (), choice.sets).verdict
    tumour = effects(before.tumour, asked.dose_gy, n, asked.choice.per_day)
    return Option(asked, scale, overall_days(n, asked.choice.per_day), (), tuple(findings), verdict, tumour, tuple(notices))


def planned(exploring: Exploring) -> AskedSchedule | None:
    """The proposed course as it is planned; None where its number of fractions is not known, or none that is explored."""
    course = exploring.loaded.case.courses[exploring.course]
    if course.fractions is None:
        return None
    try:
        schedule = ScheduleChoice(course.fractions, course.timing.per_day, course.timing.interval_h)
    except ParameterError:
        return None
    return AskedSchedule(f"{exploring.prescription_gy:g}/{course.fractions}", exploring.prescription_gy, schedule)


@dataclass(frozen=True, slots=True)
class Use:
    """The limit of which most is used up.

    Parameters
    ----------
    percent : float
        Of the limit that the value is; above 100 it is exceeded.
    """

    finding: Finding
    percent: float


def use_of(finding: Finding) -> float | None:
    """Percent of a limit that is used up; None where that has no number.

    What must be spared at least is used up to the part that the least is of what is spared.
    """
    value, limit = finding.judged_value, finding.limit
    if value is None:
        return None
    part, whole = (limit.limit, value) if limit.comparator == ">=" else (value, limit.limit)
    if whole > 0:
        return 100 * part / whole
    return math.inf if part > 0 else 0.0


def largest_use(findings: Sequence[Finding]) -> Use | None:
    """The worst of the mandatory limits with a number, or of the optional ones where there is none; None where nothing has a number."""
    for level in ("mandatory", "optimal"):
        uses = [Use(f, percent) for f in findings if f.limit.level == level and (percent := use_of(f)) is not None]
        if uses:
            return max(uses, key=lambda use: use.percent)
    return None
