"""The tables of a budget as data, from its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reirrad.datatables import DataTable, table_of

__all__ = ["budget_tables"]

LIMIT: Final = ("structure", "organ", "limit_id")
LIMITS: Final = (
    *LIMIT, "metric", "quantity", "alpha_beta_gy", "comparator", "limit", "unit", "level", "min_fractions", "max_fractions", "prior_value",
    "prior_value_at_least", "state", "remaining_eqd2_gy", "deficit_eqd2_gy", "is_lower_bound", "remaining_without_recovery_eqd2_gy",
    "remaining_with_recovery_eqd2_gy", "recovery", "binding", "reason", "source", "doi", "source_status",
)  # fmt: skip
DOSES: Final = (*LIMIT, "level", "fractions", "dose_gy", "dose_per_fraction_gy", "is_beyond_lq", "reason")
MAPS: Final = (
    "fractions", "structure", "limit_ids", "voxels", "unknown_voxels", "deficit_voxels", "deficit_cc", "worst_deficit_eqd2_gy", "least_dose_gy",
    "clause_cap_eqd2_gy", "closed",
)  # fmt: skip
LEFT_OUT: Final = ("fractions", "structure", "limit_id", "reason")
WARNINGS: Final = ("code", "message", "course", "structure")


def budget_tables(document: Mapping[str, Any]) -> tuple[DataTable, ...]:
    """What is left of each limit, the doses that stand for it, the maps, and the warnings.

    Parameters
    ----------
    document : mapping
        Of `budgetdocument.budget_dict`.
    """
    rows, maps = document["organs"], document["maps"]
    return (
        table_of("budget_limits", LIMITS, rows),
        table_of("budget_doses", DOSES, ({k: r[k] for k in (*LIMIT, "level")} | a for r in rows for a in r["by_fractions"])),
        table_of("budget_maps", MAPS, ({"fractions": m["fractions"]} | o for m in maps for o in m["organs"])),
        table_of("budget_left_out", LEFT_OUT, ({"fractions": m["fractions"]} | x for m in maps for x in m["left_out"])),
        table_of("budget_warnings", WARNINGS, document["warnings"]),
    )
