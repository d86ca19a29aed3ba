"""An organ that remembers every course: physical dose at its points, delivery by delivery; sums at any alpha/beta are arithmetic on these.

A delivery is a number of sessions in which the same dose was given. A sequential phase is one delivery. Phases given in the same sessions are first
added physically: n1 = 25 and n2 = 20 concurrent sessions become 20 sessions of d1 + d2 and 5 sessions of d1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.course import Course, Phase
from reirrad.dose import Float32, Interpolation
from reirrad.dvh import Dvh
from reirrad.grid import Float64
from reirrad.points import OrganPoints, read_dose
from reirrad.registration import Rigid

__all__ = ["OrganDose", "accumulate", "deliveries"]

N_EDGE = 48  # surface points kept for each extreme of each course, and of all together
EDGE_ALPHA_BETA_GY = (0.0, 1.0, 3.0, 10.0)  # alpha/beta at which extremes of several deliveries are looked for


@dataclass(frozen=True, slots=True, eq=False)
class OrganDose:
    """Dose of every delivery at the points of one organ.

    Parameters
    ----------
    volumes_cc : (P,) float64
        Volume of each point.
    dose_gy, edge_gy : (K, P) and (K, E) float32
        Physical dose of each delivery at points and at surface points, Gy; NaN where the dose grid does not reach.
    fractions : (K,) int
        Sessions of each delivery.
    course : (K,) int
        Number of the course a delivery belongs to.
    """

    volumes_cc: Float64
    dose_gy: Float32
    edge_gy: Float32
    fractions: NDArray[np.intp]
    course: NDArray[np.intp]

    def physical(self, course: int) -> Dvh:
        """Physical dose of one course."""
        here = self.course == course
        return Dvh(self.dose_gy[here].sum(axis=0), self.volumes_cc, self.edge_gy[here].sum(axis=0))

    def eqd2(self, alpha_beta_gy: float, course: int | None = None) -> Dvh:
        """EQD2 of one course, or of all courses together.

        Additive over deliveries: (alpha/beta Q1 + Q2) / (2 + alpha/beta) with Q1 = sum of D, Q2 = sum of D^2 / n.
        """
        here = np.flatnonzero(np.ones_like(self.course, bool) if course is None else self.course == course)
        return Dvh(self._eqd2(self.dose_gy, here, alpha_beta_gy), self.volumes_cc, self._eqd2(self.edge_gy, here, alpha_beta_gy))

    def bed(self, alpha_beta_gy: float, course: int | None = None) -> Dvh:
        """BED of one course, or of all courses together."""
        e = self.eqd2(alpha_beta_gy, course)
        factor = np.float32(1 + 2 / alpha_beta_gy)
        return Dvh(e.dose_gy * factor, e.volumes_cc, e.edge_gy * factor)

    def _eqd2(self, dose: Float32, which: NDArray[np.intp], alpha_beta_gy: float) -> Float32:
        total = np.zeros(dose.shape[1], np.float32)
        for k in which:
            slope, offset = np.float32(1 / (self.fractions[k] * (2 + alpha_beta_gy))), np.float32(alpha_beta_gy / (2 + alpha_beta_gy))
            total += dose[k] * (dose[k] * slope + offset)
        return total


def deliveries(phases: tuple[Phase, ...]) -> list[tuple[int, dict[int, float]]]:
    """Split phases into blocks of equal sessions: (sessions, {phase number: part of that phase's dose}).

    >>> one = Phase("a", (), 25); two = Phase("b", (), 20, concurrent=True)
    >>> deliveries((one, two))
    [(20, {0: 0.8, 1: 1.0}), (5, {0: 0.2})]
    """
    groups: list[list[int]] = []
    for k, phase in enumerate(phases):
        if phase.concurrent and groups:
            groups[-1].append(k)
        else:
            groups.append([k])
    blocks = []
    for group in groups:
        done = 0
        for until in sorted({phases[k].fractions for k in group}):
            n = until - done
            blocks.append((n, {k: n / phases[k].fractions for k in group if phases[k].fractions >= until}))
            done = until
    return blocks


def accumulate(points: OrganPoints, courses: tuple[Course, ...], transforms: tuple[Rigid | None, ...], order: Interpolation) -> OrganDose:
    """Read every course at the points of an organ.

    Parameters
    ----------
    transforms : tuple of Rigid or None
        For each course: takes points of the reference frame to the frame of its dose; None when they are the same.
    order : str
        Interpolation.
    """
    dose, fractions, number = [], [], []
    edge_all = []
    coarse = points.edge_points_mm
    for c, (course, transform) in enumerate(zip(courses, transforms, strict=True)):
        by_phase = [_read_phase(points, phase, transform, order) for phase in course.phases]
        edge_by_phase = [_read_points(coarse, phase, transform, "linear") for phase in course.phases]
        for n, parts in deliveries(course.phases):
            dose.append(_combine(by_phase, parts))
            edge_all.append(_combine(edge_by_phase, parts))
            fractions.append(n)
            number.append(c)
    kept = coarse[_extremes(np.array(edge_all), np.array(fractions), np.array(number))]
    edge = []
    for course, transform in zip(courses, transforms, strict=True):
        edge_by_phase = [_read_points(kept, phase, transform, order) for phase in course.phases]
        edge += [_combine(edge_by_phase, parts) for _, parts in deliveries(course.phases)]
    return OrganDose(points.volumes_cc, np.array(dose), np.array(edge), np.array(fractions, np.intp), np.array(number, np.intp))


def _combine(by_phase: list[Float32], parts: dict[int, float]) -> Float32:
    if len(parts) == 1 and next(iter(parts.values())) == 1:
        return by_phase[next(iter(parts))]
    return np.asarray(sum(np.float32(part) * by_phase[k] for k, part in parts.items()), np.float32)


def _read_phase(points: OrganPoints, phase: Phase, transform: Rigid | None, order: Interpolation) -> Float32:
    total = None
    for component in phase.components:
        one = read_dose(points, component.dose, order) if transform is None else component.dose.at_points(transform(points.points_mm), order)
        if component.factor != 1:
            one *= np.float32(component.factor)
        total = one if total is None else total + one
    assert total is not None, "a phase has at least one dose"
    return total


def _read_points(points_mm: Float64, phase: Phase, transform: Rigid | None, order: Interpolation) -> Float32:
    moved = points_mm if transform is None else transform(points_mm)
    return np.asarray(sum(np.float32(c.factor) * c.dose.at_points(moved, order) for c in phase.components), np.float32)


def _extremes(dose: Float32, fractions: NDArray[np.intp], course: NDArray[np.intp]) -> NDArray[np.intp]:
    """Surface points that may hold the least or the largest physical dose or EQD2 of a course, or of all courses together."""
    squares = dose**2 / fractions[:, None]
    chosen = []
    for group in [*(np.flatnonzero(course == c) for c in np.unique(course)), np.arange(len(dose))]:
        q1, q2 = dose[group].sum(axis=0), squares[group].sum(axis=0)
        views = [q1] if group.size == 1 else [q1, *(alpha_beta * q1 + q2 for alpha_beta in EDGE_ALPHA_BETA_GY)]
        for v in views:
            order = np.flatnonzero(~np.isnan(v))
            if order.size > 2 * N_EDGE:
                near = np.argpartition(v[order], [N_EDGE, order.size - N_EDGE])
                order = order[np.concatenate([near[:N_EDGE], near[-N_EDGE:]])]
            chosen.append(order)
    return np.unique(np.concatenate(chosen))
