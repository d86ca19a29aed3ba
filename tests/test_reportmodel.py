from __future__ import annotations

import pytest

from reirrad.reportmodel import LONG_WORD, Cell, Column, Figure, ReportTable, has_long_word


def parts(*widths: float) -> tuple[float, ...]:
    return ReportTable("", tuple(Column("", width=w) for w in widths), ()).parts


def test_rows_must_have_a_cell_for_every_column() -> None:
    with pytest.raises(ValueError, match=r"a table of 2 columns has rows of \[1, 2\] cells"):
        ReportTable("", (Column("a"), Column("b")), (("x", "y"), ("x",)))
    with pytest.raises(ValueError, match="a table of 0 columns"):
        ReportTable("", (), ())


def test_text_of_a_row_becomes_cells() -> None:
    flag = Cell("x", "pass")
    assert ReportTable("", (Column("a"), Column("b")), (("x", flag),)).cells == ((Cell("x"), flag),)


def test_parts_of_the_width() -> None:
    assert parts(0, 0) == (0, 0)
    assert parts(2, 6) == (0.25, 0.75)
    assert parts(0.3, 0) == (0.3, 0)  # small enough to be what it says
    assert parts(1, 0) == (0.75, 0)  # a quarter is left for columns as wide as their text
    assert parts(3, 0, 1) == pytest.approx((0.5625, 0, 0.1875), rel=1e-12)


def test_long_word() -> None:
    assert not has_long_word("a " * 50 + "x" * LONG_WORD)
    assert has_long_word("a " + "x" * (LONG_WORD + 1))
    assert not has_long_word("")


def test_no_picture_without_description() -> None:
    with pytest.raises(ValueError, match="a picture has no description"):
        Figure("caption", " ", "<svg/>")
    with pytest.raises(ValueError, match="a picture in a table has no description"):
        Cell("", svg="<svg/>")
    assert Cell("").text == ""
