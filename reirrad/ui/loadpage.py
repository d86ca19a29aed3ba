"""The Load page: files of a patient in, tables to check, calculate."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from reirrad.casefile import CASE_FILE
from reirrad.errors import CaseFileError, ReirradError, printable
from reirrad.table import VERDICTS
from reirrad.ui import archivetab
from reirrad.ui.caseeditor import show_editor
from reirrad.ui.casetext import case_text, refusal_of, said_of
from reirrad.ui.found import found_for
from reirrad.ui.opened import Opened, open_folder, read_document
from reirrad.ui.session import Session, current
from reirrad.ui.text import plain
from reirrad.ui.uploads import allowed, allowed_folders, copied, received, samples

__all__ = ["calculate", "checked", "open_case_file", "open_path", "open_uploads", "show"]

FOLDER, FILES, HERE, ARCHIVE, SAMPLE = "A folder", "A zip or single files", "A path on this machine", "The archive", "A sample"
LIMITS_PAGE: Final = Path(__file__).parent / "pages" / "limits.py"
SHOW_VERDICT: Final[dict[str, Callable[..., Any]]] = {"within": st.success, "caution": st.warning, "exceeded": st.error, "not_evaluable": st.warning}
LARGEST_CASE_FILE: Final = 1_000_000
REFUSED: Final = "load_refused"  # why the last files were not opened
TICK_S: Final = 0.1
Tell = Callable[[str], None]


def show() -> None:
    """Show the page."""
    session = current()
    st.title("Load a case")
    said = st.container()  # there in any case, so that what is unfolded below stays so
    if REFUSED in session.kept:
        said.error(plain(session.kept[REFUSED]))
    if session.opened is None:
        st.caption("Exports of the planning system: RTDOSE, RTPLAN, RTSTRUCT and CT of every course. Nothing of them stays when this tab is closed.")
        _sources(session)
        return
    with st.expander("Open another case in place of this one"):
        _sources(session)
    _case(session)


def open_uploads(session: Session, uploads: Sequence[Any], tell: Tell = lambda _: None) -> None:
    """Open uploaded files in place of whatever was open.

    Raises
    ------
    ReirradError
        When they cannot be used; then nothing is open.
    """
    _open(session, lambda: (received(uploads, session.folder), None), tell)


def open_path(session: Session, path: Path, tell: Tell = lambda _: None) -> None:
    """Open a copy of a case of this machine in place of whatever was open.

    Raises
    ------
    ReirradError
        When it cannot be used; then nothing is open.
    """
    _open(session, lambda: copied(path, session.folder, tell), tell)


def open_case_file(session: Session, content: bytes) -> None:
    """Take another case file for the files that are open.

    Raises
    ------
    ReirradError
        When it is none; then all stays as it was.
    """
    assert session.opened is not None
    if len(content) > LARGEST_CASE_FILE:
        raise CaseFileError(f"The file has {len(content) / 1e6:.1f} MB, which no case file needs. Give the case file of this case.")
    path = session.folder / "opened.yaml"
    path.write_bytes(content)
    try:
        document = read_document(path, CASE_FILE)
    finally:
        path.unlink()
    session.opened.is_draft = False
    session.opened.found = found_for(session.opened.folder, document["courses"])
    session.document = document
    session.version += 1


def checked(session: Session, text: str) -> str | None:
    """Why the open case would be refused with this case file, as far as the file itself tells or the last calculation told; None when it would not."""
    opened = session.opened
    assert opened is not None
    if opened.checked is None or opened.checked[0] != text:
        opened.checked = (text, refusal_of(_written(opened, text)))
    return opened.checked[1]


def calculate(session: Session, text: str, tell: Tell = lambda _: None) -> None:
    """Calculate the open case with this case file; a refusal is kept for the tables.

    Raises
    ------
    ReirradError
        As `Session.calculate`.
    """
    opened = session.opened
    assert opened is not None
    try:
        session.calculate(_written(opened, text), tell)
    except ReirradError as refusal:
        opened.checked = (text, str(refusal))
        raise
    opened.calculated, opened.checked = text, (text, None)


def _written(opened: Opened, text: str) -> Path:
    """The case file in the private folder of the tab, with this text."""
    path = opened.folder / opened.name
    path.write_text(text, encoding="utf-8")
    return path


def _open(session: Session, take: Callable[[], tuple[Path, str | None]], tell: Tell) -> None:
    session.clear()
    try:
        folder, named = take()
        opened = open_folder(folder, named, tell)
    except BaseException:
        session.clear()
        raise
    session.opened, session.document, session.case_folder = opened, opened.base, folder


def _sources(session: Session) -> None:
    """Ask where the case comes from, and open it."""
    folders, made = allowed_folders(), samples()
    sources = [FOLDER, FILES, *([HERE] if folders else []), *([ARCHIVE] if archivetab.is_offered() else []), *([SAMPLE] if made else [])]
    source = st.radio("Open", sources, horizontal=True, key="load-source")
    key = f"upload-{session.patient}-{session.version}"
    if source == FOLDER:
        uploads = st.file_uploader("Folder with the DICOM files of one patient", accept_multiple_files="directory", key=f"folder-{key}")
        _intake(session, uploads)
    elif source == FILES:
        uploads = st.file_uploader("A zip of that folder, or its files", accept_multiple_files=True, key=f"files-{key}")
        _intake(session, uploads)
    elif source == HERE:
        with st.form("load-path", border=False):
            text = st.text_input("Folder, zip or case file", help=f"Below {plain(', '.join(map(str, folders)))}.", key="load-path-text")
            if st.form_submit_button("Open") and text.strip():
                _try(session, lambda tell: open_path(session, allowed(text, folders), tell))
    elif source == ARCHIVE:
        archivetab.show(session, lambda title, work: _try(session, work, title=title), _open)
    else:
        where, button = st.columns([4, 1], vertical_alignment="bottom")
        name = where.selectbox("Sample (made data, no patient)", list(made), format_func=printable, key="load-sample")
        if button.button("Open the sample", type="primary"):
            _try(session, lambda tell: open_path(session, made[name], tell))


def _intake(session: Session, uploads: Sequence[Any]) -> None:
    if uploads:
        _try(session, lambda tell: open_uploads(session, uploads, tell), uploads)


def _try(session: Session, work: Callable[[Tell], None], uploads: Sequence[Any] = (), title: str = "Reading the files") -> None:
    """Do the work with progress shown, then show the page anew, with the reason where it was refused."""
    session.kept.pop(REFUSED, None)
    try:
        _with_progress(title, work)
    except ReirradError as refusal:
        session.kept[REFUSED] = str(refusal)
        session.version += 1  # another uploader, which does not hold these files
    finally:
        _free(uploads)
    st.rerun()


def _free(uploads: Sequence[Any]) -> None:
    """Drop uploaded files from the memory of the server; they are in the folder of the tab, or were refused."""
    context = get_script_run_ctx()
    manager = None if context is None else context.uploaded_file_mgr
    if context is not None and isinstance(manager, MemoryUploadedFileManager):
        for upload in uploads:
            manager.remove_file(context.session_id, upload.file_id)


def _with_progress(title: str, work: Callable[[Tell], None]) -> None:
    """Do work on a thread of its own and show what it tells; a page must not be written to from several threads."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    with st.spinner(title, show_time=True), ThreadPoolExecutor(1) as pool:
        line = st.empty()
        done = pool.submit(work, told.put)
        while not done.done():
            try:
                said = told.get(timeout=TICK_S)
                while not told.empty():
                    said = told.get()
                line.caption(plain(said))
            except queue.Empty:
                continue
        line.empty()
        done.result()


