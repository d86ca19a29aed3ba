from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_factory import COURSES, GRID_SHAPE, LIMITS, grid, stored_box, write_case, write_case_file, write_course
from dicom_factory import FRAME, OTHER_FRAME, dataset, registration, save
from registration_factory import constant, deformable, deformable_item, grid_item

from reirrad.assessment import LimitChoice, assess
from reirrad.constraints import load_set, set_names
from reirrad.course import Case
from reirrad.displayalphabeta import DisplayAlphaBeta
from reirrad.effect import Growth
from reirrad.errors import CaseFileError, DicomError, LimitFileError, Notice, ReirradError
from reirrad.loading import load_case
from reirrad.tumour import Tumour

OWN = "constraints: limits.yaml\n"


def loaded(folder: Path) -> tuple[Case, LimitChoice]:
    return load_case(folder)


def said(case: Case, code: str) -> list[Notice]:
    return [n for n in case.notices if n.code == code]


def refusal(folder: Path, kind: type[ReirradError] = CaseFileError) -> str:
    with pytest.raises(kind) as caught:
        load_case(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


# ------------------------------------------------------------------------------------------------------- the whole


def test_case_of_two_courses(tmp_path: Path) -> None:
    told: list[str] = []
    case, limits = load_case(write_case(tmp_path / "a"), told.append)
    assert [(c.name, c.kind, c.fractions) for c in case.courses] == [("first", "prior", 10), ("second", "proposed", 5)]
    assert [p.prescription_gy for c in case.courses for p in c.phases] == [30.0, 20.0]
    assert (case.name, case.reference, case.proposed, case.interval_days, case.interpolation) == ("two", 1, 1, 365, "cubic")
    assert (case.transforms, case.registration) == ((None, None), ("same_frame", "same_frame"))
    assert [(s.name, key) for s, key in case.organs] == [("Rectum", "rectum")]
    assert ([limit.id for limit in limits.limits], limits.from_file, limits.sets) == (["rectum-sum"], {"rectum-sum"}, ("limits.yaml",))
    assert case.notices == ()
    assert told == ["reading course first", "reading course second", "registration of course first", "registration of course second"]


def test_what_the_case_file_states_is_taken(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, OWN + "reference: first\ninterpolation: linear\nalpha_beta_gy: {rectum: 5}"))
    assert (case.reference, case.interpolation, case.alpha_beta_gy, case.proposed) == (0, "linear", {"rectum": 5.0}, 1)


def test_a_stated_prescription_stands(tmp_path: Path) -> None:
    folder = write_case(tmp_path)
    text = (folder / "case.yaml").read_text()
    (folder / "case.yaml").write_text(text.replace("kind: proposed", "kind: proposed, prescription_gy: 19"))
    case, _ = loaded(folder)
    assert [c.prescription_gy for c in case.courses] == [30.0, 19.0]
    assert [n.message for n in said(case, "prescription_stated")] == [
        'The plans of "second" prescribe 20 Gy, the case file 19 Gy; the case file stands. It changes no dose.'
    ]
    (folder / "case.yaml").write_text(text.replace("kind: proposed", "kind: proposed, prescription_gy: 20"))
    assert said(loaded(folder)[0], "prescription_stated") == []


# ------------------------------------------------------------------------------------------------------- limits


def test_every_set_is_used_when_none_is_named(tmp_path: Path) -> None:
    case, limits = loaded(write_case(tmp_path, ""))
    assert limits.sets == set_names()
    assert {limit.id for limit in limits.limits} == {limit.id for name in set_names() for limit in load_set(name)}
    assert limits.from_file == frozenset()
    assert [n.message for n in said(case, "constraints_default")] == [
        f"The case file names no constraints; every library set is used: {', '.join(set_names())}."
    ]


def test_sets_and_files_together(tmp_path: Path) -> None:
    _, limits = loaded(write_case(tmp_path, "constraints: [spine, limits.yaml]"))
    assert limits.sets == ("spine", "limits.yaml")
    assert limits.from_file == {"rectum-sum"}
    assert len(limits.limits) == len(load_set("spine")) + 1


