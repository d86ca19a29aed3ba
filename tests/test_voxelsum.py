"""The sum at voxel centres: by hand, where a course is unknown, through registrations, on turned and uneven grids, and against the points of organs."""

from __future__ import annotations

import numpy as np
import pytest
from case_factory import PLANES, box_structure, case, course, even_dose, grid, replaced, two_courses

from reirrad.course import Case, Component, Course, Phase
from reirrad.displayalphabeta import DisplayAlphaBeta
from reirrad.displaymap import display_map
from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError
from reirrad.grid import Grid
from reirrad.organresult import compute
from reirrad.registration import Rigid
from reirrad.timing import Timing
from reirrad.voxelsum import VoxelSum, reference_grid, summable, voxel_sum

INSIDE = (2, 4, 4)  # the voxel at (8, 26, -10) mm lies in the box Rectum
OUTSIDE = (2, 0, 0)  # that at (-8, 10, -10) mm does not


def summed(one: Case, on: Grid | None = None, kept: dict[str, dict[int, float]] | None = None) -> VoxelSum:
    on = reference_grid(one) if on is None else on
    return voxel_sum(one, on, display_map(one, on), kept)


def quadratic(on: Grid, at_zero: float = 30.0) -> DoseGrid:
    """A dose that cubic interpolation gives exactly: its value is `value_of` at every point, whatever the grid."""
    local = np.concatenate([on.plane_points_mm(k) for k in range(on.w_mm.size)])
    return DoseGrid(on, value_of(local, at_zero).reshape(on.shape).astype(np.float32), "1.2.3.100")


def value_of(points_mm: np.ndarray, at_zero: float = 30.0) -> np.ndarray:
    x, y, z = points_mm.T
    return at_zero + 0.3 * x - 0.2 * y + 0.15 * z + 0.004 * x * y


def turned(degrees: float = 25.0) -> Grid:
    """Turned about x and then about z, with uneven planes."""
    a, b = np.radians(degrees), np.radians(-10)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return Grid(about_x @ about_z, -12.0 + 3.5 * np.arange(9), 8.0 + 4.5 * np.arange(7), np.array([-31.0, -28.5, -25.0, -22.0, -17.5]))


def points_of(on: Grid) -> np.ndarray:
    return np.concatenate([on.plane_points_mm(k) for k in range(on.w_mm.size)])


def test_two_courses_by_hand() -> None:
    # 30 Gy in 10 is 36 Gy EQD2 at 3 Gy, 20 Gy in 5 is 28 Gy; in the rectum at 2 Gy (2 x 30 + 90) / 4 = 37.5 and (2 x 20 + 80) / 4 = 30 Gy
    found = summed(two_courses(alpha_beta_gy={"rectum": 2.0}))
    assert found.least_eqd2_gy[OUTSIDE] == pytest.approx(64.0, abs=1e-5)
    assert found.least_eqd2_gy[INSIDE] == pytest.approx(67.5, abs=1e-5)
    assert {k: (v.min(), v.max()) for k, v in found.physical_gy.items()} == {0: (30, 30), 1: (20, 20)}
    assert found.is_known.all()
    assert found.least_with_recovery_gy is None


def test_one_alpha_beta_everywhere() -> None:
    # at 10 Gy: (300 + 90) / 12 + (200 + 80) / 12
    found = summed(two_courses(display=DisplayAlphaBeta(10.0)))
    np.testing.assert_allclose(found.least_eqd2_gy, 670 / 12, rtol=1e-6)


def test_recovery_weighs_the_first_course_in_its_organ_alone() -> None:
    found = summed(two_courses(), kept={"rectum": {0: 0.25}})
    assert found.least_with_recovery_gy is not None
    assert found.least_with_recovery_gy[INSIDE] == pytest.approx(0.25 * 36 + 28, abs=1e-5)
    assert found.least_with_recovery_gy[OUTSIDE] == pytest.approx(64.0, abs=1e-5)
    assert found.least_eqd2_gy[INSIDE] == pytest.approx(64.0, abs=1e-5)


