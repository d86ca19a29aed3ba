"""Do the irradiated volumes of two courses overlap? The type of re-irradiation, with the numbers it rests on.

Types after the consensus of ESTRO and EORTC (Andratschke 2022): type I, the irradiated volumes overlap; type II, they do not, but the cumulative dose of an
organ is of concern; else repeat organ irradiation (of the same organ) or repeat irradiation. The consensus states no thresholds; those used here stand below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import course_dose
from reirrad.course import Case, Course
from reirrad.dvh import Undefined
from reirrad.errors import printable
from reirrad.grid import Float64
from reirrad.metrics import Metric
from reirrad.organresult import OrganResult

__all__ = ["ISODOSE_PART", "RELEVANT_EQD2_GY", "PairOverlap", "Reached", "Reirradiation", "SharedOrgan", "reirradiation", "volume_overlap"]

ISODOSE_PART: Final = 0.5  # the irradiated volume receives at least this part of the prescription ...
RELEVANT_EQD2_GY: Final = 10.0  # ... and an organ has had relevant dose where this EQD2 is reached in it

Kind = Literal["I", "II", "repeat", "not_determined"]


@dataclass(frozen=True, slots=True)
class PairOverlap:
    """Irradiated volumes of an earlier and a proposed course.

    Parameters
    ----------
    prior, proposed : int
        Numbers of the courses.
    prior_gy, proposed_gy : float or None
        Isodose that bounds each volume: half of the dose prescribed for the delivered fractions.
    proposed_cc, shared_cc : float or None
        Volume of the proposed course, and of it that of the earlier one too; at voxel centres.
    unknown_cc : float
        Part of the proposed volume where the dose of the earlier course is not known.
    is_cut : bool
        The proposed volume reaches, or may reach, beyond a dose grid: what lies beyond is not counted.
    reason : str
        Why the volumes are not known; empty when they are.
    """

    prior: int
    proposed: int
    prior_gy: float | None = None
    proposed_gy: float | None = None
    proposed_cc: float | None = None
    shared_cc: float | None = None
    unknown_cc: float = 0.0
    is_cut: bool = False
    reason: str = ""

    @property
    def part(self) -> float | None:
        """Shared part of the proposed volume."""
        return self.shared_cc / self.proposed_cc if self.shared_cc is not None and self.proposed_cc else None

    @property
    def overlaps(self) -> bool | None:
        """Whether the volumes overlap; None when it is not known."""
        if self.shared_cc is None:
            return None
        if self.shared_cc > 0:
            return True
        return None if self.unknown_cc > 0 or self.is_cut else False


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether the relevant EQD2 of one course is reached in an organ (None: not known), and in which volume (None: not known)."""

    is_reached: bool | None
    volume_cc: float | None = None


@dataclass(frozen=True, slots=True)
class SharedOrgan:
    """An organ that both an earlier and a proposed course give, or may give, a relevant dose."""

    structure: str
    prior: int
    proposed: int
    of_prior: Reached
    of_proposed: Reached

    @property
    def is_certain(self) -> bool:
        """Whether both are known to reach it."""
        return bool(self.of_prior.is_reached and self.of_proposed.is_reached)


@dataclass(frozen=True, slots=True)
class Reirradiation:
    """Type of re-irradiation and what it rests on."""

    kind: Kind
    reason: str
    pairs: tuple[PairOverlap, ...]
    organs: tuple[SharedOrgan, ...]


def reirradiation(case: Case, organs: Sequence[OrganResult]) -> Reirradiation:
    """Type of re-irradiation of a case: the highest of all pairs of an earlier and a proposed course."""
    priors = [k for k, c in enumerate(case.courses) if c.kind == "prior"]
    numbers = [(prior, proposed) for prior in priors for proposed in case.proposed_courses]
    if not numbers:
        return Reirradiation("not_determined", "the case does not hold both an earlier and a proposed course", (), ())
    pairs = tuple(volume_overlap(case, *pair) for pair in numbers)
    shared = tuple(one for result in organs for pair in numbers if (one := _shared(result, *pair)) is not None)
    kind, reason = _kind(pairs, shared)
    return Reirradiation(kind, reason, pairs, shared)


def _kind(pairs: Sequence[PairOverlap], shared: Sequence[SharedOrgan]) -> tuple[Kind, str]:
    if any(p.overlaps for p in pairs):
        return "I", "the irradiated volumes overlap"
    for pair in pairs:
        if pair.overlaps is None:
            reason = pair.reason or "no overlap was found, but a part of the irradiated volume lies where dose is not known"
            return "not_determined", reason + (
                "; an organ receives relevant dose from both, so it is type I or II" if any(o.is_certain for o in shared) else ""
            )
    if any(o.is_certain for o in shared):
        return "II", "the irradiated volumes do not overlap, but an organ receives relevant dose from both"
    if shared:
        return "not_determined", "the irradiated volumes do not overlap; whether an organ receives relevant dose from both is not known"
    return "repeat", "the irradiated volumes do not overlap, and no contoured organ receives relevant dose from both"


