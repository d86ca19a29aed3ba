from __future__ import annotations

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from report_factory import DRAWING, HOSTILE, LEFT_TO_RIGHT, limits_table, png, report

from reirrad.errors import ReirradError
from reirrad.reportmodel import Cell, Column, Facts, Figure, Figures, Paragraph, ReportTable, Section, Signatures
from reirrad.reportpdf import BREAK, as_pdf

TESTS = Path(__file__).parent
POPPLER = shutil.which("pdftotext")
needs_poppler = pytest.mark.skipif(POPPLER is None, reason="pdftotext is not installed: apt-get install poppler-utils")
A4_PT = (595.2756, 841.8898)


def only(*blocks: Any, **more: Any) -> bytes:
    return as_pdf(report(**{"sections": (Section("Only", blocks),), "summary": ()} | more))


def inflated(pdf: bytes) -> bytes:
    """The file with its compressed parts after it."""
    parts = [pdf]
    for stream in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompress(stream[1]))
        except zlib.error:
            continue
    return b"\n".join(parts)


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type ?/Page\b", inflated(pdf)))


def text(pdf: bytes, tmp_path: Path, *options: str) -> str:
    """What another program reads in it."""
    (tmp_path / "report.pdf").write_bytes(pdf)
    assert POPPLER is not None
    return subprocess.run([POPPLER, *options, str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True, encoding="utf-8").stdout


def words(pdf: bytes, tmp_path: Path) -> list[tuple[int, tuple[float, float, float, float], str]]:
    """Page, box (left, top, right, bottom) in pt, and letters of every word."""
    found, page = [], 0
    for line in text(pdf, tmp_path, "-bbox").splitlines():
        page += "<page " in line
        if match := re.search(r'<word xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*)</word>', line):
            left, top, right, bottom = (float(v) for v in match.groups()[:4])
            found.append((page, (left, top, right, bottom), html.unescape(match[5])))
    return found


# ------------------------------------------------------------------------------------------------------- the file


@pytest.mark.hazard("H30")
def test_two_processes_write_the_same_bytes() -> None:
    program = "from hashlib import sha256; import report_factory as f, reirrad.reportpdf as r; print(sha256(r.as_pdf(f.report())).hexdigest())"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"PYTHONPATH": str(TESTS)}
    found = [
        subprocess.run([sys.executable, "-c", program], env=environment | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout.strip()
        for seed in ("1", "77")
    ]
    assert found == [hashlib.sha256(as_pdf(report())).hexdigest()] * 2
    assert as_pdf(report(day="2026-02-04")) != as_pdf(report())


def test_tagged_titled_and_archivable() -> None:
    pdf = inflated(as_pdf(report()))
    assert b"/StructTreeRoot" in pdf
    assert b"/Marked true" in pdf
    assert b"DisplayDocTitle true" in pdf
    assert re.search(rb"<dc:title>.*?>Report of &lt;b&gt;two&lt;/b&gt; courses \$x\$</", pdf, re.DOTALL)
    assert re.findall(rb"<(pdfaid:part|pdfaid:conformance|pdfuaid:part)>(\w+)<", pdf) == [
        (b"pdfaid:part", b"2"),
        (b"pdfaid:conformance", b"A"),
        (b"pdfuaid:part", b"1"),
    ]
    assert b"D:20260203000000" in pdf  # the date it bears, at midnight; no clock
    assert len(re.findall(rb"/S ?/TH\b", pdf)) >= 6
    assert {b"chequered", b"drawn", b"3 of 60 Gy"} <= set(re.findall(rb"/Alt ?\(([^)]*)\)", pdf))


@pytest.mark.hazard("H39")
def test_nothing_of_a_report_is_read_as_markup() -> None:
    pdf = inflated(as_pdf(report()))
    assert not re.search(rb"/URI|/JavaScript|/JS\b|/Launch|/EmbeddedFile|/GoToR", pdf)


@pytest.mark.parametrize(("is_landscape", "size"), [(False, A4_PT), (True, A4_PT[::-1])])
def test_paper_is_a4(is_landscape: bool, size: tuple[float, float]) -> None:
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", inflated(only(limits_table(), is_landscape=is_landscape)))
    assert boxes
    assert all((float(w), float(h)) == pytest.approx(size, abs=0.1) for w, h in boxes)


def test_empty_blocks_and_no_subtitle() -> None:
    blocks = (Paragraph(""), Paragraph("", "warning"), Facts(()), Facts((("", ""),)), Figures((), 2), Signatures(()))
    table = ReportTable("", (Column(""), Column("b", width=1.0)), (("", ""), ("", Cell("", "pass"))))
    assert pages(only(*blocks, table, subtitle="")) == 1


# ------------------------------------------------------------------------------------------------------- one page


def organs(n: int) -> ReportTable:
    return ReportTable("Limits", (Column("Organ"), Column("Value")), tuple((f"organ {k}", f"{k}.00 Gy") for k in range(n)))


def test_letters_shrink_until_all_is_on_one_page() -> None:
    assert pages(only(organs(70))) == 2
    assert pages(only(organs(70), fits_one_page=True)) == 1
    assert pages(only(organs(3), fits_one_page=True)) == 1


def test_what_does_not_fit_one_page_is_refused() -> None:
    with pytest.raises(ReirradError, match=r"The document needs 2 pages even in letters of 6.5 pt, and is to fit one: \d+ rows of its tables are too many\."):
        only(organs(100), fits_one_page=True)
    with pytest.raises(ReirradError, match="its text is too long"):
        only(Paragraph("word " * 6000), fits_one_page=True)


def test_what_typst_refuses_is_refused_without_its_words() -> None:
    with pytest.raises(ReirradError, match=r"^Typst cannot set the report as PDF\. Write it as HTML") as refused:
        as_pdf(report(title=""))  # a document for all needs a title
    assert refused.value.__suppress_context__


# ------------------------------------------------------------------------------------------------------- read by another program


@needs_poppler
@pytest.mark.hazard("H39")
def test_names_can_be_found_as_they_are(tmp_path: Path) -> None:
    pdf = as_pdf(report())
    shown = " ".join(text(pdf, tmp_path, "-raw").split())
    for name in LEFT_TO_RIGHT:
        assert shown.count(name) >= 3, name  # paragraph, value, row; a long term is broken
    assert "rectum" in shown
    assert "12.5" in shown
    assert shown.replace(" ", "").count("A" * 300) >= 3
    assert BREAK not in shown
    for words_of_flag in ("✓ pass", "! caution", "✗ EXCEED", "? not evaluable"):
        assert words_of_flag in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert shown.count("Report of <b>two</b> courses $x$") == pages(pdf)  # title, and on top of every other page
    assert shown.count("page ") >= pages(pdf)
    # text of drawings is text, and stays what it is
    assert "dose in sans-serif ≤ 3" in shown


@needs_poppler
def test_right_to_left_text_is_kept(tmp_path: Path) -> None:
    shown = text(only(Paragraph("שלום rectum"), Paragraph("المستقيم")), tmp_path)
    assert "שלום" in shown
    assert "المستقيم" in shown


@needs_poppler
@pytest.mark.parametrize("more", [{}, {"is_landscape": True}, {"fits_one_page": True, "sections": (Section("x", (organs(60),)),)}])
def test_no_word_is_cut_or_lies_on_another(tmp_path: Path, more: dict[str, Any]) -> None:
    pdf = as_pdf(report(**more))
    width, height = A4_PT[::-1] if "is_landscape" in more else A4_PT
    margin = 12 / 25.4 * 72 - 1
    found = words(pdf, tmp_path)
    assert len(found) > 100
    for _, (left, top, right, bottom), letters in found:
        assert left >= margin, letters
        assert right <= width - margin, letters
        assert top >= 15, letters
        assert bottom <= height - 15, letters
    for page in range(1, pages(pdf) + 1):
        here = [(box, letters) for number, box, letters in found if number == page]
        for k, (a, first) in enumerate(here):
            for b, second in here[k + 1 :]:
                wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
                # boxes of words are as high as the tallest letter of the font: lines beside each other touch
                assert wide < 1.5 or high < 0.5 * min(a[3] - a[1], b[3] - b[1]), (first, second)


@needs_poppler
def test_rows_stay_whole_unless_they_are_long(tmp_path: Path) -> None:
    columns = (Column("a", width=1.0), Column("b", width=6.0))
    short = ReportTable("", columns, tuple((f"row{k}", " ".join(["x"] * 120 + [f"end{k}"])) for k in range(60)))
    where = {letters: page for page, _, letters in words(only(short), tmp_path)}
    assert all(where[f"row{k}"] == where[f"end{k}"] for k in range(60))
    assert where["row59"] > 1
    narrow = ReportTable("", columns, ((" ".join(["first"] + ["w"] * 900 + ["last"]), "x"),))
    where = {letters: page for page, _, letters in words(only(narrow), tmp_path)}
    assert (where["first"], where["last"]) == (1, 2)


@needs_poppler
def test_there_is_room_to_sign_on_every_page(tmp_path: Path) -> None:
    roles = tuple(f"Role{k}" for k in range(20))
    found = words(only(Signatures(roles)), tmp_path)
    heads = {page: bottom for page, (_, _, _, bottom), letters in found if letters == "2026-02-03"}
    for page in (1, 2):
        first = min(top for number, (_, top, _, _), letters in found if number == page and letters.startswith("Role"))
        assert first - heads[page] > 12 / 25.4 * 72, page
    three = words(only(*[Paragraph(f"line {k}") for k in range(40)], Signatures(roles[:3])), tmp_path)
    assert len({page for page, _, letters in three if letters.startswith("Role")}) == 1


@needs_poppler
@pytest.mark.parametrize(("figure", "alt"), [(Figure("cap", "slice", png=png(40, 400)), "slice"), (Figure("cap", "lines", DRAWING), "lines")])
def test_pictures_fit_the_page(tmp_path: Path, figure: Figure, alt: str) -> None:
    pdf = only(Figures((figure,)), Figures((figure, figure), 2), is_landscape=True)
    assert set(re.findall(rb"/Alt ?\(([^)]*)\)", inflated(pdf))) == {alt.encode()}
    assert [letters for _, _, letters in words(pdf, tmp_path)].count("cap") == 3


@needs_poppler
def test_long_header_is_cut(tmp_path: Path) -> None:
    found = words(only(organs(80), subtitle="Case " + "very long " * 60), tmp_path)
    top = [letters for page, (_, y, _, _), letters in found if page == 2 and y < 50]
    assert len(" ".join(top)) <= 110 + len(" 2026-02-03")
    assert "…" in " ".join(top)
    assert {"Report", "Case"} <= set(top)


def test_hostile_names_are_many() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) > len(LEFT_TO_RIGHT) > 10
