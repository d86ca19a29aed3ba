from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from case_factory import box_structure, case, course, even_dose, limit, two_courses
from rich.console import Console

from reirrad.assessment import LimitChoice, assess
from reirrad.course import Component, Phase
from reirrad.errors import Notice
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
