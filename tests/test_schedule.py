from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.schedule import SYNTAX, Part, Schedule, ScheduleError, parse_fractions, parse_schedule
from reirrad.scheduleoptions import LowDoseRate, PermanentSources, PulsedDoseRate, SlowFraction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("54/30", Schedule("54/30", (Part(54.0, 30),))),
        (" 50.4 / 28 ", Schedule("50.4/28", (Part(50.4, 28),))),
        ("50/25 + 16/8", Schedule("50/25+16/8", (Part(50.0, 25), Part(16.0, 8)))),
        ("45/30  per-day = 2 interval=6h", Schedule("45/30 per-day=2 interval=6h", (Part(45.0, 30),), 2, 6.0)),
        ("45/30 interval=4.5h per-day=3", Schedule("45/30 interval=4.5h per-day=3", (Part(45.0, 30),), 3, 4.5)),
        ("45/30 per-day=1", Schedule("45/30 per-day=1", (Part(45.0, 30),))),
        ("100/1", Schedule("100/1", (Part(100.0, 1),))),
        ("60/200", Schedule("60/200", (Part(60.0, 200),))),
        ("8+8 + 2", Schedule("8+8+2", (Part(8.0, 1), Part(8.0, 1), Part(2.0, 1)))),
        ("60/30 rbe=1.1 let=2.5", Schedule("60/30 rbe=1.1 let=2.5", (Part(60.0, 30),), rbe=1.1, let_kev_um=2.5)),
        ("40 rate = 0.55Gy/h", Schedule("40 rate=0.55Gy/h", (Part(40.0, 1),), delivery=LowDoseRate(0.55))),
        ("20+15 rate=0.5Gy/h", Schedule("20+15 rate=0.5Gy/h", (Part(20.0, 1), Part(15.0, 1)), delivery=LowDoseRate(0.5))),
        ("36/1 hours=72", Schedule("36/1 hours=72", (Part(36.0, 1),), delivery=LowDoseRate(0.5))),
        ("36 hours=72", Schedule("36 hours=72", (Part(36.0, 1),), delivery=LowDoseRate(0.5))),
        ("30/60 pulse=15min every=1h", Schedule("30/60 pulse=15min every=1h", (Part(30.0, 60),), delivery=PulsedDoseRate(0.25, 1.0))),
        ("30/60 pulse=0.5h every=90min", Schedule("30/60 pulse=0.5h every=90min", (Part(30.0, 60),), delivery=PulsedDoseRate(0.5, 1.5))),
        ("145 permanent half-life=59.4d", Schedule("145 permanent half-life=59.4d", (Part(145.0, 1),), delivery=PermanentSources(59.4))),
        ("12.5/1 minutes=30", Schedule("12.5/1 minutes=30", (Part(12.5, 1),), delivery=SlowFraction(30.0))),
        ("50/25 recovered=0.5", Schedule("50/25 recovered=0.5", (Part(50.0, 25),), recovered=0.5)),
        ("70/35 days=46", Schedule("70/35 days=46", (Part(70.0, 35),), overall_days=46)),
    ],
)
def test_what_is_read(text, expected):
    assert parse_schedule(text) == expected


@given(st.decimals(1, 90, places=2), st.integers(1, 200))
def test_dose_and_fractions_as_written(dose, n):
    (part,) = parse_schedule(f"{dose}/{n}").parts
    assert part == Part(float(dose), n)
    assert part.dose_per_fraction_gy == float(dose) / n


def test_the_night_is_what_the_day_leaves():
    assert parse_schedule("54/30").night_h == 24
    assert parse_schedule("45/30 per-day=2 interval=6h").night_h == 18
    assert parse_schedule("45/30 per-day=3 interval=8h").night_h == 8


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2/1", 0),
        ("70/35", 34),
        ("45/30 per-day=2 interval=6h", 14),
        ("3/3+2/2 per-day=2 interval=6h", 2),
        ("50/25+16/8", 32),
        ("36 hours=72", 3),
        ("40/2 rate=0.5Gy/h", 3),
        ("30/60 pulse=10min every=1h", 2),
        ("145 permanent half-life=59.4d", 0),
        ("12.5/5 minutes=30", 4),
    ],
)
def test_fewest_days(text, days):
    assert parse_schedule(text).least_days == days
    assert parse_schedule(f"{text} days={days}").overall_days == days
    if days:
        with pytest.raises(ScheduleError, match=f"does not fit into {days - 1} days; .* at least {days}"):
            parse_schedule(f"{text} days={days - 1}")


