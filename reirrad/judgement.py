"""Limits held against organs: every finding of a case, of its proposed schedule or of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from reirrad.band import Uncertainty
from reirrad.course import Case
from reirrad.errors import Notice, printable
from reirrad.evaluation import Finding, evaluate, not_evaluable
from reirrad.limit import Limit
from reirrad.organresult import OrganResult
from reirrad.organs import side
from reirrad.organsum import joined
from reirrad.situation import Situation

__all__ = ["LimitChoice", "held", "judged", "other_fractions", "situations_of", "subjects"]

ALARM: Final = "cumulative_above_own_maxima"


@dataclass(frozen=True, slots=True)
class LimitChoice:
    """The limits of a case.

    Parameters
    ----------
    limits : tuple of Limit
    from_file : frozenset of str
        Ids of limits the user wrote: they are reported even when no structure of their organ exists.
    sets : tuple of str
        Where they come from.
    uncertainty : Uncertainty or None
        What may be wrong, to be tried on every limit.
    """

    limits: tuple[Limit, ...]
    from_file: frozenset[str]
    sets: tuple[str, ...]
    uncertainty: Uncertainty | None = None


def situations_of(case: Case) -> list[Situation]:
    """What limits refer to, for each proposed course, the reference first; one without a proposed course if there is none."""
    names = {k: c.name for k, c in enumerate(case.courses)}
    priors = frozenset(k for k, c in enumerate(case.courses) if c.kind == "prior")
    numbers: tuple[int | None, ...] = case.proposed_courses or (None,)
    return [Situation(k, None if k is None else case.courses[k].fractions, case.interval_months, names, priors) for k in numbers]


def judged(case: Case, choice: LimitChoice, organs: Sequence[OrganResult], situations: Sequence[Situation]) -> tuple[list[Finding], list[Notice]]:
    """Hold every limit against every organ it speaks of.

    Parameters
    ----------
    organs : sequence of OrganResult
        Of the case, or with a course in another schedule (`rescheduling`).
    situations : sequence of Situation
        One for each proposed course, the one that limits of all courses refer to first.

    Returns
    -------
    findings, notices
        And what to know of limits and organs that do not belong together.
    """
    findings: list[Finding] = []
    other_schedule: dict[str, None] = {}
    for result in organs:
        for limit in choice.limits:
            if limit.organ == result.organ and not limit.combine_sides:
                findings += _findings(limit, result, choice, situations, other_schedule)
    for limit in choice.limits:
        if limit.combine_sides:
            those, one_missing = subjects(limit, organs)
            findings += [finding for result in those for finding in _findings(limit, result, choice, situations, other_schedule)]
            findings += [one_missing] if one_missing is not None else []
    notices: list[Notice] = []
    if other_schedule:
        listed = ", ".join(printable(limit_id) for limit_id in other_schedule)
        numbers = " or ".join(dict.fromkeys(str(s.proposed_fractions) for s in situations))
        message = f"Limits for other numbers of fractions than the {numbers} proposed are not checked: {listed}."
        notices.append(Notice("limit_other_fractions", message))
    findings += _without_structure(case, choice, notices)
    without = [printable(o.name, 40) for o in organs if not any(f.structure is not None and o.name in f.structure.split(" + ") for f in findings)]
    if without:
        message = f"No limit of the chosen sets applies to these structures; their doses are shown and not judged: {', '.join(without)}."
        notices.append(Notice("organ_without_limit", message))
    return findings, notices


def other_fractions(limit: Limit, choice: LimitChoice, situation: Situation) -> str | None:
    """Why a limit that is for other numbers of fractions leaves its metric unjudged; None where another row of the same table is for the proposed number."""
    n = situation.proposed_fractions or 0
    alike = (limit.organ, limit.metric, limit.quantity, limit.scope, limit.level, limit.combine_sides)
    same = [o for o in choice.limits if (o.organ, o.metric, o.quantity, o.scope, o.level, o.combine_sides) == alike]
    if any((o.min_fractions or n) <= n <= (o.max_fractions or n) for o in same):
        return None
    return f"the limit is for other numbers of fractions than the {n} proposed"


def _findings(limit: Limit, result: OrganResult, choice: LimitChoice, situations: Sequence[Situation], other_schedule: dict[str, None]) -> list[Finding]:
    """Findings of one limit for one structure: one, but for a limit of one course one for each proposed course.

    A limit the user wrote for other numbers of fractions is noted in `other_schedule`; it is a finding too where nothing takes its place.
    """
    found = []
    for situation in situations if limit.scope == "course" else situations[:1]:
        finding = held(limit, result, situation)
        if finding is not None:
            found.append(finding)
        elif limit.id in choice.from_file:
            other_schedule[limit.id] = None
            if (reason := other_fractions(limit, choice, situation)) is not None:
                found.append(not_evaluable(limit, result.name, reason, situation.proposed if limit.scope == "course" else None))
    return found


def held(limit: Limit, result: OrganResult, situation: Situation) -> Finding | None:
    """Hold one limit against one structure; None when the limit is for other numbers of fractions than the proposed course has."""
    if result.sum is None:
        return not_evaluable(limit, result.name, "the structure has no closed contours")
    finding = evaluate(limit, result.name, result.sum, situation, result.kept)
    if finding is not None and finding.status == "pass" and limit.scope == "cumulative" and ALARM in {n.code for n in result.notices}:
        finding = replace(
            finding, status="caution", reason="the registration or a contour does not fit this organ: the sum is larger than its courses can make it"
        )
    if finding is None or not result.is_incomplete:
        return finding
    missing = "open lines on planes of their own were left out: a part of the structure may be missing"
    only_rises = limit.metric.kind in ("max", "dose_at_volume") and limit.metric.argument_unit != "%"
    if finding.status == "exceed" and only_rises and finding.bound != "upper":
        return replace(finding, reason=f"at least this: {missing}", bound="lower")
    return not_evaluable(limit, result.name, missing, finding.course)


def subjects(limit: Limit, organs: Sequence[OrganResult]) -> tuple[list[OrganResult], Finding | None]:
    """Structures that a limit is held against.

    A limit of a paired organ taken together is held against the structure that is both, else against left and right as one.

    Returns
    -------
    list of OrganResult, Finding or None
        The finding says why both sides cannot be taken together.
    """
    here = [o for o in organs if o.organ == limit.organ]
    if not limit.combine_sides or not here:
        return here, None
    both = [o for o in here if side(o.name) is None]
    left, right = ([o for o in here if side(o.name) == which] for which in ("left", "right"))
    whole = both if len(both) == 1 else []
    if whole and not (left and right):
        return whole, None
    if len(left) != 1 or len(right) != 1 or left[0].sum is None or right[0].sum is None:
        listed = " + ".join(o.name for o in here)
        return whole, not_evaluable(limit, listed, "the limit is for both sides together; needed is one structure of each side, or one of both")
    both_sums = joined([left[0].sum, right[0].sum])
    pair = replace(
        left[0],
        name=f"{left[0].name} + {right[0].name}",
        sum=both_sums,
        is_incomplete=left[0].is_incomplete or right[0].is_incomplete,
        notices=(*left[0].notices, *right[0].notices),
    )
    return [*whole, pair], None


def _without_structure(case: Case, choice: LimitChoice, notices: list[Notice]) -> list[Finding]:
    """Limits whose organ no structure stands for: a finding where the user wrote the limit, one notice for those of a library set."""
    present = {key for _, key in case.organs}
    expected = {key for _, key in case.missing}
    findings, unseen = [], set()
    for limit in choice.limits:
        if limit.organ in present:
            continue
        if limit.id in choice.from_file or limit.organ in expected:
            reason = f"no structure of the reference course stands for the organ {limit.organ}"
            findings.append(not_evaluable(limit, None, reason))
            notices.append(Notice("limit_without_structure", f"Limit {printable(limit.id)} is not evaluable: {reason}; its dose is not known."))
        else:
            unseen.add(limit.organ)
    if unseen:
        message = f"The limit sets also have limits for organs without a structure in the reference course, which are not checked: {', '.join(sorted(unseen))}."
        notices.append(Notice("organ_not_contoured", message))
    return findings
