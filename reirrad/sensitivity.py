"""Cumulative EQD2 of one organ under models beside the linear-quadratic one. Sensitivities, never compared with limits.

Limits were derived with the linear-quadratic model and, for protons, a constant RBE; sums of another model belong beside them, not against them.

Models of large doses per fraction are made for short sessions, each repaired before the next: below the transition a repair factor could go with the quadratic
term, beyond it there is none to carry it. A delivery whose repair factor is not 1 therefore stays linear-quadratic, with its factor, and the parameters say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import OrganDose
from reirrad.dose import Float32
from reirrad.dvh import Dvh
from reirrad.errors import ParameterError
from reirrad.grid import Float64
from reirrad.highdose import LEAST_TRANSITION_GY, HighDose, eqd2_lql, tangent
from reirrad.parameters import positive
from reirrad.radiobiology import eqd2, eqd2_from_bed
from reirrad.rbe import mcnamara, wedenberg

__all__ = ["HighDose", "ProtonLet", "Sensitivity", "default_transition_gy", "high_dose", "sensitivities", "variable_rbe"]

NOT_FOR_LIMITS: Final = "sensitivity, not for limits"
AnyDose = TypeVar("AnyDose", Float32, Float64)
Convert = Callable[[Float64, int, float], Float64]
TITLES: Final = {"mcnamara": "McNamara 2015", "wedenberg": "Wedenberg 2013"}


@dataclass(frozen=True, slots=True, eq=False)
class ProtonLet:
    """LET of the proton deliveries of one organ.

    Parameters
    ----------
    let_kev_um : (K, P) or (K, 1)
        Dose-averaged LET at the points, keV/µm; NaN where unknown. Rows without `rbe` are not read.
    edge_let_kev_um : (K, E) or (K, 1)
        The same at the surface points.
    rbe : (K,)
        Constant RBE that the dose of each delivery already holds; NaN for deliveries that stay as they are (photons, or protons without LET).
    """

    let_kev_um: Float32
    edge_let_kev_um: Float32
    rbe: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Cumulative EQD2 of one organ under another model.

    Parameters
    ----------
    model : str
        lq-l, usc, mcnamara or wedenberg.
    label : str
        For people; ends in "sensitivity, not for limits".
    parameters : dict
        What it was computed with.
    dvh : Dvh
        Cumulative EQD2, Gy, without recovery.
    alpha_beta_gy : float
        Of this EQD2: that of the organ, but for usc that of its curve. Compare with linear-quadratic EQD2 at this alpha/beta only.
    convert : callable
        Physical doses (array, Gy), number of sessions and repair factor to EQD2, for courses that are known from paper.
    """

    model: str
    label: str
    parameters: dict[str, float | int | str]
    dvh: Dvh
    alpha_beta_gy: float
    convert: Convert


def sensitivities(
    dose: OrganDose, alpha_beta_gy: float, organ_key: str, requests: Iterable[HighDose] = (), let: ProtonLet | None = None
) -> tuple[Sensitivity, ...]:
    """All sensitivities of one organ: the models asked for, and both models of variable RBE wherever LET is given."""
    asked = tuple(high_dose(dose, alpha_beta_gy, request) for request in requests if request.applies_to(organ_key))
    return asked if let is None or np.isnan(let.rbe).all() else (*asked, *variable_rbe(dose, alpha_beta_gy, let))


