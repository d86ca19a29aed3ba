from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import FRAME, ION, OTHER_FRAME, RECORD, course, ct, dataset, dose, obj, plan, registration, save, structure_set, voxels
from pydicom.dataset import Dataset

from reirrad.course import Course
from reirrad.dicom.course import read_course
from reirrad.dicom.identity import hashed
from reirrad.errors import DicomError


@dataclass
class Request:
    dicom: str | None = None
    plan: str | None = None
    fractions: int | None = None
    concurrent: bool = False


def read(tmp_path: Path, *objects: Dataset, **stated: Any) -> Course:
    write = {k: stated.pop(k) for k in ("structures", "n_ct") if k in stated}
    return read_course("C1", "prior", course(tmp_path / "c", *objects, **write), tmp_path, **stated)[0]


def max_gy(found: Course, phase: int = 0) -> float:
    """Sum of maxima; all test doses have theirs at the same voxel."""
    return round(sum(float(c.dose.dose_gy.max()) * c.factor for c in found.phases[phase].components), 4)


def codes(found: Course) -> set[str]:
    return {n.code for n in found.notices} - {"dose_grid_truncated"}  # the small test grid always ends in dose


def test_one_plan(tmp_path: Path) -> None:
    found, identity = read_course("C1", "proposed", course(tmp_path / "c", dose(), plan()), tmp_path, patient_id="P1", starts=dt.date(2021, 2, 1))
    (phase,) = found.phases
    assert (phase.label, phase.fractions, phase.planned_fractions, phase.prescription_gy, phase.concurrent) == ("P1", 10, 10, 19.0, False)
    assert (max_gy(found), found.frame_uid, found.radiation, found.first_day, found.last_day) == (20.0, FRAME, "photon", dt.date(2021, 2, 1), None)
    assert [s.name for s in found.structures] == ["Rectum"]
    assert found.image is not None
    assert found.image.positions_mm.tolist() == [20, 23, 26]
    assert codes(found) == set()
    assert identity.patient_id == hashed("P1")
    assert {(e["role"], e["used"]) for e in found.inputs} == {("RTDOSE", True), ("RTPLAN", True), ("RTSTRUCT", True), ("CT", True)}
    assert all(("sha256" in e) == (e["role"] != "CT") for e in found.inputs)


@pytest.mark.hazard("H19")
@pytest.mark.parametrize(
    "words",
    [
        {"DoseComment": "Cumulative EQD2, a/b 3 Gy"},
        {"SeriesDescription": "Remaining dose 5 fx"},
        {"DoseComment": "Physical dose of course 1, all fractions, dose partly unknown"},
    ],
)
def test_a_derived_dose_is_no_dose_of_a_course(tmp_path: Path, words: dict[str, str]) -> None:
    with pytest.raises(DicomError, match=r"it is EQD2, a remaining dose or partly unknown, so it is not the dose of a course\. Use the dose"):
        read(tmp_path, dose(**words), plan())


@pytest.mark.hazard("H19")
def test_other_comments_are_no_matter(tmp_path: Path) -> None:
    assert max_gy(read(tmp_path, dose(DoseComment="Physical dose of course 1, all fractions", SeriesDescription="Plan dose"), plan())) == 20.0


THIRDS = voxels(20) / 2
SUMMATION = {
    "fraction of the only group": ([dose(summation="FRACTION")], plan(), 20.0, 10),
    "fraction session": ([dose(summation="FRACTION_SESSION", values=voxels(2), group=1)], plan(), 20.0, 10),
    "beams": ([dose(f"1.{b}", THIRDS, summation="BEAM", beams=[b]) for b in (1, 2)], plan(), 20.0, 10),
    "both beams in one dose": ([dose(summation="BEAM", beams=[1, 2])], plan(), 20.0, 10),
    "beam sessions": ([dose(f"1.{b}", voxels(1), summation="BEAM_SESSION", beams=[b]) for b in (1, 2)], plan(), 20.0, 10),
    "setups": ([dose(f"1.{b}", THIRDS, summation="BRACHY", setups=[b]) for b in (1, 2)], plan(groups=[(10, ())], setups=(1, 2)), 20.0, 10),
    "plan beside its beams": ([dose(), *(dose(f"1.{b}", THIRDS, summation="BEAM", beams=[b]) for b in (1, 2))], plan(), 20.0, 10),
    "plan beside a sum": ([dose(), dose("1.7", voxels(40), summation="MULTI_PLAN")], plan(), 20.0, 10),
}  # fmt: skip


