"""Figures of a report: curves against hand-made organs, drawings read as XML, bytes the same each time."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from case_factory import case, course, limit, organ_dose, two_courses

from reirrad.course import Case, Course
from reirrad.dvh import Dvh
from reirrad.evaluation import Finding
from reirrad.hotspot import HotSpot
from reirrad.organresult import OrganResult
from reirrad.organsum import OrganSum
from reirrad.paper import PaperDose
from reirrad.papercourse import Paper
from reirrad.reportfigures import COLOURS, DASHES, HATCHES, MOST_BARS, bar_svg, contribution_figure, drawable, dvh_curve, dvh_figure
from reirrad.statistics import no_statistics

NAN = float("nan")
SVG = "{http://www.w3.org/2000/svg}"


def dvh(dose: list[float], volumes: list[float], edge: list[float] | None = None) -> Dvh:
    return Dvh(np.array(dose, np.float32), np.array(volumes, np.float64), np.array(edge or [], np.float32))


def result(total: OrganSum | None, name: str = "Rectum") -> OrganResult:
    nothing = no_statistics("")
    return OrganResult(name, "rectum", 3.0, 5.0, 1.0, total, nothing, (), ())


def two_points() -> OrganSum:
    """2 cc with 30 Gy in 10 (36 Gy EQD2), 3 cc with 20 Gy in 5 (28 Gy EQD2)."""
    return OrganSum(organ_dose((0, 10, [30, 0]), (1, 5, [0, 20]), volumes_cc=[2, 3]))


# ------------------------------------------------------------------------------------------------------------- curves


def test_curve_is_the_part_of_the_volume_that_reaches_a_dose() -> None:
    """1 cc with 10 Gy, 3 cc with 20, 4 cc with 40: all of it reaches 0 and 10, 7/8 reach 20, half 30 and 40."""
    x, y = dvh_curve(dvh([40, 10, 20], [4, 1, 3]), 5)
    assert x.tolist() == [0, 10, 20, 30, 40]
    assert y.tolist() == [100, 100, 87.5, 50, 50]


def test_curve_goes_on_to_the_maximum_on_the_surface() -> None:
    x, y = dvh_curve(dvh([40, 10], [1, 1], [50]), 6)
    assert x.tolist() == [0, 10, 20, 30, 40, 50]
    assert y.tolist() == [100, 100, 50, 50, 50, 0]


@pytest.mark.hazard("H04")
def test_unknown_part_is_not_counted_as_cold() -> None:
    """Of 4 cc, 1 cc is not known: the curve begins at 75 %, not at 100."""
    x, y = dvh_curve(dvh([NAN, 20], [1, 3]), 2)
    assert (x.tolist(), y.tolist()) == ([0, 20], [75, 75])


def test_curve_of_nothing_known_is_empty() -> None:
    x, y = dvh_curve(dvh([NAN], [1]))
    assert (x.size, y.size) == (0, 0)


# ------------------------------------------------------------------------------------------------------------- DVH figures


def lines_of(svg: str) -> list[ET.Element]:
    """Paths with a dash or none, drawn as curves."""
    return [p for p in ET.fromstring(svg).iter(f"{SVG}path") if "stroke-width: 1.2" in p.get("style", "")]


def test_each_course_has_its_own_dash_and_the_sum_is_solid_and_black() -> None:
    figure = dvh_figure(result(two_points()), two_courses(), [])
    assert figure is not None
    styles = [p.get("style", "") for p in lines_of(figure.svg) if "clip-path" in "".join(p.keys())]
    assert len(styles) == 3
    assert len({re.search("stroke-dasharray: ([^;]*)", s)[1] for s in styles[:2]}) == 2  # type: ignore[index]
    assert [re.search("stroke: (#......)", s)[1] for s in styles] == ["#0072b2", "#d55e00", "#000000"]  # type: ignore[index]
    assert "dasharray" not in styles[2]
    assert figure.alt == "Dose-volume histogram of Rectum: physical dose of first, second; EQD2 of all courses, up to 36.0 Gy."


@pytest.mark.hazard("H30")
def test_figure_has_no_text_that_needs_a_font_no_date_and_the_same_bytes() -> None:
    one, two = (dvh_figure(result(two_points()), two_courses(), []) for _ in range(2))
    assert one is not None
    assert one == two
    assert one.svg.startswith("<svg")
    assert "<text" not in one.svg
    assert "date" not in one.svg.lower()
    assert not {e.tag for e in ET.fromstring(one.svg).iter()} & {f"{SVG}image", f"{SVG}script"}


def finding(metric: str, gy: float, **more: object) -> Finding:
    named = more.pop("structure", "Rectum")
    return Finding(limit(metric, gy, **more), named, 36.0, "pass")  # type: ignore[arg-type]


def markers(figure: object) -> int:
    """Triangles drawn in the plot: each is a use of the marker, and one more stands in the legend."""
    tags = ET.fromstring(figure.svg).iter(f"{SVG}use")  # type: ignore[attr-defined]
    return sum("stroke: #000000" in u.get("style", "") and "#ffffff" in u.get("style", "") for u in tags) // 2


def test_limits_of_the_sum_are_marked_once_each() -> None:
    """D2cc of 5 cc is 40 %; a maximum is 0 %. Two sources of one limit are one mark."""
    same = [finding("D2cc", 50), finding("D2cc", 50, id="other"), finding("Dmax", 60), finding("D40%", 55)]
    figure = dvh_figure(result(two_points()), two_courses(), same)
    assert figure is not None
    assert markers(figure) == 3


@pytest.mark.parametrize(
    "other",
    [
        finding("D2cc", 50, structure="Bladder"),
        finding("D2cc", 50, scope="course"),
        finding("D2cc", 50, quantity="BED"),
        finding("D2cc", 50, alpha_beta_gy=10.0),
        finding("V20Gy", 50, unit="%"),
        finding("Dmean", 50),
        finding("D6cc", 50),
    ],
)
def test_what_is_no_point_of_the_curve_is_not_marked(other: Finding) -> None:
    figure = dvh_figure(result(two_points()), two_courses(), [other])
    assert figure is not None
    assert markers(figure) == 0


def test_nothing_to_draw() -> None:
    assert dvh_figure(result(None), two_courses(), []) is None
    assert dvh_figure(result(OrganSum(organ_dose((0, 10, [0.04]), volumes_cc=[1]))), two_courses(), []) is None
    assert dvh_figure(result(OrganSum(organ_dose((0, 10, [NAN]), volumes_cc=[1]))), two_courses(), []) is None
    none = dataclasses.replace(organ_dose((0, 10, [1.0]), volumes_cc=[1]), dose_gy=np.zeros((0, 1), np.float32), course=np.zeros(0, int))
    assert dvh_figure(result(OrganSum(none)), two_courses(), []) is None


@pytest.mark.hazard("H08")
def test_course_on_its_own_structure_is_drawn_from_there() -> None:
    """The unregistered course is not part of the sum at points, and drawn from its own contours: up to 50 Gy."""
    points = organ_dose((1, 5, [20]), volumes_cc=[5])
    own = organ_dose((0, 10, [50]), volumes_cc=[4])
    paper = PaperDose.from_organ_doses({"Dmax": 50.0}, 10)
    one = two_courses(registration=("none", "same_frame"))
    figure = dvh_figure(result(OrganSum(points, {0: paper}, {0: "first"}, {0: own})), one, [])
    alone = dvh_figure(result(OrganSum(points, {0: None}, {0: "first"}, {0: None})), one, [])
    assert figure is not None
    assert alone is not None
    assert figure.alt == "Dose-volume histogram of Rectum: physical dose of first, second; EQD2 of the courses known at its points, up to 28.0 Gy."
    assert len(lines_of(figure.svg)) > len(lines_of(alone.svg))


def test_course_that_gives_nothing_has_no_line() -> None:
    cold = OrganSum(organ_dose((0, 10, [0, 0]), (1, 5, [20, 20]), volumes_cc=[2, 3]))
    figure = dvh_figure(result(cold), two_courses(), [])
    both = dvh_figure(result(two_points()), two_courses(), [])
    assert figure is not None
    assert both is not None
    assert len(lines_of(figure.svg)) < len(lines_of(both.svg))


# ------------------------------------------------------------------------------------------------------------- contribution


def spot(name: str, *eqd2: float | None) -> HotSpot:
    total = sum(v or 0.0 for v in eqd2)
    return HotSpot(name, "rectum", 3.0, np.zeros(3), total, eqd2, eqd2)


def bars(figure: object) -> list[float]:
    """Lengths of the bars in points, from the left: bars are the hatched outlines that are clipped to the axes."""
    out = []
    for path in ET.fromstring(figure.svg).iter(f"{SVG}path"):  # type: ignore[attr-defined]
        if "fill: url(#" in path.get("style", "") and "clip-path" in path.keys():  # noqa: SIM118 - attributes of an element
            numbers = [float(v) for v in re.findall(r"-?\d+\.?\d*", path.get("d", ""))]
            out.append(max(numbers[0::2]) - min(numbers[0::2]))
    return out


def test_bars_are_as_long_as_what_each_course_gives() -> None:
    """36 and 28 Gy in one organ, 12 and 0 in another: 36 : 12 : 28, and no bar for nothing but one of no length."""
    figure = contribution_figure([spot("Rectum", 36, 28), spot("Bladder", 12, 0)], two_courses())
    assert figure is not None
    first, second, third, fourth = bars(figure)
    assert first / second == pytest.approx(3, rel=1e-4)
    assert first / third == pytest.approx(36 / 28, rel=1e-4)
    assert fourth == 0


def test_course_without_dose_has_no_bars_and_unknown_is_no_bar() -> None:
    figure = contribution_figure([spot("Rectum", 36, None)], two_courses())
    assert figure is not None
    assert len(bars(figure)) == 1
    nowhere = contribution_figure([spot("Rectum", 0, None)], two_courses())
    assert nowhere is not None
    assert bars(nowhere) == []


def test_no_more_bars_than_a_page_holds() -> None:
    figure = contribution_figure([spot(f"organ {k}", 40) for k in range(MOST_BARS + 9)], case(course("only", "proposed", 20, 5)))
    assert figure is not None
    assert len(bars(figure)) == MOST_BARS
    height = float(re.search(r'height="([\d.]+)pt"', figure.svg)[1])  # type: ignore[index]
    assert height < 72 * 9.7  # what an A4 page has between its margins
    assert contribution_figure([], two_courses()) is None


def test_every_one_of_many_courses_looks_different_in_black_and_white() -> None:
    assert len(set(DASHES)) == len(DASHES) > len(COLOURS)
    assert len(set(HATCHES)) == len(HATCHES) > len(COLOURS)
    assert len({(COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)]) for k in range(35)}) == 35


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_are_drawn_as_boxes_without_a_word() -> None:
    assert drawable("Rektum 直肠 α", 20) == "Rektum □□ α"
    named = Case(
        "c", (Course("直肠 $x^2$", "prior", (), "", paper=Paper(45.0, 25, 25)), *two_courses().courses[1:]), 1, (None, None), ("none", "same_frame"), ()
    )
    assert dvh_figure(result(OrganSum(organ_dose((0, 25, [45]), (1, 5, [20]), volumes_cc=[1])), "直肠 <b>$\\frac$"), named, []) is not None
    assert contribution_figure([spot("直肠", 40, 20)], named) is not None


# ------------------------------------------------------------------------------------------------------------- bars of limits


def rectangles(svg: str) -> list[tuple[float, float]]:
    return [(float(r.get("x", "")), float(r.get("width", ""))) for r in ET.fromstring(svg).iter(f"{SVG}rect")]


def paths(svg: str) -> list[str]:
    return [p.get("d", "") for p in ET.fromstring(svg).iter(f"{SVG}path")]


def test_bar_ends_at_its_part_of_one_and_a_half_limits() -> None:
    """88 px are 1.5 limits: 30 of 60 Gy is 29.33 px, the limit stands at 58.67."""
    svg = bar_svg(30, 60)
    assert rectangles(svg) == [(0, 29.33)]
    assert paths(svg) == ["M58.67 0v14"]


def test_beyond_its_limit_the_bar_is_hatched() -> None:
    """75 of 60 Gy is 73.33 px: the 14.66 px beyond the limit are a frame with four strokes."""
    svg = bar_svg(75, 60)
    assert rectangles(svg) == [(0, 58.67), (58.67, 14.66)]
    assert len(paths(svg)) == 4 + 1


def test_bar_beyond_the_scale_ends_in_an_arrow() -> None:
    svg = bar_svg(200, 60)
    assert rectangles(svg)[1] == (58.67, 29.33)
    assert "M88.0 3l7 4l-7 4z" in paths(svg)
    assert "l7 4l-7 4z" not in bar_svg(90, 60)


def test_band_is_a_line_with_ends() -> None:
    """15 to 45 of 60 Gy: 14.67 to 44 px; what lies beyond the scale is held at its end."""
    assert "M14.67 7H44.0M14.67 4.5v5M44.0 4.5v5" in paths(bar_svg(30, 60, 15, 45))
    assert "M14.67 7H88.0M14.67 4.5v5M88.0 4.5v5" in paths(bar_svg(30, 60, 15, 300))


def test_floor_is_not_hatched_where_it_is_passed() -> None:
    assert rectangles(bar_svg(75, 60, is_floor=True)) == [(0, 73.33)]


def test_limit_of_zero_and_negative_values_do_not_divide() -> None:
    assert rectangles(bar_svg(5, 0)) == [(0, 0)]
    assert rectangles(bar_svg(-3, 60)) == [(0, 0)]
