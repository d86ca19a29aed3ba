"""The command `reirrad cord`: courses of the spinal cord known from paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reirrad.terminal import REFUSED, console, refuse_unwritable, say, write

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reirrad.cord import Clause, Cord, Rule

__all__ = ["cord", "render_cord"]

STATES = {"met": "met", "caution": "caution", "not_met": "NOT MET", "not_known": "not known", "not_applicable": "not applicable"}
WHAT = {"cumulative": "Sum", "this_course": "Last course", "each_course": "Largest course", "ratio": "Last course over sum", "interval": "Interval"}
LOOK = {"NOT MET": "bold red", "caution": "yellow", "not known": "yellow"}


def cord(
    schedules: Annotated[
        list[str],
        typer.Argument(
            metavar="DOSE/FRACTIONS...",
            help="Largest dose of the cord in each course, in order of time, as 50/25 24/3; phases as 50/25+16/8. Gy.",
            show_default=False,
        ),
    ],
    interval_months: Annotated[
        str | None,
        typer.Option("--interval-months", metavar="MONTHS", help="Months between courses; 18,6 for three courses, ? where unknown.", show_default="unknown"),
    ] = None,
    lumbar: Annotated[bool, typer.Option("--lumbar", help="Courses and score at alpha/beta 4 Gy of the lumbar cord, not 2.")] = False,
    half_time: Annotated[
        float | None, typer.Option("--half-time", metavar="HOURS", help="Half time of repair, for several fractions a day.", show_default=False)
    ] = None,
    conservative: Annotated[
        float, typer.Option("--conservative", metavar="PERCENT", help="Lower every tolerance of the exploratory model by 0 to 20 %.")
    ] = 0.0,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
) -> None:
    """Sum courses of the spinal cord and hold them against published conditions of re-irradiation.

    Exit status 0: every condition is met. 1: one is not, or its interval is not known. 2: refused, with the reason on standard error.
    """
    from reirrad import cord as paper
    from reirrad.errors import ReirradError
    from reirrad.schedule import parse_schedule

    refuse_unwritable(json_path)
    try:
        parsed = [parse_schedule(s) for s in schedules]
        intervals = paper.parse_intervals(interval_months, len(parsed))
        found = paper.cord_from_paper(parsed, intervals, lumbar=lumbar, half_time_h=half_time, conservative_percent=conservative)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if json_path is not None:
        write(json_path, paper.as_json(found))
    if json_path != "-":
        render_cord(found, console())
    for notice in found.courses.notices:
        say(f"Warning ({notice.code}): {notice.message}")
    raise typer.Exit(paper.exit_status(found))


def render_cord(found: Cord, screen: Console) -> None:
    """Print courses, conditions, score and the exploratory tolerance."""
    from rich.text import Text

    screen.print(_courses(found))
    for rule in found.rules:
        screen.print(Text(f"{rule.title}: {rule.structure}, {rule.quantity} at α/β {rule.alpha_beta_gy:g} Gy", style="italic"))
        screen.print(_rule(rule))
        screen.print(Text(rule.note))
    screen.print()
    for line in _score(found):
        screen.print(Text(line))
    screen.print()
    for line in _exploratory(found):
        screen.print(Text(line, style="dim"))
    screen.print()
    for remark in (*found.remarks, "Decision support for professionals, not a medical device: check independently before use."):
        screen.print(Text(remark, style="dim"))


def _table(title: str | None, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _courses(found: Cord) -> Table:
    from rich.text import Text

    table = _table(f"Spinal cord: BED and EQD2 in Gy at α/β {found.courses.alpha_beta_gy:g} Gy", "Course", "Gy per fraction", "BED", "EQD2", "Months before")
    intervals = ("", *(_months(m) for m in found.intervals_months))
    for course, months in zip(found.courses.courses, intervals, strict=True):
        sizes = " + ".join(f"{p.dose_per_fraction_gy:.4g}" for p in course.schedule.parts)
        last = course is found.courses.courses[-1]
        table.add_row(Text(course.schedule.text), sizes, f"{course.effect.bed_gy:.2f}", f"{course.effect.eqd2_gy:.2f}", months, end_section=last)
    table.add_row("Sum", "", f"{found.courses.total.bed_gy:.2f}", f"{found.courses.total.eqd2_gy:.2f}", "")
    return table


def _rule(rule: Rule) -> Table:
    from rich.text import Text

    table = _table(None, "Condition", "Found", "Needed", "")
    for clause in rule.clauses:
        state = STATES[clause.state]
        table.add_row(WHAT[clause.what], _number(clause, clause.value), _needed(clause), Text(state, style=LOOK.get(state, "")))
    return table


def _needed(clause: Clause) -> str:
    sign = {"<=": "≤", "<": "<", ">=": "≥"}[clause.comparator]
    caution = "" if clause.caution is None else f" (careful {clause.caution:g})"
    return f"{sign} {clause.limit:g} {clause.unit}".rstrip() + caution


def _number(clause: Clause, value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value:.3f}" if clause.unit == "" else f"{value:.3f} {clause.unit}"


def _months(months: float | None) -> str:
    return "not known" if months is None else f"{months:g}"


def _score(found: Cord) -> list[str]:
    from reirrad import nieder

    score = found.score
    low, high = score.points
    points, group = f"{low:g}", f"{score.low.name} risk, myelopathy observed in {score.low.observed}"
    if high != low:
        points = f"{low:g} to {high:g}"
    if score.high != score.low:
        group += f", to {score.high.name} risk, {score.high.observed}"
    short = " to ".join(f"{p:g}" for p in dict.fromkeys(score.interval_points))
    parts = f"sum of BED {score.cumulative_bed_gy:.2f} Gy: {score.dose_points:g}; largest course {score.largest_course_bed_gy:.2f} Gy: {score.course_points:g}"
    return [f"Score of Nieder: {points} ({group})", f"  {parts}; interval: {short}", f"  {nieder.note()}", *(f"  {r}" for r in score.remarks)]


def _exploratory(found: Cord) -> list[str]:
    from reirrad import woolley

    second = found.exploratory
    start = f"Woolley 2018. {woolley.label()}."
    if second is None:
        return [f"{start} Not computed. {found.exploratory_reason}"]
    return [
        start,
        f"  After a first course of {second.first_percent:.2f} % of a tolerance of {second.tolerance_bed_gy:.2f} Gy (BED, α/β 2 Gy) the model tolerates "
        f"{second.bed_gy:.2f} Gy (BED), {second.dose_gy:.2f} Gy in {second.fractions} fractions of {second.dose_per_fraction_gy:.3f} Gy.",
    ]
