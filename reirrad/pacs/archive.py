"""What can be asked of an archive, in whichever language it speaks."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from reirrad.pacs.errors import ArchiveError
from reirrad.pacs.profile import DimseProfile, Profile

__all__ = ["Archive", "Entry", "Keep", "Level", "Outgoing", "connect", "is_uid", "silent"]

Level = Literal["STUDY", "SERIES", "IMAGE"]
# Takes the SOP Instance UID that the archive announced and the bytes of the file; says whether it was kept.
Keep = Callable[[str, bytes], bool]
_LIBRARIES: Final = ("pynetdicom", "dicomweb_client", "requests", "retrying")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object that an archive lists.

    Parameters
    ----------
    modality : str
        As the archive states it for the series.
    sop_class_uid : str
        Empty when the archive does not say.
    """

    study_uid: str
    series_uid: str
    instance_uid: str
    modality: str
    sop_class_uid: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One file to be sent, checked to be a readable DICOM object."""

    path: Path
    name: str
    sop_class_uid: str
    instance_uid: str
    syntax: str


class Archive(Protocol):
    """A connection to an archive. Errors: `UnreachableError` when asking again may help, else `ArchiveError`."""

    def find(self, level: Level, keys: Mapping[str, str], wanted: Sequence[str]) -> list[dict[str, str]]:
        """Answers to a query: the keys and the further attributes that are wanted, as text, empty where the archive says nothing."""

    def retrieve(self, entries: Sequence[Entry], keep: Keep) -> None:
        """Hand objects of one series to `keep`. That all of them arrived is for the caller to see."""

    def store(self, files: Sequence[Outgoing], stored: Callable[[Outgoing], None]) -> None:
        """Send files; `stored` is told of each that the archive has accepted."""


def connect(profile: Profile) -> AbstractContextManager[Archive]:
    """Connection to the archive of a profile; nothing is sent before something is asked.

    Raises
    ------
    ArchiveError
        When the libraries of the extra `pacs` are not installed.
    """
    try:
        if isinstance(profile, DimseProfile):
            from reirrad.pacs.dimse import DimseArchive

            return DimseArchive(profile)
        from reirrad.pacs.dicomweb import DicomwebArchive

        return DicomwebArchive(profile)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _LIBRARIES:
            raise
        raise ArchiveError("The libraries that talk to an archive are not installed. Install the extra: pip install 'reirrad[pacs]'.") from None


def is_uid(text: str) -> bool:
    """Whether a text is a unique identifier (DICOM PS3.5 9.1), so that it may stand in a request.

    >>> is_uid("1.2.840.10008.1.1"), is_uid("1.2/../3"), is_uid("")
    (True, False, False)
    """
    return re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) is not None and len(text) <= 64


@contextmanager
def silent() -> Iterator[None]:
    """Keep the libraries from logging what an archive says: it names patients."""
    loggers = [logging.getLogger(name) for name in ("pynetdicom", "dicomweb_client", "urllib3", "requests")]
    before = [(one, one.propagate, list(one.handlers)) for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for one in loggers:
                one.propagate, one.handlers = False, [logging.NullHandler()]
            yield
        finally:
            for one, propagate, handlers in before:
                one.propagate, one.handlers = propagate, handlers