@pytest.mark.hazard("H17")
def test_one_id_for_two_limits_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path, "constraints: [limits.yaml, more.yaml]")
    (folder / "more.yaml").write_text(LIMITS, encoding="utf-8")
    assert len(loaded(folder)[1].limits) == 1  # twice the same is no contradiction
    (folder / "more.yaml").write_text(LIMITS.replace("80", "90"), encoding="utf-8")
    assert refusal(folder) == 'case.yaml:5: constraints: two different limits have the id "rectum-sum"; rename one of them.'


def test_unknown_set_is_refused(tmp_path: Path) -> None:
    assert "pelvi" in refusal(write_case(tmp_path, "constraints: pelvi"), LimitFileError)


@pytest.mark.hazard("H06")
@pytest.mark.parametrize(
    ("limit_alpha_beta", "text", "differs"),
    [("2", "", True), ("3", "", False), ("2", "alpha_beta_gy: {rectum: 2}", False), ("3", "alpha_beta_gy: {rectum: 2}", True)],
)
def test_limit_with_another_alpha_beta_than_its_organ_is_named(tmp_path: Path, limit_alpha_beta: str, text: str, differs: bool) -> None:
    case, _ = loaded(write_case(tmp_path, OWN + text, limits=LIMITS.replace("alpha_beta_gy: 3", f"alpha_beta_gy: {limit_alpha_beta}")))
    found = said(case, "limit_alpha_beta_differs")
    assert len(found) == differs
    if differs and not text:
        assert found[0].message == (
            "Limit rectum-sum is defined at alpha/beta 2 Gy, the organ rectum is computed with 3 Gy here; the limit is evaluated at its own 2 Gy."
        )


def test_limit_of_physical_dose_has_no_alpha_beta_to_differ(tmp_path: Path) -> None:
    physical = LIMITS.replace("EQD2, alpha_beta_gy: 3", "physical").replace("cumulative", "course")
    case, _ = loaded(write_case(tmp_path, limits=physical))
    assert said(case, "limit_alpha_beta_differs") == []


# ------------------------------------------------------------------------------------------------------- one patient, one dose each


@pytest.mark.hazard("H03")
def test_same_dose_in_two_courses_is_refused(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 20, 10)
    write_course(tmp_path / "c2", 2, 20, 5)
    assert refusal(write_case_file(tmp_path), DicomError).startswith('Courses "first" and "second" hold the same dose, which would count twice.')


@pytest.mark.hazard("H03")
def test_same_dose_on_another_grid_is_not_the_same_dose(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, np.full((7, 9, 10), 20.0), 10, dose={"shape": (7, 9, 10)})
    write_course(tmp_path / "c2", 2, 20, 5)
    assert len(loaded(write_case_file(tmp_path))[0].courses) == 2


@pytest.mark.hazard("H10", "H37")
def test_two_patients_are_refused(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10, PatientID="A7")
    write_course(tmp_path / "c2", 2, 20, 5, PatientID="B8")
    message = refusal(write_case_file(tmp_path), DicomError)
    assert message.startswith('Courses "first" and "second" carry different Patient IDs: they are of two patients')
    assert "A7" not in message
    assert "B8" not in message


@pytest.mark.hazard("H10", "H37")
def test_another_name_of_the_patient_is_said_without_saying_it(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10, PatientName="Roe^Jane")
    write_course(tmp_path / "c2", 2, 20, 5, PatientName="Doe^Jane")
    case, _ = loaded(write_case_file(tmp_path))
    (notice,) = said(case, "patient_identity_differs")
    assert notice.message == 'The patient\'s name in course "second" differs from that in course "first". Check that both belong to the same patient.'
    assert notice.course is None


@pytest.mark.hazard("H10", "H37")
def test_two_differences_are_another_patient_whatever_the_identifier(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10, PatientName="Roe^Jane", PatientSex="F")
    write_course(tmp_path / "c2", 2, 20, 5, PatientName="Doe^John", PatientSex="M")
    message = refusal(write_case_file(tmp_path), DicomError)
    assert message.startswith('Courses "first" and "second" differ in two or more of the name, date of birth and sex of the patient')
    assert "Roe" not in message
    assert "Doe" not in message


