"""DVHs of an RTDOSE: curves by hand, both meanings of a cumulative volume, what is left out and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import PLAN_UID, RTDOSE, RTSTRUCT, SET_UID, dataset, dose, obj, plan, save

from reirrad.dicom.dvhsequence import DvhSequence, read_dvh_sequence
from reirrad.dicom.files import read_record
from reirrad.errors import DicomError

FALLING = [10.0, 8.0, 3.0, 0.0]  # of bins of 5 Gy


def item(volumes=FALLING, number=3, width=5.0, *, rois=None, data=None, **more):
    data = [value for volume in volumes for value in (width, volume)] if data is None else data
    rois = [(number, "INCLUDED")] if rois is None else rois
    values = {"DVHType": "CUMULATIVE", "DoseUnits": "GY", "DoseType": "PHYSICAL", "DVHDoseScaling": "1", "DVHVolumeUnits": "CM3"}
    values |= {"DVHNumberOfBins": len(data) // 2, "DVHData": data} | more
    rois = [dataset(ReferencedROINumber=n, DVHROIContributionType=kind) for n, kind in rois]
    return dataset(DVHReferencedROISequence=rois, **{k: v for k, v in values.items() if v is not None})


def rtdose(*dvhs, **more):
    """An RTDOSE of DVHs alone."""
    values = {"Modality": "RTDOSE", "DoseUnits": "GY", "DoseType": "PHYSICAL", "DoseSummationType": "PLAN", "DVHSequence": list(dvhs)}
    values["ReferencedStructureSetSequence"] = [dataset(ReferencedSOPClassUID=RTSTRUCT, ReferencedSOPInstanceUID=SET_UID)]
    values["ReferencedRTPlanSequence"] = [dataset(ReferencedSOPInstanceUID=PLAN_UID)]
    return obj(RTDOSE, "1.2.3.2", **(values | more))


def read(tmp_path: Path, *dvhs, total_cc=None, **more) -> DvhSequence:
    return read_dvh_sequence(save(rtdose(*dvhs, **more), tmp_path / "RD.dcm"), "prior/RD.dcm", total_cc=total_cc)


def paper(found: DvhSequence, number=3):
    return found.curves[number].paper(25)


def test_values_by_hand(tmp_path):
    found = read(tmp_path, item())
    curve = found.curves[3]
    assert (curve.name, curve.kind, curve.total_cc) == ("ROI 3", "cumulative", 10)
    # the 8 cc of the bin from 5 to 10 Gy: at most 8 cc have more than 10 Gy, at least 8 cc have 5 Gy
    assert [paper(found).upper_gy(v) for v in (0, 2.9, 3.1, 7.9, 8.1)] == [20, 20, 15, 15, 10]
    assert [paper(found).lower_gy(v) for v in (0, 2.9, 3.1, 7.9, 8.1)] == [10, 10, 5, 5, 0]
    assert (found.dose_type, found.summation, found.structure_set_uid, found.plan_uids, found.notices) == ("PHYSICAL", "PLAN", SET_UID, (PLAN_UID,), ())
    other = read_record(save(plan(), tmp_path / "RP.dcm"), "RP.dcm")
    assert other is not None
    assert found.record.identity == other.identity
    assert found.record.identity.patient_id


@pytest.mark.parametrize("edge", ["lower", "upper"])
@pytest.mark.parametrize("volume", [0.1, 2.0, 11.0, 39.0])
def test_both_meanings_of_a_cumulative_volume_hold(tmp_path, edge, volume):
    edges = np.arange(0, 81, 0.5)  # 40 cc, D(v) = 80 (1 - v / 40)
    falling = 40 * np.clip(1 - (edges[:-1] if edge == "lower" else edges[1:]) / 80, 0, 1)
    found = paper(read(tmp_path, item([f"{v:.9g}" for v in falling], width=0.5)))
    truth = 80 * (1 - volume / 40)
    assert truth <= found.upper_gy(volume) <= truth + 1
    assert truth - 1 - 1e-9 <= found.lower_gy(volume) <= truth


def test_pixels_may_be_there_too(tmp_path):
    ds = dose()
    ds.DVHSequence = [item()]
    found = read_dvh_sequence(save(ds, tmp_path / "RD.dcm"), "RD.dcm")
    assert list(found.curves) == [3]
    assert found.structure_set_uid == ""


def test_differential_and_scaled_and_uneven_bins(tmp_path):
    found = read(tmp_path, item(data=[2, "1.000", 3, "5.000", 1, "4.000"], DVHType="DIFFERENTIAL", DVHDoseScaling="2"))
    assert found.curves[3].total_cc == 10
    assert [paper(found).upper_gy(v) for v in (0, 3.9, 4.1, 8.9, 9.1)] == [12, 12, 10, 10, 4]
    assert [paper(found).lower_gy(v) for v in (0, 3.9, 4.1, 8.9, 9.1)] == [10, 10, 4, 4, 0]


@pytest.mark.parametrize("kind", ["CUMULATIVE", "DIFFERENTIAL"])
def test_percent_of_a_volume(tmp_path, kind):
    volumes = ["100.00", "60.00", "0.00"] if kind == "CUMULATIVE" else ["40.00", "60.00"]
    found = read(tmp_path, item(volumes, DVHVolumeUnits="PERCENT", DVHType=kind), total_cc={3: 50.0})
    assert found.curves[3].total_cc == pytest.approx(50)
    assert [paper(found).upper_gy(v) for v in (29, 31)] == ([15, 10] if kind == "CUMULATIVE" else [10, 5])
    with pytest.raises(DicomError, match="the volumes reach 101 %"):
        read(tmp_path, item(["101.00", "0.00"] if kind == "CUMULATIVE" else ["41.00", "60.00"], DVHVolumeUnits="PERCENT", DVHType=kind), total_cc={3: 50.0})


def test_differential_percent_must_be_all(tmp_path):
    with pytest.raises(DicomError, match="the volumes reach 99 %"):
        read(tmp_path, item(["39.00", "60.00"], DVHVolumeUnits="PERCENT", DVHType="DIFFERENTIAL"), total_cc={3: 50.0})


def test_what_is_left_out_is_named(tmp_path):
    others = (
        item(rois=[(1, "INCLUDED"), (2, "INCLUDED")]),
        item(rois=[(1, "EXCLUDED")]),
        item(rois=[]),
        item(number=4, DVHVolumeUnits="PERCENT"),
        item([0.0, 0.0], number=5),
        item(number=6, DVHData=None),
    )
    found = read(tmp_path, item(), *others)
    assert list(found.curves) == [3]
    assert {n.code for n in found.notices} == {"dvh_left_out"}
    reasons = ["not of one", "not of one", "not of one", "not known", "no volume", "no data"]
    assert all(reason in n.message for n, reason in zip(found.notices, reasons, strict=True))
    assert found.notices[0].message.startswith("prior/RD.dcm: DVH 2 ")
    with pytest.raises(DicomError, match="no DVH of a single structure"):
        read(tmp_path, *others)


@pytest.mark.parametrize("first", ["CUMULATIVE", "DIFFERENTIAL"])
def test_of_two_kinds_the_cumulative_one_counts(tmp_path, first):
    both = [item(), item([2, 5, 3], DVHType="DIFFERENTIAL")]
    found = read(tmp_path, *(both if first == "CUMULATIVE" else both[::-1]))
    assert found.curves[3].kind == "cumulative"
    with pytest.raises(DicomError, match="ROI 3 is given twice"):
        read(tmp_path, item(), item())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"DVHType": "NATURAL"}, r"DVH Type \(3004,0001\) is NATURAL; needed is CUMULATIVE or DIFFERENTIAL"),
        ({"DVHType": None}, "DVH Type .* is nothing"),
        ({"DoseUnits": "RELATIVE"}, "Dose Units .* is RELATIVE; needed is GY"),
        ({"DVHVolumeUnits": "PER_U"}, "DVH Volume Units .* is PER_U"),
        ({"DVHVolumeUnits": None}, "DVH Volume Units .* is nothing"),
        ({"DoseType": "ERROR"}, "Dose Type .* is needed as PHYSICAL or EFFECTIVE"),
        ({"DoseType": "EFFECTIVE"}, "the same in all DVHs"),
        ({"DoseType": None}, "the same in all DVHs"),
        ({"DVHNumberOfBins": 5}, "has 8 values, which is not two for each of its bins"),
        ({"data": [1, 10, 1], "DVHNumberOfBins": None}, "has 3 values"),
        ({"data": [0, 10]}, "not finite numbers above zero"),
        ({"data": [1, "nan"]}, "not finite numbers above zero"),
        ({"DVHDoseScaling": "0"}, "not finite numbers above zero"),
        ({"DVHDoseScaling": None}, r"DVH Dose Scaling \(3004,0052\) is missing"),
        ({"DVHDoseScaling": "100"}, "reaches beyond 1000 Gy"),
        ({"volumes": [10, 5, -1]}, "negative volumes"),
        ({"volumes": [10, 5, 6]}, "rises with dose"),
    ],
)
def test_what_is_refused(tmp_path, change, found):
    with pytest.raises(DicomError, match=found) as caught:
        read(tmp_path, item(**change))
    assert str(caught.value).startswith("prior/RD.dcm")


def test_text_among_the_numbers_is_refused_and_not_shown(tmp_path):
    path = save(rtdose(item(["10", "7.77"])), tmp_path / "RD.dcm")
    path.write_bytes(path.read_bytes().replace(b"7.77", b"Doe "))
    with pytest.raises(DicomError, match=r"DVH Data \(3004,0058\) holds text that is not a number") as caught:
        read_dvh_sequence(path, "RD.dcm")
    assert "Doe" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DicomError, match="is no RTDOSE"):
        read_dvh_sequence(save(plan(), tmp_path / "RP.dcm"), "RP.dcm")
    (tmp_path / "notes.txt").write_text("no DICOM")
    with pytest.raises(DicomError, match="is no RTDOSE"):
        read_dvh_sequence(tmp_path / "notes.txt", "notes.txt")
    with pytest.raises(DicomError, match=r"no\.dcm cannot be read"):
        read_dvh_sequence(tmp_path / "no.dcm", "no.dcm")
    with pytest.raises(DicomError, match="several structure sets"):
        read(tmp_path, item(), ReferencedStructureSetSequence=[dataset(ReferencedSOPInstanceUID=uid) for uid in ("1.2", "1.3")])


def test_effective_dose_is_told_and_the_dose_type_may_be_absent_above(tmp_path):
    assert read(tmp_path, item(DoseType="EFFECTIVE"), DoseType="EFFECTIVE").dose_type == "EFFECTIVE"
    assert read(tmp_path, item(DoseType="EFFECTIVE"), DoseType=None, DoseSummationType=None).dose_type == "EFFECTIVE"


def test_noise_of_subtracted_bins(tmp_path):
    found = paper(read(tmp_path, item(["10.0", "4.0", "4.000001", "2e-13", "-2e-13"])))
    assert found.upper_gy(0) == 20
    assert found.upper_gy(4.0000005) == 20
    assert found.lower_gy(3.9) == 10
    assert found.upper_gy(4.1) == 10


def test_an_open_end_is_closed_by_the_stated_maximum(tmp_path):
    open_end = {"volumes": ["10.00", "8.00", "3.00"]}
    assert paper(read(tmp_path, item(**open_end))).upper_gy(2) == math.inf
    assert paper(read(tmp_path, item(**open_end, DVHMaximumDose="17"))).upper_gy(2) == 17
    assert paper(read(tmp_path, item(**open_end, DVHMaximumDose="14"))).upper_gy(2) == pytest.approx(15)


def test_stated_doses_that_agree_say_nothing(tmp_path):
    found = read(tmp_path, item(DVHMaximumDose="14.5", DVHMeanDose="8.1"), item(number=4, DVHMaximumDose="0"))
    assert found.notices == ()
    assert paper(found).upper_gy(0) == 20


def test_stated_doses_in_another_unit(tmp_path):
    percent = {"DVHMaximumDose": "29", "DVHMeanDose": "16.2"}  # of 50 Gy
    found = read(tmp_path, item(**percent))
    assert [n.code for n in found.notices] == ["dvh_statistics_in_other_unit"]
    assert "prior/RD.dcm" in found.notices[0].message
    assert paper(found).upper_gy(0) == 20
    # with an open end these might be Gy, which is the larger dose
    assert paper(read(tmp_path, item(["10.00", "8.00", "3.00"], **percent))).upper_gy(2) == 29


@pytest.mark.parametrize("stated", [{"DVHMaximumDose": "29"}, {"DVHMaximumDose": "29", "DVHMeanDose": "5.6"}, {"DVHMaximumDose": "14.5", "DVHMeanDose": "81"}])
def test_stated_doses_that_contradict_the_curve(tmp_path, stated):
    with pytest.raises(DicomError, match="ROI 3 contradicts its curve"):
        read(tmp_path, item(**stated))


def test_an_export_of_eclipse(reference_data):
    """Curves in Gy, statistics in percent of 14 Gy; ROI 10 is a target: its stated maximum of 104.7 % is 14.66 Gy."""
    found = read_dvh_sequence(reference_data / "dicompyler-core" / "rtdose.dcm", "rtdose.dcm")
    assert sorted(found.curves) == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [n.code for n in found.notices] == ["dvh_statistics_in_other_unit"]
    assert found.curves[10].total_cc == pytest.approx(62.883, abs=1e-3)
    assert 14.66 <= paper(found, 10).upper_gy(0) <= 14.66 + 0.03
    assert paper(found, 10).upper_gy(2) - paper(found, 10).lower_gy(2) == pytest.approx(0.02)
