"""The exploratory model of the spinal cord, against values computed apart, and its definition solved another way."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from scipy.stats import norm

from reirrad.errors import ParameterError
from reirrad.organs import references
from reirrad.woolley import OutsideModelError, alpha_beta_gy, implied_recovery, label, recovery_exponent, second_course, second_course_from_bed

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "recovery.toml").read_text(encoding="utf-8"))
MONKEYS = [(76.5571, 11.3764), (64.3842, 9.5675), (72.2328, 10.7338), (74.9850, 11.1428)]
ONSET = 70 / 365


@pytest.mark.parametrize("row", GOLDEN["woolley"][0]["table"], ids=lambda r: f"{r['dose_gy']:g}/{r['fractions']}, {r['years']} y")
def test_second_course(row):
    found = second_course(row["dose_gy"], row["fractions"], row["years"], row["second_fractions"], row.get("conservative_percent", 0))
    assert (found.first_percent, found.second_percent, found.bed_gy) == pytest.approx((row["first_percent"], row["second_percent"], row["bed_gy"]), abs=1e-3)
    assert found.dose_per_fraction_gy == pytest.approx(row["d_gy"], abs=1e-4)
    assert found.dose_gy * (1 + found.dose_per_fraction_gy / 2) == pytest.approx(found.bed_gy)


@pytest.mark.parametrize(("years", "r"), GOLDEN["woolley_exponent"][0]["table"])
def test_exponent(years, r):
    assert recovery_exponent(years) == pytest.approx(r, abs=1e-3)


def published_form(first, r):
    h = 0.5 * (1 + math.tanh(0.15 * (first - 35 / (1 + 0.1 * r))))
    left = 1 - first / 100
    return 100 * left * (1 + h * (left ** (-r / (1 + r)) - 1))


def by_bisection(percent, first):
    """Exponent r/(1+r) halved down in [0, 1), another route than a root finder in r."""
    low, high = 0.0, 1.0 - 1e-12
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if published_form(first, middle / (1 - middle)) < percent else (low, middle)
    return low / (1 - low)


@pytest.mark.parametrize("conservative", [0, 10, 20])
@pytest.mark.parametrize("years", [0.2, 0.5, 1, 1.7, 2, 3])
def test_exponent_from_the_definition(conservative, years):
    tolerance = [norm.ppf(0.01, d50, d50 / slope) for d50, slope in MONKEYS]
    first = 100 * 44 / (tolerance[0] * (1 - conservative / 100))
    knots = [(ONSET, 0.0), *((t, by_bisection(100 * tolerance[t] / tolerance[0], first)) for t in (1, 2, 3))]
    lagrange = sum(r * math.prod((years - other) / (t - other) for other, _ in knots if other != t) for t, r in knots)
    assert recovery_exponent(years, conservative) == pytest.approx(lagrange, rel=1e-6)


def test_implied_recovery():
    assert implied_recovery() == pytest.approx(GOLDEN["woolley_recovery"][0]["parts"], abs=1e-4)
    assert [f"{part:.0%}" for part in implied_recovery()] == ["72%", "90%", "96%"]


def test_nothing_recovers_in_70_days():
    before, after = second_course(40.0, 20, ONSET, 20), second_course(40.0, 20, ONSET + 0.01, 20)
    assert before.first_percent + before.second_percent == pytest.approx(100)
    assert before.bed_gy < after.bed_gy


def test_first_course_at_tolerance_leaves_nothing():
    found = second_course_from_bed(54.8 * 2, 3, 5)
    assert (found.tolerance_bed_gy, found.second_percent, found.dose_gy) == pytest.approx((109.6, 0, 0))


def test_conservative_lowers_the_tolerance():
    assert second_course(40.0, 20, 2, 20, 20).tolerance_bed_gy == pytest.approx(87.68)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((40.0, 20, 3.001, 20), OutsideModelError, "interval is 3.001 years"),
        ((60.0, 20, 2, 20), OutsideModelError, "BED of 150 Gy, above the tolerance of 109.6 Gy"),
        ((50.0, 25, 2, 20, 10), OutsideModelError, "above the tolerance of 98.64 Gy"),
        ((0.0, 20, 2, 20), ParameterError, "dose_gy is 0.0"),
        ((40.0, 2.5, 2, 20), ParameterError, "fractions is 2.5"),
        ((40.0, 20, -1, 20), ParameterError, "years is -1"),
        ((40.0, 20, math.nan, 20), ParameterError, "years is nan"),
        ((40.0, 20, 2, 0), ParameterError, "second_fractions is 0"),
        ((40.0, 20, 2, 20, 21), ParameterError, "conservative_percent is 21"),
        ((40.0, 20, 2, 20, -1), ParameterError, "conservative_percent is -1"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        second_course(*arguments)


def test_it_is_labelled():
    assert label().startswith("Exploratory")
    assert "never a limit" in label()
    assert alpha_beta_gy() == 2
    assert references()["WOOLLEY18"].status == "VERIFIED"
