"""What can be shown of a case: the reference CT, and doses on one lattice laid over it. Computed once for a case, cut into slices many times.

The lattice has the planes of the reference CT and 2.5 mm steps within them. Every dose is read at its points as it is read in organs; where a course is not
known the value is NaN, and stays so. No limit is ever held against what is shown here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from reirrad.course import Case
from reirrad.ctvolume import CtVolume
from reirrad.displaymap import display_map
from reirrad.dose import Float32
from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid
from reirrad.voxelsum import reference_grid, voxel_sum

__all__ = ["ASIDE", "VIEWS", "Frame", "ShownCt", "View", "Volumes", "cut", "frame_of", "letters", "nearest", "view_grid", "volumes_of"]

View = Literal["axial", "coronal", "sagittal"]
VIEWS: Final[tuple[View, ...]] = ("axial", "coronal", "sagittal")
# Of each view: the direction (0 u, 1 v, 2 w) to the right, the one downwards with its sign, and the one through the picture.
ASIDE: Final[Mapping[View, tuple[int, int, int, int]]] = {"axial": (0, 1, 1, 2), "coronal": (0, 2, -1, 1), "sagittal": (1, 2, -1, 0)}

STEP_MM: Final = 2.5  # of the lattice within the planes
LEAST_PLANE_MM: Final = 1.5  # planes of the CT nearer than this are not all used
MOST_VOXELS: Final = 8_000_000  # of the lattice, so that its memory is bounded: 4 bytes each for every course and sum
PATIENT_HU: Final = -300.0  # what is denser is shown whole
MARGIN_MM: Final = 8.0
AIR_HU: Final = -1024
TILT: Final = 0.17  # sine of 10 degrees: a direction turned by more has two letters


@dataclass(frozen=True, slots=True, eq=False)
class ShownCt:
    """A CT for the eye: whole Hounsfield units, half the memory.

    Parameters
    ----------
    hu : (nz, ny, nx) int16
        Air where the scanner has no value.
    """

    grid: Grid
    hu: NDArray[np.int16]

    @classmethod
    def of(cls, ct: CtVolume) -> ShownCt:
        """Round a CT to whole units."""
        out = np.empty(ct.hu.shape, np.int16)
        for plane, hu in zip(out, ct.hu, strict=True):
            plane[:] = np.rint(np.clip(np.nan_to_num(hu, nan=AIR_HU), -32768, 32767))
        return cls(ct.grid, out)


@dataclass(frozen=True, slots=True, eq=False)
class Volumes:
    """Everything shown, in the directions of `grid`.

    Parameters
    ----------
    grid : Grid
        The lattice, in the reference frame.
    ct : ShownCt or None
        Of the reference course.
    physical_gy : dict
        Course number to its physical dose (nz, ny, nx) float32; NaN where not known. Courses on paper or not registered are missing.
    eqd2_gy, recovered_gy : (nz, ny, nx) float32
        Sum of these courses, without and with recovery (None: not chosen); NaN where one of them is not known.
    organ : (nz, ny, nx) int16
        Index into `keys`: the organ whose alpha/beta holds there; -1 outside all.
    alpha_betas_gy : tuple of float
        Of `keys`, and last outside all organs.
    tops_gy : dict
        Largest known value of each volume: course numbers, "physical", "eqd2", "recovered".
    """

    grid: Grid
    ct: ShownCt | None
    physical_gy: Mapping[int, Float32]
    eqd2_gy: Float32
    recovered_gy: Float32 | None
    organ: NDArray[np.int16]
    keys: tuple[str, ...]
    alpha_betas_gy: tuple[float, ...]
    tops_gy: Mapping[int | str, float]

    def physical_cut(self, view: View, place: int) -> Float32:
        """Sum of the physical doses in a slice; NaN where one of them is not known."""
        return np.asarray(sum(cut(gy, view, place) for gy in self.physical_gy.values()), np.float32)

    def organ_at(self, local_mm: Float64) -> str | None:
        """Key of the organ whose alpha/beta holds at the lattice point nearest to (u, v, w); None outside all."""
        k, j, i = nearest(self.grid, local_mm)
        number = int(self.organ[k, j, i])
        return None if number < 0 else self.keys[number]

    def alpha_beta_at(self, local_mm: Float64) -> float:
        """Alpha/beta of the sum there, Gy."""
        key = self.organ_at(local_mm)
        return self.alpha_betas_gy[-1 if key is None else self.keys.index(key)]


def volumes_of(
    case: Case, ct: CtVolume | None, kept: Mapping[str, Mapping[int, float]] | None = None, progress: Callable[[str], None] = lambda _: None
) -> Volumes:
    """Calculate what can be shown.

    Parameters
    ----------
    ct : CtVolume or None
        Of the reference course.
    kept : mapping, optional
        Organ key to the part of the EQD2 of each course that still counts after recovery, as `voxel_sum` takes it.

    Raises
    ------
    GeometryError
        When the reference course has neither CT nor dose, or its dose is of a single plane, row or column.
    """
    shown = None if ct is None else ShownCt.of(ct)
    grid = reference_grid(case) if shown is None else view_grid(shown)
    if min(grid.shape) < 2:
        raise GeometryError(f"There is no CT to show, and a dose of {grid.shape} voxels (planes, rows, columns) is no volume. Give the planning CT.")
    progress("organs of every voxel")
    display = display_map(case, grid)
    progress("doses of every voxel")
    found = voxel_sum(case, grid, display, kept)
    eqd2, recovered = found.least_eqd2_gy, found.least_with_recovery_gy
    for volume in (eqd2, recovered):
        if volume is not None:
            volume[~found.is_known] = np.nan
    tops: dict[int | str, float] = {k: _top(gy) for k, gy in found.physical_gy.items()}
    volumes = Volumes(grid, shown, found.physical_gy, eqd2, recovered, display.organ, display.keys, display.alpha_betas_gy, tops)
    tops["eqd2"] = _top(eqd2)
    tops["physical"] = max((_top(volumes.physical_cut("axial", k)) for k in range(grid.shape[0])), default=0.0) if found.physical_gy else 0.0
    if recovered is not None:
        tops["recovered"] = _top(recovered)
    return replace(volumes, tops_gy=tops)


def view_grid(ct: ShownCt) -> Grid:
    """Lattice over a CT: its planes (every second one and so on where they are thin), steps of 2.5 mm within them, around all that is denser than air."""
    g = ct.grid
    every = tuple(max(1, round(STEP_MM / s)) for s in g.spacing_mm[::-1])
    dense = ct.hu[:: every[0], :: every[1], :: every[2]] > PATIENT_HU
    lines: list[Float64] = []
    for axis, centres in ((2, g.u_mm), (1, g.v_mm)):
        there = np.flatnonzero(dense.any(axis=tuple(a for a in range(3) if a != axis)))
        some = centres[:: every[axis]]
        first, last = (some[0], some[-1]) if there.size == 0 else (some[there[0]] - MARGIN_MM, some[there[-1]] + MARGIN_MM)
        first, last = max(float(first), float(centres[0])), min(float(last), float(centres[-1]))
        lines.append(np.asarray(first + STEP_MM * np.arange(max(2, int((last - first) / STEP_MM + 1e-6) + 1)), np.float64))
    thin = float(np.median(np.diff(g.w_mm)))
    apart = int(np.ceil(LEAST_PLANE_MM / thin - 1e-6))
    planes = g.w_mm[:: max(1, apart, -(-g.w_mm.size * lines[0].size * lines[1].size // MOST_VOXELS))]
    return Grid(g.rotation.copy(), lines[0], lines[1], np.ascontiguousarray(planes))


# ------------------------------------------------------------------------------------------------------------- slices


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Where the columns and rows of a slice lie: mm to the right and downwards, both rising; and which way the patient lies in it.

    Parameters
    ----------
    across_mm, down_mm : (n,) float64
        Downwards is -w in coronal and sagittal views: the head is at the top.
    places_mm : (n,) float64
        Slices along the third direction.
    left, right, top, bottom : str
        Letters R, L, A, P, H, F.
    """

    view: View
    across_mm: Float64
    down_mm: Float64
    places_mm: Float64
    left: str
    right: str
    top: str
    bottom: str


