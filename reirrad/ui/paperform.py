"""The form for a prior course of which only paper tells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

import streamlit as st
from pydantic import ValidationError

from reirrad.casemodel import FIRST_YEAR, CourseEntry
from reirrad.errors import CaseFileError, printable
from reirrad.organs import organ, organs
from reirrad.ui.cells import organ_label
from reirrad.ui.text import plain

__all__ = ["paper_entry", "show_paper_form"]

EMPTY_ROWS: Final = 3
FIRST_DAY: Final = dt.date(FIRST_YEAR, 1, 1)
WORDS: Final = {"name": "Name", "prescription": "Prescribed dose and fractions", "completed": "Last day", "organ_doses": "Doses of organs"}


def paper_entry(
    name: str, dose_gy: float | None, fractions: int | None, completed: dt.date | None, doses: Iterable[Mapping[str, Any]], taken: Iterable[str] = ()
) -> dict[str, Any]:
    """The entry of a case file for a prior course on paper.

    Parameters
    ----------
    doses : iterable of mapping
        ``organ`` (key), ``metric`` (Dmax, D0.1cc, Dmean ...), ``dose_gy``; rows with none of organ and dose are left out.
    taken : iterable of str
        Names of the other courses.

    Raises
    ------
    CaseFileError
        When something needed is missing, or is nothing that a case file takes.

    >>> paper_entry("Pelvis 1998", 50.4, 28, None, [{"organ": "rectum", "metric": "Dmax", "dose_gy": 48.0}])["organ_doses"]
    {'rectum': {'Dmax': 48.0}}
    """
    name = name.strip()
    if not name or dose_gy is None or fractions is None:
        raise CaseFileError("A name, the prescribed dose and the number of fractions are needed. Fill them in.")
    if name in taken:
        raise CaseFileError(f'Another course is named "{printable(name)}" already; names must differ. Give another name.')
    entry: dict[str, Any] = {"name": name, "kind": "prior", "prescription": {"dose_gy": float(dose_gy), "fractions": int(fractions)}}
    if completed is not None:
        entry["completed"] = completed
    if organ_doses := _organ_doses(doses):
        entry["organ_doses"] = organ_doses
    try:
        CourseEntry.model_validate(entry)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = WORDS.get(str(detail["loc"][0]), str(detail["loc"][0]))
        raise CaseFileError(f"{place}: {printable(detail['msg'].removeprefix('Value error, '), 200)}. Correct it.") from None
    return entry


def show_paper_form(version: int, taken: Iterable[str]) -> dict[str, Any] | None:
    """Show the form; the entry when one was filled in and sent."""
    with st.form(f"paper-{version}", border=False):
        name, dose, fractions, day = st.columns([3, 2, 2, 2])
        stated_name = name.text_input("Name of the course", key=f"paper-name-{version}", placeholder="Pelvis 1998", max_chars=200)
        dose_gy = dose.number_input("Prescribed dose, Gy", 0.1, 200.0, None, 0.1, format="%.2f", key=f"paper-dose-{version}")
        n = fractions.number_input("Fractions", 1, 200, None, 1, key=f"paper-fractions-{version}")
        completed = day.date_input("Last day", None, FIRST_DAY, "today", key=f"paper-day-{version}", format="YYYY-MM-DD")
        st.caption("Doses of organs, where the letter gives them. An organ that is not listed gets the whole prescription.")
        empty: list[dict[str, Any]] = [{"organ": None, "metric": "Dmax", "dose_gy": None} for _ in range(EMPTY_ROWS)]
        rows = st.data_editor(
            empty,
            key=f"paper-doses-{version}",
            num_rows="dynamic",
            hide_index=True,
            placeholder="–",
            alt="Doses of organs by organ and metric; rows can be edited and added",
            column_config={
                "organ": st.column_config.SelectboxColumn("Organ", options=sorted(organs()), format_func=organ_label),
                "metric": st.column_config.TextColumn("Metric", help="Dmax, D0.1cc, D2cc, D50%, Dmean"),
                "dose_gy": st.column_config.NumberColumn("Dose, Gy", min_value=0, max_value=1000, format="%.2f"),
            },
        )
        if not st.form_submit_button("Add this course"):
            return None
    try:
        return paper_entry(stated_name, dose_gy, n, completed, rows, taken)
    except CaseFileError as refusal:
        st.error(plain(refusal))
        return None


def _organ_doses(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    doses: dict[str, dict[str, float]] = {}
    for row in rows:
        key, metric, dose_gy = row.get("organ") or None, str(row.get("metric") or "").strip(), row.get("dose_gy")
        is_missing = dose_gy is None or dose_gy != dose_gy  # an empty cell may come as not-a-number
        if key is None and is_missing:
            continue
        if key is None or is_missing or not metric:
            raise CaseFileError("A dose of an organ needs the organ, the metric and the dose. Complete the row, or empty it.")
        if metric in doses.setdefault(key, {}):
            raise CaseFileError(f"The dose {printable(metric, 20)} of {organ(key).label} is given twice. Keep one.")
        doses[key][metric] = float(str(dose_gy))
    return doses
