from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from case_factory import BOX_CC, GRID_SHAPE, box_structure, case, course, even_dose, grid, limit, organ_dose, two_courses

from reirrad.assessment import Assessment, LimitChoice, assess
from reirrad.course import Case, Component, ImageStack, Phase
from reirrad.dose import DoseGrid
from reirrad.errors import Notice
from reirrad.evaluation import Finding
from reirrad.statistics import statistics
from reirrad.structures import Structure

NAN = float("nan")
KEYS = ["max_gy", "mean_gy", "D0.03cc_gy", "D0.1cc_gy", "D1cc_gy", "D2cc_gy"]


def choice(*limits: Any, own: bool = True) -> LimitChoice:
    return LimitChoice(tuple(limits), frozenset(one.id for one in limits) if own else frozenset(), ("limits.yaml",))


def result(one: Case, *limits: Any, own: bool = True) -> Assessment:
    return assess(one, choice(*limits, own=own))


def said(assessment: Assessment, code: str) -> list[Notice]:
    return [n for n in assessment.notices if n.code == code]


# ------------------------------------------------------------------------------------------------------- doses


@pytest.mark.hazard("H25")
def test_even_doses_of_two_courses() -> None:
    """30 Gy in 10 is 36 Gy at alpha/beta 3 Gy, 20 Gy in 5 is 28 Gy."""
    seen: list[str] = []
    assessment = assess(two_courses(), choice(limit("Dmax", 80.0)), seen.append)
    (organ,) = assessment.organs
    assert (organ.name, organ.organ, organ.alpha_beta_gy, organ.coverage) == ("Rectum", "rectum", 3.0, 1.0)
    assert organ.volume_cc == pytest.approx(BOX_CC)
    for found, value in zip([organ.cumulative, *organ.physical, *organ.eqd2], [64, 30, 20, 36, 28], strict=True):
        assert list(found.values) == KEYS
        assert list(found.values.values()) == pytest.approx([value] * 6, rel=1e-6)
        assert (found.reasons, found.lower_bounds) == ({}, {})
    assert [(f.value, f.status) for f in assessment.findings] == [(64.0, "pass")]
    assert (assessment.verdict, assessment.limit_sets, seen) == ("within", ("limits.yaml",), ["Rectum"])


@pytest.mark.hazard("H21", "H25")
def test_dose_rising_along_x() -> None:
    """D = x + 8 in 5 fractions, from 3 to 28 Gy in the box: mean 15.5; the hottest 2 of 7.5 cc reach 6 2/3 mm in, to 21 1/3 Gy.

    Mean of D^2 is (28^3 - 3^3) / 75 = 292 1/3; mean EQD2 at 3 Gy is (292.33 / 5 + 3 15.5) / 5 = 20.9933; its maximum 28 (5.6 + 3) / 5 = 48.16.
    """
    rising = np.broadcast_to((grid().u_mm + 8).astype(np.float32), GRID_SHAPE).copy()
    assessment = result(case(course("only", "proposed", DoseGrid(grid(), rising), 5)))
    organ = assessment.organs[0]
    assert organ.physical[0].values["mean_gy"] == pytest.approx(15.5, rel=1e-3)
    assert organ.physical[0].values["max_gy"] == pytest.approx(28, rel=1e-5)
    assert organ.physical[0].values["D2cc_gy"] == pytest.approx(21 + 1 / 3, abs=0.1)  # a tenth of a millimetre
    assert organ.cumulative.values["mean_gy"] == pytest.approx(20.9933, rel=1e-3)
    assert organ.cumulative.values["max_gy"] == pytest.approx(48.16, rel=1e-5)


def test_order_of_courses_does_not_matter_for_sums() -> None:
    a, b, c = course("a", "prior", 30, 10), course("b", "prior", 13.7, 7), course("c", "proposed", 20, 5)
    one = result(case(a, b, c, reference=2)).organs[0]
    two = result(case(c, b, a, reference=0)).organs[0]
    for key in KEYS:
        assert one.cumulative.values[key] == pytest.approx(two.cumulative.values[key], abs=1e-5)
    assert [s.values["max_gy"] for s in one.physical] == [s.values["max_gy"] for s in reversed(two.physical)]


