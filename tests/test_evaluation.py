from __future__ import annotations

from typing import Any

import pytest
from case_factory import limit, organ_dose

from reirrad.dvh import Undefined
from reirrad.evaluation import Finding, Situation, at_least, evaluate, metric_value, not_evaluable
from reirrad.metrics import Metric, parse_metric

NAN = float("nan")
PROPOSED = Situation(proposed=1, proposed_fractions=5, interval_months=12.0)


def found(one: Any, dose: Any, situation: Situation = PROPOSED) -> Finding:
    finding = evaluate(one, "Rectum_1", dose, situation)
    assert finding is not None
    assert finding.structure == "Rectum_1"
    assert finding.limit is one
    return finding


def at(gy: float) -> Any:
    """30 Gy in 10 before; now `gy` in 5, in 4 cc."""
    return organ_dose((0, 10, [30.0]), (1, 5, [gy]), volumes_cc=[4.0])


# ------------------------------------------------------------------------------------------------------- the value of a metric

# 40 Gy in 1 cc, 20 Gy in 2 cc, 10 Gy in 1 cc: the curve passes 40 Gy at 0.5 cc, 20 Gy at 2 cc and 10 Gy at 3.5 cc.
THREE = organ_dose((1, 5, [10, 40, 20]), volumes_cc=[1, 1, 2])


@pytest.mark.parametrize(
    ("metric", "unit", "value"),
    [
        ("Dmax", "Gy", 40),
        ("Dmin", "Gy", 10),
        ("Dmean", "Gy", 22.5),
        ("D2cc", "Gy", 20),
        ("D1.25cc", "Gy", 30),
        ("D50%", "Gy", 20),
        ("V20Gy", "cc", 3),
        ("V20Gy", "%", 75),
        ("CV20Gy", "cc", 1),
        ("CV20Gy", "%", 25),
        ("gEUD2", "Gy", 25),
    ],
)
def test_value_of_a_metric(metric: str, unit: str, value: float) -> None:
    assert metric_value(THREE.physical(1), parse_metric(metric), unit) == pytest.approx(value, rel=1e-6)


def test_unknown_metric_has_no_value() -> None:
    metric = Metric("max")
    object.__setattr__(metric, "kind", "typo")
    with pytest.raises(Undefined, match="no definition"):
        metric_value(THREE.physical(1), metric, "Gy")


# ------------------------------------------------------------------------------------------------------- pass, caution, exceed


@pytest.mark.parametrize(
    ("comparator", "value", "status", "margin"),
    [
        ("<=", 47.5, "pass", 2.5),
        ("<=", 47.6, "caution", 2.4),
        ("<=", 49.9, "caution", 0.1),
        ("<=", 50.0, "caution", 0.0),
        ("<=", 50.1, "exceed", -0.1),
        ("<", 47.5, "pass", 2.5),
        ("<", 49.9, "caution", 0.1),
        ("<", 50.0, "exceed", 0.0),
        ("<", 50.1, "exceed", -0.1),
    ],
)
def test_upper_limit(comparator: str, value: float, status: str, margin: float) -> None:
    finding = found(limit("Dmax", 50.0, quantity="physical", scope="course", comparator=comparator), at(value))
    assert (finding.status, finding.value, finding.is_lower_bound) == (status, value, False)
    assert finding.margin == pytest.approx(margin, abs=1e-9)
    assert finding.reason == ("within 5 % of the limit" if status == "caution" else None)


@pytest.mark.parametrize(("value", "status"), [(49.9, "exceed"), (50.0, "caution"), (50.1, "caution"), (52.4, "caution"), (52.5, "pass")])
def test_lower_limit_of_a_spared_volume(value: float, status: str) -> None:
    dose = organ_dose((1, 5, [10, 40]), volumes_cc=[value, 100])
    finding = found(limit("CV20Gy", 50.0, quantity="physical", scope="course", comparator=">=", unit="cc"), dose)
    assert (finding.status, finding.value) == (status, value)
    assert finding.margin == pytest.approx(value - 50)


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        (40.0, "pass", None),
        (40.1, "caution", "within the published range, between 40 and 50 Gy"),
        (50.0, "caution", "within the published range, between 40 and 50 Gy"),
        (50.1, "exceed", None),
    ],
)
def test_published_range(value: float, status: str, reason: str | None) -> None:
    finding = found(limit("Dmax", 50.0, quantity="physical", scope="course", caution=40.0), at(value))
    assert (finding.status, finding.reason) == (status, reason)


def test_narrow_published_range_does_not_hide_that_the_limit_is_near() -> None:
    finding = found(limit("Dmax", 50.0, quantity="physical", scope="course", caution=49.0), at(48.0))
    assert (finding.status, finding.reason) == ("caution", "within 5 % of the limit")


