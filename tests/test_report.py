"""The physics report of small cases: every number that stands in it by hand, and what must never be missing from it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_factory import GRID_SHAPE, box_structure, case, course, even_dose, grid, limit, two_courses, write_case_file, write_course

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.budget import remaining
from reirrad.course import Case, Component, Phase
from reirrad.dose import DoseGrid
from reirrad.errors import Notice
from reirrad.highdose import HighDose
from reirrad.limit import Limit
from reirrad.loading import load_case
from reirrad.papercourse import Paper
from reirrad.report import report_of
from reirrad.reporthtml import as_html
from reirrad.reportlimits import worst_first
from reirrad.reportmodel import Cell, Facts, Figure, Figures, Paragraph, Report, ReportTable, Section, Signatures
from reirrad.timing import Timing

SECTIONS = (
    "Identification and question", "Type of re-irradiation", "Limits", "Courses", "Interval and registration", "Model and parameters", "Doses",
    "Dose-volume histograms", "Slices through hot spots", "Contribution of each course", "Remaining dose", "Uncertainty", "Warnings", "Strategy of the sum",
    "Signatures", "Origin",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn only where a test asks for them (`drawn`); elsewhere a word stands for each."""
    if "drawn" in request.fixturenames:
        return
    monkeypatch.setattr("reirrad.reportorgans.dvh_figure", lambda result, *_: Figure("", f"DVH of {result.name}", "<svg/>"))
    monkeypatch.setattr("reirrad.reportorgans.contribution_figure", lambda spots, _: Figure("", f"{len(spots)} bars", "<svg/>") if spots else None)
    monkeypatch.setattr(
        "reirrad.reportorgans.slice_figure", lambda spot, result, case, ct, also: Figure(f"{result.name}: {', '.join(also)}", "slice", "<svg/>")
    )


@pytest.fixture
def drawn() -> None:
    """Ask for figures."""


def with_plans(one: Case) -> Case:
    """The same case with 30 and 20 Gy prescribed."""
    gy = {10: 30.0, 5: 20.0}
    courses = (dataclasses.replace(c, phases=tuple(dataclasses.replace(p, prescription_gy=gy[p.fractions]) for p in c.phases)) for c in one.courses)
    return dataclasses.replace(one, courses=tuple(courses))


def chosen(*limits: Limit) -> LimitChoice:
    return LimitChoice(limits, frozenset(x.id for x in limits), ("test",))


def assessed(one: Case, *limits: Limit) -> Assessment:
    return assess(one, chosen(*limits))


def reported(found: Assessment, **more: Any) -> Report:
    return report_of(found, **{"day": "2026-03-02", "file_hashes": [], "ct": None, **more})


def section(report: Report, title: str) -> Section:
    return next(s for s in report.sections if s.title == title)


def table(report: Report, title: str, caption: str) -> list[dict[str, str]]:
    """Rows of a table as text by column title; a status as its word."""
    found = next(b for b in section(report, title).blocks if isinstance(b, ReportTable) and b.caption.startswith(caption))
    return [{c.title: text_of(cell) for c, cell in zip(found.columns, row, strict=True)} for row in found.rows]


