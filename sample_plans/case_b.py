"""Sample case B: para-aortic node at the upper edge of an extended field."""

from __future__ import annotations

import datetime as dt

from anatomy import Day, patient, spine_y
from course import FULL_ARCS, Plan, pelvic_nodes
from shapes import chain, ellipsoid, union
from treatment import Level, Treatment

from reirrad.dicom.write_plan import Arc

CASE = """\
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
