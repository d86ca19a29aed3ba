"""Files to an archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reirrad.dicom.files import read_record
from reirrad.dicom.parsing import open_object, reading
from reirrad.errors import DicomError, ReirradError, printable
from reirrad.pacs.archive import Archive, Outgoing
from reirrad.pacs.errors import ArchiveError
from reirrad.pacs.profile import Profile
from reirrad.pacs.retry import persistently

__all__ = ["send"]


def send(archive: Archive, files: Sequence[Path], profile: Profile, tell: Callable[[str], None] = lambda _: None) -> int:
    """Store files in the archive, after all of them have been found readable.

    Returns
    -------
    int
        How many are stored: all.

    Raises
    ------
    DicomError
        When a file is no DICOM object; nothing has been sent then.
    ArchiveError
        When the archive does not take one; the message says how many it has taken.
    """
    waiting = {file.instance_uid: file for file in map(_outgoing, files)}
    if len(waiting) != len(files):
        raise DicomError("Two of the files have the same SOP Instance UID, so they are one object or a contradiction. Send one of them. Nothing was sent.")
    n_files = len(waiting)

    def stored(file: Outgoing) -> None:
        del waiting[file.instance_uid]
        tell(f"{n_files - len(waiting)} of {n_files} stored")

    try:
        persistently(lambda: archive.store(list(waiting.values()), stored), profile.attempts, profile.first_wait_s)
    except ReirradError as error:
        raise ArchiveError(f"{error} {n_files - len(waiting)} of {n_files} files are stored in the archive; sending one again does no harm.") from None
    return n_files


def _outgoing(path: Path) -> Outgoing:
    name = printable(path.name)
    record = read_record(path, name) if path.is_file() else None
    if record is None:
        raise DicomError(f"{name} is not a DICOM file. Give files that an archive can store. Nothing was sent.")
    with reading(name), open_object(path, name, 0) as opened:
        syntax = opened.syntax
    if not syntax:
        raise DicomError(f"{name} does not say how it is encoded (no file meta information), so it cannot be sent. Export it again. Nothing was sent.")
    return Outgoing(path, name, record.sop_class_uid, record.sop_instance_uid, syntax)
