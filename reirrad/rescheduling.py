"""The proposed course in another schedule: its own dose distribution, scaled, in another number of equal fractions.

Nothing is optimised again. Scaling multiplies the physical dose of every voxel; a course of several phases becomes one of equal fractions of their sum.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reirrad.course import Case, Component, Phase
from reirrad.errors import ParameterError, printable
from reirrad.organsum import OrganSum
from reirrad.parameters import positive, whole
from reirrad.timing import Acute, SlowFraction, Timing

__all__ = ["course_to_reschedule", "rescheduled", "rescheduled_case"]


def course_to_reschedule(case: Case, name: str | None = None) -> int:
    """Number of the proposed course whose schedule is open.

    Parameters
    ----------
    name : str, optional
        Of the course; default the reference if proposed, else the last proposed one.

    Raises
    ------
    ParameterError
        When there is none, or it has no dose distribution, prescription or fractions that could be scaled.
    """
    proposed = {case.courses[k].name: k for k in case.proposed_courses}
    if name is not None and name not in proposed:
        raise ParameterError(f'No proposed course is named "{printable(name)}"; needed is one of: {", ".join(map(printable, proposed)) or "none is proposed"}.')
    number = case.proposed if name is None else proposed[name]
    if number is None:
        raise ParameterError("No course is proposed, so there is no dose distribution to scale. Set kind: proposed for the course that is asked about.")
    course = case.courses[number]
    quoted = f'course "{printable(course.name)}"'
    if course.is_on_paper:
        raise ParameterError(f"The proposed {quoted} has no dose files, so there is no dose distribution to scale. Give its DICOM plan and dose.")
    if number in case.unregistered:
        raise ParameterError(f"The proposed {quoted} is not registered to the reference course; needed is its dose in that frame. Make it the reference.")
    if course.prescription_gy is None or course.prescription_gy <= 0:
        raise ParameterError(
            f"The proposed {quoted} has no target dose: its RTPLAN states no prescription, so a scaled dose has no name. Export the RTPLAN with its "
            "prescription, or state prescription_gy for the course."
        )
    if course.delivered_gy is None:
        raise ParameterError(
            f"The proposed {quoted} has phases of which different parts are given, and its prescription is stated for all of them together, so a scaled dose "
            "has no name. Export the RTPLANs with their prescriptions, or state all fractions of each phase."
        )
    if not isinstance(course.timing.pattern, Acute | SlowFraction):
        raise ParameterError(f"The proposed {quoted} is {course.timing.title}; needed are external fractions, whose number can be chosen.")
    return number


def rescheduled(organ: OrganSum, course: int, scale: float, fractions: int, repair: float = 1.0) -> OrganSum:
    """Return the organ with one course scaled and given in other, equal fractions.

    Parameters
    ----------
    scale : float
        What multiplies the physical dose of the course at every point.
    fractions : int
        Sessions of the new schedule.
    repair : float
        What multiplies the quadratic term of these sessions in this organ.
    """
    positive("scale", scale)
    whole("fractions", fractions)
    d = organ.dose
    own, others = np.flatnonzero(d.course == course), np.flatnonzero(d.course != course)
    factors = np.ones(d.course.size) if d.repair is None else d.repair
    total, edge = (np.float32(scale) * dose[own].sum(axis=0) for dose in (d.dose_gy, d.edge_gy))
    dose = replace(
        d,
        dose_gy=np.concatenate([d.dose_gy[others], total[None]]),
        edge_gy=np.concatenate([d.edge_gy[others], edge[None]]),
        fractions=np.append(d.fractions[others], fractions),
        course=np.append(d.course[others], course),
        repair=np.append(factors[others], repair),
    )
    return replace(organ, dose=dose)


def rescheduled_case(case: Case, course: int, scale: float, fractions: int, timing: Timing) -> Case:
    """Return the case with one course scaled and given in other, equal fractions: what a plan exported anew would hold."""
    old = case.courses[course]
    components = tuple(Component(c.dose, c.factor * scale) for phase in old.phases for c in phase.components)
    dose_gy = None if old.delivered_gy is None else old.delivered_gy * scale
    phase = Phase(old.phases[0].label, components, fractions, None, dose_gy)
    courses = tuple(replace(c, phases=(phase,), timing=timing, stated_prescription_gy=None) if k == course else c for k, c in enumerate(case.courses))
    return replace(case, courses=courses)
