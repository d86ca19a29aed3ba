"""The command `reirrad eqd2` and its table."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from reirrad import cli
from reirrad.schedule import SYNTAX


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["reirrad", "eqd2", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def test_two_courses(run):
    status, out, err = run("54/30", "50.4/28", "--alpha-beta", "3")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["54/30", "1.8", "86.40", "51.84"] in lines
    assert ["50.4/28", "1.8", "80.64", "48.38"] in lines
    assert ["Sum", "167.04", "100.22"] in lines
    assert "repair" not in out
    assert "Limit" not in out


def test_several_a_day_and_what_remains_rounded_down(run):
    status, out, err = run("60/40 per-day=2 interval=6h", "10/5", "--alpha-beta", "2", "--half-time", "4", "--limit", "90.45495", "--fractions", "1,10")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["60/40", "per-day=2", "interval=6h", "1.5", "120.91", "60.45", "105.00", "52.50"] in lines
    assert ["10/5", "2", "20.00", "10.00", "20.00", "10.00"] in lines
    assert "Incomplete repair within a day: half time 4 h." in out
    assert "EQD2 19.99 Gy remain" in out
    assert ["1", "7.99", "7.999"] in lines  # 7.9999
    assert ["10", "19.99", "1.999"] in lines


def test_the_default_numbers_of_fractions(run):
    status, out, _ = run("50/25", "--alpha-beta", "2", "--limit", "70")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert [x for x in lines if len(x) == 3 and x[0] in "135"] == [["1", "8.00", "8.000"], ["3", "12.77", "4.259"], ["5", "15.61", "3.123"]]


def test_exceeded_and_reached(run):
    status, out, _ = run("54/30", "50.4/28", "--alpha-beta", "3", "--limit", "100")
    assert status == 1
    assert "Limit EQD2 100 Gy: exceeded by 0.23 Gy, nothing remains" in out
    assert out.count("limit exceeded") == 3
    status, out, _ = run("50/25", "--alpha-beta", "3", "--limit", "50")
    assert status == 0
    assert "reached, nothing remains" in out


def test_json_alone_on_standard_output_and_warnings_beside_it(run):
    status, out, err = run("50/25", "24/2", "--alpha-beta", "3", "--limit", "200", "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert document["courses"][1]["eqd2_gy"] == pytest.approx(72)
    assert [w["code"] for w in document["warnings"]] == ["lq_range", "lq_range_strong"]
    assert err.startswith("Warning (lq_range): 24/2: 12 Gy per fraction.")


def test_json_file(run, tmp_path):
    status, out, _ = run("50/25", "--alpha-beta", "3", "--json", str(tmp_path / "r.json"))
    assert status == 0
    assert "Sum" in out
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["sum"]["eqd2_gy"] == pytest.approx(50)


def rows(out):
    return [" ".join(line.split()) for line in out.splitlines()]


def test_protons_and_recovery_beside_the_sum(run):
    status, out, err = run("50/25 recovered=0.5", "54.545/30 rbe=1.1 let=2.5", "--alpha-beta", "2", "--limit", "120", "--fractions", "5")
    assert status == 0
    assert "50/25 recovered=0.5 2 100.00 50.00 50.00 25.00" in rows(out)
    assert "54.545/30 rbe=1.1 let=2.5 1.818 x 1.1 120.00 60.00 120.00 60.00" in rows(out)
    assert "Sum 220.00 110.00 170.00 85.00" in rows(out)
    assert "Recovery is an assumption: the sum without it is the result" in out
    assert "Limit EQD2 120 Gy: EQD2 10.00 Gy remain" in rows(out)
    assert "After recovery, only for a limit that is meant for sums after recovery: Limit EQD2 120 Gy: EQD2 35.00 Gy remain" in rows(out)
    assert "5 10.00 2.000" in rows(out)
    assert "sensitivity, not for limits" in out
    assert "50/25 recovered=0.5 (main model) 100.00 50.00" in rows(out)
    assert err.startswith("Warning (recovery_assumed): 50/25 recovered=0.5: recovery of 50% is assumed.")


def test_repopulation_of_a_tumour(run):
    status, out, err = run("70/35 days=46", "--alpha-beta", "10", "--tumour", "--repopulation", "0.9", "--kickoff", "28")
    assert (status, err) == (0, "")
    assert "70/35 days=46 2 67.80 56.50 84.00 70.00" in rows(out)
    assert "Repopulation of a tumour: 0.9 Gy BED a day from day 28 of each course." in out


def test_models_for_large_doses(run):
    status, out, err = run("20/1", "--alpha-beta", "2", "--lq-l", "auto", "--usc", "0.33,1.25,1.8", "--json", "-")
    assert status == 0
    assert [(s["model"], round(s["sum"]["bed_gy"], 3)) for s in json.loads(out)["sensitivities"]] == [("lq-l", 92.0), ("usc", 44.121)]
    assert "--lq-l" not in err
    _, out, err = run("20/1", "--alpha-beta", "2")
    assert "sensitivity" not in out
    assert "The option --lq-l shows a model for large doses per fraction beside it." in err
    _, out, _ = run("20/1", "--alpha-beta", "2", "--lq-l", "5")
    assert "Sum 107.50 53.75 220.00 110.00" in rows(out)
    assert "LQ-L, straight from 5 Gy per fraction (sensitivity, not for limits)" in " ".join(out.split())


def test_brachytherapy_has_no_fractions(run):
    status, out, err = run("30 rate=0.5Gy/h", "--alpha-beta", "3", "--half-time", "1.5")
    assert (status, err) == (0, "")
    assert "30 rate=0.5Gy/h - 50.86 30.52" in rows(out)
    assert "while dose is given: half time 1.5 h" in out


def test_help_lists_every_form(run):
    status, out, _ = run("--help")
    assert status == 0
    for form, _ in SYNTAX:
        assert f"    {form} " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["54/30", "--alpha-beta", "0"], "Refused: alpha/beta is 0"),
        (["54/30", "--alpha-beta", "-3"], "Refused: alpha/beta is -3"),
        (["54/0", "--alpha-beta", "3"], 'Refused: "54/0" has no fractions'),
        (["45/30 per-day=2 interval=0h", "--alpha-beta", "3"], "has no usable interval"),
        (["45/30 per-day=2 interval=6h", "--alpha-beta", "3", "--half-time", "0"], "Refused: half time is 0"),
        (["50/25 recovered=1.5", "2/1", "--alpha-beta", "3"], "has no usable recovered; needed is a part from 0 to 1"),
        (["50/25 recovered=0.5", "--alpha-beta", "3"], "is the last course and has recovered"),
        (["70/35 days=46", "--alpha-beta", "10"], "gives days, which count for the repopulation of a tumour alone"),
        (["70/35 days=46", "--alpha-beta", "10", "--tumour"], "Repopulation is given in part"),
        (["70/35", "--alpha-beta", "10", "--repopulation", "0.9", "--kickoff", "28"], "Repopulation is given in part"),
        (["70/35", "--alpha-beta", "10", "--tumour", "--repopulation", "-1", "--kickoff", "28"], "repopulation is -1"),
        (
            ["70/35 days=46", "--alpha-beta", "10", "--limit", "70", "--tumour", "--repopulation", "0.9", "--kickoff", "28"],
            "--tumour stands beside --limit",
        ),
        (["54/3", "--alpha-beta", "3", "--lq-l", "1"], "Refused: --lq-l is 1;"),
        (["54/3", "--alpha-beta", "3", "--usc", "1,1"], '--usc is "1,1"'),
        (["54-30", "--alpha-beta", "3"], 'Refused: "54-30" is no schedule'),
        (["54/30", "--alpha-beta", "nan"], "Refused: alpha/beta is nan"),
        (["54/30", "--alpha-beta", "3", "--fractions", "5"], "Refused: --fractions without a limit"),
        (["54/30", "--alpha-beta", "3", "--limit", "90", "--fractions", "0"], 'Refused: "0" are no numbers of fractions'),
        (["54/30", "--alpha-beta", "3", "--json", "/nowhere/r.json"], "Refused: the result cannot be written"),
        (["40 rate=0.5Gy/h", "--alpha-beta", "3"], "half time of repair"),
        (["54/30"], "Missing option '--alpha-beta'"),
        (["-54/30", "--alpha-beta", "3"], "No such option"),
    ],
)
def test_refusals(run, words, message):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--help"], ["54/30", "--alpha-beta", "3"]])
def test_no_heavy_library_is_loaded(words):
    code = (
        f"import sys; sys.argv = ['reirrad', 'eqd2', *{words!r}]\nfrom reirrad.cli import main\ntry: main()\nexcept SystemExit as e: assert not e.code\n"
        "print([m for m in ('numpy', 'scipy', 'pydicom', 'ruamel') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.hazard("H25")
def test_half_time_that_nobody_stated_is_a_long_one_and_is_said(run):
    """45 in 30 twice a day at alpha/beta 3: 45 (1.5 (1 + 2^(-6 / 4.4)) + 3) / 5."""
    status, out, err = run("45/30 per-day=2 interval=6h", "--alpha-beta", "3", "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert document["sum"]["eqd2_gy"] == pytest.approx(45 * (1.5 * (1 + 2 ** (-6 / 4.4)) + 3) / 5)
    assert document["half_time_h"] == 4.4
    assert "Warning (half_time_convention): No half time of repair is given: 4.4 h are assumed" in err
