"""Overlap of irradiated volumes on small grids: voxels of 4 x 4 mm2 on uneven planes, counted by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from case_factory import case, course, even_dose, grid, organ_dose

from reirrad.course import Case, Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.overlap import PairOverlap, Reached, SharedOrgan, reirradiation, volume_overlap
from reirrad.paper import PaperDose
from reirrad.papercourse import Paper
from reirrad.registration import Rigid
from reirrad.statistics import no_statistics

# Planes 5, 5, 5.5, 7, 8, 8 mm thick: half way to their neighbours.
Z_MM = np.array([-20.0, -15.0, -10.0, -4.0, 4.0, 12.0])
GRID = dataclasses.replace(grid(), w_mm=Z_MM)
# Planes 2 and 3 (12.5 mm), three rows, five columns: 15 x 16 mm2 x 12.5 mm = 3 cc.
PROPOSED = (slice(2, 4), slice(3, 6), slice(2, 7))
PROPOSED_CC = 3.0


def block(gy: float, where: Sequence[slice], on: Grid = GRID) -> DoseGrid:
    values = np.zeros(on.shape, np.float32)
    values[tuple(where)] = gy
    return DoseGrid(on, values, "1.2.3.100")


def treated(name: str, kind: str, dose: DoseGrid, prescription_gy: float | None = 20.0, fractions: int = 5, planned: int | None = 5, **more: object) -> Course:
    return course(name, kind, dose, fractions, phases=(Phase("plan", (Component(dose),), fractions, planned, prescription_gy),), **more)


def pair(prior: DoseGrid, proposed: DoseGrid | None = None, **more: object) -> Case:
    """20 Gy in 5, of which 30 Gy in 10 came before."""
    given = treated("first", "prior", prior, 30.0, 10, 10)
    return case(given, treated("second", "proposed", block(20, PROPOSED) if proposed is None else proposed), organs=(), **more)


def organ(of_prior: Sequence[float], of_proposed: Sequence[float], **more: object) -> OrganResult:
    """Organ of points of 2 and 3 cc; 30 Gy in 10 are 36 Gy EQD2 at alpha/beta 3 Gy, 20 Gy in 5 are 28 Gy."""
    known = OrganSum(organ_dose((0, 10, of_prior), (1, 5, of_proposed), volumes_cc=[2, 3]))
    nothing = no_statistics("")
    return OrganResult("Rectum", "rectum", 3.0, 5.0, 1.0, more.get("sum", known), nothing, (), ())


# ------------------------------------------------------------------------------------------------------------- volumes


def test_shared_volume_is_counted_at_voxel_centres_with_the_width_of_their_planes() -> None:
    """The earlier course begins three columns later: two of five columns are shared."""
    found = volume_overlap(pair(block(30, (slice(1, 5), slice(3, 6), slice(5, 9)))), 0, 1)
    assert (found.prior_gy, found.proposed_gy) == (15.0, 10.0)
    assert found.proposed_cc == pytest.approx(PROPOSED_CC)
    assert found.shared_cc == pytest.approx(PROPOSED_CC * 2 / 5)
    assert found.part == pytest.approx(0.4)
    assert (found.unknown_cc, found.is_cut, found.reason) == (0.0, False, "")
    assert found.overlaps is True


def test_one_plane_shared_is_a_plane_of_its_own_thickness() -> None:
    """Plane 3 alone is 7 mm: 15 x 16 mm2 x 7 mm."""
    found = volume_overlap(pair(block(30, (slice(3, 5), slice(2, 8), slice(1, 9)))), 0, 1)
    assert found.shared_cc == pytest.approx(1.68)


def test_side_by_side_does_not_overlap() -> None:
    found = volume_overlap(pair(block(30, (slice(2, 4), slice(3, 6), slice(7, 9)))), 0, 1)
    assert (found.shared_cc, found.part, found.overlaps) == (0.0, 0.0, False)


def test_half_of_the_prescription_bounds_the_volume() -> None:
    """14.99 Gy of 30 is outside of the earlier volume, 15 Gy inside."""
    assert volume_overlap(pair(block(14.99, PROPOSED)), 0, 1).overlaps is False
    assert volume_overlap(pair(block(15, PROPOSED)), 0, 1).shared_cc == pytest.approx(PROPOSED_CC)


@pytest.mark.hazard("H02")
def test_prescription_counts_for_the_delivered_fractions() -> None:
    """30 Gy in 10, of which 4 were given: 12 Gy, and half of that is 6. The stated 50 Gy: 20 Gy given, half is 10."""
    phases = (Phase("plan", (Component(block(6, PROPOSED)),), 4, 10, 30.0),)
    given = Course("first", "prior", phases, "1.2.3.100")
    second = treated("second", "proposed", block(20, PROPOSED))
    found = volume_overlap(case(given, second, organs=()), 0, 1)
    assert (found.prior_gy, found.overlaps) == (pytest.approx(6), True)
    stated = dataclasses.replace(given, stated_prescription_gy=50.0)
    found = volume_overlap(case(stated, second, organs=()), 0, 1)
    assert (found.prior_gy, found.overlaps) == (pytest.approx(10), False)


def test_one_prescription_for_phases_given_in_different_parts_bounds_no_volume() -> None:
    phases = tuple(Phase(name, (Component(block(6, PROPOSED)),), n, 10) for name, n in (("a", 4), ("b", 10)))
    given = Course("first", "prior", phases, "1.2.3.100", stated_prescription_gy=50.0)
    found = volume_overlap(case(given, treated("second", "proposed", block(20, PROPOSED)), organs=()), 0, 1)
    assert (found.overlaps, "different parts of the phases" in found.reason) == (None, True)


def test_fractions_that_no_plan_states_are_the_planned_ones() -> None:
    phases = (Phase("plan", (Component(block(30, PROPOSED)),), 10, None, 30.0),)
    found = volume_overlap(case(Course("first", "prior", phases, "1.2.3.100"), treated("second", "proposed", block(20, PROPOSED)), organs=()), 0, 1)
    assert found.prior_gy == 15.0


@pytest.mark.hazard("H04")
def test_earlier_dose_that_is_not_known_is_not_zero() -> None:
    """The grid of the earlier course ends before the last two columns of the volume: 2/5 of 3 cc."""
    small = Grid(np.eye(3), GRID.u_mm[:5], GRID.v_mm, GRID.w_mm)
    found = volume_overlap(pair(DoseGrid(small, np.zeros(small.shape, np.float32), "1.2.3.100")), 0, 1)
    assert found.shared_cc == 0
    assert found.unknown_cc == pytest.approx(1.2)
    assert found.overlaps is None


def test_what_is_shared_for_certain_is_an_overlap_whatever_is_not_known() -> None:
    small = Grid(np.eye(3), GRID.u_mm[:5], GRID.v_mm, GRID.w_mm)
    found = volume_overlap(pair(DoseGrid(small, np.full(small.shape, 30, np.float32), "1.2.3.100")), 0, 1)
    assert (found.shared_cc, found.unknown_cc) == (pytest.approx(1.8), pytest.approx(1.2))
    assert found.overlaps is True


@pytest.mark.hazard("H04")
@pytest.mark.parametrize("where", [(slice(0, 2), slice(3, 6), slice(2, 7)), (slice(4, 6), slice(3, 6), slice(2, 7)), (slice(2, 4), slice(3, 6), slice(0, 3))])
def test_volume_at_the_border_of_its_grid_is_said_to_be_cut(where: tuple[slice, ...]) -> None:
    """No overlap can then be excluded."""
    found = volume_overlap(pair(block(0, PROPOSED), block(20, where)), 0, 1)
    assert found.is_cut
    assert found.overlaps is None


def test_phase_with_a_small_grid_does_not_hide_the_rest_of_the_volume() -> None:
    """20 Gy on the large grid, and a boost of 4 Gy on three columns: half of 24 Gy is reached in all 15 voxels of a plane, though the boost is known in 9."""
    small = Grid(np.eye(3), GRID.u_mm[3:6], GRID.v_mm, GRID.w_mm)
    boost = DoseGrid(small, np.zeros(small.shape, np.float32), "1.2.3.100")
    phases = (Phase("large", (Component(block(20, PROPOSED)),), 5, 5, 20.0), Phase("boost", (Component(boost),), 1, 1, 4.0))
    one = case(treated("first", "prior", block(30, PROPOSED), 30.0, 10, 10), Course("second", "proposed", phases, "1.2.3.100"), organs=())
    found = volume_overlap(one, 0, 1)
    assert found.proposed_gy == 12.0
    assert found.proposed_cc == pytest.approx(PROPOSED_CC)
    assert (found.shared_cc, found.is_cut) == (pytest.approx(PROPOSED_CC), False)


@pytest.mark.hazard("H04")
def test_dose_on_the_border_of_a_small_grid_may_go_on_beyond_it() -> None:
    """8 Gy on the large grid alone is less than half of 24 Gy; with the 4 Gy on the border of the boost it may be 12 Gy in the six columns beside the boost."""
    small = Grid(np.eye(3), GRID.u_mm[3:6], GRID.v_mm, GRID.w_mm)
    boost = DoseGrid(small, np.full(small.shape, 4.0, np.float32), "1.2.3.100")
    large = block(8, PROPOSED)
    phases = (Phase("large", (Component(large),), 5, 5, 20.0), Phase("boost", (Component(boost),), 1, 1, 4.0))
    one = case(treated("first", "prior", block(0, PROPOSED), 30.0, 10, 10), Course("second", "proposed", phases, "1.2.3.100"), organs=())
    found = volume_overlap(one, 0, 1)
    assert found.proposed_cc == pytest.approx(PROPOSED_CC * 3 / 5)  # where both are known: three of the five columns
    assert found.is_cut
    assert found.overlaps is None


@pytest.mark.hazard("H12")
@pytest.mark.parametrize("reference", [0, 1])
def test_other_frame_is_reached_through_the_registration(reference: int) -> None:
    """The frame of the other course lies 100 mm to the left: the same two of five columns are shared, on the grid of the reference course."""
    moved = dataclasses.replace(GRID, u_mm=GRID.u_mm + 100)
    there = Rigid(np.array([[1.0, 0, 0, 100], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    earlier = (slice(1, 5), slice(3, 6), slice(5, 9))
    first = treated("first", "prior", block(30, earlier, GRID if reference == 0 else moved), 30.0, 10, 10)
    second = treated("second", "proposed", block(20, PROPOSED, moved if reference == 0 else GRID))
    transforms = (None, there) if reference == 0 else (there, None)
    how = ("same_frame", "file") if reference == 0 else ("file", "same_frame")
    found = volume_overlap(case(first, second, organs=(), reference=reference, transforms=transforms, registration=how), 0, 1)
    assert found.proposed_cc == pytest.approx(PROPOSED_CC)
    assert found.shared_cc == pytest.approx(PROPOSED_CC * 2 / 5)
    assert not found.is_cut


# ------------------------------------------------------------------------------------------------------------- not known


def reason_of(one: Case) -> str:
    found = volume_overlap(one, 0, 1)
    assert (found.proposed_cc, found.shared_cc, found.part, found.overlaps) == (None, None, None, None)
    return found.reason


@pytest.mark.hazard("H08")
def test_courses_without_a_volume_say_why() -> None:
    second = treated("second", "proposed", block(20, PROPOSED))
    paper = Course("letter", "prior", (), "", paper=Paper(45.0, 25, 25))
    assert reason_of(case(paper, second, organs=())) == 'there is no dose distribution of course "letter"'
    apart = pair(block(30, PROPOSED), registration=("none", "same_frame"))
    assert reason_of(apart) == 'course "first" is not registered to the reference course'
    unstated = treated("second", "proposed", block(20, PROPOSED), None)
    assert reason_of(case(treated("first", "prior", block(30, PROPOSED)), unstated, organs=())) == 'course "second" states no prescription'
    assert reason_of(pair(block(30, PROPOSED), block(9.9, PROPOSED))) == 'course "second" reaches half of its prescription nowhere'


def test_reference_without_a_grid_has_no_voxels_to_count() -> None:
    there = Rigid(np.eye(4))
    letter = Course("letter", "prior", (), "", paper=Paper(45.0, 25, 25))
    first, second = treated("first", "prior", block(30, PROPOSED)), treated("second", "proposed", block(20, PROPOSED))
    one = case(first, second, letter, organs=(), reference=2, transforms=(there, there, None), registration=("file", "file", "same_frame"))
    assert reason_of(one) == 'the dose of course "letter" is no volume'
    flat = Grid(np.eye(3), GRID.u_mm, GRID.v_mm, GRID.w_mm[:1])
    assert reason_of(pair(block(30, PROPOSED), DoseGrid(flat, np.full(flat.shape, 20, np.float32), "1.2.3.100"))) == 'the dose of course "second" is no volume'


# ------------------------------------------------------------------------------------------------------------- types

APART = block(30, (slice(2, 4), slice(3, 6), slice(7, 9)))


def test_overlap_is_type_one_whatever_the_organs_receive() -> None:
    found = reirradiation(pair(block(30, PROPOSED)), [])
    assert (found.kind, found.reason) == ("I", "the irradiated volumes overlap")
    assert [(p.prior, p.proposed) for p in found.pairs] == [(0, 1)]
    assert found.organs == ()


def test_organ_with_relevant_dose_from_both_is_type_two() -> None:
    """36 Gy EQD2 in 2 cc before, 28 Gy in the other 3 cc now."""
    found = reirradiation(pair(APART), [organ([30, 0], [0, 20])])
    assert found.kind == "II"
    assert found.organs == (SharedOrgan("Rectum", 0, 1, Reached(True, 2.0), Reached(True, 3.0)),)
    assert found.organs[0].is_certain


def test_relevant_is_ten_gray_eqd2() -> None:
    """10 Gy in 5 are 10 Gy EQD2 at any alpha/beta; 9.99 Gy are less."""
    assert reirradiation(pair(APART), [organ([30, 0], [0, 10])]).kind == "II"
    found = reirradiation(pair(APART), [organ([30, 0], [0, 9.99])])
    assert (found.kind, found.organs) == ("repeat", ())
    assert found.reason == "the irradiated volumes do not overlap, and no contoured organ receives relevant dose from both"


@pytest.mark.hazard("H04")
def test_dose_of_an_organ_that_is_not_known_leaves_the_type_open() -> None:
    found = reirradiation(pair(APART), [organ([30, 0], [np.nan, 2])])
    assert found.kind == "not_determined"
    assert found.reason == "the irradiated volumes do not overlap; whether an organ receives relevant dose from both is not known"
    assert found.organs == (SharedOrgan("Rectum", 0, 1, Reached(True, 2.0), Reached(None)),)
    assert not found.organs[0].is_certain


def test_what_is_known_of_a_part_can_suffice() -> None:
    """20 Gy in 5 where it is known: relevant dose is reached, in a volume that is not known."""
    found = reirradiation(pair(APART), [organ([30, 0], [np.nan, 20])])
    assert found.organs[0].of_proposed == Reached(True, None)
    assert found.kind == "II"


@pytest.mark.parametrize(("dmax", "expected"), [(9.0, Reached(False, 0.0)), (40.0, Reached(True))])
def test_maximum_of_a_letter_says_whether_relevant_dose_was_reached(dmax: float, expected: Reached) -> None:
    points = organ_dose((1, 5, [20, 20]), volumes_cc=[2, 3])
    known = OrganSum(points, {0: PaperDose.from_organ_doses({"Dmax": dmax}, 20)}, {0: "letter"})
    found = reirradiation(pair(APART), [organ([], [], sum=known)])
    assert found.organs == (() if expected.is_reached is False else (SharedOrgan("Rectum", 0, 1, expected, Reached(True, 5.0)),))


def test_structure_without_contours_says_nothing() -> None:
    nothing = no_statistics("the structure has no closed contours")
    empty = OrganResult("Rectum", "rectum", 3.0, None, 0.0, None, nothing, (), ())
    found = reirradiation(pair(APART), [empty])
    assert found.kind == "not_determined"
    assert found.organs == (SharedOrgan("Rectum", 0, 1, Reached(None), Reached(None)),)


def test_letter_that_says_nothing_of_the_maximum_says_nothing_of_relevant_dose() -> None:
    """2 cc of 5 cc received at most 8 Gy in 4, 8 Gy EQD2: hotter is possible, and unknown."""
    points = organ_dose((1, 5, [20, 20]), volumes_cc=[2, 3])
    known = OrganSum(points, {0: PaperDose.from_organ_doses({"D2cc": 8.0}, 4)}, {0: "letter"})
    assert reirradiation(pair(APART), [organ([], [], sum=known)]).organs == (SharedOrgan("Rectum", 0, 1, Reached(None), Reached(True, 5.0)),)


def test_structure_without_points_says_nothing() -> None:
    none = OrganSum(organ_dose((0, 10, []), (1, 5, []), volumes_cc=[]))
    assert reirradiation(pair(APART), [organ([], [], sum=none)]).organs == (SharedOrgan("Rectum", 0, 1, Reached(None), Reached(None)),)


def test_volumes_that_are_not_known_leave_the_type_open_but_not_wholly() -> None:
    small = Grid(np.eye(3), GRID.u_mm[:5], GRID.v_mm, GRID.w_mm)
    part = DoseGrid(small, np.zeros(small.shape, np.float32), "1.2.3.100")
    found = reirradiation(pair(part), [organ([30, 0], [0, 2])])
    assert found.kind == "not_determined"
    assert found.reason == "no overlap was found, but a part of the irradiated volume lies where dose is not known"
    apart = pair(block(30, PROPOSED), registration=("none", "same_frame"))
    found = reirradiation(apart, [organ([30, 0], [0, 20])])
    assert found.reason == 'course "first" is not registered to the reference course; an organ receives relevant dose from both, so it is type I or II'


def test_one_overlap_of_several_pairs_suffices() -> None:
    apart, first = treated("letter", "prior", APART, 30.0, 10, 10), treated("first", "prior", block(30, PROPOSED), 30.0, 10, 10)
    found = reirradiation(case(apart, first, treated("second", "proposed", block(20, PROPOSED)), organs=()), [])
    assert found.kind == "I"
    assert [p.overlaps for p in found.pairs] == [False, True]


def test_without_earlier_course_there_is_nothing_to_repeat() -> None:
    found = reirradiation(case(course("only", "proposed", even_dose(20), 5)), [])
    assert (found.kind, found.reason) == ("not_determined", "the case does not hold both an earlier and a proposed course")
    assert found.pairs == found.organs == ()


def test_part_of_no_volume_is_not_known() -> None:
    assert PairOverlap(0, 1).part is None
