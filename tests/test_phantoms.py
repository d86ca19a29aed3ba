import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import GeometryError
from reirrad.phantoms import (
    AxisDose,
    Box,
    Cone,
    Cylinder,
    Ellipsoid,
    RadialDose,
    Section,
    Sphere,
    Truth,
    Tube,
    contours,
    cumulative_eqd2,
    slab_edges_mm,
    slabs,
)

SPHERE = Sphere((3.0, -7.0, 11.0), 20.0)
CYLINDER = Cylinder(Section((4.0, -2.0), 12.0, 12.0), -10.0, 25.0)
BOX = Box((-5.0, 2.0, 1.0), (15.0, 12.0, 51.0))
CONE = Cone((1.0, 2.0, 3.0), 15.0, 40.0)
EGG = Ellipsoid((1.0, 2.0, 3.0), (8.0, 12.0, 20.0))
SQUIRCLE = Cylinder(Section((0.5, 1.5), 10.0, 6.0, 4.0), -3.0, 9.0)
TUBE = Tube(((0.0, 0.0, 0.0), (10.0, 5.0, 30.0), (-5.0, 5.0, 50.0)), 4.0)
PLANES = np.arange(-40.0, 80.0, 3.0) + 0.4
SLABS = slabs(SPHERE, PLANES)
ALL = [SPHERE, CYLINDER, BOX, CONE, EGG, SQUIRCLE, TUBE, SLABS]


