"""Further clauses of a rule, such as those of HyTEC and of Nieder for the spinal cord: each is evaluated and shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reirrad.dvh import Undefined
from reirrad.limit import Clause, Limit
from reirrad.organsum import Bounds, OrganSum
from reirrad.situation import DECIMALS, Situation, Status

__all__ = ["ClauseFinding", "clause_findings"]

NO_DOSE_GY = 0.1  # less than this is no earlier dose


@dataclass(frozen=True, slots=True)
class ClauseFinding:
    """One further clause of a rule: its words, value, what it must be, and the outcome."""

    clause: Clause
    words: str
    value: float | None
    status: Status
    reason: str | None = None


def clause_findings(clause: Clause, limit: Limit, organ: OrganSum, situation: Situation) -> Iterable[ClauseFinding]:
    """One finding; for a clause of each course one for each.

    All proposed courses together are the one re-irradiation that a rule speaks of. Without an earlier course, or earlier dose in the structure, neither an
    interval nor a ratio means anything.
    """
    if clause.what == "each_course":
        for number, name in situation.courses.items():
            yield _of_bounds(clause, f'{limit.metric} of "{name}"', _clause_bounds(limit, organ, {number}, situation))
        return
    if clause.what == "interval":
        yield _interval(clause, situation)
        return
    now = set(situation.courses) - situation.priors
    if situation.proposed is None:
        yield ClauseFinding(clause, clause.what.replace("_", " "), None, "not_evaluable", "the case has no proposed course")
        return
    this = _clause_bounds(limit, organ, now, situation)
    names = " + ".join(f'"{situation.courses[k]}"' for k in sorted(now))
    words = f"{limit.metric} of {names}"
    if clause.what == "this_course":
        yield _of_bounds(clause, words, this)
        return
    words += " / all courses"
    earlier = _clause_bounds(limit, organ, set(situation.priors), situation) if situation.priors else Bounds(0.0, 0.0)
    if earlier.high is not None and earlier.high < NO_DOSE_GY:
        yield ClauseFinding(clause, words, None, "pass", "no earlier dose in this structure")
    else:
        yield _of_bounds(clause, words, _ratio(this, _clause_bounds(limit, organ, set(situation.courses), situation)))


def _clause_bounds(limit: Limit, organ: OrganSum, courses: set[int], situation: Situation) -> Bounds:
    """Value of the metric of a rule in some courses together."""
    course = next(iter(courses)) if len(courses) == 1 else None
    kept = None if course is not None else {k: 0.0 for k in situation.courses if k not in courses}
    try:
        return organ.value(limit.metric, limit.unit, limit.quantity, limit.alpha_beta_gy, course, kept)
    except Undefined as why:
        return Bounds(None, None, str(why))


def _ratio(part: Bounds, whole: Bounds) -> Bounds:
    """Ratio of two values of which perhaps only bounds are known; 0 where nothing was given at all."""
    low = None if part.low is None or whole.high is None else part.low / whole.high if whole.high > 0 else 0.0
    high = None if part.high is None or whole.low is None else part.high / whole.low if whole.low > 0 else 0.0 if part.high == 0 else None
    return Bounds(low, high, part.reason or whole.reason)


def _of_bounds(clause: Clause, words: str, bounds: Bounds) -> ClauseFinding:
    """Judge a clause; every one but the interval is an upper limit."""

    def holds(value: float) -> bool:
        return round(value, DECIMALS) < clause.limit if clause.comparator == "<" else round(value, DECIMALS) <= clause.limit

    shown = f"{words} {clause.comparator} {clause.limit:g}{' Gy' if clause.unit == 'Gy' else ''}"
    if bounds.high is not None and (holds(bounds.high) or bounds.is_exact):
        status: Status = "pass" if holds(bounds.high) else "exceed"
        at_most = f"at most this: {bounds.reason}" if bounds.reason else None
        return ClauseFinding(clause, shown, round(bounds.high, DECIMALS), status, at_most or (None if status == "pass" else f"found {bounds.high:.3g}"))
    if bounds.low is not None and not holds(bounds.low):
        return ClauseFinding(clause, shown, round(bounds.low, DECIMALS), "exceed", f"at least {bounds.low:.3g}: {bounds.reason}")
    if bounds.high is not None and bounds.low is not None and clause.what != "ratio":
        return ClauseFinding(clause, shown, round(bounds.high, DECIMALS), "exceed", f"found {bounds.high:.3g} at most: {bounds.reason}")
    known = f"between {bounds.low:.2f} and {bounds.high:.2f}: " if bounds.low is not None and bounds.high is not None else ""
    return ClauseFinding(clause, shown, None, "not_evaluable", known + bounds.reason)


def _interval(clause: Clause, situation: Situation) -> ClauseFinding:
    words, months = f"interval {clause.comparator} {clause.limit:g} months", situation.interval_months
    if not situation.priors:
        return ClauseFinding(clause, words, None, "pass", "no earlier course")
    if months is None:
        return ClauseFinding(clause, words, None, "not_evaluable", "the interval is not known")
    status: Status = "pass" if months >= clause.limit else "exceed"
    return ClauseFinding(clause, words, round(months, DECIMALS), status, None if status == "pass" else f"found {months:.2f}")
