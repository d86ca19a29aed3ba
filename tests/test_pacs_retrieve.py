"""Fetching a patient from an archive in this process that can be told to misbehave: the whole, or nothing that looks like it."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import archive_factory
import dicom_factory as dicom
import numpy as np
import pytest
from archive_factory import PATIENT, FakeArchive, by_uid, fetched, free_port, profile, serving, started, stored_case
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from reirrad.dicom.files import scan
from reirrad.draft import propose
from reirrad.errors import DicomError, ReirradError
from reirrad.pacs.archive import Entry, connect
from reirrad.pacs.dimse import FIND, SYNTAXES, DimseArchive
from reirrad.pacs.errors import ArchiveError, UnreachableError
from reirrad.pacs.holding import MANIFEST, MARK, Holding
from reirrad.pacs.profile import DimseProfile
from reirrad.pacs.retrieve import Retrieval, fetch, find

# The archives of this file break connections on purpose; pynetdicom's server leaves some of their sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    """One course: dose, plan, structures, two CT planes."""
    return stored_case(tmp_path_factory.mktemp("stored"), (1,), 2)


def fetch_from(archive: FakeArchive, out: Path, patient: str = PATIENT, **settings: Any) -> Retrieval:
    with serving(archive, **settings) as used, connect(used) as connection:
        return fetch(connection, patient, used, out)


def altered(ds: Dataset, **values: Any) -> Dataset:
    ds = deepcopy(ds)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def refused(archive: FakeArchive, out: Path, said: str, kind: type[ReirradError] = ArchiveError, **settings: Any) -> str:
    """The refusal: it names nothing of the patient, and nothing looks like a result."""
    with pytest.raises(kind, match=said) as refusal:
        fetch_from(archive, out, **settings)
    assert "CANARY" not in str(refusal.value)
    assert not out.exists()
    unfinished = out.with_name(out.name + ".unfinished")
    if unfinished.exists():
        with pytest.raises(DicomError, match="UNFINISHED-RETRIEVAL"):
            propose(unfinished)
    return str(refusal.value)


# the whole


@pytest.mark.hazard("H20")
@pytest.mark.parametrize("way", ["get", "move"])
def test_a_patient_arrives_whole_and_can_be_drafted(tmp_path: Path, way: str) -> None:
    archive = FakeArchive(stored_case(tmp_path / "stored"))
    found = fetch_from(archive, tmp_path / "out", retrieve=way)
    assert found.counts == {"RTPLAN": 2, "RTDOSE": 2, "RTSTRUCT": 2, "CT": 12}
    assert (found.n_fetched, found.notices) == (18, ())
    assert fetched(tmp_path / "out") == by_uid(archive.objects)
    names = [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert not [n for n in names if "1.2.3" in n or "CANARY" in n]
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert {o["file"]: o["sha256"] for o in manifest["objects"]} == {
        n: hashlib.sha256((tmp_path / "out" / n).read_bytes()).hexdigest() for n in names if n != MANIFEST
    }
    assert "CANARY" not in json.dumps(manifest)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "stored"]
    draft = propose(tmp_path / "out")
    assert [(c.course.fractions, c.course.prescription_gy) for c in draft.courses if c.course] == [(10, 30.0), (5, 20.0)]
    assert [len(c.course.image.positions_mm) if c.course and c.course.image else 0 for c in draft.courses] == [6, 6]


def test_only_what_a_calculation_reads_is_asked_for(tmp_path: Path, stored: list[Dataset]) -> None:
    """A CT that nobody drew on, an MR and a secondary capture stay where they are; a CT that a registration joins comes along."""
    other = [altered(d, SOPInstanceUID=d.SOPInstanceUID + ".9", SeriesInstanceUID="1.2.3.9.1.8") for d in stored if d.Modality == "CT"]
    joined = [altered(d, SOPInstanceUID=d.SOPInstanceUID + ".8", SeriesInstanceUID="1.2.3.9.1.6") for d in stored if d.Modality == "CT"]
    mr = altered(stored[-1], SOPInstanceUID="1.2.3.77", SeriesInstanceUID="1.2.3.9.1.9", Modality="MR")
    reg = dicom.registration([(dicom.OTHER_FRAME, [np.eye(4)])], PatientID=PATIENT, StudyInstanceUID="1.2.3.8.1", StudyDate="20210304")
    reg.ReferencedSeriesSequence = [dicom.dataset(SeriesInstanceUID="1.2.3.9.1.6"), dicom.dataset(SeriesInstanceUID="1.2.3.9.1.9")]
    reg.file_meta = stored[0].file_meta
    archive = FakeArchive([*stored, *other, *joined, mr, reg])
    found = fetch_from(archive, tmp_path / "out")
    assert found.counts == {"RTPLAN": 1, "RTDOSE": 1, "RTSTRUCT": 1, "REG": 1, "CT": 4}
    assert {str(d.SOPInstanceUID) for d in fetched(tmp_path / "out")} == {str(d.SOPInstanceUID) for d in (*stored, *joined, reg)}
    assert archive.n_asked == 8


@pytest.mark.hazard("H03", "H20")
def test_what_the_archive_lacks_is_told(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive([d for d in stored if d.Modality not in ("RTPLAN", "CT")])
    found = fetch_from(archive, tmp_path / "out")
    assert [n.code for n in found.notices] == ["archive_lacks_referenced"]
    assert "1 plan(s) that doses refer to, 1 image series that structures were drawn on" in found.notices[0].message


def test_an_object_of_an_unknown_kind_is_told(tmp_path: Path, stored: list[Dataset]) -> None:
    odd = altered(stored[0], SOPInstanceUID="1.2.3.99", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.10")
    found = fetch_from(FakeArchive([*stored, odd]), tmp_path / "out")
    assert [n.code for n in found.notices] == ["archive_object_not_read"]
    assert found.counts["RTDOSE"] == 1


@pytest.mark.hazard("H20")
def test_no_answer_is_lost_to_the_thread_of_the_library(stored: list[Dataset]) -> None:
    """What pynetdicom's own thread does once in some hundred questions on a busy machine, done all the time."""
    done = threading.Event()
    with serving(FakeArchive(stored)) as used, DimseArchive(used) as connection:
        association = connection._open()

        def take() -> None:
            while not done.is_set():
                association.dimse.get_msg(block=False)
                time.sleep(0)

        thief = threading.Thread(target=take)
        thief.start()
        try:
            found = [find(connection, PATIENT, used) for _ in range(8)]
        finally:
            done.set()
            thief.join()
    assert {tuple((s.modality, s.n_objects) for s in f.series) for f in found} == {(("RTDOSE", 1), ("RTSTRUCT", 1), ("RTPLAN", 1), ("CT", 2))}


