"""An organ that remembers every course: physical dose at its points, delivery by delivery; sums at any alpha/beta are arithmetic on these.

A delivery is a number of sessions in which the same dose was given. A sequential phase is one delivery. Phases given in the same sessions are first
added physically: n1 = 25 and n2 = 20 concurrent sessions become 20 sessions of d1 + d2 and 5 sessions of d1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.course import Course, Phase
from reirrad.dose import Float32, Interpolation
from reirrad.dvh import Dvh
from reirrad.grid import Float64
from reirrad.points import ELONGATION, N_POINTS_LARGE, REFINED_MM, OrganPoints, refined
from reirrad.radiobiology import bed_from_eqd2, eqd2
from reirrad.registration import Transform
from reirrad.sampling import read_dose

__all__ = ["LatticeDose", "OrganDose", "accumulate", "course_dose", "deliveries", "hot_points", "lattice_dose"]

N_EDGE = 48  # surface points kept for each extreme of each course, and of all together
EXTREME_ALPHA_BETA_GY = (0.0, 1.0, 3.0, 10.0)  # alpha/beta at which extremes of several deliveries are looked for
# (cc, mm): the hottest part of this volume gets a finer lattice where the lattice is coarser than this step. First a little more than the largest near-maximum
# volume in use (2 cc), then, within that, more than the small ones (0.03 and 0.1 cc).
HOT_LEVELS = ((3.0, REFINED_MM), (0.3, 0.4))
COLD_PART = 0.1  # points with less than this part of the maximum of every delivery are not looked at
MATTERS_GY = 0.1  # cells within which dose varies by less need no finer lattice
REFINED_PART = 0.5  # nor does an organ of which more than this is hot: its dose is flat
FINEST_MM = 0.3  # no finer than this


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
    repair : (K,) float64, optional
        What multiplies the quadratic term of each delivery in this organ: above 1 for sessions that follow each other before repair is complete, below 1
        for sessions so slow that damage is repaired while they last. Default 1: acute sessions, complete repair between them.
    points_mm, edge_points_mm : (P, 3) and (E, 3) float32, optional
        Where they lie, in the reference frame; kept when asked for.
    """

    volumes_cc: Float64
    dose_gy: Float32
    edge_gy: Float32
    fractions: NDArray[np.intp]
    course: NDArray[np.intp]
    repair: Float64 | None = None
    points_mm: Float32 | None = None
    edge_points_mm: Float32 | None = None

    def physical(self, course: int) -> Dvh:
        """Physical dose of one course."""
        here = self.course == course
        return Dvh(self.dose_gy[here].sum(axis=0), self.volumes_cc, self.edge_gy[here].sum(axis=0))

    def eqd2(self, alpha_beta_gy: float, course: int | None = None, kept: Mapping[int, float] | None = None) -> Dvh:
        """EQD2 of one course, or of all courses together.

        Additive over deliveries: (alpha/beta Q1 + Q2) / (2 + alpha/beta) with Q1 = sum of D, Q2 = sum of repair D^2 / n.

        Parameters
        ----------
        alpha_beta_gy : float
        course : int, optional
            Of this course alone.
        kept : mapping, optional
            Course to the part of its EQD2 that still counts after recovery; 1 where none is given.
        """
        here = np.flatnonzero(np.ones_like(self.course, bool) if course is None else self.course == course)
        weight = kept or {}
        return Dvh(self._eqd2(self.dose_gy, here, alpha_beta_gy, weight), self.volumes_cc, self._eqd2(self.edge_gy, here, alpha_beta_gy, weight))

    def bed(self, alpha_beta_gy: float, course: int | None = None, kept: Mapping[int, float] | None = None) -> Dvh:
        """BED of one course, or of all courses together."""
        e = self.eqd2(alpha_beta_gy, course, kept)
        return Dvh(bed_from_eqd2(e.dose_gy, alpha_beta_gy), e.volumes_cc, bed_from_eqd2(e.edge_gy, alpha_beta_gy))

    def _eqd2(self, dose: Float32, which: NDArray[np.intp], alpha_beta_gy: float, kept: Mapping[int, float]) -> Float32:
        total = np.zeros(dose.shape[1], np.float32)
        for k in which:
            if kept.get(int(self.course[k]), 1.0) == 0:
                continue
            sessions = self.fractions[k] / (1.0 if self.repair is None else self.repair[k])  # as many acute, fully repaired ones would give the same
            part = kept.get(int(self.course[k]), 1.0)
            term = eqd2(dose[k], float(sessions), alpha_beta_gy)
            total += term if part == 1.0 else np.float32(part) * term
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


