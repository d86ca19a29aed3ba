"""The three slices as the viewer takes them: a picture each, and the lines, letters and words over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from reirrad.dose import Float32
from reirrad.errors import printable
from reirrad.grid import Float64
from reirrad.registration import Transform
from reirrad.ui.outlines import Drawn, is_parallel, outlines
from reirrad.ui.slicepicture import (
    Wash,
    Window,
    checkerboard,
    colours,
    ct_pixels,
    grey,
    isodose_levels,
    isodoses,
    moved_ct_pixels,
    overlay,
    pixel_lines,
    png,
    unknown_at_pixels,
    values_at_pixels,
    with_unknown,
    with_wash,
)
from reirrad.ui.volumes import ASIDE, Frame, ShownCt, View, Volumes, cut, frame_of

__all__ = ["LINE_STYLES", "Compared", "Look", "Other", "colour_bar", "header_of", "pane_of", "style_of"]

# Colours that the colour-blind tell apart (Okabe and Ito), each with dashes of its own; lines of isodoses are white.
COLOURS: Final = ("#56B4E9", "#E69F00", "#CC79A7", "#F0E442", "#D55E00", "#7FDBB6")
DASHES: Final = ("none", "7 3", "2 3")
LINE_STYLES: Final = tuple((colour, dash) for dash in DASHES for colour in COLOURS)
AXES: Final = ("x", "y", "z")
OBLIQUE_AXES: Final = ("u", "v", "w")
N_BAR: Final = 64
Compared = Literal["Checkerboard", "Overlay", "Reference CT alone", "Other CT alone"]


@dataclass(frozen=True, slots=True)
class Look:
    """How slices are drawn; equal looks of one slice are equal pictures.

    Parameters
    ----------
    key : int or str
        Of the quantity.
    wash : Wash or None
        None without dose.
    structures : tuple of (str, int)
        Names, each with the number of its line style.
    compared : tuple, optional
        Course whose CT is compared, how, and squares in mm.
    """

    key: int | str
    window: Window
    wash: Wash | None
    levels_gy: tuple[float, ...]
    structures: tuple[tuple[str, int], ...]
    words: tuple[str, ...] = ()
    compared: tuple[int, Compared, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """CT of another course, and what takes points of the reference frame to it."""

    ct: ShownCt
    transform: Transform | None


def pane_of(
    volumes: Volumes, values: Float32 | None, structures: Mapping[str, Drawn], look: Look, view: View, cursor_mm: Float64, other: Other | None = None
) -> tuple[dict[str, Any], bytes]:
    """Draw one slice through the cursor.

    Parameters
    ----------
    values : (nz, ny, nx) float32, or (rows, columns) float32, or None
        On the lattice: the quantity of the look, or its slice already.
    cursor_mm : (3,) float64
        (u, v, w).

    Returns
    -------
    What the viewer needs to know beside the picture, and the picture (PNG).
    """
    frame = frame_of(volumes.grid, view)
    place = place_of(frame, cursor_mm)
    place_mm = float(frame.places_mm[place])
    across, down = pixel_lines(frame)
    hu = np.full((down.size, across.size), np.nan, np.float32) if volumes.ct is None else ct_pixels(volumes.ct, view, place_mm, across, down)
    picture = grey(hu, look.window)
    lines: tuple[Any, ...] = ()
    if look.compared is not None and other is not None:
        moved = moved_ct_pixels(other.ct, other.transform, _points(volumes, view, place_mm, across, down), hu.shape)
        second = grey(moved, look.window)
        square = max(2, round(look.compared[2] / float(across[1] - across[0])))
        match look.compared[1]:
            case "Checkerboard":
                picture = checkerboard(picture, second, square)
            case "Overlay":
                picture = overlay(picture, second)
            case "Other CT alone":
                picture = second
        if look.compared[1] != "Reference CT alone":
            picture = with_unknown(picture, np.isnan(moved))
    elif look.wash is not None and values is not None:
        slice_gy = cut(values, view, place) if values.ndim == 3 else values
        shown_gy = np.where(slice_gy < look.wash.top_gy, slice_gy, np.float32(np.nan))
        picture = with_wash(picture, values_at_pixels(shown_gy, frame, across, down), look.wash)
        picture = with_unknown(picture, unknown_at_pixels(slice_gy, frame, across, down))
        lines = isodoses(shown_gy, frame, look.levels_gy)
    axial = volumes.grid.is_axial
    drawn = []
    for name, style in look.structures:
        if name in structures and is_parallel(structures[name], volumes.grid) and (found := outlines(structures[name], frame, place_mm)):
            colour, dash = LINE_STYLES[style % len(LINE_STYLES)]
            drawn.append({"colour": colour, "dash": dash, "closed": view == "axial", "lines": [_flat(line) for line in found]})
    half = float(across[1] - across[0]) / 2
    a, d, sign, through = ASIDE[view]
    where = (AXES if axial else OBLIQUE_AXES)[through]
    return {
        "view": view,
        "title": view.capitalize(),
        "axis": where,
        "across": a,
        "down": d,
        "sign": sign,
        "through": through,
        "places": [round(float(p), 2) for p in frame.places_mm],
        "box": [round(float(v), 2) for v in (across[0] - half, down[0] - half, across[-1] - across[0] + 2 * half, down[-1] - down[0] + 2 * half)],
        "left": frame.left,
        "right": frame.right,
        "top": frame.top,
        "bottom": frame.bottom,
        "isodoses": [
            {"text": f"{one.gy:g}", "label": None if one.label_mm is None else [round(v, 1) for v in one.label_mm], "lines": [_flat(x) for x in one.lines]}
            for one in lines
        ],
        "outlines": drawn,
        "marks": list(look.words),
        "words": f"{view.capitalize()} slice at {where} {place_mm:.1f} mm. {'. '.join(look.words)}",
    }, png(picture)


def place_of(frame: Frame, cursor_mm: Float64) -> int:
    """Number of the slice nearest to the cursor."""
    return int(np.abs(frame.places_mm - cursor_mm[ASIDE[frame.view][3]]).argmin())


def header_of(panes: Sequence[Mapping[str, Any]], large: View, cursor_mm: Float64, move: int, legend: Mapping[str, Any], *, warns: bool) -> dict[str, Any]:
    """What the viewer needs to know of the whole."""
    cursor = [round(float(v), 3) for v in cursor_mm]
    return {"panes": list(panes), "large": large, "cursor": cursor, "move": move, "warns": warns, "legend": dict(legend)}


def colour_bar(title: str, wash: Wash) -> dict[str, Any]:
    """Colour bar with its ticks in Gy; colours as they are without CT below."""
    steps = colours(wash.scale)[np.linspace(0, 255, N_BAR).astype(int)]
    span = max(wash.high_gy - wash.low_gy, 1e-6)
    ticks = [v for v in (wash.low_gy, *isodose_levels(wash.low_gy, wash.high_gy)) if (wash.high_gy - v) / span > 0.09]
    inner = [v for n, v in enumerate(ticks) if n == 0 or (v - wash.low_gy) / span > 0.09]
    return {
        "title": f"{title}, Gy",
        "colours": ["#{:02x}{:02x}{:02x}".format(*(int(c) for c in rgb)) for rgb in steps],
        "ticks": [{"at": (v - wash.low_gy) / span, "text": f"{v:.3g}"} for v in inner] + [{"at": 1.0, "text": f"{wash.high_gy:.3g} Gy"}],
        "words": f"{title}: colours from {wash.low_gy:.3g} to {wash.high_gy:.3g} Gy",
    }


def style_of(names: Sequence[str]) -> list[dict[str, str]]:
    """Line style of each structure, for the legend."""
    styles = (LINE_STYLES[n % len(LINE_STYLES)] for n in range(len(names)))
    return [{"name": printable(name, 64), "colour": colour, "dash": dash} for name, (colour, dash) in zip(names, styles, strict=True)]


def _points(volumes: Volumes, view: View, place_mm: float, across_mm: Float64, down_mm: Float64) -> Float64:
    """Points (rows * columns, 3) of the pixels of a slice, in the reference frame."""
    a, d, sign, through = ASIDE[view]
    local = np.empty((down_mm.size, across_mm.size, 3))
    local[:, :, a], local[:, :, d], local[:, :, through] = across_mm[None, :], sign * down_mm[:, None], place_mm
    return volumes.grid.to_patient(local.reshape(-1, 3))


def _flat(line: Float64) -> list[float]:
    return [round(float(v), 1) for v in line.ravel()]
