"""From a folder of DICOM objects to a course."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from reirrad.course import Component, Course, Phase
from reirrad.dicom.contradiction import check_other_doses
from reirrad.dicom.files import Record, Scan, scan
from reirrad.dicom.identity import Identity, same_patient
from reirrad.dicom.images import read_stack
from reirrad.dicom.inputs import Ledger
from reirrad.dicom.parsing import quiet
from reirrad.dicom.phases import PhaseRequest, PlanDrafts, plan_drafts
from reirrad.dicom.planes import read_source
from reirrad.dicom.plausibility import check_dose, check_prescription, maximum_gy
from reirrad.dicom.rtdose import DoseHeader, check_delivered, check_quantity, read_dose_header
from reirrad.dicom.rtplan import PlanRecord, read_plan
from reirrad.dicom.rtstruct import StructureSet, read_structure_set
from reirrad.dicom.selection import Draft
from reirrad.dicom.treatment import treatment_days
from reirrad.dose import DoseGrid
from reirrad.errors import DicomError, Notice, printable

__all__ = ["PhaseRequest", "read_course"]

NOT_TREATMENT = ("VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE")
SLOW_BRACHY = ("LDR", "PDR", "MDR")

DEFAULT_PROTON_RBE = 1.1
_USABLE_RADIATION = ("photon", "electron", "proton", "brachy")


def read_course(
    name: str,
    kind: Literal["prior", "proposed"],
    folder: Path | None,
    root: Path,
    *,
    fractions: int | None = None,
    phases: Sequence[PhaseRequest] | None = None,
    radiation: str | None = None,
    rbe: float | None = None,
    completed: dt.date | None = None,
    starts: dt.date | None = None,
    patient_id: str | None = None,
    is_slow: bool = False,
) -> tuple[Course, Identity]:
    """Read everything of one course.

    Parameters
    ----------
    name, kind : str
        As in the case file.
    folder : Path or None
        Folder of the course; None when every phase names one.
    root : Path
        Case folder, outside which nothing is read.
    fractions, phases, radiation, rbe, completed, starts, patient_id : optional
        As the case file states them.
    is_slow : bool
        Whether the case file states how slowly the dose is given: low or pulsed dose rate, or a permanent implant.

    Returns
    -------
    course : Course
        Physical dose (times the RBE for protons) of the delivered fractions, structures, CT planes, notices.
    identity : Identity
        Whose course it is, hashed, to be compared between courses.

    Raises
    ------
    DicomError
        When objects are missing, damaged, contradictory or ambiguous.
    """
    with quiet():
        requests = [(p, _phase_folder(p, folder, root)) for p in phases] if phases else None
        found = _scanned(folder, root, [f for _, f in requests or () if f is not None])
        notices = [Notice(n.code, n.message, course=name) for n in found.notices]
        identity, identity_notices = same_patient(((r.name, r.identity) for r in found.records), name, patient_id)
        notices += identity_notices
        ledger = Ledger(found.records)
        plans = {r.sop_instance_uid: read_plan(r) for r in found.of("RTPLAN")}
        headers = [read_dose_header(r) for r in found.of("RTDOSE")]
        for header in headers:
            if header.pixels is None:
                ledger.skip(header.record, "dose-volume histograms only, no dose grid")
        headers = [h for h in headers if h.pixels is not None]
        if not headers:
            raise DicomError(f"The folder {found.folder} of course '{printable(name)}' has no RTDOSE with a dose grid. Export the dose of its plan into it.")
        chosen = plan_drafts(headers, plans, fractions, requests, name)
        drafts = [d for group in chosen for d in group.drafts]
        notices += [n for group in chosen for n in group.notices]
        used_plans = _note_plans(plans, drafts, headers, ledger, notices, name)
        _check_dose_rate(used_plans, is_slow, name)
        radiation = _radiation(radiation, used_plans, name)
        frame_uid = _dose_frame(drafts)
        structure_set = _structure_set(found.of("RTSTRUCT"), used_plans, frame_uid, ledger, notices, name)
        series = structure_set.image_series if structure_set is not None else frozenset()
        image, image_notices = read_stack(found.of("CT"), frame_uid, series, name)
        notices += image_notices
        for record in found.of("CT"):
            if image is not None and record.series_uid == image.series_uid:
                ledger.use(record, "planning image")
        factor = _rbe_factor(drafts, radiation, rbe, notices, name)
        ready = _phases(chosen, factor, radiation == "brachy", ledger, notices, name)
        unused = [h for h in headers if not ledger.uses(h.record)]
        if unused:
            for draft, phase in zip(drafts, ready, strict=True):
                notices += check_other_doses(draft, phase.components, factor, unused, name)
        for header in headers:
            ledger.skip(header.record, "not needed: other doses cover its plan")
        days, records = treatment_days(found.of("RTRECORD"), {p.uid for p in used_plans})
        for record in records:
            ledger.use(record, "days of treatment")
        course = Course(
            name=name,
            kind=kind,
            phases=ready,
            frame_uid=frame_uid,
            structures=structure_set.structures if structure_set is not None else (),
            image=image,
            first_day=starts or (days[0] if days else None),
            last_day=completed or (days[-1] if days else None),
            radiation=radiation,
            rbe=factor if radiation == "proton" and not _is_effective(drafts) else None,
            inputs=ledger.entries(),
            notices=tuple(notices),
        )
        return course, identity


def _phase_folder(request: PhaseRequest, folder: Path | None, root: Path) -> Path | None:
    """Folder of a phase, which may be given relative to the case folder or to that of the course."""
    if request.dicom is None:
        return None
    candidates = [root / request.dicom] + ([folder / request.dicom] if folder is not None else [])
    return next((c for c in candidates if c.exists()), candidates[0])


def _scanned(folder: Path | None, root: Path, phase_folders: list[Path]) -> Scan:
    """One scan of the folder of the course and of phase folders that lie beside it."""
    outside = [f for f in phase_folders if folder is None or not f.resolve().is_relative_to(folder.resolve())]
    scans = [scan(f, root) for f in ([folder] if folder is not None else []) + outside]
    if not scans:
        raise DicomError("A course names no folder. State `dicom:` for the course or for each of its phases.")
    records = {r.path: r for s in scans for r in s.records}
    by_uid: dict[str, Record] = {}
    for record in records.values():
        other = by_uid.setdefault(record.sop_instance_uid, record)
        if other is not record and other.sha256() != record.sha256():
            raise DicomError(f"{other.name} and {record.name} have the same SOP Instance UID but different content. Keep one of them.")
    return Scan(scans[0].folder, tuple(by_uid.values()), tuple(n for s in scans for n in s.notices))


def _note_plans(
    plans: dict[str, PlanRecord], drafts: list[Draft], headers: list[DoseHeader], ledger: Ledger, notices: list[Notice], course: str
) -> list[PlanRecord]:
    """Plans in use, each once; notices on their approval and on plans without dose."""
    used: dict[str, PlanRecord] = {}
    for draft in drafts:
        if draft.plan is not None:
            used[draft.plan.uid] = draft.plan
    for plan in used.values():
        ledger.use(plan.record, "fractions and prescription")
        if plan.approval in ("REJECTED", "UNAPPROVED"):
            message = f"The plan {plan.title} is {plan.approval} (Approval Status): check that it is the plan that was treated."
            notices.append(Notice("plan_not_approved", message, course=course))
        if plan.intent in NOT_TREATMENT:
            message = f"The plan {plan.title} has the Plan Intent {plan.intent}: check that it was made to treat the patient."
            notices.append(Notice("plan_intent", message, course=course))
    referenced = {p.plan_uid for h in headers for p in h.plans}
    for plan in plans.values():
        if plan.uid not in used:
            ledger.skip(plan.record, "no dose of this plan is used")
        if plan.uid not in referenced:
            message = f"The plan {plan.title} ({plan.record.name}) has no dose in the folder and does not count. If it was delivered, dose is missing."
            notices.append(Notice("plan_without_dose", message, course=course))
    return list(used.values())


def _check_dose_rate(plans: list[PlanRecord], is_slow: bool, course: str) -> None:
    """What the plans say of the dose rate and what the case file says must agree: the effect depends on it."""
    for plan in plans:
        if plan.brachy_type in SLOW_BRACHY and not is_slow:
            raise DicomError(
                f"The plan {plan.title} of course '{printable(course)}' is {plan.brachy_type} brachytherapy (Brachy Treatment Type), whose effect depends on "
                "the dose rate. State it under delivery: in the case file, for example {pattern: low_dose_rate, hours: 60}."
            )
        if plan.brachy_type == "HDR" and is_slow:
            raise DicomError(
                f"The plan {plan.title} of course '{printable(course)}' is HDR brachytherapy (Brachy Treatment Type), but the case file states a slow "
                "delivery. Correct the one that is wrong."
            )


def _radiation(stated: str | None, plans: list[PlanRecord], course: str) -> str:
    """Radiation of a course: as stated, which its plans may not contradict, or theirs."""
    found = {r for p in plans for r in p.radiations}
    if stated is not None and found and stated not in found:
        listed = " and ".join(sorted(found))
        raise DicomError(f"Course '{printable(course)}' states radiation: {stated}, but its plan gives {listed}. Correct the case file.")
    if found == {"electron", "photon"}:
        found = {stated or "photon"}
    if len(found) > 1 or (found and not found <= set(_USABLE_RADIATION)):
        listed = " and ".join(sorted(found))
        raise DicomError(
            f"The plan of course '{printable(course)}' gives {listed}, for which no conversion is known here. Photon, electron, proton or brachy is needed."
        )
    return stated or (found.pop() if found else "photon")


def _dose_frame(drafts: list[Draft]) -> str:
    """The one Frame of Reference UID of all doses in use."""
    first = drafts[0].parts[0].source[0]
    for header in (h for d in drafts for p in d.parts for h in p.source):
        if not header.record.frame_uid:
            raise DicomError(f"{header.name}: Frame of Reference UID (0020,0052) is missing, so the dose has no place in the patient. Export the dose again.")
        if header.record.frame_uid != first.record.frame_uid:
            raise DicomError(
                f"{first.name} and {header.name} are doses of one course in different frames of reference. "
                "State them as two courses with a registration between them."
            )
    return first.record.frame_uid


def _structure_set(
    records: tuple[Record, ...], plans: list[PlanRecord], frame_uid: str, ledger: Ledger, notices: list[Notice], course: str
) -> StructureSet | None:
    """The structure set the plan refers to, or the only one."""
    if not records:
        return None
    wanted = [p.structure_set_uid for p in plans if p.structure_set_uid]
    by_uid = {r.sop_instance_uid: r for r in records}
    named = [by_uid[uid] for uid in dict.fromkeys(wanted) if uid in by_uid]
    if not named and len(records) > 1:
        files = ", ".join(r.name for r in records[:4])
        raise DicomError(
            f"The folder of course '{printable(course)}' holds {len(records)} structure sets ({files}) and no plan refers to one. Keep the valid one."
        )
    record = named[0] if named else records[0]
    if not named and wanted:
        message = f"The plan refers to a structure set that is not in the folder; {record.name} is used instead. Check that it belongs to the plan."
        notices.append(Notice("structure_set_not_referenced", message, course=course))
    for other in records:
        if other is not record:
            ledger.skip(other, "the plan refers to another structure set")
            message = f"The structure set {other.name} is not used; the plan refers to {record.name}."
            notices.append(Notice("structure_set_unused", message, course=course))
    structure_set = read_structure_set(record)
    ledger.use(record, "structures")
    if not structure_set.frame_uid:
        raise DicomError(
            f"{record.name}: the structure set names no frame of reference, so its contours have no place in the patient. Export the structures again."
        )
    if structure_set.frame_uid != frame_uid:
        raise DicomError(
            f"The structures ({record.name}) and the dose of course '{printable(course)}' lie in different frames of reference. "
            "Export dose and structures of the same planning image."
        )
    notices += [Notice(n.code, n.message, course, n.structure) for n in structure_set.notices]
    return structure_set


def _is_effective(drafts: list[Draft]) -> bool:
    return any(h.dose_type == "EFFECTIVE" for d in drafts for p in d.parts for h in p.source)


def _rbe_factor(drafts: list[Draft], radiation: str, rbe: float | None, notices: list[Notice], course: str) -> float:
    """Factor from stored to photon-equivalent dose; notices on what was done."""
    headers = [h for d in drafts for p in d.parts for h in p.source]
    for header in headers:
        check_quantity(header)
        check_delivered(header)
    kinds = {h.dose_type for h in headers}
    if len(kinds) > 1:
        raise DicomError(f"The doses of course '{printable(course)}' are partly PHYSICAL and partly EFFECTIVE. Export all with the same Dose Type.")
    if kinds == {"EFFECTIVE"}:
        if rbe is not None:
            raise DicomError(
                f"{headers[0].name} is an EFFECTIVE dose, which holds its RBE already, but `rbe:` is stated. Take `rbe:` away or export the PHYSICAL dose."
            )
        message = (
            f"{headers[0].name} is an EFFECTIVE dose; it is taken as physical dose times RBE, converted once. If it is BED or EQD2 already, results are wrong."
        )
        notices.append(Notice("dose_type_effective", message, course=course))
        return 1.0
    if radiation != "proton":
        if rbe is not None and rbe != 1.0:
            raise DicomError(f"`rbe:` is stated for course '{printable(course)}' of radiation {radiation}; it is for protons. Take it away.")
        return 1.0
    factor = DEFAULT_PROTON_RBE if rbe is None else rbe
    if not 0.5 <= factor <= 5:
        raise DicomError(f"The rbe of course '{printable(course)}' is {factor:g}; a value between 0.5 and 5 is needed.")
    notices.append(Notice("rbe_applied", f"The physical proton dose is multiplied by an RBE of {factor:g} before conversion.", course=course))
    return factor


def _phases(chosen: list[PlanDrafts], factor: float, brachy: bool, ledger: Ledger, notices: list[Notice], course: str) -> tuple[Phase, ...]:
    """Read the pixels of every dose in use, once, and check what they hold."""
    phases: list[Phase] = []
    for group in chosen:
        maxima: list[float] = []
        for k, draft in enumerate(group.drafts):
            components = _components(draft, factor, ledger)
            name = draft.parts[0].source[0].name
            for component in components:
                notices += [n for n in check_dose(component, name, course) if n not in notices]
            # a prescription of protons is in the unit of the dose times RBE
            maxima.append(maximum_gy(components))
            phases.append(
                Phase(
                    label=printable(draft.label, 60),
                    components=components,
                    fractions=draft.fractions,
                    planned_fractions=draft.planned_fractions,
                    prescription_gy=draft.prescription_gy,
                    concurrent=group.concurrent and k == 0,
                )
            )
        notices += check_prescription(list(group.drafts), maxima, course, brachy=brachy)
    return tuple(phases)


def _components(draft: Draft, factor: float, ledger: Ledger) -> tuple[Component, ...]:
    """Doses of a draft; those on the same grid summed."""
    components: list[Component] = []
    for part in draft.parts:
        for header in part.source:
            ledger.use(header.record, f"dose of {draft.label} ({header.summation})")
        dose, times = read_source(part.source), part.factor * factor
        for k, other in enumerate(components):
            if other.factor == times and _same_grid(other.dose, dose):
                components[k] = Component(DoseGrid(dose.grid, other.dose.dose_gy + dose.dose_gy, dose.frame_uid), times)
                break
        else:
            components.append(Component(dose, times))
    return tuple(components)


def _same_grid(one: DoseGrid, other: DoseGrid) -> bool:
    pairs = [(getattr(one.grid, a), getattr(other.grid, a)) for a in ("rotation", "u_mm", "v_mm", "w_mm")]
    return all(a.shape == b.shape and np.abs(a - b).max() < 1e-6 for a, b in pairs)
