"""Interpolation against an obvious loop, against polynomials, and beside a steep edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.dose import CHUNK, DoseGrid, axis_cells, axis_weights, overshoot_bounds
from reirrad.errors import GeometryError
from reirrad.grid import Grid

U = np.array([-13.0, -11.5, -9.0, -8.25, -5.0, -4.0, -1.0])
V = np.array([101.0, 103.5, 104.0, 108.0, 109.5])
W = np.array([-7.0, -4.5, -4.0, -1.0, 2.0, 6.5])
TURNED = np.array([[0.8, 0.6, 0.0], [-0.6 * 0.28, 0.8 * 0.28, 0.96], [0.6 * 0.96, -0.8 * 0.96, 0.28]])


def filled(function, u=U, v=V, w=W, rotation=None):
    zz, yy, xx = np.meshgrid(w, v, u, indexing="ij")
    return DoseGrid(Grid(np.eye(3) if rotation is None else rotation.copy(), u.copy(), v.copy(), w.copy()), function(xx, yy, zz).astype(np.float32))


def inside(n, seed=3, u=U, v=V, w=W):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(c[0], c[-1], n) for c in (u, v, w)])


def slow(dose, local, taps, clamp=True):
    """Value at one local point (u, v, w): the definition, written out."""
    axes = (dose.grid.u_mm, dose.grid.v_mm, dose.grid.w_mm)
    weights, cells = [], []
    for c, x in zip(axes, local, strict=True):
        cell = max(k for k in range(max(len(c) - 1, 1)) if k == 0 or c[k] <= x)
        k = min(taps, len(c))
        first = min(max(cell - (1 if k == 4 else 0), 0), len(c) - k)
        of_voxel = {}
        for i in range(first, first + k):
            of_voxel[i] = 1.0
            for j in range(first, first + k):
                if j != i:
                    of_voxel[i] *= (x - c[j]) / (c[i] - c[j])
        weights.append(of_voxel)
        cells.append([i for i in (cell, cell + 1) if i < len(c)])
    value = sum(wu * wv * ww * float(dose.dose_gy[k, j, i]) for i, wu in weights[0].items() for j, wv in weights[1].items() for k, ww in weights[2].items())
    around = [float(dose.dose_gy[k, j, i]) for i in cells[0] for j in cells[1] for k in cells[2]]
    if clamp:
        value = min(max(value, min(around) - 0.05 * max(around), 0.0), 1.05 * max(around))
    return value


def noise(xx, yy, zz):
    return np.random.default_rng(11).uniform(0, 60, xx.shape)


@pytest.mark.hazard("H23")
@pytest.mark.parametrize("rotation", [None, TURNED], ids=["axial", "oblique"])
@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_every_point_equals_the_loop(order, rotation):
    dose = filled(noise, rotation=rotation)
    local = inside(150)
    expected = [slow(dose, p, 4 if order == "cubic" else 2, clamp=order == "cubic") for p in local]
    np.testing.assert_allclose(dose.at_points(dose.grid.to_patient(local), order), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", ["cubic", "linear"])
@pytest.mark.parametrize(("nu", "nv", "nw"), [(7, 5, 1), (7, 1, 2), (3, 2, 3), (1, 1, 1), (2, 3, 6)])
def test_few_voxels_along_an_axis(order, nu, nv, nw):
    dose = filled(noise, U[:nu], V[:nv], W[:nw])
    local = inside(40, u=U[:nu], v=V[:nv], w=W[:nw])
    expected = [slow(dose, p, 4 if order == "cubic" else 2, clamp=order == "cubic") for p in local]
    np.testing.assert_allclose(dose.at_points(local, order), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.hazard("H21")
def test_cubic_is_exact_for_cubic_polynomials():
    def polynomial(x, y, z):
        return 50 + 1e-3 * (x + 7) ** 3 - 2e-3 * (y - 105) ** 2 * (x + 7) + 3e-3 * z**3 + 1e-3 * (x + 7) * (y - 105) * z

    local = inside(500)
    np.testing.assert_allclose(filled(polynomial).at_points(local), polynomial(*local.T), atol=2e-5)


def test_linear_is_exact_for_trilinear_functions():
    def plane(x, y, z):
        return 40 + 0.5 * x - 0.2 * (y - 100) + 1.5 * z + 0.01 * x * (y - 100) * z

    local = inside(500)
    np.testing.assert_allclose(filled(plane).at_points(local, "linear"), plane(*local.T), atol=2e-5)


def test_voxel_centres_give_the_stored_dose():
    dose = filled(noise)
    zz, yy, xx = np.meshgrid(W, V, U, indexing="ij")
    centres = np.column_stack([xx.ravel(), yy.ravel(), zz.ravel()])
    np.testing.assert_array_equal(dose.at_points(centres, "linear"), dose.dose_gy.ravel())
    np.testing.assert_allclose(dose.at_points(centres, "cubic"), dose.dose_gy.ravel(), rtol=1e-6)


@pytest.mark.hazard("H21")
def test_a_cubic_beside_a_step_is_held_to_five_percent():
    dose = filled(lambda x, y, z: np.where((x > -8.5) & (y > 103.75) & (z > -2), 60.0, 0.0))
    local = inside(4000)
    free = np.array([slow(dose, p, 4, clamp=False) for p in local])
    held = dose.at_points(local)
    assert free.max() > 63.5
    assert free.min() < -3
    assert held.max() == pytest.approx(63.0)
    assert held.min() == 0.0
    np.testing.assert_allclose(held, [slow(dose, p, 4) for p in local], atol=1e-4)


def test_the_range_of_a_cubic():
    low, high = overshoot_bounds(np.array([10, 0.5], np.float32), np.array([20, 40], np.float32))
    assert low.tolist() == [9.0, 0.0]
    assert high.tolist() == [21.0, 42.0]


@pytest.mark.hazard("H04")
@pytest.mark.parametrize("order", ["cubic", "linear"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_dose_is_unknown_beyond_the_last_voxel_centre(order, axis, end):
    dose = filled(noise)
    centres = (U, V, W)[axis]
    outward = (1 if end else -1) * (centres[-1] - centres[0]) / (centres.size - 1) * 1e-3
    point = np.array([-6.0, 105.0, 0.5])
    at = np.repeat(point[None], 4, axis=0)
    at[:, axis] = centres[end] + np.array([0, 0.9, 1.1, np.nan]) * outward
    found = dose.at_points(at, order)
    assert np.isfinite(found[:2]).all()
    assert found[0] == found[1]
    assert np.isnan(found[2:]).all()


@pytest.mark.hazard("H04")
def test_a_single_plane_knows_its_dose_only_in_the_plane():
    dose = filled(lambda x, y, z: 0 * x + 12.5, w=W[:1])
    found = dose.at_points(np.array([[-6, 105, -7.0], [-6, 105, -6.999], [-6, 105, -7.001]]))
    assert found[0] == 12.5
    assert np.isnan(found[1:]).all()


def test_points_are_read_in_chunks_without_a_seam():
    dose = filled(lambda x, y, z: 30 + x)
    x = np.linspace(U[0], U[-1], CHUNK + 5)
    found = dose.at_points(np.column_stack([x, np.full(x.size, 105.0), np.zeros(x.size)]))
    np.testing.assert_allclose(found, 30 + x, atol=1e-5)
    assert dose.at_points(np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("shift", [1e5, -1e5])
def test_far_coordinates_lose_nothing(shift):
    local = inside(100)
    near, far = filled(noise), filled(noise, U + shift, V, W)
    np.testing.assert_allclose(far.at_points(local + np.array([shift, 0, 0])), near.at_points(local), atol=1e-4)


lines = st.lists(st.floats(0.2, 9), min_size=1, max_size=7).map(lambda gaps: -3.0 + np.cumsum(gaps))


@given(lines, st.floats(0, 1), st.sampled_from(["cubic", "linear"]))
def test_weights_sum_to_one_and_reproduce_the_place(centres, part, order):
    at = np.array([centres[0] + part * (centres[-1] - centres[0])])
    first, weights = axis_weights(centres, at, order)
    taps = min(4 if order == "cubic" else 2, centres.size)
    assert weights.shape == (1, taps)
    assert 0 <= first[0] <= centres.size - taps
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    for power in range(taps):
        moment = float(weights[0] @ (centres[first[0] : first[0] + taps] - at) ** power)
        assert moment == pytest.approx(1.0 if power == 0 else 0.0, abs=1e-6)


def test_cells_hold_their_places():
    assert axis_cells(W, np.array([-99, -7.0, -4.6, -4.5, 6.4, 6.5, 99])).tolist() == [0, 0, 0, 1, 4, 4, 4]
    assert axis_cells(np.array([3.0]), np.array([-1.0, 5.0])).tolist() == [0, 0]


@pytest.mark.parametrize("jitter", [0.0, 0.15, 0.3], ids=["even", "nearly even", "uneven"])
@pytest.mark.parametrize("n", [2, 3, 40])
def test_cells_of_many_places_are_those_of_a_search(n, jitter):
    rng = np.random.default_rng(n)
    centres = -17.3 + 2.7 * (np.arange(n) + rng.uniform(-jitter, jitter, n))
    beside = np.concatenate([centres, np.nextafter(centres, -np.inf), np.nextafter(centres, np.inf)])
    at = np.concatenate([rng.uniform(centres[0] - 5, centres[-1] + 5, 500), beside, [-np.inf, np.inf, np.nan, -1e9, 1e9]])
    rng.shuffle(at)
    for places in (at, at[(at >= centres[0]) & (at <= centres[-1])]):
        expected = [max(k for k in range(n - 1) if k == 0 or not x < centres[k]) for x in places]
        np.testing.assert_array_equal(axis_cells(centres, places), expected)


def test_the_range_around_points():
    dose = filled(lambda x, y, z: x + 10 * y + 100 * z)
    low, high = dose.range_at(np.array([[U[1], V[1], W[1]], [U[0] - 50, V[-1] + 50, W[2]]]) + 1e-6)
    assert low.tolist() == pytest.approx([U[1] + 10 * V[1] + 100 * W[1], U[0] + 10 * V[-2] + 100 * W[2]], rel=1e-6)
    assert high.tolist() == pytest.approx([U[2] + 10 * V[2] + 100 * W[2], U[1] + 10 * V[-1] + 100 * W[3]], rel=1e-6)
    x = np.linspace(U[0], U[-1], CHUNK + 5)
    low, high = dose.range_at(np.column_stack([x, np.full(x.size, V[0]), np.full(x.size, W[0])]))
    cell = axis_cells(U, x)
    np.testing.assert_allclose(low, U[cell] + 10 * V[0] + 100 * W[0], rtol=1e-6)
    np.testing.assert_allclose(high, U[cell + 1] + 10 * V[1] + 100 * W[1], rtol=1e-6)


def test_a_dose_that_does_not_fit_its_grid_is_refused():
    with pytest.raises(GeometryError, match="does not fit"):
        DoseGrid(Grid(np.eye(3), U.copy(), V.copy(), W.copy()), np.zeros((7, 5, 6), np.float32))


def test_a_dose_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="read-only"):
        filled(noise).dose_gy[0, 0, 0] = 1


def test_the_loop_itself_is_right_for_a_product():
    dose = filled(lambda x, y, z: (x + 20) * (y - 90) * (z + 20))
    for x, y, z in inside(5):
        assert slow(dose, (x, y, z), 2) == pytest.approx((x + 20) * (y - 90) * (z + 20), rel=1e-6)
