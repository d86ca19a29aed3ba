"""Build a made case of clinical size: `python benchmarks/make_clinical.py FOLDER`.

Two courses, each with 200 CT images of 512 x 512 pixels, 25 organs of 100 to 400 points per contour, and an uncompressed dose of the whole
trunk on 2.5 mm voxels: about 300 MB. The anatomy and the doses are those of the sample cases.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sample_plans"))
from make import COMMENTS, Detail, build_course, para_aortic_nodes

from reirrad.dicom.write import Study, uid_from_text

ORGANS = {
    "BODY": None, "Skin": "skin", "Bladder": "bladder", "Rectum": "rectum", "Canal_Anal": "anal_canal", "Vagina": "vagina", "Uterus": "uterus",
    "Colon_Sigmoid": "sigmoid", "Bowel_Large": "colon", "Bowel_Small": "small_bowel", "Bowel_Bag": "bowel", "Duodenum": "duodenum", "Stomach": "stomach",
    "Liver": "liver", "Kidney_L": "kidney", "Kidney_R": "kidney", "Ureter_L": "ureter", "Ureter_R": "ureter", "A_Aorta": "great_vessels",
    "SpinalCord": "spinal_cord", "CaudaEquina": "cauda_equina", "SacralPlex": "sacral_plexus", "Femur_Head_L": "femoral_head", "Femur_Head_R": "femoral_head",
    "Bone_Pelvic": "pelvic_bone",
}  # fmt: skip
DETAIL = Detail(
    columns=512, rows=512, pixel_mm=0.9766, corner_mm=(-250.0, -240.0), repeat=4, point_mm=0.8, points=(100, 400), outer_point_mm=2.5, outer_points=(100, 400),
    dose_margin_mm=(34.0, 54.0, 6.0), step_gy=None, deflated=False,
)  # fmt: skip
CASE = """\
case: clinical-size
patient_id: MADE-CLINICAL
courses:
  - {name: CRT 2022, kind: prior, dicom: crt-2022, completed: 2022-06-17}
  - {name: SBRT 2024, kind: proposed, dicom: sbrt-2024, starts: 2024-03-12}
structures:
"""


def make(folder: Path) -> None:
    """Write the case; the folder must not hold one."""
    frame = uid_from_text("clinical", "frame of reference")
    for plan in para_aortic_nodes():
        study = Study(f"clinical {plan.folder}", "Made^Clinical size", "MADE-CLINICAL", plan.date, frame, "F", plan.description, COMMENTS)
        build_course(dataclasses.replace(plan, z_mm=(-150.0, 447.0), dose_mm=2.5, organs=tuple(ORGANS)), study, folder / plan.folder, DETAIL)
    mapping = "".join(f"  {name}: {key}\n" for name, key in ORGANS.items() if key)
    (folder / "case.yaml").write_text(CASE + mapping + "constraints: [pelvis, spine]\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_clinical.py FOLDER")
    make(Path(sys.argv[1]))
