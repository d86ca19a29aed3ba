from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reirrad import autoregistration
from reirrad.autofit import Level, Pose
from reirrad.autoquality import Quality, body_overlap, difference, notices_of
from reirrad.autoregistration import register
from reirrad.ctvolume import CtVolume, body_image
from reirrad.errors import GeometryError
from reirrad.grid import Grid
from reirrad.registration import Rigid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from auto_registration import KINDS, run

GOOD = Quality(0.99, 1.0, 0.1, 0.1, 13, 13, 0.2, 0.99, 2.0, True, 0.3)
KIND = {kind.name: kind for kind in KINDS}


def shifted(*mm: float, angle_deg: float = 0.0) -> Rigid:
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    matrix = np.eye(4)
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:3, 3] = mm
    return Rigid(matrix)


def codes(quality: Quality, transform: Rigid | None = None) -> list[str]:
    return [n.code.removeprefix("registration_auto") for n in notices_of(quality, transform or shifted(0, 0, 0))]


def box(shift_mm: tuple[float, float, float] = (0, 0, 0), *, couch: bool = False, uneven: bool = False) -> CtVolume:
    """Water from -60 to 60, -45 to 45, -33 to 33 mm with a bone; voxels of 5 x 4 x 3 mm."""
    z = np.arange(-60, 61, 3.0)
    grid = Grid(np.eye(3), np.arange(-100, 101, 5.0) + 1, np.arange(-88, 89, 4.0), np.delete(z, [5, 30]) if uneven else z)
    points = np.stack([grid.plane_points_mm(k).reshape(*grid.shape[1:], 3) for k in range(grid.shape[0])])
    x, y, z3 = np.moveaxis(points - shift_mm, -1, 0)
    hu = np.where((np.abs(x) < 60) & (np.abs(y) < 45) & (np.abs(z3) < 33), 0.0, -1000.0)
    hu = np.where((x - 20) ** 2 + (y - 10) ** 2 + (z3 + 5) ** 2 < 15**2, 500.0, hu)
    if couch:
        hu[(np.abs(points[..., 1] - 50) < 3) & (hu < -500)] = 100.0
    return CtVolume(grid, hu.astype(np.float32))


@pytest.mark.hazard("H05")
def test_a_phantom_pair_is_found_within_the_goal() -> None:
    outcome = run(KIND["as described"], 3)
    assert outcome.error_mm < 0.6
    assert outcome.error_deg < 0.2
    assert not outcome.found.is_doubtful
    assert outcome.found.quality.n_agreeing == len(outcome.found.starts)
    assert outcome.found.metric_end < outcome.found.metric_start / 2


@pytest.mark.hazard("H05")
def test_what_cannot_be_known_is_not_silent() -> None:
    along = run(KIND["nothing along the axis"], 7001).found
    assert along.is_doubtful
    assert along.quality.rise < 1.1
    spine = run(KIND["nothing but a spine"], 5001).found
    assert {n.code for n in spine.warnings} >= {"registration_auto", "registration_auto_disagrees"}
    assert spine.quality.agreement_mm == pytest.approx(34 * round(spine.quality.agreement_mm / 34), abs=2)


def test_repeated_runs_agree_to_the_last_digit() -> None:
    one, two = (register(box(), box((10, -4, 9)), course="C") for _ in range(2))
    assert np.array_equal(one.transform.matrix, two.transform.matrix)
    assert one.transform.matrix[:3, 3].tolist() == np.round(one.transform.matrix[:3, 3], 4).tolist()
    assert one.transform(np.zeros(3)) == pytest.approx([10, -4, 9], abs=0.01)
    assert one.warnings[0].course == "C"


def test_the_couch_counts_for_nothing() -> None:
    beside = np.abs(box().grid.u_mm) > 65  # below the body, where it touches the skin, the couch cannot be told from it
    assert (box(couch=True).hu[:, :, beside] > 0).any()
    assert not body_image(box(couch=True)).body[:, :, beside].any()
    found = register(box(couch=True), box((0, 12, 0), couch=True))
    assert found.transform(np.zeros(3)) == pytest.approx([0, 12, 0], abs=1.0)


def test_a_region_alone_decides_when_it_is_named() -> None:
    """The body moves by 10 mm, the bone in it by 16 mm: seen as a whole the first, seen around the bone the second."""
    fixed, moving = box(), box((10, 0, 0))
    g = moving.grid
    x, y, z = (c for c in np.meshgrid(g.u_mm, g.v_mm, g.w_mm, indexing="ij"))
    bone = ((x - 36) ** 2 + (y - 10) ** 2 + (z + 5) ** 2 < 15**2).transpose(2, 1, 0)
    hu = np.where(moving.hu > 0, np.float32(0), moving.hu)
    moving = CtVolume(g, np.where(bone, np.float32(500), hu))
    corners = np.array([[10.0, 0.0, -15.0], [30.0, 20.0, 5.0]])
    ring = np.array([[20 + 15 * np.cos(t), 10 + 15 * np.sin(t), z] for z in np.arange(-20, 11, 3.0) for t in np.arange(0, 6.28, 0.2)])
    for region in (corners, ring):
        found = register(fixed, moving, region, margin_mm=5.0)
        assert found.transform(np.array([20.0, 10.0, -5.0])) == pytest.approx([36, 10, -5], abs=1.0)
        assert found.starts[0].name in {"whole body", *(f"{s}6 mm {a}" for s in "+-" for a in "xyz")}


