"""Sums of courses with dose at points and courses on paper: every number by hand."""

from __future__ import annotations

import pytest
from case_factory import organ_dose

from reirrad.dvh import Undefined
from reirrad.metrics import parse_metric
from reirrad.organsum import Bounds, OrganSum, joined
from reirrad.paper import PaperDose

NAN = float("nan")
# Course 1 at points: 40 Gy in 1 cc, 20 Gy in 2 cc, 10 Gy in 1 cc, in 10 fractions; EQD2 at alpha/beta 2: 60, 20, 7.5 Gy.
POINTS = organ_dose((1, 10, [10, 40, 20]), volumes_cc=[1, 1, 2])
NAMES = {0: "letter", 1: "plan", 2: "other letter"}


def eqd2(organ: OrganSum, metric: str, unit: str = "Gy", **more: object) -> Bounds:
    return organ.value(parse_metric(metric), unit, "EQD2", 2.0, **more)  # type: ignore[arg-type]


@pytest.mark.hazard("H17")
def test_without_paper_every_value_is_exact() -> None:
    assert eqd2(OrganSum(POINTS), "Dmax") == Bounds(60.0, 60.0)
    assert eqd2(OrganSum(POINTS), "Dmax").is_exact


def test_maxima_of_paper_and_points_add_up() -> None:
    """20 Gy in 10 on paper are 20 Gy EQD2; 60 + 20, wherever they lie; at least the 60 alone."""
    organ = OrganSum(POINTS, {0: PaperDose.from_organ_doses({"Dmax": 20.0}, 10)}, NAMES)
    found = eqd2(organ, "Dmax")
    assert (found.low, found.high) == (pytest.approx(60), pytest.approx(80))
    assert found.reason == 'course "letter" is known from paper only, and its near-maxima are added wherever they lie'
    assert not found.is_exact


@pytest.mark.hazard("H17")
def test_near_maximum_of_the_sum_takes_the_volume_once() -> None:
    """D0.5cc is known on paper, D1cc is asked: of the plan its D0.5cc counts, 40 Gy at the middle of the hottest point: 60 + 20, not D1cc + D0.5cc."""
    organ = OrganSum(POINTS, {0: PaperDose.from_organ_doses({"D0.5cc": 20.0}, 10)}, NAMES)
    assert eqd2(organ, "D1cc").high == pytest.approx(60 + 20)
    # D1cc of the plan alone: a third of the way from 60 Gy (0.5 cc) to 20 Gy (2 cc)
    assert POINTS.eqd2(2.0).near_max_gy(1.0) == pytest.approx(60 - 40 / 3)
    assert eqd2(organ, "D0.1cc").high is None
    assert "not known at 0.1 cc or less" in eqd2(organ, "D0.1cc").reason


def test_percent_of_the_volume() -> None:
    """12.5 % of 4 cc are 0.5 cc."""
    organ = OrganSum(POINTS, {0: PaperDose.from_organ_doses({"Dmax": 20.0}, 10)}, NAMES)
    assert eqd2(organ, "D12.5%").high == pytest.approx(80)


@pytest.mark.hazard("H17")
@pytest.mark.parametrize(("metric", "unit", "least"), [("Dmean", "Gy", 26.875), ("V20Gy", "cc", 3), ("gEUD1", "Gy", 26.875)])
def test_mean_and_volumes_need_dose_at_every_point(metric: str, unit: str, least: float) -> None:
    organ = OrganSum(POINTS, {0: PaperDose.from_organ_doses({"Dmax": 20.0}, 10)}, NAMES)
    found = eqd2(organ, metric, unit)
    assert (found.low, found.high) == (pytest.approx(least), None)
    assert 'course "letter" is known from paper only, without dose at common points' in found.reason


def test_spared_volume_is_not_known_at_all() -> None:
    organ = OrganSum(POINTS, {0: PaperDose.uniform(20.0, 10)}, NAMES)
    assert eqd2(organ, "CV20Gy", "cc") == Bounds(None, None, eqd2(organ, "CV20Gy", "cc").reason)


@pytest.mark.hazard("H04")
def test_nothing_known_of_a_course() -> None:
    found = eqd2(OrganSum(POINTS, {0: None}, NAMES), "Dmax")
    assert (found.low, found.high, found.reason) == (pytest.approx(60), None, 'the dose of course "letter" is not known')


@pytest.mark.hazard("H04")
def test_unknown_dose_at_points_leaves_no_upper_bound() -> None:
    part = organ_dose((1, 10, [NAN, 40]), volumes_cc=[1, 3])
    found = eqd2(OrganSum(part, {0: PaperDose.uniform(20.0, 10)}, NAMES), "Dmax")
    assert (found.low, found.high) == (pytest.approx(60), None)
    assert found.reason == "25 % of the structure lies outside a dose grid; its dose there is not known"


