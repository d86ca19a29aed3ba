"""Values at the cursor, against EQD2 calculated by hand and against the hottest point of the organ."""

from __future__ import annotations

import numpy as np
import pytest
from case_factory import case, course, even_dose, grid, limit, two_courses

from reirrad.assessment import assess
from reirrad.dose import DoseGrid
from reirrad.hotspot import hot_spot
from reirrad.judgement import LimitChoice
from reirrad.papercourse import Paper
from reirrad.timing import Timing
from reirrad.ui.outlines import drawn_structures
from reirrad.ui.readout import readout
from reirrad.ui.seepage import levels_from, readout_rows
from reirrad.ui.volumes import volumes_of

INSIDE = np.array([8.0, 26.0, -10.0])
ABOVE = np.array([8.0, 26.0, 3.0])  # outside the box, and outside a dose grid of four planes


def test_each_course_and_the_sum_at_a_point() -> None:
    both = two_courses()
    here = readout(both, volumes_of(both, None), drawn_structures(both), INSIDE)
    assert [c.name for c in here.courses] == ["first", "second"]
    assert [c.physical_gy for c in here.courses] == pytest.approx([30, 20], abs=1e-4)
    assert [c.eqd2_gy for c in here.courses] == pytest.approx([36, 28], abs=1e-3)  # 30 x (3 + 3) / 5, 20 x (4 + 3) / 5
    assert here.physical_gy == pytest.approx(50, abs=1e-3)
    assert here.eqd2_gy == pytest.approx(64, abs=1e-3)
    assert (here.is_complete, here.structures, here.organ, here.alpha_beta_gy, here.hu) == (True, ("Rectum",), "rectum", 3.0, None)


def test_another_alpha_beta_changes_the_eqd2_alone() -> None:
    both = two_courses()
    here = readout(both, volumes_of(both, None), {}, INSIDE, 10.0)
    assert [c.eqd2_gy for c in here.courses] == pytest.approx([30 * 13 / 12, 20 * 14 / 12], abs=1e-3)
    assert [c.physical_gy for c in here.courses] == pytest.approx([30, 20], abs=1e-4)
    assert here.alpha_beta_gy == 10.0


def test_protons_are_said_to_be_dose_times_rbe() -> None:
    both = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5, radiation="proton", rbe=1.1))
    here = readout(both, volumes_of(both, None), {}, INSIDE)
    assert [c.reason for c in here.courses] == ["", "dose × RBE"]
    assert here.is_complete


def test_unknown_is_not_zero() -> None:
    part = case(
        course("first", "prior", even_dose(30, (4, 9, 10)), 10),
        course("letter", "prior", 0, 1, phases=(), paper=Paper(prescription_gy=12.0, fractions=1, prescribed_fractions=1)),
        course("apart", "prior", 10, 5),
        course("second", "proposed", 20, 5),
        registration=("same_frame", "same_frame", "none", "same_frame"),
    )
    here = readout(part, volumes_of(part, None), drawn_structures(part), ABOVE)
    assert [c.physical_gy for c in here.courses[:3]] == [None, None, None]
    assert [c.reason for c in here.courses] == ["not known here: outside its dose grid", "known from paper only, not at points", "not registered", ""]
    assert here.eqd2_gy == pytest.approx(28, abs=1e-3)
    assert (here.is_complete, here.structures, here.organ) == (False, (), None)
    rows = readout_rows(here)
    assert rows["Physical dose (Gy)"] == ["unknown", "unknown", "unknown", "20.00", "at least 20.00 (for orientation only)"]
    assert rows["EQD2 at α/β 3 (Gy)"][-1] == "at least 28.00"


def test_where_no_course_is_known_the_sum_is_unknown() -> None:
    both = two_courses()
    here = readout(both, volumes_of(both, None), {}, np.array([200.0, 26.0, -10.0]))
    assert (here.physical_gy, here.eqd2_gy, here.is_complete) == (None, None, False)
    assert readout_rows(here)["EQD2 at α/β 3 (Gy)"] == ["unknown", "unknown", "unknown"]


def test_twice_a_day_counts_with_the_repair_of_the_organ() -> None:
    both = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 10, timing=Timing(2, 6.0)))
    volumes = volumes_of(both, None)
    inside = readout(both, volumes, {}, INSIDE)
    outside = readout(both, volumes, {}, ABOVE)
    assert inside.courses[1].eqd2_gy is not None
    assert outside.courses[1].eqd2_gy is not None
    assert inside.courses[1].eqd2_gy > 20 * (2 + 3) / 5  # complete repair would give 20
    k, j, i = (int(np.abs(line - at).argmin()) for line, at in zip((grid().w_mm, grid().v_mm, grid().u_mm), INSIDE[::-1], strict=True))
    assert inside.eqd2_gy == pytest.approx(float(volumes.eqd2_gy[k, j, i]), abs=1e-3)


def test_the_readout_at_a_hot_spot_is_that_of_the_hot_spot() -> None:
    z, y, x = np.meshgrid(grid().w_mm, grid().v_mm, grid().u_mm, indexing="ij")
    slope = DoseGrid(grid(), (20 + 0.4 * x + 0.1 * y - 0.2 * z).astype(np.float32), "1.2.3.100")
    both = case(course("first", "prior", slope, 10), course("second", "proposed", 20, 5))
    assessment = assess(both, LimitChoice((limit("Dmax", 80.0),), frozenset(), ()))
    spot = hot_spot(assessment.organs[0], 2)
    assert spot is not None
    here = readout(both, volumes_of(both, None), {}, np.asarray(spot.point_mm, np.float64), spot.alpha_beta_gy, spot.organ)
    assert here.eqd2_gy == pytest.approx(spot.eqd2_gy, abs=0.01)
    assert [c.physical_gy for c in here.courses] == pytest.approx(list(spot.physical_gy), abs=0.01)
    expected = 20 + 0.4 * spot.point_mm[0] + 0.1 * spot.point_mm[1] - 0.2 * spot.point_mm[2]
    assert here.courses[0].physical_gy == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("text", ["45,x", "0", "-3", "1e9", "nan", "1,2,3,4,5,6,7,8,9,10,11,12,13"])
def test_isodose_lines_that_are_none_are_refused_in_words(text: str) -> None:
    assert "Correct the field" in levels_from(text)


def test_isodose_lines_are_sorted_and_count_once() -> None:
    assert levels_from("54; 45,45.0") == (45.0, 54.0)
    assert levels_from(" , ") == ()