@pytest.mark.hazard("H10")
def test_courses_without_patient_id_are_computed_and_said(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, PatientID=""))
    assert len(said(case, "patient_id_missing")) == 1


@pytest.mark.hazard("H10")
def test_stated_patient_id_must_be_carried(tmp_path: Path) -> None:
    assert loaded(write_case(tmp_path / "a", OWN + "patient_id: P1"))[0].name == "two"
    assert "another Patient ID than the case file states" in refusal(write_case(tmp_path / "b", OWN + "patient_id: P2"), DicomError)


# ------------------------------------------------------------------------------------------------------- frames of reference

MOVED = np.eye(4)
MOVED[:3, 3] = 12, -7, 9


def in_two_frames(folder: Path, text: str = "", **more: Any) -> Path:
    """The first course in another frame; its dose there rises as x + 20 Gy."""
    write_course(folder / "c1", 1, np.broadcast_to(grid().u_mm + 20, GRID_SHAPE), 10, frame=OTHER_FRAME, **more)
    write_course(folder / "c2", 2, 20, 5, **more)
    return write_case_file(folder, OWN + text)


BY_FILE = "registration: [{course: first, method: file, file: reg.dcm}]"


@pytest.mark.hazard("H01")
def test_different_frames_without_registration_are_refused(tmp_path: Path) -> None:
    message = refusal(in_two_frames(tmp_path))
    assert message.startswith('Courses "first" and "second" are in different DICOM frames of reference, and the case file has no registration for them')
    assert 'name it under registration: in the case file, as {course: "first", method: file, file: reg.dcm}; or state method: auto' in message


@pytest.mark.hazard("H01")
def test_identity_is_taken_as_stated_and_said(tmp_path: Path) -> None:
    case, _ = loaded(in_two_frames(tmp_path, "registration: [{course: first, method: identity}]"))
    assert (case.transforms, case.registration) == ((None, None), ("identity", "same_frame"))
    (notice,) = said(case, "registration_identity")
    assert (notice.course, notice.message[:74]) == ("first", 'Course "first" has another frame of reference than the reference course; t')


def test_identity_of_one_frame_needs_no_word(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, OWN + "registration: [{course: first, method: identity}]"))
    assert (case.registration, case.notices) == (("same_frame", "same_frame"), ())


@pytest.mark.hazard("H12")
@pytest.mark.parametrize(
    ("source", "target", "origin"),
    [
        (OTHER_FRAME, FRAME, (-12, 7, -9)),  # the object moves the prior course by (12, -7, 9) mm: the way there goes back
        (FRAME, OTHER_FRAME, (12, -7, 9)),
    ],
)
def test_registration_file_in_both_directions(tmp_path: Path, source: str, target: str, origin: tuple[float, ...]) -> None:
    folder = in_two_frames(tmp_path, BY_FILE)
    save(registration([(source, [MOVED])], target), folder / "reg.dcm")
    case, _ = loaded(folder)
    first, second = case.transforms
    assert first is not None
    assert second is None
    assert first(np.zeros(3)) == pytest.approx(origin)
    assert case.registration == ("file", "same_frame")


@pytest.mark.hazard("H12")
def test_dose_is_read_through_the_registration(tmp_path: Path) -> None:
    """The box spans x -5 .. 20 mm; 8 mm further in the frame of the first course, where D = x + 20 Gy: mean 7.5 + 8 + 20 = 35.5, largest 48 Gy."""
    shift = np.eye(4)
    shift[0, 3] = 8
    folder = in_two_frames(tmp_path, BY_FILE)
    save(registration([(FRAME, [shift])], OTHER_FRAME), folder / "reg.dcm")
    case, limits = loaded(folder)
    found = assess(case, limits).organs[0].physical[0].values
    assert found["mean_gy"] == pytest.approx(35.5, abs=0.05)
    assert found["max_gy"] == pytest.approx(48, abs=1e-3)


