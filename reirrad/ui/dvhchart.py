"""Dose-volume histograms of one organ with its limits as marks, and what each course gives at the hottest point of every organ: figures for the screen.

Courses differ by line style and hatching as well as by colour. Everything is EQD2 at the alpha/beta that the title names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any, Final

import plotly.graph_objects as go

from reirrad.course import Case
from reirrad.dvh import Dvh
from reirrad.errors import printable
from reirrad.evaluation import Finding
from reirrad.hotspot import HotSpot
from reirrad.metrics import Metric
from reirrad.organresult import OrganResult
from reirrad.reportfigures import COLOURS, NOTHING_GY, dvh_curve
from reirrad.reportmodel import LOOK
from reirrad.situation import Status

__all__ = ["MOST_ORGANS", "Mark", "contribution_chart", "dvh_chart", "limit_marks"]

DASHES: Final = ("dash", "dot", "dashdot", "longdash", "longdashdot", "8px,2px,2px,2px", "2px,6px")
HATCHES: Final = ("/", "\\", "-", "|", "x", ".", "+")
SYMBOLS: Final[dict[Status, str]] = {"pass": "triangle-left", "caution": "triangle-up", "exceed": "octagon", "not_evaluable": "diamond"}
MARKED: Final[dict[Status, str]] = {"pass": "#00573f", "caution": "#7a4a00", "exceed": "#a11d00", "not_evaluable": "#5b2a86"}
MOST_ORGANS: Final = 14  # in one figure of contributions
LEGEND_COLUMNS: Final = 2
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Mark:
    """A limit as a point beside a histogram: what lies to the right of it and above exceeds the limit."""

    dose_gy: float
    percent: float
    words: str
    status: Status


def limit_marks(result: OrganResult, findings: Sequence[Finding]) -> tuple[list[Mark], int]:
    """Limits of the EQD2 of all courses at the alpha/beta of the organ that are a point of its histogram.

    Returns
    -------
    list of Mark, int
        By dose; and how many limits of the structure are no such point (another quantity or alpha/beta, one course, a mean).
    """
    marks: dict[tuple[float, float], Mark] = {}
    n_other = 0
    for f in findings:
        if f.structure != result.name:
            continue
        at = None
        if f.limit.scope == "cumulative" and f.limit.quantity == "EQD2" and f.limit.alpha_beta_gy == result.alpha_beta_gy and f.limit.comparator != ">=":
            at = _place(f.limit.metric, f.limit.limit, f.limit.unit, result.volume_cc)
        if at is None:
            n_other += 1
            continue
        comparator = f.limit.comparator.replace("<=", "≤")
        marks.setdefault(at, Mark(*at, f"{f.limit.metric} {comparator} {f.limit.limit:g} {f.limit.unit}", f.status))
    return [marks[at] for at in sorted(marks)], n_other


def _place(metric: Metric, limit: float, unit: str, volume_cc: float | None) -> tuple[float, float] | None:
    """Dose, Gy, and volume, %, of a limit; None where it is no point of a histogram."""
    if not volume_cc:
        return None
    percent: float | None = None
    dose_gy = limit
    match metric.kind:
        case "max":
            percent = 0.0
        case "dose_at_volume" if metric.argument is not None:
            percent = metric.argument if metric.argument_unit == "%" else 100 * metric.argument / volume_cc
        case "volume_at_dose" if metric.argument is not None:
            dose_gy, percent = metric.argument, limit if unit == "%" else 100 * limit / volume_cc
    return None if percent is None or percent > 100 else (dose_gy, percent)


def dvh_chart(result: OrganResult, case: Case, findings: Sequence[Finding]) -> tuple[go.Figure, str] | None:
    """Histograms of an organ, and the same in words for those who cannot see them; None where nothing is known at points."""
    if result.sum is None or result.sum.dose.course.size == 0:
        return None
    dose, ab = result.sum.dose, result.alpha_beta_gy
    curves = {int(k): dose.eqd2(ab, int(k)) for k in dict.fromkeys(dose.course.tolist())}
    curves |= {k: own.eqd2(ab, 0) for k, own in result.sum.own.items() if own is not None}
    total = _total(case)
    of_sum = _curve(dose.eqd2(ab), _capital(total), "#000000", "solid", 3.0)
    drawn = [*(_curve(curves[k], _name(case, k), COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)], 2.0) for k in sorted(curves)), of_sum]
    if result.kept is not None:
        drawn.append(_curve(dose.eqd2(ab, None, result.kept), "The same, after recovery", "#555555", "4px,3px", 3.0))
    marks, n_other = limit_marks(result, findings)
    data = [line for line in drawn if line is not None] + [_mark(letter, mark) for letter, mark in zip(LETTERS, marks, strict=False)]
    most = max([*(line["x"][-1] for line in drawn if line is not None), *(m.dose_gy for m in marks), 1.0])
    below = 62 + 21 * -(-len(data) // LEGEND_COLUMNS)
    layout = _layout(f"{escape(printable(result.name, 44))}: EQD2 at α/β {ab:g} Gy", f"EQD2 at α/β {ab:g} Gy (Gy)", 1.05 * most)
    layout["yaxis"] |= {"title": {"text": "Volume (%)"}, "range": [0, 103]}
    layout["height"], layout["margin"]["b"] = 390 + below, below
    layout["legend"] |= {"yref": "container", "yanchor": "bottom", "y": 0.0, "entrywidth": 0.48, "entrywidthmode": "fraction"}
    if n_other:
        text = f"{n_other} limit{'s' if n_other > 1 else ''} of this organ: no point here (of one course, a mean, another α/β ...)"
        layout["annotations"] = [_note(text, 1, 1, xref="paper", yref="paper", xanchor="right", yanchor="bottom", font={"size": 11.5, "color": "#4d5761"})]
    end = 0.0 if of_sum is None else of_sum["x"][-1]
    said = "; ".join(f"{m.words}: {LOOK[m.status][1]}" for m in marks) or "none"
    names = ", ".join(printable(case.courses[k].name, 30) for k in sorted(curves))
    alt = (
        f"Dose-volume histogram of {printable(result.name, 44)}, EQD2 at alpha/beta {ab:g} Gy, of {names} and of {unescape(total)}, up to {end:.1f} Gy. "
        f"Limits as marks: {said}. The table of limits holds the same numbers."
    )
    return go.Figure(data, layout), alt


def contribution_chart(spots: Sequence[HotSpot], case: Case) -> tuple[go.Figure, str] | None:
    """EQD2 at the hottest point of organs, stacked by course, in the order given, and the same in words; None without organs."""
    if not spots:
        return None
    rows = list(range(len(spots)))
    data = [_bar(case, k, [s.course_eqd2_gy[k] or 0.0 for s in spots]) for k in range(len(case.courses)) if any(s.course_eqd2_gy[k] for s in spots)]
    across = "EQD2 (Gy) without recovery"
    missing = f"; {_total(case)}" if _unknown(case) else ""
    layout = _layout("Hottest point of each organ, by course", f"{across}{missing}", 1.14 * max([*(s.eqd2_gy for s in spots), 1.0]))
    labels = [f"{escape(printable(s.structure, 24))} (α/β {s.alpha_beta_gy:g})" for s in spots]
    layout["yaxis"] |= {"tickvals": rows, "ticktext": labels, "range": [len(spots) - 0.5, -0.5], "automargin": True}
    layout |= {"barmode": "stack", "bargap": 0.28, "height": 150 + 27 * len(spots)}
    layout["legend"] |= {"yanchor": "bottom", "y": 1.0, "traceorder": "normal"}
    layout["annotations"] = [
        _note(f"{'' if s.is_complete else '≥ '}{s.eqd2_gy:.1f}", s.eqd2_gy, row, xanchor="left", xshift=4, font={"size": 12})
        for row, s in zip(rows, spots, strict=True)
    ]
    told = "; ".join(f"{printable(s.structure, 24)} {'' if s.is_complete else 'at least '}{s.eqd2_gy:.1f} Gy" for s in spots)
    return go.Figure(data, layout), f"Stacked bars: EQD2 of each course at the hottest point of each organ, without recovery: {told}."


def _unknown(case: Case) -> list[int]:
    """Courses without dose at the points of organs."""
    return [k for k, c in enumerate(case.courses) if c.is_on_paper or k in case.unregistered]


def _total(case: Case) -> str:
    """What the sum at points is of."""
    without = ", ".join(escape(printable(case.courses[k].name, 20)) for k in _unknown(case))
    return f"sum without {without}" if without else "all courses"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _name(case: Case, course: int) -> str:
    own = " (on its own structure)" if course in case.unregistered else ""
    return escape(printable(case.courses[course].name, 30)) + own


def _curve(dvh: Dvh, name: str, colour: str, dash: str, width: float) -> dict[str, Any] | None:
    """One histogram; None where there is nothing to draw."""
    x, y = dvh_curve(dvh)
    if x.size == 0 or x[-1] < NOTHING_GY:
        return None
    return {
        "type": "scatter", "x": [round(v, 3) for v in x.tolist()], "y": [round(v, 4) for v in y.tolist()], "mode": "lines", "name": name,
        "line": {"color": colour, "dash": dash, "width": width}, "hovertemplate": "%{y:.1f} % receive %{x:.2f} Gy or more",
    }  # fmt: skip


def _mark(letter: str, mark: Mark) -> dict[str, Any]:
    """A limit."""
    sign, word = LOOK[mark.status]
    return {
        "type": "scatter", "x": [mark.dose_gy], "y": [mark.percent], "mode": "markers+text", "text": [letter], "textposition": "top right", "cliponaxis": False,
        "name": f"{letter}: {escape(mark.words)} ({sign} {word})", "hovertemplate": "limit at %{x:g} Gy, %{y:.3g} % of the volume",
        "marker": {"symbol": SYMBOLS[mark.status], "size": 11, "color": "#ffffff", "line": {"width": 2, "color": MARKED[mark.status]}},
        "textfont": {"size": 13, "color": MARKED[mark.status]},
    }  # fmt: skip


def _bar(case: Case, course: int, eqd2_gy: list[float]) -> dict[str, Any]:
    """What a course gives."""
    pattern = {"shape": HATCHES[course % len(HATCHES)], "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7, "solidity": 0.22}
    return {
        "type": "bar", "x": eqd2_gy, "y": list(range(len(eqd2_gy))), "orientation": "h", "name": _name(case, course), "hovertemplate": "%{x:.2f} Gy",
        "marker": {"color": COLOURS[course % len(COLOURS)], "line": {"width": 1, "color": "#ffffff"}, "pattern": pattern},
    }  # fmt: skip


def _note(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    return {"text": text, "x": x, "y": y, "showarrow": False, **more}


def _layout(title: str, across: str, most: float) -> dict[str, Any]:
    """What both figures share."""
    grid: dict[str, Any] = {"showgrid": True, "gridcolor": "#e5e8ec", "zeroline": False, "linecolor": "#7d8792", "showline": True, "ticks": "outside"}
    return {
        "title": {"text": title, "font": {"size": 15, "color": "#1b1f24"}, "x": 0, "xref": "paper", "xanchor": "left"},
        "showlegend": True, "legend": {"orientation": "h", "x": 0.0, "font": {"size": 12.5}}, "template": "none", "uirevision": "keep",
        "font": {"family": "Source Sans, sans-serif", "size": 13, "color": "#1b1f24"}, "paper_bgcolor": "#ffffff", "plot_bgcolor": "#ffffff",
        "margin": {"l": 56, "r": 24, "t": 62, "b": 48}, "hoverlabel": {"namelength": -1},
        "xaxis": {**grid, "title": {"text": across}, "range": [0, most]}, "yaxis": dict(grid),
    }  # fmt: skip
