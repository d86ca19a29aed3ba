"""Effect of a schedule on the tumour."""

from __future__ import annotations

import math

import pytest

from reirrad.effect import Growth
from reirrad.errors import ParameterError
from reirrad.radiobiology import dose_for_eqd2
from reirrad.repopulation import less_repopulation
from reirrad.tumour import Tumour, effects, overall_days

LATE, EARLY = 3.0, 10.0


def isotoxic_bed(remaining_gy: float, sparing: float, n: int, growth: Growth | None = None) -> float:
    """BED of a tumour when n fractions use up what remains of an organ that gets `sparing` of the tumour's dose."""
    (found,) = effects(Tumour((EARLY,), growth), dose_for_eqd2(remaining_gy, n, LATE) / sparing, n)
    assert found.bed_gy is not None
    return found.bed_gy


@pytest.mark.parametrize("n", range(1, 41))
def test_number_of_fractions_is_indifferent_when_the_organ_is_spared_by_the_quotient_of_alpha_betas(n):
    """B_T = B_N alpha/beta_T ... : 20 Gy EQD2 at 3 Gy is a BED of 33.33 Gy, divided by 0.3."""
    assert isotoxic_bed(20, LATE / EARLY, n) == pytest.approx(33.3333333 / 0.3, abs=1e-5)
    assert round(isotoxic_bed(20, 0.3, n), 2) == 111.11


@pytest.mark.parametrize(("sparing", "n", "bed"), [(0.2, 1, 228.5), (0.2, 30, 185.3), (0.6, 1, 34.95), (0.6, 30, 49.35)])
def test_few_fractions_win_below_that_quotient_and_many_above(sparing, n, bed):
    assert isotoxic_bed(20, sparing, n) == pytest.approx(bed, abs=0.05 if bed > 100 else 0.005)


@pytest.mark.parametrize(("n", "bed"), [(15, 105.06), (16, 105.82), (20, 105.09), (25, 103.55)])
def test_with_repopulation_there_is_a_best_number(n, bed):
    """An overall time of 1.4 (n - 1) days."""
    assert less_repopulation(isotoxic_bed(50, 0.6, n), 0.6, 1.4 * (n - 1), 21) == pytest.approx(bed, abs=0.005)


def test_best_number_with_repopulation_is_16():
    beds = {n: less_repopulation(isotoxic_bed(50, 0.6, n), 0.6, 1.4 * (n - 1), 21) for n in range(1, 41)}
    assert max(beds, key=lambda n: beds[n]) == 16


@pytest.mark.parametrize(("n", "per_day", "days"), [(1, 1, 0), (5, 1, 4), (6, 1, 7), (10, 1, 11), (28, 1, 37), (30, 1, 39), (30, 2, 18), (3, 2, 1), (2, 2, 0)])
def test_overall_time_from_a_monday_on_working_days(n, per_day, days):
    assert overall_days(n, per_day) == days


def test_bed_eqd2_and_growth_by_hand():
    """60 Gy in 30: 72 at 10 Gy, 100 at 3 Gy; first to last day 39, 18 beyond day 21, 0.6 Gy each."""
    early, late = effects(Tumour(growth=Growth(0.6, 21)), 60.0, 30)
    assert (early.alpha_beta_gy, late.alpha_beta_gy) == (10, 3)
    assert early.bed_without_growth_gy == pytest.approx(72)
    assert early.bed_gy == pytest.approx(72 - 18 * 0.6)
    assert early.eqd2_gy == pytest.approx((72 - 18 * 0.6) / 1.2)
    assert late.bed_gy == pytest.approx(100 - 18 * 0.6)
    assert early.bed_lql_gy is None


def test_twice_a_day_is_shorter():
    """45 Gy in 30, two a day, ends on day 18: no growth after day 18."""
    (found,) = effects(Tumour((10.0,), Growth(0.6, 18)), 45.0, 30, per_day=2)
    assert found.bed_gy == pytest.approx(45 * 1.15)
    (once,) = effects(Tumour((10.0,), Growth(0.6, 18)), 45.0, 30)
    assert once.bed_gy == pytest.approx(45 * 1.15 - 21 * 0.6)


def test_lql_stands_beside_lq_beyond_10_gy_per_fraction():
    """16 Gy in one: 16 (1 + 1.6) = 41.6 under LQ; straight from 10 Gy with slope 1 + 20/10 = 3: 20 + 6 x 3 = 38."""
    (found,) = effects(Tumour((10.0,)), 16.0, 1)
    assert found.bed_gy == pytest.approx(41.6)
    assert found.bed_lql_gy == pytest.approx(38.0)
    assert effects(Tumour(), 30.0, 3)[0].bed_lql_gy is None  # 10 Gy themselves are not beyond


def test_growth_that_outran_the_dose_leaves_no_number():
    """1 Gy in 40 fractions: BED 1.0025 at 10 Gy against 53 - 21 days of 0.6 Gy."""
    (found,) = effects(Tumour((10.0,), Growth(0.6, 21)), 1.0, 40)
    assert (found.bed_gy, found.eqd2_gy) == (None, None)
    assert found.bed_without_growth_gy == pytest.approx(1.0025)


@pytest.mark.parametrize("alpha_betas", [(), (10.0, 10.0), (0.0,), (-3.0,), (math.nan,)])
def test_alpha_beta_that_makes_no_sense_is_refused(alpha_betas):
    with pytest.raises(ParameterError, match="alpha_beta_gy of the tumour"):
        Tumour(alpha_betas)


def test_evidence_that_is_not_there_is_refused_where_it_is_named():
    with pytest.raises(ParameterError, match=r'"lung"; there is some for: anal_cancer'):
        Tumour(evidence="lung")
    assert Tumour(evidence="anal_cancer").evidence == "anal_cancer"
