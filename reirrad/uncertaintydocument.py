"""Bands of limits as JSON and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad.band import NAMED, Band, Flip, Searched, UncertaintyResult
from reirrad.course import Case
from reirrad.errors import printable

__all__ = ["render_uncertainty", "uncertainty_dict"]

DECIMALS: Final = 4
MOVED: Final = 0.1  # in the unit of the limit: a band narrower than this is not worth a line


def uncertainty_dict(found: UncertaintyResult, case: Case) -> dict[str, Any]:
    """Plain data with the keys of the shipped schema."""
    s = found.settings
    return {
        "settings": {
            "shift_mm": list(s.radii_mm),
            "rotation_deg": s.rotation_deg,
            "alpha_beta": s.alpha_beta,
            "recovery": s.recovery,
            "fractions": s.fractions,
        },
        "bands": [_band(b, case) for b in found.bands],
        "flips": [_flip(f) for f in found.flips],
        "without_band": [asdict(s) for s in found.skipped],
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _band(band: Band, case: Case) -> dict[str, Any]:
    return {
        "limit_id": band.limit_id,
        "structure": band.structure,
        "course": None if band.course is None else case.courses[band.course].name,
        "unit": band.unit,
        "low": _round(band.low),
        "nominal": _round(band.nominal),
        "high": _round(band.high),
        "status_low": band.status_low,
        "status": band.status,
        "status_high": band.status_high,
        "bound": band.bound,
        "most_by": band.factor,
        "factors": [
            {
                "factor": m.factor,
                "low": _round(m.low),
                "high": _round(m.high),
                "low_scenario": m.low_scenario,
                "high_scenario": m.high_scenario,
                "n_scenarios": m.n_scenarios,
            }
            for m in band.moves
        ],
        "voxel_search": None if band.searched is None else _searched(band.searched),
    }


def _searched(found: Searched) -> dict[str, Any]:
    return {
        "anywhere": _round(found.anywhere),
        "status_anywhere": found.status_anywhere,
        "same_organ": _round(found.inside),
        "status_same_organ": found.status_inside,
        "fallback_cc": _round(found.fallback_cc),
        "reason": found.reason or None,
    }


def _flip(flip: Flip) -> dict[str, Any]:
    return asdict(flip) | {"value": _round(flip.value), "words": flip.words}


def render_uncertainty(found: UncertaintyResult) -> Group:
    """Bands that move, and what changes."""
    s = found.settings
    tried = [f"shifts of {max(s.radii_mm):g} mm"] if any(s.radii_mm) else []
    tried += [f"turns of {s.rotation_deg:g} degrees"] if s.rotation_deg else []
    tried += ["alpha/beta interval"] if s.alpha_beta else []
    tried += ["recovery of other models"] if s.recovery else []
    tried += [f"{s.fractions} fraction(s) more or fewer"] if s.fractions else []
    table = Table(box=box.SIMPLE_HEAD, title=f"How sure: {', '.join(tried) or 'nothing tried'}", title_justify="left", pad_edge=False)
    for name in ("Structure", "Limit"):
        table.add_column(name, overflow="fold", max_width=34)
    for name in ("Lowest", "Value", "Highest", "same organ,\nall shifts", "anywhere,\nall shifts"):
        table.add_column(name, justify="right")
    table.add_column("Moved most by")
    still = 0
    for band in found.bands:
        if band.high - band.low < MOVED:
            still += 1
            continue
        search = band.searched
        inside, anywhere = ("–" if v is None else f"{v:.1f}" for v in (search.inside, search.anywhere)) if search is not None else ("–", "–")
        values = [f"{v:.1f}" for v in (band.low, band.nominal, band.high)]
        by = "" if band.factor is None else NAMED[band.factor]
        table.add_row(Text(printable(band.structure, 40)), Text(printable(band.limit_id, 60)), *values, inside, anywhere, by)
    flips = [Padding(Text(f"! {printable(f.words, 300)}"), (0, 0, 0, 2)) for f in found.flips] or [Padding(Text("none"), (0, 0, 0, 2))]
    rest = [Text(f"{still} of {len(found.bands)} limits move by less than {MOVED:g}.", style="dim")] if still else []
    return Group(table, *rest, Text("Judgements that change", style="bold"), *flips, Text())
