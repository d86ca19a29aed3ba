"""Spatial Registration: a rigid transformation between the frames of reference of two image series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, SpatialRegistrationStorage

from reirrad.dicom.write import Study, ds_texts, new_dataset, reference
from reirrad.dicom.write_image import CtGeometry
from reirrad.errors import GeometryError
from reirrad.grid import Float64

__all__ = ["ImageSeries", "ct_series", "registration_object"]

# |R'R - I| of a rotation that is written: other systems refuse more than rounding.
ORTHONORMAL = 1e-6


@dataclass(frozen=True, slots=True)
class ImageSeries:
    """An image series that a registration refers to.

    Parameters
    ----------
    frame_uid, study_uid, series_uid : str
        Frame of Reference, Study Instance and Series Instance UID.
    instance_uids : tuple of str
        SOP Instance UID of every image, at least one.
    sop_class : UID
        SOP class of the images.
    """

    frame_uid: str
    study_uid: str
    series_uid: str
    instance_uids: tuple[str, ...]
    sop_class: UID = CTImageStorage


def ct_series(study: Study, ct: CtGeometry) -> ImageSeries:
    """Return the CT series that `reirrad.dicom.write_image.ct_slice` writes."""
    return ImageSeries(study.frame_uid, study.study_uid, study.series_uid("CT"), tuple(ct.sop_uid(study, k) for k in range(ct.z_mm.size)))


def registration_object(
    study: Study,
    matrix_mm: Float64,
    source: ImageSeries,
    registered: ImageSeries,
    *,
    label: str = "RIGID",
    description: str = "Rigid registration",
    body_part: str = "",
) -> Dataset:
    """Return a rigid Spatial Registration object (DICOM PS3.3 A.39.1).

    Parameters
    ----------
    study : Study
        Study the object belongs to, in the frame of reference of `registered`.
    matrix_mm : (4, 4) float64
        Homogeneous: a point of the source frame times it is the same point of the patient in the registered frame.
    source, registered : ImageSeries
        The two series; their frames of reference differ.
    label : str
        Content Label: at most 16 capital letters, digits, spaces or underscores.
    description : str
        Content Description, at most 64 characters.
    body_part : str
        Body Part Examined, such as PELVIS, when it is known.

    Raises
    ------
    GeometryError
        When the matrix is no rotation and translation (|R'R - I| up to 1e-6), the frames are the same, or the study is in another frame.

    References
    ----------
    DICOM PS3.3 C.20.2.1.1: the matrix of an item maps the frame of the item to the Frame of Reference UID of the object.
    """
    _check(study, matrix_mm, source, registered)
    matrix = ds_texts(matrix_mm.ravel())
    instance = study.uid("REG", source.frame_uid, source.series_uid, registered.frame_uid, registered.series_uid, *matrix)
    ds = new_dataset(study, SpatialRegistrationStorage, "REG", instance, "Registration", "140000")
    if body_part:
        ds.BodyPartExamined = body_part
    else:
        ds.Laterality = ""  # a part of the body that is not known may be one of a pair (DICOM PS3.3 C.7.3.1)
    ds.ContentDate, ds.ContentTime = study.day, "140000"
    ds.InstanceNumber = 1
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = label, description, ""
    ds.RegistrationSequence = [_registration(registered, ds_texts(np.eye(4).ravel())), _registration(source, matrix)]
    # Images of the study of the object and of others stand in two places (DICOM PS3.3 C.12.2).
    studies: dict[str, list[Dataset]] = {}
    for series in (registered, source):
        studies.setdefault(series.study_uid, []).append(_series(series))
    if study.study_uid in studies:
        ds.ReferencedSeriesSequence = studies.pop(study.study_uid)
    if studies:
        ds.StudiesContainingOtherReferencedInstancesSequence = [_other_study(uid, items) for uid, items in studies.items()]
    return ds


def _check(study: Study, matrix_mm: Float64, source: ImageSeries, registered: ImageSeries) -> None:
    rigid = matrix_mm.shape == (4, 4) and bool(np.all(np.isfinite(matrix_mm)))
    if rigid:
        rotation = matrix_mm[:3, :3]
        rigid = bool(np.abs(rotation.T @ rotation - np.eye(3)).max() <= ORTHONORMAL and np.linalg.det(rotation) > 0 and np.all(matrix_mm[3] == [0, 0, 0, 1]))
    if not rigid:
        raise GeometryError(
            "The matrix to be written as a rigid registration is not a rotation and translation: it scales, shears, mirrors or is not finite. "
            "Give a (4, 4) matrix in mm whose rotation is orthonormal to 1e-6."
        )
    if source.frame_uid == registered.frame_uid:
        raise GeometryError("The two image series of a registration are in one frame of reference, which needs none. Give series of two frames.")
    if study.frame_uid != registered.frame_uid:
        raise GeometryError(
            "The study of a registration is not in the frame of reference of the registered images. Give the study of these images, or exchange the two series "
            "and invert the matrix."
        )


def _registration(series: ImageSeries, matrix: list[str]) -> Dataset:
    stored = Dataset()
    stored.FrameOfReferenceTransformationMatrixType, stored.FrameOfReferenceTransformationMatrix = "RIGID", matrix
    registration = Dataset()
    registration.RegistrationTypeCodeSequence, registration.MatrixSequence = [], [stored]
    item = Dataset()
    item.FrameOfReferenceUID = series.frame_uid
    item.ReferencedImageSequence = [reference(series.sop_class, uid) for uid in series.instance_uids]
    item.MatrixRegistrationSequence = [registration]
    return item


def _series(series: ImageSeries) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series.series_uid
    item.ReferencedInstanceSequence = [reference(series.sop_class, uid) for uid in series.instance_uids]
    return item


def _other_study(study_uid: str, series: list[Dataset]) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID, item.ReferencedSeriesSequence = study_uid, series
    return item
