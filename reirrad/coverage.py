"""How much of each cell of a lattice lies inside polygons, and where: exact areas and centroids.

Every polygon edge is cut where it crosses a lattice line. A piece within one cell bounds, together with the right border of its cell, a trapezium
whose area and first moments are elementary; all cells further right in its row get the full strip. Summed with sign over all pieces this is the
exact covered area and centroid of every cell, holes and keyholes included, without a scan line and without a loop over polygons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.grid import Float64

__all__ = ["Coverage", "Edges", "cover", "edges_of", "signed_area_mm2"]

_Lines = tuple[Float64, Float64, NDArray[np.intp]]  # starts and ends (2, E) in lattice units, layers (E,)

# Parts of a cell below this are rounding noise, not tissue.
NOISE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Directed polygon edges of many layers (planes).

    Parameters
    ----------
    start_mm, end_mm : (E, 2) float64
        Ends of each edge.
    layer : (E,) int
        The layer an edge belongs to.
    """

    start_mm: Float64
    end_mm: Float64
    layer: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Cells that are covered at least in part.

    Parameters
    ----------
    layer, row, column : (C,) int
        The cell.
    fraction : (C,) float64
        Covered part, 0 < fraction <= 1.
    x, y : (C,) float64
        Centroid of the covered part in lattice units: the cell spans column..column + 1 and row..row + 1.
    """

    layer: NDArray[np.intp]
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    fraction: Float64
    x: Float64
    y: Float64


def signed_area_mm2(polygon_mm: Float64) -> float:
    """Area of a polygon (N, 2) in mm2, positive when it runs counter-clockwise (shoelace formula).

    >>> signed_area_mm2(np.array([[0, 0], [3, 0], [3, 2], [0, 2.0]]))
    6.0
    """
    x, y = (polygon_mm[1:] - polygon_mm[0]).T  # the first vertex becomes the origin, and its two products vanish
    return float(0.5 * (np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])))


def edges_of(polygons: list[tuple[int, Float64]]) -> Edges:
    """Edges of (layer, (N, 2) polygon) pairs, in the direction in which the vertices stand."""
    start = np.concatenate([p for _, p in polygons])
    sizes = np.array([len(p) for _, p in polygons])
    first = np.cumsum(sizes) - sizes
    end = np.empty_like(start)
    end[:-1] = start[1:]
    end[first + sizes - 1] = start[first]  # every polygon closes
    return Edges(start, end, np.repeat(np.array([k for k, _ in polygons], np.intp), sizes))


def cover(edges: Edges, origin_mm: Float64, step_mm: float, n_rows: int, n_columns: int) -> Coverage:
    """Cover a lattice of square cells.

    Parameters
    ----------
    edges : Edges
        Counter-clockwise around what is inside, clockwise around holes. Layers count from 0.
    origin_mm : (L, 2)
        Corner of the lattice of each layer.
    step_mm : float
        Cell size.
    n_rows, n_columns : int
        Cells per layer. What lies outside them is left out.

    Returns
    -------
    Coverage
        Where loops of a polygon overlap each other the even-odd rule holds.
    """
    lines = _in_window(edges, origin_mm, step_mm, n_rows, n_columns)
    for axis in (1, 0):
        lines = _cut(lines, axis)
    (x0, y0), (x1, y1), layer = lines
    row, column = np.floor((y0 + y1) / 2), np.floor((x0 + x1) / 2)
    if not (row.min(initial=0) >= 0 and row.max(initial=0) < n_rows and column.min(initial=0) >= 0 and column.max(initial=0) < n_columns):
        # a window of a larger lattice: pieces left of it bound all its cells, those above, below and right of it none
        here = np.flatnonzero((row >= 0) & (row < n_rows) & (column < n_columns))
        x0, y0, x1, y1, row, column, layer = (a.take(here) for a in (x0, y0, x1, y1, row, column, layer))
        left = column < 0
        x0[left] = x1[left] = column[left] = 0.0
    fx0, fx1, fy0, fy1 = x0 - column, x1 - column, y0 - row, y1 - row
    strip = y0 - y1  # an edge running down has the inside on its right
    strip_y = strip * (fy0 + fy1) / 2
    cell = (layer * n_rows + row.astype(np.intp)) * n_columns + column.astype(np.intp)
    is_touched = np.zeros(len(origin_mm) * n_rows * n_columns, bool)
    is_touched[cell] = True
    touched = np.flatnonzero(is_touched)
    number = np.empty(is_touched.size, np.int32)
    number[touched] = np.arange(touched.size)
    which = number.take(cell)

    def spread(weights: Float64) -> Float64:
        return np.asarray(np.bincount(which, weights, touched.size), np.float64)

    # strip = this cell up to its right border + all cells further right in its row, which the running sum adds
    line = touched // n_columns
    is_last = np.ones(touched.size, bool)
    is_last[:-1] = line[1:] != line[:-1]
    strips = spread(strip)
    right, right_y = _running(is_last, strips, spread(strip_y))
    a = spread(strip * (1 - (fx0 + fx1) / 2)) + right
    is_kept = np.abs(a) > NOISE
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (spread(strip * (0.5 - (fx0 * fx0 + fx0 * fx1 + fx1 * fx1) / 6)) + right / 2) / a
        y = (spread(strip_y - strip * (2 * fx0 * fy0 + fx0 * fy1 + fx1 * fy0 + 2 * fx1 * fy1) / 6) + right_y) / a
        odd = (np.abs(a) > 1 + NOISE) | (x < 0) | (x > 1) | (y < 0) | (y > 1)  # loops over each other: no centroid
    x[odd] = y[odd] = 0.5
    fraction = np.abs(a)
    over = np.flatnonzero(fraction > 1)
    fraction[over] = np.minimum(np.abs(np.mod(a[over] + 1, 2) - 1), 1.0)
    is_kept &= fraction > NOISE

    # between one touched cell and the next of its row no edge passes: these cells are covered all or not at all
    following = np.where(is_last, (line + 1) * n_columns, np.append(touched[1:], 0))
    is_full = np.rint(right + strips).astype(np.intp) & 1
    count = is_kept + is_full * (following - touched - 1)
    first = np.cumsum(count) - count
    cells = np.arange(count.sum()) + np.repeat(touched + ~is_kept - first, count)
    own = first[is_kept]  # where the touched cells stand among all
    lines_ = cells // n_columns
    columns = cells - lines_ * n_columns
    layers = lines_ // n_rows
    rows = lines_ - layers * n_rows
    part, cx, cy = np.ones(cells.size), columns + 0.5, rows + 0.5
    part[own] = fraction[is_kept]
    cx[own] += x[is_kept] - 0.5
    cy[own] += y[is_kept] - 0.5
    return Coverage(layers, rows, columns, part, cx, cy)


def _running(is_last: NDArray[np.bool_], *columns: Float64) -> list[Float64]:
    """Of each column the sum of the values before each in its row; `is_last` marks the last of each row."""
    is_first = np.append(True, is_last)[:-1]
    row = np.cumsum(is_first) - 1
    befores = [np.cumsum(values) - values for values in columns]
    return [before - before[is_first].take(row) for before in befores]


def _in_window(edges: Edges, origin_mm: Float64, step_mm: float, n_rows: int, n_columns: int) -> _Lines:
    """Edges in lattice units, without those that bound no cell; those left of the lattice are moved to its border."""
    start, end = ((ends.T - origin_mm.T.take(edges.layer, axis=1)) / step_mm for ends in (edges.start_mm, edges.end_mm))
    (x_low, y_low), (x_high, y_high) = np.minimum(start, end), np.maximum(start, end)
    layer = edges.layer
    if y_low.min() < 0 or y_high.max() > n_rows or x_low.min() < 0 or x_high.max() > n_columns:
        here = np.flatnonzero((y_high > 0) & (y_low < n_rows) & (x_low < n_columns))
        start, end, layer, left = start.take(here, axis=1), end.take(here, axis=1), layer.take(here), x_high.take(here) <= 0
        start[0, left] = end[0, left] = 0.0
    return start, end, layer


def _cut(lines: _Lines, axis: int) -> _Lines:
    """Cut lines wherever they cross a lattice line of one axis. Pieces meet in the same numbers, so that what one adds to a row the next takes away."""
    start, end, layer = lines
    a, b = start[axis], end[axis]
    low = np.floor(np.minimum(a, b))
    count = np.maximum(np.ceil(np.maximum(a, b)) - low - 1, 0).astype(np.intp)
    is_cut = count > 0
    many, whole = np.flatnonzero(is_cut), np.flatnonzero(~is_cut)
    pieces = count.take(many) + 1
    last = np.cumsum(pieces) - 1
    first = last - pieces + 1
    of = np.repeat(many, pieces)
    number = np.arange(of.size) - np.repeat(first, pieces)
    a, span = a.take(of), (b - a).take(of)
    at = low.take(of) + np.where(span > 0, number, count.take(of) + 1 - number)
    begin = np.empty((2, of.size))
    begin[axis] = at
    begin[1 - axis] = start[1 - axis].take(of) + (at - a) / span * (end[1 - axis] - start[1 - axis]).take(of)
    stop = np.empty_like(begin)
    for k in (0, 1):
        begin[k][first] = start[k].take(many)
        stop[k][:-1] = begin[k][1:]
        stop[k][last] = end[k].take(many)
    return (
        np.concatenate([start.take(whole, axis=1), begin], axis=1),
        np.concatenate([end.take(whole, axis=1), stop], axis=1),
        np.concatenate([layer.take(whole), layer.take(of)]),
    )
