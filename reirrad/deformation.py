"""Deformable transforms given by a grid of vectors, and their inversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reirrad.errors import GeometryError
from reirrad.grid import Float64
from reirrad.registration import Affine, Rigid

__all__ = ["Deformable", "InverseDeformable"]

Float32 = NDArray[np.float32]

IDENTITY: Final = Rigid(np.eye(4))
# Points at once: bounds the memory of interpolation.
CHUNK = 100_000
# Parts of a grid step taken as rounding of coordinates, at the edge of the grid and at its points.
SNAP = 1e-5
# An inversion stops here, and beyond the second it has no answer.
CONVERGED_MM = 1e-4
MAX_RESIDUAL_MM = 0.1
EDGE_MM = 1e-3
MAX_ITERATIONS = 50
# Below this local change of volume the slope of the field does not tell where to go.
STEEP = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Deformable:
    """A field of vectors between two linear transforms: p -> after(before(p) + vector(p)).

    The vector is looked up at p itself and interpolated linearly along the three axes of the grid. It is unknown (NaN, never zero)
    outside the box of grid points and next to grid points without a vector.

    Parameters
    ----------
    origin_mm : (3,) float64
        The first grid point.
    directions : (3, 3) float64
        Rows are the unit directions of rising i, j, k.
    spacing_mm : (3,) float64
        Distances of grid points along i, j, k.
    vectors_mm : (nk, nj, ni, 3) float32
        One vector (x, y, z) for each grid point; NaN where undefined.
    before, after : Rigid or Affine
        Pre and post deformation matrix.

    Raises
    ------
    GeometryError
        When the grid is empty, its axes are not orthogonal, right-handed unit vectors, its spacing is not above zero, or no vector is finite.

    References
    ----------
    DICOM PS3.3 C.20.3.1.1 to C.20.3.1.3.
    """

    origin_mm: Float64
    directions: Float64
    spacing_mm: Float64
    vectors_mm: Float32
    before: Rigid | Affine = IDENTITY
    after: Rigid | Affine = IDENTITY

    def __post_init__(self) -> None:
        v = self.vectors_mm
        if v.ndim != 4 or v.shape[3] != 3 or v.size == 0:
            raise GeometryError("The grid of a deformation is empty or does not hold one vector for each point.")
        if self.directions.shape != (3, 3) or not np.allclose(self.directions @ self.directions.T, np.eye(3), atol=1e-6) or np.linalg.det(self.directions) < 0:
            raise GeometryError("The axes of the grid of a deformation are not three orthogonal, right-handed unit vectors.")
        if self.origin_mm.shape != (3,) or self.spacing_mm.shape != (3,) or not np.all(np.isfinite([self.origin_mm, self.spacing_mm])):
            raise GeometryError("The position or spacing of the grid of a deformation is not three finite numbers.")
        if not self.spacing_mm.min() > 0:
            raise GeometryError("The spacing of the grid of a deformation is not above zero.")
        if not np.any(np.isfinite(v).all(axis=-1)):
            raise GeometryError("The grid of a deformation holds no finite vector, so it moves nothing.")

    @property
    def description(self) -> str:
        """Size of the grid and of its vectors, and the matrices that do something."""
        nk, nj, ni = self.vectors_mm.shape[:3]
        longest = float(np.linalg.norm(self.vectors_mm[np.isfinite(self.vectors_mm).all(axis=-1)], axis=-1).max())
        a, b, c = self.spacing_mm
        text = f"deformable: {ni} x {nj} x {nk} vectors at {a:g} x {b:g} x {c:g} mm, up to {longest:.1f} mm long"
        for word, linear in (("before it", self.before), ("after it", self.after)):
            if not np.array_equal(linear.matrix, np.eye(4)):
                text += f", {word} {linear.description}"
        return text

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3) of the registered frame to the source frame; NaN where no vector is known."""
        flat = np.asarray(points_mm, np.float64).reshape(-1, 3)
        out = np.empty_like(flat)
        for start in range(0, len(flat), CHUNK):
            part = slice(start, start + CHUNK)
            index = self._index(flat[part])
            last = np.array(self.vectors_mm.shape[2::-1]) - 1
            inside = np.all((index >= 0) & (index <= last), axis=-1)
            vector = np.full_like(flat[part], np.nan)
            vector[inside] = self._vectors(index[inside])[0]
            out[part] = self.after(self.before(flat[part]) + vector)
        return out.reshape(np.shape(points_mm))

    def inverse(self) -> InverseDeformable:
        """The transform back, by iteration."""
        return InverseDeformable(self)

    def sample_points_mm(self, n_most: int = 1000) -> Float64:
        """Grid points (P, 3) that have a vector: all, or about `n_most` spread over the grid."""
        known = np.flatnonzero(np.isfinite(self.vectors_mm).all(axis=-1))
        chosen = known[np.linspace(0, known.size - 1, min(n_most, known.size)).astype(np.int64)]
        index = np.stack(np.unravel_index(chosen, self.vectors_mm.shape[:3])[::-1], axis=-1)
        return np.asarray(self.origin_mm + (index * self.spacing_mm) @ self.directions)

    def _index(self, points_mm: Float64) -> Float64:
        """Places (P, 3) in the grid, in steps along i, j, k; whole numbers where rounding is all that is missing."""
        index = ((points_mm - self.origin_mm) @ self.directions.T) / self.spacing_mm
        whole = np.round(index)
        return np.where(np.abs(index - whole) < SNAP, whole, index)

    def _vectors(self, index: Float64, *, unknown: float = np.nan) -> tuple[Float64, Float64]:
        """Vectors (P, 3) at places of the grid, the nearest outside it; and their slopes (P, 3, 3), d vector / d index.

        A grid point without vector counts as `unknown`, but not with weight zero.
        """
        vectors = self.vectors_mm
        last = np.array(vectors.shape[2::-1]) - 1
        index = np.clip(index, 0, last)
        low = np.minimum(np.floor(index), np.maximum(last - 1, 0)).astype(np.int64)
        high = np.minimum(low + 1, last)
        part = index - low
        value, slope = np.zeros((len(index), 3)), np.zeros((len(index), 3, 3))
        for corner in np.ndindex(2, 2, 2):
            upper = np.array(corner, bool)
            i, j, k = np.where(upper, high, low).T
            vector = vectors[k, j, i].astype(np.float64)
            vector[~np.isfinite(vector).all(axis=-1)] = unknown
            weights = np.where(upper, part, 1.0 - part)
            weight = weights.prod(axis=-1)[:, None]
            value += np.where(weight > 0, weight * vector, 0.0)
            for axis in range(3):
                others = np.delete(weights, axis, axis=-1).prod(axis=-1)
                change = (1.0 if upper[axis] else -1.0) * others * (high - low)[:, axis]
                slope[:, :, axis] += change[:, None] * np.nan_to_num(vector)
        return value, slope


