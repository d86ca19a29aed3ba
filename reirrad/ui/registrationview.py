"""The registration of a course as pictures, and who looked at it."""

from __future__ import annotations

from typing import Any, Final, get_args

import streamlit as st

from reirrad.course import Case
from reirrad.errors import printable
from reirrad.ui.panes import Compared
from reirrad.ui.session import Session
from reirrad.ui.text import plain

__all__ = ["SIGNED", "comparable", "how_registered", "kept_signoff", "show_signoff"]

SIGNED: Final = "signoffs"
HOW: Final = {
    "same_frame": "same frame of reference, taken as it is",
    "identity": "taken to be the same frame, as the case states",
    "file": "registration from a file",
    "auto": "registered by this program",
}
WAYS: Final[tuple[Compared, ...]] = get_args(Compared)


def comparable(case: Case) -> list[int]:
    """Numbers of the courses with a CT that is laid on the reference CT."""
    if case.courses[case.reference].image is None:
        return []
    return [k for k, c in enumerate(case.courses) if k != case.reference and c.image is not None and case.registration[k] in HOW]


def how_registered(case: Case, number: int) -> str:
    """How a course was brought into the reference frame."""
    details = case.registration_details[number] if number < len(case.registration_details) else ""
    return HOW[case.registration[number]] + (f": {details}" if details else "")


def kept_signoff(session: Session, course: str) -> dict[str, Any] | None:
    """What was signed for a course; None when nothing was."""
    found: dict[str, Any] | None = session.kept.get(SIGNED, {}).get(course)
    return found


def sign(session: Session, course: str, by: str, note: str, *, looked: bool) -> str:
    """Keep who looked at a registration; why not, empty when it is kept."""
    name = by.strip()
    if not name or not looked:
        return "Nothing was kept: needed are your name and the tick that you looked at the registration."
    session.kept.setdefault(SIGNED, {})[course] = {"by": printable(name, 80), "note": printable(note.strip(), 500), "looked": True}
    return ""


def show_signoff(session: Session, case: Case, number: int, token: str) -> None:
    """The form of one course."""
    course = case.courses[number].name
    signed = kept_signoff(session, course)
    if signed is None:
        st.warning(f"Nobody has signed the registration of {plain(course)} yet.")
    else:
        note = f" Note: {plain(signed['note'])}" if signed["note"] else ""
        st.success(f"Signed: {plain(signed['by'])} looked at the registration of {plain(course)}.{note}")
    with st.form(f"sign_{number}_{token}"):
        by = st.text_input("Name", signed["by"] if signed else "", max_chars=80)
        looked = st.checkbox("I have looked at this registration", value=signed is not None)
        note = st.text_area("Note for the report", signed["note"] if signed else "", max_chars=500, height=80)
        if st.form_submit_button("Sign"):
            problem = sign(session, course, by, note, looked=looked)
            if problem:
                st.error(problem)
            else:
                st.rerun()
    if signed is not None and st.button("Withdraw the signature", key=f"unsign_{number}_{token}"):
        del session.kept[SIGNED][course]
        st.rerun()
