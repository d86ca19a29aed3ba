"""From a case folder to a case: the case file's statements and the DICOM objects its folders hold, checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from reirrad.assessment import LimitChoice
from reirrad.casefile import CaseFile, read_case_file
from reirrad.constraints import load_limits, load_set, set_names
from reirrad.course import Case, Course, ImageStack
from reirrad.dicom.course import read_course
from reirrad.dicom.identity import Identity, same_patient
from reirrad.dicom.spatial import read_rigid
from reirrad.errors import CaseFileError, DicomError, Notice, printable
from reirrad.limit import Limit
from reirrad.organs import match_organ, organ
from reirrad.registration import Rigid
from reirrad.structures import Structure
from reirrad.yamlfile import did_you_mean

__all__ = ["load_case"]

SHORT_INTERVAL_DAYS = 183  # below about six months most reports speak of the same treatment or of early re-irradiation
OVERLAP_DAYS = 31  # a proposed course may start this long before the stated end of a prior one; more makes no sense


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
    _refuse_unsupported(file)
    choice, notices = _limits(file)
    courses, identities = [], []
    for number, entry in enumerate(file.courses):
        progress(f"reading course {printable(entry.name)}")
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
        )
        courses.append(course)
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
            f'Several courses are proposed ({listed}); limits of one course are held against "{printable(judged)}" only. '
            "Check the others as cases of their own."
        )
        notices.append(Notice("several_proposed_courses", message))
    if len(courses) == 1:
        notices.append(Notice("single_course", "The case has only one course: there is no prior dose to accumulate, and nothing here is cumulative."))
    transforms, methods = _transforms(file, courses, reference, identity, notices)
    organs, missing = _organs(file, courses[reference], notices)
    case = Case(
        name=file.title,
        courses=tuple(courses),
        reference=reference,
        transforms=transforms,
        registration=methods,
        organs=organs,
        missing=missing,
        alpha_beta_gy=dict(file.alpha_beta_gy),
        interpolation=file.interpolation,
        notices=tuple(notices),
    )
    return _with_interval_notices(case), choice


def _refuse_unsupported(file: CaseFile) -> None:
    """Keys of the contract that this version cannot compute are refused, never ignored."""
    for number, entry in enumerate(file.courses):
        if entry.prescription is not None:
            raise CaseFileError(
                f"{file.where('courses', number, 'prescription')}: a course without dose files cannot be computed by this version. "
                "Export its RTDOSE and RTPLAN, and name their folder under dicom."
            )
        if entry.per_day > 1:
            raise CaseFileError(
                f"{file.where('courses', number, 'per_day')}: incomplete repair between fractions of one day cannot be computed by this version, and "
                "leaving it out would give too low an EQD2. Calculate this case by other means."
            )
    if file.recovery != "none":
        raise CaseFileError(
            f'{file.where("recovery")}: no recovery model "{printable(file.recovery)}" exists in this version. Write recovery: none, or leave the key out.'
        )
    for number, registration in enumerate(file.registration):
        if registration.method in ("auto", "none"):
            raise CaseFileError(
                f"{file.where('registration', number, 'method')}: a case with registration method {registration.method} cannot be computed by this version. "
                "Export a rigid DICOM Spatial Registration from the planning system and write method: file with its file."
            )


def _limits(file: CaseFile) -> tuple[LimitChoice, list[Notice]]:
    """The limits of the library sets and files that the case names; every set when it names none."""
    notices = []
    names = list(file.constraints)
    if not names:
        names = list(set_names())
        notices.append(Notice("constraints_default", f"The case file names no constraints; every library set is used: {', '.join(names)}."))
    limits: dict[str, Limit] = {}
    own: set[str] = set()
    for number, name in enumerate(names):
        if name in file.limit_files:
            place = ("constraints",) if len(names) == 1 else ("constraints", number)
            found = load_limits(file.resolve(*place), printable(name))
            own |= {limit.id for limit in found}
        else:
            found = load_set(name)
        for limit in found:
            if limit.id in limits and limits[limit.id] != limit:
                raise CaseFileError(f'{file.where("constraints")}: two different limits have the id "{printable(limit.id)}"; rename one of them.')
            limits[limit.id] = limit
    for limit in limits.values():
        alpha_beta = file.alpha_beta_gy.get(limit.organ, organ(limit.organ).alpha_beta_gy)
        if limit.alpha_beta_gy is not None and abs(limit.alpha_beta_gy - alpha_beta) > 1e-6:
            notices.append(
                Notice(
                    "limit_alpha_beta_differs",
                    f"Limit {printable(limit.id)} is defined at alpha/beta {limit.alpha_beta_gy:g} Gy, the organ {limit.organ} is computed with "
                    f"{alpha_beta:g} Gy here; the limit is evaluated at its own {limit.alpha_beta_gy:g} Gy.",
                )
            )
    return LimitChoice(tuple(limits.values()), frozenset(own), tuple(names)), notices


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


def _transforms(
    file: CaseFile, courses: list[Course], reference: int, identity: Identity, notices: list[Notice]
) -> tuple[tuple[Rigid | None, ...], tuple[str, ...]]:
    """How points of the reference frame come to the frame of each course."""
    stated = {entry.course: number for number, entry in enumerate(file.registration)}
    frame = courses[reference].frame_uid
    transforms: list[Rigid | None] = []
    methods = []
    for course in courses:
        number = stated.get(course.name)
        method = "same_frame" if number is None else file.registration[number].method
        same = course.frame_uid == frame
        transform = None
        if method == "file" and number is not None:
            path = file.resolve("registration", number, "file")
            shown = path.relative_to(file.folder).as_posix()
            if same:
                message = f'Course "{printable(course.name)}" is in the reference frame already; the registration {shown} is not applied to it.'
                notices.append(Notice("registration_not_needed", message, course.name))
            else:
                transform = Rigid(read_rigid(path, shown, frame, course.frame_uid, identity=identity))
        elif method == "identity" and not same:
            notices.append(
                Notice(
                    "registration_identity",
                    f'Course "{printable(course.name)}" has another frame of reference than the reference course; the case file states that they are '
                    "identical, and so they are taken. Nothing here checks it.",
                    course.name,
                )
            )
        elif not same:
            raise CaseFileError(
                f'Courses "{printable(course.name)}" and "{printable(courses[reference].name)}" are in different DICOM frames of reference, and the case file '
                "has no registration for them; doses in different frames cannot be summed. Export a rigid Spatial Registration from the planning system and "
                f'name it under registration: in the case file, as {{course: "{printable(course.name)}", method: file, file: reg.dcm}}.'
            )
        elif method == "same_frame" and _other_ct(course.image, courses[reference].image):
            notices.append(
                Notice(
                    "same_frame_other_ct",
                    f'Course "{printable(course.name)}" shares the frame of reference of the reference course but has a CT series of its own; '
                    "coordinates are taken as common. Make sure that the series really were registered to one frame.",
                    course.name,
                )
            )
        transforms.append(transform)
        methods.append("same_frame" if same else method)
    return tuple(transforms), tuple(methods)


def _other_ct(one: ImageStack | None, two: ImageStack | None) -> bool:
    return one is not None and two is not None and one.series_uid != two.series_uid


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


def _with_interval_notices(case: Case) -> Case:
    """Say what the dates mean; refuse dates that make no sense."""
    if case.proposed is None or len(case.courses) == 1:
        return case
    days = case.interval_days
    notices = list(case.notices)
    if days is None:
        notices.append(
            Notice("interval_unknown", "The interval between the courses is not known: give completed for every prior and starts for the proposed course.")
        )
    elif days < -OVERLAP_DAYS:
        raise CaseFileError(
            f"The proposed course starts {-days} day(s) before a prior course was completed; the dates (starts, completed) cannot both be right. "
            "Correct them in the case file."
        )
    elif days < 0:
        message = f"The proposed course starts {-days} day(s) before a prior course was completed: the interval is negative. Check the dates."
        notices.append(Notice("interval_negative", message))
    elif days < SHORT_INTERVAL_DAYS:
        message = f"Only {days} day(s) lie between the end of the last prior course and the start of the proposed one: less than six months."
        notices.append(Notice("interval_short", message))
    return replace(case, notices=tuple(notices))
