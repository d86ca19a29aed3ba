from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from reirrad.appcommand import SETTINGS
from reirrad.ui import server
from reirrad.ui.gate import HEADERS, POLICY, Gate, is_let_in
from reirrad.ui.session import Session
from reirrad.ui.tabs import TABS, Tabs

LOOPBACK = ["localhost", "127.0.0.1", "::1"]
CANARY = "CANARY^PATIENT"


@pytest.fixture(autouse=True)
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class TestWhoIsLetIn:
    @pytest.mark.hazard("H41")
    @pytest.mark.parametrize(
        ("host", "origin", "answer"),
        [
            ("127.0.0.1:8501", None, True),
            ("localhost:8501", "http://localhost:8501", True),
            ("[::1]:8501", "http://[::1]:8501", True),
            ("LOCALHOST:8501", "http://LOCALHOST:8501", True),
            ("127.0.0.1:8501", "http://localhost:8501", True),  # both are names of the server
            ("127.0.0.1:8501", "http://elsewhere.example", False),  # another site asks through the browser
            ("127.0.0.1:8501", "null", False),  # a page without a site: a file, a frame in a sandbox
            ("elsewhere.example:8501", "http://elsewhere.example:8501", False),  # a name that was made to point here
            ("elsewhere.example", None, False),
            ("127.0.0.1.elsewhere.example", None, False),
            (None, None, False),
            ("[::1", None, False),
            ("127.0.0.1", "http://[::1", False),
        ],
    )
    def test_by_name_and_site(self, host: str | None, origin: str | None, answer: bool) -> None:
        assert is_let_in(host, origin, LOOPBACK) is answer

    def test_a_server_that_cannot_know_its_names_asks_for_the_same_site(self) -> None:
        assert is_let_in("any.example", "https://any.example", [])
        assert not is_let_in("any.example", "https://elsewhere.example", [])

    def test_another_name_is_let_in_where_it_was_given(self) -> None:
        assert is_let_in("127.0.0.1:8501", "https://dose.clinic.example", [*LOOPBACK, "dose.clinic.example"])