def volume_overlap(case: Case, prior: int, proposed: int) -> PairOverlap:
    """Overlap of the irradiated volumes of two courses, plane by plane of a dose grid.

    The grid is the finest one of the proposed course, or, where that lies in another frame, of the reference course.
    """
    if reason := _not_known(case, prior) or _not_known(case, proposed):
        return PairOverlap(prior, proposed, reason=reason)
    prior_gy, proposed_gy = (ISODOSE_PART * (case.courses[k].delivered_gy or 0.0) for k in (prior, proposed))
    home = proposed if case.transforms[proposed] is None else case.reference
    finest = max((c.dose.grid for phase in case.courses[home].phases for c in phase.components), key=lambda g: int(np.prod(g.shape)), default=None)
    if finest is None or min(finest.shape) < 2:
        return PairOverlap(prior, proposed, prior_gy, proposed_gy, reason=f'the dose of course "{printable(case.courses[home].name)}" is no volume')
    volume = shared = unknown = 0.0
    is_cut = False
    area = np.outer(_widths(finest.v_mm), _widths(finest.u_mm)).ravel() / 1000
    at_border = _border(finest.shape[1:]).ravel()
    beyond_gy = _border_gy(case.courses[proposed])
    for k, thickness in enumerate(_widths(finest.w_mm)):
        points = finest.plane_points_mm(k)
        gy, is_known = _at_least_gy(case, proposed, points)
        is_cut |= bool((~is_known & (gy < proposed_gy) & (gy + beyond_gy >= proposed_gy)).any())
        here = np.flatnonzero(gy >= proposed_gy)
        if here.size == 0:
            continue
        is_cut |= bool(k in (0, finest.w_mm.size - 1) or at_border[here].any())
        before, is_known = _at_least_gy(case, prior, points[here])
        cc = area[here] * thickness
        volume += float(cc.sum())
        shared += float(cc[before >= prior_gy].sum())
        unknown += float(cc[~is_known & (before < prior_gy)].sum())
    if volume == 0:
        return PairOverlap(
            prior, proposed, prior_gy, proposed_gy, reason=f'course "{printable(case.courses[proposed].name)}" reaches half of its prescription nowhere'
        )
    return PairOverlap(prior, proposed, prior_gy, proposed_gy, volume, shared, unknown, is_cut)


def _not_known(case: Case, number: int) -> str:
    """Why the irradiated volume of a course is not known; empty when it is."""
    course = case.courses[number]
    quoted = f'course "{printable(course.name)}"'
    if course.is_on_paper:
        return f"there is no dose distribution of {quoted}"
    if number in case.unregistered:
        return f"{quoted} is not registered to the reference course"
    if not course.prescription_gy:
        return f"{quoted} states no prescription"
    return "" if course.delivered_gy else f"different parts of the phases of {quoted} were given, and its prescription is stated for all of them together"


def _at_least_gy(case: Case, number: int, points_mm: Float64) -> tuple[Float64, NDArray[np.bool_]]:
    """Physical dose of a course at points (N, 3), linear between voxels, with zero for a delivery that is not known there; and where all are known."""
    rows = course_dose(case.courses[number], points_mm, case.transforms[number], "linear").astype(np.float64)
    return np.nansum(rows, axis=0), np.asarray(~np.isnan(rows).any(axis=0))


def _border_gy(course: Course) -> float:
    """Dose on the borders of the dose grids of a course, of each the largest, added up: what is taken as the most that lies beyond them."""
    total = 0.0
    for component in (c for phase in course.phases for c in phase.components):
        total += component.factor * float(component.dose.dose_gy[_border(component.dose.grid.shape)].max())
    return total


def _widths(centres_mm: Float64) -> Float64:
    """Widths of voxels: half way to their neighbours; the first and last as far outwards as inwards.

    >>> _widths(np.array([0.0, 2.0, 6.0])).tolist()
    [2.0, 3.0, 4.0]
    """
    steps = np.diff(centres_mm)
    return np.asarray((np.r_[steps[0], steps] + np.r_[steps, steps[-1]]) / 2)


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Voxels of a grid, or of a plane of it, that have no neighbour on some side.

    >>> _border((3, 4)).astype(int).tolist()
    [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    """
    outer = np.ones(shape, bool)
    outer[(slice(1, -1),) * len(shape)] = False
    return outer


def _shared(result: OrganResult, prior: int, proposed: int) -> SharedOrgan | None:
    """What an organ receives from both; None where one of them is known not to reach the relevant EQD2."""
    of_prior, of_proposed = (_reached(result, k) for k in (prior, proposed))
    if of_prior.is_reached is False or of_proposed.is_reached is False:
        return None
    return SharedOrgan(result.name, prior, proposed, of_prior, of_proposed)


def _reached(result: OrganResult, number: int) -> Reached:
    """Whether a course reaches the relevant EQD2 in an organ: from its dose at points, else from what its maximum is at least and at most."""
    if result.sum is None:
        return Reached(None)
    values = []
    for metric, unit in ((Metric("volume_at_dose", RELEVANT_EQD2_GY, "Gy"), "cc"), (Metric("max"), "Gy")):
        try:
            values.append(result.sum.value(metric, unit, "EQD2", result.alpha_beta_gy, number))
        except Undefined:
            return Reached(None)
    volume, most = values
    if volume.is_exact and volume.low is not None:
        return Reached(volume.low > 0, volume.low)
    if most.low is not None and most.low >= RELEVANT_EQD2_GY:
        return Reached(True)
    return Reached(False, 0.0) if most.high is not None and most.high < RELEVANT_EQD2_GY else Reached(None)
