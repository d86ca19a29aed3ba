from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from dicom_factory import ct, dose, obj, plan, save, structure_set
from pydicom.uid import ImplicitVRLittleEndian

from reirrad.dicom.files import scan
from reirrad.errors import DicomError


def roles(folder: Path, root: Path | None = None) -> list[str]:
    return [r.role for r in scan(folder, root or folder).records]


def test_finds_objects_in_sub_folders_whatever_their_names(tmp_path: Path) -> None:
    save(dose(), tmp_path / "a" / "RD")
    save(plan(), tmp_path / "b c" / "1.2.3")
    save(structure_set(), tmp_path / "s.DCM")
    save(ct(0), tmp_path / "ct.img")
    (tmp_path / "notes.txt").write_text("DICM")
    found = scan(tmp_path, tmp_path)
    assert sorted(r.role for r in found.records) == ["CT", "RTDOSE", "RTPLAN", "RTSTRUCT"]
    assert found.n_other == 1
    assert found.of("RTDOSE")[0].name == "a/RD"


def test_reads_a_bare_data_set_without_preamble(tmp_path: Path) -> None:
    full = save(plan(), tmp_path / "x" / "p.dcm", ImplicitVRLittleEndian).read_bytes()
    start = 132 + 12 + int.from_bytes(full[140:144], "little")
    (tmp_path / "bare").write_bytes(full[start:])
    (tmp_path / "x" / "p.dcm").unlink()
    assert roles(tmp_path) == ["RTPLAN"]


def test_bare_beginning_of_something_else_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\x08\x00\x05\x00" + b"\xff" * 40)
    (tmp_path / "text").write_bytes(b"\x08\x00\x05\x00\x02\x00\x00\x00AB" + bytes(140))
    assert scan(tmp_path, tmp_path).n_other == 2


@pytest.mark.hazard("H38")
def test_dicomdir_and_other_classes(tmp_path: Path) -> None:
    save(obj("1.2.840.10008.1.3.10", "1.2.9"), tmp_path / "DICOMDIR")
    save(obj("1.2.840.10008.5.1.4.1.1.88.11", "1.2.10"), tmp_path / "sr.dcm")
    assert roles(tmp_path) == ["OTHER"]


@pytest.mark.parametrize("content", [b"", b"hello", os.urandom(10) * 50, bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 300])
def test_unreadable_dcm_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / "bad.dcm").write_bytes(content)
    with pytest.raises(DicomError, match=r"c1/bad\.dcm"):
        scan(tmp_path / "c1", tmp_path)


def test_header_cut_short_is_refused(tmp_path: Path) -> None:
    path = save(ct(0), tmp_path / "ct")
    path.write_bytes(path.read_bytes()[:420])
    with pytest.raises(DicomError, match=r"ct .*(truncated|cannot be read|not a readable)"):
        scan(tmp_path, tmp_path)


@pytest.mark.hazard("H03")
def test_same_uid_other_content_is_refused_and_copies_count_once(tmp_path: Path) -> None:
    save(dose(), tmp_path / "a.dcm")
    save(dose(), tmp_path / "b.dcm")
    found = scan(tmp_path, tmp_path)
    assert (len(found.records), [n.code for n in found.notices]) == (1, ["duplicate_file"])
    save(dose(DoseGridScaling="0.02"), tmp_path / "c.dcm")
    with pytest.raises(DicomError, match="same SOP Instance UID but different content"):
        scan(tmp_path, tmp_path)


@pytest.mark.hazard("H38")
def test_links_inside_are_followed_once_and_outside_refused(tmp_path: Path) -> None:
    root = tmp_path / "case"
    save(dose(), root / "c" / "d.dcm")
    (root / "c" / "loop").symlink_to(root / "c")
    (root / "c" / "again.dcm").symlink_to(root / "c" / "d.dcm")
    assert roles(root / "c", root) == ["RTDOSE"]
    assert scan(root / "c", root).notices == ()
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(DicomError, match="out is a link or path that leads outside"):
        scan(root, root)


@pytest.mark.parametrize("target", ["nowhere.dcm", "x.dcm"])
def test_dangling_or_circular_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "x.dcm").symlink_to(tmp_path / target)
    with pytest.raises(DicomError, match=r"x\.dcm does not exist, or is a link"):
        scan(tmp_path, tmp_path)


@pytest.mark.hazard("H38")
def test_folder_must_exist_be_a_folder_and_lie_inside(tmp_path: Path) -> None:
    save(dose(), tmp_path / "case" / "d.dcm")
    for folder, message in (("no", "does not exist"), ("d.dcm", "does not exist"), ("../..", "outside")):
        with pytest.raises(DicomError, match=message):
            scan(tmp_path / "case" / folder, tmp_path / "case")


@pytest.mark.hazard("H38")
def test_pipes_and_sockets_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(dose(), tmp_path / "d.dcm")
    os.mkfifo(tmp_path / "pipe.dcm")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("s.dcm")
        found = scan(tmp_path, tmp_path)
    assert [n.code for n in found.notices] == ["not_a_file", "not_a_file"]
    assert len(found.records) == 1


@pytest.mark.hazard("H35")
def test_unknown_transfer_syntax_is_refused(tmp_path: Path) -> None:
    path = save(dose(), tmp_path / "d.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.10008.1.2.1\0"))
    with pytest.raises(DicomError, match="transfer syntax is private or unknown"):
        scan(tmp_path, tmp_path)


@pytest.mark.hazard("H33")
def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reirrad.dicom.files.MAX_FILES", 2)
    for k in range(3):
        (tmp_path / str(k)).touch()
    with pytest.raises(DicomError, match="more than 2 files"):
        scan(tmp_path, tmp_path)


@pytest.mark.hazard("H37")
def test_nothing_of_the_patient_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    path = save(dose(PatientID="CANARY", PatientName="CANARY^C"), tmp_path / "d.dcm")
    path.write_bytes(path.read_bytes().replace(b"19500101", b"CANARY^^"))
    found = scan(tmp_path, tmp_path)
    assert "CANARY" not in repr(found.records[0].identity)
    out = capsys.readouterr()
    assert "CANARY" not in out.out + out.err + caplog.text
