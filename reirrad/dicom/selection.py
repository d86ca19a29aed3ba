"""Which stored doses make up the delivered dose of a plan, with which factor and how many fractions.

The wording of Dose Summation Type is that of DICOM PS3.3 C.8.8.3: PLAN is the entire delivery of all fraction groups, FRACTION that of a
single fraction group (not of one fraction), BEAM and BRACHY that of some beams or application setups, ``*_SESSION`` one session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reirrad.dicom.planes import DoseSource
from reirrad.dicom.rtplan import FractionGroup, PlanRecord
from reirrad.errors import DicomError, Notice, printable

__all__ = ["Draft", "Part", "drafts_of_plan"]

UNUSABLE = {
    "MULTI_PLAN": "the sum of several plans, whose fractions are unknown",
    "PLAN_OVERVIEW": "an overview of a plan",
    "CONTROL_POINT": "the dose of single control points",
}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A stored dose and how often it counts."""

    source: DoseSource
    factor: float


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A phase before its pixels are read; fields as in `reirrad.course.Phase`."""

    label: str
    parts: tuple[Part, ...]
    fractions: int
    planned_fractions: int | None
    prescription_gy: float | None
    plan: PlanRecord | None
    stated: bool
    notices: tuple[Notice, ...] = field(default=())


def drafts_of_plan(plan: PlanRecord | None, sources: list[DoseSource], stated: int | None, course: str, *, more: bool = False) -> list[Draft]:
    """Choose doses of one plan.

    Parameters
    ----------
    plan : PlanRecord or None
        The plan the doses refer to; None when it is not there.
    sources : list of DoseSource
        Doses that refer to it.
    stated : int, optional
        Delivered fractions from the case file.
    course : str
        Name of the course, for messages.
    more : bool
        Allow more fractions than planned (a phase says so).

    Returns
    -------
    list of Draft
        One, or one for each fraction group when their doses are stored apart.

    Raises
    ------
    DicomError
        When the doses do not cover the plan, are ambiguous, or the number of fractions is unknown.
    """
    kinds: dict[str, list[DoseSource]] = {}
    for source in sources:
        kinds.setdefault(source[0].summation, []).append(source)
    ways: list[tuple[str, Callable[[], list[Draft]]]] = [
        ("PLAN", lambda: _whole_plan(plan, kinds["PLAN"], stated, course, more=more)),
        ("FRACTION", lambda: _by_group(plan, kinds["FRACTION"], stated, course, session=False, more=more)),
        ("BEAM", lambda: _by_group(plan, kinds["BEAM"], stated, course, session=False, more=more)),
        ("BRACHY", lambda: _by_group(plan, kinds["BRACHY"], stated, course, session=False, more=more)),
        ("FRACTION_SESSION", lambda: _by_group(plan, kinds["FRACTION_SESSION"], stated, course, session=True, more=more)),
        ("BEAM_SESSION", lambda: _by_group(plan, kinds["BEAM_SESSION"], stated, course, session=True, more=more)),
        ("BRACHY_SESSION", lambda: _by_group(plan, kinds["BRACHY_SESSION"], stated, course, session=True, more=more)),
        ("RECORD", lambda: _record(plan, kinds["RECORD"], stated, course)),
    ]
    refusal: DicomError | None = None
    for kind, way in ways:
        if kind not in kinds:
            continue
        try:
            return way()
        except DicomError as error:
            if kind == "PLAN":  # two plan doses, or unknown fractions: no other dose makes it clearer
                raise
            refusal = refusal or error
    if refusal is not None:
        raise refusal
    first = sources[0][0]
    what = UNUSABLE.get(first.summation)
    if what is None:
        found = printable(first.summation, 20) or "missing"
        raise DicomError(
            f"{first.name}: Dose Summation Type (3004,000A) is {found}; it must say what the dose is of. Export the dose of the whole plan (PLAN)."
        )
    raise DicomError(f"{first.name} is {what} (Dose Summation Type {first.summation}). Export the dose of each plan (PLAN) instead.")


def _title(plan: PlanRecord | None, sources: list[DoseSource]) -> str:
    return plan.title if plan is not None else sources[0][0].name


def _names(sources: list[DoseSource]) -> str:
    return ", ".join(s[0].name for s in sources[:4])


def _delivered(planned: int | None, stated: int | None, title: str, course: str, *, more: bool) -> tuple[int, tuple[Notice, ...]]:
    """Delivered fractions, and a notice where they are not simply the planned ones."""
    if stated is None:
        if planned is None:
            raise DicomError(
                f"The number of fractions of course '{printable(course)}' is unknown: {title} gives none (Number of Fractions Planned is missing, "
                "empty or zero, or there is no RTPLAN). State the delivered number with `fractions:` in the case file."
            )
        return planned, ()
    if planned is None:
        return stated, (Notice("fractions_not_in_plan", f"No RTPLAN gives the fractions of {title}; the stated {stated} are used.", course=course),)
    if stated > planned and not more:
        raise DicomError(
            f"{stated} fractions are stated for course '{printable(course)}' but {title} plans {planned}. Add the plan that gave the others under `phases:`."
        )
    if stated == planned:
        return stated, ()
    message = f"{title} plans {planned} fractions and {stated} are stated as delivered: dose and fractions are scaled by {stated}/{planned}."
    return stated, (Notice("fractions_delivered_differ", message, course=course),)


def _whole_plan(plan: PlanRecord | None, sources: list[DoseSource], stated: int | None, course: str, *, more: bool) -> list[Draft]:
    title = _title(plan, sources)
    if len(sources) > 1:
        raise DicomError(
            f"{len(sources)} different doses ({_names(sources)}) each say they are the whole dose of the plan {title}. Keep the delivered one in the folder."
        )
    planned = plan.planned_fractions if plan is not None else None
    if plan is not None and len(plan.groups) > 1 and stated is None:
        raise DicomError(
            f"The plan {title} has {len(plan.groups)} fraction groups but one dose for all of them, so the dose per fraction is unknown. "
            "Export one dose for each fraction group (Dose Summation Type FRACTION), or state `fractions:` if all groups give the same dose per fraction."
        )
    delivered, notices = _delivered(planned, stated, title, course, more=more)
    if plan is not None and len(plan.groups) > 1:
        message = f"The plan {title} has {len(plan.groups)} fraction groups and one dose; all {delivered} fractions are taken as equal."
        notices += (Notice("fraction_groups_lumped", message, course=course),)
    factor = delivered / planned if planned else 1.0
    return [Draft(title, (Part(sources[0], factor),), delivered, planned, plan.prescription_gy if plan else None, plan, stated is not None, notices)]


def _by_group(plan: PlanRecord | None, sources: list[DoseSource], stated: int | None, course: str, *, session: bool, more: bool) -> list[Draft]:
    """Doses of fraction groups, whole or as beams or setups; of all sessions or of one."""
    title = _title(plan, sources)
    kind = sources[0][0].summation
    groups = plan.groups if plan is not None else (FractionGroup(0, None, ()),)
    if plan is not None and not groups:
        groups = (FractionGroup(0, None, ()),)
    counts = [g.fractions for g in groups]
    total = sum(c for c in counts if c is not None) if None not in counts else None
    if len(groups) > 1 and stated is not None and stated != total:
        raise DicomError(
            f"The plan {title} has {len(groups)} fraction groups; which of them gave the stated {stated} fractions is unknown. Take `fractions:` away."
        )
    drafts = []
    for group in groups:
        mine = [s for s in sources if len(groups) == 1 or _groups(s) == {group.number}]
        if not mine:
            raise DicomError(
                f"The plan {title} has {len(groups)} fraction groups, but no {kind} dose refers to group {group.number}. Export it, or one PLAN dose."
            )
        _check_cover(group, mine, kind, title, with_plan=plan is not None)
        delivered, notices = _delivered(group.fractions, stated if len(groups) == 1 else None, title, course, more=more)
        factor = float(delivered) if session else delivered / group.fractions if group.fractions else 1.0
        prescription = plan.prescription_gy if plan is not None else None
        if prescription is not None and len(groups) > 1:
            prescription = prescription * delivered / total if total else None
        label = title if len(groups) == 1 else f"{title}, fraction group {group.number}"
        drafts.append(Draft(label, tuple(Part(s, factor) for s in mine), delivered, group.fractions, prescription, plan, stated is not None, notices))
    strays = [s for s in sources if len(groups) > 1 and not any(_groups(s) == {g.number} for g in groups)]
    if strays:
        raise DicomError(f"{_names(strays)}: the fraction group of the plan {title} this {kind} dose belongs to is not stated. Export one PLAN dose instead.")
    return drafts


def _groups(source: DoseSource) -> set[int]:
    return {n for plan in source[0].plans for n in plan.groups}


def _check_cover(group: FractionGroup, mine: list[DoseSource], kind: str, title: str, *, with_plan: bool) -> None:
    """Every beam (or setup) of the group exactly once; a dose of the whole group once."""
    if kind.startswith("FRACTION"):
        if len(mine) > 1:
            raise DicomError(f"{len(mine)} doses ({_names(mine)}) each say they are the whole dose of one fraction group of {title}. Keep the delivered one.")
        return
    beams = kind.startswith("BEAM")
    word = "beam" if beams else "application setup"
    needed = set(group.beams if beams else group.setups)
    if not with_plan or not needed:
        raise DicomError(f"{_names(mine)}: without an RTPLAN that lists its {word}s it is unknown whether all {word} doses are there. Export one PLAN dose.")
    found: list[int] = []
    for source in mine:
        numbers = [n for plan in source[0].plans for n in (plan.beams if beams else plan.setups)]
        if not numbers:
            raise DicomError(f"{source[0].name}: this {kind} dose does not say which {word} it is of. Export one PLAN dose instead.")
        found += numbers
    twice = sorted({n for n in found if found.count(n) > 1})
    if twice:
        raise DicomError(f"{_names(mine)}: {word} {_listed(twice)} of the plan {title} has more than one dose. Keep the delivered one.")
    missing, foreign = sorted(needed - set(found)), sorted(set(found) - needed)
    if missing:
        raise DicomError(f"The dose of {word} {_listed(missing)} of the plan {title} is missing, so its dose is incomplete. Export it, or one PLAN dose.")
    if foreign:
        raise DicomError(
            f"{_names(mine)}: {word} {_listed(foreign)} does not belong to the treatment {word}s of the plan {title}. Export one PLAN dose instead."
        )


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(n) for n in numbers)


def _record(plan: PlanRecord | None, sources: list[DoseSource], stated: int | None, course: str) -> list[Draft]:
    """Dose of a treatment record: what was delivered, in as many fractions as stated."""
    title = _title(plan, sources)
    if len(sources) > 1:
        raise DicomError(f"{len(sources)} doses of treatment records ({_names(sources)}) cannot be told apart. Keep the one of the whole delivery.")
    if stated is None:
        raise DicomError(
            f"{sources[0][0].name} is the dose of a treatment record (RECORD), which does not say its fractions. State `fractions:` in the case file."
        )
    planned = plan.planned_fractions if plan is not None else None
    notice = Notice("dose_of_record", f"{sources[0][0].name} is the dose of a treatment record; it counts as {stated} fractions.", course=course)
    return [Draft(title, (Part(sources[0], 1.0),), stated, planned, None, plan, True, (notice,))]
