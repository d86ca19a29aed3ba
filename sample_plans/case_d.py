"""Sample case D: pelvic relapse at the field edge, planned on a second scan that has a frame of reference of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
from anatomy import Day, patient
from course import FULL_ARCS, Detail, Plan, Scan, chemoradiation, placed, rigid
from shapes import Shape, ellipsoid, loft, moved
from treatment import Level, Treatment

BEFORE, NOW = "crt-2023", "pelvis-2024"
# From the frame of the first scan to that of the second: 2 degrees about x, then 3 degrees about z, then the shift.
POSE = rigid(2.0, 3.0, (14.0, -9.0, 23.0))


def case_file(name: str, summary: str, registration: str) -> str:
    return f"""\
# Sample case D: pelvic relapse at the inner edge of the first field, a woman of 77, 11 months after chemoradiation. Made data, no patient.
#
# Before: 54 Gy to gross disease and 45 Gy to the elective nodes, both in 30 fractions (integrated boost, arcs).
# Proposed: 50 Gy in 25 fractions to the right parametrium, photons, on a new scan: she lies turned and elsewhere, on another couch.
# The scans have frames of reference of their own, so the case must say how they are joined.
# {summary}
case: {name}
patient_id: SAMPLE-D
courses:
  - name: CRT 2023
    kind: prior
    dicom: {BEFORE}
    completed: 2023-03-17
  - name: Pelvis 2024
    kind: proposed
    dicom: {NOW}
    starts: 2024-02-19
reference: Pelvis 2024         # limits are checked on the structures of this course, in its frame
registration:
{registration}
recovery: none                 # nothing of the first course is taken as forgotten
constraints: [pelvis]
"""


FILES = {
    "case.yaml": case_file(
        "field-edge-two-scans",
        "Here by the registration that was made at planning; case-auto.yaml and case-none.yaml show the other two ways.",
        "  - {course: CRT 2023, method: file, file: reg.dcm}    # Spatial Registration object",
    ),
    "case-auto.yaml": case_file(
        "field-edge-auto",
        "Here the program registers the two scans itself; what it finds must be looked at before the sums are used.",
        "  - {course: CRT 2023, method: auto}",
    ),
    "case-none.yaml": case_file(
        "field-edge-none",
        "Here they are not joined: doses are not added point by point, only bounded from what each course gives each organ.",
        "  - {course: CRT 2023, method: none}",
    ),
}

ORGANS = (
    "BODY", "Skin", "Bladder", "Rectum", "Canal_Anal", "Vagina", "Uterus", "Urethra", "Genitals", "Colon_Sigmoid", "Bowel_Bag", "Bowel_Small", "Ureter_L",
    "Ureter_R", "SacralPlex", "CaudaEquina", "Femur_Head_L", "Femur_Head_R", "Bone_Pelvic", "Sacrum",
)  # fmt: skip
RELAPSE_MM = (-28.0, 4.0, 34.0)  # in the frame of the first scan
BUBBLES_BEFORE = (((2.0, 33.0, 34.0), (14.0, 9.0, 17.0)), ((-98.0, -14.0, 128.0), (13.0, 10.0, 26.0)))
BUBBLES_NOW = (((0.0, 32.0, 8.0), (12.0, 8.0, 14.0)), ((0.0, 32.0, 62.0), (11.0, 8.0, 10.0)), ((104.0, -8.0, 138.0), (14.0, 12.0, 20.0)))


def couch(middle_mm: float, top_mm: float, half_width_mm: float, half_height_mm: float) -> tuple[tuple[Shape, int], ...]:
    """Carbon fibre around foam, level in its frame."""

    def slab(wall_mm: float) -> Shape:
        half = half_width_mm - wall_mm, half_height_mm - wall_mm
        return loft([(z, middle_mm, top_mm + half_height_mm, *half) for z in (-500.0, 500.0)], power=8.0)

    return (slab(0.0), -150), (slab(6.0), -930)


def two_scans() -> tuple[Plan, Plan]:
    """54 and 45 Gy in 30, then 50 Gy in 25 to the right parametrium; the second patient is the first one moved by POSE."""
    then = Day(bladder=1.15, gas=BUBBLES_BEFORE)
    prior = replace(
        chemoradiation(BEFORE, dt.date(2023, 1, 23), then, ellipsoid((-64, -46, -16), (15, 15, 20)), ORGANS, z_mm=(-111, 162), dose_mm=3.0),
        scan=Scan("frame of the first scan", couch=couch(0.0, 112.0, 265.0, 26.0), noise_hu=12), detail=Detail(rows=60),
    )  # fmt: skip
    now = Day(bladder=0.88, rectum=1.08, bowel_mm=4.0, gas=BUBBLES_NOW)
    organs = placed(patient(now), POSE)
    centre = tuple(np.round(POSE[:3, :3] @ RELAPSE_MM + POSE[:3, 3], 1).tolist())
    gtv = moved(ellipsoid(RELAPSE_MM, (14, 15, 18)), POSE)
    ctv = gtv.grow(8) - organs["Bone_Pelvic"] - organs["Rectum"]
    ptv = ctv.grow(6)
    proposed = Plan(
        NOW, "Right parametrium, arcs", "Parametrium 50", dt.date(2024, 2, 5), now, (-79.5, 163.5), 50.0, 25,
        {"GTV_5000": (50.0, gtv), "CTV_5000": (50.0, ctv), "PTV_5000": (50.0, ptv)},
        Treatment(
            (Level(ptv, 50.5, 7.4, 2.7),), centre, 0.34, 46.0, (centre[2] - 46, centre[2] + 46), 9, 190.0, 0.15,
            spared=((organs["Bowel_Bag"], 0.35, 12.0), (organs["Femur_Head_R"], 0.3, 10.0), (organs["Bladder"], 0.35, 14.0), (organs["Rectum"], 0.3, 12.0)),
        ),
        FULL_ARCS, 2.5, ORGANS, scan=Scan("frame of the second scan", POSE, couch(10.0, 104.0, 205.0, 16.0), 12),
        detail=Detail(112, 64, 4.2, (-222.7, -118.4)),
    )  # fmt: skip
    return prior, proposed
