"""SHA-256 of the files a case was computed from, so that a document can be traced to its input."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reirrad.casefile import CASE_FILE, CaseFile
from reirrad.course import Case
from reirrad.errors import CaseFileError, printable

__all__ = ["file_hashes", "sha256_of"]

CHUNK: Final = 1 << 20


def sha256_of(path: Path) -> str:
    """Hash of one file, read in chunks.

    Raises
    ------
    CaseFileError
        When the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except OSError:
        raise CaseFileError(f"{printable(path.name)} can no longer be read, so its hash is not known. Run again with all files in place.") from None
    return digest.hexdigest()


def file_hashes(case_path: Path, file: CaseFile, case: Case) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of the case file, of the files it names, and of every DICOM object that was used.

    The images of a course, which are many, have one hash together: of their hashes, sorted.

    Parameters
    ----------
    case_path : Path
        Folder with case.yaml, or the case file, as given to `read_case_file`.
    """
    name = CASE_FILE if case_path.is_dir() else case_path.name
    out = [(name, sha256_of(file.folder / name))]
    out += [(path.relative_to(file.folder.resolve()).as_posix(), sha256_of(path)) for path in dict.fromkeys(p.resolve() for p in _named(file))]
    for course in case.courses:
        used = [entry for entry in course.inputs if entry["used"]]
        images = sorted(str(entry.get("sha256") or sha256_of(file.folder / str(entry["file"]))) for entry in used if entry["role"] == "CT")
        out += sorted((str(e["file"]), str(e.get("sha256") or sha256_of(file.folder / str(e["file"])))) for e in used if e["role"] != "CT")
        if images:
            together = hashlib.sha256("".join(images).encode("ascii")).hexdigest()
            out.append((f"{course.name}: {len(images)} images together", together))
    return tuple(dict.fromkeys(out))


def _named(file: CaseFile) -> Iterator[Path]:
    """Files that the case file names beside folders: limits, registrations, DVHs, LET."""
    for k, constraint in enumerate(file.constraints):
        if constraint in file.limit_files:
            yield file.resolve("constraints", k)
    for i, entry in enumerate(file.registration):
        for k in range(len(entry.file or ())):
            yield file.resolve("registration", i, "file", k)
    for i, course in enumerate(file.courses):
        for key in ("dvh", "let"):
            if getattr(course, key) is not None:
                yield file.resolve("courses", i, key)
