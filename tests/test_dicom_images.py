from __future__ import annotations

from pathlib import Path

import pytest
from dicom_factory import FRAME, OTHER_FRAME, ct, save

from reirrad.dicom.files import Record, read_record
from reirrad.dicom.images import read_stack
from reirrad.errors import DicomError

MINE = frozenset({"1.2.3.9.2"})


def records(tmp_path: Path, *planes: object) -> tuple[Record, ...]:
    found = [read_record(save(ds, tmp_path / f"{k}.dcm"), f"{k}.dcm") for k, ds in enumerate(planes)]  # type: ignore[arg-type]
    return tuple(r for r in found if r is not None)


def test_planes_rise_along_the_normal(tmp_path: Path) -> None:
    stack, notices = read_stack(records(tmp_path, ct(2), ct(0), ct(1)), FRAME, MINE)
    assert stack is not None
    assert (stack.positions_mm.tolist(), stack.normal.tolist(), stack.series_uid) == ([20, 23, 26], [0, 0, 1], "1.2.3.9.2")
    assert notices == []


def test_feet_first_planes_have_the_same_normal(tmp_path: Path) -> None:
    stack, _ = read_stack(records(tmp_path, *(ct(k, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0]) for k in range(3))), FRAME, MINE)
    assert stack is not None
    assert (stack.positions_mm.tolist(), stack.normal.tolist()) == ([20, 23, 26], [0, 0, 1])


def test_gap_and_repeat(tmp_path: Path) -> None:
    stack, notices = read_stack(records(tmp_path, ct(0), ct(1), ct(2), ct(4), ct(4, tag=2)), FRAME, MINE, "C")
    assert stack is not None
    assert stack.positions_mm.tolist() == [20, 23, 26, 32]
    assert [(n.code, n.course) for n in notices] == [("ct_slice_repeated", "C"), ("ct_slice_missing", "C")]


def test_series_of_the_structure_set_is_chosen(tmp_path: Path) -> None:
    other = [ct(k, tag=2, SeriesInstanceUID="1.2.3.9.77") for k in range(4)]
    found = records(tmp_path, ct(0), ct(1), *other)
    stack, notices = read_stack(found, FRAME, MINE)
    assert stack is not None
    assert (stack.series_uid, [n.code for n in notices]) == ("1.2.3.9.2", ["ct_series_chosen"])
    stack, _ = read_stack(found, FRAME)
    assert stack is not None
    assert stack.series_uid == "1.2.3.9.77"


def test_no_images(tmp_path: Path) -> None:
    assert read_stack((), FRAME) == (None, [])


@pytest.mark.hazard("H01")
def test_other_frame(tmp_path: Path) -> None:
    found = records(tmp_path, ct(0), ct(1, FrameOfReferenceUID=OTHER_FRAME))
    with pytest.raises(DicomError, match="another frame of reference"):
        read_stack(found, FRAME, MINE)
    stack, _ = read_stack(found, FRAME)
    assert stack is not None
    assert stack.positions_mm.tolist() == [20]
    with pytest.raises(DicomError, match="another frame of reference"):
        read_stack(found[1:], FRAME)


@pytest.mark.parametrize(("second", "message"), [([0, 1, 0, 0, 0, -1], "same orientation"), ([1, 0, 0, 2, 0, 0], "orthogonal unit")])
def test_orientations(tmp_path: Path, second: list[float], message: str) -> None:
    with pytest.raises(DicomError, match=message):
        read_stack(records(tmp_path, ct(0), ct(1, ImageOrientationPatient=second)), FRAME, MINE)
