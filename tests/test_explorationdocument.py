"""Document, tables and exit status of an exploration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from case_factory import box_structure, limit, two_courses
from jsonschema import Draft202012Validator

from reirrad import __version__
from reirrad.assessment import Assessment, assess
from reirrad.band import Uncertainty
from reirrad.course import Case
from reirrad.effect import Growth
from reirrad.errors import Notice
from reirrad.exploration import Exploration, ScheduleChoice, explore
from reirrad.explorationdata import exploration_tables
from reirrad.explorationdocument import as_dict, as_json, best_row, exit_status, explore_schema, notices_of, row_effects, row_status
from reirrad.judgement import LimitChoice
from reirrad.options import Option, evaluate_options, parse_options
from reirrad.structures import Structure
from reirrad.tumour import Tumour

SUM = limit("Dmax", 76.0)  # leaves 40 Gy of EQD2: 25 Gy in 5 fractions


def prescribed(one: Case) -> Case:
    return replace(one, courses=(*one.courses[:-1], replace(one.courses[-1], stated_prescription_gy=20.0)))


def found(
    *limits: Any, schedules: str = "", numbers: tuple[int, ...] = (5,), one: Case | None = None, own: bool = True, uncertainty: Uncertainty | None = None
) -> tuple[Assessment, Exploration, tuple[Option, ...]]:
    case = prescribed(two_courses()) if one is None else one
    choice = LimitChoice(tuple(limits), frozenset(x.id for x in limits) if own else frozenset(), ("limits.yaml",), uncertainty)
    assessment = assess(case, choice)
    asked = parse_options(schedules)[0] if schedules else ()
    exploration = explore(assessment, choice, tuple(dict.fromkeys((*(a.choice for a in asked), *map(ScheduleChoice, numbers)))))
    return assessment, exploration, evaluate_options(assessment, choice, 1, asked, Tumour())


def document(*limits: Any, tumour: Tumour | None = None, notices: tuple[Notice, ...] = (), **how: Any) -> dict[str, Any]:
    """Document that is valid, and the same after it was written and read."""
    assessment, exploration, options = found(*limits, **how)
    out = as_dict(assessment, exploration, tumour or Tumour(), options, notices)
    schema = explore_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(out)
    assert json.loads(as_json(out)) == out
    return out


def test_highest_dose_by_hand():
    """EQD2 of 25 Gy in 5 at 3 Gy is 25 (3 + 5) / 5 = 40; of d Gy in one d (3 + d) / 5 = 40, d = (-3 + sqrt(809)) / 2."""
    out = document(SUM, numbers=(5, 1))
    five, one = out["schedules"]
    assert (five["schedule"], five["fractions"], five["per_day"], five["interval_h"], five["overall_days"]) == ("25/5", 5, 1, None, 4)
    assert (five["status"], five["reason"]) == ("met", None)
    assert five["dose_gy"] == pytest.approx(25.0, abs=1e-4)
    assert five["dose_per_fraction_gy"] == pytest.approx(5.0, abs=1e-4)
    assert five["scale"] == pytest.approx(1.25, abs=2e-6)
    assert {k: five["binding"][k] for k in ("limit_id", "structure", "value_gy", "limit_gy", "course", "level", "unit")} == {
        "limit_id": "rectum-Dmax", "structure": "Rectum", "value_gy": 76.0, "limit_gy": 76.0, "course": None, "level": "mandatory", "unit": "Gy",
    }  # fmt: skip
    assert five["next"] is None
    assert five["tumour"] == five["tumours"][0]
    assert [(t["alpha_beta_gy"], t["bed_gy"], t["eqd2_gy"]) for t in five["tumours"]] == [
        (10.0, pytest.approx(37.5, abs=1e-3), pytest.approx(31.25, abs=1e-3)),
        (3.0, pytest.approx(200 / 3, abs=1e-3), pytest.approx(40.0, abs=1e-3)),
    ]
    assert one["dose_gy"] == pytest.approx((809**0.5 - 3) / 2, abs=1e-4)
    assert one["schedule"] == "12.72/1"  # rounded down, so that it can be asked for
    assert one["beyond_lq"] is True
    assert one["tumour"]["bed_lql_gy"] < one["tumour"]["bed_gy"]
    assert (out["schema"], out["reirrad_version"], out["case"]) == (1, __version__, "test")
    assert out["course"] == {"name": "second", "prescription_gy": 20.0, "fractions": 5}


def test_doses_and_scales_are_never_rounded_up():
    assessment, exploration, _ = found(SUM, numbers=(1, 2, 3, 4, 7))
    out = as_dict(assessment, exploration, Tumour())
    for row, written in zip(exploration.rows, out["schedules"], strict=True):
        assert row.scale is not None
        assert 0 <= row.scale - written["scale"] < 1e-8
        assert 0 <= row.dose_gy - written["dose_gy"] < 1e-4


def test_mandatory_and_optimal_are_separate():
    """Optimal: 64 Gy in sum is the plan itself, 20 Gy in 5."""
    (row,) = document(SUM, limit("Dmax", 64.0, id="careful", level="optimal"))["schedules"]
    assert row["binding"]["limit_id"] == "rectum-Dmax"
    assert row["optimal"]["binding"]["limit_id"] == "careful"
    assert row["optimal"]["dose_gy"] == pytest.approx(20.0, abs=1e-4)
    assert row["optimal"]["scale"] == pytest.approx(1.0, abs=2e-6)


def test_next_limit_and_the_margin_there():
    """At 25 Gy the course itself is 5 Gy below a physical limit of 30."""
    alone = limit("Dmax", 30.0, id="alone", scope="course", quantity="physical")
    (row,) = document(SUM, alone)["schedules"]
    assert (row["next"]["limit_id"], row["next"]["course"]) == ("alone", "second")
    assert row["next"]["value_here"] == pytest.approx(25.0, abs=1e-4)
    assert row["next"]["margin_here"] == pytest.approx(5.0, abs=1e-4)
    assert row["next"]["scale"] == pytest.approx(1.5, abs=2e-6)


def test_limit_of_a_volume_has_no_value_in_gy():
    """No part of the rectum above 22 Gy: 22 Gy everywhere."""
    (row,) = document(limit("V22Gy", 10.0, unit="%", scope="course", quantity="physical"))["schedules"]
    assert row["dose_gy"] == pytest.approx(22.0, abs=1.2e-4)
    assert (row["binding"]["value_gy"], row["binding"]["limit_gy"], row["binding"]["unit"], row["binding"]["limit"]) == (None, None, "%", 10.0)


def test_nothing_left():
    """30 Gy in 10 are 36 Gy; a limit of 30 Gy is exceeded by 6 without the proposed course."""
    limits = (limit("Dmax", 30.0),)
    out = document(*limits, numbers=(5, 10))
    row = out["schedules"][0]
    assert (row["status"], row["dose_gy"], row["scale"], row["optimal"]["dose_gy"]) == ("nothing_left", 0.0, 0.0, 0.0)
    assert "not met at any dose" in row["reason"]
    assert (row["binding"]["scale"], row["binding"]["deficit"]) == (None, pytest.approx(6.0, abs=1e-4))
    assert row["tumour"] == {
        "bed_gy": None, "eqd2_gy": None, "alpha_beta_gy": 10.0, "bed_without_growth_gy": None, "bed_lql_gy": None, "reason": "there is no dose to speak of",
    }  # fmt: skip
    assert out["best"] is None
    assert exit_status(found(*limits)[1]) == 1


def test_no_limit_restricts():
    """An optimal limit alone: without a mandatory one there is no highest dose, and none is made up."""
    limits = (limit("Dmax", 64.0, level="optimal"),)
    (row,) = document(*limits)["schedules"]
    assert (row["schedule"], row["dose_gy"], row["dose_per_fraction_gy"], row["scale"], row["binding"]) == (None, None, None, None, None)
    assert (row["status"], row["reason"]) == ("met", "no mandatory limit restricts this schedule")
    assert row["optimal"]["dose_gy"] == pytest.approx(20.0, abs=1e-4)
    assert row["tumour"]["bed_gy"] is None
    _, exploration, _ = found(*limits)
    assert row_effects(exploration.rows[0], Tumour()) is None
    assert best_row(exploration, Tumour()) is None


def test_mandatory_limit_that_cannot_be_checked_is_never_met():
    """A limit of the bladder, which is not there: 25 Gy are what the rectum allows, and no more is known."""
    limits = (SUM, limit("Dmax", 90.0, "bladder"))
    out = document(*limits)
    (row,) = out["schedules"]
    assert row["status"] == "not_evaluable"
    assert row["dose_gy"] == pytest.approx(25.0, abs=1e-4)
    assert [(b["limit_id"], b["structure"], b["value"]) for b in row["not_evaluable"]] == [("bladder-Dmax", None, None)]
    assert "no structure of the reference course stands for the organ bladder" in row["not_evaluable"][0]["reason"]
    assert out["best"] is None
    assert exit_status(found(*limits)[1]) == 1


def test_optimal_limit_that_cannot_be_checked_is_not_in_the_way():
    _, exploration, _ = found(SUM, limit("Dmax", 90.0, "bladder", level="optimal"))
    assert row_status(exploration.rows[0]) == "met"
    assert exit_status(exploration) == 0


def test_no_limit_at_all_is_not_met():
    _, exploration, _ = found()
    assert row_status(exploration.rows[0]) == "not_evaluable"
    assert exit_status(exploration) == 1


def test_exit_status_is_that_of_the_options_where_some_are_asked_for():
    _, exploration, options = found(SUM, schedules="25/5,20/5")  # 25/5 is met exactly
    assert [o.verdict for o in options] == ["caution", "within"]
    assert exit_status(exploration, options) == 0
    _, exploration, options = found(SUM, schedules="20/5,25.01/5")
    assert [o.verdict for o in options] == ["within", "exceeded"]
    assert exit_status(exploration, options) == 1
    assert exit_status(exploration) == 0  # every schedule leaves some dose


def test_best_is_the_highest_bed_with_fractions_the_model_is_supported_for():
    """The organ gets what the tumour gets: at 10 Gy against 3 Gy more fractions are better, 12.72 Gy in one have the least BED; growth turns that round."""
    assessment, exploration, _ = found(SUM, numbers=(1, 3, 5, 30))
    # d (3 + d / n) / 5 = 40
    assert [r.dose_gy for r in exploration.rows] == pytest.approx([n / 2 * ((9 + 800 / n) ** 0.5 - 3) for n in (1, 3, 5, 30)], rel=3e-6)
    out = as_dict(assessment, exploration, Tumour())
    assert out["best"] == 3
    assert out["schedules"][3]["tumour"]["bed_gy"] == max(s["tumour"]["bed_gy"] for s in out["schedules"])
    growing = Tumour((10.0,), Growth(1.0, 0))
    best = as_dict(assessment, exploration, growing)["best"]
    assert best == 2  # 37.5 - 4 Gy in 5; 3 fractions lose 2 days of 34.3 Gy
    assert document(SUM, numbers=(1,))["best"] is None  # one fraction is beyond the model


def test_growth_that_outran_the_dose():
    (row,) = document(limit("Dmax", 37.0), tumour=Tumour((10.0,), Growth(3.0, 0)), numbers=(40,))["schedules"]
    assert row["tumour"]["bed_gy"] is None
    assert row["tumour"]["reason"] == "growth outran the dose"
    assert row["tumour"]["bed_without_growth_gy"] > 0


def test_option_side_by_side():
    out = document(SUM, schedules="30/5,24/12 per-day=2 interval=8h")
    first, second = out["options"]
    assert (first["schedule"], first["dose_gy"], first["dose_per_fraction_gy"], first["scale"], first["verdict"]) == ("30/5", 30.0, 6.0, 1.5, "exceeded")
    # 30 (3 + 6) / 5 = 54, and 36 before
    (organ,) = first["structures"]
    assert organ["cumulative"]["max_gy"] == pytest.approx(90.0, abs=1e-4)
    assert (organ["cumulative"]["quantity"], organ["reasons"], organ["lower_bounds"], organ["upper_bounds"]) == ("EQD2", {}, {}, None)
    assert (organ["largest_per_fraction_gy"], organ["beyond_lq"]) == (6.0, False)
    (row,) = first["evaluations"]
    assert (row["status"], row["value_gy"], row["limit_gy"], row["margin"], row["bound"], row["band"]) == ("exceed", 90.0, 76.0, -14.0, "exact", None)
    assert (second["per_day"], second["interval_h"], second["overall_days"]) == (2, 8.0, 7)
    assert first["tumour"]["eqd2_gy"] == 40.0  # 30 (10 + 6) / 12


def test_band_of_an_option():
    out = document(SUM, schedules="20/5", uncertainty=Uncertainty(alpha_beta=True))
    band = out["options"][0]["evaluations"][0]["band"]
    assert band["low"] <= 64.0 <= band["high"]
    assert band["low"] < band["high"]


def test_what_is_said():
    """Of an organ without a limit, of limits for some schedules; not what holds for the plan as it stands alone."""
    few = limit("Dmax", 21.0, scope="course", quantity="physical", id="few", min_fractions=1, max_fractions=5, organ="bladder")
    organs = (box_structure(), "rectum"), (box_structure("Bladder", number=2), "bladder"), (box_structure("\x1bSigmoid", number=3), "sigmoid")
    asked = Notice("interval_assumed", "6 h.")
    case = prescribed(two_courses(organs=organs))
    assessment, exploration, _ = found(SUM, few, one=case, numbers=(5, 10), own=False)
    assert "organ_without_limit" in {n.code for n in assessment.notices}
    said = notices_of(assessment, exploration, (asked, asked))
    codes = [n.code for n in said]
    assert codes[-3:] == ["explore_organ_without_limit", "explore_limits_by_fractions", "interval_assumed"]
    assert "organ_without_limit" not in codes
    by_code = {n.code: n.message for n in said}
    assert "Sigmoid" in by_code["explore_organ_without_limit"]
    assert "\x1b" not in by_code["explore_organ_without_limit"]
    assert by_code["explore_limits_by_fractions"].endswith("In some schedules no limit at all is for: Bladder.")
    assert [w["code"] for w in as_dict(assessment, exploration, Tumour(), (), (asked,))["warnings"]] == codes


def test_nothing_is_said_of_limits_where_all_schedules_have_the_same():
    assessment, exploration, _ = found(SUM, numbers=(5, 10))
    assert not [n for n in notices_of(assessment, exploration) if n.code.startswith("explore_")]
    one_for_each = limit("Dmax", 90.0, min_fractions=1, max_fractions=5, id="a"), limit("Dmax", 95.0, min_fractions=6, max_fractions=40, id="b")
    assessment, exploration, _ = found(*one_for_each, numbers=(5, 10), own=False)
    (said,) = (n for n in notices_of(assessment, exploration) if n.code == "explore_limits_by_fractions")
    assert said.message.endswith("not a tolerance.")


# ------------------------------------------------------------------------------------------------------- tables


def test_tables_hold_what_the_document_holds():
    empty = Structure("Sigmoid", 7, (), "ORGAN")
    organs = (box_structure(), "rectum"), (empty, "sigmoid")
    limits = (SUM, limit("Dmax", 70.0, "sigmoid"), limit("Dmax", 30.0, id="alone", scope="course", quantity="physical"))
    case = prescribed(two_courses(organs=organs))
    out = document(*limits, schedules="20/5,24/12 per-day=2", one=case, uncertainty=Uncertainty(alpha_beta=True))
    tables = {t.name: t for t in exploration_tables(out)}
    assert list(tables) == [
        "explore_schedules", "explore_tumour", "explore_options", "explore_organs", "explore_evaluations", "explore_warnings",
    ]  # fmt: skip
    schedules = [dict(zip(tables["explore_schedules"].columns, row, strict=True)) for row in tables["explore_schedules"].rows]
    five = schedules[0]
    assert (five["fractions"], five["binding_limit_id"], five["binding_structure"], five["next_limit_id"]) == (5, "rectum-Dmax", "Rectum", "alone")
    assert five["optimal_dose_gy"] == five["dose_gy"] == out["schedules"][0]["dose_gy"]
    assert five["optimal_binding_limit"] == 76.0
    assert five["next_margin_here"] == pytest.approx(5.0, abs=1e-4)
    assert len(tables["explore_tumour"].rows) == 2 * (len(out["schedules"]) + 2)
    organs_of = [dict(zip(tables["explore_organs"].columns, row, strict=True)) for row in tables["explore_organs"].rows]
    assert [(o["schedule"], o["structure"], o["max_gy"]) for o in organs_of[:2]] == [("20/5", "Rectum", 64.0), ("20/5", "Sigmoid", None)]
    assert organs_of[1]["reason"] == "the structure has no closed contours"
    assert organs_of[0]["reason"] is None
    evaluations = [dict(zip(tables["explore_evaluations"].columns, row, strict=True)) for row in tables["explore_evaluations"].rows]
    assert {(e["schedule"], e["limit_id"], e["status"]) for e in evaluations} >= {("20/5", "rectum-Dmax", "pass"), ("20/5", "sigmoid-Dmax", "not_evaluable")}
    assert next(e["band_high"] for e in evaluations if e["limit_id"] == "rectum-Dmax") > 64.0
    assert [row[2] for row in tables["explore_options"].rows] == [1, 2]
    assert len(tables["explore_warnings"].rows) == len(out["warnings"]) + sum(len(o["warnings"]) for o in out["options"])


def test_lower_and_upper_bounds_in_tables():
    """The organ reaches beyond the dose grid: nothing but a lower bound of its maximum is known, 36 + 28 Gy."""
    case = prescribed(two_courses(organs=((box_structure(planes=(0.0, 5.0, 10.0)), "rectum"),)))
    out = document(SUM, schedules="20/5", one=case)
    (table,) = (t for t in exploration_tables(out) if t.name == "explore_organs")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["max_gy"], row["max_at_least_gy"], row["is_upper_bound"]) == (None, pytest.approx(64.0, abs=1e-4), False)
    assert "outside a dose grid" in row["reason"]
    out["options"][0]["structures"][0] |= {"upper_bounds": "paper", "reasons": {}}
    (table,) = (t for t in exploration_tables(out) if t.name == "explore_organs")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["is_upper_bound"], row["reason"]) == (True, "paper")