@pytest.mark.parametrize("region", [np.zeros((1, 3)), np.zeros(3), np.zeros((4, 2)), np.array([[0.0, 0, 0], [np.nan, 0, 0]])])
def test_a_region_is_points(region: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="two corners of a box"):
        register(box(), box(), region)


def test_a_region_without_body_is_refused() -> None:
    with pytest.raises(GeometryError, match="holds 0 voxels"):
        register(box(), box(), np.array([[80.0, 70.0, 50.0], [81.0, 71.0, 51.0]]), margin_mm=0.0)


def test_bodies_that_nowhere_overlap_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoregistration, "_global_starts", lambda *_: [("far", Pose(np.eye(3), np.array([0.0, 0.0, 900.0]), np.zeros(3)))])
    with pytest.raises(GeometryError, match="No place was found"):
        register(box(), box())


def test_a_search_that_does_not_come_to_rest_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoregistration, "LEVELS", (Level(6.0, 200.0, 2_000, 1),))
    found = register(box(), box((3, 0, 0)))
    assert not found.quality.converged
    assert "did not come to rest" in " ".join(n.message for n in found.warnings)


def test_a_body_in_the_ct_is_needed() -> None:
    air = box()
    with pytest.raises(GeometryError, match="shows no body"):
        body_image(CtVolume(air.grid, np.full(air.grid.shape, -1000, np.float32)))
    with pytest.raises(GeometryError, match="One value for each"):
        CtVolume(air.grid, np.zeros((2, 2, 2), np.float32))
    with pytest.raises(GeometryError, match="no volume"):
        CtVolume(Grid(np.eye(3), *(np.arange(n, dtype=float) for n in (1, 3, 3))), np.zeros((3, 3, 1), np.float32))


def test_body_image_of_uneven_planes_and_padding() -> None:
    even, uneven = body_image(box()), body_image(box(uneven=True))
    assert uneven.step_mm.tolist() == [5, 4, 3]
    assert uneven.hu.shape == even.hu.shape
    assert np.abs(uneven.hu - even.hu)[6:29].max() == 0  # planes 5 and 30 were interpolated
    padded = box()
    padded.hu[:, :3] = np.nan
    image = body_image(padded)
    assert image.known.all(axis=(0, 2)).tolist() == [False] * 3 + [True] * 42
    assert image.hu.min() == -300


def test_body_image_takes_means_of_small_voxels() -> None:
    rows = np.arange(40.0)
    volume = CtVolume(Grid(np.eye(3), 1.5 * np.arange(61.0), rows, np.arange(0, 91, 1.0)), np.full((91, 40, 61), 40, np.float32))
    image = body_image(volume)
    assert image.step_mm.tolist() == [3, 3, 3]
    assert image.first_mm.tolist() == [0.75, 1, 1]
    assert image.hu.shape == (30, 13, 30)
    assert image.middle_mm() == pytest.approx([0.75 + 43.5, 1 + 18, 1 + 43.5])


def test_indices_and_points_of_an_oblique_image() -> None:
    grid = Grid(np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1]]), *(np.arange(10, 60, d) for d in (4.0, 5.0, 3.0)))
    image = body_image(CtVolume(grid, np.zeros(grid.shape, np.float32)))
    point = image.voxels_mm(np.array([[2, 3, 4]]))
    assert point[0] == pytest.approx([0.8 * 26 - 0.6 * 25, 0.6 * 26 + 0.8 * 25, 16])
    assert image.indices(point)[:, 0] == pytest.approx([2, 3, 4])


def test_difference_and_overlap() -> None:
    mm, deg = difference(shifted(1, 2, 2), shifted(0, 0, 0, angle_deg=3), np.zeros((1, 3)))
    assert (mm, deg) == pytest.approx((3, 3))
    image = body_image(box())
    points = image.points_mm(image.body)
    assert body_overlap(image, image, shifted(0, 0, 0), points) == (1.0, 1.0)
    # 24 rows of the body, of 5 mm along x: moved by 8, 16 lie on body still
    n = int(np.ptp(np.flatnonzero(image.body.any(axis=(0, 1))))) + 1
    overlap, coverage = body_overlap(image, image, shifted(40, 0, 0), points)
    assert overlap == pytest.approx((n - 8) / n, abs=0.02)
    assert coverage == 1.0


@pytest.mark.hazard("H05")
@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({}, []),
        ({"agreement_mm": 1.1}, ["_disagrees"]),
        ({"agreement_deg": 1.1}, ["_disagrees"]),
        ({"n_agreeing": 1}, ["_disagrees"]),
        ({"overlap": 0.8}, ["_overlap"]),
        ({"coverage": 0.4}, ["_overlap"]),
        ({"correlation": 0.9}, ["_poor"]),
        ({"rise": 1.05}, ["_poor"]),
        ({"converged": False}, ["_poor"]),
        ({"inverse_mm": 1.2}, ["_inconsistent"]),
        ({"second_mm": 3.1}, ["_second"]),
    ],
)
def test_each_bad_figure_is_said(figures: dict[str, float], said: list[str]) -> None:
    assert codes(replace(GOOD, **figures)) == ["", *said]  # type: ignore[arg-type]


def test_a_large_turn_is_said() -> None:
    assert codes(GOOD, shifted(0, 0, 0, angle_deg=16)) == ["", "_poor"]
