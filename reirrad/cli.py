"""The command line. A thin door: it parses arguments, calls one function, prints. Heavy imports happen inside the commands.

Exit status: 0 every mandatory limit met, 1 a mandatory limit exceeded or not evaluable, 2 refused.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from reirrad import __version__
from reirrad.appcommand import app as page
from reirrad.batchcommand import batch
from reirrad.budgetcommand import budget
from reirrad.checkcommand import check
from reirrad.cordcommand import cord
from reirrad.errors import place_of
from reirrad.explorecommand import explore
from reirrad.library import library
from reirrad.pacscommand import pacs
from reirrad.registercommand import register
from reirrad.schedule import SYNTAX
from reirrad.terminal import REFUSED, console, progress, refuse_unwritable, say, write

__all__ = ["app", "main"]

app = typer.Typer(
    name="reirrad",
    help="Cumulative EQD2 of several courses of radiotherapy from DICOM RT, held against cited limits. Decision support, not a medical device.",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; whatever happens, no traceback and no half-written file."""
    # Small matrix products gain nothing from threads of the linear algebra library, which would also fight over the cores of a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe or old terminal that has no sign for an alpha must not end a calculation
    try:
        app()
    except KeyboardInterrupt:
        say("Stopped on request; nothing was written.")
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(REFUSED) from None
    except MemoryError:
        say("Refused: this machine has not enough memory for the case. Nothing was written. Close other programs, or use a machine with more memory.")
        raise SystemExit(REFUSED) from None
    except Exception as error:  # noqa: BLE001
        # The last resort: a fault of the program. The message of the exception may hold patient data and is not shown.
        where = place_of(error)
        say(
            f"Refused: the program met a situation it was not made for ({type(error).__name__} at {where}), and gives no number rather than a doubtful one. "
            "Nothing was written. Please report this line to the maintainers, without patient data."
        )
        raise SystemExit(REFUSED) from None


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version and the intended use.")] = False) -> None:
    _refuse_empty()
    if version:
        sys.stdout.write(f"reirrad {__version__}\nDecision support for professionals, not a medical device; every number needs an independent check.\n")
        raise typer.Exit


def _refuse_empty() -> None:
    """An empty argument is an unset variable of a script, not the current folder."""
    if any(argument == "" for argument in sys.argv[1:]):
        say("Refused: one of the arguments is empty; needed a path or a value. Write . for the current folder.")
        raise typer.Exit(REFUSED)


app.command()(check)


@app.command()
def draft(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with the exported DICOM files of one patient, in any order.", show_default=False)],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE", help="Case file to write, in FOLDER or above it; - shows it on standard output.", show_default="FOLDER/case.yaml"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a case file that is there.")] = False,
) -> None:
    """Sort exported DICOM files into courses and write a case file to review.

    Exit status 0: written. 2: refused, with the reason on standard error.
    """
    from reirrad.casefolder import CASE_FILE
    from reirrad.draft import propose
    from reirrad.draftfile import draft_text
    from reirrad.drafttable import render_draft
    from reirrad.errors import ReirradError

    target = str(folder / CASE_FILE) if out is None else out
    base = folder if target == "-" else Path(target).parent
    if target != "-" and not folder.resolve().is_relative_to(base.resolve()):
        say("Refused: the case file must lie in the folder or above it, because its paths cannot lead elsewhere. Give another --out.")
        raise typer.Exit(REFUSED)
    if target != "-" and not force and os.path.lexists(target):
        say(f"Refused: {Path(target).name!r} exists already and may hold somebody's review. Take it away, give another --out, or use --force.")
        raise typer.Exit(REFUSED)
    try:
        with progress() as tell:
            proposal = propose(folder, base, tell)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    refuse_unwritable(target)
    write(target, draft_text(proposal, with_patient_id=target != "-"))
    if target != "-":
        render_draft(proposal, console())


@app.command()
def crosscheck(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="Case folder (with case.yaml), case file, or zip of a case folder.", show_default=False)],
    json_path: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write the comparison as JSON; - writes to standard output, and nothing else goes there.", show_default=False
        ),
    ] = None,
) -> None:
    """Compare the physical dose of each course with dicompyler-core, an independent calculation.

    Exit status 0: every difference is within tolerance or explained. 1: one is unexplained. 2: refused, with the reason on standard error.
    """
    from reirrad import crosscheck as second
    from reirrad.casefile import open_case
    from reirrad.errors import ReirradError

    refuse_unwritable(json_path)
    try:
        with open_case(case) as folder, progress() as tell:
            found = second.crosscheck(folder, tell)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if json_path is not None:
        write(json_path, second.as_json(found))
    if json_path != "-":
        second.render(found, console())
    raise typer.Exit(second.exit_status(found))


