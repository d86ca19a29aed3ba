"""From contours to slabs: every rule of the module on shapes whose area and thickness are plain."""

from __future__ import annotations

import numpy as np
import pytest

from reirrad.coverage import signed_area_mm2
from reirrad.errors import GeometryError
from reirrad.planes import Slabs, slabs_of, usual_step_mm
from reirrad.structures import Contour, Structure

UP = np.array([0.0, 0.0, 1.0])


def rectangle(z, x0=-3.5, y0=11.0, dx=20.0, dy=10.0, xor=False):
    corners = np.array([[x0, y0, z], [x0 + dx, y0, z], [x0 + dx, y0 + dy, z], [x0, y0 + dy, z]], float)
    return Contour(corners, xor)


def circle(z, radius=10.0, x=4.0, y=-7.0, n=200):
    angle = 2 * np.pi * np.arange(n) / n
    return Contour(np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(n, z)]))


def slabs(*contours, normal=None, image=None, fallback=None) -> Slabs:
    return slabs_of(Structure("Organ", 7, contours), normal, None if image is None else np.asarray(image, float), fallback)


def faces(s: Slabs):
    return [(round(slab.low_mm, 6), round(slab.high_mm, 6)) for slab in s.slabs]


def codes(s: Slabs):
    return [n.code for n in s.notices]


def areas(s: Slabs, k=0):
    """Signed areas of the polygons of each layer of a slab."""
    return [[round(signed_area_mm2(p), 6) for p in layer] for layer in s.slabs[k].layers]


# thickness


@pytest.mark.hazard("H07")
def test_planes_reach_half_way_and_end_caps_half_the_adjacent_distance():
    s = slabs(*(rectangle(z) for z in (7.5, 2.0, 5.0, 4.0)))
    assert faces(s) == [(1.0, 3.0), (3.0, 4.5), (4.5, 6.25), (6.25, 8.75)]
    assert [slab.w_mm for slab in s.slabs] == [2.0, 4.0, 5.0, 7.5]


def test_unequal_planes_without_a_gap():
    s = slabs(*(rectangle(z) for z in (2.0, 4.0, 6.5, 9.0)))
    assert faces(s) == [(1.0, 3.0), (3.0, 5.25), (5.25, 7.75), (7.75, 10.25)]
    assert s.volume_cc == pytest.approx(200 * 9.25 / 1000)
    assert s.notices == ()


def test_jitter_is_one_plane_at_its_mean():
    s = slabs(*(rectangle(z + d, x0=x) for z in (0, 3, 6) for d, x in ((0.02, -50), (-0.02, 0), (0.03, 50))))
    assert [round(slab.w_mm, 6) for slab in s.slabs] == [0.01, 3.01, 6.01]
    assert s.volume_cc == pytest.approx(600 * 9 / 1000)


def test_jitter_of_a_structure_on_one_plane_is_one_plane():
    s = slabs(rectangle(5.0), rectangle(5.1, x0=40), fallback=2.5)
    assert faces(s) == [(3.8, 6.3)]
    assert codes(s) == ["single_plane_structure"]


@pytest.mark.hazard("H07")
def test_a_single_missing_plane_is_filled():
    s = slabs(*(rectangle(z) for z in (0, 3, 9, 12)))
    assert faces(s) == [(-1.5, 1.5), (1.5, 6.0), (6.0, 10.5), (10.5, 13.5)]
    assert codes(s) == ["contour_gap_filled"]


@pytest.mark.parametrize("image", [None, np.arange(-30, 1.0, 3), np.arange(-30, 60, 3.0)], ids=["none", "ends below", "covers"])
def test_a_filled_gap_is_told_whatever_the_image_covers(image):
    s = slabs(*(rectangle(z) for z in (0, 3, 9, 12)), normal=UP, image=image)
    assert faces(s)[1] == (1.5, 6.0)
    assert "contour_gap_filled" in codes(s)


def test_a_missing_plane_beside_the_end_keeps_the_end_cap_of_the_usual_plane():
    s = slabs(*(rectangle(z) for z in (0, 6, 9, 12, 18)))
    assert faces(s) == [(-1.5, 3.0), (3.0, 7.5), (7.5, 10.5), (10.5, 15.0), (15.0, 19.5)]


