"""A proposed case file for the terminal: what was found, used for what, what a person must check. No patient data."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad.draft import CourseDraft, Draft
from reirrad.draftfile import checks
from reirrad.errors import printable

__all__ = ["render_draft"]

ROLES = ("RTDOSE", "RTPLAN", "RTSTRUCT", "CT", "RTRECORD", "REG", "OTHER")


def render_draft(draft: Draft, console: Console) -> None:
    """Print a proposal."""
    table = Table(box=box.SIMPLE_HEAD, title="DICOM objects found, and what they are used for", title_justify="left", pad_edge=False)
    table.add_column("Used for", overflow="fold")
    for header in ("Kind", "Plan date", "Plans: fractions", "Folder"):
        table.add_column(header, overflow="fold")
    for role in ROLES:
        table.add_column(role, justify="right")
    for course in draft.courses:
        dated = "" if course.date is None else str(course.date)
        table.add_row(Text(printable(course.name)), course.kind + "?", dated, Text(_plans(course)), Text(printable(course.dicom, 40)), *_counts(course))
    registrations = len({link.file for link in draft.links if link.file is not None})
    if registrations:
        table.add_row("registration", "", "", "", "", *_row({"REG": registrations}))
    left = {role: sum(r.role == role for r, _ in draft.unused) for role in ROLES} | {"OTHER": draft.counts.get("OTHER", 0)}
    table.add_row("not used", "", "", "", "", *_row(left))
    console.print(table)
    if draft.n_other:
        console.print(Text(f"{draft.n_other} file(s) are no DICOM objects."))
    console.print(Text("To check, fill in or correct in the case file", style="bold"))
    for said in checks(draft):
        console.print(Padding(Text(f"! {said}"), (0, 0, 0, 2)))


def _plans(course: CourseDraft) -> str:
    counts = [None if t.plan is None else t.plan.planned_fractions for t in course.treatments]
    return ", ".join(f"{printable(t.title, 24)}: {'?' if n is None else n}" for t, n in zip(course.treatments, counts, strict=True))


def _counts(course: CourseDraft) -> list[str]:
    return _row({role: sum(r.role == role for r in course.records) for role in ROLES})


def _row(counts: dict[str, int]) -> list[str]:
    return [str(counts[role]) if counts.get(role) else "" for role in ROLES]
