"""Build the sample cases: `python sample_plans/make.py [OUT]`.

Two made patients with two courses each, CT, structures, plan and dose. The same call always writes the same bytes.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from anatomy import Day, hounsfield, patient, spine_y
from shapes import Shape, chain, ellipsoid, outlines, union
from treatment import Level, Treatment, dose_grid, union_grid

from reirrad.dicom.write import Study, uid_from_text, write_dataset
from reirrad.dicom.write_dose import rt_dose
from reirrad.dicom.write_image import CtGeometry, ct_slice
from reirrad.dicom.write_plan import Arc, rt_plan
from reirrad.dicom.write_structures import rt_structure_set
from reirrad.structures import Structure

COMMENTS = "Made data: geometric solids and a formula for the dose. No person stands behind them. Not for clinical use."
TARGETS = ("PTV", "CTV", "GTV")
# Dose of one stored unit: fine enough for any purpose, coarse enough to compress.
STEP_GY = 0.005
FULL_ARCS = (Arc(181, 179, True), Arc(179, 181, False))


@dataclass(frozen=True)
class Plan:
    """One course of a sample case."""

    folder: str
    description: str
    label: str
    date: dt.date
    day: Day
    z_mm: tuple[float, float]  # first and last CT plane
    prescription_gy: float
    fractions: int
    targets: dict[str, tuple[float, Shape]]  # name: prescription, solid
    treatment: Treatment
    arcs: tuple[Arc, ...]
    dose_mm: float
    organs: tuple[str, ...]


@dataclass(frozen=True)
class Detail:
    """How finely a course is written."""

    columns: int = 96
    rows: int = 56
    pixel_mm: float = 4.4
    corner_mm: tuple[float, float] = (-211.3, -112.7)
    repeat: int = 1  # CT pixels per side that share one tissue
    plane_mm: float = 3.0
    point_mm: float = 3.0
    points: tuple[int, int] = (20, 120)  # fewest and most of a contour
    outer_point_mm: float = 5.0  # of body and skin
    outer_points: tuple[int, int] = (20, 240)
    dose_margin_mm: tuple[float, float, float] = (6.0, 6.0, 6.0)
    step_gy: float | None = STEP_GY
    deflated: bool = True


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


def build_course(plan: Plan, study: Study, folder: Path, detail: Detail) -> None:
    folder.mkdir(parents=True)
    solids = patient(plan.day)
    z = np.round(np.arange(plan.z_mm[0], plan.z_mm[1] + 0.1, detail.plane_mm), 3)
    pixel, (x0, y0) = detail.pixel_mm, detail.corner_mm
    ct = CtGeometry(x0, y0, pixel, z)
    blocks = detail.repeat * pixel
    x, y = (start + (detail.repeat - 1) / 2 * pixel + blocks * np.arange(n // detail.repeat) for start, n in ((x0, detail.columns), (y0, detail.rows)))
    for k, plane in enumerate(z):
        hu = np.kron(hounsfield(solids, x, y, float(plane)), np.ones((detail.repeat, detail.repeat), np.int16))
        write_dataset(ct_slice(study, ct, k, hu), folder / f"CT.{k + 1:03d}.dcm", deflated=detail.deflated)
    drawn = structures(plan, solids, z, detail)
    write_dataset(rt_structure_set(study, drawn, ct, plan.label), folder / "RTSTRUCT.dcm", deflated=detail.deflated)
    middle, levels = plan.treatment.isocentre_mm, {name: level for name, (level, _) in plan.targets.items()}
    prescribed = rt_plan(study, plan.label, plan.prescription_gy, plan.fractions, plan.arcs, middle, levels, reviewer="Sample^Reviewer")
    write_dataset(prescribed, folder / "RTPLAN.dcm", deflated=detail.deflated)
    points = np.vstack([c.points_mm for s in drawn for c in s.contours])
    margin = np.array(detail.dose_margin_mm)
    grid = union_grid(points.min(axis=0) - margin, points.max(axis=0) + margin, (plan.dose_mm,) * 3, (0.7, -0.4, 0.9))
    dose = dose_grid(plan.treatment, solids["BODY"], grid, study.frame_uid, detail.step_gy)
    write_dataset(rt_dose(study, dose, step_gy=detail.step_gy, bits=32 if plan.dose_mm > 2 else 16), folder / "RTDOSE.dcm", deflated=detail.deflated)


def both_sides(shape: Callable[[int], Shape]) -> tuple[Shape, Shape]:
    return shape(1), shape(-1)


def pelvic_nodes(top: float) -> Shape:
    """Elective nodes: inguinal, external and internal iliac, presacral, mesorectal, up to a level."""
    iliac = both_sides(lambda s: chain([(s * 46, 6, 112), (s * 56, -12, 75), (s * 59, -36, 28), (s * 63, -48, -4), (s * 68, -46, -46)], [15, 16, 17, 20, 20]))
    internal = both_sides(lambda s: chain([(s * 40, 26, 108), (s * 48, 34, 66), (s * 48, 30, 22), (s * 34, 26, -16)], [14, 15, 15, 13]))
    middle = chain([(0, 46, 92), (0, 44, 40), (0, 38, 0), (0, 35, -44), (0, 38, -68)], [20, 27, 27, 21, 18])
    common = chain([(44, 14, 112), (22, 2, top)], 15), chain([(-46, 14, 112), (-24, 2, top)], 15)
    return union(*iliac, *internal, middle, *common, smooth_mm=14.0)


def groin_relapse() -> tuple[Plan, Plan]:
    """Case A: 54 Gy (gross) and 45 Gy (elective) in 30, then 50.4 Gy in 28 to the left groin."""
    organs = (
        "BODY", "Skin", "Bladder", "Rectum", "Canal_Anal", "Vagina", "Uterus", "Urethra", "Colon_Sigmoid", "Bowel_Bag", "Genitals", "SacralPlex", "CaudaEquina",
        "A_Femoral_L", "A_Femoral_R", "V_Femoral_L", "V_Femoral_R", "FemoralVessels_L", "FemoralVessels_R", "Nerve_Femoral_L", "Nerve_Femoral_R",
        "Femur_Head_L", "Femur_Head_R", "Femur_L", "Bone_Pelvic", "Sacrum",
    )  # fmt: skip
    then, now = Day(bladder=1.12), Day(bladder=0.9, rectum=1.1)
    inside = patient(then)["BODY"].grow(-5)
    elective = pelvic_nodes(124) & inside
    gross = union(chain([(0, 39, -66), (0, 36, -40), (0, 39, -4)], [22, 24, 22]), ellipsoid((67, -48, -22), (17, 16, 22)), smooth_mm=10.0) & inside
    organs_then, organs_now = patient(then), patient(now)
    prior = Plan(
        "crt-2021", "Pelvis, arcs, integrated boost", "Pelvis 54/45", dt.date(2021, 3, 1), then, (-111, 198), 54.0, 30,
        {"PTV_5400": (54.0, gross), "PTV_4500": (45.0, union(elective, gross))},
        Treatment(
            (Level(union(elective, gross), 45.3, 7.6, 2.8), Level(gross, 9.2, 3.0, 2.4)), (0.0, 5.0, 25.0), 0.42, 70.0, (-88.0, 139.0), 9,
            spared=((organs_then["Bladder"], 0.25, 12.0), (organs_then["Femur_Head_L"], 0.25, 12.0), (organs_then["Femur_Head_R"], 0.25, 12.0)),
        ),
        FULL_ARCS, 2.5, organs,
    )  # fmt: skip
    left = union(chain([(65, -46, 8), (69, -50, -24), (74, -43, -58)], [20, 25, 22]), smooth_mm=8.0) & patient(now)["BODY"].grow(-4)
    proposed = Plan(
        "groin-2023", "Left groin after resection, arcs", "Groin L 50.4", dt.date(2023, 4, 24), now, (-111, 198), 50.4, 28,
        {"PTV_5040": (50.4, left)},
        Treatment(
            (Level(left, 50.9, 7.4, 2.7),), (68.0, -46.0, -14.0), 0.36, 48.0, (-84.0, 33.0), 7, -60.0, 0.3,
            spared=((organs_now["Femur_Head_L"], 0.3, 10.0), (organs_now["Genitals"], 0.4, 12.0), (organs_now["Bladder"], 0.4, 15.0)),
        ),
        (Arc(300, 150, True, 50, 70), Arc(150, 300, False, 50, 70)), 2.5, organs,
    )  # fmt: skip
    return prior, proposed


def para_aortic_nodes() -> tuple[Plan, Plan]:
    """Case B: 58, 54 and 40 Gy in 30 to an extended field, then 30 Gy in 5 to a para-aortic node at its upper edge."""
    organs = (
        "BODY", "Bladder", "Rectum", "Canal_Anal", "Vagina", "Uterus", "Colon_Sigmoid", "Bowel_Large", "Bowel_Small", "Duodenum", "Stomach", "Liver", "Spleen",
        "Kidney_L", "Kidney_R", "Ureter_L", "Ureter_R", "A_Aorta", "V_Venacava_I", "SpinalCord", "SpinalCanal", "ThecalSac", "CaudaEquina", "SacralPlex",
        "Femur_Head_L", "Femur_Head_R", "Bone_Pelvic", "Sacrum",
    )  # fmt: skip
    then, now = Day(bladder=1.0), Day(bladder=1.15, rectum=0.9, bowel_mm=4.0, breath_mm=-5.0)
    organs_then, organs_now = patient(then), patient(now)
    inside = organs_then["BODY"].grow(-5)
    levels = (124, 175, 210, 246)
    along = union(*[chain([(x, spine_y(z) - 25, z) for z in levels], 17) for x in (-14, 6)], smooth_mm=6.0)
    primary = chain([(0, 38, -64), (0, 36, -36), (0, 40, 2)], [21, 23, 21]) & inside
    nodes = union(ellipsoid((57, -32, 38), (16, 16, 20)), ellipsoid((26, 0, 138), (15, 15, 20)), ellipsoid((8, -6, 196), (16, 14, 22)), smooth_mm=6.0) & inside
    elective = union(pelvic_nodes(128), along, primary.grow(6), nodes.grow(4), smooth_mm=8.0) & inside
    prior = Plan(
        "crt-2022", "Pelvis and para-aortic nodes, arcs, boost", "PelvPAO 58/54/40", dt.date(2022, 4, 27), then, (-111, 402), 58.0, 30,
        {"PTV_5800": (58.0, primary), "PTV_5400": (54.0, nodes), "PTV_4000": (40.0, elective)},
        Treatment(
            (Level(elective, 40.4, 7.6, 2.8), Level(union(primary, nodes), 14.1, 4.6, 2.6), Level(primary, 4.0, 4.6, 2.6)), (0.0, 5.0, 85.0), 0.42, 65.0,
            (-96.0, 264.0), 9,
            spared=(
                (organs_then["Kidney_L"], 0.35, 15.0), (organs_then["Kidney_R"], 0.35, 15.0), (organs_then["SpinalCanal"], 0.25, 15.0),
                (organs_then["Bladder"], 0.25, 12.0), (organs_then["Femur_Head_L"], 0.25, 12.0), (organs_then["Femur_Head_R"], 0.25, 12.0),
            ),
        ),
        FULL_ARCS, 2.5, organs,
    )  # fmt: skip
    gtv, ptv = ellipsoid((23, 2, 276), (9, 9, 11)), ellipsoid((23, 2, 276), (13, 13, 16))
    proposed = Plan(
        "sbrt-2024", "Para-aortic node, stereotactic arcs", "PAO 30/5", dt.date(2024, 3, 5), now, (-111, 402), 30.0, 5,
        {"GTV_Node": (30.0, gtv), "PTV_3000": (30.0, ptv)},
        Treatment(
            (Level(ptv, 37.0, 4.0, 3.0),), (23.0, 2.0, 276.0), 0.30, 36.0, (258.0, 294.0), 8,
            spared=((organs_now["SpinalCanal"], 0.2, 15.0), (organs_now["Duodenum"], 0.2, 8.0), (organs_now["Kidney_L"], 0.3, 12.0)),
        ),
        (Arc(181, 179, True, 20, 24), Arc(179, 181, False, 20, 24)), 2.0, organs,
    )  # fmt: skip
    return prior, proposed


CASE_A = """\
# Sample case A: relapse in the left groin after chemoradiation. Made data, no patient.
#
# Before: 54 Gy to gross disease and 45 Gy to the elective nodes, both in 30 fractions (integrated boost, arcs).
# Proposed: 50.4 Gy in 28 fractions to the left groin after resection.
# Both planning scans share one frame of reference, so no registration is named; the bladder is emptier in the second.
case: groin-relapse
patient_id: SAMPLE-A
courses:
  - name: CRT 2021
    kind: prior
    dicom: crt-2021            # CT, RTSTRUCT, RTPLAN, RTDOSE; the 30 fractions come from the RTPLAN
    completed: 2021-04-16
  - name: Groin 2023
    kind: proposed
    dicom: groin-2023
    starts: 2023-05-02
