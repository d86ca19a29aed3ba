"""Solids whose volume on one side of any axial plane is a formula.

Lengths in mm, areas in mm2, volumes in mm3 here; the truth of a phantom is given in cc. Every solid stands along z.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from reirrad.grid import Float64
from reirrad.phantoms.section import Section

__all__ = ["Box", "Cone", "Cylinder", "Ellipsoid", "Point", "Solid", "Sphere", "Stack", "Tube"]

Point = tuple[float, float, float]
X, Y, Z = 0, 1, 2


class Solid(ABC):
    """A body with a formula for the volume below a plane."""

    __slots__ = ()

    @property
    @abstractmethod
    def extent_mm(self) -> tuple[Point, Point]:
        """Lowest and highest coordinates."""

    @abstractmethod
    def volume_below_mm3(self, axis: int, at_mm: float) -> float:
        """Volume of the part with a coordinate along `axis` below `at_mm`."""

    @abstractmethod
    def moments_mm(self, axis: int) -> tuple[float, float]:
        """Mean coordinate along `axis` (mm), and the mean square about it (mm2)."""

    @abstractmethod
    def section(self, z_mm: float) -> Section | None:
        """The cut at a plane of constant z; None outside."""

    @property
    def volume_cc(self) -> float:
        """Volume."""
        return self.volume_below_mm3(Z, self.extent_mm[1][Z]) / 1000

    def contains(self, points_mm: Float64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Whether each point (P, 3) lies inside."""
        inside = np.zeros(len(points_mm), bool)
        for z in np.unique(points_mm[:, Z]):
            here, cut = points_mm[:, Z] == z, self.section(float(z))
            if cut is not None:
                u = np.abs(points_mm[here, :2] - cut.centre_mm) / (cut.a_mm, cut.b_mm)
                inside[here] = u.max(axis=1) <= 1 if cut.is_rectangle else (u**cut.power).sum(axis=1) <= 1
        return inside


@dataclass(frozen=True, slots=True)
class Ellipsoid(Solid):
    """Axis-parallel ellipsoid."""

    centre_mm: Point
    semi_mm: Point

    @property
    def extent_mm(self) -> tuple[Point, Point]:
        """Lowest and highest coordinates."""
        return _around(self.centre_mm, self.semi_mm)

    def volume_below_mm3(self, axis: int, at_mm: float) -> float:
        """Ellipsoid cap: pi a b c (2/3 + u - u^3/3) with u the distance from the middle in semi-axes."""
        u = float(np.clip((at_mm - self.centre_mm[axis]) / self.semi_mm[axis], -1, 1))
        return float(np.pi * np.prod(self.semi_mm) * (2 / 3 + u - u**3 / 3))

    def moments_mm(self, axis: int) -> tuple[float, float]:
        """Centre, semi-axis squared / 5."""
        return self.centre_mm[axis], self.semi_mm[axis] ** 2 / 5

    def section(self, z_mm: float) -> Section | None:
        """Ellipse."""
        u = (z_mm - self.centre_mm[Z]) / self.semi_mm[Z]
        if abs(u) >= 1:
            return None
        k = float(np.sqrt(1 - u * u))
        return Section(self.centre_mm[:2], self.semi_mm[X] * k, self.semi_mm[Y] * k)


def Sphere(centre_mm: Point, radius_mm: float) -> Ellipsoid:  # noqa: N802 - reads as the solid it makes
    """Sphere.

    >>> round(Sphere((0.0, 0.0, 0.0), 10.0).volume_cc, 5)
    4.18879
    """
    return Ellipsoid(centre_mm, (radius_mm, radius_mm, radius_mm))


@dataclass(frozen=True, slots=True)
class Cylinder(Solid):
    """A section extruded from z = bottom to z = top: circular or elliptic cylinder, box, superelliptic prism."""

    base: Section
    bottom_mm: float
    top_mm: float

    @property
    def extent_mm(self) -> tuple[Point, Point]:
        """Lowest and highest coordinates."""
        (cx, cy), a, b = self.base.centre_mm, self.base.a_mm, self.base.b_mm
        return (cx - a, cy - b, self.bottom_mm), (cx + a, cy + b, self.top_mm)

    def volume_below_mm3(self, axis: int, at_mm: float) -> float:
        """Segment area times height, or area times part of the height."""
        height = self.top_mm - self.bottom_mm
        if axis == Z:
            return self.base.area_mm2 * float(np.clip(at_mm - self.bottom_mm, 0, height))
        return self.base.area_below_mm2(axis, at_mm) * height

    def moments_mm(self, axis: int) -> tuple[float, float]:
        """Middle of the height and height squared / 12, or those of the section."""
        if axis == Z:
            return (self.bottom_mm + self.top_mm) / 2, (self.top_mm - self.bottom_mm) ** 2 / 12
        return self.base.centre_mm[axis], self.base.second_moment_mm2(axis)

    def section(self, z_mm: float) -> Section | None:
        """The base."""
        return self.base if self.bottom_mm <= z_mm <= self.top_mm else None


