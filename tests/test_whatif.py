"""Other assumptions give what the whole calculation gives when it is told so; and nothing is read again.

30 Gy in 10 and 20 Gy in 5 in a box: at alpha/beta 3 Gy 36 + 28 = 64 Gy; at 10 Gy 30 x 13/12 + 20 x 14/12 = 32.5 + 23.333 = 55.833 Gy.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from case_factory import box_structure, case, course, limit, two_courses

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Case, RecoveryChoice
from reirrad.errors import ParameterError
from reirrad.limit import Clause
from reirrad.recovery import recovery_models
from reirrad.structures import Structure
from reirrad.whatif import WhatIf, what_if

LIMITS = LimitChoice((limit("D2cc", 58.0), limit("Dmax", 40.0, quantity="physical", scope="course")), frozenset(), ("test",))


def values(found: Assessment) -> list[tuple[str, float | None, str]]:
    return [(f.limit.id, None if f.judged_value is None else round(f.judged_value, 3), f.status) for f in found.findings]


def test_nothing_otherwise_is_the_result_itself() -> None:
    found = assess(two_courses(), LIMITS)
    assert what_if(found, LIMITS, WhatIf()) is found


def test_another_alpha_beta() -> None:
    found = what_if(assess(two_courses(), LIMITS), LIMITS, WhatIf({"rectum": 10.0}))
    (rectum,) = found.organs
    assert rectum.alpha_beta_gy == 10
    assert rectum.cumulative.values["mean_gy"] == pytest.approx(55.8333, abs=1e-3)
    assert [s.values["mean_gy"] for s in rectum.eqd2] == [pytest.approx(32.5, abs=1e-3), pytest.approx(23.3333, abs=1e-3)]
    assert values(found) == [("rectum-D2cc", 55.833, "caution"), ("rectum-Dmax", 20.0, "pass")]
    assert found.notices[0].code == "what_if"
    assert found.verdict == "caution"


def test_an_organ_that_is_not_asked_about_stays() -> None:
    before = assess(two_courses(), LIMITS)
    found = what_if(before, LIMITS, WhatIf({"bladder": 10.0}))
    assert found.organs[0].cumulative is before.organs[0].cumulative
    assert values(found) == values(before)


def with_recovery(one: Case, model: str) -> Case:
    return replace(one, recovery={key: RecoveryChoice(recovery_models()[model]) for _, key in one.organs})


@pytest.mark.parametrize("months", [6, 12, 36])
def test_recovery_after_another_interval_is_that_of_the_whole_calculation(months: int) -> None:
    organs = ((box_structure("SpinalCord"), "spinal_cord"),)
    choice = LimitChoice((limit("Dmax", 60.0, "spinal_cord", recovery="discounted"),), frozenset(), ("test",))
    one = two_courses(organs=organs)
    found = what_if(assess(one, choice), choice, WhatIf(interval_months=months, recovery="doi_2021"))
    moved = replace(one.courses[1], first_day=dt.date(2021 + months // 12, 1 + months % 12, 1))
    expected = assess(with_recovery(replace(one, courses=(one.courses[0], moved)), "doi_2021"), choice)
    assert values(found) == values(expected)
    assert found.organs[0].recovered == expected.organs[0].recovered
    assert found.organs[0].with_recovery is not None
    assert expected.organs[0].with_recovery is not None
    assert found.organs[0].with_recovery.values == expected.organs[0].with_recovery.values
    assert found.case.interval_months == months


def test_no_recovery_takes_it_away() -> None:
    organs = ((box_structure("SpinalCord"), "spinal_cord"),)
    before = assess(with_recovery(two_courses(organs=organs), "doi_2021"), LIMITS)
    assert before.organs[0].with_recovery is not None
    assert what_if(before, LIMITS, WhatIf(recovery="none")).organs[0].with_recovery is None


def test_conditions_on_the_interval_see_it() -> None:
    rule = limit("Dmax", 100.0, clauses=(Clause("interval", ">=", 6.0, "months"),))
    choice = LimitChoice((rule,), frozenset(), ("test",))
    before = assess(two_courses(), choice)
    assert [f.status for f in before.findings] == ["pass"]
    assert [f.status for f in what_if(before, choice, WhatIf(interval_months=5)).findings] == ["exceed"]


def test_a_bed_limit_is_held_as_the_eqd2_it_stands_for() -> None:
    """100 Gy BED at 3 Gy is 60 Gy EQD2; with a clause in Gy it stays at its own alpha/beta."""
    plain = limit("Dmax", 100.0, quantity="BED")
    with_clause = limit("Dmax", 100.0, quantity="BED", id="clause", clauses=(Clause("this_course", "<=", 90.0, "Gy"),))
    choice = LimitChoice((plain, with_clause), frozenset(), ("test",))
    one, two = what_if(assess(two_courses(), choice), choice, WhatIf({"rectum": 10.0})).findings
    assert (one.limit.quantity, one.limit.limit, one.judged_value) == ("EQD2", pytest.approx(60), pytest.approx(55.8333, abs=1e-3))
    assert (two.limit.quantity, two.limit.alpha_beta_gy, two.judged_value) == ("BED", 3, pytest.approx(64 * 5 / 3, abs=1e-3))


def test_a_structure_without_contours_stays() -> None:
    organs = ((box_structure(), "rectum"), (Structure("Bladder", 2, (), "ORGAN"), "bladder"))
    found = what_if(assess(two_courses(organs=organs), LIMITS), LIMITS, WhatIf({"bladder": 10.0}))
    assert found.organs[1].sum is None


def test_a_course_that_is_not_registered_keeps_its_own_structure() -> None:
    one = two_courses(registration=("none", "same_frame"))
    own = replace(one.courses[0], structures=one.courses[1].structures)
    one = replace(one, courses=(own, one.courses[1]))
    found = what_if(assess(one, LIMITS), LIMITS, WhatIf({"rectum": 10.0}))
    expected = assess(replace(one, alpha_beta_gy={"rectum": 10.0}), LIMITS)
    assert [s.values["mean_gy"] for s in found.organs[0].eqd2] == [s.values["mean_gy"] for s in expected.organs[0].eqd2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"alpha_beta_gy": {"rectum": 0.0}}, "alpha_beta_gy"),
        ({"interval_months": -1}, "interval_months"),
        ({"interval_months": 601}, "needed is one of up to 600"),
        ({"recovery": "doi2021"}, '"doi2021" is not a recovery model .*doi_2021'),
        ({"recovery": "zzzzzzzz"}, "name one of them"),
    ],
)
def test_what_means_nothing_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        WhatIf(**wrong)


@pytest.mark.parametrize("last_day", [None, dt.date(2021, 1, 1)])
def test_an_unknown_interval_cannot_be_changed(last_day: dt.date | None) -> None:
    one = case(course("first", "prior", 30, 10, last_day=last_day), course("second", "proposed", 20, 5))
    with pytest.raises(ParameterError, match="a date is missing"):
        what_if(assess(one, LIMITS), LIMITS, WhatIf(interval_months=12))
