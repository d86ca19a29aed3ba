"""The largest scale of a course that one limit allows: closed forms, and bisection on all points as the other way to the same number."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from case_factory import limit, organ_dose

from reirrad.accumulation import OrganDose
from reirrad.evaluation import evaluate
from reirrad.isotoxic import MOST_SCALE, LargestScale, ScaledOrgan
from reirrad.limit import Clause, Limit
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.paper import PaperDose
from reirrad.recovery import Recovered
from reirrad.rescheduling import rescheduled
from reirrad.situation import Situation
from reirrad.statistics import no_statistics

NAN = float("nan")
NAMES = {0: "first", 1: "second"}
# 30 Gy in 10 (EQD2 at 3 Gy: 36), then 20 Gy in 5 (EQD2: 28), the same everywhere.
EVEN = organ_dose((0, 10, [30.0] * 3), (1, 5, [20.0] * 3), volumes_cc=[1.0, 2.0, 4.0])


def result(dose: OrganDose, papers: dict[int, PaperDose | None] | None = None, **more: Any) -> OrganResult:
    nothing = no_statistics("not asked for")
    return OrganResult("Rectum", "rectum", 3.0, 7.0, 1.0, OrganSum(dose, papers or {}, NAMES), nothing, (), (), **more)


def situation(fractions: int, priors: tuple[int, ...] = (0,)) -> Situation:
    return Situation(1, fractions, 6.5, NAMES, frozenset(priors))


def largest(one: Limit, organ: OrganResult, fractions: int = 5, repair: float = 1.0) -> LargestScale:
    found = ScaledOrgan(organ, 1).limit(one).largest(fractions, repair, situation(fractions))
    assert found is not None
    return found


def dose_gy(eqd2_gy: float, n: int, alpha_beta: float, repair: float = 1.0) -> float:
    """Dose of n fractions, by hand: repair D² / n + ab D - (2 + ab) E = 0."""
    a, c = repair / n, (2 + alpha_beta) * eqd2_gy
    return (-alpha_beta + math.sqrt(alpha_beta**2 + 4 * a * c)) / (2 * a)


# ------------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("metric", ["Dmax", "D2cc", "D50%", "Dmean", "Dmin", "gEUD8"])
@pytest.mark.parametrize("n", [1, 5, 31])
def test_even_dose_is_a_quadratic(metric: str, n: int) -> None:
    """64 - 36 = 28 Gy are left, in 5 fractions 20 Gy: the course as it is."""
    found = largest(limit(metric, 64.0), result(EVEN), n)
    assert found.scale == pytest.approx(dose_gy(28.0, n, 3.0) / 20, rel=1e-5)
    assert n != 5 or found.scale == pytest.approx(1.0, rel=1e-5)
    assert (found.value, found.deficit, found.is_judged) == (pytest.approx(64, abs=1e-4), None, True)


def test_bed_of_other_alpha_beta() -> None:
    """At 2 Gy: 30 (1 + 3 / 2) = 75 Gy and 20 (1 + 4 / 2) = 60 Gy of BED are 135 Gy."""
    assert largest(limit("Dmax", 135.0, quantity="BED", alpha_beta_gy=2.0), result(EVEN)).scale == pytest.approx(1.0, rel=1e-5)
    assert largest(limit("Dmean", 135.0, quantity="BED", alpha_beta_gy=2.0), result(EVEN)).scale == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("metric", ["Dmax", "D1cc", "Dmean"])
def test_physical_dose_of_the_course_alone(metric: str) -> None:
    """25 / 20, whatever the fractions and the other course."""
    one = limit(metric, 25.0, quantity="physical", scope="course")
    for n in (1, 30):
        assert largest(one, result(EVEN), n).scale == pytest.approx(1.25, rel=4e-6)


def test_eqd2_of_the_course_alone() -> None:
    """14 of 28 Gy in 5 fractions; recovery is for earlier courses."""
    recovered = {0: Recovered(0.5, "test")}
    assert largest(limit("Dmax", 14.0, scope="course"), result(EVEN, recovered=recovered)).scale == pytest.approx(dose_gy(14, 5, 3) / 20, rel=1e-5)


def test_incomplete_repair_lowers_the_dose() -> None:
    """The quadratic term 1.5 times as large."""
    found = largest(limit("Dmax", 64.0), result(EVEN), 30, repair=1.5)
    assert found.scale == pytest.approx(dose_gy(28.0, 30, 3.0, 1.5) / 20, rel=1e-5)
    assert found.scale < largest(limit("Dmax", 64.0), result(EVEN), 30).scale  # type: ignore[operator]


# Four voxels: EQD2 at 3 Gy of the earlier courses 50, 40, 10, 60 Gy, given in 25 fractions; the course 10, 25, 35, 5 Gy in 5.
FOUR = organ_dose((0, 25, [dose_gy(e, 25, 3.0) for e in (50, 40, 10, 60)]), (1, 5, [10, 25, 35, 5]), volumes_cc=[1.0] * 4)


def test_scale_of_four_voxels() -> None:
    """s = 5 (-3 + sqrt(9 + 4 5 R / 5)) / (2 D) with R = 25, 35, 65, 15: 1.860, 0.9207, 0.9572, 2.653."""
    found = largest(limit("Dmax", 75.0), result(FOUR))
    assert found.scale == pytest.approx(0.9207, abs=5e-5)
    assert found.scale == pytest.approx(min(dose_gy(r, 5, 3.0) / d for r, d in zip((25, 35, 65, 15), (10, 25, 35, 5), strict=True)), rel=3e-6)
    sums = rescheduled(OrganSum(FOUR), 1, found.scale, 5).dose.eqd2(3.0).dose_gy
    assert sums == pytest.approx([58.91, 75.00, 70.87, 63.61], abs=5e-3)


def test_scale_for_a_mean() -> None:
    """m1 s + m2 s² = 60 - 40 with m1 = 18.75 3 / 5 and m2 = (100 + 625 + 1225 + 25) / 4 / 25 Gy: 0.761."""
    m1, m2 = 18.75 * 3 / 5, 1975 / 4 / 25
    found = largest(limit("Dmean", 60.0), result(FOUR))
    assert found.scale == pytest.approx((-m1 + math.sqrt(m1**2 + 4 * m2 * 20)) / (2 * m2), rel=5e-6)
    assert found.scale == pytest.approx(0.761, abs=5e-4)


def test_volumes_and_spared_volumes() -> None:
    """At 70 Gy EQD2 at most 1 of 4 cc: the second point may pass 70 Gy when the first, at s of R = 30 Gy, has; the next is R = 60 Gy over 35 Gy."""
    scales = sorted(dose_gy(r, 5, 3.0) / d for r, d in zip((20, 30, 60, 10), (10, 25, 35, 5), strict=True))
    assert largest(limit("V70Gy", 1.0, unit="cc"), result(FOUR)).scale == pytest.approx(scales[1], rel=2e-5)
    assert largest(limit("V70Gy", 50.0, unit="%"), result(FOUR)).scale == pytest.approx(scales[2], rel=2e-5)
    assert largest(limit("V70Gy", 50.0, unit="%", comparator="<"), result(FOUR)).scale == pytest.approx(scales[1], rel=2e-5)
    assert largest(limit("CV70Gy", 2.0, unit="cc", comparator=">="), result(FOUR)).scale == pytest.approx(scales[2], rel=2e-5)
    assert largest(limit("CV70Gy", 25.0, unit="%", comparator=">="), result(FOUR)).scale == pytest.approx(scales[3], rel=2e-5)


def test_strictly_less() -> None:
    """Values are held against limits in steps of 0.1 mGy: below 75 Gy is at most 74.99995 Gy."""
    found = largest(limit("Dmax", 75.0, comparator="<"), result(FOUR))
    assert found.scale == pytest.approx(dose_gy(34.99995, 5, 3.0) / 25, rel=2e-6)
    assert found.value == pytest.approx(74.9999, abs=1e-9)
    assert largest(limit("Dmean", 60.0, comparator="<"), result(FOUR)).value == pytest.approx(59.9999, abs=1e-9)


# ------------------------------------------------------------------------------------------------------- many points


def waves(n_points: int, n_prior_courses: int = 1) -> OrganDose:
    """Doses that vary over an organ of unequal points, hot in different places."""
    x = np.arange(n_points) / n_points
    own = 16 + 9 * np.sin(9 * x) + 4 * np.cos(31 * x)
    priors = [(k, 20, list(25 + 12 * np.cos((7 + k) * x + 1) + 5 * np.sin(23 * x))) for k in range(n_prior_courses)]
    numbers = [*priors, (n_prior_courses, 5, list(own))]
    edge = [[1.1 * float(np.max(d))] for _, _, d in numbers]
    return organ_dose(*numbers, volumes_cc=list(0.004 * (1.5 + np.sin(100 * x))), edge_gy=edge)


WAVES = waves(4001)  # 24 cc
KINDS = [
    limit("Dmax", 60.0), limit("D0.1cc", 60.0), limit("D2cc", 58.0), limit("D95%", 20.0), limit("Dmean", 45.0), limit("Dmin", 15.0), limit("gEUD8", 50.0),
    limit("gEUD-4", 30.0), limit("V45Gy", 3.0, unit="cc"), limit("V45Gy", 20.0, unit="%"), limit("CV40Gy", 12.0, unit="cc", comparator=">="),
    limit("D0.1cc", 90.0, quantity="BED"), limit("D1cc", 30.0, quantity="physical", scope="course"), limit("D1cc", 30.0, scope="course"),
    limit("D0.1cc", 55.0, recovery="discounted"), limit("D0.1cc", 60.0, clauses=(Clause("this_course", "<=", 28.0, "Gy"),)),
]  # fmt: skip


@pytest.mark.parametrize("one", KINDS, ids=lambda one: f"{one.metric}-{one.quantity}-{one.unit}-{one.recovery}-{len(one.clauses)}")
@pytest.mark.parametrize(("n", "repair"), [(1, 1.0), (5, 1.0), (30, 1.3)])
def test_met_at_the_scale_and_not_a_millionth_above_on_all_points(one: Limit, n: int, repair: float) -> None:
    organ = result(WAVES, recovered={0: Recovered(0.25, "test")})
    found = largest(one, organ, n, repair)
    assert found.scale is not None
    assert found.is_judged

    def status(scale: float) -> str:
        total = rescheduled(OrganSum(WAVES, {}, NAMES), 1, scale, n, repair)
        finding = evaluate(one, "Rectum", total, situation(n), organ.kept if one.recovery == "discounted" else None)
        assert finding is not None
        return finding.status

    met = [status(found.scale * part) != "exceed" for part in (0.5, 0.9, 0.99, 1.0)]
    assert met == [True] * 4
    assert status(found.scale * (1 + 3e-6)) == status(found.scale * 1.01) == status(found.scale * 2) == "exceed"


@pytest.mark.parametrize("more", [{}, {"recovery": "discounted"}, {"clauses": (Clause("each_course", "<=", 70.0, "Gy"),)}])
def test_two_earlier_courses(more: dict[str, Any]) -> None:
    dose = waves(1500, 2)
    names = {0: "a", 1: "b", 2: "c"}
    organ = replace(result(dose, recovered={0: Recovered(0.5, "test"), 1: Recovered(0.1, "test")}), sum=OrganSum(dose, {}, names))
    one, here = limit("D0.1cc", 80.0, **more), Situation(2, 8, 7.0, names, frozenset({0, 1}))
    found = ScaledOrgan(organ, 2).limit(one).largest(8, 1.0, here)
    assert found is not None
    assert found.scale is not None
    kept = organ.kept if more.get("recovery") else None
    low, high = 0.1, 20.0
    for _ in range(50):  # bisection on every point
        middle = (low + high) / 2
        finding = evaluate(one, "Rectum", rescheduled(OrganSum(dose, {}, names), 2, middle, 8), here, kept)
        assert finding is not None
        low, high = (low, middle) if finding.status == "exceed" else (middle, high)
    assert found.scale == pytest.approx(low, rel=2e-6)


# ------------------------------------------------------------------------------------------------------- nothing left, nothing restricted


@pytest.mark.parametrize(("one", "deficit"), [(limit("Dmax", 30.0), 6.0), (limit("Dmean", 35.5), 0.5), (limit("CV20Gy", 3.0, unit="cc", comparator=">="), 3.0)])
def test_other_courses_alone_exceed_the_limit(one: Limit, deficit: float) -> None:
    """36 Gy were given everywhere: no point is below 20 Gy."""
    found = largest(one, result(EVEN))
    assert found == LargestScale(None, found.value, pytest.approx(deficit, abs=1e-4), True, "the other courses alone exceed the limit")
    assert found.value == pytest.approx(0.0 if one.metric.is_volume else 36.0, abs=1e-4)


@pytest.mark.parametrize("metric", ["Dmax", "D1cc", "Dmean", "gEUD8"])
def test_other_courses_reach_the_limit(metric: str) -> None:
    """Nothing is left, and the limit is met: by no more than 0 Gy is it exceeded. What follows is not troubled by it."""
    scaled = ScaledOrgan(result(EVEN), 1).limit(limit(metric, 36.0))
    for n in (5, 1):
        found = scaled.largest(n, 1.0, situation(n))
        assert found == LargestScale(None, pytest.approx(36.0, abs=1e-4), 0.0, True, "the other courses reach the limit; nothing is left")


def test_no_dose_in_the_organ_never_binds() -> None:
    cold = result(organ_dose((0, 10, [30.0, 20.0]), (1, 5, [0.0, 0.0]), volumes_cc=[1.0, 3.0], edge_gy=[[30.0], [0.0]]))
    for metric in ("Dmax", "D1cc", "Dmean", "gEUD8"):
        assert largest(limit(metric, 64.0), cold) == LargestScale(math.inf, None)
    assert largest(limit("V60Gy", 1.0, unit="cc"), cold) == LargestScale(math.inf, None)
    assert largest(limit("V60Gy", 4.0, unit="cc"), result(EVEN)).scale == pytest.approx(dose_gy(24, 5, 3) / 20, rel=1e-5)


def test_limit_that_no_dose_can_break() -> None:
    """All 7 cc may receive 60 Gy."""
    assert largest(limit("V60Gy", 100.0, unit="%"), result(EVEN)).scale == math.inf


def test_beyond_a_thousand_times_is_not_a_restriction() -> None:
    faint = result(organ_dose((0, 10, [30.0]), (1, 5, [0.001]), volumes_cc=[4.0]))
    assert dose_gy(28.0, 5, 3.0) / 0.001 > MOST_SCALE
    for metric in ("Dmax", "D1cc", "Dmean"):
        assert largest(limit(metric, 64.0), faint) == LargestScale(math.inf, None)


# ------------------------------------------------------------------------------------------------------- what is not known


PART = organ_dose((0, 10, [NAN, 30.0]), (1, 5, [20.0, 20.0]), volumes_cc=[1.0, 3.0])


@pytest.mark.hazard("H04")
def test_unknown_dose_leaves_the_scale_above_which_it_is_surely_exceeded() -> None:
    """At the known points 28 Gy are left; at the others more may have been given."""
    found = largest(limit("Dmax", 64.0), result(PART))
    assert (found.scale, found.is_judged, found.value) == (pytest.approx(1.0, rel=1e-5), False, None)
    assert found.reason == "25 % of the structure lies outside a dose grid; its dose there is not known"


@pytest.mark.hazard("H04")
@pytest.mark.parametrize("one", [limit("Dmin", 30.0), limit("CV20Gy", 1.0, unit="cc", comparator=">=")])
def test_what_cannot_be_judged_at_all_is_said(one: Limit) -> None:
    found = largest(one, result(PART))
    assert (found.scale, found.value, found.is_judged) == (math.inf, None, False)
    assert found.reason is not None
    assert "its dose there is not known" in found.reason


def test_structure_smaller_than_the_metric() -> None:
    found = largest(limit("D9cc", 30.0), result(EVEN))
    assert found == LargestScale(math.inf, None, None, False, "the structure has 7 cc, less than the 9 cc of the metric")


def test_no_points_at_all() -> None:
    empty = result(organ_dose((0, 10, []), (1, 5, []), volumes_cc=[]))
    for metric in ("Dmax", "D1cc", "Dmean"):
        found = largest(limit(metric, 30.0), empty)
        assert (found.scale, found.is_judged) == (math.inf, False)
        assert found.reason


def test_structure_of_which_a_part_may_be_missing() -> None:
    """Its maximum is surely exceeded above scale 1; its mean may be anything."""
    part = result(EVEN, is_incomplete=True)
    found = largest(limit("Dmax", 64.0), part)
    assert (found.scale, found.is_judged) == (pytest.approx(1.0, rel=1e-5), False)
    assert "may be missing" in (found.reason or "")
    assert largest(limit("Dmean", 64.0), part).scale == math.inf


def test_earlier_course_on_paper_counts_with_what_it_is_at_most() -> None:
    """30 Gy in 10 everywhere, on paper: 36 Gy, so that 28 are left. Of an unknown course nothing can be said but what the plan alone exceeds."""
    alone = organ_dose((1, 5, [20.0, 10.0]), volumes_cc=[1.0, 3.0])
    found = largest(limit("Dmax", 64.0), result(alone, {0: PaperDose.uniform(30.0, 10)}))
    assert (found.scale, found.is_judged) == (pytest.approx(1.0, rel=1e-5), True)
    assert "at most this" in (found.reason or "")
    unknown = largest(limit("Dmax", 28.0), result(alone, {0: None}))
    assert (unknown.scale, unknown.is_judged) == (pytest.approx(1.0, rel=1e-5), False)
    assert unknown.reason == 'the dose of course "first" is not known'


# ------------------------------------------------------------------------------------------------------- conditions


def test_limit_for_other_fractions() -> None:
    one = limit("Dmax", 64.0, min_fractions=3, max_fractions=5)
    scaled = ScaledOrgan(result(EVEN), 1).limit(one)
    assert [scaled.largest(n, 1.0, situation(n)) is None for n in (2, 3, 5, 6)] == [True, False, False, True]


def test_clause_for_this_course_binds_before_the_sum() -> None:
    """14 Gy of this course are reached long before a sum of 100 Gy."""
    one = limit("Dmax", 100.0, clauses=(Clause("this_course", "<=", 14.0, "Gy"),))
    found = largest(one, result(EVEN))
    assert found.scale == pytest.approx(dose_gy(14, 5, 3) / 20, rel=1e-5)
    assert found.value == pytest.approx(50.0, abs=1e-3)


@pytest.mark.hazard("H04")
def test_clause_is_surely_broken_though_the_sum_is_not_known() -> None:
    found = largest(limit("Dmin", 100.0, clauses=(Clause("this_course", "<=", 14.0, "Gy"),)), result(PART))
    assert (found.scale, found.is_judged) == (pytest.approx(dose_gy(14, 5, 3) / 20, rel=1e-5), False)


def test_several_limits_of_one_organ_do_not_disturb_each_other() -> None:
    organ = ScaledOrgan(result(WAVES), 1)
    for one in KINDS[:3]:
        alone, together = largest(one, result(WAVES), 9), organ.limit(one).largest(9, 1.0, situation(9))
        assert together is not None
        assert together.scale == pytest.approx(alone.scale, rel=2e-6)


def test_clause_that_the_earlier_course_breaks() -> None:
    """Every course at most 30 Gy, and the first had 36: nothing is left, and no number says how much is missing."""
    found = largest(limit("Dmax", 100.0, clauses=(Clause("each_course", "<=", 30.0, "Gy"),)), result(EVEN))
    assert (found.scale, found.deficit, found.is_judged) == (None, None, True)
    assert 'Dmax of "first" <= 30 Gy: found 36' in (found.reason or "")
    soon = largest(limit("Dmax", 100.0, clauses=(Clause("interval", ">=", 12.0, "months"),)), result(EVEN))
    assert (soon.scale, soon.deficit) == (None, None)
    assert "found 6.50" in (soon.reason or "")


def test_ratio_of_which_only_bounds_are_known_must_be_shown_to_be_met() -> None:
    """The paper states 36 Gy somewhere, the sum is at least that: x / 36 is at most a half up to 18 Gy, and x / (x + 36) is above it from 36 Gy on."""
    alone = organ_dose((1, 5, [20.0, 20.0]), volumes_cc=[1.0, 3.0])
    found = largest(limit("Dmax", 100.0, clauses=(Clause("ratio", "<=", 0.5, ""),)), result(alone, {0: PaperDose.from_organ_doses({"Dmax": 30.0}, 10)}))
    assert found.scale == pytest.approx(dose_gy(18, 5, 3) / 20, rel=2e-4)  # a ratio is held in steps of 0.0001
    assert found.is_judged
    unknown = largest(limit("Dmax", 100.0, clauses=(Clause("ratio", "<=", 0.5, ""),)), result(alone, {0: PaperDose.uniform(30.0, 10)}))
    assert (unknown.scale, unknown.is_judged) == (pytest.approx(dose_gy(36, 5, 3) / 20, rel=2e-4), False)  # a prescription may have missed the organ


def test_recovery_counts_for_limits_meant_for_it_alone() -> None:
    """Half of 36 Gy forgotten: 46 instead of 28 Gy are left."""
    organ = result(EVEN, recovered={0: Recovered(0.5, "test")})
    discounted = largest(limit("Dmax", 64.0, recovery="discounted"), organ)
    assert discounted.scale == pytest.approx(dose_gy(46, 5, 3) / 20, rel=1e-5)
    assert discounted.value == pytest.approx(64, abs=1e-4)
    for recovery in ("raw", "not_stated"):
        assert largest(limit("Dmax", 64.0, recovery=recovery), organ).scale == pytest.approx(1.0, rel=1e-5)
