"""Report: the physics report with the sign-off of registrations, and everything else that can be taken away."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Final

import streamlit as st

from reirrad.casereport import case_report
from reirrad.course import Case
from reirrad.errors import Notice, ReirradError
from reirrad.reportmodel import Column, Facts, Paragraph, Report, ReportTable, Section
from reirrad.reportpdf import as_pdf
from reirrad.ui.downloads import dose_files, guarded, html_file, result_file, table_files
from reirrad.ui.registrationview import SIGNED, comparable
from reirrad.ui.session import Loaded, Session, current
from reirrad.ui.staleness import is_stale
from reirrad.ui.text import plain

__all__ = ["completed", "show", "signoff_section"]

LOAD: Final = str(Path(__file__).parent / "pages" / "load.py")
KEY: Final = "report"
IDENTIFICATION: Final = "Identification and question"  # titles of the report that something is put into
REGISTRATION: Final = "Interval and registration"
SIGNOFF: Final = "Registration sign-off"
PREVIEW_PX: Final = 900
LARGEST_PREVIEW: Final = 8_000_000


@dataclass(slots=True, eq=False)
class Made:
    """What was made of the loaded case for this page.

    Parameters
    ----------
    report : Report or None
        As the case gives it; date, question and sign-off are put in when it is shown.
    doses : (bytes, list of str, list of Notice) or None
        Zip of RTDOSE files, the names in it, and what they do not hold.
    doses_day : date or None
        Date those files bear.
    shown : (Report, bytes) or None
        The report as it was set last.
    """

    loaded: Loaded
    report: Report | None = None
    doses: tuple[bytes, list[str], list[Notice]] | None = None
    doses_day: dt.date | None = None
    shown: tuple[Report, bytes] | None = None

    def document(self, report: Report) -> bytes:
        """The report as HTML, set once for the same report."""
        if self.shown is None or self.shown[0] != report:
            self.shown = (report, html_file(report))
        return self.shown[1]


def show() -> None:
    """Show the page."""
    st.title("Report")
    session = current()
    if session.loaded is None:
        st.info("Load a case first: there is nothing to report yet.")
        st.page_link(LOAD, label="Load a case")
        return
    loaded = session.loaded
    made = session.kept.get(KEY)
    if not isinstance(made, Made) or made.loaded is not loaded:
        made = session.kept[KEY] = Made(loaded)
    day: dt.date = st.date_input("Date of the report and of exports", dt.date.today(), key="report-date", width=260)
    stale = is_stale(session)
    if stale:
        st.warning("The case was changed after it was calculated, so the report and the dose files cannot be made of its files. Calculate it again.")
        st.page_link(LOAD, label="Calculate again")
    page = _report(session, made, day, stale=stale)
    _doses(session, made, day, stale=stale)
    _data(session, loaded)
    if page is not None:
        _preview(page)


# ------------------------------------------------------------------------------------------------------------- the report


def completed(report: Report, day: str, user: str, question: str, case: Case, signoffs: Mapping[str, Mapping[str, Any]]) -> Report:
    """The report with its date, who asks what, and who looked at the registrations.

    Parameters
    ----------
    day : str
        YYYY-MM-DD.
    signoffs : mapping
        Course to ``by``, ``note`` and ``looked``.

    Raises
    ------
    ReirradError
        When the report has no place for them.
    """
    titles = [section.title for section in report.sections]
    if IDENTIFICATION not in titles or REGISTRATION not in titles:
        raise ReirradError("The report has no place for who looked at the registrations. Report this as an error of the program.")
    said = {"Date": day} | ({"Asked by": user.strip()} if user.strip() else {}) | ({"Question": question.strip()} if question.strip() else {})
    sections: list[Section] = []
    for section in report.sections:
        sections.append(_filled(section, said) if section.title == IDENTIFICATION else section)
        if section.title == REGISTRATION and (signed := signoff_section(case, signoffs)) is not None:
            sections.append(signed)
    return replace(report, day=day, sections=tuple(sections))


def _filled(section: Section, said: Mapping[str, str]) -> Section:
    """A section with these facts in place of its own."""
    facts = [block for block in section.blocks if isinstance(block, Facts)]
    if missing := [name for name in said if not any(name in dict(block.rows) for block in facts)]:
        raise ReirradError(f"The report has no place for: {', '.join(missing)}. Report this as an error of the program.")
    filled = (Facts(tuple((name, said.get(name, value)) for name, value in block.rows)) if isinstance(block, Facts) else block for block in section.blocks)
    return Section(section.title, tuple(filled))


def signoff_section(case: Case, signoffs: Mapping[str, Mapping[str, Any]]) -> Section | None:
    """Who looked at the registration of each course; None where no course is laid on the images of another."""
    names = list(dict.fromkeys([*(case.courses[k].name for k in comparable(case)), *signoffs]))
    if not names:
        return None
    rows = []
    for name in names:
        signed = signoffs.get(name)
        rows.append((name, "nobody", "no", "") if signed is None else (name, str(signed["by"]), "yes" if signed["looked"] else "no", str(signed["note"])))
    blocks: list[ReportTable | Paragraph] = []
    if open_ := [name for name in names if not signoffs.get(name, {}).get("looked")]:
        blocks.append(Paragraph(f"Nobody has signed the registration of: {', '.join(open_)}.", "warning"))
    columns = (Column("Course", width=2.0), Column("Looked at by", width=2.0), Column("Has looked", width=1.0), Column("Note", width=4.0))
    blocks.append(ReportTable("Registrations as seen on the page", columns, tuple(rows)))
    return Section(SIGNOFF, tuple(blocks))


def _report(session: Session, made: Made, day: dt.date, *, stale: bool) -> bytes | None:
    """Ask for what only a person knows, compose the report and hand it out; what is to be seen of it, None where there is none."""
    st.header("Physics report")
    loaded = made.loaded
    who, what = st.columns([1, 2])
    user = who.text_input("Asked by (optional)", max_chars=120, key=f"report-user-{session.patient}")
    question = what.text_input("Question (optional)", max_chars=500, key=f"report-question-{session.patient}")
    if made.report is None:
        if st.button("Make the report", type="primary", disabled=stale, key="make-report"):
            try:
                with st.spinner("Making the report: what remains of each limit, tables and pictures", show_time=True):
                    made.report = case_report(loaded.case_file, loaded.assessment, loaded.choice, day.isoformat())
            except ReirradError as error:
                st.error(plain(error))
                return None
            st.rerun()
        return None
    try:
        report = completed(made.report, day.isoformat(), user, question, loaded.case, session.kept.get(SIGNED, {}))
        page = made.document(report)
    except ReirradError as error:
        st.error(plain(error))
        return None
    html, pdf, _ = st.columns([1, 1, 2])
    # Handed over when asked for: the browser looks at a file that is offered at once, which is much for nothing.
    html.download_button("Report as HTML", guarded(lambda: page), "reirrad-report.html", "text/html", type="primary", on_click="ignore", width="stretch")
    pdf.download_button("Report as PDF", guarded(lambda: as_pdf(report)), "reirrad-report.pdf", "application/pdf", on_click="ignore", width="stretch")
    return page


def _preview(page: bytes) -> None:
    """The report in a frame of its own that may run no script and reach nothing."""
    st.header("Preview")
    if not st.toggle("Show the report here", value=True, key="report-preview"):
        return
    if len(page) > LARGEST_PREVIEW:
        st.caption("Too large for a preview; take it away and open it.")
        return
    text = escape(page.decode("utf-8"), quote=True)
    style = f"width:100%;height:{PREVIEW_PX - 20}px;border:1px solid #c9ced8;background:white"
    st.iframe(f'<iframe sandbox="" title="Preview of the report" style="{style}" srcdoc="{text}"></iframe>', height=PREVIEW_PX, alt="Preview of the report")


# ------------------------------------------------------------------------------------------------------------- doses and data


def _doses(session: Session, made: Made, day: dt.date, *, stale: bool) -> None:
    """Doses for other systems."""
    st.header("Doses for a planning system")
    st.caption("Cumulative EQD2 and each course on the dose grid of the reference course, as RTDOSE of its patient and study. Do not plan on them unchecked.")
    if made.doses is None or made.doses_day != day:
        if st.button("Make the RTDOSE files", disabled=stale, key="make-doses"):
            try:
                with st.spinner("Calculating the doses", show_time=True):
                    made.doses, made.doses_day = dose_files(made.loaded.assessment, made.loaded.folder, session.folder, day), day
            except ReirradError as error:
                st.error(plain(error))
                return
            st.rerun()
        return
    content, names, notices = made.doses
    for notice in notices:
        st.warning(plain(notice.message))
    st.markdown("\n".join(f"- {plain(name)}" for name in names) or "No file was made.")
    if names:
        st.download_button("RTDOSE files (zip)", guarded(lambda: content), "reirrad-doses.zip", "application/zip", on_click="ignore")


def _data(session: Session, loaded: Loaded) -> None:
    """The result as data, and the case file it was calculated from."""
    st.header("Data")
    st.caption("Every number of the result: as one JSON document, or as tables for spreadsheets (CSV) and for analysis (Parquet). They hold no pictures.")
    assessment, case_file = loaded.assessment, _case_file(session, loaded)
    files = (
        ("Result as JSON", lambda: result_file(assessment), "reirrad-result.json", "application/json"),
        ("Tables as CSV (zip)", lambda: table_files(assessment, "csv"), "reirrad-tables-csv.zip", "application/zip"),
        ("Tables as Parquet (zip)", lambda: table_files(assessment, "parquet"), "reirrad-tables-parquet.zip", "application/zip"),
    )
    columns = st.columns(len(files) + 1)
    for column, (label, make, name, kind) in zip(columns, files, strict=False):
        column.download_button(label, guarded(make), name, kind, on_click="ignore", width="stretch")
    if case_file is not None:
        columns[-1].download_button("Case file", case_file, "case.yaml", "application/yaml", on_click="ignore", width="stretch")


def _case_file(session: Session, loaded: Loaded) -> bytes | None:
    """Text of the case file that was calculated; None when it is gone."""
    if session.opened is not None and session.opened.calculated is not None:
        return session.opened.calculated.encode("utf-8")
    try:
        return loaded.case_file.read_bytes()
    except OSError:
        return None
