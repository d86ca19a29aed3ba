"""CT images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage

from reirrad.dicom.write import Study, ds_text, ds_texts, new_dataset
from reirrad.grid import Float64

__all__ = ["CtGeometry", "ct_slice"]

# Stored values are HU + 1024, so that air is 24 and needs no sign.
INTERCEPT_HU = -1024


@dataclass(frozen=True, slots=True, eq=False)
class CtGeometry:
    """Where the pixels of an axial CT series are.

    Parameters
    ----------
    x_mm, y_mm : float
        Centre of the first pixel.
    pixel_mm : float
        Distance of pixel centres along x and y.
    z_mm : (N,) float64
        Planes, evenly spaced.
    """

    x_mm: float
    y_mm: float
    pixel_mm: float
    z_mm: Float64

    @property
    def spacing_mm(self) -> float:
        """Distance of the planes."""
        return float(self.z_mm[1] - self.z_mm[0])

    def sop_uid(self, study: Study, index: int) -> UID:
        """SOP Instance UID of a plane."""
        return study.uid("CT", index)


def ct_slice(study: Study, geometry: CtGeometry, index: int, hu: NDArray[np.int16]) -> Dataset:
    """Return one plane of a planning CT (DICOM PS3.3 A.3).

    Parameters
    ----------
    index : int
        Plane of `geometry`, from 0.
    hu : (rows, columns) int16
        Hounsfield units, from -1024.
    """
    z = float(geometry.z_mm[index])
    ds = new_dataset(study, CTImageStorage, "CT", geometry.sop_uid(study, index), "Planning CT", "090000")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionDate, ds.AcquisitionTime = study.day, "090000"
    ds.ContentDate, ds.ContentTime = study.day, "090000"
    ds.BodyPartExamined = "PELVIS"
    ds.PatientPosition = study.patient_position
    ds.SliceThickness, ds.KVP = ds_text(geometry.spacing_mm), "120"
    ds.AcquisitionNumber, ds.InstanceNumber = 1, index + 1
    ds.ImagePositionPatient = ds_texts([geometry.x_mm, geometry.y_mm, z])
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.SliceLocation = ds_text(z)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = hu.shape
    ds.PixelSpacing = ds_texts([geometry.pixel_mm, geometry.pixel_mm])
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(INTERCEPT_HU), "1", "HU"
    ds.PixelData = (hu.astype(np.int32) - INTERCEPT_HU).astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds
