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
        return organ in self.organ_doses or self._curve(structure, organ) is not None

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
            known = PaperDose.from_organ_doses(self.organ_doses[organ], n)
            if side(structure) is not None:
                known = known.without_floor()  # which side it is of is not said
        else:
            known = self._curve(structure, organ) or PaperDose.uniform(self.prescription_gy, n)
        known = replace(known, repair=repair)
        return known if self.fractions == n else known.delivered(self.fractions)

    def volume_cc(self, structure: str) -> float | None:
        """Volume of the structure of the same name in the DVH; None when it has none."""
        curve = self.curves.get(structure)
        return None if curve is None else curve.total_cc or float(curve.least_cc.max(initial=0.0)) or None

    def _curve(self, structure: str, organ: str) -> PaperDose | None:
        """The curve of that name; else of the organ on the same side; else of both sides, of which the structure is a part, or which are its parts.

        A curve of the other side says nothing.
        """
        if structure in self.curves:
            return self._paper(structure)
        names = [name for name, key in self.organs.items() if key == organ]
        here = side(structure)
        if alike := [name for name in names if side(name) == here]:
            return _envelope([self._paper(name) for name in alike])
        if here is not None:
            whole = [name for name in names if side(name) is None]
            return _envelope([self._paper(name).without_floor() for name in whole]) if whole else None
        parts = [[self._paper(name) for name in names if side(name) == which] for which in ("left", "right")]
        return PaperDose.union([_envelope(part) for part in parts]) if all(parts) else None

    def _paper(self, name: str) -> PaperDose:
        return self.curves[name].paper(self.prescribed_fractions)


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
