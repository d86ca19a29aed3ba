from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from case_factory import box_structure, case, course, even_dose, limit, two_courses
from jsonschema import Draft202012Validator

import reirrad
from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Component, Course, Phase
from reirrad.errors import Notice
from reirrad.evaluation import Finding
from reirrad.limit import Clause
from reirrad.result import SCHEMA_VERSION, as_json, exit_status, result_schema, to_dict
from reirrad.structures import Structure


def document(one: Any, *limits: Any) -> dict[str, Any]:
    """The result as it is after a round trip through text, valid against the schema."""
    found: dict[str, Any] = json.loads(as_json(to_dict(assess(one, LimitChoice(limits, frozenset(x.id for x in limits), ("own.yaml",))))))
    Draft202012Validator(result_schema()).validate(found)
    return found


def test_schema_is_a_schema_and_forbids_what_it_does_not_know() -> None:
    schema = result_schema()
    Draft202012Validator.check_schema(schema)
    found = document(two_courses(), limit())
    validator = Draft202012Validator(schema)
    for broken in (found | {"verdict": "ok"}, found | {"extra": 1}, {k: v for k, v in found.items() if k != "warnings"}, found | {"schema": 2}):
        assert not validator.is_valid(broken)
    # a limit that is not evaluable has no value and a reason
    row = found["evaluations"][0] | {"status": "not_evaluable", "value": None, "reason": "why"}
    assert validator.is_valid(found | {"evaluations": [row]})
    assert not validator.is_valid(found | {"evaluations": [row | {"reason": None}]})
    assert not validator.is_valid(found | {"evaluations": [row | {"value": 1.0}]})


@pytest.mark.hazard("H08")
def test_result_of_two_courses() -> None:
    one = two_courses(notices=(Notice("a_code", "words", "first", "Rectum"), Notice("b_code", "words")))
    found = document(one, limit("Dmax", 80.0, id="sum", doi="10.1/x"))
    assert (found["schema"], found["reirrad_version"], found["case"], found["verdict"]) == (SCHEMA_VERSION, reirrad.__version__, "test", "within")
    assert found["settings"] == {"interpolation": "cubic", "recovery": "none", "reference": "second", "constraints": ["own.yaml"], "interval_days": 365}
    assert found["warnings"] == [{"code": "a_code", "message": "words", "course": "first", "structure": "Rectum"}, {"code": "b_code", "message": "words"}]
    first, second = found["courses"]
    assert first == {
        "name": "first", "kind": "prior", "fractions": 10, "prescription_gy": None, "delivered_gy": None, "dose_max_gy": 30.0, "radiation": "photon",
            "grade": "B", "rbe": None,
        "timing": "one a day",
        "starts": None, "completed": "2021-01-01", "registration": {"method": "same_frame", "detail": None}, "inputs": [],
        "phases": [{"label": "plan", "fractions": 10, "planned_fractions": 10, "concurrent": False, "prescription_gy": None}],
    }  # fmt: skip
    assert (second["starts"], second["completed"]) == ("2022-01-01", None)
    (rectum,) = found["structures"]
    assert (rectum["name"], rectum["organ"], rectum["alpha_beta_gy"], rectum["volume_cc"], rectum["coverage"]) == ("Rectum", "rectum", 3.0, 7.5, 1.0)
    keys = ["max_gy", "mean_gy", "D0.03cc_gy", "D0.1cc_gy", "D1cc_gy", "D2cc_gy"]
    assert rectum["cumulative"] == {"quantity": "EQD2", **dict.fromkeys(keys, 64.0)}
    assert rectum["courses"] == {
        "first": {"physical": dict.fromkeys(keys, 30.0), "eqd2": dict.fromkeys(keys, 36.0)},
        "second": {"physical": dict.fromkeys(keys, 20.0), "eqd2": dict.fromkeys(keys, 28.0)},
    }
    assert found["evaluations"] == [
        {
            "structure": "Rectum", "organ": "rectum", "limit_id": "sum", "metric": "Dmax", "quantity": "EQD2", "alpha_beta_gy": 3.0, "scope": "cumulative",
            "course": None, "unit": "Gy", "comparator": "<=", "value_gy": 64.0, "limit_gy": 80.0, "value": 64.0, "limit": 80.0, "caution": None, "margin": 16.0,
            "is_lower_bound": False, "bound": "exact", "value_with_recovery": None, "status_without_recovery": None, "clauses": [], "meant_structure": None,
            "level": "mandatory", "status": "pass", "reason": None, "source": "test", "doi": "10.1/x", "source_status": "user",
            "evidence": "not_stated", "recovery": "not_stated",
        }
    ]  # fmt: skip


def test_prescription_of_a_course_is_the_sum_of_its_phases_when_all_are_known() -> None:
    phases = tuple(Phase(f"p{k}", (Component(even_dose(gy)),), n, n, gy) for k, (gy, n) in enumerate(((45.00001, 25), (9.0, 5))))
    found = document(case(course("a", "prior", 1, 1, phases=phases), course("b", "proposed", 20, 5)))
    assert (found["courses"][0]["prescription_gy"], found["courses"][0]["fractions"]) == (54.0, 30)
    assert [p["prescription_gy"] for p in found["courses"][0]["phases"]] == [45.0, 9.0]
    half = (phases[0], Phase("p", (Component(even_dose(9)),), 5, None, None))
    found = document(case(course("a", "prior", 1, 1, phases=half), course("b", "proposed", 20, 5)))
    assert found["courses"][0]["prescription_gy"] is None


