"""What a schedule does to the tumour: BED and EQD2 of the prescribed dose, given everywhere, less what grows back while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reirrad.effect import Growth
from reirrad.errors import ParameterError, printable
from reirrad.evidence import evidence
from reirrad.highdose import bed_lql
from reirrad.parameters import not_negative, positive, whole
from reirrad.radiobiology import bed, eqd2_from_bed
from reirrad.repopulation import less_repopulation

__all__ = ["LQ_SUPPORTED_GY", "Tumour", "TumourEffect", "effects", "overall_days"]

LQ_SUPPORTED_GY: Final = 10.0  # brenner_2008: data support LQ to about this dose per fraction
ROUNDING: Final = 1 + 1e-5  # a dose per fraction that is this after scaling is not beyond it
DAYS_OF_A_WEEK, WORKING_DAYS = 7, 5


@dataclass(frozen=True, slots=True)
class Tumour:
    """What is assumed of the tumour.

    Parameters
    ----------
    alpha_betas_gy : tuple of float
        Each is shown; the first is the one the schedules are ranked by.
    growth : Growth or None
        Repopulation while a course lasts. BED lost per day is ln 2 / (alpha Tp), the same for every alpha/beta.
    evidence : str or None
        Disease whose published results are shown beside options.

    Raises
    ------
    ParameterError
        Without an alpha/beta above zero, with one twice, and for evidence that is not there.
    """

    alpha_betas_gy: tuple[float, ...] = (10.0, 3.0)
    growth: Growth | None = None
    evidence: str | None = None

    def __post_init__(self) -> None:
        if not self.alpha_betas_gy or len(set(self.alpha_betas_gy)) < len(self.alpha_betas_gy):
            listed = ", ".join(printable(x, 20) for x in self.alpha_betas_gy) or "nothing"
            raise ParameterError(f"alpha_beta_gy of the tumour is {listed}; needed is at least one value, in Gy, and none twice. Correct it.")
        for value in self.alpha_betas_gy:
            positive("alpha_beta_gy of the tumour", value)
        if self.evidence is not None:
            evidence(self.evidence)


@dataclass(frozen=True, slots=True)
class TumourEffect:
    """Effect of one schedule at one alpha/beta, Gy.

    Parameters
    ----------
    bed_gy, eqd2_gy : float or None
        Less growth; None where growth outran the dose, so that no effect is left.
    bed_without_growth_gy : float
        Without that term.
    bed_lql_gy : float or None
        `bed_gy` under LQ-L that is straight from 10 Gy per fraction on; None for smaller fractions, where both are the same.
    """

    alpha_beta_gy: float
    bed_gy: float | None
    eqd2_gy: float | None
    bed_without_growth_gy: float
    bed_lql_gy: float | None = None


def overall_days(fractions: int, per_day: int = 1) -> int:
    """Days from the first to the last fraction of a course that starts on a Monday and is given on five days a week.

    >>> [overall_days(n) for n in (1, 5, 6, 28, 30)], overall_days(30, 2)
    ([0, 4, 7, 37, 39], 18)
    """
    whole("fractions", fractions)
    whole("per_day", per_day)
    weeks, days = divmod(-(-fractions // per_day) - 1, WORKING_DAYS)
    return DAYS_OF_A_WEEK * weeks + days


def effects(tumour: Tumour, dose_gy: float, fractions: int, per_day: int = 1) -> tuple[TumourEffect, ...]:
    """Effect of a schedule on a tumour that receives the prescribed dose everywhere, at each alpha/beta.

    Between fractions repair is taken as complete, of one day too: nothing is known of the tumour's repair, and this gives the least effect.

    Parameters
    ----------
    dose_gy : float
        Prescribed dose of all fractions, Gy.

    References
    ----------
    fowler_1989 : BED of equal fractions.
    astrahan_2008, voyant_2014 : LQ-L.

    >>> [(e.bed_gy, e.eqd2_gy) for e in effects(Tumour((10.0,)), 60.0, 30)]
    [(72.0, 60.0)]
    """
    not_negative("dose_gy", dose_gy)
    days = overall_days(fractions, per_day)
    beyond = dose_gy / fractions > LQ_SUPPORTED_GY * ROUNDING

    def left(effect_gy: float) -> float | None:
        if tumour.growth is None:
            return effect_gy
        remaining = less_repopulation(effect_gy, tumour.growth.per_day_gy, days, tumour.growth.kickoff_days)
        return remaining if remaining > 0 else None

    found = []
    for alpha_beta in tumour.alpha_betas_gy:
        whole_gy = bed(dose_gy, fractions, alpha_beta)
        bed_gy = left(whole_gy)
        straight = left(float(bed_lql(dose_gy, fractions, alpha_beta, LQ_SUPPORTED_GY))) if beyond else None
        found.append(TumourEffect(alpha_beta, bed_gy, None if bed_gy is None else eqd2_from_bed(bed_gy, alpha_beta), whole_gy, straight))
    return tuple(found)
