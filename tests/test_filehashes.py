"""Checksums of the input against sha256 of the bytes on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import case_factory as make
import pytest

from reirrad.casefile import CaseFile, read_case_file
from reirrad.course import Case
from reirrad.errors import CaseFileError
from reirrad.filehashes import file_hashes, sha256_of
from reirrad.loading import load_case

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make.write_case(tmp_path)


def hashes(folder: Path) -> dict[str, str]:
    case, _ = load_case(folder)
    found = file_hashes(folder, read_case_file(folder), case)
    assert len(dict(found)) == len(found), "each name once"
    return dict(found)


def test_known_digests(tmp_path: Path) -> None:
    """Of nothing, and of a file longer than a chunk: a million and a half times the letter a, in one go."""
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty") == EMPTY
    (tmp_path / "long").write_bytes(b"a" * 1_500_000)
    assert sha256_of(tmp_path / "long") == hashlib.sha256(b"a" * 1_500_000).hexdigest()


@pytest.mark.hazard("H48")
def test_every_file_that_was_used_is_named_with_its_digest(folder: Path) -> None:
    found = hashes(folder)
    one_by_one = [name for name in found if "images" not in name]
    assert one_by_one == ["case.yaml", "limits.yaml", *(f"c{k}/0{n}.dcm" for k in (1, 2) for n in (0, 1, 2))]
    assert {name: found[name] for name in one_by_one} == {name: digest(folder / name) for name in one_by_one}


def test_images_of_a_course_have_one_digest_together(folder: Path) -> None:
    together = hashlib.sha256("".join(sorted(digest(folder / "c1" / f"0{k}.dcm") for k in range(3, 9))).encode()).hexdigest()
    assert hashes(folder)["first: 6 images together"] == together


def test_another_pixel_in_any_file_is_another_digest(folder: Path) -> None:
    before = hashes(folder)
    make.write_course(folder / "c1", 1, 31, 10)
    after = hashes(folder)
    assert {name for name in before if before[name] != after[name]} == {"c1/00.dcm", "c1/01.dcm"}  # dose, and the prescription of the plan


def test_case_file_may_have_another_name(folder: Path) -> None:
    (folder / "case.yaml").rename(folder / "second try.yaml")
    path = folder / "second try.yaml"
    case, _ = load_case(path)
    (first, *_) = file_hashes(path, read_case_file(path), case)
    assert first == ("second try.yaml", digest(path))


def test_files_of_registrations_and_letters_are_named(tmp_path: Path) -> None:
    dvh = "# kind: cumulative\nstructure,dose_gy,volume_cc\nRectum,0,7.5\nRectum,30,7.5\nRectum,31,0\n"
    courses = """
  - {name: letter, kind: prior, completed: 2019-01-01, prescription: {dose_gy: 30, fractions: 10}, dvh: papers/letter.csv}
  - {name: second, kind: proposed, dicom: c2, starts: 2022-01-01}
"""
    folder = make.write_case_file(tmp_path, "constraints: [pelvis, limits.yaml]", courses)
    make.write_course(folder / "c2", 2, 20, 5)
    (folder / "papers").mkdir()
    (folder / "papers" / "letter.csv").write_text(dvh, encoding="utf-8")
    found = hashes(folder)
    assert list(found)[:3] == ["case.yaml", "limits.yaml", "papers/letter.csv"]
    assert found["papers/letter.csv"] == hashlib.sha256(dvh.encode()).hexdigest()
    assert "pelvis" not in found  # a set of the library comes with the program, whose version stands in the document


def test_registration_files_are_named(folder: Path) -> None:
    case, _ = load_case(folder)
    text = "constraints: limits.yaml\nregistration:\n  - {course: first, method: file, file: [a.dcm, b.dcm]}"
    make.write_case_file(folder, text)
    for name in ("a.dcm", "b.dcm"):
        (folder / name).write_bytes(name.encode())
    found = dict(file_hashes(folder, read_case_file(folder), case))
    assert found["b.dcm"] == hashlib.sha256(b"b.dcm").hexdigest()
    assert list(found)[1:4] == ["limits.yaml", "a.dcm", "b.dcm"]


@pytest.mark.hazard("H48")
def test_image_that_is_gone_is_refused(folder: Path) -> None:
    case, file = _both(folder)
    (folder / "c2" / "03.dcm").unlink()
    with pytest.raises(CaseFileError, match=r"^03\.dcm can no longer be read, so its hash is not known\. Run again with all files in place\.$"):
        file_hashes(folder, file, case)


@pytest.mark.hazard("H48")
def test_digest_of_a_dose_is_of_what_was_read_not_of_what_lies_there_now(folder: Path) -> None:
    case, file = _both(folder)
    read = digest(folder / "c1" / "00.dcm")
    make.write_course(folder / "c1", 1, 31, 10)
    assert digest(folder / "c1" / "00.dcm") != read
    assert dict(file_hashes(folder, file, case))["c1/00.dcm"] == read


def _both(folder: Path) -> tuple[Case, CaseFile]:
    case, _ = load_case(folder)
    return case, read_case_file(folder)
