"""Limit sets, alpha/beta and recovery of a case, chosen on the Load page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import streamlit as st

from reirrad.constraints import set_names
from reirrad.errors import printable
from reirrad.organs import organs
from reirrad.recovery import recovery_models
from reirrad.ui.cells import by_column, edits_of, organ_label
from reirrad.ui.found import FoundStructure
from reirrad.ui.opened import Document
from reirrad.ui.organtables import alpha_beta_rows, with_alpha_beta

__all__ = ["show_choices"]

BY_ORGAN: Final = "as the case file states it, by organ"


def show_choices(base: Document, document: Document, structures: Iterable[FoundStructure], version: int) -> Document:
    """Show the choices; the document with them.

    Parameters
    ----------
    base : dict
        The document that the tables were filled from.
    document : dict
        The same as edited so far.
    """
    new = dict(document)
    with st.expander("Limits, alpha/beta and recovery"):
        new = _limits_and_recovery(new, version)
        rows = alpha_beta_rows(base, structures)
        columns = {
            "organ": st.column_config.SelectboxColumn("Organ", options=sorted(organs()), format_func=organ_label, disabled=True, width="medium"),
            "library_gy": st.column_config.NumberColumn("α/β of the library, Gy", disabled=True, format="%.2f"),
            "stated_gy": st.column_config.NumberColumn("α/β used instead, Gy", min_value=0.1, max_value=50, format="%.2f", help="Empty: that of the library."),
        }
        key = f"alphabeta-{version}"
        alt = "Alpha/beta of the organs of the case; other values can be stated"
        st.data_editor(by_column(rows, columns), key=key, hide_index=True, column_config=columns, placeholder="–", alt=alt)
        return with_alpha_beta(new, rows, edits_of(key))


def _limits_and_recovery(new: Document, version: int) -> Document:
    stated = new.get("constraints") or []
    sets = [str(s) for s in ([stated] if isinstance(stated, str) else stated)]
    left, right = st.columns(2)
    chosen = left.multiselect(
        "Limit sets", list(dict.fromkeys([*set_names(), *sets])), sets, key=f"limits-{version}", format_func=printable, placeholder="every set of the library"
    )
    if chosen != sets:
        new = {k: v for k, v in new.items() if k != "constraints"} | ({"constraints": chosen} if chosen else {})
    models = recovery_models()
    recovery = new.get("recovery") or "none"
    options = [*models, *([] if recovery in models else [BY_ORGAN])]
    picked = right.selectbox(
        "Recovery of earlier dose",
        options,
        options.index(recovery if recovery in models else BY_ORGAN),
        format_func=lambda k: models[k].label if k in models else k,
        key=f"recovery-{version}",
        help="A model, tested in no prospective study. Sums without it always stand beside.",
    )
    return new if picked in (recovery, BY_ORGAN) else {**new, "recovery": picked}
