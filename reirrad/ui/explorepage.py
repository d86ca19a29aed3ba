"""Explore: another dose in another number of fractions, the highest dose that limits allow, what remains, and options side by side."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import streamlit as st

from reirrad.errors import ReirradError
from reirrad.evaluation import Finding
from reirrad.exploration import ScheduleChoice
from reirrad.explorationtable import SCALED
from reirrad.options import MOST_OPTIONS, AskedSchedule, Option, limit_rows
from reirrad.optionsheet import STATUS, effect_words, option_words, row_words, value_words
from reirrad.tumour import LQ_SUPPORTED_GY, effects
from reirrad.ui.explorecharts import Point, effect_chart, highest_chart
from reirrad.ui.exploresheet import gaps, show_highest_table, show_options, show_remaining
from reirrad.ui.exploring import EVERY, USUAL, Exploring, asked_schedule, exploring_of, largest_use, planned, preview, twice_a_day
from reirrad.ui.reportblocks import flag, show_rows
from reirrad.ui.session import Session, current
from reirrad.ui.text import plain

__all__ = ["show"]

LOAD: Final = str(Path(__file__).parent / "pages" / "load.py")
CHART: Final[dict[str, Any]] = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}
MOST_FRACTIONS: Final = 40
MOST_ROWS, TABLE_PX = 14, 500
PREVIEW: Final = (
    "For each structure the limit that is worst. While you explore, values are read at the points of the plan as it stands: they may differ by hundredths of a "
    "Gy from those of an option that was added, which is calculated as a check of that plan would be."
)

LEFT_OF_THE_LINE: Final = (
    "Left of the line the value meets every mandatory limit that has a number; higher is more effect. Further clauses of a rule, optimal limits where there "
    "are mandatory ones, and limits that are not evaluable are not in it: the flags say all."
)


def show() -> None:
    """Show the page."""
    st.title("Explore schedules")
    session = current()
    if session.loaded is None:
        st.info("Load a case first: there is nothing to explore yet.")
        st.page_link(LOAD, label="Load a case")
        return
    try:
        exploring = exploring_of(session, session.loaded)
    except ReirradError as error:
        st.warning(f"No other schedule can be tried with this case. {plain(error)}")
        show_remaining(session, session.loaded)
        return
    course = session.loaded.case.courses[exploring.course]
    st.caption(f"{plain(course.name)}: {exploring.prescription_gy:g} Gy in {course.fractions or 'an unknown number of'} fractions. {SCALED}")
    _schedule(session)
    show_highest_table(exploring)
    show_options(exploring)
    show_remaining(session, session.loaded)


# ------------------------------------------------------------------------------------------------------------- one schedule


@st.fragment
def _schedule(session: Session) -> None:
    """Sliders and everything that follows them; alone run again when one moves. Streamlit keeps what it is called with: the session can be emptied."""
    if session.loaded is None:
        return
    loaded, exploring = session.loaded, exploring_of(session, session.loaded)
    token = exploring.token
    sliders, table = st.columns([2, 3], gap="large")
    with sliders:
        asked = _asked(exploring)
    try:
        now = preview(loaded.assessment, loaded.choice, exploring.course, asked)
    except ReirradError as error:
        table.error(plain(error))
        return
    with sliders:
        _facts(now)
        if st.button("Add this option to the sheet", type="primary", key=f"add_{token}", disabled=exploring.is_full):
            _add(exploring, asked)
        if exploring.is_full:
            st.caption(f"The sheet holds {MOST_OPTIONS} options; remove one to add another.")
    with table:
        _limits(exploring, now)
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Highest dose that limits allow")
        _highest(exploring, asked)
    with right:
        st.header("Tumour effect against the worst organ")
        chart = effect_chart(_points(exploring, now), exploring.exploration, loaded.case.tumour)
        if chart is None:
            st.caption("Not drawn: no limit has a value, or no effect on the tumour is left.")
        else:
            st.plotly_chart(chart[0], key=f"effect_{token}", theme=None, config=CHART, alt=chart[1])
            st.caption(LEFT_OF_THE_LINE)


def _asked(exploring: Exploring) -> AskedSchedule:
    """The schedule that the sliders show; at first the one that is planned."""
    token, prescription = exploring.token, exploring.prescription_gy
    plan = planned(exploring)
    first = 5 if plan is None else plan.choice.fractions
    fractions = st.slider("Fractions", 1, max(MOST_FRACTIONS, first), first, key=f"fractions_{token}")
    step = 0.1 if abs(prescription * 10 - round(prescription * 10)) < 1e-6 else 0.01
    dose = st.slider("Dose of all fractions (Gy)", step, _top(prescription), float(prescription), step, key=f"dose_{token}")
    often, hours = st.columns(2, vertical_alignment="bottom")
    several = plan is not None and plan.choice.per_day > 1
    twice = often.checkbox("Twice a day", several, key=f"twice_{token}")
    first_h = plan.choice.interval_h if several and plan is not None and plan.choice.interval_h is not None else 6.0
    interval = hours.number_input("Hours between them", 2.0, 12.0, min(max(first_h, 2.0), 12.0), 0.5, key=f"interval_{token}", disabled=not twice)
    if plan is not None and plan.choice.per_day > 2:
        st.caption(f"The plan gives {plan.choice.per_day} fractions a day; here are one or two to choose from.")
    if twice and fractions < 2:
        st.caption("One fraction is given once.")
    return asked_schedule(round(dose, 4), fractions, interval if twice and fractions >= 2 else None)


def _top(prescription_gy: float) -> float:
    """Highest dose of the slider: somewhat above twice the plan."""
    return float(max(10.0, math.ceil(prescription_gy / 5) * 10))


def _facts(now: Option) -> None:
    """The schedule in figures."""
    lines = [
        f"{flag(STATUS[now.verdict])} all limits together",
        f"**{now.asked.dose_per_fraction_gy:.2f} Gy** per fraction, {now.overall_days} days from first to last, plan × {now.scale:.3f}",
        *(f"Tumour BED / EQD2 at α/β {e.alpha_beta_gy:g}: **{effect_words(e)}** Gy" for e in now.tumour),
    ]
    if now.asked.dose_per_fraction_gy > LQ_SUPPORTED_GY * (1 + 1e-5):
        lines.append(f"Beyond {LQ_SUPPORTED_GY:g} Gy per fraction the linear-quadratic model is hardly supported.")
    st.markdown("\n".join(f"- {line}" for line in lines))


def _limits(exploring: Exploring, now: Option) -> None:
    """The worst limit of each structure, with what it is for the plan."""
    before = {(f.limit.id, f.structure, f.course): f for f in exploring.loaded.assessment.findings}
    rows = []
    for row in limit_rows([now]):
        (finding,) = row.findings
        assert finding is not None, "of the one option"
        as_planned = before.get((finding.limit.id, finding.structure, finding.course))
        words = row_words(row)
        rows.append(
            (
                flag(finding.status),
                plain(words),
                plain(value_words(finding, row, now)) or "–",
                _left(finding),
                "–" if as_planned is None else _value(as_planned),
            )
        )
    if not rows:
        st.info("No limit applies to a structure of this case, so that nothing bounds the dose.")
        return
    columns = ["Flag", "Structure, limit", "Value", "Left", "As planned"]
    show_rows(columns, rows, "Worst limit of each structure under the schedule of the sliders", TABLE_PX if len(rows) > MOST_ROWS else "content")
    st.caption(PREVIEW)


def _left(finding: Finding) -> str:
    return "–" if finding.margin is None else plain(f"{finding.margin:.2f} {finding.limit.unit}")


def _value(finding: Finding) -> str:
    return "–" if finding.judged_value is None else f"{finding.judged_value:.2f}"


def _points(exploring: Exploring, now: Option) -> list[Point]:
    """What is drawn of the tumour: the plan, the sliders, the options."""
    loaded, plan = exploring.loaded, planned(exploring)
    points = [Point("sliders", option_words(now), now.tumour[0], largest_use(now.findings))]
    if plan is not None:
        effect = effects(loaded.case.tumour, plan.dose_gy, plan.choice.fractions, plan.choice.per_day)[0]
        points.append(Point("plan", f"{plan.dose_gy:g} Gy in {plan.choice.fractions}", effect, largest_use(loaded.assessment.findings)))
    return points + [Point("option", option_words(o), o.tumour[0], largest_use(o.findings)) for o in exploring.options.values()]


def _add(exploring: Exploring, asked: AskedSchedule) -> None:
    try:
        with st.spinner("Calculating this option and the highest dose in as many fractions", show_time=True):
            exploring.add(asked)
    except ReirradError as error:
        st.error(plain(error))
        return
    st.rerun()


# ------------------------------------------------------------------------------------------------------------- highest doses


def _highest(exploring: Exploring, asked: AskedSchedule) -> None:
    """The curve, and what else is to be calculated of it."""
    token = exploring.token
    chart = highest_chart(exploring.exploration, asked, planned(exploring))
    if chart is None:
        st.caption("Not calculated yet: for every number of fractions the dose is sought that meets each limit just so. This takes a while.")
    else:
        st.plotly_chart(chart[0], key=f"highest_{token}", theme=None, config=CHART, alt=chart[1])
        st.caption("Hover a point to see which limit sets it; the table is below. Hollow: mandatory limits there cannot be checked.")
        for text in gaps(exploring):
            st.warning(plain(text))
    numbers, more = st.columns(2, vertical_alignment="bottom")
    which = numbers.radio("Numbers of fractions", ["The usual ones", "Every one to 40"], key=f"which_{token}")
    interval = asked.choice.interval_h or 6.0
    twice = more.checkbox(f"Twice a day too, {interval:g} h apart", key=f"both_{token}")
    if more.button("Calculate the highest doses", key=f"calculate_{token}"):
        wanted: tuple[ScheduleChoice, ...] = (*(USUAL if which == "The usual ones" else EVERY), *(twice_a_day(interval) if twice else ()))
        try:
            with st.spinner(f"Calculating {len(wanted)} schedules", show_time=True):
                exploring.find_highest(wanted)
        except ReirradError as error:
            st.error(plain(error))
            return
        st.rerun()
