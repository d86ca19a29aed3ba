"""The report of a case folder holds what its files add: patient, CT, hashes, budget."""

from __future__ import annotations

import hashlib
from pathlib import Path

import case_factory as cases
import pytest

from reirrad.assessment import assess
from reirrad.casereport import case_report
from reirrad.errors import CaseFileError
from reirrad.loading import load_case
from reirrad.reportmodel import Facts, Paragraph, Report, ReportTable


def report_of(folder: Path) -> Report:
    case, limits = load_case(folder)
    told: list[str] = []
    found = case_report(folder, assess(case, limits), limits, "2026-03-31", told.append)
    assert told == ["what remains of each limit", "pictures of the report"]
    return found


def section(report: Report, title: str) -> tuple[object, ...]:
    return next(s.blocks for s in report.sections if s.title == title)


def test_what_the_files_add(tmp_path: Path) -> None:
    folder = cases.write_case(tmp_path)
    text = (folder / "case.yaml").read_text(encoding="utf-8")
    (folder / "case.yaml").write_text("patient_id: P1\n" + text, encoding="utf-8")
    report = report_of(folder)
    facts = dict(next(b for b in section(report, "Identification and question") if isinstance(b, Facts)).rows)
    assert facts["Patient, as in the case file"] == "P1"
    hashes = next(b for b in section(report, "Origin") if isinstance(b, ReportTable) and b.caption == "SHA-256 of the input")
    assert ("case.yaml", hashlib.sha256((folder / "case.yaml").read_bytes()).hexdigest()) in hashes.rows
    budget = next(b for b in section(report, "Remaining dose") if isinstance(b, ReportTable))
    # 80 - 36 = 44 Gy EQD2 at 3 Gy: in one fraction d (d + 3) = 220 Gy2, d = 13.408 Gy
    assert any("44.0" in str(cell) for row in budget.rows for cell in row)
    assert any("13.4" in str(cell) for row in budget.rows for cell in row)


def test_without_an_earlier_course_it_says_why_there_is_no_budget(tmp_path: Path) -> None:
    cases.write_course(tmp_path / "c1", 1, 20, 5)
    folder = cases.write_case_file(tmp_path, courses="\n  - {name: only, kind: proposed, dicom: c1, starts: 2022-01-01}\n")
    (said,) = (b.text for b in section(report_of(folder), "Remaining dose") if isinstance(b, Paragraph))
    assert "no earlier course" in said


def test_a_file_that_went_away_is_said(tmp_path: Path) -> None:
    folder = cases.write_case(tmp_path)
    case, limits = load_case(folder)
    assessment = assess(case, limits)
    (folder / "limits.yaml").unlink()
    with pytest.raises(CaseFileError):
        case_report(folder, assessment, limits, "2026-03-31")
