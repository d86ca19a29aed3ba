"""The command that starts the web page, on this machine alone unless told otherwise."""

from __future__ import annotations

import errno
import importlib
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reirrad.terminal import REFUSED, say

__all__ = ["FOLDERS_VARIABLE", "LOOPBACK", "SETTINGS", "app", "settings"]

FOLDERS_VARIABLE: Final = "REIRRAD_FOLDERS"
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104
PAGE: Final = "reirrad.ui.server"  # by its name: the page stands above the commands
# The same as .streamlit/config.toml, which `streamlit run app.py` reads; stated in full, so that no other settings of this machine open what is closed here.
SETTINGS: Final[dict[str, Any]] = {
    "server.headless": True,
    "server.address": "127.0.0.1",
    "server.allowedHosts": list(LOOPBACK),
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.maxUploadSize": 1024,
    "server.maxMessageSize": 200,
    "server.disconnectedSessionTTL": 240,
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "runner.postScriptGC": False,
    "theme.base": "light",
    "theme.primaryColor": "#0b5fa5",
    "theme.textColor": "#05080c",  # its fainter shades are still dark enough to read
    "theme.headingFontSizes": ["1.8rem", "1.45rem", "1.2rem"],
    "logger.level": "warning",
    "logger.enableRich": False,
    "logger.hideWelcomeMessage": True,
}


def app(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the page.")] = 8501,
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="Address to listen on; other computers reach any but this one.")] = "127.0.0.1",
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="Name by which browsers call the page, as that of a reverse proxy; may be repeated.", show_default=False),
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option("--folder", metavar="DIR", help="Folder of this machine that the page may open cases in; may be repeated.", show_default=False),
    ] = None,
) -> None:
    """Start the web page: load, see, limits, explore, report. Stop it with Ctrl-C.

    It listens on this machine alone, asks nothing of the network, and forgets a patient two minutes after the tab was closed.
    """
    _refuse_folders(folder or [])
    _refuse_taken(address, port)
    chosen = settings(port, address, host or [])
    if address not in LOOPBACK:
        say(
            f"Other computers can reach the page at {address}. It has no log-in and no encryption of its own: let nothing reach it but a reverse proxy that "
            "has both, or a closed network."
        )
    if folder:
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join(str(f.resolve()) for f in folder)
    named = "localhost" if address in (*LOOPBACK, *EVERY_ADDRESS) else f"[{address}]" if ":" in address else address
    sys.stdout.write(f"The page is at http://{named}:{port} (stop with Ctrl-C)\n")
    sys.stdout.flush()
    try:
        importlib.import_module(PAGE).app.run(config=chosen)
    except KeyboardInterrupt:
        say("Stopped on request.")


def settings(port: int, address: str, hosts: list[str]) -> dict[str, Any]:
    """Settings of the server.

    Parameters
    ----------
    hosts : list of str
        Further names by which it may be called.

    >>> settings(8501, "127.0.0.1", ["dose.clinic.example"])["server.allowedHosts"]
    ['localhost', '127.0.0.1', '::1', 'dose.clinic.example']
    """
    is_any = address in EVERY_ADDRESS and not hosts  # it cannot know its names
    names = [] if is_any else [*LOOPBACK, *([] if address in (*LOOPBACK, *EVERY_ADDRESS) else [address]), *hosts]
    listened = "127.0.0.1" if address == "localhost" else address
    return {**SETTINGS, "server.address": listened, "server.port": port, "server.allowedHosts": names}


def _refuse_folders(folders: list[Path]) -> None:
    for folder in folders:
        if not folder.is_dir():
            say(f"Refused: --folder {str(folder)!r} is not a folder; needed is one that holds cases or exports. Correct it.")
            raise typer.Exit(REFUSED)


def _refuse_taken(address: str, port: int) -> None:
    """Find out before the start that the address cannot be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trial:
        if os.name != "nt":
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as trouble:
            if trouble.errno == errno.EADDRINUSE:
                say(f"Refused: port {port} is taken, perhaps by another page that still runs. Stop that one, or choose another port with --port.")
            else:
                say(f"Refused: nothing can listen at {address!r}, port {port} ({trouble.strerror}). Give an address of this machine, and a port from 1024 on.")
            raise typer.Exit(REFUSED) from None
