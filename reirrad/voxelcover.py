"""Voxels of which any part lies in a structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reirrad.coverage import cover, edges_of
from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid
from reirrad.planes import Slabs
from reirrad.points import organ_points

__all__ = ["Touched", "borders_mm", "reaches_beyond", "touched"]

AT_ONCE: Final = 200_000  # points calculated together
FINER: Final = 4  # a lattice so much finer than the voxels tells which an oblique structure touches
PARALLEL: Final = 1e-5  # direction cosines nearer than this are the same
EVEN: Final = 1e-3  # voxels whose distances differ by less than this part are even
ROUNDING_MM: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """Voxels a part of which lies in a structure: `inside` of the box of voxels that begins at (plane, row, column) `first`."""

    first: tuple[int, int, int]
    inside: NDArray[np.bool_]
    box: tuple[slice, slice, slice] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "box", tuple(slice(a, a + n) for a, n in zip(self.first, self.inside.shape, strict=True)))


def touched(slabs: Slabs, grid: Grid) -> Touched:
    """Voxels of which any part lies in a structure.

    Where the structure is drawn on planes parallel to those of an even grid, exactly these; elsewhere all of these and some beside them, less than a voxel
    away.

    Raises
    ------
    GeometryError
        When the grid has a single row or column.
    """
    if min(grid.u_mm.size, grid.v_mm.size) < 2:
        raise GeometryError("A grid of a single row or column says nothing of where its voxels end. Use a dose grid with several of each.")
    is_parallel = np.abs(slabs.rotation - grid.rotation).max() <= PARALLEL
    return _covered(slabs, grid) if is_parallel and _is_even(grid.u_mm) and _is_even(grid.v_mm) else _near(slabs, grid)


def reaches_beyond(slabs: Slabs, grid: Grid) -> bool:
    """Whether a part of a structure lies outside all voxels."""
    corners = [
        np.column_stack([polygon, np.full(len(polygon), face)])
        for slab in slabs.slabs
        for layer in slab.layers
        for polygon in layer
        for face in (slab.low_mm, slab.high_mm)
    ]
    local = np.concatenate(corners) @ slabs.rotation @ grid.rotation.T
    ends = np.array([borders_mm(c)[[0, -1]] for c in (grid.u_mm, grid.v_mm, grid.w_mm)])
    return bool(np.any(local < ends[:, 0] - ROUNDING_MM) or np.any(local > ends[:, 1] + ROUNDING_MM))


def borders_mm(centres_mm: Float64) -> Float64:
    """Borders (n + 1,) of voxels (n,): half way between centres, and as far beyond the outer ones; half a millimetre on each side of a single one.

    >>> borders_mm(np.array([0.0, 2.0, 6.0]))
    array([-1.,  1.,  4.,  8.])
    """
    if centres_mm.size < 2:
        return np.array([centres_mm[0] - 0.5, centres_mm[0] + 0.5])
    between = (centres_mm[1:] + centres_mm[:-1]) / 2
    return np.concatenate([[2 * centres_mm[0] - between[0]], between, [2 * centres_mm[-1] - between[-1]]])


def _is_even(centres_mm: Float64) -> bool:
    steps = np.diff(centres_mm)
    return float(np.ptp(steps)) <= EVEN * float(steps[0])


def _covered(slabs: Slabs, grid: Grid) -> Touched:
    u, v, w = (borders_mm(c) for c in (grid.u_mm, grid.v_mm, grid.w_mm))
    corner, size = np.array([u[0], v[0]]), np.array([(u[-1] - u[0]) / (u.size - 1), (v[-1] - v[0]) / (v.size - 1)])
    out = np.zeros(grid.shape, bool)
    for slab in slabs.slabs:
        planes = np.flatnonzero((w[:-1] < slab.high_mm) & (w[1:] > slab.low_mm))
        if planes.size == 0:
            continue
        flat = np.zeros(grid.shape[1:], bool)
        for layer in slab.layers:  # cells as unit squares
            cells = cover(edges_of([(0, (polygon - corner) / size) for polygon in layer]), np.zeros((1, 2)), 1.0, *flat.shape)
            flat[cells.row, cells.column] = True
        out[planes] |= flat
    return _cropped(out)


def _near(slabs: Slabs, grid: Grid) -> Touched:
    """Voxels within reach of the points of a fine lattice: no part of a structure is further from its point than the diagonal of a cell."""
    finest = float(np.nanmin(grid.spacing_mm))
    points = organ_points("", slabs, finest / FINER)
    reach = 2 * points.cell_radius_mm
    borders = [borders_mm(c) for c in (grid.w_mm, grid.v_mm, grid.u_mm)]
    out = np.zeros(grid.shape, bool)
    for start in range(0, points.point_column.size, AT_ONCE):
        some = np.arange(start, min(start + AT_ONCE, points.point_column.size))
        local = points.points_at(some) @ grid.rotation.T
        ends = []
        for axis, border in enumerate(borders):
            low, high = (np.searchsorted(border, local[:, 2 - axis] + sign * reach, side="right") - 1 for sign in (-1, 1))
            ends.append((low, high, border.size - 2))
        spans = [int((high - low).max()) + 1 for low, high, _ in ends]
        for step in np.ndindex(*spans):
            place = [low + d for (low, _, _), d in zip(ends, step, strict=True)]
            valid = np.all([(p >= 0) & (p <= last) & (p <= high) for p, (_, high, last) in zip(place, ends, strict=True)], axis=0)
            out[tuple(p[valid] for p in place)] = True
    return _cropped(out)


def _cropped(inside: NDArray[np.bool_]) -> Touched:
    spans = [np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if spans[0].size == 0:
        return Touched((0, 0, 0), np.zeros((0, 0, 0), bool))
    first, last = [int(s[0]) for s in spans], [int(s[-1]) + 1 for s in spans]
    return Touched((first[0], first[1], first[2]), inside[tuple(slice(a, b) for a, b in zip(first, last, strict=True))].copy())
