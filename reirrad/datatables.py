"""The tables of a result as typed data: names with units, one kind of value a column, nothing where something is not known."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from reirrad.assessment import Assessment
from reirrad.course import Case
from reirrad.dvh import ROUNDING, Dvh
from reirrad.organresult import OrganResult
from reirrad.organsum import missing
from reirrad.result import to_dict
from reirrad.statistics import KEYS

__all__ = ["DVH_STEP_GY", "DataTable", "Value", "assessment_tables", "table_of"]

Value = str | int | float | bool | None
KINDS: Final = frozenset({str, int, float, bool})

DVH_STEP_GY: Final = 0.5
DECIMALS: Final = 6  # of volumes in a DVH, cc
AT_LEAST: Final = tuple(f"{key.removesuffix('_gy')}_at_least_gy" for key in KEYS)

COURSES: Final = (
    "name", "kind", "fractions", "prescription_gy", "delivered_gy", "dose_max_gy", "grade", "radiation", "rbe", "timing", "starts", "completed",
    "registration_method", "registration_detail",
)  # fmt: skip
PHASES: Final = ("course", "label", "fractions", "planned_fractions", "concurrent", "prescription_gy")
ORGAN: Final = ("structure", "organ", "alpha_beta_gy", "volume_cc", "coverage")
DOSES: Final = (*ORGAN, "scope", "course", "quantity", *KEYS, *AT_LEAST, "is_upper_bound", "reason")
STRUCTURES: Final = (*ORGAN, "half_time_h", "half_time_status", "interpolation_gap_gy", "recovery_model", "recovery_source", "recovery_rationale")
RECOVERY: Final = ("structure", "course", "model", "recovered", "reason")
OTHER_MODELS: Final = ("structure", "model", "label", "alpha_beta_gy", "quantity", *KEYS, *AT_LEAST, "is_upper_bound", "reason")
REGISTRATION: Final = (
    "structure", "course", "structure_of_course", "dice", "mean_surface_distance_mm", "hausdorff95_mm", "centre_distance_mm", "volume_cc",
    "jacobian_min", "jacobian_max", "unknown_fraction",
)  # fmt: skip
LIMITS: Final = (
    "structure", "organ", "limit_id", "metric", "quantity", "alpha_beta_gy", "scope", "course", "unit", "comparator", "value_gy", "limit_gy", "value", "limit",
    "caution", "margin", "is_lower_bound", "bound", "value_with_recovery", "status_without_recovery", "level", "status", "reason", "source", "doi",
    "source_status", "evidence", "recovery", "meant_structure",
)  # fmt: skip
CLAUSES: Final = ("structure", "limit_id", "course", "what", "words", "value", "comparator", "limit", "unit", "status", "reason")
DVH: Final = ("structure", "scope", "course", "quantity", "alpha_beta_gy", "dose_gy", "volume_cc", "unknown_cc", "reason")
WARNINGS: Final = ("code", "message", "course", "structure")
RISK_SCORES: Final = ("name", "structure", "points", "group", "observed", "cumulative_bed_gy", "largest_course_bed_gy", "reason")
DISAGREEMENTS: Final = ("topic", "organs", "limits", "says", "source", "handling")
BANDS: Final = (
    "limit_id", "structure", "course", "unit", "low", "nominal", "high", "status_low", "status", "status_high", "bound", "most_by",
    "anywhere", "status_anywhere", "same_organ", "status_same_organ", "fallback_cc", "reason",
)  # fmt: skip
FACTORS: Final = ("limit_id", "structure", "course", "factor", "low", "high", "low_scenario", "high_scenario", "n_scenarios")
FLIPS: Final = ("limit_id", "structure", "from_status", "to_status", "factor", "scenario", "value", "unit", "n_scenarios", "n_of", "words")
WITHOUT_BAND: Final = ("limit_id", "structure", "reason")


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table for programs.

    Parameters
    ----------
    name : str
        Small letters, digits and underscores: it becomes the name of a file.
    columns : tuple of str
        Names with units (``dose_gy``), each once.
    rows : tuple of tuples
        One value a column; None where it is not known.

    Raises
    ------
    ValueError
        For another name, a name twice, a row of another length, a number that is none, or a value of another kind (numbers of numpy too).
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"the name of a table is {self.name!r}; needed are small letters, digits and underscores")
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"table {self.name} has a column twice, or none")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.name} has {len(self.columns)} columns and a row of {len(row)} values")
            for column, value in zip(self.columns, row, strict=True):
                if value is not None and type(value) not in KINDS:
                    raise ValueError(f"table {self.name} holds a {type(value).__name__} as {column}; needed is text, a number, true or false, or None")
                if isinstance(value, float) and not math.isfinite(value):
                    raise ValueError(f"table {self.name} holds {value} as {column}; what is not known is None")


def table_of(name: str, columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> DataTable:
    """Table of records by name; lists become text, what a record does not have is not known.

    >>> table_of("two", ("a", "b"), [{"a": 1, "c": 3}, {"b": ["x", "y"]}]).rows
    ((1, None), (None, 'x; y'))
    """
    return DataTable(name, tuple(columns), tuple(tuple(_value(record.get(c)) for c in columns) for record in records))


def assessment_tables(assessment: Assessment) -> tuple[DataTable, ...]:
    """Every table of a result; those of uncertainty where the case asks for it."""
    document = to_dict(assessment)
    structures, evaluations = document["structures"], document["evaluations"]
    tables = [
        table_of("courses", COURSES, (c | _of("registration", c["registration"]) for c in document["courses"])),
        table_of("phases", PHASES, (p | {"course": c["name"]} for c in document["courses"] for p in c["phases"])),
        table_of("structures", STRUCTURES, (s | {"structure": s["name"]} | _of("recovery", s["recovery"] or {}) for s in structures)),
        table_of("doses", DOSES, (row for s in structures for row in _doses(s))),
        table_of("recovery", RECOVERY, (row for s in structures for row in _recovery(s))),
        table_of("other_models", OTHER_MODELS, ({"structure": s["name"], **m, **_bounds(m["cumulative"])} for s in structures for m in s["sensitivities"])),
        table_of("registration", REGISTRATION, (row for s in structures for row in _registration(s))),
        table_of("limits", LIMITS, evaluations),
        table_of("clauses", CLAUSES, ({k: e[k] for k in CLAUSES[:3]} | c for e in evaluations for c in e["clauses"])),
        DataTable("dvh", DVH, tuple(row for organ in assessment.organs for row in _dvhs(assessment.case, organ))),
        table_of("warnings", WARNINGS, document["warnings"]),
        table_of("risk_scores", RISK_SCORES, document["risk_scores"]),
        table_of("disagreements", DISAGREEMENTS, (d | v for d in document["disagreements"] for v in d["values"])),
    ]
    found = document["uncertainty"]
    if found is not None:
        tables += [
            table_of("uncertainty_bands", BANDS, (b | (b["voxel_search"] or {}) for b in found["bands"])),
            table_of("uncertainty_factors", FACTORS, ({k: b[k] for k in FACTORS[:3]} | m for b in found["bands"] for m in b["factors"])),
            table_of("uncertainty_flips", FLIPS, found["flips"]),
            table_of("uncertainty_without_band", WITHOUT_BAND, found["without_band"]),
        ]
    return tuple(tables)


def _value(value: Any) -> Value:
    if isinstance(value, list | tuple):
        return "; ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    plain: Value = value.item() if isinstance(value, np.generic) else value
    return plain


def _doses(structure: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Statistics of a structure: of each course, of all, and of all with recovery."""
    organ = {"structure": structure["name"]} | {k: structure[k] for k in ORGAN[1:]}
    for name, course in structure["courses"].items():
        yield organ | {"scope": "course", "course": name, "quantity": "physical", **_bounds(course["physical"])}
        yield organ | {"scope": "course", "course": name, "quantity": "EQD2", **_bounds(course["eqd2"])}
    for scope in ("cumulative", "cumulative_with_recovery"):
        if (found := structure[scope]) is not None:
            yield organ | {"scope": scope, "quantity": "EQD2", **_bounds(found)}


