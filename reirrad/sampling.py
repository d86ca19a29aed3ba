"""Dose of a course at the points of an organ in the same frame: by columns, where several points share one.

First the dose of every column at the dose planes around its slab, interpolated along u and v; then, along each column, at its points.
"""

from __future__ import annotations

import itertools

import numpy as np

from reirrad.dose import DoseGrid, Float32, Interpolation, axis_cells, axis_weights, cell_range, overshoot_bounds
from reirrad.grid import Float64
from reirrad.points import Index, OrganPoints

__all__ = ["read_dose"]

COLUMNS_AT_ONCE = 16_384  # columns whose dose profile is held at once


def read_dose(points: OrganPoints, dose: DoseGrid, order: Interpolation) -> Float32:
    """Dose of a course in the same frame at all points of an organ.

    Returns
    -------
    (P,) float32
        Gray; NaN where the dose grid does not reach.
    """
    n_columns, n_points = points.column_slab.size, points.point_column.size
    if not (points.in_axial_frame and dose.grid.is_axial) or n_points == n_columns:
        return dose.at_points(points.points_mm, order)
    w_mm = dose.grid.w_mm
    low, high = (np.clip(face, w_mm[0], w_mm[-1]) for face in (points.slab_low_mm, points.slab_high_mm))
    (first, weights), (last, _) = axis_weights(w_mm, low, order), axis_weights(w_mm, high, order)
    taps = weights.shape[1]
    depth = int((last - first).max()) + taps
    if taps**2 * depth * n_columns + taps * n_points > taps**3 * n_points:  # voxels to look up: too few points in each column
        return dose.at_points(points.points_mm, order)
    plane0 = np.minimum(first, w_mm.size - depth).take(points.column_slab)
    point_end = np.cumsum(points.n_sub.take(points.column_slab))
    out = np.empty(n_points, np.float32)
    begin = 0
    for start in range(0, n_columns, COLUMNS_AT_ONCE):
        columns = slice(start, min(start + COLUMNS_AT_ONCE, n_columns))
        chunk = slice(begin, int(point_end[columns.stop - 1]))
        out[chunk] = _read_columns(points, dose, order, columns, chunk, plane0[columns], depth)
        begin = chunk.stop
    return out


def _read_columns(points: OrganPoints, dose: DoseGrid, order: Interpolation, columns: slice, chunk: slice, plane0: Index, depth: int) -> Float32:
    """Dose at the points of some columns: first their profiles at `depth` dose planes from plane0 (C,) on, then along each profile."""
    grid = dose.grid
    u, v = np.ascontiguousarray(points.column_uv_mm[columns].T)
    profile = _profiles(dose, u, v, order, plane0, depth).ravel()
    column = points.point_column[chunk] - columns.start
    at = points.point_w_mm[chunk]
    first, weights = axis_weights(grid.w_mm, at, order)
    taps = weights.shape[1]
    index = np.clip(first - plane0.take(column), 0, depth - taps) * u.size + column
    value = np.zeros(at.size)
    for k in range(taps):
        value += weights[:, k] * profile[k * u.size :].take(index)
    if order == "cubic":
        cells = axis_cells(grid.w_mm, at), axis_cells(grid.v_mm, v).take(column), axis_cells(grid.u_mm, u).take(column)
        value = np.clip(value, *overshoot_bounds(*cell_range(dose.dose_gy, *cells)))
    return value.astype(np.float32)


def _profiles(dose: DoseGrid, u: Float64, v: Float64, order: Interpolation, plane0: Index, depth: int) -> Float32:
    """Dose (depth, C) above (u, v) at dose planes plane0 .. plane0 + depth - 1."""
    _, nv, nu = dose.dose_gy.shape
    (iu, wu), (iv, wv) = axis_weights(dose.grid.u_mm, u, order), axis_weights(dose.grid.v_mm, v, order)
    flat = dose.dose_gy.ravel()
    base = (plane0 * nv + iv) * nu + iu
    profile = np.zeros((depth, u.size), np.float32)
    for b, a in itertools.product(range(wv.shape[1]), range(wu.shape[1])):
        weight = (wv[:, b] * wu[:, a]).astype(np.float32)
        for k in range(depth):
            profile[k] += weight * flat[(k * nv + b) * nu + a :].take(base)
    return profile
