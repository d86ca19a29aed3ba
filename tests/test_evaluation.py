from __future__ import annotations

from typing import Any

import pytest
from case_factory import limit, organ_dose

from reirrad.dvh import Undefined
from reirrad.evaluation import Finding, evaluate, not_evaluable
from reirrad.limit import Clause
from reirrad.metrics import Metric, parse_metric
from reirrad.organsum import OrganSum, at_least, metric_value
from reirrad.paper import PaperDose
from reirrad.situation import Situation

NAN = float("nan")
NAMES = {0: "first", 1: "second"}
PROPOSED = Situation(proposed=1, proposed_fractions=5, interval_months=12.0, courses=NAMES, priors=frozenset({0}))


def found(one: Any, dose: Any, situation: Situation = PROPOSED) -> Finding:
    finding = evaluate(one, "Rectum_1", OrganSum(dose), situation)
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
    finding = found(limit("Dmax", 500.0, scope="course"), at(30.0), Situation(None, None, None, NAMES, frozenset({0})))
    assert (finding.status, finding.reason) == ("not_evaluable", "the limit is for the proposed course, and the case has none")


# ------------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("least", "most", "n", "applies"),
    [(3, 8, 2, False), (3, 8, 3, True), (3, 8, 8, True), (3, 8, 9, False), (3, None, 30, True), (3, None, 2, False), (None, 8, 1, True), (None, 8, 9, False)],
)
def test_fraction_condition(least: int | None, most: int | None, n: int, applies: bool) -> None:
    one = limit("Dmax", 500.0, min_fractions=least, max_fractions=most)
    finding = evaluate(one, "Rectum_1", OrganSum(at(30.0)), Situation(1, n, 12.0, NAMES, frozenset({0})))
    assert (finding is not None) == applies
    assert finding is None or finding.status == "pass"


@pytest.mark.hazard("H17")
@pytest.mark.parametrize("key", ["min_fractions", "max_fractions"])
def test_fraction_condition_without_a_proposed_course(key: str) -> None:
    finding = found(limit("Dmax", 500.0, **{key: 5}), at(30.0), Situation(None, None, None, NAMES, frozenset({0})))
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
    finding = found(limit("Dmax", 500.0, **{key: 6.0}), at(30.0), Situation(1, 5, months, NAMES, frozenset({0})))
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
    assert finding.reason == "at least this: 25 % of the structure lies outside a dose grid; its dose there is not known"
    assert finding.margin == pytest.approx(-0.5, abs=1e-4)

    finding = found(limit(metric, bound + 0.5, quantity="physical", scope="course", unit=unit), PART)  # would be a caution if all were known
    assert (finding.status, finding.value, finding.is_lower_bound) == ("not_evaluable", None, False)
    assert finding.reason == "25 % of the structure lies outside a dose grid; its dose there is not known"


@pytest.mark.hazard("H04")
@pytest.mark.parametrize(("metric", "value", "unit", "comparator"), [("Dmin", 0.1, "Gy", "<="), ("CV50Gy", 3.5, "cc", ">="), ("Dmean", 30, "Gy", ">=")])
def test_metrics_of_which_the_known_part_says_nothing(metric: str, value: float, unit: str, comparator: str) -> None:
    finding = found(limit(metric, value, quantity="physical", scope="course", unit=unit, comparator=comparator), PART)
    assert (finding.status, finding.value) == ("not_evaluable", None)


@pytest.mark.hazard("H04")
def test_nothing_is_known() -> None:
    finding = found(limit("Dmax", 0.1, quantity="physical", scope="course"), organ_dose((1, 5, [NAN]), volumes_cc=[4.0]))
    assert finding.reason == "100 % of the structure lies outside a dose grid; its dose there is not known"


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


# ------------------------------------------------------------------------------------------------------- courses on paper


def on_paper(gy: float, letter: float) -> OrganSum:
    """`letter` Gy in 10 on paper, `gy` in 10 at points of 4 cc: at alpha/beta 3, 10 fractions of 2 Gy are their own EQD2."""
    return OrganSum(organ_dose((1, 10, [gy]), volumes_cc=[4.0]), {0: PaperDose.from_organ_doses({"Dmax": letter}, 10)}, NAMES)


@pytest.mark.hazard("H17")
@pytest.mark.parametrize(
    ("limit_gy", "status", "bound", "value"),
    [(50.0, "pass", "upper", 40.0), (41.0, "caution", "upper", 40.0), (39.0, "exceed", "upper", 40.0), (19.0, "exceed", "lower", 20.0)],
)
def test_upper_bound_of_a_sum_with_paper(limit_gy: float, status: str, bound: str, value: float) -> None:
    """20 + 20 at most, 20 at least: above 40 Gy the limit is met for certain, below 20 Gy exceeded for certain, between it may be exceeded."""
    finding = evaluate(limit("Dmax", limit_gy), "Rectum", on_paper(20.0, 20.0), PROPOSED)
    assert finding is not None
    assert (finding.status, finding.bound, finding.value) == (status, bound, pytest.approx(value))
    assert ("at most this" if bound == "upper" else "at least this") in str(finding.reason)


