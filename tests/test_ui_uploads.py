from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from reirrad.errors import CaseFileError
from reirrad.ui import uploads
from reirrad.ui.uploads import allowed, allowed_folders, copied, place_of, received, samples


class Sent(io.BytesIO):
    """A file as a browser sends it."""

    def __init__(self, name: str, content: bytes = b"x") -> None:
        super().__init__(content)
        self.name, self.size = name, len(content)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return folder


def zipped(entries: dict[str, bytes], name: str = "case.zip") -> Sent:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return Sent(name, packed.getvalue())


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class TestNames:
    @pytest.mark.parametrize("name", ["CT.1.dcm", "A case/crt 2021/CT.1", "Müller/å.dcm", "a/./b", "auxiliary/console.dcm", "..a/b..", "x" * 255])
    def test_a_plain_relative_path_is_kept(self, name: str) -> None:
        assert place_of(name) == PurePosixPath(name)

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("", "leads outside"),
            (".", "leads outside"),
            ("../x", "leads outside"),
            ("a/../../x", "leads outside"),
            ("a\\..\\x", "leads outside"),
            ("/etc/passwd", "leads outside"),
            ("\\\\server\\share\\x", "leads outside"),
            ("C:\\x", "leads outside"),
            ("c:x", "leads outside"),
            ("a\0b", "control characters"),
            ("a\nb.dcm", "control characters"),
            ("a/\x1b[31m", "control characters"),
            ("half \ud800", "control characters"),
            ("CON", "device"),
            ("a/nul.dcm", "device"),
            ("Com1.tar.gz", "device"),
            ("a\\LPT9", "device"),
            ("x" * 256, "too long"),
            ("å" * 128, "too long"),
        ],
    )
    def test_anything_else_is_refused_and_nothing_written(self, private: Path, name: str, why: str) -> None:
        with pytest.raises(CaseFileError, match=why):
            received([Sent("case/good.dcm"), Sent(name)], private)
        assert tree(private) == {}


class TestUploadedFiles:
    def test_a_folder_keeps_its_paths_and_is_the_case_folder(self, private: Path) -> None:
        sent = [Sent("Groin/a/CT.1", b"one"), Sent("Groin/b/CT.1", b"two"), Sent("Groin/empty", b"")]
        assert received(sent, private) == private / "Groin"
        assert tree(private) == {"Groin/a/CT.1": b"one", "Groin/b/CT.1": b"two", "Groin/empty": b""}

    def test_two_folders_are_one_case(self, private: Path) -> None:
        assert received([Sent("a/x"), Sent("b/x")], private) == private

    def test_single_files_get_a_folder(self, private: Path) -> None:
        assert received([Sent("RD.dcm", b"dose"), Sent("RS.dcm", b"set")], private) == private / "case"
        assert tree(private) == {"case/RD.dcm": b"dose", "case/RS.dcm": b"set"}

    def test_a_large_file_is_written_part_by_part(self, private: Path) -> None:
        content = bytes(range(256)) * 8192 + b"end"  # 2 MiB and a bit, above one part of 1 MiB
        parts = []

        class Watched(Sent):
            def read(self, size: int | None = -1, /) -> bytes:
                parts.append(size)
                return super().read(size)

        received([Watched("a/large", content)], private)
        assert tree(private) == {"a/large": content}
        assert parts == [1024**2] * 4  # three with content, one that is empty

    def test_two_files_of_one_name_are_refused(self, private: Path) -> None:
        with pytest.raises(CaseFileError, match="Two files are named"):
            received([Sent("RD.dcm"), Sent("./RD.dcm")], private)
        assert tree(private) == {}

    def test_a_name_that_is_a_file_and_a_folder_is_refused(self, private: Path) -> None:
        with pytest.raises(CaseFileError, match="cannot be stored"):
            received([Sent("a/b"), Sent("a/b/c")], private)

    def test_too_much_is_refused_before_it_is_written(self, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uploads, "MOST_ENTRIES", 2)
        with pytest.raises(CaseFileError, match="Found 3 files; a case may have at most 2"):
            received([Sent("a/1"), Sent("a/2"), Sent("a/3")], private)
        monkeypatch.setattr(uploads, "LARGEST_TOTAL_BYTES", 3)
        with pytest.raises(CaseFileError, match="at most 0 GB"):
            received([Sent("a/1", b"xx"), Sent("a/2", b"xx")], private)
        assert tree(private) == {}

    def test_a_case_file_alone_needs_its_files(self, private: Path) -> None:
        with pytest.raises(CaseFileError, match="case file came alone"):
            received([Sent("case.yaml", b"courses: []")], private)


