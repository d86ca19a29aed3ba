"""An exploration and the options asked for as JSON, and the exit status they stand for."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final

from reirrad import __version__
from reirrad.assessment import Assessment
from reirrad.errors import Notice, printable
from reirrad.evaluation import Finding
from reirrad.exploration import Bound, Exploration, IsotoxicRow
from reirrad.options import Option, OptionOrgan
from reirrad.tumour import Tumour, TumourEffect, effects, overall_days

__all__ = ["as_dict", "as_json", "best_row", "exit_status", "explore_schema", "notices_of", "row_effects", "row_status"]

DECIMALS: Final = 4
SCALE_DECIMALS: Final = 8  # a scale is multiplied with doses
OF_THE_PLAN_AS_IT_STANDS: Final = ("limit_other_fractions", "organ_without_limit")
NOTE: Final = (
    "scale multiplies the dose of the proposed course in every voxel; dose_gy is its prescription, for the fractions given, times scale; "
    "nothing is optimised again"
)


def as_dict(assessment: Assessment, exploration: Exploration, tumour: Tumour, options: Sequence[Option] = (), notices: Sequence[Notice] = ()) -> dict[str, Any]:
    """Document; what is undefined, or without an upper bound, is None with a reason."""
    case = assessment.case
    course = case.courses[exploration.course]
    best = best_row(exploration, tumour)
    return {
        "schema": 1,
        "reirrad_version": __version__,
        "case": case.name,
        "course": {"name": course.name, "prescription_gy": _round(exploration.prescription_gy), "fractions": course.fractions},
        "note": NOTE,
        "tumour": {
            "alpha_betas_gy": list(tumour.alpha_betas_gy),
            "repopulation_bed_gy_per_day": None if tumour.growth is None else tumour.growth.per_day_gy,
            "kickoff_day": None if tumour.growth is None else tumour.growth.kickoff_days,
            "evidence": tumour.evidence,
        },
        "schedules": [_row(r, assessment, exploration, tumour) for r in exploration.rows],
        "best": None if best is None else exploration.rows.index(best),
        "options": [_option(o, assessment) for o in options],
        "warnings": [asdict(n) for n in notices_of(assessment, exploration, notices)],
    }


def as_json(document: dict[str, Any]) -> str:
    """Text of the document: UTF-8, indented, never NaN or infinite."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def explore_schema() -> dict[str, Any]:
    """JSON schema of the document."""
    schema: dict[str, Any] = json.loads(files("reirrad").joinpath("data", "explore.schema.json").read_text(encoding="utf-8"))
    return schema


def notices_of(assessment: Assessment, exploration: Exploration, notices: Sequence[Notice] = ()) -> tuple[Notice, ...]:
    """What to know of the case, of the schedules tried, and of how they were asked for; each once.

    What was said of limits and organs for the plan as it stands gives way to what is true of the schedules.
    """
    said = (n for n in assessment.notices if n.code not in OF_THE_PLAN_AS_IT_STANDS)
    return tuple(dict.fromkeys((*said, *exploration.notices, *_without_limit(assessment, exploration), *notices)))


def _without_limit(assessment: Assessment, exploration: Exploration) -> list[Notice]:
    """Structures that no limit bounds, in any schedule or in some: their dose is not restricted there, which is no statement on what they tolerate."""
    bounded = [{name for b in row.bounds if b.structure is not None for name in b.structure.split(" + ")} for row in exploration.rows]
    names = [o.name for o in assessment.organs]
    never = [name for name in names if not any(name in those for those in bounded)]
    sometimes = [name for name in names if name not in never and not all(name in those for those in bounded)]
    several = len({frozenset(b.limit.id for b in row.bounds) for row in exploration.rows}) > 1
    notices = []
    if never:
        message = f"No limit of the chosen sets applies to these structures, so that nothing bounds their dose: {_listed(never)}."
        notices.append(Notice("explore_organ_without_limit", message))
    if several:
        structures = f" In some schedules no limit at all is for: {_listed(sometimes)}." if sometimes else ""
        message = (
            "Some limits are for certain numbers of fractions only, so that fewer limits bound the other schedules: a higher dose there is a gap between "
            f"limits, not a tolerance.{structures}"
        )
        notices.append(Notice("explore_limits_by_fractions", message))
    return notices


