from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, needs_chromium, violations
from report_factory import DRAWING, HOSTILE, png, report

from reirrad.errors import ReirradError
from reirrad.reporthtml import as_html
from reirrad.reportmodel import Cell, Column, Facts, Figure, Figures, Paragraph, ReportTable, Section

TESTS = Path(__file__).parent
VOID = {"meta", "col", "img"}
A4_INSIDE_PX = round((210 - 2 * 16) / 25.4 * 96)


class Outline(HTMLParser):
    """Elements, ids and text; an element that is not closed in its place is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def one(*blocks: Any) -> Outline:
    return Outline(as_html(report(sections=(Section("Only", blocks),), summary=())))


# ------------------------------------------------------------------------------------------------------- the text


@pytest.mark.hazard("H30")
def test_two_processes_write_the_same_bytes() -> None:
    program = "from hashlib import sha256; import report_factory as f, reirrad.reporthtml as r; print(sha256(r.as_html(f.report()).encode()).hexdigest())"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"PYTHONPATH": str(TESTS)}
    found = [
        subprocess.run([sys.executable, "-c", program], env=environment | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout.strip()
        for seed in ("1", "77")
    ]
    assert found == [hashlib.sha256(as_html(report()).encode()).hexdigest()] * 2


def test_every_element_is_closed_and_every_id_is_there_once() -> None:
    found = Outline(as_html(report()))
    ids = [value for key, value in found.attributes if key == "id"]
    assert len(ids) == len(set(ids)) == 5 + 2 * 2  # five headings, two drawings of two ids
    assert {value for key, value in found.attributes if key == "aria-labelledby"} == {f"s{k}" for k in range(1, 6)}
    assert (found.names["h1"], found.names["h2"], found.names["table"], found.names["svg"], found.names["img"]) == (1, 5, 2, 2 + len(HOSTILE), 1)


@pytest.mark.hazard("H39")
def test_no_name_is_read_as_markup() -> None:
    text = as_html(report())
    found = Outline(text)
    assert {"script", "b", "link", "iframe", "object", "a"} & set(found.names) == {"b"}  # the sign beside a warning
    assert found.names["b"] == 1 + len(range(3, len(HOSTILE), 4))
    assert not [key for key, _ in found.attributes if key.startswith("on")]
    # all that an address could be fetched by
    assert {value for key, value in found.attributes if key in ("src", "href", "srcset", "data", "action", "xlink:href")} == {
        "#f21-p",
        "#f20-p",
        "data:image/png;base64," + base64.b64encode(png(40, 24)).decode(),
    }
    assert text.count("<style>") == text.count("</style>") == 1
    assert "default-src 'none'" in text
    shown = "\n".join(found.words)
    for name in HOSTILE:
        assert shown.count(name) >= 4, name  # paragraph, term, value, row


def test_characters_that_are_not_shown_are_left_out() -> None:
    found = one(Paragraph("right\u202eto left\x1b[31m\nnext\x00"), Facts((("a\u200bb", "c\x07d"),)))
    assert [w for w in found.words if "right" in w] == ["right to left [31m next"]
    assert {"a b", "c d"} <= set(found.words)


def test_a_row_names_itself_and_its_flag_has_sign_and_word() -> None:
    columns = (Column("Organ"), Column("Value", "right"), Column("Flag"))
    found = one(ReportTable("Limits", columns, (("cord", Cell("12.5", strong=True), Cell("far beyond", "exceed")), ("skin", "1", Cell("", "not_evaluable")))))
    words = [w.strip() for w in found.words if w.strip()]
    assert words[words.index("cord") :][:8] == ["cord", "12.5", "✗", "EXCEED", "far beyond", "skin", "1", "?"]
    assert found.names["strong"] == 1
    assert Counter(value for key, value in found.attributes if key == "scope") == {"col": 3, "row": 2}
    assert ("aria-label", "Limits") in found.attributes


def test_what_has_no_words_is_no_heading() -> None:
    """A row that goes on from the one above, a column without a title."""
    text = as_html(report(sections=(Section("x", (ReportTable("", (Column("a"), Column("")), (("skin", "1"), ("", "2"), (Cell("", "pass"), "3"))),)),)))
    assert text.count('<th scope="col"') == 1
    assert text.count('<th scope="row"') == 2
    assert '<td class="left short"></td>' in text


def test_columns_have_the_width_they_ask_for() -> None:
    wide, narrow = Column("a", width=3.0), Column("b", "right", width=1.0)
    text = as_html(report(sections=(Section("x", (ReportTable("", (wide, narrow), (("1", "2"),)), ReportTable("", (Column("c"),), (("3",),)))),)))
    assert '<table class="shared">' in text
    assert '<col style="width: 75.00%"><col style="width: 25.00%">' in text
    assert "<table>\n<caption></caption>\n<colgroup><col></colgroup>" in text


def test_long_words_may_be_broken_and_short_values_not() -> None:
    text = as_html(report(sections=(Section("x", (ReportTable("", (Column("a"), Column("b", "right")), (("A" * 23, "≤ 52.5 Gy"), ("skin", "x y " * 9))),)),)))
    assert f'<th scope="row" class="left long">{"A" * 23}</th>' in text
    assert '<td class="right short">≤ 52.5 Gy</td>' in text
    assert f'<td class="right">{("x y " * 9).strip()}</td>' in text


def test_pictures_say_what_they_show() -> None:
    found = one(Figures((Figure("cap", 'alt "x" <y>', DRAWING), Figure("photo", "chequered", png=png(40, 24))), 2))
    assert ("aria-label", 'alt "x" <y>') in found.attributes
    assert [v for k, v in found.attributes if k in ("alt", "width", "height")][-3:] == ["chequered", "40", "24"]
    assert {"cap", "photo"} <= set(found.words)
    with pytest.raises(ReirradError, match="no PNG file"):
        one(Figures((Figure("", "nothing"),)))


def test_page_is_upright_or_lies() -> None:
    assert "size: A4 portrait" in as_html(report())
    assert "size: A4 landscape" in as_html(report(is_landscape=True))


def test_without_subtitle_and_summary() -> None:
    text = as_html(report(subtitle="", summary=()))
    assert '<p class="subtitle"><time datetime="2026-02-03">2026-02-03</time></p>' in text
    assert 'class="summary"' not in text


# ------------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The report, opened; `asked` is what it asked for."""
    (tmp_path / "report.html").write_text(as_html(report()), encoding="utf-8")
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.asked, opened.said = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("dialog", lambda dialog: (opened.said.append("dialog"), dialog.dismiss()))
    opened.goto((tmp_path / "report.html").as_uri())
    yield opened
    opened.close()


