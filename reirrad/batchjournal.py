"""The results of a batch on disk, case by case as they come, so that an interrupted or repeated batch computes only what it must."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from reirrad.batch import CaseResult
from reirrad.errors import ReirradError, printable
from reirrad.wholefiles import whole_file

__all__ = ["Journal", "journal_folder"]

SCHEMA: Final = 1
ENDING: Final = ".cases"
KEPT: Final = ("computed", "refused")  # outcomes that depend on the case alone; the others may be of the machine, and are tried again


def journal_folder(out: Path) -> Path:
    """Folder of the results of single cases beside the table of a batch."""
    return out.with_name(out.name + ENDING)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A result without its document, which lies beside it."""

    result: CaseResult
    document_sha256: str | None


class Journal:
    """Results by case in a folder: of each a small file, and the document of `reirrad check --json` beside it.

    Every file is written whole or not at all; a document before the file that speaks of it. A context manager: one batch at a time writes to a folder.

    Parameters
    ----------
    folder : Path
        Made when it does not exist.

    Raises
    ------
    ReirradError
        When it cannot be written to, or another batch writes to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, _Entry] = {}
        self._lock = -1

    def __enter__(self) -> Journal:
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise ReirradError(
                f"The folder {printable(str(self.folder), 200)!r} for results cannot be written to ({error.strerror}). Choose another --out."
            ) from None
        if not _locked(self._lock):
            os.close(self._lock)
            raise ReirradError(f"Another batch writes to {printable(str(self.folder), 200)!r}. Wait for its end, or choose another --out.")
        self._entries = {e.result.case_path: e for e in _entries(self.folder)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lock)

    def __len__(self) -> int:
        return len(self._entries)

    def known(self) -> dict[str, str]:
        """Input hash by case of results that need not be computed again."""
        return {
            name: e.result.input_sha256
            for name, e in self._entries.items()
            if e.result.outcome in KEPT and e.result.input_sha256 is not None and self._is_whole(e)
        }

    def keep(self, result: CaseResult) -> CaseResult:
        """Write a result; return it without its document, or the known one when nothing has changed.

        Raises
        ------
        ReirradError
            When it cannot be written.
        """
        if result.is_unchanged:
            return self._entries[result.case_path].result
        content = None if result.document is None else result.document.encode("utf-8", "backslashreplace")
        entry = _Entry(_without_document(result), None if content is None else hashlib.sha256(content).hexdigest())
        path = self._path(result.case_path)
        try:
            path.parent.mkdir(exist_ok=True)
            if content is not None:
                _write(self.document_path(result.case_path), content)
            text = json.dumps({"schema": SCHEMA, **asdict(entry.result), "document_sha256": entry.document_sha256}, indent=1)
            _write(path, text.encode("ascii"))
            if content is None:
                self.document_path(result.case_path).unlink(missing_ok=True)
        except OSError as error:
            raise ReirradError(
                f"A result could not be written to {printable(str(self.folder), 200)!r} ({error.strerror}). What is finished is kept: make room, and run again."
            ) from None
        self._entries[result.case_path] = entry
        return entry.result

    def drop_others(self, names: Iterable[str]) -> int:
        """Take away the results of all cases but these; return how many."""
        gone = sorted(set(self._entries) - set(names))
        for name in gone:
            del self._entries[name]
            self._path(name).unlink(missing_ok=True)
            self.document_path(name).unlink(missing_ok=True)
        return len(gone)

    def results(self) -> Iterator[tuple[CaseResult, dict[str, Any] | None]]:
        """Results by name of the case, each with its document where it was computed.

        Raises
        ------
        ReirradError
            When a document is no longer what was written.
        """
        for name in sorted(self._entries):
            entry = self._entries[name]
            if not self._is_whole(entry):
                raise ReirradError(f"A result in {printable(str(self.folder), 200)!r} was changed or taken away since it was written. Run the batch again.")
            yield entry.result, json.loads(self.document_path(name).read_bytes()) if entry.document_sha256 is not None else None

    def document_path(self, name: str) -> Path:
        """File of the document of a case."""
        path = self._path(name)
        return path.with_name(f"{path.stem}.result.json")

    def _path(self, name: str) -> Path:
        key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.folder / key[:2] / f"{key}.json"

    def _is_whole(self, entry: _Entry) -> bool:
        """Whether the document is what was written."""
        if entry.document_sha256 is None:
            return True
        try:
            return hashlib.sha256(self.document_path(entry.result.case_path).read_bytes()).hexdigest() == entry.document_sha256
        except OSError:
            return False


def _entries(folder: Path) -> Iterator[_Entry]:
    """What was written; a file that is not whole or of another kind counts as none."""
    for path in sorted(folder.glob("??/*.json")):
        if not path.name.endswith(".result.json"):
            try:
                stored = json.loads(path.read_bytes())
                yield _entry(stored)
            except (OSError, ValueError, TypeError, KeyError):
                continue


def _entry(stored: Mapping[str, Any]) -> _Entry:
    if stored["schema"] != SCHEMA:
        raise ValueError("written by another version")
    values = {k: v for k, v in stored.items() if k not in ("schema", "document_sha256")}
    return _Entry(CaseResult(**values), stored["document_sha256"])


def _without_document(result: CaseResult) -> CaseResult:
    return CaseResult(**{**asdict(result), "document": None})


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as stream:
        stream.write(content)


def _locked(handle: int) -> bool:
    """Whether this process alone has the lock; where the system has none, it is taken for granted."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