@dataclass(frozen=True, slots=True, eq=False)
class LatticeDose:
    """Dose of every delivery on the first lattice of an organ, before its hottest parts are looked at more closely.

    Parameters
    ----------
    surface_gy : (K, S) float32
        At all surface points, linear interpolation, Gy.
    dose_gy : (K, P) float32
        At the points, Gy.
    """

    surface_gy: Float32
    dose_gy: Float32


def lattice_dose(points: OrganPoints, courses: tuple[Course, ...], transforms: tuple[Transform | None, ...], order: Interpolation) -> LatticeDose:
    """Read every course on the first lattice of an organ; parameters as those of `accumulate`."""
    surface = _delivered(courses, transforms, lambda phase, transform: _read_points(points.edge_points_mm, phase, transform, "linear"))
    return LatticeDose(surface, _delivered(courses, transforms, lambda phase, transform: _read_phase(points, phase, transform, order)))


def accumulate(
    points: OrganPoints,
    courses: tuple[Course, ...],
    transforms: tuple[Transform | None, ...],
    order: Interpolation,
    keep_points: bool = False,
    lattice: LatticeDose | None = None,
) -> OrganDose:
    """Read every course at the points of an organ.

    Parameters
    ----------
    transforms : tuple of Transform or None
        For each course: takes points of the reference frame to the frame of its dose; None when they are the same.
    order : str
        Interpolation.
    keep_points : bool
        Whether to keep where the points lie, to read other doses there.
    lattice : LatticeDose, optional
        What `lattice_dose` gives for these courses, where it is known already.
    """
    blocks = [(c, n) for c, course in enumerate(courses) for n, _ in deliveries(course.phases)]
    number, fractions = (np.array([block[k] for block in blocks], np.intp) for k in (0, 1))

    def deliver(read: Callable[[Phase, Transform | None], Float32]) -> Float32:
        return _delivered(courses, transforms, read)

    first = lattice_dose(points, courses, transforms, order) if lattice is None else lattice
    kept = points.edge_points_mm[_extremes(first.surface_gy, fractions, number)]
    edge = deliver(lambda phase, transform: _read_points(kept, phase, transform, order))

    def read(part: OrganPoints) -> Float32:
        return deliver(lambda phase, transform: _read_phase(part, phase, transform, order))

    finest, dose = points, first.dose_gy
    coarser: list[tuple[Float64, Float32]] = []
    places: list[Float64] = []
    for hot_cc, coarser_than_mm in HOT_LEVELS:
        if finest.step_mm > coarser_than_mm:
            here = np.flatnonzero(_is_candidate(dose))
            where, at_where = finest.points_at(here), dose.take(here, axis=1)
            upper = at_where + deliver(lambda phase, transform: _spread(where, finest.cell_radius_mm, phase, transform))  # noqa: B023 - used at once
            hot = np.zeros(finest.column_slab.size, bool)
            hot[finest.point_column[here[hot_points(at_where, upper, finest.volumes_cc.take(here), hot_cc, fractions, number)]]] = True
            volume_cc = float(finest.column_area_mm2[hot] @ (finest.slab_high_mm - finest.slab_low_mm)[finest.column_slab[hot]]) / 1000
            if 0 < volume_cc < REFINED_PART * finest.volume_cc:
                rest = np.flatnonzero(~hot.take(finest.point_column))
                coarser.append((finest.volumes_cc.take(rest), dose.take(rest, axis=1)))
                if keep_points:
                    places.append(finest.points_at(rest))
                finest = refined(finest, hot, max((1000 * volume_cc / (N_POINTS_LARGE * ELONGATION)) ** (1 / 3), FINEST_MM))
                dose = read(finest)
    parts = [*coarser, (finest.volumes_cc, dose)]
    points_mm, edge_points_mm = (np.concatenate([*places, finest.points_mm]).astype(np.float32), kept.astype(np.float32)) if keep_points else (None, None)
    volumes, doses = np.concatenate([v for v, _ in parts]), np.concatenate([d for _, d in parts], axis=1)
    return OrganDose(volumes, doses, edge, fractions, number, None, points_mm, edge_points_mm)


def _delivered(courses: tuple[Course, ...], transforms: tuple[Transform | None, ...], read: Callable[[Phase, Transform | None], Float32]) -> Float32:
    """Dose of every delivery (K, ...) from that of every phase."""
    out = []
    for course, transform in zip(courses, transforms, strict=True):
        by_phase = [read(phase, transform) for phase in course.phases]
        out += [_combine(by_phase, parts) for _, parts in deliveries(course.phases)]
    return np.array(out)


