"""The command `reirrad budget`: what earlier courses leave, per organ and as a map for a planning system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reirrad.terminal import REFUSED, console, progress, refuse_unwritable, say, stated_day, write

if TYPE_CHECKING:
    import datetime as dt

    from reirrad.budget import Budget
    from reirrad.errors import Notice
    from reirrad.maplimits import LeftOut
    from reirrad.remainingmap import RemainingMap

__all__ = ["budget"]

MOST_FRACTIONS = 100
# Zones from the lowest dose on; further ones take the last colour.
COLOURS = ((192, 0, 0), (230, 120, 0), (220, 200, 0), (0, 150, 90), (0, 110, 190))


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
            found, maps, left_out, notices = _calculate(case, numbers, level, zones, export, day, tell)
        document = budgetdocument.budget_dict(found, level, day, maps, left_out, notices)
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
        budgettable.render_budget(found, console(), level=level, all_rows=all_rows, maps=[m for m, _ in maps], notices=notices)
    raise typer.Exit(budgetdocument.exit_status(found))


def _numbers(text: str) -> tuple[int, ...]:
    from reirrad.errors import ParameterError

    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 3 and 1 <= int(word) <= MOST_FRACTIONS for word in words):
        raise ParameterError(f"Fractions are whole numbers from 1 to {MOST_FRACTIONS}, with commas between; for example 5 or 5,8. Correct --fractions.")
    return tuple(dict.fromkeys(int(word) for word in words))


def _check(level: str, export: Path | None, numbers: tuple[int, ...]) -> None:
    from reirrad.errors import ParameterError

    if level not in ("mandatory", "all"):
        raise ParameterError("The level is one of: mandatory, all. Correct --level.")
    if export is None:
        return
    there = export if export.exists() else export.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ParameterError("The files cannot be written there. Needed is a folder that may be written to, or the name of a new one inside such a folder.")
    if any((export / name).exists() for n in numbers for name in _names(n)):
        raise ParameterError("The folder to write to holds a map or zones of these fractions already. Name another folder, or remove them first.")


def _names(n: int) -> tuple[str, str]:
    return f"remaining_{n}fx.dcm", f"zones_{n}fx.dcm"


def _calculate(
    path: Path, numbers: tuple[int, ...], level: str, zones: str, export: Path | None, day: dt.date, tell: Any
) -> tuple[Budget, list[tuple[RemainingMap, list[str]]], dict[int, tuple[LeftOut, ...]], list[Notice]]:
    from reirrad.budget import remaining
    from reirrad.casefile import open_case
    from reirrad.loading import load_case
    from reirrad.maplimits import map_organs
    from reirrad.remainingmap import remaining_map
    from reirrad.voxelsum import reference_grid
    from reirrad.zones import parse_zones

    doses = parse_zones(zones)
    with open_case(path) as folder:
        case, limits = load_case(folder, tell)
        found = remaining(case, limits, numbers, tell)
        if export is None:
            return found, [], {}, []
        grid = reference_grid(case)
        maps: list[tuple[RemainingMap, list[str]]] = []
        left_out: dict[int, tuple[LeftOut, ...]] = {}
        notices: list[Notice] = []
        contents: dict[str, bytes] = {}
        for n in numbers:
            tell(f"map of {n} fractions")
            organs, left_out[n] = map_organs(found, n, optimal=level == "all")
            one = remaining_map(case, organs, grid, n)
            written, told = _objects(folder if folder.is_dir() else folder.parent, found, organs, one, doses, day)
            contents |= written
            notices += [*one.notices, *told, *_not_in_map(found, left_out[n])]
            maps.append((one, list(written)))
    _write_all(export, contents)
    return found, maps, left_out, notices


def _not_in_map(found: Budget, left_out: tuple[LeftOut, ...]) -> list[Notice]:
    """Say which mandatory limits the map does not keep to."""
    from reirrad.errors import Notice, printable

    mandatory = {(r.structure, r.limit.id) for r in found.rows if r.limit.level == "mandatory"}
    missing = [x for x in left_out if (x.structure, x.limit_id) in mandatory]
    if not missing:
        return []
    listed = "; ".join(f"{printable(x.limit_id)} of {printable(x.structure or 'no structure', 40)} ({x.reason})" for x in missing)
    return [Notice("remaining_left_out", f"The map does not keep to these mandatory limits; hold the plan against them with the command check: {listed}.")]


def _objects(folder: Path, found: Budget, organs: Any, one: RemainingMap, doses: tuple[float, ...], day: dt.date) -> tuple[dict[str, bytes], list[Notice]]:
    """Name and content of the files of one number of fractions."""
    from reirrad.dicom.parsing import quiet
    from reirrad.dicom.write import encoded
    from reirrad.dicom.write_derived import DerivedStructure, SourceStudy, derived_dose, derived_structures
    from reirrad.dose import DoseGrid
    from reirrad.errors import Notice
    from reirrad.remainingmap import NO_LIMIT_GY, remaining_map
    from reirrad.zones import zone_grid, zones_of

    case, n = found.case, one.fractions
    course = case.courses[case.reference]
    source = SourceStudy.of(folder, course)
    unit = "Gy times RBE" if source.is_effective else "Gy"
    comment = f"Remaining dose in {n} fraction{'s' if n > 1 else ''}, {unit}; {NO_LIMIT_GY:g} = no limit"
    dose = DoseGrid(one.grid, one.dose_gy, course.frame_uid)
    map_name, zones_name = _names(n)
    with quiet():
        words = f"Remaining dose {n} fx"
        kind: Literal["PHYSICAL", "EFFECTIVE"] = "EFFECTIVE" if source.is_effective else "PHYSICAL"
        written = derived_dose(source, dose, dose_type=kind, summation="MULTI_PLAN", comment=comment, plans=source.plans, day=day, description=words)
        contents = {map_name: encoded(written)}
    planes = None if course.image is None else zone_grid(one.grid, course.image)
    if planes is None:
        message = "No zones are written: the reference course has no CT, or its planes are not parallel to those of the dose grid. The map holds the same."
        return contents, [Notice("zones_not_written", message, course.name)]
    drawn = zones_of(remaining_map(case, organs, planes, n), doses)
    filled = [DerivedStructure(z.name, z.contours, COLOURS[min(k, len(COLOURS) - 1)]) for k, z in enumerate(drawn) if z.contours]
    if filled:
        with quiet():
            contents[zones_name] = encoded(derived_structures(source, filled, label=f"ReRT zones {n}fx", day=day))
    empty = [z.name for z in drawn if not z.contours]
    message = f"These zones of {n} fraction(s) are empty and not written, for every voxel may receive more: {', '.join(empty)}."
    return contents, [Notice("zones_empty", message, course.name)] if empty else []


def _write_all(folder: Path, contents: dict[str, bytes]) -> None:
    """Write every file or none."""
    from reirrad.errors import ParameterError
    from reirrad.outputfolder import all_or_none

    try:
        with all_or_none(folder) as temporary:
            for name, content in contents.items():
                (temporary / name).write_bytes(content)
    except OSError as error:
        raise ParameterError(f"The files could not be written to that folder ({error.strerror}). Free space or choose another folder, and run again.") from None