@pytest.mark.parametrize(("value", "status"), [(49.0, "exceed"), (55.0, "caution"), (69.9, "caution"), (70.0, "pass")])
def test_published_range_of_a_spared_volume(value: float, status: str) -> None:
    dose = organ_dose((1, 5, [10, 40]), volumes_cc=[value, 100])
    finding = found(limit("CV20Gy", 50.0, quantity="physical", scope="course", comparator=">=", unit="cc", caution=70.0), dose)
    assert finding.status == status
    if status == "caution":
        assert finding.reason == "within the published range, between 70 and 50 cc"


def test_a_limit_met_exactly_is_met_whatever_single_precision_makes_of_it() -> None:
    # 0.1 Gy is 0.100000001... in single precision
    assert found(limit("Dmax", 0.1, quantity="physical", scope="course"), at(0.1)).status == "caution"


# ------------------------------------------------------------------------------------------------------- quantity and scope


@pytest.mark.hazard("H06", "H17")
@pytest.mark.parametrize(
    ("quantity", "scope", "alpha_beta", "value"),
    [
        ("physical", "course", None, 30.0),
        ("EQD2", "course", 3.0, 54.0),  # 30 (6 + 3) / (2 + 3)
        ("BED", "course", 3.0, 90.0),  # 30 (1 + 6 / 3)
        ("EQD2", "course", 10.0, 40.0),  # 30 (6 + 10) / 12
        ("EQD2", "cumulative", 3.0, 90.0),  # 36 + 54
        ("BED", "cumulative", 3.0, 150.0),  # 60 + 90
    ],
)
def test_quantity_and_scope(quantity: str, scope: str, alpha_beta: float | None, value: float) -> None:
    """30 Gy in 10, then 30 Gy in 5."""
    finding = found(limit("Dmax", 500.0, quantity=quantity, scope=scope, alpha_beta_gy=alpha_beta), at(30.0))
    assert finding.value == pytest.approx(value, abs=1e-4)
    assert finding.status == "pass"


@pytest.mark.hazard("H17")
def test_physical_doses_are_not_summed() -> None:
    finding = found(limit("Dmax", 500.0, quantity="physical", scope="cumulative"), at(30.0))
    assert (finding.status, finding.value, finding.margin) == ("not_evaluable", None, None)
    assert finding.reason == "physical doses of courses with different fractionation are not summed; a limit in EQD2 or BED is needed"


@pytest.mark.hazard("H17")
def test_limit_of_a_course_needs_a_proposed_course() -> None:
    finding = found(limit("Dmax", 500.0, scope="course"), at(30.0), Situation(None, None, None))
    assert (finding.status, finding.reason) == ("not_evaluable", "the limit is for the proposed course, and the case has none")


# ------------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("least", "most", "n", "applies"),
    [(3, 8, 2, False), (3, 8, 3, True), (3, 8, 8, True), (3, 8, 9, False), (3, None, 30, True), (3, None, 2, False), (None, 8, 1, True), (None, 8, 9, False)],
)
def test_fraction_condition(least: int | None, most: int | None, n: int, applies: bool) -> None:
    one = limit("Dmax", 500.0, min_fractions=least, max_fractions=most)
    finding = evaluate(one, "Rectum_1", at(30.0), Situation(1, n, 12.0))
    assert (finding is not None) == applies
    assert finding is None or finding.status == "pass"


@pytest.mark.hazard("H17")
@pytest.mark.parametrize("key", ["min_fractions", "max_fractions"])
def test_fraction_condition_without_a_proposed_course(key: str) -> None:
    finding = found(limit("Dmax", 500.0, **{key: 5}), at(30.0), Situation(None, None, None))
    assert finding.status == "not_evaluable"
    assert finding.reason == "the limit holds for certain numbers of fractions of the proposed course, and the case has none"


@pytest.mark.hazard("H13", "H24")
@pytest.mark.parametrize(
    ("key", "months", "reason"),
    [
        ("min_interval_months", 6.0, None),
        ("min_interval_months", 5.97, "the limit holds for an interval of at least 6 months; here it is 5.97"),
        ("min_interval_months", None, "the limit holds for an interval of at least 6 months, and the interval is not known"),
        ("max_interval_months", 6.0, None),
        ("max_interval_months", 6.03, "the limit holds for an interval of at most 6 months; here it is 6.03"),
        ("max_interval_months", None, "the limit holds for an interval of at most 6 months; here it is not known"),
    ],
)
def test_interval_condition(key: str, months: float | None, reason: str | None) -> None:
    finding = found(limit("Dmax", 500.0, **{key: 6.0}), at(30.0), Situation(1, 5, months))
    assert (finding.status, finding.reason) == ("pass" if reason is None else "not_evaluable", reason)


