"""The command `reirrad explore`: what it prints and writes, what it refuses, and that check agrees."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from case_factory import COURSES, stored_box, write_case, write_case_file, write_course
from jsonschema import Draft202012Validator
from rich.console import Console
from typer.testing import CliRunner

from reirrad import explorecommand
from reirrad.cli import app
from reirrad.errors import ReirradError
from reirrad.exploration import ScheduleChoice
from reirrad.explorationdocument import explore_schema
from reirrad.explorecommand import parse_choices
from reirrad.schedule import ScheduleError

SUM = (
    '- {{id: rectum-sum, organ: rectum, metric: {metric}, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: {gy}, level: {level}, source: "p"}}\n'
)
BLADDER = (
    '- {id: bladder-sum, organ: bladder, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 80, level: mandatory, source: "p"}\n'
)


def limits(gy: float, level: str = "mandatory", metric: str = "Dmax") -> str:
    return SUM.format(gy=gy, level=level, metric=metric)


def run(*arguments: Any) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["explore", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def numbers(text: str) -> list[str]:
    """Numbers of fractions in the first column."""
    return [r[0] for r in lines(text) if len(r) > 6 and r[0].rstrip(",").isdigit() and r[1] != "more"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 Gy of EQD2, and 20 Gy in 5 proposed; a limit of 76 Gy leaves 40: 25 Gy in 5."""
    return write_case(tmp_path_factory.mktemp("plain") / "case", limits=limits(76))


# ------------------------------------------------------------------------------------------------------- the table


def test_highest_doses(plain):
    """EQD2 of d Gy in n is d (3 + d / n) / 5 = 40 Gy: 12.72 in 1, 25 in 5, 44.58 in 30."""
    status, out, err = run(plain, "--fractions", "1,5,30")
    assert status == 0
    assert 'Highest dose of "second" (20 Gy in 5) that meets every mandatory limit' in out
    rows = lines(out)
    assert ["1", "12.72", "12.72*"] in [r[:3] for r in rows]
    (five,) = (r for r in rows if r[:2] == ["5", "25.00"])
    assert five[2:8] == ["5.00", "37.50", "/", "31.25", "66.67", "/"]
    assert five[9:14] == ["Rectum:", "Dmax", "EQD2", "≤", "76"]
    assert ["30", "44.58", "1.48"] in [r[:3] for r in rows]
    assert "highest tumour BED at α/β 10 with at most 10 Gy per fraction, of 3 schedules: 30 fractions." in out
    assert "Warning (explore_lq_range)" in err
    assert "medical device" in out


def test_usual_numbers_alone_unless_all_are_asked_for(plain):
    _, out, _ = run(plain)
    assert numbers(out) == ["1", "2", "3", "5", "8", "10", "12", "15", "20", "25", "28", "30", "35", "40", "20,", "24,", "30,", "36,", "40,"]
    assert "32 more schedules are not shown; --all shows them." in out
    _, out, _ = run(plain, "--per-day", "9", "--interval", "2")
    assert numbers(out) == ["36,"]  # a usual one, and the one with the highest BED
    assert "3 more schedules are not shown; --all shows them." in out
    _, out, _ = run(plain, "--per-day", "9", "--interval", "2", "--all")
    assert numbers(out) == ["9,", "18,", "27,", "36,"]
    assert "not shown" not in out


def test_several_a_day(plain):
    """Incomplete repair leaves less than the same number once a day."""
    status, out, _ = run(plain, "--per-day", "2", "--interval", "8", "--fractions", "10,20", "--json", "-")
    assert status == 0
    found = json.loads(out)["schedules"]
    assert [(s["fractions"], s["per_day"], s["interval_h"]) for s in found] == [(10, 2, 8.0), (20, 2, 8.0)]
    _, out, _ = run(plain, "--fractions", "10", "--json", "-")
    assert found[0]["dose_gy"] < json.loads(out)["schedules"][0]["dose_gy"]
    _, out, _ = run(plain, "--fractions", "10-12", "--per-day", "2")
    assert "10, 2 a day, 6 h" in out
    assert "12, 2 a day, 6 h" in out


