"""A calculation of schedules as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final

from reirrad import __version__
from reirrad.calculation import Calculation, CourseEffect
from reirrad.effect import Effect
from reirrad.scheduleoptions import Delivery, LowDoseRate, PermanentSources, PulsedDoseRate, SlowFraction

__all__ = ["as_dict", "as_json", "eqd2_schema"]

_PATTERN: Final = {
    LowDoseRate: "low_dose_rate", PulsedDoseRate: "pulsed", PermanentSources: "permanent", SlowFraction: "slow_fraction",
}  # fmt: skip


def as_dict(found: Calculation) -> dict[str, Any]:
    """Document; what is undefined is None."""
    return {
        "schema": 1,
        "reirrad_version": __version__,
        "alpha_beta_gy": found.alpha_beta_gy,
        "half_time_h": found.half_time_h,
        "tumour": found.growth and {"repopulation_bed_gy_per_day": found.growth.per_day_gy, "kickoff_days": found.growth.kickoff_days},
        "courses": [_course(c) for c in found.courses],
        "sum": {
            **asdict(found.total),
            "complete_repair": _effect(found.complete_repair),
            "without_repopulation": _effect(found.without_growth),
            "after_recovery": _effect(found.after_recovery),
        },
        "limit": found.limit and asdict(found.limit),
        "remaining": [asdict(r) for r in found.remaining],
        "limit_after_recovery": found.limit_after_recovery and asdict(found.limit_after_recovery),
        "remaining_after_recovery": [asdict(r) for r in found.remaining_after_recovery],
        "sensitivities": [
            {
                "model": s.model,
                "description": s.description,
                "use": "sensitivity, not for limits",
                "alpha_beta_gy": s.alpha_beta_gy,
                "sum": asdict(s.total),
                "linear_quadratic": asdict(s.linear_quadratic),
                "courses": [
                    {"schedule": c.schedule.text, **asdict(e), "applied": applied} for c, e, applied in zip(found.courses, s.courses, s.applied, strict=True)
                ],
            }
            for s in found.sensitivities
        ],
        "warnings": [asdict(n) for n in found.notices],
    }


def as_json(found: Calculation) -> str:
    """Return the JSON document."""
    return json.dumps(as_dict(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def eqd2_schema() -> dict[str, Any]:
    """JSON schema of the document."""
    schema: dict[str, Any] = json.loads(files("reirrad").joinpath("data", "eqd2.schema.json").read_text(encoding="utf-8"))
    return schema


def _course(course: CourseEffect) -> dict[str, Any]:
    s = course.schedule
    return {
        "schedule": s.text,
        "phases": [asdict(p) | {"dose_per_fraction_gy": p.dose_per_fraction_gy} for p in s.parts],
        "per_day": s.per_day,
        "interval_h": s.interval_h,
        "rbe": s.rbe,
        "let_kev_um": s.let_kev_um,
        "delivery": _delivery(s.delivery),
        "overall_days": s.overall_days,
        "recovered": s.recovered,
        **asdict(course.effect),
        "complete_repair": _effect(course.complete_repair),
        "without_repopulation": _effect(course.without_growth),
        "after_recovery": _effect(course.after_recovery),
    }


def _delivery(delivery: Delivery | None) -> dict[str, Any] | None:
    return None if delivery is None else {"pattern": _PATTERN[type(delivery)], **asdict(delivery)}


def _effect(effect: Effect | None) -> dict[str, float] | None:
    return None if effect is None else asdict(effect)