class TestZips:
    def test_a_zip_of_a_folder(self, private: Path) -> None:
        assert received([zipped({"Groin/case.yaml": b"c", "Groin/a/CT": b"1"}, "export.zip")], private) == private / "export"
        assert tree(private) == {"export/case.yaml": b"c", "export/a/CT": b"1"}

    def test_a_zip_of_one_folder_without_case_file(self, private: Path) -> None:
        assert received([zipped({"Groin/a/CT": b"1", "Groin/b": b"2"}, "Export.ZIP")], private) == private / "Export" / "Groin"

    def test_a_zip_of_the_contents(self, private: Path) -> None:
        assert received([zipped({"a/CT": b"1", "b/CT": b"2"}, "export.zip")], private) == private / "export"
        assert tree(private) == {"export/a/CT": b"1", "export/b/CT": b"2"}

    @pytest.mark.hazard("H38")
    def test_hostile_zips_leave_nothing(self, private: Path) -> None:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(link, "/etc/passwd")
        hostile = {
            "leads outside": zipped({"a": b"1", "../x": b"2"}),
            "leads outside the case folder": zipped({"/tmp/x": b"2"}),
            "more than 200 times": zipped({"bomb": bytes(40 * 1024**2)}),
            "link or special file": Sent("case.zip", packed.getvalue()),
            "damaged": Sent("case.zip", b"PK\x03\x04 and no more"),
        }
        for why, sent in hostile.items():
            with pytest.raises(CaseFileError, match=why):
                received([sent], private)
            assert tree(private.parent) == {}

    def test_the_name_of_the_zip_is_taken_for_hostile_too(self, private: Path) -> None:
        with pytest.raises(CaseFileError, match="leads outside"):
            received([zipped({"a": b"1"}, "../case.zip")], private)
        assert tree(private.parent) == {}

    def test_one_zip_at_a_time(self, private: Path) -> None:
        with pytest.raises(CaseFileError, match="one zip of the whole case"):
            received([zipped({"a": b"1"}), Sent("b")], private)

    def test_a_zip_within_a_folder_is_a_file(self, private: Path) -> None:
        received([Sent("a/CT"), zipped({"x": b"1"}, "a/old.zip")], private)
        assert sorted(tree(private)) == ["a/CT", "a/old.zip"]


class TestThisMachine:
    @pytest.fixture
    def shared(self, tmp_path: Path) -> Path:
        folder = tmp_path / "shared"
        (folder / "one" / "crt").mkdir(parents=True)
        (folder / "one" / "crt" / "RD").write_bytes(b"dose")
        (folder / "one" / "case-b.yaml").write_bytes(b"case")
        (tmp_path / "secret").write_bytes(b"secret")
        return folder.resolve()

    def test_folders_come_from_the_setting(self, shared: Path) -> None:
        assert allowed_folders({}) == ()
        assert allowed_folders({"REIRRAD_FOLDERS": f"{shared}{os.pathsep}/does/not/exist{os.pathsep}"}) == (shared,)

    def test_paths_below_them_are_found(self, shared: Path) -> None:
        assert allowed("one", [shared]) == shared / "one"
        assert allowed(f" {shared}/one/case-b.yaml ", [shared.parent / "private", shared]) == shared / "one" / "case-b.yaml"
        assert allowed(str(shared), [shared]) == shared

    @pytest.mark.hazard("H38")
    @pytest.mark.parametrize("text", ["../secret", "/etc/passwd", "none", "out", "out/../../secret", "a\0b", "one/../../secret"])
    def test_all_else_is_told_in_the_same_words(self, shared: Path, text: str) -> None:
        (shared / "out").symlink_to(shared.parent / "secret")
        with pytest.raises(CaseFileError, match="was not found in the folders that may be opened here"):
            allowed(text, [shared])

    def test_a_folder_is_copied_without_its_links(self, shared: Path, private: Path) -> None:
        (shared / "one" / "link").symlink_to(shared.parent / "secret")
        (shared / "one" / "far").symlink_to(shared.parent)
        told: list[str] = []
        assert copied(shared / "one", private, told.append) == (private / "one", None)
        assert tree(private) == {"one/case-b.yaml": b"case", "one/crt/RD": b"dose"}
        assert told == ["copying file 1 of 2"]
        assert (shared / "one" / "crt" / "RD").read_bytes() == b"dose"

    def test_a_case_file_brings_its_folder(self, shared: Path, private: Path) -> None:
        assert copied(shared / "one" / "case-b.yaml", private) == (private / "one", "case-b.yaml")

    def test_a_zip_is_unpacked(self, shared: Path, private: Path) -> None:
        (shared / "x.zip").write_bytes(zipped({"a/RD": b"dose", "b": b"2"}).getvalue())
        assert copied(shared / "x.zip", private) == (private / "x", None)
        assert tree(private) == {"x/a/RD": b"dose", "x/b": b"2"}
        assert (shared / "x.zip").exists()

    def test_anything_else_is_refused(self, shared: Path, private: Path) -> None:
        with pytest.raises(CaseFileError, match="neither a folder, nor a case file"):
            copied(shared / "one" / "crt" / "RD", private)

    def test_too_much_is_refused(self, shared: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uploads, "MOST_ENTRIES", 1)
        with pytest.raises(CaseFileError, match="Found 2 files"):
            copied(shared / "one", private)
        assert tree(private) == {}

    def test_a_disk_that_refuses_is_told(self, shared: Path, private: Path) -> None:
        (private / "one").write_bytes(b"in the way")
        with pytest.raises(CaseFileError, match="cannot be copied"):
            copied(shared / "one", private)


class TestSamples:
    def test_the_five_of_a_checkout(self) -> None:
        assert [name[0] for name in samples()] == list("ABCDE")
        assert all((folder / "case.yaml").is_file() for folder in samples().values())

    def test_none_where_they_are_not_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uploads.reirrad, "__file__", str(tmp_path / "lib" / "reirrad" / "__init__.py"))
        assert samples() == {}
