"""The whole calculation, readable from top to bottom: structures to points, dose of every course at them, sums, limits."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

import numpy as np

from reirrad.accumulation import OrganDose, accumulate
from reirrad.constraints import Limit
from reirrad.course import Case
from reirrad.dvh import Dvh
from reirrad.errors import Notice, printable
from reirrad.evaluation import Finding, Situation, at_least, brief, evaluate, not_evaluable
from reirrad.organs import organ
from reirrad.planes import slabs_of, usual_step_mm
from reirrad.points import organ_points
from reirrad.structures import Structure

__all__ = ["Assessment", "LimitChoice", "OrganResult", "Statistics", "Verdict", "assess", "statistics"]

Verdict = Literal["within", "caution", "exceeded", "not_evaluable"]
NEAR_MAXIMA_CC: Final = (0.03, 0.1, 1.0, 2.0)
DAYS_PER_MONTH: Final = 365.25 / 12
MAX_THREADS: Final = 4  # more gain nothing: half of the time is spent in short array operations
# Dose per fraction beyond which LQ is questioned, and beyond which it is hardly supported (Brenner 2008: data to about 10 Gy, reasonable to 18 Gy).
LQ_GY, LQ_STRONG_GY = 10.0, 18.0
ROUNDING = 1 + 1e-5  # a dose per fraction that is these in single precision is not beyond them


@dataclass(frozen=True, slots=True)
class Statistics:
    """Dose statistics of one organ in one quantity, in Gy.

    Parameters
    ----------
    values : dict
        max_gy, mean_gy, D0.03cc_gy ... ; None where undefined.
    reasons : dict
        Why a value is None.
    lower_bounds : dict
        For an organ with unknown dose: what the values are at least. Empty otherwise.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    lower_bounds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class OrganResult:
    """Everything computed for one structure."""

    name: str
    organ: str
    alpha_beta_gy: float
    volume_cc: float | None
    coverage: float
    dose: OrganDose | None
    cumulative: Statistics
    physical: tuple[Statistics, ...]
    eqd2: tuple[Statistics, ...]
    notices: tuple[Notice, ...] = ()
    is_incomplete: bool = False


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
    """

    limits: tuple[Limit, ...]
    from_file: frozenset[str]
    sets: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """The result for one case."""

    case: Case
    organs: tuple[OrganResult, ...]
    findings: tuple[Finding, ...]
    notices: tuple[Notice, ...]
    limit_sets: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Words for the whole: exceeded and not_evaluable speak of mandatory limits, caution of any limit."""
        mandatory = [f.status for f in self.findings if f.limit.level == "mandatory"]
        if "exceed" in mandatory:
            return "exceeded"
        if "not_evaluable" in mandatory or not any(f.status != "not_evaluable" for f in self.findings):
            return "not_evaluable"
        return "caution" if any(f.status in ("caution", "exceed") for f in self.findings) else "within"


def statistics(dvh: Dvh, floor: Callable[[], Dvh] | None = None) -> Statistics:
    """Maximum, mean and near-maxima of one distribution.

    Parameters
    ----------
    dvh : Dvh
    floor : callable, optional
        Gives the least it can be, for an organ with unknown dose; by default the same with zero there.
    """
    if not dvh.is_complete:
        missing = f"{brief(100 * (1 - dvh.coverage))} % of the structure lies outside a dose grid; its dose there is not known"
        bound = statistics(floor() if floor is not None else Dvh(np.nan_to_num(dvh.dose_gy), dvh.volumes_cc, np.nan_to_num(dvh.edge_gy)))
        lower = {k: v for k, v in bound.values.items() if v is not None}
        return Statistics(dict.fromkeys(bound.values), dict.fromkeys(bound.values, missing), lower)
    known = dvh.known()
    values: dict[str, float | None] = {"max_gy": known.max_gy(), "mean_gy": known.mean_gy()}
    lacking = {cc: reason for cc in NEAR_MAXIMA_CC if (reason := known.lacks(cc)) is not None}
    asked = [cc for cc in NEAR_MAXIMA_CC if cc not in lacking]
    values |= {f"D{cc:g}cc_gy": None for cc in NEAR_MAXIMA_CC}
    values |= {f"D{cc:g}cc_gy": dose for cc, dose in zip(asked, known.near_maxima_gy(asked) if asked else [], strict=True)}
    return Statistics(values, {f"D{cc:g}cc_gy": reason for cc, reason in lacking.items()}, {})


