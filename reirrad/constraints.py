"""Dose limits: a cited library and limits files of users, validated before they are held against anything.

A limit without a source, with a unit that does not fit its metric, or without the alpha/beta its EQD2 needs is refused
as a whole, never repaired.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, RootModel, ValidationError

from reirrad.errors import LimitFileError, printable
from reirrad.limit import Clause, Limit, conflicts
from reirrad.limitentry import LimitEntry, contradictions, limit_from
from reirrad.organs import organ, references
from reirrad.yamlfile import Document, Problem, did_you_mean, load_yaml

__all__ = ["Clause", "LeftOut", "Limit", "left_out", "load_limits", "load_set", "other_alpha_beta", "select", "set_names"]


# Doses that differ by less are the same.
SAME_GY = 1e-6
# What was published and is no limit of the library, among the sets.
LEFT_OUT = "left_out.toml"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A published statement that is no limit of the library.

    Parameters
    ----------
    key : str
    organ : str
        Organ key; empty when it is about none.
    says : str
        What was published.
    reason : str
        Why it is no limit here.
    citation : str
    """

    key: str
    organ: str
    says: str
    reason: str
    citation: str


class _File(RootModel[Annotated[list[LimitEntry], Field(min_length=1)]]):
    """A limits file: a list of limits."""


def load_limits(path: Path, shown_as: str, alpha_beta_gy: Mapping[str, float] | None = None) -> tuple[Limit, ...]:
    """Read a limits file (YAML) of a user.

    Parameters
    ----------
    path : Path
        Where it lies.
    shown_as : str
        Its name in messages.
    alpha_beta_gy : mapping of str to float, optional
        When given, every limit must be published for the alpha/beta of its organ, that of the organ library where the organ is not named here,
        or say with ``own_alpha_beta`` that it is meant to differ.

    Returns
    -------
    tuple of Limit
        In the order of the file, with status ``user``; limits without id get one made of organ, metric and scope.

    Raises
    ------
    LimitFileError
        With every problem and its line: unknown keys, organs or metrics, values that are not positive, a unit that
        does not fit the metric, alpha/beta missing for EQD2 or BED, an empty source, ids given twice, an optimal
        limit looser than its mandatory one; with `alpha_beta_gy` also an alpha/beta that differs, and a physical dose over all courses.
    """
    document = load_yaml(path, shown_as, LimitFileError)
    entries = document.validate(_File).root
    _refuse_any(document, [Problem((i, *place), message) for i, entry in enumerate(entries) for place, message in contradictions(entry)])
    limits = _with_ids(entries)
    problems = [Problem((i,), message) for i, message in conflicts(limits)]
    if alpha_beta_gy is not None:
        differing = other_alpha_beta(limits, alpha_beta_gy)
        problems += [
            Problem((i, "alpha_beta_gy"), f"{message}; needed is the same value, or own_alpha_beta: true to say that it is meant to differ")
            for i, message in differing
            if not limits[i].own_alpha_beta
        ]
        problems += [
            Problem((i, "quantity"), "physical doses of courses are not summed, so this limit is never evaluable; a cumulative limit needs EQD2 or BED")
            for i, limit in enumerate(limits)
            if limit.quantity == "physical" and limit.scope == "cumulative"
        ]
    _refuse_any(document, problems)
    return limits


def other_alpha_beta(limits: Sequence[Limit], alpha_beta_gy: Mapping[str, float]) -> list[tuple[int, str]]:
    """Limits, by number, published for another alpha/beta than that of their organ.

    Parameters
    ----------
    limits : sequence of Limit
    alpha_beta_gy : mapping of str to float
        Alpha/beta by organ key; where an organ is missing, that of the organ library counts.
    """
    found = []
    for i, limit in enumerate(limits):
        of_organ = alpha_beta_gy.get(limit.organ, organ(limit.organ).alpha_beta_gy)
        if limit.alpha_beta_gy is not None and abs(limit.alpha_beta_gy - of_organ) > SAME_GY:
            found.append((i, f"the limit is for alpha/beta {limit.alpha_beta_gy:g} Gy, the dose of the organ {limit.organ} for {of_organ:g} Gy"))
    return found


