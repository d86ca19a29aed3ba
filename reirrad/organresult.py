"""Everything computed for one structure: points, dose of every course at them, sums without and with recovery, what to know about them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reirrad.accumulation import OrganDose, accumulate
from reirrad.course import Case, Component, Course, Phase
from reirrad.dose import DoseGrid, Float32
from reirrad.dvh import Undefined
from reirrad.errors import Notice, printable
from reirrad.halftimes import HalfTime, half_time
from reirrad.interpolationgap import interpolation_gap_gy
from reirrad.metrics import Metric
from reirrad.organregistration import alarm, other_organs, registration_notices
from reirrad.organs import organ
from reirrad.organsum import OrganSum, brief
from reirrad.owndose import own_curve
from reirrad.paper import PaperDose, upper_near_max_gy
from reirrad.planes import slabs_of
from reirrad.points import OrganPoints, organ_points
from reirrad.recovery import Recovered, recovered
from reirrad.sensitivity import ProtonLet, Sensitivity, sensitivities
from reirrad.statistics import KEYS, NEAR_MAXIMA_CC, Statistics, no_statistics, statistics, statistics_of_sum
from reirrad.structurematch import StructureMatch
from reirrad.structures import Structure
from reirrad.timing import Acute, SlowFraction, repair_factor

__all__ = ["OrganResult", "compute", "recovered_parts"]

# Dose per fraction beyond which LQ is questioned, and beyond which it is hardly supported (Brenner 2008: data to about 10 Gy, reasonable to 18 Gy).
LQ_GY, LQ_STRONG_GY = 10.0, 18.0
OTHER_VOLUME = 0.2  # part by which the volume of an organ in a DVH may differ from the contoured one without a word
ROUNDING = 1 + 1e-5  # a dose per fraction that is these in single precision is not beyond them


@dataclass(frozen=True, slots=True, eq=False)
class OrganResult:
    """Everything computed for one structure.

    Parameters
    ----------
    sum : OrganSum or None
        All courses; None for a structure without contours.
    cumulative, with_recovery : Statistics
        EQD2 of all courses; `with_recovery` is None where no recovery model was chosen.
    recovered : dict
        Course number to the part of its EQD2 that no longer counts, and why. Empty where no recovery model was chosen.
    half_time : HalfTime or None
        Of repair; None where no course needs one.
    matches : dict
        Course number to how its structure of this organ lies to this one after registration.
    interpolation_gap_gy : float or None
        How much EQD2 in the hottest 2 cc depends on the order of interpolation and conversion.
    sensitivities : tuple of (Sensitivity, Statistics)
        What other models make of the sum.
    """

    name: str
    organ: str
    alpha_beta_gy: float
    volume_cc: float | None
    coverage: float
    sum: OrganSum | None
    cumulative: Statistics
    physical: tuple[Statistics, ...]
    eqd2: tuple[Statistics, ...]
    notices: tuple[Notice, ...] = ()
    is_incomplete: bool = False
    with_recovery: Statistics | None = None
    recovered: Mapping[int, Recovered] = field(default_factory=dict)
    half_time: HalfTime | None = None
    matches: Mapping[int, StructureMatch] = field(default_factory=dict)
    interpolation_gap_gy: float | None = None
    sensitivities: tuple[tuple[Sensitivity, Statistics], ...] = ()

    @property
    def kept(self) -> dict[int, float] | None:
        """Part of the EQD2 of each prior course that still counts; None where no recovery model was chosen."""
        return {k: 1 - r.part for k, r in self.recovered.items()} if self.recovered else None


def compute(case: Case, structure: Structure, key: str, step_of_set_mm: float | None) -> OrganResult:
    """Calculate one structure.

    Parameters
    ----------
    key : str
        Organ key.
    step_of_set_mm : float or None
        Usual plane distance of the structure set, for a structure with a single plane.
    """
    name = structure.name
    reference = case.courses[case.reference]
    alpha_beta = case.alpha_beta_gy.get(key, organ(key).alpha_beta_gy)
    if not structure.contours:
        notice = Notice("structure_empty", f'Structure "{printable(name)}" has no closed contours; nothing can be said about it.', reference.name, name)
        nothing = no_statistics("the structure has no closed contours")
        each = tuple(nothing for _ in case.courses)
        return OrganResult(name, key, alpha_beta, None, 0.0, None, nothing, each, each, (notice,))
    image = reference.image
    slabs = slabs_of(structure, None if image is None else image.normal, None if image is None else image.positions_mm, step_of_set_mm)
    points = organ_points(name, slabs)
    repair = half_time(key, case.half_time_h.get(key)) if any(c.timing.needs_half_time for c in case.courses) else None
    dose, let = _read(case, points, repair)
    names = {k: c.name for k, c in enumerate(case.courses)}
    papers: dict[int, PaperDose | None] = {
        k: None if c.paper is None else c.paper.of(name, key, points.volume_cc, _factor(c, c.paper.fractions, repair))
        for k, c in enumerate(case.courses)
        if c.is_on_paper
    }
    others = other_organs(case, structure, slabs, lambda course, n: _factor(course, n, repair))
    papers |= {k: own_curve(others[k].own.dose) if k in others else None for k in case.unregistered}
    total = OrganSum(dose, papers, names, {k: others[k].own.dose if k in others else None for k in case.unregistered})
    recovery = recovered_parts(case, key)
    kept = {k: 1 - r.part for k, r in recovery.items()}
    notices = [Notice(n.code, n.message, reference.name, name) for n in points.notices]
    notices += _coverage_notices(case, name, dose)
    notices += _lq_notices(case, name, total)
    notices += _volume_notices(case, name, points.volume_cc)
    notices += registration_notices(case, others)
    numbers = range(len(case.courses))
    physical = [statistics_of_sum(total, None, k) for k in numbers]
    eqd2 = [statistics_of_sum(total, alpha_beta, k) for k in numbers]
    for k in case.unregistered:
        if k in others:  # on its own structure a course is known at every point
            own = others[k].own.dose
            physical[k], eqd2[k] = statistics(own.physical(0)), statistics(own.eqd2(alpha_beta))
    cumulative = statistics_of_sum(total, alpha_beta)
    here = [k for k in numbers if case.registration[k] == "same_frame"]
    maximum_here = OrganSum(dose, {}, names).value(Metric("max"), "Gy", "EQD2", alpha_beta, None, {k: 0.0 for k in numbers if k not in here}).high
    maximum_at_points = OrganSum(dose, {}, names).value(Metric("max"), "Gy", "EQD2", alpha_beta).high
    notices += alarm(case, others, structure, alpha_beta, maximum_at_points, maximum_here)
    return OrganResult(
        name=name,
        organ=key,
        alpha_beta_gy=alpha_beta,
        volume_cc=points.volume_cc,
        coverage=dose.eqd2(alpha_beta).coverage,
        sum=total,
        cumulative=cumulative,
        physical=tuple(physical),
        eqd2=tuple(eqd2),
        notices=tuple(notices),
        is_incomplete=structure.n_open_alone > 0,
        with_recovery=statistics_of_sum(total, alpha_beta, None, kept) if recovery else None,
        recovered=recovery,
        half_time=repair,
        matches={k: o.match for k, o in others.items()},
        interpolation_gap_gy=interpolation_gap_gy(case, dose, alpha_beta),
        sensitivities=tuple((s, _under(s, total)) for s in sensitivities(dose, alpha_beta, key, case.sensitivities, let)),
    )


def _factor(course: Course, fractions: int, repair: HalfTime | None) -> float:
    """What multiplies the quadratic term of sessions of a course."""
    return repair_factor(course.timing, fractions, repair.hours) if repair is not None and course.timing.needs_half_time else 1.0


def _read(case: Case, points: OrganPoints, repair: HalfTime | None) -> tuple[OrganDose, ProtonLet | None]:
    """Dose of every delivery at the points of an organ; and LET, of which a distribution is read just like a dose, as a course of its own behind the others."""
    with_grid = [k for k, c in enumerate(case.courses) if isinstance(c.let, DoseGrid)]
    extra = tuple(_let_course(case.courses[k]) for k in with_grid)
    courses = tuple(replace(c, phases=()) if k in case.unregistered else c for k, c in enumerate(case.courses))
    dose = accumulate(points, courses + extra, case.transforms + tuple(case.transforms[k] for k in with_grid), case.interpolation, keep_points=True)
    here = dose.course < len(case.courses)
    factors = None
    if repair is not None:
        factors = np.array([_factor(case.courses[c], int(n), repair) for c, n in zip(dose.course[here], dose.fractions[here], strict=True)])
    kept = replace(dose, dose_gy=dose.dose_gy[here], edge_gy=dose.edge_gy[here], fractions=dose.fractions[here], course=dose.course[here], repair=factors)
    if all(c.let is None for c in case.courses):
        return kept, None
    rows = [np.flatnonzero(dose.course == len(case.courses) + with_grid.index(c)) if c in with_grid else None for c in kept.course]

    def of(distribution: Float32) -> Float32:
        out = np.full((kept.course.size, distribution.shape[1]), np.nan, np.float32)
        for k, (c, row) in enumerate(zip(kept.course, rows, strict=True)):
            constant = case.courses[c].let
            out[k] = distribution[row[0]] if row is not None else constant if isinstance(constant, float) else np.nan
        return out

    rbe = np.array([np.nan if case.courses[c].let is None else case.courses[c].rbe or 1.0 for c in kept.course])
    return kept, ProtonLet(of(dose.dose_gy), of(dose.edge_gy), rbe)


def _let_course(course: Course) -> Course:
    assert isinstance(course.let, DoseGrid)
    return Course(course.name, course.kind, (Phase("LET", (Component(course.let),), 1),), course.frame_uid)


def recovered_parts(case: Case, key: str) -> dict[int, Recovered]:
    """What each prior course may be forgiven in this organ; empty where no model was chosen for it."""
    choice = case.recovery.get(key)
    if choice is None:
        return {}
    out = {}
    for k, course in enumerate(case.courses):
        if course.kind == "prior":
            out[k] = recovered(choice.model, key, case.months_since(k), choice.rationale)
    return out


def _under(sensitivity: Sensitivity, organ: OrganSum) -> Statistics:
    """Statistics of the sum under another model; upper bounds where courses are on paper."""
    alone = statistics(sensitivity.dvh)
    if not organ.papers:
        return alone
    papers = [p for p in organ.papers.values() if p is not None]
    if len(papers) < len(organ.papers) or not sensitivity.dvh.is_complete:
        return no_statistics("the dose of a course is not known everywhere")
    converted = [p.under(sensitivity.convert) for p in papers]
    values: dict[str, float | None] = {"mean_gy": None}
    reasons = {"mean_gy": "a course is known from paper only"}
    for key, volume_cc in (("max_gy", 0.0), *((f"D{cc:g}cc_gy", cc) for cc in NEAR_MAXIMA_CC)):
        try:
            values[key] = upper_near_max_gy(sensitivity.dvh.known(), converted, volume_cc, None, "physical")
        except Undefined as why:
            values[key], reasons[key] = None, str(why)
    return Statistics({key: values[key] for key in KEYS}, reasons, {}, "near-maxima of courses known from paper only are added wherever they lie")


def _coverage_notices(case: Case, name: str, dose: OrganDose) -> list[Notice]:
    out = []
    for k, course in enumerate(case.courses):
        if course.is_on_paper:
            continue
        physical = dose.physical(k)
        if physical.coverage < 1:
            missing = 1 - physical.coverage
            part = f"{brief(100 * missing)} % ({brief(missing * physical.volume_cc)} cc)"
            where = "the dose grid" if case.transforms[k] is None else "the dose grid, or the registration,"
            message = f'{part} of structure "{printable(name)}" lies outside {where} of course "{printable(course.name)}"; dose there is unknown, not zero.'
            out.append(Notice("dose_grid_truncates_structure", message, course.name, name))
    return out


def _lq_notices(case: Case, name: str, organ: OrganSum) -> list[Notice]:
    """Say where the dose per fraction leaves the range in which LQ is supported."""
    out = []
    dose = organ.dose
    for k, course in enumerate(case.courses):
        if not isinstance(course.timing.pattern, Acute | SlowFraction):
            continue
        paper = organ.papers.get(k)
        if paper is not None and (largest := paper.largest_per_fraction_gy()) > LQ_GY * ROUNDING and math.isfinite(largest):
            message = (
                f'Structure "{printable(name)}" receives up to {largest:.3g} Gy per fraction in course "{printable(course.name)}", in an unknown volume: '
                "beyond the range in which the linear-quadratic (LQ) model is supported; read its EQD2 with care."
            )
            out.append(Notice("lq_range_strong" if largest > LQ_STRONG_GY * ROUNDING else "lq_range", message, course.name, name))
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


def _volume_notices(case: Case, name: str, volume_cc: float) -> list[Notice]:
    """Say where a DVH is of another volume than the structure: another contour, or another unit."""
    out = []
    for course in case.courses:
        there = None if course.paper is None else course.paper.volume_cc(name)
        if there is not None and abs(there / volume_cc - 1) > OTHER_VOLUME:
            message = (
                f'Structure "{printable(name)}" has {brief(volume_cc)} cc, and {brief(there)} cc in the DVH of course "{printable(course.name)}". Check that '
                "both are the same organ, contoured whole, and that the volumes of the DVH are in cc."
            )
            out.append(Notice("dvh_volume_differs", message, course.name, name))
    return out
