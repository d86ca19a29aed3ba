"""One course of a sample case, and what several cases share: elective nodes and definitive chemoradiation of the pelvis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from anatomy import Day, Sex, patient
from shapes import Array, Shape, chain, moved, union
from treatment import Delivery, Level, Treatment

from reirrad.dicom.write_ion_plan import IonBeam
from reirrad.dicom.write_plan import Arc

FULL_ARCS = (Arc(181, 179, True), Arc(179, 181, False))
# Dose of one stored unit: fine enough for any purpose, coarse enough to compress.
STEP_GY = 0.005


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


@dataclass(frozen=True, eq=False)
class Scan:
    """How a planning scan differs from the common one."""

    frame: str = "frame of reference"  # scans of one name share one
    pose: Array | None = None  # (4, 4): where the patient of anatomy.py lies in this frame
    couch: tuple[tuple[Shape, int], ...] = ()  # solids and their CT numbers
    noise_hu: int = 0  # largest noise


@dataclass(frozen=True)
class Plan:
    """One course of a sample case."""

    folder: str
    description: str
    label: str
    date: dt.date
    day: Day
    z_mm: tuple[float, float]  # first and last CT plane
    prescription_gy: float  # times the RBE for protons
    fractions: int
    targets: dict[str, tuple[float, Shape]]  # name: prescription, solid
    treatment: Delivery
    beams: tuple[Arc, ...] | tuple[IonBeam, ...]
    dose_mm: float
    organs: tuple[str, ...]
    sex: Sex = "F"
    scan: Scan = Scan()
    detail: Detail = Detail()

    def solids(self) -> dict[str, Shape]:
        """The patient as this course sees her or him."""
        return placed(patient(self.day, self.sex), self.scan.pose)


def placed(solids: dict[str, Shape], pose: Array | None) -> dict[str, Shape]:
    return solids if pose is None else {name: moved(solid, pose) for name, solid in solids.items()}


def rigid(x_deg: float, z_deg: float, shift_mm: tuple[float, float, float]) -> Array:
    """Homogeneous matrix: a turn about x, then one about z, then a shift."""
    a, b = np.radians([x_deg, z_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = about_z @ about_x, shift_mm
    return matrix


def both_sides(shape: Callable[[int], Shape]) -> tuple[Shape, Shape]:
    return shape(1), shape(-1)


def pelvic_nodes(top: float) -> Shape:
    """Elective nodes: inguinal, external and internal iliac, presacral, mesorectal, up to a level."""
    iliac = both_sides(lambda s: chain([(s * 46, 6, 112), (s * 56, -12, 75), (s * 59, -36, 28), (s * 63, -48, -4), (s * 68, -46, -46)], [15, 16, 17, 20, 20]))
    internal = both_sides(lambda s: chain([(s * 40, 26, 108), (s * 48, 34, 66), (s * 48, 30, 22), (s * 34, 26, -16)], [14, 15, 15, 13]))
    middle = chain([(0, 46, 92), (0, 44, 40), (0, 38, 0), (0, 35, -44), (0, 38, -68)], [20, 27, 27, 21, 18])
    common = chain([(44, 14, 112), (22, 2, top)], 15), chain([(-46, 14, 112), (-24, 2, top)], 15)
    return union(*iliac, *internal, middle, *common, smooth_mm=14.0)


def chemoradiation(
    folder: str,
    date: dt.date,
    day: Day,
    nodes: Shape,
    organs: tuple[str, ...],
    *,
    z_mm: tuple[float, float] = (-111, 198),
    dose_mm: float = 2.5,
    sex: Sex = "F",
) -> Plan:
    """54 Gy to the anal primary and involved nodes, 45 Gy to elective nodes, both in 30 fractions."""
    solids = patient(day, sex)
    inside = solids["BODY"].grow(-5)
    elective = pelvic_nodes(124) & inside
    gross = union(chain([(0, 39, -66), (0, 36, -40), (0, 39, -4)], [22, 24, 22]), nodes, smooth_mm=10.0) & inside
    both = union(elective, gross)
    return Plan(
        folder, "Pelvis, arcs, integrated boost", "Pelvis 54/45", date, day, z_mm, 54.0, 30, {"PTV_5400": (54.0, gross), "PTV_4500": (45.0, both)},
        Treatment(
            (Level(both, 45.3, 7.6, 2.8), Level(gross, 9.2, 3.0, 2.4)), (0.0, 5.0, 25.0), 0.42, 70.0, (-88.0, 139.0), 9,
            spared=((solids["Bladder"], 0.25, 12.0), (solids["Femur_Head_L"], 0.25, 12.0), (solids["Femur_Head_R"], 0.25, 12.0)),
        ),
        FULL_ARCS, dose_mm, organs, sex,
    )  # fmt: skip
