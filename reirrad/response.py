"""Response of tissue to a dose: NTCP of organs, TCP of tumours. Pure functions; every parameter comes from the caller, none is shipped.

No complication model is validated for cumulative dose of several courses, and none here is held against a limit: a relative ranking of plans at most.
Doses must be converted to EQD2 (or BED) point by point before they are condensed into a generalised equivalent uniform dose (`Dvh.geud_gy`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from reirrad.errors import ParameterError
from reirrad.parameters import not_negative, positive

__all__ = ["gamma50_of_m", "ntcp_lkb", "ntcp_logit", "ntcp_poisson", "tcp_poisson"]


def gamma50_of_m(m: float) -> float:
    """Normalised slope TD50 dP/dD at TD50 of a probit curve with the parameter m: 1 / (m sqrt(2 pi)); no unit.

    >>> round(gamma50_of_m(0.37), 4)
    1.0782
    """
    positive("m", m)
    return 1 / (m * math.sqrt(2 * math.pi))


def ntcp_lkb(geud_gy: float, td50_gy: float, m: float) -> float:
    """Lyman-Kutcher-Burman: Phi((gEUD - TD50) / (m TD50)). Not validated for cumulative dose.

    >>> [round(ntcp_lkb(e, 30.8, 0.37), 3) for e in (10, 15, 20, 25)]
    [0.034, 0.083, 0.172, 0.305]
    """
    not_negative("geud_gy", geud_gy)
    positive("td50_gy", td50_gy)
    positive("m", m)
    return math.erfc((td50_gy - geud_gy) / (m * td50_gy * math.sqrt(2))) / 2


def ntcp_logit(geud_gy: float, td50_gy: float, gamma50: float) -> float:
    """Log-logistic: 1 / (1 + (TD50 / gEUD)^(4 gamma50)); also a TCP with TCD50. Not validated for cumulative dose.

    >>> round(ntcp_logit(66, 60, 2), 3), ntcp_logit(0, 60, 2)
    (0.682, 0.0)
    """
    not_negative("geud_gy", geud_gy)
    positive("td50_gy", td50_gy)
    positive("gamma50", gamma50)
    steepness = 4 * gamma50 * math.log(td50_gy / geud_gy) if geud_gy > 0 else math.inf
    return 0.5 * (1 - math.tanh(steepness / 2))


def ntcp_poisson(geud_gy: float, td50_gy: float, gamma: float) -> float:
    """Poisson: 2^(-exp(e gamma (1 - gEUD / TD50))); also a TCP with TCD50. Not validated for cumulative dose.

    gamma is the largest normalised slope, at a response of 1/e; at one half the slope is e ln 2 / 2 = 0.942 of it.

    >>> round(ntcp_poisson(66, 60, 2), 3)
    0.669
    """
    not_negative("geud_gy", geud_gy)
    positive("td50_gy", td50_gy)
    positive("gamma", gamma)
    exponent = math.e * gamma * (1 - geud_gy / td50_gy)
    return 2 ** -math.exp(exponent) if exponent < math.log(2000) else 0.0


def tcp_poisson(clonogens: Sequence[float], alpha_per_gy: float, bed_gy: Sequence[float]) -> float:
    """Poisson: exp(-sum of clonogens that survive), clonogens exp(-alpha BED) in each part of the tumour. Not validated for cumulative dose.

    Parameters
    ----------
    clonogens : sequence of float
        Number of clonogens of each part before treatment (density times volume).
    alpha_per_gy : float
        1/Gy.
    bed_gy : sequence of float
        BED of each part at the alpha/beta of the tumour, less repopulation, Gy.

    Raises
    ------
    ParameterError
        When there is not one BED for each number of clonogens, or none.

    >>> [round(tcp_poisson([1e7], 0.3, [b]), 3) for b in (50, 60, 70)]
    [0.047, 0.859, 0.992]
    """
    positive("alpha_per_gy", alpha_per_gy)
    if len(clonogens) != len(bed_gy) or not clonogens:
        raise ParameterError(f"{len(bed_gy)} BED stand beside {len(clonogens)} numbers of clonogens; needed is one for each part of the tumour. Correct them.")
    for number, value in zip(clonogens, bed_gy, strict=True):
        not_negative("clonogens", number)
        not_negative("bed_gy", value)
    return math.exp(-math.fsum(n * math.exp(-alpha_per_gy * b) for n, b in zip(clonogens, bed_gy, strict=True)))
