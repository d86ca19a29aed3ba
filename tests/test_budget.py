"""What remains of every limit: closed forms of uniform doses, deficits, bounds, clauses, recovery."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from case_factory import box_structure, case, course, even_dose, limit, organ_dose

from reirrad.assessment import LimitChoice
from reirrad.band import Uncertainty
from reirrad.budget import Budget, LimitBudget, holds_for, priors_alone, remaining
from reirrad.course import Case, Course, RecoveryChoice
from reirrad.errors import ParameterError
from reirrad.leftover import clause_caps, leftover
from reirrad.limit import Clause, Limit
from reirrad.organsum import Bounds, OrganSum
from reirrad.papercourse import Paper
from reirrad.radiobiology import eqd2
from reirrad.recovery import custom
from reirrad.structures import Structure
from reirrad.timing import Timing

NOW = course("now", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))


def then(gy: Any = 30, n: int = 10, **more: Any) -> Course:
    return course("then", "prior", gy, n, last_day=dt.date(2021, 1, 1), **more)


def budget_of(one: Case, *limits: Limit, fractions: tuple[int, ...] = (5,)) -> Budget:
    return remaining(one, LimitChoice(limits, frozenset(x.id for x in limits), ("test",)), fractions)


def only(one: Case, *limits: Limit, fractions: tuple[int, ...] = (5,)) -> LimitBudget:
    (row,) = budget_of(one, *limits, fractions=fractions).rows
    return row


def points(*eqd2_gy: float, volumes_cc: tuple[float, ...] | None = None) -> OrganSum:
    """Organ whose points have these EQD2 at alpha/beta 3: one fraction of d has d (d + 3) / 5."""
    doses = [(-3 + math.sqrt(9 + 20 * e)) / 2 for e in eqd2_gy]
    return OrganSum(organ_dose((0, 1, doses), volumes_cc=volumes_cc or (1.0,) * len(doses)))


# ------------------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize(
    ("value", "prior", "alpha_beta", "doses"),
    [  # Gy in n fractions: n d (d + alpha/beta) / (2 + alpha/beta) = limit - prior, worked out by hand
        (70, 50, 2, {1: 8.00, 2: 10.81, 3: 12.78, 5: 15.62, 10: 20.00}),
        (70, 30, 2, {1: 11.69, 3: 19.11, 5: 23.72, 20: 40.00}),
        (120, 60, 3, {1: 15.89, 3: 25.84, 5: 31.95}),
        (74, 44, 3, {5: 20.90}),
    ],
)
def test_uniform_earlier_dose_of_two_gray_fractions(value: float, prior: int, alpha_beta: float, doses: dict[int, float]) -> None:
    row = only(case(then(prior, prior // 2), NOW), limit("Dmax", value, alpha_beta_gy=alpha_beta), fractions=tuple(doses))
    assert row.state == "remains"
    assert row.prior.high == pytest.approx(prior, rel=1e-5)
    assert row.remaining_eqd2_gy == pytest.approx(value - prior, rel=1e-5)
    assert {n: row.dose_gy(n) for n in doses} == {n: pytest.approx(gy, abs=6e-3) for n, gy in doses.items()}
    for allowance in row.by_fractions:
        assert allowance.dose_gy is not None
        assert eqd2(allowance.dose_gy, allowance.fractions, alpha_beta) == pytest.approx(value - prior, rel=1e-5)
        assert allowance.is_beyond_lq == (allowance.dose_gy / allowance.fractions > 10)


def test_proposed_course_is_not_counted() -> None:
    """30 in 10 is 36 Gy at 3 Gy, whatever is proposed, or if nothing is."""
    limits = limit("Dmean", 50.0)
    alone = case(then(), reference=0)
    for one in (case(then(), NOW), case(then(), course("now", "proposed", 90, 1)), alone):
        assert only(one, limits).remaining_eqd2_gy == pytest.approx(14.0, rel=1e-5)
    assert [c.kind for c in priors_alone(alone).courses] == ["prior", "proposed"]


def test_always_the_same_numbers_of_fractions_and_the_asked_ones() -> None:
    found = budget_of(case(then(), NOW), limit("Dmax", 50.0), fractions=(8, 3))
    assert [a.fractions for a in found.rows[0].by_fractions] == [1, 3, 5, 8, 15, 28]
    assert found.fractions == (8, 3)
    assert found.rows[0].dose_gy(7) is None


def test_limit_in_bed() -> None:
    """50 in 25 at 2 Gy: BED 100; 135.5 leaves 35.5, which is EQD2 17.75."""
    row = only(case(then(50, 25), NOW), limit("Dmax", 135.5, quantity="BED", alpha_beta_gy=2.0))
    assert row.prior.high == pytest.approx(100, rel=1e-5)
    assert row.remaining_eqd2_gy == pytest.approx(17.75, rel=1e-4)


def test_phases_and_two_a_day_count_as_they_were_given() -> None:
    """30 in 10 twice a day, half time 2 h: 30 (3 x 1.125 + 3) / 5 = 38.25; a second phase of 10 in 5 adds 10."""
    twice = case(then(timing=Timing(2, 6)), NOW, half_time_h={"rectum": 2.0})
    assert only(twice, limit("Dmax", 50.0)).remaining_eqd2_gy == pytest.approx(50 - 38.25, rel=1e-4)
    first, second = then().phases[0], then(10, 5).phases[0]
    assert only(case(then(phases=(first, second)), NOW), limit("Dmax", 50.0)).remaining_eqd2_gy == pytest.approx(50 - 36 - 10, rel=1e-4)


# ------------------------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("metric", "value", "more", "left"),
    [
        ("Dmax", 50.0, {}, 20.0),
        ("Dmean", 30.0, {}, 12.5),  # (30 + 20 + 10 + 10) / 4 = 17.5
        ("Dmin", 30.0, {}, 20.0),
        ("D1cc", 40.0, {}, 15.0),  # half way between the middles of 30 and 20: 25
        ("V40Gy", 1.0, {"unit": "cc"}, 20.0),  # the second point may not reach 40
        ("V40Gy", 30.0, {"unit": "%"}, 20.0),  # 1.2 of 4 cc: the first may, the second not
        ("CV40Gy", 3.0, {"unit": "cc", "comparator": ">="}, 20.0),  # 3 cc stay below
        ("V15Gy", 1.0, {"unit": "cc"}, -5.0),
    ],
)
def test_metrics_by_hand(metric: str, value: float, more: dict[str, Any], left: float) -> None:
    """Four points of 1 cc with 30, 20, 10 and 10 Gy."""
    organ, one = points(30, 20, 10, 10), limit(metric, value, **more)
    found = leftover(one, organ, None)
    assert found.least_gy == found.most_gy == pytest.approx(left, abs=2e-3)
    assert found.least_gy is not None
    shifted = points(*(e + found.least_gy for e in (30, 20, 10, 10)))
    met = shifted.value(one.metric, one.unit, "EQD2", 3.0).high
    assert met is not None
    assert met >= value - 1e-4 if one.comparator == ">=" else met <= value + 1e-4


def test_equivalent_uniform_dose_by_hand() -> None:
    """a = 2 of 10 and 20 Gy: sqrt(250); 5 Gy more: sqrt((225 + 625) / 2) = sqrt(425)."""
    organ = points(10, 20)
    assert leftover(limit("gEUD2", math.sqrt(425)), organ, None).least_gy == pytest.approx(5.0, abs=1e-4)
    assert leftover(limit("gEUD2", 10.0), organ, None).least_gy == pytest.approx(10 - math.sqrt(250), abs=1e-4)
    assert leftover(limit("gEUD8", 30.0), points(12, 12, 12), None).least_gy == pytest.approx(18.0, abs=1e-4)
    assert leftover(limit("gEUD-5", 12.0), points(12, 12), None).least_gy == pytest.approx(0.0, abs=1e-4)


def test_volume_that_no_dose_can_break_and_volume_in_bed() -> None:
    free = leftover(limit("V40Gy", 4.0, unit="cc"), points(30, 20, 10, 10), None)
    assert (free.is_unlimited, free.least_gy) == (True, None)
    row = only(case(then(), NOW), limit("V40Gy", 100.0, unit="%"))
    assert (row.state, row.remaining_eqd2_gy, row.by_fractions[0].dose_gy) == ("unlimited", None, None)
    assert "any dose meets the limit" in str(row.reason)
    in_bed = leftover(limit("V40Gy", 0.5, unit="cc", quantity="BED"), points(12, 6), None)  # BED 20: 20 more, which is EQD2 12
    assert in_bed.least_gy == pytest.approx(12.0, abs=2e-3)


# ------------------------------------------------------------------------------------------------------------- deficits and nothing left


def test_deficit_is_shown_as_a_deficit() -> None:
    found = budget_of(case(then(), NOW), limit("Dmax", 30.0))
    (row,) = found.rows
    assert (row.state, row.binding) == ("deficit", "sum")
    assert row.remaining_eqd2_gy == pytest.approx(-6, rel=1e-4)
    assert row.deficit_eqd2_gy == pytest.approx(6, rel=1e-4)
    assert {(a.dose_gy, a.reason) for a in row.by_fractions} == {(None, "deficit of 6.00 Gy EQD2: the earlier courses exceed the limit already")}
    assert not found.something_remains


def test_limit_met_exactly_leaves_nothing_and_lacks_nothing() -> None:
    """30 in 10 is 36 Gy; single precision must not make a deficit of it. With "<" it is reached."""
    row = only(case(then(), NOW), limit("Dmax", 36.0))
    assert (row.state, row.remaining_eqd2_gy, row.deficit_eqd2_gy) == ("remains", pytest.approx(0, abs=1e-4), None)
    assert row.dose_gy(5) == pytest.approx(0, abs=1e-3)
    reached = only(case(then(30.00004), NOW), limit("Dmax", 36.0001, comparator="<"))  # 36.00008, which counts as 36.0001
    assert reached.state == "not_met"
    assert {(a.dose_gy, a.reason) for a in reached.by_fractions} == {(None, "the earlier courses reach the limit")}


@pytest.mark.hazard("H04")
def test_organ_outside_the_earlier_dose_grid() -> None:
    """Dose grid over x -8 .. 8, organ -5 .. 20: not evaluable; a deficit where what is known exceeds the limit already."""
    part = case(then(even_dose(30, (6, 9, 5))), NOW)
    row = only(part, limit("Dmax", 50.0))
    assert (row.state, row.remaining_eqd2_gy, row.prior.high, row.closed) == ("not_evaluable", None, None, None)
    assert "outside a dose grid" in str(row.by_fractions[0].reason)
    assert only(part, limit("V10Gy", 1.0, unit="cc")).state == "not_met"
    known = only(part, limit("Dmax", 30.0))
    assert (known.state, known.prior.high) == ("deficit", None)
    assert known.deficit_eqd2_gy == pytest.approx(6, rel=1e-4)
    assert str(known.reason).startswith("at least this")


def test_course_on_paper_is_an_upper_bound() -> None:
    """A letter says 40 in 20 everywhere: at most 40 (2 + 3) / 5 = 40; so at least 20 of 60 remains, and a deficit of 30 may be less."""
    letter = Course("letter", "prior", (), "", last_day=dt.date(2020, 1, 1), paper=Paper(40, 20, 20))
    row = only(case(letter, NOW), limit("Dmax", 60.0))
    assert (row.state, row.at_least, row.remaining_eqd2_gy) == ("remains", True, pytest.approx(20))
    worse = only(case(letter, NOW), limit("Dmax", 10.0))
    assert (worse.state, worse.deficit_eqd2_gy) == ("deficit", pytest.approx(30))
    assert "the deficit may be less, down to 0.00 Gy" in str(worse.reason)
    assert only(case(letter, NOW), limit("Dmean", 60.0)).state == "not_evaluable"


def test_what_cannot_be_judged_says_why() -> None:
    empty = (Structure("Rectum", 1, ()), "rectum")
    assert only(case(then(), NOW, organs=[empty]), limit("Dmax", 50.0)).reason == "the structure has no closed contours"
    assert only(case(then(), NOW), limit("Dmax", 50.0, organ="bladder")).structure is None
    assert "a limit in EQD2 or BED is needed" in str(only(case(then(), NOW), limit("Dmax", 50.0, quantity="physical")).reason)
    assert only(case(then(), NOW), limit("D8cc", 50.0)).prior == Bounds(None, None)  # of 7.5 cc
    clause = Clause("this_course", "<=", 10.0, "Gy")
    assert "no meaning" in str(only(case(then(), NOW), limit("V40Gy", 1.0, unit="cc", clauses=(clause,))).reason)


def test_two_structures_of_one_name_are_not_told_apart() -> None:
    twins = [(box_structure(), "rectum"), (box_structure(box=(0.0, 4.0, 16.0, 20.0), number=2), "rectum")]
    rows = budget_of(case(then(), NOW, organs=twins), limit("Dmax", 50.0)).rows
    assert [(r.state, r.reason) for r in rows] == [("not_evaluable", "several structures have this name; rename them")] * 2


def test_both_sides_together() -> None:
    """Left 30 and right 30 Gy of EQD2 36: the mean of both is 36."""
    sides = [(box_structure("Kidney_L"), "kidney"), (box_structure("Kidney_R", box=(21.0, 25.0, 16.0, 30.0), number=2), "kidney")]
    row = only(case(then(), NOW, organs=sides), limit("Dmean", 40.0, organ="kidney", combine_sides=True))
    assert (row.structure, row.state, row.remaining_eqd2_gy) == ("Kidney_L + Kidney_R", "remains", pytest.approx(4, rel=1e-4))


# ------------------------------------------------------------------------------------------------------------- conditions, clauses, recovery


def test_fractions_for_which_a_limit_is() -> None:
    some = limit("Dmax", 50.0, min_fractions=1, max_fractions=5)
    row = only(case(then(), NOW), some)
    assert [a.fractions for a in row.by_fractions if a.dose_gy is not None] == [1, 3, 5]
    assert row.by_fractions[-1].reason == "the limit is for other numbers of fractions (1 to 5)"
    assert (holds_for(some, 5), holds_for(some, 6)) == (True, False)
    assert not budget_of(case(then(), NOW), some, fractions=(6,)).something_remains  # no limit could be checked
    many = budget_of(case(then(), NOW), some, limit("Dmax", 30.0, id="many", min_fractions=20), fractions=(5,))
    assert many.something_remains
    assert "(20 to more)" in str(many.rows[1].by_fractions[0].reason) or many.rows[1].state == "deficit"


def with_clause(what: Any, bound: float, **more: Any) -> Limit:
    unit: Any = {"ratio": "", "interval": "months"}.get(what, "Gy")
    comparator: Any = ">=" if what == "interval" else "<="
    return limit("Dmax", more.pop("value", 80.0), clauses=(Clause(what, comparator, bound, unit),), **more)


def test_clauses_bound_what_the_sum_leaves() -> None:
    """36 of 80 leave 44; the new course alone 25; a ratio of 0.25 leaves 36 / 3 = 12, and of 0.8 more than the sum."""
    one = case(then(), NOW)
    row = only(one, with_clause("this_course", 25.0))
    assert (row.binding, row.remaining_eqd2_gy) == ("this_course", 25.0)
    row = only(one, with_clause("each_course", 40.0))
    assert (row.binding, row.remaining_eqd2_gy) == ("each_course", 40.0)
    row = only(one, with_clause("ratio", 0.25))
    assert (row.binding, row.remaining_eqd2_gy) == ("ratio", pytest.approx(12, rel=1e-4))
    assert only(one, with_clause("ratio", 0.8)).binding == "sum"
    assert only(one, with_clause("interval", 6.0)).binding == "sum"
    uneven = clause_caps(with_clause("ratio", 0.25), Bounds(36.0, 36.0), is_even=False)
    assert uneven == {"ratio": 9.0}
    assert clause_caps(with_clause("ratio", 0.25), Bounds(0.0, 0.05)) == {}  # no earlier dose, no ratio
    assert clause_caps(with_clause("ratio", 0.25), Bounds(None, None)) == {"ratio": 0.0}


def test_condition_that_fails_leaves_nothing_whatever_the_dose() -> None:
    """A year lies between the courses."""
    one = case(then(), NOW)
    late = only(one, with_clause("interval", 18.0))
    assert (late.state, late.dose_gy(5)) == ("not_met", None)
    assert str(late.closed).startswith("interval >= 18 months")
    assert only(one, with_clause("each_course", 20.0)).closed is not None
    both = only(one, with_clause("interval", 18.0, value=30.0))
    assert (both.state, both.closed is not None) == ("deficit", True)
    unlimited = limit("V40Gy", 100.0, unit="%", clauses=(Clause("interval", ">=", 18.0, "months"),))
    assert only(one, unlimited).state == "not_met"
    for condition in ({"min_interval_months": 18.0}, {"max_interval_months": 6.0}):
        row = only(one, limit("Dmax", 80.0, **condition))
        assert (row.state, "here it is 12.00" in str(row.closed)) == ("not_evaluable", True)
    assert only(one, limit("Dmax", 80.0, min_interval_months=6.0, max_interval_months=24.0)).closed is None
    undated = case(then(), course("now", "proposed", 20, 5))
    assert "interval is not known" in str(only(undated, limit("Dmax", 80.0, min_interval_months=6.0)).closed)
    assert "interval is not known" in str(only(undated, with_clause("interval", 6.0)).closed)


@pytest.mark.parametrize(("recovery", "left"), [("discounted", 32.0), ("raw", 14.0), ("not_stated", 14.0)])
def test_recovery_counts_only_for_limits_of_sums_after_it(recovery: Any, left: float) -> None:
    """Half of 36 Gy is recovered after a year: 50 - 18 = 32, beside 50 - 36 = 14."""
    model = RecoveryChoice(custom([(0.0, 0.0), (6.0, 0.5)], "test"), "test")
    row = only(case(then(), NOW, recovery={"rectum": model}), limit("Dmax", 50.0, recovery=recovery))
    assert row.remaining_eqd2_gy == pytest.approx(left, rel=1e-4)
    assert (row.without_recovery_gy, row.with_recovery_gy) == (pytest.approx(14, rel=1e-4), pytest.approx(32, rel=1e-4))


# ------------------------------------------------------------------------------------------------------------- the whole


def test_limits_of_the_new_course_alone_are_named() -> None:
    found = budget_of(case(then(), NOW), limit("Dmax", 50.0), limit("Dmax", 20.0, id="alone", scope="course"))
    assert [r.limit.id for r in found.rows] == ["rectum-Dmax"]
    assert next(n.message for n in found.notices if n.code == "budget_course_limits").endswith("check: rectum.")
    assert found.something_remains


def test_what_the_budget_does_not_hold_is_told() -> None:
    """Protons of the new course, and the uncertainty that the case states."""
    stated = LimitChoice((limit("Dmax", 50.0),), frozenset(), ("test",), Uncertainty())
    protons = course("now", "proposed", 20, 5, radiation="proton", rbe=1.1)
    found = [n.code for n in remaining(case(then(), protons), stated).notices]
    assert {"budget_nominal", "budget_rbe"} <= set(found)
    assert not {"budget_nominal", "budget_rbe"} & {n.code for n in budget_of(case(then(radiation="proton", rbe=1.1), NOW), limit("Dmax", 50.0)).notices}


@pytest.mark.parametrize("fractions", [0, -1, 2.5])
def test_fractions_that_make_no_sense(fractions: Any) -> None:
    with pytest.raises(ParameterError, match="fractions"):
        budget_of(case(then(), NOW), limit("Dmax", 50.0), fractions=(fractions,))


def test_nothing_to_calculate_is_refused() -> None:
    with pytest.raises(ParameterError, match="no earlier course"):
        budget_of(case(NOW), limit("Dmax", 50.0))
    with pytest.raises(ParameterError, match="None of the limits is for the sum"):
        budget_of(case(then(), NOW), limit("Dmax", 50.0, scope="course"))


def test_one_mandatory_limit_with_nothing_left_is_enough() -> None:
    one = case(then(), NOW)
    keeps, lacks = limit("Dmax", 50.0), limit("Dmean", 30.0, id="b")
    assert budget_of(one, keeps).something_remains
    assert not budget_of(one, keeps, lacks).something_remains
    assert budget_of(one, keeps, limit("Dmean", 30.0, id="b", level="optimal")).something_remains
    assert not budget_of(one, limit("Dmax", 50.0, organ="bladder")).something_remains
