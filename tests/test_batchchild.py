"""The process that computes cases: its answers to a line of JSON, its hash of the input, and its end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import case_factory as cases
import dicom_factory as dicom
import numpy as np
import pytest

from reirrad import __version__, batchchild
from reirrad.casefolder import CASE_FILE
from reirrad.draft import propose
from reirrad.draftfile import draft_text
from reirrad.errors import CaseFileError, ReirradError


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.write_case(tmp_path_factory.mktemp("child") / "case")


def request(path: Path, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "is_draft": False, "known": None, "memory_limit_mb": None, "time_limit_s": 60} | more


def checked(path: Path, out: Path) -> str:
    """What `reirrad check --json` writes."""
    subprocess.run([sys.executable, "-m", "reirrad", "check", path, "-q", "--json", out], check=False)
    return out.read_text(encoding="utf-8")


def test_the_document_is_that_of_check_to_the_byte(case: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "case"), "zip", case)
    expected = checked(case, tmp_path / "a.json")
    for path in (case, case / CASE_FILE, tmp_path / "case.zip"):
        found = batchchild.answer(request(path))
        assert (found["outcome"], found["message"]) == ("computed", "")
        assert found["document"] == expected
    assert json.loads(expected)["verdict"] == "within"
    assert found["seconds"] > 0
    assert found["peak_mb"] > 50


def test_a_known_case_is_not_computed_again(case: Path) -> None:
    known = batchchild.input_sha256(case)
    assert batchchild.answer(request(case, known=known)) | {"seconds": 0, "peak_mb": 0} == {
        "outcome": "unchanged", "document": None, "message": "", "input_sha256": known, "seconds": 0, "peak_mb": 0,
    }  # fmt: skip
    assert batchchild.answer(request(case, known="0" * 64))["outcome"] == "computed"


def test_the_hash_is_of_every_name_and_content(case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "case"
    shutil.copytree(case, copy)
    first = batchchild.input_sha256(copy)
    assert first == batchchild.input_sha256(case)  # the place does not matter
    assert batchchild.input_sha256(copy, is_draft=True) != first
    seen = {first}

    def differs() -> None:
        found = batchchild.input_sha256(copy)
        assert found not in seen
        seen.add(found)

    (copy / "limits.yaml").write_text(cases.LIMITS.replace("80", "81"))
    differs()
    (copy / "limits.yaml").rename(copy / "other.yaml")
    differs()
    (copy / "more").mkdir()
    assert batchchild.input_sha256(copy) in seen
    (copy / "more" / "link").symlink_to("../c1")
    differs()
    (copy / "more" / "link").unlink()
    (copy / "more" / "link").symlink_to("../c2")
    differs()
    os.mkfifo(copy / "pipe")
    differs()
    copy.rename(tmp_path / "renamed")
    copy = tmp_path / "renamed"
    differs()


def test_what_cannot_be_read_is_refused(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(ReirradError, match=r"A file of the case cannot be read \(Permission denied\)\. Give leave to read it"):
            batchchild.input_sha256(case)
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(ReirradError, match=r"A folder of the case cannot be read \(Permission denied\)\."):
            batchchild.input_sha256(case)


def test_a_refused_case_has_the_words_of_check(tmp_path: Path) -> None:
    case = cases.write_case_file(tmp_path)
    found = batchchild.answer(request(case))
    assert (found["outcome"], found["document"]) == ("refused", None)
    assert found["message"] == (
        'case.yaml:3: courses[0].dicom: "c1" does not exist in the case folder; case.yaml:4: courses[1].dicom: "c2" does not exist in the case folder.'
    )
    assert len(found["input_sha256"]) == 64


def test_a_fault_of_the_program_shows_its_place_and_no_value(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(_: Path) -> str:
        raise ValueError("Doe^Jane")

    monkeypatch.setattr(batchchild, "_check", fault)
    found = batchchild.answer(request(case))
    assert found["outcome"] == "failed"
    assert "(ValueError at batchchild.py:" in found["message"]
    assert "Doe" not in str(found)


@pytest.mark.parametrize(("limit", "words"), [(None, "this machine has"), (500, "the limit of 500 MB for a case gives")])
def test_lack_of_memory_is_a_failure_also_where_a_reader_took_it_for_damage(case: Path, monkeypatch: pytest.MonkeyPatch, limit: Any, words: str) -> None:
    def lack(_: Path) -> str:
        raise MemoryError

    def hidden(path: Path) -> str:
        try:
            return lack(path)
        except MemoryError:
            raise CaseFileError("damaged") from None

    for compute in (lack, hidden):
        monkeypatch.setattr(batchchild, "_check", compute)
        found = batchchild.answer(request(case, memory_limit_mb=limit and 100_000))
        assert found["outcome"] == "failed"
        assert found["message"].startswith("The case needs more memory than ")
    assert batchchild._no_memory(limit) == f"The case needs more memory than {words}. Raise --memory-limit, or compute it on a machine with more memory."


def test_a_draft_is_what_draft_proposes_and_leaves_the_exports_as_they_are(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    cases.write_course(exports / "c1", 1, 30, 10, plan={"RTPlanDate": "20210101"})
    cases.write_course(exports / "c2", 2, 20, 5, plan={"RTPlanDate": "20220101"})
    os.mkfifo(exports / "pipe")
    before = sorted(p.name for p in exports.rglob("*"))
    found = batchchild.answer(request(exports, is_draft=True))
    assert sorted(p.name for p in exports.rglob("*")) == before
    (exports / CASE_FILE).write_text(draft_text(propose(exports, exports)), encoding="utf-8")
    (exports / "pipe").unlink()
    assert (found["outcome"], found["message"]) == ("computed", "")
    assert found["document"] == checked(exports, tmp_path / "a.json")
    (structure,) = json.loads(found["document"])["structures"]
    assert structure["cumulative"]["max_gy"] == pytest.approx(64, abs=0.01)


def test_exports_that_cannot_be_copied_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    found = batchchild.answer(request(cases.write_course(tmp_path, 1, 20, 5), is_draft=True))
    assert found["outcome"] == "refused"
    assert found["message"].startswith("The exports cannot be read, or there is no room for a copy of them")


# the process


def child(folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"TMPDIR": str(folder), "REIRRAD_OWN_TEMPORARY": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "reirrad.batchchild"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def test_it_answers_line_by_line_bounds_memory_and_ends_with_its_input(case: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    large = cases.write_case(tmp_path / "large")
    shape = (180, 400, 400)  # 29 million voxels: 115 MB, read once and turned into numbers
    dicom.save(cases.stored_dose("1.2.3.1.2", np.full(shape, 30.0, np.float32), "1.2.3.1.5", shape), large / "c1" / "00.dcm")
    with child(own) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"version": __version__}
        for path in (case, large, case):
            process.stdin.write(json.dumps(request(path, memory_limit_mb=300)) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [a["outcome"] for a in answers] == ["computed", "failed", "computed"]
        assert answers[1]["message"].startswith("The case needs more memory than the limit of 300 MB for a case gives.")
        assert answers[0]["document"] == answers[2]["document"]
        assert answers[2]["peak_mb"] < 300
        process.stdin.close()
        assert process.wait(20) == 0
    assert not own.exists()


def test_it_ends_in_the_middle_of_a_case_when_the_one_who_asked_is_gone(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    deep = tmp_path / "deep"
    cases.write_case(deep)
    (deep / "big").write_bytes(b"")
    os.truncate(deep / "big", 1 << 40)  # a terabyte of nothing takes an hour to hash
    with child(own) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write(json.dumps(request(deep)) + "\n")
        process.stdin.flush()
        time.sleep(0.2)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0
    assert not own.exists()


def test_a_hang_that_nothing_else_ends_is_ended_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "from reirrad import batchchild; import time\nwith batchchild._alarm(0.2): time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert done.returncode == -14
