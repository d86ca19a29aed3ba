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

__all__ = ["rt_dose"]

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
    grid = dose.grid
    top = 2**bits - 1
    largest = float(dose.dose_gy.max(initial=0.0))
    scaling = ds_text(step_gy if step_gy is not None else (largest if largest > 0 else 1.0) * (1 + 1e-9) / top)
    # The reader multiplies by the text, so the text, not the number it came from, divides here (DICOM PS3.3 C.8.8.3.4.2).
    stored = np.rint(dose.dose_gy.astype(np.float64) / float(scaling))
    if stored.size and stored.max() > top:
        raise GeometryError(
            f"A dose of {largest:.6g} Gy does not fit {bits} bits at {scaling} Gy per unit. The largest is {top * float(scaling):.6g} Gy. Use a larger step."
        )
    ds = new_dataset(study, RTDoseStorage, "RTDOSE", study.uid("RTDOSE", dose_type, summation, comment), "Dose", "120000")
    ds.ContentDate, ds.ContentTime = study.day, "120000"
    ds.InstanceNumber = 1
    position = grid.rotation.T @ np.array([grid.u_mm[0], grid.v_mm[0], grid.w_mm[0]])
    ds.ImagePositionPatient = ds_texts(position)
    ds.ImageOrientationPatient = ds_texts(np.round(grid.rotation[:2].ravel(), 12) + 0.0)
    ds.PixelSpacing = ds_texts([_even_spacing("row", grid.v_mm), _even_spacing("column", grid.u_mm)])
    ds.SliceThickness = ds_text(grid.w_mm[1] - grid.w_mm[0]) if grid.w_mm.size > 1 else None
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = grid.shape
    ds.FrameIncrementPointer = Tag("GridFrameOffsetVector")
    ds.GridFrameOffsetVector = ds_texts(np.round(grid.w_mm - grid.w_mm[0], 9))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType = "GY", dose_type, summation
    ds.DoseGridScaling = scaling
    ds.TissueHeterogeneityCorrection = "IMAGE"
    if comment:
        ds.DoseComment = comment
    ds.ReferencedRTPlanSequence = [reference(plan_class, plan_uid or study.uid("RTPLAN"))]
    ds.PixelData = stored.astype(f"<u{bits // 8}").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def _even_spacing(name: str, centres_mm: Float64) -> float:
    """Voxel distance along an axis (nominal 1 mm when there is one voxel)."""
    if centres_mm.size < 2:
        return 1.0
    spacing = float(centres_mm[-1] - centres_mm[0]) / (centres_mm.size - 1)
    if np.abs(np.diff(centres_mm) - spacing).max() > EVEN_VOXELS * spacing:
        raise GeometryError(f"The {name} spacing of a dose grid is uneven, which DICOM cannot express. Resample the dose to an even grid before it is written.")
    return round(spacing, 9)