def _listed(names: Sequence[str]) -> str:
    return ", ".join(printable(name, 40) for name in names)


def exit_status(exploration: Exploration, options: Sequence[Option] = ()) -> int:
    """0: every option meets every mandatory limit, or, where none was asked for, every schedule leaves a dose that does; else 1."""
    if options:
        return 0 if all(o.meets_every_mandatory_limit for o in options) else 1
    return 0 if all(row_status(r) == "met" for r in exploration.rows) else 1


def row_status(row: IsotoxicRow) -> str:
    """``met``: the dose meets every mandatory limit; ``nothing_left``; ``not_evaluable``: a mandatory limit, or every limit, cannot be checked."""
    if row.scale is None:
        return "nothing_left"
    if any(b.limit.level == "mandatory" for b in row.unjudged) or not any(b.is_judged for b in row.bounds):
        return "not_evaluable"
    return "met"


def row_effects(row: IsotoxicRow, tumour: Tumour) -> tuple[TumourEffect, ...] | None:
    """Effect on the tumour; None where there is no dose, or nothing that limits it."""
    if row.scale is None or not math.isfinite(row.dose_gy):
        return None
    return effects(tumour, row.dose_gy, row.choice.fractions, row.choice.per_day)


def best_row(exploration: Exploration, tumour: Tumour) -> IsotoxicRow | None:
    """Row with the highest BED of the tumour at its first alpha/beta, among those that meet every mandatory limit with fractions the model is supported for."""
    those = [row for row in exploration.rows if row_status(row) == "met" and not row.is_beyond_lq]
    beds = [(found[0].bed_gy, row) for row in those if (found := row_effects(row, tumour)) is not None]
    return max(((bed, row) for bed, row in beds if bed is not None), key=lambda pair: pair[0], default=(0.0, None))[1]


def _round(value: float | None, decimals: int = DECIMALS) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, decimals)


def _down(value: float | None, decimals: int = DECIMALS) -> float | None:
    """Rounded so that what is written still keeps the limits."""
    return None if value is None or not math.isfinite(value) else math.floor(value * 10**decimals + 1e-6) / 10**decimals


def _scale(scale: float | None) -> float | None:
    """What multiplies the course: 0 where nothing can be given, None without an upper bound."""
    return 0.0 if scale is None else _down(scale, SCALE_DECIMALS)


def _row(row: IsotoxicRow, assessment: Assessment, exploration: Exploration, tumour: Tumour) -> dict[str, Any]:
    choice = row.choice
    found = row_effects(row, tumour)
    tumours = [_effect(e) for e in found] if found is not None else [_no_effect(x) for x in tumour.alpha_betas_gy]
    dose_gy = _down(row.dose_gy)
    return {
        "schedule": None if dose_gy is None else f"{_down(dose_gy, 2):g}/{choice.fractions}{_often(choice.per_day, choice.interval_h)}",
        "fractions": choice.fractions,
        "per_day": choice.per_day,
        "interval_h": choice.interval_h,
        "overall_days": overall_days(choice.fractions, choice.per_day),
        "status": row_status(row),
        "reason": row.reason,
        "dose_gy": dose_gy,
        "dose_per_fraction_gy": _down(row.dose_per_fraction_gy),
        "scale": _scale(row.scale),
        "binding": _bound(row.binding, assessment),
        "next": None if row.next is None else _bound(row.next, assessment) | {"value_here": _round(row.next_value), "margin_here": _round(row.next_margin)},
        "optimal": {
            "dose_gy": _down(row.optimal_dose_gy),
            "scale": _scale(row.optimal_scale),
            "binding": _bound(row.optimal_binding, assessment),
        },
        "tumour": tumours[0],
        "tumours": tumours,
        "largest_per_fraction_gy": _round(row.largest_per_fraction_gy),
        "beyond_lq": row.is_beyond_lq,
        "not_evaluable": [_bound(b, assessment) for b in row.unjudged],
    }


def _often(per_day: int, interval_h: float | None) -> str:
    return "" if interval_h is None else f" per-day={per_day} interval={interval_h:g}h"


