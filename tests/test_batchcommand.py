"""`reirrad batch`: from paths to a table, again after a Ctrl-C, and the overview. Workers are threads here; those of Dask are tested with batchcluster."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import batch_factory as batch_of
import case_factory as cases
import pytest
from pyarrow import parquet

from reirrad import batchcluster, batchcommand
from reirrad.batch import CaseResult, Settings
from reirrad.batchcases import FoundCase
from reirrad.batchcluster import Workers
from reirrad.errors import ReirradError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import batch as benchmark

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One case within its limit (56 Gy of 80: 36 + 20), one beyond it (46 of 40), one without a readable case file."""
    root = tmp_path_factory.mktemp("command")
    pattern = cases.write_case(root / "pattern")
    for k, kind in enumerate((batch_of.GOOD, batch_of.EXCEEDED, batch_of.BROKEN)):
        batch_of.write_one(root / "cohort" / kind, kind, pattern, 0 if k else 90)
    return root / "cohort"


@pytest.fixture
def asked() -> list[tuple[int, str | None]]:
    """Workers and address that clusters were asked for."""
    return []


@pytest.fixture
def run(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], asked: list[tuple[int, str | None]]) -> Run:
    """Run the command in a folder with a copy of the cohort: exit status, standard output, standard error."""
    shutil.copytree(cohort, tmp_path / "cohort")
    monkeypatch.chdir(tmp_path)

    @contextmanager
    def threads(n_workers: int, address: str | None = None) -> Iterator[Workers]:
        asked.append((n_workers, address))
        with ThreadPoolExecutor(2) as executor:
            yield Workers(executor, 2)

    monkeypatch.setattr(batchcluster, "cluster", threads)

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            batchcommand.batch([str(a) for a in arguments], prog_name="reirrad batch")
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def rows(path: str = "t.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path(path).read_bytes().decode())))


@pytest.mark.hazard("H32")
def test_a_batch_is_a_table_with_every_case_and_runs_again_only_where_it_must(run: Run, asked: list[tuple[int, str | None]]) -> None:
    status, out, err = run("cohort", "nowhere", "--out", "t.csv", "--workers", "3")
    assert (status, err) == (2, "")
    assert out == "4 cases: 1 within, 1 exceeded, 2 refused. Written: 't.csv', 4 rows.\n"
    assert asked == [(3, None)]
    exceeded, good, broken = (rows()[k] for k in (1, 2, 0))
    assert (good["case_path"], good["verdict"], good["status"], good["limit_gy"], good["outcome"]) == ("cohort/good", "within", "pass", "80.0", "computed")
    # 14.5 Gy in 5: 14.5 (2.9 + 3) / 5 = 17.11 Gy at 3 Gy
    assert float(good["value_gy"]) == pytest.approx(36 + 17.11, abs=0.01)
    assert (exceeded["status"], float(exceeded["value_gy"])) == ("exceed", pytest.approx(46, abs=0.01))
    assert (broken["outcome"], broken["verdict"]) == ("refused", "")
    assert broken["message"].startswith("case.yaml:1: this is not valid YAML")
    assert rows()[3]["message"] == "nowhere: no such file or folder was found. Correct the path, or take it away."

    before = Path("t.csv").read_bytes()
    shutil.copy("cohort/good/limits.yaml", "limits.yaml")
    Path("t.csv").unlink()
    assert run("cohort", "nowhere", "--out", "t.csv")[0] == 2
    assert Path("t.csv").read_bytes() == before  # times and memory are those of the first run: nothing was computed again
    assert asked[1] == (len(os.sched_getaffinity(0)), None)

    shutil.rmtree("cohort/broken")
    shutil.copy("limits.yaml", "cohort/exceeded/limits.yaml")
    status, out, _ = run("run", "cohort", "--out", "t.csv")
    assert (status, out) == (0, "2 cases: 2 within. Written: 't.csv', 2 rows.\n")
    assert rows()[1] == good
    assert len(list(Path("t.csv.cases").glob("??/*.json"))) == 4  # two results and their documents


def test_filters_and_formats(run: Run) -> None:
    Path("own.yaml").write_text(cases.LIMITS.replace("rectum-sum", "other"))
    assert run("cohort", "--out", "a.parquet", "--only-flagged", "--organ", "rectum", "--constraints", "cohort/good/limits.yaml")[0] == 2
    table = parquet.read_table("a.parquet").to_pydict()
    assert list(zip(table["case_path"], table["status"], strict=True)) == [("cohort/broken", None), ("cohort/exceeded", "exceed"), ("cohort/good", None)]
    shutil.copytree("a.parquet.cases", "t.csv.cases")
    run("cohort", "--out", "t.csv", "--organ", "bladder", "--organ", "liver")
    assert [(r["case_path"], r["limit_id"]) for r in rows()] == [("cohort/broken", ""), ("cohort/exceeded", ""), ("cohort/good", "")]
    for limits in ("own.yaml", "pelvis"):
        assert batchcommand._filter(False, None, limits).lets({"limit_id": "rectum-sum", "organ": "rectum", "status": "exceed"}) is False
    run("cohort", "--out", "t.csv", "--constraints", "own.yaml", "--format", "jsonl")
    assert [json.loads(line)["limit_id"] for line in Path("t.csv").read_text().splitlines()] == [None] * 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "t.txt"), "'t.txt' does not tell the format; needed is a file that ends in .csv, .parquet or .jsonl, or --format."),
        (("--out", "nowhere/t.csv"), "the result cannot be written to 'nowhere/t.csv'; needed a file name in an existing folder that may be written to."),
        (("--out", "t.csv", "--time-limit", "0"), "The time limit of a case is 0 s; needed is more than 0 and at most 86400 s, a day."),
        (("--out", "t.csv", "--constraints", "nosuch"), '"nosuch" is not a limit set of the library'),
        (("--out", "t.csv", "--organ", "nosuch"), '"nosuch" is not'),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(run: Run, asked: list[Any], options: tuple[str, ...], said: str) -> None:
    status, out, err = run("cohort", *options)
    assert (status, out) == (2, "")
    assert err.startswith("Refused: ")
    assert said in err
    assert asked == []
    assert not list(Path.cwd().glob("t.*"))


