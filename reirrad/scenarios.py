"""One thing otherwise: another alpha/beta, other recovery, another number of fractions, for one limit of one organ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reirrad.accumulation import OrganDose
from reirrad.course import Case
from reirrad.dvh import Dvh
from reirrad.limit import Limit
from reirrad.organsum import OrganSum, metric_value
from reirrad.owndose import CurveDose, own_curve
from reirrad.paper import PaperDose
from reirrad.recovery import NOT_RECOVERING, RecoveryModel

__all__ = ["alpha_beta_bound", "at_alpha_beta", "recovery_ranges", "with_fractions"]


def at_alpha_beta(limit: Limit, alpha_beta_gy: float) -> tuple[Limit, float]:
    """Return a limit in EQD2 or BED at another alpha/beta, and what its values are to be multiplied by.

    A BED means nothing beside one of another alpha/beta: a limit in BED is held as the EQD2 it stands for, and its values are given in its own BED.
    """
    if limit.quantity != "BED":
        return replace(limit, alpha_beta_gy=alpha_beta_gy), 1.0
    assert limit.alpha_beta_gy is not None
    per_eqd2 = 1 + 2 / limit.alpha_beta_gy
    metric = limit.metric
    if metric.kind in ("volume_at_dose", "critical_volume") and metric.argument is not None:
        metric = replace(metric, argument=metric.argument / per_eqd2)
    scale = per_eqd2 if limit.unit == "Gy" else 1.0
    caution = None if limit.caution is None else limit.caution / scale
    return replace(limit, quantity="EQD2", alpha_beta_gy=alpha_beta_gy, metric=metric, limit=limit.limit / scale, caution=caution), scale


def alpha_beta_bound(
    total: OrganSum, limit: Limit, interval_gy: tuple[float, float], course: int | None, kept: Mapping[int, float] | None
) -> tuple[float, float] | None:
    """Between what the value of a limit lies for any alpha/beta of an interval, even if every point had its own.

    The EQD2 of a point is monotone in alpha/beta, so no point leaves what it has at the ends. A value of the whole organ may, where the EQD2 of some points
    rises while that of others falls; but not what it is with the least, and with the larger, of both ends at every point.

    Returns
    -------
    (low, high) or None
        In the unit of the limit; None where dose is not known at every point.
    """
    if total.papers:
        return None
    at_end, scale = at_alpha_beta(limit, interval_gy[0])
    one, two = (total.dose.eqd2(alpha_beta, course, kept) for alpha_beta in interval_gy)
    if not one.is_complete:
        return None
    least, most = (Dvh(f(one.dose_gy, two.dose_gy), one.volumes_cc, f(one.edge_gy, two.edge_gy)).known() for f in (np.minimum, np.maximum))
    low, high = sorted(metric_value(dvh, at_end.metric, at_end.unit) * scale for dvh in (least, most))
    return low, high


def recovery_ranges(case: Case, organ_key: str, kept: Mapping[int, float]) -> dict[int, tuple[float, float]]:
    """Return the least and largest recovered part of each prior course over the shipped models that speak of an organ.

    Parameters
    ----------
    kept : mapping
        Part of the EQD2 of each prior course that counts in the main result.

    Returns
    -------
    dict
        Without courses of unknown interval; empty for an organ that does not recover and is forgiven nothing.
    """
    if organ_key in NOT_RECOVERING and all(part == 1 for part in kept.values()):
        return {}
    months = {k: case.months_since(k) for k in kept}
    return {k: RecoveryModel.range(organ_key, m) for k, m in months.items() if m is not None and m >= 0}


def with_fractions(total: OrganSum, course: int, stated: int, delivered: int, scales_dose: bool) -> OrganSum:
    """An organ of which a course had `delivered` fractions, not the `stated` ones, and their dose too where that is to be scaled."""
    part = delivered / stated
    by = part if scales_dose else 1.0
    papers = dict(total.papers)
    if (paper := papers.get(course)) is not None:
        papers[course] = _scaled_paper(paper, delivered, part, by)
    return replace(total, dose=_scaled(total.dose, total.dose.course == course, part, by), papers=papers)


def _scaled(dose: OrganDose, here: NDArray[np.bool_], part: float, by: float) -> OrganDose:
    """Fractions of some deliveries multiplied by `part`, doses by `by`."""
    at_points, at_edge = dose.dose_gy.copy(), dose.edge_gy.copy()
    at_points[here] *= np.float32(by)
    at_edge[here] *= np.float32(by)
    repair = np.ones(dose.course.size) if dose.repair is None else dose.repair.copy()
    repair[here] /= part  # n / repair sessions count
    return replace(dose, dose_gy=at_points, edge_gy=at_edge, repair=repair)


def _scaled_paper(paper: PaperDose, fractions: int, part: float, by: float) -> PaperDose:
    if isinstance(paper, CurveDose):
        return own_curve(_scaled(paper.own, np.ones(paper.own.course.size, bool), part, by))
    floor = None if paper.floor_doses_gy is None else paper.floor_doses_gy * by
    mean = None if paper.mean_gy is None else paper.mean_gy * by
    return replace(paper, fractions=fractions, doses_gy=paper.doses_gy * by, floor_doses_gy=floor, mean_gy=mean)
