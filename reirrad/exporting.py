"""Sums and mapped courses as RT Dose files for other systems: of the patient and study of the reference course, all of them or none.

A planning system shows any RT Dose as a dose and takes what a file does not say for zero. So what is not known is kept out of the files as far as a box
allows, and a sum from which a course is missing is not written at all.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from reirrad.assessment import Assessment
from reirrad.course import Case, Course
from reirrad.dicom.write import write_dataset
from reirrad.dicom.write_derived import SourceStudy, derived_dose
from reirrad.displaymap import display_map
from reirrad.dose import DoseGrid, Float32
from reirrad.errors import Notice, ReirradError, printable
from reirrad.grid import Grid
from reirrad.voxelsum import VoxelSum, reference_grid, summable, voxel_sum
from reirrad.wholefiles import all_or_none

__all__ = ["ExportError", "export", "refuse_course_folder"]

CUMULATIVE: Final = "eqd2_cumulative.dcm"
WITH_RECOVERY: Final = "eqd2_with_recovery.dcm"
OURS: Final = re.compile(r"(eqd2_(cumulative|with_recovery)|physical_\d+(_[a-z0-9-]+)?)\.dcm")
UNKNOWN: Final = ", dose partly unknown"
LONGEST_NAME: Final = 40  # characters of a course in a file name
REACHED: Final = 0.95  # a file whose maximum is below this part of that of its course is announced


class ExportError(ReirradError, ValueError):
    """Files cannot be written where they are asked for."""


def export(assessment: Assessment, case_folder: Path, directory: Path, day: dt.date) -> tuple[list[str], list[Notice]]:
    """Write the cumulative EQD2, the one after recovery where that was chosen, and each course mapped to the reference frame.

    Alpha/beta of the voxels is as `Case.display` says; the grid is that of the reference course.

    Parameters
    ----------
    case_folder : Path
        Where the files of the courses lie.
    directory : Path
        Made when it does not exist; its parent must.
    day : date
        Of the calculation.

    Returns
    -------
    names : list of str
        Files written.
    notices : list of Notice
        What they do not hold.

    Raises
    ------
    ExportError
        When the directory cannot be used, or holds other exports; nothing is written then.
    ReirradError
        When a dose cannot be expressed.
    """
    case = assessment.case
    _refuse_unusable(case, case_folder, directory)
    notices: list[Notice] = []
    names: list[str] = []
    try:
        with all_or_none(directory) as temporary:
            source = SourceStudy.of(case_folder, case.courses[case.reference])
            for file in _files(assessment, case_folder, source, notices):
                dataset = derived_dose(
                    source,
                    file.dose,
                    dose_type=file.dose_type,
                    summation="MULTI_PLAN",
                    comment=file.comment,
                    plans=file.plans,
                    day=day,
                    description=file.description,
                    details=file.details,
                )
                write_dataset(dataset, temporary / file.name)
                names.append(file.name)
            _refuse_others(directory, temporary, names)
    except OSError as error:
        raise ExportError(f"The files could not be written ({error.strerror}). Free space or choose another folder, and run again.") from None
    return names, notices


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A dose to be written, and what it is."""

    name: str
    dose: DoseGrid
    dose_type: Literal["PHYSICAL", "EFFECTIVE"]
    comment: str
    description: str
    details: str
    plans: tuple[tuple[str, str], ...]


def _refuse_unusable(case: Case, case_folder: Path, directory: Path) -> None:
    """Find out before the work that files cannot be written, or would be taken for those of a course when the case is calculated again."""
    place = directory if directory.exists() else directory.absolute().parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ExportError("The files cannot be written there. Needed is a folder, or the name of a new one, inside a folder that may be written to.")
    refuse_course_folder(case, case_folder, directory)


def refuse_course_folder(case: Case, case_folder: Path, directory: Path) -> None:
    """Refuse a folder in which files would be taken for those of a course when the case is calculated again.

    Raises
    ------
    ExportError
        When it lies within the folders that the files of a course were read from.
    """
    inputs = [[(case_folder / str(entry["file"])).parent.resolve() for entry in course.inputs] for course in case.courses if course.inputs]
    if any(directory.resolve().is_relative_to(os.path.commonpath(folders)) for folders in inputs):
        raise ExportError("The folder to write to is one that the files of a course are read from. Choose another, so that a sum is never read as a course.")


