"""An organ as points: exact volumes, dose of points against closed forms, the fast reading against the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from shapely import Polygon
from shapely import points as shapely_points
from shapely.ops import unary_union

from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError
from reirrad.grid import Grid
from reirrad.planes import slabs_of
from reirrad.points import STEP_MM, lattice_step_mm, organ_points
from reirrad.sampling import read_dose
from reirrad.structures import Contour, Structure

U = np.array([-42.0, -38.5, -36.0, -33.0, -31.0, -27.5, -25.0, -22.0, -18.5, -16.0, -13.0, -10.5, -7.0])
V = 201.0 + 2.75 * np.arange(13)
W = np.array([-30.0, -27.0, -24.5, -22.0, -18.0, -16.5, -13.0, -10.0, -7.5, -4.0])


def box(z, x0=-34.3, y0=208.9, dx=17.3, dy=11.2, xor=False):
    return Contour(np.array([[x0, y0, z], [x0 + dx, y0, z], [x0 + dx, y0 + dy, z], [x0, y0 + dy, z]], float), xor)


def disc(z, radius=7.0, x=-25.1, y=216.3, n=90):
    angle = 2 * np.pi * np.arange(n) / n
    return Contour(np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(n, z)]))


def points_of(*contours, step=None, fallback=3.0):
    return organ_points("Organ", slabs_of(Structure("Organ", 1, contours), None, None, fallback), step)


def filled(function, u=U, v=V, w=W, rotation=None):
    zz, yy, xx = np.meshgrid(w, v, u, indexing="ij")
    return DoseGrid(Grid(np.eye(3) if rotation is None else rotation.copy(), u.copy(), v.copy(), w.copy()), function(xx, yy, zz).astype(np.float32))


def noise(xx, yy, zz):
    return np.random.default_rng(4).uniform(0, 60, xx.shape)


def codes(p):
    return [n.code for n in p.notices]


PLANES = (-24.2, -21.2, -18.2, -15.2, -12.2)
SHAPES = {
    "box": [box(z) for z in PLANES],
    "disc": [disc(z) for z in PLANES],
    "ring": [c for z in PLANES for c in (disc(z, 9.0), disc(z, 7.5))],
    "islands": [c for z in PLANES for c in (disc(z, 3.0), disc(z, 2.0, x=-15.0))],
    "thin": [box(z, dx=0.3) for z in PLANES],
    "thinner than a cell": [box(z, dx=0.05) for z in (*PLANES, -9.2)],
    "overlap": [c for z in PLANES for c in (disc(z, 6.0), disc(z, 6.0, x=-22.0))],
    "single plane": [disc(-18.0)],
    "uneven": [disc(z) for z in (-26.0, -25.2, -23.9, -22.1, -20.7, -18.0, -15.0, -12.0)],
}


# volumes


@pytest.mark.hazard("H21")
def test_the_volume_of_a_box_is_exact():
    p = points_of(*SHAPES["box"])
    assert p.volume_cc == pytest.approx(17.3 * 11.2 * 15 / 1000, rel=1e-9)
    assert p.volume_cc == pytest.approx(p.column_area_mm2[p.point_column] @ (3.0 / p.n_sub[p.column_slab][p.point_column]) / 1000)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_points_are_distinct_and_within_their_slab(shape):
    p = points_of(*shape)
    slab = p.column_slab[p.point_column]
    assert np.all((p.point_w_mm >= p.slab_low_mm[slab]) & (p.point_w_mm <= p.slab_high_mm[slab]))
    assert p.volumes_cc.min() > 0
    assert len(np.unique(p.points_mm, axis=0)) == len(p.points_mm)


@pytest.mark.hazard("H15", "H21")
@pytest.mark.parametrize("cc", [1e-3, 1e-2, 1.0, 30.0])
@pytest.mark.parametrize("place", [(0.0, 0.0), (-1234.567, 5e4)])
def test_discs_of_any_size_and_place(cc, place):
    radius = (1000 * cc / (2 * np.pi)) ** (1 / 3)
    planes = radius * np.array([-0.75, -0.25, 0.25, 0.75])
    p = points_of(*(disc(z, radius, *place, n=256) for z in planes), fallback=radius / 2)
    assert p.volume_cc == pytest.approx(128 * np.sin(2 * np.pi / 256) * radius**2 * (2 * radius if radius > 0.4 else radius / 2) / 1000, rel=1e-6)
    assert p.volumes_cc.size > 5000


@pytest.mark.hazard("H33")
def test_a_body_has_a_bounded_number_of_points():
    p = points_of(*(disc(3.0 * k, 150.0, n=300) for k in range(40)))
    assert p.step_mm == pytest.approx(lattice_step_mm(p.volume_cc), rel=1e-6)
    assert p.volume_cc == pytest.approx(150 * np.sin(2 * np.pi / 300) * 150**2 * 120 / 1000, rel=1e-9)
    assert p.volumes_cc.size < 600_000


def test_steps_follow_the_volume():
    assert lattice_step_mm(1e-6) == STEP_MM[0]
    assert lattice_step_mm(20_000) == STEP_MM[1]
    assert lattice_step_mm(8 * 0.64) == pytest.approx(2 * lattice_step_mm(0.64))
    assert points_of(*SHAPES["box"], step=0.9).step_mm == 0.9


@pytest.mark.parametrize("wall", [0.2, 0.5, 3.0])
def test_the_step_of_a_wall_follows_the_volume_of_the_wall(wall):
    """Two contours whose difference fills little of their box: the areas drawn tell the volume, or a lattice does where they are nearly the same."""
    p = points_of(*(disc(3.0 * k, r, n=400) for k in range(4) for r in (40.0, 40.0 - wall)))
    assert p.volume_cc == pytest.approx(200 * np.sin(2 * np.pi / 400) * (40**2 - (40 - wall) ** 2) * 12 / 1000, rel=1e-6)
    assert p.step_mm == pytest.approx(lattice_step_mm(p.volume_cc), rel=1e-6)


def test_the_step_of_loops_that_cancel_follows_what_they_cover():
    def bow_tie(z):
        return Contour(np.array([[-30, 200, z], [-10, 220, z], [-10, 200, z], [-30, 220, z]], float))

    p = points_of(*(bow_tie(3.0 * k) for k in range(4)))
    assert p.volume_cc == pytest.approx(200 * 12 / 1000, rel=1e-3)
    assert p.step_mm == pytest.approx(lattice_step_mm(2.4), rel=0.01)


def test_very_thin_slabs_keep_their_volume():
    p = points_of(*(disc(0.3 * k) for k in range(10)))
    assert p.volume_cc == pytest.approx(45 * np.sin(2 * np.pi / 90) * 49 * 3.0 / 1000, rel=1e-9)
    assert set(p.n_sub) == {1}


@pytest.mark.hazard("H07")
@pytest.mark.parametrize("xor", [False, True])
def test_partial_overlap_is_united_and_xor_left_out(xor):
    a, b = box(0, dx=10, dy=10, xor=xor), box(0, x0=-28.3, y0=212.9, dx=10, dy=10, xor=xor)
    p = points_of(a, b)
    assert p.volume_cc == pytest.approx((100 + 100 - (2 if xor else 1) * 24) * 3 / 1000, rel=2e-3)
    assert ("contour_overlap" in codes(p)) != xor
    assert ("contour_self_intersecting" in codes(p)) == xor


def test_unions_against_shapely():
    p = points_of(*SHAPES["overlap"])
    one, two = (Polygon(c.points_mm[:, :2]) for c in SHAPES["overlap"][:2])
    assert p.volume_cc == pytest.approx(one.union(two).area * 15 / 1000, rel=2e-3)
    inside = one.union(two).buffer(1.5 * p.step_mm).contains_properly
    assert np.all(inside(shapely_points(p.column_uv_mm)))


def blobs(rng):
    """Some star-shaped polygons that lie apart, within each other or across each other, but do not nearly touch."""
    while True:
        polygons = []
        for _ in range(rng.integers(2, 6)):
            angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 50)))
            radius = rng.uniform(2, 30) * rng.uniform(0.6, 1, angle.size)
            polygons.append(rng.uniform(-40, 40, 2) + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
        shapes = [Polygon(p) for p in polygons]
        pairs = [(a, b) for k, a in enumerate(shapes) for b in shapes[:k]]
        shared = [(a.intersection(b).area / min(a.area, b.area), a.boundary.intersects(b.boundary)) for a, b in pairs]
        if all(s.is_valid and s.area > 1 for s in shapes) and not any(0 < part < 0.012 or (part > 0.975 and meets) for part, meets in shared):
            return polygons, shapes


@pytest.mark.parametrize("seed", range(40))
def test_any_contours_of_a_plane_against_shapely(seed):
    rng = np.random.default_rng(seed)
    polygons, shapes = blobs(rng)
    p = points_of(*(Contour(np.column_stack([q, np.zeros(len(q))])[:: rng.choice([1, -1])]) for q in polygons), fallback=1.0)
    around = [[b for b in shapes if b is not a and b.contains(a)] for a in shapes]
    if not any(a.boundary.intersects(b.boundary) for k, a in enumerate(shapes) for b in shapes[:k]):
        area = sum(a.area * (-1) ** len(outer) for a, outer in zip(shapes, around, strict=True))
    elif not any(around):
        area = unary_union(shapes).area
    else:
        return  # holes beside overlaps have tests of their own
    assert p.volume_cc * 1000 == pytest.approx(area, rel=2e-3)


# what crosses itself, what encloses nothing, what is spread out


def bow(z, size):
    return Contour(np.array([[0, 0, z], [size, size, z], [size, 0, z], [0, size, z]], float))


@pytest.mark.hazard("H07")
@pytest.mark.parametrize("size", [4.0, 100.0, 400.0])
def test_a_bow_tie_counts_both_wings_and_is_told(size):
    p = points_of(bow(0, size), bow(3, size))
    assert p.volume_cc == pytest.approx(size**2 / 2 * 6 / 1000, rel=2e-3)
    assert codes(p) == ["contour_self_intersecting"]
    assert p.volumes_cc.size < 200_000


def test_one_bow_tie_among_many_planes_is_told():
    p = points_of(*(box(3.0 * k) for k in range(100)), bow(300.0, 15.0))
    assert codes(p) == ["contour_self_intersecting"]
    assert "1 plane(s)" in p.notices[0].message
    assert "112 mm2" in p.notices[0].message or "113 mm2" in p.notices[0].message


def test_points_of_a_bow_tie_lie_in_its_wings():
    p = points_of(bow(0, 10.0))
    x, y = p.column_uv_mm.T
    off = np.minimum(np.abs(y - x), np.abs(y - 10 + x)) < p.step_mm  # the two diagonals are its border
    assert np.all(off | ((y - x) * (y - 10 + x) < 0))


@pytest.mark.hazard("H07")
def test_a_contour_that_encloses_nothing_is_refused():
    there_and_back = Contour(np.array([[0, 0, 0], [5, 0, 0], [5, 7, 0], [9, 7, 0], [5, 7, 0], [5, 0, 0]], float))
    with pytest.raises(GeometryError, match="enclose no area"):
        points_of(there_and_back)


@pytest.mark.hazard("H33")
def test_two_seeds_far_apart_stay_small():
    seeds = [box(z, x0=x, dx=1.2, dy=1.3) for z in (0, 2, 4) for x in (-200.0, 200.0)]
    p = points_of(*seeds)
    assert p.volume_cc == pytest.approx(2 * 1.2 * 1.3 * 6 / 1000, rel=1e-6)
    assert p.volumes_cc.size < 100_000
    assert p.step_mm < 0.25


def test_seeds_on_many_planes_get_a_coarser_step_and_keep_their_volume():
    seeds = [box(2.0 * z, x0=x, dx=1.2, dy=1.3) for z in range(60) for x in (-200.0, 98.8)]
    p = points_of(*seeds)
    assert p.step_mm == pytest.approx(300 / (30e6 / 60) ** 0.5)
    assert p.volume_cc == pytest.approx(2 * 1.2 * 1.3 * 120 / 1000, rel=1e-6)


def test_a_slanting_wire():
    wire = [Contour(np.array([[0, 0, z], [300, 300, z], [300.3, 300, z], [0.3, 0, z]], float)) for z in (0, 3.0)]
    assert points_of(*wire).volume_cc == pytest.approx(0.3 * 300 * 6 / 1000, rel=1e-5)


# statistics of simple doses


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_linear_dose_is_sampled_finely_along_every_axis(axis):
    p = points_of(*SHAPES["box"])
    x = p.points_mm[:, axis]
    low, size = ((-34.3, 17.3), (208.9, 11.2), (-25.7, 15.0))[axis]
    assert x @ p.volumes_cc / p.volume_cc == pytest.approx(low + size / 2, abs=0.002 * size)
    order = np.argsort(x)
    cumulative = np.cumsum(p.volumes_cc[order]) / p.volume_cc
    for part in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert np.interp(part, cumulative, x[order]) == pytest.approx(low + part * size, abs=0.15 * p.step_mm)


@pytest.mark.hazard("H21")
def test_edge_points_reach_every_corner_and_face():
    p = points_of(*SHAPES["box"])
    assert p.edge_points_mm.min(axis=0) == pytest.approx([-34.3, 208.9, -25.7])
    assert p.edge_points_mm.max(axis=0) == pytest.approx([-17.0, 220.1, -10.7])


def test_edge_points_are_dense_on_long_edges_beside_many_short_ones():
    angle = np.linspace(-np.pi / 2, np.pi / 2, 2000)
    shape = np.column_stack([20 + 3 * np.cos(angle), 3 * np.sin(angle)])
    shape = np.concatenate([shape, [[-80.0, 3.0], [-80.0, -3.0]]])
    p = points_of(Contour(np.column_stack([shape, np.zeros(len(shape))])))
    at_low = p.edge_mm[p.edge_mm[:, 2] == p.edge_mm[0, 2], :2]
    gap = np.hypot(*(np.roll(at_low, -1, axis=0) - at_low).T)
    assert gap.max() <= 2 * p.step_mm + 1e-9
    assert len(at_low) < 3 * 220 / p.step_mm
    border = Polygon(shape).exterior
    assert border.distance(shapely_points(at_low)).max() < 1e-9
    assert all(np.abs(at_low - corner).sum(axis=1).min() < 1e-9 for corner in shape[-2:])


def test_every_contour_has_edge_points_at_both_faces():
    tiny = [box(z, dx=0.02, dy=0.02) for z in (0, 3.0)]
    p = points_of(*(box(z, x0=0, dx=60, dy=60) for z in (0, 3.0)), *tiny)
    assert sorted(set(p.edge_mm[:, 2])) == [-1.5, 1.5, 4.5]
    assert np.sum(p.edge_mm[:, 0] < -30) >= 4


# reading


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("order", ["cubic", "linear"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_fast_reading_equals_plain_reading(shape, order):
    p, dose = points_of(*shape), filled(noise)
    fast, plain = read_dose(p, dose, order), dose.at_points(p.points_mm, order)
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(fast, plain, atol=1e-4)


@pytest.mark.parametrize("order", ["cubic", "linear"])
@pytest.mark.parametrize(
    "cut", [(U[4:], V, W), (U, V[:7], W), (U, V, W[:4]), (U[:6], V[5:], W[3:7]), (U[3:5], V, W), (U, V[4:7], W), (U, V, W[3:5]), (U, V, W[4:7])]
)
def test_fast_reading_equals_plain_reading_at_the_edge_of_the_grid(cut, order):
    p, dose = points_of(*SHAPES["disc"]), filled(noise, *cut)
    fast, plain = read_dose(p, dose, order), dose.at_points(p.points_mm, order)
    assert 0 < np.isnan(plain).mean() < 1
    np.testing.assert_allclose(fast, plain, atol=1e-4)


@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_columns_that_are_all_cut(order):
    p, dose = points_of(*SHAPES["thin"], step=0.7), filled(noise)
    assert p.column_cut.all()
    np.testing.assert_allclose(read_dose(p, dose, order), dose.at_points(p.points_mm, order), atol=1e-4)


@pytest.mark.hazard("H04")
@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_an_organ_beside_the_grid_has_no_dose(order):
    p = points_of(*SHAPES["disc"])
    assert np.isnan(read_dose(p, filled(noise, U + 60, V, W), order)).all()
    assert np.isnan(read_dose(p, filled(noise, U, V, W + 60), order)).all()


@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_a_grid_of_one_plane_or_one_line_tells_nothing_beside_it(order):
    p = points_of(*SHAPES["disc"])
    for cut in ((U, V, W[4:5]), (U[4:5], V, W), (U, V[4:5], W)):
        dose = filled(noise, *cut)
        np.testing.assert_array_equal(read_dose(p, dose, order), dose.at_points(p.points_mm, order))


def test_an_organ_that_touches_the_last_voxel_centres_is_known():
    dose = filled(lambda x, y, z: 20 + x / 10 + z / 5)
    shape = [box(z, U[0], V[0], U[-1] - U[0], V[-1] - V[0]) for z in (-27.0, -21.0, -15.0, -9.0)]
    p = points_of(*shape, step=1.0)
    assert (p.slab_low_mm[0], p.slab_high_mm[-1]) == (-30.0, -6.0)
    found = read_dose(p, dose, "cubic")
    np.testing.assert_allclose(found, 20 + p.points_mm[:, 0] / 10 + p.points_mm[:, 2] / 5, atol=1e-5)
    assert np.isfinite(dose.at_points(p.edge_points_mm)).all()


def test_a_steep_edge_is_held_alike():
    p = points_of(*SHAPES["disc"])
    dose = filled(lambda x, y, z: np.where((x > -26) & (y > 214), 60.0, 0.0))
    fast = read_dose(p, dose, "cubic")
    np.testing.assert_allclose(fast, dose.at_points(p.points_mm), atol=1e-4)
    assert fast.max() == pytest.approx(63.0)
    assert fast.min() == 0


def test_many_columns_are_read_in_parts():
    p = points_of(*SHAPES["box"], step=0.08)
    dose = filled(noise)
    assert p.column_slab.size > 120_000
    np.testing.assert_allclose(read_dose(p, dose, "cubic")[::7], dose.at_points(p.points_mm[::7]), atol=1e-4)


TURNED = np.array([[0.8, 0.6, 0.0], [-0.6 * 0.28, 0.8 * 0.28, 0.96], [0.6 * 0.96, -0.8 * 0.96, 0.28]])


def test_an_oblique_dose_grid_is_read_point_by_point():
    local = np.array([-25.0, 216.0, -18.0])
    centre = local @ TURNED
    dose = filled(lambda u, v, w: 30 + 0.3 * (u + 25) - 0.2 * (v - 216) + 0.1 * (w + 18), rotation=TURNED)
    p = points_of(*(disc(z, 4.0, *centre[:2]) for z in centre[2] + np.array([-2.0, 0.0, 2.0])))
    away = p.points_mm - centre
    np.testing.assert_allclose(read_dose(p, dose, "cubic"), 30 + away @ (0.3 * TURNED[0] - 0.2 * TURNED[1] + 0.1 * TURNED[2]), atol=1e-4)


def test_a_sagittal_structure_is_read_point_by_point():
    def sagittal(x):
        square = np.array([[0, 0], [8.1, 0], [8.1, 6.3], [0, 6.3]])
        return Contour(np.column_stack([np.full(4, x), 210 + square[:, 0], -20 + square[:, 1]]))

    p = points_of(*(sagittal(x) for x in (-30.0, -27.0, -24.0)))
    dose = filled(lambda x, y, z: 100 + x + 2 * (y - 210) + 3 * z)
    assert not p.in_axial_frame
    assert p.volume_cc == pytest.approx(8.1 * 6.3 * 9 / 1000)
    found = read_dose(p, dose, "linear")
    np.testing.assert_allclose(found, 100 + p.points_mm @ [1, 2, 3] - 420, atol=1e-4)
    assert found @ p.volumes_cc / p.volume_cc == pytest.approx(100 - 27 + 8.1 + 3 * (-20 + 3.15), abs=0.02)
    assert p.edge_points_mm[:, 0].min() == -31.5