reference: Groin 2023          # limits are checked on the structures of this course
structures:                    # names that do not follow AAPM TG-263; the others are recognised by themselves
  FemoralVessels_L: femoral_vessels
  FemoralVessels_R: femoral_vessels
  Nerve_Femoral_L: lumbosacral_nerve
  Nerve_Femoral_R: lumbosacral_nerve
recovery: none                 # nothing of the first course is taken as forgotten
constraints: [pelvis]
"""

CASE_B = """\
# Sample case B: para-aortic node at the upper edge of an extended field. Made data, no patient.
#
# Before: 58 Gy to the primary, 54 Gy to involved nodes and 40 Gy to elective nodes up to L2, all in 30 fractions.
# Proposed: 30 Gy in 5 fractions, stereotactic, to a left para-aortic node at L1/L2.
# Both planning scans share one frame of reference; upper abdominal organs lie 5 mm lower in the second.
case: para-aortic-nodes
patient_id: SAMPLE-B
courses:
  - name: CRT 2022
    kind: prior
    dicom: crt-2022
    completed: 2022-06-17
  - name: SBRT 2024
    kind: proposed
    dicom: sbrt-2024
    starts: 2024-03-12
reference: SBRT 2024
structures:                    # names that do not follow AAPM TG-263; the others are recognised by themselves
  ThecalSac: thecal_sac
recovery: none
constraints: [pelvis, spine]
"""

CASES = {
    "A-groin-relapse": ("Case A", "SAMPLE-A", CASE_A, groin_relapse),
    "B-para-aortic-nodes": ("Case B", "SAMPLE-B", CASE_B, para_aortic_nodes),
}


def make(out: Path, names: tuple[str, ...] = tuple(CASES)) -> None:
    """Write the cases below a folder, replacing what stands there under their names."""
    for name in names:
        case, patient_id, text, plans = CASES[name]
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        frame = uid_from_text("sample", case, "frame of reference")
        for plan in plans():
            study = Study(f"sample {case} {plan.folder}", f"Sample^{case}", patient_id, plan.date, frame, "F", plan.description, COMMENTS)
            build_course(plan, study, folder / plan.folder, Detail())
        (folder / "case.yaml").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
