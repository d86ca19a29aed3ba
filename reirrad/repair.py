"""Incomplete repair between and during fractions: the quadratic term of the linear-quadratic model in time.

Damage that can still interact decays with a half time (Lea and Catcheside). BED = sum d + Q / (alpha/beta), where Q, Gy², is the sum of d² when every session
is short and is repaired before the next. Half times belong to an endpoint and always come from the caller.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from reirrad.errors import ParameterError
from reirrad.parameters import not_negative, positive, whole
from reirrad.radiobiology import Dose

__all__ = ["Pulse", "Repair", "bed_constant_rate", "bed_of_pulses", "bed_several_a_day", "repair_factor", "same_day_factor", "train"]


def same_day_factor(per_day: int, interval_h: float, half_time_h: float) -> float:
    """Hm of `per_day` equal fractions, `interval_h` apart, complete repair overnight; no unit.

    Hm = (2/m) (phi / (1 - phi)) (m - (1 - phi^m) / (1 - phi)), phi = 2^(-interval / half time). Computed as the equal sum (2/m) sum_k (m - k) phi^k,
    which loses no digits when phi is close to one.

    References
    ----------
    thames_1985
    voyant_2014, equation 5.

    >>> [round(same_day_factor(m, h, 4), 4) for m, h in ((1, 6), (2, 6), (2, 8), (3, 6), (3, 4))]
    [0.0, 0.3536, 0.25, 0.5547, 0.8333]
    """
    whole("per_day", per_day)
    positive("interval_h", interval_h)
    positive("half_time_h", half_time_h)
    phi = 2 ** (-interval_h / half_time_h)
    return 2 / per_day * math.fsum((per_day - k) * phi**k for k in range(1, int(per_day)))


def repair_factor(fractions: int, per_day: int, interval_h: float, half_time_h: float) -> float:
    """Q divided by sum d² of `fractions` equal fractions, `per_day` on each day and the rest on the last; no unit, at least 1.

    >>> repair_factor(4, 2, 4, 4), repair_factor(3, 2, 4, 4)  # the third fraction is alone on its day
    (1.5, 1.3333333333333333)
    """
    whole("fractions", fractions)
    whole("per_day", per_day)
    full_days, rest = divmod(int(fractions), int(per_day))
    beyond = full_days * per_day * same_day_factor(per_day, interval_h, half_time_h)
    if rest:
        beyond += rest * same_day_factor(rest, interval_h, half_time_h)
    return 1 + beyond / fractions


def bed_several_a_day(dose_gy: Dose, fractions: int, alpha_beta_gy: float, per_day: int, interval_h: float, half_time_h: float) -> Dose:
    """BED, Gy, of equal fractions several times a day: D (1 + (1 + Hm) d / (alpha/beta)), complete repair overnight.

    References
    ----------
    thames_1985
    voyant_2014, equation 5.

    >>> round(bed_several_a_day(60.0, 40, 2, per_day=2, interval_h=6, half_time_h=4) / 2, 3)  # EQD2 of 40 x 1.5 Gy; 52.5 with complete repair
    60.455
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    factor = repair_factor(fractions, per_day, interval_h, half_time_h)
    return dose_gy * (1 + factor * dose_gy / (fractions * alpha_beta_gy))


@dataclass(frozen=True, slots=True)
class Repair:
    """Repair with one half time, h, or several with the weights of their components (sum 1).

    >>> Repair((1.5,)).weights, Repair((0.4, 3.5), (0.5, 0.5)).weights
    ((1.0,), (0.5, 0.5))
    """

    half_times_h: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for half_time in self.half_times_h:
            positive("half_times_h", half_time)
        for weight in self.weights:
            not_negative("weights", weight)
        if len(self.weights) != len(self.half_times_h) or not math.isclose(math.fsum(self.weights), 1, abs_tol=1e-9):
            raise ParameterError(
                f"weights of {len(self.weights)} repair components sum to {math.fsum(self.weights):g}, for {len(self.half_times_h)} half times; "
                "needed is a weight for each half time, and a sum of 1. Correct them."
            )


