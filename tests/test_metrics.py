import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import ReirradError
from reirrad.metrics import Metric, MetricError, parse_metric


@pytest.mark.parametrize(
    ("text", "kind", "argument", "unit", "canonical"),
    [
        ("D0.03cc", "dose_at_volume", 0.03, "cc", "D0.03cc"),
        ("d_2 cm3", "dose_at_volume", 2.0, "cc", "D2cc"),
        ("D2%", "dose_at_volume", 2.0, "%", "D2%"),
        ("D95", "dose_at_volume", 95.0, "%", "D95%"),
        ("D100cc", "dose_at_volume", 100.0, "cc", "D100cc"),
        ("max", "max", None, None, "Dmax"),
        ("D_max", "max", None, None, "Dmax"),
        ("Mean", "mean", None, None, "Dmean"),
        ("Dmin", "min", None, None, "Dmin"),
        ("V40Gy", "volume_at_dose", 40.0, "Gy", "V40Gy"),
        ("v17.50 gy", "volume_at_dose", 17.5, "Gy", "V17.5Gy"),
        ("CV16Gy", "critical_volume", 16.0, "Gy", "CV16Gy"),
        ("gEUD8", "geud", 8.0, None, "gEUD8"),
        ("GEUD_-10", "geud", -10.0, None, "gEUD-10"),
    ],
)
def test_spellings(text, kind, argument, unit, canonical):
    metric = parse_metric(text)
    assert (metric.kind, metric.argument, metric.argument_unit) == (kind, argument, unit)
    assert str(metric) == canonical
    assert parse_metric(canonical) == metric


@pytest.mark.hazard("H45")
@pytest.mark.parametrize("text", ["D0.1foo", "__import__('os')", "V40", "V40%", "V4000cGy", "D0,1cc", "D1e-1cc", "", "x" * 10_000, "D٣cc", "gEUD", "Dmax\x00"])
def test_anything_else_is_refused_with_the_forms_understood(text):
    with pytest.raises(MetricError, match=r"D0\.03cc.*V40Gy.*gEUD8") as refusal:
        parse_metric(text)
    assert isinstance(refusal.value, ReirradError)
    assert isinstance(refusal.value, ValueError)
    assert len(str(refusal.value)) < 250


@pytest.mark.hazard("H17")
@pytest.mark.parametrize("text", ["D2", "D0.03", "D49.9"])
def test_a_volume_that_may_be_cc_or_percent_is_refused(text):
    with pytest.raises(MetricError, match=f"write {text}cc or {text}%"):
        parse_metric(text)


@pytest.mark.parametrize(
    ("text", "range_"),
    [("D0cc", "up to 100000 cc"), ("D101%", "up to 100 %"), ("V0Gy", "up to 1000 Gy"), ("CV1001Gy", "up to 1000 Gy"), ("gEUD0", "up to 100")],
)
def test_numbers_out_of_range_are_refused(text, range_):
    with pytest.raises(MetricError, match=f"above 0 and {range_}"):
        parse_metric(text)


@pytest.mark.parametrize(
    ("kind", "argument", "unit"),
    [
        ("max", 2.0, None),
        ("max", None, "cc"),
        ("dose_at_volume", None, "cc"),
        ("dose_at_volume", 2.0, "Gy"),
        ("volume_at_dose", 2.0, "cc"),
        ("geud", 2.0, "Gy"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(kind, argument, unit):
    with pytest.raises(MetricError, match="cannot have the argument"):
        Metric(kind, argument, unit)


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(MetricError, match="found nan"):
        Metric("dose_at_volume", math.nan, "cc")


def test_only_the_volume_metrics_are_volumes():
    assert [m for m in ("D2cc", "Dmax", "Dmean", "Dmin", "gEUD8", "V40Gy", "CV16Gy") if parse_metric(m).is_volume] == ["V40Gy", "CV16Gy"]


@given(st.floats(min_value=1e-6, max_value=1e3))
def test_every_metric_is_read_back_as_it_is_written(x):
    for metric in (Metric("dose_at_volume", x, "cc"), Metric("volume_at_dose", x, "Gy"), Metric("critical_volume", x, "Gy"), Metric("geud", x / 10)):
        assert parse_metric(str(metric)) == metric