# another patient, another object


@pytest.mark.hazard("H20")
def test_an_answer_about_another_patient_is_refused(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive(stored, answer=lambda ds, level: altered(ds, PatientID="CANARY-OTHER") if level == "STUDY" else ds)
    refused(archive, tmp_path / "out", "another Patient ID than the one asked for")
    assert archive.n_asked == 0


@pytest.mark.hazard("H20")
@pytest.mark.parametrize(("other", "way"), [({"PatientID": "CANARY-OTHER"}, "get"), ({"PatientID": "CANARY-OTHER"}, "move"), ({"PatientID": ""}, "get")])
def test_an_object_of_another_patient_is_not_kept(tmp_path: Path, stored: list[Dataset], other: dict[str, str], way: str) -> None:
    archive = FakeArchive(stored, change=lambda ds: altered(ds, **other) if ds.Modality == "RTDOSE" else ds)
    refused(archive, tmp_path / "out", "carries another Patient ID than the one asked for, or none", DicomError, retrieve=way)
    assert not list((tmp_path / "out.unfinished").rglob("*RTDOSE*"))


@pytest.mark.hazard("H20")
@pytest.mark.parametrize(
    ("other", "said", "kind"),
    [
        ({"SOPInstanceUID": "1.2.3.4.5"}, "1 of 1 objects asked for did not arrive", ArchiveError),
        ({"SeriesInstanceUID": "1.2.3.4.5"}, "another object, or of another series, than the one listed", DicomError),
        ({"StudyInstanceUID": "1.2.3.4.5"}, "another object, or of another series, than the one listed", DicomError),
    ],
)
def test_another_object_than_asked_for_is_not_kept(tmp_path: Path, stored: list[Dataset], other: dict[str, str], said: str, kind: type[ReirradError]) -> None:
    archive = FakeArchive(stored, change=lambda ds: altered(ds, **other) if ds.Modality == "RTPLAN" else ds)
    refused(archive, tmp_path / "out", said, kind)


@pytest.mark.hazard("H20", "H42")
@pytest.mark.parametrize("way", ["get", "move"])
def test_what_nobody_asked_for_is_not_kept(tmp_path: Path, stored: list[Dataset], way: str) -> None:
    stranger = altered(stored[0], SOPInstanceUID="1.2.3.666")
    fetch_from(FakeArchive(stored, extra=[stranger]), tmp_path / "out", retrieve=way)
    assert fetched(tmp_path / "out") == by_uid(stored)


@pytest.mark.hazard("H20")
def test_two_objects_of_one_identifier_are_refused(tmp_path: Path, stored: list[Dataset]) -> None:
    double = [altered(d, DoseGridScaling="0.02") for d in stored if d.Modality == "RTDOSE"]
    refused(FakeArchive(stored, extra=double), tmp_path / "out", "two different objects with one SOP Instance UID")


def test_the_same_object_twice_counts_once(tmp_path: Path, stored: list[Dataset]) -> None:
    fetch_from(FakeArchive(stored, extra=[d for d in stored if d.Modality == "RTDOSE"]), tmp_path / "out")
    assert fetched(tmp_path / "out") == by_uid(stored)


@pytest.mark.hazard("H20")
def test_one_identifier_in_two_series_is_refused(tmp_path: Path, stored: list[Dataset]) -> None:
    twin = altered(next(d for d in stored if d.Modality == "RTDOSE"), SeriesInstanceUID="1.2.3.9.1.99")
    refused(FakeArchive([*stored, twin]), tmp_path / "out", "one SOP Instance UID in two series")


# not all


@pytest.mark.hazard("H20")
def test_a_list_cut_short_is_refused(tmp_path: Path, stored: list[Dataset]) -> None:
    def boast(keyword: str) -> Callable[[Dataset, str], Dataset]:
        return lambda ds, level: altered(ds, **{keyword: 9}) if keyword in ds or level == "STUDY" else ds

    refused(FakeArchive(stored, answer=boast("NumberOfStudyRelatedSeries")), tmp_path / "out", "says it has 9 series of a study but lists 4")
    refused(FakeArchive(stored, answer=boast("NumberOfPatientRelatedStudies")), tmp_path / "out", "says it has 9 studies of the patient but lists 1")
    refused(FakeArchive(stored, answer=boast("NumberOfSeriesRelatedInstances")), tmp_path / "out", "says it has 9 objects of a series but lists 1")


@pytest.mark.hazard("H20")
def test_a_list_that_ends_in_a_failure_is_refused(tmp_path: Path, stored: list[Dataset]) -> None:
    refused(FakeArchive(stored, find_status=0xA700), tmp_path / "out", "a query with the failure 0xA700", UnreachableError)


@pytest.mark.hazard("H20")
@pytest.mark.parametrize("way", ["get", "move"])
def test_an_object_that_was_not_sent_is_missed_and_fetched_next_time(tmp_path: Path, stored: list[Dataset], way: str) -> None:
    archive = FakeArchive(stored, send_only=lambda n: n != 4)
    said = refused(archive, tmp_path / "out", "1 of 2 objects asked for did not arrive", retrieve=way)
    assert "1 of 2 objects are kept in 'out.unfinished'" in said
    archive.send_only, archive.n_asked = (lambda n: True), 0
    found = fetch_from(archive, tmp_path / "out", retrieve=way)
    assert (archive.n_asked, found.n_fetched) == (1, 1)
    assert fetched(tmp_path / "out") == by_uid(stored)


@pytest.mark.hazard("H20")
@pytest.mark.parametrize("way", ["get", "move"])
def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path, stored: list[Dataset], way: str) -> None:
    archive = FakeArchive(stored, abort_after=4)
    found = fetch_from(archive, tmp_path / "out", retrieve=way, attempts=3)
    assert found.n_fetched == 5
    assert archive.n_asked == 3 + 2 + 1
    assert fetched(tmp_path / "out") == by_uid(stored)


