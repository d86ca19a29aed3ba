"""Large doses per fraction: continuity and slope by finite differences, the straight parts by their own formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import ParameterError
from reirrad.highdose import UniversalSurvival, bed_lql, dose_per_fraction_for_bed_lql, eqd2_lql, tangent
from reirrad.radiobiology import bed, eqd2

alpha_betas = st.floats(0.5, 20)
transitions = st.floats(2, 20)
numbers = st.integers(1, 40)
CURVE = UniversalSurvival(0.33, 1.25, 1.8)


def slopes(f, x: float, h: float = 1e-5) -> tuple[float, float]:
    return (f(x) - f(x - h)) / h, (f(x + h) - f(x)) / h


@given(alpha_betas, transitions)
def test_the_tangent_has_no_kink_and_no_step(alpha_beta, transition):
    before, after = slopes(lambda d: bed_lql(d, 1, alpha_beta, transition), transition)
    assert before == pytest.approx(after, rel=1e-3)
    assert after == pytest.approx(tangent(transition, alpha_beta), rel=1e-6)


def test_another_slope_has_a_kink_but_no_step():
    before, after = slopes(lambda d: bed_lql(d, 1, 2, 4, gamma_alpha=2.0), 4.0)
    assert (before, after) == pytest.approx((5, 2), abs=1e-4)


@given(st.floats(0, 1), numbers, alpha_betas, transitions)
def test_below_the_transition_it_is_linear_quadratic(share, n, alpha_beta, transition):
    dose = n * transition * share
    assert bed_lql(dose, n, alpha_beta, transition) == pytest.approx(bed(dose, n, alpha_beta), rel=1e-12, abs=1e-300)
    assert eqd2_lql(dose, n, alpha_beta, transition) == pytest.approx(eqd2(dose, n, alpha_beta), rel=1e-12, abs=1e-300)


@given(st.floats(0, 200), numbers, alpha_betas, transitions)
def test_it_never_gives_more_than_linear_quadratic(dose, n, alpha_beta, transition):
    assert bed_lql(dose, n, alpha_beta, transition) <= bed(dose, n, alpha_beta) * (1 + 1e-12) + 1e-300


@given(st.floats(0, 300), numbers, alpha_betas, transitions, st.none() | st.floats(0.5, 10))
def test_the_dose_for_a_bed_has_it(target, n, alpha_beta, transition, slope):
    d = dose_per_fraction_for_bed_lql(target, n, alpha_beta, transition, slope)
    assert bed_lql(n * d, n, alpha_beta, transition, slope) == pytest.approx(target, rel=1e-11, abs=1e-12)


def test_points_of_an_organ_keep_the_unknown():
    np.testing.assert_allclose(eqd2_lql(np.array([54.0, np.nan, 6.0]), 3, 10, 6.2), [91.19, np.nan, 6.0])


def test_universal_curve_is_one_curve():
    assert CURVE.alpha_beta_gy == pytest.approx(8.6048, abs=1e-4)
    assert CURVE.transition_gy == pytest.approx(6.1277, abs=1e-4)
    beta = 0.33 / CURVE.alpha_beta_gy
    assert 0.33 + 2 * beta * CURVE.transition_gy == pytest.approx(1 / 1.25)  # slopes of the survival curve on both sides
    assert CURVE.bed(CURVE.transition_gy, 1) == pytest.approx(10.4913, abs=1e-4)
    before, after = slopes(lambda d: CURVE.bed(d, 1), CURVE.transition_gy)
    assert before == pytest.approx(after, rel=1e-4)


@given(st.floats(0.05, 0.5), st.floats(0.8, 1.5), st.floats(0.5, 3), st.floats(1, 3), numbers)
def test_universal_curve_beyond_the_transition_is_the_multi_target_line(alpha, d0, dq, times, n):
    curve = UniversalSurvival(alpha, d0, dq)
    dose = n * curve.transition_gy * times
    assert curve.bed(dose, n) == pytest.approx((dose - n * dq) / (alpha * d0), rel=1e-10)
    below = n * curve.transition_gy / times
    assert curve.bed(below, n) == pytest.approx(bed(below, n, curve.alpha_beta_gy), rel=1e-10)


def test_one_fraction_of_the_single_fraction_dose_has_the_same_effect():
    assert CURVE.bed(CURVE.single_fraction_dose(54.0, 3), 1) == pytest.approx(CURVE.bed(54.0, 3))
    np.testing.assert_allclose(CURVE.single_fraction_dose(np.array([54.0, np.nan]), 3), [50.4, np.nan])
    assert math.isnan(CURVE.single_fraction_dose(math.nan, 3))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: tangent(0, 3), "transition_gy is 0"),
        (lambda: tangent(6, math.inf), "alpha_beta_gy is inf"),
        (lambda: bed_lql(20.0, 0, 3, 6), "fractions is 0"),
        (lambda: bed_lql(20.0, 1, 3, 6, -1.0), "gamma_alpha is -1"),
        (lambda: eqd2_lql(20.0, 1, 3, 1.9), "transition_gy is 1.9; needed for an EQD2 is at least 2 Gy"),
        (lambda: dose_per_fraction_for_bed_lql(-1, 1, 3, 6), "bed_gy is -1"),
        (lambda: UniversalSurvival(0.8, 1.25, 1.8), "alpha_per_gy times d0_gy is 1;"),
        (lambda: UniversalSurvival(0.33, 0, 1.8), "d0_gy is 0"),
        (lambda: CURVE.single_fraction_dose(18.0, 3), "dose_gy is 18 in 3 fractions; needed are 6.13 Gy per fraction or more"),
        (lambda: CURVE.single_fraction_dose(np.array([np.nan, 18.0, 54.0]), 3), "dose_gy is 18 in 3"),
        (lambda: CURVE.bed(18.0, -3), "fractions is -3"),
    ],
)
def test_refusals_name_the_parameter(wrong, words):
    with pytest.raises(ParameterError, match=words):
        wrong()
