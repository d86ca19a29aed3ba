"""A CT as numbers on a grid, and what of it a registration looks at: few voxels, the body alone, without the couch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from reirrad.errors import GeometryError
from reirrad.grid import Float64, Grid

__all__ = ["AIR_HU", "BodyImage", "CtVolume", "body_image"]

# Below the first, tissue counts as air (skin and lung then weigh less than bone); above the second, metal as dense bone.
AIR_HU = -300.0
METAL_HU = 1200.0
# Skin lies where HU pass this; couch tops are thinner than twice the radius, which is taken off everything thin.
SKIN_HU = -150.0
COUCH_RADIUS_MM = 5.0
SKIN_BLUR_MM = 3.0  # so that noise does not fray the skin
# A body smaller than this is none.
MIN_BODY_CC = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class CtVolume:
    """A CT series.

    Parameters
    ----------
    grid : Grid
        Voxel centres; oblique and unevenly spaced planes are allowed.
    hu : (nz, ny, nx) float32
        Hounsfield units; NaN where the scanner has no value (padding).
    frame_uid : str
        Frame of Reference UID.

    Raises
    ------
    GeometryError
        When the shapes differ, or a side has fewer than two voxels.
    """

    grid: Grid
    hu: NDArray[np.float32]
    frame_uid: str = ""

    def __post_init__(self) -> None:
        if self.hu.shape != self.grid.shape:
            raise GeometryError(f"A CT has {self.hu.shape} values on a grid of {self.grid.shape} voxels (planes, rows, columns). One value for each is needed.")
        if min(self.hu.shape) < 2:
            raise GeometryError(f"A CT of {self.hu.shape} voxels (planes, rows, columns) is no volume. Give a series of two planes or more.")


@dataclass(frozen=True, slots=True, eq=False)
class BodyImage:
    """The body on an evenly spaced grid: HU between -300 and 1200 inside, -300 outside of it.

    Parameters
    ----------
    rotation : (3, 3) float64
        Rows u, v, w, as in `Grid`.
    first_mm, step_mm : (3,) float64
        First voxel centre and distances along u, v, w.
    hu : (nz, ny, nx) float32
    body : (nz, ny, nx) bool
    known : (nz, ny, nx) bool
        Where the scanner has a value.
    """

    rotation: Float64
    first_mm: Float64
    step_mm: Float64
    hu: NDArray[np.float32]
    body: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def indices(self, points_mm: Float64) -> Float64:
        """Fractional array indices (3, N) in the order z, y, x of patient points (N, 3)."""
        return np.ascontiguousarray(((points_mm @ self.rotation.T - self.first_mm) / self.step_mm).T[::-1])

    def voxels_mm(self, indices: NDArray[Any]) -> Float64:
        """Patient points (N, 3) of voxels (N, 3) in the order z, y, x."""
        return np.asarray((indices[:, ::-1] * self.step_mm + self.first_mm) @ self.rotation, np.float64)

    def points_mm(self, mask: NDArray[np.bool_]) -> Float64:
        """Patient points (N, 3) of the voxels of a mask."""
        return self.voxels_mm(np.argwhere(mask))

    def middle_mm(self) -> Float64:
        """Middle of the image, a patient point."""
        return np.asarray(self.voxels_mm((np.array([self.body.shape], np.float64) - 1) / 2)[0])

    def smooth(self, sigma_mm: float) -> NDArray[np.float32]:
        """The image under a Gaussian of the same width in all directions."""
        return np.asarray(ndimage.gaussian_filter(self.hu, sigma_mm / self.step_mm[::-1], mode="nearest", truncate=3.0), np.float32)


def body_image(volume: CtVolume, voxel_mm: float = 3.0) -> BodyImage:
    """Return the body of a CT on voxels of about a size, without couch and clothes.

    The largest connected part above -150 HU, after everything thinner than 10 mm in its plane is taken off; holes (lung, bowel gas) belong to it.

    Raises
    ------
    GeometryError
        When there is no body.
    """
    g = volume.grid
    step = [max(1, round(voxel_mm / s)) for s in g.spacing_mm]
    planes = np.stack([_reduced(np.clip(p, AIR_HU, METAL_HU), step[1], step[0]) for p in volume.hu])
    u, v = _means(g.u_mm, step[0]), _means(g.v_mm, step[1])
    hu, w = _even_planes(planes, g.w_mm, step[2])
    known = np.isfinite(hu)
    hu = np.where(known, hu, np.float32(AIR_HU))
    distances = np.array([_distance(u), _distance(v), _distance(w)])
    body = _body(hu, distances)
    if body.sum() * distances.prod() < 1000 * MIN_BODY_CC:
        raise GeometryError(f"A CT shows no body: less than {MIN_BODY_CC:g} cc above {SKIN_HU:g} HU. Give the planning CT, in Hounsfield units.")
    hu[~body] = AIR_HU
    return BodyImage(g.rotation, np.array([u[0], v[0], w[0]]), distances, hu, body, known)


def _means(coordinates: Float64, n: int) -> Float64:
    """Means of n neighbours each; a rest is left out."""
    n = min(n, coordinates.size // 2)
    return np.asarray(coordinates[: coordinates.size // n * n].reshape(-1, n).mean(axis=1))


def _distance(coordinates: Float64) -> float:
    return float((coordinates[-1] - coordinates[0]) / (coordinates.size - 1))


def _reduced(plane: NDArray[np.float32], n_rows: int, n_columns: int) -> NDArray[np.float32]:
    """Means over blocks of a plane; NaN where a block holds a NaN."""
    n_rows, n_columns = min(n_rows, plane.shape[0] // 2), min(n_columns, plane.shape[1] // 2)
    rows, columns = plane.shape[0] // n_rows, plane.shape[1] // n_columns
    return np.asarray(plane[: rows * n_rows, : columns * n_columns].reshape(rows, n_rows, columns, n_columns).mean(axis=(1, 3)), np.float32)


def _even_planes(planes: NDArray[np.float32], w_mm: Float64, n: int) -> tuple[NDArray[np.float32], Float64]:
    """Planes at even distances: means of n, or between the two planes beside where they are uneven."""
    even = np.ptp(np.diff(w_mm)) < 0.02 * np.median(np.diff(w_mm))
    if even:
        n = min(n, len(w_mm) // 2)
        count = len(w_mm) // n
        return np.asarray(planes[: count * n].reshape(count, n, *planes.shape[1:]).mean(axis=1)), _means(w_mm, n)
    count = max(2, int((w_mm[-1] - w_mm[0]) / (n * np.median(np.diff(w_mm)))) + 1)
    w = np.linspace(w_mm[0], w_mm[-1], count)
    below = np.clip(np.searchsorted(w_mm, w, side="right") - 1, 0, len(w_mm) - 2)
    part = ((w - w_mm[below]) / (w_mm[below + 1] - w_mm[below])).astype(np.float32)[:, None, None]
    return planes[below] * (1 - part) + planes[below + 1] * part, w


def _body(hu: NDArray[np.float32], step_mm: Float64) -> NDArray[np.bool_]:
    """The largest part above the skin threshold, thin things taken off, holes of every plane filled."""
    above: NDArray[np.bool_] = np.asarray(ndimage.gaussian_filter(hu, SKIN_BLUR_MM / step_mm[::-1], mode="nearest", truncate=3.0) > SKIN_HU, np.bool_)
    solid: NDArray[np.bool_] = np.zeros(above.shape, np.bool_)
    disc = _disc(step_mm[0], step_mm[1])
    margin = max(disc.shape)
    for k in range(len(above)):
        # holes are not yet filled: a hollow couch would become a thick one; the edge goes on, for bodies wider than the image
        solid[k] = ndimage.binary_opening(np.pad(above[k], margin, mode="edge"), disc)[margin:-margin, margin:-margin]
    labels, n = ndimage.label(solid)
    if n == 0:
        return solid
    body: NDArray[np.bool_] = np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])), np.bool_)
    for k in range(len(body)):
        body[k] = ndimage.binary_fill_holes(body[k])
    return np.asarray(body)


def _disc(step_u_mm: float, step_v_mm: float) -> NDArray[np.bool_]:
    nu, nv = max(1, int(COUCH_RADIUS_MM / step_u_mm)), max(1, int(COUCH_RADIUS_MM / step_v_mm))
    v, u = np.ogrid[-nv : nv + 1, -nu : nu + 1]
    return np.asarray((u * step_u_mm) ** 2 + (v * step_v_mm) ** 2 <= COUCH_RADIUS_MM**2 + 1e-9)
