from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from case_factory import stored_box, write_case, write_course
from hypothesis import given, settings
from hypothesis import strategies as st

from reirrad.casefile import CaseFile, read_case_file
from reirrad.draft import propose
from reirrad.errors import CaseFileError
from reirrad.ui.casetables import (
    course_checks,
    course_rows,
    reference_of,
    registration_files,
    with_course,
    with_courses,
    without_course,
)
from reirrad.ui.casetext import Said, case_text, refusal_of, said_of
from reirrad.ui.found import Found, FoundCourse, FoundPlan, FoundStructure, found_in
from reirrad.ui.opened import open_folder, read_document
from reirrad.ui.organtables import alpha_beta_rows, structure_rows, with_alpha_beta, with_structures
from reirrad.ui.paperform import paper_entry
from reirrad.ui.planphases import answer_of, phases_of, with_phases, with_split
from reirrad.yamlfile import load_yaml

ROOT = Path(__file__).resolve().parent.parent
CASE_FILES = sorted((ROOT / "sample_plans").glob("*/case*.yaml"))

PLANS = (FoundPlan("Pelvis", "Pelvis", 25, dt.date(2021, 1, 2)), FoundPlan("Boost <b>", "1.2.3", None, None))
TWO_PLANS = FoundCourse(("old",), PLANS, (), ("the plan is UNAPPROVED",))
ONE_PLAN = FoundCourse(("new",), (FoundPlan("SBRT", "SBRT", 5, None),), (), ())
FOUND = Found((TWO_PLANS, ONE_PLAN), ("reg/a.dcm",), {"CT": 4}, 0)


def document(**more: Any) -> dict[str, Any]:
    courses: list[dict[str, Any]] = [
        {"name": "old one", "kind": "prior", "dicom": "old", "completed": dt.date(2021, 3, 4)},
        {"name": "letter", "kind": "prior", "prescription": {"dose_gy": 50.4, "fractions": 28}},
        {"name": "new one", "kind": "proposed", "dicom": "new/", "per_day": 2, "interval_h": 6},
    ]
    return {"courses": courses, **more}


