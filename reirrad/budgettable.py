"""What remains, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad.budget import BY_FRACTIONS, LQ_GY, Budget, LimitBudget, holds_for
from reirrad.budgetdocument import NOTE
from reirrad.errors import Notice, printable
from reirrad.limit import Limit
from reirrad.remainingmap import RemainingMap

__all__ = ["render_budget", "tightest"]

# A word and a sign beside each colour, for those who cannot tell the colours apart.
LOOK: Final = {
    "deficit": ("✗ DEFICIT", "bold red"),
    "not_met": ("✗ NOT MET", "bold red"),
    "unlimited": ("✓ no bound", "green"),
    "not_evaluable": ("? not evaluable", "magenta"),
}
CLAUSES: Final = {"this_course": "the new course alone", "each_course": "each course", "ratio": "the new course over the sum"}


def render_budget(
    budget: Budget, screen: Console, *, level: str, all_rows: bool = False, maps: Sequence[RemainingMap] = (), notices: Sequence[Notice] = ()
) -> None:
    """Print what remains: one row per structure, for its tightest limit, or all rows.

    Parameters
    ----------
    level : str
        ``mandatory``: tightest among mandatory limits, where a structure has one; ``all``: among all.
    """
    case, n = budget.case, budget.fractions[0]
    counted = [c.name for c in case.courses if c.kind == "prior"]
    screen.print(Text(f"Case {printable(case.name)}: what is left after {', '.join(printable(c, 40) for c in counted)}", style="bold"))
    if set_aside := [c.name for c in case.courses if c.kind != "prior"]:
        screen.print(Text(f"Not counted, for it is to come: {', '.join(printable(c, 40) for c in set_aside)}", style="dim"))
    rows = list(budget.rows) if all_rows else tightest(budget.rows, n, optimal=level == "all")
    reasons: list[str] = []
    screen.print(_table(budget, rows, reasons))
    for k, reason in enumerate(reasons, 1):
        screen.print(Padding(Text(f"({k}) {printable(reason, 300)}"), (0, 0, 0, 2)))
    if any(a.is_beyond_lq for r in rows for a in r.by_fractions):
        screen.print(Text(f"  * more than {LQ_GY:g} Gy a fraction: beyond the range in which the linear-quadratic (LQ) model is supported"))
    if not all_rows and len(rows) < len(budget.rows):
        screen.print(Text(f"  The tightest limit of each structure in {_fractions(n)}; {len(budget.rows) - len(rows)} more with --all.", style="dim"))
    for found in maps:
        _print_map(found, screen)
    told = list(dict.fromkeys((*budget.notices, *notices)))
    if told:
        screen.print(Text(f"Warnings ({len(told)})", style="bold"))
        for notice in told:
            screen.print(Padding(Text(f"! {printable(notice.message, 600)} ({notice.code})"), (0, 0, 0, 2)))
    screen.print(Text.assemble("Budget: ", _verdict(budget)))
    screen.print(Text(f"{NOTE} Even dose to the whole structure, complete repair between fractions.", style="bold"))
    screen.print(Text("Decision support for professionals, not a medical device: check independently before use.", style="dim"))


def tightest(rows: Sequence[LimitBudget], fractions: int, *, optimal: bool = False) -> list[LimitBudget]:
    """For each structure the limit that leaves least in so many fractions: first deficits, then what is not evaluable, then the least dose."""

    def rank(row: LimitBudget) -> tuple[int, float]:
        left = row.remaining_eqd2_gy
        match row.state:
            case "not_met":
                return 0, -math.inf
            case "deficit":
                return 0, left or 0.0
            case "not_evaluable":
                return 1, 0.0
            case "remains":
                return 2, math.inf if (dose := row.dose_gy(fractions)) is None else dose
            case _:
                return 3, 0.0

    of: dict[tuple[str | None, str], list[LimitBudget]] = {}
    for row in rows:
        of.setdefault((row.structure, row.limit.organ), []).append(row)
    chosen = []
    for here in of.values():
        held = [r for r in here if holds_for(r.limit, fractions)]
        strict = [r for r in held if r.limit.level == "mandatory"]
        chosen.append(min((held if optimal else strict) or held or here, key=rank))
    return chosen


def _table(budget: Budget, rows: Sequence[LimitBudget], reasons: list[str]) -> Table:
    shown = sorted({*BY_FRACTIONS, *budget.fractions})
    with_recovery = any(r.with_recovery_gy is not None for r in rows)
    table = Table(box=box.SIMPLE_HEAD, title="Remaining EQD2, and as physical dose by number of fractions, Gy", title_justify="left", pad_edge=False)
    table.add_column("Structure", overflow="fold", max_width=24)
    table.add_column("Limit of the sum", overflow="fold")
    table.add_column("Earlier", justify="right")
    table.add_column("Remaining\nEQD2", justify="right", style="bold")
    if with_recovery:
        table.add_column("with\nrecovery", justify="right")
    for n in shown:
        table.add_column(f"{n} fx", justify="right", style="bold" if n == budget.fractions[0] else "")
    table.add_column("Source", overflow="fold")
    for row in rows:
        name = f"({row.limit.organ})" if row.structure is None else row.structure
        cells = [Text(printable(name, 40)), Text(_limit_words(row.limit)), _prior(row), _left(row, reasons)]
        if with_recovery:
            cells.append(Text("–" if row.with_recovery_gy is None else f"{row.with_recovery_gy:.2f}"))
        table.add_row(*cells, *(_dose(row, n) for n in shown), Text(_source(row.limit)))
    return table


def _limit_words(limit: Limit) -> str:
    """Metric, quantity and value of a limit."""
    of = "physical" if limit.alpha_beta_gy is None else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    return f"{limit.metric} {of} {limit.comparator} {limit.limit:g} {limit.unit}"


def _prior(row: LimitBudget) -> Text:
    prior = row.prior
    if prior.high is not None:
        return Text(f"{'' if prior.is_exact else '≤ '}{prior.high:.2f}")
    return Text("–" if prior.low is None else f"≥ {prior.low:.2f}")


def _left(row: LimitBudget, reasons: list[str]) -> Text:
    reason = row.reason if row.binding == "sum" else "; ".join(filter(None, (row.reason, f"bound by the clause on {CLAUSES[row.binding]}, not by the sum")))
    mark = ""
    if reason is not None:
        if reason not in reasons:
            reasons.append(reason)
        mark = f" ({reasons.index(reason) + 1})"
    if row.state == "remains" and row.remaining_eqd2_gy is not None:
        return Text(f"{'at least ' if row.at_least else ''}{row.remaining_eqd2_gy:.2f}{mark}")
    word, style = LOOK[row.state]
    deficit = "" if row.deficit_eqd2_gy is None else f" {row.deficit_eqd2_gy:.2f}"
    return Text(f"{word}{deficit}{mark}", style=style)


def _dose(row: LimitBudget, n: int) -> Text:
    found = next(a for a in row.by_fractions if a.fractions == n)
    return Text("–" if found.dose_gy is None else f"{found.dose_gy:.2f}{'*' if found.is_beyond_lq else ''}")


def _source(limit: Limit) -> str:
    short = printable(limit.source.split(",")[0].split(" (")[0], 30)
    return short + (", optimal" if limit.level == "optimal" else "")


def _print_map(found: RemainingMap, screen: Console) -> None:
    screen.print(Text(f"Map of {_fractions(found.fractions)}: limits of maxima as limits of every voxel, stricter than they are", style="bold"))
    for organ in found.organs:
        least = "no voxel on the grid" if organ.least_gy is None else f"least {organ.least_gy:.2f} Gy"
        deficit = f", DEFICIT of up to {organ.worst_deficit_gy:.2f} Gy EQD2 in {organ.deficit_cc:.2f} cc" if organ.n_deficit else ""
        capped = "" if organ.cap_gy is None else f", clauses permit {organ.cap_gy:.2f} Gy EQD2"
        unknown = f", earlier dose unknown in {organ.n_unknown} of {organ.n_voxels} voxels" if organ.n_unknown else ""
        screen.print(Text(f"  {printable(organ.name, 40)}: {least}{capped}{deficit}{unknown}"))


def _verdict(budget: Budget) -> tuple[str, str]:
    if budget.something_remains:
        return "✓ every mandatory limit leaves something", "bold green"
    return "✗ a mandatory limit has nothing left or is not evaluable, or no limit could be checked", "bold red"


def _fractions(n: int) -> str:
    return "1 fraction" if n == 1 else f"{n} fractions"
