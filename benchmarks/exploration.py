"""Time and memory of an exploration, as a ratio against one check of the same case: `python benchmarks/exploration.py [CASE]`.

CASE is a case file; by default that of sample plan A, with 25 organs. A check is reading its files, every dose and every limit, and the JSON of the result; the
exploration finds the largest dose of 40 schedules. Both run in processes of their own; times are those of the processor, so that other work does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

RUN = """
import json, resource, sys, time
from pathlib import Path
from reirrad.assessment import assess
from reirrad.exploration import ScheduleChoice, explore
from reirrad.loading import load_case
from reirrad.result import as_json, to_dict

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

n = int(sys.argv[2])
assess(*load_case(Path(sys.argv[1])))  # libraries are loaded, tables are read
start = time.process_time()
case, choice = load_case(Path(sys.argv[1]))
assessment = assess(case, choice)
as_json(to_dict(assessment))
checked = time.process_time()
after_check = peak_mb()
if n:
    rows = explore(assessment, choice, [ScheduleChoice(k) for k in range(1, n + 1)]).rows
print(json.dumps({"organs": len(assessment.organs), "limits": len(choice.limits), "check_s": checked - start, "explore_s": time.process_time() - checked,
    "check_peak_mb": after_check, "explore_peak_mb": peak_mb()}))
"""


def run(case: Path, schedules: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", RUN, str(case), str(schedules)], capture_output=True, text=True, check=True, cwd=ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(case: Path) -> dict[str, float]:
    few, many = run(case, 4), run(case, 40)
    return {
        "organs": many["organs"],
        "limits": many["limits"],
        "check, s": many["check_s"],
        "exploration of 40 schedules, s": many["explore_s"],
        "exploration / check (goal at most 5)": many["explore_s"] / many["check_s"],
        "peak memory of a check, MB": many["check_peak_mb"],
        "peak memory with 4 schedules, MB": few["explore_peak_mb"],
        "peak memory with 40 schedules, MB": many["explore_peak_mb"],
    }


if __name__ == "__main__":
    for key, value in measure(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sample_plans" / "A-groin-relapse" / "case.yaml").items():
        print(f"{key:40} {value:10.3f}")
