"""An organ as points with volumes.

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

from reirrad.coverage import Coverage, cover, edges_of
from reirrad.errors import GeometryError, Notice, printable
from reirrad.grid import Float64
from reirrad.planes import Slab, Slabs

__all__ = ["Index", "OrganPoints", "lattice_step_mm", "organ_points", "refined"]

Index = NDArray[np.intp]

N_POINTS = 40_000  # aimed at for one organ; the step follows from the volume
N_POINTS_LARGE = 20_000  # aimed at for an organ so large that its hottest part is refined, and again for that part
ELONGATION = 2.0  # height of a cell over its width: heights vary from column to column, so the coarser sampling along w costs nothing
STEP_MM = (0.04, 6.0)  # finest and coarsest step
REFINED_MM = 1.0  # where the step would be coarser than this, the hottest part gets a finer lattice (see `refined`)
MAX_CELLS, MAX_SLAB_CELLS = 30e6, 4e6  # lattice cells over the extent of a structure: a few seeds far apart, or a wire, get a coarser step
CELLS_AT_ONCE = 150_000  # lattice cells rasterised together: what is computed of them fits the cache
FILLED, FILLED_BY_WALL = 0.1, 0.02  # of the box around them: contours that fill less say little of their volume; the wall between two contours fills less
FULL = 1 - 1e-9  # a cell covered at least so far is not cut

# Fractional parts of multiples of these fill the unit square and cube evenly (generalised golden ratios).
R2 = (0.7548776662466927, 0.5698402909980532)
R3 = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)


@dataclass(frozen=True, slots=True, eq=False)
class OrganPoints:
    """Columns, points and edge points of one organ, in the frame (u, v, w) of its slabs.

    Parameters
    ----------
    slabs : Slabs
        What they fill; its rotation takes patient points to (u, v, w).
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

    slabs: Slabs
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
    def cell_radius_mm(self) -> float:
        """Half of the diagonal of the largest cell."""
        height = float(np.max((self.slab_high_mm - self.slab_low_mm) / self.n_sub))
        return 0.5 * float(np.sqrt(2 * self.step_mm**2 + height**2))

    @property
    def points_mm(self) -> Float64:
        """Points (P, 3) in the patient system."""
        return self.points_at(None)

    def points_at(self, which: Index | None) -> Float64:
        """Some points (N, 3), by number, in the patient system; None for all."""
        column = self.point_column if which is None else self.point_column.take(which)
        local = np.empty((3, column.size))
        if which is None and column.size == self.column_slab.size:
            local[:2] = self.column_uv_mm.T
        else:
            self.column_uv_mm.T.take(column, axis=1, out=local[:2])
        local[2] = self.point_w_mm if which is None else self.point_w_mm.take(which)
        return self._to_patient(local.T)

    @property
    def edge_points_mm(self) -> Float64:
        """Edge points (E, 3) in the patient system."""
        return self._to_patient(self.edge_mm)

    def _to_patient(self, local_mm: Float64) -> Float64:
        return local_mm if self.in_axial_frame else local_mm @ self.slabs.rotation

    @property
    def in_axial_frame(self) -> bool:
        """Whether (u, v, w) are the patient's x, y, z."""
        return bool(np.array_equal(self.slabs.rotation, np.eye(3)))


