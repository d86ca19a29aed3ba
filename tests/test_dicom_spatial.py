from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import DEFORMABLE, FRAME, OTHER_FRAME, REG, dataset, obj, plan, registration, save
from pydicom.dataset import Dataset
from registration_factory import SHAPE, constant, deformable, deformable_item, grid_item, places

from reirrad.dicom.identity import Identity, hashed, identity_of
from reirrad.dicom.spatial import Found, read_rigid, read_transform
from reirrad.errors import DicomError
from reirrad.registration import Affine, Rigid

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
    "perspective": (np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.1, 1.0]]), "does not end with the row 0 0 0 1"),
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


# ------------------------------------------------------------------------------------------------------- types of matrices, scale, rounding


def one(tmp_path: Path, matrix: np.ndarray, kind: str | None = "RIGID") -> Found:
    ds = registration([(OTHER_FRAME, [matrix])])
    stored = ds.RegistrationSequence[0].MatrixRegistrationSequence[0].MatrixSequence[0]
    if kind is None:
        del stored.FrameOfReferenceTransformationMatrixType
    else:
        stored.FrameOfReferenceTransformationMatrixType = kind
    return read_transform([(save(ds, tmp_path / "reg.dcm"), "reg.dcm")], OTHER_FRAME, FRAME)


def rounded(decimals: int, degrees: float = 8) -> np.ndarray:
    turn = np.eye(4)
    angle = np.deg2rad(degrees)
    turn[:2, :2] = np.round([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], decimals)
    return turn


@pytest.mark.hazard("H12")
def test_rotation_of_three_decimals_is_made_exact_and_said(tmp_path: Path) -> None:
    found = one(tmp_path, rounded(3))
    assert isinstance(found.transform, Rigid)
    np.testing.assert_allclose(found.transform.matrix[:3, :3] @ found.transform.matrix[:3, :3].T, np.eye(3), atol=1e-14)
    (notice,) = found.notices
    assert notice.code == "registration_rounded"
    # 0.990^2 + 0.139^2 = 0.999421: lengths are short by 0.00029, that is 0.06 mm in 200 mm
    assert "200 mm from the origin of coordinates by up to 0.06 mm" in notice.message
    with pytest.raises(DicomError, match="scale or shear"):
        read_rigid(tmp_path / "reg.dcm", "reg.dcm", OTHER_FRAME, FRAME)
    assert one(tmp_path, rounded(5)).notices == ()


@pytest.mark.hazard("H12")
def test_rotation_of_two_decimals_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="scale or shear"):
        one(tmp_path, rounded(2, 30))  # 0.87^2 + 0.5^2 = 1.0069


SCALED = np.diag([1.02, 1.0, 0.99, 1.0])
SHEARED = np.array([[1, 0.02, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("kind", ["RIGID_SCALE", "AFFINE"])
def test_stated_scale_is_applied_and_said(tmp_path: Path, kind: str) -> None:
    found = one(tmp_path, SCALED, kind)
    assert isinstance(found.transform, Affine)
    np.testing.assert_allclose(found.transform(np.array([100.0, 100, 100])), [102, 100, 99])
    (notice,) = found.notices
    assert notice.code == "registration_scaled"
    assert "by 0.9900 to 1.0200" in notice.message
    with pytest.raises(DicomError, match="scale or shear"):
        read_rigid(tmp_path / "reg.dcm", "reg.dcm", OTHER_FRAME, FRAME)


@pytest.mark.hazard("H12")
def test_shear_needs_the_type_affine(tmp_path: Path) -> None:
    assert one(tmp_path, SHEARED, "AFFINE").transform(np.array([0.0, 100, 0])).tolist() == [7.0, 100.0, 0.0]
    with pytest.raises(DicomError, match="stated to be RIGID_SCALE but shears"):
        one(tmp_path, SHEARED, "RIGID_SCALE")


@pytest.mark.parametrize("kind", ["RIGID", None, "OTHER"])
def test_scale_against_the_stated_type(tmp_path: Path, kind: str | None) -> None:
    with pytest.raises(DicomError, match="scale or shear"):
        one(tmp_path, SCALED, kind)


def test_stated_affine_that_hardly_scales(tmp_path: Path) -> None:
    tiny = one(tmp_path, np.diag([1.0005, 1, 1, 1]), "AFFINE")
    assert isinstance(tiny.transform, Affine)
    assert tiny.notices == ()
    assert isinstance(one(tmp_path, TURN, "AFFINE").transform, Rigid)


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.diag([0.001, 0.001, 0.001, 1]), "scales by 0.001 to 0.001, as no two scans"),
        (np.diag([10.0, 10, 10, 1]), "scales by 10 to 10"),
        (np.diag([1.0, 1, 0, 1]), "singular"),
        (np.diag([0.0, 0, 0, 1]), "singular"),
        (np.diag([-1.0, 1, 1, 1]), "mirrored"),
        (TURN.T, "does not end with the row 0 0 0 1"),
        (0.001 * TURN, "does not end with the row 0 0 0 1"),
    ],
)
def test_no_type_allows(tmp_path: Path, matrix: np.ndarray, message: str) -> None:
    with pytest.raises(DicomError, match=message):
        one(tmp_path, matrix, "AFFINE")


