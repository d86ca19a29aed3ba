"""DVHs stored in an RTDOSE (DICOM PS3.3 C.8.8.4), which may have no pixels at all.

A bin of DVH Data has a width, so the edges of bins are known, from dose 0 on. Whether a cumulative volume belongs to the lower or the upper edge of its bin is
not defined. So a volume V of a bin from a to b proves only that at most V receives more than b, and that at least V receives a or more: at most two bins apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from reirrad.dicom.files import Record, read_record
from reirrad.dicom.parsing import read_header, reading
from reirrad.dicom.values import decimal, integer, items, name_of, numbers_in, text, texts
from reirrad.dvhtable import LARGEST_DOSE_GY, DvhCurve, DvhKind, cumulative_curve, differential_curve, last_digit
from reirrad.errors import DicomError, Notice, printable
from reirrad.grid import Float64
from reirrad.paper import ROUNDING

__all__ = ["DvhSequence", "read_dvh_sequence"]

_KINDS: dict[str, DvhKind] = {"CUMULATIVE": "cumulative", "DIFFERENTIAL": "differential"}
# Volumes of a cumulative DVH may rise, or fall below 0, by this part of the first: the noise of a system that subtracts bins from the total.
NOISE = 1e-6
# A cumulative volume this small is the same noise, and none.
NOISE_CC = 1e-6
# Stated maximum and mean may differ from those of the curve by these parts: other sampling, another treatment of the part outside the grid.
MAX_TOLERANCE, MEAN_TOLERANCE = 0.03, 0.1
TOLERANCE_GY = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class DvhSequence:
    """DVHs of one RTDOSE.

    Parameters
    ----------
    record : Record
        The file; `record.identity` tells whose it is.
    curves : dict
        ROI Number to curve, named "ROI 3" and so on.
    dose_type, summation : str
        Dose Type (PHYSICAL or EFFECTIVE, the same in all DVHs) and Dose Summation Type; the latter empty when absent.
    structure_set_uid : str
        SOP Instance UID of the structure set that the ROI Numbers refer to; empty when absent, and the numbers then name nothing.
    plan_uids : tuple of str
        RT plans that the dose is of.
    notices : tuple of Notice
        ``dvh_left_out``, ``dvh_statistics_in_other_unit``.
    """

    record: Record
    curves: dict[int, DvhCurve]
    dose_type: str
    summation: str
    structure_set_uid: str
    plan_uids: tuple[str, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A curve, what the object states of it, and what it may be (lowest, highest), Gy."""

    curve: DvhCurve
    stated_max_gy: float
    stated_mean_gy: float
    max_gy: tuple[float, float]
    mean_gy: tuple[float, float]


class _LeftOut(Exception):  # noqa: N818 - says what happens to a DVH
    """Why a DVH is not of one structure, or of none with a volume."""


def read_dvh_sequence(path: Path, shown_as: str, *, total_cc: Mapping[int, float] | None = None) -> DvhSequence:
    """Read the DVH Sequence (3004,0050) of an RTDOSE, with or without pixels.

    Parameters
    ----------
    path : Path
    shown_as : str
        Its name in messages.
    total_cc : mapping of int to float, optional
        ROI Number to volume of the structure: 100 % of DVHs in percent.

    Returns
    -------
    DvhSequence
        DVHs of a single, included ROI. Others, those of no volume, and those in percent of an unknown volume are left out with a notice.

    Raises
    ------
    DicomError
        When the file is no RTDOSE, has no usable DVH, when a DVH is NATURAL, not in Gy, damaged, given twice, or contradicts its stated maximum and mean.
    """
    record = read_record(path, shown_as)
    if record is None or record.role != "RTDOSE":
        raise DicomError(f"{shown_as} is no RTDOSE; needed is one with a DVH Sequence. Name the right file.")
    ds = read_header(path, shown_as).dataset
    with reading(shown_as):
        found, notices, dose_types = _curves(ds, shown_as, total_cc or {})
        if text(ds, "DoseType"):
            dose_types.add(text(ds, "DoseType").upper())
        if len(dose_types) != 1 or not dose_types <= {"PHYSICAL", "EFFECTIVE"}:
            raise DicomError(f"{shown_as}: {name_of('DoseType')} is needed as PHYSICAL or EFFECTIVE, the same in all DVHs. Export the DVHs again.")
        sets = {text(s, "ReferencedSOPInstanceUID") for s in items(ds, "ReferencedStructureSetSequence")}
        if len(sets) > 1:
            raise DicomError(f"{shown_as} refers to several structure sets, so its ROI numbers are not clear. Export the DVHs of one structure set.")
        plans = tuple(text(p, "ReferencedSOPInstanceUID") for p in items(ds, "ReferencedRTPlanSequence"))
        curves, more = _checked(found, shown_as)
        summation = text(ds, "DoseSummationType").upper()
        return DvhSequence(record, curves, dose_types.pop(), summation, next(iter(sets), ""), plans, (*notices, *more))


