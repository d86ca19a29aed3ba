"""One limit as written in a file: what its keys may hold, and what makes them contradict each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reirrad.limit import CLAUSE_KEYS, Clause, Limit, Recovery
from reirrad.metrics import parse_metric
from reirrad.organs import organ, references
from reirrad.yamlfile import Place, Text

__all__ = ["ClauseEntry", "LimitEntry", "contradictions", "limit_from"]

MOST_MONTHS: Final = 600.0
LARGEST: Final = {"Gy": 1000.0, "cc": 1e5, "%": 100.0}
# Organs of which a body has one on each side, so that a limit may be meant for both together.
PAIRED: Final = frozenset({
    "brachial_plexus", "carotid_artery", "cochlea", "femoral_head", "femoral_vessels", "femur", "iliac_crest", "kidney", "lung", "optic_nerve", "ovary",
    "parotid", "renal_cortex", "ureter",
})  # fmt: skip


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
Months = Annotated[float, Field(ge=0, le=MOST_MONTHS)]
Count = Annotated[int, Field(ge=1, le=200)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ClauseEntry(_Entry):
    """One clause as written in a file."""

    what: Literal["this_course", "each_course", "ratio", "interval"]
    comparator: Literal["<=", "<", ">="] | None = None
    limit_gy: Amount | None = None
    limit: Amount | None = None
    limit_months: Amount | None = None


class LimitEntry(_Entry):
    """One limit as written in a file."""

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
    recovery: Recovery = "not_stated"
    min_interval_months: Months | None = None
    max_interval_months: Months | None = None
    min_fractions: Count | None = None
    max_fractions: Count | None = None
    evidence: Literal["consensus", "guideline", "series", "expert", "protocol", "not_stated"] = "not_stated"
    source: Words
    doi: Words | None = None
    reference: Words | None = None
    note: Words | None = None
    clauses: Annotated[list[ClauseEntry], Field(min_length=1)] | None = None
    combine_sides: bool = False
    region: Words | None = None
    endpoint: Words | None = None
    own_alpha_beta: bool = False


def contradictions(entry: LimitEntry) -> Iterable[tuple[Place, str]]:
    """Places of a written limit that do not go together, each with what is wrong."""
    yield from (((key,), message) for key, message in _problems(entry))
    yield from _clause_problems(entry)


def _problems(entry: LimitEntry) -> Iterable[tuple[str, str]]:
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
    if entry.recovery == "built_in" and entry.min_interval_months is None:
        yield "recovery", "a limit with recovery built in holds only after its interval: needed min_interval_months"
    if entry.combine_sides and entry.organ not in PAIRED:
        yield "combine_sides", f"the organ {entry.organ} has no two sides to be taken together"
    if entry.own_alpha_beta and entry.quantity == "physical":
        yield "own_alpha_beta", "a physical dose has no alpha/beta"


def _clause_problems(entry: LimitEntry) -> Iterable[tuple[Place, str]]:
    clauses = entry.clauses or []
    if clauses and (entry.scope != "cumulative" or parse_metric(entry.metric).is_volume):
        yield ("clauses",), "clauses belong to a limit with the scope cumulative and a dose as its metric"
        return
    for i, clause in enumerate(clauses):
        place: Place = ("clauses", i)
        key, unit = CLAUSE_KEYS[clause.what]
        if [k for k in ("limit_gy", "limit", "limit_months") if getattr(clause, k) is not None] != [key]:
            yield place, f"a clause {clause.what} needs the key {key}, and no other limit"
            continue
        value = getattr(clause, key)
        largest = {"Gy": entry.limit_gy or entry.limit or LARGEST["Gy"], "": 1.0, "months": MOST_MONTHS}[unit]
        if value > largest:
            yield (*place, key), f"found {value:g}, needed at most {largest:g} {unit}".rstrip() + ": beyond that the clause could never fail"
        if clause.what in [earlier.what for earlier in clauses[:i]]:
            yield place, f"the clause {clause.what} is given twice"
        if clause.comparator is not None and (clause.comparator == ">=") != (clause.what == "interval"):
            yield (*place, "comparator"), f"the comparator {clause.comparator} does not fit the clause {clause.what}"
        if clause.what == "interval" and entry.min_interval_months is not None:
            yield place, "the interval is given twice, here and as min_interval_months; needed once"


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
    clauses = tuple(_clause_from(clause) for clause in entry.clauses or ())
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
        clauses=clauses,
        combine_sides=entry.combine_sides,
        region=entry.region or "",
        endpoint=entry.endpoint or "",
        citation=reference.citation if reference else "",
        own_alpha_beta=entry.own_alpha_beta,
    )


def _clause_from(entry: ClauseEntry) -> Clause:
    key, unit = CLAUSE_KEYS[entry.what]
    return Clause(entry.what, entry.comparator or (">=" if entry.what == "interval" else "<="), getattr(entry, key), unit)
