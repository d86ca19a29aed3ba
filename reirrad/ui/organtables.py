"""The tables of structures and of alpha/beta, and the case file they stand for."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Final

from reirrad.organs import match_organ, organ, organs
from reirrad.ui.cells import Edits, Row, number, plain_number, put, word
from reirrad.ui.found import FoundStructure
from reirrad.ui.opened import Document

__all__ = ["alpha_beta_rows", "structure_rows", "with_alpha_beta", "with_structures"]

# What stands first: what a person must look at.
ORDER: Final = ("no organ", "two of this name", "not in these structures", "stated", "by its name", "target", "body outline")


def structure_rows(document: Document, structures: Iterable[FoundStructure], *, is_draft: bool = False) -> list[Row]:
    """One row a structure name: what it stands for, and why; first those that stand for nothing yet.

    Parameters
    ----------
    is_draft : bool
        Nobody has checked the document: what it states as names suggest is a guess.
    """
    stated: Mapping[str, object] = document.get("structures") or {}
    rows = []
    seen = set()
    for structure in structures:
        seen.add(structure.name)
        key = word(stated.get(structure.name))
        rows.append(_structure_row(structure, None if is_draft and key == match_organ(structure.name) else key))
    rows += [_row(name, word(key), "not in these structures") for name, key in stated.items() if name not in seen]
    return sorted(rows, key=lambda row: ORDER.index(row["how"].split(",")[0]))


def with_structures(document: Document, rows: list[Row], edits: Edits) -> Document:
    """The document with edited organs; an emptied cell takes back what was stated."""
    new = copy.deepcopy(document)
    stated = new.get("structures") or {}
    for row, cells in edits.items():
        if "organ" not in cells or not 0 <= row < len(rows):
            continue
        put(stated, rows[row]["structure"], cells["organ"] or None)
    put(new, "structures", stated or None)
    return new


def alpha_beta_rows(document: Document, structures: Iterable[FoundStructure]) -> list[Row]:
    """One row an organ, those of the case first: its alpha/beta of the library, and the one stated instead."""
    stated: Mapping[str, object] = document.get("alpha_beta_gy") or {}
    mine = {row["organ"] for row in structure_rows(document, structures)} | set(stated)
    keys = sorted(organs(), key=lambda key: (key not in mine, key))
    return [{"organ": key, "library_gy": organ(key).alpha_beta_gy, "stated_gy": number(stated.get(key))} for key in keys]


def with_alpha_beta(document: Document, rows: list[Row], edits: Edits) -> Document:
    """The document with edited alpha/beta; an emptied cell goes back to the library."""
    new = copy.deepcopy(document)
    stated = new.get("alpha_beta_gy") or {}
    for row, cells in edits.items():
        if "stated_gy" in cells and 0 <= row < len(rows):
            put(stated, rows[row]["organ"], plain_number(cells["stated_gy"]))
    put(new, "alpha_beta_gy", stated or None)
    return new


def _structure_row(structure: FoundStructure, stated: str | None) -> Row:
    if structure.count > 1:
        return _row(structure.name, stated, "two of this name")
    key, how = stated, "stated"
    if key is None:
        key = match_organ(structure.name) if structure.kind == "other" else None
        how = {"target": "target", "external": "body outline"}.get(structure.kind, "no organ" if key is None else "by its name")
    return _row(structure.name, key, how + (", no closed contour" if structure.is_empty else ""))


def _row(name: str, key: str | None, how: str) -> Row:
    return {"structure": name, "organ": key, "how": how}