def test_binding_limit_reads_its_limit_when_the_scaled_plan_is_checked(plain, tmp_path):
    """Round trip over DICOM: the scale found multiplies the dose of the proposed plan."""
    _, out, _ = run(plain, "--fractions", "5", "--json", "-")
    (row,) = json.loads(out)["schedules"]
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c2", 2, round(20 * row["scale"], 2), 5)
    write_case_file(tmp_path, limits=limits(76))
    result = CliRunner().invoke(app, ["check", str(tmp_path), "--json", "-"])
    assert result.exit_code == 0
    (evaluation,) = json.loads(result.stdout)["evaluations"]
    assert evaluation["value_gy"] == pytest.approx(76.0, abs=1e-3)


def test_nothing_left_is_said(tmp_path):
    status, out, _ = run(write_case(tmp_path, limits=limits(30)), "--fractions", "3,5")
    assert status == 1
    assert "none" in out
    assert "exceeded" in out
    assert "6.00 Gy" in out
    assert "Nothing can be given in any of the 2 schedules shown: limit rectum-sum is not met at any dose" in out
    status, out, _ = run(tmp_path, "--fractions", "5")
    assert "Nothing can be given in 5: limit rectum-sum" in out


def test_mandatory_limit_that_cannot_be_checked(tmp_path):
    status, out, err = run(write_case(tmp_path, limits=limits(76) + BLADDER), "--fractions", "5")
    assert status == 1
    assert ["5", "25.00", "?"] in [r[:3] for r in lines(out)]
    assert "? mandatory limits that cannot be checked" in out
    assert "bladder-sum (no structure of the reference course stands for the organ bladder)" in " ".join(out.split())
    assert "Warning (explore_unjudged_limits)" in err


def test_optimal_limit_alone(tmp_path):
    status, out, _ = run(write_case(tmp_path, limits=limits(64, "optimal")), "--fractions", "5")
    assert status == 0
    (row,) = (r for r in lines(out) if r[:3] == ["5", "no", "limit"])
    assert "20.00," in row or "19.99," in row


def test_next_limit_and_growth(tmp_path):
    more = limits(76) + limits(80, metric="D2cc").replace("rectum-sum", "rectum-2cc")
    text = "constraints: limits.yaml\ntumour: {alpha_beta_gy: [10], repopulation_gy_per_day: 2, kickoff_day: 0}"
    status, out, _ = run(write_case(tmp_path, text, limits=more), "--fractions", "5,40")
    assert status == 0
    assert "Rectum: D2cc, 4.00 Gy" in out
    assert "repopulation 2 Gy BED a day from day 0" in out
    assert "29.50" in out  # 37.5 - 4 days of 2 Gy
    assert "none left" in out  # 53 days of 2 Gy are more than 48 Gy in 40 can do


# ------------------------------------------------------------------------------------------------------- options


def test_options_side_by_side(plain):
    status, out, err = run(plain, "--schedules", "20/5,27/5, 45/30 per-day=2,12/1")
    assert status == 1
    rows = [" ".join(r) for r in lines(out)]
    assert any(r.startswith("Gy per fraction 4.00 5.40 1.50 12.00") for r in rows)
    # 12 (1 + 1.2) = 26.4 Gy; straight from 10 Gy with slope 1 + 20 / 10: 20 + 2 x 3 = 26
    assert "BED under LQ-L, Gy, α/β 10 same same same 26.00" in rows
    assert any(r.startswith("Limits altogether ✓ pass ✗ EXCEED") for r in rows)
    # 27 (3 + 5.4) / 5 = 45.36
    assert any(r.startswith("Rectum: Dmax EQD2 α/β 3, ≤ 76 Gy ✓ pass 64.00 ✗ EXCEED 81.36") for r in rows)
    assert "No published results were chosen for this case" in out
    assert "Warning (interval_assumed)" in err


def test_options_that_do_not_fit_beside_each_other_come_below(plain, monkeypatch):
    monkeypatch.setattr(explorecommand, "console", lambda: Console(width=80, highlight=False, file=sys.stdout))
    _, out, _ = run(plain, "--schedules", "20/5,24/6,27/9")
    assert out.count("Limits altogether") == 2
    for words in ("20 Gy in 5", "24 Gy in 6", "27 Gy in 9"):
        assert words in out


