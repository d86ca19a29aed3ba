"""A patient out of the archive of the profile file, on the Load page. The Patient ID is in the memory of the tab alone."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit import config

from reirrad.appcommand import LOOPBACK
from reirrad.errors import ReirradError
from reirrad.pacs.archive import Archive, connect
from reirrad.pacs.errors import ArchiveError
from reirrad.pacs.holding import MANIFEST
from reirrad.pacs.listing import Listing, Series
from reirrad.pacs.profile import PROFILE_FILE, Profile, load_profile
from reirrad.pacs.retrieve import Retrieval, fetch, find
from reirrad.ui.cells import Row, by_column
from reirrad.ui.session import Session
from reirrad.ui.text import plain

__all__ = ["Asked", "ask", "fetched", "is_offered", "open_patient", "show", "study_rows"]

LIBRARIES: Final = ("pynetdicom", "dicomweb_client", "requests")  # of the extra `pacs`
TALKATIVE: Final = (*LIBRARIES, "urllib3")
ASKED, TYPED = "archive_asked", "archive_typed"
FOLDER: Final = "case"
NOT_KEPT: Final = " The retrieval is not complete: "  # how the command goes on, which keeps what has arrived
KINDS: Final = {"RTPLAN": "Plans", "RTDOSE": "Doses", "RTSTRUCT": "Structures", "REG": "Registrations", "RTRECORD": "Records", "CT": "CTs"}
OTHER: Final = "Other"

Tell = Callable[[str], None]
# Does work under a title with progress shown, and shows why it was refused.
Attempt = Callable[[str, Callable[[Tell], None]], None]
# Opens the folder that is given, and the case file in it, in place of whatever was open.
Open = Callable[[Session, Callable[[], tuple[Path, str | None]], Tell], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the archive lists, and for which patient."""

    patient_id: str
    listing: Listing


def is_offered() -> bool:
    """Whether there is a profile file and what it takes to use it; never on a page that other computers reach, whose users are not the owner of the profile."""
    if config.get_option("server.address") not in LOOPBACK:
        return False
    try:
        return PROFILE_FILE.expanduser().is_file() and all(find_spec(name) is not None for name in LIBRARIES)
    except (OSError, RuntimeError):  # a folder that may not be looked into, a user without a home
        return False


def ask(session: Session, patient_id: str, tell: Tell = lambda _: None) -> None:
    """Keep what the archive lists of a patient; the open case stays.

    Raises
    ------
    ReirradError
        When the profile cannot be used, or the archive has nothing or does not answer in full; then nothing is kept.
    """
    session.kept.pop(ASKED, None)
    with _archive() as (archive, profile):
        tell("asking what there is")
        session.kept[ASKED] = Asked(patient_id.strip(), find(archive, patient_id, profile))


def open_patient(session: Session, patient_id: str, open_folder: Open, tell: Tell = lambda _: None) -> None:
    """Fetch a patient and open what came, in place of whatever was open; what the archive lacks is said as long as the case is open.

    Raises
    ------
    ReirradError
        When not everything arrived, or it cannot be used; then nothing is open, and nothing of it is left on disk.
    """
    came: list[Retrieval] = []

    def take() -> tuple[Path, None]:
        came.append(fetched(patient_id, session.folder / FOLDER, tell))
        (came[0].directory / MANIFEST).unlink()  # no file of the patient; the page would count it among what it cannot read
        return came[0].directory, None

    try:
        open_folder(session, take, tell)
    except ReirradError:
        session.kept[TYPED] = patient_id  # to try again
        raise
    assert session.opened is not None
    session.opened.notices = came[0].notices


