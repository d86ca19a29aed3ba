"""An archive that speaks DICOMweb: QIDO-RS, WADO-RS, STOW-RS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword

from reirrad.dicom.parsing import PARSE_ERRORS, reading
from reirrad.dicom.values import items, text
from reirrad.errors import ReirradError
from reirrad.pacs.archive import Entry, Keep, Level, Outgoing, silent
from reirrad.pacs.errors import ArchiveError, UnreachableError
from reirrad.pacs.profile import DicomwebProfile, secret_of

__all__ = ["DicomwebArchive"]

BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
MOST_ANSWERS: Final = 1_000_000
NEVER_IN_CHUNKS: Final = 1 << 40


class DicomwebArchive:
    """Connection to an archive; see `reirrad.pacs.archive.Archive`."""

    def __init__(self, profile: DicomwebProfile) -> None:
        self._profile = profile
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor .netrc of the environment
        self._session.max_redirects = 0  # a redirection would take the question, which names a patient, elsewhere
        self._session.verify = profile.tls_ca or True
        if profile.tls_certificate is not None and profile.tls_key is not None:
            self._session.cert = (profile.tls_certificate, profile.tls_key)
        secret = secret_of(profile, os.environ)
        if secret.token is not None:
            self._session.headers["Authorization"] = f"Bearer {secret.token}"
        if secret.user is not None and secret.password is not None:
            self._session.auth = (secret.user, secret.password)
        self._body = b""
        with silent():
            self._client = DICOMwebClient(
                profile.url, session=self._session, callback=self._answered, timeout=(profile.connect_timeout_s, profile.answer_timeout_s)
            )
        self._client.set_http_retry_params(retry=False)
        self._client.set_chunk_size(NEVER_IN_CHUNKS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._session.close()

    def find(self, level: Level, keys: Mapping[str, str], wanted: Sequence[str]) -> list[dict[str, str]]:
        """Ask by QIDO-RS, page after page; see `Archive`."""
        filters = {k: v for k, v in keys.items() if k not in ("StudyInstanceUID", "SeriesInstanceUID")}
        study, series = keys.get("StudyInstanceUID"), keys.get("SeriesInstanceUID")
        found: dict[tuple[str, ...], dict[str, str]] = {}
        with self._asked():
            while len(found) < MOST_ANSWERS:
                page: dict[str, Any] = {"fields": list(wanted), "search_filters": filters, "offset": len(found) or None}
                if level == "STUDY":
                    answers = self._client.search_for_studies(**page)
                elif level == "SERIES":
                    answers = self._client.search_for_series(study, **page)
                else:
                    answers = self._client.search_for_instances(study, series, **page)
                n_before = len(found)
                for one in ({k: _value(a, k) for k in (*keys, *wanted)} for a in answers):
                    found[tuple(one.values())] = one
                if len(found) == n_before:
                    return list(found.values())
        raise ArchiveError(f"The archive answers a query with more than {MOST_ANSWERS} objects, more than a patient has.")

    def retrieve(self, entries: Sequence[Entry], keep: Keep) -> None:
        """Fetch by WADO-RS, object by object; see `Archive`."""
        for entry in entries:
            self._body = b""
            with self._asked():
                self._client.retrieve_instance(entry.study_uid, entry.series_uid, entry.instance_uid)
                keep(entry.instance_uid, self._body)

    def store(self, files: Sequence[Outgoing], stored: Callable[[Outgoing], None]) -> None:
        """Send by STOW-RS, object by object; see `Archive`."""
        for file in files:
            with self._asked():
                with reading(file.name):
                    ds = dcmread(file.path)
                    ds.preamble = bytes(128)
                answer = self._client.store_instances([ds])
                accepted = {text(item, "ReferencedSOPInstanceUID") for item in items(answer, "ReferencedSOPSequence")}
                if items(answer, "FailedSOPSequence") or file.instance_uid not in accepted:
                    raise ArchiveError(f"The archive did not store {file.name}. Ask its administrator why.")
            stored(file)

    def _answered(self, response: requests.Response, *_: object, **__: object) -> requests.Response:
        """Keep the file inside an answer as it was sent; the library would give a parsed object, whatever is missing at its end."""
        kind = response.headers.get("Content-Type", "")
        if response.ok and kind.startswith("multipart/related"):
            self._body = _only_part(response.content, kind)
        elif response.ok and kind.startswith("application/dicom") and "json" not in kind and "xml" not in kind:
            self._body = response.content
        return response

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn every error of the libraries into a refusal that shows nothing of the answer."""
        with silent():
            try:
                yield
            except ReirradError:
                raise
            except requests.exceptions.SSLError:
                raise ArchiveError("The certificate of the archive is not trusted, or ours is not accepted. Check tls_ca and tls_certificate.") from None
            except requests.HTTPError as error:
                status = error.response.status_code if error.response is not None else 0
                if status in BUSY:
                    raise UnreachableError(f"The archive answers that it is busy or ill (HTTP {status}). Try again later.") from None
                hint = "check the variables with token or password" if status in (401, 403) else "check url in the profile and what its administrator allows"
                raise ArchiveError(f"The archive refuses the request (HTTP {status}): {hint}.") from None
            except requests.TooManyRedirects:
                raise ArchiveError("The archive sends the request on to another address, which is not followed. Write that address as url.") from None
            except requests.exceptions.JSONDecodeError:
                raise ArchiveError("The answer of the archive is not DICOM JSON. Check that url is the base of its DICOMweb service.") from None
            except requests.RequestException:
                p = self._profile
                raise UnreachableError(
                    f"The archive does not answer, or broke off, within {p.connect_timeout_s:g} s for a connection and {p.answer_timeout_s:g} s for data. "
                    "Check url and the network, or try again later."
                ) from None
            except PARSE_ERRORS as error:
                raise UnreachableError(f"An answer of the archive does not parse as DICOMweb ({type(error).__name__}); it may be cut short.") from None


def _only_part(body: bytes, kind: str) -> bytes:
    """Content of a multipart message of one part (RFC 2046), which has its end."""
    boundary = next((p.partition("=")[2].strip().strip('"') for p in kind.split(";") if p.strip().lower().startswith("boundary=")), "").encode()
    end = body.rfind(b"\r\n--" + boundary + b"--")
    start = body.find(b"\r\n\r\n")
    if not boundary or not body.lstrip().startswith(b"--" + boundary) or start < 0 or end < start:
        raise UnreachableError("A transfer from the archive was cut short. Try again.")
    return body[start + 4 : end]


def _value(answer: dict[str, Any], keyword: str) -> str:
    """First value of an element in DICOM JSON; empty when absent."""
    found = answer.get(f"{tag_for_keyword(keyword):08X}", {}).get("Value") or [""]
    return str(found[0]).strip()
