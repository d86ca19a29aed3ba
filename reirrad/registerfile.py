"""An automatic registration of a case as a DICOM object."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from reirrad.autoloading import register_course
from reirrad.autoregistration import AutoRegistration
from reirrad.casefile import CaseFile, read_case_file
from reirrad.course import Course
from reirrad.ctloading import planes_of
from reirrad.dicom.course import read_course
from reirrad.dicom.patient_registration import patient_registration
from reirrad.dicom.write import write_dataset
from reirrad.errors import CaseFileError, printable

__all__ = ["write_registration"]


def write_registration(case: Path, out: Path, name: str | None, progress: Callable[[str], None] = lambda _: None) -> AutoRegistration:
    """Register the CT of a course to that of the reference and write the object.

    Parameters
    ----------
    name : str or None
        The course; None when only one has method auto.

    Raises
    ------
    ReirradError
        When the case asks for no such registration, or the CTs cannot be used.
    """
    file = read_case_file(case)
    entries = [k for k, entry in enumerate(file.registration) if entry.method == "auto" and name in (None, entry.course)]
    if len(entries) != 1:
        asked = "method: auto" if name is None else f'method: auto for course "{printable(name)}"'
        raise CaseFileError(f"{file.where('registration')}: {len(entries)} entries have {asked}; needed is one, or its name under --course.")
    number = entries[0]
    progress("reading CT")
    course, reference = (_course(file, wanted) for wanted in (file.registration[number].course, file.reference_course))
    progress("registration")
    found = register_course(file, number, course, reference)
    write_dataset(patient_registration(found.transform, planes_of(file, reference), planes_of(file, course), dt.date.today()), out)
    return found


def _course(file: CaseFile, name: str) -> Course:
    number = next(k for k, c in enumerate(file.courses) if c.name == name)
    entry = file.courses[number]
    folder = None if entry.dicom is None else file.resolve("courses", number, "dicom")
    phases = None if entry.phases is None else tuple(entry.phases)
    return read_course(entry.name, entry.kind, folder, file.folder, fractions=entry.fractions, phases=phases, is_slow=entry.delivery is not None)[0]
