"""Sample case C: pelvic relapse at the field edge, twice a day with photons or once a day with protons."""

from __future__ import annotations

import datetime as dt

from anatomy import Day, patient
from course import Plan, chemoradiation
from protons import protons
from shapes import Shape, ellipsoid
from treatment import Level, Treatment

from reirrad.dicom.write_ion_plan import IonBeam
from reirrad.dicom.write_plan import Arc

PRIOR = """\
patient_id: SAMPLE-C
courses:
  - name: CRT 2022
    kind: prior
    dicom: crt-2022
    completed: 2022-02-25
"""

CASE = (
    """\
# Sample case C: relapse on the left pelvic side wall, at the edge of the first field, 24 months after chemoradiation. Made data, no patient.
#
# Before: 54 Gy to gross disease and 45 Gy to the elective nodes, both in 30 fractions (integrated boost, arcs).
# Proposed: 39 Gy in 26 fractions of 1.5 Gy, two a day (published for relapse in the pelvis: 30 to 39 Gy).
# The same folder holds a second answer to the same question, case-protons.yaml.
case: field-edge-twice-daily
"""
    + PRIOR
    + """\
  - name: Pelvis 2024
    kind: proposed
    dicom: pelvis-2024
    starts: 2024-03-04
    per_day: 2                 # the RTPLAN counts 26 fractions, but does not say that two are given on one day:
    interval_h: 6              # tissue that repairs slowly has not finished after 6 h, and its EQD2 is higher than with one a day
reference: Pelvis 2024         # limits are checked on the structures of this course
recovery: none                 # nothing of the first course is taken as forgotten
constraints: [pelvis]
"""
)

CASE_PROTONS = (
    """\
# Sample case C, the other option: protons for the relapse on the left pelvic side wall. Made data, no patient.
#
# Before: as in case.yaml.
# Proposed: 45 Gy (RBE) in 25 fractions, two posterior oblique fields that end behind the target, planned on a scan of its own.
case: field-edge-protons
"""
    + PRIOR
    + """\
  - name: Protons 2024
    kind: proposed
    dicom: protons-2024
    starts: 2024-03-11
    radiation: proton          # as the RT Ion Plan says
    rbe: 1.1                   # the RTDOSE is PHYSICAL: 40.9 Gy, which times 1.1 are the 45 Gy (RBE) prescribed
    let_kev_um: 2.5            # dose-averaged LET, one number for the whole course: how far a variable RBE may lie from 1.1
reference: Protons 2024
recovery: none
constraints: [pelvis]
"""
)

ORGANS = (
    "BODY", "Skin", "Bladder", "Rectum", "Canal_Anal", "Urethra", "PenileBulb", "Genitals", "Colon_Sigmoid", "Bowel_Bag",
    "Bowel_Small", "Ureter_L", "Ureter_R", "SacralPlex", "CaudaEquina", "Femur_Head_L", "Femur_Head_R", "Bone_Pelvic", "Sacrum",
)  # fmt: skip
Z_MM = (-123, 165)
CENTRE_MM = (56.0, 12.0, 10.0)
RBE = 1.1


def targets(organs: dict[str, Shape], prescription: str) -> dict[str, Shape]:
    """Tumour between the elective chains of the side wall; bone and skin limit its spread, the margin for setup takes no notice of them."""
    gtv = ellipsoid(CENTRE_MM, (14, 17, 20))
    ctv = gtv.grow(10) - organs["Bone_Pelvic"] - organs["Femur_L"]
    return {f"GTV_{prescription}": gtv, f"CTV_{prescription}": ctv, f"PTV_{prescription}": ctv.grow(6)}


def field_edge() -> tuple[Plan, Plan, Plan]:
    """54 and 45 Gy in 30, then 39 Gy in 26 twice a day, or 45 Gy (RBE) in 25 with protons."""
    then, now, elsewhere = Day(bladder=1.1), Day(bladder=0.95, rectum=0.9), Day(bladder=1.05, rectum=0.95)
    prior = chemoradiation("crt-2022", dt.date(2022, 1, 10), then, ellipsoid((-67, -48, -22), (16, 15, 20)), ORGANS, z_mm=Z_MM, dose_mm=3.0, sex="M")
    organs = patient(now, "M")
    photon = targets(organs, "3900")
    twice_daily = Plan(
        "pelvis-2024", "Left pelvic side wall, arcs, twice a day", "Side wall 39 BID", dt.date(2024, 2, 19), now, Z_MM, 39.0, 26,
        {name: (39.0, solid) for name, solid in photon.items()},
        Treatment(
            (Level(photon["PTV_3900"], 39.5, 7.4, 2.7),), CENTRE_MM, 0.34, 46.0, (-42.0, 62.0), 9, -10.0, 0.15,
            spared=((organs["Bowel_Bag"], 0.35, 12.0), (organs["Femur_Head_L"], 0.3, 10.0), (organs["PenileBulb"], 0.4, 15.0), (organs["Rectum"], 0.25, 12.0)),
        ),
        (Arc(330, 179, True, 48, 56), Arc(179, 330, False, 48, 56)), 2.5, ORGANS, "M",
    )  # fmt: skip
    ion = targets(patient(elsewhere, "M"), "4500")
    layers = tuple(round(166.0 - 8.5 * k, 1) for k in range(9))
    proton = Plan(
        "protons-2024", "Left pelvic side wall, scanned protons", "Side wall p 45", dt.date(2024, 2, 22), elsewhere, Z_MM, 45.0, 25,
        {name: (45.0, solid) for name, solid in ion.items()},
        protons(ion["PTV_4500"], 1.01 * 45.0 / RBE, CENTRE_MM, (122.0, 172.0)),
        (IonBeam(122.0, layers, 44.0, 48.0), IonBeam(172.0, layers, 42.0, 48.0)), 2.5, ORGANS, "M",
    )  # fmt: skip
    return prior, twice_daily, proton
