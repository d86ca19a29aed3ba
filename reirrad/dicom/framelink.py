"""Matrices of registration objects, and the links between frames of reference that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from reirrad.dicom.files import Record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import decimals, items, text
from reirrad.errors import DicomError, Notice
from reirrad.grid import Float64
from reirrad.registration import Affine, Rigid, Transform, composed

__all__ = ["FrameLink", "linear", "matrix_links"]

# |R'R - I|: decimals of a file stay below the first; a rotation written with few decimals below the second; 0.1 % of scale above both
RIGID = 1e-4
ROUNDED = 1e-3
# Two scans of one person differ by a few per cent at most; more is another unit.
SCALES = (0.5, 2.0)
SCALING_TYPES = ("RIGID_SCALE", "AFFINE")


@dataclass(frozen=True, slots=True, eq=False)
class FrameLink:
    """What one object says of two frames of reference.

    Parameters
    ----------
    start, end : str
        Frame of Reference UIDs.
    transform : Transform
        Points of the frame `start` to the frame `end`.
    record : Record
        The object.
    """

    start: str
    end: str
    transform: Transform
    record: Record
    notices: tuple[Notice, ...] = ()


def matrix_links(record: Record) -> tuple[FrameLink, ...]:
    """Links of a Spatial Registration object, each to its own frame of reference.

    Raises
    ------
    DicomError
        When a matrix is not usable, or the object contradicts itself.

    References
    ----------
    DICOM PS3.3 C.20.2.1.1: a matrix maps the frame of its item to the Frame of Reference UID of the object.
    """
    file, registered = record.name, record.frame_uid
    header = read_header(record.path, file)
    links: dict[str, FrameLink] = {}
    with reading(file):
        for item in items(header.dataset, "RegistrationSequence"):
            found = _of_item(item, file)
            frame = text(item, "FrameOfReferenceUID")
            if found is None or not frame or not registered:
                continue
            transform, notices = found
            if frame == registered and not np.allclose(transform.matrix, np.eye(4), atol=RIGID):
                raise DicomError(f"The registration {file} moves its own frame of reference, which contradicts itself. Export it again.")
            link = links.setdefault(frame, FrameLink(frame, registered, transform, record, notices))
            if isinstance(link.transform, Rigid | Affine) and not np.allclose(link.transform.matrix, transform.matrix, atol=RIGID):
                raise DicomError(f"The registration {file} holds two different matrices for one frame of reference. Export it again.")
    return tuple(link for frame, link in links.items() if frame != registered)


def _of_item(item: Dataset, file: str) -> tuple[Rigid | Affine, tuple[Notice, ...]] | None:
    """Product of the matrices of one item, the first applied first; None when it has none."""
    registrations = items(item, "MatrixRegistrationSequence")
    if len(registrations) > 1:
        raise DicomError(f"The registration {file} holds several registrations for one frame of reference. Export one.")
    found = [linear(stored, file) for r in registrations for stored in items(r, "MatrixSequence")]
    if not found:
        return None
    total = composed([transform for transform, _ in found])
    assert isinstance(total, Rigid | Affine)
    return total, tuple(notice for _, notices in found for notice in notices)


def linear(stored: Dataset, file: str) -> tuple[Rigid | Affine, tuple[Notice, ...]]:
    """One Frame of Reference Transformation Matrix (3006,00C6), checked against its type (0070,030C).

    Parameters
    ----------
    stored : Dataset
        The item that holds it.
    file : str
        For messages.

    Returns
    -------
    Rigid or Affine
        Rigid, with the rounding of its rotation removed, unless the type allows a scale and there is one.
    notices : tuple of Notice
        registration_rounded, registration_scaled.

    Raises
    ------
    DicomError
        When it is not 16 finite numbers, mirrors, is singular, scales against its type, or by more than a person can.
    """
    matrix = decimals(stored, "FrameOfReferenceTransformationMatrix", file, 16).reshape(4, 4)
    stated = text(stored, "FrameOfReferenceTransformationMatrixType").upper()
    if np.abs(matrix[3] - [0, 0, 0, 1]).max() > RIGID:
        raise DicomError(f"The matrix of the registration {file} does not end with the row 0 0 0 1, so it is not in the order of DICOM. Export it again.")
    scales = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if scales[2] < 1e-6 * scales[0] or scales[0] == 0:
        raise DicomError(f"The matrix of the registration {file} is singular: it makes a volume flat. Give a rigid registration.")
    if np.linalg.det(matrix[:3, :3]) < 0:
        raise DicomError(f"The matrix of the registration {file} is mirrored (negative determinant). Give a rigid registration.")
    exact = _orthonormal(matrix)
    products = matrix[:3, :3].T @ matrix[:3, :3]
    off = float(np.abs(products - np.eye(3)).max())
    if off <= RIGID:
        return Rigid(exact), ()
    if stated not in SCALING_TYPES:
        if off > ROUNDED:
            raise DicomError(f"The matrix of the registration {file} is not rigid: it holds a scale or shear. Give a rigid registration.")
        moved_mm = 200.0 * float(np.linalg.norm(matrix[:3, :3] - exact[:3, :3], 2))
        message = (
            f"The rotation in the registration {file} is written with few decimals and is not quite one; it was replaced by the nearest rotation, "
            f"which moves points 200 mm from the origin of coordinates by up to {moved_mm:.2f} mm."
        )
        return Rigid(exact), (Notice("registration_rounded", message),)
    if scales[0] > SCALES[1] or scales[2] < SCALES[0]:
        raise DicomError(
            f"The matrix of the registration {file} scales by {scales[2]:.3g} to {scales[0]:.3g}, as no two scans of one person do. Export it again, in mm."
        )
    sizes = np.sqrt(np.diag(products))
    if stated == "RIGID_SCALE" and np.abs(products / np.outer(sizes, sizes) - np.eye(3)).max() > ROUNDED:
        raise DicomError(f"The matrix of the registration {file} is stated to be RIGID_SCALE but shears. Export it again, best as a rigid registration.")
    matrix[3] = 0, 0, 0, 1
    if np.abs(scales - 1.0).max() <= ROUNDED:
        return Affine(matrix), ()
    message = (
        f"The registration {file} scales lengths by {scales[2]:.4f} to {scales[0]:.4f}; it was applied as it stands. "
        "Two CTs of one person have one scale: a registration without scale is what doses need."
    )
    return Affine(matrix), (Notice("registration_scaled", message),)


def _orthonormal(matrix: Float64) -> Float64:
    """The same translation with the nearest rotation."""
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    rigid = np.eye(4)
    rigid[:3, :3] = u @ vt
    rigid[:3, 3] = matrix[:3, 3]
    return rigid
