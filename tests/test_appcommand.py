from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import typer
from page_server import free_port, page_server, stop
from typer.testing import CliRunner

from reirrad import appcommand
from reirrad.appcommand import FOLDERS_VARIABLE, settings

START = "import typer; from reirrad.appcommand import app; typer.run(app)"
command = typer.Typer()
command.command()(appcommand.app)


class Page:
    """Stands for the page; it notes how it was run."""

    def __init__(self) -> None:
        self.ran: list[dict[str, object]] = []
        self.app = self

    def run(self, *, config: dict[str, object]) -> None:
        self.ran.append(config)
        raise KeyboardInterrupt


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    found = Page()
    monkeypatch.setitem(sys.modules, appcommand.PAGE, found)  # type: ignore[arg-type]
    monkeypatch.delenv(FOLDERS_VARIABLE, raising=False)
    return found


def test_by_default_this_machine_alone(page: Page) -> None:
    port = free_port()
    done = CliRunner().invoke(command, ["--port", str(port)])
    assert done.exit_code == 0
    assert done.stdout == f"The page is at http://localhost:{port} (stop with Ctrl-C)\n"
    assert done.stderr == "Stopped on request.\n"
    assert page.ran == [settings(port, "127.0.0.1", [])]
    assert FOLDERS_VARIABLE not in os.environ


@pytest.mark.hazard("H36")
def test_another_address_is_told_of(page: Page) -> None:
    port = free_port()
    done = CliRunner().invoke(command, ["--port", str(port), "--address", "0.0.0.0", "--host", "dose.clinic.example"])
    assert done.exit_code == 0
    assert "Other computers can reach the page at 0.0.0.0. It has no log-in and no encryption of its own" in done.stderr
    assert page.ran[0]["server.address"] == "0.0.0.0"
    assert page.ran[0]["server.allowedHosts"] == ["localhost", "127.0.0.1", "::1", "dose.clinic.example"]


@pytest.mark.parametrize(
    ("address", "listened", "names"),
    [
        ("127.0.0.1", "127.0.0.1", ["localhost", "127.0.0.1", "::1"]),
        ("localhost", "127.0.0.1", ["localhost", "127.0.0.1", "::1"]),
        ("10.0.0.7", "10.0.0.7", ["localhost", "127.0.0.1", "::1", "10.0.0.7"]),
        ("0.0.0.0", "0.0.0.0", []),
    ],
)
def test_names_that_the_server_answers_to(address: str, listened: str, names: list[str]) -> None:
    chosen = settings(8501, address, [])
    assert (chosen["server.address"], chosen["server.allowedHosts"], chosen["server.port"]) == (listened, names, 8501)


def test_folders_of_this_machine(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS_VARIABLE, "")  # so that what the command sets goes again
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    arguments = ["--port", str(free_port()), "--folder", str(tmp_path / "a"), "--folder", str(tmp_path / "a" / ".." / "b")]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert os.environ[FOLDERS_VARIABLE].split(os.pathsep) == [str(tmp_path / "a"), str(tmp_path / "b")]
    done = CliRunner().invoke(command, ["--folder", str(tmp_path / "missing")])
    assert done.exit_code == 2
    assert "is not a folder" in done.stderr
    assert len(page.ran) == 1


def test_a_port_that_is_taken_is_refused(page: Page) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = CliRunner().invoke(command, ["--port", str(port)])
    assert done.exit_code == 2
    assert done.stderr == f"Refused: port {port} is taken, perhaps by another page that still runs. Stop that one, or choose another port with --port.\n"
    assert page.ran == []


def test_an_address_that_is_not_of_this_machine_is_refused(page: Page) -> None:
    done = CliRunner().invoke(command, ["--address", "192.0.2.1"])  # an address for documentation alone
    assert done.exit_code == 2
    assert done.stderr.startswith("Refused: nothing can listen at '192.0.2.1', port 8501")
    assert page.ran == []


def listening(process: int) -> set[str]:
    """Addresses that a process listens at, as the system tells them in hexadecimal figures."""
    sockets = {str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir() if link.is_symlink()}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{process}/net/{name}").read_text().splitlines()[1:]]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


def refused(url: str, data: bytes | None = None, **headers: str) -> int:
    """Status of an answer that refuses."""
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(urllib.request.Request(url, data, headers, method="GET" if data is None else "PUT"))
    with answer.value:
        return answer.value.code


@pytest.mark.hazard("H36")
@pytest.mark.hazard("H41")
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets of a process are asked of Linux")
def test_the_server_listens_on_this_machine_alone_and_answers_no_other_site(tmp_path: Path) -> None:
    """The real command; an adverse configuration of the user is overruled."""
    (tmp_path / ".streamlit").mkdir()
    adverse = """
[server]
address = "0.0.0.0"
enableCORS = false
enableXsrfProtection = false
[browser]
gatherUsageStats = true
"""
    (tmp_path / ".streamlit" / "config.toml").write_text(adverse)
    with page_server(tmp_path, command=[sys.executable, "-c", START]) as server:
        assert listening(server.process.pid) == {"0100007F"}
        with urllib.request.urlopen(server.url) as answer:
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-frame-options"] == "DENY"
        assert refused(server.url, Origin="http://elsewhere.example") == 403
        assert refused(server.url, Host="elsewhere.example") == 403
        assert refused(f"{server.url}/_stcore/upload_file/a/b", data=b"x") == 403  # without the token of the page
        assert stop(server.process) == 0
    assert server.logged() == f"The page is at {server.url.replace('127.0.0.1', 'localhost')} (stop with Ctrl-C)\nStopped on request.\n"


def test_the_command_line_starts_without_the_page() -> None:
    asked = "import sys; import reirrad.appcommand; print(*sorted({m.split('.')[0] for m in sys.modules} & {'streamlit', 'numpy', 'plotly', 'starlette'}))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.strip() == ""
