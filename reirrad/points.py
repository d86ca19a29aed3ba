"""An organ as points with volumes, and the dose of a course read at them.

Every slab is covered by a lattice of square columns; a column cut by the contour carries its exact covered area and is read at the centroid of the
covered part. Columns are cut into sub-slabs of about twice the lattice step. The lattice is moved from slab to slab, and the height of the points from
column to column, by low-discrepancy sequences, so that a dose that varies along one axis only is still sampled far more finely than the step.
Points on the contour itself, at the faces of each slab, carry no volume: they make the minimum and the maximum right.

Bound: no part of the organ is further from its point than the diagonal of a cell (half a step, half a step, a sub-slab), so no dose of a DVH is off by
more than the dose difference over that distance; docs/accuracy.md has the errors measured, which are about a tenth of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.coverage import Coverage, cover, edges_of, signed_area_mm2
from reirrad.dose import DoseGrid, Float32, Interpolation, axis_weights, banded, overshoot_bounds
from reirrad.errors import Notice, printable
from reirrad.grid import Float64
from reirrad.planes import Slab, Slabs

__all__ = ["OrganPoints", "lattice_step_mm", "organ_points", "read_dose"]

Index = NDArray[np.intp]

N_POINTS = 40_000  # aimed at for one organ; the step follows from its volume
ELONGATION = 2.0  # height of a cell over its width: heights vary from column to column, so the coarser sampling along w costs nothing
STEP_MM = (0.04, 1.5)  # finest and coarsest step ...
BODY_CC, BODY_STEP_MM = 6_000.0, 2.5  # ... but for a structure of the size of a body
CELLS_AT_ONCE = 40_000  # lattice cells rasterised together: fits the cache
COLUMNS_AT_ONCE = 60_000  # columns whose dose profile is held at once

# Fractional parts of multiples of these fill the unit square and cube evenly (generalised golden ratios).
R2 = (0.7548776662466927, 0.5698402909980532)
R3 = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)


@dataclass(frozen=True, slots=True, eq=False)
class OrganPoints:
    """Columns, points and edge points of one organ, in the frame (u, v, w) of its slabs.

    Parameters
    ----------
    rotation : (3, 3)
        Takes patient points to (u, v, w).
    step_mm : float
        Lattice step.
    slab_low_mm, slab_high_mm : (S,)
        Faces of each slab.
    n_sub : (S,) int
        Sub-slabs of each slab.
    column_slab, column_row, column_col : (C,) int
        Slab and lattice cell of each column; columns are sorted by slab.
    column_uv_mm : (C, 2)
        Where a column is read.
    column_cut : (C,) bool
        Cut by the contour: not read at the centre of its cell.
    column_area_mm2 : (C,)
        Covered area.
    origin_mm : (S, 2)
        Lattice corner of each slab.
    point_column : (P,) int
        Column of each point.
    point_w_mm : (P,)
        Height of each point.
    volumes_cc : (P,)
        Volume of each point.
    edge_mm : (E, 3)
        Contour points at the faces of the slabs.
    """

    rotation: Float64
    step_mm: float
    slab_low_mm: Float64
    slab_high_mm: Float64
    n_sub: Index
    origin_mm: Float64
    column_slab: Index
    column_row: Index
    column_col: Index
    column_uv_mm: Float64
    column_cut: NDArray[np.bool_]
    column_area_mm2: Float64
    point_column: Index
    point_w_mm: Float64
    volumes_cc: Float64
    edge_mm: Float64
    notices: tuple[Notice, ...]

    @property
    def volume_cc(self) -> float:
        """Volume of the organ."""
        return float(self.volumes_cc.sum())

    @property
    def points_mm(self) -> Float64:
        """Points (P, 3) in the patient system."""
        return np.column_stack([self.column_uv_mm[self.point_column], self.point_w_mm]) @ self.rotation

    @property
    def edge_points_mm(self) -> Float64:
        """Edge points (E, 3) in the patient system."""
        return self.edge_mm @ self.rotation

    @property
    def in_axial_frame(self) -> bool:
        """Whether (u, v, w) are the patient's x, y, z."""
        return bool(np.array_equal(self.rotation, np.eye(3)))


