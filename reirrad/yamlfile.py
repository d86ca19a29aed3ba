"""YAML files written by people: read strictly, and criticised with line numbers.

YAML 1.2 without anchors, tags, repeated keys or a second document; small and shallow. Numbers stay numbers, dates are
dates, everything else is text. Whatever is wrong is told in one paragraph, each problem with its line.
"""

from __future__ import annotations

import datetime as dt
import difflib
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, NoReturn, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, RootModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, DocumentStartEvent, MappingEndEvent, MappingStartEvent, NodeEvent, SequenceEndEvent, SequenceStartEvent
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from reirrad.errors import ReirradError, printable

__all__ = ["Document", "Place", "Problem", "Text", "did_you_mean", "load_yaml"]

LARGEST_FILE_BYTES: Final = 1_000_000
DEEPEST: Final = 32
MOST_ITEMS: Final = 50_000
PROBLEMS_SHOWN: Final = 6

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

# Its resolver is that of YAML 1.2: 010 is ten, 3:10 and yes are text, 1e3 is a number.
_NUMBERS: Final = YAML(typ="safe", pure=True).constructor

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TAG: Final = "tag:yaml.org,2002:"


class Problem(NamedTuple):
    """Something wrong at a place; `at` is the place whose line is told when it differs (an unknown key)."""

    place: Place
    message: str
    at: Place | None = None

    @property
    def line_place(self) -> Place:
        """The place whose line is told."""
        return self.place if self.at is None else self.at


class _WrittenInt(int):
    """A whole number that remembers how it was written (``007``)."""

    written: str


class _WrittenFloat(float):
    """A number that remembers how it was written (``1.10``)."""

    written: str


def _as_written(value: object) -> object:
    """Text of a plain number or date: names and identifiers need no quotes in YAML, and keep their zeros."""
    if isinstance(value, (_WrittenInt, _WrittenFloat)):
        return value.written
    return value.isoformat() if isinstance(value, dt.date) else value


Text = Annotated[str, BeforeValidator(_as_written)]
"""Field type of models: text, or an unquoted number or date taken as it is written."""


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data of a YAML file and where each part of it stands.

    Parameters
    ----------
    data : object
        Dicts with str keys, lists, str, int, float, bool, None, date.
    lines : mapping of Place to int
        Line of each key and list item, from 1; the place ``()`` is the whole file.
    written : mapping of Place to str
        Scalars as they stand in the file.
    shown_as : str
        Name of the file for messages.
    error : type
        What refusals of this file raise.
    """

    data: object
    lines: Mapping[Place, int]
    written: Mapping[Place, str]
    shown_as: str
    error: type[ReirradError]

    def line(self, place: Place) -> int:
        """Line of a place, or of the nearest part of the file that holds it."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]

    def where(self, place: Place, at: Place | None = None) -> str:
        """File, line and place for a message: ``case.yaml:12: courses[1].dicom``."""
        path = _path_text(place)
        return f"{self.shown_as}:{self.line(place if at is None else at)}" + (f": {path}" if path else "")

    def refuse(self, problems: Sequence[Problem]) -> NoReturn:
        """Raise one error that tells the problems, in the order of their lines.

        Raises
        ------
        ReirradError
            Of the type given as `error`.
        """
        ordered = sorted(problems, key=lambda p: self.line(p.line_place))
        texts = [f"{self.where(p.place, p.at)}: {p.message}" for p in ordered[:PROBLEMS_SHOWN]]
        more = len(problems) - len(texts)
        raise self.error("; ".join(texts) + (f"; and {more} more problems" if more else "") + ".")

    def validate(self, model: type[Model]) -> Model:
        """Make a model from the data.

        Raises
        ------
        ReirradError
            Of the type given as `error`, with every problem found.
        """
        problems = [Problem(place, "has no value; give one, or remove the key") for place, value in _walk(self.data) if value is None]
        empty = {problem.place for problem in problems}
        try:
            checked = model.model_validate(self.data)
        except ValidationError as error:
            found = (self._problem(model, detail) for detail in error.errors(include_url=False))
            self.refuse([*problems, *(p for p in found if p.line_place not in empty)])
        if problems:
            self.refuse(problems)
        return checked

    def _problem(self, model: type[BaseModel], detail: ErrorDetails) -> Problem:
        """One error of pydantic in words."""
        place: Place = tuple(part for part in detail["loc"] if part != "[key]")
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "extra_forbidden":
            key, known = str(place[-1]), _keys_at(model, place[:-1])
            return Problem(place[:-1], f'unknown key "{printable(key, 40)}"{did_you_mean(key, known)}', at=place)
        if kind == "missing":
            return Problem(place[:-1], f'the key "{place[-1]}" is missing')
        if kind == "value_error":
            return Problem(place, str(context["error"]).rstrip("."))
        return Problem(place, f"found {self._found(place, detail['input'])}, needed {_needed(kind, context) or detail['msg']}")

    def _found(self, place: Place, value: object) -> str:
        if place in self.written:
            return f'"{printable(self.written[place], 40)}"'
        return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a value"


