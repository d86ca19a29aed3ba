"""A made pelvis and abdomen, a woman's or a man's: overlapping solids named after AAPM TG-263.

Coordinates are DICOM patient mm (x to her left, y to her back, z to her head); z = 0 is the level of the femoral head centres,
L5/S1 lies near z = 120, L4 near 175, L2 near 245, T12 near 315. No scan of a person stands behind any number.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from shapes import Shape, chain, ellipsoid, loft, mirrored, union

# z, y of the middle of the vertebral bodies and of the spinal canal
SPINE = [(110, 54), (140, 36), (175, 24), (210, 20), (245, 23), (280, 30), (315, 37), (350, 43), (385, 47), (430, 50)]
CANAL = [(85, 77), (100, 75), (120, 71), (140, 64), (175, 52), (210, 48), (245, 51), (280, 57), (315, 64), (350, 70), (385, 74), (430, 77)]


# Common and external iliac, then femoral, of her left side, with the radius at each point
ARTERY = [
    (6, -7, 172, 7), (22, -4, 148, 5.5), (44, 0, 128, 5),
    (58, -2, 110, 5), (62, -18, 70, 5), (66, -40, 25, 5), (66, -50, 0, 4.5), (68, -48, -40, 4.5), (74, -38, -80, 4.5), (80, -26, -130, 4),
]  # fmt: skip
VEIN = [
    (-18, -4, 168, 8), (8, 6, 146, 6.5), (36, 12, 126, 6),
    (50, 8, 110, 6), (52, -8, 70, 6), (54, -36, 25, 6), (53, -46, 0, 6), (55, -44, -40, 5.5), (62, -32, -80, 5.5), (70, -20, -130, 5),
]  # fmt: skip
FEMORAL = 3  # index of the first point of the part that the femoral vessels are cut from

Sex = Literal["F", "M"]


@dataclass(frozen=True)
class Day:
    """What differs between two planning scans of the same patient."""

    bladder: float = 1.0
    rectum: float = 1.0
    bowel_mm: float = 0.0
    breath_mm: float = 0.0
    gas: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = ()  # middle and half lengths of each bubble in rectum and bowel


def spine_y(z: float) -> float:
    return float(np.interp(z, *zip(*SPINE, strict=True)))


def tube(points: list[tuple[float, float, float, float]]) -> Shape:
    """Chain of (x, y, z, radius)."""
    return chain([p[:3] for p in points], [p[3] for p in points])


def external_genitalia(sex: Sex) -> Shape:
    """What stands out of the trunk."""
    if sex == "F":
        return ellipsoid((0, -36, -78), (26, 26, 24))
    return union(chain([(0, -58, -52), (0, -78, -58), (2, -84, -84)], [14, 14.5, 14]), ellipsoid((0, -60, -88), (33, 25, 29)), smooth_mm=8.0)


def body(sex: Sex) -> Shape:
    trunk = loft(
        [
            (-70, 0, 14, 172, 88), (-30, 0, 14, 184, 97), (0, 0, 11, 182, 99), (40, 0, 7, 174, 100), (90, 0, 6, 162, 101), (140, 0, 7, 148, 101),
            (190, 0, 8, 143, 101), (250, 0, 8, 146, 103), (320, 0, 8, 153, 107), (480, 0, 8, 160, 112),
        ],
        power=2.4,
    )  # fmt: skip
    thigh = loft([(-230, 92, 12, 70, 74), (-140, 93, 12, 82, 84), (-90, 94, 12, 86, 88), (-40, 94, 12, 86, 88), (-10, 94, 12, 78, 80)], power=2.2)
    return union(trunk, thigh, mirrored(thigh), external_genitalia(sex), smooth_mm=24.0)


def bones() -> dict[str, Shape]:
    head = ellipsoid((88, 0, 0), (23.5, 23.5, 23.5))
    neck = chain([(90, 0, 0), (121, 10, -22)], [15, 17])
    shaft = chain([(121, 10, -22), (114, 10, -60), (104, 6, -125)], [18, 16, 14])
    crest = np.array(
        [(124, -44, 98), (129, -30, 118), (129, -12, 135), (124, 4, 147), (115, 20, 154), (103, 36, 156), (88, 48, 150), (70, 57, 134), (58, 61, 112)]
    )
    between = [crest[0], *((a + b) / 2 for a, b in pairwise(crest)), crest[-1]]
    fan = [chain([(86, 10, 26), end], [15, 6]) for end in (*crest, *between[1:-1])]
    wing = union(*fan, chain(crest, 7), chain([(62, 58, 130), (50, 62, 96), (60, 45, 60), (86, 10, 26)], [9, 9, 9, 13]), smooth_mm=3.0)
    ring = union(
        chain([(86, -8, 10), (48, -42, 6), (9, -52, -8)], [14, 8, 8]),
        chain([(88, 16, -6), (62, 38, -62)], [15, 13]),
        chain([(60, 34, -64), (34, -8, -50), (9, -48, -20)], [9, 6, 8]),
        smooth_mm=6.0,
    )
    socket = ellipsoid((88, 0, 0), (25.0, 25.0, 25.0))
    side = union(wing, ring, smooth_mm=8.0) - socket
    sacrum = loft([(16, 0, 66, 10, 5), (30, 0, 73, 16, 7), (60, 0, 78, 36, 12), (90, 0, 72, 50, 16), (122, 0, 58, 48, 18)])
    column = union(
        loft([(z, 0, y, 23, 17) for z, y in SPINE], power=2.5),
        loft([(z, 0, y + 14, 22, 15) for z, y in CANAL[2:]]),
        smooth_mm=4.0,
    )
    return {
        "Femur_Head_L": head,
        "Femur_Head_R": mirrored(head),
        "Femur_L": union(head, neck, shaft, smooth_mm=8.0),
        "Femur_R": mirrored(union(head, neck, shaft, smooth_mm=8.0)),
        "Bone_Pelvic": union(side, mirrored(side)),
        "Sacrum": sacrum,
        "Spine": column,
    }


def woman(day: Day) -> dict[str, Shape]:
    f = day.bladder
    uterus = union(chain([(0, 14, 20), (0, 4, 44), (2, -10, 66)], [11, 15, 24]), ellipsoid((2, -12, 68), (27, 20, 24)), smooth_mm=6.0)
    return {
        "Bladder": ellipsoid((1, -38 - 4 * (f - 1), 30 + 14 * (f - 1)), (38 * f, 28 * f, 25 * f)) - uterus.grow(1),
        "Vagina": loft([(-64, 0, -10, 11, 6), (-35, 0, 1, 15, 7), (0, 0, 12, 17, 7), (24, 0, 16, 18, 8)]),
        "Uterus": uterus,
        "Urethra": chain([(0, -30, 6), (0, -24, -20), (0, -20, -58)], 4.5),
        "Genitals": loft([(-100, 0, -36, 12, 14), (-86, 0, -36, 22, 22), (-66, 0, -40, 24, 20), (-52, 0, -58, 22, 12)]),
    }


def man(day: Day) -> dict[str, Shape]:
    f = day.bladder
    prostate = ellipsoid((0, -4, -7), (25, 19, 20))
    vesicle = chain([(6, 6, 12), (18, 9, 17), (30, 9, 23)], [5, 6.5, 5])
    vesicles = vesicle | mirrored(vesicle)
    return {
        "Bladder": ellipsoid((0, -27 - 4 * (f - 1), 34 + 14 * (f - 1)), (37 * f, 27 * f, 25 * f)) - (prostate | vesicles).grow(1),
        "Prostate": prostate,
        "SeminalVes": vesicles,
        "Urethra": chain([(0, -12, 12), (0, -4, -8), (0, -2, -34), (0, -4, -48), (0, -34, -54), (0, -64, -52), (0, -80, -62), (2, -85, -92)], 4.0),
        "PenileBulb": ellipsoid((0, 0, -49), (9, 12, 9)),
        "Genitals": external_genitalia("M").grow(-1.0),
    }


def pelvis(day: Day, sex: Sex) -> dict[str, Shape]:
    r = day.rectum
    tract = woman(day) if sex == "F" else man(day)
    rectum = loft(
        [
            (-40, 0, 32, 10 * r, 9 * r), (-20, 1, 34, 14 * r, 12 * r), (0, 2, 40, 18 * r, 14 * r), (30, 3, 46, 19 * r, 14 * r), (60, 1, 48, 16 * r, 13 * r),
            (86, 0, 38, 14 * r, 12 * r),
        ]
    )  # fmt: skip
    anus = loft([(-76, 0, 42, 11, 12), (-55, 0, 37, 12, 12), (-40, 0, 32, 12, 11)])
    sigmoid = chain([(0, 34, 88), (16, 18, 104), (-16, 4, 112), (24, -6, 122), (66, 0, 140), (88, 6, 168)], [12, 12, 12, 13, 13, 14])
    plexus = chain([(26, 60, 118), (34, 64, 92), (44, 60, 64), (58, 54, 38), (66, 50, 18)], [5, 5, 6, 6, 5])
    artery, vein = tube(ARTERY[FEMORAL:]), tube(VEIN[FEMORAL:])
    internal = chain([(44, 4, 126), (50, 26, 98), (52, 36, 66), (54, 36, 34)], [4.5, 5, 5, 4.5])
    iliac_artery, iliac_vein = tube(ARTERY[: FEMORAL + 3]), tube(VEIN[: FEMORAL + 3])
    nerve = chain([(72, 12, 110), (76, -8, 70), (78, -36, 25), (80, -48, 0), (82, -48, -30), (86, -46, -60)], 3.5)
    groin = Shape(lambda x, y, z: np.maximum(-112 - z, z - 24) + 0 * x, (np.array([-200.0, -200, -112]), np.array([200.0, 200, 24])))
    bag = loft([(26, -6, -28, 38, 34), (45, -2, -32, 66, 46), (90, 0, -32, 102, 48), (150, 0, -34, 106, 46), (200, 0, -36, 108, 46)], power=2.6)
    bag = bag - union(*(tract[name] for name in ("Bladder", "Uterus") if name in tract), rectum, sigmoid).grow(1.0)
    bag = bag - union(bones()["Bone_Pelvic"], bones()["Spine"]).grow(3.0)
    organs = {
        **tract,
        "Rectum": rectum,
        "Canal_Anal": anus,
        "Colon_Sigmoid": sigmoid,
        "Bowel_Bag": bag,
        "SacralPlex": union(plexus, mirrored(plexus)),
    }
    for side in ("L", "R"):
        place = mirrored if side == "R" else (lambda s: s)
        organs[f"A_Femoral_{side}"] = place(artery) & groin
        organs[f"V_Femoral_{side}"] = place(vein) & groin
        organs[f"FemoralVessels_{side}"] = place(union(artery, vein, smooth_mm=6.0)) & groin
        organs[f"Nerve_Femoral_{side}"] = place(nerve)
        organs[f"A_Iliac_{side}"] = place(union(iliac_artery, internal, smooth_mm=4.0))
        organs[f"V_Iliac_{side}"] = place(iliac_vein)
    return organs


def abdomen(day: Day, sex: Sex) -> dict[str, Shape]:
    b, m = day.breath_mm, day.bowel_mm
    canal = loft([(z, 0, y, 11, 8) for z, y in CANAL])
    sac = loft([(z, 0, y, 8.5, 6.5) for z, y in CANAL])
    cord = loft([(262, 0, 54, 2.5, 2.5), (272, 0, 55.5, 4.5, 3.8), *((z, 0, y, 5, 4) for z, y in CANAL[7:])])
    cauda = loft([(z, 0, y, 7, 5.5) for z, y in [*CANAL[:7], (264, 54)]])
    aorta = chain([(4, spine_y(z) - 27, z) for z in (430, 385, 350, 315, 280, 245, 210, 172)], [10, 10, 10, 9.5, 9, 9, 8.5, 8])
    cava = chain([(-20, spine_y(z) - 26, z) for z in (430, 385, 350, 315, 280, 245, 210, 168)], [11, 11, 11, 11, 10, 10, 9.5, 9])
    kidney_l = ellipsoid((68, 40, 284 + b), (27, 24, 54)) - ellipsoid((44, 34, 282 + b), (14, 10, 16))
    kidney_r = ellipsoid((-68, 42, 270 + b), (27, 24, 52)) - ellipsoid((-44, 36, 268 + b), (14, 10, 16))
    liver = ellipsoid((-62, -14, 335 + b), (80, 74, 52)) - kidney_r.grow(2) - cava.grow(1) - union(loft([(z, 0, y, 30, 26) for z, y in SPINE]))
    stomach = chain([(62, 4, 372 + b), (68, -18, 345 + b), (62, -48, 312 + b), (30, -62, 288 + b), (-8, -54, 288 + b)], [20, 24, 22, 18, 13])
    duodenum = chain(
        [(-14, -50, 288 + b), (-40, -34, 290 + b), (-50, -6, 268), (-48, 0, 238), (-30, -20, 224), (6, -30, 222), (30, -26, 234), (40, -18, 270)],
        [12, 12, 12, 12, 11.5, 10.5, 11, 11.5],
    )
    turns = []
    for k, z in enumerate(np.linspace(62, 258, 13)):
        sign = 1 if k % 2 else -1
        half = 66 - 18 * abs(k - 6) / 6
        turns += [
            (s * half + 6 * np.sin(2.3 * k + s), -44 + 20 * np.cos(1.9 * k + 2.1 * s) + m, z + 5 * s * sign) for s in (-sign, -sign * 0.33, sign * 0.33, sign)
        ]
    loops = chain(turns, 10.5)
    if sex == "M":  # a loop in the pouch between bladder and rectum, where she has the uterus
        loops = loops | chain([(48, -36, 76), (42, -2, 66), (14, 13, 55), (-18, 11, 56), (-42, -8, 66), (-54, -34, 70)], 10.0)
    small = loops - union(duodenum, stomach).grow(1.0)
    large = union(
        chain([(-92, -6, 110), (-100, 0, 160), (-100, 2, 220), (-90, -24, 262)], [22, 20, 19, 18]),
        chain([(-90, -24, 262), (-40, -74, 262), (30, -76, 264), (80, -40, 284), (100, -4, 292)], 16.0),
        chain([(100, -4, 292), (106, 8, 230), (102, 4, 190), (88, 6, 168)], [15, 14, 14, 14]),
    ) - union(liver, kidney_l, kidney_r, stomach).grow(2.0)
    ureter = chain([(42, 32, 278), (40, 16, 240), (40, 4, 200), (42, 4, 150), (56, 26, 100), (54, 30, 60), (36, 12, 32), (16, -14, 16)], 3.2)
    spleen = ellipsoid((108, 24, 340 + b), (22, 40, 42))
    return {
        "SpinalCord": cord,
        "SpinalCanal": canal,
        "ThecalSac": sac,
        "CaudaEquina": cauda,
        "A_Aorta": aorta,
        "V_Venacava_I": cava,
        "Kidney_L": kidney_l,
        "Kidney_R": kidney_r,
        "Liver": liver,
        "Spleen": spleen,
        "Stomach": stomach,
        "Duodenum": duodenum,
        "Bowel_Small": small,
        "Bowel_Large": large,
        "Ureter_L": ureter,
        "Ureter_R": mirrored(ureter),
    }


def patient(day: Day, sex: Sex = "F") -> dict[str, Shape]:
    """Every solid by its TG-263 name; Skin is the outer 5 mm."""
    whole = body(sex)
    solids = {"BODY": whole, "Skin": whole.shell(5.0), **pelvis(day, sex), **abdomen(day, sex), **bones()}
    if day.gas:
        solids["Gas"] = union(*(ellipsoid(*bubble) for bubble in day.gas)) & union(
            *(solids[name].grow(-2.0) for name in ("Rectum", "Bowel_Small", "Bowel_Large"))
        )
    return solids


def hounsfield(organs: dict[str, Shape], x: np.ndarray, y: np.ndarray, z: float, couch: tuple[tuple[Shape, int], ...] = ()) -> np.ndarray:
    """CT numbers of a plane (ny, nx): air, couch, fat, muscle, organs, contrast-free vessels, bone."""
    xs, ys, zs = x[None, :], y[:, None], np.array(z)
    skin = organs["BODY"](xs, ys, zs)
    hu = np.full(skin.shape, -1000.0)
    for solid, value in couch:
        hu[solid(xs, ys, zs) < 0] = value
    hu[skin < 0] = -100
    hu[(skin < -18) | ((skin > -2.5) & (skin < 0))] = 45
    for name, value in {"Bowel_Bag": -80, **TISSUE_HU}.items():
        if name not in organs:
            continue
        low, high = organs[name].box
        if low[2] <= z <= high[2]:  # only the pixels of its box are asked
            columns, rows = (slice(*np.searchsorted(at, (low[k], high[k]))) for k, at in enumerate((x, y)))
            part = hu[rows, columns]
            part[organs[name](x[None, columns], y[rows, None], zs) < 0] = value
    return hu.astype(np.int16)


TISSUE_HU = {
    "Liver": 58, "Spleen": 50, "Kidney_L": 32, "Kidney_R": 32, "Stomach": 20, "Bowel_Large": -40, "Bowel_Small": 30, "Duodenum": 28, "Colon_Sigmoid": 15,
    "Uterus": 48, "Vagina": 35, "Prostate": 42, "SeminalVes": 25, "Bladder": 5, "Rectum": 10, "Canal_Anal": 40, "A_Aorta": 42, "V_Venacava_I": 42,
    "A_Femoral_L": 42, "A_Femoral_R": 42, "V_Femoral_L": 40, "V_Femoral_R": 40, "Bone_Pelvic": 380, "Sacrum": 260, "Spine": 300, "SpinalCanal": 25,
    "Femur_L": 420, "Femur_R": 420, "Femur_Head_L": 330, "Femur_Head_R": 330,
    "Gas": -920,
}  # fmt: skip
