"""How sure a judgement is: every limit again under a shifted registration, other alpha/beta, more or less recovery, and other numbers of fractions.

One factor at a time, as scenarios with names; nothing is drawn at random, and nothing is added in quadrature. A band says what the value is at least and at
most over these scenarios, never how probable that is. What is judged is the main value of a limit; further clauses of a rule are left as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reirrad.band import Band, Factor, Flip, Move, Searched, Skipped, Uncertainty, UncertaintyResult
from reirrad.course import Case
from reirrad.errors import Notice, printable
from reirrad.evaluation import Finding, evaluate
from reirrad.grid import Float64
from reirrad.limit import Limit
from reirrad.organregistration import step_of_set_mm
from reirrad.organresult import OrganResult
from reirrad.organs import organ as organ_of
from reirrad.organsum import OrganSum, brief
from reirrad.scenarios import alpha_beta_bound, at_alpha_beta, recovery_ranges, with_fractions
from reirrad.shifts import MovedDose, Shift, moved_courses, with_rows
from reirrad.situation import Situation, Status
from reirrad.structurematch import pairs
from reirrad.voxelsearch import Region, VoxelSearch, region_of

__all__ = ["bands"]

MAX_THREADS: Final = 4
RISING: Final = ("max", "mean", "dose_at_volume", "volume_at_dose", "geud")  # metrics that are worst where dose is largest


def bands(case: Case, organs: Sequence[OrganResult], findings: Sequence[Finding], settings: Uncertainty, situations: Sequence[Situation]) -> UncertaintyResult:
    """Hold every limit against its organ again under all scenarios.

    Parameters
    ----------
    organs : sequence of OrganResult
        For shifts with the places of their points.
    findings : sequence of Finding
        The main result.
    situations : sequence of Situation
        One for each proposed course, as for the main result; at least one.
    """
    by_name = {o.name: o for o in organs}
    tasks: dict[str, list[tuple[int, _Item]]] = {}
    skipped: list[Skipped] = []
    for number, finding in enumerate(findings):
        item = _item(finding, by_name.get(finding.structure or ""), situations)
        if isinstance(item, str):
            skipped.append(Skipped(finding.limit.id, finding.structure, item))
        else:
            tasks.setdefault(item.nominal.structure or "", []).append((number, item))

    def one(name: str) -> tuple[list[_Tried], list[Notice]]:
        return _try_all(case, by_name[name], [item for _, item in tasks[name]], settings)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        done = list(pool.map(one, tasks))
    notices = [notice for _, those in done for notice in those]
    if settings.shifts and not moved_courses(case):
        notices.insert(0, Notice("shift_moves_nothing", "A shift of the registration was asked for, but the case has no earlier dose that could be shifted."))
    found = sorted(
        ((n, tried) for items, (those, _) in zip(tasks.values(), done, strict=True) for (n, _), tried in zip(items, those, strict=True)), key=_number
    )
    flips = tuple(flip for _, tried in found for flip in tried.flips())
    return UncertaintyResult(settings, tuple(tried.band() for _, tried in found), flips, tuple(skipped), tuple(notices))


def _number(numbered: tuple[int, _Tried]) -> int:
    return numbered[0]


# ------------------------------------------------------------------------------------------------------- one limit of one organ


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """One limit, without further clauses, of one organ, with its main result."""

    limit: Limit
    situation: Situation
    kept: Mapping[int, float] | None
    nominal: Finding
    whole_rule: Status

    def judge(self, organ: OrganSum, limit: Limit | None = None, kept: Mapping[int, float] | None = None) -> Finding:
        assert self.nominal.structure is not None
        finding = evaluate(limit or self.limit, self.nominal.structure, organ, self.situation, kept or self.kept)
        assert finding is not None, "it was judged before"
        return finding

    def sees(self, course: int) -> bool:
        """Whether the dose of a course counts."""
        return self.limit.scope == "cumulative" or self.nominal.course == course


@dataclass(slots=True, eq=False)
class _Tried:
    """All scenarios of one limit."""

    item: _Item
    trials: list[tuple[Factor, str, float | None, Status]]
    alpha_beta_bound: tuple[float, float] | None = None
    searched: Searched | None = None

    def add(self, factor: Factor, label: str, finding: Finding, scale: float = 1.0) -> None:
        value = finding.judged_value
        self.trials.append((factor, label, None if value is None else value * scale, finding.status))

    def band(self) -> Band:
        nominal = self.item.nominal
        value = _nominal_value(nominal)
        known = [(v, label, status, factor) for factor, label, v, status in self.trials if v is not None]
        low = min(known, key=lambda t: t[0], default=None)
        high = max(known, key=lambda t: t[0], default=None)
        moves = []
        for factor in dict.fromkeys(factor for factor, _, _, _ in self.trials):
            own = [(value, None), *((v, label) for v, label, _, of in known if of == factor)]
            (least, at_least), (most, at_most) = min(own, key=lambda t: t[0]), max(own, key=lambda t: t[0])
            moves.append(Move(factor, least, most, at_least, at_most, sum(of == factor for of, _, _, _ in self.trials)))
        return Band(
            limit_id=nominal.limit.id,
            structure=nominal.structure or "",
            course=nominal.course,
            unit=nominal.limit.unit,
            low=value if low is None else min(value, low[0]),
            nominal=value,
            high=value if high is None else max(value, high[0]),
            status_low=low[2] if low is not None and low[0] < value else nominal.status,
            status=nominal.status,
            status_high=high[2] if high is not None and high[0] > value else nominal.status,
            bound=nominal.bound,
            moves=tuple(moves),
            alpha_beta_bound=self.alpha_beta_bound,
            searched=self.searched,
            other_rule_status=self.item.whole_rule if self.item.whole_rule != nominal.status else None,
        )

    def flips(self) -> Iterator[Flip]:
        nominal = self.item.nominal
        value = _nominal_value(nominal)
        changed = [t for t in self.trials if t[3] != nominal.status]
        for factor, status in dict.fromkeys((t[0], t[3]) for t in changed):
            alike = [t for t in changed if (t[0], t[3]) == (factor, status)]
            _, label, v, _ = max(alike, key=lambda t: -1.0 if t[2] is None else abs(t[2] - value))
            n_of = sum(t[0] == factor for t in self.trials)
            yield Flip(nominal.limit.id, nominal.structure or "", nominal.status, status, factor, label, v, nominal.limit.unit, len(alike), n_of)


def _item(finding: Finding, organ: OrganResult | None, situations: Sequence[Situation]) -> _Item | str:
    """What to try, or why nothing can be."""
    if organ is None or finding.structure is None:
        return "the limit is for both sides together or has no structure; its band is not calculated"
    if organ.sum is None or organ.is_incomplete:
        return "the structure has no closed contours, or open lines were left out of it"
    if finding.judged_value is None and (finding.limit.combine_sides or not finding.limit.clauses):
        return f"not evaluable: {finding.reason}"
    situation = next((s for s in situations if s.proposed == finding.course), situations[0])
    limit = replace(finding.limit, clauses=())
    kept = organ.kept if limit.recovery == "discounted" and limit.scope == "cumulative" else None
    nominal = evaluate(limit, organ.name, organ.sum, situation, kept)
    if nominal is None or nominal.judged_value is None:
        return f"not evaluable: {finding.reason if nominal is None else nominal.reason}"
    return _Item(limit, situation, kept, nominal, finding.status)


def _nominal_value(finding: Finding) -> float:
    assert finding.judged_value is not None
    return finding.judged_value


# ------------------------------------------------------------------------------------------------------- scenarios of one organ


def _try_all(case: Case, organ: OrganResult, items: list[_Item], settings: Uncertainty) -> tuple[list[_Tried], list[Notice]]:
    tried = [_Tried(item, []) for item in items]
    notices = _try_shifts(case, organ, tried, settings.shifts) if settings.shifts else []
    for one in tried:
        if settings.alpha_beta:
            _try_alpha_beta(organ, one)
        if settings.recovery:
            _try_recovery(case, organ, one)
        if settings.fractions:
            _try_fractions(case, organ, one, settings.fractions)
    return tried, notices


def _try_shifts(case: Case, organ: OrganResult, tried: list[_Tried], among: tuple[Shift, ...]) -> list[Notice]:
    """Every shift of all moved courses, and of those of each frame by themselves; and the voxel search over the same shifts."""
    assert organ.sum is not None
    affected = [t for t in tried if any(t.item.sees(k) for k in moved_courses(case))]
    if not affected:
        return []
    moved = MovedDose(case, organ.sum.dose, among)
    searching = [t for t in affected if t.item.limit.comparator != ">=" and t.item.limit.alpha_beta_gy and t.item.limit.metric.kind in RISING]
    alpha_betas = tuple(dict.fromkeys(t.item.limit.alpha_beta_gy for t in searching if t.item.limit.alpha_beta_gy))
    search = VoxelSearch(moved.dose, alpha_betas, moved.courses)
    regions = _regions(case, organ, moved.courses) if alpha_betas else {}
    groups = moved.groups()
    for k, unmoved in moved.nominal().items():
        search.add(k, unmoved, _inside(case, k, regions.get(k), moved.points_mm))
    for shift, rows in moved.each():
        for group in groups:
            label = shift.label if len(groups) == 1 or group is groups[0] else f"{shift.label}, {_listed(case, group)} alone"
            shifted = replace(organ.sum, dose=with_rows(organ.sum.dose, {k: rows[k] for k in group}))
            for one in affected:
                one.add("shift", label, one.item.judge(shifted))
        if shift.rotation is None:
            at = shift.origin_of(moved.points_mm, moved.centre_mm)
            for k in moved.courses:
                search.add(k, rows[k], _inside(case, k, regions.get(k), at))
    if not moved.courses:  # the dose is flat: whatever the shift, the value is the same
        for one in affected:
            one.trials += [("shift", shift.label, one.item.nominal.judged_value, one.item.nominal.status) for shift in among]
    unknown = [k for k in moved.courses if regions.get(k) is None]
    reason = f"the organ is not contoured in {_listed(case, unknown)}, or not in one structure" if unknown else ""
    for one in searching:
        one.searched = _searched(organ.sum, one.item, search, reason)
    name = printable(organ.name)
    if moved.held_cc > 0:
        message = (
            f'Up to {brief(moved.held_cc)} cc of structure "{name}" leave the known dose of an earlier course when that is shifted; there its dose was '
            "taken as without the shift. Read the bands of this structure with care."
        )
        return [Notice("shift_leaves_dose_grid", message, structure=organ.name)]
    return []


def _searched(total: OrganSum, item: _Item, search: VoxelSearch, reason: str) -> Searched:
    alpha_beta = item.limit.alpha_beta_gy
    assert alpha_beta is not None
    anywhere = item.judge(replace(total, dose=search.worst(alpha_beta)))
    dose, fallback_cc = search.worst_inside(alpha_beta)
    inside = item.judge(replace(total, dose=dose))
    return Searched(anywhere.judged_value, anywhere.status, inside.judged_value, inside.status, fallback_cc, reason)


def _regions(case: Case, organ: OrganResult, courses: Sequence[int]) -> dict[int, Region | None]:
    """Inside of the same organ in the structure sets of other courses; None where it is not there, or not in one structure."""
    here, stated = case.courses[case.reference].structures, {s.name: key for s, key in case.organs}
    regions = {}
    for k in courses:
        course = case.courses[k]
        there = next((other for one, other in pairs(here, course.structures, stated) if one.name == organ.name), None)
        regions[k] = None if there is None else region_of(there, course, step_of_set_mm(course))
    return regions


def _inside(case: Case, course: int, region: Region | None, points_mm: Float64) -> NDArray[np.bool_] | None:
    transform = case.transforms[course]
    return None if region is None else region.contains(points_mm if transform is None else transform(points_mm))


def _try_alpha_beta(organ: OrganResult, tried: _Tried) -> None:
    """Both ends of the interval of the organ, whatever alpha/beta the limit has; the limit stays the same EQD2."""
    assert organ.sum is not None
    item, interval = tried.item, organ_of(organ.organ).interval_gy
    if interval is None or item.limit.alpha_beta_gy is None:
        return
    for end, alpha_beta in zip(("lower", "upper"), interval, strict=True):
        limit, scale = at_alpha_beta(item.limit, alpha_beta)
        tried.add("alpha_beta", f"alpha/beta {alpha_beta:g} Gy, the {end} end of the interval", item.judge(organ.sum, limit), scale)
    tried.alpha_beta_bound = alpha_beta_bound(organ.sum, item.limit, interval, item.nominal.course, item.kept)


def _try_recovery(case: Case, organ: OrganResult, tried: _Tried) -> None:
    """The least and the largest recovery of all shipped models that speak of the organ, for a limit that is judged with recovery."""
    assert organ.sum is not None
    ranges = {} if tried.item.kept is None else recovery_ranges(case, organ.organ, tried.item.kept)
    for end, words in enumerate(("least", "largest")) if ranges else ():
        kept = {**(tried.item.kept or {}), **{k: 1 - ends[end] for k, ends in ranges.items()}}
        parts = ", ".join(f"{100 * ends[end]:.0f} % of {_listed(case, [k])}" for k, ends in ranges.items())
        tried.add("recovery", f"the {words} recovery of the models: {parts}", tried.item.judge(organ.sum, kept=kept))


def _try_fractions(case: Case, organ: OrganResult, tried: _Tried, error: int) -> None:
    """Fractions of each earlier course off by `error`: with their dose, and with the dose right."""
    assert organ.sum is not None
    for k, course in enumerate(case.courses):
        stated = course.fractions
        if course.kind != "prior" or stated is None or not tried.item.sees(k):
            continue
        for n in (stated - error, stated + error):
            if n >= 1:
                name = _listed(case, [k])
                with_dose = f"{n} fractions of {name} delivered, not {stated}, and dose with them"
                tried.add("fractions", with_dose, tried.item.judge(with_fractions(organ.sum, k, stated, n, scales_dose=True)))
                alone = f"the same dose of {name} in {n} fractions, not {stated}"
                tried.add("fractions", alone, tried.item.judge(with_fractions(organ.sum, k, stated, n, scales_dose=False)))


def _listed(case: Case, courses: Sequence[int]) -> str:
    return ", ".join(f'"{printable(case.courses[k].name)}"' for k in courses)
