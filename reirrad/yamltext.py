"""Strict reading of YAML text into plain data, with the line of every part.

YAML 1.2 without anchors, tags, directives, repeated keys or a second document; small and shallow. Numbers stay numbers,
dates are dates, everything else is text.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, DocumentStartEvent, MappingEndEvent, MappingStartEvent, NodeEvent, SequenceEndEvent, SequenceStartEvent
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from reirrad.errors import ReirradError, printable

__all__ = ["Place", "PlainYaml", "WrittenFloat", "WrittenInt", "path_text", "read_plain"]

LARGEST_FILE_BYTES: Final = 1_000_000
LONGEST_LINE: Final = 100_000
DEEPEST: Final = 32
MOST_ITEMS: Final = 50_000

Place = tuple[str | int, ...]

# Its resolver is that of YAML 1.2: 010 is ten, 3:10 and yes are text, 1e3 is a number.
_NUMBERS: Final = YAML(typ="safe", pure=True).constructor

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TAG: Final = "tag:yaml.org,2002:"


class WrittenInt(int):
    """A whole number that remembers how it was written (``007``)."""

    written: str


class WrittenFloat(float):
    """A number that remembers how it was written (``1.10``)."""

    written: str


@dataclass(frozen=True, slots=True)
class PlainYaml:
    """Plain data of a YAML file and where each part of it stands.

    Parameters
    ----------
    data : object
        Dicts with str keys, lists, str, int, float, bool, None, date.
    lines : mapping of Place to int
        Line of each key and list item, from 1; the place ``()`` is the whole file.
    written : mapping of Place to str
        Scalars as they stand in the file.
    """

    data: object
    lines: Mapping[Place, int]
    written: Mapping[Place, str]


def read_plain(path: Path, shown_as: str, error: type[ReirradError]) -> PlainYaml:
    """Read a YAML file.

    Raises
    ------
    ReirradError
        Of the type `error`: not a regular file, too large, not UTF-8, not YAML, repeated keys, anchors, tags, several
        documents, nested too deeply, or empty.
    """
    text = _read_text(path, shown_as, error)
    try:
        _check_events(text, shown_as, error)
        root = YAML(typ="safe", pure=True).compose(io.StringIO(text))
    except error:
        raise
    except MarkedYAMLError as trouble:
        line = f":{trouble.problem_mark.line + 1}" if trouble.problem_mark else ""
        raise error(f"{shown_as}{line}: this is not valid YAML: {printable(trouble.problem, 120)}.") from None
    except (YAMLError, ValueError, OverflowError):  # an escape such as "\UFFFFFFFF" is no character
        raise error(f"{shown_as}: this is not valid YAML: it holds control characters, or escapes that are no characters.") from None
    if root is None:
        raise error(f"{shown_as}: the file is empty.")
    reader = _Reader(shown_as, error)
    data = reader.plain(root, ())
    return PlainYaml(data, reader.lines, reader.written)


def path_text(place: Place) -> str:
    """Place as people write it: courses[1].fractions."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + printable(part, 40)
    return text


