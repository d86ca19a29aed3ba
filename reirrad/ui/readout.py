"""Values at one point: what each course gives there, physical and as EQD2, their sum, the CT number, and the structures the point lies in.

Doses are read at the point itself, as they are in organs, not taken from a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reirrad.course import Case
from reirrad.displaymap import DisplayMap
from reirrad.grid import Float64, Grid
from reirrad.ui.outlines import Drawn, containing
from reirrad.ui.slicepicture import ct_pixels
from reirrad.ui.volumes import Volumes
from reirrad.voxelsum import voxel_sum

__all__ = ["CourseThere", "Readout", "readout"]


@dataclass(frozen=True, slots=True)
class CourseThere:
    """One course at a point.

    Parameters
    ----------
    physical_gy, eqd2_gy : float or None
        None with a reason.
    reason : str
        Why it is not known, or what kind of dose it is.
    """

    name: str
    physical_gy: float | None
    eqd2_gy: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """Everything at a point of the reference frame.

    Parameters
    ----------
    hu : float or None
        None outside the CT.
    structures : tuple of str
        Names of the structures of the reference course it lies in.
    alpha_beta_gy : float
        Of the EQD2.
    organ : str or None
        Organ key this alpha/beta and the half time of repair belong to; None outside all organs.
    physical_gy, eqd2_gy : float or None
        Sums of the courses known there; None when there is none.
    is_complete : bool
        Whether every course of the case is in the sums; if not, they are the least it can be.
    """

    point_mm: Float64
    hu: float | None
    structures: tuple[str, ...]
    alpha_beta_gy: float
    organ: str | None
    courses: tuple[CourseThere, ...]
    physical_gy: float | None
    eqd2_gy: float | None
    is_complete: bool


def readout(
    case: Case, volumes: Volumes, structures: Mapping[str, Drawn], point_mm: Float64, alpha_beta_gy: float | None = None, organ: str | None = None
) -> Readout:
    """Read everything at a point.

    Parameters
    ----------
    point_mm : (3,) float64
        In the reference frame, patient mm.
    alpha_beta_gy : float, optional
        Instead of that of the sum that is shown.
    organ : str, optional
        Organ whose half time of repair holds, where another organ has the voxel.
    """
    local = volumes.grid.rotation @ point_mm
    key = volumes.organ_at(local) if organ is None else organ
    ab = volumes.alpha_beta_at(local) if alpha_beta_gy is None else alpha_beta_gy
    there = tuple(_course(case, k, point_mm, key, ab) for k in range(len(case.courses)))
    known = [c for c in there if c.physical_gy is not None and c.eqd2_gy is not None]
    hu = np.nan
    if volumes.ct is not None:
        u, v, w = volumes.ct.grid.rotation @ point_mm
        hu = float(ct_pixels(volumes.ct, "axial", w, np.array([u]), np.array([v]))[0, 0])
    return Readout(
        point_mm,
        hu if np.isfinite(hu) else None,
        containing(structures, point_mm),
        ab,
        key,
        there,
        sum(c.physical_gy or 0.0 for c in known) if known else None,
        sum(c.eqd2_gy or 0.0 for c in known) if known else None,
        len(known) == len(there),
    )


def _course(case: Case, number: int, point_mm: Float64, organ: str | None, alpha_beta_gy: float) -> CourseThere:
    """One course alone, by the same sum as the whole: the others are left without dose."""
    course = case.courses[number]
    if course.is_on_paper:
        return CourseThere(course.name, None, None, "nothing is known of its dose" if course.is_unknown else "known from paper only, not at points")
    if number in case.unregistered:
        return CourseThere(course.name, None, None, "not registered")
    alone = replace(case, courses=tuple(c if k == number else replace(c, phases=()) for k, c in enumerate(case.courses)))
    here = Grid(np.eye(3), *(np.array([float(at)]) for at in point_mm))
    keys = () if organ is None else (organ,)
    display = DisplayMap(np.full((1, 1, 1), alpha_beta_gy, np.float32), np.full((1, 1, 1), len(keys) - 1, np.int16), keys, (alpha_beta_gy,) * (len(keys) + 1))
    found = voxel_sum(alone, here, display)
    if not found.is_known.all():
        where = "outside its dose grid" if case.transforms[number] is None else "outside its dose grid or registration"
        return CourseThere(course.name, None, None, f"not known here: {where}")
    return CourseThere(course.name, float(found.physical_gy[number][0, 0, 0]), float(found.least_eqd2_gy[0, 0, 0]), "" if course.rbe is None else "dose × RBE")