def _files(assessment: Assessment, case_folder: Path, reference: SourceStudy, notices: list[Notice]) -> Iterator[_File]:
    """The sums, then the courses in their order."""
    case = assessment.case
    grid = reference_grid(case)
    kept = {o.organ: o.kept for o in assessment.organs if o.kept is not None}
    alpha_beta = display_map(case, grid)
    voxels = voxel_sum(case, grid, alpha_beta, kept)
    sources = {k: reference if k == case.reference else SourceStudy.of(case_folder, case.courses[k]) for k in summable(case)}
    all_plans = tuple(plan for source in sources.values() for plan in source.plans)  # one a course or more, so that a sum is always one of several
    if _can_be_summed(case, voxels, notices):
        sums = [(CUMULATIVE, "Cumulative EQD2", voxels.least_eqd2_gy, alpha_beta.title)]
        if voxels.least_with_recovery_gy is not None:
            sums.append((WITH_RECOVERY, "EQD2 sum, recovery", voxels.least_with_recovery_gy, f"{alpha_beta.title}; {_recovery(kept)}"))
        for name, words, values, details in sums:
            dose, unknown = _boxed(grid, values, voxels.is_known, reference.frame_uid, name, None, notices)
            _say_where_it_ends(name, values, voxels.is_known, dose.grid, notices)
            comment = f"{words}, {case.display.title}{UNKNOWN if unknown else ''}"
            yield _File(name, dose, "EFFECTIVE", comment, f"{words} of {len(sources)} courses", details + unknown, all_plans)
    for k, physical in voxels.physical_gy.items():
        course = case.courses[k].name
        name = _name(k, course, reference)
        known = ~np.isnan(physical)
        if not known.any():
            message = f'The dose of course "{printable(course)}" lies outside the dose grid of the reference course, so no file of it is written.'
            notices.append(Notice("export_course_outside", message, course))
            continue
        dose, unknown = _boxed(grid, np.nan_to_num(physical), known, reference.frame_uid, name, course, notices)
        _say_what_is_not_reached(name, dose, case.courses[k], notices)
        words = "Dose times RBE" if sources[k].is_effective else "Physical dose"
        dose_type: Literal["PHYSICAL", "EFFECTIVE"] = "EFFECTIVE" if sources[k].is_effective else "PHYSICAL"
        comment = f"{words} of course {k + 1}, all fractions{UNKNOWN if unknown else ''}"
        details = f"{case.courses[k].fractions} fractions{unknown}"
        yield _File(name, dose, dose_type, comment, f"{words} of course {k + 1}: {course}", details, sources[k].plans)


def _recovery(kept: Mapping[str, Mapping[int, float]]) -> str:
    """What still counts of each course in each organ."""
    listed = ", ".join(f"{key} course {k + 1} {100 * part:g} %" for key, parts in kept.items() for k, part in parts.items())
    return f"EQD2 that still counts after recovery: {listed}; elsewhere 100 %"


def _can_be_summed(case: Case, voxels: VoxelSum, notices: list[Notice]) -> bool:
    """Whether all courses are in the sum somewhere. A file of some of them would look like the sum of all, and other systems do not show a comment."""
    missing = [f'"{printable(c.name)}"' for k, c in enumerate(case.courses) if k not in voxels.physical_gy]
    if missing:
        why = f"course {', '.join(missing)} has no dose at voxels of the reference frame (on paper, unknown, or not registered)"
    elif not voxels.is_known.any():
        why = "no voxel lies inside the dose grids of all courses"
    elif len(case.courses) < 2:
        why = "the case has a single course"
    else:
        return True
    notices.append(Notice("export_no_sum", f"No sum is exported: {why}. A file of a part would be taken for the whole. Courses are exported singly."))
    return False


