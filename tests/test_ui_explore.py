"""The Explore page: its schedules against sums by hand and against options, its figures, and the page as a script."""

from __future__ import annotations

import io
import math
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from case_factory import COURSES, limit, stored_box, two_courses, write_case, write_case_file, write_course
from pydicom import dcmread
from streamlit.testing.v1 import AppTest

from reirrad.assessment import assess
from reirrad.errors import ParameterError
from reirrad.evaluation import Finding
from reirrad.exploration import Exploration, ScheduleChoice
from reirrad.halftimes import half_time
from reirrad.judgement import LimitChoice
from reirrad.options import AskedSchedule, evaluate_options
from reirrad.optionsheetfile import option_sheet_pdf
from reirrad.tumour import Tumour, TumourEffect
from reirrad.ui.downloads import options_html
from reirrad.ui.explorecharts import Point, effect_chart, highest_chart
from reirrad.ui.exploresheet import highest_rows
from reirrad.ui.exploring import Exploring, Use, asked_schedule, exploring_of, largest_use, planned, preview, use_of
from reirrad.ui.session import KEY, Session

APP = str(Path(__file__).resolve().parent.parent / "app.py")
EXPLORE = "reirrad/ui/pages/explore.py"
# EQD2 at 3 Gy: 36 of the first course and 20 / 5 * (20 / 5 + 3) = 28 of the second; a maximum of 76 leaves 40 of it.
LIMITS = """
- {id: rectum-max, organ: rectum, metric: Dmax, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 76, level: mandatory, source: "protocol 7"}
- {id: rectum-aim, organ: rectum, metric: Dmax, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 70, level: optimal, source: "protocol 7"}
"""


def eqd2(dose_gy: float, n: int, repair: float = 1.0) -> float:
    """At an alpha/beta of 3 Gy."""
    return dose_gy * (dose_gy / n * repair + 3) / 5


def highest(eqd2_gy: float, n: int) -> float:
    """Dose in n fractions that has this EQD2 at 3 Gy: D²/n + 3 D - 5 R = 0."""
    return n * (-3 + math.sqrt(9 + 20 * eqd2_gy / n)) / 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("explore") / "case", limits=LIMITS)


@pytest.fixture
def session(folder: Path) -> Session:
    found = Session()
    found.calculate(folder / "case.yaml")
    return found


def exploring(session: Session) -> Exploring:
    assert session.loaded is not None
    return exploring_of(session, session.loaded)


def page(session: Session | None) -> AppTest:
    test = AppTest.from_file(APP, default_timeout=30)
    if session is not None:
        test.session_state[KEY] = session
    test.switch_page(EXPLORE).run()
    assert not test.exception
    return test


def field(elements: Any, label: str) -> Any:
    return next(e for e in elements if e.label.startswith(label))


def press(test: AppTest, label: str) -> AppTest:
    field(test.button, label).click().run()
    assert not test.exception
    return test


def values(test: AppTest) -> list[str]:
    """Values of the limits under the sliders."""
    return [text.replace("\\", "") for text in test.table[0].value["Value"].tolist()]


# ------------------------------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(("dose", "n"), [(20.0, 5), (24.0, 3), (31.5, 15)])
def test_a_preview_has_the_sum_of_the_schedule(session: Session, dose: float, n: int) -> None:
    assert session.loaded is not None
    found = preview(session.loaded.assessment, session.loaded.choice, 1, asked_schedule(dose, n, None))
    assert [f.value for f in found.findings] == pytest.approx([36 + eqd2(dose, n)] * 2, abs=2e-3)
    assert found.scale == pytest.approx(dose / 20)
    assert found.tumour[0].bed_gy == pytest.approx(dose * (1 + dose / n / 10))


def test_the_preview_of_the_plan_is_the_result_of_the_case(session: Session) -> None:
    assert session.loaded is not None
    plan = planned(exploring(session))
    assert plan == AskedSchedule("20/5", 20.0, ScheduleChoice(5))
    found = preview(session.loaded.assessment, session.loaded.choice, 1, plan)
    assert [(f.value, f.status) for f in found.findings] == [(f.value, f.status) for f in session.loaded.assessment.findings]


