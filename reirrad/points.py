"""An organ as points with volumes, and the dose of a course read at them.

Every slab is covered by a lattice of square columns; a column cut by the contour carries its exact covered area and is read at the centroid of the
covered part. Columns are cut into sub-slabs of about twice the lattice step. The lattice is moved from slab to slab, and the height of the points from
column to column, by low-discrepancy sequences, so that a dose that varies along one axis only is still sampled far more finely than the step.
Points on the contour itself, at the faces of each slab, carry no volume: they make the minimum and the maximum right.

Bound: no part of the organ is further from its point than the diagonal of a cell (a step, a step, a sub-slab; half a step within the contour), so no dose
of a DVH is off by more than the dose difference over that distance; docs/accuracy.md has the errors measured, which are about a tenth of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.coverage import Coverage, cover, edges_of, signed_area_mm2
from reirrad.dose import DoseGrid, Float32, Interpolation, axis_cells, axis_weights, overshoot_bounds
from reirrad.errors import GeometryError, Notice, printable
from reirrad.grid import Float64
from reirrad.planes import Slab, Slabs

__all__ = ["OrganPoints", "lattice_step_mm", "organ_points", "read_dose"]

Index = NDArray[np.intp]

N_POINTS = 40_000  # aimed at for one organ; the step follows from its volume
ELONGATION = 2.0  # height of a cell over its width: heights vary from column to column, so the coarser sampling along w costs nothing
STEP_MM = (0.04, 1.5)  # finest and coarsest step ...
BODY_CC, BODY_STEP_MM = 6_000.0, 2.5  # ... but for a structure of the size of a body
MAX_CELLS, MAX_SLAB_CELLS = 30e6, 4e6  # lattice cells over the extent of a structure: a few seeds far apart, or a wire, get a coarser step
CELLS_AT_ONCE = 40_000  # lattice cells rasterised together: fits the cache
FULL = 1 - 1e-9  # a cell covered at least so far is not cut
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

    Raises
    ------
    GeometryError
        When the contours enclose nothing.
    """
    low = np.array([s.low_mm for s in slabs.slabs])
    high = np.array([s.high_mm for s in slabs.slabs])
    corners = np.array([_corner(s) for s in slabs.slabs])
    extents = np.array([_corner(s, largest=True) for s in slabs.slabs]) - corners
    extent = float(extents.max())
    step = step_mm or lattice_step_mm(max(_volume_cc(slabs, corners, extents), 1e-9))
    step = max(step, extent / np.sqrt(min(MAX_CELLS / len(low), MAX_SLAB_CELLS)))
    n_sub = np.maximum(1, np.rint((high - low) / (ELONGATION * step))).astype(np.intp)
    number = np.arange(len(low))
    origin = corners - step * (0.001 + 0.998 * np.column_stack([(number * R2[0]) % 1, (number * R2[1]) % 1]))
    slab, row, column, fraction, u, v = _cover_all(slabs.slabs, origin, step, extent)
    if slab.size == 0:
        raise GeometryError(f'The contours of structure "{printable(name)}" enclose no area. Draw the structure, or leave it out.')

    drawn = np.array([sum(signed_area_mm2(p) for layer in s.layers for p in layer) for s in slabs.slabs])
    covered = np.bincount(slab, fraction, len(low)) * step**2
    crossing = (np.abs(drawn - covered) > 0.01 * np.maximum(drawn, covered)) & np.array([len(s.layers) == 1 for s in slabs.slabs])
    notices = list(slabs.notices)
    if n_crossing := int(np.sum(crossing)):
        message = (
            f'Structure "{printable(name)}": contours cross themselves or each other in {n_crossing} plane(s); enclosed areas are taken by the even-odd rule '
            f"({covered[crossing].sum():.0f} mm2 in these planes)."
        )
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
        column_cut=fraction < FULL,
        column_area_mm2=area,
        point_column=point_column,
        point_w_mm=point_w,
        volumes_cc=(area * thickness)[point_column] / 1000,
        edge_mm=_edge_points(slabs.slabs, step),
        notices=tuple(notices),
    )


def _volume_cc(slabs: Slabs, corners: Float64, extents: Float64) -> float:
    """Volume from the areas drawn; where these say little of a much larger extent (loops that cancel), from a coarse lattice."""
    thickness = np.array([s.high_mm - s.low_mm for s in slabs.slabs])
    drawn = slabs.volume_cc
    if drawn > 0.1 * float(np.sum(extents.prod(axis=1) * thickness)) / 1000:
        return drawn
    step = float(extents.max()) / 100
    slab, _, _, fraction, _, _ = _cover_all(slabs.slabs, corners - step / 2, step, 100 * step)
    return float(np.sum(thickness[slab] * fraction) * step**2 / 1000)


