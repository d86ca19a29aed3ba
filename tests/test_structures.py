from __future__ import annotations

import pytest

from reirrad.structures import Structure


@pytest.mark.parametrize(
    ("interpreted", "kind"),
    [("PTV", "target"), ("ctv", "target"), ("GTV", "target"), ("External", "external"), ("ORGAN", "other"), ("AVOIDANCE", "other"), ("", "other")],
)
def test_kind_of_a_structure(interpreted: str, kind: str) -> None:
    assert Structure("x", 1, (), interpreted).kind == kind
