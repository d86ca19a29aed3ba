"""RT Ion Plan with scanned proton beams: valid and plausible, not deliverable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import RTIonPlanStorage

from reirrad.dicom.write import Study, ds_text, ds_texts
from reirrad.dicom.write_plan import plan_dataset

__all__ = ["IonBeam", "rt_ion_plan"]

SPOT_MM = 10.0


@dataclass(frozen=True, slots=True)
class IonBeam:
    """One scanned proton field.

    Parameters
    ----------
    gantry_deg : float
        Gantry angle.
    energies_mev : tuple of float
        Energy layers, from the deepest.
    half_width_mm, half_length_mm : float
        Spots lie in an ellipse of this size, across and along the patient.
    """

    gantry_deg: float
    energies_mev: tuple[float, ...]
    half_width_mm: float = 40.0
    half_length_mm: float = 40.0


def rt_ion_plan(
    study: Study,
    label: str,
    prescription_gy: float,
    fractions: int,
    beams: Sequence[IonBeam],
    isocentre_mm: tuple[float, float, float],
    targets: dict[str, float],
    *,
    reviewer: str = "",
) -> Dataset:
    """Return a proton plan that refers to the structure set of the study (DICOM PS3.3 A.42).

    Parameters
    ----------
    label, fractions, reviewer
        As in `reirrad.dicom.write_plan.rt_plan`.
    prescription_gy, targets
        Likewise, but physical dose times the RBE, as proton plans are prescribed.
    """
    ds = plan_dataset(study, RTIonPlanStorage, label, prescription_gy, fractions, len(beams), targets, reviewer)
    for item in ds.FractionGroupSequence[0].ReferencedBeamSequence:
        del item.BeamDose  # which says neither whether the RBE is in it, nor, of a field of several, at which point
    ds.IonBeamSequence = [_beam(k, beam, isocentre_mm) for k, beam in enumerate(beams, 1)]
    return ds


def _beam(number: int, field: IonBeam, isocentre_mm: tuple[float, float, float]) -> Dataset:
    beam = Dataset()
    beam.BeamNumber, beam.BeamName = number, f"Field {number}"
    beam.BeamType, beam.RadiationType, beam.TreatmentDeliveryType = "STATIC", "PROTON", "TREATMENT"
    beam.ScanMode = "MODULATED"
    beam.Manufacturer, beam.TreatmentMachineName, beam.PrimaryDosimeterUnit = "reirrad", "PROTON", "MU"
    beam.VirtualSourceAxisDistances = [2000.0, 2500.0]
    beam.NumberOfWedges = beam.NumberOfCompensators = beam.NumberOfBoli = beam.NumberOfBlocks = 0
    beam.NumberOfRangeShifters = beam.NumberOfLateralSpreadingDevices = beam.NumberOfRangeModulators = 0
    beam.PatientSupportType, beam.ReferencedPatientSetupNumber = "TABLE", 1
    layers = len(field.energies_mev)
    beam.FinalCumulativeMetersetWeight, beam.NumberOfControlPoints = "1", 2 * layers
    beam.IonControlPointSequence = []
    for k, energy in enumerate(field.energies_mev):
        # a layer is a pair of control points: the second ends what the first begins (DICOM PS3.3 C.8.8.25.7)
        beam.IonControlPointSequence += [_layer(2 * k, k / layers, energy, field, 1 / layers), _layer(2 * k + 1, (k + 1) / layers, energy, field, 0.0)]
    first = beam.IonControlPointSequence[0]
    first.GantryAngle, first.GantryRotationDirection = ds_text(field.gantry_deg), "NONE"
    first.BeamLimitingDeviceAngle, first.BeamLimitingDeviceRotationDirection = "0", "NONE"
    first.PatientSupportAngle, first.PatientSupportRotationDirection = "0", "NONE"
    first.GantryPitchAngle, first.GantryPitchRotationDirection = 0.0, "NONE"
    first.TableTopPitchAngle, first.TableTopPitchRotationDirection = 0.0, "NONE"
    first.TableTopRollAngle, first.TableTopRollRotationDirection = 0.0, "NONE"
    first.TableTopVerticalPosition = first.TableTopLongitudinalPosition = first.TableTopLateralPosition = None
    first.IsocenterPosition, first.SnoutPosition = ds_texts(isocentre_mm), None
    return beam


def _layer(index: int, cumulative: float, energy_mev: float, field: IonBeam, weight: float) -> Dataset:
    point = Dataset()
    point.ControlPointIndex, point.CumulativeMetersetWeight = index, ds_text(cumulative)
    point.NominalBeamEnergy = ds_text(energy_mev)
    spots = _spots_mm(field)
    point.ScanSpotTuneID, point.NumberOfScanSpotPositions, point.NumberOfPaintings = "1", len(spots), 1
    point.ScanSpotPositionMap = spots.ravel().tolist()
    point.ScanSpotMetersetWeights = [weight / len(spots)] * len(spots)
    point.ScanningSpotSize = [8.0, 8.0]
    return point


def _spots_mm(field: IonBeam) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Spot positions (n, 2) in the plane of the isocentre."""
    x, y = (SPOT_MM * np.arange(-np.floor(half / SPOT_MM), np.floor(half / SPOT_MM) + 1) for half in (field.half_width_mm, field.half_length_mm))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return grid[(grid[:, 0] / field.half_width_mm) ** 2 + (grid[:, 1] / field.half_length_mm) ** 2 <= 1]
