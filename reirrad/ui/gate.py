"""What the server lets in, and what it forbids browsers to do with the page: one layer around everything that it answers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import streamlit
from streamlit import config

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Gate", "is_let_in"]

INDEX: Final = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
OWN_SCRIPTS: Final = "".join(
    f" 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in re.findall(r"<script>(.*?)</script>", INDEX, re.DOTALL)
)
# The page asks this server alone, whatever stands in the files of a patient, and no other site shows it in a frame.
# Streamlit compiles its components and styles in the browser, which needs the two `unsafe` words and `blob:`.
POLICY: Final = (
    f"default-src 'self'; script-src 'self' 'unsafe-eval' blob:{OWN_SCRIPTS}; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def is_let_in(host: str | None, origin: str | None, names: Iterable[str]) -> bool:
    """Whether a request is answered: it calls the server by a name it has, and comes from no other site.

    The first keeps out sites that let their own name point to this machine; the second, sites that ask through the browser of its user.

    Parameters
    ----------
    host, origin : str or None
        Of the request's headers; a request without an origin comes from no page of a browser, or is not one that changes anything.
    names : iterable of str
        Names of the server; none for any.

    >>> is_let_in("127.0.0.1:8501", "http://127.0.0.1:8501", ["127.0.0.1"]), is_let_in("127.0.0.1:8501", "http://elsewhere.example", ["127.0.0.1"])
    (True, False)
    >>> is_let_in("elsewhere.example:8501", "http://elsewhere.example:8501", ["127.0.0.1"])
    False
    """
    known = {name.lower().strip("[]") for name in names}
    try:
        called = urlsplit(f"//{host or ''}").hostname or ""
        came_from = None if origin is None else urlsplit(origin)
        came_from_name = None if came_from is None else came_from.hostname or ""
    except ValueError:
        return False
    if known and called not in known:
        return False
    return came_from is None or came_from.netloc == host or came_from_name in known


class Gate:
    """The layer: refuses what is not let in, and puts the headers on every answer.

    Parameters
    ----------
    app : ASGI application
        What is behind.
    names : callable
        Gives the names of the server.
    """

    def __init__(self, app: ASGIApp, names: Callable[[], Iterable[str]] = lambda: config.get_option("server.allowedHosts")) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        stated = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"origin")}
        if not is_let_in(stated.get(b"host"), stated.get(b"origin"), self._names()):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain"), *HEADERS]})
            await send({"type": "http.response.body", "body": b"Refused: this name or site is not one the page is for."})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in HEADERS}
                message = {**message, "headers": [*((n, v) for n, v in message["headers"] if n.lower() not in names), *HEADERS]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
