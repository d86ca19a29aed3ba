"""Whether what the pages show is still that of the case in a person's hands."""

from __future__ import annotations

from reirrad.ui.casetext import case_text
from reirrad.ui.session import Session

__all__ = ["is_stale"]


def is_stale(session: Session) -> bool:
    """Whether the case is no longer the one that was calculated: edited, another case file of the folder chosen, or its file changed or gone."""
    loaded, opened = session.loaded, session.opened
    if loaded is None or session.is_changed or opened is None:
        return session.is_changed
    if session.document is not None and case_text(session.document) != opened.calculated:
        return True
    try:
        return opened.calculated is not None and loaded.case_file.read_text(encoding="utf-8") != opened.calculated
    except (OSError, UnicodeDecodeError):
        return True
