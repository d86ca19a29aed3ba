"""A cage survives what its process does not: an end by a signal, a hang, a failure; and leaves nothing behind."""

from __future__ import annotations

import ast
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import batch_factory as batch
import case_factory as cases
import pytest

from reirrad import batchcage
from reirrad.batchcage import Cage, borrowed_cage, close_cages
from reirrad.errors import ReirradError


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cage")
    pattern = cases.write_case(root / "pattern")
    for kind in (batch.GOOD, batch.HANGS, batch.ENDS_ITSELF, batch.HUNGRY, batch.BROKEN):
        batch.write_one(root / kind, kind, pattern, 0)
    return root


@pytest.fixture(scope="module")
def cage(cohort: Path) -> Iterator[Cage]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in batch.environment(cohort / "watch").items():
            patch.setenv(name, value)
        with Cage() as cage:
            yield cage


def ask(cage: Cage, path: Path, time_limit_s: float = 60.0) -> dict[str, Any]:
    return cage.ask({"path": str(path), "is_draft": False, "known": None, "memory_limit_mb": 4096, "time_limit_s": time_limit_s})


def test_whatever_a_case_does_the_next_one_is_computed(cage: Cage, cohort: Path) -> None:
    good = ask(cage, cohort / batch.GOOD)
    process, temporary = cage._process, Path(cage._temporary)
    assert good["outcome"] == "computed"
    assert ask(cage, cohort / batch.BROKEN)["outcome"] == "refused"
    assert cage._process is process  # one process for many cases
    assert temporary.stat().st_mode & 0o777 == 0o700

    found = ask(cage, cohort / batch.HANGS, 1.5)
    assert (found["outcome"], found["seconds"]) == ("timeout", 1.5)
    assert found["message"] == "The case was stopped after the time limit of 1.5 s. Raise --time-limit, or look at what is unusual in the case."
    assert process is not None
    assert process.returncode == -signal.SIGKILL
    assert not temporary.exists()

    found = ask(cage, cohort / batch.ENDS_ITSELF)
    assert (found["outcome"], found["document"]) == ("failed", None)
    assert found["message"].startswith("The process that computed the case ended by signal 9, 2 times. Usually the machine has not enough memory for the case:")

    found = ask(cage, cohort / batch.HUNGRY)
    assert found["outcome"] == "failed"
    assert found["message"].startswith("The case needs more memory than the limit of 4096 MB for a case gives.")
    assert cage._process is None  # a failure may leave anything behind

    assert ask(cage, cohort / batch.GOOD)["document"] == good["document"]


@pytest.mark.hazard("H44")
def test_the_only_program_started_is_this_package_with_fixed_arguments() -> None:
    assert (sys.executable, "-m", "reirrad.batchchild") == batchcage.COMMAND
    source = ast.parse(Path(batchcage.__file__).read_text(encoding="utf-8"))
    (start,) = [n for n in ast.walk(source) if isinstance(n, ast.Call) and ast.unparse(n.func).startswith("subprocess.")]
    assert (ast.unparse(start.func), [ast.unparse(a) for a in start.args]) == ("subprocess.Popen", ["COMMAND"])
    assert {k.arg for k in start.keywords} == {"stdin", "stdout", "stderr", "encoding", "env", "cwd", "start_new_session"}  # no shell


def test_a_process_that_ended_while_it_had_nothing_to_do_is_replaced(cage: Cage, cohort: Path) -> None:
    ask(cage, cohort / batch.GOOD)
    assert cage._process is not None
    os.kill(cage._process.pid, signal.SIGKILL)
    cage._process.wait()
    assert ask(cage, cohort / batch.GOOD)["outcome"] == "computed"


def test_a_process_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batchcage, "COMMAND", (*batchcage.COMMAND[:1], "-c", "raise SystemExit(3)"))
    with Cage() as cage, pytest.raises(ReirradError, match=r"The process that computes cases did not start\. Check that the package is installed completely"):
        ask(cage, Path())
    assert cage._process is None


def test_an_end_with_a_status_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batchcage, "COMMAND", (*batchcage.COMMAND[:1], "-c", "print('{}', flush=True); input(); raise SystemExit(3)"))
    with Cage() as cage:
        assert ask(cage, Path())["message"].startswith("The process that computed the case ended with status 3, 2 times.")


def test_cages_are_used_again_and_by_one_at_a_time() -> None:
    with borrowed_cage() as first:
        with borrowed_cage() as second:
            assert first is not second
        with borrowed_cage() as third:
            assert third is second
    with pytest.raises(ZeroDivisionError), borrowed_cage() as broken:
        raise ZeroDivisionError
    assert broken not in batchcage._free
    close_cages()
    assert batchcage._free == []


def test_a_forked_worker_has_cages_of_its_own() -> None:
    with borrowed_cage():
        pass
    assert batchcage._free
    child = os.fork()
    if child == 0:
        os._exit(len(batchcage._free))
    assert os.waitpid(child, 0)[1] == 0
    close_cages()


def test_no_thread_is_left(cohort: Path) -> None:
    before = threading.active_count()
    with Cage() as cage:
        ask(cage, cohort / batch.BROKEN)
        assert threading.active_count() == before + 1
    time.sleep(0.05)
    assert threading.active_count() == before
