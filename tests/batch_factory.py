"""Cohorts of small cases, good ones and unruly ones, for tests and benchmarks of the batch.

What a case does beside its files is done by a watch in the process that computes it: the name of its limits file says what. The watch comes in through
`sitecustomize`, by the environment of the batch alone; the package knows nothing of it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import case_factory as cases

HANGS, SLOW, ENDS_ITSELF, ENDS_WORKER, HUNGRY = "hangs", "slow", "ends-itself", "ends-worker", "hungry"
BROKEN, DAMAGED, EXCEEDED, GOOD = "broken", "damaged", "exceeded", "good"
# What becomes of a case of each kind.
OUTCOMES: Final = {
    GOOD: "computed", EXCEEDED: "computed", SLOW: "computed", ENDS_WORKER: "computed", BROKEN: "refused", DAMAGED: "refused", HANGS: "timeout",
    ENDS_ITSELF: "failed", HUNGRY: "failed",
}  # fmt: skip

WATCH: Final = """
import os, sys
if "reirrad.batchchild" in sys.orig_argv:
    import signal, time
    armed = {folder!r}
    def watch(event, arguments):
        if event != "open" or not isinstance(arguments[0], str):
            return
        case, name = os.path.split(arguments[0])
        if name == "hangs.yaml":
            time.sleep(3600)
        elif name == "slow.yaml":
            time.sleep(0.5)
        elif name == "hungry.yaml":
            bytearray(1 << 42)
        elif name == "ends-itself.yaml":
            os.kill(os.getpid(), signal.SIGKILL)
        elif name == "ends-worker.yaml":
            try:
                os.unlink(os.path.join(armed, os.path.basename(case)))
            except FileNotFoundError:
                return
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(3600)
    sys.addaudithook(watch)
"""


def environment(folder: Path) -> dict[str, str]:
    """Variables under which the cases of a cohort misbehave."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(WATCH.format(folder=str(folder.resolve())), encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(folder.resolve()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(os.pathsep)}


def kinds(n_cases: int, unruly: tuple[str, ...]) -> list[str]:
    """So many kinds: each unruly one once in every 20 cases, a few refused and exceeded ones, the rest good."""
    out = [GOOD] * n_cases
    for block in range(0, n_cases, 20):
        for k, kind in enumerate((BROKEN, *unruly, DAMAGED, EXCEEDED, EXCEEDED)):
            place = block + (3 + 2 * k) % 20
            if place < n_cases:
                out[place] = kind
    return out


def write_cohort(root: Path, wanted: list[str], watch: Path) -> dict[str, str]:
    """Write a case of each kind wanted, each with a dose of its own; return kind by name of the case, as the batch names it from the folder above."""
    out = {}
    pattern = cases.write_case(root.parent / f"{root.name}-pattern")
    for k, kind in enumerate(wanted):
        folder = root / f"p{k:03d}"
        write_one(folder, kind, pattern, k)
        if kind == ENDS_WORKER:
            (watch / folder.name).touch()
        out[f"{root.name}/{folder.name}"] = kind
    shutil.rmtree(pattern)
    return out


def write_one(folder: Path, kind: str, pattern: Path, number: int) -> None:
    """One case: 30 Gy in 10 before, then 5 fractions of 2 Gy and a little more for every case."""
    shutil.copytree(pattern / "c1", folder / "c1")
    cases.write_course(folder / "c2", 2, 10 + round(0.05 * (number % 100), 2), 5)
    name = f"{kind}.yaml" if kind in (HANGS, SLOW, ENDS_ITSELF, ENDS_WORKER, HUNGRY) else "limits.yaml"
    limits: Any = cases.LIMITS.replace("80", "40") if kind == EXCEEDED else cases.LIMITS
    cases.write_case_file(folder, f"constraints: {name}", limits=limits)
    (folder / "limits.yaml").rename(folder / name)
    if kind == BROKEN:
        (folder / "case.yaml").write_text("case: [", encoding="utf-8")
    if kind == DAMAGED:
        path = folder / "c2" / "00.dcm"
        path.write_bytes(path.read_bytes()[:-100])
