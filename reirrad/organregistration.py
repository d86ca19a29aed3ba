"""What one organ says of the registration of each course: the same organ in the other structure set, after mapping, and the dose in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from reirrad.course import Case, Course
from reirrad.errors import Notice, printable
from reirrad.organs import match_organ, side
from reirrad.owndose import OwnDose, maximum_notices, own_maximum_gy, own_organ_dose
from reirrad.planes import Slabs, slabs_of, usual_step_mm
from reirrad.points import organ_points
from reirrad.structurematch import StructureMatch, jacobian_notices, match, overlap_notices, pairs, volume_notices
from reirrad.structures import Structure

__all__ = ["OtherOrgan", "alarm", "other_organs", "registration_notices", "step_of_set_mm"]


@dataclass(frozen=True, slots=True, eq=False)
class OtherOrgan:
    """The organ as another course has it.

    Parameters
    ----------
    structure : Structure
        Of that course.
    own : OwnDose
        Its dose there.
    match : StructureMatch
        How it lies to the structure of the reference course after mapping; only the volumes for a course that is not registered.
    """

    structure: Structure
    own: OwnDose
    match: StructureMatch


def step_of_set_mm(course: Course) -> float | None:
    """Usual plane distance in a structure set: the median over its structures."""
    steps = [usual_step_mm(np.array([c.points_mm[0, 2] for c in s.contours])) for s in course.structures if len(s.contours) > 1]
    known = [s for s in steps if s is not None]
    return float(np.median(known)) if known else None


def other_organs(case: Case, structure: Structure, slabs: Slabs, factor: Callable[[Course, int], float]) -> dict[int, OtherOrgan]:
    """The counterpart of a structure in every course of another frame that has one.

    Parameters
    ----------
    slabs : Slabs
        Of the structure.
    factor : callable
        Course and sessions of a delivery to what multiplies its quadratic term.
    """
    reference = case.courses[case.reference]
    stated = {s.name: key for s, key in case.organs}
    found = {}
    notices: list[Notice] = []
    for k, course in enumerate(case.courses):
        if course.is_on_paper or case.registration[k] == "same_frame" or k == case.reference:
            continue
        there = next((other for here, other in pairs(reference.structures, course.structures, stated) if here is structure), None)
        if there is None:
            continue
        step = step_of_set_mm(course)
        if k in case.unregistered:
            notices += _rivals(there, course, stated)
        own = own_organ_dose(course, there, case.interpolation, step, partial(factor, course))
        if k in case.unregistered:
            volumes = organ_points(structure.name, slabs).volume_cc, float(own.dose.volumes_cc.sum())
            compared = StructureMatch(structure.name, there.name, None, None, None, None, *volumes, None, None, 0.0)
        else:
            image = course.image
            other_slabs = slabs_of(there, None if image is None else image.normal, None if image is None else image.positions_mm, step)
            compared = match(structure, there, case.transforms[k], slabs, other_slabs)
        found[k] = OtherOrgan(there, replace(own, notices=(*own.notices, *notices)), compared)
        notices = []
    return found


def _rivals(chosen: Structure, course: Course, stated: Mapping[str, str]) -> list[Notice]:
    """Say that a course has further structures of the same organ and side, which are not read."""

    def organ_and_side(s: Structure) -> tuple[str | None, str | None]:
        return stated.get(s.name) or match_organ(s.name), side(s.name)

    wanted = organ_and_side(chosen)
    others = [printable(s.name, 40) for s in course.structures if s is not chosen and s.contours and s.kind == "other" and organ_and_side(s) == wanted]
    if wanted[0] is None or not others:
        return []
    message = (
        f'Course "{printable(course.name)}" is read on its structure "{printable(chosen.name)}"; it has others of the same organ, which are not read: '
        f"{', '.join(others)}. Check that the one that is read is the whole organ."
    )
    return [Notice("structure_same_organ", message, course.name, chosen.name)]


def registration_notices(case: Case, others: Mapping[int, OtherOrgan]) -> list[Notice]:
    """What to say of the counterparts."""
    out: list[Notice] = []
    for k, other in others.items():
        name = case.courses[k].name
        out += other.own.notices
        if k not in case.unregistered:
            out += [*overlap_notices(other.match, name), *jacobian_notices(other.match, name)]
        out += volume_notices(other.match, name)
    return out


def alarm(
    case: Case, others: Mapping[int, OtherOrgan], structure: Structure, alpha_beta_gy: float, cumulative_max_gy: float | None, here_gy: float | None
) -> list[Notice]:
    """Say where the sum is larger than all courses on their own structures can make it: the registration or a contour is wrong.

    Parameters
    ----------
    cumulative_max_gy : float or None
        EQD2 of all courses with dose at the points, without recovery.
    here_gy : float or None
        The maximum of the courses in the reference frame, on this structure.
    """
    joined = [k for k, c in enumerate(case.courses) if case.registration[k] in ("file", "auto", "identity") and not c.is_on_paper]
    maxima = [own_maximum_gy(others[k].own.dose, alpha_beta_gy) for k in joined if k in others]
    known = [m for m in maxima if m is not None]
    if not joined or len(known) < len(joined) or cumulative_max_gy is None or here_gy is None:
        return []
    return maximum_notices(structure.name, cumulative_max_gy, [here_gy, *known])