def _curves(ds: Dataset, file: str, total_cc: Mapping[int, float]) -> tuple[dict[int, _Found], list[Notice], set[str]]:
    """Curves by ROI Number, notices, and the Dose Types found."""
    found: dict[int, _Found] = {}
    notices: list[Notice] = []
    dose_types: set[str] = set()
    for k, item in enumerate(items(ds, "DVHSequence"), 1):
        try:
            number = _roi(item, file)
            where = f"{file}: the DVH of ROI {number}"
            one = _curve(item, where, file, total_cc.get(number), number)
        except _LeftOut as why:
            notices.append(Notice("dvh_left_out", f"{file}: DVH {k} of the sequence was left out, because it {why}."))
            continue
        if number in found and found[number].curve.kind == one.curve.kind:
            raise DicomError(f"{where} is given twice, so it is unknown which one is valid. Export the DVHs again.")
        if number not in found or one.curve.kind == "cumulative":
            found[number] = one
        dose_types.add(text(item, "DoseType").upper() or "nothing")
    if not found:
        raise DicomError(f"{file} has no DVH of a single structure with a volume. Export the DVHs, or the dose and structures themselves.")
    return found, notices, dose_types


def _roi(item: Dataset, file: str) -> int:
    """Number of the only ROI, which is included."""
    rois = items(item, "DVHReferencedROISequence")
    number = integer(rois[0], "ReferencedROINumber", file) if len(rois) == 1 else None
    if number is None or text(rois[0], "DVHROIContributionType").upper() != "INCLUDED":
        raise _LeftOut("is not of one included ROI")
    return number


def _curve(item: Dataset, where: str, file: str, total_cc: float | None, number: int) -> _Found:
    kind = _KINDS.get(text(item, "DVHType").upper())
    for keyword, wanted in (("DVHType", kind), ("DoseUnits", text(item, "DoseUnits").upper() == "GY")):
        if not wanted:
            shown = printable(text(item, keyword), 20) or "nothing"
            raise DicomError(f"{where}: {name_of(keyword)} is {shown}; needed is {_WANTED[keyword]}. Export the DVHs so.")
    unit_name = text(item, "DVHVolumeUnits").upper()
    if unit_name not in ("CM3", "PERCENT"):
        raise DicomError(f"{where}: {name_of('DVHVolumeUnits')} is {printable(unit_name, 20) or 'nothing'}; needed is CM3 or PERCENT. Export the DVHs so.")
    if unit_name == "PERCENT" and total_cc is None:
        raise _LeftOut("is in percent of a volume that is not known")
    widths, volumes, unit = _data(item, where, file)
    if unit_name == "PERCENT" and total_cc is not None:
        reached = float(volumes[0] if kind == "cumulative" else volumes.sum())
        allowed = volumes.size * unit / 2 + 100 * NOISE
        # cumulative volumes may belong to the upper edges of bins, of which the first may already miss a part of the structure
        if reached > 100 + allowed or (kind == "differential" and reached < 100 - allowed):
            raise DicomError(f"{where}: the volumes reach {reached:.4g} %, not 100 %. Export the DVHs with volumes in cubic centimetres.")
        volumes, unit = volumes * total_cc / 100, unit * total_cc / 100
    edges = np.append(0.0, np.cumsum(widths))
    if edges[-1] > LARGEST_DOSE_GY:
        raise DicomError(f"{where} reaches beyond {LARGEST_DOSE_GY:g} Gy: its doses or {name_of('DVHDoseScaling')} are wrong. Export the DVHs again.")
    stated = [decimal(item, keyword, where) if texts(item, keyword) else 0.0 for keyword in ("DVHMaximumDose", "DVHMeanDose")]
    name = f"ROI {number}"
    if kind == "cumulative":
        curve = _cumulative(name, edges, volumes, unit, total_cc if unit_name == "PERCENT" else None, where)
    else:
        curve = differential_curve(name, edges[:-1], edges[1:], volumes, unit, float(volumes.sum()))
    return _Found(curve, stated[0], stated[1], _max_bounds(curve), _mean_bounds(curve))


_WANTED = {"DVHType": "CUMULATIVE or DIFFERENTIAL", "DoseUnits": "GY"}


