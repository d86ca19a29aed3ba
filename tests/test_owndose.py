"""A course on its own contours: its near-maxima in sums, exact and as bounds, and the alarm when a sum cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_factory import BOX_CC, box_structure, course, organ_dose

from reirrad.dvh import Undefined
from reirrad.errors import ParameterError
from reirrad.metrics import parse_metric
from reirrad.organsum import OrganSum, joined
from reirrad.owndose import CurveDose, maximum_alarm, maximum_notices, own_curve, own_maximum_gy, own_organ_dose
from reirrad.paper import PaperDose, customary_near_max_gy, lower_near_max_gy, upper_near_max_gy
from reirrad.radiobiology import eqd2

# 40 Gy in 1 cc, 20 Gy in 2 cc, 10 Gy in 1 cc, in 10 fractions; EQD2 at alpha/beta 2: 60, 20, 7.5 Gy.
ONE = organ_dose((0, 10, [10, 40, 20]), volumes_cc=[1, 1, 2])
# 40 Gy in 20 fractions, then 16 Gy in 2, not at the same points: physical 56, 40, 16; EQD2 at alpha/beta 2: 40 + 40 = 80, 40, 40.
TWO = organ_dose((0, 20, [40, 40, 0]), (0, 2, [16, 0, 16]), volumes_cc=[1, 1, 2])


def test_a_course_is_read_on_its_own_structure():
    """60 Gy even in 30 fractions over a box of 7.5 cc."""
    own = own_organ_dose(course("first", "prior", 60.0, 30), box_structure(), "cubic", 5.0)
    assert own.dose.volumes_cc.sum() == pytest.approx(BOX_CC)
    assert own_maximum_gy(own.dose, 3.0) == pytest.approx(60.0)
    assert own.dose.repair is None
    doubled = own_organ_dose(course("first", "prior", 60.0, 30), box_structure(), "cubic", 5.0, lambda n: n / 15)
    assert own_maximum_gy(doubled.dose, 3.0) == pytest.approx((3 * 60 + 2 * 60**2 / 30) / 5)


def test_what_is_odd_in_its_contours_is_told():
    box = box_structure()
    own = own_organ_dose(course("first", "prior", 60.0, 30), replace(box, contours=box.contours[:1]), "linear", 5.0)
    assert [(n.code, n.course, n.structure) for n in own.notices] == [("single_plane_structure", "first", "Rectum")]


def test_without_dose_everywhere_there_is_no_maximum():
    dark = replace(ONE, dose_gy=np.array([[10, 40, np.nan]], np.float32))
    assert own_maximum_gy(dark, 2.0) is None
    curve = own_curve(dark)
    assert (curve.lower_gy(0.0), curve.mean_gy) == (pytest.approx(40), None)
    assert lower_near_max_gy(None, [curve], 0.0, 2.0) == pytest.approx(60)
    with pytest.raises(Undefined, match="not known"):
        upper_near_max_gy(None, [curve], 0.5, 2.0)
    with pytest.raises(Undefined, match="not known"):
        upper_near_max_gy(None, [curve.under(lambda d, n, r: d)], 0.5, None, "physical")


@pytest.mark.parametrize("own", [ONE, TWO], ids=["one delivery", "two deliveries"])
@pytest.mark.parametrize("alpha_beta", [2.0, 10.0])
def test_near_maxima_are_those_of_the_points(own, alpha_beta):
    curve, exact = own_curve(own), own.eqd2(alpha_beta)
    for volume in (0.0, 0.03, 0.1, 1.0, 2.0, 4.0):
        upper = upper_near_max_gy(None, [curve], volume, alpha_beta)
        assert upper == pytest.approx(exact.near_max_gy(volume))
        assert lower_near_max_gy(None, [curve], volume, alpha_beta) == pytest.approx(upper)
        assert customary_near_max_gy(None, [curve], volume, alpha_beta) == pytest.approx(upper)
    for volume in np.random.default_rng(2).uniform(0, 4, 50):
        true = exact.near_max_gy(volume)
        assert (
            lower_near_max_gy(None, [curve], volume, alpha_beta)
            <= true
            <= upper_near_max_gy(None, [curve], volume, alpha_beta)
            <= exact.near_max_gy(volume / 1.022)
        )
        assert upper_near_max_gy(None, [curve], volume, alpha_beta, "BED") >= own.bed(alpha_beta).near_max_gy(volume)
        assert upper_near_max_gy(None, [curve], volume, None, "physical") >= own.physical(0).near_max_gy(volume)
    assert lower_near_max_gy(None, [curve], 4.1, alpha_beta) == 0


def test_two_hot_halves():
    """[45, 5] and [5, 45] Gy: at points 50 Gy, without registration no more than 90 Gy is proven in whatever quantity."""
    first, second = organ_dose((0, 22, [45, 5]), volumes_cc=[1, 1]), organ_dose((0, 22, [5, 45]), volumes_cc=[1, 1])
    assert (first.physical(0).dose_gy + second.physical(0).dose_gy).max() == 50
    assert upper_near_max_gy(second.physical(0), [own_curve(first)], 0.0, None, "physical") == pytest.approx(90)
    assert upper_near_max_gy(None, [own_curve(first), own_curve(second)], 0.0, None, "physical") == pytest.approx(90)
    assert upper_near_max_gy(None, [own_curve(first), own_curve(second)], 0.0, 3.0) == pytest.approx(2 * eqd2(45.0, 22, 3.0))


def test_the_sum_of_an_organ():
    """Of two courses, one at points: 60 Gy EQD2 at most here, 80 Gy there on its own contour; with half of that forgiven 100 Gy."""
    organ = OrganSum(organ_dose((1, 10, [10, 40, 20]), volumes_cc=[1, 1, 2]), {0: own_curve(TWO)}, {0: "A", 1: "B"})
    found = organ.value(parse_metric("Dmax"), "Gy", "EQD2", 2.0)
    assert (found.low, found.high) == (pytest.approx(80), pytest.approx(140))
    assert organ.value(parse_metric("Dmax"), "Gy", "EQD2", 2.0, None, {0: 0.5}).high == pytest.approx(100)
    assert organ.value(parse_metric("Dmax"), "Gy", "physical", None, 0).high == pytest.approx(56)


def test_both_sides_as_one_organ():
    """D1cc of the parts is not that of the whole: 2 cc have 40 Gy there."""
    side = OrganSum(organ_dose((1, 10, [0, 0, 0]), volumes_cc=[1, 1, 2]), {0: own_curve(TWO)})
    both = joined([side, side])
    assert both.value(parse_metric("D1cc"), "Gy", "EQD2", 2.0, 0).high == pytest.approx(80)
    assert both.value(parse_metric("Dmax"), "Gy", "EQD2", 2.0, 0).high == pytest.approx(80)
    mixed = joined([side, OrganSum(side.dose, {0: PaperDose.uniform(40.0, 20)})])
    assert mixed.papers == {0: None}
    with pytest.raises(ParameterError, match="Only some parts"):
        CurveDose.union([own_curve(TWO), PaperDose.uniform(40.0, 20)])


def test_another_model_is_applied_to_every_delivery():
    """A model that makes D + 10 D / n of a delivery: at the hottest point 40 + 20 + 16 + 80; with repair factors 1 and 2 that of the second 176."""

    def model(dose, n, repair):
        return dose + 10 * repair * dose / n

    assert own_curve(TWO).under(model).upper_gy(0.0) == pytest.approx(156)
    assert own_curve(replace(TWO, repair=np.array([1.0, 2.0]))).under(model).upper_gy(0.0) == pytest.approx(236)
    paper = PaperDose.from_organ_doses({"Dmax": 40.0, "Dmin": 10.0}, 20).under(model)
    assert (paper.upper_gy(0.0), paper.lower_gy(1.0)) == (pytest.approx(60), 0)


def test_dose_of_a_session():
    """16 Gy in 2 sessions are 8 Gy each, though 56 Gy in 22 are 2.5 Gy; a surface point has more."""
    assert own_curve(TWO).largest_per_fraction_gy() == pytest.approx(8)
    with_edge = organ_dose((0, 2, [16.0, np.nan]), volumes_cc=[1, 1], edge_gy=[[18.0]])
    assert own_curve(with_edge).largest_per_fraction_gy() == pytest.approx(9)
    assert PaperDose.from_organ_doses({"Dmax": 40.0}, 20).largest_per_fraction_gy() == pytest.approx(2)


def test_repair_of_a_single_delivery():
    curve = own_curve(replace(ONE, repair=np.array([2.0])))
    assert float(curve.convert(np.array(40.0), 2.0, "EQD2")) == pytest.approx((2 * 40 + 2 * 160) / 4)
    assert upper_near_max_gy(None, [curve], 0.0, 2.0) == pytest.approx(100)
    assert float(own_curve(TWO).convert(np.array(40.0), None, "physical")) == 40


def test_what_would_be_wrong_is_refused():
    curve = own_curve(TWO)
    with pytest.raises(ParameterError, match="several deliveries"):
        curve.convert(np.array(40.0), 2.0, "EQD2")
    with pytest.raises(ParameterError, match="cannot be rescaled to 5"):
        curve.delivered(5)
    with pytest.raises(ParameterError, match="part of it"):
        curve.without_floor()
    with pytest.raises(ParameterError, match="EQD2 needs alpha_beta_gy"):
        curve.ceiling(None, "EQD2")
    with pytest.raises(ParameterError, match="one course"):
        own_curve(organ_dose((0, 5, [1]), (1, 5, [1]), volumes_cc=[1]))


def test_the_curve_of_a_smaller_organ_than_the_smallest_volume():
    tiny = own_curve(organ_dose((0, 10, [20, 10]), volumes_cc=[2e-4, 2e-4]))
    assert (tiny.upper_gy(0.0), tiny.upper_gy(4e-4)) == (pytest.approx(20), pytest.approx(10))


def test_the_maximum_of_a_sum_has_a_bound():
    """90 Gy, plus half a per cent; at small doses plus 0.1 Gy."""
    assert [maximum_alarm(gy, [45.0, 45.0]) for gy in (50.0, 90.0, 90.44, 90.46)] == [False, False, False, True]
    assert [maximum_alarm(gy, [1.0, 2.0]) for gy in (3.09, 3.11)] == [False, True]
    assert maximum_notices("Cord", 50.0, [45.0, 45.0]) == []
    notice = maximum_notices("Cord", 126.9, [40.0, 27.3])[0]
    assert (notice.code, notice.structure) == ("cumulative_above_own_maxima", "Cord")
    assert "the sum is 126.9 Gy EQD2" in notice.message
    assert "(40.0 + 27.3 Gy)" in notice.message


@pytest.mark.parametrize(("cumulative", "own"), [(50.0, []), (np.nan, [45.0]), (50.0, [45.0, np.inf]), (50.0, [-1.0])])
def test_an_alarm_needs_all_maxima(cumulative, own):
    with pytest.raises(ParameterError, match="finite and not negative"):
        maximum_alarm(cumulative, own)
