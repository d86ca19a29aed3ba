"""The Report page: sign-offs and questions in the report, and files that can be taken away."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from case_factory import COURSES, stored_box, write_case, write_case_file, write_course
from pyarrow import parquet
from streamlit.testing.v1 import AppTest

from reirrad.casereport import case_report
from reirrad.errors import ReirradError
from reirrad.reportmodel import Facts, Paragraph, Report, ReportTable, Section
from reirrad.ui.downloads import dose_files, guarded, html_file, result_file, table_files, zip_of
from reirrad.ui.opened import open_folder
from reirrad.ui.registrationview import SIGNED
from reirrad.ui.reportpage import KEY as MADE
from reirrad.ui.reportpage import Made, completed, signoff_section
from reirrad.ui.session import KEY, Loaded, Session
from reirrad.ui.staleness import is_stale

APP = str(Path(__file__).resolve().parent.parent / "app.py")
REPORT = "reirrad/ui/pages/report.py"
DAY = "2026-03-31"
SIGNOFF = {"first": {"by": "A. Physicist", "note": "bones fit", "looked": True}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("report") / "case")


@pytest.fixture
def session(folder: Path) -> Session:
    found = Session()
    found.calculate(folder / "case.yaml")
    return found


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[Loaded, Report]:
    loaded = Session().calculate(folder / "case.yaml")
    return loaded, case_report(loaded.case_file, loaded.assessment, loaded.choice, "2000-01-01")


def page(session: Session | None) -> AppTest:
    test = AppTest.from_file(APP, default_timeout=60)
    if session is not None:
        test.session_state[KEY] = session
    test.switch_page(REPORT).run()
    assert not test.exception
    return test


def field(elements: Any, label: str) -> Any:
    return next(e for e in elements if e.label.startswith(label))


def press(test: AppTest, label: str) -> AppTest:
    field(test.button, label).click().run()
    assert not test.exception
    return test


def labels(test: AppTest) -> list[str]:
    return [e.proto.label for e in test.get("download_button")]


def facts(section: Section) -> dict[str, str]:
    return dict(row for block in section.blocks if isinstance(block, Facts) for row in block.rows)


# ------------------------------------------------------------------------------------------------------- what is put into the report


def test_sign_off_follows_the_registration(made: tuple[Loaded, Report]) -> None:
    loaded, base = made
    report = completed(base, DAY, "Dr B", "Is 20 Gy safe?", loaded.case, SIGNOFF)
    titles = [s.title for s in report.sections]
    assert titles[titles.index("Interval and registration") + 1] == "Registration sign-off"
    assert [t for t in titles if t != "Registration sign-off"] == [s.title for s in base.sections]
    (table,) = report.sections[titles.index("Registration sign-off")].blocks
    assert isinstance(table, ReportTable)
    assert [c.title for c in table.columns] == ["Course", "Looked at by", "Has looked", "Note"]
    assert table.rows == (("first", "A. Physicist", "yes", "bones fit"),)


def test_date_and_question_are_those_of_the_page(made: tuple[Loaded, Report]) -> None:
    loaded, base = made
    report = completed(base, DAY, "Dr B", " Is 20 Gy safe? ", loaded.case, {})
    assert report.day == DAY
    said = facts(next(s for s in report.sections if s.title == "Identification and question"))
    assert (said["Date"], said["Asked by"], said["Question"]) == (DAY, "Dr B", "Is 20 Gy safe?")
    html = html_file(report).decode()
    assert "Is 20 Gy safe?" in html
    assert "2000-01-01" not in html


def test_the_same_report_is_set_once(made: tuple[Loaded, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, base = made
    set_as: list[str] = []

    def html(report: Report) -> bytes:
        set_as.append(report.day)
        return report.day.encode()

    monkeypatch.setattr("reirrad.ui.reportpage.html_file", html)
    kept = Made(loaded)
    for day in (DAY, DAY, "2026-04-01", DAY):
        assert kept.document(completed(base, day, "", "", loaded.case, SIGNOFF)) == day.encode()
    assert set_as == [DAY, "2026-04-01", DAY]


def test_what_nobody_states_is_left_to_be_filled_in(made: tuple[Loaded, Report]) -> None:
    loaded, base = made
    report = completed(base, DAY, "", " ", loaded.case, {})
    said = facts(next(s for s in report.sections if s.title == "Identification and question"))
    assert said["Asked by"] == said["Question"] == facts(base.sections[0])["Question"]
    assert said["Question"].startswith("to be filled in")


def test_a_report_without_a_place_is_refused(made: tuple[Loaded, Report]) -> None:
    loaded, base = made
    for title in ("Interval and registration", "Identification and question"):
        other = replace(base, sections=tuple(s for s in base.sections if s.title != title))
        with pytest.raises(ReirradError, match="no place for who looked"):
            completed(other, DAY, "", "", loaded.case, SIGNOFF)
    other = replace(base, sections=(replace(base.sections[0], blocks=()), *base.sections[1:]))
    with pytest.raises(ReirradError, match="no place for: Date, Question"):
        completed(other, DAY, "", "Why?", loaded.case, {})


def test_a_registration_that_nobody_signed_is_said(made: tuple[Loaded, Report]) -> None:
    section = signoff_section(made[0].case, {})
    assert section is not None
    warning, table = section.blocks
    assert warning == Paragraph("Nobody has signed the registration of: first.", "warning")
    assert isinstance(table, ReportTable)
    assert table.rows == (("first", "nobody", "no", ""),)


def test_without_images_laid_on_each_other_there_is_nothing_to_sign(made: tuple[Loaded, Report]) -> None:
    case = made[0].case
    alone = replace(case, courses=tuple(replace(c, image=None) for c in case.courses))
    assert signoff_section(alone, {}) is None
    assert signoff_section(alone, SIGNOFF) is not None  # what was signed is never left out


# ------------------------------------------------------------------------------------------------------- files


def test_result_is_that_of_the_command(session: Session) -> None:
    assert session.loaded is not None
    found = json.loads(result_file(session.loaded.assessment))
    assert [e["value_gy"] for e in found["evaluations"]] == [64.0]


def test_tables_in_a_zip(session: Session) -> None:
    assert session.loaded is not None
    with zipfile.ZipFile(io.BytesIO(table_files(session.loaded.assessment, "csv"))) as archive:
        names = archive.namelist()
        assert "limits.csv" in names
        (row,) = csv.DictReader(io.StringIO(archive.read("limits.csv").decode()))
        assert row["value_gy"] == "64.0"
    with zipfile.ZipFile(io.BytesIO(table_files(session.loaded.assessment, "parquet"))) as archive:
        assert [n.replace(".parquet", ".csv") for n in archive.namelist()] == names
        assert parquet.read_table(io.BytesIO(archive.read("limits.parquet"))).column("value_gy").to_pylist() == [64.0]


def test_doses_leave_nothing_behind(session: Session) -> None:
    assert session.loaded is not None
    content, names, notices = dose_files(session.loaded.assessment, session.loaded.folder, session.folder, dt.date(2026, 3, 31))
    assert list(session.folder.iterdir()) == []
    assert names == ["eqd2_cumulative.dcm", "physical_1_first.dcm", "physical_2_second.dcm"]
    assert notices == []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == names
        total = pydicom.dcmread(io.BytesIO(archive.read("eqd2_cumulative.dcm")))
    assert total.pixel_array.max() * float(total.DoseGridScaling) == pytest.approx(64.0, abs=1e-3)


def test_the_same_zip_for_the_same_files() -> None:
    assert zip_of({"a": b"x", "b": b"y"}) == zip_of({"a": b"x", "b": b"y"})


def test_a_file_that_cannot_be_made_tells_the_log_no_name() -> None:
    def refuse() -> bytes:
        raise ReirradError('course "Groin of Mrs Smith" has no dose')

    assert guarded(lambda: b"x")() == b"x"
    with pytest.raises(ReirradError) as caught:
        guarded(refuse)()
    assert str(caught.value) == "The file could not be made."
    assert caught.value.__suppress_context__


# ------------------------------------------------------------------------------------------------------- the page


def test_without_a_case_the_page_says_what_to_do() -> None:
    test = page(None)
    assert [i.value for i in test.info] == ["Load a case first: there is nothing to report yet."]
    assert len(test.get("page_link")) == 1


def test_report_is_made_when_asked_for_and_bears_what_is_written(session: Session) -> None:
    session.kept[SIGNED] = SIGNOFF
    test = page(session)
    assert labels(test) == ["Result as JSON", "Tables as CSV (zip)", "Tables as Parquet (zip)", "Case file"]
    field(test.date_input, "Date").set_value(dt.date(2026, 3, 31)).run()
    field(test.text_input, "Question").set_value("Is <b>20 Gy</b> safe?").run()
    test = press(test, "Make the report")
    assert labels(test)[:2] == ["Report as HTML", "Report as PDF"]
    (frame,) = test.get("iframe")
    shown = frame.proto.srcdoc
    assert shown.startswith('<iframe sandbox="" title="Preview of the report"')
    assert shown.count("<") == 2  # the report itself is text of an attribute here
    assert "2026-03-31" in shown
    assert "A. Physicist" in shown
    assert "Is &amp;lt;b&amp;gt;20 Gy" in shown
    field(test.toggle, "Show the report").set_value(False).run()
    assert not test.exception
    assert not test.get("iframe")


def test_doses_are_made_when_asked_for_and_again_for_another_day(session: Session) -> None:
    test = page(session)
    field(test.date_input, "Date").set_value(dt.date(2026, 3, 31)).run()
    test = press(test, "Make the RTDOSE files")
    assert "RTDOSE files (zip)" in labels(test)
    assert any("eqd2\\_cumulative\\.dcm" in m.value for m in test.markdown)
    field(test.date_input, "Date").set_value(dt.date(2026, 4, 1)).run()
    assert "RTDOSE files (zip)" not in labels(test)


def test_what_the_doses_do_not_hold_is_said(tmp_path: Path) -> None:
    courses = COURSES.replace("dicom: c1", "prescription: {dose_gy: 30, fractions: 10}")
    write_course(tmp_path / "c2", 2, 20, 5)
    session = Session()
    session.calculate(write_case_file(tmp_path, courses=courses) / "case.yaml")
    test = press(page(session), "Make the RTDOSE files")
    assert any(w.value.startswith("No sum is exported") for w in test.warning)
    assert "RTDOSE files (zip)" in labels(test)


def test_a_case_that_was_changed_is_calculated_again_first(folder: Path, tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c2", 2, 20, 5)
    write_case_file(tmp_path)
    session = Session()
    session.calculate(tmp_path / "case.yaml")
    assert not is_stale(session)
    session.opened = open_folder(tmp_path)
    session.opened.calculated = (tmp_path / "case.yaml").read_text()
    assert not is_stale(session)
    (tmp_path / "case.yaml").write_text(session.opened.calculated + "# changed\n")
    assert is_stale(session)
    test = page(session)
    assert field(test.button, "Make the report").disabled
    assert field(test.button, "Make the RTDOSE files").disabled
    assert any("was changed after it was calculated" in w.value for w in test.warning)
    (tmp_path / "case.yaml").unlink()
    assert is_stale(session)


def test_a_refusal_is_shown_and_the_page_lives(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ReirradError("A file of the case *can* no longer be read.")

    monkeypatch.setattr("reirrad.ui.reportpage.case_report", refuse)
    monkeypatch.setattr("reirrad.ui.reportpage.dose_files", refuse)
    for label in ("Make the report", "Make the RTDOSE files"):
        test = press(page(session), label)
        assert [e.value for e in test.error] == ["A file of the case \\*can\\* no longer be read\\."]
    assert session.kept[MADE].report is None


def test_names_of_files_tell_nothing_of_the_patient(tmp_path: Path) -> None:
    both: dict[str, Any] = {"rois": [("Rectum", stored_box())], "PatientName": "Smith^Anna", "PatientID": "12345"}
    session = Session()
    session.calculate(write_case(tmp_path, courses="""
  - {name: Smith 2021, kind: prior, dicom: c1, completed: 2021-01-01}
  - {name: second, kind: proposed, dicom: c2, starts: 2022-01-01}
""", **both) / "case.yaml")  # fmt: skip
    test = press(page(session), "Make the RTDOSE files")
    assert not any("smith" in m.value.lower() for m in test.markdown)
    assert any("physical\\_1\\.dcm" in m.value for m in test.markdown)
