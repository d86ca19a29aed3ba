"""The process that computes cases for `batchcage`, one after the other: `python -m reirrad.batchchild`, which takes no arguments.

A line of JSON on standard input is a case, a line of JSON on standard output its outcome. When the input ends, so does this process, at once and in the
middle of a case too: the one who asked is gone. What it unpacks lies in the folder for temporary files that it was given.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from reirrad import __version__
from reirrad.casefolder import open_case
from reirrad.errors import ReirradError, place_of

__all__ = ["answer", "input_sha256", "main"]

CHUNK: Final = 1 << 20
# A hang that not even the watcher of the input can end, such as one inside a library that holds the interpreter, is ended by the system so much later.
GRACE_S: Final = 60.0
MEGABYTE: Final = 1 << 20


def main() -> None:
    """Answer until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # what a library prints is no part of the conversation
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, asked), daemon=True).start()
    _prepare()
    _tell(out, {"version": __version__})
    while True:
        request = asked.get()
        with _alarm(request["time_limit_s"] + GRACE_S):
            _tell(out, answer(request))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Outcome of one case.

    Parameters
    ----------
    request : dict
        path; is_draft; known: input hash of a result that need not be computed again, or None; memory_limit_mb, or None.

    Returns
    -------
    dict
        outcome: computed, refused, failed, or unchanged; document: the JSON of `reirrad check --json`, or None; message; input_sha256; seconds; peak_mb.
    """
    start, path = time.monotonic(), Path(request["path"])
    found: dict[str, Any] = {"outcome": "failed", "document": None, "message": "", "input_sha256": None}
    _forget_peak()
    with _memory_limit(request["memory_limit_mb"]):
        try:
            found["input_sha256"] = input_sha256(path, is_draft=request["is_draft"])
            if found["input_sha256"] == request["known"]:
                found["outcome"] = "unchanged"
            else:
                found["document"] = _draft(path) if request["is_draft"] else _check(path)
                found["outcome"] = "computed"
        except (ReirradError, MemoryError) as error:
            if _lacked_memory(error):
                found["message"] = _no_memory(request["memory_limit_mb"])
            else:
                found |= {"outcome": "refused", "message": str(error)}
        except Exception as error:  # noqa: BLE001 - the door of this process; the message of the exception may hold patient data and is not shown
            found["message"] = (
                f"The program met a situation it was not made for ({type(error).__name__} at {place_of(error)}), and gives no number rather than a doubtful "
                "one. Please report this line to the maintainers, without patient data."
            )
    return found | {"seconds": round(time.monotonic() - start, 3), "peak_mb": _peak_mb()}


def _lacked_memory(error: BaseException | None) -> bool:
    """Whether memory was lacking at the bottom of it; a reader may have taken that for damage of a file."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__context__
    return error is not None


def _no_memory(limit_mb: int | None) -> str:
    given = "this machine has" if limit_mb is None else f"the limit of {limit_mb} MB for a case gives"
    return f"The case needs more memory than {given}. Raise --memory-limit, or compute it on a machine with more memory."


def input_sha256(path: Path, *, is_draft: bool = False) -> str:
    """SHA-256 over names and contents of every file of a case, its own name, and whether it is drafted.

    Raises
    ------
    ReirradError
        When a file cannot be read.
    """
    whole = hashlib.sha256(json.dumps([__version__, path.name, is_draft]).encode())
    for file, name in _files(path):
        whole.update(json.dumps([name, _sha256(file)]).encode())
    return whole.hexdigest()


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Files by name below a folder; the zip itself; of a case file all that lies beside it."""
    if path.is_file() and path.suffix.lower() == ".zip":
        yield path, path.name
        return
    folder = path if path.is_dir() else path.parent
    for current, folders, files in os.walk(folder, onerror=_unreadable):
        folders.sort()
        for name in sorted(files):
            file = Path(current) / name
            yield file, file.relative_to(folder).as_posix()
        for name in folders:
            if (link := Path(current) / name).is_symlink():
                yield link, link.relative_to(folder).as_posix()


def _unreadable(error: OSError) -> None:
    raise ReirradError(f"A folder of the case cannot be read ({error.strerror}). Give leave to read it.") from None


def _sha256(file: Path) -> str:
    """Hash of a file; of a link that leads somewhere else, where it leads."""
    try:
        if file.is_symlink() and (file.is_dir() or not file.is_file()):
            return f"link {file.readlink()}"
        if not file.is_file():
            return "no file"
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ReirradError(
            f"A file of the case cannot be read ({error.strerror}). Give leave to read it, and keep it in place while cases are computed."
        ) from None


# ------------------------------------------------------------------------------------------------------- compute


def _check(path: Path) -> str:
    """The JSON of `reirrad check --json`."""
    from reirrad.assessment import assess
    from reirrad.loading import load_case
    from reirrad.result import as_json, to_dict

    with open_case(path) as folder:
        return as_json(to_dict(assess(*load_case(folder))))


def _draft(folder: Path) -> str:
    """The same of a folder of exports, with the case file that `reirrad draft` proposes for it; the folder stays as it is."""
    from reirrad.casefolder import CASE_FILE
    from reirrad.draft import propose
    from reirrad.draftfile import draft_text

    with tempfile.TemporaryDirectory(prefix="reirrad-") as temporary:
        copy = Path(temporary) / folder.name
        try:
            shutil.copytree(folder, copy, symlinks=True, ignore=_special)
        except (OSError, shutil.Error):
            raise ReirradError(
                "The exports cannot be read, or there is no room for a copy of them on the disk for temporary files. Make room, or draft the case."
            ) from None
        (copy / CASE_FILE).write_text(draft_text(propose(copy, copy)), encoding="utf-8")
        return _check(copy)


def _special(folder: str, names: list[str]) -> list[str]:
    """Pipes and devices, which are not copied."""
    return [n for n in names if not ((p := Path(folder) / n).is_symlink() or p.is_dir() or p.is_file())]


def _prepare() -> None:
    """Load what every case needs, once."""
    import reirrad.assessment
    import reirrad.draftfile
    import reirrad.loading
    import reirrad.result  # noqa: F401


# ------------------------------------------------------------------------------------------------------- the process


def _listen(stream: IO[str], asked: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass on what is asked; end the process with the input."""
    for line in stream:
        asked.put(json.loads(line))
    if own := os.environ.get("REIRRAD_OWN_TEMPORARY"):
        shutil.rmtree(own, ignore_errors=True)
    os._exit(0)


def _tell(out: IO[str], what: dict[str, Any]) -> None:
    out.write(json.dumps(what) + "\n")
    out.flush()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Let the system end this process after so many seconds."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _memory_limit(limit_mb: int | None) -> Iterator[None]:
    """Bound the data of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows has no such bound
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = soft if limit_mb is None else limit_mb * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _forget_peak() -> None:
    """Make the system measure the peak of memory anew, where it can; elsewhere the peak is that of all cases so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_mb() -> float | None:
    """Largest resident memory since `_forget_peak`; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(peak[0]) / 1024, 1) if peak else None


if __name__ == "__main__":
    main()
