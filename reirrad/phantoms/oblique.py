"""A dose that is linear along any direction."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from reirrad.errors import GeometryError
from reirrad.grid import Float64
from reirrad.phantoms.solids import Cylinder, Ellipsoid, Point, Solid, Stack

__all__ = ["ObliqueDose"]


@dataclass(frozen=True, slots=True)
class ObliqueDose:
    """Linear dose ``constant + gradient . (point - origin)``, no component of the gradient zero.

    Volumes have formulas for spheres, boxes, circular cylinders, and stacks of these.

    Parameters
    ----------
    origin_mm : (x, y, z)
    constant_gy : float
        Dose at the origin.
    gradient_gy_mm : (x, y, z)
        Rise of the dose per mm.

    >>> from reirrad.phantoms.solids import Box
    >>> dose = ObliqueDose((0.0, 0.0, 0.0), 10.0, (1.0, 2.0, 2.0))
    >>> dose.range_gy(Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))), round(6000 * dose.volume_above_cc(Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), 14.0), 6)
    ((10.0, 15.0), 0.25)
    """

    origin_mm: Point
    constant_gy: float
    gradient_gy_mm: Point

    def at(self, points_mm: Float64) -> Float64:
        """Dose (P,) in Gy at points (P, 3)."""
        dose: Float64 = self.constant_gy + (points_mm - np.array(self.origin_mm)) @ np.array(self.gradient_gy_mm)
        return dose

    def mean_gy(self, solid: Solid) -> float:
        """Dose at the centroid."""
        return float(self.at(np.array([solid.moments_mm(axis)[0] for axis in range(3)])))

    def range_gy(self, solid: Solid) -> tuple[float, float]:
        """Extremes over the solid."""
        if isinstance(solid, Stack):
            ranges = [self.range_gy(part) for part in solid.parts]
            return min(low for low, _ in ranges), max(high for _, high in ranges)
        if isinstance(solid, Ellipsoid):
            middle, reach = float(self.at(np.array(solid.centre_mm))), float(np.linalg.norm(np.multiply(solid.semi_mm, self.gradient_gy_mm)))
            return middle - reach, middle + reach
        part = self._cylinder(solid)
        gx, gy, gz = self.gradient_gy_mm
        middle = float(self.at(np.array([*part.base.centre_mm, (part.bottom_mm + part.top_mm) / 2])))
        a, b = part.base.a_mm, part.base.b_mm
        across = abs(gx) * a + abs(gy) * b if part.base.is_rectangle else float(np.hypot(gx * a, gy * b))
        reach = across + abs(gz) * (part.top_mm - part.bottom_mm) / 2
        return middle - reach, middle + reach

    def volume_above_cc(self, solid: Solid, dose_gy: float) -> float:
        """Volume at or above a dose.

        Raises
        ------
        GeometryError
            For a solid without a formula.
        """
        return self._above_mm3(solid, dose_gy) / 1000

    def _above_mm3(self, solid: Solid, dose_gy: float) -> float:
        if isinstance(solid, Stack):
            return sum(self._above_mm3(part, dose_gy) for part in solid.parts)
        if isinstance(solid, Ellipsoid):
            # in units of the semi-axes the ellipsoid is a sphere, and the plane passes it at this part of its radius
            low, high = self.range_gy(solid)
            below = 2 * (dose_gy - low) / (high - low) - 1
            return solid.volume_cc * 1000 - solid.volume_below_mm3(2, solid.centre_mm[2] + below * solid.semi_mm[2])
        part = self._cylinder(solid)
        return self._above_box_mm3(part, dose_gy) if part.base.is_rectangle else self._above_round_mm3(part, dose_gy)

    def _above_box_mm3(self, part: Cylinder, dose_gy: float) -> float:
        """Inclusion and exclusion over the corners: a corner cuts a tetrahedron of volume h^3 / (6 gx gy gz)."""
        low, high = part.extent_mm
        g = np.abs(self.gradient_gy_mm)
        hottest = [h if s > 0 else c for c, h, s in zip(low, high, self.gradient_gy_mm, strict=True)]
        top = float(self.at(np.array(hottest))) - dose_gy
        sides = np.subtract(high, low)
        total = sum((-1) ** sum(corner) * max(top - float(g @ (sides * corner)), 0.0) ** 3 for corner in product((0, 1), repeat=3))
        return float(np.clip(total / (6 * g.prod()), 0.0, sides.prod()))

    def _above_round_mm3(self, part: Cylinder, dose_gy: float) -> float:
        """Integral over the height of the circular segment beyond the line of this dose."""
        gx, gy, gz = self.gradient_gy_mm
        across, radius = float(np.hypot(gx, gy)), part.base.a_mm
        ends = [(dose_gy - float(self.at(np.array([*part.base.centre_mm, z])))) / across for z in (part.bottom_mm, part.top_mm)]
        first, last = (_segment_integral(radius, y) for y in ends)
        below = (first - last) * across / gz
        return part.volume_cc * 1000 - below

    @staticmethod
    def _cylinder(solid: Solid) -> Cylinder:
        if isinstance(solid, Cylinder) and (solid.base.is_rectangle or (solid.base.power == 2 and solid.base.a_mm == solid.base.b_mm)):
            return solid
        raise GeometryError("An oblique dose has a formula only for ellipsoids, boxes, circular cylinders and stacks of cylinders.")


def _segment_integral(radius: float, y: float) -> float:
    """Integral from -radius to y of the area of a circle below a line."""
    u = float(np.clip(y, -radius, radius))
    root = np.sqrt(max(radius**2 - u**2, 0.0))
    inner = -(root**3) / 3 + radius**2 * (u * np.arcsin(u / radius) + root) + np.pi * radius**2 * u / 2
    return float(inner + np.pi * radius**2 * max(y - radius, 0.0))
