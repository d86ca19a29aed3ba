"""The archive on the Load page: a patient is found, fetched and opened; nothing half fetched is left, and no Patient ID leaves the tab."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from archive_factory import PATIENT, FakeArchive, serving, stored_case
from pydicom.dataset import Dataset
from streamlit.testing.v1 import AppTest

from reirrad.errors import DicomError
from reirrad.pacs.errors import ArchiveError
from reirrad.pacs.listing import Listing, Series
from reirrad.pacs.profile import DimseProfile
from reirrad.ui import archivetab
from reirrad.ui.archivetab import TALKATIVE, fetched, is_offered, study_rows
from reirrad.ui.session import KEY, Session

APP = Path(__file__).resolve().parent.parent / "app.py"
THE_ARCHIVE = "The archive"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    """Two courses, each a study of a plan, a dose, a structure set and two CT planes."""
    return stored_case(tmp_path_factory.mktemp("stored"), (1, 2), 2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home without a profile; loggers as they were before."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REIRRAD_FOLDERS", raising=False)
    levels = {name: logging.getLogger(name).level for name in TALKATIVE}
    yield tmp_path
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def write_profile(home: Path, used: DimseProfile) -> Path:
    file = home / ".config" / "reirrad" / "pacs.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[here]\nprotocol = "dimse"\nhost = "{used.host}"\nport = {used.port}\nae_title = "{used.ae_title}"\nattempts = 1\n')
    file.chmod(0o600)
    return file


def opened_page() -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=60).run()
    return page.radio(key="load-source").set_value(THE_ARCHIVE).run()


def session_of(page: AppTest) -> Session:
    session = page.session_state[KEY]
    assert isinstance(session, Session)
    return session


def type_id(page: AppTest, patient_id: str) -> None:
    next(t for t in page.text_input if t.label == "Patient ID").set_value(patient_id)


def typed(page: AppTest) -> str:
    return str(next(t for t in page.text_input if t.label == "Patient ID").value)


def press(page: AppTest, label: str) -> AppTest:
    page = next(b for b in page.button if b.label == label).click().run()
    assert not page.exception
    return page


def buttons(page: AppTest) -> set[str]:
    return {b.label for b in page.button} & {"Find", "Fetch and open"}


def errors(page: AppTest) -> list[str]:
    return [e.value.replace("\\", "") for e in page.error]


def files_below(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def find(page: AppTest, patient_id: str = PATIENT) -> AppTest:
    type_id(page, patient_id)
    return press(page, "Find")


class TestOffered:
    def test_only_with_a_profile(self, home: Path) -> None:
        assert not is_offered()
        page = AppTest.from_file(str(APP), default_timeout=60).run()
        assert THE_ARCHIVE not in page.radio(key="load-source").options
        write_profile(home, DimseProfile(protocol="dimse", host="127.0.0.1", port=1, ae_title="ARCHIVE"))
        assert is_offered()
        assert page.run().radio(key="load-source").options == ["A folder", "A zip or single files", THE_ARCHIVE, "A sample"]

    def test_not_without_the_libraries(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_profile(home, DimseProfile(protocol="dimse", host="127.0.0.1", port=1, ae_title="ARCHIVE"))
        monkeypatch.setattr(archivetab, "find_spec", lambda name: None if name == "pynetdicom" else object())
        assert not is_offered()

    def test_not_without_a_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def homeless(_: Path) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "expanduser", homeless)
        assert not is_offered()

    @pytest.mark.hazard("H37")
    def test_a_profile_that_others_may_read_is_refused(self, home: Path) -> None:
        write_profile(home, DimseProfile(protocol="dimse", host="127.0.0.1", port=1, ae_title="ARCHIVE")).chmod(0o644)
        page = find(opened_page())
        assert "is open to others than you" in errors(page)[0]
        assert buttons(page) == {"Find"}


class TestFind:
    def test_studies_by_date_with_their_series(self) -> None:
        listing = Listing(
            (
                Series("1.2.2", "20230501", "1.2.2.1", "RTDOSE", 1),
                Series("1.2.2", "20230501", "1.2.2.2", "RTDOSE", 3),
                Series("1.2.2", "20230501", "1.2.2.3", "PT", 90),
                Series("1.2.9", "20210304", "1.2.9.1", "CT", 200),
                Series("1.2.3", "", "1.2.3.1", "RTPLAN", None),
            )
        )
        rows = [{k: v for k, v in row.items() if v is not None} for row in study_rows(listing)]
        assert rows == [{"Date": "not stated", "Plans": 1}, {"Date": "2021-03-04", "CTs": 1}, {"Date": "2023-05-01", "Doses": 2, "Other": 1}]
        assert all(set(row) == {"Date", "Plans", "Doses", "Structures", "Registrations", "Records", "CTs", "Other"} for row in study_rows(listing))

    def test_what_the_archive_lists_is_shown(self, home: Path, stored: list[Dataset]) -> None:
        with serving(FakeArchive(stored)) as used:
            write_profile(home, used)
            page = find(opened_page(), f" {PATIENT} ")
        assert errors(page) == []
        table = page.dataframe[0].value
        assert list(table["Date"]) == ["2021-03-04", "2022-03-04"]
        assert [list(table[kind]) for kind in ("Plans", "Doses", "Structures", "CTs")] == [[1, 1]] * 4
        assert "Patient ID CANARYXQ-7: 2 studies in the archive" in "".join(m.value for m in page.markdown).replace("\\", "").replace("**", "")
        assert session_of(page).opened is None
        assert files_below(session_of(page).folder) == []

    def test_only_the_patient_who_was_found_can_be_fetched(self, home: Path, stored: list[Dataset]) -> None:
        archive = FakeArchive(stored)
        with serving(archive) as used:
            write_profile(home, used)
            page = find(opened_page())
            assert buttons(page) == {"Find", "Fetch and open"}
            type_id(page, "SOMEBODY-ELSE")
            press(page, "Fetch and open")
            assert [i.value for i in page.info] == ["The Patient ID was changed: find that patient first."]
            assert buttons(page) == {"Find"}
            find(page, "SOMEBODY-ELSE")
        assert errors(page) == ["The archive lists no study of this patient. Check the Patient ID, letter by letter, and whether the archive is the right one."]
        assert buttons(page) == {"Find"}
        assert archive.n_asked == 0

    def test_without_dose_nothing_is_fetched(self, home: Path, stored: list[Dataset]) -> None:
        with serving(FakeArchive([d for d in stored if d.Modality != "RTDOSE"])) as used:
            write_profile(home, used)
            page = find(opened_page())
        assert [w.value for w in page.warning] == ["The archive has no dose of this patient, so there is nothing to add up. Was dose exported to this archive?"]
        assert buttons(page) == {"Find"}

    @pytest.mark.parametrize("wrong", ["", "CANARY*"])
    def test_a_patient_id_means_one_patient(self, home: Path, wrong: str) -> None:
        write_profile(home, DimseProfile(protocol="dimse", host="127.0.0.1", port=1, ae_title="ARCHIVE"))
        assert "Give the whole ID of one patient." in errors(find(opened_page(), wrong))[0]


class TestFetch:
    @pytest.mark.hazard("H37")
    def test_a_patient_is_opened_as_an_upload_is(self, home: Path, stored: list[Dataset], caplog: Any, capfd: Any) -> None:
        with serving(FakeArchive(stored)) as used:
            write_profile(home, used)
            page = press(find(opened_page()), "Fetch and open")
        assert errors(page) == []
        session = session_of(page)
        assert session.opened is not None
        assert session.opened.is_draft
        assert session.opened.found.counts == {"CT": 4, "RTDOSE": 2, "RTPLAN": 2, "RTSTRUCT": 2}
        assert session.opened.found.n_other == 0
        assert session.opened.folder == session.folder / "case"
        assert list(page.data_editor[0].value["planned"]) == [10, 5]
        assert (session.folder.stat().st_mode & 0o777, session.opened.folder.stat().st_mode & 0o777) == (0o700, 0o700)
        assert not any("CANARY" in str(p) for p in session.folder.rglob("*"))
        assert typed(page) == ""
        assert "CANARY" not in caplog.text + "".join(capfd.readouterr())
        assert not page.query_params

    def test_it_replaces_the_patient_before(self, home: Path, stored: list[Dataset]) -> None:
        with serving(FakeArchive(stored)) as used:
            write_profile(home, used)
            page = opened_page()
            session = session_of(page)
            (session.folder / "before.dcm").write_bytes(b"")
            session.kept["images"] = "of the patient before"
            before = session.patient
            press(find(page), "Fetch and open")
        assert not (session.folder / "before.dcm").exists()
        assert session.kept == {}
        assert session.patient == before + 1

    def test_what_the_archive_lacks_is_said_as_long_as_the_case_is_open(self, home: Path, stored: list[Dataset]) -> None:
        with serving(FakeArchive([d for d in stored if d.Modality != "CT" or d.StudyInstanceUID == "1.2.3.8.1"])) as used:
            write_profile(home, used)
            page = press(find(opened_page()), "Fetch and open")
        assert errors(page) == []
        said = "The archive does not have 1 image series that structures were drawn on"
        assert said in page.warning[0].value
        session = session_of(page)
        session.kept = {}  # as a calculation does
        assert said in page.run().warning[0].value
        session.clear()
        assert said not in "".join(w.value for w in page.run().warning)

    @pytest.mark.hazard("H37")
    def test_what_does_not_arrive_whole_leaves_nothing(self, home: Path, stored: list[Dataset]) -> None:
        archive = FakeArchive(stored, send_only=lambda n: n != 3)
        with serving(archive) as used:
            write_profile(home, used)
            page = press(find(opened_page()), "Fetch and open")
            session = session_of(page)
            assert len(errors(page)) == 1
            assert errors(page)[0].endswith(
                "did not arrive, although the archive lists them. Not everything arrived, and nothing was kept: fetch the patient again."
            )
            assert "unfinished" not in errors(page)[0]
            assert session.opened is None
            assert list(session.folder.iterdir()) == []
            assert typed(page) == PATIENT
            archive.send_only = lambda n: True
            press(press(page, "Find"), "Fetch and open")
        assert errors(page) == []
        assert session.opened is not None

    def test_another_patient_is_refused(self, home: Path, stored: list[Dataset]) -> None:
        def swapped(ds: Dataset) -> Dataset:
            other = deepcopy(ds)
            other.PatientID = "CANARY-OTHER"
            return other

        with serving(FakeArchive(stored, change=swapped)) as used:
            write_profile(home, used)
            page = press(find(opened_page()), "Fetch and open")
        assert "carries another Patient ID than the one asked for" in errors(page)[0]
        assert "CANARY" not in errors(page)[0]
        assert list(session_of(page).folder.iterdir()) == []

    def test_what_cannot_be_opened_leaves_nothing(self, home: Path, stored: list[Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise DicomError("No case can be proposed.")

        monkeypatch.setattr("reirrad.ui.opened.propose", refuse)
        with serving(FakeArchive(stored)) as used:
            write_profile(home, used)
            page = press(find(opened_page()), "Fetch and open")
        assert errors(page) == ["No case can be proposed."]
        assert session_of(page).opened is None
        assert list(session_of(page).folder.iterdir()) == []

    @pytest.mark.hazard("H37")
    def test_an_unforeseen_error_says_nothing_of_the_patient(self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise ValueError(f"https://archive/studies?PatientID={PATIENT}")

        write_profile(home, DimseProfile(protocol="dimse", host="127.0.0.1", port=1, ae_title="ARCHIVE"))
        monkeypatch.setattr(archivetab, "fetch", broken)
        with pytest.raises(ArchiveError, match=r"^The exchange with the archive failed \(ValueError\). Ask the administrator of this page.$") as refused:
            fetched(PATIENT, tmp_path / "case")
        assert refused.value.__suppress_context__

    @pytest.mark.hazard("H37")
    def test_libraries_stay_silent_also_when_another_tab_is_done(self, home: Path, tmp_path: Path, caplog: Any) -> None:
        write_profile(home, DimseProfile(protocol="dimse", host="127.0.0.1", port=1, ae_title="ARCHIVE"))
        with pytest.raises(ArchiveError, match="No DICOM connection"):
            fetched(PATIENT, tmp_path / "case")
        for name in ("pynetdicom.events", "urllib3.connectionpool"):
            logging.getLogger(name).critical(PATIENT)
        assert caplog.text == ""


@pytest.mark.hazard("H36")
@pytest.mark.parametrize(("address", "offered"), [("127.0.0.1", True), ("0.0.0.0", False), (None, False)])
def test_a_page_that_others_reach_does_not_offer_the_archive(address: str | None, offered: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profile = tmp_path / "pacs.toml"
    profile.write_text("")
    monkeypatch.setattr(archivetab, "PROFILE_FILE", profile)
    monkeypatch.setattr(archivetab.config, "get_option", lambda _: address)
    assert archivetab.is_offered() is offered
