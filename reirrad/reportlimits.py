"""Limits in a report: one row each with bar, band and flag; what uncertainty changes; where publications disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reirrad.assessment import Assessment
from reirrad.band import NAMED, Band, Uncertainty
from reirrad.evaluation import WORST_FIRST, Finding
from reirrad.limit import Limit
from reirrad.reportfigures import bar_svg
from reirrad.reportmodel import Block, Cell, Column, Facts, Paragraph, ReportTable, Section

__all__ = ["disagreements_section", "limits_section", "uncertainty_section", "worst_first"]

BOUNDS: Final = {"exact": "", "lower": "≥ ", "upper": "≤ "}


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Findings by status, mandatory before optimal, then by how near they are to their limit."""

    def place(f: Finding) -> tuple[int, bool, float]:
        left = 0.0 if f.margin is None else f.margin / f.limit.limit if f.limit.limit else f.margin
        return WORST_FIRST.index(f.status), f.limit.level != "mandatory", left

    return sorted(findings, key=place)


def limits_section(assessment: Assessment) -> Section:
    """One row a limit, worst first; reasons and sources below."""
    findings = worst_first(assessment.findings)
    if not findings:
        return Section("Limits", (Paragraph("No limit was checked.", "warning"),))
    bands = {} if assessment.uncertainty is None else {(b.limit_id, b.structure, b.course): b for b in assessment.uncertainty.bands}
    reasons: dict[str, int] = {}
    sources: dict[str, int] = {}
    rows: list[tuple[Cell | str, ...]] = []
    several = len(assessment.case.proposed_courses) > 1
    with_recovery = any(f.value_with_recovery is not None for f in findings)
    for f in findings:
        band = bands.get((f.limit.id, f.structure or "", f.course))
        said = [f"note {reasons.setdefault(f.reason, len(reasons) + 1)}"] if f.reason else []
        said += ["judged after recovery"] if f.status_without_recovery is not None else []
        source = sources.setdefault(_source(f.limit), len(sources) + 1)
        course = f" ({assessment.case.courses[f.course].name})" if several and f.course is not None else ""
        rows.append(
            (
                f.structure or f"({f.limit.organ}: no structure)",
                _asked(f.limit) + course,
                Cell(_value(f), strong=f.status == "exceed"),
                *((_amount(f, f.value_with_recovery),) if with_recovery else ()),
                f"{_comparator(f.limit.comparator)} {f.limit.limit:g} {f.limit.unit}",
                Cell(_spoken(f, band), svg=_bar(f, band)),
                *(("–" if band is None else f"{band.low:.1f} to {band.high:.1f}",) if bands else ()),
                Cell(", ".join(said), status=f.status),
                f"[{source}]{' opt.' if f.limit.level == 'optimal' else ''}",
            )
        )
        rows += [
            (
                "",
                f"and {_comparator(c.words)}",
                _dash(c.value),
                *(("",) if with_recovery else ()),
                "",
                "",
                *(("",) if bands else ()),
                Cell("", status=c.status),
                "",
            )
            for c in f.clauses
        ]
    columns = (
        Column("Organ", width=1.9),
        Column("Limit on", width=2.7),
        Column("Value", "right", 1.0),
        *((Column("after recovery", "right", 1.0),) if with_recovery else ()),
        Column("Limit", "right", 1.2),
        Column("Bar", width=1.6),
        *((Column("Band", "right", 1.4),) if bands else ()),
        Column("Flag", width=2.1),
        Column("Source", width=1.0),
    )
    caption = "Limits, worst first (sum: of all courses; opt.: optimal, the others are mandatory)"
    bar = "Bar: value; upright line: limit; hatched: beyond the limit" + ("; thin line with ends: band of uncertainty." if bands else ".")
    blocks: list[Block] = [ReportTable(caption, columns, tuple(rows)), Paragraph(bar, "small")]
    if reasons:
        blocks.append(Facts(tuple((f"Note {n}", reason) for reason, n in reasons.items())))
    blocks.append(Facts(tuple((f"[{n}]", source) for source, n in sources.items())))
    return Section("Limits", tuple(blocks))


def _dash(value: float | None) -> str:
    """A clause value."""
    return "–" if value is None else f"{value:.2f}"


def _asked(limit: Limit) -> str:
    kind = "physical" if limit.quantity == "physical" else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    return f"{limit.metric} {kind}, {'sum' if limit.scope == 'cumulative' else 'one course'}"


def _comparator(sign: str) -> str:
    return sign.replace("<=", "≤").replace(">=", "≥")


def _value(f: Finding) -> str:
    return "–" if f.value is None else BOUNDS[f.bound] + _amount(f, f.value)


def _amount(f: Finding, value: float | None) -> str:
    """Two decimals; four where two would hide on which side of its limit the value is."""
    if value is None:
        return "–"
    near = f.margin is not None and f.margin != 0 and round(f.margin, 2) == 0
    return f"{value:.{4 if near else 2}f}"


