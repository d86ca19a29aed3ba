"""The option sheet: what stands on it, on one page, readable, and the same bytes again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from case_factory import box_structure, limit, two_courses

from reirrad.assessment import Assessment, assess
from reirrad.band import Uncertainty
from reirrad.course import Case
from reirrad.effect import Growth
from reirrad.exploration import Exploration, explore
from reirrad.judgement import LimitChoice
from reirrad.options import Option, evaluate_options, parse_options
from reirrad.optionsheet import option_sheet, organ_value_words
from reirrad.reporthtml import as_html
from reirrad.reportmodel import Cell, Paragraph, Report, ReportTable
from reirrad.reportpdf import as_pdf
from reirrad.tumour import Tumour

SUM = limit("Dmax", 76.0)
ORGANS = (box_structure(), "rectum"), (box_structure("Bladder", box=(0.0, 15.0, 20.0, 30.0), number=2), "bladder")


def prescribed(one: Case, **more: Any) -> Case:
    return replace(one, courses=(*one.courses[:-1], replace(one.courses[-1], stated_prescription_gy=20.0, **more)))


def calculated(
    text: str, *limits: Any, one: Case | None = None, tumour: Tumour | None = None, own: bool = True, uncertainty: Uncertainty | None = None
) -> tuple[Assessment, Exploration, tuple[Option, ...], Tumour]:
    case = prescribed(two_courses()) if one is None else one
    choice = LimitChoice(tuple(limits), frozenset(x.id for x in limits) if own else frozenset(), ("limits.yaml",), uncertainty)
    assessment = assess(case, choice)
    asked, _ = parse_options(text)
    used = tumour or Tumour()
    exploration = explore(assessment, choice, [a.choice for a in asked])
    return assessment, exploration, evaluate_options(assessment, choice, 1, asked, used), used


def sheet(text: str, *limits: Any, most_rows: int = 14, **how: Any) -> Report:
    return option_sheet(*calculated(text, *limits, **how), day="2026-03-31", most_rows=most_rows)


def table(report: Report, title: str) -> ReportTable:
    (section,) = (s for s in report.sections if s.title == title)
    (found,) = (b for b in section.blocks if isinstance(b, ReportTable))
    return found


def rows(report: Report, title: str) -> dict[str, list[str]]:
    """First cell of each row to the others; a status stands before the text."""
    return {_plain(r[0]): [_plain(c) for c in r[1:]] for r in table(report, title).rows}


def _plain(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else " ".join(filter(None, (cell.status, cell.text)))


def words(report: Report, title: str) -> str:
    (section,) = (s for s in report.sections if s.title == title)
    return " ".join(b.text for b in section.blocks if isinstance(b, Paragraph))


def test_schedules_by_hand():
    """25 Gy in 5 meets 76 Gy just so: within 5 % of the limit, so a caution; 30 Gy in 5 is 36 + 54 = 90 Gy."""
    report = sheet("25/5,30/5,20/10 per-day=2", SUM)
    assert [c.title for c in table(report, "Schedules").columns] == ["", "25 Gy in 5", "30 Gy in 5", "20 Gy in 10, 2 a day, 6 h apart"]
    found = rows(report, "Schedules")
    assert found["Limits altogether"] == ["caution", "exceed", "pass"]
    assert found["Dose per fraction, Gy"] == ["5.00", "6.00", "2.00"]
    assert found["Days from first to last fraction"] == ["4", "4", "4"]
    assert found["Plan scaled by"] == ["1.250", "1.500", "1.000"]
    assert found["Tumour BED / EQD2, Gy, α/β 10"] == ["37.50 / 31.25", "48.00 / 40.00", "24.00 / 20.00"]
    assert found["Tumour BED / EQD2, Gy, α/β 3"][0] == "66.67 / 40.00"
    assert found["Highest dose by mandatory limits, Gy"][:2] == ["25.00", "25.00"]
    assert found["Highest dose by optimal limits too, Gy"][:2] == ["25.00", "25.00"]
    organs = rows(report, "Organs")
    assert organs["Rectum: Dmax EQD2 α/β 3, ≤ 76 Gy"][:2] == ["caution 76.00", "exceed 90.00"]
    assert report.day == "2026-03-31"
    assert report.summary[0].rows == (  # type: ignore[union-attr]
        ("Prior: first", "dose not known, photon, completed 2021-01-01"),
        ("Proposed: second", "20 Gy in 5 fractions, photon, starts 2022-01-01"),
    )


def test_organ_without_a_limit_has_its_dose_and_no_status():
    report = sheet("20/5,24/3", SUM, one=prescribed(two_courses(organs=ORGANS)))
    assert rows(report, "Organs")["Bladder: D0.1cc EQD2 α/β 3, no limit"] == ["64.00", "88.80"]
    assert "Nothing here bounds the dose of structures marked no limit" in words(report, "Organs")
    assert "no limit" not in words(sheet("20/5", SUM), "Organs")


def test_values_that_are_known_in_part():
    _, _, (option,), _ = calculated("20/5", SUM, one=prescribed(two_courses(organs=((box_structure(planes=(0.0, 5.0, 10.0)), "rectum"),))))
    (organ,) = option.organs
    assert organ_value_words(organ) == "≥ 64.00"
    nothing = replace(organ, cumulative=replace(organ.cumulative, lower_bounds={}))
    assert organ_value_words(nothing) == "not known"
    paper = replace(organ, cumulative=replace(organ.cumulative, values={"D0.1cc_gy": 70.0}, upper="paper"))
    assert organ_value_words(paper) == "≤ 70.00"


def test_bounds_are_explained():
    """The grids end within the organ: 64 Gy are exceeded at least in the part that is known."""
    part = prescribed(two_courses(organs=((box_structure(planes=(0.0, 5.0, 10.0)), "rectum"),)))
    report = sheet("20/5", limit("Dmax", 60.0), one=part)
    assert rows(report, "Organs") == {"Rectum: Dmax EQD2 α/β 3, ≤ 60 Gy": ["exceed ≥ 64.00"]}
    assert "≤ and ≥ before a value: what it is at most or at least" in words(report, "What this rests on")
    assert "≤ and ≥ before" not in words(sheet("20/5", SUM), "What this rests on")


def test_limits_by_fractions_and_none():
    few = limit("Dmax", 25.0, id="few", scope="course", quantity="physical", level="optimal", max_fractions=5)
    many = limit("Dmax", 28.0, id="many", scope="course", quantity="physical", level="optimal", min_fractions=10)
    report = sheet("20/5,30/10,20/8", few, many, own=False)
    assert rows(report, "Organs") == {
        "Rectum: Dmax physical, this course, in Gy, limit by fractions, optimal": ["pass 20.00 of 25", "exceed 30.00 of 28", "no limit"]
    }
    found = rows(report, "Schedules")
    assert found["Highest dose by mandatory limits, Gy"][:2] == ["no limit", "no limit"]
    assert found["Highest dose by mandatory limits, Gy"][2] == "not_evaluable no limit"  # nothing at all was checked in 8
    assert found["… set by"] == ["Rectum Dmax", "Rectum Dmax", "no limit"]  # of the optimal ones, the later of two rows
    assert found["Limits altogether"] == ["pass", "caution", "not_evaluable"]


def test_what_is_exceeded_without_the_course_and_not_evaluable():
    report = sheet("20/5", limit("Dmax", 30.0), limit("Dmax", 80.0, "bladder", id="bladder-limit"))
    found = rows(report, "Schedules")
    assert found["… set by"] == ["Rectum Dmax, exceeded without it"]
    assert found["Highest dose by mandatory limits, Gy"] == ["none"]
    assert rows(report, "Organs")["bladder: Dmax EQD2 α/β 3, ≤ 80 Gy"] == ["not_evaluable"]
    rests = words(report, "What this rests on")
    assert "Mandatory limits that are not evaluable: bladder-limit: no structure of the reference course stands for the organ bladder" in rests
    several = [limit("Dmax", 80.0, organ, id=f"{organ}-limit") for organ in ("bladder", "bowel", "skin", "vagina")]
    assert "; and 1 more." in words(sheet("20/5", SUM, *several), "What this rests on")


def test_dose_that_is_only_what_could_be_checked_is_marked():
    found = rows(sheet("20/5", SUM, limit("Dmax", 80.0, "bladder")), "Schedules")
    assert found["Highest dose by mandatory limits, Gy"] == ["not_evaluable 25.00"]


def test_value_just_beyond_its_limit_shows_it():
    """64 Gy in sum against 63.998: two decimals would say 64.00 of 63.998."""
    assert rows(sheet("20/5", limit("Dmax", 63.998)), "Organs") == {"Rectum: Dmax EQD2 α/β 3, ≤ 63.998 Gy": ["exceed 64.0000"]}


def test_more_limits_than_room(monkeypatch):
    """Three organs with a limit and five without, where there is room for two and one, and for two names in a text."""
    monkeypatch.setattr("reirrad.optionsheet.MOST_NAMES", 2)
    parts = [(box_structure(f"Part{k}", number=k + 1), "rectum") for k in range(3)]
    one = prescribed(two_courses(organs=(*parts, *((box_structure(f"Free{k}", number=k + 9), "bladder") for k in range(5)))))
    assessment, exploration, options, tumour = calculated("20/5,25/5,30/5", SUM, one=one)

    def of(those: slice) -> Report:
        return option_sheet(assessment, exploration, options[those], tumour, day="2026-03-31", most_rows=2)

    passed = of(slice(0, 1))
    assert list(rows(passed, "Organs")) == ["Part0: Dmax EQD2 α/β 3, ≤ 76 Gy", "Part1: Dmax EQD2 α/β 3, ≤ 76 Gy", "Free0: D0.1cc EQD2 α/β 3, no limit"]
    assert "1 more limits have no room here; each is a pass in every option." in words(passed, "Organs")
    assert "Not shown for want of room, and less hot: Free1, Free2 and 2 more." in words(passed, "Organs")
    assert "1 more limits have no room here; each is a pass or a caution in every option." in words(of(slice(0, 2)), "Organs")
    (said,) = (b for s in of(slice(0, 3)).sections for b in s.blocks if isinstance(b, Paragraph) and b.tone == "warning")
    assert said.text == "1 more limits have no room here; 1 of them exceeded or not evaluable in an option."


def test_published_results_are_cited_with_their_numbers():
    report = sheet("20/5", SUM, tumour=Tumour(evidence="anal_cancer"))
    said = words(report, "Published results")
    for part in (
        "anal squamous cell carcinoma after failure of chemoradiation; other patients, other doses, not a prediction",
        "5-year survival 89 % against 63 %, second local recurrence 15 % against 45 %; no difference in multivariable analysis (n = 64). Damron, 2024",
        "5-year overall survival 23 %, disease-free survival 17 %, grade 3 morbidity 47 % (n = 32). Hallemeier, 2014",
        "The guideline names surgery as the only salvage. ESMO guideline on anal cancer, 2021",
    ):
        assert part in said
    assert "There are some for: anal_cancer" in words(sheet("20/5", SUM), "Published results")


def test_what_it_rests_on():
    plain = words(sheet("20/5", SUM), "What this rests on")
    assert "nothing is optimised again" in plain
    assert "no recovery assumed" in plain
    assert "no repopulation" in plain
    assert "LQ-L" not in plain
    assert "Several a day" not in plain
    one = prescribed(two_courses(), rbe=1.1)
    rich = sheet("22/2,20/5 per-day=2", SUM, tumour=Tumour((10.0,), Growth(0.6, 21)), one=one)
    said = words(rich, "What this rests on")
    assert "repopulation of 0.6 Gy BED a day from day 21" in said
    assert "Several a day: incomplete repair" in said
    assert "Organs with such fractions: 22 Gy in 2 in Rectum." in said
    assert "an RBE of 1.1" in said
    # 22 (1 + 11 / 10) = 46.2; straight from 10 Gy with slope 1 + 20 / 10: 2 (20 + 3) = 46
    assert rows(rich, "Schedules")["Tumour BED under LQ-L, Gy, α/β 10"] == ["46.00", "same"]


def test_band_beside_a_value():
    """64 Gy at 3 Gy; the interval of the rectum reaches alpha/betas at which the sum is another, and at its worse end beyond 65 Gy."""
    how: dict[str, Any] = {"uncertainty": Uncertainty(alpha_beta=True)}
    report = sheet("20/5", limit("Dmax", 100.0), **how)
    (cell,) = rows(report, "Organs")["Rectum: Dmax EQD2 α/β 3, ≤ 100 Gy"]
    found = re.fullmatch(r"pass 64\.00 \((\d+\.\d) to (\d+\.\d)\)", cell)
    assert found is not None
    assert "In brackets: between what a value lies over all scenarios" in words(report, "What this rests on")
    low, high = float(found[1]), float(found[2])
    assert low < high
    between = (64 + high) / 2
    (cell,) = rows(sheet("20/5", limit("Dmax", between), **how), "Organs").values()
    assert cell[0].endswith(", EXCEED)")
    alone = limit("Dmax", 50.0, scope="course", quantity="physical")
    assert list(rows(sheet("20/5", alone, **how), "Organs").values()) == [["pass 20.00"]]  # a physical dose has no alpha/beta


def test_nothing_of_names_reaches_the_page_as_markup():
    evil = "<script>#panic</script>=1+1" + "x" * 60
    one = prescribed(two_courses(organs=((box_structure(evil), "rectum"),), names={"case": "<b>case</b>\x1b[2J"}))
    report = sheet("20/5,24/3", SUM, one=one)
    html = as_html(report)
    assert "<script>" not in html
    assert "<b>case" not in html
    assert "\x1b" not in html
    assert as_pdf(report).startswith(b"%PDF-")


def test_decision_names_every_option():
    assert words(sheet("20/5,24/3", SUM), "Decision") == "Option chosen:   ☐ 20 Gy in 5   ☐ 24 Gy in 3   ☐ none of these"


def test_one_page_of_six_options_and_many_organs():
    """As full as it gets: as_pdf refuses what does not fit its one page."""
    schedules = "15/1,24/3,30/5,50.4/28,54/30,45/30 per-day=2"
    how: dict[str, Any] = {"one": prescribed(two_courses(organs=ORGANS)), "tumour": Tumour(growth=Growth(0.6, 21), evidence="anal_cancer")}
    assessment, exploration, options, tumour = calculated(schedules, SUM, **how)
    many = [
        replace(
            o,
            findings=tuple(replace(f, structure=f"Part_of_the_bowel_{k}") for f in o.findings for k in range(12)),
            organs=tuple(replace(organ, name=f"Femoral_vessels_{k}") for organ in o.organs[1:] for k in range(9)),
        )
        for o in options
    ]
    report = option_sheet(assessment, exploration, many, tumour, day="2026-03-31", most_rows=10)
    assert report.fits_one_page
    assert len(rows(report, "Organs")) == 15
    pdf = as_pdf(report)
    assert as_pdf(report) == pdf
    assert as_html(report) == as_html(report)
