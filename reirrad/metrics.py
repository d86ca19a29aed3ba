"""Dose metrics: what they are called and how they are written. Their values are computed elsewhere.

The spelling follows AAPM TG-263: ``D0.03cc`` is the lowest dose in the hottest 0.03 cc, ``V40Gy`` the volume that
receives at least 40 Gy, ``CV16Gy`` the volume that receives less than 16 Gy (spared volume, "critical volume").
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from reirrad.errors import ReirradError, printable

__all__ = ["Metric", "MetricError", "MetricKind", "parse_metric"]

MetricKind = Literal["dose_at_volume", "max", "mean", "min", "volume_at_dose", "critical_volume", "geud"]

FORMS: Final = "D0.03cc (also 2cc, any volume), D95%, Dmax, Dmean, Dmin, V40Gy, CV16Gy, gEUD8"

# A bare percentage such as "D95" is customary and clear from here on; below, "D2" may mean 2 cc or 2 %.
CLEARLY_PERCENT: Final = 50.0
LARGEST_VOLUME_CC: Final = 1e5
LARGEST_DOSE_GY: Final = 1e3
LARGEST_EXPONENT: Final = 100.0

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DOSE_AT_VOLUME = re.compile(rf"D_?{_NUMBER} ?(cc|cm3|cm³|%)?", re.IGNORECASE)
_VOLUME_AT_DOSE = re.compile(rf"(C?)V_?{_NUMBER} ?Gy", re.IGNORECASE)
_GEUD = re.compile(rf"gEUD_?(-?){_NUMBER}", re.IGNORECASE)
_WHOLE: Final[dict[str, MetricKind]] = {
    "max": "max", "dmax": "max", "mean": "mean", "dmean": "mean", "min": "min", "dmin": "min",
}  # fmt: skip


class MetricError(ReirradError, ValueError):
    """A text does not name a metric."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One dose or volume metric of an organ.

    Parameters
    ----------
    kind : str
        ``dose_at_volume`` (near-maximum and other D_v), ``max``, ``mean``, ``min``, ``volume_at_dose`` (V_x),
        ``critical_volume`` (volume receiving less than x) or ``geud``.
    argument : float or None
        Volume for ``dose_at_volume``, dose in Gy for the two volume metrics, the exponent a of gEUD
        (large for serial organs); None for max, mean, min.
    argument_unit : str or None
        ``cc``, ``%`` or ``Gy``; None where the argument has no unit.

    Raises
    ------
    MetricError
        When the argument is not finite and in its range, or has the wrong unit.
    """

    kind: MetricKind
    argument: float | None = None
    argument_unit: Literal["cc", "%", "Gy"] | None = None

    def __post_init__(self) -> None:
        units, largest = {
            "dose_at_volume": (("cc", "%"), 100.0 if self.argument_unit == "%" else LARGEST_VOLUME_CC),
            "volume_at_dose": (("Gy",), LARGEST_DOSE_GY),
            "critical_volume": (("Gy",), LARGEST_DOSE_GY),
            "geud": ((None,), LARGEST_EXPONENT),
        }.get(self.kind, ((None,), None))
        if self.argument_unit not in units or (self.argument is None) != (largest is None):
            raise MetricError(f'A metric "{self.kind}" cannot have the argument {self.argument} {self.argument_unit or ""}.'.replace(" .", "."))
        if self.argument is None or largest is None:
            return
        size = abs(self.argument) if self.kind == "geud" else self.argument
        if not math.isfinite(size) or not 0 < size <= largest:
            unit = self.argument_unit or ""
            raise MetricError(f"The metric {self.kind.replace('_', ' ')} needs a number above 0 and up to {largest:g} {unit}; found {self.argument:g}.")

    @property
    def is_volume(self) -> bool:
        """Whether its value is a volume (cc or %) and not a dose in Gy."""
        return self.kind in ("volume_at_dose", "critical_volume")

    def __str__(self) -> str:
        """Return the canonical spelling, which `parse_metric` reads back to the same metric."""
        if self.argument is None:
            return f"D{self.kind}"
        number = format(Decimal(repr(self.argument)), "f")
        number = number.rstrip("0").rstrip(".") if "." in number else number
        prefix = {"dose_at_volume": "D", "volume_at_dose": "V", "critical_volume": "CV", "geud": "gEUD"}[self.kind]
        return f"{prefix}{number}{self.argument_unit or ''}"


def parse_metric(text: str) -> Metric:
    """Read the name of a metric.

    Parameters
    ----------
    text : str
        For example ``D0.03cc``, ``D_2cc``, ``D95%``, ``max``, ``Dmean``, ``V40Gy``, ``CV16Gy``, ``gEUD8``.

    Raises
    ------
    MetricError
        When the text names no metric, or not clearly (``D2`` without cc or %).

    Examples
    --------
    >>> parse_metric("d_0.1 cc")
    Metric(kind='dose_at_volume', argument=0.1, argument_unit='cc')
    >>> str(parse_metric("max")), str(parse_metric("D95"))
    ('Dmax', 'D95%')
    """
    words = " ".join(text.split()) if len(text) <= 40 else ""
    if kind := _WHOLE.get(words.lower().replace("_", "")):
        return Metric(kind)
    if match := _DOSE_AT_VOLUME.fullmatch(words):
        volume, unit = float(match[1]), (match[2] or "").lower()
        if not unit and volume < CLEARLY_PERCENT:
            raise MetricError(f'The metric "{printable(text)}" does not say whether the volume is in cc or in %: write D{match[1]}cc or D{match[1]}%.')
        return Metric("dose_at_volume", volume, "%" if unit in ("", "%") else "cc")
    if match := _VOLUME_AT_DOSE.fullmatch(words):
        return Metric("critical_volume" if match[1] else "volume_at_dose", float(match[2]), "Gy")
    if match := _GEUD.fullmatch(words):
        return Metric("geud", float(match[1] + match[2]))
    raise MetricError(f'"{printable(text, 40)}" is not a metric that can be computed; the forms understood are {FORMS}.')
