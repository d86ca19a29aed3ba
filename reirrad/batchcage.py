"""A cage for one case at a time: a process of its own that may hang, crash or take all memory without harm to the next case.

The process is this package itself, started with fixed arguments; what is asked goes over a pipe as JSON. It stays for many cases, so that libraries are loaded
once, and is replaced when it had to be stopped.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import reirrad
from reirrad.errors import ReirradError

__all__ = ["Cage", "borrowed_cage", "close_cages"]

START_S: Final = 180.0  # loading the libraries takes two seconds; a busy network disk takes its time
COMMAND: Final = (sys.executable, "-m", "reirrad.batchchild")
TRIES: Final = 2


class Cage:
    """One process that computes cases, and what replaces it.

    A context manager; after it no process and no file is left.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread()
        self._temporary = ""

    def __enter__(self) -> Cage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Compute a case; see `batchchild.answer`. The outcome may also be timeout, and failed when the process ended twice.

        Parameters
        ----------
        request : dict
            As for `batchchild.answer`, with time_limit_s.

        Raises
        ------
        ReirradError
            When no process can be started.
        """
        limit_s = float(request["time_limit_s"])
        for _ in range(TRIES):
            process = self._process or self._start()
            line = self._say(process, json.dumps(request), limit_s)
            if line is None:
                self.close()
                message = f"The case was stopped after the time limit of {limit_s:g} s. Raise --time-limit, or look at what is unusual in the case."
                return _unanswered("timeout", message) | {"seconds": limit_s}
            if line:
                answer: dict[str, Any] = json.loads(line)
                if answer["outcome"] == "failed":
                    self.close()  # nobody knows what a failure leaves behind
                return answer
            ended = process.wait()
            self.close()
        how = f"by signal {-ended}" if ended < 0 else f"with status {ended}"
        message = (
            f"The process that computed the case ended {how}, {TRIES} times. Usually the machine has not enough memory for the case: "
            "use fewer workers, a --memory-limit, or a machine with more memory. Otherwise report it to the maintainers."
        )
        return _unanswered("failed", message)

    def close(self) -> None:
        """End the process, and take away what it left."""
        if (process := self._process) is not None:
            process.kill()
            process.wait()
            self._reader.join()
            for stream in (process.stdin, process.stdout):
                _shut(stream)
        self._process = None
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary = ""

    def _start(self) -> subprocess.Popen[str]:
        self._temporary = tempfile.mkdtemp(prefix="reirrad-batch-")  # for its owner alone
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "REIRRAD_OWN_TEMPORARY"), self._temporary)
        environment = {"OPENBLAS_NUM_THREADS": "1"} | os.environ | places  # one thread, as the command line has it
        process = subprocess.Popen(  # noqa: S603 - this package itself, with fixed arguments
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what libraries print may hold patient data
            encoding="utf-8",
            env=environment,
            cwd=Path(reirrad.__file__).parent.parent,  # the same package, and nothing of a folder of data
            start_new_session=True,  # a Ctrl-C is for the one who counts the results
        )
        self._process, self._lines = process, queue.SimpleQueue()
        self._reader = threading.Thread(target=_pass_on, args=(process.stdout, self._lines), daemon=True)
        self._reader.start()
        if not self._next(START_S):
            self.close()
            raise ReirradError("The process that computes cases did not start. Check that the package is installed completely, and that there is memory left.")
        return process

    def _say(self, process: subprocess.Popen[str], text: str, limit_s: float) -> str | None:
        """The line that answers; empty when the process ended, None when time is up."""
        assert process.stdin is not None
        try:
            process.stdin.write(text + "\n")
            process.stdin.flush()
        except OSError:
            return ""
        return self._next(limit_s)

    def _next(self, limit_s: float) -> str | None:
        try:
            return self._lines.get(timeout=limit_s)
        except queue.Empty:
            return None


def _unanswered(outcome: str, message: str) -> dict[str, Any]:
    return {"outcome": outcome, "document": None, "message": message, "input_sha256": None, "seconds": None, "peak_mb": None}


def _pass_on(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Lines as they come, and an empty one at the end."""
    for line in stream:
        lines.put(line)
    lines.put("")


def _shut(stream: IO[str] | None) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:  # what was still to be written has no reader any more
        pass


# ------------------------------------------------------------------------------------- those of this process that are free

_free: list[Cage] = []
atexit.register(lambda: close_cages())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free.clear)  # a forked worker has cages of its own


@contextmanager
def borrowed_cage() -> Iterator[Cage]:
    """A cage that nobody else uses; each thread of a worker so has its own, and it is used again."""
    try:
        cage = _free.pop()
    except IndexError:
        cage = Cage()
    try:
        yield cage
    except BaseException:
        cage.close()
        raise
    _free.append(cage)


def close_cages() -> None:
    """End the processes of cages that are free."""
    while _free:
        _free.pop().close()
