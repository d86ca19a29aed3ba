"""The voxel search: what it must equal, what it must not be below, and that the search inside the earlier organ stays under the sum of the maxima."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case_factory import box_structure, case, course, organ_dose, rectangle, replaced
from test_shifts import NOW, moved, ramp

from reirrad.course import ImageStack
from reirrad.dose import DoseGrid
from reirrad.dvh import Dvh
from reirrad.grid import Grid
from reirrad.shifts import shifts, with_rows
from reirrad.structures import Contour, Structure
from reirrad.voxelsearch import VoxelSearch, region_of

ALPHA_BETA = 3.0
CENTRE = (7.5, 25.0, -10.0)


def hollow() -> DoseGrid:
    """An earlier dose around the organ: low in the middle, 50 Gy at 14 mm from it."""
    u, v, w = np.arange(-20.0, 36.0, 2.0), np.arange(-4.0, 55.0, 2.5), np.arange(-36.0, 17.0, 3.0)
    zz, yy, xx = np.meshgrid(w, v, u, indexing="ij")
    r = np.sqrt((xx - 7.5) ** 2 + (yy - 25) ** 2)
    return DoseGrid(Grid(np.eye(3), u, v, w), (50 * np.exp(-(((r - 14) / 5) ** 2)) + 0 * zz).astype(np.float32), "1.2.3.100")


SMALL = box_structure("Rectum", (-15.0, -10.0, -5.0), (2.5, 12.5, 20.0, 30.0))


def searched(radius: float, region_structure: Structure | None = None) -> tuple[Any, list[Dvh], VoxelSearch, Any]:
    one = case(course("first", "prior", hollow(), 10), NOW, organs=[(SMALL, "rectum")])
    dose = moved(one, shifts((radius, radius, radius)))
    region = None if region_structure is None else region_of(region_structure, one.courses[0])
    search = VoxelSearch(dose.dose, (ALPHA_BETA,), dose.courses)
    places = [(dose.points_mm, dose.nominal()[0]), *((s.origin_of(dose.points_mm, dose.centre_mm), rows[0]) for s, rows in dose.each())]
    rigid = []
    for at, rows in places:
        search.add(0, rows, None if region is None else region.contains(at))
        rigid.append(with_rows(dose.dose, {0: rows}).eqd2(ALPHA_BETA))
    return dose, rigid, search, region


@pytest.mark.parametrize("radius", [2.0, 5.0])
def test_free_search_is_the_worst_rigid_shift_for_the_maximum_and_never_below_one_for_the_rest(radius: float) -> None:
    _, rigid, search, _ = searched(radius)
    worst = search.worst(ALPHA_BETA).eqd2(ALPHA_BETA)
    assert worst.max_gy() == pytest.approx(max(one.max_gy() for one in rigid), rel=1e-6)
    for value in (lambda d: d.near_max_gy(0.1), lambda d: d.near_max_percent_gy(10), Dvh.mean_gy, lambda d: d.volume_above_cc(60.0), lambda d: d.geud_gy(8)):
        assert value(worst) >= max(value(one) for one in rigid)
    assert worst.mean_gy() > 1.05 * max(one.mean_gy() for one in rigid)


def test_search_inside_stays_below_the_sum_of_the_maxima_of_the_courses() -> None:
    dose, rigid, search, _ = searched(5.0, SMALL)
    inside, fallback_cc = search.worst_inside(ALPHA_BETA)
    nominal = dose.dose
    sum_of_maxima = sum(nominal.eqd2(ALPHA_BETA, k).max_gy() for k in (0, 1))
    found = inside.eqd2(ALPHA_BETA).max_gy()
    assert nominal.eqd2(ALPHA_BETA).max_gy() <= found <= sum_of_maxima * 1.001
    assert found < 0.8 * max(one.max_gy() for one in rigid)
    assert fallback_cc == 0


def test_where_the_earlier_organ_is_out_of_reach_the_free_search_stands() -> None:
    # the earlier organ is the left half, x up to 7.5: beyond 7.5 + 3 mm nothing of it is within reach, and that is 2 x 10 x 15 mm3
    half = box_structure("Rectum", (-15.0, -10.0, -5.0), (2.5, 7.5, 20.0, 30.0))
    dose, _, search, _ = searched(3.0, half)
    inside, fallback_cc = search.worst_inside(ALPHA_BETA)
    free = search.worst(ALPHA_BETA)
    x = dose.points_mm[: dose.dose.volumes_cc.size, 0]
    row = np.flatnonzero(inside.course == 0)[0]
    assert fallback_cc == pytest.approx(0.3, rel=0.1)
    assert inside.dose_gy[row][x > 10.8] == pytest.approx(free.dose_gy[row][x > 10.8])
    assert (inside.dose_gy[row] <= free.dose_gy[row]).all()


def test_several_deliveries_repair_and_another_course() -> None:
    # course 0: 30 Gy in 10 and, with a quadratic term of 1.5, 8 Gy in 2: EQD2 at 3 Gy 36 + (3*8 + 1.5*32)/5 = 50.4
    dose = organ_dose((0, 10, [30, 10]), (1, 5, [20, 20]), (0, 2, [8, 0]), volumes_cc=[1, 2], edge_gy=[[30], [20], [8]])
    dose = replaced(dose, repair=np.array([1.0, 1.0, 1.5]))
    search = VoxelSearch(dose, (3.0, 10.0), (0,))
    search.add(0, np.array([[10, 30, 0], [0, 8, 0]], np.float32), None)
    search.add(0, np.array([[30, 10, 30], [8, 0, 8]], np.float32), np.array([True, False, False]))
    assert search.worst(3.0).eqd2(3.0).dose_gy == pytest.approx([50.4 + 28, 50.4 + 28], rel=1e-6)
    assert search.worst(3.0).eqd2(3.0).edge_gy == pytest.approx([50.4 + 28], rel=1e-6)
    assert search.worst(3.0).eqd2(3.0, kept={0: 0.5}).dose_gy == pytest.approx([25.2 + 28] * 2, rel=1e-6)
    assert search.worst(10.0).eqd2(10.0, 0).dose_gy == pytest.approx([30 * 13 / 12 + (80 + 48) / 12] * 2, rel=1e-6)
    assert search.worst_inside(3.0)[1] == 2.0  # the second point of 2 cc was never inside
    assert VoxelSearch(dose, (3.0,), ()).worst(3.0) is dose


# ------------------------------------------------------------------------------------------------------- the earlier organ


def test_inside_of_a_structure() -> None:
    # a box of 25 x 20 x 15 mm3 without a column of 5 x 5 mm2 in it
    contours = tuple(Contour(np.array(rectangle(z, box))) for z in (-15.0, -10.0, -5.0) for box in ((-5, 20, 15, 35), (5, 10, 20, 25)))
    region = region_of(Structure("Rectum", 1, contours), course("first", "prior", 30, 10))
    assert region is not None
    places = [
        [-4.6, 15.4, -17.3],
        [19.6, 34.6, -2.7],
        [7.5, 22.5, -10],
        [-5.4, 25, -10],
        [0, 35.4, -10],
        [0, 25, -2.2],
        [0, 25, -17.8],
        [0, 25, 400],
        [np.nan] * 3,
    ]
    assert region.contains(np.array(places)).tolist() == [True, True, False, False, False, False, False, False, False]


def test_inside_of_a_structure_on_oblique_planes() -> None:
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    contours = tuple(Contour(np.array(rectangle(z, (0, 20, 0, 10))) @ turn.T) for z in (0.0, 3.0, 6.0))
    first = course("first", "prior", 30, 10, image=ImageStack("1.2.3.100", np.array([0.0, 3.0, 6.0]), turn[:, 2]))
    region = region_of(Structure("Rectum", 1, contours), first)
    assert region is not None
    assert region.contains(np.array([[10, 5, 3], [10, 5, 7.2], [10, 5, 7.8], [10, 9.8, 3], [10, 10.2, 3]]) @ turn.T).tolist() == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_contours_that_enclose_nothing_have_no_inside() -> None:
    line = Contour(np.array([[0.0, 0, 0], [10, 0, 0], [5, 0, 0]]))
    assert region_of(Structure("Rectum", 1, (line,)), course("first", "prior", 30, 10)) is None


def test_ramp_inside_its_own_half() -> None:
    # dose 30 + x/2; the organ itself moved by 2 mm to the right brings the dose 2 mm further left: 1 Gy more, wherever the earlier organ reaches
    one = case(course("first", "prior", ramp((0.5, 0, 0)), 10), NOW)
    dose = moved(one, shifts((2, 0, 0)))
    region = region_of(box_structure(), one.courses[0])
    assert region is not None
    search = VoxelSearch(dose.dose, (ALPHA_BETA,), (0,))
    for shift, rows in dose.each():
        search.add(0, rows[0], region.contains(shift.origin_of(dose.points_mm, dose.centre_mm)))
    inside, fallback_cc = search.worst_inside(ALPHA_BETA)
    physical = inside.dose_gy[np.flatnonzero(inside.course == 0)[0]] * 3 / 5  # EQD2
    x, y, _ = dose.points_mm[: physical.size].T
    for low, high, further in ((-5, 17.5, 2), (18.3, 18.7, 1), (19.5, 20, -1)):
        here = (x > low) & (x < high) & (np.abs(y - 25) < 9.5)  # cells at the border count where at least half of them is covered
        d = 30 + 0.5 * (x[here] + further)
        assert physical[here] == pytest.approx(d * (d / 10 + 3) / 5, rel=1e-5)
    assert fallback_cc < 0.1