@pytest.mark.hazard("H06")
def test_alpha_beta_of_the_case_and_of_the_limit() -> None:
    """At 5 Gy: 30 (3 + 5) / 7 + 20 (4 + 5) / 7 = 60 Gy. The limit keeps its own 3 Gy: 64 Gy."""
    assessment = result(two_courses(alpha_beta_gy={"rectum": 5.0}), limit("Dmax", 80.0))
    assert assessment.organs[0].alpha_beta_gy == 5.0
    assert assessment.organs[0].cumulative.values["max_gy"] == pytest.approx(60)
    assert assessment.findings[0].value == 64.0


@pytest.mark.hazard("H06", "H14")
def test_two_structures_of_one_organ_are_judged_each() -> None:
    left, right = box_structure("Kidney_L", number=1), box_structure("Kidney_R", number=2)
    assessment = result(two_courses(organs=[(left, "kidney"), (right, "kidney")]), limit("Dmax", 80.0, organ="kidney"), limit("Dmean", 10.0))
    assert [(f.structure, f.status) for f in assessment.findings] == [("Kidney_L", "pass"), ("Kidney_R", "pass"), (None, "not_evaluable")]


# ------------------------------------------------------------------------------------------------------- unknown dose


@pytest.mark.hazard("H04")
def test_part_of_the_organ_outside_one_grid() -> None:
    """The first grid ends at z = -5 mm, the organ at -2.5 mm: 2.5 of 15 mm are unknown.

    Known for sure: at most 36 + 28 = 64 Gy, on average 36 5/6 + 28 = 58 Gy.
    """
    short = course("first", "prior", even_dose(30, (4, *GRID_SHAPE[1:])), 10, last_day=dt.date(2021, 1, 1))
    one = case(short, course("second", "proposed", 20, 5, first_day=dt.date(2022, 1, 1)))
    assessment = result(one, limit("Dmax", 80.0, id="high"), limit("Dmax", 60.0, id="low"), limit("Dmean", 27.0, scope="course", id="now"))
    (organ,) = assessment.organs
    assert organ.coverage == pytest.approx(5 / 6, rel=1e-3)
    assert set(organ.cumulative.values.values()) == set(organ.physical[0].values.values()) == {None}
    assert organ.cumulative.reasons == dict.fromkeys(KEYS, "17 % of the structure lies outside a dose grid; its dose there is not known")
    assert organ.cumulative.lower_bounds["max_gy"] == pytest.approx(64)
    assert organ.cumulative.lower_bounds["mean_gy"] == pytest.approx(58, rel=1e-3)
    assert organ.physical[0].lower_bounds["mean_gy"] == pytest.approx(25, rel=1e-3)
    assert organ.physical[1].values["max_gy"] == pytest.approx(20)
    assert organ.physical[1].lower_bounds == {}
    assert [(f.limit.id, f.status, f.is_lower_bound) for f in assessment.findings] == [
        ("high", "not_evaluable", False), ("low", "exceed", True), ("now", "exceed", False)]  # fmt: skip
    (notice,) = said(assessment, "dose_grid_truncates_structure")
    assert (notice.course, notice.structure) == ("first", "Rectum")
    assert notice.message == '17 % (1.2 cc) of structure "Rectum" lies outside the dose grid of course "first"; dose there is unknown, not zero.'


@pytest.mark.hazard("H04")
def test_least_of_a_course_counts_every_phase_where_it_is_known() -> None:
    """30 Gy in 10 everywhere, 10 Gy in 5 in the lower half only: on average at least 30 + 5 Gy, EQD2 36 + 5 Gy."""
    phases = (Phase("a", (Component(even_dose(30)),), 10), Phase("b", (Component(even_dose(10, (3, *GRID_SHAPE[1:]))),), 5))
    (organ,) = result(case(course("only", "proposed", 1, 1, phases=phases))).organs
    assert organ.coverage == pytest.approx(0.5, abs=0.01)
    assert organ.physical[0].lower_bounds["mean_gy"] == pytest.approx(35, abs=0.1)
    assert organ.eqd2[0].lower_bounds["mean_gy"] == organ.cumulative.lower_bounds["mean_gy"] == pytest.approx(41, abs=0.1)


def test_whole_organ_outside_a_grid_is_said_as_100_percent() -> None:
    far = box_structure("Rectum", planes=(100.0, 105.0))
    assessment = result(two_courses(organs=[(far, "rectum")]))
    assert assessment.organs[0].coverage == 0.0
    assert [n.message.split(" of")[0] for n in said(assessment, "dose_grid_truncates_structure")] == ["100 % (5 cc)"] * 2


