"""Shifted earlier doses: which shifts, which courses, and the dose read again, on phantoms whose dose is known at every place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case_factory import box_structure, case, course, even_dose, grid, organ_dose, replaced

from reirrad.accumulation import accumulate, course_dose
from reirrad.course import Case, Component, Phase
from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.papercourse import Paper
from reirrad.planes import slabs_of
from reirrad.points import organ_points
from reirrad.registration import Rigid
from reirrad.shifts import MovedDose, Shift, moved_courses, shifts, with_rows
from reirrad.structures import Structure

NOW = course("now", "proposed", 20, 5)


def ramp(gy_per_mm: tuple[float, float, float], at_zero: float = 30.0) -> DoseGrid:
    """A dose that both interpolations give exactly."""
    g = grid()
    zz, yy, xx = np.meshgrid(g.w_mm, g.v_mm, g.u_mm, indexing="ij")
    a, b, c = gy_per_mm
    return DoseGrid(g, (at_zero + a * xx + b * yy + c * zz).astype(np.float32), "1.2.3.100")


def read(one: Case, structure: Structure | None = None) -> Any:
    points = organ_points("Organ", slabs_of(structure or one.organs[0][0], None, None, None))
    return accumulate(points, one.courses, one.transforms, one.interpolation, keep_points=True)


def moved(one: Case, among: tuple[Shift, ...]) -> MovedDose:
    return MovedDose(one, read(one), among)


# ------------------------------------------------------------------------------------------------------- which shifts


def test_26_shifts_reach_the_ellipsoid_and_6_go_half_as_far() -> None:
    radii = np.array([2.0, 3.0, 5.0])
    offsets = np.array([s.offset_mm for s in shifts(tuple(radii))])
    assert len(offsets) == len({tuple(o) for o in offsets}) == 32
    assert np.sqrt(((offsets / radii) ** 2).sum(axis=1)) == pytest.approx([1.0] * 26 + [0.5] * 6)
    assert offsets.sum(axis=0) == pytest.approx([0, 0, 0])


def test_a_half_axis_of_zero_leaves_a_disc() -> None:
    offsets = np.array([s.offset_mm for s in shifts((3, 3, 0))])
    assert len(offsets) == 12
    assert not offsets[:, 2].any()


def test_shifts_are_named_by_where_the_dose_goes() -> None:
    labels = {tuple(np.round(s.offset_mm, 3)): s.label for s in shifts((3, 3, 3))}
    assert labels[3.0, 0.0, 0.0] == "earlier dose moved by 3 mm to the left"
    assert labels[0.0, 0.0, -1.5] == "earlier dose moved by 1.5 mm to the feet"
    assert labels[-1.732, 1.732, 1.732] == "earlier dose moved by 3 mm to the right and back and head"


def test_a_turn_brings_the_dose_from_where_it_was() -> None:
    turns = shifts((0, 0, 0), 10)
    about_z = next(s for s in turns if s.label == "earlier dose turned by +10 degrees about z")
    centre, angle = np.array([[100.0, -50.0, 7.0]]), np.radians(10)
    now = centre + np.array([20 * np.cos(angle), 20 * np.sin(angle), 3.0])
    assert about_z.origin_of(now, centre[0]) == pytest.approx(centre + np.array([20.0, 0.0, 3.0]))
    assert about_z.reach_mm(20.0) == pytest.approx(2 * np.sin(angle / 2) * 20)
    assert len(turns) == 6


# ------------------------------------------------------------------------------------------------------- which courses


def test_earlier_courses_are_moved_and_what_is_planned_on_the_same_images_is_not() -> None:
    first, second = course("first", "prior", 30, 10), course("second", "prior", 30, 10)
    letter = replaced(first, phases=(), paper=Paper(30, 10, 10, {}, {}, {}))
    assert moved_courses(case(first, letter, second, course("boost", "proposed", 5, 1), NOW)) == (0, 2)


def test_a_proposed_course_in_another_frame_is_moved() -> None:
    other = (None, Rigid(np.eye(4)), None)
    assert moved_courses(case(course("first", "prior", 30, 10), course("boost", "proposed", 5, 1), NOW, transforms=other)) == (0, 1)


def test_with_an_earlier_reference_the_others_are_moved() -> None:
    assert moved_courses(case(course("first", "prior", 30, 10), course("second", "prior", 30, 10), NOW, reference=1)) == (0, 2)


# ------------------------------------------------------------------------------------------------------- the dose read again


@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_a_shifted_ramp_is_the_ramp_less_its_slope_times_the_shift(order: Any) -> None:
    slope = (0.5, -0.3, 0.2)
    one = case(course("first", "prior", ramp(slope), 10), NOW, interpolation=order)
    dose = moved(one, shifts((2, 2, 2)))
    before = dose.nominal()[0]
    n = 0
    for shift, rows in dose.each():
        assert rows[0] == pytest.approx(before - shift.offset_mm @ slope, abs=1e-4)
        n += 1
    assert n == 32
    assert dose.held_cc == 0


def test_a_shift_is_one_of_the_reference_frame_whatever_the_registration() -> None:
    quarter = np.array([[0.0, -1, 0, 30], [1, 0, 0, 20], [0, 0, 1, -1], [0, 0, 0, 1]])  # x' = 30 - y, y' = 20 + x
    one = case(
        course("first", "prior", ramp((0.5, 0, 0)), 10), NOW, transforms=(Rigid(quarter), None), organs=[(box_structure(box=(-5, 10, 15, 30)), "rectum")]
    )
    dose = moved(one, (Shift("to the back", np.array([0.0, 2.0, 0.0])),))
    ((_, rows),) = dose.each()
    assert rows[0] == pytest.approx(dose.nominal()[0] + 1.0, abs=1e-4)  # the dose falls along y by 0.5 Gy/mm


def test_a_turned_ramp() -> None:
    one = case(course("first", "prior", ramp((0.5, 0, 0)), 10), NOW)
    dose = moved(one, shifts((0, 0, 0), 5))
    turn = next(s for s in dose.among if s.label == "earlier dose turned by -5 degrees about z")
    rows = next(r for s, r in dose.each() if s is turn)
    x, y = (dose.points_mm - dose.centre_mm)[:, :2].T
    angle = np.radians(5)
    assert rows[0][0] == pytest.approx(30 + 0.5 * (dose.centre_mm[0] + np.cos(angle) * x - np.sin(angle) * y), abs=1e-4)
    assert dose.centre_mm == pytest.approx([7.5, 25, -10], abs=0.02)


def test_concurrent_phases_are_read_as_their_deliveries() -> None:
    phases = (Phase("a", (Component(ramp((0.5, 0, 0))),), 25), Phase("b", (Component(even_dose(20.0)),), 20, concurrent=True))
    first = course("first", "prior", 0, 1, phases=phases)
    at_zero = course_dose(first, np.array([[0.0, 20.0, -10.0]]), None, "cubic")
    assert at_zero == pytest.approx(np.array([[0.8 * 30 + 20], [0.2 * 30]]))


def test_a_dose_that_hardly_varies_within_reach_is_not_read_again() -> None:
    even, nearly, steep = (course("first", "prior", ramp((slope, 0, 0)), 10) for slope in (0.0, 0.0005, 0.002))
    assert [moved(case(c, NOW), shifts((2, 2, 2))).courses for c in (even, nearly, steep)] == [(), (), (0,)]
    assert list(moved(case(even, NOW), shifts((2, 2, 2))).each()) == []


def test_an_even_dose_is_read_again_where_the_shift_leaves_the_grid() -> None:
    assert moved(case(course("first", "prior", 30, 10), NOW), shifts((4, 0, 0))).courses == (0,)


def test_an_even_dose_is_read_again_under_a_registration_that_may_stretch() -> None:
    class Stretched:
        def __call__(self, points_mm: Any) -> Any:
            return points_mm

    one = case(course("first", "prior", 30, 10), NOW, transforms=(Stretched(), None))
    assert moved(one, shifts((2, 2, 2))).courses == (0,)


def test_points_that_leave_the_dose_keep_it_and_unknown_ones_stay_unknown() -> None:
    # the organ begins at x = -5, the dose at x = -8: 4 mm to the left a slice 1 mm thick (20 x 15 mm2) of it leaves
    one = case(course("first", "prior", ramp((0.5, 0, 0)), 10), NOW)
    dose = moved(one, (Shift("left", np.array([4.0, 0.0, 0.0])),))
    ((_, rows),) = dose.each()
    x = dose.points_mm[:, 0]
    assert rows[0][0] == pytest.approx(np.where(x < -4.004, 30 + 0.5 * x, 28 + 0.5 * x), abs=1e-4)
    assert dose.held_cc == pytest.approx(0.3, rel=0.03)

    short = ramp((0.5, 0, 0))
    g = short.grid
    short = DoseGrid(Grid(np.eye(3), g.u_mm[2:], g.v_mm, g.w_mm), short.dose_gy[:, :, 2:].copy(), "1.2.3.100")  # begins at x = 0
    dose = moved(case(course("first", "prior", short, 10), NOW), (Shift("right", np.array([-4.0, 0.0, 0.0])),))
    ((_, rows),) = dose.each()
    assert np.array_equal(np.isnan(rows[0][0]), dose.points_mm[:, 0] < -0.004)


def test_places_of_a_refined_organ_are_those_its_dose_was_read_at() -> None:
    centres = [np.arange(n) * 5.0 + at for n, at in ((40, -103.0), (38, -87.0), (36, -91.0))]
    zz, yy, xx = np.meshgrid(centres[2], centres[1], centres[0], indexing="ij")
    peak = DoseGrid(Grid(np.eye(3), *centres), (60 * np.exp(-((xx - 20) ** 2 + yy**2 + zz**2) / 800)).astype(np.float32), "1.2.3.100")
    first = course("first", "prior", peak, 10)
    one = case(first, course("now", "proposed", peak, 5), organs=[(box_structure("Liver", np.arange(-60.0, 61.0, 5.0), (-60, 60, -55, 55)), "liver")])
    dose = read(one)
    assert np.unique(np.round(np.diff(np.sort(dose.volumes_cc)), 9)).size > 1
    assert course_dose(first, dose.points_mm.astype(np.float64), None, "cubic")[0] == pytest.approx(dose.dose_gy[0], abs=2e-3)
    assert course_dose(first, dose.edge_points_mm.astype(np.float64), None, "cubic")[0] == pytest.approx(dose.edge_gy[0], abs=2e-3)
    assert len(dose.points_mm) == dose.volumes_cc.size > 20_000


def test_courses_of_one_frame_move_together_and_those_of_several_by_themselves_too() -> None:
    first, second = course("first", "prior", ramp((0.5, 0, 0)), 10), course("second", "prior", ramp((0, 0.5, 0)), 10)
    assert moved(case(first, second, NOW), shifts((2, 2, 2))).groups() == [(0, 1)]
    assert moved(case(first, replaced(second, frame_uid="1.9"), NOW), shifts((2, 2, 2))).groups() == [(0, 1), (0,), (1,)]


def test_rows_of_some_courses_are_replaced() -> None:
    dose = organ_dose((0, 10, [30, 31]), (1, 5, [20, 21]), (0, 2, [3, 4]), volumes_cc=[1, 1], edge_gy=[[32], [22], [5]])
    other = with_rows(dose, {0: np.array([[1, 2, 3], [4, 5, 6]], np.float32)})
    assert other.dose_gy.tolist() == [[1, 2], [20, 21], [4, 5]]
    assert other.edge_gy.tolist() == [[3], [22], [6]]
    assert dose.dose_gy[0].tolist() == [30, 31]


def test_an_organ_beside_the_dose_stays_unknown() -> None:
    far = ramp((0.5, 0, 0))
    far = DoseGrid(Grid(np.eye(3), far.grid.u_mm + 500, far.grid.v_mm, far.grid.w_mm), far.dose_gy, "1.2.3.100")
    dose = moved(case(course("first", "prior", far, 10), NOW), shifts((2, 2, 2))[:1])
    ((_, rows),) = dose.each()
    assert np.isnan(rows[0]).all()
    assert dose.held_cc == 0


def test_only_points_near_a_gradient_are_read_again() -> None:
    # 10 Gy up to x = 12, rising by 1 Gy/mm beyond. A shift of 1 mm and a cubic reach two voxels of 4 mm beyond the cell of a point: from x = 4 on to 16
    g = grid()
    _, _, xx = np.meshgrid(g.w_mm, g.v_mm, g.u_mm, indexing="ij")
    bent = DoseGrid(g, (10 + np.maximum(xx - 12, 0)).astype(np.float32), "1.2.3.100")
    dose = moved(case(course("first", "prior", bent, 10), NOW), shifts((1, 1, 1)))
    x = dose.points_mm[:, 0]
    varies = np.isin(np.arange(x.size), dose.varying[0])
    assert varies[x > 4.01].all()
    assert not varies[x < 3.99].any()
    for shift, rows in dose.each():
        came_from = x - shift.offset_mm[0]
        assert rows[0][0][x < 3] == pytest.approx(10.0, abs=1e-5)
        assert rows[0][0][came_from > 16.01] == pytest.approx(came_from[came_from > 16.01] - 2, abs=1e-3)
