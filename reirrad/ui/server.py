"""The server of the page: what it does beside showing it. It forgets the patients of closed tabs and keeps patient data out of its log."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from starlette.middleware import Middleware
from streamlit import config
from streamlit.runtime import get_instance
from streamlit.starlette import App

from reirrad.ui.gate import Gate
from reirrad.ui.session import sweep
from reirrad.ui.tabs import TABS

__all__ = ["AROUND", "SCRIPT", "app", "named", "tended", "without_traceback"]

SCRIPT: Final = Path(__file__).with_name("app.py")
AROUND: Final = [Middleware(Gate)]
LONGEST_TICK_S: Final = 5.0
LOG: Final = logging.getLogger(__name__)


@asynccontextmanager
async def tended(_: App) -> AsyncIterator[None]:
    """While the server runs: no traceback in its log, no patient of a closed tab in its memory or on disk."""
    logging.setLogRecordFactory(without_traceback)
    threading.excepthook = lambda failed: _say(failed.exc_type, failed.exc_value)
    sweep()
    tending = asyncio.create_task(_tend())
    try:
        yield
    finally:
        tending.cancel()
        with suppress(asyncio.CancelledError):
            await tending
        TABS.forget_all()


async def _tend() -> None:
    """Close what was left: half as long after its tab was closed as Streamlit would keep it for a lost connection, so that it is still there to be closed."""
    while True:
        keep_s = config.get_option("server.disconnectedSessionTTL") / 2
        await asyncio.sleep(min(LONGEST_TICK_S, keep_s / 4))
        server = get_instance()
        left = TABS.gone(server.is_active_session, time.monotonic(), keep_s)
        for name in left:
            try:
                TABS.forget(name)
                server.close_session(name)
            except Exception as error:  # noqa: BLE001 - one tab must not keep the others from being closed
                LOG.error("A closed tab could not be forgotten (%s)", named(error))
        if left:
            server.media_file_mgr.remove_orphaned_files()  # files to take away, which closing only marks
            _give_back()


def _give_back() -> None:
    """Free what refers to itself, and give free memory that the C library keeps back to the system (Linux)."""
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def named(error: BaseException | None) -> str:
    """Type and place of an error; its message may hold data of a patient."""
    if error is None:
        return "unknown error"
    steps = extract_tb(error.__traceback__)
    place = f" at {Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else ""
    return f"{type(error).__name__}{place}"


def without_traceback(*arguments: Any, **more: Any) -> logging.LogRecord:
    """A record of the log that holds of an error only its type and place."""
    record = logging.LogRecord(*arguments, **more)
    if record.exc_info:
        record.msg, record.args = f"{record.getMessage()} ({named(record.exc_info[1])})", ()
        record.exc_info = record.exc_text = None
    return record


def _say(kind: type[BaseException], error: BaseException | None) -> None:
    sys.stderr.write(f"A thread of the page ended: {named(error) if error is not None else kind.__name__}\n")


app = App(SCRIPT, lifespan=tended, middleware=AROUND)
