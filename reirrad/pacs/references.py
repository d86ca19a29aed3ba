"""Which objects others refer to: the images under structures, the plan of a dose, the structures of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from reirrad.dicom.files import read_record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import items, text

__all__ = ["References", "references_of"]

_AFTER_FRAMES: Final = 0x30060011  # what a structure set refers to stands before its contours
_AFTER_IDENTIFICATION: Final = 0x00090000  # and what a registration refers to before its matrices and fields
_AFTER_RT_REFERENCES: Final = 0x300C0081


@dataclass(frozen=True, slots=True)
class References:
    """What objects refer to.

    Parameters
    ----------
    drawn_on : frozenset of str
        Series UIDs under structures.
    registered : frozenset of str
        Series UIDs that registrations join.
    plans, structure_sets : frozenset of str
        SOP Instance UIDs.
    """

    drawn_on: frozenset[str]
    registered: frozenset[str]
    plans: frozenset[str]
    structure_sets: frozenset[str]


def references_of(files: list[tuple[Path, str]]) -> References:
    """Read what files refer to.

    Parameters
    ----------
    files : list of (Path, str)
        With their names for messages.

    Raises
    ------
    DicomError
        When one cannot be read.
    """
    drawn_on: set[str] = set()
    registered: set[str] = set()
    plans: set[str] = set()
    structure_sets: set[str] = set()
    for path, name in files:
        record = read_record(path, name)
        role = "" if record is None else record.role
        with reading(name):
            if role == "RTSTRUCT":
                drawn_on |= set(_drawn_on(read_header(path, name, stop=_AFTER_FRAMES).dataset))
            elif role == "REG":
                registered |= set(_registered(read_header(path, name, stop=_AFTER_IDENTIFICATION).dataset))
            elif role == "RTDOSE":
                plans |= set(_instances(read_header(path, name, stop=_AFTER_RT_REFERENCES).dataset, "ReferencedRTPlanSequence"))
            elif role == "RTPLAN":
                structure_sets |= set(_instances(read_header(path, name, stop=_AFTER_RT_REFERENCES).dataset, "ReferencedStructureSetSequence"))
    return References(*(frozenset(found - {""}) for found in (drawn_on, registered, plans, structure_sets)))


def _drawn_on(ds: Dataset) -> Iterator[str]:
    for frame in items(ds, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for series in items(study, "RTReferencedSeriesSequence"):
                yield text(series, "SeriesInstanceUID")


def _registered(ds: Dataset) -> Iterator[str]:
    for holder in (ds, *items(ds, "StudiesContainingOtherReferencedInstancesSequence")):
        for series in items(holder, "ReferencedSeriesSequence"):
            yield text(series, "SeriesInstanceUID")


def _instances(ds: Dataset, keyword: str) -> Iterator[str]:
    for item in items(ds, keyword):
        yield text(item, "ReferencedSOPInstanceUID")
