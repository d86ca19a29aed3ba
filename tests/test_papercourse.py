"""What a letter says of an organ, and which of several curves is meant."""

from __future__ import annotations

import numpy as np
import pytest

from reirrad.dvhtable import DvhCurve
from reirrad.papercourse import Paper


def curve(name: str, *points: tuple[float, float], total_cc: float = 10.0) -> DvhCurve:
    """Cumulative curve of (dose, volume)."""
    dose, volume = (np.array(column, np.float64) for column in zip(*points, strict=True))
    return DvhCurve(name, "cumulative", total_cc, dose, volume, dose, volume)


LEFT = curve("Kidney_L", (0, 10), (20, 2), (30, 0))
RIGHT = curve("Kidney_R", (0, 10), (10, 2), (40, 0))
ORGANS = {"Kidney_L": "kidney", "Kidney_R": "kidney"}


def test_prescription_serves_every_organ_without_a_dose_of_its_own() -> None:
    paper = Paper(50.0, 25, 25, {"rectum": {"Dmax": 40.0}})
    assert paper.grade == "C"
    assert (paper.of("Rectum", "rectum", 60, 1.0).upper_gy(0.0), paper.of("Bladder", "bladder", 60, 1.0).upper_gy(0.0)) == (40.0, 50.0)
    assert (paper.of("Rectum", "rectum", 60, 1.0).grade, paper.of("Bladder", "bladder", 60, 1.0).grade) == ("C", "D")
    assert (paper.is_known("Rectum", "rectum"), paper.is_known("Bladder", "bladder")) == (True, False)
    assert Paper(50.0, 25, 25).grade == "D"


def test_delivered_fractions_scale_every_dose() -> None:
    """20 of 25 fractions: 50 -> 40 Gy in 20."""
    found = Paper(50.0, 25, 20).of("Rectum", "rectum", 60, 1.0)
    assert (found.upper_gy(0.0), found.fractions) == (40.0, 20)


def test_repair_goes_with_the_dose() -> None:
    """45 in 30 at alpha/beta 2 with repair 2: 45 (2 1.5 + 2) / 4."""
    found = Paper(45.0, 30, 30).of("Rectum", "rectum", 60, 2.0)
    assert found.convert(np.array(45.0), 2.0, "EQD2") == pytest.approx(56.25)


def test_curve_of_the_same_name_then_side_then_all() -> None:
    paper = Paper(50.0, 25, 25, {}, {"Kidney_L": LEFT, "Kidney_R": RIGHT}, ORGANS)
    assert paper.of("Kidney_L", "kidney", 10, 1.0).upper_gy(0.0) == 30
    assert paper.of("Kidney Lt", "kidney", 10, 1.0).upper_gy(0.0) == 30
    both = paper.of("Kidneys", "kidney", 20, 1.0)
    assert both.upper_gy(0.0) == 40  # the higher one
    assert both.upper_gy(5.0) == pytest.approx(20)  # left: 20 Gy from 2 cc on; right: 10 Gy
    assert both.lower_gy(1.0) == pytest.approx(10)  # the lower one: right has 10 Gy in 2 cc
    assert paper.of("Bladder", "bladder", 10, 1.0).grade == "D"
