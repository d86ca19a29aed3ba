"""An assessment as the JSON document of the contract, and the exit status it stands for."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from reirrad import __version__
from reirrad.assessment import Assessment, OrganResult, Statistics
from reirrad.course import Case, Course
from reirrad.errors import Notice
from reirrad.evaluation import Finding

__all__ = ["SCHEMA_VERSION", "as_json", "exit_status", "result_schema", "to_dict"]

SCHEMA_VERSION: Final = 1
DECIMALS: Final = 4


def to_dict(assessment: Assessment) -> dict[str, Any]:
    """Return the result as plain data, with the keys of the shipped schema."""
    case = assessment.case
    return {
        "schema": SCHEMA_VERSION,
        "reirrad_version": __version__,
        "case": case.name,
        "verdict": assessment.verdict,
        "settings": {
            "interpolation": case.interpolation,
            "recovery": "none",
            "reference": case.courses[case.reference].name,
            "constraints": list(assessment.limit_sets),
            "interval_days": case.interval_days,
        },
        "warnings": [_notice(n) for n in assessment.notices],
        "courses": [_course(case, k, c) for k, c in enumerate(case.courses)],
        "structures": [_structure(case, r) for r in assessment.organs],
        "evaluations": [_evaluation(f, case) for f in assessment.findings],
    }


def as_json(document: object) -> str:
    """Text of a result: UTF-8, indented, never NaN."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def exit_status(assessment: Assessment) -> int:
    """0: every mandatory limit met; 1: one exceeded or not evaluable, or not a single limit could be checked."""
    return 1 if assessment.verdict in ("exceeded", "not_evaluable") else 0


def result_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) that every result of `to_dict` meets."""
    schema: dict[str, Any] = json.loads(files("reirrad").joinpath("data/result.schema.json").read_text(encoding="utf-8"))
    return schema


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _notice(notice: Notice) -> dict[str, Any]:
    out = {"code": notice.code, "message": notice.message}
    if notice.course is not None:
        out["course"] = notice.course
    if notice.structure is not None:
        out["structure"] = notice.structure
    return out


def _course(case: Case, number: int, course: Course) -> dict[str, Any]:
    prescriptions = [p.prescription_gy for p in course.phases]
    return {
        "name": course.name,
        "kind": course.kind,
        "fractions": course.fractions,
        "prescription_gy": None if any(p is None for p in prescriptions) else _round(sum(p for p in prescriptions if p is not None)),
        "dose_max_gy": _round(course.dose_max_gy()),
        "radiation": course.radiation,
        "starts": None if course.first_day is None else course.first_day.isoformat(),
        "completed": None if course.last_day is None else course.last_day.isoformat(),
        "phases": [
            {
                "label": p.label,
                "fractions": p.fractions,
                "planned_fractions": p.planned_fractions,
                "concurrent": p.concurrent,
                "prescription_gy": _round(p.prescription_gy),
            }
            for p in course.phases
        ],
        "registration": {"method": case.registration[number]},
        "inputs": [dict(i) for i in course.inputs],
    }


def _statistics(s: Statistics) -> dict[str, Any]:
    out: dict[str, Any] = {k: _round(v) for k, v in s.values.items()}
    if s.reasons:
        out["reasons"] = s.reasons
    if s.lower_bounds:
        out["lower_bounds"] = {k: _round(v) for k, v in s.lower_bounds.items()}
    return out


def _structure(case: Case, result: OrganResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "organ": result.organ,
        "alpha_beta_gy": result.alpha_beta_gy,
        "volume_cc": _round(result.volume_cc),
        "coverage": round(result.coverage, 6),
        "cumulative": {"quantity": "EQD2", **_statistics(result.cumulative)},
        "courses": {
            course.name: {"physical": _statistics(physical), "eqd2": _statistics(eqd2)}
            for course, physical, eqd2 in zip(case.courses, result.physical, result.eqd2, strict=True)
        },
    }


def _evaluation(finding: Finding, case: Case) -> dict[str, Any]:
    limit = finding.limit
    in_gy = limit.unit == "Gy"
    out: dict[str, Any] = {
        "structure": finding.structure,
        "organ": limit.organ,
        "limit_id": limit.id,
        "metric": str(limit.metric),
        "quantity": limit.quantity,
        "alpha_beta_gy": limit.alpha_beta_gy,
        "scope": limit.scope,
        "course": case.courses[case.proposed].name if limit.scope == "course" and case.proposed is not None else None,
        "unit": limit.unit,
        "comparator": limit.comparator,
        "value_gy": _round(finding.value) if in_gy else None,
        "limit_gy": limit.limit if in_gy else None,
        "value": _round(finding.value),
        "limit": limit.limit,
        "caution": limit.caution,
        "margin": _round(finding.margin),
        "is_lower_bound": finding.is_lower_bound,
        "level": limit.level,
        "status": finding.status,
        "reason": finding.reason,
        "source": limit.source,
        "doi": limit.doi or None,
        "source_status": limit.status,
        "evidence": limit.evidence,
        "recovery": limit.recovery,
    }
    return out
