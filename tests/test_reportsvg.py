from __future__ import annotations

import io
import struct
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from report_factory import BAR, DRAWING, png

from reirrad.errors import ReirradError
from reirrad.reportmodel import Figure
from reirrad.reportsvg import checked_svg, png_size, svg_size

SVG = "{http://www.w3.org/2000/svg}"
PNG = "data:image/png;base64,iVBORw0KGgo="


def svg(inside: str, attributes: str = 'width="20" height="10"') -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{inside}</svg>'


def test_ids_and_what_refers_to_them_get_the_prefix() -> None:
    root = ET.fromstring(checked_svg(DRAWING, "f7-", 'dose of "A" & <B>'))
    assert [e.get("id") for e in root.iter() if e.get("id")] == ["f7-c", "f7-p"]
    assert [e.get("clip-path") for e in root.iter() if e.get("clip-path")] == ["url(#f7-c)"]
    assert [e.get("{http://www.w3.org/1999/xlink}href") for e in root.iter(f"{SVG}use")] == ["#f7-p"]
    assert (root.get("role"), root.get("aria-label"), root.get("stroke-linejoin")) == ("img", 'dose of "A" & <B>', "round")
    assert [e.text for e in root.iter(f"{SVG}text")] == ["dose in sans-serif ≤ 3"]


def test_two_drawings_of_one_name_do_not_clash() -> None:
    ids = [e.get("id") for k in (1, 2) for e in ET.fromstring(checked_svg(DRAWING, f"f{k}-")).iter() if e.get("id")]
    assert len(ids) == len(set(ids)) == 4


def test_references_in_quotes_and_in_lists() -> None:
    root = ET.fromstring(
        checked_svg(svg('<g style="clip-path: url( \'#a\' ); fill: rgb(1, 2, 3)" aria-labelledby="a b" transform="translate(1 2) scale(3)"/>'), "p-")
    )
    assert root[0].attrib == {"style": "clip-path: url(#p-a); fill: rgb(1, 2, 3)", "aria-labelledby": "p-a p-b", "transform": "translate(1 2) scale(3)"}


def test_text_beside_what_is_taken_out_is_kept() -> None:
    lines = "<style>*{stroke-linejoin: round; stroke-linecap: butt}</style>"
    checked = checked_svg(svg(f"<metadata><x>secret</x></metadata><defs>{lines}</defs><text>a<tspan>b</tspan>c</text>"), "")
    assert "<defs /><text>a<tspan>b</tspan>c</text></svg>" in checked
    assert "secret" not in checked


def test_a_drawing_of_matplotlib_passes_and_keeps_its_names() -> None:
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "x"}):
        canvas = Canvas(figsize=(3, 2))
        FigureCanvasSVG(canvas)
        axes = canvas.subplots()
        axes.bar([1, 2], [3, 4], hatch="//")
        axes.set_title("<Rectum> & α/β")
        out = io.StringIO()
        canvas.savefig(out, format="svg", metadata={"Date": None})
    drawn = checked_svg(out.getvalue(), "f1-", "bars")
    root = ET.fromstring(drawn)
    assert "<Rectum> & α/β" in "".join(root.itertext())
    assert svg_size(out.getvalue()) == (288.0, 192.0)  # 3 x 2 inches of 96 px
    assert not list(root.iter(f"{SVG}style"))
    assert not list(root.iter(f"{SVG}metadata"))


@pytest.mark.hazard("H39")
@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject><p>x</p></foreignObject>",
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        '<a href="http://evil.example"><text>x</text></a>',
        '<animate attributeName="href" values="http://evil.example"/>',
        "<style>@import url(http://evil.example/x.css);</style>",
        '<image href="http://evil.example/x.png"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        '<image xlink:href="file:///etc/passwd"/>',
        f'<use href="{PNG}"/>',
        '<use xlink:href="http://evil.example/x.svg#a"/>',
        '<rect onclick="alert(1)"/>',
        '<rect OnClick="alert(1)"/>',
        '<rect fill="url(http://evil.example/x.svg#a)"/>',
        '<rect fill="URL(//evil.example/x)"/>',
        '<rect fill="url(#a) url(http://evil.example)"/>',
        '<rect style="fill:u\\72l(http://evil.example)"/>',
        '<rect style="fill:url/**/(http://evil.example)"/>',
        "<rect style=\"background: image-set('http://evil.example' 1x)\"/>",
        "<rect style=\"background: src('x.png')\"/>",
        "<rect style=\"@import 'x'\"/>",
    ],
)
def test_what_does_more_than_draw_is_refused(inside: str) -> None:
    with pytest.raises(ReirradError, match=r"needed is a plain drawing"):
        checked_svg(svg(inside), "")


def test_an_image_inside_may_be_png_only() -> None:
    assert PNG in checked_svg(svg(f'<image href="{PNG}"/>'), "")


@pytest.mark.hazard("H39")
def test_what_is_no_svg_is_refused() -> None:
    for text, said in (
        ('<!DOCTYPE svg [<!ENTITY a "x">]>' + svg("&a;"), "an entity"),
        ("<svg", "no well-formed SVG"),
        ("<html/>", "no SVG document"),
        ("<svg/>", "no SVG document"),
    ):
        with pytest.raises(ReirradError, match=said):
            checked_svg(text, "")


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="20" height="10"', (20, 10)),
        ('width="72pt" height="1in"', (96, 96)),
        ('width="25.4mm" height="2.54cm"', (96, 96)),
        ('width="20px" height=".5px"', (20, 0.5)),
        ('width="100%" height="10" viewBox="-1 -2, 30 40.5"', (30, 40.5)),
        ('viewBox="0 0 7 8"', (7, 8)),
    ],
)
def test_size(attributes: str, size: tuple[float, float]) -> None:
    assert svg_size(svg("", attributes)) == pytest.approx(size, rel=1e-12)
    root = ET.fromstring(checked_svg(svg("", attributes), ""))
    assert (float(root.get("width", "0")), float(root.get("height", "0"))) == pytest.approx(size, rel=1e-5)
    assert root.get("viewBox") is not None


@pytest.mark.parametrize("attributes", ["", 'width="20"', 'width="1.2.3" height="5"', 'viewBox="a b c d"', 'width="0" height="5"', 'viewBox="0 0 5"'])
def test_a_drawing_without_size_is_refused(attributes: str) -> None:
    with pytest.raises(ReirradError, match="no width and height"):
        svg_size(svg("", attributes))


def test_stated_size_without_view_box_keeps_the_scale() -> None:
    assert ET.fromstring(checked_svg(BAR, "")).get("viewBox") == "0 0 96 14"


def test_size_of_a_png() -> None:
    assert png_size(Figure("", "slice", png=png(40, 24))) == (40.0, 24.0)
    empty = png(40, 24)[:16] + struct.pack(">II", 0, 24) + png(40, 24)[24:]
    for content, said in ((b"", "no PNG file"), (b"\x89PNG\r\n\x1a\n", "no PNG file"), (b"GIF89a" + bytes(40), "no PNG file"), (empty, "an empty PNG file")):
        with pytest.raises(ReirradError, match=said):
            png_size(Figure("", "slice", png=content))
