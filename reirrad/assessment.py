"""The whole calculation, readable from top to bottom: structures to points, dose of every course at them, sums, limits."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Literal

from reirrad.band import Uncertainty, UncertaintyResult
from reirrad.constraints import Limit
from reirrad.course import Case
from reirrad.disagreements import Disagreement, for_organ
from reirrad.errors import Notice, printable
from reirrad.evaluation import Finding, evaluate, not_evaluable
from reirrad.organregistration import step_of_set_mm
from reirrad.organresult import OrganResult, compute
from reirrad.organs import side
from reirrad.organsum import joined
from reirrad.riskscore import RiskScore, risk_scores
from reirrad.situation import Situation
from reirrad.structures import Structure
from reirrad.uncertainty import bands

__all__ = ["Assessment", "LimitChoice", "Verdict", "assess"]

Verdict = Literal["within", "caution", "exceeded", "not_evaluable"]
ALARM: Final = "cumulative_above_own_maxima"
MAX_THREADS: Final = 4  # more gain nothing: half of the time is spent in short array operations


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


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """The result for one case."""

    case: Case
    organs: tuple[OrganResult, ...]
    findings: tuple[Finding, ...]
    notices: tuple[Notice, ...]
    limit_sets: tuple[str, ...]
    risk_scores: tuple[RiskScore, ...] = ()
    uncertainty: UncertaintyResult | None = None

    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Where publications contradict each other about an organ with a finding."""
        present = dict.fromkeys(f.limit.organ for f in self.findings)
        return tuple(dict.fromkeys(d for key in present for d in for_organ(key)))

    @property
    def verdict(self) -> Verdict:
        """Words for the whole: exceeded and not_evaluable speak of mandatory limits, caution of any limit."""
        mandatory = [f.status for f in self.findings if f.limit.level == "mandatory"]
        if "exceed" in mandatory:
            return "exceeded"
        if "not_evaluable" in mandatory or not any(f.status != "not_evaluable" for f in self.findings):
            return "not_evaluable"
        return "caution" if any(f.status in ("caution", "exceed") for f in self.findings) else "within"


def assess(case: Case, choice: LimitChoice, progress: Callable[[str], None] = lambda _: None) -> Assessment:
    """Calculate a case.

    Parameters
    ----------
    case : Case
    choice : LimitChoice
    progress : callable
        Told the name of each structure before it is calculated.
    """
    situations = _situations(case)
    organs = _organs(case, progress)
    findings: list[Finding] = []
    other_schedule: dict[str, None] = {}
    for result in organs:
        for limit in choice.limits:
            if limit.organ != result.organ or limit.combine_sides:
                continue
            for situation in situations if limit.scope == "course" else situations[:1]:
                finding = _finding(limit, result, situation)
                if finding is not None:
                    findings.append(finding)
                elif limit.id in choice.from_file:
                    other_schedule[limit.id] = None
                    if not _has_row_for(limit, choice, situation):
                        reason = f"the limit is for other numbers of fractions than the {situation.proposed_fractions} proposed"
                        findings.append(not_evaluable(limit, result.name, reason, situation.proposed if limit.scope == "course" else None))
    findings += _of_both_sides(choice, organs, situations)
    notices = list(case.notices)
    for course in case.courses:
        notices += course.notices
    for result in organs:
        notices += result.notices
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
    tried = None
    if choice.uncertainty is not None:
        progress("uncertainty")
        tried = bands(case, organs, findings, choice.uncertainty, situations)
        notices += tried.notices
    return Assessment(case, tuple(organs), tuple(findings), tuple(dict.fromkeys(notices)), choice.sets, risk_scores(case, organs), tried)


def _situations(case: Case) -> list[Situation]:
    """What limits refer to, for each proposed course, the reference first; one without a proposed course if there is none."""
    names = {k: c.name for k, c in enumerate(case.courses)}
    priors = frozenset(k for k, c in enumerate(case.courses) if c.kind == "prior")
    numbers: tuple[int | None, ...] = case.proposed_courses or (None,)
    return [Situation(k, None if k is None else case.courses[k].fractions, case.interval_months, names, priors) for k in numbers]


def _organs(case: Case, progress: Callable[[str], None]) -> list[OrganResult]:
    """Calculate every structure, a few at a time on as many cores; each on its own, so that the results do not depend on how many."""
    step = step_of_set_mm(case.courses[case.reference])

    def one(item: tuple[Structure, str]) -> OrganResult:
        structure, key = item
        progress(structure.name)
        return compute(case, structure, key, step)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        return list(pool.map(one, case.organs))


def _has_row_for(limit: Limit, choice: LimitChoice, situation: Situation) -> bool:
    """Whether the limits hold another row of the same table that is for the proposed number of fractions."""
    n = situation.proposed_fractions or 0
    alike = (limit.organ, limit.metric, limit.quantity, limit.scope, limit.level)
    same = [o for o in choice.limits if (o.organ, o.metric, o.quantity, o.scope, o.level) == alike]
    return any((o.min_fractions or n) <= n <= (o.max_fractions or n) for o in same)


def _findings(limit: Limit, result: OrganResult, situations: list[Situation]) -> list[Finding]:
    """Findings of one limit for one structure: one, but for a limit of one course one for each proposed course whose schedule it is for."""
    if limit.scope == "cumulative":
        situations = situations[:1]
    return [finding for situation in situations if (finding := _finding(limit, result, situation)) is not None]


def _finding(limit: Limit, result: OrganResult, situation: Situation) -> Finding | None:
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


def _of_both_sides(choice: LimitChoice, organs: list[OrganResult], situations: list[Situation]) -> list[Finding]:
    """Limits of paired organs taken together: of the structure that is both, else of left and right."""
    findings: list[Finding] = []
    for limit in choice.limits:
        here = [o for o in organs if o.organ == limit.organ]
        if not limit.combine_sides or not here:
            continue
        both = [o for o in here if side(o.name) is None]
        left, right = ([o for o in here if side(o.name) == which] for which in ("left", "right"))
        if len(both) == 1:
            findings += _findings(limit, both[0], situations)
            if not (left and right):
                continue
        if len(left) != 1 or len(right) != 1 or left[0].sum is None or right[0].sum is None:
            listed = " + ".join(o.name for o in here)
            findings.append(not_evaluable(limit, listed, "the limit is for both sides together; needed is one structure of each side, or one of both"))
            continue
        name = f"{left[0].name} + {right[0].name}"
        pair = replace(left[0], name=name, sum=joined([left[0].sum, right[0].sum]), is_incomplete=left[0].is_incomplete or right[0].is_incomplete)
        findings += _findings(limit, pair, situations)
    return findings


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
