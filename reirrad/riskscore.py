"""Published risk scores for the organs of a case: so far the score of Nieder for the spinal cord."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reirrad.course import Case, Course, months_between
from reirrad.metrics import Metric
from reirrad.nieder import Score, alpha_beta_gy, nieder_score
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum

__all__ = ["RiskScore", "risk_scores"]

DECIMALS = 2  # a sum that meets a bound of the score but for the arithmetic is on it


@dataclass(frozen=True, slots=True)
class RiskScore:
    """The score of Nieder for one structure, or why there is none."""

    structure: str
    score: Score | None
    reason: str | None = None


def risk_scores(case: Case, organs: Sequence[OrganResult]) -> tuple[RiskScore, ...]:
    """Score of every contoured spinal cord that was irradiated at least twice: from the maximum of each course, without recovery.

    All proposed courses together are one irradiation.
    """
    priors = sorted((k for k, c in enumerate(case.courses) if c.kind == "prior"), key=lambda k: (_day(case.courses[k]), k))
    groups = [[k] for k in priors] + ([list(case.proposed_courses)] if case.proposed_courses else [])
    found = []
    for result in organs:
        if result.organ != "spinal_cord" or result.sum is None or len(groups) < 2:
            continue
        beds = [sum(_largest_bed_gy(result.sum, k) for k in group) for group in groups]
        if any(math.isnan(bed) for bed in beds):
            found.append(RiskScore(result.name, None, "the largest dose of a course in this structure is not known"))
            continue
        intervals = [_months(case, a[0], b[0]) for a, b in pairwise(groups)]
        found.append(RiskScore(result.name, nieder_score(beds, intervals)))
    return tuple(found)


def _largest_bed_gy(organ: OrganSum, course: int) -> float:
    """BED of the maximum of a course, or its upper bound; NaN where neither is known."""
    high = organ.value(Metric("max"), "Gy", "BED", alpha_beta_gy(), course).high
    return math.nan if high is None else round(high, DECIMALS)


def _day(course: Course) -> dt.date:
    return course.first_day or course.last_day or dt.date.max


def _months(case: Case, before: int, after: int) -> float | None:
    """Months from the end of one irradiation to the start of the next, at least 0; None when a date is not known."""
    if case.courses[after].kind == "proposed":
        months = case.months_since(before)
    else:
        end, start = case.courses[before].last_day, case.courses[after].first_day
        months = None if end is None or start is None else months_between(end, start)
    return None if months is None else max(months, 0.0)
