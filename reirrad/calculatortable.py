"""A calculation of schedules for the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reirrad.calculation import Calculation, CourseEffect, LimitLeft, Remaining
from reirrad.effect import Effect
from reirrad.schedule import Schedule

__all__ = ["render_calculation"]

NOTE = "Decision support for professionals, not a medical device: check independently before use."


def render_calculation(found: Calculation, console: Console) -> None:
    """Print schedules, their sum, what a limit leaves, and sensitivities."""
    console.print(_schedules(found))
    for line in _remarks(found):
        console.print(Text(line))
    if found.limit is not None:
        console.print(Text(_limit(found.limit), style="bold red" if found.limit.status == "exceeded" else "bold"))
        console.print(_remaining(found.remaining))
    if found.limit_after_recovery is not None:
        console.print(Text(f"After recovery, only for a limit that is meant for sums after recovery: {_limit(found.limit_after_recovery)}"))
        console.print(_remaining(found.remaining_after_recovery))
    if found.limit is not None:
        console.print(Text("Remaining doses are for one fraction a day with complete repair: a budget by arithmetic, not a prescription."))
    if found.sensitivities:
        console.print(_sensitivities(found))
    console.print(Text(NOTE, style="dim"))


def _schedules(found: Calculation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"BED and EQD2 in Gy at α/β {found.alpha_beta_gy:g} Gy", title_justify="left", pad_edge=False)
    table.add_column("Schedule", overflow="fold")
    beside: list[tuple[str, Effect, Callable[[CourseEffect], Effect | None]]] = []
    if found.complete_repair:
        beside.append(("complete repair", found.complete_repair, lambda c: c.complete_repair))
    if found.without_growth:
        beside.append(("no repopulation", found.without_growth, lambda c: c.without_growth))
    if found.after_recovery:
        beside.append(("after recovery", found.after_recovery, lambda c: c.after_recovery))
    for name in ("Gy per fraction", "BED", "EQD2", *(f"{quantity}, {name}" for name, _, _ in beside for quantity in ("BED", "EQD2"))):
        table.add_column(name, justify="right")
    for c in found.courses:
        others = [cell for _, _, of in beside for cell in _cells(of(c) or c.effect)]
        table.add_row(Text(c.schedule.text), _sizes(c.schedule), *_cells(c.effect), *others, end_section=c is found.courses[-1])
    table.add_row(Text("Sum", style="bold"), "", *_cells(found.total), *(cell for _, total, _ in beside for cell in _cells(total)))
    return table


def _sizes(schedule: Schedule) -> str:
    """Dose per fraction, with what it is multiplied by."""
    if not schedule.has_fractions:
        return "-"
    sizes = " + ".join(f"{p.dose_per_fraction_gy:.4g}" for p in schedule.parts)
    return sizes if schedule.rbe is None else f"{sizes} x {schedule.rbe:g}"


def _remarks(found: Calculation) -> list[str]:
    remarks = []
    when = {
        "within a day": any(c.schedule.interval_h is not None for c in found.courses),
        "while dose is given": any(c.schedule.delivery is not None for c in found.courses),
    }
    if any(when.values()):
        where = " and ".join(text for text, here in when.items() if here)
        remarks.append(f"Incomplete repair {where}: half time {found.half_time_h:g} h. It counts in the sum and in what remains.")
    if found.growth is not None:
        remarks.append(
            f"Repopulation of a tumour: {found.growth.per_day_gy:g} Gy BED a day from day {found.growth.kickoff_days:g} of each course. "
            "Late reacting organs have none: not for limits of organs."
        )
    if found.after_recovery is not None:
        remarks.append("Recovery is an assumption: the sum without it is the result, the sum after it stands beside.")
    return remarks


def _sensitivities(found: Calculation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Other models: sensitivity, not for limits", title_justify="left", pad_edge=False)
    table.add_column("Model and schedules", overflow="fold")
    for name in ("BED", "EQD2", "BED, LQ at the same α/β", "EQD2, LQ at the same α/β"):
        table.add_column(name, justify="right")
    for s in found.sensitivities:
        table.add_row(Text(f"{s.description} (sensitivity, not for limits)"))
        for c, effect, applied in zip(found.courses, s.courses, s.applied, strict=True):
            table.add_row(Text(f"  {c.schedule.text}" if applied else f"  {c.schedule.text} (main model)"), *_cells(effect))
        table.add_row(Text("  Sum", style="bold"), *_cells(s.total), *_cells(s.linear_quadratic), end_section=True)
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


def _remaining(remaining: Sequence[Remaining]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Fractions", "Dose, Gy", "Gy per fraction"):
        table.add_column(name, justify="right")
    for r in remaining:
        if r.dose_gy is None or r.dose_per_fraction_gy is None:
            table.add_row(str(r.fractions), "-", r.reason)
        else:
            table.add_row(str(r.fractions), _rounded_down(r.dose_gy, 2), _rounded_down(r.dose_per_fraction_gy, 3))
    return table


def _rounded_down(value: float, decimals: int) -> str:
    """So that the number shown keeps the limit; what is off by rounding alone stays."""
    scale = 10**decimals
    return f"{math.floor(value * scale + 1e-6) / scale:.{decimals}f}"
