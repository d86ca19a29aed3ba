"""Which cases are found below paths, in which order, and that none is left out in silence."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import case_factory as cases
import pytest

from reirrad.batchcases import find_cases


def case(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.yaml").write_text("case: x\n")
    return folder


def archive(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as out:
        for name in names:
            out.writestr(name, "case: x\n")


def names(*paths: Path, draft: bool = False) -> list[str]:
    return [c.name for c in find_cases(paths, draft=draft)[0]]


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("cohort")


def test_case_files_and_zips_of_cases_are_found_at_any_depth_in_order(cohort: Path) -> None:
    for name in ("b", "a/deep", "c"):
        case(cohort / name)
    archive(cohort / "c.zip", "case.yaml", "c1/0.dcm")
    archive(cohort / "a.zip", "folder/case.yaml")
    archive(cohort / "images.zip", "0.dcm", "deep/in/case.yaml")
    (cohort / "broken.ZIP").write_bytes(b"no zip")
    (cohort / "notes.txt").write_text("x")
    assert names(cohort) == ["cohort/a.zip", "cohort/a/deep", "cohort/b", "cohort/broken.ZIP", "cohort/c", "cohort/c.zip"]
    found = {c.name: c for c in find_cases([cohort])[0]}
    assert found["cohort/b"].path == str((cohort / "b").resolve())
    assert not any(c.is_draft or c.trouble for c in found.values())


def test_no_case_comes_twice(cohort: Path) -> None:
    case(cohort / "a")
    case(cohort / "b")
    assert names(cohort, cohort / "a", cohort.resolve(), Path("cohort/../cohort/b")) == ["cohort/a", "cohort/b"]


def test_links_below_a_path_are_not_followed_and_those_out_of_it_are_named(cohort: Path, tmp_path: Path) -> None:
    case(cohort / "a")
    outside = case(tmp_path / "elsewhere")
    (cohort / "inside").symlink_to("a")
    (cohort / "outside").symlink_to(outside)
    (cohort / "loop").symlink_to(".")
    found, (notice,) = find_cases([cohort])
    assert [c.name for c in found] == ["cohort/a"]
    assert notice.code == "batch_link_not_followed"
    assert notice.message.startswith("1 link(s) below the paths lead out of them and were not followed, for example outside.")
    (tmp_path / "named").symlink_to(outside)
    assert names(Path("named")) == ["named"]  # a path that is named is meant


def test_a_path_without_a_case_is_a_case_with_its_trouble(cohort: Path) -> None:
    cohort.mkdir()
    (empty,), _ = find_cases([cohort])
    assert (
        empty.trouble
        == "cohort: no case.yaml and no zip of a case was found below this folder. Check the path, or use --draft for exports without a case file."
    )
    (missing,), _ = find_cases([Path("nowhere")])
    assert missing.trouble == "nowhere: no such file or folder was found. Correct the path, or take it away."
    (undrafted,), _ = find_cases([cohort], draft=True)
    assert undrafted.trouble == "cohort: no case.yaml, no zip of a case and no DICOM object was found below this folder. Check the path."


def test_a_named_file_is_a_case_whatever_it_is(cohort: Path) -> None:
    cohort.mkdir()
    (cohort / "other.yaml").write_text("case: x\n")
    assert names(cohort / "other.yaml") == ["cohort/other.yaml"]


def test_a_folder_that_cannot_be_searched_is_a_case_with_its_trouble(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case(cohort / "a")
    case(cohort / "closed")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    good, closed = find_cases([cohort])[0]
    assert (good.name, good.trouble) == ("cohort/a", "")
    assert (closed.name, closed.trouble) == ("cohort/closed", "The folder cannot be searched (Permission denied). Give leave to read it.")


def test_exports_of_a_patient_are_one_draft_wherever_they_lie(cohort: Path) -> None:
    for k, (name, patient) in enumerate([("p1/x/c1", "P1"), ("p1/x/c2", "P1"), ("p2/c1", "P2"), ("p3/all", "P3")]):
        cases.write_course(cohort / name, k, 20, 5, PatientID=patient)
    case(cohort / "done")
    cases.write_course(cohort / "done" / "c1", 9, 20, 5, PatientID="P9")
    (cohort / "notes").mkdir()
    (cohort / "notes" / "a.txt").write_text("no image")
    found = find_cases([cohort], draft=True)[0]
    assert [(c.name, c.is_draft) for c in found] == [("cohort/done", False), ("cohort/p1/x", True), ("cohort/p2/c1", True), ("cohort/p3/all", True)]
    assert names(cohort / "p1", draft=True) == ["cohort/p1/x"]  # the same case, whatever else there is
    assert names(cohort) == ["cohort/done"]


def test_exports_without_an_identifier_and_damaged_ones_are_drafts_of_their_own(cohort: Path) -> None:
    cases.write_course(cohort / "a", 1, 20, 5, PatientID="")
    cases.write_course(cohort / "b", 1, 20, 5, PatientID="")
    (cohort / "c").mkdir()
    (cohort / "c" / "0.dcm").write_bytes(b"\0" * 128 + b"DICM")
    assert names(cohort, draft=True) == ["cohort/a", "cohort/b", "cohort/c"]


def test_exports_around_a_case_are_not_drafted(cohort: Path) -> None:
    cases.write_course(cohort / "p" / "new", 1, 20, 5)
    cases.write_course(cohort / "p" / "old", 2, 20, 5)
    case(cohort / "p" / "done")
    around, done = find_cases([cohort], draft=True)[0]
    assert around.name == "cohort/p"
    assert around.trouble.startswith("Exports lie beside a case with a case.yaml, so it is unknown what belongs together.")
    assert (done.name, done.trouble) == ("cohort/p/done", "")
    shutil.rmtree(cohort / "p" / "old")
    assert names(cohort, draft=True) == ["cohort/p/done", "cohort/p/new"]
