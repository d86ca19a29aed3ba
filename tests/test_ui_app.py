from __future__ import annotations

from pathlib import Path

import pytest
from case_factory import write_case
from conftest import ROOT
from streamlit.testing.v1 import AppTest

from reirrad import __version__
from reirrad.ui.app import PAGES
from reirrad.ui.session import KEY
from reirrad.ui.tabs import TABS, Tabs

OTHERS = [name for name, _ in PAGES if name != "load"]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("app"))


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


def test_every_page_says_what_the_program_is_and_is_not(page: AppTest) -> None:
    assert not page.exception
    assert page.caption[-1].value == f"reirrad {__version__} · decision support for professionals, not a medical device: check independently before use"


@pytest.mark.parametrize("name", OTHERS)
def test_a_page_without_a_case_says_what_to_do(page: AppTest, name: str) -> None:
    page.switch_page(f"reirrad/ui/pages/{name}.py").run()
    assert not page.exception
    assert not page.error
    assert page.info[0].value.startswith("Load a case first")
    assert "not a medical device" in page.caption[-1].value


def test_all_pages_share_the_session_of_their_tab(page: AppTest) -> None:
    session = page.session_state[KEY]
    for name in OTHERS:
        page.switch_page(f"reirrad/ui/pages/{name}.py").run()
        assert page.session_state[KEY] is session


@pytest.mark.hazard("H18")
@pytest.mark.parametrize("name", OTHERS)
def test_a_case_that_was_edited_is_said_on_every_page(name: str, page: AppTest, case: Path) -> None:
    session = page.session_state[KEY]
    session.calculate(case / "case.yaml")
    said = "changed on the page Load after this was calculated"
    page.switch_page(f"reirrad/ui/pages/{name}.py").run()
    assert not page.exception
    assert [w for w in page.warning if said in w.value] == []
    session.is_changed = True
    page.run()
    assert len([w for w in page.warning if said in w.value]) == 1


@pytest.mark.hazard("H29")
def test_another_tab_has_another_session(page: AppTest) -> None:
    other = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert other.session_state[KEY] is not page.session_state[KEY]
    assert other.session_state[KEY].folder != page.session_state[KEY].folder


@pytest.mark.hazard("H37")
def test_a_tab_is_known_so_that_it_can_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    tabs = Tabs()
    monkeypatch.setattr("reirrad.ui.app.TABS", tabs)
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    folder = page.session_state[KEY].folder
    assert folder.is_dir()
    tabs.forget_all()
    assert not folder.exists()
    assert TABS is not tabs
