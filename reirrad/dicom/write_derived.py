"""RT Dose and RT Structure Set derived from a patient's own files: the same patient, study and frame of reference, new identifiers.

What is added to what the source holds is plain ASCII, so that it means the same in every character set. Identifiers are hashes of the whole object: the same
content always has the same, another content another.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, RTDoseStorage, RTStructureSetStorage

from reirrad.dicom.source_study import TYPE_2, SourceImages, SourceStudy, without_accents
from reirrad.dicom.write import DETACHED_STUDY_MANAGEMENT, Study, encoded, new_dataset, reference, uid_from_text
from reirrad.dicom.write_dose import fill_dose
from reirrad.dicom.write_structures import fill_points
from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError, ParameterError, printable
from reirrad.grid import Float64

__all__ = ["DerivedStructure", "SourceStudy", "derived_dose", "derived_structures"]

SHORT, LONG, VERY_LONG = 16, 64, 10240  # characters of SH, LO and LT
UNNAMED: Final = uid_from_text("derived object without a name yet")
LEAST_POINTS: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class DerivedStructure:
    """A structure that was calculated.

    Parameters
    ----------
    name : str
        At most 64 ASCII characters, unique in its set.
    contours : sequence of (M, 3) float64
        Closed contours, each in one plane, mm.
    colour : (red, green, blue)
        0 to 255.
    """

    name: str
    contours: Sequence[Float64]
    colour: tuple[int, int, int]


def derived_dose(
    source: SourceStudy,
    dose: DoseGrid,
    *,
    dose_type: Literal["PHYSICAL", "EFFECTIVE"],
    summation: Literal["PLAN", "MULTI_PLAN"],
    comment: str,
    plans: Sequence[tuple[str, str]],
    day: dt.date,
    description: str = "",
    details: str = "",
) -> Dataset:
    """Return a dose distribution of the source's patient and study (DICOM PS3.3 A.18).

    Parameters
    ----------
    dose : DoseGrid
        In the frame of reference of the source; known everywhere.
    dose_type : str
        EFFECTIVE for anything but absorbed dose.
    summation : str
        MULTI_PLAN becomes PLAN where there are fewer than two plans, of which the standard knows no sum.
    comment : str
        What the dose is: at most 64 ASCII characters.
    plans : sequence of (str, str)
        SOP Class and SOP Instance UID of the plans it comes from.
    day : date
        Of the calculation.
    description : str
        Series Description; what is not ASCII or too long is left out.
    details : str
        Image Comments: how the dose was calculated.

    Raises
    ------
    GeometryError
        When the dose lies in another frame, is unknown somewhere, or has a grid that DICOM cannot express.
    ParameterError
        When the comment is too long or not plain.
    """
    if dose.frame_uid != source.frame_uid:
        raise GeometryError("The dose to be written is not in the frame of reference of the study it is to belong to. Write it for its own study.")
    ds = _new(source, RTDoseStorage, "RTDOSE", day, description or "Derived dose", "150000")
    ds.ContentDate, ds.ContentTime = ds.InstanceCreationDate, ds.InstanceCreationTime
    fill_dose(ds, dose)
    ds.DoseType = dose_type
    ds.DoseSummationType = "PLAN" if len(plans) < 2 else summation
    ds.DoseComment = _exactly("The dose comment", comment, LONG)
    if details:
        ds.ImageComments = _plain(details, VERY_LONG)
    if plans:
        ds.ReferencedRTPlanSequence = [reference(UID(sop_class), UID(instance)) for sop_class, instance in plans]
    return _named(ds)


def derived_structures(source: SourceStudy, structures: Sequence[DerivedStructure], *, label: str, day: dt.date) -> Dataset:
    """Return a structure set of the source's patient and study (DICOM PS3.3 A.19).

    Parameters
    ----------
    label : str
        Structure Set Label: at most 16 ASCII characters.
    day : date
        Of the calculation.

    Raises
    ------
    GeometryError
        When a contour has fewer than three points or is not finite.
    ParameterError
        When there are no structures, names repeat, or a name or the label is too long or not plain.
    """
    if not structures or len({s.name for s in structures}) < len(structures):
        raise ParameterError("A structure set to be written needs at least one structure, and a name of its own for each. Correct the names.")
    ds = _new(source, RTStructureSetStorage, "RTSTRUCT", day, "Derived structures", "150000")
    ds.StructureSetLabel = ds.StructureSetName = _exactly("The label of a structure set", label, SHORT)
    ds.StructureSetDate, ds.StructureSetTime = ds.InstanceCreationDate, ds.InstanceCreationTime
    frame = Dataset()
    frame.FrameOfReferenceUID = source.frame_uid
    if source.images is not None:
        frame.RTReferencedStudySequence = [_image_study(source.images)]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    numbered = list(enumerate(structures, 1))
    ds.StructureSetROISequence = [_roi(source, n, s) for n, s in numbered]
    ds.ROIContourSequence = [_contours(source.images, n, s) for n, s in numbered]
    ds.RTROIObservationsSequence = [_observation(n) for n, _ in numbered]
    ds.ApprovalStatus = "UNAPPROVED"
    return _named(ds)


# ------------------------------------------------------------------------------------------------------------ new objects


def _new(source: SourceStudy, sop_class: UID, modality: str, day: dt.date, description: str, time: str) -> Dataset:
    """Return a data set with everything but its content and its identifiers."""
    study = Study("", "", "", day, source.frame_uid, patient_sex="")
    ds = new_dataset(study, sop_class, modality, UNNAMED, _plain(description, 10 * LONG)[:LONG], time)
    ds.SeriesInstanceUID = UNNAMED
    del ds.SpecificCharacterSet, ds.StudyDescription
    for keyword in TYPE_2:
        setattr(ds, keyword, "")
    for element in source.taken:
        ds[BaseTag(element.tag)] = element
    charset = ds.get("SpecificCharacterSet")
    ds.set_original_encoding(False, True, convert_encodings(charset) if charset else default_encoding)  # pydicom then copies what is stored
    ds.InstanceNumber = 1
    return ds


def _named(ds: Dataset) -> Dataset:
    """The data set with identifiers that follow from everything else in it."""
    digest = hashlib.sha256(encoded(ds)).hexdigest()
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid_from_text("derived", digest)
    ds.SeriesInstanceUID = uid_from_text("derived series", digest)
    return ds


def _plain(words: str, longest: int) -> str:
    """Text without accents, other characters outside ASCII as ?, and no backslash, which parts values."""
    return without_accents(printable(words, longest)).encode("ascii", "replace").decode().replace("\\", "/")


def _exactly(what: str, words: str, longest: int) -> str:
    """Text as it is, which says what the numbers are and must not be cut."""
    if not words or len(words) > longest or _plain(words, longest) != words:
        raise ParameterError(f"{what} is empty, longer than {longest} characters or not plain ASCII. Shorten it.")
    return words


def _image_study(images: SourceImages) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images.series_uid
    series.ContourImageSequence = [reference(UID(sop_class), UID(instance)) for sop_class, instance in images.instances]
    within = reference(DETACHED_STUDY_MANAGEMENT, images.study_uid)
    within.RTReferencedSeriesSequence = [series]
    return within


def _roi(source: SourceStudy, number: int, structure: DerivedStructure) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = number, _exactly("The name of a structure", structure.name, LONG)
    item.ReferencedFrameOfReferenceUID = source.frame_uid
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    return item


def _observation(number: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.RTROIInterpretedType, item.ROIInterpreter = "DOSE_REGION", ""
    return item


def _contours(images: SourceImages | None, number: int, structure: DerivedStructure) -> Dataset:
    item = Dataset()
    item.ROIDisplayColor = list(structure.colour)
    item.ReferencedROINumber = number
    if structure.contours:  # the sequence may be absent, not empty (DICOM PS3.3 C.8.8.6)
        item.ContourSequence = [_contour(images, points_mm) for points_mm in structure.contours]
    return item


def _contour(images: SourceImages | None, points_mm: Float64) -> Dataset:
    if points_mm.ndim != 2 or points_mm.shape[1] != 3 or len(points_mm) < LEAST_POINTS or not np.all(np.isfinite(points_mm)):
        raise GeometryError("A contour to be written has fewer than three points, or points that are not finite. Write closed contours only.")
    item = Dataset()
    plane = None if images is None else images.at(points_mm)
    if plane is not None:
        item.ContourImageSequence = [reference(UID(plane[0]), UID(plane[1]))]
    item.ContourGeometricType = "CLOSED_PLANAR"
    fill_points(item, points_mm)
    return item