@app.command()
def commission(
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write every value as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show every value, not only the largest deviations.")] = False,
) -> None:
    """Compare phantoms that have closed-form answers with what is computed on this machine.

    Exit status 0: every value meets the goal. 1: one does not.
    """
    from reirrad import commission as phantoms
    from reirrad.commissiontable import render

    refuse_unwritable(json_path)
    with progress() as tell:
        found = phantoms.commission(tell)
    if json_path is not None:
        write(json_path, phantoms.as_json(found))
    if json_path != "-":
        render(found, console(), full=full)
    raise typer.Exit(phantoms.exit_status(found))


@app.command(epilog="\b\nSchedules:\n" + "\n".join(f"  {form:<33}{meaning}" for form, meaning in SYNTAX))
def eqd2(
    schedules: Annotated[
        list[str],
        typer.Argument(
            metavar="SCHEDULE...",
            help='Courses, as 54/30; phases as 50/25+16/8; several a day as "45/30 per-day=2 interval=6h". Total dose in Gy. All forms are listed below.',
            show_default=False,
        ),
    ],
    alpha_beta: Annotated[
        float, typer.Option("--alpha-beta", metavar="GY", help="alpha/beta of the organ or tumour, one for all courses.", show_default=False)
    ],
    half_time: Annotated[
        float | None,
        typer.Option(
            "--half-time", metavar="HOURS", help="Half time of repair, for several fractions a day, brachytherapy and slow fractions.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        float | None, typer.Option("--limit", metavar="GY", help="Cumulative limit in EQD2 at this alpha/beta: what remains is shown.", show_default=False)
    ] = None,
    fractions: Annotated[
        str | None, typer.Option("--fractions", metavar="N,N...", help="Numbers of fractions to spend what remains in.", show_default="1,3,5")
    ] = None,
    tumour: Annotated[
        bool, typer.Option("--tumour", help="Repopulation, for tumours alone and per course: with --repopulation, --kickoff and days= of every course.")
    ] = False,
    repopulation: Annotated[float | None, typer.Option("--repopulation", metavar="GY", help="BED that a tumour regrows in a day.", show_default=False)] = None,
    kickoff: Annotated[float | None, typer.Option("--kickoff", metavar="DAYS", help="Day of a course from which it does.", show_default=False)] = None,
    lq_l: Annotated[
        str | None,
        typer.Option(
            "--lq-l", metavar="GY|auto", help="Show LQ-L, straight from this dose per fraction (auto: 2 alpha/beta): a sensitivity.", show_default=False
        ),
    ] = None,
    usc: Annotated[
        str | None,
        typer.Option("--usc", metavar="ALPHA,D0,DQ", help="Show the universal survival curve with these parameters: a sensitivity.", show_default=False),
    ] = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
) -> None:
    """Compute BED and EQD2 of schedules, their sum, and what a limit leaves.

    Exit status 0: computed. 1: the limit is exceeded already. 2: refused, with the reason on standard error.
    """
    from reirrad import calculator
    from reirrad.effect import growth_of
    from reirrad.errors import ReirradError
    from reirrad.schedule import parse_fractions, parse_schedule

    refuse_unwritable(json_path)
    if fractions is not None and limit is None:
        say("Refused: --fractions without a limit; needed is --limit, the cumulative EQD2 that must not be exceeded. Give it, or leave out --fractions.")
        raise typer.Exit(REFUSED)
    try:
        found = calculator.calculate(
            [parse_schedule(s) for s in schedules],
            alpha_beta,
            half_time,
            limit,
            parse_fractions(fractions or "1,3,5"),
            growth_of(tumour, repopulation, kickoff),
            _other_models(lq_l, usc),
        )
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if json_path is not None:
        from reirrad.calculatordocument import as_json

        write(json_path, as_json(found))
    if json_path != "-":
        from reirrad.calculatortable import render_calculation

        render_calculation(found, console())
    for notice in found.notices:
        say(f"Warning ({notice.code}): {notice.message}")
    raise typer.Exit(calculator.exit_status(found))


def _other_models(lq_l: str | None, usc: str | None) -> list[Any]:
    """Models beside LQ; their library is loaded only when one is asked for."""
    if lq_l is None and usc is None:
        return []
    from reirrad.calculatorsensitivity import parse_lq_l, parse_usc

    return [read(text) for read, text in ((parse_lq_l, lq_l), (parse_usc, usc)) if text is not None]


@app.command()
def recovery() -> None:
    """List the recovery models a case file can name, with organs and sources. The default is none."""
    from reirrad.recoverytable import render_recovery

    render_recovery(console())


app.command()(explore)
app.command()(budget)
app.command("app")(page)
app.add_typer(batch)
app.add_typer(pacs)
app.command()(cord)
app.command()(register)
app.add_typer(library)
