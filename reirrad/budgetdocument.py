"""What remains as the JSON document of the contract, and the exit status it stands for."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from reirrad import __version__
from reirrad.budget import Allowance, Budget, LimitBudget
from reirrad.errors import Notice
from reirrad.maplimits import LeftOut
from reirrad.remainingmap import NO_LIMIT_GY, OrganMap, RemainingMap

__all__ = ["NOTE", "SCHEMA_VERSION", "budget_dict", "budget_schema", "exit_status"]

SCHEMA_VERSION: Final = 1
NOTE: Final = "A mathematical budget, not a prescription."
DECIMALS: Final = 4


def budget_dict(
    budget: Budget,
    level: str,
    day: dt.date,
    maps: Sequence[tuple[RemainingMap, Sequence[str]]] = (),
    left_out: Mapping[int, Sequence[LeftOut]] | None = None,
    notices: Sequence[Notice] = (),
) -> dict[str, Any]:
    """Return a budget as plain data, with the keys of the shipped schema.

    Parameters
    ----------
    level : str
        ``mandatory`` or ``all``: limits the maps keep to.
    maps : sequence of (RemainingMap, names of files)
    left_out : mapping
        Fractions of a map to the limits it leaves out.
    notices : sequence of Notice
        Beside those of the budget.
    """
    case = budget.case
    return {
        "schema": SCHEMA_VERSION,
        "reirrad_version": __version__,
        "note": NOTE,
        "case": case.name,
        "date": day.isoformat(),
        "level": level,
        "fractions": list(budget.fractions),
        "reference": case.courses[case.reference].name,
        "courses_counted": [c.name for c in case.courses if c.kind == "prior"],
        "courses_not_counted": [c.name for c in case.courses if c.kind != "prior"],
        "something_remains": budget.something_remains,
        "warnings": [_notice(n) for n in dict.fromkeys((*budget.notices, *notices))],
        "organs": [_row(r) for r in budget.rows],
        "maps": [_map(m, names, (left_out or {}).get(m.fractions, ())) for m, names in maps],
    }


def budget_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) that every document of `budget_dict` meets."""
    schema: dict[str, Any] = json.loads(files("reirrad").joinpath("data/budget.schema.json").read_text(encoding="utf-8"))
    return schema


def exit_status(budget: Budget) -> int:
    """0: every mandatory limit leaves something; 1: one has a deficit or is not evaluable, or not a single limit could be checked."""
    return 0 if budget.something_remains else 1


def _row(row: LimitBudget) -> dict[str, Any]:
    limit, prior = row.limit, row.prior
    return {
        "structure": row.structure,
        "organ": limit.organ,
        "limit_id": limit.id,
        "metric": str(limit.metric),
        "quantity": limit.quantity,
        "alpha_beta_gy": limit.alpha_beta_gy,
        "comparator": limit.comparator,
        "limit": limit.limit,
        "unit": limit.unit,
        "level": limit.level,
        "min_fractions": limit.min_fractions,
        "max_fractions": limit.max_fractions,
        "prior_value": _round(prior.high),
        "prior_value_at_least": _round(prior.low),
        "state": row.state,
        "remaining_eqd2_gy": _down(row.remaining_eqd2_gy),
        "deficit_eqd2_gy": None if row.deficit_eqd2_gy is None else -(_down(row.remaining_eqd2_gy) or 0.0),
        "is_lower_bound": row.at_least,
        "remaining_without_recovery_eqd2_gy": _down(row.without_recovery_gy),
        "remaining_with_recovery_eqd2_gy": _down(row.with_recovery_gy),
        "recovery": limit.recovery,
        "binding": row.binding,
        "reason": row.reason,
        "by_fractions": [_allowance(a) for a in row.by_fractions],
        "source": limit.source,
        "doi": limit.doi or None,
        "source_status": limit.status,
    }


def _allowance(found: Allowance) -> dict[str, Any]:
    dose = _down(found.dose_gy)
    each = None if found.dose_gy is None else _down(found.dose_gy / found.fractions)
    return {"fractions": found.fractions, "dose_gy": dose, "dose_per_fraction_gy": each, "is_beyond_lq": found.is_beyond_lq, "reason": found.reason}


def _map(found: RemainingMap, names: Sequence[str], left_out: Sequence[LeftOut]) -> dict[str, Any]:
    return {
        "fractions": found.fractions,
        "files": list(names),
        "no_limit_gy": NO_LIMIT_GY,
        "organs": [_organ(o) for o in found.organs],
        "left_out": [{"structure": x.structure, "limit_id": x.limit_id, "reason": x.reason} for x in left_out],
    }


def _organ(found: OrganMap) -> dict[str, Any]:
    return {
        "structure": found.name,
        "limit_ids": list(found.limit_ids),
        "voxels": found.n_voxels,
        "unknown_voxels": found.n_unknown,
        "deficit_voxels": found.n_deficit,
        "deficit_cc": _round(found.deficit_cc),
        "worst_deficit_eqd2_gy": _round(found.worst_deficit_gy),
        "least_dose_gy": _down(found.least_gy),
        "clause_cap_eqd2_gy": _down(found.cap_gy),
        "closed": found.closed,
    }


def _notice(notice: Notice) -> dict[str, Any]:
    out = {"code": notice.code, "message": notice.message}
    out |= {} if notice.course is None else {"course": notice.course}
    return out | ({} if notice.structure is None else {"structure": notice.structure})


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _down(value: float | None) -> float | None:
    """Rounded so that what is written is never more than what remains."""
    return None if value is None else math.floor(value * 10**DECIMALS + 1e-6) / 10**DECIMALS
