"""From the cost of one case to 100,000 patients: `python benchmarks/scaling.py [--write]`, which puts its tables into docs/scaling.md.

The case is the made one of clinical size (`make_clinical.py`). Times are those of the processor, so that other work does not count; memory is the largest
resident one.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import make_clinical  # noqa: E402

from reirrad import batchchild  # noqa: E402
from reirrad.batch import CaseResult  # noqa: E402
from reirrad.batchcases import find_cases  # noqa: E402
from reirrad.batchjournal import Journal  # noqa: E402
from reirrad.batchtable import Filter, write_table  # noqa: E402

PAGE = ROOT / "docs" / "scaling.md"
PATIENTS = 100_000
COPIES = 200  # results to time the journal and the table with
NODE = {"cores": 32, "memory, GB": 128}
DISK_MB_S = 1000.0  # what a shared disk gives all nodes together: 10 Gbit/s


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = what()
    return time.process_time() - start, found


def measure(folder: Path) -> dict[str, float]:
    """Costs of one case where it is computed, and of its result where it is gathered."""
    make_clinical.make(folder / "case")
    request: dict[str, Any] = {"path": str(folder / "case"), "is_draft": False, "known": None, "memory_limit_mb": None, "time_limit_s": 600}
    batchchild._prepare()
    batchchild.answer(request)  # libraries are loaded, tables are read
    compute_s, answer = timed(lambda: batchchild.answer(request))
    assert answer["outcome"] == "computed", answer["message"]
    hash_s, _ = timed(lambda: batchchild.answer(request | {"known": answer["input_sha256"]}))
    files = [p for p in (folder / "case").rglob("*") if p.is_file()]
    find_s, _ = timed(lambda: find_cases([folder / "case"]))
    values = {f.name for f in dataclasses.fields(CaseResult)}
    result = CaseResult(case_path="", **{k: v for k, v in answer.items() if k in values})
    with Journal(folder / "t.parquet.cases") as journal:
        keep_s, _ = timed(lambda: [journal.keep(dataclasses.replace(result, case_path=f"c{k}")) for k in range(COPIES)])
        known_s, _ = timed(journal.known)
        table_s, n_rows = timed(lambda: write_table(journal.results(), folder / "t.parquet", "parquet", Filter()))
    return {
        "files": len(files),
        "input, MB": sum(p.stat().st_size for p in files) / 1e6,
        "finding it, s": find_s,
        "compute, s": compute_s,
        "of that its hash, s": hash_s,
        "peak memory, MB": answer["peak_mb"],
        "result, kB": len(answer["document"].encode()) / 1e3,
        "rows": n_rows / COPIES,
        "keeping its result, s": keep_s / COPIES,
        "looking it up again, s": known_s / COPIES,
        "its rows of the table, s": table_s / COPIES,
        "its rows, kB": (folder / "t.parquet").stat().st_size / COPIES / 1e3,
    }


def report(one: dict[str, float]) -> str:
    """Tables for the page."""
    lines = ["| of one case | |", "|---|---:|", *(f"| {what} | {value:.3g} |" for what, value in one.items()), ""]
    workers = int(min(NODE["cores"], 1000 * NODE["memory, GB"] * 0.8 // max(one["peak memory, MB"], 1)))
    hours = PATIENTS * one["compute, s"] / 3600
    lines += [f"| {PATIENTS:,} patients | 1 node | 4 nodes | 16 nodes |", "|---|---:|---:|---:|"]
    nodes = (1, 4, 16)
    lines.append(f"| workers ({workers} a node of {NODE['cores']} cores and {NODE['memory, GB']} GB) | " + " | ".join(str(n * workers) for n in nodes) + " |")
    lines.append("| hours of computing | " + " | ".join(f"{hours / (n * workers):.1f}" for n in nodes) + " |")
    rate = one["input, MB"] / one["compute, s"]
    lines.append("| MB/s read for that | " + " | ".join(f"{n * workers * rate:.0f}" for n in nodes) + " |")
    read = PATIENTS * one["input, MB"] / DISK_MB_S / 3600
    lines.append(f"| hours of reading at {DISK_MB_S:.0f} MB/s | " + " | ".join(f"{read:.1f}" for _ in nodes) + " |")
    lines.append("| hours, the longer of the two | " + " | ".join(f"{max(read, hours / (n * workers)):.1f}" for n in nodes) + " |")
    kept = PATIENTS * (one["keeping its result, s"] + one["its rows of the table, s"] + one["finding it, s"]) / 3600
    again = PATIENTS * (one["of that its hash, s"] + one["looking it up again, s"]) / 3600
    lines += [
        "",
        f"| {PATIENTS:,} patients, whatever the nodes | |",
        "|---|---:|",
        f"| input, TB | {PATIENTS * one['input, MB'] / 1e6:.1f} |",
        f"| results of cases, GB, in {2 * PATIENTS:,} files | {PATIENTS * one['result, kB'] / 1e6:.1f} |",
        f"| rows of the table, millions | {PATIENTS * one['rows'] / 1e6:.1f} |",
        f"| table as Parquet, GB (here all cases are alike; real ones take more) | {PATIENTS * one['its rows, kB'] / 1e6:.2f} |",
        f"| hours in the one process that gathers: finding, keeping, table | {kept:.2f} |",
        f"| hours of processor for running again when nothing has changed | {again:.1f} |",
        f"| workers that {DISK_MB_S:.0f} MB/s feed | {DISK_MB_S / rate:.0f} |",
        f"| workers whose results one process can keep, beside what Dask needs | {one['compute, s'] / one['keeping its result, s']:.0f} |",
    ]
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="reirrad-scaling-") as temporary:
        text = report(measure(Path(temporary)))
    print(text)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        block = f"<!-- measured -->\n\n{text}\n\n<!-- end -->"
        PAGE.write_text(re.sub(r"<!-- measured -->\n.*?<!-- end -->", lambda _: block, page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