def lattice(solid, n=90):
    """Points of a fine lattice inside a solid, and the volume each stands for in cc."""
    low, high = np.array(solid.extent_mm)
    step = (high - low) / n
    lines = [low[k] + step[k] * (np.arange(n) + 0.5) for k in range(3)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    return points[solid.contains(points)], step.prod() / 1000


SAMPLES = {id(solid): lattice(solid) for solid in ALL}


@pytest.mark.parametrize(
    ("solid", "volume_cc"),
    [
        (SPHERE, 4 / 3 * np.pi * 8),
        (CYLINDER, np.pi * 1.44 * 3.5),
        (BOX, 10.0),
        (CONE, np.pi * 2.25 * 4 / 3),
        (EGG, 4 / 3 * np.pi * 1.92),
        (TUBE, np.pi * 0.16 * 5),
    ],
)
def test_volume_is_the_textbook_formula(solid, volume_cc):
    assert solid.volume_cc == pytest.approx(volume_cc, rel=1e-12)


def test_area_of_a_superellipse_lies_between_ellipse_and_rectangle():
    areas = [Section((0.0, 0.0), 3.0, 2.0, p).area_mm2 for p in (1.0, 2.0, 4.0, np.inf)]
    # p = 1 is the rhombus 2ab, p = 2 the ellipse, p = 4 Gamma(1/4)^2 ab / (2 sqrt(pi)) * 1, infinity 4ab
    assert areas == pytest.approx([12.0, 6 * np.pi, 6 * 3.7081493546, 24.0], rel=1e-9)


@pytest.mark.parametrize("solid", ALL)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_distribution_functions_agree_with_a_fine_lattice(solid, axis):
    if solid is TUBE and axis != 2:
        pytest.skip("no formula")
    points, cc = SAMPLES[id(solid)]
    low, high = (corner[axis] for corner in solid.extent_mm)
    for part in (0.1, 0.4, 0.75, 0.99):
        at = low + part * (high - low)
        assert solid.volume_below_mm3(axis, at) / 1000 == pytest.approx((points[:, axis] < at).sum() * cc, abs=0.02 * solid.volume_cc)
    assert solid.volume_below_mm3(axis, low - 1) == pytest.approx(0, abs=1e-9)
    assert solid.volume_below_mm3(axis, high + 1) / 1000 == pytest.approx(solid.volume_cc, rel=1e-12)
    mean, square = solid.moments_mm(axis)
    assert mean == pytest.approx(points[:, axis].mean(), abs=0.02)
    assert square == pytest.approx(points[:, axis].var(), rel=0.01)


def test_a_cone_is_halved_by_a_plane_through_its_axis():
    assert CONE.volume_below_mm3(0, 1.0) == pytest.approx(CONE.volume_cc * 500, rel=1e-12)
    assert CONE.volume_below_mm3(0, 16.0) == pytest.approx(CONE.volume_cc * 1000, rel=1e-12)


def test_a_bent_tube_has_no_formula_across():
    with pytest.raises(NotImplementedError, match="along z only"):
        TUBE.volume_below_mm3(0, 1.0)


@pytest.mark.parametrize("solid", ALL)
@pytest.mark.parametrize(
    "dose",
    [
        AxisDose(2, 4.0, 40.0, 0.31),
        AxisDose(2, 5.0, 40.0, -0.2, 0.01),
        AxisDose(2, 7.5, 50.0, 0.1, -0.012),
        AxisDose(0, 1.0, 30.0, -0.5),
        AxisDose(1, 2.0, 20.0, 0.0, 0.02),
    ],
)
def test_axis_doses_agree_with_a_fine_lattice(solid, dose):
    if solid is TUBE and dose.axis != 2:
        pytest.skip("no formula")
    points, _ = SAMPLES[id(solid)]
    sampled = np.sort(dose.at(points))[::-1]
    truth = Truth(solid, dose)
    assert truth.mean_gy == pytest.approx(sampled.mean(), abs=0.03)
    assert dose.range_gy(solid)[1] == pytest.approx(sampled[0], abs=0.6)
    for percent in (2.0, 30.0, 80.0):
        assert truth.dose_at_percent(percent) == pytest.approx(sampled[int(len(sampled) * percent / 100)], abs=0.25)
    at = truth.dose_at_cc(0.4 * solid.volume_cc)
    assert truth.volume_above_cc(at) == pytest.approx(0.4 * solid.volume_cc, rel=1e-6)


def test_a_linear_dose_in_a_sphere_by_hand():
    # D = 50 + 0.5 z': half of the sphere is above its middle; the cap of height 5 mm is pi 25 (3*20-5)/3 mm3
    truth = Truth(SPHERE, AxisDose(2, 11.0, 50.0, 0.5))
    assert truth.mean_gy == 50
    assert truth.dose_at_percent(50) == pytest.approx(50, abs=1e-9)
    assert truth.dose_at_cc(np.pi * 25 * 55 / 3 / 1000) == pytest.approx(50 + 0.5 * 15, abs=1e-9)


def test_a_constant_dose_is_that_dose_everywhere():
    truth = Truth(BOX, AxisDose(0, 0.0, 12.5))
    assert [truth.mean_gy, truth.dose_at_cc(0.03), truth.dose_at_percent(100)] == [12.5, 12.5, 12.5]
    assert [truth.volume_above_cc(12.5), truth.volume_above_cc(12.6)] == [pytest.approx(10.0), 0.0]


@pytest.mark.parametrize(
    ("solid", "dose"),
    [
        (SPHERE, RadialDose((3.0, -7.0, 11.0), 60.0, 0.05)),
        (SPHERE, RadialDose((3.0, -7.0, 0.0), 60.0, 0.05, spherical=False)),
        (CYLINDER, RadialDose((4.0, -2.0, 3.0), 60.0, 0.05)),
        (CYLINDER, RadialDose((4.0, -2.0, 0.0), 60.0, 0.05, spherical=False)),
        (CONE, RadialDose((1.0, 2.0, 0.0), 60.0, 0.05, spherical=False)),
        (SLABS, RadialDose((3.0, -7.0, 11.0), 60.0, 0.05)),
    ],
)
def test_radial_doses_agree_with_a_fine_lattice(solid, dose):
    points, _ = SAMPLES[id(solid)]
    sampled = np.sort(dose.at(points))[::-1]
    truth = Truth(solid, dose)
    assert truth.mean_gy == pytest.approx(sampled.mean(), abs=0.05)
    for percent in (3.0, 40.0, 90.0):
        assert truth.dose_at_percent(percent) == pytest.approx(sampled[int(len(sampled) * percent / 100)], abs=0.25)
    assert truth.volume_above_cc(61.0) == 0


def test_a_radial_dose_in_a_sphere_by_hand():
    # D = 60 - 0.05 r2: 1 cc is the ball of radius (3000 / 4 pi)^(1/3) = 6.2035 mm; the mean of r2 is 3/5 R2 = 240
    truth = Truth(SPHERE, RadialDose((3.0, -7.0, 11.0), 60.0, 0.05))
    assert truth.dose_at_cc(1.0) == pytest.approx(60 - 0.05 * (3000 / (4 * np.pi)) ** (2 / 3), abs=1e-9)
    assert truth.mean_gy == pytest.approx(60 - 0.05 * 240)


@pytest.mark.parametrize(
    ("solid", "centre"), [(BOX, (5.0, 7.0, 26.0)), (SPHERE, (3.0, -7.0, 12.0)), (EGG, (1.0, 2.0, 3.0)), (CYLINDER, (0.0, -2.0, 0.0)), (CONE, (1.0, 2.0, 3.0))]
)
def test_a_radial_dose_without_a_formula_is_refused(solid, centre):
    with pytest.raises(GeometryError, match="round about"):
        Truth(solid, RadialDose(centre, 60.0, 0.05)).volume_above_cc(50.0)


@pytest.mark.parametrize("volume_cc", [0.0, -1.0, 10.1])
def test_a_volume_the_solid_does_not_have_is_refused(volume_cc):
    with pytest.raises(GeometryError, match="no dose to its hottest"):
        Truth(BOX, AxisDose(2, 0.0, 1.0, 1.0)).dose_at_cc(volume_cc)


def test_cumulative_eqd2_is_the_sum_of_each_course_at_its_own_fraction_dose():
    courses = [(AxisDose(2, 4.0, 40.0, 0.3), 30), (AxisDose(2, 4.0, 20.0, -0.2), 5)]
    points = np.array([[0.0, 0.0, -9.0], [1.0, 2.0, 17.0]])
    by_hand = sum(d.at(points) * (d.at(points) / n + 2.5) / 4.5 for d, n in courses)
    assert cumulative_eqd2(courses, 2.5).at(points) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("other", [AxisDose(1, 0.0, 1.0), AxisDose(2, 1.0, 1.0), AxisDose(2, 0.0, 1.0, 0.0, 1.0)])
def test_cumulative_eqd2_needs_linear_doses_along_one_axis(other):
    with pytest.raises(GeometryError, match="linear along one axis"):
        cumulative_eqd2([(AxisDose(2, 0.0, 1.0), 1), (other, 1)], 3.0)


def test_slabs_reach_half_a_spacing_to_each_side():
    stack = slabs(BOX, [0.0, 2.0, 5.0, 9.0, 60.0])
    assert [(part.bottom_mm, part.top_mm) for part in stack.parts] == [(0.5, 3.5), (3.5, 7.0), (7.0, 11.0)]
    assert stack.volume_cc == pytest.approx(0.2 * 10.5)
    assert stack.section(0.0) is None
    assert slab_edges_mm([1.0, 4.0]).tolist() == [[-0.5, 2.5], [2.5, 5.5]]


def test_one_plane_has_no_thickness():
    with pytest.raises(GeometryError, match="1 contour planes have no spacing"):
        slabs(BOX, [5.0])


@given(radius=st.floats(3.0, 40.0), spacing=st.floats(0.5, 2.5), offset=st.floats(0.0, 1.0))
def test_slabs_of_a_sphere_close_in_on_it(radius, spacing, offset):
    planes = spacing * (np.arange(-90, 91) + offset)
    volume = slabs(Sphere((0.0, 0.0, 0.0), radius), planes).volume_cc
    # midpoint rule on the parabola pi (R2 - z2): off by at most pi R h2 / 4 at the two ends together
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.75 * (spacing / radius) ** 2)


def test_points_above_a_solid_are_outside():
    assert BOX.contains(np.array([[0.0, 5.0, 20.0], [0.0, 5.0, 52.0], [16.0, 5.0, 20.0]])).tolist() == [True, False, False]


def shoelace(points):
    x, y = points[:, :2].T
    return abs(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


@pytest.mark.parametrize("solid", ALL)
@pytest.mark.parametrize("n_points", [8, 37])
def test_drawn_polygons_have_the_area_of_the_section(solid, n_points):
    drawn = contours(solid, PLANES, n_points, name="Part", number=7)
    assert (drawn.name, drawn.number, drawn.kind) == ("Part", 7, "other")
    inside = [z for z in PLANES if solid.section(float(z)) is not None]
    assert [c.points_mm[0, 2] for c in drawn.contours] == pytest.approx(inside)
    for contour in drawn.contours:
        assert shoelace(contour.points_mm) == pytest.approx(solid.section(float(contour.points_mm[0, 2])).area_mm2, rel=1e-12)
