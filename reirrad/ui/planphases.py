"""Several plans that may be one course: how they were given, as the case file states it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from reirrad.ui.casetables import course_name, drop_registration
from reirrad.ui.cells import put, text_of
from reirrad.ui.found import FoundCourse
from reirrad.ui.opened import Document

__all__ = ["answer_of", "phases_of", "with_phases", "with_split"]


def answer_of(course: FoundCourse, phases: object) -> str | None:
    """The answer that `phases_of` would have made these phases of; None when there is none."""
    if not isinstance(phases, list) or not all(isinstance(p, dict) for p in phases):
        return None
    calls = [p.get("plan") for p in phases]
    if len(calls) == 1 and calls[0] in [p.call for p in course.plans]:
        return text_of(calls[0])
    if calls != [p.call for p in course.plans]:
        return None
    return "together" if all(p.get("concurrent") for p in phases[1:]) else "after" if not any(p.get("concurrent") for p in phases) else None


def phases_of(course: FoundCourse, answer: str, fractions: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Phases of a course of several plans.

    Parameters
    ----------
    answer : str
        ``after`` (one after the other), ``together`` (in the same sessions), or the name of the only plan that was treated.
    fractions : mapping
        Delivered fractions by plan; None or absent for the planned number.
    """
    calls = [p.call for p in course.plans]
    chosen = calls if answer in ("after", "together") else [call for call in calls if call == answer]
    phases: list[dict[str, Any]] = []
    for call in chosen:
        phase: dict[str, Any] = {"plan": call}
        if fractions.get(call) is not None:
            phase["fractions"] = fractions[call]
        if answer == "together" and phases:
            phase["concurrent"] = True
        phases.append(phase)
    return phases


def with_phases(document: Document, number: int, phases: list[dict[str, Any]]) -> Document:
    """The document with the phases of a course; none when the list is empty."""
    new = copy.deepcopy(document)
    put(new["courses"][number], "phases", phases or None)
    return new


def with_split(document: Document, number: int, course: FoundCourse) -> Document:
    """The document with a course of its own for each plan of a course."""
    new = copy.deepcopy(document)
    entry = new["courses"].pop(number)
    names = [course_name(c) for c in new["courses"]]
    for k, plan in enumerate(course.plans):
        name = plan.title if plan.title not in names else f"{plan.title} ({k + 1})"
        names.append(name)
        new["courses"].insert(number + k, {**copy.deepcopy(entry), "name": name, "phases": [{"plan": plan.call}]})
    old = course_name(entry)
    drop_registration(new, old)
    if text_of(new.get("reference")) == old:
        new["reference"] = names[-1]
    return new