def _read_text(path: Path, shown_as: str, error: type[ReirradError]) -> str:
    try:
        # O_NONBLOCK: a named pipe must not stop the program before it is known to be one.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise error(f"{shown_as}: found something that is not a regular file; needed a YAML file.")
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise error(f"{shown_as}: no such file was found.") from None
    except OSError as trouble:
        raise error(f"{shown_as}: the file cannot be read ({trouble.strerror}).") from None
    if len(raw) > LARGEST_FILE_BYTES:
        raise error(f"{shown_as}: the file is larger than {LARGEST_FILE_BYTES // 1000} kB, which no file of this kind needs.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = raw[: trouble.start].count(b"\n") + 1
        raise error(f"{shown_as}:{line}: the file is not UTF-8 text; save it as UTF-8.") from None
    # the time the YAML scanner takes grows with the square of a line of "!"
    if max(map(len, text.split("\n"))) > LONGEST_LINE:
        raise error(f"{shown_as}: a line is longer than {LONGEST_LINE} characters, which no file of this kind needs.")
    return text


def _check_events(text: str, shown_as: str, error: type[ReirradError]) -> None:
    """Refuse what must not reach a recursive reader: depth, aliases, tags, several documents."""
    depth = n_documents = n_items = 0
    for event in YAML(typ="safe", pure=True).parse(io.StringIO(text)):
        line = event.start_mark.line + 1
        if isinstance(event, DocumentStartEvent):
            n_documents += 1
            if n_documents > 1:
                raise error(f"{shown_as}:{line}: the YAML file holds a second document (after ---); needed exactly one.")
            if event.version not in (None, (1, 2)):  # under 1.1, 010 is eight and yes is true
                raise error(f"{shown_as}:{line}: the file asks for another version of YAML; needed 1.2, which needs no directive.")
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
            raise error(f"{shown_as}:{line}: YAML anchors and aliases (&, *) are not accepted; write the values out.")
        if isinstance(event, NodeEvent) and getattr(event, "tag", None) is not None:
            raise error(f"{shown_as}:{line}: YAML tags (!) are not accepted; write the value plainly.")
        n_items += isinstance(event, NodeEvent)
        depth += isinstance(event, (MappingStartEvent, SequenceStartEvent)) - isinstance(event, (MappingEndEvent, SequenceEndEvent))
        if depth > DEEPEST or n_items > MOST_ITEMS:
            what = f"nested more than {DEEPEST} deep" if depth > DEEPEST else f"made of more than {MOST_ITEMS} parts"
            raise error(f"{shown_as}:{line}: the YAML is {what}, which no file of this kind needs.")


@dataclass(slots=True)
class _Reader:
    """Turns nodes into data, and notes lines and scalars on the way."""

    shown_as: str
    error: type[ReirradError]
    lines: dict[Place, int] = field(default_factory=dict)
    written: dict[Place, str] = field(default_factory=dict)

    def plain(self, node: Node, place: Place) -> object:
        """Data of a node at a place."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, ScalarNode):
            self.written[place] = self._text(node, place)
            return self._scalar(node, place)
        if isinstance(node, SequenceNode):
            return [self.plain(item, (*place, i)) for i, item in enumerate(node.value)]
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._refuse(key_node, place, "a list or mapping stands where a key was needed")
            key = self._text(key_node, place)
            here = (*place, key)
            if key in result:
                self._refuse(key_node, here, f"this key is given twice, first in line {self.lines[here]}; keep one")
            self.lines[here] = key_node.start_mark.line + 1
            result[key] = self.plain(value_node, here)
        return result

    def _scalar(self, node: ScalarNode, place: Place) -> object:
        """Value under the YAML 1.2 core schema; dates as dates."""
        kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("int", "float") and ("_" in text or text.lstrip("+-")[:2].lower() in ("0x", "0b", "0o")):
            self._refuse(node, place, f'"{printable(text, 40)}" is not a plain decimal number')
        try:
            if kind == "timestamp":
                return dt.date.fromisoformat(text) if _DATE.fullmatch(text) else text
            if kind not in ("int", "float"):
                return text
            value = _NUMBERS.construct_object(node)
        except ValueError:
            what = "a date of the calendar (YYYY-MM-DD)" if kind == "timestamp" else "a number of sensible size"
            self._refuse(node, place, f'"{printable(text, 40)}" is not {what}')
        number: WrittenInt | WrittenFloat = WrittenInt(value) if kind == "int" else WrittenFloat(value)
        number.written = text
        return number

    def _text(self, node: ScalarNode, place: Place) -> str:
        """Text of a scalar; half characters (lone surrogates), which no result file could hold, are refused."""
        if any("\ud800" <= c <= "\udfff" for c in node.value):
            self._refuse(node, place, "the text holds half a character (a lone surrogate)")
        return str(node.value)

    def _refuse(self, node: Node, place: Place, message: str) -> NoReturn:
        path = path_text(place)
        raise self.error(f"{self.shown_as}:{node.start_mark.line + 1}: " + (f"{path}: " if path else "") + f"{message}.")
