"""What `reirrad check` writes beside its table: report, exports, tables; all before a word too late.

The case has 30 Gy in 10 before and 20 Gy in 5 proposed, everywhere in a box of 7.5 cc: EQD2 at 3 Gy 36 + 28 = 64 Gy, limit 80 Gy.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import case_factory as cases
import pytest
from pydicom import dcmread

from reirrad import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line: exit status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reirrad", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.write_case(tmp_path_factory.mktemp("check"))


def test_report_exports_and_tables_are_written(tmp_path: Path, case: Path, run: Run) -> None:
    status, out, err = run(
        "check", case, "--json", "-", "--report", tmp_path / "r.html", "--report", tmp_path / "r.pdf",
        "--export", tmp_path / "doses", "--tables", tmp_path / "tables", "--date", "2026-03-31",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["verdict"] == "within"
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "2026-03-31" in html
    assert "Remaining dose" in html
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")
    total = dcmread(tmp_path / "doses" / "eqd2_cumulative.dcm")
    assert total.DoseType == "EFFECTIVE"
    assert float(total.pixel_array.max() * total.DoseGridScaling) == pytest.approx(64, abs=0.01)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "tables" / "limits.csv").read_text(encoding="utf-8")))
    assert (float(row["value_gy"]), float(row["limit_gy"]), row["status"]) == (pytest.approx(64, abs=0.01), 80, "pass")
    assert {p.suffix for p in (tmp_path / "tables").iterdir()} == {".csv", ".json", ".parquet"}
    assert err.count("Written") == 4


def test_the_same_date_gives_the_same_report(tmp_path: Path, case: Path, run: Run) -> None:
    for name in ("one", "two"):
        run("check", case, "-q", "--report", tmp_path / f"{name}.html", "--date", "2026-03-31")
    run("check", case, "-q", "--report", tmp_path / "three.html", "--date", "2026-04-01")
    one, two, three = ((tmp_path / f"{name}.html").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--report", "r.txt"), "a report is written as .html or .pdf, and --report 'r.txt' is neither. Give the file one of these endings."),
        (("--report", "nowhere/r.html"), "the result cannot be written to 'nowhere/r.html'; needed a file name in an existing folder that may be written to."),
        (("--date", "31.03.2026", "--report", "r.html"), "the date is not a day written as YYYY-MM-DD, such as 2026-03-31. Correct --date."),
        (("--export", "x", "--tables", "x"), "--export and --tables name the same folder. Give each its own."),
        (("--export", "nowhere/x"), "The files cannot be written there. Needed is a folder, or the name of a new one, inside a folder that may be written to."),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_and_nothing_is(
    options: tuple[str, ...], said: str, tmp_path: Path, case: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("check", case, *options) == (2, "", f"Refused: {said}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--report", "--export", "--tables"])
def test_files_of_several_cases_are_refused(option: str, tmp_path: Path, case: Path, run: Run) -> None:
    status, _, err = run("check", case, case, option, tmp_path / "r.html")
    assert status == 2
    assert "are for one case, and several are named" in err
    assert list(tmp_path.iterdir()) == []


def test_an_export_beside_another_is_refused_before_a_report_is_written(tmp_path: Path, case: Path, run: Run) -> None:
    (tmp_path / "doses").mkdir()
    (tmp_path / "doses" / "eqd2_cumulative.dcm").write_bytes(b"another")
    status, _, err = run("check", case, "-q", "--export", tmp_path / "doses", "--report", tmp_path / "r.html")
    assert status == 2
    assert "never replaced" in err
    assert [p.name for p in tmp_path.iterdir()] == ["doses"]
