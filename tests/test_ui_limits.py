"""The Limits page: what stands in its table, and what happens when a person moves a slider.

30 Gy in 10 and 20 Gy in 5 in a box: EQD2 at alpha/beta 3 Gy 36 + 28 = 64 Gy; at 10 Gy 32.5 + 23.333 = 55.833 Gy. The second course starts 12 months later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_factory import BOX, box_structure, case, course, even_dose, limit, two_courses
from conftest import ROOT
from streamlit.testing.v1 import AppTest

from reirrad.assessment import assess
from reirrad.band import Uncertainty
from reirrad.course import Case, RecoveryChoice
from reirrad.dose import DoseGrid
from reirrad.errors import ParameterError
from reirrad.judgement import LimitChoice, situations_of
from reirrad.limit import Clause, Limit
from reirrad.recovery import recovery_models
from reirrad.reportlimits import worst_first
from reirrad.structures import Structure
from reirrad.ui import limitsdata, limitspage
from reirrad.ui.casetext import case_text
from reirrad.ui.found import Found
from reirrad.ui.limitsdata import Explored, explored_of, key_of, offered
from reirrad.ui.limitspage import page_data
from reirrad.ui.limitstable import limits_table, verdict_html
from reirrad.ui.opened import Opened
from reirrad.ui.session import KEY, Loaded, Session
from reirrad.ui.staleness import is_stale
from reirrad.ui.whatifpanel import Assumed, changed, differences, settings_of
from reirrad.uncertainty import bands
from reirrad.whatif import WhatIf, what_if

BLADDER_BOX = (-5.0, 7.5, 15.0, 35.0)
ORGANS = ((box_structure(), "rectum"), (box_structure("Bladder", box=BLADDER_BOX, number=2), "bladder"))
LIMITS = (
    limit("D2cc", 60.0), limit("Dmax", 40.0, quantity="physical", scope="course", level="optimal"),
    limit("Dmean", 65.0, "bladder"), limit("Dmax", 90.0, "bladder"),
)  # fmt: skip
HOSTILE = "\"><img src=x onerror='alert(1)'><script>alert(1)</script>"


def loaded(one: Case | None = None, *limits: Limit, uncertainty: Uncertainty | None = None) -> Loaded:
    of = one or two_courses(organs=ORGANS)
    choice = LimitChoice(limits or LIMITS, frozenset(), ("test",), uncertainty)
    return Loaded(Path("nowhere"), Path("nowhere/case.yaml"), of, choice, assess(of, choice))


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session()
    yield made
    made.clear()


def explored(session: Session, of: Loaded | None = None) -> Explored:
    session.loaded = of or loaded()
    made = explored_of(session, session.loaded)
    assert made is not None
    return made


def values(found: Any) -> list[tuple[str, float | None, str]]:
    return [(f.limit.id, f.judged_value, f.status) for f in worst_first(found.findings)]


class TestExplored:
    def test_the_case_itself_is_shown_first(self, session: Session) -> None:
        made = explored(session)
        assert made.assessment() is made.loaded.assessment
        assert made.chosen == "Rectum"
        assert explored_of(session, made.loaded) is made

    def test_another_calculation_makes_it_anew(self, session: Session) -> None:
        """H18: nothing that was assumed or calculated for the case before is used for the next."""
        made = explored(session)
        made.take({"n": 3, "shift": 5})
        again = explored(session, loaded())
        assert again is not made
        assert again.assumed.is_case
        assert again.token != made.token

    @pytest.mark.parametrize(
        "message",
        [
            {"alpha_beta": ["rectum", 10]},
            {"interval": 3},
            {"recovery": "paradis_2019"},
            {"alpha_beta": ["bladder", 5.5], "interval": 30, "recovery": "noel_linear"},
        ],
    )
    def test_organ_by_organ_is_the_whole(self, session: Session, message: dict[str, Any]) -> None:
        made = explored(session)
        made.take({"n": 1, "alpha_beta": ["rectum", 7.3]})
        made.assessment()
        made.take({"n": 2, **message})
        found, whole = made.assessment(), what_if(made.loaded.assessment, made.loaded.choice, made.assumed.what_if)
        assert values(found) == values(whole)
        assert found.verdict == whole.verdict
        assert [o.cumulative.values for o in found.organs] == [o.cumulative.values for o in whole.organs]
        assert [o.kept for o in found.organs] == [o.kept for o in whole.organs]
        assert found.case.interval_months == whole.case.interval_months
        assert found.uncertainty is None

    def test_another_organ_is_not_calculated_again(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        made = explored(session)
        made.take({"n": 1, "alpha_beta": ["rectum", 9]})
        made.assessment()
        asked: list[tuple[str, ...]] = []

        def counted(assessment: Any, choice: Any, wanted: WhatIf) -> Any:
            asked.append(tuple(o.name for o in assessment.organs))
            return what_if(assessment, choice, wanted)

        monkeypatch.setattr(limitsdata, "what_if", counted)
        made.take({"n": 2, "alpha_beta": ["rectum", 10]})
        found = made.assessment()
        assert asked == [(), ("Rectum",)]
        assert next(v for i, v, _ in values(found) if i == "rectum-D2cc") == pytest.approx(55.8333, abs=1e-3)

    def test_values_of_each_course_follow(self, session: Session) -> None:
        made = explored(session)

        def rectum() -> list[list[float | None]]:
            found = made.assessment()
            of = made.course_values(found)
            return [[None if b is None else b.high for b in of[key_of(f)]] for f in found.findings if f.limit.organ == "rectum"]

        assert rectum() == [[pytest.approx(36, abs=1e-3), pytest.approx(28, abs=1e-3)], [None, pytest.approx(20, abs=1e-3)]]
        made.take({"n": 1, "alpha_beta": ["rectum", 10]})
        assert rectum() == [[pytest.approx(32.5, abs=1e-3), pytest.approx(23.333, abs=1e-3)], [None, pytest.approx(20, abs=1e-3)]]

    def test_limits_without_structure_stay(self, session: Session) -> None:
        choice = LimitChoice((*LIMITS, limit("Dmax", 45.0, "spinal_cord")), frozenset({"spinal_cord-Dmax"}), ("test",))
        one = two_courses(organs=ORGANS)
        made = explored(session, Loaded(Path(), Path(), one, choice, assess(one, choice)))
        made.take({"n": 1, "interval": 3})
        assert ("spinal_cord-Dmax", None, "not_evaluable") in values(made.assessment())
        data, _ = page_data(made)
        assert any("(spinal_cord: no structure)" in html for _, html in data["rows"])

    def test_both_sides_together_have_values_of_each_course(self, session: Session) -> None:
        """Both kidneys are one organ: 36 and 28 Gy in each course."""
        organs = ((box_structure("Kidney_L", box=BLADDER_BOX), "kidney"), (box_structure("Kidney_R", box=(7.5, *BOX[1:]), number=2), "kidney"))
        made = explored(session, loaded(two_courses(organs=organs), limit("Dmean", 20.0, "kidney", combine_sides=True)))
        found = made.assessment()
        (row,) = made.course_values(found).items()
        assert row[0][1] == "Kidney_L + Kidney_R"
        assert [b.high for b in row[1] if b is not None] == [pytest.approx(36, abs=1e-3), pytest.approx(28, abs=1e-3)]
        assert offered(found) == ["Kidney_L", "Kidney_R"]

    def test_a_case_without_structures_has_nothing(self, session: Session) -> None:
        assert explored_of(session, loaded(two_courses(organs=()))) is None

    def test_an_interval_that_is_not_known_cannot_be_moved(self, session: Session) -> None:
        one = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5), organs=ORGANS)
        made = explored(session, loaded(one))
        made.take({"n": 1, "interval": 6})
        assert made.assumed.is_case
        slider = next(c for c in page_data(made)[0]["controls"] if c["name"] == "interval")
        assert slider["why"] == "not known: a date is missing"

    def test_assumptions_that_mean_nothing_show_no_number(self, session: Session) -> None:
        """H18: a refusal leaves no table behind."""
        one = case(course("first", "prior", 30, 10), course("second", "proposed", 20, 5), organs=ORGANS)
        made = explored(session, loaded(one))
        made.assumed = Assumed(interval_months=6)
        with pytest.raises(ParameterError):
            made.assessment()
        data, found = page_data(made)
        assert found is None
        assert "a date is missing" in data["problem"]
        assert (data["rows"], data["head"], data["verdict"]) == ([], "", "")


class TestMessages:
    """What the browser may send, and what it may not."""

    def take(self, *messages: dict[str, Any], of: Loaded | None = None) -> Assumed:
        here = of or loaded()
        assumed = Assumed()
        for message in messages:
            assumed = changed(here.assessment, here.choice, assumed, message)
        return assumed

    def test_everything_at_once(self) -> None:
        assumed = self.take({"alpha_beta": ["rectum", 4.5], "interval": 30, "recovery": "doi_2021", "shift": 3})
        assert assumed == Assumed({"rectum": 4.5}, 30, "doi_2021", 3.0)

    @pytest.mark.parametrize(
        ("there", "back"),
        [
            ({"alpha_beta": ["rectum", 4.5]}, {"alpha_beta": ["rectum", 3.0]}),
            ({"interval": 30}, {"interval": 12}),
            ({"recovery": "doi_2021"}, {"recovery": ""}),
            ({"recovery": "doi_2021"}, {"recovery": "none"}),
            ({"shift": 3}, {"shift": 0}),
            ({"alpha_beta": ["rectum", 4.5], "interval": 30, "recovery": "doi_2021", "shift": 3}, {"reset": True}),
        ],
    )
    def test_back_at_the_values_of_the_case_nothing_is_assumed(self, there: dict[str, Any], back: dict[str, Any]) -> None:
        assert not self.take(there).is_case
        assert self.take(there, back).is_case

    @pytest.mark.parametrize(
        "message",
        [
            {}, {"tick": True}, {"reset": 1}, {"alpha_beta": ["heart", 4.0]}, {"alpha_beta": ["rectum", "4"]}, {"alpha_beta": ["rectum", float("nan")]},
            {"alpha_beta": 4.0}, {"interval": "6"}, {"interval": float("inf")}, {"recovery": "no such"}, {"recovery": ["x"]}, {"shift": None},
            {"shift": float("nan")},
        ],
    )  # fmt: skip
    def test_what_is_not_understood_changes_nothing(self, message: dict[str, Any]) -> None:
        assert self.take(message).is_case

    def test_values_are_held_to_their_range(self) -> None:
        assumed = self.take({"alpha_beta": ["rectum", 1e9], "interval": -4, "shift": 1e9})
        assert assumed == Assumed({"rectum": 15.0}, 0, None, 15.0)

    def test_no_recovery_differs_where_the_case_has_some(self) -> None:
        one = replace(two_courses(organs=ORGANS), recovery={"rectum": RecoveryChoice(recovery_models()["paradis_2019"])})
        here = loaded(one)
        assumed = self.take({"recovery": "none"}, of=here)
        assert assumed.recovery == "none"
        assert differences(here.assessment, here.choice, assumed) == ["recovery: No recovery (case file: paradis 2019)"]

    def test_a_shift_of_the_case_file_is_where_the_slider_stands(self) -> None:
        here = loaded(None, uncertainty=Uncertainty(shift_mm=(2.0, 3.0, 4.0), fractions=1))
        assert self.take({"shift": 4}, of=here).is_case
        other = self.take({"shift": 6}, of=here)
        assert settings_of(here.choice, Assumed()) == Uncertainty(shift_mm=(2.0, 3.0, 4.0), fractions=1)
        assert settings_of(here.choice, other) == Uncertainty(shift_mm=6.0, fractions=1)
        assert settings_of(here.choice, self.take({"shift": 0}, of=here)) == Uncertainty(fractions=1)
        assert settings_of(loaded().choice, Assumed(shift_mm=0.0)) is None

    def test_a_message_without_number_keeps_the_last(self, session: Session) -> None:
        made = explored(session)
        made.take({"n": 5})
        made.take({"n": True})
        assert made.serial == 5

    @pytest.mark.parametrize(("sent", "chosen"), [("1", "Bladder"), ("2", "Rectum"), ("x", "Rectum"), (1, "Rectum"), ("²", "Rectum"), ("9" * 9, "Rectum")])
    def test_the_organ_is_chosen_by_number(self, session: Session, sent: object, chosen: str) -> None:
        made = explored(session)
        made.take({"n": 5, "structure": sent})
        assert (made.chosen, made.serial) == (chosen, 5)


class TestTable:
    def table(self, of: Loaded, session: Session) -> list[str]:
        return [html for _, html in page_data(explored(session, of))[0]["rows"]]

    def test_worst_first_with_flag_word_shape_and_every_value(self, session: Session) -> None:
        rows = self.table(loaded(), session)
        flags = [re.findall(r'^<tr class="(\w+)">.*?<text[^>]*>(.)</text></svg>([A-Za-z ]+)<', html)[0] for html in rows]
        assert flags == [("exceed", "✗", "EXCEED"), ("caution", "!", "caution"), ("pass", "✓", "pass"), ("pass", "✓", "pass")]
        assert len({re.findall(r'aria-hidden="true">(<\w+ [^>]+>)', html)[0] for html in rows}) == 3
        assert re.findall(r'<td class="number[^"]*">([^<]*)', rows[0]) == ["36.00", "28.00", "64.00", "≤ 60 Gy"]
        assert '<td class="number judged">64.00</td>' in rows[0]
        assert 'aria-label="107 % of the limit"' in rows[0]
        assert "D2cc EQD2 α/β 3, all courses" in rows[0]
        one_course = next(html for html in rows if "physical, one course" in html)
        assert re.findall(r'<td class="number([^"]*)">([^<]*)', one_course) == [("", ""), (" judged", "20.00"), ("", ""), ("", "≤ 40 Gy")]
        assert '<span class="small">optimal</span>' in one_course

    def test_after_recovery_stands_beside(self, session: Session) -> None:
        """Half of 36 Gy is forgotten after 12 months with paradis_2019: 18 + 28 = 46 Gy; judged with it only where the limit says so."""
        part = recovery_models()["paradis_2019"].part("rectum", 12)
        one = replace(two_courses(organs=ORGANS), recovery={"rectum": RecoveryChoice(recovery_models()["paradis_2019"])})
        rows = self.table(loaded(one, limit("D2cc", 60.0, recovery="discounted"), limit("Dmax", 70.0)), session)
        after = f"{36 * (1 - part) + 28:.2f}"
        assert re.findall(r'<td class="number([^"]*)">([^<]*)', rows[0])[2:4] == [("", "64.00"), (" judged", after)]
        assert re.findall(r'<td class="number([^"]*)">([^<]*)', rows[1])[2:4] == [(" judged", "64.00"), ("", after)]
        assert "only with recovery: without it the value is 64.00 Gy (exceed)" in rows[0]

    def test_near_its_limit_a_value_shows_on_which_side_it_is(self, session: Session) -> None:
        (row,) = self.table(loaded(None, limit("D2cc", 63.999)), session)
        assert '<td class="number judged">64.0000</td>' in row

    def test_bounds_and_what_is_not_known(self, session: Session) -> None:
        """Dose of the first course ends at x = 4 mm: the maximum is at least that of both together; a mean is not known."""
        gy = np.full((6, 9, 10), 30.0, np.float32)
        short = DoseGrid(even_dose(30).grid, gy, "1.2.3.100")
        g = short.grid
        half = DoseGrid(replace(g, u_mm=g.u_mm[:4]), gy[:, :, :4], "1.2.3.100")
        one = case(course("first", "prior", half, 10), course("second", "proposed", 20, 5))
        rows = self.table(loaded(one, limit("Dmax", 50.0), limit("Dmean", 90.0), limit("V60Gy", 50.0, unit="%")), session)
        cells = [re.findall(r'<td class="number[^"]*">([^<]*)', html)[:3] for html in rows]
        assert cells[0] == ["≥ 36.00", "28.00", "≥ 64.00"]
        assert cells[1][2] == "–"
        assert "its dose there is not known" in rows[1]

    def test_a_metric_the_organ_is_too_small_for(self, session: Session) -> None:
        (row,) = self.table(loaded(None, limit("D50cc", 60.0)), session)
        assert re.findall(r'<td class="number[^"]*">([^<]*)', row) == ["–", "–", "–", "≤ 60 Gy"]
        assert "less than the 50 cc of the metric" in row

    def test_a_limit_of_zero_has_no_bar(self, session: Session) -> None:
        (row,) = self.table(loaded(None, limit("V70Gy", 0.0, unit="cc")), session)
        assert 'role="img"' not in row
        assert re.findall(r'<td class="number[^"]*">([^<]*)', row) == ["0.00", "0.00", "0.00", "≤ 0 cc"]

    def test_clauses_have_flags_of_their_own(self, session: Session) -> None:
        rule = limit("Dmax", 100.0, clauses=(Clause("interval", ">=", 18.0, "months"), Clause("ratio", "<=", 0.5, "")))
        (row,) = self.table(loaded(None, rule), session)
        assert row.startswith('<tr class="exceed">')
        assert "≥ 18 months: 12.00 ✗ EXCEED" in row
        assert "≤ 0.5 : 0.44 ✓ pass" in row

    def test_the_whole_source_is_in_the_row(self, session: Session) -> None:
        known = limit("D2cc", 60.0, source="Author 2020, table 3", doi="10.1/x", status="SECONDARY", evidence="series", recovery="built_in", endpoint="fistula")
        (row,) = self.table(loaded(None, known), session)
        told = re.findall(r'<summary title="([^"]*)">', row)[0]
        assert "Author 2020, table 3. doi 10.1/x. seen as quoted elsewhere. evidence: series. published for fistula. recovery is built into the limit" in told
        assert re.findall(r"</span></summary><ul><li>([^<]*)", row) == ["Author 2020, table 3"]

    @pytest.mark.hazard("H39")
    def test_text_from_outside_is_text(self, session: Session) -> None:
        organs = ((box_structure(HOSTILE), "rectum"),)
        one = case(course(HOSTILE, "prior", 30, 10), course("b", "proposed", 20, 5), organs=organs)
        bad = limit("D2cc", 60.0, source=HOSTILE, structure=HOSTILE, note=HOSTILE, endpoint=HOSTILE, id=HOSTILE, doi=HOSTILE)
        rule = limit("Dmax", 100.0, clauses=(Clause("each_course", "<=", 30.0, "Gy"),))
        made = explored(session, loaded(one, bad, rule))
        made.take({"n": 1, "alpha_beta": ["rectum", 4.0]})
        data, _ = page_data(made)
        for html in [data["head"], data["verdict"], *(html for _, html in data["rows"])]:
            assert "<img" not in html
            assert "<script" not in html
            assert set(re.findall(r"<(\w+)", html)) <= {
                "tr", "td", "th", "span", "svg", "circle", "path", "text", "rect", "button", "details", "summary", "ul", "li", "div", "p",
            }  # fmt: skip
            assert not re.search(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', '""', html))

    def test_two_structures_of_one_name_keep_their_rows(self, session: Session) -> None:
        organs = ((box_structure(), "rectum"), (box_structure(number=2), "rectum"))
        data, _ = page_data(explored(session, loaded(two_courses(organs=organs), limit("D2cc", 60.0))))
        assert len({key for key, _ in data["rows"]}) == len(data["rows"]) == 2

    def test_a_structure_without_contours(self, session: Session) -> None:
        organs = (*ORGANS, (Structure("Skin", 3, (), "ORGAN"), "skin"))
        rows = self.table(loaded(two_courses(organs=organs), limit("Dmax", 50.0, "skin")), session)
        assert 'class="not_evaluable"' in rows[0]
        assert "no closed contours" in rows[0]


class TestVerdict:
    def test_what_is_exceeded_stands_on_top(self) -> None:
        html = verdict_html(loaded().assessment)
        assert "A mandatory limit is exceeded." in html
        assert "4 limits: 1 exceeded · 1 caution · 2 pass" in html
        assert "Rectum: D2cc EQD2 α/β 3, all courses: 64.00 Gy, limit ≤ 60 Gy (mandatory)" in html

    def test_else_the_one_nearest_to_its_limit(self) -> None:
        html = verdict_html(loaded(None, limit("D2cc", 100.0), limit("Dmax", 80.0)).assessment)
        assert "nearest to its limit: Rectum: Dmax EQD2 α/β 3, all courses: 64.00 Gy, limit ≤ 80 Gy" in html

    def test_no_limit_and_many_limits(self) -> None:
        one = loaded()
        none = replace(one.assessment, findings=())
        assert "0 limits: none was checked" in verdict_html(none)
        many = loaded(None, *(limit("D2cc", 10.0 + k, id=f"l{k}") for k in range(6)))
        assert "<li>and 2 more</li>" in verdict_html(many.assessment)

    @pytest.mark.hazard("H18")
    def test_other_assumptions_are_said_before_the_verdict_and_in_the_banner(self, session: Session) -> None:
        made = explored(session)
        assert page_data(made)[0]["banner"] is None
        made.take({"n": 1, "alpha_beta": ["rectum", 10], "interval": 30, "shift": 2})
        data, _ = page_data(made)
        assert data["serial"] == 1
        assert data["banner"]["title"] == "Other assumptions than the case file: for exploration."
        assert (
            "α/β of rectum 10 Gy (case file: 3); interval 30 months (case file: 12.0 months); earlier dose shifted by up to 2 mm (case file: 0)"
            in (data["banner"]["text"])
        )
        assert "Under other assumptions: Within" in data["verdict"]
        assert {c["name"] for c in data["controls"] if c.get("isOther")} == {"alpha_beta", "interval", "shift"}
        made.take({"n": 2, "reset": True})
        data, _ = page_data(made)
        assert data["banner"] is None
        assert "Under other assumptions" not in data["verdict"]
        assert "64.00" in data["rows"][0][1]


def sloped() -> Case:
    """The earlier dose falls by 1 Gy a mm along x, so a shift of 2 mm moves every dose by 2 Gy."""
    gy = np.broadcast_to(40.0 - even_dose(1).grid.u_mm.astype(np.float32), (6, 9, 10)).copy()
    return case(course("first", "prior", DoseGrid(even_dose(1).grid, gy, "1.2.3.100"), 20), course("second", "proposed", 20, 5), organs=ORGANS)


class TestBands:
    def test_they_come_one_organ_at_a_time_and_are_those_of_the_calculation(self, session: Session) -> None:
        made = explored(session, loaded(sloped(), *LIMITS[2:], limit("Dmax", 90.0)))
        made.take({"n": 1, "shift": 2})
        data, _ = page_data(made)
        is_begun = made.job is not None
        assert not is_begun, "nothing long is begun while the slider moves"
        made.take({"n": 2, "tick": True})
        data, _ = page_data(made)
        assert data["pending"]
        assert "being calculated" in data["rows"][0][1]
        assert "2 organs still to calculate" in data["caption"]
        for _ in range(3):
            if made.job is not None:
                made.job.result(timeout=60)
            data, found = page_data(made)
        assert found is not None
        assert not data["pending"]
        known, missing = made.bands(found)
        whole = made.loaded
        expected = bands(whole.case, whole.assessment.organs, whole.assessment.findings, Uncertainty(shift_mm=2.0), situations_of(whole.case))
        assert missing == []
        assert {(b.limit_id, b.structure, b.course): b for b in expected.bands} == known
        assert any(re.search(r"\d+\.\d to \d+\.\d Gy", html) for _, html in data["rows"])
        assert "never a probability" in " ".join(data["notes"])

    def test_a_band_of_another_alpha_beta_is_not_shown(self, session: Session) -> None:
        """H18: moving alpha/beta of one organ makes its band unknown again; the other organ keeps its own."""
        made = explored(session, loaded(sloped(), *LIMITS[2:], limit("Dmax", 90.0)))
        made.take({"n": 1, "shift": 2})
        made.take({"n": 2, "tick": True})
        for _ in range(3):
            page_data(made)
            if made.job is not None:
                made.job.result(timeout=60)
        made.take({"n": 3, "alpha_beta": ["rectum", 10]})
        known, missing = made.bands(made.assessment())
        assert {structure for _, structure, _ in known} == {"Bladder"}
        assert missing == ["rectum"]

    def test_bands_of_the_case_file_stand_at_once(self, session: Session) -> None:
        made = explored(session, loaded(sloped(), *LIMITS, uncertainty=Uncertainty(shift_mm=2.0)))
        data, _ = page_data(made)
        assert not data["pending"]
        assert made.job is None
        assert re.search(r"\d+\.\d to \d+\.\d Gy", data["rows"][0][1])
        made.take({"n": 1, "alpha_beta": ["rectum", 10]})
        known, missing = made.bands(made.assessment())
        assert missing == ["rectum"]
        assert {structure for _, structure, _ in known} == {"Bladder"}

    def test_a_refusal_is_said_and_not_tried_again(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise ParameterError("No shift here.")

        monkeypatch.setattr(limitsdata, "bands", refuse)
        made = explored(session)
        made.take({"n": 1, "shift": 2})
        made.take({"n": 2, "tick": True})
        page_data(made)
        assert made.job is not None
        with pytest.raises(ParameterError):
            made.job.result(timeout=60)
        data, _ = page_data(made)
        assert (data["problem"], data["pending"]) == ("No shift here.", False)
        assert "being calculated" not in data["rows"][0][1]

    def test_the_worst_flag_within_a_band_is_named(self) -> None:
        """At x = -5 mm 45 Gy in 20, EQD2 47.25 + 28 = 75.25 Gy; 3 mm further, where the grid ends, 48 Gy, 51.84 + 28 = 79.84 Gy."""
        of = loaded(sloped(), limit("Dmax", 78.0))
        (f,) = of.assessment.findings
        found = bands(of.case, of.assessment.organs, of.assessment.findings, Uncertainty(shift_mm=4.0), situations_of(of.case))
        (band,) = found.bands
        ((_, row),) = limits_table(of.assessment, {}, {key_of(f): band}).rows
        assert f.status == "caution"
        assert band.status_high == "exceed"
        assert f"{band.low:.1f} to {band.high:.1f} Gy, at worst ✗ EXCEED" in row

    def test_without_a_course_to_shift_the_slider_says_why(self, session: Session) -> None:
        one = case(course("second", "proposed", 20, 5), organs=ORGANS)
        slider = next(c for c in page_data(explored(session, loaded(one)))[0]["controls"] if c["name"] == "shift")
        assert slider["why"] == "no earlier dose here could be shifted"


def script() -> None:
    from reirrad.ui.limitspage import show

    show()


def page(session: Session) -> AppTest:
    at = AppTest.from_function(script)
    at.session_state[KEY] = session
    return at.run(timeout=30)


class TestPage:
    def test_without_a_case_it_says_what_to_do(self, session: Session) -> None:
        at = AppTest.from_file(str(Path(limitsdata.__file__).parent / "app.py"))
        at.session_state[KEY] = session
        at.run(timeout=30).switch_page("pages/limits.py").run(timeout=30)
        assert not at.exception
        assert at.info[0].value == "Load a case first: there are no limits to show yet."

    def test_table_and_charts(self, session: Session) -> None:
        session.loaded = loaded()
        at = page(session)
        assert not at.exception
        assert at.title[0].value == "Limits"
        (view,) = at.get("bidi_component")
        assert "A mandatory limit is exceeded." in str(view.proto)
        assert [json.loads(c.proto.spec)["layout"]["title"]["text"] for c in at.get("plotly_chart")] == [
            "Rectum: EQD2 at α/β 3 Gy",
            "Hottest point of each organ, by course",
        ]

    def test_the_chosen_organ_is_among_the_contributions(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limitspage, "MOST_ORGANS", 1)
        session.loaded = loaded()
        at = page(session)
        made = explored_of(session, session.loaded)
        assert made is not None

        def shown() -> list[str]:
            return [str(text) for text in json.loads(at.get("plotly_chart")[1].proto.spec)["layout"]["yaxis"]["ticktext"]]

        assert shown() == ["Rectum (α/β 3)"]
        made.take({"n": 1, "structure": "1"})
        at.run(timeout=30)
        assert shown() == ["Bladder (α/β 3)"]

    @pytest.mark.hazard("H18")
    def test_after_a_change_nothing_of_the_old_result_is_left(self, session: Session) -> None:
        session.loaded = loaded()
        at = page(session)
        made = explored_of(session, session.loaded)
        assert made is not None
        made.take({"n": 1, "alpha_beta": ["rectum", 10], "structure": "0"})
        at.run(timeout=30)
        assert not at.exception
        (view,) = at.get("bidi_component")
        assert "64.00" not in re.sub(r"Bladder.*?</tr>", "", str(view.proto))
        assert "55.83" in str(view.proto)
        spec = json.loads(at.get("plotly_chart")[0].proto.spec)
        assert spec["layout"]["title"]["text"] == "Rectum: EQD2 at α/β 10 Gy"
        assert spec["data"][2]["x"][-1] == pytest.approx(55.833, abs=0.01)

    @pytest.mark.hazard("H18")
    def test_a_case_that_was_edited_since_is_said(self, session: Session) -> None:
        session.loaded = replace(loaded(), case_file=session.folder / "case.yaml")
        session.document = {"case": "other"}
        session.opened = Opened(session.folder, "case.yaml", {"case.yaml": {}}, Found((), (), {}, 0), is_draft=False, base={}, calculated="case: test\n")
        assert is_stale(session)
        session.opened.calculated = case_text(session.document)
        session.loaded.case_file.write_text(session.opened.calculated, encoding="utf-8")
        assert not is_stale(session)
        session.opened.calculated = None  # another case file of the folder was chosen
        at = AppTest.from_file(str(ROOT / "app.py"))
        at.run(timeout=30)
        at.session_state[KEY] = session
        at.switch_page("reirrad/ui/pages/limits.py").run(timeout=30)
        assert "changed on the page Load after this was calculated" in at.warning[0].value

    def test_a_case_without_structures(self, session: Session) -> None:
        session.loaded = loaded(two_courses(organs=()))
        at = page(session)
        assert not at.exception
        assert "no structure that stands for an organ" in at.info[0].value

    def test_an_organ_without_dose_at_points(self, session: Session) -> None:
        session.loaded = loaded(two_courses(organs=((Structure("Skin", 3, (), "ORGAN"), "skin"),)), limit("Dmax", 50.0, "skin"))
        at = page(session)
        assert not at.exception
        assert [i.value.split(":")[0] for i in at.info] == ["No histogram of Skin", "No contributions"]
