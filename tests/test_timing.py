"""Factor of the quadratic term: golden numbers, sums over pairs of sessions, and the double integral over time done numerically."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad

from reirrad.accumulation import OrganDose
from reirrad.errors import ParameterError
from reirrad.timing import Acute, LowDoseRate, Permanent, Pulsed, SlowFraction, Timing, overnight_unrepaired, repair_factor

PDR = Timing(pattern=Pulsed(60, 1, 1 / 6))
LDR = Timing(pattern=LowDoseRate(60))
SEEDS = Timing(pattern=Permanent(59.4))


def bed(dose_gy, fractions, alpha_beta, timing, half_time):
    return dose_gy * (1 + repair_factor(timing, fractions, half_time) * dose_gy / (fractions * alpha_beta))


def numerical(spans, half_time):
    """Double integral of exp(-mu |t - s|) over times of irradiation (start, end), rate 1 per span and its length, over the square of one."""
    mu, total = math.log(2) / half_time, 0.0
    for a, b in spans:
        for c, d in spans:
            inner = [(c, min(max(a, c), d)), (max(min(b, d), c), d)] if (a, b) != (c, d) else []
            if inner:
                pieces = [dblquad(lambda s, t: math.exp(-mu * abs(t - s)), a, b, low, high)[0] for low, high in inner if high > low]
                total += sum(pieces) / ((b - a) * (d - c))
            else:
                total += 2 * dblquad(lambda s, t: math.exp(-mu * (t - s)), a, b, a, lambda t: t)[0] / (b - a) ** 2
    return total


@pytest.mark.parametrize(
    ("dose", "n", "alpha_beta", "timing", "half_time", "expected"),
    [
        (60, 40, 2, Timing(2, 6), 4, 120.910),  # EQD2 60.455; 52.5 with complete repair
        (44.4, 12, 3, Timing(2, 6), 4.4, 72.26 * 5 / 3),  # three cycles of two a day on two days: 6 days of 2 sessions
        (30, 1, 3, PDR, 1.5, 51.139),
        (30, 1, 3, LDR, 1.5, 50.860),
        (16, 1, 2, Timing(pattern=SlowFraction(60)), 1.5, 126.37),
        (145, 1, 3, SEEDS, 0.27, 146.327),
        (40, 1, 10, Timing(pattern=LowDoseRate(40 / 0.55)), math.log(2) / 0.46, 49.279),
        (54, 30, 2, Timing(), 4, 102.6),
    ],
)
def test_golden_numbers(dose, n, alpha_beta, timing, half_time, expected):
    assert bed(dose, n, alpha_beta, timing, half_time) == pytest.approx(expected, abs=0.01 if expected > 100 else 1e-3)


@pytest.mark.parametrize(
    ("timing", "n", "spans_of_day"),
    [
        (Timing(pattern=SlowFraction(90)), 3, [(0, 1.5)]),
        (Timing(pattern=LowDoseRate(7)), 2, [(0, 7)]),
        (Timing(2, 6, SlowFraction(120)), 4, [(0, 2), (6, 8)]),
        (Timing(pattern=Pulsed(3, 2, 0.5)), 5, [(0, 0.5), (2, 2.5), (4, 4.5)]),
        (Timing(2, 8, Pulsed(2, 1, 0.25)), 2, [(0, 0.25), (1, 1.25), (8, 8.25), (9, 9.25)]),
    ],
)
def test_factor_is_the_double_integral(timing, n, spans_of_day):
    session = len(spans_of_day) / timing.per_day  # spans that share the dose of a session
    expected = numerical(spans_of_day, 2.5) / session**2 / timing.per_day
    assert repair_factor(timing, n, 2.5) == pytest.approx(expected, rel=1e-7)


def test_decay_of_a_permanent_implant_is_the_double_integral():
    decay, mu = math.log(2) / (3 * 24), math.log(2) / 5.0
    value, _ = dblquad(lambda s, t: 2 * decay**2 * math.exp(-decay * (s + t) - mu * (t - s)), 0, 2500, 0, lambda t: t, epsrel=1e-6)
    assert repair_factor(Timing(pattern=Permanent(3)), 1, 5) == pytest.approx(value, rel=1e-4)
    assert repair_factor(Timing(pattern=Permanent(3)), 1, 5) == pytest.approx(decay / (mu + decay), rel=1e-12)


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(2, 4), st.floats(0.5, 6), st.floats(0.2, 12))
def test_several_a_day_is_every_pair_of_a_day(n, m, interval, half_time):
    pairs = sum(2 ** (-abs(i - j) * interval / half_time) for i in range(n) for j in range(n) if i // m == j // m)
    assert repair_factor(Timing(m, interval), n, half_time) == pytest.approx(pairs / n, rel=1e-12)
    assert repair_factor(Timing(m, interval, SlowFraction(1e-6)), n, half_time) == pytest.approx(pairs / n, rel=1e-6)


@pytest.mark.parametrize("timing", [Timing(3, 4), PDR, LDR, SEEDS, Timing(pattern=SlowFraction(30)), Timing(2, 6, SlowFraction(30))])
def test_longer_half_times_give_a_higher_dose(timing):
    found = [repair_factor(timing, 1, t) if timing.per_day == 1 else repair_factor(timing, 6, t) for t in (0.3, 1, 2.5, 4.4, 5, 12)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_one_session_alone_on_its_day():
    assert repair_factor(Timing(2, 6), 1, 4.4) == 1
    assert repair_factor(Timing(2, 6, SlowFraction(60)), 3, 1.5) == pytest.approx(
        (2 * repair_factor(Timing(2, 6, SlowFraction(60)), 2, 1.5) + repair_factor(Timing(pattern=SlowFraction(60)), 1, 1.5)) / 3
    )


@pytest.mark.parametrize(
    ("timing", "needs", "title"),
    [
        (Timing(), False, "one a day"),
        (Timing(2, 6), True, "2 a day, 6 h apart"),
        (Timing(2, 6, SlowFraction(30)), True, "sessions of 30 min, 2 a day, 6 h apart"),
        (PDR, True, "60 pulses of 0.167 h every 1 h"),
        (LDR, True, "low dose rate, 60 h"),
        (SEEDS, True, "permanent implant, half life 59.4 days"),
    ],
)
def test_what_it_says(timing, needs, title):
    assert (timing.needs_half_time, timing.title) == (needs, title)


def test_overnight():
    assert overnight_unrepaired(Timing(), 6) == 1 / 16  # 24 h
    assert overnight_unrepaired(Timing(3, 4), 8) == 1 / 4  # 16 h
    assert overnight_unrepaired(Timing(2, 6, SlowFraction(120)), 8) == 1 / 4  # 16 h
    assert overnight_unrepaired(Timing(pattern=Pulsed(5, 2, 2)), 7) == 1 / 4  # 14 h
    assert [overnight_unrepaired(t, 5) for t in (PDR, LDR, SEEDS)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("stated", "timing"),
    [
        (None, Timing()),
        ({"pattern": "acute"}, Timing(1, None, Acute())),
        ({"pattern": "low_dose_rate", "hours": 60}, LDR),
        ({"pattern": "pulsed", "pulses": 60, "period_h": 1, "pulse_h": 1 / 6}, PDR),
        ({"pattern": "permanent", "half_life_days": 59.4}, SEEDS),
        ({"pattern": "slow_fraction", "minutes": 30}, Timing(pattern=SlowFraction(30))),
    ],
)
def test_as_a_case_file_states_it(stated, timing):
    assert Timing.from_case(delivery=stated) == timing
    assert Timing.from_case(2, 6.5) == Timing(2, 6.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Timing(0), "per_day is 0; needed is a whole number"),
        (lambda: Timing(25, 0.5), "per_day is 25; needed is at most 24"),
        (lambda: Timing(2), "per_day or interval_h is stated without the other"),
        (lambda: Timing(1, 6), "per_day or interval_h is stated without the other"),
        (lambda: Timing(2, math.nan), "interval_h is nan"),
        (lambda: Timing(3, 9), "the night is shorter than the interval"),
        (lambda: Timing(2, 0.4, SlowFraction(30)), "interval_h is 0.4 for sessions of 0.5 h"),
        (lambda: Timing(2, 6, LowDoseRate(2)), "per_day is 2 for a low dose rate or permanent implant"),
        (lambda: Timing(2, 6, Permanent(17)), "per_day is 2 for a low dose rate or permanent implant"),
        (lambda: LowDoseRate(0), "hours is 0"),
        (lambda: LowDoseRate(3600), "hours is 3600; needed is at most 336"),
        (lambda: Pulsed(0, 1, 0.1), "pulses is 0"),
        (lambda: Pulsed(2000, 0.01, 0.01), "pulses is 2000; needed is at most 1000"),
        (lambda: Pulsed(60, 1, 10), "pulse_h is 10, longer than the period_h of 1"),
        (lambda: Pulsed(60, 60, 10), "pulses times period_h is 3600"),
        (lambda: Permanent(1425.6), "half_life_days is 1425.6; needed is at most 100"),
        (lambda: SlowFraction(1800), "minutes is 1800; needed is at most 720"),
        (lambda: Timing.from_case(delivery={"pattern": "hdr"}), "The pattern of a delivery is hdr; needed is one of acute, low_dose_rate"),
        (lambda: Timing.from_case(delivery={"hours": 3}), "The pattern of a delivery is None"),
        (lambda: Timing.from_case(delivery={"pattern": "low_dose_rate"}), "states nothing; needed is hours beside pattern"),
        (lambda: Timing.from_case(delivery={"pattern": "low_dose_rate", "minutes": 3}), "states minutes; needed is hours"),
        (lambda: Timing.from_case(delivery={"pattern": "acute", "hours": 3}), "states hours; needed is nothing"),
        (lambda: Timing.from_case(delivery={"pattern": "low_dose_rate", "hours": "60"}), "hours is 60; needed is a finite number"),
        (lambda: repair_factor(Timing(), 2.5, 4), "fractions is 2.5"),
        (lambda: repair_factor(LDR, 1, 0), "half_time_h is 0"),
        (lambda: repair_factor(PDR, 60, 1.5), "fractions is 60 for 60 pulses of 0.167 h every 1 h; needed is the number of applications, at most 6"),
        (lambda: repair_factor(SEEDS, 2, 1.5), "fractions is 2 for permanent implant, half life 59.4 days; needed is the number of applications, at most 1"),
        (lambda: overnight_unrepaired(Timing(), -1), "half_time_h is -1"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ParameterError) as refusal:
        make()
    assert message in str(refusal.value)


def test_points_of_an_organ():
    """Two deliveries of one organ: 40 x 1.5 Gy twice a day and 30 x 1.8 Gy once a day."""
    n, timings = np.array([40, 30]), (Timing(2, 6), Timing())
    factor = np.array([repair_factor(t, int(k), 4) for t, k in zip(timings, n, strict=True)])
    dose = np.array([[60, 0], [54, 54]], np.float32)
    found = OrganDose(np.array([1.0, 2.0]), dose, dose[:, :0], n, np.array([0, 1]), factor).eqd2(2)
    np.testing.assert_allclose(found.dose_gy, [60.455 + 51.3, 51.3], atol=1e-3)
