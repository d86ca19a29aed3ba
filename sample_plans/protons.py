"""Doses that look like scanned protons: flat in the target, a sharp end behind it, an entrance plateau in front and next to nothing anywhere else.

Each field ends a few mm behind the target along every ray, whatever tissue it crosses: the range follows the shape, not the CT numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from shapes import Array, Shape
from treatment import logistic, smoothstep

# Beam's eye view: pixel, border around the target, blur of the depths by scattering.
PIXEL_MM, BORDER_MM, BLUR_MM = 2.0, 40.0, 3.0
# Where the dose has fallen to one half beside, behind and before the target, and the logistic widths of these falls.
SIDE_MM, SIDE_WIDTH_MM = 7.0, 2.4
END_MM, END_WIDTH_MM = 5.0, 1.5
# Entrance dose at the skin, and the length over which it rises towards the target.
ENTRANCE, RISE_MM = 0.52, 45.0


@dataclass(frozen=True)
class Field:
    """One direction: beam's eye maps, rows along z, columns across, in mm."""

    direction: tuple[float, float]  # of travel, x and y
    start_mm: tuple[float, float]  # z and across of the first pixel
    beside: Array  # distance from the outline of the target, negative inside
    near: Array  # depths at which a ray enters the target ...
    far: Array  # ... and leaves it

    def dose(self, x: Array, y: Array, z: Array) -> Array:
        """Dose as part of that in the target."""
        along = x * self.direction[0] + y * self.direction[1]
        across = x * self.direction[1] - y * self.direction[0]
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        at = [np.broadcast_to((v - start) / PIXEL_MM, shape).ravel() for v, start in zip((z, across), self.start_mm, strict=True)]
        beside, near, far = (map_coordinates(m, at, order=1, mode="nearest").reshape(shape) for m in (self.beside, self.near, self.far))
        before = np.maximum(near - END_MM - along, 0.0)
        plateau = ENTRANCE + (1 - ENTRANCE) * np.exp(-((before / RISE_MM) ** 2) - before / 90)
        return plateau * logistic((along - far - END_MM) / END_WIDTH_MM) * logistic((beside - SIDE_MM) / SIDE_WIDTH_MM)


def field(target: Shape, gantry_deg: float) -> Field:
    """The field that covers a target from a gantry angle (patient head first, supine)."""
    angle = np.radians(gantry_deg)
    d = (float(-np.sin(angle)), float(np.cos(angle)))
    corners = np.array([(x, y) for x in (target.box[0][0], target.box[1][0]) for y in (target.box[0][1], target.box[1][1])])
    t, across = corners @ np.array(d), corners @ np.array([d[1], -d[0]])
    w = np.arange(target.box[0][2] - BORDER_MM, target.box[1][2] + BORDER_MM, PIXEL_MM)
    u = np.arange(across.min() - BORDER_MM, across.max() + BORDER_MM, PIXEL_MM)
    depth = np.arange(t.min() - 2, t.max() + 2, PIXEL_MM / 2)
    z, a, s = w[:, None, None], u[None, :, None], depth[None, None, :]
    inside = np.asarray(target(s * d[0] + a * d[1], s * d[1] - a * d[0], z)) < 0
    hit = inside.any(axis=2)
    near, far = depth[inside.argmax(axis=2)], depth[depth.size - 1 - inside[:, :, ::-1].argmax(axis=2)]
    outside_mm, nearest = distance_transform_edt(~hit, sampling=PIXEL_MM, return_indices=True)
    beside = np.where(hit, -distance_transform_edt(hit, sampling=PIXEL_MM) + PIXEL_MM / 2, outside_mm - PIXEL_MM / 2)
    blurred = [gaussian_filter(m[tuple(nearest)], BLUR_MM / PIXEL_MM) for m in (near, far)]
    return Field(d, (float(w[0]), float(u[0])), gaussian_filter(beside, 0.7), *blurred)


@dataclass(frozen=True)
class ProtonTreatment:
    """Fields of equal weight on one target; `level_gy` is the physical dose well inside it."""

    fields: tuple[Field, ...]
    level_gy: float
    isocentre_mm: tuple[float, float, float]

    def dose_gy(self, body: Shape, x: Array, y: Array, z: Array) -> Array:
        """Physical dose at broadcastable coordinates."""
        uneven = 1 + 0.008 * np.sin(x / 12 + 0.8) * np.sin(y / 14 - 0.3) + 0.006 * np.cos(z / 13 + x / 31)
        dose = self.level_gy * uneven * sum(f.dose(x, y, z) for f in self.fields) / len(self.fields)
        # protons hardly spare the skin
        dose = dose * smoothstep((2.0 - body(x, y, z)) / 4)
        return dose * smoothstep(dose / 0.25)


def protons(target: Shape, level_gy: float, isocentre_mm: tuple[float, float, float], gantry_deg: Sequence[float]) -> ProtonTreatment:
    return ProtonTreatment(tuple(field(target, angle) for angle in gantry_deg), level_gy, isocentre_mm)