@pytest.mark.hazard("H17")
def test_mean_of_a_sum_with_paper_is_not_evaluable() -> None:
    finding = evaluate(limit("Dmean", 50.0), "Rectum", on_paper(20.0, 20.0), PROPOSED)
    assert finding is not None
    assert (finding.status, finding.value) == ("not_evaluable", None)


# ------------------------------------------------------------------------------------------------------- recovery


def with_recovery(recovery: str, limit_gy: float, kept: float = 0.5) -> Finding:
    """30 Gy in 10 before (EQD2 36), 30 Gy in 5 now (EQD2 54): 90 without recovery, 72 with half of the first."""
    finding = evaluate(limit("Dmax", limit_gy, recovery=recovery), "Rectum", OrganSum(at(30.0)), PROPOSED, {0: kept})
    assert finding is not None
    return finding


@pytest.mark.hazard("H13")
@pytest.mark.parametrize(
    ("recovery", "words"),
    [
        ("raw", "derived from sums without recovery"),
        ("built_in", "has recovery in it already"),
        ("not_stated", "does not say that it is for sums after recovery"),
    ],
)
def test_limits_not_made_for_sums_after_recovery_are_judged_without(recovery: str, words: str) -> None:
    finding = with_recovery(recovery, 80.0)
    assert (finding.status, finding.value, finding.value_with_recovery) == ("exceed", pytest.approx(90), pytest.approx(72))
    assert finding.status_without_recovery is None
    assert finding.margin == pytest.approx(-10)
    assert words in str(finding.reason)


@pytest.mark.hazard("H13")
@pytest.mark.parametrize(
    ("limit_gy", "status", "without", "margin"), [(100.0, "pass", "pass", 28), (80.0, "caution", "exceed", 8), (60.0, "exceed", "exceed", -12)]
)
def test_limit_made_for_sums_after_recovery(limit_gy: float, status: str, without: str, margin: float) -> None:
    finding = with_recovery("discounted", limit_gy)
    assert (finding.status, finding.status_without_recovery, finding.value, finding.value_with_recovery) == (
        status, without, pytest.approx(90), pytest.approx(72),
    )  # fmt: skip
    assert finding.margin == pytest.approx(margin)
    assert finding.reason == ("only with recovery: without it the value is 90.00 Gy (exceed)" if status == "caution" else None)


def test_limit_of_one_course_knows_no_recovery() -> None:
    finding = evaluate(limit("Dmax", 50.0, scope="course", recovery="discounted"), "Rectum", OrganSum(at(30.0)), PROPOSED, {0: 0.5})
    assert finding is not None
    assert (finding.value, finding.value_with_recovery, finding.status, finding.course) == (pytest.approx(54), None, "exceed", 1)


# ------------------------------------------------------------------------------------------------------- rules of several clauses

HYTEC = (Clause("this_course", "<=", 25.0, "Gy"), Clause("ratio", "<=", 0.5, ""), Clause("interval", ">=", 5.0, "months"))


def rule(first_gy: float, second_gy: float, months: float | None = 12.0, clauses: tuple[Clause, ...] = HYTEC, **more: Any) -> Finding:
    """Both in 25 fractions at alpha/beta 2: 50 Gy are 50 Gy EQD2."""
    dose = organ_dose((0, 25, [first_gy]), (1, 25, [second_gy]), volumes_cc=[4.0])
    one = limit("Dmax", 70.0, organ="thecal_sac", alpha_beta_gy=2.0, clauses=clauses, **more)
    finding = evaluate(one, "ThecalSac", OrganSum(dose, {}, NAMES), Situation(1, 25, months, NAMES, frozenset({0})))
    assert finding is not None
    return finding


@pytest.mark.parametrize(
    ("first", "second", "months", "statuses", "status"),
    [
        (50.0, 10.0, 12.0, ("pass", "pass", "pass"), "pass"),  # 57 Gy of 70: 10 Gy in 25 are 10 (0.4 + 2) / 4 = 6 Gy
        (50.0, 10.0, 4.9, ("pass", "pass", "exceed"), "exceed"),
        (50.0, 10.0, None, ("pass", "pass", "not_evaluable"), "not_evaluable"),
        (0.0, 10.0, 12.0, ("pass", "pass", "pass"), "pass"),  # no earlier dose here: a ratio means nothing
        (5.0, 10.0, 12.0, ("pass", "exceed", "pass"), "exceed"),  # 5 Gy in 25 are 2.75 Gy: 6 of 8.75
        (0.0, 50.0, None, ("exceed", "pass", "not_evaluable"), "exceed"),
    ],
)
def test_every_clause_of_a_rule_is_evaluated(first: float, second: float, months: float | None, statuses: tuple[str, ...], status: str) -> None:
    finding = rule(first, second, months)
    assert tuple(c.status for c in finding.clauses) == statuses
    assert finding.status == status
    assert all(c.words in str(finding.reason) for c in finding.clauses if c.status in ("exceed", "not_evaluable"))


