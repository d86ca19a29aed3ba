"""An archive in this process, on loopback, that can be told to misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import case_factory as cases
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from reirrad.dicom.files import ROLES
from reirrad.pacs.dimse import FIND, GET, MOVE, SYNTAXES, _tune
from reirrad.pacs.profile import DimseProfile

PATIENT = "CANARYXQ-7"
TLS: ssl.SSLContext | None = None  # of every server


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class FakeArchive:
    """Objects to serve, and what goes wrong; `n_sent` counts what was sent, `received` holds what was stored here."""

    objects: list[Dataset]
    change: Callable[[Dataset], Dataset] = lambda ds: ds  # what is sent instead of an object
    answer: Callable[[Dataset, str], Dataset] = lambda ds, level: ds  # what is said instead of an answer
    send_only: Callable[[int], bool] = lambda n: True  # whether the n-th object is sent at all
    abort_after: int | None = None  # break the connection when so many were sent
    extra: Sequence[Dataset] = ()  # sent although nobody asked
    find_status: int = 0
    store_status: int = 0
    n_sent: int = 0
    n_asked: int = 0
    received: list[Dataset] = field(default_factory=list)
    move_to: tuple[str, int] | None = None

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        level = query.QueryRetrieveLevel
        key = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
        seen = {}
        for ds in self.objects:
            if all(ds.get(k, "") == query.get(k) for k in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID") if query.get(k)):
                seen.setdefault(str(ds[key].value), ds)
        for ds in seen.values():
            found = Dataset()
            for element in query:
                if element.keyword in ds:
                    setattr(found, element.keyword, ds[element.keyword].value)
            if "NumberOfSeriesRelatedInstances" in query:
                found.NumberOfSeriesRelatedInstances = sum(d.SeriesInstanceUID == ds.SeriesInstanceUID for d in self.objects)
            yield 0xFF00, self.answer(found, level)
        if self.find_status:
            yield self.find_status, None

    def _wanted(self, event: Any) -> list[Dataset]:
        uids = event.identifier.SOPInstanceUID
        uids = [uids] if isinstance(uids, str) else list(uids)
        self.n_asked += len(uids)
        return [ds for ds in self.objects if ds.SOPInstanceUID in uids]

    def _sending(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for ds in self._wanted(event):
            if self.abort_after is not None and self.n_sent >= self.abort_after:
                self.abort_after = None
                event.assoc.abort()
                return
            if self.send_only(self.n_sent):
                yield 0xFF00, self.change(ds)
            self.n_sent += 1
        for ds in self.extra:
            yield 0xFF00, ds

    def get(self, event: Any) -> Iterator[Any]:
        yield len(event.identifier.get("SOPInstanceUID", ())) + len(self.extra)
        yield from self._sending(event)

    def move(self, event: Any) -> Iterator[Any]:
        if self.move_to is None or event.move_destination.strip() != "REIRRAD":
            yield None, None
            return
        yield self.move_to[0], self.move_to[1], {"ae_title": "REIRRAD", "contexts": None}
        yield len(event.identifier.get("SOPInstanceUID", ())) + len(self.extra)
        yield from self._sending(event)

    def store(self, event: Any) -> int:
        if self.store_status == 0:
            ds = event.dataset
            ds.file_meta = event.file_meta
            self.received.append(ds)
        return self.store_status


def started(entity: AE, handlers: list[Any]) -> ThreadedAssociationServer:
    """Run a server that notices within 10 ms that it is to stop; the library's own takes half a second."""
    server = entity.make_server(("127.0.0.1", 0), evt_handlers=handlers, ssl_context=TLS, server_class=ThreadedAssociationServer)
    entity._servers.append(server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@contextmanager
def serving(archive: FakeArchive, title: str = "ARCHIVE", **settings: Any) -> Iterator[DimseProfile]:
    """Run the archive; gives a profile that reaches it. Settings of the profile may be given."""
    server = AE(title)
    server.require_called_aet = True
    for model in (FIND, GET, MOVE):
        server.add_supported_context(model)
    for sop_class in ROLES:
        server.add_supported_context(sop_class, SYNTAXES, scu_role=True, scp_role=True)
        server.add_requested_context(sop_class, SYNTAXES)
    handlers: list[Any] = [(evt.EVT_C_FIND, archive.find), (evt.EVT_C_GET, archive.get), (evt.EVT_C_MOVE, archive.move), (evt.EVT_C_STORE, archive.store)]
    handlers.append((evt.EVT_CONN_OPEN, _tune, [30.0]))
    running = started(server, handlers)
    listen = free_port()
    archive.move_to = ("127.0.0.1", listen)
    try:
        yield profile(port=running.socket.getsockname()[1], listen_port=listen, **settings)
    finally:
        running.shutdown()


def profile(**settings: Any) -> DimseProfile:
    """A profile that waits for nothing."""
    known = {"host": "127.0.0.1", "port": 1, "ae_title": "ARCHIVE", "attempts": 1, "first_wait_s": 0.0, "connect_timeout_s": 3.0, "answer_timeout_s": 5.0}
    return DimseProfile(protocol="dimse", **{**known, **settings})


def stored_case(folder: Path, numbers: Sequence[int] = (1, 2), n_ct: int = 6, **patient: Any) -> list[Dataset]:
    """The objects of courses of 30 Gy in 10 and 20 Gy in 5, each a study with plan, dose, structures and CT planes."""
    found = []
    for number in numbers:
        gy, fractions = {1: (30, 10), 2: (20, 5)}[number]
        course = cases.write_course(folder / f"c{number}", number, gy, fractions, **{"PatientID": PATIENT, "ct_series": f"1.2.3.9.{number}.7", **patient})
        for path in sorted(course.iterdir())[: 3 + n_ct]:
            ds = dcmread(path)
            ds.StudyInstanceUID, ds.StudyDate = f"1.2.3.8.{number}", f"202{number}0304"
            if ds.Modality != "CT":
                ds.SeriesInstanceUID = f"1.2.3.9.{number}.{ds.SOPClassUID.rsplit('.', 1)[1]}"
            if ds.Modality == "RTSTRUCT":
                study = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
                study.RTReferencedSeriesSequence[0].SeriesInstanceUID = f"1.2.3.9.{number}.7"
            found.append(ds)
    return found


def fetched(folder: Path) -> list[Dataset]:
    """Objects in a folder, by SOP Instance UID."""
    return sorted((dcmread(p) for p in folder.rglob("*.dcm")), key=lambda ds: str(ds.SOPInstanceUID))


def by_uid(objects: Sequence[Dataset]) -> list[Dataset]:
    return sorted(objects, key=lambda ds: str(ds.SOPInstanceUID))
