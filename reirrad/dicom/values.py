"""Single values of a DICOM header, checked, without ever showing what they hold.

Numbers are parsed from the stored text: pydicom would print the text of a bad number, which may be an identifier.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from reirrad.errors import DicomError
from reirrad.grid import Float64

__all__ = ["decimal", "decimals", "integer", "items", "name_of", "numbers_in", "people_text", "text", "texts"]

_BINARY = ("US", "SS", "UL", "SL")


def name_of(keyword: str) -> str:
    """Title and tag for messages.

    >>> name_of("DoseUnits")
    'Dose Units (3004,0002)'
    """
    tag = tag_for_keyword(keyword) or 0
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def texts(ds: Dataset, keyword: str) -> list[str]:
    """Values of an element of plain characters (UI, CS, DA, DS, IS); empty list when absent or empty."""
    element = ds.get_item(tag_for_keyword(keyword) or 0)
    if element is None or element.value is None:
        return []
    value = element.value
    if isinstance(value, bytes):
        joined = value.decode("ascii", "replace")
    elif isinstance(value, str):
        joined = value
    else:
        joined = "\\".join(str(v) for v in value) if hasattr(value, "__iter__") else str(value)
    joined = joined.strip(" \0\t\r\n")
    return [part.strip(" \0") for part in joined.split("\\")] if joined else []


def text(ds: Dataset, keyword: str) -> str:
    """First value of an element of plain characters; empty when absent."""
    found = texts(ds, keyword)
    return found[0] if found else ""


def people_text(ds: Dataset, keyword: str) -> str:
    """Text in the character set of the object, exactly as stored but for padding; empty when absent."""
    value = ds.get(keyword)
    if value is None:
        return ""
    if not isinstance(value, str) and hasattr(value, "__iter__") and hasattr(value, "append"):
        value = "\\".join(str(v) for v in value)  # a backslash in free text looks like several values
    return str(value).rstrip(" \0")


def numbers_in(stored: bytes) -> Float64:
    r"""Decimal strings separated by backslashes, fast; ValueError when one is not a number.

    >>> numbers_in(b"1.5\\ -2e1 ").tolist()
    [1.5, -20.0]
    """
    stored = stored.rstrip(b" \0")
    values = np.fromstring(stored, dtype=np.float64, sep="\\")
    if values.size != stored.count(b"\\") + 1:  # numpy before 2.3 stops at the first bad number with a warning only
        raise ValueError
    return values


def decimals(ds: Dataset, keyword: str, file: str, count: int | None = None) -> Float64:
    """Finite numbers of an element; (count,) when a count is given.

    Raises
    ------
    DicomError
        When absent, empty, of another count, not numbers or not finite.
    """
    found = texts(ds, keyword)
    title = name_of(keyword)
    if not found:
        raise DicomError(f"{file}: {title} is missing or empty, and there is no safe default. Export the object again.")
    try:
        values = numbers_in("\\".join(found).encode("ascii", "replace"))
    except ValueError:
        raise DicomError(f"{file}: {title} holds text that is not a number. Export the object again.") from None
    if not np.all(np.isfinite(values)):
        raise DicomError(f"{file}: {title} is not a finite number (NaN or infinite). Export the object again.")
    if count is not None and values.size != count:
        raise DicomError(f"{file}: {title} has {values.size} values where {count} are needed. Export the object again.")
    return values


def decimal(ds: Dataset, keyword: str, file: str) -> float:
    """One finite number; see `decimals`."""
    return float(decimals(ds, keyword, file, 1)[0])


def integer(ds: Dataset, keyword: str, file: str) -> int | None:
    """A whole number; None when absent or empty.

    Raises
    ------
    DicomError
        When it is not one whole number.
    """
    tag = tag_for_keyword(keyword) or 0
    element: Any = ds.get_item(tag)
    if element is None or element.value in (None, b"", ""):
        return None
    if isinstance(element, RawDataElement) and dictionary_VR(tag) in _BINARY:
        if len(element.value) not in (2, 4):
            raise DicomError(f"{file}: {name_of(keyword)} is not one whole number. Export the object again.")
        return int.from_bytes(element.value, "little" if element.is_little_endian else "big")
    value = decimals(ds, keyword, file, 1)[0]
    if value != math.floor(value):
        raise DicomError(f"{file}: {name_of(keyword)} is not a whole number. Export the object again.")
    return int(value)


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty list when absent."""
    value = ds.get(keyword)
    return list(value) if value is not None else []