@pytest.mark.hazard("H07")
def test_two_missing_planes_stay_empty():
    s = slabs(*(rectangle(z) for z in (0, 3, 12, 15)))
    assert faces(s) == [(-1.5, 1.5), (1.5, 4.5), (10.5, 13.5), (13.5, 16.5)]
    assert codes(s) == ["contour_gap"]


def test_parts_that_do_not_face_each_other_are_not_joined():
    s = slabs(rectangle(0), rectangle(3), rectangle(9, x0=100), rectangle(12, x0=100))
    assert faces(s) == [(-1.5, 1.5), (1.5, 4.5), (7.5, 10.5), (10.5, 13.5)]
    assert codes(s) == ["contour_gap"]


@pytest.mark.parametrize("far", [30.0, 194.0, 1000.0])
@pytest.mark.parametrize("n_planes", [2, 3, 8])
def test_two_parts_far_apart_keep_their_planes(far, n_planes):
    one = 3.0 * np.arange(n_planes)
    s = slabs(*(rectangle(z) for z in (*one, *(one[-1] + far + one))))
    assert len(s.slabs) == 2 * n_planes
    assert s.volume_cc == pytest.approx(2 * n_planes * 200 * 3 / 1000)
    assert codes(s) == ["contour_gap"]


def test_two_single_planes_far_apart_are_as_thick_as_the_image_says():
    s = slabs(rectangle(0), rectangle(102), normal=UP, image=np.arange(-30, 150, 3.0))
    assert faces(s) == [(-1.5, 1.5), (100.5, 103.5)]
    assert faces(slabs(rectangle(0), rectangle(102), fallback=2.0)) == [(-1.0, 1.0), (101.0, 103.0)]
    with pytest.raises(GeometryError, match="how thick a plane is"):
        slabs(rectangle(0), rectangle(102))


def test_two_planes_with_a_missing_one_between_on_the_image():
    s = slabs(rectangle(0), rectangle(6), normal=UP, image=np.arange(-30, 60, 3.0))
    assert faces(s) == [(-1.5, 3.0), (3.0, 7.5)]
    assert codes(s) == ["contour_gap_filled"]


def test_every_second_plane_of_the_image_is_the_usual_distance():
    s = slabs(*(rectangle(z) for z in (0, 6, 12, 18)), normal=UP, image=np.arange(-30, 60, 3.0))
    assert faces(s) == [(-3, 3), (3, 9), (9, 15), (15, 21)]
    assert s.notices == ()


def test_an_image_whose_spacing_changes_has_no_gap_where_it_is_wide():
    image = np.array([0, 2, 4, 6, 8, 14, 20, 26.0])
    drawn = [rectangle(z) for z in image]
    joined = slabs(*drawn, normal=UP, image=image)
    assert faces(joined)[3:] == [(5, 7), (7, 11), (11, 17), (17, 23), (23, 29)]
    assert joined.notices == ()
    apart = slabs(*drawn)
    assert faces(apart)[3:] == [(5, 7), (7, 9), (13, 15), (19, 21), (25, 27)]
    assert codes(apart) == ["contour_gap"]


def test_irregular_planes_fill_the_way_between_them():
    s = slabs(*(rectangle(z) for z in (0, 2.1, 4.9, 6.0, 9.1)))
    assert faces(s) == [(-1.05, 1.05), (1.05, 3.5), (3.5, 5.45), (5.45, 7.55), (7.55, 10.65)]
    assert s.notices == ()


def test_a_stack_thinner_than_any_image_keeps_its_volume():
    s = slabs(*(rectangle(0.15 * k) for k in range(4)))
    assert s.volume_cc == pytest.approx(200 * 4 * 0.15 / 1000)


@pytest.mark.parametrize(
    ("positions", "step"), [([0, 3, 6, 206, 209], 3.0), ([0, 0.01, 3, 3.02, 6], 2.98), ([5.0], None), ([5.0, 5.0, 5.15], None), ([0, 100], None)]
)
def test_usual_step(positions, step):
    assert usual_step_mm(np.array(positions, float)) == step


# single planes and the image


def test_a_single_plane_takes_its_thickness_from_the_image_near_it():
    image = [0, 2, 4, 6, 11, 16]
    assert faces(slabs(rectangle(3.0), normal=UP, image=image)) == [(2.0, 4.0)]
    assert faces(slabs(rectangle(13.0), normal=UP, image=image)) == [(10.5, 15.5)]


