"""Small DICOM RT objects for tests: a course of 10 fractions, a grid that is neither cubic nor at the origin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT, RTDOSE, RTSTRUCT, RTPLAN, ION = (f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("2", "481.2", "481.3", "481.5", "481.8"))
RECORD, REG, DEFORMABLE = (f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("481.4", "66.1", "66.3"))
FRAME, OTHER_FRAME = "1.2.3.100", "1.2.3.200"
PLAN_UID, SET_UID = "1.2.3.5", "1.2.3.3"
SHAPE = (3, 4, 5)  # planes, rows, columns
POSITION = (-7.0, 11.0, 20.0)
SPACING = (2.0, 2.5)  # between rows, between columns


def dataset(**values: Any) -> Dataset:
    ds = Dataset()
    with disable_value_validation():  # tests write wrong values on purpose
        for keyword, value in values.items():
            setattr(ds, keyword, value)
    return ds


def obj(sop_class: str, uid: str, **values: Any) -> Dataset:
    ds = dataset(SpecificCharacterSet="ISO_IR 192", SOPClassUID=sop_class, SOPInstanceUID=uid)
    ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = "P1", "Doe^Jane", "19500101", "F"
    ds.SeriesInstanceUID, ds.StudyInstanceUID = "1.2.3.9." + sop_class.rsplit(".", 1)[1], "1.2.3.8"
    ds.FrameOfReferenceUID = FRAME
    for keyword, value in values.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def save(ds: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def voxels(top_gy: float = 20.0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Rising values in units of 0.01 Gy; the last is `top_gy`."""
    n = int(np.prod(shape))
    return np.round(top_gy * 100 * np.arange(1, n + 1) / n).reshape(shape)


def dose(uid: str = "1.2.3.2", values: np.ndarray | None = None, *, bits: int = 32, plan: str | None = PLAN_UID, summation: str = "PLAN", group: int | None = None,  # noqa: E501
         beams: Iterable[int] = (), setups: Iterable[int] = (), **more: Any) -> Dataset:  # fmt: skip
    """RTDOSE with 0.01 Gy a unit."""
    values = voxels() if values is None else values
    ds = obj(RTDOSE, uid, Modality="RTDOSE", DoseUnits="GY", DoseType="PHYSICAL", DoseSummationType=summation, DoseGridScaling="0.01")
    ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing = list(POSITION), [1, 0, 0, 0, 1, 0], list(SPACING)
    ds.NumberOfFrames, ds.Rows, ds.Columns = values.shape
    ds.GridFrameOffsetVector, ds.FrameIncrementPointer = [3.0 * k for k in range(len(values))], 0x3004000C
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    if plan is not None:
        item = dataset(ReferencedSOPClassUID=RTPLAN, ReferencedSOPInstanceUID=plan)
        if group is not None or beams or setups:
            part = dataset(ReferencedFractionGroupNumber=group or 1)
            part.ReferencedBeamSequence = [dataset(ReferencedBeamNumber=b) for b in beams]
            part.ReferencedBrachyApplicationSetupSequence = [dataset(ReferencedBrachyApplicationSetupNumber=s) for s in setups]
            item.ReferencedFractionGroupSequence = [part]
        ds.ReferencedRTPlanSequence = [item]
    ds.PixelData = values.astype(f"<u{bits // 8}").tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in more.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def plan(uid: str = PLAN_UID, groups: Sequence[tuple[int | None, Sequence[int]]] = ((10, (1, 2)),), prescription: float | None = 19.0, radiation: str = "PHOTON",  # noqa: E501
         setups: Sequence[int] = (), label: str = "P1", **more: Any) -> Dataset:  # fmt: skip
    """RTPLAN; a group is (fractions, beam numbers)."""
    ds = obj(RTPLAN, uid, Modality="RTPLAN", RTPlanLabel=label, RTPlanName="", RTPlanDate="20210101", ApprovalStatus="APPROVED")
    if prescription is not None:
        ds.DoseReferenceSequence = [
            dataset(DoseReferenceNumber=1, DoseReferenceType="TARGET", TargetPrescriptionDose=prescription),
            dataset(DoseReferenceNumber=2, DoseReferenceType="TARGET", TargetPrescriptionDose=prescription / 2),
            dataset(DoseReferenceNumber=3, DoseReferenceType="ORGAN_AT_RISK", TargetPrescriptionDose=99),
        ]
    ds.FractionGroupSequence = []
    for number, (fractions, beams) in enumerate(groups, 1):
        item = dataset(FractionGroupNumber=number, NumberOfBeams=len(beams), NumberOfFractionsPlanned="" if fractions is None else fractions)
        item.ReferencedBeamSequence = [dataset(ReferencedBeamNumber=b, BeamDose=0.95) for b in beams]
        item.ReferencedBrachyApplicationSetupSequence = [dataset(ReferencedBrachyApplicationSetupNumber=s) for s in setups]
        ds.FractionGroupSequence.append(item)
    numbers = sorted({b for _, beams in groups for b in beams})
    ds.BeamSequence = [dataset(BeamNumber=b, RadiationType=radiation, TreatmentDeliveryType="TREATMENT") for b in numbers]
    ds.ReferencedStructureSetSequence = [dataset(ReferencedSOPClassUID=RTSTRUCT, ReferencedSOPInstanceUID=SET_UID)]
    for keyword, value in more.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


