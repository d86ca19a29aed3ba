"""One value of commissioning: closed form and computed, and whether they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from reirrad.commissionphantom import MIDDLE_GY, Phantom
from reirrad.dvh import Dvh, Undefined
from reirrad.errors import GeometryError
from reirrad.phantoms import AnalyticDose, RadialDose, Stack, Truth

__all__ = ["GOAL", "Row", "compare", "power_mean_gy", "tolerance", "volume_row"]

GEUD_POWER: Final = 8
VOLUME_PART: Final = 1e-3
SMALL_CC: Final = 0.1
GOAL: Final = (
    "volumes within 0.1 % of the slabs; doses within 0.5 % or 0.05 Gy where a structure has more than 0.1 cc, within 2 % or 0.1 Gy below; "
    "V_x within the same percentage, or what it would be at doses that much off"
)


def tolerance(volume_cc: float) -> tuple[float, float]:
    """Allowed deviation of a dose in a structure: part of the value, and Gy; the larger counts.

    >>> tolerance(0.1), tolerance(5.0)
    ((0.02, 0.1), (0.005, 0.05))
    """
    return (0.005, 0.05) if volume_cc > SMALL_CC else (0.02, 0.1)


@dataclass(frozen=True, slots=True)
class Row:
    """One value: closed form and computed.

    Parameters
    ----------
    family, phantom : str
        Kind of solid, and its description.
    metric, unit : str
    truth, computed : float or None
        None where the value is not defined.
    ideal : float or None
        Closed form of the solid that was drawn, where there is one; for information.
    passed : bool
        Whether computed is within the goal of truth.
    volume_cc : float
        True volume, which sets the goal.
    """

    family: str
    phantom: str
    metric: str
    unit: str
    truth: float | None
    computed: float | None
    ideal: float | None
    passed: bool
    volume_cc: float

    @property
    def small(self) -> bool:
        """Whether the goal is that of small structures."""
        return self.volume_cc <= SMALL_CC

    @property
    def deviation(self) -> float:
        """Computed - truth; 0 where neither is defined, infinite where one is."""
        if self.truth is None or self.computed is None:
            return 0.0 if self.truth is self.computed else float("inf")
        return self.computed - self.truth


def power_mean_gy(solid: Stack, dose: AnalyticDose, power: int) -> float:
    """(mean of D^power)^(1/power) by a cubature that is exact for every dose here: polynomials of degree up to 2 power."""
    t, w = np.polynomial.legendre.leggauss(power + 1)
    total = 0.0
    angle = 2 * np.pi * np.arange(2 * power + 1) / (2 * power + 1)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    for part in solid.parts:
        if part.base.is_rectangle:
            uv, uv_weight = np.array(list(product(t, t))), np.outer(w, w).ravel() / 4
        else:  # the squared distance from the middle of a disc is evenly distributed
            uv, uv_weight = (np.sqrt((t[:, None, None] + 1) / 2) * ring).reshape(-1, 2), np.repeat(w / 2, angle.size) / angle.size
        xy = np.array(part.base.centre_mm) + uv * (part.base.a_mm, part.base.b_mm)
        z = (part.bottom_mm + part.top_mm) / 2 + t * (part.top_mm - part.bottom_mm) / 2
        points = np.column_stack([np.tile(xy, (z.size, 1)), np.repeat(z, len(xy))])
        weight = np.outer(w / 2, uv_weight).ravel()
        total += part.volume_cc * float(weight @ (dose.at(points) / MIDDLE_GY) ** power)
    return float(MIDDLE_GY * (total / solid.volume_cc) ** (1 / power))


def compare(phantom: Phantom, label: str, dose: AnalyticDose, dvh: Dvh) -> list[Row]:
    """Every metric of one dose, but the volume."""
    name = f"{phantom.name}, {label}"
    truth, ideal = Truth(phantom.slabs, dose), Truth(phantom.solid, dose)
    volume_cc = phantom.slabs.volume_cc
    part, gy = tolerance(volume_cc)
    rows = []

    def add(metric: str, want: float | None, got: float | None, drawn: float | None = None) -> None:
        passed = want is got if want is None or got is None else bool(abs(got - want) <= max(part * abs(want), gy))
        rows.append(Row(phantom.family, name, metric, "Gy", want, got, drawn, passed, volume_cc))

    flat = dose.range_gy(phantom.slabs)
    add("Dmax", flat[1], dvh.max_gy())
    add("Dmin", truth.dose_at_percent(100.0) if isinstance(dose, RadialDose) else flat[0], dvh.min_gy())
    add("Dmean", truth.mean_gy, dvh.mean_gy(), ideal.mean_gy)
    for cc in (0.03, 0.1, 2.0):
        add(f"D{cc:g}cc", _known(truth.dose_at_cc, cc), _known(dvh.near_max_gy, cc), _known(ideal.dose_at_cc, cc))
    add("D95%", truth.dose_at_percent(95.0), dvh.near_max_percent_gy(95.0))
    add("D2%", truth.dose_at_percent(2.0), dvh.near_max_percent_gy(2.0))
    add(f"gEUD{GEUD_POWER}", power_mean_gy(phantom.slabs, dose, GEUD_POWER), dvh.geud_gy(GEUD_POWER))

    level = round(truth.dose_at_percent(40.0), 4)
    want, got = truth.volume_above_cc(level), dvh.volume_above_cc(level)
    off = max(part * level, gy)
    near = truth.volume_above_cc(level + off) <= got * (1 + 1e-6) and got <= truth.volume_above_cc(level - off) * (1 + 1e-6)
    passed = bool(abs(got - want) <= part * want or (near and flat[0] < flat[1]))
    rows.append(Row(phantom.family, name, "V_x", "cc", want, got, _known(ideal.volume_above_cc, level), passed, volume_cc))
    return rows


def _known(value: Callable[[float], float], argument: float) -> float | None:
    """A value, or None where it is not defined."""
    try:
        return value(argument)
    except (Undefined, GeometryError):
        return None


def volume_row(phantom: Phantom, volume_cc: float) -> Row:
    """The volume."""
    want = phantom.slabs.volume_cc
    return Row(phantom.family, phantom.name, "volume", "cc", want, volume_cc, phantom.solid.volume_cc, bool(abs(volume_cc - want) <= VOLUME_PART * want), want)
