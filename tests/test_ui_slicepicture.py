"""Pixels and lines of one slice, against what can be calculated by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reirrad.grid import Grid
from reirrad.registration import Rigid
from reirrad.ui.slicepicture import (
    PRESETS,
    Wash,
    Window,
    checkerboard,
    colours,
    ct_pixels,
    grey,
    isodose_levels,
    isodoses,
    moved_ct_pixels,
    overlay,
    pixel_lines,
    png,
    unknown_at_pixels,
    values_at_pixels,
    with_unknown,
    with_wash,
)
from reirrad.ui.volumes import ShownCt, frame_of

# Neither cubic nor at the origin, planes unevenly spaced: x -7 .. 8, y 11 .. 21, z -30, -27, -22, -20
GRID = Grid(np.eye(3), -7 + 1.5 * np.arange(11), 11 + 2.0 * np.arange(6), np.array([-30.0, -27.0, -22.0, -20.0]))


def field(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Even numbers at the voxel centres, so that nothing is rounded."""
    return 4 * x + 3 * y - 10 * z


def linear_ct() -> ShownCt:
    z, y, x = np.meshgrid(GRID.w_mm, GRID.v_mm, GRID.u_mm, indexing="ij")
    return ShownCt(GRID, field(x, y, z).astype(np.int16))


def test_the_window_is_black_at_its_lower_end_and_white_at_its_upper() -> None:
    assert PRESETS["Soft tissue"].ends == (-160, 240)
    hu = np.array([[-500, -160, 40, 240, 3000, np.nan]], np.float32)
    assert grey(hu, Window(40, 400))[0, :, 0].tolist() == [0, 0, 127, 255, 255, 0]
    assert grey(hu, Window(40, 400)).shape == (1, 6, 3)


@pytest.mark.parametrize(
    ("view", "place", "expected"),
    [
        ("axial", -24.5, lambda a, d: field(a, d, np.float64(-24.5))),
        ("coronal", 12.5, lambda a, d: field(a, np.float64(12.5), -d)),
        ("sagittal", 1.1, lambda a, d: field(np.float64(1.1), a, -d)),
    ],
)
def test_a_ct_is_read_between_its_voxels_in_all_three_directions(view: str, place: float, expected: object) -> None:
    frame = frame_of(GRID, view)  # type: ignore[arg-type]
    across, down = frame.across_mm[0] + np.array([0.0, 0.7, 4.1]), frame.down_mm[0] + np.array([0.0, 1.3, 2.2, 7.7])
    hu = ct_pixels(linear_ct(), view, place, across, down)  # type: ignore[arg-type]
    assert hu == pytest.approx(expected(across[None, :], down[:, None]), abs=1e-3)  # type: ignore[operator]


def test_outside_a_ct_nothing_is_known() -> None:
    ct = linear_ct()
    assert np.isnan(ct_pixels(ct, "axial", -31.0, GRID.u_mm, GRID.v_mm)).all()
    hu = ct_pixels(ct, "axial", -30.0, np.array([-7.5, -7.0, 8.0, 8.5]), np.array([10.0, 11.0, 21.0, 22.0]))
    assert np.isfinite(hu).tolist() == [[False] * 4, [False, True, True, False], [False, True, True, False], [False] * 4]


def test_another_ct_is_read_through_its_registration() -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = 2.0, -1.0, 3.0
    points = np.array([[0.0, 14.0, -28.0], [3.2, 17.0, -26.5], [7.0, 14.0, -28.0], [0.0, 14.0, -22.0]])
    hu = moved_ct_pixels(linear_ct(), Rigid(matrix), points, (2, 2))
    assert hu[0, 0] == pytest.approx(field(*np.array([2.0, 13.0, -25.0])), abs=1e-2)
    assert hu[0, 1] == pytest.approx(field(*np.array([5.2, 16.0, -23.5])), abs=1e-2)
    assert np.isnan(hu[1]).all()  # x 9 and z -19 lie outside
    assert moved_ct_pixels(linear_ct(), None, points[:1], (1, 1))[0, 0] == pytest.approx(field(*points[0]), abs=1e-2)


def test_dose_is_coloured_from_its_lower_bound_on_and_the_last_colour_stays() -> None:
    picture = np.full((1, 6, 3), 100, np.uint8)
    gy = np.array([[4.9, 5.0, 20.0, 60.0, 100.0, np.nan]], np.float32)
    out = with_wash(picture, gy, Wash(5.0, 20.0, 0.5, top_gy=100.0))
    first, last = colours("viridis")[0], colours("viridis")[-1]
    assert first.tolist() == [68, 1, 84]
    assert last.tolist() == [253, 231, 37]
    assert out[0, 1].tolist() == [84, 50, 92]  # half of 100 and half of the colour
    assert out[0, 2].tolist() == out[0, 3].tolist() == [176, 166, 68]
    assert (out[0, [0, 4, 5]] == 100).all()
    assert (picture == 100).all()  # the CT stays as it was


