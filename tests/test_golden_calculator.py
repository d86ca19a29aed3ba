"""Worked numbers of a paper calculator, through the formulas and through what the command computes."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from reirrad.calculator import calculate
from reirrad.calculatorsensitivity import LqL, Usc
from reirrad.effect import Growth
from reirrad.radiobiology import bed, dose_for_eqd2, eqd2
from reirrad.repopulation import less_repopulation
from reirrad.schedule import parse_schedule

GOLDEN = Path(__file__).parent / "golden"
LQ = tomllib.loads((GOLDEN / "lq.toml").read_text(encoding="utf-8"))
MODELS = tomllib.loads((GOLDEN / "models.toml").read_text(encoding="utf-8"))


def rows(table):
    return [row for group in table for row in group["table"]]


def computed(schedules, row, **options):
    return calculate([parse_schedule(s) for s in schedules], row["alpha_beta_gy"], **options)


@pytest.mark.hazard("H02", "H23", "H25")
@pytest.mark.parametrize("row", rows(LQ["schedule"]), ids=str)
def test_schedules(row):
    found = computed(row["schedules"], row).total
    assert found.eqd2_gy == pytest.approx(row["eqd2_gy"], abs=1e-4)
    assert found.bed_gy == pytest.approx(row["eqd2_gy"] * (1 + 2 / row["alpha_beta_gy"]), abs=1e-3)
    assert "not_gy" not in row or abs(found.eqd2_gy - row["not_gy"]) > 1


@pytest.mark.parametrize("row", rows(MODELS["schedule"]), ids=str)
def test_schedules_in_other_models(row):
    asked = [LqL(row["lq_l"])] if "lq_l" in row else [Usc(*row["usc"])] if "usc" in row else []
    growth = Growth(*row["growth"]) if "growth" in row else None
    found = computed(row["schedules"], row, half_time_h=row.get("half_time_h"), growth=growth, sensitivities=asked)
    assert found.total.bed_gy == pytest.approx(row["bed_gy"], abs=1e-3)
    beside = {s.model: s for s in found.sensitivities}
    expected = {m: row[m] for m in ("acute", "mcnamara", "wedenberg", "lq-l") if m in row} | ({"usc": row["usc_bed_gy"]} if "usc" in row else {})
    assert {m: s.total.bed_gy for m, s in beside.items()} == pytest.approx(expected, abs=1e-3)
    if "usc" in row:
        assert beside["usc"].linear_quadratic.bed_gy == pytest.approx(row["usc_lq_bed_gy"], abs=1e-3)
        assert beside["usc"].total.eqd2_gy == pytest.approx(row["usc_bed_gy"] / (1 + 2 / 8.6047985514), abs=1e-3)
    for model in beside.keys() - {"usc"}:
        assert beside[model].linear_quadratic == found.total


@pytest.mark.parametrize("row", rows(LQ["recovery"]), ids=str)
def test_recovery_stands_beside(row):
    found = computed([row["prior"], row["last"]], row)
    assert found.total.eqd2_gy == pytest.approx(row["prior_eqd2_gy"] + 2, abs=1e-9)
    assert found.after_recovery.eqd2_gy == pytest.approx(row["kept_eqd2_gy"] + 2, abs=1e-9)
    prior = parse_schedule(row["prior"])
    wrong = eqd2(prior.parts[0].dose_gy * (1 - prior.recovered), prior.parts[0].fractions, row["alpha_beta_gy"])
    assert wrong == pytest.approx(row["not_gy"], abs=1e-3)


@pytest.mark.parametrize("row", rows(LQ["remaining"]), ids=str)
def test_what_remains_and_back(row):
    found = computed([row["prior"]], row, limit_eqd2_gy=row["limit_gy"], fractions=row["fractions"])
    assert [r.dose_per_fraction_gy for r in found.remaining] == pytest.approx(row["dose_per_fraction_gy"], abs=1e-3)
    for r in found.remaining:
        assert found.total.eqd2_gy + eqd2(r.dose_gy, r.fractions, row["alpha_beta_gy"]) == pytest.approx(row["limit_gy"], rel=1e-12)


def test_most_fractions_of_a_size():
    (row,) = LQ["most_fractions"]
    for size, n in row["by_dose_per_fraction_gy"].items():
        d = int(size)
        assert eqd2(float(n * d), n, row["alpha_beta_gy"]) <= row["eqd2_gy"] + 1e-9 < eqd2(float((n + 1) * d), n + 1, row["alpha_beta_gy"])


def tumour_bed(row, delta, n):
    organ, tumour = row["alpha_beta_gy"]["organ"], row["alpha_beta_gy"]["tumour"]
    return bed(dose_for_eqd2(row["eqd2_gy"], n, organ) / delta, n, tumour)


def test_number_of_fractions_by_sparing():
    (group,) = LQ["choice"]
    for row in group["table"]:
        for n, value in row["bed_gy"].items():
            assert tumour_bed(group, row["delta"], int(n)) == pytest.approx(value, abs=1e-4)


def test_number_of_fractions_with_growth():
    (row,) = LQ["choice_with_growth"]
    net = {n: less_repopulation(tumour_bed(row, row["delta"], n), row["per_day_gy"], 1.4 * (n - 1), row["kickoff_days"]) for n in range(1, 41)}
    assert {n: net[int(n)] for n in row["bed_gy"]} == pytest.approx(row["bed_gy"], abs=1e-4)
    assert max(net, key=lambda n: net[n]) == 16  # the last number before growth begins


def test_converting_before_interpolating_is_never_less():
    (row,) = LQ["between"]
    dose, n, alpha_beta = np.array(row["dose_gy"]), row["fractions"], row["alpha_beta_gy"]
    first, later = eqd2(dose, n, alpha_beta).mean(), eqd2(float(dose.mean()), n, alpha_beta)
    assert (first, later) == pytest.approx((row["converted_first_gy"], row["interpolated_first_gy"]), abs=1e-4)
    for w in (0.1, 0.5, 0.8):
        gap = w * eqd2(10.0, n, alpha_beta) + (1 - w) * eqd2(30.0, n, alpha_beta) - eqd2(w * 10.0 + (1 - w) * 30.0, n, alpha_beta)
        assert gap == pytest.approx(w * (1 - w) * 20**2 / (n * (2 + alpha_beta)), rel=1e-12)
    for fractions, value in row["gap_of_10_gy"].items():
        ends = (eqd2(20.0, int(fractions), alpha_beta) + eqd2(30.0, int(fractions), alpha_beta)) / 2
        assert ends - eqd2(25.0, int(fractions), alpha_beta) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("schedules", [["45/25", "24/2"], ["30/25", "10/5"], ["66/30"]])
def test_the_sum_is_monotone_in_alpha_beta(schedules):
    values = [computed(schedules, {"alpha_beta_gy": ab}).total.eqd2_gy for ab in np.linspace(0.5, 20, 79)]
    steps = np.sign(np.diff(values))
    assert abs(steps.sum()) == len(steps)
    assert math.copysign(1, steps[0]) == {"45/25": -1, "30/25": 1, "66/30": -1}[schedules[0]]


@pytest.mark.parametrize("row", LQ["scale"], ids=str)
def test_scale_of_a_course_until_a_limit(row):
    prior, dose, n, ab = np.array(row["prior_eqd2_gy"]), np.array(row["dose_gy"]), row["fractions"], row["alpha_beta_gy"]
    scales = [dose_for_eqd2(row["limit_gy"] - p, n, ab) / d for p, d in zip(prior, dose, strict=True)]
    assert scales == pytest.approx(row["by_point"], abs=1e-3)
    assert prior + eqd2(min(scales) * dose, n, ab) == pytest.approx(row["sums_at_least_gy"], abs=1e-2)
    assert (prior + eqd2(row["for_mean"] * dose, n, ab)).mean() == pytest.approx(row["mean_limit_gy"], abs=2e-2)