@pytest.mark.hazard("H02")
@pytest.mark.parametrize(("doses", "its_plan", "maximum", "fractions"), SUMMATION.values(), ids=SUMMATION.keys())
def test_dose_summation_types(tmp_path: Path, doses: list[Dataset], its_plan: Dataset, maximum: float, fractions: int) -> None:
    found = read(tmp_path, *doses, its_plan)
    assert (max_gy(found), found.fractions, len(found.phases)) == (maximum, fractions, 1)
    np.testing.assert_allclose(found.phases[0].components[0].dose.dose_gy.sum() * found.phases[0].components[0].factor, voxels().sum() * 0.01, rtol=0.02)


@pytest.mark.hazard("H03")
def test_unused_doses_say_why(tmp_path: Path) -> None:
    found = read(tmp_path, dose(), dose("1.1", summation="BEAM", beams=[1]), plan())
    used = {e["sop_instance_uid"]: (e["used"], e["why"]) for e in found.inputs}
    assert used["1.1"] == (False, "not needed: other doses cover its plan")


def test_beams_on_different_grids_stay_apart(tmp_path: Path) -> None:
    other = dose("1.2", THIRDS, summation="BEAM", beams=[2], ImagePositionPatient=[-6, 11, 20])
    found = read(tmp_path, dose("1.1", THIRDS, summation="BEAM", beams=[1]), other, plan())
    assert [float(c.dose.grid.u_mm[0]) for c in found.phases[0].components] == [-7, -6]


@pytest.mark.hazard("H02")
def test_fraction_groups_become_phases(tmp_path: Path) -> None:
    doses = [dose("1.1", voxels(12), summation="FRACTION", group=1), dose("1.2", voxels(8), summation="FRACTION", group=2)]
    found = read(tmp_path, *doses, plan(groups=[(6, (1,)), (2, (2,))]), fractions=8)
    assert [(p.fractions, p.prescription_gy) for p in found.phases] == [(6, 14.25), (2, 4.75)]  # 19 Gy shared 6 : 2
    assert (max_gy(found, 0), max_gy(found, 1), found.fractions) == (12.0, 8.0, 8)