# ------------------------------------------------------------------------------------------------------- unknown dose

# A quarter of 4 cc without dose; 60 Gy in 1 cc, 20 Gy in 2 cc. With nothing in the unknown part: mean 25 Gy, D2cc 20 Gy, V50Gy 1 cc.
PART = organ_dose((1, 5, [NAN, 60, 20]), volumes_cc=[1, 1, 2], edge_gy=[[NAN, 61]])


@pytest.mark.hazard("H04")
@pytest.mark.parametrize(
    ("metric", "unit", "bound"), [("Dmax", "Gy", 61), ("Dmean", "Gy", 25), ("D2cc", "Gy", 20), ("V50Gy", "cc", 1), ("V50Gy", "%", 25), ("gEUD2", "Gy", 33.1662)]
)
def test_what_is_known_may_exceed_already(metric: str, unit: str, bound: float) -> None:
    """gEUD2: root of (60^2 + 2 20^2) / 4 = 1100."""
    finding = found(limit(metric, bound - 0.5, quantity="physical", scope="course", unit=unit), PART)
    assert (finding.status, finding.is_lower_bound) == ("exceed", True)
    assert finding.value == pytest.approx(bound, abs=1e-4)
    assert finding.reason == "at least this: 25 % of the structure lies outside a dose grid"
    assert finding.margin == pytest.approx(-0.5, abs=1e-4)

    finding = found(limit(metric, bound + 0.5, quantity="physical", scope="course", unit=unit), PART)  # would be a caution if all were known
    assert (finding.status, finding.value, finding.is_lower_bound) == ("not_evaluable", None, False)
    assert finding.reason == "25 % of the structure lies outside a dose grid: its dose there is not known"


@pytest.mark.hazard("H04")
@pytest.mark.parametrize(("metric", "value", "unit", "comparator"), [("Dmin", 0.1, "Gy", "<="), ("CV50Gy", 3.5, "cc", ">="), ("Dmean", 30, "Gy", ">=")])
def test_metrics_of_which_the_known_part_says_nothing(metric: str, value: float, unit: str, comparator: str) -> None:
    finding = found(limit(metric, value, quantity="physical", scope="course", unit=unit, comparator=comparator), PART)
    assert (finding.status, finding.value) == ("not_evaluable", None)


@pytest.mark.hazard("H04")
def test_nothing_is_known() -> None:
    finding = found(limit("Dmax", 0.1, quantity="physical", scope="course"), organ_dose((1, 5, [NAN]), volumes_cc=[4.0]))
    assert finding.reason == "100 % of the structure lies outside a dose grid: its dose there is not known"


@pytest.mark.hazard("H04")
def test_a_course_that_is_known_counts_where_another_is_not() -> None:
    """The prior course is unknown in half of the organ; 30 Gy in 5 (EQD2 54) are known everywhere, so 54 Gy is the least in the other half."""
    dose = organ_dose((0, 10, [NAN, 0.0]), (1, 5, [30.0, 10.0]), volumes_cc=[2.0, 2.0])
    finding = found(limit("Dmax", 53.0), dose)
    assert (finding.status, finding.value, finding.is_lower_bound) == ("exceed", pytest.approx(54, abs=1e-4), True)
    assert found(limit("Dmax", 55.0), dose).status == "not_evaluable"


def test_a_negligible_part_may_be_unknown() -> None:
    # 0.005 cc of 10 cc: below 0.1 % and below 0.02 cc
    dose = organ_dose((1, 5, [NAN, 20.0]), volumes_cc=[0.005, 9.995])
    assert found(limit("Dmax", 50.0, quantity="physical", scope="course"), dose).status == "pass"


def test_at_least_is_zero_where_unknown_and_the_same_elsewhere() -> None:
    floor = at_least(PART)
    assert floor.dose_gy.tolist() == [[0, 60, 20]]
    assert floor.edge_gy.tolist() == [[0, 61]]
    assert floor.fractions is PART.fractions


@pytest.mark.hazard("H15")
def test_structure_smaller_than_the_metric() -> None:
    for dose in (THREE, PART):
        finding = found(limit("D5cc", 1.0, quantity="physical", scope="course"), dose)
        assert (finding.status, finding.value) == ("not_evaluable", None)
        assert finding.reason == "the structure has 4 cc, less than the 5 cc of the metric"


def test_finding_without_structure() -> None:
    finding = not_evaluable(limit(), None, "none")
    assert (finding.structure, finding.value, finding.status, finding.reason, finding.margin) == (None, None, "not_evaluable", "none", None)
