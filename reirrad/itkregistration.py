"""One start of a rigid registration of two CT, followed to its end by SimpleITK.

Mean squares under Powell's method, on images less and less blurred: of the metrics and optimisers of SimpleITK the pair that neither stops early nor runs away.
One thread, samples at regular places and a rounded matrix make every run give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from reirrad.ctvolume import BodyImage
from reirrad.errors import ReirradError
from reirrad.grid import Float64
from reirrad.registration import Rigid

__all__ = ["LEVELS", "Followed", "Level", "RegistrationError", "follow", "metrics"]

# Iterations, evaluations along a line, first step (mm), tolerance of the step and of the metric.
POWELL = (40, 40, 0.3, 1e-3, 1e-5)
# Where samples lie between voxels follows from this, so that it is the same in every run.
SEED = 1
# The sharpest level is repeated from its own end until nothing of the body moves by more than this: a search that stalled goes on.
STILL_MM = 0.1
N_ROUNDS = 4
# With less of the body inside the moving CT, a small difference means nothing.
MIN_COVERAGE = 0.2


class RegistrationError(ReirradError, RuntimeError):
    """Two CT cannot be registered by the computer."""


@dataclass(frozen=True, slots=True)
class Level:
    """How sharp a part of the search looks.

    Parameters
    ----------
    sigma_mm : float
        Blur of both images.
    shrink : int
        Voxels of the fixed image taken together, along each axis.
    part : float
        Part of these that is looked at.
    """

    sigma_mm: float
    shrink: int
    part: float


LEVELS = (Level(8.0, 4, 0.5), Level(4.0, 2, 0.1), Level(2.0, 1, 0.02))


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Where a start led.

    Parameters
    ----------
    transform : Rigid
        Points of the fixed CT to points of the moving CT, rounded: 1e-5 mm where the body is.
    metric_start, metric_end : float
        Root mean square difference of the sharpest images, HU; infinite where less than a fifth of the body lies in the moving CT.
    converged : bool
        Whether the sharpest level, begun anew at its own end, moved nothing by more than 0.1 mm.
    """

    transform: Rigid
    metric_start: float
    metric_end: float
    converged: bool


def follow(fixed: BodyImage, moving: BodyImage, start: Rigid, where: NDArray[np.bool_] | None = None, levels: Sequence[Level] = LEVELS) -> Followed:
    """Follow one start to its end.

    Parameters
    ----------
    fixed, moving : BodyImage
        Of the reference course, and of the course to be brought to it.
    start : Rigid
        Points of the fixed CT to points of the moving CT.
    where : (nz, ny, nx) bool, optional
        Voxels of the fixed CT to look at; the body by default.
    levels : sequence of Level
        The sharpest last.

    Raises
    ------
    RegistrationError
        When SimpleITK is not installed.
    """
    looked = fixed.known & (fixed.body if where is None else where)
    points = fixed.points_mm(looked)
    pose, converged = start, False
    stages = [_Stage(fixed, moving, looked, points, level) for level in levels]
    for stage in stages:
        rounds = N_ROUNDS if stage is stages[-1] else 1
        for _ in range(rounds):
            if not math.isfinite(stage.metric(pose)):
                return Followed(start, stages[-1].metric(start), math.inf, False)
            before, pose = pose, stage.search(pose)
            converged = float(np.abs(pose(points) - before(points)).max()) <= STILL_MM
            if converged:
                break
    end = _rounded(pose, np.round(points.mean(axis=0), 1))
    metric_end = stages[-1].metric(end)
    return Followed(end, stages[-1].metric(start), metric_end, converged and math.isfinite(metric_end))


def metrics(
    fixed: BodyImage, moving: BodyImage, transforms: Sequence[Rigid], where: NDArray[np.bool_] | None = None, level: Level = LEVELS[0]
) -> tuple[float, ...]:
    """Root mean square difference (HU) of the images under each transform, without a search.

    Raises
    ------
    RegistrationError
        When SimpleITK is not installed.
    """
    looked = fixed.known & (fixed.body if where is None else where)
    stage = _Stage(fixed, moving, looked, fixed.points_mm(looked), level)
    return tuple(stage.metric(t) for t in transforms)


