"""Time and memory of the web page in a real browser, as ratios to an empty page in the same run: `python benchmarks/page.py [CASE FOLDER]`.

The case folder is by default that of the other benchmarks, of clinical size (benchmarks/make_clinical.py). Times are of the clock, in the browser: from the key
that moves a slider until the browser has the answer; the empty page is a title and a slider, whose value it repeats. Run it on an idle machine.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import chromium
from page_server import page_server
from page_user import LIVE, WAIT_MS, Tab

EMPTY = """import streamlit as st
st.title("Load a case")
st.write("value", st.slider("Value", 0, 100, 50))
"""
STEPS = 21
# Time from the key press to the first picture drawn after `settled` has become true.
TIMED = """settled => new Promise((done, fail) => {
  const root = window.measured, is = new Function("root", "was", settled), was = is(root, undefined);
  let from = 0; const began = performance.now();
  document.addEventListener("keydown", () => { from = performance.now(); }, { capture: true, once: true });
  const look = () => {
    if (from && is(root, was)) done(performance.now() - from);
    else if (performance.now() - began > 60000) fail(new Error("no answer"));
    else requestAnimationFrame(look);
  };
  look();
})"""
# Each function gives the state when asked without one, else whether the state has changed and the page is at rest.
LIMITS = ".limits", "const now = root.dataset.serial; return was === undefined ? now : now !== was && !root.classList.contains('old');"
SLICES = ".viewer", "const now = root.dataset.run; return was === undefined ? now : now !== was;"
VALUE = '[data-testid="stMain"]', "const now = root.innerText.match(/value\\s+(\\d+)/)?.[1]; return was === undefined ? now : now !== was;"


def stepped(tab: Tab, slider: Any, where: str, settled: str, keys: tuple[str, str]) -> float:
    """Median time of a step, ms."""
    tab.page.locator(where).first.evaluate("element => { window.measured = element; }")
    times = []
    slider.focus()
    for n in range(STEPS):
        tab.page.evaluate(f"void (window.timed = ({TIMED})({json.dumps(settled)}))")
        tab.page.keyboard.press(keys[n % 2])
        times.append(float(tab.page.evaluate("window.timed")))
        tab.page.wait_for_timeout(150)
    return statistics.median(times[1:])


def first_page(browser: Any, url: str) -> float:
    """Time until the page of a new visitor stands, s."""
    start = time.perf_counter()
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.get_by_role("heading", name="Load a case").wait_for(timeout=WAIT_MS)
    page.locator(LIVE).wait_for(state="attached", timeout=WAIT_MS)
    took = time.perf_counter() - start
    context.close()
    return took


def empty_page(browser: Any, folder: Path) -> dict[str, float]:
    script = folder / "empty.py"
    script.write_text(EMPTY)
    with page_server(folder / "empty", script=script) as server:
        out = {"first page, cold": first_page(browser, server.url), "first page": statistics.median(first_page(browser, server.url) for _ in range(5))}
        tab = Tab(browser, server.url)
        out["step of a slider"] = stepped(tab, tab.page.get_by_role("slider").first, *VALUE, ("ArrowRight", "ArrowLeft")) / 1000
        out["memory, MB"] = server.memory_mb()
        tab.close()
    return out


def the_page(browser: Any, folder: Path, case: Path) -> dict[str, float]:
    os.environ["REIRRAD_FOLDERS"] = str(case.parent)
    with page_server(folder / "page", keep_s=3) as server:
        out = {"first page, cold": first_page(browser, server.url), "first page": statistics.median(first_page(browser, server.url) for _ in range(5))}
        tab = Tab(browser, server.url)
        out["memory without a case, MB"] = server.memory_mb()
        page = tab.page
        page.get_by_test_id("stRadio").get_by_text("A path on this machine", exact=True).click()
        page.get_by_role("textbox", name="Folder, zip or case file").fill(case.name)
        start = time.perf_counter()
        page.get_by_role("button", name="Open", exact=True).click()
        page.get_by_role("button", name="Calculate", exact=True).wait_for()
        tab.settle()
        out["opened, s"], start = time.perf_counter() - start, time.perf_counter()
        tab.calculate()
        out["calculated, s"], start = time.perf_counter() - start, time.perf_counter()
        tab.go("Limits")
        page.locator(".limits tbody tr").first.wait_for()
        out["limits shown, s"] = time.perf_counter() - start
        slider = page.get_by_role("slider", name="α/β")
        out["step of a slider"] = stepped(tab, slider, *LIMITS, ("ArrowRight", "ArrowLeft")) / 1000
        start = time.perf_counter()
        tab.go("See")
        page.get_by_role("slider", name="Axial slice").wait_for()
        out["images shown, s"] = time.perf_counter() - start
        out["step of a slice"] = stepped(tab, page.get_by_role("slider", name="Axial slice"), *SLICES, ("ArrowRight", "ArrowRight")) / 1000
        tab.go("Explore")
        tab.go("Report")
        out["memory with the case, MB"] = server.memory_mb()
        out["peak memory, MB"] = server.memory_mb("VmHWM")
        tab.close()
        until = time.monotonic() + 60
        while server.folders() and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(2)
        out["memory after its tab was closed, MB"] = server.memory_mb()
    return out


def main(case: Path) -> None:
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        empty = empty_page(browser, Path(name))
        found = the_page(browser, Path(name), case)
    print(f"{'':45}{'page':>10}{'empty':>10}{'ratio':>8}")
    for what, goal, peer in (
        ("first page, cold", "3 s", "first page, cold"),
        ("first page", "3 s", "first page"),
        ("step of a slider", "0.25 s", "step of a slider"),
        ("step of a slice", "0.25 s", "step of a slider"),
    ):
        print(f"{f'{what}, s (goal {goal})':45}{found[what]:10.3f}{empty[peer]:10.3f}{found[what] / empty[peer]:8.2f}")
    for what, value in found.items():
        if what.endswith((", MB", ", s")):
            print(f"{what:45}{value:10.1f}" + (f"{empty['memory, MB']:10.1f}" if what == "memory without a case, MB" else ""))
    print(f"{'load of the machine, before and after':45}{before:10.1f}{os.getloadavg()[0]:10.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("/tmp/clin2/c2"))