def _boxed(grid: Grid, values: Float32, known: NDArray[np.bool_], frame_uid: str, file: str, course: str | None, notices: list[Notice]) -> tuple[DoseGrid, str]:
    """The smallest box that holds every known voxel, and what to say in the file where others lie in it.

    DICOM has no voxel without a value. Outside a grid other systems know that there is no dose and say so in their histograms, so as much as possible of
    what is unknown is left outside; what a tilted grid leaves inside holds what is known at least, never less, and is announced.
    """
    along = (np.flatnonzero(known.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    planes, rows, columns = (slice(int(n[0]), int(n[-1]) + 1) for n in along)
    part = Grid(grid.rotation, grid.u_mm[columns], grid.v_mm[rows], grid.w_mm[planes])
    dose = DoseGrid(part, np.ascontiguousarray(values[planes, rows, columns]), frame_uid)
    unknown = ~known[planes, rows, columns]
    if not unknown.any():
        return dose, ""
    of = "a course" if course is None else f'course "{printable(course)}"'
    holds = "the dose of the other courses" if course is None else "zero"
    volume = "" if min(part.shape) < 2 else f", {_volume_cc(part, unknown):.1f} cc,"
    where = f"in {100 * unknown.mean():.1f} % of its voxels{volume}"
    message = (
        f"{file}: {where} the dose of {of} is unknown, because of its dose grid or registration; they hold {holds}, which is the least it can be. "
        "The dose comment says so; other systems do not."
    )
    notices.append(Notice("export_unknown_voxels", message, course))
    return dose, f"; {where} the dose of a course is unknown, they hold {holds}"


def _say_where_it_ends(file: str, values: Float32, known: NDArray[np.bool_], inside: Grid, notices: list[Notice]) -> None:
    """A sum reaches no farther than the dose grids of all courses, and ends perhaps where one of them is still hot."""
    part = 1 - np.prod(inside.shape) / known.size
    if part > 0:
        message = (
            f"{file} ends where the dose grid or the registration of a course ends: {100 * part:.1f} % of the dose grid of the reference course are left out. "
            f"Where a course is unknown, the others reach {values[~known].max():.1f} Gy EQD2 by themselves."
        )
        notices.append(Notice("export_sum_ends", message))


def _say_what_is_not_reached(file: str, dose: DoseGrid, course: Course, notices: list[Notice]) -> None:
    """The voxels are those of the reference course: a maximum of another one may lie outside, or between them."""
    largest, here = course.dose_max_gy() or 0.0, float(dose.dose_gy.max())
    if here < REACHED * largest:
        message = (
            f'{file} reaches {here:.1f} Gy and course "{printable(course.name)}" {largest:.1f} Gy: its maximum lies outside the dose grid of the reference '
            "course, or between its voxels. The doses of organs are not read from these voxels."
        )
        notices.append(Notice("export_below_maximum", message, course.name))


def _volume_cc(grid: Grid, voxels: NDArray[np.bool_]) -> float:
    """Volume of some voxels, each reaching half way to its neighbours."""
    u, v, w = (np.gradient(c) for c in (grid.u_mm, grid.v_mm, grid.w_mm))
    return float(w @ (voxels @ u) @ v) / 1000


def _name(number: int, course: str, source: SourceStudy) -> str:
    """File name of a course; without the words of the case file where these name the patient."""
    plain = unicodedata.normalize("NFKD", course).encode("ascii", "ignore").decode().lower()
    safe = re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_NAME].strip("-")
    return f"physical_{number + 1}_{safe}.dcm" if safe and not source.names_patient(course) else f"physical_{number + 1}.dcm"


def _refuse_others(directory: Path, temporary: Path, names: list[str]) -> None:
    """Refuse when one of the files, or of another export, is there already and differs."""
    there = [path for path in sorted(directory.iterdir()) if OURS.fullmatch(path.name)] if directory.exists() else []
    if old := [path.name for path in there if path.name not in names or not path.is_file() or path.read_bytes() != (temporary / path.name).read_bytes()]:
        raise ExportError(
            f"The folder holds files of another export ({', '.join(old)}), which are never replaced or mixed with new ones. "
            "Move them away or choose another folder."
        )
