from __future__ import annotations

import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from reirrad import commission as module
from reirrad import commissioncase, commissionvalue
from reirrad.cli import app
from reirrad.commission import Commissioning, as_json, commission, exit_status
from reirrad.commissioncase import assess_files
from reirrad.commissionphantom import DOSES, FAMILIES, GRIDS, SIZES_CC, analytic_dose, dose_grid, phantoms, sampled
from reirrad.commissiontable import render
from reirrad.commissionvalue import Row, compare, power_mean_gy, tolerance
from reirrad.dvh import Dvh
from reirrad.errors import GeometryError
from reirrad.phantoms import AxisDose, Box, Cone, Cylinder, Section, Sphere, Stack
from reirrad.phantoms.oblique import ObliqueDose

EVERY = list(phantoms())
TINY_BOX = next(p for p in EVERY if p.family == "box")
ROW = Row("box", "1 cc", "Dmean", "Gy", 10.0, 10.02, None, True, 1.0)


def shown(result: Commissioning, *, full: bool = False) -> str:
    stream = io.StringIO()
    render(result, Console(file=stream, width=200), full=full)
    return stream.getvalue()


def result(*rows: Row) -> Commissioning:
    return Commissioning({"reirrad": "0"}, rows, 1, 2.0)


# ------------------------------------------------------------------------------------------------------- oblique dose


def test_half_of_a_centred_solid_lies_above_the_dose_of_its_middle() -> None:
    dose = ObliqueDose((1.0, 2.0, 3.0), 20.0, (0.7, -0.4, 0.5))
    for solid in (Sphere((1.0, 2.0, 3.0), 9.0), Box((-1.0, -3.0, 1.0), (3.0, 7.0, 5.0)), Cylinder(Section((1.0, 2.0), 6.0, 6.0), -3.0, 9.0)):
        assert dose.mean_gy(solid) == pytest.approx(20)
        assert dose.volume_above_cc(solid, 20.0) == pytest.approx(solid.volume_cc / 2)
        low, high = dose.range_gy(solid)
        assert (dose.volume_above_cc(solid, low - 1), dose.volume_above_cc(solid, high + 1)) == pytest.approx((solid.volume_cc, 0), abs=1e-9)


def test_oblique_range_is_that_of_the_farthest_points() -> None:
    dose = ObliqueDose((0.0, 0.0, 0.0), 100.0, (3.0, -4.0, 12.0))
    assert dose.range_gy(Sphere((0.0, 0.0, 0.0), 2.0)) == pytest.approx((100 - 26, 100 + 26))
    assert dose.range_gy(Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))) == pytest.approx((96, 115))
    cylinder = Cylinder(Section((0.0, 0.0), 2.0, 2.0), 0.0, 1.0)
    assert dose.range_gy(cylinder) == pytest.approx((90, 122))
    assert dose.range_gy(Stack((cylinder, Cylinder(Section((0.0, 0.0), 1.0, 1.0), 1.0, 2.0)))) == pytest.approx((90, 129))


def test_oblique_cap_of_a_sphere_is_that_of_the_textbook() -> None:
    # a cap of height h = 4 in a sphere of radius 10: pi h^2 (3 R - h) / 3
    dose = ObliqueDose((0.0, 0.0, 0.0), 0.0, (0.6, 0.64, 0.48))
    assert dose.volume_above_cc(Sphere((0.0, 0.0, 0.0), 10.0), 6.0) == pytest.approx(np.pi * 16 * 26 / 3000)


def test_oblique_part_of_a_cylinder_agrees_with_a_sum_over_thin_discs() -> None:
    dose, solid = ObliqueDose((0.0, 1.0, 0.0), 30.0, (1.0, 2.0, -1.5)), Cylinder(Section((0.5, 1.0), 4.0, 4.0), -2.0, 5.0)
    z = np.linspace(-2, 5, 7001)[:-1] + 0.0005
    y = (33.0 - 30.0 - 0.5 + 1.5 * z) / np.hypot(1, 2)
    assert dose.volume_above_cc(solid, 33.0) == pytest.approx(sum(16 * np.pi - solid.base.area_below_mm2(0, v + 0.5) for v in y) * 0.001 / 1000, rel=1e-6)


