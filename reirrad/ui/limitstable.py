"""Limits as rows of an HTML table, worst first. Everything is escaped here: the browser puts the rows in as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from reirrad.assessment import Assessment
from reirrad.band import Band
from reirrad.errors import printable
from reirrad.evaluation import WORST_FIRST, Finding
from reirrad.limit import Limit
from reirrad.organsum import Bounds
from reirrad.report import VERDICTS
from reirrad.reportfigures import bar_svg
from reirrad.reportlimits import worst_first
from reirrad.reportmodel import LOOK
from reirrad.situation import Status
from reirrad.ui.limitsdata import RowKey, key_of

__all__ = ["LimitsTable", "limits_table", "verdict_html"]

BOUNDS: Final = {"exact": "", "lower": "≥ ", "upper": "≤ "}
BOUNDS_SAID: Final = {"exact": "", "lower": "at least ", "upper": "at most "}
# A shape for each status, beside its sign, word and colour.
SHAPES: Final[dict[Status, str]] = {
    "pass": '<circle cx="10" cy="10" r="9"/>',
    "caution": '<path d="M10 1L19.5 18.5H.5Z"/>',
    "exceed": '<path d="M6 .8h8L19.2 6v8L14 19.2H6L.8 14V6Z"/>',
    "not_evaluable": '<path d="M10 .4L19.6 10 10 19.6.4 10Z"/>',
}
VERDICT_LOOK: Final[dict[str, Status]] = {"within": "pass", "caution": "caution", "exceeded": "exceed", "not_evaluable": "not_evaluable"}
COUNTED: Final[dict[Status, str]] = {"exceed": "exceeded", "not_evaluable": "not evaluable", "caution": "caution", "pass": "pass"}
EVIDENCE: Final = {"user": "stated by the user", "SECONDARY": "seen as quoted elsewhere", "VERIFIED": "seen in the publication"}
MOST_NAMED: Final = 4  # limits named beside the verdict


@dataclass(frozen=True, slots=True)
class LimitsTable:
    """Head and rows, as HTML; a row comes with what tells it from others."""

    head: str
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def limits_table(
    assessment: Assessment, of_courses: Mapping[RowKey, Sequence[Bounds | None]], bands: Mapping[RowKey, Band], pending: Sequence[str] = ()
) -> LimitsTable:
    """One row a limit, worst first.

    Parameters
    ----------
    of_courses : mapping
        Row to the metric of the limit in each course alone.
    pending : sequence of str
        Organs whose bands are still to come.
    """
    findings = worst_first(assessment.findings)
    with_recovery = any(f.value_with_recovery is not None for f in findings)
    after = ["After recovery"] if with_recovery else []
    numbers = [*(_text(c.name, 30) for c in assessment.case.courses), "All courses", *after, "Limit"]
    titles = ["Flag", "Organ", "Limit on", *numbers, "Of the limit", "Source"]
    head = "".join(f'<th scope="col"{" class=number" if 3 <= n < 3 + len(numbers) else ""}>{t}</th>' for n, t in enumerate(titles))
    places = {o.name: n for n, o in enumerate(assessment.organs)}
    rows: dict[str, str] = {}
    for f in findings:
        key = key_of(f)
        row = _row(f, of_courses.get(key, [None] * len(assessment.case.courses)), with_recovery, bands.get(key), f.limit.organ in pending, places)
        name = f"{key}"
        while name in rows:
            name += "+"
        rows[name] = row
    notes = [
        "Values of single courses are in the quantity of the limit, each at its own hottest place: they need not add up to the value of all courses.",
        "Bold: the value that is held against the limit. Bar: value; upright line: limit; hatched: beyond it; thin line with ends: band.",
    ]
    if bands or pending:
        notes.append("A band is the least and the most over named scenarios, never a probability.")
    return LimitsTable(f"<tr>{head}</tr>", tuple(rows.items()), tuple(notes))


def verdict_html(assessment: Assessment, *, is_case: bool = True) -> str:
    """Verdict, how many limits have which flag, and the worst of them by name.

    Parameters
    ----------
    is_case : bool
        Whether all is assumed as the case file says; otherwise that stands before the verdict.
    """
    status = VERDICT_LOOK[assessment.verdict]
    counts = {s: sum(f.status == s for f in assessment.findings) for s in WORST_FIRST}
    counted = " · ".join(f"{n} {COUNTED[s]}" for s, n in counts.items() if n)
    beyond = [f for f in worst_first(assessment.findings) if f.status == "exceed"]
    named = [_named(f) for f in beyond[:MOST_NAMED]]
    if not beyond:
        rated = [f for f in assessment.findings if f.judged_value is not None and f.limit.comparator != ">=" and f.limit.limit > 0]
        nearest = max(rated, key=lambda f: (f.judged_value or 0.0) / f.limit.limit, default=None)
        named = [] if nearest is None else [f"nearest to its limit: {_named(nearest)}"]
    elif len(beyond) > MOST_NAMED:
        named.append(f"and {len(beyond) - MOST_NAMED} more")
    listed = "".join(f"<li>{one}</li>" for one in named)
    words = f"{'' if is_case else 'Under other assumptions: '}{VERDICTS[assessment.verdict]}"
    return (
        f'<div class="verdict {status}">{_shape(status)}<div><p class="words">{escape(words)}</p>'
        f"<p>{len(assessment.findings)} limits: {counted or 'none was checked'}</p>{f'<ul>{listed}</ul>' if listed else ''}</div></div>"
    )


def _row(f: Finding, of_courses: Sequence[Bounds | None], with_recovery: bool, band: Band | None, is_pending: bool, places: Mapping[str, int]) -> str:
    """Cells of a row."""
    limit = f.limit
    is_sum = limit.scope == "cumulative"
    judged_after = f.status_without_recovery is not None
    cells = [f'<td class="flag">{_flag(f)}</td>', f'<th scope="row">{_button(f, places)}</th>', f"<td>{_asked(limit)}{_clauses(f)}</td>"]
    cells += [_number(_bounds(b), is_judged=not is_sum and b is not None) for b in of_courses]
    cells.append(_number(_value(f) if is_sum else "", is_judged=is_sum and not judged_after))
    if with_recovery:
        cells.append(_number(_amount(f, f.value_with_recovery) if f.value_with_recovery is not None else "", is_judged=judged_after))
    level = '<span class="small">optimal</span>' if limit.level == "optimal" else ""
    cells.append(f'<td class="number">{_limit(limit)}{level}</td>')
    cells.append(f"<td>{_bar(f, band)}{_band(f, band, is_pending)}</td>")
    cells.append(f"<td>{_source(f)}</td>")
    return f'<tr class="{f.status}">{"".join(cells)}</tr>'


def _named(f: Finding) -> str:
    """A limit and its value in a line."""
    after = "" if f.status_without_recovery is None else " after recovery"
    value = f"{BOUNDS_SAID[f.bound]}{_amount(f, f.judged_value)} {f.limit.unit}{after}" if f.judged_value is not None else "a further clause of the rule"
    return f"{_organ(f)}: {_asked(f.limit)}: {value}, limit {_limit(f.limit)} ({f.limit.level})"


def _text(text: object, longest: int = 400) -> str:
    return escape(printable(text, longest))


def _shape(status: Status) -> str:
    sign, _ = LOOK[status]
    return (
        f'<svg class="shape" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">{SHAPES[status]}'
        f'<text x="10" y="{16 if status == "caution" else 14.6}" text-anchor="middle">{sign}</text></svg>'
    )


def _flag(f: Finding) -> str:
    """Shape, sign and word; the beginning of the reason of what is not a plain pass (all of it stands under the source)."""
    reason = f'<span class="small reason" title="{_text(f.reason)}">{_text(f.reason)}</span>' if f.reason and f.status != "pass" else ""
    return f'<span class="word">{_shape(f.status)}{LOOK[f.status][1]}</span>{reason}'


def _organ(f: Finding) -> str:
    return _text(f.structure, 60) if f.structure is not None else f"({_text(f.limit.organ)}: no structure)"


def _button(f: Finding, places: Mapping[str, int]) -> str:
    """Name of the structure; it takes the charts to it."""
    place = None if f.structure is None else places.get(f.structure)
    if place is None:
        return _organ(f)
    return f'<button type="button" data-structure="{place}" title="Show its histogram and its α/β">{_organ(f)}</button>'


def _asked(limit: Limit) -> str:
    kind = "physical" if limit.quantity == "physical" else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    meant = f" of the {_text(limit.structure.split(';')[0], 40)}" if limit.structure else ""
    return f"{escape(str(limit.metric))}{meant} {kind}, {'all courses' if limit.scope == 'cumulative' else 'one course'}"


def _clauses(f: Finding) -> str:
    """Further clauses of a rule, each with its own flag."""
    lines = []
    for c in f.clauses:
        sign, word = LOOK[c.status]
        value = "–" if c.value is None else f"{c.value:.2f}"
        lines.append(
            f'<span class="small">and {_text(c.words)} {_comparator(c.clause.comparator)} {c.clause.limit:g} {c.clause.unit}: {value} {sign} {word}</span>'
        )
    return "".join(lines)


def _comparator(sign: str) -> str:
    return {"<=": "≤", ">=": "≥", "<": "&lt;"}[sign]


def _limit(limit: Limit) -> str:
    return f"{_comparator(limit.comparator)} {limit.limit:g} {limit.unit}"


def _number(text: str, *, is_judged: bool = False) -> str:
    return f'<td class="number{" judged" if is_judged else ""}">{text}</td>'


def _value(f: Finding) -> str:
    return "–" if f.judged_value is None and f.value is None else BOUNDS[f.bound] + _amount(f, f.value)


def _amount(f: Finding, value: float | None) -> str:
    """Two decimals; four where two would hide on which side of its limit the value is."""
    if value is None:
        return "–"
    is_near = f.margin is not None and f.margin != 0 and round(f.margin, 2) == 0
    return f"{value:.{4 if is_near else 2}f}"


def _bounds(b: Bounds | None) -> str:
    """A value that may be known as a bound only."""
    if b is None:
        return ""
    if b.is_exact and b.high is not None:
        return f"{b.high:.2f}"
    return f"≤ {b.high:.2f}" if b.high is not None else f"≥ {b.low:.2f}" if b.low is not None else "–"


def _bar(f: Finding, band: Band | None) -> str:
    if f.judged_value is None or f.limit.limit <= 0:
        return ""
    low, high = (None, None) if band is None else (band.low, band.high)
    percent = f"{100 * f.judged_value / f.limit.limit:.0f} %"
    svg = bar_svg(f.judged_value, f.limit.limit, low, high, is_floor=f.limit.comparator == ">=")
    spoken = f"{percent} of the limit" + ("" if band is None else f", band {band.low:.1f} to {band.high:.1f} {f.limit.unit}")
    return f'<span class="bar" role="img" aria-label="{spoken}">{svg}</span><span class="percent" aria-hidden="true">{percent}</span>'


def _band(f: Finding, band: Band | None, is_pending: bool) -> str:
    """Band in numbers, and the worst flag in it."""
    if band is None:
        return '<span class="small">band: being calculated</span>' if is_pending and f.judged_value is not None else ""
    worst = min((band.status_low, band.status, band.status_high), key=WORST_FIRST.index)
    sign, word = LOOK[worst]
    flips = f", at worst {sign} {word}" if WORST_FIRST.index(worst) < WORST_FIRST.index(f.status) else ""
    return f'<span class="small">{band.low:.1f} to {band.high:.1f} {f.limit.unit}{flips}</span>'


def _source(f: Finding) -> str:
    """Source in short; all of it on hover, click and focus."""
    limit = f.limit
    facts = [limit.source, f"doi {limit.doi}" if limit.doi else "", EVIDENCE.get(limit.status, limit.status)]
    facts.append("" if limit.evidence == "not_stated" else f"evidence: {limit.evidence}")
    facts.append(f"published for {limit.endpoint}" if limit.endpoint else "")
    facts += ["recovery is built into the limit" if limit.recovery == "built_in" else "", limit.note, f"limit {limit.id}"]
    facts.append(f"here: {f.reason}" if f.reason else "")
    told = [_text(one, 1200) for one in facts if one]
    short = _text(limit.source.split(",")[0].split(" (")[0], 40)
    known = "" if limit.status in ("VERIFIED", "user") else f' <span class="small">{_text(limit.status)}</span>'
    return f'<details><summary title="{". ".join(told)}">{short}{known}</summary><ul>{"".join(f"<li>{one}</li>" for one in told)}</ul></details>'