GROUPS = plan(groups=[(6, (1,)), (2, (2,))])
REFUSED = {
    "no dose": ([plan()], {}, "no RTDOSE"),
    "histograms only": ([dose(PixelData=None, DVHSequence=[dataset(DVHType="CUMULATIVE")]), plan()], {}, "no RTDOSE with a dose grid"),
    "two plan doses": ([dose(), dose("1.9"), plan()], {}, "2 different doses"),
    "missing beam": ([dose(summation="BEAM", beams=[1]), plan()], {}, "dose of beam 2 of the plan P1 is missing"),
    "beam twice": ([dose("1.1", summation="BEAM", beams=[1, 2]), dose("1.2", summation="BEAM", beams=[2]), plan()], {}, "beam 2 .* more than one dose"),
    "foreign beam": ([dose(summation="BEAM", beams=[1, 2, 3]), plan()], {}, "beam 3 does not belong"),
    "beam unnamed": ([dose(summation="BEAM"), plan()], {}, "does not say which beam"),
    "beam without plan": ([dose(summation="BEAM", beams=[1])], {"fractions": 10}, "without an RTPLAN"),
    "two fraction doses": ([dose("1.1", summation="FRACTION"), dose("1.2", summation="FRACTION"), plan()], {}, "whole dose of one fraction group"),
    "group without dose": ([dose(summation="FRACTION", group=1), GROUPS], {}, "no FRACTION dose refers to group 2"),
    "group not stated": ([*(dose(f"1.{g}", summation="FRACTION", group=g) for g in (1, 2)), dose("1.3", summation="FRACTION"), GROUPS], {}, "not stated"),
    "groups, one dose": ([dose(), GROUPS], {}, "2 fraction groups but one dose"),
    "groups, some given": ([*(dose(f"1.{g}", summation="FRACTION", group=g) for g in (1, 2)), GROUPS], {"fractions": 5}, "which of them"),
    "sum of plans": ([dose(summation="MULTI_PLAN"), plan()], {}, "sum of several plans"),
    "overview": ([dose(summation="PLAN_OVERVIEW"), plan()], {}, "overview of a plan"),
    "control points": ([dose(summation="CONTROL_POINT"), plan()], {}, "single control points"),
    "no summation": ([dose(DoseSummationType=None), plan()], {}, "Dose Summation Type .* is missing"),
    "record": ([dose(summation="RECORD"), plan()], {}, "does not say its fractions"),
    "two records": ([dose("1.1", summation="RECORD"), dose("1.2", summation="RECORD"), plan()], {"fractions": 9}, "cannot be told apart"),
    "no fractions": ([dose(), plan(groups=[(None, (1,))])], {}, "number of fractions .* unknown"),
    "zero fractions": ([dose(), plan(groups=[(0, (1,))])], {}, "number of fractions .* unknown"),
    "more fractions": ([dose(), plan()], {"fractions": 11}, "11 fractions are stated .* plans 10"),
    "no plan": ([dose()], {}, "refers to an RTPLAN that is not in the folder"),
    "another plan": ([dose(), plan("1.2.3.55")], {}, "refers to an RTPLAN that is not in the folder"),
    "no reference": ([dose(plan=None), plan()], {}, "does not refer to any RTPLAN"),
    "two references": ([dose(ReferencedRTPlanSequence=[dataset(ReferencedSOPInstanceUID=u) for u in ("1.5", "1.6")]), plan()], {}, "refers to 2 plans"),
    "two plans": ([dose(), plan(), dose("1.9", plan="1.8"), plan("1.8", label="P2")], {}, "doses of 2 plans: P1, P2.*phases:"),
    "looks like a fraction": ([dose(values=voxels(2)), plan()], {"fractions": 10}, "looks like the dose of one fraction"),
    "too low": ([dose(values=voxels(8)), plan()], {}, "8 Gy against a prescription of 19 Gy in 10 fractions: it is too low"),
    "cGy": ([dose(values=voxels(2000)), plan()], {}, "too high to be in Gy"),
    "zero": ([dose(values=voxels(0)), plan()], {}, "zero everywhere"),
    "no frame": ([dose(FrameOfReferenceUID=None), plan()], {}, "Frame of Reference UID .* missing"),
    "beams in two frames": ([dose("1.1", summation="BEAM", beams=[1]), dose("1.2", summation="BEAM", beams=[2], FrameOfReferenceUID=OTHER_FRAME), plan()], {}, "different frames"),  # noqa: E501
    "structures in another frame": ([dose(), plan(), structure_set(frame=OTHER_FRAME)], {"structures": False}, "lie in different frames"),
    "structures without frame": ([dose(), plan(), structure_set(rois=[("A", ())], ReferencedFrameOfReferenceSequence=[])], {"structures": False}, "names no frame"),  # noqa: E501
    "two structure sets": ([dose(), plan(ReferencedStructureSetSequence=None), structure_set("1.31")], {}, "2 structure sets"),
    "slow brachytherapy": ([dose(), plan(BrachyTreatmentType="LDR")], {}, "LDR brachytherapy"),
    "plan and fraction dose differ": ([dose(), dose("1.7", voxels(16), summation="FRACTION", group=1), plan()], {}, "contradict each other: 20 Gy .* 16 Gy in its FRACTION"),  # noqa: E501
    "plan and beam doses differ": ([dose(), *(dose(f"1.7{b}", voxels(9), summation="BEAM", beams=[b]) for b in (1, 2)), plan()], {}, "18 Gy in its BEAM dose"),
    "plan and fraction dose of protons differ": ([dose(), dose("1.7", voxels(16), summation="FRACTION", group=1), plan(radiation="PROTON")], {}, "22 Gy .* 17.6 Gy"),  # noqa: E501
    "other patient": ([dose(PatientID="P2"), plan()], {}, "Two patients"),
    "not the stated patient": ([dose(), plan()], {"patient_id": "P2"}, "another Patient ID than the case file states"),
    "no patient": ([dose(PatientID=""), plan()], {"patient_id": "P1"}, "has no Patient ID"),
    "carbon": ([dose(), plan(radiation="ION")], {}, "gives ion"),
    "stated radiation": ([dose(), plan()], {"radiation": "proton"}, "states radiation: proton, but its plan gives photon"),
    "rbe of photons": ([dose(), plan()], {"rbe": 1.1}, "it is for protons"),
    "rbe twice": ([dose(DoseType="EFFECTIVE"), plan(radiation="PROTON")], {"rbe": 1.1}, "holds its RBE already"),
    "absurd rbe": ([dose(), plan(radiation="PROTON")], {"rbe": 11}, "between 0.5 and 5"),
    "two dose types": ([dose("1.1", summation="BEAM", beams=[1]), dose("1.2", summation="BEAM", beams=[2], DoseType="EFFECTIVE"), plan()], {}, "partly PHYSICAL"),  # noqa: E501
    "phases and fractions": ([dose(), plan()], {"fractions": 10, "phases": [Request(plan="P1")]}, "beside `phases:`"),
    "phase unknown": ([dose(), plan()], {"phases": [Request(plan="P9")]}, "fits no plan with a dose.*: P1"),
    "phase twice": ([dose(), plan()], {"phases": [Request(plan="P1"), Request(plan="P1")]}, "would count twice"),
    "phase of nothing": ([dose(), plan()], {"phases": [Request()]}, "neither a plan nor a folder"),
    "phase ambiguous": ([dose(), plan(), dose("1.9", plan="1.8"), plan("1.8")], {"phases": [Request(plan="P1")]}, "fits 2 plans"),
}  # fmt: skip


