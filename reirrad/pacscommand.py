"""The commands `reirrad pacs`: ask an archive what it has of a patient, fetch it, send results back.

Nothing of a patient is printed but dates and numbers of studies, and those by `find` alone. Exit status: 0 done; 1 done, but something is lacking; 2 refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reirrad.terminal import REFUSED, console, progress, refuse_unwritable, say, write

if TYPE_CHECKING:
    from reirrad.pacs.archive import Archive
    from reirrad.pacs.listing import Listing
    from reirrad.pacs.profile import Profile

__all__ = ["pacs"]

pacs = typer.Typer(name="pacs", help="Query an archive, fetch what a calculation needs, store results.", no_args_is_help=True, rich_markup_mode=None)

Patient = Annotated[
    str,
    typer.Option(
        "--patient",
        metavar="ID",
        help="Patient ID, exactly; - reads it from standard input, where other users of the machine cannot see it.",
        show_default=False,
    ),
]
ProfileName = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Archive of the profile file.", show_default="its default, or its only one")]
ProfileFile = Annotated[
    Path | None, typer.Option("--profile-file", metavar="FILE", help="Profiles of archives, readable by you alone.", show_default="~/.config/reirrad/pacs.toml")
]


@pacs.command()
def find(
    patient: Patient,
    profile: ProfileName = None,
    profile_file: ProfileFile = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the list as JSON, with identifiers of series; - for standard output.", show_default=False),
    ] = None,
) -> None:
    """Show which studies, plans, doses, structure sets and CTs the archive has of a patient.

    Exit status 0: there is dose. 1: there are studies, but no dose. 2: refused.
    """
    refuse_unwritable(json_path)
    with _archive(profile_file, profile) as (archive, used, tell):
        from reirrad.pacs.retrieve import find as list_of

        tell("asking what there is")
        listing = list_of(archive, _patient_id(patient), used)
    if json_path is not None:
        write(json_path, _document(listing))
    if json_path != "-":
        _render(listing)
    raise typer.Exit(0 if any(s.modality == "RTDOSE" for s in listing.series) else 1)


@pacs.command()
def fetch(
    patient: Patient,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for what is fetched.", show_default=False)],
    profile: ProfileName = None,
    profile_file: ProfileFile = None,
) -> None:
    """Fetch every plan, dose, structure set, registration and treatment record of a patient over all studies, and the CTs they refer to.

    DIR appears when everything has arrived and been checked; until then objects gather in DIR.unfinished, and the same command continues there.
    Exit status 0: complete. 1: complete, but objects refer to others that the archive does not have. 2: refused or incomplete.
    """
    with _archive(profile_file, profile) as (archive, used, tell):
        from reirrad.pacs.retrieve import fetch as fetch_all

        found = fetch_all(archive, _patient_id(patient), used, out, tell)
    counts = ", ".join(f"{n} {modality}" for modality, n in sorted(found.counts.items()))
    typer.echo(f"{found.directory.name}: {counts}; {found.n_fetched} transferred now. Next: reirrad draft {found.directory.name}")
    for notice in found.notices:
        say(f"Warning ({notice.code}): {notice.message}")
    raise typer.Exit(int(bool(found.notices)))


@pacs.command()
def send(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="DICOM files, such as those of --export.", show_default=False)],
    profile: ProfileName = None,
    profile_file: ProfileFile = None,
) -> None:
    """Store DICOM files in the archive.

    Exit status 0: all are stored. 2: refused; the message says how many are stored.
    """
    with _archive(profile_file, profile) as (archive, used, tell):
        from reirrad.pacs.send import send as send_all

        n_stored = send_all(archive, files, used, tell)
    typer.echo(f"{n_stored} file(s) stored.")


@contextmanager
def _archive(file: Path | None, name: str | None) -> Iterator[tuple[Archive, Profile, Callable[[str], None]]]:
    """A connection; what goes wrong is said in one paragraph."""
    from reirrad.errors import ReirradError
    from reirrad.pacs.archive import connect
    from reirrad.pacs.profile import load_profile

    try:
        profile = load_profile(name, file)
        with connect(profile) as archive, progress() as tell:
            yield archive, profile, tell
    except ReirradError as error:
        say(f"Refused: {error}")
        raise typer.Exit(REFUSED) from None


def _patient_id(stated: str) -> str:
    return sys.stdin.readline().strip() if stated == "-" else stated


def _document(listing: Listing) -> str:
    import json

    series = [
        {"study": s.study_uid, "study_date": s.study_date or None, "series": s.uid, "modality": s.modality, "objects": s.n_objects} for s in listing.series
    ]
    return json.dumps({"schema": 1, "series": series}, indent=1) + "\n"


def _render(listing: Listing) -> None:
    """One row per study: how many series of each kind."""
    from rich.table import Table

    from reirrad.pacs.listing import IMAGES, TREATMENT

    kinds = (*TREATMENT, IMAGES)
    table = Table("Study", "Date", *kinds, "Other", title="Series in the archive", title_justify="left")
    studies: dict[str, list[Any]] = {}
    for series in listing.series:
        studies.setdefault(series.study_uid, []).append(series)
    for number, found in enumerate(sorted(studies.values(), key=lambda s: (s[0].study_date, s[0].study_uid)), 1):
        date = found[0].study_date
        counts = [sum(s.modality == kind for s in found) for kind in kinds]
        shown = f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else "not stated"
        table.add_row(str(number), shown, *(str(n) if n else "" for n in counts), str(len(found) - sum(counts)) if len(found) > sum(counts) else "")
    console().print(table)