@pytest.mark.hazard("H04")
def test_statistics_without_a_floor_take_zero_where_unknown() -> None:
    found = statistics(organ_dose((0, 5, [NAN, 60.0]), volumes_cc=[3.0, 1.0]).physical(0))
    assert found.lower_bounds == pytest.approx({"max_gy": 60, "mean_gy": 15, "D0.03cc_gy": 60, "D0.1cc_gy": 60, "D1cc_gy": 45, "D2cc_gy": 15})
    assert set(found.values.values()) == {None}


@pytest.mark.hazard("H15")
def test_structure_smaller_than_a_metric_has_no_such_value() -> None:
    """2.5 x 20 x 15 mm3 = 0.75 cc."""
    small = box_structure(box=(0.0, 2.5, 15.0, 35.0))
    organ = result(two_courses(organs=[(small, "rectum")])).organs[0]
    assert organ.volume_cc == pytest.approx(0.75)
    assert (organ.cumulative.values["D1cc_gy"], organ.cumulative.values["D2cc_gy"]) == (None, None)
    assert organ.cumulative.values["D0.1cc_gy"] == pytest.approx(64)
    assert organ.cumulative.reasons["D1cc_gy"] == "the structure has 0.75 cc, less than the 1 cc of the metric"
    assert list(organ.cumulative.reasons) == ["D1cc_gy", "D2cc_gy"]
    assert organ.cumulative.lower_bounds == {}


@pytest.mark.hazard("H15")
def test_structure_without_contours() -> None:
    assessment = result(two_courses(organs=[(Structure("Rectum\n", 1, ()), "rectum")]), limit("Dmax", 80.0))
    (organ,) = assessment.organs
    assert (organ.name, organ.volume_cc, organ.coverage, organ.sum) == ("Rectum\n", None, 0.0, None)
    assert organ.cumulative.values == dict.fromkeys(KEYS)
    assert organ.cumulative.reasons == dict.fromkeys(KEYS, "the structure has no closed contours")
    assert len(organ.physical) == len(organ.eqd2) == 2
    assert [(f.structure, f.status, f.reason) for f in assessment.findings] == [("Rectum\n", "not_evaluable", "the structure has no closed contours")]
    (notice,) = said(assessment, "structure_empty")
    assert (notice.message, notice.course) == ('Structure "Rectum" has no closed contours; nothing can be said about it.', "second")
    assert assessment.verdict == "not_evaluable"


# ------------------------------------------------------------------------------------------------------- thickness of a single plane


@pytest.mark.hazard("H07")
def test_single_plane_takes_the_usual_distance_of_the_structure_set() -> None:
    """The other structure of the set has planes 5 mm apart: 25 x 20 x 5 mm3."""
    single = box_structure("Rectum", planes=(-10.0,))
    other = box_structure("Bladder", number=2)
    assessment = result(two_courses(organs=[(single, "rectum"), (other, "bladder")]))
    assert assessment.organs[0].volume_cc == pytest.approx(2.5)


@pytest.mark.hazard("H07")
def test_single_plane_takes_the_distance_of_the_image() -> None:
    """CT planes 4 mm apart: 25 x 20 x 4 mm3."""
    one = two_courses(organs=[(box_structure("Rectum", planes=(-8.0,)), "rectum")])
    image = ImageStack("1.2.3.100", np.arange(-20.0, 8.0, 4.0), np.array([0.0, 0.0, 1.0]))
    courses = (one.courses[0], replace(one.courses[1], image=image))
    assert result(replace(one, courses=courses)).organs[0].volume_cc == pytest.approx(2.0)


# ------------------------------------------------------------------------------------------------------- limits without dose or structure


