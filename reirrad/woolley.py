"""What the spinal cord may tolerate in a second course, after Woolley, Hopewell and Jones (2018). Exploratory, never a limit.

With B1 the BED of the first course in per cent of the tolerance and q = 1 - B1/100, the second course is tolerated up to
B2 = 100 q [1 + h (q^(-r/(1+r)) - 1)], h = [1 + tanh(s0 (B1 - B/(1 + s1 r)))] / 2, where r grows with time: it is the cubic through zero at 70 days and
through the values that give back the tolerances of monkeys after one, two and three years.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq

from reirrad.errors import ParameterError
from reirrad.parameters import not_negative, positive, whole
from reirrad.radiobiology import bed

__all__ = ["OutsideModelError", "SecondCourse", "alpha_beta_gy", "implied_recovery", "label", "recovery_exponent", "second_course", "second_course_from_bed"]

LARGEST_R: Final = 1e6


class OutsideModelError(ParameterError):
    """The case lies outside what the model was made for."""


@dataclass(frozen=True, slots=True)
class SecondCourse:
    """What the model tolerates in a second course.

    Parameters
    ----------
    first_percent, second_percent : float
        BED of the first course, and of the second at tolerance, in per cent of `tolerance_bed_gy`.
    tolerance_bed_gy : float
        BED of a single course at tolerance, Gy, alpha/beta 2.
    bed_gy : float
        BED of the second course at tolerance, Gy, alpha/beta 2.
    fractions : int
        Equal fractions it is given in, complete repair between them.
    dose_per_fraction_gy : float
    """

    first_percent: float
    second_percent: float
    tolerance_bed_gy: float
    bed_gy: float
    fractions: int
    dose_per_fraction_gy: float

    @property
    def dose_gy(self) -> float:
        """Total dose, Gy."""
        return self.fractions * self.dose_per_fraction_gy


def second_course(dose_gy: float, fractions: int, years: float, second_fractions: int, conservative_percent: float = 0.0) -> SecondCourse:
    """Tolerance of a second course after one of equal fractions; see `second_course_from_bed`.

    >>> round(second_course(40.0, 20, 2, 20).dose_per_fraction_gy, 3)
    2.342
    """
    positive("dose_gy", dose_gy)
    whole("fractions", fractions)
    return second_course_from_bed(bed(dose_gy, fractions, alpha_beta_gy()), years, second_fractions, conservative_percent)


def second_course_from_bed(bed_gy: float, years: float, second_fractions: int, conservative_percent: float = 0.0) -> SecondCourse:
    """Tolerance of a second course, at a risk of myelopathy of 1 %.

    Parameters
    ----------
    bed_gy : float
        BED of the only earlier course, Gy, alpha/beta 2.
    years : float
        Interval, 0 to 3; before 70 days nothing is recovered.
    second_fractions : int
        Fractions of the second course.
    conservative_percent : float
        Lowers every tolerance by this, 0 to 20 %.

    Raises
    ------
    OutsideModelError
        Beyond three years, and when the first course is above the tolerance.
    ParameterError
        For other numbers outside their range.

    References
    ----------
    WOOLLEY18 : equations and fits from the program of the authors.
    """
    data = _data()
    positive("bed_gy", bed_gy)
    not_negative("years", years)
    whole("second_fractions", second_fractions)
    largest = data["largest_conservative_percent"]
    if not 0 <= conservative_percent <= largest:
        raise ParameterError(f"conservative_percent is {conservative_percent:g}; needed is a number from 0 to {largest}. Correct it.")
    if years > data["longest_years"]:
        raise OutsideModelError(
            f"The interval is {years:.4g} years; the model of Woolley 2018 rests on data of up to {data['longest_years']} years; "
            "needed is an interval within. Leave this calculation out."
        )
    kept = 1 - conservative_percent / 100
    tolerance_gy = bed(data["human_tolerance_gy"], data["human_tolerance_gy"] / 2, alpha_beta_gy()) * kept
    first = 100 * bed_gy / tolerance_gy
    if first > 100:
        raise OutsideModelError(
            f"The first course has a BED of {bed_gy:.4g} Gy, above the tolerance of {tolerance_gy:.4g} Gy of the model of Woolley 2018; "
            "needed is a first course within it. Leave this calculation out."
        )
    second = _second_percent(first, recovery_exponent(years, conservative_percent))
    second_gy = second * tolerance_gy / 100
    d = -1 + math.sqrt(1 + 2 * second_gy / second_fractions)  # positive root of n d (1 + d/2) = BED
    return SecondCourse(first, second, tolerance_gy, second_gy, second_fractions, d)


def recovery_exponent(years: float, conservative_percent: float = 0.0) -> float:
    """Return r of the model at an interval in years; 0 until 70 days.

    >>> [round(recovery_exponent(t), 3) for t in (0.1, 1, 2, 3)]
    [0.0, 4.748, 16.404, 48.014]
    """
    coefficients = _cubic(conservative_percent)
    return float(np.polyval(coefficients, years)) if years > _onset_years() else 0.0


def implied_recovery() -> tuple[float, ...]:
    """Part of the first 44 Gy of the monkeys that was recovered after one, two and three years, by doses of equal effect in half of the animals.

    >>> [round(part, 2) for part in implied_recovery()]
    [0.72, 0.9, 0.96]
    """
    data = _data()
    given = data["first_dose_gy"]
    return tuple((again["d50_gy"] + given - data["first_course"]["d50_gy"]) / given for again in data["second_course"])


def alpha_beta_gy() -> float:
    """Alpha/beta of the model, Gy."""
    return float(_data()["alpha_beta_gy"])


def label() -> str:
    """Return what has to stand beside every result."""
    text: str = _data()["label"]
    return text


def _second_percent(first_percent: float, r: float) -> float:
    shape = _data()["shape"]
    left = 1 - first_percent / 100
    h = (1 + math.tanh(shape["s0"] * (first_percent - shape["threshold_percent"] / (1 + shape["s1"] * r)))) / 2
    percent: float = 100 * ((1 - h) * left + h * left ** (1 / (1 + r)))  # the formula above, multiplied out: it holds at B1 = 100 too
    return percent


@cache
def _cubic(conservative_percent: float) -> tuple[float, ...]:
    """Coefficients of r over years, highest first."""
    data = _data()
    first = _tolerance(data["first_course"])
    first_percent = 100 * data["first_dose_gy"] / (first * (1 - conservative_percent / 100))
    years, r = [_onset_years()], [0.0]
    for again in data["second_course"]:
        percent = 100 * _tolerance(again) / first
        years.append(float(again["years"]))
        r.append(float(brentq(lambda r, p=percent: _second_percent(first_percent, r) - p, 0.0, LARGEST_R, xtol=1e-12)))
    return tuple(float(c) for c in np.linalg.solve(np.vander(years), r))


def _tolerance(fit: Mapping[str, float]) -> float:
    """Dose of the monkeys at the risk, Gy."""
    return fit["d50_gy"] * (1 + NormalDist().inv_cdf(_data()["risk"]) / fit["slope"])


def _onset_years() -> float:
    return float(_data()["onset_days"] / _data()["days_per_year"])


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = tomllib.loads(files("reirrad").joinpath("data", "woolley.toml").read_text(encoding="utf-8"))
    return data
