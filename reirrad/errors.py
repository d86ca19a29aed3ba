"""What the calculation refuses, and what it says aloud.

A refusal is an exception whose message tells what was found, what was needed and what to do, in one paragraph.
A notice is a warning that travels with the result; its code is stable, so that scripts may rely on it.
Neither ever holds a name, a date of birth or an identifier of a patient.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CaseFileError", "DicomError", "GeometryError", "LimitFileError", "Notice", "ParameterError", "ReirradError", "place_of", "printable"]


class ReirradError(Exception):
    """The calculation is refused; the message says what was found, what was needed, what to do."""


class CaseFileError(ReirradError, ValueError):
    """The case file, or a path in it, cannot be used as it stands."""


class LimitFileError(ReirradError, ValueError):
    """A file of limits cannot be used as it stands."""


class DicomError(ReirradError, ValueError):
    """A DICOM object is missing, damaged, or does not say what a calculation needs."""


class GeometryError(ReirradError, ValueError):
    """A grid, contour or transformation has no usable geometry."""


class ParameterError(ReirradError, ValueError):
    """A parameter of a formula is outside what the formula is made for; the message names it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One warning of a result.

    Parameters
    ----------
    code : str
        Stable word in snake_case.
    message : str
        Sentence for a person.
    course, structure : str, optional
        What it is about.
    """

    code: str
    message: str
    course: str | None = None
    structure: str | None = None


def printable(text: object, limit: int = 80) -> str:
    r"""Return text of outside origin so that a terminal or a log can show it.

    Control, format (right-to-left override) and other unprintable characters become a space, long text is cut.

    >>> printable("Blad\nder\x1b[31m")
    'Blad der [31m'
    """
    plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in str(text))
    plain = " ".join(plain.split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def place_of(error: BaseException) -> str:
    """File and line of this package where an error arose; its message, which may hold patient data, is nowhere shown."""
    trace, where = error.__traceback__, "unknown place"
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "reirrad" in file.parts:
            where = f"{file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where
