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
    assert both.upper_gy(2.1) == pytest.approx(30)  # above 30 Gy none of the left one, and 2 cc of the right one at most
    assert both.upper_gy(4.1) == pytest.approx(20)  # above 20 Gy 2 cc of each at most
    assert both.lower_gy(1.0) == pytest.approx(20)  # what one of them has, both together have
    assert paper.of("Bladder", "bladder", 10, 1.0).grade == "D"


@pytest.mark.hazard("H15", "H17")
def test_curve_of_the_other_side_says_nothing() -> None:
    paper = Paper(50.0, 25, 25, {}, {"Kidney_R": RIGHT}, {"Kidney_R": "kidney"})
    assert paper.of("Kidney_L", "kidney", 10, 1.0).grade == "D"
    assert paper.of("Kidneys", "kidney", 10, 1.0).grade == "D"
    assert not paper.is_known("Kidney_L", "kidney")
    assert paper.is_known("Kidney_R", "kidney")


@pytest.mark.hazard("H17")
def test_curve_of_both_sides_bounds_each_from_above_only() -> None:
    """What both together have, one of them need not."""
    paper = Paper(50.0, 25, 25, {}, {"Kidneys": LEFT}, {"Kidneys": "kidney"})
    one = paper.of("Kidney_L", "kidney", 10, 1.0)
    assert (one.upper_gy(2.1), one.lower_gy(1.0)) == (20.0, 0.0)
    assert paper.of("Kidneys", "kidney", 20, 1.0).lower_gy(1.0) == 20.0


def test_several_curves_of_one_side_are_bounded_by_the_highest() -> None:
    curves = {"Kidney_L": LEFT, "KidneyL": curve("KidneyL", (0, 9), (35, 1), (45, 0))}
    paper = Paper(50.0, 25, 25, {}, curves, dict.fromkeys(curves, "kidney"))
    both = paper.of("Kidney Lt", "kidney", 10, 1.0)
    assert (both.upper_gy(0.0), both.upper_gy(2.1), both.lower_gy(1.0)) == (45.0, 35.0, 20.0)


def test_dose_of_an_organ_is_no_lower_bound_of_one_side() -> None:
    paper = Paper(50.0, 25, 25, {"kidney": {"D2cc": 20.0}})
    assert (paper.of("Kidney_L", "kidney", 10, 1.0).lower_gy(1.0), paper.of("Kidneys", "kidney", 10, 1.0).lower_gy(1.0)) == (0.0, 20.0)


def test_volume_of_a_structure_in_the_dvh() -> None:
    unknown = DvhCurve("Rectum", "cumulative", None, *(np.array(v, np.float64) for v in ([0, 40], [9, 0], [0, 40], [9, 0])))
    nothing = DvhCurve("Anus", "cumulative", None, *(np.array(v, np.float64) for v in ([0.0], [0.0], [0.0], [0.0])))
    paper = Paper(50.0, 25, 25, {}, {"Kidney_L": LEFT, "Rectum": unknown, "Anus": nothing}, ORGANS)
    assert [paper.volume_cc(name) for name in ("Kidney_L", "Rectum", "Anus", "Bladder")] == [10.0, 9.0, None, None]
