"""Phase, course, image, case: what was given, what is proposed, on which anatomy. Frozen, without arithmetic."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from reirrad.dose import DoseGrid
from reirrad.errors import Notice
from reirrad.grid import Float64
from reirrad.structures import Structure

__all__ = ["Component", "Course", "ImageStack", "Phase"]


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
