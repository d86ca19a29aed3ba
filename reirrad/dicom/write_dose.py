"""RT Dose."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, RTDoseStorage, RTPlanStorage

from reirrad.dicom.write import Study, ds_text, ds_texts, new_dataset, reference
from reirrad.dose import DoseGrid
from reirrad.errors import GeometryError
from reirrad.grid import Float64

__all__ = ["fill_dose", "rt_dose"]

# Voxel distances that differ by less than this part of a voxel are one Pixel Spacing.
EVEN_VOXELS = 1e-3


def rt_dose(
    study: Study,
    dose: DoseGrid,
    plan_uid: UID | None = None,
    *,
    plan_class: UID = RTPlanStorage,
    step_gy: float | None = None,
    bits: Literal[16, 32] = 32,
    dose_type: Literal["PHYSICAL", "EFFECTIVE"] = "PHYSICAL",
    summation: str = "PLAN",
    comment: str = "",
) -> Dataset:
    """Return a dose distribution (DICOM PS3.3 A.18).

    Parameters
    ----------
    dose : DoseGrid
        Evenly spaced along u and v; planes may be uneven.
    plan_uid : UID, optional
        Plan the dose belongs to; default the plan of the study.
    plan_class : UID
        SOP class of that plan.
    step_gy : float, optional
        Dose of one stored unit (Dose Grid Scaling); default the finest that the largest dose allows.
    summation : str
        Dose Summation Type.
    comment : str
        Dose Comment.

    Raises
    ------
    GeometryError
        When voxels are not evenly spaced along u or v, or a dose is too large for `step_gy` and `bits`.
    """
    ds = new_dataset(study, RTDoseStorage, "RTDOSE", study.uid("RTDOSE", dose_type, summation, comment), "Dose", "120000")
    ds.ContentDate, ds.ContentTime = study.day, "120000"
    ds.InstanceNumber = 1
    fill_dose(ds, dose, step_gy, bits)
    ds.DoseType, ds.DoseSummationType = dose_type, summation
    ds.TissueHeterogeneityCorrection = "IMAGE"
    if comment:
        ds.DoseComment = comment
    ds.ReferencedRTPlanSequence = [reference(plan_class, plan_uid or study.uid("RTPLAN"))]
    return ds


def fill_dose(ds: Dataset, dose: DoseGrid, step_gy: float | None = None, bits: Literal[16, 32] = 32) -> None:
    """Write where the voxels are and what they hold (DICOM PS3.3 C.7.6.2, C.7.6.3, C.7.6.6, C.8.8.3) into a data set; arguments as for `rt_dose`.

    Raises
    ------
    GeometryError
        As for `rt_dose`; and when a dose is unknown (NaN), infinite or below zero, which the stored integers cannot hold.
    """
    grid = dose.grid
    top = 2**bits - 1
    largest = float(dose.dose_gy.max(initial=0.0))
    if not (np.isfinite(largest) and dose.dose_gy.min(initial=0.0) >= 0):
        raise GeometryError("A dose to be written is unknown, infinite or below zero somewhere, which DICOM cannot hold. Write known doses only.")
    scaling = ds_text(step_gy if step_gy is not None else (largest if largest > 0 else 1.0) * (1 + 1e-9) / top)
    # The reader multiplies by the text, so the text, not the number it came from, divides here (DICOM PS3.3 C.8.8.3.4.2).
    if np.rint(largest / float(scaling)) > top:
        raise GeometryError(
            f"A dose of {largest:.6g} Gy does not fit {bits} bits at {scaling} Gy per unit. The largest is {top * float(scaling):.6g} Gy. Use a larger step."
        )
    stored = np.empty(grid.shape, f"<u{bits // 8}")
    for k, plane in enumerate(dose.dose_gy):  # no second copy of the whole grid in double precision
        stored[k] = np.rint(plane.astype(np.float64) / float(scaling))
    position = grid.rotation.T @ np.array([grid.u_mm[0], grid.v_mm[0], grid.w_mm[0]])
    ds.ImagePositionPatient = ds_texts(position)
    ds.ImageOrientationPatient = ds_texts(np.round(grid.rotation[:2].ravel(), 12) + 0.0)
    ds.PixelSpacing = ds_texts([_even_spacing("row", grid.v_mm), _even_spacing("column", grid.u_mm)])
    ds.SliceThickness = ds_text(grid.w_mm[1] - grid.w_mm[0]) if grid.w_mm.size > 1 else None
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    n_planes, ds.Rows, ds.Columns = grid.shape
    if n_planes > 1:  # a vector of offsets has two or more
        ds.NumberOfFrames, ds.FrameIncrementPointer = n_planes, Tag("GridFrameOffsetVector")
        ds.GridFrameOffsetVector = ds_texts(np.round(grid.w_mm - grid.w_mm[0], 9))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.DoseUnits, ds.DoseGridScaling = "GY", scaling
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"


def _even_spacing(name: str, centres_mm: Float64) -> float:
    """Voxel distance along an axis (nominal 1 mm when there is one voxel)."""
    if centres_mm.size < 2:
        return 1.0
    spacing = float(centres_mm[-1] - centres_mm[0]) / (centres_mm.size - 1)
    if np.abs(np.diff(centres_mm) - spacing).max() > EVEN_VOXELS * spacing:
        raise GeometryError(f"The {name} spacing of a dose grid is uneven, which DICOM cannot express. Resample the dose to an even grid before it is written.")
    return round(spacing, 9)