def test_published_results(tmp_path):
    text = "constraints: limits.yaml\ntumour: {evidence: anal_cancer}"
    _, out, _ = run(write_case(tmp_path, text, limits=limits(76)), "--schedules", "20/5")
    joined = " ".join(out.split())
    assert "5-year survival 89 % against 63 %, second local recurrence 15 % against 45 %" in joined
    assert "(n = 64). Damron, 2024" in joined
    assert "(n = 32). Hallemeier, 2014" in joined
    assert "names surgery as the only salvage" in joined


def test_more_rows_than_a_page_holds(tmp_path, monkeypatch):
    """Three rectums with a limit and two bladders without, where the page holds two and one."""
    monkeypatch.setattr("reirrad.explorationtable.MOST_ROWS", 2)
    rois = [(f"Part{k}", stored_box()) for k in range(5)]
    text = "constraints: limits.yaml\nstructures: {Part0: rectum, Part1: rectum, Part2: rectum, Part3: bladder, Part4: bladder}"
    write_course(tmp_path / "c1", 1, 30, 10, rois)
    write_course(tmp_path / "c2", 2, 20, 5, rois)
    write_case_file(tmp_path, text, limits=limits(60))
    _, out, _ = run(tmp_path, "--schedules", "20/5")
    assert "1 more limits are not shown, some exceeded or not evaluable; --all shows them." in out
    assert "1 more of them are not shown; --all shows them." in out
    assert "Part4: D0.1cc" not in out
    _, out, _ = run(tmp_path, "--schedules", "20/5", "--all")
    assert "are not shown" not in out
    assert " ".join(out.split()).count("EXCEED 64.00") == 3
    assert "Part4: D0.1cc EQD2 α/β 3, no limit" in " ".join(out.split())
    write_case_file(tmp_path, text, limits=limits(100))
    _, out, _ = run(tmp_path, "--schedules", "20/5")
    assert "1 more limits are not shown; --all shows them." in out


def test_limits_of_other_schedules_are_said_for_the_option(tmp_path):
    few = '- {id: few, organ: rectum, metric: Dmax, quantity: physical, scope: course, limit_gy: 30, level: mandatory, max_fractions: 5, source: "p"}\n'
    status, _, err = run(write_case(tmp_path, limits=limits(76) + few), "--schedules", "20/5,24/12")
    assert status == 1  # the user's limit says nothing of 12 fractions
    assert "Warning (limit_other_fractions), 24/12: Limits for other numbers of fractions than the 12 proposed are not checked: few." in err


# ------------------------------------------------------------------------------------------------------- files


