"""Where the cumulative EQD2 of an organ is largest, and what each course gives there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reirrad.grid import Float64
from reirrad.organresult import OrganResult
from reirrad.organsum import at_least

__all__ = ["HotSpot", "hot_spot"]


@dataclass(frozen=True, slots=True, eq=False)
class HotSpot:
    """The hottest point of an organ.

    Parameters
    ----------
    point_mm : (3,) float64
        In the reference frame.
    eqd2_gy : float
        Of all courses with dose at points.
    physical_gy, course_eqd2_gy : tuple of float or None
        Of each course there; None where its dose at that place is not known.
    """

    structure: str
    organ: str
    alpha_beta_gy: float
    point_mm: Float64
    eqd2_gy: float
    physical_gy: tuple[float | None, ...]
    course_eqd2_gy: tuple[float | None, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every course is known there; else the sum is at least what is stated."""
        return None not in self.course_eqd2_gy


def hot_spot(result: OrganResult, n_courses: int) -> HotSpot | None:
    """Point of an organ, or of its surface, with the largest EQD2, without recovery; unknown dose counts as zero in the search.

    Parameters
    ----------
    n_courses : int
        Of the case.

    Returns
    -------
    HotSpot or None
        None where no course has dose at points.
    """
    dose = None if result.sum is None else result.sum.dose
    if dose is None or dose.points_mm is None or dose.edge_points_mm is None or dose.course.size == 0:
        return None
    places = np.concatenate([dose.points_mm, dose.edge_points_mm]).astype(np.float64)
    at_all = replace(
        dose, volumes_cc=np.ones(len(places)), dose_gy=np.concatenate([dose.dose_gy, dose.edge_gy], axis=1), edge_gy=dose.edge_gy[:, :0],
        points_mm=None, edge_points_mm=None,
    )  # fmt: skip
    if not np.isfinite(at_all.dose_gy).any():
        return None
    total = at_least(at_all).eqd2(result.alpha_beta_gy).dose_gy
    k = int(np.argmax(total))
    here = replace(at_all, volumes_cc=np.ones(1), dose_gy=at_all.dose_gy[:, [k]])
    known = set(dose.course.tolist())

    def of_course(value: float, number: int) -> float | None:
        return float(value) if number in known and np.isfinite(value) else None

    numbers = range(n_courses)
    return HotSpot(
        structure=result.name,
        organ=result.organ,
        alpha_beta_gy=result.alpha_beta_gy,
        point_mm=places[k],
        eqd2_gy=float(total[k]),
        physical_gy=tuple(of_course(here.physical(c).dose_gy[0], c) for c in numbers),
        course_eqd2_gy=tuple(of_course(here.eqd2(result.alpha_beta_gy, c).dose_gy[0], c) for c in numbers),
    )
