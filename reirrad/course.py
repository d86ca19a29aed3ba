"""Phase, course, image, case: what was given, what is proposed, on which anatomy. Frozen, without arithmetic."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from reirrad.displayalphabeta import DisplayAlphaBeta
from reirrad.dose import DoseGrid, Interpolation
from reirrad.errors import Notice
from reirrad.grid import Float64
from reirrad.highdose import HighDose
from reirrad.papercourse import Paper
from reirrad.recovery import RecoveryModel
from reirrad.registration import Transform
from reirrad.structures import Structure
from reirrad.timing import Timing
from reirrad.tumour import Tumour

__all__ = ["Case", "Component", "Course", "Grade", "ImageStack", "Phase", "RecoveryChoice", "after_months", "months_between"]

ONCE_A_DAY: Final = Timing()
SAME_PART: Final = 1e-9
# How much is known of a course: A dose, structures and images; B dose alone; C a DVH or doses of organs on paper; D a prescription; E nothing.
Grade = Literal["A", "B", "C", "D", "E"]


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
    timing : Timing
        How the sessions follow each other.
    rbe : float or None
        RBE that the doses of a proton course hold.
    let : float, DoseGrid or None
        Dose-averaged LET, keV/µm, of a proton course.
    paper : Paper or None
        What is known of a course without dose files.
    is_unknown : bool
        Nothing is known of its dose.
    stated_prescription_gy : float or None
        Prescribed dose of the whole course, where a person stated it beside the plans.
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
    timing: Timing = ONCE_A_DAY
    rbe: float | None = None
    let: float | DoseGrid | None = None
    paper: Paper | None = None
    is_unknown: bool = False
    stated_prescription_gy: float | None = None

    @property
    def grade(self) -> Grade:
        """How much is known of the course, A to E."""
        if self.is_unknown:
            return "E"
        if self.paper is not None:
            return self.paper.grade
        return "A" if self.structures and self.image is not None else "B"

    @property
    def is_on_paper(self) -> bool:
        """Whether the course has no dose files."""
        return not self.phases

    @property
    def prescription_gy(self) -> float | None:
        """Prescribed dose of all phases, Gy, as stated by a person, else by the plans; None when one is not known."""
        if self.paper is not None:
            return self.paper.prescription_gy
        if self.stated_prescription_gy is not None:
            return self.stated_prescription_gy
        known = [p.prescription_gy for p in self.phases if p.prescription_gy is not None]
        return sum(known) if known and len(known) == len(self.phases) else None

    @property
    def delivered_gy(self) -> float | None:
        """Prescribed dose of the fractions that are given, Gy: that of the dose distribution as it stands.

        None when it is not known: without a prescription, or where a person states one for several phases of which different parts are given.
        """
        if self.paper is not None:
            return self.paper.prescription_gy * self.paper.fractions / self.paper.prescribed_fractions
        if self.prescription_gy is None:
            return None
        parts = [p.fractions / (p.planned_fractions or p.fractions) for p in self.phases]
        if self.stated_prescription_gy is None:
            return sum((p.prescription_gy or 0.0) * part for p, part in zip(self.phases, parts, strict=True))
        return self.stated_prescription_gy * parts[0] if max(parts) - min(parts) < SAME_PART else None

    @property
    def fractions(self) -> int | None:
        """Sessions of the course: concurrent phases share theirs. None when nothing is known of it."""
        if self.is_on_paper:
            return None if self.paper is None else self.paper.fractions
        total = longest = 0
        for phase in self.phases:
            if not phase.concurrent:
                longest = 0
            total += max(0, phase.fractions - longest)
            longest = max(longest, phase.fractions)
        return total

    def dose_max_gy(self) -> float | None:
        """Largest physical dose of the whole course at any voxel centre of its finest grid, and of each component alone, Gy; None without dose files."""
        if self.is_on_paper:
            return None
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


def months_between(start: dt.date, end: dt.date) -> float:
    """Calendar months, and the days beyond as a part of the month they lie in; negative when the end comes first.

    >>> months_between(dt.date(2021, 1, 1), dt.date(2021, 6, 1)), round(months_between(dt.date(2021, 1, 31), dt.date(2021, 3, 14)), 2)
    (5.0, 1.45)
    """
    if end < start:
        return -months_between(end, start)
    whole = 12 * (end.year - start.year) + end.month - start.month
    if after_months(start, whole) > end:
        whole -= 1
    before, behind = after_months(start, whole), after_months(start, whole + 1)
    return whole + (end - before).days / (behind - before).days


def after_months(day: dt.date, months: int) -> dt.date:
    """Return the same day some months later, or the last of that month.

    >>> after_months(dt.date(2021, 1, 31), 1)
    datetime.date(2021, 2, 28)
    """
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True, slots=True)
class RecoveryChoice:
    """A recovery model chosen for an organ, and why where its source does not speak of that organ."""

    model: RecoveryModel
    rationale: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """All courses of one patient, brought together.

    Parameters
    ----------
    courses : tuple of Course
        In the order of the case file.
    reference : int
        Number of the course whose frame and structures are used.
    transforms : tuple of Transform or None
        For each course: takes points of the reference frame to its own frame; None where the frames are one.
    registration, registration_details : tuple of str
        For each course, how: same_frame, identity, file, auto or none; and in words.
    organs : tuple of (Structure, str)
        Structures of the reference course with their organ keys.
    missing : tuple of (str, str)
        Structure names of the case file that the reference course does not have, with their organ keys.
    alpha_beta_gy, half_time_h : dict
        Organ key to alpha/beta and to half time of repair, where the case file overrides the library.
    recovery : dict
        Organ key to the recovery model chosen for it; empty: none.
    sensitivities : tuple of HighDose
        Models to show beside the linear-quadratic one.
    interpolation : str
        cubic or linear.
    tumour : Tumour
        What is assumed of the tumour where schedules are compared.
    display : DisplayAlphaBeta
        Alpha/beta of the voxels of an exported sum.
    """

    name: str
    courses: tuple[Course, ...]
    reference: int
    transforms: tuple[Transform | None, ...]
    registration: tuple[str, ...]
    organs: tuple[tuple[Structure, str], ...]
    missing: tuple[tuple[str, str], ...] = ()
    alpha_beta_gy: dict[str, float] = field(default_factory=dict)
    half_time_h: dict[str, float] = field(default_factory=dict)
    recovery: dict[str, RecoveryChoice] = field(default_factory=dict)
    sensitivities: tuple[HighDose, ...] = ()
    interpolation: Interpolation = "cubic"
    notices: tuple[Notice, ...] = ()
    registration_details: tuple[str, ...] = ()
    tumour: Tumour = field(default_factory=Tumour)
    display: DisplayAlphaBeta = field(default_factory=DisplayAlphaBeta)

    @property
    def unregistered(self) -> tuple[int, ...]:
        """Numbers of the courses with dose that are not brought into the reference frame: they are read on their own structures."""
        return tuple(
            k for k, (how, c) in enumerate(zip(self.registration, self.courses, strict=True)) if how == "none" and not c.is_on_paper and k != self.reference
        )

    @property
    def proposed(self) -> int | None:
        """Number of the proposed course whose limits of one course are checked: the reference if proposed, else the last proposed."""
        numbers = [k for k, c in enumerate(self.courses) if c.kind == "proposed"]
        if not numbers:
            return None
        return self.reference if self.reference in numbers else numbers[-1]

    @property
    def proposed_courses(self) -> tuple[int, ...]:
        """Numbers of all proposed courses, the one of `proposed` first."""
        numbers = [k for k, c in enumerate(self.courses) if c.kind == "proposed"]
        return tuple(sorted(numbers, key=lambda k: k != self.proposed))

    @property
    def interval_days(self) -> int | None:
        """Days from the end of the last prior course to the start of the proposed one; None when a date is unknown."""
        days = [self.days_since(k) for k, c in enumerate(self.courses) if c.kind == "prior"]
        known = [d for d in days if d is not None]
        return min(known) if known and len(known) == len(days) else None

    @property
    def interval_months(self) -> float | None:
        """The same interval in calendar months."""
        months = [self.months_since(k) for k, c in enumerate(self.courses) if c.kind == "prior"]
        known = [m for m in months if m is not None]
        return min(known) if known and len(known) == len(months) else None

    def months_since(self, course: int) -> float | None:
        """Calendar months from the end of a prior course to the start of the first proposed one; None when a date is unknown."""
        days, end = self.days_since(course), self.courses[course].last_day
        return None if days is None or end is None else months_between(end, end + dt.timedelta(days=days))

    def days_since(self, course: int) -> int | None:
        """Days from the end of a prior course to the start of the first proposed one; None when a date is unknown."""
        starts = [self.courses[k].first_day for k in self.proposed_courses]
        known = [day for day in starts if day is not None]
        end = self.courses[course].last_day
        return None if end is None or not known or len(known) < len(starts) else (min(known) - end).days
