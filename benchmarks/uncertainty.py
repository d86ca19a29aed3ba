"""Time of the uncertainty of a clinical-size case, as a ratio against one evaluation of it: `python benchmarks/uncertainty.py [FOLDER]`.

FOLDER is where `make_clinical.py` built the case, or will; a temporary folder by default. Every organ gets a limit on the cumulative EQD2 of a near-maximum,
so that all are shifted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does
sys.path.insert(0, str(Path(__file__).resolve().parent))

from make_clinical import make

from reirrad.assessment import LimitChoice, assess
from reirrad.band import Uncertainty
from reirrad.limit import Limit
from reirrad.loading import load_case
from reirrad.metrics import parse_metric
from reirrad.situation import Situation
from reirrad.uncertainty import bands

SHIFT_MM, ROTATION_DEG = 3.0, 1.0


def near_maximum(organ: str) -> Limit:
    """A limit on the cumulative D0.1cc, EQD2 at 3 Gy."""
    return Limit(
        f"{organ}-D0.1cc", organ, "", parse_metric("D0.1cc"), "EQD2", 3.0, "cumulative", 60.0, None, "Gy", "<=", "optimal", "raw", None, None, None, None,
        "not_stated", "user", "benchmark",
    )  # fmt: skip


def measure(folder: Path) -> dict[str, float]:
    case, choice = load_case(folder / "case.yaml")
    choice = LimitChoice((*choice.limits, *(near_maximum(key) for key in dict.fromkeys(key for _, key in case.organs))), choice.from_file, choice.sets)

    def timed(function):
        start = time.perf_counter()
        return function(), time.perf_counter() - start

    runs = [timed(lambda: assess(case, choice)) for _ in range(3)]
    result, once = runs[0][0], min(t for _, t in runs)
    situation = Situation(case.proposed, 5, case.interval_months, {k: c.name for k, c in enumerate(case.courses)}, frozenset({0}))
    out = {"organs": len(result.organs), "evaluation_s": once}
    for name, settings in (
        ("shift", Uncertainty(shift_mm=SHIFT_MM)),
        ("shift_and_turns", Uncertainty(shift_mm=SHIFT_MM, rotation_deg=ROTATION_DEG)),
        ("others", Uncertainty(alpha_beta=True, recovery=True, fractions=1)),
    ):
        found, seconds = min(
            (timed(lambda s=settings: bands(case, result.organs, result.findings, s, (situation,))) for _ in range(2)), key=lambda pair: pair[1]
        )
        out |= {f"{name}_scenarios": len(settings.shifts), f"{name}_s": seconds, f"{name}_ratio": seconds / once, f"{name}_bands": len(found.bands)}
        out[f"{name}_flips"] = len(found.flips)
        for flip in found.flips:
            print(flip.words)
    return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if not (folder / "case.yaml").exists():
            make(folder)
        for key, value in measure(folder).items():
            print(f"{key:26} {value:.3g}")