def test_brightness_of_the_scales_rises_evenly() -> None:
    for scale in ("viridis", "cividis"):
        light = colours(scale) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light) > -0.7).all()
        assert light[-1] - light[0] > 180


def test_what_is_not_known_is_striped_and_nothing_else() -> None:
    picture = np.zeros((30, 40, 3), np.uint8)
    unknown = np.zeros((30, 40), bool)
    unknown[:, 20:] = True
    out = with_unknown(picture, unknown)
    assert (out[:, :20] == 0).all()
    assert 0.15 < (out[:, 20:, 0] > 0).mean() < 0.3  # two of nine
    assert out[0, 27].tolist() == [150, 150, 150]


def test_checkerboard_and_overlay() -> None:
    first, second = np.full((5, 7, 3), 10, np.uint8), np.full((5, 7, 3), 200, np.uint8)
    board = checkerboard(first, second, 3)[:, :, 0]
    assert board[0].tolist() == [10, 10, 10, 200, 200, 200, 10]
    assert board[3].tolist() == [200, 200, 200, 10, 10, 10, 200]
    assert overlay(first, second)[2, 2].tolist() == [10, 200, 10]  # green where the second alone is bright
    assert overlay(second, second)[2, 2].tolist() == [200, 200, 200]


def test_pixels_are_square_and_cover_the_slice() -> None:
    across, down = pixel_lines(frame_of(GRID, "coronal"))
    assert across.tolist() == list(np.arange(-7.0, 9.0))
    assert down.tolist() == list(np.arange(20.0, 31.0))  # -z, the head first
    wide = Grid(np.eye(3), np.arange(0, 1281.0, 2.5), np.arange(0, 301.0, 2.5), np.arange(0, 9.0, 3))
    across, down = pixel_lines(frame_of(wide, "axial"))
    assert across[1] - across[0] == pytest.approx(2.0)  # 1280 mm in at most 640 pixels
    assert across.size <= 641
    assert down[1] - down[0] == pytest.approx(2.0)


def test_values_between_lattice_points_are_linear_and_unknown_ones_do_not_thin_them_out() -> None:
    frame = frame_of(GRID, "axial")
    values = (2 * frame.across_mm[None, :] + 5 * frame.down_mm[:, None]).astype(np.float32)
    across, down = pixel_lines(frame)
    assert values_at_pixels(values, frame, across, down) == pytest.approx(2 * across[None, :] + 5 * down[:, None], abs=1e-4)
    even = np.full(values.shape, 30.0, np.float32)
    even[:, 6:] = np.nan  # from x = 2 on; the last known points lie at x = 0.5
    out = values_at_pixels(even, frame, across, down)
    known = across < (0.5 + 2.0) / 2
    assert out[:, known] == pytest.approx(30, abs=1e-4)
    assert np.isnan(out[:, ~known]).all()
    assert unknown_at_pixels(even, frame, across, down).tolist() == np.isnan(out).tolist()


def test_isodose_lines_lie_at_their_dose_and_end_where_it_is_not_known() -> None:
    fine = Grid(np.eye(3), -40 + 1.0 * np.arange(84), 5 + 1.25 * np.arange(60), np.array([0.0, 3.0]))
    frame = frame_of(fine, "axial")
    radius = np.hypot(frame.across_mm[None, :] - 1, frame.down_mm[:, None] - 42).astype(np.float32)
    ten, thirty = isodoses(50 - radius, frame, (20.0, 40.0))
    assert ten.gy == 20.0
    for one, expected in ((ten, 30.0), (thirty, 10.0)):
        points = np.concatenate(one.lines)
        assert np.hypot(*(points - [1, 42]).T) == pytest.approx(expected, abs=0.05)
        assert one.label_mm is not None
        assert np.hypot(one.label_mm[0] - 1, one.label_mm[1] - 42) == pytest.approx(expected, abs=0.05)
    half = 50 - radius
    half[:, frame.across_mm > 1] = np.nan
    (cut,) = isodoses(half, frame, (40.0,))
    assert np.concatenate(cut.lines)[:, 0].max() <= 1
    (speck,) = isodoses(50 - radius, frame, (49.5,))
    assert speck.label_mm is None
    (nothing,) = isodoses(50 - radius, frame, (70.0,))
    assert nothing.lines == ()
    assert nothing.label_mm is None


def test_levels_are_round_and_between_the_bounds() -> None:
    assert isodose_levels(5.0, 54.3) == (10, 20, 30, 40, 50)
    assert isodose_levels(0.0, 3.1) == (0.5, 1, 1.5, 2, 2.5, 3)
    assert all(v > 0 for v in isodose_levels(0.0, 0.2))


def test_the_file_holds_the_picture() -> None:
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert np.asarray(Image.open(io.BytesIO(png(picture)))).tolist() == picture.tolist()
    assert png(picture) == png(picture)
