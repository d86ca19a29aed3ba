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
    n_layers = len(origin_mm)
    start = (edges.start_mm - origin_mm[edges.layer]) / step_mm
    end = (edges.end_mm - origin_mm[edges.layer]) / step_mm
    x0, y0, x1, y1, layer = _cut(start, end, edges.layer)

    row, column = np.floor((y0 + y1) / 2), np.floor((x0 + x1) / 2)
    if not (row.min(initial=0) >= 0 and row.max(initial=0) < n_rows and column.min(initial=0) >= 0 and column.max(initial=0) < n_columns):
        # a window of a larger lattice: pieces left of it bound all its cells, those above, below and right of it none
        here = (row >= 0) & (row < n_rows) & (column < n_columns)
        x0, y0, x1, y1, row, column = (a[here] for a in (x0, y0, x1, y1, row, column))
        layer = layer[here]
        left = column < 0
        x0, x1, column = np.where(left, 0.0, x0), np.where(left, 0.0, x1), np.where(left, 0.0, column)
    fx0, fx1, fy0, fy1 = x0 - column, x1 - column, y0 - row, y1 - row
    strip = y0 - y1  # an edge running down has the inside on its right
    strip_y = strip * (fy0 + fy1) / 2
    cell = ((layer * n_rows + row.astype(np.intp)) * n_columns + column.astype(np.intp)).astype(np.intp)
    size = n_layers * n_rows * n_columns
    shape = (n_layers * n_rows, n_columns)

    def spread(weights: Float64) -> Float64:
        return np.asarray(np.bincount(cell, weights, size).reshape(shape), np.float64)

    # strip = this cell up to its right border + all cells further right, which the running sum adds
    right, right_y = spread(strip), spread(strip_y)
    right, right_y = np.cumsum(right, axis=1) - right, np.cumsum(right_y, axis=1) - right_y
    area = spread(strip * (1 - (fx0 + fx1) / 2)) + right
    inside = np.flatnonzero(np.abs(area) > NOISE)
    moment_x = spread(strip * (0.5 - (fx0 * fx0 + fx0 * fx1 + fx1 * fx1) / 6)) + right / 2
    moment_y = spread(strip_y - strip * (2 * fx0 * fy0 + fx0 * fy1 + fx1 * fy0 + 2 * fx1 * fy1) / 6) + right_y

    a = area.ravel()[inside]
    x, y = moment_x.ravel()[inside] / a, moment_y.ravel()[inside] / a
    fraction = np.abs(np.mod(a + 1, 2) - 1)
    odd = (np.abs(a) > 1 + NOISE) | (x < 0) | (x > 1) | (y < 0) | (y > 1)  # loops over each other: no centroid
    x[odd] = y[odd] = 0.5
    keep = fraction > NOISE
    inside, fraction, x, y = inside[keep], np.minimum(fraction[keep], 1.0), x[keep], y[keep]
    line, column_index = np.divmod(inside, n_columns)
    layer_index, row_index = np.divmod(line, n_rows)
    return Coverage(layer_index, row_index, column_index, fraction, column_index + x, row_index + y)


def _cut(start: Float64, end: Float64, layer: NDArray[np.intp]) -> tuple[Float64, Float64, Float64, Float64, NDArray[np.intp]]:
    """Cut edges (lattice units) at every lattice line: ends x0, y0, x1, y1 and layer of the pieces.

    A place on an edge is the number ``edge index + part of the way along it``; sorting these numbers puts all cuts in order.
    """
    places = [np.arange(len(start), dtype=np.float64)]
    for axis in (0, 1):
        a, b = start[:, axis], end[:, axis]
        low, high = np.minimum(a, b), np.maximum(a, b)
        first = np.floor(low) + 1
        count = np.maximum(np.ceil(high) - first, 0).astype(np.intp)
        edge = np.repeat(np.arange(len(a)), count)
        line = first[edge] + np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count)
        places.append(edge + np.clip((line - a[edge]) / (b[edge] - a[edge]), 0.0, 1.0))
    place = np.sort(np.concatenate(places))
    following = np.append(place[1:], len(start))
    middle = (place + following) / 2
    edge = np.minimum(middle.astype(np.intp), len(start) - 1)
    real = following > place
    edge, p0, p1 = edge[real], (place[real] - edge[real])[:, None], (following[real] - edge[real])[:, None]
    span = end[edge] - start[edge]
    q0, q1 = start[edge] + p0 * span, start[edge] + p1 * span
    return q0[:, 0], q0[:, 1], q1[:, 0], q1[:, 1], layer[edge]
