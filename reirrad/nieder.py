"""Nieder's score for the risk of myelopathy after a second irradiation of the spinal cord (2005, rates of 2006)."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from reirrad.errors import ParameterError
from reirrad.parameters import not_negative

__all__ = ["Group", "Score", "alpha_beta_gy", "nieder_score", "note"]

ROUNDING: Final = 1e-9  # relative; decimal fractions that meet a bound exactly stay on it


@dataclass(frozen=True, slots=True)
class Group:
    """Risk group, and the rate of myelopathy observed in it."""

    name: str
    observed: str


@dataclass(frozen=True, slots=True)
class Score:
    """The score; a range where the interval is not known.

    Parameters
    ----------
    cumulative_bed_gy, largest_course_bed_gy : float
        Gy.
    dose_points, course_points : float
        For the sum, and for the largest course.
    interval_points : (low, high)
        Equal when the interval is known.
    low, high : Group
        Group of the least and of the largest score.
    remarks : tuple of str
        What weakens the score here.
    """

    cumulative_bed_gy: float
    largest_course_bed_gy: float
    dose_points: float
    course_points: float
    interval_points: tuple[float, float]
    low: Group
    high: Group
    remarks: tuple[str, ...]

    @property
    def points(self) -> tuple[float, float]:
        """Least and largest sum of the points."""
        fixed = self.dose_points + self.course_points
        return fixed + self.interval_points[0], fixed + self.interval_points[1]


def nieder_score(course_bed_gy: Sequence[float], intervals_months: Sequence[float | None]) -> Score:
    """Points and risk group.

    Parameters
    ----------
    course_bed_gy : sequence of float
        BED of the cord in each course, Gy, in order of time; alpha/beta 2 for the cervical and thoracic cord, 4 for the lumbar one. No recovery.
    intervals_months : sequence of float or None
        Between one course and the next, one fewer than courses; None where unknown.

    Raises
    ------
    ParameterError
        For fewer than two courses, another number of intervals, or values below zero.

    References
    ----------
    NIEDER05 : points.
    NIEDER06 : rates, alpha/beta.

    >>> nieder_score([100.0, 75.0], [18]).points
    (6.0, 6.0)
    """
    if len(course_bed_gy) < 2:
        raise ParameterError(f"The score of Nieder needs two courses; found {len(course_bed_gy)}. Give every course of the cord.")
    if len(intervals_months) != len(course_bed_gy) - 1:
        raise ParameterError(
            f"{len(intervals_months)} intervals for {len(course_bed_gy)} courses; needed is one interval between each course and the next. Correct them."
        )
    for value in course_bed_gy:
        not_negative("course_bed_gy", value)
    known = [m for m in intervals_months if m is not None]
    for months in known:
        not_negative("intervals_months", months)
    data = _data()
    cumulative, largest = math.fsum(course_bed_gy), max(course_bed_gy)
    dose_points = float(next((p for bound, p in data["cumulative_bed"] if cumulative <= bound * (1 + ROUNDING)), data["above_last"]))
    large = data["large_course"]
    course_points = float(large["points"]) if largest >= large["from_bed_gy"] * (1 - ROUNDING) else 0.0
    interval_points = _interval_points(known, len(intervals_months))
    fixed = dose_points + course_points
    return Score(
        cumulative, largest, dose_points, course_points, interval_points,
        _group(fixed + interval_points[0]), _group(fixed + interval_points[1]), tuple(_remarks(len(course_bed_gy), interval_points)),
    )  # fmt: skip


def alpha_beta_gy(*, lumbar: bool = False) -> float:
    """Alpha/beta of the score, Gy.

    >>> alpha_beta_gy(), alpha_beta_gy(lumbar=True)
    (2.0, 4.0)
    """
    return float(_data()["alpha_beta_gy"]["lumbar" if lumbar else "cervical_thoracic"])


def note() -> str:
    """Return what the score rests on."""
    text: str = _data()["note"]
    return text


def _interval_points(known: Sequence[float], n_intervals: int) -> tuple[float, float]:
    short = _data()["short_interval"]
    points = float(short["points"])
    if any(months < short["below_months"] for months in known):
        return points, points
    return 0.0, 0.0 if len(known) == n_intervals else points


def _group(points: float) -> Group:
    table = next(g for g in _data()["group"] if points <= g.get("up_to", math.inf))
    return Group(table["name"], table["observed"])


def _remarks(n_courses: int, interval_points: tuple[float, float]) -> list[str]:
    remarks = []
    if n_courses > 2:
        remarks.append("The score was made from patients with two courses; more are an extrapolation, and the shortest interval counts.")
    if interval_points[0] != interval_points[1]:
        remarks.append("An interval is not known: the score is given without and with the points of a short interval.")
    return remarks


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = tomllib.loads(files("reirrad").joinpath("data", "nieder.toml").read_text(encoding="utf-8"))
    return data
