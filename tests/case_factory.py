"""Cases for tests: in memory with even doses, and as folders of small DICOM objects.

The dose grid is neither cubic nor evenly spaced in all directions nor at the origin; the organs are boxes inside it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dicom_factory as dicom
import numpy as np

from reirrad.accumulation import OrganDose
from reirrad.course import Case, Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.limit import Limit
from reirrad.metrics import parse_metric
from reirrad.structures import Contour, Structure

# Voxel centres: x -8 .. 28, y 10 .. 42, z -20 .. 5 mm.
GRID_SHAPE = (6, 9, 10)
GRID_POSITION = (-8.0, 10.0, -20.0)
GRID_SPACING = (4.0, 4.0)
PLANE_MM = 5.0
# A box of 25 x 20 x 15 mm3 = 7.5 cc: x -5 .. 20, y 15 .. 35, three planes 5 mm apart stand for z -17.5 .. -2.5.
BOX_CC = 7.5
BOX = (-5.0, 20.0, 15.0, 35.0)
PLANES = (-15.0, -10.0, -5.0)

EXAMPLE: dict[str, Any] = {
    "structure": "",
    "caution": None,
    "comparator": "<=",
    "unit": "Gy",
    "level": "mandatory",
    "recovery": "not_stated",
    "min_interval_months": None,
    "max_interval_months": None,
    "min_fractions": None,
    "max_fractions": None,
    "evidence": "not_stated",
    "status": "user",
    "source": "test",
}


def limit(metric: str = "Dmax", value: float = 50.0, organ: str = "rectum", quantity: str = "EQD2", scope: str = "cumulative", **more: Any) -> Limit:
    """Limit of an organ at alpha/beta 3 Gy."""
    alpha_beta = more.pop("alpha_beta_gy", None if quantity == "physical" else 3.0)
    name = more.pop("id", f"{organ}-{metric}")
    stated = {"id": name, "organ": organ, "metric": parse_metric(metric), "limit": value, "quantity": quantity, "scope": scope, "alpha_beta_gy": alpha_beta}
    return Limit(**EXAMPLE | stated | more)


def organ_dose(*deliveries: tuple[int, int, Sequence[float]], volumes_cc: Sequence[float], edge_gy: Sequence[Sequence[float]] | None = None) -> OrganDose:
    """Organ of few points; a delivery is (course, fractions, dose at each point in Gy)."""
    n_edge: Any = [()] * len(deliveries) if edge_gy is None else edge_gy
    return OrganDose(
        np.array(volumes_cc, np.float64),
        np.array([d for _, _, d in deliveries], np.float32),
        np.array(n_edge, np.float32),
        np.array([n for _, n, _ in deliveries], np.intp),
        np.array([c for c, _, _ in deliveries], np.intp),
    )


def grid(shape: tuple[int, int, int] = GRID_SHAPE) -> Grid:
    nz, ny, nx = shape
    x, y, z = GRID_POSITION
    return Grid(np.eye(3), x + GRID_SPACING[1] * np.arange(nx), y + GRID_SPACING[0] * np.arange(ny), z + PLANE_MM * np.arange(nz))


def even_dose(gy: float, shape: tuple[int, int, int] = GRID_SHAPE) -> DoseGrid:
    return DoseGrid(grid(shape), np.full(shape, gy, np.float32), "1.2.3.100")


def rectangle(z: float, box: tuple[float, float, float, float] = BOX) -> list[list[float]]:
    x0, x1, y0, y1 = box
    return [[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]


def box_structure(name: str = "Rectum", planes: Sequence[float] = PLANES, box: tuple[float, float, float, float] = BOX, number: int = 1) -> Structure:
    return Structure(name, number, tuple(Contour(np.array(rectangle(z, box))) for z in planes), "ORGAN")


def course(name: str, kind: Any, gy: float | DoseGrid, fractions: int, **more: Any) -> Course:
    dose = gy if isinstance(gy, DoseGrid) else even_dose(gy)
    phases = more.pop("phases", (Phase("plan", (Component(dose),), fractions, fractions),))
    return Course(name, kind, phases, "1.2.3.100", **more)


def case(*courses: Course, organs: Sequence[tuple[Structure, str]] | None = None, **more: Any) -> Case:
    """Courses in one frame; the structures are those of the last."""
    pairs = ((box_structure(), "rectum"),) if organs is None else tuple(organs)
    names = more.pop("names", {})
    reference = more.pop("reference", len(courses) - 1)
    with_structures = tuple(c if k != reference else replaced(c, structures=tuple(s for s, _ in pairs)) for k, c in enumerate(courses))
    values: dict[str, Any] = {"transforms": (None,) * len(courses), "registration": ("same_frame",) * len(courses)}
    return Case(names.get("case", "test"), with_structures, reference, organs=pairs, **values | more)


def two_courses(**more: Any) -> Case:
    """30 Gy in 10 (EQD2 at 3 Gy: 36), then 20 Gy in 5 (EQD2: 28): 64 Gy, half a year and a day apart or as given."""
    first = course("first", "prior", 30, 10, last_day=dt.date(2021, 1, 1))
    second = course("second", "proposed", 20, 5, first_day=more.pop("starts", dt.date(2022, 1, 1)))
    return case(first, second, **more)


def replaced(one: Course, **values: Any) -> Course:
    import dataclasses

    return dataclasses.replace(one, **values)


# ------------------------------------------------------------------------------------------------------------- folders


def stored_dose(uid: str, gy: float | np.ndarray, plan: str | None, shape: tuple[int, int, int] = GRID_SHAPE, **more: Any) -> Any:
    """RTDOSE on the grid of `grid`; `gy` everywhere, or an array of doses."""
    values = np.round(np.broadcast_to(np.asarray(gy) * 100, shape))
    offsets = [PLANE_MM * k for k in range(shape[0])]
    return dicom.dose(uid, values, plan=plan, ImagePositionPatient=list(GRID_POSITION), PixelSpacing=list(GRID_SPACING), GridFrameOffsetVector=offsets, **more)


def stored_box(planes: Sequence[float] = PLANES, box: tuple[float, float, float, float] = BOX) -> list[Any]:
    return [dicom.contour([v for point in rectangle(z, box) for v in point]) for z in planes]


def write_course(
    folder: Path,
    number: int,
    gy: float | np.ndarray,
    fractions: int | None,
    rois: Sequence[tuple[str, Sequence[Any]]] | None = None,
    frame: str = dicom.FRAME,
    plan: Mapping[str, Any] | None = None,
    dose: Mapping[str, Any] | None = None,
    ct_series: str = "1.2.3.9.2",
    structures: Mapping[str, Any] | None = None,
    **patient: Any,
) -> Path:
    """RTDOSE, RTPLAN (unless fractions are None), RTSTRUCT (a box Rectum by default; none for ()) and three CT planes."""
    p, s, d = (f"1.2.3.{number}.{k}" for k in (5, 3, 2))
    rois = [("Rectum", stored_box())] if rois is None else rois
    objects = [stored_dose(d, gy, p, **dict(dose or {}))]
    if fractions is not None:
        reference = [dicom.dataset(ReferencedSOPClassUID=dicom.RTSTRUCT, ReferencedSOPInstanceUID=s)]
        prescription = float(np.max(gy))
        objects.append(dicom.plan(p, [(fractions, (1, 2))], prescription, **{"ReferencedStructureSetSequence": reference, **dict(plan or {})}))
    if rois:
        objects.append(dicom.structure_set(s, rois, frame, **dict(structures or {})))
    planes = [dicom.ct(k, tag=number, ImagePositionPatient=[-250, -240, -20.0 + 5 * k], SeriesInstanceUID=ct_series) for k in range(6)]
    for k, ds in enumerate([*objects, *planes]):
        if "FrameOfReferenceUID" in ds:
            ds.FrameOfReferenceUID = frame
        for keyword, value in patient.items():
            setattr(ds, keyword, value)
        dicom.save(ds, folder / f"{k:02d}.dcm")
    return folder


LIMITS = """
- {id: rectum-sum, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 80, level: mandatory, source: "protocol 7"}
"""
COURSES = """
  - {name: first, kind: prior, dicom: c1, completed: 2021-01-01}
  - {name: second, kind: proposed, dicom: c2, starts: 2022-01-01}
"""


def write_case_file(folder: Path, text: str = "constraints: limits.yaml", courses: str = COURSES, limits: str = LIMITS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.yaml").write_text(f"case: two\ncourses:{courses}{text}\n", encoding="utf-8")
    (folder / "limits.yaml").write_text(limits, encoding="utf-8")
    return folder


def write_case(
    folder: Path, text: str = "constraints: limits.yaml", courses: str = COURSES, limits: str = LIMITS, *, both: bool = True, **of_both: Any
) -> Path:
    """A case of 30 Gy in 10 and 20 Gy in 5 with one limit: EQD2 at 3 Gy is 36 + 28 = 64 Gy in the whole rectum. With both=False without their files."""
    if both:
        write_course(folder / "c1", 1, 30, 10, **of_both)
        write_course(folder / "c2", 2, 20, 5, **of_both)
    return write_case_file(folder, text, courses, limits)