SQUARE = [-5.0, 12.0, 22.0, 1.0, 12.0, 22.0, 1.0, 16.0, 22.0, -5.0, 16.0, 22.0]


def contour(data: Sequence[Any] | None = None, kind: str = "CLOSED_PLANAR", n_points: int | None = None) -> Dataset:
    data = SQUARE if data is None else data
    return dataset(ContourGeometricType=kind, NumberOfContourPoints=len(data) // 3 if n_points is None else n_points, ContourData=list(data))


def structure_set(uid: str = SET_UID, rois: Sequence[tuple[str, Sequence[Dataset]]] = (("Rectum", (contour(),)),), frame: str = FRAME, **more: Any) -> Dataset:
    ds = obj(RTSTRUCT, uid, Modality="RTSTRUCT", StructureSetLabel="S", FrameOfReferenceUID=None)
    series = dataset(SeriesInstanceUID="1.2.3.9.2", ContourImageSequence=[])
    ds.ReferencedFrameOfReferenceSequence = [
        dataset(FrameOfReferenceUID=frame, RTReferencedStudySequence=[dataset(ReferencedSOPInstanceUID="1.2.3.8", RTReferencedSeriesSequence=[series])])
    ]
    ds.StructureSetROISequence = [dataset(ROINumber=k, ROIName=name, ReferencedFrameOfReferenceUID=frame) for k, (name, _) in enumerate(rois, 1)]
    ds.ROIContourSequence = [dataset(ReferencedROINumber=k, ContourSequence=list(items)) for k, (_, items) in enumerate(rois, 1) if items]
    ds.RTROIObservationsSequence = [dataset(ObservationNumber=k, ReferencedROINumber=k, RTROIInterpretedType="ORGAN") for k in range(1, len(rois) + 1)]
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def ct(k: int, **more: Any) -> Dataset:
    values: dict[str, Any] = {
        "ImagePositionPatient": [-250, -240, 20.0 + 3 * k],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SeriesInstanceUID": "1.2.3.9.2",
    }
    return obj(CT, f"1.2.3.7.{more.pop('tag', 1)}.{k}", Modality="CT", **{**values, **more})


def registration(items: Sequence[tuple[str, Sequence[np.ndarray]]], frame: str = FRAME, sop_class: str = REG, **more: Any) -> Dataset:
    ds = obj(sop_class, "1.2.3.66", Modality="REG", FrameOfReferenceUID=frame, **more)
    ds.RegistrationSequence = []
    for source, matrices in items:
        sequence = [
            dataset(FrameOfReferenceTransformationMatrixType="RIGID", FrameOfReferenceTransformationMatrix=[f"{v:.12g}" for v in m.ravel()]) for m in matrices
        ]
        ds.RegistrationSequence.append(dataset(FrameOfReferenceUID=source, MatrixRegistrationSequence=[dataset(MatrixSequence=sequence)]))
    return ds


def course(folder: Path, *objects: Dataset, structures: bool = True, n_ct: int = 3) -> Path:
    """Write objects, a structure set and CT planes into a folder."""
    for k, ds in enumerate([*objects, *([structure_set()] if structures else []), *(ct(k) for k in range(n_ct))]):
        save(ds, folder / f"{k:02d}.dcm")
    return folder
