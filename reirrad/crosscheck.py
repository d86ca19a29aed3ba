"""A second opinion: the physical dose of single courses by dicompyler-core, beside ours. It is never the engine.

dicompyler-core shares no code with the calculation here. Where the two differ by more than a stated tolerance, the rules of
`reirrad.disagreement` are tried; what none of them explains is reported as unexplained.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pydicom
from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad import __version__
from reirrad.accumulation import accumulate
from reirrad.course import Case, Course
from reirrad.dicom.files import Record, read_record
from reirrad.dicom.parsing import quiet
from reirrad.dicom.values import decimals
from reirrad.disagreement import METRICS, Evidence, Judgement, Metric, judge
from reirrad.dvh import Dvh
from reirrad.errors import GeometryError, ReirradError, printable
from reirrad.loading import load_case
from reirrad.organs import match_organ
from reirrad.planes import slabs_of
from reirrad.points import organ_points
from reirrad.statistics import statistics
from reirrad.structures import Structure

__all__ = ["Comparison", "CrossCheck", "as_json", "crosscheck", "exit_status", "render"]

# What a library that was not written for damaged or unusual objects raises on them.
THEIR_ERRORS = (ArithmeticError, AttributeError, LookupError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError)
OFFSET_MM = 0.01


@dataclass(frozen=True, slots=True)
class Comparison:
    """One value by both."""

    course: str
    structure: str
    organ: str
    metric: Metric
    ours: float | None
    theirs: float
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Everything compared, and what could not be.

    Parameters
    ----------
    not_compared : tuple of (course, structure or None, reason)
    """

    case: str
    comparisons: tuple[Comparison, ...]
    not_compared: tuple[tuple[str, str | None, str], ...]


class _NotComparableError(Exception):
    """Why dicompyler-core has nothing to say."""


def crosscheck(folder: Path, progress: Callable[[str], None] = lambda _: None) -> CrossCheck:
    """Compare with dicompyler-core, course by course.

    Parameters
    ----------
    folder : Path
        Case folder or case file.
    progress : callable
        Told what is being compared.

    Raises
    ------
    ReirradError
        When the case is refused, or nothing in it can be compared.
    """
    case, _ = load_case(folder, progress)
    root = folder if folder.is_dir() else folder.parent
    comparisons: list[Comparison] = []
    left: list[tuple[str, str | None, str]] = []
    for course in case.courses:
        try:
            structure_set, dose = _objects(course, root)
        except _NotComparableError as reason:
            left.append((course.name, None, str(reason)))
            continue
        for structure, organ in _organs(case, course):
            progress(f"{course.name}: {structure.name}")
            try:
                comparisons += _compare(case, course, structure, organ, structure_set, dose)
            except _NotComparableError as reason:
                left.append((course.name, structure.name, str(reason)))
    if not comparisons:
        reasons = "; ".join(dict.fromkeys(f"{printable(course)}: {reason}" for course, _, reason in left))
        raise ReirradError(f"Nothing can be compared with dicompyler-core ({reasons or 'no course has an organ'}). It needs a course with one dose and organs.")
    return CrossCheck(case.name, tuple(comparisons), tuple(left))