def Box(low_mm: Point, high_mm: Point) -> Cylinder:  # noqa: N802 - reads as the solid it makes
    """Box between two corners."""
    (x0, y0, z0), (x1, y1, z1) = low_mm, high_mm
    return Cylinder(Section(((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0) / 2, (y1 - y0) / 2, float("inf")), z0, z1)


@dataclass(frozen=True, slots=True)
class Cone(Solid):
    """Upright circular cone: a base at the bottom, its tip `height_mm` above."""

    base_centre_mm: Point
    radius_mm: float
    height_mm: float

    @property
    def extent_mm(self) -> tuple[Point, Point]:
        """Lowest and highest coordinates."""
        (x, y, z), r = self.base_centre_mm, self.radius_mm
        return (x - r, y - r, z), (x + r, y + r, z + self.height_mm)

    def volume_below_mm3(self, axis: int, at_mm: float) -> float:
        """Frustum along z; along x or y the integral of circular segments over the height (hyperbolic cut)."""
        whole = np.pi * self.radius_mm**2 * self.height_mm / 3
        s = at_mm - self.base_centre_mm[axis]
        if axis == Z:
            left = 1 - float(np.clip(s / self.height_mm, 0, 1))
            return float(whole * (1 - left**3))
        beyond = self._volume_beyond_mm3(abs(float(np.clip(s, -self.radius_mm, self.radius_mm))))
        return float(whole - beyond if s >= 0 else beyond)

    def _volume_beyond_mm3(self, s: float) -> float:
        """Volume farther than s >= 0 from the axis plane: h/R times the integral over r of r^2 acos(s/r) - s sqrt(r^2 - s^2)."""
        r = self.radius_mm
        if s >= r:
            return 0.0
        if s == 0:
            return float(np.pi * r**2 * self.height_mm / 6)
        root = np.sqrt(r * r - s * s)
        logarithm = np.log((r + root) / s)
        segments = r**3 / 3 * np.arccos(s / r) - s / 3 * (r / 2 * root + s * s / 2 * logarithm)
        chords = s * (r / 2 * root - s * s / 2 * logarithm)
        return float(self.height_mm / r * (segments - chords))

    def moments_mm(self, axis: int) -> tuple[float, float]:
        """A quarter of the height and 3 h^2 / 80; the axis and 3 r^2 / 20."""
        if axis == Z:
            return self.base_centre_mm[Z] + self.height_mm / 4, 3 * self.height_mm**2 / 80
        return self.base_centre_mm[axis], 3 * self.radius_mm**2 / 20

    def section(self, z_mm: float) -> Section | None:
        """Circle."""
        left = 1 - (z_mm - self.base_centre_mm[Z]) / self.height_mm
        if not 0 < left <= 1:
            return None
        return Section(self.base_centre_mm[:2], self.radius_mm * left, self.radius_mm * left)


@dataclass(frozen=True, slots=True)
class Tube(Solid):
    """Discs of one radius with their centres on a polyline of rising z (a sheared cylinder per leg)."""

    points_mm: tuple[Point, ...]
    radius_mm: float

    @property
    def extent_mm(self) -> tuple[Point, Point]:
        """Lowest and highest coordinates."""
        p, r = np.array(self.points_mm), np.array([self.radius_mm, self.radius_mm, 0.0])
        return _point(p.min(axis=0) - r), _point(p.max(axis=0) + r)

    def volume_below_mm3(self, axis: int, at_mm: float) -> float:
        """Disc area times height; only along z.

        Raises
        ------
        NotImplementedError
            Along x or y.
        """
        self._only_z(axis)
        low, high = self.points_mm[0][Z], self.points_mm[-1][Z]
        return float(np.pi * self.radius_mm**2 * (np.clip(at_mm, low, high) - low))

    def moments_mm(self, axis: int) -> tuple[float, float]:
        """Middle of the height and height squared / 12; only along z."""
        self._only_z(axis)
        low, high = self.points_mm[0][Z], self.points_mm[-1][Z]
        return (low + high) / 2, (high - low) ** 2 / 12

    def section(self, z_mm: float) -> Section | None:
        """Disc."""
        p = np.array(self.points_mm)
        if not p[0, Z] <= z_mm <= p[-1, Z]:
            return None
        return Section((float(np.interp(z_mm, p[:, Z], p[:, X])), float(np.interp(z_mm, p[:, Z], p[:, Y]))), self.radius_mm, self.radius_mm)

    @staticmethod
    def _only_z(axis: int) -> None:
        if axis != Z:
            raise NotImplementedError("The volume of a bent tube has a formula along z only.")


@dataclass(frozen=True, slots=True)
class Stack(Solid):
    """Cylinders that do not overlap, one on the other: what a stack of contours means to the calculation."""

    parts: tuple[Cylinder, ...]

    @property
    def extent_mm(self) -> tuple[Point, Point]:
        """Lowest and highest coordinates."""
        ends = np.array([part.extent_mm for part in self.parts])
        return _point(ends[:, 0].min(axis=0)), _point(ends[:, 1].max(axis=0))

    def volume_below_mm3(self, axis: int, at_mm: float) -> float:
        """Sum over the parts."""
        return sum(part.volume_below_mm3(axis, at_mm) for part in self.parts)

    def moments_mm(self, axis: int) -> tuple[float, float]:
        """Volume-weighted, with the squares of the parts' distances (parallel axis theorem)."""
        volumes = np.array([part.volume_cc for part in self.parts])
        means, squares = np.array([part.moments_mm(axis) for part in self.parts]).T
        mean = float(volumes @ means / volumes.sum())
        return mean, float(volumes @ (squares + (means - mean) ** 2) / volumes.sum())

    def section(self, z_mm: float) -> Section | None:
        """That of the part at this height."""
        for part in self.parts:
            if part.bottom_mm <= z_mm <= part.top_mm:
                return part.base
        return None


def _around(centre: Point, semi: Point) -> tuple[Point, Point]:
    return _point(np.subtract(centre, semi)), _point(np.add(centre, semi))


def _point(values: Float64) -> Point:
    x, y, z = (float(v) for v in values)
    return x, y, z
