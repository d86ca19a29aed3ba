"""Proliferation of tumour and early reacting tissue during a course. Late reacting organs have no such term.

Per course and for tumours only, never carried from one course to another. A loss in BED and a loss in EQD2 differ by 1 + 2 / (alpha/beta): never mix them.
"""

from __future__ import annotations

import math

from reirrad.parameters import not_negative, positive
from reirrad.radiobiology import Dose

__all__ = ["bed_loss_from_eqd2_loss", "bed_loss_per_day", "less_repopulation"]


def bed_loss_per_day(alpha_per_gy: float, doubling_time_days: float) -> float:
    """BED that one day of growth undoes, ln 2 / (alpha Tp), Gy per day.

    >>> round(bed_loss_per_day(0.3, 3), 4)
    0.7702
    """
    positive("alpha_per_gy", alpha_per_gy)
    positive("doubling_time_days", doubling_time_days)
    return math.log(2) / (alpha_per_gy * doubling_time_days)


def bed_loss_from_eqd2_loss(eqd2_per_day_gy: float, alpha_beta_gy: float) -> float:
    """Loss of BED per day, Gy, of a published loss of EQD2 per day, Gy, at the same alpha/beta.

    >>> round(bed_loss_from_eqd2_loss(0.7, 10), 6)
    0.84
    """
    not_negative("eqd2_per_day_gy", eqd2_per_day_gy)
    positive("alpha_beta_gy", alpha_beta_gy)
    return eqd2_per_day_gy * (1 + 2 / alpha_beta_gy)


def less_repopulation(effect_gy: Dose, per_day_gy: float, overall_days: float, kickoff_days: float) -> Dose:
    """Effect less growth after the kick-off time: B - K max(0, T - Tk), Gy. Below zero, growth outran the treatment.

    Parameters
    ----------
    effect_gy : float or array
        BED, or EQD2, Gy.
    per_day_gy : float
        Loss per day in the same quantity.
    overall_days, kickoff_days : float
        First to last day of the course; day on which the growth begins.

    >>> round(less_repopulation(84.0, 0.9, 46, 28), 6), less_repopulation(84.0, 0.9, 20, 28)  # 35 x 2 Gy, BED at alpha/beta 10
    (67.8, 84.0)
    """
    not_negative("per_day_gy", per_day_gy)
    not_negative("overall_days", overall_days)
    not_negative("kickoff_days", kickoff_days)
    return effect_gy - per_day_gy * max(0.0, overall_days - kickoff_days)
