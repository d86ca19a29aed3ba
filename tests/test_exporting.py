"""Exports of whole cases: what the files say, what other programs read in them, what is not known, and that they are written whole or not at all."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path
from typing import Any

import dicom_factory as dicom
import numpy as np
import pydicom
import pytest
from case_factory import GRID_POSITION, GRID_SHAPE, GRID_SPACING, PLANE_MM, replaced, write_case, write_case_file, write_course
from test_dicom_write import dciodvfy
from test_write_derived import turned, twin

from reirrad import exporting
from reirrad.assessment import Assessment, assess
from reirrad.casefile import open_case
from reirrad.crosscheck import dicompyler
from reirrad.dicom.files import read_record
from reirrad.dicom.rtdose import read_dose
from reirrad.displayalphabeta import DisplayAlphaBeta
from reirrad.displaymap import display_map
from reirrad.dose import DoseGrid
from reirrad.errors import DicomError, Notice, ReirradError
from reirrad.exporting import ExportError, export
from reirrad.grid import Grid
from reirrad.loading import load_case
from reirrad.voxelsum import reference_grid, voxel_sum

DAY = dt.date(2026, 3, 31)
SUM, FIRST, SECOND = "eqd2_cumulative.dcm", "physical_1_first.dcm", "physical_2_second.dcm"
WITH_REG = "registration: [{course: first, method: file, file: reg.dcm}]\nconstraints: limits.yaml"


def assessed(folder: Path, **more: Any) -> Assessment:
    case, limits = load_case(folder)
    return assess(replaced(case, **more), limits)


def exported(folder: Path, out: Path, **more: Any) -> tuple[list[str], dict[str, Notice]]:
    names, notices = export(assessed(folder, **more), folder, out, DAY)
    return names, {n.code: n for n in notices}


def dose_in(path: Path) -> DoseGrid:
    record = read_record(path, path.name)
    assert record is not None
    return read_dose(record)


def lumpy(shape: tuple[int, int, int] = GRID_SHAPE, seed: float = 0.0) -> np.ndarray:
    """Up to about 40 Gy, to 0.01 Gy, nowhere the same."""
    z, y, x = np.indices(shape)
    return np.round(22 + 9 * np.sin(0.7 * x + seed) + 6 * np.cos(0.9 * y - seed) + 3 * np.sin(1.1 * z), 2)


def oblique_case(folder: Path) -> Path:
    """A prior course in another frame, 20 degrees turned about z and shifted, which reaches over most of the grid of the proposed one."""
    a = np.radians(20.0)
    there = np.array([[np.cos(a), -np.sin(a), 0, 11.0], [np.sin(a), np.cos(a), 0, -7.0], [0, 0, 1, 3.5], [0, 0, 0, 1]])
    wide = {"ImagePositionPatient": [-40.0, -30.0, -24.0], "PixelSpacing": [5.0, 6.0], "GridFrameOffsetVector": [0, 4, 9, 15, 20, 26, 31, 37]}
    values = lumpy((8, 18, 12), 0.4)
    write_course(folder / "c1", 1, np.zeros(GRID_SHAPE) + 20, 10, frame=dicom.OTHER_FRAME)
    stored = dicom.dose("1.2.3.1.2", np.round(values * 100), plan="1.2.3.1.5", FrameOfReferenceUID=dicom.OTHER_FRAME, **wide)
    dicom.save(stored, folder / "c1" / "00.dcm")
    write_course(folder / "c2", 2, lumpy(), 5)
    dicom.save(dicom.registration([(dicom.OTHER_FRAME, [np.linalg.inv(there)])]), folder / "reg.dcm")
    return write_case_file(folder, WITH_REG)


@pytest.fixture(scope="module")
def oblique(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Notice], dict[str, DoseGrid]]:
    """The files of the oblique case, the notices, and what the files must hold."""
    root = tmp_path_factory.mktemp("oblique")
    folder = oblique_case(root / "case")
    _, notices = exported(folder, root / "out")
    return root / "out", notices, expected_of(folder)


# ------------------------------------------------------------------------------------------------------- what is written


def test_the_sum_and_the_courses_by_hand(tmp_path: Path) -> None:
    names, notices = exported(write_case(tmp_path / "case"), tmp_path / "out")
    assert (names, notices) == ([SUM, FIRST, SECOND], {})
    # 30 Gy in 10 is 36 Gy EQD2 at 3 Gy, 20 Gy in 5 is 28 Gy
    for name, gy in ((SUM, 64.0), (FIRST, 30.0), (SECOND, 20.0)):
        np.testing.assert_allclose(dose_in(tmp_path / "out" / name).dose_gy, gy, rtol=1e-6)
    total, first, second = (pydicom.dcmread(tmp_path / "out" / name) for name in names)
    assert (total.DoseType, total.DoseSummationType, total.DoseComment) == ("EFFECTIVE", "MULTI_PLAN", "Cumulative EQD2, a/b organ or 3 Gy")
    assert total.ImageComments == "alpha/beta 3 Gy at every voxel"
    assert total.SeriesDescription == "Cumulative EQD2 of 2 courses"
    assert [r.ReferencedSOPInstanceUID for r in total.ReferencedRTPlanSequence] == ["1.2.3.1.5", "1.2.3.2.5"]
    assert (first.DoseType, first.DoseSummationType, first.DoseComment) == ("PHYSICAL", "PLAN", "Physical dose of course 1, all fractions")
    assert [(r.ReferencedSOPClassUID, r.ReferencedSOPInstanceUID) for r in first.ReferencedRTPlanSequence] == [(dicom.RTPLAN, "1.2.3.1.5")]
    assert (first.SeriesDescription, first.ImageComments) == ("Physical dose of course 1: first", "10 fractions")
    assert second.DoseComment == "Physical dose of course 2, all fractions"
    inputs = {pydicom.dcmread(p).SOPInstanceUID for p in (tmp_path / "case").rglob("*.dcm")}
    for ds in (total, first, second):
        assert (ds.FrameOfReferenceUID, ds.StudyInstanceUID, ds.PatientID, str(ds.PatientName)) == (dicom.FRAME, "1.2.3.8", "P1", "Doe^Jane")
        assert ds.SOPInstanceUID not in inputs
    assert len({ds.SOPInstanceUID for ds in (total, first, second)}) == 3


def test_recovery_is_a_file_of_its_own(tmp_path: Path) -> None:
    text = 'recovery: {rectum: {steps: [[6, 0.25]], source: "protocol"}}\nconstraints: limits.yaml'
    names, _ = exported(write_case(tmp_path / "case", text), tmp_path / "out", display=DisplayAlphaBeta(3.0))
    assert names[:2] == [SUM, "eqd2_with_recovery.dcm"]
    raw, after = (dose_in(tmp_path / "out" / name).dose_gy for name in names[:2])
    assert raw[2, 4, 4] == pytest.approx(64.0, abs=1e-5)
    assert after[2, 4, 4] == pytest.approx(0.75 * 36 + 28, abs=1e-5)  # inside the rectum
    assert after[2, 0, 0] == pytest.approx(64.0, abs=1e-5)
    ds = pydicom.dcmread(tmp_path / "out" / names[1])
    assert (ds.DoseType, ds.DoseComment) == ("EFFECTIVE", "EQD2 sum, recovery, a/b 3 Gy")
    assert ds.ImageComments == "alpha/beta 3 Gy at every voxel; EQD2 that still counts after recovery: rectum course 1 75 %; elsewhere 100 %"


def test_the_alpha_beta_of_organs_is_that_of_the_case_and_is_said(tmp_path: Path) -> None:
    text = "alpha_beta_gy: {rectum: 2}\nexport: {priority: [rectum], other_alpha_beta_gy: 10}\nconstraints: []"
    exported(write_case(tmp_path / "case", text), tmp_path / "out")
    found = dose_in(tmp_path / "out" / SUM).dose_gy
    assert found[2, 4, 4] == pytest.approx(67.5, abs=1e-5)
    assert found[2, 0, 0] == pytest.approx(670 / 12, abs=1e-5)
    ds = pydicom.dcmread(tmp_path / "out" / SUM)
    assert ds.DoseComment == "Cumulative EQD2, a/b organ or 10 Gy"
    assert ds.ImageComments == "alpha/beta of the first of these organs that has the voxel: rectum 2 Gy; elsewhere 10 Gy"


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = oblique_case(tmp_path / "case")
    for out in ("a", "b"):
        names, _ = exported(folder, tmp_path / out)
    assert len(names) == 3
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_a_dose_with_rbe_is_effective(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10, dose={"DoseType": "EFFECTIVE"})
    write_course(folder / "c2", 2, 20, 5)
    exported(write_case_file(folder), tmp_path / "out")
    ds = pydicom.dcmread(tmp_path / "out" / FIRST)
    assert (ds.DoseType, ds.DoseComment) == ("EFFECTIVE", "Dose times RBE of course 1, all fractions")
    assert pydicom.dcmread(tmp_path / "out" / SECOND).DoseType == "PHYSICAL"


def test_a_sum_is_one_of_several_plans_even_where_a_course_names_none(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, None)
    write_course(folder / "c2", 2, 20, 5)
    stored = pydicom.dcmread(folder / "c1" / "00.dcm")
    del stored.ReferencedRTPlanSequence
    stored.save_as(folder / "c1" / "00.dcm")
    courses = "\n  - {name: first, kind: prior, dicom: c1, fractions: 10}\n  - {name: second, kind: proposed, dicom: c2}\n"
    exported(write_case_file(folder, courses=courses), tmp_path / "out")
    total, first = (pydicom.dcmread(tmp_path / "out" / name) for name in (SUM, FIRST))
    assert (total.DoseSummationType, first.DoseSummationType) == ("MULTI_PLAN", "PLAN")
    nobody, second = (r.ReferencedSOPInstanceUID for r in total.ReferencedRTPlanSequence)
    assert (nobody, second) == (first.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID, "1.2.3.2.5")
    assert nobody.startswith("2.25.")


def test_the_longest_comments_fit(tmp_path: Path) -> None:
    text = 'recovery: {rectum: {steps: [[6, 0.25]], source: "protocol"}}\n' + WITH_REG
    folder = oblique_case(tmp_path / "case")
    write_case_file(folder, text)
    exported(folder, tmp_path / "out", display=DisplayAlphaBeta(other_alpha_beta_gy=2.12345))
    comment = pydicom.dcmread(tmp_path / "out" / "eqd2_with_recovery.dcm").DoseComment
    assert comment == "EQD2 sum, recovery, a/b organ or 2.12345 Gy, dose partly unknown"
    assert len(comment) == 64


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_fault(tmp_path: Path) -> None:
    folder = oblique_case(tmp_path / "case")
    for path in sorted((folder / "c2").glob("*.dcm")):
        ds = pydicom.dcmread(path)
        ds.StudyDate, ds.StudyTime, ds.StudyID = "20240229", "101500", "7"
        ds.save_as(path)
    names, _ = exported(folder, tmp_path / "out")
    for name in names:
        assert dciodvfy(twin(pydicom.dcmread(tmp_path / "out" / name)), tmp_path) == []


# ------------------------------------------------------------------------------------------------------- by other programs


def expected_of(folder: Path) -> dict[str, DoseGrid]:
    """What the files must hold, from the sum in memory."""
    one, _ = load_case(folder)
    on = reference_grid(one)
    voxels = voxel_sum(one, on, display_map(one, on))
    nothing = np.float32(0)
    first = np.where(np.isnan(voxels.physical_gy[0]), nothing, voxels.physical_gy[0])
    return {name: DoseGrid(on, gy, dicom.FRAME) for name, gy in ((SUM, voxels.least_eqd2_gy), (FIRST, first), (SECOND, voxels.physical_gy[1]))}


def random_points(on: Grid, n: int = 100) -> np.ndarray:
    """Points inside a grid, the same every time."""
    low, high = (np.array([c[k] for c in (on.u_mm, on.v_mm, on.w_mm)]) for k in (0, -1))
    margin = 1e-3 * (high - low)
    return on.to_patient(low + margin + np.random.default_rng(20).random((n, 3)) * (high - low - 2 * margin))


def by_simpleitk(path: Path, points: np.ndarray, scaling: float) -> np.ndarray:
    """Linear interpolation by SimpleITK, which reads the integers alone and knows nothing of the scaling."""
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat64) * scaling
    sampler = [image.EvaluateAtPhysicalPoint(point.tolist(), sitk.sitkLinear) for point in points]
    return np.array(sampler)


def by_dicompyler(path: Path, points: np.ndarray) -> np.ndarray:
    """Planes by dicompyler-core, which interpolates between two but for those nearer than a threshold; within a plane linear by hand."""
    parser, _ = dicompyler()
    dose = parser.DicomParser(str(path))
    data = dose.GetDoseData()
    xs, ys = (np.array(axis, float) for axis in data["lut"])
    out = []
    for x, y, z in points:
        plane = np.asarray(dose.GetDoseGrid(float(z), threshold=1e-6), float) * float(data["dosegridscaling"])
        i, j = int(np.searchsorted(xs, x)) - 1, int(np.searchsorted(ys, y)) - 1
        a, b = (x - xs[i]) / (xs[i + 1] - xs[i]), (y - ys[j]) / (ys[j + 1] - ys[j])
        out.append((1 - b) * ((1 - a) * plane[j, i] + a * plane[j, i + 1]) + b * ((1 - a) * plane[j + 1, i] + a * plane[j + 1, i + 1]))
    return np.array(out)


def by_plastimatch(path: Path, points: np.ndarray, folder: Path) -> np.ndarray:
    if shutil.which("plastimatch") is None:
        pytest.skip("plastimatch is not installed")
    subprocess.run(["plastimatch", "convert", "--input", path, "--output-dose-img", folder / "dose.mha"], check=True, capture_output=True)
    return by_simpleitk(folder / "dose.mha", points, 1.0)


@pytest.mark.hazard("H19")
@pytest.mark.parametrize("program", ["reirrad", "SimpleITK", "dicompyler-core", "plastimatch"])
@pytest.mark.parametrize("name", [SUM, FIRST, SECOND])
def test_other_programs_read_the_same_values_at_100_points(
    program: str, name: str, oblique: tuple[Path, dict[str, Notice], dict[str, DoseGrid]], tmp_path: Path
) -> None:
    path, expected = oblique[0] / name, oblique[2][name]
    scaling = float(pydicom.dcmread(path).DoseGridScaling)
    points = random_points(dose_in(path).grid)
    match program:
        case "reirrad":
            found = dose_in(path).at_points(points, "linear")
        case "SimpleITK":
            found = by_simpleitk(path, points, scaling)
        case "dicompyler-core":
            found = by_dicompyler(path, points)
        case _:
            found = by_plastimatch(path, points, tmp_path)
    right = expected.at_points(points, "linear")
    assert np.ptp(right) > 10
    # a step of some 1e-8 Gy from the integers; the rest from single precision of values and, in plastimatch, of positions
    np.testing.assert_allclose(found, right, atol=scaling + 2e-5)


ORIENTED = {
    "oblique": turned(9.0, -14.0, 25.0),
    "decubitus": np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    "prone": np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]),
    "feet first": np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
}


@pytest.mark.hazard("H19")
@pytest.mark.parametrize("which", ORIENTED)
def test_grids_of_any_orientation(which: str, tmp_path: Path) -> None:
    """The proposed dose stored along its own axes: reirrad and SimpleITK read in the export what the stored integers hold there."""
    axes = ORIENTED[which]
    centre = np.array([10.0, 26.0, -7.5])
    sizes = np.array([4.0 * 9, 4.0 * 8, 5.0 * 5]) / 2
    more = {"ImageOrientationPatient": axes[:2].ravel().tolist(), "ImagePositionPatient": (centre - axes.T @ sizes).tolist()}
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10)
    write_course(folder / "c2", 2, 20, 5)
    stored = dicom.dose(
        "1.2.3.2.2", np.round(lumpy() * 100), plan="1.2.3.2.5", PixelSpacing=list(GRID_SPACING), GridFrameOffsetVector=[PLANE_MM * k for k in range(6)]
    )
    for keyword, value in more.items():
        setattr(stored, keyword, value)
    dicom.save(stored, folder / "c2" / "00.dcm")
    exported(write_case_file(folder), tmp_path / "out")
    path = tmp_path / "out" / SECOND
    # indices of 100 points along the stored axes, and linear interpolation there by hand
    at = np.random.default_rng(3).random((100, 3)) * (np.array(GRID_SHAPE) - 1)
    first = np.minimum(at.astype(int), np.array(GRID_SHAPE) - 2)
    part, right = at - first, np.zeros(100)
    for corner in np.ndindex(2, 2, 2):
        k = first + np.array(corner)
        right += np.prod(np.where(np.array(corner) == 1, part, 1 - part), axis=1) * lumpy()[k[:, 0], k[:, 1], k[:, 2]]
    points = np.array(more["ImagePositionPatient"]) + (at[:, ::-1] * [4.0, 4.0, 5.0]) @ axes
    scaling = float(pydicom.dcmread(path).DoseGridScaling)
    np.testing.assert_allclose(dose_in(path).at_points(points, "linear"), right, atol=2e-5)
    np.testing.assert_allclose(by_simpleitk(path, points, scaling), right, atol=2e-5)


def test_uneven_planes_stay_where_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    uneven = {"GridFrameOffsetVector": [0, 3, 7.5, 13, 18, 25]}
    write_course(folder / "c1", 1, lumpy(seed=1.0), 10)
    write_course(folder / "c2", 2, lumpy(), 5)
    stored = dicom.dose(
        "1.2.3.2.2", np.round(lumpy() * 100), plan="1.2.3.2.5", ImagePositionPatient=list(GRID_POSITION), PixelSpacing=list(GRID_SPACING), **uneven
    )
    dicom.save(stored, folder / "c2" / "00.dcm")
    exported(write_case_file(folder), tmp_path / "out")
    np.testing.assert_allclose(dose_in(tmp_path / "out" / SUM).grid.w_mm, [-20, -17, -12.5, -7, -2, 5])
    points = random_points(reference_grid(load_case(folder)[0]))
    in_planes = points.copy()
    in_planes[:, 2] = np.tile([-20, -17, -12.5, -7, -2, 5], 17)[:100]
    for name, expected in expected_of(folder).items():
        path = tmp_path / "out" / name
        np.testing.assert_allclose(dose_in(path).at_points(points, "linear"), expected.at_points(points, "linear"), atol=2e-5)
        # between uneven planes dicompyler-core takes the two nearest, even if both lie on one side
        np.testing.assert_allclose(by_dicompyler(path, in_planes), expected.at_points(in_planes, "linear"), atol=2e-5)


@pytest.mark.hazard("H19")
def test_a_sum_read_as_a_course_is_refused(tmp_path: Path) -> None:
    exported(write_case(tmp_path / "case"), tmp_path / "out")
    write_case(tmp_path / "again")
    shutil.copy(tmp_path / "out" / SUM, tmp_path / "again" / "c2" / "00.dcm")
    with pytest.raises(DicomError, match=r"is the sum of several plans, .* \(Dose Summation Type MULTI_PLAN\)"):
        load_case(tmp_path / "again")
    shutil.copy(tmp_path / "case" / "c2" / "00.dcm", tmp_path / "again" / "c2" / "00.dcm")
    shutil.copy(tmp_path / "out" / SUM, tmp_path / "again" / "c2" / "sum.dcm")
    beside = assessed(tmp_path / "again")
    assert beside.organs[0].cumulative.values["max_gy"] == pytest.approx(64.0, rel=1e-6)  # and beside the dose of its plan it is not used


# ------------------------------------------------------------------------------------------------------- what is not known


def test_what_a_smaller_grid_leaves_unknown_stays_outside_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10)
    small = dicom.dose(
        "1.2.3.1.2",
        np.full((4, 5, 6), 3000.0),
        plan="1.2.3.1.5",
        ImagePositionPatient=[-6.0, 12.0, -17.5],
        PixelSpacing=[4.0, 4.0],
        GridFrameOffsetVector=[0, 5, 10, 15],
    )
    dicom.save(small, folder / "c1" / "00.dcm")
    write_course(folder / "c2", 2, 20, 5)
    names, notices = exported(write_case_file(folder), tmp_path / "out")
    assert names == [SUM, FIRST, SECOND]
    for name, gy in ((SUM, 64.0), (FIRST, 30.0)):
        found = dose_in(tmp_path / "out" / name)
        # of the centres -8, -4 .. 28 those within -6 .. 14; of 10 .. 42 those within 12 .. 28; of -20 .. 5 those within -17.5 .. -2.5
        assert (found.grid.u_mm.tolist(), found.grid.v_mm.tolist(), found.grid.w_mm.tolist()) == ([-4, 0, 4, 8, 12], [14, 18, 22, 26], [-15, -10, -5])
        np.testing.assert_allclose(found.dose_gy, gy, rtol=1e-6)
        assert "unknown" not in pydicom.dcmread(tmp_path / "out" / name).DoseComment
    assert dose_in(tmp_path / "out" / SECOND).grid.shape == GRID_SHAPE
    assert list(notices) == ["export_sum_ends"]
    # 60 of 540 voxels; what lies outside has 28 Gy of the second course
    assert notices["export_sum_ends"].message == (
        "eqd2_cumulative.dcm ends where the dose grid or the registration of a course ends: 88.9 % of the dose grid of the reference course are left out. "
        "Where a course is unknown, the others reach 28.0 Gy EQD2 by themselves."
    )


def test_what_a_tilted_grid_leaves_unknown_is_announced_and_never_less_than_is_known(
    oblique: tuple[Path, dict[str, Notice], dict[str, DoseGrid]],
) -> None:
    out, notices, _ = oblique
    one, _ = load_case(out.parent / "case")
    on = reference_grid(one)
    first = voxel_sum(one, on, display_map(one, on)).physical_gy[0]
    unknown = np.isnan(first)
    assert 0.02 < unknown.mean() < 0.5
    found, total, second = (dose_in(out / name) for name in (FIRST, SUM, SECOND))
    box = tuple(slice(int(np.searchsorted(c, f[0] - 0.1)), int(np.searchsorted(c, f[-1] + 0.1))) for c, f in zip(
        (on.w_mm, on.v_mm, on.u_mm), (found.grid.w_mm, found.grid.v_mm, found.grid.u_mm), strict=True))  # fmt: skip
    assert not np.isnan(first[box]).all()
    outside = unknown.copy()
    outside[box] = True
    assert outside.all()  # every known voxel lies inside the file
    inside = unknown[box]
    assert (found.dose_gy[inside] == 0).all()
    assert (found.dose_gy[~inside] > 1).all()
    alone = (3 * second.dose_gy.astype(float) + second.dose_gy.astype(float) ** 2 / 5) / 5
    np.testing.assert_allclose(total.dose_gy[inside], alone[box][inside], rtol=1e-6)
    more = (3 * found.dose_gy.astype(float) + found.dose_gy.astype(float) ** 2 / 10) / 5
    np.testing.assert_allclose(total.dose_gy[~inside], (alone[box] + more)[~inside], rtol=1e-6)
    for name, words in ((FIRST, "Physical dose of course 1, all fractions"), (SUM, "Cumulative EQD2, a/b organ or 3 Gy")):
        assert pydicom.dcmread(out / name).DoseComment == f"{words}, dose partly unknown"
    said = notices["export_unknown_voxels"]
    # voxels of 4 x 4 x 5 mm3 = 0.08 cc
    where = f"in {100 * inside.mean():.1f} % of its voxels, {0.08 * inside.sum():.1f} cc, the dose of"
    assert f'{where} course "first" is unknown' in said.message
    assert pydicom.dcmread(out / FIRST).ImageComments == f"10 fractions; {where} a course is unknown, they hold zero"
    assert pydicom.dcmread(out / SUM).ImageComments.endswith(f"; {where} a course is unknown, they hold the dose of the other courses")
    assert "hold zero, which is the least it can be" in said.message
    assert said.course == "first"


def test_a_course_that_lies_elsewhere_is_not_written_and_nothing_is_summed(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10)
    away = dicom.dose("1.2.3.1.2", np.full((3, 4, 5), 3000.0), plan="1.2.3.1.5", ImagePositionPatient=[100.0, 12.0, -17.5])
    dicom.save(away, folder / "c1" / "00.dcm")
    write_course(folder / "c2", 2, 20, 5)
    names, notices = exported(write_case_file(folder), tmp_path / "out")
    assert names == [SECOND]
    assert list(notices) == ["export_no_sum", "export_course_outside"]
    assert notices["export_no_sum"].message.startswith("No sum is exported: no voxel lies inside the dose grids of all courses.")
    assert notices["export_course_outside"].course == "first"


@pytest.mark.parametrize(
    ("courses", "why", "names"),
    [
        (
            "\n  - {name: letter, kind: prior, completed: 2020-01-01, prescription: {dose_gy: 45, fractions: 25}}",
            'course "letter" has no dose at voxels',
            [FIRST, SECOND],
        ),
        ("\n  - {name: letter, kind: prior, completed: 2020-01-01, records: none}", 'course "letter" has no dose at voxels', [FIRST, SECOND]),
    ],
)
def test_a_course_on_paper_is_in_no_voxel_so_nothing_is_summed(courses: str, why: str, names: list[str], tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    text = (folder / "case.yaml").read_text().replace("c2, starts: 2022-01-01}", "c2, starts: 2022-01-01}" + courses)
    (folder / "case.yaml").write_text(text)
    found, notices = exported(folder, tmp_path / "out")
    assert found == names
    assert why in notices["export_no_sum"].message
    assert not (tmp_path / "out" / SUM).exists()


def test_a_course_that_is_not_registered_is_in_no_voxel(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10, frame=dicom.OTHER_FRAME)
    write_course(folder / "c2", 2, 20, 5)
    found, notices = exported(write_case_file(folder, WITH_REG.replace("method: file, file: reg.dcm", "method: none")), tmp_path / "out")
    assert found == [SECOND]
    assert 'course "first"' in notices["export_no_sum"].message


def test_a_single_course_is_no_sum(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c2", 2, 20, 5)
    found, notices = exported(write_case_file(folder, courses="\n  - {name: second, kind: proposed, dicom: c2, starts: 2022-01-01}\n"), tmp_path / "out")
    assert found == ["physical_1_second.dcm"]
    assert "the case has a single course" in notices["export_no_sum"].message


def test_a_maximum_that_the_file_does_not_reach_is_announced(tmp_path: Path) -> None:
    hot = np.full((6, 9, 14), 30.0)
    hot[:, :, 12:] = 50.0  # beyond the grid of the second course
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10)
    wide = dicom.dose(
        "1.2.3.1.2",
        hot * 100,
        plan="1.2.3.1.5",
        ImagePositionPatient=list(GRID_POSITION),
        PixelSpacing=list(GRID_SPACING),
        GridFrameOffsetVector=[5.0 * k for k in range(6)],
    )
    dicom.save(wide, folder / "c1" / "00.dcm")
    write_course(folder / "c2", 2, 20, 5)
    _, notices = exported(write_case_file(folder), tmp_path / "out")
    said = notices["export_below_maximum"]
    assert said.message.startswith('physical_1_first.dcm reaches 30.0 Gy and course "first" 50.0 Gy: its maximum lies outside')
    assert said.course == "first"


def test_a_box_of_one_voxel_has_no_volume_to_state() -> None:
    on = Grid(np.eye(3), np.array([1.0, 2.0]), np.array([3.0]), np.array([5.0, 7.0]))
    known = np.array([[[True, False]], [[True, True]]])
    notices: list[Notice] = []
    dose, doubt = exporting._boxed(on, np.ones(on.shape, np.float32), known, "1.2", "x.dcm", None, notices)
    assert dose.grid.shape == (2, 1, 2)
    assert doubt == "; in 25.0 % of its voxels the dose of a course is unknown, they hold the dose of the other courses"
    assert notices[0].message.startswith("x.dcm: in 25.0 % of its voxels the dose of a course is unknown")
    assert "they hold the dose of the other courses" in notices[0].message


# ------------------------------------------------------------------------------------------------------- whole or not at all


def left_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_the_same_export_again_changes_nothing_and_another_is_never_mixed_with_it(tmp_path: Path) -> None:
    folder, out = write_case(tmp_path / "case"), tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    exported(folder, out)
    before = {name: (out / name).stat().st_mtime_ns for name in left_in(out)}
    exported(folder, out)
    assert {name: (out / name).stat().st_mtime_ns for name in left_in(out)} == before
    with pytest.raises(ExportError, match=r"holds files of another export \(eqd2_cumulative.dcm\), which are never replaced"):
        exported(folder, out, display=DisplayAlphaBeta(10.0))
    assert {name: (out / name).stat().st_mtime_ns for name in left_in(out)} == before
    (out / "physical_7_old.dcm").write_bytes(b"")
    with pytest.raises(ExportError, match=r"another export \(physical_7_old.dcm\)"):
        exported(folder, out)
    (out / "physical_7_old.dcm").rename(out / "old.txt")
    (out / SUM).unlink()
    (out / SUM).mkdir()
    with pytest.raises(ExportError, match=r"another export \(eqd2_cumulative.dcm\)"):
        exported(folder, out)
    assert not [name for name in left_in(tmp_path) if ".reirrad" in name]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("step", ["write", "move"])
def test_when_it_fails_nothing_is_left(step: str, is_new: bool, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = write_case(tmp_path / "case"), tmp_path / "out"
    one = assessed(folder)
    if not is_new:
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    before = left_in(tmp_path)
    calls = []
    real = {"write": exporting.write_dataset, "move": Path.rename}[step]
    at = 1 if (step, is_new) == ("move", True) else 3  # a new folder comes in one move

    def fails(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            raise error
        return real(*arguments)

    monkeypatch.setattr(*((exporting, "write_dataset") if step == "write" else (Path, "rename")), fails)
    with pytest.raises(ExportError if isinstance(error, OSError) else KeyboardInterrupt) as refusal:
        export(one, folder, out, DAY)
    assert len(calls) == at
    assert left_in(tmp_path) == before
    if isinstance(error, OSError):
        assert str(refusal.value) == "The files could not be written (No space left on device). Free space or choose another folder, and run again."


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case(tmp_path / "case")
    one = assessed(folder)
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "no" / "such", tmp_path / "file"):
        with pytest.raises(ExportError, match="cannot be written there"):
            export(one, folder, out, DAY)
    monkeypatch.setattr(exporting.os, "access", lambda _path, _mode: False)
    with pytest.raises(ExportError, match="cannot be written there"):
        export(one, folder, tmp_path / "out", DAY)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_courses_are_read_from_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    one = assessed(folder)
    for out in (folder / "c1", folder / "c2" / "export"):
        with pytest.raises(ExportError, match="is one that the files of a course are read from"):
            export(one, folder, out, DAY)
    assert export(one, folder, folder / "export", DAY)[0] == [SUM, FIRST, SECOND]


def test_a_reference_without_dose_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10)
    courses = "\n  - {name: first, kind: prior, dicom: c1, completed: 2021-01-01}\n"
    write_case_file(folder, courses=courses)
    one = assessed(folder)
    gone = replaced(one.case, courses=(replaced(one.case.courses[0], inputs=()),))
    before = left_in(tmp_path)
    with pytest.raises(ReirradError, match="no dose file"):
        export(replaced(one, case=gone), folder, tmp_path / "out", DAY)
    assert left_in(tmp_path) == before


@pytest.mark.parametrize(
    ("course", "name"),
    [
        ("CRT 2021 / Erste Serie, Müller-Klinik", "physical_1_crt-2021-erste-serie-muller-klinik.dcm"),
        ("Jane's first", "physical_1.dcm"),  # the patient is Jane Doe
        ("☢☢", "physical_1.dcm"),
        ("../../etc", "physical_1_etc.dcm"),
        ("a" * 39 + " b", "physical_1_" + "a" * 39 + ".dcm"),
    ],
)
def test_names_of_files(course: str, name: str, tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case")
    one = assessed(folder)
    courses = (replaced(one.case.courses[0], name=course), one.case.courses[1])
    names, _ = export(replaced(one, case=replaced(one.case, courses=courses)), folder, tmp_path / "out", DAY)
    assert names[1] == name
    assert exporting.OURS.fullmatch(name)


def test_a_zip_of_a_case(tmp_path: Path) -> None:
    write_case(tmp_path / "case")
    archive = shutil.make_archive(str(tmp_path / "case"), "zip", tmp_path / "case")
    with open_case(Path(archive)) as folder:
        names, _ = exported(folder, tmp_path / "out")
    assert names == [SUM, FIRST, SECOND]
