"""YAML files written by people: checked against a model, and criticised with line numbers.

Whatever is wrong is told in one paragraph, each problem with its line.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, NoReturn, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, RootModel, ValidationError
from pydantic_core import ErrorDetails

from reirrad.errors import ReirradError, printable
from reirrad.yamltext import Place, PlainYaml, WrittenFloat, WrittenInt, path_text, read_plain

__all__ = ["Document", "Place", "Problem", "Text", "did_you_mean", "load_yaml"]

PROBLEMS_SHOWN: Final = 6

Model = TypeVar("Model", bound=BaseModel)


class Problem(NamedTuple):
    """Something wrong at a place; `at` is the place whose line is told when it differs (an unknown key)."""

    place: Place
    message: str
    at: Place | None = None

    @property
    def line_place(self) -> Place:
        """The place whose line is told."""
        return self.place if self.at is None else self.at


def _as_written(value: object) -> object:
    """Text of a plain number or date: names and identifiers need no quotes in YAML, and keep their zeros."""
    if isinstance(value, (WrittenInt, WrittenFloat)):
        return value.written
    return value.isoformat() if isinstance(value, dt.date) else value


Text = Annotated[str, BeforeValidator(_as_written)]
"""Field type of models: text, or an unquoted number or date taken as it is written."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file read, and what refuses it.

    Parameters
    ----------
    plain : PlainYaml
        Data and lines.
    shown_as : str
        Name of the file for messages.
    error : type
        What refusals of this file raise.
    """

    plain: PlainYaml
    shown_as: str
    error: type[ReirradError]

    @property
    def data(self) -> object:
        """Plain Python data."""
        return self.plain.data

    def line(self, place: Place) -> int:
        """Line of a place, or of the nearest part of the file that holds it."""
        while place not in self.plain.lines:
            place = place[:-1]
        return self.plain.lines[place]

    def where(self, place: Place, at: Place | None = None) -> str:
        """File, line and place for a message: ``case.yaml:12: courses[1].dicom``."""
        path = path_text(place)
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
        paragraph = "; ".join(texts) + (f"; and {more} more problems" if more else "")
        raise self.error(paragraph if paragraph.endswith("?") else f"{paragraph}.")

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
        if kind == "too_short":
            return Problem(place, "is empty; give at least one entry, or remove the key")
        if kind == "value_error":
            return Problem(place, str(context["error"]).rstrip("."))
        return Problem(place, f"found {self._found(place, detail['input'])}, needed {_needed(kind, context) or detail['msg']}")

    def _found(self, place: Place, value: object) -> str:
        if place in self.plain.written:
            return f'"{printable(self.plain.written[place], 40)}"'
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
    return Document(read_plain(path, shown_as, error), shown_as, error)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``, did you mean "..."?`` when a known word is near, else nothing.

    >>> did_you_mean("fractons", ["fractions", "file"])
    ', did you mean "fractions"?'
    """
    spelled = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word[:80].lower(), list(spelled), n=1, cutoff=0.7)
    return f', did you mean "{printable(spelled[near[0]], 40)}"?' if near else ""


def _walk(data: object, place: Place = ()) -> Iterator[tuple[Place, object]]:
    yield place, data
    children: Iterable[tuple[str | int, object]] = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in children:
        yield from _walk(value, (*place, key))


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """Field names of the model that validates a place."""
    current: Any = _model_in(model.model_fields["root"].annotation) if issubclass(model, RootModel) else model
    for part in place:
        if isinstance(part, str) and part in current.model_fields:  # else a key of a mapping of entries
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
        "model_type": "a mapping (key: value)", "list_type": "a list",
    }  # fmt: skip
    if kind in simple:
        return simple[kind]
    if kind == "literal_error":
        return f"one of {context['expected']}"
    bounds = {
        "greater_than": "a number above {gt:g}", "greater_than_equal": "at least {ge:g}",
        "less_than_equal": "at most {le:g}", "string_too_long": "at most {max_length} characters",
    }  # fmt: skip
    return bounds[kind].format(**context) if kind in bounds else None
