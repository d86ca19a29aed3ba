"""Outlines of structures in slices, from the same slabs that organs are calculated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import contourpy
import numpy as np
from numpy.typing import NDArray

from reirrad.course import Case
from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid
from reirrad.organregistration import step_of_set_mm
from reirrad.planes import Slabs, slabs_of
from reirrad.ui.volumes import ASIDE, Frame

__all__ = ["Drawn", "containing", "drawn_structures", "is_parallel", "outlines"]

PARALLEL: Final = 1e-4  # direction cosines nearer than this are the same
FINE_MM: Final = 1.0  # columns of a cut through slabs; borders lie between them exactly
APART_MM: Final = 1e-6  # slabs farther apart than this do not touch


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A structure, and all its edges in one list, so that a cut through all slabs is one calculation.

    Parameters
    ----------
    start, end : (N, 2) float64
        Ends of every edge, (u, v).
    slab, layer : (N,) int
        Number of the slab of each edge; of the layer, counted through all slabs.
    """

    slabs: Slabs
    start: Float64
    end: Float64
    slab: NDArray[np.intp]
    layer: NDArray[np.intp]

    @classmethod
    def of(cls, slabs: Slabs) -> Drawn:
        """List the edges."""
        polygons = [(polygon, n, (n, k)) for n, s in enumerate(slabs.slabs) for k, layer in enumerate(s.layers) for polygon in layer]
        layers = {key: n for n, key in enumerate(dict.fromkeys(key for _, _, key in polygons))}
        sizes = [len(polygon) for polygon, _, _ in polygons]
        return cls(
            slabs,
            np.concatenate([polygon for polygon, _, _ in polygons]),
            np.concatenate([np.roll(polygon, -1, axis=0) for polygon, _, _ in polygons]),
            np.repeat([n for _, n, _ in polygons], sizes),
            np.repeat([layers[key] for _, _, key in polygons], sizes),
        )

    def stretches(self, along: int, at_mm: float) -> tuple[NDArray[np.intp], Float64, Float64]:
        """Where the plane `along` (0 u, 1 v) = at_mm lies within the structure: slab, and from where to where along the other direction."""
        a, b = self.start[:, along], self.end[:, along]
        hit = np.flatnonzero((a <= at_mm) != (b <= at_mm))
        first, last = self.start[hit, 1 - along], self.end[hit, 1 - along]
        places = first + (at_mm - a[hit]) * (last - first) / (b[hit] - a[hit])
        order = np.lexsort((places, self.layer[hit]))  # of each layer an even number: in, out, in, out
        return self.slab[hit][order][::2], places[order][::2], places[order][1::2]


def drawn_structures(case: Case) -> dict[str, Drawn]:
    """Every structure of the reference course that has an extent, by name."""
    course = case.courses[case.reference]
    normal, positions = (None, None) if course.image is None else (course.image.normal, course.image.positions_mm)
    step, found = step_of_set_mm(course), {}
    for structure in course.structures:
        if structure.contours and structure.name not in found:
            try:
                found[structure.name] = Drawn.of(slabs_of(structure, normal, positions, step))
            except GeometryError:
                continue  # what has no extent has no outline; that it has none is said where it is loaded
    return found


def is_parallel(drawn: Drawn, grid: Grid) -> bool:
    """Whether a structure is drawn in the planes of a lattice; only then has it outlines here."""
    return bool(np.abs(drawn.slabs.rotation - grid.rotation).max() <= PARALLEL)


def outlines(drawn: Drawn, frame: Frame, place_mm: float) -> tuple[Float64, ...]:
    """Closed lines (N, 2), across and down in mm, of a structure in a slice; none where it does not reach. It must be parallel."""
    if frame.view == "axial":
        here = [s for s in drawn.slabs.slabs if s.low_mm <= place_mm < s.high_mm]
        return tuple(polygon for s in here for layer in s.layers for polygon in layer)
    slab, low, high = drawn.stretches(ASIDE[frame.view][3], place_mm)
    if slab.size == 0:
        return ()
    columns = np.arange(low.min() - 2 * FINE_MM, high.max() + 2 * FINE_MM, FINE_MM)
    inside = np.zeros((len(drawn.slabs.slabs), columns.size))
    np.maximum.at(inside, slab, np.clip(np.minimum(columns - low[:, None], high[:, None] - columns) / FINE_MM + 0.5, 0, 1))
    down, rows = _rows(drawn.slabs)
    values = np.vstack([inside, np.zeros((1, columns.size))])[rows]  # -1 is the last: nothing
    generator = contourpy.contour_generator(columns, down, values, name="serial", line_type="Separate")
    return tuple(np.asarray(line) for line in generator.lines(0.5))


def containing(structures: Mapping[str, Drawn], point_mm: Float64) -> tuple[str, ...]:
    """Names of the structures a point (3,) of the reference frame lies in."""
    found = []
    for name, drawn in structures.items():
        u, v, w = drawn.slabs.rotation @ point_mm
        slab, low, high = drawn.stretches(1, v)
        reached = [s.low_mm <= w < s.high_mm for s in drawn.slabs.slabs]
        if np.any(np.array(reached)[slab] & (low <= u) & (u < high)):
            found.append(name)
    return tuple(found)


def _rows(slabs: Slabs) -> tuple[Float64, NDArray[np.intp]]:
    """Rows of a cut through all slabs: where they lie (-w, rising), and the slab of each, -1 for none.

    Lines go half way between rows, so beyond every end lies an empty row as far from the face of the slab as its middle.
    """
    order = sorted(range(len(slabs.slabs)), key=lambda n: -slabs.slabs[n].w_mm)
    down: list[float] = []
    rows: list[int] = []
    for n, number in enumerate(order):
        s = slabs.slabs[number]
        above, below = (slabs.slabs[order[k]] if 0 <= k < len(order) else None for k in (n - 1, n + 1))
        if above is None or above.low_mm - s.high_mm > APART_MM:
            down.append(-s.high_mm - (s.high_mm - s.w_mm))
            rows.append(-1)
        down.append(-s.w_mm)
        rows.append(number)
        if below is None or s.low_mm - below.high_mm > APART_MM:
            down.append(-s.low_mm + (s.w_mm - s.low_mm))
            rows.append(-1)
    # the empty rows of two parts that nearly touch must not change places
    return np.maximum.accumulate(np.array(down)) + 1e-6 * np.arange(len(down)), np.array(rows)
