"""Transforms between the frames of reference of courses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reirrad.errors import GeometryError
from reirrad.grid import Float64

__all__ = ["Rigid"]


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
