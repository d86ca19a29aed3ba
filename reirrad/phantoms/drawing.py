"""How a solid is drawn on planes, and what the drawing means to the calculation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reirrad.errors import GeometryError
from reirrad.grid import Float64
from reirrad.phantoms.section import Section
from reirrad.phantoms.solids import Cylinder, Solid, Stack
from reirrad.structures import Contour, Structure

__all__ = ["contours", "slab_edges_mm", "slabs"]

# Sections smaller than this are not drawn.
SMALLEST_SECTION_MM2 = 1e-3


def slab_edges_mm(z_planes_mm: Sequence[float] | Float64) -> Float64:
    """Edges (N, 2) of the slab each plane stands for: half the way to its neighbours, at the ends as far out as in.

    Raises
    ------
    GeometryError
        With fewer than two planes.

    >>> slab_edges_mm([0.0, 3.0, 7.0]).tolist()
    [[-1.5, 1.5], [1.5, 5.0], [5.0, 9.0]]
    """
    z = np.asarray(z_planes_mm, np.float64)
    if z.size < 2:
        raise GeometryError(f"{z.size} contour planes have no spacing. Use planes close enough that at least two cut the solid.")
    middles = (z[:-1] + z[1:]) / 2
    return np.column_stack([np.concatenate([[2 * z[0] - middles[0]], middles]), np.concatenate([middles, [2 * z[-1] - middles[-1]]])])


def slabs(solid: Solid, z_planes_mm: Sequence[float] | Float64) -> Stack:
    """Return the stack of extruded sections that contours on these planes define (at least two planes must cut the solid).

    Planes outside the solid carry no contour, so the slab of an outermost contour reaches half a spacing beyond it.
    """
    cut = _sections(solid, z_planes_mm)
    edges = slab_edges_mm([z for z, _ in cut])
    return Stack(tuple(Cylinder(section, float(low), float(high)) for (_, section), (low, high) in zip(cut, edges, strict=True)))


def contours(solid: Solid, z_planes_mm: Sequence[float] | Float64, n_points: int = 64, *, name: str = "Phantom", number: int = 1) -> Structure:
    """Return the structure a person would draw of a solid: one polygon of the exact area per plane that cuts it."""
    cut = _sections(solid, z_planes_mm)
    polygons = [(z, section.polygon_mm(n_points)) for z, section in cut]
    return Structure(name, number, tuple(Contour(np.column_stack([xy, np.full(len(xy), z)])) for z, xy in polygons), "ORGAN")


def _sections(solid: Solid, z_planes_mm: Sequence[float] | Float64) -> list[tuple[float, Section]]:
    """Planes that cut the solid, with the cut."""
    return [(float(z), section) for z in z_planes_mm if (section := solid.section(float(z))) is not None and section.area_mm2 >= SMALLEST_SECTION_MM2]
