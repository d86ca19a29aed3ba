"""The option sheet: several schedules for one patient side by side, on one page, for a tumour board."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from reirrad import __version__
from reirrad.assessment import Assessment, Verdict
from reirrad.band import Band
from reirrad.course import Course
from reirrad.errors import printable
from reirrad.evaluation import Finding
from reirrad.evidence import diseases, evidence
from reirrad.exploration import Bound, Exploration, IsotoxicRow
from reirrad.explorationdocument import row_status
from reirrad.limit import Limit
from reirrad.options import LimitRow, Option, OptionOrgan, limit_rows, organs_without_limit
from reirrad.reportmodel import LOOK, Cell, Column, Facts, Paragraph, Report, ReportTable, Section, Signatures
from reirrad.situation import Status
from reirrad.tumour import LQ_SUPPORTED_GY, Tumour, TumourEffect

__all__ = [
    "MOST_ROWS", "NOTE", "SIGNS", "STATUS", "binding_words", "dose_words", "effect_words", "evidence_words", "limit_words", "option_sheet",
    "option_words", "organ_value_words", "organ_words", "row_words", "shown", "value_words",
]  # fmt: skip

MOST_ROWS: Final = 14  # limits that one page holds; beside them half as many organs without one
MOST_NAMES: Final = 12  # of structures in running text
NEAR_MAXIMUM: Final = "D0.1cc"
BADNESS: Final[dict[Status, int]] = {"pass": 0, "caution": 1, "not_evaluable": 2, "exceed": 3}
SIGNS: Final = {"<=": "≤", "<": "<", ">=": "≥"}
NOTE: Final = "Decision support for professionals, not a medical device: check independently before use."
ASSUMPTIONS: Final = (
    "Every option scales the dose distribution of the proposed plan; nothing is optimised again, so a plan made for an option may do better or worse. "
    "Limits bound the dose to organs; whether a dose is right for the tumour they do not say."
)
STATUS: Final[dict[Verdict, Status]] = {"within": "pass", "caution": "caution", "exceeded": "exceed", "not_evaluable": "not_evaluable"}


def option_sheet(
    assessment: Assessment, exploration: Exploration, options: Sequence[Option], tumour: Tumour, *, day: str, most_rows: int = MOST_ROWS
) -> Report:
    """Return the page.

    Parameters
    ----------
    exploration : Exploration
        With the schedules of the options among its rows: the highest dose in so many fractions.
    day : str
        Date the sheet bears, YYYY-MM-DD.
    most_rows : int
        Limits to show, and half as many organs without one; of the others their number is said.
    """
    case = assessment.case
    columns = (Column("", width=2.6), *(Column(option_words(o), width=1.1) for o in options))
    schedules = (*_schedules(options, tumour), *_highest(exploration, options))
    return Report(
        title="Option sheet",
        subtitle=f"{printable(case.name)}: schedules for {printable(case.courses[exploration.course].name)}",
        day=day,
        sections=(
            Section("Schedules", (ReportTable("Dose, time, tumour, and the highest dose in so many fractions", columns, schedules),)),
            Section("Organs", _organs(options, columns, most_rows)),
            Section("Published results", tuple(Paragraph(text, "small") for text in evidence_words(tumour))),
            Section("What this rests on", tuple(Paragraph(text, "small") for text in _assumptions(assessment, options, tumour, exploration.course))),
            Section("Decision", (Paragraph(_choice(options)), Signatures(("Radiation oncologist", "Medical physicist")))),
        ),
        footer=f"{NOTE} reirrad {__version__}",
        fits_one_page=True,
        summary=(Facts(tuple(_course(c) for c in case.courses)),),
    )


# ------------------------------------------------------------------------------------------------------------- words


def limit_words(limit: Limit) -> str:
    """What a limit limits.

    Examples: ``D2cc EQD2 α/β 3``, ``Dmax physical, this course``.
    """
    kind = "physical" if limit.quantity == "physical" else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    return f"{limit.metric} {kind}{', this course' if limit.scope == 'course' else ''}"


def row_words(row: LimitRow) -> str:
    """Organ, what of it is limited, and to what."""
    limit = row.limit
    bound = f"{SIGNS[limit.comparator]} {limit.limit:g} {limit.unit}" if row.is_one_limit else f"in {limit.unit}, limit by fractions"
    return f"{printable(limit.organ if row.structure is None else row.structure, 40)}: {limit_words(limit)}, {bound}{', optimal' * (limit.level == 'optimal')}"


def value_words(finding: Finding, row: LimitRow, option: Option) -> str:
    """Value of a finding, with as many decimals as it takes to see on which side of its limit it is; the limit where it is not the same for all; its band."""
    limit = finding.limit
    beside = "" if row.is_one_limit else f" of {limit.limit:g}"
    if finding.judged_value is None:
        return beside.strip()
    bound = {"exact": "", "lower": "≥ ", "upper": "≤ "}[finding.bound]
    return f"{bound}{shown(finding.judged_value, limit.limit)}{beside}{_band(option.band(finding))}"


def _band(band: Band | None) -> str:
    """Between what a value lies over all scenarios, and what is found at an end where this is worse."""
    if band is None or band.low == band.high:
        return ""
    worst = max((band.status, band.status_low, band.status_high), key=lambda status: BADNESS[status])
    return f" ({band.low:.1f} to {band.high:.1f}{'' if worst == band.status else f', {LOOK[worst][1]}'})"


def organ_words(organ: OptionOrgan) -> str:
    """What is shown of a structure without a limit."""
    return f"{printable(organ.name, 40)}: {NEAR_MAXIMUM} EQD2 α/β {organ.alpha_beta_gy:g}, no limit"


def organ_value_words(organ: OptionOrgan) -> str:
    """Its near-maximum of all courses, Gy; what it is at least or at most where no more is known."""
    least = organ.cumulative.lower_bounds.get(f"{NEAR_MAXIMUM}_gy")
    if organ.near_maximum_gy is not None:
        return f"{'≤ ' if organ.cumulative.upper else ''}{organ.near_maximum_gy:.2f}"
    return "not known" if least is None else f"≥ {least:.2f}"


def shown(value: float, limit: float | None = None) -> str:
    """Two decimals; four where two would make the value look like its limit.

    >>> shown(64.004), shown(80.004, 80), shown(80.0, 80)
    ('64.00', '80.0040', '80.00')
    """
    beside = limit is not None and value != limit and round(value - limit, 2) == 0
    return f"{value:.4f}" if beside else f"{value:.2f}"


def dose_words(dose_gy: float) -> str:
    """Dose, rounded down so that what is shown keeps the limits.

    >>> dose_words(27.349), dose_words(0.0), dose_words(float("inf"))
    ('27.34', 'none', 'no limit')
    """
    if math.isinf(dose_gy):
        return "no limit"
    return f"{math.floor(dose_gy * 100 + 1e-6) / 100:.2f}" if dose_gy > 0 else "none"


def effect_words(effect: TumourEffect) -> str:
    """BED and EQD2.

    >>> effect_words(TumourEffect(10.0, 72.0, 60.0, 72.0)), effect_words(TumourEffect(10.0, None, None, 1.0))
    ('72.00 / 60.00', 'none left')
    """
    return "none left" if effect.bed_gy is None or effect.eqd2_gy is None else f"{effect.bed_gy:.2f} / {effect.eqd2_gy:.2f}"


def binding_words(bound: Bound | None) -> str:
    """Which limit, of what."""
    if bound is None:
        return "no limit"
    organ = bound.limit.organ if bound.structure is None else bound.structure
    return f"{printable(organ, 40)} {bound.limit.metric}{', exceeded without it' if bound.scale is None else ''}"


def option_words(option: Option) -> str:
    """Schedule of an option, as the head of its column."""
    choice = option.asked.choice
    often = "" if choice.interval_h is None else f", {choice.per_day} a day, {choice.interval_h:g} h apart"
    return f"{option.asked.dose_gy:g} Gy in {choice.fractions}{often}"


def evidence_words(tumour: Tumour) -> list[str]:
    """Citations of what was published of the disease, or that none was chosen."""
    if tumour.evidence is None:
        known = ", ".join(f"{e.key} ({e.title})" for e in diseases().values())
        return [f"No published results were chosen for this case (tumour: evidence). There are some for: {known}."]
    found = evidence(tumour.evidence)
    return [f"On {found.title}; other patients, other doses, not a prediction for this one.", *(r.citation for r in found.results)]


# ------------------------------------------------------------------------------------------------------------- parts


def _course(course: Course) -> tuple[str, str]:
    fractions = "" if course.fractions is None else f" in {course.fractions} {'fraction' if course.fractions == 1 else 'fractions'}"
    dose = "dose not known" if course.delivered_gy is None else f"{course.delivered_gy:.4g} Gy{fractions}"
    day = course.first_day if course.kind == "proposed" else course.last_day
    when = "" if day is None else f", {'starts' if course.kind == 'proposed' else 'completed'} {day.isoformat()}"
    return f"{course.kind.capitalize()}: {printable(course.name, 40)}", f"{dose}, {course.radiation}{when}"


def _schedules(options: Sequence[Option], tumour: Tumour) -> list[tuple[Cell | str, ...]]:
    rows: list[tuple[Cell | str, ...]] = [
        (Cell("Limits altogether", strong=True), *(Cell("", STATUS[o.verdict]) for o in options)),
        ("Dose per fraction, Gy", *(f"{o.asked.dose_per_fraction_gy:.2f}" for o in options)),
        ("Days from first to last fraction", *(str(o.overall_days) for o in options)),
        ("Plan scaled by", *(f"{o.scale:.3f}" for o in options)),
    ]
    for k, alpha_beta in enumerate(tumour.alpha_betas_gy):
        found = [o.tumour[k] for o in options]
        rows.append((f"Tumour BED / EQD2, Gy, α/β {alpha_beta:g}", *map(effect_words, found)))
        if any(e.bed_lql_gy is not None for e in found):
            rows.append((f"Tumour BED under LQ-L, Gy, α/β {alpha_beta:g}", *("same" if e.bed_lql_gy is None else f"{e.bed_lql_gy:.2f}" for e in found)))
    return rows


def _highest(exploration: Exploration, options: Sequence[Option]) -> list[tuple[Cell | str, ...]]:
    by_choice = {row.choice: row for row in exploration.rows}
    rows = [by_choice[o.asked.choice] for o in options]
    return [
        ("Highest dose by mandatory limits, Gy", *(_highest_dose(r) for r in rows)),
        ("… set by", *(binding_words(r.binding) for r in rows)),
        ("Highest dose by optimal limits too, Gy", *(dose_words(r.optimal_dose_gy) for r in rows)),
        ("… set by", *(binding_words(r.optimal_binding) for r in rows)),
    ]


def _highest_dose(row: IsotoxicRow) -> Cell | str:
    """A dose that is only what the limits allow that could be checked is marked as such."""
    return Cell(dose_words(row.dose_gy), "not_evaluable") if row_status(row) == "not_evaluable" else dose_words(row.dose_gy)


def _organs(options: Sequence[Option], columns: tuple[Column, ...], most_rows: int) -> tuple[ReportTable | Paragraph, ...]:
    rows = limit_rows(options)
    free, most_organs = organs_without_limit(options), most_rows // 2
    table = [_limit_row(r, options) for r in rows[:most_rows]]
    for name in free[:most_organs]:
        here = [next(o for o in option.organs if o.name == name) for option in options]
        table.append((organ_words(here[0]), *map(organ_value_words, here)))
    said = _left_out(rows[most_rows:])
    if free:
        rest = f" Not shown for want of room, and less hot: {_listed(free[most_organs:])}." if len(free) > most_organs else ""
        said.append(Paragraph(f"Nothing here bounds the dose of structures marked no limit: no chosen limit is for them.{rest}", "small"))
    caption = "Limits of all courses together unless marked this course: for each organ the worst one of any option, worst first"
    return (ReportTable(caption, columns, tuple(table)), *said)


def _limit_row(row: LimitRow, options: Sequence[Option]) -> tuple[Cell | str, ...]:
    return (row_words(row), *(_found(row, f, o) for f, o in zip(row.findings, options, strict=True)))


def _found(row: LimitRow, finding: Finding | None, option: Option) -> Cell | str:
    if finding is None:
        return "no limit"
    return Cell(value_words(finding, row, option), finding.status)


def _left_out(rows: Sequence[LimitRow]) -> list[Paragraph]:
    """Say what the page has no room for, loudly where it matters."""
    if not rows:
        return []
    statuses = {f.status for r in rows for f in r.findings if f is not None}
    if statuses & {"exceed", "not_evaluable"}:
        worse = sum(any(f is not None and f.status in ("exceed", "not_evaluable") for f in r.findings) for r in rows)
        return [Paragraph(f"{len(rows)} more limits have no room here; {worse} of them exceeded or not evaluable in an option.", "warning")]
    return [Paragraph(f"{len(rows)} more limits have no room here; each is a pass{' or a caution' * ('caution' in statuses)} in every option.", "small")]


def _choice(options: Sequence[Option]) -> str:
    return "Option chosen:   " + "   ".join(f"☐ {words}" for words in (*map(option_words, options), "none of these"))


def _listed(names: Sequence[str]) -> str:
    """Some names, and how many more."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(printable(n, 40) for n in names[:MOST_NAMES]) + more


