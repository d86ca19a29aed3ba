"""Registration uncertainty as rigid shifts: where the dose of the earlier courses would lie if it were a little off, read again at the points of an organ.

The organ and the reference course stay where they are. Positive x, y, z are the patient's left, back and head.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from reirrad.accumulation import OrganDose, course_dose
from reirrad.course import Case, Course
from reirrad.dose import DoseGrid, Float32
from reirrad.grid import Float64, Grid
from reirrad.registration import Rigid

__all__ = ["MovedDose", "Shift", "moved_courses", "shifts", "with_rows"]

FLAT_GY = 0.05  # a course is not read again at points within reach of which its dose varies by less
CUBIC_GAIN = 2.0  # a cubic in three directions leaves the middle of its voxels by less than this times what they do (1.25^3 = 1.95)
DIRECTIONS = (("right", "left"), ("front", "back"), ("feet", "head"))


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """One rigid error: the earlier dose turned about the centre of the organ, and moved.

    Parameters
    ----------
    label : str
        For people.
    offset_mm : (3,) float64
        By which the dose is moved.
    rotation : (3, 3) float64 or None
        By which it is turned.
    """

    label: str
    offset_mm: Float64
    rotation: Float64 | None = None

    def origin_of(self, points_mm: Float64, centre_mm: Float64) -> Float64:
        """Where the dose was that comes to lie at points (P, 3)."""
        if self.rotation is None:
            return points_mm - self.offset_mm
        return np.asarray((points_mm - centre_mm - self.offset_mm) @ self.rotation + centre_mm)

    def reach_mm(self, radius_mm: float) -> float:
        """How far a point at most this far from the centre is from where its dose was."""
        turned = 0.0 if self.rotation is None else radius_mm * math.sqrt(max(0.0, 3.0 - float(np.trace(self.rotation))))
        return turned + float(np.linalg.norm(self.offset_mm))


def shifts(radii_mm: Sequence[float], rotation_deg: float = 0.0) -> tuple[Shift, ...]:
    """Shifts on and within an ellipsoid, and turns about each axis.

    Parameters
    ----------
    radii_mm : (rx, ry, rz)
        Half axes of the ellipsoid.
    rotation_deg : float
        Turn about x, y and z, each way; 0 for none.

    Returns
    -------
    tuple of Shift
        To 26 directions as far as the ellipsoid reaches, along the axes half as far, and six turns. Fewer where a half axis is 0.

    >>> len(shifts((3, 3, 3))), len(shifts((3, 3, 0))), len(shifts((0, 0, 0), 1))
    (32, 12, 6)
    """
    radii = np.array(radii_mm, np.float64)
    steps = [np.array(d, np.float64) for d in itertools.product((-1, 0, 1), repeat=3) if any(d)]
    offsets = [step / np.linalg.norm(step) * radii for step in steps if np.all(radii[step != 0] > 0)]
    offsets += [0.5 * step * radii for step in steps if np.abs(step).sum() == 1 and np.all(radii[step != 0] > 0)]
    turns = []
    for axis, sign in itertools.product(range(3), (-1, 1)) if rotation_deg else ():
        turns.append(Shift(f"earlier dose turned by {sign * rotation_deg:+g} degrees about {'xyz'[axis]}", np.zeros(3), _turn(axis, sign * rotation_deg)))
    return tuple(Shift(_label(offset), offset) for offset in offsets) + tuple(turns)


def moved_courses(case: Case) -> tuple[int, ...]:
    """Courses that are shifted: all with dose at the points but the reference, and but proposed courses planned on the images of a proposed reference.

    A course that is not registered is read on its own structure, where no registration can be wrong.
    """
    at_points = (k for k, course in enumerate(case.courses) if not course.is_on_paper and k not in case.unregistered)
    return tuple(k for k in at_points if not _lies_with_reference(case, k))


def with_rows(dose: OrganDose, rows: dict[int, Float32]) -> OrganDose:
    """Dose of an organ with other values (K, P + E) at points and surface points for the deliveries of some courses."""
    at_points, at_edge = dose.dose_gy.copy(), dose.edge_gy.copy()
    n = dose.volumes_cc.size
    for course, values in rows.items():
        here = np.flatnonzero(dose.course == course)
        at_points[here], at_edge[here] = values[:, :n], values[:, n:]
    return replace(dose, dose_gy=at_points, edge_gy=at_edge)


@dataclass(slots=True, eq=False)
class MovedDose:
    """Reads shifted courses at the points of one organ.

    Parameters
    ----------
    case : Case
    dose : OrganDose
        With the places of its points.
    among : tuple of Shift

    Attributes
    ----------
    courses : tuple of int
        Courses that are read: those of `moved_courses` whose dose varies within reach.
    varying : dict
        For each of them the points, by number, where it does; at others the dose stays.
    held_cc : float
        Largest volume of which a shift left the dose grid (or the known part of the registration); there the dose was taken as without it.
    """

    case: Case
    dose: OrganDose
    among: tuple[Shift, ...]
    courses: tuple[int, ...] = field(init=False)
    varying: dict[int, NDArray[np.intp]] = field(init=False)
    held_cc: float = field(init=False, default=0.0)
    points_mm: Float64 = field(init=False)
    centre_mm: Float64 = field(init=False)

    def __post_init__(self) -> None:
        assert self.dose.points_mm is not None, "accumulate(..., keep_points=True)"
        assert self.dose.edge_points_mm is not None, "accumulate(..., keep_points=True)"
        self.points_mm = np.concatenate([self.dose.points_mm, self.dose.edge_points_mm]).astype(np.float64)
        self.centre_mm = np.average(self.dose.points_mm, axis=0, weights=self.dose.volumes_cc)
        radius = float(np.sqrt(((self.points_mm - self.centre_mm) ** 2).sum(axis=1).max()))
        reach = max((s.reach_mm(radius) for s in self.among), default=0.0)
        varying = {k: self._varying(k, reach) for k in moved_courses(self.case)}
        self.varying = {k: here for k, here in varying.items() if here.size}
        self.courses = tuple(self.varying)

    def nominal(self) -> dict[int, Float32]:
        """Dose (K, P + E) of the deliveries of each course, not shifted."""
        return {k: np.concatenate([self.dose.dose_gy[here], self.dose.edge_gy[here]], axis=1) for k, here in self._deliveries().items()}

    def each(self) -> Iterator[tuple[Shift, dict[int, Float32]]]:
        """Every shift with the dose (K, P + E) of the deliveries of each course."""
        unmoved = self.nominal()
        n = self.dose.volumes_cc.size
        for shift in self.among if self.courses else ():
            at = shift.origin_of(self.points_mm, self.centre_mm)
            rows = {}
            for k in self.courses:
                here = self.varying[k]
                before = unmoved[k][:, here]
                read = course_dose(self.case.courses[k], at[here], self.case.transforms[k], self.case.interpolation)
                left = np.isnan(read) & ~np.isnan(before)
                if left.any():
                    read = np.where(left, before, read)
                    which = here[left.any(axis=0)]
                    self.held_cc = max(self.held_cc, float(self.dose.volumes_cc[which[which < n]].sum()))
                read[np.isnan(before)] = np.nan  # what is not known does not become known by moving
                rows[k] = unmoved[k].copy()
                rows[k][:, here] = read
            yield shift, rows

    def groups(self) -> list[tuple[int, ...]]:
        """Courses that move together: all, and, of several frames of reference, those of each by itself."""
        frames: dict[str, list[int]] = {}
        for k in self.courses:
            frames.setdefault(self.case.courses[k].frame_uid, []).append(k)
        return [self.courses, *(tuple(one) for one in frames.values())] if len(frames) > 1 else [self.courses]

    def _deliveries(self) -> dict[int, NDArray[np.intp]]:
        return {k: np.flatnonzero(self.dose.course == k) for k in self.courses}

    def _varying(self, course: int, reach_mm: float) -> NDArray[np.intp]:
        """Points, by number, at which the dose of a course varies by FLAT_GY or more within reach, or is not known everywhere."""
        transform = self.case.transforms[course]
        if not _keeps_distances(transform):
            return np.arange(len(self.points_mm))
        at = self.points_mm if transform is None else transform(self.points_mm)
        return np.flatnonzero(~(_variation_gy(self.case.courses[course], at, reach_mm) * CUBIC_GAIN < FLAT_GY))


def _keeps_distances(transform: object) -> bool:
    return transform is None or isinstance(transform, Rigid)


def _lies_with_reference(case: Case, course: int) -> bool:
    """Whether nothing can have moved between a course and the reference: it is that, or both are proposed on the same images."""
    both_proposed = case.courses[course].kind == case.courses[case.reference].kind == "proposed"
    return course == case.reference or (both_proposed and case.transforms[course] is None)


def _variation_gy(course: Course, points_mm: Float64, reach_mm: float) -> Float64:
    """Largest minus least dose of the voxels within reach of points (P, 3), in the frame of the course; without end where that leaves a grid."""
    total = np.zeros(len(points_mm))
    for component in (c for phase in course.phases for c in phase.components):
        grid = component.dose.grid
        local = grid.to_local(points_mm)
        part, sizes, centres = [], [], []
        for axis, c in enumerate((grid.u_mm, grid.v_mm, grid.w_mm)):
            total[~((local[:, axis] - reach_mm >= c[0]) & (local[:, axis] + reach_mm <= c[-1]))] = np.inf
            low, high = np.searchsorted(c, [local[:, axis].min() - reach_mm, local[:, axis].max() + reach_mm])
            part.append(slice(max(int(low) - 2, 0), max(int(high) + 2, 2)))
            n = math.ceil(reach_mm / float(np.diff(c).min(initial=math.inf))) + 1  # one more voxel to each side: cubic
            sizes.append(2 * n + 1)
            centres.append(c[part[-1]])
        dose, size = component.dose.dose_gy[tuple(part[::-1])], tuple(sizes[::-1])
        cut = Grid(grid.rotation, *centres)
        high_gy = DoseGrid(cut, maximum_filter(dose, size, mode="nearest")).range_at(points_mm)[1]
        total += component.factor * (high_gy - DoseGrid(cut, minimum_filter(dose, size, mode="nearest")).range_at(points_mm)[0])
    return total


def _label(offset_mm: Float64) -> str:
    to = " and ".join(DIRECTIONS[axis][int(v > 0)] for axis, v in enumerate(offset_mm) if v)
    return f"earlier dose moved by {np.linalg.norm(offset_mm):.3g} mm to the {to}"


def _turn(axis: int, degrees: float) -> Float64:
    """Rotation of points about an axis, right-handed."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix
