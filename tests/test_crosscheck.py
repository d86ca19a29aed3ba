from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dicom_factory as dicom
import numpy as np
import pydicom
import pytest
from case_factory import GRID_SHAPE, PLANES, grid, stored_box, stored_dose, write_case, write_case_file, write_course
from typer.testing import CliRunner

from reirrad import crosscheck as module
from reirrad.cli import app
from reirrad.crosscheck import CrossCheck, crosscheck, exit_status
from reirrad.errors import ReirradError

# 0.5 Gy per mm along x from 0 Gy at x = -8 mm: the box from -5 to 20 mm gets 1.5 to 14 Gy
SLOPE = np.broadcast_to(0.5 * (grid().u_mm + 8), GRID_SHAPE)
SMALL = stored_box(box=(-5.0, 0.0, 15.0, 35.0))  # 1.5 cc


def outcomes(result: CrossCheck, course: str = "first") -> dict[str, str]:
    return {c.metric: c.judgement.outcome for c in result.comparisons if c.course == course and c.structure == "Rectum"}


def sloped(folder: Path, **more: Any) -> Path:
    write_course(folder / "c1", 1, SLOPE, 10, **more)
    write_course(folder / "c2", 2, 20, 5)
    return write_case_file(folder)


def test_values_of_both_stand_side_by_side(tmp_path: Path) -> None:
    folder = sloped(tmp_path)
    dicom.save(dicom.obj("1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.77"), folder / "c1" / "report.dcm")
    result = crosscheck(folder)
    found = {c.metric: (c.ours, c.theirs) for c in result.comparisons if c.course == "first"}
    # ours: 25 x 20 x 15 mm, 1.5 to 14 Gy; theirs: columns at -4, 0 .. 20 mm (2 to 14 Gy), 7 of 5 voxels of 0.08 cc in 3 planes
    assert found["volume_cc"] == (pytest.approx(7.5), pytest.approx(7 * 5 * 0.08 * 3))
    assert found["mean_gy"] == (pytest.approx(7.75, abs=1e-3), pytest.approx(8.0, abs=0.01))
    assert found["max_gy"] == (pytest.approx(14.0, abs=1e-4), pytest.approx(14.0, abs=0.02))
    assert outcomes(result) == {"volume_cc": "explained", "mean_gy": "explained", "max_gy": "agrees", "D2cc_gy": "agrees", "D0.1cc_gy": "explained"}
    assert exit_status(result) == 0


def test_the_delivered_part_of_a_dose_is_compared(tmp_path: Path) -> None:
    courses = "\n  - {name: first, kind: prior, dicom: c1, fractions: 5}\n"
    result = crosscheck(write_case_file(sloped(tmp_path), "constraints: pelvis", courses))
    assert next((c.ours, c.theirs) for c in result.comparisons if c.metric == "max_gy") == (pytest.approx(7, abs=1e-4), pytest.approx(7, abs=0.01))


