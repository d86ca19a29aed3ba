"""Incomplete repair against sums over every pair of fractions and the double integral of Lea and Catcheside, done numerically."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import dblquad

from reirrad.errors import ParameterError
from reirrad.radiobiology import bed
from reirrad.repair import Pulse, Repair, bed_constant_rate, bed_of_pulses, bed_several_a_day, repair_factor, same_day_factor, train

per_day = st.integers(1, 6)
hours = st.floats(0.5, 12)
half_times = st.floats(0.1, 50)


def closed_form(m: int, interval_h: float, half_time_h: float) -> float:
    phi = math.exp(-math.log(2) * interval_h / half_time_h)
    return 2 / m * phi / (1 - phi) * (m - (1 - phi**m) / (1 - phi))


def double_integral(pulses: list[Pulse], half_time_h: float) -> float:
    """2 * integral over s < t of R(s) R(t) exp(-mu (t - s)), numerically."""
    mu, total = math.log(2) / half_time_h, 0.0
    for j, b in enumerate(pulses):
        for i, a in enumerate(pulses[: j + 1]):
            rate = a.dose_gy / a.duration_h * b.dose_gy / b.duration_h
            until = (lambda t: t) if i == j else (lambda t, a=a: a.start_h + a.duration_h)
            value, _ = dblquad(lambda s, t: math.exp(-mu * (t - s)), b.start_h, b.start_h + b.duration_h, a.start_h, until)
            total += 2 * rate * value
    return total


@given(per_day, hours, half_times)
def test_the_sum_is_the_closed_form(m, interval, half_time):
    assert same_day_factor(m, interval, half_time) == pytest.approx(closed_form(m, interval, half_time), rel=1e-8, abs=1e-11)


def test_repair_that_never_happens_makes_one_fraction_of_the_day():
    assert same_day_factor(3, 6, 1e12) == pytest.approx(2, rel=1e-10)
    assert bed_several_a_day(6.0, 3, 2, 3, 6, 1e12) == pytest.approx(bed(6.0, 1, 2))


@given(st.integers(1, 40), per_day, hours, half_times)
def test_every_pair_of_fractions_of_a_day(n, m, interval, half_time):
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i // m == j // m:
                total += 2 ** (-abs(i - j) * interval / half_time)
    assert repair_factor(n, m, interval, half_time) == pytest.approx(total / n, rel=1e-12)


@given(st.floats(0.1, 90), st.integers(1, 40), st.floats(0.5, 20))
def test_one_a_day_is_plain(dose, n, alpha_beta):
    assert bed_several_a_day(dose, n, alpha_beta, 1, 6, 4) == pytest.approx(bed(dose, n, alpha_beta), rel=1e-14)


def test_points_of_an_organ():
    found = bed_several_a_day(np.array([60.0, np.nan, 0.0]), 40, 2, 2, 6, 4)
    np.testing.assert_allclose(found, [120.90991, np.nan, 0.0], rtol=1e-7)


@given(hours, half_times, st.floats(0.5, 20))
def test_acute_pulses_of_one_day_are_the_same_day_factor(interval, half_time, alpha_beta):
    found = bed_of_pulses(train(1.5, 3, interval, 0), alpha_beta, Repair((half_time,)))
    assert found == pytest.approx(bed_several_a_day(4.5, 3, alpha_beta, 3, interval, half_time), rel=1e-12)


@pytest.mark.parametrize("half_time", [0.4, 1.5, 30.0])
def test_pulses_are_the_double_integral(half_time):
    pulses = [Pulse(0.5, 1.0, 3.0), Pulse(1.5, 0.25, 2.0), Pulse(4.0, 2.0, 5.0)]
    expected = 10 + double_integral(pulses, half_time) / 3
    assert bed_of_pulses(reversed(pulses), 3, Repair((half_time,))) == pytest.approx(expected, rel=1e-8)


def test_two_components_are_their_weighted_mean():
    pulses = [Pulse(0.0, 0.3, 4.0), Pulse(2.0, 0.5, 4.0)]
    expected = 8 + (0.3 * double_integral(pulses, 0.2) + 0.7 * double_integral(pulses, 3.0)) / 2.5
    assert bed_of_pulses(pulses, 2.5, Repair((0.2, 3.0), (0.3, 0.7))) == pytest.approx(expected, rel=1e-8)


@given(st.floats(0.01, 5), st.floats(0.1, 200), half_times)
def test_constant_rate_is_the_formula_of_low_dose_rate(rate, time, half_time):
    mu = math.log(2) / half_time
    expected = rate * time * (1 + 2 * rate / (mu * 3) * (1 + math.expm1(-mu * time) / (mu * time)))
    assert bed_constant_rate(rate, time, 3, half_time) == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-6, 0.01))
def test_short_pulses_keep_their_digits(x):
    half_time = math.log(2) / x  # mu times duration is x
    expected = 1 - x / 3 + x**2 / 12 - x**3 / 60 + x**4 / 360
    assert bed_of_pulses([Pulse(0, 1, 1.0)], 1, Repair((half_time,))) - 1 == pytest.approx(expected, rel=1e-9)


def test_a_year_of_pulses_does_not_overflow():
    assert bed_of_pulses([Pulse(0, 9000, 1.0), Pulse(1e5, 9000, 1.0)], 1, Repair((0.1,))) == pytest.approx(2 + 4 / (9000 * math.log(2) / 0.1), rel=1e-4)


def test_no_pulse_no_effect():
    assert bed_of_pulses([], 3, Repair((1.5,))) == 0.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: same_day_factor(0, 6, 4), "per_day is 0"),
        (lambda: same_day_factor(2, 0, 4), "interval_h is 0"),
        (lambda: same_day_factor(2, 6, math.nan), "half_time_h is nan"),
        (lambda: repair_factor(2.5, 2, 6, 4), "fractions is 2.5"),
        (lambda: bed_several_a_day(60.0, 40, -3, 2, 6, 4), "alpha_beta_gy is -3"),
        (lambda: Repair((1.0, 0.0), (0.5, 0.5)), "half_times_h is 0.0"),
        (lambda: Repair((1.0, 2.0), (1.5, -0.5)), "weights is -0.5"),
        (lambda: Repair((1.0, 2.0)), "weights of 1 repair components sum to 1, for 2 half times"),
        (lambda: Repair((1.0, 2.0), (0.5, 0.4)), "sum to 0.9"),
        (lambda: Pulse(-1, 1, 1), "start_h is -1"),
        (lambda: bed_of_pulses([Pulse(0, 2, 1), Pulse(1, 2, 1)], 3, Repair((1.0,))), "A pulse starts at 1 h, before the one from 0 h ends"),
        (lambda: bed_of_pulses([], math.inf, Repair((1.0,))), "alpha_beta_gy is inf"),
        (lambda: train(1, 0, 1, 1), "n_pulses is 0"),
        (lambda: bed_constant_rate(-1, 1, 3, 1), "rate_gy_per_h is -1"),
    ],
)
def test_refusals_name_the_parameter(wrong, words):
    with pytest.raises(ParameterError, match=words):
        wrong()
