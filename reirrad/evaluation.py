"""A limit held against the dose of an organ: pass, caution, exceed, or not evaluable with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from reirrad.clauses import ClauseFinding, clause_findings
from reirrad.dvh import Undefined
from reirrad.limit import Limit
from reirrad.metrics import Metric
from reirrad.organsum import Bounds, OrganSum
from reirrad.situation import DECIMALS, Situation, Status

__all__ = ["Finding", "evaluate", "not_evaluable"]

Bound = Literal["exact", "lower", "upper"]

# A value within this part of its limit is a caution: no dose in a patient is known better.
NEAR = 0.05
# A physical limit for so many fractions or more was made for conventional ones; with larger fractions than this it is easier than meant.
CONVENTIONAL_FRACTIONS = 20
CONVENTIONAL_GY = 2.1
WORST_FIRST: tuple[Status, ...] = ("exceed", "not_evaluable", "caution", "pass")


@dataclass(frozen=True, slots=True)
class Finding:
    """One limit for one structure.

    Parameters
    ----------
    structure : str or None
        As in the RTSTRUCT; None when no structure of that organ exists.
    value : float or None
        Without recovery, in the unit of the limit; None when not evaluable.
    reason : str or None
        Why it is not evaluable, or what to know about the value.
    bound : str
        Whether the value is ``exact``, or what it is at least (``lower``) or at most (``upper``).
    course : int or None
        For a limit of one course: which.
    value_with_recovery : float or None
        The same after recovery; None where no recovery is chosen or the limit is not of all courses.
    status_without_recovery : str or None
        For a limit that is meant for sums after recovery, and is judged with it: what would be found without.
    clauses : tuple of ClauseFinding
        For a rule of several clauses; its status is the worst of them.
    """

    limit: Limit
    structure: str | None
    value: float | None
    status: Status
    reason: str | None = None
    bound: Bound = "exact"
    course: int | None = None
    value_with_recovery: float | None = None
    status_without_recovery: Status | None = None
    clauses: tuple[ClauseFinding, ...] = ()

    @property
    def is_lower_bound(self) -> bool:
        """Whether the value is only what it is at least."""
        return self.bound == "lower"

    @property
    def judged_value(self) -> float | None:
        """The value that was held against the limit."""
        return self.value if self.status_without_recovery is None else self.value_with_recovery

    @property
    def margin(self) -> float | None:
        """What is left until the limit (negative: by how much it is exceeded), in its unit."""
        if self.judged_value is None:
            return None
        left = self.limit.limit - self.judged_value
        return -left if self.limit.comparator == ">=" else left


def evaluate(limit: Limit, structure: str, organ: OrganSum, situation: Situation, kept: Mapping[int, float] | None = None) -> Finding | None:
    """Hold one limit against one organ; None when its schedule condition is not that of the proposed course.

    Parameters
    ----------
    kept : mapping, optional
        Course to the part of its EQD2 that still counts after recovery; None when no recovery is chosen.
    """
    n = situation.proposed_fractions
    if n is not None and ((limit.min_fractions or n) > n or (limit.max_fractions or n) < n):
        return None
    course = situation.proposed if limit.scope == "course" else None
    if reason := _not_applicable(limit, situation):
        return not_evaluable(limit, structure, reason, course)
    finding = _if_conventional(replace(_found(limit, structure, organ, course, None), course=course), organ, n)
    if kept is not None and limit.scope == "cumulative":
        finding = _with_recovery(finding, _found(limit, structure, organ, None, kept))
    return _with_clauses(finding, organ, situation) if limit.clauses else finding


def not_evaluable(limit: Limit, structure: str | None, reason: str, course: int | None = None) -> Finding:
    """Make the finding of a limit that cannot be held against anything."""
    return Finding(limit, structure, None, "not_evaluable", reason, course=course)


def _not_applicable(limit: Limit, situation: Situation) -> str | None:
    """Why a limit cannot be applied in this situation."""
    if limit.scope == "course" and situation.proposed is None:
        return "the limit is for the proposed course, and the case has none"
    if limit.scope == "cumulative" and limit.quantity == "physical":
        return "physical doses of courses with different fractionation are not summed; a limit in EQD2 or BED is needed"
    if situation.proposed_fractions is None and (limit.min_fractions is not None or limit.max_fractions is not None):
        return "the limit holds for certain numbers of fractions of the proposed course, and the case has none"
    months = situation.interval_months
    if limit.min_interval_months is not None:
        if months is None:
            return f"the limit holds for an interval of at least {limit.min_interval_months:g} months, and the interval is not known"
        if months < limit.min_interval_months:
            return f"the limit holds for an interval of at least {limit.min_interval_months:g} months; here it is {months:.2f}"
    if limit.max_interval_months is not None and (months is None or months > limit.max_interval_months):
        found = "not known" if months is None else f"{months:.2f}"
        return f"the limit holds for an interval of at most {limit.max_interval_months:g} months; here it is {found}"
    return None


def _if_conventional(finding: Finding, organ: OrganSum, n: int | None) -> Finding:
    """Hold a physical limit published for conventional fractions not for met where the fractions are larger: the same dose then does more."""
    limit = finding.limit
    if finding.status != "pass" or limit.quantity != "physical" or (limit.min_fractions or 0) < CONVENTIONAL_FRACTIONS or n is None:
        return finding
    largest = organ.value(Metric("max"), "Gy", "physical", None, finding.course).high
    if largest is not None and largest / n <= CONVENTIONAL_GY:
        return finding
    found = "not known" if largest is None else f"up to {largest / n:.2f} Gy"
    reason = f"the limit was published for fractions of about 2 Gy, and in this structure they are {found}: the same dose does more"
    return replace(finding, status="caution", reason="; ".join(filter(None, (finding.reason, reason))))


def _found(limit: Limit, structure: str, organ: OrganSum, course: int | None, kept: Mapping[int, float] | None) -> Finding:
    """Judge the value, or what is known of it."""
    try:
        bounds = organ.value(limit.metric, limit.unit, limit.quantity, limit.alpha_beta_gy, course, kept)
    except Undefined as why:
        return not_evaluable(limit, structure, f"{why}")
    return _judge_bounds(limit, structure, bounds)


def _judge_bounds(limit: Limit, structure: str, bounds: Bounds) -> Finding:
    if bounds.is_exact and bounds.high is not None:
        return _judge(limit, structure, bounds.high)
    if limit.comparator != ">=":
        if bounds.low is not None and (finding := _judge(limit, structure, bounds.low)).status == "exceed":
            return replace(finding, reason=f"at least this: {bounds.reason}", bound="lower")
        if bounds.high is not None:
            finding = _judge(limit, structure, bounds.high)
            known = f"; at least {bounds.low:.2f} {limit.unit}" if finding.status == "exceed" and bounds.low is not None else ""
            return replace(finding, reason="; ".join(filter(None, (finding.reason, f"at most this: {bounds.reason}{known}"))), bound="upper")
    return not_evaluable(limit, structure, bounds.reason)


def _judge(limit: Limit, structure: str, value: float) -> Finding:
    value = round(value, DECIMALS)
    if limit.comparator == ">=":
        met, near = value >= limit.limit, value < limit.limit * (1 + NEAR)
        between = limit.caution is not None and value < limit.caution
    else:
        met = value < limit.limit if limit.comparator == "<" else value <= limit.limit
        near = value > limit.limit * (1 - NEAR)
        between = limit.caution is not None and value > limit.caution
    if not met:
        return Finding(limit, structure, value, "exceed")
    if between:
        return Finding(limit, structure, value, "caution", f"within the published range, between {limit.caution:g} and {limit.limit:g} {limit.unit}")
    if near:
        return Finding(limit, structure, value, "caution", f"within {100 * NEAR:g} % of the limit")
    return Finding(limit, structure, value, "pass")


# ------------------------------------------------------------------------------------------------------- recovery

RAW = {
    "raw": "the limit was derived from sums without recovery, and is not compared with a sum after recovery",
    "built_in": "the limit has recovery in it already, and is not compared with a sum after recovery",
    "not_stated": "the source of the limit does not say that it is for sums after recovery, so it is not compared with one",
}


def _with_recovery(without: Finding, after: Finding) -> Finding:
    """Set the value after recovery beside the one without; only a limit meant for sums after recovery is judged with it.

    A limit that is met with recovery alone is a caution: it rests on a model.
    """
    limit = without.limit
    if limit.recovery != "discounted":
        return replace(without, value_with_recovery=after.value, reason="; ".join(filter(None, (without.reason, RAW[limit.recovery]))))
    status, reason = after.status, after.reason
    if WORST_FIRST.index(without.status) < WORST_FIRST.index(after.status):
        status = "caution"
        value = "is not known" if without.value is None else f"is {without.value:.2f} {limit.unit} ({without.status})"
        reason = "; ".join(filter(None, (after.reason, f"only with recovery: without it the value {value}")))
    return replace(
        after, value=without.value, status=status, reason=reason, course=without.course, value_with_recovery=after.value, status_without_recovery=without.status
    )


# ------------------------------------------------------------------------------------------------------- rules of several clauses


def _with_clauses(finding: Finding, organ: OrganSum, situation: Situation) -> Finding:
    """Evaluate every further clause of a rule; all must hold."""
    clauses = tuple(one for clause in finding.limit.clauses for one in clause_findings(clause, finding.limit, organ, situation))
    status = min((finding.status, *(c.status for c in clauses)), key=WORST_FIRST.index)
    told = [f"{c.words}: {c.reason}" if c.reason else c.words for c in clauses if c.status in ("exceed", "not_evaluable")]
    value = finding.value
    if status == "not_evaluable" and value is not None:
        told.insert(0, f"the sum itself is {value:.2f} {finding.limit.unit} ({finding.status})")
        value = None
    return replace(finding, value=value, status=status, reason="; ".join(filter(None, (finding.reason, *told))) or None, clauses=clauses)
