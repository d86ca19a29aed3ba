from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import DEFORMABLE, FRAME, OTHER_FRAME, dataset, plan, registration, save

from reirrad.dicom.identity import Identity, hashed
from reirrad.dicom.spatial import read_rigid
from reirrad.errors import DicomError

# 90 degrees about z, then (10, 20, 30): (1, 2, 3) -> (-2, 1, 3) -> (8, 21, 33)
TURN = np.array([[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1.0]])
IDENTITY = np.eye(4)


def shift(x: float, y: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def read(tmp_path: Path, ds: Any, source: str = OTHER_FRAME, target: str = FRAME, **more: Any) -> np.ndarray:
    return read_rigid(save(ds, tmp_path / "reg.dcm"), "reg.dcm", source, target, **more)


@pytest.mark.hazard("H12")
def test_direction_follows_the_frames(tmp_path: Path) -> None:
    ds = registration([(FRAME, [IDENTITY]), (OTHER_FRAME, [TURN])])
    np.testing.assert_allclose(read(tmp_path, ds) @ [1, 2, 3, 1], [8, 21, 33, 1], atol=1e-12)
    np.testing.assert_allclose(read(tmp_path, ds, FRAME, OTHER_FRAME) @ [8, 21, 33, 1], [1, 2, 3, 1], atol=1e-12)


def test_registered_frame_needs_no_item(tmp_path: Path) -> None:
    np.testing.assert_allclose(read(tmp_path, registration([(OTHER_FRAME, [TURN])])), TURN, atol=1e-12)


@pytest.mark.hazard("H12")
def test_two_frames_linked_through_a_third(tmp_path: Path) -> None:
    ds = registration([(OTHER_FRAME, [shift(1, 0, 0)]), ("1.2.3.300", [shift(0, 5, 0)])])
    np.testing.assert_allclose(read(tmp_path, ds, target="1.2.3.300"), shift(1, -5, 0), atol=1e-12)


@pytest.mark.hazard("H12")
def test_several_matrices_apply_in_their_order(tmp_path: Path) -> None:
    # first the shift: (1, 2, 3) -> (6, 2, 3), then the turn -> (-2, 6, 3) + (10, 20, 30)
    ds = registration([(OTHER_FRAME, [shift(5, 0, 0), TURN])])
    np.testing.assert_allclose(read(tmp_path, ds) @ [1, 2, 3, 1], [8, 26, 33, 1], atol=1e-12)


def test_rounded_rotation_becomes_exact(tmp_path: Path) -> None:
    angle = np.deg2rad(8)
    turn = np.eye(4)
    turn[:2, :2] = np.round([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], 5)
    found = read(tmp_path, registration([(OTHER_FRAME, [turn])]))[:3, :3]
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(found[0, 0], np.cos(angle), atol=1e-5)


BAD = {
    "scale": (np.diag([1.03, 1, 1, 1]), "scale or shear"),
    "shear": (np.array([[1, 0, 0.2, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "scale or shear"),
    "perspective": (np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.1, 1.0]]), "scale or shear"),
    "mirror": (np.diag([-1.0, 1, 1, 1]), "mirrored"),
}


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(("matrix", "message"), BAD.values(), ids=BAD.keys())
def test_not_rigid(tmp_path: Path, matrix: np.ndarray, message: str) -> None:
    with pytest.raises(DicomError, match=message):
        read(tmp_path, registration([(OTHER_FRAME, [matrix])]))


@pytest.mark.hazard("H12")
def test_nan_in_matrix(tmp_path: Path) -> None:
    path = save(registration([(OTHER_FRAME, [shift(17.5, 0, 0)])]), tmp_path / "reg.dcm")
    path.write_bytes(path.read_bytes().replace(b"17.5", b"nan "))
    with pytest.raises(DicomError, match="not a finite number"):
        read_rigid(path, "reg.dcm", OTHER_FRAME, FRAME)


@pytest.mark.hazard("H12")
def test_wrong_objects(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="not a DICOM registration"):
        read(tmp_path, plan())
    with pytest.raises(DicomError, match="deformable registration, which is not yet applied"):
        read(tmp_path, registration([(OTHER_FRAME, [TURN])], sop_class=DEFORMABLE))
    (tmp_path / "reg.txt").write_text("no")
    with pytest.raises(DicomError, match="not a DICOM registration"):
        read_rigid(tmp_path / "reg.txt", "reg.txt", OTHER_FRAME, FRAME)


@pytest.mark.hazard("H10", "H12")
def test_other_frames_and_other_patient(tmp_path: Path) -> None:
    ds = registration([(OTHER_FRAME, [TURN])])
    with pytest.raises(DicomError, match="does not link the frames"):
        read(tmp_path, ds, source="1.2.3.300")
    with pytest.raises(DicomError, match="does not link the frames"):
        read(tmp_path, registration([(OTHER_FRAME, [TURN])], frame=None))  # type: ignore[arg-type]
    with pytest.raises(DicomError, match="another Patient ID"):
        read(tmp_path, ds, identity=Identity(hashed("P2")))
    np.testing.assert_allclose(read(tmp_path, ds, identity=Identity(hashed("P1"))), TURN, atol=1e-12)


@pytest.mark.hazard("H12")
def test_contradictions(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="two different matrices"):
        read(tmp_path, registration([(OTHER_FRAME, [TURN]), (OTHER_FRAME, [IDENTITY])]))
    with pytest.raises(DicomError, match="moves its own frame"):
        read(tmp_path, registration([(FRAME, [TURN]), (OTHER_FRAME, [TURN])]))
    ds = registration([(OTHER_FRAME, [TURN])])
    both = ds.RegistrationSequence[0].MatrixRegistrationSequence
    both.append(both[0])
    with pytest.raises(DicomError, match="several registrations"):
        read(tmp_path, ds)


def test_items_without_matrix_or_frame_are_passed_over(tmp_path: Path) -> None:
    ds = registration([(OTHER_FRAME, [TURN])])
    ds.RegistrationSequence += [
        dataset(FrameOfReferenceUID="1.2.3.300"),
        dataset(MatrixRegistrationSequence=ds.RegistrationSequence[0].MatrixRegistrationSequence),
    ]
    np.testing.assert_allclose(read(tmp_path, ds), TURN, atol=1e-12)
