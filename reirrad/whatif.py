"""A result under other assumptions, without reading a dose again: another alpha/beta of an organ, another interval, another recovery model.

The points of the organs remember the dose of every course, so that all but the position of the courses can be asked at once. For exploration: the result of
the case is the one of its case file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reirrad.assessment import Assessment
from reirrad.course import Case, RecoveryChoice, after_months
from reirrad.errors import Notice, ParameterError, printable
from reirrad.judgement import LimitChoice, judged, situations_of
from reirrad.limit import Limit
from reirrad.organresult import OrganResult, recovered_parts
from reirrad.organs import organ
from reirrad.organsum import OrganSum
from reirrad.parameters import not_negative, positive
from reirrad.recovery import recovery_models
from reirrad.scenarios import at_alpha_beta
from reirrad.statistics import Statistics, statistics, statistics_of_sum
from reirrad.yamlfile import did_you_mean

__all__ = ["WhatIf", "what_if"]

LONGEST_MONTHS: Final = 600


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What is to be assumed otherwise.

    Parameters
    ----------
    alpha_beta_gy : mapping
        Organ key to another alpha/beta, Gy; limits in EQD2 of that organ are held at it too, with the same number.
    interval_months : int or None
        Whole months from the end of the last earlier course to the proposed one; None as it is.
    recovery : str or None
        Model for every organ it speaks of, or ``none``; None as in the case file.

    Raises
    ------
    ParameterError
        For what is no such number or model.
    """

    alpha_beta_gy: Mapping[str, float] = field(default_factory=dict)
    interval_months: int | None = None
    recovery: str | None = None

    def __post_init__(self) -> None:
        for key, value in self.alpha_beta_gy.items():
            organ(key)
            positive("alpha_beta_gy", value)
        if self.interval_months is not None:
            not_negative("interval_months", self.interval_months)
            if self.interval_months > LONGEST_MONTHS:
                raise ParameterError(f"The interval is {self.interval_months} months; needed is one of up to {LONGEST_MONTHS}. Correct it.")
        if self.recovery is not None and self.recovery not in recovery_models():
            known = ", ".join(recovery_models())
            hint = did_you_mean(self.recovery, list(recovery_models()))
            raise ParameterError(f'"{printable(self.recovery, 40)}" is not a recovery model ({known}){hint or "; name one of them."}')

    @property
    def is_nothing(self) -> bool:
        """Whether all is as the case file says."""
        return not self.alpha_beta_gy and self.interval_months is None and self.recovery is None


def what_if(assessment: Assessment, choice: LimitChoice, asked: WhatIf) -> Assessment:
    """Return the result under other assumptions; without uncertainty, other models and the interpolation gap, which were calculated for the case as it is.

    Raises
    ------
    ParameterError
        For another interval where dates are unknown or no course is proposed.
    """
    if asked.is_nothing:
        return assessment
    case = _with_recovery(_with_interval(assessment.case, asked.interval_months), asked.recovery)
    case = replace(case, alpha_beta_gy={**case.alpha_beta_gy, **asked.alpha_beta_gy})
    organs = tuple(_organ(case, o, asked.alpha_beta_gy.get(o.organ, o.alpha_beta_gy)) for o in assessment.organs)
    limits = replace(choice, limits=tuple(_limit(x, asked.alpha_beta_gy.get(x.organ)) for x in choice.limits), uncertainty=None)
    findings, _ = judged(case, limits, organs, situations_of(case))
    notice = Notice("what_if", "Other assumptions than those of the case file: for exploration, not the result of the case.")
    return replace(assessment, case=case, organs=organs, findings=tuple(findings), notices=(notice, *assessment.notices), uncertainty=None)


def _with_interval(case: Case, months: int | None) -> Case:
    """The case with its proposed courses so many months after the last earlier one."""
    if months is None:
        return case
    ends = [c.last_day for c in case.courses if c.kind == "prior"]
    known = [day for day in ends if day is not None]
    if not known or len(known) < len(ends) or case.interval_days is None:
        raise ParameterError("The interval is not known, because a date is missing, so another one cannot be tried. State completed and starts of the courses.")
    later = after_months(max(known), months) - max(known) - dt.timedelta(days=case.interval_days)
    courses = tuple(c if c.kind == "prior" or c.first_day is None else replace(c, first_day=c.first_day + later) for c in case.courses)
    return replace(case, courses=courses)


def _with_recovery(case: Case, model: str | None) -> Case:
    """The case with a model for every organ; its source decides for which it stands."""
    if model is None:
        return case
    chosen = RecoveryChoice(recovery_models()[model])
    return replace(case, recovery={} if model == "none" else {key: chosen for _, key in case.organs})


def _organ(case: Case, result: OrganResult, alpha_beta_gy: float) -> OrganResult:
    """A structure at another alpha/beta and with other recovery."""
    total = result.sum
    if total is None:
        return result
    parts = recovered_parts(case, result.organ)
    kept = {k: 1 - r.part for k, r in parts.items()}
    is_other = alpha_beta_gy != result.alpha_beta_gy
    return replace(
        result,
        alpha_beta_gy=alpha_beta_gy,
        cumulative=statistics_of_sum(total, alpha_beta_gy) if is_other else result.cumulative,
        eqd2=tuple(_of_course(total, k, alpha_beta_gy) for k in range(len(case.courses))) if is_other else result.eqd2,
        recovered=parts,
        with_recovery=statistics_of_sum(total, alpha_beta_gy, None, kept) if parts else None,
        sensitivities=(),
        interpolation_gap_gy=None,
    )


def _of_course(total: OrganSum, course: int, alpha_beta_gy: float) -> Statistics:
    """EQD2 of one course; of one that is not registered on its own structure, where it is known at every point."""
    own = total.own.get(course)
    return statistics_of_sum(total, alpha_beta_gy, course) if own is None else statistics(own.eqd2(alpha_beta_gy))


def _limit(limit: Limit, alpha_beta_gy: float | None) -> Limit:
    """A limit at another alpha/beta; one in BED with clauses stays, for their numbers mean nothing at another."""
    if alpha_beta_gy is None or limit.alpha_beta_gy is None or (limit.quantity == "BED" and limit.clauses):
        return limit
    return at_alpha_beta(limit, alpha_beta_gy)[0]