def test_a_single_plane_takes_its_thickness_from_other_structures():
    s = slabs(rectangle(3.0), fallback=5.0)
    assert faces(s) == [(0.5, 5.5)]
    assert codes(s) == ["single_plane_structure"]
    assert faces(slabs(rectangle(3.0), normal=UP, image=[3.0], fallback=5.0)) == [(0.5, 5.5)]


@pytest.mark.hazard("H07")
def test_a_single_plane_of_unknown_thickness_is_refused():
    with pytest.raises(GeometryError, match="single planes only"):
        slabs(rectangle(3.0))


def test_contours_outside_the_image_are_told_and_kept():
    s = slabs(*(rectangle(z) for z in (0, 3, 6, 9)), normal=UP, image=[-6, -3, 0, 3])
    assert codes(s) == ["contours_outside_ct"]
    assert "2 of its 4" in s.notices[0].message
    assert s.volume_cc == pytest.approx(200 * 12 / 1000)


def test_an_image_counted_downwards_is_the_same_image():
    image = np.array([0, 2, 4, 6, 11, 16.0])
    s = slabs(rectangle(13.0), normal=-UP, image=-image[::-1])
    assert faces(s) == [(10.5, 15.5)]


# holes, islands, copies


@pytest.mark.hazard("H07")
def test_a_ring_by_nesting():
    s = slabs(rectangle(0), rectangle(0, -1.5, 13, 5, 5), rectangle(3), rectangle(3, -1.5, 13, 5, 5))
    assert areas(s) == [[200.0, -25.0]]
    assert s.volume_cc == pytest.approx(175 * 6 / 1000)
    assert s.notices == ()


@pytest.mark.hazard("H07")
def test_an_island_in_a_hole_and_a_hole_in_the_island():
    nested = [rectangle(0, k, k, 40 - 2 * k, 40 - 2 * k) for k in (0, 5, 10, 15)]
    s = slabs(*(nested[k] for k in (2, 0, 3, 1)), fallback=3.0)
    assert areas(s) == [[400.0, 1600.0, -100.0, -900.0]]
    assert s.volume_cc == pytest.approx((1600 - 900 + 400 - 100) * 3 / 1000)


def test_islands_side_by_side_add():
    s = slabs(rectangle(0), rectangle(0, x0=40), rectangle(0, x0=80, dy=3), fallback=2.0)
    assert areas(s) == [[200.0, 200.0, 60.0]]
    assert s.notices[0].code == "single_plane_structure"


@pytest.mark.parametrize("turned", [False, True])
def test_the_direction_of_drawing_does_not_matter(turned):
    outer, inner = rectangle(0), rectangle(0, -1.5, 13, 5, 5)
    if turned:
        outer, inner = (Contour(c.points_mm[::-1]) for c in (outer, inner))
    assert areas(slabs(outer, inner, fallback=3.0)) == [[200.0, -25.0]]


def again(points, how):
    return {"same": points, "rotated start": np.roll(points, 3, axis=0), "reversed": points[::-1], "rounded": np.round(points, 3)}[how].copy()


@pytest.mark.hazard("H07")
@pytest.mark.parametrize("how", ["same", "rotated start", "reversed", "rounded"])
@pytest.mark.parametrize("shape", [circle, rectangle])
def test_a_contour_stored_twice_counts_once(shape, how):
    one = [shape(z) for z in (0.0, 3.0)]
    s = slabs(*one, *(Contour(again(c.points_mm, how)) for c in one))
    assert s.volume_cc == pytest.approx(slabs(*one).volume_cc, rel=1e-9)
    assert codes(s) == ["contour_duplicate"]
    assert "2 contour(s)" in s.notices[0].message


def test_three_copies_of_a_hole_are_one_hole():
    hole = rectangle(0, -1.5, 13, 5, 5)
    s = slabs(hole, rectangle(0), hole, hole, fallback=3.0)
    assert areas(s) == [[-25.0, 200.0]]
    assert "2 contour(s)" in s.notices[0].message


def test_a_contour_drawn_twice_with_other_vertices_counts_once():
    s = slabs(circle(0, n=200), circle(0, n=173), fallback=3.0)
    assert len(s.slabs[0].layers[0]) == 1
    assert codes(s) == ["contour_duplicate", "single_plane_structure"]


