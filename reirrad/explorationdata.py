"""An exploration, and the options asked for, as tables of typed data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reirrad.datatables import DataTable, table_of
from reirrad.statistics import KEYS

__all__ = ["exploration_tables"]

SCHEDULE: Final = ("schedule", "fractions", "per_day", "interval_h", "overall_days")
BOUND: Final = ("limit_id", "structure", "organ", "course", "level", "metric", "quantity", "alpha_beta_gy", "unit", "comparator", "value", "limit", "deficit")
EFFECT: Final = ("alpha_beta_gy", "bed_gy", "eqd2_gy", "bed_without_growth_gy", "bed_lql_gy", "reason")
SCHEDULES: Final = (
    *SCHEDULE, "status", "reason", "dose_gy", "dose_per_fraction_gy", "scale", *(f"binding_{k}" for k in BOUND), *(f"next_{k}" for k in BOUND),
    "next_value_here", "next_margin_here", "optimal_dose_gy", "optimal_scale", *(f"optimal_binding_{k}" for k in BOUND), "largest_per_fraction_gy", "beyond_lq",
)  # fmt: skip
OPTIONS: Final = (*SCHEDULE, "dose_gy", "dose_per_fraction_gy", "scale", "verdict")
AT_LEAST: Final = {key: f"{key.removesuffix('_gy')}_at_least_gy" for key in KEYS}
ORGANS: Final = (
    "schedule", "structure", "organ", "alpha_beta_gy", "quantity", *KEYS, *AT_LEAST.values(), "is_upper_bound", "reason", "largest_per_fraction_gy",
    "beyond_lq",
)  # fmt: skip
EVALUATIONS: Final = (
    "schedule", "structure", "organ", "limit_id", "course", "metric", "quantity", "alpha_beta_gy", "unit", "comparator", "value", "limit", "margin", "bound",
    "level", "status", "reason", "band_low", "band_high", "band_status_high",
)  # fmt: skip
WARNINGS: Final = ("schedule", "code", "message", "course", "structure")


def exploration_tables(document: Mapping[str, Any]) -> tuple[DataTable, ...]:
    """The tables of a document of `explorationdocument.as_dict`.

    A schedule names its option; in the table of the highest doses it is the one found, rounded down.
    """
    rows, options = document["schedules"], document["options"]
    both = [("highest", r) for r in rows] + [("option", o) for o in options]
    return (
        table_of("explore_schedules", SCHEDULES, map(_schedule, rows)),
        table_of("explore_tumour", ("dose", *SCHEDULE, "dose_gy", *EFFECT), (s | e | {"dose": what} for what, s in both for e in s["tumours"])),
        table_of("explore_options", OPTIONS, options),
        table_of("explore_organs", ORGANS, (_organ(x) | {"schedule": o["schedule"]} for o in options for x in o["structures"])),
        table_of("explore_evaluations", EVALUATIONS, (x | _flat("band", x) | {"schedule": o["schedule"]} for o in options for x in o["evaluations"])),
        table_of("explore_warnings", WARNINGS, [*document["warnings"], *(w | {"schedule": o["schedule"]} for o in options for w in o["warnings"])]),
    )


def _schedule(row: Mapping[str, Any]) -> dict[str, Any]:
    optimal = row["optimal"]
    nested = _flat("binding", row) | _flat("next", row) | {f"optimal_{name}": value for name, value in _flat("binding", optimal).items()}
    return {**row, **nested, "optimal_dose_gy": optimal["dose_gy"], "optimal_scale": optimal["scale"]}


def _organ(structure: Mapping[str, Any]) -> dict[str, Any]:
    reasons = dict.fromkeys([*([structure["upper_bounds"]] if structure["upper_bounds"] else []), *structure["reasons"].values()])
    at_least = {AT_LEAST[key]: value for key, value in structure["lower_bounds"].items()}
    more = {"structure": structure["name"], "is_upper_bound": structure["upper_bounds"] is not None, "reason": "; ".join(reasons) or None}
    return {**structure, **structure["cumulative"], **at_least, **more}


def _flat(key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What lies under a key, beside its other values; nothing where there is nothing."""
    return {f"{key}_{name}": value for name, value in (row[key] or {}).items()}
