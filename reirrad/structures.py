"""Structures as contoured: closed planar polygons, in the patient system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reirrad.grid import Float64

__all__ = ["Contour", "Structure"]


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One closed polygon.

    Parameters
    ----------
    points_mm : (N, 3) float64
        Vertices in patient mm, N >= 3, the last not a copy of the first.
    xor : bool
        Stored as CLOSEDPLANAR_XOR: overlaps with other contours of its plane are left out.
    """

    points_mm: Float64
    xor: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """A region of interest of one structure set.

    Parameters
    ----------
    name : str
        Exactly as in the RTSTRUCT.
    number : int
        ROI Number.
    contours : tuple of Contour
        May be empty.
    interpreted_type : str
        RT ROI Interpreted Type (ORGAN, PTV, EXTERNAL ...), empty when absent.
    n_ignored : int
        Items that enclose no area (POINT, open, fewer than three different points).
    n_open_alone : int
        Of these, open lines of three or more points on planes where nothing closed is drawn: a part of the structure that may be missing.
    """

    name: str
    number: int
    contours: tuple[Contour, ...]
    interpreted_type: str = ""
    n_ignored: int = 0
    n_open_alone: int = 0

    @property
    def kind(self) -> Literal["target", "external", "other"]:
        """What the RTSTRUCT says the structure is."""
        kind = self.interpreted_type.upper()
        return "target" if kind in ("PTV", "CTV", "GTV") else "external" if kind == "EXTERNAL" else "other"
