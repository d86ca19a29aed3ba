"""The largest dose of each schedule: closed forms, golden numbers, and the scaled plan checked again."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_factory import GRID_SHAPE, box_structure, case, course, even_dose, grid, limit

import reirrad.exploration
from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.band import Uncertainty
from reirrad.course import Case, Course, Phase, RecoveryChoice
from reirrad.dose import DoseGrid
from reirrad.errors import ParameterError
from reirrad.exploration import DEFAULT_SCHEDULES, Exploration, IsotoxicRow, ScheduleChoice, explore
from reirrad.limit import Clause, Limit
from reirrad.loading import load_case
from reirrad.organsum import OrganSum
from reirrad.papercourse import Paper
from reirrad.recheck import Recheck
from reirrad.recovery import custom
from reirrad.rescheduling import rescheduled, rescheduled_case
from reirrad.structures import Contour
from reirrad.timing import LowDoseRate, SlowFraction, Timing
from reirrad.tumour import Tumour, effects

SAMPLES = Path(__file__).resolve().parents[1] / "sample_plans"
FIRST = course("first", "prior", 30, 10, last_day=dt.date(2021, 1, 1))  # EQD2 at 3 Gy: 36 Gy


def plan(gy: float | DoseGrid = 20.0, name: str = "second", **more: Any) -> Course:
    """Prescribed 20 Gy in 5 fractions (EQD2 at 3 Gy: 28); the organ receives `gy`."""
    return course(name, "proposed", gy, 5, first_day=dt.date(2022, 1, 1), stated_prescription_gy=20.0, **more)


def chosen(*limits: Limit, own: bool = True, **more: Any) -> LimitChoice:
    return LimitChoice(limits, frozenset(one.id for one in limits) if own else frozenset(), ("limits.yaml",), **more)


def once(*numbers: int) -> tuple[ScheduleChoice, ...]:
    return tuple(ScheduleChoice(n) for n in numbers)


def found(one: Case, choice: LimitChoice, schedules: Sequence[ScheduleChoice] = once(5), **more: Any) -> Exploration:
    return explore(assess(one, choice), choice, schedules, **more)


def only(one: Case, *limits: Limit, n: int = 5, own: bool = True) -> IsotoxicRow:
    (row,) = found(one, chosen(*limits, own=own), once(n)).rows
    return row


def dose_gy(eqd2_gy: float, n: int, repair: float = 1.0, alpha_beta: float = 3.0) -> float:
    """Dose of n fractions by hand: repair D² / n + ab D - (2 + ab) E = 0."""
    return (-alpha_beta + math.sqrt(alpha_beta**2 + 4 * repair * (2 + alpha_beta) * eqd2_gy / n)) * n / (2 * repair)


# ------------------------------------------------------------------------------------------------------- closed forms


def test_every_number_of_fractions_is_a_quadratic() -> None:
    """28 Gy EQD2 are left: in 5 fractions the plan as it is, in 14 fractions of 2 Gy 28 Gy."""
    seen: list[str] = []
    exploration = found(case(FIRST, plan()), chosen(limit("Dmax", 64.0)), progress=seen.append)
    assert (exploration.course, exploration.prescription_gy, seen, exploration.notices) == (1, 20.0, ["Rectum"], ())
    exploration = found(case(FIRST, plan()), chosen(limit("Dmax", 64.0)), once(1, 3, 5, 14, 40))
    assert [row.dose_gy for row in exploration.rows] == pytest.approx([dose_gy(28, n) for n in (1, 3, 5, 14, 40)], rel=1e-5)
    assert [exploration.rows[k].dose_gy for k in (2, 3)] == pytest.approx([20.0, 28.0], rel=1e-5)
    for row in exploration.rows:
        assert row.scale == pytest.approx(row.dose_gy / 20)
        assert row.dose_per_fraction_gy == row.dose_gy / row.choice.fractions
        assert row.largest_per_fraction_gy == pytest.approx(row.dose_per_fraction_gy, rel=1e-6)
        assert row.binding is not None
        assert (row.binding.structure, row.binding.course, row.binding.limit_value) == ("Rectum", None, 64.0)
        assert row.binding.value_at == pytest.approx(64, abs=2e-4)
        assert (row.binding.dose_gy, row.optimal_dose_gy, row.optimal_binding) == (row.dose_gy, row.dose_gy, row.binding)
        assert (row.next, row.next_value, row.next_margin, row.unjudged, row.reason) == (None, None, None, (), None)


@pytest.mark.parametrize(
    ("sparing", "n", "bed_gy"),
    [(0.3, 1, 111.11), (0.3, 7, 111.11), (0.3, 30, 111.11), (0.2, 1, 228.5), (0.2, 30, 185.3), (0.6, 1, 34.95), (0.6, 30, 49.35)],
)
def test_tumour_effect_is_the_same_where_the_sparing_factor_is_the_quotient_of_alpha_betas(sparing: float, n: int, bed_gy: float) -> None:
    """Organ at 3, tumour at 10 Gy: with 0.3 of the dose in the organ every schedule has BED 20 (1 + 2 / 3) / 0.3; with less, few fractions are better."""
    row = only(case(FIRST, plan(20.0 * sparing)), limit("Dmax", 56.0), n=n)
    (effect,) = effects(Tumour((10.0,)), row.dose_gy, n)
    assert effect.bed_gy == pytest.approx(bed_gy, rel=3e-4)
    if sparing == 0.3:
        assert effect.bed_gy == pytest.approx(1000 / 9, rel=2e-5)


def test_two_a_day_leaves_less() -> None:
    """Half time 2 h, 6 h apart: an eighth of the damage is left at the second; an odd last fraction has none before it."""
    one = case(FIRST, plan(), half_time_h={"rectum": 2.0})
    rows = found(one, chosen(limit("Dmax", 64.0)), (ScheduleChoice(30), ScheduleChoice(30, 2, 6.0), ScheduleChoice(3, 2, 6.0))).rows
    assert [r.dose_gy for r in rows] == pytest.approx([dose_gy(28, 30), dose_gy(28, 30, 1.125), dose_gy(28, 3, 1 + 2 / 3 * 0.125)], rel=1e-5)


def test_earlier_course_twice_a_day_keeps_its_incomplete_repair() -> None:
    """30 Gy in 10, 2 a day with an eighth left: 30 (3 + 3 1.125) / 5 = 38.25 Gy."""
    twice = replace(FIRST, timing=Timing(2, 6.0))
    row = only(case(twice, plan(), half_time_h={"rectum": 2.0}), limit("Dmax", 66.25))
    assert row.dose_gy == pytest.approx(20.0, rel=1e-5)


def test_recovery_where_the_case_has_it() -> None:
    """Half of 36 Gy forgotten after a year: for a limit that is meant for it."""
    one = case(FIRST, plan(), recovery={"rectum": RecoveryChoice(custom([(0.0, 0.0), (6.0, 0.5)], "test"), "test")})
    assert only(one, limit("Dmax", 64.0, recovery="discounted")).dose_gy == pytest.approx(dose_gy(46, 5), rel=1e-5)
    assert only(one, limit("Dmax", 64.0, recovery="raw")).dose_gy == pytest.approx(20.0, rel=1e-5)


# ------------------------------------------------------------------------------------------------------- several limits


def test_mandatory_and_optimal_limits_and_the_next() -> None:
    """Optimal 50 Gy: 14 left; mandatory 64 and 70 Gy: 28 left, and then 6 Gy to the next."""
    limits = (limit("Dmax", 70.0, id="far"), limit("Dmax", 50.0, id="wish", level="optimal"), limit("Dmean", 64.0, id="near"))
    row = only(case(FIRST, plan()), *limits)
    assert row.binding is not None
    assert row.next is not None
    assert row.optimal_binding is not None
    assert (row.binding.limit.id, row.next.limit.id, row.optimal_binding.limit.id) == ("near", "far", "wish")
    assert (row.dose_gy, row.optimal_dose_gy) == (pytest.approx(20.0, rel=1e-5), pytest.approx(dose_gy(14, 5), rel=1e-5))
    assert (row.next_value, row.next_margin) == (pytest.approx(64, abs=1e-3), pytest.approx(6, abs=1e-3))
    assert row.optimal_scale == pytest.approx(dose_gy(14, 5) / 20, rel=1e-5)
    assert [b.limit.id for b in row.bounds] == ["wish", "near", "far"]


def test_physical_limits_and_volumes() -> None:
    """25 Gy of the course alone bind before 150 Gy of all; and 40 % may receive 64 Gy, which all do at once."""
    one = case(FIRST, plan())
    row = only(one, limit("D1cc", 25.0, quantity="physical", scope="course", id="now"), limit("Dmax", 150.0))
    assert (row.binding is not None and row.binding.limit.id, row.dose_gy) == ("now", pytest.approx(25.0, rel=4e-6))
    assert row.binding is not None
    assert row.binding.course == 1
    assert only(one, limit("V64Gy", 40.0, unit="%")).dose_gy == pytest.approx(20.0, rel=1e-5)
    assert only(one, limit("CV64Gy", 1.0, unit="cc", comparator=">=")).dose_gy == pytest.approx(20.0, rel=1e-5)


def test_limit_without_effect_does_not_restrict() -> None:
    row = only(case(FIRST, plan()), limit("V64Gy", 100.0, unit="%"))
    assert (row.scale, row.dose_gy, row.binding, row.reason) == (math.inf, math.inf, None, "no mandatory limit restricts this schedule")
    assert (row.largest_per_fraction_gy, row.optimal_scale, row.is_beyond_lq, row.unjudged) == (None, math.inf, False, ())


def test_limits_for_certain_numbers_of_fractions() -> None:
    """A table for 1, 3 and 5 fractions, and a cumulative limit for at least 10."""
    table = [
        limit("Dmax", gy, quantity="physical", scope="course", id=f"{n}fx", min_fractions=n, max_fractions=n) for n, gy in ((1, 10.0), (3, 15.0), (5, 18.0))
    ]
    choice = chosen(*table, limit("Dmax", 64.0, id="sum", min_fractions=10), own=False)
    rows = found(case(FIRST, plan()), choice, once(1, 3, 4, 5, 12)).rows
    assert [r.binding and r.binding.limit.id for r in rows] == ["1fx", "3fx", None, "5fx", "sum"]
    assert [r.dose_gy for r in rows] == pytest.approx([10, 15, math.inf, 18, dose_gy(28, 12)], rel=1e-5)


def test_limit_the_user_wrote_for_other_fractions_leaves_the_schedule_unjudged() -> None:
    """As in a check; but not where another row of the table is for this number."""
    rows = [limit("Dmax", gy, id=f"{n}fx", min_fractions=n, max_fractions=n) for n, gy in ((3, 50.0), (5, 64.0))]
    exploration = found(case(FIRST, plan()), chosen(*rows), once(3, 4))
    assert [len(r.unjudged) for r in exploration.rows] == [0, 2]
    (first, second) = exploration.rows[1].unjudged
    assert (first.limit.id, first.structure, first.reason) == ("3fx", "Rectum", "the limit is for other numbers of fractions than the 4 proposed")
    assert second.limit.id == "5fx"
    assert [n.code for n in exploration.notices] == ["explore_unjudged_limits"]


def test_nothing_left_is_said() -> None:
    row = only(case(FIRST, plan()), limit("Dmax", 30.0, id="strict"), limit("Dmax", 64.0, id="other"))
    assert (row.scale, row.dose_gy, row.dose_per_fraction_gy, row.largest_per_fraction_gy, row.optimal_dose_gy) == (None, 0.0, 0.0, 0.0, 0.0)
    assert row.binding is not None
    assert (row.binding.limit.id, row.binding.dose_gy, row.binding.order) == ("strict", None, 0.0)
    assert (row.binding.value_at, row.binding.deficit) == (pytest.approx(36), pytest.approx(6))
    assert row.reason == "limit strict is not met at any dose (Dmax 36.00 of 30 Gy): the other courses alone exceed the limit"
    assert row.next is not None
    assert (row.next.limit.id, row.next_margin) == ("other", None)


@pytest.mark.parametrize("stated", [None, 28.0])
def test_a_plan_of_which_a_part_is_given_is_scaled_from_the_dose_of_that_part(stated: float | None) -> None:
    """20 of 28 Gy: 5 of 7 fractions. The distribution is that of 20 Gy, and so is its name: 20 Gy in 5 more make 36 + 28 = 64 Gy."""
    phase = Phase("plan", plan().phases[0].components, 5, 7, 28.0)
    partly = replace(plan(phases=(phase,)), stated_prescription_gy=stated)
    assert partly.delivered_gy == pytest.approx(20)
    row = only(case(FIRST, partly), limit("Dmax", 64.0))
    assert (row.scale, row.dose_gy) == (pytest.approx(1, rel=1e-5), pytest.approx(20, rel=1e-5))


def test_phases_given_in_part_with_one_prescription_for_all_have_no_dose_to_scale() -> None:
    one, two = (Phase(name, plan().phases[0].components, n, planned, None) for name, n, planned in (("a", 20, 28), ("b", 8, 8)))
    partly = replace(plan(phases=(one, two)), stated_prescription_gy=60.0)
    assert partly.delivered_gy is None
    with pytest.raises(ParameterError, match="phases of which different parts are given"):
        only(case(FIRST, partly), limit("Dmax", 64.0))


def test_half_times_of_schedules_twice_a_day_are_named() -> None:
    organs, choice = ((box_structure("Vagina"), "vagina"),), chosen(limit("Dmax", 64.0, "vagina"))
    once_a_day, twice = (found(case(FIRST, plan(), organs=organs), choice, (s,)).notices for s in (ScheduleChoice(10), ScheduleChoice(10, 2, 6.0)))
    assert "half_time_convention" not in {n.code for n in once_a_day}
    assert "half_time_convention" in {n.code for n in twice}


def test_the_largest_fraction_is_that_of_any_organ() -> None:
    """An organ without a limit, 1.5 times as hot."""
    hot = even_dose(20.0)
    doses = hot.dose_gy.copy()
    doses[..., :3] = 30.0
    organs = ((box_structure("Rectum", box=(8.0, 20.0, 15.0, 35.0)), "rectum"), (box_structure("Skin", box=(-6.0, -2.0, 15.0, 35.0), number=2), "skin"))
    row = only(case(FIRST, plan(DoseGrid(hot.grid, doses, hot.frame_uid)), organs=organs), limit("Dmax", 64.0), n=5)
    assert row.largest_per_fraction_gy == pytest.approx(30 * (row.scale or 0) / 5, rel=0.03)  # cubic interpolation overshoots at the step by 2 %


def test_optimal_limit_exceeded_already_leaves_the_mandatory_one() -> None:
    row = only(case(FIRST, plan()), limit("Dmax", 30.0, id="wish", level="optimal"), limit("Dmax", 64.0, id="sum"))
    assert (row.dose_gy, row.optimal_scale, row.optimal_dose_gy, row.reason) == (pytest.approx(20, rel=1e-5), None, 0.0, None)


# ------------------------------------------------------------------------------------------------------- what cannot be judged


@pytest.mark.hazard("H04")
def test_structures_that_are_not_there() -> None:
    """Written by the user, or named in the case file: said. Of a library set: the check names them, no schedule is troubled."""
    one = case(FIRST, plan(), missing=(("Blase", "bladder"),))
    limits = (limit("Dmax", 64.0), limit("Dmax", 64.0, organ="bladder", id="b"), limit("Dmax", 64.0, organ="heart", id="h", level="optimal"))
    row = only(one, *limits)
    assert [(b.limit.id, b.structure, b.scale, b.reason) for b in row.unjudged] == [
        ("b", None, math.inf, "no structure of the reference course stands for the organ bladder"),
        ("h", None, math.inf, "no structure of the reference course stands for the organ heart"),
    ]
    assert [b.limit.id for b in only(one, *limits, own=False).unjudged] == ["b"]
    assert row.dose_gy == pytest.approx(20.0, rel=1e-5)


@pytest.mark.hazard("H04")
def test_empty_structure_and_a_limit_of_one_course() -> None:
    empty = replace(box_structure("Rectum"), contours=())
    row = only(case(FIRST, plan(), organs=[(empty, "rectum")]), limit("Dmax", 64.0, scope="course"))
    (bound,) = row.unjudged
    assert (bound.structure, bound.course, bound.reason) == ("Rectum", 1, "the structure has no closed contours")
    assert row.largest_per_fraction_gy is None


@pytest.mark.hazard("H04")
def test_organ_outside_every_grid() -> None:
    far = box_structure("Rectum", planes=(100.0, 105.0))
    row = only(case(FIRST, plan(), organs=[(far, "rectum")]), limit("Dmax", 64.0))
    assert (row.scale, row.largest_per_fraction_gy, len(row.unjudged)) == (math.inf, None, 1)


@pytest.mark.hazard("H04")
def test_part_of_the_organ_outside_the_earlier_grid() -> None:
    """Surely exceeded above 20 Gy, and not shown to be met at any dose."""
    short = course("first", "prior", even_dose(30, (4, 9, 10)), 10, last_day=dt.date(2021, 1, 1))
    exploration = found(case(short, plan()), chosen(limit("Dmax", 64.0)))
    (row,) = exploration.rows
    assert row.binding is not None
    assert (row.dose_gy, row.binding.is_judged, row.unjudged) == (pytest.approx(20, rel=1e-5), False, (row.binding,))
    assert [n.code for n in exploration.notices] == ["explore_unjudged_limits"]


# ------------------------------------------------------------------------------------------------------- structures


LEFT, RIGHT = box_structure("Kidney_L"), box_structure("Kidney_R", box=(-5.0, 20.0, 15.0, 25.0), number=2)  # 7.5 and 3.75 cc


def test_both_sides_taken_together() -> None:
    """At most 9 of 11.25 cc at 64 Gy: no more than 28 Gy to all. With one side alone it cannot be judged."""
    together = limit("V64Gy", 9.0, organ="kidney", unit="cc", combine_sides=True)
    row = only(case(FIRST, plan(), organs=[(LEFT, "kidney"), (RIGHT, "kidney")]), together, limit("Dmax", 70.0, organ="kidney", id="each"))
    assert row.binding is not None
    assert row.next is not None
    assert (row.binding.structure, row.dose_gy, row.next.structure) == ("Kidney_L + Kidney_R", pytest.approx(20, rel=1e-5), "Kidney_L")
    assert row.binding.value_at is not None
    assert row.binding.value_at <= 9  # a moment later it is all of it
    (bound,) = only(case(FIRST, plan(), organs=[(LEFT, "kidney")]), together).unjudged
    assert (bound.structure, bound.scale) == ("Kidney_L", math.inf)
    assert "needed is one structure of each side" in (bound.reason or "")


def test_limit_of_both_sides_for_other_fractions() -> None:
    """Checks and explorations agree that the user's limit is not judged."""
    one, choice = (
        case(FIRST, plan(), organs=[(LEFT, "kidney"), (RIGHT, "kidney")]),
        chosen(limit("Dmean", 60.0, organ="kidney", combine_sides=True, max_fractions=3)),
    )
    assessment = assess(one, choice)
    assert [(f.structure, f.status) for f in assessment.findings] == [("Kidney_L + Kidney_R", "not_evaluable")]
    assert [[b.structure for b in row.unjudged] for row in explore(assessment, choice, once(3, 5)).rows] == [[], ["Kidney_L + Kidney_R"]]


