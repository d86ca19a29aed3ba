from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from case_factory import GRID_SHAPE, case, course, even_dose, grid
from hypothesis import given
from hypothesis import strategies as st

from reirrad.course import Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.grid import Grid


def with_phases(*phases: tuple[int, bool]) -> Course:
    return course("c", "prior", 1, 1, phases=tuple(Phase("p", (Component(even_dose(1)),), n, concurrent=together) for n, together in phases))


@pytest.mark.parametrize(
    ("phases", "total"),
    [
        ([(25, False)], 25),
        ([(25, False), (8, False)], 33),
        ([(25, False), (20, True)], 25),
        ([(20, False), (25, True)], 25),
        ([(25, False), (20, True), (30, True)], 30),
        ([(25, False), (20, True), (8, False), (10, True)], 35),
    ],
)
def test_sessions_of_a_course(phases: list[tuple[int, bool]], total: int) -> None:
    assert with_phases(*phases).fractions == total


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=6))
def test_sessions_lie_between_the_longest_phase_and_the_sum(phases: list[tuple[int, bool]]) -> None:
    total = with_phases(*phases).fractions
    assert max(n for n, _ in phases) <= total <= sum(n for n, _ in phases)


def components(*pairs: tuple[DoseGrid, float]) -> Course:
    return course("c", "prior", 1, 1, phases=tuple(Phase("p", (Component(dose, factor),), 5) for dose, factor in pairs))


def one_hot(gy: float, index: tuple[int, int, int]) -> DoseGrid:
    values = np.full(GRID_SHAPE, 1.0, np.float32)
    values[index] = gy
    return DoseGrid(grid(), values)


def test_largest_dose_of_one_component_with_its_factor() -> None:
    assert components((one_hot(20, (1, 2, 3)), 1.5)).dose_max_gy() == pytest.approx(30)


def test_largest_dose_is_that_of_the_sum_not_the_sum_of_the_largest() -> None:
    """20 and 1 in one voxel, 1 and 10 (times 2) in another: 22, not 40."""
    assert components((one_hot(20, (1, 2, 3)), 1.0), (one_hot(10, (4, 5, 6)), 2.0)).dose_max_gy() == pytest.approx(22)


def test_largest_dose_on_different_grids() -> None:
    """A coarser grid with 3 Gy everywhere below the finer one."""
    coarse = Grid(np.eye(3), np.array([-20.0, 60.0]), np.array([0.0, 60.0]), np.array([-40.0, 40.0]))
    assert components((one_hot(20, (1, 2, 3)), 1.0), (DoseGrid(coarse, np.full((2, 2, 2), 3.0, np.float32)), 2.0)).dose_max_gy() == pytest.approx(26)


def test_largest_dose_of_a_field_beside_the_finest_grid_is_not_lost() -> None:
    far = Grid(np.eye(3), np.array([500.0, 510.0]), np.array([0.0, 60.0]), np.array([-40.0, 40.0]))
    assert components((one_hot(20, (1, 2, 3)), 1.0), (DoseGrid(far, np.full((2, 2, 2), 33.0, np.float32)), 2.0)).dose_max_gy() == pytest.approx(66)


DAY = dt.date(2021, 3, 1)


def test_proposed_course_is_the_reference_or_the_last() -> None:
    a, b, c = course("a", "prior", 1, 1), course("b", "proposed", 2, 1), course("c", "proposed", 3, 1)
    assert case(a, b, c, reference=1).proposed == 1
    assert case(a, b, c, reference=0).proposed == 2
    assert case(a, course("d", "prior", 4, 1)).proposed is None


def test_interval_counts_from_the_end_of_the_last_prior_course() -> None:
    a = course("a", "prior", 1, 1, last_day=DAY)
    b = course("b", "prior", 2, 1, last_day=DAY + dt.timedelta(days=30))
    c = course("c", "proposed", 3, 1, first_day=DAY + dt.timedelta(days=130))
    assert case(a, c).interval_days == 130
    assert case(a, b, c).interval_days == case(b, a, c).interval_days == 100


def test_interval_is_unknown_when_any_date_it_needs_is() -> None:
    known, unknown = course("a", "prior", 1, 1, last_day=DAY), course("b", "prior", 2, 1)
    proposed, undated = course("c", "proposed", 3, 1, first_day=DAY), course("c", "proposed", 3, 1)
    assert case(known, undated).interval_days is None
    assert case(known, unknown, proposed).interval_days is None
    assert case(proposed).interval_days is None
    assert case(known).interval_days is None
