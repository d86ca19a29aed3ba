"""Where voxels are: the only place where array indices and patient millimetres meet.

Arrays are indexed ``[z, y, x]``; points are ``(x, y, z)`` in the DICOM patient system (LPS), in mm.
A grid is rectilinear in a frame of its own: a rotation takes a patient point to ``(u, v, w)``, and three rising
lists of coordinates say where the voxel centres lie along u, v and w. For the usual axial grid the rotation is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.errors import GeometryError

__all__ = ["Float64", "Grid"]

Float64 = NDArray[np.float64]

# A direction cosine that differs from 0 or 1 by less than this moves nothing in a patient by more than 0.01 mm.
AXIS_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Voxel centres of a rectilinear grid.

    Parameters
    ----------
    rotation : (3, 3) float64
        Rows are the unit directions u (of rising column index), v (of rising row index), w (of rising plane index).
    u_mm, v_mm, w_mm : (nx,), (ny,), (nz,) float64
        Strictly rising coordinates of the voxel centres along these directions.

    Raises
    ------
    GeometryError
        When the directions are not orthonormal and right-handed, or coordinates are not finite and rising.
    """

    rotation: Float64
    u_mm: Float64
    v_mm: Float64
    w_mm: Float64

    def __post_init__(self) -> None:
        if self.rotation.shape != (3, 3) or not np.allclose(self.rotation @ self.rotation.T, np.eye(3), atol=1e-6):
            raise GeometryError("The directions of a grid are not three orthogonal unit vectors.")
        if np.linalg.det(self.rotation) < 0:
            raise GeometryError("The directions of a grid are mirrored (left-handed).")
        for name in ("u_mm", "v_mm", "w_mm"):
            c = getattr(self, name)
            if c.ndim != 1 or c.size == 0 or not np.all(np.isfinite(c)) or np.any(np.diff(c) <= 0):
                raise GeometryError(f"The coordinates {name} of a grid are not finite and rising.")
        for name in ("rotation", "u_mm", "v_mm", "w_mm"):
            getattr(self, name).flags.writeable = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels as (nz, ny, nx)."""
        return (self.w_mm.size, self.v_mm.size, self.u_mm.size)

    @property
    def is_axial(self) -> bool:
        """Whether u, v, w are the patient's x, y, z."""
        return bool(np.abs(self.rotation - np.eye(3)).max() <= AXIS_TOLERANCE)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Median distance of voxel centres along (u, v, w); NaN along a direction with one voxel."""
        return tuple(float(np.median(np.diff(c))) if c.size > 1 else float("nan") for c in (self.u_mm, self.v_mm, self.w_mm))  # type: ignore[return-value]

    def to_local(self, points_mm: Float64) -> Float64:
        """Patient points (..., 3) in mm as (u, v, w) in mm."""
        return points_mm if self.is_axial else points_mm @ self.rotation.T

    def to_patient(self, local_mm: Float64) -> Float64:
        """(u, v, w) in mm (..., 3) as patient points in mm."""
        return local_mm if self.is_axial else local_mm @ self.rotation

    def plane_points_mm(self, plane: int) -> Float64:
        """Voxel centres (ny * nx, 3) of one plane in patient mm."""
        v, u = np.meshgrid(self.v_mm, self.u_mm, indexing="ij")
        return self.to_patient(np.column_stack([u.ravel(), v.ravel(), np.full(u.size, self.w_mm[plane])]))

    @classmethod
    def from_dicom(
        cls,
        position_mm: Float64,
        row_direction: Float64,
        column_direction: Float64,
        row_spacing_mm: float,
        column_spacing_mm: float,
        n_rows: int,
        n_columns: int,
        plane_offsets_mm: Float64,
    ) -> tuple[Grid, tuple[int, int, int], tuple[int, int, int]]:
        """Make a grid from DICOM attributes, and say how stored voxels have to be turned to fit it.

        Parameters
        ----------
        position_mm : (3,)
            Image Position (Patient): centre of the first voxel of the first frame.
        row_direction, column_direction : (3,)
            Image Orientation (Patient): direction of rising column index, then of rising row index.
        row_spacing_mm, column_spacing_mm : float
            Pixel Spacing: distance between rows, then between columns.
        plane_offsets_mm : (n_frames,)
            Offset of each frame along row_direction x column_direction from the first frame, rising or falling.

        Returns
        -------
        grid : Grid
            Axial whenever the stored axes are parallel to the patient's.
        order, step : (3,) int
            ``stored.transpose(order)[::step[0], ::step[1], ::step[2]]`` has the axes of the grid.

        Raises
        ------
        GeometryError
            When the spacing is not positive, or as for `Grid`.

        References
        ----------
        DICOM PS3.3 C.7.6.2.1.1 (Equation C.7.6.2.1-1) and C.8.8.3.2 (Grid Frame Offset Vector).
        """
        if not (row_spacing_mm > 0 and column_spacing_mm > 0):
            raise GeometryError(f"The distances of rows and columns must be above zero; found {row_spacing_mm:g} and {column_spacing_mm:g} mm.")
        normal = np.cross(row_direction, column_direction)
        directions = np.array([row_direction, column_direction, normal], dtype=np.float64)
        start = directions @ position_mm
        lines = [
            start[0] + column_spacing_mm * np.arange(n_columns),
            start[1] + row_spacing_mm * np.arange(n_rows),
            start[2] + np.asarray(plane_offsets_mm, dtype=np.float64),
        ]
        # Rows of `directions` parallel to patient axes are sorted into x, y, z and made to point along them.
        axis = np.abs(directions).argmax(axis=1)
        parallel = np.abs(np.abs(directions) - np.eye(3)[axis]).max() <= AXIS_TOLERANCE and len(set(axis)) == 3
        order = [0, 1, 2] if not parallel else [int(np.flatnonzero(axis == a)[0]) for a in range(3)]
        directions = directions[order]
        lines = [lines[k] for k in order]
        if parallel:
            signs = np.sign(np.diag(directions))
            directions = np.eye(3)
            lines = [line * s for line, s in zip(lines, signs, strict=True)]
        step = [1 if line.size < 2 or line[1] > line[0] else -1 for line in lines]
        lines = [np.ascontiguousarray(line[::s]) for line, s in zip(lines, step, strict=True)]
        grid = cls(np.ascontiguousarray(directions), lines[0], lines[1], lines[2])
        # the stored array is [frame, row, column]; its axes hold the directions 2, 1, 0
        stored_axis = [2 - k for k in order]
        return grid, (stored_axis[2], stored_axis[1], stored_axis[0]), (step[2], step[1], step[0])
