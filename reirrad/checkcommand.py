"""The command `reirrad check`: the main job, as a table, JSON, a report, tables for other programs and DICOM for other systems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reirrad.terminal import REFUSED, console, progress, refuse_unwritable, say, stated_day, write, write_bytes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from reirrad.assessment import Assessment, LimitChoice

__all__ = ["check"]

REPORTS = (".html", ".pdf")


def check(
    cases: Annotated[
        list[Path], typer.Argument(metavar="CASE...", help="Case folders (with case.yaml), case files, or zips of case folders.", show_default=False)
    ],
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
    reports: Annotated[
        list[str] | None,
        typer.Option("--report", metavar="FILE", help="Write the physics report, as FILE.html or FILE.pdf; may be given twice. One case.", show_default=False),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Write the sums and the mapped courses as RTDOSE for other systems. One case.", show_default=False),
    ] = None,
    tables: Annotated[
        Path | None, typer.Option("--tables", metavar="DIR", help="Write every table as CSV, JSON and Parquet. One case.", show_default=False)
    ] = None,
    date: Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Date of the report and of exports.", show_default="today")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table; only exit status, JSON and refusals.")] = False,
) -> None:
    """Compute the cumulative EQD2 of every organ and hold it against limits.

    Exit status 0: every mandatory limit is met. 1: one is exceeded or not evaluable, or no limit applies. 2: refused, with the reason on standard error.
    With several cases the JSON is a list with one entry per case, a refused one as {"case_path", "outcome", "message"}; the exit status is the largest.
    """
    from reirrad import result, table
    from reirrad.errors import ReirradError, printable

    for target in (json_path, *(reports or ())):
        refuse_unwritable(target)
    outputs = _Outputs(tuple(reports or ()), export, tables, stated_day(date))
    _refuse_outputs(outputs, len(cases))
    screen = console()
    documents: list[dict[str, Any]] = []
    status = 0
    for path in cases:
        try:
            with progress() as tell:
                assessment, said = _assess(path, outputs, tell)
        except ReirradError as error:
            message = f"{printable(path.name or str(path))}: {error}" if len(cases) > 1 else str(error)
            say(f"Refused: {message}")
            documents.append({"case_path": str(path), "outcome": "refused", "message": str(error)})
            status = REFUSED
            continue
        documents.append(result.to_dict(assessment))
        status = max(status, result.exit_status(assessment))
        if json_path != "-" and not quiet:
            table.render(assessment, screen)
        for line in said:
            say(line)
    if json_path is not None and not (len(cases) == 1 and status == REFUSED):
        write(json_path, result.as_json(documents[0] if len(cases) == 1 else documents))
    raise typer.Exit(status)


@dataclass(frozen=True, slots=True)
class _Outputs:
    """What is to be written beside the result of a case."""

    reports: tuple[str, ...]
    export: Path | None
    tables: Path | None
    day: dt.date


def _refuse_outputs(outputs: _Outputs, n_cases: int) -> None:
    """Find out before the work what cannot be written."""
    wrong = ""
    if n_cases > 1 and (outputs.reports or outputs.export or outputs.tables):
        wrong = "--report, --export and --tables are for one case, and several are named. Name one, or run the command for each."
    elif odd := [r for r in outputs.reports if Path(r).suffix.lower() not in REPORTS]:
        wrong = f"a report is written as .html or .pdf, and --report {Path(odd[0]).name!r} is neither. Give the file one of these endings."
    elif outputs.export is not None and outputs.tables is not None and outputs.export.absolute() == outputs.tables.absolute():
        wrong = "--export and --tables name the same folder. Give each its own."
    if wrong:
        say(f"Refused: {wrong}")
        raise typer.Exit(REFUSED)


def _assess(path: Path, outputs: _Outputs, tell: Callable[[str], None]) -> tuple[Assessment, list[str]]:
    """The assessment of a case, and what to say of what was written beside it."""
    from reirrad.assessment import assess
    from reirrad.casefile import open_case
    from reirrad.loading import load_case

    with open_case(path) as folder:
        case, limits = load_case(folder, tell)
        assessment = assess(case, limits, tell)
        return assessment, _write_outputs(folder, assessment, limits, outputs, tell)


def _write_outputs(folder: Path, assessment: Assessment, limits: LimitChoice, outputs: _Outputs, tell: Callable[[str], None]) -> list[str]:
    """Write what is asked for; the reports, which take most of the work, are ready before anything is written."""
    reports = _reports(folder, assessment, limits, outputs, tell) if outputs.reports else {}
    said = []
    if outputs.export is not None:
        from reirrad.exporting import export

        tell("doses for other systems")
        home = folder if folder.is_dir() else folder.parent
        names, notices = export(assessment, home, outputs.export, outputs.day)
        said.append(f"Written to {str(outputs.export)!r}: {', '.join(names) or 'nothing'}.")
        said += [f"Warning ({n.code}): {n.message}" for n in notices]
    if outputs.tables is not None:
        from reirrad.datatables import assessment_tables
        from reirrad.tablefiles import write_tables

        tell("tables")
        written = write_tables(assessment_tables(assessment), outputs.tables)
        said.append(f"Written to {str(outputs.tables)!r}: {len(written)} files of tables.")
    for target, content in reports.items():
        write_bytes(target, content)
        said.append(f"Written: {target!r}.")
    return said


def _reports(folder: Path, assessment: Assessment, limits: LimitChoice, outputs: _Outputs, tell: Callable[[str], None]) -> dict[str, bytes]:
    from reirrad.casereport import case_report
    from reirrad.reporthtml import as_html
    from reirrad.reportpdf import as_pdf

    report = case_report(folder, assessment, limits, outputs.day.isoformat(), tell)
    tell("setting the report")
    return {target: as_pdf(report) if Path(target).suffix.lower() == ".pdf" else as_html(report).encode("utf-8") for target in outputs.reports}
