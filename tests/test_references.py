"""Every source that a docstring names stands in the list of references, with what was seen of it."""

from __future__ import annotations

import ast
import re

import pytest
from conftest import ROOT

from reirrad.organs import references

PLACES = sorted((ROOT / "reirrad").rglob("*.py"))


def cited(source: str) -> list[str]:
    """First word of each unindented line of every References section."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            for section in re.findall(r"^References\n-+\n(.+?)(?:\n\n|\Z)", ast.get_docstring(node) or "", re.M | re.S):
                found += [re.match(r"\w+", line)[0] for line in section.splitlines() if not line.startswith(" ")]
    return found


@pytest.mark.parametrize("path", PLACES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_cited_sources_exist(path):
    unknown = {key for key in cited(path.read_text(encoding="utf-8")) if key != "DICOM"} - set(references())
    assert not unknown


def test_the_sections_are_found():
    everywhere = {key for path in PLACES for key in cited(path.read_text(encoding="utf-8"))}
    assert {"fowler_1989", "voyant_2014", "thames_1985", "park_2008", "niemierko_1999", "wedenberg_2013", "DICOM"} <= everywhere
    assert cited('def f():\n    """X.\n\n    References\n    ----------\n    a_1 : one,\n        more.\n    b_2, two.\n\n    >>> 1\n    """\n') == [
        "a_1",
        "b_2",
    ]
