"""Physical dose on a grid, and its value at points.

Interpolation is by local polynomials, one direction after the other: cubic (through four voxels, the default) or linear (through two,
what planning systems do). A cubic may overshoot beside a steep edge, so its value is held to at least zero and to the eight voxels around the
point, widened by 5 % of their maximum (methods: cubic on physical dose, then convert). Outside the box of voxel centres dose is unknown: NaN.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid

__all__ = ["DoseGrid", "Interpolation", "axis_cells", "axis_weights", "cell_range", "overshoot_bounds", "weighted_sum"]

Float32 = NDArray[np.float32]
Interpolation = Literal["cubic", "linear"]
AxisWeights = tuple[NDArray[np.intp], Float64]

# Beyond the last voxel centre by less than this part of a voxel counts as on it (rounding of coordinates in files).
EDGE_VOXELS = 1e-3
# How far a cubic may leave the range of the eight voxels around the point, as a part of their maximum.
OVERSHOOT = 0.05
# Points interpolated at once: small enough for the cache, large enough for numpy.
CHUNK = 32_768
FEW = 256  # places that are searched for in less time than it takes to look at the centres
UNEVEN = 0.2  # of a voxel: centres that lie less than this off even ones


def axis_cells(centres_mm: Float64, at_mm: Float64) -> NDArray[np.intp]:
    """Number of the voxel centre at or before each place (m,), so that it lies between this centre and the next; outside the nearest such."""
    last = max(centres_mm.size - 2, 0)
    step = (centres_mm[-1] - centres_mm[0]) / max(centres_mm.size - 1, 1)
    if last == 0 or at_mm.size < FEW or not np.all(np.abs(centres_mm - centres_mm[0] - step * np.arange(centres_mm.size)) < UNEVEN * step):
        return np.clip(np.searchsorted(centres_mm, at_mm, side="right") - 1, 0, last)
    # Centres are nearly even: division finds the cell or the one before it, and the next centre decides. A search takes many times as long.
    place = (at_mm - centres_mm[0]) * (1 / step) - UNEVEN
    if not _all_between(at_mm, centres_mm):
        place = np.fmax(np.fmin(place, last), 0)
    cell = place.astype(np.intp)
    following = centres_mm[1:].copy()
    following[-1] = np.nan  # nothing reaches beyond the last cell
    cell += at_mm >= following.take(cell)
    return np.asarray(cell)


def _all_between(at_mm: Float64, centres_mm: Float64) -> bool:
    """Whether there are places and all lie between the first and the last centre; NaN does not."""
    return at_mm.size > 0 and bool(at_mm.min() >= centres_mm[0] and at_mm.max() <= centres_mm[-1])


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
    inside, at = None, at_mm
    if not _all_between(at_mm, centres_mm):
        inside = (at_mm >= centres_mm[0] - slack) & (at_mm <= centres_mm[-1] + slack)
        at = np.clip(np.where(inside, at_mm, centres_mm[0]), centres_mm[0], centres_mm[-1])
    first = axis_cells(centres_mm, at)
    if taps != 2:
        first = np.clip(first - (1 if taps == 4 else 0), 0, n - taps)
    # Lagrange basis, exact for polynomials of degree taps - 1; the products of node distances are the same for all points of a cell
    nodes = [centres_mm[k : n - taps + 1 + k] for k in range(taps)]
    weights = np.empty((taps, at.size))
    for i, node in enumerate(nodes):
        scale = math.prod((node - other for j, other in enumerate(nodes) if j != i), start=np.ones(1))
        (1 / scale).take(first, out=weights[i], mode="clip")  # no index is clipped; without this `take` makes a copy
    offsets = [at - node.take(first) for node in nodes]
    before, after = offsets[0], offsets[-1]  # each weight takes the offsets before it and those after it
    for k in range(1, taps):
        weights[k] *= before
        weights[-1 - k] *= after
        if k + 1 < taps:
            before, after = before * offsets[k], after * offsets[-1 - k]
    if inside is not None:
        weights[:, ~inside] = np.nan
    return first, weights.T


def weighted_sum(dose_gy: Float32, w: AxisWeights, v: AxisWeights, u: AxisWeights) -> Float64:
    """Sum of weighted voxels of a dose (nz, ny, nx) at places (m,), given what `axis_weights` says of them along each direction."""
    (iw, ww), (iv, wv), (iu, wu) = w, v, u
    _, nv, nu = dose_gy.shape
    flat = dose_gy.ravel()
    base = (iw * nv + iv) * nu + iu
    value = np.zeros(base.size)
    for a, b in itertools.product(range(ww.shape[1]), range(wv.shape[1])):
        line = np.zeros(base.size)
        for c in range(wu.shape[1]):
            line += wu[:, c] * flat[(a * nv + b) * nu + c :].take(base)
        line *= ww[:, a] * wv[:, b]
        value += line
    return value


def cell_range(dose_gy: Float32, iw: NDArray[np.intp], iv: NDArray[np.intp], iu: NDArray[np.intp]) -> tuple[Float32, Float32]:
    """Least and largest of the eight voxels around each cell (m,) of a dose (nz, ny, nx)."""
    _, nv, nu = dose_gy.shape
    flat = dose_gy.ravel()
    base = (iw * nv + iv) * nu + iu
    corners = (flat[(a * nv + b) * nu + c :].take(base) for a, b, c in itertools.product(*(range(min(2, n)) for n in dose_gy.shape)))
    low = next(corners)
    high = low.copy()
    for corner in corners:
        np.minimum(low, corner, out=low)
        np.maximum(high, corner, out=high)
    return low, high


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
        value = weighted_sum(self.dose_gy, *(axis_weights(c, np.ascontiguousarray(local[:, 2 - k]), order) for k, c in enumerate(axes)))
        if order == "cubic":
            value = np.clip(value, *overshoot_bounds(*self._range(local)))
        return value.astype(np.float32)

    def range_at(self, points_mm: Float64) -> tuple[Float32, Float32]:
        """Least and largest of the eight voxels around points (P, 3) of the frame of this dose; outside, of the nearest voxels."""
        local = self.grid.to_local(points_mm)
        low, high = np.empty(len(local), np.float32), np.empty(len(local), np.float32)
        for start in range(0, len(local), CHUNK):
            part = slice(start, start + CHUNK)
            low[part], high[part] = self._range(local[part])
        return low, high

    def _range(self, local: Float64) -> tuple[Float32, Float32]:
        axes = (self.grid.w_mm, self.grid.v_mm, self.grid.u_mm)
        iw, iv, iu = (axis_cells(c, np.ascontiguousarray(local[:, 2 - k])) for k, c in enumerate(axes))
        return cell_range(self.dose_gy, iw, iv, iu)


def overshoot_bounds(low: Float32, high: Float32) -> tuple[Float64, Float64]:
    """Range a cubic may use where the eight voxels around a point span `low` to `high` (Gy)."""
    slack = OVERSHOOT * np.asarray(high, np.float64)
    return np.maximum(low - slack, 0.0), high + slack
