"""One dose limit: what it says, and what makes a written one contradict itself or its neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reirrad.errors import printable
from reirrad.metrics import Metric, parse_metric
from reirrad.organs import organ, references
from reirrad.yamlfile import Text

__all__ = ["Limit", "LimitEntry", "conflicts", "contradictions", "limit_from"]

LARGEST: Final = {"Gy": 1000.0, "cc": 1e5, "%": 100.0}


@dataclass(frozen=True, slots=True)
class Limit:
    """One dose limit.

    Parameters
    ----------
    id : str
        Unique among the limits used together.
    organ : str
        Organ key.
    structure : str
        What the source actually means, when the organ key does not say it (``thecal sac``); may be empty.
    metric : Metric
    quantity : str
        What the doses in the metric and in the limit are.
    alpha_beta_gy : float or None
        For EQD2 and BED; None for physical dose.
    scope : str
        ``cumulative`` (all courses) or ``course`` (the proposed course alone).
    limit, caution : float
        In `unit`. A value beyond `caution` (the careful end of a published range) but within `limit` is a caution.
    unit : str
        Gy for dose metrics, cc or % for volume metrics.
    comparator : str
        ``<=``, ``<``, or ``>=`` for the spared volume.
    level : str
        ``mandatory`` or ``optimal``.
    recovery : str
        Whether the source applies to the ``raw`` sum, has recovery ``built_in``, or does not say (``not_stated``).
    min_interval_months, max_interval_months : float or None
        Interval between the courses for which the limit was published.
    min_fractions, max_fractions : int or None
        Fractions of the proposed course for which it was published.
    evidence : str
        consensus, guideline, series, expert, protocol; ``not_stated`` in files of users.
    status : str
        VERIFIED, SECONDARY, or ``user``.
    source : str
        Short citation.
    doi, reference, note : str
        May be empty; `reference` is a key of the references.
    """

    id: str
    organ: str
    structure: str
    metric: Metric
    quantity: Literal["EQD2", "BED", "physical"]
    alpha_beta_gy: float | None
    scope: Literal["cumulative", "course"]
    limit: float
    caution: float | None
    unit: Literal["Gy", "cc", "%"]
    comparator: Literal["<=", "<", ">="]
    level: Literal["mandatory", "optimal"]
    recovery: Literal["raw", "built_in", "not_stated"]
    min_interval_months: float | None
    max_interval_months: float | None
    min_fractions: int | None
    max_fractions: int | None
    evidence: Literal["consensus", "guideline", "series", "expert", "protocol", "not_stated"]
    status: Literal["VERIFIED", "SECONDARY", "user"]
    source: str
    doi: str = ""
    reference: str = ""
    note: str = ""

    @property
    def comparable(self) -> tuple[object, ...]:
        """What two limits share when the one may only be stricter or looser than the other."""
        conditions = (self.recovery, self.min_interval_months, self.max_interval_months, self.min_fractions, self.max_fractions)
        return (self.organ, self.metric, self.quantity, self.alpha_beta_gy, self.scope, self.unit, self.comparator == ">=", *conditions)

    def is_looser_than(self, other: Limit) -> bool:
        """Whether this comparable limit permits more."""
        return self.limit < other.limit if self.comparator == ">=" else self.limit > other.limit


def _known_organ(key: str) -> str:
    return organ(key).key


def _known_metric(text: str) -> str:
    return str(parse_metric(text))


def _sourced(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    return " ".join(text.split())


Words = Annotated[Text, AfterValidator(_sourced), Field(max_length=1000)]
Amount = Annotated[float, Field(gt=0)]
Months = Annotated[float, Field(ge=0, le=600)]
Count = Annotated[int, Field(ge=1, le=200)]


class LimitEntry(BaseModel):
    """One limit as written in a file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    id: Words | None = None
    organ: Annotated[str, AfterValidator(_known_organ)]
    structure: Words | None = None
    metric: Annotated[str, AfterValidator(_known_metric)]
    quantity: Literal["EQD2", "BED", "physical"]
    alpha_beta_gy: float | None = Field(default=None, ge=0.1, le=50)
    scope: Literal["cumulative", "course"]
    limit_gy: Amount | None = None
    caution_gy: Amount | None = None
    limit: Amount | None = None
    caution: Amount | None = None
    unit: Literal["Gy", "cc", "%"] | None = None
    comparator: Literal["<=", "<", ">="] | None = None
    level: Literal["mandatory", "optimal"]
    recovery: Literal["raw", "built_in", "not_stated"] = "not_stated"
    min_interval_months: Months | None = None
    max_interval_months: Months | None = None
    min_fractions: Count | None = None
    max_fractions: Count | None = None
    evidence: Literal["consensus", "guideline", "series", "expert", "protocol", "not_stated"] = "not_stated"
    source: Words
    doi: Words | None = None
    reference: Words | None = None
    note: Words | None = None