@pytest.mark.parametrize("wall", [0.5, 1.0, 3.0])
def test_a_thin_wall_that_touches_its_outer_contour_stays_a_wall(wall):
    radius = 150.0
    s = slabs(circle(0, radius, n=720), circle(0, radius - wall, x=4.0 + wall, n=720), fallback=3.0)
    assert s.volume_cc == pytest.approx(np.pi * (radius**2 - (radius - wall) ** 2) * 3 / 1000, rel=1e-3)
    assert codes(s) == ["single_plane_structure"]


def test_a_thin_wall_that_touches_nothing_is_a_wall():
    s = slabs(circle(0, 150.0, n=720), circle(0, 149.5, n=720), fallback=3.0)
    assert s.volume_cc == pytest.approx(np.pi * (150**2 - 149.5**2) * 3 / 1000, rel=1e-3)


@pytest.mark.parametrize("order", [1, -1])
def test_a_hole_on_the_border_is_a_hole(order):
    s = slabs(*[rectangle(0), rectangle(0, -3.5, 13, 5, 5)][::order], fallback=3.0)
    assert sorted(areas(s)[0]) == [-25.0, 200.0]


@pytest.mark.parametrize("x0", [16.5, 16.45])
def test_contours_that_only_touch_are_islands(x0):
    s = slabs(rectangle(0), rectangle(0, x0=x0), fallback=3.0)
    assert areas(s) == [[200.0, 200.0]]
    assert codes(s) == ["single_plane_structure"]


@pytest.mark.hazard("H07")
def test_partial_overlap_makes_layers():
    s = slabs(rectangle(0), rectangle(0, x0=6.5), fallback=3.0)
    assert areas(s) == [[200.0], [200.0]]
    assert codes(s) == ["contour_overlap", "single_plane_structure"]


def test_a_hole_stays_with_its_contour_when_another_contour_overlaps():
    hole, island = rectangle(0, -1.5, 12, 6, 6), rectangle(0, -0.5, 13, 2, 2)
    s = slabs(rectangle(0), hole, island, rectangle(0, x0=8.5), fallback=3.0)
    assert areas(s) == [[200.0, -36.0, 4.0], [200.0]]


@pytest.mark.hazard("H07")
def test_xor_contours_stay_in_one_layer():
    s = slabs(rectangle(0, xor=True), rectangle(0, x0=6.5, xor=True), fallback=3.0)
    assert areas(s) == [[200.0, 200.0]]
    assert codes(s) == ["single_plane_structure"]
    ring = slabs(rectangle(0, xor=True), rectangle(0, -1.5, 13, 5, 5, xor=True), fallback=3.0)
    assert areas(ring) == [[200.0, -25.0]]


def test_contours_whose_boxes_meet_but_not_they():
    low = Contour(np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0]], float))
    high = Contour(np.array([[10, 10, 0], [10, 1, 0], [1, 10, 0]], float))
    assert areas(slabs(low, high, fallback=3.0)) == [[50.0, 40.5]]


def test_crossing_is_found_among_many_edges():
    one, two = circle(0, 10, n=3000), circle(0, 10, x=23.9, n=3000)
    assert codes(slabs(one, two, fallback=3.0)) == ["single_plane_structure"]
    assert "contour_overlap" in codes(slabs(one, circle(0, 10, x=16.0, n=3000), fallback=3.0))


