"""Figures by which to doubt an automatic registration, and what is said when they are bad.

None of them shows that a registration is right; each shows a way in which it is wrong (AAPM TG-132: look at the images).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from reirrad.ctvolume import BodyImage
from reirrad.errors import Notice
from reirrad.grid import Float64
from reirrad.registration import Rigid

__all__ = ["AGREE_DEG", "AGREE_MM", "Quality", "body_overlap", "difference", "notices_of"]

# Starts, and the two directions, have to agree within these.
AGREE_MM = 1.0
AGREE_DEG = 1.0
MIN_AGREEING = 2
MIN_OVERLAP = 0.85
MIN_COVERAGE = 0.5
MIN_CORRELATION = 0.92
# A move of 5 mm has to make the metric this many times worse.
MIN_RISE = 1.1
# Two methods have to agree within this; they weigh a changed outline differently.
MAX_SECOND_MM = 3.0
MAX_ROTATION_DEG = 15.0


@dataclass(frozen=True, slots=True)
class Quality:
    """What can be measured without knowing the answer.

    Parameters
    ----------
    overlap : float
        Dice coefficient of the two bodies where both CT have values.
    coverage : float
        Part of the body (or region) of the fixed CT that lies inside the moving one.
    agreement_mm, agreement_deg : float
        How far results as good as the best lie from it: the largest distance of a point of the body, and the angle.
    n_agreeing, n_starts : int
        Starts that led to the best result, within 1 mm and 1 degree; all.
    inverse_mm : float
        Largest distance of a point of the body from itself, after the registration and an independent one back.
    correlation : float
        Of the HU of both CT in the body.
    rise : float
        How many times worse the metric becomes by a move of 5 mm in the direction the images say least about.
    converged : bool
        Whether the best start came to rest.
    second_mm : float
        How far the result of SimpleITK lies from it: the largest distance of a point of the body.
    """

    overlap: float
    coverage: float
    agreement_mm: float
    agreement_deg: float
    n_agreeing: int
    n_starts: int
    inverse_mm: float
    correlation: float
    rise: float
    converged: bool
    second_mm: float


def difference(one: Rigid, two: Rigid, points_mm: Float64) -> tuple[float, float]:
    """Largest distance (mm) between what two transforms make of points (N, 3), and the angle between them (degrees).

    >>> m = np.eye(4); m[:3, 3] = 3, 0, -4
    >>> difference(Rigid(np.eye(4)), Rigid(m), np.zeros((1, 3)))
    (5.0, 0.0)
    """
    apart = one(points_mm) - two(points_mm)
    turn = Rotation.from_matrix(one.matrix[:3, :3].T @ two.matrix[:3, :3]).magnitude()
    return float(np.sqrt((apart**2).sum(axis=1).max())), float(np.degrees(turn))


def body_overlap(fixed: BodyImage, moving: BodyImage, transform: Rigid, points_mm: Float64) -> tuple[float, float]:
    """Dice coefficient of the bodies where both CT have values, and the part of points (N, 3) that lies inside the moving CT."""
    there = moving.indices(transform(fixed.points_mm(np.ones(fixed.body.shape, bool))))
    seen = (ndimage.map_coordinates(moving.known.astype(np.uint8), there, order=0, mode="constant") == 1).reshape(fixed.body.shape) & fixed.known
    body = (ndimage.map_coordinates(moving.body.astype(np.uint8), there, order=0, mode="constant") == 1).reshape(fixed.body.shape)
    both = 2 * int((body & fixed.body & seen).sum()) / max(1, int((body & seen).sum()) + int((fixed.body & seen).sum()))
    inside = ndimage.map_coordinates(moving.known.astype(np.uint8), moving.indices(transform(points_mm)), order=0, mode="constant") == 1
    return both, float(inside.mean())


def notices_of(quality: Quality, transform: Rigid, course: str | None = None) -> tuple[Notice, ...]:
    """What a person has to be told, always at least one thing."""
    q = quality
    said = [
        Notice(
            "registration_auto",
            "The CT were registered by the computer. Look at both laid over each other, at bone and every organ that counts, before any sum of doses is used.",
            course,
        )
    ]
    if q.agreement_mm > AGREE_MM or q.agreement_deg > AGREE_DEG or q.n_agreeing < MIN_AGREEING:
        message = (
            f"{q.n_agreeing} of {q.n_starts} starts of the automatic registration led to its result; others as good lie up to {q.agreement_mm:.1f} mm "
            f"and {q.agreement_deg:.1f} degrees away. It may be wrong."
        )
        said.append(Notice("registration_auto_disagrees", message, course))
    if q.overlap < MIN_OVERLAP or q.coverage < MIN_COVERAGE:
        message = (
            f"After the automatic registration the bodies overlap by {100 * q.overlap:.0f} %, and {100 * q.coverage:.0f} % of the body looked at lies "
            "inside the other CT. They show different parts or shapes of the body."
        )
        said.append(Notice("registration_auto_overlap", message, course))
    if poor := _poor(q, transform):
        said.append(Notice("registration_auto_poor", f"The automatic registration is doubtful: {'; '.join(poor)}.", course))
    if q.second_mm > MAX_SECOND_MM:
        message = f"SimpleITK, asked as a second opinion, puts a point of the body {q.second_mm:.1f} mm elsewhere. One of the two is wrong."
        said.append(Notice("registration_auto_second", message, course))
    if q.inverse_mm > AGREE_MM:
        message = f"Registered there and back, a point of the body moves by up to {q.inverse_mm:.1f} mm. The automatic registration is not sure."
        said.append(Notice("registration_auto_inconsistent", message, course))
    return tuple(said)


def _poor(q: Quality, transform: Rigid) -> list[str]:
    """What is bad about the fit itself."""
    rotation_deg = float(np.degrees(Rotation.from_matrix(transform.matrix[:3, :3]).magnitude()))
    poor = []
    if q.correlation < MIN_CORRELATION:
        poor.append(f"the HU of the two CT correlate by {q.correlation:.2f} only")
    if q.rise < MIN_RISE:
        poor.append(f"a move of 5 mm in one direction makes the CT fit only {q.rise:.2f} times worse, so its place there is hardly known")
    if rotation_deg > MAX_ROTATION_DEG:
        poor.append(f"it turns the patient by {rotation_deg:.0f} degrees")
    if not q.converged:
        poor.append("it did not come to rest")
    return poor
