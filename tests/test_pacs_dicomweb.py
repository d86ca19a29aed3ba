"""DICOMweb against a service in this process that can be told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from archive_factory import PATIENT, by_uid, fetched, stored_case
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from reirrad.errors import DicomError, ReirradError
from reirrad.pacs.archive import connect
from reirrad.pacs.errors import ArchiveError, UnreachableError
from reirrad.pacs.profile import DicomwebProfile
from reirrad.pacs.retrieve import Retrieval, fetch, find
from reirrad.pacs.send import send

BOUNDARY = "abc123"


@dataclass
class FakeService:
    objects: list[Dataset]
    statuses: list[int] = field(default_factory=list)  # of the next answers, instead of what they would be
    fault: str = ""  # of retrievals: body, boundary, length, plain, wrong
    page: int = 1000
    ignores_offset: bool = False
    query_fault: bytes = b""
    accepts: bool = True
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    received: list[Dataset] = field(default_factory=list)

    def found(self, parts: list[str], query: dict[str, list[str]]) -> list[dict[str, Any]]:
        level = parts[-1]
        key = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}[level]
        wanted = dict(zip(("StudyInstanceUID", "SeriesInstanceUID"), parts[1::2], strict=False)) | {k: v[0] for k, v in query.items() if k == "PatientID"}
        seen = {str(d[key].value): d for d in self.objects if all(d[k].value == v for k, v in wanted.items())}
        kept = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "StudyDate")
        answers = []
        for ds in seen.values():
            one = Dataset()
            for keyword in kept:
                setattr(one, keyword, ds[keyword].value)
            if level == "series":
                one.NumberOfSeriesRelatedInstances = sum(d.SeriesInstanceUID == ds.SeriesInstanceUID for d in self.objects)
            answers.append(one.to_json_dict())
        start = 0 if self.ignores_offset else int(query.get("offset", ["0"])[0])
        return answers[start : start + self.page]

    def file(self, uid: str) -> bytes:
        ds = next(d for d in self.objects if uid == d.SOPInstanceUID)
        if self.fault == "wrong":
            ds = deepcopy(ds)
            ds.PatientID = "CANARY-OTHER"
        buffer = BytesIO()
        dcmwrite(buffer, ds, enforce_file_format=True)
        return buffer.getvalue()


@contextmanager
def serving(service: FakeService, **settings: Any) -> Iterator[DicomwebProfile]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def reply(self, status: int, body: bytes, kind: str = "application/dicom+json", cut: int = 0) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) + cut))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = bool(cut)

        def do_GET(self) -> None:
            service.headers.append(dict(self.headers))
            service.paths.append(self.path)
            url = urlsplit(self.path)
            parts = url.path.removeprefix("/web/").split("/")
            if service.statuses:
                self.reply(service.statuses.pop(0), b"CANARY")
            elif len(parts) == 6:
                file = service.file(parts[5])
                if service.fault == "plain":
                    self.reply(200, file, "application/dicom")
                    return
                body = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + (file[:-30] if service.fault == "body" else file)
                end = b"" if service.fault == "boundary" else f"\r\n--{BOUNDARY}--".encode()
                self.reply(200, body + end, f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', 500 if service.fault == "length" else 0)
            else:
                self.reply(200, service.query_fault or json.dumps(service.found(parts, parse_qs(url.query))).encode())

        def do_POST(self) -> None:
            service.headers.append(dict(self.headers))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if service.statuses:
                self.reply(service.statuses.pop(0), b"CANARY")
                return
            start = body.index(b"\r\n\r\n") + 4
            ds = dcmread(BytesIO(body[start : body.rindex(b"\r\n--")]))
            answer, item = Dataset(), Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
            setattr(answer, "ReferencedSOPSequence" if service.accepts else "FailedSOPSequence", [item])
            service.received.append(ds)
            self.reply(200, json.dumps(answer.to_json_dict()).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    known = {"attempts": 1, "first_wait_s": 0.0, "answer_timeout_s": 2.0, **settings}
    try:
        yield DicomwebProfile(protocol="dicomweb", url=f"http://127.0.0.1:{server.server_address[1]}/web", **known)
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    return stored_case(tmp_path_factory.mktemp("stored"), (1,), 2)


def fetch_from(service: FakeService, out: Path, **settings: Any) -> Retrieval:
    with serving(service, **settings) as used, connect(used) as connection:
        return fetch(connection, PATIENT, used, out)


@pytest.mark.hazard("H20")
@pytest.mark.parametrize("fault", ["", "plain"])
def test_a_patient_arrives_whole(tmp_path: Path, stored: list[Dataset], fault: str) -> None:
    found = fetch_from(FakeService(stored, fault=fault), tmp_path / "out")
    assert found.counts == {"RTPLAN": 1, "RTDOSE": 1, "RTSTRUCT": 1, "CT": 2}
    assert fetched(tmp_path / "out") == by_uid(stored)


@pytest.mark.hazard("H20")
@pytest.mark.parametrize(("page", "ignores"), [(1, False), (2, False), (1000, True)])
def test_answers_come_page_by_page(stored: list[Dataset], page: int, ignores: bool) -> None:
    with serving(FakeService(stored, page=page, ignores_offset=ignores)) as used, connect(used) as connection:
        listing = find(connection, PATIENT, used)
    assert sorted((s.modality, s.n_objects) for s in listing.series) == [("CT", 2), ("RTDOSE", 1), ("RTPLAN", 1), ("RTSTRUCT", 1)]


@pytest.mark.hazard("H20")
@pytest.mark.parametrize(
    ("fault", "said", "kind"),
    [
        ("body", "is truncated|does not parse as DICOMweb", ReirradError),
        ("boundary", "was cut short", ArchiveError),
        ("length", "broke off", ArchiveError),
        ("wrong", "carries another Patient ID", DicomError),
    ],
)
def test_a_bad_transfer_leaves_nothing_that_looks_whole(tmp_path: Path, stored: list[Dataset], fault: str, said: str, kind: type[ReirradError]) -> None:
    service = FakeService(stored, fault=fault)
    with pytest.raises(kind, match=said) as refusal:
        fetch_from(service, tmp_path / "out")
    assert "CANARY" not in str(refusal.value)
    assert not (tmp_path / "out").exists()
    service.fault = ""
    assert fetch_from(service, tmp_path / "out").n_fetched == 5
    assert fetched(tmp_path / "out") == by_uid(stored)


def test_a_busy_archive_is_asked_again(tmp_path: Path, stored: list[Dataset]) -> None:
    service = FakeService(stored, statuses=[503, 429])
    assert fetch_from(service, tmp_path / "out", attempts=3).n_fetched == 5
    with pytest.raises(UnreachableError, match="busy or ill \\(HTTP 503\\)"), serving(FakeService(stored, statuses=[503])) as used, connect(used) as one:
        find(one, PATIENT, used)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "HTTP 401.*token or password"),
        (403, "HTTP 403.*token or password"),
        (404, "HTTP 404.*check url"),
        (302, "sends the request on to another address"),
    ],
)
def test_a_refusal_is_named_and_not_repeated(stored: list[Dataset], status: int, said: str) -> None:
    service = FakeService(stored, statuses=[status])
    with serving(service, attempts=3) as used, connect(used) as connection, pytest.raises(ArchiveError, match=said) as refusal:
        find(connection, PATIENT, used)
    assert not isinstance(refusal.value, UnreachableError)
    assert len(service.paths) == 1
    assert "CANARY" not in str(refusal.value)


@pytest.mark.parametrize("answer", [b"<html>CANARY</html>", b'["CANARY"]', b'[{"0020000D": 7}]'])
def test_an_answer_that_is_none(stored: list[Dataset], answer: bytes) -> None:
    said = r"not DICOM JSON|does not parse|identifier that is none|another Patient ID"
    with serving(FakeService(stored, query_fault=answer)) as used, connect(used) as connection, pytest.raises(ArchiveError, match=said) as refusal:
        find(connection, PATIENT, used)
    assert "CANARY" not in str(refusal.value)


def test_a_dead_or_silent_service(stored: list[Dataset]) -> None:
    with serving(FakeService(stored)) as used:
        pass
    with connect(used) as connection, pytest.raises(UnreachableError, match="does not answer, or broke off"):
        find(connection, PATIENT, used)


@pytest.mark.hazard("H37")
def test_a_token_goes_out_and_nowhere_else(stored: list[Dataset], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("PACS_TOKEN", "SECRETXQ")
    caplog.set_level(0)
    service = FakeService(stored)
    with serving(service, token_variable="PACS_TOKEN") as used, connect(used) as connection:
        find(connection, PATIENT, used)
    assert {h["Authorization"] for h in service.headers} == {"Bearer SECRETXQ"}
    assert "SECRETXQ" not in caplog.text
    assert "CANARY" not in caplog.text
    monkeypatch.setenv("PACS_USER", "me")
    with serving(service, user_variable="PACS_USER", password_variable="PACS_TOKEN") as used, connect(used) as connection:
        find(connection, PATIENT, used)
    assert service.headers[-1]["Authorization"] == "Basic bWU6U0VDUkVUWFE="


def test_files_are_sent(tmp_path: Path, stored: list[Dataset]) -> None:
    paths = [Path(d.filename) for d in stored if d.Modality != "CT"]
    service = FakeService([])
    with serving(service) as used, connect(used) as connection:
        assert send(connection, paths, used) == 3
    assert by_uid(service.received) == by_uid([dcmread(p) for p in paths])
    assert all(d.preamble == bytes(128) for d in service.received)


def test_a_file_the_archive_does_not_take_is_named(stored: list[Dataset]) -> None:
    paths = [Path(d.filename) for d in stored if d.Modality != "CT"]
    for service, said in ((FakeService([], accepts=False), r"did not store 00\.dcm"), (FakeService([], statuses=[409]), "HTTP 409")):
        with serving(service) as used, connect(used) as connection, pytest.raises(ArchiveError, match=said + r".* 0 of 3 files are stored"):
            send(connection, paths, used)
    service = FakeService([], statuses=[503])
    with serving(service, attempts=2) as used, connect(used) as connection:
        assert send(connection, paths, used) == 3
    assert len(service.received) == 3
