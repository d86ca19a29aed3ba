"""The overview of a cohort: counts, quartiles and outliers that a person can check, links that lead to the results, and nothing that could run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reirrad import batchreport
from reirrad.batch import CaseResult
from reirrad.batchjournal import Journal
from reirrad.batchreport import Overview, as_html, overview


def evaluation(organ: str, status: str, value: float | None, limit: float = 80, comparator: str = "<=", name: str = "limit") -> dict[str, Any]:
    return {
        "structure": organ.title(),
        "organ": organ,
        "limit_id": f"{organ}-{name}",
        "status": status,
        "value": value,
        "limit": limit,
        "comparator": comparator,
    }


def document(verdict: str, *evaluations: dict[str, Any]) -> str:
    return json.dumps({"verdict": verdict, "case": "x", "warnings": [], "evaluations": evaluations})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Nine rectums of 8, 16 ... 72 Gy and one of 160 Gy, limit 80; a bladder without a value; a refused case and a failed one."""
    journal = Journal(tmp_path / "t & u.csv.cases")
    with journal:
        for k in range(1, 10):
            extra = [evaluation("bladder", "not_evaluable", None), evaluation("liver", "caution", 900, 700, ">=")] if k == 9 else []
            verdict = "not_evaluable" if k == 9 else "within"
            journal.keep(
                CaseResult(f"c{k}", "computed", document(verdict, evaluation("rectum", "pass", 8.0 * k), *extra), "", "a", float(k), 100.0 + k, "0.1.0")
            )
        journal.keep(CaseResult("big", "computed", document("exceeded", evaluation("rectum", "exceed", 160.0)), "", "a", 12.0, 200.0, "0.1.0"))
        journal.keep(CaseResult("bad", "refused", None, "<script>alert(1)</script> \x1b", "a", 0.1, 90.0, "0.1.0"))
        journal.keep(CaseResult("lost", "failed", None, "Lost.", None, None, None, "0.2.0"))
    return journal


@pytest.fixture
def shown(journal: Journal, tmp_path: Path) -> Overview:
    return overview(journal, "t & u.csv", "2026-01-02", tmp_path)


def test_what_became_of_the_cases(shown: Overview) -> None:
    assert shown.n_cases == 12
    assert shown.endings == (("failed", 1), ("refused", 1), ("exceeded", 1), ("not_evaluable", 1), ("within", 8))
    assert [c.path for c in shown.cases] == ["lost", "bad", "big", "c9", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"]
    assert (shown.cases[2].flags, shown.cases[3].flags, shown.cases[4].flags) == ("rectum EXCEED", "bladder not evaluable, liver caution", "")
    assert (shown.seconds, shown.peak_mb, shown.versions) == ("median 5.0 s, largest 12.0 s", "median 105 MB, largest 200 MB", "0.1.0, 0.2.0")


def test_flags_by_organ(shown: Overview) -> None:
    # exceeded, not evaluable, caution, pass
    assert shown.organs == (("bladder", (0, 1, 0, 0)), ("liver", (0, 0, 1, 0)), ("rectum", (1, 0, 0, 9)))


def test_spread_of_a_limit_and_its_outlier(shown: Overview) -> None:
    (spread,) = shown.spreads  # of the bladder nothing is known; a value that must be large has no part of a limit
    # 0.1, 0.2 ... 0.9, 2.0: quartiles at places 2.25, 4.5 and 6.75 of 0 .. 9
    assert (spread.limit_id, spread.n_values) == ("rectum-limit", 10)
    assert (spread.smallest, spread.lower, spread.median, spread.upper, spread.largest) == pytest.approx((0.1, 0.325, 0.55, 0.775, 2.0))
    assert spread.bounds == pytest.approx((0.325 - 0.675, 0.775 + 0.675))
    assert (spread.at(1.0), spread.at(2.0), spread.at(-1.0)) == ("100.0", "150.0", "0.0")
    (outlier,) = shown.outliers
    assert (outlier.path, outlier.structure, outlier.part, outlier.usual) == ("big", "Rectum", 2.0, "32 to 78 %")
    assert shown.n_outliers == 1


def test_few_values_have_no_outlier(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        for k, value in enumerate((1, 1, 1, 1, 1, 1, 80)):
            journal.keep(CaseResult(f"c{k}", "computed", document("within", evaluation("rectum", "pass", value))))
        found = overview(journal, "t", "2026-01-02", tmp_path)
    assert found.n_outliers == 0
    assert found.seconds == "not known"


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def test_the_page_leads_to_the_results_and_runs_nothing(shown: Overview, tmp_path: Path) -> None:
    html = as_html(shown)
    page = Links()
    page.feed(html)
    assert len(page.found) == 11  # ten results, one of them also an outlier
    assert all((tmp_path / link.replace("%20", " ").replace("%26", "&")).is_file() for link in page.found)
    assert not page.tags & {"script", "link", "img", "iframe", "form"}
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert "default-src 'none'" in html
    assert re.search(r'<time datetime="2026-01-02">', html)
    assert as_html(shown) == html


def test_an_empty_batch_is_a_page_too(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        html = as_html(overview(journal, "t", "2026-01-02", tmp_path))
    assert "No limit was evaluated." in html
    assert "No value with a limit is known." in html
    assert "0 value(s) lie beyond" in html


def test_a_long_list_is_cut_and_says_so(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batchreport, "MOST_CASES", 3)
    monkeypatch.setattr(batchreport, "MOST_OUTLIERS", 0)
    found = overview(journal, "t", "2026-01-02", tmp_path)
    assert [c.path for c in found.cases] == ["lost", "bad", "big"]
    assert "The worst 3 of 12 cases are shown" in as_html(found)
    assert (found.outliers, found.n_outliers) == ((), 1)
