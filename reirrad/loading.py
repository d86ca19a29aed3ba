"""From a case folder to a case: the case file's statements and the DICOM objects its folders hold, checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from reirrad.accumulation import deliveries
from reirrad.assessment import LimitChoice
from reirrad.casechoices import display_of, limits_of, recovery_of, sensitivities_of, tumour_of
from reirrad.casefile import CaseFile, read_case_file
from reirrad.casenotices import case_notices
from reirrad.course import Case, Course
from reirrad.dicom.course import read_course
from reirrad.dicom.identity import Identity, same_patient
from reirrad.dicom.let import read_let
from reirrad.errors import CaseFileError, DicomError, Notice, printable
from reirrad.frameloading import join_frames
from reirrad.organs import match_organ
from reirrad.paperloading import check_timing, read_paper_course, timing_of
from reirrad.structures import Structure
from reirrad.yamlfile import did_you_mean

__all__ = ["load_case"]

SAME_PRESCRIPTION = 1e-3  # part by which two numbers of one prescription differ by rounding


def load_case(path: Path, progress: Callable[[str], None] = lambda _: None) -> tuple[Case, LimitChoice]:
    """Read a case folder.

    Parameters
    ----------
    path : Path
        Folder with case.yaml, or a case file.
    progress : callable
        Told what is being read.

    Raises
    ------
    ReirradError
        When anything the calculation needs is missing, damaged or contradictory.
    """
    file = read_case_file(path)
    choice, notices = limits_of(file)
    sensitivities, tumour, display = sensitivities_of(file), tumour_of(file), display_of(file)
    courses, identities = [], []
    for number, entry in enumerate(file.courses):
        progress(f"reading course {printable(entry.name)}")
        if entry.is_on_paper:
            course, identity = read_paper_course(file, number)
            courses.append(course)
            if identity is not None:
                identities.append((entry.name, identity))
            continue
        course, identity = read_course(
            entry.name,
            entry.kind,
            None if entry.dicom is None else file.resolve("courses", number, "dicom"),
            file.folder,
            fractions=entry.fractions,
            phases=None if entry.phases is None else tuple(entry.phases),
            radiation=entry.radiation if "radiation" in entry.model_fields_set else None,
            rbe=entry.rbe,
            completed=entry.completed,
            starts=entry.starts,
            patient_id=file.patient_id,
            is_slow=entry.delivery is not None and entry.delivery.pattern != "slow_fraction",
        )
        timing = timing_of(file, number)
        check_timing(file, number, timing, [n for n, _ in deliveries(course.phases)])
        course = _with_prescription(file, number, replace(course, timing=timing), notices)
        courses.append(_with_let(file, number, course, identity, notices))
        identities.append((entry.name, identity))
    identity = _one_patient(identities, notices)
    _refuse_same_dose(courses)
    names = [c.name for c in courses]
    reference = names.index(file.reference_course)
    if not any(c.kind == "proposed" for c in courses):
        message = f'No course is proposed; the structures of "{printable(names[reference])}" are used, and limits of one course are not evaluable.'
        notices.append(Notice("no_proposed_course", message))
    proposed = [c.name for c in courses if c.kind == "proposed"]
    if len(proposed) > 1:
        listed = ", ".join(f'"{printable(name)}"' for name in proposed)
        judged = names[reference] if names[reference] in proposed else proposed[-1]
        message = (
            f"Several courses are proposed ({listed}) and counted together; limits of one course are held against each, conditions of cumulative limits "
            f'(numbers of fractions, ratios) against "{printable(judged)}". Alternatives to each other belong into cases of their own.'
        )
        notices.append(Notice("several_proposed_courses", message))
    if len(courses) == 1:
        notices.append(Notice("single_course", "The case has only one course: there is no prior dose to accumulate, and nothing here is cumulative."))
    joined = join_frames(file, courses, reference, identity, notices, progress)
    organs, missing = _organs(file, courses[reference], notices)
    case = Case(
        name=file.title,
        courses=tuple(courses),
        reference=reference,
        transforms=tuple(j.transform for j in joined),
        registration=tuple(j.method for j in joined),
        registration_details=tuple(j.detail for j in joined),
        organs=organs,
        missing=missing,
        alpha_beta_gy=dict(file.alpha_beta_gy),
        half_time_h=dict(file.half_time_h),
        recovery=recovery_of(file, {key for _, key in organs}, notices),
        sensitivities=sensitivities,
        interpolation=file.interpolation,
        notices=tuple(notices),
        tumour=tumour,
        display=display,
    )
    return replace(case, notices=(*case.notices, *case_notices(case))), choice


def _with_prescription(file: CaseFile, number: int, course: Course, notices: list[Notice]) -> Course:
    """The course with the prescription that the case file states for it, and a word where its plans say another."""
    stated, planned = file.courses[number].prescription_gy, course.prescription_gy
    if stated is None:
        return course
    if planned is not None and abs(stated / planned - 1) > SAME_PRESCRIPTION:
        message = f'The plans of "{printable(course.name)}" prescribe {planned:g} Gy, the case file {stated:g} Gy; the case file stands. It changes no dose.'
        notices.append(Notice("prescription_stated", message, course.name))
    return replace(course, stated_prescription_gy=stated)


def _with_let(file: CaseFile, number: int, course: Course, identity: Identity, notices: list[Notice]) -> Course:
    """The course with the LET that the case file states for it, as a number or as a file."""
    entry = file.courses[number]
    if entry.let is None and entry.let_kev_um is None:
        return course
    if course.rbe is None:
        key = "let" if entry.let is not None else "let_kev_um"
        raise CaseFileError(
            f"{file.where('courses', number, key)}: LET gives an RBE to a PHYSICAL proton dose, and the dose of this course is not one (it is of another "
            "radiation, or EFFECTIVE). Export the physical dose, or take the LET away."
        )
    if entry.let is None:
        return replace(course, let=entry.let_kev_um)
    path = file.resolve("courses", number, "let")
    found = read_let(path, path.relative_to(file.folder).as_posix(), course, identity, file.patient_id)
    notices += found.notices
    return replace(course, let=found.kev_um)


def _one_patient(identities: list[tuple[str, Identity]], notices: list[Notice]) -> Identity:
    """What is known of the patient of all courses."""
    for (a, one), (b, two) in combinations(identities, 2):
        if None not in (one.patient_id, two.patient_id) and one.patient_id != two.patient_id:
            raise DicomError(
                f'Courses "{printable(a)}" and "{printable(b)}" carry different Patient IDs: they are of two patients, whose doses are never summed. '
                "Put only courses of one patient into a case; check for a copying mistake."
            )
        if one.is_somebody_else(two):
            raise DicomError(
                f'Courses "{printable(a)}" and "{printable(b)}" differ in two or more of the name, date of birth and sex of the patient: they seem to be of '
                "two patients, whose doses are never summed. Put only courses of one patient into a case; check for a copying mistake."
            )
    identity, more = same_patient(((f'course "{printable(name)}"', one) for name, one in identities), "all courses")
    notices += [Notice(n.code, n.message) for n in more]
    return identity


def _refuse_same_dose(courses: list[Course]) -> None:
    """One dose in two courses is a copying mistake: the one course would count twice, the other not at all."""
    for a, b in combinations(courses, 2):
        if shared := _used(a, "RTPLAN") & _used(b, "RTPLAN"):
            raise DicomError(
                f'Courses "{printable(a.name)}" and "{printable(b.name)}" hold dose of the same plan ({len(shared)} RTPLAN of the same SOP Instance UID), '
                "which would count twice. Each course needs its own plan; check for a copying mistake. A plan given in two parts is one course with phases."
            )
        for one in (c.dose for p in a.phases for c in p.components):
            for two in (c.dose for p in b.phases for c in p.components):
                if one is two or (one.dose_gy.shape == two.dose_gy.shape and np.array_equal(one.dose_gy, two.dose_gy)):
                    raise DicomError(
                        f'Courses "{printable(a.name)}" and "{printable(b.name)}" hold the same dose, which would count twice. '
                        "Each course needs its own folder with its own dose; check for a copying mistake."
                    )


def _used(course: Course, role: str) -> set[object]:
    """SOP Instance UIDs of the objects of one role that a course uses."""
    return {i["sop_instance_uid"] for i in course.inputs if i["role"] == role and i["used"]}


def _organs(file: CaseFile, course: Course, notices: list[Notice]) -> tuple[tuple[tuple[Structure, str], ...], tuple[tuple[str, str], ...]]:
    """Structures of the reference course with organ keys: as stated in the case file, else by name."""
    stated = file.structures or {}
    names = [s.name for s in course.structures]
    if not names:
        raise DicomError(
            f'The reference course "{printable(course.name)}" has no structure set (RTSTRUCT). One is needed to compute organ doses; '
            "add it to the folder of the course, or choose another reference."
        )
    organs, unmatched, by_name = [], [], []
    for structure in course.structures:
        key = stated.get(structure.name)
        if key is None and structure.kind == "other" and (key := match_organ(structure.name)) is not None:
            by_name.append(f"{printable(structure.name, 40)} ({key})")
        if key is None:
            unmatched += [printable(structure.name, 40)] if structure.kind == "other" else []
            continue
        if names.count(structure.name) > 1:
            raise DicomError(
                f'The structure set of course "{printable(course.name)}" has two structures named "{printable(structure.name)}"; '
                "which one is meant is not clear. Rename one of them."
            )
        organs.append((structure, key))
    missing = tuple((name, key) for name, key in stated.items() if name not in names)
    for name, key in missing:
        hint = did_you_mean(name, names)
        message = (
            f'The case file maps structure "{printable(name)}" to {key}, but the reference course has no structure of that name{hint}; it is not evaluated.'
        )
        notices.append(Notice("structure_absent", message, course.name, name))
    if by_name and stated:
        message = f"Not listed in the case file, but taken as organs by their names, so that limits of these organs apply: {', '.join(by_name)}."
        notices.append(Notice("structure_matched_by_name", message, course.name))
    if unmatched:
        listed = ", ".join(unmatched[:20]) + (f" and {len(unmatched) - 20} more" if len(unmatched) > 20 else "")
        message = f"Structures without an organ, by their name or in the case file, are not evaluated: {listed}."
        notices.append(Notice("structure_unmatched", message, course.name))
    if not organs:
        raise CaseFileError(
            "None of the structures of the reference course stands for an organ, neither in the case file nor by its name. "
            "Name those to be checked under structures: in the case file, for example  Rectum_new: rectum."
        )
    return tuple(organs), missing
