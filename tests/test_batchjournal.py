"""Results of single cases on disk: whole or not there, found again, never mixed up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reirrad.batch import CaseResult
from reirrad.batchjournal import Journal, journal_folder
from reirrad.errors import ReirradError

COMPUTED = CaseResult("cohort/ä", "computed", '{"verdict": "within", "case": "\udcff ä"}\n', "", "a" * 64, 1.25, 110.5, "0.1.0")
REFUSED = CaseResult("cohort/b", "refused", None, "No dose.", "b" * 64, 0.5, 100.0, "0.1.0", is_draft=True)
FAILED = CaseResult("cohort/c", "failed", None, "Lost.", None, None, None, "0.1.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = journal_folder(tmp_path / "out.csv")
    assert folder == tmp_path / "out.csv.cases"
    with Journal(folder) as journal:
        for result in (FAILED, COMPUTED, REFUSED):
            assert journal.keep(result) == replace(result, document=None)
    return folder


def test_what_is_kept_is_found_again_in_the_order_of_names(folder: Path) -> None:
    with Journal(folder) as journal:
        assert len(journal) == 3
        found = list(journal.results())
    assert [r.case_path for r, _ in found] == ["cohort/b", "cohort/c", "cohort/ä"]
    assert [d for _, d in found] == [None, None, {"verdict": "within", "case": "\udcff ä"}]
    assert [r for r, _ in found] == [REFUSED, FAILED, replace(COMPUTED, document=None)]


def test_a_document_is_written_as_check_writes_it(folder: Path) -> None:
    with Journal(folder) as journal:
        assert journal.document_path("cohort/ä").read_bytes() == b'{"verdict": "within", "case": "\\udcff \xc3\xa4"}\n'


def test_failures_are_tried_again_and_refusals_are_not(folder: Path) -> None:
    with Journal(folder) as journal:
        assert journal.known() == {"cohort/ä": "a" * 64, "cohort/b": "b" * 64}
        assert journal.keep(CaseResult("cohort/b", "computed", is_unchanged=True)) == REFUSED


def test_a_new_result_replaces_the_old_one(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.keep(replace(FAILED, case_path="cohort/ä"))
        assert not journal.document_path("cohort/ä").exists()
    with Journal(folder) as journal:
        assert journal.known() == {"cohort/b": "b" * 64}
        assert len(journal) == 3


def test_results_of_cases_that_are_gone_are_dropped(folder: Path) -> None:
    with Journal(folder) as journal:
        assert journal.drop_others(["cohort/b", "other"]) == 2
        assert [r.case_path for r, _ in journal.results()] == ["cohort/b"]
    assert len(list(folder.glob("*/*.json"))) == 1


def test_a_changed_document_is_computed_again_and_never_shown(folder: Path) -> None:
    with Journal(folder) as journal:
        path = journal.document_path("cohort/ä")
        path.write_text('{"verdict": "exceeded"}')
        assert set(journal.known()) == {"cohort/b"}
        with pytest.raises(ReirradError, match=r"A result in .*out\.csv\.cases' was changed or taken away since it was written\. Run the batch again\."):
            list(journal.results())
        path.unlink()
        assert set(journal.known()) == {"cohort/b"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 2}', "null"])
def test_a_file_that_is_not_whole_or_of_another_kind_counts_as_none(folder: Path, content: str) -> None:
    with Journal(folder) as journal:
        journal._path("cohort/ä").write_text(content)
    with Journal(folder) as journal:
        assert set(journal.known()) == {"cohort/b"}
        journal.keep(COMPUTED)
        assert set(journal.known()) == {"cohort/b", "cohort/ä"}


def test_one_batch_at_a_time_writes_to_a_folder(folder: Path) -> None:
    with (
        Journal(folder),
        pytest.raises(ReirradError, match=r"Another batch writes to .*out\.csv\.cases'\. Wait for its end, or choose another --out\."),
        Journal(folder),
    ):
        pass
    with Journal(folder) as journal:
        assert len(journal) == 3


def test_a_folder_that_cannot_be_written_to_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ReirradError, match=r"The folder .*file' for results cannot be written to \((File exists|Not a directory)\)\. Choose another --out\."),
        Journal(tmp_path / "file"),
    ):
        pass

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with Journal(folder) as journal, monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", full)
        with pytest.raises(
            ReirradError, match=r"could not be written to .* \(No space left on device\)\. What is finished is kept: make room, and run again\."
        ):
            journal.keep(replace(COMPUTED, document="{}"))
    with Journal(folder) as journal:  # the earlier result is whole
        assert set(journal.known()) == {"cohort/b", "cohort/ä"}


def test_nothing_half_written_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with Journal(folder) as journal, monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.keep(replace(COMPUTED, case_path="new"))
    assert not list(folder.rglob("*.part"))
    assert json.loads(next(folder.glob("*/*.json")).read_text())
    with Journal(folder) as journal:
        assert len(journal) == 3
