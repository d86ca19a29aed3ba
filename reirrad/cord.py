"""Courses of the spinal cord known from paper: their sum, published conditions of re-irradiation, Nieder's score, and an exploratory tolerance.

The doses are those of the cord (or thecal sac), its largest in each course, taken to lie at the same point. Nothing is discounted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from reirrad import nieder, woolley
from reirrad.calculation import Calculation
from reirrad.calculator import calculate
from reirrad.calculatordocument import as_dict as calculation_as_dict
from reirrad.constraints import Limit, load_set
from reirrad.effect import schedule_bed
from reirrad.errors import ParameterError, printable
from reirrad.nieder import Score, nieder_score
from reirrad.organs import organ
from reirrad.schedule import Schedule
from reirrad.woolley import SecondCourse

__all__ = ["Clause", "Cord", "Rule", "as_dict", "as_json", "cord_from_paper", "exit_status", "parse_intervals"]

RULES: Final = ("cord-hytec-cum70", "cord-nieder2006")  # of the set of limits "spine"
ROUNDING: Final = 1e-9  # relative; what meets a limit exactly keeps it
MOST_MONTHS: Final = 1200.0
MONTHS_PER_YEAR: Final = 12
_MONTHS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,9})?")


What = Literal["cumulative", "this_course", "each_course", "ratio", "interval"]
Comparator = Literal["<=", "<", ">="]
Unit = Literal["Gy", "", "months"]
State = Literal["met", "caution", "not_met", "not_known", "not_applicable"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition: Gy, a ratio, or months (see `unit`).

    The value of `this_course` is that of the last course, of `each_course` the largest; None when unknown.
    """

    what: What
    value: float | None
    comparator: Comparator
    limit: float
    caution: float | None
    unit: Unit
    state: State


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions of one source, which hold only together; doses are `quantity` at `alpha_beta_gy`."""

    title: str
    structure: str
    reference: str
    quantity: Literal["EQD2", "BED", "physical"]
    alpha_beta_gy: float
    note: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Cord:
    """All of it.

    Parameters
    ----------
    courses : Calculation
        BED and EQD2 of each course and their sum, at the alpha/beta asked for.
    intervals_months : tuple of float or None
    rules : tuple of Rule
    score : Score
        At the alpha/beta of `courses`.
    exploratory : SecondCourse or None
        Tolerance of the last course; None with the reason.
    exploratory_reason : str or None
    remarks : tuple of str
    """

    courses: Calculation
    intervals_months: tuple[float | None, ...]
    rules: tuple[Rule, ...]
    score: Score
    exploratory: SecondCourse | None
    exploratory_reason: str | None
    remarks: tuple[str, ...]


def cord_from_paper(
    schedules: Sequence[Schedule],
    intervals_months: Sequence[float | None],
    *,
    lumbar: bool = False,
    half_time_h: float | None = None,
    conservative_percent: float = 0.0,
) -> Cord:
    """Compute.

    Parameters
    ----------
    schedules : sequence of Schedule
        Dose of the cord in each course, two or more, in order of time.
    intervals_months : sequence of float or None
        From the end of each course to the start of the next; None where unknown.
    lumbar : bool
        Whether courses and score use the alpha/beta of the lumbar cord. Conditions of sources keep their own.
    half_time_h : float, optional
        Half time of repair, h; needed for several fractions a day.
    conservative_percent : float
        For the exploratory tolerance.

    Raises
    ------
    ParameterError
        For fewer than two courses, another number of intervals, or parameters outside their range.

    >>> from reirrad.schedule import parse_schedule
    >>> found = cord_from_paper([parse_schedule("50/25"), parse_schedule("14/3")], [18])
    >>> [(round(c.value, 3), c.state) for c in found.rules[0].clauses]
    [(73.333, 'not_met'), (23.333, 'met'), (0.318, 'met'), (18, 'met')]
    """
    if len(schedules) < 2:
        raise ParameterError(f"Found {len(schedules)} course; needed are two or more courses of the cord in order of time. Give them all, or use eqd2 for one.")
    alpha_beta_gy = nieder.alpha_beta_gy(lumbar=lumbar)
    _refuse_recovered(schedules)
    for schedule in schedules:
        schedule_bed(schedule, alpha_beta_gy, half_time_h)  # refuses a half time that is needed and missing: for the cord none is assumed
    courses = calculate(schedules, alpha_beta_gy, half_time_h)
    score = nieder_score([c.effect.bed_gy for c in courses.courses], intervals_months)
    limits = {limit.id: limit for limit in load_set("spine")}
    rules = tuple(_rule(limits[key], schedules, intervals_months, half_time_h) for key in RULES)
    exploratory, reason = _exploratory(schedules, intervals_months, half_time_h, conservative_percent)
    return Cord(courses, tuple(intervals_months), rules, score, exploratory, reason, tuple(_remarks(courses, lumbar)))


def parse_intervals(text: str | None, n_courses: int) -> tuple[float | None, ...]:
    """Read months between courses, as in 18 or 18,6; ? for one that is unknown; no text for none known.

    Raises
    ------
    ParameterError
        For anything else, and for another number of them than there are gaps between courses.

    >>> parse_intervals("18, ?", 3)
    (18.0, None)
    """
    if text is None:
        return (None,) * (n_courses - 1)
    words = [w.strip() for w in text.split(",")]
    form = "needed are months between each course and the next, with commas between, as in 18 or 18,6; ? where unknown"
    if not all(w == "?" or (_MONTHS.fullmatch(w) and float(w) <= MOST_MONTHS) for w in words):
        raise ParameterError(f'"{printable(text, 40)}" are no intervals; {form}. Give them in months, at most {MOST_MONTHS:g}.')
    if len(words) != n_courses - 1:
        raise ParameterError(f"Found {len(words)} intervals for {n_courses} courses; {form}. Give {n_courses - 1}.")
    return tuple(None if w == "?" else float(w) for w in words)


def exit_status(found: Cord) -> int:
    """1 when a condition is not met or not known, else 0."""
    return int(any(c.state in ("not_met", "not_known") for rule in found.rules for c in rule.clauses))


def as_dict(found: Cord) -> dict[str, Any]:
    """Document for JSON; what is undefined is None."""
    document = calculation_as_dict(found.courses)
    kept = {key: document[key] for key in ("schema", "reirrad_version", "alpha_beta_gy", "half_time_h", "courses", "sum")}
    low, high = found.score.points
    return kept | {
        "intervals_months": list(found.intervals_months),
        "rules": [asdict(r) for r in found.rules],
        "nieder_score": asdict(found.score) | {"points": [low, high], "note": nieder.note()},
        "exploratory": {"label": woolley.label(), "not_computed": found.exploratory_reason, "second_course": found.exploratory and asdict(found.exploratory)},
        "remarks": list(found.remarks),
        "warnings": document["warnings"],
    }


def as_json(found: Cord) -> str:
    """Return the JSON document."""
    return json.dumps(as_dict(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _refuse_recovered(schedules: Sequence[Schedule]) -> None:
    if any(s.recovered is not None for s in schedules):
        raise ParameterError(
            "A course is given as recovered, but the conditions, the score and the model of this calculation are for doses without recovery; "
            "needed are courses as they were given. Leave recovered out."
        )


def _rule(limit: Limit, schedules: Sequence[Schedule], intervals_months: Sequence[float | None], half_time_h: float | None) -> Rule:
    alpha_beta_gy = limit.alpha_beta_gy or 0.0  # zero, which a dose limit in EQD2 or BED never has, is refused
    courses = calculate(schedules, alpha_beta_gy, half_time_h)
    kept = "eqd2_gy" if limit.quantity == "EQD2" else "bed_gy"
    doses: list[float] = [getattr(c.effect, kept) for c in courses.courses]
    cumulative: float = getattr(courses.total, kept)
    values = {"cumulative": cumulative, "this_course": doses[-1], "each_course": max(doses), "ratio": doses[-1] / cumulative}
    applicable = _fractions_fit(limit, schedules[-1])
    clauses = [_clause("cumulative", cumulative, limit.comparator, limit.limit, limit.caution, "Gy", applicable)]
    for c in limit.clauses:
        value = _shortest(intervals_months, c.limit) if c.what == "interval" else values[c.what]
        clauses.append(_clause(c.what, value, c.comparator, c.limit, None, c.unit, applicable))
    structure = limit.structure or organ(limit.organ).label
    return Rule(limit.source, structure, limit.reference, limit.quantity, alpha_beta_gy, limit.note, tuple(clauses))


def _fractions_fit(limit: Limit, last: Schedule) -> bool:
    """Whether the source speaks of the number of fractions of the last course."""
    if limit.max_fractions is None:
        return True
    return last.has_fractions and sum(p.fractions for p in last.parts) <= limit.max_fractions


def _shortest(intervals_months: Sequence[float | None], least: float) -> float | None:
    """Shortest interval; with one unknown only when a known one is too short already."""
    known = [m for m in intervals_months if m is not None]
    return min(known) if len(known) == len(intervals_months) or (known and min(known) < least) else None


def _clause(what: What, value: float | None, comparator: Comparator, limit: float, caution: float | None, unit: Unit, applicable: bool) -> Clause:
    state = _state(value, comparator, limit, caution) if applicable else "not_applicable"
    return Clause(what, value, comparator, limit, caution, unit, state)


def _state(value: float | None, comparator: Comparator, limit: float, caution: float | None) -> State:
    if value is None:
        return "not_known"
    if comparator == ">=":
        return "met" if value >= limit else "not_met"
    if value > limit * (1 + ROUNDING):
        return "not_met"
    return "caution" if caution is not None and value > caution * (1 + ROUNDING) else "met"


def _exploratory(
    schedules: Sequence[Schedule], intervals_months: Sequence[float | None], half_time_h: float | None, conservative_percent: float
) -> tuple[SecondCourse | None, str | None]:
    """What the model of Woolley tolerates in the second course, or why it does not say."""
    months = intervals_months[0]
    if len(schedules) != 2:
        return None, "The model knows one earlier course only."
    if schedules[1].per_day > 1 or not schedules[1].has_fractions:
        return None, "The model is used for single fractions on different days only."
    if months is None:
        return None, "The interval is not known."
    first = calculate(schedules[:1], woolley.alpha_beta_gy(), half_time_h).total.bed_gy
    try:
        return woolley.second_course_from_bed(first, months / MONTHS_PER_YEAR, sum(p.fractions for p in schedules[1].parts), conservative_percent), None
    except woolley.OutsideModelError as error:
        return None, str(error)


def _remarks(courses: Calculation, lumbar: bool) -> list[str]:
    remarks = ["The doses are taken as the largest dose of the cord or thecal sac in each course, at one point. No recovery is discounted."]
    if len(courses.courses) > 2:
        remarks.append("The sources speak of one earlier course; with more, the shortest interval counts.")
    if lumbar:
        remarks.append(f"Courses and score at alpha/beta {courses.alpha_beta_gy:g} Gy (lumbar cord); conditions and exploratory model keep their own.")
    return remarks
