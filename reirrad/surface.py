"""The surface of a structure: which points it encloses, and how far points lie from it.

The surface of slabs is flat pieces: walls along the contours, as high as their slab, and those parts of the faces of a slab that no slab beside it covers.
It is cut into rectangles of about one step; the distance to a rectangle is exact, so the step hardly matters where the surface is flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from reirrad.coverage import cover, edges_of
from reirrad.grid import Float64
from reirrad.planes import Layer, Slab, Slabs
from reirrad.registration import Transform

__all__ = ["Surface", "inside", "surface_of"]

N_PATCHES = 10_000  # aimed at for the walls: a step of 1 mm at 100 cm2 (a rectum), finer for smaller organs, up to 3 mm for a lung
FINEST_MM = 0.3
MAX_CELLS = 2e7  # lattice cells over the faces of all slabs
NEAREST = 2  # rectangles, by their centres, to which the distance is computed
PAIRS_AT_ONCE = 4_000_000  # of points and edges
SAME_HEIGHT_MM = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Rectangles that together are a surface.

    Parameters
    ----------
    centre_mm : (N, 3) float64
        Their centres.
    half_a_mm, half_b_mm : (N, 3) float64
        From the centre to the middle of a side, and of the side next to it.
    """

    centre_mm: Float64
    half_a_mm: Float64
    half_b_mm: Float64

    @property
    def area_mm2(self) -> Float64:
        """Area (N,) of each."""
        return 4 * _length(np.cross(self.half_a_mm, self.half_b_mm))

    def moved(self, transform: Transform) -> Surface:
        """The same surface in another frame, without the rectangles of which it is not known where they go."""
        centre = transform(self.centre_mm)
        half_a, half_b = (transform(self.centre_mm + half) - centre for half in (self.half_a_mm, self.half_b_mm))
        known = ~np.isnan(centre + half_a + half_b).any(axis=1)
        return Surface(centre[known], half_a[known], half_b[known])

    def distance_mm(self, points_mm: Float64) -> Float64:
        """Distance of points (P, 3) to the surface: to the nearest of the rectangles whose centres are nearest."""
        _, near = cKDTree(self.centre_mm).query(points_mm, k=np.arange(1, min(NEAREST, len(self.centre_mm)) + 1))
        away = points_mm[:, None] - self.centre_mm[near]
        squared = np.zeros(away.shape[:2])
        normal = np.cross(self.half_a_mm, self.half_b_mm)
        normal /= np.maximum(_length(normal), 1e-12)[:, None]
        for half in (self.half_a_mm, self.half_b_mm):
            size = np.maximum(_length(half), 1e-12)
            along = np.abs(np.einsum("pkx,pkx->pk", away, (half / size[:, None])[near]))
            squared += np.maximum(along - size[near], 0.0) ** 2
        squared += np.einsum("pkx,pkx->pk", away, normal[near]) ** 2
        return np.asarray(np.sqrt(squared.min(axis=1)))


def inside(slabs: Slabs, points_mm: Float64) -> NDArray[np.bool_]:
    """Whether points (P, 3), in the patient system, lie in a structure: in a slab, and by the even-odd rule in one of its layers. NaN does not.

    Returns
    -------
    (P,) bool
    """
    local = points_mm @ slabs.rotation.T
    low, high = (np.array([getattr(s, face) for s in slabs.slabs]) for face in ("low_mm", "high_mm"))
    slab = np.searchsorted(low, local[:, 2], "right") - 1
    between = np.flatnonzero((slab >= 0) & (local[:, 2] < high[slab]))
    between = between[np.argsort(slab[between], kind="stable")]
    out = np.zeros(len(points_mm), bool)
    numbers, first = np.unique(slab[between], return_index=True)
    for number, here in zip(numbers, np.split(between, first[1:]), strict=False):
        for layer in slabs.slabs[number].layers:
            out[here] |= _in_layer(layer, local[here, :2])
    return out


