"""Other assumptions than the case file's: what a person may move on the Limits page, what the browser says of it, and how it is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reirrad.assessment import Assessment
from reirrad.band import MAX_SHIFT_MM, Uncertainty
from reirrad.errors import printable
from reirrad.judgement import LimitChoice
from reirrad.organresult import OrganResult
from reirrad.organs import organ
from reirrad.recovery import recovery_models
from reirrad.shifts import moved_courses
from reirrad.whatif import WhatIf

__all__ = ["Assumed", "changed", "controls", "differences", "settings_of"]

LEAST_GY, MOST_GY, STEP_GY = 1.0, 15.0, 0.1
MOST_MONTHS: Final = 120
MOST_MM: Final = 15.0
NO_DATE: Final = "not known: a date is missing"


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is assumed otherwise; None (and no alpha/beta) as in the case file.

    Parameters
    ----------
    alpha_beta_gy : mapping
        Organ key to alpha/beta, Gy.
    shift_mm : float or None
        By how much earlier dose may lie elsewhere; 0 for not at all.
    """

    alpha_beta_gy: Mapping[str, float] = field(default_factory=dict)
    interval_months: int | None = None
    recovery: str | None = None
    shift_mm: float | None = None

    @property
    def is_case(self) -> bool:
        """Whether all is as the case file says."""
        return self.what_if.is_nothing and self.shift_mm is None

    @property
    def what_if(self) -> WhatIf:
        """All but the shift."""
        return WhatIf(self.alpha_beta_gy, self.interval_months, self.recovery)

    def of_organ(self, key: str) -> WhatIf:
        """What concerns one organ."""
        return WhatIf({k: v for k, v in self.alpha_beta_gy.items() if k == key}, self.interval_months, self.recovery)


def settings_of(choice: LimitChoice, assumed: Assumed) -> Uncertainty | None:
    """What is to be tried for bands: as in the case file, with another shift where one is assumed; None for nothing."""
    stated = choice.uncertainty or Uncertainty()
    asked = stated if assumed.shift_mm is None else replace(stated, shift_mm=assumed.shift_mm or None)
    return asked if any((any(asked.radii_mm), asked.rotation_deg, asked.alpha_beta, asked.recovery, asked.fractions)) else None


def differences(assessment: Assessment, choice: LimitChoice, assumed: Assumed) -> list[str]:
    """Every assumption that is not the case file's, with what that says."""
    stated = {o.organ: o.alpha_beta_gy for o in assessment.organs}
    out = [f"α/β of {organ(key).label} {value:g} Gy (case file: {stated[key]:g})" for key, value in assumed.alpha_beta_gy.items()]
    if assumed.interval_months is not None:
        out.append(f"interval {assumed.interval_months} months (case file: {_months(assessment.case.interval_months)})")
    if assumed.recovery is not None:
        out.append(f"recovery: {_source(assumed.recovery)}{recovery_models()[assumed.recovery].label} (case file: {_stated_recovery(assessment)})")
    if assumed.shift_mm is not None:
        out.append(f"earlier dose shifted by up to {assumed.shift_mm:g} mm (case file: {_stated_shift_mm(choice):g})")
    return out


