"""Histograms and bars for the screen, against numbers by hand.

30 Gy in 10 and 20 Gy in 5 in a box of 7.5 cc: EQD2 at alpha/beta 3 Gy 36 and 28, together 64 Gy everywhere.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from case_factory import BOX_CC, case, course, limit, two_courses

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Case, RecoveryChoice
from reirrad.hotspot import hot_spot
from reirrad.limit import Limit
from reirrad.recovery import recovery_models
from reirrad.ui.dvhchart import contribution_chart, dvh_chart, limit_marks

HOSTILE = '<a href="http://evil.example">x</a>&%{x}'


def found(*limits: Limit, of: Case | None = None) -> Assessment:
    return assess(of or two_courses(), LimitChoice(limits, frozenset(), ("test",)))


def test_each_course_and_the_sum_are_drawn_in_eqd2() -> None:
    result = found(limit("D2cc", 58.0))
    chart = dvh_chart(result.organs[0], result.case, result.findings)
    assert chart is not None
    figure, alt = chart
    lines = [t for t in figure.data if t.mode == "lines"]
    assert [t.x[-1] for t in lines] == [pytest.approx(36, abs=0.01), pytest.approx(28, abs=0.01), pytest.approx(64, abs=0.01)]
    assert [t.y[0] for t in lines] == [pytest.approx(100)] * 3
    assert len({t.line.dash for t in lines}) == 3
    assert len({t.line.color for t in lines}) == 3
    assert "up to 64.0 Gy" in alt
    assert "D2cc ≤ 58 Gy: EXCEED" in alt


def test_the_sum_after_recovery_is_a_line_of_its_own() -> None:
    """Half of 36 Gy is forgotten: 18 + 28 = 46 Gy."""
    one = two_courses()
    one = replace(one, recovery={"rectum": RecoveryChoice(recovery_models()["paradis_2019"])})
    assert one.interval_months is not None
    part = recovery_models()["paradis_2019"].part("rectum", one.interval_months)
    assert part > 0
    result = found(of=one)
    chart = dvh_chart(result.organs[0], result.case, result.findings)
    assert chart is not None
    after = chart[0].data[-1]
    assert after.name == "The same, after recovery"
    assert after.x[-1] == pytest.approx(36 * (1 - part) + 28, abs=0.01)


def test_limits_are_marks_at_dose_and_volume() -> None:
    """2 cc of 7.5 are 26.67 %, a maximum lies at the bottom, V50Gy <= 1.5 cc at 20 %; a mean, one course and another alpha/beta are no points."""
    result = found(
        limit("D2cc", 70.0), limit("Dmax", 60.0), limit("V50Gy", 1.5, unit="cc"), limit("V40Gy", 30.0, unit="%"), limit("D10%", 65.0),
        limit("Dmean", 40.0), limit("D1cc", 50.0, scope="course"), limit("D1cc", 90.0, alpha_beta_gy=2.0, id="other"), limit("D0.1cc", 80.0, quantity="BED"),
        limit("D50cc", 10.0),
    )  # fmt: skip
    marks, n_other = limit_marks(result.organs[0], result.findings)
    assert [(m.dose_gy, pytest.approx(m.percent), m.status) for m in marks] == [
        (40, 30, "exceed"), (50, 20, "exceed"), (60, 0, "exceed"), (65, 10, "caution"), (70, pytest.approx(100 * 2 / BOX_CC), "pass"),
    ]  # fmt: skip
    assert n_other == 5
    chart = dvh_chart(result.organs[0], result.case, result.findings)
    assert chart is not None
    drawn = [t for t in chart[0].data if t.mode == "markers+text"]
    assert [t.name for t in drawn][:2] == ["a: V40Gy ≤ 30 % (✗ EXCEED)", "b: V50Gy ≤ 1.5 cc (✗ EXCEED)"]
    assert len({t.marker.symbol for t in drawn}) == 3
    assert chart[0].layout.annotations[0].text.startswith("5 limits of this organ")


def test_the_chart_follows_the_alpha_beta_of_the_result() -> None:
    """At alpha/beta 10 Gy 32.5 + 23.333 = 55.833 Gy; a limit at 3 Gy is no mark then."""
    result = found(limit("D2cc", 70.0))
    other = replace(result.organs[0], alpha_beta_gy=10.0)
    chart = dvh_chart(other, result.case, result.findings)
    assert chart is not None
    assert chart[0].data[-1].x[-1] == pytest.approx(55.833, abs=0.01)
    assert chart[0].layout.xaxis.title.text == "EQD2 at α/β 10 Gy (Gy)"


def test_names_from_outside_are_no_markup() -> None:
    one = case(course(HOSTILE, "prior", 30, 10), course("second", "proposed", 20, 5))
    result = found(of=one)
    named = replace(result.organs[0], name=HOSTILE)
    chart = dvh_chart(named, result.case, result.findings)
    spots = [replace(s, structure=HOSTILE) for o in result.organs if (s := hot_spot(o, 2)) is not None]
    bars = contribution_chart(spots, result.case)
    assert chart is not None
    assert bars is not None
    for figure in (chart[0], bars[0]):
        assert "<a" not in figure.to_json()
        assert all("evil" not in (t.hovertemplate or "") for t in figure.data)


def test_contributions_are_stacked_by_course() -> None:
    result = found()
    spots = [s for o in result.organs if (s := hot_spot(o, 2)) is not None]
    bars = contribution_chart(spots, result.case)
    assert bars is not None
    figure, alt = bars
    assert [t.x[0] for t in figure.data] == [pytest.approx(36, abs=0.01), pytest.approx(28, abs=0.01)]
    assert len({t.marker.pattern.shape for t in figure.data}) == 2
    assert figure.layout.annotations[0].text == "64.0"
    assert figure.layout.barmode == "stack"
    assert "64.0 Gy" in alt


def test_a_course_without_dose_at_points_is_named_where_it_is_missing() -> None:
    """The first course lies on no registration: the sum at points is that of the second, 28 Gy; on its own structure the first is drawn with 36 Gy."""
    one = two_courses(registration=("none", "same_frame"))
    one = replace(one, courses=(replace(one.courses[0], structures=one.courses[1].structures), one.courses[1]))
    result = found(of=one)
    chart = dvh_chart(result.organs[0], one, result.findings)
    bars = contribution_chart([s for o in result.organs if (s := hot_spot(o, 2)) is not None], one)
    assert chart is not None
    assert bars is not None
    assert [t.name for t in chart[0].data] == ["first (on its own structure)", "second", "Sum without first"]
    assert [t.x[-1] for t in chart[0].data] == [pytest.approx(36, abs=0.01), pytest.approx(28, abs=0.01), pytest.approx(28, abs=0.01)]
    assert bars[0].layout.xaxis.title.text.endswith("without recovery; sum without first")
    assert bars[0].layout.annotations[0].text == "≥ 28.0"
    assert "at least 28.0 Gy" in bars[1]


def test_a_course_without_dose_has_no_line() -> None:
    one = case(course("first", "prior", 0.01, 10), course("second", "proposed", 20, 5))
    result = found(limit("Dmax", 50.0), of=one)
    chart = dvh_chart(result.organs[0], one, result.findings)
    assert chart is not None
    assert [t.name for t in chart[0].data if t.mode == "lines"] == ["second", "All courses"]
    assert limit_marks(replace(result.organs[0], volume_cc=None), result.findings) == ([], 1)


def test_nothing_known_gives_no_figure() -> None:
    result = found()
    empty = replace(result.organs[0], sum=None)
    assert dvh_chart(empty, result.case, result.findings) is None
    assert contribution_chart([], result.case) is None