def _bound(bound: Bound | None, assessment: Assessment) -> Any:
    if bound is None:
        return None
    limit = bound.limit
    in_gy = limit.unit == "Gy"
    return {
        "limit_id": limit.id,
        "structure": bound.structure,
        "value_gy": _round(bound.value_at) if in_gy else None,
        "limit_gy": bound.limit_value if in_gy else None,
        "organ": limit.organ,
        "course": None if bound.course is None else assessment.case.courses[bound.course].name,
        "level": limit.level,
        "metric": str(limit.metric),
        "quantity": limit.quantity,
        "alpha_beta_gy": limit.alpha_beta_gy,
        "unit": limit.unit,
        "comparator": limit.comparator,
        "value": _round(bound.value_at),
        "limit": bound.limit_value,
        "scale": _down(bound.scale, SCALE_DECIMALS),
        "deficit": _round(bound.deficit),
        "reason": bound.reason,
    }


def _effect(e: TumourEffect) -> dict[str, Any]:
    return {
        "bed_gy": _round(e.bed_gy),
        "eqd2_gy": _round(e.eqd2_gy),
        "alpha_beta_gy": e.alpha_beta_gy,
        "bed_without_growth_gy": _round(e.bed_without_growth_gy),
        "bed_lql_gy": _round(e.bed_lql_gy),
        "reason": "growth outran the dose" if e.bed_gy is None else None,
    }


def _no_effect(alpha_beta_gy: float) -> dict[str, Any]:
    keys = ("bed_gy", "eqd2_gy", "bed_without_growth_gy", "bed_lql_gy")
    return {**dict.fromkeys(keys), "alpha_beta_gy": alpha_beta_gy, "reason": "there is no dose to speak of"}


def _option(option: Option, assessment: Assessment) -> dict[str, Any]:
    choice = option.asked.choice
    tumours = [_effect(e) for e in option.tumour]
    return {
        "schedule": option.asked.text,
        "fractions": choice.fractions,
        "per_day": choice.per_day,
        "interval_h": choice.interval_h,
        "overall_days": option.overall_days,
        "dose_gy": option.asked.dose_gy,
        "dose_per_fraction_gy": _round(option.asked.dose_per_fraction_gy),
        "scale": _round(option.scale, SCALE_DECIMALS),
        "verdict": option.verdict,
        "tumour": tumours[0],
        "tumours": tumours,
        "structures": [_organ(o) for o in option.organs],
        "evaluations": [_finding(f, option, assessment) for f in option.findings],
        "warnings": [asdict(n) for n in option.notices],
    }


def _organ(organ: OptionOrgan) -> dict[str, Any]:
    known = organ.cumulative
    return {
        "name": organ.name,
        "organ": organ.organ,
        "alpha_beta_gy": organ.alpha_beta_gy,
        "cumulative": {"quantity": "EQD2", **{key: _round(value) for key, value in known.values.items()}},
        "reasons": dict(known.reasons),
        "lower_bounds": {key: _round(value) for key, value in known.lower_bounds.items()},
        "upper_bounds": known.upper or None,
        "largest_per_fraction_gy": _round(organ.largest_per_fraction_gy),
        "beyond_lq": organ.is_beyond_lq,
    }


def _finding(finding: Finding, option: Option, assessment: Assessment) -> dict[str, Any]:
    limit = finding.limit
    band = option.band(finding)
    in_gy = limit.unit == "Gy"
    return {
        "structure": finding.structure,
        "organ": limit.organ,
        "limit_id": limit.id,
        "course": None if finding.course is None else assessment.case.courses[finding.course].name,
        "metric": str(limit.metric),
        "quantity": limit.quantity,
        "alpha_beta_gy": limit.alpha_beta_gy,
        "unit": limit.unit,
        "comparator": limit.comparator,
        "value_gy": _round(finding.judged_value) if in_gy else None,
        "limit_gy": limit.limit if in_gy else None,
        "value": _round(finding.judged_value),
        "limit": limit.limit,
        "margin": _round(finding.margin),
        "bound": finding.bound,
        "level": limit.level,
        "status": finding.status,
        "reason": finding.reason,
        "band": None if band is None else {"low": _round(band.low), "high": _round(band.high), "status_high": band.status_high},
    }
