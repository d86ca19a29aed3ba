"""Axial slices through hot spots: dose wash on the CT, physical dose of each course and EQD2 of all. PNG, the same bytes for the same input."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image
from scipy import ndimage

from reirrad.accumulation import course_dose
from reirrad.course import Case
from reirrad.ctvolume import CtVolume
from reirrad.dose import Float32
from reirrad.errors import printable
from reirrad.grid import Float64
from reirrad.hotspot import HotSpot
from reirrad.organresult import OrganResult
from reirrad.reportfigures import drawable
from reirrad.reportmodel import Figure
from reirrad.structures import Structure

__all__ = ["MOST_PANELS", "ct_plane", "dose_planes", "slice_figure"]

HALF_WIDTH_MM, HALF_HEIGHT_MM = 110.0, 92.0  # of the picture
PIXEL_MM = 2.0
WINDOW_HU: Final = (-160.0, 240.0)  # centre 40, width 400
SHOWN_PART = 0.15  # of the largest dose of a panel; below it nothing is washed
ISODOSES: Final = MaxNLocator(nbins=6, steps=[1, 2, 5, 10])  # doses at which isodose lines lie
MARGIN_MM = 8.0  # shown beyond the outermost contour
PANEL_IN = 2.35
MOST_PANELS = 4
MOST_NAMES = 6  # of other organs in a caption
DPI = 190
N_COLOURS = 64
SAME_PLANE_MM = 3.0  # a contour farther from the slice is not of it
STYLE: Final[Any] = {"font.family": "DejaVu Sans", "font.size": 6.5, "text.usetex": False, "text.parse_math": False}
HALO: Final[Any] = [withStroke(linewidth=1.7, foreground="black")]


def slice_figure(spot: HotSpot, result: OrganResult, case: Case, ct: CtVolume | None, also: Sequence[str] = ()) -> Figure | None:
    """Slice through the hot spot of an organ. None where no course has dose in it.

    Parameters
    ----------
    ct : CtVolume or None
        Of the reference course.
    also : sequence of str
        Other organs whose hottest points lie near by.
    """
    z = float(spot.point_mm[2])
    outlines = {s.name: _contours(s, z) for s in case.courses[case.reference].structures}
    x, y = _pixels(spot.point_mm, [c for contours in outlines.values() for c in contours])
    planes = dose_planes(spot, result, case, x, y)
    if not planes:
        return None
    background = None if ct is None else ct_plane(ct, x, y, z)
    shown = planes[: MOST_PANELS - 1] + planes[-1:] if len(planes) > MOST_PANELS else planes
    with mpl.rc_context(STYLE):
        width, height = 0.15 + PANEL_IN * max(len(shown), 2), 1.98
        canvas = Canvas(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(canvas)
        for k, (title, gy) in enumerate(shown):
            axes = canvas.add_axes(((0.05 + PANEL_IN * k) / width, 0.03 / height, 1.9 / width, 1.9 * HALF_HEIGHT_MM / HALF_WIDTH_MM / height))
            bar = canvas.add_axes(((2.0 + PANEL_IN * k) / width, 0.15 / height, 0.06 / width, 1.25 / height))
            _panel(axes, bar, title, gy, x, y, background)
            for name, contours in outlines.items():
                for contour in contours:
                    closed = np.vstack([contour, contour[:1]]).T
                    if name == spot.structure:
                        axes.plot(*closed, color="#56B4E9", linewidth=1.3, linestyle=(0, (3, 1.2)), path_effects=HALO)
                    elif background is None:
                        axes.plot(*closed, color="#777777", linewidth=0.5)
            axes.plot(*spot.point_mm[:2], marker="+", color="white", markersize=6, markeredgewidth=1.8)
            axes.plot(*spot.point_mm[:2], marker="+", color="black", markersize=5.5, markeredgewidth=0.7)
        png = _png(canvas)
    at = ", ".join(f"{axis} {v:.0f}" for axis, v in zip("xyz", spot.point_mm, strict=True))
    name = printable(spot.structure, 44)
    sign = "" if spot.is_complete else "≥ "
    caption = f"{name}: slice z {z:.0f} mm through the hottest point (cross, {sign}{spot.eqd2_gy:.1f} Gy EQD2 at α/β {spot.alpha_beta_gy:g})."
    if also:
        more = f" and {len(also) - MOST_NAMES} more" if len(also) > MOST_NAMES else ""
        caption += f" Near by also: {', '.join(printable(one, 44) for one in also[:MOST_NAMES])}{more}."
    if len(shown) < len(planes):
        caption += f" {len(planes) - len(shown)} of the courses are not shown by themselves."
    panels = "; ".join(title.replace("\n", " ") for title, _ in shown)
    on = "CT" if ct is not None else "outlines"
    return Figure(caption, f"Axial slice on {on} through the hottest point of {name} ({at} mm), from left to right: {panels}.", png=png)


def dose_planes(spot: HotSpot, result: OrganResult, case: Case, x: Float64, y: Float64) -> list[tuple[str, Float32]]:
    """Physical dose (ny, nx) of each course with dose that is registered, and last the EQD2 of these, each with its title; NaN where unknown."""
    assert result.sum is not None
    dose = result.sum.dose
    points = np.column_stack([np.tile(x, y.size), np.repeat(y, x.size), np.full(x.size * y.size, spot.point_mm[2])])
    numbers = list(dict.fromkeys(dose.course.tolist()))
    if not numbers:
        return []
    gy = np.concatenate([course_dose(case.courses[k], points, case.transforms[k], case.interpolation) for k in numbers])
    here = replace(dose, volumes_cc=np.ones(len(points)), dose_gy=gy, edge_gy=np.zeros((len(gy), 0), np.float32), points_mm=None, edge_points_mm=None)
    shape = (y.size, x.size)
    planes = [(f"{drawable(case.courses[k].name, 26)}\nphysical", here.physical(k).dose_gy.reshape(shape)) for k in numbers]
    total = here.eqd2(spot.alpha_beta_gy).dose_gy.reshape(shape)
    if len(numbers) == len(case.courses) > 1:
        of = "Sum"
    else:
        of = drawable(case.courses[numbers[0]].name, 26) if len(numbers) == 1 else "Sum of courses with dose here"
    return [*planes, (f"{of}\nEQD2, α/β {spot.alpha_beta_gy:g} Gy", total)]


def ct_plane(ct: CtVolume, x: Float64, y: Float64, z: float) -> Float64:
    """HU (ny, nx) of a CT at an axial plane, linear between voxels; NaN outside."""
    points = np.column_stack([np.tile(x, y.size), np.repeat(y, x.size), np.full(x.size * y.size, z)])
    local = ct.grid.to_local(points)
    lines = (ct.grid.w_mm, ct.grid.v_mm, ct.grid.u_mm)
    indices = [np.interp(local[:, 2 - a], line, np.arange(line.size), left=np.nan, right=np.nan) for a, line in enumerate(lines)]
    inside = np.all(np.isfinite(indices), axis=0)
    out = np.full(len(points), np.nan)
    out[inside] = ndimage.map_coordinates(ct.hu, [i[inside] for i in indices], order=1)
    return np.asarray(out.reshape(y.size, x.size))


def _pixels(spot_mm: Float64, contours: Sequence[Float64]) -> tuple[Float64, Float64]:
    """Pixel centres along x and y: around the hot spot, moved so that the picture shows no more than need be of what lies outside all contours (N, 2)."""
    all_mm = np.concatenate([spot_mm[None, :2], *contours])
    lines = []
    for axis, half in enumerate((HALF_WIDTH_MM, HALF_HEIGHT_MM)):
        low, high = float(all_mm[:, axis].min()) - MARGIN_MM, float(all_mm[:, axis].max()) + MARGIN_MM
        centre = min(max(float(spot_mm[axis]), low + half), high - half) if high - low > 2 * half else (low + high) / 2
        lines.append(np.arange(centre - half, centre + half + PIXEL_MM / 2, PIXEL_MM))
    return lines[0], lines[1]


def _contours(structure: Structure, z: float) -> list[Float64]:
    """Contours (N, 2) of the plane nearest to a slice."""
    axial = [(float(c.points_mm[0, 2]), c.points_mm[:, :2]) for c in structure.contours if np.ptp(c.points_mm[:, 2]) < 1]
    nearest = min((abs(at - z) for at, _ in axial), default=np.inf)
    if nearest > SAME_PLANE_MM:
        return []
    plane = min((at for at, _ in axial), key=lambda at: abs(at - z))
    return [points for at, points in axial if abs(at - plane) < 0.1]


def _panel(axes: Axes, bar: Axes, title: str, gy: Float32, x: Float64, y: Float64, background: Float64 | None) -> None:
    """One dose on the CT, with its isodose lines, colour bar, scale and directions."""
    extent = (x[0] - PIXEL_MM / 2, x[-1] + PIXEL_MM / 2, y[-1] + PIXEL_MM / 2, y[0] - PIXEL_MM / 2)
    if background is None:
        axes.set_facecolor("white")
    else:
        axes.set_facecolor("black")
        axes.imshow(background, extent=extent, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], interpolation="bilinear")
    colour, behind = ("black", "white") if background is None else ("white", "black")
    halo: Any = [withStroke(linewidth=0.9, foreground=behind)]
    most = float(np.nanmax(gy, initial=0.0))
    axes.set_title(title, fontsize=6.8, pad=2)
    axes.set_xticks([])
    axes.set_yticks([])
    if most >= 0.5:
        wash = np.ma.masked_where(~(gy >= SHOWN_PART * most), gy)
        image = axes.imshow(wash, extent=extent, cmap="viridis", vmin=0, vmax=most, alpha=0.45, interpolation="nearest")
        levels = [v for v in ISODOSES.tick_values(0.0, most) if 0 < v < most]
        lines = axes.contour(x, y, np.nan_to_num(gy), levels=levels, colors=colour, linewidths=0.6)
        axes.clabel(lines, fmt="%g", fontsize=6.3, inline_spacing=1)
        for label in lines.labelTexts:
            label.set_path_effects(halo)
        axes.figure.colorbar(image, cax=bar)
        bar.tick_params(labelsize=5.8, length=2, width=0.5, pad=1.5)
        bar.set_title("Gy", fontsize=6, pad=3)
    else:
        bar.set_axis_off()
        word = "no dose in this slice" if np.isfinite(gy).any() else "dose not known here"
        axes.text(0.5, 0.7, word, transform=axes.transAxes, ha="center", color=colour, fontsize=8, path_effects=halo)
    for sign in _signs(axes, colour):
        sign.set_path_effects(halo)
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])


def _signs(axes: Axes, colour: str) -> list[Text]:
    """Directions of the patient, seen from the feet, and 50 mm."""
    out = []
    for letter, (u, v) in {"R": (0.02, 0.5), "L": (0.98, 0.5), "A": (0.5, 0.97), "P": (0.5, 0.03)}.items():
        across: Any = {0.02: "left", 0.98: "right"}.get(u, "center")
        up: Any = {0.97: "top", 0.03: "bottom"}.get(v, "center")
        out.append(axes.text(u, v, letter, transform=axes.transAxes, color=colour, ha=across, va=up, fontsize=6.5))
    axes.plot([0.04, 0.04 + 25 / HALF_WIDTH_MM], [0.06, 0.06], color=colour, linewidth=1.4, transform=axes.transAxes)
    return [*out, axes.text(0.04, 0.08, "50 mm", transform=axes.transAxes, color=colour, fontsize=5.8, va="bottom")]


def _png(canvas: Canvas) -> bytes:
    """PNG of few colours, without metadata."""
    drawn = io.BytesIO()
    canvas.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB").quantize(N_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
