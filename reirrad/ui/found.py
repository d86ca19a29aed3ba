"""What the DICOM files of a case hold, as far as the Load page shows it: plans, structures, registrations; no doses."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from reirrad.dicom.files import Record, Scan, scan
from reirrad.dicom.parsing import quiet
from reirrad.dicom.rtdose import read_dose_header
from reirrad.dicom.rtplan import PlanRecord, read_plan
from reirrad.dicom.rtstruct import read_structure_set
from reirrad.draft import CourseDraft, Draft
from reirrad.errors import ReirradError, printable
from reirrad.structures import Structure
from reirrad.treatments import Treatment

__all__ = ["Found", "FoundCourse", "FoundPlan", "FoundStructure", "folders_of", "found_for", "found_in", "structures_of"]


@dataclass(frozen=True, slots=True)
class FoundPlan:
    """A plan with dose: what a case file calls it (empty where it cannot), and its planned fractions."""

    title: str
    call: str
    planned: int | None
    day: dt.date | None


@dataclass(frozen=True, slots=True)
class FoundStructure:
    """A structure: other, target or external; how many have its name; whether it has a closed contour."""

    name: str
    kind: str
    count: int
    is_empty: bool


@dataclass(frozen=True, slots=True)
class FoundCourse:
    """A course as the files suggest it, in one or more folders; `said` is what a person must decide or supply."""

    folders: tuple[str, ...]
    plans: tuple[FoundPlan, ...]
    structures: tuple[FoundStructure, ...]
    said: tuple[str, ...]

    @property
    def planned(self) -> int | None:
        """Planned fractions of the only plan."""
        return self.plans[0].planned if len(self.plans) == 1 else None


@dataclass(frozen=True, slots=True)
class Found:
    """What the files of a case hold.

    Parameters
    ----------
    courses : tuple of FoundCourse
    registrations : tuple of str
        Registration objects, relative to the case folder.
    counts : dict
        DICOM objects by role.
    n_other : int
        Files that are no DICOM objects.
    said : tuple of str
        About the case as a whole.
    """

    courses: tuple[FoundCourse, ...] = ()
    registrations: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    n_other: int = 0
    said: tuple[str, ...] = ()

    def of(self, entry: Mapping[str, Any]) -> FoundCourse | None:
        """The course that an entry of a case file means: of its folder and, where several share it, of its first plan."""
        here = folders_of(entry)
        alike = [c for c in self.courses if c.folders == here]
        plan = next((p.get("plan") for p in _phases(entry)), None)
        if plan is not None and len(alike) > 1:
            alike = [c for c in alike if any(p.call == plan for p in c.plans)]
        return alike[0] if len(alike) == 1 else None


def folders_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Folders that hold the files of a course, as its entry in a case file names them."""
    named = [entry.get("dicom"), *(phase.get("dicom") for phase in _phases(entry))]
    return tuple(PurePosixPath(str(folder)).as_posix() for folder in named if folder is not None)


def found_for(folder: Path, entries: Iterable[Mapping[str, Any]]) -> Found:
    """What the files hold for courses that a case file names.

    Parameters
    ----------
    folder : Path
        The case folder.
    entries : iterable of mapping
        Courses of its case files.
    """
    folder = folder.resolve()
    with quiet():
        try:
            everything = scan(folder, folder)
        except ReirradError as refusal:  # the case file may name what is fit among what is not
            return Found(said=(printable(f"The files could not be looked through as a whole: {refusal}", 600),))
        courses = []
        for entry in entries:
            inside = [(folder / name).resolve() for name in folders_of(entry)]
            records = [r for r in everything.records if any(r.path.is_relative_to(f) for f in inside)]
            try:
                courses.append(_course_among(entry, records))
            except ReirradError:  # told by the calculation
                continue
    counts = Counter(r.role for r in everything.records)
    said = tuple(printable(n.message, 600) for n in everything.notices)
    return Found(tuple(dict.fromkeys(courses)), _registrations(everything), counts, everything.n_other, said)


def found_in(draft: Draft) -> Found:
    """What the page keeps of a proposal: no doses."""
    links = {link.file for link in draft.links if link.file is not None}
    registrations = sorted(links | {r.name for r, _ in draft.unused if r.role == "REG"})
    unused = [f"Not used: {r.role} {r.name}: {why}." for r, why in draft.unused if r.role in ("RTDOSE", "RTPLAN", "RTSTRUCT")]
    links_said = {
        link.course: f"no registration: {link.reason}" if link.file is None else f"{link.file} joins the two frames of reference: is it approved?"
        for link in draft.links
    }
    courses = tuple(_found_course(course, links_said.get(course.name), draft) for course in draft.courses)
    return Found(courses, tuple(registrations), draft.counts, draft.n_other, tuple(printable(s, 600) for s in (*draft.remarks, *unused)))


def structures_of(structures: tuple[Structure, ...]) -> tuple[FoundStructure, ...]:
    """Structures by name, each name once."""
    counts = Counter(s.name for s in structures)
    first = {s.name: s for s in reversed(structures)}
    return tuple(FoundStructure(name, first[name].kind, n, not first[name].contours) for name, n in counts.items())


def _course_among(entry: Mapping[str, Any], records: list[Record]) -> FoundCourse:
    """A course as its entry names it: the plans with dose in its folders, or those its phases name, and the structures these refer to."""
    doses = {p.plan_uid for r in records if r.role == "RTDOSE" for p in read_dose_header(r).plans}
    plans = [p for p in (read_plan(r) for r in records if r.role == "RTPLAN") if p.uid in doses]
    named = [str(phase["plan"]) for phase in _phases(entry) if phase.get("plan") is not None]
    called = [(p, name) for name in named for p in plans if name in (p.label.strip(), p.uid)] if named else [(p, p.uid) for p in plans]
    sets = [r for r in records if r.role == "RTSTRUCT"]
    meant = [r for r in sets if r.sop_instance_uid in {p.structure_set_uid for p, _ in called}] or sets
    structures = structures_of(read_structure_set(meant[0]).structures) if len(meant) == 1 else ()
    return FoundCourse(folders_of(entry), tuple(_plan_record(p, call) for p, call in called), structures, ())


def _plan_record(plan: PlanRecord, call: str) -> FoundPlan:
    return FoundPlan(plan.title, call, plan.planned_fractions, plan.plan_day)


def _registrations(found: Scan) -> tuple[str, ...]:
    return tuple(r.name for r in found.of("REG"))


def _phases(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    phases = entry.get("phases")
    return [p for p in phases if isinstance(p, dict)] if isinstance(phases, list) else []


def _found_course(course: CourseDraft, link: str | None, draft: Draft) -> FoundCourse:
    structures = draft.structures if course is draft.reference else () if course.course is None else course.course.structures
    said = [*course.remarks, *([] if link is None else [link])]
    calls = [p.plan for p in course.phases] or [""] * len(course.treatments)
    plans = tuple(_found_plan(t, call) for t, call in zip(course.treatments, calls, strict=True))
    return FoundCourse((course.dicom,), plans, structures_of(structures), tuple(printable(s, 600) for s in said))


def _found_plan(treatment: Treatment, call: str) -> FoundPlan:
    return FoundPlan(printable(treatment.title), call, None if treatment.plan is None else treatment.plan.planned_fractions, treatment.date)
