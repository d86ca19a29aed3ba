"""One slice as a picture: CT in grey, dose in colour, what is not known hatched; and the lines that are drawn over it.

Pixels are square. Lines are given in the mm of the frame (to the right, downwards), so that they stay sharp at any size.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import contourpy
import matplotlib as mpl
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from reirrad.dose import Float32
from reirrad.grid import Float64
from reirrad.registration import Transform
from reirrad.ui.volumes import ASIDE, Frame, ShownCt, View

__all__ = [
    "PRESETS",
    "Isodose",
    "Wash",
    "Window",
    "checkerboard",
    "colours",
    "ct_pixels",
    "grey",
    "isodose_levels",
    "isodoses",
    "moved_ct_pixels",
    "overlay",
    "pixel_lines",
    "png",
    "unknown_at_pixels",
    "values_at_pixels",
    "with_unknown",
    "with_wash",
]

Rgb = NDArray[np.uint8]
PIXEL_MM: Final = 1.0
MOST_PIXELS: Final = 640  # of a side; a larger slice has larger pixels
HATCH_PIXELS: Final = (9, 2)  # from stripe to stripe, and of a stripe
HATCH_GREY: Final = 150
N_COLOURS: Final = 256
LEVELS: Final = MaxNLocator(nbins=7, steps=[1, 2, 5, 10])
SHORTEST_MM: Final = 6.0  # isodose lines around specks carry no number


@dataclass(frozen=True, slots=True)
class Window:
    """Which Hounsfield units are grey.

    >>> Window(40, 400).ends
    (-160.0, 240.0)
    """

    level_hu: float
    width_hu: float

    @property
    def ends(self) -> tuple[float, float]:
        """What is black and what is white."""
        return self.level_hu - self.width_hu / 2, self.level_hu + self.width_hu / 2


PRESETS: Final = {"Soft tissue": Window(40, 400), "Bone": Window(400, 1800), "Lung": Window(-600, 1500)}


@dataclass(frozen=True, slots=True)
class Wash:
    """How dose is coloured.

    Parameters
    ----------
    low_gy, high_gy : float
        Nothing is coloured below the first; from the second on all is the last colour.
    opacity : float
        0 to 1.
    scale : str
        viridis, cividis: of even steps for the eye, and safe for the colour-blind.
    top_gy : float
        Values from here on are none, and not coloured.
    """

    low_gy: float
    high_gy: float
    opacity: float = 0.45
    scale: str = "viridis"
    top_gy: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Isodose:
    """Lines of one dose.

    Parameters
    ----------
    lines : tuple of (N, 2) float64
        Across and down, mm.
    label_mm : tuple of float or None
        Where its number stands.
    """

    gy: float
    lines: tuple[Float64, ...]
    label_mm: tuple[float, float] | None


def colours(scale: str) -> NDArray[np.uint8]:
    """Colours (256, 3) of a scale, from low to high."""
    return np.asarray(np.rint(255 * mpl.colormaps[scale](np.linspace(0, 1, N_COLOURS))[:, :3]), np.uint8)


def pixel_lines(frame: Frame) -> tuple[Float64, Float64]:
    """Centres of the pixels across and down, mm: of one size, from the first to the last line of the lattice."""
    across, down = (float(line[-1] - line[0]) for line in (frame.across_mm, frame.down_mm))
    size = max(PIXEL_MM, across / MOST_PIXELS, down / MOST_PIXELS)
    return frame.across_mm[0] + size * np.arange(int(across / size + 1e-6) + 1), frame.down_mm[0] + size * np.arange(int(down / size + 1e-6) + 1)


# ------------------------------------------------------------------------------------------------------------- pixels


def ct_pixels(ct: ShownCt, view: View, place_mm: float, across_mm: Float64, down_mm: Float64) -> Float32:
    """HU (rows, columns) in a slice of the directions of the CT, linear between voxels; NaN outside."""
    across, down, sign, through = ASIDE[view]
    lines = (ct.grid.u_mm, ct.grid.v_mm, ct.grid.w_mm)
    (k,), (part,), (inside,) = _between(lines[through], np.array([place_mm]))
    if not inside:
        return np.full((down_mm.size, across_mm.size), np.nan, np.float32)
    pair = [np.take(ct.hu, k + n, axis=2 - through) for n in (0, 1) if n == 0 or part > 0]  # rows are w or v, columns u or v
    (rows, row_part, rows_in), (columns, column_part, columns_in) = _between(lines[down], sign * down_mm), _between(lines[across], across_mm)
    out = np.zeros((down_mm.size, across_mm.size), np.float32)
    for plane, weight in zip(pair, (1 - part, part), strict=False):
        by_row = plane[rows] * (1 - row_part)[:, None] + plane[rows + 1] * row_part[:, None]
        out += weight * (by_row[:, columns] * (1 - column_part) + by_row[:, columns + 1] * column_part)
    out[~rows_in] = np.nan
    out[:, ~columns_in] = np.nan
    return out


def moved_ct_pixels(ct: ShownCt, transform: Transform | None, points_mm: Float64, shape: tuple[int, int]) -> Float32:
    """HU (rows, columns) of the CT of another course at points (rows * columns, 3) of the reference frame; NaN where there is none."""
    local = ct.grid.to_local(points_mm if transform is None else transform(points_mm))
    lines = (ct.grid.w_mm, ct.grid.v_mm, ct.grid.u_mm)
    indices = np.array([np.interp(local[:, 2 - a], line, np.arange(line.size), left=np.nan, right=np.nan) for a, line in enumerate(lines)])
    inside = np.isfinite(indices).all(axis=0)
    out = np.full(len(local), np.nan, np.float32)
    out[inside] = ndimage.map_coordinates(ct.hu, indices[:, inside], order=1, output=np.float32)
    return out.reshape(shape)


def values_at_pixels(values: Float32, frame: Frame, across_mm: Float64, down_mm: Float64) -> Float32:
    """A slice of the lattice at pixels, linear between the points that have a value; NaN where the nearest point has none."""
    (rows, row_part, _), (columns, column_part, _) = _between(frame.down_mm, down_mm), _between(frame.across_mm, across_mm)
    known = np.isfinite(values)

    def linear(of: NDArray[np.float32]) -> NDArray[np.float32]:
        by_row = of[rows] * (1 - row_part)[:, None] + of[rows + 1] * row_part[:, None]
        return np.asarray(by_row[:, columns] * (1 - column_part) + by_row[:, columns + 1] * column_part, np.float32)

    if known.all():
        return linear(values)
    weight = linear(known.astype(np.float32))
    out = linear(np.where(known, values, np.float32(0))) / np.where(weight > 0, weight, 1)
    out[unknown_at_pixels(values, frame, across_mm, down_mm)] = np.nan
    return np.asarray(out, np.float32)


def unknown_at_pixels(values: Float32, frame: Frame, across_mm: Float64, down_mm: Float64) -> NDArray[np.bool_]:
    """Pixels (rows, columns) whose nearest point of the lattice has no value."""
    (rows, row_part, _), (columns, column_part, _) = _between(frame.down_mm, down_mm), _between(frame.across_mm, across_mm)
    return np.asarray(np.isnan(values)[np.ix_(rows + (row_part > 0.5), columns + (column_part > 0.5))])


def grey(hu: Float32, window: Window) -> Rgb:
    """CT pixels (rows, columns) as grey (rows, columns, 3); black where there is none."""
    low, high = window.ends
    values = np.clip((np.nan_to_num(hu, nan=-32768) - low) * (255 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
    return np.repeat(values[:, :, None], 3, axis=2)


def with_wash(picture: Rgb, gy: Float32, wash: Wash) -> Rgb:
    """Picture with dose in colour; NaN is left as it is."""
    shown = (gy >= wash.low_gy) & (gy < wash.top_gy)
    place = np.clip((gy[shown] - wash.low_gy) * ((N_COLOURS - 1) / max(wash.high_gy - wash.low_gy, 1e-6)), 0, N_COLOURS - 1).astype(np.intp)
    out = picture.copy()
    out[shown] = np.rint((1 - wash.opacity) * picture[shown] + wash.opacity * colours(wash.scale)[place])
    return out


def with_unknown(picture: Rgb, unknown: NDArray[np.bool_]) -> Rgb:
    """Picture with grey stripes where something is not known."""
    every, width = HATCH_PIXELS
    rows, columns = np.nonzero(unknown)
    striped = (rows + columns) % every < width
    out = picture.copy()
    out[rows[striped], columns[striped]] = HATCH_GREY
    return out


def checkerboard(first: Rgb, second: Rgb, square: int) -> Rgb:
    """Squares (so many pixels wide) of two pictures in turn; the first has the upper left one."""
    rows, columns = np.ogrid[: first.shape[0], : first.shape[1]]
    is_second: NDArray[np.bool_] = (rows // square + columns // square) % 2 == 1
    return np.where(is_second[:, :, None], second, first)


def overlay(first: Rgb, second: Rgb) -> Rgb:
    """Two grey pictures as one: the first in magenta, the second in green; grey where they agree."""
    return np.stack([first[:, :, 0], second[:, :, 0], first[:, :, 0]], axis=2)


def png(picture: Rgb) -> bytes:
    """The file; quick rather than small."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _between(centres_mm: Float64, at_mm: Float64) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]:
    """For each place the voxel before it, how far it lies towards the next (0 to 1), and whether it lies between the first and the last."""
    first = np.clip(np.searchsorted(centres_mm, at_mm, side="right") - 1, 0, centres_mm.size - 2)
    part = (at_mm - centres_mm[first]) / (centres_mm[first + 1] - centres_mm[first])
    return first, np.clip(part, 0, 1).astype(np.float32), (part >= -1e-3) & (part <= 1 + 1e-3)


