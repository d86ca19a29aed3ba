"""All files or none, whatever stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reirrad.outputfolder import all_or_none


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("exists", [False, True])
def test_files_arrive_and_nothing_else_is_left(tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "out"
    if exists:
        target.mkdir()
    with all_or_none(target) as temporary:
        assert temporary.stat().st_mode & 0o077 == 0
        (temporary / "a").write_text("1")
        (temporary / "b").write_text("2")
    assert [names(tmp_path), names(target), (target / "b").read_text()] == [["out"], ["a", "b"], "2"]


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with all_or_none(tmp_path) as temporary:
        (temporary / "a").write_text("new")
        (temporary / "b").write_text("new")
    assert [names(tmp_path), (tmp_path / "a").read_text()] == [["a", "b"], "old"]


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_what_stops_the_writing_leaves_nothing(tmp_path: Path, exists: bool, stop: type[BaseException]) -> None:
    target = tmp_path / "out"
    if exists:
        target.mkdir()

    def write() -> None:
        with all_or_none(target) as temporary:
            (temporary / "a").write_text("1")
            raise stop

    with pytest.raises(stop):
        write()
    assert names(tmp_path) == (["out"] if exists else [])
    assert not exists or names(target) == []


@pytest.mark.parametrize("stop", [OSError, KeyboardInterrupt])
def test_what_stops_the_move_takes_back_what_was_moved(tmp_path: Path, stop: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "b":
            raise stop
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)

    def write() -> None:
        with all_or_none(tmp_path) as temporary:
            (temporary / "a").write_text("1")
            (temporary / "b").write_text("2")

    with pytest.raises(stop):
        write()
    assert names(tmp_path) == []
