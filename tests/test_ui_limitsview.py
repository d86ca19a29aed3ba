"""The Limits page in a real browser: the table follows the slider while it is held, and nothing of the old result stays.

30 Gy in 10 and 20 Gy in 5 in a box: EQD2 at alpha/beta 3 Gy 36 + 28 = 64 Gy; at 2 Gy 30 x 5/4 + 20 x 6/4 = 67.5 Gy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, needs_chromium, violations
from page_server import page_server

pytestmark = needs_chromium
TESTS = Path(__file__).resolve().parent
SCRIPT = f"""
import sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]
from pathlib import Path
import streamlit as st
from case_factory import limit, two_courses
from reirrad.assessment import assess
from reirrad.judgement import LimitChoice
from reirrad.ui.limitspage import show
from reirrad.ui.session import Loaded, current

st.set_page_config(page_title="limits", layout="wide")
session = current()
if session.loaded is None:
    of, choice = two_courses(), LimitChoice((limit("D2cc", 66.0), limit("Dmax", 90.0)), frozenset(), ("test",))
    session.loaded = Loaded(Path("nowhere"), Path("nowhere/case.yaml"), of, choice, assess(of, choice))
show()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    script = folder / "page.py"
    script.write_text(SCRIPT, encoding="utf-8")
    with page_server(folder, script=script) as server:
        yield server.url


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1400, "height": 1100})
        opened.set_default_timeout(60_000)
        opened.goto(address)
        opened.locator(".limits tbody tr").first.wait_for()
        opened.locator(".js-plotly-plot").nth(1).wait_for()
        yield opened


@pytest.fixture(autouse=True)
def at_the_case(page: Any) -> None:
    if page.locator(".limits .back").is_enabled():
        page.locator(".limits .back").click()
    page.locator(".limits .banner").wait_for(state="hidden")
    page.wait_for_function("() => !document.querySelector('.stale')")


def sums(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(".limits tbody tr td.judged").all_inner_texts()]


@pytest.mark.hazard("H18")
def test_the_table_follows_the_slider_while_it_is_held(page: Any) -> None:
    assert sums(page) == ["64.00", "64.00"]
    box = page.locator("#limits-alpha_beta").bounding_box()
    y = box["y"] + box["height"] / 2
    start = box["x"] + box["width"] * 2 / 14  # 3 Gy of 1 to 15
    page.mouse.move(start, y)
    page.mouse.down()
    page.mouse.move(start + 12, y, steps=3)
    page.locator(".limits .banner").wait_for()
    page.locator(".limits:not(.old)").wait_for()
    shown = page.locator(".limits .control output").first.inner_text()
    gy = float(shown.split()[0])
    expected = f"{(30 * (gy + 3) + 20 * (gy + 4)) / (gy + 2):.2f}"
    assert gy > 3
    assert sums(page) == [expected, expected]
    assert f"α/β of rectum {gy:g} Gy (case file: 3)" in page.locator(".limits .banner").inner_text()
    page.mouse.up()
    page.get_by_text(f"Rectum: EQD2 at α/β {gy:g} Gy").wait_for()


@pytest.mark.hazard("H18")
def test_what_is_old_says_so_until_the_answer_is_there(page: Any) -> None:
    state = page.locator("#limits-alpha_beta").evaluate(
        """(input) => {
          const root = input.closest('.limits');
          input.value = 5;
          input.dispatchEvent(new Event('input', { bubbles: true }));
          return [root.classList.contains('old'), root.querySelector('tbody').getAttribute('aria-busy')];
        }"""
    )
    assert state == [True, "true"]
    page.locator(".limits:not(.old)").wait_for()
    assert page.locator(".limits tbody").get_attribute("aria-busy") == "false"


def test_keys_move_a_slider_and_the_button_puts_all_back(page: Any) -> None:
    page.locator("#limits-alpha_beta").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => true")
    page.locator(".limits tbody tr.exceed").wait_for()
    page.locator(".limits:not(.old) .banner").get_by_text("α/β of rectum 2 Gy").wait_for()
    assert sums(page) == ["67.50", "67.50"]
    assert "Under other assumptions: A mandatory limit is exceeded." in page.locator(".limits .verdict-box").inner_text()
    page.locator(".limits .back").focus()
    page.keyboard.press("Enter")
    page.locator(".limits .banner").wait_for(state="hidden")
    assert sums(page) == ["64.00", "64.00"]
    assert page.locator(".limits .back").is_disabled()


def test_a_source_stays_open_while_values_change(page: Any) -> None:
    page.locator(".limits tbody summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".limits tbody details[open] li").first.is_visible()
    page.locator("#limits-interval").fill("30")
    page.locator(".limits .banner").get_by_text("interval 30 months").wait_for()
    page.locator("#limits-alpha_beta").fill("5")
    page.locator(".limits .banner").get_by_text("α/β of rectum 5 Gy").wait_for()
    assert page.locator(".limits tbody details[open]").count() == 1


def test_bands_arrive_by_themselves(page: Any) -> None:
    page.locator("#limits-shift").fill("3")
    page.locator(".limits tbody").get_by_text("64.0 to 64.0 Gy").first.wait_for()
    page.locator(".limits caption").get_by_text("Limits, worst first", exact=True).wait_for()


def test_nothing_keeps_anyone_out(page: Any) -> None:
    page.locator("#limits-recovery").select_option("paradis_2019")
    page.locator(".limits thead").get_by_text("After recovery").wait_for()
    page.locator(".limits:not(.old)").wait_for()
    page.wait_for_timeout(500)
    assert violations(page) == []
