"""Physical dose on a grid, and its value at points.

Interpolation is by local polynomials, one direction after the other: cubic (through four voxels, the default) or linear (through two,
what planning systems do). A cubic may overshoot beside a steep edge, so its value is held to at least zero and to the eight voxels around the
point, widened by 5 % of their maximum (methods: cubic on physical dose, then convert). Outside the box of voxel centres dose is unknown: NaN.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid

__all__ = ["DoseGrid", "Interpolation", "axis_cells", "axis_weights", "overshoot_bounds"]

Float32 = NDArray[np.float32]
Interpolation = Literal["cubic", "linear"]

# Beyond the last voxel centre by less than this part of a voxel counts as on it (rounding of coordinates in files).
EDGE_VOXELS = 1e-3
# How far a cubic may leave the range of the eight voxels around the point, as a part of their maximum.
OVERSHOOT = 0.05
# Points interpolated at once: small enough for the cache, large enough for numpy.
CHUNK = 32_768


def axis_cells(centres_mm: Float64, at_mm: Float64) -> NDArray[np.intp]:
    """Number of the voxel centre at or before each place (m,), so that it lies between this centre and the next; outside the nearest such."""
    return np.clip(np.searchsorted(centres_mm, at_mm, side="right") - 1, 0, max(centres_mm.size - 2, 0))


def axis_weights(centres_mm: Float64, at_mm: Float64, order: Interpolation) -> tuple[NDArray[np.intp], Float64]:
    """Indices and weights that interpolate along one axis.

    Parameters
    ----------
    centres_mm : (n,)
        Rising voxel centres, evenly spaced or not.
    at_mm : (m,)
        Where; NaN or outside gives NaN weights.

    Returns
    -------
    first : (m,) int
        First voxel used.
    weights : (m, k)
        Weights of voxels ``first .. first + k - 1``; they sum to one. k is 4 (cubic) or 2 (linear), fewer on a shorter axis.

    >>> first, weights = axis_weights(np.array([0.0, 1.0, 2.0, 4.0]), np.array([3.0]), "linear")
    >>> int(first[0]), weights[0].tolist()
    (2, [0.5, 0.5])
    """
    n = centres_mm.size
    taps = min(4 if order == "cubic" else 2, n)
    slack = EDGE_VOXELS * (centres_mm[-1] - centres_mm[0]) / max(n - 1, 1)
    inside = (at_mm >= centres_mm[0] - slack) & (at_mm <= centres_mm[-1] + slack)
    at = np.clip(np.where(inside, at_mm, centres_mm[0]), centres_mm[0], centres_mm[-1])
    first = np.clip(axis_cells(centres_mm, at) - (1 if taps == 4 else 0), 0, n - taps)
    # Lagrange basis, exact for polynomials of degree taps - 1; the products of node distances are the same for all points of a cell
    nodes = np.lib.stride_tricks.sliding_window_view(centres_mm, taps)
    distances = nodes[:, :, None] - nodes[:, None, :] + np.eye(taps)
    scale = (1 / distances.prod(axis=2)).T
    offsets = [at - nodes[first, k] for k in range(taps)]
    weights = scale[:, first]
    for i, j in itertools.permutations(range(taps), 2):
        weights[i] *= offsets[j]
    weights[:, ~inside] = np.nan
    return first, weights.T


@dataclass(frozen=True, slots=True, eq=False)
class DoseGrid:
    """Physical dose of one stored object.

    Parameters
    ----------
    grid : Grid
        Voxel centres.
    dose_gy : (nz, ny, nx) float32
        Gray; finite, not negative.
    frame_uid : str
        Frame of Reference UID.

    Raises
    ------
    GeometryError
        When shapes differ.
    """

    grid: Grid
    dose_gy: Float32
    frame_uid: str = ""

    def __post_init__(self) -> None:
        if self.dose_gy.shape != self.grid.shape:
            raise GeometryError(f"A dose of {self.dose_gy.shape} voxels does not fit a grid of {self.grid.shape}.")
        self.dose_gy.flags.writeable = False

    def at_points(self, points_mm: Float64, order: Interpolation = "cubic") -> Float32:
        """Dose at any points.

        Parameters
        ----------
        points_mm : (P, 3)
            Patient mm, in the frame of this dose.

        Returns
        -------
        (P,) float32
            Gray; NaN outside the box of voxel centres.
        """
        local = self.grid.to_local(points_mm)
        out = np.empty(len(local), np.float32)
        for start in range(0, len(local), CHUNK):
            part = slice(start, start + CHUNK)
            out[part] = self._gather(local[part], order)
        return out

    def _gather(self, local: Float64, order: Interpolation) -> Float32:
        axes = (self.grid.w_mm, self.grid.v_mm, self.grid.u_mm)
        (iz, wz), (iy, wy), (ix, wx) = (axis_weights(c, local[:, 2 - k], order) for k, c in enumerate(axes))
        _, ny, nx = self.dose_gy.shape
        flat = self.dose_gy.ravel()
        base = (iz * ny + iy) * nx + ix
        value = np.zeros(len(local))
        for a, b in itertools.product(range(wz.shape[1]), range(wy.shape[1])):
            row = base + (a * ny + b) * nx
            line = sum(wx[:, c] * flat[row + c] for c in range(wx.shape[1]))
            value += wz[:, a] * wy[:, b] * line
        if order == "cubic":
            value = np.clip(value, *overshoot_bounds(*self._range(local)))
        return value.astype(np.float32)

    def range_at(self, points_mm: Float64) -> tuple[Float32, Float32]:
        """Least and largest of the eight voxels around points (P, 3) of the frame of this dose; outside, of the nearest voxels."""
        return self._range(self.grid.to_local(points_mm))

    def _range(self, local: Float64) -> tuple[Float32, Float32]:
        axes = (self.grid.w_mm, self.grid.v_mm, self.grid.u_mm)
        cells = [axis_cells(c, local[:, 2 - k]) for k, c in enumerate(axes)]
        last = [min(1, c.size - 1) for c in axes]
        corners = [self.dose_gy[cells[0] + a, cells[1] + b, cells[2] + c] for a, b, c in itertools.product(*(range(k + 1) for k in last))]
        return np.minimum.reduce(corners), np.maximum.reduce(corners)


def overshoot_bounds(low: Float32, high: Float32) -> tuple[Float64, Float64]:
    """Range a cubic may use where the eight voxels around a point span `low` to `high` (Gy)."""
    slack = OVERSHOOT * np.asarray(high, np.float64)
    return np.maximum(low - slack, 0.0), high + slack
