"""Courses of the case file that have no dose files: prescription, doses of organs, or a DVH."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from reirrad.casefile import CaseFile
from reirrad.course import Course
from reirrad.dicom.dvhsequence import read_dvh_sequence
from reirrad.dicom.files import scan
from reirrad.dicom.identity import Identity, same_patient
from reirrad.dicom.rtstruct import read_structure_set
from reirrad.dvhtable import DvhCurve, read_dvh_table
from reirrad.errors import CaseFileError, DicomError, Notice, ParameterError, printable
from reirrad.organs import match_organ
from reirrad.organs import organs as all_organs
from reirrad.papercourse import Paper
from reirrad.timing import Timing

__all__ = ["read_paper_course", "timing_of"]

TABLE_SUFFIXES: Final = (".csv", ".tsv", ".txt")


def timing_of(file: CaseFile, number: int) -> Timing:
    """How the sessions of a course follow each other.

    Raises
    ------
    CaseFileError
        When that is impossible.
    """
    entry = file.courses[number]
    delivery = None if entry.delivery is None else entry.delivery.model_dump(exclude_none=True)
    try:
        return Timing.from_case(entry.per_day, entry.interval_h, delivery)
    except ParameterError as error:
        raise CaseFileError(f"{file.where('courses', number, 'delivery' if delivery else 'per_day')}: {error}") from None


def read_paper_course(file: CaseFile, number: int) -> tuple[Course, Identity | None]:
    """A course without dose files as the case file states it.

    Returns
    -------
    course : Course
        Without phases; its frame is that of nothing.
    identity : Identity or None
        Of a DICOM file with its DVH.

    Raises
    ------
    ReirradError
        When what is stated contradicts itself, or a DVH cannot be read.
    """
    entry = file.courses[number]
    timing = timing_of(file, number)
    bare = Course(entry.name, entry.kind, (), "", first_day=entry.starts, last_day=entry.completed, radiation=entry.radiation, timing=timing)
    if entry.prescription is None:
        return replace(bare, is_unknown=True), None
    curves: dict[str, DvhCurve] = {}
    identity = None
    notices: tuple[Notice, ...] = ()
    if entry.dvh is not None:
        path = file.resolve("courses", number, "dvh")
        shown = path.relative_to(file.folder).as_posix()
        if path.suffix.lower() in TABLE_SUFFIXES:
            curves = read_dvh_table(path, shown, prescription_gy=entry.prescription.dose_gy)
        else:
            curves, identity, notices = _stored_curves(path, shown, file, entry.name)
    stated = file.structures or {}
    organs = {name: stated.get(name, name if name in all_organs() else match_organ(name) or "") for name in curves}
    n = entry.prescription.fractions
    paper = Paper(entry.prescription.dose_gy, n, entry.fractions or n, entry.organ_doses or {}, curves, organs)
    for organ in paper.organ_doses:
        try:
            paper.of("", organ, 1.0, 1.0)
        except ParameterError as error:
            raise CaseFileError(f"{file.where('courses', number, 'organ_doses', organ)}: {error}") from None
    return replace(bare, paper=paper, notices=notices), identity


def _stored_curves(path: Path, shown_as: str, file: CaseFile, course: str) -> tuple[dict[str, DvhCurve], Identity, tuple[Notice, ...]]:
    """DVHs of an RTDOSE by the names of the structure set that it refers to, which must lie beside it."""
    found = read_dvh_sequence(path, shown_as)
    if found.summation != "PLAN":
        raise DicomError(
            f"{shown_as} holds DVHs of {printable(found.summation, 30) or 'no stated Dose Summation Type'}; needed are those of the whole PLAN, whose "
            "fractions the case file states. Export these."
        )
    sets = [r for r in scan(path.parent, file.folder).of("RTSTRUCT") if r.sop_instance_uid == found.structure_set_uid]
    if not sets:
        raise DicomError(
            f"{shown_as} numbers its structures as a structure set that is not beside it; their names are needed. Put that RTSTRUCT into the same folder."
        )
    names = {s.number: s.name for s in read_structure_set(sets[0]).structures}
    identity, notices = same_patient([(shown_as, found.record.identity), (sets[0].name, sets[0].identity)], course, file.patient_id)
    notices += tuple(Notice(n.code, n.message, course) for n in found.notices)
    if found.dose_type == "EFFECTIVE":
        message = f"The DVHs of {shown_as} are of an EFFECTIVE dose; it is taken as physical dose times RBE. If it is BED or EQD2 already, results are wrong."
        notices += (Notice("dose_type_effective", message, course),)
    return {names[number]: curve for number, curve in found.curves.items() if number in names}, identity, notices
