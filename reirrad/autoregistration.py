"""Rigid registration of two CT of one patient, by the computer: an aid, never the last word.

Many starts are followed on images that become less and less blurred, since what one alone leads to may look converged and be wrong.
Nothing is drawn at random: the same two CT always give the same answer.

SimpleITK (mean squares, Powell) then has to find the same place from 12 mm and 3 degrees beside it. It is the second opinion and not the answer, because
a couch, gas or another outline, which it does not know to pass over, moved its answer by millimetres on drawn pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from reirrad.autofit import Level, Pose, Stage, thinned
from reirrad.autoquality import AGREE_DEG, AGREE_MM, Quality, body_overlap, difference, notices_of
from reirrad.ctvolume import BodyImage, CtVolume, body_image
from reirrad.errors import GeometryError, Notice
from reirrad.grid import Float64
from reirrad.itkregistration import follow
from reirrad.registration import Rigid

__all__ = ["AutoRegistration", "Start", "register"]

SKIN_MM = 9.0  # points reach this far beyond the body
AXIAL_STEP_MM = 20.0
N_AXIAL = 4
TILT_DEG = 8.0
NUDGE_MM = 6.0
MIN_POINTS = 400  # of the body, or nothing is registered
# Results whose metric is worse than the best by less than this are rivals of it.
RIVAL = 1.05
# The move that must make the metric worse, or the place along it is not known.
SHAKE_MM = 5.0
TELLING = 0.05  # part of the points that sees most of such a move
N_BODY_POINTS = 2_000
# From so far away a second opinion starts.
SECOND_MM, SECOND_DEG = 12.0, 3.0
LEVELS = (Level(10.0, 250.0, 3_000, 40), Level(5.0, 150.0, 8_000, 40), Level(3.0, 60.0, 30_000, 60))


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where one start led.

    Parameters
    ----------
    name : str
        What the start assumed.
    transform : Rigid
        Where it ended.
    metric_start, metric_end : float
        Capped root mean square difference of the sharpest images, HU, at most 60; infinite where the CT do not overlap.
    converged : bool
        Whether the last step moved the body by less than 0.003 mm.
    """

    name: str
    transform: Rigid
    metric_start: float
    metric_end: float
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class AutoRegistration:
    """The registration found, and how far it may be believed.

    Parameters
    ----------
    transform : Rigid
        Points of the fixed CT to points of the moving CT, rounded to 1e-4 mm.
    metric_start, metric_end : float
        Of the best start, see `Start`.
    starts : tuple of Start
        All, the best first.
    quality : Quality
        Figures to doubt it by.
    warnings : tuple of Notice
        `registration_auto` always; more when a figure is bad.
    """

    transform: Rigid
    metric_start: float
    metric_end: float
    starts: tuple[Start, ...]
    quality: Quality
    warnings: tuple[Notice, ...]

    @property
    def is_doubtful(self) -> bool:
        """Whether a figure is bad."""
        return any(n.code.startswith("registration_auto_") for n in self.warnings)


def register(fixed: CtVolume, moving: CtVolume, region_mm: Float64 | None = None, *, margin_mm: float = 20.0, course: str | None = None) -> AutoRegistration:
    """Find the rotation and shift that lay the body of one CT on that of another.

    Parameters
    ----------
    fixed : CtVolume
        Of the reference course.
    moving : CtVolume
        Of the course to be brought to it.
    region_mm : (N, 3) float64, optional
        Points of the fixed CT, such as contours, or two corners of a box: the last stage looks only at these, what lies between them in a plane, and a margin.
    margin_mm : float
        Margin of the region.
    course : str, optional
        For the notices.

    Returns
    -------
    AutoRegistration
        However bad it is: read `warnings`.

    Raises
    ------
    GeometryError
        When a CT shows no body, the region holds too little of it, or no start found overlapping bodies.
    """
    one, two = body_image(fixed), body_image(moving)
    starts = _search(one, two, None)
    back = _search(two, one, None)
    where = one.body
    if region_mm is not None:
        where = one.body & _region(one, np.asarray(region_mm, np.float64), margin_mm)
        starts = _search(one, two, where, starts[0].transform)
        there = two.body & _region(two, starts[0].transform(one.points_mm(where)), 0.0)
        back = _search(two, one, there, back[0].transform)
    best = starts[0]
    points = thinned(one.points_mm(where), N_BODY_POINTS)
    second = follow(one, two, _aside(best.transform, points.mean(axis=0)), where)
    quality = _quality(one, two, points, starts, back[0].transform, second.transform, where)
    return AutoRegistration(best.transform, best.metric_start, best.metric_end, starts, quality, notices_of(quality, best.transform, course))


