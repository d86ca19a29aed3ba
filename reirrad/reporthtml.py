"""A report as one HTML file that needs nothing beside itself: no network, no script, no font."""

from __future__ import annotations

import base64
import sys
from importlib.resources import files
from itertools import count
from typing import Any

from reirrad.errors import printable
from reirrad.reportmodel import LOOK, Facts, Figure, Figures, Paragraph, Report, ReportTable, Signatures, has_long_word
from reirrad.reportsvg import checked_svg, png_size

__all__ = ["as_html"]

KINDS = {Paragraph: "paragraph", Facts: "facts", ReportTable: "table", Figures: "figures", Signatures: "signatures"}


def as_html(report: Report) -> str:
    """Return the report as HTML 5, the same text for the same report.

    Raises
    ------
    ReirradError
        When a picture of it is not a plain drawing.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    numbers = count(1)

    def drawing(svg: str, name: str) -> Markup:
        return Markup(checked_svg(svg, f"f{next(numbers)}-", _plain(name)))  # noqa: S704 - checked, and written anew by the parser

    def picture(figure: Figure) -> dict[str, Any]:
        width, height = png_size(figure)
        return {"src": "data:image/png;base64," + base64.b64encode(figure.png).decode("ascii"), "width": f"{width:g}", "height": f"{height:g}"}

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, finalize=_plain)
    environment.filters |= {"drawing": drawing, "picture": picture, "kind": lambda b: KINDS[type(b)]}
    environment.tests["long"] = has_long_word
    template = environment.from_string(files("reirrad").joinpath("data/report.html.jinja").read_text(encoding="utf-8"))
    return template.render(report=report, look=LOOK)


def _plain(text: object) -> Any:
    """Text without control characters, which no browser may show; drawings as they are."""
    return printable(text, sys.maxsize) if type(text) is str else text