def test_one_course_on_paper() -> None:
    paper = PaperDose.from_organ_doses({"Dmax": 45.0, "D2cc": 30.0}, 15)
    organ = OrganSum(POINTS, {0: paper}, NAMES)
    found = organ.value(parse_metric("D1cc"), "Gy", "physical", None, 0)
    assert (found.low, found.high) == (30.0, 45.0)
    assert found.reason == 'course "letter" is known from paper only'
    # 45 in 15 at alpha/beta 2: 45 (3 + 2) / 4
    assert eqd2(organ, "Dmax", course=0).high == pytest.approx(56.25)
    assert organ.value(parse_metric("Dmax"), "Gy", "BED", 2.0, 0).high == pytest.approx(112.5)
    assert eqd2(organ, "Dmax", course=1) == Bounds(60.0, 60.0)


def test_two_courses_on_paper_and_recovery() -> None:
    papers = {0: PaperDose.uniform(20.0, 10), 2: PaperDose.uniform(10.0, 5)}
    organ = OrganSum(POINTS, papers, NAMES)
    assert eqd2(organ, "Dmax").high == pytest.approx(90)
    assert eqd2(organ, "Dmax", kept={0: 0.5}).high == pytest.approx(80)
    assert eqd2(organ, "Dmax", kept={0: 0.5, 1: 0.5, 2: 0.0}).high == pytest.approx(40)


@pytest.mark.hazard("H15")
def test_structure_smaller_than_the_metric() -> None:
    organ = OrganSum(POINTS, {0: PaperDose.uniform(20.0, 10)}, NAMES)
    with pytest.raises(Undefined, match="4 cc, less than the 5 cc"):
        eqd2(organ, "D5cc")


def test_both_sides_together() -> None:
    """The maximum is that of the hotter side, the mean that of all volume: (60 + 2 20 + 7.5 + 4 2.5) / 8."""
    other = organ_dose((1, 10, [5.0]), volumes_cc=[4])  # 5 (0.5 + 2) / 4 = 3.125
    both = joined([OrganSum(POINTS, {}, NAMES), OrganSum(other, {}, NAMES)])
    assert eqd2(both, "Dmax").high == pytest.approx(60)
    assert eqd2(both, "Dmean").high == pytest.approx((60 + 40 + 7.5 + 4 * 3.125) / 8)
    assert eqd2(both, "CV10Gy", "cc").high == pytest.approx(5)


def test_metric_without_a_volume_in_a_sum_with_paper() -> None:
    assert eqd2(OrganSum(POINTS, {0: PaperDose.uniform(20.0, 10)}, NAMES), "Dmin").reason.endswith("a minimum of the sum needs them")


def test_metric_in_cc_with_paper() -> None:
    assert eqd2(OrganSum(POINTS, {0: PaperDose.uniform(20.0, 10)}, NAMES), "D0.5cc").high == pytest.approx(80)


def test_course_on_paper_in_a_structure_smaller_than_the_metric() -> None:
    with pytest.raises(Undefined, match="4 cc, less than the 5 cc"):
        eqd2(OrganSum(POINTS, {0: PaperDose.uniform(20.0, 10)}, NAMES), "D5cc", course=0)


@pytest.mark.hazard("H17")
def test_both_sides_together_take_the_papers_of_both() -> None:
    """20 fractions on paper, 10 Gy left and 40 Gy right; of the sum the maximum of both: 60 + 40, whichever comes first."""
    other = organ_dose((1, 10, [5.0]), volumes_cc=[4])
    left = OrganSum(other, {0: PaperDose.uniform(10.0, 20)}, NAMES)
    right = OrganSum(POINTS, {0: PaperDose.uniform(40.0, 20)}, NAMES)
    for pair in ([left, right], [right, left]):
        assert eqd2(joined(pair), "Dmax").high == pytest.approx(60 + 40)
    lost = OrganSum(POINTS, {0: None}, NAMES)
    assert eqd2(joined([left, lost]), "Dmax").high is None


def test_course_of_which_nothing_counts_any_more_is_left_out() -> None:
    """With nothing kept of an unknown course only the plan remains."""
    assert eqd2(OrganSum(POINTS, {0: None}, NAMES), "Dmax", kept={0: 0.0}) == Bounds(60.0, 60.0)
    part = organ_dose((0, 10, [NAN, NAN, NAN]), (1, 10, [10, 40, 20]), volumes_cc=[1, 1, 2])
    assert eqd2(OrganSum(part), "Dmax", kept={0: 0.0}) == Bounds(60.0, 60.0)


def test_what_paper_states_of_one_course_is_exact() -> None:
    organ = OrganSum(POINTS, {0: PaperDose.from_organ_doses({"Dmax": 45.0, "D2cc": 30.0}, 15)}, NAMES)
    assert organ.value(parse_metric("Dmax"), "Gy", "physical", None, 0) == Bounds(45.0, 45.0)
    assert organ.value(parse_metric("D2cc"), "Gy", "physical", None, 0) == Bounds(30.0, 30.0)
