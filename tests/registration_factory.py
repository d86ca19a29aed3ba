"""Registration objects for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from dicom_factory import DEFORMABLE, FRAME, OTHER_FRAME, dataset, obj
from pydicom.dataset import Dataset

POSITION, RESOLUTION = (-20.0, 10.0, -30.0), (4.0, 5.0, 6.0)
SHAPE = (8, 7, 9)  # planes, rows, columns


def places(shape: tuple[int, int, int] = SHAPE, position: Sequence[float] = POSITION, resolution: Sequence[float] = RESOLUTION) -> np.ndarray:
    """Grid points (nk, nj, ni, 3) of an axial grid."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.stack([i, j, k], axis=-1) * np.array(resolution) + np.array(position)


def constant(x: float, y: float, z: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y, z], np.float64), (*SHAPE, 3))


def matrix_item(matrix: np.ndarray, kind: str | None = "RIGID") -> Dataset:
    item = dataset(FrameOfReferenceTransformationMatrix=[f"{v:.12g}" for v in np.asarray(matrix, float).ravel()])
    if kind is not None:
        item.FrameOfReferenceTransformationMatrixType = kind
    return item


def grid_item(vectors: np.ndarray, *, dimensions: Sequence[int] | None = None, big_endian: bool = False, **more: Any) -> Dataset:
    nk, nj, ni = vectors.shape[:3]
    item = dataset(
        ImagePositionPatient=list(POSITION),
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        GridDimensions=list(dimensions or (ni, nj, nk)),
        GridResolution=list(RESOLUTION),
        VectorGridData=vectors.astype(">f4" if big_endian else "<f4").tobytes(),
    )
    for keyword, value in more.items():
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    return item


def deformable_item(source: str = OTHER_FRAME, grid: Dataset | None = None, before: Sequence[Dataset] = (), after: Sequence[Dataset] = ()) -> Dataset:
    item = dataset(SourceFrameOfReferenceUID=source)
    if grid is not None:
        item.DeformableRegistrationGridSequence = [grid]
    if before:
        item.PreDeformationMatrixRegistrationSequence = list(before)
    if after:
        item.PostDeformationMatrixRegistrationSequence = list(after)
    return item


def deformable(*items: Dataset, frame: str | None = FRAME, uid: str = "1.2.3.67") -> Dataset:
    ds = obj(DEFORMABLE, uid, Modality="REG", FrameOfReferenceUID=frame)
    ds.DeformableRegistrationSequence = list(items)
    return ds