@dataclass(frozen=True, slots=True, eq=False)
class InverseDeformable:
    """The way back through a deformation, found point by point.

    Newton steps with the slope of the interpolated field, halved until they come closer; where the field is folded, fixed-point steps.
    A point without an answer within 0.1 mm, or whose answer lies where the field is folded (so that there are several), is NaN.

    Parameters
    ----------
    forward : Deformable
        From the registered frame to the source frame.
    """

    forward: Deformable

    @property
    def description(self) -> str:
        """Of the deformation, with its direction."""
        return f"inverse of {self.forward.description}"

    def __call__(self, points_mm: Float64) -> Float64:
        """Move points (..., 3) of the source frame to the registered frame; NaN where there is no answer."""
        return self.solve(points_mm)[0]

    def inverse(self) -> Deformable:
        """The deformation itself."""
        return self.forward

    def residual_mm(self, points_mm: Float64) -> float:
        """Largest distance between a point (..., 3) and where the deformation takes its answer; NaN when none has one."""
        residual = self.solve(points_mm)[1]
        known = residual[np.isfinite(residual)]
        return float(known.max()) if known.size else float("nan")

    def solve(self, points_mm: Float64) -> tuple[Float64, Float64]:
        """Answers, and how exact they are.

        Parameters
        ----------
        points_mm : (..., 3) float64
            Of the source frame.

        Returns
        -------
        points_mm : (..., 3) float64
            Of the registered frame.
        residual_mm : (...) float64
            Distance between a point and where the deformation takes its answer.

        Both are NaN where there is no answer.
        """
        flat = np.asarray(points_mm, np.float64).reshape(-1, 3)
        found, residual = np.full(flat.shape, np.nan), np.full(len(flat), np.nan)
        for start in range(0, len(flat), CHUNK):
            part = slice(start, start + CHUNK)
            found[part], residual[part] = self._solve(flat[part])
        return found.reshape(np.shape(points_mm)), residual.reshape(np.shape(points_mm)[:-1])

    def _solve(self, wanted: Float64) -> tuple[Float64, Float64]:
        f = self.forward
        target = f.after.inverse()(wanted)
        point = f.before.inverse()(target)
        miss, slope = self._miss(point, target)
        length = np.ones(len(point))
        # NaN compares false, so unknown points are never looked for
        active = np.flatnonzero(np.linalg.norm(miss, axis=-1) > CONVERGED_MM)
        for _ in range(MAX_ITERATIONS):
            if not active.size:
                break
            trial = point[active] + length[active, None] * self._step(miss[active], slope[active])
            new_miss, new_slope = self._miss(trial, target[active])
            closer = np.linalg.norm(new_miss, axis=-1) < np.linalg.norm(miss[active], axis=-1)
            moved = active[closer]
            point[moved], miss[moved], slope[moved] = trial[closer], new_miss[closer], new_slope[closer]
            length[active] = np.where(closer, np.minimum(1.0, 2.0 * length[active]), 0.5 * length[active])
            active = active[np.linalg.norm(miss[active], axis=-1) > CONVERGED_MM]
        # an answer on the edge of the grid may have stopped just outside; then the field, without the values lent outside it, has the last word
        index = f._index(point)
        excess = np.clip(index, 0, np.array(f.vectors_mm.shape[2::-1]) - 1) - index
        shift = (excess * f.spacing_mm) @ f.directions
        point = np.where(np.linalg.norm(shift, axis=-1)[:, None] <= EDGE_MM, point + shift, point)
        residual = np.linalg.norm(f(point) - wanted, axis=-1)
        answered = (residual <= MAX_RESIDUAL_MM) & (np.linalg.det(slope) > 0)
        return np.where(answered[:, None], point, np.nan), np.where(answered, residual, np.nan)

    def _miss(self, point: Float64, target: Float64) -> tuple[Float64, Float64]:
        """What is missing (P, 3) after the first matrix and the field, and the slope (P, 3, 3) of both there.

        Beyond the grid the nearest vectors are lent, and zero where there is none, so that an iteration may pass there.
        """
        f = self.forward
        index = f._index(np.nan_to_num(point))
        vector, by_index = f._vectors(index, unknown=0.0)
        linear = f.before.matrix[:3, :3]
        last = np.array(f.vectors_mm.shape[2::-1]) - 1
        by_index = np.where(((index >= 0) & (index <= last))[:, None, :], by_index, 0.0)
        slope = linear + by_index @ (f.directions / f.spacing_mm[:, None])
        return target - f.before(point) - vector, slope

    def _step(self, miss: Float64, slope: Float64) -> Float64:
        linear = self.forward.before.matrix[:3, :3]
        steep = np.linalg.det(slope) > STEEP * np.linalg.det(linear)
        usable = np.where(steep[:, None, None], slope, linear)
        return np.asarray(np.linalg.solve(usable, miss[..., None])[..., 0])
