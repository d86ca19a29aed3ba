from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import reirrad
from reirrad.datatables import DataTable
from reirrad.errors import ReirradError
from reirrad.tablefiles import as_csv, as_json, as_parquet, write_tables

TABLE = DataTable(
    "doses",
    ("structure", "fractions", "dose_gy", "part", "is_upper_bound", "reason", "volume_cc"),
    (
        ("Rectum", 30, 54, 1, True, None, None),
        ("直腸 🙂 α/β", None, -0.25, 0.5, False, 'said "no", and\nmore', None),
        ("", 5, 1e-7, None, None, "x", None),
    ),
)
OTHER = DataTable("limits", ("id",), (("a",), ("b",)))


def from_csv(table: DataTable) -> list[list[str]]:
    return list(csv.reader(io.StringIO(as_csv(table).decode("utf-8"), newline="")))


def from_parquet(content: bytes) -> Any:
    return parquet.read_table(io.BytesIO(content))


# ------------------------------------------------------------------------------------------------------- the same rows in each


def test_csv_holds_the_rows() -> None:
    assert from_csv(TABLE) == [
        list(TABLE.columns),
        ["Rectum", "30", "54.0", "1.0", "true", "", ""],
        ["直腸 🙂 α/β", "", "-0.25", "0.5", "false", 'said "no", and\nmore', ""],
        ["", "5", "1e-07", "", "", "x", ""],
    ]
    assert as_csv(OTHER) == b'"id"\r\n"a"\r\n"b"\r\n'


def test_csv_tells_empty_text_from_nothing() -> None:
    """Text stands in quotes, numbers do not, nothing is nothing."""
    assert as_csv(DataTable("t", ("a", "b", "c"), (("", None, -1),))) == b'"a","b","c"\r\n"",,-1\r\n'


def test_json_holds_the_rows() -> None:
    found = json.loads(as_json(TABLE))
    assert [tuple(row.values()) for row in found] == list(TABLE.rows)
    assert all(tuple(row) == TABLE.columns for row in found)
    assert as_json(DataTable("t", ("a",), ())) == b"[]\n"


def test_parquet_holds_the_rows_with_kind_and_unit() -> None:
    found = from_parquet(as_parquet(TABLE))
    assert [tuple(row.values()) for row in found.to_pylist()] == list(TABLE.rows)
    kinds = (pa.string(), pa.int64(), pa.float64(), pa.float64(), pa.bool_(), pa.string(), pa.float64())
    assert [(f.name, f.type) for f in found.schema] == list(zip(TABLE.columns, kinds, strict=True))
    assert {f.name: f.metadata for f in found.schema if f.metadata} == {"dose_gy": {b"unit": b"Gy"}, "volume_cc": {b"unit": b"cm3"}}
    assert found.schema.metadata == {b"reirrad_version": reirrad.__version__.encode(), b"table": b"doses"}


def test_the_three_forms_agree() -> None:
    columns = from_csv(TABLE)[0]
    by_parquet = from_parquet(as_parquet(TABLE)).to_pylist()
    assert json.loads(as_json(TABLE)) == by_parquet
    kinds: dict[str, Any] = {"fractions": int, "dose_gy": float, "part": float, "volume_cc": float, "is_upper_bound": {"true": True, "false": False}.get}
    for row, truth in zip(from_csv(TABLE)[1:], by_parquet, strict=True):
        for name, text in zip(columns, row, strict=True):
            value = kinds.get(name, str)(text) if text else None
            assert value == (truth[name] or None if isinstance(truth[name], str) else truth[name]), name


def test_tables_of_several_cases_can_be_joined() -> None:
    """A column that nothing is known of in one case fits that of another, whatever it holds there."""
    columns = ("name", "points", "value", "flag", "dose_gy")
    empty, full = DataTable("t", columns, ((None,) * 5,)), DataTable("t", columns, (("a", 3, 1.5, True, 2),))
    joined = pa.concat_tables([from_parquet(as_parquet(t)) for t in (empty, full)], promote_options="default")
    assert joined.to_pylist() == [dict.fromkeys(columns), dict(zip(columns, ("a", 3, 1.5, True, 2.0), strict=True))]
    assert pa.types.is_floating(from_parquet(as_parquet(empty)).schema.field("dose_gy").type)


def test_a_column_of_two_kinds_is_refused() -> None:
    for rows in (((1.0,), ("a",)), ((True,), (1,))):
        for writer in (as_csv, as_json, as_parquet):
            with pytest.raises(ValueError, match=r"column a of table t holds .*; needed is one kind of value"):
                writer(DataTable("t", ("a",), rows))


# ------------------------------------------------------------------------------------------------------- hostile text


