"""Phase, course, image, case: what was given, what is proposed, on which anatomy. Frozen, without arithmetic."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from reirrad.dose import DoseGrid, Interpolation
from reirrad.errors import Notice
from reirrad.grid import Float64
from reirrad.registration import Rigid
from reirrad.structures import Structure

__all__ = ["Case", "Component", "Course", "ImageStack", "Phase"]


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A stored dose and the factor that makes it the physical dose it stands for in its phase.

    The factor holds, for example, sessions (for a dose of one session) or delivered / planned fractions.
    """

    dose: DoseGrid
    factor: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """One plan, or one fraction group of a plan, as delivered.

    Parameters
    ----------
    label : str
        For people: plan label.
    components : tuple of Component
        Their sum is the physical dose of all delivered fractions, in Gy.
    fractions : int
        Delivered (or proposed) fractions.
    planned_fractions : int or None
        From the RTPLAN; None when there was none.
    prescription_gy : float or None
        Target prescription of the plan for all planned fractions.
    concurrent : bool
        Given in the same sessions as the phase before it.
    """

    label: str
    components: tuple[Component, ...]
    fractions: int
    planned_fractions: int | None = None
    prescription_gy: float | None = None
    concurrent: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ImageStack:
    """Planes of the planning CT, from headers alone.

    Parameters
    ----------
    frame_uid : str
        Frame of Reference UID.
    positions_mm : (N,) float64
        Rising positions of the planes along the normal, in mm.
    normal : (3,) float64
        Unit vector.
    series_uid : str
        Series Instance UID.
    """

    frame_uid: str
    positions_mm: Float64
    normal: Float64
    series_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One course of radiotherapy.

    Parameters
    ----------
    frame_uid : str
        Frame of Reference UID shared by its dose and structures.
    structures : tuple of Structure
        Of the structure set its plan refers to; may be empty for a prior course.
    first_day, last_day : date or None
        As far as known.
    radiation : str
        photon, proton, electron or brachy.
    inputs : tuple of dict
        One entry per DICOM object found: role, used or not, why not; no patient data.
    """

    name: str
    kind: Literal["prior", "proposed"]
    phases: tuple[Phase, ...]
    frame_uid: str
    structures: tuple[Structure, ...] = ()
    image: ImageStack | None = None
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    radiation: str = "photon"
    inputs: tuple[dict[str, object], ...] = ()
    notices: tuple[Notice, ...] = field(default=())

    @property
    def fractions(self) -> int:
        """Sessions of the course: concurrent phases share theirs."""
        total = longest = 0
        for phase in self.phases:
            if not phase.concurrent:
                longest = 0
            total += max(0, phase.fractions - longest)
            longest = max(longest, phase.fractions)
        return total

    def dose_max_gy(self) -> float:
        """Largest physical dose of the whole course at any voxel centre of its finest grid, and of each component alone, Gy."""
        components = [c for phase in self.phases for c in phase.components]
        finest = max(components, key=lambda c: c.dose.dose_gy.size)
        if all(np.array_equal(getattr(c.dose.grid, f), getattr(finest.dose.grid, f)) for c in components for f in ("rotation", "u_mm", "v_mm", "w_mm")):
            if len(components) == 1:
                return float(finest.dose.dose_gy.max()) * finest.factor
            return float(np.max(sum(np.float32(c.factor) * c.dose.dose_gy for c in components)))
        best = max(float(c.dose.dose_gy.max()) * c.factor for c in components)  # a field may lie outside the finest grid
        for k in range(finest.dose.grid.w_mm.size):
            points = finest.dose.grid.plane_points_mm(k)
            best = max(best, float(np.nanmax(sum(c.factor * np.nan_to_num(c.dose.at_points(points, "linear")) for c in components))))
        return best


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """All courses of one patient, brought together.

    Parameters
    ----------
    courses : tuple of Course
        In the order of the case file.
    reference : int
        Number of the course whose frame and structures are used.
    transforms : tuple of Rigid or None
        For each course: takes points of the reference frame to its own frame; None where the frames are one.
    registration : tuple of str
        For each course, how: same_frame, identity, file.
    organs : tuple of (Structure, str)
        Structures of the reference course with their organ keys.
    missing : tuple of (str, str)
        Structure names of the case file that the reference course does not have, with their organ keys.
    alpha_beta_gy : dict
        Organ key to alpha/beta, where the case file overrides the library.
    interpolation : str
        cubic or linear.
    """

    name: str
    courses: tuple[Course, ...]
    reference: int
    transforms: tuple[Rigid | None, ...]
    registration: tuple[str, ...]
    organs: tuple[tuple[Structure, str], ...]
    missing: tuple[tuple[str, str], ...] = ()
    alpha_beta_gy: dict[str, float] = field(default_factory=dict)
    interpolation: Interpolation = "cubic"
    notices: tuple[Notice, ...] = ()

    @property
    def proposed(self) -> int | None:
        """Number of the proposed course whose limits of one course are checked: the reference if proposed, else the last proposed."""
        numbers = [k for k, c in enumerate(self.courses) if c.kind == "proposed"]
        if not numbers:
            return None
        return self.reference if self.reference in numbers else numbers[-1]

    @property
    def interval_days(self) -> int | None:
        """Days from the end of the last prior course to the start of the proposed one; None when a date is unknown."""
        if self.proposed is None:
            return None
        start = self.courses[self.proposed].first_day
        ends = [c.last_day for c in self.courses if c.kind == "prior"]
        known = [day for day in ends if day is not None]
        if start is None or not known or len(known) < len(ends):
            return None
        return (start - max(known)).days