@dataclass(frozen=True, slots=True)
class Pulse:
    """Irradiation at a constant rate: start and duration, h (0: acute), and dose, Gy."""

    start_h: float
    duration_h: float
    dose_gy: float

    def __post_init__(self) -> None:
        not_negative("start_h", self.start_h)
        not_negative("duration_h", self.duration_h)
        not_negative("dose_gy", self.dose_gy)


def train(dose_gy: float, n_pulses: int, period_h: float, duration_h: float) -> tuple[Pulse, ...]:
    """Equal pulses, `dose_gy` each, that start every `period_h` hours: pulsed dose rate.

    >>> round(bed_of_pulses(train(0.5, 60, 1, 1 / 6), 3, Repair((1.5,))), 3)
    51.139
    """
    whole("n_pulses", n_pulses)
    positive("period_h", period_h)
    return tuple(Pulse(k * period_h, duration_h, dose_gy) for k in range(int(n_pulses)))


def bed_of_pulses(pulses: Iterable[Pulse], alpha_beta_gy: float, repair: Repair) -> float:
    """BED, Gy, of any train of pulses: fractions, pulsed or low dose rate, slow delivery.

    Q = sum_i d_i² g(mu tau_i) + 2 sum_{i<j} d_i d_j h(mu tau_i) h(mu tau_j) exp(-mu gap_ij), with mu = ln 2 / half time, tau the duration, gap the time from
    the end of i to the start of j, g(x) = 2 (x - 1 + e^-x) / x², h(x) = (1 - e^-x) / x; the weighted mean over the components of repair. This is the double
    integral of Lea and Catcheside over rectangles.

    Raises
    ------
    ParameterError
        When pulses overlap.

    >>> round(bed_of_pulses([Pulse(0, 1, 16.0)], 2, Repair((1.5,))), 2)  # 144 Gy when acute
    126.37
    """
    positive("alpha_beta_gy", alpha_beta_gy)
    ordered = sorted(pulses, key=lambda p: p.start_h)
    for a, b in pairwise(ordered):
        if b.start_h < a.start_h + a.duration_h * (1 - 1e-12):
            raise ParameterError(
                f"A pulse starts at {b.start_h:g} h, before the one from {a.start_h:g} h ends; needed are pulses one after the other. Split them."
            )
    quadratic = math.fsum(w * _interacting(ordered, math.log(2) / t) for t, w in zip(repair.half_times_h, repair.weights, strict=True))
    return math.fsum(p.dose_gy for p in ordered) + quadratic / alpha_beta_gy


def _interacting(pulses: list[Pulse], mu: float) -> float:
    """Q for one repair rate, 1/h. What earlier pulses left unrepaired is carried along, so that the work grows with the number of pulses only."""
    total = left = end = 0.0
    for p in pulses:
        x = mu * p.duration_h
        left *= math.exp(-mu * max(p.start_h - end, 0.0))
        total += p.dose_gy**2 * _within(x) + 2 * p.dose_gy * _spread(x) * left
        left = left * math.exp(-x) + p.dose_gy * _spread(x)
        end = p.start_h + p.duration_h
    return total


def _within(x: float) -> float:
    """g(x); the series where the closed form would lose its digits."""
    return 1 - x / 3 + x**2 / 12 - x**3 / 60 if x < 1e-3 else 2 * (x + math.expm1(-x)) / x**2


def _spread(x: float) -> float:
    """h(x)."""
    return -math.expm1(-x) / x if x > 0 else 1.0


def bed_constant_rate(rate_gy_per_h: float, duration_h: float, alpha_beta_gy: float, half_time_h: float) -> float:
    """BED, Gy, of low dose rate: R T (1 + (2 R / (mu alpha/beta)) (1 - (1 - e^(-mu T)) / (mu T))), mu = ln 2 / half time.

    References
    ----------
    rtnotes : the worked example, which leaves out the last bracket (49.565 instead of 49.279).

    >>> round(bed_constant_rate(0.5, 60, 3, 1.5), 3)
    50.86
    """
    not_negative("rate_gy_per_h", rate_gy_per_h)
    positive("duration_h", duration_h)
    positive("half_time_h", half_time_h)
    return bed_of_pulses([Pulse(0, duration_h, rate_gy_per_h * duration_h)], alpha_beta_gy, Repair((half_time_h,)))
