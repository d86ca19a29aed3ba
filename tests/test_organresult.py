"""One organ through the whole calculation with slow deliveries, several a day, LET, paper and recovery: every number by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from case_factory import BOX_CC, box_structure, case, course, even_dose, grid

from reirrad.casenotices import case_notices
from reirrad.course import Case, Course, RecoveryChoice
from reirrad.dose import DoseGrid
from reirrad.dvhtable import DvhCurve
from reirrad.highdose import HighDose
from reirrad.organresult import OrganResult, compute
from reirrad.papercourse import Paper
from reirrad.recovery import custom, recovery_models
from reirrad.timing import Timing


def result(one: Case) -> OrganResult:
    structure, key = one.organs[0]
    return compute(one, structure, key, None)


def cumulative(one: Case) -> float:
    value = result(one).cumulative.values["D0.1cc_gy"]
    assert value is not None
    return value


def paper(gy: float, n: int, **more: Any) -> Course:
    organ_doses, curves, organs = (more.pop(key, {}) for key in ("organ_doses", "curves", "organs"))
    return Course("letter", more.pop("kind", "prior"), (), "", paper=Paper(gy, n, n, organ_doses, curves, organs), **more)


NOW = course("now", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))  # EQD2 at 3 Gy: 20 (4 + 3) / 5 = 28


# ------------------------------------------------------------------------------------------------------- repair


@pytest.mark.hazard("H25")
def test_two_a_day_with_the_half_time_of_the_organ() -> None:
    """30 in 10, two a day 6 h apart: 30 (3 (1 + Hm) + 3) / 5 with Hm = 2^(-6 / 4.4); by convention 4.4 h for the rectum, 2 h when stated."""
    twice = case(course("now", "proposed", 30, 10, timing=Timing(2, 6)))
    assert cumulative(twice) == pytest.approx(30 * (3 * (1 + 2 ** (-6 / 4.4)) + 3) / 5, rel=1e-5)
    assert (result(twice).half_time.hours, result(twice).half_time.status) == (4.4, "convention")  # type: ignore[union-attr]
    stated = case(course("now", "proposed", 30, 10, timing=Timing(2, 6)), half_time_h={"rectum": 2.0})
    assert cumulative(stated) == pytest.approx(30 * (3 * 1.125 + 3) / 5, rel=1e-5)


def test_once_a_day_needs_no_half_time() -> None:
    assert result(case(NOW)).half_time is None
    assert result(case(NOW)).sum.dose.repair is None  # type: ignore[union-attr]


def test_only_the_course_given_twice_a_day_is_changed() -> None:
    """30 in 10 once a day: 36; 20 in 5, of which two days of two and one day of one: Q = (4 (1 + Hm) + 1) d²."""
    both = case(course("then", "prior", 30, 10), course("now", "proposed", 20, 5, timing=Timing(2, 6)), half_time_h={"rectum": 2.0})
    factor = (4 * 1.125 + 1) / 5
    assert cumulative(both) == pytest.approx(36 + 20 * (4 * factor + 3) / 5, rel=1e-5)


def test_low_dose_rate_by_the_formula_of_the_textbook() -> None:
    """30 Gy in 60 h, half time 1.5 h, alpha/beta 3: BED 50.860 (methods, B7), EQD2 30.516."""
    slow = case(course("now", "proposed", 30, 1, timing=Timing.from_case(delivery={"pattern": "low_dose_rate", "hours": 60})), half_time_h={"rectum": 1.5})
    assert cumulative(slow) == pytest.approx(50.860 / (1 + 2 / 3), abs=2e-3)
    assert not [n for n in result(slow).notices if n.code.startswith("lq_range")]  # 30 Gy, but not in one short fraction


# ------------------------------------------------------------------------------------------------------- protons


def test_let_as_a_number_gives_both_models_beside_the_constant_rbe() -> None:
    """2 Gy per fraction times 1.1: at LET 2.5 and alpha/beta 2 the RBE is 1.1936 (McNamara) and 1.1711 (Wedenberg): methods B8."""
    protons = case(course("now", "proposed", 2.2 * 30, 30, radiation="proton", rbe=1.1, let=2.5), alpha_beta_gy={"rectum": 2.0})
    found = result(protons)
    assert found.cumulative.values["max_gy"] == pytest.approx(66 * (2.2 + 2) / 4, rel=1e-5)
    assert [s.model for s, _ in found.sensitivities] == ["mcnamara", "wedenberg"]
    for (_, values), rbe in zip(found.sensitivities, (1.1936, 1.1711), strict=True):
        d = 2 * rbe
        assert values.values["max_gy"] == pytest.approx(30 * d * (d + 2) / 4, abs=5e-3)


def test_let_as_a_distribution_is_read_at_the_points() -> None:
    """LET of 2.5 everywhere, once as a number and once on a grid, gives the same; it counts as no dose."""
    let = DoseGrid(grid(), np.full(even_dose(1).dose_gy.shape, 2.5, np.float32), "1.2.3.100")
    number, distribution = (
        result(case(course("then", "prior", 30, 10), course("now", "proposed", 66, 30, radiation="proton", rbe=1.1, let=value))) for value in (2.5, let)
    )
    assert distribution.cumulative.values == number.cumulative.values
    assert len(distribution.physical) == 2
    for (_, a), (_, b) in zip(number.sensitivities, distribution.sensitivities, strict=True):
        assert b.values["mean_gy"] == pytest.approx(a.values["mean_gy"], rel=1e-5)


# ------------------------------------------------------------------------------------------------------- other models


def test_models_of_large_fractions_stand_beside() -> None:
    """16 Gy in one at alpha/beta 2 and transition 4: EQD2 36.0 instead of 72 (methods, B3)."""
    one = case(course("now", "proposed", 16, 1), alpha_beta_gy={"rectum": 2.0}, sensitivities=(HighDose("lq-l"), HighDose("lq-l", ("bladder",))))
    found = result(one)
    assert found.cumulative.values["max_gy"] == pytest.approx(72)
    ((sensitivity, values),) = found.sensitivities
    assert sensitivity.model == "lq-l"
    assert values.values["max_gy"] == pytest.approx(36)


@pytest.mark.hazard("H17")
def test_other_model_of_a_sum_with_paper() -> None:
    """A single 16 Gy on paper beside 20 in 5 (4 Gy: on the transition, 30 Gy at alpha/beta 2): 36 + 30 at most; a mean needs dose at points."""
    one = case(paper(16, 1), NOW, alpha_beta_gy={"rectum": 2.0}, sensitivities=(HighDose("lq-l"),))
    ((_, values),) = result(one).sensitivities
    assert values.values["max_gy"] == pytest.approx(66)
    assert values.values["D2cc_gy"] == pytest.approx(66)
    assert values.values["mean_gy"] is None
    assert values.upper
    assert result(one).cumulative.values["max_gy"] == pytest.approx(72 + 30)


def test_other_model_where_a_course_is_unknown_or_bounded_nowhere() -> None:
    unknown = Course("lost", "prior", (), "", is_unknown=True)
    ((_, values),) = result(case(unknown, NOW, sensitivities=(HighDose("lq-l"),))).sensitivities
    assert values.values["max_gy"] is None
    large = paper(16, 1, organ_doses={"rectum": {"D1cc": 16.0}})
    ((_, values),) = result(case(large, NOW, sensitivities=(HighDose("lq-l"),))).sensitivities
    assert (values.values["D0.1cc_gy"], values.values["D1cc_gy"] is None) == (None, False)
    assert "not known at 0.1 cc" in values.reasons["D0.1cc_gy"]


# ------------------------------------------------------------------------------------------------------- paper


@pytest.mark.hazard("H17")
def test_course_on_paper_bounds_the_sum() -> None:
    """45 Gy in 25 to the whole organ: 45 (1.8 + 3) / 5 = 43.2, and 28 now: at most 71.2; the mean of the sum is not known, 28 at least."""
    found = result(case(paper(45, 25), NOW))
    assert found.cumulative.values["D2cc_gy"] == pytest.approx(71.2)
    assert found.cumulative.upper
    assert (found.cumulative.values["mean_gy"], found.cumulative.lower_bounds["mean_gy"]) == (None, pytest.approx(28))
    assert found.physical[0].values["max_gy"] == pytest.approx(45)
    assert found.eqd2[0].values["max_gy"] == pytest.approx(43.2)
    assert found.eqd2[1].values["mean_gy"] == pytest.approx(28)
    assert found.coverage == 1.0


def test_course_on_paper_given_twice_a_day() -> None:
    """45 in 30 of 1.5 Gy with Hm = 0.125: 45 (1.5 1.125 + 3) / 5."""
    found = result(case(paper(45, 30, timing=Timing(2, 6)), NOW, half_time_h={"rectum": 2.0}))
    assert found.eqd2[0].values["max_gy"] == pytest.approx(45 * (1.5 * 1.125 + 3) / 5)


def test_dvh_of_a_course_on_paper() -> None:
    """10 cc, of which 2 cc have 40 Gy or more and none more than 50, in 25: D2cc of the sum is at most that of 40 Gy here and the maximum there."""
    dose, volume = np.array([0.0, 40.0, 50.0]), np.array([10.0, 2.0, 0.0])
    curve = DvhCurve("Rectum", "cumulative", 10.0, dose, volume, dose, volume)
    found = result(case(paper(50, 25, curves={"Rectum": curve}, organs={"Rectum": "rectum"}), NOW))
    assert found.cumulative.values["max_gy"] == pytest.approx(50 + 28)
    assert found.physical[0].values["D2cc_gy"] == pytest.approx(50)  # 2 cc of 40 Gy or more: nothing above says more
    assert found.physical[0].lower_bounds["D2cc_gy"] == pytest.approx(40)


def test_large_single_fraction_on_paper_is_said() -> None:
    notices = [n for n in result(case(paper(12.5, 1), NOW)).notices if n.code == "lq_range"]
    assert [n.course for n in notices] == ["letter"]
    assert "up to 12.5 Gy per fraction" in notices[0].message
    assert [n.code for n in result(case(paper(20, 1), NOW)).notices] == ["lq_range_strong"]


# ------------------------------------------------------------------------------------------------------- recovery


@pytest.mark.hazard("H13")
def test_recovery_stands_beside_and_counts_from_each_course() -> None:
    """30 in 10 (36) two years before and 20 in 5 (28) eight months before: of the first half is forgotten, of the second a quarter; now 28."""
    then = course("then", "prior", 30, 10, last_day=dt.date(2020, 1, 1))
    later = course("later", "prior", 20, 5, last_day=dt.date(2021, 5, 1))
    steps = custom([(6, 0.25), (12, 0.5)], "tumour board")
    found = result(case(then, later, NOW, recovery={"rectum": RecoveryChoice(steps, "tumour board")}))
    assert found.cumulative.values["mean_gy"] == pytest.approx(36 + 28 + 28)
    assert found.with_recovery is not None
    assert found.with_recovery.values["mean_gy"] == pytest.approx(36 / 2 + 28 * 0.75 + 28)
    assert found.kept == {0: 0.5, 1: 0.75}
    assert found.physical[0].values["mean_gy"] == pytest.approx(30)


@pytest.mark.hazard("H13")
@pytest.mark.parametrize("last_day", [None, dt.date(2022, 1, 5)])
def test_nothing_is_forgotten_when_the_interval_is_unknown_or_negative(last_day: dt.date | None) -> None:
    then = course("then", "prior", 30, 10, last_day=last_day)
    found = result(case(then, NOW, recovery={"rectum": RecoveryChoice(recovery_models()["paradis_2019"])}))
    assert found.with_recovery is not None
    assert found.with_recovery.values == found.cumulative.values
    assert "interval" in found.recovered[0].reason


def test_organ_without_a_model_has_no_sum_after_recovery() -> None:
    then = course("then", "prior", 30, 10, last_day=dt.date(2020, 1, 1))
    found = result(case(then, NOW, recovery={"spinal_cord": RecoveryChoice(recovery_models()["doi_2021"])}))
    assert (found.with_recovery, found.kept, dict(found.recovered)) == (None, None, {})


def test_volume_is_that_of_the_box() -> None:
    assert result(case(NOW, organs=[(box_structure(), "rectum")])).volume_cc == pytest.approx(BOX_CC)


@pytest.mark.hazard("H15")
def test_statistics_with_paper_of_a_structure_smaller_than_a_metric() -> None:
    """7.5 cc in one plane of five is 1.5 cc: no D2cc, whatever the dose."""
    small = box_structure("Rectum", box=(-5.0, 0.0, 15.0, 35.0))  # 5 x 20 x 15 mm3 = 1.5 cc
    found = result(case(paper(45, 25), NOW, organs=[(small, "rectum")]))
    assert found.cumulative.values["D2cc_gy"] is None
    assert "less than the 2 cc of the metric" in found.cumulative.reasons["D2cc_gy"]
    assert found.cumulative.values["D1cc_gy"] == pytest.approx(71.2)


def test_repair_notice_only_where_a_half_time_is_assumed() -> None:
    """Published and stated half times need no word; a stated one of 1 h leaves nothing over night."""
    one = case(NOW, course("then", "prior", 30, 10, timing=Timing(2, 6)), organs=[(box_structure("Skin"), "skin")], half_time_h={"skin": 1.0})
    assert [n.code for n in case_notices(one) if "repair" in n.code or "half" in n.code] == []
    both = case(NOW, course("then", "prior", 30, 10, timing=Timing(2, 6)), organs=[(box_structure("Skin"), "skin"), (box_structure(), "rectum")])
    messages = {n.code: n.message for n in case_notices(both)}
    assert "4.4 h for rectum" in messages["half_time_convention"]
    assert "skin" not in messages["half_time_convention"]
    assert messages["repair_overnight"].startswith('4% to 6%, depending on the organ, of the damage of course "then"')
