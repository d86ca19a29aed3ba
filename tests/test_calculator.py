"""The scalar calculator against values computed by hand and sums over every session."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.calculation import Remaining
from reirrad.calculator import calculate, exit_status
from reirrad.calculatordocument import as_dict, as_json
from reirrad.effect import Effect, Growth
from reirrad.errors import ParameterError
from reirrad.schedule import Part, Schedule, parse_schedule

FULL = 1e-9


def computed(*texts: str, alpha_beta_gy: float = 3, **options):
    return calculate([parse_schedule(t) for t in texts], alpha_beta_gy, **options)


def codes(found):
    return [n.code for n in found.notices]


def test_two_courses():
    found = computed("54/30", "50.4/28")
    assert [c.effect.eqd2_gy for c in found.courses] == pytest.approx([51.84, 48.384], abs=FULL)
    assert [c.effect.bed_gy for c in found.courses] == pytest.approx([86.4, 80.64], abs=FULL)
    assert (found.total.bed_gy, found.total.eqd2_gy) == pytest.approx((167.04, 100.224), abs=FULL)
    assert (found.limit, found.remaining, found.notices, found.complete_repair) == (None, (), (), None)
    assert exit_status(found) == 0


@pytest.mark.hazard("H02")
def test_phases_keep_their_own_fractions():
    assert computed("50/25+18/3", alpha_beta_gy=2).total.eqd2_gy == pytest.approx(86.0)  # 75.286 when lumped
    assert computed("24/3+4/2").total.eqd2_gy == pytest.approx(56.8)  # 48.16 when lumped
    assert computed("39/13+12/12", alpha_beta_gy=2).total.eqd2_gy == pytest.approx(57.75)  # days of 3 and of 1 Gy in turn
    assert computed("51/25", alpha_beta_gy=2).total.eqd2_gy == pytest.approx(51.51)  # their mean


def test_several_a_day_with_and_without_repair():
    found = computed("60/40 per-day=2 interval=6h", "20/10", alpha_beta_gy=2, half_time_h=4)
    assert found.courses[0].effect.eqd2_gy == pytest.approx(60.45495, abs=1e-5)
    assert found.courses[0].complete_repair.eqd2_gy == pytest.approx(52.5)
    assert found.courses[1].complete_repair is None
    assert found.total.eqd2_gy == pytest.approx(80.45495, abs=1e-5)
    assert found.complete_repair.eqd2_gy == pytest.approx(72.5)


@given(
    st.lists(st.tuples(st.floats(0.5, 60), st.integers(1, 40)), min_size=1, max_size=3),
    st.integers(1, 4),
    st.floats(1, 6),
    st.floats(0.2, 5),
    st.floats(0.5, 20),
)
def test_every_pair_of_sessions_of_a_day(parts, per_day, interval, half_time, alpha_beta):
    schedule = Schedule("x", tuple(Part(d, n) for d, n in parts), per_day, interval if per_day > 1 else None)
    linear = quadratic = 0.0
    for dose, n in parts:
        linear += dose
        for i in range(n):
            for j in range(n):
                if i // per_day == j // per_day:
                    quadratic += (dose / n) ** 2 * 2 ** (-abs(i - j) * interval / half_time)
    found = calculate([schedule], alpha_beta, half_time)
    assert found.total.bed_gy == pytest.approx(linear + quadratic / alpha_beta, rel=1e-11)


@pytest.mark.parametrize(("n", "d"), [(1, 8.0), (2, 5.4031), (3, 4.2599), (5, 3.1231), (10, 2.0)])
def test_what_remains(n, d):
    found = computed("50/25", alpha_beta_gy=2, limit_eqd2_gy=70, fractions=[n])
    assert found.limit.status == "within"
    assert found.limit.remaining_eqd2_gy == pytest.approx(20)
    (remaining,) = found.remaining
    assert remaining.dose_per_fraction_gy == pytest.approx(d, abs=1e-4)
    assert remaining.dose_gy == pytest.approx(n * d, abs=1e-3)


@given(st.floats(1, 60), st.integers(1, 40), st.floats(0.5, 20), st.floats(0.5, 60), st.integers(1, 40))
def test_what_remains_fills_the_limit(dose, n, alpha_beta, room, more):
    spent = calculate([Schedule("a", (Part(dose, n),))], alpha_beta).total.eqd2_gy
    found = calculate([Schedule("a", (Part(dose, n),))], alpha_beta, limit_eqd2_gy=spent + room, fractions=[more])
    both = calculate([Schedule("a", (Part(dose, n),)), Schedule("b", (Part(found.remaining[0].dose_gy, more),))], alpha_beta)
    assert both.total.eqd2_gy == pytest.approx(spent + room, rel=1e-9)


def test_nothing_remains_of_an_exceeded_limit():
    found = computed("54/30", "50.4/28", limit_eqd2_gy=100, fractions=[1, 5])
    assert (found.limit.status, found.limit.remaining_eqd2_gy) == ("exceeded", None)
    assert found.limit.exceeded_by_gy == pytest.approx(0.224)
    assert found.remaining == (Remaining(1, None, None, "limit exceeded"), Remaining(5, None, None, "limit exceeded"))
    assert exit_status(found) == 1


def test_a_limit_that_is_just_reached_is_not_exceeded():
    found = computed("54/30", "50.4/28", limit_eqd2_gy=100.224, fractions=[5])
    assert (found.limit.status, found.remaining[0].dose_gy, found.remaining[0].reason) == ("reached", None, "limit reached")
    assert exit_status(found) == 0
    assert computed("54/30", "50.4/28", limit_eqd2_gy=100.223999).limit.status == "exceeded"


@pytest.mark.hazard("H22")
def test_fraction_sizes_the_model_does_not_know():
    assert codes(computed("10/1")) == []
    assert codes(computed("10.1/1")) == ["lq_range"]
    assert codes(computed("18/1")) == ["lq_range"]
    assert codes(computed("18.1/1")) == ["lq_range_strong"]
    assert codes(computed("50/25+54/3")) == ["lq_range"]
    found = computed("30/10", alpha_beta_gy=2, limit_eqd2_gy=120, fractions=[1, 30])
    assert [(n.code, n.course) for n in found.notices] == [("lq_range", "remaining in 1")]
    assert "17.2 Gy per fraction" in found.notices[0].message


def test_fraction_sizes_count_with_their_rbe_and_never_at_a_low_dose_rate():
    assert codes(computed("9.5/1 rbe=1.1")) == ["lq_range"]
    assert codes(computed("40 rate=0.5Gy/h", "60/60 pulse=10min every=1h", "145 permanent half-life=59.4d", half_time_h=1)) == []
    assert codes(computed("12.5/1 minutes=30", half_time_h=1)) == ["lq_range"]


def test_the_warning_names_the_model_for_large_doses_until_it_is_there():
    from reirrad.calculatorsensitivity import LqL

    assert computed("12/1").notices[0].message.endswith("The option --lq-l shows a model for large doses per fraction beside it.")
    assert "--lq-l" not in computed("12/1", sensitivities=[LqL()]).notices[0].message


def test_unusual_fraction_sizes():
    assert codes(computed("5.4/30")) == ["dose_per_fraction_unusual"]
    assert codes(computed("6/30")) == []
    assert codes(computed("80/1")) == ["lq_range_strong", "dose_per_fraction_unusual"]


def test_repair_that_does_not_end_at_night():
    assert codes(computed("6/4 per-day=2 interval=6h", half_time_h=4)) == []  # 4.4 % after 18 h
    assert codes(computed("6/4", half_time_h=5)) == []
    found = computed("6/3+2/1 per-day=2 interval=6h", half_time_h=6)  # sessions at 0, 6, 24 h of 2 Gy and at 48 h of 2 Gy
    assert codes(found) == ["repair_overnight"]
    times = [0, 6, 24, 48]
    all_pairs = 8 + sum(4 * 2 ** (-abs(a - b) / 6) for a in times for b in times) / 3
    assert f"would make it {all_pairs * 3 / 5:.2f} Gy" in found.notices[0].message
    assert "12% of the damage" in found.notices[0].message


def test_slow_sessions_of_a_row_of_days():
    found = computed("6/3 minutes=60", half_time_h=20)
    mu = math.log(2) / 20
    within, spread = 2 * (mu + math.expm1(-mu)) / mu**2, -math.expm1(-mu) / mu
    quadratic = 3 * 4 * within + 2 * 4 * spread**2 * (2 * math.exp(-23 * mu) + math.exp(-47 * mu))
    assert codes(found) == ["repair_overnight"]
    assert f"would make it {(6 + quadratic / 3) * 3 / 5:.2f} Gy" in found.notices[0].message
    assert codes(computed("20 rate=0.5Gy/h", half_time_h=20)) == []


def test_recovery_of_priors_stands_beside_and_is_not_held_against_the_limit():
    found = computed("50/25 recovered=0.5", "20/10", "16/8", alpha_beta_gy=2, limit_eqd2_gy=80, fractions=[4])
    assert found.total == Effect(172.0, 86.0)
    assert found.after_recovery == Effect(122.0, 61.0)
    assert [c.after_recovery for c in found.courses] == [Effect(50.0, 25.0), None, None]
    assert (found.limit.status, found.limit.exceeded_by_gy, exit_status(found)) == ("exceeded", pytest.approx(6), 1)
    assert found.limit_after_recovery.remaining_eqd2_gy == pytest.approx(19)
    assert found.remaining[0].reason == "limit exceeded"
    d = found.remaining_after_recovery[0].dose_per_fraction_gy
    assert 4 * d * (d + 2) / 4 == pytest.approx(19)
    assert [(n.code, n.course) for n in found.notices] == [("recovery_assumed", "50/25 recovered=0.5")]
    assert "recovery of 50% is assumed" in found.notices[0].message


def test_no_recovery_and_all_of_it():
    found = computed("50/25 recovered=0", "20/10", alpha_beta_gy=2)
    assert (found.after_recovery, found.notices, found.limit_after_recovery) == (found.total, (), None)
    assert computed("50/25 recovered=1", "20/10", alpha_beta_gy=2).after_recovery.eqd2_gy == pytest.approx(20)


def test_repopulation_of_each_course_alone():
    found = computed("70/35 days=46", "20/10 days=11", alpha_beta_gy=10, growth=Growth(0.9, 28))
    assert [c.effect.bed_gy for c in found.courses] == pytest.approx([67.8, 24])
    assert [c.without_growth.bed_gy for c in found.courses] == pytest.approx([84, 24])
    assert (found.total.bed_gy, found.without_growth.bed_gy, found.total.eqd2_gy) == pytest.approx((91.8, 108, 76.5))
    found = computed("60/40 per-day=2 interval=6h days=30", alpha_beta_gy=2, half_time_h=4, growth=Growth(0.5, 20))
    assert found.courses[0].effect.bed_gy == pytest.approx(120.90991 - 5, abs=1e-4)
    assert found.courses[0].complete_repair.bed_gy == pytest.approx(105 - 5)


@pytest.mark.parametrize(
    ("schedules", "options", "words"),
    [
        (["50/25", "20/10 recovered=0.5"], {}, '"20/10 recovered=0.5" is the last course and has recovered; needed is recovered on earlier courses alone'),
        (["50/25 recovered=0.5"], {}, "is the last course"),
        (["70/35 days=46"], {}, "gives days, which count for the repopulation of a tumour alone; needed are --tumour"),
        (["70/35 days=46"], {"growth": Growth(0.9, 28), "limit_eqd2_gy": 70}, "--tumour stands beside --limit"),
        (["70/35 days=46 recovered=0.1", "20/10 days=11"], {"growth": Growth(0.9, 28)}, "has recovered beside --tumour"),
        (["70/35"], {"growth": Growth(0.9, 28)}, '"70/35" does not say how long it took; needed for --tumour are the days'),
        (["20/10 days=100"], {"growth": Growth(0.9, 28)}, "leaves no effect: its growth of 0.9 Gy BED a day outran the dose"),
        (["145 permanent half-life=59.4d"], {"growth": Growth(0.1, 28), "half_time_h": 1}, "needed is --kickoff 0"),
        (["40 rate=0.5Gy/h"], {}, "has a low dose rate, so that the effect depends on repair; needed is the half time"),
        (["30/60 pulse=10min every=1h"], {}, "has pulses, so"),
        (["145 permanent half-life=59.4d"], {}, "has a dose rate that decays, so"),
        (["12.5/1 minutes=30"], {}, "has slow fractions, so"),
        (["145 permanent half-life=1d"], {"half_time_h": 30}, "needed is less than the half life of the source, 24 h"),
    ],
)
def test_what_does_not_go_together(schedules, options, words):
    with pytest.raises(ParameterError, match=words):
        computed(*schedules, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha_beta_gy": 0}, "alpha/beta is 0; needed is a value from 0.1 to 50 Gy"),
        ({"alpha_beta_gy": math.nan}, "alpha/beta is nan"),
        ({"alpha_beta_gy": 51}, "alpha/beta is 51"),
        ({"half_time_h": 0}, "half time is 0"),
        ({"half_time_h": math.inf}, "half time is inf"),
        ({"limit_eqd2_gy": -1}, "limit is -1"),
        ({"limit_eqd2_gy": math.nan}, "limit is nan"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(ParameterError, match=words):
        computed("54/30", **options)


def test_several_a_day_take_a_long_half_time_by_convention():
    found = computed("45/30 per-day=2 interval=6h")
    assert found.half_time_h == 4.4
    assert [n.code for n in found.notices if "half" in n.code] == ["half_time_convention"]
    with pytest.raises(ParameterError, match="needed is the half time"):
        computed("45/30 per-day=2 interval=6h", "40 rate=0.5Gy/h")


def test_document():
    found = computed("50/25+16/8", "45/30 per-day=2 interval=6h", half_time_h=4, limit_eqd2_gy=150, fractions=[5])
    document = json.loads(as_json(found))
    assert document == as_dict(found)
    first, second = document["courses"]
    assert (first["schedule"], first["bed_gy"], first["complete_repair"]) == ("50/25+16/8", pytest.approx(110.0), None)
    assert first["phases"][1] == {"dose_gy": 16.0, "fractions": 8, "dose_per_fraction_gy": 2.0}
    assert second["complete_repair"] == {"bed_gy": pytest.approx(67.5), "eqd2_gy": pytest.approx(40.5)}
    assert (second["per_day"], second["interval_h"]) == (2, 6.0)
    assert document["sum"]["eqd2_gy"] == pytest.approx(first["eqd2_gy"] + second["eqd2_gy"])
    assert document["sum"]["complete_repair"]["eqd2_gy"] == pytest.approx(106.5)
    assert document["alpha_beta_gy"] == 3
    assert document["limit"]["status"] == "within"
    assert set(document["remaining"][0]) == {"fractions", "dose_gy", "dose_per_fraction_gy", "reason"}
    assert document["warnings"] == []
    assert (document["sensitivities"], document["tumour"], document["limit_after_recovery"], document["remaining_after_recovery"]) == ([], None, None, [])
