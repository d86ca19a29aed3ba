"""A report as PDF/A and PDF/UA by Typst: everything in memory, nothing of the report is ever read as markup."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from reirrad.errors import ReirradError, printable
from reirrad.reportmodel import LONG_WORD, LOOK, Block, Cell, Facts, Figure, Figures, Paragraph, Report, ReportTable, Section
from reirrad.reportsvg import PICTURE, SVG, checked_svg, png_size, svg_size

__all__ = ["as_pdf"]

SIZE_PT: Final = 9.5
SMALLEST_PT: Final = 6.5
STEP_PT: Final = 0.5
STANDARDS: Final = ("a-2a", "ua-1")
BREAK: Final = "\N{ZERO WIDTH SPACE}"
# Characters: a longer word may be broken after _ and /, or anywhere; rows with a longer cell, were it as wide as the page, between pages.
BREAKABLE_WORD, LONG_WORD_OF_TEXT, LONG_CELL = 12, 70, 2500
LONGEST_HEADER: Final = 110  # characters of title and subtitle on top of every page but the first


def as_pdf(report: Report) -> bytes:
    """Return the report as tagged PDF, the same bytes for the same report.

    Raises
    ------
    ReirradError
        When Typst cannot set the report, a picture is not a plain drawing, or the report does not fit the one page it is to fit.
    """
    import typst

    source = files("reirrad").joinpath("data/report.typ").read_bytes()
    document = _document(report)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[_fonts()])
    day = dt.datetime.combine(_day(report), dt.time(), dt.UTC)

    def inputs(size: float) -> dict[str, str]:
        return {"report": json.dumps(document | {"size": size}, ensure_ascii=False)}

    def extent(size: float) -> Any:
        return json.loads(typst.query(source, "<extent>", field="value", one=True, font_paths=fonts, sys_inputs=inputs(size)))

    try:
        size = _largest_that_fits(extent) if report.fits_one_page else SIZE_PT
        pdf: bytes = typst.compile(source, font_paths=fonts, sys_inputs=inputs(size), pdf_standards=list(STANDARDS), timestamp=int(day.timestamp()))
    except typst.TypstError:  # its words may hold what the report says of a patient
        raise ReirradError("Typst cannot set the report as PDF. Write it as HTML, and report this as an error of the program.") from None
    return pdf


def _largest_that_fits(extent: Callable[[float], Any]) -> float:
    """Size of the letters, pt, at which all is on one page."""
    size = SIZE_PT
    while (found := extent(size))["pages"] > 1:
        if size <= SMALLEST_PT:
            rows = f"{found['rows_beyond']} rows of its tables are too many" if found["rows_beyond"] else "its text is too long"
            raise ReirradError(
                f"The document needs {found['pages']} pages even in letters of {SMALLEST_PT:g} pt, and is to fit one: {rows}. Ask for fewer rows or options."
            )
        size -= STEP_PT
    return size


def _fonts() -> Path:
    """Folder of fonts for what those of Typst lack (other scripts, and a sign for characters without any)."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _day(report: Report) -> dt.date:
    return dt.date.fromisoformat(report.day)


# ------------------------------------------------------------------------------------------------------- the report as data


def _document(report: Report) -> dict[str, Any]:
    day = _day(report)
    return {
        "title": _words(report.title),
        "heading": _text(report.title, LONG_WORD),
        "subtitle": _text(report.subtitle),
        "running": _text(printable(f"{report.title} · {report.subtitle}" if report.subtitle else report.title, LONGEST_HEADER), LONG_WORD),
        "day": [day.year, day.month, day.day],
        "date": day.isoformat(),
        "footer": _text(report.footer),
        "landscape": report.is_landscape,
        "tight": report.fits_one_page,
        "summary": [_block(b) for b in report.summary],
        "sections": [_section(s) for s in report.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    return {"title": _text(section.title), "blocks": [_block(b) for b in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph(text, tone):
            return {"kind": "paragraph", "text": _text(text), "tone": tone}
        case Facts(rows):
            return {"kind": "facts", "rows": [[_text(term), _text(value)] for term, value in rows]}
        case ReportTable():
            return _table(block)
        case Figures(figures, columns):
            return {"kind": "figures", "columns": columns, "figures": [_figure(f) for f in figures]}
    return {"kind": "signatures", "roles": [_text(r) for r in block.roles]}


def _table(table: ReportTable) -> dict[str, Any]:
    rows = [[_cell(c) for c in row] for row in table.cells]
    most = [LONG_CELL * (part or 1 / len(table.columns)) for part in table.parts]
    return {
        "kind": "table",
        "caption": _text(table.caption),
        "titles": [_text(c.title, LONG_WORD) for c in table.columns],
        "right": [c.align == "right" for c in table.columns],
        "parts": list(table.parts),
        "long": any(len(c["text"]) > n for row in rows for c, n in zip(row, most, strict=True)),
        "rows": rows,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    out: dict[str, Any] = {"text": _text(cell.text, LONG_WORD), "strong": cell.strong}
    if cell.svg:
        return out | {"text": _words(cell.text), "picture": _drawing(cell.svg)}
    if cell.status is not None:
        sign, word = LOOK[cell.status]
        out["status"] = {"name": cell.status, "sign": sign, "word": word}
    return out


def _figure(figure: Figure) -> dict[str, Any]:
    return {"caption": _text(figure.caption), "alt": _words(figure.alt), "picture": _drawing(figure.svg) if figure.svg else _photograph(figure)}


def _drawing(svg: str) -> dict[str, Any]:
    """A checked drawing with letters that are at hand on every machine."""
    width, height = svg_size(svg)
    drawn = checked_svg(svg, "")
    return {"svg": re.sub(r"(?<![\w-])sans-serif(?=[^<>]*>)", "DejaVu Sans", drawn), "width": width, "height": height}


def _photograph(figure: Figure) -> dict[str, Any]:
    """A PNG as a drawing that holds it: data for Typst is text."""
    width, height = png_size(figure)
    data = PICTURE + base64.b64encode(figure.png).decode("ascii")
    size = f'width="{width:g}" height="{height:g}"'
    return {"svg": f'<svg xmlns="{SVG}" {size} viewBox="0 0 {width:g} {height:g}"><image {size} href="{data}"/></svg>', "width": width, "height": height}


def _words(text: str) -> str:
    """Text without control characters."""
    return printable(text, sys.maxsize)


def _text(text: str, long_word: int = LONG_WORD_OF_TEXT) -> str:
    """Text without control characters, with places where its long words may be broken. A checksum beside a term stays whole, to be copied."""
    return " ".join(_breakable(word, long_word) for word in _words(text).split(" "))


def _breakable(word: str, long_word: int) -> str:
    """Word with breaks: anywhere but before an accent that joins a letter, or after _ and /.

    >>> _breakable("PTV_boost_right", 22).split(BREAK)
    ['PTV_', 'boost_', 'right']
    """
    if len(word) > long_word:
        return "".join(c if k == 0 or unicodedata.category(c).startswith("M") else BREAK + c for k, c in enumerate(word))
    return re.sub(r"(?<=\w[_/])(?=\w)", BREAK, word) if len(word) > BREAKABLE_WORD else word
