"""Half times of repair of organs, with their source.

Few are published. For the other organs a convention stands, chosen so that it gives the higher dose, and says that it is one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from reirrad.errors import ParameterError
from reirrad.organs import organ, organs
from reirrad.parameters import positive

__all__ = ["LONGEST_H", "HalfTime", "convention", "half_time", "half_times"]

# Longer ones, in minutes by mistake, would mean no repair overnight.
LONGEST_H = 24.0


@dataclass(frozen=True, slots=True)
class HalfTime:
    """Half time of repair of one organ.

    Parameters
    ----------
    hours : float
    source : str
        Key of a reference; ``case file`` where the user stated it.
    status : str
        SECONDARY: quoted for this organ; convention: of another tissue; stated: by the user.
    note : str
        About the choice.
    interval_h : (low, high) or None
        95 % interval.
    """

    hours: float
    source: str
    status: Literal["SECONDARY", "convention", "stated"]
    note: str = ""
    interval_h: tuple[float, float] | None = None


def convention() -> HalfTime:
    """Half time where neither the organ nor its half time is known.

    >>> convention().hours
    4.4
    """
    return half_times()["rectum"]


def half_time(organ_key: str, stated_h: float | None = None) -> HalfTime:
    """Half time of repair of an organ: as stated, else as published, else by convention.

    Parameters
    ----------
    stated_h : float, optional
        As the case file states it.

    Raises
    ------
    OrganError
        When no organ has this key.
    ParameterError
        When the stated one is not above zero and at most 24 h.

    >>> found = half_time("rectum")
    >>> found.hours, found.source, found.status
    (4.4, 'BENTZEN99', 'convention')
    >>> half_time("rectum", 2.0)
    HalfTime(hours=2.0, source='case file', status='stated', note='', interval_h=None)
    """
    key = organ(organ_key).key
    if stated_h is None:
        return half_times()[key]
    positive(f"half_time_h of {key}", stated_h)
    if stated_h > LONGEST_H:
        raise ParameterError(f"half_time_h of {key} is {stated_h:g}; needed are at most {LONGEST_H:g} h. Check the unit.")
    return HalfTime(float(stated_h), "case file", "stated")


@cache
def half_times() -> Mapping[str, HalfTime]:
    """Half times of all organs by key."""
    tables = tomllib.loads(files("reirrad").joinpath("data", "half_times.toml").read_text(encoding="utf-8"))
    nervous = tables["convention_nervous"].pop("organs")
    by_key = dict.fromkeys(organs(), tables["convention"]) | dict.fromkeys(nervous, tables["convention_nervous"]) | tables["organs"]
    return {key: _half_time_from(table) for key, table in by_key.items()}


def _half_time_from(table: Mapping[str, Any]) -> HalfTime:
    interval = table.get("interval_h")
    return HalfTime(table["hours"], table["source"], table["status"], table["note"], tuple(interval) if interval else None)