def lattice_step_mm(volume_cc: float) -> float:
    """Lattice step for an organ of this volume.

    >>> [round(lattice_step_mm(v), 2) for v in (0.05, 1, 30, 1000, 20000)]
    [0.09, 0.23, 0.72, 2.92, 6.0]
    """
    step = (1000 * volume_cc / (N_POINTS * ELONGATION)) ** (1 / 3)
    if step > REFINED_MM:
        step = (1000 * volume_cc / (N_POINTS_LARGE * ELONGATION)) ** (1 / 3)
    return float(np.clip(step, *STEP_MM))


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
    corners, extents, drawn, is_plain = _drawn(slabs.slabs)
    extent = float(extents.max())
    step = step_mm or lattice_step_mm(max(_volume_cc(slabs.slabs, corners, extents, drawn, is_plain), 1e-9))
    step = max(step, extent / np.sqrt(min(MAX_CELLS / len(low), MAX_SLAB_CELLS)))
    number = np.arange(len(low))
    origin = corners - step * (0.001 + 0.998 * np.column_stack([(number * R2[0]) % 1, (number * R2[1]) % 1]))
    slab, row, column, fraction, u, v = _cover_all(slabs.slabs, origin, step, extents.max(axis=0))
    if slab.size == 0:
        raise GeometryError(f'The contours of structure "{printable(name)}" enclose no area. Draw the structure, or leave it out.')

    covered = np.bincount(slab, fraction, len(low)) * step**2
    crossing = (np.abs(drawn - covered) > 0.01 * np.maximum(drawn, covered)) & np.array([len(s.layers) == 1 for s in slabs.slabs])
    notices = list(slabs.notices)
    if n_crossing := int(np.sum(crossing)):
        message = (
            f'Structure "{printable(name)}": contours cross themselves or each other in {n_crossing} plane(s); enclosed areas are taken by the even-odd rule '
            f"({covered[crossing].sum():.0f} mm2 in these planes)."
        )
        notices.append(Notice("contour_self_intersecting", message, structure=name))

    lattice = _Lattice(slabs, low, high, step, origin)
    return _filled(lattice, slab, row, column, fraction, (u, v), _edge_points(slabs.slabs, step), tuple(notices))


