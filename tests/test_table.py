from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from case_factory import box_structure, case, course, even_dose, limit, two_courses
from rich.console import Console

from reirrad.assessment import LimitChoice, assess
from reirrad.course import Component, Course, Phase, RecoveryChoice
from reirrad.errors import Notice
from reirrad.highdose import HighDose
from reirrad.limit import Clause
from reirrad.papercourse import Paper
from reirrad.recovery import custom
from reirrad.structures import Structure
from reirrad.table import NOTE, render


def shown(one: Any, *limits: Any, width: int = 150, colour: bool = False) -> str:
    stream = io.StringIO()
    render(
        assess(one, LimitChoice(limits, frozenset(x.id for x in limits), ("own",))), Console(file=stream, width=width, force_terminal=colour, highlight=False)
    )
    return stream.getvalue()


def line(text: str, *words: str) -> str:
    """The one line that holds all the words."""
    found = [row for row in text.splitlines() if all(w in row for w in words)]
    assert len(found) == 1, text
    return found[0]


@pytest.mark.hazard("H08")
def test_courses_doses_limits_and_verdict() -> None:
    text = shown(two_courses(), limit("D2cc", 80.0, source="Me 2020 (a book), page 3", doi="10.1/x"))
    assert text.splitlines()[0] == "Case test"
    assert line(text, "prior") == "  prior    first: 10 fractions, photon, completed 2021-01-01"
    assert line(text, "proposed") == "  proposed second: 5 fractions, photon, starts 2022-01-01"
    assert line(text, "interval") == "  interval 365 days (12.0 months); recovery: none assumed"
    assert re.split(" {2,}", line(text, "Rectum", "/ ").strip()) == ["Rectum", "3", "7.50", "30.0 / 30.0 / 30.0", "20.0 / 20.0 / 20.0", "64.0 / 64.0 / 64.0"]
    row = re.split(" {2,}", line(text, "D2cc EQD2").strip())
    assert row == ["Rectum", "D2cc EQD2 α/β 3, all courses", "64.0", "<= 80 Gy", "+16.0", "✓ pass", "Me 2020"]
    assert "  Me 2020 (a book), page 3, doi 10.1/x; status user" in text
    assert "Verdict: ✓ within every limit that was checked" in text
    assert NOTE in text
    assert "Warnings" not in text


def test_prescription_and_phases_are_shown_when_known() -> None:
    phases = (Phase("a", (Component(even_dose(45)),), 25, 25, 45.0), Phase("b", (Component(even_dose(9)),), 5, 5, 9.0, concurrent=True))
    text = shown(case(course("c", "prior", 1, 1, phases=phases), course("d", "proposed", 20, 5)))
    assert "  prior    c: 54 Gy in 25 + 5 concurrent fractions, photon" in text
    assert line(text, "interval") == "  interval not known; recovery: none assumed"


def test_status_words_and_reasons() -> None:
    text = shown(
        two_courses(),
        limit("D2cc", 64.0, id="near"),
        limit("Dmax", 60.0, id="over", level="optimal", status="SECONDARY"),
        limit("D10cc", 60.0, id="small"),
        limit("V20Gy", 5.0, id="volume", quantity="physical", scope="course", unit="cc"),
        limit("D5cc", 60.0, id="small too", organ="liver"),
    )
    assert "! caution (1)" in line(text, "D2cc EQD2")
    assert "+0.0" in line(text, "D2cc EQD2")
    assert "✗ EXCEED" in line(text, "Dmax")
    assert "-4.0" in line(text, "Dmax")
    assert "test SECONDARY, optimal" in line(text, "Dmax")
    assert line(text, "D10cc").split()[-5:] == ["?", "not", "evaluable", "(2)", "test"]
    assert "physical, this course" in line(text, "V20Gy")
    assert "7.50" in line(text, "V20Gy")
    assert "(liver)" in line(text, "D5cc")
    assert "  (1) within 5 % of the limit" in text
    assert "  (2) the structure has 7.5 cc, less than the 10 cc of the metric" in text
    assert "Verdict: ✗ a mandatory limit is exceeded" in text
    assert sum("Rectum" in row for row in text.splitlines()) == 2  # once with its doses, once above its limits