def _cover_all(slabs: tuple[Slab, ...], origin: Float64, step: float, extent: float) -> tuple[Index, Index, Index, Float64, Float64, Float64]:
    """Cover all slabs, some at a time: slab, row, column, fraction, centroid x and y of each cell."""
    n_cells = int(np.ceil(extent / step)) + 2
    at_once = max(1, CELLS_AT_ONCE // n_cells**2)
    parts = [_cover_slabs(slabs, range(k, min(k + at_once, len(slabs))), origin, step, n_cells) for k in range(0, len(slabs), at_once)]
    slab, row, column = (np.concatenate([getattr(p, f) for p in parts]) for f in ("layer", "row", "column"))
    fraction, x, y = (np.concatenate([getattr(p, f) for p in parts]) for f in ("fraction", "x", "y"))
    return slab, row, column, fraction, x, y


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
        fraction = -np.expm1(outside)
        full = fraction >= FULL
        x[full], y[full] = c.column[first][full] + 0.5, c.row[first][full] + 0.5
        return Coverage(slab[first], c.row[first], c.column[first], fraction, x, y)
    return Coverage(slab, c.row, c.column, c.fraction, c.x, c.y)


def _edge_points(slabs: tuple[Slab, ...], step: float) -> Float64:
    """Contour points at most two steps apart, at both faces of each slab; of vertices closer than a step only some."""
    out: list[Float64] = []
    for slab in slabs:
        for polygon in (p for layer in slab.layers for p in layer):
            edge = np.roll(polygon, -1, axis=0) - polygon
            length = np.hypot(edge[:, 0], edge[:, 1])
            walked = np.floor((np.cumsum(length) - length) / step)
            kept = np.flatnonzero((np.diff(walked, prepend=-1) > 0) | (length > step))
            n_parts = np.maximum(np.ceil(length[kept] / (2 * step)).astype(np.intp), 1)
            start = np.repeat(kept, n_parts)
            part = (np.arange(start.size) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)) / np.repeat(n_parts, n_parts)
            points = polygon[start] + part[:, None] * edge[start]
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
    column_plane0 = plane0[np.searchsorted(slabs, slab)]
    profile = _profiles(points, dose, order, columns, column_plane0, depth).ravel()

    column = points.point_column[chunk] - columns.start
    at = points.point_w_mm[chunk]
    first, weights = axis_weights(w_mm, at, order)
    index = column * depth + np.clip(first - column_plane0[column], 0, depth - taps)
    value = np.zeros(at.size)
    for k in range(taps):
        value += weights[:, k] * profile[index + k]
    if order == "cubic":
        low, high = _bounds(dose, points.column_uv_mm[columns], column, at)
        np.clip(value, low, high, out=value)
    return value.astype(np.float32)


def _profiles(points: OrganPoints, dose: DoseGrid, order: Interpolation, columns: slice, plane0: Index, depth: int) -> Float32:
    """Interpolate along u and v: dose of columns (C, depth) at `depth` dose planes, from plane0 (C,) on.

    Columns that are not cut lie on a lattice: one slab after the other is interpolated along v, then along u.
    """
    grid = dose.grid
    slab, cut = points.column_slab[columns], points.column_cut[columns]
    row, col = points.column_row[columns], points.column_col[columns]
    profile = np.empty((slab.size, depth), np.float32)
    ends = np.flatnonzero(np.diff(slab, append=-1)) + 1
    for a, b in zip(np.append(0, ends[:-1]), ends, strict=True):
        full = a + np.flatnonzero(~cut[a:b])
        if full.size == 0:
            continue
        r0, c0 = row[full].min(), col[full].min()
        centre = points.origin_mm[slab[a]] + points.step_mm / 2
        iu, wu = axis_weights(grid.u_mm, centre[0] + points.step_mm * np.arange(c0, col[full].max() + 1), order)
        iv, wv = axis_weights(grid.v_mm, centre[1] + points.step_mm * np.arange(r0, row[full].max() + 1), order)
        block = dose.dose_gy[plane0[a] : plane0[a] + depth, :, iu.min() : iu.max() + wu.shape[1]]
        lines = _weighted(block, 1, iv, wv.astype(np.float32)).transpose(2, 1, 0)
        lattice = _weighted(np.ascontiguousarray(lines), 0, iu - iu.min(), wu.astype(np.float32))
        profile[full] = lattice[col[full] - c0, row[full] - r0]
    which = np.flatnonzero(cut)
    profile[which] = _gather_profiles(dose, points.column_uv_mm[columns][which], plane0[which], depth, order)
    return profile


def _weighted(block: Float32, axis: int, first: Index, weights: Float32) -> Float32:
    """Sum of weighted neighbours along one axis of a block of three; plain sums, for a BLAS that shares the cores with other work is slow here."""
    shape = [1, 1, 1]
    shape[axis] = first.size
    total = block.take(first, axis) * weights[:, 0].reshape(shape)
    for k in range(1, weights.shape[1]):
        total += block.take(first + k, axis) * weights[:, k].reshape(shape)
    return np.asarray(total, np.float32)


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


def _bounds(dose: DoseGrid, uv: Float64, column: Index, w: Float64) -> tuple[Float64, Float64]:
    """What a cubic may reach at points at height w (P,) of columns at (u, v): from the eight voxels around each."""
    grid = dose.grid
    iu, iv, iw = axis_cells(grid.u_mm, uv[:, 0]), axis_cells(grid.v_mm, uv[:, 1]), axis_cells(grid.w_mm, w)
    u0, v0, w0 = iu.min(), iv.min(), iw.min()
    low = high = dose.dose_gy[w0 : iw.max() + 2, v0 : iv.max() + 2, u0 : iu.max() + 2]
    for axis in range(3):
        if low.shape[axis] > 1:  # from voxels to the cells between them
            here, following = (tuple(slice(a, b) if k == axis else slice(None) for k in range(3)) for a, b in ((0, -1), (1, None)))
            low, high = np.minimum(low[here], low[following]), np.maximum(high[here], high[following])
    _, nv, nu = low.shape
    cell = ((iv - v0) * nu + iu - u0)[column] + (iw - w0) * (nv * nu)
    return overshoot_bounds(low.ravel()[cell], high.ravel()[cell])
