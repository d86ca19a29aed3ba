"""The command `reirrad register`: registers the planning CTs of a case, and writes the result as a DICOM object to be looked at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from reirrad.terminal import REFUSED, progress, say

__all__ = ["register"]


def register(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="Case folder (with case.yaml) or case file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Registration object to write.", show_default=False)],
    course: Annotated[
        str | None,
        typer.Option("--course", metavar="NAME", help="Course to register; needed when several have method: auto.", show_default=False),
    ] = None,
) -> None:
    """Register the CT of a course to that of the reference course and write a DICOM Spatial Registration object.

    The case states method: auto for that course. Exit status 0: written, without a doubt of its own. 1: written, but doubtful. 2: refused.
    """
    from reirrad.errors import ReirradError
    from reirrad.registerfile import write_registration

    if os.path.lexists(out) or not out.parent.is_dir():
        say(f"Refused: {out.name!r} exists already, or its folder does not exist. Needed is a new file name in an existing folder.")
        raise typer.Exit(REFUSED)
    try:
        with progress() as tell:
            found = write_registration(case, out, course, tell)
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None
    typer.echo(f"{out.name}: {found.transform.description}")
    for notice in found.warnings:
        say(f"Warning ({notice.code}): {notice.message}")
    raise typer.Exit(int(found.is_doubtful))
