"""The case file: what a person states about a case, checked key by key with line numbers.

It states; it does not compute. Which plans, doses and structures the folders hold is read elsewhere.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reirrad.casefolder import CASE_FILE, open_case, resolve_inside
from reirrad.casemodel import CaseFile, CourseEntry, DeliveryEntry, PhaseEntry, Prescription, RegistrationEntry
from reirrad.errors import CaseFileError, printable
from reirrad.metrics import parse_metric
from reirrad.yamlfile import Document, Place, Problem, did_you_mean, load_yaml

__all__ = [
    "CASE_FILE",
    "CaseFile",
    "CourseEntry",
    "PhaseEntry",
    "Prescription",
    "RegistrationEntry",
    "case_schema",
    "open_case",
    "read_case_file",
    "resolve_inside",
]


def read_case_file(case_path: Path, today: dt.date | None = None) -> CaseFile:
    """Read and check a case file.

    Parameters
    ----------
    case_path : Path
        A folder that holds ``case.yaml``, or a case file itself.
    today : date, optional
        For dates that cannot be in the future; the day of the call by default.

    Raises
    ------
    CaseFileError
        With every problem found and its line.
    """
    try:
        is_folder = case_path.is_dir()
        folder = (case_path if is_folder else case_path.parent).resolve(strict=True)
    except (OSError, RuntimeError):
        raise CaseFileError(f"{printable(case_path.name)}: no such case was found; needed a folder that holds {CASE_FILE}.") from None
    name = CASE_FILE if is_folder else case_path.name
    shown = printable(name)
    if not os.path.lexists(folder / name):
        raise CaseFileError(f"{shown} was not found; needed a case folder that holds {CASE_FILE}, or the path of a case file.")
    document = load_yaml(resolve_inside(folder, name, shown), shown, CaseFileError)
    case = document.validate(CaseFile)
    problems = [
        *_course_problems(case, today or dt.date.today()),
        *_reference_problems(case),
        *_recovery_problems(case),
        *_sensitivity_problems(case),
        *_tumour_problems(case),
        *_path_problems(case, document, folder),
    ]
    if problems := problems or list(_paper_problems(case)):
        document.refuse(problems)
    case._folder, case._document = folder, document
    return case


def case_schema() -> dict[str, Any]:
    """JSON schema of the case file, for editors."""
    return CaseFile.model_json_schema()


def _course_problems(case: CaseFile, today: dt.date) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, course in enumerate(case.courses):
        here: Place = ("courses", i)
        if course.name in seen:
            yield Problem((*here, "name"), f'the course name "{printable(course.name)}" is given twice (also courses[{seen[course.name]}]); names must differ')
        seen.setdefault(course.name, i)
        yield from _source_problems(course, here)
        yield from _delivery_problems(course, here)
        yield from _date_problems(course, here, today)


def _source_problems(course: CourseEntry, here: Place) -> Iterator[Problem]:
    """Where the dose of a course comes from: a folder, phases, or paper."""
    phases = course.phases or []
    if course.records is not None:
        for key in ("dicom", "phases", "prescription", "prescription_gy", "organ_doses", "dvh", "fractions", "interval_h", "delivery"):
            if getattr(course, key) is not None:
                yield Problem((*here, key), f"records: none says that nothing is known of the dose of this course; take away either it or {key}")
    elif course.prescription is None:
        for key, what in (("organ_doses", "organ doses belong"), ("dvh", "a DVH belongs")):
            if getattr(course, key) is not None:
                yield Problem((*here, key), f"{what} to a course with a prescription and without dose files")
        if course.dicom is None and not phases:
            yield Problem(here, "names no data; needed dicom (a folder), phases, a prescription, or records: none")
    else:
        if course.dicom is not None or phases:
            yield Problem((*here, "prescription"), "a prescription replaces dose files; keep either the prescription or the folder")
        if course.prescription_gy is not None:
            yield Problem((*here, "prescription_gy"), "the prescribed dose is given twice; keep prescription of a course without dose files")
        if course.dvh is not None and course.organ_doses is not None:
            yield Problem((*here, "organ_doses"), "doses of organs are given twice, in a DVH and one by one; keep one of the two")
        if course.fractions is not None and course.fractions > course.prescription.fractions:
            yield Problem((*here, "fractions"), f"{course.fractions} delivered fractions are more than the {course.prescription.fractions} prescribed")
        if course.rbe is not None:
            yield Problem((*here, "rbe"), "doses on paper are taken as they stand; state them in Gy (RBE), without rbe")
    for key, doses in (course.organ_doses or {}).items():
        if len({parse_metric(text) for text in doses}) < len(doses):
            yield Problem((*here, "organ_doses", key), "the same metric is given twice; keep one")
    if phases and course.fractions is not None:
        yield Problem((*here, "fractions"), "a course with phases states the fractions in each phase")
    for k, phase in enumerate(phases):
        at: Place = (*here, "phases", k)
        if (phase.dicom is None) == (phase.plan is None):
            yield Problem(at, "a phase needs either dicom (its folder) or plan (a plan of the course's folder)")
        elif phase.plan is not None and course.dicom is None:
            yield Problem((*at, "plan"), "the plan of a phase is looked for in the folder of its course, which has no dicom")
        if k == 0 and phase.concurrent:
            yield Problem((*at, "concurrent"), "the first phase has no phase before it to be concurrent with")


def _delivery_problems(course: CourseEntry, here: Place) -> Iterator[Problem]:
    if course.rbe is not None and course.radiation != "proton":
        yield Problem((*here, "rbe"), f"an RBE multiplies a physical proton dose, but the radiation is {course.radiation}")
    if course.per_day > 1 and course.interval_h is None:
        yield Problem((*here, "per_day"), "more than one fraction a day needs interval_h, the hours between them")
    if course.per_day == 1 and course.interval_h is not None:
        yield Problem((*here, "interval_h"), "hours between fractions of a day need per_day above 1")
    if course.interval_h is not None and (course.per_day - 1) * course.interval_h >= 24:
        yield Problem((*here, "interval_h"), f"{course.per_day} fractions {course.interval_h:g} hours apart do not fit into a day")
    if course.let is not None and course.let_kev_um is not None:
        yield Problem((*here, "let_kev_um"), "LET is given twice, as a number and as a file; keep one of the two")
    for key in ("let", "let_kev_um"):
        if getattr(course, key) is not None and (course.radiation != "proton" or course.is_on_paper):
            yield Problem((*here, key), "LET serves for a proton course with dose files; state radiation: proton, or take it away")
    if course.delivery is not None:
        yield from _pattern_problems(course, course.delivery, (*here, "delivery"))


NEEDED = {"low_dose_rate": ("hours",), "pulsed": ("pulses", "period_h", "pulse_h"), "permanent": ("half_life_days",), "slow_fraction": ("minutes",)}


def _pattern_problems(course: CourseEntry, delivery: DeliveryEntry, here: Place) -> Iterator[Problem]:
    """What a slow delivery must state, and what it cannot go with."""
    needed = NEEDED[delivery.pattern]
    for key in needed:
        if getattr(delivery, key) is None:
            yield Problem(here, f"the pattern {delivery.pattern} needs {key}")
    for key in sorted(delivery.model_fields_set - {"pattern", *needed}):
        yield Problem((*here, key), f"{key} does not belong to the pattern {delivery.pattern}, which needs {', '.join(needed)}")
    if course.per_day > 1:
        yield Problem((*here, "pattern"), "several fractions a day and a slow delivery cannot be combined; state one of the two")
    if delivery.pulse_h is not None and delivery.period_h is not None and delivery.pulse_h > delivery.period_h:
        yield Problem((*here, "pulse_h"), f"a pulse of {delivery.pulse_h:g} h is longer than the {delivery.period_h:g} h from one to the next")


def _date_problems(course: CourseEntry, here: Place, today: dt.date) -> Iterator[Problem]:
    for key, day in (("starts", course.starts), ("completed", course.completed)):
        # one day of grace: the date of another time zone
        if course.kind == "prior" and day is not None and day > today + dt.timedelta(days=1):
            yield Problem((*here, key), f"the date {day} of a prior course lies in the future")
    if course.starts is not None and course.completed is not None and course.completed < course.starts:
        yield Problem((*here, "completed"), f"the course is completed on {course.completed}, before it starts on {course.starts}")


def _reference_problems(case: CaseFile) -> Iterator[Problem]:
    names = [c.name for c in case.courses]
    on_paper = [c.name for c in case.courses if c.is_on_paper]
    if case.reference is not None and case.reference not in names:
        yield Problem(("reference",), _unknown_course(case.reference, names))
    seen: set[str] = set()
    for i, entry in enumerate(case.registration):
        here: Place = ("registration", i)
        if entry.course not in names:
            yield Problem((*here, "course"), _unknown_course(entry.course, names))
        if entry.course in seen:
            yield Problem((*here, "course"), f'the course "{printable(entry.course)}" has two registration entries; keep one')
        seen.add(entry.course)
        if entry.method == "file" and entry.file is None:
            yield Problem(here, "method file needs the key file")
        if entry.method != "file" and entry.file is not None:
            yield Problem((*here, "file"), f"a file is given, but the method is {entry.method}; needed method: file, or no file")
        if entry.structures is not None and entry.method != "auto":
            yield Problem((*here, "structures"), f"structures restrict an automatic registration, but the method is {entry.method}; take them away")
        if entry.course in on_paper:
            yield Problem((*here, "course"), f'"{printable(entry.course)}" is known from paper only; there is nothing to register')
        if entry.course == case.reference_course and entry.method in ("file", "auto"):
            yield Problem((*here, "course"), f'"{printable(entry.course)}" is the reference course, whose frame the others are brought into')


def _paper_problems(case: CaseFile) -> Iterator[Problem]:
    """Whether a course is there whose structures and frame can be used."""
    if all(c.is_on_paper for c in case.courses):
        message = (
            "every course is known from paper only; needed at least one with DICOM files, whose structures are used. To add doses on paper use reirrad eqd2"
        )
        yield Problem(("courses",), message)
    elif case.reference in [c.name for c in case.courses if c.is_on_paper]:
        yield Problem(("reference",), "the reference course is known from paper only and has no structures; needed a course with DICOM files")


def _recovery_problems(case: CaseFile) -> Iterator[Problem]:
    for key, choice in case.recovery.items():
        here: Place = ("recovery", key)
        if (choice.model is None) == (choice.steps is None):
            yield Problem(here, "recovery needs either model (a name) or steps (pairs of months and recovered part)")
        if choice.steps is not None and choice.source is None:
            yield Problem(here, "recovery by steps of one's own needs source: where they come from")
        if choice.steps is None and choice.source is not None:
            yield Problem((*here, "source"), "source belongs to steps; a model has its own")
        before = (-1.0, 0.0)
        for k, (months, part) in enumerate(choice.steps or []):
            if not 0 <= part <= 1:
                yield Problem((*here, "steps", k), f"found a recovered part of {part:g}; needed a number from 0 (none) to 1 (all)")
            elif months < 0 or months <= before[0] or part < before[1]:
                yield Problem((*here, "steps", k), "months must rise from step to step, from 0 or more, and the recovered part must not fall")
            before = (months, part)


def _sensitivity_problems(case: CaseFile) -> Iterator[Problem]:
    usc = ("alpha_per_gy", "d0_gy", "dq_gy")
    for k, entry in enumerate(case.sensitivities):
        here: Place = ("sensitivities", k)
        wrong = usc if entry.model == "lq-l" else ("transition_gy",)
        for key in wrong:
            if getattr(entry, key) is not None:
                yield Problem((*here, key), f"{key} does not belong to the model {entry.model}")
        if entry.model == "usc" and any(getattr(entry, key) is None for key in usc):
            yield Problem(here, f"the model usc needs {', '.join(usc)}")


def _tumour_problems(case: CaseFile) -> Iterator[Problem]:
    """Growth needs both numbers, alpha/beta of a map either one for all or one by organ."""
    if case.tumour is not None and (case.tumour.repopulation_gy_per_day is None) != (case.tumour.kickoff_day is None):
        yield Problem(("tumour",), "repopulation needs both repopulation_gy_per_day (BED, Gy) and kickoff_day; add the one that is missing or take both away")
    if case.tumour is not None and len(set(case.tumour.alpha_beta_gy)) < len(case.tumour.alpha_beta_gy):
        yield Problem(("tumour", "alpha_beta_gy"), "the same alpha/beta is given twice; keep one")
    if case.export is not None and case.export.alpha_beta_gy is not None and case.export.model_fields_set - {"alpha_beta_gy"}:
        yield Problem(("export",), "one alpha/beta for all voxels, or priority and other_alpha_beta_gy for a map by organ; needed is one of the two")
    if case.export is not None and len(set(case.export.priority)) < len(case.export.priority):
        yield Problem(("export", "priority"), "the same organ is given twice; keep one")


def _unknown_course(name: str, names: list[str]) -> str:
    return f'no course is named "{printable(name)}"{did_you_mean(name, names)}'


def _path_problems(case: CaseFile, document: Document, folder: Path) -> Iterator[Problem]:
    """Every path, resolved once here, so that a wrong one is told with its line before anything is read."""
    places: list[tuple[Place, str, bool]] = []
    for i, course in enumerate(case.courses):
        places.append((("courses", i, "dicom"), course.dicom or "", True))
        places += [(("courses", i, key), getattr(course, key) or "", False) for key in ("dvh", "let")]
        places += [(("courses", i, "phases", k, "dicom"), phase.dicom or "", True) for k, phase in enumerate(course.phases or [])]
    for i, entry in enumerate(case.registration):
        here: Place = ("registration", i, "file")
        single = here in document.plain.written
        places += [(here if single else (*here, k), text, False) for k, text in enumerate(entry.file or ())]
    alone = ("constraints",) in document.plain.written
    for k, constraint in enumerate(case.constraints):
        if constraint in case.limit_files or {"/", "\\"} & set(constraint):
            places.append((("constraints",) if alone else ("constraints", k), constraint, False))
    for place, text, is_folder in places:
        if place not in document.plain.written:
            continue
        try:
            found = resolve_inside(folder, text, "")
        except CaseFileError as error:
            yield Problem(place, str(error).removeprefix(": ").rstrip("."))
            continue
        if place[-1] == "let" and any(found.is_relative_to(f) for f in _dose_folders(case, folder)):
            yield Problem(place, "the LET lies in a folder with dose files and would be taken for a dose; put it into a folder of its own")
        if is_folder != found.is_dir():
            yield Problem(place, f'"{printable(text, 60)}" is {"not a folder" if is_folder else "not a file"}')


def _dose_folders(case: CaseFile, folder: Path) -> list[Path]:
    """Folders in which every RTDOSE is taken for a dose."""
    named = [c.dicom for c in case.courses] + [p.dicom for c in case.courses for p in c.phases or []]
    return [(folder / name).resolve() for name in named if name is not None]
