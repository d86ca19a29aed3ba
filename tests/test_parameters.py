from __future__ import annotations

import math

import pytest

from reirrad.errors import ParameterError, ReirradError
from reirrad.parameters import not_negative, positive, whole
from reirrad.radiobiology import bed, bed_from_eqd2, dose_per_fraction_for_eqd2, eqd2, eqd2_from_bed


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (positive, [1e-9, 3], [0, -1, math.nan, math.inf, "three", None]),
        (not_negative, [0, 3.5], [-1e-9, math.nan, math.inf, None]),
        (whole, [1, 30.0], [0, 1.5, -2, math.nan, math.inf, "1"]),
    ],
)
def test_checks(check, good, bad):
    for value in good:
        check("x_gy", value)
    for value in bad:
        with pytest.raises(ParameterError, match=f"x_gy is {value}; needed"):
            check("x_gy", value)


def test_a_wrong_parameter_is_a_refusal_and_a_value_error():
    assert issubclass(ParameterError, ReirradError)
    assert issubclass(ParameterError, ValueError)


@pytest.mark.parametrize("alpha_beta", [0, -3, math.nan, math.inf])
def test_the_linear_quadratic_formulas_refuse_an_alpha_beta(alpha_beta):
    for call in (bed, eqd2, dose_per_fraction_for_eqd2):
        with pytest.raises(ParameterError, match="alpha_beta_gy"):
            call(60.0, 30, alpha_beta)
    for convert in (eqd2_from_bed, bed_from_eqd2):
        with pytest.raises(ParameterError, match="alpha_beta_gy"):
            convert(60.0, alpha_beta)


def test_the_linear_quadratic_formulas_refuse_no_fractions():
    for call in (bed, eqd2, dose_per_fraction_for_eqd2):
        with pytest.raises(ParameterError, match="fractions is 0"):
            call(60.0, 0, 3)
    with pytest.raises(ParameterError, match="eqd2_gy is -1"):
        dose_per_fraction_for_eqd2(-1.0, 5, 3)