def test_hundreds_of_islands_are_sorted():
    drawn = [circle(0, 1.0, x=5.0 * (k % 25), y=5.0 * (k // 25), n=12) for k in range(500)]
    s = slabs(*drawn, *drawn[:20], Contour(np.array([[-9, -9, 0], [150, -9, 0], [150, 120, 0], [-9, 120, 0.0]])), fallback=3.0)
    assert s.volume_cc == pytest.approx((159 * 129 - 500 * 6 * np.sin(np.pi / 6)) * 3 / 1000)
    assert "20 contour(s)" in s.notices[0].message


# what encloses nothing


def line(z):
    return Contour(np.array([[0, 0, z], [4, 3, z], [8, 6, z], [4, 3, z]], float))


def test_contours_on_a_line_are_left_out_and_do_not_thin_their_neighbours():
    s = slabs(rectangle(0), line(1.3), rectangle(3), line(3))
    assert faces(s) == [(-1.5, 1.5), (1.5, 4.5)]
    assert codes(s) == ["contour_without_area"]
    assert "2 contour(s)" in s.notices[0].message


@pytest.mark.hazard("H07")
def test_a_structure_of_lines_and_points_is_refused():
    point = Contour(np.full((3, 3), 5.0))
    with pytest.raises(GeometryError, match="enclose nothing"):
        slabs(line(0), line(3), point)


def test_a_bow_tie_is_not_a_line():
    bow = Contour(np.array([[0, 0, 0], [10, 10, 0], [10, 0, 0], [0, 10, 0]], float))
    assert len(slabs(bow, fallback=3.0).slabs) == 1


# other directions

TILT = np.array([0.0, -0.6, 0.8])


@pytest.mark.parametrize(
    ("axes", "normal"),
    [((1, 2, 0), None), ((2, 0, 1), None), ((1, 2, 0), UP)],
    ids=["sagittal", "coronal", "sagittal on an axial image"],
)
def test_contours_in_other_planes(axes, normal):
    """Axes: which patient axis holds x, y, z of the axial shape."""
    drawn = []
    for w in (0, 3, 6.0):
        points = rectangle(w).points_mm
        turned = np.empty_like(points)
        turned[:, axes] = points
        drawn.append(Contour(turned))
    s = slabs(*drawn, normal=normal, image=None if normal is None else np.arange(-30, 30, 2.0))
    assert faces(s) == [(-1.5, 1.5), (1.5, 4.5), (4.5, 7.5)]
    assert s.volume_cc == pytest.approx(200 * 9 / 1000)
    assert s.rotation[2].tolist() == np.eye(3)[axes[2]].tolist()
    assert np.linalg.det(s.rotation) == pytest.approx(1.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_contours_in_the_planes_of_an_oblique_image(sign):
    u, v = np.array([1.0, 0, 0]), np.array([0, 0.8, 0.6])
    drawn = [Contour(rectangle(w).points_mm @ np.array([u, v, TILT])) for w in (0, 3, 6.0)]
    s = slabs(*drawn, normal=sign * TILT, image=np.sort(sign * np.arange(-9, 30, 3.0)))
    assert s.volume_cc == pytest.approx(200 * 9 / 1000)
    assert s.notices == ()
    np.testing.assert_allclose(s.rotation[2], sign * TILT, atol=1e-12)
    back = np.concatenate([np.column_stack([p, np.full(len(p), slab.w_mm)]) @ s.rotation for slab in s.slabs for layer in slab.layers for p in layer])
    drawn_points = np.concatenate([c.points_mm for c in drawn])
    assert all(np.abs(back - p).sum(axis=1).min() < 1e-9 for p in drawn_points)


@pytest.mark.hazard("H07")
def test_tilted_contours_without_their_image_are_refused():
    tilted = Contour(rectangle(0).points_mm @ np.array([[1.0, 0, 0], [0, 0.8, 0.6], TILT]))
    with pytest.raises(GeometryError, match="Planar contours are needed"):
        slabs(tilted)
    with pytest.raises(GeometryError, match="Planar contours are needed"):
        slabs(tilted, normal=UP, image=np.arange(9.0))


def test_half_a_millimetre_off_the_plane_is_still_planar():
    points = rectangle(4.0).points_mm
    points[1, 2] += 0.4
    assert slabs(Contour(points), fallback=2.0).slabs[0].w_mm == pytest.approx(4.1)
    points[1, 2] += 0.2
    with pytest.raises(GeometryError, match=r"more than 0\.5 mm"):
        slabs(Contour(points), fallback=2.0)


@pytest.mark.hazard("H39")
def test_hostile_names_are_cleaned_in_messages_and_kept_in_notices():
    s = slabs_of(Structure("Blad\nder", 1, (rectangle(0),)), None, None, 3.0)
    assert s.notices[0].structure == "Blad\nder"
    assert "Blad der" in s.notices[0].message


@pytest.mark.hazard("H33")
def test_contours_too_many_to_sort_are_refused():
    t = 2 * np.pi * np.arange(600) / 600
    rings = [Contour(np.column_stack([(1 + 0.1 * k) * np.cos(t), (1 + 0.1 * k) * np.sin(t), np.zeros(600)])) for k in range(30)]
    with pytest.raises(GeometryError, match="30 contours of up to 600 points"):
        slabs_of(Structure("Rings", 1, tuple(rings)), None, None, 3.0)
