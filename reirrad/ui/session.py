"""One browser tab: one patient, in memory and in a private folder that goes when the tab goes.

Nothing here is shared between tabs: no cache of Streamlit's holds anything of a patient.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import streamlit as st

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Case
from reirrad.errors import ReirradError
from reirrad.loading import load_case
from reirrad.ui.opened import Opened

__all__ = ["Loaded", "Session", "current", "sweep"]

PREFIX: Final = "reirrad-tab-"
KEY: Final = "reirrad_session"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loaded:
    """A case that was read and calculated.

    Parameters
    ----------
    folder : Path
        Where its case file lies.
    case_file : Path
    """

    folder: Path
    case_file: Path
    case: Case
    choice: LimitChoice
    assessment: Assessment


@dataclass(eq=False, weakref_slot=True, slots=True, repr=False)
class Session:
    """What one tab holds.

    Parameters
    ----------
    folder : Path
        Private folder of the tab; removed with it.
    document : dict or None
        The case file as plain data, as edited on the page; None before anything was loaded.
    case_folder : Path or None
        Folder the paths of the document are relative to, below `folder`.
    opened : Opened or None
        The case in the hands of a person: what was found in its files, and the document before the last edits.
    loaded : Loaded or None
        The last case that was calculated.
    kept : dict
        What pages keep for this patient (images, choices, sign-offs); emptied with every calculation and every new patient.
    is_changed : bool
        The document is no longer the one that was calculated.
    version : int
        Part of the keys of widgets; another one makes them anew.
    patient : int
        Counts the patients of this tab.
    """

    folder: Path = field(default_factory=lambda: _private_folder())
    document: dict[str, Any] | None = None
    case_folder: Path | None = None
    loaded: Loaded | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    opened: Opened | None = None
    is_changed: bool = False
    version: int = 0
    patient: int = 0

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def clear(self) -> None:
        """Forget the patient, in memory and on disk."""
        self.document = self.case_folder = self.loaded = self.opened = None
        self.kept, self.is_changed = {}, False
        self.version, self.patient = self.version + 1, self.patient + 1
        self.folder.mkdir(mode=0o700, exist_ok=True)  # a cleaner of temporary folders may have come by
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def calculate(self, case_file: Path, progress: Callable[[str], None] = lambda _: None) -> Loaded:
        """Read and calculate the case of a case file; what was loaded before stays when it is refused.

        Raises
        ------
        ReirradError
            As `load_case`; also when the patient was changed meanwhile.
        """
        patient = self.patient
        case, choice = load_case(case_file, progress)
        found = Loaded(case_file.parent, case_file, case, choice, assess(case, choice, progress))
        if self.patient != patient:
            raise ReirradError("Another patient was opened while this one was calculated; nothing of it is kept. Calculate the case that is open now.")
        self.loaded, self.kept, self.is_changed = found, {}, False
        return found


def current() -> Session:
    """The session of the tab that asks."""
    if KEY not in st.session_state:
        _hush()
        st.session_state[KEY] = Session()
    session: Session = st.session_state[KEY]
    return session


def sweep() -> None:
    """Remove folders of servers that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if folder.is_dir() and owner.isdigit() and not _is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _hush() -> None:
    """Keep pydicom, for good, from printing values of a patient: what keeps it quiet while one thread reads ends for all threads when that one is done."""
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


def _private_folder() -> Path:
    """A folder only this user can read (mode 0700), named after the process that made it."""
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def _is_running(process: int) -> bool:
    if os.name == "nt":  # there the call below would not ask, but interrupt
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
