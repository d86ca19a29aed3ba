"""Bounds from single organ doses: against brute force on distributions at common points, and cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reirrad import paper as module
from reirrad.dvh import Dvh, Undefined
from reirrad.errors import ParameterError, ReirradError
from reirrad.metrics import parse_metric
from reirrad.paper import PaperDose, asked_volume_cc, customary_near_max_gy, lower_near_max_gy, upper_near_max_gy

NAN = float("nan")
FINE = 20  # points for each voxel of 1 cc


def known(*doses, edge=()):
    """Voxels of 1 cc, each of many points."""
    return Dvh(np.repeat(np.asarray(doses, np.float32), FINE), np.full(FINE * len(doses), 1 / FINE), np.asarray(edge, np.float32))


def d_v(doses, volume):
    """Least dose of the hottest volume of voxels of 1 cc: the definition, by sorting."""
    return sorted(doses, reverse=True)[max(math.ceil(volume) - 1, 0)]


def points(*pairs, fractions=1, **more):
    volumes, doses = np.array(pairs, float).reshape(-1, 2).T
    return PaperDose(volumes, doses, fractions, **more)


def physical(function, dvh, papers, volume, kept=None):
    return function(dvh, papers, volume, None, "physical", kept)


def test_between_known_volumes_only_bounds_hold():
    dose = points((0.1, 45), (2, 38))
    assert [dose.upper_gy(v) for v in (0, 0.05, 0.1, 1, 2, 9)] == [math.inf, math.inf, 45, 45, 38, 38]
    assert [dose.lower_gy(v) for v in (0, 0.05, 0.1, 1, 2, 9)] == [45, 45, 45, 38, 38, 0]


def test_organ_doses_as_a_letter_states_them():
    dose = PaperDose.from_organ_doses({"D2cc": 38, "max": 50, "D_0.1 cc": 45, "Dmean": 12, "D10%": 30, "Dmin": 3}, 25, organ_cc=60, repair=1.1)
    assert dose.volumes_cc.tolist() == [0, 0.1, 2, 6]
    assert dose.doses_gy.tolist() == [50, 45, 38, 30]
    assert (dose.mean_gy, dose.fractions, dose.repair, dose.grade, dose.organ_cc) == (12, 25, 1.1, "C", 60)
    assert (dose.upper_gy(40), dose.lower_gy(40)) == (30, 3)  # the minimum bounds from below only
    assert PaperDose.from_organ_doses({"D2cc": 38, "D_2cc": 38}, 5).volumes_cc.tolist() == [2]


def test_a_mean_bounds_no_near_maximum():
    dose = PaperDose.from_organ_doses({"Dmean": 12, "mean": 12}, 5)
    assert (dose.mean_gy, dose.upper_gy(2), dose.lower_gy(2)) == (12, math.inf, 0)


@pytest.mark.parametrize(
    ("doses", "found"),
    [
        ({}, "empty"),
        ({"D2cc": 46, "D0.1cc": 45}, "D2cc is 46 Gy, but D0.1cc is 45 Gy"),
        ({"Dmax": 44, "D0.1cc": 45}, "D0.1cc is 45 Gy, but Dmax is 44 Gy"),
        ({"D2cc": 38, "Dmin": 39}, "Dmin is 39 Gy, but D2cc is 38 Gy"),
        ({"D2cc": 38, "D_2cc": 37}, "38 Gy at once"),
        ({"Dmean": 12, "mean": 13}, "twice"),
        ({"Dmean": 50, "Dmax": 45}, "Dmean is 50 Gy"),
        ({"Dmean": 2, "Dmin": 3}, "Dmean is 2 Gy"),
        ({"D2%": 40}, "needed is the volume of the organ"),
        ({"gEUD8": 40}, "needed is Dmax or a dose at a volume"),
        ({"V20Gy": 40}, "needed is Dmax or a dose at a volume"),
        ({"D2cc": -1}, "D2cc is -1"),
        ({"D2cc": NAN}, "D2cc is nan"),
        ({"D2": 40}, "whether the volume is in cc"),
    ],
)
def test_organ_doses_that_cannot_be_used_are_refused(doses, found):
    with pytest.raises(ReirradError, match=found):
        PaperDose.from_organ_doses(doses, 25)


def test_an_organ_smaller_than_the_volume_of_its_dose_is_refused():
    with pytest.raises(ParameterError, match="D5cc is stated of an organ of 3 cc"):
        PaperDose.from_organ_doses({"D5cc": 20}, 25, organ_cc=3)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"fractions": 0}, "fractions"),
        ({"repair": 0.0}, "repair"),
        ({"organ_cc": -1.0}, "organ_cc"),
        ({"mean_gy": NAN}, "mean_gy"),
        ({"volumes_cc": np.array([2.0, 1.0])}, "must rise"),
        ({"volumes_cc": np.array([-1.0, 1.0])}, "must rise"),
        ({"volumes_cc": np.array([NAN, 1.0])}, "must rise"),
        ({"volumes_cc": np.array([1.0])}, "one dose for each volume"),
        ({"doses_gy": np.array([30.0, 31.0])}, "fall with volume"),
        ({"doses_gy": np.array([30.0, -1.0])}, "not negative"),
        ({"doses_gy": np.array([np.inf, 31.0])}, "finite"),
        ({"floor_volumes_cc": np.array([1.0])}, "belong together"),
        ({"floor_volumes_cc": np.array([1.0]), "floor_doses_gy": np.array([NAN])}, "finite"),
    ],
)
def test_what_is_no_falling_curve_is_refused(change, found):
    values = {"volumes_cc": np.array([1.0, 2.0]), "doses_gy": np.array([31.0, 30.0]), "fractions": 5} | change
    with pytest.raises(ParameterError, match=found):
        PaperDose(**values)


def test_the_prescription_to_the_whole_organ():
    dose = PaperDose.uniform(50, 25, repair=1.2)
    assert (dose.grade, dose.fractions, dose.repair) == ("D", 25, 1.2)
    assert [dose.upper_gy(v) for v in (0, 2, 500)] == [50, 50, 50]
    assert [dose.lower_gy(v) for v in (0, 2)] == [0, 0]  # the organ may lie outside the fields


def test_a_curve_keeps_the_points_that_say_something():
    volumes, doses = np.array([2.0, 0.0, 1.0, 3.0, 2.0]), np.array([30.0, 40.0, 40.0, 35.0, 31.0])
    dose = PaperDose.from_curve(volumes, doses, 5, floor=(np.array([1.0, 2.0, 1.5, 2.0]), np.array([20.0, 25.0, 22.0, 24.0])), organ_cc=9, repair=0.9)
    assert dose.volumes_cc.tolist() == [0, 2]
    assert dose.doses_gy.tolist() == [40, 30]
    assert [dose.lower_gy(v) for v in (0, 1, 2, 2.1)] == [25, 25, 25, 0]
    assert (dose.organ_cc, dose.repair) == (9, 0.9)
    assert PaperDose.from_curve(volumes, doses, 5).lower_gy(0) == 0
    up_and_down = PaperDose.from_curve(np.arange(5.0), np.array([40.0, 30.0, 38.0, 35.0, 20.0]), 5)
    assert up_and_down.doses_gy.tolist() == [40, 30, 20]


def test_delivered_in_part():
    dose = PaperDose.from_organ_doses({"Dmax": 60, "Dmean": 30}, 30).delivered(22)
    assert (dose.upper_gy(0), dose.lower_gy(0), dose.mean_gy, dose.fractions) == (44, 44, 22, 22)
    assert float(dose.convert(np.array(44.0), 2, "EQD2")) == 44
    bare = points((0, 60), fractions=30).delivered(15)
    assert (bare.upper_gy(0), bare.lower_gy(0), bare.mean_gy) == (30, 30, None)
    with pytest.raises(ParameterError, match="31 delivered fractions are more than the 30"):
        points((0, 60), fractions=30).delivered(31)


def test_quantities_by_hand():
    dose, gy = points((0, 30), fractions=10), np.array([30.0, 20.0])
    assert dose.convert(gy, 2, "EQD2").tolist() == [37.5, 20]
    assert dose.convert(gy, 2, "BED").tolist() == [75, 40]
    assert dose.convert(gy, None, "physical").tolist() == [30, 20]
    # repair multiplies the quadratic term: 30 + 1.5 * 900 / (10 * 2)
    assert points((0, 30), fractions=10, repair=1.5).convert(np.array(30.0), 2, "BED") == pytest.approx(97.5)
    with pytest.raises(ParameterError, match="EQD2 needs alpha_beta_gy"):
        dose.convert(gy, None, "EQD2")


@pytest.mark.parametrize(("metric", "organ_cc", "volume"), [("Dmax", None, 0), ("D2cc", None, 2), ("D2%", 60, 1.2)])
def test_volume_of_a_metric(metric, organ_cc, volume):
    assert asked_volume_cc(parse_metric(metric), organ_cc) == volume


@pytest.mark.parametrize(
    ("metric", "reason"),
    [("Dmean", "the mean"), ("Dmin", "the minimum"), ("V20Gy", "a volume above"), ("CV20Gy", "a spared"), ("gEUD8", "gEUD"), ("D2%", "volume of the")],
)
def test_what_single_doses_say_nothing_about(metric, reason):
    with pytest.raises(Undefined, match=reason):
        asked_volume_cc(parse_metric(metric), None)


def test_two_disjoint_hot_halves():
    """[45, 5] + [5, 45]: no part has more than 50, but the maxima prove 90 only."""
    paper, rest = points((0, 45), (1, 45)), known(5, 45)
    assert physical(upper_near_max_gy, rest, [paper], 0) == 90
    assert physical(customary_near_max_gy, rest, [paper], 0) == 90
    assert physical(lower_near_max_gy, rest, [paper], 0) == 45
    # with the whole curve of the other course, more than half the organ: 45 + 5 or 5 + 45
    whole = points((0, 45), (1.001, 5))
    assert physical(upper_near_max_gy, rest, [whole], 1.5) == 50


def test_the_customary_sum_is_no_bound():
    """1 cc of 40 Gy and another cc of 30 Gy: the hottest 1.5 cc have 30 Gy at least, D1.5cc of each course is 0."""
    paper, rest = points((0, 40), (1.001, 0)), known(0, 30, 0)
    assert d_v([40, 30, 0], 1.5) == 30
    assert physical(customary_near_max_gy, rest, [paper], 1.5) == 0
    assert physical(upper_near_max_gy, rest, [paper], 1.5) == 30


@pytest.mark.hazard("H25")
def test_one_known_volume_leaves_the_maximum_to_the_other_course():
    paper, rest = points((0.1, 30), fractions=10), known(10, 20, edge=[24])
    assert upper_near_max_gy(rest, [paper], 0.1, 2) == 37.5 + 24
    assert upper_near_max_gy(rest, [paper], 0.1, 2, kept=[0.5]) == 18.75 + 24
    assert upper_near_max_gy(rest, [paper], 1.3, 2) == pytest.approx(37.5 + 10)  # 0.1 cc + 1.2 cc
    assert customary_near_max_gy(rest, [paper], 0.7, 2) == 37.5 + 20
    assert customary_near_max_gy(None, [paper], 0.7, 2, kept=[0.2]) == 7.5
    assert lower_near_max_gy(rest, [paper], 0.1, 2) == 37.5
    assert lower_near_max_gy(rest, [paper], 0.1, 2, kept=[0.5]) == 20
    assert lower_near_max_gy(None, [paper], 0.2, 2) == 0
    assert upper_near_max_gy(rest, [], 0, None, "physical") == 24


def test_several_courses_share_the_volume():
    one, two = points((0, 50), (1, 30)), points((0, 40), (1, 10))
    assert physical(upper_near_max_gy, None, [one, two], 0) == 90
    assert physical(upper_near_max_gy, None, [one, two], 1) == 60  # 50 + 10, not 30 + 10
    assert physical(upper_near_max_gy, None, [one, two], 2) == 40
    assert physical(customary_near_max_gy, None, [one, two], 1) == 40


def test_why_a_sum_is_not_bounded():
    two_cc = points((2, 30))
    with pytest.raises(Undefined, match=r"not known at 0\.1 cc or less"):
        physical(upper_near_max_gy, known(10), [two_cc], 0.1)
    with pytest.raises(Undefined, match="not known at its maximum or less"):
        physical(customary_near_max_gy, None, [two_cc], 0)
    with pytest.raises(Undefined, match="together larger than 2 cc"):
        physical(upper_near_max_gy, None, [two_cc, two_cc], 2)
    with pytest.raises(Undefined, match="has 1 cc, less than the 2 cc of the metric"):
        physical(upper_near_max_gy, known(10), [two_cc], 2)
    with pytest.raises(Undefined, match=r"earlier course has 1\.5 cc, less than the 2 cc"):
        physical(upper_near_max_gy, None, [points((0, 30), organ_cc=1.5)], 2)
    with pytest.raises(Undefined, match="no course"):
        physical(lower_near_max_gy, None, [], 2)


def test_unknown_dose_is_not_zero():
    partly = Dvh(np.array([30, NAN, NAN], np.float32), np.array([1.0, 1.0, 1.0]), np.empty(0, np.float32))
    with pytest.raises(Undefined, match="not known in 67 %"):
        physical(upper_near_max_gy, partly, [points((0, 10))], 2)
    assert physical(lower_near_max_gy, partly, [points((0, 10))], 0.5) == 30  # what is known of a part holds for the whole
    assert physical(lower_near_max_gy, partly, [points((0, 10))], 2) == 0
    nothing = Dvh(np.array([NAN], np.float32), np.ones(1), np.empty(0, np.float32))
    assert physical(lower_near_max_gy, nothing, [points((0, 10))], 0) == 10


def test_a_part_is_stated_for_each_course():
    with pytest.raises(ParameterError, match="2 values for 1 courses"):
        physical(upper_near_max_gy, None, [points((0, 10))], 0, [1, 1])
    with pytest.raises(ParameterError, match="kept"):
        physical(upper_near_max_gy, None, [points((0, 10))], 0, [NAN])
    with pytest.raises(ParameterError, match="volume_cc"):
        physical(upper_near_max_gy, None, [points((0, 10))], -1)


def test_fewer_points_loosen_a_bound_only(monkeypatch):
    volumes = np.linspace(0, 4, 41)
    one, two = (PaperDose(volumes, top - 5 * volumes, 1) for top in (50, 40))
    exact = physical(upper_near_max_gy, None, [one, two], 3)
    assert exact == pytest.approx(75)  # 90 - 5 * 3, however 3 cc are shared
    monkeypatch.setattr(module, "MOST_POINTS", 6)
    assert exact <= physical(upper_near_max_gy, None, [one, two], 3) <= exact + 10


voxels = st.lists(st.tuples(*[st.integers(0, 60)] * 3), min_size=3, max_size=7)


@settings(max_examples=60, deadline=None)
@given(voxels, st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)), st.integers(0, 6), st.booleans())
def test_brute_force_on_distributions_at_common_points(doses, some, others, k, with_max):
    a, b, c = np.array(doses, float).T
    n = len(doses)
    volume = min(k, n - 1) + 0.75

    def paper(values, at, fractions):
        volumes = sorted({j + 0.25 for j in at if j < n} | ({0.0} if with_max else {0.25}))
        return points(*[(v, d_v(values, v)) for v in volumes], fractions=fractions, repair=1.3)

    def eqd2(values, fractions):
        return (1.3 * values**2 / fractions + 3 * values) / 5

    first, second = paper(a, some, 5), paper(b, others, 3)
    kept = [0.6, 1.0]
    total = 0.6 * eqd2(a, 5) + eqd2(b, 3) + c
    truth = d_v(total, volume)
    assert upper_near_max_gy(known(*c), [first, second], volume, 3, kept=kept) >= truth - 1e-3
    assert lower_near_max_gy(known(*c), [first, second], volume, 3, kept=kept) <= truth + 1e-3
    assert upper_near_max_gy(None, [first, second], volume, 3, kept=kept) >= d_v(total - c, volume) - 1e-9
    if with_max:
        top = upper_near_max_gy(known(*c), [first, second], 0, 3, kept=kept)
        assert top >= total.max() - 1e-3
        assert top == pytest.approx(0.6 * eqd2(a, 5).max() + eqd2(b, 3).max() + c.max(), abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(voxels, st.integers(0, 2))
def test_a_whole_curve_is_at_least_as_tight_as_two_halves(doses, k):
    a, b, _ = np.array(doses, float).T
    volume = k + 0.5
    volumes = sorted({j / 4 + 1e-6 for j in range(4 * len(doses) - 1)} | {volume / 2, 0.0})
    one, two = (points(*[(v, d_v(values, v)) for v in volumes]) for values in (a, b))
    bound = physical(upper_near_max_gy, None, [one, two], volume)
    assert d_v(a + b, volume) <= bound <= d_v(a, volume / 2) + d_v(b, volume / 2)
