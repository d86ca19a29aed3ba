"""A calculation of schedules for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reirrad.calculator import Calculation, Effect, LimitLeft

__all__ = ["render_calculation"]

NOTE = "Decision support for professionals, not a medical device: check independently before use."


def render_calculation(found: Calculation, console: Console) -> None:
    """Print schedules, their sum, and what a limit leaves."""
    console.print(_schedules(found))
    if found.half_time_h is not None and found.complete_repair is not None:
        console.print(Text(f"Incomplete repair within a day: half time {found.half_time_h:g} h. It counts in the sum and in what remains."))
    if found.limit is not None:
        console.print(Text(_limit(found.limit), style="bold red" if found.limit.status == "exceeded" else "bold"))
        console.print(_remaining(found))
        console.print(Text("Remaining doses are for one fraction a day with complete repair: a budget by arithmetic, not a prescription."))
    console.print(Text(NOTE, style="dim"))


def _schedules(found: Calculation) -> Table:
    repair = found.complete_repair is not None
    table = Table(box=box.SIMPLE_HEAD, title=f"BED and EQD2 in Gy at α/β {found.alpha_beta_gy:g} Gy", title_justify="left", pad_edge=False)
    table.add_column("Schedule", overflow="fold")
    for name in ("Gy per fraction", "BED", "EQD2", *(("BED, complete repair", "EQD2, complete repair") if repair else ())):
        table.add_column(name, justify="right")
    for c in found.courses:
        sizes = " + ".join(f"{p.dose_per_fraction_gy:.4g}" for p in c.schedule.parts)
        table.add_row(
            Text(c.schedule.text), sizes, *_cells(c.effect), *(_cells(c.complete_repair or c.effect) if repair else ()), end_section=c is found.courses[-1]
        )
    table.add_row(Text("Sum", style="bold"), "", *_cells(found.total), *(_cells(found.complete_repair) if found.complete_repair else ()))
    return table


def _cells(effect: Effect) -> tuple[str, str]:
    return f"{effect.bed_gy:.2f}", f"{effect.eqd2_gy:.2f}"


def _limit(limit: LimitLeft) -> str:
    start = f"Limit EQD2 {limit.limit_eqd2_gy:g} Gy: "
    if limit.exceeded_by_gy is not None:
        return f"{start}exceeded by {math.ceil(limit.exceeded_by_gy * 100 - 1e-6) / 100:.2f} Gy, nothing remains"
    if limit.remaining_eqd2_gy is None:
        return f"{start}reached, nothing remains"
    return f"{start}EQD2 {_rounded_down(limit.remaining_eqd2_gy, 2)} Gy remain"


def _remaining(found: Calculation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Fractions", "Dose, Gy", "Gy per fraction"):
        table.add_column(name, justify="right")
    for r in found.remaining:
        if r.dose_gy is None or r.dose_per_fraction_gy is None:
            table.add_row(str(r.fractions), "-", r.reason)
        else:
            table.add_row(str(r.fractions), _rounded_down(r.dose_gy, 2), _rounded_down(r.dose_per_fraction_gy, 3))
    return table


def _rounded_down(value: float, decimals: int) -> str:
    """So that the number shown keeps the limit; what is off by rounding alone stays."""
    scale = 10**decimals
    return f"{math.floor(value * scale + 1e-6) / scale:.{decimals}f}"
