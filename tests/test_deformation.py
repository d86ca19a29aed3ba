"""Deformable transforms: closed forms, what is unknown, and the way back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from registration_factory import POSITION, RESOLUTION, SHAPE, constant, places

from reirrad.deformation import Deformable, InverseDeformable
from reirrad.errors import GeometryError
from reirrad.registration import Affine, Chain, Rigid, jacobian_determinant

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "registration.toml").read_text(encoding="utf-8"))["grid"]
FIRST = np.array(POSITION)
UP = FIRST + np.array(RESOLUTION) * (np.array(SHAPE[::-1]) - 1)  # the last grid point
rng = np.random.default_rng(5)
INSIDE = rng.uniform(FIRST, UP, (400, 3))


def field(vectors, **more):
    return Deformable(FIRST, np.eye(3), np.array(RESOLUTION), np.asarray(vectors, np.float32), **more)


def rigid(degrees=0.0, shift=(0.0, 0.0, 0.0)):
    matrix = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:3, 3] = shift
    return Rigid(matrix)


def golden(entry):
    row, column = np.array(entry["orientation"], float).reshape(2, 3)
    ni, nj, nk = entry["dimensions"]
    return Deformable(
        np.array(entry["position_mm"]),
        np.array([row, column, np.cross(row, column)]),
        np.array(entry["resolution_mm"]),
        np.array(entry["vectors_mm"], np.float32).reshape(nk, nj, ni, 3),
        *(Rigid(np.array(entry.get(key, np.eye(4)), float).reshape(4, 4)) for key in ("before", "after")),
    )


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("entry", GOLDEN, ids=["four vectors", "turned grid"])
def test_golden_grids(entry):
    move = golden(entry)
    for point in entry["points"]:
        np.testing.assert_allclose(move(np.array(point["registered_mm"])), point["source_mm"], atol=1e-6)
        np.testing.assert_allclose(move.inverse()(np.array(point["source_mm"])), point["registered_mm"], atol=1e-3)
    assert np.isnan(move(np.array(entry["unknown_mm"]))).all()


def test_linear_field_is_exact_between_grid_points():
    """u = (0.1 x, -0.05 y + 0.02 x, 0) is its own trilinear interpolation; the volume changes by 1.1 x 0.95."""
    p = places()
    move = field(np.stack([0.1 * p[..., 0], 0.02 * p[..., 0] - 0.05 * p[..., 1], np.zeros(SHAPE)], axis=-1))
    x, y, z = INSIDE.T
    np.testing.assert_allclose(move(INSIDE), np.stack([1.1 * x, 0.95 * y + 0.02 * x, z], axis=-1), atol=1e-5)
    middle = np.array([[0.0, 22.0, -10.0]])
    np.testing.assert_allclose(jacobian_determinant(move, middle), [1.1 * 0.95], atol=1e-5)
    assert np.isnan(jacobian_determinant(move, np.array([POSITION]))).all()


def test_matrices_before_and_after_and_an_oblique_grid():
    """A constant vector v: after(before(p) + v), whatever the grid; the grid itself is turned by 30 degrees about z."""
    before, after, v = rigid(20, (5, 6, 7)), Affine(np.diag([1.1, 1, 0.9, 1])), np.array([1.0, -2.0, 3.0])
    turn = rigid(30).matrix[:3, :3]
    move = Deformable(FIRST, turn.T, np.array(RESOLUTION), np.asarray(constant(*v), np.float32), before, after)
    # along its own axes the grid reaches 32, 30 and 42 mm
    local = rng.uniform(0, [32, 30, 42], (50, 3))
    points = FIRST + local @ turn.T
    np.testing.assert_allclose(move(points), after(before(points) + v), atol=1e-6)
    np.testing.assert_allclose(move.inverse()(move(points)), points, atol=1e-3)
    assert np.isnan(move(FIRST + np.array([[32.1, 0, 0], [0, -0.1, 0]]) @ turn.T)).all()
    assert move.description == (
        "deformable: 9 x 7 x 8 vectors at 4 x 5 x 6 mm, up to 3.7 mm long, before it rigid: turned by 20.0 degrees, origin shifted by (5.0, 6.0, 7.0) mm, "
        "after it affine: scaled by 0.900 to 1.100, origin shifted by (0.0, 0.0, 0.0) mm"
    )
    assert field(constant(3, 4, 0)).inverse().description == "inverse of deformable: 9 x 7 x 8 vectors at 4 x 5 x 6 mm, up to 5.0 mm long"


@pytest.mark.hazard("H04")
def test_outside_and_beside_missing_vectors_nothing_is_known():
    vectors = constant(1, 2, 3).copy()
    vectors[2, 3, 4] = np.nan
    vectors[5, 3, 4, 1] = np.inf
    move = field(vectors)
    hole = FIRST + np.array([4, 3, 2]) * RESOLUTION
    bases = np.array([FIRST, UP, hole, hole, hole, hole, UP, FIRST, np.full(3, np.nan)])
    asked = bases + np.array([(0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 0), (4, 0, 0), (0, 0, 18), (0, 0, 0.01), (-0.01, 0, 0), (0, 0, 0)])
    known = np.isfinite(move(asked)).all(axis=-1)
    # a grid point beside the hole still has its own vector
    assert known.tolist() == [True, True, False, False, True, False, False, False, False]
    np.testing.assert_allclose(move(asked)[known] - asked[known], [[1, 2, 3]] * 3, atol=1e-6)
    assert move(asked.reshape(3, 3, 3)).shape == (3, 3, 3)


def test_sample_points_have_vectors():
    vectors = constant(1, 2, 3).copy()
    vectors[2:] = np.nan
    assert field(vectors).sample_points_mm(10_000).shape == (2 * 7 * 9, 3)
    few = field(vectors).sample_points_mm(11)
    assert few.shape == (11, 3)
    np.testing.assert_allclose(few[[0, -1]], [POSITION, FIRST + np.array([8, 6, 1]) * RESOLUTION])
    np.testing.assert_allclose(field(vectors)(few), few + np.array([1, 2, 3]), atol=1e-6)


# ------------------------------------------------------------------------------------------------------- the way back


def bump(height):
    p = places() - (FIRST + UP) / 2
    return height * np.exp(-(p**2).sum(-1) / (2 * 12.0**2))[..., None] * np.array([1.0, -0.5, 0.7])


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(("before", "after"), [(rigid(), rigid()), (rigid(40, (100, -50, 8)), rigid(-15, (1, 2, 3)))])
def test_there_and_back(before, after):
    move = field(bump(8.0), before=before, after=after)
    back, residual = move.inverse().solve(move(INSIDE))
    np.testing.assert_allclose(back, INSIDE, atol=5e-4)
    assert residual.max() < 1e-3
    assert move.inverse().residual_mm(move(INSIDE)) == residual.max()
    assert move.inverse().inverse() is move
    assert isinstance(Chain((before, move)).inverse().parts[0], InverseDeformable)


@pytest.mark.hazard("H04", "H12")
def test_points_without_an_answer_are_unknown():
    move = field(constant(2, 0, 0))
    back = move.inverse()
    asked = np.array([FIRST, FIRST, UP, UP, UP, np.full(3, np.nan)])
    asked[[0, 3, 4], 0] += [2, 2, 2.1]
    found, residual = back.solve(asked)
    assert np.isfinite(residual).tolist() == [True, False, True, True, False, False]
    np.testing.assert_allclose(found[[0, 2, 3]], [FIRST, (UP[0] - 2, *UP[1:]), UP], atol=1e-6)
    assert np.isnan(found[[1, 4, 5]]).all()
    assert np.isnan(back.residual_mm(asked[[1, 4, 5]]))
    assert back(asked.reshape(2, 3, 3)).shape == (2, 3, 3)


@pytest.mark.hazard("H04", "H12")
def test_a_field_folded_everywhere_has_no_way_back():
    """u = -1.5 x turns space inside out: the determinant is 1 - 1.5 everywhere."""
    p = places()
    move = field(np.stack([-1.5 * p[..., 0], np.zeros(SHAPE), np.zeros(SHAPE)], axis=-1))
    assert np.isnan(move.inverse()(move(INSIDE))).all()


def test_a_steep_fold_never_gives_a_wrong_answer():
    """A bump that folds in its middle: what is answered maps onto the point asked, the rest is unknown."""
    move = field(bump(40.0))
    volumes = jacobian_determinant(move, INSIDE)
    assert np.nanmin(volumes) < 0 < np.nanmax(volumes)
    asked = move(INSIDE)
    back, residual = move.inverse().solve(asked)
    known = np.isfinite(residual)
    assert 50 < known.sum() < len(INSIDE)
    np.testing.assert_allclose(move(back[known]), asked[known], atol=0.1)


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors_mm": np.zeros((0, 2, 2, 3), np.float32)}, "is empty"),
        ({"vectors_mm": np.zeros((2, 2, 2), np.float32)}, "is empty"),
        ({"vectors_mm": np.zeros((2, 2, 2, 2), np.float32)}, "is empty"),
        ({"vectors_mm": np.full((2, 2, 2, 3), np.nan, np.float32)}, "no finite vector"),
        ({"directions": np.eye(2)}, "right-handed unit vectors"),
        ({"directions": np.diag([1.0, 1.0, -1.0])}, "right-handed unit vectors"),
        ({"directions": 2 * np.eye(3)}, "right-handed unit vectors"),
        ({"origin_mm": np.array([0.0, np.nan, 0.0])}, "three finite numbers"),
        ({"origin_mm": np.zeros(2)}, "three finite numbers"),
        ({"spacing_mm": np.ones(4)}, "three finite numbers"),
        ({"spacing_mm": np.array([1.0, 0.0, 1.0])}, "not above zero"),
    ],
)
def test_grids_without_geometry_are_refused(change, message):
    good = {"origin_mm": np.zeros(3), "directions": np.eye(3), "spacing_mm": np.ones(3), "vectors_mm": np.zeros((2, 3, 4, 3), np.float32)}
    with pytest.raises(GeometryError, match=message):
        Deformable(**{**good, **change})