def test_wrong_number_of_values(tmp_path: Path) -> None:
    ds = registration([(OTHER_FRAME, [TURN])])
    ds.RegistrationSequence[0].MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrix = ["1"] * 12
    with pytest.raises(DicomError, match="12 values where 16 are needed"):
        read(tmp_path, ds)


# ------------------------------------------------------------------------------------------------------- ways over several objects

A, B, C, D = (f"1.2.3.4.10000{n}" for n in range(1, 5))


def objects(tmp_path: Path, *found: Dataset) -> list[tuple[Path, str]]:
    files = []
    for n, ds in enumerate(found):
        ds.SOPInstanceUID = f"1.2.3.66.{n}"
        files.append((save(ds, tmp_path / f"r{n}.dcm"), f"r{n}.dcm"))
    return files


def link(source: str, target: str, matrix: np.ndarray, **more: Any) -> Dataset:
    return registration([(source, [matrix])], frame=target, **more)


POINT = np.array([1.0, 2.0, 3.0])
INSIDE = np.array([1.0, 20.0, -7.0])  # of the grid


@pytest.mark.hazard("H12")
def test_a_chain_of_objects_in_any_order_and_direction(tmp_path: Path) -> None:
    """A -> B by a shift, C -> B by the turn (so B -> C by its inverse), C -> D by a shift."""
    files = objects(tmp_path, link(C, D, shift(0, 0, 7)), link(C, B, TURN), link(A, B, shift(7, 19, 27)))
    found = read_transform(files, A, D)
    # (1, 2, 3) -> (8, 21, 30) -> back through the turn (1, 2, 0) -> (1, 2, 7)
    np.testing.assert_allclose(found.transform(POINT), [1, 2, 7], atol=1e-9)
    np.testing.assert_allclose(read_transform(files, D, A).transform(np.array([1.0, 2, 7])), POINT, atol=1e-9)
    assert isinstance(found.transform, Rigid)
    assert [r.name for r in found.records] == ["r2.dcm", "r1.dcm", "r0.dcm"]
    assert found.notices == ()


def test_fewest_steps_and_what_is_not_used(tmp_path: Path) -> None:
    files = objects(tmp_path, link(A, B, shift(1, 0, 0)), link(B, C, shift(0, 2, 0)), link(A, C, shift(1, 2, 0)), link(C, D, TURN))
    found = read_transform(files, A, C)
    np.testing.assert_allclose(found.transform(POINT), [2, 4, 3], atol=1e-9)
    assert [r.name for r in found.records] == ["r2.dcm"]
    assert [(n.code, n.message.split()[2]) for n in found.notices] == [("registration_unused", f"r{k}.dcm") for k in (0, 1, 3)]


@pytest.mark.hazard("H12")
def test_two_ways_that_disagree(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match=r"up to 0.2 mm apart: r2.dcm, and r0.dcm then r1.dcm. Name only the one that was approved"):
        read_transform(objects(tmp_path, link(A, B, shift(1, 0, 0)), link(B, C, shift(0, 2, 0)), link(A, C, shift(1, 2.2, 0))), A, C)
    agreeing = objects(tmp_path, link(A, B, shift(1, 0, 0)), link(B, C, shift(0, 2, 0)), link(A, C, shift(1, 2.05, 0)))
    np.testing.assert_allclose(read_transform(agreeing, A, C).transform(POINT), [2, 4.05, 3], atol=1e-9)


@pytest.mark.hazard("H12")
def test_frames_that_are_not_linked(tmp_path: Path) -> None:
    files = objects(tmp_path, link(A, B, TURN), link(C, D, TURN))
    message = "The registrations r0.dcm, r1.dcm do not link .*, …100001 and …100003 .*; they link …100001 with …100002, …100003 with …100004"
    with pytest.raises(DicomError, match=message):
        read_transform(files, A, C)
    with pytest.raises(DicomError, match=r"…100001 and \(none\)"):
        read_transform(files, A, "")
    with pytest.raises(DicomError, match=r"\(none\) and …100001"):
        read_transform(files, "", A)
    with pytest.raises(DicomError, match="No registration was given for two courses"):
        read_transform([], A, C)


def test_same_frame_needs_no_way(tmp_path: Path) -> None:
    found = read_transform(objects(tmp_path, link(A, B, TURN)), A, A)
    assert found.transform(POINT).tolist() == POINT.tolist()
    assert found.records == ()


