"""Limits held against organs: which structures, which courses, which numbers of fractions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from case_factory import box_structure, case, course, limit, organ_dose

from reirrad.course import Case
from reirrad.errors import Notice
from reirrad.judgement import LimitChoice, held, judged, other_fractions, situations_of, subjects
from reirrad.limit import Limit
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.situation import Situation
from reirrad.statistics import no_statistics

FIRST = course("first", "prior", 30, 10, last_day=dt.date(2021, 1, 1))
SECOND = course("second", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))
KIDNEYS = [(box_structure("Kidneys"), "kidney")]
TWO = case(FIRST, SECOND, organs=KIDNEYS)
NOW = Situation(1, 5, 12.0, {0: "first", 1: "second"}, frozenset({0}))
ALARM = Notice("cumulative_above_own_maxima", "suspect")


def organ(name: str, key: str = "kidney", gy: float = 20.0, cc: float = 4.0, **more: Any) -> OrganResult:
    """30 Gy in 10 (36 Gy EQD2 at 3 Gy) and then `gy` in 5 everywhere."""
    total = OrganSum(organ_dose((0, 10, [30.0]), (1, 5, [gy]), volumes_cc=[cc]), {}, dict(NOW.courses))
    nothing = no_statistics("not asked for")
    return replace(OrganResult(name, key, 3.0, cc, 1.0, total, nothing, (), ()), **more)


def choice(*limits: Limit, own: bool = True) -> LimitChoice:
    return LimitChoice(limits, frozenset(one.id for one in limits) if own else frozenset(), ("limits.yaml",))


def found(limits: LimitChoice, organs: Sequence[OrganResult], one: Case = TWO) -> tuple[list[tuple[str, str | None, str, float | None]], list[Notice]]:
    findings, notices = judged(one, limits, organs, situations_of(one))
    return [(f.limit.id, f.structure, f.status, f.value) for f in findings], notices


# ------------------------------------------------------------------------------------------------------- situations


def test_situation_of_each_proposed_course_the_reference_first() -> None:
    boost = course("boost", "proposed", 6, 3, first_day=dt.date(2022, 2, 1))
    one = case(FIRST, boost, SECOND, reference=2)
    assert [(s.proposed, s.proposed_fractions, s.interval_months, s.priors) for s in situations_of(one)] == [
        (2, 5, 12.0, frozenset({0})),
        (1, 3, 12.0, frozenset({0})),
    ]
    assert situations_of(one)[0].courses == {0: "first", 1: "boost", 2: "second"}


def test_situation_without_a_proposed_course() -> None:
    (situation,) = situations_of(case(FIRST))
    assert (situation.proposed, situation.proposed_fractions, situation.priors) == (None, None, frozenset({0}))


# ------------------------------------------------------------------------------------------------------- one limit, one structure


def test_value_of_the_sum() -> None:
    finding = held(limit("Dmax", 80.0), organ("Kidney_L"), NOW)
    assert finding is not None
    assert (finding.value, finding.status, finding.structure) == (pytest.approx(64.0), "pass", "Kidney_L")
    assert held(limit("Dmax", 80.0, min_fractions=6), organ("Kidney_L"), NOW) is None


def test_structure_without_contours() -> None:
    finding = held(limit(), organ("Kidney_L", sum=None), NOW)
    assert finding is not None
    assert (finding.status, finding.reason) == ("not_evaluable", "the structure has no closed contours")


@pytest.mark.parametrize(("scope", "value", "status"), [("cumulative", 80.0, "caution"), ("cumulative", 60.0, "exceed"), ("course", 40.0, "pass")])
def test_sum_that_its_courses_cannot_make_is_no_clean_pass(scope: str, value: float, status: str) -> None:
    finding = held(limit("Dmax", value, scope=scope), organ("Kidney_L", notices=(ALARM,)), NOW)
    assert finding is not None
    assert finding.status == status
    assert ("does not fit this organ" in (finding.reason or "")) == (status == "caution")


@pytest.mark.parametrize(
    ("metric", "value", "status", "bound"),
    [("Dmax", 60.0, "exceed", "lower"), ("D2cc", 60.0, "exceed", "lower"), ("D50%", 60.0, "not_evaluable", "exact"), ("Dmax", 80.0, "not_evaluable", "exact")],
)
def test_structure_of_which_a_part_may_be_missing(metric: str, value: float, status: str, bound: str) -> None:
    """What is there already exceeds the limit for a maximum; for a part of the volume that is not known the volume counts too."""
    finding = held(limit(metric, value), organ("Kidney_L", is_incomplete=True), NOW)
    assert finding is not None
    assert (finding.status, finding.bound) == (status, bound)
    assert "a part of the structure may be missing" in (finding.reason or "")
    assert held(limit(metric, value, min_fractions=6), organ("Kidney_L", is_incomplete=True), NOW) is None


# ------------------------------------------------------------------------------------------------------- both sides


BOTH = limit("V50Gy", 5.0, organ="kidney", unit="cc", combine_sides=True)


def names(*organs: OrganResult, one: Limit = BOTH) -> tuple[list[str], str | None]:
    here, missing = subjects(one, organs)
    return [o.name for o in here], None if missing is None else missing.structure


def test_structures_of_a_limit() -> None:
    left, right, both, again = organ("Kidney_L"), organ("Kidney_R"), organ("Kidneys"), organ("Kidneys_2")
    heart = organ("Heart", "heart")
    assert names(heart, left, right, one=limit(organ="kidney")) == (["Kidney_L", "Kidney_R"], None)
    assert names(heart) == ([], None)
    assert names(left, right) == (["Kidney_L + Kidney_R"], None)
    assert names(both) == (["Kidneys"], None)
    assert names(both, left) == (["Kidneys"], None)
    assert names(both, left, right) == (["Kidneys", "Kidney_L + Kidney_R"], None)
    assert names(left) == ([], "Kidney_L")
    assert names(both, again) == ([], "Kidneys + Kidneys_2")
    assert names(left, left, right) == ([], "Kidney_L + Kidney_L + Kidney_R")
    assert names(left, replace(right, sum=None)) == ([], "Kidney_L + Kidney_R")
    assert names(both, left, replace(right, sum=None)) == (["Kidneys"], "Kidneys + Kidney_L + Kidney_R")


def test_both_sides_as_one() -> None:
    """64 Gy in 4 cc and 36 Gy in 6 cc."""
    ((pair,), _) = subjects(BOTH, [organ("Kidney_L"), organ("Kidney_R", gy=0.0, cc=6.0)])
    finding = held(BOTH, pair, NOW)
    assert finding is not None
    assert (finding.value, finding.status) == (4.0, "pass")
    assert pair.sum is not None
    assert float(pair.sum.dose.volumes_cc.sum()) == 10.0


@pytest.mark.parametrize("sides", [("Kidney_L", "Kidney_R"), ("Kidney_R", "Kidney_L")])
def test_what_is_wrong_with_one_side_is_wrong_with_both(sides: tuple[str, str]) -> None:
    doubtful, sound = sides
    for more, status in (({"notices": (ALARM,)}, "caution"), ({"is_incomplete": True}, "not_evaluable")):
        ((pair,), _) = subjects(BOTH, [organ(doubtful, cc=1.0, **more), organ(sound, cc=1.0)])
        finding = held(BOTH, pair, NOW)
        assert finding is not None
        assert finding.status == status


# ------------------------------------------------------------------------------------------------------- numbers of fractions


FEW, MANY = limit("Dmax", 50.0, id="few", max_fractions=3), limit("Dmax", 70.0, id="many", min_fractions=4)


def test_another_row_of_the_same_table_takes_its_place() -> None:
    assert other_fractions(FEW, choice(FEW, MANY), NOW) is None
    reason = "the limit is for other numbers of fractions than the 5 proposed"
    assert other_fractions(FEW, choice(FEW), NOW) == reason
    for other in (replace(MANY, level="optimal"), replace(MANY, organ="heart"), replace(MANY, scope="course"), replace(MANY, combine_sides=True)):
        assert other_fractions(FEW, choice(FEW, other), NOW) == reason


def test_limit_of_the_user_for_other_fractions_is_not_passed_over() -> None:
    alone, notices = found(choice(replace(FEW, organ="kidney")), [organ("Kidneys")])
    assert alone == [("few", "Kidneys", "not_evaluable", None)]
    assert [n.code for n in notices] == ["limit_other_fractions"]
    assert notices[0].message == "Limits for other numbers of fractions than the 5 proposed are not checked: few."
    both, _ = found(choice(replace(FEW, organ="kidney", combine_sides=True)), [organ("Kidney_L"), organ("Kidney_R")])
    assert both == [("few", "Kidney_L + Kidney_R", "not_evaluable", None)]
    with_row, _ = found(choice(replace(FEW, organ="kidney"), replace(MANY, organ="kidney")), [organ("Kidneys")])
    assert with_row == [("many", "Kidneys", "pass", pytest.approx(64.0))]
    library, notices = found(choice(replace(FEW, organ="kidney"), own=False), [organ("Kidneys")])
    assert (library, [n.code for n in notices]) == ([], ["organ_without_limit"])


def test_limit_of_one_course_is_held_against_each_proposed_one() -> None:
    """20 Gy in 5 and 6 Gy in 3; the table has rows for 3 and 5 fractions."""
    one = case(FIRST, course("boost", "proposed", 6, 3), SECOND, reference=2, organs=KIDNEYS)
    total = OrganSum(organ_dose((0, 10, [30.0]), (1, 3, [6.0]), (2, 5, [20.0]), volumes_cc=[4.0]), {}, {0: "first", 1: "boost", 2: "second"})
    rows = [
        limit("Dmax", gy, organ="kidney", quantity="physical", scope="course", id=str(n), min_fractions=n, max_fractions=n) for n, gy in ((3, 5.0), (5, 25.0))
    ]
    assert found(choice(*rows), [organ("Kidneys", sum=total)], one)[0] == [("3", "Kidneys", "exceed", 6.0), ("5", "Kidneys", "pass", 20.0)]


# ------------------------------------------------------------------------------------------------------- what is missing


@pytest.mark.hazard("H04")
def test_organs_without_structure_and_structures_without_limit() -> None:
    one = case(FIRST, SECOND, organs=KIDNEYS, missing=(("Blase", "bladder"),))
    limits = [limit(organ=key, id=key) for key in ("heart", "bladder", "stomach")]
    mine, notices = found(choice(*limits), [organ("Kidneys")], one)
    assert mine == [(key, None, "not_evaluable", None) for key in ("heart", "bladder", "stomach")]
    assert [n.code for n in notices] == ["limit_without_structure"] * 3 + ["organ_without_limit"]
    library, notices = found(choice(*limits, own=False), [organ("Kidneys")], one)
    assert library == [("bladder", None, "not_evaluable", None)]
    assert [n.code for n in notices] == ["limit_without_structure", "organ_not_contoured", "organ_without_limit"]
    assert notices[1].message.endswith("which are not checked: heart, stomach.")
    assert notices[2].message.endswith("not judged: Kidneys.")
