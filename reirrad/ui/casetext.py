"""A case file as text, and what is wrong with it, by the table that mends it."""

from __future__ import annotations

import datetime as dt
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from reirrad.casechoices import limits_of
from reirrad.casefile import read_case_file
from reirrad.errors import ReirradError, printable
from reirrad.ui.casetables import course_name
from reirrad.ui.opened import Document
from reirrad.yamltext import WrittenFloat, WrittenInt

__all__ = ["Said", "Section", "case_text", "refusal_of", "said_of"]

Section = Literal["courses", "structures", "choices", "case"]

HEADING: Final = "# Case file of reirrad. It belongs into the folder with the DICOM files; its paths start there.\n"
# Texts that need no quotes unless they look like a number, a date or a truth value, which ruamel.yaml knows.
_PLAIN: Final = re.compile(r"[^\W_][\w ()./+-]*")
_PLACE: Final = re.compile(r"(?:^|; )[^:;]*:\d+: (?=[a-z_]+[\[.:])")
_SECTION: Final[dict[str, Section]] = {
    **dict.fromkeys(("courses", "registration", "reference"), "courses"),
    "structures": "structures",
    **dict.fromkeys(("constraints", "recovery", "alpha_beta_gy"), "choices"),
}
# Words of refusals that name no place in the case file.
_WORDS: Final[tuple[tuple[str, Section], ...]] = (("organ", "structures"), ("ourse", "courses"), ("registration", "courses"))
COLUMNS: Final = {
    "kind": "Kind",
    "fractions": "Fractions",
    "completed": "Last day",
    "starts": "First day",
    "per_day": "Per day",
    "interval_h": "Hours",
    "radiation": "Radiation",
    "method": "Registration",
    "file": "Reg. file",
    "prescription": "prescription",
}

# Keys of the case file in a message that a column of the page calls otherwise.
_KEYS: Final = re.compile(r"\b(interval_h|per_day)\b")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is wrong: where it is mended, what it is about, and the words."""

    section: Section
    about: str
    message: str


class _Representer(RoundTripRepresenter):
    """Writes numbers as they were written: a name of 007 stays one."""


def _written(representer: Any, value: Any) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:" + ("int" if isinstance(value, int) else "float"), value.written)


_Representer.add_representer(WrittenInt, _written)
_Representer.add_representer(WrittenFloat, _written)


def case_text(document: Document) -> str:
    """The case file: YAML that reads back as the same document."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_quoted(document), stream)
    return HEADING + stream.getvalue()


def refusal_of(path: Path, today: dt.date | None = None) -> str | None:
    """Why the case file at a path would be refused before any DICOM is read; None when it would not."""
    try:
        limits_of(read_case_file(path, today))
    except ReirradError as error:
        return str(error)
    return None


def said_of(refusal: str, document: Document) -> tuple[Said, ...]:
    """A refusal in parts, each with the section of the page that mends it."""
    parts = [part for part in _PLACE.split(refusal) if part]
    if not _PLACE.match(refusal):
        section: Section = next((section for said, section in _WORDS if said in refusal), "case")
        return (Said(section, "", refusal),)
    return tuple(_placed(part, document) for part in parts)


def _placed(text: str, document: Document) -> Said:
    """One problem, such as ``courses[1].completed: the date ... lies in the future``."""
    place, _, message = text.partition(": ")
    steps = re.findall(r"[^.\[\]]+", place)
    section = _SECTION.get(steps[0], "case")
    about = place
    if section == "courses" and len(steps) > 1 and steps[1].isdigit():
        entries: list[Any] = document.get(steps[0]) or []
        number = int(steps[1])
        entry = entries[number] if number < len(entries) else {}
        name = course_name(entry) if steps[0] == "courses" else course_name({"name": entry.get("course")})
        column = COLUMNS.get(steps[2], steps[2]) if len(steps) > 2 else ""
        about = ", ".join(word for word in (name or f"course {number + 1}", column) if word)
    if section == "courses":
        message = _KEYS.sub(lambda found: f"{COLUMNS[found.group()]} ({found.group()})", message)
    return Said(section, printable(about), message if message.endswith((".", "?")) else f"{message}.")


def _quoted(value: Any) -> Any:
    """The same data, with texts in quotes that are not plainly plain: double quotes hold every character, if need be as an escape."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and not (_PLAIN.fullmatch(value) and value == printable(value, len(value))):
        return DoubleQuotedScalarString(value)
    return value