def contradictions(entry: LimitEntry) -> Iterable[tuple[str, str]]:
    """Keys of a written limit that do not go together, each with what is wrong."""
    metric = parse_metric(entry.metric)
    unit = _unit(entry)
    given = [key for key in ("limit_gy", "limit") if getattr(entry, key) is not None]
    if metric.is_volume and unit not in ("cc", "%"):
        yield "metric", f"the metric {metric} is a volume: its limit needs the keys limit and unit (cc or %), not limit_gy"
    elif not metric.is_volume and unit != "Gy":
        yield "metric", f"the metric {metric} is a dose: its limit needs the key limit_gy"
    elif len(given) != 1 or (given == ["limit"] and entry.unit is None) or (given == ["limit_gy"] and entry.unit not in (None, "Gy")):
        yield (given or ["metric"])[-1], "a limit needs either the key limit_gy, or the keys limit and unit"
    elif _value(entry) > LARGEST[unit]:
        yield given[0], f"found a limit of {_value(entry):g} {unit}, needed at most {LARGEST[unit]:g} {unit}"
    else:
        yield from _caution_problems(entry)
    if entry.quantity != "physical" and entry.alpha_beta_gy is None:
        yield "quantity", f"a limit in {entry.quantity} needs alpha_beta_gy, for which it was published"
    if (_comparator(entry) == ">=") != (metric.kind == "critical_volume"):
        yield (
            "comparator" if entry.comparator else "metric",
            f"the comparator {entry.comparator} does not fit the metric {metric}; only a spared volume (CV) has a lower limit",
        )
    for low, high in (("min_interval_months", "max_interval_months"), ("min_fractions", "max_fractions")):
        least, most = getattr(entry, low), getattr(entry, high)
        if least is not None and most is not None and least > most:
            yield low, f"{low} is above {high}"


def _caution_problems(entry: LimitEntry) -> Iterable[tuple[str, str]]:
    key = "caution_gy" if entry.limit_gy is not None else "caution"
    if (entry.caution if key == "caution_gy" else entry.caution_gy) is not None:
        yield "caution" if key == "caution_gy" else "caution_gy", f"beside this limit the key is {key}"
    caution = getattr(entry, key)
    if caution is not None and (caution <= _value(entry) if _comparator(entry) == ">=" else caution >= _value(entry)):
        yield key, "the caution value must be on the careful side of the limit"


def _unit(entry: LimitEntry) -> Literal["Gy", "cc", "%"]:
    return entry.unit or "Gy"


def _value(entry: LimitEntry) -> float:
    value = entry.limit if entry.limit_gy is None else entry.limit_gy
    assert value is not None
    return value


def _comparator(entry: LimitEntry) -> Literal["<=", "<", ">="]:
    return entry.comparator or (">=" if entry.metric.startswith("CV") else "<=")


def limit_from(entry: LimitEntry, limit_id: str, status: Literal["VERIFIED", "SECONDARY", "user"]) -> Limit:
    """Make the limit of an entry without contradictions."""
    reference = references().get(entry.reference or "")
    return Limit(
        id=limit_id,
        organ=entry.organ,
        structure=entry.structure or "",
        metric=parse_metric(entry.metric),
        quantity=entry.quantity,
        alpha_beta_gy=None if entry.quantity == "physical" else entry.alpha_beta_gy,
        scope=entry.scope,
        limit=_value(entry),
        caution=entry.caution if entry.caution_gy is None else entry.caution_gy,
        unit=_unit(entry),
        comparator=_comparator(entry),
        level=entry.level,
        recovery=entry.recovery,
        min_interval_months=entry.min_interval_months,
        max_interval_months=entry.max_interval_months,
        min_fractions=entry.min_fractions,
        max_fractions=entry.max_fractions,
        evidence=entry.evidence,
        status=status,
        source=entry.source,
        doi=entry.doi or (reference.doi if reference else ""),
        reference=entry.reference or "",
        note=entry.note or "",
    )


def conflicts(limits: Sequence[Limit]) -> Iterable[tuple[int, str]]:
    """Limits, by number, that contradict an earlier or mandatory one."""
    first: dict[str, int] = {}
    mandatory: dict[tuple[object, ...], Limit] = {}
    for limit in limits:
        strictest = mandatory.get(limit.comparable)
        if limit.level == "mandatory" and (strictest is None or strictest.is_looser_than(limit)):
            mandatory[limit.comparable] = limit
    for i, limit in enumerate(limits):
        if limit.id in first:
            yield i, f'the id "{printable(limit.id)}" is given twice; ids must differ'
        first.setdefault(limit.id, i)
        strict = mandatory.get(limit.comparable)
        if limit.level == "optimal" and strict is not None and limit.is_looser_than(strict):
            yield i, f"the optimal limit {limit.limit:g} {limit.unit} is looser than the mandatory {strict.limit:g} {strict.unit} of the same organ and metric"
