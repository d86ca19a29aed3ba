"""Why two dose-volume calculations of one structure differ: rules that are tried out, not guessed.

dicompyler-core takes the dose voxels whose centre lies inside a contour, in the contour planes only, each plane as thick as the smallest distance of two,
contours of one plane combined by exclusive or. Here a structure is a stack of slabs that reach half way to their neighbours, filled with points.

A difference beyond its tolerance is explained when counting voxels, with the voxels moved by parts of a voxel, gives a range that holds their value
under their rules and our value under ours. A wrong position, factor or contour leaves that range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from reirrad.dose import DoseGrid
from reirrad.dvh import Dvh
from reirrad.grid import Float64
from reirrad.planes import Slabs
from reirrad.points import OrganPoints
from reirrad.structures import Structure

__all__ = ["METRICS", "Evidence", "Judgement", "Metric", "Plane", "judge", "sampled"]

Metric = Literal["volume_cc", "mean_gy", "max_gy", "D2cc_gy", "D0.1cc_gy"]
Range = tuple[float, float]

METRICS: Final[dict[Metric, float | None]] = {"volume_cc": None, "mean_gy": None, "max_gy": None, "D2cc_gy": 2.0, "D0.1cc_gy": 0.1}
VOLUME_TOLERANCE, LARGE_CC = 0.02, 5.0
MEAN_TOLERANCE = 0.005
# Bins of dicompyler-core; a value may lie a bin beside on either side.
BIN_GY = 0.01
BINS_GY = 2 * BIN_GY
# the hottest volume whose dose gradient counts for the maximum
HOTTEST_CC = 0.03
# where the voxel centres are put, in voxels; 0 is where they are
SHIFTS: Final = (-0.5, -0.25, 0.0, 0.25)
EVEN = 0.01


class Plane(NamedTuple):
    """One contour plane: its height, its thickness, and layers of polygons (N, 2); a layer is even-odd, a plane the union of its layers."""

    z_mm: float
    thickness_mm: float
    layers: tuple[tuple[Float64, ...], ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one comparison.

    Parameters
    ----------
    tolerance : float or None
        In the unit of the metric; None where one value does not exist.
    why : str
        Why the values differ; empty when they agree, or when nothing explains it.
    """

    outcome: Literal["agrees", "explained", "unexplained"]
    tolerance: float | None
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is compared with what.

    Parameters
    ----------
    slabs, points, dvh
        The structure here, and its physical dose.
    structure : Structure
        As drawn.
    dose : DoseGrid
        Axial, as stored.
    factor : float
        From stored to physical dose.
    their_plane_mm : float
        Thickness of a contour plane in dicompyler-core.
    """

    structure: Structure
    slabs: Slabs
    points: OrganPoints
    dvh: Dvh
    dose: DoseGrid
    factor: float
    their_plane_mm: float

    def our_planes(self) -> list[Plane]:
        """Slabs as planes."""
        return [Plane(s.w_mm, s.high_mm - s.low_mm, s.layers) for s in self.slabs.slabs]

    def their_planes(self) -> list[Plane]:
        """Contours as dicompyler-core sorts them: by height to 0.01 mm."""
        planes: dict[float, list[Float64]] = {}
        for contour in self.structure.contours:
            planes.setdefault(round(float(contour.points_mm[0, 2]), 2), []).append(contour.points_mm[:, :2])
        return [Plane(z, self.their_plane_mm, (tuple(polygons),)) for z, polygons in planes.items()]

    def facts(self) -> str:
        """What makes their rules and ours differ for this structure."""
        thickness = [s.high_mm - s.low_mm for s in self.slabs.slabs]
        notices = {n.code for n in self.points.notices}
        found = ["dicompyler-core counts whole dose voxels in contour planes"]
        if max(abs(t - self.their_plane_mm) for t in thickness) > EVEN * max(thickness):
            found.append(
                f"takes every plane as {self.their_plane_mm:g} mm thick, the smallest distance of two (here {min(thickness):.3g} to {max(thickness):.3g} mm)"
            )
        if "contour_duplicate" in notices:
            found.append("lets contours that are stored twice cancel each other")
        if "contour_overlap" in notices:
            found.append("leaves out where contours overlap")
        if self.dvh.coverage < 1:
            found.append("leaves out what lies outside the dose grid")
        return ", ".join(found)


def judge(ours: Mapping[Metric, float | None], theirs: Mapping[Metric, float], evidence: Evidence) -> dict[Metric, Judgement]:
    """Say for every metric whether two values agree, and if not, why.

    Parameters
    ----------
    ours : mapping
        None where undefined.
    theirs : mapping
        Of dicompyler-core, which says 0 where it has no value.
    """
    tolerances = {m: None if ours[m] is None else _tolerance(m, evidence) for m in METRICS}
    agree = {m for m, t in tolerances.items() if t is not None and abs(theirs[m] - _number(ours[m])) <= t}
    if len(agree) == len(METRICS):
        return {m: Judgement("agrees", tolerances[m]) for m in METRICS}
    there = sampled(evidence.their_planes(), evidence.dose, evidence.factor, as_they_do=True)
    here = sampled(evidence.our_planes(), evidence.dose, evidence.factor)
    return {m: Judgement("agrees", tolerances[m]) if m in agree else _explained(m, ours[m], theirs[m], evidence, there[m], here[m]) for m in METRICS}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _tolerance(metric: Metric, evidence: Evidence) -> float:
    dvh = evidence.dvh
    if metric == "volume_cc":
        return VOLUME_TOLERANCE * dvh.volume_cc if dvh.volume_cc > LARGE_CC else 2 * VOLUME_TOLERANCE * dvh.volume_cc
    if metric == "mean_gy":
        return BINS_GY + MEAN_TOLERANCE * dvh.mean_gy()
    points_mm, volumes_cc = evidence.points.points_mm, evidence.points.volumes_cc
    order = np.argsort(-np.nan_to_num(evidence.dose.at_points(points_mm, "linear")), kind="stable")
    hot = order[: int(np.searchsorted(np.cumsum(volumes_cc[order]), 2 * (METRICS[metric] or HOTTEST_CC / 2))) + 1]
    return BINS_GY + evidence.factor * float(np.average(_change_gy(evidence.dose, points_mm[hot]), weights=volumes_cc[hot]))


def _change_gy(dose: DoseGrid, points_mm: Float64) -> Float64:
    """How far dose changes within half a voxel, on the steeper side, summed over the axes, (P,); a side without dose does not count."""
    here = dose.at_points(points_mm, "linear")
    total = np.zeros(len(points_mm))
    for step in np.diag(dose.grid.spacing_mm) / 2:
        both = np.array([np.abs(dose.at_points(points_mm + sign * step, "linear") - here) for sign in (1, -1)])
        total += np.nan_to_num(both).max(axis=0)
    return total


def _explained(metric: Metric, ours: float | None, theirs: float, evidence: Evidence, there: Range, here: Range) -> Judgement:
    asked_cc = METRICS[metric]
    tolerance = _tolerance(metric, evidence) if ours is not None else None
    slack = tolerance if tolerance is not None else BINS_GY
    if not there[0] - slack <= theirs <= there[1] + slack:
        return Judgement("unexplained", tolerance)
    if ours is None:
        if asked_cc is not None and evidence.dvh.volume_cc < asked_cc:
            return Judgement("explained", None, f"the structure is smaller than {asked_cc:g} cc: undefined here, 0 or a chance value in dicompyler-core")
        return Judgement(
            "explained", None, f"{100 * (1 - evidence.dvh.coverage):.2g} % of the structure has no known dose: undefined here, left out in dicompyler-core"
        )
    if not here[0] - slack <= ours <= here[1] + slack:
        return Judgement("unexplained", tolerance)
    unit = "cc" if metric == "volume_cc" else "Gy"
    steps = ", takes the nearest step of a histogram" if asked_cc is not None else ""
    return Judgement(
        "explained", tolerance, f"{evidence.facts()}{steps}: that gives {there[0]:.4g} to {there[1]:.4g} {unit}, depending on where the voxels lie"
    )


def sampled(planes: Iterable[Plane], dose: DoseGrid, factor: float, *, as_they_do: bool = False) -> dict[Metric, Range]:
    """Least and largest value of every metric by counting dose voxels whose centre lies inside, over positions of the voxels.

    Parameters
    ----------
    planes : iterable of Plane
    dose : DoseGrid
        Axial.
    factor : float
        From stored to physical dose.
    as_they_do : bool
        Count only where the dose grid has voxels, and take near-maxima from the nearest step of a histogram.
    """
    dx, dy, _ = dose.grid.spacing_mm
    points: dict[Range, list[Float64]] = {(sx, sy): [] for sx in SHIFTS for sy in SHIFTS}
    volumes: dict[Range, list[Float64]] = {shift: [] for shift in points}
    for plane in planes:
        low, high = _box(plane)
        for sy in SHIFTS:
            y = _lattice(dose.grid.v_mm, dy, sy, low[1], high[1], within_grid=as_they_do)
            x = {sx: _lattice(dose.grid.u_mm, dx, sx, low[0], high[0], within_grid=as_they_do) for sx in SHIFTS}
            inside = _inside(plane, x, y)
            for sx in SHIFTS:
                row, column = np.nonzero(inside[sx])
                points[sx, sy].append(np.column_stack([x[sx][column], y[row], np.full(row.size, plane.z_mm)]))
                volumes[sx, sy].append(np.full(row.size, dx * dy * plane.thickness_mm / 1000))
    every = [_values(np.concatenate(points[s]), np.concatenate(volumes[s]), dose, factor, as_they_do=as_they_do) for s in points]
    return {m: (min(v[m] for v in every), max(v[m] for v in every)) for m in METRICS}


def _box(plane: Plane) -> tuple[Float64, Float64]:
    everything = np.concatenate([p for layer in plane.layers for p in layer])
    return everything.min(axis=0), everything.max(axis=0)


def _lattice(centres_mm: Float64, spacing_mm: float, shift: float, low_mm: float, high_mm: float, *, within_grid: bool) -> Float64:
    """Voxel centres between two coordinates, moved by a part of a voxel; continued beyond the grid unless told otherwise."""
    first = int(np.floor((low_mm - centres_mm[0]) / spacing_mm)) - 1
    last = int(np.ceil((high_mm - centres_mm[0]) / spacing_mm)) + 1
    if within_grid:
        first, last = max(first, 0), min(last, centres_mm.size - 1)
    return np.asarray(centres_mm[0] + spacing_mm * (np.arange(first, last + 1) + shift))


def _inside(plane: Plane, x: Mapping[float, Float64], y: Float64) -> dict[float, np.ndarray]:
    """Masks (rows, columns) of the lattice points inside, for every list of columns."""
    masks = {shift: np.zeros((y.size, columns.size), bool) for shift, columns in x.items()}
    for layer in plane.layers:
        start = np.concatenate(layer)
        end = np.concatenate([np.roll(p, -1, axis=0) for p in layer])
        for k, height in enumerate(y):
            cut = (start[:, 1] <= height) != (end[:, 1] <= height)
            a, b = start[cut], end[cut]
            crossings = np.sort(a[:, 0] + (height - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
            for shift, columns in x.items():
                masks[shift][k] |= np.searchsorted(crossings, columns) % 2 == 1
    return masks


def _values(points_mm: Float64, volumes_cc: Float64, dose: DoseGrid, factor: float, *, as_they_do: bool) -> dict[Metric, float]:
    """Metrics of voxels; 0 where there are none, as in dicompyler-core."""
    gray = dose.at_points(points_mm, "linear").astype(np.float64)
    total = float(volumes_cc.sum())
    known = ~np.isnan(gray)
    if not known.any():
        return {m: total if m == "volume_cc" else 0.0 for m in METRICS}
    order = np.argsort(-gray[known])
    falling, filled = gray[known][order], np.cumsum(volumes_cc[known][order])
    filled *= total / filled[-1]  # dicompyler-core stretches what it knows to the whole volume
    values: dict[Metric, float] = {"volume_cc": total, "mean_gy": factor * float(falling.mean()), "max_gy": factor * float(falling[0])}
    for metric, asked_cc in METRICS.items():
        if asked_cc is not None:
            near_max = _nearest_step(falling, filled, asked_cc) if as_they_do else falling[min(int(np.searchsorted(filled, asked_cc)), falling.size - 1)]
            values[metric] = factor * float(near_max) if asked_cc <= total else 0.0
    return values


def _nearest_step(falling_gy: Float64, filled_cc: Float64, asked_cc: float) -> float:
    """Lower edge of the bin whose cumulative volume is nearest: where many voxels have one dose, a whole step below it."""
    bins = np.floor(falling_gy / BIN_GY)
    edges = np.arange(bins[0] + 1)
    n_above = np.searchsorted(-bins, -edges, side="right")
    return BIN_GY * float(edges[np.abs(filled_cc[n_above - 1] - asked_cc).argmin()])
