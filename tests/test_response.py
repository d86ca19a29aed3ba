"""Response curves: half at TD50, their slopes by finite differences, limits at no and at large dose."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from reirrad.errors import ParameterError
from reirrad.response import gamma50_of_m, ntcp_lkb, ntcp_logit, ntcp_poisson, tcp_poisson

doses = st.floats(0, 150)
tolerances = st.floats(5, 100)


def slope(f, at, h=1e-4):
    """Normalised slope D dP/dD."""
    return at * (f(at + h) - f(at - h)) / (2 * h)


@given(doses, tolerances, st.floats(0.05, 1))
def test_lkb_is_the_normal_distribution(dose, td50, m):
    assert ntcp_lkb(dose, td50, m) == pytest.approx(norm.cdf((dose - td50) / (m * td50)), rel=1e-9, abs=1e-300)


@given(tolerances, st.floats(0.5, 5))
def test_half_at_td50_and_the_slope_there(td50, gamma):
    for f in (ntcp_logit, ntcp_poisson):
        assert f(td50, td50, gamma) == pytest.approx(0.5)
    m = 1 / (gamma * math.sqrt(2 * math.pi))
    assert gamma50_of_m(m) == pytest.approx(gamma)
    assert slope(lambda d: ntcp_lkb(d, td50, m), td50) == pytest.approx(gamma, rel=1e-5)
    assert slope(lambda d: ntcp_logit(d, td50, gamma), td50) == pytest.approx(gamma, rel=1e-5)
    assert slope(lambda d: ntcp_poisson(d, td50, gamma), td50) == pytest.approx(gamma * math.e * math.log(2) / 2, rel=1e-5)


def test_poisson_is_steepest_at_a_response_of_one_in_e():
    at = 60 * (1 + math.log(math.log(2)) / (2 * math.e))
    assert ntcp_poisson(at, 60, 2) == pytest.approx(1 / math.e)
    assert slope(lambda d: ntcp_poisson(d, 60, 2), at) * 60 / at == pytest.approx(2, rel=1e-6)


@given(st.floats(0.1, 150), tolerances, st.floats(0.5, 5))
def test_logit_is_its_formula(dose, td50, gamma):
    assert ntcp_logit(dose, td50, gamma) == pytest.approx(1 / (1 + (td50 / dose) ** (4 * gamma)), rel=1e-6, abs=1e-12)


def test_no_dose_and_large_dose():
    assert (ntcp_logit(0, 60, 2), ntcp_poisson(0, 60, 10), ntcp_lkb(0, 60, 0.01)) == (0, 0, 0)
    assert (ntcp_logit(1e6, 60, 2), ntcp_poisson(1e6, 60, 2), ntcp_lkb(1e6, 60, 0.1)) == (1, 1, 1)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 100)), min_size=1, max_size=4), st.floats(0.1, 0.5))
def test_parts_of_a_tumour_must_all_be_controlled(parts, alpha):
    each = [tcp_poisson([n], alpha, [b]) for n, b in parts]
    assert tcp_poisson([n for n, _ in parts], alpha, [b for _, b in parts]) == pytest.approx(math.prod(each), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: gamma50_of_m(0), "m is 0"),
        (lambda: ntcp_lkb(-1, 60, 0.2), "geud_gy is -1"),
        (lambda: ntcp_lkb(10, 0, 0.2), "td50_gy is 0"),
        (lambda: ntcp_lkb(10, 60, 0), "m is 0"),
        (lambda: ntcp_logit(math.nan, 60, 2), "geud_gy is nan"),
        (lambda: ntcp_logit(10, 60, -2), "gamma50 is -2"),
        (lambda: ntcp_poisson(10, math.inf, 2), "td50_gy is inf"),
        (lambda: ntcp_poisson(10, 60, 0), "gamma is 0"),
        (lambda: tcp_poisson([1e7], 0, [60]), "alpha_per_gy is 0"),
        (lambda: tcp_poisson([-1], 0.3, [60]), "clonogens is -1"),
        (lambda: tcp_poisson([1e7], 0.3, [math.nan]), "bed_gy is nan"),
        (lambda: tcp_poisson([1e7], 0.3, [60, 70]), "2 BED stand beside 1 numbers of clonogens"),
        (lambda: tcp_poisson([], 0.3, []), "0 BED stand beside 0"),
    ],
)
def test_refusals_name_the_parameter(wrong, words):
    with pytest.raises(ParameterError, match=words):
        wrong()