def _objects(course: Course, root: Path) -> tuple[pydicom.Dataset, pydicom.Dataset]:
    """Structure set and dose of a course, read by pydicom, as dicompyler-core takes them."""
    used: dict[str, list[dict[str, object]]] = {}
    for entry in course.inputs:
        if entry["used"]:
            used.setdefault(str(entry["role"]), []).append(entry)
    if len(used.get("RTDOSE", [])) != 1 or len(course.phases) != 1:
        raise _NotComparableError(f"its dose is made of {len(used.get('RTDOSE', []))} objects in {len(course.phases)} phase(s), and dicompyler-core takes one")
    if "RTSTRUCT" not in used:
        raise _NotComparableError("it has no structure set")
    structure_set, dose = (_found(used[role][0], root) for role in ("RTSTRUCT", "RTDOSE"))
    with quiet():
        grid = pydicom.dcmread(dose.path, force=True)
        if not course.phases[0].components[0].dose.grid.is_axial:
            raise _NotComparableError("its dose grid is oblique, which dicompyler-core does not support")
        if "GridFrameOffsetVector" not in grid:
            raise _NotComparableError("its dose has no Grid Frame Offset Vector, which dicompyler-core needs")
        if abs(decimals(grid, "GridFrameOffsetVector", dose.name)[0]) > OFFSET_MM:
            raise _NotComparableError("its Grid Frame Offset Vector holds positions (DICOM PS3.3 C.8.8.3.2 b), which dicompyler-core takes for distances")
        return pydicom.dcmread(structure_set.path, force=True), grid


def _found(entry: dict[str, object], root: Path) -> Record:
    """The object an entry names, unchanged since it was read."""
    path = root / str(entry["file"])
    record = read_record(path, str(entry["file"])) if path.is_file() else None
    if record is None or record.sha256() != entry["sha256"]:
        raise _NotComparableError(f"{entry['file']} cannot be opened again under this name")
    return record


def _organs(case: Case, course: Course) -> list[tuple[Structure, str]]:
    """Structures of a course that stand for an organ, by the case file or by name; each name once."""
    stated = {structure.name: key for structure, key in case.organs}
    names = [s.name for s in course.structures]
    keys = [(s, stated.get(s.name) or (match_organ(s.name) if s.kind == "other" else None)) for s in course.structures]
    return [(s, key) for s, key in keys if key is not None and s.contours and names.count(s.name) == 1]


def _compare(case: Case, course: Course, structure: Structure, organ: str, structure_set: pydicom.Dataset, dose: pydicom.Dataset) -> list[Comparison]:
    image, component = course.image, course.phases[0].components[0]
    try:
        slabs = slabs_of(structure, None if image is None else image.normal, None if image is None else image.positions_mm, None)
    except GeometryError as error:
        raise _NotComparableError(str(error)) from None
    points = organ_points(structure.name, slabs)
    if not points.in_axial_frame:
        raise _NotComparableError("its contours are not axial, and dicompyler-core takes them as axial")
    dvh = accumulate(points, (course,), (None,), case.interpolation).physical(0)
    theirs, plane_mm = _theirs(structure_set, dose, structure.number, component.factor)
    ours = _ours(dvh)
    judged = judge(ours, theirs, Evidence(structure, slabs, points, dvh, component.dose, component.factor, plane_mm))
    return [Comparison(course.name, structure.name, organ, m, ours[m], theirs[m], judged[m]) for m in METRICS]


def _ours(dvh: Dvh) -> dict[Metric, float | None]:
    """Values here; None where undefined, or where a part of the structure has no known dose."""
    values = {"volume_cc": dvh.volume_cc} | statistics(dvh).values
    return {metric: values[metric] for metric in METRICS}


def _theirs(structure_set: pydicom.Dataset, dose: pydicom.Dataset, number: int, factor: float) -> tuple[dict[Metric, float], float]:
    """Values by dicompyler-core, and the thickness in mm it gives every contour plane."""
    parser, calculator = dicompyler()
    with _silent():
        try:
            planes = parser.DicomParser(structure_set).GetStructureCoordinates(number)
            thickness = float(parser.DicomParser(structure_set).CalculatePlaneThickness(planes))
            dvh = calculator.get_dvh(structure_set, dose, number)
            values: dict[Metric, float] = {"volume_cc": float(dvh.volume), "mean_gy": factor * float(dvh.mean), "max_gy": factor * float(dvh.max)}
            for metric, asked_cc in METRICS.items():
                if asked_cc is not None:
                    values[metric] = factor * float(dvh.statistic(f"D{asked_cc:g}cc").value)
            return values, thickness
        except THEIR_ERRORS as error:
            raise _NotComparableError(f"dicompyler-core fails on it ({type(error).__name__})") from None