@pytest.mark.hazard("H12")
def test_registration_of_other_frames_is_refused(tmp_path: Path) -> None:
    folder = in_two_frames(tmp_path, BY_FILE)
    save(registration([("1.2.3.300", [MOVED])], FRAME), folder / "reg.dcm")
    assert refusal(folder, DicomError).startswith("The registration reg.dcm does not link the frames of reference of the two courses, ")


@pytest.mark.hazard("H12")
def test_registration_of_another_patient_is_refused(tmp_path: Path) -> None:
    folder = in_two_frames(tmp_path, BY_FILE)
    save(registration([(OTHER_FRAME, [MOVED])], FRAME, PatientID="P2"), folder / "reg.dcm")
    assert "another Patient ID" in refusal(folder, DicomError)


@pytest.mark.hazard("H12")
def test_registration_file_within_one_frame_is_not_applied_and_said(tmp_path: Path) -> None:
    folder = write_case(tmp_path, OWN + BY_FILE.replace("reg.dcm", "sub/reg.dcm"))
    save(registration([(FRAME, [MOVED])], FRAME), folder / "sub/reg.dcm")
    case, _ = loaded(folder)
    assert (case.transforms, case.registration) == ((None, None), ("same_frame", "same_frame"))
    assert [n.message for n in said(case, "registration_not_needed")] == [
        'Course "first" is in the reference frame already; the registration is not applied to it.'
    ]


@pytest.mark.hazard("H01")
def test_one_frame_but_another_ct_series_is_said(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10, ct_series="1.2.3.9.77")
    write_course(tmp_path / "c2", 2, 20, 5)
    case, _ = loaded(write_case_file(tmp_path))
    assert [n.course for n in said(case, "same_frame_other_ct")] == ["first"]


# ------------------------------------------------------------------------------------------------------- structures


def types(*kinds: str) -> dict[str, Any]:
    return {"RTROIObservationsSequence": [dataset(ObservationNumber=k, ReferencedROINumber=k, RTROIInterpretedType=kind) for k, kind in enumerate(kinds, 1)]}


@pytest.mark.hazard("H14")
def test_structures_become_organs_by_name_but_targets_never_do(tmp_path: Path) -> None:
    rois = [("RECTUM", stored_box()), ("bladder", stored_box()), ("BODY", stored_box()), ("Ring", stored_box()), ("Rectum_old", ())]
    case, _ = loaded(write_case(tmp_path, rois=rois, structures=types("ORGAN", "PTV", "EXTERNAL", "AVOIDANCE", "ORGAN")))
    assert [(s.name, key) for s, key in case.organs] == [("RECTUM", "rectum")]
    assert [n.message for n in said(case, "structure_unmatched")] == [
        "Structures without an organ, by their name or in the case file, are not evaluated: Ring, Rectum_old."
    ]
    assert said(case, "structure_matched_by_name") == []


@pytest.mark.hazard("H14")
def test_case_file_may_map_any_structure(tmp_path: Path) -> None:
    rois = [("CTV\u202e", stored_box()), ("Rectum", stored_box())]
    case, _ = loaded(write_case(tmp_path, OWN + 'structures: {"CTV\\u202e": bladder}', rois=rois, structures=types("CTV", "ORGAN")))
    assert [(s.name, key) for s, key in case.organs] == [("CTV\u202e", "bladder"), ("Rectum", "rectum")]
    (notice,) = said(case, "structure_matched_by_name")
    assert notice.message.endswith("so that limits of these organs apply: Rectum (rectum).")


def test_many_unmatched_structures_are_counted(tmp_path: Path) -> None:
    rois = [("Rectum", stored_box()), *((f"zz{k}", ()) for k in range(22))]
    case, _ = loaded(write_case(tmp_path, rois=rois))
    (notice,) = said(case, "structure_unmatched")
    assert notice.message.endswith("zz18, zz19 and 2 more.")


