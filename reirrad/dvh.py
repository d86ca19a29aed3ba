"""Dose statistics straight from points with volumes, never back from a binned curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reirrad.dose import Float32
from reirrad.grid import Float64

__all__ = ["Dvh", "Undefined"]

# A part of an organ without dose that is larger than either of these makes its statistics unknown.
UNKNOWN_FRACTION, UNKNOWN_CC = 1e-3, 0.02
BINS = 1024
# Doses this part below a threshold reach it: single precision cannot tell them from it.
ROUNDING = 2e-6


class Undefined(ValueError):  # noqa: N818 - says what the value is
    """A statistic that has no value, and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Dvh:
    """Distribution of one dose quantity in one organ.

    Parameters
    ----------
    dose_gy : (P,) float32
        Dose at points; NaN where unknown.
    volumes_cc : (P,)
        Volume of each point.
    edge_gy : (E,) float32
        Dose at points of the surface, which carry no volume.

    Notes
    -----
    The curve passes through the dose of each point at the middle of its volume, points sorted by falling dose, and ends at the maximum and
    minimum over points and surface. Between them it is linear.

    Every statistic raises Undefined when the organ has no points, or dose at a point is not known: ask `is_complete`, then take `known()`.
    """

    dose_gy: Float32
    volumes_cc: Float64
    edge_gy: Float32

    @property
    def volume_cc(self) -> float:
        """Volume of the organ, known or not."""
        return float(self.volumes_cc.sum())

    @property
    def coverage(self) -> float:
        """Part of the volume where dose is known, 0 to 1."""
        unknown = np.isnan(self.dose_gy)
        if not unknown.any():
            return 1.0
        return 1.0 - float(self.volumes_cc[unknown].sum()) / self.volume_cc

    @property
    def is_complete(self) -> bool:
        """Whether dose is known (nearly) everywhere: at most 0.1 % and 0.02 cc are not."""
        missing = 1.0 - self.coverage
        return missing <= UNKNOWN_FRACTION and missing * self.volume_cc <= UNKNOWN_CC

    def known(self) -> Dvh:
        """The part of the organ where dose is known."""
        here, edge = ~np.isnan(self.dose_gy), ~np.isnan(self.edge_gy)
        if here.all() and edge.all():
            return self
        return Dvh(self.dose_gy[here], self.volumes_cc[here], self.edge_gy[edge])

    def max_gy(self) -> float:
        """Largest dose at any point or surface point (Dmax)."""
        return float(max(self._doses().max(), np.fmax.reduce(self.edge_gy, initial=-np.inf)))

    def min_gy(self) -> float:
        """Smallest dose at any point or surface point (Dmin)."""
        return float(min(self._doses().min(), np.fmin.reduce(self.edge_gy, initial=np.inf)))

    def mean_gy(self) -> float:
        """Mean dose, weighted by volume (Dmean)."""
        return float(np.sum(self._doses() * self.volumes_cc) / self.volumes_cc.sum())

    def near_max_gy(self, volume_cc: float) -> float:
        """Least dose of the hottest `volume_cc` (D_xcc).

        Raises
        ------
        Undefined
            When the organ is smaller than this volume.
        """
        self._doses()
        if (reason := self.lacks(volume_cc)) is not None:
            raise Undefined(reason)
        return self.near_maxima_gy((volume_cc,))[0]

    def lacks(self, volume_cc: float) -> str | None:
        """Why the organ has no D_xcc of this volume: it is smaller (but for rounding). None when it has."""
        if volume_cc <= self.volume_cc * (1 + 1e-9):
            return None
        return f"the structure has {self.volume_cc:.3g} cc, less than the {volume_cc:g} cc of the metric"

    def near_maxima_gy(self, volumes_cc: Sequence[float]) -> list[float]:
        """D_xcc of several volumes, none larger than the organ. Only points with doses near each value are sorted."""
        dose = self._doses()
        low, high = float(dose.min()), float(dose.max())
        if dose.size < 4 * BINS or high <= low:
            return self._on_curve(volumes_cc, np.arange(dose.size), 0.0)
        bin_of = np.minimum((dose - low) * (BINS / (high - low)), BINS - 1).astype(np.int16)
        in_bin = np.bincount(bin_of, self.volumes_cc, BINS)
        above = np.append(np.cumsum(in_bin[::-1])[::-1], 0.0)  # volume in a bin and all higher ones
        filled = np.flatnonzero(in_bin)
        values = []
        for volume_cc in volumes_cc:
            # the value lies between points of the lowest bin that is needed to fill the volume, or of the filled bins beside it
            here = max(int(np.sum(above[filled] > volume_cc)) - 1, 0)
            least, most = filled[max(here - 1, 0)], filled[min(here + 1, filled.size - 1)]
            near = np.flatnonzero((bin_of >= least) & (bin_of <= most))
            values += self._on_curve([volume_cc], near, float(above[most + 1]))
        return values

    def _on_curve(self, volumes_cc: Sequence[float], which: NDArray[np.intp], hotter_cc: float) -> list[float]:
        """Dose of the curve at some volumes, from points around them that follow each other on it, and the volume of all hotter points."""
        order = which[np.argsort(-self.dose_gy[which], kind="stable")]
        volume = self.volumes_cc[order]
        reached = np.concatenate([[0.0], hotter_cc + np.cumsum(volume) - volume / 2, [self.volume_cc]])
        dose = np.concatenate([[self.max_gy()], self.dose_gy[order], [self.min_gy()]])
        return [float(d) for d in np.interp(volumes_cc, reached, dose)]

    def near_max_percent_gy(self, percent: float) -> float:
        """Least dose of the hottest `percent` of the volume (D_x%)."""
        return self.near_max_gy(self.volume_cc * percent / 100)

    def volume_above_cc(self, dose_gy: float) -> float:
        """Volume that receives at least `dose_gy` (V_xGy), cc."""
        return float(self.volumes_cc[self._doses() >= np.float32(dose_gy * (1 - ROUNDING))].sum())

    def volume_below_cc(self, dose_gy: float) -> float:
        """Volume spared: that receives less than `dose_gy` (critical volume), cc."""
        return float(self.volumes_cc[self._doses() < np.float32(dose_gy * (1 - ROUNDING))].sum())

    def geud_gy(self, a: float) -> float:
        """Generalised equivalent uniform dose (sum v D^a)^(1/a).

        References
        ----------
        niemierko_1999. Computed relative to the dose that counts most (the largest, for negative `a` the least), so that no power overflows.
        """
        doses = np.asarray(self._doses(), np.float64)
        main = float(doses.max() if a > 0 else doses.min())
        if main <= 0:
            return 0.0
        share = self.volumes_cc / self.volumes_cc.sum()
        return main * math.pow(float(np.sum(share * (doses / main) ** a)), 1 / a)

    def _doses(self) -> Float32:
        """Dose at all points, when there are points and it is known at every one."""
        if self.dose_gy.size == 0:
            raise Undefined("the structure has no part with known dose")
        if np.isnan(self.dose_gy).any():
            raise Undefined(f"dose is not known in {100 * (1 - self.coverage):.2g} % of the structure")
        return self.dose_gy