def test_too_many_ways(tmp_path: Path) -> None:
    files = objects(tmp_path, *(link(A, B, TURN) for _ in range(52)))
    with pytest.raises(DicomError, match="too many ways to compare"):
        read_transform(files, A, B)


@pytest.mark.hazard("H12")
def test_deformable_in_both_directions(tmp_path: Path) -> None:
    """The object maps its own frame to the source: + (2, 0, 0)."""
    files = objects(tmp_path, deformable(deformable_item(grid=grid_item(constant(2, 0, 0)))), link(OTHER_FRAME, A, shift(0, 0, 100)))
    along = read_transform(files[:1], FRAME, OTHER_FRAME)
    np.testing.assert_allclose(along.transform(INSIDE), [3, 20, -7], atol=1e-5)
    assert along.notices == ()
    against = read_transform(files, A, FRAME)
    np.testing.assert_allclose(against.transform(np.array([3.0, 20, 93])), INSIDE, atol=1e-3)
    assert [n.code for n in against.notices] == ["registration_inverted"]
    assert "r0.dcm points the other way than needed" in against.notices[0].message
    assert against.notices[0].message.endswith("At 504 of its grid points the result is exact to 0.001 mm.")
    assert np.isnan(against.transform(np.array([500.0, 20, 93]))).all()
    with pytest.raises(DicomError, match="deformable registration, which is not yet applied"):
        read_rigid(*files[0], FRAME, OTHER_FRAME)


@pytest.mark.hazard("H12")
def test_folded_deformation(tmp_path: Path) -> None:
    """Below z = -12 nothing moves, above it space is turned inside out along z."""
    p = places()
    vectors = np.stack([np.zeros(SHAPE), np.zeros(SHAPE), np.where(p[..., 2] > -12, -1.5 * (p[..., 2] + 12), 0.0)], axis=-1)
    (file,) = objects(tmp_path, deformable(deformable_item(grid=grid_item(vectors))))
    (notice,) = read_transform([file], OTHER_FRAME, FRAME).notices
    # 8 planes: those at -30, -24 and -18 are unmoved; -6, 0, 6 and 12 land on them, and the one at -12 is the fold itself
    assert "; 62.5 % of them have no answer or several" in notice.message
    turned = grid_item(-1.5 * p * np.array([1.0, 0, 0]))
    with pytest.raises(DicomError, match=r"r0.dcm points the other way and cannot be inverted"):
        read_transform(objects(tmp_path, deformable(deformable_item(grid=turned))), OTHER_FRAME, FRAME)


@pytest.mark.hazard("H12")
def test_deformable_beside_a_rigid_way(tmp_path: Path) -> None:
    """Compared at the points that the deformation moves, in either direction and behind another step."""
    field = deformable(deformable_item(grid=grid_item(constant(2, 0, 0))))
    files = objects(tmp_path, field, link(FRAME, OTHER_FRAME, shift(2, 0, 0)), link(A, FRAME, shift(0, 0, 200)))
    # the matrix is the shorter or equal way; against its direction the deformation would have to be inverted
    assert read_transform(files, OTHER_FRAME, A).records[0].name == "r1.dcm"
    assert read_transform(files, A, OTHER_FRAME).records[1].name == "r0.dcm"
    off = objects(tmp_path, field, link(FRAME, OTHER_FRAME, shift(2, 0, 0.5)), link(A, FRAME, shift(0, 0, 200)))
    for source, target in ((OTHER_FRAME, A), (A, OTHER_FRAME)):
        with pytest.raises(DicomError, match=r"up to 0\.5 mm apart"):
            read_transform(off, source, target)
    elsewhere = deformable(deformable_item(grid=grid_item(constant(2, 0, 0), ImagePositionPatient=[900, 900, 900])))
    with pytest.raises(DicomError, match="no point in common"):
        read_transform(objects(tmp_path, field, elsewhere), FRAME, OTHER_FRAME)


@pytest.mark.hazard("H10", "H12")
def test_whose_registration(tmp_path: Path) -> None:
    named = obj(REG, "1", PatientName="Roe^Mary", PatientBirthDate="19600202")
    wrong, married = (link(A, B, TURN) for _ in range(2))
    wrong.PatientName, wrong.PatientBirthDate = named.PatientName, named.PatientBirthDate
    married.PatientName = named.PatientName
    unnamed = link(A, B, TURN, PatientID=None)
    patient = identity_of(link(A, B, TURN))
    with pytest.raises(DicomError, match=r"r0.dcm is of another patient than the courses, whatever its Patient ID says"):
        read_transform(objects(tmp_path, wrong), A, B, identity=patient)
    for ds, code in ((married, "patient_identity_differs"), (unnamed, "patient_id_missing")):
        (notice,) = read_transform(objects(tmp_path, ds), A, B, identity=patient).notices
        assert notice.code == code
        assert "r0.dcm" in notice.message
    assert read_transform(objects(tmp_path, link(A, B, TURN)), A, B, identity=patient).notices == ()
