"""What has arrived of a retrieval, on disk, until it is whole.

It gathers in a folder beside the one asked for, under names made of hashes. In this folder and in those below it a file that is called DICOM and is none
keeps every other command from reading them as a case; only when all has arrived and been checked are these files removed and the folder given its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reirrad.dicom.files import ROLES, Record, read_record
from reirrad.dicom.identity import hashed
from reirrad.dicom.parsing import UNDEFINED_LENGTH, read_header, reading
from reirrad.dicom.values import text
from reirrad.errors import DicomError
from reirrad.pacs.archive import Entry
from reirrad.pacs.errors import ArchiveError

__all__ = ["MANIFEST", "MARK", "Holding", "file_name"]

MARK: Final = "UNFINISHED-RETRIEVAL.dcm"
MARK_TEXT: Final = b"This retrieval is not complete. Run the same reirrad pacs fetch again to continue it, or delete this folder.\n"
MANIFEST: Final = "retrieval.json"
LARGEST_BYTES: Final = 1 << 31
SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"


def file_name(entry: Entry) -> str:
    """Where an object lies: a folder per study, names of hashes, nothing from free text.

    >>> file_name(Entry("1.2", "1.2.3", "1.2.3.4", "RTDOSE", "1.2.840.10008.5.1.4.1.1.481.2"))
    'study-77ac319bfe19/RTDOSE-6694f83c9f476da31f5d.dcm'
    """
    role = ROLES.get(entry.sop_class_uid) or (entry.modality if entry.modality in ROLES.values() else "OTHER")
    return f"study-{_digest(entry.study_uid)[:12]}/{role}-{_digest(entry.instance_uid)[:20]}.dcm"


class Holding:
    """Objects of one patient that were asked for and have arrived.

    Parameters
    ----------
    directory : Path
        Where the whole is to lie; it must not exist.
    patient_id : str
        Every object must carry it.
    """

    def __init__(self, directory: Path, patient_id: str) -> None:
        self.directory = directory
        self.folder = directory.with_name(directory.name + ".unfinished")
        self._patient = hashed(patient_id)
        self._expected: dict[str, Entry] = {}
        self._hashes: dict[str, str] = {}
        self.refusal: DicomError | ArchiveError | None = None
        if os.path.lexists(directory):
            raise ArchiveError(f"{directory.name!r} exists already. A retrieval is never added to: give a new folder.")
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for folder in (self.folder, *(p for p in self.folder.iterdir() if p.is_dir())):
                _write(folder / MARK, MARK_TEXT)
        except OSError as error:
            raise ArchiveError(
                f"The folder {self.folder.name!r} cannot be written ({error.strerror}). Give --out in a folder that may be written to."
            ) from None

    def expect(self, entries: Sequence[Entry]) -> None:
        """Ask for these; those that lie here from an earlier attempt are checked again."""
        for entry in entries:
            known = self._expected.setdefault(entry.instance_uid, entry)
            if known != entry:
                raise ArchiveError(
                    "The archive lists one SOP Instance UID in two series, so it is unknown which object is meant. Ask its administrator to correct it."
                )
            path = self._path(entry)
            if entry.instance_uid not in self._hashes and path.is_file() and not path.is_symlink():
                try:
                    self._check(path, entry)
                except DicomError:
                    path.unlink()
                else:
                    self._hashes[entry.instance_uid] = _digest(path.read_bytes())

    def missing(self, entries: Sequence[Entry]) -> list[Entry]:
        """Which of these have not arrived."""
        return [e for e in entries if e.instance_uid not in self._hashes]

    def paths(self, entries: Sequence[Entry]) -> list[tuple[Path, str]]:
        """Files of these, with their names for messages."""
        return [(self._path(e), file_name(e)) for e in entries]

    def keep(self, instance_uid: str, content: bytes) -> bool:
        """Take one object if it was asked for and is what was asked for. Never raises: what is wrong is kept as `refusal`."""
        entry = self._expected.get(instance_uid)
        if entry is None:
            return False
        try:
            self._take(entry, content)
        except (ArchiveError, DicomError) as refusal:
            self.refusal = self.refusal or refusal
            return False
        except OSError as error:
            self.refusal = self.refusal or ArchiveError(f"An object cannot be written to {self.folder.name!r} ({error.strerror}). Free space and run again.")
            return False
        return True

    def finish(self, statement: dict[str, object]) -> None:
        """Check that all lies here and nothing else, write the manifest, and give the folder its name.

        Raises
        ------
        ArchiveError
            When something is missing or foreign.
        """
        wanted = {file_name(e): e for e in self._expected.values()}
        there = {p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if not p.is_dir() and p.name != MARK} - {MANIFEST}
        foreign = {name for name in there - set(wanted) if not Path(name).name.endswith(".part")}
        if len(wanted) != len(self._expected) or set(wanted) - there or self.missing(list(self._expected.values())):
            raise ArchiveError("The retrieval is not complete.")
        if foreign:
            raise ArchiveError(
                f"{self.folder.name!r} holds {len(foreign)} file(s) that do not belong to this retrieval: of another patient, or no longer in the archive. "
                "Delete that folder and run again."
            )
        objects = [
            {"file": name, "sop_instance_uid": e.instance_uid, "series_instance_uid": e.series_uid, "sha256": self._hashes[e.instance_uid]}
            for name, e in sorted(wanted.items())
        ]
        for path, name in self.paths(list(wanted.values())):
            if _digest(path.read_bytes()) != self._hashes[wanted[name].instance_uid]:
                raise ArchiveError(f"{name} is not what arrived: the disk or somebody changed it. Delete {self.folder.name!r} and run again.")
        try:
            for name in there - set(wanted):
                (self.folder / name).unlink()
            _write(self.folder / MANIFEST, (json.dumps({"schema": 1, **statement, "objects": objects}, indent=1) + "\n").encode())
            if os.path.lexists(self.directory):
                raise ArchiveError(f"{self.directory.name!r} has come to exist in the meantime. Give a new folder and run again.")
            for mark in list(self.folder.rglob(MARK)):
                mark.unlink()
            self.folder.rename(self.directory)
        except OSError as error:
            raise ArchiveError(f"{self.directory.name!r} cannot be completed ({error.strerror}). Run again.") from None

    def _path(self, entry: Entry) -> Path:
        return self.folder / file_name(entry)

    def _take(self, entry: Entry, content: bytes) -> None:
        if not 132 < len(content) <= LARGEST_BYTES or content[128:132] != b"DICM":
            raise ArchiveError("The archive sent something that is no DICOM file, or larger than any object a calculation reads. Ask its administrator.")
        content = bytes(128) + content[128:]  # a preamble may be a program
        known = self._hashes.get(entry.instance_uid)
        if known is not None:
            if known != _digest(content):
                raise ArchiveError("The archive sent two different objects with one SOP Instance UID. Ask its administrator which one is valid.")
            return
        path = self._path(entry)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700)
            _write(path.parent / MARK, MARK_TEXT)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            self._check(Path(temporary), entry)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        self._hashes[entry.instance_uid] = _digest(content)

    def _check(self, path: Path, entry: Entry) -> Record:
        """An object is whole, readable, of the patient, and the one that was asked for."""
        name = file_name(entry)
        record = read_record(path, name)
        if record is None or record.role == "OTHER":
            raise DicomError(f"{name}, as the archive sent it, is no object that a calculation reads.")
        if record.identity.patient_id != self._patient:
            raise DicomError(
                f"{name}, as the archive sent it, carries another Patient ID than the one asked for, or none. It was not kept; ask the administrator."
            )
        with reading(name):
            stated = (record.sop_instance_uid, record.series_uid, text(record.header, "StudyInstanceUID"))
        asked = (entry.instance_uid, entry.series_uid, entry.study_uid)
        if stated != asked or entry.sop_class_uid not in ("", record.sop_class_uid):
            raise DicomError(f"{name}, as the archive sent it, is another object, or of another series, than the one listed. It was not kept.")
        header = read_header(path, name)
        if header.pixels is not None and _ends_early(path, header.pixels.offset, header.pixels.length):
            raise DicomError(f"{name}, as the archive sent it, is truncated. It was not kept.")
        return record


def _ends_early(path: Path, offset: int, length: int) -> bool:
    """Whether a file ends inside its pixels."""
    if length != UNDEFINED_LENGTH:
        return path.stat().st_size < offset + length
    with path.open("rb") as stream:
        stream.seek(offset)
        return SEQUENCE_END not in stream.read()


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _digest(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
