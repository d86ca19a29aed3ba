"""Doses that are formulas, and what a solid receives from them: mean, volume above a dose, dose to a volume.

Lengths in mm, doses in Gy. Volumes come from the distribution function of the solid, so nothing here samples or bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from scipy.optimize import brentq

from reirrad.errors import GeometryError
from reirrad.grid import Float64
from reirrad.phantoms.solids import Cone, Cylinder, Ellipsoid, Point, Solid, Stack

__all__ = ["AnalyticDose", "AxisDose", "RadialDose", "Truth", "cumulative_eqd2"]

AXES = (0, 1, 2)
# Two axes closer than this are the same.
COAXIAL_MM = 1e-9


class AnalyticDose(Protocol):
    """A dose with formulas for the mean in a solid and for the volume at or above a dose."""

    def at(self, points_mm: Float64) -> Float64:
        """Dose (P,) in Gy at points (P, 3)."""

    def mean_gy(self, solid: Solid) -> float:
        """Mean over the solid."""

    def range_gy(self, solid: Solid) -> tuple[float, float]:
        """A range that holds every dose in the solid; its upper end is reached for solids the dose is made for."""

    def volume_above_cc(self, solid: Solid, dose_gy: float) -> float:
        """Volume at or above a dose."""


@dataclass(frozen=True, slots=True)
class AxisDose:
    """Constant, linear or quadratic dose along one axis: ``constant + linear s + quadratic s^2``, s the distance from the origin.

    Parameters
    ----------
    axis : int
        0, 1, 2 for x, y, z.
    origin_mm : float
        Where s is zero.
    constant_gy, linear_gy_mm, quadratic_gy_mm2 : float
        Coefficients.
    """

    axis: int
    origin_mm: float
    constant_gy: float
    linear_gy_mm: float = 0.0
    quadratic_gy_mm2: float = 0.0

    def at(self, points_mm: Float64) -> Float64:
        """Dose (P,) in Gy at points (P, 3)."""
        s = points_mm[..., self.axis] - self.origin_mm
        dose: Float64 = self.constant_gy + s * (self.linear_gy_mm + s * self.quadratic_gy_mm2)
        return dose

    def mean_gy(self, solid: Solid) -> float:
        """Mean over the solid, from its first two moments."""
        mean, square = solid.moments_mm(self.axis)
        s = mean - self.origin_mm
        return self.constant_gy + self.linear_gy_mm * s + self.quadratic_gy_mm2 * (square + s * s)

    def range_gy(self, solid: Solid) -> tuple[float, float]:
        """Extremes: at the ends, or at the turning point between them."""
        low, high = (corner[self.axis] - self.origin_mm for corner in solid.extent_mm)
        at = [low, high]
        if self.quadratic_gy_mm2 and low < (turn := -self.linear_gy_mm / (2 * self.quadratic_gy_mm2)) < high:
            at.append(turn)
        doses = [self.constant_gy + s * (self.linear_gy_mm + s * self.quadratic_gy_mm2) for s in at]
        return min(doses), max(doses)

    def volume_above_cc(self, solid: Solid, dose_gy: float) -> float:
        """Volume at or above a dose: the solid between the coordinates where the dose is passed."""
        lowest, highest = (corner[self.axis] for corner in solid.extent_mm)
        roots = _real_roots(self.quadratic_gy_mm2, self.linear_gy_mm, self.constant_gy - dose_gy)
        edges = np.clip([lowest, *(self.origin_mm + root for root in roots), highest], lowest, highest)
        total = 0.0
        for low, high in pairwise(edges):
            middle = np.array([[(low + high) / 2] * 3])
            if high > low and float(self.at(middle)[0]) >= dose_gy:
                total += solid.volume_below_mm3(self.axis, float(high)) - solid.volume_below_mm3(self.axis, float(low))
        return total / 1000


@dataclass(frozen=True, slots=True)
class RadialDose:
    """Dose that falls with the square of a distance: ``peak - fall r^2``, fall > 0.

    Parameters
    ----------
    centre_mm : (x, y, z)
        Where r is zero.
    peak_gy, fall_gy_mm2 : float
        Coefficients.
    spherical : bool
        r is the distance from the centre; otherwise from the line through it along z.
    """

    centre_mm: Point
    peak_gy: float
    fall_gy_mm2: float
    spherical: bool = True

    def at(self, points_mm: Float64) -> Float64:
        """Dose (P,) in Gy at points (P, 3)."""
        n = 3 if self.spherical else 2
        dose: Float64 = self.peak_gy - self.fall_gy_mm2 * ((points_mm[..., :n] - self.centre_mm[:n]) ** 2).sum(axis=-1)
        return dose

    def mean_gy(self, solid: Solid) -> float:
        """Mean over any solid, from its moments along the axes."""
        square = 0.0
        for axis in AXES if self.spherical else AXES[:2]:
            mean, about = solid.moments_mm(axis)
            square += about + (mean - self.centre_mm[axis]) ** 2
        return self.peak_gy - self.fall_gy_mm2 * square

    def range_gy(self, solid: Solid) -> tuple[float, float]:
        """Dose at the farthest corner of the box around the solid, and the peak."""
        farthest = np.abs(np.subtract(solid.extent_mm, self.centre_mm)).max(axis=0)
        return float(self.at(np.add(self.centre_mm, farthest))), self.peak_gy

    def volume_above_cc(self, solid: Solid, dose_gy: float) -> float:
        """Volume at or above a dose: the part within a distance.

        Raises
        ------
        GeometryError
            For a solid that is not round about the line through the centre, or has no formula.
        """
        square = max((self.peak_gy - dose_gy) / self.fall_gy_mm2, 0.0)
        return self._within_mm3(solid, square) / 1000

    def _within_mm3(self, solid: Solid, square_mm2: float) -> float:
        """Volume of the part within sqrt(square_mm2)."""
        if isinstance(solid, Stack):
            return sum(self._within_mm3(part, square_mm2) for part in solid.parts)
        if isinstance(solid, Cylinder) and solid.base.power == 2 and solid.base.a_mm == solid.base.b_mm and self._on_axis(solid.base.centre_mm):
            return self._within_cylinder_mm3(solid, square_mm2)
        if isinstance(solid, Ellipsoid) and len(set(solid.semi_mm)) == 1 and self._on_axis(solid.centre_mm):
            radius_square = solid.semi_mm[0] ** 2
            q = min(square_mm2, radius_square)
            if not self.spherical:
                return float(4 / 3 * np.pi * (radius_square**1.5 - (radius_square - q) ** 1.5))
            if abs(self.centre_mm[2] - solid.centre_mm[2]) <= COAXIAL_MM:
                return float(4 / 3 * np.pi * q**1.5)
        if isinstance(solid, Cone) and not self.spherical and self._on_axis(solid.base_centre_mm):
            part = min(np.sqrt(square_mm2) / solid.radius_mm, 1.0)
            return float(np.pi * (part * solid.radius_mm) ** 2 * solid.height_mm * (1 - 2 / 3 * part))
        raise GeometryError("A radial dose has a formula only for solids that are round about the line through its centre.")

    def _within_cylinder_mm3(self, solid: Cylinder, square_mm2: float) -> float:
        """Integral over the height of pi times the smaller of the disc's squared radius and what the distance leaves at this height."""
        radius_square = solid.base.a_mm**2
        if not self.spherical:
            return float(np.pi * min(square_mm2, radius_square) * (solid.top_mm - solid.bottom_mm))

        def up_to(z: float) -> float:
            """Antiderivative from the centre, odd in z."""
            reach = np.sqrt(square_mm2)
            full = np.sqrt(max(square_mm2 - radius_square, 0.0))  # below this height the whole disc is within
            h = min(abs(z), reach)
            inner = min(h, full)
            volume = radius_square * inner + square_mm2 * (h - inner) - (h**3 - inner**3) / 3
            return float(np.sign(z) * np.pi * volume)

        return up_to(solid.top_mm - self.centre_mm[2]) - up_to(solid.bottom_mm - self.centre_mm[2])

    def _on_axis(self, centre_mm: Sequence[float]) -> bool:
        return bool(np.abs(np.subtract(centre_mm[:2], self.centre_mm[:2])).max() <= COAXIAL_MM)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a solid receives from a dose.

    >>> from reirrad.phantoms.solids import Box
    >>> truth = Truth(Box((0.0, 0.0, 0.0), (10.0, 20.0, 50.0)), AxisDose(2, 0.0, 10.0, 1.0))
    >>> truth.solid.volume_cc, truth.mean_gy, round(truth.dose_at_cc(2.0), 6), round(truth.dose_at_percent(50.0), 6)
    (10.0, 35.0, 50.0, 35.0)
    """

    solid: Solid
    dose: AnalyticDose

    @property
    def mean_gy(self) -> float:
        """Mean dose."""
        return self.dose.mean_gy(self.solid)

    def volume_above_cc(self, dose_gy: float) -> float:
        """Volume that gets at least a dose."""
        return self.dose.volume_above_cc(self.solid, dose_gy)

    def dose_at_cc(self, volume_cc: float) -> float:
        """Smallest dose in the hottest volume.

        Raises
        ------
        GeometryError
            When the solid is smaller, or the volume is not positive.
        """
        whole = self.solid.volume_cc
        if not 0 < volume_cc <= whole * (1 + 1e-12):
            raise GeometryError(f"A solid of {whole:.6g} cc has no dose to its hottest {volume_cc:.6g} cc.")
        low, high = self.dose.range_gy(self.solid)
        if high == low:
            return high
        pad = 1e-9 * (high - low)
        return float(brentq(lambda t: self.volume_above_cc(t) - min(volume_cc, whole * (1 - 1e-12)), low - pad, high + pad, xtol=1e-12, rtol=1e-14))

    def dose_at_percent(self, volume_percent: float) -> float:
        """Smallest dose in the hottest part of the volume."""
        return self.dose_at_cc(self.solid.volume_cc * volume_percent / 100)


def cumulative_eqd2(courses: Sequence[tuple[AxisDose, int]], alpha_beta_gy: float) -> AxisDose:
    """Return the sum of EQD2 of courses whose doses are linear along one axis, with one origin: it is quadratic along it.

    Parameters
    ----------
    courses : sequence of (dose, fractions)
        Physical doses over all fractions.

    Raises
    ------
    GeometryError
        When a dose is quadratic, or axes or origins differ.

    >>> cumulative_eqd2([(AxisDose(2, 0.0, 60.0, 1.0), 30), (AxisDose(2, 0.0, 20.0), 5)], 3.0).constant_gy
    88.0
    """
    first = courses[0][0]
    constant = linear = quadratic = 0.0
    for dose, n in courses:
        if dose.quadratic_gy_mm2 or (dose.axis, dose.origin_mm) != (first.axis, first.origin_mm):
            raise GeometryError("A cumulative EQD2 has a formula only for doses that are linear along one axis from one origin.")
        a, b = dose.constant_gy, dose.linear_gy_mm
        # EQD2 = D (D / n + alpha/beta) / (2 + alpha/beta) with D = a + b s
        constant += a * (a / n + alpha_beta_gy) / (2 + alpha_beta_gy)
        linear += b * (2 * a / n + alpha_beta_gy) / (2 + alpha_beta_gy)
        quadratic += b * b / n / (2 + alpha_beta_gy)
    return AxisDose(first.axis, first.origin_mm, constant, linear, quadratic)


def _real_roots(a: float, b: float, c: float) -> list[float]:
    """Rising real roots of a s^2 + b s + c without loss of digits; none for a constant."""
    if a == 0:
        return [] if b == 0 else [-c / b]
    under = b * b - 4 * a * c
    if under < 0:
        return []
    q = -(b + np.copysign(np.sqrt(under), b)) / 2
    return sorted({float(q / a), float(c / q) if q else 0.0})
