"""Schedules in the place of the proposed course, against sums by hand and against cases that hold such a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from case_factory import GRID_SHAPE, box_structure, case, course, even_dose, limit, two_courses

from reirrad.assessment import assess
from reirrad.band import Uncertainty
from reirrad.course import Case, Component, Phase
from reirrad.dose import DoseGrid
from reirrad.effect import Growth
from reirrad.errors import Notice
from reirrad.exploration import ScheduleChoice, explore
from reirrad.judgement import LimitChoice
from reirrad.options import LimitRow, Option, evaluate_options, limit_rows, organs_without_limit, parse_options
from reirrad.schedule import ScheduleError
from reirrad.structures import Structure
from reirrad.timing import Timing
from reirrad.tumour import Tumour

BOTH = (box_structure(), "rectum"), (box_structure("Bladder", box=(0.0, 15.0, 20.0, 30.0), number=2), "bladder")


def prescribed(one: Case, dose_gy: float = 20.0) -> Case:
    """The case with a prescription of its last course."""
    return replace(one, courses=(*one.courses[:-1], replace(one.courses[-1], stated_prescription_gy=dose_gy)))


def evaluated(one: Case, text: str, *limits: Any, tumour: Tumour | None = None, own: bool = True, uncertainty: Uncertainty | None = None) -> tuple[Option, ...]:
    choice = LimitChoice(tuple(limits), frozenset(x.id for x in limits) if own else frozenset(), ("limits.yaml",), uncertainty)
    return evaluate_options(assess(one, choice), choice, len(one.courses) - 1, parse_options(text)[0], tumour or Tumour())


# ------------------------------------------------------------------------------------------------------- words


def test_a_list_of_schedules():
    asked, notices = parse_options("24/3,30/5, 50.4/28 ,45/30 per-day=2")
    assert [(a.text, a.dose_gy, a.choice) for a in asked] == [
        ("24/3", 24.0, ScheduleChoice(3)),
        ("30/5", 30.0, ScheduleChoice(5)),
        ("50.4/28", 50.4, ScheduleChoice(28)),
        ("45/30 per-day=2 interval=6h", 45.0, ScheduleChoice(30, 2, 6.0)),
    ]
    assert [a.dose_per_fraction_gy for a in asked] == pytest.approx([8, 6, 1.8, 1.5])
    assert notices == (
        Notice("interval_assumed", 'Schedule "45/30 per-day=2" does not say how many hours lie between the fractions of a day; 6 h are assumed.'),
    )


def test_an_interval_that_is_stated_is_not_assumed():
    asked, notices = parse_options("45/30 per-day = 2 interval=8h, 30/15 per-day=1")
    assert [a.choice for a in asked] == [ScheduleChoice(30, 2, 8.0), ScheduleChoice(15)]
    assert notices == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has nothing between two commas, or is empty"),
        ("24/3,,30/5", "nothing between two commas"),
        ("24/3,", "nothing between two commas"),
        ("50,4/28", '"50" is no schedule; needed are equal external fractions, as 24/3, 50.4/28 or 45/30 per-day=2 interval=6h, with commas between'),
        ("abc", '"abc" is no schedule'),
        ("0/3", "has no dose"),
        ("24/0", "has no fractions"),
        ("2400/3", "is 800 Gy per fraction"),
        ("50/25+16/8", '"50/25\\+16/8" has parts of different fractions'),
        ("60/30 rbe=1.1", "states rbe; needed are equal external fractions"),
        ("40 rate=0.55Gy/h", "is no schedule; needed are equal external fractions"),
        ("30/2 minutes=30", "states dose rates, pulses, sources or minutes"),
        ("24/3;30/5", '"24/3;30/5" is no schedule'),
        ("-24/3", "is no schedule"),
        ("nan/3", "is no schedule"),
        ("45/30 per-day=x", '"45/30 per-day=x" has no usable per-day'),
        ("50/25 recovered=0.5", "states recovered"),
        ("70/35 days=50", "states days"),
        ("60/30 rbe=1.1 let=2.5", "states rbe and let"),
        ("24/3,24/3", '"24/3" is asked for twice'),
        ("24/3,24/3 per-day=1", '"24/3 per-day=1" is asked for twice'),
        ("45/30 per-day=2,45/30 per-day=2 interval=6h", "is asked for twice"),
        ("1/1,2/1,3/1,4/1,5/1,6/1,7/1", "7 schedules are asked for; needed are at most 6"),
        ("30/1 per-day=2", "more fractions a day than fractions"),
        ("30/10 per-day=2 interval=20h", "leaves 4 h between days"),
    ],
)
def test_what_makes_no_list_of_schedules_is_refused(text, words):
    with pytest.raises(ScheduleError, match=words):
        parse_options(text)


def test_what_was_typed_cannot_reach_the_terminal():
    with pytest.raises(ScheduleError) as refused:
        parse_options("24/3\x1b[2J")
    assert "\x1b" not in str(refused.value)


# ------------------------------------------------------------------------------------------------------- doses


@pytest.mark.parametrize(
    ("text", "scale", "eqd2_gy"),
    [
        ("20/5", 1.0, 28.0),  # the plan as it is: 20 (3 + 4) / 5
        ("30/10", 1.5, 36.0),  # 30 (3 + 3) / 5
        ("24/3", 1.2, 52.8),  # 24 (3 + 8) / 5
        ("10/1", 0.5, 26.0),  # 10 (3 + 10) / 5
    ],
)
def test_sum_of_an_option_by_hand(text, scale, eqd2_gy):
    (found,) = evaluated(prescribed(two_courses()), text, limit("Dmax", 80.0))
    assert found.scale == pytest.approx(scale)
    (organ,) = found.organs
    assert (organ.name, organ.organ, organ.alpha_beta_gy) == ("Rectum", "rectum", 3.0)
    assert organ.cumulative.values["max_gy"] == pytest.approx(36 + eqd2_gy, abs=1e-4)
    assert organ.near_maximum_gy == pytest.approx(36 + eqd2_gy, abs=1e-4)
    (finding,) = found.findings
    assert finding.value == pytest.approx(36 + eqd2_gy, abs=1e-4)
    assert found.verdict == ("exceeded" if 36 + eqd2_gy > 80 else "within")
    assert found.meets_every_mandatory_limit == (36 + eqd2_gy <= 80)
    assert organ.largest_per_fraction_gy == pytest.approx(found.asked.dose_per_fraction_gy, abs=1e-5)


def test_two_a_day_leave_damage_unrepaired():
    """20 Gy in 10, 6 h apart at a half time of 6 h: the quadratic term is 1.5 times as large, EQD2 = (20 + 1.5 x 40 / 3) / (5 / 3) = 24 Gy."""
    one = replace(prescribed(two_courses()), half_time_h={"rectum": 6.0})
    once, twice = evaluated(one, "20/10,20/10 per-day=2 interval=6h", limit())
    assert once.organs[0].cumulative.values["max_gy"] == pytest.approx(36 + 20, abs=1e-4)
    assert twice.organs[0].cumulative.values["max_gy"] == pytest.approx(36 + 24, abs=1e-4)
    assert (once.overall_days, twice.overall_days) == (11, 4)


def test_effect_on_the_tumour():
    """45 Gy in 30, two a day over 18 days: BED 45 x 1.15 at 10 Gy, less 8 days of 0.5 Gy beyond day 10."""
    (found,) = evaluated(prescribed(two_courses()), "45/30 per-day=2", limit(), tumour=Tumour((10.0, 3.0), Growth(0.5, 10)))
    assert [e.alpha_beta_gy for e in found.tumour] == [10.0, 3.0]
    assert found.tumour[0].bed_gy == pytest.approx(45 * 1.15 - 4)
    assert found.tumour[0].eqd2_gy == pytest.approx((45 * 1.15 - 4) / 1.2)
    assert found.tumour[1].bed_gy == pytest.approx(45 * 1.5 - 4)


def peaked(gy_low: float, gy_high: float, at: tuple[float, float, float]) -> DoseGrid:
    """Falls off from a voxel inside the organs, at indices (z, y, x)."""
    square = sum(((k - k0) / width) ** 2 for k, k0, width in zip(np.indices(GRID_SHAPE), at, (0.9, 1.6, 1.3), strict=True))
    return replace(even_dose(1.0), dose_gy=(gy_low + (gy_high - gy_low) * np.exp(-square)).astype(np.float32))


@pytest.mark.parametrize("text", ["27/3", "33/11", "26/13 per-day=2 interval=7h"])
def test_option_equals_the_case_that_holds_this_plan(text):
    """The other path: the distribution is scaled in the dose grid, and the case is assessed as any other; so are the points where doses are read."""
    first = course("first", "prior", peaked(10, 50, (2, 4, 3)), 25)
    plan = peaked(5, 20, (1, 3, 4))
    asked = parse_options(text)[0][0]
    limits = [limit("Dmax", 60.0), limit("D0.5cc", 55.0), limit("V20Gy", 50.0, unit="%"), limit("Dmean", 30.0), limit("Dmax", 21.0, "bladder", scope="course")]
    second = course("second", "proposed", plan, 5, stated_prescription_gy=18.0)
    (found,) = evaluated(case(first, second, organs=BOTH), text, *limits)
    scaled = replace(plan, dose_gy=plan.dose_gy * np.float32(asked.dose_gy / 18))
    phases = (Phase("plan", (Component(scaled),), asked.choice.fractions, asked.choice.fractions),)
    as_planned = course("second", "proposed", scaled, 5, phases=phases, timing=Timing(asked.choice.per_day, asked.choice.interval_h))
    expected = assess(case(first, as_planned, organs=BOTH), LimitChoice(tuple(limits), frozenset(x.id for x in limits), ("limits.yaml",)))
    assert [(f.limit.id, f.structure, f.status) for f in found.findings] == [(f.limit.id, f.structure, f.status) for f in expected.findings]
    assert [f.value for f in found.findings] == pytest.approx([f.value for f in expected.findings], rel=2e-6)
    assert found.verdict == expected.verdict
    for mine, theirs in zip(found.organs, expected.organs, strict=True):
        assert mine.cumulative.values == pytest.approx(theirs.cumulative.values, rel=2e-6)


def test_option_of_the_highest_dose_reads_its_limit():
    """Round trip of two modules over an uneven dose: just so at the dose found, exceeded a little above."""
    one = prescribed(case(course("first", "prior", peaked(10, 50, (2, 4, 3)), 25), course("second", "proposed", peaked(5, 20, (1, 3, 4)), 5)))
    bound = limit("D0.5cc", 55.0)
    choice = LimitChoice((bound,), frozenset(), ("limits.yaml",))
    (row,) = explore(assess(one, choice), choice, [ScheduleChoice(5)]).rows
    at, above = evaluated(one, f"{row.dose_gy - 5e-7:.6f}/5,{row.dose_gy * 1.0005:.6f}/5", bound)
    assert at.findings[0].value == pytest.approx(55.0, abs=1e-3)
    assert at.meets_every_mandatory_limit
    assert above.verdict == "exceeded"


def test_bands_are_those_of_the_scaled_plan():
    """Alpha/beta of the rectum from its least to its largest: the band of an option is that of a case with its doses."""
    one = prescribed(two_courses())
    limits = (limit("Dmax", 90.0),)
    (found,) = evaluated(one, "30/10", *limits, uncertainty=Uncertainty(alpha_beta=True))
    planned = case(course("first", "prior", 30, 10), course("second", "proposed", 30, 10))
    expected = assess(planned, LimitChoice(limits, frozenset(), ("limits.yaml",), Uncertainty(alpha_beta=True)))
    assert expected.uncertainty is not None
    (theirs,) = expected.uncertainty.bands
    mine = found.band(found.findings[0])
    assert mine is not None
    assert mine.nominal == pytest.approx(72.0, abs=1e-4)
    assert mine.low < 72.0 <= mine.high or mine.low <= 72.0 < mine.high
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-4)
    (without,) = evaluated(one, "30/10", *limits)
    assert without.band(without.findings[0]) is None


def test_bands_of_shifts_are_those_of_the_scaled_plan():
    """An earlier dose with a gradient, planned on other images, may lie 3 mm elsewhere."""
    gradient = even_dose(30.0)
    doses = (gradient.dose_gy * np.linspace(0.8, 1.2, gradient.dose_gy.shape[2], dtype=np.float32)).astype(np.float32)
    one = prescribed(case(course("first", "prior", DoseGrid(gradient.grid, doses, gradient.frame_uid), 10), course("second", "proposed", 20, 5)))
    (found,) = evaluated(one, "30/10", limit("Dmax", 80.0), uncertainty=Uncertainty(shift_mm=3))
    mine = found.band(found.findings[0])
    planned = replace(one, courses=(one.courses[0], course("second", "proposed", 30, 10)))
    choice = LimitChoice((limit("Dmax", 80.0),), frozenset(), ("limits.yaml",), Uncertainty(shift_mm=3))
    expected = assess(planned, choice).uncertainty
    assert mine is not None
    assert expected is not None
    (theirs,) = expected.bands
    assert (mine.low, mine.nominal, mine.high) == pytest.approx((theirs.low, theirs.nominal, theirs.high), abs=2e-3)
    assert mine.high - mine.nominal > 0.5


def test_largest_fraction_of_a_dose_that_is_known_in_part():
    """The grids end at z = 7.5 mm, the organ at 12.5: at least 20 Gy, 4 Gy a fraction."""
    one = prescribed(two_courses(organs=((box_structure(planes=(0.0, 5.0, 10.0)), "rectum"),)))
    (found,) = evaluated(one, "55/5", limit("Dmax", 80.0))
    (organ,) = found.organs
    assert organ.near_maximum_gy is None
    assert organ.largest_per_fraction_gy == pytest.approx(11.0)
    assert organ.is_beyond_lq
    assert (found.findings[0].status, found.findings[0].bound) == ("exceed", "lower")


def test_dose_that_is_not_known_at_all():
    """The organ lies below both dose grids: what is known of it is at least zero."""
    far = box_structure(planes=(-35.0, -30.0))
    one = prescribed(two_courses(organs=((far, "rectum"),)))
    (found,) = evaluated(one, "20/5", limit("Dmean", 80.0))
    (organ,) = found.organs
    assert organ.near_maximum_gy is None
    assert organ.largest_per_fraction_gy == 0.0
    assert not organ.is_beyond_lq
    assert found.verdict == "not_evaluable"
    assert not found.meets_every_mandatory_limit


def test_structure_without_contours_is_not_evaluable_and_kept():
    empty = Structure("Sigmoid", 7, (), "ORGAN")
    one = prescribed(two_courses(organs=((box_structure(), "rectum"), (empty, "sigmoid"))))
    (found,) = evaluated(one, "20/5", limit("Dmax", 80.0, "sigmoid"))
    assert [(o.name, o.cumulative.values["max_gy"]) for o in found.organs][1] == ("Sigmoid", None)
    assert found.organs[1].largest_per_fraction_gy is None
    assert [(f.structure, f.status) for f in found.findings] == [("Sigmoid", "not_evaluable")]
    assert found.verdict == "not_evaluable"


@pytest.mark.parametrize(("text", "beyond"), [("10/1", False), ("11/1", True), ("30/3", False), ("30.3/3", True)])
def test_more_than_10_gy_per_fraction(text, beyond):
    (found,) = evaluated(prescribed(two_courses()), text, limit())
    assert found.organs[0].is_beyond_lq == beyond


def test_each_option_is_told():
    told: list[str] = []
    one = prescribed(two_courses())
    choice = LimitChoice((limit(),), frozenset(), ())
    evaluate_options(assess(one, choice), choice, 1, parse_options("24/3,30/5")[0], Tumour(), told.append)
    assert told == ["24/3", "30/5"]


# ------------------------------------------------------------------------------------------------------- side by side


def test_limits_for_other_numbers_of_fractions():
    limits = (
        limit("Dmax", 25.0, scope="course", quantity="physical", id="in-5", min_fractions=5, max_fractions=5),
        limit("Dmax", 26.0, scope="course", quantity="physical", id="in-10", min_fractions=10, max_fractions=10),
    )
    options = evaluated(prescribed(two_courses()), "20/5,30/10,20/8", *limits, own=False)
    (row,) = limit_rows(options)
    assert [None if f is None else (f.limit.id, f.status) for f in row.findings] == [("in-5", "pass"), ("in-10", "exceed"), None]
    assert row.structure == "Rectum"
    assert row.limit.id == "in-5"
    assert not row.is_one_limit
    assert [o.verdict for o in options] == ["within", "exceeded", "not_evaluable"]  # nothing was checked in 8


def test_worst_row_of_each_structure_first():
    """Rectum: 64 Gy at 20/5, 88.8 at 24/3; bladder the same, its limits looser."""
    limits = (
        limit("Dmax", 100.0, "bladder", id="b-loose"),
        limit("Dmean", 80.0, "bladder", id="b-optimal", level="optimal"),
        limit("Dmax", 70.0, id="r-strict"),
        limit("Dmax", 95.0, id="r-loose"),
        limit("Dmean", 90.0, id="r-mean"),
    )
    options = evaluated(prescribed(two_courses(organs=BOTH)), "20/5,24/3", *limits)
    rows = limit_rows(options)
    assert [(r.structure, r.limit.id, [f and f.status for f in r.findings]) for r in rows] == [
        ("Rectum", "r-strict", ["pass", "exceed"]),
        ("Bladder", "b-optimal", ["pass", "exceed"]),
    ]
    assert all(r.is_one_limit for r in rows)


def test_everything_exceeded_has_a_row_of_its_structure():
    """One option is worst by its maximum, the other by its mean limit: both rows are there."""
    limits = (
        limit("Dmax", 60.0, id="sum"),
        limit("Dmax", 22.0, scope="course", quantity="physical", id="alone"),
        limit("Dmean", 61.0, id="mean", level="optimal"),
    )
    options = evaluated(prescribed(two_courses()), "16/8,36/18", *limits)
    # 16/8: 36 + 16 = 52 passes; 36/18: 72 is 20 % beyond 60, and 36 Gy is 64 % beyond 22.
    rows = limit_rows(options)
    assert [r.limit.id for r in rows] == ["alone", "sum"]
    assert [r.findings[1].status for r in rows if r.findings[1] is not None] == ["exceed", "exceed"]


def test_missing_structure_is_a_row_of_its_organ():
    (option,) = evaluated(prescribed(two_courses()), "20/5", limit("Dmax", 50.0, "bladder"), limit("Dmax", 70.0))
    rows = limit_rows((option,))
    assert [(r.structure, r.limit.organ) for r in rows] == [(None, "bladder"), ("Rectum", "rectum")]
    assert isinstance(rows[0], LimitRow)


def test_organs_without_a_limit_hottest_first():
    small = box_structure("Sigmoid", box=(5.0, 15.0, 20.0, 30.0), number=3)
    unknown = Structure("Empty", 9, (), "ORGAN")
    organs = (*BOTH, (small, "sigmoid"), (unknown, "skin"))
    one = prescribed(two_courses(organs=organs, alpha_beta_gy={"sigmoid": 2.0, "bladder": 3.0}))
    # 30/10 + 20/5 at 2 Gy: 30 x 5 / 4 + 20 x 6 / 4 = 67.5 Gy; at 3 Gy 64 Gy.
    options = evaluated(one, "20/5", limit("Dmax", 80.0))
    assert organs_without_limit(options) == ("Empty", "Sigmoid", "Bladder")
    assert {o.name: o.near_maximum_gy for o in options[0].organs}["Sigmoid"] == pytest.approx(67.5, abs=1e-4)


def test_both_sides_together_are_limited():
    left, right = (box_structure(name, box=box, number=k) for k, (name, box) in enumerate((("Kidney_L", (-5, 5, 15, 35)), ("Kidney_R", (10, 20, 15, 35))), 1))
    one = prescribed(two_courses(organs=((left, "kidney"), (right, "kidney"))))
    options = evaluated(one, "20/5", limit("Dmean", 70.0, "kidney", combine_sides=True, alpha_beta_gy=2.5))
    assert organs_without_limit(options) == ()
    assert [r.structure for r in limit_rows(options)] == ["Kidney_L + Kidney_R"]