def test_values_of_clauses() -> None:
    """50/25 and 14/3 at alpha/beta 2: 50 and 23.333, of which 23.333 / 73.333 = 0.318 (HyTEC, methods G19)."""
    dose = organ_dose((0, 25, [50.0]), (1, 3, [14.0]), volumes_cc=[4.0])
    one = limit("Dmax", 70.0, alpha_beta_gy=2.0, clauses=(*HYTEC, Clause("each_course", "<=", 49.0, "Gy")))
    finding = evaluate(one, "ThecalSac", OrganSum(dose, {}, NAMES), PROPOSED)
    assert finding is not None
    assert finding.value == pytest.approx(73.3333, abs=1e-4)
    assert [c.value for c in finding.clauses] == [pytest.approx(v, abs=1e-3) for v in (23.333, 0.318, 12.0, 50.0, 23.333)]
    assert [c.status for c in finding.clauses] == ["pass", "pass", "pass", "exceed", "pass"]
    assert finding.clauses[3].words == 'Dmax of "first" <= 49 Gy'
    assert str(finding.reason) == 'Dmax of "first" <= 49 Gy: found 50'


def test_clause_of_the_proposed_course_needs_one() -> None:
    one = limit("Dmax", 700.0, clauses=HYTEC)
    finding = evaluate(one, "ThecalSac", OrganSum(at(30.0)), Situation(None, None, 12.0, NAMES, frozenset({0})))
    assert finding is not None
    assert [c.status for c in finding.clauses] == ["not_evaluable", "not_evaluable", "pass"]
    assert finding.status == "not_evaluable"


@pytest.mark.parametrize(
    ("letter", "limit_gy", "status", "words"),
    [(20.0, 21.0, "pass", "None"), (20.0, 19.0, "exceed", "found 20"), ({"Dmax": 30.0, "D2cc": 10.0}, 25.0, "exceed", "found 37.5 at most")],
)
def test_clause_of_a_course_on_paper(letter: Any, limit_gy: float, status: str, words: str) -> None:
    """Each course by itself: its Dmax is stated; for D0.1cc of the letter its Dmax is an upper and its D2cc a lower bound."""
    doses = letter if isinstance(letter, dict) else {"Dmax": letter}
    metric = "D0.1cc" if isinstance(letter, dict) else "Dmax"
    organ = OrganSum(organ_dose((1, 25, [10.0]), volumes_cc=[4.0]), {0: PaperDose.from_organ_doses(doses, 10)}, NAMES)
    one = limit(metric, 700.0, alpha_beta_gy=2.0, clauses=(Clause("each_course", "<=", limit_gy, "Gy"),))
    finding = evaluate(one, "SpinalCord", organ, PROPOSED)
    assert finding is not None
    assert finding.clauses[0].status == status
    assert words in str(finding.clauses[0].reason)


def test_ratio_of_bounds() -> None:
    """10/25 now is 6 Gy; the letter is 20 Gy at most and 20 at least by its Dmax: 6 / 26 at least, 6 / 20 at most."""
    organ = OrganSum(organ_dose((1, 25, [10.0]), volumes_cc=[4.0]), {0: PaperDose.from_organ_doses({"Dmax": 20.0}, 10)}, NAMES)
    one = limit("Dmax", 700.0, alpha_beta_gy=2.0, clauses=(Clause("ratio", "<", 0.31, ""),))
    finding = evaluate(one, "SpinalCord", organ, PROPOSED)
    assert finding is not None
    assert (finding.clauses[0].status, finding.clauses[0].value) == ("pass", pytest.approx(0.3))
    unknown = OrganSum(organ.dose, {0: None}, NAMES)
    finding = evaluate(one, "SpinalCord", unknown, PROPOSED)
    assert finding is not None
    assert (finding.clauses[0].status, finding.clauses[0].value) == ("not_evaluable", None)


def test_without_earlier_dose_there_is_no_ratio_and_without_earlier_course_no_interval() -> None:
    finding = rule(0.0, 0.0)
    assert [(c.value, c.reason) for c in finding.clauses[:2]] == [(0.0, None), (None, "no earlier dose in this structure")]
    assert finding.status == "pass"
    alone = organ_dose((0, 25, [50.0]), volumes_cc=[4.0])
    finding = evaluate(limit("Dmax", 70.0, alpha_beta_gy=2.0, clauses=HYTEC[1:]), "ThecalSac", OrganSum(alone), Situation(0, 25, None, {0: "now"}))
    assert [c.reason for c in finding.clauses] == ["no earlier dose in this structure", "no earlier course"]
    assert finding.status == "pass"