def test_a_plan_of_more_fractions_than_are_explored_is_not_shown_as_one(session: Session) -> None:
    state = exploring(session)
    case = state.loaded.case
    many = replace(case.courses[1], phases=tuple(replace(p, fractions=120) for p in case.courses[1].phases))
    assert many.fractions == 120
    assert planned(replace(state, loaded=replace(state.loaded, case=replace(case, courses=(case.courses[0], many))))) is None


def test_two_fractions_a_day_are_less_repaired(session: Session) -> None:
    assert session.loaded is not None
    found = preview(session.loaded.assessment, session.loaded.choice, 1, asked_schedule(20.0, 10, 6.0))
    theta = 0.5 ** (6 / half_time("rectum", None).hours)  # what is not repaired after six hours
    assert found.findings[0].value == pytest.approx(36 + eqd2(20, 10, 1 + theta), abs=2e-3)
    assert found.overall_days == 4


def test_the_preview_agrees_with_the_option(session: Session) -> None:
    assert session.loaded is not None
    loaded, asked = session.loaded, asked_schedule(26.0, 8, None)
    (option,) = evaluate_options(loaded.assessment, loaded.choice, 1, (asked,), loaded.case.tumour)
    found = preview(loaded.assessment, loaded.choice, 1, asked)
    assert found.verdict == option.verdict
    assert [f.status for f in found.findings] == [f.status for f in option.findings]
    assert [f.value for f in found.findings] == pytest.approx([f.value for f in option.findings], abs=0.02)


def test_a_structure_without_points_stays_without() -> None:
    one = two_courses()
    one = replace(one, courses=(one.courses[0], replace(one.courses[1], stated_prescription_gy=20.0)))
    choice = LimitChoice((limit("Dmax", 76.0),), frozenset({"rectum-Dmax"}), ("x",))
    whole = assess(one, choice)
    empty = replace(whole, organs=(replace(whole.organs[0], sum=None),))
    found = preview(empty, choice, 1, asked_schedule(20.0, 5, None))
    assert [(f.status, f.reason) for f in found.findings] == [("not_evaluable", "the structure has no closed contours")]
    assert found.verdict == "not_evaluable"


def test_state_belongs_to_the_loaded_case(session: Session) -> None:
    first = exploring(session)
    assert exploring(session) is first
    session.calculate(session.loaded.case_file)  # type: ignore[union-attr]
    assert exploring(session) is not first
    assert exploring(session).token != first.token


# ------------------------------------------------------------------------------------------------------- what is used of a limit


def of(value: float | None, number: float, level: str = "mandatory", comparator: str = "<=") -> Finding:
    return Finding(limit("Dmax", number, level=level, comparator=comparator), "Rectum", value, "pass")


def test_part_of_a_limit() -> None:
    assert use_of(of(38.0, 76.0)) == 50.0
    assert use_of(of(1000.0, 700.0, comparator=">=")) == 70.0  # 700 cc must be spared, and 1000 are
    assert use_of(of(0.0, 700.0, comparator=">=")) == float("inf")
    assert use_of(of(0.0, 0.0)) == 0.0
    assert use_of(of(None, 76.0)) is None


def test_worst_organ_is_of_a_mandatory_limit_where_there_is_one() -> None:
    low, high, aim = of(20.0, 80.0), of(60.0, 80.0), of(90.0, 80.0, "optimal")
    assert largest_use([low, aim, high]) == Use(high, 75.0)
    assert largest_use([aim, of(None, 80.0)]) == Use(aim, 112.5)
    assert largest_use([of(None, 80.0)]) is None


# ------------------------------------------------------------------------------------------------------- figures