@needs_chromium
@pytest.mark.hazard("H39")
def test_browser_fetches_nothing_and_runs_nothing(page: Any) -> None:
    page.wait_for_timeout(200)
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.said == []
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    # the browser builds the very elements that stand in the file: none is moved, closed early or made up (but for what a table always has)
    written = Outline(Path(re.sub("^file://", "", page.url)).read_text(encoding="utf-8")).names
    built = Counter(page.evaluate("[...document.querySelectorAll('*')].map(e => e.localName)"))
    assert {k.lower(): n for k, n in built.items()} == dict(written)
    shown = page.inner_text("body")
    for name in HOSTILE:
        assert shown.count(name) >= 3, name


@needs_chromium
@pytest.mark.parametrize("width", [400, 1200])
def test_accessible_and_no_wider_than_the_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@needs_chromium
def test_axe_would_find_a_violation(page: Any) -> None:
    page.evaluate("document.querySelector('img').removeAttribute('alt')")
    assert [rule for rule, _ in violations(page)] == ["image-alt"]


@needs_chromium
def test_printed_nothing_reaches_beyond_the_paper(page: Any) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_INSIDE_PX, "height": 900})
    beyond = page.evaluate(
        "w => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1).map(e => e.outerHTML.slice(0, 80))", A4_INSIDE_PX
    )
    assert beyond == []
    boxes = re.findall(rb"/MediaBox ?\[([^\]]*)\]", page.pdf(prefer_css_page_size=True))
    assert boxes
    assert {tuple(round(float(v) / 72 * 25.4) for v in box.split()) for box in boxes} == {(0, 0, 210, 297)}


@needs_chromium
def test_flags_differ_without_colour(page: Any) -> None:
    looks = {
        name: page.evaluate(
            "n => (e => (s => [e.innerText, s.borderTopStyle, s.fontWeight, s.fontStyle])(getComputedStyle(e)))(document.querySelector('.status.' + n))",
            name,
        )
        for name in ("pass", "caution", "exceed", "not_evaluable")
    }
    assert [words for words, *_ in looks.values()] == ["✓ pass", "! caution", "✗ EXCEED", "? not evaluable"]
    assert len({tuple(look) for _, *look in looks.values()}) == 4