def text_of(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else " ".join(filter(None, (cell.status, cell.text)))


def facts(report: Report, title: str) -> dict[str, str]:
    return {term: value for b in section(report, title).blocks if isinstance(b, Facts) for term, value in b.rows}


def said(report: Report, title: str) -> list[str]:
    return [b.text for b in section(report, title).blocks if isinstance(b, Paragraph)]


# ------------------------------------------------------------------------------------------------------------- the whole


@pytest.mark.hazard("H08")
def test_everything_a_colleague_needs_is_there_in_order() -> None:
    report = reported(assessed(two_courses(), limit("D2cc", 80.0)))
    assert tuple(s.title for s in report.sections) == SECTIONS
    assert all(s.blocks for s in report.sections)
    assert (report.title, report.subtitle, report.day) == ("Re-irradiation physics report", "Case test", "2026-03-02")
    assert report.footer == "Decision support for professionals, not a medical device: check independently before use."
    assert section(report, "Signatures").blocks == (Signatures(("Performed by", "Independently checked by", "Approved by")),)


@pytest.mark.hazard("H30")
def test_same_case_same_report(drawn: None) -> None:
    one, two = (reported(assessed(two_courses(), limit("D2cc", 80.0))) for _ in range(2))
    assert one == two
    assert as_html(one) == as_html(two)


def test_date_is_the_one_given() -> None:
    found = assessed(two_courses())
    one, other = reported(found, day="2026-03-02"), reported(found, day="2026-03-03")
    assert (one.day, other.day) == ("2026-03-02", "2026-03-03")
    assert facts(other, "Identification and question")["Date"] == "2026-03-03"
    assert [a.title for a, b in zip(one.sections, other.sections, strict=True) if a != b] == ["Identification and question"]


def test_summary_says_what_must_be_known_first() -> None:
    report = reported(assessed(with_plans(two_courses()), limit("D2cc", 60.0), limit("Dmax", 80.0), limit("Dmax", 50.0, id="opt", level="optimal")))
    words, first, exceeded = report.summary
    assert words == Paragraph("A mandatory limit is exceeded.", "warning")
    assert isinstance(first, Facts)
    assert dict(first.rows) == {
        "Re-irradiation": "Type I re-irradiation (geometric overlap)",
        "Interval": "12.0 months (365 days)",
        "Limits": "2 exceeded, 0 not evaluable, 0 caution, 1 pass",
        "Data quality": "first B; second B (A dose, structures and images; E nothing known)",
        "Uncertainty": "not calculated",
        "Warnings": "0",
    }
    assert isinstance(exceeded, ReportTable)
    assert [tuple(map(text_of, row)) for row in exceeded.rows] == [
        ("Rectum", "D2cc", "64.00 Gy", "60 Gy", "mandatory", "exceed"),
        ("Rectum", "Dmax", "64.00 Gy", "50 Gy", "optimal", "exceed"),
    ]


def test_summary_of_a_case_within_its_limits_has_no_table() -> None:
    words, _ = reported(assessed(two_courses(), limit("D2cc", 80.0))).summary
    assert words == Paragraph("Within every limit that was checked.", "strong")


def test_summary_names_the_first_exceeded_limits_and_how_many_there_are() -> None:
    many = [limit("Dmax", 50.0 + k / 10, id=f"l{k}") for k in range(9)]
    exceeded = reported(assessed(two_courses(), *many)).summary[2]
    assert isinstance(exceeded, ReportTable)
    assert exceeded.caption == "Limits exceeded (the first 8 of 9)"
    assert len(exceeded.rows) == 8
    assert exceeded.rows[0][3] == "50 Gy"


def test_identification_is_as_stated_or_left_to_be_filled_in() -> None:
    given = facts(reported(assessed(two_courses()), user="A. Physicist", question="May more be given?", patient_id="123"), "Identification and question")
    assert [given[k] for k in ("Case", "Date", "Asked by", "Question", "Patient, as in the case file", "Proposed")] == [
        "test", "2026-03-02", "A. Physicist", "May more be given?", "123", "second",
    ]  # fmt: skip
    blank = facts(reported(assessed(two_courses())), "Identification and question")
    assert blank["Question"].startswith("to be filled in: ____")
    only = case(course("first", "prior", 30, 10))
    assert facts(reported(assessed(only)), "Identification and question")["Proposed"] == "none"


def test_versions_and_checksums_of_the_input() -> None:
    report = reported(assessed(two_courses()), file_hashes=[("case.yaml", "ab" * 32)])
    assert table(report, "Origin", "SHA-256") == [{"File": "case.yaml", "SHA-256": "ab" * 32}]
    programs = facts(report, "Origin")["Programs"]
    assert programs.startswith("reirrad ")
    assert all(name in programs for name in ("numpy", "scipy", "pydicom", "Python 3"))


def test_every_warning_stands_with_its_code() -> None:
    one = dataclasses.replace(two_courses(), notices=(Notice("a_code", "Look at <this>."), Notice("b_code", "And that.")))
    found = assessed(one, limit("Dmax", 80.0))
    rows = table(reported(found), "Warnings", "2 warnings")
    assert rows == [{"What to know": "Look at <this>.", "Code": "a_code"}, {"What to know": "And that.", "Code": "b_code"}]
    assert said(reported(dataclasses.replace(found, notices=())), "Warnings") == ["None."]


def test_strategy_of_the_sum() -> None:
    def strategy(one: Case) -> str:
        return said(reported(assessed(one)), "Strategy of the sum")[0]

    assert strategy(two_courses()).startswith("Strategy 3, registration-based sum")
    assert strategy(case(course("only", "proposed", 20, 5))) == "One course only: nothing is added."
    assert strategy(lettered()) == "Strategy 1, sum of point doses (near-maxima, wherever they lie), for letter: no dose in the frame of the reference course."
    three = case(*lettered().courses[:1], *two_courses().courses, registration=("none", "same_frame", "same_frame"))
    assert strategy(three).endswith(" Strategy 3, registration-based sum in three dimensions, for first, second.")


def lettered() -> Case:
    """45 Gy in 25 on paper, rectum up to 40 Gy; then 20 Gy in 5."""
    paper = Paper(45.0, 25, 20, {"rectum": {"Dmax": 40.0}})
    letter = dataclasses.replace(two_courses().courses[0], name="letter", phases=(), paper=paper)
    return case(letter, course("second", "proposed", 20, 5, first_day=dt.date(2022, 1, 1)), registration=("none", "same_frame"))


# ------------------------------------------------------------------------------------------------------------- type and courses


def test_type_with_the_numbers_it_rests_on() -> None:
    """The even dose fills the grid of 10 x 9 x 6 voxels of 0.08 cc: 43.2 cc, and reaches its border."""
    report = reported(assessed(with_plans(two_courses())))
    assert said(report, "Type of re-irradiation")[0] == "Type I re-irradiation (geometric overlap): the irradiated volumes overlap."
    assert table(report, "Type of re-irradiation", "Overlap") == [
        {
            "Earlier / proposed course": "first / second",
            "Isodoses (Gy)": "15.0 / 10.0",
            "Proposed volume (cc)": "43.2",
            "Shared (cc)": "43.2",
            "Shared part": "100 %",
            "Remark": "reaches the border of the dose grid: larger than stated",
        }
    ]
    assert table(report, "Type of re-irradiation", "Organs") == [
        {"Organ": "Rectum", "Earlier courses, volume": "first: 7.50 cc", "Proposed course, volume": "second: 7.50 cc"}
    ]


@pytest.mark.hazard("H08")
def test_type_of_what_is_not_known_is_not_guessed() -> None:
    report = reported(assessed(lettered()))
    assert said(report, "Type of re-irradiation")[0].startswith('Not determined: there is no dose distribution of course "letter"')
    (row,) = table(report, "Type of re-irradiation", "Overlap")
    assert (row["Isodoses (Gy)"], row["Shared (cc)"], row["Shared part"]) == ("–", "–", "–")
    (organ,) = table(report, "Type of re-irradiation", "Organs")
    assert organ["Earlier courses, volume"] == "letter: volume not known"


def test_unknown_part_of_the_overlap_is_stated() -> None:
    small = dataclasses.replace(grid(), u_mm=grid().u_mm[:5])
    first = course("first", "prior", DoseGrid(small, np.zeros(small.shape, np.float32), "1.2.3.100"), 10)
    first = dataclasses.replace(first, phases=(dataclasses.replace(first.phases[0], prescription_gy=30.0),))
    second = course("second", "proposed", 20, 5, phases=(Phase("plan", (Component(even_dose(20)),), 5, 5, 20.0),))
    report = reported(assessed(case(first, second)))
    (row,) = table(report, "Type of re-irradiation", "Overlap")
    assert row["Remark"] == "earlier dose not known in 21.6 cc; reaches the border of the dose grid: larger than stated"
    (organ,) = table(report, "Type of re-irradiation", "Organs")
    assert organ["Earlier courses, volume"] == "first: not known"


def test_courses_as_their_files_say() -> None:
    rows = {row.pop("Course"): row for row in table(reported(assessed(with_plans(two_courses()))), "Courses", "Courses")}
    assert rows == {
        "Kind": {"first": "earlier", "second": "proposed"},
        "Reference": {"first": "no", "second": "yes: its structures and frame"},
        "Prescription": {"first": "30.00 Gy", "second": "20.00 Gy"},
        "of the fractions given": {"first": "30.00 Gy", "second": "20.00 Gy"},
        "Fractions": {"first": "10", "second": "5"},
        "Largest dose": {"first": "30.00 Gy", "second": "20.00 Gy"},
        "Radiation": {"first": "photon", "second": "photon"},
        "Schedule": {"first": "one a day", "second": "one a day"},
        "Starts": {"first": "not stated", "second": "2022-01-01"},
        "Completed": {"first": "2021-01-01", "second": "not stated"},
        "Data": {"first": "B: dose, without structures or images", "second": "B: dose, without structures or images"},
    }


def test_more_courses_than_fit_beside_each_other_go_below() -> None:
    many = case(*(course(f"c{k}", "prior", 10, 5) for k in range(5)), course("last", "proposed", 20, 5))
    report = reported(assessed(many))
    tables = [b for b in section(report, "Courses").blocks if isinstance(b, ReportTable) and b.caption == "Courses"]
    assert [[c.title for c in t.columns] for t in tables] == [["Course", "c0", "c1", "c2", "c3"], ["Course", "c4", "last"]]
    doses = [[c.title for c in b.columns][4:] for b in section(report, "Doses").blocks if isinstance(b, ReportTable)]
    assert doses == [["c0", "c1", "c2"], ["c3", "c4", "last"], ["c0", "c1", "c2"], ["c3", "c4", "last", "all courses"]]


@pytest.mark.hazard("H02")
def test_what_a_person_stated_is_told_from_what_the_files_say() -> None:
    one = two_courses()
    assert "Nothing." in said(reported(assessed(one)), "Courses")
    phases = (dataclasses.replace(one.courses[0].phases[0], fractions=8), dataclasses.replace(one.courses[0].phases[0], label="boost", planned_fractions=None))
    first = dataclasses.replace(one.courses[0], phases=phases, stated_prescription_gy=48.0, rbe=1.1, let=2.5, timing=Timing(per_day=2, interval_h=6))
    changed = dataclasses.replace(
        one,
        courses=(first, one.courses[1]),
        organs=((box_structure("PTV minus"), "rectum"),),
        alpha_beta_gy={"rectum": 4.0},
        half_time_h={"rectum": 2.0},
        interpolation="linear",
        registration=("identity", "same_frame"),
    )
    stated = facts(reported(assessed(changed)), "Courses")
    assert stated["first"].startswith("8 fractions given of 10 planned (plan); 10 fractions (boost); the files state none; prescription 48.00 Gy; ")
    assert stated["first"].endswith("registration: stated to be the same frame (not checked)")
    assert all(words in stated["first"] for words in ("prescription 48.00 Gy", "schedule: ", "RBE 1.1", "LET of the protons"))
    assert stated["Structures"] == "PTV minus as rectum"
    assert stated["α/β"] == "rectum 4 Gy (library 3)"
    assert stated["Half time of repair"] == "rectum 2 h"
    assert stated["Interpolation"] == "linear"


@pytest.mark.hazard("H08")
def test_letter_stands_with_what_it_says() -> None:
    stated = facts(reported(assessed(lettered())), "Courses")
    assert stated["letter"] == "from paper, grade C: prescription 45.00 Gy in 25 fractions, 20 of them given; rectum Dmax 40 Gy"
    rows = {row["Course"]: row["letter"] for row in table(reported(assessed(lettered())), "Courses", "Courses")}
    assert (rows["Largest dose"], rows["Data"], rows["Fractions"]) == ("no dose files", "C: DVH or organ doses from paper", "20")
    unknown = dataclasses.replace(lettered().courses[0], paper=None, is_unknown=True)
    nothing = dataclasses.replace(lettered(), courses=(unknown, lettered().courses[1]))
    assert facts(reported(assessed(nothing)), "Courses")["letter"] == "nothing is known of its dose"


def test_registration_is_said_for_every_course() -> None:
    lines = facts(reported(assessed(two_courses())), "Interval and registration")
    assert lines == {"Interval": "12.0 months (365 days)", "first": "same frame of reference", "second": "reference"}
    assert facts(reported(assessed(lettered())), "Interval and registration")["letter"] == "no images: known from paper"
    detailed = dataclasses.replace(two_courses(), registration=("file", "same_frame"), registration_details=("rigid, 8 mm", ""))
    report = reported(assessed(detailed))
    assert facts(report, "Interval and registration")["first"] == "registration object; rigid, 8 mm"
    assert "No organ is contoured in both structure sets, so the registration could not be checked by contours." in said(report, "Interval and registration")
    undated = dataclasses.replace(two_courses(), courses=(dataclasses.replace(two_courses().courses[0], last_day=None), two_courses().courses[1]))
    assert facts(reported(assessed(undated)), "Interval and registration")["Interval"] == "not known: a date is missing"


@pytest.mark.hazard("H05")
def test_organ_in_both_structure_sets_is_compared() -> None:
    """The same box in both frames: Dice 1, distances 0, volumes alike."""
    one = dataclasses.replace(two_courses(), registration=("identity", "same_frame"))
    first = dataclasses.replace(one.courses[0], structures=(box_structure(),))
    (row,) = table(reported(assessed(dataclasses.replace(one, courses=(first, one.courses[1])))), "Interval and registration", "The same organ")
    assert row == {
        "Organ": "Rectum", "Course": "first", "Its structure": "Rectum", "Dice": "1.00", "Surface distance": "0.0", "95th percentile": "0.0",
        "Centres": "0.0", "Volume ratio": "1.00",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- limits


def test_one_row_for_each_limit_worst_first() -> None:
    asked = (limit("D2cc", 80.0), limit("Dmax", 60.0, level="optimal"), limit("Dmean", 66.0), limit("Dmax", 20.0, organ="bladder"))
    report = reported(assessed(two_courses(), *asked))
    rows = table(report, "Limits", "Limits, worst first")
    assert [(r["Organ"], r["Limit on"], r["Value"], r["Limit"], r["Flag"]) for r in rows] == [
        ("Rectum", "Dmax EQD2 α/β 3, sum", "64.00", "≤ 60 Gy", "exceed"),
        ("(bladder: no structure)", "Dmax EQD2 α/β 3, sum", "–", "≤ 20 Gy", "not_evaluable note 1"),
        ("Rectum", "Dmean EQD2 α/β 3, sum", "64.00", "≤ 66 Gy", "caution note 2"),
        ("Rectum", "D2cc EQD2 α/β 3, sum", "64.00", "≤ 80 Gy", "pass"),
    ]
    assert [r["Bar"] for r in rows] == ["107 % of the limit", "–", "97 % of the limit", "80 % of the limit"]
    assert [r["Source"] for r in rows] == ["[1] opt.", "[1]", "[1]", "[1]"]
    assert facts(report, "Limits")["[1]"] == "test (stated by the user)"
    assert facts(report, "Limits")["Note 2"] == "within 5 % of the limit"


def test_value_beside_its_limit_has_the_decimals_that_tell_the_side() -> None:
    """64 Gy against 63.998 Gy: 64.00 against 64 would hide that it exceeds."""
    (row,) = table(reported(assessed(two_courses(), limit("Dmax", 63.998))), "Limits", "Limits")
    assert (row["Value"], row["Limit"]) == ("64.0000", "≤ 63.998 Gy")


def test_mandatory_before_optimal_and_nearest_first() -> None:
    found = assessed(two_courses(), limit("Dmax", 100.0), limit("Dmean", 80.0), limit("D2cc", 70.0, level="optimal"))
    assert [str(f.limit.metric) for f in worst_first(found.findings)] == ["Dmean", "Dmax", "D2cc"]


def test_limits_of_one_course_name_it_where_there_are_several() -> None:
    second = course("second", "proposed", 20, 5)
    third = course("third", "proposed", 10, 5)
    report = reported(assessed(case(course("first", "prior", 30, 10), second, third), limit("Dmax", 50.0, scope="course", quantity="physical")))
    assert [r["Limit on"] for r in table(report, "Limits", "Limits")] == ["Dmax physical, one course (second)", "Dmax physical, one course (third)"]


def test_case_without_limits_says_so() -> None:
    assert said(reported(assessed(two_courses())), "Limits") == ["No limit was checked."]


@pytest.mark.hazard("H08")
def test_bounds_are_marked() -> None:
    """40 Gy x 20 / 25 = 32 Gy in 20 fractions on paper: 32 x 4.6 / 5 = 29.44 Gy, and 28 Gy."""
    report = reported(assessed(lettered(), limit("Dmax", 80.0)))
    (row,) = table(report, "Limits", "Limits")
    assert row["Value"] == "≤ 57.44"
    (doses,) = table(report, "Doses", "EQD2")
    assert doses["letter"].split(" / ")[0] == "≤29.44"
    assert doses["all courses"].split(" / ") == ["≤57.44", "≤57.44", "≥28.00"]


# ------------------------------------------------------------------------------------------------------------- organs


def test_doses_of_each_course_and_of_all() -> None:
    """30 Gy in 10 are 36 Gy EQD2, 20 Gy in 5 are 28 Gy."""
    report = reported(assessed(two_courses()))
    common = {"Organ": "Rectum", "cc": "7.50", "covered": "100 %", "α/β": "3"}
    three = "{0} / {0} / {0}".format
    assert table(report, "Doses", "Physical") == [common | {"first": three("30.00"), "second": three("20.00")}]
    assert table(report, "Doses", "EQD2") == [common | {"first": three("36.00"), "second": three("28.00"), "all courses": three("64.00")}]


@pytest.mark.hazard("H04")
def test_organ_that_the_grid_does_not_cover_shows_what_is_known() -> None:
    """The grid of the first course ends at x = 8 mm: 13 of 25 mm of the box are covered."""
    small = dataclasses.replace(grid(), u_mm=grid().u_mm[:5])
    first = course("first", "prior", DoseGrid(small, np.full(small.shape, 30, np.float32), "1.2.3.100"), 10)
    report = reported(assessed(case(first, course("second", "proposed", 20, 5))))
    (row,) = table(report, "Doses", "EQD2")
    assert float(row["covered"].removesuffix(" %")) == pytest.approx(52, abs=2)
    assert row["all courses"].split(" / ")[:2] == ["≥64.00", "≥64.00"]
    (spot,) = table(report, "Contribution of each course", "At the hottest point")
    assert spot["all, EQD2"] == "64.00"


def test_contribution_at_the_hottest_point() -> None:
    report = reported(assessed(lettered()))
    (row,) = table(report, "Contribution of each course", "At the hottest point")
    assert (row["letter: physical → EQD2"], row["second: physical → EQD2"], row["all, EQD2"]) == ("not known", "20.00 → 28.00", "≥ 28.00")
    assert any(text.startswith("≥: a course is not known") for text in said(report, "Contribution of each course"))
    complete = reported(assessed(two_courses()))
    assert not said(complete, "Contribution of each course")
    assert table(complete, "Contribution of each course", "At the hottest point")[0]["first: physical → EQD2"] == "30.00 → 36.00"


def figures(report: Report, title: str) -> list[str]:
    return [f.alt or f.caption for b in section(report, title).blocks if isinstance(b, Figures) for f in b.figures]


def test_figures_of_many_organs() -> None:
    """A DVH of each of forty organs, bars of no more than a page holds, and one row each in the tables."""
    found = assessed(two_courses())
    report = reported(dataclasses.replace(found, organs=tuple(dataclasses.replace(found.organs[0], name=f"organ {k}") for k in range(40))))
    assert len(figures(report, "Dose-volume histograms")) == 40
    assert len(figures(report, "Slices through hot spots")) == 1  # all are hottest at one place
    assert "The 36 organs with the largest EQD2 of 40; the others stand in the table." in said(report, "Contribution of each course")
    assert len(table(report, "Contribution of each course", "At the hottest point")) == 40


def test_organs_that_are_hottest_far_apart_have_slices_of_their_own() -> None:
    """Dose rises along x: boxes 40 mm apart along y."""
    lines = dataclasses.replace(grid((6, 19, 10)))
    dose = DoseGrid(lines, np.broadcast_to(lines.u_mm + 20, lines.shape).astype(np.float32).copy(), "1.2.3.100")
    boxes = {"near": (-5.0, 20.0, 15.0, 25.0), "beside": (-5.0, 20.0, 17.0, 27.0), "far": (-5.0, 20.0, 60.0, 70.0)}
    organs = [(box_structure(name, box=box, number=k), "bowel") for k, (name, box) in enumerate(boxes.items(), 1)]
    report = reported(assessed(case(course("first", "prior", dose, 10), organs=organs)))
    captions = [f.caption for b in section(report, "Slices through hot spots").blocks if isinstance(b, Figures) for f in b.figures]
    assert captions == ["near: beside", "far: "]


def test_no_dose_at_points_leaves_words_where_figures_would_be() -> None:
    letter = lettered().courses[0]
    one = dataclasses.replace(
        lettered(), courses=(letter, dataclasses.replace(letter, name="second", kind="proposed", structures=lettered().courses[1].structures))
    )
    report = reported(assess_quietly(one))
    for title in ("Dose-volume histograms", "Slices through hot spots", "Contribution of each course"):
        assert said(report, title) == ["No course gives dose at points of an organ."]


def assess_quietly(one: Case) -> Assessment:
    """An assessment without organs, as of a case in which nothing could be read."""
    return Assessment(one, (), (), (), ())


def test_parameters_have_their_sources() -> None:
    report = reported(assessed(dataclasses.replace(two_courses(), alpha_beta_gy={"rectum": 4.0})))
    (row,) = table(report, "Model and parameters", "Parameters")
    assert (row["Organ"], row["α/β (Gy)"], row["Source of α/β"]) == ("rectum", "4", "stated in the case file")
    (row,) = table(reported(assessed(two_courses())), "Model and parameters", "Parameters")
    assert row["Source of α/β"].startswith("ASTRO cervical cancer")
    ureter = case(course("first", "prior", 30, 10), organs=[(box_structure("Ureter"), "ureter")])
    (row,) = table(reported(assessed(ureter)), "Model and parameters", "Parameters")
    assert (row["Source of α/β"], row["Interval"], row["Repair and recovery"]) == ("convention for late damage", "–", "–")
    twice = dataclasses.replace(two_courses().courses[1], timing=Timing(per_day=2, interval_h=6))
    (row,) = table(reported(assessed(dataclasses.replace(two_courses(), courses=(two_courses().courses[0], twice)))), "Model and parameters", "Parameters")
    assert row["Repair and recovery"] == "half time 4.4 h (convention)"


# ------------------------------------------------------------------------------------------------------------- remaining dose


def test_remaining_dose_by_hand() -> None:
    """36 of 80 Gy are spent, 44 remain: in 5 fractions d (d + 3) = 44, d = 5.30 Gy, 26.50 Gy; in one d (d + 3) = 220."""
    choice = chosen(limit("D2cc", 80.0), limit("Dmax", 60.0, level="optimal"))
    report = reported(assess(two_courses(), choice), budget=remaining(two_courses(), choice, (5,)))
    (row,) = table(report, "Remaining dose", "Remaining EQD2")
    assert (row["Organ"], row["Limit of the sum"], row["Earlier"], row["Remaining EQD2"]) == ("Rectum", "D2cc EQD2 α/β 3 ≤ 80 Gy", "36.00", "44.00")
    assert row["5 fx"] == f"{5 * (np.sqrt(9 + 4 * 44) - 3) / 2:.2f}"
    assert row["1 fx"] == f"{(np.sqrt(9 + 4 * 220) - 3) / 2:.2f}*"
    assert said(report, "Remaining dose")[0] == "Every mandatory limit leaves something."
    assert said(report, "Remaining dose")[-1] == "A mathematical budget, not a prescription."


@pytest.mark.hazard("H08")
def test_deficit_is_shown_as_a_deficit() -> None:
    choice = chosen(limit("Dmax", 30.0))
    report = reported(assess(two_courses(), choice), budget=remaining(two_courses(), choice, (1,)))
    (row,) = table(report, "Remaining dose", "Remaining EQD2")
    assert (row["Remaining EQD2"], row["1 fx"], row["28 fx"]) == ("deficit 6.00", "–", "–")
    assert said(report, "Remaining dose")[0].startswith("A mandatory limit has nothing left")


def test_remaining_of_a_letter_is_a_bound_with_a_note() -> None:
    """29.44 Gy at most are spent of 50: 20.56 remain at least."""
    choice = chosen(limit("Dmax", 50.0))
    report = reported(assess(lettered(), choice), budget=remaining(lettered(), choice, (3,)))
    (row,) = table(report, "Remaining dose", "Remaining EQD2")
    assert (row["Earlier"], row["Remaining EQD2"]) == ("≤ 29.44", "≥ 20.56 (note 1)")
    assert facts(report, "Remaining dose")["Note 1"].startswith('course "letter" is known from paper only')


def test_what_is_not_evaluable_or_has_no_bound_is_said() -> None:
    asked = (limit("Dmean", 50.0), limit("Dmax", 20.0, organ="bladder"), limit("Dmin", 10.0, organ="skin", comparator=">="))
    choice = chosen(*asked)
    report = reported(assess(lettered(), choice), budget=remaining(lettered(), choice, (3,)))
    rows = {row["Organ"]: row for row in table(report, "Remaining dose", "Remaining EQD2")}
    assert rows["Rectum"]["Remaining EQD2"].startswith("not evaluable (note ")
    assert rows["(bladder: no structure)"]["Earlier"] == "–"


def test_limits_that_are_no_part_of_the_budget_are_named() -> None:
    choice = chosen(limit("Dmax", 80.0), limit("Dmax", 50.0, id="alone", scope="course", quantity="physical"))
    report = reported(assess(two_courses(), choice), budget=remaining(two_courses(), choice, (5,)))
    assert said(report, "Remaining dose")[-2].startswith("Limits of the new course alone are no part of this budget")
    assert "1 fraction, a mandatory" in said(reported(assess(two_courses(), choice), budget=remaining(two_courses(), choice, (1,))), "Remaining dose")[1]


def test_reason_why_there_is_no_budget_stands_in_its_place() -> None:
    report = reported(assessed(two_courses()), budget="The case has no earlier course.")
    assert section(report, "Remaining dose").blocks == (Paragraph("The case has no earlier course.", "warning"),)
    assert said(reported(assessed(two_courses())), "Remaining dose") == ["Not calculated for this report: reirrad budget calculates it."]


# ------------------------------------------------------------------------------------------------------------- uncertainty and recovery


LIMITS = "- {id: sum, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: LIMIT, level: mandatory, source: x}\n"


def loaded(folder: Path, text: str, limit_gy: float) -> Assessment:
    """The first course rises as x + 20 Gy in 10, the second has 20 Gy in 5."""
    write_course(folder / "c1", 1, np.broadcast_to(grid().u_mm + 20, GRID_SHAPE), 10)
    write_course(folder / "c2", 2, 20, 5)
    return assess(*load_case(write_case_file(folder, f"constraints: limits.yaml\n{text}", limits=LIMITS.replace("LIMIT", f"{limit_gy:g}"))))


@pytest.mark.hazard("H05")
def test_band_and_judgements_that_change(tmp_path: Path) -> None:
    nominal = loaded(tmp_path / "a", "", 500).findings[0].value
    assert nominal is not None
    found = loaded(tmp_path / "b", "uncertainty: {shift_mm: 3, alpha_beta: interval}", round(nominal + 1, 1))
    report = reported(found)
    assert found.uncertainty is not None
    (band,) = found.uncertainty.bands
    (row,) = table(report, "Limits", "Limits")
    assert row["Band"] == f"{band.low:.1f} to {band.high:.1f}"
    assert row["Bar"].endswith(f"band {band.low:.1f} to {band.high:.1f} Gy")
    flips = table(report, "Uncertainty", "Flags that change")
    assert {f["becomes"] for f in flips} >= {"exceed"}
    assert {f["Limit"] for f in flips} == {f"D2cc ≤ {round(nominal + 1, 1):g} Gy"}
    assert facts(report, "Uncertainty")["Tried"] == "earlier dose shifted by up to 3 mm; both ends of the α/β interval"
    (searched,) = table(report, "Uncertainty", "Upper bounds")
    assert float(searched["Anywhere"]) >= float(searched["Value"])
    assert dict(report.summary[1].rows)["Uncertainty"] == f"changes {len(flips)} of the flags"  # type: ignore[union-attr]


def test_uncertainty_that_changes_nothing(tmp_path: Path) -> None:
    report = reported(loaded(tmp_path, "uncertainty: {fractions: 1, recovery: range, rotation_deg: 1}", 500))
    assert "No flag changes in any scenario." in said(report, "Uncertainty")
    assert facts(report, "Uncertainty")["Tried"] == "turned by up to 1 degrees; recovery of other models; 1 fraction(s) more or fewer"
    assert dict(report.summary[1].rows)["Uncertainty"] == "changes none of the flags"  # type: ignore[union-attr]
    assert facts(reported(loaded(tmp_path, "uncertainty: {fractions: 0}", 500)), "Uncertainty")["Tried"] == "nothing"


def test_limits_without_a_band_say_why(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c2", 2, 20, 5)
    other = "- {id: o, organ: bladder, metric: Dmax, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 70, level: mandatory, source: x}\n"
    folder = write_case_file(tmp_path, "constraints: limits.yaml\nuncertainty: {fractions: 1}", limits=LIMITS.replace("LIMIT", "80") + other)
    found = assess(*load_case(folder))
    report = reported(dataclasses.replace(found, findings=found.findings))
    skipped = found.uncertainty.skipped if found.uncertainty else ()
    listed = facts(report, "Uncertainty")
    assert ("No band" in listed) == bool(skipped)
    assert skipped
    assert listed["No band"].endswith("no structure Dmax ≤ 70 Gy")


def test_uncertainty_that_is_off_is_a_warning() -> None:
    (only,) = section(reported(assessed(two_courses())), "Uncertainty").blocks
    assert isinstance(only, Paragraph)
    assert only.tone == "warning"
    assert only.text.startswith("Not calculated")


@pytest.mark.hazard("H13")
def test_recovery_stands_beside_and_the_limit_meant_for_it_says_so(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, 30, 10)
    write_course(tmp_path / "c2", 2, 20, 5)
    text = "constraints: limits.yaml\nrecovery: {rectum: paradis_2019}"
    limits = LIMITS.replace("LIMIT", "62") + LIMITS.replace("LIMIT", "80").replace("id: sum", "id: after, recovery: discounted")
    limits += "- {id: alone, organ: rectum, metric: Dmax, quantity: physical, scope: course, limit_gy: 50, level: mandatory, source: x}\n"
    found = assess(*load_case(write_case_file(tmp_path, text, limits=limits)))
    report = reported(found)
    part = found.organs[0].recovered[0].part
    assert 0 < part < 1
    after = f"{36 * (1 - part) + 28:.2f}"
    rows = table(report, "Limits", "Limits")
    assert [(r["Value"], r["after recovery"]) for r in rows] == [("64.00", after), ("64.00", after), ("20.00", "–")]
    assert "judged after recovery" in rows[1]["Flag"]
    assert "judged after recovery" not in rows[0]["Flag"]
    (doses,) = table(report, "Doses", "EQD2")
    assert doses["all, after recovery"] == f"{after} / {after} / {after}"
    assert facts(report, "Model and parameters")["Recovery"] == "paradis_2019 for the organs named; values without it stand beside"
    assert facts(report, "Courses")["Recovery, rectum"].startswith("paradis_2019")


# ------------------------------------------------------------------------------------------------------------- other models and scores


@pytest.mark.hazard("H22")
def test_other_models_stand_beside_the_usual_one_at_their_own_alpha_beta() -> None:
    """16 Gy in one fraction at alpha/beta 2: 72 Gy EQD2; LQ-L from 4 Gy 36 Gy. The curve of lung has alpha/beta 8.6, at which the usual EQD2 is 37 Gy."""
    usc = HighDose("usc", ("rectum",), alpha_per_gy=0.33, d0_gy=1.25, dq_gy=1.8)
    one = case(course("now", "proposed", 16, 1), alpha_beta_gy={"rectum": 2.0}, sensitivities=(HighDose("lq-l"), usc))
    straight, curve = table(reported(assessed(one)), "Other models and scores", "Other models")
    three = "{0} / {0} / {0}".format
    assert (straight["α/β"], straight["linear-quadratic"], straight["this model"]) == ("2", three("72.00"), three("36.00"))
    alpha_beta = 4 * 0.33 * 1.25**2 * 1.8 / 1.25 / (1 - 0.33 * 1.25) ** 2  # of the curve: alpha / beta with beta = (1 - alpha D0)^2 / (4 D0 Dq)
    assert float(curve["α/β"]) == pytest.approx(alpha_beta, abs=0.01)
    assert float(curve["linear-quadratic"].split(" / ")[0]) == pytest.approx(16 * (16 + alpha_beta) / (2 + alpha_beta), abs=0.01)


@pytest.mark.hazard("H04")
def test_other_models_of_what_is_not_known_have_no_value() -> None:
    letter = dataclasses.replace(lettered().courses[0], paper=None, is_unknown=True)
    one = case(letter, course("now", "proposed", 16, 1), registration=("none", "same_frame"), sensitivities=(HighDose("lq-l"),))
    (row,) = table(reported(assessed(one)), "Other models and scores", "Other models")
    assert row["this model"] == "– / – / –"


def test_score_of_the_cord_is_told_with_its_group() -> None:
    """Even 50 Gy in 25 twice: BED 100 and 100 at alpha/beta 2; or no dose known of the first."""
    cord = [(box_structure("SpinalCord"), "spinal_cord")]
    first = course("first", "prior", 50, 25, last_day=dt.date(2021, 1, 1))
    one = case(first, course("second", "proposed", 50, 25, first_day=dt.date(2022, 1, 1)), organs=cord)
    found = assessed(one)
    (score,) = found.risk_scores
    assert score.score is not None
    told = facts(reported(found), "Other models and scores")["SpinalCord"]
    assert told.startswith(f"Nieder myelopathy score {score.score.points[0]:g} points, {score.score.low.name} risk ({score.score.low.observed} observed)")
    unknown = dataclasses.replace(first, phases=(), is_unknown=True)
    missing = reported(assessed(dataclasses.replace(one, courses=(unknown, one.courses[1]), registration=("none", "same_frame"))))
    assert facts(missing, "Other models and scores")["SpinalCord"] == "Nieder score not evaluable: the largest dose of a course in this structure is not known"


def test_case_without_other_models_has_no_such_section() -> None:
    assert "Other models and scores" not in [s.title for s in reported(assessed(two_courses())).sections]


def test_where_publications_disagree_is_said() -> None:
    report = reported(assessed(two_courses(organs=[(box_structure("Bladder"), "bladder")]), limit("Dmax", 80.0, organ="bladder")))
    assert "alpha/beta of the bladder" in [row["Topic"] for row in table(report, "Where publications disagree", "Contradicting")]


def test_organ_without_contours_and_organ_without_dose_have_no_slice() -> None:
    """The one is empty; the other has 0 Gy everywhere."""
    empty = dataclasses.replace(box_structure("Empty"), contours=())
    report = reported(assessed(case(course("first", "prior", 0, 10), organs=[(empty, "bladder"), (box_structure(), "rectum")])))
    assert said(report, "Slices through hot spots") == ["No course gives dose at points of an organ."]
    rows = {row["Organ"]: row for row in table(report, "Doses", "Physical")}
    assert (rows["Empty"]["cc"], rows["Empty"]["first"]) == ("–", "– / – / –")
    assert table(report, "Contribution of each course", "At the hottest point")[0]["Organ"] == "Rectum"


def test_no_more_slices_than_six() -> None:
    """Eight boxes 25 mm apart along y, each hottest at its own far end."""
    lines = grid((6, 60, 10))
    dose = DoseGrid(lines, np.broadcast_to(lines.u_mm + 20, lines.shape).astype(np.float32).copy(), "1.2.3.100")
    organs = [(box_structure(f"o{k}", box=(-5.0, 20.0, 15.0 + 25 * k, 25.0 + 25 * k), number=k + 1), "bowel") for k in range(8)]
    report = reported(assessed(case(course("first", "prior", dose, 10), organs=organs)))
    assert len(figures(report, "Slices through hot spots")) == 6
