"""A phantom case by way of files: written as DICOM to a private temporary folder, read back, assessed, taken away."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from reirrad.assessment import Assessment, assess
from reirrad.commissionvalue import VOLUME_PART, Row, tolerance
from reirrad.dicom.write import Study, uid_from_text, write_dataset
from reirrad.dicom.write_dose import rt_dose
from reirrad.dicom.write_image import CtGeometry, ct_slice
from reirrad.dicom.write_plan import Arc, rt_plan
from reirrad.dicom.write_structures import rt_structure_set
from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.loading import load_case
from reirrad.phantoms import AxisDose, Cylinder, Section, Truth, contours, cumulative_eqd2, slabs

__all__ = ["assess_files"]

FAMILY: Final = "files"
SOLID: Final = Cylinder(Section((-31.7, 24.3), 13.1, 13.1), 101.9, 148.3)
CT: Final = CtGeometry(-91.3, -40.2, 7.9, np.linspace(93.15, 155.65, 26))
PIXELS: Final = (18, 16)
ALPHA_BETA_GY: Final = 3.0
# Folder, kind, what the case file says of the date, date, dose, fractions, voxel distances.
COURSES: Final = (
    ("first", "prior", "completed", dt.date(2021, 3, 8), AxisDose(1, 24.3, 44.0, 0.8), 25, (2.5, 2.2, 3.0)),
    ("second", "proposed", "starts", dt.date(2023, 9, 4), AxisDose(1, 24.3, 30.0, -0.6), 5, (2.0, 2.0, 2.5)),
)
# Limits a tenth above and below the truth: the judgements are known.
JUDGED: Final = {"above": (1.1, "pass"), "below": (0.9, "exceed")}


def assess_files() -> list[Row]:
    """Write, read, assess, compare; nothing is left on the disk."""
    stack = slabs(SOLID, CT.z_mm)
    physical = [Truth(stack, dose) for _, _, _, _, dose, _, _ in COURSES]
    total = Truth(stack, cumulative_eqd2([(dose, n) for _, _, _, _, dose, n, _ in COURSES], ALPHA_BETA_GY))
    with tempfile.TemporaryDirectory(prefix="reirrad-commission-") as temporary:
        folder = Path(temporary)
        _write(folder, total.dose_at_cc(0.1))
        assessment = assess(*load_case(folder))
    return _rows(assessment, stack.volume_cc, physical, total)


def _rows(assessment: Assessment, volume_cc: float, physical: list[Truth], total: Truth) -> list[Row]:
    (organ,) = assessment.organs
    rows = []

    def add(phantom: str, metric: str, unit: str, want: float, got: float | None, *, part: float, absolute: float = 0.0) -> None:
        passed = got is not None and bool(abs(got - want) <= max(part * want, absolute))
        rows.append(Row(FAMILY, phantom, metric, unit, want, got, None, passed, volume_cc))

    add("cylinder", "volume", "cc", volume_cc, organ.volume_cc, part=VOLUME_PART)
    part, gy = tolerance(volume_cc)
    compared = [(f"course {k + 1}, linear y", "", truth, organ.physical[k]) for k, truth in enumerate(physical)]
    for title, prefix, truth, found in [*compared, ("both courses, linear y", "EQD2 ", total, organ.cumulative)]:
        add(title, f"{prefix}Dmean", "Gy", truth.mean_gy, found.values["mean_gy"], part=part, absolute=gy)
        add(title, f"{prefix}Dmax", "Gy", truth.dose.range_gy(truth.solid)[1], found.values["max_gy"], part=part, absolute=gy)
        for cc in (0.03, 0.1, 2.0):
            add(title, f"{prefix}D{cc:g}cc", "Gy", truth.dose_at_cc(cc), found.values[f"D{cc:g}cc_gy"], part=part, absolute=gy)
    status = {finding.limit.id: finding.status for finding in assessment.findings}
    right = sum(status.get(name) == expected for name, (_, expected) in JUDGED.items())
    add("both courses, linear y", "limits judged right", "of 2", float(len(JUDGED)), float(right), part=0.0)
    return rows


def _write(folder: Path, near_max_gy: float) -> None:
    frame = uid_from_text("commission", "frame of reference")
    structure = contours(SOLID, CT.z_mm, 360, name="Phantom")
    entries = []
    for name, kind, word, day, dose, fractions, spacing in COURSES:
        (folder / name).mkdir()
        study = Study(f"commission {name}", "Made^Commissioning", "MADE-COMMISSIONING", day, frame, "O", "Phantom", "Made data; no person stands behind them.")
        objects = [ct_slice(study, CT, k, np.zeros(PIXELS, np.int16)) for k in range(CT.z_mm.size)]
        objects.append(rt_structure_set(study, [structure], CT, "Phantom"))
        objects.append(rt_plan(study, "Phantom", dose.constant_gy, fractions, [Arc(181.0, 179.0, True)], (0.0, 0.0, 0.0), {"Target": dose.constant_gy}))
        lines = [low - 9.7 + step * np.arange(np.ceil((high - low + 20) / step) + 1) for low, high, step in zip(*SOLID.extent_mm, spacing, strict=True)]
        grid = Grid(np.eye(3), *lines)
        values = np.array([dose.at(grid.plane_points_mm(k)).reshape(grid.shape[1:]) for k in range(grid.shape[0])], np.float32)
        objects.append(rt_dose(study, DoseGrid(grid, values, frame)))
        for k, dataset in enumerate(objects):
            write_dataset(dataset, folder / name / f"{k:03d}.dcm")
        entries.append(f"  - {{name: {name}, kind: {kind}, dicom: {name}, {word}: {day.isoformat()}}}\n")
    common = f"organ: rectum, metric: D0.1cc, quantity: EQD2, alpha_beta_gy: {ALPHA_BETA_GY}, scope: cumulative, level: mandatory, source: commissioning"
    limits = "".join(f"- {{id: {name}, {common}, limit_gy: {near_max_gy * factor:.4f}}}\n" for name, (factor, _) in JUDGED.items())
    (folder / "limits.yaml").write_text(limits, encoding="utf-8")
    organ = f"structures: {{Phantom: rectum}}\nalpha_beta_gy: {{rectum: {ALPHA_BETA_GY}}}\n"
    case = f"case: commissioning\ncourses:\n{''.join(entries)}{organ}constraints: limits.yaml\n"
    (folder / "case.yaml").write_text(case, encoding="utf-8")
