"""Transforms with a matrix: what they do to points, and what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import GeometryError
from reirrad.registration import Affine, Chain, Rigid, Transform, composed, jacobian_determinant

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "registration.toml").read_text(encoding="utf-8"))

angles = st.floats(-180, 180)
shifts = st.floats(-1000, 1000)


def about_z(degrees, shift=(0.0, 0.0, 0.0)):
    matrix = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:3, 3] = shift
    return matrix


@pytest.mark.hazard("H12")
def test_a_quarter_turn_then_a_shift():
    moved = Rigid(about_z(90, (10.0, -5.0, 2.5)))(np.array([[1.0, 0, 0], [0, 1.0, 7.0]]))
    np.testing.assert_allclose(moved, [[10.0, -4.0, 2.5], [9.0, -5.0, 9.5]], atol=1e-12)


def test_the_example_of_the_standard():
    shift = np.eye(4)
    shift[:3, 3] = 0.625, 0.625, 2.5
    assert Rigid(shift)(np.array([-0.625, -0.625, 0.0])).tolist() == [0.0, 0.0, 2.5]


@given(angles, angles, shifts, shifts)
def test_there_and_back_is_nothing(z, x, a, b):
    turn = about_z(x, (a, b, a - b))[[2, 0, 1, 3]][:, [2, 0, 1, 3]]
    move = Rigid(about_z(z, (b, a, 1.0)) @ turn)
    points = np.array([[12.0, -300.0, 55.0], [0, 0, 0], [-7.5, 1e3, 1e-3]])
    np.testing.assert_allclose(move.inverse()(move(points)), points, atol=1e-8)
    distances = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
    np.testing.assert_allclose(np.linalg.norm(move(points) - np.roll(move(points), 1, axis=0), axis=1), distances, rtol=1e-9)


def changed(row, column, value):
    matrix = about_z(30)
    matrix[row, column] = value
    return matrix


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.diag([1.001, 1, 1, 1]),
        np.diag([1.0, 1, -1, 1]),
        np.diag([0.0, 1, 1, 1]),
        changed(0, 3, np.nan),
        changed(1, 1, np.inf),
        changed(0, 2, 0.02),
        changed(3, 0, 0.1),
        changed(3, 3, 2.0),
        np.zeros((4, 4)),
    ],
    ids=["3x3", "scale", "mirror", "flat", "nan", "inf", "shear", "projective", "weight", "zero"],
)
def test_what_is_not_rigid_is_refused(matrix):
    with pytest.raises(GeometryError, match="rigid registration is needed"):
        Rigid(matrix)


def test_rounding_in_a_file_is_accepted():
    rounded = np.round(about_z(8, (17.5, -9.25, 12.0)), 5)
    assert Rigid(rounded)(np.zeros(3)).tolist() == [17.5, -9.25, 12.0]


# ------------------------------------------------------------------------------------------------------- scale and shear, chains


def test_golden_matrices():
    for entry in GOLDEN["matrix"]:
        move = Rigid(np.array(entry["matrix"], float).reshape(4, 4))
        for point in entry["points"]:
            np.testing.assert_allclose(move(np.array(point["source_mm"])), point["registered_mm"], atol=1e-12)
            np.testing.assert_allclose(move.inverse()(np.array(point["registered_mm"])), point["source_mm"], atol=1e-12)


SHEAR = np.array([[1.0, 0.5, 0, 3], [0, 1.25, 0, 0], [0, 0, 0.8, -4], [0, 0, 0, 1]])


def test_affine_there_and_back():
    move = Affine(SHEAR)
    # (3 + 2 + 0.5 * 4, 1.25 * 4, 0.8 * 10 - 4)
    assert move(np.array([2.0, 4.0, 10.0])).tolist() == [7.0, 5.0, 4.0]
    np.testing.assert_allclose(move.inverse()(np.array([7.0, 5.0, 4.0])), [2.0, 4.0, 10.0], atol=1e-12)


def test_scales_do_not_depend_on_a_turn():
    np.testing.assert_allclose(Affine(about_z(33, (1, 2, 3)) @ np.diag([1.1, 0.9, 1.0, 1.0])).scales, (1.1, 1.0, 0.9), atol=1e-12)


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    "matrix",
    [np.eye(3), np.diag([1.0, 1, -1, 1]), np.diag([1.0, 0, 1, 1]), np.zeros((4, 4)), np.diag([np.nan, 1, 1, 1]), np.diag([1.0, 1, 1, 2])],
    ids=["3x3", "mirror", "flat", "zero", "nan", "weight"],
)
def test_what_cannot_move_a_patient_is_refused(matrix):
    with pytest.raises(GeometryError, match="without mirroring is needed"):
        Affine(matrix)


def test_a_chain_applies_its_first_part_first():
    shift, turn = Rigid(about_z(0, (5, 0, 0))), Rigid(about_z(90))
    chain = Chain((shift, turn))
    np.testing.assert_allclose(chain(np.array([1.0, 2.0, 3.0])), [-2.0, 6.0, 3.0], atol=1e-12)
    np.testing.assert_allclose(chain.inverse()(np.array([-2.0, 6.0, 3.0])), [1.0, 2.0, 3.0], atol=1e-12)
    assert chain.description == "rigid: turned by 0.0 degrees, origin shifted by (5.0, 0.0, 0.0) mm; then " + turn.description
    assert Chain(()).description == "identity"
    assert Chain(())(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("degrees", "said"), [(-90, "90.0"), (180, "180.0"), (0.06, "0.1")])
def test_description_states_the_angle(degrees, said):
    assert Rigid(about_z(degrees, (-0.04, 2, 3))).description == f"rigid: turned by {said} degrees, origin shifted by (0.0, 2.0, 3.0) mm"


class Elsewhere:
    """A transform without a matrix."""

    description = "elsewhere"

    def __call__(self, points_mm):
        return points_mm + 1.0

    def inverse(self):
        return self


def test_neighbouring_matrices_become_one():
    shift, turn, stretch, other = Rigid(about_z(0, (5, 0, 0))), Rigid(about_z(90)), Affine(SHEAR), Elsewhere()
    assert isinstance(other, Transform)
    both = composed([shift, turn])
    assert isinstance(both, Rigid)
    np.testing.assert_allclose(both.matrix, about_z(90, (0, 5, 0)), atol=1e-12)
    scaled = composed([Chain((shift, turn)), stretch])
    assert isinstance(scaled, Affine)
    np.testing.assert_allclose(scaled.matrix, SHEAR @ about_z(90, (0, 5, 0)), atol=1e-12)
    mixed = composed([shift, turn, other, turn])
    assert isinstance(mixed, Chain)
    assert [type(part) for part in mixed.parts] == [Rigid, Elsewhere, Rigid]
    np.testing.assert_allclose(mixed(np.zeros(3)), [-6.0, 1.0, 1.0], atol=1e-12)
    assert composed([other]) is other
    assert composed([])(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, 2.0, 3.0]


class Stretched(Elsewhere):
    """x grows by `part` of itself where x > 0; unknown below -10."""

    def __init__(self, part):
        self.part = part

    def __call__(self, points_mm):
        x = points_mm[..., :1]
        moved = points_mm + np.where(x > 0, self.part * x, 0.0) * np.array([1.0, 0, 0])
        return np.where(x < -10, np.nan, moved)


def test_jacobian():
    points = np.array([[[5.0, 1, 2], [-5.0, 1, 2]], [[-10.5, 0, 0], [100.0, -3, 1]]])
    np.testing.assert_allclose(jacobian_determinant(Stretched(0.1), points), [[1.1, 1.0], [np.nan, 1.1]], atol=1e-9)
    # u = -1.2 x folds: 1 - 1.2
    np.testing.assert_allclose(jacobian_determinant(Stretched(-1.2), points[0, :1], step_mm=0.5), [-0.2], atol=1e-9)
    np.testing.assert_allclose(jacobian_determinant(Rigid(about_z(50, (1, 2, 3))), points), np.ones((2, 2)), atol=1e-9)
    np.testing.assert_allclose(jacobian_determinant(Affine(SHEAR), points[0]), [1.0, 1.0], atol=1e-9)


def test_points_that_are_not_known_stay_unknown():
    points = np.array([[np.nan, np.nan, np.nan], [0.0, 0, 0]])
    for move in (Rigid(about_z(30)), Affine(SHEAR)):
        assert np.isnan(move(points)).all(axis=-1).tolist() == [True, False]