def test_rule_that_is_not_evaluable_says_what_the_sum_is() -> None:
    finding = rule(50.0, 10.0, None)
    assert (finding.status, finding.value) == ("not_evaluable", None)
    assert "the sum itself is 56.00 Gy (pass)" in str(finding.reason)


def test_all_proposed_courses_are_one_re_irradiation() -> None:
    """50 in 25, then 10 in 25 twice: 6 and 6 of 62; each alone would pass 10 Gy, together they do not."""
    dose = organ_dose((0, 25, [50.0]), (1, 25, [10.0]), (2, 25, [10.0]), volumes_cc=[4.0])
    one = limit("Dmax", 70.0, alpha_beta_gy=2.0, clauses=(Clause("this_course", "<=", 10.0, "Gy"), Clause("ratio", "<=", 0.5, "")))
    finding = evaluate(one, "ThecalSac", OrganSum(dose), Situation(1, 25, 12.0, {0: "then", 1: "now", 2: "boost"}, frozenset({0})))
    assert [(c.status, c.value) for c in finding.clauses] == [("exceed", pytest.approx(12)), ("pass", pytest.approx(12 / 62, abs=1e-4))]
    assert finding.clauses[0].words == 'Dmax of "now" + "boost" <= 10 Gy'


def test_undecided_ratio_is_not_evaluable() -> None:
    """Now 6 Gy; of the letter 50 Gy at most and nothing at least: between 6 / 56 and 1."""
    organ = OrganSum(organ_dose((1, 25, [10.0]), volumes_cc=[4.0]), {0: PaperDose.uniform(50.0, 25)}, NAMES)
    finding = evaluate(limit("Dmax", 70.0, alpha_beta_gy=2.0, clauses=HYTEC[1:2]), "ThecalSac", organ, PROPOSED)
    assert finding.clauses[0].status == "not_evaluable"
    assert str(finding.clauses[0].reason).startswith("between 0.11 and 1.00: ")
    assert "assumed, not proven: no part of the structure received more than the prescription" in str(finding.reason)


def test_clause_without_such_a_value() -> None:
    one = limit("D9cc", 70.0, clauses=(HYTEC[0],))
    finding = evaluate(one, "ThecalSac", OrganSum(at(30.0)), PROPOSED)
    assert finding is not None
    assert finding.clauses[0].status == "not_evaluable"
    assert "less than the 9 cc" in str(finding.clauses[0].reason)


# ------------------------------------------------------------------------------------------------------- limits of conventional fractions


@pytest.mark.parametrize(("gy", "least", "status"), [(50.0, 25, "pass"), (55.0, 25, "caution"), (55.0, 5, "pass"), (79.0, 25, "caution"), (81.0, 25, "exceed")])
def test_limit_for_conventional_fractions_is_no_clean_pass_with_larger_ones(gy: float, least: int, status: str) -> None:
    """In 25 fractions 50 Gy are 2.0 and 55 Gy 2.2 Gy per fraction."""
    one = limit("Dmax", 80.0, quantity="physical", scope="course", min_fractions=least)
    finding = evaluate(one, "Rectum", OrganSum(organ_dose((1, 25, [gy]), volumes_cc=[4.0])), Situation(1, 25, 12.0, NAMES, frozenset({0})))
    assert finding is not None
    assert finding.status == status
    assert ("up to 2.20 Gy" in str(finding.reason)) == (gy == 55.0 and least == 25)


def test_fractions_of_unknown_size_are_no_clean_pass_either() -> None:
    dose = OrganSum(organ_dose((1, 25, [NAN, 10.0]), volumes_cc=[0.005, 9.995]))
    one = limit("Dmean", 80.0, quantity="physical", scope="course", min_fractions=25)
    finding = evaluate(
        one, "Rectum", OrganSum(dose.dose, {1: PaperDose.from_organ_doses({"D2cc": 9.0}, 25)}, NAMES), Situation(1, 25, 12.0, NAMES, frozenset({0}))
    )
    assert finding is not None
    assert finding.status == "not_evaluable"
    two = limit("D5cc", 80.0, quantity="physical", scope="course", min_fractions=25)
    finding = evaluate(
        two, "Rectum", OrganSum(dose.dose, {1: PaperDose.from_organ_doses({"D2cc": 9.0}, 25)}, NAMES), Situation(1, 25, 12.0, NAMES, frozenset({0}))
    )
    assert finding is not None
    assert (finding.status, "not known" in str(finding.reason)) == ("caution", True)