def _data(item: Dataset, where: str, file: str) -> tuple[Float64, Float64, float]:
    """Widths of bins, Gy, volumes as stored, and one unit of the last digit of the volumes."""
    written = texts(item, "DVHData")
    if not written:
        raise _LeftOut("has no data")
    try:
        values = numbers_in("\\".join(written).encode("ascii", "replace"))
    except ValueError:
        raise DicomError(f"{where}: {name_of('DVHData')} holds text that is not a number. Export the DVHs again.") from None
    n_bins = integer(item, "DVHNumberOfBins", file)
    if values.size % 2 or (n_bins is not None and 2 * n_bins != values.size):
        raise DicomError(f"{where}: {name_of('DVHData')} has {values.size} values, which is not two for each of its bins. Export the DVHs again.")
    widths, volumes = values[::2], values[1::2]
    scaling = decimal(item, "DVHDoseScaling", where)
    if not (np.all(np.isfinite(values)) and np.all(widths > 0) and scaling > 0):
        raise DicomError(f"{where}: bins or {name_of('DVHDoseScaling')} are not finite numbers above zero. Export the DVHs again.")
    if volumes.min() < -NOISE * abs(volumes).max():
        raise DicomError(f"{where} has negative volumes. Export the DVHs again.")
    volumes = np.maximum(volumes, 0.0)
    if not volumes.any():
        raise _LeftOut("has no volume")
    return widths * scaling, volumes, last_digit(number.strip() for number in written[1::2])


def _cumulative(name: str, edges: Float64, volumes: Float64, unit: float, total_cc: float | None, where: str) -> DvhCurve:
    """Curve of cumulative volumes (N,) between edges (N + 1,)."""
    noise = NOISE * float(volumes[0])
    if np.diff(volumes).max(initial=0.0) > noise:
        raise DicomError(f"{where} is called cumulative, but its volume rises with dose. Export the DVHs again.")
    falling = np.maximum.accumulate(np.where(volumes <= NOISE_CC, 0.0, volumes)[::-1])[::-1]
    curve = cumulative_curve(name, edges[1:], falling, unit, float(volumes[0]) if total_cc is None else total_cc)
    return replace(curve, least_gy=edges[:-1], least_cc=curve.least_cc - noise)


def _max_bounds(curve: DvhCurve) -> tuple[float, float]:
    """Between which doses the maximum of a curve lies; infinite when the curve ends above no volume."""
    reached, open_end = curve.least_gy[curve.least_cc > 0], curve.more_cc[-1] > 0
    return float(reached.max(initial=0.0)), float("inf") if open_end else float(curve.more_gy[curve.more_cc == 0][0])


def _mean_bounds(curve: DvhCurve) -> tuple[float, float]:
    """Between which doses the mean of a curve lies: the areas under what is at least and at most reached."""
    assert curve.total_cc is not None, "a DVH of an RTDOSE has a volume"
    least = np.diff(curve.least_gy, prepend=0.0) @ np.maximum(curve.least_cc, 0.0)
    most = np.diff(curve.more_gy, prepend=0.0) @ np.append(curve.total_cc, curve.more_cc[:-1])
    return float(least) / curve.total_cc, float("inf") if curve.more_cc[-1] > 0 else float(most) / curve.total_cc


def _checked(found: dict[int, _Found], file: str) -> tuple[dict[int, DvhCurve], list[Notice]]:
    """Curves that agree with their stated maximum and mean, closed by the former where they end above no volume.

    DICOM has these in the units of the doses; Eclipse writes percent beside curves in Gy. All of them being the same multiple of what the curves say is
    therefore no contradiction, but worth a notice.
    """
    lowest, highest, n_stated = 0.0, float("inf"), 0
    odd: int | None = None
    for number, one in found.items():
        stated = ((one.stated_max_gy, one.max_gy, MAX_TOLERANCE), (one.stated_mean_gy, one.mean_gy, MEAN_TOLERANCE))
        for value, (low, high), tolerance in stated:
            if value <= 0:
                continue
            least, most = value / (high + TOLERANCE_GY) * (1 - tolerance), value / max(low - TOLERANCE_GY, 1e-9) * (1 + tolerance)
            lowest, highest, n_stated = max(lowest, least), min(highest, most), n_stated + 1
            if odd is None and not least <= 1 <= most:
                odd = number
    if odd is None:
        return {number: _closed(one) for number, one in found.items()}, []
    if lowest > highest or n_stated < 2:
        raise DicomError(
            f"{file}: {name_of('DVHMaximumDose')} or {name_of('DVHMeanDose')} of ROI {odd} contradicts its curve, so neither can be trusted. "
            "Export the DVHs again, or state the doses of the organs."
        )
    message = (
        f"{file}: the stated maximum and mean doses are about {(lowest + highest) / 2:.3g} times those of the curves, so they are in another unit, such as "
        "percent. The doses of the curves are used as Gy: compare one with the plan."
    )
    return {number: one.curve for number, one in found.items()}, [Notice("dvh_statistics_in_other_unit", message)]


def _closed(one: _Found) -> DvhCurve:
    """The curve; one that ends above no volume ends at the stated maximum."""
    curve = one.curve
    if curve.more_cc[-1] == 0 or one.stated_max_gy <= 0:
        return curve
    end = max(one.stated_max_gy, float(curve.more_gy[-1]) * (1 + ROUNDING))
    return replace(curve, more_gy=np.append(curve.more_gy, end), more_cc=np.append(curve.more_cc, 0.0))
