"""Recovery: which part of an earlier EQD2 a source calls forgotten, by organ and interval.

A part acts on the EQD2 (or BED) of an earlier course, never on physical dose, a target or the proposed course. The sum without recovery always stays
beside it.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, Literal

from reirrad.errors import ParameterError, printable
from reirrad.organs import Reference, references
from reirrad.parameters import not_negative

__all__ = [
    "NOT_RECOVERING",
    "Curve",
    "LeftOut",
    "ModelRow",
    "Recovered",
    "RecoveryModel",
    "as_rows",
    "custom",
    "left_out",
    "recovered",
    "recovery_models",
    "refusal",
]

MONTHS_PER_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """Part recovered over the interval, for some organs.

    Parameters
    ----------
    organs : frozenset of str or None
        Organ keys; None for all.
    steps : tuple of (months, part)
        The part holds from that interval on.
    after : frozenset of float
        Months of steps that must be exceeded.
    linear : (from_months, per_year, cap) or None
        In place of steps.
    group : str
        What the organs are called together; may be empty.
    """

    organs: frozenset[str] | None
    steps: tuple[tuple[float, float], ...] = ()
    after: frozenset[float] = frozenset()
    linear: tuple[float, float, float] | None = None
    group: str = ""

    def part(self, months: float) -> float:
        """Part recovered, 0 to 1."""
        if self.linear is not None:
            from_months, per_year, cap = self.linear
            return min(per_year * months / MONTHS_PER_YEAR, cap) if months >= from_months else 0.0
        return max((part for start, part in self.steps if months > start or (months == start and start not in self.after)), default=0.0)

    def __str__(self) -> str:
        if self.linear is not None:
            from_months, per_year, cap = self.linear
            return f"{per_year:.0%} per year from {from_months:g} months, at most {cap:.0%}"
        words = [f"{part:.0%} {'after' if start in self.after else 'from'} {start:g} months" for start, part in self.steps]
        return ", ".join(words) or "none"


@dataclass(frozen=True, slots=True)
class RecoveryModel:
    """A cited model, or a user's own.

    Parameters
    ----------
    key, label : str
    curves : tuple of Curve
    reference : str
        Key of the references; empty for a user's own.
    status : str
        VERIFIED, SECONDARY or user.
    evidence : str
        consensus, institution, review, none; ``not_stated`` for a user's own.
    note : str
    source : str
        Citation, or what the user gave.
    """

    key: str
    label: str
    curves: tuple[Curve, ...]
    reference: str
    status: Literal["VERIFIED", "SECONDARY", "user"]
    evidence: str
    note: str
    source: str

    @property
    def doi(self) -> str:
        """DOI of the source; empty where none was seen."""
        return references()[self.reference].doi if self.reference else ""

    @property
    def organs(self) -> tuple[str, ...] | None:
        """Organ keys the source speaks of, sorted; None for all."""
        if any(c.organs is None for c in self.curves):
            return None
        return tuple(sorted(key for c in self.curves for key in c.organs or ()))

    def covers(self, organ_key: str) -> bool:
        """Whether the source speaks of the organ."""
        return self.organs is None or organ_key in self.organs

    def part(self, organ_key: str, months: float) -> float:
        """Part of the earlier EQD2 that is recovered after an interval.

        The only curve serves organs too of which the source does not speak (see `recovered` for when that is allowed); of several curves none does.

        Parameters
        ----------
        organ_key : str
        months : float
            From the end of the earlier course to the start of the proposed one.

        Returns
        -------
        float
            0 to 1.

        Raises
        ------
        ParameterError
            For months below zero or not finite.

        >>> [recovery_models()["doi_2021"].part("spinal_cord", m) for m in (5.9, 6, 18)]
        [0.0, 0.25, 0.5]
        """
        not_negative("months", months)
        curve = self._curve(organ_key)
        return 0.0 if curve is None else curve.part(months)

    @staticmethod
    def range(organ_key: str, months: float) -> tuple[float, float]:
        """Least and largest part over all shipped models that speak of the organ, `none` among them; see `part`.

        >>> RecoveryModel.range("rectum", 18)
        (0.0, 0.5)
        """
        parts = [m.part(organ_key, months) for m in recovery_models().values() if m.covers(organ_key)]
        return min(parts), max(parts)

    def _curve(self, organ_key: str) -> Curve | None:
        if len(self.curves) == 1:
            return self.curves[0]
        return next((c for c in self.curves if c.organs is None or organ_key in c.organs), None)

    def _gives_nothing(self, organ_key: str) -> bool:
        """Whether the model itself has no recovery of the organ at any time."""
        curve = self._curve(organ_key)
        return curve is not None and curve.linear is None and not curve.steps


@dataclass(frozen=True, slots=True)
class Recovered:
    """Part recovered, 0 to 1, and why."""

    part: float
    reason: str


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of a listing; `organs` and `what` have one entry per group of organs."""

    key: str
    what: tuple[str, ...]
    organs: tuple[str, ...]
    status: str
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A recovery that was seen and is not offered, and why."""

    what: str
    reason: str


@cache
def recovery_models() -> Mapping[str, RecoveryModel]:
    """All shipped models by key, `none` first."""
    return MappingProxyType({table["key"]: _model(table) for table in _data()["model"]})


@cache
def left_out() -> tuple[LeftOut, ...]:
    """What was seen and is not offered."""
    return tuple(LeftOut(**table) for table in _data()["left_out"])


def custom(steps: Sequence[tuple[float, float]], source: str) -> RecoveryModel:
    """Return a user's own steps as a model for every organ it is given to.

    Parameters
    ----------
    steps : sequence of (months, part)
        Rising months of at least zero; parts of 0 to 1 that do not fall; each holds from its month on.
    source : str
        Where they come from.

    Raises
    ------
    ParameterError
        For anything else.

    >>> custom([(6, 0.2), (24, 0.4)], "tumour board").part("rectum", 12)
    0.2
    """
    form = "needed are steps [months, part] with rising months of at least zero and parts from 0 to 1 that do not fall, as in [[6, 0.25], [12, 0.5]]"
    if not source.strip():
        raise ParameterError("The recovery steps have no source; needed is where they come from. Name it under source.")
    if not steps:
        raise ParameterError(f"There are no recovery steps; {form}. Give some, or write none for no recovery.")
    for months, part in steps:
        if not (math.isfinite(months) and months >= 0):
            raise ParameterError(f"A recovery step is at {months:g} months; {form}. Correct it.")
        if not 0 <= part <= 1:
            raise ParameterError(f"A recovery step has the part {part:g}; {form}. Write 25 % as 0.25.")
    for (months, part), (next_months, next_part) in pairwise(steps):
        if next_months <= months:
            raise ParameterError(f"A recovery step at {next_months:g} months follows one at {months:g}; {form}. Order them.")
        if next_part < part:
            raise ParameterError(f"The recovered part falls from {part:g} at {months:g} months to {next_part:g} at {next_months:g}; {form}. Correct it.")
    curve = Curve(None, tuple((float(months), float(part)) for months, part in steps))
    return RecoveryModel("custom", str(curve), (curve,), "", "user", "not_stated", "", printable(source, 200))


def refusal(model: RecoveryModel, organ_key: str, rationale: str) -> str | None:
    """Return the sentence that refuses a model chosen for this organ, or None when it may be used.

    Parameters
    ----------
    model : RecoveryModel
    organ_key : str
    rationale : str
        Why it is used all the same; may be empty.

    References
    ----------
    NIEDER00 : heart, bladder and kidney have no recovery from late damage.
    HOYER : kidney.
    """
    if model._gives_nothing(organ_key):
        return None
    name = printable(organ_key, 40)
    if model._curve(organ_key) is None:
        return (
            f"The recovery model {model.key} has no part for the organ {name}; needed is a model that has. "
            "Choose another model, write none, or give steps of your own with their source."
        )
    if rationale.strip():
        return None
    todo = "Write none for this organ, or add a rationale."
    if organ_key in NOT_RECOVERING:
        cited = " and ".join(r.citation.rstrip(".") for r in NOT_RECOVERING[organ_key])
        return (
            f"The recovery model {model.key} is chosen for the organ {name}, which does not recover from late damage ({cited}); needed is a rationale. {todo}"
        )
    if not model.covers(organ_key):
        return f"The recovery model {model.key} is chosen for the organ {name}, of which its source does not speak; needed is a rationale. {todo}"
    return None


def recovered(model: RecoveryModel, organ_key: str, months: float | None, rationale: str = "") -> Recovered:
    """Part of the earlier EQD2 of an organ that is recovered; 0 in every doubt, with the reason.

    Parameters
    ----------
    model : RecoveryModel
    organ_key : str
    months : float or None
        From the end of the earlier course to the start of the proposed one; None when unknown.
    rationale : str
        Why the model is used for an organ that its source leaves out, or that does not recover.

    >>> recovered(recovery_models()["paradis_2019"], "bladder", 24)
    Recovered(part=0.0, reason='no recovery: the organ is one that does not recover from late damage, and no rationale is given')
    """
    if model._gives_nothing(organ_key):
        return Recovered(0.0, "no recovery assumed")
    if model._curve(organ_key) is None:
        return Recovered(0.0, f"no recovery: {model.key} has no part for this organ")
    if not rationale.strip():
        if organ_key in NOT_RECOVERING:
            return Recovered(0.0, "no recovery: the organ is one that does not recover from late damage, and no rationale is given")
        if not model.covers(organ_key):
            return Recovered(0.0, f"no recovery: the source of {model.key} does not speak of this organ, and no rationale is given")
    if months is None or not math.isfinite(months):
        return Recovered(0.0, "no recovery: the interval is not known")
    if months < 0:
        return Recovered(0.0, "no recovery: the interval is below zero")
    part = model.part(organ_key, months)
    return Recovered(part, f"{model.key}: {part:.3g} of the EQD2 recovered after {months:.1f} months")


def as_rows() -> tuple[ModelRow, ...]:
    """Shipped models for a listing."""
    return tuple(
        ModelRow(m.key, tuple(str(c) for c in m.curves), tuple(_organs_of(c) for c in m.curves), m.status, m.source, m.note) for m in recovery_models().values()
    )


def _organs_of(curve: Curve) -> str:
    if curve.organs is None:
        return "all"
    return curve.group or ", ".join(sorted(curve.organs)) or "not stated"


def _model(table: Mapping[str, Any]) -> RecoveryModel:
    curves = tuple(_curve_from(c) for c in table.get("curve", [table]))
    own = {key: table[key] for key in ("key", "label", "reference", "status", "evidence", "note")}
    return RecoveryModel(curves=curves, source=references()[table["reference"]].citation, **own)


def _curve_from(table: Mapping[str, Any]) -> Curve:
    linear = table.get("linear")
    return Curve(
        organs=None if table["organs"] == "all" else frozenset(table["organs"]),
        steps=tuple((float(months), float(part)) for months, part in table.get("steps", ())),
        after=frozenset(float(months) for months in table.get("after", ())),
        linear=linear and (linear["from_months"], linear["per_year"], linear["cap"]),
        group=table.get("group", ""),
    )


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = tomllib.loads(files("reirrad").joinpath("data", "recovery.toml").read_text(encoding="utf-8"))
    return data


NOT_RECOVERING: Final[Mapping[str, tuple[Reference, ...]]] = MappingProxyType(
    {table["organ"]: tuple(references()[key] for key in table["references"]) for table in _data()["not_recovering"]}
)
