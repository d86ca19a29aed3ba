"""Line and bar figures of a report, as SVG: the same bytes for the same input, readable in black and white.

Letters are drawn as paths, so that no font has to be there. Colours are those of Okabe and Ito; dashes and hatches tell the same without them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import findfont, get_font

from reirrad.course import Case
from reirrad.dvh import Dvh
from reirrad.errors import printable
from reirrad.evaluation import Finding
from reirrad.hotspot import HotSpot
from reirrad.organresult import OrganResult
from reirrad.reportmodel import Figure

__all__ = ["MOST_BARS", "bar_svg", "contribution_figure", "drawable", "dvh_curve", "dvh_figure"]

# Okabe and Ito: blue, vermillion, green, orange, purple; the sum is black. There are more dashes and hatches, so that the sixth course differs from the first.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7")
DASHES: Final = ((0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 4)), (0, (1, 4)), (0, (12, 2, 1, 2)))
HATCHES: Final = ("////", "\\\\\\\\", "----", "||||", "xxxx", "....", "++++")
STYLE: Final[Any] = {
    "svg.fonttype": "path", "svg.hashsalt": "reirrad",
    "font.family": "DejaVu Sans", "font.size": 7.5, "axes.linewidth": 0.6, "lines.linewidth": 1.2,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "hatch.linewidth": 0.5, "path.simplify": True,
    "text.usetex": False, "text.parse_math": False,
}  # fmt: skip
N_CURVE = 81  # points of a curve
NOTHING_GY = 0.05  # a curve that ends below this is not drawn
MOST_BARS: Final = 36  # on a page
LEGEND_COLUMNS = 3


def drawable(text: object, most: int) -> str:
    """Text of limited length in letters that the font has; a box for each other one.

    >>> drawable("Ωрган 臓器", 20)
    'Ωрган □□'
    """
    return "".join(c if ord(c) in _letters() else "□" for c in printable(text, most))


@cache
def _letters() -> frozenset[int]:
    """Characters that DejaVu Sans, which comes with the drawing library, has."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def dvh_curve(dvh: Dvh, n: int = N_CURVE) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Cumulative dose-volume curve of the known part: doses (n,) in Gy, zero to maximum, and the volume (n,) in % of the structure that reaches each."""
    known = dvh.known()
    if known.dose_gy.size == 0:
        return np.zeros(0), np.zeros(0)
    order = np.argsort(known.dose_gy, kind="stable")
    above = np.append(np.cumsum(known.volumes_cc[order][::-1])[::-1], 0.0)
    at = np.linspace(0.0, known.max_gy(), n)
    return at, 100 * above[np.searchsorted(known.dose_gy[order], at)] / dvh.volume_cc


def dvh_figure(result: OrganResult, case: Case, findings: Sequence[Finding]) -> Figure | None:
    """DVHs of an organ: physical dose of each course, EQD2 of all; limits of the sum as lettered triangles.

    None where nothing is known at points.
    """
    if result.sum is None or result.sum.dose.course.size == 0:
        return None
    dose = result.sum.dose
    curves = [(k, dvh_curve(dose.physical(k))) for k in dict.fromkeys(dose.course.tolist())]
    curves += [(k, dvh_curve(own.physical(0))) for k, own in result.sum.own.items() if own is not None]
    total = dvh_curve(dose.eqd2(result.alpha_beta_gy))
    if total[0].size == 0 or total[0][-1] < NOTHING_GY:
        return None
    unknown = [k for k, c in enumerate(case.courses) if c.is_on_paper or k in case.unregistered]
    marks = _marks(result, findings)[:8]
    with mpl.rc_context(STYLE):
        n_lines = 1 + len(curves) + len(marks)
        height = 1.97 + 0.125 * ((n_lines + 1) // 2)
        canvas = Canvas(figsize=(3.45, height))
        axes = canvas.add_axes((0.125, 1 - 1.57 / height, 0.83, 1.37 / height))
        for k, (x, y) in sorted(curves, key=lambda one: one[0]):
            if x.size and x[-1] >= NOTHING_GY:
                axes.plot(x, y, color=COLOURS[k % len(COLOURS)], linestyle=DASHES[k % len(DASHES)], label=drawable(case.courses[k].name, 26))
        axes.plot(*total, color="black", label=f"sum{' of known' if unknown else ''}, EQD2 α/β {result.alpha_beta_gy:g} Gy")
        for letter, (x_gy, percent, words) in zip("abcdefgh", marks, strict=False):
            axes.plot(
                [x_gy], [percent], marker=">", color="black", markerfacecolor="white", markersize=5, linestyle="none", clip_on=False, label=f"{letter}: {words}"
            )
            axes.annotate(letter, (x_gy, percent), xytext=(4, 3), textcoords="offset points", fontsize=7.5, annotation_clip=False)
        axes.set_xlim(0, 1.04 * max([total[0][-1], *(x[-1] for _, (x, _) in curves if x.size), *(m[0] for m in marks)]))
        axes.set_ylim(0, 103)
        axes.set_xlabel("Dose (Gy): courses physical, sum EQD2", labelpad=1)
        axes.set_ylabel("Volume (%)", labelpad=1)
        axes.set_title(drawable(result.name, 44), fontsize=8.5, fontweight="bold", loc="left", pad=4)
        axes.legend(
            fontsize=6.5,
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0.0, 0.0),
            bbox_transform=canvas.transFigure,
            ncols=2,
            handlelength=2.6,
            columnspacing=1.0,
            borderpad=0.1,
            labelspacing=0.3,
        )
        svg = _svg(canvas)
    drawn = ", ".join(printable(case.courses[k].name, 30) for k, _ in sorted(curves, key=lambda one: one[0]))
    summed = "the courses known at its points" if unknown else "all courses"
    alt = f"Dose-volume histogram of {printable(result.name, 44)}: physical dose of {drawn}; EQD2 of {summed}, up to {total[0][-1]:.1f} Gy."
    return Figure("", alt, svg)


