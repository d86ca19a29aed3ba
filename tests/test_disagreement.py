"""A box of 7.5 cc in a dose grid of 4 x 4 x 5 mm voxels: what counting voxels makes of it can be told by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from case_factory import BOX_CC, PLANES, box_structure, even_dose, grid, rectangle

from reirrad.disagreement import METRICS, Evidence, Plane, judge, sampled
from reirrad.dose import DoseGrid
from reirrad.dvh import Dvh
from reirrad.planes import slabs_of
from reirrad.points import organ_points
from reirrad.structures import Contour, Structure

BOX_25_20 = np.array(rectangle(0.0))[:, :2]


def slope(per_mm: float = 0.5) -> DoseGrid:
    """Dose that rises along x from 0 Gy at x = -8 mm."""
    g = grid()
    return DoseGrid(g, np.broadcast_to(np.float32(per_mm) * (g.u_mm + 8).astype(np.float32), g.shape).copy(), "1.2.3.100")


def evidence(structure: Structure | None = None, dose: DoseGrid | None = None, plane_mm: float = 5.0, factor: float = 1.0) -> Evidence:
    structure, dose = structure or box_structure(), dose or slope()
    slabs = slabs_of(structure, None, None, None)
    points = organ_points(structure.name, slabs)
    gray = dose.at_points(points.points_mm) * np.float32(factor)
    return Evidence(structure, slabs, points, Dvh(gray, points.volumes_cc, np.zeros(0, np.float32)), dose, factor, plane_mm)


def values(e: Evidence, **other: float | None) -> dict:
    known = e.dvh.known()
    ours = {"volume_cc": e.dvh.volume_cc, "mean_gy": known.mean_gy(), "max_gy": known.max_gy(), "D2cc_gy": known.near_max_gy(2)}
    return ours | {"D0.1cc_gy": known.near_max_gy(0.1)} | {name.replace("D01", "D0.1"): value for name, value in other.items()}


class TestSampled:
    def test_a_box_of_25_by_20_mm_holds_24_to_28_by_20_mm_of_voxels(self) -> None:
        # 6 or 7 columns and 5 rows of 4 x 4 mm; 5 mm thick
        found = sampled([Plane(0.0, 5.0, ((BOX_25_20,),))], even_dose(7.0), 2.0)
        assert found["volume_cc"] == pytest.approx((6 * 5 * 0.08, 7 * 5 * 0.08))
        assert found["mean_gy"] == found["max_gy"] == found["D2cc_gy"] == pytest.approx((14.0, 14.0))

    def test_holes_are_left_out_and_copies_cancel(self) -> None:
        hole = BOX_25_20.mean(axis=0) + (BOX_25_20 - BOX_25_20.mean(axis=0)) * 0.6  # 15 x 12 mm: 3 or 4 columns, 3 rows
        found = sampled([Plane(0.0, 5.0, ((BOX_25_20, hole),))], even_dose(7.0), 1.0)
        assert found["volume_cc"] == pytest.approx(((30 - 4 * 3) * 0.08, (35 - 3 * 3) * 0.08), abs=0.09)
        assert sampled([Plane(0.0, 5.0, ((BOX_25_20, BOX_25_20),))], even_dose(7.0), 1.0)["volume_cc"] == (0, 0)

    def test_layers_of_a_plane_are_united(self) -> None:
        assert sampled([Plane(0.0, 5.0, ((BOX_25_20,), (BOX_25_20,)))], even_dose(7.0), 1.0)["volume_cc"] == pytest.approx((2.4, 2.8))

    def test_beyond_the_grid_only_ours_counts(self) -> None:
        outside = BOX_25_20 + np.array([18.0, 0.0])  # x 13 .. 38 of a grid that ends at 28
        here, there = (sampled([Plane(0.0, 5.0, ((outside,),))], even_dose(7.0), 1.0, as_they_do=a) for a in (False, True))
        assert here["volume_cc"] == pytest.approx((2.4, 2.8))
        assert there["volume_cc"] == pytest.approx((4 * 5 * 0.08, 4 * 5 * 0.08))

    def test_nothing_known_is_zero_as_there(self) -> None:
        found = sampled([Plane(90.0, 5.0, ((BOX_25_20,),))], even_dose(7.0), 1.0)
        assert (found["mean_gy"], found["D2cc_gy"]) == ((0, 0), (0, 0))
        assert found["volume_cc"] == pytest.approx((2.4, 2.8))

    def test_near_maxima_of_a_slope(self) -> None:
        # columns at -4 .. 20, moved by up to half a voxel, with 0.4 cc each; the hottest 0.1 cc lie in the last one
        found = sampled([Plane(0.0, 5.0, ((BOX_25_20,),))], slope(), 1.0)
        assert found["max_gy"] == pytest.approx((12.5, 14.0), abs=1e-5)
        assert found["D0.1cc_gy"] == found["max_gy"]
        # the nearest step to 0.1 cc is the one of 0.4 cc, which begins one dose below, in bins of 0.01 Gy
        there = sampled([Plane(0.0, 5.0, ((BOX_25_20,),))], slope(), 1.0, as_they_do=True)
        assert there["D0.1cc_gy"] == pytest.approx((10.51, 12.01), abs=0.0101)
        assert sampled([Plane(0.0, 5.0, ((BOX_25_20 * 0.5,),))], slope(), 1.0)["D2cc_gy"] == (0, 0)


class TestJudge:
    def test_equal_values_agree(self) -> None:
        e = evidence()
        judged = judge(values(e), values(e), e)
        assert [judged[m].outcome for m in METRICS] == ["agrees"] * 5
        # 7.5 cc of 0.5 Gy per mm from 1.5 to 14 Gy: mean 7.75; half a voxel of 4 mm changes 1 Gy
        assert judged["volume_cc"].tolerance == pytest.approx(0.02 * BOX_CC)
        assert judged["mean_gy"].tolerance == pytest.approx(0.02 + 0.005 * 7.75, abs=1e-4)
        assert [judged[m].tolerance for m in ("max_gy", "D2cc_gy", "D0.1cc_gy")] == pytest.approx([1.02] * 3, abs=1e-5)

    def test_the_factor_scales_the_tolerance(self) -> None:
        e = evidence(factor=3.0)
        assert judge(values(e), values(e), e)["max_gy"].tolerance == pytest.approx(3.02, abs=1e-5)

    def test_a_small_structure_has_a_wider_tolerance(self) -> None:
        e = evidence(box_structure(box=(-5.0, 5.0, 15.0, 35.0)))  # 3 cc
        assert judge(values(e), values(e), e)["volume_cc"].tolerance == pytest.approx(0.04 * 3)

    def test_whole_voxels_explain_a_volume(self) -> None:
        e = evidence()
        # 6 or 7 columns of 5 rows, three planes of 5 mm
        judged = judge(values(e), values(e, volume_cc=7 * 5 * 0.08 * 3), e)["volume_cc"]
        assert judged.outcome == "explained"
        assert judged.why == "dicompyler-core counts whole dose voxels in contour planes: that gives 7.2 to 8.4 cc, depending on where the voxels lie"
        assert judge(values(e), values(e, volume_cc=9.0), e)["volume_cc"].outcome == "unexplained"
        assert judge(values(e, volume_cc=9.0), values(e), e)["volume_cc"].outcome == "unexplained"

    def test_the_nearest_step_explains_a_near_maximum(self) -> None:
        e = evidence()
        judged = judge(values(e), values(e, D01cc_gy=11.9), e)["D0.1cc_gy"]
        assert judged.outcome == "explained"
        assert "takes the nearest step of a histogram: that gives " in judged.why
        assert judge(values(e), values(e, D01cc_gy=8.0), e)["D0.1cc_gy"].outcome == "unexplained"

    def test_uneven_planes_all_get_the_smallest_thickness(self) -> None:
        structure = box_structure(planes=(-15.0, -10.0, -8.0))
        e = evidence(structure, plane_mm=2.0)
        judged = judge(values(e), values(e, volume_cc=7 * 5 * 0.032 * 3), e)["volume_cc"]
        assert judged.outcome == "explained"
        assert "takes every plane as 2 mm thick, the smallest distance of two (here 2 to 3.5 mm)" in judged.why

    def test_copies_and_overlaps_are_named(self) -> None:
        box = box_structure()
        twice = dataclasses.replace(box, contours=(*box.contours, box.contours[0]))
        judged = judge(values(evidence(twice)), values(evidence(twice), volume_cc=7 * 5 * 0.08 * 2), evidence(twice))["volume_cc"]
        assert judged.outcome == "explained"
        assert "lets contours that are stored twice cancel each other" in judged.why
        beside = Contour(np.array(rectangle(PLANES[0], (4.0, 25.0, 15.0, 35.0))))
        overlapping = dataclasses.replace(box, contours=(*box.contours, beside))
        e = evidence(overlapping)
        # in the first plane only x -5 .. 4 and 20 .. 25 are left: 3 columns of 5 rows and a bit
        judged = judge(values(e), values(e, volume_cc=(7 * 2 + 3) * 5 * 0.08), e)["volume_cc"]
        assert (judged.outcome, "leaves out where contours overlap" in judged.why) == ("explained", True)

    def test_a_structure_smaller_than_the_metric_has_no_value_here_and_zero_there(self) -> None:
        e = evidence(box_structure(box=(-5.0, 0.0, 15.0, 35.0)))  # 1.5 cc
        ours = {
            **values(evidence()),
            "volume_cc": 1.5,
            "mean_gy": e.dvh.mean_gy(),
            "max_gy": e.dvh.max_gy(),
            "D0.1cc_gy": e.dvh.near_max_gy(0.1),
            "D2cc_gy": None,
        }
        judged = judge(ours, {**ours, "D2cc_gy": 0.0}, e)["D2cc_gy"]
        assert (judged.outcome, judged.tolerance) == ("explained", None)
        assert judged.why == "the structure is smaller than 2 cc: undefined here, 0 or a chance value in dicompyler-core"
        assert judge(ours, {**ours, "D2cc_gy": 9.0}, e)["D2cc_gy"].outcome == "unexplained"

    def test_dose_outside_the_grid_has_no_value_here(self) -> None:
        e = evidence(box_structure(box=(13.0, 38.0, 15.0, 35.0)))
        ours = dict.fromkeys(METRICS) | {"volume_cc": BOX_CC}
        # voxels at 16 .. 28: 12 to 18 Gy, 4 columns of 5 rows in 3 planes; steps of 1.2 cc, each ending just above the dose below
        judged = judge(ours, {"volume_cc": 4.8, "mean_gy": 15.0, "max_gy": 18.0, "D2cc_gy": 14.01, "D0.1cc_gy": 16.01}, e)
        assert {j.outcome for j in judged.values()} == {"explained"}
        assert "leaves out what lies outside the dose grid: that gives 4.8 to 4.8 cc" in judged["volume_cc"].why
        assert judged["mean_gy"].why == "40 % of the structure has no known dose: undefined here, left out in dicompyler-core"
