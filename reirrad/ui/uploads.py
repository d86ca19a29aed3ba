"""What a browser or this machine hands in, written into the private folder of a tab. Every name and every archive is taken for hostile."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Final, Protocol

import reirrad
from reirrad.appcommand import FOLDERS_VARIABLE
from reirrad.casefolder import CASE_FILE, CHUNK_BYTES, LARGEST_TOTAL_BYTES, MOST_ENTRIES, open_case
from reirrad.errors import CaseFileError, printable

__all__ = ["Upload", "allowed", "allowed_folders", "copied", "place_of", "received", "samples"]

CASE_SUFFIXES: Final = (".yaml", ".yml")
LONGEST_NAME_BYTES: Final = 255
# Names that Windows takes for devices, whatever their ending.
DEVICES: Final = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
LOOSE: Final = "case"  # folder of files that came without one


class Upload(Protocol):
    """A file as the browser sent it; its name may be a path, and anything at all."""

    name: str
    size: int

    def read(self, size: int = -1, /) -> bytes:
        """Next part of the content."""


def received(uploads: Sequence[Upload], folder: Path) -> Path:
    """Write an upload into the private folder of a tab.

    Parameters
    ----------
    uploads : sequence of Upload
        The files of a folder, single files, or one zip.
    folder : Path
        Private and empty.

    Returns
    -------
    Path
        The case folder, below `folder`.

    Raises
    ------
    CaseFileError
        For a name that is no path inside a folder, two files of one name, too much, or a zip that `open_case` refuses. Nothing is written before all names are
        known to be good.
    """
    zips = [u for u in uploads if u.name.lower().endswith(".zip")]
    if len(uploads) == 1 and zips:
        return _unpacked_upload(zips[0], folder)
    if zips and all("/" not in u.name for u in uploads):
        raise CaseFileError(
            f"{len(zips)} zip file(s) came together with other files; needed is one zip of the whole case. Put everything into one zip or folder."
        )
    if len(uploads) == 1 and uploads[0].name.lower().endswith(CASE_SUFFIXES):
        raise CaseFileError("The case file came alone; needed are the DICOM files with it. Put it beside them, and drop the folder or a zip of it.")
    _refuse_too_much(len(uploads), sum(u.size for u in uploads))
    places = [place_of(u.name) for u in uploads]
    seen: set[PurePosixPath] = set()
    for place in places:
        if place in seen:
            raise CaseFileError(f'Two files are named "{printable(place, 60)}", so one would overwrite the other. Drop the folder that holds both of them.')
        seen.add(place)
    target = folder / LOOSE if all(len(p.parts) == 1 for p in places) else folder
    for upload, place in zip(uploads, places, strict=True):
        _write(upload, target / place)
    return target if target != folder else _case_folder(folder)


def copied(path: Path, folder: Path, tell: Callable[[str], None] = lambda _: None) -> tuple[Path, str | None]:
    """Copy a case of this machine into the private folder of a tab, so that nothing done on the page touches it.

    Parameters
    ----------
    path : Path
        Folder, case file, or zip, as `allowed` gave it.
    folder : Path
        Private and empty.

    Returns
    -------
    (Path, str or None)
        The case folder below `folder`, and the name of the case file if `path` is one.

    Raises
    ------
    CaseFileError
        When it is none of the three or too much, or cannot be read.
    """
    try:
        if path.is_file() and path.suffix.lower() == ".zip":
            return _unpacked(path, folder), None
        named = path.name if path.is_file() and path.suffix.lower() in CASE_SUFFIXES else None
        if named is None and not path.is_dir():
            raise CaseFileError(f"{printable(path.name)} is neither a folder, nor a case file (.yaml), nor a zip. Give one of these.")
        source = path if named is None else path.parent
        files = list(_regular_files(source))
        _refuse_too_much(len(files), sum(f.stat().st_size for f in files))
        target = folder / (source.name or LOOSE)
        for n, file in enumerate(files):
            if n % 50 == 0:
                tell(f"copying file {n + 1} of {len(files)}")
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    except OSError as trouble:
        raise CaseFileError(f"{printable(path.name)} cannot be copied ({trouble.strerror}). Check the permissions and the free space of the disk.") from None
    return target, named


def allowed_folders(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Folders of this machine that the page may open cases in: those the person who started it named."""
    named = [Path(text) for text in environment.get(FOLDERS_VARIABLE, "").split(os.pathsep) if text.strip()]
    return tuple(f.resolve() for f in named if f.is_dir())


