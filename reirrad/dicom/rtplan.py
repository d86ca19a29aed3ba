"""RTPLAN and RT Ion Plan: fractions, beams, prescription, and what they refer to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pydicom.dataset import Dataset

from reirrad.dicom.files import Record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import decimal, integer, items, people_text, text, texts
from reirrad.errors import DicomError, printable

__all__ = ["FractionGroup", "PlanRecord", "day", "read_plan"]

_RADIATIONS = {"PHOTON": "photon", "ELECTRON": "electron", "PROTON": "proton", "ION": "ion", "NEUTRON": "neutron"}
# Beams that image or position the patient give no treatment dose (Treatment Delivery Type, DICOM PS3.3 C.8.8.14).
_NOT_TREATING = ("SETUP", "OPEN_PORTFILM", "TRMT_PORTFILM")


@dataclass(frozen=True, slots=True)
class FractionGroup:
    """Sessions planned alike.

    Parameters
    ----------
    fractions : int or None
        Number of Fractions Planned; None when missing or empty.
    beams, setups : tuple of int
        Treatment beams, or brachytherapy application setups, given in every session.
    beam_dose_gy : float or None
        Sum of Beam Dose at the specification points for one session, where all beams state it.
    """

    number: int
    fractions: int | None
    beams: tuple[int, ...]
    setups: tuple[int, ...] = ()
    beam_dose_gy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlanRecord:
    """One plan.

    Parameters
    ----------
    label : str
        RT Plan Label, as stored.
    prescription_gy : float or None
        Largest Target Prescription Dose of its TARGET dose references, for all fractions.
    prescriptions_gy : tuple of float
        All of them, falling.
    radiations : tuple of str
        photon, electron, proton, ion, neutron, brachy; sorted.
    intent, brachy_type : str
        Plan Intent and Brachy Treatment Type; empty when absent.
    approval : str
        Approval Status; empty when absent.
    structure_set_uid : str
        Referenced structure set; empty when none.
    """

    record: Record
    uid: str
    label: str
    name: str
    groups: tuple[FractionGroup, ...]
    prescription_gy: float | None
    prescriptions_gy: tuple[float, ...]
    radiations: tuple[str, ...]
    approval: str
    structure_set_uid: str
    frame_uid: str
    plan_day: dt.date | None = None
    intent: str = ""
    brachy_type: str = ""

    @property
    def title(self) -> str:
        """Label for messages."""
        return printable(self.label, 40) or self.record.name

    @property
    def planned_fractions(self) -> int | None:
        """Fractions of all groups; None when one does not say."""
        counts = [g.fractions for g in self.groups]
        return sum(c for c in counts if c is not None) if counts and None not in counts else None


def read_plan(record: Record) -> PlanRecord:
    """Read a plan.

    Raises
    ------
    DicomError
        When the file is damaged, or a number in it is none.
    """
    file = record.name
    header = read_header(record.path, file)
    ds = header.dataset
    with reading(file):
        beams = items(ds, "BeamSequence") + items(ds, "IonBeamSequence")
        silent = {integer(b, "BeamNumber", file) for b in beams if text(b, "TreatmentDeliveryType").upper() in _NOT_TREATING}
        treating = [b for b in beams if text(b, "TreatmentDeliveryType").upper() not in _NOT_TREATING]
        radiations = {_RADIATIONS.get(text(b, "RadiationType").upper(), "unknown") for b in treating if text(b, "RadiationType")}
        groups = tuple(_group(g, silent, file) for g in items(ds, "FractionGroupSequence"))
        if len(groups) > 1:  # groups that deliver nothing
            groups = tuple(g for g in groups if g.fractions or g.beams or g.setups) or groups[:1]
        if items(ds, "ApplicationSetupSequence") or any(g.setups for g in groups):
            radiations.add("brachy")
        prescriptions = tuple(sorted(_prescriptions(ds, file), reverse=True))
        return PlanRecord(
            record,
            record.sop_instance_uid,
            people_text(ds, "RTPlanLabel"),
            people_text(ds, "RTPlanName"),
            groups,
            prescriptions[0] if prescriptions else None,
            prescriptions,
            tuple(sorted(radiations)),
            text(ds, "ApprovalStatus").upper(),
            next((text(r, "ReferencedSOPInstanceUID") for r in items(ds, "ReferencedStructureSetSequence")), ""),
            record.frame_uid,
            day(text(ds, "RTPlanDate")),
            text(ds, "PlanIntent").upper(),
            text(ds, "BrachyTreatmentType").upper(),
        )


def _prescriptions(ds: Dataset, file: str) -> list[float]:
    """Target Prescription Doses above zero, in Gy."""
    targets = [r for r in items(ds, "DoseReferenceSequence") if text(r, "DoseReferenceType").upper() == "TARGET"]
    doses = [decimal(r, "TargetPrescriptionDose", file) for r in targets if texts(r, "TargetPrescriptionDose")]
    return [d for d in doses if d > 0]


def _group(item: Dataset, silent: set[int | None], file: str) -> FractionGroup:
    number = integer(item, "FractionGroupNumber", file)
    if number is None:
        raise DicomError(f"{file}: a fraction group has no number. Export the plan again.")
    fractions = integer(item, "NumberOfFractionsPlanned", file)
    beams, doses = [], []
    for beam in items(item, "ReferencedBeamSequence"):
        beam_number = integer(beam, "ReferencedBeamNumber", file)
        if beam_number is None or beam_number in silent:
            continue
        beams.append(beam_number)
        doses.append(decimal(beam, "BeamDose", file) if texts(beam, "BeamDose") else None)
    setups = [integer(s, "ReferencedBrachyApplicationSetupNumber", file) for s in items(item, "ReferencedBrachyApplicationSetupSequence")]
    total = sum(d for d in doses if d is not None) if doses and None not in doses else None
    return FractionGroup(number, fractions if fractions and fractions > 0 else None, tuple(beams), tuple(s for s in setups if s is not None), total)


def day(stored: str) -> dt.date | None:
    """A DICOM date as a date; None when it is none.

    >>> day("20210416")
    datetime.date(2021, 4, 16)
    """
    try:
        return dt.datetime.strptime(stored, "%Y%m%d").date()
    except ValueError:
        return None