def surface_of(slabs: Slabs) -> Surface:
    """Rectangles of the surface of a structure, in the patient system."""
    drawn = [(number, layer, polygon) for number, slab in enumerate(slabs.slabs) for layer, part in enumerate(slab.layers) for polygon in part]
    edges = edges_of([(k, polygon) for k, (_, _, polygon) in enumerate(drawn)])
    sides = edges.end_mm - edges.start_mm
    length = np.hypot(*sides.T)
    around = np.bincount(edges.layer, length)
    slab, layer = (np.array([d[k] for d in drawn]) for k in (0, 1))
    low, high = (np.array([getattr(s, face) for s in slabs.slabs]) for face in ("low_mm", "high_mm"))
    height = high - low
    step = max(float(np.sqrt(around @ height[slab] / N_PATCHES)), FINEST_MM)

    # along each polygon, at equal distances
    n_along = np.maximum(np.ceil(around / step), 4).astype(np.intp)
    of = np.repeat(np.arange(len(drawn)), n_along)
    number = np.arange(of.size) - np.repeat(np.cumsum(n_along) - n_along, n_along)
    end = np.cumsum(length)
    at = (np.cumsum(around) - around)[of] + (number + 0.5) * (around / n_along)[of]
    edge = np.minimum(np.searchsorted(end, at, "right"), end.size - 1)
    direction = sides[edge] / length[edge, None]
    uv = edges.end_mm[edge] + (at - end[edge])[:, None] * direction
    shown = _not_in_other_layers(slabs.slabs, slab[of], layer[of], uv)
    of, uv, half_a = of[shown], uv[shown], (direction * (around / n_along / 2)[of][:, None])[shown]

    # and up each wall
    n_up = np.maximum(np.ceil(height / step), 1).astype(np.intp)
    repeat = n_up[slab[of]]
    wall = np.repeat(np.arange(of.size), repeat)
    here = slab[of][wall]
    up = np.arange(wall.size) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    half_up = (height / n_up / 2)[here]
    walls = (
        np.column_stack([uv[wall], low[here] + (2 * up + 1) * half_up]),
        np.column_stack([half_a[wall], np.zeros(wall.size)]),
        np.column_stack([np.zeros((wall.size, 2)), half_up]),
    )
    faces, half = _faces(slabs.slabs, low, high, step)
    along_u, along_v = (np.tile(side, (len(faces), 1)) for side in (np.array([half, 0, 0]), np.array([0, half, 0])))
    return Surface(*(np.concatenate(pair) @ slabs.rotation for pair in zip(walls, (faces, along_u, along_v), strict=True)))


def _faces(slabs: tuple[Slab, ...], low: Float64, high: Float64, step: float) -> tuple[Float64, float]:
    """Centres (F, 3) of the lattice cells on faces of slabs that no slab beside covers, and half a cell."""
    polygons: list[tuple[int, Float64]] = []
    owner: list[int] = []
    for number, slab in enumerate(slabs):
        for layer in slab.layers:
            polygons += [(len(owner), polygon) for polygon in layer]
            owner.append(number)
    edges = edges_of(polygons)
    corner, extent = edges.start_mm.min(axis=0), np.ptp(edges.start_mm, axis=0)
    step = max(step, float(np.sqrt(extent.prod() * len(owner) / MAX_CELLS)))
    n_columns, n_rows = (int(n) for n in np.ceil(extent / step) + 2)
    origin = corner - step / 2
    c = cover(edges, np.tile(origin, (len(owner), 1)), step, n_rows, n_columns)
    filled = np.zeros((len(slabs) + 2, n_rows, n_columns), bool)  # nothing below the first slab and above the last
    here = c.fraction >= 0.5
    filled[np.array(owner)[c.layer[here]] + 1, c.row[here], c.column[here]] = True
    meet = np.concatenate([[False], np.abs(high[:-1] - low[1:]) < SAME_HEIGHT_MM, [False]])[:, None, None]
    lower, upper = filled[:-1], filled[1:]  # on both sides of each face
    parts = []
    for open_face, w in ((lower & ~(upper & meet), np.append(np.nan, high)), (upper & ~(lower & meet), np.append(low, np.nan))):
        face, row, column = np.nonzero(open_face)
        parts.append(np.column_stack([origin[0] + (column + 0.5) * step, origin[1] + (row + 0.5) * step, w[face]]))
    return np.concatenate(parts), step / 2


def _not_in_other_layers(slabs: tuple[Slab, ...], slab: NDArray[np.intp], layer: NDArray[np.intp], uv: Float64) -> NDArray[np.bool_]:
    """Whether points of contours lie outside the other layers of their slab, with which theirs is united."""
    out = np.ones(len(uv), bool)
    for number in (k for k, s in enumerate(slabs) if len(s.layers) > 1):
        for k, polygons in enumerate(slabs[number].layers):
            here = np.flatnonzero((slab == number) & (layer != k))
            out[here] &= ~_in_layer(polygons, uv[here])
    return out


def _in_layer(layer: Layer, uv: Float64) -> NDArray[np.bool_]:
    """Whether points (P, 2) lie within polygons, holes taken out: an odd number of edges lies to their right."""
    edges = edges_of([(0, polygon) for polygon in layer])
    (x0, y0), (x1, y1) = edges.start_mm.T, edges.end_mm.T
    rise = y1 - y0
    slope = np.divide(x1 - x0, rise, out=np.zeros_like(rise), where=rise != 0)
    out = np.zeros(len(uv), bool)
    at_once = max(1, PAIRS_AT_ONCE // x0.size)
    for start in range(0, len(uv), at_once):
        x, y = (uv[start : start + at_once, axis, None] for axis in (0, 1))
        crossed = ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) * slope > x)
        out[start : start + at_once] = np.count_nonzero(crossed, axis=1) % 2 == 1
    return out


def _length(vectors_mm: Float64) -> Float64:
    return np.asarray(np.sqrt(np.einsum("...x,...x->...", vectors_mm, vectors_mm)))
