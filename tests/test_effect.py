"""BED of every way of delivery against the double integral of Lea and Catcheside over its dose rate, and against sums over sessions."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from reirrad.effect import Growth, acute_bed, constant_rbe, growth_of, less_growth, needs_half_time, schedule_bed, sessions
from reirrad.errors import ParameterError
from reirrad.schedule import Part, Schedule, parse_schedule
from reirrad.timing import LowDoseRate, Permanent, Pulsed, SlowFraction, Timing, repair_factor


def integrated_bed(rate, breaks, alpha_beta, half_time):
    """D + (2 / ab) * integral of R(t) U(t), where the unrepaired dose U follows U' = R - mu U; quadrature between the jumps of the rate."""
    mu, dose, quadratic, left = math.log(2) / half_time, 0.0, 0.0, 0.0
    for a, b in pairwise(breaks):
        middle = (a + b) / 2
        if rate(middle) == 0:
            left *= math.exp(-mu * (b - a))
            continue

        def unrepaired(t, a=a, left=left):
            return left * math.exp(-mu * (t - a)) + quad(lambda s: rate(s) * math.exp(-mu * (t - s)), a, t, epsrel=1e-10)[0]

        dose += quad(rate, a, b, epsrel=1e-10)[0]
        quadratic += 2 * quad(lambda t, u=unrepaired: rate(t) * u(t), a, b, epsrel=1e-10)[0]
        left = unrepaired(b)
    return dose + quadratic / alpha_beta


@pytest.mark.parametrize("half_time", [0.5, 1.5, 20.0])
def test_low_dose_rate(half_time):
    found = schedule_bed(parse_schedule("36 hours=72"), 3, half_time)
    assert found == pytest.approx(integrated_bed(lambda t: 0.5, [0, 72], 3, half_time), rel=1e-8)


@pytest.mark.parametrize("half_time", [0.5, 1.5, 20.0])
def test_pulses(half_time):
    starts = range(5)
    breaks = sorted([*starts, *(s + 0.25 for s in starts)])
    found = schedule_bed(parse_schedule("2.5/5 pulse=15min every=1h"), 3, half_time)
    assert found == pytest.approx(integrated_bed(lambda t: 2.0 if t % 1 < 0.25 else 0.0, breaks, 3, half_time), rel=1e-8)


def test_pulses_without_a_pause_are_low_dose_rate():
    text = "30/60 pulse=1h every=1h"
    assert schedule_bed(parse_schedule(text), 3, 1.5) == pytest.approx(schedule_bed(parse_schedule("30 rate=0.5Gy/h"), 3, 1.5), rel=1e-12)


@pytest.mark.parametrize("half_time", [0.27, 12.0])
def test_permanent_implant(half_time):
    decay = math.log(2) / (24 * 9.69)
    mu = math.log(2) / half_time

    def rate(t):
        return 115 * decay * math.exp(-decay * t)

    def unrepaired(t):  # U' = R - mu U from U(0) = 0
        return 115 * decay / (mu - decay) * (math.exp(-decay * t) - math.exp(-mu * t))

    breaks = [0, half_time, 10 * half_time, *(24 * 9.69 * k for k in (1, 2, 4, 8, 16, 40))]
    quadratic = sum(2 * quad(lambda t: rate(t) * unrepaired(t), a, b, epsrel=1e-11)[0] for a, b in pairwise(breaks))
    assert schedule_bed(parse_schedule("115 permanent half-life=9.69d"), 3, half_time) == pytest.approx(115 + quadratic / 3, rel=1e-8)


