"""Covered area and centroid of lattice cells, against the intersections that shapely computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box
from shapely.affinity import scale

from reirrad.coverage import cover, edges_of, signed_area_mm2

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)


def star(rng, n=40, radius=8.0):
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    r = radius * rng.uniform(0.4, 1.0, n)
    return np.column_stack([r * np.cos(angle), r * np.sin(angle)])


def check(layers, polygons, origin, step, n=40):
    """Compare with shapely: `polygons` holds one shapely geometry per layer."""
    c = cover(edges_of(layers), np.asarray(origin, float), step, n, n)
    found = {(k, i, j): (f, x, y) for k, i, j, f, x, y in zip(c.layer, c.row, c.column, c.fraction, c.x, c.y, strict=True)}
    for k, polygon in enumerate(polygons):
        x0, y0 = origin[k]
        local = scale(Polygon(polygon) if isinstance(polygon, np.ndarray) else polygon, 1, 1, origin=(0, 0))
        for i in range(n):
            for j in range(n):
                part = local.intersection(box(x0 + j * step, y0 + i * step, x0 + (j + 1) * step, y0 + (i + 1) * step))
                fraction = part.area / step**2
                got = found.pop((k, i, j), (0.0, 0.0, 0.0))
                assert got[0] == pytest.approx(fraction, abs=2e-7)
                if fraction > 1e-3:
                    assert got[1:] == pytest.approx(((part.centroid.x - x0) / step, (part.centroid.y - y0) / step), abs=1e-6)
    assert not found


@pytest.mark.hazard("H21")
def test_stars_of_several_layers_on_shifted_lattices():
    rng = np.random.default_rng(5)
    polygons = [star(rng) for _ in range(3)]
    origin = np.array([[-9.3, -8.7], [-8.05, -9.01], [-8.5, -8.5]])
    check(list(enumerate(polygons)), polygons, origin, 0.73, 26)


@pytest.mark.hazard("H07")
def test_holes_and_an_island_in_a_hole():
    layers = [(0, SQUARE), (0, (1 + 0.7 * SQUARE)[::-1]), (0, 3 + 0.25 * SQUARE)]
    geometry = Polygon(SQUARE, [1 + 0.7 * SQUARE]).union(Polygon(3 + 0.25 * SQUARE))
    check(layers, [geometry], [[-0.37, -0.81]], 0.9, 14)


@pytest.mark.hazard("H07")
def test_a_keyhole_equals_a_hole():
    keyhole = np.array([[0, 0], [10, 0], [10, 10], [0, 10], [0, 5], [3, 5], [3, 7], [7, 7], [7, 3], [3, 3], [3, 5], [0, 5]], float)
    check([(0, keyhole)], [Polygon(SQUARE, [[(3, 3), (7, 3), (7, 7), (3, 7)]])], [[-0.37, -0.81]], 0.9, 14)


@pytest.mark.parametrize("turn", [1, -1], ids=["counter-clockwise", "clockwise"])
def test_edges_on_lattice_lines_and_repeated_vertices(turn):
    polygon = np.array([[1, 1], [1, 1], [4, 1], [6, 1], [6, 5], [6, 5], [6, 5], [3, 8], [1, 5]], float)
    check([(0, polygon[::turn])], [polygon], [[0, 0]], 1.0, 10)


def test_full_cells_are_full_and_read_at_their_centre():
    c = cover(edges_of([(0, SQUARE + 2)]), np.zeros((1, 2)), 1.0, 15, 15)
    np.testing.assert_allclose(c.fraction, np.ones(100), atol=1e-12)
    np.testing.assert_allclose([c.x - c.column, c.y - c.row], np.full((2, 100), 0.5), atol=1e-12)


@pytest.mark.hazard("H07")
def test_a_bow_tie_counts_both_wings():
    bow = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], float)
    c = cover(edges_of([(0, bow)]), np.array([[-0.3, -0.3]]), 0.05, 210, 210)
    assert c.fraction.sum() * 0.05**2 == pytest.approx(50.0, rel=1e-4)


def test_where_loops_overlap_each_other_the_even_odd_rule_holds():
    hole = 2.5 + 0.5 * SQUARE
    twice = np.concatenate([SQUARE, SQUARE[:1], hole, hole[:1]])  # a keyhole drawn the same way round inside and outside
    a, b = SQUARE, SQUARE + 5.0
    inner = cover(edges_of([(0, twice)]), np.array([[-0.31, -0.77]]), 0.1, 120, 120)
    assert inner.fraction.sum() * 0.01 == pytest.approx(75.0, rel=1e-3)
    both = cover(edges_of([(0, a), (0, b)]), np.array([[-0.31, -0.77]]), 0.1, 170, 170)
    assert both.fraction.sum() * 0.01 == pytest.approx(150.0, rel=1e-3)


STEPS = np.array([[-3, 1.5], [2.6, 1.5], [2.6, 3.7], [5.2, 3.7], [5.2, -1], [9, -1], [9, 6.25], [4.5, 6.25], [4.5, 9], [-3, 9]], float)


@pytest.mark.parametrize("turn", [1, -1], ids=["counter-clockwise", "clockwise"])
@pytest.mark.parametrize("window", [(-0.5, 0.25, 7), (1.0, 1.0, 4), (5.5, -0.5, 2), (4.0, 5.0, 3), (-2.5, 2.0, 4), (5.0, 7.0, 3)])
def test_a_window_sees_what_the_whole_lattice_sees(window, turn):
    """Level borders cross the window, pass left of it, and leave cells that no border enters: all covered, or none."""
    x0, y0, n = window
    check([(0, STEPS[::turn])], [STEPS], [[x0, y0]], 1.0, n)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=8, unique=True), st.floats(-7, 7), st.floats(-7, 7))
def test_windows_of_any_simple_polygon(vertices, x0, y0):
    polygon = np.array(vertices, float)
    if Polygon(polygon).is_valid:
        c = cover(edges_of([(0, polygon)]), np.array([[x0, y0]]), 0.5, 5, 6)
        expected = Polygon(polygon).intersection(box(x0, y0, x0 + 3, y0 + 2.5)).area
        assert c.fraction.sum() * 0.25 == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [1e-3, 1e3])
@pytest.mark.parametrize("place", [0.0, 1e5])
def test_size_and_place_do_not_matter(size, place):
    rng = np.random.default_rng(9)
    polygon = star(rng) * size + place
    c = cover(edges_of([(0, polygon)]), np.full((1, 2), place - 9 * size), 0.25 * size, 80, 80)
    assert c.fraction.sum() * (0.25 * size) ** 2 == pytest.approx(Polygon((polygon - place) / size).area * size**2, rel=1e-6)


def test_a_line_covers_nothing():
    line = np.array([[0.5, 0.5], [7.5, 3.2], [9.5, 0.5 + 9 * 2.7 / 7]])
    assert cover(edges_of([(0, line)]), np.zeros((1, 2)), 1.0, 12, 12).fraction.size == 0


@pytest.mark.hazard("H21")
@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=3, max_size=12), st.floats(0.3, 2.5))
def test_signed_sums_of_any_simple_polygon(vertices, step):
    polygon = np.array(vertices)
    if not Polygon(polygon).is_valid:
        return
    n = int(18 / step) + 3
    c = cover(edges_of([(0, polygon)]), np.full((1, 2), -9 - 0.37 * step), step, n, n)
    area = abs(signed_area_mm2(polygon))
    assert c.fraction.sum() * step**2 == pytest.approx(area, rel=1e-6, abs=1e-4)
    assert np.all((c.fraction > 0) & (c.fraction <= 1))
    assert np.all((c.x >= c.column) & (c.x <= c.column + 1) & (c.y >= c.row) & (c.y <= c.row + 1))
    if area > 1:
        centroid = Polygon(polygon).centroid
        x = (c.fraction @ c.x) * step**3 / area - 9 - 0.37 * step
        y = (c.fraction @ c.y) * step**3 / area - 9 - 0.37 * step
        assert (x, y) == pytest.approx((centroid.x, centroid.y), abs=1e-4)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_signed_area(shift):
    triangle = np.array([[0, 0], [4, 0], [0, 3]], float) + shift
    assert signed_area_mm2(triangle) == 6.0
    assert signed_area_mm2(triangle[::-1]) == -6.0
    assert signed_area_mm2(np.roll(triangle, 1, axis=0)) == 6.0