class _Stage:
    """Both images at one blur."""

    def __init__(self, fixed: BodyImage, moving: BodyImage, looked: NDArray[np.bool_], points: Float64, level: Level) -> None:
        self.sitk = _sitk()
        self.moving, self.points, self.level = moving, points[:: max(1, len(points) // 5_000)], level
        self.centre = points.mean(axis=0)
        self.radius_mm = float(np.sqrt(((points - self.centre) ** 2).sum(axis=1).mean()))
        # mean squares are taken at voxels of the first image, so that only this one is made smaller; Shrink would move it by half a voxel, BinShrink does not
        shrink = [min(level.shrink, n) for n in fixed.hu.shape[::-1]]
        self.images = self.sitk.BinShrink(self._smooth(fixed), shrink), self._smooth(moving)
        self.masks = self._image(looked.astype(np.uint8), fixed), self._image(moving.known.astype(np.uint8), moving)

    def metric(self, pose: Rigid) -> float:
        """Root mean square difference, HU."""
        if self._coverage(pose) < MIN_COVERAGE:
            return math.inf
        method, _ = self._method(pose)
        return math.sqrt(method.MetricEvaluate(*self.images))

    def search(self, pose: Rigid) -> Rigid:
        """The best pose near another."""
        method, found = self._method(pose)
        # a line of the search may leave the moving CT; the warning would go past Python to the screen
        shown = self.sitk.ProcessObject.GetGlobalWarningDisplay()
        self.sitk.ProcessObject.SetGlobalWarningDisplay(False)
        try:
            method.Execute(*self.images)
        finally:
            self.sitk.ProcessObject.SetGlobalWarningDisplay(shown)
        # the search may have moved the centre: it is read back, not assumed
        turn, centre = np.reshape(found.GetMatrix(), (3, 3)), np.array(found.GetCenter())
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = turn, centre + found.GetTranslation() - turn @ centre
        return Rigid(np.asarray(pose.matrix @ moved))

    def _method(self, pose: Rigid) -> tuple[Any, Any]:
        """A registration at a pose, and the small turn and shift before it that will be sought."""
        method = self.sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetMetricAsMeanSquares()
        method.SetMetricFixedMask(self.masks[0])
        method.SetMetricMovingMask(self.masks[1])
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(self.level.part, SEED)
        # Powell's method asks for no gradients
        method.SetMetricUseFixedImageGradientFilter(False)
        method.SetMetricUseMovingImageGradientFilter(False)
        method.SetInterpolator(self.sitk.sitkLinear)
        method.SetOptimizerAsPowell(*POWELL)
        # turns in mm at the mean radius
        method.SetOptimizerScales([self.radius_mm] * 3 + [1.0] * 3)
        start = self.sitk.AffineTransform(3)
        start.SetMatrix(pose.matrix[:3, :3].ravel().tolist())
        # the transform that is sought takes over the centre of the one it starts from
        start.SetCenter(self.centre.tolist())
        start.SetTranslation((pose(self.centre) - self.centre).tolist())
        method.SetMovingInitialTransform(start)
        sought = self.sitk.Euler3DTransform(self.centre.tolist())
        method.SetInitialTransform(sought, inPlace=True)
        return method, sought

    def _coverage(self, pose: Rigid) -> float:
        """Part of the points that has a value in the moving CT."""
        index = np.round(self.moving.indices(pose(self.points))).astype(np.intp)
        shape = np.array(self.moving.known.shape)[:, None]
        inside = np.all((index >= 0) & (index < shape), axis=0)
        return float((inside & self.moving.known[tuple(np.clip(index, 0, shape - 1))]).mean())

    def _smooth(self, body: BodyImage) -> Any:
        blur = self.sitk.SmoothingRecursiveGaussianImageFilter()
        blur.SetNumberOfThreads(1)
        blur.SetSigma(self.level.sigma_mm)
        return blur.Execute(self._image(body.hu, body))

    def _image(self, values: NDArray[Any], body: BodyImage) -> Any:
        image = self.sitk.GetImageFromArray(values)
        image.SetSpacing(body.step_mm.tolist())
        image.SetOrigin(body.voxels_mm(np.zeros((1, 3)))[0].tolist())
        # columns of the direction are the directions of the axes, rows of the rotation
        image.SetDirection(body.rotation.T.ravel().tolist())
        return image


def _rounded(pose: Rigid, centre: Float64) -> Rigid:
    """A pose in which the last digits, which runs and machines do not share, are gone."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.round(Rotation.from_matrix(pose.matrix[:3, :3]).as_rotvec(), 8)).as_matrix()
    matrix[:3, 3] = np.round(np.round(pose(centre), 5) - matrix[:3, :3] @ centre, 6)
    return Rigid(matrix)


def _sitk() -> ModuleType:
    try:
        import SimpleITK
    except ImportError as error:
        raise RegistrationError(
            "Automatic registration needs SimpleITK; install reirrad[reg], or give a registration of the planning system (method: file)."
        ) from error
    return SimpleITK  # type: ignore[no-any-return, unused-ignore]
