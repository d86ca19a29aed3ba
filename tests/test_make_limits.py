"""The table of limits in the documents: as generated, and every limit on a phantom as worked out by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from conftest import ROOT

from reirrad.constraints import select, set_names
from reirrad.limit import Clause, Limit

sys.path.insert(0, str(ROOT / "docs"))
import make_limits

LIBRARY = select(set_names())


def by_hand(limit: Limit, step: str) -> str:
    """Status of a value that lies `step` from the limit."""
    bound = Decimal(repr(limit.limit))
    value = bound + Decimal(step)
    if limit.comparator == ">=":
        return "exceed" if value < bound else "caution" if value < bound * Decimal("1.05") else "pass"
    if value > bound or (limit.comparator == "<" and value == bound):
        return "exceed"
    careful = bound * Decimal("0.95") if limit.caution is None else min(Decimal(repr(limit.caution)), bound * Decimal("0.95"))
    return "caution" if value > careful else "pass"


def clause_by_hand(clause: Clause, step: str) -> str:
    if step == "0":
        return "pass"
    return "exceed" if (clause.comparator == ">=") == step.startswith("-") else "pass"


@pytest.mark.hazard("H17")
@pytest.mark.parametrize("limit", LIBRARY, ids=lambda limit: limit.id)
def test_every_limit_on_a_phantom(limit):
    first, *clauses = make_limits.trials(limit)
    assert first.values == pytest.approx((limit.limit - 0.1, limit.limit, limit.limit + 0.1))
    assert first.statuses == (by_hand(limit, "-0.1"), by_hand(limit, "0"), by_hand(limit, "0.1"))
    for trial, clause in zip(clauses, limit.clauses, strict=True):
        assert trial.clause is clause
        assert trial.statuses == tuple(clause_by_hand(clause, step) for step in ("-0.1", "0", "0.1"))


def test_the_rule_by_hand():
    (limit,) = [limit for limit in LIBRARY if limit.id == "oesophagus-rulach"]
    assert [by_hand(limit, step) for step in ("-30", "-25", "-24.9", "-0.1", "0", "0.1")] == ["pass", "pass", "caution", "caution", "caution", "exceed"]
    plain = replace(limit, caution=None)
    assert [by_hand(plain, step) for step in ("-5", "-4.9", "0", "0.1")] == ["pass", "caution", "caution", "exceed"]
    assert [by_hand(replace(plain, comparator="<"), step) for step in ("-5", "-4.9", "0")] == ["pass", "caution", "exceed"]
    assert [by_hand(replace(plain, comparator=">="), step) for step in ("-0.1", "0", "5")] == ["exceed", "caution", "pass"]


def test_the_document_is_as_generated():
    assert (ROOT / "docs" / "limits.md").read_text(encoding="utf-8") == make_limits.rendered(), "run python docs/make_limits.py"


def test_the_document_tells_every_limit_and_what_is_left_out():
    text = make_limits.rendered()
    assert all(f"| `{limit.id}` |" in text for limit in LIBRARY)
    assert text.count("\n| and |") == sum(len(limit.clauses) for limit in LIBRARY)
    assert "- `cord-ars` Dmax < 57 Gy" in text
    assert "Here: 2 Gy, the careful choice" in text