def lattice_step_mm(volume_cc: float) -> float:
    """Lattice step for an organ of this volume.

    >>> [round(lattice_step_mm(v), 2) for v in (0.05, 1, 30, 1000, 20000)]
    [0.09, 0.23, 0.72, 1.5, 2.5]
    """
    if volume_cc > BODY_CC:
        return BODY_STEP_MM
    return float(np.clip((1000 * volume_cc / (N_POINTS * ELONGATION)) ** (1 / 3), *STEP_MM))


def organ_points(name: str, slabs: Slabs, step_mm: float | None = None) -> OrganPoints:
    """Fill the slabs of an organ with points.

    Parameters
    ----------
    name : str
        For messages.
    slabs : Slabs
        At least one.
    step_mm : float, optional
        Lattice step; by default from the volume.
    """
    step = step_mm or lattice_step_mm(max(slabs.volume_cc, 1e-9))
    low = np.array([s.low_mm for s in slabs.slabs])
    high = np.array([s.high_mm for s in slabs.slabs])
    n_sub = np.maximum(1, np.rint((high - low) / (ELONGATION * step))).astype(np.intp)
    corners = np.array([_corner(s) for s in slabs.slabs])
    extent = float(np.max(np.array([_corner(s, largest=True) for s in slabs.slabs]) - corners, initial=0.0))
    n_cells = int(np.ceil(extent / step)) + 2
    number = np.arange(len(low))
    origin = corners - step * (0.001 + 0.998 * np.column_stack([(number * R2[0]) % 1, (number * R2[1]) % 1]))

    per_batch = max(1, CELLS_AT_ONCE // n_cells**2)
    parts = [_cover_slabs(slabs.slabs, range(k, min(k + per_batch, len(low))), origin, step, n_cells) for k in range(0, len(low), per_batch)]
    slab, row, column, fraction, u, v = (np.concatenate([getattr(p, f) for p in parts]) for f in ("layer", "row", "column", "fraction", "x", "y"))

    drawn = np.array([sum(signed_area_mm2(p) for p in layer) for s in slabs.slabs for layer in s.layers]).sum()
    covered = fraction.sum() * step**2
    notices = list(slabs.notices)
    if abs(drawn - covered) > 0.01 * covered and not any(n.code == "contour_overlap" for n in notices):
        message = f'Structure "{printable(name)}": a contour crosses itself; enclosed areas are taken by the even-odd rule ({covered:.0f} mm2 in all planes).'
        notices.append(Notice("contour_self_intersecting", message, structure=name))

    uv = np.column_stack([u, v]) * step + origin[slab]
    area = fraction * step**2
    repeat = n_sub[slab]
    point_column = np.repeat(np.arange(slab.size), repeat)
    layer = np.arange(point_column.size) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    phase = (0.5 + row * R3[0] + column * R3[1] + slab * R3[2]) % 1
    thickness = (high - low)[slab] / repeat
    point_w = low[slab][point_column] + (layer + phase[point_column]) * thickness[point_column]
    return OrganPoints(
        rotation=slabs.rotation,
        step_mm=step,
        slab_low_mm=low,
        slab_high_mm=high,
        n_sub=n_sub,
        origin_mm=origin,
        column_slab=slab,
        column_row=row,
        column_col=column,
        column_uv_mm=uv,
        column_cut=fraction < 1 - 1e-9,
        column_area_mm2=area,
        point_column=point_column,
        point_w_mm=point_w,
        volumes_cc=(area * thickness)[point_column] / 1000,
        edge_mm=_edge_points(slabs.slabs, step),
        notices=tuple(notices),
    )


def _corner(slab: Slab, largest: bool = False) -> Float64:
    points = np.concatenate([p for layer in slab.layers for p in layer])
    return np.asarray(points.max(axis=0) if largest else points.min(axis=0))


def _cover_slabs(slabs: tuple[Slab, ...], numbers: range, origin: Float64, step: float, n_cells: int) -> Coverage:
    """Cover some slabs; where one has several layers, unite them."""
    polygons: list[tuple[int, Float64]] = []
    owner: list[int] = []
    for k in numbers:
        for layer in slabs[k].layers:
            polygons += [(len(owner), p) for p in layer]
            owner.append(k)
    owners = np.array(owner)
    c = cover(edges_of(polygons), origin[owners], step, n_cells, n_cells)
    slab = owners[c.layer]
    if len(owners) > len(numbers):
        cell, first, inverse = np.unique((slab * n_cells + c.row) * n_cells + c.column, return_index=True, return_inverse=True)
        outside = np.zeros(cell.size)
        np.add.at(outside, inverse, np.log(np.maximum(1 - c.fraction, 1e-300)))
        weight = np.bincount(inverse, c.fraction)
        x, y = np.bincount(inverse, c.fraction * c.x) / weight, np.bincount(inverse, c.fraction * c.y) / weight
        return Coverage(slab[first], c.row[first], c.column[first], -np.expm1(outside), x, y)
    return Coverage(slab, c.row, c.column, c.fraction, c.x, c.y)


def _edge_points(slabs: tuple[Slab, ...], step: float) -> Float64:
    """Contour points about a step apart, at both faces of each slab."""
    out: list[Float64] = []
    for slab in slabs:
        for polygon in (p for layer in slab.layers for p in layer):
            edge = np.roll(polygon, -1, axis=0) - polygon
            length = np.hypot(edge[:, 0], edge[:, 1])
            every = max(1, int(len(polygon) * step / max(length.sum(), step)))
            n_parts = np.ceil(length[::every] / (2 * step)).astype(int) if every == 1 else np.ones(len(polygon[::every]), int)
            n_parts = np.maximum(n_parts, 1)
            start = np.repeat(np.arange(n_parts.size), n_parts)
            part = (np.arange(start.size) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)) / n_parts[start]
            points = polygon[::every][start] + part[:, None] * edge[::every][start]
            out += [np.column_stack([points, np.full(len(points), w)]) for w in (slab.low_mm, slab.high_mm)]
    return np.concatenate(out)


