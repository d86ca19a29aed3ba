"""An exploration, and the options asked for, on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reirrad.assessment import Assessment
from reirrad.errors import printable
from reirrad.evaluation import Finding
from reirrad.exploration import Bound, Exploration, IsotoxicRow
from reirrad.explorationdocument import best_row, row_effects, row_status
from reirrad.options import LimitRow, Option, limit_rows, organs_without_limit
from reirrad.optionsheet import (
    MOST_ROWS,
    NOTE,
    SIGNS,
    STATUS,
    binding_words,
    dose_words,
    effect_words,
    evidence_words,
    option_words,
    organ_value_words,
    organ_words,
    row_words,
    value_words,
)
from reirrad.reportmodel import LOOK
from reirrad.situation import Status
from reirrad.tumour import LQ_SUPPORTED_GY, Tumour

__all__ = ["SCALED", "render_exploration", "render_options"]

SCALED: Final = (
    "Each dose scales the plan's own dose distribution; nothing is optimised again. Limits bound it; whether it is right for the tumour they do not say."
)
CONDENSED: Final = frozenset((1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 28, 30, 35, 40))
CONDENSED_SEVERAL_A_DAY: Final = frozenset((20, 24, 30, 36, 40))
NAME_WIDTH: Final = 42  # characters of the first column, and of an option with the space beside it
OPTION_WIDTH: Final = 18
BEST = "▲"
BEYOND_LQ = "*"
STYLES: Final[dict[Status, str]] = {"pass": "green", "caution": "yellow", "exceed": "bold red", "not_evaluable": "magenta"}


def render_exploration(assessment: Assessment, exploration: Exploration, tumour: Tumour, console: Console, *, everything: bool = True) -> None:
    """Print one line a schedule.

    Parameters
    ----------
    everything : bool
        Every number of fractions, not the usual ones alone.
    """
    course = assessment.case.courses[exploration.course]
    console.print(Text(f"Case {printable(assessment.case.name)}", style="bold"))
    title = f'Highest dose of "{printable(course.name)}" ({exploration.prescription_gy:g} Gy in {course.fractions}) that meets every mandatory limit'
    table = Table(box=box.SIMPLE_HEAD, title=Text(title, style="italic"), title_justify="left", pad_edge=False)
    table.add_column("Fractions", overflow="fold")
    for name in ("Dose, Gy", "Gy per\nfraction", *(f"Tumour BED /\nEQD2, α/β {x:g}" for x in tumour.alpha_betas_gy)):
        table.add_column(name, justify="right")
    table.add_column("Set by", overflow="fold")
    table.add_column("Next, with margin there", overflow="fold")
    table.add_column("Optimal limits too, Gy", overflow="fold")
    best = best_row(exploration, tumour) if len(exploration.rows) > 1 else None
    shown = [r for r in exploration.rows if everything or r is best or _is_usual(r)]
    for row in shown:
        found = row_effects(row, tumour)
        effects = ["–"] * len(tumour.alpha_betas_gy) if found is None else [effect_words(e) for e in found]
        effects[0] += f" {BEST}" if row is best else ""
        dose = Text(dose_words(row.dose_gy), style="bold" if row_status(row) == "met" else "bold red")
        if row_status(row) == "not_evaluable":
            dose.append(" ?")
        table.add_row(Text(_often(row)), dose, _fraction(row), *effects, Text(_bound(row.binding)), Text(_next(row)), Text(_optimal(row)))
    console.print(table)
    for line in _remarks(exploration, shown, tumour, best):
        console.print(Text(line))


def render_options(options: Sequence[Option], tumour: Tumour, console: Console, *, everything: bool = True) -> None:
    """Print options side by side, and what was published.

    Parameters
    ----------
    everything : bool
        Every limit that is the worst of its organ in an option, and every organ without a limit; not the first ones alone.
    """
    rows, free = limit_rows(options), organs_without_limit(options)
    shown = rows[: len(rows) if everything else MOST_ROWS]
    shown_free = free[: len(free) if everything else MOST_ROWS // 2]
    across = max(1, (console.width - NAME_WIDTH) // OPTION_WIDTH)
    for first in range(0, len(options), across):
        console.print(_side_by_side(options, slice(first, first + across), shown, shown_free, tumour))
    if len(shown) < len(rows):
        worst = any(f is not None and f.status in ("exceed", "not_evaluable") for r in rows[len(shown) :] for f in r.findings)
        console.print(Text(f"{len(rows) - len(shown)} more limits are not shown{', some exceeded or not evaluable' if worst else ''}; --all shows them."))
    if free:
        more = f" {len(free) - len(shown_free)} more of them are not shown; --all shows them." if len(shown_free) < len(free) else ""
        console.print(Text(f"Nothing here bounds the dose of structures marked no limit: no chosen limit is for them.{more}"))
    for line in evidence_words(tumour):
        console.print(Text(line))


def _side_by_side(options: Sequence[Option], part: slice, rows: Sequence[LimitRow], free: Sequence[str], tumour: Tumour) -> Table:
    """As many options as the width has room for, so that none is cut off."""
    here = options[part]
    title = "Options: limits of all courses together unless marked this course; for each organ the worst one of any option, worst first"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column("", overflow="fold", width=NAME_WIDTH)
    for option in here:
        table.add_column(Text(option_words(option)), justify="right", overflow="fold", width=OPTION_WIDTH - 2)
    table.add_row("Gy per fraction", *(f"{o.asked.dose_per_fraction_gy:.2f}" for o in here))
    table.add_row("Days from first to last fraction", *(str(o.overall_days) for o in here))
    for k, alpha_beta in enumerate(tumour.alpha_betas_gy):
        table.add_row(f"Tumour BED / EQD2, Gy, α/β {alpha_beta:g}", *(effect_words(o.tumour[k]) for o in here))
        if any(o.tumour[k].bed_lql_gy is not None for o in options):
            cells = [o.tumour[k].bed_lql_gy for o in here]
            table.add_row(f"  BED under LQ-L, Gy, α/β {alpha_beta:g}", *("same" if x is None else f"{x:.2f}" for x in cells))
    table.add_row(Text("Limits altogether", style="bold"), *(_status("", STATUS[o.verdict]) for o in here), end_section=True)
    for row in rows:
        table.add_row(Text(row_words(row)), *(_found(row, f, o) for f, o in zip(row.findings[part], here, strict=True)))
    for name in free:
        organs = [next(o for o in option.organs if o.name == name) for option in here]
        table.add_row(Text(organ_words(organs[0])), *map(organ_value_words, organs))
    return table


def _found(row: LimitRow, finding: Finding | None, option: Option) -> Text | str:
    return "no limit" if finding is None else _status(value_words(finding, row, option), finding.status)


def _is_usual(row: IsotoxicRow) -> bool:
    return row.choice.fractions in (CONDENSED if row.choice.interval_h is None else CONDENSED_SEVERAL_A_DAY)


def _often(row: IsotoxicRow) -> str:
    choice = row.choice
    return str(choice.fractions) if choice.interval_h is None else f"{choice.fractions}, {choice.per_day} a day, {choice.interval_h:g} h"


def _fraction(row: IsotoxicRow) -> str:
    if row.scale is None or not math.isfinite(row.dose_gy):
        return "–"
    return f"{math.floor(row.dose_per_fraction_gy * 100 + 1e-6) / 100:.2f}{BEYOND_LQ if row.is_beyond_lq else ''}"


def _bound(bound: Bound | None) -> str:
    if bound is None:
        return "no limit"
    organ = bound.limit.organ if bound.structure is None else bound.structure
    if bound.scale is None:
        return f"{printable(organ, 40)}, {printable(bound.limit.id, 60)}: exceeded without it" + (
            "" if bound.deficit is None else f" by {bound.deficit:.2f} {bound.limit.unit}"
        )
    return f"{printable(organ, 40)}: {bound.limit.metric} {bound.limit.quantity} {SIGNS[bound.limit.comparator]} {bound.limit_value:g} {bound.limit.unit}"


def _next(row: IsotoxicRow) -> str:
    if row.next is None or row.next_margin is None:
        return "–"
    organ = row.next.limit.organ if row.next.structure is None else row.next.structure
    return f"{printable(organ, 40)}: {row.next.limit.metric}, {row.next_margin:.2f} {row.next.limit.unit}"


def _optimal(row: IsotoxicRow) -> str:
    if row.optimal_scale == row.scale:
        return "the same"
    return f"{dose_words(row.optimal_dose_gy)}, {binding_words(row.optimal_binding)}"


def _status(text: str, status: Status) -> Text:
    sign, word = LOOK[status]
    return Text(f"{sign} {word} {text}".rstrip(), style=STYLES[status])


def _remarks(exploration: Exploration, shown: Sequence[IsotoxicRow], tumour: Tumour, best: IsotoxicRow | None) -> list[str]:
    """What the table must not be read without."""
    lines = [SCALED]
    if any(r.is_beyond_lq for r in shown):
        lines.append(
            f"{BEYOND_LQ} more than {LQ_SUPPORTED_GY:g} Gy per fraction in the tumour or an organ, where the linear-quadratic model is hardly supported: "
            "the advantage of one or few fractions there is mostly an artefact of it."
        )
    if best is not None:
        those = f"at most {LQ_SUPPORTED_GY:g} Gy per fraction, of {len(exploration.rows)} schedules"
        lines.append(f"{BEST} highest tumour BED at α/β {tumour.alpha_betas_gy[0]:g} with {those}: {best.choice.title}.")
    growth = tumour.growth
    repopulation = "no repopulation" if growth is None else f"repopulation {growth.per_day_gy:g} Gy BED a day from day {growth.kickoff_days:g}"
    lines.append(f"Tumour: the prescribed dose everywhere, complete repair between fractions, {repopulation}; five days a week from a Monday on.")
    reasons: dict[str, list[str]] = {}
    for row in shown:
        if row.reason is not None and row_status(row) == "nothing_left":
            reasons.setdefault(row.reason, []).append(_often(row))
    for reason, numbers in reasons.items():
        which = f"any of the {len(shown)} schedules shown" if len(numbers) == len(shown) > 1 else "; ".join(numbers)
        lines.append(f"Nothing can be given in {which}: {printable(reason, 300)}.")
    if lacking := dict.fromkeys(f"{b.limit.id} ({printable(b.reason or 'not known', 200)})" for r in shown for b in r.unjudged if b.limit.level == "mandatory"):
        lines.append(f"? mandatory limits that cannot be checked, so that the dose is only what the others allow: {'; '.join(lacking)}.")
    if len(shown) < len(exploration.rows):
        lines.append(f"{len(exploration.rows) - len(shown)} more schedules are not shown; --all shows them.")
    return [*lines, NOTE]
