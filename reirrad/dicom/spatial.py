"""Spatial Registration objects: a rigid transformation between two frames of reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from reirrad.dicom.files import read_record
from reirrad.dicom.identity import Identity
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import decimals, items, text
from reirrad.errors import DicomError
from reirrad.grid import Float64

__all__ = ["read_rigid"]

SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
DEFORMABLE = "1.2.840.10008.5.1.4.1.1.66.3"
# |R'R - I|: rounding of decimals in files stays below, 0.01 % of scale does not
RIGID = 1e-4


def read_rigid(path: Path, file: str, source_frame_uid: str, target_frame_uid: str, *, identity: Identity | None = None) -> Float64:
    """Read the rigid transformation from one frame of reference to another.

    Parameters
    ----------
    path : Path
        The registration object; resolved and inside the case folder.
    file : str
        Its name for messages.
    source_frame_uid, target_frame_uid : str
        Frames of Reference UIDs of the wanted direction; the object may hold either.
    identity : Identity, optional
        The patient of the courses.

    Returns
    -------
    (4, 4) float64
        Homogeneous matrix, in mm: a point of the source frame times it is the same point of the patient in the target frame.

    Raises
    ------
    DicomError
        When the object is no rigid registration of these two frames and this patient.

    References
    ----------
    DICOM PS3.3 C.20.2.1.1: a matrix maps the frame of its item to the Frame of Reference UID of the object.
    """
    record = read_record(path, file)
    if record is None or record.sop_class_uid != SPATIAL_REGISTRATION:
        if record is not None and record.sop_class_uid == DEFORMABLE:
            raise DicomError(f"{file} is a deformable registration, which is not yet applied. Give a rigid Spatial Registration object for these courses.")
        raise DicomError(f"{file} is not a DICOM registration (Spatial Registration object). Give the object that registers the two courses.")
    if identity is not None and None not in (identity.patient_id, record.identity.patient_id) and identity.patient_id != record.identity.patient_id:
        raise DicomError(f"The registration {file} carries another Patient ID than the courses. Give the registration of this patient.")
    header = read_header(path, file)
    with reading(file):
        to_registered: dict[str, Float64] = {}
        for item in items(header.dataset, "RegistrationSequence"):
            matrix = _matrix(item, file)
            frame = text(item, "FrameOfReferenceUID")
            if matrix is None or not frame:
                continue
            if not np.allclose(to_registered.setdefault(frame, matrix), matrix, atol=RIGID):
                raise DicomError(f"The registration {file} holds two different matrices for one frame of reference. Export it again.")
        registered = record.frame_uid
        if not np.allclose(to_registered.setdefault(registered, np.eye(4)), np.eye(4), atol=RIGID):
            raise DicomError(f"The registration {file} moves its own frame of reference, which contradicts itself. Export it again.")
    if not registered or source_frame_uid not in to_registered or target_frame_uid not in to_registered:
        raise DicomError(f"The registration {file} does not link the frames of reference of the two courses. Give the registration of their planning images.")
    return np.asarray(_inverse(to_registered[target_frame_uid]) @ to_registered[source_frame_uid])


def _matrix(item: Dataset, file: str) -> Float64 | None:
    """Product of the matrices of one item, the first applied first; None when it has none."""
    registrations = items(item, "MatrixRegistrationSequence")
    matrices = [m for r in registrations for m in items(r, "MatrixSequence")]
    if len(registrations) > 1:
        raise DicomError(f"The registration {file} holds several registrations for one frame of reference. Export one.")
    if not matrices:
        return None
    total = np.eye(4)
    for stored in matrices:
        total = _rigid(decimals(stored, "FrameOfReferenceTransformationMatrix", file, 16).reshape(4, 4), file) @ total
    return total


def _rigid(matrix: Float64, file: str) -> Float64:
    """The matrix, checked to be rigid, with rounding of its rotation removed."""
    rotation = matrix[:3, :3]
    if np.abs(matrix[3] - [0, 0, 0, 1]).max() > RIGID or np.abs(rotation.T @ rotation - np.eye(3)).max() > RIGID:
        raise DicomError(f"The matrix of the registration {file} is not rigid: it holds a scale or shear. Give a rigid registration.")
    if np.linalg.det(rotation) < 0:
        raise DicomError(f"The matrix of the registration {file} is mirrored (negative determinant). Give a rigid registration.")
    u, _, vt = np.linalg.svd(rotation)
    rigid = np.eye(4)
    rigid[:3, :3] = u @ vt
    rigid[:3, 3] = matrix[:3, 3]
    return rigid


def _inverse(rigid: Float64) -> Float64:
    inverse = np.eye(4)
    inverse[:3, :3] = rigid[:3, :3].T
    inverse[:3, 3] = -rigid[:3, :3].T @ rigid[:3, 3]
    return inverse
