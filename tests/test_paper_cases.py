"""Case folders with courses on paper, slow deliveries, recovery and other models: from the case file to the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dicom_factory as dicom
import pytest
from case_factory import stored_dose, write_case, write_course

from reirrad.assessment import Assessment, assess
from reirrad.errors import ReirradError
from reirrad.loading import load_case
from reirrad.result import exit_status, result_schema, to_dict

SECOND = "\n  - {name: second, kind: proposed, dicom: c2, starts: 2022-01-01}\n"


def computed(folder: Path) -> Assessment:
    import jsonschema

    found = assess(*load_case(folder))
    jsonschema.validate(to_dict(found), result_schema())
    return found


def with_first(folder: Path, first: str, text: str = "constraints: limits.yaml", **more: Any) -> Path:
    """The second course has 20 Gy in 5 (EQD2 28 at 3 Gy); the first is as stated."""
    write_course(folder / "c2", 2, 20, 5)
    return write_case(folder, text, f"\n  - {{name: first, kind: prior, {first}}}{SECOND}", both=False, **more)


def refused(folder: Path) -> str:
    with pytest.raises(ReirradError) as found:
        computed(folder)
    return str(found.value)


def d2cc(found: Assessment) -> tuple[float | None, str, str]:
    (finding,) = found.findings
    return finding.value, finding.bound, finding.status


# ------------------------------------------------------------------------------------------------------- grades


@pytest.mark.hazard("H17")
def test_prescription_alone(tmp_path: Path) -> None:
    """45 in 25: 43.2 Gy to the whole organ, and 28 now."""
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 45, fractions: 25}, completed: 2021-01-01"))
    assert d2cc(found) == (pytest.approx(71.2), "upper", "pass")
    first = to_dict(found)["courses"][0]
    assert (first["grade"], first["fractions"], first["prescription_gy"], first["dose_max_gy"], first["phases"]) == ("D", 25, 45.0, None, [])
    (notice,) = [n for n in found.notices if n.code == "course_on_paper"]
    assert "grade D" in notice.message
    assert not [n for n in found.notices if n.code == "organ_dose_assumed"]


def test_delivered_part_of_a_prescription(tmp_path: Path) -> None:
    """20 of 25: 36 Gy in 20, EQD2 34.56."""
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 45, fractions: 25}, fractions: 20, completed: 2021-01-01"))
    assert d2cc(found)[0] == pytest.approx(34.56 + 28)


def test_doses_of_organs(tmp_path: Path) -> None:
    """D2cc 30 in 25 (25.2 Gy): at most 25.2 and the maximum of 28 now."""
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 45, fractions: 25}, organ_doses: {rectum: {D2cc: 30}}, completed: 2021-01-01"))
    assert d2cc(found) == (pytest.approx(30 * 4.2 / 5 + 28), "upper", "pass")
    assert to_dict(found)["courses"][0]["grade"] == "C"


def test_doses_of_other_organs_leave_the_prescription(tmp_path: Path) -> None:
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 45, fractions: 25}, organ_doses: {bladder: {D2cc: 30}}, completed: 2021-01-01"))
    assert d2cc(found)[0] == pytest.approx(71.2)
    (notice,) = [n for n in found.notices if n.code == "organ_dose_assumed"]
    assert "prescription of 45 Gy is taken for them: Rectum" in notice.message


def test_contradicting_doses_of_an_organ_are_refused_with_their_line(tmp_path: Path) -> None:
    message = refused(with_first(tmp_path, "prescription: {dose_gy: 45, fractions: 25}, organ_doses: {rectum: {D0.1cc: 30, D2cc: 31}}"))
    assert message.startswith("case.yaml:3: courses[0].organ_doses.rectum: D2cc is 31 Gy, but D0.1cc is 30 Gy")


def test_table_of_a_dvh(tmp_path: Path) -> None:
    """No part above 40 Gy, 2 cc with 30 Gy or more, in 20: D2cc of the sum is at most that of 40 Gy in 20 (40 Gy) and 28 now."""
    (tmp_path / "prior.csv").write_text("# kind: cumulative\nstructure,dose_gy,volume_cc\nRectum,0,9.000\nRectum,30,2.000\nRectum,40,0.000\n", encoding="utf-8")
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 40, fractions: 20}, dvh: prior.csv, completed: 2021-01-01"))
    assert d2cc(found) == (pytest.approx(40 + 28, abs=0.01), "upper", "pass")
    assert to_dict(found)["courses"][0]["grade"] == "C"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("structure,dose_gy,volume_cc\nRectum,0,9\nRectum,30,10\nRectum,40,0\n", "prior.csv:4"),
        ("structure,dose_cgy,volume_cc\nRectum,0,9\n", "prior.csv:2"),
        ("nothing\n", "prior.csv:2"),
    ],
)
def test_damaged_table_is_refused_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "prior.csv").write_text(f"# kind: cumulative\n{text}", encoding="utf-8")
    assert words in refused(with_first(tmp_path, "prescription: {dose_gy: 40, fractions: 20}, dvh: prior.csv"))


@pytest.mark.hazard("H04", "H17")
def test_course_of_which_nothing_is_known(tmp_path: Path) -> None:
    """The 28 Gy of now are the least; a limit of 80 Gy cannot be said to be met, one of 20 Gy is exceeded."""
    found = computed(with_first(tmp_path, "records: none"))
    (finding,) = found.findings
    assert (finding.status, finding.value, finding.reason) == ("not_evaluable", None, 'the dose of course "first" is not known')
    assert (found.verdict, exit_status(found)) == ("not_evaluable", 1)
    first = to_dict(found)
    assert (first["courses"][0]["grade"], first["courses"][0]["fractions"]) == ("E", None)
    assert first["structures"][0]["cumulative"]["max_gy"] is None
    assert first["structures"][0]["cumulative"]["lower_bounds"]["max_gy"] == pytest.approx(28)
    low = "- {id: low, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 20, level: mandatory, source: x}\n"
    (finding,) = computed(with_first(tmp_path / "low", "records: none", limits=low)).findings
    assert (finding.status, finding.bound, finding.value) == ("exceed", "lower", pytest.approx(28))


def test_proposed_course_on_paper(tmp_path: Path) -> None:
    """Limits of one course are held against each proposed one: 20 in 5 of the files, 12.5 in one on paper, which 13 Gy allow and 12 Gy do not."""
    limits = "".join(
        f"- {{id: l{gy}, organ: rectum, metric: Dmax, quantity: physical, scope: course, limit_gy: {gy}, level: optimal, max_fractions: 1, source: x}}\n"
        for gy in (12, 14)
    )
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c2", 2, 20, 5)
    third = "  - {name: third, kind: proposed, radiation: electron, starts: 2022-03-01, prescription: {dose_gy: 12.5, fractions: 1}}\n"
    first = "\n  - {name: first, kind: prior, dicom: c1, completed: 2021-01-01}"
    found = computed(write_case(tmp_path, "constraints: limits.yaml", first + SECOND + third, limits, both=False))
    not_for_five = [("l12", 1, "not_evaluable"), ("l14", 1, "not_evaluable")]
    assert sorted((f.limit.id, f.course, f.status) for f in found.findings) == sorted([*not_for_five, ("l12", 2, "exceed"), ("l14", 2, "pass")])
    (notice,) = [n for n in found.notices if n.code == "several_proposed_courses"]
    assert "counted together" in notice.message
    assert found.case.reference == 1


# ------------------------------------------------------------------------------------------------------- DVHs of an RTDOSE


def stored_dvh(folder: Path, kind: str = "PHYSICAL", **more: Any) -> None:
    """An RTDOSE of another plan with a DVH of ROI 1: 9 cc to 10 Gy, 3 cc to 30 Gy, none above 40 Gy."""
    bins = [10.0, 9.0, 20.0, 3.0, 10.0, 0.0]
    item = dicom.dataset(
        DVHType="CUMULATIVE", DoseUnits="GY", DoseType=kind, DVHDoseScaling=1, DVHVolumeUnits="CM3", DVHNumberOfBins=3, DVHData=bins,
        DVHReferencedROISequence=[dicom.dataset(DVHROIContributionType="INCLUDED", ReferencedROINumber=1)],
    )  # fmt: skip
    ds = stored_dose("1.2.3.7.1", 1, "1.2.3.7.5", DVHSequence=[item], **{"DoseSummationType": "PLAN", "DoseType": kind} | more)
    ds.ReferencedStructureSetSequence = [dicom.dataset(ReferencedSOPClassUID=dicom.RTSTRUCT, ReferencedSOPInstanceUID="1.2.3.7.3")]
    dicom.save(ds, folder / "dvh.dcm")


def structures(folder: Path) -> None:
    dicom.save(dicom.structure_set("1.2.3.7.3", [("Rectum", [])], dicom.FRAME), folder / "rs.dcm")


def test_stored_dvh_is_named_by_its_structure_set(tmp_path: Path) -> None:
    """Nothing above 40 Gy in 15: at most 40 (8 / 3 + 3) / 5 + 28."""
    stored_dvh(tmp_path / "dvh")
    structures(tmp_path / "dvh")
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 30, fractions: 15}, dvh: dvh/dvh.dcm, completed: 2021-01-01"))
    value, bound, status = d2cc(found)
    assert (value, bound, status) == (pytest.approx(40 * (8 / 3 + 3) / 5 + 28, abs=0.01), "upper", "pass")


def test_effective_dose_of_a_dvh_is_said(tmp_path: Path) -> None:
    stored_dvh(tmp_path / "dvh", "EFFECTIVE")
    structures(tmp_path / "dvh")
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 30, fractions: 15}, dvh: dvh/dvh.dcm"))
    assert "dose_type_effective" in {n.code for n in found.notices}


def test_stored_dvh_without_its_structure_set_is_refused(tmp_path: Path) -> None:
    stored_dvh(tmp_path / "dvh")
    message = refused(with_first(tmp_path, "prescription: {dose_gy: 30, fractions: 15}, dvh: dvh/dvh.dcm"))
    assert message.startswith("dvh/dvh.dcm numbers its structures as a structure set that is not beside it")


def test_stored_dvh_of_a_session_is_refused(tmp_path: Path) -> None:
    stored_dvh(tmp_path / "dvh", DoseSummationType="FRACTION_SESSION")
    message = refused(with_first(tmp_path, "prescription: {dose_gy: 30, fractions: 15}, dvh: dvh/dvh.dcm"))
    assert message.startswith("dvh/dvh.dcm holds DVHs of FRACTION_SESSION; needed are those of the whole PLAN")


@pytest.mark.hazard("H01")
def test_stored_dvh_of_another_patient_is_refused(tmp_path: Path) -> None:
    stored_dvh(tmp_path / "dvh", PatientID="SOMEBODY-ELSE")
    structures(tmp_path / "dvh")
    assert "patient" in refused(with_first(tmp_path, "prescription: {dose_gy: 30, fractions: 15}, dvh: dvh/dvh.dcm")).lower()


# ------------------------------------------------------------------------------------------------------- timing


@pytest.mark.hazard("H25")
def test_twice_a_day_from_the_case_file(tmp_path: Path) -> None:
    """30 in 10 twice a day with a half time of 2 h: 30 (3 1.125 + 3) / 5 = 38.25, and 28."""
    write_course(tmp_path / "c1", 1, 30, 10)
    found = computed(with_first(tmp_path, "dicom: c1, per_day: 2, interval_h: 6, completed: 2021-01-01", "constraints: limits.yaml\nhalf_time_h: {rectum: 2}"))
    assert d2cc(found)[0] == pytest.approx(38.25 + 28, abs=1e-3)
    assert not [n for n in found.notices if n.code == "half_time_convention"]
    assert to_dict(found)["courses"][0]["timing"] == "2 a day, 6 h apart"
    assert (to_dict(found)["structures"][0]["half_time_h"], to_dict(found)["structures"][0]["half_time_status"]) == (2.0, "stated")


def test_assumed_half_time_and_short_nights_are_said_once(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    found = computed(with_first(tmp_path, "dicom: c1, per_day: 2, interval_h: 6, completed: 2021-01-01"))
    (assumed,) = [n for n in found.notices if n.code == "half_time_convention"]
    assert "4.4 h for rectum" in assumed.message
    (night,) = [n for n in found.notices if n.code == "repair_overnight"]
    assert night.message.startswith('6% of the damage of course "first" is unrepaired by the next day')


def test_impossible_timing_is_refused_with_its_line(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    assert refused(with_first(tmp_path, "dicom: c1, per_day: 3, interval_h: 9")).startswith("case.yaml:3: courses[0].per_day: per_day is 3 and interval_h is 9")


# ------------------------------------------------------------------------------------------------------- LET


def protons(folder: Path, **dose: Any) -> None:
    write_course(folder / "c1", 1, 22, None, dose=dose)


@pytest.mark.parametrize("let", ["let_kev_um: 2.5", "let: let/let.dcm"])
def test_let_gives_sensitivities(tmp_path: Path, let: str) -> None:
    import numpy as np

    protons(tmp_path)
    shape = (6, 9, 10)
    kev = np.broadcast_to(np.linspace(2.3, 2.7, 10), shape)
    dicom.save(stored_dose("1.2.3.8.2", kev, "1.2.3.1.5"), tmp_path / "let" / "let.dcm")
    found = computed(with_first(tmp_path, f"dicom: c1, fractions: 10, radiation: proton, rbe: 1.1, {let}, completed: 2021-01-01"))
    assert [s["model"] for s in to_dict(found)["structures"][0]["sensitivities"]] == ["mcnamara", "wedenberg"]
    assert ("let_assumed_kev_um" in {n.code for n in found.notices}) == ("dcm" in let)
    assert to_dict(found)["courses"][0]["rbe"] == 1.1


def test_let_without_a_physical_proton_dose_is_refused(tmp_path: Path) -> None:
    protons(tmp_path, DoseType="EFFECTIVE")
    message = refused(with_first(tmp_path, "dicom: c1, fractions: 10, radiation: proton, let_kev_um: 2.5"))
    assert message.startswith("case.yaml:3: courses[0].let_kev_um: LET gives an RBE to a PHYSICAL proton dose")


def test_let_among_the_doses_is_refused(tmp_path: Path) -> None:
    protons(tmp_path)
    dicom.save(stored_dose("1.2.3.8.2", 2.5, "1.2.3.1.5"), tmp_path / "c1" / "let.dcm")
    message = refused(with_first(tmp_path, "dicom: c1, fractions: 10, radiation: proton, rbe: 1.1, let: c1/let.dcm"))
    assert message.startswith("case.yaml:3: courses[0].let: the LET lies in a folder with dose files")


# ------------------------------------------------------------------------------------------------------- recovery and other models


@pytest.mark.hazard("H13")
def test_recovery_of_every_organ(tmp_path: Path) -> None:
    """36 Gy a year before, of which paradis_2019 forgets a quarter at 11.99 months (365 days): 27 + 28."""
    found = computed(write_case(tmp_path, "constraints: limits.yaml\nrecovery: paradis_2019"))
    (finding,) = found.findings
    assert (finding.value, finding.value_with_recovery, finding.status) == (pytest.approx(64), pytest.approx(27 + 28), "pass")
    document = to_dict(found)
    assert document["settings"]["recovery"] == "paradis_2019"
    structure = document["structures"][0]
    assert structure["cumulative"]["mean_gy"] == pytest.approx(64)
    assert structure["cumulative_with_recovery"]["mean_gy"] == pytest.approx(55)
    assert structure["recovery"]["courses"]["first"]["recovered"] == 0.25
    assert "recovery_assumed" in {n.code for n in found.notices}


@pytest.mark.hazard("H13")
def test_organ_that_does_not_recover(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    for name, text in (("all", "paradis_2019"), ("named", "{bladder: paradis_2019}"), ("reason", "{bladder: {model: paradis_2019, rationale: board}}")):
        folder = write_case(tmp_path / name, f"constraints: pelvis\nstructures: {{Rectum: bladder}}\nrecovery: {text}")
        if name == "named":
            assert refused(folder).startswith("case.yaml:7: recovery.bladder: The recovery model paradis_2019 is chosen for the organ bladder, which does not")
            continue
        found = computed(folder)
        assert found.organs[0].recovered[0].part == (0.25 if name == "reason" else 0)
        assert ("recovery_not_applied" in {n.code for n in found.notices}) == (name == "all")


def test_own_steps_and_none(tmp_path: Path) -> None:
    steps = '{rectum: {steps: [[6, 0.1]], source: "board 12"}}'
    found = computed(write_case(tmp_path / "own", f"constraints: limits.yaml\nrecovery: {steps}"))
    assert found.organs[0].recovered[0].part == 0.1
    assert to_dict(found)["structures"][0]["recovery"]["source"] == "board 12"
    for text in ("none", "{rectum: none}"):
        found = computed(write_case(tmp_path / text[1:4], f"constraints: limits.yaml\nrecovery: {text}"))
        assert to_dict(found)["settings"]["recovery"] == "none"
        assert to_dict(found)["structures"][0]["cumulative_with_recovery"] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recovery: doi_2022", 'case.yaml:6: recovery: "doi_2022" is not a recovery model'),
        ("recovery: {rectum: doi_2022}", 'case.yaml:6: recovery.rectum: "doi_2022" is not a recovery model'),
        (
            "recovery: {rectum: doi_2021}",
            "case.yaml:6: recovery.rectum: The recovery model doi_2021 is chosen for the organ rectum, of which its source does not",
        ),
        ("recovery: {rectum: {steps: [[6, 1.2]], source: x}}", "case.yaml:6: recovery.rectum.steps[0]: found a recovered part of 1.2; needed a number from 0"),
        ("recovery: {rectum: {steps: [[6, 0.5], [5, 0.6]], source: x}}", "case.yaml:6: recovery.rectum.steps[1]: months must rise from step to step"),
        ("recovery: {rectum: {steps: [[6, 0.5]]}}", "case.yaml:6: recovery.rectum: recovery by steps of one's own needs source"),
        ("recovery: {rectum: {model: doi_2021, steps: [[6, 0.5]], source: x}}", "case.yaml:6: recovery.rectum: recovery needs either model (a name) or steps"),
        ("recovery: {rectum: {model: paradis_2019, source: x}}", "case.yaml:6: recovery.rectum.source: source belongs to steps"),
        ("recovery: {rectum: {modle: x}}", 'case.yaml:6: recovery.rectum: unknown key "modle"'),
        ("recovery: {rektum: none}", "case.yaml:6: recovery.rektum"),
        ("recovery: 3", "case.yaml:6: recovery"),
        ("half_time_h: {rectum: -1}", "case.yaml:6: half_time_h.rectum"),
        ("alpha_beta_gy: {rectum: 0}", "case.yaml:6: alpha_beta_gy.rectum"),
        ("sensitivities: [{model: lq-l, dq_gy: 1}]", "case.yaml:6: sensitivities[0].dq_gy: dq_gy does not belong to the model lq-l"),
        ("sensitivities: [{model: usc, organs: [rectum]}]", "case.yaml:6: sensitivities[0]: the model usc needs alpha_per_gy, d0_gy, dq_gy"),
        ("sensitivities: [{model: usc, alpha_per_gy: 0.33, d0_gy: 1.25, dq_gy: 1.8}]", "case.yaml:6: sensitivities[0]: usc names no organs"),
        ("sensitivities: [{model: lql}]", "case.yaml:6: sensitivities[0].model"),
    ],
)
def test_wrong_choices_are_refused_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    folder = write_case(tmp_path, f"constraints: limits.yaml\n{text}")
    assert refused(folder).startswith(words)


def test_models_beside_from_the_case_file(tmp_path: Path) -> None:
    usc = "{model: usc, alpha_per_gy: 0.33, d0_gy: 1.25, dq_gy: 1.8, organs: [rectum]}"
    found = computed(write_case(tmp_path, f"constraints: limits.yaml\nsensitivities: [{{model: lq-l, transition_gy: 6}}, {usc}]"))
    assert [s["model"] for s in to_dict(found)["structures"][0]["sensitivities"]] == ["lq-l", "usc"]


# ------------------------------------------------------------------------------------------------------- what cannot be meant


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("records: none, prescription: {dose_gy: 4, fractions: 2}", "courses[0].prescription: records: none says that nothing is known"),
        (
            "prescription: {dose_gy: 4, fractions: 2}, dvh: limits.yaml, organ_doses: {rectum: {Dmax: 1}}",
            "courses[0].organ_doses: doses of organs are given twice",
        ),
        ("prescription: {dose_gy: 4, fractions: 2}, rbe: 1.1, radiation: proton", "courses[0].rbe: doses on paper are taken as they stand"),
        ("dicom: c2, dvh: limits.yaml", "courses[0].dvh: a DVH belongs to a course with a prescription"),
        ("dicom: c2, let_kev_um: 3", "courses[0].let_kev_um: LET serves for a proton course with dose files"),
        ("dicom: c2, radiation: proton, let_kev_um: 3, let: limits.yaml", "courses[0].let_kev_um: LET is given twice"),
        ("dicom: c2, delivery: {pattern: pulsed, pulses: 3}", "courses[0].delivery: the pattern pulsed needs period_h"),
        ("dicom: c2, delivery: {pattern: permanent, half_life_days: 3, hours: 2}", "courses[0].delivery.hours: hours does not belong to the pattern permanent"),
        ("dicom: c2, delivery: {pattern: pulsed, pulses: 3, period_h: 1, pulse_h: 2}", "courses[0].delivery.pulse_h: a pulse of 2 h is longer"),
        (
            "dicom: c2, per_day: 2, interval_h: 6, delivery: {pattern: slow_fraction, minutes: 9}",
            "courses[0].delivery.pattern: several fractions a day and a slow",
        ),
        ("dicom: c2, delivery: {pattern: slow}", "courses[0].delivery.pattern"),
        ("dicom: c2, delivery: {pattern: slow_fraction, minutes: 0}", "courses[0].delivery.minutes"),
        ("prescription: {dose_gy: 0, fractions: 2}", "courses[0].prescription.dose_gy"),
        ("prescription: {dose_gy: 4, fractions: -2}", "courses[0].prescription.fractions"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, first: str, words: str) -> None:
    message = refused(with_first(tmp_path, first))
    assert message.startswith(f"case.yaml:3: {words}")


def test_reference_on_paper_is_refused(tmp_path: Path) -> None:
    message = refused(with_first(tmp_path, "prescription: {dose_gy: 4, fractions: 2}", "constraints: limits.yaml\nreference: first"))
    assert message.startswith("case.yaml:6: reference: the reference course is known from paper only and has no structures")


def test_registration_of_paper_is_refused(tmp_path: Path) -> None:
    text = "constraints: limits.yaml\nregistration: [{course: first, method: identity}]"
    message = refused(with_first(tmp_path, "prescription: {dose_gy: 4, fractions: 2}", text))
    assert message.startswith('case.yaml:6: registration[0].course: "first" is known from paper only; there is nothing to register')


# ------------------------------------------------------------------------------------------------------- what looks like a mistake


@pytest.mark.hazard("H25")
@pytest.mark.parametrize(
    ("phases", "words"),
    [
        (
            "[{dicom: c1, fractions: 9}, {dicom: c3}]",
            "a plan of 9 fractions at 2 a day ends in the middle of a day, and the next one, of 10, would begin there",
        ),
        ("[{dicom: c1, fractions: 1}]", "found 2 fractions a day for a course of 1"),
    ],
)
def test_days_shared_by_two_plans_are_refused(tmp_path: Path, phases: str, words: str) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c3", 3, 31, 10)
    assert refused(with_first(tmp_path, f"per_day: 2, interval_h: 6, phases: {phases}")).startswith(f"case.yaml:3: courses[0].per_day: {words}")


def test_plans_that_fill_whole_days(tmp_path: Path) -> None:
    """8 of 30 Gy in 10 and 31 in 10, two a day with a half time of 2 h."""
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c3", 3, 31, 10)
    first = "per_day: 2, interval_h: 6, completed: 2021-01-01, phases: [{dicom: c1, fractions: 8}, {dicom: c3}]"
    found = computed(with_first(tmp_path, first, "constraints: limits.yaml\nhalf_time_h: {rectum: 2}"))
    expected = 24 * (3 * 1.125 + 3) / 5 + 31 * (3.1 * 1.125 + 3) / 5 + 28
    assert d2cc(found)[0] == pytest.approx(expected, abs=2e-3)


def test_implant_of_several_fractions_is_refused(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    message = refused(with_first(tmp_path, "dicom: c1, delivery: {pattern: permanent, half_life_days: 59}"))
    assert message.startswith("case.yaml:3: courses[0].delivery: fractions is 10 for permanent implant")


@pytest.mark.hazard("H02")
@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        ("prescription: {dose_gy: 2, fractions: 25}", "dose_per_fraction_unusual", "0.08 Gy per fraction (2 Gy in 25)"),
        ("prescription: {dose_gy: 50, fractions: 25}, organ_doses: {rectum: {Dmax: 180}}", "dose_prescription_mismatch", "doses of rectum above 1.3 times"),
        ("prescription: {dose_gy: 50, fractions: 25}, fractions: 20", "paper_dose_scaled", "25 prescribed fractions, and scaled to the 20 delivered"),
        (
            "prescription: {dose_gy: 50, fractions: 25}, organ_doses: {bladder: {Dmax: 18}}",
            "organ_dose_unused",
            "without a structure in the reference course: bladder",
        ),
    ],
)
def test_doses_on_paper_that_look_wrong_are_said(tmp_path: Path, first: str, code: str, words: str) -> None:
    found = computed(with_first(tmp_path, f"{first}, completed: 2021-01-01"))
    (notice,) = [n for n in found.notices if n.code == code]
    assert words in notice.message


def test_dvh_of_another_volume_is_said(tmp_path: Path) -> None:
    (tmp_path / "prior.csv").write_text("# kind: cumulative\nstructure,dose_gy,volume_cc\nRectum,0,1.000\nRectum,30,0.200\nRectum,40,0.000\n", encoding="utf-8")
    found = computed(with_first(tmp_path, "prescription: {dose_gy: 40, fractions: 20}, dvh: prior.csv, completed: 2021-01-01"))
    (notice,) = [n for n in found.notices if n.code == "dvh_volume_differs"]
    assert 'Structure "Rectum" has 7.5 cc, and 1 cc in the DVH of course "first"' in notice.message


def test_own_steps_for_an_organ_that_does_not_recover_need_a_rationale(tmp_path: Path) -> None:
    steps = "{bladder: {steps: [[6, 0.1]], source: board}}"
    assert refused(write_case(tmp_path / "a", f"constraints: pelvis\nstructures: {{Rectum: bladder}}\nrecovery: {steps}")).startswith(
        "case.yaml:7: recovery.bladder"
    )
    text = f"constraints: pelvis\nstructures: {{Rectum: bladder}}\nrecovery: {steps.replace('source', 'rationale: asked, source')}"
    assert computed(write_case(tmp_path / "b", text)).organs[0].recovered[0].part == 0.1


def test_model_of_all_organs_with_exceptions(tmp_path: Path) -> None:
    found = computed(write_case(tmp_path, "constraints: limits.yaml\nrecovery: {all: paradis_2019, rectum: none}"))
    assert found.organs[0].with_recovery is None
    assert "recovery_assumed" not in {n.code for n in found.notices}


def test_unknown_set_is_refused_with_its_line(tmp_path: Path) -> None:
    assert refused(write_case(tmp_path, "constraints: pelvic")).startswith("case.yaml:5: constraints: ")
