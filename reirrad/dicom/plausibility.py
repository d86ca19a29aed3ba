"""Does a dose look like what it says it is? Refusals and notices before anything is calculated with it."""

from __future__ import annotations

import numpy as np

from reirrad.course import Component
from reirrad.dicom.selection import Draft
from reirrad.errors import DicomError, Notice

__all__ = ["check_dose", "check_prescription", "maximum_gy"]

# Maximum dose / prescription. Stereotactic plans reach 2; cGy taken as Gy gives 100, a single fraction gives 1/n.
LOWEST_RATIO, HIGHEST_RATIO = 0.5, 2.5
USUAL_RATIO = (0.9, 1.5)
USUAL_PER_FRACTION_GY = (0.2, 30.0)
COARSE_MM = 3.0
# Dose on the outermost voxels above this is a sign of a cut grid.
EDGE_GY, EDGE_PART = 1.0, 0.02


def maximum_gy(components: tuple[Component, ...]) -> float:
    """Largest dose of a sum of components, in Gy; between different grids, at the maxima of each."""
    if len(components) == 1:
        return float(components[0].dose.dose_gy.max()) * components[0].factor
    best = 0.0
    for component in components:
        grid, dose = component.dose.grid, component.dose.dose_gy
        k, j, i = np.unravel_index(int(dose.argmax()), dose.shape)
        point = grid.to_patient(np.array([[grid.u_mm[i], grid.v_mm[j], grid.w_mm[k]]]))
        values = [float(c.dose.at_points(point, "linear")[0]) * c.factor for c in components]
        best = max(best, sum(v for v in values if not np.isnan(v)))
    return best


def check_prescription(drafts: list[Draft], maxima_gy: list[float], course: str, *, brachy: bool) -> list[Notice]:
    """Compare the maximum dose of the drafts of one plan with its prescription.

    Parameters
    ----------
    maxima_gy : list of float
        Largest delivered dose of each draft.
    brachy : bool
        Dose beside sources has no upper bound.

    Raises
    ------
    DicomError
        When the dose looks like that of one fraction, or like another unit.
    """
    notices: list[Notice] = []
    for draft, maximum in zip(drafts, maxima_gy, strict=True):
        each = maximum / draft.fractions
        if not USUAL_PER_FRACTION_GY[0] <= each <= USUAL_PER_FRACTION_GY[1] and not brachy:
            message = f"The maximum dose of {draft.label} is {each:.3g} Gy per fraction ({maximum:.4g} Gy in {draft.fractions}), which is unusual."
            notices.append(Notice("dose_per_fraction_unusual", message, course=course))
    first = drafts[0]
    prescription = first.plan.prescription_gy if first.plan is not None else None
    planned, delivered = first.plan.planned_fractions if first.plan is not None else None, sum(d.fractions for d in drafts)
    if prescription is None:
        return notices
    # the prescription is for all planned fractions
    maximum = sum(maxima_gy) * (planned / delivered if planned else 1.0)
    ratio = maximum / prescription
    n = planned or delivered
    numbers = f"The maximum dose of {first.label} is {maximum:.4g} Gy against a prescription of {prescription:.4g} Gy in {n} fractions"
    advice = "Check Dose Summation Type, Dose Units and Dose Grid Scaling of the RTDOSE, and export the dose of the whole plan."
    if n > 1 and LOWEST_RATIO <= ratio * n <= HIGHEST_RATIO and ratio < LOWEST_RATIO:
        raise DicomError(f"{numbers}: it looks like the dose of one fraction, not of the plan. {advice}")
    if ratio < LOWEST_RATIO and not first.stated:
        raise DicomError(f"{numbers}: it is too low to be the dose of the plan. {advice} If it is right, confirm it by stating `fractions:` in the case file.")
    if ratio > HIGHEST_RATIO and not brachy:
        raise DicomError(f"{numbers}: it is too high to be in Gy. {advice}")
    if not USUAL_RATIO[0] <= ratio <= USUAL_RATIO[1] and not (brachy and ratio > 1):
        notices.append(Notice("dose_prescription_mismatch", f"{numbers}, which is unusual: check that they belong together.", course=course))
    return notices


def check_dose(component: Component, file: str, course: str) -> list[Notice]:
    """Notices on the grid of one dose: coarse, or cut where there is still dose.

    Raises
    ------
    DicomError
        When all dose is zero.
    """
    grid, dose = component.dose.grid, component.dose.dose_gy
    notices = []
    largest = float(dose.max()) * component.factor
    if largest <= 0:
        raise DicomError(f"{file}: the dose is zero everywhere. Export the dose again.")
    spacing = max(grid.spacing_mm)
    if spacing > COARSE_MM + 1e-3:
        message = f"{file}: dose voxels are up to {spacing:.3g} mm apart; beyond {COARSE_MM:g} mm the maximum of small organs is underestimated."
        notices.append(Notice("dose_grid_coarse", message, course=course))
    faces = (dose[0], dose[-1], dose[:, 0], dose[:, -1], dose[:, :, 0], dose[:, :, -1])
    edge = max(float(face.max()) for face in faces) * component.factor
    if edge > max(EDGE_GY, EDGE_PART * largest):
        message = f"{file}: there are still {edge:.3g} Gy at the edge of the dose grid; dose outside it is unknown, not zero."
        notices.append(Notice("dose_grid_truncated", message, course=course))
    return notices