@pytest.mark.hazard("H14")
def test_mapped_structure_that_is_not_there(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, OWN + "structures: {rectum_x: sigmoid, Rectum: rectum}", rois=[("Rectum", stored_box()), ("Rectum_X", ())]))
    assert case.missing == (("rectum_x", "sigmoid"),)
    (notice,) = said(case, "structure_absent")
    assert (notice.course, notice.structure) == ("second", "rectum_x")
    assert notice.message.startswith('The case file maps structure "rectum_x" to sigmoid, but the reference course has no structure of that name')
    assert "Rectum_X" in notice.message


@pytest.mark.hazard("H14")
def test_two_structures_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path, rois=[("Rectum", stored_box()), ("Rectum", stored_box(planes=(-10.0,)))])
    assert 'two structures named "Rectum"' in refusal(folder, DicomError)


def test_two_structures_of_one_name_that_are_no_organ_do_no_harm(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, rois=[("Rectum", stored_box()), ("help", ()), ("help", ())]))
    assert len(case.organs) == 1


def test_no_structure_set_is_refused(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c2", 2, 20, 5, rois=())
    message = refusal(write_case_file(tmp_path), DicomError)
    assert message.startswith('The reference course "second" has no structure set (RTSTRUCT).')


def test_no_organ_at_all_is_refused(tmp_path: Path) -> None:
    message = refusal(write_case(tmp_path, rois=[("Ring", stored_box())]))
    assert message.startswith("None of the structures of the reference course stands for an organ")


# ------------------------------------------------------------------------------------------------------- courses and dates

PRIOR, PROPOSED = "{name: first, kind: prior, dicom: c1, completed: 2021-01-01}", "{name: second, kind: proposed, dicom: c2, starts: 2022-01-01}"


def test_one_course_is_said_to_be_alone(tmp_path: Path) -> None:
    write_course(tmp_path / "c2", 2, 20, 5)
    case, _ = loaded(write_case_file(tmp_path, courses=f"\n  - {PROPOSED}\n"))
    assert [n.code for n in case.notices] == ["single_course"]


def test_no_proposed_course_is_said(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, courses=f"\n  - {PRIOR}\n  - {PROPOSED.replace('proposed', 'prior').replace('starts', 'completed')}\n"))
    assert [n.message for n in case.notices] == ['No course is proposed; the structures of "second" are used, and limits of one course are not evaluable.']


@pytest.mark.hazard("H24")
@pytest.mark.parametrize(
    ("starts", "code", "words"),
    [
        ("2021-07-03", None, ""),  # 183 days
        ("2021-07-02", "interval_short", "Only 182 day(s) lie between"),
        ("2021-01-01", "interval_short", "Only 0 day(s) lie between"),
        ("2020-12-31", "interval_negative", "The proposed course starts 1 day(s) before a prior course was completed"),
        ("2020-12-01", "interval_negative", "The proposed course starts 31 day(s) before a prior course was completed"),
    ],
)
def test_interval(tmp_path: Path, starts: str, code: str | None, words: str) -> None:
    case, _ = loaded(write_case(tmp_path, courses=COURSES.replace("2022-01-01", starts)))
    assert [n.code for n in case.notices] == ([] if code is None else [code])
    assert all(n.message.startswith(words) for n in case.notices)


@pytest.mark.hazard("H24")
def test_interval_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    message = refusal(write_case(tmp_path, courses=COURSES.replace("2022-01-01", "2020-11-30")))
    assert message.startswith("The proposed course starts 32 day(s) before a prior course was completed")


@pytest.mark.hazard("H24")
def test_unknown_interval_is_said(tmp_path: Path) -> None:
    case, _ = loaded(write_case(tmp_path, courses=COURSES.replace(", completed: 2021-01-01", "")))
    assert [n.code for n in case.notices] == ["interval_unknown"]


# ------------------------------------------------------------------------------------------------------- radiation


