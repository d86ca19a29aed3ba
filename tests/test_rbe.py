"""RBE of protons: the effect of the weighted dose is that of the model; limits at no dose and large dose."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import ParameterError
from reirrad.radiobiology import eqd2
from reirrad.rbe import mcnamara, rbe_weighted, wedenberg

doses = st.floats(0.01, 20)
lets = st.floats(0, 20)
alpha_betas = st.floats(0.5, 20)


@given(doses, lets, alpha_betas)
def test_wedenberg_is_more_alpha_and_the_same_beta(d, let, alpha_beta):
    weighted = d * wedenberg(d, let, alpha_beta)
    assert weighted * (1 + weighted / alpha_beta) == pytest.approx(d * (1 + 0.434 * let / alpha_beta) + d**2 / alpha_beta, rel=1e-11)


@given(doses, lets, alpha_betas)
def test_mcnamara_effect(d, let, alpha_beta):
    weighted = d * mcnamara(d, let, alpha_beta)
    largest, least = 0.99064 + 0.35605 * let / alpha_beta, 1.1012 - 0.0038703 * alpha_beta**0.5 * let
    assert weighted * (1 + weighted / alpha_beta) == pytest.approx(d * largest + (d * least) ** 2 / alpha_beta, rel=1e-11)


def test_no_dose_and_large_dose():
    assert wedenberg(0.0, 2.5, 2) == pytest.approx(1 + 0.434 * 2.5 / 2)
    assert mcnamara(0.0, 2.5, 2) == pytest.approx(1.4357, abs=1e-4)
    assert mcnamara(1e9, 2.5, 2) == pytest.approx(1.0875, abs=1e-4)


def test_points_keep_the_unknown():
    np.testing.assert_allclose(wedenberg(np.array([2.0, np.nan, 2.0]), np.array([2.5, 2.5, np.nan]), 2), [1.1711, np.nan, np.nan], rtol=1e-4)


def test_the_rbe_goes_before_the_conversion():
    assert eqd2(rbe_weighted(54.545, 1.1), 30, 2) == pytest.approx(60.0, abs=1e-3)
    assert eqd2(54.545, 30, 2) == pytest.approx(52.065, abs=1e-3)
    assert 1.1 * eqd2(54.545, 30, 2) == pytest.approx(57.272, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: rbe_weighted(50.0, 0), "rbe is 0"),
        (lambda: mcnamara(2.0, 2.5, math.nan), "alpha_beta_gy is nan"),
        (lambda: wedenberg(2.0, 2.5, 0), "alpha_beta_gy is 0"),
        (lambda: wedenberg(2.0, -2.5, 2), "below zero"),
        (lambda: wedenberg(-2.0, 2.5, 2), "below zero"),
        (lambda: mcnamara(2.0, np.array([2.0, 250.0]), 2), "let_kev_um reaches 250"),
    ],
)
def test_refusals_name_the_parameter(wrong, words):
    with pytest.raises(ParameterError, match=words):
        wrong()
