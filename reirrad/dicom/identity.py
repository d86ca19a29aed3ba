"""Whose object it is, kept only as hashes: enough to compare, nothing to show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from reirrad.dicom.values import people_text, text
from reirrad.errors import DicomError, Notice

__all__ = ["Identity", "hashed", "identity_of", "same_patient"]


# What describes a patient beside the identifier. One difference may be a correction or an anonymiser's work; two are another patient.
_DESCRIBING = {"name": "name", "birth_date": "date of birth", "sex": "sex"}


@dataclass(frozen=True, slots=True)
class Identity:
    """SHA-256 of what an object says about its patient; None where it says nothing.

    Parameters
    ----------
    patient_id, name, birth_date, sex : str or None
        The name is compared without regard to case, carets and spaces.
    """

    patient_id: str | None = None
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None

    def differences(self, other: Identity) -> list[str]:
        """Which of name, birth_date and sex both state, and differently."""
        return [f for f in _DESCRIBING if None not in (getattr(self, f), getattr(other, f)) and getattr(self, f) != getattr(other, f)]

    def is_somebody_else(self, other: Identity) -> bool:
        """Whether two or all three of name, date of birth and sex differ."""
        return len(self.differences(other)) > 1

    def merged(self, other: Identity) -> Identity:
        """Complete this identity by another one."""
        return Identity(
            self.patient_id or other.patient_id,
            self.name or other.name,
            self.birth_date or other.birth_date,
            self.sex or other.sex,
        )


def hashed(value: str) -> str | None:
    """SHA-256 of a text without outer spaces; None when empty."""
    value = value.strip()
    return hashlib.sha256(value.encode()).hexdigest() if value else None


def identity_of(ds: Dataset) -> Identity:
    """Identity stated by a header."""
    name = " ".join(people_text(ds, "PatientName").replace("^", " ").replace("=", " ").split()).casefold()
    return Identity(hashed(people_text(ds, "PatientID")), hashed(name), hashed(text(ds, "PatientBirthDate")), hashed(text(ds, "PatientSex")))


def same_patient(found: Iterable[tuple[str, Identity]], course: str, patient_id: str | None = None) -> tuple[Identity, tuple[Notice, ...]]:
    """Check that all objects of a course belong to one patient.

    Parameters
    ----------
    found : iterable of (file name, Identity)
        File names relative to the case folder.
    patient_id : str, optional
        As the case file states it.

    Returns
    -------
    identity, notices
        What is known of the patient, hashed; notices when names, dates of birth or sexes differ.

    Raises
    ------
    DicomError
        When patient identifiers differ, or differ from the stated one.
    """
    wanted = hashed(patient_id) if patient_id is not None else None
    known = Identity()
    first: dict[str, str] = {}
    notices: dict[str, Notice] = {}
    for file, identity in found:
        if patient_id is not None and identity.patient_id != wanted:
            state = "has no Patient ID" if identity.patient_id is None else "carries another Patient ID than the case file states"
            raise DicomError(f"{file} {state}. When `patient_id` is stated, every object must carry it: take the file away.")
        if None not in (known.patient_id, identity.patient_id) and identity.patient_id != known.patient_id:
            raise DicomError(
                f"Two patients in course '{course}': {file} carries another Patient ID than {first['patient_id']}. "
                "A course may hold objects of one patient only: sort the files."
            )
        if identity.is_somebody_else(known):
            listed = " and ".join(_DESCRIBING[f] for f in identity.differences(known))
            raise DicomError(
                f"Two patients in course '{course}': {file} says another {listed} of the patient than the objects before it, whatever the Patient IDs say. "
                "A course may hold objects of one patient only: sort the files, or export them with one identity."
            )
        for field in identity.differences(known):
            if field not in notices:
                message = f"The patient's {_DESCRIBING[field]} in {file} differs from that in {first[field]}. Check that both belong to the same patient."
                notices[field] = Notice("patient_identity_differs", message, course=course)
        for field in ("patient_id", "name", "birth_date", "sex"):
            if getattr(identity, field) is not None:
                first.setdefault(field, file)
        known = known.merged(identity)
        if identity.patient_id is None and "missing" not in notices:
            notices["missing"] = Notice("patient_id_missing", f"{file} has no Patient ID, so it cannot be checked to be of this patient.", course=course)
    return known, tuple(notices.values())
