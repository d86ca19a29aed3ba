"""Linear-quadratic bookkeeping: BED, EQD2 and their inverses. Pure functions of numbers or arrays.

Every function takes dose in Gy and alpha/beta in Gy, broadcasts, and keeps NaN as "unknown". A number of fractions or an alpha/beta that is not
a finite number above zero is refused (`ParameterError`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from reirrad.parameters import not_negative, positive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Dose", "bed", "bed_from_eqd2", "dose_for_eqd2", "dose_per_fraction_for_eqd2", "eqd2", "eqd2_from_bed"]

Dose = TypeVar("Dose", float, "NDArray[np.float32]", "NDArray[np.float64]")


def bed(dose_gy: Dose, fractions: float, alpha_beta_gy: float) -> Dose:
    """Biologically effective dose of equal fractions, complete repair between them.

    Parameters
    ----------
    dose_gy : float or array
        Total physical dose, Gy, of `fractions` equal fractions.
    fractions, alpha_beta_gy : float
        Number of fractions; alpha/beta, Gy.

    References
    ----------
    fowler_1989 : D (1 + d / (alpha/beta)).

    >>> bed(30.0, 10, 2)
    75.0
    """
    positive("fractions", fractions)
    positive("alpha_beta_gy", alpha_beta_gy)
    return dose_gy * (1 + dose_gy / (fractions * alpha_beta_gy))


def eqd2(dose_gy: Dose, fractions: float, alpha_beta_gy: float) -> Dose:
    """Equieffective dose in 2 Gy fractions: D (d + alpha/beta) / (2 + alpha/beta).

    References
    ----------
    voyant_2014, equation 2.

    >>> [round(eqd2(float(n * d), n, 3), 2) for n, d in ((30, 1.8), (20, 2.5), (5, 6), (1, 8))]
    [51.84, 55.0, 54.0, 17.6]
    """
    positive("fractions", fractions)
    positive("alpha_beta_gy", alpha_beta_gy)
    weight: Dose = (dose_gy / fractions + alpha_beta_gy) / (2 + alpha_beta_gy)
    return dose_gy * weight


def eqd2_from_bed(bed_gy: Dose, alpha_beta_gy: float) -> Dose:
    """EQD2 of a BED of the same alpha/beta.

    >>> eqd2_from_bed(120.0, 2)
    60.0
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    return bed_gy / (1 + 2 / alpha_beta_gy)


def bed_from_eqd2(eqd2_gy: Dose, alpha_beta_gy: float) -> Dose:
    """BED of an EQD2 of the same alpha/beta.

    >>> bed_from_eqd2(67.75, 2)
    135.5
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    return eqd2_gy * (1 + 2 / alpha_beta_gy)


def dose_per_fraction_for_eqd2(eqd2_gy: float, fractions: float, alpha_beta_gy: float) -> float:
    """Dose per fraction, Gy, whose `fractions` fractions have this EQD2 (>= 0).

    The positive root of n d (d + alpha/beta) = EQD2 (2 + alpha/beta).

    >>> [round(dose_per_fraction_for_eqd2(10, n, 2), 3) for n in (1, 2, 5, 10)]
    [5.403, 3.583, 2.0, 1.236]
    """
    not_negative("eqd2_gy", eqd2_gy)
    positive("fractions", fractions)
    positive("alpha_beta_gy", alpha_beta_gy)
    c = eqd2_gy * (2 + alpha_beta_gy) / fractions
    return 2 * c / (alpha_beta_gy + math.sqrt(alpha_beta_gy**2 + 4 * c))  # this form of the root loses no digits when c is small


def dose_for_eqd2(eqd2_gy: float, fractions: float, alpha_beta_gy: float) -> float:
    """Total physical dose, Gy, whose `fractions` equal fractions have this EQD2.

    >>> round(dose_for_eqd2(18, 5, 3), 4)
    15.0
    """
    return fractions * dose_per_fraction_for_eqd2(eqd2_gy, fractions, alpha_beta_gy)