def refined(points: OrganPoints, hot: NDArray[np.bool_], step_mm: float) -> OrganPoints:
    """Give some columns a finer lattice.

    Parameters
    ----------
    points : OrganPoints
        Of a large organ.
    hot : (C,) bool
        Columns to refine.
    step_mm : float
        Wanted step there; the coarse step is divided by a whole number.

    Returns
    -------
    OrganPoints
        The finer columns; they have the volume of those they replace.
    """
    k = max(2, round(points.step_mm / step_mm))
    which = np.flatnonzero(hot)
    slab, row, column = points.column_slab.take(which), points.column_row.take(which), points.column_col.take(which)
    numbers = np.flatnonzero(np.bincount(slab))
    of = np.searchsorted(numbers, slab)
    # a window of the coarse lattice around the hot cells of each slab
    row0, column0, row1, column1 = (np.full(numbers.size, v) for v in (2**40, 2**40, -1, -1))
    np.minimum.at(row0, of, row)
    np.minimum.at(column0, of, column)
    np.maximum.at(row1, of, row + 1)
    np.maximum.at(column1, of, column + 1)
    n_rows, n_columns = int((row1 - row0).max()) * k, int((column1 - column0).max()) * k
    wanted = np.zeros((numbers.size, n_rows // k, n_columns // k), bool)
    wanted[of, row - row0[of], column - column0[of]] = True

    fine_step = points.step_mm / k
    origin = points.origin_mm.copy()
    origin[numbers] += points.step_mm * np.column_stack([column0, row0])
    at_once = max(1, CELLS_AT_ONCE // (n_rows * n_columns))
    slabs = points.slabs.slabs
    parts = [_cover_slabs(slabs, numbers[a : a + at_once], origin, fine_step, n_rows, n_columns) for a in range(0, numbers.size, at_once)]
    slab, r, c, fraction, u, v = _joined(parts)
    window = np.zeros(len(slabs), np.intp)
    window[numbers] = np.arange(numbers.size)
    keep = np.flatnonzero(wanted.ravel().take((window.take(slab) * wanted.shape[1] + r // k) * wanted.shape[2] + c // k))
    slab, r, c = (a.take(keep) for a in (slab, r, c))
    fraction, u, v = (a.take(keep) for a in (fraction, u, v))
    lattice = _Lattice(points.slabs, points.slab_low_mm, points.slab_high_mm, fine_step, origin)
    return _filled(lattice, slab, r, c, fraction, (u, v), points.edge_mm, ())


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    """Square cells over each slab; fields as in `OrganPoints`."""

    slabs: Slabs
    low: Float64
    high: Float64
    step: float
    origin: Float64


def _filled(
    lattice: _Lattice,
    slab: Index,
    row: Index,
    column: Index,
    fraction: Float64,
    centroid: tuple[Float64, Float64],
    edge_mm: Float64,
    notices: tuple[Notice, ...],
) -> OrganPoints:
    """Cut covered columns into points."""
    step = lattice.step
    n_sub = np.maximum(1, np.rint((lattice.high - lattice.low) / (ELONGATION * step))).astype(np.intp)
    area = fraction * step**2
    phase = 0.5 + row * R3[0] + column * R3[1] + slab * R3[2]
    phase -= np.floor(phase)
    thickness = (lattice.high - lattice.low) / n_sub
    volume = area * thickness.take(slab) / 1000
    w = lattice.low.take(slab) + phase * thickness.take(slab)
    point_column = np.arange(slab.size)
    if n_sub.max() > 1:
        repeat = n_sub.take(slab)
        point_column = np.repeat(point_column, repeat)
        layer = np.arange(point_column.size) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        volume, w = volume.take(point_column), w.take(point_column) + layer * thickness.take(slab).take(point_column)
    uv = np.empty((2, slab.size))
    for axis in (0, 1):
        np.add(centroid[axis] * step, lattice.origin[:, axis].take(slab), out=uv[axis])
    return OrganPoints(
        slabs=lattice.slabs,
        step_mm=step,
        slab_low_mm=lattice.low,
        slab_high_mm=lattice.high,
        n_sub=n_sub,
        origin_mm=lattice.origin,
        column_slab=slab,
        column_row=row,
        column_col=column,
        column_uv_mm=uv.T,
        column_cut=fraction < FULL,
        column_area_mm2=area,
        point_column=point_column,
        point_w_mm=w,
        volumes_cc=volume,
        edge_mm=edge_mm,
        notices=notices,
    )


def _drawn(slabs: tuple[Slab, ...]) -> tuple[Float64, Float64, Float64, bool]:
    """What the polygons of each slab say.

    Returns
    -------
    corners, extents_mm : (S, 2)
        Lowest corner and extent.
    drawn_mm2 : (S,)
        Signed area of the polygons (shoelace formula).
    is_plain : bool
        Whether these areas are what is covered: one layer in every slab, and no polygon whose loops may cancel, for each fills a part of its own box.
    """
    polygons = [(number, polygon) for number, slab in enumerate(slabs) for layer in slab.layers for polygon in layer]
    edges = edges_of([(k, polygon) for k, (_, polygon) in enumerate(polygons)])
    first = np.searchsorted(edges.layer, np.arange(len(polygons)))
    low, high = (f.reduceat(edges.start_mm, first, axis=0) for f in (np.minimum, np.maximum))
    x, y = (edges.start_mm[:, k] - low[:, k].take(edges.layer) for k in (0, 1))
    dx, dy = (edges.end_mm[:, k] - edges.start_mm[:, k] for k in (0, 1))
    area = np.bincount(edges.layer, x * dy - y * dx, len(polygons)) / 2
    is_plain = all(len(slab.layers) == 1 for slab in slabs) and bool(np.all(np.abs(area) > FILLED * (high - low).prod(axis=1)))
    slab = np.array([number for number, _ in polygons])
    first = np.searchsorted(slab, np.arange(len(slabs)))
    corners: Float64 = np.minimum.reduceat(low, first, axis=0)
    return corners, np.maximum.reduceat(high, first, axis=0) - corners, np.asarray(np.bincount(slab, area, len(slabs)), np.float64), is_plain


def _volume_cc(slabs: tuple[Slab, ...], corners: Float64, extents: Float64, drawn_mm2: Float64, is_plain: bool) -> float:
    """Volume from the areas drawn; where these say little of a much larger extent (loops that cancel), from a coarse lattice."""
    thickness = np.array([s.high_mm - s.low_mm for s in slabs])
    volume, extent = float(np.sum(drawn_mm2 * thickness)) / 1000, float(np.sum(extents.prod(axis=1) * thickness)) / 1000
    if volume > FILLED * extent or (is_plain and volume > FILLED_BY_WALL * extent):
        return volume
    step = float(extents.max()) / 100
    slab, _, _, fraction, _, _ = _cover_all(slabs, corners - step / 2, step, extents.max(axis=0))
    return float(np.sum(thickness[slab] * fraction) * step**2 / 1000)


def _cover_all(slabs: tuple[Slab, ...], origin: Float64, step: float, extent_mm: Float64) -> tuple[Index, Index, Index, Float64, Float64, Float64]:
    """Cover all slabs, some at a time: slab, row, column, fraction, centroid x and y of each cell."""
    n_columns, n_rows = (int(n) for n in np.ceil(extent_mm / step) + 2)
    at_once = max(1, CELLS_AT_ONCE // (n_rows * n_columns))
    numbers = np.arange(len(slabs))
    return _joined([_cover_slabs(slabs, numbers[k : k + at_once], origin, step, n_rows, n_columns) for k in range(0, len(slabs), at_once)])


def _joined(parts: list[Coverage]) -> tuple[Index, Index, Index, Float64, Float64, Float64]:
    slab, row, column = (np.concatenate([getattr(p, f) for p in parts]) for f in ("layer", "row", "column"))
    fraction, x, y = (np.concatenate([getattr(p, f) for p in parts]) for f in ("fraction", "x", "y"))
    return slab, row, column, fraction, x, y


def _cover_slabs(slabs: tuple[Slab, ...], numbers: Index, origin: Float64, step: float, n_rows: int, n_columns: int) -> Coverage:
    """Cover some slabs; where one has several layers, unite them."""
    polygons: list[tuple[int, Float64]] = []
    owner: list[int] = []
    for k in numbers:
        for layer in slabs[k].layers:
            polygons += [(len(owner), p) for p in layer]
            owner.append(k)
    owners = np.array(owner)
    c = cover(edges_of(polygons), origin[owners], step, n_rows, n_columns)
    slab = owners[c.layer]
    if len(owners) > len(numbers):
        cell, first, inverse = np.unique((slab * n_rows + c.row) * n_columns + c.column, return_index=True, return_inverse=True)
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
    drawn = [(number, polygon) for number, slab in enumerate(slabs) for layer in slab.layers for polygon in layer]
    edges = edges_of([(k, polygon) for k, (_, polygon) in enumerate(drawn)])
    (x0, y0), (dx, dy) = edges.start_mm.T, (edges.end_mm - edges.start_mm).T
    length = np.hypot(dx, dy)
    before = np.cumsum(length) - length
    is_first = np.ones(length.size, bool)
    is_first[1:] = edges.layer[1:] != edges.layer[:-1]
    walked = np.floor((before - before[is_first].take(edges.layer)) / step)
    starts = is_first.copy()
    starts[1:] |= walked[1:] != walked[:-1]
    kept = np.flatnonzero(starts | (length > step))
    n_parts = np.maximum(np.ceil(length[kept] / (2 * step)).astype(np.intp), 1)
    start = np.repeat(kept, n_parts)
    part = (np.arange(start.size) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)) / np.repeat(n_parts, n_parts)
    slab = np.array([number for number, _ in drawn]).take(edges.layer.take(start))
    out = np.empty((3, 2, start.size))
    out[0], out[1] = x0.take(start) + part * dx.take(start), y0.take(start) + part * dy.take(start)
    out[2] = [np.array(faces).take(slab) for faces in ([s.low_mm for s in slabs], [s.high_mm for s in slabs])]
    return out.reshape(3, -1).T
