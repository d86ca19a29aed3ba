"""The command `reirrad budget`: what earlier courses leave, per organ and as a map for a planning system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reirrad.terminal import REFUSED, console, progress, refuse_unwritable, say, stated_day, write

if TYPE_CHECKING:
    import datetime as dt

    from reirrad.budget import Budget
    from reirrad.remainingfiles import MapFiles

__all__ = ["budget"]

MOST_FRACTIONS = 100


def budget(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="Case folder (with case.yaml), case file, or zip of a case folder.", show_default=False)],
    fractions: Annotated[
        str, typer.Option("--fractions", metavar="N,...", help="Fractions of the new course; the first is the one the table and the tightest limits are for.")
    ] = "5",
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="DIR", help="Write the remaining dose as RTDOSE, and its zones as RTSTRUCT, for each number of fractions.", show_default=False
        ),
    ] = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
    tables: Annotated[Path | None, typer.Option("--tables", metavar="DIR", help="Write every table as CSV, JSON and Parquet.", show_default=False)] = None,
    level: Annotated[str, typer.Option("--level", metavar="mandatory|all", help="Limits the map keeps to, and tightest ones are chosen from.")] = "mandatory",
    zones: Annotated[str, typer.Option("--zones", metavar="GY,...", help="Zones of the structure set: where at most so much may be given.")] = "10,20,30",
    all_rows: Annotated[bool, typer.Option("--all", help="Every limit, not only the tightest of each structure.")] = False,
    date: Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Date of the documents.", show_default="today")] = None,
) -> None:
    """Show what the earlier courses leave of every cumulative limit: a mathematical budget, not a prescription.

    The proposed course is not counted. Exit status 0: every mandatory limit leaves something. 1: one has a deficit or is not evaluable. 2: refused.
    """
    from reirrad import budgetdocument, budgettable, result
    from reirrad.errors import ReirradError

    refuse_unwritable(json_path)
    try:
        numbers, day = _numbers(fractions), stated_day(date)
        _check(level, export, numbers)
        with progress() as tell:
            found, maps = _calculate(case, numbers, level, zones, export, day, tell)
        notices = [n for m in maps for n in m.notices]
        left_out = {m.map.fractions: m.left_out for m in maps}
        document = budgetdocument.budget_dict(found, level, day, [(m.map, list(m.files)) for m in maps], left_out, notices)
        if tables is not None:
            from reirrad.budgetdata import budget_tables
            from reirrad.tablefiles import write_tables

            write_tables(budget_tables(document), tables)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if json_path is not None:
        write(json_path, result.as_json(document))
    if json_path != "-":
        budgettable.render_budget(found, console(), level=level, all_rows=all_rows, maps=[m.map for m in maps], notices=notices)
    raise typer.Exit(budgetdocument.exit_status(found))


def _numbers(text: str) -> tuple[int, ...]:
    from reirrad.errors import ParameterError

    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 3 and 1 <= int(word) <= MOST_FRACTIONS for word in words):
        raise ParameterError(f"Fractions are whole numbers from 1 to {MOST_FRACTIONS}, with commas between; for example 5 or 5,8. Correct --fractions.")
    return tuple(dict.fromkeys(int(word) for word in words))


def _check(level: str, export: Path | None, numbers: tuple[int, ...]) -> None:
    from reirrad.errors import ParameterError
    from reirrad.remainingfiles import map_names

    if level not in ("mandatory", "all"):
        raise ParameterError("The level is one of: mandatory, all. Correct --level.")
    if export is None:
        return
    there = export if export.exists() else export.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ParameterError("The files cannot be written there. Needed is a folder that may be written to, or the name of a new one inside such a folder.")
    if any((export / name).exists() for n in numbers for name in map_names(n)):
        raise ParameterError("The folder to write to holds a map or zones of these fractions already. Name another folder, or remove them first.")


def _calculate(path: Path, numbers: tuple[int, ...], level: str, zones: str, export: Path | None, day: dt.date, tell: Any) -> tuple[Budget, list[MapFiles]]:
    from reirrad.budget import remaining
    from reirrad.casefile import open_case
    from reirrad.exporting import refuse_course_folder
    from reirrad.loading import load_case
    from reirrad.remainingfiles import remaining_files
    from reirrad.zones import parse_zones

    doses = parse_zones(zones)
    with open_case(path) as folder:
        case, limits = load_case(folder, tell)
        found = remaining(case, limits, numbers, tell)
        if export is None:
            return found, []
        home = folder if folder.is_dir() else folder.parent
        refuse_course_folder(case, home, export)
        maps = remaining_files(found, home, doses, day, optimal=level == "all", progress=tell)
    _write_all(export, {name: content for m in maps for name, content in m.files.items()})
    return found, maps


def _write_all(folder: Path, contents: dict[str, bytes]) -> None:
    """Write every file or none."""
    from reirrad.errors import ParameterError
    from reirrad.wholefiles import all_or_none

    try:
        with all_or_none(folder) as temporary:
            for name, content in contents.items():
                (temporary / name).write_bytes(content)
    except OSError as error:
        raise ParameterError(f"The files could not be written to that folder ({error.strerror}). Free space or choose another folder, and run again.") from None
