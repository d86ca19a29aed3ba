"""A report that holds every kind of block, and names that try to be something else than text."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from reirrad.reportmodel import Cell, Column, Facts, Figure, Figures, Paragraph, Report, ReportTable, Section, Signatures

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    '#import "@preview/x:0.1.0": *',
    "#panic()",
    "$x^2$ *bold* _it_ `raw`",
    "\\u{41} \\",
    "[link](http://evil.example)",
    '"><img src=http://evil.example/x.png onerror=alert(1)>',
    "' onload='alert(1)",
    "@label <label> // comment /* c */",
    "{{ 7*7 }} {% raw %}",
    "</style><style>*{display:none}</style>",
    "http://evil.example/x",
    "🙂 heart 🫀",
    "שלום rectum",
    "المستقيم 12.5",
    "直腸",
    "A" * 300,
    "Rectum_with_a_very_long_name_that_goes_on_and_on_1234",
)
LEFT_TO_RIGHT = tuple(name for name in HOSTILE if name.isascii() and len(name) < 60)

DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="300" height="100" viewBox="0 0 300 100"><defs>'
    '<clipPath id="c"><rect width="150" height="100"/></clipPath><path id="p" d="M0 0h9"/></defs><g clip-path="url(#c)"><rect width="290" height="90" '
    'fill="#9a9a9a"/></g><use xlink:href="#p"/><text x="5" y="50" style="font: 14px sans-serif">dose in sans-serif ≤ 3</text></svg>'
)
BAR = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="14"><rect y="3" width="44" height="8" fill="#9a9a9a"/><path d="M59 0v14" stroke="#000"/></svg>'
)


def png(width: int, height: int) -> bytes:
    """Chequered PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(200 if (x // 8 + y // 8) % 2 else 60 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def limits_table(names: tuple[str, ...] = HOSTILE) -> ReportTable:
    """A row a name, with bar and flag."""
    columns = (Column("Organ", width=0.4), Column("Value", "right"), Column("Bar"), Column("Flag"))
    flags: Any = ("pass", "caution", "exceed", "not_evaluable")
    rows = tuple(
        (name, Cell(f"{11.5 * k:.2f} Gy", strong=k == 1), Cell(f"{k} of 60 Gy", svg=BAR), Cell("noted" if k == 1 else "", flags[k % 4], strong=k == 1))
        for k, name in enumerate(names)
    )
    rows += (("", "goes on", "", ""),)
    return ReportTable(f"Limits of {names[0]}", columns, rows)


def report(**more: Any) -> Report:
    """Every kind of block."""
    tones: Any = ("plain", "strong", "small", "warning")
    sections = (
        Section(HOSTILE[2], tuple(Paragraph(name, tones[k % 4]) for k, name in enumerate(HOSTILE))),
        Section("Facts", (Facts(tuple((name, name) for name in HOSTILE)),)),
        Section("Limits", (limits_table(), ReportTable("Nothing", (Column(HOSTILE[0]), Column(HOSTILE[-1], "right", width=1.0)), ()))),
        Section(
            "Pictures",
            (Figures((Figure(HOSTILE[0], HOSTILE[7], DRAWING),)), Figures((Figure("slice", "chequered", png=png(40, 24)), Figure("", "drawn", DRAWING)), 2)),
        ),
        Section("Signatures", (Signatures(("Performed by", HOSTILE[0])),)),
    )
    values: dict[str, Any] = {
        "title": "Report of <b>two</b> courses $x$",
        "subtitle": f"Case {HOSTILE[0]}",
        "day": "2026-02-03",
        "sections": sections,
        "footer": "Not a medical device #x",
        "summary": (Paragraph("A mandatory limit is exceeded.", "warning"), Facts((("Limits", "1 exceeded"),))),
    }
    return Report(**values | more)
