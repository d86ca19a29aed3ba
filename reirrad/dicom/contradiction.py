"""A plan whose whole dose is stored may have doses of its beams or fraction groups beside it. They are not used, but they must not say otherwise."""

from __future__ import annotations

import numpy as np

from reirrad.course import Component
from reirrad.dicom.planes import DoseSource, read_source, sources
from reirrad.dicom.rtdose import DoseHeader
from reirrad.dicom.selection import Draft, drafts_of_plan
from reirrad.errors import DicomError, Notice
from reirrad.grid import Float64

__all__ = ["check_other_doses"]

TOLERANCE = 0.02  # of the maximum: more than rounding of pixels and another grid explain


def check_other_doses(draft: Draft, components: tuple[Component, ...], rbe: float, unused: list[DoseHeader], course: str) -> list[Notice]:
    """Compare the dose in use with other complete doses of its plan, where either is largest.

    Parameters
    ----------
    draft, components : Draft, tuple of Component
        The dose in use.
    rbe : float
        Holds in `components` already.
    unused : list of DoseHeader
        Doses of the folder that are not used.

    Raises
    ------
    DicomError
        When the sum of the beams, or the doses of the fraction groups, differ from the dose of the plan by more than 2 % of its maximum.
    """
    plan = draft.plan
    if plan is None or draft.parts[0].source[0].summation != "PLAN":
        return []
    notices: list[Notice] = []
    mine = [s for s in sources(unused) if any(p.plan_uid == plan.uid for p in s[0].plans) and s[0].dose_type == draft.parts[0].source[0].dose_type]
    for kind in sorted({s[0].summation for s in mine} - {"PLAN"}):
        found = _sum_of(draft, [s for s in mine if s[0].summation == kind], rbe, course)
        if not found:
            continue
        places = np.concatenate([_hottest(components), _hottest(found)])
        one, two = _at(components, places), _at(found, places)
        known = ~(np.isnan(one) | np.isnan(two))
        largest = float(np.nanmax(one))
        if not known.any() or float(np.abs(one - two)[known].max()) <= TOLERANCE * largest:
            continue
        k = int(np.argmax(np.where(known, np.abs(one - two), -1.0)))
        numbers = f"{one[k]:.4g} Gy in the dose of the plan {plan.title}, {two[k]:.4g} Gy in its {kind} dose"
        if kind != "RECORD":
            raise DicomError(f"The stored doses contradict each other: {numbers}, at the same place. Keep only the doses of the plan as it was delivered.")
        message = f"The dose of the treatment record differs from that of the plan, which is used: {numbers}. Check which one was delivered."
        notices.append(Notice("dose_of_record_differs", message, course=course))
    return notices


def _sum_of(draft: Draft, stored: list[DoseSource], rbe: float, course: str) -> tuple[Component, ...]:
    """What these doses add up to for the same fractions; nothing when they are incomplete."""
    try:
        drafts = drafts_of_plan(draft.plan, stored, draft.fractions, course)
        return tuple(Component(read_source(part.source), part.factor * rbe) for d in drafts for part in d.parts)
    except DicomError:
        return ()


def _hottest(components: tuple[Component, ...]) -> Float64:
    """Where each component is largest (N, 3), patient mm."""
    places = []
    for component in components:
        grid, dose = component.dose.grid, component.dose.dose_gy
        k, j, i = np.unravel_index(int(dose.argmax()), dose.shape)
        places.append(grid.to_patient(np.array([grid.u_mm[i], grid.v_mm[j], grid.w_mm[k]])))
    return np.array(places)


def _at(components: tuple[Component, ...], places: Float64) -> Float64:
    return np.asarray(sum(c.factor * c.dose.at_points(places, "linear").astype(np.float64) for c in components))
