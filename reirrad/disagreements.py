"""Where published limits, alpha/beta or recovery contradict each other: the values side by side, and what is done here."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Disagreement", "Published", "about_every_organ", "disagreements", "for_organ"]


@dataclass(frozen=True, slots=True)
class Published:
    """One of the contradicting statements, and whose it is."""

    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Published statements that contradict each other.

    Parameters
    ----------
    topic : str
    organs : tuple of str
        Organ keys; empty when it is about every organ.
    limits : tuple of str
        Ids of limits of the library that take part.
    values : tuple of Published
        At least two.
    handling : str
        What is done here.
    """

    topic: str
    organs: tuple[str, ...]
    limits: tuple[str, ...]
    values: tuple[Published, ...]
    handling: str


@cache
def disagreements() -> tuple[Disagreement, ...]:
    """All of them."""
    tables = tomllib.loads(files("reirrad").joinpath("data", "disagreements.toml").read_text(encoding="utf-8"))["disagreement"]
    return tuple(
        Disagreement(t["topic"], tuple(t["organs"]), tuple(t["limits"]), tuple(Published(**value) for value in t["values"]), t["handling"]) for t in tables
    )


def for_organ(key: str) -> tuple[Disagreement, ...]:
    """Those about one organ.

    >>> [d.topic for d in for_organ("mandible")]
    ['The same limit for carotid artery and mandible']
    """
    return tuple(d for d in disagreements() if key in d.organs)


def about_every_organ() -> tuple[Disagreement, ...]:
    """Those about every organ: recovery and notation."""
    return tuple(d for d in disagreements() if not d.organs)
