"""Courses in a report: what DICOM says of them, what a person stated, how they are joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from reirrad.course import Case, Course, Phase
from reirrad.organresult import OrganResult
from reirrad.organs import match_organ, organ
from reirrad.overlap import ISODOSE_PART, RELEVANT_EQD2_GY, PairOverlap, Reached, Reirradiation, SharedOrgan
from reirrad.reportmodel import Block, Cell, Column, Facts, Paragraph, ReportTable, Section
from reirrad.timing import Timing

__all__ = ["TYPES", "courses_section", "interval_words", "objects_table", "registration_section", "type_section"]

GRADES: Final = {
    "A": "A: dose, structures and images",
    "B": "B: dose, without structures or images",
    "C": "C: DVH or organ doses from paper",
    "D": "D: prescription alone",
    "E": "E: dose not known",
}
TYPES: Final = {
    "I": "Type I re-irradiation (geometric overlap)",
    "II": "Type II re-irradiation (no overlap; cumulative dose of an organ of concern)",
    "repeat": "No re-irradiation of type I or II by these thresholds: repeat organ irradiation, or repeat irradiation",
    "not_determined": "Not determined",
}
METHODS: Final = {
    "same_frame": "same frame of reference",
    "identity": "stated to be the same frame (not checked)",
    "file": "registration object",
    "auto": "registered automatically",
    "none": "not registered; read on its own structures",
}
IN_A_TABLE: Final = 4  # courses beside each other on A4


def number(value: float | None, decimals: int = 2, unknown: str = "–") -> str:
    """A number for people.

    >>> number(64.0), number(None)
    ('64.00', '–')
    """
    return unknown if value is None else f"{value:.{decimals}f}"


def interval_words(case: Case) -> str:
    """Interval from the end of the last earlier course to the start of the proposed one."""
    days, months = case.interval_days, case.interval_months
    return "not known: a date is missing" if days is None or months is None else f"{months:.1f} months ({days} days)"


# ------------------------------------------------------------------------------------------------------------- type


def type_section(case: Case, found: Reirradiation) -> Section:
    """Type of re-irradiation, and the numbers it rests on."""
    blocks: list[Block] = [
        Paragraph(f"{TYPES[found.kind]}: {found.reason}.", "strong"),
        Paragraph(
            f"Types after the ESTRO-EORTC consensus (Andratschke 2022), which states no thresholds. Here the irradiated volume "
            f"is the {100 * ISODOSE_PART:g} % isodose of the prescription, and an EQD2 of {RELEVANT_EQD2_GY:g} Gy in an organ counts as relevant.",
            "small",
        ),
    ]
    if found.pairs:
        columns = (
            Column("Earlier / proposed course", width=3.0),
            Column("Isodoses (Gy)", "right", 1.5),
            Column("Proposed volume (cc)", "right", 1.5),
            Column("Shared (cc)", "right", 1.2),
            Column("Shared part", "right", 1.0),
            Column("Remark", width=2.6),
        )
        blocks.append(ReportTable("Overlap of irradiated volumes", columns, tuple(_pair(case, p) for p in found.pairs)))
    if found.organs:
        heads = (Column("Organ"), Column("Earlier courses, volume", width=2.0), Column("Proposed course, volume", width=1.4))
        caption = f"Organs that receive {RELEVANT_EQD2_GY:g} Gy EQD2 or more from both, or may do so, and in which volume"
        blocks.append(ReportTable(caption, heads, tuple(_organs(case, found.organs))))
    return Section("Type of re-irradiation", tuple(blocks))


def _pair(case: Case, p: PairOverlap) -> tuple[str, ...]:
    isodoses = "–" if p.prior_gy is None or p.proposed_gy is None else f"{p.prior_gy:.1f} / {p.proposed_gy:.1f}"
    remarks = [p.reason] if p.reason else []
    remarks += [f"earlier dose not known in {p.unknown_cc:.1f} cc"] if p.unknown_cc > 0 else []
    remarks += ["reaches the border of the dose grid: larger than stated"] if p.is_cut else []
    part = "–" if p.part is None else f"{100 * p.part:.0f} %"
    names = f"{case.courses[p.prior].name} / {case.courses[p.proposed].name}"
    return (names, isodoses, number(p.proposed_cc, 1), number(p.shared_cc, 1), part, "; ".join(remarks))


def _organs(case: Case, shared: Sequence[SharedOrgan]) -> Iterator[tuple[str, ...]]:
    """One row for each organ and proposed course."""
    for structure, proposed in dict.fromkeys((o.structure, o.proposed) for o in shared):
        here = [o for o in shared if (o.structure, o.proposed) == (structure, proposed)]
        earlier = "; ".join(_reached(case, o.prior, o.of_prior) for o in here)
        yield structure, earlier, _reached(case, proposed, here[0].of_proposed)


def _reached(case: Case, number: int, found: Reached) -> str:
    volume = "volume not known" if found.volume_cc is None else f"{found.volume_cc:.2f} cc"
    return f"{case.courses[number].name}: {'not known' if found.is_reached is None else volume}"


# ------------------------------------------------------------------------------------------------------------- courses


def courses_section(case: Case, organs: tuple[OrganResult, ...]) -> Section:
    """Every course, its plans, and what a person stated beside the files."""
    blocks: list[Block] = []
    for start in range(0, len(case.courses), IN_A_TABLE):
        some = range(start, min(start + IN_A_TABLE, len(case.courses)))
        described = [_described(case, k) for k in some]
        rows = tuple((term, *(d[term] for d in described)) for term in described[0])
        blocks.append(ReportTable("Courses", (Column("Course", width=1.4), *(Column(case.courses[k].name, width=2.0) for k in some)), rows))
    plans = tuple(_plan(course, p) for course in case.courses for p in course.phases)
    if plans:
        titles = ("Course", "Plan", "Fractions given", "planned", "Prescribed (Gy)", "Delivery")
        right = ("Fractions given", "planned", "Prescribed (Gy)")
        blocks.append(ReportTable("Plans, as the RTPLAN names them", tuple(Column(t, "right" if t in right else "left") for t in titles), plans))
    stated = tuple(_stated(case, organs))
    blocks.append(Paragraph("Stated by a person in the case file, beside or instead of DICOM", "strong"))
    blocks.append(Facts(stated) if stated else Paragraph("Nothing."))
    return Section("Courses", tuple(blocks))


def _described(case: Case, k: int) -> dict[str, str]:
    course = case.courses[k]
    starts, ends = course.first_day, course.last_day
    largest = course.dose_max_gy()
    return {
        "Kind": "earlier" if course.kind == "prior" else "proposed",
        "Reference": "yes: its structures and frame" if k == case.reference else "no",
        "Prescription": "not known" if course.prescription_gy is None else f"{course.prescription_gy:.2f} Gy",
        "of the fractions given": "not known" if course.delivered_gy is None else f"{course.delivered_gy:.2f} Gy",
        "Fractions": "not known" if course.fractions is None else str(course.fractions),
        "Largest dose": "no dose files" if largest is None else f"{largest:.2f} Gy",
        "Radiation": course.radiation + (f", RBE {course.rbe:g} in the dose" if course.rbe is not None else ""),
        "Schedule": course.timing.title,
        "Starts": "not stated" if starts is None else starts.isoformat(),
        "Completed": "not stated" if ends is None else ends.isoformat(),
        "Data": GRADES[course.grade],
    }


def _plan(course: Course, phase: Phase) -> tuple[str, ...]:
    planned = "–" if phase.planned_fractions is None else str(phase.planned_fractions)
    delivery = "in the same sessions as the plan above" if phase.concurrent else "sequential"
    return (course.name, phase.label, str(phase.fractions), planned, number(phase.prescription_gy), delivery)


def _stated(case: Case, organs: tuple[OrganResult, ...]) -> Iterator[tuple[str, str]]:
    """What is not as DICOM or the library has it."""
    for k, course in enumerate(case.courses):
        said = [
            f"{p.fractions} fractions given of {p.planned_fractions} planned ({p.label})"
            for p in course.phases
            if p.planned_fractions not in (None, p.fractions)
        ]
        said += [f"{p.fractions} fractions ({p.label}); the files state none" for p in course.phases if p.planned_fractions is None]
        said += [f"prescription {course.stated_prescription_gy:.2f} Gy"] if course.stated_prescription_gy is not None else []
        said += [f"schedule: {course.timing.title}"] if course.timing != Timing() else []
        said += [f"RBE {course.rbe:g}"] if course.rbe is not None else []
        said += ["LET of the protons"] if course.let is not None else []
        said += [_paper(course)] if course.is_on_paper else []
        joined = k == case.reference or course.is_on_paper or case.registration[k] == "same_frame"
        said += [] if joined else [f"registration: {METHODS[case.registration[k]]}"]
        if said:
            yield course.name, "; ".join(said)
    by_hand = [f"{o.name} as {organ(o.organ).label}" for o in organs if match_organ(o.name) != o.organ]
    if by_hand:
        yield "Structures", "; ".join(by_hand)
    if case.alpha_beta_gy:
        yield "α/β", "; ".join(f"{organ(key).label} {value:g} Gy (library {organ(key).alpha_beta_gy:g})" for key, value in sorted(case.alpha_beta_gy.items()))
    if case.half_time_h:
        yield "Half time of repair", "; ".join(f"{organ(key).label} {value:g} h" for key, value in sorted(case.half_time_h.items()))
    for key, choice in sorted(case.recovery.items()):
        yield f"Recovery, {organ(key).label}", choice.model.key + (f": {choice.rationale}" if choice.rationale else "")
    if case.interpolation != "cubic":
        yield "Interpolation", case.interpolation


def _paper(course: Course) -> str:
    """What a letter says of a course."""
    paper = course.paper
    if paper is None:
        return "nothing is known of its dose"
    given = "" if paper.fractions == paper.prescribed_fractions else f", {paper.fractions} of them given"
    said = [f"prescription {paper.prescription_gy:.2f} Gy in {paper.prescribed_fractions} fractions{given}"]
    said += [f"{organ(key).label} {', '.join(f'{metric} {gy:g} Gy' for metric, gy in doses.items())}" for key, doses in paper.organ_doses.items()]
    said += [f"DVHs of {', '.join(paper.curves)}"] if paper.curves else []
    return f"from paper, grade {course.grade}: " + "; ".join(said)


# ------------------------------------------------------------------------------------------------------------- registration


def registration_section(case: Case, organs: tuple[OrganResult, ...]) -> Section:
    """How each course is joined to the reference, and how its organs then lie."""
    rows = []
    for k, course in enumerate(case.courses):
        if k == case.reference:
            detail = "reference"
        elif course.is_on_paper:
            detail = "no images: known from paper"
        else:
            detail = METHODS[case.registration[k]] + (f"; {case.registration_details[k]}" if case.registration_details and case.registration_details[k] else "")
        rows.append((course.name, detail))
    blocks: list[Block] = [Facts((("Interval", interval_words(case)), *rows))]
    matches = tuple(
        (
            o.name,
            case.courses[k].name,
            m.other_name,
            number(m.dice),
            number(m.mean_surface_distance_mm, 1),
            number(m.hausdorff95_mm, 1),
            number(m.centre_distance_mm, 1),
            f"{m.volume_ratio:.2f}",
        )
        for o in organs
        for k, m in sorted(o.matches.items())
    )
    if matches:
        titles = ("Organ", "Course", "Its structure", "Dice", "Surface distance", "95th percentile", "Centres", "Volume ratio")
        columns = tuple(Column(t, "left" if i < 3 else "right") for i, t in enumerate(titles))
        blocks.append(
            ReportTable(
                "The same organ in both structure sets: distances in mm after registration (–: not registered); ratio other / reference", columns, matches
            )
        )
    elif set(case.registration) & {"file", "auto", "identity"}:
        blocks.append(Paragraph("No organ is contoured in both structure sets, so the registration could not be checked by contours.", "warning"))
    blocks.append(Paragraph("A person must look at the registration where organs meet high dose; a number does not replace that.", "small"))
    return Section("Interval and registration", tuple(blocks))


def objects_table(case: Case) -> ReportTable | None:
    """DICOM objects that were used, with their SOP Instance UID; images counted. None without any."""
    rows: list[tuple[Cell | str, ...]] = []
    for course in case.courses:
        used = [entry for entry in course.inputs if entry["used"]]
        rows += [(course.name, str(e["role"]), str(e["sop_instance_uid"])) for e in used if str(e["role"]).startswith("RT")]
        others = Counter(str(e["role"]) for e in used if not str(e["role"]).startswith("RT"))
        rows += [(course.name, role, f"{n} objects") for role, n in sorted(others.items())]
    columns = (Column("Course"), Column("Object"), Column("SOP Instance UID", width=4.0))
    return ReportTable("DICOM objects used", columns, tuple(rows)) if rows else None