def test_oblique_dose_has_no_formula_for_a_cone_or_an_ellipse() -> None:
    for solid in (Cone((0.0, 0.0, 0.0), 3.0, 4.0), Cylinder(Section((0.0, 0.0), 2.0, 3.0), 0.0, 1.0)):
        with pytest.raises(GeometryError, match="only for ellipsoids"):
            ObliqueDose((0.0, 0.0, 0.0), 30.0, (1.0, 2.0, -1.5)).volume_above_cc(solid, 30.0)


# ----------------------------------------------------------------------------------------------------------- phantoms


def test_every_family_comes_in_every_size_and_lies_on_no_lattice() -> None:
    assert [(p.family, round(p.solid.volume_cc, 6)) for p in EVERY] == [(f, cc) for f in FAMILIES for cc, _ in SIZES_CC]
    assert EVERY[0].slabs.volume_cc < 0.05
    assert max(p.slabs.volume_cc for p in EVERY) > 1000
    for p in EVERY:
        assert np.abs(p.middle_mm).min() > 0.01
        assert p.slabs.volume_cc == pytest.approx(p.solid.volume_cc, rel=0.35)  # the slabs of few planes are not the solid


def test_grid_covers_the_slabs_with_two_voxels_to_spare_and_can_be_uneven() -> None:
    for uneven in (False, True):
        grid = dose_grid(TINY_BOX, (1.0, 2.0, 2.5), uneven)
        for line, step, low, high in zip((grid.u_mm, grid.v_mm, grid.w_mm), (1.0, 2.0, 2.5), *TINY_BOX.slabs.extent_mm, strict=True):
            assert low - line[0] >= 1.6 * step
            assert line[-1] - high >= 1.6 * step
        assert bool(np.ptp(np.diff(grid.w_mm)) > 0.5) is uneven
        assert np.ptp(np.diff(grid.u_mm)) < 1e-9


def test_no_dose_of_a_phantom_is_negative() -> None:
    for phantom in EVERY[::5]:
        grid = dose_grid(phantom, (3.0, 3.0, 3.0), uneven=False)
        for kind in DOSES:
            assert sampled(analytic_dose(kind, phantom, grid), grid).dose_gy.min() >= 0
    with pytest.raises(GeometryError, match="negative"):
        sampled(AxisDose(0, 0.0, -1.0), grid)


def test_dose_on_a_grid_is_the_formula_at_voxel_centres() -> None:
    grid = dose_grid(TINY_BOX, (1.0, 2.0, 2.5), uneven=True)
    dose = sampled(AxisDose(2, float(grid.w_mm[1]), 5.0, 2.0, 0.5), grid)
    step = grid.w_mm[2] - grid.w_mm[1]
    assert dose.dose_gy[2, 0, 0] == pytest.approx(5 + 2 * step + 0.5 * step**2)
    assert dose.dose_gy.shape == grid.shape


# ------------------------------------------------------------------------------------------------------------- values


def test_power_mean_is_exact_for_polynomials() -> None:
    # D = 40 x over a box x = 0 .. 1: mean of D^8 is 40^8 / 9; D = 40 rho^2 / R^2 over a disc: s = rho^2 is even from 0 to R^2, the same mean
    box = Stack((Box((0.0, 0.0, 0.0), (1.0, 3.0, 2.0)),))
    assert power_mean_gy(box, AxisDose(0, 0.0, 0.0, 40.0), 8) == pytest.approx(40 * (1 / 9) ** (1 / 8), rel=1e-12)
    disc = Stack((Cylinder(Section((0.0, 0.0), 5.0, 5.0), 0.0, 2.0),))
    # x^2 over a disc has mean R^2 / 4, x^4 has R^4 / 8
    assert power_mean_gy(disc, AxisDose(0, 0.0, 0.0, 0.0, 1.0), 2) == pytest.approx((625 / 8) ** 0.5, rel=1e-12)
    assert power_mean_gy(disc, AxisDose(2, 0.0, 0.0, 40.0), 3) == pytest.approx((40**3 * 2) ** (1 / 3), rel=1e-12)


