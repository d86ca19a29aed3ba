"""Organs in a report: parameters with their sources, doses, DVHs, slices through hot spots, contribution of each course, other models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reirrad.assessment import Assessment
from reirrad.ctvolume import CtVolume
from reirrad.hotspot import HotSpot, hot_spot
from reirrad.organresult import OrganResult
from reirrad.organs import organ, references
from reirrad.reportfigures import MOST_BARS, contribution_figure, dvh_figure
from reirrad.reportlimits import worst_first
from reirrad.reportmodel import Block, Column, Facts, Figures, Paragraph, ReportTable, Section
from reirrad.slicefigures import slice_figure
from reirrad.statistics import Statistics, statistics_of_sum

__all__ = ["contribution_section", "doses_section", "dvh_section", "model_section", "other_models_section", "slices_section"]

MOST_SLICES: Final = 6
SHOWN: Final = ("D0.1cc_gy", "D2cc_gy", "mean_gy")
STATED: Final = "D0.1cc / D2cc / mean, Gy"
IN_A_TABLE: Final = 3  # courses beside each other
ORGAN_COLUMNS: Final = (Column("Organ", width=1.4), Column("cc", "right"), Column("covered", "right"), Column("α/β", "right"))
SAME_PLACE_MM: Final = 20.0  # organs that are hottest within this share a slice


# ------------------------------------------------------------------------------------------------------------- model


def model_section(assessment: Assessment) -> Section:
    """Model, and the parameters of every organ with their sources."""
    case = assessment.case
    models = sorted({c.model.key for c in case.recovery.values()})
    facts = (
        ("Model", "linear-quadratic; each course converted to EQD2 at every point with its own fractions, then added; one α/β per organ for all courses"),
        ("Contours", f"of course {case.courses[case.reference].name}, for all courses that are brought into its frame"),
        ("Points", "each organ as points with volumes, about 40,000 (20,000 for a large one), finer in the hottest 3 cc and 0.3 cc; no grid is resampled"),
        ("Interpolation", f"{case.interpolation}, on physical dose before conversion"),
        ("Recovery", f"{', '.join(models)} for the organs named; values without it stand beside" if models else "none: no earlier dose is taken as forgotten"),
        ("Repair", "incomplete between sessions, half times below" if any(o.half_time for o in assessment.organs) else "complete between sessions"),
        ("Outside a dose grid", "unknown, not zero: values become bounds or are not evaluable"),
        ("Limits from", ", ".join(assessment.limit_sets) or "none"),
    )
    by_key = {o.organ: o for o in assessment.organs}
    rows = tuple(_parameters(assessment, o) for o in sorted(by_key.values(), key=lambda o: organ(o.organ).label))
    columns = (
        Column("Organ", width=1.2),
        Column("α/β (Gy)", "right"),
        Column("Interval", "right"),
        Column("Source of α/β", width=3.2),
        Column("Repair and recovery", width=2.2),
    )
    return Section("Model and parameters", (Facts(facts), ReportTable("Parameters of the organs in use", columns, rows)))


def _parameters(assessment: Assessment, result: OrganResult) -> tuple[str, ...]:
    known = organ(result.organ)
    case = assessment.case
    stated = result.organ in case.alpha_beta_gy
    source = (
        "stated in the case file" if stated else "convention for late damage" if known.source == "convention" else f"{_short(known.source)} ({known.status})"
    )
    said = []
    if result.half_time is not None:
        origin = {"stated": "stated", "convention": "convention"}.get(result.half_time.status, _short(result.half_time.source))
        said.append(f"half time {result.half_time.hours:g} h ({origin})")
    said += [f"{case.courses[k].name}: {100 * r.part:.0f} % recovered ({r.reason})" for k, r in result.recovered.items()]
    interval = "–" if known.interval_gy is None else "{:g} to {:g}".format(*known.interval_gy)
    return (known.label, f"{result.alpha_beta_gy:g}", interval, source, "; ".join(said) or "–")


def _short(key: str) -> str:
    found = references().get(key)
    return key if found is None else found.citation


# ------------------------------------------------------------------------------------------------------------- doses


def doses_section(assessment: Assessment) -> Section:
    """Near-maxima and mean of every organ: each course, all courses."""
    courses = assessment.case.courses
    blocks: list[Block] = []
    for start in range(0, len(courses), IN_A_TABLE):
        some = range(start, min(start + IN_A_TABLE, len(courses)))
        columns = (*ORGAN_COLUMNS, *(Column(courses[k].name, "right", 1.6) for k in some))
        rows = tuple((*_organ(o), *(_triple(o.physical[k]) for k in some)) for o in assessment.organs)
        blocks.append(ReportTable(f"Physical dose of each course: {STATED}", columns, rows))
    blocks.append(Paragraph("Physical doses of different courses are shown for audit; they are never added.", "small"))
    blocks += _eqd2_tables(assessment)
    gaps = [o.interpolation_gap_gy for o in assessment.organs if o.interpolation_gap_gy is not None]
    if gaps:
        blocks.append(
            Paragraph(f"Order of interpolation and conversion: changes the EQD2 of the hottest 2 cc of no organ by more than {max(gaps):.2f} Gy.", "small")
        )
    return Section("Doses", tuple(blocks))


def _eqd2_tables(assessment: Assessment) -> list[ReportTable]:
    """EQD2 of each course, and behind the last ones of all courses."""
    courses, out = assessment.case.courses, []
    with_recovery = any(o.with_recovery is not None for o in assessment.organs)
    for start in range(0, len(courses), IN_A_TABLE):
        some = range(start, min(start + IN_A_TABLE, len(courses)))
        of_all = some[-1] == len(courses) - 1
        columns = [*ORGAN_COLUMNS, *(Column(courses[k].name, "right", 1.6) for k in some)]
        columns += [Column("all courses", "right", 1.6)] if of_all else []
        columns += [Column("all, after recovery", "right", 1.6)] if of_all and with_recovery else []
        rows = []
        for o in assessment.organs:
            cells = [*_organ(o), *(_triple(o.eqd2[k]) for k in some)]
            cells += [_triple(o.cumulative)] if of_all else []
            cells += ["–" if o.with_recovery is None else _triple(o.with_recovery)] if of_all and with_recovery else []
            rows.append(tuple(cells))
        out.append(ReportTable(f"EQD2: {STATED}. Maxima of courses need not lie at one place, so they do not add up", tuple(columns), tuple(rows)))
    return out


def _organ(o: OrganResult) -> tuple[str, ...]:
    """Name, volume, part of it that all registered courses reach, alpha/beta."""
    volume = "–" if o.volume_cc is None else f"{o.volume_cc:.2f}" if o.volume_cc < 10 else f"{o.volume_cc:.0f}"
    percent = 100 * o.coverage
    covered = f"{percent:.0f} %" if percent in (0, 100) else f"{min(percent, 99.9):.1f} %"
    return o.name, volume, covered, f"{o.alpha_beta_gy:g}"


def _triple(s: Statistics) -> str:
    out = []
    for key in SHOWN:
        value, least = s.values[key], s.lower_bounds.get(key)
        at_most = "≤" if s.upper and value is not None else ""
        out.append(f"{at_most}{value:.2f}" if value is not None else f"≥{least:.2f}" if least is not None else "–")
    return " / ".join(out)


# ------------------------------------------------------------------------------------------------------------- figures


def dvh_section(assessment: Assessment) -> Section:
    """DVH of every organ with dose, those nearest to a limit first."""
    figures = [f for o in _worst_organs(assessment) if (f := dvh_figure(o, assessment.case, assessment.findings)) is not None]
    if not figures:
        return Section("Dose-volume histograms", (Paragraph("No course gives dose at points of an organ."),))
    note = Paragraph("Solid: EQD2 of all courses known at points; dashed: physical dose of one course. Triangles: limits of the sum of all courses.", "small")
    return Section("Dose-volume histograms", (note, Figures(tuple(figures), columns=2)))


def slices_section(assessment: Assessment, ct: CtVolume | None) -> Section:
    """Slices through the hot spots of the organs nearest to their limits; organs that are hottest at one place share a slice."""
    case = assessment.case
    shared: list[tuple[OrganResult, HotSpot, list[str]]] = []
    for o in _worst_organs(assessment):
        spot = hot_spot(o, len(case.courses))
        if spot is None or spot.eqd2_gy <= 0:
            continue
        beside = next((names for _, other, names in shared if abs(spot.point_mm - other.point_mm).max() < SAME_PLACE_MM), None)
        if beside is not None:
            beside.append(o.name)
        elif len(shared) < MOST_SLICES:
            shared.append((o, spot, []))
    figures = [figure for o, spot, names in shared if (figure := slice_figure(spot, o, case, ct, names)) is not None]
    if not figures:
        return Section("Slices through hot spots", (Paragraph("No course gives dose at points of an organ."),))
    note = (
        f"Thin lines with numbers: isodoses, Gy. Thick dashed line (blue): the organ. Cross: hottest point. Seen from the feet. The organs nearest to their "
        f"limits come first, {MOST_SLICES} slices at most; organs that are hottest within {SAME_PLACE_MM:g} mm share one."
    )
    without = () if ct is not None else (Paragraph("The planning CT was not read; contours stand in its place.", "small"),)
    return Section("Slices through hot spots", (Paragraph(note, "small"), *without, Figures(tuple(figures), columns=1)))


def contribution_section(assessment: Assessment) -> Section:
    """What each course gives at the hottest point of each organ."""
    case = assessment.case
    spots = sorted((s for o in assessment.organs if (s := hot_spot(o, len(case.courses))) is not None), key=lambda s: -s.eqd2_gy)
    figure = contribution_figure(spots, case)
    if figure is None:
        return Section("Contribution of each course", (Paragraph("No course gives dose at points of an organ."),))
    blocks: list[Block] = [Figures((figure,))]
    if len(spots) > MOST_BARS:
        blocks.append(Paragraph(f"The {MOST_BARS} organs with the largest EQD2 of {len(spots)}; the others stand in the table.", "small"))
    numbers = range(len(case.courses))
    for start in range(0, len(case.courses), IN_A_TABLE):
        some = numbers[start : start + IN_A_TABLE]
        columns = (
            Column("Organ", width=1.4), Column("x, y, z (mm)", "right", 1.4), *(Column(f"{case.courses[k].name}: physical → EQD2", "right", 1.6) for k in some),
            Column("all, EQD2", "right"),
        )  # fmt: skip
        rows = tuple(
            (s.structure, ", ".join(f"{round(v):d}" for v in s.point_mm), *(_given(s, k) for k in some), f"{'' if s.is_complete else '≥ '}{s.eqd2_gy:.2f}")
            for s in spots
        )
        blocks.append(ReportTable("At the hottest point of each organ, Gy, without recovery", columns, rows))
    if not all(s.is_complete for s in spots):
        blocks.append(Paragraph("≥: a course is not known at that point, so the sum is at least this, and the hottest point may lie elsewhere.", "small"))
    return Section("Contribution of each course", tuple(blocks))


def _given(s: HotSpot, k: int) -> str:
    physical, eqd2 = s.physical_gy[k], s.course_eqd2_gy[k]
    return "not known" if physical is None or eqd2 is None else f"{physical:.2f} → {eqd2:.2f}"


def other_models_section(assessment: Assessment) -> Section | None:
    """What other models and published scores make of the case; None where there are none."""
    blocks: list[Block] = []
    rows = tuple(
        (o.name, s.label, f"{s.alpha_beta_gy:g}", _triple(_usual(o, s.alpha_beta_gy)), _triple(v)) for o in assessment.organs for s, v in o.sensitivities
    )
    if rows:
        right = (Column("α/β", "right"), Column("linear-quadratic", "right", 1.4), Column("this model", "right", 1.4))
        caption = f"Other models, never held against a limit: EQD2 of all courses, both at the α/β of the model, {STATED}"
        blocks.append(ReportTable(caption, (Column("Organ"), Column("Model", width=2.4), *right), rows))
    scores = []
    for found in assessment.risk_scores:
        if found.score is None:
            scores.append((found.structure, f"Nieder score not evaluable: {found.reason}"))
            continue
        points = " to ".join(dict.fromkeys(f"{p:g}" for p in found.score.points))
        groups = " or ".join(dict.fromkeys(f"{g.name} risk ({g.observed} observed)" for g in (found.score.low, found.score.high)))
        scores.append((found.structure, "; ".join((f"Nieder myelopathy score {points} points, {groups}", *found.score.remarks))))
    if scores:
        blocks.append(Facts(tuple(scores)))
    return Section("Other models and scores", tuple(blocks)) if blocks else None


def _usual(o: OrganResult, alpha_beta_gy: float) -> Statistics:
    """The linear-quadratic sum at the alpha/beta of another model, which need not be that of the organ."""
    return o.cumulative if o.sum is None or alpha_beta_gy == o.alpha_beta_gy else statistics_of_sum(o.sum, alpha_beta_gy)


def _worst_organs(assessment: Assessment) -> Sequence[OrganResult]:
    """Organs whose limits are not simply met, worst first; then the others by their largest dose."""
    rank: dict[str, int] = {}
    for n, f in enumerate(worst_first(assessment.findings)):
        if f.status != "pass":
            for name in (f.structure or "").split(" + "):
                rank.setdefault(name, n)
    return sorted(assessment.organs, key=lambda o: (rank.get(o.name, len(assessment.findings)), -_largest_gy(o)))


def _largest_gy(o: OrganResult) -> float:
    return o.cumulative.values["max_gy"] or o.cumulative.lower_bounds.get("max_gy", 0.0)