def _bounds(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Values, what they are at least, and why they are no more than that."""
    lower, upper = statistics.get("lower_bounds", {}), statistics.get("upper_bounds")
    reasons = list(dict.fromkeys([*([upper] if upper else []), *statistics.get("reasons", {}).values()]))
    at_least = {name: lower.get(key) for name, key in zip(AT_LEAST, KEYS, strict=True)}
    known = {"quantity": statistics["quantity"]} if "quantity" in statistics else {}
    return {**{k: statistics[k] for k in KEYS}, **at_least, **known, "is_upper_bound": upper is not None, "reason": "; ".join(reasons) or None}


def _of(what: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values under the names that they have in a table of several things."""
    return {f"{what}_{k}": v for k, v in values.items()}


def _recovery(structure: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    if (found := structure["recovery"]) is not None:
        for course, recovered in found["courses"].items():
            yield recovered | {"structure": structure["name"], "course": course, "model": found["model"]}


def _registration(structure: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for course, match in structure["registration"].items():
        yield match | {"structure": structure["name"], "course": course, "structure_of_course": match["structure"]}


# ------------------------------------------------------------------------------------------------------- dose-volume histograms


def _dvhs(case: Case, organ: OrganResult) -> Iterable[tuple[Value, ...]]:
    """Cumulative DVHs of an organ from its points; one row with the reason where there is none."""
    ab, total = organ.alpha_beta_gy, organ.sum
    for k, course in enumerate(case.courses):
        of: tuple[Value, ...] = (organ.name, "course", course.name)
        own = None if total is None else total.own.get(k)
        if total is None or (k in total.papers and own is None):
            reason = "the structure has no closed contours" if total is None else "the course has no dose at points of the structure"
            yield (*of, "physical", None, None, None, None, reason)
            continue
        dose, number = (total.dose, k) if own is None else (own, 0)
        yield from _dvh((*of, "physical", None), dose.physical(number))
        yield from _dvh((*of, "EQD2", ab), dose.eqd2(ab, number))
    if total is None or total.papers:
        reason = "the structure has no closed contours" if total is None else "a course has no dose at common points with the others"
        yield (organ.name, "cumulative", None, "EQD2", ab, None, None, None, reason)
        return
    yield from _dvh((organ.name, "cumulative", None, "EQD2", ab), total.dose.eqd2(ab))
    if organ.with_recovery is not None:
        yield from _dvh((organ.name, "cumulative_with_recovery", None, "EQD2", ab), total.dose.eqd2(ab, None, organ.kept))


def _dvh(of: tuple[Value, ...], dvh: Dvh) -> Iterable[tuple[Value, ...]]:
    """Volume that receives at least 0, 0.5, 1 ... Gy, until none does; what lies between two of them is their difference."""
    known = ~np.isnan(dvh.dose_gy)
    order = np.argsort(dvh.dose_gy[known], kind="stable")
    dose, volume = dvh.dose_gy[known][order], dvh.volumes_cc[known][order]
    above = np.append(np.cumsum(volume[::-1])[::-1], 0.0)
    unknown_cc = round(float(dvh.volumes_cc[~known].sum()), DECIMALS)
    reason = None if known.all() else missing(dvh.coverage)
    n_steps = 2 + math.floor(float(dose[-1]) * (1 + ROUNDING) / DVH_STEP_GY) if dose.size else 1
    grid = DVH_STEP_GY * np.arange(n_steps)
    reached = above[np.searchsorted(dose, (grid * (1 - ROUNDING)).astype(np.float32))]
    for at, cc in zip(grid.tolist(), reached.tolist(), strict=True):
        yield (*of, at, round(cc, DECIMALS), unknown_cc, reason)
