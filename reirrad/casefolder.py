"""Where a case lies: a folder, a zip of one, and the paths its files may name.

Nothing outside the folder of a case is ever read because a file inside it says so.
"""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from reirrad.errors import CaseFileError, printable

__all__ = ["CASE_FILE", "open_case", "resolve_inside"]

CASE_FILE: Final = "case.yaml"

MOST_ENTRIES: Final = 20_000
LARGEST_TOTAL_BYTES: Final = 8 * 1024**3
LARGEST_RATIO: Final = 200
# Below this size a high ratio is a smooth phantom, not a bomb.
RATIO_MATTERS_BYTES: Final = 16 * 1024**2
CHUNK_BYTES: Final = 1024**2


def resolve_inside(root: Path, relative: str, what: str) -> Path:
    """Find a file or folder of a case without leaving the case.

    Parameters
    ----------
    root : Path
        The case folder.
    relative : str
        As written in the case file, with ``/`` between folders.
    what : str
        Who names it, for messages: ``case.yaml:7: courses[0].dicom``.

    Returns
    -------
    Path
        Existing, absolute, free of links.

    Raises
    ------
    CaseFileError
        When the path is empty, absolute, climbs with "..", leads outside through a link, or does not exist.
    """
    shown = printable(relative, 60)
    parts, windows = PurePosixPath(relative), PureWindowsPath(relative)
    if not relative.strip() or "\0" in relative:
        raise CaseFileError(f"{what}: the path is empty or not a path; needed a path inside the case folder.")
    if parts.is_absolute() or windows.drive or windows.root:
        raise CaseFileError(f'{what}: the path "{shown}" is absolute; needed a path inside the case folder, relative to {CASE_FILE}.')
    if ".." in parts.parts or ".." in windows.parts:
        raise CaseFileError(f'{what}: the path "{shown}" climbs with ".." and may lead outside the case folder; move the files into the case folder.')
    try:
        base = root.resolve(strict=True)
        found = (base / relative).resolve(strict=True)
    except FileNotFoundError:
        hint = "; write / between folders" if "\\" in relative else ""
        raise CaseFileError(f'{what}: "{shown}" does not exist in the case folder{hint}.') from None
    except (OSError, RuntimeError):  # a loop of links: RuntimeError before Python 3.13
        raise CaseFileError(f'{what}: "{shown}" cannot be opened (a loop of links, or no permission); put the files themselves into the case folder.') from None
    if not found.is_relative_to(base):
        raise CaseFileError(f'{what}: "{shown}" is a link that leads outside the case folder; put the files themselves into the case folder.')
    return found


@contextmanager
def open_case(path: Path, within: Path | None = None) -> Iterator[Path]:
    """Give a case as a folder, unpacking a zip into a private temporary one.

    Parameters
    ----------
    path : Path
        A case folder, a case file, or a ``.zip`` of a case folder.
    within : Path, optional
        Folder for the temporary one; that of the machine by default.

    Yields
    ------
    Path
        The path itself, or the folder inside the unpacked zip that holds ``case.yaml``; removed afterwards.

    Raises
    ------
    CaseFileError
        When a zip is damaged, encrypted, too large, or holds links or names that lead outside.
    """
    if path.suffix.lower() != ".zip" or path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="reirrad-", dir=within) as temporary:  # mode 0700
        folder = Path(temporary)
        shown = printable(path.name)
        try:
            with zipfile.ZipFile(path) as archive:
                _check_entries(archive, shown)
                _extract(archive, folder, shown)
        except FileNotFoundError:
            raise CaseFileError(f"{shown}: no such file was found.") from None
        except (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error) as trouble:
            if isinstance(trouble, CaseFileError):
                raise
            raise CaseFileError(f"{shown}: the zip file is damaged or cannot be unpacked here; make it again, or unpack it and name the folder.") from None
        yield _folder_with_case(folder)


def _check_entries(archive: zipfile.ZipFile, shown: str) -> None:
    """Refuse an archive before anything of it is written."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise CaseFileError(f"{shown}: the zip file holds {len(entries)} entries; a case may have at most {MOST_ENTRIES}.")
    for entry in entries:
        name, windows = PurePosixPath(entry.filename), PureWindowsPath(entry.filename)
        if name.is_absolute() or windows.drive or windows.root or ".." in name.parts or ".." in windows.parts:
            raise CaseFileError(f'{shown}: the zip file holds a path that leads outside the case folder: "{printable(entry.filename, 60)}".')
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CaseFileError(f'{shown}: the zip file holds a link or special file, "{printable(entry.filename, 60)}"; zip the files themselves.')
        if entry.flag_bits & 0x1:
            raise CaseFileError(f"{shown}: the zip file is encrypted; unpack it and name the folder.")
    total, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if total > LARGEST_TOTAL_BYTES:
        raise CaseFileError(f"{shown}: the zip file unpacks to {total / 1024**3:.1f} GB; at most {LARGEST_TOTAL_BYTES // 1024**3} GB are accepted.")
    if total > RATIO_MATTERS_BYTES and total > LARGEST_RATIO * packed:
        raise CaseFileError(f"{shown}: the zip file unpacks to more than {LARGEST_RATIO} times its size; unpack it yourself and name the folder.")


def _extract(archive: zipfile.ZipFile, folder: Path, shown: str) -> None:
    """Write the entries; never over a file already written."""
    for entry in archive.infolist():
        target = folder / entry.filename
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise CaseFileError(f'{shown}: the zip file holds "{printable(entry.filename, 60)}" twice.')
        # zipfile stops at the declared size and checks the CRC, so the declared total bounds what is written
        with archive.open(entry) as source, target.open("xb") as sink:
            while chunk := source.read(CHUNK_BYTES):
                sink.write(chunk)


def _folder_with_case(folder: Path) -> Path:
    """Folder itself, or its only subfolder with a case file (a zip made of the folder and not of its contents)."""
    if (folder / CASE_FILE).exists():
        return folder
    inner = [child for child in sorted(folder.iterdir()) if (child / CASE_FILE).is_file()]
    return inner[0] if len(inner) == 1 else folder