def fetched(patient_id: str, folder: Path, tell: Tell = lambda _: None) -> Retrieval:
    """Fetch a patient into a new folder, which is private because the one it lies in is.

    Raises
    ------
    ReirradError
        As `reirrad.pacs.retrieve.fetch`, in words that hold where what has arrived is not kept.
    """
    try:
        with _archive() as (archive, profile):
            return fetch(archive, patient_id, profile, folder, tell)
    except ArchiveError as error:
        reason, incomplete, _ = str(error).partition(NOT_KEPT)
        raise ArchiveError(f"{reason} Not everything arrived, and nothing was kept: fetch the patient again." if incomplete else reason) from None


def study_rows(listing: Listing) -> list[Row]:
    """One row per study, by date: how many series it has of each kind; None for no series.

    >>> study_rows(Listing((Series("1.2", "20210304", "1.2.1", "RTDOSE", 1), Series("1.2", "20210304", "1.2.2", "PT", 90))))[0]["Doses"]
    1
    """
    studies: dict[tuple[str, str], list[Series]] = {}
    for series in listing.series:
        studies.setdefault((series.study_date, series.study_uid), []).append(series)
    rows: list[Row] = []
    for (date, _), found in sorted(studies.items()):
        counts = {label: sum(s.modality == kind for s in found) for kind, label in KINDS.items()}
        counts[OTHER] = len(found) - sum(counts.values())
        rows.append({"Date": f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else "not stated", **{label: n or None for label, n in counts.items()}})
    return rows


def show(session: Session, attempt: Attempt, open_folder: Open) -> None:
    """Ask for a Patient ID, show what the archive has, fetch it."""
    # One form: whichever button is pressed, what stands in the field comes with it, so that no other patient is fetched than the one who is read there.
    with st.form("load-archive", border=False):
        field, button = st.columns([4, 1], vertical_alignment="bottom")
        key = f"archive-patient-{session.patient}"
        typed = field.text_input("Patient ID", session.kept.get(TYPED, ""), key=key, autocomplete="off").strip()
        if button.form_submit_button("Find", width="stretch"):
            attempt("Asking the archive", lambda tell: ask(session, typed, tell))
        asked: Asked | None = session.kept.get(ASKED)
        if asked is None:
            st.caption("Nothing is written to the archive. Every plan, dose, structure set, registration and record is fetched, with the CTs these refer to.")
            return
        if typed != asked.patient_id:
            st.info("The Patient ID was changed: find that patient first.")
            return
        _show_listing(asked)
        if not any(s.modality == "RTDOSE" for s in asked.listing.series):
            st.warning("The archive has no dose of this patient, so there is nothing to add up. Was dose exported to this archive?")
        elif st.form_submit_button("Fetch and open", type="primary"):
            attempt("Fetching from the archive", lambda tell: open_patient(session, typed, open_folder, tell))


def _show_listing(asked: Asked) -> None:
    rows = study_rows(asked.listing)
    st.markdown(
        f"**Patient ID {plain(asked.patient_id)}**: {len(rows)} {'study' if len(rows) == 1 else 'studies'} in the archive. Number of series of each kind:"
    )
    columns = {"Date": st.column_config.TextColumn("Study of"), **{label: st.column_config.NumberColumn(label) for label in (*KINDS.values(), OTHER)}}
    st.dataframe(by_column(rows, columns), hide_index=True, column_config=columns, placeholder="–", alt="Number of series of each kind in every study")


@contextmanager
def _archive() -> Iterator[tuple[Archive, Profile]]:
    """The archive of the profile file; nothing that it says gets into a log or out of here but in the words of a refusal."""
    for name in TALKATIVE:  # for good: `reirrad.pacs` keeps them quiet while one thread asks, and lets them speak when that one is done
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        warnings.filterwarnings("ignore", module=name)
    try:
        profile = load_profile()
        with connect(profile) as archive:
            yield archive, profile
    except ReirradError:
        raise
    except Exception as error:  # noqa: BLE001 - the server would log it, with an address that may name the patient
        raise ArchiveError(f"The exchange with the archive failed ({type(error).__name__}). Ask the administrator of this page.") from None