def _bar(f: Finding, band: Band | None) -> str:
    if f.judged_value is None or f.limit.limit <= 0:
        return ""
    low, high = (None, None) if band is None else (band.low, band.high)
    return bar_svg(f.judged_value, f.limit.limit, low, high, is_floor=f.limit.comparator == ">=")


def _spoken(f: Finding, band: Band | None) -> str:
    """The bar in words."""
    if f.judged_value is None or f.limit.limit <= 0:
        return "–"
    part = f"{100 * f.judged_value / f.limit.limit:.0f} % of the limit"
    return part if band is None else f"{part}, band {band.low:.1f} to {band.high:.1f} {f.limit.unit}"


def _source(limit: Limit) -> str:
    what = {"user": "stated by the user", "SECONDARY": "seen as quoted elsewhere", "VERIFIED": "seen in the publication"}.get(limit.status, limit.status)
    doi = f", doi {limit.doi}" if limit.doi else ""
    evidence = "" if limit.evidence == "not_stated" else f"; evidence: {limit.evidence}"
    built_in = "; recovery is built into the limit" if limit.recovery == "built_in" else ""
    return f"{limit.source}{doi} ({what}{evidence}{built_in})"


# ------------------------------------------------------------------------------------------------------------- uncertainty


def uncertainty_section(assessment: Assessment) -> Section:
    """What was tried, which flags flip, and what no registration within reach could exceed."""
    found = assessment.uncertainty
    if found is None:
        message = "Not calculated: the case file has no key uncertainty. No value here has a band, and none near its limit should be relied on."
        return Section("Uncertainty", (Paragraph(message, "warning"),))
    words = {f.limit.id: f"{f.limit.metric} {_comparator(f.limit.comparator)} {f.limit.limit:g} {f.limit.unit}" for f in assessment.findings}
    blocks: list[Block] = [Facts((("Tried", _tried(found.settings)),))]
    if found.flips:
        rows = tuple(
            (
                f.structure,
                words[f.limit_id],
                Cell("", status=f.from_status),
                Cell("", status=f.to_status),
                NAMED[f.factor],
                f"{f.n_scenarios} of {f.n_of}",
                f.scenario,
                "–" if f.value is None else f"{f.value:.2f} {f.unit}",
            )
            for f in found.flips
        )
        titles = ("Organ", "Limit", "Flag", "becomes", "By", "Scenarios", "Furthest with", "Value then")
        blocks.append(ReportTable("Flags that change", tuple(Column(t) for t in titles), rows))
    else:
        blocks.append(Paragraph("No flag changes in any scenario."))
    searched = tuple(
        (b.structure, words[b.limit_id], f"{b.nominal:.2f}", _dash(b.searched.inside), _dash(b.searched.anywhere), b.unit)
        for b in found.bands
        if b.searched is not None
    )
    if searched:
        heads = ("Organ", "Limit", "Value", "Same organ", "Anywhere", "Unit")
        columns = tuple(Column(t, "right" if 2 <= i <= 4 else "left") for i, t in enumerate(heads))
        blocks.append(ReportTable("Upper bounds over all registrations within reach (largest earlier dose near each point)", columns, searched))
    if found.skipped:
        without: dict[str, list[str]] = {}
        for s in found.skipped:
            without.setdefault(s.reason, []).append(f"{s.structure or 'no structure'} {words[s.limit_id]}")
        blocks.append(Facts(tuple(("No band", f"{reason}: {', '.join(limits)}") for reason, limits in without.items())))
    blocks.append(Paragraph("A band is the least and the most over named scenarios, never a probability.", "small"))
    return Section("Uncertainty", tuple(blocks))


def _tried(s: Uncertainty) -> str:
    tried = [f"earlier dose shifted by up to {' / '.join(f'{r:g}' for r in dict.fromkeys(s.radii_mm))} mm"] if any(s.radii_mm) else []
    tried += [f"turned by up to {s.rotation_deg:g} degrees"] if s.rotation_deg else []
    tried += ["both ends of the α/β interval"] if s.alpha_beta else []
    tried += ["recovery of other models"] if s.recovery else []
    tried += [f"{s.fractions} fraction(s) more or fewer"] if s.fractions else []
    return "; ".join(tried) or "nothing"


def disagreements_section(assessment: Assessment) -> Section | None:
    """Where publications contradict each other about an organ of the case; None where they do not."""
    if not assessment.disagreements:
        return None
    rows = tuple((d.topic, "; ".join(f"{v.says} ({v.source})" for v in d.values), d.handling) for d in assessment.disagreements)
    columns = (Column("Topic", width=1.2), Column("Published", width=2.6), Column("Done here", width=1.8))
    return Section("Where publications disagree", (ReportTable("Contradicting publications", columns, rows),))
