"""Which plans of a folder make up a course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reirrad.dicom.planes import DoseSource, sources
from reirrad.dicom.rtdose import DoseHeader
from reirrad.dicom.rtplan import PlanRecord
from reirrad.dicom.selection import UNUSABLE, Draft, drafts_of_plan
from reirrad.errors import DicomError, Notice, printable

__all__ = ["PhaseRequest", "PlanDrafts", "plan_drafts"]

HOW_TO_WRITE_PHASES = (
    "Write them down under the course in the case file, one line each, for example "
    "`phases: [{plan: LABEL1, fractions: 25}, {plan: LABEL2, fractions: 8}]`, with `concurrent: true` for a plan given in the same sessions as the one before."
)


class PhaseRequest(Protocol):
    """One phase as a case file states it."""

    @property
    def dicom(self) -> Path | str | None:
        """Sub-folder that holds its dose, relative to the case folder or to the folder of the course."""

    @property
    def plan(self) -> str | None:
        """Label or SOP Instance UID of its plan."""

    @property
    def fractions(self) -> int | None:
        """Delivered fractions."""

    @property
    def concurrent(self) -> bool:
        """Whether given in the sessions of the phase before."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanDrafts:
    """Drafts of one plan (one, or one for each fraction group), with notices."""

    drafts: tuple[Draft, ...]
    concurrent: bool
    notices: tuple[Notice, ...]


def plan_drafts(
    headers: list[DoseHeader],
    plans: dict[str, PlanRecord],
    fractions: int | None,
    requests: Sequence[tuple[PhaseRequest, Path | None]] | None,
    course: str,
) -> list[PlanDrafts]:
    """Choose the plans and doses of a course.

    Parameters
    ----------
    headers : list of DoseHeader
        Every RTDOSE found.
    plans : dict
        Every RTPLAN found, by SOP Instance UID.
    fractions : int, optional
        As stated for the whole course.
    requests : sequence of (PhaseRequest, resolved folder or None), optional
        As stated; without it the folder must hold doses of one plan only.

    Raises
    ------
    DicomError
        When doses are missing, ambiguous, or of several plans without `phases`.
    """
    by_plan = _by_plan(headers)
    if requests:
        return _requested(by_plan, plans, fractions, requests, course)
    if len(by_plan) > 1:
        titles = ", ".join(_title(uid, by_plan, plans) for uid in by_plan)
        raise DicomError(f"The folder of course '{printable(course)}' holds doses of {len(by_plan)} plans: {titles}. {HOW_TO_WRITE_PHASES}")
    return [_of_plan(next(iter(by_plan)), by_plan, plans, fractions, course, phase=False, concurrent=False)]


def _title(uid: str, by_plan: dict[str, list[DoseSource]], plans: dict[str, PlanRecord]) -> str:
    return plans[uid].title if uid in plans else by_plan[uid][0][0].name


def _by_plan(headers: list[DoseHeader]) -> dict[str, list[DoseSource]]:
    """Sources by the SOP Instance UID of the plan they refer to; under an empty UID when they refer to none."""
    by_plan: dict[str, list[DoseSource]] = {}
    sums: list[DoseHeader] = []
    for source in sources(headers):
        header = source[0]
        uids = sorted({p.plan_uid for p in header.plans})
        if len(uids) > 1 and header.summation not in UNUSABLE:
            raise DicomError(
                f"{header.name} refers to {len(uids)} plans but says it is the dose of one ({printable(header.summation, 20)}): ambiguous fractions. "
                "Export one dose for each plan."
            )
        if len(uids) > 1 or header.summation == "MULTI_PLAN":
            sums.append(header)
        else:
            by_plan.setdefault(uids[0] if uids else "", []).append(source)
    if not by_plan and sums:
        raise DicomError(
            f"{sums[0].name} is {UNUSABLE[sums[0].summation]} (Dose Summation Type {sums[0].summation}). Export the dose of each plan (PLAN) instead."
        )
    return by_plan


def _of_plan(
    uid: str, by_plan: dict[str, list[DoseSource]], plans: dict[str, PlanRecord], fractions: int | None, course: str, *, phase: bool, concurrent: bool
) -> PlanDrafts:
    plan = plans.get(uid)
    notices: list[Notice] = []
    if plan is None:
        file = by_plan[uid][0][0].name
        lack = "refers to an RTPLAN that is not in the folder" if uid else "does not refer to any RTPLAN"
        if fractions is None:
            raise DicomError(
                f"{file} {lack}, so its number of fractions is unknown (fractions are never taken from another plan). "
                "Add the plan, or state `fractions:` in the case file."
            )
        notices.append(Notice("plan_missing", f"{file} {lack}; the stated {fractions} fractions are used and its prescription is unknown.", course=course))
    drafts = tuple(drafts_of_plan(plan, by_plan[uid], fractions, course, more=phase))
    for draft in drafts:
        notices += draft.notices if plan is not None else ()
    return PlanDrafts(drafts, concurrent, tuple(notices))


def _requested(
    by_plan: dict[str, list[DoseSource]],
    plans: dict[str, PlanRecord],
    fractions: int | None,
    requests: Sequence[tuple[PhaseRequest, Path | None]],
    course: str,
) -> list[PlanDrafts]:
    if fractions is not None:
        raise DicomError(f"Course '{printable(course)}' states `fractions:` beside `phases:`. State the fractions of each phase.")
    chosen: list[PlanDrafts] = []
    used: set[str] = set()
    for k, (request, folder) in enumerate(requests, 1):
        uid = _match(k, request, folder, by_plan, plans, course)
        if uid in used:
            raise DicomError(f"Phase {k} of course '{printable(course)}' is the plan of an earlier phase: its dose would count twice. State each plan once.")
        used.add(uid)
        concurrent = bool(request.concurrent) and k > 1
        mine = {uid: [s for s in by_plan[uid] if folder is None or s[0].record.path.is_relative_to(folder)]}
        chosen.append(_of_plan(uid, mine, plans, request.fractions, course, phase=True, concurrent=concurrent))
    left = [_title(uid, by_plan, plans) for uid in by_plan if uid not in used]
    if left:
        message = f"Doses of {len(left)} plan(s) are in the folder but in no phase, and do not count: {', '.join(left)}."
        chosen[0] = PlanDrafts(chosen[0].drafts, chosen[0].concurrent, (*chosen[0].notices, Notice("plan_not_in_phases", message, course=course)))
    return chosen


def _match(k: int, request: PhaseRequest, folder: Path | None, by_plan: dict[str, list[DoseSource]], plans: dict[str, PlanRecord], course: str) -> str:
    """UID of the plan of one phase."""
    where = f"Phase {k} of course '{printable(course)}'"
    found = set(by_plan)
    if folder is not None:
        found = {uid for uid in found if any(s[0].record.path.is_relative_to(folder) for s in by_plan[uid])}
    if request.plan is not None:
        wanted = request.plan.strip()
        found = {uid for uid in found if wanted == uid or (uid in plans and wanted in (plans[uid].label.strip(), plans[uid].name.strip()))}
    elif folder is None:
        raise DicomError(f"{where} names neither a plan nor a folder. {HOW_TO_WRITE_PHASES}")
    if len(found) == 1:
        return found.pop()
    known = ", ".join(_title(uid, by_plan, plans) for uid in by_plan)
    how_many = "no plan with a dose" if not found else f"{len(found)} plans with a dose"
    raise DicomError(f"{where} fits {how_many}. Plans with doses in the folder: {known}. State the plan by its label or SOP Instance UID.")
