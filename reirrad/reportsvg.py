"""Pictures of a report: checked drawings whose names do not clash within a document, and the size of pictures."""

from __future__ import annotations

import re
import struct
from typing import Final
from xml.etree import ElementTree as ET

from reirrad.errors import ReirradError, printable
from reirrad.reportmodel import Figure

__all__ = ["checked_svg", "png_size", "svg_size"]

SVG: Final = "http://www.w3.org/2000/svg"
XLINK: Final = "{http://www.w3.org/1999/xlink}href"
SHAPES: Final = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "image"})
FRAMES: Final = frozenset(
    {"svg", "g", "defs", "title", "desc", "use", "symbol", "marker", "clipPath", "mask", "pattern", "linearGradient", "radialGradient", "stop"}
)
DRAWN: Final = SHAPES | FRAMES
# What matplotlib writes into every drawing; it would apply to the whole document, so it is said on the drawing instead.
LINES: Final = "*{stroke-linejoin:round;stroke-linecap:butt}"
PICTURE: Final = "data:image/png;base64,"
UNIT_PX: Final = {"": 1.0, "px": 1.0, "pt": 4 / 3, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
REFERENCE: Final = re.compile(r"url\(\s*['\"]?#([^'\")]+)['\"]?\s*\)")
# What an attribute may call beside a reference; any other function may fetch something, a backslash or a comment may hide one.
FUNCTIONS: Final = frozenset({"matrix", "translate", "scale", "rotate", "skewX", "skewY", "rgb", "rgba"})
NUMBER: Final = r"\d+(?:\.\d+)?|\.\d+"


def checked_svg(svg: str, prefix: str, name: str = "") -> str:
    """Return a drawing that only draws: no script, no style sheet, no link out; with ids of its own and a stated size.

    Parameters
    ----------
    svg : str
        SVG document.
    prefix : str
        Put before each of its ids.
    name : str
        What it shows, for those who cannot see it.

    Raises
    ------
    ReirradError
        When it is no such drawing.
    """
    root = _parsed(svg)
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in list(root.iter()):
        tag = _tag(element)
        if tag == "metadata" or (tag == "style" and re.sub(r"\s+|;(?=\s*})", "", element.text or "") == LINES):
            parents[element].remove(element)
        elif tag not in DRAWN and not _is_within(element, "metadata", parents):
            raise _refusal(f"the element {printable(tag, 30)}")
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            element.attrib[key] = _attribute(_tag(element), key, value, prefix)
    root.attrib.setdefault("stroke-linejoin", "round")
    root.attrib.setdefault("stroke-linecap", "butt")
    width, height = _size(root)
    root.attrib.setdefault("viewBox", f"0 0 {width:g} {height:g}")
    root.attrib |= {"width": f"{width:g}", "height": f"{height:g}", "role": "img", "aria-label": name}
    root.attrib.pop("version", None)
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK[1:-5])
    return ET.tostring(root, encoding="unicode")


def svg_size(svg: str) -> tuple[float, float]:
    """Width and height in px."""
    return _size(_parsed(svg))


def png_size(figure: Figure) -> tuple[float, float]:
    """Width and height in pixels.

    Raises
    ------
    ReirradError
        When the picture is no PNG.
    """
    png = figure.png
    if len(png) < 24 or png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        raise _refusal("no PNG file and no SVG document")
    width, height = struct.unpack(">II", png[16:24])
    if not width or not height:
        raise _refusal("an empty PNG file")
    return float(width), float(height)


def _parsed(svg: str) -> ET.Element:
    if "<!ENTITY" in svg:
        raise _refusal("an entity")
    try:
        root = ET.fromstring(svg)  # noqa: S314 - without entities nothing can grow or reach out
    except ET.ParseError:
        raise _refusal("no well-formed SVG") from None
    if root.tag != f"{{{SVG}}}svg":
        raise _refusal("no SVG document")
    return root


def _tag(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{SVG}}}")


def _is_within(element: ET.Element, tag: str, parents: dict[ET.Element, ET.Element]) -> bool:
    while element in parents:
        element = parents[element]
        if _tag(element) == tag:
            return True
    return False


def _attribute(tag: str, key: str, value: str, prefix: str) -> str:
    """Value of an attribute with the prefix on every id."""
    if key.lower().startswith("on"):
        raise _refusal(f"the attribute {printable(key, 30)}")
    if key in ("href", XLINK):
        if value.startswith("#"):
            return f"#{prefix}{value[1:]}"
        if tag == "image" and value.startswith(PICTURE):
            return value
        raise _refusal("a link")
    if key in ("id", "aria-labelledby", "aria-describedby"):
        return " ".join(prefix + word for word in value.split())
    called = re.findall(r"([^\s:;,()]*)\s*\(", REFERENCE.sub("", value))
    if not FUNCTIONS.issuperset(called) or "\\" in value or "/*" in value or "@" in value:
        raise _refusal("a link")
    return REFERENCE.sub(rf"url(#{prefix}\1)", value)


def _size(root: ET.Element) -> tuple[float, float]:
    """Width and height in px: as stated, or of the view box."""
    found = [re.fullmatch(rf"({NUMBER})(px|pt|mm|cm|in)?", root.get(key, "").strip()) for key in ("width", "height")]
    stated = [float(m[1]) * UNIT_PX[m[2] or ""] for m in found if m]
    box = re.fullmatch(rf"(?:-?(?:{NUMBER})[\s,]+){{2}}({NUMBER})[\s,]+({NUMBER})", root.get("viewBox", "").strip())
    sides = stated if len(stated) == 2 else [float(v) for v in box.groups()] if box else []
    if len(sides) != 2 or min(sides) <= 0:
        raise _refusal("no width and height")
    return sides[0], sides[1]


def _refusal(found: str) -> ReirradError:
    return ReirradError(f"A picture of the report holds {found}; needed is a plain drawing as SVG, or a PNG file. Report this as an error of the program.")
