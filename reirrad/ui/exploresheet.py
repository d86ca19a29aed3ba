"""Explore, below the sliders: options side by side, what remains, and the highest doses as a table."""

from __future__ import annotations

import datetime as dt
import math
from typing import Final

import streamlit as st

from reirrad.errors import ReirradError, printable
from reirrad.exploration import IsotoxicRow
from reirrad.explorationdocument import best_row, notices_of, row_effects, row_status
from reirrad.options import MOST_OPTIONS
from reirrad.optionsheet import binding_words, dose_words, effect_words, option_sheet, option_words
from reirrad.optionsheetfile import option_sheet_pdf
from reirrad.reportbudget import remaining_section
from reirrad.reportmodel import Paragraph, Signatures
from reirrad.tumour import LQ_SUPPORTED_GY
from reirrad.ui.downloads import guarded, options_html, remaining_zip
from reirrad.ui.exploring import Budgets, Exploring, budgets_of
from reirrad.ui.reportblocks import show_blocks, show_rows
from reirrad.ui.session import Loaded, Session
from reirrad.ui.staleness import is_stale
from reirrad.ui.text import plain

__all__ = ["gaps", "highest_rows", "show_highest_table", "show_options", "show_remaining"]

MOST_FRACTIONS: Final = 100
GAPS: Final = ("explore_organ_without_limit", "explore_limits_by_fractions")


def show_highest_table(exploring: Exploring) -> None:
    """Every schedule of which the highest dose was calculated."""
    rows = exploring.exploration.rows
    if not rows:
        return
    with st.expander(f"Highest doses as a table ({len(rows)})"):
        columns, found = highest_rows(exploring)
        show_rows(columns, found, "Highest dose of every schedule")
        for text in _remarks(exploring):
            st.caption(plain(text))


def highest_rows(exploring: Exploring) -> tuple[list[str], list[tuple[str, ...]]]:
    """Heads and cells of the table of highest doses, as Markdown."""
    exploration, tumour = exploring.exploration, exploring.loaded.case.tumour
    best = best_row(exploration, tumour)
    effect = f"Tumour BED / EQD2, α/β {tumour.alpha_betas_gy[0]:g}"
    heads = ["Fractions", "Highest dose, Gy", "Gy per fraction", effect, "Set by", "Next, margin there", "Optimal limits too, Gy"]
    return [plain(head) for head in heads], [_highest_row(row, exploring, is_best=row is best) for row in exploration.rows]


def _highest_row(row: IsotoxicRow, exploring: Exploring, *, is_best: bool) -> tuple[str, ...]:
    found = row_effects(row, exploring.loaded.case.tumour)
    effect = "–" if found is None else effect_words(found[0])
    dose = dose_words(row.dose_gy) + {"met": "", "nothing_left": "", "not_evaluable": " ?"}[row_status(row)]
    per_fraction = "–" if row.scale is None or not math.isfinite(row.dose_gy) else dose_words(row.dose_per_fraction_gy) + "*" * row.is_beyond_lq
    after = "–"
    if row.next is not None and row.next_margin is not None:
        after = f"{printable(row.next.structure or row.next.limit.organ, 40)} {row.next.limit.metric}, {row.next_margin:.2f} {row.next.limit.unit}"
    optimal = "the same" if row.optimal_scale == row.scale else f"{dose_words(row.optimal_dose_gy)}, {binding_words(row.optimal_binding)}"
    return tuple(plain(text) for text in (row.choice.title, dose, per_fraction, effect + " ▲" * is_best, binding_words(row.binding), after, optimal))


def gaps(exploring: Exploring) -> list[str]:
    """Where a highest dose means only that no limit is there."""
    found = notices_of(exploring.loaded.assessment, exploring.exploration)
    return [notice.message for notice in found if notice.code in GAPS]


def _remarks(exploring: Exploring) -> list[str]:
    """What the table must not be read without."""
    rows = exploring.exploration.rows
    said = [f"▲ highest tumour BED among those of at most {LQ_SUPPORTED_GY:g} Gy per fraction that meet every mandatory limit."]
    if any(row.is_beyond_lq for row in rows):
        said.append(f"* more than {LQ_SUPPORTED_GY:g} Gy per fraction in the tumour or an organ: the linear-quadratic model is hardly supported there.")
    reasons = [row.reason for row in rows if row.reason is not None and row_status(row) == "nothing_left"]
    said += [f"Nothing can be given: {reason}." for reason in dict.fromkeys(reasons)]
    unjudged = dict.fromkeys(f"{b.limit.id} ({printable(b.reason or 'not known', 200)})" for r in rows for b in r.unjudged if b.limit.level == "mandatory")
    if unjudged:
        said.append(f"? mandatory limits that cannot be checked, so that the dose is only what the others allow: {'; '.join(unjudged)}.")
    return [*said, *exploring.notes.values()]