def test_two_structures_of_the_same_name_are_both_solved() -> None:
    """The second is cold in x < 8 mm; the first is hot and decides."""
    rising = DoseGrid(grid(), np.broadcast_to((0.2 * (grid().u_mm + 8)).astype(np.float32), GRID_SHAPE).copy())  # 4 Gy at x = 12, 5.6 Gy at x = 20 mm
    cold, hot = box_structure("Rectum", box=(-5.0, 12.0, 15.0, 35.0)), box_structure("Rectum", number=2)
    row = only(case(FIRST, plan(rising), organs=[(cold, "rectum"), (hot, "rectum")]), limit("Dmax", 64.0))
    assert [b.scale for b in row.bounds] == pytest.approx([dose_gy(28, 5) / 5.6, dose_gy(28, 5) / 4], rel=1e-4)


# ------------------------------------------------------------------------------------------------------- proposed courses


def test_another_proposed_course_stays_as_it_is() -> None:
    """36 and 28 Gy are given: up to 92 Gy another 28. The limits of all courses go by the schedule of the reference."""
    boost, last = plan(name="boost"), plan(name="last")
    one, choice = case(FIRST, boost, last), chosen(limit("Dmax", 92.0), limit("Dmax", 30.0, id="few", max_fractions=5), own=False)
    exploration = found(one, choice, once(5, 14), course=1)
    assert [(n.code, n.course) for n in exploration.notices] == [("explore_other_proposed", "boost")]
    assert [len(row.bounds) for row in exploration.rows] == [2, 2]  # the reference has 5 fractions, whatever the boost has
    assert [len(row.bounds) for row in found(one, choice, once(5, 14)).rows] == [2, 1]
    rows = found(one, chosen(limit("Dmax", 92.0)), once(14), course=1).rows
    assert rows[0].dose_gy == pytest.approx(28.0, rel=1e-5)


