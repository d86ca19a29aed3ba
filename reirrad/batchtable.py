"""The merged table of a batch: a row for every limit of every case, and at least one for every case; CSV, Parquet or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from reirrad.batch import CaseResult
from reirrad.datatables import DataTable, table_of
from reirrad.errors import ReirradError, printable
from reirrad.tablefiles import as_csv
from reirrad.wholefiles import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COLUMNS", "Filter", "Format", "Stored", "case_rows", "exit_status", "write_table"]

Format = Literal["csv", "parquet", "jsonl"]
Stored = tuple[CaseResult, dict[str, Any] | None]

KINDS: Final[dict[str, type]] = {
    "case_path": str, "case": str, "outcome": str, "verdict": str, "structure": str, "organ": str, "course": str, "limit_id": str, "metric": str,
    "quantity": str, "alpha_beta_gy": float, "value_gy": float, "limit_gy": float, "value": float, "limit": float, "unit": str, "level": str, "status": str,
    "message": str, "warnings": str, "is_draft": bool, "seconds": float, "peak_mb": float, "input_sha256": str, "version": str,
}  # fmt: skip
COLUMNS: Final = tuple(KINDS)
FLAGS: Final = frozenset({"caution", "exceed", "not_evaluable"})
ROWS_AT_A_TIME: Final = 20_000  # in memory; also the rows of a row group of Parquet
NOTHING_LEFT: Final = "The case has results, but none that the filter lets through."
NO_LIMIT: Final = "No limit applies to the structures of this case."


@dataclass(frozen=True, slots=True)
class Filter:
    """Which limits of a case get a row.

    Parameters
    ----------
    only_flagged : bool
        Leave out those that are met without a caution.
    organs, limit_ids : frozenset of str or None
        Only limits of these organs, only these limits; None for all.
    """

    only_flagged: bool = False
    organs: frozenset[str] | None = None
    limit_ids: frozenset[str] | None = None

    def lets(self, evaluation: Mapping[str, Any]) -> bool:
        """Whether a limit gets a row."""
        return (
            (not self.only_flagged or evaluation["status"] in FLAGS)
            and (self.organs is None or evaluation["organ"] in self.organs)
            and (self.limit_ids is None or evaluation["limit_id"] in self.limit_ids)
        )


def case_rows(result: CaseResult, document: Mapping[str, Any] | None, keep: Filter) -> list[dict[str, Any]]:
    """Rows of one case: never none.

    Parameters
    ----------
    document : mapping or None
        As `reirrad check --json` has it; None where the case was not computed.
    """
    of_case: dict[str, Any] = {
        "case_path": result.case_path,
        "outcome": result.outcome,
        "message": result.message or None,
        "is_draft": result.is_draft,
        "seconds": result.seconds,
        "peak_mb": result.peak_mb,
        "input_sha256": result.input_sha256,
        "version": result.version,
    }
    if document is None:
        return [of_case]
    codes = dict.fromkeys(w["code"] for w in document["warnings"])
    of_case |= {"case": document["case"], "verdict": document["verdict"], "warnings": "; ".join(codes) or None}
    rows = [of_case | {**e, "message": e["reason"]} for e in document["evaluations"] if keep.lets(e)]
    return rows or [of_case | {"message": NOTHING_LEFT if document["evaluations"] else NO_LIMIT}]


def exit_status(result: CaseResult, document: Mapping[str, Any] | None) -> int:
    """0: every mandatory limit of the case is met; 1: one is exceeded or not evaluable; 2: not computed."""
    if document is None:
        return 2
    return 1 if document["verdict"] in ("exceeded", "not_evaluable") else 0


def write_table(results: Iterable[Stored], out: Path, form: Format, keep: Filter) -> int:
    """Write the table as a whole or not at all; a few thousand rows at a time are in memory. Return the number of rows.

    Raises
    ------
    ReirradError
        When it cannot be written.
    """
    try:
        with whole_file(out) as stream:
            return WRITERS[form](_chunks(results, keep), stream)
    except OSError as error:
        raise ReirradError(
            f"The table could not be written to {printable(str(out), 200)!r} ({error.strerror}). The results of the cases are kept: make room or choose "
            "another --out, and run again."
        ) from None


def _chunks(results: Iterable[Stored], keep: Filter) -> Iterator[DataTable]:
    """Tables of many rows each, and one without rows where there are none."""
    rows: list[dict[str, Any]] = []
    n_given = 0
    for result, document in results:
        rows += case_rows(result, document, keep)
        if len(rows) >= ROWS_AT_A_TIME:
            yield _table(rows)
            n_given, rows = n_given + len(rows), []
    if rows or not n_given:
        yield _table(rows)


def _table(rows: list[dict[str, Any]]) -> DataTable:
    """Rows as a table; whole numbers in columns of measured values become floats, so that all parts of a table are alike."""
    floats = [c for c, kind in KINDS.items() if kind is float]
    return table_of("batch", COLUMNS, (row | {c: float(row[c]) for c in floats if row.get(c) is not None} for row in rows))


def _csv(tables: Iterable[DataTable], stream: IO[bytes]) -> int:
    n_rows = 0
    for k, table in enumerate(tables):
        head, rest = as_csv(table).split(b"\r\n", 1)
        stream.write((b"" if k else head + b"\r\n") + rest)
        n_rows += len(table.rows)
    return n_rows


def _jsonl(tables: Iterable[DataTable], stream: IO[bytes]) -> int:
    n_rows = 0
    for table in tables:
        for row in table.rows:
            text = json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False, allow_nan=False) + "\n"
            stream.write(text.encode("utf-8", "backslashreplace"))
        n_rows += len(table.rows)
    return n_rows


def _parquet(tables: Iterable[DataTable], stream: IO[bytes]) -> int:
    from pyarrow import parquet

    n_rows, schema = 0, _schema()
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(_arrow(table, schema))
            n_rows += len(table.rows)
    return n_rows


def _schema() -> pa.Schema:
    """Kind and unit of every column."""
    import pyarrow as pa

    kinds = {str: pa.string(), float: pa.float64(), bool: pa.bool_()}
    units = {name: {"unit": "Gy"} for name in COLUMNS if name.endswith("_gy")} | {"seconds": {"unit": "s"}, "peak_mb": {"unit": "MB"}}
    return pa.schema([pa.field(name, kinds[kind], metadata=units.get(name)) for name, kind in KINDS.items()])


def _arrow(table: DataTable, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = [[_text(row[k]) for row in table.rows] for k in range(len(COLUMNS))]
    return pa.Table.from_arrays([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)


def _text(value: Any) -> Any:
    """Text that can be written as UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


WRITERS: Final[dict[Format, Callable[[Iterable[DataTable], IO[bytes]], int]]] = {"csv": _csv, "parquet": _parquet, "jsonl": _jsonl}
