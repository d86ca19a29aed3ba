"""RT Structure Set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from reirrad.dicom.write import DETACHED_STUDY_MANAGEMENT, Study, new_dataset, reference
from reirrad.dicom.write_image import CtGeometry
from reirrad.grid import Float64
from reirrad.structures import Contour, Structure

__all__ = ["SAME_PLANE", "fill_points", "rt_structure_set"]

CONTOUR_DATA = Tag("ContourData")
# A contour farther than this part of the plane spacing from every image names none.
SAME_PLANE = 0.1


def rt_structure_set(study: Study, structures: Sequence[Structure], ct: CtGeometry, label: str) -> Dataset:
    """Return a structure set drawn on a CT series (DICOM PS3.3 A.19).

    Parameters
    ----------
    structures : sequence of Structure
        ROI numbers as given; each contour in one plane of `ct`.
    label : str
        Structure Set Label, at most 16 characters.
    """
    ds = new_dataset(study, RTStructureSetStorage, "RTSTRUCT", study.uid("RTSTRUCT"), "Structures", "100000")
    ds.InstanceNumber = 1
    ds.StructureSetLabel, ds.StructureSetName = label, label
    ds.StructureSetDate, ds.StructureSetTime = study.day, "100000"
    images = [reference(CTImageStorage, ct.sop_uid(study, k)) for k in range(ct.z_mm.size)]
    series = Dataset()
    series.SeriesInstanceUID, series.ContourImageSequence = study.series_uid("CT"), images
    within = reference(DETACHED_STUDY_MANAGEMENT, study.study_uid)
    within.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = study.frame_uid, [within]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence = [_roi(study, structure) for structure in structures]
    ds.ROIContourSequence = [_contours(study, structure, ct) for structure in structures]
    ds.RTROIObservationsSequence = [_observation(structure) for structure in structures]
    ds.ApprovalStatus = "UNAPPROVED"
    return ds


def _roi(study: Study, structure: Structure) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = structure.number, structure.name
    item.ReferencedFrameOfReferenceUID = study.frame_uid
    item.ROIGenerationAlgorithm = "MANUAL"
    return item


def _observation(structure: Structure) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = structure.number
    item.RTROIInterpretedType, item.ROIInterpreter = structure.interpreted_type, ""
    return item


def _contours(study: Study, structure: Structure, ct: CtGeometry) -> Dataset:
    item = Dataset()
    k = structure.number
    item.ROIDisplayColor = [64 + 61 * k % 192, 64 + 97 * k % 192, 64 + 149 * k % 192]
    item.ReferencedROINumber = k
    if structure.contours:  # the sequence may be absent, not empty (DICOM PS3.3 C.8.8.6)
        item.ContourSequence = [_contour(study, contour, ct) for contour in structure.contours]
    return item


def _contour(study: Study, contour: Contour, ct: CtGeometry) -> Dataset:
    item = Dataset()
    z = float(contour.points_mm[0, 2])
    nearest = int(np.abs(ct.z_mm - z).argmin())
    if abs(ct.z_mm[nearest] - z) <= SAME_PLANE * ct.spacing_mm:
        item.ContourImageSequence = [reference(CTImageStorage, ct.sop_uid(study, nearest))]
    item.ContourGeometricType = "CLOSEDPLANAR_XOR" if contour.xor else "CLOSED_PLANAR"
    fill_points(item, contour.points_mm)
    return item


def fill_points(item: Dataset, points_mm: Float64) -> None:
    """Write the points (M, 3) of a contour, rounded to 0.001 mm, into its item."""
    item.NumberOfContourPoints = len(points_mm)
    # Written as encoded text at once: a clinical structure set holds millions of numbers. 0.001 mm fits 16 characters.
    text = "\\".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in (np.round(points_mm, 3) + 0.0).ravel().tolist()).encode()
    text += b" " * (len(text) % 2)
    item[CONTOUR_DATA] = RawDataElement(CONTOUR_DATA, "DS", len(text), text, 0, False, True)
    item.set_original_encoding(False, True, default_encoding)  # explicit VR, little endian: pydicom then copies the text
