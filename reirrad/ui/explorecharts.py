"""Figures of the Explore page: the highest dose by number of fractions, and what schedules do to the tumour beside how much of a limit they use.

What differs in colour differs in form too. Each figure comes with the same in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal

import plotly.graph_objects as go

from reirrad.errors import printable
from reirrad.exploration import Exploration, IsotoxicRow
from reirrad.explorationdocument import row_effects, row_status
from reirrad.limit import Limit
from reirrad.options import AskedSchedule
from reirrad.optionsheet import binding_words, dose_words, limit_words
from reirrad.tumour import Tumour, TumourEffect
from reirrad.ui.exploring import Use

__all__ = ["Point", "effect_chart", "highest_chart"]

Kind = Literal["plan", "sliders", "option"]
MANDATORY, OPTIONAL, HERE, INK, GRID = "#0b5fa5", "#8a4b00", "#a11d00", "#1f2430", "#e3e6ec"
FONT: Final = {"family": "sans-serif", "size": 13, "color": INK}
# Symbols of one and of two fractions a day; hollow where the dose is not shown to meet every mandatory limit.
SYMBOLS: Final = {"met": ("circle", "square"), "not_evaluable": ("circle-open", "square-open"), "nothing_left": ("x", "x")}
MARKS: Final[dict[Kind, tuple[str, str, str]]] = {
    "plan": ("square", INK, "as planned"), "sliders": ("diamond", HERE, "the sliders"), "option": ("circle", MANDATORY, "option"),
}  # fmt: skip
MOST_PERCENT: Final = 300.0
HOVER: Final = "%{hovertext}<extra></extra>"


@dataclass(frozen=True, slots=True)
class Point:
    """One schedule beside what it uses of a limit."""

    kind: Kind
    title: str
    effect: TumourEffect
    use: Use | None


def highest_chart(exploration: Exploration, asked: AskedSchedule, planned: AskedSchedule | None) -> tuple[go.Figure, str] | None:
    """Highest dose by number of fractions; None where no schedule was calculated.

    Parameters
    ----------
    asked : AskedSchedule
        Where the sliders stand.
    """
    if not exploration.rows:
        return None
    figure = _figure("Number of fractions", "Dose of all fractions, Gy")
    said = []
    for interval_h in sorted({row.choice.interval_h or 0.0 for row in exploration.rows}):
        rows = [row for row in exploration.rows if (row.choice.interval_h or 0.0) == interval_h]
        often = f", twice a day, {interval_h:g} h" if interval_h else ""
        mandatory = [row for row in rows if math.isfinite(row.dose_gy)]
        optional = [row for row in rows if math.isfinite(row.optimal_dose_gy) and row.optimal_scale != row.scale]
        if mandatory:
            figure.add_trace(_line(mandatory, f"mandatory limits{often}", optimal=False))
        if optional:
            figure.add_trace(_line(optional, f"optimal limits too{often}", optimal=True))
        said += [f"{row.choice.title}: {dose_words(row.dose_gy)}{'' if math.isinf(row.dose_gy) or not row.dose_gy else ' Gy'}" for row in rows]
    for kind, schedule in (("plan", planned), ("sliders", asked)):
        if schedule is not None:
            symbol, colour, words = MARKS["plan" if kind == "plan" else "sliders"]
            hover = f"{words.capitalize()}: {schedule.dose_gy:g} Gy in {schedule.choice.title}<extra></extra>"
            marker = {"symbol": symbol, "size": 12, "color": colour, "line": {"width": 1.5, "color": "white"}}
            figure.add_trace(go.Scatter(x=[schedule.choice.fractions], y=[schedule.dose_gy], mode="markers", name=words, marker=marker, hovertemplate=hover))
    figure.update_yaxes(rangemode="tozero")
    return figure, f"Highest dose that meets every mandatory limit, by number of fractions. {'; '.join(said)}."


def _line(rows: Sequence[IsotoxicRow], name: str, *, optimal: bool) -> go.Scatter:
    """Curve of the highest doses of one kind; what sets each of them is said where the pointer is."""
    several = rows[0].choice.interval_h is not None
    texts = [_hover(row, optimal=optimal) for row in rows]
    symbols = [SYMBOLS[row_status(row)][several] if not optimal else "triangle-up" for row in rows]
    colour = OPTIONAL if optimal else MANDATORY
    return go.Scatter(
        x=[row.choice.fractions for row in rows],
        y=[row.optimal_dose_gy if optimal else row.dose_gy for row in rows],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2, "dash": "dash" if optimal else "dot" if several else "solid"},
        marker={"symbol": symbols, "size": 7, "color": colour},
        hovertext=texts,
        hovertemplate=HOVER,
    )


def _hover(row: IsotoxicRow, *, optimal: bool) -> str:
    bound, dose = (row.optimal_binding, row.optimal_dose_gy) if optimal else (row.binding, row.dose_gy)
    lines = [f"<b>{'nothing left' if dose == 0 else f'{dose_words(dose)} Gy'}</b> in {row.choice.title}"]
    if dose:
        lines.append(f"{dose_words(dose / row.choice.fractions)} Gy per fraction{', beyond the range of the LQ model' if row.is_beyond_lq else ''}")
    if bound is not None:
        lines.append(f"set by {_safe(binding_words(bound))}")
        lines.append(_safe(_limit_words(bound.limit)))
    if row_status(row) == "not_evaluable":
        lines.append("some mandatory limits cannot be checked")
    return "<br>".join(lines)


def _limit_words(limit: Limit) -> str:
    sign = limit.comparator.replace("<=", "≤").replace(">=", "≥")
    return f"{limit_words(limit)} {sign} {limit.limit:g} {limit.unit} ({limit.level})"


def effect_chart(points: Sequence[Point], exploration: Exploration, tumour: Tumour) -> tuple[go.Figure, str] | None:
    """EQD2 of the tumour beside the part of a limit that the worst organ uses; None where nothing can be drawn.

    The highest doses lie at 100 % by what they are; they are drawn as well, with their numbers of fractions.
    """
    alpha_beta = tumour.alpha_betas_gy[0]
    drawn = [(p, p.use, p.effect.eqd2_gy) for p in points if p.use is not None and p.effect.eqd2_gy is not None]
    if not drawn:
        return None
    figure = _figure("Of the limit of the worst organ, %", f"Tumour EQD2, α/β {alpha_beta:g}, Gy")
    highest = [(row, found[0].eqd2_gy) for row in exploration.rows if row_status(row) == "met" and (found := row_effects(row, tumour)) is not None]
    shown = [(row, gy) for row, gy in highest if gy is not None and not row.is_beyond_lq]
    if shown:
        hover = [
            f"Highest dose: {dose_words(row.dose_gy)} Gy in {row.choice.title}<br>tumour EQD2 {gy:.2f} Gy<br>{_safe(binding_words(row.binding))}"
            for row, gy in shown
        ]
        marker = {"symbol": "line-ew-open", "size": 12, "color": MANDATORY, "line": {"width": 2}}
        y = [gy for _, gy in shown]
        figure.add_trace(go.Scatter(x=[100.0] * len(y), y=y, mode="markers", name="highest doses", marker=marker, hovertext=hover, hovertemplate=HOVER))
    for kind, (symbol, colour, words) in MARKS.items():
        these = [(p, use, gy) for p, use, gy in drawn if p.kind == kind]
        if these:
            titles = [_safe(p.title) for p, _, _ in these] if kind == "option" else None
            figure.add_trace(
                go.Scatter(
                    x=[min(use.percent, MOST_PERCENT) for _, use, _ in these],
                    y=[gy for _, _, gy in these],
                    mode="markers" if titles is None else "markers+text",
                    name="options" if kind == "option" else words,
                    text=titles,
                    textposition="top center",
                    marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 1.5, "color": "white"}},
                    hovertext=[_point_hover(p, use, gy) for p, use, gy in these],
                    hovertemplate=HOVER,
                )
            )
    line = {"color": HERE, "width": 1.5, "dash": "dash"}
    shape = {"type": "line", "x0": 100, "x1": 100, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    label = {"text": "limit", "x": 100, "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "top", "showarrow": False, "font": {"color": HERE}}
    figure.update_layout(shapes=[shape], annotations=[label])
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    said = "; ".join(
        f"{p.title}: {gy:.2f} Gy, {_percent(use)} of {use.finding.limit.id} of {use.finding.structure or use.finding.limit.organ}" for p, use, gy in drawn
    )
    return figure, printable(f"EQD2 of the tumour at α/β {alpha_beta:g} against the part of its limit that the worst organ uses. {said}.", 3000)


def _point_hover(point: Point, use: Use, eqd2_gy: float) -> str:
    finding = use.finding
    value = "" if finding.judged_value is None else f": {finding.judged_value:.2f} {finding.limit.unit}"
    organ = printable(finding.structure or finding.limit.organ, 40)
    return "<br>".join(
        (f"<b>{_safe(point.title)}</b>", f"tumour EQD2 {eqd2_gy:.2f} Gy", f"{_percent(use)} of {_safe(organ)}", _safe(_limit_words(finding.limit) + value))
    )


def _percent(use: Use) -> str:
    """Part of a limit; what lies beyond the figure as such."""
    return f"{use.percent:.0f} %" if use.percent <= MOST_PERCENT else f"more than {MOST_PERCENT:g} %"


def _safe(text: str) -> str:
    """Text for labels of figures, which take tags and entities."""
    return escape(printable(text, 200))


def _figure(x: str, y: str) -> go.Figure:
    axis: dict[str, Any] = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": INK, "ticks": "outside"}
    figure = go.Figure()
    figure.update_layout(
        font=FONT, paper_bgcolor="white", plot_bgcolor="white", height=380, margin={"l": 60, "r": 16, "t": 12, "b": 50}, hovermode="closest",
        legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"}, showlegend=True,
    )  # fmt: skip
    figure.update_xaxes(**axis, title={"text": x, "standoff": 8})
    figure.update_yaxes(**axis, title={"text": y, "standoff": 8})
    return figure
