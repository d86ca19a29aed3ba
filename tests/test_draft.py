from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dicom_factory as dicom
import numpy as np
import pytest
from case_factory import stored_box, stored_dose, write_course
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from ruamel.yaml import YAML
from typer.testing import CliRunner

from reirrad.assessment import assess
from reirrad.casefile import read_case_file
from reirrad.cli import app
from reirrad.draft import CourseDraft, Draft, Link, PhaseDraft, propose
from reirrad.draftfile import checks, draft_text
from reirrad.drafttable import render_draft
from reirrad.errors import CaseFileError, DicomError
from reirrad.loading import load_case
from reirrad.structures import Structure
from reirrad.treatments import Treatment

ROIS = (("Rectum", stored_box()), ("opt_ring", stored_box()), ("Bladder", ()))


def export(folder: Path, number: int, gy: float, fractions: int | None, day: str, label: str, **more: Any) -> Path:
    """One course: its own study and structure set, with a plan of a date."""
    plan = {"RTPlanDate": day, "RTPlanLabel": label, **more.pop("plan", {})}
    return write_course(folder, number, gy, fractions, plan=plan, StudyInstanceUID=more.pop("study", f"1.2.3.8.{number}"), **more)


def two_courses(folder: Path, **more: Any) -> Path:
    """30 Gy in 10 of 2020, 20 Gy in 5 of 2021; the later one lies in the folder that sorts first."""
    export(folder / "z old", 1, 30, 10, "20200310", "CRT", **more)
    export(folder / "a new", 2, 20, 5, "20210601", "SBRT", **more)
    return folder


def flat(source: Path, target: Path) -> Path:
    """Every file of a tree in one folder, named by its UID."""
    target.mkdir()
    for path in sorted(source.rglob("*.dcm")):
        shutil.copy(path, target / str(dicom_uid(path)))
    return target


def dicom_uid(path: Path) -> str:
    import pydicom

    return str(pydicom.dcmread(path).SOPInstanceUID)


def written(folder: Path) -> Path:
    (folder / "case.yaml").write_text(draft_text(propose(folder)), encoding="utf-8")
    return folder


def eqd2_at_3(folder: Path) -> float:
    """Largest cumulative EQD2 of the rectum."""
    case, limits = load_case(folder)
    result = next(o for o in assess(case, limits).organs if o.name == "Rectum")
    assert result.alpha_beta_gy == 3
    return float(result.cumulative.values["max_gy"] or np.nan)


def data(draft: Draft) -> Any:
    return YAML(typ="safe", pure=True).load(draft_text(draft))


