"""What can be taken away from the page, made in memory when it is asked for; names of files tell nothing of a patient."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from reirrad.assessment import Assessment
from reirrad.budget import Budget
from reirrad.datatables import assessment_tables
from reirrad.errors import Notice, ReirradError
from reirrad.exploration import Exploration
from reirrad.exporting import export
from reirrad.options import Option
from reirrad.optionsheet import option_sheet
from reirrad.remainingfiles import remaining_files
from reirrad.reporthtml import as_html
from reirrad.reportmodel import Report
from reirrad.result import as_json, to_dict
from reirrad.tablefiles import as_csv, as_parquet
from reirrad.tumour import Tumour

__all__ = ["dose_files", "guarded", "html_file", "options_html", "remaining_zip", "result_file", "table_files", "zip_of"]

ZONES_GY: Final = (10.0, 20.0, 30.0)  # as the command budget draws them
SMALLER: Final = 1  # of doses: the least effort to compress
FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)  # of a zip; the day and hour of the work are not in it


def guarded(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """Make a file for a button that logs why it could not: without the reason, which may name a course or a structure."""

    def made() -> bytes:
        try:
            return make()
        except Exception:  # noqa: BLE001 - the door to the browser
            raise ReirradError("The file could not be made.") from None

    return made


def html_file(report: Report) -> bytes:
    """The report as one HTML file."""
    return as_html(report).encode("utf-8", "backslashreplace")


def result_file(assessment: Assessment) -> bytes:
    """The result as JSON, as the command check writes it."""
    return as_json(to_dict(assessment)).encode("utf-8", "backslashreplace")


def table_files(assessment: Assessment, kind: str) -> bytes:
    """Every table of the result in a zip.

    Parameters
    ----------
    kind : str
        ``csv`` or ``parquet``.
    """
    writer = {"csv": as_csv, "parquet": as_parquet}[kind]
    return zip_of({f"{table.name}.{kind}": writer(table) for table in assessment_tables(assessment)})


def dose_files(assessment: Assessment, case_folder: Path, private_folder: Path, day: dt.date) -> tuple[bytes, list[str], list[Notice]]:
    """RTDOSE files of the sums and of the courses in a zip; what is written on the way is gone afterwards.

    Returns
    -------
    bytes, list of str, list of Notice
        The zip, the names in it, and what the files do not hold.

    Raises
    ------
    ReirradError
        As `export`.
    """
    way = Path(tempfile.mkdtemp(prefix="export-", dir=private_folder))
    try:
        names, notices = export(assessment, case_folder, way / "doses", day)
        return zip_of({name: (way / "doses" / name).read_bytes() for name in names}), names, notices
    finally:
        shutil.rmtree(way, ignore_errors=True)


def remaining_zip(budget: Budget, case_folder: Path, day: dt.date) -> tuple[bytes, list[str], list[Notice]]:
    """What remains at every voxel as RTDOSE, and its zones as RTSTRUCT, in a zip; as `dose_files`."""
    maps = remaining_files(budget, case_folder, ZONES_GY, day)
    files = {name: content for one in maps for name, content in one.files.items()}
    return zip_of(files), list(files), [n for one in maps for n in one.notices]


def options_html(assessment: Assessment, exploration: Exploration, options: Sequence[Option], tumour: Tumour, day: str) -> bytes:
    """The option sheet as one HTML file."""
    return html_file(option_sheet(assessment, exploration, options, tumour, day=day))


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """The same zip for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=SMALLER) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, FIRST_DAY), content, zipfile.ZIP_DEFLATED, SMALLER)
    return packed.getvalue()
