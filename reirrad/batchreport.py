"""A cohort on one page: what became of its cases, flags by organ, how near values come to their limits, outliers, and a link to the result of each case."""

from __future__ import annotations

import os
import sys
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reirrad.errors import printable
from reirrad.reportmodel import LOOK
from reirrad.situation import Status

if TYPE_CHECKING:
    from reirrad.batchjournal import Journal

__all__ = ["CaseLine", "Overview", "Spread", "as_html", "overview"]

MOST_CASES: Final = 2000  # a page a browser can still show; the table has them all
MOST_OUTLIERS: Final = 100
FEWEST_VALUES: Final = 8  # fewer have no quartiles worth the name
WHISKER: Final = 1.5  # of the distance between the quartiles: Tukey's rule
STATUSES: Final[tuple[Status, ...]] = ("exceed", "not_evaluable", "caution", "pass")
# The worst first.
ORDER: Final = ("failed", "timeout", "refused", "exceeded", "not_evaluable", "caution", "within")
AXIS: Final = 1.5  # times the limit, the right end of the drawings


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case: how it ended (an outcome, or its verdict), limits by status, the reason it was not computed, and where its result lies."""

    path: str
    ended: str
    flags: str
    message: str
    link: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of one limit over the cohort, as parts of the limit.

    Parameters
    ----------
    smallest, lower, median, upper, largest : float
        With the quartiles.
    """

    limit_id: str
    organ: str
    n_values: int
    smallest: float
    lower: float
    median: float
    upper: float
    largest: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Beyond these a value is an outlier.

        >>> Spread("a", "rectum", 9, 0.1, 0.4, 0.5, 0.6, 1.2).bounds
        (0.10000000000000009, 0.8999999999999999)
        """
        width = WHISKER * (self.upper - self.lower)
        return self.lower - width, self.upper + width

    def at(self, part: float) -> str:
        """Place of a part of the limit on a drawing 150 wide."""
        return f"{150 * min(max(part, 0.0), AXIS) / AXIS:.1f}"


@dataclass(frozen=True, slots=True)
class Outlier:
    """A value far from those of the other cases."""

    path: str
    structure: str
    limit_id: str
    part: float
    usual: str
    link: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows."""

    title: str
    day: str
    n_cases: int
    endings: tuple[tuple[str, int], ...]
    organs: tuple[tuple[str, tuple[int, ...]], ...]
    spreads: tuple[Spread, ...]
    outliers: tuple[Outlier, ...]
    n_outliers: int
    cases: tuple[CaseLine, ...]
    seconds: str
    peak_mb: str
    versions: str


def overview(journal: Journal, name: str, day: str, beside: Path) -> Overview:
    """Read the results of a batch, twice, one case after the other.

    Parameters
    ----------
    name : str
        Of the table, for the title.
    beside : Path
        Folder the page will lie in; links are relative to it.

    Raises
    ------
    ReirradError
        When a result is no longer what was written.
    """
    organs: dict[str, Counter[str]] = {}
    parts: dict[tuple[str, str], array[float]] = {}
    endings: Counter[str] = Counter()
    lines: list[CaseLine] = []
    seconds, peaks, versions = array("d"), array("d"), set()
    for result, document in journal.results():
        ended = result.outcome if document is None else document["verdict"]
        endings[ended] += 1
        versions.add(result.version)
        seconds.extend([result.seconds] if result.seconds is not None else [])
        peaks.extend([result.peak_mb] if result.peak_mb is not None else [])
        evaluations = [] if document is None else document["evaluations"]
        for e in evaluations:
            organs.setdefault(e["organ"], Counter())[e["status"]] += 1
            if (part := _part(e)) is not None:
                parts.setdefault((e["organ"], e["limit_id"]), array("d")).append(part)
        lines.append(
            CaseLine(result.case_path, ended, _flags(evaluations), result.message, "" if document is None else _link(journal, result.case_path, beside))
        )
    spreads = {key: _spread(*key, values) for key, values in sorted(parts.items())}
    outliers = _outliers(journal, spreads, beside)
    return Overview(
        title=f"Cohort {name}",
        day=day,
        n_cases=len(lines),
        endings=tuple((word, endings[word]) for word in ORDER if endings[word]),
        organs=tuple((organ, tuple(counts[s] for s in STATUSES)) for organ, counts in sorted(organs.items())),
        spreads=tuple(spreads.values()),
        outliers=tuple(outliers[:MOST_OUTLIERS]),
        n_outliers=len(outliers),
        cases=tuple(sorted(lines, key=lambda c: (ORDER.index(c.ended), c.path))[:MOST_CASES]),
        seconds=_range(seconds, "s", 1),
        peak_mb=_range(peaks, "MB", 0),
        versions=", ".join(sorted(versions)),
    )


