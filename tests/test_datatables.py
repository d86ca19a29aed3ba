from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_factory import GRID_SHAPE, box_structure, case, course, even_dose, grid, limit, replaced, two_courses, write_case_file, write_course

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Case, Course, RecoveryChoice
from reirrad.datatables import DVH_STEP_GY, DataTable, assessment_tables, table_of
from reirrad.dose import DoseGrid
from reirrad.errors import Notice
from reirrad.limit import Clause
from reirrad.loading import load_case
from reirrad.papercourse import Paper
from reirrad.recovery import custom
from reirrad.result import to_dict
from reirrad.structures import Structure

Rows = list[dict[str, Any]]


def assessed(one: Case, *limits: Any) -> Assessment:
    return assess(one, LimitChoice(limits, frozenset(x.id for x in limits), ("own.yaml",)))


def tables(found: Assessment) -> dict[str, DataTable]:
    return {table.name: table for table in assessment_tables(found)}


def rows(table: DataTable) -> Rows:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def dvh(found: Assessment, scope: str, course_name: str | None, quantity: str) -> Rows:
    return [r for r in rows(tables(found)["dvh"]) if (r["scope"], r["course"], r["quantity"]) == (scope, course_name, quantity)]


# ------------------------------------------------------------------------------------------------------- what a table is


@pytest.mark.parametrize("name", ["", "Doses", "a b", "1st", "../x", "a.csv", "a\n"])
def test_name_of_a_table_becomes_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="small letters, digits and underscores"):
        DataTable(name, ("a",), ())


