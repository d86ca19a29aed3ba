"""Courses at the points of an organ: against sums over every single session, against golden numbers, and for what is unknown."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reirrad.accumulation import OrganDose, _extremes, accumulate, deliveries
from reirrad.course import Component, Course, Phase
from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.planes import slabs_of
from reirrad.points import organ_points
from reirrad.registration import Rigid
from reirrad.structures import Contour, Structure

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "lq.toml").read_text())
U = np.array([-42.0, -38.5, -36.0, -33.0, -31.0, -27.5, -25.0, -22.0, -18.5, -16.0, -13.0, -10.5, -7.0])
V = 201.0 + 2.75 * np.arange(13)
W = np.array([-30.0, -27.0, -24.5, -22.0, -18.0, -16.5, -13.0, -10.0, -7.5, -4.0])


def disc(z, radius=7.0, x=-25.1, y=216.3, n=60):
    angle = 2 * np.pi * np.arange(n) / n
    return Contour(np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(n, z)]))


def organ(step=1.1):
    contours = tuple(disc(z) for z in (-24.2, -21.2, -18.2, -15.2, -12.2))
    return organ_points("Organ", slabs_of(Structure("Organ", 1, contours), None, None, None), step)


ORGAN = organ()


def filled(function, u=U, v=V, w=W):
    zz, yy, xx = np.meshgrid(w, v, u, indexing="ij")
    return DoseGrid(Grid(np.eye(3), u.copy(), v.copy(), w.copy()), np.asarray(function(xx, yy, zz) + 0 * xx, np.float32))


def uniform(dose_gy):
    return filled(lambda x, y, z: dose_gy)


def phase(dose, fractions, concurrent=False, factor=1.0):
    return Phase("phase", (Component(dose, factor),), fractions, concurrent=concurrent)


def course(*phases):
    return Course("course", "prior", phases, "1.2.3")


def sums(*courses, transforms=None, order="cubic"):
    return accumulate(ORGAN, courses, transforms or (None,) * len(courses), order)


def by_sessions(phases, alpha_beta):
    """EQD2 of (dose, fractions, concurrent) phases: every session of every day for itself."""
    days = []
    for dose, n, concurrent in phases:
        if not concurrent or not days:
            days.append([])
        days[-1].append((dose, n))
    total = 0.0
    for together in days:
        for session in range(max(n for _, n in together)):
            d = sum(dose / n for dose, n in together if session < n)
            total += d * (d + alpha_beta) / (2 + alpha_beta)
    return total


# blocks of equal sessions


def test_sequential_phases_are_blocks_of_their_own():
    assert deliveries((Phase("a", (), 25), Phase("b", (), 8))) == [(25, {0: 1.0}), (8, {1: 1.0})]


@pytest.mark.hazard("H02")
def test_concurrent_phases_share_their_sessions():
    a, b, c = Phase("a", (), 25), Phase("b", (), 20, concurrent=True), Phase("c", (), 30, concurrent=True)
    blocks = deliveries((a, b, c))
    assert [n for n, _ in blocks] == [20, 5, 5]
    assert blocks[0][1] == {0: 0.8, 1: 1.0, 2: 20 / 30}
    assert blocks[1][1] == {0: 0.2, 2: 5 / 30}
    assert blocks[2][1] == {2: 5 / 30}
    assert deliveries((b, c))[0] == (20, {0: 1.0, 1: 20 / 30})


phase_lists = st.lists(st.tuples(st.floats(0, 60), st.integers(1, 35), st.booleans()), min_size=1, max_size=5)


@given(phase_lists)
def test_blocks_hold_every_session_and_all_dose_once(listed):
    phases = tuple(Phase("p", (), n, concurrent=c) for _, n, c in listed)
    blocks = deliveries(phases)
    for k, p in enumerate(phases):
        assert sum(parts.get(k, 0.0) for _, parts in blocks) == pytest.approx(1.0)
        assert sum(n for n, parts in blocks if k in parts) == p.fractions
    assert sum(n for n, _ in blocks) == Course("c", "prior", phases, "").fractions


@pytest.mark.hazard("H25")
@settings(max_examples=25, deadline=None)
@given(st.lists(phase_lists, min_size=1, max_size=3), st.floats(1, 12))
def test_any_courses_equal_the_sum_over_their_sessions(listed, alpha_beta):
    courses = [course(*(phase(uniform(dose), n, concurrent) for dose, n, concurrent in one)) for one in listed]
    dose = sums(*courses, order="linear")
    expected = [by_sessions(one, alpha_beta) for one in listed]
    for k, value in enumerate(expected):
        assert dose.eqd2(alpha_beta, k).mean_gy() == pytest.approx(value, rel=2e-6, abs=1e-6)
        assert dose.physical(k).mean_gy() == pytest.approx(sum(d for d, _, _ in listed[k]), rel=2e-6, abs=1e-6)
    assert dose.eqd2(alpha_beta).mean_gy() == pytest.approx(sum(expected), rel=2e-6, abs=1e-6)
    assert dose.bed(alpha_beta).mean_gy() == pytest.approx(sum(expected) * (1 + 2 / alpha_beta), rel=2e-6, abs=1e-6)
    turned = sums(*courses[::-1], order="linear")
    assert turned.eqd2(alpha_beta).mean_gy() == pytest.approx(sum(expected), rel=2e-6, abs=1e-6)


# golden numbers


@pytest.mark.hazard("H02", "H25")
@pytest.mark.parametrize("row", GOLDEN["course"], ids=lambda row: row["name"])
def test_phases_of_a_course(row):
    phases = [phase(uniform(p["dose_gy"]), p["fractions"], p.get("concurrent", False)) for p in row["phases"]]
    found = sums(course(*phases)).eqd2(row["alpha_beta_gy"])
    assert found.mean_gy() == pytest.approx(row["eqd2_gy"], abs=1e-4)
    assert found.max_gy() == pytest.approx(row["eqd2_gy"], abs=1e-4)
    assert abs(found.mean_gy() - row.get("not_gy", 0)) > 1


@pytest.mark.hazard("H02")
@pytest.mark.parametrize("row", GOLDEN["partial"])
def test_partial_delivery(row):
    part = row["delivered"] / row["planned"]
    found = sums(course(phase(uniform(row["dose_gy"]), row["delivered"], factor=part)))
    assert found.eqd2(row["alpha_beta_gy"]).mean_gy() == pytest.approx(row["eqd2_gy"], abs=1e-4)
    assert found.physical(0).mean_gy() == pytest.approx(row["dose_gy"] * part, abs=1e-4)


def test_two_courses_do_not_share_sessions():
    one, other = course(phase(uniform(25.0), 25)), course(phase(uniform(25.0), 25, concurrent=True))
    assert sums(one, other).eqd2(2.0).mean_gy() == pytest.approx(37.5, abs=1e-4)


@pytest.mark.hazard("H25")
def test_components_of_a_phase_are_added_before_they_are_converted():
    beams = Phase("beams", (Component(uniform(12.0)), Component(uniform(1.0), 18.0)), 5)
    assert sums(course(beams)).eqd2(3.0).mean_gy() == pytest.approx(30 * (6 + 3) / 5, abs=1e-4)


def test_the_stored_dose_is_not_changed_by_a_factor():
    stored = uniform(1.8)
    assert sums(course(phase(stored, 30, factor=30.0))).physical(0).mean_gy() == pytest.approx(54.0, abs=1e-4)
    assert float(stored.dose_gy.max()) == np.float32(1.8)


# a dose that varies


def hills(x, y, z):
    return 40 * np.exp(-((x + 29) ** 2 + (y - 213) ** 2) / 150) + 0.4 * (z + 30)


def valley(x, y, z):
    return 20 + 0.9 * (x + 42) + 0.05 * (y - 216) ** 2


@pytest.mark.hazard("H25")
def test_every_voxel_has_its_own_dose_per_fraction():
    one, other = filled(hills), filled(valley)
    dose = sums(course(phase(one, 25)), course(phase(other, 5)))
    at = ORGAN.points_mm
    d1, d2 = one.at_points(at).astype(float), other.at_points(at).astype(float)
    expected = d1 * (d1 / 25 + 3) / 5 + d2 * (d2 / 5 + 3) / 5
    np.testing.assert_allclose(dose.eqd2(3.0).dose_gy, expected, atol=2e-4)
    assert dose.eqd2(3.0).mean_gy() == pytest.approx(dose.eqd2(3.0, 0).mean_gy() + dose.eqd2(3.0, 1).mean_gy(), rel=1e-6)
    assert dose.volumes_cc.sum() == pytest.approx(30 * np.sin(2 * np.pi / 60) * 49 * 15 / 1000)
    assert dose.fractions.tolist() == [25, 5]
    assert dose.course.tolist() == [0, 1]


def slope(x, y, z, towards):
    return 20 + towards * (x + 25) + 0.02 * (y - 216) * (z + 18)


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("alpha_beta", [0.5, 2.0, 3.0, 6.0, 10.0, 50.0])
def test_the_maximum_on_the_surface_is_found_at_any_alpha_beta(alpha_beta):
    """Courses that fall in opposite directions: where the sum is largest depends on alpha/beta."""
    a, b, c = filled(hills), filled(lambda x, y, z: slope(x, y, z, 1.2)), filled(lambda x, y, z: slope(x, y, z, -1.5))
    dose = sums(course(phase(a, 30), phase(b, 3)), course(phase(c, 12)))
    edge = ORGAN.edge_points_mm
    every = [(one.at_points(edge).astype(float), n) for one, n in ((a, 30), (b, 3), (c, 12))]
    assert dose.edge_gy.shape[1] < len(edge)

    def effect(parts):
        return sum(d * (d / n + alpha_beta) for d, n in parts) / (2 + alpha_beta)

    for which, parts in ((None, every), (0, every[:2]), (1, every[2:])):
        found = dose.eqd2(alpha_beta, which)
        inner = found.dose_gy
        assert found.max_gy() == pytest.approx(max(effect(parts).max(), inner.max()), rel=1e-5)
        assert found.min_gy() == pytest.approx(min(effect(parts).min(), inner.min()), rel=1e-5)
    physical = dose.physical(0)
    both = every[0][0] + every[1][0]
    assert physical.max_gy() == pytest.approx(max(both.max(), physical.dose_gy.max()), rel=1e-5)


def test_a_surface_point_that_is_first_only_between_extreme_alpha_betas_is_kept():
    """Deliveries of 1 and 100 sessions; sums of D and of D2/n: (60, 36), (20, 400), (46, 265). The third is the largest at alpha/beta 10: 636, 600, 725."""
    one = np.repeat([0.0, 20.0, 16.0], 100).astype(np.float32)
    many = np.repeat([60.0, 0.0, 30.0], 100).astype(np.float32)
    kept = _extremes(np.array([one, many]), np.array([1, 100]), np.array([0, 0]))
    assert np.any(kept >= 200)
    assert kept.size < 300


# frames


@pytest.mark.hazard("H12")
def test_a_transform_takes_points_to_the_frame_of_the_dose():
    c, s = np.cos(np.radians(25)), np.sin(np.radians(25))
    matrix = np.array([[c, -s, 0, 104.0], [s, c, 0, -33.0], [0, 0, 1, 7.5], [0, 0, 0, 1]])
    move = Rigid(matrix)
    there = move(ORGAN.points_mm)
    lines = [np.arange(there[:, k].min() - 4, there[:, k].max() + 4, 2.3 + 0.2 * k) for k in range(3)]
    moved = filled(lambda x, y, z: 30 + 0.2 * (x - there[0, 0]) - 0.1 * (y - there[0, 1]) + 0.3 * (z - there[0, 2]), *lines)
    dose = sums(course(phase(moved, 10)), transforms=(move,))
    mean = np.average(30 + (there - there[0]) @ [0.2, -0.1, 0.3], weights=ORGAN.volumes_cc)
    assert dose.physical(0).mean_gy() == pytest.approx(mean, abs=0.05)
    edge = move(ORGAN.edge_points_mm)
    assert dose.physical(0).max_gy() == pytest.approx((30 + (edge - there[0]) @ [0.2, -0.1, 0.3]).max(), abs=1e-3)
    nothing = sums(course(phase(moved, 10)))
    assert nothing.physical(0).coverage == 0.0


def test_the_identity_changes_nothing():
    one = course(phase(filled(hills), 20))
    plain, through = sums(one), sums(one, transforms=(Rigid(np.eye(4)),))
    np.testing.assert_allclose(plain.dose_gy, through.dose_gy, atol=1e-4)
    np.testing.assert_allclose(plain.edge_gy, through.edge_gy, atol=1e-4)


# what is unknown


@pytest.mark.hazard("H04")
def test_dose_outside_one_grid_is_unknown_in_the_sum_and_known_in_the_other_course():
    whole, half = course(phase(uniform(50.0), 25)), course(phase(filled(lambda x, y, z: 20.0, U, V, W[:5]), 5))
    dose = sums(whole, half)
    above = ORGAN.points_mm[:, 2] > W[4] + 0.003
    np.testing.assert_array_equal(np.isnan(dose.eqd2(2.0).dose_gy), above)
    assert dose.eqd2(2.0).coverage == pytest.approx(1 - ORGAN.volumes_cc[above].sum() / ORGAN.volume_cc)
    assert dose.eqd2(2.0, 0).coverage == 1.0
    assert dose.eqd2(2.0, 0).max_gy() == pytest.approx(50.0, abs=1e-4)
    assert dose.eqd2(2.0).known().max_gy() == pytest.approx(50 + 20 * (4 + 2) / 4, abs=1e-4)


@pytest.mark.hazard("H04")
def test_a_course_that_does_not_reach_the_organ_is_unknown_not_zero():
    away = course(phase(filled(lambda x, y, z: 20.0, U + 500), 5))
    dose = sums(away, course(phase(uniform(50.0), 25)))
    assert dose.eqd2(2.0).coverage == 0.0
    assert dose.physical(0).coverage == 0.0
    assert dose.physical(1).max_gy() == pytest.approx(50.0, abs=1e-4)
    alone = sums(away)
    assert alone.edge_gy.shape == (1, 0)
    assert alone.eqd2(2.0).known().dose_gy.size == 0


@pytest.mark.hazard("H04")
def test_concurrent_plans_of_which_one_does_not_reach_are_unknown():
    beside = filled(lambda x, y, z: 20.0, U, V, W[:5])
    dose = sums(course(phase(uniform(50.0), 25), phase(beside, 20, concurrent=True)))
    assert 0 < dose.physical(0).coverage < 1
    np.testing.assert_array_equal(np.isnan(dose.dose_gy[0]), ORGAN.points_mm[:, 2] > W[4] + 0.003)


def test_an_organ_dose_is_arithmetic_on_what_it_holds():
    dose = OrganDose(
        np.array([1.0, 3.0]),
        np.array([[54.0, 10.0], [30.0, 5.0]], np.float32),
        np.array([[56.0], [31.0]], np.float32),
        np.array([30, 5]),
        np.array([0, 1]),
    )
    total = dose.eqd2(3.0)
    assert total.dose_gy.tolist() == pytest.approx([54 * 4.8 / 5 + 30 * 9 / 5, 10 * (1 / 3 + 3) / 5 + 5 * 4 / 5], rel=1e-6)
    assert total.max_gy() == pytest.approx(56 * (56 / 30 + 3) / 5 + 31 * (6.2 + 3) / 5, rel=1e-6)
    assert total.mean_gy() == pytest.approx((105.84 + 3 * (20 / 3 + 4)) / 4, rel=1e-6)
    assert dose.bed(3.0, 1).dose_gy.tolist() == pytest.approx([30 * 3.0, 5 * 4 / 3], rel=1e-6)
    assert dose.physical(1).near_max_gy(1.5) == pytest.approx(30 - 25 * (1.5 - 0.5) / 2)


# the hottest part of a large organ


def block(half_mm, n_planes=41, thickness_mm=3.0):
    """A square block around the origin, drawn on planes along z."""
    x, y = half_mm
    square = np.array([[-x, -y], [x, -y], [x, y], [-x, y]]) + np.array([0.37, -0.21])
    planes = (np.arange(n_planes) - n_planes // 2) * thickness_mm + 0.4
    contours = tuple(Contour(np.column_stack([square, np.full(4, z)])) for z in planes)
    return organ_points("Block", slabs_of(Structure("Block", 1, contours), None, None, None))


def spot(peak_gy, sigma_mm, centre):
    """A Gaussian spot on a 2 mm grid, fine enough for its width."""
    line = np.arange(-80.0, 80.5, 2.0)

    def dose(x, y, z):
        return 5 + peak_gy * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) / (2 * sigma_mm**2))

    return filled(dose, line, line.copy(), line.copy())


def hottest(volume_cc, peak_gy, sigma_mm):
    """Least dose of the hottest volume around a spot within the organ: that volume is a ball."""
    radius = (3 * volume_cc * 1000 / (4 * np.pi)) ** (1 / 3)
    return 5 + peak_gy * np.exp(-(radius**2) / (2 * sigma_mm**2))


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("centre", [(3.3, -8.1, 4.7), (-21.2, 11.9, -16.4)])
def test_a_small_hot_spot_in_a_large_organ_is_resolved(centre):
    """120 x 100 x 123 mm, 1476 cc, lattice step 3.3 mm; a spot of sigma 6 mm: 0.1 cc is a ball of 2.9 mm radius."""
    points = block((60.0, 50.0))
    assert points.step_mm > 3
    dose = accumulate(points, (course(phase(spot(50.0, 6.0, centre), 5)),), (None,), "cubic")
    found = dose.physical(0)
    assert found.volume_cc == pytest.approx(120 * 100 * 123 / 1000, rel=1e-9)
    assert dose.volumes_cc.size > 1.2 * points.volumes_cc.size
    for volume in (0.03, 0.1, 1.0, 2.0):
        assert found.near_max_gy(volume) == pytest.approx(hottest(volume, 50.0, 6.0), abs=0.15)


@pytest.mark.hazard("H21")
def test_a_hot_spot_of_a_second_course_is_resolved_where_the_first_is_flat():
    points = block((60.0, 50.0))
    flat = filled(lambda x, y, z: 20.0, *(np.arange(-80.0, 80.5, 4.0) for _ in range(3)))
    dose = accumulate(points, (course(phase(flat, 10)), course(phase(spot(40.0, 5.0, (10.0, 5.0, -7.0)), 5))), (None, None), "cubic")
    assert dose.physical(1).near_max_gy(0.1) == pytest.approx(hottest(0.1, 40.0, 5.0), abs=0.2)
    assert dose.eqd2(2.0).near_max_gy(0.1) == pytest.approx(20 + hottest(0.1, 40.0, 5.0) * (hottest(0.1, 40.0, 5.0) / 5 + 2) / 4, abs=0.6)
    assert dose.physical(0).near_max_gy(2) == pytest.approx(20.0, abs=1e-4)


def test_a_flat_dose_needs_no_finer_lattice():
    points = block((60.0, 50.0))
    dose = accumulate(points, (course(phase(filled(lambda x, y, z: 20.0, *(np.arange(-80.0, 80.5, 4.0) for _ in range(3))), 10)),), (None,), "cubic")
    assert dose.volumes_cc.size == points.volumes_cc.size


def test_an_organ_without_any_dose_stays_unknown():
    points = block((60.0, 50.0))
    away = filled(lambda x, y, z: 20.0, *(np.arange(400.0, 480.5, 4.0) for _ in range(3)))
    dose = accumulate(points, (course(phase(away, 10)),), (None,), "cubic")
    assert dose.physical(0).coverage == 0.0


def test_a_fine_lattice_is_kept_however_steep_the_dose():
    points = organ(step=0.35)
    dose = accumulate(points, (course(phase(filled(lambda x, y, z: np.where(x > -26, 60.0, 0.0)), 10)),), (None,), "cubic")
    np.testing.assert_array_equal(dose.volumes_cc, points.volumes_cc)
