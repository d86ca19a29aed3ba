"""A course without dose files: what a letter, a report or a DVH table says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from reirrad.dvhtable import DvhCurve
from reirrad.organs import side
from reirrad.paper import PaperDose

__all__ = ["Paper"]


@dataclass(frozen=True, slots=True, eq=False)
class Paper:
    """What is known of a course without dose files.

    Parameters
    ----------
    prescription_gy : float
        Of all prescribed fractions, Gy.
    prescribed_fractions, fractions : int
        Prescribed; delivered. Every dose is that of the prescribed fractions, and scales with the delivered ones.
    organ_doses : mapping
        Organ key to doses by metric, Gy.
    curves : mapping
        Name of a structure, as the DVH file has it, to its curve.
    organs : mapping
        The same names to organ keys; empty for no organ.
    """

    prescription_gy: float
    prescribed_fractions: int
    fractions: int
    organ_doses: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Mapping[str, DvhCurve] = field(default_factory=dict)
    organs: Mapping[str, str] = field(default_factory=dict)

    @property
    def grade(self) -> Literal["C", "D"]:
        """C: doses of organs are known; D: the prescription alone."""
        return "C" if self.organ_doses or self.curves else "D"

    def is_known(self, structure: str, organ: str) -> bool:
        """Whether something is known of this organ beyond the prescription."""
        return organ in self.organ_doses or bool(self._curves_of(structure, organ))

    def of(self, structure: str, organ: str, volume_cc: float, repair: float) -> PaperDose:
        """What is known of the dose of one structure; the prescription everywhere, where nothing is known of its organ.

        Parameters
        ----------
        volume_cc : float
            Of the structure as contoured now, for percentages.
        repair : float
            What multiplies the quadratic term.
        """
        n = self.prescribed_fractions
        if organ in self.organ_doses:
            known = PaperDose.from_organ_doses(self.organ_doses[organ], n, repair=repair, organ_cc=None)
        elif curves := self._curves_of(structure, organ):
            known = _envelope([curve.paper(n, repair=repair) for curve in curves])
        else:
            known = PaperDose.uniform(self.prescription_gy, n, repair=repair)
        return known if self.fractions == n else known.delivered(self.fractions)

    def _curves_of(self, structure: str, organ: str) -> list[DvhCurve]:
        """The curve of that name; else those of the organ on the same side; else all of the organ."""
        if structure in self.curves:
            return [self.curves[structure]]
        of_organ = {name: curve for name, curve in self.curves.items() if self.organs.get(name) == organ}
        same_side = [curve for name, curve in of_organ.items() if side(name) == side(structure)]
        return same_side or list(of_organ.values())


def _envelope(papers: list[PaperDose]) -> PaperDose:
    """One of several curves is meant, and which is not known: the highest upper and the lowest lower bound of them."""
    if len(papers) == 1:
        return papers[0]
    volumes = np.unique(np.concatenate([p.volumes_cc for p in papers]))
    upper = np.array([max(p.upper_gy(float(v)) for p in papers) for v in volumes])
    floors = np.unique(np.concatenate([p.volumes_cc if p.floor_volumes_cc is None else p.floor_volumes_cc for p in papers]))
    lower = np.array([min(p.lower_gy(float(v)) for p in papers) for v in floors])
    bounded = np.isfinite(upper)
    return replace(papers[0], volumes_cc=volumes[bounded], doses_gy=upper[bounded], floor_volumes_cc=floors, floor_doses_gy=lower, mean_gy=None, organ_cc=None)
