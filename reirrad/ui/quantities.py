"""What can be laid over the CT, with the words that must stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reirrad.assessment import LimitChoice
from reirrad.budget import remaining
from reirrad.course import Case
from reirrad.dose import Float32
from reirrad.errors import Notice, printable
from reirrad.grid import Grid
from reirrad.maplimits import map_organs
from reirrad.remainingmap import NO_LIMIT_GY, remaining_map
from reirrad.ui.volumes import Volumes

__all__ = ["CT_ALONE", "ORIENTATION", "REMAINING", "Quantity", "Remaining", "quantities", "remaining_on", "why_absent"]

CT_ALONE: Final = "ct"
REMAINING: Final = "remaining"
ORIENTATION: Final = "for orientation only"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing to show.

    Parameters
    ----------
    key : int or str
        Course number, ct, physical, eqd2, recovered or remaining.
    title : str
        For people; of the colour bar too.
    words : tuple of str
        Said on every picture of it.
    warns : bool
        Whether the first of the words is a warning.
    """

    key: int | str
    title: str
    words: tuple[str, ...] = ()
    warns: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Remaining:
    """What may still be given, on the lattice.

    Parameters
    ----------
    gy : (nz, ny, nx) float32
        Physical dose; NO_LIMIT_GY where no limit of a voxel holds, NaN where an earlier course is not known.
    left_out : tuple of str
        Mandatory limits the map does not keep to, with their reasons.
    """

    fractions: int
    gy: Float32
    top_gy: float
    notices: tuple[Notice, ...]
    left_out: tuple[str, ...]


def quantities(case: Case, volumes: Volumes) -> tuple[Quantity, ...]:
    """Everything that can be shown of a case: each course, the sums, what remains; CT alone last."""
    out = [Quantity(k, f"{k + 1} {_course(case, k)}: {'physical dose' if case.courses[k].rbe is None else 'dose × RBE'}") for k in volumes.physical_gy]
    missing = tuple(f"without {printable(c.name, 40)}: {why}" for k, c in enumerate(case.courses) if (why := why_absent(case, k)))
    effective = tuple(f"{_course(case, k)} as dose × RBE" for k in volumes.physical_gy if case.courses[k].rbe is not None)
    title = f"{'Sum' if not missing else 'Sum of the courses shown'}"
    if len(volumes.physical_gy) > 1:
        out.append(
            Quantity("physical", f"{title}: physical dose", (f"{ORIENTATION}: doses of unlike fractions do not add up", *missing, *effective), warns=True)
        )
    alike = len(set(volumes.alpha_betas_gy)) == 1
    other = f"{volumes.alpha_betas_gy[-1]:g} Gy"
    ab = f"α/β {other}" if alike else f"α/β of each organ, {other} elsewhere"
    out.append(Quantity("eqd2", f"{title}: EQD2", (*missing, ab), warns=bool(missing)))
    if volumes.recovered_gy is not None:
        out.append(Quantity("recovered", f"{title}: EQD2 with recovery", ("with recovery as chosen in the case", *missing, ab), warns=True))
    if any(c.kind == "prior" for c in case.courses):
        out.append(Quantity(REMAINING, "Remaining dose", ("budget by the limits of voxels, not a prescription",), warns=True))
    return (*reversed(out), Quantity(CT_ALONE, "CT alone"))


def why_absent(case: Case, number: int) -> str:
    """Why a course is in no picture and no sum of voxels; empty when it is."""
    course = case.courses[number]
    if course.is_on_paper:
        return "nothing is known of its dose" if course.is_unknown else "known from paper only, not at points"
    return "not registered" if number in case.unregistered else ""


def remaining_on(case: Case, choice: LimitChoice, grid: Grid, physical_gy: Sequence[tuple[int, Float32]], fractions: int) -> Remaining:
    """Calculate what may still be given at every point of the lattice.

    Raises
    ------
    ReirradError
        Without an earlier course or a limit of sums.
    """
    budget = remaining(case, choice, (fractions,))
    organs, left_out = map_organs(budget, fractions)
    found = remaining_map(case, organs, grid, fractions)
    gy = found.dose_gy
    for number, dose in physical_gy:
        if case.courses[number].kind == "prior":
            gy[np.isnan(dose)] = np.nan
    some = gy[np.isfinite(gy) & (gy < NO_LIMIT_GY)]
    mandatory = {(r.structure, r.limit.id) for r in budget.rows if r.limit.level == "mandatory"}
    without = tuple(f"{x.limit_id} ({x.structure or 'no structure'}): {x.reason}" for x in left_out if (x.structure, x.limit_id) in mandatory)
    return Remaining(fractions, gy, float(some.max()) if some.size else 0.0, found.notices, without)


def _course(case: Case, number: int) -> str:
    return printable(case.courses[number].name, 40)
