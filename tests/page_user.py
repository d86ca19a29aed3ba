"""What a person does with the web page in a real browser: opens a tab, drops a folder, waits, goes from page to page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WAIT_MS = 90_000  # a machine that does much else is slow; nothing here waits longer than it must
LIVE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


class Tab:
    """A tab with a memory of its own, as a person at another machine would have.

    Parameters
    ----------
    url : str
        Of the page.
    """

    def __init__(self, browser: Any, url: str, viewport: tuple[int, int] = (1360, 1000)) -> None:
        self.url = url
        self.context = browser.new_context(viewport={"width": viewport[0], "height": viewport[1]}, accept_downloads=True)
        self.context.set_default_timeout(WAIT_MS)
        self.asked: list[str] = []  # every address that the browser asked
        self.odd: list[str] = []  # dialogs, errors of scripts and of the console
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("dialog", lambda dialog: (self.odd.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.odd.append(f"error: {error}"))
        self.page.on("console", lambda said: self.odd.append(f"console: {said.text}") if said.type == "error" else None)
        self.page.goto(url)
        self.page.get_by_role("heading", name="Load a case").wait_for()
        self.settle()

    def settle(self) -> None:
        """Wait until the server is done and the browser has drawn it."""
        self.page.locator(LIVE).wait_for(state="attached")
        self.page.locator('[data-testid="stSpinner"]').wait_for(state="detached")

    def go(self, name: str) -> None:
        """Go to a page."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        self.page.wait_for_function("name => document.title.startsWith(name)", arg=f"{name} ·")
        self.settle()

    def drop_folder(self, folder: Path) -> None:
        """Drop a folder of a patient."""
        self._source("A folder")
        self.page.locator("input[type=file][webkitdirectory]").set_input_files(str(folder))

    def drop_files(self, *files: Path | dict[str, Any]) -> None:
        """Drop a zip or single files."""
        self._source("A zip or single files")
        self.page.locator('input[type=file][aria-label="file upload"]:not([webkitdirectory])').first.set_input_files(
            [str(f) if isinstance(f, Path) else f for f in files]
        )

    def open_sample(self, name: str) -> None:
        """Open a sample by the beginning of its name."""
        self._source("A sample")
        self.page.get_by_role("combobox", name="Sample").click()
        self.page.get_by_role("option", name=name).first.click()
        self.page.get_by_role("button", name="Open the sample").click()

    def calculate(self) -> None:
        """Calculate the case that was opened."""
        self.page.get_by_role("button", name="Calculate", exact=True).click()
        self.page.get_by_text("Calculated:").wait_for()
        self.settle()

    def refusal(self) -> str:
        """What the page says of files that it did not take."""
        alert = self.page.get_by_test_id("stAlertContentError").first
        alert.wait_for()
        self.settle()
        return str(alert.inner_text())

    def text(self) -> str:
        """What stands on the page."""
        return str(self.page.locator("body").inner_text())

    def beyond(self) -> list[str]:
        """Addresses that are not the server's, nor made within the page."""
        own = (self.url, self.url.replace("http", "ws", 1), "data:", "blob:")
        return sorted({address for address in self.asked if not address.startswith(own)})

    def close(self) -> None:
        self.context.close()

    def _source(self, name: str) -> None:
        other = self.page.get_by_text("Open another case in place of this one")
        if other.count():
            other.click()
        self.page.get_by_test_id("stRadio").get_by_text(name, exact=True).click()
        self.settle()
