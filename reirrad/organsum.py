"""Everything known of one organ: courses with dose at its points, and courses of which only paper tells.

What paper leaves open is never guessed: every value comes as what it is at least and what it is at most. They are the same where dose is known at every point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reirrad.accumulation import OrganDose
from reirrad.dvh import Dvh, Undefined
from reirrad.metrics import Metric
from reirrad.paper import PaperDose, Quantity, lower_near_max_gy, upper_near_max_gy

__all__ = ["Bounds", "OrganSum", "at_least", "brief", "joined", "metric_value"]

EXACT_GY = 1e-6  # bounds as near as this are the value
# Metrics that can only rise when dose is added somewhere.
RISING = ("max", "mean", "dose_at_volume", "volume_at_dose", "geud")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a value is at least and at most; None where that side is not known.

    Parameters
    ----------
    low, high : float or None
    reason : str
        Why the value is not exact; empty when it is.
    """

    low: float | None
    high: float | None
    reason: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether this is the value itself."""
        return not self.reason


def metric_value(dvh: Dvh, metric: Metric, unit: str) -> float:
    """Value of a metric in `unit` (Gy, cc or %).

    Raises
    ------
    Undefined
        When the organ has no such value.
    """
    x = metric.argument
    match metric.kind:
        case "max":
            return dvh.max_gy()
        case "min":
            return dvh.min_gy()
        case "mean":
            return dvh.mean_gy()
        case "geud" if x is not None:
            return dvh.geud_gy(x)
        case "dose_at_volume" if x is not None:
            return dvh.near_max_percent_gy(x) if metric.argument_unit == "%" else dvh.near_max_gy(x)
        case "volume_at_dose" | "critical_volume" if x is not None:
            volume = dvh.volume_above_cc(x) if metric.kind == "volume_at_dose" else dvh.volume_below_cc(x)
            return 100 * volume / dvh.volume_cc if unit == "%" else volume
    raise Undefined(f"the metric {metric} has no definition")


def at_least(dose: OrganDose) -> OrganDose:
    """Return the least an organ has received: unknown dose taken as zero, course by course."""
    return replace(dose, dose_gy=np.nan_to_num(dose.dose_gy), edge_gy=np.nan_to_num(dose.edge_gy))


def brief(value: float) -> str:
    """Two digits for messages, large numbers without exponent.

    >>> brief(0.0123), brief(7.49), brief(216.4)
    ('0.012', '7.5', '216')
    """
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def missing(coverage: float) -> str:
    """How much of an organ has no dose, in words."""
    return f"{brief(100 * (1 - coverage))} % of the structure lies outside a dose grid; its dose there is not known"


@dataclass(frozen=True, slots=True, eq=False)
class OrganSum:
    """All courses of one organ.

    Parameters
    ----------
    dose : OrganDose
        Courses with dose at points.
    papers : mapping
        Course number to what paper says of it; None where not even a prescription is known.
    names : mapping
        Course number to its name, for reasons.
    own : mapping
        Courses of `papers` that are read on their own structures, to their dose there (as course 0); None where they have no such structure.
    """

    dose: OrganDose
    papers: Mapping[int, PaperDose | None] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    own: Mapping[int, OrganDose | None] = field(default_factory=dict)

    def value(
        self,
        metric: Metric,
        unit: str,
        quantity: Quantity,
        alpha_beta_gy: float | None,
        course: int | None = None,
        kept: Mapping[int, float] | None = None,
    ) -> Bounds:
        """Value of a metric in one quantity, of one course or of all.

        Parameters
        ----------
        unit : str
            Of the value: Gy, cc or %.
        quantity : str
            EQD2, BED or physical (of one course).
        alpha_beta_gy : float or None
            None for physical dose.
        course : int, optional
        kept : mapping, optional
            Course to the part of its EQD2 that still counts after recovery.

        Raises
        ------
        Undefined
            When the organ has no such value, whatever the dose.
        """
        papers = {k: p for k, p in self.papers.items() if course in (None, k) and (kept or {}).get(k, 1.0) > 0}
        if course is not None and (own := self.own.get(course)) is not None:
            return OrganSum(own)._at_points(metric, unit, quantity, alpha_beta_gy, 0, None if kept is None else {0: kept.get(course, 1.0)})
        if not papers:
            return self._at_points(metric, unit, quantity, alpha_beta_gy, course, kept)
        low = self._least(metric, unit, quantity, alpha_beta_gy, course, papers, kept)
        listed = ", ".join(f'"{self.names.get(k, str(k))}"' for k in papers)
        if any(p is None for p in papers.values()):
            without = ", ".join(f'"{self.names.get(k, str(k))}"' for k, p in papers.items() if p is None and k in self.own)
            if without:
                return Bounds(
                    low, None, f"course {without} has no structure of this organ, by its name or under structures in the case file, on which to read its dose"
                )
            return Bounds(low, None, f"the dose of course {listed} is not known")
        if metric.kind not in ("max", "dose_at_volume"):
            return Bounds(low, None, f"{self._said(papers)}, without dose at common points; a {_plain(metric)} of the sum needs them")
        dvh = None if course is not None else self._dvh(self.dose, quantity, alpha_beta_gy, None, kept)
        if dvh is not None and not dvh.is_complete:
            return Bounds(low, None, missing(dvh.coverage))
        try:
            high = upper_near_max_gy(
                None if dvh is None else dvh.known(), _given(papers), self._volume_cc(metric), alpha_beta_gy, quantity, _parts(papers, kept)
            )
        except Undefined as why:
            return Bounds(low, None, str(why))
        if course is not None and low is not None and high - low <= EXACT_GY:
            return Bounds(high, high)  # stated itself
        reason = self._said(papers)
        if course is None:
            reason += ", and its near-maxima are added wherever they lie"
        if assumed := [f'"{self.names.get(k, str(k))}"' for k, p in papers.items() if p is not None and p.grade == "D"]:
            reason += f"; assumed, not proven: no part of the structure received more than the prescription of course {', '.join(assumed)}"
        return Bounds(low, high, reason)

    def _said(self, papers: Mapping[int, PaperDose | None]) -> str:
        """How courses without dose at the points are known."""

        def name(k: int) -> str:
            return f'"{self.names.get(k, str(k))}"'

        letters, own = [name(k) for k in papers if k not in self.own], [name(k) for k in papers if k in self.own]
        said = [f"course {', '.join(letters)} is known from paper only"] if letters else []
        return " and ".join(said + ([f"course {', '.join(own)} is read on its own structure"] if own else []))

    def _at_points(
        self, metric: Metric, unit: str, quantity: Quantity, alpha_beta_gy: float | None, course: int | None, kept: Mapping[int, float] | None
    ) -> Bounds:
        """Value where every course has dose at points; a lower bound where it does not reach every point."""
        dvh = self._dvh(self.dose, quantity, alpha_beta_gy, course, kept)
        if dvh.is_complete:
            value = metric_value(dvh.known(), metric, unit)
            return Bounds(value, value)
        low = metric_value(self._dvh(at_least(self.dose), quantity, alpha_beta_gy, course, kept), metric, unit) if metric.kind in RISING else None
        return Bounds(low, None, missing(dvh.coverage))

    def _least(
        self,
        metric: Metric,
        unit: str,
        quantity: Quantity,
        alpha_beta_gy: float | None,
        course: int | None,
        papers: Mapping[int, PaperDose | None],
        kept: Mapping[int, float] | None,
    ) -> float | None:
        """What the value is at least: that of the courses with dose at points alone, or of one paper course alone."""
        if metric.kind not in RISING:
            return None
        lows = []
        if course is None:
            lows.append(metric_value(self._dvh(at_least(self.dose), quantity, alpha_beta_gy, None, kept), metric, unit))
        known = {k: p for k, p in papers.items() if p is not None}
        if known and metric.kind in ("max", "dose_at_volume"):
            lows.append(lower_near_max_gy(None, _given(known), self._volume_cc(metric), alpha_beta_gy, quantity, _parts(known, kept)))
        return max(lows, default=None)

    def _volume_cc(self, metric: Metric) -> float:
        """Volume, cc, of which a near-maximum is the least dose; 0 for the maximum."""
        if metric.kind == "max" or metric.argument is None:
            return 0.0
        volume = float(self.dose.volumes_cc.sum())
        if metric.argument_unit == "%":
            return volume * metric.argument / 100
        if metric.argument > volume * (1 + 1e-9):
            raise Undefined(f"the structure has {volume:.3g} cc, less than the {metric.argument:g} cc of the metric")
        return metric.argument

    @staticmethod
    def _dvh(dose: OrganDose, quantity: Quantity, alpha_beta_gy: float | None, course: int | None, kept: Mapping[int, float] | None) -> Dvh:
        if alpha_beta_gy is None:
            assert course is not None
            return dose.physical(course)
        return (dose.bed if quantity == "BED" else dose.eqd2)(alpha_beta_gy, course, kept)


def joined(parts: Sequence[OrganSum]) -> OrganSum:
    """Several structures, such as both sides of a paired organ, as one organ."""
    papers: dict[int, PaperDose | None] = {}
    for k in parts[0].papers:
        known = [paper for part in parts if (paper := part.papers[k]) is not None]
        papers[k] = type(known[0]).union(known) if len(known) == len(parts) and len(set(map(type, known))) == 1 else None
    own: dict[int, OrganDose | None] = {}
    for k in parts[0].own:
        read = [dose for part in parts if (dose := part.own[k]) is not None]
        own[k] = _concatenated(read) if len(read) == len(parts) else None
    return OrganSum(_concatenated([p.dose for p in parts]), papers, parts[0].names, own)


def _concatenated(doses: Sequence[OrganDose]) -> OrganDose:
    return OrganDose(
        np.concatenate([d.volumes_cc for d in doses]),
        np.concatenate([d.dose_gy for d in doses], axis=1),
        np.concatenate([d.edge_gy for d in doses], axis=1),
        doses[0].fractions,
        doses[0].course,
        doses[0].repair,
    )


def _given(papers: Mapping[int, PaperDose | None]) -> list[PaperDose]:
    return [p for p in papers.values() if p is not None]


def _parts(papers: Mapping[int, PaperDose | None], kept: Mapping[int, float] | None) -> list[float]:
    return [(kept or {}).get(k, 1.0) for k, p in papers.items() if p is not None]


def _plain(metric: Metric) -> str:
    return {"mean": "mean", "geud": "gEUD", "min": "minimum"}.get(metric.kind, "volume")
