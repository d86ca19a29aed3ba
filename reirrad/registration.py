"""Transforms between the frames of reference of courses: rigid, with scale or shear, one after another.

A transform takes points (..., 3) in mm of one frame to another; a point whose place is not known becomes NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from reirrad.errors import GeometryError
from reirrad.grid import Float64

__all__ = ["Affine", "Chain", "Rigid", "Transform", "composed", "jacobian_determinant"]

# Smallest over largest stretch; below, a volume is flat and has no way back.
FLAT = 1e-6


@runtime_checkable
class Transform(Protocol):
    """What takes points of one frame of reference to another."""

    @property
    def description(self) -> str:
        """A few words for a report."""

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3) in mm; NaN where it is not known."""

    def inverse(self) -> Transform:
        """The transform back."""


@dataclass(frozen=True, slots=True, eq=False)
class Rigid:
    """A rotation and translation of points.

    Parameters
    ----------
    matrix : (4, 4) float64
        Homogeneous, millimetres.

    Raises
    ------
    GeometryError
        When it is not rigid: |RtR - I| < 1e-4, determinant +1, last row 0 0 0 1 (AAPM TG-132; DICOM PS3.3 C.20.2.1.1).
    """

    matrix: Float64

    def __post_init__(self) -> None:
        m = self.matrix
        rigid = m.shape == (4, 4) and bool(np.all(np.isfinite(m))) and np.abs(m[:3, :3].T @ m[:3, :3] - np.eye(3)).max() < 1e-4
        if not rigid or np.linalg.det(m[:3, :3]) < 0 or np.abs(m[3] - [0, 0, 0, 1]).max() > 1e-6:
            raise GeometryError("The matrix is not a rotation and translation: it scales, shears, mirrors or is not finite. A rigid registration is needed.")

    @property
    def description(self) -> str:
        """Angle, and shift of the origin.

        >>> m = np.eye(4); m[:3, 3] = 12, -7, 9
        >>> Rigid(m).description
        'rigid: turned by 0.0 degrees, origin shifted by (12.0, -7.0, 9.0) mm'
        """
        # the sine from the skew part, the cosine from the trace: exact for small angles and for half turns
        r = self.matrix[:3, :3]
        skew = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
        angle = np.degrees(np.arctan2(np.linalg.norm(skew), np.trace(r) - 1.0))
        return f"rigid: turned by {angle:.1f} degrees, {_shift(self.matrix)}"

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3)."""
        return np.asarray(points_mm @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def inverse(self) -> Rigid:
        """The transform back.

        >>> m = np.eye(4); m[:3, 3] = 12, -7, 9
        >>> Rigid(m).inverse()(np.zeros(3)).tolist()
        [-12.0, 7.0, -9.0]
        """
        return Rigid(np.asarray(np.linalg.inv(self.matrix), np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A linear transform of points with scale or shear.

    Parameters
    ----------
    matrix : (4, 4) float64
        Homogeneous, millimetres.

    Raises
    ------
    GeometryError
        When it is not finite, mirrors (determinant below zero), is singular, or its last row is not 0 0 0 1.
    """

    matrix: Float64

    def __post_init__(self) -> None:
        m = self.matrix
        linear = m.shape == (4, 4) and bool(np.all(np.isfinite(m))) and np.abs(m[3] - [0, 0, 0, 1]).max() <= 1e-6
        if not linear or not self.scales[-1] > FLAT * self.scales[0] or np.linalg.det(m[:3, :3]) < 0:
            raise GeometryError("The matrix mirrors, is singular or is not finite, so it cannot move a patient. A registration without mirroring is needed.")

    @property
    def scales(self) -> tuple[float, float, float]:
        """Stretch along the three principal directions, largest first; 1 is none.

        >>> Affine(np.diag([1.02, 1.0, 0.99, 1.0])).scales
        (1.02, 1.0, 0.99)
        """
        a, b, c = np.linalg.svd(self.matrix[:3, :3], compute_uv=False).tolist()
        return (a, b, c)

    @property
    def description(self) -> str:
        """Stretch, and shift of the origin.

        >>> Affine(np.diag([1.02, 1.0, 0.99, 1.0])).description
        'affine: scaled by 0.990 to 1.020, origin shifted by (0.0, 0.0, 0.0) mm'
        """
        return f"affine: scaled by {self.scales[-1]:.3f} to {self.scales[0]:.3f}, {_shift(self.matrix)}"

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3)."""
        return np.asarray(points_mm @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def inverse(self) -> Affine:
        """The transform back.

        >>> Affine(np.diag([1.25, 1.0, 1.0, 1.0])).inverse()(np.array([10.0, 2.0, 3.0])).tolist()
        [8.0, 2.0, 3.0]
        """
        return Affine(np.asarray(np.linalg.inv(self.matrix), np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Transforms one after another.

    Parameters
    ----------
    parts : tuple of Transform
        The first is applied first; none leaves points where they are.
    """

    parts: tuple[Transform, ...]

    @property
    def description(self) -> str:
        """Of all parts, in order."""
        return "; then ".join(part.description for part in self.parts) or "identity"

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3)."""
        for part in self.parts:
            points_mm = part(points_mm)
        return points_mm

    def inverse(self) -> Chain:
        """The inverses, the last first."""
        return Chain(tuple(part.inverse() for part in reversed(self.parts)))


def composed(parts: Sequence[Transform]) -> Transform:
    """One transform for several in a row, with neighbouring matrices multiplied.

    Parameters
    ----------
    parts : sequence of Transform
        The first is applied first.

    Returns
    -------
    Transform
        Rigid when all parts are, or there are none; Affine when all have a matrix; else a Chain, or the only part.

    >>> m = np.eye(4); m[:3, 3] = 12, -7, 9
    >>> composed([Rigid(m), Rigid(m)])(np.zeros(3)).tolist()
    [24.0, -14.0, 18.0]
    """
    merged: list[Transform] = []
    for part in (p for outer in parts for p in (outer.parts if isinstance(outer, Chain) else (outer,))):
        last = merged[-1] if merged else None
        if isinstance(last, Rigid | Affine) and isinstance(part, Rigid | Affine):
            product = np.asarray(part.matrix @ last.matrix)
            merged[-1] = Rigid(product) if isinstance(last, Rigid) and isinstance(part, Rigid) else Affine(product)
        else:
            merged.append(part)
    if not merged:
        return Rigid(np.eye(4))
    return merged[0] if len(merged) == 1 else Chain(tuple(merged))


def jacobian_determinant(transform: Transform, points_mm: Float64, *, step_mm: float = 1.0) -> Float64:
    """Local change of volume at points.

    Parameters
    ----------
    transform : Transform
        Any.
    points_mm : (..., 3) float64
        Points before it.
    step_mm : float
        Central differences are taken over this distance to both sides.

    Returns
    -------
    (...) float64
        1: no change; 1.1: ten per cent larger; zero or below: folded; NaN where a point beside it is not known.

    >>> jacobian_determinant(Affine(np.diag([1.1, 1.0, 1.0, 1.0])), np.zeros((1, 3))).round(9).tolist()
    [1.1]
    """
    columns = []
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = step_mm
        columns.append((transform(points_mm + step) - transform(points_mm - step)) / (2.0 * step_mm))
    a, b, c = columns
    return np.asarray((a * np.cross(b, c)).sum(axis=-1))


def _shift(matrix: Float64) -> str:
    # adding zero turns -0.0 into 0.0
    x, y, z = (round(float(v), 1) + 0.0 for v in matrix[:3, 3])
    return f"origin shifted by ({x:.1f}, {y:.1f}, {z:.1f}) mm"
