"""Which doses and plans of a folder may be one course."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reirrad.dicom.rtdose import DoseHeader
from reirrad.dicom.rtplan import PlanRecord
from reirrad.dicom.values import text
from reirrad.errors import printable

__all__ = ["CLOSE_DAYS", "NAME_LENGTH", "Treatment", "course_names", "grouped"]

# Plans of one patient image that were made within this time may belong to one course; courses nearer than this may be one.
CLOSE_DAYS = 60
NAME_LENGTH = 60


@dataclass(frozen=True, slots=True, eq=False)
class Treatment:
    """Doses that refer to one plan; the plan is None when it is not in the folder, its UID empty when no plan is referred to."""

    plan_uid: str
    plan: PlanRecord | None
    doses: tuple[DoseHeader, ...]

    @property
    def title(self) -> str:
        """For people."""
        return self.plan.title if self.plan is not None else self.doses[0].name

    @property
    def date(self) -> dt.date | None:
        """Date of the plan, which is not a date of treatment."""
        return None if self.plan is None else self.plan.plan_day

    @property
    def frame_uid(self) -> str:
        """Frame of Reference UID of the dose."""
        return self.doses[0].record.frame_uid

    @property
    def study_uid(self) -> str:
        """Study Instance UID of the dose."""
        return text(self.doses[0].record.header, "StudyInstanceUID")

    @property
    def structure_set_uid(self) -> str:
        """Structure set the plan refers to; empty when none."""
        return "" if self.plan is None else self.plan.structure_set_uid


def grouped(treatments: Iterable[Treatment]) -> list[tuple[Treatment, ...]]:
    """Treatments that may be parts of one course, together and by date; the groups by date of their latest plan."""
    groups: list[list[Treatment]] = []
    for treatment in treatments:
        linked = [g for g in groups if any(_belong(treatment, other) for other in g)]
        groups = [g for g in groups if g not in linked] + [[treatment, *(t for g in linked for t in g)]]
    return sorted((_by_date(g) for g in groups), key=_when)


def _belong(a: Treatment, b: Treatment) -> bool:
    """Same frame, same structure set or study, made within a short time."""
    same_set = bool(a.structure_set_uid) and a.structure_set_uid == b.structure_set_uid
    close = a.date is None or b.date is None or abs((a.date - b.date).days) <= CLOSE_DAYS
    return a.frame_uid == b.frame_uid and (same_set or a.study_uid == b.study_uid) and close


def _by_date(group: Sequence[Treatment]) -> tuple[Treatment, ...]:
    return tuple(sorted(group, key=lambda t: (t.date or dt.date.min, t.title, t.plan_uid, t.doses[0].name)))


def _when(group: tuple[Treatment, ...]) -> tuple[dt.date, str, str]:
    """Courses without a date come first: the latest, which is taken for the proposed one, must have one."""
    last = group[-1]
    return (last.date or dt.date.min, last.title, last.plan_uid or last.doses[0].name)


def course_names(groups: Sequence[tuple[Treatment, ...]]) -> list[str]:
    """Plan label and year, each once."""
    names: list[str] = []
    for k, group in enumerate(groups, 1):
        last = group[-1]
        name = printable(last.plan.label or last.plan.name, NAME_LENGTH) if last.plan is not None else ""
        name = name or f"Course {k}"
        if last.date is not None and str(last.date.year) not in name:
            name = f"{name} {last.date.year}"
        numbered = (f"{name} ({n})" for n in range(2, len(groups) + 2))
        names.append(name if name not in names else next(n for n in numbered if n not in names))
    return names
