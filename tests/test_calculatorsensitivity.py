"""Models beside the main result: which course they say something about, and that nothing of them reaches a limit."""

from __future__ import annotations

import pytest

from reirrad.calculator import calculate
from reirrad.calculatorsensitivity import LqL, Usc, parse_lq_l, parse_usc
from reirrad.effect import Growth
from reirrad.errors import ParameterError
from reirrad.radiobiology import eqd2
from reirrad.rbe import mcnamara
from reirrad.schedule import parse_schedule

CURVE = Usc(0.33, 1.25, 1.8)


def computed(*texts, alpha_beta_gy=3.0, **options):
    return calculate([parse_schedule(t) for t in texts], alpha_beta_gy, **options)


def beside(found):
    return {s.model: s for s in found.sensitivities}


def test_nothing_is_computed_that_nobody_asked_for():
    assert computed("54/30", "24/2 rbe=1.1").sensitivities == ()


def test_lq_l_course_by_course():
    found = computed("50/25", "24/2", "6/4 per-day=2 interval=6h", half_time_h=2, sensitivities=[LqL()])
    s = beside(found)["lq-l"]
    assert s.description == "LQ-L, straight from 6 Gy per fraction"
    assert s.applied == (True, True, False)
    assert [e.eqd2_gy for e in s.courses] == pytest.approx([50, 2 * (18 + 5 * 6) / (5 / 3), found.courses[2].effect.eqd2_gy])
    assert s.total.eqd2_gy == pytest.approx(sum(e.eqd2_gy for e in s.courses))
    assert s.linear_quadratic == found.total


def test_lq_l_is_tangent_to_linear_quadratic_at_the_transition():
    def slope(d, h=1e-5):
        high, low = (beside(computed(f"{d + x:.6f}/1", sensitivities=[LqL(6)]))["lq-l"].total.bed_gy for x in (h, -h))
        return (high - low) / (2 * h)

    assert slope(5.999) == pytest.approx(1 + 2 * 5.999 / 3, rel=1e-6)
    assert [slope(6.001), slope(20.0)] == pytest.approx([1 + 2 * 6 / 3] * 2, rel=1e-6)


def test_usc_has_its_own_alpha_beta_and_the_slope_of_the_line():
    s = beside(computed("50/25", "54/3", alpha_beta_gy=10, sensitivities=[CURVE]))["usc"]
    assert s.alpha_beta_gy == pytest.approx(8.6048, abs=1e-4)
    assert s.linear_quadratic.eqd2_gy == pytest.approx(50 + eqd2(54.0, 3, s.alpha_beta_gy))
    assert s.courses[0].eqd2_gy == pytest.approx(50)
    high, low = (beside(computed(f"{d}/1", sensitivities=[CURVE]))["usc"].total.bed_gy for d in (20.001, 19.999))
    assert (high - low) / 0.002 == pytest.approx(1 / (0.33 * 1.25), rel=1e-6)


def test_transition_of_small_alpha_beta_is_2_gy():
    assert "from 2 Gy" in beside(computed("50/25", alpha_beta_gy=0.5, sensitivities=[LqL()]))["lq-l"].description


def test_variable_rbe_where_a_let_is_given():
    found = computed("54/30 rbe=1.1 let=3", "20/10 rbe=1.1", alpha_beta_gy=2)
    models = beside(found)
    assert list(models) == ["mcnamara", "wedenberg"]
    assert all(s.applied == (True, False) and s.linear_quadratic == found.total for s in models.values())
    assert models["mcnamara"].courses[0].eqd2_gy == pytest.approx(eqd2(54 * mcnamara(1.8, 3.0, 2), 30, 2))
    assert models["wedenberg"].courses[0].bed_gy == pytest.approx(54 * (1 + 0.434 * 3 / 2) + 54 * 1.8 / 2)
    assert models["wedenberg"].courses[1] == found.courses[1].effect


def test_slow_fractions_beside_acute_ones():
    found = computed("16/1 minutes=60", "50/25", alpha_beta_gy=2, half_time_h=1.5)
    s = beside(found)["acute"]
    assert (s.applied, s.total.bed_gy) == ((True, False), pytest.approx(244))
    assert found.total.bed_gy == pytest.approx(226.3662, abs=1e-4)


def test_growth_is_taken_off_in_every_model():
    found = computed("54/3 days=30", alpha_beta_gy=10, growth=Growth(0.9, 20), sensitivities=[LqL(6.2), CURVE])
    assert [s.total.bed_gy for s in found.sensitivities] == pytest.approx([109.428 - 9, 117.8182 - 9], abs=1e-4)


def test_a_model_never_changes_what_remains():
    plain = computed("50/25", "24/2 rbe=1.1 let=3", limit_eqd2_gy=160, fractions=[1, 5])
    with_models = computed("50/25", "24/2 rbe=1.1 let=3", limit_eqd2_gy=160, fractions=[1, 5], sensitivities=[LqL(), CURVE])
    assert (plain.total, plain.limit, plain.remaining) == (with_models.total, with_models.limit, with_models.remaining)
    assert len(with_models.sensitivities) == 4


@pytest.mark.parametrize("text", ["", "6 Gy", "two", "6,3"])
def test_no_transition(text):
    with pytest.raises(ParameterError, match=f'--lq-l is "{text}"; needed is the dose per fraction'):
        parse_lq_l(text)


@pytest.mark.parametrize("text", ["", "0.33", "0.33,1.25", "0.33,1.25,1.8,2", "a,b,c"])
def test_no_curve(text):
    with pytest.raises(ParameterError, match=f'--usc is "{text}"; needed are alpha'):
        parse_usc(text)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (LqL(1.9), "--lq-l is 1.9; needed for an EQD2 is a dose per fraction of at least 2 Gy"),
        (LqL(float("nan")), "--lq-l is nan"),
        (LqL(float("inf")), "--lq-l is inf"),
        (Usc(0, 1, 1), "alpha_per_gy is 0"),
        (Usc(0.9, 1.25, 1.8), "needed is less than 1"),
        (Usc(0.33, 1.25, 0.1), "--usc is straight from 0.34 Gy on; needed for an EQD2 is at least 2 Gy"),
    ],
)
def test_parameters_that_make_no_curve(asked, words):
    with pytest.raises(ParameterError, match=words):
        computed("50/25", sensitivities=[asked])
