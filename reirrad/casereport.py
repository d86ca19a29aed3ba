"""The physics report of a case folder: the assessment, with what the files of the case add to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reirrad.assessment import Assessment, LimitChoice
from reirrad.budget import Budget, remaining
from reirrad.casefile import CaseFile, read_case_file
from reirrad.course import Case
from reirrad.ctloading import ct_volume
from reirrad.ctvolume import CtVolume
from reirrad.errors import DicomError, ReirradError
from reirrad.filehashes import file_hashes
from reirrad.report import report_of
from reirrad.reportmodel import Report

__all__ = ["case_report"]

FRACTIONS = 5  # of the budget, where no course is proposed


def case_report(path: Path, assessment: Assessment, limits: LimitChoice, day: str, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Compose the report of a case.

    Parameters
    ----------
    path : Path
        Folder with case.yaml, or the case file, that the assessment was made from.
    day : str
        Date it bears, YYYY-MM-DD.

    Raises
    ------
    ReirradError
        When a file of the case can no longer be read.
    """
    file, case = read_case_file(path), assessment.case
    progress("what remains of each limit")
    budget = _budget(case, limits)
    progress("pictures of the report")
    return report_of(assessment, day=day, file_hashes=file_hashes(path, file, case), ct=_ct(file, case), budget=budget, patient_id=file.patient_id or "")


def _budget(case: Case, limits: LimitChoice) -> Budget | str:
    """What remains in as many fractions as are proposed, or why that is not known."""
    proposed = None if case.proposed is None else case.courses[case.proposed].fractions
    try:
        return remaining(case, limits, (proposed or FRACTIONS,))
    except ReirradError as error:
        return str(error)


def _ct(file: CaseFile, case: Case) -> CtVolume | None:
    """Images of the reference course; without them, or where they cannot be shown, contours stand in the pictures alone."""
    try:
        found = ct_volume(file, case.courses[case.reference])
    except DicomError:
        return None
    return None if found is None else found[0]