def test_slow_sessions_stay_slow() -> None:
    """The longer a session, the more is repaired meanwhile, and the more can be given."""
    slow = only(case(FIRST, plan(timing=Timing(pattern=SlowFraction(60.0)))), limit("Dmax", 64.0))
    assert slow.dose_gy > 20.2


def test_earlier_course_on_paper_counts_with_its_prescription() -> None:
    """30 Gy in 10 at most: 28 Gy are left."""
    letter = Course("letter", "prior", (), "", last_day=dt.date(2021, 1, 1), paper=Paper(30, 10, 10))
    row = only(case(letter, plan()), limit("Dmax", 64.0))
    assert row.binding is not None
    assert (row.dose_gy, row.binding.is_judged) == (pytest.approx(20.0, rel=1e-5), True)
    assert "at most this" in (row.binding.reason or "")


@pytest.mark.parametrize(
    ("courses", "words"),
    [
        ((FIRST, course("old", "prior", 20, 5)), "No course is proposed"),
        ((FIRST, replace(plan(), stated_prescription_gy=None)), "has no target dose"),
        ((FIRST, replace(plan(), phases=())), "has no dose files"),
        ((FIRST, plan(timing=Timing(pattern=LowDoseRate(10.0)), phases=(Phase("p", plan().phases[0].components, 1, 1),))), "needed are external fractions"),
    ],
)
def test_what_cannot_be_scaled_is_refused(courses: tuple[Course, ...], words: str) -> None:
    assessment = Assessment(case(*courses, reference=0), (), (), (), ())
    with pytest.raises(ParameterError, match=words):
        explore(assessment, chosen(limit()), once(5))