def test_goal_is_wider_for_small_structures() -> None:
    assert tolerance(0.1) == (0.02, 0.1)
    assert tolerance(0.11) == (0.005, 0.05)


def test_a_wrong_value_fails_and_a_right_one_passes() -> None:
    dose = AxisDose(2, float(TINY_BOX.middle_mm[2]), 40.0, 2.0)
    (low, high), n = dose.range_gy(TINY_BOX.slabs), 5000
    doses = np.linspace(low, high, n).astype(np.float32)

    def verdicts(shift: float, size: float = 1.0) -> dict[str, bool]:
        dvh = Dvh(doses + np.float32(shift), np.full(n, size * TINY_BOX.slabs.volume_cc / n), (doses + np.float32(shift))[[0, -1]])
        return {row.metric: row.passed for row in compare(TINY_BOX, "", dose, dvh)}

    assert all(verdicts(0.0).values())
    assert not any(passed for metric, passed in verdicts(2.0).items() if metric not in ("D0.03cc", "D0.1cc", "D2cc"))
    # 0.02 cc: a D0.03cc is not defined, and must not be computed
    assert verdicts(0.0)["D0.03cc"]
    assert not verdicts(0.0, size=2.0)["D0.03cc"]


def test_volume_at_a_constant_dose_must_be_the_whole() -> None:
    n, cc = 100, TINY_BOX.slabs.volume_cc
    doses = np.full(n, 40, np.float32)
    (right,) = (r for r in compare(TINY_BOX, "", AxisDose(0, 0.0, 40.0), Dvh(doses, np.full(n, cc / n), doses)) if r.metric == "V_x")
    assert (right.truth, right.computed, right.passed) == (pytest.approx(cc), pytest.approx(cc), True)
    doses = np.where(np.arange(n) < 5, np.float32(39.99), doses)
    (wrong,) = (r for r in compare(TINY_BOX, "", AxisDose(0, 0.0, 40.0), Dvh(doses, np.full(n, cc / n), doses)) if r.metric == "V_x")
    assert not wrong.passed


def test_deviation_of_values_that_are_not_defined() -> None:
    assert replace(ROW, truth=None, computed=None).deviation == 0
    assert replace(ROW, computed=None).deviation == float("inf")
    assert ROW.deviation == pytest.approx(0.02)


# ------------------------------------------------------------------------------------------------------------ the run


@pytest.mark.hazard("H15", "H21", "H23")
def test_small_phantoms_meet_the_goal() -> None:
    chosen = [p for p in EVERY if p.solid.volume_cc < 1]
    told: list[str] = []
    found = commission(told.append, chosen, with_files=False)
    assert found.passed
    assert exit_status(found) == 0
    assert found.n_phantoms == len(told) == len(chosen) == 12
    # of each phantom the volume, ten values of each of six doses, ten of the sum
    assert len(found.rows) == 12 * (1 + 10 * len(DOSES) + 10)
    assert json.loads(as_json(found))["rows"][0]["family"] == "sphere"
    grids = {(row.family, title) for row in found.rows for title, _ in GRIDS if f"grid {title} mm" in row.phantom}
    assert len(grids) == len(FAMILIES) * len(GRIDS)


