"""The commands `reirrad pacs`, and sending by C-STORE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from archive_factory import PATIENT, FakeArchive, by_uid, fetched, serving, stored_case
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from reirrad.errors import DicomError
from reirrad.pacs.archive import connect
from reirrad.pacs.errors import ArchiveError
from reirrad.pacs.profile import DimseProfile
from reirrad.pacs.send import send
from reirrad.pacscommand import pacs


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    return stored_case(tmp_path_factory.mktemp("stored"), (1,), 2)


def run(folder: Path, used: DimseProfile, *arguments: object, given: str | None = None) -> Any:
    file = folder / "pacs.toml"
    file.write_text(f'[here]\nprotocol = "dimse"\nhost = "{used.host}"\nport = {used.port}\nae_title = "{used.ae_title}"\nattempts = 1\n')
    file.chmod(0o600)
    done = CliRunner().invoke(pacs, [*map(str, arguments), "--profile-file", str(file)], input=given)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "CANARY" not in done.output + done.stderr
    return done


def test_find_shows_studies_and_no_names(tmp_path: Path, stored: list[Dataset]) -> None:
    with serving(FakeArchive(stored)) as used:
        done = run(tmp_path, used, "find", "--patient", PATIENT, "--json", tmp_path / "list.json")
    assert done.exit_code == 0
    assert "2021-03-04" in done.stdout
    found = json.loads((tmp_path / "list.json").read_text())
    assert [(s["modality"], s["objects"], s["study"]) for s in found["series"]] == [
        ("RTDOSE", 1, "1.2.3.8.1"),
        ("RTSTRUCT", 1, "1.2.3.8.1"),
        ("RTPLAN", 1, "1.2.3.8.1"),
        ("CT", 2, "1.2.3.8.1"),
    ]


def test_find_without_dose_and_without_patient(tmp_path: Path, stored: list[Dataset]) -> None:
    with serving(FakeArchive([d for d in stored if d.Modality == "CT"])) as used:
        assert run(tmp_path, used, "find", "--patient", PATIENT).exit_code == 1
        done = run(tmp_path, used, "find", "--patient", "CANARY-NOBODY")
    assert done.exit_code == 2
    assert done.stderr.startswith("Refused: The archive lists no study of this patient.")


@pytest.mark.hazard("H37")
def test_fetch_takes_the_identifier_from_standard_input(tmp_path: Path, stored: list[Dataset]) -> None:
    with serving(FakeArchive(stored)) as used:
        done = run(tmp_path, used, "fetch", "--patient", "-", "--out", tmp_path / "out", given=PATIENT + "\n")
    assert (done.exit_code, done.stdout) == (0, "out: 2 CT, 1 RTDOSE, 1 RTPLAN, 1 RTSTRUCT; 5 transferred now. Next: reirrad draft out\n")
    assert fetched(tmp_path / "out") == by_uid(stored)


@pytest.mark.hazard("H20")
def test_fetch_tells_what_is_lacking(tmp_path: Path, stored: list[Dataset]) -> None:
    with serving(FakeArchive([d for d in stored if d.Modality != "RTPLAN"])) as used:
        done = run(tmp_path, used, "fetch", "--patient", PATIENT, "--out", tmp_path / "out")
        assert done.exit_code == 1
        assert "Warning (archive_lacks_referenced): The archive does not have 1 plan(s) that doses refer to." in done.stderr
        done = run(tmp_path, used, "fetch", "--patient", PATIENT, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "'out' exists already" in done.stderr


def test_send_stores_what_it_is_given(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive([])
    paths = [d.filename for d in stored]
    with serving(archive) as used:
        done = run(tmp_path, used, "send", *paths)
    assert (done.exit_code, done.stdout) == (0, "5 file(s) stored.\n")
    assert by_uid(archive.received) == by_uid([dcmread(p) for p in paths])


def test_send_says_how_many_are_stored(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive([], store_status=0xA700)
    with serving(archive) as used:
        done = run(tmp_path, used, "send", stored[0].filename)
    assert done.exit_code == 2
    assert "0xA700" in done.stderr
    assert "0 of 1 files are stored" in done.stderr


def test_nothing_is_sent_unless_all_can_be(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive([])
    (tmp_path / "CANARY.txt").write_text("no DICOM")
    (tmp_path / "copy.dcm").write_bytes(Path(stored[0].filename).read_bytes())
    (tmp_path / "bare.dcm").write_bytes(Path(stored[0].filename).read_bytes()[132:][_meta_length(stored[0]) :])
    with serving(archive) as used, connect(used) as connection:
        with pytest.raises(DicomError, match="is not a DICOM file"):
            send(connection, [Path(stored[0].filename), tmp_path / "CANARY.txt"], used)
        with pytest.raises(DicomError, match="same SOP Instance UID"):
            send(connection, [Path(stored[0].filename), tmp_path / "copy.dcm"], used)
        with pytest.raises(DicomError, match="how it is encoded"):
            send(connection, [tmp_path / "bare.dcm"], used)
    assert archive.received == []


def _meta_length(ds: Dataset) -> int:
    return 12 + int(ds.file_meta.FileMetaInformationGroupLength)


def test_a_kind_the_archive_does_not_take_is_named(tmp_path: Path, stored: list[Dataset]) -> None:
    odd = dcmread(stored[0].filename)
    odd.SOPClassUID = odd.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    odd.save_as(tmp_path / "odd.dcm")
    with serving(FakeArchive([])) as used, connect(used) as connection, pytest.raises(ArchiveError, match=r"does not take|No DICOM connection"):
        send(connection, [tmp_path / "odd.dcm"], used)


def test_a_missing_profile_is_explained(tmp_path: Path) -> None:
    done = CliRunner().invoke(pacs, ["find", "--patient", PATIENT, "--profile-file", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Refused: The profile file none.toml cannot be read (No such file or directory).")
