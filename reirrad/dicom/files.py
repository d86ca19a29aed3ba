"""Finding the DICOM objects in a folder, by their headers alone."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from reirrad.dicom.identity import Identity, identity_of
from reirrad.dicom.parsing import DamagedFileError, read_header, reading
from reirrad.dicom.values import text
from reirrad.errors import DicomError, Notice, printable

__all__ = ["Record", "Scan", "read_record", "scan"]

ROLES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.481.8": "RTPLAN",  # RT Ion Plan
    "1.2.840.10008.5.1.4.1.1.481.4": "RTRECORD",  # RT Beams Treatment Record
    "1.2.840.10008.5.1.4.1.1.481.6": "RTRECORD",  # RT Brachy Treatment Record
    "1.2.840.10008.5.1.4.1.1.481.9": "RTRECORD",  # RT Ion Beams Treatment Record
    "1.2.840.10008.5.1.4.1.1.66.1": "REG",
    "1.2.840.10008.5.1.4.1.1.66.3": "REG",  # Deformable Spatial Registration
}
DICOMDIR = "1.2.840.10008.1.3.10"
_KEPT = [
    int(Tag(keyword))
    for keyword in (
        *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality", "PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        *("StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"),
    )
]
_AFTER_KEPT = 0x00200053
# A folder of a course holds a few hundred files; this many is a mistaken path, such as the root of a disk.
MAX_FILES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One DICOM object found.

    Parameters
    ----------
    path : Path
        Resolved.
    name : str
        Relative to the case folder, for messages.
    role : str
        CT, RTDOSE, RTSTRUCT, RTPLAN, RTRECORD, REG, or OTHER.
    header : Dataset
        Position, orientation and identifiers only.
    """

    path: Path
    name: str
    role: str
    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    frame_uid: str
    identity: Identity
    header: Dataset

    def sha256(self) -> str:
        """SHA-256 of the file."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What a folder holds.

    Parameters
    ----------
    folder : str
        Relative to the case folder.
    records : tuple of Record
        By name; copies of the same object once.
    n_other : int
        Files that are no DICOM object.
    """

    folder: str
    records: tuple[Record, ...]
    notices: tuple[Notice, ...] = ()
    n_other: int = 0

    def of(self, role: str) -> tuple[Record, ...]:
        """Records of one role."""
        return tuple(r for r in self.records if r.role == role)


def scan(folder: Path, root: Path) -> Scan:
    """Search a course folder recursively.

    Parameters
    ----------
    folder : Path
        Folder of the course; a link to another folder of the case is followed.
    root : Path
        Case folder; nothing outside it is read.

    Raises
    ------
    DicomError
        When the folder does not exist or a link leads outside; when a DICOM file is damaged; when one SOP Instance UID
        stands for two different contents.
    """
    root = root.resolve()
    shown = _shown(folder, root)
    resolved = _inside(folder, root, shown)
    if not resolved.is_dir():
        raise DicomError(f"The folder {shown} does not exist in the case folder. Check the spelling of `dicom` in the case file.")
    records: dict[str, Record] = {}
    notices: list[Notice] = []
    n_other = n_copies = 0
    copy = ""
    for path, name in _walk(folder, root, notices):
        record = read_record(path, name)
        if record is None:
            n_other += 1
            continue
        if record.path in {r.path for r in records.values() if r.sop_instance_uid == record.sop_instance_uid}:
            continue  # the same file through a link
        known = records.setdefault(record.sop_instance_uid, record)
        if known is not record:
            if known.sha256() != record.sha256():
                raise DicomError(
                    f"{known.name} and {name} have the same SOP Instance UID but different content, so it is unknown which one is valid. Keep one of them."
                )
            n_copies, copy = n_copies + 1, name
    if n_copies:
        notices.append(Notice("duplicate_file", f"{n_copies} file(s) in {shown} are identical copies of others and count once, for example {copy}."))
    return Scan(shown, tuple(sorted(records.values(), key=lambda r: r.name)), tuple(notices), n_other)


def read_record(path: Path, name: str) -> Record | None:
    """Header of one file; None when it is not a DICOM object of a patient.

    Raises
    ------
    DamagedFileError
        When it says it is DICOM, by its first bytes or its name, and cannot be parsed.
    """
    with reading(name), path.open("rb") as stream:
        start = stream.read(134)
    marked = start[128:132] == b"DICM"
    if not marked and not path.name.lower().endswith(".dcm") and not _looks_bare(start):
        return None
    try:
        header = read_header(path, name, _KEPT, _AFTER_KEPT)
    except DamagedFileError:
        if marked or path.name.lower().endswith(".dcm"):
            raise
        return None
    ds = header.dataset
    with reading(name):
        sop_class = text(ds, "SOPClassUID") or header.sop_class_uid
        instance = text(ds, "SOPInstanceUID")
        if sop_class == DICOMDIR:
            return None
        if not sop_class or not instance:
            if not marked and not path.name.lower().endswith(".dcm"):
                return None
            raise DamagedFileError(f"{name} is not a readable DICOM object: it has no SOP Class or SOP Instance UID. Export it again or take the file away.")
        role = ROLES.get(sop_class, "OTHER")
        return Record(path, name, role, sop_class, instance, text(ds, "SeriesInstanceUID"), text(ds, "FrameOfReferenceUID"), identity_of(ds), ds)


def _looks_bare(start: bytes) -> bool:
    """Whether a file without the DICM mark begins like DICOM: with an early element of group 0002 or 0008, little endian."""
    return len(start) > 8 and start[:2] in (b"\x02\x00", b"\x08\x00") and start[3:4] == b"\0" and start[2:3] in b"\x00\x01\x05\x08\x12\x16"


def _shown(path: Path, root: Path) -> str:
    """A path relative to the case folder, printable."""
    try:
        relative = Path(os.path.abspath(path)).relative_to(root)  # noqa: PTH100 - must not resolve links
    except ValueError:
        relative = Path(path.name)
    return printable(relative.as_posix(), 160)


def _inside(path: Path, root: Path, shown: str) -> Path:
    """The path with links resolved, which must stay in the case folder."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise DicomError(f"{shown} does not exist, or is a link that leads nowhere or to itself. Put the files themselves into the case folder.") from None
    if not resolved.is_relative_to(root):
        raise DicomError(f"{shown} is a link or path that leads outside the case folder, which is not followed. Copy the files into the case folder.")
    return resolved


def _walk(folder: Path, root: Path, notices: list[Notice]) -> Iterator[tuple[Path, str]]:
    """Regular files below a folder with their names; each real folder once."""
    seen: set[Path] = set()
    waiting = [folder]
    n_files = 0
    while waiting:
        current = waiting.pop()
        real = _inside(current, root, _shown(current, root))
        if real in seen:
            continue
        seen.add(real)
        with reading(_shown(current, root)):
            entries = sorted(os.scandir(current), key=lambda e: e.name)
        for entry in entries:
            path, shown = Path(entry.path), _shown(Path(entry.path), root)
            target = _inside(path, root, shown) if entry.is_symlink() else path
            mode = target.stat().st_mode
            if stat.S_ISDIR(mode):
                waiting.append(path)
            elif stat.S_ISREG(mode):
                n_files += 1
                if n_files > MAX_FILES:
                    raise DicomError(f"The folder {_shown(folder, root)} holds more than {MAX_FILES} files, more than a course can have. Check the path.")
                yield target, shown
            else:
                notices.append(Notice("not_a_file", f"{shown} is not a regular file (a pipe, socket or device) and was not opened."))
