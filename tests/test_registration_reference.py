"""Registration objects of other writers, against points computed by others, from a folder outside the project; skipped without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reirrad.dicom.files import Record, read_record
from reirrad.dicom.spatial import read_transform
from reirrad.errors import DicomError
from reirrad.registration import jacobian_determinant

SRO, SRO_TOO = "reg_rigid/sro.dcm", "reg_pydicomrt/sro_rigid.dcm"
DRO, DRO_TOO = "reg_deformable/dro.dcm", "reg_pydicomrt/dsro_grid_then_rigid.dcm"
# file, key of the expected points, direction (course numbers), tolerances in mm there and back; the fields were sampled at 3 and 5 mm
EXPECTED = [
    (SRO, "sro_rigid moving->fixed", (1, 2), 0.01),
    (SRO, "sro_rigid fixed->moving", (2, 1), 0.01),
    (SRO_TOO, "sro_rigid moving->fixed", (1, 2), 0.01),
    (SRO_TOO, "sro_rigid fixed->moving", (2, 1), 0.01),
    (DRO, "plastimatch dro fixed->moving (no matrices)", (2, 1), 0.3),
    (DRO_TOO, "dsro_grid_then_rigid fixed->moving (analytic at grid-independent points)", (2, 1), 0.3),
]


@pytest.fixture
def folder(reference_data: Path) -> Path:
    return reference_data / "two_courses_rigid_deformable"


def course(folder: Path, number: int) -> Record:
    record = read_record(folder / f"course{number}" / "dose.dcm", "dose.dcm")
    assert record is not None
    return record


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(("file", "key", "direction", "tolerance_mm"), EXPECTED)
def test_points_of_both_writers_in_both_directions(folder: Path, file: str, key: str, direction: tuple[int, int], tolerance_mm: float) -> None:
    source, target = (course(folder, n) for n in direction)
    there = read_transform([(folder / file, file)], source.frame_uid, target.frame_uid, identity=source.identity)
    back = read_transform([(folder / file, file)], target.frame_uid, source.frame_uid, identity=source.identity)
    expected = json.loads((folder / "expected_points.json").read_text())[key]
    assert len(expected) == 4
    for asked, answer in expected.items():
        np.testing.assert_allclose(there.transform(np.array(json.loads(asked), float)), answer, atol=tolerance_mm)
        np.testing.assert_allclose(back.transform(np.array(answer)), json.loads(asked), atol=tolerance_mm)
    assert [r.name for r in there.records] == [file]
    assert there.notices == ()
    assert [n.code for n in back.notices] == (["registration_inverted"] if tolerance_mm > 0.01 else [])


def test_rigid_objects_of_both_writers_agree(folder: Path) -> None:
    frames = [course(folder, n).frame_uid for n in (1, 2)]
    found = read_transform([(folder / f, f) for f in (SRO, SRO_TOO)], frames[0], frames[1])
    assert [n.code for n in found.notices] == ["registration_unused"]


@pytest.mark.hazard("H12")
def test_rigid_and_deformable_objects_do_not(folder: Path) -> None:
    frames = [course(folder, n).frame_uid for n in (1, 2)]
    with pytest.raises(DicomError, match=r"Two ways of registration lead between the frames of the courses, to places up to \d+\.\d mm apart"):
        read_transform([(folder / f, f) for f in (SRO, DRO)], frames[0], frames[1])


def test_inversion_and_volumes_over_the_whole_field(folder: Path) -> None:
    """A smooth field of at most 11 mm over 60 mm and more: nothing folds, and the way back ends where it began."""
    frames = [course(folder, n).frame_uid for n in (1, 2)]
    for file in (DRO, DRO_TOO):
        there = read_transform([(folder / file, file)], frames[1], frames[0]).transform
        points = np.random.default_rng(3).uniform([-90, -100, -60], [90, 90, 70], (2000, 3))
        np.testing.assert_allclose(there.inverse()(there(points)), points, atol=1e-3)
        volumes = jacobian_determinant(there, points)
        assert 0.5 < volumes.min() < 1 < volumes.max() < 1.5
