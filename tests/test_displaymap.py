"""The organ and alpha/beta of every voxel: what lies inside, which of several organs has a voxel, turned grids, organs that lie elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from case_factory import box_structure, case, course, grid

from reirrad.course import Case
from reirrad.displayalphabeta import DisplayAlphaBeta
from reirrad.displaymap import display_map
from reirrad.errors import ParameterError, ReirradError
from reirrad.grid import Grid
from reirrad.structures import Contour, Structure

RECTUM = (box_structure("Rectum", box=(-5.0, 21.0, 15.0, 35.0)), "rectum")  # x -5 .. 21, y 15 .. 35, z -17.5 .. -2.5; alpha/beta 3 Gy
CORD = (box_structure("SpinalCord", box=(10.0, 30.0, 20.0, 30.0), number=2), "spinal_cord")  # 2 Gy; over the right part of the rectum
BLADDER = (box_structure("Bladder", box=(10.0, 30.0, 10.0, 40.0), number=3), "bladder")


def of(*organs: tuple[Structure, str], display: DisplayAlphaBeta | None = None, **more: object) -> Case:
    return case(course("now", "proposed", 20, 5), organs=organs, display=display or DisplayAlphaBeta(), **more)


def inside(box: tuple[float, float, float, float], on: Grid, z: tuple[float, float] = (-17.5, -2.5)) -> np.ndarray:
    points = np.concatenate([on.plane_points_mm(k) for k in range(on.w_mm.size)])
    x, y, zz = points.T
    return ((x > box[0]) & (x < box[1]) & (y > box[2]) & (y < box[3]) & (zz > z[0]) & (zz < z[1])).reshape(on.shape)


def test_a_voxel_belongs_to_the_organ_it_lies_in() -> None:
    # centres x -4 .. 20, y 18 .. 34 and z -15, -10, -5 mm: 7 x 5 x 3 voxels
    shown = display_map(of(RECTUM, alpha_beta_gy={"rectum": 4.0}, display=DisplayAlphaBeta(other_alpha_beta_gy=2.5)), grid())
    np.testing.assert_array_equal(shown.organ == 0, inside((-5, 21, 15, 35), grid()))
    assert int((shown.organ == 0).sum()) == 105
    np.testing.assert_array_equal(shown.alpha_beta_gy, np.where(shown.organ == 0, np.float32(4.0), np.float32(2.5)))
    assert (shown.keys, shown.alpha_betas_gy) == (("rectum",), (4.0, 2.5))
    assert shown.title == "alpha/beta of the first of these organs that has the voxel: rectum 4 Gy; elsewhere 2.5 Gy"


def test_one_alpha_beta_for_all_still_tells_the_organs() -> None:
    shown = display_map(of(RECTUM, CORD, display=DisplayAlphaBeta(10.0)), grid())
    assert (shown.alpha_beta_gy == 10.0).all()
    assert set(np.unique(shown.organ)) == {-1, 0, 1}
    assert shown.title == "alpha/beta 10 Gy at every voxel"


@pytest.mark.parametrize(
    ("organs", "priority", "first"),
    [
        ((RECTUM, CORD), (), "spinal_cord"),  # the lower alpha/beta
        ((CORD, RECTUM), ("rectum",), "rectum"),  # as asked for
        ((BLADDER, RECTUM), (), "rectum"),  # 3 Gy both: 7.8 cc against 9 cc
        ((RECTUM, BLADDER), ("colon", "bladder"), "bladder"),  # what has no structure does not matter
    ],
)
def test_which_organ_has_a_voxel_of_two(organs: tuple[tuple[Structure, str], ...], priority: tuple[str, ...], first: str) -> None:
    shown = display_map(of(*organs, display=DisplayAlphaBeta(priority=priority)), grid())
    both = inside((10, 20, 20, 30), grid())
    assert shown.keys[0] == first
    assert both.any()
    assert (shown.organ[both] == 0).all()
    gy = shown.alpha_betas_gy[0]
    assert gy == (2.0 if first == "spinal_cord" else 3.0)
    assert (shown.alpha_beta_gy[both] == gy).all()


def test_two_structures_of_one_organ_are_one_organ() -> None:
    left, right = box_structure("Femur_L", box=(-5.0, 5.0, 15.0, 35.0)), box_structure("Femur_R", box=(10.0, 22.0, 15.0, 35.0), number=2)
    shown = display_map(of((left, "femoral_head"), (right, "femoral_head")), grid())
    assert shown.keys == ("femoral_head",)
    np.testing.assert_array_equal(shown.organ == 0, inside((-5, 5, 15, 35), grid()) | inside((10, 22, 15, 35), grid()))


def test_a_hole_is_outside() -> None:
    ring = [Contour(np.array([[x, y, z] for x, y in corners])) for z in (-15.0, -10.0, -5.0) for corners in (
        [(-5, 11), (25, 11), (25, 41), (-5, 41)], [(5, 21), (15, 21), (15, 31), (5, 31)])]  # fmt: skip
    shown = display_map(of((Structure("Rectum", 1, tuple(ring)), "rectum")), grid())
    np.testing.assert_array_equal(shown.organ == 0, inside((-5, 25, 11, 41), grid()) & ~inside((5, 15, 21, 31), grid()))


@pytest.mark.parametrize("degrees", [0.0, 33.0, 90.0, 180.0])
def test_turned_and_uneven_grids(degrees: float) -> None:
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[1, 0, 0], [0, np.cos(a / 3), np.sin(a / 3)], [0, -np.sin(a / 3), np.cos(a / 3)]])
    centre = tip @ turn @ np.array([7.0, 25.0, -10.0])
    axes = [c + spacing * (np.arange(n) - n // 2 + 0.3) for c, spacing, n in zip(centre, (2.3, 1.9, 3.1), (21, 25, 15), strict=True)]
    axes[2] = np.sort(np.concatenate([axes[2], [axes[2][3] + 0.7]]))
    on = Grid(tip @ turn, *axes)
    shown = display_map(of(RECTUM), on)
    expected, margin = inside((-5, 21, 15, 35), on), 0.35  # half a cell of its lattice
    surely = inside((-5 + margin, 21 - margin, 15 + margin, 35 - margin), on, (-17.5 + margin, -2.5 - margin))
    perhaps = inside((-5 - margin, 21 + margin, 15 - margin, 35 + margin), on, (-17.5 - margin, -2.5 + margin))
    assert surely.sum() > 300
    assert (shown.organ[surely] == 0).all()
    assert (shown.organ[~perhaps] == -1).all()
    assert (shown.organ == 0).sum() == pytest.approx(expected.sum(), rel=0.1)


def test_organs_that_lie_elsewhere_or_have_no_contours_have_no_voxel() -> None:
    away = (box_structure("Bladder", (60.0, 65.0), number=2), "bladder")
    beside = (box_structure("Colon", box=(200.0, 220.0, 15.0, 35.0), number=3), "colon")
    empty = (Structure("SpinalCord", 4, ()), "spinal_cord")
    shown = display_map(of(RECTUM, away, beside, empty), grid())
    assert set(shown.keys) == {"rectum", "bladder", "colon"}
    np.testing.assert_array_equal(shown.organ, np.where(inside((-5, 21, 15, 35), grid()), shown.keys.index("rectum"), -1))


def test_no_organ_at_all() -> None:
    shown = display_map(of(), grid())
    assert (shown.alpha_beta_gy == 3.0).all()
    assert (shown.organ == -1).all()


def test_what_is_asked_for_is_checked() -> None:
    with pytest.raises(ParameterError, match="no use for a priority"):
        DisplayAlphaBeta(3.0, ("rectum",))
    with pytest.raises(ParameterError, match="alpha_beta_gy"):
        DisplayAlphaBeta(0.0)
    with pytest.raises(ParameterError, match="other_alpha_beta_gy"):
        DisplayAlphaBeta(other_alpha_beta_gy=-1.0)
    with pytest.raises(ReirradError, match="spine_cord"):
        DisplayAlphaBeta(priority=("spine_cord",))
    assert DisplayAlphaBeta(2.5).title == "a/b 2.5 Gy"
    assert DisplayAlphaBeta(priority=("rectum",), other_alpha_beta_gy=10).title == "a/b organ or 10 Gy"
