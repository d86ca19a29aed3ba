"""Parts of a printed document on the page: paragraphs, facts and tables, with text from outside made harmless. Pictures are left to the document itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from reirrad.errors import printable
from reirrad.reportmodel import LOOK, Block, Cell, Facts, Paragraph, ReportTable
from reirrad.situation import Status
from reirrad.ui.text import plain

__all__ = ["flag", "show_blocks", "show_rows", "show_table"]

NO_TITLE: Final = "What"  # a head without text says nothing to those who listen to it
COLOURS: Final[dict[Status, str]] = {"pass": "green", "caution": "orange", "exceed": "red", "not_evaluable": "violet"}


def flag(status: Status) -> str:
    """Sign and word of a status in its colour, as Markdown."""
    sign, word = LOOK[status]
    return f":{COLOURS[status]}-badge[{sign} {word}]"


def show_blocks(blocks: tuple[Block, ...]) -> None:
    """Show all of them, one below the other."""
    for block in blocks:
        match block:
            case Paragraph(text, "warning"):
                st.warning(plain(text))
            case Paragraph(text, "small"):
                st.caption(plain(text))
            case Paragraph(text, tone):
                st.markdown(f"**{plain(text)}**" if tone == "strong" else plain(text))
            case Facts(rows):
                st.markdown("\n".join(f"- **{plain(name)}**: {plain(value)}" for name, value in rows))
            case ReportTable():
                show_table(block)
            case _:
                continue


def show_table(table: ReportTable) -> None:
    """Show a table with its caption above."""
    st.markdown(f"*{plain(table.caption)}*")
    columns = [plain(c.title or NO_TITLE) for c in table.columns]
    show_rows(columns, [tuple(_cell(c) for c in row) for row in table.cells], table.caption)


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], alt: str, height: int | Literal["content"] = "content") -> None:
    """Show a table of Markdown.

    Parameters
    ----------
    alt : str
        What it is, for those who cannot see it.
    height : int or "content"
        Pixels; a longer table is moved within them.
    """
    data = {name: [row[k] for row in rows] for k, name in enumerate(columns)}
    st.table(data, hide_index=True, alt=printable(alt, 500), height=height)


def _cell(cell: Cell) -> str:
    text = plain(cell.text)
    if cell.status is not None:
        return f"{flag(cell.status)} {text}".rstrip()
    return f"**{text}**" if cell.strong and text else text