def assess(case: Case, choice: LimitChoice, progress: Callable[[str], None] = lambda _: None) -> Assessment:
    """Calculate a case.

    Parameters
    ----------
    case : Case
    choice : LimitChoice
    progress : callable
        Told the name of each structure before it is calculated.
    """
    days = case.interval_days
    situation = Situation(
        proposed=case.proposed,
        proposed_fractions=None if case.proposed is None else case.courses[case.proposed].fractions,
        interval_months=None if days is None else days / DAYS_PER_MONTH,
    )
    organs, findings = _organs(case, progress), []
    other_schedule: dict[str, None] = {}
    for result in organs:
        for limit in choice.limits:
            if limit.organ == result.organ:
                finding = _finding(limit, result, situation)
                if finding is not None:
                    findings.append(finding)
                elif limit.id in choice.from_file:
                    other_schedule[limit.id] = None
                    if not _has_row_for(limit, choice, situation):
                        findings.append(
                            not_evaluable(limit, result.name, f"the limit is for other numbers of fractions than the {situation.proposed_fractions} proposed")
                        )
    notices = list(case.notices)
    for course in case.courses:
        notices += course.notices
    for result in organs:
        notices += result.notices
    if other_schedule:
        listed = ", ".join(printable(limit_id) for limit_id in other_schedule)
        message = f"Limits for other numbers of fractions than the {situation.proposed_fractions} of the proposed course are not checked: {listed}."
        notices.append(Notice("limit_other_fractions", message))
    findings += _without_structure(case, choice, notices)
    without = [printable(o.name, 40) for o in organs if not any(f.structure == o.name for f in findings)]
    if without:
        message = f"No limit of the chosen sets applies to these structures; their doses are shown and not judged: {', '.join(without)}."
        notices.append(Notice("organ_without_limit", message))
    return Assessment(case, tuple(organs), tuple(findings), tuple(dict.fromkeys(notices)), choice.sets)


def _organs(case: Case, progress: Callable[[str], None]) -> list[OrganResult]:
    """Calculate every structure, a few at a time on as many cores; each on its own, so that the results do not depend on how many."""
    step = _step_of_set(case)

    def one(item: tuple[Structure, str]) -> OrganResult:
        structure, key = item
        progress(structure.name)
        return _organ(case, structure, key, step)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        return list(pool.map(one, case.organs))


def _organ(case: Case, structure: Structure, key: str, step_of_set_mm: float | None) -> OrganResult:
    """Calculate one structure."""
    name = structure.name
    reference = case.courses[case.reference]
    alpha_beta = case.alpha_beta_gy.get(key, organ(key).alpha_beta_gy)
    if not structure.contours:
        notice = Notice("structure_empty", f'Structure "{printable(name)}" has no closed contours; nothing can be said about it.', reference.name, name)
        nothing = _no_statistics("the structure has no closed contours")
        each = tuple(nothing for _ in case.courses)
        return OrganResult(name, key, alpha_beta, None, 0.0, None, nothing, each, each, (notice,))
    image = reference.image
    slabs = slabs_of(structure, None if image is None else image.normal, None if image is None else image.positions_mm, step_of_set_mm)
    points = organ_points(name, slabs)
    dose = accumulate(points, case.courses, case.transforms, case.interpolation)

    def of(quantity: Callable[[OrganDose], Dvh]) -> Statistics:
        return statistics(quantity(dose), lambda: quantity(at_least(dose)))

    notices = [Notice(n.code, n.message, reference.name, name) for n in points.notices]
    notices += _coverage_notices(case, name, dose)
    notices += _lq_notices(case, name, dose)
    numbers = range(len(case.courses))
    cumulative = dose.eqd2(alpha_beta)
    return OrganResult(
        name=name,
        organ=key,
        alpha_beta_gy=alpha_beta,
        volume_cc=points.volume_cc,
        coverage=cumulative.coverage,
        dose=dose,
        cumulative=statistics(cumulative, lambda: at_least(dose).eqd2(alpha_beta)),
        physical=tuple(of(partial(OrganDose.physical, course=c)) for c in numbers),
        eqd2=tuple(of(partial(OrganDose.eqd2, alpha_beta_gy=alpha_beta, course=c)) for c in numbers),
        notices=tuple(notices),
        is_incomplete=structure.n_open_alone > 0,
    )


