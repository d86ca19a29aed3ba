"""Three slices in the browser: wheel, slider and keys change the slice, a click or drag sets the cursor. It asks nothing of the network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

__all__ = ["move_of", "packed", "show_slices"]

HERE: Final = Path(__file__).parent
_viewer: Final = st.components.v2.component(
    "reirrad_slices",
    html=(HERE / "viewer.html").read_text(encoding="utf-8"),
    css=(HERE / "viewer.css").read_text(encoding="utf-8"),
    js=(HERE / "viewer.js").read_text(encoding="utf-8"),
)


def packed(header: Mapping[str, Any], pictures: Sequence[bytes]) -> bytes:
    """One message: length of the header (4 bytes, little end first), header as JSON with the sizes of the pictures, pictures."""
    head = json.dumps({**header, "sizes": [len(p) for p in pictures]}, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *pictures])


def move_of(value: object) -> tuple[tuple[float, float, float], int] | None:
    """Cursor and number of a move as the browser sent it; None for what is none.

    >>> move_of([1, 2.5, -3, 7]), move_of([1, 2, float("nan"), 7]), move_of("x")
    (((1.0, 2.5, -3.0), 7), None, None)
    """
    if isinstance(value, list) and len(value) == 4 and all(isinstance(v, int | float) and math.isfinite(v) for v in value):
        return (float(value[0]), float(value[1]), float(value[2])), int(value[3])
    return None


def show_slices(message: bytes, key: str, on_moved: Callable[[tuple[float, float, float], int], None]) -> None:
    """Show slices.

    Parameters
    ----------
    message : bytes
        As `packed`.
    on_moved : callable
        Told where the cursor was moved to, (u, v, w) in mm, and the number of the move, before the page runs again.
    """

    def moved() -> None:
        found = move_of(st.session_state[key].get("moved"))
        if found is not None:
            on_moved(*found)

    _viewer(data=message, key=key, on_moved_change=moved)