def set_names() -> tuple[str, ...]:
    """Names of the limit sets of the library, sorted."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in _folder().iterdir() if f.name.endswith(".toml") and f.name != LEFT_OUT))


@cache
def left_out() -> tuple[LeftOut, ...]:
    """Published statements that are no limits of the library, each with the reason."""
    tables = tomllib.loads(_folder().joinpath(LEFT_OUT).read_text(encoding="utf-8"))
    return tuple(LeftOut(key, t.get("organ", ""), t["says"], t["reason"], references()[t["reference"]].citation) for key, t in tables.items())


@cache
def load_set(name: str) -> tuple[Limit, ...]:
    """Return a limit set of the library.

    Raises
    ------
    LimitFileError
        When there is no such set.
    """
    if name not in set_names():
        raise LimitFileError(
            f'"{printable(name, 40)}" is not a limit set of the library ({", ".join(set_names())}){did_you_mean(name, set_names()).rstrip("?")}; '
            "needed one of them, or the name of a limits file that ends in .yaml."
        )
    return limits_of_set(tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8")))


def select(names_or_limits: Iterable[str | Limit]) -> tuple[Limit, ...]:
    """Limits of several sets, and single limits, each once.

    Raises
    ------
    LimitFileError
        For an unknown set, or two different limits with one id.
    """
    chosen: dict[str, Limit] = {}
    for item in names_or_limits:
        for limit in load_set(item) if isinstance(item, str) else (item,):
            if chosen.setdefault(limit.id, limit) != limit:
                raise LimitFileError(f'Two different limits have the id "{printable(limit.id)}"; ids must differ.')
    return tuple(chosen.values())


def limits_of_set(table: Mapping[str, Any]) -> tuple[Limit, ...]:
    """Limits of a parsed set of the library: groups filled in, one limit per organ and number of fractions.

    Raises
    ------
    LimitFileError
        When the set does not hold what every limit needs.
    """
    shared = {"region": table["region"]} if "region" in table else {}
    rows = [row for limit in table["limit"] for row in _rows({**shared, **table.get("group", {}).get(limit.get("group"), {}), **limit})]
    limits = []
    for row in rows:
        status = row.pop("status", None)
        try:
            entry = LimitEntry.model_validate(row)
        except ValidationError as error:
            raise LimitFileError(f"Limit {row.get('id')}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}.") from None
        problems = [message for _, message in contradictions(entry)]
        if entry.id is None or status not in ("VERIFIED", "SECONDARY") or entry.reference not in references() or entry.evidence == "not_stated":
            problems.append("a limit of the library needs an id, a status, its evidence, and a reference that exists")
        if problems:
            raise LimitFileError(f"Limit {entry.id}: {'; '.join(problems)}.")
        limits.append(limit_from(entry, str(entry.id), status))
    if looser := [f"limit {limits[i].id}: {message}" for i, message in conflicts(limits)]:
        raise LimitFileError(f"{'; '.join(looser)}.")
    return tuple(limits)


def _folder() -> Any:
    return files("reirrad").joinpath("data", "constraints")


def _rows(table: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Spread a table over its organs and numbers of fractions."""
    shared = {k: v for k, v in table.items() if k not in ("group", "organs", "limit_gy_by_fractions")}
    organs, by_fractions = table["organs"], table.get("limit_gy_by_fractions", {None: None})
    for key in organs:
        for n, limit_gy in by_fractions.items():
            row = {**shared, "organ": key, "id": shared["id"] + (f"-{key}" if len(organs) > 1 else "")}
            if n is not None:
                row |= {"id": f"{row['id']}-{n}fx", "limit_gy": limit_gy, "min_fractions": int(n), "max_fractions": int(n)}
            yield row


def _with_ids(entries: Sequence[LimitEntry]) -> tuple[Limit, ...]:
    """Limits of a file; those without id are called by what they limit, counted where that is not enough."""
    taken = {entry.id for entry in entries}
    limits = []
    for entry in entries:
        limit_id = entry.id
        if limit_id is None:
            stem = limit_id = f"{entry.organ}-{entry.metric}-{entry.quantity}-{entry.scope}-{entry.level}"
            number = 1
            while limit_id in taken:
                number += 1
                limit_id = f"{stem}-{number}"
            taken.add(limit_id)
        limits.append(limit_from(entry, limit_id, "user"))
    return tuple(limits)


def _refuse_any(document: Document, problems: list[Problem]) -> None:
    if problems:
        document.refuse(problems)
