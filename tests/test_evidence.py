"""Citations beside options."""

from __future__ import annotations

import pytest

from reirrad.errors import ParameterError
from reirrad.evidence import diseases, evidence
from reirrad.organs import references


def test_statements_on_anal_cancer():
    found = evidence("anal_cancer")
    assert [(r.reference.key, r.patients) for r in found.results] == [("DAMRON24", 64), ("HALLEMEIER14", 32), ("ESMO_ANAL21", None)]
    damron, hallemeier, guideline = (r.citation for r in found.results)
    for number in ("89 %", "63 %", "15 %", "45 %", "n = 64", "no difference in multivariable analysis", "Damron, 2024"):
        assert number in damron
    for number in ("23 %", "17 %", "47 %", "n = 32", "Hallemeier, 2014"):
        assert number in hallemeier
    assert "surgery as the only salvage" in guideline
    assert "n =" not in guideline


def test_what_only_a_review_printed_says_so():
    for disease in diseases().values():
        for result in disease.results:
            assert result.reference is references()[result.reference.key]
            assert (result.status, result.reference.status) == ("SECONDARY", "SECONDARY")
            assert "SECONDARY: as printed in a narrative review" in result.citation


def test_unknown_disease_is_refused_with_what_exists():
    with pytest.raises(ParameterError, match=r'"larynx"; there is some for: anal_cancer'):
        evidence("larynx")
