"""What an object derived from a course takes over from the files of the course: the patient, the study, the frame of reference, plans and images.

What identifies the patient and the study is copied byte for byte together with its character set.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import RTPlanStorage

from reirrad.course import Course, ImageStack
from reirrad.dicom.files import Record, read_record
from reirrad.dicom.parsing import quiet, read_header
from reirrad.dicom.values import decimals, items, text
from reirrad.dicom.write import uid_from_text
from reirrad.dicom.write_structures import SAME_PLANE
from reirrad.errors import DicomError, printable
from reirrad.grid import Float64

__all__ = ["TYPE_2", "SourceImages", "SourceStudy", "without_accents"]

# Who and which study. Those of type 2 are there even when the source has none.
PATIENT: Final = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
TYPE_2: Final = (*PATIENT, "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "PositionReferenceIndicator")
TAKEN: Final = (*TYPE_2, "SpecificCharacterSet", "IssuerOfPatientID", "StudyInstanceUID", "StudyDescription")


@dataclass(frozen=True, slots=True, eq=False)
class SourceImages:
    """Planes of the planning CT that contours refer to.

    Parameters
    ----------
    study_uid, series_uid : str
        Study and Series Instance UID.
    normal : (3,) float64
        Unit vector.
    positions_mm : (N,) float64
        Of the planes along the normal.
    instances : tuple of (str, str)
        SOP Class and SOP Instance UID of each plane.
    """

    study_uid: str
    series_uid: str
    normal: Float64
    positions_mm: Float64
    instances: tuple[tuple[str, str], ...]

    def at(self, points_mm: Float64) -> tuple[str, str] | None:
        """Plane in which a contour (M, 3) lies; None when it lies between planes or there is only one."""
        places = points_mm @ self.normal
        distance = np.abs(self.positions_mm[:, None] - places).max(axis=1)
        nearest = int(distance.argmin())
        if self.positions_mm.size < 2 or distance[nearest] > SAME_PLANE * float(np.median(np.diff(np.sort(self.positions_mm)))):
            return None
        return self.instances[nearest]


@dataclass(frozen=True, slots=True, eq=False)
class SourceStudy:
    """What an object derived from a course takes over from its files.

    Parameters
    ----------
    taken : tuple
        Elements of the patient and study, as stored.
    frame_uid : str
        Frame of Reference UID of the course.
    plans : tuple of (str, str)
        SOP Class and SOP Instance UID of the plans its doses refer to; of a plan that nobody has where they refer to none.
    is_effective : bool
        Whether a dose of the course is EFFECTIVE, as it is stored or because an RBE was applied to it.
    images : SourceImages or None
        None when the course has no CT.
    """

    taken: tuple[RawDataElement, ...]
    frame_uid: str
    plans: tuple[tuple[str, str], ...]
    is_effective: bool
    images: SourceImages | None

    @classmethod
    def of(cls, case_folder: Path, course: Course) -> SourceStudy:
        """Read the headers of the files a course uses.

        Raises
        ------
        DicomError
            When the course has no dose files, or they are not what they were when the course was read.
        """
        with quiet():
            headers = [read_header(r.path, r.name) for r in _used(case_folder, course, "RTDOSE")]
            if not headers:
                raise DicomError(f'Course "{printable(course.name)}" has no dose file from which an object could be derived. One with an RTDOSE is needed.')
            doses = [h.dataset for h in headers]
            effective = course.rbe not in (None, 1.0) or any(text(ds, "DoseType").upper() == "EFFECTIVE" for ds in doses)
            images = _images(_used(case_folder, course, "CT"), course.image)
            return cls(_taken(doses[0], course), course.frame_uid, _plans(doses), effective, images)

    def names_patient(self, words: str) -> bool:
        """Whether a text holds the Patient ID or a part of the Patient's Name of three letters or more."""
        header = Dataset()
        for element in self.taken:
            header[BaseTag(element.tag)] = element
        with quiet():
            stored = f"{header.get('PatientName', '')} {header.get('PatientID', '')}"
        found = _letters(words)
        return any(part in found for part in re.findall(r"\w{3,}", _letters(stored.replace("_", " "))))


def _used(case_folder: Path, course: Course, role: str) -> list[Record]:
    """Objects of one role that the course uses, read again and found to be the same."""
    records = []
    for entry in course.inputs:
        if entry["role"] != role or not entry["used"]:
            continue
        name = str(entry["file"])
        record = read_record(case_folder / name, name)
        if record is None or record.sop_instance_uid != entry["sop_instance_uid"]:
            raise DicomError(f"{printable(name, 160)} is no longer the object that was read at first. Leave the case folder alone while it is calculated.")
        records.append(record)
    return records


def _plans(doses: Sequence[Dataset]) -> tuple[tuple[str, str], ...]:
    """Plans the doses refer to. DICOM knows no dose without one, and no sum of fewer than two; so where there is none, an identifier stands for it."""
    found = [(text(item, "ReferencedSOPClassUID"), text(item, "ReferencedSOPInstanceUID")) for ds in doses for item in items(ds, "ReferencedRTPlanSequence")]
    return tuple(dict.fromkeys(plan for plan in found if all(plan))) or (plan_of_nobody(*(text(ds, "SOPInstanceUID") for ds in doses)),)


def plan_of_nobody(*words: str) -> tuple[str, str]:
    """Reference to a plan that does not exist, for a dose that belongs to none; the same for the same words."""
    return str(RTPlanStorage), str(uid_from_text("plan of", *words))


def _taken(header: Dataset, course: Course) -> tuple[RawDataElement, ...]:
    """Elements of patient and study as stored, with the character set they are stored in."""
    if not text(header, "StudyInstanceUID"):
        raise DicomError(f'The dose of course "{printable(course.name)}" has no Study Instance UID, so nothing can be added to its study. Export it again.')
    found = (header.get_item(tag_for_keyword(keyword) or 0) for keyword in TAKEN)
    return tuple(_as_stored(element) for element in found if element is not None)


def _images(records: Sequence[Record], image: ImageStack | None) -> SourceImages | None:
    if image is None or not records:
        return None
    positions = np.array([decimals(r.header, "ImagePositionPatient", r.name, 3) @ image.normal for r in records])
    instances = tuple((r.sop_class_uid, r.sop_instance_uid) for r in records)
    return SourceImages(text(records[0].header, "StudyInstanceUID"), image.series_uid, image.normal, positions, instances)


def _as_stored(element: DataElement | RawDataElement) -> RawDataElement:
    """An element in explicit VR, little endian: text is the same bytes in any encoding, but implicit VR does not tell what it is."""
    assert isinstance(element, RawDataElement), "no value of the header was converted"
    value = bytes(element.value or b"")
    value += (b"\0" if dictionary_VR(element.tag) == "UI" else b" ") * (len(value) % 2)
    return RawDataElement(BaseTag(element.tag), dictionary_VR(element.tag), len(value), value, 0, False, True)


def without_accents(words: str) -> str:
    """Text with its letters as far as possible plain."""
    return "".join(c for c in unicodedata.normalize("NFKD", words) if not unicodedata.combining(c))


def _letters(words: str) -> str:
    return without_accents(words).casefold()
