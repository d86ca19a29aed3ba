"""Where the cases of a batch are computed: workers on this machine, or those of a Dask cluster that is there."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from reirrad import __version__
from reirrad.batch import version_here
from reirrad.errors import ReirradError, printable

__all__ = ["Workers", "cluster"]

LOOPBACK: Final = "127.0.0.1"
CONNECT_S: Final = 20.0
# A worker that died is started again. Where that takes longer than a few seconds, on a busy machine, Dask would by default give it up for good.
PATIENT: Final = {"distributed.deploy.lost-worker-timeout": "1 day"}
CASES_PER_WORKER: Final = 3  # handed out at a time: one computed, two waiting


@dataclass(frozen=True, slots=True)
class Workers:
    """Those who compute.

    Parameters
    ----------
    n_workers : int
        At the start; a cluster may grow.
    """

    executor: Executor
    n_workers: int

    @property
    def window(self) -> int:
        """Cases to hand out at a time."""
        return CASES_PER_WORKER * self.n_workers + 1


@contextmanager
def cluster(n_workers: int, address: str | None = None) -> Iterator[Workers]:
    """Give workers: so many processes on this machine that listen on loopback alone, or, with an address, those of that scheduler.

    Raises
    ------
    ReirradError
        When the package for this is not installed, the scheduler does not answer, has no worker, or has workers with another version.
    """
    try:
        import dask.config
        import distributed as untyped
        from distributed.utils import silence_logging_cmgr
    except ImportError:
        raise ReirradError(
            "Computing many cases needs the package distributed, which is not installed. Install the extra batch of this package (reirrad[batch])."
        ) from None
    distributed: Any = untyped
    if address is None:
        with tempfile.TemporaryDirectory(prefix="reirrad-dask-") as temporary, dask.config.set(PATIENT):
            with _deaf_to_interrupts():
                local = distributed.LocalCluster(
                    n_workers=n_workers,
                    threads_per_worker=1,
                    processes=True,
                    host=LOOPBACK,
                    dashboard_address=None,
                    memory_limit=0,  # the memory of a case is bounded where it is computed
                    local_directory=temporary,
                    silence_logs=logging.CRITICAL,
                )
            if hasattr(signal, "pthread_sigmask"):  # also for workers that are started again, by this thread
                local.loop.add_callback(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGINT})
            with local, distributed.Client(local) as client:
                yield Workers(_executor(client), n_workers)
        return
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except (OSError, ValueError, ImportError) as error:
        raise ReirradError(
            f"The scheduler {printable(address)!r} does not answer ({type(error).__name__}). Needed is the address of a running Dask scheduler, such as "
            "tcp://127.0.0.1:8786, from which this machine is not cut off."
        ) from None
    with client, silence_logging_cmgr(logging.CRITICAL):
        yield Workers(_executor(client), _n_workers(client, address))


def _executor(client: Any) -> Executor:
    """Every case is computed, also when an equal one was; a case whose worker died goes to another."""
    executor: Executor = client.get_executor(pure=False, retries=1)
    return executor


def _n_workers(client: Any, address: str) -> int:
    """Number of places to compute in, all with the version of this package."""
    n_places = int(sum(client.nthreads().values()))
    if not n_places:
        raise ReirradError(f"The scheduler {printable(address)!r} has no worker. Start some (dask worker {printable(address)}), and run again.")
    try:
        versions = set(client.run(version_here).values())
    except Exception as error:  # noqa: BLE001 - whatever a worker raises that has not this package
        raise ReirradError(
            f"A worker of {printable(address)!r} cannot load this package ({type(error).__name__}). Install reirrad {__version__} where the workers run."
        ) from None
    if versions != {__version__}:
        listed = ", ".join(sorted(versions - {__version__}))
        raise ReirradError(
            f"Workers of {printable(address)!r} have version {listed} of this package, this machine has {__version__}; results could differ. "
            "Install the same version everywhere."
        )
    return n_places


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes started in here, and later by threads started in here, not hear a Ctrl-C: it is for this one, who ends them in order."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
