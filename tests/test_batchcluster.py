"""Cases on workers of this machine and of a Dask cluster: nothing lost, nothing twice, whatever happens to a worker; and clear words where there is none."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import batch_factory as batch_of
import dask.config
import pytest

from reirrad import __version__, batchcluster
from reirrad.batchcluster import cluster
from reirrad.errors import ReirradError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import batch as benchmark

KINDS = [
    batch_of.GOOD, batch_of.ENDS_WORKER, batch_of.GOOD, batch_of.HANGS, batch_of.GOOD, batch_of.BROKEN,
    batch_of.ENDS_ITSELF, batch_of.HUNGRY, batch_of.SLOW, batch_of.DAMAGED, batch_of.EXCEEDED, batch_of.GOOD,
]  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], dict[str, str]]:
    """Twelve cases, their kinds, and the variables under which they misbehave."""
    root = tmp_path_factory.mktemp("cluster")
    environment = batch_of.environment(root / "watch")
    return root / "cohort", batch_of.write_cohort(root / "cohort", KINDS, root / "watch"), environment


@pytest.fixture
def here(cohort: tuple[Path, dict[str, str], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(cohort[0].parent)
    for name, value in cohort[2].items():
        monkeypatch.setenv(name, value)
    for name, kind in cohort[1].items():
        if kind == batch_of.ENDS_WORKER:
            (cohort[0].parent / "watch" / Path(name).name).touch()
    return


@pytest.mark.hazard("H31", "H32")
@pytest.mark.usefixtures("here")
def test_unruly_cases_on_workers_of_this_machine(cohort: tuple[Path, dict[str, str], dict[str, str]], tmp_path: Path) -> None:
    patience = set()
    found = benchmark.run(Path("cohort"), 2, watch=lambda _: patience.add(dask.config.get("distributed.deploy.lost-worker-timeout")), limit_s=10)
    assert patience == {"1 day"}  # a worker that is slow to start again is not given up
    assert sorted(r.case_path for r in found.results) == sorted(cohort[1])
    assert {r.case_path: r.outcome for r in found.results} == {name: batch_of.OUTCOMES[kind] for name, kind in cohort[1].items()}
    assert sum(r.document is not None for r in found.results) == 7
    assert benchmark.differing(found, cohort[0], tmp_path / "single.json") == []
    assert not list((cohort[0].parent / "watch").glob("p*"))  # the worker was killed


@pytest.mark.hazard("H31", "H32")
@pytest.mark.usefixtures("here")
def test_a_cluster_that_loses_a_worker_loses_no_case(cohort: tuple[Path, dict[str, str], dict[str, str]], tmp_path: Path) -> None:
    def kill(n_results: int) -> None:
        if n_results == 3:
            os.kill(workers[0].pid, signal.SIGKILL)

    with benchmark.external_cluster(2, tmp_path / "dask", cohort[2]) as (address, workers):
        found = benchmark.run(Path("cohort"), 2, address, kill, limit_s=10)
        assert workers[0].wait(10) == -signal.SIGKILL
    assert {r.case_path: r.outcome for r in found.results} == {name: batch_of.OUTCOMES[kind] for name, kind in cohort[1].items()}
    assert len(found.results) == 12


def test_without_the_package_for_clusters_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ReirradError) as refusal, cluster(1):
        pass
    assert str(refusal.value) == (
        "Computing many cases needs the package distributed, which is not installed. Install the extra batch of this package (reirrad[batch])."
    )


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batchcluster, "CONNECT_S", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense://here"):
        with (
            pytest.raises(ReirradError, match=rf"The scheduler '{address}' does not answer \(\w+\)\. Needed is the address of a running Dask scheduler"),
            cluster(1, address),
        ):
            pass


class Client:
    """A client of a cluster that is described by its workers."""

    def __init__(self, n_workers: int, version: str | Exception) -> None:
        self.n_workers, self.version = n_workers, version

    def nthreads(self) -> dict[str, int]:
        return {f"tcp://{k}": 2 for k in range(self.n_workers)}

    def run(self, ask: Any) -> dict[str, str]:
        assert ask() == __version__
        if isinstance(self.version, Exception):
            raise self.version
        return dict.fromkeys(self.nthreads(), self.version)


def test_workers_have_the_same_version() -> None:
    assert batchcluster._n_workers(Client(3, __version__), "tcp://x:1") == 6
    for client, said in (
        (Client(0, __version__), "The scheduler 'tcp://x:1' has no worker. Start some (dask worker tcp://x:1), and run again."),
        (Client(1, "0.0.9"), f"Workers of 'tcp://x:1' have version 0.0.9 of this package, this machine has {__version__}; results could differ. "),
        (Client(1, ModuleNotFoundError("reirrad")), "A worker of 'tcp://x:1' cannot load this package (ModuleNotFoundError). Install reirrad "),
    ):
        with pytest.raises(ReirradError) as refusal:
            batchcluster._n_workers(client, "tcp://x:1")
        assert str(refusal.value).startswith(said)