@pytest.mark.hazard("H17")
def test_own_limit_and_limit_of_a_mapped_organ_are_never_dropped() -> None:
    one = two_courses(missing=(("Sigma", "sigmoid"),))
    own, mapped, library = limit(organ="bladder", id="own"), limit(organ="sigmoid", id="mapped"), limit(organ="liver", id="library")
    assessment = assess(one, LimitChoice((own, mapped, library), frozenset({"own"}), ("pelvis", "own.yaml")))
    assert [(f.limit.id, f.structure, f.status) for f in assessment.findings] == [("own", None, "not_evaluable"), ("mapped", None, "not_evaluable")]
    assert assessment.findings[0].reason == "no structure of the reference course stands for the organ bladder"
    assert [n.message for n in said(assessment, "limit_without_structure")] == [
        "Limit own is not evaluable: no structure of the reference course stands for the organ bladder; its dose is not known.",
        "Limit mapped is not evaluable: no structure of the reference course stands for the organ sigmoid; its dose is not known.",
    ]
    (unseen,) = said(assessment, "organ_not_contoured")
    assert unseen.message.endswith("which are not checked: liver.")


def test_structure_without_limit_is_named() -> None:
    assessment = result(two_courses(), limit(organ="rectum", min_fractions=8), own=False)
    (notice,) = said(assessment, "organ_without_limit")
    assert notice.message.endswith("not judged: Rectum.")
    assert assessment.findings == ()
    assert assessment.verdict == "not_evaluable"
    assert said(assessment, "limit_other_fractions") == []
    assert said(result(two_courses(), limit()), "organ_without_limit") == []


@pytest.mark.hazard("H17")
def test_own_limit_for_other_fractions_is_said_not_to_apply() -> None:
    assessment = result(two_courses(), limit("Dmax", 80.0), limit("Dmax", 90.0, id="eight\x1b[31m", min_fractions=8))
    (notice,) = said(assessment, "limit_other_fractions")
    assert notice.message == "Limits for other numbers of fractions than the 5 proposed are not checked: eight [31m."
    assert len(assessment.findings) == 1


@pytest.mark.hazard("H24")
@pytest.mark.parametrize(("starts", "status"), [(dt.date(2021, 12, 31), "not_evaluable"), (dt.date(2022, 1, 1), "pass")])
def test_months_between_courses(starts: dt.date, status: str) -> None:
    """Calendar months: from 1 January to 1 January there are twelve."""
    assessment = result(two_courses(starts=starts), limit("Dmax", 80.0, min_interval_months=12.0))
    assert assessment.findings[0].status == status


def test_case_without_proposed_course() -> None:
    one = case(course("a", "prior", 30, 10), course("b", "prior", 20, 5))
    assessment = result(one, limit("Dmax", 80.0, id="sum"), limit("Dmax", 80.0, scope="course", id="now"))
    assert [f.status for f in assessment.findings] == ["pass", "not_evaluable"]
    assert assessment.verdict == "not_evaluable"


# ------------------------------------------------------------------------------------------------------- LQ range


@pytest.mark.hazard("H22")
@pytest.mark.parametrize(
    ("gy", "code", "start"),
    [
        (50.0, None, ""),  # 10 Gy a fraction
        (60.0, "lq_range", '7.5 cc of structure "Rectum" receive more than 10 Gy per fraction in course "now":'),
        (90.0, "lq_range", "7.5 cc"),  # 18 Gy a fraction
        (95.0, "lq_range_strong", '7.5 cc of structure "Rectum" receive more than 10 Gy per fraction in course "now", 7.5 cc above 18 Gy, where it is hardly'),
    ],
)
def test_dose_per_fraction_beyond_lq(gy: float, code: str | None, start: str) -> None:
    assessment = result(case(course("before", "prior", 30, 10), course("now", "proposed", gy, 5)))
    found = [n for n in assessment.notices if n.code.startswith("lq_")]
    assert [(n.code, n.course, n.structure) for n in found] == ([] if code is None else [(code, "now", "Rectum")])
    assert all(n.message.startswith(start) for n in found)


def test_large_volume_is_written_in_full() -> None:
    """120 x 120 x 15 mm3 = 216 cc."""
    wide = DoseGrid(replace(grid(), u_mm=np.linspace(-100, 100, 20), v_mm=np.linspace(-100, 100, 30)), np.full((6, 30, 20), 60.0, np.float32))
    big = box_structure(box=(-60.0, 60.0, -60.0, 60.0))
    assessment = result(case(course("now", "proposed", wide, 5), organs=[(big, "rectum")]))
    assert [n.message[:7] for n in assessment.notices if n.code == "lq_range"] == ["216 cc "]


# ------------------------------------------------------------------------------------------------------- notices and verdict


