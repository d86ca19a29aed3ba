"""How much of the proposed course can be given in which schedule: for each one the largest scale of its own dose distribution that every limit allows.

The dose per fraction is scaled and the number of equal fractions is set; nothing is optimised again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from reirrad.assessment import Assessment
from reirrad.casenotices import repair_notices
from reirrad.course import Case
from reirrad.errors import Notice, ParameterError, printable
from reirrad.evaluation import Finding
from reirrad.halftimes import half_time
from reirrad.isotoxic import LargestScale, ScaledOrgan
from reirrad.judgement import LimitChoice, held, other_fractions, situations_of, subjects
from reirrad.limit import Limit
from reirrad.organresult import LQ_GY, ROUNDING, OrganResult
from reirrad.organs import side
from reirrad.recheck import Recheck
from reirrad.rescheduling import course_to_reschedule, rescheduled, rescheduled_case
from reirrad.schedulechoice import DEFAULT_SCHEDULES, ScheduleChoice
from reirrad.situation import Situation
from reirrad.timing import Timing, repair_factor

__all__ = ["DEFAULT_SCHEDULES", "Bound", "Exploration", "IsotoxicRow", "ScheduleChoice", "explore"]

MAX_THREADS: Final = 4
SAME: Final = 3e-6  # scales as near as this have the same points
NEAR: Final = 3e-3  # limits that bind within this part above the least one may come before it at other points
PATIENCE: Final = 12
MOST_TURNS: Final = 40
LESS: Final = 1 - 1e-4
READS_GY: Final = 3e-4  # a value as near as this below its limit reads the limit


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest scale at which one limit is met in one structure.

    Parameters
    ----------
    structure : str or None
        As in the RTSTRUCT, "left + right" for both sides; None when no structure of that organ exists.
    course : int or None
        For a limit of one course: which.
    scale : float or None
        None when no scale meets it; infinity when none up to a thousand breaks it.
    dose_gy : float or None
        Prescription times scale; None or infinity as the scale.
    value_at : float or None
        Value that is held against the limit at this scale, in the unit of the limit; where no scale meets it, without the course.
    limit_value : float
        The limit, in its unit.
    deficit : float or None
        Where no scale meets it: by how much it is exceeded without the course, in its unit; None where that has no number (a clause).
    is_judged : bool
        Whether the limit can be shown to be met at this scale. Where it cannot (unknown dose), the scale is the one above which it is surely exceeded.
    reason : str or None
        Why it is not judged, why no scale meets it, or what to know of the value.
    """

    limit: Limit
    structure: str | None
    course: int | None
    scale: float | None
    dose_gy: float | None
    value_at: float | None
    limit_value: float
    deficit: float | None = None
    is_judged: bool = True
    reason: str | None = None

    @property
    def order(self) -> float:
        """Scale as a number: 0 where no scale meets the limit."""
        return 0.0 if self.scale is None else self.scale


@dataclass(frozen=True, slots=True)
class IsotoxicRow:
    """One schedule: the largest dose that meets every mandatory limit, and the largest that meets the optimal ones too.

    Parameters
    ----------
    scale, optimal_scale : float or None
        What multiplies the proposed course; None when nothing can be given; infinity when no limit restricts it.
    dose_gy, optimal_dose_gy : float
        Prescription times scale; 0 when nothing can be given.
    dose_per_fraction_gy : float
        The same for one fraction.
    binding, optimal_binding : Bound or None
        The limit that is met just so, or that no scale meets; None where none restricts.
    next : Bound or None
        The mandatory limit that would bind next, were it not for the binding one.
    next_value, next_margin : float or None
        Value of that limit at the solution, and what is left until it, in its unit.
    largest_per_fraction_gy : float or None
        Largest dose per fraction in any organ at the solution; None where nothing is known, or nothing restricts.
    bounds : tuple of Bound
        Of every limit for this number of fractions, by rising scale; those that cannot be judged too.
    reason : str or None
        Why nothing can be given, or that nothing restricts.
    """

    choice: ScheduleChoice
    scale: float | None
    dose_gy: float
    dose_per_fraction_gy: float
    binding: Bound | None
    next: Bound | None
    next_value: float | None
    next_margin: float | None
    optimal_scale: float | None
    optimal_dose_gy: float
    optimal_binding: Bound | None
    largest_per_fraction_gy: float | None
    bounds: tuple[Bound, ...]
    reason: str | None = None

    @property
    def unjudged(self) -> tuple[Bound, ...]:
        """Limits that cannot be shown to be met."""
        return tuple(b for b in self.bounds if not b.is_judged)

    @property
    def is_beyond_lq(self) -> bool:
        """Whether a fraction is larger than the linear-quadratic model is supported for."""
        largest = max(self.dose_per_fraction_gy, self.largest_per_fraction_gy or 0.0)
        return math.isfinite(largest) and largest > LQ_GY * ROUNDING


