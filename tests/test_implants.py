"""Permanent implants against the double integral of Lea and Catcheside, done numerically."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import dblquad

from reirrad.errors import ParameterError
from reirrad.implants import PermanentImplant
from reirrad.repair import Pulse, Repair, bed_of_pulses

SLOW = PermanentImplant(100, 10, 48)  # repair of two days, so that the integral is easy


@pytest.mark.parametrize("days", [0.5, 7.0, 60.0])
def test_finite_time_is_the_double_integral(days):
    rate, decay, repair = 100 * math.log(2) / 10, math.log(2) / 10, math.log(2) / 2
    value, _ = dblquad(lambda s, t: rate**2 * math.exp(-decay * (s + t) - repair * (t - s)), 0, days, 0, lambda t: t)
    given_gy = 100 * (1 - math.exp(-decay * days))
    assert SLOW.bed(3, days) == pytest.approx(given_gy + 2 * value / 3, rel=1e-8)


def test_it_is_the_limit_of_many_short_pulses():
    step, decay = 0.02, math.log(2) / 10
    edges = [k * step for k in range(5001)]
    pulses = [Pulse(24 * a, 24 * step * 0.999999, 100 * (math.exp(-decay * a) - math.exp(-decay * b))) for a, b in pairwise(edges)]
    assert bed_of_pulses(pulses, 3, Repair((48,))) == pytest.approx(SLOW.bed(3, 100), rel=1e-5)


@given(st.floats(0, 300), st.floats(1, 100), st.floats(0.1, 20), st.floats(0.5, 20))
def test_all_time_is_the_limit_of_long_time(dose, half_life, repair, alpha_beta):
    seeds = PermanentImplant(dose, half_life, repair)
    assert seeds.bed(alpha_beta, 60 * half_life) == pytest.approx(seeds.bed(alpha_beta), rel=1e-9, abs=1e-300)
    assert seeds.bed(alpha_beta, 0) == 0


def test_net_effect_is_largest_at_the_effective_time():
    seeds, loss = PermanentImplant(145, 59.4, 0.27), math.log(2) / (0.15 * 42)
    days = seeds.effective_days(0.15, 42)

    def net(t: float) -> float:
        return seeds.bed(1e6, t) - loss * t  # dose alone: the quadratic term lasts a little longer

    assert net(days) > max(net(days - 1), net(days + 1))


def test_growth_that_always_wins_leaves_no_effective_time():
    assert PermanentImplant(10, 59.4, 0.27).effective_days(0.15, 2) == 0
    assert PermanentImplant(0, 59.4, 0.27).effective_days(0.15, 42) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: PermanentImplant(-1, 59.4, 0.27), "dose_gy is -1"),
        (lambda: PermanentImplant(145, 0, 0.27), "source_half_life_days is 0"),
        (lambda: PermanentImplant(145, 59.4, math.nan), "repair_half_time_h is nan"),
        (lambda: PermanentImplant(145, 1, 24), "repair_half_time_h is 24; needed is less than the half life of the source, 24 h"),
        (lambda: SLOW.bed(0), "alpha_beta_gy is 0"),
        (lambda: SLOW.bed(3, -1), "days is -1"),
        (lambda: SLOW.effective_days(0.15, 0), "doubling_time_days is 0"),
    ],
)
def test_refusals_name_the_parameter(wrong, words):
    with pytest.raises(ParameterError, match=words):
        wrong()