def read_dose(points: OrganPoints, dose: DoseGrid, order: Interpolation) -> Float32:
    """Dose of a course in the same frame at all points of an organ.

    Returns
    -------
    (P,) float32
        Gray; NaN where the dose grid does not reach.
    """
    if not (points.in_axial_frame and dose.grid.is_axial):
        return dose.at_points(points.points_mm, order)
    out = np.empty(points.point_column.size, np.float32)
    column_end = np.searchsorted(points.column_slab, np.arange(points.slab_low_mm.size), side="right")
    point_end = np.concatenate([[0], np.cumsum(points.n_sub[points.column_slab])])
    start = 0
    while start < points.column_slab.size:
        # as many whole slabs as fit
        last = int(np.searchsorted(column_end, start + COLUMNS_AT_ONCE, side="right"))
        stop = int(column_end[max(last - 1, points.column_slab[start])])
        chunk = slice(int(point_end[start]), int(point_end[stop]))
        out[chunk] = _read_columns(points, dose, order, slice(start, stop), chunk)
        start = stop
    return out


def _read_columns(points: OrganPoints, dose: DoseGrid, order: Interpolation, columns: slice, chunk: slice) -> Float32:
    """Dose at the points of some columns: first profiles along w at the dose planes, then along each profile."""
    w_mm = dose.grid.w_mm
    slab = points.column_slab[columns]
    slabs = np.unique(slab)
    first_low, weights = axis_weights(w_mm, np.clip(points.slab_low_mm[slabs], w_mm[0], w_mm[-1]), order)
    first_high, _ = axis_weights(w_mm, np.clip(points.slab_high_mm[slabs], w_mm[0], w_mm[-1]), order)
    taps = weights.shape[1]
    depth = int((first_high - first_low).max()) + taps
    plane0 = np.minimum(first_low, w_mm.size - depth)
    profile = _profiles(points, dose, order, columns, slabs, plane0, depth)

    column = points.point_column[chunk] - columns.start
    first, weights = axis_weights(w_mm, points.point_w_mm[chunk], order)
    base_plane = plane0[np.searchsorted(slabs, slab)][column]
    index = column * depth + np.clip(first - base_plane, 0, depth - taps)
    flat = profile.value.ravel()
    value = sum(weights[:, k] * flat[index + k] for k in range(taps))
    if order == "cubic":
        cell = np.clip(np.searchsorted(w_mm, points.point_w_mm[chunk], side="right") - 1, 0, max(w_mm.size - 2, 0))
        k = np.clip(cell - base_plane, 0, max(depth - 2, 0)) + column * max(depth - 1, 1)
        value = np.clip(value, *overshoot_bounds(profile.low.ravel()[k], profile.high.ravel()[k]))
    return np.asarray(value, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Profiles:
    """Dose of columns at dose planes (C, depth), and the range of the eight voxels around, between planes (C, depth - 1)."""

    value: Float32
    low: Float32
    high: Float32


def _profiles(points: OrganPoints, dose: DoseGrid, order: Interpolation, columns: slice, slabs: Index, plane0: Index, depth: int) -> _Profiles:
    """Interpolate along u and v, at `depth` dose planes from `plane0` on for each slab."""
    grid = dose.grid
    n = columns.stop - columns.start
    value = np.full((n, depth), np.nan, np.float32)
    low = np.zeros((n, depth), np.float32)
    high = np.zeros((n, depth), np.float32)
    slab = points.column_slab[columns]
    cut = points.column_cut[columns]
    uv = points.column_uv_mm[columns]
    row, col = points.column_row[columns], points.column_col[columns]
    bounds = np.searchsorted(slab, slabs, side="left"), np.searchsorted(slab, slabs, side="right")
    for s, k0, a, b in zip(slabs, plane0, *bounds, strict=True):
        full = a + np.flatnonzero(~cut[a:b])
        if full.size == 0:
            continue
        r0, r1, c0, c1 = row[full].min(), row[full].max() + 1, col[full].min(), col[full].max() + 1
        centre = points.origin_mm[s] + points.step_mm / 2
        iu, wu = axis_weights(grid.u_mm, centre[0] + points.step_mm * np.arange(c0, c1), order)
        iv, wv = axis_weights(grid.v_mm, centre[1] + points.step_mm * np.arange(r0, r1), order)
        block = dose.dose_gy[k0 : k0 + depth, iv.min() : iv.max() + wv.shape[1], iu.min() : iu.max() + wu.shape[1]]
        lattice = banded(iv - iv.min(), wv, block.shape[1]) @ block @ banded(iu - iu.min(), wu, block.shape[2]).T
        value[full] = lattice[:, row[full] - r0, col[full] - c0].T
    if cut.any():
        which = np.flatnonzero(cut)
        k0 = plane0[np.searchsorted(slabs, slab[which])]
        value[which] = _gather_profiles(dose, uv[which], k0, depth, order)
    if order == "cubic":
        k0 = plane0[np.searchsorted(slabs, slab)]
        low, high = _profile_bounds(dose, uv, k0, depth)
    return _Profiles(value, low, high)


def _gather_profiles(dose: DoseGrid, uv: Float64, k0: Index, depth: int, order: Interpolation) -> Float32:
    """Dose (C, depth) above scattered (u, v) at dose planes k0 .. k0 + depth - 1."""
    _, nv, nu = dose.dose_gy.shape
    iu, wu = axis_weights(dose.grid.u_mm, uv[:, 0], order)
    iv, wv = axis_weights(dose.grid.v_mm, uv[:, 1], order)
    flat = dose.dose_gy.ravel()
    base = ((k0 * nv + iv) * nu + iu)[:, None] + np.arange(depth) * (nv * nu)
    out = np.zeros((len(uv), depth), np.float32)
    weight_u, weight_v = wu.astype(np.float32), wv.astype(np.float32)
    for b in range(wv.shape[1]):
        for a in range(wu.shape[1]):
            out += (weight_v[:, b] * weight_u[:, a])[:, None] * flat[base + (b * nu + a)]
    return out


def _profile_bounds(dose: DoseGrid, uv: Float64, k0: Index, depth: int) -> tuple[Float32, Float32]:
    """Smallest and largest of the eight voxels around (u, v) between dose planes: (C, depth - 1) each."""
    _, nv, nu = dose.dose_gy.shape
    iu = np.clip(np.searchsorted(dose.grid.u_mm, uv[:, 0], side="right") - 1, 0, max(nu - 2, 0))
    iv = np.clip(np.searchsorted(dose.grid.v_mm, uv[:, 1], side="right") - 1, 0, max(nv - 2, 0))
    flat = dose.dose_gy.ravel()
    base = ((k0 * nv + iv) * nu + iu)[:, None] + np.arange(depth) * (nv * nu)
    right, down = min(1, nu - 1), min(1, nv - 1) * nu
    corners = [flat[base + offset] for offset in {0, right, down, right + down}]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    if depth > 1:
        low, high = np.minimum(low[:, 1:], low[:, :-1]), np.maximum(high[:, 1:], high[:, :-1])
    return low, high
