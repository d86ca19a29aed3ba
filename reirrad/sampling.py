"""Dose of a course at the points of an organ in the same frame: by columns, which costs a fraction of reading point by point.

First the dose of every column at the dose planes around its slab, interpolated along u and v; then, along each column, at its points.
"""

from __future__ import annotations

import numpy as np

from reirrad.dose import DoseGrid, Float32, Interpolation, axis_cells, axis_weights, overshoot_bounds
from reirrad.grid import Float64
from reirrad.points import Index, OrganPoints

__all__ = ["read_dose"]

COLUMNS_AT_ONCE = 60_000  # columns whose dose profile is held at once


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
    full = np.flatnonzero(~cut)
    if full.size:
        r0, c0 = row[full].min(), col[full].min()
        slabs, n_v, n_u = np.unique(slab[full]), row[full].max() + 1 - r0, col[full].max() + 1 - c0
        centres = points.origin_mm[slabs] + points.step_mm * (np.array([c0, r0]) + 0.5)
        iu, wu = axis_weights(grid.u_mm, (centres[:, :1] + points.step_mm * np.arange(n_u)).ravel(), order)
        iv, wv = axis_weights(grid.v_mm, (centres[:, 1:] + points.step_mm * np.arange(n_v)).ravel(), order)
        weight_u, weight_v = wu.astype(np.float32), wv.astype(np.float32)
        starts = np.searchsorted(slab[full], slabs)
        for k, (a, b) in enumerate(zip(starts, np.append(starts[1:], full.size), strict=True)):
            here = full[a:b]
            rows, columns_ = row[here] - r0, col[here] - c0
            v = slice(k * n_v + rows.min(), k * n_v + rows.max() + 1)
            u = slice(k * n_u + columns_.min(), k * n_u + columns_.max() + 1)
            left = iu[u].min()
            block = dose.dose_gy[plane0[here[0]] : plane0[here[0]] + depth, :, left : iu[u].max() + wu.shape[1]]
            lines = _weighted(block, 1, iv[v], weight_v[v]).transpose(2, 1, 0)
            lattice = _weighted(np.ascontiguousarray(lines), 0, iu[u] - left, weight_u[u])
            profile[here] = lattice[columns_ - columns_.min(), rows - rows.min()]
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