def test_limit_of_the_course_in_physical_dose_and_of_a_volume() -> None:
    """20 Gy reach all 7.5 cc."""
    found = document(
        two_courses(),
        limit("Dmax", 30.0, quantity="physical", scope="course"),
        limit("V20Gy", 5.0, quantity="physical", scope="course", unit="cc"),
        limit("V20Gy", 100.0, quantity="physical", scope="course", unit="%", id="share"),
    )["evaluations"]
    assert [(e["course"], e["alpha_beta_gy"], e["value_gy"], e["limit_gy"]) for e in found] == [
        ("second", None, 20.0, 30.0), ("second", None, None, None), ("second", None, None, None)]  # fmt: skip
    assert [(e["unit"], e["value"], e["limit"], e["status"]) for e in found] == [
        ("Gy", 20.0, 30.0, "pass"), ("cc", 7.5, 5.0, "exceed"), ("%", 100.0, 100.0, "caution")]  # fmt: skip


def test_limit_of_the_course_without_a_proposed_course_names_none() -> None:
    found = document(case(course("a", "prior", 30, 10), course("b", "prior", 20, 5)), limit(scope="course"))["evaluations"]
    assert [(e["course"], e["status"], e["value"], e["value_gy"], e["margin"]) for e in found] == [(None, "not_evaluable", None, None, None)]


@pytest.mark.hazard("H04")
def test_undefined_values_are_null_with_reasons_and_bounds() -> None:
    """The first grid ends above two thirds of the organ; the second structure is empty, the third smaller than 1 cc."""
    short = course("first", "prior", even_dose(30, (3, 9, 10)), 10, last_day=dt.date(2021, 1, 1))
    second = course("second", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))
    organs = [
        (box_structure("Rectum"), "rectum"),
        (Structure("Bladder", 2, ()), "bladder"),
        (box_structure("Cord", (-15.0, -10.0), (0.0, 2.0, 15.0, 35.0), 3), "spinal_cord"),
    ]
    found = document(case(short, second, organs=organs), limit("Dmax", 60.0))
    rectum, bladder, cord = found["structures"]
    assert rectum["cumulative"]["max_gy"] is None
    assert rectum["cumulative"]["reasons"]["max_gy"] == "50 % of the structure lies outside a dose grid; its dose there is not known"
    assert rectum["cumulative"]["lower_bounds"]["max_gy"] == 64.0
    assert rectum["courses"]["second"]["physical"]["max_gy"] == 20.0
    assert "lower_bounds" not in rectum["courses"]["second"]["physical"]
    assert (bladder["volume_cc"], bladder["coverage"], bladder["cumulative"]["mean_gy"]) == (None, 0.0, None)
    assert "lower_bounds" not in bladder["cumulative"]
    assert cord["courses"]["second"]["eqd2"]["reasons"] == {
        k: f"the structure has 0.4 cc, less than the {n} cc of the metric" for k, n in (("D1cc_gy", 1), ("D2cc_gy", 2))
    }
    (finding,) = found["evaluations"]
    assert (finding["status"], finding["is_lower_bound"], finding["value_gy"]) == ("exceed", True, 64.0)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "Blad\nder", "\x1b[31mRED", "Bladder\u202egnp.exe", "../../x", "直腸", "L" * 500, '"\\']
)
def test_names_stand_in_the_result_exactly_as_in_the_structure_set(name: str) -> None:
    found = document(two_courses(organs=[(box_structure(name), "rectum")]), limit("Dmax", 80.0))
    assert found["structures"][0]["name"] == name
    assert found["evaluations"][0]["structure"] == name


def test_text_of_a_result_never_holds_nan() -> None:
    assert as_json({"a": "ä", "b": [1.5, None]}) == '{\n "a": "ä",\n "b": [\n  1.5,\n  null\n ]\n}\n'
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            as_json({"a": bad})


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([("mandatory", "pass")], 0),
        ([("mandatory", "caution")], 0),
        ([("mandatory", "pass"), ("optimal", "exceed")], 0),
        ([("mandatory", "pass"), ("optimal", "not_evaluable")], 0),
        ([("mandatory", "pass"), ("mandatory", "exceed")], 1),
        ([("mandatory", "pass"), ("mandatory", "not_evaluable")], 1),
        ([], 1),  # nothing was checked: no reason to be content
        ([("optimal", "not_evaluable")], 1),
    ],
)
def test_exit_status(found: list[tuple[str, Any]], status: int) -> None:
    findings = tuple(Finding(limit(level=level), "Rectum", None, state) for level, state in found)
    assert exit_status(Assessment(two_courses(), (), findings, (), ())) == status


def test_scores_and_disagreements_go_with_the_result() -> None:
    """BED at alpha/beta 2: 75 and 60, together 135: 2 points of Nieder."""
    cord = [(box_structure("SpinalCord"), "spinal_cord")]
    found = document(two_courses(organs=cord), limit(organ="spinal_cord"))
    (score,) = found["risk_scores"]
    assert (score["structure"], score["points"], score["group"], score["cumulative_bed_gy"]) == ("SpinalCord", [2.0, 2.0], ["low"], 135.0)
    assert any("spinal_cord" in d["organs"] and len(d["values"]) >= 2 for d in found["disagreements"])
    unknown = case(Course("lost", "prior", (), "", is_unknown=True), course("now", "proposed", 20, 5), organs=cord)
    (score,) = document(unknown)["risk_scores"]
    assert (score["points"], score["reason"]) == (None, "the largest dose of a course in this structure is not known")


def test_clauses_go_with_their_rule() -> None:
    rule = limit("Dmax", 80.0, clauses=(Clause("interval", ">=", 5.0, "months"),))
    (found,) = document(two_courses(), rule)["evaluations"]
    assert found["clauses"] == [
        {
            "what": "interval",
            "words": "interval >= 5 months",
            "value": 12.0,
            "comparator": ">=",
            "limit": 5.0,
            "unit": "months",
            "status": "pass",
            "reason": None,
        }
    ]