@pytest.mark.hazard("H08")
def test_an_exceeded_limit_never_looks_met() -> None:
    """64 Gy against 63.98 Gy: to one decimal both are 64.0."""
    row = re.split(" {2,}", line(shown(two_courses(), limit("D2cc", 63.98)), "D2cc EQD2").strip())
    assert row[2:6] == ["64.0000", "<= 63.98 Gy", "-0.0200", "✗ EXCEED"]


def test_one_reason_is_written_once() -> None:
    text = shown(two_courses(), limit("D10cc", 60.0, id="a"), limit("D10cc", 50.0, id="b"))
    assert text.count("less than the 10 cc") == 1
    assert text.count("(1)") == 3


@pytest.mark.hazard("H04")
def test_unknown_dose_is_shown_as_a_bound_or_a_dash() -> None:
    """Half of the organ has no dose of the first course: 36 Gy in the other half, and 28 Gy of the second everywhere."""
    short = course("first", "prior", even_dose(30, (3, 9, 10)), 10)
    one = case(short, course("second", "proposed", 20, 5), organs=[(box_structure(), "rectum"), (Structure("Bladder", 2, ()), "bladder")])
    text = shown(one, limit("Dmax", 60.0))
    assert "≥64.0 / ≥64.0 / ≥46.0" in line(text, "Rectum", "/ ")
    assert re.split(" {2,}", line(text, "Bladder", "/ ").strip()) == ["Bladder", "3", "–", "– / – / –", "– / – / –", "– / – / –"]
    assert "≥ 64.0" in line(text, "Dmax")


def test_large_volumes_have_no_decimals() -> None:
    wide = box_structure(box=(-8.0, 28.0, 10.0, 42.0))  # 36 x 32 x 15 mm3 = 17.28 cc
    assert line(shown(two_courses(organs=[(wide, "rectum")])), "Rectum", "/ ").split()[2] == "17"


def test_no_limit() -> None:
    text = shown(two_courses())
    assert "No limit was checked." in text
    assert "Verdict: ? a mandatory limit, or every limit, is not evaluable" in text


@pytest.mark.hazard("H08")
def test_warnings_are_listed_with_their_codes() -> None:
    text = shown(two_courses(notices=(Notice("a_code", "some words"), Notice("b_code", "more [bold]words[/bold]"))), limit())
    assert "Warnings (2)" in text
    assert "  ! some words (a_code)" in text
    assert "  ! more [bold]words[/bold] (b_code)" in text