def test_files_are_part_of_the_run() -> None:
    told: list[str] = []
    found = commission(told.append, [])
    assert told == ["DICOM files"]
    assert {row.family for row in found.rows} == {"files"}
    assert len(json.loads(as_json(found))["rows"]) == len(found.rows)


@pytest.mark.hazard("H21")
def test_a_fault_in_the_points_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.organ_points

    def shifted(*args: object) -> object:
        points = right(*args)  # type: ignore[arg-type]
        return replace(points, volumes_cc=points.volumes_cc * 1.002)

    monkeypatch.setattr(module, "organ_points", shifted)
    found = commission(chosen=[EVERY[3]], with_files=False)
    assert [row.metric for row in found.rows if not row.passed] == ["volume"]
    assert exit_status(found) == 1


@pytest.mark.hazard("H23")
def test_files_are_assessed_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = assess_files()
    assert all(row.passed for row in rows)
    assert [row.metric for row in rows].count("D0.1cc") == 2
    assert {row.metric: row.computed for row in rows}["limits judged right"] == 2
    # 19 planes of 2.5 mm, radius 13.1 mm
    assert rows[0].truth == pytest.approx(np.pi * 13.1**2 * 2.5 * 19 / 1000) or rows[0].truth == pytest.approx(np.pi * 13.1**2 * 2.5 * 18 / 1000)
    assert not list(tmp_path.iterdir())


@pytest.mark.hazard("H21")
def test_files_with_another_dose_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    right = commissioncase.rt_dose
    monkeypatch.setattr(commissioncase, "rt_dose", lambda study, dose: right(study, replace(dose, dose_gy=dose.dose_gy * np.float32(1.2))))
    rows = {row.metric: row for row in assess_files()}
    assert not rows["EQD2 D0.1cc"].passed
    assert not rows["limits judged right"].passed
    assert rows["volume"].passed


# ---------------------------------------------------------------------------------------------------------- rendering


def test_table_says_pass_and_fail_in_words() -> None:
    bad = replace(ROW, metric="Dmax", computed=12.0, passed=False, phantom="5 cc, planes 2 mm")
    text = shown(result(ROW, bad, replace(ROW, family="cone", metric="EQD2 Dmean")))
    assert "FAIL box, 5 cc, planes 2 mm: Dmax 12 Gy, truth 10" in text
    assert "FAIL  2 of 3 values" in text
    assert [line.split()[-1] for line in text.splitlines() if line.strip().startswith(("box ", "cone"))] == ["FAIL", "PASS"]
    assert "cone, EQD2 of two courses" in text
    assert "Every value" not in text


def test_full_table_shows_every_value() -> None:
    text = shown(result(ROW, replace(ROW, metric="D2cc", truth=None, computed=None)), full=True)
    assert "+0.02000" in text
    assert "not defined" in text
    assert "PASS  2 of 2 values" in text


def test_summary_names_a_value_that_only_one_side_has() -> None:
    assert "not defined" in shown(result(replace(ROW, computed=None, passed=False)))


def test_json_holds_every_value() -> None:
    document = json.loads(as_json(result(ROW)))
    assert document["passed"] is True
    assert document["rows"][0]["computed"] == 10.02
    assert document["goal"] == commissionvalue.GOAL


def test_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row, status in ((ROW, 0), (replace(ROW, passed=False), 1)):
        monkeypatch.setattr(module, "commission", lambda progress, row=row: result(row))
        run = CliRunner().invoke(app, ["commission", "--json", str(tmp_path / "c.json")])
        assert run.exit_code == status
        assert ("FAIL" in run.stdout) is (status == 1)
        assert json.loads((tmp_path / "c.json").read_text())["passed"] is (status == 0)
        alone = CliRunner().invoke(app, ["commission", "--json", "-"])
        assert json.loads(alone.stdout)["rows"][0]["metric"] == "Dmean"
    assert CliRunner().invoke(app, ["commission", "--json", str(tmp_path / "nowhere" / "c.json")]).exit_code == 2