def _assumptions(assessment: Assessment, options: Sequence[Option], tumour: Tumour, course: int) -> list[str]:
    case = assessment.case
    models = ", ".join(sorted({c.model.key for c in case.recovery.values()}))
    growth = tumour.growth
    said = [
        ASSUMPTIONS,
        f"Organs: linear-quadratic EQD2 point by point at the alpha/beta of each organ, limits of {', '.join(map(printable, assessment.limit_sets))}; "
        + (f"recovery by {models} where a limit is meant for it." if models else "no recovery assumed."),
        "Tumour: the prescribed dose everywhere, complete repair between fractions, "
        + ("no repopulation" if growth is None else f"repopulation of {growth.per_day_gy:g} Gy BED a day from day {growth.kickoff_days:g}")
        + "; five days a week, first fraction on a Monday.",
    ]
    if any(o.asked.choice.per_day > 1 for o in options):
        said.append("Several a day: incomplete repair in organs by their half times, complete repair overnight.")
    beyond = {option_words(o): [organ.name for organ in o.organs if organ.is_beyond_lq] for o in options}
    listed = [f"{words} in {_listed(names)}" for words, names in beyond.items() if names]
    if listed or any(e.bed_lql_gy is not None for o in options for e in o.tumour):
        organs = f" Organs with such fractions: {'; '.join(listed)}." if listed else ""
        said.append(
            f"Beyond {LQ_SUPPORTED_GY:g} Gy per fraction the linear-quadratic model is hardly supported: an advantage of one or few fractions is mostly an "
            f"artefact of it. LQ-L, straight from {LQ_SUPPORTED_GY:g} Gy on, stands beside the tumour's BED.{organs}"
        )
    if any(o.uncertainty is not None for o in options):
        said.append("In brackets: between what a value lies over all scenarios of uncertainty, and what is found at its worse end where that is another.")
    if any(f.bound != "exact" for o in options for f in o.findings):
        said.append("≤ and ≥ before a value: what it is at most or at least, where a course is known from paper alone or its dose not everywhere.")
    unknown = dict.fromkeys(f"{f.limit.id}: {f.reason}" for o in options for f in o.findings if f.status == "not_evaluable" and f.limit.level == "mandatory")
    if unknown:
        more = f"; and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        said.append(f"Mandatory limits that are not evaluable: {'; '.join(printable(text, 200) for text in list(unknown)[:3])}{more}.")
    if (rbe := case.courses[course].rbe) is not None:
        said.append(f"Doses of the proposed course hold an RBE of {rbe:g}.")
    return said