class TestTwoCourses:
    def test_a_tree_is_sorted_by_plan_date_and_computed_without_edits(self, tmp_path: Path) -> None:
        folder = written(two_courses(tmp_path))
        case = read_case_file(folder)
        assert [(c.name, c.kind, c.dicom, c.phases) for c in case.courses] == [("CRT 2020", "prior", "z old", None), ("SBRT 2021", "proposed", "a new", None)]
        assert (case.patient_id, case.reference, case.structures) == ("P1", "SBRT 2021", {"Rectum": "rectum"})
        # EQD2 at 3 Gy: 30 Gy in 10 is 36, 20 Gy in 5 is 28
        assert eqd2_at_3(folder) == pytest.approx(64, abs=1e-3)

    def test_one_folder_of_files_named_by_uid_gives_the_same(self, tmp_path: Path) -> None:
        folder = written(flat(two_courses(tmp_path / "tree"), tmp_path / "flat"))
        case = read_case_file(folder)
        assert [(c.dicom, [p.plan for p in c.phases or []]) for c in case.courses] == [(".", ["CRT"]), (".", ["SBRT"])]
        assert eqd2_at_3(folder) == pytest.approx(64, abs=1e-3)

    def test_plans_of_one_label_are_named_by_uid(self, tmp_path: Path) -> None:
        export(tmp_path / "tree" / "a", 1, 30, 10, "20200310", "Pelvis")
        export(tmp_path / "tree" / "b", 2, 20, 5, "20210601", "Pelvis")
        folder = written(flat(tmp_path / "tree", tmp_path / "flat"))
        assert [p.plan for c in read_case_file(folder).courses for p in c.phases or []] == ["1.2.3.1.5", "1.2.3.2.5"]
        assert eqd2_at_3(folder) == pytest.approx(64, abs=1e-3)

    @pytest.mark.hazard("H02")
    def test_dates_and_fractions_are_never_stated_as_facts(self, tmp_path: Path) -> None:
        text = draft_text(propose(two_courses(tmp_path)))
        assert "    # completed: 2020-03-10 <- date of the plan; the last day of treatment is not in DICOM, fill in\n" in text
        assert "    # starts: 2021-06-01 <- date of the plan; the first day of treatment is not in DICOM, fill in\n" in text
        assert "    # fractions: 10 <- used, as planned; state the number delivered if it differs\n" in text
        # taken over without thought, a guess is refused
        (tmp_path / "case.yaml").write_text(text.replace("# completed:", "completed:"), encoding="utf-8")
        with pytest.raises(CaseFileError, match="a date written YYYY-MM-DD"):
            read_case_file(tmp_path)

    def test_it_is_the_same_every_time_and_wherever_files_lie(self, tmp_path: Path) -> None:
        one = two_courses(tmp_path / "1" / "case")
        shutil.copytree(one, tmp_path / "2" / "case")
        assert draft_text(propose(one)) == draft_text(propose(tmp_path / "2" / "case"))

    def test_alpha_beta_and_limits_stand_with_their_source(self, tmp_path: Path) -> None:
        text = draft_text(propose(two_courses(tmp_path)))
        assert "\n#   rectum: 3  # ASTRO cervical cancer" in text
        assert "\nconstraints:\n  - pelvis  # CHECK: limits for rectum\n" in text
        assert "spine" not in text

    @pytest.mark.hazard("H14")
    def test_structures_without_an_organ_are_listed_as_comments(self, tmp_path: Path) -> None:
        observed = [dicom.dataset(ObservationNumber=k, ReferencedROINumber=k, RTROIInterpretedType=t) for k, t in enumerate(("", "", "", "PTV", "EXTERNAL"), 1)]
        rois = (*ROIS, ("Vagina", stored_box()), ("Body", stored_box()))
        draft = propose(two_courses(tmp_path, rois=rois, structures={"RTROIObservationsSequence": observed}))
        assert data(draft)["structures"] == {"Rectum": "rectum", "Bladder": "bladder"}
        text = draft_text(draft)
        assert "  Bladder: bladder  # CHECK: has no closed contour\n" in text
        assert "  # not matched, not evaluated:\n  #   opt_ring:\n  # targets:\n  #   Vagina:\n  # body outline:\n  #   Body:\n" in text

    @pytest.mark.hazard("H14")
    def test_two_structures_of_one_name_are_not_mapped(self, tmp_path: Path) -> None:
        draft = propose(two_courses(tmp_path, rois=(("Rectum", stored_box()), ("Rectum", stored_box()), ("Bladder", stored_box()))))
        assert data(draft)["structures"] == {"Bladder": "bladder"}
        assert "#   Rectum:  (this name stands for several structures)" in draft_text(draft)

    def test_nothing_matched_is_said(self, tmp_path: Path) -> None:
        draft = propose(two_courses(tmp_path, rois=(("thing", stored_box()),)))
        assert "structures" not in data(draft)
        assert "no structure of the reference course is matched to an organ by its name" in checks(draft)
        assert "# constraints: <- no set of the library" in draft_text(draft)


