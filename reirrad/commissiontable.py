"""Commissioning for the terminal: worst deviations per family, values that miss the goal, and on request every value."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad.commission import Commissioning
from reirrad.commissionvalue import GOAL, Row

__all__ = ["render"]

# Columns of the summary: title, metrics, whether the deviation is given in per cent of the value.
GROUPS = (
    ("volume\n%", ("volume",), True),
    ("Dmax, Dmin\nGy", ("Dmax", "Dmin"), False),
    ("Dmean\nGy", ("Dmean",), False),
    ("D0.03cc\nGy", ("D0.03cc",), False),
    ("D0.1cc\nGy", ("D0.1cc",), False),
    ("D2cc\nGy", ("D2cc",), False),
    ("D95%, D2%\nGy", ("D95%", "D2%"), False),
    ("V_x\n%", ("V_x",), True),
    ("gEUD\nGy", ("gEUD8",), False),
)
LOOK = {True: ("PASS", "green"), False: ("FAIL", "bold red")}
EQD2 = "EQD2 "


def render(result: Commissioning, console: Console, *, full: bool = False) -> None:
    """Print the result."""
    console.print(Text("Commissioning: truth against computed", style="bold"))
    console.print(Text("  " + ", ".join(f"{name} {version}" for name, version in result.versions.items())))
    console.print(Text("  Truth: closed form of the slabs that the contours mean. Doses up to 2 Gy/mm; nothing lies on the dose grid."))
    console.print(Text(f"  Goal: {GOAL}."))
    console.print()
    if full:
        console.print(_every(result.rows))
    console.print(_summary(result))
    missed = [row for row in result.rows if not row.passed]
    for row in missed:
        line = f"FAIL {row.family}, {row.phantom}: {row.metric} {_number(row.computed)} {row.unit}, truth {_number(row.truth)}"
        console.print(Padding(Text(line, style="red"), (0, 0, 0, 2)))
    word, style = LOOK[result.passed]
    n_met = len(result.rows) - len(missed)
    counted = f"{n_met} of {len(result.rows)} values of {result.n_phantoms} phantoms and a case in files meet the goal ({result.seconds:.0f} s)"
    console.print(Text.assemble((word, style), f"  {counted}"))


def _summary(result: Commissioning) -> Table:
    """Largest deviation per family: physical doses, then cumulative EQD2."""
    table = Table(box=box.SIMPLE_HEAD, title="Largest deviation from the truth", title_justify="left", pad_edge=False)
    table.add_column("Phantoms")
    table.add_column("values", justify="right")
    for title, _, _ in GROUPS:
        table.add_column(title, justify="right")
    table.add_column("Result")
    for name, rows in _sorted(result.rows):
        word, style = LOOK[all(row.passed for row in rows)]
        table.add_row(name, str(len(rows)), *(_worst(rows, metrics, percent) for _, metrics, percent in GROUPS), Text(word, style=style))
    return table


def _sorted(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        size = " to 0.1 cc" if row.small else ""
        name = f"{row.family}{size}{', EQD2 of two courses' if row.metric.startswith(EQD2) else ''}"
        groups.setdefault(name, []).append(row)
    return sorted(groups.items(), key=lambda item: EQD2.strip() in item[0])


def _worst(rows: list[Row], metrics: tuple[str, ...], percent: bool) -> str:
    found = [
        abs(r.deviation) * (100 / abs(r.truth) if percent and r.truth else 1) for r in rows if r.metric.removeprefix(EQD2) in metrics and r.truth is not None
    ]
    if not found:
        return "–"
    worst = max(found)
    return "not defined" if math.isinf(worst) else f"{worst:.3f}" if worst >= 5e-4 else "0.000"


def _every(rows: Iterable[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Every value", title_justify="left", pad_edge=False)
    for title in ("Solid", "Phantom", "Metric"):
        table.add_column(title, overflow="fold")
    for title in ("Truth", "Computed", "Deviation", "Solid as drawn", "Unit"):
        table.add_column(title, justify="right")
    table.add_column("Result")
    for row in rows:
        word, style = LOOK[row.passed]
        deviation = f"{row.deviation:+.5f}" if row.truth is not None and row.computed is not None else "–"
        cells = (
            row.family,
            row.phantom,
            row.metric,
            _number(row.truth),
            _number(row.computed),
            deviation,
            "–" if row.ideal is None else _number(row.ideal),
            row.unit,
        )
        table.add_row(*cells, Text(word, style=style))
    return table


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.5g}"
