"""Linear-quadratic arithmetic against exact fractions, published numbers and its own inverses."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.radiobiology import bed, bed_from_eqd2, dose_for_eqd2, dose_per_fraction_for_eqd2, eqd2, eqd2_from_bed

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "lq.toml").read_text())
TABLE = [
    (s["fractions"], s["dose_per_fraction_gy"], ab, e)
    for t in GOLDEN["eqd2"]
    for s in t["schedules"]
    for ab, e in zip(t["alpha_beta_gy"], s["eqd2_gy"], strict=True)
]

doses = st.floats(0, 200)
numbers = st.integers(1, 60)
alpha_betas = st.floats(0.5, 30)


@pytest.mark.hazard("H23", "H25")
@pytest.mark.parametrize(("n", "d", "alpha_beta", "expected"), TABLE)
def test_table_of_schedules(n, d, alpha_beta, expected):
    assert round(eqd2(n * d, n, alpha_beta), 2) == expected


@pytest.mark.hazard("H23")
def test_published_bed():
    for row in GOLDEN["bed"]:
        for alpha_beta, value in row["bed_gy"].items():
            assert bed(row["dose_gy"], row["fractions"], int(alpha_beta)) == value


@pytest.mark.hazard("H02")
@pytest.mark.parametrize("row", GOLDEN["partial"])
def test_partial_delivery_scales_dose_and_fractions(row):
    part = row["delivered"] / row["planned"]
    value = eqd2(row["dose_gy"] * part, row["delivered"], row["alpha_beta_gy"])
    assert value == pytest.approx(row["eqd2_gy"], abs=1e-9)
    wrong = [eqd2(row["dose_gy"] * part, row["planned"], row["alpha_beta_gy"]), eqd2(row["dose_gy"], row["planned"], row["alpha_beta_gy"])]
    assert wrong == pytest.approx(row["not_gy"], abs=1e-3)


@given(doses, numbers, alpha_betas)
def test_scalars_equal_exact_arithmetic(dose, n, alpha_beta):
    d, ab = Fraction(dose), Fraction(alpha_beta)
    assert bed(dose, n, alpha_beta) == pytest.approx(float(d * (1 + d / n / ab)), rel=1e-14)
    assert eqd2(dose, n, alpha_beta) == pytest.approx(float(d * (d / n + ab) / (2 + ab)), rel=1e-14)


@given(st.lists(st.floats(0, 200, width=32), min_size=1, max_size=5), numbers, alpha_betas)
def test_voxels_in_single_precision_are_right_to_a_millionth(dose, n, alpha_beta):
    found = eqd2(np.array(dose, np.float32), n, alpha_beta)
    assert found.dtype == np.float32
    exact = [float(Fraction(d) * (Fraction(d) / n + Fraction(alpha_beta)) / (2 + Fraction(alpha_beta))) for d in dose]
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-30)


@given(numbers, alpha_betas)
def test_two_gray_fractions_are_their_own_eqd2(n, alpha_beta):
    assert eqd2(2.0 * n, n, alpha_beta) == pytest.approx(2.0 * n, rel=1e-15)


@given(doses, numbers, alpha_betas)
def test_eqd2_and_bed_are_one_quantity(dose, n, alpha_beta):
    assert eqd2_from_bed(bed(dose, n, alpha_beta), alpha_beta) == pytest.approx(eqd2(dose, n, alpha_beta), rel=1e-13)
    assert bed_from_eqd2(eqd2_from_bed(dose, alpha_beta), alpha_beta) == pytest.approx(dose, rel=1e-14)


@given(st.floats(1e-9, 300), numbers, alpha_betas)
def test_the_dose_for_an_eqd2_has_it(e, n, alpha_beta):
    d = dose_per_fraction_for_eqd2(e, n, alpha_beta)
    exact = Fraction(d) * n * (Fraction(d) + Fraction(alpha_beta)) / (2 + Fraction(alpha_beta))
    assert float(exact) == pytest.approx(e, rel=1e-12)
    assert dose_for_eqd2(e, n, alpha_beta) == n * d


def test_no_dose_for_no_eqd2():
    assert dose_per_fraction_for_eqd2(0.0, 5, 3) == 0.0
    assert dose_for_eqd2(0.0, 5, 3) == 0.0


@given(doses, doses, numbers, alpha_betas)
def test_more_dose_is_more_effect_and_more_fractions_less(a, b, n, alpha_beta):
    low, high = sorted((a, b))
    assert eqd2(low, n, alpha_beta) <= eqd2(high, n, alpha_beta)
    assert eqd2(high, n + 1, alpha_beta) <= eqd2(high, n, alpha_beta)


@pytest.mark.parametrize(("dose_per_fraction", "rises"), [(1.0, True), (3.0, False)])
def test_the_sign_with_alpha_beta_follows_the_fraction_size(dose_per_fraction, rises):
    assert (eqd2(20 * dose_per_fraction, 20, 10) > eqd2(20 * dose_per_fraction, 20, 3)) == rises


@pytest.mark.hazard("H04")
def test_unknown_dose_stays_unknown():
    dose = np.array([50.0, np.nan], np.float32)
    for value in (bed(dose, 25, 2), eqd2(dose, 25, 2), eqd2_from_bed(dose, 2), bed_from_eqd2(dose, 2)):
        assert np.isnan(value).tolist() == [False, True]
    assert eqd2(dose, 25, 2)[0] == 50.0
