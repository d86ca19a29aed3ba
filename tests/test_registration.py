"""Rigid transforms: what they do to points, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import GeometryError
from reirrad.registration import Rigid

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