async def behind(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Frame-Options", b"ALLOWALL"), (b"etag", b"1")]})
        await send({"type": "http.response.body", "body": b"page"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "lifespan.startup.complete"})


def answered(kind: str, **headers: str) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    asyncio.run(Gate(behind, lambda: LOOPBACK)(scope, None, send))  # type: ignore[arg-type]
    return sent


class TestGate:
    @pytest.mark.hazard("H41")
    def test_what_is_answered_bears_the_headers_once(self) -> None:
        start, body = answered("http", host="localhost:8501")
        assert start["headers"] == [(b"etag", b"1"), *HEADERS]
        assert dict(HEADERS)[b"x-frame-options"] == b"DENY"
        assert body["body"] == b"page"
        assert [m["type"] for m in answered("websocket", host="localhost:8501", origin="http://localhost:8501")] == ["websocket.accept"]
        assert [m["type"] for m in answered("lifespan")] == ["lifespan.startup.complete"]

    @pytest.mark.hazard("H41")
    def test_another_site_gets_nothing(self) -> None:
        start, body = answered("http", host="localhost:8501", origin="http://elsewhere.example")
        assert start["status"] == 403
        assert body["body"] != b"page"
        assert answered("websocket", host="localhost:8501", origin="http://elsewhere.example") == [{"type": "websocket.close", "code": 1008}]

    @pytest.mark.hazard("H39")
    def test_the_page_may_ask_this_server_alone(self) -> None:
        rules = {rule.split()[0]: rule.split()[1:] for rule in POLICY.split("; ")}
        for name in ("default-src", "connect-src", "form-action", "base-uri"):
            assert rules[name] == ["'self'"]
        assert rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
        assert "'unsafe-inline'" not in rules["script-src"]
        assert not [word for words in rules.values() for word in words if "http" in word or "*" in word]


class TestTabs:
    @pytest.mark.hazard("H37")
    def test_a_closed_tab_is_gone_after_a_while_and_an_open_one_is_not(self) -> None:
        tabs, one, two = Tabs(), Session(), Session()
        tabs.saw("one", one)
        tabs.saw("two", two)
        is_open = {"one": True, "two": True}.__getitem__
        assert tabs.gone(is_open, 1000.0, 60) == []
        is_open = {"one": False, "two": True}.__getitem__
        assert tabs.gone(is_open, 1059.0, 60) == []
        assert tabs.gone(is_open, 1060.0, 60) == ["one"]

    def test_a_connection_that_comes_back_begins_anew(self) -> None:
        tabs, one = Tabs(), Session()
        tabs.saw("one", one)
        tabs.gone(lambda _: True, 0.0, 60)
        assert tabs.gone(lambda _: False, 59.0, 60) == []
        tabs.saw("one", one)
        assert tabs.gone(lambda _: True, 61.0, 60) == []
        assert tabs.gone(lambda _: False, 120.0, 60) == []
        assert tabs.gone(lambda _: False, 121.0, 60) == ["one"]

    def test_a_tab_that_was_closed_before_it_was_asked_for_waits_its_time(self) -> None:
        tabs, one = Tabs(), Session()
        tabs.saw("one", one)
        assert tabs.gone(lambda _: False, 500.0, 60) == []
        assert tabs.gone(lambda _: False, 560.0, 60) == ["one"]

    @pytest.mark.hazard("H37")
    def test_what_is_forgotten_is_empty_though_somebody_still_holds_it(self) -> None:
        tabs, one, two = Tabs(), Session(), Session()
        for name, session in (("one", one), ("two", two)):
            tabs.saw(name, session)
            session.kept["ct"] = object()
            (session.folder / "CT").write_bytes(b"1")
        tabs.forget("one")
        assert (one.kept, one.folder.exists()) == ({}, False)
        assert (list(two.kept), two.folder.exists()) == (["ct"], True)
        tabs.forget("unknown")
        tabs.forget_all()
        assert (two.kept, two.folder.exists()) == ({}, False)
        assert tabs.gone(lambda _: False, 1e9, 1) == []

    @pytest.mark.hazard("H29")
    def test_it_holds_no_session(self) -> None:
        tabs, one = Tabs(), Session()
        tabs.saw("one", one)
        folder = one.folder
        del one
        gc.collect()
        assert not folder.exists()
        tabs.forget("one")


class TestLog:
    @pytest.fixture(autouse=True)
    def restored(self) -> Iterator[None]:
        factory, hook = logging.getLogRecordFactory(), threading.excepthook
        yield
        logging.setLogRecordFactory(factory)
        threading.excepthook = hook

    @pytest.mark.hazard("H37")
    def test_an_error_is_logged_by_type_and_place_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        logging.setLogRecordFactory(server.without_traceback)
        log = logging.getLogger("streamlit.error_util")
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            log.error("Uncaught app execution", exc_info=error)
            log.exception("%s of them", 2)
        log.warning("as it is: %s", "word")
        assert [r.getMessage() for r in caplog.records] == [
            f"Uncaught app execution (KeyError at test_ui_server.py:{caplog.records[0].msg.split(':')[-1][:-1]})",
            f"2 of them (KeyError at test_ui_server.py:{caplog.records[1].msg.split(':')[-1][:-1]})",
            "as it is: word",
        ]
        assert CANARY not in caplog.text
        assert "Traceback" not in caplog.text

    def test_an_error_without_a_place(self) -> None:
        assert server.named(ValueError(CANARY)) == "ValueError"
        assert server.named(None) == "unknown error"

    @pytest.mark.hazard("H37")
    def test_a_thread_that_fails_tells_no_more(self, capsys: pytest.CaptureFixture[str]) -> None:
        def fail() -> None:
            raise ValueError(CANARY)

        async def run() -> None:
            async with server.tended(server.app):
                thread = threading.Thread(target=fail)
                thread.start()
                thread.join()

        asyncio.run(run())
        said = capsys.readouterr().err
        assert said.startswith("A thread of the page ended: ValueError at test_ui_server.py:")
        assert CANARY not in said

    @pytest.mark.hazard("H37")
    def test_nothing_is_left_when_the_server_ends_and_what_others_left_goes_when_it_starts(self, tmp_path: Path) -> None:
        left = tmp_path / f"reirrad-tab-{2**22 + 1}-abc"  # no process has this number
        left.mkdir()
        session = Session()

        async def run() -> None:
            async with server.tended(server.app):
                assert not left.exists()
                TABS.saw("test", session)
                assert session.folder.exists()

        asyncio.run(run())
        assert not session.folder.exists()


class TestTending:
    @pytest.mark.hazard("H37")
    def test_a_session_that_was_left_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        closed: list[str] = []

        class Streamlit:
            def is_active_session(self, name: str) -> bool:
                return name == "open"

            def close_session(self, name: str) -> None:
                closed.append(name)

            @property
            def media_file_mgr(self) -> Streamlit:
                return self

            def remove_orphaned_files(self) -> None:
                closed.append("files")

        monkeypatch.setattr(server, "get_instance", Streamlit)
        monkeypatch.setattr(server.config, "get_option", {"server.disconnectedSessionTTL": 0.08}.__getitem__)
        monkeypatch.setattr(server, "TABS", Tabs())
        kept, left = Session(), Session()
        server.TABS.saw("open", kept)
        server.TABS.saw("left", left)

        async def run() -> None:
            async with server.tended(server.app):
                for _ in range(500):
                    if "files" in closed:
                        break
                    await asyncio.sleep(0.01)
                assert kept.folder.exists()

        asyncio.run(run())
        assert closed == ["left", "files"]
        assert not left.folder.exists()


@pytest.mark.hazard("H36")
def test_both_ways_to_start_have_the_same_settings() -> None:
    stated = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert {f"{section}.{key}": value for section, options in stated.items() for key, value in options.items()} == SETTINGS
    assert SETTINGS["server.address"] == "127.0.0.1"
    assert SETTINGS["server.enableXsrfProtection"] is SETTINGS["server.enableCORS"] is True
    assert SETTINGS["browser.gatherUsageStats"] is SETTINGS["server.enableAgentApi"] is SETTINGS["server.enableStaticServing"] is False
    assert server.SCRIPT == ROOT / "reirrad" / "ui" / "app.py"
