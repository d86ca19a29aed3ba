"""Build the sample cases: `python sample_plans/make.py [OUT [CASE ...]]`.

Made patients with two courses or more, each with CT, structures, plan and dose. The same call always writes the same bytes.
"""

from __future__ import annotations

import shutil
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.uid import RTIonPlanStorage, RTPlanStorage

sys.path.insert(0, str(Path(__file__).resolve().parent))
import case_a
import case_c
import case_d
import case_e
from anatomy import hounsfield
from case_b import CASE as CASE_B
from case_b import para_aortic_nodes
from course import Detail, Plan
from shapes import Array, Shape, outlines
from treatment import dose_grid, union_grid

from reirrad.dicom.write import Study, uid_from_text, write_dataset
from reirrad.dicom.write_dose import rt_dose
from reirrad.dicom.write_image import CtGeometry, ct_slice
from reirrad.dicom.write_ion_plan import IonBeam, rt_ion_plan
from reirrad.dicom.write_plan import rt_plan
from reirrad.dicom.write_registration import ImageSeries, ct_series, registration_object
from reirrad.dicom.write_structures import rt_structure_set
from reirrad.structures import Structure

COMMENTS = "Made data: geometric solids and a formula for the dose. No person stands behind them. Not for clinical use."
TARGETS = ("PTV", "CTV", "GTV")


def structures(plan: Plan, solids: dict[str, Shape], z_mm: np.ndarray, detail: Detail) -> list[Structure]:
    """Contours of body, targets and organs on the CT planes, ROI numbers from 1."""
    drawn = {**{name: solids[name] for name in plan.organs}, **{name: solid for name, (_, solid) in plan.targets.items()}}
    out = []
    for number, (name, solid) in enumerate(drawn.items(), 1):
        kind = "EXTERNAL" if name == "BODY" else name[:3] if name.startswith(TARGETS) else "ORGAN"
        outer = name in ("BODY", "Skin")
        spacing, number_of_points = (detail.outer_point_mm, detail.outer_points) if outer else (detail.point_mm, detail.points)
        out.append(Structure(name, number, outlines(solid, z_mm, spacing, *number_of_points), kind))
    return out


def build_course(plan: Plan, study: Study, folder: Path, detail: Detail) -> ImageSeries:
    """Write the files of a course and return its CT series."""
    folder.mkdir(parents=True)
    solids, noise = plan.solids(), np.random.RandomState(zlib.crc32(plan.folder.encode()))
    z = np.round(np.arange(plan.z_mm[0], plan.z_mm[1] + 0.1, detail.plane_mm), 3)
    pixel, (x0, y0) = detail.pixel_mm, detail.corner_mm
    ct = CtGeometry(x0, y0, pixel, z)
    blocks = detail.repeat * pixel
    x, y = (start + (detail.repeat - 1) / 2 * pixel + blocks * np.arange(n // detail.repeat) for start, n in ((x0, detail.columns), (y0, detail.rows)))
    for k, plane in enumerate(z):
        hu = np.kron(hounsfield(solids, x, y, float(plane), plan.scan.couch), np.ones((detail.repeat, detail.repeat), np.int16))
        if plan.scan.noise_hu:
            hu += noise.randint(-plan.scan.noise_hu, plan.scan.noise_hu + 1, hu.shape).astype(np.int16)
        write_dataset(ct_slice(study, ct, k, hu), folder / f"CT.{k + 1:03d}.dcm", deflated=detail.deflated)
    drawn = structures(plan, solids, z, detail)
    write_dataset(rt_structure_set(study, drawn, ct, plan.label), folder / "RTSTRUCT.dcm", deflated=detail.deflated)
    middle, levels = plan.treatment.isocentre_mm, {name: level for name, (level, _) in plan.targets.items()}
    write_plan, plan_class = (rt_ion_plan, RTIonPlanStorage) if isinstance(plan.beams[0], IonBeam) else (rt_plan, RTPlanStorage)
    prescribed = write_plan(study, plan.label, plan.prescription_gy, plan.fractions, plan.beams, middle, levels, reviewer="Sample^Reviewer")
    write_dataset(prescribed, folder / "RTPLAN.dcm", deflated=detail.deflated)
    points = np.vstack([c.points_mm for s in drawn for c in s.contours])
    margin = np.array(detail.dose_margin_mm)
    grid = union_grid(points.min(axis=0) - margin, points.max(axis=0) + margin, (plan.dose_mm,) * 3, (0.7, -0.4, 0.9))
    dose = dose_grid(plan.treatment, solids["BODY"], grid, study.frame_uid, detail.step_gy)
    bits = 32 if plan.dose_mm > 2 else 16
    write_dataset(rt_dose(study, dose, plan_class=plan_class, step_gy=detail.step_gy, bits=bits), folder / "RTDOSE.dcm", deflated=detail.deflated)
    return ct_series(study, ct)


@dataclass(frozen=True, eq=False)
class Registration:
    """The rigid registration of two courses, with the matrix from the frame of the first to that of the second."""

    source: str
    registered: str
    matrix_mm: Array
    file: str = "reg.dcm"


@dataclass(frozen=True)
class Case:
    """A made patient: case files by name, and the courses below them."""

    name: str
    patient_id: str
    files: dict[str, str]
    plans: Callable[[], tuple[Plan, ...]]
    registration: Registration | None = None


CASES = {
    "A-groin-relapse": Case("Case A", "SAMPLE-A", {"case.yaml": case_a.CASE}, case_a.groin_relapse),
    "B-para-aortic-nodes": Case("Case B", "SAMPLE-B", {"case.yaml": CASE_B}, para_aortic_nodes),
    "C-field-edge-twice-daily": Case("Case C", "SAMPLE-C", {"case.yaml": case_c.CASE, "case-protons.yaml": case_c.CASE_PROTONS}, case_c.field_edge),
    "D-field-edge-two-scans": Case("Case D", "SAMPLE-D", case_d.FILES, case_d.two_scans, Registration(case_d.BEFORE, case_d.NOW, case_d.POSE)),
    "E-intraoperative": Case("Case E", "SAMPLE-E", {"case.yaml": case_e.CASE}, case_e.intraoperative),
}


def make(out: Path, names: tuple[str, ...] = tuple(CASES)) -> None:
    """Write the cases below a folder, replacing what stands there under their names."""
    for name in names:
        case = CASES[name]
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        made: dict[str, tuple[Study, ImageSeries]] = {}
        for plan in case.plans():
            frame = uid_from_text("sample", case.name, plan.scan.frame)
            study = Study(f"sample {case.name} {plan.folder}", f"Sample^{case.name}", case.patient_id, plan.date, frame, plan.sex, plan.description, COMMENTS)
            made[plan.folder] = study, build_course(plan, study, folder / plan.folder, plan.detail)
        if (link := case.registration) is not None:
            study, images = made[link.registered]
            joined = registration_object(study, link.matrix_mm, made[link.source][1], images, body_part="PELVIS")
            write_dataset(joined, folder / link.file, deflated=True)
        for file, text in case.files.items():
            (folder / file).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else here, tuple(sys.argv[2:]) or tuple(CASES))
