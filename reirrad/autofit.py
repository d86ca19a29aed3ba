"""Laying one image on another: Gauss-Newton steps on the differences of HU at points of the body.

Inverse compositional (Baker and Matthews 2004): the slopes are those of the fixed image and so need to be found once. Large differences count little
(Geman-McClure), so that a bladder of another filling or gas in the bowel does not pull.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from reirrad.ctvolume import BodyImage
from reirrad.grid import Float64
from reirrad.registration import Rigid

__all__ = ["Level", "Pose", "Stage", "thinned"]

STILL_MM = 0.003  # a step that moves the body by less has arrived
# A metric from fewer than this part of the points is none.
MIN_COVERAGE = 0.2


@dataclass(frozen=True, slots=True)
class Level:
    """How sharp a step of the search looks.

    Parameters
    ----------
    sigma_mm : float
        Blur of both images.
    cap_hu : float
        Where a difference stops to count more.
    n_points, n_steps : int
        Points looked at, Gauss-Newton steps at most.
    """

    sigma_mm: float
    cap_hu: float
    n_points: int
    n_steps: int


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Rotation about a centre and shift: p -> R (p - c) + c + t."""

    rotation: Float64
    shift: Float64
    centre: Float64

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3)."""
        return np.asarray((points_mm - self.centre) @ self.rotation.T + (self.centre + self.shift))

    def after(self, turn: Float64, shift: Float64) -> Pose:
        """The pose after the inverse of a small turn (rotation vector) and shift."""
        rotation = self.rotation @ Rotation.from_rotvec(-turn).as_matrix()
        return Pose(rotation, self.shift - rotation @ shift, self.centre)

    def rigid(self) -> Rigid:
        """The same, rounded so that runs and machines agree."""
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(np.round(Rotation.from_matrix(self.rotation).as_rotvec(), 7)).as_matrix()
        matrix[:3, 3] = np.round(self.centre + self.shift - matrix[:3, :3] @ self.centre, 4)
        return Rigid(matrix)


class Stage:
    """Both images at one blur, and the points of the fixed one."""

    def __init__(self, fixed: BodyImage, moving: BodyImage, where: NDArray[np.bool_], centre: Float64, level: Level) -> None:
        image = fixed.smooth(level.sigma_mm)
        self.level, self.moving, self.moving_hu = level, moving, np.where(moving.known, moving.smooth(level.sigma_mm), np.float32(np.nan))
        chosen = thinned(np.flatnonzero(where), level.n_points)
        index = np.unravel_index(chosen, where.shape)
        self.points = fixed.voxels_mm(np.column_stack(index))
        self.hu = image[index].astype(np.float64)
        slopes = [np.gradient(image, axis=2 - k)[index] / fixed.step_mm[k] for k in range(3)]
        gradient = np.column_stack(slopes).astype(np.float64) @ fixed.rotation
        arm = self.points - centre
        self.radius_mm = float(np.sqrt((arm**2).sum(axis=1).mean()))
        # turns about x, y, z, in mm at the mean radius, then shifts
        self.jacobian = np.hstack([np.cross(arm, gradient) / self.radius_mm, gradient])

    def differences(self, pose: Pose | Rigid) -> tuple[Float64, NDArray[np.bool_]]:
        """Moving minus fixed at the points, 0 where the moving CT has no value; and where it has one."""
        found = ndimage.map_coordinates(self.moving_hu, self.moving.indices(pose(self.points)), order=1, mode="constant", cval=np.nan, prefilter=False)
        known = np.isfinite(found)
        return np.where(known, found - self.hu, 0.0), known

    def metric(self, pose: Pose | Rigid) -> float:
        """Capped root mean square difference, HU; infinite with too few points in both CT."""
        return self._metric(*self.differences(pose))

    def _metric(self, differences: Float64, known: NDArray[np.bool_]) -> float:
        if known.mean() < MIN_COVERAGE:
            return math.inf
        return self.capped(differences, known)

    def capped(self, differences: Float64, chosen: NDArray[np.bool_]) -> float:
        """Root of the mean of chosen squares, each below the square of the cap; infinite when none is chosen."""
        square = differences[chosen] ** 2
        return float(np.sqrt((square / (1 + square / self.level.cap_hu**2)).mean())) if square.size else math.inf

    def normal_matrix(self, differences: Float64, known: NDArray[np.bool_]) -> tuple[Float64, Float64]:
        """Normal matrix (6, 6) and right side (6,) of the weighted least squares."""
        weighted = self.jacobian * (known / (1 + (differences / self.level.cap_hu) ** 2) ** 2)[:, None]
        return weighted.T @ self.jacobian, weighted.T @ differences

    def solve(self, pose: Pose) -> tuple[Pose, bool]:
        """Gauss-Newton from a pose: the best met, and whether it came to rest."""
        best, best_metric = pose, math.inf
        for _ in range(self.level.n_steps):
            differences, known = self.differences(pose)
            metric = self._metric(differences, known)
            if not math.isfinite(metric):
                return best, False
            if metric < best_metric:
                best, best_metric = pose, metric
            matrix, side = self.normal_matrix(differences, known)
            step = np.linalg.solve(matrix + 1e-6 * np.trace(matrix) * np.eye(6), side)
            pose = pose.after(step[:3] / self.radius_mm, step[3:])
            if np.linalg.norm(step) < STILL_MM:
                return pose, True
        return best, False


def thinned(rows: NDArray[Any], n: int) -> NDArray[Any]:
    """At most n rows, evenly from the first to the last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(np.intp))]
