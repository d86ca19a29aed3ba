"""A real browser, as the machine has it, for tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def violations(page: Any) -> list[tuple[str, str]]:
    """What axe finds wrong with the page: rule, and the first element. Run from outside, as the page itself lets no script run."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    return [(v["id"], v["nodes"][0]["html"]) for v in page.evaluate("axe.run()")["violations"]]
