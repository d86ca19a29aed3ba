"""RBE of protons: constant, or from LET and alpha/beta. RBE multiplies the physical dose before any conversion to EQD2.

The variable models are scenarios: a clinical dose is stated with a constant RBE, and limits were derived with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from reirrad.errors import ParameterError
from reirrad.parameters import positive
from reirrad.radiobiology import Dose

__all__ = ["mcnamara", "rbe_weighted", "wedenberg"]


def rbe_weighted(dose_gy: Dose, rbe: float) -> Dose:
    """Dose times a constant RBE, Gy.

    >>> round(rbe_weighted(54.545, 1.1), 4)
    59.9995
    """
    positive("rbe", rbe)
    return dose_gy * rbe


def mcnamara(dose_per_fraction_gy: Dose, let_kev_um: Dose, alpha_beta_gy: float) -> Dose:
    """RBE of a proton dose per fraction, Gy (physical), at a dose-averaged LET, keV/µm; alpha/beta of photons, Gy.

    RBEmax = p0 + p1 LET / (alpha/beta), RBEmin = p2 + p3 sqrt(alpha/beta) LET.

    References
    ----------
    mcnamara_2015 : p0 is .99064; .999064, found in some programs, looks like a slip of a digit.

    >>> round(mcnamara(2.0, 2.5, 2), 4), round(mcnamara(2.0, 2.5, 10), 4), round(mcnamara(6.0, 2.5, 2), 4)
    (1.1936, 1.0769, 1.133)
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    p = _parameters("mcnamara")
    largest = p["p0"] + p["p1"] * let_kev_um / alpha_beta_gy
    least = p["p2"] + p["p3"] * alpha_beta_gy**0.5 * let_kev_um
    return _rbe(dose_per_fraction_gy, alpha_beta_gy, largest, least, let_kev_um)


def wedenberg(dose_per_fraction_gy: Dose, let_kev_um: Dose, alpha_beta_gy: float) -> Dose:
    """RBE of a proton dose per fraction, Gy (physical), at a dose-averaged LET, keV/µm; alpha/beta of photons, Gy.

    RBEmax = 1 + q LET / (alpha/beta), RBEmin = 1.

    References
    ----------
    wedenberg_2013

    >>> round(wedenberg(2.0, 2.5, 2), 4), round(wedenberg(2.0, 8.0, 2), 4)
    (1.1711, 1.4965)
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    largest = 1 + _parameters("wedenberg")["q"] * let_kev_um / alpha_beta_gy
    return _rbe(dose_per_fraction_gy, alpha_beta_gy, largest, 1.0, let_kev_um)


def _rbe(d: Dose, alpha_beta_gy: float, largest: Any, least: Any, let_kev_um: Any) -> Dose:
    """[sqrt(ab² + 4 d ab RBEmax + 4 d² RBEmin²) - ab] / (2 d), written so that it holds at d = 0, where it is RBEmax."""
    if np.any(np.asarray(let_kev_um) < 0) or np.any(np.asarray(d) < 0):
        raise ParameterError("let_kev_um or dose_per_fraction_gy is below zero; needed are numbers of zero or above. Correct them.")
    if np.any(np.asarray(least) <= 0):
        raise ParameterError(
            f"let_kev_um reaches {np.max(let_kev_um):g}, where the model has no RBE at large doses; needed are values of protons. Check the units."
        )
    root = (alpha_beta_gy**2 + 4 * d * alpha_beta_gy * largest + 4 * d**2 * least**2) ** 0.5
    value: Dose = 2 * (alpha_beta_gy * largest + d * least**2) / (root + alpha_beta_gy)
    return value


@cache
def _parameters(model: str) -> Mapping[str, float]:
    values: Mapping[str, float] = tomllib.loads(files("reirrad").joinpath("data", "rbe.toml").read_text(encoding="utf-8"))[model]["parameters"]
    return values
