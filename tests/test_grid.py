"""Where voxels are: every patient position against the equation of DICOM PS3.3 C.7.6.2.1.1, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import GeometryError
from reirrad.grid import Grid

POSITIONS = {
    "HFS": (1, 0, 0, 0, 1, 0),
    "HFP": (-1, 0, 0, 0, -1, 0),
    "HFDL": (0, -1, 0, 1, 0, 0),
    "HFDR": (0, 1, 0, -1, 0, 0),
    "FFS": (-1, 0, 0, 0, 1, 0),
    "FFP": (1, 0, 0, 0, -1, 0),
    "FFDL": (0, 1, 0, 1, 0, 0),
    "FFDR": (0, -1, 0, -1, 0, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
}
TILTED = (0.8, 0.6, 0.0, -0.6 * 0.28, 0.8 * 0.28, 0.96)
OFFSETS = np.array([0.0, 2.0, 5.5, 7.25, 7.75])


def plain(shape=(2, 3, 4)):
    nz, ny, nx = shape
    return Grid(np.eye(3), -7.5 + 1.5 * np.arange(nx), 20 + 2.5 * np.arange(ny), 100 + 4.0 * np.arange(nz))


def voxel_centres(position, row, column, row_spacing, column_spacing, n_rows, n_columns, offsets):
    """Centres [frame, row, column, xyz], by the equation of the standard, one voxel at a time."""
    normal = np.cross(row, column)
    out = np.empty((len(offsets), n_rows, n_columns, 3))
    for frame, offset in enumerate(offsets):
        for i in range(n_rows):
            for j in range(n_columns):
                out[frame, i, j] = position + row * column_spacing * j + column * row_spacing * i + normal * offset
    return out


@pytest.mark.hazard("H11")
@pytest.mark.parametrize("offsets", [OFFSETS, -OFFSETS], ids=["rising", "falling"])
@pytest.mark.parametrize("cosines", [*POSITIONS.values(), TILTED], ids=[*POSITIONS, "tilted"])
def test_every_stored_voxel_keeps_its_place(cosines, offsets):
    position, row, column = np.array([-31.25, 208.5, -1013.0]), np.array(cosines[:3], float), np.array(cosines[3:], float)
    stored = voxel_centres(position, row, column, 2.5, 1.5, 3, 4, offsets)
    grid, order, step = Grid.from_dicom(position, row, column, 2.5, 1.5, 3, 4, offsets)
    turned = stored.transpose(*order, 3)[:: step[0], :: step[1], :: step[2]]
    w, v, u = np.meshgrid(grid.w_mm, grid.v_mm, grid.u_mm, indexing="ij")
    np.testing.assert_allclose(grid.to_patient(np.stack([u, v, w], axis=-1)), turned, atol=1e-9)
    assert grid.shape == turned.shape[:3]
    assert grid.is_axial == (cosines is not TILTED)


@pytest.mark.hazard("H11")
def test_the_spacing_between_rows_runs_along_the_columns():
    grid, _, _ = Grid.from_dicom(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 2.5, 1.5, 3, 4, OFFSETS)
    assert grid.u_mm.tolist() == [0, 1.5, 3, 4.5]
    assert grid.v_mm.tolist() == [0, 2.5, 5]
    assert grid.spacing_mm == (1.5, 2.5, (1.75 + 2.0) / 2)


def test_cosines_rounded_in_the_file_still_make_an_axial_grid():
    grid, _, _ = Grid.from_dicom(np.array([1.0, 2, 3]), np.array([1, 9e-6, 0]), np.array([-9e-6, 1, 0]), 2.0, 3.0, 2, 2, np.array([0, 4.0]))
    assert np.array_equal(grid.rotation, np.eye(3))
    off, _, _ = Grid.from_dicom(np.array([1.0, 2, 3]), np.array([1, 2e-5, 0]), np.array([-2e-5, 1, 0]), 2.0, 3.0, 2, 2, np.array([0, 4.0]))
    assert not off.is_axial


def test_the_points_of_a_plane_stand_as_its_voxels():
    points = plain().plane_points_mm(1).reshape(3, 4, 3)
    assert points[0, 0].tolist() == [-7.5, 20.0, 104.0]
    assert points[2, 3].tolist() == [-3.0, 25.0, 104.0]


def test_one_plane_has_no_spacing_along_its_normal():
    grid, order, step = Grid.from_dicom(np.array([5.0, 6, 7]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 2.0, 3.0, 2, 2, np.zeros(1))
    assert np.isnan(grid.spacing_mm[2])
    assert (order, step, grid.w_mm.tolist()) == ((0, 1, 2), (1, 1, 1), [7.0])


@given(st.tuples(*[st.floats(-2000, 2000)] * 3))
def test_turning_there_and_back_is_nothing(point):
    grid, _, _ = Grid.from_dicom(np.zeros(3), np.array(TILTED[:3]), np.array(TILTED[3:]), 2.5, 1.5, 3, 4, OFFSETS)
    np.testing.assert_allclose(grid.to_patient(grid.to_local(np.array([point]))), [point], atol=1e-9)


@pytest.mark.parametrize(("row", "column"), [(0.0, 1.5), (2.5, -1.5), (float("nan"), 1.5)])
def test_spacing_that_is_not_positive_is_refused(row, column):
    with pytest.raises(GeometryError, match="above zero"):
        Grid.from_dicom(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), row, column, 3, 4, OFFSETS)


@pytest.mark.hazard("H11")
@pytest.mark.parametrize("offsets", [[0, 2, 2, 4], [0, 2, 1, 4], [0, np.nan, 4, 6], [0, 2, np.inf, 6]])
def test_planes_that_repeat_or_turn_back_are_refused(offsets):
    with pytest.raises(GeometryError, match="not finite and rising"):
        Grid.from_dicom(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 2.5, 1.5, 3, 4, np.array(offsets, float))


@pytest.mark.hazard("H11")
@pytest.mark.parametrize("cosines", [(2.0, 0, 0, 0, 1, 0), (1.0, 0, 0, 0.6, 0.8, 0), (0.0, 0, 0, 0, 0, 0), (np.nan, 0, 0, 0, 1, 0)])
def test_directions_that_are_not_orthonormal_are_refused(cosines):
    with pytest.raises(GeometryError, match="orthogonal unit vectors"):
        Grid.from_dicom(np.zeros(3), np.array(cosines[:3], float), np.array(cosines[3:], float), 2.5, 1.5, 3, 4, OFFSETS)


@pytest.mark.hazard("H11")
def test_a_mirrored_grid_is_refused():
    with pytest.raises(GeometryError, match="mirrored"):
        Grid(np.diag([1.0, 1, -1]), np.arange(2.0), np.arange(2.0), np.arange(2.0))


@pytest.mark.parametrize("line", [np.array([]), np.array([[1.0, 2.0]]), np.array([1.0, 1.0]), np.array([2.0, 1.0]), np.array([0.0, np.nan])])
def test_coordinates_that_do_not_rise_are_refused(line):
    with pytest.raises(GeometryError, match="v_mm"):
        Grid(np.eye(3), np.arange(2.0), line, np.arange(2.0))


def test_coordinates_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="read-only"):
        plain().u_mm[0] = 1.0
