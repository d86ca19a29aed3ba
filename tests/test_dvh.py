"""Statistics of points with volumes: small cases by hand, large ones against closed forms and plain sorting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.dvh import Dvh, Undefined

NAN = float("nan")


def dvh(dose, volume=None, edge=()):
    dose = np.asarray(dose, np.float32)
    return Dvh(dose, np.full(dose.size, 0.5) if volume is None else np.asarray(volume, float), np.asarray(edge, np.float32))


def ramp(n=200_001, total=40.0, top=80.0):
    """Dose that falls evenly over the volume: D(v) = top (1 - v / total)."""
    rng = np.random.default_rng(8)
    volume = rng.uniform(0.1, 1.0, n)
    volume *= total / volume.sum()
    middle = np.cumsum(volume) - volume / 2
    shuffle = rng.permutation(n)
    return dvh((top * (1 - middle / total))[shuffle], volume[shuffle], edge=[0.0, top])


def test_the_curve_passes_through_the_points_at_the_middle_of_their_volume():
    d = dvh([10, 30, 20], [1.0, 2.0, 3.0], edge=[35.0, 8.0])
    assert d.near_max_gy(0.0) == 35.0
    assert d.near_max_gy(0.5) == pytest.approx(32.5)
    assert d.near_max_gy(1.0) == 30.0
    assert d.near_max_gy(2.25) == pytest.approx(25.0)
    assert d.near_max_gy(3.5) == 20.0
    assert d.near_max_gy(5.5) == 10.0
    assert d.near_max_gy(5.75) == pytest.approx(9.0)
    assert d.near_max_gy(6.0) == 8.0


@pytest.mark.hazard("H23")
def test_values_by_hand():
    d = dvh([10, 30, 20], [1.0, 2.0, 3.0], edge=[35.0, 8.0])
    assert d.volume_cc == 6.0
    assert (d.max_gy(), d.min_gy()) == (35.0, 8.0)
    assert d.mean_gy() == pytest.approx(130 / 6)
    assert (d.volume_above_cc(20), d.volume_below_cc(20)) == (5.0, 1.0)
    assert d.near_max_percent_gy(50) == d.near_max_gy(3.0)
    assert (dvh([10, 30]).max_gy(), dvh([10, 30]).min_gy()) == (30.0, 10.0)


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("volume", [0.03, 0.1, 2.0, 20.0, 39.9])
def test_a_falling_ramp_has_its_closed_form(volume):
    d = ramp()
    assert d.near_max_gy(volume) == pytest.approx(80 * (1 - volume / 40), abs=2e-3)
    assert d.mean_gy() == pytest.approx(40.0, abs=1e-3)
    assert d.volume_above_cc(60.0) == pytest.approx(10.0, abs=1e-3)
    assert d.geud_gy(4) == pytest.approx(80 * (1 / 5) ** (1 / 4), rel=1e-4)
    assert d.geud_gy(1) == pytest.approx(d.mean_gy(), rel=1e-9)


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("dose", ["spread", "spikes", "two values", "equal"])
@pytest.mark.parametrize("volume", [0.0, 1e-6, 0.01, 0.5, 20.0, 39.999, 40.0])
def test_looking_at_the_hot_tail_only_changes_nothing(dose, volume):
    rng = np.random.default_rng(2)
    n = 30_000
    values = {
        "spread": rng.uniform(0, 70, n),
        "spikes": np.where(rng.random(n) < 1e-3, rng.uniform(0, 900, n), rng.uniform(0, 1, n)),
        "two values": np.where(np.arange(n) < 100, 50.0, 10.0),
        "equal": np.full(n, 33.0),
    }[dose].astype(np.float32)
    sizes = rng.uniform(0.5, 1.5, n)
    sizes *= 40 / sizes.sum()
    order = np.argsort(-values, kind="stable")
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    expected = np.interp(volume, [0, *middle, 40], [values.max(), *values[order], values.min()])
    assert dvh(values, sizes).near_max_gy(volume) == pytest.approx(expected, abs=1e-4)


@pytest.mark.hazard("H15")
@pytest.mark.parametrize("metric", [0.03, 0.1, 2.0])
def test_a_structure_smaller_than_the_volume_has_no_value(metric):
    d = dvh([60, 61], [metric / 3, metric / 3])
    with pytest.raises(Undefined, match="less than the"):
        d.near_max_gy(metric)
    assert d.near_max_gy(metric * 2 / 3) == 60.0
    with pytest.raises(Undefined):
        d.near_max_percent_gy(101)


@pytest.mark.hazard("H04")
def test_coverage_and_what_is_known():
    d = dvh([10, NAN, 20], [1.0, 2.0, 5.0], edge=[NAN, 22.0])
    assert d.coverage == pytest.approx(0.75)
    assert not d.is_complete
    known = d.known()
    assert known.dose_gy.tolist() == [10, 20]
    assert known.volumes_cc.tolist() == [1, 5]
    assert known.edge_gy.tolist() == [22]
    assert known.known() is known
    assert known.coverage == 1.0
    assert dvh([10, 20], edge=[NAN]).known().edge_gy.size == 0


@pytest.mark.hazard("H04")
@pytest.mark.parametrize(
    ("total", "missing", "complete"), [(10.0, 0.0, True), (10.0, 0.009, True), (10.0, 0.011, False), (1000.0, 0.019, True), (1000.0, 0.021, False)]
)
def test_how_much_may_be_unknown(total, missing, complete):
    assert dvh([10, NAN], [total - missing, missing]).is_complete == complete


STATISTICS = [
    lambda d: d.max_gy(),
    lambda d: d.min_gy(),
    lambda d: d.mean_gy(),
    lambda d: d.near_max_gy(0.03),
    lambda d: d.near_max_percent_gy(2),
    lambda d: d.volume_above_cc(5),
    lambda d: d.volume_below_cc(5),
    lambda d: d.geud_gy(4),
]


@pytest.mark.hazard("H04")
@pytest.mark.parametrize("statistic", STATISTICS)
def test_no_statistic_is_made_of_unknown_dose(statistic):
    with pytest.raises(Undefined, match=r"not known in 25 %"):
        statistic(dvh([10, NAN, 20], [1.0, 2.0, 5.0], edge=[12.0]))
    with pytest.raises(Undefined, match=r"not known in 1e\+02 %"):
        statistic(dvh([NAN, NAN]))
    with pytest.raises(Undefined, match="no part"):
        statistic(dvh([NAN, NAN], edge=[12.0]).known())


def test_unknown_surface_points_carry_nothing():
    d = dvh([10, 20], edge=[NAN, NAN])
    assert (d.max_gy(), d.min_gy()) == (20.0, 10.0)
    assert dvh([10, 20], edge=[NAN, 25.0]).max_gy() == 25.0


def test_a_uniform_dose_reaches_its_own_value_in_spite_of_rounding():
    just_below = np.nextafter(np.float32(45.0), np.float32(0))
    d = dvh([45.0, just_below, 44.99], [1.0, 2.0, 4.0])
    assert d.volume_above_cc(45.0) == 3.0
    assert d.volume_below_cc(45.0) == 4.0
    assert d.volume_above_cc(0.0) == 7.0


def test_geud_at_extreme_exponents():
    d = dvh([10, 20, 40], edge=[90.0])
    assert d.geud_gy(1000) == pytest.approx(40 * (1 / 3) ** 1e-3)
    assert d.geud_gy(-1000) == pytest.approx(10 * (1 / 3) ** -1e-3)
    assert d.geud_gy(-1) == pytest.approx(3 / (1 / 10 + 1 / 20 + 1 / 40), rel=1e-6)
    assert dvh([0, 20]).geud_gy(-5) == 0.0
    assert dvh([0, 20]).geud_gy(2) == pytest.approx(20 / 2**0.5)
    assert dvh([0, 0], edge=[5.0]).geud_gy(8) == 0.0
    assert dvh([1e-6, 60]).geud_gy(-200) == pytest.approx(1e-6 * 0.5 ** (-1 / 200), rel=1e-6)


def test_volumes_in_double_precision_are_not_lost():
    d = dvh(np.full(1_000_000, 7.7), np.full(1_000_000, 1e-7))
    assert d.volume_cc == pytest.approx(0.1, rel=1e-12)
    assert d.mean_gy() == pytest.approx(float(np.float32(7.7)), rel=1e-9)


points = st.lists(st.tuples(st.floats(0, 100, width=32), st.floats(1e-4, 5)), min_size=1, max_size=12)


@given(points, st.floats(0, 1), st.floats(0, 1))
def test_order_of_statistics(pairs, a, b):
    dose, volume = zip(*pairs, strict=True)
    d = dvh(dose, volume)
    small, large = sorted((a * d.volume_cc, b * d.volume_cc))
    assert d.min_gy() <= d.near_max_gy(large) <= d.near_max_gy(small) <= d.max_gy()
    assert d.min_gy() * (1 - 1e-6) <= d.mean_gy() <= d.max_gy() * (1 + 1e-6)
    assert d.geud_gy(2) <= d.geud_gy(6) * (1 + 1e-9)
    assert d.volume_above_cc(50.0) + d.volume_below_cc(50.0) == pytest.approx(d.volume_cc)


@given(st.lists(st.tuples(st.floats(0, 100, width=32), st.floats(1e-4, 5)), min_size=1, max_size=12, unique_by=lambda pair: pair[0]), st.floats(0, 1))
def test_the_order_of_points_does_not_matter(pairs, part):
    dose, volume = zip(*pairs, strict=True)
    one, other = dvh(dose, volume), dvh(dose[::-1], volume[::-1])
    asked = part * min(one.volume_cc, other.volume_cc)
    assert one.near_max_gy(asked) == pytest.approx(other.near_max_gy(asked), rel=1e-4, abs=1e-3)
