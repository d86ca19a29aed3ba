"""What earlier courses leave of every cumulative limit: a mathematical budget, not a prescription.

The proposed course is not counted: in its place stands a course that gives no dose anywhere. So the earlier courses alone are assessed as any case is, by the
same rules of recovery, paper, intervals and clauses; what is left of each limit is what may be added evenly to the whole organ, on top.

References
----------
fowler_1989 : the linear-quadratic model. Remaining EQD2 R in n fractions: n d (d + alpha/beta) / (2 + alpha/beta) = R.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Case, Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.dvh import Undefined
from reirrad.errors import Notice, ParameterError
from reirrad.evaluation import Finding
from reirrad.grid import Grid
from reirrad.leftover import clause_caps, leftover
from reirrad.limit import Limit
from reirrad.organresult import OrganResult
from reirrad.organsum import Bounds, joined
from reirrad.parameters import whole
from reirrad.radiobiology import dose_for_eqd2

__all__ = ["BY_FRACTIONS", "Allowance", "Budget", "LimitBudget", "State", "holds_for", "organs_of", "priors_alone", "remaining"]

State = Literal["remains", "deficit", "not_met", "unlimited", "not_evaluable"]
BY_FRACTIONS: Final = (1, 3, 5, 15, 28)
OF_THE_PROPOSED: Final = ("several_proposed_courses", "no_proposed_course")  # notices of what a budget leaves out
LQ_GY: Final = 10.0  # dose per fraction beyond which the linear-quadratic model is questioned
FAR_MM = 1e5


@dataclass(frozen=True, slots=True)
class Allowance:
    """Physical dose of a number of equal fractions, complete repair between them.

    Parameters
    ----------
    dose_gy : float or None
        None with a reason.
    is_beyond_lq : bool
        More than 10 Gy a fraction, where the linear-quadratic model is questioned.
    """

    fractions: int
    dose_gy: float | None
    reason: str | None = None
    is_beyond_lq: bool = False


@dataclass(frozen=True, slots=True)
class LimitBudget:
    """What is left of one limit in one structure.

    Parameters
    ----------
    structure : str or None
        None where no structure stands for the organ.
    state : str
        ``remains``, ``deficit``, ``not_met`` (a condition fails, or the limit is exceeded by an unknown amount), ``unlimited`` (no even dose can break it),
        ``not_evaluable``.
    prior : Bounds
        Value of the earlier courses in the unit of the limit, without recovery.
    remaining_eqd2_gy : float or None
        Largest EQD2 that may be added evenly; negative for a deficit. For a limit with "<" the bound that is not to be reached.
    at_least : bool
        Whether at least this remains, for the earlier dose is known as an upper bound only.
    without_recovery_gy, with_recovery_gy : float or None
        The same, without and with recovery; `remaining_eqd2_gy` is the one the limit is for, capped by its clauses.
    binding : str
        ``sum``, or the clause that permits least.
    by_fractions : tuple of Allowance
    closed : str or None
        Why nothing may be given whatever the dose was: a condition of the rule fails, or cannot be judged.
    """

    limit: Limit
    structure: str | None
    state: State
    prior: Bounds
    remaining_eqd2_gy: float | None
    reason: str | None = None
    at_least: bool = False
    without_recovery_gy: float | None = None
    with_recovery_gy: float | None = None
    binding: str = "sum"
    by_fractions: tuple[Allowance, ...] = ()
    closed: str | None = None

    @property
    def deficit_eqd2_gy(self) -> float | None:
        """By how much the earlier courses exceed the limit; None when they do not, or by an unknown amount."""
        return -self.remaining_eqd2_gy if self.state == "deficit" and self.remaining_eqd2_gy is not None else None

    def dose_gy(self, fractions: int) -> float | None:
        """Physical dose of so many fractions; None when there is none."""
        return next((a.dose_gy for a in self.by_fractions if a.fractions == fractions), None)


@dataclass(frozen=True, slots=True, eq=False)
class Budget:
    """What the earlier courses leave.

    Parameters
    ----------
    case : Case
        As it is, with the proposed course.
    priors : Assessment
        Of the earlier courses alone.
    fractions : tuple of int
        Asked for, first the one of interest.
    """

    case: Case
    priors: Assessment
    rows: tuple[LimitBudget, ...]
    fractions: tuple[int, ...]
    notices: tuple[Notice, ...] = ()

    @property
    def something_remains(self) -> bool:
        """Whether every mandatory limit that holds for the asked fractions leaves something, and any limit could be checked at all."""
        here = [r for r in self.rows if any(holds_for(r.limit, n) for n in self.fractions)]
        left = [r for r in here if r.state == "unlimited" or (r.state == "remains" and (r.remaining_eqd2_gy or 0.0) > 0)]
        return bool(left) and all(r in left for r in here if r.limit.level == "mandatory")


def remaining(case: Case, choice: LimitChoice, fractions: Sequence[int] = (5,), progress: Callable[[str], None] = lambda _: None) -> Budget:
    """Calculate what remains of every cumulative limit.

    Parameters
    ----------
    fractions : sequence of int
        Asked for; 1, 3, 5, 15 and 28 are always shown too.

    Raises
    ------
    ParameterError
        Without an earlier course, a cumulative limit, or sensible fractions.
    """
    for n in fractions:
        whole("fractions", n)
    if not any(c.kind == "prior" for c in case.courses):
        raise ParameterError("The case has no earlier course, so nothing was used up. Set kind: prior for the courses that were given.")
    limits = {x.id: x for x in choice.limits if x.scope == "cumulative"}
    if not limits:
        raise ParameterError("None of the limits is for the sum of all courses, so no budget follows from them. Add cumulative limits to constraints.")
    # the number of fractions is what is asked here: conditions on it are looked at for each n
    for_all = tuple(replace(x, min_fractions=None, max_fractions=None) for x in limits.values())
    priors = assess(priors_alone(case), LimitChoice(for_all, choice.from_file, choice.sets), progress)
    shown = tuple(sorted({*BY_FRACTIONS, *fractions}))
    rows = tuple(_row(limits[f.limit.id], f, priors, shown) for f in priors.findings)
    alone = sorted({x.organ for x in choice.limits if x.scope == "course"} & {key for _, key in case.organs})
    uncounted = {c.name for c in case.courses if c.kind != "prior"}
    notices = tuple(n for n in priors.notices if n.course not in uncounted and n.code not in OF_THE_PROPOSED)
    if alone:
        message = f"Limits of the new course alone are no part of this budget; hold the plan against them with the command check: {', '.join(alone)}."
        notices += (Notice("budget_course_limits", message),)
    if choice.uncertainty is not None:
        message = (
            "What remains is that of the doses as they are; the shifts and other uncertainties that the case states are not in it. The command check has them."
        )
        notices += (Notice("budget_nominal", message),)
    if any(c.kind == "proposed" and (c.radiation == "proton" or c.rbe not in (None, 1.0)) for c in case.courses):
        message = (
            "Remaining doses are doses of photons: of protons they are the dose times RBE. Divide them by the RBE before comparing them with a physical dose."
        )
        notices += (Notice("budget_rbe", message),)
    return Budget(case, priors, rows, tuple(fractions), notices)


def priors_alone(case: Case) -> Case:
    """Return the case with a course that gives no dose in place of each proposed one; one is added where none is proposed."""
    reference = case.courses[case.reference]
    nothing = _nothing(reference.frame_uid)
    courses = [c if c.kind == "prior" else replace(c, phases=nothing, paper=None, is_unknown=False, let=None) for c in case.courses]
    transforms, how = list(case.transforms), list(case.registration)
    for k in case.proposed_courses:
        transforms[k], how[k] = None, "same_frame"
    if not case.proposed_courses:
        courses.append(Course("course to be planned", "proposed", nothing, reference.frame_uid))
        transforms.append(None)
        how.append("same_frame")
    return replace(case, courses=tuple(courses), transforms=tuple(transforms), registration=tuple(how))


def _nothing(frame_uid: str) -> tuple[Phase, ...]:
    line = np.array([-FAR_MM, FAR_MM])
    dose = DoseGrid(Grid(np.eye(3), line, line.copy(), line.copy()), np.zeros((2, 2, 2), np.float32), frame_uid)
    return (Phase("none", (Component(dose),), 1),)


def holds_for(limit: Limit, fractions: int) -> bool:
    """Whether a limit is for so many fractions."""
    return (limit.min_fractions or fractions) <= fractions <= (limit.max_fractions or fractions)


def organs_of(finding: Finding, organs: Sequence[OrganResult]) -> list[OrganResult]:
    """Structures a finding is about: one, or both sides."""
    here = [o for o in organs if o.organ == finding.limit.organ]
    return [o for o in here if o.name == finding.structure] or [o for o in here if finding.structure is not None and o.name in finding.structure.split(" + ")]


# ------------------------------------------------------------------------------------------------------------- one limit


def _row(limit: Limit, finding: Finding, priors: Assessment, shown: Sequence[int]) -> LimitBudget:
    organs = organs_of(finding, priors.organs)
    sums = [o.sum for o in organs if o.sum is not None]
    row = LimitBudget(limit, finding.structure, "not_evaluable", Bounds(None, None), None, finding.reason, closed=_broken_condition(finding, priors.case))
    if finding.structure in [o.name for o in organs] and len(organs) > 1:
        return _without(replace(row, reason="several structures have this name; rename them", closed="several structures have this name"), shown)
    if limit.quantity == "physical" or not sums or len(sums) < len(organs):
        return _without(row, shown)
    if limit.metric.is_volume and any(c.what != "interval" for c in limit.clauses):
        return _without(replace(row, reason="a clause in Gy of a limit in volumes has no meaning here"), shown)
    organ, kept = joined(sums) if len(sums) > 1 else sums[0], organs[0].kept
    try:
        without = leftover(limit, organ, None)
        after = None if kept is None else leftover(limit, organ, kept)
    except Undefined:
        return _without(row, shown)
    row = replace(row, prior=without.prior)
    if finding.status == "not_evaluable":
        known = None if without.prior.high is None else finding.reason
        return _without(replace(row, closed=row.closed or known), shown)
    judged = after if after is not None and limit.recovery == "discounted" else without
    with_gy = None if after is None else after.least_gy
    row = replace(row, reason=judged.reason or None, without_recovery_gy=without.least_gy, with_recovery_gy=with_gy)
    if judged.is_unlimited and finding.status != "exceed":
        return _without(replace(row, state="unlimited"), shown)
    if judged.least_gy is None and judged.most_gy is not None and judged.most_gy < 0:  # what is known already exceeds it
        row = replace(row, state="deficit", remaining_eqd2_gy=judged.most_gy, reason=finding.reason)
        return replace(row, by_fractions=tuple(_allowance(row, n) for n in shown))
    if judged.least_gy is None or (finding.status == "exceed" and judged.least_gy >= 0):
        return _without(replace(row, state="not_met", reason=finding.reason or "the earlier courses reach the limit"), shown)
    left = judged.least_gy if finding.status == "exceed" else max(judged.least_gy, 0.0)  # a limit met but for rounding leaves nothing, and lacks nothing
    caps = {"sum": left} | clause_caps(limit, without.prior)
    binding = min(caps, key=lambda name: caps[name])
    row = replace(row, state="remains" if caps[binding] >= 0 else "deficit", remaining_eqd2_gy=caps[binding], binding=binding, at_least=bool(judged.reason))
    if row.state == "deficit" and judged.most_gy is not None and judged.reason:
        row = replace(row, reason=f"{judged.reason}; the deficit may be less, down to {max(-judged.most_gy, 0.0):.2f} Gy")
    return replace(row, by_fractions=tuple(_allowance(row, n) for n in shown))


def _broken_condition(finding: Finding, case: Case) -> str | None:
    """Which condition of a rule fails or cannot be judged, whatever dose the new course gives."""
    for c in finding.clauses:
        if c.status == "exceed" or (c.status == "not_evaluable" and c.clause.what == "interval"):
            return f"{c.words}: {c.reason}"
    limit, months = finding.limit, case.interval_months
    low, high = limit.min_interval_months, limit.max_interval_months
    is_for_all = low is None and high is None
    return None if is_for_all or (months is not None and (low or 0.0) <= months <= (high or months)) else finding.reason


def _without(row: LimitBudget, shown: Sequence[int]) -> LimitBudget:
    return replace(row, by_fractions=tuple(Allowance(n, None, row.reason) for n in shown))


def _allowance(row: LimitBudget, n: int) -> Allowance:
    limit, left = row.limit, row.remaining_eqd2_gy
    assert left is not None, "computed"
    assert limit.alpha_beta_gy is not None, "in EQD2 or BED"
    if not holds_for(limit, n):
        return Allowance(n, None, f"the limit is for other numbers of fractions ({limit.min_fractions or 1} to {limit.max_fractions or 'more'})")
    if left < 0:
        return Allowance(n, None, f"deficit of {-left:.2f} Gy EQD2: the earlier courses exceed the limit already")
    dose = dose_for_eqd2(left, n, limit.alpha_beta_gy)
    return Allowance(n, dose, None, dose / n > LQ_GY)
