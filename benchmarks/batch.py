"""Many cases, some of them unruly, on workers of this machine and of a Dask cluster: `python benchmarks/batch.py [CASES]`, 200 by default.

Every 20 cases hold one that hangs, one that ends its own process, one that ends its worker, one that takes all memory, one that is slow, two that are refused
and two that exceed a limit. Shown: whether every case has exactly one result, the right one; whether results are those of `reirrad check` to the byte; what an
interrupted batch computes again; how much faster two workers are than one; and the memory of the workers over the cases.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import batch_factory as batch_of  # noqa: E402

from reirrad import cli  # noqa: E402
from reirrad.batch import CaseResult, Settings, run_cases  # noqa: E402
from reirrad.batchcases import find_cases  # noqa: E402
from reirrad.batchcluster import cluster  # noqa: E402
from reirrad.batchjournal import journal_folder  # noqa: E402

UNRULY = (batch_of.HANGS, batch_of.ENDS_ITSELF, batch_of.ENDS_WORKER, batch_of.HUNGRY, batch_of.SLOW)
TIME_LIMIT_S = 12.0
# The command line with nothing but the batch.
BATCH = (sys.executable, "-c", "from reirrad.batchcommand import batch; batch()", "run")


@dataclass
class Run:
    """What a batch gave."""

    results: list[CaseResult] = field(default_factory=list)
    seconds: float = 0.0
    memory_mb: list[dict[str, float]] = field(default_factory=list)


def run(cohort: Path, n_workers: int, address: str | None = None, watch: Callable[[int], None] = lambda _: None, limit_s: float = TIME_LIMIT_S) -> Run:
    """Compute a cohort without a journal; `watch` is told how many results there are."""
    found, _ = find_cases([cohort])
    out = Run()
    with cluster(n_workers, address) as workers:
        start = time.monotonic()
        for result in run_cases(found, Settings(time_limit_s=limit_s, memory_limit_mb=2000), workers.executor, window=workers.window):
            out.results.append(result)
            watch(len(out.results))
            if address is None and len(out.results) % 10 == 0:
                out.memory_mb.append(memory_of_workers())
        out.seconds = time.monotonic() - start
    return out


def rate(cohort: Path, n_workers: int) -> float:
    """Cases a second once every worker has loaded its libraries: from the fifth result on."""
    times: list[float] = []
    run(cohort, n_workers, watch=lambda _: times.append(time.monotonic()), limit_s=300)
    return (len(times) - 5) / (times[-1] - times[4])


def wrong(found: Run, kinds: dict[str, str]) -> list[str]:
    """Cases that have no result, several, or another than their kind should have."""
    given: dict[str, list[str]] = {name: [] for name in kinds}
    for result in found.results:
        given.setdefault(result.case_path, []).append(result.outcome)
    expected = {name: [batch_of.OUTCOMES[kind]] for name, kind in kinds.items()}
    return [f"{name}: {outcomes}, not {expected.get(name)}" for name, outcomes in given.items() if outcomes != expected.get(name)]


def checked(case: Path, out: Path) -> bytes:
    """What `reirrad check --json` writes of a case."""
    before, sys.argv = sys.argv, ["reirrad", "check", str(case), "--quiet", "--json", str(out)]
    try:
        cli.main()
    except SystemExit:
        return out.read_bytes()
    finally:
        sys.argv = before
    raise AssertionError("the command line ended without a status")


def differing(found: Run, cohort: Path, out: Path) -> list[str]:
    """Computed cases whose document is not that of `check` to the byte."""
    computed = [r for r in found.results if r.document is not None]
    return [r.case_path for r in computed if (r.document or "").encode() != checked(cohort.parent / r.case_path, out)]


@contextmanager
def external_cluster(n_workers: int, folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers of their own, on loopback; their address, and the workers."""
    folder.mkdir(exist_ok=True)
    file = folder / "scheduler.json"
    common = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    dask = [sys.executable, "-m", "dask"]
    settings: dict[str, Any] = {"env": os.environ | environment, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*dask, "scheduler", *common, "--port", "0", "--scheduler-file", str(file)], **settings)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        wait_until(file.exists, "the scheduler does not start")
        address = json.loads(file.read_text())["address"]
        place = ["--nthreads", "1", "--memory-limit", "0", "--local-directory", str(folder)]
        workers += [subprocess.Popen([*dask, "worker", address, *common, *place], **settings) for _ in range(n_workers)]
        from distributed import Client

        with Client(address, timeout=60) as client:
            client.wait_for_workers(n_workers, timeout=120)
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.terminate()
        for process in (*workers, scheduler):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def interrupted(cohort: Path, out: Path, environment: dict[str, str], n_before: int) -> tuple[int, str, dict[Path, int]]:
    """Start the command, send it a Ctrl-C after so many results; its status, what it said, and its results with their times of writing."""
    folder = journal_folder(out)
    command = [*BATCH, cohort.name, "--out", str(out), "--workers", "2", "--time-limit", f"{TIME_LIMIT_S:g}", "--memory-limit", "2000"]
    with subprocess.Popen(command, cwd=cohort.parent, env=os.environ | environment, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_until(lambda: len(written(folder)) >= n_before, "no results come")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, said = process.communicate(timeout=60)
    return process.returncode, said, written(folder)


def resumed(cohort: Path, out: Path, environment: dict[str, str]) -> tuple[int, dict[Path, int]]:
    """The same command to its end: its status, and its results with their times of writing."""
    command = [*BATCH, cohort.name, "--out", str(out), "--workers", "2", "--time-limit", f"{TIME_LIMIT_S:g}", "--memory-limit", "2000"]
    done = subprocess.run(command, cwd=cohort.parent, env=os.environ | environment, capture_output=True, check=False)
    return done.returncode, written(journal_folder(out))


def written(folder: Path) -> dict[Path, int]:
    """Results in a journal that are not tried again, with the time they were written."""
    out = {}
    for path in folder.glob("??/*.json"):
        if not path.name.endswith(".result.json") and json.loads(path.read_text())["outcome"] in ("computed", "refused"):
            out[path] = path.stat().st_mtime_ns
    return out


def wait_until(ready: Callable[[], bool], trouble: str, limit_s: float = 120.0) -> None:
    end = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(trouble)
        time.sleep(0.05)


def memory_of_workers() -> dict[str, float]:
    """Resident memory in MB, the largest of the workers of this process and of the processes in which cases are computed."""
    status = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
            status[int(folder.name)] = int(lines["PPid"]), int(lines.get("VmRSS", "0 kB").split()[0]) / 1024, (folder / "cmdline").read_bytes()
        except (OSError, ValueError, KeyError):
            continue
    mine, n_known = {os.getpid()}, 0
    while n_known != len(mine):
        n_known = len(mine)
        mine |= {pid for pid, (parent, _, _) in status.items() if parent in mine}
    of = {"case": b"reirrad.batchchild", "worker": b"spawn_main"}
    return {what: round(max((status[p][1] for p in mine if mark in status[p][2]), default=0.0), 1) for what, mark in of.items()}


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def tell(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    n_cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    n_bad = 0
    with tempfile.TemporaryDirectory(prefix="reirrad-benchmark-") as temporary:
        root = Path(temporary)
        os.chdir(root)
        environment = batch_of.environment(root / "watch")
        os.environ |= environment
        wanted = batch_of.kinds(n_cases, UNRULY)
        tell(f"{n_cases} cases: " + ", ".join(f"{n} {kind}" for kind, n in Counter(wanted).most_common()))
        kinds = batch_of.write_cohort(root / "cohort", wanted, root / "watch")

        found = run(Path("cohort"), 2)
        bad, differ = wrong(found, kinds), differing(found, root / "cohort", root / "single.json")
        n_bad += len(bad) + len(differ)
        tell(f"2 workers of this machine: {len(found.results)} results in {found.seconds:.0f} s, {len(bad)} wrong, {len(differ)} not as from check; {load()}")
        tell(f"  {bad[:5]} {differ[:5]}")
        tell(
            "  memory over the cases, MB (largest process of a case, largest worker): "
            + ", ".join(f"{m['case']:.0f}/{m['worker']:.0f}" for m in found.memory_mb)
        )
        documents = {r.case_path: r.document for r in found.results}

        for path in (root / "cohort").iterdir():
            if kinds[f"cohort/{path.name}"] == batch_of.ENDS_WORKER:
                (root / "watch" / path.name).touch()
        with external_cluster(2, root / "dask", environment) as (address, workers):
            found = run(Path("cohort"), 2, address, lambda n: os.kill(workers[0].pid, signal.SIGKILL) if n == n_cases // 3 else None)
        bad = wrong(found, kinds) + [r.case_path for r in found.results if r.document != documents[r.case_path]]
        n_bad += len(bad)
        tell(f"scheduler and 2 workers, one killed on the way: {len(found.results)} results in {found.seconds:.0f} s, {len(bad)} wrong; {load()}")
        tell(f"  {bad[:5]}")

        for path in (root / "cohort").iterdir():
            if kinds[f"cohort/{path.name}"] == batch_of.ENDS_WORKER:
                (root / "watch" / path.name).touch()
        out = root / "table.csv"
        status, said, before = interrupted(root / "cohort", out, environment, n_cases // 3)
        end_status, after = resumed(root / "cohort", out, environment)
        again = [p for p, when in before.items() if after.get(p) != when]
        n_expected = sum(batch_of.OUTCOMES[k] in ("computed", "refused") for k in kinds.values())
        n_bad += len(again) + abs(n_expected - len(after)) + (status != 130) + (end_status != 2)
        tell(f"Ctrl-C after {len(before)} results (status {status}), then to the end (status {end_status}):")
        tell(f"  {len(again)} computed again, {len(after)} of {n_expected} there")
        tell(f"  {said.strip()}")

        n_good = max(12, n_cases // 10)
        for k in range(n_good):
            shutil.copytree(ROOT / "sample_plans" / "A-groin-relapse", root / "good" / f"g{k:03d}")
        one, two = (rate(Path("good"), n) for n in (1, 2))
        tell(f"{n_good} times sample case A: {one:.2f} a second with 1 worker, {two:.2f} with 2: {two / one:.2f} times (goal 1.8 on an idle machine); {load()}")
    tell("every case has its one result" if n_bad == 0 else f"{n_bad} THINGS ARE WRONG")
    raise SystemExit(min(n_bad, 1))


if __name__ == "__main__":
    main()
