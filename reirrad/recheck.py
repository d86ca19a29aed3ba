"""Structures at the points that a check of the scaled plan would use.

Points lie closer where dose is high, and so elsewhere when a course is scaled or given in other fractions. Near-maxima then differ by hundredths of a Gy, which
those of a limit that is to be met just so must not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reirrad.accumulation import LatticeDose, accumulate, deliveries, lattice_dose
from reirrad.course import Case, Course
from reirrad.organregistration import step_of_set_mm
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum, joined
from reirrad.planes import slabs_of
from reirrad.points import OrganPoints, organ_points
from reirrad.rescheduling import rescheduled_case

__all__ = ["Recheck"]


class Recheck:
    """Reads structures of a case again, with one course in another schedule.

    Parameters
    ----------
    organs : sequence of OrganResult
        One for each structure of the case, in its order.
    course : int
        Number of the course that is scaled.
    keep_points : bool
        Whether to keep where the points lie, to read shifted doses there.
    """

    def __init__(self, case: Case, organs: Sequence[OrganResult], course: int, keep_points: bool = False) -> None:
        self.case, self.organs, self.course, self.keep_points = case, organs, course, keep_points
        self._lattices: dict[int, tuple[OrganPoints, LatticeDose]] = {}
        self._is_scaled = np.array([k == course for k, c in enumerate(self._courses(1.0, 1)) for _ in deliveries(c.phases)])

    def sum_of(self, numbers: Sequence[int], scale: float, fractions: int) -> OrganSum:
        """All courses of some structures taken as one, with the course scaled and given in so many fractions.

        Parameters
        ----------
        numbers : sequence of int
            Of the structures: one, or both sides of a paired organ.
        scale : float
            What multiplies the dose of the course.
        """
        case, courses = self.case, self._courses(scale, fractions)
        sums = []
        for number in numbers:
            before = self.organs[number].sum
            assert before is not None, "only structures with points have a limit that binds"
            points, plan = self._lattice_of(number)
            by = np.where(self._is_scaled, scale, 1.0).astype(np.float32)[:, None]
            dose = accumulate(points, courses, case.transforms, case.interpolation, self.keep_points, LatticeDose(by * plan.surface_gy, by * plan.dose_gy))
            factors = np.ones(dose.course.size)
            if before.dose.repair is not None:
                factors[dose.course != self.course] = before.dose.repair[before.dose.course != self.course]
            sums.append(replace(before, dose=replace(dose, repair=factors)))
        return sums[0] if len(sums) == 1 else joined(sums)

    def _courses(self, scale: float, fractions: int) -> tuple[Course, ...]:
        """Courses with dose at points, one of them in the other schedule."""
        there = rescheduled_case(self.case, self.course, scale, fractions, self.case.courses[self.course].timing)
        return tuple(replace(c, phases=()) if k in self.case.unregistered else c for k, c in enumerate(there.courses))

    def _lattice_of(self, number: int) -> tuple[OrganPoints, LatticeDose]:
        """Points of a structure, with the plan as it stands at them: its dose is proportional to the scale, so that this is read once."""
        if number not in self._lattices:
            structure, _ = self.case.organs[number]
            reference = self.case.courses[self.case.reference]
            image = reference.image
            normal, positions_mm = (None, None) if image is None else (image.normal, image.positions_mm)
            points = organ_points(structure.name, slabs_of(structure, normal, positions_mm, step_of_set_mm(reference)))
            self._lattices[number] = (points, lattice_dose(points, self._courses(1.0, 1), self.case.transforms, self.case.interpolation))
        return self._lattices[number]
