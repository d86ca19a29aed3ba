"""Models for large doses per fraction beside the linear-quadratic one. Sensitivities only.

Cumulative limits were derived with the linear-quadratic model and are compared with its sums: these models give less and would let more pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from reirrad.errors import ParameterError, printable
from reirrad.parameters import not_negative, positive, whole
from reirrad.radiobiology import Dose, eqd2_from_bed

__all__ = ["LEAST_TRANSITION_GY", "HighDose", "UniversalSurvival", "bed_lql", "dose_per_fraction_for_bed_lql", "eqd2_lql", "tangent"]


LEAST_TRANSITION_GY: Final = 2.0  # below it a fraction of 2 Gy would not be linear-quadratic itself, and EQD2 would mean nothing


def tangent(transition_gy: float, alpha_beta_gy: float) -> float:
    """Slope gamma/alpha with which the straight part of LQ-L continues the curve without a kink: 1 + 2 dT / (alpha/beta); no unit.

    >>> tangent(4, 2)
    5.0
    """
    positive("transition_gy", transition_gy)
    positive("alpha_beta_gy", alpha_beta_gy)
    return 1 + 2 * transition_gy / alpha_beta_gy


def bed_lql(dose_gy: Dose, fractions: float, alpha_beta_gy: float, transition_gy: float, gamma_alpha: float | None = None) -> Dose:
    """BED, Gy, of the linear-quadratic-linear model. A sensitivity.

    Per fraction d (1 + d / (alpha/beta)) up to dT, and beyond it dT (1 + dT / (alpha/beta)) + (gamma/alpha) (d - dT).

    Parameters
    ----------
    dose_gy : float or array
        Total physical dose, Gy, of `fractions` equal fractions.
    fractions, alpha_beta_gy, transition_gy : float
        Number of fractions; alpha/beta and dT, Gy.
    gamma_alpha : float, optional
        Slope beyond dT; default the tangent.

    References
    ----------
    astrahan_2008
    voyant_2014, equations 3 and 6.

    >>> float(bed_lql(20.0, 1, 2, 4)), float(bed_lql(20.0, 1, 2, 4, gamma_alpha=1.0))
    (92.0, 28.0)
    """
    slope = tangent(transition_gy, alpha_beta_gy) if gamma_alpha is None else gamma_alpha
    positive("fractions", fractions)
    positive("gamma_alpha", slope)
    d = dose_gy / fractions
    curved = np.minimum(d, transition_gy)
    value: Dose = fractions * (curved * (1 + curved / alpha_beta_gy) + slope * (d - curved))
    return value


def eqd2_lql(dose_gy: Dose, fractions: float, alpha_beta_gy: float, transition_gy: float, gamma_alpha: float | None = None) -> Dose:
    """EQD2, Gy, of the linear-quadratic-linear model. A sensitivity.

    Raises
    ------
    ParameterError
        For a transition below 2 Gy, where a fraction of 2 Gy would not be linear-quadratic itself.

    References
    ----------
    astrahan_2008
    voyant_2014, equations 3 and 6.

    >>> [round(float(eqd2_lql(float(n * d), n, ab, dt)), 2) for n, d, ab, dt in ((1, 20, 2, 4), (1, 16, 2, 4), (3, 18, 10, 6.2), (3, 10, 3, 6))]
    [46.0, 36.0, 91.19, 68.4]
    """
    if not transition_gy >= 2:
        raise ParameterError(f"transition_gy is {transition_gy:g}; needed for an EQD2 is at least 2 Gy. Use a larger one, or BED.")
    return eqd2_from_bed(bed_lql(dose_gy, fractions, alpha_beta_gy, transition_gy, gamma_alpha), alpha_beta_gy)


def dose_per_fraction_for_bed_lql(bed_gy: float, fractions: float, alpha_beta_gy: float, transition_gy: float, gamma_alpha: float | None = None) -> float:
    """Dose per fraction, Gy, whose `fractions` fractions have this BED in the linear-quadratic-linear model. A sensitivity.

    >>> round(dose_per_fraction_for_bed_lql(60, 3, 3, 6), 3), round(dose_per_fraction_for_bed_lql(100, 3, 3, 6), 3)
    (6.4, 9.067)
    """
    slope = tangent(transition_gy, alpha_beta_gy) if gamma_alpha is None else gamma_alpha
    not_negative("bed_gy", bed_gy)
    positive("fractions", fractions)
    positive("gamma_alpha", slope)
    each = bed_gy / fractions
    at_transition = transition_gy * (1 + transition_gy / alpha_beta_gy)
    if each <= at_transition:
        return 2 * each / (1 + float(np.sqrt(1 + 4 * each / alpha_beta_gy)))  # positive root of d + d²/(alpha/beta) = each, without loss of digits
    return transition_gy + (each - at_transition) / slope


@dataclass(frozen=True, slots=True)
class UniversalSurvival:
    """Universal survival curve: linear-quadratic to a transition dose, then the straight line of the multi-target model that touches it. A sensitivity.

    alpha/beta is not free: the line touches the curve only for beta = (1 - alpha D0)² / (4 D0 Dq).

    Parameters
    ----------
    alpha_per_gy : float
        1/Gy.
    d0_gy, dq_gy : float
        Slope and quasi-threshold dose of the line, Gy.

    References
    ----------
    park_2008

    >>> curve = UniversalSurvival(0.33, 1.25, 1.8)
    >>> round(curve.alpha_beta_gy, 3), round(curve.transition_gy, 3), round(float(curve.bed(54.0, 3)), 2), round(curve.single_fraction_dose(54.0, 3), 1)
    (8.605, 6.128, 117.82, 50.4)
    """

    alpha_per_gy: float
    d0_gy: float
    dq_gy: float

    def __post_init__(self) -> None:
        positive("alpha_per_gy", self.alpha_per_gy)
        positive("d0_gy", self.d0_gy)
        positive("dq_gy", self.dq_gy)
        if self.alpha_per_gy * self.d0_gy >= 1:
            raise ParameterError(
                f"alpha_per_gy times d0_gy is {self.alpha_per_gy * self.d0_gy:g}; needed is less than 1, or line and curve never touch. Correct one."
            )

    @property
    def alpha_beta_gy(self) -> float:
        """alpha/beta of the curved part, Gy."""
        return 4 * self.alpha_per_gy * self.d0_gy * self.dq_gy / (1 - self.alpha_per_gy * self.d0_gy) ** 2

    @property
    def transition_gy(self) -> float:
        """Dose where the line begins, 2 Dq / (1 - alpha D0), Gy."""
        return 2 * self.dq_gy / (1 - self.alpha_per_gy * self.d0_gy)

    def bed(self, dose_gy: Dose, fractions: float) -> Dose:
        """BED, Gy: linear-quadratic below the transition, (D - n Dq) / (alpha D0) beyond it. A sensitivity."""
        positive("fractions", fractions)
        d = dose_gy / fractions
        curved = np.minimum(d, self.transition_gy)
        value: Dose = fractions * (curved * (1 + curved / self.alpha_beta_gy) + (d - curved) / (self.alpha_per_gy * self.d0_gy))
        return value

    def single_fraction_dose(self, dose_gy: Dose, fractions: int) -> Dose:
        """Single fraction equivalent dose D - (n - 1) Dq, Gy. A sensitivity.

        Raises
        ------
        ParameterError
            When a dose per fraction lies below the transition, where the formula does not hold.
        """
        whole("fractions", fractions)
        if np.any(np.asarray(dose_gy) < fractions * self.transition_gy):
            least = float(np.nanmin(np.asarray(dose_gy)))
            raise ParameterError(
                f"dose_gy is {least:g} in {fractions} fractions; needed are {self.transition_gy:.3g} Gy per fraction or more, the straight part. Use bed."
            )
        return dose_gy - (fractions - 1) * self.dq_gy


@dataclass(frozen=True, slots=True)
class HighDose:
    """A model of large doses per fraction that is asked for.

    Parameters
    ----------
    model : str
        lq-l or usc.
    organs : tuple of str
        Organ keys; empty for all (lq-l only: the parameters of usc belong to one tissue).
    transition_gy : float, optional
        Of lq-l, at least 2 Gy; default `default_transition_gy`.
    alpha_per_gy, d0_gy, dq_gy : float, optional
        Of usc, which has no defaults.

    Raises
    ------
    ParameterError
        When parameters are missing, or belong to the other model.
    """

    model: Literal["lq-l", "usc"]
    organs: tuple[str, ...] = ()
    transition_gy: float | None = None
    alpha_per_gy: float | None = None
    d0_gy: float | None = None
    dq_gy: float | None = None

    def __post_init__(self) -> None:
        if self.model not in ("lq-l", "usc"):
            raise ParameterError(f"The model of a sensitivity is {printable(self.model, 40)}; needed is lq-l or usc. Correct it.")
        if self.model == "lq-l":
            if (self.alpha_per_gy, self.d0_gy, self.dq_gy) != (None, None, None):
                raise ParameterError("lq-l has alpha_per_gy, d0_gy or dq_gy, which belong to usc; needed is at most transition_gy. Take them away.")
            if self.transition_gy is not None:
                positive("transition_gy", self.transition_gy)
                _long_enough("transition_gy", self.transition_gy)
            return
        if self.transition_gy is not None:
            raise ParameterError("usc has transition_gy, which follows from alpha_per_gy, d0_gy and dq_gy. Take it away.")
        if not self.organs:
            raise ParameterError("usc names no organs; needed are those to whose tissue its parameters belong. State organs.")
        _long_enough("The transition dose that follows from alpha_per_gy, d0_gy and dq_gy", self.curve.transition_gy)

    @property
    def curve(self) -> UniversalSurvival:
        """The curve of usc."""
        if self.alpha_per_gy is None or self.d0_gy is None or self.dq_gy is None:
            raise ParameterError("usc lacks alpha_per_gy, d0_gy or dq_gy, for which there is no default; needed are all three. State them.")
        return UniversalSurvival(self.alpha_per_gy, self.d0_gy, self.dq_gy)

    def applies_to(self, organ_key: str) -> bool:
        """Whether it is asked for this organ."""
        return not self.organs or organ_key in self.organs


def _long_enough(name: str, transition_gy: float) -> None:
    if transition_gy < LEAST_TRANSITION_GY:
        raise ParameterError(f"{name} is {transition_gy:.3g} Gy; needed for an EQD2 are at least {LEAST_TRANSITION_GY:g} Gy. Correct it.")
