"""Tables as files: CSV, JSON and Parquet; all of them or none, the same bytes for the same tables."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import Final, Literal

from reirrad import __version__
from reirrad.datatables import DataTable, Value
from reirrad.errors import ReirradError, printable
from reirrad.wholefiles import all_or_none

__all__ = ["Format", "as_csv", "as_json", "as_parquet", "write_tables"]

Format = Literal["csv", "json", "parquet"]
UNITS: Final = {"gy": "Gy", "cc": "cm3", "mm": "mm", "days": "d", "months": "months", "h": "h", "deg": "degrees", "percent": "%"}
# What a spreadsheet takes for a formula, also after blanks, marks that are not seen, or in the wide letters of East Asia.
FORMULA: Final = re.compile("[\\s\\x00-\\x1f\\u200b-\\u200f\\u2060\\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def write_tables(tables: Sequence[DataTable], directory: Path, formats: Sequence[Format] = ("csv", "json", "parquet")) -> tuple[Path, ...]:
    """Write every table in every format; return the paths.

    A file that is there with the same content stays.

    Raises
    ------
    ReirradError
        When a file of that name with other content exists, or the folder cannot be written to; then nothing has been written.
    """
    if len({t.name for t in tables}) != len(tables):
        raise ValueError("two tables have the same name")
    contents = {f"{table.name}.{one}": WRITERS[one](table) for table in tables for one in formats}
    try:
        if there := [name for name, content in contents.items() if (directory / name).exists() and (directory / name).read_bytes() != content]:
            listed = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
            raise ReirradError(f"The folder {printable(str(directory), 200)!r} already holds other tables ({listed}). Remove them, or choose another folder.")
        with all_or_none(directory) as temporary:
            for name, content in contents.items():
                (temporary / name).write_bytes(content)
    except OSError as error:
        raise ReirradError(
            f"The tables could not be written to {printable(str(directory), 200)!r} ({error.strerror}); nothing was written. "
            "Needed is a folder that may be written to, or a new name in one."
        ) from None
    return tuple(directory / name for name in contents)


def as_csv(table: DataTable) -> bytes:
    """RFC 4180, UTF-8: text in quotes and harmless for spreadsheets, numbers bare, nothing for what is not known."""
    rows: list[tuple[Value, ...]] = [table.columns, *_typed(table)]
    return "".join(",".join(_csv_cell(v) for v in row) + "\r\n" for row in rows).encode()


def as_json(table: DataTable) -> bytes:
    """List of objects, UTF-8, null for what is not known."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in _typed(table)]
    return (json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def as_parquet(table: DataTable) -> bytes:
    """Parquet with the kind and unit of each column, and the version of the program."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = _typed(table)
    of = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), NoneType: pa.null()}
    fields = [pa.field(name, of[kind], metadata=_unit(name)) for name, kind in zip(table.columns, _kinds(table), strict=True)]
    schema = pa.schema(fields, metadata={"reirrad_version": __version__, "table": table.name})
    columns = [pa.array([row[k] for row in rows], field.type) for k, field in enumerate(fields)]
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(columns, schema=schema), out, compression="zstd")
    return out.getvalue()


WRITERS: Final[dict[Format, Callable[[DataTable], bytes]]] = {"csv": as_csv, "json": as_json, "parquet": as_parquet}


# ------------------------------------------------------------------------------------------------------- values


def _unit(column: str) -> dict[str, str] | None:
    """Unit that the name of a column ends with."""
    unit = UNITS.get(column.rsplit("_", 1)[-1])
    return None if unit is None else {"unit": unit}


def _kinds(table: DataTable) -> tuple[type, ...]:
    """Kind of each column: numbers with a unit and mixed numbers are floats; a column without a value or unit has no kind, and fits one of any kind."""
    kinds: list[type] = []
    for k, column in enumerate(table.columns):
        found = {type(row[k]) for row in table.rows if row[k] is not None}
        if found and not found <= {int, float} and len(found) > 1:
            raise ValueError(f"column {column} of table {table.name} holds {sorted(t.__name__ for t in found)}; needed is one kind of value")
        if found <= {int, float} and (float in found or _unit(column) is not None):
            kinds.append(float)
        else:
            kinds.append(found.pop() if found else NoneType)
    return tuple(kinds)


def _typed(table: DataTable) -> list[tuple[Value, ...]]:
    """Rows with one kind of value a column, and text that can be written as UTF-8."""
    kinds = _kinds(table)
    return [tuple(_as(kind, value) for kind, value in zip(kinds, row, strict=True)) for row in table.rows]


def _as(kind: type, value: Value) -> Value:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return float(value) if kind is float and value is not None else value


def _csv_cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        harmless = f"'{value}" if FORMULA.match(value) else value
        return '"' + harmless.replace('"', '""') + '"'
    return repr(value)
