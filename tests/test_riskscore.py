"""Nieder's score in a case: BED of the maximum of each course, intervals from the dates."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from case_factory import box_structure, case, course

from reirrad.assessment import LimitChoice, assess
from reirrad.course import Course
from reirrad.dose import DoseGrid
from reirrad.papercourse import Paper
from reirrad.riskscore import RiskScore

CORD = [(box_structure("SpinalCord"), "spinal_cord")]


def scores(*courses: Course, **more: Any) -> tuple[RiskScore, ...]:
    return assess(case(*courses, organs=more.pop("organs", CORD), **more), LimitChoice((), frozenset(), ())).risk_scores


def prior(gy: float | DoseGrid, n: int, last: dt.date | None, **more: Any) -> Course:
    return course(more.pop("name", "then"), "prior", gy, n, last_day=last, **more)


def now(gy: float, n: int, first: dt.date | None = dt.date(2022, 1, 1), **more: Any) -> Course:
    return course(more.pop("name", "now"), "proposed", gy, n, first_day=first, **more)


@pytest.mark.parametrize(("last", "low", "high"), [(dt.date(2020, 1, 1), 4.0, 4.0), (dt.date(2021, 10, 1), 8.5, 8.5), (None, 4.0, 8.5)])
def test_two_courses(last: dt.date | None, low: float, high: float) -> None:
    """50 in 25 has a BED of 100 at alpha/beta 2, 25 in 10 of 56.25: the sum gives 4 points, an interval below six months 4.5 more."""
    (found,) = scores(prior(50, 25, last), now(25, 10))
    assert found.score is not None
    assert found.score.cumulative_bed_gy == pytest.approx(156.25, abs=1e-3)
    assert found.score.points == (low, high)


def test_proposed_courses_together_are_one_irradiation() -> None:
    """10 in 5 (20) and 10 in 5 again: 100 + 40, interval that of the first."""
    (found,) = scores(prior(50, 25, dt.date(2020, 1, 1)), now(10, 5), now(10.0, 5, dt.date(2022, 2, 1), name="boost"))
    assert found.score is not None
    assert (found.score.cumulative_bed_gy, found.score.points) == (pytest.approx(140, abs=1e-3), (2.0, 2.0))


def test_priors_in_order_of_time() -> None:
    """Given out of order: half a year less a day lies between them, so the points of a short interval count."""
    late, early = prior(10, 5, dt.date(2020, 6, 20), first_day=dt.date(2020, 6, 10), name="late"), prior(50, 25, dt.date(2020, 1, 1))
    unsure = prior(10, 5, dt.date(2020, 8, 1), name="late")  # completed seven months later, but when did it start?
    (found,) = scores(unsure, early, now(10, 5))
    assert found.score is not None
    assert found.score.interval_points == (0.0, 4.5)
    (found,) = scores(late, early, now(10, 5))
    assert found.score is not None
    assert found.score.interval_points == (4.5, 4.5)
    (found,) = scores(prior(10, 5, None, name="late"), early, now(10, 5))
    assert found.score is not None
    assert found.score.interval_points == (0.0, 4.5)


def test_course_without_a_known_maximum() -> None:
    lost = Course("lost", "prior", (), "", is_unknown=True)
    (found,) = scores(lost, now(10, 5))
    assert (found.score, found.reason) == (None, "the largest dose of a course in this structure is not known")


def test_maximum_on_paper_counts_as_its_bound() -> None:
    letter = Course("letter", "prior", (), "", last_day=dt.date(2020, 1, 1), paper=Paper(50, 25, 25))
    (found,) = scores(letter, now(10, 5))
    assert found.score is not None
    assert found.score.cumulative_bed_gy == pytest.approx(120, abs=1e-3)


def test_only_for_a_cord_irradiated_twice() -> None:
    assert scores(now(10, 5)) == ()
    assert scores(prior(50, 25, None), now(10, 5), organs=[(box_structure(), "rectum")]) == ()
    empty = box_structure("SpinalCord", planes=())
    assert scores(prior(50, 25, None), now(10, 5), organs=[(empty, "spinal_cord"), (box_structure(), "rectum")]) == ()
    (found,) = scores(prior(50, 25, dt.date(2020, 1, 1)), prior(10, 5, dt.date(2021, 1, 1), name="again"))
    assert found.score is not None
