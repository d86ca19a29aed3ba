"""One file or several: written whole, or nothing is left, whatever stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reirrad.wholefiles import all_or_none, whole_file


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


def test_a_file_takes_the_place_of_an_older_one_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with whole_file(tmp_path / "a") as stream:
        stream.write(b"new")
        stream.flush()
        assert (tmp_path / "a").read_text() == "old"
    assert [names(tmp_path), (tmp_path / "a").read_text()] == [["a"], "new"]
    (tmp_path / "as the system does").write_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "as the system does").stat().st_mode


def test_what_stops_a_file_leaves_the_older_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def write() -> None:
        with whole_file(tmp_path / "a") as stream:
            stream.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [names(tmp_path), (tmp_path / "a").read_text()] == [["a"], "old"]