@pytest.mark.hazard("H40")
@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0", "=1+1", "+1", "-1", "-x", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx", "\nx", "  =1", "\xa0=1", "\u200b=1",
        "\ufeff=1", "\x00=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", '=HYPERLINK("http://evil.example","x")', "=1;2",
    ],
)  # fmt: skip
def test_no_text_is_a_formula(text: str) -> None:
    found = from_csv(DataTable("t", (text, "b"), ((text, -1), ("safe", 2))))
    assert found == [["'" + text, "b"], ["'" + text, "-1"], ["safe", "2"]]
    # the other forms have kinds, and hold what was said
    assert json.loads(as_json(DataTable("t", ("a",), ((text,),)))) == [{"a": text}]
    assert from_parquet(as_parquet(DataTable("t", ("a",), ((text,),)))).to_pylist() == [{"a": text}]


@pytest.mark.hazard("H40")
@pytest.mark.parametrize("text", ["Rectum", "a=b", "PTV-1", "≤ 80", "'quoted", '"=1', "x@y", "α/β = 3", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert from_csv(DataTable("t", ("a", "b"), ((text, 1),)))[1] == [text, "1"]


@pytest.mark.hazard("H40")
def test_negative_numbers_stay_numbers() -> None:
    assert as_csv(DataTable("t", ("margin", "n"), ((-3.5, -2),))) == b'"margin","n"\r\n-3.5,-2\r\n'


def test_text_that_is_no_unicode_is_written_so_that_it_can_be_read() -> None:
    odd = DataTable("t", ("a",), (("caf\udce9",),))
    assert from_csv(odd)[1] == ["caf\\udce9"]
    assert json.loads(as_json(odd)) == [{"a": "caf\\udce9"}]
    assert from_parquet(as_parquet(odd)).to_pylist() == [{"a": "caf\\udce9"}]


# ------------------------------------------------------------------------------------------------------- files


PROGRAM = """
from hashlib import sha256
from test_tablefiles import TABLE
from reirrad.tablefiles import as_csv, as_json, as_parquet
print(*(sha256(f(TABLE)).hexdigest() for f in (as_csv, as_json, as_parquet)))
"""


@pytest.mark.hazard("H30")
def test_two_processes_write_the_same_bytes() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"PYTHONPATH": str(Path(__file__).parent)}
    found = [
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout.split()
        for seed in ("1", "77")
    ]
    assert found == [[hashlib.sha256(f(TABLE)).hexdigest() for f in (as_csv, as_json, as_parquet)]] * 2


def test_every_table_in_every_form(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    written = write_tables((TABLE, OTHER), folder)
    assert [p.name for p in written] == [f"{t}.{form}" for t in ("doses", "limits") for form in ("csv", "json", "parquet")]
    assert sorted(folder.iterdir()) == sorted(written)
    assert [p.read_bytes() for p in written[:3]] == [as_csv(TABLE), as_json(TABLE), as_parquet(TABLE)]
    assert list(tmp_path.iterdir()) == [folder]  # nothing is left beside it
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~mask


def test_into_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    (path,) = write_tables((OTHER,), tmp_path, ("csv",))
    first = path.stat()
    assert write_tables((OTHER, TABLE), tmp_path, ("csv",)) == (path, tmp_path / "doses.csv")
    assert path.stat().st_mtime_ns == first.st_mtime_ns  # the same content stays
    assert sorted(p.name for p in tmp_path.iterdir()) == ["doses.csv", "limits.csv", "mine.txt"]


def test_other_tables_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text("older")
    with pytest.raises(ReirradError, match=r"already holds other tables \(limits.csv\)\. Remove them"):
        write_tables((TABLE, OTHER), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["limits.csv"]
    many = [DataTable(f"t{k}", ("a",), ()) for k in range(7)]
    for one in many:
        (tmp_path / f"{one.name}.csv").write_text("older")
    with pytest.raises(ReirradError, match=r"\(t0.csv, t1.csv, t2.csv, t3.csv, t4.csv and 2 more\)"):
        write_tables(many, tmp_path, ("csv",))


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two tables have the same name"):
        write_tables((OTHER, OTHER), tmp_path)


@pytest.mark.parametrize("place", ["file", "file/tables", "none/tables"])
def test_where_nothing_can_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReirradError, match=r"could not be written to .*; nothing was written\. Needed is a folder"):
        write_tables((TABLE,), tmp_path / place)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("error", "raised"), [(OSError(28, "No space left on device"), ReirradError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_all_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, raised: type[BaseException]) -> None:
    moved, rename = [], Path.rename

    def fails_the_third_time(self: Path, target: Path) -> Path:
        moved.append(target)
        if len(moved) == 3:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_the_third_time)
    with pytest.raises(raised):
        write_tables((TABLE, OTHER), tmp_path)
    assert len(moved) == 3
    assert list(tmp_path.iterdir()) == []