def test_no_schedule_is_refused() -> None:
    with pytest.raises(ParameterError, match="No schedule is asked for"):
        found(case(FIRST, plan()), chosen(limit()), ())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0,), "fractions is 0"),
        ((101,), "fractions is 101"),
        ((2.5,), "fractions is 2.5"),
        ((1, 2, 6.0), "needed are at least as many"),
        ((10, 2), "interval_h"),
        ((10, 5, 6.0), "the night is shorter"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(values: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        ScheduleChoice(*values)


def test_usual_schedules() -> None:
    assert [c.fractions for c in DEFAULT_SCHEDULES if c.per_day == 1] == list(range(1, 41))
    assert [c.fractions for c in DEFAULT_SCHEDULES if c.per_day == 2] == list(range(20, 41, 2))
    assert ScheduleChoice(1).title == "1 fraction"


# ------------------------------------------------------------------------------------------------------- notices


def test_large_fractions_are_said() -> None:
    """One fraction of 11.2 Gy; the organ receives half of it. Two of 8 Gy pass."""
    exploration = found(case(FIRST, plan(10.0)), chosen(limit("Dmax", 49.0)), once(1, 2))
    assert [r.is_beyond_lq for r in exploration.rows] == [True, False]
    assert [r.largest_per_fraction_gy for r in exploration.rows] == pytest.approx([dose_gy(13, 1), dose_gy(13, 2) / 2], rel=1e-4)
    assert [r.dose_per_fraction_gy for r in exploration.rows] == pytest.approx([2 * dose_gy(13, 1), dose_gy(13, 2)], rel=1e-4)
    (notice,) = exploration.notices
    assert (notice.code, notice.course) == ("explore_lq_range", "second")
    assert notice.message.startswith("In 1 of 2 schedules the dose found means fractions of more than 10 Gy")


def test_uncertainty_is_not_part_of_the_doses_and_that_is_said() -> None:
    exploration = found(case(FIRST, plan()), chosen(limit("Dmax", 64.0), uncertainty=Uncertainty(alpha_beta=True)))
    assert [n.code for n in exploration.notices] == ["explore_without_uncertainty"]
    assert exploration.rows[0].dose_gy == pytest.approx(20.0, rel=1e-5)


# ------------------------------------------------------------------------------------------------------- points of the scaled plan


class Swinging(Recheck):
    """Points that read 1 % more above 99.5 % of the dose, and 1 % less below it."""

    def sum_of(self, numbers: Sequence[int], scale: float, fractions: int) -> OrganSum:
        return rescheduled(super().sum_of(numbers, scale, fractions), self.course, 1.01 if scale > 0.995 else 0.99, fractions)


class Growing(Recheck):
    """Points that read 1 % more than asked, whatever is asked."""

    def sum_of(self, numbers: Sequence[int], scale: float, fractions: int) -> OrganSum:
        return rescheduled(super().sum_of(numbers, scale, fractions), self.course, 1 / scale * 1.5, fractions)


def test_points_that_swing_leave_the_lower_dose(monkeypatch: pytest.MonkeyPatch) -> None:
    """28 Gy are left: at s > 0.995 the limit is passed, below it is met by far; the dose is one where it is met."""
    monkeypatch.setattr(reirrad.exploration, "Recheck", Swinging)
    monkeypatch.setattr(reirrad.exploration, "PATIENCE", 2)
    row = only(case(FIRST, plan()), limit("Dmax", 64.0))
    assert row.binding is not None
    assert row.scale == pytest.approx(1 / 1.01, rel=5e-4)
    assert row.scale is not None
    at = 0.99 * row.scale * 20
    assert row.binding.value_at == pytest.approx(36 + at * (3 + at / 5) / 5, abs=1e-3)
    assert row.binding.is_judged


def test_points_that_never_settle_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reirrad.exploration, "Recheck", Growing)
    monkeypatch.setattr(reirrad.exploration, "MOST_TURNS", 3)
    row = only(case(FIRST, plan()), limit("Dmax", 64.0))
    (bound,) = row.unjudged
    assert bound.reason == "its value differs between calculations at nearly the same dose; check the plan itself"


class Hotter(Recheck):
    """Points at which the earlier course gives half as much again."""

    def sum_of(self, numbers: Sequence[int], scale: float, fractions: int) -> OrganSum:
        return rescheduled(super().sum_of(numbers, scale, fractions), 0, 1.5, 10)


def test_points_of_the_scaled_plan_may_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """45 Gy in 10: 45 (3 + 4.5) / 5 = 67.5 Gy, 3.5 Gy too much."""
    monkeypatch.setattr(reirrad.exploration, "Recheck", Hotter)
    row = only(case(FIRST, plan()), limit("Dmax", 64.0))
    assert row.binding is not None
    assert (row.scale, row.dose_gy, row.binding.deficit) == (None, 0.0, pytest.approx(3.5, abs=1e-3))


class Peaked(Recheck):
    """Points of the surface that read 1 % more."""

    def sum_of(self, numbers: Sequence[int], scale: float, fractions: int) -> OrganSum:
        total = super().sum_of(numbers, scale, fractions)
        return replace(total, dose=replace(total.dose, edge_gy=total.dose.edge_gy * np.float32(1.01)))


def test_neighbours_of_the_binding_limit_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean binds at 64 Gy, and the maximum 0.02 Gy later. At points of the scaled plan that read more, the maximum comes first."""
    one, limits = case(FIRST, plan()), (limit("Dmean", 64.0, id="mean"), limit("Dmax", 64.02, id="max"))
    assert [b.limit.id for b in only(one, *limits).bounds] == ["mean", "max"]
    monkeypatch.setattr(reirrad.exploration, "Recheck", Peaked)
    row = only(one, *limits)
    assert [b.limit.id for b in row.bounds] == ["max", "mean"]
    # 30.3 Gy in 10 are 30.3 (3.03 + 3) / 5 = 36.5418 Gy; what is left is given by 1.01 s 20 Gy
    assert row.scale == pytest.approx(dose_gy(64.02 - 36.5418, 5) / 20.2, rel=1e-5)


# ------------------------------------------------------------------------------------------------------- sample plans


# Structures whose limits bind, or nearly: so that the tests are quick.
TIGHT = {"A-groin-relapse": ("Bowel_Bag", "Skin", "Bladder", "Femur_Head_L"), "B-para-aortic-nodes": ("A_Aorta", "SpinalCord", "Duodenum", "V_Venacava_I")}


def sample(name: str) -> tuple[Case, LimitChoice, Assessment]:
    whole, choice = load_case(SAMPLES / name / "case.yaml")
    one = replace(whole, organs=tuple(pair for pair in whole.organs if pair[0].name in TIGHT[name]))
    return one, choice, assess(one, choice)


# 14 fractions: on the points of the plan as it is the value steps over the limit. 28: another limit there is passed by 0.02 Gy.
ROUND_TRIPS = {"A-groin-relapse": (ScheduleChoice(14), ScheduleChoice(30, 2, 6.0)), "B-para-aortic-nodes": (ScheduleChoice(1), ScheduleChoice(28))}


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_check_of_the_scaled_plan_reads_the_limit(name: str) -> None:
    """Scaled by the factor found, the binding limit reads its limit to 1 mGy and is met; a part in 10 000 above, it is exceeded."""
    one, choice, assessment = sample(name)
    exploration = explore(assessment, choice, ROUND_TRIPS[name])
    for row in exploration.rows:
        for bound, scale in ((row.binding, row.scale), (row.optimal_binding, row.optimal_scale)):
            assert bound is not None
            assert scale is not None

            def read(part: float, bound: Any = bound, scale: float = scale, row: IsotoxicRow = row) -> tuple[str, float]:
                pattern = one.courses[exploration.course].timing.pattern
                timing = Timing(row.choice.per_day, row.choice.interval_h, pattern)
                again = rescheduled_case(one, exploration.course, part * scale, row.choice.fractions, timing)
                alone = replace(again, organs=tuple(pair for pair in one.organs if pair[0].name == bound.structure))
                (finding,) = assess(alone, replace(choice, limits=(bound.limit,))).findings
                assert finding.judged_value is not None
                return finding.status, finding.judged_value

            status, value = read(1.0)
            assert status != "exceed"
            assert value == pytest.approx(bound.limit_value, abs=1e-3)
            assert value == pytest.approx(bound.value_at, abs=1e-3)
            assert read(1.0005)[0] == "exceed"
    last = exploration.rows[-1]
    assert last.optimal_scale is not None
    timing = Timing(last.choice.per_day, last.choice.interval_h)
    whole = assess(rescheduled_case(one, exploration.course, last.optimal_scale, last.choice.fractions, timing), choice)
    assert [f.limit.id for f in whole.findings if f.status == "exceed"] == []


def test_same_input_same_output() -> None:
    assert only(case(FIRST, plan()), limit("D1cc", 64.0), n=3) == only(case(FIRST, plan()), limit("D1cc", 64.0), n=3)


def test_clause_of_a_rule_binds() -> None:
    row = only(case(FIRST, plan()), limit("Dmax", 64.0, clauses=(Clause("this_course", "<=", 14.0, "Gy"),)))
    assert row.dose_gy == pytest.approx(dose_gy(14, 5), rel=1e-5)
    assert row.binding is not None
    assert row.binding.value_at == pytest.approx(50, abs=1e-3)


def test_incomplete_structure_is_not_judged() -> None:
    broken = replace(box_structure("Rectum"), n_open_alone=1)
    assert isinstance(broken.contours[0], Contour)
    row = only(case(FIRST, plan(), organs=[(broken, "rectum")]), limit("Dmax", 64.0))
    assert (row.dose_gy, [b.is_judged for b in row.bounds]) == (pytest.approx(20, rel=1e-5), [False])
