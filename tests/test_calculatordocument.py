"""The JSON document of schedules and its schema."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from reirrad.calculator import calculate
from reirrad.calculatordocument import as_json, eqd2_schema
from reirrad.calculatorsensitivity import LqL, Usc
from reirrad.effect import Growth
from reirrad.schedule import SYNTAX, parse_schedule

VALIDATOR = Draft202012Validator(eqd2_schema())


def document(*texts, **options):
    found = json.loads(as_json(calculate([parse_schedule(t) for t in texts], 3, **options)))
    VALIDATOR.validate(found)
    return found


def test_the_schema_is_one_and_forbids_what_it_does_not_know():
    Draft202012Validator.check_schema(eqd2_schema())
    found = document("54/30", limit_eqd2_gy=100, fractions=[5])
    for broken in (found | {"extra": 1}, found | {"schema": 2}, {k: v for k, v in found.items() if k != "sum"}, found | {"sum": {"eqd2_gy": 1}}):
        assert not VALIDATOR.is_valid(broken)
    assert not VALIDATOR.is_valid(found | {"limit": found["limit"] | {"status": "exceeded"}})
    assert not VALIDATOR.is_valid(found | {"remaining": [found["remaining"][0] | {"dose_gy": None}]})


@pytest.mark.parametrize("form", [form.strip('"') for form, _ in SYNTAX])
def test_every_documented_form(form):
    growth = Growth(0.1, 0) if "days" in form else None
    schedules = [form] if growth else [form, "2/1"]
    (first, *_) = document(*schedules, half_time_h=1, growth=growth)["courses"]
    assert first["schedule"] == form


def test_every_state_of_a_limit():
    for limit, status in ((100, "within"), (52, "reached"), (40, "exceeded")):
        found = document("50/25 recovered=0.5", "2/1", limit_eqd2_gy=limit, fractions=[1, 3])
        assert found["limit"]["status"] == status
        assert found["limit_after_recovery"]["status"] == "within"


def test_the_way_of_delivery():
    found = document("40 rate=0.5Gy/h", "30/60 pulse=15min every=1h", "145 permanent half-life=59.4d", "12/1 minutes=30", half_time_h=1)
    assert [c["delivery"] for c in found["courses"]] == [
        {"pattern": "low_dose_rate", "rate_gy_per_h": 0.5},
        {"pattern": "pulsed", "pulse_h": 0.25, "period_h": 1.0},
        {"pattern": "permanent", "half_life_days": 59.4},
        {"pattern": "slow_fraction", "minutes": 30.0},
    ]
    assert found["sensitivities"][0]["model"] == "acute"


def test_recovery_repopulation_and_models():
    found = document("50/25 recovered=0.5", "24/2 rbe=1.1 let=2.5", sensitivities=[LqL(), Usc(0.33, 1.25, 1.8)])
    assert found["courses"][0]["after_recovery"] == {"bed_gy": pytest.approx(125 / 3), "eqd2_gy": pytest.approx(25)}
    assert (found["courses"][0]["recovered"], found["courses"][1]["rbe"], found["courses"][1]["let_kev_um"]) == (0.5, 1.1, 2.5)
    assert found["sum"]["eqd2_gy"] - found["sum"]["after_recovery"]["eqd2_gy"] == pytest.approx(25)
    assert [s["model"] for s in found["sensitivities"]] == ["lq-l", "usc", "mcnamara", "wedenberg"]
    assert {s["use"] for s in found["sensitivities"]} == {"sensitivity, not for limits"}
    assert [c["applied"] for c in found["sensitivities"][2]["courses"]] == [False, True]
    found = document("70/35 days=46", growth=Growth(0.9, 28))
    assert found["tumour"] == {"repopulation_bed_gy_per_day": 0.9, "kickoff_days": 28}
    assert found["sum"]["without_repopulation"]["bed_gy"] - found["sum"]["bed_gy"] == pytest.approx(16.2)
    assert found["courses"][0]["overall_days"] == 46
