"""Bands and flips: alpha/beta, recovery, fractions and shifts, every number by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from case_factory import box_structure, case, course, grid, limit, organ_dose, replaced, two_courses
from test_shifts import ramp

from reirrad.assessment import LimitChoice, assess
from reirrad.band import Band, Uncertainty, UncertaintyResult
from reirrad.course import Case, RecoveryChoice
from reirrad.dose import DoseGrid
from reirrad.errors import ParameterError
from reirrad.grid import Grid
from reirrad.limit import Clause, Limit
from reirrad.organsum import OrganSum
from reirrad.owndose import own_curve
from reirrad.papercourse import Paper
from reirrad.recovery import custom
from reirrad.registration import Rigid
from reirrad.scenarios import alpha_beta_bound, at_alpha_beta, recovery_ranges, with_fractions
from reirrad.situation import Situation
from reirrad.structures import Structure
from reirrad.uncertainty import bands

NOW = course("now", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))
CLAUSES = (Clause("this_course", "<=", 10.0, "Gy"),)
FIRST = course("first", "prior", 30, 10, last_day=dt.date(2021, 1, 1))


def result(one: Case, settings: Uncertainty, *limits: Limit) -> UncertaintyResult:
    assessment = assess(one, LimitChoice(limits, frozenset(x.id for x in limits), ()))
    priors = frozenset(k for k, c in enumerate(one.courses) if c.kind == "prior")
    names = {k: c.name for k, c in enumerate(one.courses)}
    situations = [Situation(k, one.courses[k].fractions, one.interval_months, names, priors) for k in one.proposed_courses]
    return bands(one, assessment.organs, assessment.findings, settings, situations)


def band(one: Case, settings: Uncertainty, a_limit: Limit) -> Band:
    (found,) = result(one, settings, a_limit).bands
    return found


# ------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "wrong", [{"shift_mm": 0}, {"shift_mm": -1}, {"shift_mm": 31}, {"shift_mm": float("nan")}, {"shift_mm": (0, 0, 0)}, {"rotation_deg": 11}, {"fractions": -1}]
)
def test_settings_that_mean_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Uncertainty(**wrong)


def test_shifts_of_the_settings() -> None:
    assert [len(Uncertainty(**s).shifts) for s in ({}, {"shift_mm": 3}, {"shift_mm": (3, 2, 1), "rotation_deg": 1}, {"rotation_deg": 1})] == [0, 32, 38, 6]


def test_without_any_factor_a_band_is_the_value() -> None:
    found = band(two_courses(), Uncertainty(), limit("D2cc", 80.0))
    assert (found.low, found.nominal, found.high, found.moves, found.factor) == (64.0, 64.0, 64.0, (), None)


# ------------------------------------------------------------------------------------------------------- alpha/beta


@pytest.mark.parametrize(("first", "second", "low", "high"), [((45, 25), (24, 2), 107.5, 146.0), ((30, 25), (10, 5), 32.0, 36.0)])
def test_bound_of_an_alpha_beta_interval(first: Any, second: Any, low: float, high: float) -> None:
    organ = OrganSum(organ_dose((0, first[1], [first[0]]), (1, second[1], [second[0]]), volumes_cc=[2.0]))
    assert alpha_beta_bound(organ, limit("Dmax", 100.0), (1.0, 4.0), None, None) == pytest.approx((low, high))


def test_bound_holds_where_the_value_is_largest_between_the_ends() -> None:
    # 45 Gy in 25 with 24 Gy in 2 falls from 146 to 107.5 Gy; 119 Gy in 70 rises from 107.1 to 112.9 Gy: the cooler of both is hottest where they meet
    organ = OrganSum(organ_dose((0, 25, [45, 0]), (1, 2, [24, 0]), (2, 70, [0, 119]), volumes_cc=[1.0, 1.0]))
    a_limit = limit("Dmin", 100.0)
    values = [organ.value(a_limit.metric, "Gy", "EQD2", ab, None).high or 0.0 for ab in np.linspace(1, 4, 61)]
    bound = alpha_beta_bound(organ, a_limit, (1.0, 4.0), None, None)
    assert max(values) > max(values[0], values[-1]) + 1
    assert bound is not None
    assert bound == pytest.approx((107.1, 119 * (1.7 + 4) / 6), rel=1e-3)
    assert bound[0] - 1e-4 < min(values) < max(values) < bound[1]


def test_no_bound_where_dose_is_not_known() -> None:
    half = organ_dose((0, 10, [30, np.nan]), volumes_cc=[1.0, 1.0])
    assert alpha_beta_bound(OrganSum(half), limit("Dmax", 100.0), (1.0, 4.0), None, None) is None
    assert alpha_beta_bound(OrganSum(half, {1: None}), limit("Dmax", 100.0), (1.0, 4.0), None, None) is None


def test_both_ends_of_the_interval_of_the_organ() -> None:
    # rectum 1.6 to 3.1 Gy; EQD2 = (170 + 50 ab) / (2 + ab): 69.44 and 63.73 Gy, at 3 Gy 64 Gy
    found = band(two_courses(), Uncertainty(alpha_beta=True), limit("D2cc", 66.0))
    assert (found.low, found.nominal, found.high) == pytest.approx((325 / 5.1, 64.0, 250 / 3.6), abs=1e-4)
    assert (found.status_low, found.status, found.status_high) == ("caution", "caution", "exceed")
    assert found.alpha_beta_bound == pytest.approx((325 / 5.1, 250 / 3.6), abs=1e-4)
    assert found.factor == "alpha_beta"
    (move,) = found.moves
    assert (move.low_scenario, move.high_scenario, move.n_scenarios) == (
        "alpha/beta 3.1 Gy, the upper end of the interval", "alpha/beta 1.6 Gy, the lower end of the interval", 2,
    )  # fmt: skip


def test_a_flip_is_told_in_words() -> None:
    (flip,) = result(two_courses(), Uncertainty(alpha_beta=True), limit("D2cc", 66.0)).flips
    assert flip.words == (
        "rectum-D2cc, Rectum: caution becomes exceed in 1 of 2 scenarios of the alpha/beta; furthest with alpha/beta 1.6 Gy, "
        "the lower end of the interval: 69.44 Gy"
    )


def test_a_limit_in_bed_is_held_as_the_eqd2_it_stands_for() -> None:
    # BED at 3 Gy is 5/3 of EQD2: 106.67 Gy; at 1.6 Gy EQD2 is 69.44 Gy, as much as 115.74 Gy of BED at 3 Gy
    found = band(two_courses(), Uncertainty(alpha_beta=True), limit("D2cc", 110.0, quantity="BED", caution=90.0))
    assert (found.nominal, found.high) == pytest.approx((64 * 5 / 3, 250 / 3.6 * 5 / 3), abs=1e-3)
    assert (found.status, found.status_high) == ("caution", "exceed")
    assert found.alpha_beta_bound == pytest.approx((325 / 5.1 * 5 / 3, 250 / 3.6 * 5 / 3), abs=1e-3)


def test_a_volume_at_a_bed_is_one_at_the_eqd2_it_stands_for() -> None:
    # all of it receives 64 Gy EQD2; V110Gy in BED at 3 Gy is V66Gy in EQD2: none of it, but all at 1.6 Gy
    one, scale = at_alpha_beta(limit("V110Gy", 10.0, quantity="BED", unit="%"), 1.6)
    assert (one.metric.argument, one.limit, one.quantity, one.alpha_beta_gy, scale) == (pytest.approx(66.0), 10.0, "EQD2", 1.6, 1.0)
    found = band(two_courses(), Uncertainty(alpha_beta=True), limit("V110Gy", 10.0, quantity="BED", unit="%"))
    assert (found.nominal, found.high) == (0.0, 100.0)


def test_a_limit_of_one_course_has_its_own_band() -> None:
    # 20 Gy in 5: 20 (4 + ab) / (2 + ab)
    found = band(two_courses(), Uncertainty(alpha_beta=True, fractions=1, shift_mm=2), limit("D2cc", 30.0, scope="course"))
    assert (found.low, found.high, found.course) == (pytest.approx(142 / 5.1, abs=1e-4), pytest.approx(112 / 3.6, abs=1e-4), 1)
    assert [m.factor for m in found.moves] == ["alpha_beta"]


def test_no_interval_or_no_alpha_beta_is_no_factor() -> None:
    stem = case(FIRST, NOW, organs=[(box_structure("Brainstem"), "brainstem")])
    assert band(stem, Uncertainty(alpha_beta=True), limit("D2cc", 80.0, "brainstem")).moves == ()
    assert band(two_courses(), Uncertainty(alpha_beta=True), limit("D2cc", 80.0, quantity="physical", scope="course")).moves == ()


# ------------------------------------------------------------------------------------------------------- recovery


def with_recovery(organ: str = "rectum", first: Any = FIRST) -> Case:
    return case(first, NOW, organs=[(box_structure("Organ"), organ)], recovery={organ: RecoveryChoice(custom([(6, 0.25)], "board"), "asked for")})


def test_recovery_from_none_to_the_largest_model() -> None:
    # 36 Gy and 28 Gy: a quarter forgiven 55 Gy; after 12 months models say 0 to a half: 64 to 46 Gy
    found = band(with_recovery(), Uncertainty(recovery=True), limit("D2cc", 60.0, recovery="discounted"))
    assert (found.low, found.nominal, found.high) == pytest.approx((46.0, 55.0, 64.0))
    assert (found.status_low, found.status, found.status_high) == ("caution", "caution", "exceed")
    assert found.moves[0].high_scenario == 'the least recovery of the models: 0 % of "first"'
    assert found.moves[0].low_scenario == 'the largest recovery of the models: 50 % of "first"'


@pytest.mark.parametrize("kind", ["raw", "built_in", "not_stated"])
def test_other_limits_never_see_recovery(kind: str) -> None:
    found = band(with_recovery(), Uncertainty(recovery=True), limit("D2cc", 60.0, recovery=kind))
    assert (found.low, found.nominal, found.high, found.moves) == (64.0, 64.0, 64.0, ())


def test_no_range_without_an_interval_or_a_choice_or_recovery_of_the_organ() -> None:
    after = limit("D2cc", 60.0, recovery="discounted")
    assert band(with_recovery(first=course("first", "prior", 30, 10)), Uncertainty(recovery=True), after).moves == ()
    assert band(with_recovery(first=replaced(FIRST, last_day=dt.date(2022, 3, 1))), Uncertainty(recovery=True), after).moves == ()
    assert band(two_courses(), Uncertainty(recovery=True), after).moves == ()
    assert recovery_ranges(two_courses(), "bladder", {0: 1.0}) == {}
    assert recovery_ranges(two_courses(), "bladder", {0: 0.75}) == {0: (0.0, 0.5)}


# ------------------------------------------------------------------------------------------------------- fractions

# 33 Gy in 11: 39.6 Gy; 27 in 9: 32.4 Gy; 30 in 11: 34.36 Gy; 30 in 9: 38 Gy; and 28 Gy of the second course
AS_DELIVERED = {
    '9 fractions of "first" delivered, not 10, and dose with them': 60.4,
    'the same dose of "first" in 9 fractions, not 10': 66.0,
    '11 fractions of "first" delivered, not 10, and dose with them': 67.6,
    'the same dose of "first" in 11 fractions, not 10': 28 + 30 * (30 / 11 + 3) / 5,
}


def test_fractions_of_an_earlier_course_off_by_one() -> None:
    found = band(two_courses(), Uncertainty(fractions=1), limit("D2cc", 80.0))
    (move,) = found.moves
    assert (move.low, move.high, move.n_scenarios) == (pytest.approx(60.4), pytest.approx(67.6), 4)
    assert (AS_DELIVERED[move.low_scenario or ""], AS_DELIVERED[move.high_scenario or ""]) == (pytest.approx(move.low), pytest.approx(move.high))


def test_each_scenario_of_fractions() -> None:
    organ = OrganSum(organ_dose((0, 10, [30]), (1, 5, [20]), volumes_cc=[1.0]))
    scenarios = [(n, scales) for n in (9, 11) for scales in (True, False)]
    found = [with_fractions(organ, 0, 10, n, scales).dose.eqd2(3.0).max_gy() for n, scales in scenarios]
    assert found == pytest.approx(list(AS_DELIVERED.values()), rel=1e-6)


def test_a_single_fraction_cannot_be_one_less() -> None:
    one = case(course("first", "prior", 8, 1, last_day=dt.date(2021, 1, 1)), NOW)
    found = band(one, Uncertainty(fractions=1), limit("D2cc", 80.0))
    assert found.moves[0].n_scenarios == 2
    assert found.high == pytest.approx(28 + 16 * (8 + 3) / 5)  # a second fraction of 8 Gy
    assert found.low == pytest.approx(28 + 8 * (4 + 3) / 5)


def test_fractions_of_a_course_on_paper() -> None:
    letter = course("letter", "prior", 0, 1, phases=(), paper=Paper(30, 10, 10, {"Rectum": {"Dmax": 30.0, "Dmean": 20.0}}, {}, {}))
    found = band(case(letter, NOW), Uncertainty(fractions=1, shift_mm=2), limit("Dmax", 80.0))
    assert (found.low, found.nominal, found.high) == pytest.approx((60.4, 64.0, 67.6))
    assert [m.factor for m in found.moves] == ["fractions"]


def test_fractions_of_a_course_read_on_its_own_structure() -> None:
    own = own_curve(replaced(organ_dose((0, 10, [30]), volumes_cc=[3.0], edge_gy=[[30]])))
    organ = OrganSum(organ_dose((1, 5, [20]), volumes_cc=[3.0], edge_gy=[[20]]), {0: own}, {0: "first", 1: "now"}, frozenset({0}))
    scenarios = [(n, scales) for n in (9, 11) for scales in (True, False)]
    dmax = limit("Dmax").metric
    found = [with_fractions(organ, 0, 10, n, scales).value(dmax, "Gy", "EQD2", 3.0).high for n, scales in scenarios]
    assert found == pytest.approx(list(AS_DELIVERED.values()), rel=1e-6)


def test_a_course_without_registration_is_not_shifted() -> None:
    earlier = replaced(FIRST, phases=course("", "prior", ramp((0.5, 0, 0)), 10).phases, structures=(box_structure(),), frame_uid="1.9")
    found = result(case(earlier, NOW, registration=("none", "same_frame")), Uncertainty(shift_mm=2), limit("Dmax", 100.0))
    assert [n.code for n in found.notices] == ["shift_moves_nothing"]
    assert (found.bands[0].nominal, found.bands[0].high) == pytest.approx((84.0, 84.0), abs=2e-3)
    assert found.bands[0].bound == "upper"


def test_slow_sessions_keep_their_quadratic_factor() -> None:
    organ = OrganSum(replaced(organ_dose((0, 10, [30]), volumes_cc=[1.0], edge_gy=[[30]]), repair=np.array([1.5])))
    # 27 Gy in 9: (3 x 27 + 1.5 x 27^2 / 9) / 5
    assert with_fractions(organ, 0, 10, 9, scales_dose=True).dose.eqd2(3.0).dose_gy == pytest.approx([(81 + 1.5 * 81) / 5])
    assert with_fractions(organ, 0, 10, 9, scales_dose=False).dose.eqd2(3.0).edge_gy == pytest.approx([(90 + 1.5 * 100) / 5])


# ------------------------------------------------------------------------------------------------------- shifts


def test_shift_of_a_ramp() -> None:
    # 30 + x/2 Gy in 10; the organ from x = -5 to 20: at most 40 Gy, moved by 2 mm to the left 39, to the right 41 Gy; and 28 Gy
    one = case(replaced(FIRST, phases=course("", "prior", ramp((0.5, 0, 0)), 10).phases), NOW)
    found = band(one, Uncertainty(shift_mm=2), limit("Dmax", 85.0))
    expected = [28 + d * (d / 10 + 3) / 5 for d in (39, 40, 41)]
    assert (found.low, found.nominal, found.high) == pytest.approx(expected, abs=2e-3)
    assert (found.status, found.status_high, found.factor) == ("caution", "exceed", "shift")
    (move,) = found.moves
    assert (move.low_scenario, move.high_scenario) == ("earlier dose moved by 2 mm to the left", "earlier dose moved by 2 mm to the right")
    assert move.n_scenarios == 32
    assert found.searched is not None
    assert found.searched.anywhere == pytest.approx(expected[2], abs=2e-3)
    assert (found.searched.status_anywhere, found.searched.fallback_cc) == ("exceed", pytest.approx(7.5))
    assert found.searched.reason == 'the organ is not contoured in "first", or not in one structure'


def test_search_inside_the_earlier_organ_knows_its_border() -> None:
    earlier = replaced(FIRST, phases=course("", "prior", ramp((0.5, 0, 0)), 10).phases, structures=(box_structure(),))
    found = band(case(earlier, NOW), Uncertainty(shift_mm=2), limit("Dmax", 85.0)).searched
    assert found is not None
    assert found.anywhere == pytest.approx(28 + 41 * (41 / 10 + 3) / 5, abs=2e-3)
    assert found.inside == pytest.approx(28 + 40 * (40 / 10 + 3) / 5, abs=0.25)  # half a lattice cell beyond x = 20 at most
    assert (found.reason, found.fallback_cc) == ("", pytest.approx(0, abs=0.05))


def test_search_looks_in_the_frame_of_the_earlier_course() -> None:
    away = np.eye(4)
    away[:3, 3] = 100, 0, 0
    prior = ramp((0.5, 0, 0))
    moved_grid = Grid(np.eye(3), prior.grid.u_mm + 100, prior.grid.v_mm, prior.grid.w_mm)
    there = box_structure(box=(95.0, 120.0, 15.0, 35.0))
    earlier = replaced(FIRST, phases=course("", "prior", DoseGrid(moved_grid, prior.dose_gy, "1.9"), 10).phases, structures=(there,), frame_uid="1.9")
    found = band(case(earlier, NOW, transforms=(Rigid(away), None)), Uncertainty(shift_mm=2), limit("Dmax", 85.0))
    assert found.high == pytest.approx(28 + 41 * (41 / 10 + 3) / 5, abs=2e-3)
    assert found.searched is not None
    assert found.searched.inside == pytest.approx(28 + 40 * (40 / 10 + 3) / 5, abs=0.25)


def test_spared_volume_has_no_voxel_search() -> None:
    one = case(replaced(FIRST, phases=course("", "prior", ramp((0.5, 0, 0)), 10).phases), NOW)
    found = band(one, Uncertainty(shift_mm=2), limit("CV75Gy", 2.0, unit="cc", comparator=">="))
    assert found.searched is None
    assert found.low < found.nominal < found.high


def test_a_flat_earlier_dose_does_not_care_for_shifts() -> None:
    found = band(two_courses(), Uncertainty(shift_mm=2), limit("D2cc", 80.0))
    assert (found.low, found.high, found.moves[0].n_scenarios, found.factor) == (64.0, 64.0, 32, None)
    assert found.searched is not None
    assert (found.searched.anywhere, found.searched.inside, found.searched.reason) == (64.0, 64.0, "")


def test_courses_of_several_frames_are_shifted_together_and_alone() -> None:
    slopes = ((0.5, 0, 0), (-0.5, 0, 0))
    one, two = (replaced(FIRST, name=n, frame_uid=n, phases=course("", "prior", ramp(s), 10).phases) for n, s in zip("ab", slopes, strict=True))
    found = band(case(one, two, NOW), Uncertainty(shift_mm=2), limit("D2cc", 200.0))
    (move,) = found.moves
    assert move.n_scenarios == 3 * 32
    assert move.high_scenario is not None
    assert move.high_scenario.endswith(" alone")


def test_dose_that_is_left_by_a_shift_is_told() -> None:
    one = case(replaced(FIRST, phases=course("", "prior", ramp((0.5, 0, 0)), 10).phases), NOW)
    found = result(one, Uncertainty(shift_mm=(4, 0, 0)), limit("D2cc", 80.0))
    (notice,) = found.notices
    assert (notice.code, notice.structure) == ("shift_leaves_dose_grid", "Rectum")
    assert notice.message.startswith("Up to 0.3")


def test_nothing_to_shift_is_told() -> None:
    found = result(case(NOW), Uncertainty(shift_mm=2), limit("D2cc", 80.0))
    assert [n.code for n in found.notices] == ["shift_moves_nothing"]
    assert found.bands[0].moves == ()


def test_partly_known_dose_stays_a_lower_bound() -> None:
    # the earlier dose begins at x = 0: a fifth of the organ is unknown, the rest at least 40 Gy
    g = grid()
    known = DoseGrid(Grid(np.eye(3), g.u_mm[2:], g.v_mm, g.w_mm), ramp((0.5, 0, 0)).dose_gy[:, :, 2:].copy(), "1.2.3.100")
    one = case(replaced(FIRST, phases=course("", "prior", known, 10).phases), NOW)
    exceeded = band(one, Uncertainty(shift_mm=2), limit("Dmax", 82.0))
    # moved by 2 mm to the left 81.82 Gy are no proof; the lowest proof is that of sqrt(2) mm to the left
    assert (exceeded.nominal, exceeded.low, exceeded.bound) == (pytest.approx(84.0, abs=2e-3), pytest.approx(82.454, abs=2e-3), "lower")
    assert exceeded.high == pytest.approx(28 + 41 * 7.1 / 5, abs=2e-3)
    lost = [f for f in result(one, Uncertainty(shift_mm=2), limit("Dmax", 82.0)).flips if f.to_status == "not_evaluable"]
    assert [(f.value, f.n_scenarios, f.n_of) for f in lost] == [(None, 1, 32)]
    assert lost[0].words.endswith("not_evaluable in 1 of 32 scenarios of the registration; furthest with earlier dose moved by 2 mm to the left")


# ------------------------------------------------------------------------------------------------------- the whole


def test_findings_without_a_band_are_listed_with_the_reason() -> None:
    open_line = replaced(box_structure("Bladder"), n_open_alone=1)
    organs = [(box_structure(), "rectum"), (open_line, "bladder"), (Structure("Cord", 3, ()), "spinal_cord"), (box_structure("Kidney_L"), "kidney")]
    limits = [
        limit("D2cc", 80.0), limit("D2cc", 80.0, "bladder"), limit("D2cc", 50.0, "spinal_cord"), limit("D2cc", 20.0, "kidney", combine_sides=True),
        limit("D50cc", 80.0, id="too large"), limit("D2cc", 60.0, "brainstem"),
        limit("D1cc", 80.0, id="many fractions", min_fractions=20), limit("D1cc", 80.0, id="rule", min_fractions=20, clauses=CLAUSES),
        limit("D50cc", 80.0, id="large rule", clauses=CLAUSES),
    ]  # fmt: skip
    found = result(case(FIRST, NOW, organs=organs), Uncertainty(fractions=1), *limits)
    assert [b.structure for b in found.bands] == ["Rectum"]
    reasons = {s.limit_id: s.reason for s in found.skipped}
    assert reasons["bladder-D2cc"] == reasons["spinal_cord-D2cc"] == "the structure has no closed contours, or open lines were left out of it"
    assert reasons["kidney-D2cc"].startswith("not evaluable: the limit is for both sides together")
    assert reasons["brainstem-D2cc"].startswith("the limit is for both sides together or has no structure")
    assert reasons["many fractions"] == reasons["rule"] == "not evaluable: the limit is for other numbers of fractions than the 5 proposed"
    assert reasons["too large"] == reasons["large rule"] == "not evaluable: the structure has 7.5 cc, less than the 50 cc of the metric"
    assert len(reasons) == 8


def test_bands_keep_the_order_of_findings_and_clauses_are_left_out() -> None:
    organs = [(box_structure(), "rectum"), (box_structure("Bladder"), "bladder")]
    rule = limit("D2cc", 80.0, "bladder", clauses=CLAUSES)
    found = result(case(FIRST, NOW, organs=organs), Uncertainty(fractions=1), limit("D2cc", 90.0), rule, limit("Dmax", 90.0))
    assert [(b.limit_id, b.structure) for b in found.bands] == [("rectum-D2cc", "Rectum"), ("rectum-Dmax", "Rectum"), ("bladder-D2cc", "Bladder")]
    assert (found.bands[2].status, found.bands[2].other_rule_status) == ("pass", "exceed")
    assert found.bands[0].other_rule_status is None


def test_the_same_case_has_the_same_result() -> None:
    one = case(replaced(FIRST, phases=course("", "prior", ramp((0.5, 0.2, 0)), 10).phases), NOW)
    settings = Uncertainty(2.0, 1.0, True, True, 1)
    a_limit = limit("Dmean", 60.0)
    first = result(one, settings, a_limit)
    assert first == result(one, settings, a_limit)
    assert [m.factor for m in first.bands[0].moves] == ["shift", "alpha_beta", "fractions"]
