from __future__ import annotations

import gc
import logging
import os
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from case_factory import write_case

from reirrad.errors import CaseFileError, ReirradError
from reirrad.ui import session as module
from reirrad.ui.session import Session, sweep
from reirrad.ui.text import plain


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return Session()


@pytest.mark.hazard("H37")
def test_the_folder_is_private_and_goes_with_the_session(session: Session) -> None:
    folder = session.folder
    (folder / "case").mkdir()
    (folder / "case" / "CT").write_bytes(b"1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    del session
    gc.collect()
    # the fixture holds a reference, too: a session of its own shows what happens
    other = Session()
    place = other.folder
    (place / "CT").write_bytes(b"1")
    del other
    gc.collect()
    assert not place.exists()
    assert folder.exists()


@pytest.mark.hazard("H10")
def test_another_patient_leaves_nothing_of_the_first(session: Session, tmp_path: Path) -> None:
    write_case(session.folder / "case")
    session.calculate(session.folder / "case" / "case.yaml")
    session.document, session.case_folder, session.kept = {"courses": []}, session.folder / "case", {"ct": object()}
    (session.folder / "link").symlink_to(tmp_path)
    session.is_changed = True
    before = session.version, session.patient
    session.clear()
    assert (session.document, session.case_folder, session.loaded, session.opened, session.kept) == (None, None, None, None, {})
    assert not session.is_changed
    assert list(session.folder.iterdir()) == []
    assert tmp_path.exists()
    assert (session.version, session.patient) == (before[0] + 1, before[1] + 1)


def test_a_folder_that_a_cleaner_took_is_made_again(session: Session) -> None:
    session.folder.rmdir()
    session.clear()
    assert stat.S_IMODE(session.folder.stat().st_mode) == 0o700


@pytest.mark.hazard("H18")
def test_a_calculation_is_kept_and_empties_what_was_made_of_the_one_before(session: Session) -> None:
    folder = write_case(session.folder / "case")
    session.kept["dvh"] = "old"
    told: list[str] = []
    loaded = session.calculate(folder / "case.yaml", told.append)
    assert session.loaded is loaded
    assert session.kept == {}
    assert (loaded.folder, loaded.case_file) == (folder, folder / "case.yaml")
    assert loaded.assessment.organs[0].cumulative.values["max_gy"] == pytest.approx(64, abs=1e-3)
    assert "reading course first" in told
    assert "Rectum" in told
    (folder / "case.yaml").write_text("courses: []")
    with pytest.raises(CaseFileError):
        session.calculate(folder / "case.yaml")
    assert session.loaded is loaded


@pytest.mark.hazard("H10")
def test_a_patient_that_was_replaced_meanwhile_is_not_kept(session: Session) -> None:
    folder = write_case(session.folder / "case")

    def replace(said: str) -> None:
        if said == "Rectum":
            session.clear()

    with pytest.raises(ReirradError, match="Another patient was opened"):
        session.calculate(folder / "case.yaml", replace)
    assert session.loaded is None


@pytest.mark.hazard("H37")
def test_folders_of_dead_servers_are_swept_and_of_living_ones_are_not(session: Session, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    dead = temporary / f"reirrad-tab-{int(ended.stdout)}-abc"
    strange = temporary / "reirrad-tab-x-abc"
    system = temporary / "reirrad-tab-1-abc"
    for folder in (dead, strange, system):
        folder.mkdir()
        (folder / "CT").write_bytes(b"1")
    sweep()
    assert not dead.exists()
    assert strange.exists()
    assert system.exists()
    assert session.folder.exists()


def test_where_processes_cannot_be_asked_nothing_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(process: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert module._is_running(1)
    monkeypatch.setattr(os, "name", "nt")
    assert module._is_running(1)


@pytest.mark.hazard("H37")
def test_pydicom_says_nothing_whatever_another_thread_restores(caplog: pytest.LogCaptureFixture) -> None:
    level = logging.getLogger("pydicom").level
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            module._hush()
            warnings.warn_explicit("value of a patient", UserWarning, "valuerep.py", 1, "pydicom.valuerep")
            warnings.warn_explicit("something else", UserWarning, "x.py", 1, "numpy")
        logging.getLogger("pydicom").error("value of a patient")
    finally:
        logging.getLogger("pydicom").setLevel(level)
    assert [str(w.message) for w in caught] == ["something else"]
    assert caplog.records == []


@pytest.mark.hazard("H39")
def test_text_from_outside_is_no_markup() -> None:
    assert plain("<b>*x*</b> [a](b) :smile: $x^2$ `c` #1 ~~d~~ a|b") == (r"\<b\>\*x\*\</b\> \[a\]\(b\) \:smile\: \$x^2\$ \`c\` \#1 \~\~d\~\~ a\|b")
    assert plain("a\nb\x1b[31m\u202e") == r"a b \[31m"
    assert plain("see HTTPS://a.b/c, www.a.b, me@a.b; wwwa") == "see HTTPS\u2060\\://a\\.b/c, www\u2060\\.a\\.b, me\u2060@a\\.b; wwwa"
    assert plain(":material/home:") == "\\:\u2060material/home\\:"
    assert plain("x" * 3000, 10) == "x" * 9 + "…"
