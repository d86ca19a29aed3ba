"""The command budget: its table, JSON and files; files read again and validated; bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydicom
import pytest
import typer
from case_factory import COURSES, GRID_SHAPE, grid, stored_box, write_case, write_case_file, write_course
from typer.testing import CliRunner

from reirrad.budgetcommand import budget
from reirrad.budgetdocument import budget_schema
from reirrad.dicom.files import read_record
from reirrad.dicom.rtdose import read_dose
from reirrad.dicom.rtstruct import read_structures
from reirrad.planes import slabs_of

# 30 in 10 is 36 Gy at 3 Gy; 64 leaves 28: 20 Gy in 5 fractions, 20 (4 + 3) / 5.
SUM_64 = """
- {id: rectum-sum, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 64, level: mandatory, source: "protocol 7"}
"""
SUM_30 = SUM_64.replace("64", "30")
ALONE = '- {id: alone, organ: rectum, metric: D2cc, quantity: physical, scope: course, limit_gy: 30, level: mandatory, source: "protocol 7"}\n'
PRIOR_ONLY = "\n  - {name: first, kind: prior, dicom: c1, completed: 2021-01-01}\n"
DAY = ("--date", "2026-03-31")


def run(*arguments: Any) -> Any:
    app = typer.Typer()
    app.command()(budget)
    return CliRunner().invoke(app, [*map(str, arguments)])


def document(*arguments: Any) -> tuple[int, dict[str, Any]]:
    """Exit status and the JSON, which is all that goes to standard output, and fits its schema."""
    done = run(*arguments, "--json", "-", *DAY)
    found: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(budget_schema()).validate(found)
    return done.exit_code, found


def dciodvfy(path: Path, folder: Path) -> list[str]:
    """Faults found by the validator, of a twin with 16 bits for a dose: that of 2022 aborts on 32."""
    ds = pydicom.dcmread(path)
    if ds.get("BitsAllocated") == 32:
        ds.PixelData = (ds.pixel_array >> 16).astype("<u2").tobytes()
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.DoseGridScaling = "0.0015"
    ds.save_as(folder / "twin.dcm", enforce_file_format=True)
    done = subprocess.run(["dciodvfy", folder / "twin.dcm"], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith(("Error", "Warning"))]


# ------------------------------------------------------------------------------------------------------------- what is shown


def test_table_and_document(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case", limits=SUM_64)
    shown = run(folder, *DAY)
    assert shown.exit_code == 0
    assert "Not counted, for it is to come: second" in shown.stdout
    assert "✓ every mandatory limit leaves something" in shown.stdout
    assert "A mathematical budget, not a prescription." in shown.stdout
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith(" Rectum")]
    assert row[-9:-2] == ["36.00", "28.00", "10.43*", "16.48", "20.00", "28.55", "33.39"]  # n (-3 + sqrt(9 + 560 / n)) / 2
    status, found = document(folder, "--fractions", "5,8")
    assert status == 0
    assert (found["courses_counted"], found["courses_not_counted"], found["fractions"], found["date"]) == (["first"], ["second"], [5, 8], "2026-03-31")
    (organ,) = found["organs"]
    assert (organ["structure"], organ["limit_id"], organ["state"]) == ("Rectum", "rectum-sum", "remains")
    assert organ["remaining_eqd2_gy"] == pytest.approx(28, abs=2e-3)
    doses = {a["fractions"]: a["dose_gy"] for a in organ["by_fractions"]}
    assert list(doses) == [1, 3, 5, 8, 15, 28]
    assert doses[5] == pytest.approx(20, abs=1e-3)
    assert doses[1] == pytest.approx((-3 + 569**0.5) / 2, abs=1e-3)  # d (d + 3) = 140
    assert (found["maps"], found["something_remains"]) == ([], True)


def test_deficit_is_shown_and_is_exit_status_one(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case", limits=SUM_30)
    shown = run(folder, *DAY)
    assert shown.exit_code == 1
    assert "✗ DEFICIT 6.00" in shown.stdout
    assert "✗ a mandatory limit has nothing left" in shown.stdout
    status, found = document(folder)
    (organ,) = found["organs"]
    assert (status, organ["state"], organ["remaining_eqd2_gy"]) == (1, "deficit", pytest.approx(-6, abs=1e-3))
    assert organ["deficit_eqd2_gy"] == pytest.approx(6, abs=1e-3)
    assert {a["dose_gy"] for a in organ["by_fractions"]} == {None}


MANY = """
- {organ: rectum, metric: Dmax, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 64, level: mandatory, source: "tightest (2020)"}
- {organ: rectum, metric: D1cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 50, level: optimal, source: "wish"}
- {organ: rectum, metric: V80Gy, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit: 100, unit: "%", level: mandatory, source: "a"}
- {organ: bladder, metric: Dmax, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 64, level: mandatory, source: "a"}
- {organ: rectum, metric: D2cc, quantity: physical, scope: cumulative, limit_gy: 64, level: optimal, source: "a"}
- {organ: rectum, metric: Dmean, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 900, level: mandatory, min_fractions: 20, source: "a"}
- {organ: rectum, metric: D0.5cc, quantity: BED, alpha_beta_gy: 3, scope: cumulative, limit_gy: 200, level: mandatory, source: "a",
   clauses: [{what: this_course, limit_gy: 120}, {what: interval, limit_months: 6}]}
