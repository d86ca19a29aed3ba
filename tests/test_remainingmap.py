"""The map of remaining dose: added to the earlier EQD2 it gives the limit at every covered voxel; which voxels, which limits, what is unknown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from case_factory import GRID_SHAPE, box_structure, case, course, even_dose, grid, limit

from reirrad.assessment import LimitChoice
from reirrad.budget import remaining
from reirrad.course import Case, Component, Course, ImageStack, Phase, RecoveryChoice
from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError, ParameterError
from reirrad.grid import Grid
from reirrad.limit import Clause, Limit
from reirrad.maplimits import LeftOut, map_organs
from reirrad.papercourse import Paper
from reirrad.planes import slabs_of
from reirrad.recovery import custom
from reirrad.registration import Rigid
from reirrad.remainingmap import NO_LIMIT_GY, OrganMap, RemainingMap, dose_for, remaining_map
from reirrad.structures import Contour, Structure
from reirrad.timing import Timing
from reirrad.voxelcover import reaches_beyond, touched

# The box of `case_factory` (x -5 .. 20, y 15 .. 35, z -17.5 .. -2.5) in voxels of 4 x 4 x 5 mm3 whose borders are x -10 + 4 i, y 8 + 4 j, z -22.5 + 5 k:
# planes 1 to 3, rows 1 to 6, columns 1 to 7 hold a part of it.
BOX_VOXELS = (slice(1, 4), slice(1, 7), slice(1, 8))
VOXEL_CC = 0.08
NOW = course("now", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))


def then(gy: Any = 30, n: int = 10, name: str = "then", **more: Any) -> Course:
    return course(name, "prior", gy, n, last_day=dt.date(2021, 1, 1), **more)


def mapped(one: Case, *limits: Limit, n: int = 5, optimal: bool = False, on: Grid | None = None) -> tuple[RemainingMap, tuple[LeftOut, ...]]:
    budget = remaining(one, LimitChoice(limits, frozenset(x.id for x in limits), ("test",)), (n,))
    organs, left_out = map_organs(budget, n, optimal=optimal)
    return remaining_map(one, organs, on or grid(), n), left_out


def only(found: RemainingMap) -> OrganMap:
    (organ,) = found.organs
    return organ


def uneven_dose(seed: float, top_gy: float) -> np.ndarray:
    """Smooth doses (nz, ny, nx) that differ along all axes, up to `top_gy`."""
    k, j, i = np.indices(GRID_SHAPE)
    return (top_gy * (0.55 + 0.45 * np.sin(0.9 * i + seed) * np.cos(0.7 * j - seed) * np.cos(0.5 * k))).astype(np.float32)


def eqd2(dose: Any, n: float, alpha_beta: float) -> Any:
    return dose * (dose / n + alpha_beta) / (2 + alpha_beta)


# ------------------------------------------------------------------------------------------------------------- closed forms


def test_uniform_earlier_dose() -> None:
    """30 in 10 is 36 Gy at 3 Gy; 64 leaves 28, which is 20 Gy in 5 fractions: 20 (4 + 3) / 5."""
    found, left_out = mapped(case(then(), NOW), limit("Dmax", 64.0))
    expected = np.full(GRID_SHAPE, NO_LIMIT_GY)
    expected[BOX_VOXELS] = 20.0
    np.testing.assert_allclose(found.dose_gy, expected, atol=1e-5)
    assert left_out == ()
    organ = only(found)
    assert (organ.name, organ.limit_ids, organ.n_voxels, organ.n_unknown, organ.n_deficit) == ("Rectum", ("rectum-Dmax",), 126, 0, 0)
    assert (organ.least_gy, organ.worst_deficit_gy, organ.cap_gy, organ.closed) == (pytest.approx(20, abs=1e-5), 0.0, None, None)
    assert found.notices == ()


def test_map_added_to_the_earlier_dose_gives_the_limit_at_every_voxel() -> None:
    """Two earlier courses, two organs that share voxels, EQD2 at 3 Gy and BED at 2 Gy: the smaller of both, and exactly it."""
    doses = (uneven_dose(0.3, 35), uneven_dose(1.9, 18))
    priors = [then(DoseGrid(grid(), d, "1.2.3.100"), n, name) for d, n, name in ((doses[0], 20, "a"), (doses[1], 3, "b"))]
    cord = box_structure("SpinalCord", box=(9.0, 27.0, 11.0, 26.0), number=2)
    one = case(*priors, NOW, organs=[(box_structure(), "rectum"), (cord, "spinal_cord")])
    cord_limit = limit("D0.1cc", 150.0, organ="spinal_cord", quantity="BED", alpha_beta_gy=2.0)  # EQD2 75
    for n in (1, 5, 28):
        found, _ = mapped(one, limit("D0.03cc", 80.0), cord_limit, n=n)
        in_rectum, in_cord = np.zeros(GRID_SHAPE, bool), np.zeros(GRID_SHAPE, bool)
        in_rectum[BOX_VOXELS] = True
        in_cord[1:4, 0:5, 4:10] = True  # x 9 .. 27: columns 4 to 9; y 11 .. 26: rows 0 to 4
        room = [
            value - sum(eqd2(d.astype(float), k, ab) for d, k in zip(doses, (20, 3), strict=True)) - eqd2(found.dose_gy.astype(float), n, ab)
            for value, ab in ((80.0, 3.0), (75.0, 2.0))
        ]
        assert min(room[0][in_rectum].min(), room[1][in_cord].min()) > -1e-4
        left = np.minimum(np.where(in_rectum, room[0], np.inf), np.where(in_cord, room[1], np.inf))
        assert np.abs(left[in_rectum | in_cord]).max() < 1e-4
        assert np.all(found.dose_gy[~(in_rectum | in_cord)] == NO_LIMIT_GY)
        assert in_rectum[in_cord].any()


def test_several_limits_of_one_organ() -> None:
    """EQD2 at 3 Gy: 64 - 36; at 10 Gy 30 (3 + 10) / 12 = 32.5, of 40: 7.5 Gy, which in 5 fractions is less."""
    found, _ = mapped(case(then(), NOW), limit("Dmax", 64.0), limit("D2cc", 40.0, alpha_beta_gy=10.0, id="b"))
    least = only(found).least_gy
    assert least == pytest.approx(float(dose_for(np.array([7.5]), 5, 10.0)[0]), abs=1e-4)
    assert least is not None
    assert eqd2(least, 5, 10.0) == pytest.approx(7.5, abs=1e-4)


def test_never_more_than_the_dose_that_stands_for_no_limit() -> None:
    found, _ = mapped(case(then(), NOW), limit("Dmax", 900.0), n=30)
    assert np.all(found.dose_gy == NO_LIMIT_GY)


def test_phases_two_a_day_and_interpolation() -> None:
    """30 in 10 twice a day with a half time of 2 h: 30 (3 x 1.125 + 3) / 5 = 38.25; then 10 in 5: 10."""
    phases = (then().phases[0], then(10, 5).phases[0])
    one = case(then(phases=phases, timing=Timing(2, 6)), NOW, half_time_h={"rectum": 2.0}, interpolation="linear")
    second = 10 * (2 * (4 * 1.125 + 1) / 5 + 3) / 5  # two days of two, one of one
    found, _ = mapped(one, limit("Dmax", 80.0))
    assert eqd2(only(found).least_gy, 5, 3) == pytest.approx(80 - 38.25 - second, abs=1e-3)


def test_earlier_dose_is_read_through_the_registration() -> None:
    """Points of the reference frame lie 4 mm higher in x in the earlier one: the dose of the next column."""
    gy = uneven_dose(0.7, 40)
    matrix = np.eye(4)
    matrix[0, 3] = 4.0
    one = case(then(DoseGrid(grid(), gy, "1.2.3.200")), NOW, transforms=(Rigid(matrix), None), registration=("file", "same_frame"))
    found, _ = mapped(one, limit("Dmax", 120.0))
    shifted = gy[1:4, 1:7, 2:9].astype(float)
    np.testing.assert_allclose(eqd2(found.dose_gy[BOX_VOXELS].astype(float), 5, 3) + eqd2(shifted, 10, 3), 120.0, atol=2e-4)


# ------------------------------------------------------------------------------------------------------------- deficits, recovery, paper, clauses


def test_deficits() -> None:
    """Columns 0 to 4 got 30 in 10 (36 Gy), the others 20 in 10 (20): of 30, six missing in columns 1 to 4."""
    gy = np.full(GRID_SHAPE, 20, np.float32)
    gy[:, :, :5] = 30
    one = case(then(DoseGrid(grid(), gy, "1.2.3.100")), NOW)
    found, _ = mapped(one, limit("Dmax", 30.0), limit("D0.1cc", 33.0, id="b"))
    organ = only(found)
    assert (organ.n_deficit, organ.deficit_cc) == (3 * 6 * 4, pytest.approx(72 * VOXEL_CC))
    assert (organ.worst_deficit_gy, organ.least_gy) == (pytest.approx(6, abs=1e-4), 0.0)
    assert np.all(found.dose_gy[1:4, 1:7, 1:5] == 0)
    np.testing.assert_allclose(eqd2(found.dose_gy[1:4, 1:7, 5:8], 5, 3), 10.0, atol=1e-4)
    assert found.notices == ()


@pytest.mark.parametrize(("recovery", "eqd2_gy"), [("discounted", 32.0), ("raw", 14.0)])
def test_recovery_only_for_limits_of_sums_after_it(recovery: Any, eqd2_gy: float) -> None:
    """Half of 36 Gy counts after a year; of 50."""
    model = RecoveryChoice(custom([(0.0, 0.0), (6.0, 0.5)], "test"), "test")
    found, _ = mapped(case(then(), NOW, recovery={"rectum": model}), limit("Dmax", 50.0, recovery=recovery))
    assert eqd2(only(found).least_gy, 5, 3) == pytest.approx(eqd2_gy, abs=1e-3)


def test_what_has_recovered_whole_need_not_be_known() -> None:
    model = RecoveryChoice(custom([(0.0, 0.0), (6.0, 1.0)], "test"), "test")
    one = case(then(even_dose(30, (6, 9, 5))), NOW, recovery={"rectum": model})
    found, _ = mapped(one, limit("Dmax", 28.0, recovery="discounted"))
    assert (only(found).n_unknown, only(found).least_gy) == (0, pytest.approx(20, abs=1e-4))


def test_course_on_paper_counts_with_its_maximum_everywhere() -> None:
    """40 in 20 prescribed: 40 Gy; of 68 leaves 28, 20 Gy in 5. A letter that tells D2cc alone bounds no voxel."""
    letter = Course("letter", "prior", (), "", last_day=dt.date(2020, 1, 1), paper=Paper(40, 20, 20))
    assert only(mapped(case(letter, NOW), limit("Dmax", 68.0))[0]).least_gy == pytest.approx(20, abs=1e-4)
    vague = Course("letter", "prior", (), "", last_day=dt.date(2020, 1, 1), paper=Paper(40, 20, 20, {"rectum": {"D2cc": 30.0}}))
    nothing = Course("lost", "prior", (), "", last_day=dt.date(2020, 1, 1), is_unknown=True)
    for unknown in (vague, nothing):
        found, _ = mapped(case(unknown, NOW), limit("Dmax", 68.0))
        assert (only(found).n_unknown, only(found).least_gy) == (126, 0.0)


def test_clauses_cap_every_voxel() -> None:
    """A quarter of the 36 Gy of the sum may come from the new course: 9 Gy, less than the 44 left; where the dose is not even."""
    clause = Clause("ratio", "<=", 0.25, "")
    found, _ = mapped(case(then(), NOW), limit("Dmax", 80.0, clauses=(clause,)))
    assert only(found).cap_gy == pytest.approx(9, rel=1e-4)
    assert eqd2(only(found).least_gy, 5, 3) == pytest.approx(9, rel=1e-3)


@pytest.mark.parametrize(
    "stated", [limit("Dmax", 80.0, min_interval_months=18.0), limit("Dmax", 30.0, clauses=(Clause("interval", ">=", 18.0, "months"),))], ids=["limit", "clause"]
)
def test_condition_that_fails_closes_the_organ(stated: Limit) -> None:
    """Twelve months, not 18; with a deficit too, the rule closes even the voxels that have none."""
    gy = uneven_dose(0.5, 28)
    found, _ = mapped(case(then(DoseGrid(grid(), gy, "1.2.3.100")), NOW), stated)
    assert np.all(found.dose_gy[BOX_VOXELS] == 0)
    assert [n.code for n in found.notices] == ["remaining_closed"]
    assert "18 months" in str(only(found).closed)


# ------------------------------------------------------------------------------------------------------------- what is not known


@pytest.mark.hazard("H04")
def test_unknown_earlier_dose_permits_nothing() -> None:
    """Dose known at x -8 .. 8: columns 5 to 7 of the box (centres 12, 16, 20) are not known. The others are judged, also where they exceed the limit."""
    part = case(then(even_dose(30, (6, 9, 5))), NOW)
    for value, known in ((64.0, 20.0), (30.0, 0.0)):
        found, _ = mapped(part, limit("Dmax", value))
        assert np.all(found.dose_gy[1:4, 1:7, 5:8] == 0)
        np.testing.assert_allclose(found.dose_gy[1:4, 1:7, 1:5], known, atol=1e-5)
        assert (only(found).n_unknown, only(found).n_deficit) == (54, 72 if value == 30 else 0)
        assert [(n.code, n.structure) for n in found.notices] == [("remaining_unknown", "Rectum")]
        assert "54 of 126 voxels" in found.notices[0].message


def test_organ_beyond_the_grid_of_the_map_is_announced() -> None:
    """A grid that ends at x = 10, and one whose voxels do not reach the organ at all."""
    one = case(then(), NOW)
    small = grid((6, 9, 5))
    found, _ = mapped(one, limit("Dmax", 64.0), on=small)
    assert [n.code for n in found.notices] == ["remaining_outside_grid"]
    assert only(found).n_voxels == 3 * 6 * 4
    far = Grid(np.eye(3), small.u_mm + 500, small.v_mm.copy(), small.w_mm.copy())
    found, _ = mapped(one, limit("Dmax", 64.0), on=far)
    assert (only(found).n_voxels, only(found).least_gy) == (0, None)
    above = Grid(np.eye(3), small.u_mm.copy(), small.v_mm.copy(), small.w_mm + 500)
    assert only(mapped(one, limit("Dmax", 64.0), on=above)[0]).n_voxels == 0


def test_fractions_must_make_sense() -> None:
    with pytest.raises(ParameterError, match="fractions"):
        remaining_map(case(then(), NOW), (), grid(), 0)


# ------------------------------------------------------------------------------------------------------------- which limits


def test_limits_that_are_none_of_a_voxel_are_named() -> None:
    limits = [
        limit("Dmax", 64.0),
        limit("Dmean", 50.0),
        limit("V40Gy", 1.0, unit="cc"),
        limit("D6cc", 50.0),
        limit("D80%", 50.0),  # 6 cc of 7.5
        limit("D10%", 90.0),
        limit("D1cc", 40.0, level="optimal"),
        limit("D0.5cc", 30.0, min_fractions=20),
        limit("D0.2cc", 30.0, quantity="physical"),
        limit("Dmax", 30.0, organ="bladder"),
    ]
    found, left_out = mapped(case(then(), NOW), *limits)
    assert only(found).limit_ids == ("rectum-Dmax", "rectum-D10%")
    assert {x.limit_id: x.reason for x in left_out} == {
        "rectum-Dmean": "Dmean is no limit of a voxel",
        "rectum-V40Gy": "V40Gy is no limit of a voxel",
        "rectum-D6cc": "D6cc is of a volume above 5 cc, and no limit of a voxel",
        "rectum-D80%": "D80% is of a volume above 5 cc, and no limit of a voxel",
        "rectum-D1cc": "the limit is optimal",
        "rectum-D0.5cc": "the limit is for other numbers of fractions",
        "rectum-D0.2cc": "physical doses of several courses are not summed",
        "bladder-Dmax": "no structure of the reference course stands for the organ bladder",
    }


def test_optimal_limits_where_asked_for() -> None:
    """40 Gy is optimal: 4 Gy EQD2 left; one that cannot be judged closes nothing."""
    limits = (limit("Dmax", 64.0), limit("D1cc", 40.0, level="optimal"), limit("D2cc", 40.0, level="optimal", min_interval_months=18.0))
    found, left_out = mapped(case(then(), NOW), *limits, optimal=True)
    assert eqd2(only(found).least_gy, 5, 3) == pytest.approx(4, abs=1e-3)
    (one,) = left_out
    assert (one.limit_id, "18 months" in one.reason) == ("rectum-D2cc", True)


def test_organ_smaller_than_the_volume_of_its_limit_keeps_to_it_in_every_voxel() -> None:
    """0.32 cc have no D2cc, but no voxel may exceed it either."""
    small = box_structure(planes=(-10.0, -5.0), box=(0.0, 4.0, 16.0, 24.0))
    found, _ = mapped(case(then(), NOW, organs=[(small, "rectum")]), limit("D2cc", 64.0))
    assert (only(found).least_gy, only(found).closed) == (pytest.approx(20, abs=1e-4), None)


def test_both_sides_and_a_name_given_twice() -> None:
    sides = [
        (box_structure("Kidney_L", box=(-5.0, 1.0, 15.0, 35.0)), "kidney"),
        (box_structure("Kidney_R", box=(10.0, 20.0, 15.0, 35.0), number=2), "kidney"),
        (Structure("Bladder", 3, ()), "bladder"),
    ]
    one = case(then(), NOW, organs=sides)
    found, left_out = mapped(one, limit("Dmax", 64.0, organ="kidney", combine_sides=True), limit("Dmax", 64.0, organ="bladder"))
    assert [o.name for o in found.organs] == ["Kidney_L", "Kidney_R"]
    assert [x.reason for x in left_out] == ["the structure has no closed contours"]
    twins = [(box_structure(), "rectum"), (box_structure(box=(24.0, 28.0, 15.0, 35.0), number=2), "rectum")]
    found, _ = mapped(case(then(), NOW, organs=twins), limit("Dmax", 64.0))
    assert [o.name for o in found.organs] == ["Rectum", "Rectum"]
    assert np.all(found.dose_gy[1:4, 1:7, [1, 9]] == 0)


# ------------------------------------------------------------------------------------------------------------- which voxels


def sagittal_box() -> Structure:
    """The box of `case_factory` drawn on five sagittal planes, 5 mm apart."""
    ring = [(15.0, -17.5), (35.0, -17.5), (35.0, -2.5), (15.0, -2.5)]
    return Structure("Rectum", 1, tuple(Contour(np.array([(x, y, z) for y, z in ring])) for x in (-2.5, 2.5, 7.5, 12.5, 17.5)))


def full(found: Any, shape: Sequence[int]) -> np.ndarray:
    out = np.zeros(tuple(shape), bool)
    out[found.box] |= found.inside
    return out


def box_in(structure: Structure, on: Grid) -> np.ndarray:
    return full(touched(slabs_of(structure, None, None, 5.0), on), on.shape)


def test_voxels_of_which_any_part_is_inside() -> None:
    exact = np.zeros(GRID_SHAPE, bool)
    exact[BOX_VOXELS] = True
    assert np.array_equal(box_in(box_structure(), grid()), exact)
    wider = np.zeros(GRID_SHAPE, bool)
    wider[0:5, 0:8, 0:9] = True  # a voxel more on each side
    found = box_in(sagittal_box(), grid())
    assert np.all(found[exact])
    assert not found[~wider].any()


def test_hole_is_no_part_of_an_organ() -> None:
    """A ring 4 mm wide whose hole is x 2 .. 14, y 16 .. 28: columns 3 to 5 and rows 2 to 4, with borders on those of voxels."""
    planes = (-15.0, -10.0)
    outer, hole = (box_structure(planes=planes, box=b).contours for b in ((-2.0, 18.0, 12.0, 32.0), (2.0, 14.0, 16.0, 28.0)))
    found = box_in(Structure("Rectum", 1, outer + hole), grid())
    expected = np.zeros(GRID_SHAPE, bool)
    expected[1:3, 1:6, 2:7] = True
    expected[1:3, 2:5, 3:6] = False
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("uneven", [False, True])
def test_turned_and_uneven_grids_miss_no_voxel(uneven: bool) -> None:
    """Points everywhere in the box, sorted into voxels one by one; and no voxel that is more than a voxel away."""
    angle = 0.0 if uneven else 0.5
    rotation = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    u = np.array([-20.0, -12, -5, 0, 4, 10, 17, 21, 30, 41]) if uneven else -20 + 4.0 * np.arange(16)
    on = Grid(rotation, u, -10 + 4.0 * np.arange(14), -20 + 5.0 * np.arange(6))
    found = box_in(box_structure(), on)
    x, y, z = np.meshgrid(np.linspace(-4.99, 19.99, 60), np.linspace(15.01, 34.99, 50), np.linspace(-17.49, -2.51, 8))
    local = np.column_stack([x.ravel(), y.ravel(), z.ravel()]) @ rotation.T
    place = []
    for axis, c in enumerate((on.u_mm, on.v_mm, on.w_mm)):
        middle = (c[1:] + c[:-1]) / 2
        place.append(np.searchsorted(middle, local[:, axis]))
    true = np.zeros(on.shape, bool)
    true[place[2], place[1], place[0]] = True
    assert np.all(found[true])
    beside = np.zeros(on.shape, bool)
    for k, j, i in np.argwhere(true):
        beside[max(k - 1, 0) : k + 2, max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2] = True
    assert not found[~beside].any()
    assert found.sum() < 2.5 * true.sum()


def test_grid_of_a_single_column_or_plane() -> None:
    """A plane without neighbours is taken as 1 mm thick; a column without them has no width."""
    one_plane = Grid(np.eye(3), grid().u_mm.copy(), grid().v_mm.copy(), np.array([-10.0]))
    assert box_in(box_structure(), one_plane).sum() == 6 * 7
    one_column = Grid(np.eye(3), np.array([4.0]), grid().v_mm.copy(), grid().w_mm.copy())
    with pytest.raises(GeometryError, match="single row or column"):
        box_in(box_structure(), one_column)


@pytest.mark.parametrize(("shape", "beyond"), [((6, 9, 10), False), ((6, 9, 7), True), ((6, 5, 10), True), ((3, 9, 10), True)])
def test_structures_that_leave_the_grid(shape: tuple[int, int, int], beyond: bool) -> None:
    """Of 7 columns the last ends at 18, of 5 rows at 28, of 3 planes at -7.5; the box ends at 20, 35, -2.5."""
    assert reaches_beyond(slabs_of(box_structure(), None, None, 5.0), grid(shape)) is beyond
    assert reaches_beyond(slabs_of(sagittal_box(), None, None, 5.0), grid(shape)) is beyond


def test_image_of_the_reference_tells_the_thickness_of_planes() -> None:
    """One contour plane at z -10; the CT has planes 5 mm apart, so it stands for -12.5 .. -7.5: plane 2 alone."""
    image = ImageStack("1.2.3.100", np.array([-20.0, -15, -10, -5, 0, 5]), np.array([0.0, 0, 1]))
    single = box_structure(planes=(-10.0,))
    one = case(then(), course("now", "proposed", 20, 5, image=image, phases=(Phase("p", (Component(even_dose(20)),), 5),)), organs=[(single, "rectum")])
    found, _ = mapped(one, limit("Dmax", 64.0))
    assert np.flatnonzero((found.dose_gy < NO_LIMIT_GY).any(axis=(1, 2))).tolist() == [2]
