"""Every case has one result whatever happens to it or its worker, for any executor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import batch_factory as batch_of
import case_factory as cases
import pytest

from reirrad import __version__, batch
from reirrad.batch import CaseResult, Settings, compute, run, run_cases, version_here
from reirrad.batchcases import FoundCase
from reirrad.errors import ParameterError, ReirradError

FOUND = [FoundCase(f"c{k}", f"/c{k}") for k in range(7)]
COMPUTED = {"outcome": "computed", "document": "{}", "message": "", "input_sha256": "a", "seconds": 1.0, "peak_mb": 2.0, "version": __version__}


class Scripted(Executor):
    """Calls nothing; each future is made by a function of the path and the number of times it was handed out."""

    def __init__(self, make: Callable[[str, int], Future[dict[str, Any]]]) -> None:
        self.make = make
        self.asked: list[str] = []
        self.open: set[Future[dict[str, Any]]] = set()
        self.most_open = 0

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Any:
        assert fn is compute
        json.dumps(args[0])
        self.asked.append(args[0]["path"])
        future = self.make(args[0]["path"], self.asked.count(args[0]["path"]))
        self.open = {f for f in self.open if not f.done()} | {future}
        self.most_open = max(self.most_open, len(self.open))
        return future


def done(answer: dict[str, Any] | BaseException) -> Future[dict[str, Any]]:
    future: Future[dict[str, Any]] = Future()
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(dict(answer))
    return future


def test_cases_are_computed_by_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pattern = cases.write_case(tmp_path / "pattern")
    for k, kind in enumerate((batch_of.GOOD, batch_of.EXCEEDED, batch_of.BROKEN)):
        batch_of.write_one(tmp_path / "cohort" / kind, kind, pattern, 100 * k)
    with ThreadPoolExecutor(2) as executor:
        found = {r.case_path: r for r in run([Path("cohort"), "nowhere"], Settings(), executor)}
    assert {name: r.outcome for name, r in found.items()} == {
        "cohort/good": "computed", "cohort/exceeded": "computed", "cohort/broken": "refused", "nowhere": "refused",
    }  # fmt: skip
    assert json.loads(found["cohort/good"].document or "")["verdict"] == "within"
    (exceeded,) = json.loads(found["cohort/exceeded"].document or "")["evaluations"]
    # 30 Gy in 10 and 10 Gy in 5: 36 + 10 (2 + 3) / 5 = 46 Gy at 3 Gy, limit 40
    assert (exceeded["value_gy"], exceeded["status"]) == (pytest.approx(46, abs=0.01), "exceed")
    assert found["cohort/good"].version == __version__ == version_here()


def test_a_case_whose_worker_is_lost_is_handed_out_again_and_then_given_up() -> None:
    def make(path: str, time: int) -> Future[dict[str, Any]]:
        return done(BrokenProcessPool() if (path, time) in (("/c1", 1), ("/c2", 1), ("/c2", 2)) else COMPUTED)

    executor = Scripted(make)
    found = {r.case_path: r for r in run_cases(FOUND, Settings(), executor)}
    assert len(found) == 7
    assert [r.outcome for r in found.values()].count("computed") == 6
    assert found["c2"].outcome == "failed"
    assert found["c2"].message.startswith("The worker was lost with the case (BrokenProcessPool), 2 times.")
    assert (executor.asked.count("/c1"), executor.asked.count("/c2"), len(executor.asked)) == (2, 2, 9)


def test_an_executor_that_takes_nothing_more_gives_failed_cases() -> None:
    def make(path: str, time: int) -> Future[dict[str, Any]]:
        raise RuntimeError("cannot schedule new futures after shutdown")

    found = list(run_cases(FOUND, Settings(), Scripted(make)))
    assert [r.outcome for r in found] == ["failed"] * 7
    assert all("RuntimeError" in r.message for r in found)


def test_a_cancelled_case_has_failed() -> None:
    def make(path: str, time: int) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future

    (found,) = run_cases(FOUND[:1], Settings(), Scripted(make))
    assert (found.outcome, "CancelledError" in found.message) == ("failed", True)


def test_only_some_cases_are_handed_out_at_a_time() -> None:
    with ThreadPoolExecutor(1) as later:

        def make(path: str, time: int) -> Future[dict[str, Any]]:
            return later.submit(dict, COMPUTED)

        executor = Scripted(make)
        found = [r.case_path for r in run_cases([FoundCase(f"c{k}", f"/c{k}") for k in range(500)], Settings(), executor, window=5)]
    assert sorted(found) == sorted(f"c{k}" for k in range(500))
    assert executor.most_open <= 5


def test_workers_that_never_answer_end_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "START_S", 0.05)
    open_futures: list[Future[dict[str, Any]]] = []

    def make(path: str, time: int) -> Future[dict[str, Any]]:
        open_futures.append(Future())
        return open_futures[-1]

    troubled = FoundCase("t", "/t", trouble="No such file.")
    found = list(run_cases([*FOUND, troubled], Settings(time_limit_s=0.01), Scripted(make), window=3))
    assert {r.case_path: r.outcome for r in found} == dict.fromkeys((f"c{k}" for k in range(7)), "failed") | {"t": "refused"}
    assert found[0].message == "No worker answered for longer than any case may take. Look whether the cluster is still there; then run again."
    assert found[-1].message == "No such file."
    assert len(open_futures) == 3
    assert all(f.cancelled() for f in open_futures)


def test_one_who_stops_listening_takes_back_what_waits() -> None:
    open_futures: list[Future[dict[str, Any]]] = []

    def make(path: str, time: int) -> Future[dict[str, Any]]:
        if path == "/c0":
            return done(COMPUTED)
        open_futures.append(Future())
        return open_futures[-1]

    results: Iterator[CaseResult] = run_cases(FOUND, Settings(), Scripted(make), window=4)
    assert next(results).case_path == "c0"
    results.close()  # type: ignore[attr-defined]
    assert len(open_futures) == 3
    assert all(f.cancelled() for f in open_futures)


def test_an_unchanged_case_says_so() -> None:
    asked: list[dict[str, Any]] = []

    class Listening(Scripted):
        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Any:
            asked.append(args[0])
            return super().submit(fn, *args)

    executor = Listening(lambda *_: done(COMPUTED | {"outcome": "unchanged", "document": None}))
    (found,) = run_cases(FOUND[:1], Settings(time_limit_s=7, memory_limit_mb=400), executor, {"c0": "hash"})
    assert (found.outcome, found.is_unchanged, found.document) == ("computed", True, None)
    assert asked == [{"path": "/c0", "is_draft": False, "known": "hash", "time_limit_s": 7, "memory_limit_mb": 400}]


def test_a_worker_without_a_process_has_failed_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ReirradError("The process that computes cases did not start.")

    monkeypatch.setattr(batch.borrowed_cage.__wrapped__.__globals__["Cage"], "ask", refuse)
    assert compute({}) == {"outcome": "failed", "message": "The process that computes cases did not start.", "version": __version__}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_limit_s": 0}, "The time limit of a case is 0 s; needed is more than 0 and at most 86400 s, a day."),
        ({"time_limit_s": float("nan")}, "The time limit of a case is nan s; needed is more than 0 and at most 86400 s, a day."),
        ({"memory_limit_mb": 299}, "The memory limit of a case is 299 MB; the libraries alone need nearly 300 MB. Give more."),
    ],
)
def test_limits_that_no_case_can_meet_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        Settings(**settings)
    assert str(refusal.value) == message