def test_curve_of_highest_doses(session: Session) -> None:
    state = exploring(session)
    assert highest_chart(state.exploration, asked_schedule(20, 5, None), None) is None
    state.find_highest([ScheduleChoice(n) for n in (5, 10)])
    chart = highest_chart(state.exploration, asked_schedule(24, 8, None), planned(state))
    assert chart is not None
    figure, words = chart
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name) == ["mandatory limits", "optimal limits too", "as planned", "the sliders"]
    assert list(by_name["mandatory limits"].x) == [5, 10]
    assert list(by_name["mandatory limits"].y) == pytest.approx([highest(40, 5), highest(40, 10)], abs=1e-3)
    assert list(by_name["optimal limits too"].y) == pytest.approx([highest(34, 5), highest(34, 10)], abs=1e-3)
    assert "Rectum Dmax" in by_name["mandatory limits"].hovertext[0]
    assert (by_name["the sliders"].x[0], by_name["the sliders"].y[0]) == (8, 24)
    assert f"5 fractions: {int(highest(40, 5) * 100) / 100:.2f} Gy" in words


def test_twice_a_day_is_a_line_of_its_own_and_nothing_is_calculated_twice(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    state = exploring(session)
    state.find_highest([ScheduleChoice(20), ScheduleChoice(20, 2, 6.0)])
    chart = highest_chart(state.exploration, asked_schedule(20, 5, None), None)
    assert chart is not None
    once, twice = (next(t for t in chart[0].data if t.name == name) for name in ("mandatory limits", "mandatory limits, twice a day, 6 h"))
    assert twice.y[0] < once.y[0]
    assert twice.marker.symbol != once.marker.symbol
    monkeypatch.setattr("reirrad.ui.exploring.explore", lambda *_: pytest.fail("calculated again"))
    state.find_highest([ScheduleChoice(20)])


def test_table_of_highest_doses(session: Session) -> None:
    state = exploring(session)
    state.find_highest([ScheduleChoice(2), ScheduleChoice(5)])
    heads, rows = highest_rows(state)
    assert len(heads) == len(rows[0]) == 7
    assert [row[0] for row in rows] == ["2 fractions", "5 fractions"]
    assert rows[1][1] == f"{int(highest(40, 5) * 100) / 100:.2f}".replace(".", "\\.")
    assert "\\*" not in rows[1][2]
    assert "Rectum Dmax" in rows[1][4]
    assert rows[1][6].startswith(f"{int(highest(34, 5) * 100) / 100:.2f}".replace(".", "\\."))


def test_effect_against_the_worst_organ() -> None:
    effect = TumourEffect(10.0, 72.0, 60.0, 72.0)
    name = "<b>Rectum</b>"
    bad = replace(of(60.0, 80.0), structure=name)
    points = [Point("sliders", "60 Gy in 30", effect, Use(bad, 75.0)), Point("option", "30 Gy in 5", effect, Use(of(90.0, 80.0), 112.5))]
    chart = effect_chart(points, Exploration((), 1, 60.0), Tumour())
    assert chart is not None
    sliders, options = chart[0].data
    assert (list(sliders.x), list(sliders.y)) == ([75.0], [60.0])
    assert (list(options.x), list(options.text)) == ([112.5], ["30 Gy in 5"])
    assert name not in sliders.hovertext[0]
    assert "&lt;b&gt;Rectum" in sliders.hovertext[0]
    assert "75 % of" in chart[1]
    beyond = effect_chart([Point("plan", "x", effect, Use(bad, float("inf")))], Exploration((), 1, 60.0), Tumour())
    assert beyond is not None
    assert list(beyond[0].data[0].x) == [300.0]
    assert "more than 300 % of" in beyond[0].data[0].hovertext[0]
    none_left = [Point("sliders", "x", TumourEffect(10.0, None, None, 1.0), Use(bad, 75.0)), Point("plan", "y", effect, None)]
    assert effect_chart(none_left, Exploration((), 1, 60.0), Tumour()) is None


# ------------------------------------------------------------------------------------------------------- the page


def test_without_a_case_the_page_says_what_to_do() -> None:
    test = page(None)
    assert [i.value for i in test.info] == ["Load a case first: there is nothing to explore yet."]
    assert len(test.get("page_link")) == 1


def test_it_opens_with_the_plan(session: Session) -> None:
    test = page(session)
    assert field(test.slider, "Fractions").value == 5
    assert field(test.slider, "Dose").value == 20.0
    assert not field(test.checkbox, "Twice a day").value
    assert values(test) == ["64.00"]
    assert test.table[0].value["As planned"].tolist() == ["64.00"]
    assert "pass" in test.table[0].value["Flag"].tolist()[0]


def test_sliders_change_the_table(session: Session) -> None:
    test = page(session)
    field(test.slider, "Fractions").set_value(3).run()
    assert values(test) == [f"{36 + eqd2(20, 3):.2f}"]  # 72.67, above the aim and below the limit
    field(test.slider, "Dose").set_value(24.0).run()
    assert not test.exception
    assert values(test) == [f"{36 + eqd2(24, 3):.2f}"]
    assert "EXCEED" in test.table[0].value["Flag"].tolist()[0]
    assert test.table[0].value["Left"].tolist() == [f"{76 - 36 - eqd2(24, 3):.2f} Gy".replace("-", "\\-").replace(".", "\\.")]
    field(test.checkbox, "Twice a day").check().run()
    assert not test.exception
    assert float(values(test)[0]) > 36 + eqd2(24, 3)


def test_one_fraction_is_not_given_twice_a_day(session: Session) -> None:
    test = page(session)
    field(test.checkbox, "Twice a day").check()
    field(test.slider, "Fractions").set_value(1).run()
    assert not test.exception
    assert values(test) == [f"{36 + eqd2(20, 1):.2f}"]
    assert any(c.value == "One fraction is given once." for c in test.caption)


def test_options_are_added_compared_and_removed(session: Session) -> None:
    test = press(page(session), "Add this option")
    field(test.slider, "Fractions").set_value(10).run()
    test = press(test, "Add this option")
    state = exploring(session)
    assert [o.asked.text for o in state.options.values()] == ["20/5", "20/10"]
    assert {row.choice.fractions for row in state.exploration.rows} == {5, 10}
    sheet = next(t.value for t in test.table if "20 Gy in 10" in t.value.columns)
    dose = sheet[sheet.iloc[:, 0].str.startswith("Dose per fraction")].iloc[0].tolist()
    assert dose[1:] == ["4\\.00", "2\\.00"]
    organs = next(t.value for t in test.table if t.value.iloc[:, 0].str.startswith("Rectum").any() and "20 Gy in 10" in t.value.columns)
    assert [text.split("]")[1].strip() for text in organs.iloc[0, 1:]] == ["64\\.00", f"{36 + eqd2(20, 10):.2f}".replace(".", "\\.")]
    test = press(test, "Remove 20 Gy in 5")
    assert [o.asked.text for o in exploring(session).options.values()] == ["20/10"]


def test_the_same_option_is_there_once_and_no_more_than_a_page_holds(session: Session) -> None:
    state = exploring(session)
    state.add(asked_schedule(20.0, 5, None))
    state.add(asked_schedule(20.0, 5, None))
    assert len(state.options) == 1
    only = next(iter(state.options.values()))
    state.options |= {(float(k), ScheduleChoice(k)): only for k in range(1, 6)}
    assert state.is_full
    state.add(asked_schedule(30.0, 7, None))
    assert len(state.options) == 6
    state.options = {k: v for k, v in state.options.items() if v is only and k[0] == 20.0}
    assert not state.is_full


def test_highest_doses_are_calculated_when_asked_for(session: Session) -> None:
    test = press(page(session), "Calculate the highest doses")
    state = exploring(session)
    assert [row.choice.fractions for row in state.exploration.rows] == [1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 28, 30, 35, 40]
    table = next(t.value for t in test.table if "Set by" in t.value.columns)
    assert table.iloc[3, 1] == f"{int(highest(40, 5) * 100) / 100:.2f}".replace(".", "\\.")
    assert any("hardly supported" in c.value for c in test.caption)


def test_what_remains(session: Session) -> None:
    test = press(page(session), "Calculate what remains")
    table = next(t.value for t in test.table if "5 fx" in t.value.columns)
    assert table.iloc[0]["Remaining EQD2"] == "**40\\.00**"
    assert table.iloc[0]["5 fx"] == f"{highest(40, 5):.2f}".replace(".", "\\.")


def test_the_map_of_what_remains(session: Session) -> None:
    """Every voxel of the organ may get what 40 Gy EQD2 at 3 Gy are in five fractions."""
    test = press(press(page(session), "Calculate what remains"), "Make the map for a planning system")
    assert not test.error
    (made,) = session.kept["budgets"].files.values()
    content, names, _ = made
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == names
        found = dcmread(io.BytesIO(archive.read("remaining_5fx.dcm")))
    dose = found.pixel_array * found.DoseGridScaling
    assert dose.min() == pytest.approx(highest(40, 5), abs=0.01)


def test_a_case_without_a_proposed_course_says_so_and_still_shows_what_remains(tmp_path: Path) -> None:
    session = Session()
    folder = write_case(tmp_path, courses=COURSES.replace("kind: proposed", "kind: prior").replace("starts", "completed"), limits=LIMITS)
    session.calculate(folder / "case.yaml")
    test = page(session)
    assert [w.value.replace("\\", "") for w in test.warning] == [
        "No other schedule can be tried with this case. No course is proposed, so there is no dose distribution to scale. "
        "Set kind: proposed for the course that is asked about."
    ]
    assert not test.slider
    press(test, "Calculate what remains")
    assert any("Remaining EQD2" in t.value.columns for t in test.table)


def test_nothing_left_is_said(tmp_path: Path) -> None:
    session = Session()
    session.calculate(write_case(tmp_path, limits=LIMITS.replace("limit_gy: 76", "limit_gy: 30").replace("limit_gy: 70", "limit_gy: 20")) / "case.yaml")
    state = exploring(session)
    state.find_highest([ScheduleChoice(5)])
    assert highest_rows(state)[1][0][1] == "none"
    test = page(session)
    assert any("Nothing can be given" in c.value for c in test.caption)
    chart = highest_chart(state.exploration, asked_schedule(20, 5, None), None)
    assert chart is not None
    assert "nothing left" in chart[0].data[0].hovertext[0]
    assert list(chart[0].data[0].y) == [0.0]


def test_names_from_files_are_shown_as_they_are(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> **b** $x$ :red[r]"
    both = [(name, stored_box())]
    write_course(tmp_path / "c1", 1, 30, 10, both)
    write_course(tmp_path / "c2", 2, 20, 5, both)
    text = f"structures: {{'{name}': rectum}}\nconstraints: limits.yaml"
    session = Session()
    session.calculate(write_case_file(tmp_path, text, limits=LIMITS) / "case.yaml")
    test = press(page(session), "Add this option")
    shown = "".join(t.value.to_string() for t in test.table) + "".join(m.value for m in test.markdown) + "".join(c.value for c in test.caption)
    for harmful in ("<img", "**b**", "$x$", ":red["):
        assert harmful not in re.sub(r"\\.", "", shown)  # what is escaped is harmless
    assert "onerror=alert" in shown


# ------------------------------------------------------------------------------------------------------- files


def test_the_sheet_as_files(session: Session) -> None:
    state = exploring(session)
    state.add(asked_schedule(20.0, 5, None))
    loaded = state.loaded
    arguments = (loaded.assessment, state.exploration, tuple(state.options.values()), loaded.case.tumour, "2026-03-31")
    html = options_html(*arguments).decode()
    assert "20 Gy in 5" in html
    assert "64.00" in html
    assert "2026-03-31" in html
    assert "<script" not in html
    pdf = option_sheet_pdf(*arguments)
    assert pdf.startswith(b"%PDF-1.")
    assert option_sheet_pdf(*arguments) == pdf


def test_a_sheet_that_does_not_fit_shows_fewer_rows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def sheet(*_: Any, most_rows: int, **__: Any) -> int:
        asked.append(most_rows)
        return most_rows

    def pdf(most_rows: int) -> bytes:
        if most_rows > 6:
            raise ParameterError("does not fit")
        return b"%PDF"

    monkeypatch.setattr("reirrad.optionsheetfile.option_sheet", sheet)
    monkeypatch.setattr("reirrad.optionsheetfile.as_pdf", pdf)
    state = exploring(session)
    assert option_sheet_pdf(state.loaded.assessment, state.exploration, (), state.loaded.case.tumour, "2026-03-31") == b"%PDF"
    assert asked == [14, 10, 6]