@pytest.mark.hazard("H21")
@pytest.mark.parametrize("change", [lambda gy: gy * np.float32(1.1), lambda gy: gy[..., ::-1].copy()])
def test_a_fault_of_ours_is_not_explained_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Ten per cent too much dose, or dose of other points, is unexplained."""
    accumulate = module.accumulate

    def wrong(*arguments: Any) -> Any:
        organ = accumulate(*arguments)
        organ = dataclasses.replace(organ, dose_gy=change(organ.dose_gy), edge_gy=change(organ.edge_gy))
        return dataclasses.replace(organ, dose_gy=organ.dose_gy + np.float32(3), edge_gy=organ.edge_gy + np.float32(3))

    monkeypatch.setattr(module, "accumulate", wrong)
    result = crosscheck(sloped(tmp_path))
    assert outcomes(result)["mean_gy"] == "unexplained"
    assert exit_status(result) == 1


@pytest.mark.hazard("H15")
def test_a_small_structure_gets_zero_there_and_nothing_here(tmp_path: Path) -> None:
    result = crosscheck(sloped(tmp_path, rois=[("Rectum", SMALL)]))
    d2cc = next(c for c in result.comparisons if c.metric == "D2cc_gy")
    assert (d2cc.ours, d2cc.theirs, d2cc.judgement.outcome) == (None, 0.0, "explained")
    assert '"reirrad": null' in module.as_json(result)


@pytest.mark.hazard("H04")
def test_dose_that_does_not_cover_the_structure_is_unknown_here(tmp_path: Path) -> None:
    result = crosscheck(sloped(tmp_path, rois=[("Rectum", stored_box(box=(13.0, 38.0, 15.0, 35.0)))]))
    assert [c.ours for c in result.comparisons if c.course == "first"][1:] == [None] * 4
    assert set(outcomes(result).values()) == {"explained"}


def positions(course: Path) -> Path:
    """Store where the dose planes are instead of their distance from the first."""
    dose = pydicom.dcmread(course / "00.dcm")
    dose.GridFrameOffsetVector = [-20.0 + 5 * k for k in range(6)]
    dose.save_as(course / "00.dcm")
    return course


class TestNotCompared:
    def reasons(self, folder: Path) -> dict[tuple[str, str | None], str]:
        return {(course, structure): reason for course, structure, reason in crosscheck(folder).not_compared}

    def test_a_course_of_several_doses(self, tmp_path: Path) -> None:
        folder = sloped(tmp_path)
        for k in (1, 2):
            dicom.save(stored_dose(f"1.2.3.1.2{k}", SLOPE, "1.2.3.1.5", summation="BEAM", group=1, beams=[k]), folder / "c1" / f"beam{k}.dcm")
        (folder / "c1" / "00.dcm").unlink()
        assert self.reasons(folder) == {("first", None): "its dose is made of 2 objects in 1 phase(s), and dicompyler-core takes one"}

    def test_a_course_without_structures(self, tmp_path: Path) -> None:
        assert self.reasons(sloped(tmp_path, rois=())) == {("first", None): "it has no structure set"}

    def test_plane_positions_instead_of_distances(self, tmp_path: Path) -> None:
        folder = positions(sloped(tmp_path) / "c1").parent
        assert "holds positions" in self.reasons(folder)["first", None]

    def test_an_oblique_grid(self, tmp_path: Path) -> None:
        c, s = np.cos(0.1), np.sin(0.1)
        folder = sloped(tmp_path, dose={"ImageOrientationPatient": [c, s, 0, -s, c, 0]})
        assert self.reasons(folder)["first", None] == "its dose grid is oblique, which dicompyler-core does not support"

    def test_a_file_whose_name_cannot_be_shown(self, tmp_path: Path) -> None:
        folder = sloped(tmp_path)
        (folder / "c1" / "00.dcm").rename(folder / "c1" / "a\x07.dcm")
        assert self.reasons(folder)["first", None] == "c1/a .dcm cannot be opened again under this name"

    def test_contours_that_are_not_axial(self, tmp_path: Path) -> None:
        coronal = [dicom.contour([-5, y, -15, 20, y, -15, 20, y, -5, -5, y, -5]) for y in (15, 20, 25)]
        assert "not axial" in self.reasons(sloped(tmp_path, rois=[("Rectum", coronal)]))["first", "Rectum"]

    def test_a_plane_without_thickness(self, tmp_path: Path) -> None:
        folder = sloped(tmp_path, rois=[("Rectum", stored_box(planes=PLANES[:1]))])
        for path in (folder / "c1").glob("*.dcm"):
            if int(path.stem) > 2:
                path.unlink()
        assert "neither a CT nor another structure tells how thick a plane is" in self.reasons(folder)["first", "Rectum"]

    def test_what_dicompyler_core_fails_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _, calculator = module.dicompyler()

        def fails(_structures: Any, dose: Any, number: int) -> Any:
            if dose.SOPInstanceUID == "1.2.3.1.2":
                raise KeyError("Doe^Jane")
            return original(_structures, dose, number)

        original = calculator.get_dvh
        monkeypatch.setattr(calculator, "get_dvh", fails)
        assert self.reasons(sloped(tmp_path)) == {("first", "Rectum"): "dicompyler-core fails on it (KeyError)"}

    def test_a_single_plane_dose_stack_has_no_offsets(self, tmp_path: Path) -> None:
        folder = sloped(tmp_path)
        original = module._found
        structure_set, dose = dicom.obj(dicom.RTSTRUCT, "1.2.3.4"), dicom.obj(dicom.RTDOSE, "1.2.3.2.2")
        dicom.save(structure_set, folder / "s.dcm")
        dicom.save(dose, folder / "d.dcm")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                module, "_found", lambda entry, root: original(entry, root) if "c1" in str(entry["file"]) else module.read_record(root / "d.dcm", "d")
            )
            assert self.reasons(folder) == {("second", None): "its dose has no Grid Frame Offset Vector, which dicompyler-core needs"}

    def test_nothing_at_all_is_a_refusal(self, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        positions(folder / "c1"), positions(folder / "c2")
        with pytest.raises(ReirradError, match=r"Nothing can be compared with dicompyler-core \(first: its Grid Frame Offset Vector .*; second: its"):
            crosscheck(folder)

    def test_a_course_without_organs_of_its_own_is_left_out(self, tmp_path: Path) -> None:
        assert {c.course for c in crosscheck(sloped(tmp_path, rois=[("thing", stored_box())])).comparisons} == {"second"}


def test_the_import_leaves_no_trace() -> None:
    """Without the shim dicompyler-core does not import under pydicom 3; afterwards pydicom is as before, and nothing was warned."""
    program = (
        "import sys, pydicom.dicomio as d; before = set(vars(d))\n"
        "import reirrad.crosscheck as c; assert 'dicompylercore' not in sys.modules\n"
        "c.dicompyler(); assert set(vars(d)) == before; assert 'dicompylercore.dvhcalc' in sys.modules; print('ok')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_a_pydicom_that_still_has_the_function_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom import dicomio

    monkeypatch.setattr(dicomio, "read_file", "mine", raising=False)
    module.dicompyler.__wrapped__()
    assert vars(dicomio)["read_file"] == "mine"


@pytest.mark.hazard("H37")
def test_their_log_is_silent_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("dicompylercore")
    logger.setLevel(logging.INFO)
    crosscheck(sloped(tmp_path, rois=[("Rectum", stored_box(planes=(-25.0, -20.0, -15.0)))]))
    assert (caplog.records, logger.level) == ([], logging.INFO)
    logger.setLevel(logging.NOTSET)


class TestCommand:
    def run(self, *arguments: object) -> Any:
        return CliRunner().invoke(app, ["crosscheck", *map(str, arguments)])

    def test_table_and_notes(self, tmp_path: Path) -> None:
        (sloped(tmp_path) / "c3").mkdir()
        result = self.run(tmp_path)
        assert result.exit_code == 0
        assert "first    Rectum      volume cc     7.500        8.400       +0.900       0.150   ! explained [1]" in result.stdout
        assert "[1] dicompyler-core counts whole dose voxels in contour planes: that gives 7.2 to 8.4 cc" in result.stdout

    def test_courses_left_out_and_undefined_values_are_shown(self, tmp_path: Path) -> None:
        result = self.run(sloped(tmp_path, rois=[("Rectum", SMALL)]))
        assert "D2cc gy           –        0.000            –           –   ! explained" in result.stdout
        result = self.run(sloped(tmp_path / "none", rois=()))
        assert "not compared: first: it has no structure set" in result.stdout

    def test_json_alone_on_standard_output(self, tmp_path: Path) -> None:
        result = self.run(sloped(tmp_path), "--json", "-")
        document = json.loads(result.stdout)
        assert document["schema"] == 1
        assert document["comparisons"][0] == {
            "course": "first",
            "structure": "Rectum",
            "organ": "rectum",
            "metric": "volume_cc",
            "reirrad": 7.5,
            "dicompyler_core": 8.4,
            "tolerance": 0.15,
            "outcome": "explained",
            "why": "dicompyler-core counts whole dose voxels in contour planes: that gives 7.2 to 8.4 cc, depending on where the voxels lie",
        }

    def test_an_unexplained_difference_is_exit_status_1(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_ours", lambda dvh: {"volume_cc": 1.0, "mean_gy": 1.0, "max_gy": 1.0, "D2cc_gy": 1.0, "D0.1cc_gy": 1.0})
        result = self.run(sloped(tmp_path), "--json", tmp_path / "out.json")
        assert result.exit_code == 1
        assert "UNEXPLAINED" in result.stdout
        assert '"outcome": "unexplained"' in (tmp_path / "out.json").read_text()

    def test_a_refusal(self, tmp_path: Path) -> None:
        result = self.run(tmp_path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Refused: case.yaml was not found")

    def test_a_case_file_and_its_folder_are_the_same(self, tmp_path: Path) -> None:
        sloped(tmp_path)
        assert self.run(tmp_path / "case.yaml", "--json", "-").stdout == self.run(tmp_path, "--json", "-").stdout


@pytest.mark.hazard("H21")
def test_real_plan_agrees(reference_data: Path, tmp_path: Path) -> None:
    """Eclipse breast plan: heart and lung agree in every metric; the scar of 0.5 cc gets 0 Gy there for D2cc."""
    shutil.copytree(reference_data / "dicompyler-core", tmp_path / "c1")
    courses = "\n  - {name: B1, kind: proposed, dicom: c1}\n"
    result = crosscheck(write_case_file(tmp_path, "structures: {Scar: skin}", courses))
    by_organ = {s: {c.metric: c.judgement.outcome for c in result.comparisons if c.structure == s} for s in ("Heart", "Lt Lung", "Scar")}
    assert set(by_organ["Heart"].values()) == set(by_organ["Lt Lung"].values()) == {"agrees"}
    assert by_organ["Scar"]["D2cc_gy"] == "explained"
    assert exit_status(result) == 0
