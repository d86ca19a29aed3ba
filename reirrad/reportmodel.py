"""What a printed document consists of, whatever it is printed as. Text is plain: the renderers make it harmless for HTML and PDF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from reirrad.situation import Status

__all__ = [
    "LONG_WORD", "LOOK", "Block", "Cell", "Column", "Facts", "Figure", "Figures", "Paragraph", "Report", "ReportTable", "Section", "Signatures", "Tone",
    "has_long_word",
]  # fmt: skip

Tone = Literal["plain", "strong", "small", "warning"]
# Sign and word of a status, for those who cannot tell colours apart; the same as on the terminal.
LOOK: Final[dict[Status, tuple[str, str]]] = {
    "pass": ("✓", "pass"),
    "caution": ("!", "caution"),
    "exceed": ("✗", "EXCEED"),
    "not_evaluable": ("?", "not evaluable"),
}
LONG_WORD: Final = 22  # characters: a longer word in a table may be broken anywhere
AUTOMATIC_PART: Final = 0.25  # of the width is kept for columns as wide as their text


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms with what they are: name, value."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a table column.

    Parameters
    ----------
    width : float
        Part of the width of the page beside that of the other columns (0.3, or 2 against 1); 0 as wide as its text.
    """

    title: str
    align: Literal["left", "right"] = "left"
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `status` shows a sign and a word beside its colour, then `text`; `svg` a small picture such as a bar, with `text` as its description.

    Raises
    ------
    ValueError
        For a picture without description.
    """

    text: str
    status: Status | None = None
    strong: bool = False
    svg: str = ""

    def __post_init__(self) -> None:
        if self.svg and not self.text.strip():
            raise ValueError("a picture in a table has no description; needed is a text that says what it shows")


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table; the first column names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell | str, ...], ...]

    def __post_init__(self) -> None:
        if not self.columns or any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a table of {len(self.columns)} columns has rows of {sorted({len(row) for row in self.rows})} cells; they must agree")

    @property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """Rows of cells alone."""
        return tuple(tuple(Cell(c) if isinstance(c, str) else c for c in row) for row in self.rows)

    @property
    def parts(self) -> tuple[float, ...]:
        """Part of the page width of each column; 0 for those as wide as their text.

        >>> ReportTable("", (Column("a", width=1), Column("b", width=3)), ()).parts
        (0.25, 0.75)
        >>> ReportTable("", (Column("a", width=0.5), Column("b")), ()).parts
        (0.5, 0.0)
        """
        total = sum(c.width for c in self.columns)
        if all(c.width > 0 for c in self.columns):
            return tuple(c.width / total for c in self.columns)
        scale = min(1.0, (1 - AUTOMATIC_PART) / total) if total > 0 else 0.0
        return tuple(c.width * scale for c in self.columns)


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture.

    Parameters
    ----------
    svg : str
        SVG document, or empty.
    png : bytes
        PNG file where there is no SVG.
    alt : str
        What it shows, for those who cannot see it.

    Raises
    ------
    ValueError
        Without `alt`.
    """

    caption: str
    alt: str
    svg: str = ""
    png: bytes = b""

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("a picture has no description; needed is a text that says what it shows")


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures beside each other, so many in a row."""

    figures: tuple[Figure, ...]
    columns: int = 1


@dataclass(frozen=True, slots=True)
class Signatures:
    """Lines to sign on, one for each role."""

    roles: tuple[str, ...]


Block = Paragraph | Facts | ReportTable | Figures | Signatures


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a document."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole document on A4.

    Parameters
    ----------
    day : str
        Date it bears, YYYY-MM-DD.
    footer : str
        On every page.
    fits_one_page : bool
        Set it as small as needed (within reason) to fit one page.
    """

    title: str
    subtitle: str
    day: str
    sections: tuple[Section, ...]
    footer: str
    is_landscape: bool = False
    fits_one_page: bool = False
    summary: tuple[Block, ...] = field(default=())


def has_long_word(text: str) -> bool:
    """Tell whether a word of it does not fit into a column of a table."""
    return any(len(word) > LONG_WORD for word in text.split())