def reread(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "again.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        return read_document(path, "again.yaml")
    finally:
        path.unlink()


class TestText:
    @pytest.mark.hazard("H28")
    @pytest.mark.parametrize("path", CASE_FILES, ids=lambda p: f"{p.parent.name}-{p.name}")
    def test_every_sample_reads_back_equal(self, path: Path, tmp_path: Path) -> None:
        written = tmp_path / "written.yaml"
        written.write_text(case_text(read_document(path, path.name)), encoding="utf-8")
        read = [load_yaml(p, p.name, CaseFileError).validate(CaseFile).model_dump() for p in (written, path)]
        assert read[0] == read[1]

    @pytest.mark.hazard("H28")
    def test_names_that_look_like_something_else_stay_as_they_are(self, tmp_path: Path) -> None:
        source = tmp_path / "case.yaml"
        source.write_text("case: 007\ncourses: [{name: 1.10, kind: prior}, {name: '2021-01-02', kind: 'yes'}]\nstructures: {'010': rectum, '~': bladder}\n")
        read = read_document(source, "case.yaml")
        again = reread(tmp_path, case_text(read))
        assert again == read
        assert [again["case"].written, again["courses"][0]["name"].written] == ["007", "1.10"]
        assert again["courses"][1] == {"name": "2021-01-02", "kind": "yes"}
        assert list(again["structures"]) == ["010", "~"]

    @settings(max_examples=150, deadline=None)
    @given(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
    )
    def test_any_text_comes_back(self, tmp_path_factory: pytest.TempPathFactory, key: str, value: str) -> None:
        stated = {"courses": [{"name": value}], "structures": {key: "rectum"}}
        assert reread(tmp_path_factory.getbasetemp(), case_text(stated)) == stated

    def test_values_of_every_kind_come_back(self, tmp_path: Path) -> None:
        stated = document(alpha_beta_gy={"rectum": 2.5, "bladder": 3}, constraints=["pelvis"], x=[True, False, 1e-5, 1e20], y=[])
        assert reread(tmp_path, case_text(stated)) == stated


class TestRefusals:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return write_case(tmp_path)

    def test_problems_are_told_by_course_and_column(self, folder: Path) -> None:
        stated = read_document(folder / "case.yaml", "case.yaml")
        stated["courses"][0] |= {"completed": dt.date(2999, 1, 1), "per_day": 2}
        stated["registration"] = [{"course": "second", "method": "file"}]
        stated["structures"] = {"Rectum": "rektum"}
        path = folder / "case.yaml"
        path.write_text(case_text(stated))
        found = said_of(refusal_of(path, dt.date(2024, 1, 1)) or "", stated)
        assert [(s.section, s.about) for s in found] == [("courses", "first, Last day"), ("structures", "structures.Rectum")]
        assert found[0].message == "the date 2999-01-01 is not between the years 1950 and 2100."
        assert found[1].message.endswith('did you mean "rectum"?')
        stated["courses"][0]["completed"] = dt.date(2099, 1, 1)
        del stated["structures"]
        path.write_text(case_text(stated))
        found = said_of(refusal_of(path, dt.date(2024, 1, 1)) or "", stated)
        assert [(s.section, s.about) for s in found] == [
            ("courses", "first, Last day"),
            ("courses", "first, Per day"),
            *[("courses", second) for second in ("second", "second, course")],
        ]
        assert found[0].message == "the date 2099-01-01 of a prior course lies in the future."
        assert found[1].message == "more than one fraction a day needs Hours (interval_h), the hours between them."
        assert found[2].message == "method file needs the key file."

    def test_limits_are_checked_too(self, folder: Path) -> None:
        stated = read_document(folder / "case.yaml", "case.yaml") | {"constraints": ["pelvic"]}
        (folder / "case.yaml").write_text(case_text(stated))
        (found,) = said_of(refusal_of(folder / "case.yaml") or "", stated)
        assert (found.section, found.about) == ("choices", "constraints")
        assert found.message.startswith('"pelvic" is not a limit set of the library')

    def test_what_is_fit_is_not_refused(self, folder: Path) -> None:
        assert refusal_of(folder / "case.yaml") is None

    @pytest.mark.parametrize(
        ("text", "section"),
        [
            ('Courses "a" and "b" are in different DICOM frames of reference; export a registration.', "courses"),
            ("None of the structures of the reference course stands for an organ.", "structures"),
            ("The registration does not join the frames.", "courses"),
            ("The disk is full.", "case"),
        ],
    )
    def test_refusals_without_a_place_go_where_they_are_mended(self, text: str, section: Any) -> None:
        assert said_of(text, document()) == (Said(section, "", text),)

    def test_a_place_that_is_not_in_the_document_is_told_as_it_is(self) -> None:
        assert said_of("case.yaml:3: courses[7].rbe: what. case.yaml:3", document())[0].about == "course 8, rbe"
        assert said_of("case.yaml:3: tumour.evidence: what", document()) == (Said("case", "tumour.evidence", "what."),)


class TestCourses:
    def test_rows_say_what_the_case_file_and_the_files_say(self) -> None:
        rows = course_rows(document(registration=[{"course": "old one", "method": "file", "file": ["a", "b"]}]), FOUND)
        assert rows[0] == {
            "name": "old one", "kind": "prior", "fractions": None, "planned": None, "completed": dt.date(2021, 3, 4), "starts": None, "per_day": 1,
            "interval_h": None, "radiation": "photon", "registration": "file", "file": "a + b", "source": "old",
        }  # fmt: skip
        assert [(r["planned"], r["source"], r["registration"], r["per_day"], r["interval_h"]) for r in rows[1:]] == [
            (28, "paper", None, 1, None),
            (5, "new/", None, 2, 6),
        ]
        assert registration_files(rows, FOUND) == ["a + b", "reg/a.dcm"]

    def test_what_is_assumed_is_marked(self) -> None:
        assert course_checks(document(), FOUND, is_draft=False) == [
            ("old one", ["plans: how were they given?"]),
            ("letter", ["fractions: as planned", "last day: not stated"]),
            ("new one", ["fractions: as planned", "first day: not stated"]),
        ]
        drafted = course_checks(document(), FOUND, is_draft=True)
        assert drafted[0] == ("old one", ["kind: a guess from the dates of plans", "plans: how were they given?", "the plan is UNAPPROVED"])
        assert drafted[1] == ("letter", ["fractions: as planned", "last day: not stated"])
        complete = {"name": "x", "kind": "proposed", "dicom": "new", "fractions": 4, "starts": dt.date(2024, 1, 1)}
        assert (
            course_checks({"courses": [complete, {"name": "y", "kind": "prior", "records": "none", "completed": dt.date(2020, 1, 1)}]}, FOUND, is_draft=False)
            == []
        )
        unknown = Found((FoundCourse(("new",), (FoundPlan("a", "", None, None),), (), ()),))
        assert course_checks({"courses": [{**complete, "fractions": None}]}, unknown, is_draft=False) == [("x", ["fractions: not in the files"])]

    def test_nothing_edited_is_nothing_changed(self) -> None:
        stated = document(registration=[{"course": "old one", "method": "auto", "structures": ["Bone"]}], sensitivities=[{"model": "lq-l"}])
        before = copy.deepcopy(stated)
        assert with_courses(stated, {}) == before
        assert with_courses(stated, {0: {"kind": "prior"}, 9: {"name": "nobody"}, -1: {"name": "nobody"}}) == before

    def test_edits_lie_on_a_copy(self) -> None:
        stated = document()
        before = copy.deepcopy(stated)
        edits = {
            0: {"fractions": 20, "completed": "2022-05-06", "radiation": "proton"},
            2: {"per_day": 1, "interval_h": None, "starts": "2024-02-03T00:00:00.000Z"},
        }
        new = with_courses(stated, edits)
        assert stated == before
        assert new["courses"][0] == {
            "name": "old one", "kind": "prior", "dicom": "old", "completed": dt.date(2022, 5, 6), "fractions": 20, "radiation": "proton",
        }  # fmt: skip
        assert new["courses"][2] == {"name": "new one", "kind": "proposed", "dicom": "new/", "starts": dt.date(2024, 2, 3)}

    def test_emptied_cells_state_nothing(self) -> None:
        new = with_courses(document(), {0: {"completed": None, "fractions": None, "radiation": None}, 2: {"per_day": None, "interval_h": 6.5}})
        assert new["courses"][0] == {"name": "old one", "kind": "prior", "dicom": "old"}
        assert new["courses"][2] == {"name": "new one", "kind": "proposed", "dicom": "new/", "interval_h": 6.5}

    @pytest.mark.hazard("H24")
    @pytest.mark.parametrize("day", ["soon", "+275760-02-09T00:00:00.000Z", "2024-02-30", "2024-W01-1", "20240102T1"])
    def test_what_is_no_date_is_not_dropped_but_refused(self, day: str, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        new = with_courses(read_document(folder / "case.yaml", "case.yaml"), {0: {"completed": day}})
        (folder / "case.yaml").write_text(case_text(new))
        (found,) = said_of(refusal_of(folder / "case.yaml") or "", new)
        assert found.about == "first, Last day"
        assert found.message.startswith(f'found "{day}", needed a date')

    def test_what_is_no_number_is_not_dropped_but_refused(self, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        new = with_courses(read_document(folder / "case.yaml", "case.yaml"), {0: {"fractions": True}, 1: {"fractions": "5"}})
        (folder / "case.yaml").write_text(case_text(new))
        assert [s.about for s in said_of(refusal_of(folder / "case.yaml") or "", new)] == ["first, Fractions", "second, Fractions"]

    def test_whole_numbers_are_whole(self) -> None:
        new = with_courses(document(), {0: {"fractions": 20.0}, 2: {"interval_h": 8.0}})
        assert [type(new["courses"][0]["fractions"]), type(new["courses"][2]["interval_h"])] == [int, int]

    def test_a_new_name_is_known_to_all_that_speak_of_the_course(self) -> None:
        stated = document(reference="new one", registration=[{"course": "old one", "method": "auto"}, {"course": "new one", "method": "identity"}])
        new = with_courses(stated, {2: {"name": " newer "}, 0: {"name": None}})
        assert [c["name"] for c in new["courses"]] == ["", "letter", "newer"]
        assert new["reference"] == "newer"
        assert new["registration"] == [{"course": "", "method": "auto"}, {"course": "newer", "method": "identity"}]

    def test_fractions_of_a_single_phase_belong_to_it(self) -> None:
        stated = {"courses": [{"name": "a", "kind": "prior", "dicom": "old", "phases": [{"plan": "Pelvis"}]}]}
        assert course_rows(stated, FOUND)[0]["planned"] == 25
        new = with_courses(stated, {0: {"fractions": 24}})
        assert new["courses"][0]["phases"] == [{"plan": "Pelvis", "fractions": 24}]
        assert course_rows(new, FOUND)[0]["fractions"] == 24
        assert with_courses(new, {0: {"fractions": None}}) == stated

    def test_registration_keeps_only_what_belongs_to_the_method(self) -> None:
        stated = document(registration=[{"course": "old one", "method": "auto", "structures": ["Bone"]}])
        by_file = with_courses(stated, {0: {"registration": "file", "file": "reg/a.dcm"}})
        assert by_file["registration"] == [{"course": "old one", "method": "file", "file": "reg/a.dcm"}]
        assert with_courses(stated, {0: {"file": "a + b"}})["registration"] == [{"course": "old one", "method": "file", "file": ["a", "b"]}]
        assert with_courses(by_file, {0: {"registration": "none"}})["registration"] == [{"course": "old one", "method": "none"}]
        assert with_courses(by_file, {0: {"file": None}})["registration"] == [{"course": "old one", "method": "file"}]
        assert "registration" not in with_courses(by_file, {0: {"registration": None}})
        assert with_courses(document(), {2: {"registration": "identity"}})["registration"] == [{"course": "new one", "method": "identity"}]

    def test_a_course_taken_out_leaves_no_word_behind(self) -> None:
        stated = document(reference="new one", registration=[{"course": "new one", "method": "auto"}])
        new = without_course(stated, 2)
        assert [c["name"] for c in new["courses"]] == ["old one", "letter"]
        assert "reference" not in new
        assert "registration" not in new
        assert without_course(stated, 0)["reference"] == "new one"

    def test_a_prior_stands_before_the_proposed_ones(self) -> None:
        prior, proposed = {"name": "p", "kind": "prior"}, {"name": "q", "kind": "proposed"}
        assert [c["name"] for c in with_course(document(), prior)["courses"]] == ["old one", "letter", "p", "new one"]
        assert [c["name"] for c in with_course(document(), proposed)["courses"]][-1] == "q"
        assert [c["name"] for c in with_course({"courses": [dict(prior)]}, {"name": "r", "kind": "prior"})["courses"]] == ["p", "r"]

    def test_the_reference_is_the_one_the_case_file_means(self) -> None:
        assert reference_of(document()) == 2
        assert reference_of(document(reference="old one")) == 0
        assert reference_of(document(reference="nobody")) is None
        assert reference_of({"courses": document()["courses"][:2]}) == 0
        assert reference_of({"courses": document()["courses"][1:2]}) == 0


class TestPlans:
    @pytest.mark.parametrize(
        ("answer", "phases"),
        [
            ("after", [{"plan": "Pelvis", "fractions": 25}, {"plan": "1.2.3"}]),
            ("together", [{"plan": "Pelvis", "fractions": 25}, {"plan": "1.2.3", "concurrent": True}]),
            ("1.2.3", [{"plan": "1.2.3"}]),
        ],
    )
    def test_an_answer_and_its_phases(self, answer: str, phases: list[dict[str, Any]]) -> None:
        assert phases_of(TWO_PLANS, answer, {"Pelvis": 25, "1.2.3": None}) == phases
        assert answer_of(TWO_PLANS, phases) == answer
        assert with_phases(document(), 0, phases)["courses"][0]["phases"] == phases

    def test_phases_of_another_hand_are_no_answer(self) -> None:
        assert answer_of(TWO_PLANS, None) is None
        assert answer_of(TWO_PLANS, ["Pelvis"]) is None
        assert answer_of(TWO_PLANS, [{"plan": "1.2.3"}, {"plan": "Pelvis"}]) is None
        assert with_phases(document(), 0, []) == document()

    def test_separate_courses(self) -> None:
        new = with_split(document(reference="old one", registration=[{"course": "old one", "method": "auto"}]), 0, TWO_PLANS)
        assert [(c["name"], c.get("phases")) for c in new["courses"]] == [
            ("Pelvis", [{"plan": "Pelvis"}]),
            ("Boost <b>", [{"plan": "1.2.3"}]),
            ("letter", None),
            ("new one", None),
        ]
        assert new["reference"] == "Boost <b>"
        assert "registration" not in new

    def test_separate_courses_get_names_of_their_own(self) -> None:
        stated = {"courses": [{"name": "a", "dicom": "old"}, {"name": "Pelvis", "dicom": "new"}]}
        assert [c["name"] for c in with_split(stated, 0, TWO_PLANS)["courses"]] == ["Pelvis (1)", "Boost <b>", "Pelvis"]


class TestOrgans:
    STRUCTURES = (
        FoundStructure("PTV", "target", 1, False),
        FoundStructure("Rectum", "other", 1, False),
        FoundStructure("opt_ring", "other", 1, False),
        FoundStructure("BODY", "external", 1, False),
        FoundStructure("Bladder", "other", 2, False),
        FoundStructure("Femur_Head_L", "other", 1, True),
        FoundStructure("<b>**x**</b>", "other", 1, False),
    )

    @pytest.mark.hazard("H14")
    def test_rows_show_guesses_and_what_stands_for_nothing(self) -> None:
        rows = structure_rows({"structures": {"<b>**x**</b>": "skin", "Gone": "colon"}}, self.STRUCTURES)
        assert [(r["structure"], r["organ"], r["how"]) for r in rows] == [
            ("opt_ring", None, "no organ"),
            ("Bladder", None, "two of this name"),
            ("Gone", "colon", "not in these structures"),
            ("<b>**x**</b>", "skin", "stated"),
            ("Rectum", "rectum", "by its name"),
            ("Femur_Head_L", "femoral_head", "by its name, no closed contour"),
            ("PTV", None, "target"),
            ("BODY", None, "body outline"),
        ]

    @pytest.mark.hazard("H14")
    def test_what_a_draft_states_by_name_is_shown_as_a_guess(self) -> None:
        stated = {"structures": {"Rectum": "rectum", "opt_ring": "skin", "PTV": "skin"}}
        rows = {r["structure"]: (r["organ"], r["how"]) for r in structure_rows(stated, self.STRUCTURES, is_draft=True)}
        assert rows["Rectum"] == ("rectum", "by its name")
        assert rows["opt_ring"] == ("skin", "stated")
        assert rows["PTV"] == ("skin", "stated")

    def test_edits(self) -> None:
        rows = structure_rows({}, self.STRUCTURES)
        numbers = {r["structure"]: k for k, r in enumerate(rows)}
        assert with_structures({"courses": []}, rows, {}) == {"courses": []}
        new = with_structures(
            {}, rows, {numbers["opt_ring"]: {"organ": "skin"}, numbers["Rectum"]: {"organ": "sigmoid"}, 99: {"organ": "skin"}, numbers["PTV"]: {}}
        )
        assert new == {"structures": {"opt_ring": "skin", "Rectum": "sigmoid"}}
        assert with_structures(new, structure_rows(new, self.STRUCTURES), {}) == new
        again = structure_rows(new, self.STRUCTURES)
        taken_back = with_structures(new, again, {k: {"organ": None} for k, r in enumerate(again) if r["how"] == "stated"})
        assert taken_back == {}

    def test_alpha_beta(self) -> None:
        rows = alpha_beta_rows({"alpha_beta_gy": {"kidney": 2}}, self.STRUCTURES)
        assert [(r["organ"], r["library_gy"], r["stated_gy"]) for r in rows[:3]] == [("femoral_head", 3, None), ("kidney", 3, 2), ("rectum", 3, None)]
        assert len({r["organ"] for r in rows}) == len(rows)
        stated = {"alpha_beta_gy": {"kidney": 2}}
        assert with_alpha_beta(stated, rows, {}) == stated
        assert with_alpha_beta(stated, rows, {2: {"stated_gy": 4.5}, 1: {"stated_gy": None}}) == {"alpha_beta_gy": {"rectum": 4.5}}
        assert with_alpha_beta(stated, rows, {1: {"stated_gy": None}, 999: {"stated_gy": 1}}) == {}


class TestPaper:
    def test_an_entry(self) -> None:
        rows = [
            {"organ": "rectum", "metric": "Dmax", "dose_gy": 48},
            {"organ": "rectum", "metric": " Dmean ", "dose_gy": 20.5},
            {"organ": "bladder", "metric": "D2cc", "dose_gy": 0},
            {"organ": None, "metric": "Dmax", "dose_gy": float("nan")},
            {"organ": None, "metric": None, "dose_gy": None},
        ]
        assert paper_entry(" Pelvis 1998 ", 50.4, 28, dt.date(1998, 5, 1), rows, ["other"]) == {
            "name": "Pelvis 1998",
            "kind": "prior",
            "prescription": {"dose_gy": 50.4, "fractions": 28},
            "completed": dt.date(1998, 5, 1),
            "organ_doses": {"rectum": {"Dmax": 48.0, "Dmean": 20.5}, "bladder": {"D2cc": 0.0}},
        }
        assert paper_entry("a", 50, 25, None, []) == {"name": "a", "kind": "prior", "prescription": {"dose_gy": 50.0, "fractions": 25}}

    @pytest.mark.parametrize(
        ("values", "rows", "why"),
        [
            (("", 50.0, 25), [], "A name, the prescribed dose and the number of fractions are needed"),
            (("a", None, 25), [], "are needed"),
            (("a", 50.0, None), [], "are needed"),
            (("taken", 50.0, 25), [], "names must differ"),
            (("a\x07b", 50.0, 25), [], "Name: .*control characters"),
            (("a", 500.0, 25), [], "Prescribed dose and fractions: .*less than or equal to 200"),
            (("a", 50.0, 25), [{"organ": "rectum", "metric": "Dmax", "dose_gy": None}], "Complete the row"),
            (("a", 50.0, 25), [{"organ": None, "metric": "Dmax", "dose_gy": 4}], "Complete the row"),
            (("a", 50.0, 25), [{"organ": "rectum", "metric": "", "dose_gy": 4}], "Complete the row"),
            (("a", 50.0, 25), [{"organ": "rectum", "metric": "V20Gy", "dose_gy": 4}], "Doses of organs: .*is a volume"),
            (("a", 50.0, 25), [{"organ": "rectum", "metric": "Dmax", "dose_gy": 4}] * 2, "given twice"),
        ],
    )
    def test_what_is_missing_or_wrong_is_told(self, values: tuple[str, float | None, int | None], rows: Sequence[Any], why: str) -> None:
        with pytest.raises(CaseFileError, match=why):
            paper_entry(*values, None, rows, ["taken"])

    def test_the_case_file_takes_it(self, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        entry = paper_entry("letter", 50.4, 28, dt.date(1998, 5, 1), [{"organ": "rectum", "metric": "Dmax", "dose_gy": 48}])
        (folder / "case.yaml").write_text(case_text(with_course(read_document(folder / "case.yaml", "case.yaml"), entry)))
        found = read_case_file(folder).courses
        assert [c.name for c in found] == ["first", "letter", "second"]
        assert found[1].prescription is not None
        assert found[1].prescription.dose_gy == 50.4
        assert found[1].organ_doses == {"rectum": {"Dmax": 48.0}}


class TestOpening:
    def test_a_folder_with_a_case_file_is_what_it_says(self, tmp_path: Path) -> None:
        opened = open_folder(write_case(tmp_path))
        assert (opened.name, opened.is_draft, list(opened.documents)) == ("case.yaml", False, ["case.yaml"])
        assert [c["name"] for c in opened.base["courses"]] == ["first", "second"]
        assert [r["planned"] for r in course_rows(opened.base, opened.found)] == [10, 5]
        assert [s.name for s in opened.found.courses[1].structures] == ["Rectum"]

    def test_another_case_file_may_be_named_and_limits_files_are_none(self, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        (folder / "case-b.yaml").write_text((folder / "case.yaml").read_text().replace("first", "earlier"))
        opened = open_folder(folder, "case-b.yaml")
        assert list(opened.documents) == ["case-b.yaml", "case.yaml"]
        assert opened.base["courses"][0]["name"] == "earlier"

    def test_a_draft_is_made_where_there_is_none_and_leaves_no_file(self, tmp_path: Path) -> None:
        write_course(tmp_path / "c1", 1, 30, 10, [("Rectum", stored_box()), ("ring", stored_box()), ("ring", stored_box())])
        write_course(tmp_path / "c2", 2, 20, 5, plan={"RTPlanDate": "20240102", "RTPlanLabel": "SBRT"}, StudyInstanceUID="1.9")
        opened = open_folder(tmp_path)
        assert opened.is_draft
        assert [(c["kind"], c["dicom"]) for c in opened.base["courses"]] == [("prior", "c1"), ("proposed", "c2")]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["c1", "c2"]
        assert opened.found == found_in(propose(tmp_path))
        assert [(s.name, s.count) for s in opened.found.courses[0].structures] == [("Rectum", 1), ("ring", 2)]
        (tmp_path / "case.yaml").write_text(case_text(opened.base))
        assert refusal_of(tmp_path / "case.yaml") is None

    def test_a_folder_that_cannot_be_looked_through_opens_by_its_case_file(self, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        write_course(folder / "other", 3, 10, 5, PatientID="SOMEBODY-ELSE")
        opened = open_folder(folder)
        assert [c.folders for c in opened.found.courses] == [("c1",), ("c2",)]
        (folder / "c2" / "00.dcm").write_bytes((folder / "c2" / "00.dcm").read_bytes()[:200])
        again = open_folder(folder)
        assert again.found.courses == ()
        assert again.found.said[0].startswith("The files could not be looked through as a whole: ")

    @pytest.mark.parametrize(
        "text", ["courses: 3", "[1, 2]", "courses: [a]", "courses: [{name: a}]\nregistration: 3", "courses: [{name: a}]\nstructures: [x]", "a: &x 1"]
    )
    def test_what_is_no_case_file_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "case.yaml").write_text(text)
        with pytest.raises(CaseFileError, match=r"case\.yaml"):
            open_folder(tmp_path)

    def test_a_broken_file_beside_the_case_file_is_none(self, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        (folder / "broken.yaml").write_text("a: &x 1")
        assert list(open_folder(folder).documents) == ["case.yaml"]

    def test_an_entry_finds_its_files_by_folder_and_plan(self) -> None:
        shared = Found((TWO_PLANS, FoundCourse(("old",), ONE_PLAN.plans, (), ())))
        assert shared.of({"dicom": "old/"}) is None
        assert shared.of({"dicom": "old", "phases": [{"plan": "SBRT"}]}) is shared.courses[1]
        assert shared.of({"dicom": "old", "phases": [{"plan": "1.2.3"}]}) is TWO_PLANS
        assert shared.of({"prescription": {}}) is None
