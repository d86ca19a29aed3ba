"""The command `reirrad explore`: what can still be given, in which schedule, and options side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reirrad.terminal import ODD_BYTES, REFUSED, console, progress, refuse_unwritable, say, stated_day, write, write_bytes

if TYPE_CHECKING:
    from reirrad.assessment import Assessment
    from reirrad.errors import Notice
    from reirrad.exploration import Exploration, ScheduleChoice
    from reirrad.options import AskedSchedule, Option
    from reirrad.tumour import Tumour

__all__ = ["explore", "parse_choices"]

MOST_FRACTIONS = 40
INTERVAL_H = 6.0
SHEETS = (".html", ".pdf")


def explore(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="Case folder (with case.yaml), case file, or zip of a case folder.", show_default=False)],
    schedules: Annotated[
        str | None,
        typer.Option("--schedules", metavar="LIST", help='Options to compare, as "24/3, 30/5, 45/30 per-day=2 interval=6h".', show_default=False),
    ] = None,
    fractions: Annotated[
        str | None, typer.Option("--fractions", metavar="N,N-N...", help="Numbers of fractions, as 1-40 or 1,3,5,10-15.", show_default="1-40")
    ] = None,
    per_day: Annotated[int | None, typer.Option("--per-day", metavar="N", help="Fractions on one day.", show_default="1, and 20 to 40 twice a day")] = None,
    interval: Annotated[float | None, typer.Option("--interval", metavar="HOURS", help="Between fractions of one day.", show_default="6")] = None,
    course: Annotated[
        str | None,
        typer.Option("--course", metavar="NAME", help="Proposed course whose dose distribution is scaled.", show_default="the reference, or the last proposed"),
    ] = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option("--sheet", metavar="FILE.html|.pdf", help="Write the options of --schedules as one page, for a tumour board.", show_default=False),
    ] = None,
    tables: Annotated[
        Path | None, typer.Option("--tables", metavar="DIR", help="Write every table as CSV, JSON and Parquet, into a folder.", show_default=False)
    ] = None,
    date: Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Date the sheet bears.", show_default="today")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every number of fractions, not the usual ones alone.")] = False,
) -> None:
    """Find the highest dose of the proposed course, in each number of fractions, that meets every limit; compare schedules.

    The dose distribution of the plan is scaled; nothing is optimised again.

    Exit status 0: every schedule leaves a dose that meets every mandatory limit; with --schedules: every option meets them. 1: not so. 2: refused.
    """
    from reirrad import explorationdocument as document
    from reirrad.errors import ReirradError

    refuse_unwritable(json_path)
    refuse_unwritable(sheet)
    day = stated_day(date).isoformat()
    try:
        _refuse_targets(sheet, json_path, tables, schedules)
        asked, notices = _asked(schedules)
        choices = _choices(asked, fractions, per_day, interval)
        with progress() as tell:
            assessment, exploration, options, tumour = _calculated(case, course, choices, asked, tell)
        found = document.as_dict(assessment, exploration, tumour, options, notices)
        page = None if sheet is None else _page(sheet, assessment, exploration, options, tumour, day)
        if tables is not None:
            from reirrad.explorationdata import exploration_tables
            from reirrad.tablefiles import write_tables

            write_tables(exploration_tables(found), tables)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if sheet is not None and page is not None:
        write_bytes(sheet, page)
    if json_path is not None:
        write(json_path, document.as_json(found))
    if json_path != "-":
        from reirrad.explorationtable import render_exploration, render_options

        screen = console()
        render_exploration(assessment, exploration, tumour, screen, everything=everything or bool(asked) or fractions is not None)
        if options:
            render_options(options, tumour, screen, everything=everything)
    for notice in document.notices_of(assessment, exploration, notices):
        say(f"Warning ({notice.code}): {notice.message}")
    for option in options:
        for notice in option.notices:
            if notice not in assessment.notices and notice.code != "organ_without_limit":  # those the table marks
                say(f"Warning ({notice.code}), {option.asked.text}: {notice.message}")
    raise typer.Exit(document.exit_status(exploration, options))


def parse_choices(text: str, per_day: int = 1, interval_h: float | None = None) -> tuple[ScheduleChoice, ...]:
    """Read numbers of fractions, as 1-40 or 1,3,5,10-15.

    Raises
    ------
    ScheduleError
        For what are no such numbers.
    """
    from reirrad.errors import printable
    from reirrad.exploration import ScheduleChoice
    from reirrad.schedule import ScheduleError

    numbers: dict[int, None] = {}
    for word in text.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,3})\s*(?:-\s*([0-9]{1,3})\s*)?", word)
        first, last = (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))
        if not 1 <= first <= last <= MOST_FRACTIONS:
            raise ScheduleError(
                f'"{printable(text, 60)}" are no numbers of fractions; needed are whole numbers from 1 to {MOST_FRACTIONS}, as in 1,3,5 or 1-40. Correct them.'
            )
        numbers |= dict.fromkeys(range(first, last + 1))
    return tuple(ScheduleChoice(n, per_day, interval_h) for n in numbers)


def _asked(schedules: str | None) -> tuple[tuple[AskedSchedule, ...], tuple[Notice, ...]]:
    from reirrad.options import parse_options

    return ((), ()) if schedules is None else parse_options(schedules)


def _choices(asked: tuple[AskedSchedule, ...], fractions: str | None, per_day: int | None, interval_h: float | None) -> tuple[ScheduleChoice, ...]:
    """Schedules to find the highest dose of: those of the options, those asked for by their number, or else the usual ones."""
    from reirrad.exploration import DEFAULT_SCHEDULES, ScheduleChoice
    from reirrad.scheduleoptions import HOURS_OF_A_DAY, ScheduleError

    if interval_h is not None and (per_day or 1) == 1:
        raise ScheduleError("--interval is given for one fraction a day; needed is --per-day as well. Add it, or leave out --interval.")
    if per_day is not None and not 1 <= per_day <= HOURS_OF_A_DAY:
        raise ScheduleError(f"--per-day is {per_day}; needed is a whole number from 1 to {HOURS_OF_A_DAY:g}. Correct it.")
    several = per_day is not None and per_day > 1
    hours = (INTERVAL_H if interval_h is None else interval_h) if several else None
    by_number: tuple[ScheduleChoice, ...] = ()
    if fractions is not None:
        by_number = parse_choices(fractions, per_day or 1, hours)
    elif per_day is not None:
        by_number = tuple(ScheduleChoice(n, per_day, hours) for n in range(per_day, MOST_FRACTIONS + 1, per_day))
    elif not asked:
        by_number = DEFAULT_SCHEDULES
    return tuple(dict.fromkeys((*(a.choice for a in asked), *by_number)))


def _refuse_targets(sheet: str | None, json_path: str | None, tables: Path | None, schedules: str | None) -> None:
    """Find out before the work that files cannot be written as asked."""
    from reirrad.errors import ParameterError, printable

    if sheet is not None and schedules is None:
        raise ParameterError("--sheet compares options, and none is named; needed is --schedules, as in --schedules 24/3,30/5. Add it.")
    if sheet is not None and Path(sheet).suffix.lower() not in SHEETS:
        raise ParameterError(f'--sheet is "{printable(Path(sheet).name, 60)}"; needed is a file name that ends in {" or ".join(SHEETS)}. Correct it.')
    if sheet is not None and json_path is not None and Path(sheet).resolve() == Path(json_path).resolve():
        raise ParameterError("--sheet and --json name the same file; needed are two. Rename one.")
    if tables is not None and (not tables.resolve().parent.is_dir() or (tables.exists() and not tables.is_dir())):
        raise ParameterError("--tables is a file, or has no folder above it; needed is a folder, or the name of a new one in an existing folder. Correct it.")


def _calculated(
    path: Path, name: str | None, choices: tuple[ScheduleChoice, ...], asked: tuple[AskedSchedule, ...], tell: Callable[[str], None]
) -> tuple[Assessment, Exploration, tuple[Option, ...], Tumour]:
    from reirrad.assessment import assess
    from reirrad.casefile import open_case
    from reirrad.exploration import explore as explored
    from reirrad.loading import load_case
    from reirrad.options import evaluate_options
    from reirrad.rescheduling import course_to_reschedule

    with open_case(path) as folder:
        case, limits = load_case(folder, tell)
        number = course_to_reschedule(case, name)
        assessment = assess(case, limits, tell)
        exploration = explored(assessment, limits, choices, number, tell)
        options = evaluate_options(assessment, limits, number, asked, case.tumour, tell)
    return assessment, exploration, options, case.tumour


def _page(target: str, assessment: Assessment, exploration: Exploration, options: tuple[Option, ...], tumour: Tumour, day: str) -> bytes:
    """The option sheet as the kind of file its name ends in, as PDF with as many rows as one page holds."""
    if Path(target).suffix.lower() == ".html":
        from reirrad.optionsheet import option_sheet
        from reirrad.reporthtml import as_html

        return as_html(option_sheet(assessment, exploration, options, tumour, day=day)).encode("utf-8", ODD_BYTES)
    from reirrad.optionsheetfile import option_sheet_pdf

    return option_sheet_pdf(assessment, exploration, options, tumour, day)
