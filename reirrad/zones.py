"""Nested zones "may receive at most so much" as contours on the planes of the planning CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from contourpy import LineType, contour_generator
from numpy.typing import NDArray

from reirrad.course import ImageStack
from reirrad.errors import ParameterError
from reirrad.grid import Float64, Grid
from reirrad.remainingmap import NO_LIMIT_GY, RemainingMap
from reirrad.voxelcover import borders_mm

__all__ = ["Zone", "parse_zones", "zone_grid", "zones_of"]

PARALLEL: Final = 1e-5  # direction cosines nearer than this are the same
BESIDE: Final = np.array([[1 - 1e-4, 1e-4], [1e-4, 1 - 1e-4]])  # from the borders of a voxel to two points just inside


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """Where at most a dose may be given.

    Parameters
    ----------
    name : str
        ReRT_max_10Gy and the like.
    dose_gy : float
        Physical dose in the fractions of its map.
    contours : tuple of (M, 3) float64
        Closed, each in one plane, mm; a hole is a contour of its own within another. The last point is not a copy of the first.
    """

    name: str
    dose_gy: float
    contours: tuple[Float64, ...]


def parse_zones(text: str) -> tuple[float, ...]:
    """Doses of zones, rising, each once.

    Raises
    ------
    ParameterError
        When one is no number above 0 and below 100.

    >>> parse_zones("20, 10,12.5")
    (10.0, 12.5, 20.0)
    """
    try:
        doses = sorted({float(word) for word in text.split(",")})
    except ValueError:
        doses = []
    if not doses or not all(0 < d < NO_LIMIT_GY for d in doses) or len({_name(d) for d in doses}) < len(doses):
        raise ParameterError(f"Zones are doses in Gy above 0 and below {NO_LIMIT_GY:g}, with commas between; for example 10,20,30. Correct --zones.")
    return tuple(doses)


def _name(dose_gy: float) -> str:
    return f"ReRT_max_{dose_gy:g}Gy"


def zone_grid(dose: Grid, image: ImageStack) -> Grid | None:
    """Columns and rows of the dose grid on the planes of the CT; None when these are not parallel to those of the grid."""
    along = float(dose.rotation[2] @ image.normal)
    if abs(along) < 1 - PARALLEL:
        return None
    positions = np.unique(image.positions_mm * np.sign(along))
    return Grid(dose.rotation.copy(), dose.u_mm.copy(), dose.v_mm.copy(), positions)


def zones_of(found: RemainingMap, doses_gy: Sequence[float]) -> tuple[Zone, ...]:
    """Outlines of the voxels that may receive at most each dose, along the borders of these voxels: no part of one is left out.

    Every zone lies within those of larger doses.
    """
    grid = found.grid
    return tuple(Zone(_name(dose), dose, tuple(c for k in range(grid.w_mm.size) for c in _outlines(found.dose_gy[k] <= dose, grid, k))) for dose in doses_gy)


def _outlines(inside: NDArray[np.bool_], grid: Grid, plane: int) -> list[Float64]:
    """Closed outlines (M, 3) of one plane of voxels.

    Contours are found through a lattice that has two points just inside each voxel, so that they cross half way between the points on both sides of a
    border; their points are then moved to that border, from which they are off by rounding, or by the small cut of a corner.
    """
    if not inside.any():
        return []
    border = [borders_mm(c) for c in (grid.u_mm, grid.v_mm)]
    u, v = (np.concatenate([[b[0] - 1.0], np.column_stack([b[:-1], b[1:]]) @ BESIDE, [b[-1] + 1.0]], axis=None) for b in border)
    fine = np.pad(np.repeat(np.repeat(inside, 2, axis=0), 2, axis=1), 1).astype(np.float64)
    lines = contour_generator(u, v, fine, line_type=LineType.Separate).lines(0.5)
    return [
        grid.to_patient(np.column_stack([flat, np.full(len(flat), grid.w_mm[plane])])) for flat in (_on_borders(np.asarray(line), border) for line in lines)
    ]


def _on_borders(line: Float64, border: Sequence[Float64]) -> Float64:
    """Corners (M, 2) of a closed line whose points are near the corners of voxels."""
    places = np.column_stack([np.abs(line[:-1, axis, None] - b).argmin(axis=1) for axis, b in enumerate(border)])
    places = places[np.any(places != np.roll(places, 1, axis=0), axis=1)]
    turns = np.any((places - np.roll(places, 1, axis=0) != 0) != (np.roll(places, -1, axis=0) - places != 0), axis=1)
    return np.column_stack([b[places[turns, axis]] for axis, b in enumerate(border)])
