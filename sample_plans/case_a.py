"""Sample case A: relapse in the groin after chemoradiation."""

from __future__ import annotations

import datetime as dt

from anatomy import Day, patient
from course import Plan, chemoradiation
from shapes import chain, ellipsoid, union
from treatment import Level, Treatment

from reirrad.dicom.write_plan import Arc

CASE = """\
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


def groin_relapse() -> tuple[Plan, Plan]:
    """Case A: 54 Gy (gross) and 45 Gy (elective) in 30, then 50.4 Gy in 28 to the left groin."""
    organs = (
        "BODY", "Skin", "Bladder", "Rectum", "Canal_Anal", "Vagina", "Uterus", "Urethra", "Colon_Sigmoid", "Bowel_Bag", "Genitals", "SacralPlex", "CaudaEquina",
        "A_Femoral_L", "A_Femoral_R", "V_Femoral_L", "V_Femoral_R", "FemoralVessels_L", "FemoralVessels_R", "Nerve_Femoral_L", "Nerve_Femoral_R",
        "Femur_Head_L", "Femur_Head_R", "Femur_L", "Bone_Pelvic", "Sacrum",
    )  # fmt: skip
    then, now = Day(bladder=1.12), Day(bladder=0.9, rectum=1.1)
    organs_now = patient(now)
    prior = chemoradiation("crt-2021", dt.date(2021, 3, 1), then, ellipsoid((67, -48, -22), (17, 16, 22)), organs)
    left = union(chain([(65, -46, 8), (69, -50, -24), (74, -43, -58)], [20, 25, 22]), smooth_mm=8.0) & organs_now["BODY"].grow(-4)
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
