"""Doses that look like arc therapy: smooth functions of the distance to the targets.

Inside a target the dose is flat (or peaked, for stereotactic treatment); it falls by 6 to 8 % of the prescription per mm just outside, then
passes into a slow bath that follows the planes the arcs cross, with a faint ripple around the isocentre, and builds up below the skin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from shapes import Array, Shape

from reirrad.dose import DoseGrid
from reirrad.grid import Grid


@dataclass(frozen=True)
class Level:
    """A target volume and what it gets.

    level_gy is the dose well inside; for a boost the level of the volume around it is subtracted by the caller.
    """

    target: Shape
    level_gy: float
    half_mm: float  # distance outside the target where the steep part has fallen to one half
    width_mm: float  # logistic width: the steepest fall is level / (4 width) per mm


@dataclass(frozen=True)
class Treatment:
    """Everything the dose of one course depends on."""

    levels: tuple[Level, ...]
    isocentre_mm: tuple[float, float, float]
    bath: float  # bath just outside the steep fall, as part of the first level
    bath_mm: float  # length over which the bath falls to 1/e
    z_range_mm: tuple[float, float]  # planes the arcs cross
    lobes: int  # ripple around the isocentre
    preferred_deg: float = 0.0  # direction with more bath, 0 = her left, 90 = her back
    preference: float = 0.0
    spared: tuple[tuple[Shape, float, float], ...] = field(default=())  # solid, how much is spared, over how many mm

    def dose_gy(self, body: Shape, x: Array, y: Array, z: Array) -> Array:
        """Dose at broadcastable coordinates."""
        return arcs_dose_gy(self, body, x, y, z)


class Delivery(Protocol):
    """What a dose grid can be made of."""

    @property
    def isocentre_mm(self) -> tuple[float, float, float]: ...

    def dose_gy(self, body: Shape, x: Array, y: Array, z: Array) -> Array: ...


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(np.clip(x, -60, 60)))


def smoothstep(x: Array) -> Array:
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)


def arcs_dose_gy(treatment: Treatment, body: Shape, x: Array, y: Array, z: Array) -> Array:
    first = treatment.levels[0]
    s = first.target(x, y, z)
    steep = logistic((s - first.half_mm) / first.width_mm)
    dx, dy = x - treatment.isocentre_mm[0], y - treatment.isocentre_mm[1]
    r, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    away = smoothstep(s / 40)
    around = 1 + away * (0.10 * np.cos(treatment.lobes * angle + 0.7 + r / 160) + treatment.preference * np.cos(angle - np.radians(treatment.preferred_deg)))
    low, high = treatment.z_range_mm
    outside = np.maximum(np.maximum(low - z, z - high), -20.0)
    crossed = 0.97 * logistic((outside - 5) / 3.5) + 0.03 * np.exp(-(np.maximum(outside + 5, 0) ** 2) / (25**2 + 25 * np.maximum(outside + 5, 0)))
    bath = treatment.bath * np.exp(-(np.sqrt(np.maximum(s, 0) ** 2 + 36) - 6) / treatment.bath_mm) * around * crossed
    for organ, part, reach in treatment.spared:
        bath = bath * (1 - part * np.exp(-((np.maximum(organ(x, y, z), 0) / reach) ** 2)))
    # hills and valleys of a per cent or two, as optimisers leave them
    uneven = 1 + 0.012 * np.sin(x / 13 + 0.4) * np.sin(y / 11 - 0.9) + 0.010 * np.cos(z / 14 + x / 29)
    dose = first.level_gy * (steep + (1 - steep) * bath) * uneven
    for level in treatment.levels[1:]:
        dose = dose + level.level_gy * logistic((level.target(x, y, z) - level.half_mm) / level.width_mm) * uneven
    depth = -body(x, y, z)
    dose = dose * smoothstep((depth + 3) / 10)
    return dose * smoothstep(dose / 0.25)


def union_grid(low_mm: Sequence[float], high_mm: Sequence[float], spacing_mm: tuple[float, float, float], offset_mm: Sequence[float]) -> Grid:
    """Axial grid over a box; offset moves it off the CT planes and pixels."""
    lines = []
    for lo, hi, step, off in zip(low_mm, high_mm, spacing_mm, offset_mm, strict=True):
        start = np.floor((lo - off) / step) * step + off
        lines.append(np.round(start + step * np.arange(int(np.ceil((hi - start) / step)) + 1), 3))
    return Grid(np.eye(3), *lines)


def dose_grid(treatment: Delivery, body: Shape, grid: Grid, frame_uid: str, step_gy: float | None) -> DoseGrid:
    """The dose on a grid, rounded to steps if there are any."""
    out: NDArray[np.float32] = np.empty(grid.shape, np.float32)
    x, y = grid.u_mm[None, None, :], grid.v_mm[None, :, None]
    for k in range(0, grid.shape[0], 8):
        z = grid.w_mm[k : k + 8, None, None]
        dose = treatment.dose_gy(body, x, y, z)
        out[k : k + 8] = np.rint(dose / step_gy) * step_gy if step_gy else dose
    return DoseGrid(grid, out, frame_uid)
