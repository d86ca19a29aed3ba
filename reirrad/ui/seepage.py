"""See: slices with doses, values at the cursor, and the registration of each course."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from reirrad.errors import ReirradError, printable
from reirrad.remainingmap import NO_LIMIT_GY
from reirrad.ui.outlines import is_parallel
from reirrad.ui.panes import Look, colour_bar, header_of, style_of
from reirrad.ui.quantities import CT_ALONE, ORIENTATION, REMAINING, Quantity, quantities, remaining_on
from reirrad.ui.readout import Readout, readout
from reirrad.ui.registrationview import WAYS, comparable, how_registered, show_signoff
from reirrad.ui.seedata import Shown, first_structures, kept_view, other_ct, shown_of, spot_of, spots
from reirrad.ui.session import Loaded, Session, current
from reirrad.ui.slicepicture import PRESETS, Wash, Window, isodose_levels
from reirrad.ui.sliceviewer import packed, show_slices
from reirrad.ui.text import plain
from reirrad.ui.volumes import VIEWS, View

__all__ = ["levels_from", "readout_rows", "show", "table_of"]

LOAD: Final = str(Path(__file__).parent / "pages" / "load.py")
SHOWN_PART: Final = 0.1  # of the largest dose; below it nothing is coloured at first
OWN: Final = "As set below"
MOST_LEVELS: Final = 12


def show() -> None:
    """Show the page."""
    st.title("See")
    session = current()
    if session.loaded is None:
        st.info("Load a case first: there is nothing to see yet.")
        st.page_link(LOAD, label="Load a case")
        return
    loaded = session.loaded
    try:
        with st.spinner("Reading the images and laying the doses on them; this is done once for a case."):
            shown = kept_view(session, loaded)
    except ReirradError as error:
        st.error(plain(error))
        return
    left, right = st.columns([1, 3.4], gap="medium")
    compared = comparable(loaded.case)
    with left:
        topic = st.radio("Look at", ["Doses", "Registration"], horizontal=True, key=f"topic_{shown.token}") if compared else "Doses"
        look, quantity, number = _dose_choices(session, loaded, shown) if topic == "Doses" else _registration_choices(session, loaded, shown, compared)
    with right:
        if shown.ct_problem:
            st.warning(plain(f"The CT of the reference course is not shown. {shown.ct_problem}"))
        if look is not None:
            _slices(session, look, quantity, _large(shown))
    if number is not None:
        with right:
            show_signoff(session, loaded.case, number, shown.token)


def _large(shown: Shown) -> View:
    chosen: View = st.session_state.get(f"large_{shown.token}") or "axial"
    return chosen


# ------------------------------------------------------------------------------------------------------------- choices


def _dose_choices(session: Session, loaded: Loaded, shown: Shown) -> tuple[Look | None, Quantity, int | None]:
    """Widgets of the doses, and how slices are drawn for them."""
    token = shown.token
    options = {q.title: q for q in quantities(loaded.case, shown.volumes)}
    first = next(n for n, q in enumerate(options.values()) if q.key != REMAINING)
    quantity = options[st.selectbox("Dose on the CT", list(options), first, key=f"dose_{token}")]
    if quantity.key == REMAINING:
        quantity = _remaining(loaded, shown, quantity)
    wash: Wash | None = None
    levels: tuple[float, ...] = ()
    top = shown.remaining.top_gy if quantity.key == REMAINING and shown.remaining is not None else shown.volumes.tops_gy.get(quantity.key, 0.0)
    if quantity.key != CT_ALONE and top > 0:
        wash, levels = _wash(quantity, float(top), token)
    window = _window(shown)
    names = [n for n, s in shown.structures.items() if is_parallel(s, shown.volumes.grid)]
    if oblique := len(shown.structures) - len(names):
        st.markdown(f"{oblique} structure(s) are not drawn: their planes are not parallel to those of the CT.")
    chosen = st.multiselect("Outlines", names, first_structures(loaded, shown), format_func=printable, key=f"outlines_{token}")
    _jump(session, loaded, shown)
    st.selectbox("Large picture", VIEWS, format_func=str.capitalize, key=f"large_{token}")
    words = quantity.words if wash is not None else ("no dose above zero",) if quantity.key not in (CT_ALONE, REMAINING) else ()
    key = quantity.key if wash is not None else CT_ALONE
    return Look(key, window, wash, levels, tuple((name, n) for n, name in enumerate(chosen)), words), quantity, None


def _remaining(loaded: Loaded, shown: Shown, quantity: Quantity) -> Quantity:
    """Ask for the number of fractions; calculate when asked to, for it takes a while."""
    proposed = None if loaded.case.proposed is None else loaded.case.courses[loaded.case.proposed].fractions
    n = st.number_input("Fractions of the new course", 1, 50, min(proposed or 5, 50), key=f"fractions_{shown.token}")
    if st.button("Calculate what remains", key=f"remain_{shown.token}"):
        try:
            with st.spinner("Calculating what remains of every limit"):
                shown.remaining = remaining_on(loaded.case, loaded.choice, shown.volumes.grid, list(shown.volumes.physical_gy.items()), int(n))
        except ReirradError as error:
            st.error(plain(error))
    found = shown.remaining
    if found is None:
        st.markdown("Not calculated yet.")
        return quantity
    if found.fractions != n:
        st.markdown(f"Shown is what remains in {found.fractions} fractions.")
    for text in [*(notice.message for notice in found.notices), *(f"Not in the map: {words}." for words in found.left_out)]:
        st.markdown(plain(text))
    title = f"Remaining physical dose in {found.fractions} fraction{'s' if found.fractions > 1 else ''}"
    return Quantity(REMAINING, title, (*quantity.words, "no colour: no limit of a voxel there"), warns=True)


def _wash(quantity: Quantity, top: float, token: str) -> tuple[Wash, tuple[float, ...]]:
    """Colours and isodose lines."""
    is_remaining = quantity.key == REMAINING
    most = max(round(top, 1), 0.1)
    step = 0.1 if most < 20 else 0.5
    start = (0.0, most) if is_remaining else (round(SHOWN_PART * most / step) * step, most)
    low, high = st.slider("Colours from and to (Gy)", 0.0, most, start, step, key=f"range_{quantity.key}_{most:g}_{token}")
    text = st.text_input("Isodose lines (Gy, with commas)", "", placeholder="round values", key=f"levels_{quantity.key}_{token}")
    levels = levels_from(text)
    if isinstance(levels, str):
        st.error(levels)
        levels = ()
    opacity = st.slider("Strength of the colours (%)", 0, 100, 45, 5, key=f"opacity_{token}")
    wash = Wash(low, max(high, low + step), opacity / 100, "cividis" if is_remaining else "viridis", NO_LIMIT_GY if is_remaining else float("inf"))
    return wash, levels or isodose_levels(low, wash.high_gy)


def levels_from(text: str) -> tuple[float, ...] | str:
    """Doses as written in a field, or what is wrong with them; empty for none.

    >>> levels_from("45, 50.4 ,54"), levels_from("")
    ((45.0, 50.4, 54.0), ())
    """
    words = [word.strip() for word in text.replace(";", ",").split(",") if word.strip()]
    try:
        levels = sorted({float(word) for word in words})
    except ValueError:
        return "Isodose lines are numbers in Gy with commas between, such as 45, 50.4. Correct the field."
    if not all(0 < v < 1000 for v in levels) or len(levels) > MOST_LEVELS:
        return f"Isodose lines are at most {MOST_LEVELS} doses above 0 Gy and below 1000 Gy. Correct the field."
    return tuple(levels)


def _window(shown: Shown) -> Window:
    """Window of the CT: a preset, or two sliders."""
    token = shown.token
    level_key, width_key, preset_key = f"level_{token}", f"width_{token}", f"preset_{token}"
    for key, value in ((level_key, shown.window.level_hu), (width_key, shown.window.width_hu)):
        st.session_state.setdefault(key, int(value))

    def preset() -> None:
        window = PRESETS.get(st.session_state[preset_key])
        if window is not None:
            st.session_state[level_key], st.session_state[width_key] = int(window.level_hu), int(window.width_hu)

    now = Window(st.session_state[level_key], st.session_state[width_key])
    st.session_state[preset_key] = next((name for name, window in PRESETS.items() if window == now), OWN)
    st.selectbox("CT window", [*PRESETS, OWN], key=preset_key, on_change=preset)
    level = st.slider("Level (HU)", -1000, 1500, key=level_key, step=10)
    width = st.slider("Width (HU)", 10, 3000, key=width_key, step=10)
    shown.window = Window(level, width)
    return shown.window


def _jump(session: Session, loaded: Loaded, shown: Shown) -> None:
    """Send the cursor to the hottest point of an organ."""
    names = spots(loaded)
    if not names:
        return
    organ = st.selectbox("Hottest point (EQD2 sum) of", names, format_func=printable, key=f"spot_{shown.token}")

    def go() -> None:
        there = shown_of(session)
        spot = None if session.loaded is None else spot_of(session.loaded, organ)
        if there is not None and spot is not None:
            there.go_to((there.volumes.grid.rotation @ spot.point_mm).tolist(), spot)

    st.button("Go to the hottest point", on_click=go, key=f"go_{shown.token}")


def _registration_choices(session: Session, loaded: Loaded, shown: Shown, compared: list[int]) -> tuple[Look | None, Quantity, int | None]:
    """Widgets of the registration, and how slices are drawn for it."""
    token, case = shown.token, loaded.case
    number: int = st.selectbox("Course", compared, format_func=lambda k: printable(case.courses[k].name), key=f"compared_{token}")
    st.markdown(plain(how_registered(case, number)))
    with st.spinner("Reading the CT of this course"):
        problem = other_ct(shown, loaded, number)
    quantity = Quantity(CT_ALONE, f"Reference CT and CT of {case.courses[number].name}")
    if problem:
        st.error(plain(problem))
        return None, quantity, None
    way = st.radio("Shown as", WAYS, key=f"way_{token}")
    square = st.slider("Squares (mm)", 10, 80, 30, 5, key=f"square_{token}") if way == "Checkerboard" else 30
    window = _window(shown)
    names = [n for n, s in shown.structures.items() if is_parallel(s, shown.volumes.grid)]
    chosen = st.multiselect("Outlines", names, [], format_func=printable, key=f"outlines2_{token}")
    _jump(session, loaded, shown)
    st.selectbox("Large picture", VIEWS, format_func=str.capitalize, key=f"large_{token}")
    other, reference = printable(case.courses[number].name, 40), printable(case.courses[case.reference].name, 40)
    words = {
        "Checkerboard": f"squares: {reference} (upper left) and {other}, in turn",
        "Overlay": f"magenta: {reference}; green: {other}; grey: both alike",
        "Reference CT alone": f"CT of {reference} alone",
        "Other CT alone": f"CT of {other} alone, through its registration",
    }[way]
    return Look(CT_ALONE, window, None, (), tuple((n, k) for k, n in enumerate(chosen)), (words,), (number, way, float(square))), quantity, number


# ------------------------------------------------------------------------------------------------------------- slices


@st.fragment
def _slices(session: Session, look: Look, quantity: Quantity, large: View) -> None:
    """Pictures and the values at the cursor; alone run again when the cursor moves."""
    loaded, shown = session.loaded, shown_of(session)
    if loaded is None or shown is None:
        return
    panes, pictures = shown.panes(look)
    swatches, notes = [], []
    if look.wash is not None:
        swatches.append({"text": "dose of a course not known here: outside its dose grid or registration"})
        notes.append("Lines: isodoses in Gy (white) · structures (coloured) · cross: cursor")
    elif look.compared is not None:
        if look.compared[1] == "Overlay":
            swatches += [
                {"text": printable(loaded.case.courses[k].name, 40), "colour": c}
                for k, c in ((loaded.case.reference, "#ff00ff"), (look.compared[0], "#00c000"))
            ]
        if look.compared[1] != "Reference CT alone":
            swatches.append({"text": "no CT of the other course here"})
    legend = {
        "bar": None if look.wash is None else colour_bar(quantity.title, look.wash),
        "swatches": swatches,
        "notes": [*notes, "Letters: R right, L left, A front, P back, H head, F feet of the patient"],
        "names": style_of([name for name, _ in look.structures]),
    }

    def moved(cursor_mm: tuple[float, float, float], move: int) -> None:
        there = shown_of(session)
        if there is not None:
            there.go_to(cursor_mm)
            there.move = move

    header = header_of(panes, large, shown.cursor_mm, shown.move, legend, warns=quantity.warns and look.wash is not None)
    show_slices(packed(header, pictures), f"slices_{shown.token}", moved)
    spot = shown.spot
    here = readout(loaded.case, shown.volumes, shown.structures, shown.point_mm, _alpha_beta(shown), None if spot is None else spot.organ)
    _show_readout(here, "At the cursor" if spot is None else f"Hottest point of {plain(spot.structure)}")


def _alpha_beta(shown: Shown) -> float | None:
    """Alpha/beta of the readout: as set, that of the organ whose hottest point it is, or None for that of the voxel."""
    stated: float | None = st.number_input(
        "α/β of the values at the cursor (Gy)", 0.5, 30.0, None, 0.5, placeholder="that of the organ there", key=f"ab_{shown.token}", width=260
    )
    return stated if stated is not None else None if shown.spot is None else shown.spot.alpha_beta_gy


def _show_readout(here: Readout, what: str) -> None:
    x, y, z = here.point_mm
    ct = "" if here.hu is None else f" · CT {here.hu:.0f} HU"
    st.markdown(f"**{what}**: x {x:.1f}, y {y:.1f}, z {z:.1f} mm{ct} · α/β {here.alpha_beta_gy:g} Gy ({plain(here.organ or 'outside organs')})")
    st.markdown(table_of(readout_rows(here)))
    st.markdown(f"Structures there: {plain(', '.join(here.structures)) if here.structures else 'none'}")


def table_of(columns: dict[str, list[str]]) -> str:
    """Markdown of a table, of cells that are Markdown already: a tenth of the time of a data frame, at every step of a slice.

    >>> table_of({"a": ["1", "2"], "b": ["3", ""]}).splitlines()
    ['| a | b |', '| --- | --- |', '| 1 | 3 |', '| 2 |  |']
    """
    rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def readout_rows(here: Readout) -> dict[str, list[str]]:
    """Columns of the table of values at a point."""
    names = [plain(c.name) for c in here.courses]
    least = "" if here.is_complete else "at least "
    sums = [f"{least}{value:.2f}" if value is not None else "unknown" for value in (here.physical_gy, here.eqd2_gy)]
    return {
        "Course": [*names, "Sum"],
        "Physical dose (Gy)": [*("unknown" if c.physical_gy is None else f"{c.physical_gy:.2f}" for c in here.courses), f"{sums[0]} ({ORIENTATION})"],
        f"EQD2 at α/β {here.alpha_beta_gy:g} (Gy)": [*("unknown" if c.eqd2_gy is None else f"{c.eqd2_gy:.2f}" for c in here.courses), sums[1]],
        "Remark": [*(plain(c.reason) for c in here.courses), "" if here.is_complete else "courses that are unknown here are not in it"],
    }