def course_dose(course: Course, points_mm: Float64, transform: Transform | None, order: Interpolation) -> Float32:
    """Physical dose (K, P) of each delivery of a course at any points (P, 3) of the reference frame, Gy; NaN where it is not known."""
    by_phase = [_read_points(points_mm, phase, transform, order) for phase in course.phases]
    return np.array([_combine(by_phase, parts) for _, parts in deliveries(course.phases)])


def hot_points(dose: Float32, upper: Float32, volumes_cc: Float64, hot_cc: float, fractions: NDArray[np.intp], course: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Points whose cells may hold a part of the hottest `hot_cc` of a course or of all courses, at any alpha/beta.

    Parameters
    ----------
    dose, upper : (K, P) float32
        Dose of each delivery at the points, and what it may reach within their cells, Gy.

    Returns
    -------
    (P,) bool
        True too only where the dose varies within a cell enough to matter.
    """
    hot = np.zeros(volumes_cc.size, bool)
    for (group, here), (_, above) in zip(_views(dose, fractions, course), _views(upper, fractions, course), strict=True):
        varies = (upper[group] - dose[group]).sum(axis=0) > MATTERS_GY
        known = Dvh(here, volumes_cc, here[:0]).known()
        hot |= varies & (above >= (known.near_max_gy(hot_cc) if known.volume_cc > hot_cc else -np.inf))
    return hot


def _combine(by_phase: list[Float32], parts: dict[int, float]) -> Float32:
    if len(parts) == 1 and next(iter(parts.values())) == 1:
        return by_phase[next(iter(parts))]
    return np.asarray(sum(np.float32(part) * by_phase[k] for k, part in parts.items()), np.float32)


def _read_phase(points: OrganPoints, phase: Phase, transform: Transform | None, order: Interpolation) -> Float32:
    total = None
    for component in phase.components:
        one = read_dose(points, component.dose, order) if transform is None else component.dose.at_points(transform(points.points_mm), order)
        if component.factor != 1:
            one *= np.float32(component.factor)
        total = one if total is None else total + one
    assert total is not None, "a phase has at least one dose"
    return total


def _read_points(points_mm: Float64, phase: Phase, transform: Transform | None, order: Interpolation) -> Float32:
    moved = points_mm if transform is None else transform(points_mm)
    return np.asarray(sum(np.float32(c.factor) * c.dose.at_points(moved, order) for c in phase.components), np.float32)


def _extremes(dose: Float32, fractions: NDArray[np.intp], course: NDArray[np.intp]) -> NDArray[np.intp]:
    """Surface points that may hold the least or the largest physical dose or EQD2 of a course, or of all courses together."""
    chosen = []
    for _, v in _views(dose, fractions, course):
        order = np.flatnonzero(~np.isnan(v))
        if order.size > 2 * N_EDGE:
            near = np.argpartition(v[order], [N_EDGE, order.size - N_EDGE])
            order = order[np.concatenate([near[:N_EDGE], near[-N_EDGE:]])]
        chosen.append(order)
    return np.unique(np.concatenate(chosen))


def _views(dose: Float32, fractions: NDArray[np.intp], course: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], Float32]]:
    """Quantities (P,) that rank points, with their deliveries: dose of each course and of all, and, of several deliveries, what EQD2 is proportional to."""
    squares = dose**2 / fractions[:, None]
    views = []
    of_each = [np.flatnonzero(course == c) for c in np.unique(course)]
    for group in of_each if len(of_each) == 1 else [*of_each, np.arange(len(dose))]:
        q1, q2 = dose[group].sum(axis=0), squares[group].sum(axis=0)
        views.append((group, q1))
        if group.size > 1:
            views += [(group, np.float32(alpha_beta) * q1 + q2) for alpha_beta in EXTREME_ALPHA_BETA_GY]
    return views


def _is_candidate(dose: Float32) -> NDArray[np.bool_]:
    """Points (P,) not so cold in every delivery that their cells cannot belong to the hottest ones."""
    largest = np.nanmax(dose, axis=1, keepdims=True, initial=0.0)
    return np.asarray(np.any(dose > COLD_PART * largest, axis=0))


def _spread(points_mm: Float64, radius_mm: float, phase: Phase, transform: Transform | None) -> Float32:
    """How much the dose of a phase may rise from points (P, 3) to the border of their cells: the range of the voxels around, over that distance."""
    where = points_mm if transform is None else transform(points_mm)
    total = np.zeros(len(points_mm), np.float32)
    for component in phase.components:
        low, high = component.dose.range_at(np.nan_to_num(where))  # where the place is not known, neither is the dose
        voxels = radius_mm / float(np.nanmin(component.dose.grid.spacing_mm))
        total += np.float32(voxels * component.factor) * (high - low)
    return total