def test_a_cluster_that_is_not_there_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise ReirradError("The scheduler does not answer.")

    monkeypatch.setattr(batchcluster, "cluster", refuse)
    assert run("cohort", "--out", "t.csv", "--scheduler", "tcp://x:1") == (2, "", "Refused: The scheduler does not answer.\n")
    assert not Path("t.csv").exists()


def test_links_that_were_not_followed_are_told(run: Run) -> None:
    Path("elsewhere").mkdir()
    Path("cohort/link").symlink_to(Path("elsewhere").resolve())
    assert run("cohort", "--out", "t.csv")[2].startswith("Warning (batch_link_not_followed): 1 link(s) below the paths lead out of them")


def test_a_stop_on_request_keeps_what_is_finished(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(found: tuple[FoundCase, ...], settings: Settings, executor: Any, known: Any, window: int) -> Iterator[CaseResult]:
        assert (settings, window) == (Settings(False, 600.0, None), 7)
        yield CaseResult(found[0].name, "computed", '{"verdict": "within"}', "", "a")
        raise KeyboardInterrupt

    monkeypatch.setattr("reirrad.batch.run_cases", stopped)
    status, out, err = run("cohort", "--out", "t.csv", "--memory-limit", "0")
    assert (status, out) == (130, "")
    assert err == "Stopped on request; no table was written. 1 results are kept in 't.csv.cases'; the same command goes on from there.\n"
    assert not Path("t.csv").exists()


def test_progress_is_shown_to_a_person(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    err = run("cohort", "--out", "t.csv")[2]
    assert "3/3" in err


def test_the_overview(run: Run) -> None:
    run("cohort", "--out", "t.csv")
    assert run("report", "t.csv", "--out", "o.html", "--date", "2026-01-02") == (0, "", "")
    html = Path("o.html").read_text()
    assert "Cohort t.csv" in html
    assert "2026-01-02" in html
    assert html.count('<a href="t.csv.cases/') == 2
    status, _, err = run("report", "other.csv", "--out", "o.html")
    assert (status, err) == (2, "Refused: 'other.csv.cases' was not found, which holds the results of a batch. Needed is a table written by reirrad batch.\n")
    assert run("report", "t.csv", "--out", "nowhere/o.html")[0] == 2


def test_help_is_that_of_the_batch(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert "--scheduler" in out
    assert run()[0] == 2


@pytest.mark.hazard("H31", "H32")
def test_interrupted_and_resumed_on_workers_of_this_machine(tmp_path: Path) -> None:
    environment = batch_of.environment(tmp_path / "watch")
    batch_of.write_cohort(tmp_path / "cohort", [batch_of.SLOW] * 12, tmp_path / "watch")
    status, said, before = benchmark.interrupted(tmp_path / "cohort", tmp_path / "t.csv", environment, 2)
    assert status == 130
    assert 2 <= len(before) < 12
    assert (
        said == f"Stopped on request; no table was written. {len(before)} results are kept in '{tmp_path}/t.csv.cases'; the same command goes on from there.\n"
    )
    assert not (tmp_path / "t.csv").exists()
    status, after = benchmark.resumed(tmp_path / "cohort", tmp_path / "t.csv", environment)
    assert status == 0
    assert len(after) == 12
    assert {p: after[p] for p in before} == before  # nothing was computed again
    assert [r["case_path"] for r in rows(str(tmp_path / "t.csv"))] == [f"cohort/p{k:03d}" for k in range(12)]
