"""Cells of tables and values of a case file: what the one makes of the other."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import streamlit as st

from reirrad.organs import organ
from reirrad.yamltext import WrittenFloat, WrittenInt

__all__ = ["Edits", "Row", "by_column", "day", "day_of", "edits_of", "number", "organ_label", "plain_number", "put", "text_of", "word"]

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?")

Row = dict[str, Any]
# Row to column to value, as the page sends them: text, numbers, truth values, dates as text, None where a cell was emptied.
Edits = Mapping[int, Mapping[str, object]]


def put(target: dict[str, Any], key: str, value: object) -> None:
    """Set a key, or remove it where there is no value."""
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value


def text_of(value: object) -> str:
    """Text of a name, as the case file has it, where 007 is a name too."""
    if isinstance(value, (WrittenInt, WrittenFloat)):
        return value.written
    return "" if value is None else str(value)


def word(value: object) -> str | None:
    """Text, or nothing where something else stands."""
    return value if isinstance(value, str) else None


def number(value: object) -> float | None:
    """A number, or nothing where something else stands."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def plain_number(value: object) -> int | float | str | None:
    """Number of a cell, whole ones whole, as a case file wants counts; anything else as text, for the case file to refuse."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return int(value) if float(value).is_integer() else value


def day(value: object) -> dt.date | None:
    """A date, or nothing where something else stands."""
    return value if isinstance(value, dt.date) else None


def day_of(value: object) -> dt.date | str | None:
    """Day of a cell: a date, or text that begins with one; any other text stays, for the case file to refuse."""
    if value is None or isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value)[:10]) if _DAY.fullmatch(str(value)) else str(value)
    except ValueError:
        return str(value)


def edits_of(key: str) -> Edits:
    """Edited cells of the table on the page that has this key."""
    return {int(row): cells for row, cells in st.session_state[key]["edited_rows"].items()}


def by_column(rows: list[Row], columns: Iterable[str]) -> dict[str, list[Any]]:
    """Rows as columns, the form that keeps a column there where no row is."""
    return {column: [row[column] for row in rows] for column in columns}


def organ_label(key: object) -> str:
    """What people call an organ."""
    return organ(str(key)).label