@pytest.mark.hazard("H39")
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("[red]Rectum[/red]", "[red]Rectum[/red]"),
        ("Rec\ntum", "Rec tum"),
        ("\x1b[31mRED\x1b[0m", "[31mRED [0m"),
        ("Bladder\u202egnp.exe", "Bladder gnp.exe"),
        ("{0.__class__} %s", "{0.__class__} %s"),
    ],
)
def test_hostile_names_are_shown_as_plain_text(name: str, seen: str) -> None:
    one = two_courses(organs=[(box_structure(name), "rectum")])
    courses = (replace(one.courses[0], name=f"{name}A"), replace(one.courses[1], name=f"{name}B"))
    text = shown(replace(one, courses=courses, name=name), limit("Dmax", 80.0, id=name, source=f"{name} book"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.splitlines()[0] == f"Case {seen}"
    assert line(text, "✓ pass").lstrip().startswith(seen)
    assert f"  prior    {seen}A: 10 fractions" in text


def test_colours_come_with_words() -> None:
    text = shown(two_courses(), limit("Dmax", 60.0), colour=True)
    assert "\x1b[1;31m✗ EXCEED" in text


# ------------------------------------------------------------------------------------------------------- recovery, paper, rules, scores


def test_sums_without_and_with_recovery_stand_side_by_side() -> None:
    """36 Gy a year before, of which a quarter is forgotten: 27 + 28."""
    chosen = {"rectum": RecoveryChoice(custom([(6, 0.25)], "board"), "board")}
    one = two_courses(recovery=chosen, organs=[(box_structure(), "rectum"), (box_structure("Bladder"), "bladder")])
    text = shown(one, limit("D2cc", 60.0, recovery="discounted"), limit("Dmax", 80.0, organ="bladder"))
    assert "recovery: custom (a model; sums without it stand beside)" in line(text, "interval")
    assert "with recovery" in text
    assert line(text, "Rectum", "30.0 / 30.0").rstrip().endswith("64.0 / 64.0 / 64.0   55.0 / 55.0 / 55.0")
    assert line(text, "Bladder", "30.0 / 30.0").rstrip().endswith("64.0 / 64.0 / 64.0                    –")
    row = re.split(" {2,}", line(text, "D2cc EQD2").strip())
    assert row[2:6] == ["64.0", "55.0", "<= 60 Gy", "+5.0"]
    assert row[6].startswith("! caution")
    assert "only with recovery: without it the value is 64.00 Gy (exceed)" in text


def test_bounds_of_a_course_on_paper() -> None:
    letter = Course("letter", "prior", (), "", paper=Paper(45, 25, 25))
    lost = Course("lost", "prior", (), "", is_unknown=True)
    once = Course("ioert", "proposed", (), "", paper=Paper(10, 1, 1), radiation="electron")
    now = course("now", "proposed", 20, 5)
    text = shown(case(letter, once, now), limit("D2cc", 200.0), limit("Dmax", 50.0, scope="course", quantity="physical", id="one"))
    assert "  prior    letter: 45 Gy in 25 fractions, photon, on paper (grade D)" in text
    assert "  proposed ioert: 10 Gy in 1 fraction, electron, on paper (grade D)" in text
    assert "≤45.0 / ≤45.0 / –" in line(text, "Rectum", "≤45.0")
    assert line(text, "Dmax physical, now")
    assert line(text, "Dmax physical, ioert", "≤ 10.0")
    text = shown(case(lost, now), limit("D2cc", 20.0))
    assert "  prior    lost: dose not known, photon, on paper (grade E)" in text
    assert "≥ 28.0" in line(text, "D2cc EQD2")


def test_clauses_of_a_rule_have_lines_of_their_own() -> None:
    clauses = (Clause("this_course", "<=", 25.0, "Gy"), Clause("interval", ">=", 5.0, "months"), Clause("ratio", "<=", 0.5, ""))
    for chosen in ({}, {"rectum": RecoveryChoice(custom([(6, 0.25)], "board"), "board")}):
        text = shown(two_courses(recovery=chosen), limit("Dmax", 80.0, clauses=clauses, structure="wall of it"))
        assert "Dmax of the wall of it EQD2" in text
        assert line(text, 'and Dmax of "second" <= 25 Gy', "28", "✗ EXCEED")
        assert line(text, "and interval >= 5 months", "12", "✓ pass")
        assert line(text, 'and Dmax of "second" / all courses <= 0.5', "0.438", "✓ pass")
    lost = Course("lost", "prior", (), "", is_unknown=True)
    text = shown(case(lost, course("now", "proposed", 20, 5)), limit("Dmax", 80.0, clauses=(clauses[1],)))
    assert "? not evaluable" in line(text, "and interval >= 5 months", "–")


def test_other_models_only_where_they_differ() -> None:
    """4 Gy and 2.5 Gy fractions at a transition of 3.5 Gy: only in the structure with alpha/beta 3 (rectum, bladder alike); none at 5 Gy."""
    text = shown(two_courses(sensitivities=(HighDose("lq-l", transition_gy=3.5),)))
    assert "Other models, not for limits" in text
    assert "LQ-L, transition 3.5 Gy" in text
    assert "No difference" not in text
    text = shown(two_courses(sensitivities=(HighDose("lq-l", transition_gy=5.0),)))
    assert "No difference in: Rectum." in text


def test_score_of_a_cord_and_disagreements() -> None:
    cord = [(box_structure("SpinalCord"), "spinal_cord")]
    text = shown(two_courses(organs=cord), limit("Dmax", 200.0, organ="spinal_cord"))
    # BED at alpha/beta 2: 30 (1 + 3 / 2) = 75 and 20 (1 + 4 / 2) = 60, together 135: 2 points
    assert "Nieder myelopathy score of SpinalCord: 2 points, low risk (3 % (1 case) observed); from the maximum of each course, no recovery" in text
    assert "Publications disagree about: " in text
    unknown = case(course("then", "prior", 30, 10), course("now", "proposed", 20, 5), organs=cord)
    text = shown(unknown)
    assert "Nieder myelopathy score of SpinalCord: 2 to 6.5 points, low risk" in text
    assert "! An interval is not known" in text
    lost = Course("lost", "prior", (), "", is_unknown=True)
    text = shown(case(lost, course("now", "proposed", 20, 5), organs=cord))
    assert "Nieder myelopathy score of SpinalCord: not evaluable, the largest dose of a course" in text