def _aside(transform: Rigid, centre_mm: Float64) -> Rigid:
    """The same but for a turn and a shift, from where a second opinion has to find back by itself."""
    away = np.eye(4)
    away[:3, :3] = Rotation.from_rotvec(np.radians(SECOND_DEG) / math.sqrt(3) * np.ones(3)).as_matrix()
    away[:3, 3] = centre_mm - away[:3, :3] @ centre_mm + SECOND_MM / math.sqrt(3)
    return Rigid(transform.matrix @ away)


def _search(fixed: BodyImage, moving: BodyImage, where: NDArray[np.bool_] | None, known: Rigid | None = None) -> tuple[Start, ...]:
    """Follow all starts, the best first: over the whole body, or from a known answer over a part of it."""
    levels = LEVELS if known is None else LEVELS[1:]
    where = fixed.body if where is None else where
    if int(where.sum()) < MIN_POINTS:
        raise GeometryError(f"The region to be registered holds {int(where.sum())} voxels of the body, not {MIN_POINTS}. Name more or larger structures.")
    looked = _grown(where, fixed.step_mm) & fixed.known
    centre = np.round(fixed.points_mm(looked).mean(axis=0), 1)
    stages = [Stage(fixed, moving, looked, centre, level) for level in levels]
    poses = _global_starts(fixed, moving, stages[0], centre) if known is None else _local_starts(known, centre)
    found = []
    for name, start in poses:
        pose, converged = start, False
        for stage in stages:
            pose, converged = stage.solve(pose)
        rigid = pose.rigid()
        found.append(Start(name, rigid, stages[-1].metric(start), stages[-1].metric(rigid), converged))
    found.sort(key=lambda s: s.metric_end)
    if not math.isfinite(found[0].metric_end):
        raise GeometryError("No place was found where the bodies of the two CT overlap. Check that both show the same part of the patient.")
    return tuple(found)


def _global_starts(fixed: BodyImage, moving: BodyImage, stage: Stage, centre: Float64) -> list[tuple[str, Pose]]:
    """Body on body, volume on volume, same coordinates; the best of many axial shifts, and tilts of the very best."""
    bodies = [image.points_mm(image.body) for image in (fixed, moving)]
    moments = bodies[1].mean(axis=0) - bodies[0].mean(axis=0)
    ends = [(b[:, 2].min(), b[:, 2].max()) for b in bodies]
    shortest = min(high - low for low, high in ends)
    low, high = ends[1][0] - ends[0][1] + shortest / 3, ends[1][1] - ends[0][0] - shortest / 3
    names = {"centre of the images": moving.middle_mm() - fixed.middle_mm(), "centre of the bodies": moments, "same coordinates": np.zeros(3)}
    axial = {f"{z:+.0f} mm axially": np.r_[moments[:2], z] for z in np.linspace(low, high, 2 + int((high - low) / AXIAL_STEP_MM))}
    ranked = sorted(axial, key=lambda name: stage.metric(Pose(np.eye(3), axial[name], centre)))
    names |= {name: axial[name] for name in ranked[:N_AXIAL]}
    poses = [(name, Pose(np.eye(3), shift, centre)) for name, shift in names.items()]
    best = min(poses, key=lambda p: stage.metric(p[1]))[1]
    return poses + [(f"tilted {name}", pose) for name, pose in _tilts(best, TILT_DEG)]


def _local_starts(known: Rigid, centre: Float64) -> list[tuple[str, Pose]]:
    """The answer of the whole body, and this nudged along each axis."""
    rotation = known.matrix[:3, :3]
    shift = known(centre) - centre
    nudges = [(f"{sign * NUDGE_MM:+.0f} mm {axis}", sign * NUDGE_MM * np.eye(3)["xyz".index(axis)]) for axis in "xyz" for sign in (1, -1)]
    return [("whole body", Pose(rotation, shift, centre)), *((name, Pose(rotation, shift + nudge, centre)) for name, nudge in nudges)]


