"""What a dose grid leaves open in steep dose, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case_factory import GRID_SHAPE, box_structure, case, course, grid

from reirrad.course import Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.interpolationgap import spread_gy
from reirrad.organresult import compute
from reirrad.papercourse import Paper
from reirrad.registration import Rigid
from reirrad.timing import Timing

SMALL = [(box_structure("Rectum", box=(-5.0, 0.0, 15.0, 35.0)), "rectum")]  # 1.5 cc: all of it is looked at


def gap(*courses: Course, **more: Any) -> float | None:
    one = case(*courses, **{"organs": SMALL} | more)
    return compute(one, *one.organs[0], None).interpolation_gap_gy


def wave(low: float, high: float) -> DoseGrid:
    """Columns of voxels, 4 mm apart along x, that have one dose and the other in turn."""
    return DoseGrid(grid(), np.broadcast_to(np.where(np.arange(10) % 2, high, low).astype(np.float32), GRID_SHAPE).copy(), "1.2.3.100")


def test_spread_of_the_voxels_around() -> None:
    """Between 0 and 10 Gy: 5 Gy in the middle, 10 sqrt(w (1 - w)) elsewhere, none on a voxel; unknown outside."""
    points = np.array([[-6.0, 20, 0], [-7.0, 20, 0], [-8.0, 20, 0], [-9.0, 20, 0], [0.0, 20, 0], [-80.0, 20, 0]])
    found = spread_gy(wave(0, 10), points)
    assert found[:3] == pytest.approx([5, 10 * (0.25 * 0.75) ** 0.5, 0])
    assert np.isnan(found[5])


@pytest.mark.parametrize("n", [1, 3, 5, 25])
def test_gap_of_ten_gray_between_voxels(n: int) -> None:
    """Methods C6: 10 Gy apart at alpha/beta 2, half the way: 25 / (4 n)."""
    found = gap(course("now", "proposed", wave(20, 30), n), alpha_beta_gy={"rectum": 2.0})
    assert found == pytest.approx(25 / (4 * n), rel=0.02)


def test_even_dose_leaves_nothing_open() -> None:
    assert gap(course("then", "prior", 30, 10), course("now", "proposed", 20, 5)) == pytest.approx(0, abs=1e-4)


def test_courses_add_and_repair_counts() -> None:
    """25 / (5 n) each at alpha/beta 3 (n is 5): 1 and, twice a day, 1 (4 (1 + Hm) + 1) / 5 with Hm = 1/8."""
    twice = course("then", "prior", wave(20, 30), 5, timing=Timing(2, 6))
    found = gap(twice, course("now", "proposed", wave(20, 30), 5), half_time_h={"rectum": 2.0})
    assert found == pytest.approx(1 + (4 * 1.125 + 1) / 5, rel=0.02)


def test_concurrent_phases_add_their_spread() -> None:
    """Two of 5 Gy each in the same 5 fractions: 10² / (5 n)."""
    phases = tuple(Phase(label, (Component(wave(20, 30)),), 5, 5, concurrent=label == "b") for label in "ab")
    assert gap(course("now", "proposed", 1, 1, phases=phases)) == pytest.approx(4, rel=0.02)


def test_dose_is_looked_up_where_the_registration_says() -> None:
    """4 mm aside the waves lie the other way round, and are as steep."""
    shift = np.eye(4)
    shift[0, 3] = 4
    found = gap(course("then", "prior", wave(20, 30), 5), course("now", "proposed", 20, 5), transforms=(Rigid(shift), None))
    assert found == pytest.approx(1, rel=0.02)


def test_unknown_dose_leaves_the_gap_unknown() -> None:
    far = np.eye(4)
    far[0, 3] = 500
    assert gap(course("then", "prior", 30, 10), course("now", "proposed", 20, 5), transforms=(Rigid(far), None)) is None


def test_courses_without_dose_at_the_points_add_nothing() -> None:
    letter = Course("letter", "prior", (), "", paper=Paper(50, 25, 25))
    assert gap(letter, course("now", "proposed", wave(20, 30), 5)) == pytest.approx(1, rel=0.02)
