"""The library against the published statements it was made from, transcribed separately."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from conftest import ROOT

from reirrad.constraints import left_out, load_set, select, set_names
from reirrad.disagreements import about_every_organ, disagreements, for_organ
from reirrad.limit import Limit
from reirrad.organs import organs, references

FACTS = tomllib.loads((ROOT / "tests" / "golden" / "limit_facts.toml").read_text(encoding="utf-8"))
LIBRARY = {limit.id: limit for limit in select(set_names())}


def says(limit: Limit) -> Iterator[str]:
    """What a limit says, one statement after the other."""
    quantity = "physical" if limit.quantity == "physical" else f"{limit.quantity}({limit.alpha_beta_gy:g})"
    fractions = f"{limit.min_fractions} fx: " if limit.min_fractions is not None and limit.min_fractions == limit.max_fractions else ""
    yield f"{fractions}{limit.metric} {quantity} {limit.comparator} {limit.limit:g} {limit.unit}"
    if limit.caution is not None:
        yield f"{fractions}{limit.metric} {quantity} caution {limit.caution:g} {limit.unit}"
    for clause in limit.clauses:
        yield f"clause {clause.what} {clause.comparator} {clause.limit:g} {clause.unit}".rstrip()
    if limit.min_interval_months is not None:
        yield f"from {limit.min_interval_months:g} months"
    if limit.max_interval_months is not None:
        yield f"to {limit.max_interval_months:g} months"
    if limit.scope == "cumulative":
        yield f"recovery {limit.recovery}"


@pytest.mark.hazard("H17")
def test_every_published_statement_is_a_limit_or_left_out_with_its_reason():
    assert {key for key, fact in FACTS.items() if not fact["entries"]} == {statement.key for statement in left_out()}
    assert {entry for fact in FACTS.values() for entry in fact["entries"]} == set(LIBRARY)
    assert len(FACTS) == 117


@pytest.mark.hazard("H17")
@pytest.mark.parametrize("entries", sorted({tuple(fact["entries"]) for fact in FACTS.values() if fact["entries"]}), ids=lambda entries: entries[0])
def test_limits_say_what_was_published(entries):
    facts = [fact for fact in FACTS.values() if tuple(fact["entries"]) == entries]
    assert {line for key in entries for line in says(LIBRARY[key])} == {line for fact in facts for line in fact["says"]}
    assert {LIBRARY[key].status for key in entries} == {fact["status"] for fact in facts}


def test_what_is_left_out_has_a_reason_and_a_source():
    for statement in left_out():
        assert statement.organ == "" or statement.organ in organs()
        assert statement.says
        assert statement.reason.endswith(".")
        assert statement.citation in {reference.citation for reference in references().values()}
    assert {s.key for s in left_out() if "alpha/beta" in s.reason} >= {"cord-ars", "bplex-cum95", "aorta-evans"}


@pytest.mark.hazard("H17")
def test_a_limit_stands_in_one_set():
    ids = [limit.id for name in set_names() for limit in load_set(name)]
    assert len(ids) == len(set(ids))


@pytest.mark.hazard("H17")
def test_rules_of_several_conditions_are_one_limit():
    hytec, nieder = LIBRARY["cord-hytec-cum70"], LIBRARY["cord-nieder2006"]
    assert [(c.what, c.comparator, c.limit, c.unit) for c in hytec.clauses] == [
        ("this_course", "<=", 25.0, "Gy"),
        ("ratio", "<=", 0.5, ""),
        ("interval", ">=", 5.0, "months"),
    ]
    assert (hytec.min_fractions, hytec.max_fractions) == (1, 5)
    assert [(c.what, c.limit, c.unit) for c in nieder.clauses] == [("each_course", 98.0, "Gy"), ("interval", 6.0, "months")]
    assert [limit.id for limit in LIBRARY.values() if limit.clauses] == ["cord-hytec-cum70", "cord-nieder2006"]


@pytest.mark.hazard("H17")
def test_only_limits_of_a_paired_organ_take_both_sides():
    both = {limit.organ for limit in LIBRARY.values() if limit.combine_sides}
    assert both == {"kidney", "lung", "renal_cortex"}
    assert not any(limit.organ == "kidney" and limit.metric.kind == "critical_volume" for limit in LIBRARY.values())  # cortex is not the whole kidney


@pytest.mark.hazard("H06")
def test_the_library_holds_no_limit_for_another_alpha_beta_than_that_of_its_organ():
    assert [limit.id for limit in LIBRARY.values() if limit.alpha_beta_gy not in (None, organs()[limit.organ].alpha_beta_gy)] == []


@pytest.mark.hazard("H17")
def test_what_reached_no_consensus_is_not_called_consensus():
    proposals = {limit.id: limit for limit in LIBRARY.values() if limit.reference in ("SLEVIN21", "RULACH21")}
    assert len(proposals) == 22
    agreed = {"cauda-slevin-0-cauda_equina", "cauda-slevin-0-sacral_plexus", "bladder-slevin-12"}
    agreed |= {"cord-rulach", "oesophagus-rulach", "brachial-plexus-rulach", "great-vessels-rulach"}
    assert {key for key, limit in proposals.items() if limit.evidence == "consensus"} == agreed
    assert all(limit.evidence == "expert" for key, limit in proposals.items() if key not in agreed)
    assert all("consensus" in limit.note for limit in proposals.values())


@pytest.mark.hazard("H17")
def test_limits_of_one_course_say_that_they_are_for_tissue_without_earlier_irradiation():
    of_one_course = [limit for limit in LIBRARY.values() if limit.scope == "course"]
    assert {limit.level for limit in of_one_course} == {"optimal"}
    assert [limit.id for limit in of_one_course if "ithout earlier irradiation" not in limit.note] == ["carotid-hytec-5fx"]


@pytest.mark.hazard("H17")
def test_a_limit_with_recovery_built_in_needs_an_interval_and_is_never_mandatory():
    built_in = [limit for limit in LIBRARY.values() if limit.recovery == "built_in"]
    assert len(built_in) == 17
    assert all(limit.level == "optimal" and limit.min_interval_months in (6, 12) for limit in built_in)


def test_disagreements_stand_side_by_side():
    assert len(disagreements()) == 16
    for found in disagreements():
        assert set(found.organs) <= set(organs())
        assert {LIBRARY[key].organ for key in found.limits} <= set(found.organs)
        assert len(found.values) >= 2
        assert all(value.says and value.source for value in found.values)
        assert found.handling.endswith(".")


def test_disagreements_of_an_organ():
    assert [d.topic for d in for_organ("oesophagus")] == ["Cumulative limit of the oesophagus"]
    assert [len(d.values) for d in for_organ("oesophagus")] == [4]
    assert for_organ("trachea") == ()
    assert [d.topic for d in about_every_organ()] == ["How much recovers, and when", "How recovery is applied", "What Gy3 means"]
