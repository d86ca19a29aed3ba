"""A dose-volume histogram as a table of text, and what it proves about near-maxima.

A histogram knows a dose only to a bin and a volume only to the digits written. A curve therefore keeps two statements, each true whatever lies within a bin:
"at most M cc receive more than d" and "at least L cc receive d or more". From them D_v <= d for every v > M, and D_v >= d for every v <= L.

- Cumulative: volume V at dose d gives M = V and L = V, each by half a unit of the last digit written on the safe side.
- Differential: whether the dose of a row is the left edge, the centre or the right edge of its bin is not said, so the volume of the row may have any dose from
  one bin width below to one above. It is counted to M of every dose below the upper end, and to L of no dose above the lower end. Bins must have one width.

So the dose of a cumulative histogram is at most one bin too high, of a differential one at most two, and never too low. Doses are taken as exact.

The last digit is that of the finest volume of a structure (exports leave out trailing zeros). A written 0 is no volume where the digits reach 0.001 cc, or in
the last row: the table ends at or above the maximum. Volumes are then exact but for that digit, and so is the total that percentages refer to.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from reirrad.errors import CaseFileError, printable
from reirrad.grid import Float64
from reirrad.paper import ROUNDING, PaperDose
from reirrad.parameters import positive

__all__ = ["DvhCurve", "DvhKind", "cumulative_curve", "differential_curve", "last_digit", "read_dvh_table"]

DvhKind = Literal["cumulative", "differential"]

LARGEST_FILE_BYTES: Final = 20_000_000
MOST_ROWS: Final = 1_000_000
LARGEST_DOSE_GY: Final = 1000.0
# A volume written as 0 with digits this fine, cc, is none: a cubic millimetre.
NO_VOLUME_CC: Final = 1e-3
# Beyond a volume by this part is more than that volume: further than `paper` rounds.
MORE: Final = 1 + 10 * ROUNDING

# Widths of bins that differ by less than this part are rounded from one width.
SAME_WIDTH: Final = 0.05

_COLUMNS: Final = ("structure", "dose_gy", "dose_percent", "volume_cc", "volume_percent", "total_cc", "kind")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]{1,3})?")
_KIND: Final = re.compile(r"#\s*kind\s*[:=]\s*(\S*)\s*", re.IGNORECASE)
_NEEDED: Final = "Needed are structure, dose_gy (or dose_percent) and volume_cc (or volume_percent), optionally total_cc and kind"
_KINDS: Final[dict[str, DvhKind]] = {"cumulative": "cumulative", "differential": "differential"}


@dataclass(frozen=True, slots=True, eq=False)
class DvhCurve:
    """What a histogram proves about the dose of one structure.

    Parameters
    ----------
    name : str
        Of the structure, as written.
    kind : str
        What the histogram was.
    total_cc : float or None
        Volume of the structure.
    more_gy, more_cc : (N,) float64
        At most this volume receives more than this dose. Doses rise, volumes fall.
    least_gy, least_cc : (M,) float64
        At least this volume receives this dose or more. Doses rise, volumes fall.
    """

    name: str
    kind: DvhKind
    total_cc: float | None
    more_gy: Float64
    more_cc: Float64
    least_gy: Float64
    least_cc: Float64

    def paper(self, fractions: int, repair: float = 1.0) -> PaperDose:
        """The curve as the dose of a course of so many fractions (grade C): at each volume the upper end of what the histogram leaves open."""
        known = self.least_cc > 0
        floor = (self.least_cc[known], self.least_gy[known])
        # v must be above M, but for M = 0: then no part at all receives more
        return PaperDose.from_curve(self.more_cc * MORE, self.more_gy, fractions, floor=floor, repair=repair, organ_cc=self.total_cc)


def cumulative_curve(name: str, doses_gy: Float64, volumes_cc: Float64, unit_cc: float, total_cc: float | None) -> DvhCurve:
    """Curve of a cumulative histogram.

    Parameters
    ----------
    doses_gy, volumes_cc : (N,)
        Rising doses, and the volume that receives each or more.
    unit_cc : float
        One unit of the last digit of the volumes.
    """
    more = np.where(_is_nothing(volumes_cc, unit_cc), 0.0, volumes_cc + unit_cc / 2)
    return DvhCurve(name, "cumulative", total_cc, doses_gy, more, doses_gy, volumes_cc - unit_cc / 2)


def differential_curve(name: str, lower_gy: Float64, upper_gy: Float64, volumes_cc: Float64, unit_cc: float, total_cc: float) -> DvhCurve:
    """Curve of a differential histogram.

    Parameters
    ----------
    lower_gy, upper_gy, volumes_cc : (N,)
        Least and largest dose that the volume of each bin may have; both rise.
    """
    errors = np.where(_is_nothing(volumes_cc, unit_cc), 0.0, unit_cc / 2)
    above = np.cumsum((volumes_cc + errors)[::-1])[::-1]
    least = np.cumsum((volumes_cc - errors)[::-1])[::-1]
    return DvhCurve(name, "differential", total_cc, upper_gy, np.append(above[1:], 0.0), lower_gy, least)


def _is_nothing(volumes_cc: Float64, unit_cc: float) -> NDArray[np.bool_]:
    """Where a written 0 is no volume: with fine digits, and in the last row."""
    last = np.arange(volumes_cc.size) == volumes_cc.size - 1
    return np.asarray((volumes_cc == 0) & (last | (unit_cc <= NO_VOLUME_CC)), np.bool_)


def last_digit(written: Iterable[str]) -> float:
    """One unit of the last digit of the finest of several numbers, at most 1.

    >>> last_digit(["100", "12.5", "3e-2"])
    0.01
    """
    exponents = (Decimal(number).as_tuple().exponent for number in written)
    return float(Decimal(1).scaleb(min((e for e in exponents if isinstance(e, int) and e < 0), default=0)))


def read_dvh_table(
    path: Path,
    shown_as: str,
    *,
    kind: DvhKind | None = None,
    prescription_gy: float | None = None,
    total_cc: float | Mapping[str, float] | None = None,
) -> dict[str, DvhCurve]:
    """Read the histograms of one or several structures from a table in long form.

    A header names the columns, in any order: structure (or organ); dose_gy or dose_percent; volume_cc or volume_percent; optionally total_cc and kind. Fields
    are separated by commas, semicolons or tabs; a decimal comma needs one of the latter two. Empty lines and lines that begin with # are skipped, but for
    ``# kind: cumulative`` or ``# kind: differential``. Without a kind, a histogram is cumulative when its volumes fall from the total, differential when they
    add up to the total, and refused when both or neither is so.

    Parameters
    ----------
    path : Path
        UTF-8 text.
    shown_as : str
        Its name in messages.
    kind : str, optional
        Of all structures, where the table does not say.
    prescription_gy : float, optional
        100 % of dose_percent.
    total_cc : float or mapping of structure to float, optional
        100 % of volume_percent, where the table has no total_cc.

    Returns
    -------
    dict
        Structure to curve.

    Raises
    ------
    CaseFileError
        With file, line and column, when the table cannot be read, contradicts itself, or does not say what is needed.
    """
    if prescription_gy is not None:
        positive("prescription_gy", prescription_gy)
    for volume in total_cc.values() if isinstance(total_cc, Mapping) else () if total_cc is None else (total_cc,):
        positive("total_cc", volume)
    return _Table(shown_as, kind, prescription_gy, total_cc).curves(_read_text(path, shown_as))


@dataclass(slots=True)
class _Rows:
    """Rows of one structure."""

    line: int
    kind: DvhKind | None
    total: str
    unit: float = 1.0
    doses: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Table:
    """A table while it is read."""

    shown_as: str
    kind: DvhKind | None
    prescription_gy: float | None
    total_cc: float | Mapping[str, float] | None
    columns: list[str] = field(default_factory=list)
    delimiter: str = ""
    decimal_mark: str = ""

    def curves(self, text: str) -> dict[str, DvhCurve]:
        structures: dict[str, _Rows] = {}
        n_rows = 0
        for number, line in enumerate(io.StringIO(text, newline=None), 1):
            if line.startswith("#"):
                self._comment(line.strip(), number)
            elif not line.strip(" \t\n,;"):
                continue
            elif not self.columns:
                self._header(line, number)
            else:
                n_rows += 1
                if n_rows > MOST_ROWS:
                    self._refuse(number, f"the table has more than {MOST_ROWS} rows, which no histogram needs. Export it with wider bins")
                self._row(line, number, structures)
        if not structures:
            self._refuse(None, "the table has no rows. Needed are a header such as structure,dose_gy,volume_cc and rows below it")
        return {name: self._curve(name, rows) for name, rows in structures.items()}

    def _comment(self, line: str, number: int) -> None:
        if match := _KIND.fullmatch(line):
            kind = _KINDS.get(match[1].lower())
            if kind is None or self.kind not in (None, kind):
                self._refuse(number, "the kind is neither cumulative nor differential, or not the one stated before. State one of the two")
            self.kind = kind

    def _header(self, line: str, number: int) -> None:
        found = [mark for mark in ",;\t" if mark in line]
        if len(found) != 1:
            self._refuse(number, f"the first line is no header with names of columns separated by commas, semicolons or tabs. {_NEEDED}")
        self.delimiter = found[0]
        for k, name in enumerate(self._fields(line, number), 1):
            name = "structure" if name.lower() == "organ" else name.lower()
            if "cgy" in name:
                self._refuse(number, "the dose is in cGy; needed is Gy. Divide the doses by 100 and name the column dose_gy", f"column {k}")
            if name not in _COLUMNS or name in self.columns:
                self._refuse(number, f"the name of the column is {'given twice' if name in self.columns else 'unknown'}. {_NEEDED}", f"column {k}")
            self.columns.append(name)
        for choices in (("structure",), ("dose_gy", "dose_percent"), ("volume_cc", "volume_percent")):
            if sum(c in self.columns for c in choices) != 1:
                self._refuse(number, f"exactly one column {' or '.join(choices)} is needed. {_NEEDED}")
        if "dose_percent" in self.columns and self.prescription_gy is None:
            self._refuse(number, "percent of a prescribed dose that is not stated. State the prescription, or give dose_gy", "dose_percent")

    def _row(self, line: str, number: int, structures: dict[str, _Rows]) -> None:
        fields = self._fields(line, number)
        if len(fields) != len(self.columns):
            self._refuse(number, f"the row has {len(fields)} fields where the header has {len(self.columns)}. A decimal comma needs semicolons or tabs")
        row = dict(zip(self.columns, fields, strict=True))
        if not row["structure"]:
            self._refuse(number, "the name is empty. Name the structure", "structure")
        dose = self._dose(row, number)
        column = "volume_cc" if "volume_cc" in row else "volume_percent"
        volume = float(written := self._number(row, column, number))
        if column == "volume_percent" and volume > 100:
            self._refuse(number, "the number is above 100. Correct it, or name the column volume_cc", column)
        kind, total = _KINDS.get(row.get("kind", "").lower()), self._number(row, "total_cc", number) if row.get("total_cc") else ""
        if row.get("kind") and kind is None:
            self._refuse(number, "neither cumulative nor differential. Write one of the two", "kind")
        if total and float(total) == 0:
            self._refuse(number, "the number is 0. Give the volume of the structure, or leave it out", "total_cc")
        rows = structures.setdefault(row["structure"], _Rows(number, kind, total))
        if (rows.kind, rows.total) != (kind, total):
            self._refuse(number, f"kind or total_cc differs from line {rows.line} of the same structure. Correct one of them")
        at = bisect_left(rows.doses, dose)
        if at < len(rows.doses):
            if rows.doses[at] != dose:
                self._refuse(number, "the dose is lower than in the row of the structure before. Sort the rows by rising dose")
            if rows.volumes[at] != volume:
                self._refuse(number, f"line {rows.lines[at]} has the same dose of the same structure and another volume. Keep one of them")
            return
        rows.unit = min(rows.unit, last_digit((written,)))
        rows.doses.append(dose)
        rows.volumes.append(volume)
        rows.lines.append(number)

    def _dose(self, row: Mapping[str, str], number: int) -> float:
        column = "dose_gy" if "dose_gy" in row else "dose_percent"
        dose = float(self._number(row, column, number))
        if column == "dose_percent":
            assert self.prescription_gy is not None, "the header was refused"
            dose *= self.prescription_gy / 100
        if dose > LARGEST_DOSE_GY:
            self._refuse(number, f"the dose is above {LARGEST_DOSE_GY:g} Gy. Divide the doses by 100 if they are in cGy", column)
        return dose

    def _curve(self, name: str, rows: _Rows) -> DvhCurve:
        """Curve of the rows of one structure."""
        in_percent = "volume_percent" in self.columns
        total, total_unit = self._total(name, rows)
        if in_percent and total is None:
            self._refuse(rows.line, f"the volume of {_shown(name)} is not stated, which percent refer to. Add a column total_cc", "volume_percent")
        if len(rows.doses) < 2:
            self._refuse(rows.line, f"a single row of {_shown(name)} is no histogram. Give all of its rows")
        doses, volumes, unit = np.array(rows.doses), np.array(rows.volumes), rows.unit
        whole, whole_unit = (100.0, 0.0) if in_percent else (total, total_unit)
        kind = self._kind(name, rows, volumes, whole, whole_unit)
        if kind == "cumulative":
            self._check_cumulative(name, rows, volumes, whole, whole_unit)
            total = float(volumes[0]) if total is None and doses[0] == 0 and volumes[0] > 0 else total
        else:
            if whole is not None and not _adds_up(volumes, unit, whole, whole_unit):
                self._refuse(rows.line, f"the volumes of {_shown(name)} add up to {volumes.sum():g}, not to {whole:g}. Correct them, or the total")
            total = float(volumes.sum()) if total is None else total
            if total == 0:
                self._refuse(rows.line, f"{_shown(name)} has no volume. Leave it out")
        if in_percent:
            assert total is not None, "refused above"
            volumes, unit = volumes * total / 100, unit * total / 100
        if kind == "cumulative":
            return cumulative_curve(name, doses, volumes, unit, total)
        assert total is not None, "the sum at least"
        width = float(np.diff(doses).max())
        if np.diff(doses).min() < width * (1 - SAME_WIDTH):
            self._refuse(rows.line, f"the bins of {_shown(name)} have different widths, so their edges are unknown. Export a cumulative histogram")
        return differential_curve(name, np.maximum(doses - width, 0.0), doses + width, volumes, unit, total)

    def _total(self, name: str, rows: _Rows) -> tuple[float | None, float]:
        """Volume of a structure, cc, and one unit of its last digit."""
        if rows.total:
            return float(rows.total), last_digit((rows.total,))
        if "volume_percent" not in self.columns:
            return None, 0.0
        return self.total_cc.get(name) if isinstance(self.total_cc, Mapping) else self.total_cc, 0.0

    def _kind(self, name: str, rows: _Rows, volumes: Float64, whole: float | None, whole_unit: float) -> DvhKind:
        """What the rows are, as stated or as they leave no doubt."""
        stated = {k for k in (self.kind, rows.kind) if k is not None}
        if len(stated) == 2:
            self._refuse(rows.line, f"{_shown(name)} is called cumulative and differential at once. State one kind")
        if stated:
            return stated.pop()
        falls = whole is not None and bool(np.all(np.diff(volumes) <= 0)) and abs(volumes[0] - whole) <= (rows.unit + whole_unit) / 2 * MORE
        adds_up = whole is not None and _adds_up(volumes, rows.unit, whole, whole_unit)
        if falls == adds_up:
            self._refuse(rows.line, f"it is not clear whether {_shown(name)} is cumulative or differential. Add a line: # kind: cumulative (or differential)")
        return "cumulative" if falls else "differential"

    def _check_cumulative(self, name: str, rows: _Rows, volumes: Float64, whole: float | None, whole_unit: float) -> None:
        rises = np.flatnonzero(np.diff(volumes) > 0)
        if rises.size:
            line = rows.lines[rises[0] + 1]
            self._refuse(line, "the volume is larger than at the lower dose before, which a cumulative histogram cannot be. Correct it, or the kind", "volume")
        if whole is None:
            return
        allowed = (rows.unit + whole_unit) / 2 * MORE
        if volumes[0] > whole + allowed or (rows.doses[0] == 0 and volumes[0] < whole - allowed):
            self._refuse(rows.lines[0], f"{_shown(name)} begins with {volumes[0]:g}, but its total is {whole:g}. Correct one of them", "volume")

    def _fields(self, line: str, number: int) -> list[str]:
        try:
            return [text.strip() for text in next(csv.reader([line.rstrip("\n")], delimiter=self.delimiter, strict=True))]
        except csv.Error:
            self._refuse(number, "the quotation marks of the row are not in pairs, or a field is too long. Correct them")

    def _number(self, row: Mapping[str, str], column: str, number: int) -> str:
        """A finite number of at least zero as Python writes it."""
        match = _NUMBER.fullmatch(row[column])
        if match is None:
            self._refuse(number, "needed is a plain number; found something else. Write it like 12.5", column)
        if mark := (match[1] or "")[:1]:
            if mark == "," and self.delimiter == ",":
                self._refuse(number, "a decimal comma needs semicolons or tabs between the fields. Write a decimal point", column)
            if self.decimal_mark not in ("", mark):
                self._refuse(number, "decimal commas and decimal points are mixed, so the numbers are not clear. Use one of them", column)
            self.decimal_mark = mark
        written = match[0].replace(",", ".")
        if not 0 <= float(written) < float("inf"):
            self._refuse(number, "the number is negative or far too large. Correct it", column)
        return written

    def _refuse(self, line: int | None, message: str, column: str | None = None) -> NoReturn:
        where = self.shown_as + ("" if line is None else f":{line}") + ("" if column is None else f": {column}")
        raise CaseFileError(f"{where}: {message}.")


def _adds_up(volumes: Float64, unit: float, whole: float, whole_unit: float) -> bool:
    """Whether the volumes of bins add up to the total, but for the digits written."""
    return bool(abs(volumes.sum() - whole) <= (volumes.size * unit + whole_unit) / 2 + ROUNDING * whole)


def _shown(name: str) -> str:
    return f'"{printable(name, 64)}"'


def _read_text(path: Path, shown_as: str) -> str:
    try:
        # O_NONBLOCK: a named pipe must not stop the program before it is known to be one.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CaseFileError(f"{shown_as}: found something that is not a regular file; needed is a table of text. Name the file itself.")
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as trouble:
        raise CaseFileError(f"{shown_as}: the file cannot be read ({trouble.strerror}). Check its name and that it may be read.") from None
    if len(raw) > LARGEST_FILE_BYTES:
        raise CaseFileError(
            f"{shown_as}: the file is larger than {LARGEST_FILE_BYTES // 1_000_000} MB, which no table of histograms needs. Export it with wider bins."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = raw[: trouble.start].count(b"\n") + 1
        raise CaseFileError(f"{shown_as}:{line}: the file is not UTF-8 text. Save it as UTF-8 (CSV UTF-8 in a spreadsheet).") from None