@cache
def dicompyler() -> tuple[ModuleType, ModuleType]:
    """Import dicompyler-core, whose release 0.5.6 looks for a function that pydicom 3 has renamed; nothing of it stays behind."""
    from pydicom import dicomio

    added = not hasattr(dicomio, "read_file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydicom.pixel_data_handlers goes away with pydicom 4
        if added:
            vars(dicomio)["read_file"] = pydicom.dcmread
        try:
            from dicompylercore import dicomparser, dvhcalc
        finally:
            if added:
                del vars(dicomio)["read_file"]
    return dicomparser, dvhcalc


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the warnings and the log of dicompyler-core, which name structures, from the terminal."""
    logger = logging.getLogger("dicompylercore")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with quiet():
            yield
    finally:
        logger.setLevel(before)


def exit_status(result: CrossCheck) -> int:
    """1 when a difference is unexplained, else 0."""
    return int(any(c.judgement.outcome == "unexplained" for c in result.comparisons))


def as_json(result: CrossCheck) -> str:
    """Return the JSON document."""
    document: dict[str, Any] = {
        "schema": 1,
        "reirrad_version": __version__,
        "dicompyler_core_version": version("dicompyler-core"),
        "case": result.case,
        "comparisons": [
            {
                "course": c.course,
                "structure": c.structure,
                "organ": c.organ,
                "metric": c.metric,
                "reirrad": None if c.ours is None else round(c.ours, 4),
                "dicompyler_core": round(c.theirs, 4),
                "tolerance": None if c.judgement.tolerance is None else round(c.judgement.tolerance, 4),
                "outcome": c.judgement.outcome,
                "why": c.judgement.why or None,
            }
            for c in result.comparisons
        ],
        "not_compared": [{"course": course, "structure": structure, "reason": reason} for course, structure, reason in result.not_compared],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def render(result: CrossCheck, console: Console) -> None:
    """Print the comparison: every value, and below the table why values differ."""
    table = Table(box=box.SIMPLE_HEAD, title="Physical dose of each course, here and by dicompyler-core", title_justify="left", pad_edge=False)
    for header in ("Course", "Structure", "Metric"):
        table.add_column(header, overflow="fold", max_width=28)
    for header in ("reirrad", "dicompyler", "difference", "tolerance"):
        table.add_column(header, justify="right")
    table.add_column("Outcome")
    look = {"agrees": ("✓ agrees", "green"), "explained": ("! explained", "yellow"), "unexplained": ("✗ UNEXPLAINED", "bold red")}
    notes: list[str] = []
    for c in result.comparisons:
        why = c.judgement.why
        notes += [why] if why and why not in notes else []
        mark = f" [{notes.index(why) + 1}]" if why else ""
        word, style = look[c.judgement.outcome]
        difference = "–" if c.ours is None else f"{c.theirs - c.ours:+.3f}"
        tolerance = "–" if c.judgement.tolerance is None else f"{c.judgement.tolerance:.3f}"
        numbers = ("–" if c.ours is None else f"{c.ours:.3f}", f"{c.theirs:.3f}", difference, tolerance)
        table.add_row(Text(printable(c.course, 40)), Text(printable(c.structure, 40)), c.metric.replace("_", " "), *numbers, Text(word + mark, style=style))
    lines = [f"[{k}] {note}" for k, note in enumerate(notes, 1)]
    lines += [f"not compared: {printable(' / '.join(filter(None, (course, structure))), 80)}: {why}" for course, structure, why in result.not_compared]
    lines += ["Tolerance: volume 2 % (4 % up to 5 cc); mean 0.5 % + 0.02 Gy; other doses what dose changes within half a dose voxel, + 0.02 Gy."]
    console.print(Group(table, *(Padding(Text(line, style="dim"), (0, 0, 0, 2)) for line in lines)))
