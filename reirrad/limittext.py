"""Limits written as a limits file, for a person to edit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from reirrad.limit import CLAUSE_KEYS, Limit

__all__ = ["limits_text"]

# Text that needs no quotes in YAML.
PLAIN: Final = re.compile(r"(?!(?:true|false|null)$)[A-Za-z][A-Za-z0-9_.-]*", re.IGNORECASE)


def limits_text(limits: Iterable[Limit], heading: str) -> str:
    """Write limits as a limits file, which is read back to the same limits (with status ``user``).

    Parameters
    ----------
    limits : iterable of Limit
    heading : str
        One line, written as a comment at the top.
    """
    lines = [f"# {heading}"]
    for limit in limits:
        lines += ["", f"# {limit.status}. {limit.citation}".rstrip()]
        written = [(key, value) for key, value in _written(limit) if value is not None and value is not False and value != ""]
        lines += [f"{'  ' if k else '- '}{key}: {_scalar(value)}" for k, (key, value) in enumerate(written)]
        if limit.clauses:
            lines.append("  clauses:")
        for c in limit.clauses:
            lines.append(f"    - {{what: {c.what}, comparator: {_scalar(c.comparator)}, {CLAUSE_KEYS[c.what][0]}: {_scalar(c.limit)}}}")
    return "\n".join(lines) + "\n"


def _written(limit: Limit) -> Iterable[tuple[str, object]]:
    """Keys and values of a limit as they stand in a file, without its clauses."""
    key = {"Gy": "limit_gy"}.get(limit.unit, "limit")
    replaced = {"limit": key, "caution": key.replace("limit", "caution"), "unit": "" if key == "limit_gy" else "unit"}
    for field in fields(limit):
        if field.name not in ("status", "citation", "clauses"):
            name = replaced.get(field.name, field.name)
            if name:
                yield name, getattr(limit, field.name)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value).removesuffix(".0")
    text = str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
