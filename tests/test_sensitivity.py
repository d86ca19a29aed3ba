"""Models beside the linear-quadratic one, against scalar sums written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reirrad.accumulation import OrganDose
from reirrad.errors import ParameterError
from reirrad.sensitivity import HighDose, ProtonLet, default_transition_gy, high_dose, sensitivities, variable_rbe

NSCLC = {"alpha_per_gy": 0.33, "d0_gy": 1.25, "dq_gy": 1.8}


def organ(dose, fractions, repair=None, edge=None):
    dose = np.array(dose, np.float32)
    edge = dose[:, :1] if edge is None else np.array(edge, np.float32)
    factor = None if repair is None else np.array(repair, float)
    return OrganDose(np.linspace(0.5, 1.5, dose.shape[1]), dose, edge, np.array(fractions), np.arange(len(fractions)), factor)


def scalar_lql(total, n, ab, transition, repair=1.0):
    """One point, one delivery."""
    d = total / n
    if repair != 1:
        bed = n * (d + repair * d * d / ab)
    elif d <= transition:
        bed = n * (d + d * d / ab)
    else:
        bed = n * (transition + transition**2 / ab + (1 + 2 * transition / ab) * (d - transition))
    return bed / (1 + 2 / ab)


@pytest.mark.parametrize(
    ("total", "n", "ab", "transition", "expected"),
    [(20, 1, 2, 4, 46.0), (16, 1, 2, 4, 36.0), (54, 3, 10, 6.2, 91.19), (30, 3, 3, None, 68.4), (40, 5, 3, 6, 84.0), (10, 5, 3, 6, 10.0)],
)
def test_golden_lql(total, n, ab, transition, expected):
    found = high_dose(organ([[total]], [n]), ab, HighDose("lq-l", transition_gy=transition))
    assert found.dvh.max_gy() == pytest.approx(expected, abs=5e-3)
    assert found.alpha_beta_gy == ab


def test_golden_usc():
    found = high_dose(organ([[54, 18]], [3]), 3, HighDose("usc", ("lung",), **NSCLC))
    ab = 8.6047
    np.testing.assert_allclose(found.dvh.dose_gy, [117.82 / (1 + 2 / ab), (18 + 18 * 6 / ab) / (1 + 2 / ab)], rtol=1e-4)
    assert found.alpha_beta_gy == pytest.approx(ab, abs=1e-4)
    assert found.label == "USC, EQD2 at the alpha/beta of its curve, 8.6 Gy (organ: 3 Gy); sensitivity, not for limits"
    assert found.parameters == {**NSCLC, "transition_gy": pytest.approx(6.128, abs=1e-3), "alpha_beta_gy": found.alpha_beta_gy}


@settings(max_examples=40)
@given(
    st.lists(st.tuples(*[st.floats(0, 60)] * 3), min_size=1, max_size=5),
    st.tuples(*[st.integers(1, 30)] * 3),
    st.floats(0.5, 12),
    st.floats(2, 12),
    st.sampled_from([None, (1.0, 1.4, 0.6)]),
)
def test_lql_is_the_scalar_sum_and_never_above_linear_quadratic(points, n, ab, transition, repair):
    dose = organ(np.array(points).T, n, repair)
    found = high_dose(dose, ab, HighDose("lq-l", transition_gy=transition)).dvh.dose_gy
    expected = [sum(scalar_lql(float(p[k]), n[k], ab, transition, (repair or (1, 1, 1))[k]) for k in range(3)) for p in dose.dose_gy.T]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.all(found <= dose.eqd2(ab).dose_gy * (1 + 1e-5) + 1e-5)


def test_beyond_the_transition_lql_is_less_and_below_it_is_the_same():
    dose = organ([[59.9, 61, 90]], [10])
    found = high_dose(dose, 3, HighDose("lq-l")).dvh.dose_gy
    plain = dose.eqd2(3).dose_gy
    assert found[0] == pytest.approx(plain[0], rel=1e-6)
    assert found[1] < plain[1]
    assert found[2] == pytest.approx(plain[2] - 10 * 3**2 / 3 * 0.6, rel=1e-5)  # (d - dT)²/ab for 3 Gy beyond 6 Gy


def test_what_the_label_and_parameters_say():
    found = high_dose(organ([[20.0], [30.0]], [1, 20], [1.0, 1.3]), 2, HighDose("lq-l"))
    assert found.label == (
        "LQ-L, transition 4 Gy; 1 of 2 "
        "deliveries stay linear-quadratic, for their repair is not that of short fractions, one a day; sensitivity, not for limits"
    )
    assert found.parameters == {"transition_gy": 4, "gamma_alpha": 5, "alpha_beta_gy": 2, "deliveries_kept_linear_quadratic": 1}
    assert found.dvh.max_gy() == pytest.approx(46 + (30 + 1.3 * 45 / 2) / 2, rel=1e-6)
    plain = high_dose(organ([[20.0]], [1]), 2, HighDose("lq-l", transition_gy=5))
    assert plain.label == "LQ-L, transition 5 Gy; sensitivity, not for limits"
    assert plain.parameters == {"transition_gy": 5, "gamma_alpha": 6, "alpha_beta_gy": 2}


def test_transition_is_at_least_two_gray():
    assert [default_transition_gy(ab) for ab in (0.5, 1, 3, 10)] == [2, 2, 6, 20]
    with pytest.raises(ParameterError, match="alpha_beta_gy is 0"):
        default_transition_gy(0)


@pytest.mark.parametrize("request_", [HighDose("lq-l"), HighDose("usc", ("rectum",), **NSCLC)])
def test_the_unknown_stays_unknown_and_the_surface_counts(request_):
    found = high_dose(organ([[30, np.nan, 0]], [3], edge=[[36, np.nan]]), 3, request_).dvh
    assert np.isnan(found.dose_gy).tolist() == [False, True, False]
    assert found.dose_gy[2] == 0
    assert found.dose_gy.dtype == found.edge_gy.dtype == np.float32
    assert found.known().max_gy() == pytest.approx(high_dose(organ([[36]], [3]), 3, request_).dvh.max_gy())


def protons(rbe=(np.nan, 1.1), let=((0,), (2.5,)), edge=None):
    array = np.array(let, np.float32)
    return ProtonLet(array, array if edge is None else np.array(edge, np.float32), np.array(rbe, float))


def test_golden_rbe():
    """60 Gy with RBE 1.1 is 54.545 Gy physical; in fractions of 2 Gy physical, LET 2.5, alpha/beta 2: RBE 1.1936 and 1.1711."""
    dose = organ([[20.0], [22.0]], [10, 10])
    mcnamara, wedenberg = variable_rbe(dose, 2, protons())
    for found, rbe in ((mcnamara, 1.1936), (wedenberg, 1.1711)):
        assert found.dvh.max_gy() == pytest.approx(20 + 20 * rbe * (2 * rbe + 2) / 4, abs=2e-3)
    assert (mcnamara.model, mcnamara.label) == ("mcnamara", "Variable RBE of protons, McNamara 2015; sensitivity, not for limits")
    assert (wedenberg.model, wedenberg.label) == ("wedenberg", "Variable RBE of protons, Wedenberg 2013; sensitivity, not for limits")
    assert mcnamara.parameters == {"alpha_beta_gy": 2, "proton_deliveries": 1, "rbe_replaced": "1.1"}


def scalar_rbe(model, d, let, ab):
    largest, least = (1 + 0.434 * let / ab, 1.0) if model == "wedenberg" else (0.99064 + 0.35605 * let / ab, 1.1012 - 0.0038703 * math.sqrt(ab) * let)
    return (math.sqrt(ab**2 + 4 * d * ab * largest + 4 * d**2 * least**2) - ab) / (2 * d)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0.5, 70), st.floats(0, 15)), min_size=1, max_size=4), st.floats(0.5, 10), st.floats(1, 1.3), st.sampled_from([1.0, 1.5]))
def test_rbe_is_the_scalar_sum(points, ab, rbe, repair):
    dose = organ([[d for d, _ in points]], [12], [repair])
    for found in variable_rbe(dose, ab, protons((rbe,), [[let for _, let in points]], [[points[0][1]]])):
        for value, (total, let) in zip(found.dvh.dose_gy, points, strict=True):
            d = total / rbe / 12
            weighted = d * scalar_rbe(found.model, d, let, ab)
            assert value == pytest.approx(12 * (weighted + repair * weighted**2 / ab) / (1 + 2 / ab), rel=1e-4)
        assert found.dvh.edge_gy[0] == found.dvh.dose_gy[0]


def test_more_let_is_more_dose_and_unknown_let_is_unknown_dose():
    dose = organ([[30, 30, 30, 30, 0]], [10], edge=[[30, 0]])
    for found in variable_rbe(dose, 3, protons((1.1,), [[1, 3, 9, np.nan, np.nan]], [[9, np.nan]])):
        values = found.dvh.dose_gy
        assert values[0] < values[1] < values[2]
        assert np.isnan(values).tolist() == [False, False, False, True, False]
        assert values[4] == 0
        assert found.dvh.edge_gy.tolist() == [values[2], 0]


def test_what_is_asked_for_is_what_comes():
    dose = organ([[20.0], [22.0]], [2, 10])
    asked = (HighDose("lq-l"), HighDose("usc", ("lung",), **NSCLC), HighDose("lq-l", ("rectum",), 6.0))
    assert [s.model for s in sensitivities(dose, 3, "rectum", asked)] == ["lq-l", "lq-l"]
    assert [s.model for s in sensitivities(dose, 3, "lung", asked, protons())] == ["lq-l", "usc", "mcnamara", "wedenberg"]
    assert sensitivities(dose, 3, "lung", let=protons((np.nan, np.nan))) == ()
    assert sensitivities(dose, 3, "lung") == ()
    assert all(s.label.endswith("sensitivity, not for limits") for s in sensitivities(dose, 3, "lung", asked, protons()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HighDose("glq"), "The model of a sensitivity is glq; needed is lq-l or usc"),
        (lambda: HighDose("lq-l", transition_gy=1.9), "transition_gy is 1.9 Gy; needed for an EQD2 are at least 2 Gy"),
        (lambda: HighDose("lq-l", transition_gy=math.nan), "transition_gy is nan"),
        (lambda: HighDose("lq-l", dq_gy=1.8), "lq-l has alpha_per_gy, d0_gy or dq_gy"),
        (lambda: HighDose("usc", ("lung",), 6.0, **NSCLC), "usc has transition_gy, which follows"),
        (lambda: HighDose("usc", **NSCLC), "usc names no organs"),
        (lambda: HighDose("usc", ("lung",), alpha_per_gy=0.33, d0_gy=1.25), "usc lacks alpha_per_gy, d0_gy or dq_gy"),
        (lambda: HighDose("usc", ("lung",), alpha_per_gy=0.33, d0_gy=4.0, dq_gy=1.8), "line and curve never touch"),
        (lambda: HighDose("usc", ("lung",), alpha_per_gy=0.01, d0_gy=1.0, dq_gy=0.9), "is 1.82 Gy; needed for an EQD2 are at least 2 Gy"),
        (lambda: variable_rbe(organ([[20.0]], [10]), 2, protons()), "is not of 1 deliveries"),
        (lambda: variable_rbe(organ([[20.0]], [10]), 2, protons((0.0,), [[2.5]])), "rbe is 0.0"),
        (lambda: variable_rbe(organ([[20.0]], [10]), 2, protons((1.1,), [[-2.5]])), "let_kev_um or dose_per_fraction_gy is below zero"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ParameterError) as refusal:
        make()
    assert message in str(refusal.value)
