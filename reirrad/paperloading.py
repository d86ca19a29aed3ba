"""Courses of the case file that have no dose files: prescription, doses of organs, or a DVH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
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
from reirrad.timing import Timing, repair_factor

__all__ = ["check_timing", "read_paper_course", "timing_of"]

# Dose per fraction, and part of the prescription that an organ may have, without a word.
LEAST_PER_FRACTION_GY, MOST_PER_FRACTION_GY, HOT = 0.2, 30.0, 1.3
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


def check_timing(file: CaseFile, number: int, timing: Timing, blocks: Sequence[int]) -> None:
    """Refuse sessions that do not go with how they are said to be given.

    Parameters
    ----------
    blocks : sequence of int
        Sessions of each delivery, in order. Repair is computed within a delivery; the next one must begin on a new day.

    Raises
    ------
    CaseFileError
    """
    key = "per_day" if timing.per_day > 1 else "delivery"
    place = file.where("courses", number, key)
    if timing.per_day > sum(blocks):
        raise CaseFileError(f"{place}: found {timing.per_day} fractions a day for a course of {sum(blocks)}; needed is at most as many as the course has.")
    for n, following in pairwise(blocks):
        if n % timing.per_day:
            raise CaseFileError(
                f"{place}: a plan of {n} fractions at {timing.per_day} a day ends in the middle of a day, and the next one, of {following}, would begin there. "
                "Repair between fractions of different plans is not computed. State plans that fill whole days, or the plans of one day as concurrent."
            )
    for n in blocks:
        try:
            repair_factor(timing, n, 1.0)
        except ParameterError as error:
            raise CaseFileError(f"{place}: {error}") from None


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
    check_timing(file, number, timing, [entry.fractions or n])
    paper = Paper(entry.prescription.dose_gy, n, entry.fractions or n, entry.organ_doses or {}, curves, organs)
    for organ in paper.organ_doses:
        try:
            paper.of("", organ, 1.0, 1.0)
        except ParameterError as error:
            raise CaseFileError(f"{file.where('courses', number, 'organ_doses', organ)}: {error}") from None
    return replace(bare, paper=paper, notices=(*notices, *_plausibility(paper, entry.name))), identity


def _plausibility(paper: Paper, course: str) -> list[Notice]:
    """Doses on paper that look like a mistake, and doses that were scaled."""
    out = []
    each = paper.prescription_gy / paper.prescribed_fractions
    if not LEAST_PER_FRACTION_GY <= each <= MOST_PER_FRACTION_GY:
        message = (
            f'Course "{printable(course)}" on paper has {each:.2g} Gy per fraction ({paper.prescription_gy:g} Gy in {paper.prescribed_fractions}), which is '
            "unusual. Check that the prescription is the total dose."
        )
        out.append(Notice("dose_per_fraction_unusual", message, course))
    above = sorted(organ for organ, doses in paper.organ_doses.items() if max(doses.values()) > HOT * paper.prescription_gy)
    if above:
        message = (
            f'Course "{printable(course)}" on paper has doses of {", ".join(above)} above {HOT:g} times its prescription of {paper.prescription_gy:g} Gy. '
            "Check them, and their unit."
        )
        out.append(Notice("dose_prescription_mismatch", message, course))
    if paper.fractions != paper.prescribed_fractions:
        message = (
            f'Doses of course "{printable(course)}" on paper are taken as those of its {paper.prescribed_fractions} prescribed fractions, and scaled to the '
            f"{paper.fractions} delivered. If they are of the delivered ones already, state these under prescription."
        )
        out.append(Notice("paper_dose_scaled", message, course))
    return out


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
