"""Limits: the verdict, every limit worst first, histograms, contributions; and all of it again under other assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import streamlit as st

from reirrad.assessment import Assessment
from reirrad.errors import ReirradError
from reirrad.ui.dvhchart import MOST_ORGANS, contribution_chart, dvh_chart
from reirrad.ui.limitsdata import Explored, explored_of, offered
from reirrad.ui.limitstable import limits_table, verdict_html
from reirrad.ui.limitsview import show_limits
from reirrad.ui.session import Session, current
from reirrad.ui.text import plain
from reirrad.ui.whatifpanel import controls, differences

__all__ = ["page_data", "show"]

LOAD: Final = str(Path(__file__).parent / "pages" / "load.py")
EXPLORING: Final = "Other assumptions than the case file: for exploration."
CHART: Final[dict[str, Any]] = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}


def show() -> None:
    """Show the page."""
    st.title("Limits")
    session = current()
    if session.loaded is None:
        st.info("Load a case first: there are no limits to show yet.")
        st.page_link(LOAD, label="Load a case")
        return
    explored = explored_of(session, session.loaded)
    if explored is None:
        st.info("The case has no structure that stands for an organ, so no limit can be shown. Say on the page Load what its structures are.")
        return
    _limits(session)


def page_data(explored: Explored) -> tuple[dict[str, Any], Assessment | None]:
    """What the browser shows above the charts, and the result it is made from; None where the assumptions mean nothing."""
    loaded, assumed = explored.loaded, explored.assumed
    whole = loaded.assessment
    told = differences(whole, loaded.choice, assumed)
    data: dict[str, Any] = {
        "serial": explored.serial, "token": explored.token, "controls": controls(whole, loaded.choice, assumed, offered(whole), explored.chosen),
        "banner": {"title": EXPLORING, "text": f"{'; '.join(told)}. The result of the case is the one of its case file."} if told else None,
        "verdict": "", "problem": "", "head": "", "rows": [], "notes": [], "caption": "", "pending": False,
        "chosen": str([o.name for o in whole.organs].index(explored.chosen)),
    }  # fmt: skip
    try:
        found = explored.assessment()
        known, pending = explored.bands(found)
        table = limits_table(found, explored.course_values(found), known, pending)
    except ReirradError as error:
        return data | {"problem": str(error)}, None
    caption = "Limits, worst first" + (f" – bands: {len(pending)} organ{'s' if len(pending) > 1 else ''} still to calculate" if pending else "")
    shown = {
        "verdict": verdict_html(found, is_case=assumed.is_case),
        "head": table.head,
        "rows": [list(row) for row in table.rows],
        "notes": list(table.notes),
        "caption": caption,
    }
    return data | shown | {"problem": explored.problem, "pending": bool(pending)}, found


def _take(session: Session, token: str, message: Mapping[str, Any]) -> None:
    """Do what the browser asks, unless it speaks of another case."""
    explored = None if session.loaded is None else explored_of(session, session.loaded)
    if explored is not None and explored.token == token:
        explored.take(message)


@st.fragment
def _limits(session: Session) -> None:
    """Everything that follows the sliders; alone run again when one moves. Streamlit keeps what it is called with: the session can be emptied."""
    explored = None if session.loaded is None else explored_of(session, session.loaded)
    if explored is None:
        return
    data, found = page_data(explored)
    show_limits(data, f"limits_{explored.token}", partial(_take, session, explored.token))
    if found is None:
        return
    result = next(o for o in found.organs if o.name == explored.chosen)
    left, right = st.columns(2, gap="medium")
    with left:
        chart = dvh_chart(result, found.case, found.findings)
        if chart is None:
            st.info(f"No histogram of {plain(result.name)}: no course has dose at points of it.")
        else:
            st.plotly_chart(chart[0], key=f"dvh_{explored.token}", theme=None, config=CHART, alt=chart[1])
    with right:
        by_name = {o.name: o for o in found.organs}
        names = offered(found)
        first = names if explored.chosen in names[:MOST_ORGANS] else [explored.chosen, *names]
        bars = contribution_chart(explored.spots_of([by_name[n] for n in first[:MOST_ORGANS]]), found.case)
        if bars is None:
            st.info("No contributions: no course has dose at points.")
        else:
            st.plotly_chart(bars[0], key=f"contributions_{explored.token}", theme=None, config=CHART, alt=bars[1])
