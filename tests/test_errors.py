from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reirrad.errors import CaseFileError, DicomError, GeometryError, LimitFileError, Notice, ReirradError, printable


@pytest.mark.hazard("H39")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Rectum", "Rectum"),
        ("  Blad\nder\t2 ", "Blad der 2"),
        ("\x1b[31mRED\x1b[0m", "[31mRED [0m"),
        ("Bladder‮gnp.exe", "Bladder gnp.exe"),
        ("zero​width", "zero width"),
        ("\ud800lone", "lone"),
        ("Größe 直腸", "Größe 直腸"),
        (7, "7"),
        ("\n", ""),
    ],
)
def test_printable(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_to_the_length_asked_for() -> None:
    assert printable("x" * 80) == "x" * 80
    assert printable("x" * 81) == "x" * 79 + "…"
    assert printable("abcdef", 4) == "abc…"


@pytest.mark.hazard("H39")
@given(st.text(alphabet=st.characters(codec=None)), st.integers(2, 200))
def test_printable_never_lets_a_control_character_through(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert not any(unicodedata.category(c).startswith("C") for c in shown)
    assert shown == " ".join(shown.split())


@pytest.mark.parametrize("kind", [CaseFileError, DicomError, GeometryError, LimitFileError])
def test_every_refusal_is_one_kind_and_a_value_error(kind: type[Exception]) -> None:
    assert issubclass(kind, ReirradError)
    assert issubclass(kind, ValueError)


def test_notices_are_equal_when_they_say_the_same() -> None:
    assert Notice("a", "b") == Notice("a", "b", None, None)
    assert Notice("a", "b") != Notice("a", "b", structure="c")
