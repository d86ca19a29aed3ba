"""An assessment for the terminal: doses of each organ, limits, warnings."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reirrad.assessment import Assessment
from reirrad.course import Course
from reirrad.errors import printable
from reirrad.evaluation import Finding
from reirrad.limit import Limit
from reirrad.statistics import Statistics
from reirrad.uncertaintydocument import render_uncertainty

__all__ = ["render"]

SHOWN = ("D0.1cc_gy", "D2cc_gy", "mean_gy")
# A word and a sign beside each colour, for those who cannot tell the colours apart.
LOOK = {"pass": ("✓ pass", "green"), "caution": ("! caution", "yellow"), "exceed": ("✗ EXCEED", "bold red"), "not_evaluable": ("? not evaluable", "magenta")}
VERDICTS = {
    "within": ("✓ within every limit that was checked", "bold green"),
    "caution": ("! within every mandatory limit, with cautions", "bold yellow"),
    "exceeded": ("✗ a mandatory limit is exceeded", "bold red"),
    "not_evaluable": ("? a mandatory limit, or every limit, is not evaluable", "bold magenta"),
}
NOTE = "Decision support for professionals, not a medical device: check independently before use."


def render(assessment: Assessment, console: Console) -> None:
    """Print an assessment."""
    case = assessment.case
    console.print(Text(f"Case {printable(case.name)}", style="bold"))
    for course in case.courses:
        console.print(Text(f"  {_course(course)}"))
    days = case.interval_days
    models = sorted({c.model.key for c in case.recovery.values()})
    recovery = f"recovery: {', '.join(models)} (a model; sums without it stand beside)" if models else "recovery: none assumed"
    interval = "interval not known" if days is None else f"interval {days} days ({case.interval_months:.1f} months)"
    if len(case.courses) > 1:
        console.print(Text(f"  {interval}; {recovery}"))
    console.print()
    console.print(_doses(assessment))
    if any(o.sensitivities for o in assessment.organs):
        console.print(_sensitivities(assessment))
    console.print(_limits(assessment))
    for line in _beside_limits(assessment):
        console.print(line)
    if assessment.uncertainty is not None:
        console.print(render_uncertainty(assessment.uncertainty))
    if assessment.notices:
        console.print(_notices(assessment))
    word, style = VERDICTS[assessment.verdict]
    console.print(Text.assemble("Verdict: ", (word, style)))
    console.print(Text(NOTE, style="dim"))


def _course(course: Course) -> str:
    """One course in a line."""
    dose = "" if course.delivered_gy is None else f"{course.delivered_gy:.4g} Gy in "
    fractions = " + ".join(str(p.fractions) + (" concurrent" if p.concurrent else "") for p in course.phases) or course.fractions
    given = "dose not known" if course.is_unknown else f"{dose}{fractions} {'fraction' if fractions in (1, '1') else 'fractions'}"
    timing = f", {course.timing.title}" if course.timing.needs_half_time else ""
    day = course.first_day if course.kind == "proposed" else course.last_day
    when = "" if day is None else f", {'starts' if course.kind == 'proposed' else 'completed'} {day.isoformat()}"
    grade = f", on paper (grade {course.grade})" if course.is_on_paper else ""
    return f"{course.kind:8} {printable(course.name)}: {given}, {course.radiation}{timing}{when}{grade}"


def _doses(assessment: Assessment) -> Table:
    """One line per structure: physical dose of each course, then the cumulative EQD2."""
    names = [printable(c.name, 24) for c in assessment.case.courses]
    table = Table(box=box.SIMPLE_HEAD, title="Dose in Gy: D0.1cc / D2cc / mean", title_justify="left", pad_edge=False)
    table.add_column("Structure", overflow="fold", max_width=28)
    table.add_column("α/β", justify="right")
    table.add_column("cc", justify="right")
    for name in names:
        table.add_column(Text(f"{name}\nphysical"), justify="right")
    table.add_column("cumulative\nEQD2", justify="right", style="bold")
    with_recovery = any(o.with_recovery is not None for o in assessment.organs)
    if with_recovery:
        table.add_column("cumulative EQD2\nwith recovery", justify="right")
    for organ in assessment.organs:
        volume = "–" if organ.volume_cc is None else f"{organ.volume_cc:.2f}" if organ.volume_cc < 10 else f"{organ.volume_cc:.0f}"
        cells: list[RenderableType] = [Text(_name(organ.name)), f"{organ.alpha_beta_gy:g}", volume]
        cells += [_triple(s) for s in organ.physical]
        cells.append(_triple(organ.cumulative))
        if with_recovery:
            cells.append(Text("–") if organ.with_recovery is None else _triple(organ.with_recovery))
        table.add_row(*cells)
    return table


def _triple(statistics: Statistics) -> Text:
    values = []
    for key in SHOWN:
        value, bound = statistics.values[key], statistics.lower_bounds.get(key)
        at_most = "≤" if statistics.upper and value is not None else ""
        values.append(f"{at_most}{value:.1f}" if value is not None else f"≥{bound:.1f}" if bound is not None else "–")
    return Text(" / ".join(values))


def _sensitivities(assessment: Assessment) -> Group:
    """What other models make of the cumulative EQD2, where they make a difference."""
    table = Table(box=box.SIMPLE_HEAD, title="Other models, not for limits: cumulative EQD2 in Gy: D0.1cc / D2cc / mean", title_justify="left", pad_edge=False)
    table.add_column("Structure", overflow="fold", max_width=28)
    table.add_column("linear-quadratic", justify="right")
    table.add_column("other model", justify="right")
    table.add_column("Model", overflow="fold")
    same = []
    for organ in assessment.organs:
        main = _triple(organ.cumulative)
        other = [(s.label, _triple(values)) for s, values in organ.sensitivities]
        if other and all(shown.plain == main.plain for _, shown in other):
            same.append(_name(organ.name))
            continue
        for k, (label, shown) in enumerate(other):
            table.add_row(Text(_name(organ.name) if k == 0 else ""), main if k == 0 else "", shown, Text(printable(label, 200)))
    rest = [Text(f"No difference in: {', '.join(same)}."), Text()] if same else []
    return Group(table, *rest)


def _limits(assessment: Assessment) -> Group:
    """One line per limit, grouped by structure; reasons and full sources below."""
    if not assessment.findings:
        return Group(Text("No limit was checked."), Text())
    table = Table(box=box.SIMPLE_HEAD, title="Limits", title_justify="left", pad_edge=False)
    table.add_column("Structure", overflow="fold", max_width=28)
    table.add_column("Metric, quantity, dose of")
    table.add_column("Value", justify="right")
    with_recovery = any(f.value_with_recovery is not None for f in assessment.findings)
    if with_recovery:
        table.add_column("with\nrecovery", justify="right")
    table.add_column("Limit", justify="right")
    table.add_column("Margin", justify="right")
    table.add_column("Status")
    table.add_column("Source", overflow="fold")
    reasons: list[str] = []
    sources: dict[str, str] = {}
    above: str | None = ""
    for finding in assessment.findings:
        limit = finding.limit
        word, style = LOOK[finding.status]
        if finding.reason is not None:
            if finding.reason not in reasons:
                reasons.append(finding.reason)
            word += f" ({reasons.index(finding.reason) + 1})"
        sources.setdefault(limit.source, f"{limit.source}{f', doi {limit.doi}' if limit.doi else ''}; status {limit.status}")
        structure = finding.structure if finding.structure is not None else f"({limit.organ})"
        bound = {"exact": "", "lower": "≥ ", "upper": "≤ "}[finding.bound]
        values = [(bound if finding.value is not None else "") + _amount(finding, finding.value)]
        if with_recovery:
            values.append(_amount(finding, finding.value_with_recovery))
        table.add_row(
            Text(_name(structure) if structure != above else ""),
            Text(_quantity(finding, assessment)),
            *values,
            f"{limit.comparator} {limit.limit:g} {limit.unit}",
            _amount(finding, finding.margin, "+"),
            Text(word, style=style),
            Text(_source(limit)),
        )
        for clause in finding.clauses:
            word, style = LOOK[clause.status]
            shown = "–" if clause.value is None else f"{clause.value:.3g}"
            blank = [""] if with_recovery else []
            table.add_row("", Text(f"  and {printable(clause.words, 90)}"), shown, *blank, "", "", Text(word, style=style), "")
        above = structure
    notes = [Padding(Text(f"({k}) {printable(reason, 300)}"), (0, 0, 0, 2)) for k, reason in enumerate(reasons, 1)]
    listed = [Padding(Text(printable(full, 300), style="dim"), (0, 0, 0, 2)) for full in sources.values()]
    return Group(table, *notes, Text("Sources", style="bold"), *listed, Text())


def _source(limit: Limit) -> str:
    """Source in short, and what a reader must know of the limit at a glance."""
    short = printable(limit.source.split(",")[0].split(" (")[0], 40)
    known = "" if limit.status in ("VERIFIED", "user") else f" {limit.status}"
    remarks = ["optimal"] * (limit.level == "optimal") + ["recovery built in"] * (limit.recovery == "built_in")
    return ", ".join([short + known, *remarks])


def _quantity(finding: Finding, assessment: Assessment) -> str:
    limit = finding.limit
    kind = "physical" if limit.quantity == "physical" else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    several = len(assessment.case.proposed_courses) > 1 and finding.course is not None
    one = printable(assessment.case.courses[finding.course].name, 24) if several and finding.course is not None else "this course"
    meant = f" of the {printable(limit.structure.split(';')[0], 40)}" if limit.structure else ""
    return f"{limit.metric}{meant} {kind}, {'all courses' if limit.scope == 'cumulative' else one}"


def _amount(finding: Finding, amount: float | None, sign: str = "") -> str:
    """A value or margin with as many decimals as it takes to see on which side of its limit it is."""
    if amount is None or finding.margin is None:
        return "–"
    decimals = 2 if finding.limit.unit == "cc" and finding.limit.limit < 10 else 1
    if finding.margin != 0 and round(finding.margin, decimals) == 0:
        decimals = 4
    return f"{amount:{sign}.{decimals}f}"


def _beside_limits(assessment: Assessment) -> list[RenderableType]:
    """Risk scores, and where publications disagree."""
    lines: list[RenderableType] = []
    for found in assessment.risk_scores:
        score = found.score
        if score is None:
            lines.append(Text(f"Nieder myelopathy score of {_name(found.structure)}: not evaluable, {found.reason}"))
            continue
        points = " to ".join(dict.fromkeys(f"{p:g}" for p in score.points))
        groups = " or ".join(dict.fromkeys(f"{g.name} risk ({g.observed} observed)" for g in (score.low, score.high)))
        lines.append(Text(f"Nieder myelopathy score of {_name(found.structure)}: {points} points, {groups}; from the maximum of each course, no recovery"))
        lines += [Padding(Text(f"! {remark}"), (0, 0, 0, 2)) for remark in score.remarks]
    if assessment.disagreements:
        topics = "; ".join(d.topic for d in assessment.disagreements)
        lines.append(Text(f"Publications disagree about: {topics}. Side by side: reirrad constraints show ORGAN", style="dim"))
    return [*lines, Text()] if lines else []


def _notices(assessment: Assessment) -> Group:
    lines = [Padding(Text(f"! {printable(n.message, 600)} ({n.code})"), (0, 0, 0, 2)) for n in assessment.notices]
    return Group(Text(f"Warnings ({len(lines)})", style="bold"), *lines, Text())


def _name(text: str) -> str:
    return printable(text, 40)
