"""The commands `reirrad constraints`."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from case_factory import write_case_file
from rich.console import Console
from typer.testing import CliRunner

from reirrad.constraints import load_set, select, set_names
from reirrad.library import library
from reirrad.librarytable import conditions, render_limits

MINE = "- {id: mine, organ: rectum, metric: D0.1cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: 100, level: mandatory, source: paper}\n"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(library, [str(a) for a in arguments])


def words(text: str) -> str:
    return " ".join(text.split())


class TestList:
    def test_all(self):
        found = run("list", "--json", "-")
        assert found.exit_code == 0
        listed = json.loads(found.stdout)["limits"]
        assert [entry["id"] for entry in listed] == [limit.id for name in set_names() for limit in load_set(name)]
        assert listed[0]["metric"] == "Dmean"

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--organ", "thecal_sac", "--level", "mandatory"], {"cord-hytec-cum70", "cord-sahgal2012"}),
            (["--organ", "mandible"], {"mandible-embring"}),
            (["--set", "spine", "--level", "mandatory"], {"cord-hytec-cum70", "cord-sahgal2012", "cord-nieder2006", "great-vessels-rulach"}),
            (["--organ", "oesophagus", "--status", "VERIFIED"], {"oesophagus-rulach"}),
            (["--organ", "oesophagus", "--status", "VERIFIED", "--level", "optimal"], set()),
        ],
    )
    def test_filters(self, options, expected):
        assert {entry["id"] for entry in json.loads(run("list", *options, "--json", "-").stdout)["limits"]} == expected

    def test_as_a_table(self, tmp_path):
        found = run("list", "--set", "spine", "--json", tmp_path / "spine.json")
        assert found.exit_code == 0
        text = words(found.stdout)
        assert f"{len(load_set('spine'))} limits" in text
        assert "cord-nieder2006 spinal_cord Dmax BED α/β 2, all ≤ 135.5 Gy (caution" in text
        assert len(json.loads((tmp_path / "spine.json").read_text(encoding="utf-8"))["limits"]) == len(load_set("spine"))

    def test_ids_are_never_broken(self):
        lines = run("list").stdout.splitlines()
        assert {line.split()[0] for line in lines if line.strip()} >= {limit.id for limit in select(set_names())}
        assert lines[0].strip() == f"{len(select(set_names()))} limits"

    def test_on_a_narrow_terminal_each_limit_has_lines_of_its_own(self):
        text = io.StringIO()
        limits = [("spine", limit) for limit in load_set("spine") if limit.id in ("cord-paradis", "rib-tg101-max-1fx", "cord-tg101-max-1fx")]
        render_limits(limits, Console(file=text, width=80))
        assert text.getvalue().splitlines() == [
            "2 limits",
            "",
            "spine:",
            "cord-paradis",
            *(line.ljust(80) for line in (
                "    spinal_cord: D0.1cc EQD2 α/β 2, all courses < 56.25 Gy",
                "    6 to 12 months between courses; optimal; recovery built in; SECONDARY",
            )),
            "cord-tg101-max-1fx",
            *(line.ljust(80) for line in ("    spinal_cord: Dmax physical, this course ≤ 14 Gy", "    1 fraction; optimal; SECONDARY")),
        ]  # fmt: skip

    def test_one_limit_is_no_plural(self):
        assert run("list", "--organ", "mandible").stdout.splitlines()[0].strip() == "1 limit"

    def test_nothing_fits(self):
        assert run("list", "--organ", "trachea", "--set", "pelvis").stdout.strip() == "No limit of the library fits."

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--organ", "rektum"], 'did you mean "rectum"?'),
            (["--set", "spin"], 'did you mean "spine"'),
            (["--level", "any"], "any"),
            (["--json", "/no/where"], "/no"),
        ],
    )
    def test_refusals(self, options, message):
        found = run("list", *options)
        assert (found.exit_code, found.stdout) == (2, "")
        assert message in found.stderr


class TestShow:
    def test_everything_of_a_limit(self):
        found = run("show", "cord-hytec-cum70")
        assert found.exit_code == 0
        text = words(found.stdout)
        assert "limit Dmax EQD2 α/β 2, all courses ≤ 70 Gy" in text
        assert "conditions this course ≤ 25 Gy; this course over all courses ≤ 0.5; interval ≥ 5 months; 1 to 5 fractions" in text
        assert "structure thecal sac, a surrogate of the cord" in text
        assert "status VERIFIED" in text
        assert "recovery for the sum without recovery" in text
        assert "doi 10.1016/j.ijrobp.2019.09.038" in text
        assert "Sources disagree: Cumulative limit of the spinal cord" in text
        assert "Rulach 2021: 60 Gy" in text

    def test_of_both_sides_without_doi_and_without_contradiction(self):
        text = words(run("show", "lung-quantec-v20").stdout)
        assert "organ lung, both sides together" in text
        assert "doi not seen" in text
        assert "recovery" not in text  # of one course
        assert "disagree" not in text
        assert "conditions none" in words(run("show", "oesophagus-rulach").stdout)

    def test_json(self):
        found = json.loads(run("show", "cord-nieder2006", "--json", "-").stdout)
        assert found["limit"]["set"] == "spine"
        assert found["limit"]["clauses"] == [
            {"what": "each_course", "comparator": "<=", "limit": 98.0, "unit": "Gy"},
            {"what": "interval", "comparator": ">=", "limit": 6.0, "unit": "months"},
        ]
        assert found["limit"]["citation"].startswith("Nieder C, Grosu AL")
        assert len(found["disagreements"]) == 3

    @pytest.mark.parametrize(
        ("limit_id", "message"),
        [
            ("cord-hytec", 'Refused: "cord-hytec" is not a limit of the library, did you mean "cord-hytec-cum70"?\n'),
            (
                "cauda-slevin-0",
                'Refused: "cauda-slevin-0" is not a limit of the library, did you mean "cauda-slevin-0-cauda_equina" or "cauda-slevin-0-sacral_plexus"?\n',
            ),
            ("cord", 'Refused: "cord" is not a limit of the library; reirrad constraints list shows them.\n'),
            ("oesofagus-rulach", 'Refused: "oesofagus-rulach" is not a limit of the library, did you mean "oesophagus-rulach"?\n'),
            ("", 'Refused: "" is not a limit of the library; reirrad constraints list shows them.\n'),
            ("zzz", 'Refused: "zzz" is not a limit of the library; reirrad constraints list shows them.\n'),
            ("heart-rulach", "is no limit of the library. No number.\n"),
        ],
    )
    def test_refusals(self, limit_id, message):
        found = run("show", limit_id)
        assert (found.exit_code, found.stdout) == (2, "")
        assert found.stderr.endswith(message)


class TestValidate:
    def test_a_good_file(self, tmp_path):
        (tmp_path / "mine.yaml").write_text(MINE)
        found = run("validate", tmp_path / "mine.yaml")
        assert (found.exit_code, found.stdout) == (0, "mine.yaml: 1 limit(s), 1 mandatory, no problem found.\n")

    def test_every_problem_with_its_line(self, tmp_path):
        (tmp_path / "mine.yaml").write_text(MINE + MINE.replace("mandatory", "optimal").replace("limit_gy: 100", "limit_gy: 110"))
        found = run("validate", tmp_path / "mine.yaml")
        assert (found.exit_code, found.stdout) == (2, "")
        assert found.stderr == (
            'Refused: mine.yaml:2: [1]: the id "mine" is given twice; ids must differ; '
            "mine.yaml:2: [1]: the optimal limit 110 Gy is looser than the mandatory 100 Gy of the same organ and metric.\n"
        )
        assert "no such file" in run("validate", tmp_path / "none.yaml").stderr or run("validate", tmp_path / "none.yaml").exit_code == 2

    @pytest.mark.hazard("H06", "H17")
    def test_another_alpha_beta_is_refused_unless_meant(self, tmp_path):
        other = MINE.replace("alpha_beta_gy: 3", "alpha_beta_gy: 5")
        (tmp_path / "mine.yaml").write_text(other)
        found = run("validate", tmp_path / "mine.yaml")
        assert found.exit_code == 2
        assert "mine.yaml:1: [0].alpha_beta_gy: the limit is for alpha/beta 5 Gy, the dose of the organ rectum for 3 Gy; needed is" in found.stderr
        (tmp_path / "mine.yaml").write_text(other.replace("level", "own_alpha_beta: true, level"))
        found = run("validate", tmp_path / "mine.yaml", "--json", tmp_path / "found.json")
        assert found.exit_code == 0
        warning = "mine: the limit is for alpha/beta 5 Gy, the dose of the organ rectum for 3 Gy; it will be evaluated at its own"
        assert f"! {warning}" in words(found.stdout)
        assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["warnings"] == [warning]

    @pytest.mark.hazard("H06", "H17")
    def test_the_alpha_beta_of_a_case_counts(self, tmp_path):
        case = write_case_file(tmp_path / "case", "alpha_beta_gy: {rectum: 5}\nconstraints: pelvis")
        for course in ("c1", "c2"):
            (case / course).mkdir()
        (tmp_path / "mine.yaml").write_text(MINE)
        found = run("validate", tmp_path / "mine.yaml", "--case", case)
        assert found.exit_code == 2
        assert "the limit is for alpha/beta 3 Gy, the dose of the organ rectum for 5 Gy" in found.stderr
        (tmp_path / "mine.yaml").write_text(MINE.replace("alpha_beta_gy: 3", "alpha_beta_gy: 5"))
        assert json.loads(run("validate", tmp_path / "mine.yaml", "--case", case, "--json", "-").stdout)["warnings"] == []
        assert run("validate", tmp_path / "mine.yaml", "--case", tmp_path / "nowhere").exit_code == 2


class TestExport:
    def test_a_set_is_written_valid_and_never_replaced(self, tmp_path):
        file = tmp_path / "own.yaml"
        assert run("export", "pelvis", "--out", file).exit_code == 0
        assert (
            run("validate", file).stdout
            == f"own.yaml: {len(load_set('pelvis'))} limit(s), {sum(x.level == 'mandatory' for x in load_set('pelvis'))} mandatory, no problem found.\n"
        )
        file.write_text("mine")
        again = run("export", "pelvis", "--out", file)
        assert (again.exit_code, file.read_text()) == (2, "mine")
        assert "'own.yaml' exists already" in again.stderr

    def test_beside_where_one_stands_or_shown(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert (run("export", "abdomen").exit_code, run("export", "abdomen").exit_code) == (0, 2)
        assert run("export", "abdomen", "--out", "-").stdout == (tmp_path / "abdomen.yaml").read_text(encoding="utf-8")

    def test_refusals(self, tmp_path):
        assert run("export", "nose").exit_code == 2
        assert run("export", "spine", "--out", tmp_path / "no" / "x.yaml").exit_code == 2


@pytest.mark.parametrize(
    ("limit_id", "expected"),
    [
        ("cord-paradis", ["6 to 12 months between courses"]),
        ("cord-troost", ["at least 9 months between courses"]),
        ("brain-hytec-v12", ["1 fraction"]),
        ("rib-tg101-max-3fx", ["3 fractions"]),
        ("lung-hytec-mean", ["3 to 5 fractions"]),
        ("oesophagus-rulach", []),
        ("kidney-quantec-v12", ["at least 25 fractions"]),
    ],
)
def test_conditions_in_words(limit_id, expected):
    (limit,) = [limit for limit in select(set_names()) if limit.id == limit_id]
    assert conditions(limit) == expected


def test_at_most_so_many_in_words():
    (limit,) = [limit for limit in select(set_names()) if limit.id == "cord-troost"]
    assert conditions(replace(limit, min_interval_months=None, max_interval_months=6.5, max_fractions=8)) == [
        "at most 6.5 months between courses",
        "at most 8 fractions",
    ]


def test_a_limit_that_is_never_evaluable_is_refused(tmp_path):
    text = MINE.replace("quantity: EQD2", "quantity: physical").replace("alpha_beta_gy: 3, ", "")
    (tmp_path / "mine.yaml").write_text(text)
    found = run("validate", tmp_path / "mine.yaml")
    assert found.exit_code == 2
    assert "physical doses of courses are not summed, so this limit is never evaluable" in words(found.stderr)


def test_a_limit_with_recovery_built_in_needs_its_interval(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE.replace("level", "recovery: built_in, level"))
    found = run("validate", tmp_path / "mine.yaml")
    assert found.exit_code == 2
    assert "needed min_interval_months" in words(found.stderr)