def test_files(plain, tmp_path):
    json_file, page, pdf, tables = tmp_path / "x.json", tmp_path / "x.html", tmp_path / "x.PDF", tmp_path / "tables"
    words = [plain, "--schedules", "20/5,24/3", "--date", "2026-03-31"]
    status, out, _ = run(*words, "--json", json_file, "--sheet", page, "--tables", tables)
    assert status == 1
    assert "Option" in out
    document = json.loads(json_file.read_text(encoding="utf-8"))
    Draft202012Validator(explore_schema()).validate(document)
    assert [o["verdict"] for o in document["options"]] == ["within", "exceeded"]
    text = page.read_text(encoding="utf-8")
    assert "2026-03-31" in text
    assert "24 Gy in 3" in text
    rows = list(csv.DictReader((tables / "explore_options.csv").read_text(encoding="utf-8").splitlines()))
    assert [(r["schedule"], r["verdict"]) for r in rows] == [("20/5", "within"), ("24/3", "exceeded")]
    assert {p.suffix for p in tables.iterdir()} == {".csv", ".json", ".parquet"}
    run(*words, "--sheet", pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tables", "x.PDF", "x.html", "x.json"]


def test_nothing_but_the_document_goes_to_standard_output(plain):
    status, out, err = run(plain, "--fractions", "5", "--json", "-")
    assert status == 0
    assert json.loads(out)["schedules"][0]["fractions"] == 5
    assert "Warning" in err


def test_sheet_with_fewer_rows_where_all_do_not_fit(plain, tmp_path, monkeypatch):
    asked: list[int] = []

    def fits_with_six(report: Any) -> bytes:
        asked.append(len(report.sections))
        if len(asked) < 3:
            raise ReirradError("too long")
        return b"%PDF-"

    monkeypatch.setattr("reirrad.optionsheetfile.as_pdf", fits_with_six)
    run(plain, "--schedules", "20/5", "--sheet", tmp_path / "x.pdf")
    assert len(asked) == 3
    assert (tmp_path / "x.pdf").read_bytes() == b"%PDF-"


def test_nothing_is_written_where_the_sheet_cannot_be(plain, tmp_path, monkeypatch):
    def never(report: Any) -> bytes:
        raise ReirradError("The document needs 2 pages.")

    monkeypatch.setattr("reirrad.optionsheetfile.as_pdf", never)
    status, out, err = run(plain, "--schedules", "20/5", "--sheet", tmp_path / "x.pdf", "--json", tmp_path / "x.json", "--tables", tmp_path / "t")
    assert (status, out) == (2, "")
    assert "Refused: The document needs 2 pages." in err
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--schedules", "24"], '"24" is no schedule; needed are equal external fractions'),
        (["--schedules", "54/30+10/5"], "has parts of different fractions"),
        (["--schedules", "20/150"], "needed is a whole number from 1 to 100"),
        (["--fractions", "0"], '"0" are no numbers of fractions'),
        (["--fractions", "1-41"], "whole numbers from 1 to 40"),
        (["--fractions", "5-3"], '"5-3" are no numbers'),
        (["--fractions", ""], '"" are no numbers'),
        (["--per-day", "0"], "--per-day is 0; needed is a whole number from 1 to 24"),
        (["--per-day", "25"], "--per-day is 25"),
        (["--per-day", "3", "--interval", "12"], "the night is shorter than the interval"),
        (["--per-day", "2", "--interval", "nan"], "interval_h is nan"),
        (["--per-day", "2", "--fractions", "1"], "per_day is 2 for a schedule of 1 fractions"),
        (["--interval", "6"], "--interval is given for one fraction a day"),
        (["--per-day", "1", "--interval", "6"], "--interval is given for one fraction a day"),
        (["--course", "first"], 'No proposed course is named "first"; needed is one of: second'),
        (["--sheet", "x.pdf"], "needed is --schedules"),
        (["--schedules", "24/3", "--sheet", "x.doc"], "ends in .html or .pdf"),
        (["--schedules", "24/3", "--sheet", "-"], "ends in .html or .pdf"),
        (["--schedules", "24/3", "--sheet", "x.html", "--json", "./x.html"], "name the same file"),
        (["--date", "2026-02-30"], "not a day written as YYYY-MM-DD"),
        (["--tables", "no/such"], "--tables is a file, or has no folder above it"),
        (["--tables", "there.txt"], "--tables is a file, or has no folder above it"),
        (["--json", "no/such.json"], "the result cannot be written to"),
    ],
)
def test_refusals_before_the_work(plain, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.txt").write_text("")
    status, out, err = run(plain, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("Refused: ")
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["there.txt"]


def test_no_proposed_course_or_target(tmp_path):
    status, _, err = run(write_case(tmp_path / "a", courses=COURSES.replace("kind: proposed", "kind: prior").replace("starts", "completed")))
    assert status == 2
    assert "Refused: No course is proposed, so there is no dose distribution to scale." in err
    write_course(tmp_path / "b" / "c1", 1, 30, 10)
    write_course(tmp_path / "b" / "c2", 2, 20, None)
    write_case_file(tmp_path / "b", courses=COURSES.replace("2022-01-01", "2022-01-01, fractions: 5"))
    status, out, err = run(tmp_path / "b")
    assert (status, out) == (2, "")
    assert 'The proposed course "second" has no target dose' in err


def test_tables_that_are_there_are_not_overwritten(plain, tmp_path):
    (tmp_path / "explore_options.csv").write_text("mine")
    status, out, err = run(plain, "--fractions", "5", "--tables", tmp_path, "--json", tmp_path / "x.json")
    assert (status, out) == (2, "")
    assert "already holds other tables (explore_options.csv)" in err
    assert [p.name for p in tmp_path.iterdir()] == ["explore_options.csv"]


def test_numbers_of_fractions():
    assert parse_choices("1, 3-5,4") == tuple(ScheduleChoice(n) for n in (1, 3, 4, 5))
    assert parse_choices("10", 2, 6.0) == (ScheduleChoice(10, 2, 6.0),)
    with pytest.raises(ScheduleError):
        parse_choices("1,,2")


def test_help_needs_no_heavy_library():
    code = "import sys, reirrad.explorecommand; print([m for m in ('numpy', 'scipy', 'pydicom', 'rich.table', 'jinja2', 'typst') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
