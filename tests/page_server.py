"""The web page as a user starts it, on a free port of this machine, for tests and pictures."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class PageServer:
    """A server that runs: its process, address, log, and the folder that its temporary files go to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    temporary: Path

    def folders(self) -> list[Path]:
        """Private folders of tabs."""
        return sorted(self.temporary.glob("reirrad-tab-*"))

    def logged(self) -> str:
        """All that it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Memory that is resident now, or was at most (VmHWM)."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return float(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while not is_up(url):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < until, f"not up after {within_s} s: {log.read_text(errors='replace')}"
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes], within_s: float = 15) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextmanager
def page_server(folder: Path, *, keep_s: float = 120, script: Path = ROOT / "app.py", command: Sequence[str] = ()) -> Iterator[PageServer]:
    """The server, started from another folder than the project's.

    Parameters
    ----------
    folder : Path
        Its log and temporary files go here.
    keep_s : float
        How long a closed tab is kept.
    command : sequence of str
        Another command than that of Streamlit; the port is added to it.
    """
    port, temporary, log = free_port(), folder / "temporary", folder / "server.log"
    temporary.mkdir(parents=True)
    flags = [f"--server.port={port}", f"--server.disconnectedSessionTTL={round(2 * keep_s)}"]
    run = [*command, "--port", str(port)] if command else [sys.executable, "-m", "streamlit", "run", str(script), *flags]
    environment = {**os.environ, "TMPDIR": str(temporary), "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "HOME": str(folder)}
    with log.open("wb") as out:
        process = subprocess.Popen(run, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(process, url, log)
        yield PageServer(process, url, log, temporary)
    finally:
        if process.poll() is None:
            stop(process)
