"""Verdict, sliders and table of limits as one piece of the page, so that numbers never stand beside assumptions they were not made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import streamlit as st

__all__ = ["show_limits"]

HERE: Final = Path(__file__).parent
_view: Final = st.components.v2.component(
    "reirrad_limits",
    html=(HERE / "limits.html").read_text(encoding="utf-8"),
    css=(HERE / "limits.css").read_text(encoding="utf-8"),
    js=(HERE / "limits.js").read_text(encoding="utf-8"),
)


def show_limits(data: Mapping[str, Any], key: str, on_changed: Callable[[Mapping[str, Any]], None]) -> None:
    """Show the limits.

    Parameters
    ----------
    data : mapping
        What the browser shows; every HTML in it escaped.
    on_changed : callable
        Told what a person moved, before the page runs again.
    """

    def changed() -> None:
        value = st.session_state[key].get("changed")
        if isinstance(value, Mapping):
            on_changed(value)

    _view(data=dict(data), key=key, on_changed_change=changed)
