"""Courses of which only some near-maximum doses of an organ are known, and what these prove about a sum.

D_v is the least dose of the hottest volume v: the largest d such that at least v receives d or more; D_0 is the maximum. Without dose at common points the
near-maximum of a sum is not known, but it is bounded. For courses A, B ... in the same organ and volumes v1 + v2 + ... <= v

    D_v(A + B + ...) <= D_v1(A) + D_v2(B) + ...            D_v(A + B + ...) >= max(D_v(A), D_v(B), ...)

Proof of the upper bound. Let S be the right side and e > 0. Where the sum is at least S + e, at least one of N courses has D_vi + e/N or more. By definition of
D_vi that volume is less than vi (empty for vi = 0), so together less than v1 + v2 + ... <= v, and empty if all vi are 0. Hence D_v of the sum is below S + e
for every e. The lower bound holds because no dose is negative. Both hold for EQD2 and BED, which rise with dose, so that D_v of the EQD2 is the EQD2 of D_v.

What the bounds take for granted: the organ of each course was contoured as a whole, and all fractions of a course gave the same dose. D_v(A) + D_v(B), the
customary sum, is normally but not provably above D_v(A + B).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from reirrad.dvh import Dvh, Undefined
from reirrad.errors import ParameterError, printable
from reirrad.grid import Float64
from reirrad.metrics import Metric, parse_metric
from reirrad.parameters import not_negative, positive, whole
from reirrad.radiobiology import bed, eqd2

__all__ = ["Grade", "PaperDose", "Quantity", "asked_volume_cc", "customary_near_max_gy", "lower_near_max_gy", "upper_near_max_gy"]

Grade = Literal["C", "D"]
Quantity = Literal["EQD2", "BED", "physical"]

# Volumes that differ by less than this part are the same volume.
ROUNDING = 1e-9
# Points of a curve that are combined with those of another one; fewer points leave a bound true, only less tight.
MOST_POINTS = 1000
_UNBOUNDED = {"mean": "the mean", "min": "the minimum", "volume_at_dose": "a volume above a dose", "critical_volume": "a spared volume", "geud": "the gEUD"}


@dataclass(frozen=True, slots=True, eq=False)
class PaperDose:
    """What is known of the dose of one course in one organ.

    Parameters
    ----------
    volumes_cc : (M,) float64
        Rising, from 0 or above: volumes of which D_v is known not to exceed a dose. 0 stands for the maximum.
    doses_gy : (M,) float64
        These doses (physical, of the whole course), falling.
    fractions : int
        Sessions in which the dose was given.
    repair : float
        What multiplies the quadratic term of EQD2 and BED.
    grade : "C" or "D"
        C: organ doses or a DVH; D: the prescription alone.
    floor_volumes_cc, floor_doses_gy : (L,) float64, optional
        Volumes of which D_v is known to be at least a dose; the same points when not given.
    mean_gy : float, optional
        Mean physical dose, for display only: it bounds no near-maximum.
    organ_cc : float, optional
        Volume of the organ in that course.

    Raises
    ------
    ParameterError
        When volumes do not rise, doses do not fall, or a number is not finite or negative.
    """

    volumes_cc: Float64
    doses_gy: Float64
    fractions: int
    repair: float = 1.0
    grade: Grade = "C"
    floor_volumes_cc: Float64 | None = None
    floor_doses_gy: Float64 | None = None
    mean_gy: float | None = None
    organ_cc: float | None = None

    def __post_init__(self) -> None:
        whole("fractions", self.fractions)
        positive("repair", self.repair)
        if self.organ_cc is not None:
            positive("organ_cc", self.organ_cc)
        if self.mean_gy is not None:
            not_negative("mean_gy", self.mean_gy)
        _check_steps(self.volumes_cc, self.doses_gy)
        if (self.floor_volumes_cc is None) != (self.floor_doses_gy is None):
            raise ParameterError("floor_volumes_cc and floor_doses_gy belong together; found one of them. Give both or none.")
        if self.floor_volumes_cc is not None and self.floor_doses_gy is not None:
            _check_steps(self.floor_volumes_cc, self.floor_doses_gy)

    @classmethod
    def from_organ_doses(cls, doses_gy: Mapping[str, float], fractions: int, *, repair: float = 1.0, organ_cc: float | None = None) -> PaperDose:
        """Doses as a letter or report states them.

        Parameters
        ----------
        doses_gy : mapping
            Name of a metric to Gy: Dmax, D0.1cc, D2cc ...; D2% and the like only with `organ_cc`. Dmean is kept aside, Dmin is a lower bound.

        Raises
        ------
        ParameterError
            When there is none, one names no dose of a volume, or two contradict each other.

        >>> PaperDose.from_organ_doses({"D2cc": 38.0, "Dmax": 45.0, "Dmean": 12.0}, 25).upper_gy(0.5)
        45.0
        """
        if not doses_gy:
            raise ParameterError("The organ doses are empty; needed is at least one, such as Dmax or D0.1cc. Add one.")
        points: dict[float, tuple[Metric, float]] = {}
        aside: dict[str, float] = {}
        for text, dose in doses_gy.items():
            metric = parse_metric(text)
            not_negative(str(metric), dose)
            if metric.kind in ("mean", "min"):
                if aside.setdefault(metric.kind, dose) != dose:
                    raise ParameterError(f"{metric} is given twice, and differently. Keep one.")
                continue
            volume = _volume_of(metric, organ_cc)
            if points.setdefault(volume, (metric, dose))[1] != dose:
                raise ParameterError(f"{metric} is {dose:g} Gy and {points[volume][1]:g} Gy at once. Keep one.")
        ordered = [points[volume] for volume in sorted(points)]
        if "min" in aside:
            ordered.append((Metric("min"), aside["min"]))
        for (small, high), (large, low) in pairwise(ordered):
            if low > high:
                raise ParameterError(
                    f"{large} is {low:g} Gy, but {small} is {high:g} Gy: a larger volume cannot have a higher near-maximum. Correct the organ doses."
                )
        mean = aside.get("mean")
        if mean is not None and (mean < aside.get("min", 0.0) or (0.0 in points and mean > points[0.0][1])):
            raise ParameterError(f"Dmean is {mean:g} Gy, which is not between minimum and maximum. Correct the organ doses.")
        volumes, doses = np.array(sorted(points), np.float64), np.array([points[volume][1] for volume in sorted(points)], np.float64)
        floor_cc, floor_gy = (np.append(volumes, np.inf), np.append(doses, aside["min"])) if "min" in aside else (volumes, doses)
        return cls(volumes, doses, fractions, repair, "C", floor_cc, floor_gy, mean, organ_cc)

    @classmethod
    def uniform(cls, dose_gy: float, fractions: int, *, repair: float = 1.0) -> PaperDose:
        """Prescribed dose to the whole organ, for want of anything better (grade D).

        No lower bound: the organ may lie outside the fields. That no part of it received more is assumed, not proven: hot spots above a prescription are usual.

        >>> PaperDose.uniform(50.0, 25).upper_gy(2.0), PaperDose.uniform(50.0, 25).lower_gy(0.0)
        (50.0, 0.0)
        """
        none = np.empty(0)
        return cls(np.zeros(1), np.array([dose_gy], np.float64), fractions, repair, "D", none, none)

    @classmethod
    def from_curve(
        cls,
        volumes_cc: Float64,
        doses_gy: Float64,
        fractions: int,
        *,
        floor: tuple[Float64, Float64] | None = None,
        repair: float = 1.0,
        organ_cc: float | None = None,
    ) -> PaperDose:
        """Points of a curve, any number in any order: at each volume, D_v is known not to exceed the dose.

        Parameters
        ----------
        floor : tuple of (L,) and (L,), optional
            Volumes and doses that D_v is known to reach. None: no lower bound.
        """
        none = np.empty(0)
        (volumes, doses), (floor_cc, floor_gy) = _lowest(volumes_cc, doses_gy), (none, none) if floor is None else _highest(*floor)
        return cls(volumes, doses, fractions, repair, "C", floor_cc, floor_gy, None, organ_cc)

    @classmethod
    def union(cls, parts: Sequence[PaperDose]) -> PaperDose:
        """What is known of several structures taken together: at most the volumes of all above a dose, at least those of each.

        >>> both = PaperDose.union([PaperDose(np.array([1.0]), np.array([30.0]), 25)] * 2)
        >>> both.upper_gy(1.0), both.upper_gy(2.0), both.lower_gy(1.0)
        (inf, 30.0, 30.0)
        """
        doses = np.unique(np.concatenate([p.doses_gy for p in parts]))[::-1]
        volumes = np.array([sum(p._volume_above(float(dose)) for p in parts) for dose in doses])
        known = np.isfinite(volumes)
        floors = [
            (p.volumes_cc, p.doses_gy) if p.floor_volumes_cc is None or p.floor_doses_gy is None else (p.floor_volumes_cc, p.floor_doses_gy) for p in parts
        ]
        floor = _highest(np.concatenate([v for v, _ in floors]), np.concatenate([d for _, d in floors]))
        grade: Grade = "D" if any(p.grade == "D" for p in parts) else "C"
        return cls(*_lowest(volumes[known], doses[known]), parts[0].fractions, parts[0].repair, grade, *floor)

    def _volume_above(self, dose_gy: float) -> float:
        """Volume that receives more than a dose at most; infinite when nothing bounds it."""
        bounded = self.volumes_cc[self.doses_gy <= dose_gy]
        return float(bounded[0]) if bounded.size else float("inf")

    def without_floor(self) -> PaperDose:
        """The upper bounds alone: what is known of a whole is no lower bound of its parts."""
        none = np.empty(0)
        return replace(self, floor_volumes_cc=none, floor_doses_gy=none, mean_gy=None, organ_cc=None)

    def delivered(self, fractions: int) -> PaperDose:
        """The same sessions, of which only these were given."""
        whole("fractions", fractions)
        if fractions > self.fractions:
            raise ParameterError(f"{fractions} delivered fractions are more than the {self.fractions} for which the doses are known. Correct one of them.")
        part = fractions / self.fractions
        floor = None if self.floor_doses_gy is None else self.floor_doses_gy * part
        return replace(
            self, doses_gy=self.doses_gy * part, floor_doses_gy=floor, fractions=fractions, mean_gy=None if self.mean_gy is None else self.mean_gy * part
        )

    def upper_gy(self, volume_cc: float) -> float:
        """Physical dose that D_v does not exceed: that of the largest known volume up to v; infinite when none is known."""
        known = np.flatnonzero(self.volumes_cc <= volume_cc * (1 + ROUNDING))
        return float(self.doses_gy[known[-1]]) if known.size else float("inf")

    def lower_gy(self, volume_cc: float) -> float:
        """Physical dose that D_v reaches: that of the smallest known volume from v on; 0 when none is known."""
        volumes, doses = (self.volumes_cc, self.doses_gy) if self.floor_volumes_cc is None else (self.floor_volumes_cc, self.floor_doses_gy)
        assert doses is not None, "both floors or none"
        known = np.flatnonzero(volumes >= volume_cc * (1 - ROUNDING))
        return float(doses[known[0]]) if known.size else 0.0

    def ceiling(self, alpha_beta_gy: float | None, quantity: Quantity) -> tuple[Float64, Float64]:
        """Rising volumes, and doses in a quantity that D_v does not exceed there."""
        return self.volumes_cc, self.convert(self.doses_gy, alpha_beta_gy, quantity)

    def reached_gy(self, volume_cc: float, alpha_beta_gy: float | None, quantity: Quantity) -> float:
        """Dose in a quantity that D_v reaches; 0 when none is known."""
        return float(self.convert(np.array(self.lower_gy(volume_cc)), alpha_beta_gy, quantity))

    def largest_per_fraction_gy(self) -> float:
        """Largest dose of a session that is known to be possible; infinite when nothing bounds it."""
        return self.upper_gy(0.0) / self.fractions

    def under(self, convert: Callable[[Float64, int, float], Float64]) -> PaperDose:
        """Upper bounds under another model, as doses that need no conversion; `convert` takes physical doses, sessions and repair factor."""
        return replace(self.without_floor(), doses_gy=convert(self.doses_gy, self.fractions, self.repair), organ_cc=self.organ_cc)

    def convert(self, dose_gy: Float64, alpha_beta_gy: float | None, quantity: Quantity) -> Float64:
        """Physical doses of this course (any shape) as EQD2 or BED, Gy."""
        if quantity == "physical":
            return dose_gy
        if alpha_beta_gy is None:
            raise ParameterError(f"{quantity} needs alpha_beta_gy; found none. State it.")
        sessions = self.fractions / self.repair  # as many acute, fully repaired ones would give the same
        return (bed if quantity == "BED" else eqd2)(dose_gy, sessions, alpha_beta_gy)


def asked_volume_cc(metric: Metric, organ_cc: float | None) -> float:
    """Volume v of the D_v that a metric names (0 for Dmax).

    Raises
    ------
    Undefined
        When the metric is no near-maximum, so that a sum with single organ doses proves nothing about it; when the volume of the organ is needed and unknown.

    >>> asked_volume_cc(parse_metric("D2%"), 60.0)
    1.2
    """
    if metric.kind in _UNBOUNDED:
        raise Undefined(f"an earlier course is known only by single doses of the organ, which say nothing about {_UNBOUNDED[metric.kind]} of a sum")
    if metric.kind == "max":
        return 0.0
    assert metric.argument is not None, "a dose at a volume names the volume"
    if metric.argument_unit == "cc":
        return metric.argument
    if organ_cc is None:
        raise Undefined(f"{metric} needs the volume of the organ, which is not known")
    return organ_cc * metric.argument / 100


def upper_near_max_gy(
    known: Dvh | None,
    papers: Sequence[PaperDose],
    volume_cc: float,
    alpha_beta_gy: float | None,
    quantity: Quantity = "EQD2",
    kept: Sequence[float] | None = None,
) -> float:
    """Least proven upper bound of D_v of the sum.

    The least of D_v1 + D_v2 + ... over the known volumes of every course without dose at points, the rest of v being left to the courses with it.

    Parameters
    ----------
    known : Dvh or None
        Distribution of the courses with dose at points, in the same quantity.
    papers : sequence of PaperDose
        The other courses.
    volume_cc : float
        v; 0 for the maximum.
    alpha_beta_gy : float or None
        None for physical dose only.
    kept : sequence of float, optional
        Part of each paper's EQD2 that still counts after recovery; 1 by default. `known` comes with its own.

    Raises
    ------
    Undefined
        When nothing known bounds D_v, and why.
    """
    _check_volume(known, papers, volume_cc)
    parts = _parts(papers, kept)
    volumes, doses = np.zeros(1), np.zeros(1)
    for paper, part in zip(papers, parts, strict=True):
        at_cc, at_gy = paper.ceiling(alpha_beta_gy, quantity)
        here = at_cc <= volume_cc * (1 + ROUNDING)
        if not here.any():
            raise Undefined(f"an earlier course is not known at {_volume_text(volume_cc)} or less, so the sum has no proven upper bound there")
        volumes, doses = _added((volumes, doses), (at_cc[here], part * at_gy[here]), volume_cc)
        if volumes.size == 0:
            raise Undefined(
                f"the volumes at which earlier courses are known are together larger than {_volume_text(volume_cc)}, so the sum has no proven upper bound there"
            )
    if known is None:
        return float(doses[-1])
    return float((doses + known.near_maxima_gy([float(v) for v in np.maximum(volume_cc - volumes, 0.0)])).min())


def lower_near_max_gy(
    known: Dvh | None,
    papers: Sequence[PaperDose],
    volume_cc: float,
    alpha_beta_gy: float | None,
    quantity: Quantity = "EQD2",
    kept: Sequence[float] | None = None,
) -> float:
    """Proven lower bound of D_v of the sum: the largest of those of its courses; see `upper_near_max_gy`.

    Where `known` has no dose it counts as 0.
    """
    _check_volume(known, papers, volume_cc)
    bounds = [0.0]
    for paper, part in zip(papers, _parts(papers, kept), strict=True):
        bounds.append(part * paper.reached_gy(volume_cc, alpha_beta_gy, quantity))
    if known is not None:
        here = known.known()
        if here.dose_gy.size and here.lacks(volume_cc) is None:
            bounds.append(here.near_max_gy(volume_cc))
    return max(bounds)


def customary_near_max_gy(
    known: Dvh | None,
    papers: Sequence[PaperDose],
    volume_cc: float,
    alpha_beta_gy: float | None,
    quantity: Quantity = "EQD2",
    kept: Sequence[float] | None = None,
) -> float:
    """Customary sum D_v(A) + D_v(B) + ..., to be shown as NOT proven to be an upper bound (except for the maximum); see `upper_near_max_gy`.

    Of a course not known at v itself, the dose of the next smaller known volume is taken.
    """
    _check_volume(known, papers, volume_cc)
    total = 0.0 if known is None else known.near_max_gy(volume_cc)
    for paper, part in zip(papers, _parts(papers, kept), strict=True):
        at_cc, at_gy = paper.ceiling(alpha_beta_gy, quantity)
        here = at_cc <= volume_cc * (1 + ROUNDING)
        if not here.any():
            raise Undefined(f"an earlier course is not known at {_volume_text(volume_cc)} or less")
        total += part * float(at_gy[here][-1])
    return total


def _check_volume(known: Dvh | None, papers: Sequence[PaperDose], volume_cc: float) -> None:
    not_negative("volume_cc", volume_cc)
    if known is None and not papers:
        raise Undefined("no course is given")
    if known is not None and (reason := known.lacks(volume_cc)) is not None:
        raise Undefined(reason)
    for paper in papers:
        if paper.organ_cc is not None and volume_cc > paper.organ_cc * (1 + ROUNDING):
            raise Undefined(f"the organ of an earlier course has {paper.organ_cc:.3g} cc, less than the {volume_cc:g} cc of the metric")


def _parts(papers: Sequence[PaperDose], kept: Sequence[float] | None) -> Sequence[float]:
    if kept is None:
        return [1.0] * len(papers)
    if len(kept) != len(papers):
        raise ParameterError(f"kept has {len(kept)} values for {len(papers)} courses. Give one for each.")
    for part in kept:
        not_negative("kept", part)
    return kept


def _added(a: tuple[Float64, Float64], b: tuple[Float64, Float64], volume_cc: float) -> tuple[Float64, Float64]:
    """All sums of two sets of bounds (volumes, doses) up to a volume, but for those that prove nothing more."""
    if a[0].size * b[0].size > MOST_POINTS**2:
        a, b = _thinned(a), _thinned(b)
    volumes, doses = (a[0][:, None] + b[0]).ravel(), (a[1][:, None] + b[1]).ravel()
    here = volumes <= volume_cc * (1 + ROUNDING)
    return _lowest(volumes[here], doses[here])


def _thinned(points: tuple[Float64, Float64]) -> tuple[Float64, Float64]:
    """At most `MOST_POINTS` of the points, the first and the last among them."""
    n = points[0].size
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).astype(np.intp))
    return points[0][chosen], points[1][chosen]


def _lowest(volumes: Float64, doses: Float64) -> tuple[Float64, Float64]:
    """The upper bounds that say more than those of smaller volumes, by rising volume."""
    order = np.lexsort((doses, volumes))
    volumes, doses = volumes[order], doses[order]
    new = np.diff(np.minimum.accumulate(doses), prepend=np.inf) < 0
    return volumes[new], doses[new]


def _highest(volumes: Float64, doses: Float64) -> tuple[Float64, Float64]:
    """The lower bounds that say more than those of larger volumes, by rising volume."""
    order = np.lexsort((doses, volumes))[::-1]
    volumes, doses = volumes[order], doses[order]
    new = np.diff(np.maximum.accumulate(doses), prepend=-np.inf) > 0
    return volumes[new][::-1], doses[new][::-1]


def _check_steps(volumes_cc: Float64, doses_gy: Float64) -> None:
    """Refuse what is no falling curve; the last volume may be infinite (a dose that the whole organ has)."""
    if volumes_cc.ndim != 1 or volumes_cc.shape != doses_gy.shape:
        raise ParameterError(f"volumes_cc and doses_gy have the shapes {volumes_cc.shape} and {doses_gy.shape}; needed is one dose for each volume.")
    if not (np.all(volumes_cc >= 0) and np.all(np.diff(volumes_cc) > 0)):
        raise ParameterError("volumes_cc must rise from 0 or above; the ones found do not. Sort them, and keep one dose for each volume.")
    if not (np.all(np.isfinite(doses_gy)) and np.all(doses_gy >= 0) and np.all(np.diff(doses_gy) <= 0)):
        raise ParameterError("doses_gy must be finite, not negative, and fall with volume; the ones found are not. Correct them.")
    volumes_cc.setflags(write=False)
    doses_gy.setflags(write=False)


def _volume_of(metric: Metric, organ_cc: float | None) -> float:
    """Volume of a stated organ dose."""
    try:
        volume = asked_volume_cc(metric, organ_cc)
    except Undefined:
        need = "the volume of the organ" if metric.kind == "dose_at_volume" else "Dmax or a dose at a volume, such as D0.1cc"
        raise ParameterError(f"The organ dose {printable(metric)} cannot be used; needed is {need}. Give that, or take {metric} out.") from None
    if organ_cc is not None and volume > organ_cc * (1 + ROUNDING):
        raise ParameterError(f"{metric} is stated of an organ of {organ_cc:g} cc, which is smaller. Correct the volume or the metric.")
    return volume


def _volume_text(volume_cc: float) -> str:
    return f"{volume_cc:g} cc" if volume_cc else "its maximum"
