"""The command `reirrad cord` and its calculation."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from reirrad.cord import cord_from_paper, exit_status, parse_intervals
from reirrad.cordcommand import cord
from reirrad.errors import ParameterError
from reirrad.schedule import parse_schedule

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "recovery.toml").read_text(encoding="utf-8"))


def paper(*schedules, months=(18,), **options):
    return cord_from_paper([parse_schedule(s) for s in schedules], months, **options)


def states(found):
    return [[c.state for c in rule.clauses] for rule in found.rules]


@pytest.fixture
def run(monkeypatch, capsys):
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(cord)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["cord", *words])
        with pytest.raises(SystemExit) as left:
            app()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


@pytest.mark.parametrize("row", GOLDEN["conditions"], ids=lambda r: r["courses"][-1])
def test_conditions_of_hytec(row):
    found = paper(*row["courses"])
    assert [c.effect.eqd2_gy for c in found.courses.courses] == pytest.approx(row["eqd2_gy"], abs=1e-4)
    hytec = found.rules[0]
    assert (hytec.reference, hytec.quantity, hytec.alpha_beta_gy) == ("HYTEC_CORD", "EQD2", 2)
    assert [c.what for c in hytec.clauses] == ["cumulative", "this_course", "ratio", "interval"]
    assert [c.value for c in hytec.clauses] == pytest.approx([row["sum_gy"], row["eqd2_gy"][-1], row["ratio"], 18], abs=1e-4)
    assert [c.limit for c in hytec.clauses] == [70, 25, 0.5, 5]
    assert [c.state for c in hytec.clauses] == row["hytec"]


def test_conditions_of_nieder():
    nieder = paper("45/25", "30/10").rules[1]
    assert (nieder.reference, nieder.quantity, nieder.alpha_beta_gy, nieder.structure) == ("NIEDER06", "BED", 2, "spinal cord")
    assert [(c.what, c.limit, c.caution, c.unit) for c in nieder.clauses] == [
        ("cumulative", 135.5, 120, "Gy"),
        ("each_course", 98, None, "Gy"),
        ("interval", 6, None, "months"),
    ]
    assert [c.value for c in nieder.clauses] == pytest.approx([160.5, 85.5, 18])
    assert [c.state for c in nieder.clauses] == ["not_met", "met", "met"]


@pytest.mark.parametrize(
    ("schedules", "months", "nieder"),
    [
        (("30/15", "30/15"), 6, ["met", "met", "met"]),  # 60 + 60 = 120
        (("40/20", "30/20"), 6, ["caution", "met", "met"]),  # 80 + 52.5
        (("30/10", "30/10"), 5.99, ["not_met", "met", "not_met"]),  # 75 + 75
        (("49/25", "4/2"), 6, ["met", "met", "met"]),  # 97.02 + 8
        (("50/25", "4/2"), 6, ["met", "not_met", "met"]),  # 100 + 8
    ],
)
def test_bounds_of_nieder(schedules, months, nieder):
    found = paper(*schedules, months=[months])
    assert states(found)[1] == nieder
    assert exit_status(found) == int("not_met" in states(found)[0] + nieder)


def test_hytec_says_nothing_of_more_than_five_fractions_nor_of_implants():
    assert states(paper("30/10", "10/6"))[0] == ["not_applicable"] * 4
    assert states(paper("30/10", "10/5"))[0] == ["met"] * 4
    assert states(paper("30/10", "10 rate=0.5Gy/h", half_time_h=1.5))[0] == ["not_applicable"] * 4
    assert exit_status(paper("30/10", "10/6")) == 0


def test_an_unknown_interval_is_never_met():
    found = paper("30/10", "10/5", months=[None])
    assert states(found) == [["met", "met", "met", "not_known"], ["met", "met", "not_known"]]
    assert exit_status(found) == 1
    assert found.exploratory is None
    assert found.exploratory_reason == "The interval is not known."
    assert found.score.points == (0, 4.5)


def test_three_courses_and_their_shortest_interval():
    found = paper("20/10", "20/10", "10/5", months=[24, 5.5])
    assert [c.value for rule in found.rules for c in rule.clauses if c.what == "interval"] == [5.5, 5.5]
    assert states(found) == [["met"] * 4, ["met", "met", "not_met"]]
    assert found.exploratory_reason == "The model knows one earlier course only."
    assert any("one earlier course" in r for r in found.remarks)
    known_too_short = paper("20/10", "20/10", "10/5", months=[None, 4])
    assert [rule.clauses[-1].state for rule in known_too_short.rules] == ["not_met", "not_met"]
    unknown = paper("20/10", "20/10", "10/5", months=[None, 24])
    assert [rule.clauses[-1].state for rule in unknown.rules] == ["not_known", "not_known"]


def test_lumbar_keeps_the_alpha_beta_of_the_conditions():
    found = paper("50/25", "10/5", lumbar=True)
    assert found.courses.courses[0].effect.bed_gy == pytest.approx(75)
    assert found.score.cumulative_bed_gy == pytest.approx(90)
    assert [rule.clauses[0].value for rule in found.rules] == pytest.approx([60, 120])
    assert found.exploratory.first_percent == pytest.approx(100 * 100 / 109.6)
    assert "alpha/beta 4 Gy (lumbar cord)" in found.remarks[-1]


def test_exploratory_tolerance():
    found = paper("40/20", "40/20", months=[24])
    assert (found.exploratory.bed_gy, found.exploratory.dose_per_fraction_gy) == pytest.approx((101.659, 2.3415), abs=1e-3)
    assert paper("40/20", "40/20", months=[24], conservative_percent=10).exploratory.bed_gy == pytest.approx(91.458, abs=1e-3)
    assert "rests on data of up to 3 years" in paper("40/20", "40/20", months=[36.1]).exploratory_reason
    assert "above the tolerance" in paper("60/20", "10/5").exploratory_reason
    assert "different days" in paper("40/20", "40/20 per-day=2 interval=6h", half_time_h=4).exploratory_reason
    assert "different days" in paper("40/20", "10 rate=0.5Gy/h", half_time_h=4).exploratory_reason


def test_incomplete_repair_counts():
    found = paper("45/30 per-day=2 interval=6h", "10/5", half_time_h=4)
    each = 1.5 * (1 + 1.5 / 2 * (1 + 2 ** (-6 / 4)))
    assert found.rules[1].clauses[1].value == pytest.approx(30 * each)


@pytest.mark.parametrize(
    ("schedules", "options", "message"),
    [
        (["50/25"], {"months": []}, "Found 1 course"),
        (["50/25", "10/5"], {"months": [1, 2]}, "2 intervals for 2 courses"),
        (["50/25", "10/5"], {"conservative_percent": 30}, "conservative_percent is 30"),
        (["50/25 recovered=0.5", "10/5"], {}, "without recovery"),
        (["50/25", "10/4 per-day=2 interval=6h"], {}, "half time"),
    ],
)
def test_refused(schedules, options, message):
    with pytest.raises(ParameterError, match=message):
        paper(*schedules, **options)


@pytest.mark.parametrize(
    ("text", "n", "found"), [(None, 3, (None, None)), ("18", 2, (18.0,)), (" 18 ,5.5", 3, (18.0, 5.5)), ("?,6", 3, (None, 6.0)), ("0", 2, (0.0,))]
)
def test_intervals(text, n, found):
    assert parse_intervals(text, n) == found


@pytest.mark.parametrize(
    ("text", "message"), [("", "no intervals"), ("-3", "no intervals"), ("1e2", "no intervals"), ("1201", "no intervals"), ("6,6", "Found 2")]
)
def test_intervals_refused(text, message):
    with pytest.raises(ParameterError, match=message):
        parse_intervals(text, 2)


def test_command(run):
    status, out, err = run("50/25", "14/3", "--interval-months", "18")
    assert (status, err) == (1, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["14/3", "4.667", "46.67", "23.33", "18"] in lines
    assert ["Sum", "146.67", "73.33"] in lines
    assert ["Sum", "73.333", "Gy", "≤", "70", "Gy", "NOT", "MET"] in lines
    assert ["Last", "course", "over", "sum", "0.318", "≤", "0.5", "met"] in lines
    assert ["Sum", "146.667", "Gy", "≤", "135.5", "Gy", "(careful", "120)", "NOT", "MET"] in lines
    assert ["Interval", "18.000", "months", "≥", "6", "months", "met"] in lines
    assert "Score of Nieder: 3 (low risk, myelopathy observed in 3 % (1 case))" in out
    assert "Woolley 2018. Exploratory: extrapolated from monkeys, far above accepted practice, never a limit." in out


def test_command_without_interval(run):
    status, out, _ = run("50/25", "11/2")
    assert status == 1
    assert "Score of Nieder: 3 to 7.5 (low risk, myelopathy observed in 3 % (1 case), to high risk, 90 %)" in out
    assert out.count("not known") >= 5
    assert "Not computed. The interval is not known." in out


def test_command_met(run):
    status, out, _ = run("20/10", "10/5", "--interval-months", "24", "--lumbar")
    assert status == 0
    assert "BED and EQD2 in Gy at α/β 4 Gy" in out
    assert "NOT MET" not in out


def test_json(run, tmp_path):
    status, out, err = run("50/25", "24/2", "--interval-months", "18", "--json", "-")
    document = json.loads(out)
    assert status == 1
    assert err.startswith("Warning (lq_range): 24/2: 12 Gy per fraction.")
    assert document["courses"][1]["eqd2_gy"] == pytest.approx(84)
    assert document["rules"][0]["clauses"][0]["value"] == pytest.approx(134)
    assert document["nieder_score"]["points"] == [13.5, 13.5]
    assert document["exploratory"]["second_course"]["fractions"] == 2
    assert document["exploratory"]["label"].startswith("Exploratory")
    status, out, _ = run("50/25", "24/2", "--json", str(tmp_path / "c.json"))
    assert "Score of Nieder" in out
    written = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert written["intervals_months"] == [None]
    assert written["exploratory"]["second_course"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["50/25"], "Refused: Found 1 course"),
        (["50/25", "x"], 'Refused: "x" is no schedule'),
        (["50/25", "10/5", "--interval-months", "18m"], 'Refused: "18m" are no intervals'),
        (["50/25", "10/5", "--json", "/nowhere/c.json"], "Refused: the result cannot be written"),
    ],
)
def test_command_refuses(run, words, message):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert message in err
