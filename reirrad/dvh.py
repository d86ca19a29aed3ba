"""Dose statistics straight from points with volumes, never back from a binned curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reirrad.dose import Float32
from reirrad.grid import Float64

__all__ = ["Dvh", "Undefined"]

# A part of an organ without dose that is larger than either of these makes its statistics unknown.
UNKNOWN_FRACTION, UNKNOWN_CC = 1e-3, 0.02
BINS = 1024


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
        return float(max(np.nanmax(self.dose_gy), np.nanmax(self.edge_gy, initial=-np.inf)))

    def min_gy(self) -> float:
        """Smallest dose at any point or surface point (Dmin)."""
        return float(min(np.nanmin(self.dose_gy), np.nanmin(self.edge_gy, initial=np.inf)))

    def mean_gy(self) -> float:
        """Mean dose, weighted by volume (Dmean)."""
        return float(np.dot(self.dose_gy, self.volumes_cc) / self.volumes_cc.sum())

    def near_max_gy(self, volume_cc: float) -> float:
        """Least dose of the hottest `volume_cc` (D_xcc).

        Raises
        ------
        Undefined
            When the organ is not larger than this volume.
        """
        total = self.volume_cc
        if volume_cc > total * (1 + 1e-9):
            raise Undefined(f"the structure has {total:.3g} cc, less than the {volume_cc:g} cc of the metric")
        order = self._sorted_tail(volume_cc)
        volume = self.volumes_cc[order]
        middle = np.cumsum(volume) - volume / 2
        if volume_cc <= middle[-1] or order.size < self.dose_gy.size:
            return float(np.interp(volume_cc, np.append(0.0, middle), np.append(self.max_gy(), self.dose_gy[order])))
        return float(np.interp(volume_cc, [middle[-1], total], [self.dose_gy[order[-1]], self.min_gy()]))

    def near_max_percent_gy(self, percent: float) -> float:
        """Least dose of the hottest `percent` of the volume (D_x%)."""
        return self.near_max_gy(self.volume_cc * percent / 100)

    def volume_above_cc(self, dose_gy: float) -> float:
        """Volume that receives at least `dose_gy` (V_xGy), cc."""
        return float(self.volumes_cc[self.dose_gy >= np.float32(dose_gy)].sum())

    def volume_below_cc(self, dose_gy: float) -> float:
        """Volume spared: that receives less than `dose_gy` (critical volume), cc."""
        return float(self.volumes_cc[self.dose_gy < np.float32(dose_gy)].sum())

    def geud_gy(self, a: float) -> float:
        """Generalised equivalent uniform dose (sum v D^a)^(1/a).

        References
        ----------
        niemierko_1999. Computed relative to the maximum, so that large `a` does not overflow.
        """
        top = self.max_gy()
        if top <= 0:
            return 0.0
        share = self.volumes_cc / self.volumes_cc.sum()
        with np.errstate(divide="ignore"):
            mean = float(np.dot(share, (np.asarray(self.dose_gy, np.float64) / top) ** a))
        return top * mean ** (1 / a) if mean > 0 and math.isfinite(mean) else 0.0

    def _sorted_tail(self, volume_cc: float) -> np.ndarray:
        """Indices of points by falling dose: enough of them to reach past `volume_cc`."""
        dose = self.dose_gy
        low, high = float(dose.min()), float(dose.max())
        if dose.size < 20 * BINS or high <= low:
            return np.argsort(-dose, kind="stable")
        bin_of = np.minimum(((dose - low) * (BINS / (high - low))).astype(np.intp), BINS - 1)
        above = np.cumsum(np.bincount(bin_of, self.volumes_cc, BINS)[::-1])[::-1]
        reached = np.flatnonzero(above > volume_cc)
        lowest = max(int(reached[-1]) - 1, 0) if reached.size else 0
        while lowest > 0 and above[lowest] <= above[lowest + 1]:  # keep at least one point beyond the asked volume
            lowest -= 1
        hot = np.flatnonzero(bin_of >= lowest)
        return hot[np.argsort(-dose[hot], kind="stable")]