@pytest.mark.hazard("H16")
def test_radiation_is_that_of_the_plan_unless_stated(tmp_path: Path) -> None:
    """A physical proton dose of 30 Gy counts 1.1 times: 33 Gy."""
    write_course(tmp_path / "c1", 1, 30, 10, plan={"radiation": "PROTON"})
    write_course(tmp_path / "c2", 2, 20, 5, plan={"radiation": "ELECTRON"})
    case, _ = loaded(write_case_file(tmp_path))
    assert [c.radiation for c in case.courses] == ["proton", "electron"]
    assert case.courses[0].dose_max_gy() == pytest.approx(33, rel=1e-6)


@pytest.mark.hazard("H16")
def test_stated_radiation_that_contradicts_the_plan_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path, courses=COURSES.replace("dicom: c1", "dicom: c1, radiation: proton"))
    assert "states radiation: proton, but its plan gives photon" in refusal(folder, DicomError)


@pytest.mark.hazard("H03")
def test_one_plan_in_two_courses_is_refused(tmp_path: Path) -> None:
    """The dose was exported again, in other units, so the voxels differ; the plan is the same."""
    write_course(tmp_path / "c1", 1, 20, 5)
    write_course(tmp_path / "c2", 1, 20.01, 5)
    assert 'Courses "first" and "second" hold dose of the same plan' in refusal(write_case_file(tmp_path), DicomError)


# ------------------------------------------------------------------------------------------------------- several files, deformable fields, no registration


@pytest.mark.hazard("H12")
def test_chain_of_two_files_in_any_order(tmp_path: Path) -> None:
    """By way of a third frame: shifts of (12, -7, 9) and (1, 2, 3) mm add up."""
    third = "1.2.3.300"
    more = np.eye(4)
    more[:3, 3] = 1, 2, 3
    for order in ("[a.dcm, b.dcm]", "[b.dcm, a.dcm]"):
        folder = in_two_frames(tmp_path / order[1], f"registration: [{{course: first, method: file, file: {order}}}]")
        save(registration([(FRAME, [MOVED])], third, SOPInstanceUID="1.2.3.66"), folder / "a.dcm")
        save(registration([(third, [more])], OTHER_FRAME, SOPInstanceUID="1.2.3.67"), folder / "b.dcm")
        case, _ = loaded(folder)
        assert case.transforms[0] is not None
        assert case.transforms[0](np.zeros(3)) == pytest.approx((13, -5, 12))
        assert case.registration_details[0].startswith("rigid")


@pytest.mark.hazard("H12")
def test_dose_is_read_through_a_deformable_field(tmp_path: Path) -> None:
    """A field that moves everything by 8 mm along x reads what a shift of 8 mm reads: mean 35.5 Gy (see above); beyond the field nothing is known."""
    folder = in_two_frames(tmp_path, BY_FILE)
    save(deformable(deformable_item(OTHER_FRAME, grid_item(constant(8, 0, 0)))), folder / "reg.dcm")
    case, limits = loaded(folder)
    found = assess(case, limits).organs[0]
    known = found.physical[0].values["mean_gy"] if found.physical[0].values["mean_gy"] is not None else found.physical[0].lower_bounds["mean_gy"]
    assert found.physical[0].values["max_gy"] is None or found.physical[0].values["max_gy"] == pytest.approx(48, abs=0.05)
    assert known <= 35.6
    assert case.registration == ("file", "same_frame")


@pytest.mark.hazard("H17")
def test_without_registration_near_maxima_of_own_structures_add_up(tmp_path: Path) -> None:
    """In its own frame the first course rises as x + 20 Gy over its rectum, x -5 .. 20: 40 Gy at most in 10 (56 Gy EQD2 at 3); 20 in 5 now: 28 Gy."""
    folder = in_two_frames(tmp_path, "registration: [{course: first, method: none}]")
    case, limits = loaded(folder)
    assert (case.registration, case.unregistered) == (("none", "same_frame"), (0,))
    assert said(case, "registration_none")
    found = assess(case, limits)
    organ = found.organs[0]
    assert organ.physical[0].values["max_gy"] == pytest.approx(40, abs=1e-3)
    assert organ.physical[0].values["mean_gy"] == pytest.approx(27.5, abs=0.05)
    assert organ.cumulative.values["max_gy"] == pytest.approx(40 * 7 / 5 + 28, abs=1e-2)
    assert organ.cumulative.values["mean_gy"] is None
    assert (found.findings[0].bound, "read on its own structure" in str(found.findings[0].reason)) == ("upper", True)
    assert organ.matches[0].dice is None