@pytest.mark.hazard("H01", "H02", "H03", "H10", "H16", "H26", "H27")
@pytest.mark.parametrize(("objects", "stated", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path: Path, objects: list[Dataset], stated: dict[str, Any], message: str) -> None:
    with pytest.raises(DicomError, match=message):
        read(tmp_path, *objects, **stated)


NOTICED = {
    "fewer fractions": ([dose(), plan()], {"fractions": 5}, {"fractions_delivered_differ"}, 10.0, 5),
    "no plan": ([dose()], {"fractions": 5}, {"plan_missing"}, 20.0, 5),
    "session without plan": ([dose(values=voxels(2), summation="FRACTION_SESSION")], {"fractions": 5}, {"plan_missing"}, 10.0, 5),
    "fractions not in plan": ([dose(), plan(groups=[(None, (1,))])], {"fractions": 5}, {"fractions_not_in_plan"}, 20.0, 5),
    "groups lumped": ([dose(), GROUPS], {"fractions": 8}, {"fraction_groups_lumped"}, 20.0, 8),
    "record": ([dose(summation="RECORD"), plan()], {"fractions": 9}, {"dose_of_record"}, 20.0, 9),
    "rejected": ([dose(), plan(ApprovalStatus="REJECTED")], {}, {"plan_not_approved"}, 20.0, 10),
    "plan without dose": ([dose(), plan(), plan("1.8")], {}, {"plan_without_dose"}, 20.0, 10),
    "effective": ([dose(DoseType="EFFECTIVE"), plan()], {}, {"dose_type_effective"}, 20.0, 10),
    "protons": ([dose(), plan(radiation="PROTON")], {}, {"rbe_applied"}, 22.0, 10),
    "protons, stated rbe": ([dose(), plan(radiation="PROTON")], {"rbe": 1.2}, {"rbe_applied"}, 24.0, 10),
    "coarse": ([dose(GridFrameOffsetVector=[0, 4, 8]), plan()], {}, {"dose_grid_coarse"}, 20.0, 10),
    "low": ([dose(values=voxels(16)), plan()], {}, {"dose_prescription_mismatch"}, 16.0, 10),
    "low but stated": ([dose(values=voxels(8)), plan()], {"fractions": 10}, {"dose_prescription_mismatch"}, 8.0, 10),
    "per fraction": ([dose(values=voxels(1)), plan(prescription=None)], {}, {"dose_per_fraction_unusual"}, 1.0, 10),
    "made for verification": ([dose(), plan(PlanIntent="VERIFICATION")], {}, {"plan_intent"}, 20.0, 10),
    "record differs": ([dose(), dose("1.7", voxels(16), summation="RECORD"), plan()], {}, {"dose_of_record_differs"}, 20.0, 10),
    "proton doses agree": ([dose(), dose("1.7", summation="FRACTION", group=1), plan(radiation="PROTON")], {}, {"rbe_applied"}, 22.0, 10),
    "record agrees": ([dose(), dose("1.7", summation="RECORD"), plan()], {}, set(), 20.0, 10),
    "incomplete beam doses beside": ([dose(), dose("1.71", voxels(3), summation="BEAM", beams=[1]), plan()], {}, set(), 20.0, 10),
    "a second group that delivers nothing": ([dose(), plan(groups=[(10, (1, 2)), (0, ())])], {}, set(), 20.0, 10),
    "name differs": ([dose(PatientName="Roe^Jane"), plan()], {}, {"patient_identity_differs"}, 20.0, 10),
    "name written otherwise": ([dose(PatientName="DOE Jane"), plan()], {}, set(), 20.0, 10),
    "no patient id": ([dose(PatientID=""), plan()], {}, {"patient_id_missing"}, 20.0, 10),
    "old structures": ([dose(), plan(), structure_set("1.31")], {}, {"structure_set_unused"}, 20.0, 10),
    "other structures": ([dose(), plan(), structure_set("1.31")], {"structures": False}, {"structure_set_not_referenced"}, 20.0, 10),
    "electrons too": ([dose(), plan(BeamSequence=[dataset(BeamNumber=b, RadiationType=r) for b, r in ((1, "PHOTON"), (2, "ELECTRON"))])], {}, set(), 20.0, 10),
}  # fmt: skip


@pytest.mark.hazard("H02", "H03", "H10", "H16")
@pytest.mark.parametrize(("objects", "stated", "expected", "maximum", "fractions"), NOTICED.values(), ids=NOTICED.keys())
def test_noticed(tmp_path: Path, objects: list[Dataset], stated: dict[str, Any], expected: set[str], maximum: float, fractions: int) -> None:
    found = read(tmp_path, *objects, **stated)
    assert (codes(found), max_gy(found), found.fractions) == (expected, maximum, fractions)


def test_setup_beams_need_no_dose(tmp_path: Path) -> None:
    beams = [dataset(BeamNumber=b, RadiationType="PHOTON", TreatmentDeliveryType=kind) for b, kind in ((1, "TREATMENT"), (2, "SETUP"))]
    assert max_gy(read(tmp_path, dose(summation="BEAM", beams=[1]), plan(BeamSequence=beams))) == 20.0


def test_ion_plan_of_protons(tmp_path: Path) -> None:
    ion = plan(SOPClassUID=ION, IonBeamSequence=[dataset(BeamNumber=1, RadiationType="PROTON")], BeamSequence=None)
    found = read(tmp_path, dose(), ion)
    assert (found.radiation, max_gy(found)) == ("proton", 22.0)


@pytest.mark.hazard("H02", "H03")
def test_phases_of_one_folder(tmp_path: Path) -> None:
    objects = [
        dose(),
        plan(),
        dose("1.9", voxels(9), plan="1.8"),
        plan("1.8", groups=[(5, (1,))], prescription=9, label="Boost"),
        dose("1.10", plan="1.7"),
        plan("1.7", label="Old"),
    ]
    found = read(tmp_path, *objects, phases=[Request(plan="P1", concurrent=True), Request(plan="Boost", fractions=6, concurrent=True)])
    assert [(p.label, p.fractions, p.concurrent) for p in found.phases] == [("P1", 10, False), ("Boost", 6, True)]
    assert max_gy(found, 1) == 10.8  # 9 Gy in 5 fractions, 6 given
    assert codes(found) == {"fractions_delivered_differ", "plan_not_in_phases"}


@pytest.mark.parametrize("inside", [True, False])
def test_phases_by_folder(tmp_path: Path, inside: bool) -> None:
    folder = tmp_path / "c"
    second = folder / "boost" if inside else tmp_path / "boost"
    course(folder, dose(), plan())
    save(dose("1.9", voxels(9), plan="1.8"), second / "d.dcm")
    save(plan("1.8", groups=[(5, (1,))], prescription=9, label="Boost"), second / "p.dcm")
    found, _ = read_course("C1", "prior", folder, tmp_path, phases=[Request(plan="1.2.3.5"), Request(dicom="boost")])
    assert [(p.label, p.fractions) for p in found.phases] == [("P1", 10), ("Boost", 5)]
    alone, _ = read_course("C1", "prior", None, tmp_path, phases=[Request(dicom="c/boost" if inside else "boost")])
    assert [p.label for p in alone.phases] == ["Boost"]


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="names no folder"):
        read_course("C1", "prior", None, tmp_path, phases=[Request(plan="P1")])


