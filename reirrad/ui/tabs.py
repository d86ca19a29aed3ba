"""Which tabs are open, so that the patient of a closed one is forgotten soon, in memory and on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

from reirrad.ui.session import Session

__all__ = ["TABS", "Tabs"]


class State(Protocol):
    """Values of widgets, and what to call when they change."""

    def clear(self) -> None:
        """Drop all of it."""


class Held(Protocol):
    """What Streamlit holds of a tab."""

    @property
    def session_state(self) -> State:
        """Its widgets."""


class Tabs:
    """The sessions of this server by the names Streamlit gives them; it holds none of them."""

    def __init__(self) -> None:
        self._sessions: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._held: WeakValueDictionary[str, Held] = WeakValueDictionary()
        self._last_s: dict[str, float] = {}

    def saw(self, name: str, session: Session, held: Held | None = None) -> None:
        """Note that the page was shown in a tab."""
        self._sessions[name] = session
        if held is not None:
            self._held[name] = held
        self._last_s.setdefault(name, float("-inf"))

    def gone(self, is_open: Callable[[str], bool], now_s: float, keep_s: float) -> list[str]:
        """Names of the tabs that have been closed for `keep_s`, s; until then a lost connection may come back.

        Parameters
        ----------
        is_open : callable
            Whether the tab of a name is connected now.
        """
        for name in self._last_s:
            if is_open(name) or self._last_s[name] == float("-inf"):
                self._last_s[name] = now_s
        return [name for name, last in self._last_s.items() if now_s - last >= keep_s]

    def forget(self, name: str) -> None:
        """Empty the session of a tab and remove its folder, whoever else still holds the session."""
        self._last_s.pop(name, None)
        session, held = self._sessions.pop(name, None), self._held.pop(name, None)
        if session is not None:
            session.clear()
            shutil.rmtree(session.folder, ignore_errors=True)
        if held is not None:  # the server holds the last tab that was open for as long as no other is
            held.session_state.clear()

    def forget_all(self) -> None:
        """Forget every tab."""
        for name in list(self._last_s):
            self.forget(name)


TABS = Tabs()
