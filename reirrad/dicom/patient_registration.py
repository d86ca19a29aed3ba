"""A registration of two CT of a patient, as a DICOM object of that patient."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pydicom.dataset import Dataset

from reirrad.dicom.files import Record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import text
from reirrad.dicom.write import Study
from reirrad.dicom.write_registration import ImageSeries, registration_object
from reirrad.errors import DicomError
from reirrad.registration import Rigid

__all__ = ["patient_registration"]

# What the object takes over from the planes of the registered CT: whose it is, and of which study.
TAKEN = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber")


def patient_registration(transform: Rigid, reference: Sequence[Record], other: Sequence[Record], today: dt.date) -> Dataset:
    """Return a Spatial Registration object that maps the other CT to that of the reference.

    Parameters
    ----------
    transform : Rigid
        Points of the reference frame to the other one.
    reference, other : sequence of Record
        Planes of one CT series each.
    today : date
        Content date.

    Raises
    ------
    DicomError
        When a series has no planes.
    """
    if not reference or not other:
        raise DicomError("A registration refers to the planes of two CT, and one has none. Export both CT.")
    header = read_header(reference[0].path, reference[0].name).dataset
    with reading(reference[0].name):
        seed = f"registration of {text(header, 'StudyInstanceUID')}"
        study = Study(seed, "", "", today, reference[0].frame_uid, description="Registration for the sum of doses", comments="")
        series = [_series(records) for records in (other, reference)]
        ds = registration_object(study, transform.inverse().matrix, *series, description="Automatic rigid registration, to be looked at")
        for keyword in TAKEN:
            if keyword in header:
                ds[keyword] = header[keyword]
    return ds


def _series(records: Sequence[Record]) -> ImageSeries:
    header = read_header(records[0].path, records[0].name).dataset
    return ImageSeries(records[0].frame_uid, text(header, "StudyInstanceUID"), records[0].series_uid, tuple(r.sop_instance_uid for r in records))
