"""Recovery of earlier courses: parts, bins, guard rails, a user's own steps."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from reirrad.errors import ParameterError
from reirrad.organs import organs, references
from reirrad.radiobiology import eqd2
from reirrad.recovery import NOT_RECOVERING, RecoveryModel, as_rows, custom, left_out, recovered, recovery_models, refusal
from reirrad.recoverytable import render_recovery

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "recovery.toml").read_text(encoding="utf-8"))
MODELS = recovery_models()


@pytest.mark.parametrize("row", GOLDEN["part"], ids=lambda r: r["source"].replace(",", ""))
def test_parts(row):
    for organ_key in row["organs"]:
        for months, part in row["table"]:
            assert MODELS[row["model"]].part(organ_key, months) == pytest.approx(part, abs=1e-12), (organ_key, months)


@pytest.mark.parametrize("row", GOLDEN["discount"], ids=lambda r: str(r["eqd2_gy"]))
def test_the_eqd2_is_discounted_and_never_the_physical_dose(row):
    part = recovered(MODELS[row["model"]], "spinal_cord", row["months"]).part
    of_all = eqd2(row["dose_gy"], row["fractions"], row["alpha_beta_gy"])
    assert of_all * (1 - part) == pytest.approx(row["eqd2_gy"])
    physical_first = eqd2(row["dose_gy"] * (1 - part), row["fractions"], row["alpha_beta_gy"])
    assert physical_first == pytest.approx(row["not_gy"])
    assert physical_first < row["eqd2_gy"] - 4


def test_every_part_has_a_source_and_real_organs():
    assert next(iter(MODELS)) == "none"
    assert {r["model"] for r in GOLDEN["part"]} == set(MODELS)
    for model in MODELS.values():
        assert model.source == references()[model.reference].citation
        assert set(model.organs or ()) <= set(organs())
        assert model.note
    assert all(row["source"].split()[0].strip(",;:") in references() or "arithmetic" in row["source"] for rows in GOLDEN.values() for row in rows)
    assert MODELS["doi_2021"].doi == "10.1007/s00066-021-01772-7"
    assert len(left_out()) == 6
    assert any("65 %" in x.what for x in left_out())


@given(st.sampled_from(sorted(MODELS)), st.sampled_from(sorted(organs())), st.floats(0, 400), st.floats(0, 400))
@settings(max_examples=60, deadline=None)
def test_parts_never_fall_with_time_and_stay_within_0_and_1(key, organ_key, a, b):
    early, late = sorted((a, b))
    assert 0 <= MODELS[key].part(organ_key, early) <= MODELS[key].part(organ_key, late) <= 1


@pytest.mark.parametrize("months", [-1, math.nan, math.inf])
def test_part_of_no_interval_is_refused(months):
    with pytest.raises(ParameterError, match="months is"):
        MODELS["doi_2021"].part("spinal_cord", months)


def test_range_over_the_models_that_speak_of_the_organ():
    assert RecoveryModel.range("spinal_cord", 7) == (0.0, 0.25)
    assert RecoveryModel.range("liver", 30) == (0.0, 1.0)
    assert RecoveryModel.range("skin", 4) == (0.0, 0.1)
    assert RecoveryModel.range("skin", 2) == (0.0, 0.0)


def test_organs_that_do_not_recover():
    assert set(NOT_RECOVERING) == {"heart", "bladder", "kidney"}
    assert [r.key for r in NOT_RECOVERING["kidney"]] == ["NIEDER00", "HOYER"]
    for organ_key in NOT_RECOVERING:
        assert recovered(MODELS["paradis_2019"], organ_key, 24).part == 0
        assert "Tissue tolerance to reirradiation" in refusal(MODELS["paradis_2019"], organ_key, " ")
        assert recovered(MODELS["paradis_2019"], organ_key, 24, "tumour board").part == 0.5
        assert refusal(MODELS["paradis_2019"], organ_key, "tumour board") is None


def test_organs_of_which_the_source_does_not_speak():
    doi = MODELS["doi_2021"]
    assert recovered(doi, "brainstem", 24) == recovered(doi, "brainstem", 24, "  ")
    assert recovered(doi, "brainstem", 24).part == 0
    assert "does not speak of this organ" in recovered(doi, "brainstem", 24).reason
    assert refusal(doi, "brain\nstem", "") == (
        "The recovery model doi_2021 is chosen for the organ brain stem, of which its source does not speak; needed is a rationale. "
        "Write none for this organ, or add a rationale."
    )
    assert recovered(doi, "brainstem", 24, "nerve tissue").part == 0.5
    assert refusal(doi, "spinal_cord", "") is None
    assert recovered(MODELS["noel_linear"], "spinal_cord", 60).part == 0
    assert recovered(MODELS["noel_linear"], "spinal_cord", 60, "known to us").part == pytest.approx(0.25)


def test_a_model_by_groups_has_nothing_for_other_organs_whatever_the_rationale():
    michigan = MODELS["michigan_rert"]
    assert michigan.part("skin", 48) == 0
    assert recovered(michigan, "skin", 48, "because").part == 0
    assert "has no part for the organ skin" in refusal(michigan, "skin", "because")


@pytest.mark.parametrize(("key", "organ_key"), [("none", "bladder"), ("michigan_rert", "kidney")])
def test_what_gives_nothing_needs_no_rationale(key, organ_key):
    assert refusal(MODELS[key], organ_key, "") is None
    assert recovered(MODELS[key], organ_key, 48) == recovered(MODELS[key], organ_key, None)
    assert recovered(MODELS[key], organ_key, 48).reason == "no recovery assumed"


@pytest.mark.parametrize(("months", "reason"), [(None, "not known"), (math.nan, "not known"), (-0.1, "below zero")])
def test_no_recovery_in_doubt_about_the_interval(months, reason):
    found = recovered(MODELS["doi_2021"], "spinal_cord", months, "any")
    assert found.part == 0
    assert reason in found.reason


def test_the_reason_of_a_part():
    assert recovered(MODELS["doi_2021"], "spinal_cord", 18).reason == "doi_2021: 0.5 of the EQD2 recovered after 18.0 months"


def test_own_steps():
    own = custom([(0, 0.0), (6, 0.2), (24, 0.2), (36, 1)], "local\x1b protocol")
    assert [own.part("rectum", m) for m in (0, 5.99, 6, 24, 36)] == [0, 0, 0.2, 0.2, 1]
    assert (own.status, own.reference, own.doi, own.source, own.organs) == ("user", "", "", "local protocol", None)
    assert own.label == "0% from 0 months, 20% from 6 months, 20% from 24 months, 100% from 36 months"
    assert refusal(own, "rectum", "") is None
    assert "does not recover" in refusal(own, "heart", "")


@pytest.mark.parametrize(
    ("steps", "source", "message"),
    [
        ([(6, 0.25)], " ", "no source"),
        ([], "x", "no recovery steps"),
        ([(-1, 0.25)], "x", "at -1 months"),
        ([(math.inf, 0.25)], "x", "at inf months"),
        ([(6, 25)], "x", "has the part 25"),
        ([(6, -0.1)], "x", "has the part -0.1"),
        ([(6, math.nan)], "x", "has the part nan"),
        ([(6, 0.2), (6, 0.3)], "x", "at 6 months follows one at 6"),
        ([(12, 0.2), (6, 0.3)], "x", "at 6 months follows one at 12"),
        ([(6, 0.3), (12, 0.2)], "x", "falls from 0.3 at 6 months to 0.2 at 12"),
    ],
)
def test_own_steps_refused(steps, source, message):
    with pytest.raises(ParameterError, match=message):
        custom(steps, source)


def test_rows():
    rows = {r.key: r for r in as_rows()}
    assert rows["paradis_2019"].what == ("10% after 3 months, 25% after 6 months, 50% after 12 months",)
    assert rows["abusaris_step"].what == ("25% from 6 months, 50% after 12 months",)
    assert rows["noel_linear"].what == ("5% per year from 12 months, at most 50%",)
    assert rows["noel_linear"].organs == ("not stated",)
    assert rows["none"].what == ("none",)
    assert rows["doi_2021"].organs == ("spinal_cord",)
    assert rows["michigan_rert"].organs == ("serial organs", "stomach, small bowel", "duodenum", "kidney", "lung", "liver")


def test_table():
    console = Console(width=170, highlight=False)
    with console.capture() as captured:
        render_recovery(console)
    lines = captured.get().splitlines()
    assert any(line.split()[:4] == ["doi_2021", "25%", "from", "6"] for line in lines)
    assert sum("michigan_rert" in line for line in lines) == 2
    assert "No recovery without a rationale: heart, bladder, kidney (no recovery from late damage)." in lines
    assert "  Exponential recovery: No source for its parameters." in lines
