"""Slices through hot spots: the doses shown are those of the courses at the pixels; the picture is the same each time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io

import numpy as np
import pytest
from case_factory import BOX, box_structure, case, course, even_dose, grid, two_courses
from PIL import Image

from reirrad import slicefigures as module
from reirrad.course import Case
from reirrad.ctvolume import CtVolume
from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.hotspot import HotSpot, hot_spot
from reirrad.organresult import OrganResult, compute
from reirrad.papercourse import Paper
from reirrad.registration import Rigid
from reirrad.slicefigures import ct_plane, dose_planes, slice_figure

NAN = float("nan")
X, Y = np.array([-8.0, -6.0, 4.0, 30.0]), np.array([10.0, 20.0, 26.0])


def computed(one: Case) -> tuple[OrganResult, HotSpot]:
    result = compute(one, *one.organs[0], None)
    spot = hot_spot(result, len(one.courses))
    assert spot is not None
    return result, spot


def rising() -> DoseGrid:
    """As many Gy as x has mm, and 10 more: -8 mm is 2 Gy, 28 mm is 38 Gy."""
    x = grid().u_mm
    return DoseGrid(grid(), np.broadcast_to((x + 10).astype(np.float32), grid().shape).copy(), "1.2.3.100")


def two() -> Case:
    """Rising dose in 10 fractions, then 20 Gy in 5 everywhere."""
    first = course("first", "prior", rising(), 10, last_day=dt.date(2021, 1, 1))
    return case(first, course("second", "proposed", 20, 5, first_day=dt.date(2022, 1, 1)))


def test_planes_hold_the_dose_of_each_course_and_their_eqd2() -> None:
    """At x = 4 mm: 14 Gy in 10 (14 x 4.4 / 5 = 12.32 Gy EQD2) and 20 Gy in 5 (28 Gy)."""
    result, spot = computed(two())
    planes = dose_planes(spot, result, two(), X, Y)
    assert [title for title, _ in planes] == ["first\nphysical", "second\nphysical", "Sum\nEQD2, α/β 3 Gy"]
    first, second, total = (gy for _, gy in planes)
    assert first.shape == (3, 4)
    assert first[1].tolist() == pytest.approx([2, 4, 14, NAN], nan_ok=True)
    assert second[2].tolist() == pytest.approx([20, 20, 20, NAN], nan_ok=True)
    assert total[0, 2] == pytest.approx(12.32 + 28)


@pytest.mark.hazard("H04")
def test_outside_a_dose_grid_nothing_is_known() -> None:
    """x = 30 mm lies beyond the last voxel centre, 28 mm."""
    result, spot = computed(two())
    assert all(np.isnan(gy[:, 3]).all() and np.isfinite(gy[:, :3]).all() for _, gy in dose_planes(spot, result, two(), X, Y))


@pytest.mark.hazard("H12")
def test_course_in_another_frame_is_read_through_its_registration() -> None:
    """The frame of the first course lies 8 mm to the left: what is at 4 mm here is at 12 mm there, 22 Gy."""
    there = Rigid(np.array([[1.0, 0, 0, 8], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    one = dataclasses.replace(two(), transforms=(there, None), registration=("file", "same_frame"))
    result, spot = computed(one)
    assert dose_planes(spot, result, one, X, Y)[0][1][1, 2] == pytest.approx(22)


def test_sum_of_some_courses_is_not_called_the_sum() -> None:
    letter = dataclasses.replace(two_courses().courses[0], name="letter", phases=(), paper=Paper(45.0, 25, 25))
    one = case(letter, course("second", "proposed", 20, 5), registration=("none", "same_frame"))
    result, spot = computed(one)
    assert [title for title, _ in dose_planes(spot, result, one, X, Y)] == ["second\nphysical", "second\nEQD2, α/β 3 Gy"]
    third = case(letter, course("first", "prior", 30, 10), course("second", "proposed", 20, 5), registration=("none", "same_frame", "same_frame"))
    result, spot = computed(third)
    assert dose_planes(spot, result, third, X, Y)[-1][0] == "Sum of courses with dose here\nEQD2, α/β 3 Gy"


def test_no_dose_at_points_no_slice() -> None:
    result, spot = computed(two())
    assert result.sum is not None
    none = {f: getattr(result.sum.dose, f)[:0] for f in ("dose_gy", "edge_gy", "fractions", "course")}
    bare = dataclasses.replace(result, sum=dataclasses.replace(result.sum, dose=dataclasses.replace(result.sum.dose, **none)))
    assert dose_planes(spot, bare, two(), X, Y) == []
    assert slice_figure(spot, bare, two(), None) is None


# ------------------------------------------------------------------------------------------------------------- CT


def ct() -> CtVolume:
    """HU = 10 x + y + 100 z on planes of 5 and 7 mm."""
    lines = np.arange(-20.0, 41, 4), np.arange(0.0, 51, 5), np.array([-20.0, -15, -8, -3, 5])
    x, y, z = np.meshgrid(*lines, indexing="ij")
    return CtVolume(Grid(np.eye(3), *lines), (10 * x + y + 100 * z).T.astype(np.float32))


def test_ct_is_read_between_voxels_and_uneven_planes() -> None:
    """A linear CT is read exactly anywhere: 10 x -6 + 20 + 100 x -10."""
    hu = ct_plane(ct(), np.array([-20.0, -6.0, 39.0]), np.array([20.0, 33.0]), -10.0)
    assert hu[0].tolist() == pytest.approx([-1180, -1040, -590])
    assert hu[1, 1] == pytest.approx(-1027)


def test_outside_the_ct_is_not_known() -> None:
    hu = ct_plane(ct(), np.array([-21.0, 0.0, 41.0]), np.array([10.0]), -10.0)
    assert np.isnan(hu[0]).tolist() == [True, False, True]
    assert np.isnan(ct_plane(ct(), np.array([0.0]), np.array([10.0]), 5.1)).all()


# ------------------------------------------------------------------------------------------------------------- picture


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


@pytest.mark.hazard("H30")
def test_figure_is_the_same_each_time_and_says_what_it_shows() -> None:
    one = two()
    result, spot = computed(one)
    figure = slice_figure(spot, result, one, ct(), ["Bladder", "Vagina"])
    assert figure is not None
    assert slice_figure(spot, result, one, ct(), ["Bladder", "Vagina"]) == figure
    assert figure.png.startswith(b"\x89PNG")
    assert not any(chunk in figure.png for chunk in (b"tEXt", b"tIME", b"iTXt", b"eXIf"))
    z = f"{spot.point_mm[2]:.0f}"
    # hottest at the far end of the box, x = 20 mm: 30 Gy in 10, 36 Gy EQD2, and 28 Gy
    assert figure.caption == f"Rectum: slice z {z} mm through the hottest point (cross, 64.0 Gy EQD2 at α/β 3). Near by also: Bladder, Vagina."
    assert figure.alt.startswith("Axial slice on CT through the hottest point of Rectum (x 20, y ")
    assert figure.alt.endswith("from left to right: first physical; second physical; Sum EQD2, α/β 3 Gy.")
    width, height = opened(figure.png).size
    assert width / height == pytest.approx(7.2 / 1.98, rel=0.01)  # three panels of 2.35 in beside each other


def test_without_ct_the_outlines_are_drawn() -> None:
    one = two()
    result, spot = computed(one)
    figure = slice_figure(spot, result, one, None)
    assert figure is not None
    assert figure.alt.startswith("Axial slice on outlines")
    assert opened(figure.png).convert("RGB").getpixel((30, 200)) == (255, 255, 255)


def test_outlines_of_other_structures_stand_in_for_the_ct() -> None:
    """A grey square where nothing was; on a CT only the organ itself is outlined."""
    one = two()
    with_other = case(*one.courses, organs=[one.organs[0], (box_structure("Body", box=(-60.0, 70.0, -20.0, 80.0), number=2), "body")])
    result, spot = computed(one)
    bare, outlined = slice_figure(spot, result, one, None), slice_figure(spot, result, with_other, None)
    assert bare is not None
    assert outlined is not None
    greys = [sum(n for n, c in opened(f.png).convert("RGB").getcolors(1 << 20) if c == (119, 119, 119)) for f in (bare, outlined)]  # type: ignore[union-attr]
    assert greys[0] < 50 < greys[1]
    within = case(*one.courses, organs=[one.organs[0], (box_structure("Anal canal", box=(0.0, 9.0, 20.0, 30.0), number=2), "anal_canal")])
    assert slice_figure(spot, result, within, ct()) == slice_figure(spot, result, one, ct())
    assert slice_figure(spot, result, within, None) != bare


def test_many_names_and_courses_are_counted_not_listed() -> None:
    given = [course(f"c{k}", "prior", 10, 5) for k in range(4)]
    one = case(*given, course("last", "proposed", 20, 5))
    result, spot = computed(one)
    figure = slice_figure(spot, result, one, None, [f"organ {k}" for k in range(9)])
    assert figure is not None
    assert figure.caption.endswith(
        "Near by also: organ 0, organ 1, organ 2, organ 3, organ 4, organ 5 and 3 more. 2 of the courses are not shown by themselves."
    )
    assert figure.alt.endswith("from left to right: c0 physical; c1 physical; c2 physical; Sum EQD2, α/β 3 Gy.")


@pytest.mark.hazard("H04")
def test_incomplete_sum_is_marked_as_the_least_it_can_be() -> None:
    letter = dataclasses.replace(two_courses().courses[0], phases=(), paper=Paper(45.0, 25, 25))
    one = case(letter, course("second", "proposed", 20, 5), registration=("none", "same_frame"))
    result, spot = computed(one)
    figure = slice_figure(spot, result, one, None)
    assert figure is not None
    assert "(cross, ≥ 28.0 Gy EQD2" in figure.caption


@pytest.mark.filterwarnings("error")
def test_planes_without_dose_are_drawn_with_a_word() -> None:
    """A course of no dose, and one whose grid does not reach the slice."""
    low = Grid(np.eye(3), grid().u_mm, grid().v_mm, grid().w_mm - 200)
    far = DoseGrid(low, np.full(low.shape, 10, np.float32), "1.2.3.100")
    one = case(course("far", "prior", far, 5), course("cold", "prior", even_dose(0.0), 5), course("second", "proposed", 20, 5))
    result, spot = computed(one)
    figure = slice_figure(spot, result, one, ct())
    assert figure is not None
    titles = [(title, bool(np.isfinite(gy).any())) for title, gy in dose_planes(spot, result, one, X, Y)]
    assert titles[:2] == [("far\nphysical", False), ("cold\nphysical", True)]
    assert opened(figure.png).width > 1700  # four panels at 190 dots per inch


def test_picture_stays_within_the_contours_where_they_are_wide() -> None:
    """A body from -200 to 150 mm: around a spot at its edge, 190 mm, no more than the margin lies outside. Along y the body is small, and in the middle."""
    body = np.array([[-200.0, 20], [150, 20], [150, 60], [-200, 60]])
    x, y = module._pixels(np.array([140.0, 30, 0]), [body])
    assert (x[0], x[-1]) == (158 - 220, 158)
    assert (y[0], y[-1]) == (40 - 92, 40 + 92)
    x, _ = module._pixels(np.array([-20.0, 30, 0]), [body])
    assert (x[0], x[-1]) == (-130, 90)


def test_contours_are_those_of_the_nearest_plane_or_of_none() -> None:
    """Planes at -15, -10, -5 mm."""
    rectum = box_structure()
    (found,) = module._contours(rectum, -8.0)
    assert found[:, 0].min() == BOX[0]
    assert module._contours(rectum, -1.9) == []
    assert len(module._contours(rectum, -2.1)) == 1
    sagittal = dataclasses.replace(rectum, contours=tuple(dataclasses.replace(c, points_mm=c.points_mm[:, [2, 1, 0]]) for c in rectum.contours))
    assert module._contours(sagittal, 0.0) == []
