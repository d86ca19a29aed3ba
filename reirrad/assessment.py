"""The whole calculation, readable from top to bottom: structures to points, dose of every course at them, sums, limits."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

from reirrad.band import UncertaintyResult
from reirrad.course import Case
from reirrad.disagreements import Disagreement, for_organ
from reirrad.errors import Notice
from reirrad.evaluation import Finding
from reirrad.judgement import LimitChoice, judged, situations_of
from reirrad.organregistration import step_of_set_mm
from reirrad.organresult import OrganResult, compute
from reirrad.riskscore import RiskScore, risk_scores
from reirrad.structures import Structure
from reirrad.uncertainty import bands

__all__ = ["Assessment", "LimitChoice", "Verdict", "assess"]

Verdict = Literal["within", "caution", "exceeded", "not_evaluable"]
MAX_THREADS: Final = 4  # more gain nothing: half of the time is spent in short array operations


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
    situations = situations_of(case)
    organs = _organs(case, progress)
    findings, about_limits = judged(case, choice, organs, situations)
    notices = list(case.notices)
    for course in case.courses:
        notices += course.notices
    for result in organs:
        notices += result.notices
    notices += about_limits
    tried = None
    if choice.uncertainty is not None:
        progress("uncertainty")
        tried = bands(case, organs, findings, choice.uncertainty, situations)
        notices += tried.notices
    return Assessment(case, tuple(organs), tuple(findings), tuple(dict.fromkeys(notices)), choice.sets, risk_scores(case, organs), tried)


def _organs(case: Case, progress: Callable[[str], None]) -> list[OrganResult]:
    """Calculate every structure, a few at a time on as many cores; each on its own, so that the results do not depend on how many."""
    step = step_of_set_mm(case.courses[case.reference])

    def one(item: tuple[Structure, str]) -> OrganResult:
        structure, key = item
        progress(structure.name)
        return compute(case, structure, key, step)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        return list(pool.map(one, case.organs))