def _case(session: Session) -> None:
    """The open case: what was found, the tables, calculate and save."""
    opened = session.opened
    assert opened is not None
    _heading(session)
    for notice in opened.notices:
        st.warning(plain(notice.message))
    document, slots = show_editor(session)
    text = case_text(document)
    session.document, session.is_changed = document, session.loaded is not None and opened.calculated != text
    refusal = checked(session, text)
    for said in said_of(refusal, document) if refusal is not None else ():
        slots[said.section].error(f"**{plain(said.about)}**: {plain(said.message)}" if said.about else plain(said.message))
    st.divider()
    go, save, _ = st.columns([1, 1, 2])
    if go.button("Calculate", type="primary", width="stretch"):
        with contextlib.suppress(ReirradError):  # kept, and shown in its place
            _with_progress("Calculating", lambda tell: calculate(session, text, tell))
        st.rerun()
    save.download_button("Save the case file", text, CASE_FILE, "application/yaml", on_click="ignore", width="stretch")
    _outcome(session, refusal)
    with st.expander("Open a saved case file for these files"):
        saved = st.file_uploader("Case file (case.yaml)", ["yaml", "yml"], key=f"saved-{session.patient}-{session.version}", max_upload_size=1)
        if saved is not None:
            _try(session, lambda _: open_case_file(session, saved.getvalue()), [saved])


def _heading(session: Session) -> None:
    """What the case is called, what its files hold, and which case file is used."""
    opened = session.opened
    assert opened is not None
    found = opened.found
    objects = [f"{n} {role}" for role, n in sorted(found.counts.items())] + ([f"{found.n_other} other"] if found.n_other else [])
    stated = "Proposed from the files: nobody has checked it yet." if opened.is_draft else f"As {plain(opened.name)} states it."
    st.caption(f"{plain((session.document or opened.base).get('case') or opened.folder.name)} · {', '.join(objects) or 'no DICOM objects'} · {stated}")
    if len(opened.documents) > 1:
        names = list(opened.documents)
        name = st.selectbox("Case file", names, names.index(opened.name), format_func=printable, key=f"case-file-{session.version}")
        if name != opened.name:
            opened.name, session.document, opened.calculated = name, opened.documents[name], None
            session.version += 1
            st.rerun()


def _outcome(session: Session, refusal: str | None) -> None:
    """What the calculation said, or why there is none."""
    loaded = session.loaded
    if refusal is not None:
        st.error("Not calculated as it stands: what is missing or wrong is said above, beside what mends it.")
    if loaded is None:
        return
    if not session.is_changed:
        words, _ = VERDICTS[loaded.assessment.verdict]
        SHOW_VERDICT[loaded.assessment.verdict](f"Calculated: {plain(words)}.")
    else:
        st.info("Changed since the last calculation. The other pages show the case as it was calculated; calculate again to bring them up to date.")
    st.page_link(LIMITS_PAGE, label="See the limits")
