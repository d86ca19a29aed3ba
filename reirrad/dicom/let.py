"""A map of dose-averaged LET of a proton plan, which systems export in the form of an RTDOSE.

DICOM has no object for LET: units say GY or RELATIVE, and nothing in the file says that it is no dose. So the user names the file, and it is refused
when it looks like anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from reirrad.course import Course
from reirrad.dicom.files import Record, read_record
from reirrad.dicom.identity import Identity, same_patient
from reirrad.dicom.planes import read_source
from reirrad.dicom.rtdose import read_dose_header
from reirrad.dose import DoseGrid, Float32
from reirrad.errors import DicomError, Notice, printable

__all__ = ["LetMap", "read_let"]

UNITS: Final = ("GY", "RELATIVE")
# Largest value of a map, keV/µm: protons reach some 20 behind the peak, noise of few particles more.
LARGEST_KEV_UM: Final = (0.2, 50.0)
# Median where dose is at least half of its maximum, keV/µm: 1 to 6 in a target. Ten times as much is MeV/cm, or another ion.
MEDIAN_KEV_UM: Final = (0.3, 12.0)
# A map that follows a dose, voxel by voxel, within this part of the maximum is that dose, whatever its unit.
SAME_PART: Final = 0.01
N_SAMPLES: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class LetMap:
    """Dose-averaged LET of a plan.

    Parameters
    ----------
    kev_um : DoseGrid
        Its values are keV/µm, not Gy: read them with `at_points`, linear.
    record : Record
        The file.
    notices : tuple of Notice
    """

    kev_um: DoseGrid
    record: Record
    notices: tuple[Notice, ...]


def read_let(path: Path, shown_as: str, course: Course, identity: Identity, patient_id: str | None = None) -> LetMap:
    """Read the LET of a course from the file that the user names.

    Parameters
    ----------
    path : Path
        Inside the case folder.
    shown_as : str
        Relative to the case folder, for messages.
    course, identity, patient_id : Course, Identity, str or None
        The course it belongs to, as read; whose course it is; Patient ID as the case file states it.

    Raises
    ------
    DicomError
        When it is no RTDOSE of this patient and frame; when it is a dose of the course; when its values are not those of protons in keV/µm.

    References
    ----------
    DICOM PS3.3 C.8.8.3 (RT Dose)
    """
    if course.radiation != "proton":
        raise DicomError(f"`let:` is stated for course '{printable(course.name)}' of radiation {course.radiation}; it is for protons. Take it away.")
    record = read_record(path, shown_as)
    if record is None or record.role != "RTDOSE":
        raise DicomError(f"{shown_as} is named as LET but is no RTDOSE; needed is the LET distribution in the form of an RTDOSE. Export it so.")
    _, notices = same_patient([(shown_as, record.identity), ("its dose", identity)], course.name, patient_id)
    if record.identity.patient_id is not None:  # what the dose lacks was said when it was read
        notices = tuple(n for n in notices if n.code != "patient_id_missing")
    if record.sop_instance_uid in {entry["sop_instance_uid"] for entry in course.inputs if entry["used"]}:
        raise DicomError(f"{shown_as} is named as LET but is in use as a dose of course '{printable(course.name)}'; needed is the LET. Name its file.")
    kev_um = _read(record)
    if kev_um.frame_uid != course.frame_uid:
        raise DicomError(f"{shown_as} and the dose of course '{printable(course.name)}' lie in different frames of reference. Export the LET of the same plan.")
    doses = [c.dose for phase in course.phases for c in phase.components]
    _check_values(kev_um, doses, shown_as)
    message = (
        f"{shown_as} is taken as dose-averaged LET in keV/µm because the case file says so; nothing in a DICOM file states it. Check it in the planning system."
    )
    return LetMap(kev_um, record, (*notices, Notice("let_assumed_kev_um", message, course=course.name)))


def _read(record: Record) -> DoseGrid:
    """Values as stored times Dose Grid Scaling, with every check of a dose but those of unit and type."""
    try:
        header = read_dose_header(record)
        if header.units not in UNITS:
            found = printable(header.units, 20) or "nothing"
            raise DicomError(f"{record.name}: Dose Units (3004,0002) is {found}; needed is {' or '.join(UNITS)}. Export the object again.")
        return read_source((replace(header, units="GY", dose_type="PHYSICAL"),))
    except DicomError as error:
        raise DicomError(f"A map of LET cannot be read. {error}") from None


def _check_values(kev_um: DoseGrid, doses: Iterable[DoseGrid], file: str) -> None:
    """Refuse what is a dose, or not LET of protons in keV/µm."""
    advice = "Needed is the dose-averaged LET of protons in keV/µm. Check what was exported, and its unit."
    largest = float(kev_um.dose_gy.max())
    if not LARGEST_KEV_UM[0] < largest <= LARGEST_KEV_UM[1]:
        raise DicomError(f"{file} is named as LET but its largest value is {largest:.3g}, which no protons have in keV/µm. {advice}")
    for dose in doses:
        if _follows(kev_um.dose_gy, dose.dose_gy):
            raise DicomError(f"{file} is named as LET but follows a dose of the course voxel by voxel: it is that dose, in some unit. {advice}")
        values = _where_dose_is(kev_um, dose)
        if np.isnan(values).any():
            raise DicomError(f"{file} does not reach to where dose of the course is at least half of its maximum. {advice}")
        median = float(np.median(values))
        if not MEDIAN_KEV_UM[0] <= median <= MEDIAN_KEV_UM[1]:
            raise DicomError(
                f"{file} is named as LET but has a median of {median:.3g} where dose is at least half of its maximum; "
                f"protons have {MEDIAN_KEV_UM[0]:g} to {MEDIAN_KEV_UM[1]:g} keV/µm there. {advice}"
            )


def _follows(kev_um: Float32, dose_gy: Float32) -> bool:
    """Whether one is the other times a constant."""
    if kev_um.shape != dose_gy.shape:
        return False
    return bool(np.abs(kev_um / kev_um.max() - dose_gy / dose_gy.max()).max() <= SAME_PART)


def _where_dose_is(kev_um: DoseGrid, dose: DoseGrid) -> Float32:
    """LET at voxels (not more than some thousands) with at least half of the maximum dose, keV/µm."""
    k, j, i = np.nonzero(dose.dose_gy >= dose.dose_gy.max() / 2)
    some = slice(None, None, 1 + k.size // N_SAMPLES)
    grid = dose.grid
    local = np.column_stack([grid.u_mm[i[some]], grid.v_mm[j[some]], grid.w_mm[k[some]]])
    return kev_um.at_points(grid.to_patient(local), "linear")