def test_notices_of_case_course_and_organ_are_collected_once() -> None:
    one = two_courses(notices=(Notice("of_case", "a"), Notice("of_case", "a")))
    courses = (replace(one.courses[0], notices=(Notice("of_course", "b", "first"),)), one.courses[1])
    assessment = result(replace(one, courses=courses))
    assert [n.code for n in assessment.notices] == ["of_case", "of_course", "organ_without_limit"]


@pytest.mark.hazard("H08")
@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], "not_evaluable"),
        ([("mandatory", "pass")], "within"),
        ([("optimal", "pass")], "within"),
        ([("optimal", "not_evaluable")], "not_evaluable"),
        ([("mandatory", "pass"), ("optimal", "not_evaluable")], "within"),
        ([("mandatory", "pass"), ("mandatory", "not_evaluable")], "not_evaluable"),
        ([("mandatory", "exceed"), ("mandatory", "not_evaluable")], "exceeded"),
        ([("mandatory", "caution")], "caution"),
        ([("mandatory", "pass"), ("optimal", "exceed")], "caution"),
        ([("mandatory", "pass"), ("optimal", "caution")], "caution"),
    ],
)
def test_verdict(found: list[tuple[str, Any]], verdict: str) -> None:
    findings = tuple(Finding(limit(level=level), "Rectum", None, status) for level, status in found)
    assert Assessment(two_courses(), (), findings, (), ()).verdict == verdict


# ------------------------------------------------------------------------------------------------------- both sides of a paired organ

LEFT, RIGHT = box_structure("Kidney_L"), box_structure("Kidney_R", box=(-5.0, 20.0, 15.0, 25.0), number=2)  # 7.5 and 3.75 cc


def kidneys(*structures: Structure, cc: float = 10.0) -> list[Finding]:
    one = limit("CV30Gy", cc, organ="kidney", quantity="physical", scope="course", unit="cc", comparator=">=", combine_sides=True)
    found = assess(case(course("now", "proposed", 20, 5), organs=[(s, "kidney") for s in structures]), LimitChoice((one,), frozenset(), ()))
    return list(found.findings)


def test_limit_of_both_sides_takes_them_together() -> None:
    """7.5 + 3.75 cc with 20 Gy: 11.25 cc are spared of 30 Gy, though neither side alone has 10 cc."""
    (finding,) = kidneys(LEFT, RIGHT)
    assert (finding.structure, finding.status, finding.value) == ("Kidney_L + Kidney_R", "pass", pytest.approx(11.25))
    assert kidneys(LEFT, RIGHT, cc=12.0)[0].status == "exceed"


def test_one_structure_may_be_both_sides() -> None:
    both = box_structure("Kidneys")
    assert [(f.structure, f.value) for f in kidneys(both, cc=5.0)] == [("Kidneys", pytest.approx(7.5))]
    assert [f.structure for f in kidneys(LEFT, RIGHT, both)] == ["Kidneys", "Kidney_L + Kidney_R"]
    (finding,) = kidneys(both, box_structure("Kidney new", number=3), cc=1.0)
    assert (finding.structure, finding.status) == ("Kidneys + Kidney new", "not_evaluable")


@pytest.mark.hazard("H15")
def test_one_side_alone_is_not_both() -> None:
    (finding,) = kidneys(LEFT, cc=1.0)
    assert (finding.structure, finding.status) == ("Kidney_L", "not_evaluable")
    assert finding.reason == "the limit is for both sides together; needed is one structure of each side, or one of both"
    assert kidneys(LEFT, box_structure("Kidney_R", planes=()), cc=1.0)[0].status == "not_evaluable"


def test_limit_of_one_course_is_held_against_each_proposed_course() -> None:
    one = limit("Dmax", 21.0, quantity="physical", scope="course")
    found = assess(
        case(course("then", "prior", 40, 20), course("now", "proposed", 20, 5), course("boost", "proposed", 22, 5), reference=1),
        LimitChoice((one,), frozenset(), ()),
    )
    assert [(f.course, f.status) for f in found.findings] == [(1, "caution"), (2, "exceed")]
    assert found.case.proposed_courses == (1, 2)


def test_publications_that_disagree_about_an_organ_with_a_finding() -> None:
    found = assess(
        case(course("now", "proposed", 20, 5), organs=[(box_structure("Bladder"), "bladder")]), LimitChoice((limit(organ="bladder"),), frozenset(), ())
    )
    assert {"bladder"} <= {o for d in found.disagreements for o in d.organs}
