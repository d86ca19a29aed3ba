from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import ParameterError
from reirrad.radiobiology import bed, eqd2, eqd2_from_bed
from reirrad.repopulation import bed_loss_from_eqd2_loss, bed_loss_per_day, less_repopulation


@given(st.floats(0, 2), st.floats(1, 20), st.floats(0, 80), st.floats(0, 40))
def test_losses_in_bed_and_in_eqd2_are_one(loss, alpha_beta, overall, kickoff):
    as_bed = less_repopulation(bed(70.0, 35, alpha_beta), bed_loss_from_eqd2_loss(loss, alpha_beta), overall, kickoff)
    as_eqd2 = less_repopulation(eqd2(70.0, 35, alpha_beta), loss, overall, kickoff)
    assert eqd2_from_bed(as_bed, alpha_beta) == pytest.approx(as_eqd2, rel=1e-10, abs=1e-9)


def test_one_doubling_undoes_the_dose_that_halves_survival():
    alpha, doubling = 0.3, 3.0
    assert np.exp(-alpha * bed_loss_per_day(alpha, doubling) * doubling) == pytest.approx(0.5)


def test_points():
    np.testing.assert_allclose(less_repopulation(np.array([84.0, np.nan, 10.0]), 0.9, 46, 28), [67.8, np.nan, -6.2])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: bed_loss_per_day(0, 3), "alpha_per_gy is 0"),
        (lambda: bed_loss_per_day(0.3, -3), "doubling_time_days is -3"),
        (lambda: bed_loss_from_eqd2_loss(-1, 10), "eqd2_per_day_gy is -1"),
        (lambda: bed_loss_from_eqd2_loss(1, 0), "alpha_beta_gy is 0"),
        (lambda: less_repopulation(84.0, -1, 46, 28), "per_day_gy is -1"),
        (lambda: less_repopulation(84.0, 1, float("nan"), 28), "overall_days is nan"),
        (lambda: less_repopulation(84.0, 1, 46, -28), "kickoff_days is -28"),
    ],
)
def test_refusals_name_the_parameter(wrong, words):
    with pytest.raises(ParameterError, match=words):
        wrong()