# ------------------------------------------------------------------------------------------------------------- options


def show_options(exploring: Exploring) -> None:
    """Options side by side, as the sheet shows them."""
    st.header("Option sheet")
    options = tuple(exploring.options.values())
    if not options:
        st.caption(f"Empty. Set the sliders and add up to {MOST_OPTIONS} options to see them side by side and take the sheet away.")
        return
    loaded, exploration, day = exploring.loaded, exploring.exploration, dt.date.today().isoformat()
    sheet = option_sheet(loaded.assessment, exploration, options, loaded.case.tumour, day=day)
    for section in sheet.sections:
        if any(isinstance(block, Signatures) for block in section.blocks):
            continue
        is_text = all(isinstance(block, Paragraph) for block in section.blocks)
        with st.expander(section.title) if is_text else st.container():
            show_blocks(section.blocks)
    for column, (key, option) in zip(st.columns(MOST_OPTIONS), list(exploring.options.items()), strict=False):
        if column.button(f"Remove {plain(option_words(option))}", key=f"remove_{option.asked.text}_{exploring.token}"):
            del exploring.options[key]
            st.rerun()
    html, pdf, _ = st.columns([1, 1, 2])
    arguments = (loaded.assessment, exploration, options, loaded.case.tumour, day)
    html.download_button(
        "Option sheet as HTML", guarded(lambda: options_html(*arguments)), "reirrad-options.html", "text/html", on_click="ignore", width="stretch"
    )
    pdf.download_button(
        "Option sheet as PDF", guarded(lambda: option_sheet_pdf(*arguments)), "reirrad-options.pdf", "application/pdf", on_click="ignore", width="stretch"
    )


# ------------------------------------------------------------------------------------------------------------- remaining dose


def show_remaining(session: Session, loaded: Loaded) -> None:
    """What the earlier courses leave."""
    day = dt.date.today()
    st.header("Remaining dose")
    budgets = budgets_of(session, loaded)
    proposed = None if loaded.case.proposed is None else loaded.case.courses[loaded.case.proposed].fractions
    number, button, _ = st.columns([1, 1, 2], vertical_alignment="bottom")
    n = int(number.number_input("Fractions of a new course", 1, MOST_FRACTIONS, min(proposed or 5, MOST_FRACTIONS), key=f"remaining_{budgets.token}"))
    if button.button("Calculate what remains", key=f"remain_{budgets.token}"):
        try:
            with st.spinner("Calculating what the earlier courses leave", show_time=True):
                budgets.find(n)
        except ReirradError as error:
            st.error(plain(error))
            return
    if n not in budgets.found:
        st.caption("Not calculated yet for this number of fractions: what may be added evenly to each organ on top of the earlier courses.")
        return
    show_blocks(remaining_section(budgets.found[n]).blocks)
    _show_map(session, loaded, budgets, n, day)


def _show_map(session: Session, loaded: Loaded, budgets: Budgets, n: int, day: dt.date) -> None:
    """The map of what remains for a planning system, made when it is asked for."""
    made = budgets.files.get((n, day))
    if made is None:
        st.caption("The highest dose that every voxel may still get, given every organ it belongs to, as RTDOSE; its zones of 10, 20 and 30 Gy as RTSTRUCT.")
        if st.button("Make the map for a planning system", disabled=is_stale(session), key=f"map_{budgets.token}"):
            try:
                with st.spinner("Calculating what remains at every voxel", show_time=True):
                    budgets.files[n, day] = remaining_zip(budgets.found[n], loaded.folder, day)
            except ReirradError as error:
                st.error(plain(error))
                return
            st.rerun()
        return
    content, names, notices = made
    for notice in notices:
        st.warning(plain(notice.message))
    st.markdown("\n".join(f"- {plain(name)}" for name in names))
    st.download_button("Map and zones (zip)", guarded(lambda: content), f"reirrad-remaining-{n}fx.zip", "application/zip", on_click="ignore")