@contextmanager
def cut(port: int, n_bytes: int, stall: bool) -> Iterator[int]:
    """Passes bytes on to and from a port, until the archive has sent `n_bytes`; then silence, or the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets = [listener]

    def serve() -> None:
        try:
            ours, _ = listener.accept()
        except OSError:
            return
        theirs = socket.create_connection(("127.0.0.1", port))
        open_sockets.extend((ours, theirs))
        threading.Thread(target=pump, args=(ours, theirs, 1 << 40), daemon=True).start()
        pump(theirs, ours, n_bytes)
        if not stall:
            ours.shutdown(socket.SHUT_RDWR)
            theirs.shutdown(socket.SHUT_RDWR)

    def pump(source: socket.socket, target: socket.socket, left: int) -> None:
        try:
            while left > 0 and (data := source.recv(min(left, 4096))):
                target.sendall(data)
                left -= len(data)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for one in open_sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join(2)


@pytest.mark.hazard("H20")
@pytest.mark.parametrize(("n_bytes", "stall"), [(100, False), (3000, False), (5000, False), (8000, False), (100, True), (5000, True)])
def test_a_transfer_cut_short_leaves_nothing_that_looks_whole(tmp_path: Path, stored: list[Dataset], n_bytes: int, stall: bool) -> None:
    begun = time.monotonic()
    with serving(FakeArchive(stored)) as used, cut(used.port, n_bytes, stall) as port:
        short = used.model_copy(update={"port": port, "answer_timeout_s": 0.7, "connect_timeout_s": 0.7})
        with pytest.raises(ArchiveError), connect(short) as connection:
            fetch(connection, PATIENT, short, tmp_path / "out")
        assert time.monotonic() - begun < 12
        assert not (tmp_path / "out").exists()
        with connect(used) as connection:
            fetch(connection, PATIENT, used, tmp_path / "out")
    assert fetched(tmp_path / "out") == by_uid(stored)


# an archive that cannot be talked to


@pytest.mark.hazard("H20")
def test_a_dead_server_is_named_as_such(tmp_path: Path) -> None:
    dead = profile(port=free_port(), attempts=2)
    with connect(dead) as connection, pytest.raises(UnreachableError, match="No DICOM connection with the archive came about"):
        fetch(connection, PATIENT, dead, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_an_address(tmp_path: Path) -> None:
    dead = profile(host="no-such-host.invalid")
    with connect(dead) as connection, pytest.raises(UnreachableError, match="port 1"):
        fetch(connection, PATIENT, dead, tmp_path / "out")


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        used = profile(port=mute.getsockname()[1], connect_timeout_s=0.5, answer_timeout_s=0.5)
        with connect(used) as connection, pytest.raises(UnreachableError, match=r"within 0\.5 s"):
            find(connection, PATIENT, used)


@contextmanager
def server(**settings: Any) -> Iterator[DimseProfile]:
    entity = AE("ARCHIVE")
    for keyword, value in settings.items():
        setattr(entity, keyword, value)
    entity.add_supported_context(settings.get("supported", FIND))
    running = started(entity, [])
    try:
        yield profile(port=running.socket.getsockname()[1])
    finally:
        running.shutdown()


@pytest.mark.parametrize(
    ("settings", "said", "kind"),
    [
        ({"ae_title": "ELSE", "require_called_aet": True}, "does not go by the AE title we called", ArchiveError),
        ({"require_calling_aet": ["ELSE"]}, "does not know our AE title", ArchiveError),
    ],
)
def test_a_wrong_ae_title_is_named(settings: dict[str, Any], said: str, kind: type[ReirradError]) -> None:
    with server(**settings) as used, connect(used) as connection, pytest.raises(kind, match=said) as refusal:
        find(connection, PATIENT, used)
    assert not isinstance(refusal.value, UnreachableError)


def test_a_full_archive_may_be_asked_again() -> None:
    guest = AE("GUEST")
    guest.add_requested_context(FIND)
    with server(maximum_associations=1) as used, connect(used) as connection:
        holder = guest.associate("127.0.0.1", used.port, ae_title="ARCHIVE")
        assert holder.is_established
        with pytest.raises(UnreachableError, match="refuses a connection"):
            find(connection, PATIENT, used)
        holder.release()


def test_an_archive_without_a_service_is_named() -> None:
    with server(supported="1.2.840.10008.1.1") as used, connect(used) as connection, pytest.raises(UnreachableError, match="offers no query"):
        find(connection, PATIENT, used)
    with server() as used, connect(used) as connection, pytest.raises(ArchiveError, match="does not offer C-GET; write retrieve = 'move'"):
        connection.retrieve([Entry("1.2", "1.3", "1.4", "CT")], lambda uid, content: True)


def test_a_move_to_nowhere_is_named(tmp_path: Path, stored: list[Dataset]) -> None:
    refused(FakeArchive(stored), tmp_path / "out", "AE title ELSEWHERE with the address and port of this machine", retrieve="move", own_ae_title="ELSEWHERE")


def test_a_port_that_is_taken_is_named(tmp_path: Path, stored: list[Dataset]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, serving(FakeArchive(stored)) as used:
        used = used.model_copy(update={"retrieve": "move", "listen_port": taken.getsockname()[1]})
        with connect(used) as connection, pytest.raises(ArchiveError, match=r"cannot listen at 127\.0\.0\.1 port"):
            fetch(connection, PATIENT, used, tmp_path / "out")


@pytest.mark.parametrize("patient", ["", "  ", "*", "A?", "A\\B", "A\nB", "A" * 65])
def test_an_identifier_of_more_than_one_patient_is_refused(patient: str) -> None:
    with connect(profile()) as connection, pytest.raises(ArchiveError, match="whole ID of one patient"):
        find(connection, patient, profile())


def test_a_patient_without_studies_or_dose(tmp_path: Path, stored: list[Dataset]) -> None:
    with serving(FakeArchive(stored)) as used, connect(used) as connection, pytest.raises(ArchiveError, match="no study of this patient"):
        find(connection, "CANARY-NOBODY", used)
    refused(FakeArchive([d for d in stored if d.Modality != "RTDOSE"]), tmp_path / "out", "no RTDOSE of this patient")


@pytest.mark.hazard("H38")
def test_an_identifier_that_is_a_path_is_refused(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive(stored, answer=lambda ds, level: altered(ds, SOPInstanceUID="1.2/../../../etc/x") if level == "IMAGE" else ds)
    refused(archive, tmp_path / "out", "an identifier that is none")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.unfinished"] or list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_an_encrypted_connection_needs_a_certificate_that_is_trusted(tmp_path: Path, stored: list[Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "ca.pem")]
    subprocess.run([*made, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    monkeypatch.setattr(archive_factory, "TLS", context)
    ours = {"tls": True, "tls_ca": str(tmp_path / "ca.pem")}
    fetch_from(FakeArchive(stored), tmp_path / "out", **ours)
    assert fetched(tmp_path / "out") == by_uid(stored)
    for other in ({"tls_ca": None}, {"tls": False}):
        with pytest.raises(UnreachableError, match=r"No DICOM connection.*certificate that is not trusted"):
            fetch_from(FakeArchive(stored), tmp_path / "none", **{**ours, **other})
    assert not (tmp_path / "none").exists()
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ArchiveError, match="TLS files that the profile names cannot be used"):
        fetch_from(FakeArchive(stored), tmp_path / "none", **{**ours, "tls_ca": str(tmp_path / "bad.pem")})


# the listener


@pytest.mark.hazard("H42")
def test_the_listener_takes_nothing_from_strangers_and_nothing_unasked(stored: list[Dataset]) -> None:
    kept: list[str] = []

    def keep(uid: str, content: bytes) -> bool:
        kept.append(uid)
        return True

    def offer(port: int, calling: str, called: str) -> int | None:
        entity = AE(calling)
        entity.add_requested_context(stored[0].SOPClassUID, SYNTAXES)
        association = entity.associate("127.0.0.1", port, ae_title=called)
        if not association.is_established:
            return None
        status = association.send_c_store(stored[0]).Status
        association.release()
        return int(status)

    def answers(address: str, port: int) -> bool:
        with socket.socket() as one:
            return one.connect_ex((address, port)) == 0

    with serving(FakeArchive(stored), retrieve="move") as used:
        with connect(used) as connection:
            first = stored[1]
            connection.retrieve([Entry(first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID, first.Modality)], keep)
            assert kept == [first.SOPInstanceUID]
            assert offer(used.listen_port, "STRANGER", "REIRRAD") is None
            assert offer(used.listen_port, "ARCHIVE", "ELSE") is None
            assert offer(used.listen_port, "ARCHIVE", "REIRRAD") == 0x0124
            assert not answers("127.0.0.2", used.listen_port)
        assert kept == [first.SOPInstanceUID]
        assert not answers("127.0.0.1", used.listen_port)


# what lies on disk


def entry_of(ds: Dataset) -> Entry:
    return Entry(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID, ds.Modality, ds.SOPClassUID)


def bytes_of(ds: Dataset, folder: Path) -> bytes:
    return dicom.save(deepcopy(ds), folder / "one.dcm").read_bytes()


@pytest.mark.hazard("H20", "H49")
def test_the_preamble_is_emptied_and_content_checked(tmp_path: Path, stored: list[Dataset]) -> None:
    dose = next(d for d in stored if d.Modality == "RTDOSE")
    whole = bytes_of(dose, tmp_path)
    holding = Holding(tmp_path / "out", PATIENT)
    holding.expect([entry_of(dose)])
    assert not holding.keep(dose.SOPInstanceUID, whole[:-40])
    assert "truncated" in str(holding.refusal)
    assert not holding.keep(dose.SOPInstanceUID, b"MZ" + bytes(300))
    assert not holding.keep("1.2.3.4.5.6", whole)
    assert not list(holding.folder.rglob("*.part"))
    holding.refusal = None
    assert holding.keep(dose.SOPInstanceUID, b"MZ" + whole[2:])
    assert holding.refusal is None
    assert holding.paths([entry_of(dose)])[0][0].read_bytes() == bytes(128) + whole[128:]


@pytest.mark.hazard("H20")
def test_a_file_that_went_bad_between_attempts_is_fetched_again(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive(stored, send_only=lambda n: n != 4)
    refused(archive, tmp_path / "out", "did not arrive")
    bad = next((tmp_path / "out.unfinished").rglob("*RTDOSE*"))
    bad.write_bytes(bad.read_bytes()[:-40])
    archive.send_only, archive.n_asked = (lambda n: True), 0
    fetch_from(archive, tmp_path / "out")
    assert archive.n_asked == 2
    assert fetched(tmp_path / "out") == by_uid(stored)


@pytest.mark.hazard("H20")
def test_files_of_another_retrieval_are_not_mixed_in(tmp_path: Path, stored: list[Dataset]) -> None:
    archive = FakeArchive(stored, send_only=lambda n: n != 4)
    refused(archive, tmp_path / "out", "did not arrive")
    left = next((tmp_path / "out.unfinished").rglob("*RTDOSE*"))
    left.with_name("RTDOSE-" + "0" * 20 + ".dcm").write_bytes(left.read_bytes())
    archive.send_only = lambda n: True
    refused(archive, tmp_path / "out", "holds 1 file\\(s\\) that do not belong to this retrieval")


@pytest.mark.hazard("H20")
def test_a_folder_that_exists_is_never_added_to(tmp_path: Path, stored: list[Dataset]) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError, match="'out' exists already"):
        fetch_from(FakeArchive(stored), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(ArchiveError, match="cannot be written"):
        fetch_from(FakeArchive(stored), tmp_path / "nowhere" / "out")


@pytest.mark.hazard("H20")
def test_an_unfinished_folder_is_no_input(tmp_path: Path, stored: list[Dataset]) -> None:
    """Whatever reads folders of DICOM refuses it, folders above and below it included."""
    refused(FakeArchive(stored, send_only=lambda n: n != 4), tmp_path / "out", "did not arrive")
    assert len([p for p in (tmp_path / "out.unfinished").rglob("*.dcm") if p.name != MARK]) == 4
    below = [p for p in (tmp_path / "out.unfinished").iterdir() if p.is_dir()]
    assert len(below) == 1
    for folder in (tmp_path, tmp_path / "out.unfinished", *below):
        with pytest.raises(DicomError, match=MARK):
            scan(folder, folder)


@pytest.mark.hazard("H37")
def test_nothing_of_the_patient_is_logged(tmp_path: Path, stored: list[Dataset], caplog: pytest.LogCaptureFixture) -> None:
    """At the lowest level, with the library's own messages switched on, a broken connection and a wrong patient on the way."""
    logging.getLogger("pynetdicom").setLevel(logging.DEBUG)
    told: list[str] = []
    caplog.set_level(logging.DEBUG)
    try:
        archive = FakeArchive(stored, change=lambda ds: altered(ds, PatientID="CANARY-OTHER") if ds.Modality == "CT" else ds)
        with serving(archive) as used, connect(used) as connection, pytest.raises(DicomError):
            fetch(connection, PATIENT, used, tmp_path / "out", told.append)
    finally:
        logging.getLogger("pynetdicom").setLevel(logging.WARNING)
    assert told
    assert "CANARY" not in "".join(told)
    assert "CANARY" not in caplog.text


def test_a_question_with_a_name_in_other_letters() -> None:
    """The Patient ID goes out in UTF-8, and says so."""
    asked = []

    def answer(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked.append((event.identifier.SpecificCharacterSet, event.identifier.PatientID))
        yield from ()

    entity = AE("ARCHIVE")
    entity.add_supported_context(FIND)
    running = started(entity, [(evt.EVT_C_FIND, answer)])
    try:
        used = profile(port=running.socket.getsockname()[1])
        with connect(used) as connection, pytest.raises(ArchiveError, match="no study"):
            find(connection, "Jürgen-7", used)
    finally:
        running.shutdown()
    assert asked == [("ISO_IR 192", "Jürgen-7")]