@pytest.mark.hazard("H03")
def test_same_uid_in_two_phase_folders(tmp_path: Path) -> None:
    for k, scaling in enumerate(("0.01", "0.02")):
        save(dose(DoseGridScaling=scaling), tmp_path / str(k) / "d.dcm")
    with pytest.raises(DicomError, match="same SOP Instance UID but different content"):
        read_course("C1", "prior", None, tmp_path, phases=[Request(dicom="0"), Request(dicom="1")])


@pytest.mark.hazard("H24")
def test_days_from_treatment_records(tmp_path: Path) -> None:
    records = [obj(RECORD, f"1.4.{k}", TreatmentDate=day, ReferencedRTPlanSequence=[dataset(ReferencedSOPInstanceUID=uid)])
               for k, (day, uid) in enumerate((("20210412", "1.2.3.5"), ("20210301", "1.2.3.5"), ("20220101", "1.9"), ("", "1.2.3.5")))]  # fmt: skip
    found = read(tmp_path, dose(), plan(), *records)
    assert (found.first_day, found.last_day) == (dt.date(2021, 3, 1), dt.date(2021, 4, 12))
    assert read(tmp_path, dose(), plan(), *records, completed=dt.date(2021, 4, 16)).last_day == dt.date(2021, 4, 16)


