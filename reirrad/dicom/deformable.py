"""Deformable Spatial Registration objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from reirrad.deformation import Deformable, Float32
from reirrad.dicom.files import Record
from reirrad.dicom.framelink import FrameLink, linear
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import decimals, items, name_of, text
from reirrad.errors import DicomError, GeometryError, Notice
from reirrad.grid import Float64
from reirrad.registration import Affine, Rigid, composed

__all__ = ["deformable_links"]

ORTHONORMAL = 1e-3
# A body is smaller; longer vectors are bytes in the wrong order.
MAX_VECTOR_MM = 1000.0
VECTOR_GRID_DATA = 0x00640009


@dataclass(slots=True)
class _Parts:
    """What the items of one source frame hold; some writers spread them over several items."""

    before: list[Rigid | Affine] = field(default_factory=list)
    after: list[Rigid | Affine] = field(default_factory=list)
    grids: list[Dataset] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def deformable_links(record: Record) -> tuple[FrameLink, ...]:
    """Links of a Deformable Spatial Registration object, each from its own frame of reference to a source frame.

    Raises
    ------
    DicomError
        When a matrix or grid is not usable, or the object contradicts itself.

    References
    ----------
    DICOM PS3.3 C.20.3.1.1: P_source = M_post (M_pre P_registered + vector at P_registered); without a grid the vectors are zero.
    """
    file = record.name
    header = read_header(record.path, file)
    links = []
    with reading(file):
        little_endian = header.syntax != ExplicitVRBigEndian
        by_frame = _parts(header.dataset, file)
        for frame, parts in by_frame.items():
            before, after = _only(parts.before, file), _only(parts.after, file)
            if len(parts.grids) > 1:
                raise DicomError(f"The deformable registration {file} holds several vector grids for one frame of reference. Export one for each.")
            if parts.grids:
                transform: Deformable | Rigid | Affine = _deformable(parts.grids[0], before, after, file, little_endian)
            elif parts.before or parts.after:
                both = composed([before, after])
                assert isinstance(both, Rigid | Affine)
                if frame != record.frame_uid and not any(other.grids for other in by_frame.values()):
                    # Its matrices run against those of a rigid object; a writer that puts a rigid result here most likely mixed them up.
                    raise DicomError(
                        f"The deformable registration {file} holds matrices alone and no vector grid, so in which direction they are meant is not certain. "
                        "Export it as a (rigid) Spatial Registration."
                    )
                transform = both
            else:
                continue
            if frame != record.frame_uid:
                links.append(FrameLink(record.frame_uid, frame, transform, record, tuple(parts.notices)))
            elif isinstance(transform, Deformable) or not np.allclose(transform.matrix, np.eye(4), atol=1e-4):
                raise DicomError(f"The registration {file} moves its own frame of reference, which contradicts itself. Export it again.")
    return tuple(link for link in links if link.start)


def _parts(ds: Dataset, file: str) -> dict[str, _Parts]:
    """Matrices and grids by source frame."""
    found: dict[str, _Parts] = {}
    for item in items(ds, "DeformableRegistrationSequence"):
        frame = text(item, "SourceFrameOfReferenceUID")
        if not frame:
            continue
        parts = found.setdefault(frame, _Parts())
        parts.grids += items(item, "DeformableRegistrationGridSequence")
        for keyword, matrices in (("PreDeformationMatrixRegistrationSequence", parts.before), ("PostDeformationMatrixRegistrationSequence", parts.after)):
            for stored in items(item, keyword):
                transform, notices = linear(stored, file)
                matrices.append(transform)
                parts.notices += notices
    return found


def _only(matrices: list[Rigid | Affine], file: str) -> Rigid | Affine:
    """The one matrix that does something, or the identity."""
    moving = [m for m in matrices if not np.allclose(m.matrix, np.eye(4), rtol=0, atol=1e-6)]
    if any(not np.allclose(m.matrix, moving[0].matrix, rtol=0, atol=1e-6) for m in moving):
        raise DicomError(f"The deformable registration {file} holds several matrices before or after its deformation; DICOM allows one. Export it again.")
    return moving[0] if moving else Rigid(np.eye(4))


def _deformable(grid: Dataset, before: Rigid | Affine, after: Rigid | Affine, file: str, little_endian: bool) -> Deformable:
    position = decimals(grid, "ImagePositionPatient", file, 3)
    cosines = decimals(grid, "ImageOrientationPatient", file, 6)
    row, column = cosines[:3], cosines[3:]
    if np.abs(np.array([row @ row, column @ column, row @ column]) - [1.0, 1.0, 0.0]).max() > ORTHONORMAL:
        raise DicomError(f"{file}: {name_of('ImageOrientationPatient')} is not two orthogonal unit directions. Export the object again.")
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    try:
        return Deformable(
            position,
            np.array([row, column, np.cross(row, column)]),
            _three(grid, "GridResolution", file),
            _vectors(grid, file, little_endian),
            before,
            after,
        )
    except GeometryError as error:
        raise DicomError(f"{file}: {error} Export the registration again.") from None


def _three(grid: Dataset, keyword: str, file: str) -> Float64:
    """Three finite numbers stored in binary."""
    value: Any = grid.get(keyword)
    stored = np.atleast_1d(np.asarray([] if value is None else value, np.float64))
    if stored.shape != (3,) or not np.all(np.isfinite(stored)):
        raise DicomError(f"{file}: {name_of(keyword)} is not three finite numbers. Export the registration again.")
    return stored


def _vectors(grid: Dataset, file: str, little_endian: bool) -> Float32:
    """Vectors (nk, nj, ni, 3); the length is checked before memory is taken."""
    ni, nj, nk = (int(n) for n in _three(grid, "GridDimensions", file))
    element = grid.get_item(VECTOR_GRID_DATA)
    data = element.value if element is not None else None
    if not isinstance(data, bytes) or not data:
        raise DicomError(f"{file}: {name_of('VectorGridData')} is missing or empty. Export the registration again.")
    if len(data) != 12 * ni * nj * nk:
        raise DicomError(
            f"{file}: a grid of {ni} x {nj} x {nk} points needs {12 * ni * nj * nk} bytes of vectors, and {len(data)} are stored. Export it again."
        )
    vectors = np.frombuffer(data, "<f4" if little_endian else ">f4").reshape(nk, nj, ni, 3).astype(np.float32, copy=False)
    known = np.isfinite(vectors)
    if np.any(np.abs(vectors, where=known, out=np.zeros_like(vectors)) > MAX_VECTOR_MM):
        raise DicomError(f"{file}: {name_of('VectorGridData')} holds vectors longer than a metre, so its byte order or unit is wrong. Export it again.")
    return vectors