def test_every_documented_form_is_read():
    for form, _ in SYNTAX:
        assert parse_schedule(form.strip('"')).text == form.strip('"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("54-30", "is no schedule; needed is total dose in Gy / number of fractions"),
        ("", '"" is no schedule'),
        ("54", "is no schedule, but a dose alone"),
        ("54+30", "lists a fraction of 54 Gy, more than 30; .* Write 54/1"),
        ("50/25+16", "is no schedule"),
        ("8+8+0", "has no dose"),
        ("8+8 per-day=2 interval=6h", "more fractions a day than fractions; .* no list of single fractions"),
        ("-54", "is no schedule"),
        ("54/30.5", "is no schedule"),
        ("-54/30", "is no schedule"),
        ("54/-30", "is no schedule"),
        ("nan/30", "is no schedule"),
        ("inf/30", "is no schedule"),
        ("1e3/30", "is no schedule"),
        ("50,4/28", "is no schedule"),
        ("54Gy/30", "is no schedule"),
        ("٥٤/٣٠", "is no schedule"),
        ("9" * 5000 + "/5", "is no schedule"),
        ("50/25+", "is no schedule"),
        ("50/25++16/8", "is no schedule"),
        ("0/5", "has no dose"),
        ("0.0/5", "has no dose"),
        ("54/0", "has no fractions"),
        ("10/201", "more than 200 fractions"),
        ("60/150+20/51", "more than 200 fractions"),
        ("5400/30", "is 180 Gy per fraction, more than 100; .* not cGy"),
        ("45/30 twice", "unknown or twice"),
        ("45/30 50/25", "unknown or twice"),
        ("45/30 per-day=2 per-day=2 interval=6h", "unknown or twice"),
        ("45/30 per-day=0", "no usable per-day"),
        ("45/30 per-day=two", "no usable per-day"),
        ("45/30 per-day=25 interval=1h", "no usable per-day"),
        ("45/30 per-day=2", "needed are both"),
        ("45/30 interval=6h", "needed are both"),
        ("45/30 per-day=1 interval=6h", "needed are both"),
        ("45/30 per-day=2 interval=6", "no usable interval"),
        ("45/30 per-day=2 interval=0h", "no usable interval"),
        ("45/30 per-day=2 interval=-6h", "no usable interval"),
        ("3/1 per-day=2 interval=6h", "more fractions a day than fractions"),
        ("45/30 per-day=2 interval=13h", "leaves 11 h between days"),
        ("45/30 per-day=5 interval=8h", "leaves 0 h between days"),
        ("45/30 colour=2", 'unknown or twice after the doses, "colour=2"; known are per-day=, .* and permanent'),
        ("45/30 rbe", 'unknown or twice after the doses, "rbe"'),
        ("45 permanent=2 half-life=3d", 'unknown .* "permanent=2"'),
        ("60/30 rbe=0.9", "no usable rbe; needed is a number from 1 to 2"),
        ("60/30 rbe=2.1", "no usable rbe"),
        ("60/30 rbe=nan", "no usable rbe"),
        ("60/30 rbe=-1.1", "no usable rbe"),
        ("60/30 rbe=1.1 let=-1", "no usable let"),
        ("60/30 rbe=1.1 let=21", "no usable let; needed is the dose-averaged LET of protons from 0 to 20"),
        ("60/30 let=2.5", "let without rbe; needed is the physical dose with the constant RBE"),
        ("60/30 rbe=1.1 let=2.5 minutes=30", "let together with minutes"),
        ("40 rate=0.5Gy/h rbe=1.1", "rbe together with rate"),
        ("145 permanent half-life=59.4d rbe=1.1", "rbe together with permanent"),
        ("40 rate=55Gy/h", "dose rate of 55 Gy/h; needed is a rate from 0.01 to 12 Gy/h. Give it in Gy, not cGy"),
        ("40/30 rate=0.55Gy/h", "has 30 applications at low dose rate; needed are at most 6"),
        ("40 rate=0.55", "no usable rate"),
        ("40 rate=55cGy/h", "no usable rate"),
        ("40 rate=0Gy/h", "no usable rate"),
        ("40 hours=0", "no usable hours"),
        ("40 hours=1", "dose rate of 40 Gy/h"),
        ("40/2 hours=36", "hours for more than one application; needed are hours of a single one, or the dose rate"),
        ("40 hours=72 rate=0.5Gy/h", r"mixes several ways of delivery \(rate, hours\); needed is one"),
        ("400 hours=72", "is 400 Gy per fraction, more than 300"),
        ("30/60 pulse=10min", "pulse or every without the other; needed are both, as in pulse=10min every=1h"),
        ("30/60 every=1h", "pulse or every without the other"),
        ("30/60 pulse=61min every=1h", "pulses longer than the time between their starts"),
        ("30/60 pulse=0min every=1h", "no usable pulse"),
        ("30/60 pulse=10 every=1h", "no usable pulse"),
        ("30/1 pulse=10min every=1h", "has one pulse; needed is total dose / number of pulses"),
        ("30 pulse=10min every=1h", "a dose alone"),
        ("145 permanent", "permanent or half-life without the other"),
        ("145 half-life=59.4d", "permanent or half-life without the other"),
        ("145 permanent half-life=0d", "no usable half-life"),
        ("145/2 permanent half-life=59.4d", "an implant in several fractions"),
        ("145 permanent half-life=59.4d recovered=0.5", "discounts a permanent implant"),
        ("12.5/1 minutes=0", "no usable minutes"),
        ("12.5/5 minutes=30 per-day=2 interval=6h", r"mixes several ways of delivery \(per-day, minutes\)"),
        ("50/25 recovered=1.1", "no usable recovered; needed is a part from 0 to 1"),
        ("50/25 recovered=-0.1", "no usable recovered"),
        ("50/25 recovered=50%", "no usable recovered"),
        ("70/35 days=46.5", "no usable days"),
        ("70/35 days=46.0", "no usable days"),
        ("70/35 days=401", "no usable days"),
    ],
)
def test_refusals_name_what_was_found(text, words):
    with pytest.raises(ScheduleError, match=words) as refusal:
        parse_schedule(text)
    assert str(refusal.value).startswith(f'"{text[:20].strip()}')


def test_control_characters_do_not_reach_the_terminal():
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule("54/30\x1b[31m")
    assert "\x1b" not in str(refusal.value)


def test_numbers_of_fractions():
    assert parse_fractions("1, 3,5,3") == (1, 3, 5)
    for text in ("", "0", "1,,3", "1;3", "2.5", "201", "-1", "nan"):
        with pytest.raises(ScheduleError, match="are no numbers of fractions"):
            parse_fractions(text)