@pytest.mark.hazard("H12")
def test_registration_is_judged_by_the_structures(tmp_path: Path) -> None:
    """Both rectums lie alike in their own frames; 12 mm beside each other after the registration, about half of 25 mm overlaps."""
    shift = np.eye(4)
    shift[0, 3] = 12
    folder = in_two_frames(tmp_path, BY_FILE)
    save(registration([(FRAME, [shift])], OTHER_FRAME), folder / "reg.dcm")
    found = assess(*loaded(folder))
    match = found.organs[0].matches[0]
    assert match.dice == pytest.approx(13 / 25, abs=0.02)
    assert match.centre_distance_mm == pytest.approx(12, abs=0.1)
    assert [n.course for n in found.notices if n.code == "structure_match_poor"] == ["first"]


@pytest.mark.hazard("H12")
def test_sum_that_no_course_can_have_made_is_an_alarm(tmp_path: Path) -> None:
    """In its own rectum the first course has 40 Gy at most (56 Gy EQD2); 8 mm further, where today's is put, 48 Gy (75 Gy): 103 above 56 + 28."""
    shift = np.eye(4)
    shift[0, 3] = 8
    folder = in_two_frames(tmp_path, BY_FILE)
    save(registration([(FRAME, [shift])], OTHER_FRAME), folder / "reg.dcm")
    found = assess(*loaded(folder))
    (notice,) = [n for n in found.notices if n.code == "cumulative_above_own_maxima"]
    assert notice.structure == "Rectum"
    save(registration([(FRAME, [np.eye(4)])], OTHER_FRAME), folder / "reg.dcm")
    assert not [n for n in assess(*loaded(folder)).notices if n.code in ("cumulative_above_own_maxima", "structure_match_poor")]


def test_structures_go_with_an_automatic_registration_only(tmp_path: Path) -> None:
    text = "registration: [{course: first, method: none, structures: [Rectum]}]"
    assert refusal(in_two_frames(tmp_path, text)).startswith("case.yaml:6: registration[0].structures: structures restrict an automatic registration")


@pytest.mark.parametrize("text", ["file: [reg.dcm, missing.dcm]", "file: [../x.dcm]", "file: []"])
def test_files_of_a_registration_are_looked_for_before_the_work(tmp_path: Path, text: str) -> None:
    folder = in_two_frames(tmp_path, f"registration: [{{course: first, method: file, {text}}}]")
    save(registration([(FRAME, [MOVED])], OTHER_FRAME), folder / "reg.dcm")
    assert refusal(folder).startswith("case.yaml:6: registration[0].file")


NONE = "registration: [{course: first, method: none}]"
LETTER = "\n  - {name: letter, kind: prior, completed: 2015-01-01, prescription: {dose_gy: 50, fractions: 25}}"


@pytest.mark.hazard("H12")
def test_courses_on_paper_are_no_reason_for_an_alarm(tmp_path: Path) -> None:
    """50 in 25 on paper, a registration that fits, and 20 in 5: the sum is above what the two contours show, and rightly so."""
    folder = in_two_frames(tmp_path, BY_FILE)
    write_case_file(folder, OWN + BY_FILE, LETTER + COURSES)
    save(registration([(FRAME, [np.eye(4)])], OTHER_FRAME), folder / "reg.dcm")
    found = assess(*loaded(folder))
    assert not [n for n in found.notices if n.code == "cumulative_above_own_maxima"]


