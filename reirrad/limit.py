"""One dose limit: what it says, and where several contradict each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from reirrad.errors import printable
from reirrad.metrics import Metric

__all__ = ["CLAUSE_KEYS", "Clause", "Limit", "Recovery", "conflicts"]

# Key in which each clause is written, and its unit.
CLAUSE_KEYS: Final[dict[str, tuple[str, Literal["Gy", "", "months"]]]] = {
    "this_course": ("limit_gy", "Gy"), "each_course": ("limit_gy", "Gy"), "ratio": ("limit", ""), "interval": ("limit_months", "months"),
}  # fmt: skip


Recovery = Literal["raw", "built_in", "discounted", "not_stated"]


@dataclass(frozen=True, slots=True)
class Clause:
    """A further condition of a cumulative limit, with the metric, quantity and alpha/beta of that limit.

    Parameters
    ----------
    what : str
        ``this_course`` (the proposed course alone), ``each_course`` (every course by itself), ``ratio`` (the proposed course over the sum),
        or ``interval`` (from the end of the last earlier course to the start of the proposed one).
    comparator : str
        ``<=`` or ``<``; ``>=`` for an interval.
    limit : float
        In `unit`.
    unit : str
        Gy, nothing for a ratio, or months.
    """

    what: Literal["this_course", "each_course", "ratio", "interval"]
    comparator: Literal["<=", "<", ">="]
    limit: float
    unit: Literal["Gy", "", "months"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One dose limit.

    Parameters
    ----------
    id : str
        Unique among the limits used together.
    organ : str
        Organ key.
    structure : str
        What the source actually means, when the organ key does not say it (``thecal sac``); may be empty.
    metric : Metric
    quantity : str
        What the doses in the metric and in the limit are.
    alpha_beta_gy : float or None
        For EQD2 and BED; None for physical dose.
    scope : str
        ``cumulative`` (all courses) or ``course`` (the proposed course alone).
    limit, caution : float
        In `unit`. A value beyond `caution` (the careful end of a published range) but within `limit` is a caution.
    unit : str
        Gy for dose metrics, cc or % for volume metrics.
    comparator : str
        ``<=``, ``<``, or ``>=`` for the spared volume.
    level : str
        ``mandatory`` or ``optimal``.
    recovery : str
        Whether the limit is for the ``raw`` sum, has recovery ``built_in``, is for a sum after recovery (``discounted``), or does not say
        (``not_stated``).
    min_interval_months, max_interval_months : float or None
        Interval between the courses for which the limit was published.
    min_fractions, max_fractions : int or None
        Fractions of the proposed course for which it was published.
    evidence : str
        consensus, guideline, series, expert, protocol; ``not_stated`` in files of users.
    status : str
        VERIFIED, SECONDARY, or ``user``.
    source : str
        Short citation.
    doi, reference, note : str
        May be empty; `reference` is a key of the references.
    clauses : tuple of Clause
        Further conditions of the same rule, all to be met.
    combine_sides : bool
        Whether the limit is for both sides of a paired organ together.
    region, endpoint : str
        Part of the body and damage the limit was published for; may be empty.
    citation : str
        Of the reference in full; empty without one.
    own_alpha_beta : bool
        Whether its alpha/beta is meant to differ from the organ's.
    """

    id: str
    organ: str
    structure: str
    metric: Metric
    quantity: Literal["EQD2", "BED", "physical"]
    alpha_beta_gy: float | None
    scope: Literal["cumulative", "course"]
    limit: float
    caution: float | None
    unit: Literal["Gy", "cc", "%"]
    comparator: Literal["<=", "<", ">="]
    level: Literal["mandatory", "optimal"]
    recovery: Recovery
    min_interval_months: float | None
    max_interval_months: float | None
    min_fractions: int | None
    max_fractions: int | None
    evidence: Literal["consensus", "guideline", "series", "expert", "protocol", "not_stated"]
    status: Literal["VERIFIED", "SECONDARY", "user"]
    source: str
    doi: str = ""
    reference: str = ""
    note: str = ""
    clauses: tuple[Clause, ...] = ()
    combine_sides: bool = False
    region: str = ""
    endpoint: str = ""
    citation: str = ""
    own_alpha_beta: bool = False

    @property
    def comparable(self) -> tuple[object, ...]:
        """What two limits share when the one may only be stricter or looser than the other."""
        conditions = (self.recovery, self.min_interval_months, self.max_interval_months, self.min_fractions, self.max_fractions)
        return (
            self.organ, self.combine_sides, self.metric, self.quantity, self.alpha_beta_gy, self.scope, self.unit, self.comparator == ">=", *conditions,
        )  # fmt: skip

    def is_looser_than(self, other: Limit) -> bool:
        """Whether this comparable limit permits more."""
        return self.limit < other.limit if self.comparator == ">=" else self.limit > other.limit


def conflicts(limits: Sequence[Limit]) -> Iterable[tuple[int, str]]:
    """Limits, by number, that contradict an earlier or mandatory one."""
    first: dict[str, int] = {}
    mandatory: dict[tuple[object, ...], Limit] = {}
    for limit in limits:
        strictest = mandatory.get(limit.comparable)
        if limit.level == "mandatory" and (strictest is None or strictest.is_looser_than(limit)):
            mandatory[limit.comparable] = limit
    for i, limit in enumerate(limits):
        if limit.id in first:
            yield i, f'the id "{printable(limit.id)}" is given twice; ids must differ'
        first.setdefault(limit.id, i)
        strict = mandatory.get(limit.comparable)
        if limit.level == "optimal" and strict is not None and limit.is_looser_than(strict) and set(limit.clauses) <= set(strict.clauses):
            yield i, f"the optimal limit {limit.limit:g} {limit.unit} is looser than the mandatory {strict.limit:g} {strict.unit} of the same organ and metric"
