"""The commands `reirrad constraints`: look into the library of limits, check a limits file, start one from a set.

Exit status: 0 done, 2 refused, with the reason on standard error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reirrad.terminal import REFUSED, console, refuse_unwritable, say, write

if TYPE_CHECKING:
    from reirrad.limit import Limit

__all__ = ["library"]

# Of limits whose id begins as asked, at most so many are suggested.
MOST_SUGGESTED = 6

library = typer.Typer(name="constraints", help="The library of limits, and limits files.", no_args_is_help=True, rich_markup_mode=None)

JsonPath = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - writes to standard output, and nothing else goes there.", show_default=False),
]


@library.command("list")
def list_limits(
    organ: Annotated[str | None, typer.Option("--organ", metavar="KEY", help="Only limits of this organ.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option("--set", metavar="NAME", help="Only limits of this set.", show_default=False)] = None,
    level: Annotated[Literal["mandatory", "optimal"] | None, typer.Option("--level", help="Only limits of this level.", show_default=False)] = None,
    status: Annotated[
        Literal["VERIFIED", "SECONDARY"] | None,
        typer.Option("--status", case_sensitive=False, help="Only limits seen in the paper, or quoted elsewhere.", show_default=False),
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """List limits of the library."""
    from reirrad import librarytable
    from reirrad.organs import organ as organ_of

    refuse_unwritable(json_path)
    with _refusals():
        key = None if organ is None else organ_of(organ).key
        wanted = {"organ": key, "level": level, "status": status}
        found = [(of, limit) for of, limit in _library(name) if all(value is None or getattr(limit, attribute) == value for attribute, value in wanted.items())]
    if json_path is not None:
        write(json_path, _as_json({"limits": [_document(of, limit) for of, limit in found]}))
    if json_path != "-":
        librarytable.render_limits(found, console())


@library.command()
def show(
    limit_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a limit, as listed.", show_default=False)],
    json_path: JsonPath = None,
) -> None:
    """Show everything that is known of one limit, and which sources disagree."""
    from reirrad import librarytable
    from reirrad.disagreements import for_organ

    refuse_unwritable(json_path)
    with _refusals():
        name, limit = _limit(limit_id)
    disagreements = for_organ(limit.organ)
    if json_path is not None:
        write(json_path, _as_json({"limit": _document(name, limit), "disagreements": [asdict(d) for d in disagreements]}))
    if json_path != "-":
        librarytable.render_limit(name, limit, disagreements, console())


@library.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Limits file (YAML).", show_default=False)],
    case: Annotated[
        Path | None,
        typer.Option("--case", metavar="CASE", help="Case whose alpha/beta count; without it those of the organ library.", show_default=False),
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Check a limits file: every problem is told with its line.

    A limit for another alpha/beta than that of its organ is refused, unless it says own_alpha_beta: true.
    """
    from reirrad import librarytable
    from reirrad.constraints import load_limits, other_alpha_beta
    from reirrad.errors import printable

    refuse_unwritable(json_path)
    shown = printable(file.name)
    with _refusals():
        alpha_beta_gy = _alpha_beta_of(case)
        limits = load_limits(file, shown, alpha_beta_gy)
    warnings = [f"{limits[i].id}: {message}; it will be evaluated at its own" for i, message in other_alpha_beta(limits, alpha_beta_gy)]
    if json_path is not None:
        write(json_path, _as_json({"file": shown, "limits": [_document(shown, limit) for limit in limits], "warnings": warnings}))
    if json_path != "-":
        librarytable.render_valid(shown, limits, warnings, console())


@library.command()
def export(
    name: Annotated[str, typer.Argument(metavar="SET", help="Set of the library.", show_default=False)],
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="File to write; - shows it on standard output.", show_default="SET.yaml")] = None,
) -> None:
    """Write a set as a limits file to edit. A file that is there is never replaced."""
    from reirrad import __version__
    from reirrad.constraints import load_set
    from reirrad.limittext import limits_text

    with _refusals():
        limits = load_set(name)
    target = out or f"{name}.yaml"
    if target != "-" and os.path.lexists(target):
        say(f"Refused: {Path(target).name!r} exists already and may hold somebody's work. Take it away, or give another --out.")
        raise typer.Exit(REFUSED)
    refuse_unwritable(target)
    write(
        target, limits_text(limits, f'Limits of the set "{name}", reirrad {__version__}. Sources and levels are yours to check: reirrad constraints validate')
    )


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn a refusal of the library into a sentence on standard error."""
    from reirrad.errors import ReirradError

    try:
        yield
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None


def _library(name: str | None) -> list[tuple[str, Limit]]:
    """Limits of one set, or of all, each with the name of its set."""
    from reirrad.constraints import load_set, set_names

    return [(of, limit) for of in (set_names() if name is None else (name,)) for limit in load_set(of)]


def _limit(limit_id: str) -> tuple[str, Limit]:
    from reirrad.constraints import left_out
    from reirrad.errors import LimitFileError, printable
    from reirrad.yamlfile import did_you_mean

    found = {limit.id: (name, limit) for name, limit in _library(None)}
    if limit_id in found:
        return found[limit_id]
    for statement in left_out():
        if statement.key == limit_id:
            raise LimitFileError(f'"{limit_id}" ({statement.says}; {statement.citation.rstrip(".")}) is no limit of the library. {statement.reason}')
    begun = [f'"{key}"' for key in found if limit_id and key.startswith(limit_id)]
    if 0 < len(begun) <= MOST_SUGGESTED:
        hint = f", did you mean {' or '.join(begun)}?"
    else:
        hint = ("" if begun else did_you_mean(limit_id, found)) or "; reirrad constraints list shows them."
    raise LimitFileError(f'"{printable(limit_id, 60)}" is not a limit of the library{hint}')


def _alpha_beta_of(case: Path | None) -> Mapping[str, float]:
    """Alpha/beta that a case states, by organ."""
    if case is None:
        return {}
    from reirrad.casefile import open_case, read_case_file

    with open_case(case) as folder:
        return read_case_file(folder).alpha_beta_gy


def _document(name: str, limit: Limit) -> dict[str, Any]:
    return {"id": limit.id, "set": name, **asdict(limit), "metric": str(limit.metric)}


def _as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
