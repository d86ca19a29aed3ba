"""Limits of the library for the terminal: many as a table, one with everything that is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad.disagreements import Disagreement
from reirrad.errors import printable
from reirrad.limit import Limit

__all__ = ["amount", "conditions", "quantity", "recovery", "render_limit", "render_limits", "render_valid"]

# Below this width a table breaks the ids; each limit stands on lines of its own instead.
NARROW = 130

SIGNS = {"<=": "≤", "<": "<", ">=": "≥"}
CLAUSES = {"this_course": "this course", "each_course": "each course", "ratio": "this course over all courses", "interval": "interval"}
RECOVERY = {
    "raw": "for the sum without recovery",
    "built_in": "recovery is built in",
    "discounted": "for a sum after recovery",
    "not_stated": "the source does not say",
}


def render_limits(limits: Sequence[tuple[str, Limit]], console: Console) -> None:
    """Print limits by set: a table, or lines where the terminal is too narrow for one."""
    if not limits:
        console.print(Text("No limit of the library fits."))
        return
    title = "1 limit" if len(limits) == 1 else f"{len(limits)} limits"
    if console.width < NARROW:
        console.print(Text(title))
        _print_lines(limits, console)
        return
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name in ("Id", "Organ", "Metric, quantity, dose of", "Limit", "Conditions", "Level", "Recovery", "Status"):
        table.add_column(name, overflow="fold", no_wrap=name == "Id")
    above = ""
    for name, limit in limits:
        if name != above:
            table.add_row(Text(f"{name}:", style="bold"))
            above = name
        cells = (limit.id, _organ(limit), quantity(limit), amount(limit), "; ".join(conditions(limit)), limit.level, recovery(limit), limit.status)
        table.add_row(*(Text(printable(cell, 200)) for cell in cells))
    console.print(table)


def _print_lines(limits: Sequence[tuple[str, Limit]], console: Console) -> None:
    above = ""
    for name, limit in limits:
        if name != above:
            console.print(Text(f"\n{name}:", style="bold"))
            above = name
        kept = f"recovery {recovery(limit)}" if recovery(limit) else ""
        lines = (f"{_organ(limit)}: {quantity(limit)} {amount(limit)}", "; ".join(filter(None, (*conditions(limit), limit.level, kept, limit.status))))
        console.print(Text(printable(limit.id, 200)))
        for line in lines:
            console.print(Padding(Text(printable(line, 200)), (0, 0, 0, 4)))


def render_limit(name: str, limit: Limit, contradicted_by: Iterable[Disagreement], console: Console) -> None:
    """Print one limit of a set, and what contradicts it."""
    console.print(Text(limit.id, style="bold"))
    lines = {
        "set": name,
        "organ": limit.organ + (", both sides together" if limit.combine_sides else ""),
        "structure": limit.structure,
        "region": limit.region,
        "damage": limit.endpoint,
        "limit": f"{quantity(limit)} {amount(limit)}",
        "conditions": "; ".join(conditions(limit)) or "none",
        "level": limit.level,
        "recovery": RECOVERY[limit.recovery] if recovery(limit) else "",
        "evidence": limit.evidence.replace("_", " "),
        "status": limit.status,
        "source": limit.source,
        "citation": limit.citation,
        "doi": limit.doi or "not seen",
        "note": limit.note,
    }
    grid = Table.grid(padding=(0, 2))
    for key, text in lines.items():
        if text:
            grid.add_row(Text(f"  {key}"), Text(printable(text, 1200)))
    console.print(grid)
    for found in contradicted_by:
        console.print(Text(f"Sources disagree: {found.topic}", style="bold"))
        for value in found.values:
            console.print(Padding(Text(f"{value.source}: {value.says}"), (0, 0, 0, 4)))
        console.print(Padding(Text(f"Here: {found.handling}"), (0, 0, 0, 2)))


def render_valid(name: str, limits: Sequence[Limit], warnings: Sequence[str], console: Console) -> None:
    """Print what a limits file holds."""
    mandatory = sum(limit.level == "mandatory" for limit in limits)
    console.print(Text(f"{printable(name)}: {len(limits)} limit(s), {mandatory} mandatory, no problem found."))
    for warning in warnings:
        console.print(Padding(Text(f"! {printable(warning, 300)}"), (0, 0, 0, 2)))


def quantity(limit: Limit) -> str:
    """Metric, quantity and dose of which courses."""
    kind = "physical" if limit.quantity == "physical" else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    return f"{limit.metric} {kind}, {'all courses' if limit.scope == 'cumulative' else 'this course'}"


def recovery(limit: Limit) -> str:
    """Which sum a limit is for; nothing for one course, where there is none."""
    return limit.recovery.replace("_", " ") if limit.scope == "cumulative" else ""


def amount(limit: Limit) -> str:
    """Comparator, value and where caution begins."""
    caution = "" if limit.caution is None else f" (caution {limit.caution:g})"
    return f"{SIGNS[limit.comparator]} {limit.limit:g} {limit.unit}{caution}"


def conditions(limit: Limit) -> list[str]:
    """Clauses, intervals and numbers of fractions in words."""
    words = [f"{CLAUSES[c.what]} {SIGNS[c.comparator]} {c.limit:g} {c.unit}".rstrip() for c in limit.clauses]
    for what, least, most in (
        ("months between courses", limit.min_interval_months, limit.max_interval_months),
        ("fractions", limit.min_fractions, limit.max_fractions),
    ):
        if least is not None and most is not None:
            words.append(f"{least:g} {what.removesuffix('s') if most == 1 else what}" if least == most else f"{least:g} to {most:g} {what}")
        elif least is not None:
            words.append(f"at least {least:g} {what}")
        elif most is not None:
            words.append(f"at most {most:g} {what}")
    return words


def _organ(limit: Limit) -> str:
    return limit.organ + (", both sides" if limit.combine_sides else "")
