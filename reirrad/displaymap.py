"""Which alpha/beta a map of EQD2 shows at each voxel: one for all, or that of the organ the voxel lies in.

A limit never sees this map: organs are judged on their own points. It serves pictures and planning systems, which need one number a voxel, and is declared
with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.course import Case
from reirrad.dose import Float32
from reirrad.grid import Float64, Grid
from reirrad.organregistration import step_of_set_mm
from reirrad.organs import organ
from reirrad.voxelsearch import Region, region_of

__all__ = ["DisplayMap", "display_map"]

NO_ORGAN = -1
ROUNDING_MM = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class DisplayMap:
    """The organ and alpha/beta of every voxel.

    Parameters
    ----------
    alpha_beta_gy : (nz, ny, nx) float32
        Gy.
    organ : (nz, ny, nx) int16
        Index into `keys`; -1 outside all organs.
    keys : tuple of str
        Organ keys: of organs that overlap, the first has the voxel.
    alpha_betas_gy : tuple of float
        Of these organs and, last, of voxels outside all organs, Gy.
    """

    alpha_beta_gy: Float32
    organ: NDArray[np.int16]
    keys: tuple[str, ...]
    alpha_betas_gy: tuple[float, ...]

    @property
    def title(self) -> str:
        """The alpha/beta of every organ, in the order of priority, in ASCII words."""
        if len(set(self.alpha_betas_gy)) == 1:
            return f"alpha/beta {self.alpha_betas_gy[-1]:g} Gy at every voxel"
        listed = ", ".join(f"{key} {gy:g} Gy" for key, gy in zip(self.keys, self.alpha_betas_gy, strict=False))
        return f"alpha/beta of the first of these organs that has the voxel: {listed}; elsewhere {self.alpha_betas_gy[-1]:g} Gy"


def display_map(case: Case, grid: Grid) -> DisplayMap:
    """Lay the organs of a case on a grid in the reference frame, and choose the alpha/beta of each voxel as `Case.display` says.

    A voxel belongs to the organ its centre lies in, to within half a cell of the lattice of the organ; which of several organs, see `DisplayAlphaBeta`.

    Parameters
    ----------
    grid : Grid
        In the reference frame.
    """
    display = case.display
    reference = case.courses[case.reference]
    step_mm = step_of_set_mm(reference)
    with_contours = [(structure, key) for structure, key in case.organs if structure.contours]
    found = [(key, region) for structure, key in with_contours if (region := region_of(structure, reference, step_mm)) is not None]
    alpha_beta = {key: case.alpha_beta_gy.get(key, organ(key).alpha_beta_gy) for key, _ in found}
    rank = {key: k for k, key in enumerate(display.priority)}
    found.sort(key=lambda f: (rank.get(f[0], len(rank)), alpha_beta[f[0]], f[1].points.volume_cc, f[0]))
    keys = tuple(dict.fromkeys(key for key, _ in found))
    organs = np.full(grid.shape, NO_ORGAN, np.int16)
    for key, region in reversed(found):  # the first is written last
        for box, inside in _boxes(grid, region):
            organs[box][inside] = keys.index(key)
    if display.alpha_beta_gy is None:
        alpha_betas = (*(alpha_beta[key] for key in keys), display.other_alpha_beta_gy)
    else:
        alpha_betas = (display.alpha_beta_gy,) * (len(keys) + 1)
    return DisplayMap(np.array(alpha_betas, np.float32)[organs], organs, keys, alpha_betas)  # -1 is the last


def _boxes(grid: Grid, region: Region) -> Iterator[tuple[tuple[int, slice, slice], NDArray[np.bool_]]]:
    """Part of each plane that a region may reach, and which of its voxels (rows, columns) lie inside."""
    corners = grid.to_local(_corners(region))
    low, high = corners.min(axis=0) - ROUNDING_MM, corners.max(axis=0) + ROUNDING_MM
    axes = (grid.u_mm, grid.v_mm, grid.w_mm)
    u, v, w = (slice(int(np.searchsorted(c, low[k])), int(np.searchsorted(c, high[k]))) for k, c in enumerate(axes))
    if grid.u_mm[u].size and grid.v_mm[v].size:
        for plane in range(w.start, w.stop):
            part = Grid(grid.rotation, grid.u_mm[u], grid.v_mm[v], grid.w_mm[plane : plane + 1])
            yield (plane, v, u), region.contains(part.plane_points_mm(0)).reshape(part.shape[1:])


def _corners(region: Region) -> Float64:
    """Corners (8, 3) of the box that holds a region, in patient mm."""
    p = region.points
    _, n_rows, n_columns = region.inside.shape
    far = p.origin_mm + p.step_mm * np.array([n_columns, n_rows])
    ends = [(p.origin_mm[:, axis].min(), far[:, axis].max()) for axis in (0, 1)]
    local = np.array(list(itertools.product(*ends, (p.slab_low_mm.min(), p.slab_high_mm.max()))))
    return local if p.in_axial_frame else local @ p.slabs.rotation