def test_nothing_but_dose_and_plan(tmp_path: Path) -> None:
    found = read(tmp_path, dose(), plan(), structures=False, n_ct=0)
    assert (found.structures, found.image) == ((), None)


@pytest.mark.hazard("H01")
def test_ct_of_another_frame(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="another frame of reference"):
        read(tmp_path, dose(), plan(), ct(9, FrameOfReferenceUID=OTHER_FRAME))


def test_registrations_are_listed_unused(tmp_path: Path) -> None:
    found = read(tmp_path, dose(), plan(), registration([(OTHER_FRAME, [np.eye(4)])]))
    assert [(e["used"], e["why"]) for e in found.inputs if e["role"] == "REG"] == [(False, "not needed")]


def test_brachy_dose_beside_a_source_is_high(tmp_path: Path) -> None:
    found = read(tmp_path, dose(values=voxels(400), summation="BRACHY", setups=[1]), plan(groups=[(4, ())], setups=(1,)))
    assert (found.radiation, codes(found)) == ("brachy", set())


def test_slow_brachytherapy_is_read_when_the_case_file_says_how_slow(tmp_path: Path) -> None:
    found = read(tmp_path, dose(), plan(BrachyTreatmentType="PDR"), is_slow=True)
    assert max_gy(found) == 20.0


def test_high_dose_rate_that_is_said_to_be_slow(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match=r"is HDR brachytherapy .* but the case file states a slow delivery"):
        read(tmp_path, dose(), plan(BrachyTreatmentType="HDR"), is_slow=True)


@pytest.mark.parametrize(("kind", "rbe", "held"), [("PHYSICAL", None, 1.1), ("PHYSICAL", 1.2, 1.2), ("EFFECTIVE", None, None)])
def test_rbe_that_a_proton_dose_holds(tmp_path: Path, kind: str, rbe: float | None, held: float | None) -> None:
    assert read(tmp_path, dose(DoseType=kind), plan(radiation="PROTON"), rbe=rbe).rbe == held
    assert read(tmp_path / "photon", dose(), plan()).rbe is None


def test_grid_that_ends_in_dose(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 6))
    values[1:3, 1:4, 1:5] = 2000
    inside = read(tmp_path / "a", dose(values=values), plan())
    assert inside.notices == ()
    values[0, 2, 2] = 101  # 1.01 Gy at the edge
    assert [n.code for n in read(tmp_path / "b", dose(values=values), plan()).notices] == ["dose_grid_truncated"]
