"""Truth against computed on this machine: phantoms with closed-form answers go the way of every organ, contours -> slabs -> points -> dose -> statistics.

The truth is that of the slabs which the contours mean by the rules of the calculation (`phantoms.slabs`); the solid that was drawn is shown beside it.
Nothing is centred on zero or on the dose grid.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Final

from reirrad import __version__
from reirrad.accumulation import OrganDose, accumulate
from reirrad.commissioncase import assess_files
from reirrad.commissionphantom import DOSES, GRIDS, MIDDLE_GY, SIZES_CC, Phantom, analytic_dose, dose_grid, phantoms, sampled
from reirrad.commissionvalue import GOAL, Row, compare, volume_row
from reirrad.course import Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.phantoms import AxisDose, contours, cumulative_eqd2
from reirrad.planes import slabs_of
from reirrad.points import OrganPoints, organ_points

__all__ = ["Commissioning", "as_json", "commission", "exit_status"]

N_SIDES: Final = 360
ALPHA_BETA_GY: Final = (3.0, 10.0)


@dataclass(frozen=True, slots=True)
class Commissioning:
    """All values."""

    versions: dict[str, str]
    rows: tuple[Row, ...]
    n_phantoms: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every value meets the goal."""
        return all(row.passed for row in self.rows)


def _read(points: OrganPoints, doses: Sequence[tuple[DoseGrid, int]]) -> OrganDose:
    """Courses of one phase each."""
    courses = tuple(Course(f"course {k}", "prior", (Phase("plan", (Component(dose),), n),), "") for k, (dose, n) in enumerate(doses))
    return accumulate(points, courses, (None,) * len(courses), "cubic")


def _pair(phantom: Phantom, points: OrganPoints) -> list[Row]:
    """Two courses, linear along one axis with opposite slopes, on different grids: their cumulative EQD2."""
    axis = phantom.number % 3
    grids = [dose_grid(phantom, GRIDS[(phantom.number + k) % len(GRIDS)][1], uneven=k == 1) for k in (0, 1)]
    first, second = (analytic_dose(f"linear {'xyz'[axis]}", phantom, grid) for grid in grids)
    assert isinstance(first, AxisDose)
    assert isinstance(second, AxisDose)
    second = AxisDose(axis, second.origin_mm, 0.9 * MIDDLE_GY, -0.7 * second.linear_gy_mm)
    dose = _read(points, [(sampled(first, grids[0]), 25), (sampled(second, grids[1]), 5)])
    alpha_beta = ALPHA_BETA_GY[phantom.number % len(ALPHA_BETA_GY)]
    label = f"cumulative EQD2 of 25 and 5 fractions, alpha/beta {alpha_beta:g}"
    rows = compare(phantom, label, cumulative_eqd2([(first, 25), (second, 5)], alpha_beta), dose.eqd2(alpha_beta))
    return [replace(row, metric=f"EQD2 {row.metric}") for row in rows]


def commission(progress: Callable[[str], None] = lambda _: None, chosen: Sequence[Phantom] | None = None, *, with_files: bool = True) -> Commissioning:
    """Compare everything.

    Parameters
    ----------
    progress : callable
        Told which phantom is at work.
    chosen : sequence of Phantom, optional
        By default all.
    with_files : bool
        Also a case that is written to DICOM files, read back and assessed.
    """
    begun = time.perf_counter()
    rows: list[Row] = []
    every = list(phantoms()) if chosen is None else list(chosen)
    for phantom in every:
        progress(f"{phantom.family}, {phantom.name}")
        structure = contours(phantom.solid, phantom.planes_mm, N_SIDES)
        points = organ_points(structure.name, slabs_of(structure, None, None, None))
        rows.append(volume_row(phantom, points.volume_cc))
        for k, kind in enumerate(DOSES):
            number = (phantom.number + k + phantom.number // len(SIZES_CC)) % len(GRIDS)
            title, spacing = GRIDS[number]
            grid = dose_grid(phantom, spacing, uneven=title == "uneven")
            dose = analytic_dose(kind, phantom, grid)
            rows += compare(phantom, f"grid {title} mm, {kind}", dose, _read(points, [(sampled(dose, grid), 20)]).physical(0))
        rows += _pair(phantom, points)
    if with_files:
        progress("DICOM files")
        rows += assess_files()
    return Commissioning(_versions(), tuple(rows), len(every), time.perf_counter() - begun)


def exit_status(result: Commissioning) -> int:
    """0 when every value meets the goal, else 1."""
    return 0 if result.passed else 1


def as_json(result: Commissioning) -> str:
    """Everything as JSON text."""
    document = {"versions": result.versions, "goal": GOAL, "passed": result.passed, "n_phantoms": result.n_phantoms, "rows": [asdict(r) for r in result.rows]}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("numpy", "scipy", "pydicom")}
    return {
        "reirrad": __version__,
        **packages,
        "Python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {sys.byteorder} endian",
    }
