"""The table of courses and the case file it stands for: rows made of a document, edits of cells laid on a document. What no cell shows stays as it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from reirrad.ui.cells import Edits, Row, day, day_of, number, plain_number, put, text_of, word
from reirrad.ui.found import Found, FoundCourse
from reirrad.ui.opened import Document

__all__ = [
    "course_checks",
    "course_name",
    "course_rows",
    "drop_registration",
    "is_on_paper",
    "reference_of",
    "registration_files",
    "with_course",
    "with_courses",
    "without_course",
]

JOINT: Final = " + "  # between the files of a chain of registrations, in a cell
DATES: Final = ("completed", "starts")
# Keys of a registration entry that belong to one method alone.
OF_METHOD: Final = {"file": "file", "structures": "auto"}


def course_rows(document: Document, found: Found) -> list[Row]:
    """One row a course, in the order of the case file."""
    rows = []
    methods = {text_of(entry.get("course")): entry for entry in document.get("registration") or []}
    for entry in document["courses"]:
        of_files, name = found.of(entry), course_name(entry)
        registration = methods.get(name, {})
        rows.append(
            {
                "name": name,
                "kind": word(entry.get("kind")),
                "fractions": number(_fractions_holder(entry).get("fractions")),
                "planned": _planned(entry, of_files),
                "completed": day(entry.get("completed")),
                "starts": day(entry.get("starts")),
                "per_day": number(entry.get("per_day", 1)),
                "interval_h": number(entry.get("interval_h")),
                "radiation": word(entry.get("radiation", "photon")),
                "registration": word(registration.get("method")),
                "file": JOINT.join(_files(registration)) or None,
                "source": _source(entry),
            }
        )
    return rows


def course_checks(document: Document, found: Found, *, is_draft: bool) -> list[tuple[str, list[str]]]:
    """What is assumed or missing, by the name of the course; courses of which nothing is to say are left out.

    Parameters
    ----------
    is_draft : bool
        Nobody has checked the document.
    """
    checks = []
    for entry in document["courses"]:
        of_files = found.of(entry)
        said = _assumed(entry, of_files, is_draft=is_draft)
        said += of_files.said if is_draft and of_files is not None else ()
        if said:
            checks.append((course_name(entry), said))
    return checks


def reference_of(document: Document) -> int | None:
    """Number of the course whose structures are used, as `CaseFile.reference_course` has it; None when the one that is named does not exist."""
    courses = document["courses"]
    if document.get("reference") is not None:
        names = [course_name(c) for c in courses]
        return names.index(text_of(document["reference"])) if text_of(document["reference"]) in names else None
    with_files = [k for k, c in enumerate(courses) if not is_on_paper(c)] or list(range(len(courses)))
    return ([k for k in with_files if courses[k].get("kind") == "proposed"] or with_files)[-1]


def is_on_paper(entry: Mapping[str, Any]) -> bool:
    """Whether a course has no dose files."""
    return entry.get("prescription") is not None or entry.get("records") is not None


def with_courses(document: Document, edits: Edits) -> Document:
    """The document with edited cells of the table of courses.

    Parameters
    ----------
    edits : mapping of int to mapping
        Row to column to value, as the page sends them: text, numbers, truth values, dates as text, None where a cell was emptied.
    """
    new = copy.deepcopy(document)
    for row, cells in edits.items():
        if not 0 <= row < len(new["courses"]):
            continue
        for column, value in cells.items():
            _set_cell(new, new["courses"][row], column, value)
    return new


def without_course(document: Document, number: int) -> Document:
    """The document without a course, and without what spoke of it."""
    new = copy.deepcopy(document)
    name = course_name(new["courses"].pop(number))
    drop_registration(new, name)
    if text_of(new.get("reference")) == name:
        del new["reference"]
    return new


def with_course(document: Document, entry: Mapping[str, Any]) -> Document:
    """The document with one more course, before the first proposed one if it is a prior."""
    new = copy.deepcopy(document)
    kinds = [c.get("kind") for c in new["courses"]]
    place = kinds.index("proposed") if entry.get("kind") == "prior" and "proposed" in kinds else len(kinds)
    new["courses"].insert(place, dict(entry))
    return new


def course_name(entry: Mapping[str, Any]) -> str:
    """Name of a course, as it is written."""
    return text_of(entry.get("name"))


def registration_files(rows: list[Row], found: Found) -> list[str]:
    """Registration objects that a course may name."""
    return list(dict.fromkeys([*(row["file"] for row in rows if row["file"]), *found.registrations]))


def _set_cell(document: Document, entry: dict[str, Any], column: str, value: object) -> None:
    if column == "name":
        _rename(document, entry, "" if value is None else str(value).strip())
    elif column == "fractions":
        put(_fractions_holder(entry), "fractions", plain_number(value))
    elif column in DATES:
        put(entry, column, day_of(value))
    elif column == "per_day":
        number = plain_number(value)
        put(entry, column, None if number == 1 else number)
    elif column == "interval_h":
        put(entry, column, plain_number(value))
    elif column in ("kind", "radiation"):
        put(entry, column, value or None)
    elif column == "registration":
        _register(document, course_name(entry), None if value is None else str(value))
    elif column == "file":
        _name_file(document, course_name(entry), str(value or ""))


def _rename(document: Document, entry: dict[str, Any], name: str) -> None:
    old = course_name(entry)
    entry["name"] = name
    for registration in document.get("registration") or []:
        if text_of(registration.get("course")) == old:
            registration["course"] = name
    if text_of(document.get("reference")) == old:
        document["reference"] = name


def _register(document: Document, name: str, method: str | None) -> None:
    if not method:
        drop_registration(document, name)
        return
    entry = _registration(document, name)
    entry["method"] = method
    for key, of in OF_METHOD.items():
        if of != method:
            entry.pop(key, None)


def _name_file(document: Document, name: str, file: str) -> None:
    entry = _registration(document, name)
    entry["method"] = "file"
    entry.pop("structures", None)
    named = file.split(JOINT)
    put(entry, "file", named if len(named) > 1 else file or None)


def _registration(document: Document, name: str) -> dict[str, Any]:
    """The registration entry of a course, made where there is none."""
    entries: list[dict[str, Any]] = document.get("registration") or []
    document["registration"] = entries
    for entry in entries:
        if text_of(entry.get("course")) == name:
            return entry
    entries.append({"course": name})
    return entries[-1]


def drop_registration(document: Document, name: str) -> None:
    """Take the registration entry of a course out of a document."""
    kept = [entry for entry in document.get("registration") or [] if text_of(entry.get("course")) != name]
    put(document, "registration", kept or None)


def _fractions_holder(entry: dict[str, Any]) -> dict[str, Any]:
    """What states the fractions of a course: its only phase, else itself."""
    phases = entry.get("phases")
    if isinstance(phases, list) and len(phases) == 1 and isinstance(phases[0], dict):
        only: dict[str, Any] = phases[0]
        return only
    return entry


def _planned(entry: Mapping[str, Any], found: FoundCourse | None) -> int | None:
    if isinstance(prescription := entry.get("prescription"), dict):
        number = prescription.get("fractions")
        return int(number) if isinstance(number, int) else None
    phases = entry.get("phases") or []
    if found is None or len(phases) > 1:
        return None
    return next((p.planned for p in found.plans if phases and p.call == phases[0].get("plan")), found.planned)


def _source(entry: Mapping[str, Any]) -> str:
    if entry.get("records") is not None:
        return "no records"
    return "paper" if entry.get("prescription") is not None else text_of(entry.get("dicom"))


def _assumed(entry: dict[str, Any], found: FoundCourse | None, *, is_draft: bool) -> list[str]:
    """What of a course is taken without anybody having said so, and what is missing."""
    said = []
    if is_draft and not is_on_paper(entry):
        said.append("kind: a guess from the dates of plans")
    planned = _planned(entry, found)
    if not entry.get("phases") and found is not None and len(found.plans) > 1:
        said.append("plans: how were they given?")
    elif _fractions_holder(entry).get("fractions") is None and len(entry.get("phases") or []) < 2 and entry.get("records") is None:
        said.append("fractions: as planned" if planned is not None else "fractions: not in the files" if found is not None else "")
    key, day = ("starts", "first day") if entry.get("kind") == "proposed" else ("completed", "last day")
    if entry.get(key) is None:
        said.append(f"{day}: not stated")
    return [s for s in said if s]


def _files(registration: Mapping[str, Any]) -> list[str]:
    named = registration.get("file")
    return [text_of(f) for f in named] if isinstance(named, list) else [text_of(named)] if named is not None else []
