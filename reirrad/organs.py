"""Organs: their keys, what contours call them, and their alpha/beta with its source.

A structure name is matched to an organ only when nothing but case, separators and the side stands between the two: a
margin, a cropped or planning contour, a target, or an old version never becomes an organ at risk by itself.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from reirrad.errors import ReirradError, printable

__all__ = ["Organ", "OrganError", "Reference", "match_organ", "organ", "organs", "references", "side"]

SIDES: Final[dict[str, Literal["left", "right"]]] = {"l": "left", "lt": "left", "left": "left", "r": "right", "rt": "right", "right": "right"}

# Words of "FemoralHeadL", "LKidney", "Femur_Head_L", "spinal cord": letters split at capitals and at digits.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# What may stand between words. Anything else (-, +, ~, ^, digits, brackets) says that the contour is not simply the organ.
_PLAIN_NAME = re.compile(r"[A-Za-z _.]+")


class OrganError(ReirradError, ValueError):
    """No organ has this key."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a number comes from: citation, doi (may be empty), status and where it was seen."""

    key: str
    citation: str
    doi: str
    status: str
    seen: str


@dataclass(frozen=True, slots=True)
class Organ:
    """An organ at risk.

    Parameters
    ----------
    key, label : str
        For case files and for people.
    alpha_beta_gy : float
        Default for late damage.
    source : str
        Key of a reference, or ``convention``.
    status : str
        VERIFIED, SECONDARY or convention.
    interval_gy : (low, high) or None
        For sensitivity analysis; holds the default.
    interval_source : str
        Key of a reference; empty without interval.
    note : str
        About the choice.
    names : tuple of str
        What structure sets call it.
    """

    key: str
    label: str
    alpha_beta_gy: float
    source: str
    status: Literal["VERIFIED", "SECONDARY", "convention"]
    interval_gy: tuple[float, float] | None = None
    interval_source: str = ""
    note: str = ""
    names: tuple[str, ...] = ()


def organ(key: str) -> Organ:
    """Return the organ with a key.

    Raises
    ------
    OrganError
        When there is none; the message names the nearest key.

    Examples
    --------
    >>> organ("spinal_cord").alpha_beta_gy
    2.0
    """
    try:
        return organs()[key]
    except KeyError:
        from difflib import get_close_matches

        near = get_close_matches(key[:80].lower(), list(organs()), n=1, cutoff=0.6)
        hint = f'did you mean "{near[0]}"?' if near else f"the organ keys are {', '.join(sorted(organs()))}"
        raise OrganError(f'"{printable(key, 40)}" is not an organ key; {hint}') from None


def match_organ(structure_name: str) -> str | None:
    """Return the key of the organ that a structure name plainly names, or None.

    Examples
    --------
    >>> match_organ("Femur_Head_L"), match_organ("SPINAL CORD"), match_organ("SpinalCord_PRV05")
    ('femoral_head', 'spinal_cord', None)
    """
    words, _ = _words_and_side(structure_name)
    return _keys_by_name().get("".join(words)) if words else None


def side(structure_name: str) -> Literal["left", "right"] | None:
    """Return the side a structure name states, or None when it states none or both.

    Examples
    --------
    >>> side("Kidney_L"), side("Rt Lung"), side("Rectum"), side("Kidney L+R")
    ('left', 'right', None, None)
    """
    return _words_and_side(structure_name)[1]


@cache
def organs() -> Mapping[str, Organ]:
    """All organs by key."""
    tables = _toml("organs.toml")
    return {key: _organ_from(key, table) for key, table in tables.items()}


@cache
def references() -> Mapping[str, Reference]:
    """All references by key."""
    return {key: Reference(key, **table) for key, table in _toml("references.toml").items()}


def _organ_from(key: str, table: dict[str, Any]) -> Organ:
    low_high = table.pop("interval_gy", None)
    return Organ(key, interval_gy=tuple(low_high) if low_high else None, names=tuple(table.pop("names")), **table)


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("reirrad").joinpath("data", name).read_text(encoding="utf-8"))


@cache
def _keys_by_name() -> Mapping[str, str]:
    """Organ keys by name without case, separators and side; the key itself is a name too."""
    return {"".join(_words_and_side(name)[0]): o.key for o in organs().values() for name in (*o.names, o.key)}


def _words_and_side(name: str) -> tuple[tuple[str, ...], Literal["left", "right"] | None]:
    """Lower-case words of a name without its side, and the side; no words when the name holds more than an organ."""
    text = unicodedata.normalize("NFKC", name).strip()
    words = [w.lower() for w in _WORD.findall(text)]
    stated = [SIDES[w] for w in words if w in SIDES]
    if len(set(stated)) > 1:
        return (), None
    if not _PLAIN_NAME.fullmatch(text) or len(stated) > 1:
        return (), stated[0] if stated else None
    return tuple(w for w in words if w not in SIDES), stated[0] if stated else None
