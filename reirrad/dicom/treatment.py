"""Treatment records: on which days a plan was given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from reirrad.dicom.files import Record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.rtplan import day
from reirrad.dicom.values import items, text

__all__ = ["treatment_days"]


def treatment_days(records: tuple[Record, ...], plan_uids: Collection[str]) -> tuple[list[dt.date], list[Record]]:
    """Days on which records say that one of the plans was given, rising, and the records that say so.

    Raises
    ------
    DicomError
        When a record is damaged.
    """
    days: set[dt.date] = set()
    used: list[Record] = []
    for record in records:
        ds = read_header(record.path, record.name).dataset
        with reading(record.name):
            plans = {text(p, "ReferencedSOPInstanceUID") for p in items(ds, "ReferencedRTPlanSequence")}
            when = day(text(ds, "TreatmentDate"))
        if when is not None and plans & set(plan_uids):
            days.add(when)
            used.append(record)
    return sorted(days), used
