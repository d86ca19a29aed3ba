from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.schedule import Part, Schedule, ScheduleError, parse_fractions, parse_schedule


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
    ("text", "words"),
    [
        ("54-30", "is no schedule; needed is total dose in Gy / number of fractions"),
        ("", '"" is no schedule'),
        ("54", "is no schedule"),
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