def test_two_sessions_a_day_count_with_the_half_time_of_the_organ() -> None:
    # 6 h apart: 2^(-6 / 1.5) = 0.0625 is left of a session in the rectum, 2^(-6 / 4.4) elsewhere; it adds that part to the quadratic term
    twice = replaced(two_courses().courses[0], timing=Timing(2, 6.0))
    found = summed(case(twice, two_courses().courses[1], half_time_h={"rectum": 1.5}))
    assert found.least_eqd2_gy[INSIDE] == pytest.approx((90 + 90 * 1.0625) / 5 + 28, abs=1e-5)
    assert found.least_eqd2_gy[OUTSIDE] == pytest.approx((90 + 90 * (1 + 2 ** (-6 / 4.4))) / 5 + 28, abs=1e-5)


def test_doses_of_the_same_sessions_are_added_before_conversion() -> None:
    # 20 Gy in 10 and, in five of these sessions, 5 Gy more: 15 Gy in 5 and 10 Gy in 5; Q1 = 25, Q2 = 45 + 20
    phases = (Phase("a", (Component(even_dose(10), 2.0),), 10), Phase("b", (Component(even_dose(5)),), 5, concurrent=True))
    found = summed(case(course("both", "proposed", 25, 10, phases=phases)))
    np.testing.assert_allclose(found.least_eqd2_gy, (3 * 25 + 65) / 5, rtol=1e-6)
    np.testing.assert_allclose(found.physical_gy[0], 25.0, rtol=1e-6)


def test_where_a_course_is_unknown_the_sum_is_not_known_and_never_takes_zero_for_it() -> None:
    small = DoseGrid(Grid(np.eye(3), grid().u_mm[:6], grid().v_mm, grid().w_mm[1:]), np.full((5, 9, 6), 30, np.float32), "1.2.3.100")
    found = summed(case(course("first", "prior", small, 10), course("second", "proposed", 20, 5)), kept={"rectum": {0: 0.0}})
    known = np.zeros(grid().shape, bool)
    known[1:, :, :6] = True
    np.testing.assert_array_equal(found.is_known, known)
    np.testing.assert_array_equal(np.isnan(found.physical_gy[0]), ~known)
    np.testing.assert_allclose(found.least_eqd2_gy[~known], 28.0, rtol=1e-6)  # what it is at least
    np.testing.assert_allclose(found.least_eqd2_gy[known], 64.0, rtol=1e-6)
    assert not np.isnan(found.physical_gy[1]).any()


def test_a_course_is_read_through_its_registration_on_turned_and_uneven_grids() -> None:
    there = Rigid(np.array([[0.0, -1.0, 0.0, 40.0], [1.0, 0.0, 0.0, 5.0], [0.0, 0.0, 1.0, -3.0], [0.0, 0.0, 0.0, 1.0]]))
    wide = Grid(np.eye(3), -80.0 + 5.0 * np.arange(40), -90.0 + 6.0 * np.arange(35), np.array([-60.0, -52, -45, -38, -30, -21, -12, -4, 5, 15]))
    on = turned()
    one = case(
        course("first", "prior", quadratic(wide, 50.0), 10),
        course("second", "proposed", quadratic(on, 40.0), 5),
        organs=(),
        transforms=(there, None),
        registration=("file", "same_frame"),
    )
    found = summed(one)
    x, y, z = points_of(on).T
    first = value_of(np.column_stack([40 - y, 5 + x, z - 3]), 50.0)
    second = value_of(points_of(on), 40.0)
    np.testing.assert_allclose(found.physical_gy[0].ravel(), first, atol=2e-5)
    np.testing.assert_allclose(found.physical_gy[1].ravel(), second, atol=2e-5)
    np.testing.assert_allclose(found.least_eqd2_gy.ravel(), (3 * first + first**2 / 10 + 3 * second + second**2 / 5) / 5, rtol=2e-6)
    assert found.is_known.all()
    # the wrong way round, or none, is far off
    assert np.abs(found.physical_gy[0].ravel() - value_of(points_of(on), 50.0)).max() > 10


