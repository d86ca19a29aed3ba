"""An archive that speaks classic DICOM: C-FIND, C-GET, C-MOVE, C-STORE.

One association is kept for questions and for C-GET. With C-MOVE the archive opens a connection of its own: then we listen on the one address the profile
names, for the archive's AE title alone and no longer than our connection lasts, and keep only what is being asked for. Transfer syntaxes are uncompressed.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ

from reirrad.dicom.files import ROLES
from reirrad.dicom.parsing import PARSE_ERRORS, reading
from reirrad.dicom.values import people_text
from reirrad.errors import ReirradError, printable
from reirrad.pacs.archive import Entry, Keep, Level, Outgoing, silent
from reirrad.pacs.errors import ArchiveError, UnreachableError
from reirrad.pacs.profile import DimseProfile

__all__ = ["DimseArchive"]

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))  # Study Root
SYNTAXES: Final = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
LARGEST_PDU: Final = 1 << 17
MOST_CONNECTIONS: Final = 4
# So many objects in one request: the archive answers within the timeout, and little is lost when a connection breaks.
MOST_AT_ONCE: Final = 50
PENDING: Final = (0xFF00, 0xFF01)
NOT_AUTHORISED, CANNOT_UNDERSTAND = 0x0124, 0xC000
DESTINATION_UNKNOWN: Final = 0xA801
WARNINGS: Final = (0xB000, 0xB006, 0xB007)
_REJECTED: Final = {
    (1, 3): "it does not know our AE title (own_ae_title); have the archive's administrator add it",
    (1, 7): "it does not go by the AE title we called (ae_title); correct the profile",
}
_TRANSIENT_REJECTION: Final = 2


class DimseArchive:
    """Connection to an archive; see `reirrad.pacs.archive.Archive`."""

    def __init__(self, profile: DimseProfile) -> None:
        self._profile = profile
        self._association: Association | None = None
        self._server: Any = None
        self._keep: Keep | None = None
        self._receiving = threading.Lock()
        self._tuned = (evt.EVT_CONN_OPEN, _tune, [profile.answer_timeout_s])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with silent():
            self._close()
            if self._server is not None:
                self._server.shutdown()
                self._server = None

    # questions

    def find(self, level: Level, keys: Mapping[str, str], wanted: Sequence[str]) -> list[dict[str, str]]:
        """Ask by C-FIND; see `Archive`."""
        query = Dataset()
        if not all(value.isascii() for value in keys.values()):
            query.SpecificCharacterSet = "ISO_IR 192"
        query.QueryRetrieveLevel = level
        for keyword in (*wanted, *keys):
            setattr(query, keyword, keys.get(keyword, ""))
        found: list[dict[str, str]] = []
        with self._asked(), reading("An answer of the archive"):
            association = self._open()
            self._require(association, FIND, "C-FIND")
            status = None
            for answer, identifier in association.send_c_find(query, FIND):
                status = answer.get("Status")
                if status in PENDING:
                    found.append({k: people_text(_stated(identifier), k).strip() for k in (*keys, *wanted)})
        self._conclude(status, "a query")
        return found

    # retrieval

    def retrieve(self, entries: Sequence[Entry], keep: Keep) -> None:
        """Fetch objects of one series by C-GET or C-MOVE; see `Archive`."""
        for start in range(0, len(entries), MOST_AT_ONCE):
            self._retrieve(entries[start : start + MOST_AT_ONCE], keep)

    def _retrieve(self, entries: Sequence[Entry], keep: Keep) -> None:
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID, query.SeriesInstanceUID = entries[0].study_uid, entries[0].series_uid
        query.SOPInstanceUID = [e.instance_uid for e in entries]
        status = None
        with self._asked(), self._receive(keep):
            association = self._open()
            if self._profile.retrieve == "get":
                self._require(association, GET, "C-GET; write retrieve = 'move' in the profile")
                answers = association.send_c_get(query, GET)
            else:
                self._require(association, MOVE, "C-MOVE; write retrieve = 'get' in the profile")
                answers = association.send_c_move(query, self._profile.own_ae_title, MOVE)
            for answer, _ in answers:
                status = answer.get("Status")
        if self._profile.retrieve == "move" and (status == DESTINATION_UNKNOWN or (status or 0) >= CANNOT_UNDERSTAND):
            raise ArchiveError(
                f"The archive does not send (0x{status:04X}). It must know where to: AE title {self._profile.own_ae_title} with the address and port of this "
                "machine. Have its administrator add these, or write retrieve = 'get' in the profile."
            )
        if status not in WARNINGS:  # some were not sent: which ones is for the caller to see
            self._conclude(status, "a retrieval")

    @contextmanager
    def _receive(self, keep: Keep) -> Iterator[None]:
        """Take what arrives as long as something is asked for; with C-MOVE, listen from the first time on."""
        if self._profile.retrieve == "move" and self._server is None:
            self._server = self._listen()
        self._keep = keep
        try:
            yield
        finally:
            with self._receiving:
                self._keep = None

    def _listen(self) -> Any:
        own = self._entity()
        own.require_called_aet, own.require_calling_aet = True, [self._profile.ae_title]
        own.maximum_pdu_size, own.maximum_associations = LARGEST_PDU, MOST_CONNECTIONS
        for sop_class in ROLES:
            own.add_supported_context(sop_class, SYNTAXES)
        context = None
        if self._profile.tls:
            context = self._tls(ssl.Purpose.CLIENT_AUTH)
            context.verify_mode = ssl.CERT_REQUIRED
        try:
            server: Any = own.start_server(
                (self._profile.listen, self._profile.listen_port),
                block=False,
                evt_handlers=[(evt.EVT_C_STORE, self._received), self._tuned],
                ssl_context=context,
            )
        except OSError as error:
            raise ArchiveError(
                f"This machine cannot listen at {self._profile.listen} port {self._profile.listen_port} for the archive to send to ({error.strerror}). "
                "Correct listen and listen_port in the profile."
            ) from None
        server.handle_error = lambda *_: None  # which would print a traceback
        return server

    def _received(self, event: Any) -> int:
        """Status of one C-STORE request; runs in a thread of the library, so nothing may escape."""
        try:
            instance_uid, content = str(event.request.AffectedSOPInstanceUID), event.encoded_dataset()
        except PARSE_ERRORS:
            return CANNOT_UNDERSTAND
        with self._receiving:
            return 0 if self._keep is not None and self._keep(instance_uid, content) else NOT_AUTHORISED

    # sending

    def store(self, files: Sequence[Outgoing], stored: Callable[[Outgoing], None]) -> None:
        """Send by C-STORE; see `Archive`."""
        own = self._entity()
        for sop_class, syntax in sorted({(f.sop_class_uid, f.syntax) for f in files}):
            own.add_requested_context(sop_class, SYNTAXES if syntax in SYNTAXES else [syntax])
        with self._asked():
            association = self._associate(own)
            try:
                for file in files:
                    if not any(c.abstract_syntax == file.sop_class_uid for c in association.accepted_contexts):
                        raise ArchiveError(f"The archive does not take objects of the kind or transfer syntax of {file.name}. Ask its administrator.")
                    with reading(file.name):
                        status = association.send_c_store(dcmread(file.path)).get("Status")
                    if status not in WARNINGS:
                        self._conclude(status, f"{file.name} with its own status")
                    stored(file)
            finally:
                association.release()

    # association

    def _entity(self) -> AE:
        own = AE(self._profile.own_ae_title)
        own.connection_timeout = own.acse_timeout = self._profile.connect_timeout_s
        own.dimse_timeout = own.network_timeout = self._profile.answer_timeout_s
        return own

    def _open(self) -> Association:
        """The association for questions and retrieval, made when there is none."""
        if self._association is None or not self._association.is_established:
            own = self._entity()
            own.add_requested_context(FIND)
            own.add_requested_context(GET if self._profile.retrieve == "get" else MOVE)
            roles = []
            if self._profile.retrieve == "get":
                for sop_class in ROLES:
                    own.add_requested_context(sop_class, SYNTAXES)
                    roles.append(build_role(sop_class, scp_role=True))
            self._association = self._associate(own, roles, [(evt.EVT_C_STORE, self._received)])
        return self._association

    def _associate(self, own: AE, roles: Sequence[Any] = (), handlers: Sequence[Any] = ()) -> Association:
        p = self._profile
        tls = (self._tls(ssl.Purpose.SERVER_AUTH), p.host) if p.tls else None
        rejections: list[A_ASSOCIATE_RJ] = []

        def note_rejection(event: Any) -> None:
            # The library forgets a rejection when the archive closes the connection right after it.
            if isinstance(event.pdu, A_ASSOCIATE_RJ):
                rejections.append(event.pdu)

        heard = [*handlers, self._tuned, (evt.EVT_PDU_RECV, note_rejection)]
        try:
            association = own.associate(p.host, p.port, ae_title=p.ae_title, max_pdu=LARGEST_PDU, ext_neg=list(roles), evt_handlers=heard, tls_args=tls)
        except (OSError, RuntimeError, ValueError):
            raise UnreachableError(f"The host of the archive, port {p.port}, cannot be found or reached. Check host and port in the profile.") from None
        if association.is_established:
            return association
        _hang_up(association)
        if rejections:
            answer: Any = rejections[0]
            why = _REJECTED.get((answer.source, answer.reason_diagnostic), "it gives no reason that helps; ask its administrator")
            message = f"The archive refuses a connection: {why}."
            raise (UnreachableError if answer.result == _TRANSIENT_REJECTION else ArchiveError)(message)
        raise UnreachableError(
            f"No DICOM connection with the archive came about at port {p.port} within {p.connect_timeout_s:g} s: it is off, does not speak DICOM there, "
            "offers no query and retrieval, expects TLS or does not, or has a certificate that is not trusted. Check host, port, tls and tls_ca in the profile."
        )

    def _tls(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        p = self._profile
        try:
            context = ssl.create_default_context(purpose, cafile=p.tls_ca)
            if p.tls_certificate is not None:
                context.load_cert_chain(p.tls_certificate, p.tls_key)
        except OSError:  # ssl.SSLError is one
            raise ArchiveError("The TLS files that the profile names cannot be used. Check tls_ca, tls_certificate and tls_key.") from None
        return context

    @staticmethod
    def _require(association: Association, model: str, what: str) -> None:
        if not any(c.abstract_syntax == model for c in association.accepted_contexts):
            raise ArchiveError(f"The archive does not offer {what}, or ask its administrator to allow it.")

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Nothing of the library is printed; after an error the association is not used again."""
        with silent():
            try:
                yield
            except ReirradError:
                self._close()
                raise
            except PARSE_ERRORS as error:
                self._close()
                raise ArchiveError(f"The exchange with the archive failed ({type(error).__name__}); it may break the DICOM rules.") from None

    def _conclude(self, status: int | None, what: str) -> None:
        if status == 0:
            return
        with silent():
            self._close()
        if status is None:
            raise UnreachableError(
                f"The archive broke off or did not answer within {self._profile.answer_timeout_s:g} s during {printable(what)}. "
                "Try again later, or raise answer_timeout_s in the profile."
            )
        raise UnreachableError(f"The archive answered {printable(what)} with the failure 0x{status:04X}. Ask its administrator when it does so again.")

    def _close(self) -> None:
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.release()


def _stated(identifier: Dataset | None) -> Dataset:
    if identifier is None:
        raise ArchiveError("An answer of the archive is no readable DICOM data set. Ask its administrator.")
    return identifier


def _hang_up(association: Association) -> None:
    """Close what the library may leave open of a connection that did not come about."""
    transport: Any = association.dul.socket
    if transport is not None and transport.socket is not None:
        with suppress(OSError):
            transport.socket.close()


def _tune(event: Any, seconds: float) -> None:
    """Mend three habits of the library, before anything is said on a new connection.

    A connection that falls silent in the middle of a message is ended; the library would wait for ever. Short answers go out at once. And where we ask, the
    library's own thread takes no message: it may take an answer that we wait for, between its look at whether it is to pause and its pause, and drop it.
    """
    transport, messages = event.assoc.dul.socket, event.assoc.dimse
    if transport is not None and transport.socket is not None:
        transport.socket.settimeout(seconds)
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if event.assoc.is_requestor:
        next_message = messages.get_msg
        messages.get_msg = lambda block=False: next_message(block=True) if block else (None, None)
