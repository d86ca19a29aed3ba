"""Solids as signed distances (mm, negative inside), their unions and cuts, and their outlines on CT planes.

Distances of capsules are exact, those of ellipsoids and lofts are first-order estimates, good to a few per cent near the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import contourpy
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from reirrad.structures import Contour

Array = NDArray[np.float64]
Distance = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Shape:
    """A solid: distance(x, y, z) broadcasts; box holds the solid (lowest, highest corner)."""

    distance: Distance
    box: tuple[Array, Array]

    def __call__(self, x: Array, y: Array, z: Array) -> Array:
        return self.distance(x, y, z)

    def __or__(self, other: Shape) -> Shape:
        return union(self, other)

    def __sub__(self, other: Shape) -> Shape:
        return Shape(lambda x, y, z: np.maximum(self(x, y, z), -other(x, y, z)), self.box)

    def __and__(self, other: Shape) -> Shape:
        box = (np.maximum(self.box[0], other.box[0]), np.minimum(self.box[1], other.box[1]))
        return Shape(lambda x, y, z: np.maximum(self(x, y, z), other(x, y, z)), box)

    def grow(self, mm: float) -> Shape:
        return Shape(lambda x, y, z: self(x, y, z) - mm, (self.box[0] - mm, self.box[1] + mm))

    def shell(self, mm: float) -> Shape:
        """The outer part, of a thickness: `self - self.grow(-mm)` with one look at the distance instead of two."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            d = self(x, y, z)
            return np.maximum(d, -(d + mm))

        return Shape(distance, self.box)