def default_transition_gy(alpha_beta_gy: float) -> float:
    """Transition dose of LQ-L, Gy: twice alpha/beta, at least 2 Gy.

    References
    ----------
    voyant_2014, equation 3.

    >>> default_transition_gy(3), default_transition_gy(0.87)
    (6, 2.0)
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    return max(2 * alpha_beta_gy, LEAST_TRANSITION_GY)


def high_dose(dose: OrganDose, alpha_beta_gy: float, request: HighDose) -> Sensitivity:
    """Cumulative EQD2 under a model of large doses per fraction.

    Parameters
    ----------
    alpha_beta_gy : float
        Of the organ; usc has its own, which follows from its parameters.

    References
    ----------
    astrahan_2008
    voyant_2014, equations 3 and 6.
    park_2008
    """
    parameters: dict[str, float | int | str]
    if request.model == "lq-l":
        transition_gy = default_transition_gy(alpha_beta_gy) if request.transition_gy is None else request.transition_gy
        parameters = {"transition_gy": transition_gy, "gamma_alpha": tangent(transition_gy, alpha_beta_gy)}
        label, curve_alpha_beta_gy = f"LQ-L, transition {transition_gy:g} Gy", alpha_beta_gy

        def model(dose_gy: AnyDose, fractions: int) -> AnyDose:
            return eqd2_lql(dose_gy, fractions, alpha_beta_gy, transition_gy)
    else:
        curve = request.curve
        curve_alpha_beta_gy = curve.alpha_beta_gy
        parameters = {"alpha_per_gy": curve.alpha_per_gy, "d0_gy": curve.d0_gy, "dq_gy": curve.dq_gy, "transition_gy": curve.transition_gy}
        label = f"USC, EQD2 at the alpha/beta of its curve, {curve_alpha_beta_gy:.3g} Gy (organ: {alpha_beta_gy:g} Gy)"

        def model(dose_gy: AnyDose, fractions: int) -> AnyDose:
            return eqd2_from_bed(curve.bed(dose_gy, fractions), curve_alpha_beta_gy)

    parameters["alpha_beta_gy"] = curve_alpha_beta_gy
    if n := int(np.count_nonzero(_repair(dose) != 1)):
        parameters["deliveries_kept_linear_quadratic"] = n
        label += f"; {n} of {dose.fractions.size} deliveries stay linear-quadratic, for their repair is not that of short fractions, one a day"
    dvh = _summed(dose, curve_alpha_beta_gy, model)

    def convert(dose_gy: Float64, fractions: int, repair: float) -> Float64:
        return model(dose_gy, fractions) if repair == 1 else eqd2(dose_gy, fractions / repair, curve_alpha_beta_gy)

    return Sensitivity(request.model, f"{label}; {NOT_FOR_LIMITS}", parameters, dvh, curve_alpha_beta_gy, convert)


def variable_rbe(dose: OrganDose, alpha_beta_gy: float, let: ProtonLet) -> tuple[Sensitivity, Sensitivity]:
    """Cumulative EQD2 with the RBE of protons from LET and dose per fraction in place of the constant one (McNamara, Wedenberg).

    The constant RBE is divided out, the physical dose weighted, and converted as before; other deliveries stay as they are.

    Raises
    ------
    ParameterError
        When arrays do not fit the deliveries, a constant RBE is not above zero, or LET is below zero or not that of protons.

    References
    ----------
    mcnamara_2015
    wedenberg_2013
    """
    n = dose.fractions.size
    if let.rbe.shape != (n,) or len(let.let_kev_um) != n or len(let.edge_let_kev_um) != n:
        raise ParameterError(f"rbe or let_kev_um is not of {n} deliveries; needed is a row for each. Correct them.")
    protons = np.flatnonzero(~np.isnan(let.rbe))
    for k in protons:
        positive("rbe", float(let.rbe[k]))

    def weighted(dose_gy: Float32, let_kev_um: Float32, rbe_of: Callable[[Float32, Float32, float], Float32]) -> Float32:
        out = dose_gy.copy()
        for k in protons:
            physical = dose_gy[k] / np.float32(let.rbe[k])
            rbe = rbe_of(physical / np.float32(dose.fractions[k]), let_kev_um[k], alpha_beta_gy)
            out[k] = np.where(physical == 0, physical, physical * rbe)  # no dose needs no LET
        return out

    def linear_quadratic(dose_gy: Float64, fractions: int, repair: float) -> Float64:
        return eqd2(dose_gy, fractions / repair, alpha_beta_gy)

    found = []
    for name, rbe_of in (("mcnamara", mcnamara), ("wedenberg", wedenberg)):
        changed = replace(dose, dose_gy=weighted(dose.dose_gy, let.let_kev_um, rbe_of), edge_gy=weighted(dose.edge_gy, let.edge_let_kev_um, rbe_of))
        parameters: dict[str, float | int | str] = {"alpha_beta_gy": alpha_beta_gy, "proton_deliveries": int(protons.size)}
        constant = sorted({float(let.rbe[k]) for k in protons})
        parameters["rbe_replaced"] = ", ".join(f"{value:g}" for value in constant)
        label = f"Variable RBE of protons, {TITLES[name]}; {NOT_FOR_LIMITS}"
        found.append(Sensitivity(name, label, parameters, changed.eqd2(alpha_beta_gy), alpha_beta_gy, linear_quadratic))
    return found[0], found[1]


def _summed(dose: OrganDose, alpha_beta_gy: float, model: Callable[[Float32, int], Float32]) -> Dvh:
    """EQD2 of all deliveries together: of the model where repair is complete, linear-quadratic with the repair factor elsewhere."""
    repair = _repair(dose)

    def of(doses: Float32) -> Float32:
        total = np.zeros(doses.shape[1], np.float32)
        for k, n in enumerate(dose.fractions):
            total += model(doses[k], int(n)) if repair[k] == 1 else eqd2(doses[k], float(n / repair[k]), alpha_beta_gy)
        return total

    return Dvh(of(dose.dose_gy), dose.volumes_cc, of(dose.edge_gy))


def _repair(dose: OrganDose) -> NDArray[np.float64]:
    return np.ones(dose.fractions.size) if dose.repair is None else dose.repair