def controls(assessment: Assessment, choice: LimitChoice, assumed: Assumed, structures: list[str], chosen: str) -> list[dict[str, Any]]:
    """Choices and sliders as the browser shows them: name, label, value, what the case file says, why it cannot be moved.

    Parameters
    ----------
    structures : list of str
        In the order in which they are offered.
    """
    case = assessment.case
    result = _named(assessment, chosen)
    key, stated_gy = result.organ, result.alpha_beta_gy
    ab = assumed.alpha_beta_gy.get(key, stated_gy)
    months = case.interval_months
    shown_months = assumed.interval_months if assumed.interval_months is not None else months
    stated_mm = _stated_shift_mm(choice)
    mm = stated_mm if assumed.shift_mm is None else assumed.shift_mm
    offered = [{"value": "", "label": f"As in the case file: {_stated_recovery(assessment)}"}]
    offered += [{"value": k, "label": f"{_source(k)}{m.label}"} for k, m in recovery_models().items() if k != "none" or case.recovery]
    return [
        {
            "name": "structure", "kind": "choice", "label": "Organ", "value": str([o.name for o in assessment.organs].index(chosen)),
            "options": [{"value": str([o.name for o in assessment.organs].index(n)), "label": printable(n)} for n in structures],
        },
        {
            "name": "alpha_beta", "kind": "slider", "label": f"α/β of {organ(key).label}", "of": key, "value": ab, "unit": "Gy",
            "min": min(LEAST_GY, stated_gy), "max": max(MOST_GY, stated_gy), "step": STEP_GY, "stated": f"{stated_gy:g} Gy",
            "isOther": key in assumed.alpha_beta_gy, "why": "the structure has no closed contours" if result.sum is None else "",
        },
        {
            "name": "interval", "kind": "slider", "label": "Interval", "value": round(shown_months or 0.0, 1), "unit": "months",
            "min": 0, "max": max(MOST_MONTHS, math.ceil(months or 0)), "step": 1, "stated": _months(months),
            "isOther": assumed.interval_months is not None, "why": "" if months is not None else NO_DATE,
        },
        {
            "name": "recovery", "kind": "choice", "label": "Recovery model", "value": assumed.recovery or "", "options": offered,
            "isOther": assumed.recovery is not None,
        },
        {
            "name": "shift", "kind": "slider", "label": "Earlier dose shifted", "value": mm, "unit": "mm", "min": 0, "max": max(MOST_MM, stated_mm),
            "step": 1, "stated": f"{stated_mm:g} mm", "isOther": assumed.shift_mm is not None,
            "why": "" if moved_courses(case) else "no earlier dose here could be shifted",
        },
    ]  # fmt: skip


def changed(assessment: Assessment, choice: LimitChoice, assumed: Assumed, message: Mapping[str, Any]) -> Assumed:
    """The assumptions after a message of the browser; what is not understood changes nothing, what is the case file's own is None again."""
    if message.get("reset") is True:
        return Assumed()
    stated = {o.organ: o.alpha_beta_gy for o in assessment.organs}
    match message.get("alpha_beta"):
        case [str(key), int() | float() as value] if key in stated and math.isfinite(value):
            gy = round(min(max(float(value), min(LEAST_GY, stated[key])), max(MOST_GY, stated[key])), 2)
            others = {k: v for k, v in assumed.alpha_beta_gy.items() if k != key}
            assumed = replace(assumed, alpha_beta_gy=others if gy == round(stated[key], 2) else {**others, key: gy})
    match message.get("interval"):
        case int() | float() as value if math.isfinite(value) and assessment.case.interval_months is not None:
            most = max(MOST_MONTHS, math.ceil(assessment.case.interval_months))
            months = round(min(max(value, 0), most))
            assumed = replace(assumed, interval_months=None if months == assessment.case.interval_months else months)
    match message.get("recovery"):
        case str(name) if not name or name in recovery_models():
            assumed = replace(assumed, recovery=None if not name or (name == "none" and not assessment.case.recovery) else name)
    match message.get("shift"):
        case int() | float() as value if math.isfinite(value):
            mm = min(max(float(value), 0.0), max(MOST_MM, _stated_shift_mm(choice)), MAX_SHIFT_MM)
            assumed = replace(assumed, shift_mm=None if mm == _stated_shift_mm(choice) else mm)
    return assumed


def _named(assessment: Assessment, name: str) -> OrganResult:
    return next(o for o in assessment.organs if o.name == name)


def _months(months: float | None) -> str:
    return NO_DATE if months is None else f"{months:.1f} months"


def _source(model: str) -> str:
    return "" if model == "none" else f"{model.replace('_', ' ')}: "


def _stated_recovery(assessment: Assessment) -> str:
    """Models of the case file."""
    return ", ".join(sorted({c.model.key.replace("_", " ") for c in assessment.case.recovery.values()})) or "none"


def _stated_shift_mm(choice: LimitChoice) -> float:
    return 0.0 if choice.uncertainty is None else max(choice.uncertainty.radii_mm)
