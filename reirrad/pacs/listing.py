"""What an archive lists for one patient: studies, their series, and the objects in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reirrad.dicom.files import ROLES
from reirrad.dicom.identity import hashed
from reirrad.pacs.archive import Archive, Entry, Level, is_uid
from reirrad.pacs.errors import ArchiveError
from reirrad.pacs.profile import Profile
from reirrad.pacs.retry import persistently

__all__ = ["IMAGES", "TREATMENT", "Listing", "Series", "checked_patient_id", "list_objects", "list_patient"]

# Modalities of what a calculation reads, as an archive states them for a series.
TREATMENT: Final = ("RTPLAN", "RTDOSE", "RTSTRUCT", "REG", "RTRECORD")
IMAGES: Final = "CT"


@dataclass(frozen=True, slots=True)
class Series:
    """One series as listed.

    Parameters
    ----------
    study_date : str
        YYYYMMDD, or empty.
    n_objects : int or None
        As the archive states it.
    """

    study_uid: str
    study_date: str
    uid: str
    modality: str
    n_objects: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Every series of a patient.

    Parameters
    ----------
    series : tuple of Series
        By study and series UID.
    """

    series: tuple[Series, ...]

    @property
    def treatment(self) -> tuple[Series, ...]:
        """Series of plans, doses, structure sets, registrations and treatment records."""
        return tuple(s for s in self.series if s.modality in TREATMENT)

    def images(self, series_uids: Iterable[str]) -> tuple[Series, ...]:
        """Those of these series that are CTs."""
        wanted = set(series_uids)
        return tuple(s for s in self.series if s.modality == IMAGES and s.uid in wanted)


def checked_patient_id(text: str) -> str:
    """A Patient ID that means exactly one patient.

    Raises
    ------
    ArchiveError
        When it is empty, too long, or holds a wildcard or control character.
    """
    text = text.strip()
    if not text or len(text) > 64 or not text.isprintable() or set(text) & set("*?\\"):
        raise ArchiveError(
            "The Patient ID is empty, longer than 64 characters, or holds a wildcard (* ?), backslash or control character. Give the whole ID of one patient."
        )
    return text


def list_patient(archive: Archive, patient_id: str, profile: Profile) -> Listing:
    """Ask for all studies of a patient and all their series.

    Raises
    ------
    ArchiveError
        When the archive knows no study of this patient, answers for another one, or lists less than it says it has.
    """
    studies = _ask(
        archive, profile, "STUDY", {"PatientID": patient_id}, ("StudyInstanceUID", "StudyDate", "NumberOfStudyRelatedSeries", "NumberOfPatientRelatedStudies")
    )
    if not studies:
        raise ArchiveError("The archive lists no study of this patient. Check the Patient ID, letter by letter, and whether the archive is the right one.")
    if any(s["PatientID"] and hashed(s["PatientID"]) != hashed(patient_id) for s in studies):
        raise ArchiveError(
            "The archive answers with a study of another Patient ID than the one asked for (perhaps in another spelling), so it is not certain what it lists. "
            "Give the Patient ID exactly as the archive has it."
        )
    _refuse_fewer(len(_unique(studies, "StudyInstanceUID")), [s["NumberOfPatientRelatedStudies"] for s in studies], "studies of the patient")
    found = []
    for study_uid, study in sorted(_unique(studies, "StudyInstanceUID").items()):
        listed = _unique(
            _ask(archive, profile, "SERIES", {"StudyInstanceUID": study_uid}, ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")),
            "SeriesInstanceUID",
        )
        _refuse_fewer(len(listed), [study["NumberOfStudyRelatedSeries"]], "series of a study")
        date = study["StudyDate"] if study["StudyDate"].isdigit() and len(study["StudyDate"]) == 8 else ""
        found += [Series(study_uid, date, uid, s["Modality"], _count(s["NumberOfSeriesRelatedInstances"])) for uid, s in sorted(listed.items())]
    return Listing(tuple(found))


def list_objects(archive: Archive, series: Series, profile: Profile) -> tuple[tuple[Entry, ...], int]:
    """Objects of one series that a calculation can read, and how many it cannot.

    Raises
    ------
    ArchiveError
        When the archive lists fewer than it says the series has.
    """
    keys = {"StudyInstanceUID": series.study_uid, "SeriesInstanceUID": series.uid}
    listed = _unique(_ask(archive, profile, "IMAGE", keys, ("SOPInstanceUID", "SOPClassUID")), "SOPInstanceUID")
    _refuse_fewer(len(listed), [str(series.n_objects or "")], "objects of a series")
    entries = [Entry(series.study_uid, series.uid, uid, series.modality, o["SOPClassUID"]) for uid, o in sorted(listed.items())]
    readable = tuple(e for e in entries if not e.sop_class_uid or e.sop_class_uid in ROLES)
    return readable, len(entries) - len(readable)


def _ask(archive: Archive, profile: Profile, level: Level, keys: Mapping[str, str], wanted: Sequence[str]) -> list[dict[str, str]]:
    return persistently(lambda: archive.find(level, keys, wanted), profile.attempts, profile.first_wait_s)


def _unique(answers: list[dict[str, str]], keyword: str) -> dict[str, dict[str, str]]:
    """Answers by identifier; the same one twice counts once."""
    if not all(is_uid(answer[keyword]) for answer in answers):
        raise ArchiveError("The archive lists an object with an identifier that is none (digits and dots, at most 64). Ask its administrator.")
    return {answer[keyword]: answer for answer in answers}


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _refuse_fewer(n_listed: int, stated: Iterable[str], what: str) -> None:
    n_stated = max((n for n in map(_count, stated) if n is not None), default=0)
    if n_listed < n_stated:
        raise ArchiveError(
            f"The archive says it has {n_stated} {what} but lists {n_listed}: its answers are cut short, perhaps by a limit of its own. "
            "Nothing is taken from an incomplete list; ask its administrator."
        )
