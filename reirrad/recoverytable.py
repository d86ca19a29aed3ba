"""The recovery models for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reirrad.recovery import NOT_RECOVERING, as_rows, left_out

__all__ = ["render_recovery"]


def render_recovery(console: Console) -> None:
    """Print the models, the organs that do not recover, and what is left out."""
    table = Table(box=box.SIMPLE_HEAD, title="Recovery models: part of the earlier EQD2 that is forgotten", title_justify="left", pad_edge=False)
    table.add_column("Key", no_wrap=True)
    for title in ("Part recovered", "Organs", "Status", "Source"):
        table.add_column(title, overflow="fold")
    for row in as_rows():
        for i, (what, organs) in enumerate(zip(row.what, row.organs, strict=True)):
            first = (row.key, row.status, row.source) if i == 0 else ("", "", "")
            table.add_row(Text(first[0]), Text(what), Text(organs), Text(first[1]), Text(first[2]), end_section=i == len(row.what) - 1)
    console.print(table)
    for row in as_rows():
        console.print(Text(f"{row.key}: {row.note}"))
    console.print(Text(f"\nNo recovery without a rationale: {', '.join(NOT_RECOVERING)} (no recovery from late damage)."))
    console.print(Text("Left out:"))
    for left in left_out():
        console.print(Text(f"  {left.what}: {left.reason}"))
    console.print(Text("A discount is never combined with a limit that has recovery built in or was published for the sum without recovery.", style="dim"))
