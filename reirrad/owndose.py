"""A course read on its own contours, where its frame is not brought onto that of the reference.

What it proves about a sum are its near-maxima: `reirrad.paper` adds them wherever they lie. And where the courses were registered, it is a check of that: no
point of an organ can have received more than the sum of the maxima that each course shows in its own contour of that organ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reirrad.accumulation import OrganDose, accumulate
from reirrad.course import Course
from reirrad.dose import Float32, Interpolation
from reirrad.dvh import Dvh
from reirrad.errors import Notice, ParameterError, printable
from reirrad.grid import Float64
from reirrad.organsum import at_least
from reirrad.paper import PaperDose, Quantity
from reirrad.planes import slabs_of
from reirrad.points import organ_points
from reirrad.statistics import NEAR_MAXIMA_CC
from reirrad.structures import Structure

__all__ = ["CurveDose", "OwnDose", "maximum_alarm", "maximum_notices", "own_curve", "own_maximum_gy", "own_organ_dose"]

N_VOLUMES = 400
SMALLEST_CC = 1e-3
TOLERANCE_GY, TOLERANCE = 0.1, 0.005  # of the sum of maxima: sampling and interpolation differ between contours

_Key = tuple[float | None, Quantity]
_Curve = tuple[Float64, Float64]


@dataclass(frozen=True, slots=True, eq=False)
class OwnDose:
    """Dose of one course in its own structure, and what to know about its contours."""

    dose: OrganDose
    notices: tuple[Notice, ...] = ()


def own_organ_dose(
    course: Course, structure: Structure, interpolation: Interpolation, step_of_set_mm: float | None, factor: Callable[[int], float] | None = None
) -> OwnDose:
    """Read a course on its own structure.

    Parameters
    ----------
    structure : Structure
        Of this course, with contours.
    step_of_set_mm : float or None
        Usual plane distance of its structure set.
    factor : callable, optional
        Sessions of a delivery to what multiplies its quadratic term; 1 by default.

    Returns
    -------
    OwnDose
        Its deliveries are those of course 0.
    """
    image = course.image
    normal, positions = (None, None) if image is None else (image.normal, image.positions_mm)
    points = organ_points(structure.name, slabs_of(structure, normal, positions, step_of_set_mm))
    dose = accumulate(points, (course,), (None,), interpolation)
    if factor is not None:
        dose = replace(dose, repair=np.array([factor(int(n)) for n in dose.fractions]))
    return OwnDose(dose, tuple(Notice(n.code, n.message, course.name, structure.name) for n in points.notices))


def own_maximum_gy(dose: OrganDose, alpha_beta_gy: float) -> float | None:
    """Largest EQD2 in its own structure; None where the dose grid does not reach over all of it."""
    dvh = dose.eqd2(alpha_beta_gy)
    return dvh.known().max_gy() if dvh.is_complete else None


def maximum_alarm(cumulative_max_gy: float, own_maxima_gy: Sequence[float]) -> bool:
    """Whether the maximum of a sum is larger than the sum of the maxima of all courses, each in its own contour of the organ.

    No organ can have received that: the registration, or one of the contours, is wrong. All in one quantity, EQD2 at one alpha/beta.

    Raises
    ------
    ParameterError
        When there is no maximum, or one is negative or not finite.

    >>> maximum_alarm(72.4, [40.0, 27.3]), maximum_alarm(65.2, [40.0, 27.3])
    (True, False)
    """
    if not own_maxima_gy or not all(np.isfinite(m) and m >= 0 for m in (cumulative_max_gy, *own_maxima_gy)):
        raise ParameterError("The maxima of all courses in their own contours are needed, finite and not negative; found others or none. Give one for each.")
    most = float(sum(own_maxima_gy))
    return bool(cumulative_max_gy > most + max(TOLERANCE_GY, TOLERANCE * most))


def maximum_notices(structure: str, cumulative_max_gy: float, own_maxima_gy: Sequence[float]) -> list[Notice]:
    """Say where the maximum of a sum cannot be."""
    if not maximum_alarm(cumulative_max_gy, own_maxima_gy):
        return []
    maxima = " + ".join(f"{m:.1f}" for m in own_maxima_gy)
    message = (
        f'Structure "{printable(structure)}": the maximum of the sum is {cumulative_max_gy:.1f} Gy EQD2, more than the maxima of the courses, each in its own '
        f"contour, add up to ({maxima} Gy). No tissue received that: the registration does not fit this organ, or it was contoured differently. Look at "
        "both before using the sum."
    )
    return [Notice("cumulative_above_own_maxima", message, None, structure)]


@dataclass(frozen=True, slots=True, eq=False)
class CurveDose(PaperDose):
    """Near-maxima of a course in its own structure, exact at many volumes, in any quantity.

    Of several deliveries the near-maxima of EQD2 do not follow from those of physical dose; here they come from the points. The fields of `PaperDose` hold
    physical dose.

    Parameters
    ----------
    own : OrganDose
        Of this course alone.
    """

    own: OrganDose = field(kw_only=True)
    _known: dict[_Key, _Curve] = field(init=False, default_factory=dict, repr=False)

    def ceiling(self, alpha_beta_gy: float | None, quantity: Quantity) -> _Curve:
        """Volumes, and doses that D_v does not exceed there; none where the dose grid does not reach over the structure."""
        return self._curve(alpha_beta_gy, quantity) if self.volumes_cc.size else (self.volumes_cc, self.doses_gy)

    def reached_gy(self, volume_cc: float, alpha_beta_gy: float | None, quantity: Quantity) -> float:
        """Dose that D_v reaches; unknown dose counts as 0."""
        volumes, doses = self._curve(alpha_beta_gy, quantity)
        here = np.flatnonzero(volumes >= volume_cc * (1 - 1e-9))
        return float(doses[here[0]]) if here.size else 0.0

    def largest_per_fraction_gy(self) -> float:
        """Largest physical dose of a session at any point."""
        each = [np.fmax.reduce(part / self.own.fractions[:, None], axis=None, initial=0.0) for part in (self.own.dose_gy, self.own.edge_gy)]
        return float(max(each))

    def under(self, convert: Callable[[Float64, int, float], Float64]) -> PaperDose:
        """What the near-maxima become under another model, as doses that need no conversion; see `PaperDose.under`."""
        repair = np.ones(self.own.fractions.size) if self.own.repair is None else self.own.repair

        def total(dose: Float32) -> Float32:
            terms = [convert(d.astype(np.float64), int(n), float(r)) for d, n, r in zip(dose, self.own.fractions, repair, strict=True)]
            return np.asarray(np.sum(terms, axis=0), np.float32)

        none = np.empty(0)
        if not self.volumes_cc.size:
            return PaperDose(none, none, self.fractions, 1.0, "C", none, none)
        return PaperDose(*_near_maxima(Dvh(total(self.own.dose_gy), self.own.volumes_cc, total(self.own.edge_gy))), self.fractions, 1.0, "C", none, none)

    def convert(self, dose_gy: Float64, alpha_beta_gy: float | None, quantity: Quantity) -> Float64:
        """Doses in another quantity: of a single delivery only.

        Raises
        ------
        ParameterError
            Where several deliveries make the physical dose: ask `ceiling`.
        """
        if quantity != "physical" and self.own.fractions.size > 1:
            raise ParameterError("Of several deliveries the EQD2 does not follow from the sum of their physical doses. Ask for the curve in that quantity.")
        return PaperDose.convert(self, dose_gy, alpha_beta_gy, quantity)

    def delivered(self, fractions: int) -> PaperDose:
        """Refused: the dose was read for the delivered fractions."""
        raise ParameterError(f"The dose was read for {self.fractions} delivered fractions and cannot be rescaled to {fractions}. Read the course again.")

    def without_floor(self) -> PaperDose:
        """Refused: the structure is the whole organ that was read."""
        raise ParameterError("The near-maxima of a course in its own contour bound its dose from both sides; they cannot be used for a part of it.")

    @classmethod
    def union(cls, parts: Sequence[PaperDose]) -> PaperDose:
        """Several structures of one course, such as both sides of an organ, taken together: exact.

        Raises
        ------
        ParameterError
            When one of them was not read on its contours.
        """
        own = [p.own for p in parts if isinstance(p, CurveDose)]
        if len(own) < len(parts):
            raise ParameterError("Only some parts of an organ were read on the contours of a course; needed is all of them. Use the others by themselves.")
        return own_curve(
            replace(
                own[0],
                volumes_cc=np.concatenate([o.volumes_cc for o in own]),
                dose_gy=np.concatenate([o.dose_gy for o in own], axis=1),
                edge_gy=np.concatenate([o.edge_gy for o in own], axis=1),
            )
        )

    def _curve(self, alpha_beta_gy: float | None, quantity: Quantity) -> _Curve:
        """Near-maxima in a quantity; unknown dose counts as 0."""
        key = (alpha_beta_gy, quantity)
        if key not in self._known:
            self._known[key] = _near_maxima(_dvh(at_least(self.own), alpha_beta_gy, quantity))
        return self._known[key]


def own_curve(dose: OrganDose) -> CurveDose:
    """Near-maxima of a course in its own structure, for sums with other courses.

    Parameters
    ----------
    dose : OrganDose
        Of one course, read on its own structure.
    """
    if np.unique(dose.course).size != 1:
        raise ParameterError("Dose of several courses, or of none, was given; needed is that of one course on its own structure.")
    physical = _dvh(dose, None, "physical")
    floor = _near_maxima(_dvh(at_least(dose), None, "physical"))
    none = np.empty(0)
    ceiling = floor if physical.is_complete else (none, none)
    repair = float(dose.repair[0]) if dose.repair is not None and dose.fractions.size == 1 else 1.0
    mean = physical.known().mean_gy() if physical.is_complete else None
    return CurveDose(*ceiling, int(dose.fractions.sum()), repair, "C", *floor, mean, None, own=replace(dose, points_mm=None, edge_points_mm=None))


def _dvh(dose: OrganDose, alpha_beta_gy: float | None, quantity: Quantity) -> Dvh:
    if quantity == "physical":
        return dose.physical(int(dose.course[0]))
    if alpha_beta_gy is None:
        raise ParameterError(f"{quantity} needs alpha_beta_gy; found none. State it.")
    return (dose.bed if quantity == "BED" else dose.eqd2)(alpha_beta_gy)


def _near_maxima(dvh: Dvh) -> _Curve:
    """D_v at 0, at the volumes in general use, at the whole volume, and at many between. D_v falls with v, so that at any v that of the next smaller holds."""
    whole = dvh.volume_cc
    between = np.geomspace(min(SMALLEST_CC, whole / 2), whole, N_VOLUMES)
    volumes = np.unique(np.concatenate([[0.0, whole], between[:-1], [v for v in NEAR_MAXIMA_CC if v < whole]]))
    doses = dvh._on_curve(volumes.tolist(), np.arange(dvh.dose_gy.size), 0.0)  # so many volumes are faster from one sort than one by one
    return volumes, np.minimum.accumulate(np.array(doses, np.float64))
