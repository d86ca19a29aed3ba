"""Permanent implants: a dose rate that decays with the source, repair with one half time.

Follows from the double integral of Lea and Catcheside with the rate R0 e^(-lambda t).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reirrad.errors import ParameterError
from reirrad.parameters import not_negative, positive

__all__ = ["PermanentImplant"]


@dataclass(frozen=True, slots=True)
class PermanentImplant:
    """Sources that stay.

    Parameters
    ----------
    dose_gy : float
        Dose after complete decay, Gy.
    source_half_life_days, repair_half_time_h : float
        Half life of the nuclide, days; half time of repair, h (shorter).

    >>> seeds = PermanentImplant(145, 59.4, 0.27)
    >>> round(seeds.initial_rate_gy_per_day, 3), round(seeds.bed(3), 2)
    (1.692, 146.33)
    >>> days = seeds.effective_days(alpha_per_gy=0.15, doubling_time_days=42)
    >>> round(days, 1), round(seeds.bed(3, days) - 0.6931471806 / (0.15 * 42) * days, 2)
    (234.2, 111.12)
    """

    dose_gy: float
    source_half_life_days: float
    repair_half_time_h: float

    def __post_init__(self) -> None:
        not_negative("dose_gy", self.dose_gy)
        positive("source_half_life_days", self.source_half_life_days)
        positive("repair_half_time_h", self.repair_half_time_h)
        if self._repair <= self._decay:
            raise ParameterError(
                f"repair_half_time_h is {self.repair_half_time_h:g}; needed is less than the half life of the source, {24 * self.source_half_life_days:g} h. "
                "Check the units."
            )

    @property
    def _decay(self) -> float:
        """lambda, 1/day."""
        return math.log(2) / self.source_half_life_days

    @property
    def _repair(self) -> float:
        """mu, 1/day."""
        return 24 * math.log(2) / self.repair_half_time_h

    @property
    def initial_rate_gy_per_day(self) -> float:
        """R0 = D lambda, Gy per day."""
        return self.dose_gy * self._decay

    def bed(self, alpha_beta_gy: float, days: float = math.inf) -> float:
        """BED, Gy, of the first `days`, without repopulation.

        D_T + (R0² / ((mu - lambda) alpha/beta)) [(1 - e^(-2 lambda T)) / lambda - 2 (1 - e^(-(mu + lambda) T)) / (mu + lambda)], where
        D_T = D (1 - e^(-lambda T)); for all time D (1 + R0 / ((mu + lambda) alpha/beta)).
        """
        positive("alpha_beta_gy", alpha_beta_gy)
        decay, repair, rate = self._decay, self._repair, self.initial_rate_gy_per_day
        if days == math.inf:
            return self.dose_gy * (1 + rate / ((repair + decay) * alpha_beta_gy))
        not_negative("days", days)
        given = -self.dose_gy * math.expm1(-decay * days)
        bracket = -math.expm1(-2 * decay * days) / decay + 2 * math.expm1(-(repair + decay) * days) / (repair + decay)
        return given + rate**2 * bracket / ((repair - decay) * alpha_beta_gy)

    def effective_days(self, alpha_per_gy: float, doubling_time_days: float) -> float:
        """Time, days, after which the decayed rate no longer outruns growth: -(1/lambda) ln(ln 2 / (alpha Tp R0)); 0 when it never does."""
        positive("alpha_per_gy", alpha_per_gy)
        positive("doubling_time_days", doubling_time_days)
        needed_rate = math.log(2) / (alpha_per_gy * doubling_time_days)
        rate = self.initial_rate_gy_per_day
        return math.log(rate / needed_rate) / self._decay if rate > needed_rate else 0.0
