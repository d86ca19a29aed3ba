"""What every DICOM object we write has in common: who, when, identifiers, and how it gets to a file.

Nothing here reads a clock or draws a random number: the same study always gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from reirrad.dicom.parsing import quiet

__all__ = ["DETACHED_STUDY_MANAGEMENT", "Study", "ds_text", "ds_texts", "encoded", "new_dataset", "reference", "uid_from_text", "write_dataset"]

IMPLEMENTATION_CLASS_UID = "2.25.302043790172249692526321623266752743501"
DETACHED_STUDY_MANAGEMENT = UID("1.2.840.10008.3.1.2.3.1")
# Number of each series within its study.
SERIES_NUMBERS = {"CT": 1, "RTSTRUCT": 2, "RTPLAN": 3, "RTDOSE": 4, "REG": 5}


def uid_from_text(*parts: object) -> UID:
    """Return the identifier that belongs to a text, the same on every machine.

    The text is hashed into a version 5 UUID, whose number stands under the root 2.25 (DICOM PS3.5 B.2).

    >>> uid_from_text("case", "CT", 1) == uid_from_text("case", "CT", 1)
    True
    >>> uid_from_text("case", "CT", 1) == uid_from_text("case", "CT1")
    False
    """
    return UID("2.25." + str(uuid.uuid5(uuid.NAMESPACE_OID, "\x1f".join(["reirrad", *map(str, parts)])).int))


def ds_text(value: float) -> str:
    """Return a number as a Decimal String of at most 16 characters (DICOM PS3.5 6.2), as exact as these allow.

    >>> ds_text(2.5), ds_text(1 / 3), ds_text(-1e-7 / 3)
    ('2.5', '0.33333333333333', '-3.333333333e-08')
    """
    text = format_number_as_ds(float(value) + 0.0)  # a negative zero becomes zero
    return text if "e" in text or "." not in text else text.rstrip("0").rstrip(".")


def ds_texts(values: Iterable[float]) -> list[str]:
    """Return several numbers as Decimal Strings."""
    return [ds_text(value) for value in values]


@dataclass(frozen=True, slots=True)
class Study:
    """What the objects of one course share.

    Parameters
    ----------
    seed : str
        Text all identifiers of the study derive from.
    patient_name, patient_id : str
        As written to the files.
    date : date
        Study, content and approval date.
    frame_uid : str
        Frame of Reference UID of images, structures and dose.
    patient_sex : str
        F, M, O or empty.
    description : str
        Study Description, at most 64 characters.
    comments : str
        Patient Comments: what the data are, where no person stands behind them.
    patient_position : str
        Patient Position, HFS for head first supine.
    """

    seed: str
    patient_name: str
    patient_id: str
    date: dt.date
    frame_uid: str
    patient_sex: str = "O"
    description: str = ""
    comments: str = ""
    patient_position: str = "HFS"

    @property
    def study_uid(self) -> UID:
        """Study Instance UID."""
        return self.uid("study")

    def series_uid(self, modality: str) -> UID:
        """Series Instance UID of a modality."""
        return self.uid("series", modality)

    def uid(self, *parts: object) -> UID:
        """Return an identifier below this study."""
        return uid_from_text(self.seed, *parts)

    @property
    def day(self) -> str:
        """Date as DICOM writes it."""
        return self.date.strftime("%Y%m%d")


def new_dataset(study: Study, sop_class: UID, modality: str, instance: UID, series_description: str, time: str) -> Dataset:
    """Return a data set with the patient, study, series, equipment and SOP common modules (DICOM PS3.3 C.7, C.12.1).

    Parameters
    ----------
    time : str
        Creation time HHMMSS; it orders the objects of one day.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = instance
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.InstanceCreationDate, ds.InstanceCreationTime = study.day, time
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, instance
    ds.StudyDate, ds.StudyTime = study.day, "080000"
    ds.SeriesDate, ds.SeriesTime = study.day, time
    ds.AccessionNumber, ds.ReferringPhysicianName, ds.OperatorsName = "", "", ""
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = modality, "reirrad", "reirrad"
    ds.DeviceSerialNumber, ds.SoftwareVersions = "0", "1"
    ds.StudyDescription, ds.SeriesDescription = study.description, series_description
    ds.PatientName, ds.PatientID = study.patient_name, study.patient_id
    ds.PatientBirthDate, ds.PatientSex = "", study.patient_sex
    if study.comments:
        ds.PatientComments = study.comments
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study.study_uid, study.series_uid(modality)
    ds.StudyID, ds.SeriesNumber = "1", SERIES_NUMBERS[modality]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = study.frame_uid, ""
    return ds


def reference(sop_class: UID, instance: UID | str) -> Dataset:
    """Return the item that refers to another object."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def encoded(ds: Dataset, *, deflated: bool = False) -> bytes:
    """Return a data set in the DICOM file format.

    Parameters
    ----------
    deflated : bool
        Deflated Explicit VR Little Endian instead of plain Explicit VR Little Endian.
    """
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian if deflated else ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    ds.file_meta.ImplementationVersionName = "REIRRAD"
    buffer = io.BytesIO()
    with quiet():  # pydicom prints values of a patient in warnings
        ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def write_dataset(ds: Dataset, path: Path, *, deflated: bool = False) -> None:
    """Write a data set in the DICOM file format, replacing what is there; see `encoded`."""
    path.write_bytes(encoded(ds, deflated=deflated))
