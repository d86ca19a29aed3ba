"""RT Plan with photon arcs: valid and plausible, not deliverable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, RTPlanStorage, RTStructureSetStorage

from reirrad.dicom.write import Study, ds_text, ds_texts, new_dataset, reference

__all__ = ["Arc", "plan_dataset", "rt_plan"]

DEGREES_PER_CONTROL_POINT = 10.0
# 60 leaf pairs: 40 of 5 mm in the middle, 10 of 10 mm on each side.
LEAF_BOUNDARIES_MM = np.concatenate([np.arange(-200.0, -100.0, 10.0), np.arange(-100.0, 100.0, 5.0), np.arange(100.0, 200.1, 10.0)])


@dataclass(frozen=True, slots=True)
class Arc:
    """One arc of a linear accelerator.

    Parameters
    ----------
    start_deg, stop_deg : float
        Gantry angles; the way between them does not pass 180 degrees.
    clockwise : bool
        Sense of rotation.
    half_width_mm, half_length_mm : float
        Opening across and along the patient.
    """

    start_deg: float
    stop_deg: float
    clockwise: bool
    half_width_mm: float = 60.0
    half_length_mm: float = 60.0

    def gantry_deg(self) -> list[float]:
        """Gantry angle of each control point, 0 <= angle < 360."""
        travel = (self.stop_deg - self.start_deg) % 360 if self.clockwise else -((self.start_deg - self.stop_deg) % 360)
        n = max(round(abs(travel) / DEGREES_PER_CONTROL_POINT), 1)
        return [(self.start_deg + travel * k / n) % 360 for k in range(n + 1)]


def rt_plan(
    study: Study,
    label: str,
    prescription_gy: float,
    fractions: int,
    arcs: Sequence[Arc],
    isocentre_mm: tuple[float, float, float],
    targets: dict[str, float],
    *,
    reviewer: str = "",
) -> Dataset:
    """Return an arc plan that refers to the structure set of the study (DICOM PS3.3 A.20).

    Parameters
    ----------
    label : str
        RT Plan Label, at most 16 characters.
    prescription_gy : float
        Highest target dose over all fractions.
    targets : dict
        Target name and its prescription in Gy, for each target.
    reviewer : str
        Who approved the plan on the day of the study; without one it is unapproved.
    """
    ds = plan_dataset(study, RTPlanStorage, label, prescription_gy, fractions, len(arcs), targets, reviewer)
    ds.BeamSequence = [_beam(k, arc, isocentre_mm) for k, arc in enumerate(arcs, 1)]
    return ds


def plan_dataset(
    study: Study, sop_class: UID, label: str, prescription_gy: float, fractions: int, n_beams: int, targets: dict[str, float], reviewer: str
) -> Dataset:
    """Return what plans of photons and of protons have in common: everything but the beams.

    Parameters
    ----------
    label, prescription_gy, fractions, targets, reviewer
        As `rt_plan` takes them.
    """
    ds = new_dataset(study, sop_class, "RTPLAN", study.uid("RTPLAN"), "Plan", "110000")
    ds.InstanceNumber = 1
    ds.RTPlanLabel, ds.RTPlanName = label, label
    ds.RTPlanDate, ds.RTPlanTime = study.day, "110000"
    ds.PlanIntent, ds.RTPlanGeometry = "CURATIVE", "PATIENT"
    ds.ReferencedStructureSetSequence = [reference(RTStructureSetStorage, study.uid("RTSTRUCT"))]
    ds.DoseReferenceSequence = [_dose_reference(study, k, name, dose) for k, (name, dose) in enumerate(targets.items(), 1)]
    group = Dataset()
    group.FractionGroupNumber, group.NumberOfFractionsPlanned = 1, fractions
    group.NumberOfBeams, group.NumberOfBrachyApplicationSetups = n_beams, 0
    group.ReferencedBeamSequence = []
    for k in range(1, n_beams + 1):
        item = Dataset()
        item.BeamDose, item.BeamMeterset = ds_text(prescription_gy / fractions / n_beams), ds_text(round(250 * prescription_gy / fractions / n_beams, 1))
        item.ReferencedBeamNumber = k
        group.ReferencedBeamSequence.append(item)
    ds.FractionGroupSequence = [group]
    setup = Dataset()
    setup.PatientSetupNumber, setup.PatientPosition = 1, study.patient_position
    ds.PatientSetupSequence = [setup]
    ds.ApprovalStatus = "APPROVED" if reviewer else "UNAPPROVED"
    if reviewer:
        ds.ReviewDate, ds.ReviewTime, ds.ReviewerName = study.day, "130000", reviewer
    return ds


def _dose_reference(study: Study, number: int, name: str, dose_gy: float) -> Dataset:
    item = Dataset()
    item.DoseReferenceNumber, item.DoseReferenceUID = number, study.uid("dose reference", number)
    item.DoseReferenceStructureType, item.DoseReferenceDescription = "SITE", name
    item.DoseReferenceType, item.TargetPrescriptionDose = "TARGET", ds_text(dose_gy)
    return item


def _beam(number: int, arc: Arc, isocentre_mm: tuple[float, float, float]) -> Dataset:
    beam = Dataset()
    beam.BeamNumber, beam.BeamName = number, f"Arc {number}"
    beam.BeamType, beam.RadiationType, beam.TreatmentDeliveryType = "DYNAMIC", "PHOTON", "TREATMENT"
    beam.Manufacturer, beam.TreatmentMachineName, beam.PrimaryDosimeterUnit = "reirrad", "LINAC", "MU"
    beam.SourceAxisDistance = "1000"
    beam.BeamLimitingDeviceSequence = [_device("ASYMX", 1), _device("ASYMY", 1), _device("MLCX", LEAF_BOUNDARIES_MM.size - 1)]
    beam.BeamLimitingDeviceSequence[2].LeafPositionBoundaries = ds_texts(LEAF_BOUNDARIES_MM)
    beam.NumberOfWedges = beam.NumberOfCompensators = beam.NumberOfBoli = beam.NumberOfBlocks = 0
    beam.ReferencedPatientSetupNumber = 1
    gantry = arc.gantry_deg()
    beam.FinalCumulativeMetersetWeight, beam.NumberOfControlPoints = "1", len(gantry)
    beam.ControlPointSequence = [_control_point(k, angle, len(gantry) - 1, arc) for k, angle in enumerate(gantry)]
    first = beam.ControlPointSequence[0]
    first.NominalBeamEnergy, first.DoseRateSet = "6", "600"
    first.BeamLimitingDeviceAngle = ds_text(10 if arc.clockwise else 350)
    first.BeamLimitingDeviceRotationDirection = first.PatientSupportRotationDirection = first.TableTopEccentricRotationDirection = "NONE"
    first.PatientSupportAngle = first.TableTopEccentricAngle = "0"
    first.TableTopVerticalPosition = first.TableTopLongitudinalPosition = first.TableTopLateralPosition = None
    first.IsocenterPosition = ds_texts(isocentre_mm)
    return beam


def _device(kind: str, pairs: int) -> Dataset:
    item = Dataset()
    item.RTBeamLimitingDeviceType, item.NumberOfLeafJawPairs = kind, pairs
    return item


def _control_point(index: int, gantry_deg: float, last: int, arc: Arc) -> Dataset:
    point = Dataset()
    point.ControlPointIndex = index
    point.CumulativeMetersetWeight = ds_text(index / last)
    point.GantryAngle = ds_text(round(gantry_deg, 4))
    point.GantryRotationDirection = "NONE" if index == last else "CW" if arc.clockwise else "CC"
    w, h = arc.half_width_mm, arc.half_length_mm
    positions = [_positions("ASYMX", [-w, w]), _positions("ASYMY", [-h, h])] if index == 0 else []
    # leaves open an ellipse whose middle swings from side to side with the gantry
    middle = (LEAF_BOUNDARIES_MM[:-1] + LEAF_BOUNDARIES_MM[1:]) / 2
    half = 0.7 * w * np.sqrt(np.clip(1 - (middle / h) ** 2, 0, None))
    swing = np.where(half > 0, 0.25 * w * np.sin(np.radians(3 * gantry_deg)), 0.0)
    point.BeamLimitingDevicePositionSequence = [*positions, _positions("MLCX", [*np.round(swing - half, 2), *np.round(swing + half, 2)])]
    return point


def _positions(kind: str, positions_mm: Sequence[float]) -> Dataset:
    item = Dataset()
    item.RTBeamLimitingDeviceType, item.LeafJawPositions = kind, ds_texts(positions_mm)
    return item