def load_yaml(path: Path, shown_as: str, error: type[ReirradError]) -> Document:
    """Read a YAML file.

    Parameters
    ----------
    path : Path
        A regular file.
    shown_as : str
        Its name in messages.
    error : type
        What refusals raise, now and in later validation.

    Raises
    ------
    ReirradError
        Of that type: not a regular file, too large, not UTF-8, not YAML, repeated keys, anchors, tags, several
        documents, nested too deeply, or empty.
    """
    text = _read_text(path, shown_as, error)
    try:
        _check_events(text, shown_as, error)
        root = YAML(typ="safe", pure=True).compose(io.StringIO(text))
    except MarkedYAMLError as trouble:
        mark = trouble.problem_mark or trouble.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise error(f"{shown_as}{line}: this is not valid YAML: {printable(trouble.problem or trouble.context, 120)}.") from None
    except YAMLError:
        raise error(f"{shown_as}: this is not valid YAML: it holds characters that no text file needs (control characters).") from None
    if root is None:
        raise error(f"{shown_as}: the file is empty.")
    lines: dict[Place, int] = {(): root.start_mark.line + 1}
    written: dict[Place, str] = {}
    document = Document(None, lines, written, shown_as, error)
    data = _plain(root, (), document, lines, written)
    return Document(data, lines, written, shown_as, error)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``, did you mean "..."?`` when a known word is near, else nothing.

    >>> did_you_mean("fractons", ["fractions", "file"])
    ', did you mean "fractions"?'
    """
    near = difflib.get_close_matches(word[:80].lower(), list(known), n=1, cutoff=0.7)
    return f', did you mean "{near[0]}"?' if near else ""


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
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = raw[: trouble.start].count(b"\n") + 1
        raise error(f"{shown_as}:{line}: the file is not UTF-8 text; save it as UTF-8.") from None


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


def _plain(node: Node, place: Place, document: Document, lines: dict[Place, int], written: dict[Place, str]) -> object:
    """Data of a node; fills in the lines and the scalars as written."""
    if isinstance(node, ScalarNode):
        written[place] = _encodable(node.value, place, document)
        return _scalar(node, place, document)
    if isinstance(node, SequenceNode):
        for i, item in enumerate(node.value):
            lines[(*place, i)] = item.start_mark.line + 1
        return [_plain(item, (*place, i), document, lines, written) for i, item in enumerate(node.value)]
    result: dict[str, object] = {}
    for key_node, value_node in node.value:
        at = f"{document.shown_as}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, ScalarNode):
            raise document.error(f"{at}: a list or mapping stands where a key was needed.")
        key = _encodable(key_node.value, place, document)
        here = (*place, key)
        if key in result:
            raise document.error(f"{at}: {_path_text(here)}: this key is given twice, first in line {lines[here]}; keep one.")
        lines[here] = key_node.start_mark.line + 1
        result[key] = _plain(value_node, here, document, lines, written)
    return result


def _encodable(text: str, place: Place, document: Document) -> str:
    """Refuse half characters (lone surrogates), which no result file could hold."""
    if any("\ud800" <= c <= "\udfff" for c in text):
        document.refuse([Problem(place, "the text holds half a character (a lone surrogate)")])
    return text


def _scalar(node: ScalarNode, place: Place, document: Document) -> object:
    """Value of a scalar under the YAML 1.2 core schema; dates as dates."""
    kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        if kind == "timestamp":
            return dt.date.fromisoformat(text) if _DATE.fullmatch(text) else text
        if kind not in ("int", "float"):
            return text
        value = _NUMBERS.construct_object(node)
    except ValueError:
        what = "a date of the calendar (YYYY-MM-DD)" if kind == "timestamp" else "a number of sensible size"
        document.refuse([Problem(place, f'"{printable(text, 40)}" is not {what}')])
    number: _WrittenInt | _WrittenFloat = _WrittenInt(value) if kind == "int" else _WrittenFloat(value)
    number.written = text
    return number


def _path_text(place: Place) -> str:
    """Place as people write it: courses[1].fractions."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + printable(part, 40)
    return text


def _walk(data: object, place: Place = ()) -> Iterator[tuple[Place, object]]:
    yield place, data
    children: Iterable[tuple[str | int, object]] = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in children:
        yield from _walk(value, (*place, key))


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """Field names of the model that validates a place."""
    current: Any = _model_in(model.model_fields["root"].annotation) if issubclass(model, RootModel) else model
    for part in place:
        if isinstance(part, str):
            current = _model_in(current.model_fields[part].annotation)
    return list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """First model named in an annotation such as ``list[CourseEntry] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)


def _needed(kind: str, context: Mapping[str, Any]) -> str | None:
    """What a kind of pydantic error asks for, in words."""
    simple = {
        "int_type": "a whole number", "float_type": "a number", "finite_number": "a finite number", "string_type": "text",
        "bool_type": "true or false", "date_type": "a date written YYYY-MM-DD", "dict_type": "a mapping (key: value)",
        "model_type": "a mapping (key: value)", "list_type": "a list", "tuple_type": "a list",
    }  # fmt: skip
    if kind in simple:
        return simple[kind]
    if kind == "literal_error":
        return f"one of {context['expected']}"
    bounds = {"greater_than": "a number above {gt}", "greater_than_equal": "at least {ge}", "less_than": "a number below {lt}",
              "less_than_equal": "at most {le}", "too_short": "at least {min_length} of them", "too_long": "at most {max_length} of them",
              "string_too_short": "text", "string_too_long": "at most {max_length} characters"}  # fmt: skip
    return bounds[kind].format(**context) if kind in bounds else None
