"""Speed and memory as ratios against named peers, measured in one run on this machine.

    python benchmarks/run.py [--reference FOLDER] [--clinical FOLDER]

--reference: folder of the dicompyler-core breast case (rtdose.dcm, rtss.dcm, rtplan.dcm); left out when it is not there.
--clinical:  where the made clinical-size case is (or will be) built; a temporary folder by default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does


def best_of(function: Callable[[], object], times: int = 3) -> float:
    """Shortest of some runs, s."""
    shortest = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        function()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def dose_statistics(course, names: list[str]) -> None:
    """reirrad, as in a check: structures to points, dose at them, volume, Dmax, Dmean, D0.03cc, D0.1cc, D1cc, D2cc, two structures at a time."""
    from reirrad.accumulation import accumulate
    from reirrad.planes import slabs_of
    from reirrad.points import organ_points
    from reirrad.statistics import statistics

    def one(structure) -> None:
        slabs = slabs_of(structure, course.image.normal, course.image.positions_mm, None)
        statistics(accumulate(organ_points(structure.name, slabs), (course,), (None,), "linear").physical(0))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, (s for s in course.structures if s.name in names)))


def against_dicompyler(dose_file: Path, struct_file: Path, course, names: list[str]) -> dict[str, float]:
    """Dose statistics of all structures from objects already read, against dicompyler-core's get_dvh."""
    import pydicom

    from reirrad.crosscheck import dicompyler

    _, calculator = dicompyler()
    structures, dose = pydicom.dcmread(struct_file), pydicom.dcmread(dose_file)
    numbers = [roi.ROINumber for roi in structures.StructureSetROISequence if roi.ROIName in names]

    def peer() -> None:
        for number in numbers:
            dvh = calculator.get_dvh(structures, dose, number)
            _ = dvh.max, dvh.min, dvh.mean, dvh.statistic("D2cc"), dvh.statistic("D0.1cc")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = best_of(peer, 1)
    ours = best_of(lambda: dose_statistics(course, names))
    return {"dicompyler_s": theirs, "reirrad_s": ours, "times_faster": theirs / ours}


def in_own_process(code: str, *arguments: str) -> dict[str, float]:
    """Run Python code in a fresh process; it prints one JSON object."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, cwd=ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


READ = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
start = time.perf_counter()
import pydicom
from pathlib import Path
files = sorted(p for p in Path(sys.argv[1]).rglob("*") if p.is_file() and p.suffix != ".yaml")
begun = time.perf_counter()
for f in files:
    ds = pydicom.dcmread(f)
    if ds.Modality == "RTSTRUCT":
        for roi in ds.ROIContourSequence:
            for contour in roi.get("ContourSequence", []):
                contour.ContourData
    elif ds.Modality == "RTDOSE":
        ds.pixel_array
print(json.dumps({"with_import_s": time.perf_counter() - start, "read_s": time.perf_counter() - begun, "n_files": len(files)}))
"""

CHECK = """
import json, resource, sys, time
start = time.perf_counter()
from pathlib import Path
from reirrad.assessment import assess
from reirrad.loading import load_case
from reirrad.result import as_json, to_dict
from reirrad.statistics import statistics
begun = time.perf_counter()
case, limits = load_case(Path(sys.argv[1]))
read = time.perf_counter()
assessment = assess(case, limits)
text = as_json(to_dict(assessment))
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
grids = sum(c.dose.dose_gy.nbytes for course in case.courses for p in course.phases for c in p.components) / 2**20
again = []
for _ in range(3):
    t = time.perf_counter()
    for organ in assessment.organs:
        statistics(organ.sum.dose.eqd2(2.5))
    again.append(time.perf_counter() - t)
print(json.dumps({"check_s": done - begun, "with_import_s": done - start, "reading_s": read - begun, "new_alpha_beta_s": min(again), "peak_mb": peak,
    "dose_grids_mb": grids, "organs": len(assessment.organs), "points": sum(o.sum.dose.volumes_cc.size for o in assessment.organs)}))
"""


def _last_course(folder: Path) -> tuple[Path, Path]:
    """Folder of the proposed course, and the case folder."""
    from reirrad.casefile import read_case_file

    case = read_case_file(folder)
    return case.resolve("courses", len(case.courses) - 1, "dicom"), case.folder


def _objects(course, folder: Path) -> tuple[Path, Path]:
    """Its RTDOSE and RTSTRUCT."""
    used = {str(i["role"]): folder / str(i["file"]) for i in course.inputs if i["used"]}
    return used["RTDOSE"], used["RTSTRUCT"]


def main() -> int:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "data" / "dicompyler-core")
    parser.add_argument("--clinical", type=Path)
    options = parser.parse_args()
    out: dict[str, object] = {}
    from reirrad.dicom.course import read_course

    if (options.reference / "rtdose.dcm").exists():
        course, _ = read_course("breast", "prior", options.reference, options.reference.parent)
        names = [s.name for s in course.structures if s.contours]
        out["breast case, all structures"] = against_dicompyler(options.reference / "rtdose.dcm", options.reference / "rtss.dcm", course, names)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.clinical or Path(temporary) / "clinical"
        if not (folder / "case.yaml").exists():
            subprocess.run([sys.executable, str(ROOT / "benchmarks" / "make_clinical.py"), str(folder)], check=True)
        reads = in_own_process(READ, str(folder))
        checks = in_own_process(CHECK, str(folder))
        course, _ = read_course("clinical", "proposed", *_last_course(folder))
        out["clinical case, one course, all structures"] = against_dicompyler(*_objects(course, folder), course, [s.name for s in course.structures])
        out["clinical case, pydicom reads the files"] = reads
        out["clinical case, check"] = checks
        out["clinical case, ratios"] = {
            "check / pydicom reading (goal at most 3)": checks["check_s"] / reads["read_s"],
            "check / new alpha/beta for all organs (goal at least 20)": checks["check_s"] / checks["new_alpha_beta_s"],
            "peak memory over 3 dose grids + 300 MB (goal at most 1)": checks["peak_mb"] / (3 * checks["dose_grids_mb"] + 300),
        }
    for title, values in out.items():
        print(title)
        for key, value in values.items():
            print(f"  {key:58} {value:10.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
