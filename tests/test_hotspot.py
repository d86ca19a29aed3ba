"""Hottest points of organs of a few points: which one it is, and what each course gives there, by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from case_factory import organ_dose

from reirrad.hotspot import hot_spot
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.paper import PaperDose
from reirrad.statistics import no_statistics

NAN = float("nan")
POINTS = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
EDGE = np.array([[-1.0, -2, -3]], np.float32)


def result(*deliveries: tuple[int, int, Sequence[float]], edge_gy: Sequence[Sequence[float]] = ((0.0,), (0.0,)), **more: object) -> OrganResult:
    """Organ of three points and one on its surface; alpha/beta 3 Gy."""
    dose = organ_dose(*deliveries, volumes_cc=[1, 2, 3], edge_gy=edge_gy)
    dose = dataclasses.replace(dose, points_mm=more.get("points_mm", POINTS), edge_points_mm=EDGE)
    nothing = no_statistics("")
    total = OrganSum(dose, more.get("papers", {}), {0: "first", 1: "second"})
    return OrganResult("Rectum", "rectum", 3.0, 6.0, 1.0, total, nothing, (), ())


def test_largest_eqd2_is_not_the_largest_physical_dose() -> None:
    """30 Gy in 10 are 36 Gy EQD2, 31 Gy in 31 are 31 x 4 / 5 = 24.8 Gy: the first point, though the second has more Gy."""
    spot = hot_spot(result((0, 10, [30, 0, 0]), (1, 31, [0, 31, 0])), 2)
    assert spot is not None
    assert (spot.structure, spot.organ, spot.alpha_beta_gy) == ("Rectum", "rectum", 3.0)
    assert spot.point_mm.tolist() == [1, 2, 3]
    assert spot.eqd2_gy == pytest.approx(36)
    assert spot.physical_gy == (30.0, 0.0)
    assert spot.course_eqd2_gy == (pytest.approx(36), 0.0)
    assert spot.is_complete


def test_courses_add_up_at_one_place_only() -> None:
    """30 Gy in 10 at one point (36), 20 Gy in 5 at another (28), 20 Gy in 10 (20) and 15 Gy in 5 (18) at the third: 38 there."""
    spot = hot_spot(result((0, 10, [30, 0, 20]), (1, 5, [0, 20, 15])), 2)
    assert spot is not None
    assert spot.point_mm.tolist() == [7, 8, 9]
    assert spot.eqd2_gy == pytest.approx(38)
    assert spot.course_eqd2_gy == (pytest.approx(20), pytest.approx(18))
    assert sum(v for v in spot.course_eqd2_gy if v is not None) == pytest.approx(spot.eqd2_gy)


def test_several_plans_of_a_course_are_added() -> None:
    """20 Gy in 10 and 8 Gy in 2, each with its own fractions: 20 + 8 x 7 / 5 = 31.2 Gy."""
    spot = hot_spot(result((0, 10, [20, 0, 0]), (0, 2, [8, 0, 0])), 1)
    assert spot is not None
    assert spot.physical_gy == (28.0,)
    assert spot.course_eqd2_gy == (pytest.approx(31.2),)


def test_surface_is_searched_too() -> None:
    spot = hot_spot(result((0, 10, [20, 10, 0]), edge_gy=[[30.0]]), 1)
    assert spot is not None
    assert spot.point_mm.tolist() == [-1, -2, -3]
    assert spot.eqd2_gy == pytest.approx(36)


@pytest.mark.hazard("H04")
def test_course_that_is_not_known_there_is_not_zero() -> None:
    spot = hot_spot(result((0, 10, [30, 20, NAN]), (1, 5, [NAN, 0, 5])), 2)
    assert spot is not None
    assert spot.eqd2_gy == pytest.approx(36)
    assert spot.physical_gy == (30.0, None)
    assert spot.course_eqd2_gy == (pytest.approx(36), None)
    assert not spot.is_complete


@pytest.mark.hazard("H08")
def test_course_on_paper_is_nowhere() -> None:
    papers = {0: PaperDose.from_organ_doses({"Dmax": 20.0}, 10)}
    spot = hot_spot(result((1, 5, [20, 0, 0]), edge_gy=[[0.0]], papers=papers), 2)
    assert spot is not None
    assert spot.course_eqd2_gy == (None, pytest.approx(28))
    assert not spot.is_complete


def test_no_place_without_dose_at_points() -> None:
    nothing = no_statistics("")
    assert hot_spot(OrganResult("Rectum", "rectum", 3.0, None, 0.0, None, nothing, (), ()), 2) is None
    assert hot_spot(result((0, 10, [30, 0, 0]), edge_gy=[[0.0]], points_mm=None), 1) is None
    assert hot_spot(result((0, 10, [NAN, NAN, NAN]), edge_gy=[[NAN]]), 1) is None
    paper_only = result((0, 10, [30, 0, 0]), edge_gy=[[0.0]])
    assert paper_only.sum is not None
    none = {f: getattr(paper_only.sum.dose, f)[:0] for f in ("dose_gy", "edge_gy", "fractions", "course")}
    without = dataclasses.replace(paper_only, sum=OrganSum(dataclasses.replace(paper_only.sum.dose, **none)))
    assert hot_spot(without, 1) is None


def test_first_of_equally_hot_points() -> None:
    spot = hot_spot(result((0, 10, [20, 30, 30]), edge_gy=[[30.0]]), 1)
    assert spot is not None
    assert spot.point_mm.tolist() == [4, 5, 6]
