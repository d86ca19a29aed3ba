"""A case as opened on the page: its case files as plain data, and what its DICOM files hold, as far as the page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reirrad.casefile import CASE_FILE, read_case_file
from reirrad.draft import propose
from reirrad.draftfile import draft_text
from reirrad.errors import CaseFileError, Notice, printable
from reirrad.ui.found import Found, found_for, found_in
from reirrad.yamltext import read_plain

__all__ = ["Document", "Opened", "open_folder", "read_document"]

Document = dict[str, Any]
DRAFT_FILE: Final = ".reirrad-draft.yaml"
NO_TELL: Final[Callable[[str], None]] = lambda _: None  # noqa: E731


@dataclass(eq=False, slots=True)
class Opened:
    """A case in the hands of a person.

    Parameters
    ----------
    folder : Path
        The case folder.
    name : str
        Of the case file.
    documents : dict
        Case files of the folder by name, as plain data; a draft where it had none.
    is_draft : bool
        The document was made from the files, and nobody has checked it.
    base : dict
        The document that the tables on the page were filled from; edits are laid on it.
    checked : (str, str or None) or None
        Text of the case file that was checked or refused last, and why it was refused.
    calculated : str or None
        Text of the case file that was calculated.
    notices : tuple of Notice
        What was said of the files by where they came from.
    """

    folder: Path
    name: str
    documents: dict[str, Document]
    found: Found
    is_draft: bool
    base: Document
    checked: tuple[str, str | None] | None = None
    calculated: str | None = None
    notices: tuple[Notice, ...] = ()


def open_folder(folder: Path, named: str | None = None, tell: Callable[[str], None] = NO_TELL) -> Opened:
    """Open a case folder: by its case files, else by a proposal from its DICOM objects.

    Parameters
    ----------
    folder : Path
        Below the private folder of the tab; a draft is written into it.
    named : str, optional
        The case file to begin with.
    tell : callable
        Told what is being read.

    Raises
    ------
    ReirradError
        When a case file cannot be read; without one, when nothing can be proposed.
    """
    documents = _case_files(folder, named)
    if documents:
        tell("looking for DICOM objects")
        found = found_for(folder, [course for document in documents.values() for course in document["courses"]])
        name = named or (CASE_FILE if CASE_FILE in documents else next(iter(documents)))
        return Opened(folder, name, documents, found, False, documents[name])
    draft = propose(folder, folder, tell)
    path = folder / DRAFT_FILE
    path.write_text(draft_text(draft), encoding="utf-8")
    document = read_document(path, CASE_FILE)
    path.unlink()
    return Opened(folder, CASE_FILE, {CASE_FILE: document}, found_in(draft), True, document)


def read_document(path: Path, shown_as: str) -> Document:
    """Plain data of a case file, of the shape that tables need.

    Raises
    ------
    ReirradError
        When it is no YAML, or no case file at all.
    """
    data = read_plain(path, shown_as, CaseFileError).data
    if _has_courses(data):
        assert isinstance(data, dict)
        return data
    read_case_file(path)
    raise CaseFileError(f"{shown_as}: this is not a case file, which has a list of courses.")


def _case_files(folder: Path, named: str | None) -> dict[str, Document]:
    """The case files of a folder by name; a limits file beside them is none. The one that is named must be one."""
    documents = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in (".yaml", ".yml") and p.is_file()):
        if path.name in (named, CASE_FILE):
            documents[path.name] = read_document(path, printable(path.name))
            continue
        try:
            data = read_plain(path, printable(path.name), CaseFileError).data
        except CaseFileError:
            continue
        if isinstance(data, dict) and _has_courses(data):
            documents[path.name] = data
    return documents


def _has_courses(data: object) -> bool:
    """Whether the data has what tables need: a mapping with courses, each a mapping with a name, and lists and mappings where these belong."""
    if not isinstance(data, dict) or not isinstance(data.get("courses"), list) or not data["courses"]:
        return False
    return all(isinstance(c, dict) for c in data["courses"]) and _is_list_of_maps(data.get("registration")) and _is_map(data)


def _is_list_of_maps(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def _is_map(data: Mapping[str, object]) -> bool:
    return all(data.get(key) is None or isinstance(data[key], dict) for key in ("structures", "alpha_beta_gy"))
