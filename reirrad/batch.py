"""Many cases, computed by any executor of `concurrent.futures`: each in a cage, each with exactly one result, whatever happens to it or to its worker.

Threads do: every case is computed in a process of its own. On several machines use `batchcluster`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from reirrad import __version__
from reirrad.batchcage import borrowed_cage, close_cages
from reirrad.batchcases import FoundCase, find_cases
from reirrad.errors import ParameterError, ReirradError

__all__ = ["CaseResult", "Outcome", "Settings", "compute", "run", "run_cases", "version_here"]

Outcome = Literal["computed", "refused", "failed", "timeout"]

WINDOW: Final = 64  # cases handed out and not yet returned
TRIES: Final = 2  # of a case whose worker died
START_S: Final = 400.0  # for starting processes, beside the time for the case


@dataclass(frozen=True, slots=True)
class Settings:
    """How cases are computed; nothing here changes a number.

    Parameters
    ----------
    is_draft : bool
        Also compute folders of exports without a case file, as `reirrad draft` proposes them.
    time_limit_s : float
        For one case.
    memory_limit_mb : int or None
        For one case; None leaves it to the system.

    Raises
    ------
    ParameterError
        For a limit that no case can meet.
    """

    is_draft: bool = False
    time_limit_s: float = 600.0
    memory_limit_mb: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.time_limit_s <= 86_400:
            raise ParameterError(f"The time limit of a case is {self.time_limit_s:g} s; needed is more than 0 and at most 86400 s, a day.")
        if self.memory_limit_mb is not None and self.memory_limit_mb < 300:
            raise ParameterError(f"The memory limit of a case is {self.memory_limit_mb} MB; the libraries alone need nearly 300 MB. Give more.")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case.

    Parameters
    ----------
    case_path : str
        As `batchcases.FoundCase.name`.
    document : str or None
        Where it is computed the JSON text that `reirrad check --json` writes, to the byte.
    message : str
        Why it is not computed.
    input_sha256 : str or None
        Of every file of the case; None when it was not found out.
    is_unchanged : bool
        The result with this input hash is known to the caller; document and outcome are there already and not given again.
    """

    case_path: str
    outcome: Outcome
    document: str | None = None
    message: str = ""
    input_sha256: str | None = None
    seconds: float | None = None
    peak_mb: float | None = None
    version: str = __version__
    is_draft: bool = False
    is_unchanged: bool = False


def run(paths: Sequence[Path | str], settings: Settings, executor: Executor) -> Iterator[CaseResult]:
    """Compute every case below the paths, and yield results as they come: one for each.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Threads, processes, or Dask (``client.get_executor(pure=False)``). Its workers read the same paths.
    """
    found, _ = find_cases([Path(p) for p in paths], draft=settings.is_draft)
    yield from run_cases(found, settings, executor)


def run_cases(
    cases: Sequence[FoundCase], settings: Settings, executor: Executor, known: Mapping[str, str] | None = None, window: int = WINDOW
) -> Iterator[CaseResult]:
    """Compute cases that were found; see `run`.

    Parameters
    ----------
    known : mapping, optional
        Input hashes of results that are there, by case; where nothing has changed since, the result says so.
    window : int
        Most cases handed out at a time, so that neither this process nor a scheduler ever holds them all.
    """
    known = known or {}
    waiting = iter(cases)
    pending: dict[Future[dict[str, Any]], tuple[FoundCase, int]] = {}
    patience_s = 2 * settings.time_limit_s + START_S
    try:
        while True:
            while len(pending) < window and (case := next(waiting, None)) is not None:
                if case.trouble:
                    yield CaseResult(case.name, "refused", message=case.trouble, is_draft=case.is_draft)
                else:
                    pending[_submit(executor, case, settings, known)] = (case, 1)
            if not pending:
                return
            done, _ = wait(pending, timeout=patience_s, return_when=FIRST_COMPLETED)
            if not done:
                yield from _abandoned(pending, waiting)
                return
            for future in done:
                case, tries = pending.pop(future)
                if tries < TRIES and _lost_by(future):
                    pending[_submit(executor, case, settings, known)] = (case, tries + 1)
                else:
                    yield _result(case, future)
    finally:
        for future in pending:
            future.cancel()
        close_cages()


def compute(request: dict[str, Any]) -> dict[str, Any]:
    """Compute one case where this is called: on a worker. JSON in, JSON out."""
    try:
        with borrowed_cage() as cage:
            return cage.ask(request) | {"version": __version__}
    except ReirradError as error:
        return {"outcome": "failed", "message": str(error), "version": __version__}


def version_here() -> str:
    """Version of the package where this is called: on a worker."""
    return __version__


def _submit(executor: Executor, case: FoundCase, settings: Settings, known: Mapping[str, str]) -> Future[dict[str, Any]]:
    request = {
        "path": os.fspath(case.path),
        "is_draft": case.is_draft,
        "known": known.get(case.name),
        "time_limit_s": settings.time_limit_s,
        "memory_limit_mb": settings.memory_limit_mb,
    }
    try:
        return executor.submit(compute, request)
    except Exception as error:  # noqa: BLE001 - of any executor: no worker is left
        nobody: Future[dict[str, Any]] = Future()
        nobody.set_exception(error)
        return nobody


def _lost_by(future: Future[dict[str, Any]]) -> str:
    """What the worker was lost by, with the case; empty where there is an answer: `compute` itself never raises."""
    error = CancelledError() if future.cancelled() else future.exception()
    return "" if error is None else type(error).__name__


def _result(case: FoundCase, future: Future[dict[str, Any]]) -> CaseResult:
    if lost_by := _lost_by(future):
        message = (
            f"The worker was lost with the case ({lost_by}), {TRIES} times. Look whether the machine has enough memory for so many workers, "
            "and whether the cluster is still there; then run again."
        )
        return CaseResult(case.name, "failed", message=message, is_draft=case.is_draft)
    answer = future.result()
    outcome = answer.pop("outcome")
    is_unchanged = outcome == "unchanged"
    return CaseResult(case.name, "computed" if is_unchanged else outcome, is_draft=case.is_draft, is_unchanged=is_unchanged, **answer)


def _abandoned(pending: Mapping[Future[dict[str, Any]], tuple[FoundCase, int]], waiting: Iterator[FoundCase]) -> Iterator[CaseResult]:
    """Results of the rest when no worker answers any more."""
    for case in [*(c for c, _ in pending.values()), *waiting]:
        message = case.trouble or "No worker answered for longer than any case may take. Look whether the cluster is still there; then run again."
        yield CaseResult(case.name, "refused" if case.trouble else "failed", message=message, is_draft=case.is_draft)