def union(*shapes: Shape, smooth_mm: float = 0.0) -> Shape:
    """Union; with smooth_mm the corner between the parts is filled with a fillet of about that size."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        d = shapes[0](x, y, z)
        for shape in shapes[1:]:
            e = shape(x, y, z)
            low = np.minimum(d, e)
            if smooth_mm:
                h = np.maximum(smooth_mm - np.abs(d - e), 0.0) / smooth_mm
                low = low - 0.25 * smooth_mm * h * h
            d = low
        return d

    pad = smooth_mm / 4
    return Shape(distance, (np.min([s.box[0] for s in shapes], axis=0) - pad, np.max([s.box[1] for s in shapes], axis=0) + pad))


def ellipsoid(centre: Sequence[float], semi: Sequence[float]) -> Shape:
    c, r = np.array(centre, float), np.array(semi, float)

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v, w = (x - c[0]) / r[0], (y - c[1]) / r[1], (z - c[2]) / r[2]
        k = np.sqrt(u * u + v * v + w * w)
        slope = np.sqrt((u / r[0]) ** 2 + (v / r[1]) ** 2 + (w / r[2]) ** 2)
        return np.where(k > 0.05, k * (k - 1) / np.maximum(slope, 1e-9), -r.min() * (1 - k))

    return Shape(distance, (c - r, c + r))


def chain(points: Sequence[Sequence[float]], radii: float | Sequence[float]) -> Shape:
    """Round tube along a polyline, its radius changing evenly from point to point."""
    p = np.array(points, float)
    r = np.broadcast_to(np.asarray(radii, float), len(p))

    def distance(x: Array, y: Array, z: Array) -> Array:
        best: Array | None = None
        for a, b, ra, rb in zip(p[:-1], p[1:], r[:-1], r[1:], strict=True):
            d = b - a
            t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1] + (z - a[2]) * d[2]) / (d @ d), 0.0, 1.0)
            e = np.sqrt((x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 + (z - a[2] - t * d[2]) ** 2) - (ra + t * (rb - ra))
            best = e if best is None else np.minimum(best, e)
        assert best is not None
        return best

    return Shape(distance, (p.min(axis=0) - r.max(), p.max(axis=0) + r.max()))


def loft(nodes: Sequence[tuple[float, float, float, float, float]], power: float = 2.0) -> Shape:
    """Superellipses |x/a|^power + |y/b|^power = 1 blended along z; nodes are (z, centre x, centre y, a, b)."""
    n = np.array(nodes, float)
    n = n[np.argsort(n[:, 0])]
    curve = PchipInterpolator(n[:, 0], n[:, 1:])
    bottom, top = n[0, 0], n[-1, 0]

    def distance(x: Array, y: Array, z: Array) -> Array:
        cx, cy, a, b = np.moveaxis(curve(np.clip(z, bottom, top)), -1, 0)
        u, v = np.abs(x - cx) / a, np.abs(y - cy) / b
        k = (u**power + v**power) ** (1 / power)
        slope = np.sqrt((u ** (power - 1) / a) ** 2 + (v ** (power - 1) / b) ** 2) / np.maximum(k, 1e-6) ** (power - 1)
        inside = -np.minimum(a, b) * (1 - k)
        around = np.where(k > 0.2, (k - 1) / np.maximum(slope, 1e-9), inside)
        return np.maximum(around, np.maximum(bottom - z, z - top))

    reach = curve(np.linspace(bottom, top, 60))
    low = np.array([(reach[:, 0] - reach[:, 2]).min(), (reach[:, 1] - reach[:, 3]).min(), bottom])
    high = np.array([(reach[:, 0] + reach[:, 2]).max(), (reach[:, 1] + reach[:, 3]).max(), top])
    return Shape(distance, (low, high))


def mirrored(shape: Shape) -> Shape:
    """The same on the other side of the patient."""
    low, high = shape.box
    return Shape(lambda x, y, z: shape(-x, y, z), (np.array([-high[0], low[1], low[2]]), np.array([-low[0], high[1], high[2]])))


def moved(shape: Shape, pose: Array) -> Shape:
    """The solid after a rotation and shift, given as a homogeneous (4, 4) matrix."""
    turn, shift = pose[:3, :3], pose[:3, 3]

    def distance(x: Array, y: Array, z: Array) -> Array:
        before = ((x - shift[0]) * turn[0, k] + (y - shift[1]) * turn[1, k] + (z - shift[2]) * turn[2, k] for k in range(3))
        return shape(*before)

    low, high = shape.box
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]) @ turn.T + shift
    return Shape(distance, (corners.min(axis=0), corners.max(axis=0)))


def outlines(shape: Shape, z_mm: Array, point_mm: float, least: int, most: int, smallest_mm2: float = 12.0) -> tuple[Contour, ...]:
    """Outlines of a shape on planes, about point_mm between the points but within their least and most number, coordinates rounded to 0.01 mm."""
    low, high = shape.box
    size = float(min(high[0] - low[0], high[1] - low[1]))
    step = 2.0 if size > 60 else 1.0
    x, y = (np.arange(low[k] - 2.3 * step, high[k] + 2.6 * step, step) for k in (0, 1))
    found = []
    for z in z_mm:
        if not low[2] <= z <= high[2]:
            continue
        d = shape(x[None, :], y[:, None], np.array(z))
        if not (d < 0).any():
            continue
        for line in contourpy.contour_generator(x, y, np.broadcast_to(d, (y.size, x.size))).lines(0.0):
            ring = np.asarray(line)[:-1]
            if len(ring) < 4 or abs(_area_mm2(ring)) < smallest_mm2:
                continue
            found.append(Contour(_at(_even_steps(ring, point_mm, least, most), float(z))))
    return tuple(found)


def _at(ring: Array, z: float) -> Array:
    return np.column_stack([np.round(ring, 2), np.full(len(ring), z)])


def _area_mm2(ring: Array) -> float:
    x, y = ring.T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _even_steps(ring: Array, point_mm: float, least: int, most: int) -> Array:
    """A closed ring resampled at even steps along its length."""
    closed = np.vstack([ring, ring[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    n = int(np.clip(round(length[-1] / point_mm), least, most))
    at = np.arange(n) * length[-1] / n
    return np.column_stack([np.interp(at, length, closed[:, k]) for k in (0, 1)])
