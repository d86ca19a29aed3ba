"""The cases below some paths: every one once, in the same order every time, and nothing left out in silence."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from reirrad.casefolder import CASE_FILE
from reirrad.errors import Notice, ReirradError, printable

__all__ = ["FoundCase", "find_cases"]

BESIDE: Final = f"Exports lie beside a case with a {CASE_FILE}, so it is unknown what belongs together. Move them into the case, or into a folder apart."


@dataclass(frozen=True, slots=True)
class FoundCase:
    """A case to compute.

    Parameters
    ----------
    name : str
        Its path as a person would write it, below the path that was named; unique.
    path : str
        Absolute, as `reirrad check` takes it: a folder, a case file or a zip.
    is_draft : bool
        A folder of exports without a case file, to be drafted.
    trouble : str
        Why nothing can be computed there; empty where something can.
    """

    name: str
    path: str
    is_draft: bool = False
    trouble: str = ""


def find_cases(paths: Sequence[Path], *, draft: bool = False) -> tuple[tuple[FoundCase, ...], tuple[Notice, ...]]:
    """Find every case.yaml and every zip of a case, by name.

    Parameters
    ----------
    paths : sequence of Path
        Case folders, case files, zips, or folders that hold some at any depth. Where there is none, the path itself is a case with its trouble.
    draft : bool
        Also folders of exports without a case file: the deepest folder that holds all objects of one patient is one case.

    Returns
    -------
    cases, notices
        Links below the paths are not followed; those that lead out of a path are named in a notice.
    """
    found: dict[str, FoundCase] = {}
    outside: list[str] = []
    for path in paths:
        real = Path(os.path.realpath(path))
        for case in _below(path, real, draft, outside):
            found.setdefault(case.path, case)
    notices = []
    if outside:
        message = (
            f"{len(outside)} link(s) below the paths lead out of them and were not followed, for example {printable(outside[0], 160)}. "
            "Name the folders they lead to as paths of their own if they hold cases."
        )
        notices.append(Notice("batch_link_not_followed", message))
    return tuple(sorted(found.values(), key=lambda c: (c.name, c.path))), tuple(notices)


def _below(path: Path, real: Path, draft: bool, outside: list[str]) -> Iterator[FoundCase]:
    shown = path.as_posix()
    if real.is_file():  # named itself: whatever it is, it was meant
        yield FoundCase(shown, str(real))
        return
    if not real.is_dir():
        yield FoundCase(shown, str(real), trouble=f"{printable(path.name or shown)}: no such file or folder was found. Correct the path, or take it away.")
        return
    cases: list[FoundCase] = []
    exports: dict[Path, list[Path]] = {}
    for folder, files, error in _walk(real, outside):
        if error is not None:
            cases.append(FoundCase(_joined(path, real, folder), str(folder), trouble=f"The folder cannot be searched ({error}). Give leave to read it."))
            continue
        if CASE_FILE in files:
            cases.append(FoundCase(_joined(path, real, folder), str(folder)))
        cases += [FoundCase(_joined(path, real, folder / f), str(folder / f)) for f in files if f.lower().endswith(".zip") and _is_case(folder / f)]
        if draft and files:
            exports[folder] = [folder / f for f in files]
    if draft:
        stated = [Path(c.path) for c in cases if not c.trouble and Path(c.path).is_dir()]
        for folder in _exports(exports, stated):
            trouble = BESIDE if any(s.is_relative_to(folder) for s in stated) else ""
            cases.append(FoundCase(_joined(path, real, folder), str(folder), is_draft=True, trouble=trouble))
    yield from cases or [FoundCase(shown, str(real), trouble=f"{printable(path.name or shown)}: {_nothing(draft)}")]


def _nothing(draft: bool) -> str:
    if draft:
        return f"no {CASE_FILE}, no zip of a case and no DICOM object was found below this folder. Check the path."
    return f"no {CASE_FILE} and no zip of a case was found below this folder. Check the path, or use --draft for exports without a case file."


def _walk(root: Path, outside: list[str]) -> Iterator[tuple[Path, list[str], str | None]]:
    """Folders below the root with their regular files by name, or why they cannot be read."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as error:
            yield folder, [], error.strerror
            continue
        files = []
        for entry in entries:
            if entry.is_symlink():
                if not Path(os.path.realpath(entry.path)).is_relative_to(root):
                    outside.append(Path(entry.path).relative_to(root).as_posix())
            elif entry.is_dir():
                waiting.append(folder / entry.name)
            elif entry.is_file():
                files.append(entry.name)
        yield folder, files, None


def _joined(path: Path, real: Path, below: Path) -> str:
    return (path / below.relative_to(real)).as_posix()


def _is_case(path: Path) -> bool:
    """Whether a zip holds a case file, in it or in a folder of it; one that cannot be opened may have held one, and is refused later with its reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(n) for n in archive.namelist()]
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return True
    return any(n.name == CASE_FILE and len(n.parts) <= 2 for n in names)


# ------------------------------------------------------------------------------------------------------ exports


def _exports(folders: dict[Path, list[Path]], stated: Sequence[Path]) -> list[Path]:
    """The deepest folder with all objects of each patient, outside folders that have a case file.

    One object tells whose a folder is. A folder that in truth holds several patients is refused when it is drafted.
    """
    patients: dict[str, list[Path]] = {}
    for folder, files in sorted(folders.items()):
        if not any(folder.is_relative_to(s) for s in stated) and (patient := _patient(files)) is not None:
            patients.setdefault(patient or str(folder), []).append(folder)
    return sorted({Path(os.path.commonpath(mine)) for mine in patients.values()})


def _patient(files: Sequence[Path]) -> str | None:
    """Hash of the patient identifier in the first DICOM object; empty where it has none or is damaged; None where there is no object."""
    from reirrad.dicom.files import read_record

    for file in files:
        try:
            record = read_record(file, file.name)
        except ReirradError:
            return ""
        if record is not None:
            return record.identity.patient_id or ""
    return None
