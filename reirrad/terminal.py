"""What every command does in the same way: say, show progress, write a whole file or none."""

from __future__ import annotations

import datetime as dt
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from reirrad.wholefiles import whole_file

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["REFUSED", "console", "progress", "refuse_unwritable", "say", "stated_day", "write", "write_bytes"]

REFUSED = 2
# Bytes of a file name that are no UTF-8 come as lone surrogates; so they are escaped in the way of JSON.
ODD_BYTES = "backslashreplace"


@contextmanager
def progress() -> Iterator[Any]:
    """Tell what is being done, on standard error, when a person watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    from reirrad.errors import printable

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(Text(printable(text)))


def console() -> Console:
    """Standard output as wide as the terminal; wide where nobody watches."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 150, highlight=False)


def refuse_unwritable(target: str | None) -> None:
    """Find out before the work that a result cannot be written."""
    if target is None or target == "-":
        return
    folder = Path(target).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(target).is_dir():
        say(f"Refused: the result cannot be written to {target!r}; needed a file name in an existing folder that may be written to.")
        raise typer.Exit(REFUSED)


def write(target: str, text: str) -> None:
    """Write a whole file or none."""
    if target == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors=ODD_BYTES, newline="\n")
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    write_bytes(target, text.encode("utf-8", ODD_BYTES))


def write_bytes(target: str, content: bytes) -> None:
    """Write a whole file or none."""
    try:
        with whole_file(Path(target)) as stream:
            stream.write(content)
    except OSError as error:
        say(f"Refused: the result could not be written to {target!r} ({error.strerror}). Free space or choose another folder, and run again.")
        raise typer.Exit(REFUSED) from None


def say(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(text + "\n")


def stated_day(text: str | None) -> dt.date:
    """Date that a document is to bear: the one asked for, else today's."""
    if text is None:
        return dt.date.today()
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        say("Refused: the date is not a day written as YYYY-MM-DD, such as 2026-03-31. Correct --date.")
        raise typer.Exit(REFUSED) from None