# ------------------------------------------------------------------------------------------------------------- lines


def isodose_levels(low_gy: float, high_gy: float) -> tuple[float, ...]:
    """Round doses between two, four to seven of them.

    >>> isodose_levels(5.0, 54.3)
    (10.0, 20.0, 30.0, 40.0, 50.0)
    """
    return tuple(float(v) for v in LEVELS.tick_values(low_gy, high_gy) if max(low_gy, 0.0) < v < high_gy)


def isodoses(values: Float32, frame: Frame, levels_gy: Sequence[float]) -> tuple[Isodose, ...]:
    """Isodose lines of a slice of the lattice; they end where the dose is not known."""
    generator = contourpy.contour_generator(frame.across_mm, frame.down_mm, np.ma.masked_invalid(values), name="serial", line_type="Separate")
    out: list[Isodose] = []
    for gy in levels_gy:
        lines = tuple(np.asarray(line) for line in generator.lines(gy))
        longest = max(lines, key=_length_mm, default=None)
        label = None
        if longest is not None and _length_mm(longest) >= SHORTEST_MM:
            # numbers of nested lines would stand above each other: each goes to another side of its line
            angle = 2.4 * len(out)
            place = longest[int(np.argmax(longest @ [np.cos(angle), np.sin(angle)]))]
            label = (float(place[0]), float(place[1]))
        out.append(Isodose(float(gy), lines, label))
    return tuple(out)


def _length_mm(line: Float64) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())