def test_slow_fractions_and_a_repair_that_is_slower_still():
    schedule = parse_schedule("30/3 minutes=45")
    assert schedule_bed(schedule, 3, 0.4) == pytest.approx(3 * integrated_bed(lambda t: 10 / 0.75, [0, 0.75], 3, 0.4), rel=1e-8)
    assert (schedule_bed(schedule, 3, 1e9), acute_bed(schedule, 3)) == pytest.approx((130, 130), rel=1e-8)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.5, 60), st.integers(1, 20)), min_size=1, max_size=3),
    st.integers(1, 4),
    st.floats(1, 6),
    st.floats(0.2, 5),
    st.floats(0.5, 20),
    st.none() | st.floats(1, 2),
)
def test_every_pair_of_sessions(parts, per_day, interval, half_time, alpha_beta, rbe):
    schedule = Schedule("x", tuple(Part(d, n) for d, n in parts), per_day, interval if per_day > 1 else None, rbe=rbe)
    pulses, factor = sessions(schedule), rbe or 1.0
    linear = sum(p.dose_gy for p in pulses)
    assert linear == pytest.approx(factor * sum(d for d, _ in parts))
    same_day = [(a, b) for a in pulses for b in pulses if a.start_h // 24 == b.start_h // 24]
    quadratic = sum(a.dose_gy * b.dose_gy * 2 ** (-abs(a.start_h - b.start_h) / half_time) for a, b in same_day)
    assert schedule_bed(schedule, alpha_beta, half_time) == pytest.approx(linear + quadratic / alpha_beta, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "timing", "n"),
    [
        ("60/40 per-day=2 interval=6h", Timing(2, 6), 40),
        ("60/2 rate=0.5Gy/h", Timing(pattern=LowDoseRate(60)), 2),
        ("30/60 pulse=10min every=1h", Timing(pattern=Pulsed(60, 1, 1 / 6)), 1),
        ("145 permanent half-life=59.4d", Timing(pattern=Permanent(59.4)), 1),
        ("30/3 minutes=30", Timing(pattern=SlowFraction(30)), 3),
    ],
)
def test_a_typed_schedule_and_a_delivery_of_a_case_are_one(text, timing, n):
    dose = parse_schedule(text).parts[0].dose_gy
    assert schedule_bed(parse_schedule(text), 3, 1.3) == pytest.approx(dose * (1 + repair_factor(timing, n, 1.3) * dose / (n * 3)), rel=1e-12)


def test_rbe_weights_the_dose_before_anything_else():
    schedule = parse_schedule("50/25 rbe=1.1")
    assert constant_rbe(schedule)(2.0) == 1.1
    assert schedule_bed(schedule, 2) == pytest.approx(55 * (1 + 2.2 / 2))
    assert schedule_bed(schedule, 2, rbe=lambda d: 1 + d / 10) == pytest.approx(60 * (1 + 2.4 / 2))
    assert schedule_bed(parse_schedule("20/10+10/2 rbe=1.5"), 3) == pytest.approx(30 * 2 + 15 * (1 + 7.5 / 3))


@pytest.mark.parametrize(("text", "needs"), [("54/30", False), ("8+8+2", False), ("4/2 per-day=2 interval=6h", True), ("12.5/1 minutes=30", True)])
def test_where_repair_takes_part(text, needs):
    assert needs_half_time(parse_schedule(text)) is needs


def test_the_net_effect_of_an_implant_is_largest_at_its_effective_time():
    schedule, loss = parse_schedule("145 permanent half-life=59.4d"), 0.11
    net = less_growth(0.0, schedule, 1e6, 0.27, Growth(loss, 0))
    decay = math.log(2) / 59.4
    by_time = [145 * (1 - math.exp(-decay * t)) - loss * t for t in range(0, 800)]
    assert net == pytest.approx(max(by_time), abs=0.001)
    assert by_time.index(max(by_time)) == pytest.approx(234, abs=1)


def test_growth_is_given_whole_or_not():
    assert growth_of(False, None, None) is None
    assert growth_of(True, 0.9, 0) == Growth(0.9, 0)
    for given_in_part in ((True, None, None), (True, 0.9, None), (True, None, 28), (False, 0.9, 28), (False, 0.9, None), (False, None, 28)):
        with pytest.raises(ParameterError, match="Repopulation is given in part; needed are --tumour, --repopulation"):
            growth_of(*given_in_part)
    with pytest.raises(ParameterError, match="repopulation is 0"):
        Growth(0, 28)
    with pytest.raises(ParameterError, match="kick-off is -1"):
        Growth(0.9, -1)
