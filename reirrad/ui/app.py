"""The web page as Streamlit runs it: its pages, and what all of them show."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from reirrad import __version__
from reirrad.ui.session import Session, current
from reirrad.ui.staleness import is_stale
from reirrad.ui.tabs import TABS
from reirrad.ui.text import plain

__all__ = ["main"]

HERE: Final = Path(__file__).parent
PAGES: Final = (("load", "Load"), ("see", "See"), ("limits", "Limits"), ("explore", "Explore"), ("report", "Report"))

STYLE: Final = "<style>.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 2rem; }</style>"


def main() -> None:
    """Show the page that is asked for."""
    session, context = current(), get_script_run_ctx()
    if context is not None:
        TABS.saw(context.session_id, session, get_instance().get_app_session(context.session_id) if exists() else None)
    page = st.navigation([st.Page(HERE / "pages" / f"{name}.py", title=title, default=name == "load") for name, title in PAGES], position="top")
    st.set_page_config(page_title=f"{page.title} · reirrad", page_icon=str(HERE / "icon.png"), layout="wide")
    st.html(STYLE)
    if page.title != "Load":
        _say_whose(session)
    page.run()
    st.caption(f"reirrad {__version__} · decision support for professionals, not a medical device: check independently before use")


def _say_whose(session: Session) -> None:
    """Say which case is shown, so that nobody takes it for another, or for what has become of it since."""
    if session.loaded is not None:
        case = session.loaded.case
        st.caption(f"Case **{plain(case.name, 60)}**: {plain(' · '.join(c.name for c in case.courses), 200)}")
        if is_stale(session):
            st.warning(
                "The case was changed on the page Load after this was calculated: what stands here is the result of the case before. Calculate it again there."
            )


if __name__ == "__main__":
    main()