class TestMess:
    def test_copies_reports_and_other_files_do_no_harm(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        (tmp_path / "notes.txt").write_text("x")
        shutil.copy(tmp_path / "a new" / "00.dcm", tmp_path / "copy of dose.dcm")
        dicom.save(dicom.obj("1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.77"), tmp_path / "report.dcm")
        draft = propose(tmp_path)
        assert (draft.counts, draft.n_other) == ({"CT": 12, "RTDOSE": 2, "RTPLAN": 2, "RTSTRUCT": 2, "OTHER": 1}, 1)
        assert any("1 file(s) in . are identical copies" in c for c in checks(draft))
        assert eqd2_at_3(written(tmp_path)) == pytest.approx(64, abs=1e-3)

    @pytest.mark.hazard("H03")
    def test_objects_without_a_place_are_named_with_the_reason(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        dicom.save(dicom.plan("1.2.3.90", label="old"), tmp_path / "plan.dcm")
        dicom.save(dicom.structure_set("1.2.3.91"), tmp_path / "set.dcm")
        dicom.save(dicom.ct(0, tag=9, SeriesInstanceUID="1.2.3.92"), tmp_path / "ct.dcm")
        dicom.save(stored_dose("1.2.3.93", 1, None, summation="MULTI_PLAN"), tmp_path / "sum.dcm")
        histograms = dicom.dose("1.2.3.94", PixelData=None, DVHSequence=[dicom.dataset(DVHType="CUMULATIVE")])
        dicom.save(histograms, tmp_path / "dvh.dcm")
        twice = stored_dose("1.2.3.95", 1, "1.2.3.1.5")
        twice.ReferencedRTPlanSequence.append(dicom.dataset(ReferencedSOPInstanceUID="1.2.3.2.5"))
        dicom.save(twice, tmp_path / "two.dcm")
        draft = propose(tmp_path)
        assert {r.name: why for r, why in draft.unused} == {
            "plan.dcm": "no dose of this plan was found; if it was delivered, dose is missing",
            "set.dcm": "no plan with a dose refers to it",
            "ct.dcm": "no structure set of a course was drawn on it",
            "sum.dcm": "the sum of several plans, whose fractions are unknown (MULTI_PLAN)",
            "dvh.dcm": "dose-volume histograms only, no dose grid",
            "two.dcm": "refers to 2 plans, so its fractions are ambiguous; take it away",
        }
        assert "# not used: RTDOSE sum.dcm: the sum of several plans" in draft_text(draft)
        assert "# not used: 1 CT plane(s) such as ct.dcm" in draft_text(draft)
        assert sum(c.startswith("not used: RTDOSE") for c in checks(draft)) == 3

    def test_treatment_records_give_the_days(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        for k, (plan, day) in enumerate((("1.2.3.1.5", "20200401"), ("1.2.3.1.5", "20200414"), ("1.2.3.2.5", "20210620"), ("1.2.3.99", "20200101"))):
            record = dicom.obj(dicom.RECORD, f"1.2.3.96.{k}", TreatmentDate=day)
            record.ReferencedRTPlanSequence = [dicom.dataset(ReferencedSOPInstanceUID=plan)]
            dicom.save(record, tmp_path / f"record{k}.dcm")
        draft = propose(tmp_path)
        text = draft_text(draft)
        assert "# completed: 2020-04-14 <- used, from treatment records" in text
        assert "# starts: 2021-06-20 <- used, from treatment records" in text
        assert not any("not in DICOM" in c for c in checks(draft))
        assert [(r.name, why) for r, why in draft.unused] == [("record3.dcm", "of a plan without dose")]

    def test_a_dose_that_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        two_courses(tmp_path, dose={"DoseUnits": "CGY"})
        assert any("CRT 2020: cannot be read as it stands: " in c and "Dose Units" in c for c in checks(propose(tmp_path)))
        assert any("move 1.2.3" in c for c in checks(propose(flat(tmp_path, tmp_path.parent / f"{tmp_path.name}-flat"))))

    def test_the_structures_of_a_course_that_cannot_be_read_are_still_proposed(self, tmp_path: Path) -> None:
        assert data(propose(two_courses(tmp_path, dose={"DoseUnits": "CGY"})))["structures"] == {"Rectum": "rectum"}
        bad = [("Rectum", [dicom.contour(n_points=7)])]
        assert "<- the reference course has no readable structure set" in draft_text(propose(two_courses(tmp_path / "bad", rois=bad)))

    @pytest.mark.hazard("H03")
    def test_what_the_reader_would_take_besides_is_said(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        # the plan refers to a set that is not there: the reader takes the only one of the folder, which another plan refers to
        plan = {"ReferencedStructureSetSequence": [dicom.dataset(ReferencedSOPInstanceUID="1.2.3.404")]}
        export(tmp_path / "a new", 2, 20, 5, "20210601", "SBRT", rois=(), plan=plan)
        (tmp_path / "a new" / "02.dcm").unlink(missing_ok=True)
        shutil.copy(tmp_path / "z old" / "02.dcm", tmp_path / "a new" / "99.dcm")
        (tmp_path / "z old" / "02.dcm").unlink()
        said = checks(propose(tmp_path))
        assert any("SBRT 2021: also takes a new/99.dcm from its folder" in c for c in said)

    def test_a_folder_name_that_is_no_text_is_said(self, tmp_path: Path) -> None:
        export(tmp_path / "a\udcff", 1, 30, 10, "20200310", "CRT")
        export(tmp_path / "b", 2, 20, 5, "20210601", "SBRT")
        assert sum("which a case file cannot hold: rename it" in c for c in checks(propose(tmp_path))) == 1


class TestMissing:
    @pytest.mark.hazard("H02")
    def test_a_dose_without_its_plan_needs_fractions(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        (tmp_path / "z old" / "01.dcm").unlink()
        draft = propose(tmp_path)
        assert [c.name for c in draft.courses] == ["Course 1", "SBRT 2021"]
        assert "1 dose(s), z old/00.dcm, refer to a plan that is not here: fractions are unknown, add the plan or state them" in draft.courses[0].remarks
        assert "    # fractions: <- not in DICOM and needed: the number delivered\n" in draft_text(draft)
        assert "no plan date is known for Course 1: order and kind of the courses are a guess" in checks(draft)
        with pytest.raises(DicomError, match="number of fractions is unknown"):
            load_case(written(tmp_path))
        (tmp_path / "case.yaml").write_text(draft_text(draft).replace("# fractions: <- not in DICOM and needed: the number delivered", "fractions: 10"))
        assert eqd2_at_3(tmp_path) == pytest.approx(64, abs=1e-3)

    def test_a_dose_without_any_plan_in_a_shared_folder_must_be_moved(self, tmp_path: Path) -> None:
        two_courses(tmp_path / "tree")
        dicom.save(stored_dose("1.2.3.1.2", 30, None, StudyInstanceUID="1.2.3.8.1"), tmp_path / "tree" / "z old" / "00.dcm")
        said = checks(propose(flat(tmp_path / "tree", tmp_path / "flat")))
        assert any("move 1.2.3.1.2 into a folder of its own" in c for c in said)

    def test_without_structures_the_reference_is_left_to_a_person(self, tmp_path: Path) -> None:
        draft = propose(export(tmp_path, 2, 20, 5, "20210601", "SBRT", rois=()))
        assert "the reference course has no structures" in checks(draft)
        assert "no structure set belongs to it; the reference course needs one" in draft.courses[0].remarks
        assert draft.courses[0].records[-1].role == "CT"

    def test_a_plan_that_names_no_structure_set_gets_the_only_one(self, tmp_path: Path) -> None:
        two_courses(tmp_path, plan={"ReferencedStructureSetSequence": None})
        # both sets lie in the frame of both doses: neither is taken
        assert [any("no structure set belongs to it" in r for r in c.remarks) for c in propose(tmp_path).courses] == [True, True]
        only = export(tmp_path / "one", 3, 20, 5, "20210601", "SBRT", plan={"ReferencedStructureSetSequence": None})
        assert data(propose(only))["structures"] == {"Rectum": "rectum"}

    @pytest.mark.parametrize(
        ("prepare", "message"),
        [
            (lambda f: (f / "notes.txt").write_text("x"), r"no DICOM object \(1 other file"),
            (lambda f: dicom.save(dicom.plan(), f / "p.dcm"), "no RTDOSE with the dose of one plan"),
            (lambda f: f.rmdir(), "is not a folder"),
        ],
    )
    def test_nothing_to_propose(self, tmp_path: Path, prepare: Any, message: str) -> None:
        folder = tmp_path / "x"
        folder.mkdir()
        prepare(folder)
        with pytest.raises(DicomError, match=message):
            propose(folder)


class TestPatient:
    @pytest.mark.hazard("H10", "H37")
    def test_two_patients_are_refused_without_saying_who(self, tmp_path: Path) -> None:
        export(tmp_path / "a", 1, 30, 10, "20200310", "A", PatientID="SECRET-1")
        export(tmp_path / "b", 2, 20, 5, "20210601", "B", PatientID="SECRET-2")
        with pytest.raises(
            DicomError, match=r"objects of 2 patients, by their Patient ID: 9 object\(s\) such as a/00.dcm; 9 object\(s\) such as b/00.dcm"
        ) as caught:
            propose(tmp_path)
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize("identifier", ["", " ", "a\nb", "x" * 61])
    def test_an_identifier_that_is_missing_or_not_plain_is_not_written(self, tmp_path: Path, identifier: str) -> None:
        draft = propose(two_courses(tmp_path, PatientID=identifier))
        assert draft.patient_id is None
        assert "\n# patient_id: <- not every object carries the same plain Patient ID" in draft_text(draft)

    def test_an_object_without_identifier_takes_the_line_away(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        dicom.save(dicom.ct(0, tag=1, PatientID=None, ImagePositionPatient=[-250, -240, -20.0], SeriesInstanceUID="1.2.3.9.2"), tmp_path / "z old" / "03.dcm")
        assert "patient_id" not in data(propose(tmp_path))

    @pytest.mark.hazard("H10")
    def test_different_names_are_said(self, tmp_path: Path) -> None:
        export(tmp_path / "a", 1, 30, 10, "20200310", "A", PatientName="Doe^Jane")
        export(tmp_path / "b", 2, 20, 5, "20210601", "B", PatientName="Roe^Jane")
        said = checks(propose(tmp_path))
        assert any("The patient's name in b/00.dcm differs" in c for c in said)
        assert not any("Roe" in c for c in said)


class TestSeveralPlans:
    def together(self, folder: Path, second_day: str = "20210603", **more: Any) -> Path:
        export(folder / "a", 1, 30, 10, "20210601", "Phase A", study="1.2.3.8", **more)
        export(folder / "b", 2, 20, 5, second_day, "Phase B", study="1.2.3.8", **more)
        return folder

    @pytest.mark.hazard("H02")
    def test_how_they_were_given_is_asked_and_the_case_refused_until_then(self, tmp_path: Path) -> None:
        draft = propose(self.together(tmp_path))
        assert [(c.name, c.kind, c.dicom, len(c.treatments)) for c in draft.courses] == [("Phase B 2021", "proposed", ".", 2)]
        assert "Phase B 2021: 2 plans; say how they were given (phases)" in checks(draft)
        with pytest.raises(DicomError, match="holds doses of 2 plans"):
            load_case(written(tmp_path))

    def test_either_answer_only_needs_its_marks_taken_away(self, tmp_path: Path) -> None:
        text = draft_text(propose(self.together(tmp_path)))
        sequential, concurrent = text.split("    # one after the other:\n")[1].split("    # in the same sessions:\n")
        blocks = {"s": sequential, "c": "".join(line for line in concurrent.splitlines(keepends=True) if line.startswith("    #"))}
        eqd2 = {}
        for key, block in blocks.items():
            (tmp_path / "case.yaml").write_text(text.replace(block, block.replace("    #", "    "), 1))
            eqd2[key] = eqd2_at_3(tmp_path)
        # one after the other 36 + 28; in 5 sessions of 3 + 4 Gy and 5 of 3 Gy: 35 * 10 / 5 + 15 * 6 / 5
        assert eqd2 == {"s": pytest.approx(64, abs=1e-3), "c": pytest.approx(70 + 18, abs=1e-3)}

    def test_plans_made_long_apart_are_courses(self, tmp_path: Path) -> None:
        assert len(propose(self.together(tmp_path, "20210801")).courses) == 2

    def test_plans_of_one_structure_set_belong_together_in_any_study(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        same = {"ReferencedStructureSetSequence": [dicom.dataset(ReferencedSOPInstanceUID="1.2.3.2.3")]}
        export(tmp_path / "c", 3, 10, 5, "20210620", "Boost", rois=(), plan=same)
        assert [[t.title for t in c.treatments] for c in propose(tmp_path).courses] == [["CRT"], ["SBRT", "Boost"]]

    def test_a_plan_between_two_joins_them(self, tmp_path: Path) -> None:
        self.together(tmp_path, "20210910")  # 101 days after the first
        export(tmp_path / "c", 3, 10, 5, "20210720", "Phase C", study="1.2.3.8")
        assert [[t.title for t in c.treatments] for c in propose(tmp_path).courses] == [["Phase A", "Phase C", "Phase B"]]

    def test_another_frame_soon_after_may_be_the_same_course(self, tmp_path: Path) -> None:
        export(tmp_path / "a", 1, 30, 10, "20210601", "A")
        export(tmp_path / "b", 2, 20, 5, "20210615", "B", frame=dicom.OTHER_FRAME, ct_series="1.2.3.9.22")
        assert "B 2021: planned only 14 days after A 2021: a new plan for the same course?" in checks(propose(tmp_path))

    def test_the_same_day_leaves_the_kind_a_guess(self, tmp_path: Path) -> None:
        export(tmp_path / "a", 1, 30, 10, "20210601", "A")
        export(tmp_path / "b", 2, 20, 5, "20210601", "B")
        assert "A 2021 and B 2021 were planned on the same day: which one is proposed is a guess" in checks(propose(tmp_path))

    def test_a_dose_of_no_plan_among_them_must_be_moved(self, tmp_path: Path) -> None:
        self.together(tmp_path)
        dicom.save(stored_dose("1.2.3.9.9", 5, None, StudyInstanceUID="1.2.3.8"), tmp_path / "boost.dcm")
        text = draft_text(propose(tmp_path))
        assert "# plan 1: boost.dcm, unknown fractions, dated unknown\n" in text
        assert "# One of the doses refers to no plan: move it into a folder of its own and name the folder.\n" in text
        assert "#phases" not in text

    def test_names_stay_different(self, tmp_path: Path) -> None:
        for k, label in enumerate(("Pelvis 2021", "Pelvis", "Pelvis 2021 (2)", ""), 1):
            export(tmp_path / f"{k}", k, 10 + k, 5, "20210601", label, study=f"1.2.3.8.{k}")
        names = [c.name for c in propose(tmp_path).courses]
        assert sorted(names) == ["Course 1 2021", "Pelvis 2021", "Pelvis 2021 (2)", "Pelvis 2021 (2) (2)"]


class TestRadiation:
    def test_protons_are_stated_for_the_default_is_photons(self, tmp_path: Path) -> None:
        folder = export(tmp_path, 1, 30, 10, "20210601", "P", plan={"BeamSequence": [dicom.dataset(BeamNumber=k, RadiationType="PROTON") for k in (1, 2)]})
        draft = propose(folder)
        assert data(draft)["courses"][0]["radiation"] == "proton"
        assert "# rbe: 1.1 <- used, the default for PHYSICAL dose\n" in draft_text(draft)
        # 30 Gy times 1.1 in 10: 33 * 6.3 / 5
        assert eqd2_at_3(written(folder)) == pytest.approx(33 * 6.3 / 5, abs=1e-3)

    @pytest.mark.hazard("H16")
    def test_effective_dose_holds_its_rbe(self, tmp_path: Path) -> None:
        beams = [dicom.dataset(BeamNumber=k, RadiationType="PROTON") for k in (1, 2)]
        folder = export(tmp_path, 1, 30, 10, "20210601", "P", plan={"BeamSequence": beams}, dose={"DoseType": "EFFECTIVE"})
        assert "# rbe: <- not stated for EFFECTIVE dose, which holds it\n" in draft_text(propose(folder))
        assert eqd2_at_3(written(folder)) == pytest.approx(36, abs=1e-3)

    def test_electrons_need_no_rbe(self, tmp_path: Path) -> None:
        folder = export(tmp_path, 1, 30, 10, "20210601", "E", plan={"BeamSequence": [dicom.dataset(BeamNumber=k, RadiationType="ELECTRON") for k in (1, 2)]})
        text = draft_text(propose(folder))
        assert "    radiation: electron  # from the plan\n" in text
        assert "rbe:" not in text

    def test_an_unapproved_plan_is_questioned(self, tmp_path: Path) -> None:
        draft = propose(export(tmp_path, 1, 30, 10, "20210601", "P", plan={"ApprovalStatus": "UNAPPROVED"}))
        assert draft.courses[0].remarks == ("the plan P is UNAPPROVED: is it the one that was treated?",)


class TestRegistration:
    MOVE = np.array([[1.0, 0, 0, 3], [0, 1, 0, -2], [0, 0, 1, 5], [0, 0, 0, 1]])

    def frames(self, folder: Path) -> Path:
        export(folder / "a", 1, 30, 10, "20200310", "CRT", frame=dicom.OTHER_FRAME, ct_series="1.2.3.9.22")
        return export(folder / "b", 2, 20, 5, "20210601", "SBRT").parent

    def reg(self, folder: Path, name: str, source: str = dicom.OTHER_FRAME, uid: str = "1.2.3.66", **more: Any) -> None:
        dicom.save(dicom.registration([(source, [more.pop("matrix", self.MOVE)])], SOPInstanceUID=uid, **more), folder / name)

    def test_the_object_that_joins_the_frames_is_named(self, tmp_path: Path) -> None:
        self.reg(self.frames(tmp_path), "reg.dcm")
        self.reg(tmp_path, "other.dcm", source="1.2.3.300", uid="1.2.3.67")
        draft = propose(tmp_path)
        assert data(draft)["registration"] == [{"course": "CRT 2020", "method": "file", "file": "reg.dcm"}]
        assert [(r.name, why) for r, why in draft.unused] == [("other.dcm", "not named above")]
        case, _ = load_case(written(tmp_path))
        assert case.registration == ("file", "same_frame")

    @pytest.mark.hazard("H01")
    def test_without_one_the_draft_says_what_is_needed(self, tmp_path: Path) -> None:
        draft = propose(self.frames(tmp_path))
        assert "registration" not in data(draft)
        assert "# registration:\n#  - {course: CRT 2020, method: file, file: }\n# <- needed: no registration object joins the two frames" in draft_text(draft)
        with pytest.raises(CaseFileError, match="different DICOM frames of reference"):
            load_case(written(tmp_path))

    def test_two_are_a_choice(self, tmp_path: Path) -> None:
        self.reg(self.frames(tmp_path), "reg1.dcm")
        self.reg(tmp_path, "reg2.dcm", uid="1.2.3.67")
        assert propose(tmp_path).links[0].reason == "2 registration objects join the two frames: reg1.dcm, reg2.dcm; name the approved one"

    def test_one_that_cannot_be_used_is_said(self, tmp_path: Path) -> None:
        deformable = dicom.registration(
            [], sop_class=dicom.DEFORMABLE, DeformableRegistrationSequence=[dicom.dataset(SourceFrameOfReferenceUID=dicom.OTHER_FRAME)]
        )
        dicom.save(deformable, self.frames(tmp_path) / "reg.dcm")
        draft = propose(tmp_path)
        assert draft.links[0].file is None
        assert "reg.dcm does not link the frames of reference of the two courses" in draft.links[0].reason
        assert any("CRT 2020: no registration: The registration reg.dcm does not link" in c for c in checks(draft))


class TestHostileText:
    @pytest.mark.hazard("H39")
    @example(["a\nb: c", "d\x85- e", "f\u2028#", "g\r\n", "h\x1b[31m", "i\tj"], 2)
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=6, max_size=6), st.integers(1, 2))
    def test_no_text_gets_out_of_its_place(self, texts: list[str], n_plans: int) -> None:
        title, folder, name, roi, remark, plan = texts
        treatments = tuple(Treatment(plan, None, (SimpleNamespace(name=remark),)) for _ in range(n_plans))  # type: ignore[arg-type]
        course = CourseDraft(f"n{name}", "proposed", folder, treatments, (PhaseDraft(plan),) * n_plans, True, (), remarks=(remark,))
        structures = (Structure(roi, 1, ()), Structure("Rectum", 2, ()))
        loaded = data(Draft(title, remark, (course,), course, structures, (Link(name, folder),), (), {}, 0, (remark,)))
        phases = {"phases": [{"plan": plan}]} if n_plans == 1 else {}
        assert loaded["courses"] == [{"name": f"n{name}", "kind": "proposed", "dicom": folder} | phases]
        assert loaded["registration"] == [{"course": name, "method": "file", "file": folder}]
        assert (loaded["case"], loaded["patient_id"], loaded["reference"]) == (title, remark, f"n{name}")
        assert loaded["structures"]["Rectum"] == "rectum"
        assert set(loaded) == {"case", "patient_id", "courses", "reference", "registration", "structures", "constraints"}

    @pytest.mark.hazard("H28")
    def test_a_label_made_to_look_like_yaml_stays_a_label(self, tmp_path: Path) -> None:
        label = 'x"]}: - #e: {'
        folder = written(flat(export(tmp_path / "t", 1, 30, 10, "20210601", label).parent, tmp_path / "flat"))
        case = read_case_file(folder)
        assert [c.name for c in case.courses] == ['x"]}: - #e: { 2021']


class TestCommand:
    def run(self, *arguments: object) -> Any:
        return CliRunner().invoke(app, ["draft", *map(str, arguments)])

    @pytest.mark.hazard("H37")
    def test_it_writes_the_file_and_a_summary_without_the_identifier(self, tmp_path: Path) -> None:
        result = self.run(two_courses(tmp_path, PatientID="SECRET"))
        assert result.exit_code == 0
        assert "patient_id: SECRET" in (tmp_path / "case.yaml").read_text()
        assert "SECRET" not in result.output
        assert "CRT 2020    prior?      2020-03-10   CRT: 10" in result.stdout
        assert "! CRT 2020: last day of treatment is not in DICOM" in result.stdout

    @pytest.mark.hazard("H34")
    def test_it_does_not_replace_a_file_unless_told(self, tmp_path: Path) -> None:
        two_courses(tmp_path)
        (tmp_path / "case.yaml").write_text("mine")
        assert self.run(tmp_path).exit_code == 2
        assert (tmp_path / "case.yaml").read_text() == "mine"
        assert self.run(tmp_path, "--force").exit_code == 0
        assert (tmp_path / "case.yaml").read_text().startswith("# Draft")

    @pytest.mark.hazard("H37")
    def test_standard_output_holds_the_file_alone_and_no_identifier(self, tmp_path: Path) -> None:
        result = self.run(two_courses(tmp_path, PatientID="SECRET"), "--out", "-")
        assert YAML(typ="safe", pure=True).load(result.stdout)["reference"] == "SBRT 2021"
        assert "SECRET" not in result.output
        assert not (tmp_path / "case.yaml").exists()

    def test_a_file_above_the_folder_gets_longer_paths(self, tmp_path: Path) -> None:
        two_courses(tmp_path / "export")
        assert self.run(tmp_path / "export", "--out", tmp_path / "case.yaml").exit_code == 0
        assert [c.dicom for c in read_case_file(tmp_path).courses] == ["export/z old", "export/a new"]
        assert eqd2_at_3(tmp_path) == pytest.approx(64, abs=1e-3)

    @pytest.mark.hazard("H38")
    def test_a_file_elsewhere_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        result = self.run(two_courses(tmp_path / "export"), "--out", tmp_path / "other" / "case.yaml")
        assert (result.exit_code, "must lie in the folder or above it" in result.stderr) == (2, True)

    def test_refusals_are_one_sentence_and_leave_nothing(self, tmp_path: Path) -> None:
        result = self.run(tmp_path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Refused: The folder holds no DICOM object")
        assert list(tmp_path.iterdir()) == []

    def test_registration_and_other_files_are_counted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        TestRegistration().reg(TestRegistration().frames(tmp_path), "reg.dcm")
        (tmp_path / "notes.txt").write_text("x")
        render_draft(propose(tmp_path), Console(width=150))
        out = capsys.readouterr().out
        assert "registration" in out
        assert "1 file(s) are no DICOM objects." in out


class TestRealExports:
    @pytest.mark.parametrize("name", ["dicompyler-core", "eclipse_prostate"])
    def test_they_run_without_edits(self, reference_data: Path, tmp_path: Path, name: str) -> None:
        folder = tmp_path / name
        shutil.copytree(reference_data / name, folder)
        folder.chmod(0o755)
        result = CliRunner().invoke(app, ["draft", str(folder)])
        assert result.exit_code == 0
        result = CliRunner().invoke(app, ["check", str(folder), "--json", "-"])
        organs = {"dicompyler-core": ["Heart", "Lt Lung"], "eclipse_prostate": ["Bladder", "Femoral Head Lt", "Femoral Head RT", "Rectum"]}
        assert sorted(s["name"] for s in json.loads(result.stdout)["structures"]) == organs[name]
