"""Automatic registration of the CT of a course to that of the reference course, from the files of a case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reirrad.autoregistration import AutoRegistration, register
from reirrad.casefile import CaseFile
from reirrad.course import Course
from reirrad.ctloading import ct_volume
from reirrad.ctvolume import CtVolume
from reirrad.errors import CaseFileError, Notice, printable
from reirrad.grid import Float64
from reirrad.yamlfile import did_you_mean

__all__ = ["register_course"]


def register_course(file: CaseFile, number: int, course: Course, reference: Course) -> AutoRegistration:
    """Register the CT of a course to the one of the reference course.

    Parameters
    ----------
    number : int
        Of the entry under registration, which may restrict it to structures of the reference course.

    Raises
    ------
    ReirradError
        When a CT is missing or cannot be used, or a named structure does not exist.
    """
    place = file.where("registration", number)
    (fixed, said), (moving, more) = (_volume(file, one, place) for one in (reference, course))
    found = register(fixed, moving, _region(file, number, reference), course=course.name)
    return replace(found, warnings=(*found.warnings, *said, *more))


def _volume(file: CaseFile, course: Course, place: str) -> tuple[CtVolume, list[Notice]]:
    """The planning CT of a course, and what to say of it."""
    found = ct_volume(file, course)
    if found is None:
        message = f'method auto needs the CT of both courses, and course "{printable(course.name)}" has none. Export it, or state another method.'
        raise CaseFileError(f"{place}: {message}")
    return found


def _region(file: CaseFile, number: int, reference: Course) -> Float64 | None:
    """Contour points of the structures that the registration is restricted to."""
    names = file.registration[number].structures
    if names is None:
        return None
    by_name = {s.name: s for s in reference.structures if s.contours}
    for k, name in enumerate(names):
        if name not in by_name:
            hint = did_you_mean(name, by_name)
            where = file.where("registration", number, "structures", k)
            raise CaseFileError(f'{where}: the reference course has no structure "{printable(name)}" with contours{hint or "; needed the name of one."}')
    return np.concatenate([c.points_mm for name in names for c in by_name[name].contours])
