"""The tables and choices of the Load page: what a person sees of a case file, and what becomes of it by their edits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from reirrad.casemodel import FIRST_YEAR, LAST_YEAR
from reirrad.errors import printable
from reirrad.organs import organs
from reirrad.ui.casechooser import show_choices
from reirrad.ui.casetables import (
    course_checks,
    course_name,
    course_rows,
    is_on_paper,
    reference_of,
    registration_files,
    with_course,
    with_courses,
    without_course,
)
from reirrad.ui.casetext import Section
from reirrad.ui.cells import Edits, by_column, edits_of, organ_label
from reirrad.ui.found import FoundCourse, FoundStructure, structures_of
from reirrad.ui.opened import Document
from reirrad.ui.organtables import structure_rows, with_structures
from reirrad.ui.paperform import show_paper_form
from reirrad.ui.planphases import answer_of, phases_of, with_phases, with_split
from reirrad.ui.session import Session
from reirrad.ui.text import plain

__all__ = ["Slots", "show_editor"]

Slots = dict[Section, DeltaGenerator]
Change = Callable[[Document], Document]

METHODS: Final = {
    "file": "by a file",
    "auto": "automatic, CT on CT",
    "identity": "taken as the same frame",
    "none": "not registered: maxima only",
}
KINDS: Final = ("prior", "proposed")
RADIATIONS: Final = ("photon", "proton", "electron", "brachy")
FIRST_DAY, LAST_DAY = dt.date(FIRST_YEAR, 1, 1), dt.date(LAST_YEAR, 12, 31)
GIVEN: Final = {"after": "one after the other", "together": "in the same sessions"}
EMPTY: Final = "–"  # in cells
SHOWN_NAMES: Final = 12
ROW_HEIGHT, MOST_ROWS = 35, 12


def show_editor(session: Session) -> tuple[Document, Slots]:
    """Show the tables of the open case; the document as edited, and where on the page each section has room for what is wrong with it."""
    opened, version = session.opened, session.version
    assert opened is not None
    if f"courses-{version}" not in st.session_state:  # first shown, or shown again: Streamlit forgets the edits of a page that was left
        opened.base = session.document or opened.base
    base = opened.base
    st.header("Courses")
    edits = _courses(base, session)
    document = with_courses(base, edits)
    slots: Slots = {"courses": st.container()}
    pending: list[Change] = []
    document = _plan_questions(document, session, pending)
    _checks(document, session)
    _add_or_take_out(document, session, pending)
    st.header("Structures")
    document = _structures(document, session, pending)
    slots["structures"] = st.container()
    document = show_choices(base, document, _found_structures(base, reference_of(base), session), session.version)
    slots["choices"] = st.container()
    slots["case"] = st.container()
    if pending:  # only now, when every edit is in the document
        for change in pending:
            document = change(document)
        session.document = document
        session.version += 1
        st.rerun()
    return document, slots


def _courses(base: Document, session: Session) -> Edits:
    opened = session.opened
    assert opened is not None
    rows = course_rows(base, opened.found)
    files = registration_files(rows, opened.found)
    c = st.column_config
    columns = {
        "name": c.TextColumn("Course", required=True, max_chars=200, width=140),
        "kind": c.SelectboxColumn("Kind", options=KINDS, required=True, width=85),
        "fractions": c.NumberColumn("Fractions", min_value=1, max_value=200, step=1, width=98, help="Delivered. Empty: as planned.", format="%d"),
        "planned": c.NumberColumn("Planned", disabled=True, width=72, help="Fractions of the plan, or prescribed.", format="%d"),
        "completed": c.DateColumn(
            "Last day", width=100, help="Last day of treatment of a prior course.", min_value=FIRST_DAY, max_value=LAST_DAY, format="YYYY-MM-DD"
        ),
        "starts": c.DateColumn(
            "First day", width=100, help="First day of treatment of a proposed course.", min_value=FIRST_DAY, max_value=LAST_DAY, format="YYYY-MM-DD"
        ),
        "per_day": c.NumberColumn("Per day", min_value=1, max_value=4, step=1, width=88, help="Fractions a day.", format="%d"),
        "interval_h": c.NumberColumn("Hours", min_value=0.5, max_value=24, width=76, help="From one fraction of a day to the next; with more than one a day."),
        "radiation": c.SelectboxColumn("Radiation", options=RADIATIONS, required=True, width=100),
        "registration": c.SelectboxColumn(
            "Registration",
            options=tuple(METHODS),
            format_func=_method,
            width=118,
            help="How the course comes into the frame of the course whose structures are used. Courses of one frame need none.",
        ),
        "file": c.SelectboxColumn("Reg. file", options=files, help="Registration objects among the files.", width=92),
        "source": c.TextColumn("Files", disabled=True, help="Folder of its DICOM files.", width=80),
    }
    hidden = set() if files else {"file"}
    key = f"courses-{session.version}"
    st.data_editor(
        by_column(rows, columns),
        key=key,
        hide_index=True,
        placeholder=EMPTY,
        column_order=[c for c in columns if c not in hidden],
        column_config=columns,
        alt="Courses of the case, each with its kind, fractions, dates, radiation and registration; cells can be edited",
    )
    return edits_of(key)


def _checks(document: Document, session: Session) -> None:
    """What is assumed, and what only a person knows."""
    opened = session.opened
    assert opened is not None
    lines = [f"- **{plain(name)}**: {plain('; '.join(said))}" for name, said in course_checks(document, opened.found, is_draft=opened.is_draft)]
    lines += [f"- {plain(said)}" for said in opened.found.said]
    if lines:
        st.markdown("\n".join(["Assumed or missing:", "", *lines]))


def _plan_questions(document: Document, session: Session, pending: list[Change]) -> Document:
    """Ask how several plans of a course were given: it changes the biological dose, and DICOM does not say."""
    opened, version = session.opened, session.version
    assert opened is not None
    for number, entry in enumerate(document["courses"]):
        found = opened.found.of(entry)
        if found is None or len(found.plans) < 2 or not all(p.call for p in found.plans):
            continue
        answer = answer_of(found, entry.get("phases"))
        if entry.get("phases") and answer is None:
            continue  # stated in another way
        document = _plan_question(document, number, found, answer, f"{version}-{number}", pending)
    return document


def _plan_question(document: Document, number: int, found: FoundCourse, answer: str | None, key: str, pending: list[Change]) -> Document:
    entry = document["courses"][number]
    options = {**GIVEN, **{p.call: f"only {p.title} was treated" for p in found.plans}}
    with st.container(border=True):
        chosen = st.radio(
            f"{plain(course_name(entry))}: {len(found.plans)} plans with dose seem to belong together. How were they given?",
            list(options),
            None if answer is None else list(options).index(answer),
            format_func=lambda a: plain(options[a]),
            key=f"given-{key}",
        )
        if st.button("They are separate courses", key=f"split-{key}"):
            pending.append(partial(with_split, number=number, course=found))
        if chosen is None:
            return document
        stated = {p.get("plan"): p.get("fractions") for p in entry.get("phases") or []}
        given: dict[str, int | None] = {}
        for column, plan in zip(st.columns(len(found.plans)), found.plans, strict=True):
            if chosen in GIVEN or chosen == plan.call:
                shown = "" if plan.planned is None else str(plan.planned)
                given[plan.call] = column.number_input(
                    f"Fractions of {plain(plan.title)}", 1, 200, stated.get(plan.call), 1, placeholder=f"as planned: {shown}", key=f"n-{key}-{plan.call}"
                )
    return with_phases(document, number, phases_of(found, chosen, given))


def _add_or_take_out(document: Document, session: Session, pending: list[Change]) -> None:
    names = [course_name(c) for c in document["courses"]]
    with st.expander("Add a prior course known from paper, or take a course out"):
        if (entry := show_paper_form(session.version, names)) is not None:
            pending.append(partial(with_course, entry=entry))
        if len(names) > 1:
            st.divider()
            where, button = st.columns([3, 1], vertical_alignment="bottom")
            number = where.selectbox(
                "Course to take out", range(len(names)), None, format_func=lambda k: printable(names[k]), key=f"out-{session.version}", placeholder="none"
            )
            if button.button("Take out", key=f"take-{session.version}", disabled=number is None) and number is not None:
                pending.append(partial(without_course, number=number))


def _structures(document: Document, session: Session, pending: list[Change]) -> Document:
    version, courses = session.version, document["courses"]
    with_files = [k for k, c in enumerate(courses) if not is_on_paper(c)]
    reference = reference_of(document)
    if len(with_files) > 1:
        chosen = st.selectbox(
            "Limits are checked on the structures of",
            with_files,
            with_files.index(reference) if reference in with_files else None,
            format_func=lambda k: printable(course_name(courses[k])),
            key=f"reference-{version}",
        )
        if chosen is not None and chosen != reference:
            name = course_name(courses[chosen])
            pending.append(lambda edited: {**edited, "reference": name})
    found = _found_structures(document, reference, session)
    opened = session.opened
    assert opened is not None
    rows = structure_rows(opened.base, found, is_draft=opened.is_draft)
    columns = {
        "structure": st.column_config.TextColumn("Structure", disabled=True, width="medium"),
        "organ": st.column_config.SelectboxColumn("Stands for", options=sorted(organs()), format_func=organ_label, width="medium"),
        "how": st.column_config.TextColumn("As found", disabled=True, width="medium"),
    }
    key = f"structures-{version}-{reference}"
    height = ROW_HEIGHT * (min(len(rows), MOST_ROWS) + 1) + 3
    st.data_editor(
        by_column(rows, columns),
        key=key,
        hide_index=True,
        column_config=columns,
        placeholder=EMPTY,
        height=height,
        alt="Structures and the organs they stand for; the organs can be edited",
    )
    document = with_structures(document, rows, edits_of(key))
    without = [row["structure"] for row in structure_rows(document, found) if row["organ"] is None and row["how"].startswith("no organ")]
    if without:
        more = f" and {len(without) - SHOWN_NAMES} more" if len(without) > SHOWN_NAMES else ""
        st.caption(f"Not evaluated, for they stand for no organ: {plain(', '.join(without[:SHOWN_NAMES]))}{more}.")
    kept = [rows[k]["structure"] for k, cells in edits_of(key).items() if "organ" in cells and not cells["organ"] and rows[k]["how"].startswith("by its name")]
    if kept:
        st.caption(f"Taken for organs by their names all the same, so that no limit is lost: {plain(', '.join(kept))}. Another organ can be chosen.")
    return document


def _found_structures(document: Document, reference: int | None, session: Session) -> tuple[FoundStructure, ...]:
    """Structures of the reference course, from the files; else from the last calculation."""
    opened, loaded = session.opened, session.loaded
    if reference is None or opened is None:
        return ()
    found = opened.found.of(document["courses"][reference])
    if found is not None and found.structures:
        return found.structures
    course = None if loaded is None else loaded.case.courses[loaded.case.reference]
    is_same = course is not None and course.name == course_name(document["courses"][reference])
    return structures_of(course.structures) if course is not None and is_same else ()


def _method(key: object) -> str:
    return METHODS[str(key)]
