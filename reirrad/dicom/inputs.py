"""The account of every object found in a course: used or not, and why."""

from __future__ import annotations

from collections.abc import Iterable

from reirrad.dicom.files import Record

__all__ = ["Ledger"]

_UNUSED = {"CT": "not of the image series of the course", "OTHER": "not an object of radiotherapy that is needed"}


class Ledger:
    """Collects which objects were used."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(records)
        self._why: dict[str, str] = {}
        self._used: set[str] = set()

    def use(self, record: Record, why: str) -> None:
        """Note that an object is used."""
        self._used.add(record.sop_instance_uid)
        self._why[record.sop_instance_uid] = why

    def skip(self, record: Record, why: str) -> None:
        """Note why an object is not used, unless it is."""
        self._why.setdefault(record.sop_instance_uid, why)

    def uses(self, record: Record) -> bool:
        """Whether an object is used."""
        return record.sop_instance_uid in self._used

    def entries(self) -> tuple[dict[str, object], ...]:
        """One entry for each object; the hash of the file for radiotherapy objects."""
        return tuple(
            {
                "role": r.role,
                "file": r.name,
                "sop_instance_uid": r.sop_instance_uid,
                "used": self.uses(r),
                "why": self._why.get(r.sop_instance_uid, _UNUSED.get(r.role, "not needed")),
                **({"sha256": r.sha256()} if r.role.startswith("RT") else {}),
            }
            for r in self._records
        )
