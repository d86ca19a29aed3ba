"""The planning CT of a course, from the files of a case."""

from __future__ import annotations

from reirrad.casefile import CaseFile
from reirrad.course import Course
from reirrad.ctvolume import CtVolume
from reirrad.dicom.ct import read_ct
from reirrad.dicom.files import Record, scan
from reirrad.errors import Notice

__all__ = ["ct_volume", "planes_of"]


def planes_of(file: CaseFile, course: Course) -> list[Record]:
    """Planes of the planning CT of a course."""
    entry = next(c for c in file.courses if c.name == course.name)
    named = [entry.dicom, *(p.dicom for p in entry.phases or ())]
    records = [r for name in named if name is not None for r in scan(file.folder / name, file.folder).of("CT")]
    return [r for r in records if course.image is not None and r.series_uid == course.image.series_uid]


def ct_volume(file: CaseFile, course: Course) -> tuple[CtVolume, list[Notice]] | None:
    """Read the planning CT of a course; None when it has none.

    Raises
    ------
    DicomError
        When it cannot be used as a volume.
    """
    return None if course.image is None else read_ct(planes_of(file, course), course.image, course.name)
