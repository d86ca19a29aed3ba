"""A proposal for a case file, from whatever a folder of exports holds. It proposes; a person decides.

Doses are grouped by what they refer to: dose to plan, plan to structure set, structure set to images. Nothing that DICOM does not say
is stated as a fact, and a choice that could make a dose too low or count it twice is left open, so that the calculation refuses until
somebody has made it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from reirrad.course import Course
from reirrad.dicom.course import read_course
from reirrad.dicom.files import Record, Scan, scan
from reirrad.dicom.identity import hashed, same_patient
from reirrad.dicom.parsing import quiet, read_header, reading
from reirrad.dicom.rtdose import DoseHeader, read_dose_header
from reirrad.dicom.rtplan import PlanRecord, read_plan
from reirrad.dicom.rtstruct import StructureSet, read_structure_set
from reirrad.dicom.selection import UNUSABLE
from reirrad.dicom.spatial import read_transform
from reirrad.dicom.treatment import treatment_days
from reirrad.dicom.values import items, people_text, text, texts
from reirrad.errors import DicomError, ReirradError, printable
from reirrad.structures import Structure
from reirrad.treatments import CLOSE_DAYS, NAME_LENGTH, Treatment, course_names, grouped

__all__ = ["CourseDraft", "Draft", "Link", "PhaseDraft", "propose"]


@dataclass(frozen=True, slots=True)
class PhaseDraft:
    """One plan named in a case file, as `reirrad.dicom.phases.PhaseRequest`."""

    plan: str
    fractions: int | None = None
    concurrent: bool = False
    dicom: None = None


@dataclass(frozen=True, slots=True, eq=False)
class CourseDraft:
    """One course as proposed.

    Parameters
    ----------
    dicom : str
        Folder, relative to the case file.
    treatments : tuple of Treatment
        By date; more than one leaves open how they were given.
    phases : tuple of PhaseDraft
        How to name the plans where the folder does not tell them from others; empty where none can be named.
    is_shared : bool
        The folder also holds doses of other courses.
    radiation : str
        As the plans say; photon when they say nothing.
    days : (first, last) or None
        From treatment records.
    course : Course or None
        As read; None when it cannot be read yet.
    remarks : tuple of str
        What a person must decide or supply.
    """

    name: str
    kind: Literal["prior", "proposed"]
    dicom: str
    treatments: tuple[Treatment, ...]
    phases: tuple[PhaseDraft, ...]
    is_shared: bool
    records: tuple[Record, ...]
    radiation: str = "photon"
    days: tuple[dt.date, dt.date] | None = None
    course: Course | None = None
    remarks: tuple[str, ...] = ()

    @property
    def date(self) -> dt.date | None:
        """Date of the latest plan."""
        return max((t.date for t in self.treatments if t.date is not None), default=None)

    @property
    def is_decided(self) -> bool:
        """Whether nothing stands open that the calculation needs."""
        return len(self.treatments) == 1 and self.treatments[0].plan is not None and bool(self.phases or not self.is_shared)


@dataclass(frozen=True, slots=True)
class Link:
    """How a course gets to the frame of the reference course: by one file, or not (reason)."""

    course: str
    file: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A case file as proposed.

    Parameters
    ----------
    patient_id : str or None
        When every object carries it.
    reference : CourseDraft
    structures : tuple of Structure
        Of the reference course; empty when unknown.
    unused : tuple of (Record, str)
        Objects without a place in the proposal, and why.
    counts : dict
        Objects found by role.
    n_other : int
        Files that are no DICOM object.
    remarks : tuple of str
        About the case as a whole.
    """

    title: str
    patient_id: str | None
    courses: tuple[CourseDraft, ...]
    reference: CourseDraft
    structures: tuple[Structure, ...]
    links: tuple[Link, ...]
    unused: tuple[tuple[Record, str], ...]
    counts: dict[str, int]
    n_other: int
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Objects of the folder, read as far as grouping needs."""

    scan: Scan
    plans: dict[str, PlanRecord]
    sets: dict[str, StructureSet]
    treatments: tuple[Treatment, ...]
    unused: tuple[tuple[Record, str], ...]


def propose(folder: Path, base: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Draft:
    """Propose a case file.

    Parameters
    ----------
    folder : Path
        Searched recursively.
    base : Path, optional
        Folder the case file will lie in: `folder` itself, or one that holds it.
    progress : callable
        Told what is being read.

    Raises
    ------
    DicomError
        When there is no folder, no DICOM, no dose, a damaged object, or objects of more than one patient.
    """
    base = (base or folder).resolve()
    if not folder.is_dir():
        raise DicomError(f"{printable(folder.name or str(folder))} is not a folder. Give the folder with the exported DICOM files.")
    with quiet():
        progress("looking for DICOM objects")
        found = _find(scan(folder.resolve(), base))
        _refuse_several_patients(found.scan)
        groups = grouped(found.treatments)
        courses = []
        for k, (group, name) in enumerate(zip(groups, course_names(groups), strict=True)):
            progress(f"reading course {name}")
            kind: Literal["prior", "proposed"] = "proposed" if k == len(groups) - 1 else "prior"
            courses.append(_course(name, kind, group, found, base))
        patient_id, remarks = _patient(found.scan)
        remarks += _order_remarks(courses)
        courses = [_read(c, base, patient_id) for c in _with_gaps(courses)]
        reference = courses[-1]
        links = tuple(_link(c, reference, found.scan, base) for c in courses if c is not reference and _frame(c) != _frame(reference))
        used = {r.sop_instance_uid for c in courses for r in c.records}
        files = {link.file for link in links}
        left = [r for r in found.scan.records if r.role != "OTHER" and r.sop_instance_uid not in used and _relative(r.path, base) not in files]
        counts: dict[str, int] = {}
        for record in found.scan.records:
            counts[record.role] = counts.get(record.role, 0) + 1
        return Draft(
            title=printable(folder.resolve().name, NAME_LENGTH) or "case",
            patient_id=patient_id,
            courses=tuple(courses),
            reference=reference,
            structures=reference.course.structures if reference.course is not None else _structures(reference, found),
            links=links,
            unused=tuple((r, dict(found.unused).get(r, _WHY_LEFT.get(r.role, ""))) for r in left),
            counts=counts,
            n_other=found.scan.n_other,
            remarks=(*remarks, *(n.message for n in found.scan.notices)),
        )


_WHY_LEFT = {
    "CT": "no structure set of a course was drawn on it",
    "RTSTRUCT": "no plan with a dose refers to it",
    "RTPLAN": "no dose of this plan was found; if it was delivered, dose is missing",
    "RTRECORD": "of a plan without dose",
    "REG": "not named above",
}


def _find(found: Scan) -> _Found:
    """Read the headers of plans, doses and structure sets."""
    if not found.records:
        raise DicomError(f"The folder holds no DICOM object ({found.n_other} other file(s)). Export RTDOSE, RTPLAN, RTSTRUCT and CT of every course into it.")
    plans = {r.sop_instance_uid: read_plan(r) for r in found.of("RTPLAN")}
    sets = {r.sop_instance_uid: read_structure_set(r, ()) for r in found.of("RTSTRUCT")}
    unused: list[tuple[Record, str]] = []
    doses: dict[str, list[DoseHeader]] = {}
    for header in map(read_dose_header, found.of("RTDOSE")):
        uids = {p.plan_uid for p in header.plans} - {""}
        if header.pixels is None:
            unused.append((header.record, "dose-volume histograms only, no dose grid"))
        elif header.summation in UNUSABLE:
            unused.append((header.record, f"{UNUSABLE[header.summation]} ({header.summation})"))
        elif len(uids) > 1:
            unused.append((header.record, f"refers to {len(uids)} plans, so its fractions are ambiguous; take it away"))
        else:
            key = "".join(uids) or f"no plan {text(header.record.header, 'StudyInstanceUID')} {header.record.frame_uid}"
            doses.setdefault(key, []).append(header)
    if not doses:
        raise DicomError("The folder holds no RTDOSE with the dose of one plan. Export the dose of the plan of every course into it.")
    treatments = tuple(Treatment("" if key.startswith("no plan") else key, plans.get(key), tuple(d)) for key, d in doses.items())
    return _Found(found, plans, sets, treatments, tuple(unused))


def _refuse_several_patients(found: Scan) -> None:
    ids: dict[str, list[Record]] = {}
    for record in found.records:
        if record.identity.patient_id is not None:
            ids.setdefault(record.identity.patient_id, []).append(record)
    if len(ids) > 1:
        examples = "; ".join(f"{len(r)} object(s) such as {r[0].name}" for r in list(ids.values())[:4])
        raise DicomError(
            f"The folder holds objects of {len(ids)} patients, by their Patient ID: {examples}. "
            "A case is of one patient: give each patient a folder, or correct the Patient ID where an export changed it."
        )


def _patient(found: Scan) -> tuple[str | None, list[str]]:
    """The Patient ID when every object carries it, and what is odd about the identity."""
    _, notices = same_patient(((r.name, r.identity) for r in found.records), "of this folder")
    stated = people_text(found.records[0].header, "PatientID").strip()
    everywhere = all(r.identity.patient_id == hashed(stated) for r in found.records)
    writable = bool(stated) and len(stated) <= NAME_LENGTH and stated == printable(stated)
    return (stated if everywhere and writable else None), [n.message for n in notices]


def _course(name: str, kind: Literal["prior", "proposed"], group: tuple[Treatment, ...], found: _Found, base: Path) -> CourseDraft:
    """Everything that belongs to a group of treatments, and the folder that holds it."""
    plans = {t.plan.uid: t.plan for t in group if t.plan is not None}
    records = [d.record for t in group for d in t.doses] + [p.record for p in plans.values()]
    structure_set = _structure_set(group, found)
    if structure_set is not None:
        records.append(structure_set.record)
    days, day_records = treatment_days(found.scan.of("RTRECORD"), set(plans))
    images = _images(group[0].frame_uid, structure_set, found.scan)
    others = [d.record.path for t in found.treatments if t not in group for d in t.doses]
    dicom, is_shared = _folder(records, images, others, base)
    records += [*images, *day_records]
    own = {t.plan_uid for t in group}
    labels = [found_text for p in found.plans.values() for found_text in {p.label.strip(), p.name.strip()}]
    phases = () if "" in own else tuple(PhaseDraft(_call(t, labels)) for t in group)
    radiations = sorted({r for p in plans.values() for r in p.radiations})
    remarks = []
    if structure_set is None:
        remarks.append("no structure set belongs to it" + ("; the reference course needs one" if kind == "proposed" else ""))
    for treatment in group:
        if treatment.plan is None:
            lack = "refer to a plan that is not here" if treatment.plan_uid else "refer to no plan"
            remarks.append(f"{len(treatment.doses)} dose(s), {treatment.doses[0].name}, {lack}: fractions are unknown, add the plan or state them")
        elif treatment.plan.approval in ("REJECTED", "UNAPPROVED"):
            remarks.append(f"the plan {treatment.title} is {treatment.plan.approval}: is it the one that was treated?")
    if any("\ud800" <= c <= "\udfff" for c in str(dicom)):
        remarks.append("the name of its folder is no text (bytes that are not UTF-8), which a case file cannot hold: rename it")
    if is_shared and not phases:
        remarks.append(f"its dose refers to no plan and lies in one folder with doses of other courses: move {group[0].doses[0].name} into a folder of its own")
    return CourseDraft(
        name=name,
        kind=kind,
        dicom=_relative(dicom, base),
        treatments=group,
        phases=phases,
        is_shared=is_shared,
        records=tuple(records),
        radiation=radiations[0] if len(radiations) == 1 else "photon",
        days=(days[0], days[-1]) if days else None,
        remarks=tuple(remarks),
    )


def _folder(records: list[Record], images: list[Record], others: list[Path], base: Path) -> tuple[Path, bool]:
    """The folder that holds a course, and whether it also holds doses of others.

    Courses planned on one CT may each have a copy of it: then the copy beside dose and plan will do.
    """
    wide, narrow = (Path(os.path.commonpath([r.path.parent for r in some])) for some in (records + images, records))
    if not any(other.is_relative_to(wide) for other in others):
        return wide, False
    if not any(other.is_relative_to(narrow) for other in others):
        series = {r.series_uid for r in images}
        copies = [r for r in scan(narrow, base).of("CT") if r.series_uid in series]
        if _positions(copies) == _positions(images):
            return narrow, False
    return wide, True


def _positions(images: list[Record]) -> set[tuple[str, ...]]:
    return {tuple(texts(r.header, "ImagePositionPatient")) for r in images}


def _structure_set(group: tuple[Treatment, ...], found: _Found) -> StructureSet | None:
    """The set the latest plan refers to; else the only one in the frame of the dose that no plan refers to."""
    for treatment in reversed(group):
        if treatment.structure_set_uid in found.sets:
            return found.sets[treatment.structure_set_uid]
    taken = {p.structure_set_uid for p in found.plans.values()}
    free = [s for uid, s in found.sets.items() if s.frame_uid == group[0].frame_uid and uid not in taken]
    return free[0] if len(free) == 1 else None


def _images(frame_uid: str, structure_set: StructureSet | None, found: Scan) -> list[Record]:
    """CT planes the structure set was drawn on; without one, those in the frame of the dose."""
    series = structure_set.image_series if structure_set is not None else frozenset()
    in_frame = [r for r in found.of("CT") if r.frame_uid == frame_uid]
    return [r for r in in_frame if r.series_uid in series] or in_frame


def _call(treatment: Treatment, labels: list[str]) -> str:
    """How a case file names a plan: by its label where that is unique and plain, else by its UID."""
    label = treatment.plan.label.strip() if treatment.plan is not None else ""
    plain = 0 < len(label) <= NAME_LENGTH and label == printable(label)
    return label if plain and labels.count(label) == 1 else treatment.plan_uid


def _order_remarks(courses: list[CourseDraft]) -> list[str]:
    undated = [c.name for c in courses if c.date is None]
    remarks = [f"no plan date is known for {', '.join(undated)}: order and kind of the courses are a guess"] if undated and len(courses) > 1 else []
    if len(courses) > 1 and courses[-1].date is not None and courses[-1].date == courses[-2].date:
        remarks.append(f"{courses[-2].name} and {courses[-1].name} were planned on the same day: which one is proposed is a guess")
    return remarks


def _with_gaps(courses: list[CourseDraft]) -> list[CourseDraft]:
    """Say where two courses lie so close in time that they may be one."""
    said = courses[:1]
    for earlier, later in pairwise(courses):
        if earlier.date is not None and later.date is not None and (later.date - earlier.date).days <= CLOSE_DAYS:
            remark = f"planned only {(later.date - earlier.date).days} days after {earlier.name}: a new plan for the same course?"
            said.append(replace(later, remarks=(*later.remarks, remark)))
        else:
            said.append(later)
    return said


def _read(draft: CourseDraft, base: Path, patient_id: str | None) -> CourseDraft:
    """Try the proposal on the reader: whether it takes the doses meant, and no others."""
    if not draft.is_decided:
        return draft
    phases = draft.phases if draft.is_shared else None
    try:
        course, _ = read_course(draft.name, draft.kind, base / draft.dicom, base, phases=phases, radiation=draft.radiation, patient_id=patient_id)
    except ReirradError as refusal:
        remarks = [f"cannot be read as it stands: {refusal}"]
        if draft.is_shared:
            files = ", ".join(r.name for r in draft.records if r.role not in ("CT", "RTRECORD"))
            remarks.append(f"its folder holds doses of other courses; if that is the trouble, move {files} and their CT into a folder of their own")
        return replace(draft, remarks=(*draft.remarks, *remarks))
    used = {entry["sop_instance_uid"] for entry in course.inputs if entry["used"]}
    strangers = used - {r.sop_instance_uid for r in draft.records}
    if strangers:
        names = ", ".join(str(e["file"]) for e in course.inputs if e["sop_instance_uid"] in strangers)
        return replace(draft, course=course, remarks=(*draft.remarks, f"also takes {names} from its folder: check, or move it away"))
    return replace(draft, course=course)


def _frame(draft: CourseDraft) -> str:
    return draft.treatments[0].frame_uid


def _structures(draft: CourseDraft, found: _Found) -> tuple[Structure, ...]:
    """Structures of a course that cannot be read as a whole."""
    structure_set = _structure_set(draft.treatments, found)
    try:
        return () if structure_set is None else read_structure_set(structure_set.record).structures
    except ReirradError:
        return ()


def _link(draft: CourseDraft, reference: CourseDraft, found: Scan, base: Path) -> Link:
    """The registration object that joins two frames, when there is exactly one that can be used."""
    wanted = {_frame(draft), _frame(reference)}
    usable, reasons = [], []
    for record in found.of("REG"):
        if not wanted <= _frames_of(record):
            continue
        try:
            read_transform([(record.path, record.name)], _frame(reference), _frame(draft))
            usable.append(_relative(record.path, base))
        except ReirradError as refusal:
            reasons.append(str(refusal))
    if len(usable) == 1:
        return Link(draft.name, usable[0])
    if usable:
        return Link(draft.name, None, f"{len(usable)} registration objects join the two frames: {', '.join(usable)}; name the approved one")
    return Link(draft.name, None, " ".join(reasons) or "no registration object joins the two frames of reference; export a rigid Spatial Registration")


def _frames_of(record: Record) -> set[str]:
    """Frames of reference that a rigid or deformable registration object joins."""
    with reading(record.name):
        ds = read_header(record.path, record.name).dataset
        rigid = {text(item, "FrameOfReferenceUID") for item in items(ds, "RegistrationSequence")}
        deformable = {text(item, "SourceFrameOfReferenceUID") for item in items(ds, "DeformableRegistrationSequence")}
    return {record.frame_uid} | rigid | deformable


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()
