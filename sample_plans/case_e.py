"""Sample case E: external re-irradiation before salvage surgery, and electrons during it."""

from __future__ import annotations

import datetime as dt

from anatomy import Day, patient
from course import Plan, chemoradiation
from shapes import ellipsoid
from treatment import Level, Treatment

from reirrad.dicom.write_plan import Arc

CASE = """\
# Sample case E: relapse before the sacrum on the left, salvage surgery with intra-operative electrons. Made data, no patient.
#
# Before: 54 Gy to gross disease and 45 Gy to the elective nodes, both in 30 fractions (integrated boost, arcs).
# Proposed: 30.6 Gy in 17 fractions of 1.8 Gy (an example of a low preoperative dose, not a recommendation), then resection and
# one electron fraction of 12.5 Gy to the side wall and the sacrum, with bowel, bladder and the other ureter held out of the field.
case: intraoperative
patient_id: SAMPLE-E
courses:
  - name: CRT 2021
    kind: prior
    dicom: crt-2021
    completed: 2021-10-22
  - name: Preop 2023
    kind: proposed
    dicom: preop-2023
    starts: 2023-10-09
  - name: IOERT 2023           # there is no plan and no dose grid of it: the doses below come from the record of the operation
    kind: proposed
    radiation: electron
    starts: 2023-12-12
    prescription: {dose_gy: 12.5, fractions: 1}
    organ_doses:               # one number an organ key, so the worse side stands for both; organs not listed get the whole prescription
      sacral_plexus: {Dmax: 12.5}
      ureter: {Dmax: 12.5}     # the left one stays in the field
      great_vessels: {Dmax: 12.5}
      sacrum: {Dmax: 12.5}
      pelvic_bone: {Dmax: 12.5}
      cauda_equina: {Dmax: 1.0}
      bowel: {Dmax: 0.5}       # displaced from the field, as the organs below
      small_bowel: {Dmax: 0.5}
      sigmoid: {Dmax: 0.5}
      bladder: {Dmax: 0.5}
      vagina: {Dmax: 0.5}
      uterus: {Dmax: 0.5}
      femoral_head: {Dmax: 0.2}
      skin: {Dmax: 0.2}        # electrons enter through the wound
      rectum: {Dmax: 0}        # removed before the electrons
      anal_canal: {Dmax: 0}
reference: Preop 2023          # its structures are used: the operation has none
structures:
  A_Iliac_L: great_vessels     # no organ key of their own
  A_Iliac_R: great_vessels
  V_Iliac_L: great_vessels
  V_Iliac_R: great_vessels
recovery: none
constraints: [pelvis]
"""

ORGANS = (
    "BODY", "Skin", "Bladder", "Rectum", "Canal_Anal", "Vagina", "Uterus", "Colon_Sigmoid", "Bowel_Bag", "Bowel_Small", "Ureter_L", "Ureter_R",
    "A_Iliac_L", "A_Iliac_R", "V_Iliac_L", "V_Iliac_R", "SacralPlex", "CaudaEquina", "Femur_Head_L", "Femur_Head_R", "Bone_Pelvic", "Sacrum",
)  # fmt: skip


def intraoperative() -> tuple[Plan, Plan]:
    """54 and 45 Gy in 30, then 30.6 Gy in 17 before surgery; the electrons stand in the case file only."""
    then, now = Day(bladder=1.05), Day(bladder=0.9, rectum=0.95)
    prior = chemoradiation("crt-2021", dt.date(2021, 9, 6), then, ellipsoid((42, 34, 52), (15, 14, 18)), ORGANS)
    organs = patient(now)
    centre = (38.0, 42.0, 66.0)
    gtv = ellipsoid(centre, (14, 13, 19))
    ctv = gtv.grow(9) - organs["Bowel_Bag"]
    ptv = ctv.grow(7)
    proposed = Plan(
        "preop-2023", "Left presacral relapse before surgery, arcs", "Presacral 30.6", dt.date(2023, 9, 25), now, (-111, 198), 30.6, 17,
        {"GTV_3060": (30.6, gtv), "CTV_3060": (30.6, ctv), "PTV_3060": (30.6, ptv)},
        Treatment(
            (Level(ptv, 30.9, 7.4, 2.7),), centre, 0.36, 46.0, (18.0, 114.0), 9, 60.0, 0.2,
            spared=((organs["Bowel_Bag"], 0.4, 15.0), (organs["Bladder"], 0.4, 15.0), (organs["CaudaEquina"], 0.3, 10.0)),
        ),
        (Arc(181, 179, True, 45, 50), Arc(179, 181, False, 45, 50)), 2.5, ORGANS,
    )  # fmt: skip
    return prior, proposed
