"""Deformable Spatial Registration objects: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import FRAME, OTHER_FRAME, dataset, save
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from registration_factory import POSITION, RESOLUTION, SHAPE, constant, deformable, deformable_item, grid_item, matrix_item, places

from reirrad.deformation import Deformable
from reirrad.dicom.deformable import deformable_links
from reirrad.dicom.files import read_record
from reirrad.dicom.framelink import FrameLink
from reirrad.errors import DicomError
from reirrad.registration import Affine, Rigid

POINT = np.array([1.0, 20.0, -7.0])  # inside the grid
TURN = np.array([[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1.0]])
SCALED = np.diag([1.02, 1.0, 1.0, 1.0])


def shift(x: float, y: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def links(tmp_path: Path, ds: Dataset, **more: Any) -> tuple[FrameLink, ...]:
    record = read_record(save(ds, tmp_path / "dro.dcm", **more), "dro.dcm")
    assert record is not None
    return deformable_links(record)


def moved(tmp_path: Path, *items: Dataset) -> list[float]:
    (link,) = links(tmp_path, deformable(*items))
    return np.round(link.transform(POINT), 5).tolist()


# vectors that differ along every axis, none of them symmetric
RISING = places() * np.array([0.1, 0.02, -0.05])
EXPECTED = [1.1, 20.4, -6.65]  # POINT + (0.1 * 1, 0.02 * 20, 0.05 * 7)


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_vectors_of_every_transfer_syntax(tmp_path: Path, syntax: str | None) -> None:
    grid = grid_item(RISING, big_endian=syntax == ExplicitVRBigEndian)
    more = {} if syntax is None else {"syntax": syntax}
    (link,) = links(tmp_path, deformable(deformable_item(grid=grid)), **more)
    assert (link.start, link.end, link.record.name) == (FRAME, OTHER_FRAME, "dro.dcm")
    np.testing.assert_allclose(link.transform(POINT), EXPECTED, atol=1e-5)
    assert isinstance(link.transform, Deformable)
    assert link.transform.vectors_mm.shape == (*SHAPE, 3)
    assert link.transform.vectors_mm.dtype.isnative


@pytest.mark.hazard("H12")
def test_first_the_one_matrix_then_the_vector_then_the_other(tmp_path: Path) -> None:
    """Shift (1, 2, 3) + (5, 0, 0), vector (0, 1, 0), then the quarter turn: (7, 23, -4) -> (-23, 7, -4) + (10, 20, 30)."""
    item = deformable_item(grid=grid_item(constant(0, 1, 0)), before=[matrix_item(shift(6, 2, 3))], after=[matrix_item(TURN)])
    assert moved(tmp_path, item) == [-13.0, 27.0, 26.0]


@pytest.mark.hazard("H12")
def test_parts_spread_over_several_items(tmp_path: Path) -> None:
    split = [
        deformable_item(before=[matrix_item(np.eye(4)), matrix_item(shift(6, 2, 3))]),
        deformable_item(grid=grid_item(constant(0, 1, 0)), before=[matrix_item(shift(6, 2, 3))], after=[matrix_item(np.eye(4))]),
        deformable_item(source="", grid=grid_item(constant(9, 9, 9))),
        deformable_item(after=[matrix_item(TURN)]),
    ]
    assert moved(tmp_path, *split) == [-13.0, 27.0, 26.0]


def test_where_only_another_frame_has_a_grid_the_vectors_are_zero(tmp_path: Path) -> None:
    matrices = deformable_item(before=[matrix_item(shift(6, 2, 3))], after=[matrix_item(TURN)])
    link, _ = links(tmp_path, deformable(matrices, deformable_item(source="1.2.3.300", grid=grid_item(RISING)), deformable_item(source="1.2.3.301")))
    assert isinstance(link.transform, Rigid)
    np.testing.assert_allclose(link.transform(POINT), [-12.0, 27.0, 26.0])


@pytest.mark.hazard("H12")
def test_matrices_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="matrices alone and no vector grid"):
        links(tmp_path, deformable(deformable_item(before=[matrix_item(shift(6, 2, 3))])))


@pytest.mark.hazard("H12")
def test_oblique_grid(tmp_path: Path) -> None:
    """i runs along y, j along z, k along x; cosines of four decimals become exact."""
    grid = grid_item(constant(0, 0, 0) + np.arange(9.0)[:, None] * [1, 0, 0], ImageOrientationPatient=["0.0001", "1", "0", "0", "0", "1"])
    (link,) = links(tmp_path, deformable(deformable_item(grid=grid)))
    first = np.array(POSITION)
    # three steps of 4 mm along y: vector (3, 0, 0); the direction itself is turned by 0.0001
    np.testing.assert_allclose(link.transform(first + np.array([0.0012, 12, 10])) - first, [3.0012, 12, 10], atol=1e-5)
    assert isinstance(link.transform, Deformable)
    np.testing.assert_allclose(link.transform.directions @ link.transform.directions.T, np.eye(3), atol=1e-12)


def test_scaling_matrix_is_said(tmp_path: Path) -> None:
    (link,) = links(tmp_path, deformable(deformable_item(grid=grid_item(RISING), after=[matrix_item(SCALED, "RIGID_SCALE")])))
    assert [n.code for n in link.notices] == ["registration_scaled"]
    assert isinstance(link.transform, Deformable)
    assert isinstance(link.transform.after, Affine)


def test_object_without_frame_links_nothing(tmp_path: Path) -> None:
    assert links(tmp_path, deformable(deformable_item(grid=grid_item(RISING)), frame=None)) == ()


def test_own_frame_may_be_listed(tmp_path: Path) -> None:
    own = deformable_item(FRAME, before=[matrix_item(np.eye(4))])
    assert [link.end for link in links(tmp_path, deformable(own, deformable_item(grid=grid_item(RISING))))] == [OTHER_FRAME]


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    ("item", "message"),
    [
        (deformable_item(FRAME, before=[matrix_item(TURN)]), "moves its own frame"),
        (deformable_item(FRAME, grid=grid_item(RISING)), "moves its own frame"),
        (deformable_item(before=[matrix_item(TURN), matrix_item(shift(1, 0, 0))]), "several matrices before or after"),
        (deformable_item(after=[dataset()]), r"Frame of Reference Transformation Matrix \(3006,00C6\) is missing"),
        (deformable_item(after=[matrix_item(np.diag([-1.0, 1, 1, 1]))]), "mirrored"),
        (deformable_item(after=[matrix_item(SCALED)]), "scale or shear"),
    ],
)
def test_bad_matrices(tmp_path: Path, item: Dataset, message: str) -> None:
    with pytest.raises(DicomError, match=message):
        links(tmp_path, deformable(item))


def test_two_grids(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="several vector grids"):
        links(tmp_path, deformable(*(deformable_item(grid=grid_item(RISING)) for _ in range(2))))


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (grid_item(RISING, dimensions=(9, 7, 0)), "needs 0 bytes"),
        (grid_item(np.zeros((0, 7, 9, 3)), dimensions=(9, 7, 0)), "missing or empty"),
        (grid_item(RISING, VectorGridData=None), "missing or empty"),
        (grid_item(RISING, dimensions=(4_000_000_000, 4_000_000_000, 4_000_000_000)), "bytes of vectors, and 6048 are stored"),
        (grid_item(RISING, dimensions=(9, 7)), "Grid Dimensions .* is not three"),
        (grid_item(RISING, GridDimensions=None), "Grid Dimensions .* is not three"),
        (grid_item(RISING, GridResolution=[4.0, float("nan"), 6.0]), "Grid Resolution .* is not three finite"),
        (grid_item(RISING, GridResolution=[4.0, -5.0, 6.0]), "spacing of the grid of a deformation is not above zero"),
        (grid_item(RISING, ImageOrientationPatient=[1, 0, 0, 0.1, 1, 0]), "orthogonal unit directions"),
        (grid_item(RISING, ImageOrientationPatient=None), r"\(0020,0037\) is missing"),
        (grid_item(RISING, ImagePositionPatient=[1, 2]), "2 values where 3 are needed"),
        (grid_item(np.full((*SHAPE, 3), np.nan)), "no finite vector"),
        (grid_item(RISING, big_endian=True), "longer than a metre"),
    ],
)
def test_bad_grids(tmp_path: Path, grid: Dataset, message: str) -> None:
    with pytest.raises(DicomError, match=message):
        links(tmp_path, deformable(deformable_item(grid=grid)))


def test_the_grid_is_not_the_default_one() -> None:
    """Guards the tests above: a grid with equal steps or sides would hide swapped axes."""
    assert len(set(RESOLUTION)) == 3
    assert len(set(SHAPE)) == 3
