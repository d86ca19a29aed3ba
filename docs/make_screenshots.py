"""Pictures of every page with sample case A, for the README: `python docs/make_screenshots.py`. Needs Chromium."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import chromium
from page_server import ROOT, page_server
from page_user import Tab

PICTURES = ROOT / "docs" / "screenshots"
WIDTH, LEAST, MOST = 1360, 700, 1700
LARGEST_BYTES = 400_000


def take(tab: Tab, name: str) -> None:
    """Write the page as it stands, as high as what is on it."""
    page = tab.page
    page.set_viewport_size({"width": WIDTH, "height": MOST})
    page.wait_for_timeout(1500)
    page.mouse.move(0, 0)
    high = page.evaluate("Math.ceil(document.querySelector('.stMainBlockContainer').getBoundingClientRect().bottom)")
    page.set_viewport_size({"width": WIDTH, "height": min(max(high, LEAST), MOST)})
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(PICTURES / f"{name}.png", optimize=True)
    size = (PICTURES / f"{name}.png").stat().st_size
    assert size < LARGEST_BYTES, (name, size)
    sys.stdout.write(f"{name:10}{size / 1000:8.0f} kB\n")


def main() -> None:
    """Take all of them."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, page_server(Path(name)) as server, chromium() as browser:
        tab = Tab(browser, server.url, (WIDTH, MOST))
        tab.drop_folder(ROOT / "sample_plans" / "A-groin-relapse")
        tab.page.get_by_role("button", name="Calculate", exact=True).wait_for()
        tab.settle()
        tab.calculate()
        take(tab, "load")
        tab.go("See")
        tab.page.get_by_role("slider", name="Axial slice").wait_for()
        take(tab, "see")
        tab.go("Limits")
        tab.page.locator(".limits tbody tr").first.wait_for()
        take(tab, "limits")
        tab.go("Explore")
        tab.page.get_by_role("button", name="Calculate the highest doses").click()
        tab.page.get_by_text("Hover a point to see which limit sets it").wait_for()
        tab.settle()
        take(tab, "explore")
        tab.go("Report")
        tab.page.get_by_role("button", name="Make the report").click()
        tab.page.get_by_role("button", name="Report as PDF").wait_for()
        tab.settle()
        take(tab, "report")
        tab.close()


if __name__ == "__main__":
    main()
