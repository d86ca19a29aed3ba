"""The command `reirrad batch`: many cases into one table, and `reirrad batch report`: an overview of them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from reirrad.terminal import REFUSED, console, progress, refuse_unwritable, say, stated_day, write

if TYPE_CHECKING:
    from reirrad.batch import Settings
    from reirrad.batchcases import FoundCase
    from reirrad.batchjournal import Journal
    from reirrad.batchtable import Filter, Format, Stored

__all__ = ["batch"]

INTERRUPTED = 130
MEMORY_LIMIT_MB = 4096
TIME_LIMIT_S = 600.0


class _RunUnlessNamed(TyperGroup):
    """`reirrad batch PATH...` is `reirrad batch run PATH...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where none is named."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["run", *args])


batch = typer.Typer(name="batch", cls=_RunUnlessNamed, help="Compute many cases into one table; `batch report` makes an overview.", rich_markup_mode=None)


@batch.command("run")
def run_batch(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Cases, or folders that hold cases at any depth (case.yaml or zips).", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Table to write; results of single cases go to FILE.cases beside it.", show_default=False)],
    form: Annotated[
        Literal["csv", "parquet", "jsonl"] | None, typer.Option("--format", help="Format of the table.", show_default="by the ending of FILE")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Also folders of exports without a case file, as `reirrad draft` proposes them, unreviewed.")] = False,
    n_workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, max=1024, help="Processes on this machine.", show_default="all cores")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="ADDRESS", help="Use the workers of this Dask scheduler (tcp://host:port), which read the same paths.", show_default=False
        ),
    ] = None,
    time_limit_s: Annotated[float, typer.Option("--time-limit", metavar="S", help="Seconds for one case.")] = TIME_LIMIT_S,
    memory_limit_mb: Annotated[int, typer.Option("--memory-limit", metavar="MB", help="Memory for one case; 0 for no limit.")] = MEMORY_LIMIT_MB,
    only_flagged: Annotated[bool, typer.Option("--only-flagged", help="Only limits that are exceeded, not evaluable, or met with caution.")] = False,
    organs: Annotated[list[str] | None, typer.Option("--organ", metavar="KEY", help="Only limits of this organ; may be repeated.", show_default=False)] = None,
    constraints: Annotated[
        str | None, typer.Option("--constraints", metavar="SET", help="Only limits of this library set or limits file.", show_default=False)
    ] = None,
) -> None:
    """Compute every case below the paths, in parallel, into one table with a row for every limit and at least one for every case.

    A case that is refused, crashes, hangs or needs too much memory is a row with its reason and stops no other. Run again, and only new, changed and failed
    cases are computed; also after Ctrl-C. `reirrad batch report FILE` makes an overview of the results.

    Exit status: that of the worst case. 0 every mandatory limit is met, 1 one is exceeded or not evaluable, 2 a case was not computed.
    """
    from reirrad.batch import Settings
    from reirrad.batchcases import find_cases
    from reirrad.batchcluster import cluster
    from reirrad.batchjournal import Journal, journal_folder
    from reirrad.batchtable import write_table
    from reirrad.errors import ReirradError

    refuse_unwritable(str(out))
    counted = _Count()
    try:
        written_as, keep = _format(form, out), _filter(only_flagged, organs, constraints)
        settings = Settings(draft, time_limit_s, memory_limit_mb or None)
        with Journal(journal_folder(out)) as journal:
            with progress() as tell:
                tell("looking for cases")
                found, notices = find_cases(paths, draft=draft)
                tell("starting workers")
                places = cluster(n_workers or _cores(), scheduler)
            with places as workers:
                try:
                    _compute(found, settings, journal, workers.executor, workers.window)
                except KeyboardInterrupt:
                    kept = f"{len(journal)} results are kept in {str(journal.folder)!r}; the same command goes on from there."
                    say(f"Stopped on request; no table was written. {kept}")
                    raise typer.Exit(INTERRUPTED) from None
            journal.drop_others(c.name for c in found)
            n_rows = write_table(counted.through(journal.results()), out, written_as, keep)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    for notice in notices:
        say(f"Warning ({notice.code}): {notice.message}")
    counted.render(out, n_rows)
    raise typer.Exit(counted.status)


@batch.command("report")
def report_batch(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="The table of a batch; what is shown comes from FILE.cases beside it.", show_default=False)],
    out: Annotated[str, typer.Option("--out", metavar="FILE.html", help="Overview to write.", show_default=False)],
    date: Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Date it bears.", show_default="today")] = None,
) -> None:
    """Write one HTML page of a batch: flags by organ, distributions, outliers, and a link to the result of each case.

    Exit status 0: written. 2: refused, with the reason on standard error.
    """
    from reirrad.batchjournal import Journal, journal_folder
    from reirrad.batchreport import as_html, overview
    from reirrad.errors import ReirradError, printable

    refuse_unwritable(out)
    day = stated_day(date)
    try:
        folder = journal_folder(table)
        if not folder.is_dir():
            raise ReirradError(
                f"{printable(str(folder), 200)!r} was not found, which holds the results of a batch. Needed is a table written by reirrad batch."
            )
        with Journal(folder) as journal, progress() as tell:
            tell("reading results")
            page = as_html(overview(journal, table.name, day.isoformat(), Path(out).absolute().parent))
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    write(out, page)


# ------------------------------------------------------------------------------------------------------- choices


def _format(form: Format | None, out: Path) -> Format:
    """As stated, else by the ending of the file."""
    from reirrad.errors import ReirradError, printable

    endings: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}
    found = form or endings.get(out.suffix.lower())
    if found is None:
        raise ReirradError(f"{printable(out.name)!r} does not tell the format; needed is a file that ends in .csv, .parquet or .jsonl, or --format.")
    return found


def _filter(only_flagged: bool, organs: list[str] | None, constraints: str | None) -> Filter:
    from reirrad.batchtable import Filter
    from reirrad.constraints import load_limits, load_set
    from reirrad.errors import printable
    from reirrad.organs import organ

    keys = None if not organs else frozenset(organ(key).key for key in organs)
    ids = None
    if constraints is not None:
        path = Path(constraints)
        ids = frozenset(limit.id for limit in (load_limits(path, printable(path.name)) if path.is_file() else load_set(constraints)))
    return Filter(only_flagged, keys, ids)


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ------------------------------------------------------------------------------------------------------- running


def _compute(found: tuple[FoundCase, ...], settings: Settings, journal: Journal, executor: object, window: int) -> None:
    from concurrent.futures import Executor

    from reirrad.batch import run_cases

    assert isinstance(executor, Executor)
    with _bar(len(found)) as advance:
        for result in run_cases(found, settings, executor, journal.known(), window):
            journal.keep(result)
            advance()


@contextmanager
def _bar(n_cases: int) -> Iterator[Callable[[], None]]:
    """Cases done, rate and time left, on standard error when a person watches."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{60 * task.speed:.0f} a minute" if task.speed else "")

    with Progress("cases", BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task("cases", total=n_cases)
        yield lambda: shown.advance(task)


class _Count:
    """What passes by on its way into the table."""

    def __init__(self) -> None:
        self.status = 0
        self._words: Counter[str] = Counter()

    def through(self, results: Iterator[Stored]) -> Iterator[Stored]:
        """Count results."""
        from reirrad.batchtable import exit_status

        for result, document in results:
            self.status = max(self.status, exit_status(result, document))
            self._words[result.outcome if document is None else document["verdict"]] += 1
            yield result, document

    def render(self, out: Path, n_rows: int) -> None:
        """Say what there was."""
        order = ("within", "caution", "not_evaluable", "exceeded", "refused", "failed", "timeout")
        parts = [f"{self._words[word]} {word.replace('_', ' ')}" for word in order if self._words[word]]
        console().print(f"{self._words.total()} cases: {', '.join(parts)}. Written: {str(out)!r}, {n_rows} rows.", markup=False, soft_wrap=True)