def _no_statistics(reason: str) -> Statistics:
    keys = ["max_gy", "mean_gy", *(f"D{cc:g}cc_gy" for cc in NEAR_MAXIMA_CC)]
    return Statistics(dict.fromkeys(keys), dict.fromkeys(keys, reason), {})


def _step_of_set(case: Case) -> float | None:
    """Usual plane distance in the reference structure set: the median over its structures."""
    steps = [usual_step_mm(np.array([c.points_mm[0, 2] for c in s.contours])) for s in case.courses[case.reference].structures if len(s.contours) > 1]
    known = [s for s in steps if s is not None]
    return float(np.median(known)) if known else None


def _coverage_notices(case: Case, name: str, dose: OrganDose) -> list[Notice]:
    out = []
    for k, course in enumerate(case.courses):
        physical = dose.physical(k)
        if physical.coverage < 1:
            missing = 1 - physical.coverage
            part = f"{brief(100 * missing)} % ({brief(missing * physical.volume_cc)} cc)"
            message = (
                f'{part} of structure "{printable(name)}" lies outside the dose grid of course "{printable(course.name)}"; dose there is unknown, not zero.'
            )
            out.append(Notice("dose_grid_truncates_structure", message, course.name, name))
    return out


def _lq_notices(case: Case, name: str, dose: OrganDose) -> list[Notice]:
    """Say where the dose per fraction leaves the range in which LQ is supported."""
    out = []
    for k, course in enumerate(case.courses):
        per_fraction = np.zeros(dose.volumes_cc.size, np.float32)
        for row in np.flatnonzero(dose.course == k):
            per_fraction = np.fmax(per_fraction, dose.dose_gy[row] / dose.fractions[row])
        above = float(dose.volumes_cc[per_fraction > LQ_GY * ROUNDING].sum())
        if above > 0:
            strong = float(dose.volumes_cc[per_fraction > LQ_STRONG_GY * ROUNDING].sum())
            beyond = f", {brief(strong)} cc above {LQ_STRONG_GY:g} Gy, where it is hardly supported" if strong > 0 else ""
            message = (
                f'{brief(above)} cc of structure "{printable(name)}" receive more than {LQ_GY:g} Gy per fraction in course "{printable(course.name)}"{beyond}: '
                "beyond the range in which the linear-quadratic (LQ) model is supported; read its EQD2 with care."
            )
            out.append(Notice("lq_range_strong" if strong > 0 else "lq_range", message, course.name, name))
    return out


def _has_row_for(limit: Limit, choice: LimitChoice, situation: Situation) -> bool:
    """Whether the limits hold another row of the same table that is for the proposed number of fractions."""
    n = situation.proposed_fractions or 0
    same = [
        o for o in choice.limits if (o.organ, o.metric, o.quantity, o.scope, o.level) == (limit.organ, limit.metric, limit.quantity, limit.scope, limit.level)
    ]
    return any((o.min_fractions or n) <= n <= (o.max_fractions or n) for o in same)


def _finding(limit: Limit, result: OrganResult, situation: Situation) -> Finding | None:
    if result.dose is None:
        return not_evaluable(limit, result.name, "the structure has no closed contours")
    if result.is_incomplete:
        finding = evaluate(limit, result.name, result.dose, situation)
        missing = "open lines on planes of their own were left out: a part of the structure may be missing"
        only_rises = limit.metric.kind in ("max", "dose_at_volume") and limit.metric.argument_unit != "%"
        if finding is not None and finding.status == "exceed" and only_rises:
            return replace(finding, reason=f"at least this: {missing}", is_lower_bound=True)
        return None if finding is None else not_evaluable(limit, result.name, missing)
    return evaluate(limit, result.name, result.dose, situation)


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
