"""The cut through a solid: ellipse, superellipse or rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, gamma

from reirrad.grid import Float64

__all__ = ["Section"]

# Exponent above which a superellipse counts as the rectangle.
RECTANGLE = 1e6


@dataclass(frozen=True, slots=True)
class Section:
    """Superellipse ``|x - cx|^p / a^p + |y - cy|^p / b^p <= 1`` in a plane of constant z; p = 2 is the ellipse, infinity the rectangle.

    Parameters
    ----------
    centre_mm : (x, y)
    a_mm, b_mm : float
        Semi-axes along x and y.
    power : float
        Exponent p >= 1.
    """

    centre_mm: tuple[float, float]
    a_mm: float
    b_mm: float
    power: float = 2.0

    @property
    def is_rectangle(self) -> bool:
        """Whether the exponent is infinite."""
        return self.power > RECTANGLE

    @property
    def area_mm2(self) -> float:
        """Area.

        >>> round(Section((0.0, 0.0), 1.0, 1.0).area_mm2, 6)
        3.141593
        """
        if self.is_rectangle:
            return 4 * self.a_mm * self.b_mm
        q = 1 / self.power
        return float(4 * self.a_mm * self.b_mm * gamma(1 + q) ** 2 / gamma(1 + 2 * q))

    def area_below_mm2(self, axis: int, at_mm: float) -> float:
        """Area of the part with a coordinate along `axis` (0 = x, 1 = y) below `at_mm`.

        The half section is an incomplete beta function of the distance from the middle.
        """
        semi = (self.a_mm, self.b_mm)[axis]
        u = float(np.clip((at_mm - self.centre_mm[axis]) / semi, -1.0, 1.0))
        if self.is_rectangle:
            return self.area_mm2 * (1 + u) / 2
        q = 1 / self.power
        return float(self.area_mm2 * (1 + np.sign(u) * betainc(q, 1 + q, abs(u) ** self.power)) / 2)

    def second_moment_mm2(self, axis: int) -> float:
        """Mean of the squared distance from the middle along `axis`: semi-axis squared / 4 for an ellipse, / 3 for a rectangle."""
        semi = (self.a_mm, self.b_mm)[axis]
        if self.is_rectangle:
            return semi**2 / 3
        q = 1 / self.power
        return float(semi**2 * gamma(3 * q) * gamma(1 + 2 * q) / (gamma(q) * gamma(1 + 4 * q)))

    def polygon_mm(self, n_points: int) -> Float64:
        """Vertices (N, 2) of a polygon of exactly the area of the section.

        A rectangle has its corners; any other section has `n_points` vertices, pushed outward until the areas agree.
        """
        centre = np.array(self.centre_mm)
        if self.is_rectangle:
            return centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.a_mm, self.b_mm)
        angle = 2 * np.pi * (np.arange(n_points) + 0.25) / n_points
        c, s = np.cos(angle), np.sin(angle)
        q = 2 / self.power
        ring = np.column_stack([self.a_mm * np.sign(c) * np.abs(c) ** q, self.b_mm * np.sign(s) * np.abs(s) ** q])
        x, y = ring.T
        drawn = 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        polygon: Float64 = centre + ring * np.sqrt(self.area_mm2 / drawn)
        return polygon