def _marks(result: OrganResult, findings: Sequence[Finding]) -> list[tuple[float, float, str]]:
    """Limits of the EQD2 of all courses that are a point of this curve: dose, volume in %, words."""
    out: dict[tuple[float, float], str] = {}
    for f in findings:
        limit, metric = f.limit, f.limit.metric
        if f.structure != result.name or limit.scope != "cumulative" or limit.quantity != "EQD2" or limit.alpha_beta_gy != result.alpha_beta_gy:
            continue
        if limit.unit != "Gy" or metric.kind not in ("max", "dose_at_volume") or not result.volume_cc:
            continue
        argument = metric.argument or 0.0
        percent = argument if metric.argument_unit == "%" else 100 * argument / result.volume_cc
        if percent <= 100:
            out.setdefault((limit.limit, percent), f"{metric} {limit.comparator.replace('<=', '≤')} {limit.limit:g} Gy")
    return [(x, y, words) for (x, y), words in sorted(out.items())]


def contribution_figure(spots: Sequence[HotSpot], case: Case) -> Figure | None:
    """EQD2 at the hottest point of each organ, stacked by course, of the first `MOST_BARS` organs. None without organs."""
    if not spots:
        return None
    spots = spots[:MOST_BARS]
    with mpl.rc_context(STYLE):
        given = [k for k in range(len(case.courses)) if any(s.course_eqd2_gy[k] for s in spots)]
        above = 0.12 + 0.15 * -(-len(given) // LEGEND_COLUMNS)
        height = above + 0.21 * len(spots) + 0.42
        canvas = Canvas(figsize=(7.1, height))
        axes = canvas.add_axes((0.24, 0.42 / height, 0.74, 0.21 * len(spots) / height))
        left = np.zeros(len(spots))
        for k in given:
            width = np.array([s.course_eqd2_gy[k] or 0.0 for s in spots])
            look: Any = {"facecolor": "white", "edgecolor": COLOURS[k % len(COLOURS)], "hatch": HATCHES[k % len(HATCHES)], "linewidth": 0.8}
            axes.barh(np.arange(len(spots)), width, 0.68, left, label=drawable(case.courses[k].name, 30), **look)
            left += width
        for row, spot in enumerate(spots):
            words = f"{'' if spot.is_complete else '≥ '}{spot.eqd2_gy:.1f}"
            axes.annotate(words, (left[row], row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
        axes.set_yticks(np.arange(len(spots)), [drawable(s.structure, 26) for s in spots])
        axes.set_ylim(len(spots) - 0.5, -0.5)
        axes.set_xlim(0, 1.1 * max(float(left.max()), 1.0))
        axes.set_xlabel("EQD2 at the hottest point (Gy), at the α/β of each organ", labelpad=1)
        if given:
            at: Any = {"loc": "upper left", "bbox_to_anchor": (0.0, 1.0), "bbox_transform": canvas.transFigure, "borderaxespad": 0.1}
            axes.legend(ncols=LEGEND_COLUMNS, fontsize=7, frameon=False, handlelength=2.5, labelspacing=0.3, **at)
        svg = _svg(canvas)
    return Figure("", "Stacked bars: EQD2 of each course at the hottest point of each organ; the same numbers stand in the table.", svg)


def bar_svg(value: float, limit: float, low: float | None = None, high: float | None = None, *, is_floor: bool = False) -> str:
    """Value against its limit: a grey bar as long as the value, its band as a line with ends, the limit as a black upright line.

    The scale ends at one and a half limits; a longer bar ends in an arrow. Beyond the limit the bar is hatched.

    Parameters
    ----------
    low, high : float, optional
        Band.
    is_floor : bool
        The value should be above its limit; then the part below the limit is not hatched.

    >>> bar_svg(30, 60).count("<rect")
    1
    """
    width, height, most = 96.0, 14.0, 1.5 * limit

    def x(gy: float) -> float:
        return round(min(max(gy, 0.0), most) / most * (width - 8), 2) if most > 0 else 0.0

    end, at = x(value), x(limit)
    parts = [f'<rect x="0" y="3" width="{end if is_floor else min(end, at)}" height="8" fill="#9a9a9a"/>']
    if not is_floor and end > at:
        parts.append(f'<rect x="{at}" y="3" width="{round(end - at, 2)}" height="8" fill="#ffffff" stroke="#000000" stroke-width="0.8"/>')
        parts += [
            f'<path d="M{round(s, 2)} 11l{round(min(4.0, end - s), 2)} -8" stroke="#000000" stroke-width="0.8"/>' for s in np.arange(at, end, 4.0).tolist()
        ]
    if value > most:
        parts.append(f'<path d="M{width - 8} 3l7 4l-7 4z" fill="#000000"/>')
    if low is not None and high is not None:
        a, b = x(low), x(high)
        parts.append(f'<path d="M{a} 7H{b}M{a} 4.5v5M{b} 4.5v5" stroke="#000000" stroke-width="1.2" fill="none"/>')
    parts.append(f'<path d="M{at} 0v14" stroke="#000000" stroke-width="2"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}">{"".join(parts)}</svg>'


def _svg(canvas: Canvas) -> str:
    """SVG document without date and program."""
    out = io.StringIO()
    canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return re.sub(r"^<\?xml.*?(?=<svg)", "", text, flags=re.DOTALL)
