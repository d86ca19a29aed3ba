"""What is shown of a case: the lattice, the doses on it, and how slices lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_factory import box_structure, case, course, even_dose, grid, two_courses

from reirrad.ctvolume import CtVolume
from reirrad.errors import GeometryError
from reirrad.grid import Grid
from reirrad.papercourse import Paper
from reirrad.ui import volumes
from reirrad.ui.outlines import containing, drawn_structures, is_parallel, outlines
from reirrad.ui.panes import LINE_STYLES, Look, Other, colour_bar, pane_of, style_of
from reirrad.ui.quantities import CT_ALONE, quantities, remaining_on, why_absent
from reirrad.ui.slicepicture import Wash, Window
from reirrad.ui.volumes import ShownCt, cut, frame_of, letters, nearest, view_grid, volumes_of

HU = {"air": -1000.0, "body": 20.0}


def ct(shape: tuple[int, int, int] = (8, 40, 50), step: tuple[float, float, float] = (3.0, 1.3, 1.1)) -> CtVolume:
    """A block of 20 HU at x -9.2 .. 30.4, y 12.6 .. 38.6 in air; planes from z -22."""
    g = Grid(np.eye(3), -14.7 + step[2] * np.arange(shape[2]), 6.1 + step[1] * np.arange(shape[1]), -22.0 + step[0] * np.arange(shape[0]))
    hu = np.full(shape, HU["air"], np.float32)
    hu[:, 5:26, 5:42] = HU["body"]
    return CtVolume(g, hu, "1.2.3.100")


def test_doses_of_all_courses_lie_on_the_grid_of_the_dose_where_there_is_no_ct() -> None:
    found = volumes_of(two_courses(), None)
    assert found.ct is None
    assert found.grid.shape == grid().shape
    assert set(found.physical_gy) == {0, 1}
    assert found.physical_gy[0] == pytest.approx(30, abs=1e-4)
    assert found.eqd2_gy == pytest.approx(36 + 28, abs=1e-3)  # at 3 Gy
    assert found.physical_cut("coronal", 4) == pytest.approx(50, abs=1e-4)
    assert found.recovered_gy is None
    assert {key: round(v, 2) for key, v in found.tops_gy.items()} == {0: 30, 1: 20, "eqd2": 64, "physical": 50}


def test_a_course_that_ends_earlier_leaves_the_sums_unknown_beyond_not_smaller() -> None:
    short = (4, 9, 10)  # planes z -20 .. -5 of -20 .. 5
    both = case(course("first", "prior", even_dose(30, short), 10), course("second", "proposed", 20, 5))
    found = volumes_of(both, None)
    assert np.isnan(found.physical_gy[0][4:]).all()
    assert np.isnan(found.eqd2_gy[4:]).all()
    assert np.isfinite(found.eqd2_gy[:4]).all()
    assert np.isnan(found.physical_cut("axial", 5)).all()
    assert np.isfinite(found.physical_gy[1]).all()
    assert found.tops_gy["eqd2"] == pytest.approx(64, abs=1e-3)


def test_with_a_ct_the_lattice_has_its_planes_and_holds_the_body() -> None:
    volume = ct()
    shown = ShownCt.of(volume)
    assert shown.hu.dtype == np.int16
    lattice = view_grid(shown)
    assert lattice.w_mm.tolist() == volume.grid.w_mm.tolist()
    assert np.diff(lattice.u_mm) == pytest.approx(2.5)
    assert lattice.u_mm[0] <= -9.2
    assert lattice.u_mm[-1] >= 30.4
    assert lattice.u_mm[-1] <= 30.4 + 8 + 2.2  # not all of the air
    assert lattice.v_mm[0] == pytest.approx(6.1)  # the margin ends where the CT does
    found = volumes_of(two_courses(), volume)
    inside = (found.grid.w_mm >= -20) & (found.grid.w_mm <= 5)
    assert np.isnan(found.physical_gy[0][~inside]).all()  # the doses end before the CT does
    k, j, i = nearest(found.grid, np.array([10.0, 25.0, -10.0]))
    assert found.eqd2_gy[k, j, i] == pytest.approx(64, abs=1e-3)


def test_thin_planes_are_not_all_used_and_air_alone_is_shown_whole() -> None:
    thin = ct((9, 40, 50), (0.7, 1.3, 1.1))
    assert view_grid(ShownCt.of(thin)).w_mm == pytest.approx(thin.grid.w_mm[::3])  # 2.1 mm
    air = CtVolume(thin.grid, np.full(thin.hu.shape, -1000, np.float32))
    lattice = view_grid(ShownCt.of(air))
    assert lattice.u_mm[0] == pytest.approx(-14.7)
    assert lattice.v_mm[-1] > thin.grid.v_mm[-1] - 5


def test_a_lattice_of_too_many_voxels_loses_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "MOST_VOXELS", 2000)
    shown = ShownCt.of(ct())
    lattice = view_grid(shown)
    assert int(np.prod(lattice.shape)) <= 2000
    assert lattice.w_mm.tolist() == shown.grid.w_mm[:: 8 // lattice.w_mm.size].tolist()


def test_hounsfield_units_are_rounded_and_padding_is_air() -> None:
    volume = ct()
    volume.hu[0, 0, :4] = [np.nan, 40000, 12.6, -0.4]
    assert ShownCt.of(volume).hu[0, 0, :4].tolist() == [-1024, 32767, 13, 0]


def test_slices_have_the_head_at_the_top_and_the_right_of_the_patient_at_the_left() -> None:
    g = grid((3, 4, 5))
    numbers = np.arange(60).reshape(3, 4, 5)  # [z, y, x]
    assert cut(numbers, "axial", 1).tolist() == numbers[1].tolist()
    assert cut(numbers, "coronal", 2)[0].tolist() == numbers[2, 2].tolist()  # highest z first
    assert cut(numbers, "sagittal", 3)[-1].tolist() == numbers[0, :, 3].tolist()
    for view, expected in (("axial", "RLAP"), ("coronal", "RLHF"), ("sagittal", "APHF")):
        frame = frame_of(g, view)  # type: ignore[arg-type]
        assert frame.left + frame.right + frame.top + frame.bottom == expected
        assert np.all(np.diff(frame.down_mm) > 0)
    assert frame_of(g, "coronal").down_mm.tolist() == [10, 15, 20]  # z -10, -15, -20


def test_letters_of_a_turned_lattice() -> None:
    turn = np.radians(30)
    rotation = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    frame = frame_of(Grid(rotation, np.arange(4.0), np.arange(5.0), np.arange(3.0)), "axial")
    assert (frame.left, frame.right, frame.top, frame.bottom) == ("RA", "LP", "AL", "PR")
    assert letters(np.array([0.05, 0.0, -0.999])) == "F"


def test_a_dose_of_one_plane_without_ct_is_refused() -> None:
    flat = (1, 9, 10)
    both = case(course("first", "prior", even_dose(30, flat), 10), course("second", "proposed", even_dose(20, flat), 5))
    with pytest.raises(GeometryError, match="no volume"):
        volumes_of(both, None)


def test_recovery_is_a_volume_of_its_own() -> None:
    found = volumes_of(two_courses(), None, {"rectum": {0: 0.5}})
    k, j, i = nearest(found.grid, np.array([8.0, 26.0, -10.0]))
    assert found.recovered_gy is not None
    assert found.recovered_gy[k, j, i] == pytest.approx(18 + 28, abs=1e-3)
    assert found.recovered_gy[0, 0, 0] == pytest.approx(64, abs=1e-3)  # outside the rectum nothing is forgotten
    assert found.organ_at(np.array([8.0, 26.0, -10.0])) == "rectum"
    assert found.organ_at(np.array([-8.0, 10.0, -20.0])) is None
    assert found.alpha_beta_at(np.array([-8.0, 10.0, -20.0])) == 3.0
    titles = [q.title for q in quantities(two_courses(), found)]
    assert "Sum: EQD2 with recovery" in titles


# ------------------------------------------------------------------------------------------------------------- words


def test_the_physical_sum_is_marked_and_a_missing_course_is_named() -> None:
    whole = two_courses()
    by_key = {q.key: q for q in quantities(whole, volumes_of(whole, None))}
    assert list(by_key) == ["remaining", "eqd2", "physical", 1, 0, CT_ALONE]
    assert "for orientation only" in by_key["physical"].words[0]
    assert by_key["physical"].warns
    assert not by_key["eqd2"].warns
    paper = Paper(prescription_gy=12.0, fractions=1, prescribed_fractions=1)
    part = case(
        course("first", "prior", 30, 10),
        course("letter", "prior", 0, 1, phases=(), paper=paper),
        course("lost", "prior", 0, 1, phases=(), is_unknown=True),
        course("apart", "prior", 10, 5),
        course("second", "proposed", 20, 5),
        registration=("same_frame", "same_frame", "same_frame", "none", "same_frame"),
    )
    shown = {q.key: q for q in quantities(part, volumes_of(part, None))}
    assert set(shown) == {"remaining", "eqd2", "physical", 0, 4, CT_ALONE}
    assert shown["eqd2"].title == "Sum of the courses shown: EQD2"
    assert shown["eqd2"].words[:3] == (
        "without letter: known from paper only, not at points",
        "without lost: nothing is known of its dose",
        "without apart: not registered",
    )
    assert shown["eqd2"].warns
    assert why_absent(part, 0) == ""


def test_protons_are_called_what_they_are_and_a_case_without_a_past_has_no_budget() -> None:
    one = case(course("second", "proposed", 20, 5, radiation="proton", rbe=1.1))
    options = quantities(one, volumes_of(one, None))
    assert [q.title for q in options] == ["Sum: EQD2", "1 second: dose × RBE", "CT alone"]
    mixed = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5, radiation="proton", rbe=1.1))
    physical = next(q for q in quantities(mixed, volumes_of(mixed, None)) if q.key == "physical")
    assert physical.words[-1] == "second as dose × RBE"


# ------------------------------------------------------------------------------------------------------------- outlines


def test_outlines_and_structures_at_a_point_are_those_of_the_slabs() -> None:
    both = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5), organs=[(box_structure(), "rectum")])
    slabs = drawn_structures(both)
    g = volumes_of(both, None).grid
    assert is_parallel(slabs["Rectum"], g)
    axial = np.concatenate(outlines(slabs["Rectum"], frame_of(g, "axial"), -10.0))
    assert (axial.min(axis=0).tolist(), axial.max(axis=0).tolist()) == ([-5, 15], [20, 35])
    assert outlines(slabs["Rectum"], frame_of(g, "axial"), 5.0) == ()
    coronal = np.concatenate(outlines(slabs["Rectum"], frame_of(g, "coronal"), 20.0))
    assert coronal.min(axis=0) == pytest.approx([-5, 2.5], abs=0.3)  # z -17.5 .. -2.5, downwards
    assert coronal.max(axis=0) == pytest.approx([20, 17.5], abs=0.3)
    sagittal = np.concatenate(outlines(slabs["Rectum"], frame_of(g, "sagittal"), 0.0))
    assert sagittal.max(axis=0) == pytest.approx([35, 17.5], abs=0.3)
    assert outlines(slabs["Rectum"], frame_of(g, "sagittal"), 20.5) == ()
    assert containing(slabs, np.array([19.9, 34.9, -3.0])) == ("Rectum",)
    assert containing(slabs, np.array([20.1, 30.0, -3.0])) == ()
    assert containing(slabs, np.array([10.0, 30.0, -2.0])) == ()


def test_two_parts_and_a_gap_stay_apart_in_a_coronal_slice() -> None:
    apart = box_structure(planes=(-15.0, -10.0, 15.0, 20.0))
    both = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5), organs=[(apart, "rectum")])
    slabs, g = drawn_structures(both)["Rectum"], volumes_of(both, None).grid
    lines = outlines(slabs, frame_of(g, "coronal"), 20.0)
    assert sorted(round(float(line[:, 1].mean())) for line in lines) == [-18, 12]  # two closed parts, their middles downwards


# ------------------------------------------------------------------------------------------------------------- panes


def look(**more: object) -> Look:
    values: dict[str, object] = {"key": "eqd2", "window": Window(40, 400), "wash": Wash(5, 70), "levels_gy": (50.0,), "structures": (("Rectum", 0),)}
    return Look(**{**values, **more})  # type: ignore[arg-type]


def test_a_pane_tells_the_viewer_where_everything_lies() -> None:
    both = two_courses()
    found = volumes_of(both, ct())
    header, picture = pane_of(found, found.eqd2_gy, drawn_structures(both), look(words=("α/β 3 Gy",)), "coronal", np.array([0.0, 24.0, -10.0]))
    assert picture[:4] == b"\x89PNG"
    assert (header["across"], header["down"], header["sign"], header["through"]) == (0, 2, -1, 1)
    assert header["places"][int(np.abs(np.array(header["places"]) - 24.0).argmin())] == pytest.approx(23.6)
    assert header["axis"] == "y"
    assert header["marks"] == ["α/β 3 Gy"]
    assert header["outlines"][0]["colour"] == LINE_STYLES[0][0]
    assert "Coronal slice at y 23.6 mm" in header["words"]
    assert header["box"][1] == pytest.approx(-(-22.0 + 7 * 3) - 0.5)  # the highest plane at the top, and half a pixel


def test_a_registration_that_shifts_is_seen_in_the_picture_of_the_other_ct() -> None:
    both = two_courses()
    volume = ct()
    found = volumes_of(both, volume)
    shown = ShownCt.of(volume)
    cursor = np.array([0.0, 24.0, -10.0])
    views = {}
    for way in ("Checkerboard", "Overlay", "Reference CT alone", "Other CT alone"):
        views[way] = pane_of(found, None, {}, look(key=CT_ALONE, wash=None, compared=(0, way, 10.0)), "axial", cursor, Other(shown, None))[1]
    assert views["Overlay"] == views["Reference CT alone"]  # the same CT at the same place agrees with itself
    assert views["Checkerboard"] == views["Reference CT alone"]
    assert views["Other CT alone"] == views["Reference CT alone"]

    class Moved:
        description = "moved"

        def __call__(self, points_mm: np.ndarray) -> np.ndarray:
            return points_mm + np.array([6.0, 0.0, 0.0])

        def inverse(self) -> object:
            return self

    moved = pane_of(found, None, {}, look(key=CT_ALONE, wash=None, compared=(0, "Overlay", 10.0)), "axial", cursor, Other(shown, Moved()))[1]  # type: ignore[arg-type]
    assert moved != views["Overlay"]


def test_the_colour_bar_ends_where_the_colours_do() -> None:
    bar = colour_bar("Sum: EQD2", Wash(5.0, 62.5))
    assert bar["ticks"][0] == {"at": 0.0, "text": "5"}
    assert bar["ticks"][-1] == {"at": 1.0, "text": "62.5 Gy"}
    assert [t["text"] for t in bar["ticks"][1:-1]] == ["20", "30", "40", "50"]
    assert bar["colours"][-1] == "#fde725"
    assert style_of(["a\u202eb"])[0]["name"] == "a b"
    assert len({(s["colour"], s["dash"]) for s in style_of([str(n) for n in range(18)])}) == 18


def test_what_remains_is_unknown_where_an_earlier_course_is() -> None:
    from case_factory import limit

    from reirrad.judgement import LimitChoice

    short = even_dose(30, (4, 9, 10))
    both = case(course("first", "prior", short, 10), course("second", "proposed", 20, 5))
    found = volumes_of(both, None)
    choice = LimitChoice((limit("Dmax", 50.0), limit("Dmean", 40.0, id="mean")), frozenset(), ())
    left = remaining_on(both, choice, found.grid, list(found.physical_gy.items()), 7)
    assert np.isnan(left.gy[4:]).all()
    k, j, i = nearest(found.grid, np.array([8.0, 26.0, -10.0]))
    # 50 - 36 = 14 Gy EQD2 in 7 fractions at 3 Gy: 2 Gy each
    assert left.gy[k, j, i] == pytest.approx(14.0, abs=1e-3)
    assert left.top_gy == pytest.approx(14.0, abs=1e-3)
    assert left.gy[0, 0, 0] == 100  # no limit of a voxel there
    assert any(text.startswith("mean (Rectum)") for text in left.left_out)


def test_a_hole_is_outside_in_every_direction() -> None:
    outer, inner = box_structure(), box_structure(box=(0.0, 10.0, 20.0, 30.0))
    ring = replace(outer, contours=outer.contours + inner.contours)
    both = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5), organs=[(ring, "rectum")])
    drawn, g = drawn_structures(both), volumes_of(both, None).grid
    assert containing(drawn, np.array([5.0, 25.0, -10.0])) == ()
    assert containing(drawn, np.array([-2.0, 25.0, -10.0])) == ("Rectum",)
    coronal = outlines(drawn["Rectum"], frame_of(g, "coronal"), 25.0)
    spans = sorted((round(float(line[:, 0].min()), 1), round(float(line[:, 0].max()), 1)) for line in coronal)
    assert spans == [(-5, 0), (10, 20)]  # two bars beside the hole