def as_html(shown: Overview) -> str:
    """Return the page as HTML 5 that needs nothing beside itself, the same text for the same results."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, finalize=_plain)
    template = environment.from_string(files("reirrad").joinpath("data/batch.html.jinja").read_text(encoding="utf-8"))
    return template.render(shown=shown, statuses=STATUSES, look=LOOK, axis=AXIS)


def _part(evaluation: Mapping[str, Any]) -> float | None:
    """Value as a part of its limit, for limits that a value must not exceed."""
    value, limit = evaluation["value"], evaluation["limit"]
    return float(value / limit) if value is not None and limit > 0 and evaluation["comparator"] in ("<", "<=") else None


def _spread(organ: str, limit_id: str, values: array[float]) -> Spread:
    five = (float(v) for v in np.quantile(np.frombuffer(values), (0, 0.25, 0.5, 0.75, 1)))
    return Spread(limit_id, organ, len(values), *five)


def _outliers(journal: Journal, spreads: Mapping[tuple[str, str], Spread], beside: Path) -> list[Outlier]:
    """Values beyond the whiskers, the largest first."""
    out = []
    for result, document in journal.results():
        for e in [] if document is None else document["evaluations"]:
            part = _part(e)
            if part is None or (spread := spreads[e["organ"], e["limit_id"]]).n_values < FEWEST_VALUES:
                continue
            low, high = spread.bounds
            if not low <= part <= high:
                usual = f"{100 * spread.lower:.0f} to {100 * spread.upper:.0f} %"
                out.append(Outlier(result.case_path, e["structure"], e["limit_id"], part, usual, _link(journal, result.case_path, beside)))
    return sorted(out, key=lambda o: (-o.part, o.path, o.limit_id, o.structure))


def _flags(evaluations: list[dict[str, Any]]) -> str:
    """Organs whose limits are not simply met, each with its worst status."""
    worst: dict[str, Status] = {}
    for e in evaluations:
        if e["status"] != "pass" and STATUSES.index(e["status"]) < STATUSES.index(worst.get(e["organ"], "pass")):
            worst[e["organ"]] = e["status"]
    return ", ".join(f"{organ} {LOOK[status][1]}" for organ, status in sorted(worst.items(), key=lambda w: (STATUSES.index(w[1]), w[0])))


def _link(journal: Journal, name: str, beside: Path) -> str:
    return Path(os.path.relpath(journal.document_path(name).absolute(), beside)).as_posix()


def _range(values: array[float], unit: str, decimals: int) -> str:
    """Median and largest.

    >>> _range(array("d", [1, 2, 9]), "s", 1)
    'median 2.0 s, largest 9.0 s'
    """
    if not values:
        return "not known"
    return f"median {np.median(np.frombuffer(values)):.{decimals}f} {unit}, largest {max(values):.{decimals}f} {unit}"


def _plain(text: object) -> Any:
    """Text without control characters, which no browser may show."""
    return printable(text, sys.maxsize) if type(text) is str else text
