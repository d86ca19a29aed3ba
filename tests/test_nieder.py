"""Nieder's score: bounds of points and groups, unknown and short intervals."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from reirrad.errors import ParameterError
from reirrad.nieder import alpha_beta_gy, nieder_score, note
from reirrad.organs import references

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "recovery.toml").read_text(encoding="utf-8"))
ROWS = GOLDEN["nieder"][0]["table"]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['bed_gy']}, {r['months']}")
def test_points(row):
    found = nieder_score(row["bed_gy"], [row["months"]] * (len(row["bed_gy"]) - 1))
    assert list(found.points) == row["points"]
    assert found.low == found.high
    assert found.low.name == row["group"]


@pytest.mark.parametrize(("bed_gy", "observed"), [([60, 60], "3 % (1 case)"), ([75, 76], "25 %"), ([100, 101], "90 %")])
def test_observed(bed_gy, observed):
    assert nieder_score(bed_gy, [12]).low.observed == observed


def test_decimal_fractions_that_meet_a_bound_stay_on_it():
    assert nieder_score([0.1 + 0.2 + 59.7, 60.0], [12]).points == (0, 0)
    assert nieder_score([59.9 + 0.1, 60.000000000000014], [12]).points == (0, 0)
    assert nieder_score([34 * (1 + 4.0 / 2) - 1e-12, 0], [12]).course_points == 4.5


def test_an_unknown_interval_gives_a_range():
    found = nieder_score([100, 41.25], [None])
    assert found.points == (3, 7.5)
    assert (found.low.name, found.high.name) == ("low", "high")
    assert found.remarks == ("An interval is not known: the score is given without and with the points of a short interval.",)


def test_a_short_interval_counts_whatever_the_others_are():
    found = nieder_score([30, 30, 30], [None, 5])
    assert found.points == (4.5, 4.5)
    assert len(found.remarks) == 1
    assert "two courses" in found.remarks[0]
    assert nieder_score([30, 30, 30], [None, 12]).points == (0, 4.5)


def test_what_it_holds():
    found = nieder_score([102, 60], [3])
    assert (found.cumulative_bed_gy, found.largest_course_bed_gy) == (162, 102)
    assert (found.dose_points, found.course_points, found.interval_points) == (5, 4.5, (4.5, 4.5))


@pytest.mark.parametrize(
    ("bed_gy", "months", "message"),
    [
        ([100], [], "needs two courses; found 1"),
        ([100, 50], [], "0 intervals for 2 courses"),
        ([100, 50], [6, 6], "2 intervals for 2 courses"),
        ([100, -1], [6], "course_bed_gy is -1"),
        ([100, math.nan], [6], "course_bed_gy is nan"),
        ([100, 50], [-6], "intervals_months is -6"),
    ],
)
def test_refusals(bed_gy, months, message):
    with pytest.raises(ParameterError, match=message):
        nieder_score(bed_gy, months)


def test_what_it_rests_on():
    assert (alpha_beta_gy(), alpha_beta_gy(lumbar=True)) == (2, 4)
    assert "no recovery is discounted" in note()
    assert (references()["NIEDER05"].status, references()["NIEDER06"].status) == ("SECONDARY", "VERIFIED")