@pytest.mark.hazard("H12")
def test_no_limit_is_met_cleanly_by_an_impossible_sum(tmp_path: Path) -> None:
    shift = np.eye(4)
    shift[0, 3] = 8
    folder = in_two_frames(tmp_path, BY_FILE)
    write_case_file(folder, OWN + BY_FILE, limits=LIMITS.replace("limit_gy: 80", "limit_gy: 500"))
    save(registration([(FRAME, [shift])], OTHER_FRAME), folder / "reg.dcm")
    (finding,) = assess(*loaded(folder)).findings
    reason = "the registration or a contour does not fit this organ: the sum is larger than its courses can make it"
    assert (finding.status, finding.reason) == ("caution", reason)


def test_limits_of_a_course_that_is_not_registered_are_exact_on_its_own_structure(tmp_path: Path) -> None:
    """The reference is the prior; 20 Gy in 5 of the proposed course are known at every point of its own rectum: mean 20 Gy, all of it above 15 Gy."""
    text = OWN + "reference: first\nregistration: [{course: second, method: none}]"
    limits = "".join(
        f"- {{id: {name}, organ: rectum, metric: {metric}, quantity: physical, scope: course, {limit}, level: mandatory, source: x}}\n"
        for name, metric, limit in (("mean", "Dmean", "limit_gy: 25"), ("part", "V15Gy", "limit: 9, unit: cc"), ("most", "Dmax", "limit_gy: 25"))
    )
    folder = in_two_frames(tmp_path)
    found = assess(*loaded(write_case_file(folder, text, limits=limits)))
    values = {f.limit.id: (f.value, f.bound, f.status) for f in found.findings}
    assert values == {"mean": (pytest.approx(20), "exact", "pass"), "part": (pytest.approx(7.5), "exact", "pass"), "most": (pytest.approx(20), "exact", "pass")}


@pytest.mark.hazard("H15")
def test_organ_that_a_course_without_registration_does_not_have(tmp_path: Path) -> None:
    folder = in_two_frames(tmp_path, NONE, rois=[("Bladder", stored_box())])
    write_course(folder / "c2", 2, 20, 5)
    (finding,) = assess(*loaded(folder)).findings
    assert finding.status == "not_evaluable"
    assert "no structure of this organ" in str(finding.reason)


@pytest.mark.hazard("H15")
def test_second_structure_of_the_same_organ_is_said(tmp_path: Path) -> None:
    folder = in_two_frames(tmp_path, NONE, rois=[("Rectum", stored_box()), ("Rect", stored_box())])
    write_course(folder / "c2", 2, 20, 5)
    found = assess(*loaded(folder))
    (notice,) = [n for n in found.notices if n.code == "structure_same_organ"]
    assert "which are not read: Rect." in notice.message


# tumour and alpha/beta of exports


def test_the_tumour_of_the_case_file(tmp_path: Path) -> None:
    folder = write_case(tmp_path)
    assert load_case(folder)[0].tumour == Tumour((10.0, 3.0))
    state(folder, "tumour: {alpha_beta_gy: [8], repopulation_gy_per_day: 0.6, kickoff_day: 21, evidence: anal_cancer}")
    assert load_case(folder)[0].tumour == Tumour((8.0,), Growth(0.6, 21), "anal_cancer")


def test_evidence_that_is_not_kept_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path)
    state(folder, "tumour: {evidence: gout}")
    with pytest.raises(CaseFileError, match=r'case\.yaml:\d+: tumour\.evidence: No evidence is kept for "gout"; there is some for: .*anal_cancer'):
        load_case(folder)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, DisplayAlphaBeta()),
        ("{alpha_beta_gy: 2}", DisplayAlphaBeta(2.0)),
        ("{priority: [spinal_cord, rectum], other_alpha_beta_gy: 10}", DisplayAlphaBeta(None, ("spinal_cord", "rectum"), 10.0)),
    ],
)
def test_the_alpha_beta_of_exports(tmp_path: Path, stated: str | None, expected: DisplayAlphaBeta) -> None:
    folder = write_case(tmp_path)
    if stated:
        state(folder, f"export: {stated}")
    assert load_case(folder)[0].display == expected


def state(folder: Path, line: str) -> None:
    text = (folder / "case.yaml").read_text(encoding="utf-8")
    (folder / "case.yaml").write_text(f"{line}\n{text}", encoding="utf-8")
