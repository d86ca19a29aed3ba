"""Contours of two courses after mapping: overlap and distances against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from shapely import Polygon, contains
from shapely import points as shapely_points
from shapely.ops import unary_union

from reirrad.planes import slabs_of
from reirrad.registration import Rigid
from reirrad.structurematch import StructureMatch, jacobian_notices, match, overlap_notices, pairs, volume_notices
from reirrad.structures import Contour, Structure
from reirrad.surface import inside, surface_of

PLANES = -11.3 + 3.0 * np.arange(10)  # z -12.8 .. 17.2 mm
A, B, C = 26.0, 21.0, 30.0
CC = A * B * C / 1000
GOOD = StructureMatch("Rectum", "Rectum", 0.95, 0.6, 1.8, 0.4, 60.0, 62.0, 0.9, 1.1, 0.0)


def box(x=-12.7, y=8.3, dx=A, dy=B, planes=PLANES):
    return [Contour(np.array([[x, y, z], [x + dx, y, z], [x + dx, y + dy, z], [x, y + dy, z]])) for z in planes]


def disc(radius, x=3.1, y=-47.9, planes=PLANES, n=240, xor=False):
    angle = 2 * np.pi * np.arange(n) / n
    u, v = x + radius * np.cos(angle), y + radius * np.sin(angle)
    return [Contour(np.column_stack([u, v, np.full(n, z)]), xor) for z in planes]


def ball(radius, centre=(3.1, -47.9, 22.5), step=1.5):
    z = step * (np.arange(-60, 60) + 0.5)
    return [disc(float(np.sqrt(radius**2 - h**2)), *centre[:2], planes=[centre[2] + h], n=90)[0] for h in z if abs(h) < radius]


def slabs(contours):
    return slabs_of(Structure("Organ", 1, tuple(contours)), None, None, 3.0)


def compared(one, other, transform=None):
    one, other = Structure("Organ", 1, tuple(one)), Structure("Other", 2, tuple(other))
    return match(one, other, transform, slabs(one.contours), slabs(other.contours))


def turned(degrees=25.0, shift=(11.0, -7.0, 4.5)):
    matrix = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:3, 3] = shift
    return Rigid(matrix)


def moved(contours, transform):
    return [Contour(transform(c.points_mm), c.xor) for c in contours]


def mean_distance_of_shifted_boxes(s, across, b, c):
    """Distances of each box to the other: its far wall s; its wall within the other at most s, less near the edges; the four sides up to s beyond its end."""
    far, within, sides = s * b * c, s * b * c - s**2 * (b + c) + 4 / 3 * s**3, s**2 * (b + c)
    return (far + within + sides) / (2 * (across * b + b * c + across * c))


@pytest.mark.parametrize("contours", [box(), ball(17.0), [*disc(9.0), *disc(6.0)], [*disc(6.0), *disc(6.0, x=7.0)]], ids=["box", "ball", "ring", "overlap"])
def test_the_same_structure(contours):
    found = compared(contours, contours)
    assert (found.dice, found.mean_surface_distance_mm) == (pytest.approx(1, abs=1e-3), pytest.approx(0, abs=1e-9))
    assert (found.hausdorff95_mm, found.centre_distance_mm) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert (found.volume_ratio, found.jacobian_min, found.jacobian_max, found.unknown_fraction) == (1, 1, 1, 0)
    assert (found.name, found.other_name) == ("Organ", "Other")


@pytest.mark.parametrize("s", [3.0, 1.3])
def test_boxes_side_by_side(s):
    found = compared(box(), box(x=-12.7 + s))
    assert found.dice == pytest.approx((A - s) / A, abs=4e-3)
    assert found.mean_surface_distance_mm == pytest.approx(mean_distance_of_shifted_boxes(s, A, B, C), rel=0.01)
    assert (found.hausdorff95_mm, found.centre_distance_mm) == (pytest.approx(s), pytest.approx(s))
    assert found.volume_reference_cc == pytest.approx(CC)


def test_boxes_above_each_other():
    found = compared(box(), box(planes=PLANES + 3.0))
    assert found.dice == pytest.approx(27 / 30, abs=4e-3)
    assert found.mean_surface_distance_mm == pytest.approx(mean_distance_of_shifted_boxes(3.0, C, A, B), rel=0.01)


def test_a_transform_that_undoes_the_shift():
    shift = np.eye(4)
    shift[:3, 3] = 3.0, 0, 0
    assert compared(box(), box(x=-9.7), Rigid(shift)).dice == pytest.approx(1, abs=1e-3)
    assert compared(box(), box(x=-9.7), Rigid(shift).inverse()).dice == pytest.approx((A - 6) / A, abs=4e-3)


def test_cylinders_on_one_axis():
    """Walls of radius 20 and 23 mm, 30 mm high: from within 3 mm or the way to an end, from without 3 mm, from the ring at each end its width."""
    found = compared(disc(20.0), disc(23.0))
    assert found.dice == pytest.approx(2 * 400 / (400 + 529), abs=2e-3)
    assert found.mean_surface_distance_mm == pytest.approx((40 * 81 + 46 * 90 + 4 * 99) / (1200 + 1380 + 800 + 1058), rel=0.01)
    assert (found.hausdorff95_mm, found.centre_distance_mm) == (pytest.approx(3, abs=0.01), pytest.approx(0, abs=0.01))
    assert found.volume_ratio == pytest.approx(529 / 400, rel=1e-3)


def test_balls_apart():
    """Two balls of radius R, d apart, share 1 - 3 d / 4 R + d^3 / 16 R^3."""
    found = compared(ball(30.0), ball(30.0, (5.1, -46.9, 20.5)))
    assert found.dice == pytest.approx(1 - 3 * 3 / (4 * 30) + 3**3 / (16 * 30**3), abs=3e-3)
    assert found.centre_distance_mm == pytest.approx(3, abs=1e-6)
    assert found.mean_surface_distance_mm == pytest.approx(1.5, rel=0.25)  # mean of |d cos| is d / 2, less where a ball drawn in slabs is near its own steps


def test_a_turned_structure():
    ring = [*box(), *box(x=-7.7, y=13.3, dx=A - 10, dy=B - 10)]
    found = compared(ring, moved(ring, turned()), turned())
    assert found.dice == pytest.approx(1, abs=2e-3)
    assert found.mean_surface_distance_mm == pytest.approx(0, abs=0.02)
    assert (found.jacobian_min, found.jacobian_max) == (1, 1)
    assert found.centre_distance_mm == pytest.approx(0, abs=0.02)


def test_a_hole_is_not_shared():
    found = compared(disc(20.0), [*disc(20.0), *disc(10.0)])
    assert found.dice == pytest.approx(2 * 300 / 700, abs=3e-3)
    assert found.volume_ratio == pytest.approx(0.75, rel=1e-3)


def test_volumes_of_a_deformation_count_as_deformed():
    """x is stretched by 1.1: so is the box it is mapped on."""
    stretched = [Contour(c.points_mm * [1.1, 1, 1]) for c in box()]
    found = compared(box(), stretched, lambda p: p * [1.1, 1.0, 1.0])
    assert (found.dice, found.jacobian_min, found.jacobian_max) == (pytest.approx(1, abs=1e-3), pytest.approx(1.1), pytest.approx(1.1))
    assert found.mean_surface_distance_mm == pytest.approx(0, abs=0.02)
    assert found.volume_ratio == pytest.approx(1.1)
    assert compared(box(), box(), lambda p: p * [-0.2, 1.0, 1.0]).jacobian_min == pytest.approx(-0.2)


def test_what_is_not_mapped_is_not_shared():
    def half(p):
        return np.where(p[..., :1] < -12.7 + A / 2, p, np.nan)

    found = compared(box(), box(), half)
    assert found.unknown_fraction == pytest.approx(0.5, abs=5e-3)
    assert found.dice == pytest.approx(0.5, abs=5e-3)
    assert (found.jacobian_min, found.jacobian_max) == (pytest.approx(1), pytest.approx(1))
    assert found.hausdorff95_mm > 8


def test_nothing_is_mapped():
    found = compared(box(), box(), lambda p: np.full_like(p, np.nan))
    assert found == StructureMatch("Organ", "Other", None, None, None, None, pytest.approx(CC), pytest.approx(CC), None, None, 1.0)
    assert overlap_notices(found, "CRT")[0].code == "structure_match_partial"
    assert jacobian_notices(found, "CRT") == []


def test_no_jacobian_where_nothing_around_is_known():
    calls = iter(range(100))
    found = compared(box(), box(), lambda p: p if next(calls) < 4 else np.full_like(p, np.nan))
    assert (found.dice, found.jacobian_min, found.jacobian_max) == (pytest.approx(1, abs=1e-3), None, None)


SHAPES = {
    "box": box(planes=[1.0]),
    "ring": [*disc(9.0, planes=[1.0]), *disc(6.0, planes=[1.0])],
    "union": [*disc(6.0, planes=[1.0]), *disc(6.0, x=7.0, planes=[1.0])],
    "xor": [*disc(6.0, planes=[1.0], xor=True), *disc(6.0, x=7.0, planes=[1.0], xor=True)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_as_shapely_sees_it(shape):
    contours = SHAPES[shape]
    polygons = [Polygon(c.points_mm[:, :2]) for c in contours]
    truth = unary_union(polygons)
    if shape in ("ring", "xor"):
        truth = polygons[0].symmetric_difference(polygons[1])
    low, high = np.array(truth.bounds).reshape(2, 2)
    uv = np.random.default_rng(5).uniform(low - 2, high + 2, (3000, 2))
    expected = contains(truth, shapely_points(uv))
    assert np.array_equal(inside(slabs(contours), np.column_stack([uv, np.full(len(uv), 1.4)])), expected)
    assert 0.2 < expected.mean() < 0.9


def test_inside_by_height():
    contours = [*box(planes=[0.0, 3.0]), *box(planes=[30.0, 33.0])]
    z = np.array([-1.6, -1.4, 4.4, 4.6, 28.4, 28.6, 34.4, 34.6, np.nan])
    at = np.column_stack([np.zeros(9), np.full(9, 20.0), z])
    assert inside(slabs(contours), at).tolist() == [False, True, True, False, False, True, True, False, False]


def test_inside_of_sagittal_contours():
    sagittal = [Contour(c.points_mm[:, [2, 0, 1]]) for c in box()]
    at = np.array([[2.0, 0.0, 20.0], [20.0, 0.0, 20.0], [2.0, 20.0, 0.0]])
    assert inside(slabs(sagittal), at).tolist() == [True, False, False]
    assert compared(sagittal, sagittal).mean_surface_distance_mm == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("contours", "area_mm2"),
    [
        (box(), 2 * (A * B + B * C + A * C)),
        ([*box(0, 0, 20, 10, PLANES[:3]), *box(10, 5, 20, 10, PLANES[:3])], 90 * 9 + 2 * 350),  # united: their border is that of a box of 30 x 15
        ([*box(0, 0, 20, 10, [0.0, 3.0]), *box(0, 0, 20, 10, [30.0, 33.0])], 2 * (60 * 6 + 2 * 200)),  # two parts, closed each
        ([*box(0, 0, 20, 10, [0.0, 3.0]), *box(0, 0, 10, 10, [6.0])], 60 * 6 + 40 * 3 + 2 * 200),  # a step: its tread counts once
    ],
    ids=["box", "united", "two parts", "step"],
)
def test_area_of_the_surface(contours, area_mm2):
    assert surface_of(slabs(contours)).area_mm2.sum() == pytest.approx(area_mm2, rel=0.03)


def test_distance_to_a_box():
    """Off a wall, off an edge (3, 4, 5), off a corner, and from the middle to the nearest wall."""
    points = np.array([[-17.7, 20.0, 2.0], [-12.7 - 3, 8.3 - 4, 2.0], [-12.7 - 2, 8.3 - 3, -12.8 - 6], [-12.7 + A / 2, 8.3 + B / 2, 2.2]])
    assert surface_of(slabs(box())).distance_mm(points) == pytest.approx([5, 5, 7, B / 2], abs=0.15)


def test_distance_to_few_rectangles():
    whole = surface_of(slabs(box()))
    one = type(whole)(whole.centre_mm[:1], whole.half_a_mm[:1], whole.half_b_mm[:1])
    assert one.distance_mm(whole.centre_mm[:1] - np.array([0.0, 2.5, 0.0])) == pytest.approx([2.5])


def test_a_good_match_says_nothing():
    assert [*overlap_notices(GOOD, "CRT"), *jacobian_notices(GOOD, "CRT"), *volume_notices(GOOD, "CRT")] == []


def changed(**what):
    return StructureMatch(**{name: getattr(GOOD, name) for name in GOOD.__slots__} | what)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"dice": 0.79}, "structure_match_poor"),
        ({"mean_surface_distance_mm": 3.1}, "structure_match_poor"),
        ({"unknown_fraction": 0.02}, "structure_match_partial"),
        ({"jacobian_min": 0.0}, "jacobian_folded"),
        ({"jacobian_min": 0.49}, "jacobian_large"),
        ({"jacobian_max": 2.01}, "jacobian_large"),
        ({"volume_other_cc": 72.1}, "structure_volume_changed"),
        ({"volume_other_cc": 49.9}, "structure_volume_changed"),
    ],
)
def test_a_poor_match_is_told(what, code):
    found = changed(**what)
    notices = [*overlap_notices(found, "CRT"), *jacobian_notices(found, "CRT"), *volume_notices(found, "CRT")]
    assert [(n.code, n.course, n.structure) for n in notices] == [(code, "CRT", "Rectum")]
    assert 'Structure "Rectum"' in notices[0].message
    assert 'course "CRT"' in notices[0].message


def test_at_the_threshold_nothing_is_told():
    found = changed(dice=0.8, mean_surface_distance_mm=3.0, unknown_fraction=0.01, jacobian_min=0.5, jacobian_max=2.0, volume_other_cc=72.0)
    assert [*overlap_notices(found, "CRT"), *jacobian_notices(found, "CRT"), *volume_notices(found, "CRT")] == []


def test_messages_name_numbers_and_both_structures():
    found = changed(other_name="rectum\nold", dice=0.512, mean_surface_distance_mm=4.24, volume_other_cc=100.0)
    message = overlap_notices(found, "CRT")[0].message
    assert 'Structure "Rectum" against "rectum old" of course "CRT"' in message
    assert "Dice coefficient of 0.51" in message
    assert "4.2 mm apart" in message
    assert "60 cc in the reference, 100 cc in that course" in volume_notices(found, "CRT")[0].message
    assert "down to -0.20" in jacobian_notices(changed(jacobian_min=-0.2), "CRT")[0].message
    assert "from 0.40 to 2.50" in jacobian_notices(changed(jacobian_min=0.4, jacobian_max=2.5), "CRT")[0].message


def named(*names, kind="ORGAN"):
    return [Structure(name, k, tuple(box(planes=[0.0])), kind) for k, name in enumerate(names)]


def names_of(found):
    return [(a.name, b.name) for a, b in found]


def test_pairs_by_name_then_by_organ_and_side():
    here = named("Rectum", "Kidney_L", "Kidney_R", "my ring")
    there = named("my ring", "left kidney", "RECTUM", "Rectum", "Lung_L")
    assert names_of(pairs(here, there)) == [("Rectum", "Rectum"), ("Kidney_L", "left kidney"), ("my ring", "my ring")]


def test_pairs_as_stated():
    assert names_of(pairs(named("Rectum"), named("enddarm 7"))) == []
    assert names_of(pairs(named("Rectum"), named("enddarm 7"), {"enddarm 7": "rectum"})) == [("Rectum", "enddarm 7")]


def test_pairs_never_guess():
    assert pairs(named("Rectum"), named("RECTUM", "rectum")) == []
    assert pairs(named("RECTUM", "rectum"), named("Rectum")) == []
    assert pairs(named("Rectum"), [Structure("Rectum", 1, ())]) == []
    assert pairs(named("PTV", kind="PTV"), named("PTV", kind="PTV")) == []
    assert names_of(pairs(named("GTV", kind="GTV"), named("GTV", kind="GTV"), {"GTV": "bowel"})) == [("GTV", "GTV")]