def _tilts(pose: Pose, angle_deg: float) -> list[tuple[str, Pose]]:
    """A pose turned both ways about each axis through its centre."""
    return [
        (f"{sign * angle_deg:+.0f} deg about {axis}", Pose(Rotation.from_euler(axis, sign * angle_deg, degrees=True).as_matrix(), pose.shift, pose.centre))
        for axis in "xyz"
        for sign in (1, -1)
    ]


def _quality(one: BodyImage, two: BodyImage, points: Float64, starts: Sequence[Start], back: Rigid, second: Rigid, where: NDArray[np.bool_]) -> Quality:
    best = starts[0]
    apart = [difference(s.transform, best.transform, points) for s in starts]
    rivals = [d for d, s in zip(apart, starts, strict=True) if s.metric_end <= RIVAL * best.metric_end]
    agreeing = sum(mm <= AGREE_MM and deg <= AGREE_DEG for mm, deg in apart)
    stage = Stage(one, two, _grown(where, one.step_mm) & one.known, np.round(points.mean(axis=0), 1), LEVELS[-1])
    overlap, coverage = body_overlap(one, two, best.transform, points)
    round_trip = back(best.transform(points)) - points
    return Quality(
        overlap=overlap,
        coverage=coverage,
        agreement_mm=max(mm for mm, _ in rivals),
        agreement_deg=max(deg for _, deg in rivals),
        n_agreeing=agreeing,
        n_starts=len(starts),
        inverse_mm=float(np.sqrt((round_trip**2).sum(axis=1).max())),
        correlation=_correlation(stage, best.transform),
        rise=_rise(stage, best.transform),
        converged=best.converged,
        second_mm=difference(second, best.transform, points)[0],
    )


def _correlation(stage: Stage, transform: Rigid) -> float:
    """Correlation of the HU of both CT at the points."""
    differences, known = stage.differences(transform)
    fixed = stage.hu[known]
    return float(np.corrcoef(fixed, fixed + differences[known])[0, 1])


def _rise(stage: Stage, transform: Rigid) -> float:
    """How many times worse the metric becomes, at least, when the body is moved 5 mm in the direction the images say least about."""
    centre = np.round(stage.points.mean(axis=0), 1)
    pose = Pose(transform.matrix[:3, :3], transform(centre) - centre, centre)
    differences, known = stage.differences(transform)
    weakest = np.linalg.eigh(stage.normal_matrix(differences, known)[0])[1][:, 0]
    slopes = np.where(known, np.abs(stage.jacobian @ weakest), 0.0)
    telling = slopes >= np.quantile(slopes, 1 - TELLING)
    shaken = [stage.differences(pose.after(s * SHAKE_MM * weakest[:3] / stage.radius_mm, s * SHAKE_MM * weakest[3:])) for s in (1, -1)]
    return min(stage.capped(d, k & telling) for d, k in shaken) / max(stage.capped(differences, known & telling), 1e-6)


def _grown(mask: NDArray[np.bool_], step_mm: Float64) -> NDArray[np.bool_]:
    """A mask with everything near to it."""
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=step_mm[::-1]) <= SKIN_MM)


def _region(image: BodyImage, points_mm: Float64, margin_mm: float) -> NDArray[np.bool_]:
    """Voxels within a margin of points, or between them in a plane; two points are corners of a box."""
    if points_mm.ndim != 2 or points_mm.shape[1] != 3 or len(points_mm) < 2 or not np.all(np.isfinite(points_mm)):
        raise GeometryError("The region of a registration has to be two corners of a box, or points, each of three finite numbers in mm.")
    if len(points_mm) == 2:
        inside = image.points_mm(np.ones(image.body.shape, bool)).reshape(*image.body.shape, 3)
        low, high = points_mm.min(axis=0) - margin_mm, points_mm.max(axis=0) + margin_mm
        return np.asarray(np.all((inside >= low) & (inside <= high), axis=-1))
    candidates = image.points_mm(image.body)
    reach = max(margin_mm, float(np.linalg.norm(image.step_mm)))
    distances = cKDTree(points_mm).query(candidates, distance_upper_bound=reach)[0]
    region = np.zeros(image.body.shape, bool)
    region[image.body] = np.isfinite(distances)
    for k in range(len(region)):
        region[k] = ndimage.binary_fill_holes(region[k])
    return region
