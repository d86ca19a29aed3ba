"""Zones: outlines of voxels on the planes of the CT, their areas and volumes against shapes with known ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from case_factory import box_structure, case, limit
from shapely.geometry import Point, Polygon
from test_remainingmap import NOW, then

from reirrad.assessment import LimitChoice
from reirrad.budget import remaining
from reirrad.course import ImageStack
from reirrad.errors import ParameterError
from reirrad.grid import Grid
from reirrad.maplimits import map_organs
from reirrad.planes import slabs_of
from reirrad.remainingmap import NO_LIMIT_GY, RemainingMap, remaining_map
from reirrad.structures import Contour, Structure
from reirrad.zones import Zone, parse_zones, zone_grid, zones_of

GRID = Grid(np.eye(3), -7.0 + 2.5 * np.arange(8), 11.0 + 2.0 * np.arange(7), np.array([20.0, 23.0, 27.0]))
VOXEL_MM2 = 5.0


def marked(text: str, dose_gy: float = 8.0) -> RemainingMap:
    """Map whose voxels of the middle plane have a dose where the text has an x, rows from the first on."""
    out = np.full(GRID.shape, NO_LIMIT_GY, np.float32)
    for j, row in enumerate(text.split()):
        out[1, j, [i for i, c in enumerate(row) if c == "x"]] = dose_gy
    return RemainingMap(GRID, 5, out, ())


def as_structure(zone: Zone) -> Structure:
    return Structure(zone.name, 1, tuple(Contour(c) for c in zone.contours))


def area_mm2(zone: Zone) -> float:
    """Area by the rule of holes, read as any structure is: one plane stands for 1 mm."""
    return 1000 * slabs_of(as_structure(zone), None, None, 1.0).volume_cc


@pytest.mark.parametrize(
    ("text", "n_voxels", "n_contours"),
    [
        ("........ ..x.....", 1, 1),
        ("xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx", 56, 1),  # up to the borders of the grid
        ("xxx..... x.x..... xxx.....", 8, 2),  # a hole
        ("xxxxx... x...x... x.x.x... x...x... xxxxx...", 17, 3),  # an island within a hole
        ("xx...... .x...... .xxx....", 6, 1),
        ("x......x ........ ...xx...", 4, 3),
    ],
)
def test_outlines_follow_the_borders_of_voxels(text: str, n_voxels: int, n_contours: int) -> None:
    (zone,) = zones_of(marked(text), (10.0,))
    assert len(zone.contours) == n_contours
    assert area_mm2(zone) == pytest.approx(n_voxels * VOXEL_MM2, abs=1e-9)
    assert {float(z) for c in zone.contours for z in c[:, 2]} == {23.0}


def test_voxels_that_touch_at_a_corner_only() -> None:
    """Whether they become one outline or two, both are in it and nothing else is."""
    (zone,) = zones_of(marked("x....... .x......"), (10.0,))
    assert sum(Polygon(c[:, :2]).buffer(0).area for c in zone.contours) == pytest.approx(2 * VOXEL_MM2)
    for x, y, inside in ((-7, 11, True), (-4.5, 13, True), (-4.5, 11, False), (-7, 13, False)):
        assert any(Polygon(c[:, :2]).buffer(0).contains(Point(x, y)) for c in zone.contours) is inside


def test_a_box_has_four_corners() -> None:
    """Columns 1 to 3 (centres -4.5 to 0.5) and rows 1 to 2 (13 and 15): x -5.75 .. 1.75, y 12 .. 16."""
    (zone,) = zones_of(marked("........ .xxx.... .xxx...."), (10.0,))
    (contour,) = zone.contours
    assert sorted(map(tuple, contour.tolist())) == [(-5.75, 12.0, 23.0), (-5.75, 16.0, 23.0), (1.75, 12.0, 23.0), (1.75, 16.0, 23.0)]
    assert (zone.name, zone.dose_gy) == ("ReRT_max_10Gy", 10.0)


def test_zones_lie_within_each_other() -> None:
    """A dose at the bound belongs to its zone; a zone without voxels has no contours."""
    out = marked("xxx..... xxx.....").dose_gy
    out[1, 0, 0], out[1, 0, 1] = 10.0, 25.0
    zones = zones_of(RemainingMap(GRID, 5, out, ()), (5.0, 10.0, 30.0))
    assert [z.name for z in zones] == ["ReRT_max_5Gy", "ReRT_max_10Gy", "ReRT_max_30Gy"]
    assert zones[0].contours == ()
    assert [area_mm2(z) for z in zones[1:]] == [pytest.approx(5 * VOXEL_MM2), pytest.approx(6 * VOXEL_MM2)]


def test_contours_of_a_turned_grid_are_in_the_patient_system() -> None:
    """Columns run along y and planes along x: rows of the rotation are u = y, v = z, w = x."""
    turned = Grid(np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]), GRID.u_mm.copy(), GRID.v_mm.copy(), GRID.w_mm.copy())
    (zone,) = zones_of(RemainingMap(turned, 5, marked("x").dose_gy, ()), (10.0,))
    (contour,) = zone.contours
    assert sorted(map(tuple, contour.tolist())) == [(23.0, -8.25, 10.0), (23.0, -8.25, 12.0), (23.0, -5.75, 10.0), (23.0, -5.75, 12.0)]


# ------------------------------------------------------------------------------------------------------------- planes of the CT


def stack(positions: list[float], normal: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> ImageStack:
    return ImageStack("1.2.3.100", np.array(positions), np.array(normal))


def test_planes_of_the_ct() -> None:
    found = zone_grid(GRID, stack([18.0, 20.0, 22.0]))
    assert found is not None
    assert (found.u_mm.tolist(), found.v_mm.tolist(), found.w_mm.tolist()) == (GRID.u_mm.tolist(), GRID.v_mm.tolist(), [18.0, 20.0, 22.0])
    down = zone_grid(GRID, stack([-22.0, -20.0, -18.0], (0.0, 0.0, -1.0)))
    assert down is not None
    assert down.w_mm.tolist() == [18.0, 20.0, 22.0]
    assert zone_grid(GRID, stack([1.0, 2.0], (1.0, 0.0, 0.0))) is None


def drawn(structure: Structure, planes: list[float], on: Grid) -> Zone:
    """Zone of at most 30 Gy of an organ that may get 20 Gy in 5 fractions everywhere."""
    one = case(then(), NOW, organs=[(structure, "rectum")])
    limits = LimitChoice((limit("Dmax", 64.0),), frozenset(), ("test",))
    organs, _ = map_organs(remaining(one, limits, (5,)), 5)
    grid = zone_grid(on, stack(planes))
    assert grid is not None
    (zone,) = zones_of(remaining_map(one, organs, grid, 5), (30.0,))
    return zone


def test_zone_of_a_box_is_the_box_of_its_voxels() -> None:
    """Box x -5 .. 20, y 15 .. 35, z -17.5 .. -2.5 in voxels with borders x -10 + 4 i, y 8 + 4 j: 28 x 24 mm2 on each CT plane whose slice it reaches."""
    on = Grid(np.eye(3), -8 + 4.0 * np.arange(10), 10 + 4.0 * np.arange(9), -20 + 5.0 * np.arange(6))
    zone = drawn(box_structure(), [-21.0 + 3 * k for k in range(8)], on)
    assert sorted({c[0, 2] for c in zone.contours}) == [-18.0, -15.0, -12.0, -9.0, -6.0, -3.0]
    for contour in zone.contours:
        assert (contour[:, :2].min(axis=0).tolist(), contour[:, :2].max(axis=0).tolist()) == ([-6.0, 12.0], [22.0, 36.0])
    assert slabs_of(as_structure(zone), None, None, None).volume_cc == pytest.approx(6 * 28 * 24 * 3 / 1000)


def test_zone_of_a_sphere_holds_it_and_little_more() -> None:
    """Radius 9 mm, drawn and cut in planes 1 mm apart, voxels of 1 mm: on each plane at least the disc, at most all within the diagonal of a voxel of it."""
    centre, radius = np.array([7.3, 26.2, -8.0]), 9.0
    planes = [-16.5 + k for k in range(18)]
    turn = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    rings = {z: math.sqrt(radius**2 - (z - centre[2]) ** 2) for z in planes if abs(z - centre[2]) < radius}
    discs = {z: np.column_stack([centre[0] + r * np.cos(turn), centre[1] + r * np.sin(turn), np.full(turn.size, z)]) for z, r in rings.items()}
    sphere = Structure("Rectum", 1, tuple(Contour(p) for p in discs.values()))
    on = Grid(np.eye(3), -5 + 1.0 * np.arange(28), 13 + 1.0 * np.arange(28), -17 + 1.0 * np.arange(19))
    zone = drawn(sphere, planes, on)
    by_plane = {float(c[0, 2]): Polygon(c[:, :2]) for c in zone.contours}
    assert set(by_plane) == set(discs)
    for z, polygon in by_plane.items():
        assert polygon.buffer(1e-6).contains(Polygon(discs[z][:, :2]))
        assert math.pi * rings[z] ** 2 * 0.999 < polygon.area < math.pi * (rings[z] + math.sqrt(2)) ** 2
    volume_cc = slabs_of(as_structure(zone), None, None, None).volume_cc
    assert 4 / 3 * math.pi * radius**3 / 1000 < volume_cc < 4 / 3 * math.pi * (radius + math.sqrt(2)) ** 3 / 1000


# ------------------------------------------------------------------------------------------------------------- doses of zones


def test_doses_of_zones() -> None:
    assert parse_zones(" 30,10 , 12.5,10") == (10.0, 12.5, 30.0)


@pytest.mark.parametrize("text", ["", "10,,20", "ten", "0", "-5", "100", "nan", "inf", "10,10.0000001"])
def test_doses_that_are_no_zones(text: str) -> None:
    with pytest.raises(ParameterError, match="Zones are doses in Gy above 0 and below 100"):
        parse_zones(text)