def frame_of(grid: Grid, view: View) -> Frame:
    """Frame of the slices of a lattice."""
    across, down, sign, through = ASIDE[view]
    lines = (grid.u_mm, grid.v_mm, grid.w_mm)
    down_mm = lines[down] if sign > 0 else -lines[down][::-1]
    right, bottom = grid.rotation[across], sign * grid.rotation[down]
    return Frame(view, lines[across], down_mm, lines[through], letters(-right), letters(right), letters(-bottom), letters(bottom))


def letters(direction: Float64) -> str:
    """Letters of a direction in the patient, the largest part first.

    >>> letters(np.array([-1.0, 0.0, 0.0])), letters(np.array([0.0, 0.5, 0.866]))
    ('R', 'HP')
    """
    pairs = (("L", "R"), ("P", "A"), ("H", "F"))
    order = sorted(range(3), key=lambda a: -abs(float(direction[a])))
    return "".join(pairs[a][0 if direction[a] > 0 else 1] for a in order if abs(float(direction[a])) > TILT)


def cut(volume: NDArray[Any], view: View, place: int) -> NDArray[Any]:
    """One slice (rows downwards, columns to the right) of a volume (nz, ny, nx) on the lattice; a view of it."""
    if view == "axial":
        return np.asarray(volume[place])
    return np.asarray(volume[::-1, place, :] if view == "coronal" else volume[::-1, :, place])


def nearest(grid: Grid, local_mm: Float64) -> tuple[int, int, int]:
    """Plane, row and column of the lattice point nearest to (u, v, w) in mm."""
    i, j, k = (int(np.abs(line - at).argmin()) for line, at in zip((grid.u_mm, grid.v_mm, grid.w_mm), local_mm, strict=True))
    return k, j, i


def _top(gy: Float32) -> float:
    """Largest known value; 0 where nothing is known."""
    return float(np.fmax.reduce(gy, axis=None, initial=0.0))