@dataclass(frozen=True, slots=True)
class Exploration:
    """All schedules for one case.

    Parameters
    ----------
    course : int
        Number of the proposed course that is scaled.
    prescription_gy : float
        Its prescription, scale 1.
    """

    rows: tuple[IsotoxicRow, ...]
    course: int
    prescription_gy: float
    notices: tuple[Notice, ...] = ()


def explore(
    assessment: Assessment,
    choice: LimitChoice,
    schedules: Sequence[ScheduleChoice] = DEFAULT_SCHEDULES,
    course: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Exploration:
    """Find the largest dose of each schedule that every limit allows.

    Parameters
    ----------
    assessment : Assessment
        Of the case as it stands; its organs are used as they are.
    choice : LimitChoice
        The limits of the case.
    course : int, optional
        Number of the proposed course to scale; see `rescheduling.course_to_reschedule`. Default the one that limits of one course are for.
    progress : callable
        Told the name of each structure.

    Raises
    ------
    ParameterError
        When no schedule is asked for, or the course cannot be scaled: see `rescheduling.course_to_reschedule`.
    """
    case = assessment.case
    number = course_to_reschedule(case, None if course is None else case.courses[course].name)
    prescription = case.courses[number].delivered_gy
    assert prescription is not None, "course_to_reschedule sees to it"
    if not schedules:
        raise ParameterError("No schedule is asked for; needed is at least one number of fractions. Name one.")
    among = [_situations(case, number, schedule) for schedule in schedules]
    tasks, unknown = _tasks(case, choice, assessment.organs, number)

    def solve(subject: _Subject) -> list[list[_Found]]:
        progress(subject.result.name)
        return _of_structure(case, subject, schedules, among, number, prescription)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        solved = list(pool.map(solve, tasks))
        largest_gy = max((gy for organ in assessment.organs if (gy := _largest_gy(organ, number)) is not None), default=None)
        recheck = Recheck(case, assessment.organs, number)

        def one(k: int) -> IsotoxicRow:
            schedule, situations = schedules[k], among[k]
            found = [f for each in solved for f in each[k]] + [f for f in unknown if _is_for(f.bound.limit, situations)]
            found += _for_other_fractions(choice, tasks, situations, number)
            settling = _Settling(case, schedule, situations, recheck, prescription)
            found = settling.settled(settling.settled(found, ("mandatory",)), ("mandatory", "optimal"))
            return _row(schedule, found, prescription, largest_gy, settling.at)

        rows = tuple(pool.map(one, range(len(schedules))))
    return Exploration(rows, number, prescription, tuple(_notices(case, choice, rows, number)))


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """A structure, or both sides of a paired organ as one, with the limits that are held against it.

    Parameters
    ----------
    numbers : tuple of int
        Of its structures in the case.
    """

    result: OrganResult
    numbers: tuple[int, ...]
    limits: list[Limit]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The bound of one limit.

    Parameters
    ----------
    subject : _Subject or None
        None for a limit that can be held against nothing.
    settled_at : float or None
        Scale at whose own points it was solved.
    """

    bound: Bound
    subject: _Subject | None = None
    settled_at: float | None = None

    def is_settled(self, scale: float) -> bool:
        """Whether it was solved at the points of this scale."""
        return self.settled_at is not None and abs(self.settled_at / scale - 1) <= SAME


def _situations(case: Case, course: int, schedule: ScheduleChoice) -> dict[str, Situation]:
    """What limits of all courses, and of the course alone, refer to under a schedule."""
    all_courses = situations_of(case)
    own = next(s for s in all_courses if s.proposed == course)
    this = replace(own, proposed_fractions=schedule.fractions)
    return {"course": this, "cumulative": this if own is all_courses[0] else all_courses[0]}


def _is_for(limit: Limit, situations: dict[str, Situation]) -> bool:
    n = situations[limit.scope].proposed_fractions or 0
    return (limit.min_fractions or n) <= n <= (limit.max_fractions or n)


def _tasks(case: Case, choice: LimitChoice, organs: Sequence[OrganResult], course: int) -> tuple[list[_Subject], list[_Found]]:
    """Structures with their limits; and limits that can be held against none."""
    tasks: dict[tuple[int, ...], _Subject] = {}
    expected = {key for _, key in case.missing}
    unknown = []
    for limit in choice.limits:
        here, one_side_missing = subjects(limit, organs)
        if one_side_missing is not None:
            unknown.append(_unknown(limit, one_side_missing.structure, one_side_missing.reason, course))
        elif not here and (limit.id in choice.from_file or limit.organ in expected):
            unknown.append(_unknown(limit, None, f"no structure of the reference course stands for the organ {limit.organ}", course))
        for result in here:
            if result.sum is None:
                unknown.append(_unknown(limit, result.name, "the structure has no closed contours", course))
                continue
            numbers = tuple(k for k, o in enumerate(organs) if o is result) or tuple(
                k for k, o in enumerate(organs) if o.organ == limit.organ and side(o.name) is not None
            )
            tasks.setdefault(numbers, _Subject(result, numbers, [])).limits.append(limit)
    return list(tasks.values()), unknown


def _unknown(limit: Limit, structure: str | None, reason: str | None, course: int) -> _Found:
    own = course if limit.scope == "course" else None
    return _Found(Bound(limit, structure, own, math.inf, math.inf, None, limit.limit, None, False, reason))


def _for_other_fractions(choice: LimitChoice, tasks: Sequence[_Subject], situations: dict[str, Situation], course: int) -> list[_Found]:
    """Limits the user wrote for other numbers of fractions, where nothing takes their place: as in a check, they leave the schedule unjudged."""
    return [
        _unknown(limit, task.result.name, reason, course)
        for task in tasks
        for limit in task.limits
        if limit.id in choice.from_file and not _is_for(limit, situations) and (reason := other_fractions(limit, choice, situations[limit.scope])) is not None
    ]


def _of_structure(
    case: Case, subject: _Subject, schedules: Sequence[ScheduleChoice], among: Sequence[dict[str, Situation]], course: int, prescription_gy: float
) -> list[list[_Found]]:
    """Bounds of one structure for each schedule, at the points of the case as it stands."""
    organ = ScaledOrgan(subject.result, course)
    factors = [_repair(case, subject.result.organ, schedule, course) for schedule in schedules]
    bounds: list[list[_Found]] = [[] for _ in schedules]
    for limit in subject.limits:
        scaled = organ.limit(limit)
        for k, (schedule, factor) in enumerate(zip(schedules, factors, strict=True)):
            found = scaled.largest(schedule.fractions, factor, among[k][limit.scope])
            if found is not None:
                bounds[k].append(_Found(_bound(limit, subject.result.name, course, found, prescription_gy), subject))
    return bounds


def _largest_gy(result: OrganResult, course: int) -> float | None:
    """Largest known dose, Gy, of the course in a structure."""
    if result.sum is None:
        return None
    dose = result.sum.dose
    own = np.concatenate([d[dose.course == course].sum(axis=0) for d in (dose.dose_gy, dose.edge_gy)])
    return float(np.nanmax(own)) if np.isfinite(own).any() else None


def _bound(limit: Limit, structure: str, course: int, found: LargestScale, prescription_gy: float) -> Bound:
    dose_gy = None if found.scale is None else found.scale * prescription_gy
    own = course if limit.scope == "course" else None
    return Bound(limit, structure, own, found.scale, dose_gy, found.value, limit.limit, found.deficit, found.is_judged, found.reason)


def _repair(case: Case, organ: str, schedule: ScheduleChoice, course: int) -> float:
    """What multiplies the quadratic term of a schedule in an organ; slow sessions stay slow."""
    timing = Timing(schedule.per_day, schedule.interval_h, case.courses[course].timing.pattern)
    if not timing.needs_half_time:
        return 1.0
    return repair_factor(timing, schedule.fractions, half_time(organ, case.half_time_h.get(organ)).hours)


class _Settling:
    """The bounds that decide one schedule, solved again at the points that a check of the plan so scaled would use."""

    def __init__(self, case: Case, schedule: ScheduleChoice, situations: dict[str, Situation], recheck: Recheck, prescription_gy: float) -> None:
        self.case, self.schedule, self.situations, self.recheck, self.prescription_gy = case, schedule, situations, recheck, prescription_gy
        self._read: tuple[float, dict[tuple[int, ...], ScaledOrgan]] = (0.0, {})

    def settled(self, found: Sequence[_Found], levels: Sequence[str]) -> list[_Found]:
        """Bounds by rising scale, of which the least of these levels, and those just above it, hold at its own points."""
        ordered = sorted(found, key=lambda f: f.bound.order)
        for turn in range(MOST_TURNS):
            deciding = [k for k, f in enumerate(ordered) if f.bound.limit.level in levels and f.bound.order < math.inf]
            if not deciding or not (scale := ordered[deciding[0]].bound.order):
                break
            k = next((k for k in deciding if ordered[k].bound.order <= scale * (1 + NEAR) and not ordered[k].is_settled(scale)), None)
            if k is None:
                break
            ordered[k] = self._solved(ordered[k], scale, careful=k == deciding[0] and turn >= PATIENCE)
            ordered.sort(key=lambda f: f.bound.order)
        else:
            first = next(k for k, f in enumerate(ordered) if f.bound.limit.level in levels)
            unsettled = replace(
                ordered[first].bound, is_judged=False, reason="its value differs between calculations at nearly the same dose; check the plan itself"
            )
            ordered[first] = replace(ordered[first], bound=unsettled)
        return ordered

    def at(self, found: _Found, scale: float) -> Finding:
        """What a limit reads at a scale, from the points of the case as it stands."""
        assert found.subject is not None, "without a structure no scale is found"
        result, course = found.subject.result, self.recheck.course
        assert result.sum is not None
        total = rescheduled(result.sum, course, scale, self.schedule.fractions, _repair(self.case, result.organ, self.schedule, course))
        finding = held(found.bound.limit, replace(result, sum=total), self.situations[found.bound.limit.scope])
        assert finding is not None, "the limit is for this number of fractions"
        return finding

    def _solved(self, found: _Found, scale: float, careful: bool) -> _Found:
        """Hold a limit against the points of a scale, and solve it there again where it is not met, or not met just so.

        Carefully, where the points of one solution led to another and back: somewhat less, until it is met.
        """
        bound, subject, course, n = found.bound, found.subject, self.recheck.course, self.schedule.fractions
        assert subject is not None
        if self._read[0] != scale:
            self._read = (scale, {})
        organs = self._read[1]
        if subject.numbers not in organs:
            organs[subject.numbers] = ScaledOrgan(replace(subject.result, sum=self.recheck.sum_of(subject.numbers, scale, n)), course)
        scaled, factor, situation = organs[subject.numbers], _repair(self.case, subject.result.organ, self.schedule, course), self.situations[bound.limit.scope]
        reads = held(bound.limit, replace(subject.result, sum=rescheduled(scaled.sum, course, 1.0, n, factor)), situation)
        assert reads is not None, "the limit is for this number of fractions"
        if reads.status not in (("exceed", "not_evaluable") if bound.is_judged else ("exceed",)):
            if bound.order > scale:
                return replace(found, settled_at=scale)
            if careful or (bound.limit.unit == "Gy" and reads.margin is not None and reads.margin <= READS_GY):
                return replace(found, bound=replace(bound, value_at=reads.judged_value, reason=reads.reason), settled_at=scale)
        now = scaled.limit(bound.limit).largest(n, factor, situation)
        assert now is not None, "the limit is for this number of fractions"
        if now.scale is not None:
            now = replace(now, scale=now.scale * scale * (LESS if careful else 1.0))
        return _Found(_bound(bound.limit, subject.result.name, course, now, self.prescription_gy), subject, scale)


def _row(
    schedule: ScheduleChoice, found: Sequence[_Found], prescription_gy: float, largest_gy: float | None, at: Callable[[_Found, float], Finding]
) -> IsotoxicRow:
    """One schedule.

    Parameters
    ----------
    found : sequence of _Found
        By rising scale.
    largest_gy : float or None
        Largest dose of the course in any organ at scale 1.
    at : callable
        What a limit reads at a scale.
    """
    mandatory = [f for f in found if f.bound.limit.level == "mandatory" and f.bound.order < math.inf]
    binding = mandatory[0].bound if mandatory else None
    after = mandatory[1] if len(mandatory) > 1 else None
    tightest = next((f.bound for f in found if f.bound.order < math.inf), None)
    scale, optimal = (math.inf if b is None else b.scale for b in (binding, tightest))
    reason = None
    if scale is None and binding is not None:
        limit, value = binding.limit, binding.value_at
        known = "" if value is None else f" ({limit.metric} {value:.2f} of {limit.limit:g} {limit.unit})"
        reason = f"limit {printable(limit.id)} is not met at any dose{known}: {binding.reason or 'the other courses alone exceed it'}"
    elif scale == math.inf:
        reason = "no mandatory limit restricts this schedule"
    dose_gy = (scale or 0.0) * prescription_gy
    reads = at(after, scale) if after is not None and scale else None
    return IsotoxicRow(
        choice=schedule,
        scale=scale,
        dose_gy=dose_gy,
        dose_per_fraction_gy=dose_gy / schedule.fractions,
        binding=binding,
        next=None if after is None else after.bound,
        next_value=None if reads is None else reads.judged_value,
        next_margin=None if reads is None else reads.margin,
        optimal_scale=optimal,
        optimal_dose_gy=(optimal or 0.0) * prescription_gy,
        optimal_binding=tightest,
        largest_per_fraction_gy=None if largest_gy is None or scale == math.inf else (scale or 0.0) * largest_gy / schedule.fractions,
        bounds=tuple(f.bound for f in found),
        reason=reason,
    )


def _notices(case: Case, choice: LimitChoice, rows: Sequence[IsotoxicRow], course: int) -> list[Notice]:
    name = case.courses[course].name
    notices = []
    beyond = sum(row.is_beyond_lq for row in rows)
    if beyond:
        message = (
            f"In {beyond} of {len(rows)} schedules the dose found means fractions of more than {LQ_GY:g} Gy in the target or an organ: beyond the range in "
            "which the linear-quadratic (LQ) model is supported; such a dose is an outcome of the model and must not be given on its word."
        )
        notices.append(Notice("explore_lq_range", message, name))
    if any(b.limit.level == "mandatory" for row in rows for b in row.unjudged):
        message = "Mandatory limits that cannot be judged are listed with each schedule; no dose found is shown to meet them."
        notices.append(Notice("explore_unjudged_limits", message, name))
    several = next((row.choice for row in rows if row.choice.per_day > 1), None)
    if several is not None:
        timing = Timing(several.per_day, several.interval_h, case.courses[course].timing.pattern)
        notices += repair_notices(rescheduled_case(case, course, 1.0, several.fractions, timing))
    if choice.uncertainty is not None:
        message = (
            "The doses found meet the limits with the values as they are calculated; what is uncertain in the case is not part of them. Compare the schedules "
            "in question with --schedules: their values then have a band."
        )
        notices.append(Notice("explore_without_uncertainty", message, name))
    if len(case.proposed_courses) > 1:
        message = (
            f'Only course "{printable(name)}" is scaled; the other proposed courses stay as they are, and limits for one of them alone are not part of this.'
        )
        notices.append(Notice("explore_other_proposed", message, name))
    return notices
