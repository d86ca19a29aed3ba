"""The merged table: a row for every limit, at least one for every case, the same bytes for the same results."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from reirrad import batchtable
from reirrad.batch import CaseResult
from reirrad.batchtable import COLUMNS, Filter, case_rows, exit_status, write_table
from reirrad.errors import ReirradError

RESULT = CaseResult("cohort/a", "computed", None, "", "a" * 64, 1.25, 110.5, "0.1.0")
REFUSED = CaseResult("cohort/b", "refused", None, "=1+1 \udcff", None, None, None, "0.1.0", is_draft=True)


def evaluation(organ: str, limit_id: str, status: str, **more: Any) -> dict[str, Any]:
    of_limit = {"course": None, "metric": "D2cc", "quantity": "EQD2", "alpha_beta_gy": 3, "unit": "Gy", "level": "mandatory", "reason": None, "source": "s"}
    values = {"value_gy": 64.0, "limit_gy": 80, "value": 64.0, "limit": 80}
    return {"structure": organ.title(), "organ": organ, "limit_id": limit_id, "status": status} | of_limit | values | more


DOCUMENT: dict[str, Any] = {
    "case": "two",
    "verdict": "exceeded",
    "warnings": [{"code": "dose_grid_coarse"}, {"code": "single_course"}, {"code": "dose_grid_coarse"}],
    "evaluations": [
        evaluation("rectum", "r1", "pass"),
        evaluation("rectum", "r2", "exceed"),
        evaluation("bladder", "b1", "caution", metric="V40Gy", unit="cc", value_gy=None, limit_gy=None, value=3, limit=5.5),
        evaluation("bladder", "b2", "not_evaluable", value_gy=None, value=None, reason="The grid ends."),
    ],
}
BOTH = [(RESULT, DOCUMENT), (REFUSED, None)]


def ids(keep: Filter) -> list[str | None]:
    return [row.get("limit_id") for row in case_rows(RESULT, DOCUMENT, keep)]


def test_a_row_for_every_limit() -> None:
    rows = case_rows(RESULT, DOCUMENT, Filter())
    assert [r["status"] for r in rows] == ["pass", "exceed", "caution", "not_evaluable"]
    assert {(r["case_path"], r["case"], r["verdict"], r["outcome"], r["warnings"]) for r in rows} == {
        ("cohort/a", "two", "exceeded", "computed", "dose_grid_coarse; single_course")
    }
    assert [r["message"] for r in rows] == [None, None, None, "The grid ends."]


def test_at_least_a_row_for_every_case() -> None:
    (row,) = case_rows(REFUSED, None, Filter(only_flagged=True))
    assert (row["outcome"], row["message"], row["is_draft"]) == ("refused", "=1+1 \udcff", True)
    (row,) = case_rows(RESULT, DOCUMENT | {"evaluations": []}, Filter())
    assert (row["verdict"], row["message"]) == ("exceeded", "No limit applies to the structures of this case.")
    (row,) = case_rows(RESULT, DOCUMENT, Filter(organs=frozenset({"liver"})))
    assert (row["verdict"], row["message"]) == ("exceeded", "The case has results, but none that the filter lets through.")


def test_filters() -> None:
    assert ids(Filter()) == ["r1", "r2", "b1", "b2"]
    assert ids(Filter(only_flagged=True)) == ["r2", "b1", "b2"]
    assert ids(Filter(organs=frozenset({"bladder"}))) == ["b1", "b2"]
    assert ids(Filter(limit_ids=frozenset({"r1", "b2"}))) == ["r1", "b2"]
    assert ids(Filter(True, frozenset({"rectum"}), frozenset({"r1", "r2", "b2"}))) == ["r2"]


@pytest.mark.parametrize(("verdict", "status"), [("within", 0), ("caution", 0), ("exceeded", 1), ("not_evaluable", 1)])
def test_the_exit_status_is_that_of_check(verdict: str, status: int) -> None:
    assert exit_status(RESULT, {"verdict": verdict}) == status
    assert exit_status(REFUSED, None) == 2


def test_csv(tmp_path: Path) -> None:
    assert write_table(BOTH, tmp_path / "t.csv", "csv", Filter()) == 5
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_bytes().decode())))
    assert tuple(rows[0]) == COLUMNS
    promised = {"case_path", "case", "outcome", "verdict", "structure", "organ", "limit_id", "metric", "value_gy", "limit_gy", "status", "message"}
    assert promised <= set(COLUMNS)
    assert [r["limit_id"] for r in rows] == ["r1", "r2", "b1", "b2", ""]
    assert [r["value"] for r in rows] == ["64.0", "64.0", "3.0", "", ""]
    assert [r["value_gy"] for r in rows] == ["64.0", "64.0", "", "", ""]
    assert rows[4]["message"] == "'=1+1 \\udcff"  # no formula for a spreadsheet
    assert (rows[0]["is_draft"], rows[4]["is_draft"], rows[0]["seconds"], rows[0]["peak_mb"]) == ("false", "true", "1.25", "110.5")


def test_json_lines(tmp_path: Path) -> None:
    assert write_table(BOTH, tmp_path / "t.jsonl", "jsonl", Filter()) == 5
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_bytes().splitlines()]
    assert tuple(rows[0]) == COLUMNS
    assert (rows[2]["limit"], rows[2]["limit_gy"], rows[3]["message"], rows[4]["message"]) == (5.5, None, "The grid ends.", "=1+1 \udcff")


def test_parquet_has_kinds_and_units_also_where_nothing_is_known(tmp_path: Path) -> None:
    assert write_table([(REFUSED, None)], tmp_path / "t.parquet", "parquet", Filter()) == 1
    schema = parquet.read_schema(tmp_path / "t.parquet")
    assert tuple(schema.names) == COLUMNS
    assert (str(schema.field("value_gy").type), str(schema.field("structure").type), str(schema.field("is_draft").type)) == ("double", "string", "bool")
    assert schema.field("value_gy").metadata == {b"unit": b"Gy"}
    write_table(BOTH, tmp_path / "t.parquet", "parquet", Filter())
    table = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert table["limit_gy"] == [80, 80, None, 80, None]
    assert table["message"][4] == "=1+1 \\udcff"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_parts_make_the_same_table_as_the_whole(tmp_path: Path, form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(CaseResult(f"c{k}", "computed"), DOCUMENT) if k % 3 else (REFUSED, None) for k in range(12)]
    write_table(many, tmp_path / "whole", form, Filter())
    monkeypatch.setattr(batchtable, "ROWS_AT_A_TIME", 5)
    assert write_table(iter(many), tmp_path / "parts", form, Filter()) == 8 * 4 + 4
    if form == "parquet":
        assert parquet.read_table(tmp_path / "parts").equals(parquet.read_table(tmp_path / "whole"))
    else:
        assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_batch_of_nothing_is_an_empty_table(tmp_path: Path, form: Any) -> None:
    assert write_table([], tmp_path / "t", form, Filter()) == 0
    if form == "csv":
        assert (tmp_path / "t").read_text().count("\n") == 1


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("before")

    def broken() -> Any:
        yield RESULT, DOCUMENT
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(broken(), tmp_path / "t.csv", "csv", Filter())
    with pytest.raises(
        ReirradError, match=r"The table could not be written to .*nowhere/t\.csv' \(No such file or directory\)\. The results of the cases are kept"
    ):
        write_table(BOTH, tmp_path / "nowhere" / "t.csv", "csv", Filter())
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == "before"
