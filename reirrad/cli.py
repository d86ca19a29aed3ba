"""The command line. A thin door: it parses arguments, calls one function, prints. Heavy imports happen inside the commands.

Exit status: 0 every mandatory limit met, 1 a mandatory limit exceeded or not evaluable, 2 refused.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reirrad import __version__

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app", "main"]

app = typer.Typer(
    name="reirrad",
    help="Cumulative EQD2 of several courses of radiotherapy from DICOM RT, held against cited limits. Decision support, not a medical device.",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

REFUSED = 2
# Bytes of a file name that are no UTF-8 come as lone surrogates; so they are escaped in the way of JSON.
ODD_BYTES = "backslashreplace"


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
        _say("Stopped on request; nothing was written.")
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(REFUSED) from None
    except MemoryError:
        _say("Refused: this machine has not enough memory for the case. Nothing was written. Close other programs, or use a machine with more memory.")
        raise SystemExit(REFUSED) from None
    except Exception as error:  # noqa: BLE001
        # The last resort: a fault of the program. The message of the exception may hold patient data and is not shown.
        where = _innermost(error)
        _say(
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


@app.command()
def check(
    cases: Annotated[
        list[Path], typer.Argument(metavar="CASE...", help="Case folders (with case.yaml), case files, or zips of case folders.", show_default=False)
    ],
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table; only exit status, JSON and refusals.")] = False,
) -> None:
    """Compute the cumulative EQD2 of every organ and hold it against limits.

    Exit status 0: every mandatory limit is met. 1: one is exceeded or not evaluable, or no limit applies. 2: refused, with the reason on standard error.
    With several cases the JSON is a list with one entry per case, a refused one as {"case_path", "outcome", "message"}; the exit status is the largest.
    """
    from reirrad import result, table
    from reirrad.errors import ReirradError, printable

    _refuse_unwritable(json_path)
    console = _console()
    documents: list[dict[str, Any]] = []
    status = 0
    for path in cases:
        try:
            with _progress() as progress:
                assessment = _assess(path, progress)
        except ReirradError as error:
            message = f"{printable(path.name or str(path))}: {error}" if len(cases) > 1 else str(error)
            _say(f"Refused: {message}")
            documents.append({"case_path": str(path), "outcome": "refused", "message": str(error)})
            status = REFUSED
            continue
        documents.append(result.to_dict(assessment))
        status = max(status, result.exit_status(assessment))
        if json_path != "-" and not quiet:
            table.render(assessment, console)
    if json_path is not None and not (len(cases) == 1 and status == REFUSED):
        _write(json_path, result.as_json(documents[0] if len(cases) == 1 else documents))
    raise typer.Exit(status)


def _assess(path: Path, progress: Any) -> Any:
    from reirrad.assessment import assess
    from reirrad.casefile import open_case
    from reirrad.loading import load_case

    with open_case(path) as folder:
        case, limits = load_case(folder, progress)
        return assess(case, limits, progress)


@contextmanager
def _progress() -> Iterator[Any]:
    """Tell what is being done, on standard error, when a person watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    from reirrad.errors import printable

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(Text(printable(text)))


def _console() -> Console:
    """Standard output as wide as the terminal; wide where nobody watches."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 150, highlight=False)


def _refuse_empty() -> None:
    """An empty argument is an unset variable of a script, not the current folder."""
    if any(argument == "" for argument in sys.argv[1:]):
        _say("Refused: one of the arguments is empty; needed a path or a value. Write . for the current folder.")
        raise typer.Exit(REFUSED)


def _refuse_unwritable(target: str | None) -> None:
    """Find out before the work that a result cannot be written."""
    if target is None or target == "-":
        return
    folder = Path(target).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(target).is_dir():
        _say(f"Refused: the result cannot be written to {target!r}; needed a file name in an existing folder that may be written to.")
        raise typer.Exit(REFUSED)


def _write(target: str, text: str) -> None:
    """Write a whole file or none."""
    if target == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors=ODD_BYTES, newline="\n")
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    path = Path(target)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors=ODD_BYTES, newline="\n") as stream:
            stream.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except OSError as error:
        _say(f"Refused: the result could not be written to {target!r} ({error.strerror}). Free space or choose another folder, and run again.")
        raise typer.Exit(REFUSED) from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    where = "unknown place"
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "reirrad" in file.parts:
            where = f"{file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


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
        _say("Refused: the case file must lie in the folder or above it, because its paths cannot lead elsewhere. Give another --out.")
        raise typer.Exit(REFUSED)
    if target != "-" and not force and os.path.lexists(target):
        _say(f"Refused: {Path(target).name!r} exists already and may hold somebody's review. Take it away, give another --out, or use --force.")
        raise typer.Exit(REFUSED)
    try:
        with _progress() as progress:
            proposal = propose(folder, base, progress)
    except ReirradError as error:
        _say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    _refuse_unwritable(target)
    _write(target, draft_text(proposal, with_patient_id=target != "-"))
    if target != "-":
        render_draft(proposal, _console())


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

    _refuse_unwritable(json_path)
    try:
        with open_case(case) as folder, _progress() as progress:
            found = second.crosscheck(folder, progress)
    except ReirradError as error:
        _say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if json_path is not None:
        _write(json_path, second.as_json(found))
    if json_path != "-":
        second.render(found, _console())
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

    _refuse_unwritable(json_path)
    with _progress() as progress:
        found = phantoms.commission(progress)
    if json_path is not None:
        _write(json_path, phantoms.as_json(found))
    if json_path != "-":
        render(found, _console(), full=full)
    raise typer.Exit(phantoms.exit_status(found))


@app.command()
def eqd2(
    schedules: Annotated[
        list[str],
        typer.Argument(
            metavar="DOSE/FRACTIONS...",
            help='Courses, as 54/30; phases as 50/25+16/8; several a day as "45/30 per-day=2 interval=6h". Total dose in Gy.',
            show_default=False,
        ),
    ],
    alpha_beta: Annotated[
        float, typer.Option("--alpha-beta", metavar="GY", help="alpha/beta of the organ or tumour, one for all courses.", show_default=False)
    ],
    half_time: Annotated[
        float | None, typer.Option("--half-time", metavar="HOURS", help="Half time of repair, for several fractions a day.", show_default=False)
    ] = None,
    limit: Annotated[
        float | None, typer.Option("--limit", metavar="GY", help="Cumulative limit in EQD2 at this alpha/beta: what remains is shown.", show_default=False)
    ] = None,
    fractions: Annotated[
        str | None, typer.Option("--fractions", metavar="N,N...", help="Numbers of fractions to spend what remains in.", show_default="1,3,5")
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
    from reirrad.errors import ReirradError
    from reirrad.schedule import parse_fractions, parse_schedule

    _refuse_unwritable(json_path)
    if fractions is not None and limit is None:
        _say("Refused: --fractions without a limit; needed is --limit, the cumulative EQD2 that must not be exceeded. Give it, or leave out --fractions.")
        raise typer.Exit(REFUSED)
    try:
        found = calculator.calculate([parse_schedule(s) for s in schedules], alpha_beta, half_time, limit, parse_fractions(fractions or "1,3,5"))
    except ReirradError as error:
        _say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    if json_path is not None:
        _write(json_path, calculator.as_json(found))
    if json_path != "-":
        from reirrad.calculatortable import render_calculation

        render_calculation(found, _console())
    for notice in found.notices:
        _say(f"Warning ({notice.code}): {notice.message}")
    raise typer.Exit(calculator.exit_status(found))
