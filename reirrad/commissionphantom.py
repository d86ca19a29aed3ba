"""Phantoms for commissioning: solids as contoured, and analytic doses on grids. Nothing is centred on zero or on the dose grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid
from reirrad.phantoms import AnalyticDose, AxisDose, Box, Cone, Cylinder, RadialDose, Section, Solid, Sphere, Stack, slabs
from reirrad.phantoms.oblique import ObliqueDose

__all__ = ["DOSES", "GRIDS", "MIDDLE_GY", "SIZES_CC", "Phantom", "analytic_dose", "dose_grid", "phantoms", "sampled"]

FAMILIES: Final = ("sphere", "cylinder", "box", "cone")
# Size of the solid, and distances of its contour planes; which distance follows from the family.
SIZES_CC: Final = (
    (0.02, (1.0, 1.2, 1.0, 1.1)),
    (0.05, (1.0, 1.5, 1.2, 1.3)),
    (0.3, (2.0, 1.0, 2.5, 1.5)),
    (5.0, (1.0, 2.5, 3.0, 2.0)),
    (80.0, (3.0, 5.0, 2.0, 2.5)),
    (1100.0, (5.0, 3.0, 5.0, 3.0)),
)
# Voxel distances along x, y, z; of the last but one grid the planes are uneven.
GRIDS: Final = (
    ("1", (1.0, 1.0, 1.0)),
    ("2", (2.0, 2.0, 2.0)),
    ("2.5", (2.5, 2.5, 2.5)),
    ("3", (3.0, 3.0, 3.0)),
    ("uneven", (2.2, 2.2, 2.5)),
    ("1.7 x 2.3 x 3", (1.7, 2.3, 3.0)),
)
DOSES: Final = ("constant", "linear x", "linear y", "linear z", "oblique", "quadratic")
MIDDLE_GY, SPAN_GY, STEEPEST_GY_MM = 40.0, 30.0, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A solid as contoured.

    Parameters
    ----------
    number : int
        Sets where it lies and which dose grids it gets.
    slabs : Stack
        What its contours mean: the truth.
    """

    number: int
    family: str
    solid: Solid
    planes_mm: Float64
    slabs: Stack

    @property
    def name(self) -> str:
        """Volume and contour distance."""
        return f"{self.solid.volume_cc:.3g} cc, planes {self.planes_mm[1] - self.planes_mm[0]:g} mm"

    @property
    def middle_mm(self) -> Float64:
        """Middle of the box around the slabs."""
        return np.asarray(np.mean(self.slabs.extent_mm, axis=0))


def phantoms() -> Iterator[Phantom]:
    """Every solid in every size."""
    for number, (family, (size_cc, distances)) in enumerate(product(range(len(FAMILIES)), SIZES_CC)):
        centre = (13.37 + 7.13 * number, -27.81 + 3.71 * number, 41.93 - 5.17 * number)
        solid = _solid(FAMILIES[family], centre, 1000 * size_cc)
        (_, _, low), (_, _, high) = solid.extent_mm
        distance = distances[family]
        planes = np.arange(low - 10 * distance + distance * (0.618 * (number + 1) % 1), high + distance, distance)
        yield Phantom(number, FAMILIES[family], solid, planes, slabs(solid, planes))


def _solid(family: str, centre: tuple[float, float, float], volume_mm3: float) -> Solid:
    x, y, z = centre
    if family == "sphere":
        return Sphere(centre, float(np.cbrt(volume_mm3 * 3 / (4 * np.pi))))
    if family == "cylinder":
        r = float(np.cbrt(volume_mm3 / (3 * np.pi)))
        return Cylinder(Section((x, y), r, r), z - 1.5 * r, z + 1.5 * r)
    if family == "box":
        a = float(np.cbrt(volume_mm3 / (8 * 1.2 * 0.8 * 1.4)))
        return Box((x - 1.2 * a, y - 0.8 * a, z - 1.4 * a), (x + 1.2 * a, y + 0.8 * a, z + 1.4 * a))
    r = float(np.cbrt(volume_mm3 / np.pi))
    return Cone((x, y, z - 1.2 * r), r, 3 * r)


def dose_grid(phantom: Phantom, spacing_mm: tuple[float, float, float], uneven: bool) -> Grid:
    """Voxel centres around a phantom, aligned with nothing."""
    lines = []
    for axis, (low, high) in enumerate(zip(*phantom.slabs.extent_mm, strict=True)):
        step = spacing_mm[axis]
        offset = (0.414 * (phantom.number + axis + 1)) % 1
        line = low - step * (2 + offset) + step * np.arange(np.ceil((high - low) / step) + 6)
        if uneven and axis == 2:
            line = line + 0.4 * step * np.where(np.arange(line.size) % 3 == 1, 1.0, 0.0)
        lines.append(line)
    return Grid(np.eye(3), *lines)


def sampled(dose: AnalyticDose, grid: Grid) -> DoseGrid:
    """A dose at voxel centres, plane by plane."""
    shape = grid.shape
    values = np.empty(shape, np.float32)
    for k in range(shape[0]):
        values[k] = dose.at(grid.plane_points_mm(k)).reshape(shape[1:])
    if values.min() < 0:
        raise GeometryError("The dose of a phantom is negative in its grid; lower its gradient.")
    return DoseGrid(grid, values)


def analytic_dose(kind: str, phantom: Phantom, grid: Grid) -> AnalyticDose:
    """A dose of a kind, as steep as the grid allows without a negative value."""
    x, y, z = phantom.middle_mm
    low, high = (np.array([getattr(c, f)() for c in (grid.u_mm, grid.v_mm, grid.w_mm)]) for f in ("min", "max"))
    reach = float(np.linalg.norm(high - low)) / 2 * 1.1
    slope = min(STEEPEST_GY_MM, SPAN_GY / reach)
    if kind == "constant":
        return AxisDose(0, x, MIDDLE_GY)
    if kind == "oblique":
        return ObliqueDose((x, y, z), MIDDLE_GY, (0.64 * slope, -0.48 * slope, 0.6 * slope))
    if kind == "quadratic":
        fall = min(0.1, 1.6 * SPAN_GY / reach**2)
        if phantom.family == "box":
            return AxisDose(phantom.number % 3, float(phantom.middle_mm[phantom.number % 3]) + 1.3, MIDDLE_GY + 20, 0.0, -fall)
        return RadialDose((*phantom.slabs.parts[0].base.centre_mm, z), MIDDLE_GY + 20, fall, spherical=True)
    axis = "xyz".index(kind[-1])
    return AxisDose(axis, float(phantom.middle_mm[axis]), MIDDLE_GY, slope if phantom.number % 2 else -slope)