def allowed(text: str, folders: Sequence[Path]) -> Path:
    """The path that a person typed, absolute or below one of the allowed folders, free of links.

    Raises
    ------
    CaseFileError
        When nothing of that name lies in an allowed folder; what lies elsewhere is not told.
    """
    for folder in folders:
        try:
            found = (folder / text.strip()).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            continue
        if found.is_relative_to(folder):
            return found
    shown = ", ".join(printable(folder) for folder in folders)
    raise CaseFileError(f'"{printable(text)}" was not found in the folders that may be opened here ({shown}). Give a path in one of them.')


def samples() -> dict[str, Path]:
    """Sample cases by name; none where the package was installed without them."""
    root = Path(reirrad.__file__).resolve().parent.parent / "sample_plans"
    return {f.name.replace("-", " "): f for f in sorted(root.iterdir()) if (f / CASE_FILE).is_file()} if root.is_dir() else {}


def place_of(name: str) -> PurePosixPath:
    """Where an uploaded file goes below the private folder: its name, if that is a plain relative path.

    Raises
    ------
    CaseFileError
        For an empty or absolute path, one that climbs with "..", control characters, names of devices, names too long.

    >>> place_of("A-case/crt 2021/CT.1.dcm")
    PurePosixPath('A-case/crt 2021/CT.1.dcm')
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        wrong = "holds control characters"
    elif not posix.parts or posix.is_absolute() or windows.drive or windows.root or {".."} & {*posix.parts, *windows.parts}:
        wrong = "leads outside its folder"
    elif any(part.split(".")[0].strip().lower() in DEVICES for part in windows.parts):
        wrong = "is the name of a device"
    elif any(len(part.encode()) > LONGEST_NAME_BYTES for part in posix.parts):
        wrong = "is too long"
    else:
        return posix
    raise CaseFileError(
        f'The name of an uploaded file, "{printable(name, 60)}", {wrong}; needed is a plain name. Nothing was read: rename the file, and drop it again.'
    )


def _unpacked_upload(upload: Upload, folder: Path) -> Path:
    _refuse_too_much(1, upload.size)
    path = folder / place_of(upload.name).name
    _write(upload, path)
    try:
        return _unpacked(path, folder)
    finally:
        path.unlink(missing_ok=True)


def _unpacked(path: Path, folder: Path) -> Path:
    """Unpack a zip below the folder, under all the protections that a zip has on the command line."""
    target = folder / (path.stem.strip() or LOOSE)
    with open_case(path, within=folder) as unpacked:
        target.mkdir()
        for child in sorted(unpacked.iterdir()):
            shutil.move(child, target)
    return _case_folder(target)


def _case_folder(folder: Path) -> Path:
    """The folder itself, or the one folder in it where it holds nothing else."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _regular_files(folder: Path) -> Iterator[Path]:
    """Every file of a folder; links are left out, for they may lead anywhere."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _refuse_too_much(n_files: int, n_bytes: int) -> None:
    if n_files > MOST_ENTRIES:
        raise CaseFileError(f"Found {n_files} files; a case may have at most {MOST_ENTRIES}. Give the folder of one patient.")
    if n_bytes > LARGEST_TOTAL_BYTES:
        raise CaseFileError(f"Found {n_bytes / 1024**3:.1f} GB; a case may have at most {LARGEST_TOTAL_BYTES // 1024**3} GB. Give the folder of one patient.")


def _write(upload: Upload, path: Path) -> None:
    """Write a file that does not exist yet, part by part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as sink:
            _copy(upload, sink)
    except OSError as trouble:
        shown = printable(path.name, 60)
        raise CaseFileError(
            f'The uploaded file "{shown}" cannot be stored ({trouble.strerror}). Rename it if another is called so too; else check the disk.'
        ) from None


def _copy(upload: Upload, sink: BinaryIO) -> None:
    while chunk := upload.read(CHUNK_BYTES):
        sink.write(chunk)
