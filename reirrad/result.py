"""An assessment as the JSON document of the contract, and the exit status it stands for."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from reirrad import __version__
from reirrad.assessment import Assessment
from reirrad.clauses import ClauseFinding
from reirrad.course import Case, Course
from reirrad.disagreements import Disagreement
from reirrad.errors import Notice
from reirrad.evaluation import Finding
from reirrad.nieder import note
from reirrad.organresult import OrganResult
from reirrad.riskscore import RiskScore
from reirrad.statistics import Statistics
from reirrad.structurematch import StructureMatch
from reirrad.uncertaintydocument import uncertainty_dict

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
            "recovery": _recovery(case),
            "reference": case.courses[case.reference].name,
            "constraints": list(assessment.limit_sets),
            "interval_days": case.interval_days,
        },
        "warnings": [_notice(n) for n in assessment.notices],
        "courses": [_course(case, k, c) for k, c in enumerate(case.courses)],
        "structures": [_structure(case, r) for r in assessment.organs],
        "evaluations": [_evaluation(f, case) for f in assessment.findings],
        "risk_scores": [_risk_score(s) for s in assessment.risk_scores],
        "disagreements": [_disagreement(d) for d in assessment.disagreements],
        "uncertainty": None if assessment.uncertainty is None else uncertainty_dict(assessment.uncertainty, case),
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


def _recovery(case: Case) -> str:
    """Recovery models in use, or none."""
    return ", ".join(sorted({c.model.key for c in case.recovery.values()})) or "none"


def _notice(notice: Notice) -> dict[str, Any]:
    out = {"code": notice.code, "message": notice.message}
    if notice.course is not None:
        out["course"] = notice.course
    if notice.structure is not None:
        out["structure"] = notice.structure
    return out


def _course(case: Case, number: int, course: Course) -> dict[str, Any]:
    return {
        "name": course.name,
        "kind": course.kind,
        "fractions": course.fractions,
        "prescription_gy": _round(course.prescription_gy),
        "delivered_gy": _round(course.delivered_gy),
        "dose_max_gy": _round(course.dose_max_gy()),
        "grade": course.grade,
        "radiation": course.radiation,
        "rbe": course.rbe,
        "timing": course.timing.title,
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
        "registration": {"method": case.registration[number], "detail": _detail(case, number)},
        "inputs": [dict(i) for i in course.inputs],
    }


def _statistics(s: Statistics) -> dict[str, Any]:
    out: dict[str, Any] = {k: _round(v) for k, v in s.values.items()}
    if s.reasons:
        out["reasons"] = s.reasons
    if s.lower_bounds:
        out["lower_bounds"] = {k: _round(v) for k, v in s.lower_bounds.items()}
    if s.upper:
        out["upper_bounds"] = s.upper
    return out


def _structure(case: Case, result: OrganResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "organ": result.organ,
        "alpha_beta_gy": result.alpha_beta_gy,
        "volume_cc": _round(result.volume_cc),
        "coverage": round(result.coverage, 6),
        "half_time_h": None if result.half_time is None else result.half_time.hours,
        "half_time_status": None if result.half_time is None else result.half_time.status,
        "cumulative": {"quantity": "EQD2", **_statistics(result.cumulative)},
        "cumulative_with_recovery": None if result.with_recovery is None else {"quantity": "EQD2", **_statistics(result.with_recovery)},
        "recovery": None if result.with_recovery is None else _recovered(case, result),
        "interpolation_gap_gy": _round(result.interpolation_gap_gy),
        "registration": {case.courses[k].name: _match(m) for k, m in result.matches.items()},
        "sensitivities": [
            {
                "model": s.model,
                "label": s.label,
                "alpha_beta_gy": s.alpha_beta_gy,
                "parameters": s.parameters,
                "cumulative": {"quantity": "EQD2", **_statistics(values)},
            }
            for s, values in result.sensitivities
        ],
        "courses": {
            course.name: {"physical": _statistics(physical), "eqd2": _statistics(eqd2)}
            for course, physical, eqd2 in zip(case.courses, result.physical, result.eqd2, strict=True)
        },
    }


def _detail(case: Case, number: int) -> str | None:
    return (case.registration_details[number] or None) if case.registration_details else None


def _match(found: StructureMatch) -> dict[str, Any]:
    """How a structure of another course lies to this one after registration."""
    return {
        "structure": found.other_name,
        "dice": _round(found.dice),
        "mean_surface_distance_mm": _round(found.mean_surface_distance_mm),
        "hausdorff95_mm": _round(found.hausdorff95_mm),
        "centre_distance_mm": _round(found.centre_distance_mm),
        "volume_cc": _round(found.volume_other_cc),
        "jacobian_min": _round(found.jacobian_min),
        "jacobian_max": _round(found.jacobian_max),
        "unknown_fraction": _round(found.unknown_fraction),
    }


def _recovered(case: Case, result: OrganResult) -> dict[str, Any]:
    """The recovery model of an organ, and what it says of each prior course."""
    choice = case.recovery[result.organ]
    return {
        "model": choice.model.key,
        "source": choice.model.source,
        "status": choice.model.status,
        "rationale": choice.rationale or None,
        "courses": {case.courses[k].name: {"recovered": r.part, "reason": r.reason} for k, r in result.recovered.items()},
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
        "course": None if finding.course is None else case.courses[finding.course].name,
        "unit": limit.unit,
        "comparator": limit.comparator,
        "value_gy": _round(finding.value) if in_gy else None,
        "limit_gy": limit.limit if in_gy else None,
        "value": _round(finding.value),
        "limit": limit.limit,
        "caution": limit.caution,
        "margin": _round(finding.margin),
        "is_lower_bound": finding.is_lower_bound,
        "bound": finding.bound,
        "value_with_recovery": _round(finding.value_with_recovery),
        "status_without_recovery": finding.status_without_recovery,
        "clauses": [_clause(c) for c in finding.clauses],
        "level": limit.level,
        "status": finding.status,
        "reason": finding.reason,
        "source": limit.source,
        "doi": limit.doi or None,
        "source_status": limit.status,
        "evidence": limit.evidence,
        "recovery": limit.recovery,
        "meant_structure": limit.structure or None,
    }
    return out


def _clause(found: ClauseFinding) -> dict[str, Any]:
    return {
        "what": found.clause.what,
        "words": found.words,
        "value": _round(found.value),
        "comparator": found.clause.comparator,
        "limit": found.clause.limit,
        "unit": found.clause.unit,
        "status": found.status,
        "reason": found.reason,
    }


def _risk_score(found: RiskScore) -> dict[str, Any]:
    score = found.score
    out: dict[str, Any] = {"name": "Nieder myelopathy score", "structure": found.structure, "reason": found.reason}
    if score is None:
        return out | {"points": None, "group": None, "observed": None, "cumulative_bed_gy": None, "largest_course_bed_gy": None, "remarks": []}
    return out | {
        "points": list(score.points),
        "group": list(dict.fromkeys((score.low.name, score.high.name))),
        "observed": list(dict.fromkeys((score.low.observed, score.high.observed))),
        "cumulative_bed_gy": _round(score.cumulative_bed_gy),
        "largest_course_bed_gy": _round(score.largest_course_bed_gy),
        "remarks": [*score.remarks, note()],
    }


def _disagreement(found: Disagreement) -> dict[str, Any]:
    return {
        "topic": found.topic,
        "organs": list(found.organs),
        "limits": list(found.limits),
        "values": [{"says": v.says, "source": v.source} for v in found.values],
        "handling": found.handling,
    }
