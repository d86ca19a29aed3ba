"""The same courses in models beside the linear-quadratic one with a constant RBE. Sensitivities: never held against a limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from reirrad.calculation import Model, Sensitivity
from reirrad.effect import Effect, Growth, acute_bed, effect_of, less_growth, needs_half_time, schedule_bed, summed, weighted_parts
from reirrad.errors import ParameterError, printable
from reirrad.highdose import LEAST_TRANSITION_GY, UniversalSurvival, bed_lql
from reirrad.rbe import mcnamara, wedenberg
from reirrad.schedule import Schedule

__all__ = ["LqL", "Usc", "parse_lq_l", "parse_usc", "sensitivities"]


@dataclass(frozen=True, slots=True)
class LqL:
    """Linear-quadratic-linear with this transition, Gy; None is twice alpha/beta and at least 2 Gy."""

    transition_gy: float | None = None


@dataclass(frozen=True, slots=True)
class Usc:
    """Universal survival curve: alpha, 1/Gy, and D0 and Dq, Gy."""

    alpha_per_gy: float
    d0_gy: float
    dq_gy: float


@dataclass(frozen=True, slots=True)
class _Setting:
    schedules: Sequence[Schedule]
    half_time_h: float | None
    growth: Growth | None

    def effect(self, schedule: Schedule, bed_gy: float, alpha_beta_gy: float) -> Effect:
        value = bed_gy if self.growth is None else less_growth(bed_gy, schedule, alpha_beta_gy, self.half_time_h, self.growth)
        return effect_of(value, alpha_beta_gy)

    def main(self, schedule: Schedule, alpha_beta_gy: float) -> float:
        return schedule_bed(schedule, alpha_beta_gy, self.half_time_h)


def sensitivities(
    schedules: Sequence[Schedule], alpha_beta_gy: float, half_time_h: float | None, growth: Growth | None, asked: Sequence[LqL | Usc]
) -> tuple[Sensitivity, ...]:
    """Compute what was asked for, variable RBE where a LET is given, and acute fractions where they are slow.

    Raises
    ------
    ParameterError
        For parameters that make no curve.
    """
    setting = _Setting(schedules, half_time_h, growth)
    found = [_lq_l(a, alpha_beta_gy, setting) if isinstance(a, LqL) else _usc(a, setting) for a in asked]
    if any(s.let_kev_um is not None for s in schedules):
        found += [_variable_rbe("mcnamara", alpha_beta_gy, setting), _variable_rbe("wedenberg", alpha_beta_gy, setting)]
    beds = [None if s.slow_minutes is None else acute_bed(s, alpha_beta_gy) for s in schedules]
    if any(b is not None for b in beds):
        found.append(_sensitivity("acute", "Slow fractions as if acute", alpha_beta_gy, beds, setting))
    return tuple(found)


def parse_lq_l(text: str) -> LqL:
    """Read `auto` or a transition dose.

    >>> parse_lq_l("auto"), parse_lq_l("6")
    (LqL(transition_gy=None), LqL(transition_gy=6.0))
    """
    if text == "auto":
        return LqL()
    try:
        return LqL(float(text))
    except ValueError:
        raise ParameterError(
            f'--lq-l is "{printable(text, 30)}"; needed is the dose per fraction, Gy, where the curve becomes straight, or auto (2 alpha/beta). Correct it.'
        ) from None


def parse_usc(text: str) -> Usc:
    """Read alpha,D0,Dq.

    >>> parse_usc("0.33,1.25,1.8")
    Usc(alpha_per_gy=0.33, d0_gy=1.25, dq_gy=1.8)
    """
    try:
        alpha, d0, dq = (float(w) for w in text.split(","))
    except ValueError:
        raise ParameterError(
            f'--usc is "{printable(text, 30)}"; needed are alpha (1/Gy), D0 and Dq (Gy) with commas between, as in 0.33,1.25,1.8. Correct it.'
        ) from None
    return Usc(alpha, d0, dq)


def _lq_l(asked: LqL, alpha_beta_gy: float, setting: _Setting) -> Sensitivity:
    transition = max(2 * alpha_beta_gy, LEAST_TRANSITION_GY) if asked.transition_gy is None else asked.transition_gy
    if not LEAST_TRANSITION_GY <= transition < math.inf:
        raise ParameterError(
            f"--lq-l is {transition:g}; needed for an EQD2 is a dose per fraction of at least {LEAST_TRANSITION_GY:g} Gy, where the curve becomes straight. "
            "Give one, or auto."
        )
    beds = [_by_fraction(s, lambda dose, n: float(bed_lql(dose, n, alpha_beta_gy, transition))) for s in setting.schedules]
    return _sensitivity("lq-l", f"LQ-L, straight from {transition:g} Gy per fraction", alpha_beta_gy, beds, setting)


def _usc(asked: Usc, setting: _Setting) -> Sensitivity:
    curve = UniversalSurvival(asked.alpha_per_gy, asked.d0_gy, asked.dq_gy)
    if curve.transition_gy < LEAST_TRANSITION_GY:
        raise ParameterError(
            f"--usc is straight from {curve.transition_gy:.3g} Gy on; needed for an EQD2 is at least {LEAST_TRANSITION_GY:g} Gy. Correct alpha, D0 or Dq."
        )
    beds = [_by_fraction(s, lambda dose, n: float(curve.bed(dose, n))) for s in setting.schedules]
    text = f"Universal survival curve, α {asked.alpha_per_gy:g}/Gy, D0 {asked.d0_gy:g} Gy, Dq {asked.dq_gy:g} Gy: its own α/β {curve.alpha_beta_gy:.3g} Gy"
    return _sensitivity("usc", text, curve.alpha_beta_gy, beds, setting)


def _variable_rbe(model: Literal["mcnamara", "wedenberg"], alpha_beta_gy: float, setting: _Setting) -> Sensitivity:
    function = mcnamara if model == "mcnamara" else wedenberg

    def bed_at(schedule: Schedule, let_kev_um: float) -> float:
        return schedule_bed(schedule, alpha_beta_gy, setting.half_time_h, lambda d: function(d, let_kev_um, alpha_beta_gy))

    beds = [None if s.let_kev_um is None else bed_at(s, s.let_kev_um) for s in setting.schedules]
    return _sensitivity(model, f"RBE of {'McNamara' if model == 'mcnamara' else 'Wedenberg'} from the LET", alpha_beta_gy, beds, setting)


def _sensitivity(model: Model, description: str, alpha_beta_gy: float, beds: Sequence[float | None], setting: _Setting) -> Sensitivity:
    """Put the main model in place of None."""
    main = [setting.effect(s, setting.main(s, alpha_beta_gy), alpha_beta_gy) for s in setting.schedules]
    here = [m if b is None else setting.effect(s, b, alpha_beta_gy) for s, b, m in zip(setting.schedules, beds, main, strict=True)]
    return Sensitivity(model, description, alpha_beta_gy, tuple(here), tuple(b is not None for b in beds), summed(here), summed(main))


def _by_fraction(schedule: Schedule, bed_of: Callable[[float, int], float]) -> float | None:
    """BED of acute fractions; None where repair takes part, for which the model has no form here."""
    return None if needs_half_time(schedule) else math.fsum(bed_of(dose, p.fractions) for p, dose in weighted_parts(schedule))
