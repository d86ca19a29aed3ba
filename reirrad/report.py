"""The physics report of a re-irradiation: everything a colleague needs to check it, in one document."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from reirrad import __version__
from reirrad.assessment import Assessment
from reirrad.budget import Budget
from reirrad.course import Case
from reirrad.ctvolume import CtVolume
from reirrad.overlap import Reirradiation, reirradiation
from reirrad.reportbudget import remaining_section
from reirrad.reportcourses import TYPES, courses_section, interval_words, objects_table, registration_section, type_section
from reirrad.reportlimits import disagreements_section, limits_section, uncertainty_section, worst_first
from reirrad.reportmodel import Block, Cell, Column, Facts, Paragraph, Report, ReportTable, Section, Signatures
from reirrad.reportorgans import contribution_section, doses_section, dvh_section, model_section, other_models_section, slices_section

__all__ = ["DISCLAIMER", "report_of"]

DISCLAIMER: Final = "Decision support for professionals, not a medical device: check independently before use."
VERDICTS: Final = {
    "within": "Within every limit that was checked.",
    "caution": "Within every mandatory limit, with cautions.",
    "exceeded": "A mandatory limit is exceeded.",
    "not_evaluable": "A mandatory limit, or every limit, is not evaluable.",
}
PROGRAMS: Final = ("numpy", "scipy", "pydicom")
IN_SUMMARY: Final = 8
NO_BUDGET: Final = "Not calculated for this report: reirrad budget calculates it."


def report_of(
    assessment: Assessment,
    *,
    day: str,
    file_hashes: Sequence[tuple[str, str]],
    ct: CtVolume | None,
    budget: Budget | str = NO_BUDGET,
    user: str = "",
    question: str = "",
    patient_id: str = "",
) -> Report:
    """Compose the report.

    Parameters
    ----------
    day : str
        Date it bears, YYYY-MM-DD.
    file_hashes : sequence of (name, SHA-256)
        Of the input.
    ct : CtVolume or None
        Of the reference course, for slices; without it contours stand in its place.
    budget : Budget or str
        What remains of each limit, or why that is not known.
    user, question, patient_id : str
        Who asks for it, what is asked, and the patient as the case file names them; lines are left for what is empty.
    """
    case = assessment.case
    found = reirradiation(case, assessment.organs)
    other_models, disagree = other_models_section(assessment), disagreements_section(assessment)
    sections = [
        _identification(case, day, user, question, patient_id),
        type_section(case, found),
        limits_section(assessment),
        courses_section(case, assessment.organs),
        registration_section(case, assessment.organs),
        model_section(assessment),
        doses_section(assessment),
        dvh_section(assessment),
        slices_section(assessment, ct),
        contribution_section(assessment),
        remaining_section(budget),
        uncertainty_section(assessment),
        *(s for s in (other_models, disagree) if s is not None),
        _warnings(assessment),
        _strategy(case),
        Section("Signatures", (Signatures(("Performed by", "Independently checked by", "Approved by")),)),
        _origin(case, file_hashes),
    ]
    return Report("Re-irradiation physics report", f"Case {case.name}", day, tuple(sections), DISCLAIMER, summary=_summary(assessment, found))


def _summary(assessment: Assessment, found: Reirradiation) -> tuple[Block, ...]:
    """What a reader must know first."""
    findings = assessment.findings
    counts = {s: sum(f.status == s for f in findings) for s in ("exceed", "not_evaluable", "caution", "pass")}
    facts = (
        ("Re-irradiation", TYPES[found.kind]),
        ("Interval", interval_words(assessment.case)),
        ("Limits", f"{counts['exceed']} exceeded, {counts['not_evaluable']} not evaluable, {counts['caution']} caution, {counts['pass']} pass"),
        ("Data quality", "; ".join(f"{c.name} {c.grade}" for c in assessment.case.courses) + " (A dose, structures and images; E nothing known)"),
        ("Uncertainty", "not calculated" if assessment.uncertainty is None else f"changes {len(assessment.uncertainty.flips) or 'none'} of the flags"),
        ("Warnings", str(len(assessment.notices))),
    )
    tone = "plain" if assessment.verdict == "within" else "warning"
    blocks: list[Block] = [Paragraph(VERDICTS[assessment.verdict], "strong" if tone == "plain" else "warning"), Facts(facts)]
    worst = [f for f in worst_first(findings) if f.status == "exceed"]
    rows: list[tuple[Cell | str, ...]] = []
    for f in worst[:IN_SUMMARY]:
        value = "–" if f.judged_value is None else f"{f.judged_value:.2f} {f.limit.unit}"
        rows.append((f.structure or f.limit.organ, str(f.limit.metric), value, f"{f.limit.limit:g} {f.limit.unit}", f.limit.level, Cell("", status=f.status)))
    if rows:
        more = f" (the first {IN_SUMMARY} of {len(worst)})" if len(worst) > IN_SUMMARY else ""
        columns = (Column("Organ"), Column("Metric"), Column("Value", "right"), Column("Limit", "right"), Column("Level"), Column("Flag"))
        blocks.append(ReportTable(f"Limits exceeded{more}", columns, tuple(rows)))
    return tuple(blocks)


def _identification(case: Case, day: str, user: str, question: str, patient_id: str) -> Section:
    blank = "to be filled in: ______________________________"
    proposed = ", ".join(case.courses[k].name for k in case.proposed_courses) or "none"
    return Section(
        "Identification and question",
        (
            Facts(
                (
                    ("Case", case.name),
                    ("Patient, as in the case file", patient_id or blank),
                    ("Date", day),
                    ("Asked by", user or blank),
                    ("Question", question or blank),
                    ("Proposed", proposed),
                    ("To be added by the clinic", "diagnosis, earlier toxicity, systemic therapy and surgery, intent, consent, decision of the tumour board"),
                )
            ),
        ),
    )


def _warnings(assessment: Assessment) -> Section:
    if not assessment.notices:
        return Section("Warnings", (Paragraph("None."),))
    rows = tuple((n.message, n.code) for n in assessment.notices)
    return Section("Warnings", (ReportTable(f"{len(rows)} warnings", (Column("What to know", width=5.0), Column("Code", width=1.6)), rows),))


def _strategy(case: Case) -> Section:
    """Which of the three interchangeable strategies of the ReCOG consensus was used, and why."""
    apart = [c.name for k, c in enumerate(case.courses) if c.is_on_paper or k in case.unregistered]
    summed = [c.name for c in case.courses if c.name not in apart]
    if len(case.courses) == 1:
        text = "One course only: nothing is added."
    elif not apart:
        text = "Strategy 3, registration-based sum of equieffective dose in three dimensions: every course has its dose in the frame of the reference course."
    else:
        text = f"Strategy 1, sum of point doses (near-maxima, wherever they lie), for {', '.join(apart)}: no dose in the frame of the reference course."
        if len(summed) > 1:
            text += f" Strategy 3, registration-based sum in three dimensions, for {', '.join(summed)}."
    note = "Strategies of the ReCOG consensus (Paradis 2026): 1 point doses, 2 point doses in the region of overlap, 3 registration-based sum in 3-D."
    return Section("Strategy of the sum", (Paragraph(text), Paragraph(note, "small")))


def _origin(case: Case, file_hashes: Sequence[tuple[str, str]]) -> Section:
    """Programs, objects and files it was made from."""
    programs = f"reirrad {__version__}; " + ", ".join(f"{name} {version(name)}" for name in PROGRAMS) + f"; Python {platform.python_version()}"
    blocks: list[Block] = [Facts((("Programs", programs),))]
    objects = objects_table(case)
    blocks += [objects] if objects is not None else []
    if file_hashes:
        blocks.append(ReportTable("SHA-256 of the input", (Column("File"), Column("SHA-256", width=4.0)), tuple(file_hashes)))
    blocks.append(Paragraph(DISCLAIMER, "strong"))
    return Section("Origin", tuple(blocks))