def test_columns_and_rows_agree() -> None:
    with pytest.raises(ValueError, match="has a column twice, or none"):
        DataTable("t", ("a", "a"), ())
    with pytest.raises(ValueError, match="has a column twice, or none"):
        DataTable("t", (), ())
    with pytest.raises(ValueError, match="has 2 columns and a row of 1 values"):
        DataTable("t", ("a", "b"), ((1, 2), (1,)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"table t holds {value} as b; what is not known is None"):
        DataTable("t", ("a", "b"), ((1.0, value),))


@pytest.mark.parametrize("value", [np.float64(1.0), np.int64(1), np.bool_(True), np.str_("x"), b"x", dt.date(2020, 1, 1), [1]])
def test_a_value_of_another_kind_is_refused(value: Any) -> None:
    """numpy prints itself as np.float64(1.0), which is no number in a file."""
    with pytest.raises(ValueError, match=f"table t holds a {type(value).__name__} as a"):
        DataTable("t", ("a",), ((value,),))


def test_table_of_records() -> None:
    found = table_of("t", ("a", "b"), [{"a": np.float64(1.5), "b": np.bool_(False), "c": 3}, {"a": np.int64(2)}, {"b": [1.0, 2.25, "x"]}, {"b": ()}])
    assert found.rows == ((1.5, False), (2, None), (None, "1; 2.25; x"), (None, ""))
    assert [type(v) for v in found.rows[0]] == [float, bool]
    with pytest.raises(ValueError, match="holds a dict"):
        table_of("t", ("a",), [{"a": {}}])


# ------------------------------------------------------------------------------------------------------- tables of a result


def test_every_column_is_a_key_of_the_result() -> None:
    """A misspelt column would be empty in every file."""
    recovery = {"rectum": RecoveryChoice(custom([(0, 0.0), (12, 0.5)], "board"), "the patient asked")}
    one = two_courses(
        notices=(Notice("a_code", "words", "first", "Rectum"),),
        recovery=recovery,
        organs=((box_structure(), "rectum"), (box_structure("Cord", number=2), "spinal_cord")),
    )
    found = assessed(one, limit(id="sum", clauses=(Clause("interval", ">=", 5.0, "months"),)))
    document, out = to_dict(found), tables(found)
    evaluation, structure, first = document["evaluations"][0], document["structures"][0], document["courses"][0]
    assert set(out["limits"].columns) == set(evaluation) - {"clauses"}
    assert set(out["clauses"].columns) - {"structure", "limit_id", "course"} == set(evaluation["clauses"][0])
    assert set(out["warnings"].columns) == set(document["warnings"][0])
    assert set(out["risk_scores"].columns) == set(document["risk_scores"][0]) - {"remarks"}
    assert set(out["phases"].columns) - {"course"} == set(first["phases"][0])
    assert set(out["courses"].columns) == set(first) - {"phases", "inputs", "registration"} | {f"registration_{k}" for k in first["registration"]}
    assert set(out["structures"].columns) - {"structure"} <= set(structure) | {"recovery_model", "recovery_source", "recovery_rationale"}
    statistics = set(out["doses"].columns) - set(out["structures"].columns) - {"scope", "course", "is_upper_bound", "reason"}
    assert {c for c in statistics if not c.endswith("_at_least_gy")} == set(structure["cumulative"])
    (row,) = rows(out["recovery"])
    assert (row["structure"], row["course"], row["model"], row["recovered"]) == ("Rectum", "first", "custom", 0.5)  # a year and a day after the first
    assert "0.5 of the EQD2 recovered" in row["reason"]
    assert [(r["structure"], r["recovery_model"], r["recovery_rationale"]) for r in rows(out["structures"])] == [
        ("Rectum", "custom", "the patient asked"),
        ("Cord", None, None),
    ]
    assert [(r["course"], r["limit_id"], r["what"], r["status"]) for r in rows(out["clauses"])] == [
        (None, "sum", "interval", evaluation["clauses"][0]["status"])
    ]


def test_doses_by_hand() -> None:
    """30 Gy in 10 and 20 Gy in 5 in 7.5 cc of rectum: EQD2 at 3 Gy is 36 and 28, together 64."""
    found = tables(assessed(two_courses(), limit("Dmax", 80.0, id="sum")))
    doses = rows(found["doses"])
    assert [(r["scope"], r["course"], r["quantity"], r["max_gy"], r["D2cc_gy"], r["mean_gy"]) for r in doses] == [
        ("course", "first", "physical", 30.0, 30.0, 30.0),
        ("course", "first", "EQD2", 36.0, 36.0, 36.0),
        ("course", "second", "physical", 20.0, 20.0, 20.0),
        ("course", "second", "EQD2", 28.0, 28.0, 28.0),
        ("cumulative", None, "EQD2", 64.0, 64.0, 64.0),
    ]
    assert {(r["structure"], r["organ"], r["volume_cc"], r["alpha_beta_gy"], r["is_upper_bound"], r["reason"]) for r in doses} == {
        ("Rectum", "rectum", 7.5, 3.0, False, None)
    }
    (row,) = rows(found["limits"])
    assert (row["value_gy"], row["limit_gy"], row["margin"], row["status"]) == (64.0, 80.0, 16.0, "pass")
    assert [(r["name"], r["fractions"], r["registration_method"], r["starts"], r["completed"]) for r in rows(found["courses"])] == [
        ("first", 10, "same_frame", None, "2021-01-01"),
        ("second", 5, "same_frame", "2022-01-01", None),
    ]
    assert "uncertainty_bands" not in found


def test_sum_with_recovery_has_rows_of_its_own() -> None:
    """Half of 36 Gy no longer counts: 18 + 28."""
    recovery = {"rectum": RecoveryChoice(custom([(0, 0.5)], "board"), "")}
    found = assessed(two_courses(recovery=recovery))
    row = next(r for r in rows(tables(found)["doses"]) if r["scope"] == "cumulative_with_recovery")
    assert row["max_gy"] == pytest.approx(46.0, abs=1e-3)
    curve = dvh(found, "cumulative_with_recovery", None, "EQD2")
    assert [r["dose_gy"] for r in curve if r["volume_cc"] > 0][-1] == 46.0


# ------------------------------------------------------------------------------------------------------- DVH


def test_dvh_of_even_doses_falls_at_the_dose() -> None:
    found = assessed(two_courses())
    for scope, name, quantity, gy in (("course", "first", "physical", 30.0), ("course", "second", "EQD2", 28.0), ("cumulative", None, "EQD2", 64.0)):
        curve = dvh(found, scope, name, quantity)
        assert [r["dose_gy"] for r in curve] == [DVH_STEP_GY * k for k in range(int(gy / DVH_STEP_GY) + 2)]
        assert all(r["volume_cc"] == pytest.approx(7.5 if r["dose_gy"] <= gy else 0.0, abs=1e-5) for r in curve)
        assert {(r["unknown_cc"], r["reason"], r["alpha_beta_gy"]) for r in curve} == {(0.0, None, None if quantity == "physical" else 3.0)}


def test_dvh_of_a_rising_dose_is_what_the_metric_says() -> None:
    """Dose x + 20 Gy over x -5 .. 20 mm: the part above D is (40 - D) / 25; and every point is V_D of the metric."""
    rising = DoseGrid(grid(), np.broadcast_to((grid().u_mm + 20).astype(np.float32), GRID_SHAPE).copy(), "1.2.3.100")
    found = assessed(case(course("first", "prior", rising, 10), course("second", "proposed", 20, 5)))
    curve = dvh(found, "course", "first", "physical")
    total = found.organs[0].sum
    assert total is not None
    distribution = total.dose.physical(0)
    assert len(curve) in (81, 82)  # 0 .. 40 Gy
    for r in curve:
        assert r["volume_cc"] == pytest.approx(distribution.volume_above_cc(r["dose_gy"]), abs=1e-6)
        assert r["volume_cc"] == pytest.approx(7.5 * min(1.0, max(0.0, (40 - r["dose_gy"]) / 25)), abs=0.05)
    assert curve[-1]["volume_cc"] == 0.0


@pytest.mark.hazard("H04")
def test_unknown_dose_is_not_zero_dose() -> None:
    """The first grid ends above half of the organ (as far as points go); the second structure is empty."""
    short = course("first", "prior", even_dose(30, (3, 9, 10)), 10, last_day=dt.date(2021, 1, 1))
    second = course("second", "proposed", 20, 5, first_day=dt.date(2022, 1, 1))
    found = assessed(case(short, second, organs=[(box_structure(), "rectum"), (Structure("Bladder", 2, ()), "bladder")]), limit("Dmax", 60.0))
    curve = dvh(found, "cumulative", None, "EQD2")
    rectum = [r for r in curve if r["structure"] == "Rectum"]
    known, unknown = rectum[0]["volume_cc"], rectum[0]["unknown_cc"]
    assert known + unknown == pytest.approx(7.5, abs=1e-4)
    assert 0.4 < unknown / 7.5 < 0.6
    assert "lies outside a dose grid" in rectum[0]["reason"]
    (empty,) = [r for r in curve if r["structure"] == "Bladder"]
    assert (empty["dose_gy"], empty["volume_cc"], empty["unknown_cc"], empty["reason"]) == (None, None, None, "the structure has no closed contours")
    bladder = [r for r in rows(tables(found)["dvh"]) if r["structure"] == "Bladder"]
    assert [r["course"] for r in bladder] == ["first", "second", None]
    cumulative = next(r for r in rows(tables(found)["doses"]) if (r["structure"], r["scope"]) == ("Rectum", "cumulative"))
    assert (cumulative["max_gy"], cumulative["max_at_least_gy"], cumulative["is_upper_bound"]) == (None, 64.0, False)
    assert "lies outside a dose grid" in cumulative["reason"]


def test_dvh_without_any_known_dose() -> None:
    """The grid of the first course ends before the organ begins."""
    short = course("first", "prior", even_dose(30, (2, 9, 10)), 10)
    low = box_structure(planes=(-5.0, 0.0))
    found = assessed(case(short, course("second", "proposed", 20, 5), organs=[(low, "rectum")]))
    (row,) = dvh(found, "course", "first", "physical")
    assert (row["dose_gy"], row["volume_cc"], row["unknown_cc"]) == (0.0, 0.0, pytest.approx(5.0, abs=1e-4))
    assert row["reason"] is not None


def test_course_on_paper_has_no_dvh_but_a_reason() -> None:
    letter = Course("letter", "prior", (), "", last_day=dt.date(2020, 1, 1), paper=Paper(40, 20, 20))
    one = Case("test", (letter, *two_courses().courses[1:]), 1, (None, None), ("none", "same_frame"), ((box_structure(), "rectum"),))
    found = assessed(one)
    (row,) = dvh(found, "course", "letter", "physical")
    assert (row["dose_gy"], row["reason"]) == (None, "the course has no dose at points of the structure")
    (row,) = dvh(found, "cumulative", None, "EQD2")
    assert (row["dose_gy"], row["reason"]) == (None, "a course has no dose at common points with the others")
    assert dvh(found, "course", "second", "physical")[1]["volume_cc"] == pytest.approx(7.5, abs=1e-5)
    doses = rows(tables(found)["doses"])
    total = next(r for r in doses if r["scope"] == "cumulative")
    assert total["is_upper_bound"] is True  # 40 Gy in 20, nothing said of the rectum: at most 40 + 28
    assert total["max_gy"] == pytest.approx(68.0, abs=1e-3)
    assert total["max_at_least_gy"] == pytest.approx(28.0, abs=1e-3)


def test_unregistered_course_is_read_on_its_own_structure() -> None:
    """Its own rectum has a DVH of its own; their sum has none."""
    first = course("first", "prior", 30, 10, structures=(box_structure(),))
    second = course("second", "proposed", 20, 5)
    found = assessed(case(first, second, registration=("none", "same_frame")))
    curve = dvh(found, "course", "first", "EQD2")
    assert [r["dose_gy"] for r in curve if r["volume_cc"]][-1] == 36.0
    assert curve[0]["structure"] == "Rectum"
    (row,) = dvh(found, "cumulative", None, "EQD2")
    assert row["reason"] == "a course has no dose at common points with the others"
    match = rows(tables(found)["registration"])[0]
    assert (match["structure"], match["course"], match["structure_of_course"], match["volume_cc"]) == (
        "Rectum",
        "first",
        "Rectum",
        pytest.approx(7.5, abs=1e-3),
    )
    without = assessed(case(replaced(first, structures=()), second, registration=("none", "same_frame")))
    (row,) = dvh(without, "course", "first", "physical")
    assert row["reason"] == "the course has no dose at points of the structure"


# ------------------------------------------------------------------------------------------------------- uncertainty


def test_tables_of_uncertainty(tmp_path: Path) -> None:
    write_course(tmp_path / "c1", 1, np.broadcast_to(grid().u_mm + 20, GRID_SHAPE), 10)
    write_course(tmp_path / "c2", 2, 20, 5)
    limits = """
- {id: sum, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 70, level: mandatory, source: x}
- {id: none, organ: bladder, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 70, level: optimal, source: x}
"""
    found = assess(*load_case(write_case_file(tmp_path, "constraints: limits.yaml\nuncertainty: {shift_mm: 3}", limits=limits)))
    document, out = to_dict(found)["uncertainty"], tables(found)
    band = document["bands"][0]
    (row,) = rows(out["uncertainty_bands"])
    assert set(row) == (set(band) - {"factors", "voxel_search"}) | set(band["voxel_search"])
    assert (row["low"], row["nominal"], row["high"], row["anywhere"]) == (band["low"], band["nominal"], band["high"], band["voxel_search"]["anywhere"])
    assert row["low"] < row["nominal"] < row["high"]
    factors = rows(out["uncertainty_factors"])
    assert [r["factor"] for r in factors] == [f["factor"] for f in band["factors"]]
    assert set(factors[0]) == set(band["factors"][0]) | {"limit_id", "structure", "course"}
    assert len(out["uncertainty_flips"].rows) == len(document["flips"]) > 0
    assert set(out["uncertainty_flips"].columns) == set(document["flips"][0])
    assert len(out["uncertainty_without_band"].rows) == len(document["without_band"])