@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
def test_a_voxel_has_what_the_points_of_its_organ_have(interpolation: str) -> None:
    on = grid()
    z, y, x = np.meshgrid(on.w_mm, on.v_mm, on.u_mm, indexing="ij")
    lumpy = DoseGrid(on, (25 + 15 * np.sin(x / 9) * np.cos(y / 11) + 4 * np.cos(z / 5)).astype(np.float32), "1.2.3.100")
    tilted = Grid(turned(6.0).rotation, -40.0 + 3.5 * np.arange(26), -15.0 + 4.5 * np.arange(18), np.array([-45.0, -38, -30, -23, -15, -6, 2, 11, 20]))
    second = DoseGrid(tilted, (12 + 6 * np.sin(points_of(tilted).sum(axis=1) / 13)).reshape(tilted.shape).astype(np.float32), "1.2.3.100")
    half = Rigid(np.array([[1.0, 0, 0, 1.25], [0, 1, 0, -2.5], [0, 0, 1, 0.75], [0, 0, 0, 1]]))
    twice = replaced(course("first", "prior", lumpy, 10), timing=Timing(2, 6.0))
    one = case(
        twice,
        course("second", "proposed", second, 5),
        organs=[(box_structure("Rectum", PLANES, (-2.0, 11.0, 18.0, 30.0)), "rectum")],
        transforms=(half, None),
        registration=("file", "same_frame"),
        interpolation=interpolation,
        alpha_beta_gy={"rectum": 4.0},
    )
    organ = compute(one, one.organs[0][0], "rectum", None)
    assert organ.sum is not None
    dose = organ.sum.dose
    assert dose.points_mm is not None
    expected, after = dose.eqd2(4.0).dose_gy, dose.eqd2(4.0, None, {0: 0.6}).dose_gy
    chosen = [k for k in np.random.default_rng(5).permutation(len(expected))[:60] if not np.isnan(expected[k])]
    assert len(chosen) > 40
    n_compared = 0
    for k in chosen:
        px, py, pz = dose.points_mm[k].astype(np.float64)
        voxel = Grid(np.eye(3), np.array([px]), np.array([py]), np.array([pz]))
        shown = display_map(one, voxel)
        if shown.organ[0, 0, 0] != 0:
            continue  # at the border of the organ a voxel may miss it by half a cell
        n_compared += 1
        found = voxel_sum(one, voxel, shown, {"rectum": {0: 0.6}})
        assert found.least_with_recovery_gy is not None
        assert found.least_eqd2_gy[0, 0, 0] == pytest.approx(expected[k], rel=2e-6)
        assert found.least_with_recovery_gy[0, 0, 0] == pytest.approx(after[k], rel=2e-6)
    assert n_compared > 40


def test_courses_on_paper_and_those_not_registered_are_not_summed() -> None:
    letter = Course("letter", "prior", (), "")
    apart = course("apart", "prior", 10, 5)
    one = case(letter, apart, course("now", "proposed", 20, 5), registration=("none", "none", "same_frame"))
    assert summable(one) == (2,)
    assert list(summed(one).physical_gy) == [2]


def test_the_grid_is_the_largest_of_the_reference_course() -> None:
    phases = (Phase("a", (Component(even_dose(5, (3, 4, 5))), Component(even_dose(4))), 5), Phase("b", (Component(even_dose(1, (6, 9, 9))),), 2))
    one = case(course("first", "prior", even_dose(9, (8, 11, 12)), 5), course("now", "proposed", 10, 7, phases=phases))
    assert reference_grid(one).shape == (6, 9, 10)
    found = summed(one)
    assert int(found.is_known.sum()) == 3 * 4 * 5  # where the small field is known
    assert found.physical_gy[1][2, 3, 4] == pytest.approx(10.0)
    assert np.isnan(found.physical_gy[1][2, 3, 5])


def test_a_reference_on_paper_has_no_grid() -> None:
    with pytest.raises(GeometryError, match="no dose grid on which voxels could be summed"):
        reference_grid(case(course("first", "prior", 30, 10), Course("letter", "proposed", (), "")))