"""


def test_every_state_of_a_limit(tmp_path: Path) -> None:
    """One row a structure, unless all are asked for; optimal limits are tightest only where they are asked for."""
    folder = write_case(tmp_path / "case", limits=MANY)
    shown = run(folder, *DAY)
    assert shown.exit_code == 1  # nothing stands for the bladder
    assert "Dmax EQD2 α/β 3 <= 64 Gy" in shown.stdout
    assert "? not evaluable" in shown.stdout
    assert "5 more with --all" in shown.stdout
    assert "D1cc" not in shown.stdout
    evaluable = write_case_file(tmp_path / "case", limits="\n".join(line for line in MANY.splitlines() if "physical" not in line))
    assert "D1cc EQD2 α/β 3 <= 50 Gy" in run(evaluable, "--level", "all", *DAY).stdout
    write_case_file(tmp_path / "case", limits=MANY)
    everything = run(folder, "--all", *DAY).stdout
    for words in ("✓ no bound", "wish, optimal", "bound by the clause on the new course alone", "(bladder)", "D2cc physical"):
        assert words in everything
    _, found = document(folder)
    states = {o["metric"]: o["state"] for o in found["organs"] if o["organ"] == "rectum"}
    assert states == {
        "Dmax": "remains", "D1cc": "remains", "V80Gy": "unlimited", "D2cc": "not_evaluable", "Dmean": "remains", "D0.5cc": "remains"
    }  # fmt: skip
    bound = next(o for o in found["organs"] if o["metric"] == "D0.5cc")
    assert (bound["binding"], bound["remaining_eqd2_gy"]) == ("this_course", 72.0)  # BED 120 at 3 Gy


def test_condition_that_fails_and_lower_and_upper_bounds(tmp_path: Path) -> None:
    """A dose grid of five columns leaves a part of the organ unknown; a letter gives upper bounds only; a year is less than 18 months."""
    write_course(tmp_path / "case" / "c2", 2, 20, 5)
    letter = "\n  - {name: first, kind: prior, prescription: {dose_gy: 40, fractions: 20}, completed: 2021-01-01}" + COURSES.split("\n")[2].join(["\n", "\n"])
    late = MANY.splitlines()[1].replace("source:", "clauses: [{what: interval, limit_months: 18}], source:")
    folder = write_case_file(tmp_path / "case", courses=letter, limits=SUM_64 + late)
    shown = run(folder, "--all", *DAY)
    assert "at least 24.00" in shown.stdout  # 64 - 40
    assert "≤ 40.00" in shown.stdout
    assert "✗ NOT MET" in shown.stdout
    assert "✗ NOT MET" in run(folder, *DAY).stdout  # the tightest of the structure
    part = tmp_path / "part"
    narrow = {"Columns": 5, "PixelData": np.full((6, 9, 5), 3000, "<u4").tobytes()}
    write_course(part / "c1", 1, 30, 10, dose=narrow)
    shutil.copytree(tmp_path / "case" / "c2", part / "c2")
    shown = run(write_case_file(part, limits=SUM_30), *DAY)
    assert "≥ 36.00" in shown.stdout
    assert "✗ DEFICIT 6.00" in shown.stdout
    status, found = document(write_case_file(part, limits=SUM_64))
    assert (status, found["organs"][0]["state"]) == (1, "not_evaluable")


def test_recovery_has_a_column_of_its_own(tmp_path: Path) -> None:
    """A year: Paradis 2019 has 50 % recovered; the limit does not say that it is for sums after recovery."""
    text = "constraints: limits.yaml\nrecovery: {rectum: {model: paradis_2019, rationale: asked for}}"
    shown = run(write_case(tmp_path / "case", text, limits=SUM_64), *DAY)
    assert "recovery" in shown.stdout
    assert shown.stdout.count("28.00") == 1


# ------------------------------------------------------------------------------------------------------------- files


def test_files_read_again(tmp_path: Path) -> None:
    """20 Gy in the voxels that the box touches, 100 elsewhere; zone of 20 Gy around 3 x 6 x 7 of them, 28 x 24 x 15 mm3."""
    folder, out = write_case(tmp_path / "case", limits=SUM_64), tmp_path / "out"
    status, found = document(folder, "--export", out, "--zones", "10,20.5,30")
    assert status == 0
    assert sorted(p.name for p in out.iterdir()) == ["remaining_5fx.dcm", "zones_5fx.dcm"]
    (one,) = found["maps"]
    assert (one["fractions"], one["files"], one["left_out"]) == (5, ["remaining_5fx.dcm", "zones_5fx.dcm"], [])
    assert (one["organs"][0]["voxels"], one["organs"][0]["least_dose_gy"]) == (126, pytest.approx(20, abs=1e-3))
    assert found["warnings"][-1]["code"] == "zones_empty"

    ds = pydicom.dcmread(out / "remaining_5fx.dcm")
    source = pydicom.dcmread(folder / "c2" / "00.dcm")
    assert (ds.DoseType, ds.DoseUnits, ds.DoseSummationType) == ("PHYSICAL", "GY", "MULTI_PLAN")
    assert ds.DoseComment == "Remaining dose in 5 fractions, Gy; 100 = no limit"
    assert (ds.PatientID, str(ds.PatientName), ds.StudyInstanceUID, ds.FrameOfReferenceUID) == ("P1", "Doe^Jane", "1.2.3.8", source.FrameOfReferenceUID)
    assert ds.SOPInstanceUID != source.SOPInstanceUID
    assert ds.SeriesInstanceUID != source.SeriesInstanceUID
    record = read_record(out / "remaining_5fx.dcm", "map")
    assert record is not None
    read = read_dose(record)
    for axis in ("u_mm", "v_mm", "w_mm"):
        np.testing.assert_allclose(getattr(read.grid, axis), getattr(grid(), axis), atol=1e-9)
    expected = np.full(GRID_SHAPE, 100.0)
    expected[1:4, 1:7, 1:8] = 20.0
    np.testing.assert_allclose(read.dose_gy, expected, atol=2e-5)

    record = read_record(out / "zones_5fx.dcm", "zones")
    assert record is not None
    structures = read_structures(record)
    assert [s.name for s in structures] == ["ReRT_max_20.5Gy", "ReRT_max_30Gy"]
    for structure in structures:
        assert slabs_of(structure, None, None, None).volume_cc == pytest.approx(28 * 24 * 15 / 1000)
    planes = {
        float(c.ContourData[2]): c.ContourImageSequence[0].ReferencedSOPInstanceUID
        for c in pydicom.dcmread(out / "zones_5fx.dcm").ROIContourSequence[0].ContourSequence
    }
    assert planes == {-15.0: "1.2.3.7.2.1", -10.0: "1.2.3.7.2.2", -5.0: "1.2.3.7.2.3"}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_fault(tmp_path: Path) -> None:
    study = {"StudyDate": "20220101", "StudyTime": "080000", "StudyID": "7"}
    run(write_case(tmp_path / "case", limits=SUM_64, **study), "--export", tmp_path / "out", *DAY)
    for name in ("remaining_5fx.dcm", "zones_5fx.dcm"):
        assert dciodvfy(tmp_path / "out" / name, tmp_path) == []


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Also from a zip, and when the files are added to a folder that is there."""
    folder = write_case(tmp_path / "case", limits=SUM_64)
    shutil.make_archive(str(tmp_path / "zipped"), "zip", folder)
    (tmp_path / "b").mkdir()
    for case, out in ((folder, "a"), (tmp_path / "zipped.zip", "b")):
        assert run(case, "--fractions", "3,1", "--export", tmp_path / out, "--json", tmp_path / f"{out}.json", *DAY).exit_code == 0
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["remaining_1fx.dcm", "remaining_3fx.dcm", "zones_1fx.dcm", "zones_3fx.dcm"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert "1 fraction, Gy" in pydicom.dcmread(tmp_path / "a" / "remaining_1fx.dcm").DoseComment


def test_without_ct_there_are_no_zones(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case", limits=SUM_64 + SUM_64.replace("D2cc", "Dmean").replace("rectum-sum", "rectum-mean"))
    for path in (folder / "c2").glob("*.dcm"):
        if pydicom.dcmread(path).Modality == "CT":
            path.unlink()
    shown = run(folder, "--export", tmp_path / "out", *DAY)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["remaining_5fx.dcm"]
    assert "(zones_not_written)" in shown.stdout
    assert "(remaining_left_out)" in shown.stdout
    assert "least 20.00 Gy" in shown.stdout


def test_map_of_deficits_unknown_dose_and_clauses(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10, dose={"Columns": 5, "PixelData": np.full((6, 9, 5), 3000, "<u4").tobytes()})
    write_course(folder / "c2", 2, 20, 5)
    ratio = SUM_30.replace("D2cc", "Dmax").replace("source:", "clauses: [{what: ratio, limit: 0.25}], source:")
    shown = run(write_case_file(folder, limits=ratio), "--export", tmp_path / "out", "--zones", "10", *DAY)
    assert shown.exit_code == 1
    told = " ".join(shown.stdout.split())
    assert "Rectum: least 0.00 Gy, clauses permit 9.00 Gy EQD2, DEFICIT of up to 6.00 Gy EQD2 in 5.76 cc, earlier dose unknown in 54 of 126 voxels" in told
    record = read_record(tmp_path / "out" / "remaining_5fx.dcm", "map")
    assert record is not None
    assert read_dose(record).dose_gy.min() == 0
    beyond = run(write_case_file(folder, limits=MANY.split("\n- ")[4].join(["\n- ", "\n"])), "--export", tmp_path / "none", *DAY)
    assert "zones_empty" in beyond.stdout
    assert [p.name for p in (tmp_path / "none").iterdir()] == ["remaining_5fx.dcm"]  # no organ has a limit: no zone at all


def test_organ_without_a_voxel(tmp_path: Path) -> None:
    """A structure beyond the dose grid of its own course."""
    folder = tmp_path / "case"
    for k, (gy, n) in enumerate(((30, 10), (20, 5)), 1):
        write_course(folder / f"c{k}", k, gy, n, rois=[("Rectum", stored_box(box=(60.0, 70.0, 15.0, 35.0)))])
    shown = run(write_case_file(folder, limits=SUM_64), "--export", tmp_path / "out", *DAY)
    assert "Rectum: no voxel on the grid" in shown.stdout
    assert "(remaining_outside_grid)" in shown.stdout


def test_names_cannot_forge_the_screen(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    for k, (gy, n) in enumerate(((30, 10), (20, 5)), 1):
        write_course(folder / f"c{k}", k, gy, n, rois=[("Rectum\x1b[2J[bold]", stored_box())])
    text = 'constraints: limits.yaml\nstructures: {"Rectum\\e[2J[bold]": rectum}'
    shown = run(write_case_file(folder, text, limits=SUM_64), "--export", tmp_path / "out", *DAY)
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "[bold]" in shown.stdout.replace("\n", "")


# ------------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fractions", "0"), "Fractions are whole numbers from 1 to 100"),
        (("--fractions", "1000"), "Fractions are whole numbers from 1 to 100"),
        (("--fractions", "9" * 5000), "Fractions are whole numbers from 1 to 100"),
        (("--fractions", "five"), "Fractions are whole numbers from 1 to 100"),
        (("--fractions", "5,"), "Fractions are whole numbers from 1 to 100"),
        (("--fractions", "2.5"), "Fractions are whole numbers from 1 to 100"),
        (("--fractions", "²"), "Fractions are whole numbers from 1 to 100"),
        (("--level", "strict"), "The level is one of: mandatory, all"),
        (("--date", "31.3.2026"), "the date is not a day"),
        (("--zones", "10,x", "--export", "{out}"), "Zones are doses in Gy above 0 and below 100"),
        (("--export", "{out}/deeper/still"), "The files cannot be written there"),
        (("--export", "{case}/case.yaml"), "The files cannot be written there"),
        (("--json", "{out}/deeper/x.json"), "the result cannot be written"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    folder, out = write_case(tmp_path / "case", limits=SUM_64), tmp_path / "out"
    done = run(folder, *(a.format(out=out, case=folder) for a in arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Refused: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("courses", "limits", "words"),
    [
        (COURSES.replace("kind: prior", "kind: proposed").replace("completed", "starts"), SUM_64, "The case has no earlier course"),
        (COURSES, ALONE, "None of the limits is for the sum of all courses"),
    ],
)
def test_nothing_to_calculate_is_refused(tmp_path: Path, courses: str, limits: str, words: str) -> None:
    done = run(write_case(tmp_path / "case", courses=courses, limits=limits), "--export", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_case_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere")
    assert (done.exit_code, done.stderr.startswith("Refused: ")) == (2, True)


def test_no_course_need_be_proposed(tmp_path: Path) -> None:
    """The new course is what the budget is for."""
    folder = write_case(tmp_path / "case", "constraints: limits.yaml\nreference: first", courses=PRIOR_ONLY, limits=SUM_64)
    assert "Not counted" not in run(folder, *DAY).stdout
    status, found = document(folder, "--export", tmp_path / "out")
    assert (status, found["courses_not_counted"], found["organs"][0]["remaining_eqd2_gy"]) == (0, [], pytest.approx(28, abs=2e-3))


def test_files_are_never_replaced(tmp_path: Path) -> None:
    folder, out = write_case(tmp_path / "case", limits=SUM_64), tmp_path / "out"
    out.mkdir()
    (out / "zones_5fx.dcm").write_bytes(b"mine")
    done = run(folder, "--export", out, *DAY)
    assert (done.exit_code, "holds a map or zones of these fractions already" in done.stderr) == (2, True)
    assert [p.name for p in out.iterdir()] == ["zones_5fx.dcm"]
    assert (out / "zones_5fx.dcm").read_bytes() == b"mine"


@pytest.mark.parametrize("is_there", [True, False])
def test_all_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    """A disk that fails at the second file, or at the new folder."""
    folder, out = write_case(tmp_path / "case", limits=SUM_64), tmp_path / "out"
    if is_there:
        out.mkdir()
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if "zones" in Path(target).name or Path(target) == out:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    done = run(folder, "--export", out, *DAY)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "could not be written to that folder (No space left on device)" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == (["case", "out"] if is_there else ["case"])
    assert not is_there or list(out.iterdir()) == []


def test_dose_of_protons_is_written_as_effective(tmp_path: Path) -> None:
    """What remains is a dose of photons; a planning system must not take it for the physical dose of protons."""
    folder = tmp_path / "case"
    write_course(folder / "c1", 1, 30, 10)
    write_course(folder / "c2", 2, 20, 5, plan={"radiation": "PROTON"})
    shown = run(write_case_file(folder, limits=SUM_64), "--export", tmp_path / "out", *DAY)
    assert "(budget_rbe)" in shown.stdout
    ds = pydicom.dcmread(tmp_path / "out" / "remaining_5fx.dcm")
    assert (ds.DoseType, ds.DoseComment) == ("EFFECTIVE", "Remaining dose in 5 fractions, Gy times RBE; 100 = no limit")


def test_every_table_as_a_file(tmp_path: Path) -> None:
    """64 - 36 = 28 Gy EQD2 at 3 Gy are left: in one fraction d (d + 3) = 140, d = 10.4267 Gy; in five 20 Gy."""
    import csv

    folder = write_case(tmp_path / "case", limits=SUM_64)
    done = run(folder, "--tables", tmp_path / "tables", "--export", tmp_path / "out", *DAY)
    assert done.exit_code == 0, done.stderr
    names = {"budget_limits", "budget_doses", "budget_maps", "budget_left_out", "budget_warnings"}
    assert {p.name for p in (tmp_path / "tables").iterdir()} == {f"{n}.{kind}" for n in names for kind in ("csv", "json", "parquet")}

    def rows(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader((tmp_path / "tables" / f"{name}.csv").read_text(encoding="utf-8").splitlines()))

    (left,) = rows("budget_limits")
    assert (left["structure"], left["state"], float(left["remaining_eqd2_gy"])) == ("Rectum", "remains", pytest.approx(28, abs=1e-3))
    doses = {int(r["fractions"]): float(r["dose_gy"]) for r in rows("budget_doses")}
    assert (doses[1], doses[5]) == (pytest.approx(10.4267, abs=1e-3), pytest.approx(20, abs=1e-3))
    assert [(r["structure"], r["limit_ids"]) for r in rows("budget_maps")] == [("Rectum", "rectum-sum")]


def test_tables_beside_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "budget_limits.csv").write_text("another")
    done = run(write_case(tmp_path / "case", limits=SUM_64), "--tables", tmp_path, *DAY)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "already holds other tables (budget_limits.csv)" in done.stderr


def test_a_map_is_never_written_among_the_files_of_a_course(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case", limits=SUM_64)
    done = run(folder, "--export", folder / "c1" / "sub", *DAY)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is one that the files of a course are read from" in done.stderr
    assert not (folder / "c1" / "sub").exists()


def test_the_map_belongs_to_no_plan_that_exists_but_the_earlier_ones(tmp_path: Path) -> None:
    folder, out = write_case(tmp_path / "case", limits=SUM_64), tmp_path / "out"
    run(folder, "--export", out, *DAY)
    plans = {item.ReferencedSOPInstanceUID for item in pydicom.dcmread(out / "remaining_5fx.dcm").ReferencedRTPlanSequence}
    earlier, proposed = (pydicom.dcmread(folder / c / "00.dcm").ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID for c in ("c1", "c2"))
    assert earlier in plans
    assert proposed not in plans
    assert len(plans) == 2


def test_what_concerns_the_proposed_course_alone_is_not_said(tmp_path: Path) -> None:
    """Two proposed courses, one on paper."""
    folder = write_case(
        tmp_path / "case",
        limits=SUM_64,
        courses="\n  - {name: first, kind: prior, dicom: c1, completed: 2021-01-01}\n  - {name: second, kind: proposed, dicom: c2, starts: 2022-01-01}\n"
        "  - {name: third, kind: proposed, starts: 2022-01-01, prescription: {dose_gy: 10, fractions: 1}}\n",
    )
    _, found = document(folder)
    assert {"several_proposed_courses", "course_on_paper"} & {w["code"] for w in found["warnings"]} == set()
