"""The web page in a real browser, as a person uses it: one server and one browser for all of it.

The tests of one class follow each other in one tab with sample case A; what they leave is what the next one finds.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from browser import chromium, needs_chromium, violations
from case_factory import stored_box, write_course
from conftest import ROOT
from page_server import PageServer, page_server
from page_user import WAIT_MS, Tab
from pyarrow import parquet
from typer.testing import CliRunner

from reirrad.cli import app as command_line

pytestmark = needs_chromium
SAMPLE_A = ROOT / "sample_plans" / "A-groin-relapse"
KEEP_S = 2  # how long a closed tab is kept here
HOSTILE = '<img src=x onerror="alert(1)"> **b** $x$'
CANARIES = ("CANARY", "Zwetschgenbaum")
ROWS = """table => [...table.querySelectorAll("tbody tr")].map(row => ({
    flag: row.querySelector(".word").textContent.replace(/^[^a-z]+/, ""), organ: row.querySelector("th").textContent,
    asked: row.children[2].firstChild.textContent,
    judged: row.querySelector(".judged")?.textContent ?? ""}))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    with page_server(tmp_path_factory.mktemp("page"), keep_s=KEEP_S) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def tab(server: PageServer, browser: Any) -> Iterator[Tab]:
    """Sample case A, dropped as a folder and calculated."""
    opened = Tab(browser, server.url)
    opened.drop_folder(SAMPLE_A)
    opened.page.get_by_text("208 CT, 2 RTDOSE, 2 RTPLAN, 2 RTSTRUCT").wait_for()
    opened.settle()
    opened.calculate()
    yield opened
    opened.close()


@pytest.fixture
def other(server: PageServer, browser: Any) -> Iterator[Tab]:
    """Another person, at another machine."""
    opened = Tab(browser, server.url)
    yield opened
    assert opened.odd == []
    assert opened.beyond() == []
    opened.close()


def checked(case: Path) -> str:
    """What `reirrad check --json -` prints."""
    return CliRunner().invoke(command_line, ["check", str(case), "--json", "-"]).stdout


def limit_rows(tab: Tab) -> list[dict[str, str]]:
    """The table of limits as it is shown, once it belongs to where the sliders stand."""
    table = tab.page.locator(".limits table")
    tab.page.locator(".limits:not(.old) table tbody tr").first.wait_for()
    found: list[dict[str, str]] = table.evaluate(ROWS)
    return found


def set_slider(tab: Tab, label: str, value: float) -> None:
    """Drag a slider of the Limits page to a value, with the mouse."""
    slider = tab.page.get_by_role("slider", name=label)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    low, high, now = (float(slider.get_attribute(name) or slider.input_value()) for name in ("min", "max", "none"))
    margin = 8  # half the knob: its middle never leaves the track
    place = [box["x"] + margin + (box["width"] - 2 * margin) * (v - low) / (high - low) for v in (now, value)]
    middle = box["y"] + box["height"] / 2
    tab.page.mouse.move(place[0], middle)
    tab.page.mouse.down()
    tab.page.mouse.move(place[1], middle, steps=6)
    tab.page.mouse.up()


def taken(tab: Tab, button: str) -> bytes:
    """The file behind a button."""
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name=button, exact=True).click()
    return Path(download.value.path()).read_bytes()


class TestOnePatient:
    """A session from the first file to the last, in one tab."""

    def test_the_limits_are_those_of_the_command(self, tab: Tab) -> None:
        result = json.loads(checked(SAMPLE_A))
        tab.go("Limits")
        shown = sorted((row["flag"], row["organ"], row["judged"]) for row in limit_rows(tab))
        said = sorted((e["status"].replace("_", " "), e["structure"], f"{e['value']:.2f}") for e in result["evaluations"])
        words = {flag for flag, _, _ in shown}
        assert words == {"pass"}
        assert shown == said
        assert "Within every limit that was checked." in tab.page.locator(".verdict").inner_text()
        assert tab.page.get_by_text("Case groin-relapse: CRT 2021 · Groin 2023").is_visible()

    @pytest.mark.hazard("H18")
    def test_a_slider_changes_the_table_as_a_check_of_that_case_would(self, tab: Tab, tmp_path: Path) -> None:
        before = limit_rows(tab)
        label = "α/β of rectum"
        tab.page.get_by_label("Organ", exact=True).select_option(label="Rectum")
        set_slider(tab, label, 6.0)
        tab.page.locator(".limits .banner:visible").wait_for()
        alpha_beta = float(tab.page.get_by_role("slider", name=label).input_value())
        assert 5.0 < alpha_beta < 7.0
        tab.page.get_by_text(f"α/β of rectum {alpha_beta:g} Gy (case file: 3)").wait_for()
        moved = limit_rows(tab)
        changed = {(b["organ"]) for b in before if b not in moved}
        assert changed == {"Rectum"}
        case = tmp_path / "case"
        shutil.copytree(SAMPLE_A, case)
        text = (case / "case.yaml").read_text()
        text = re.sub(r"^(constraints|alpha_beta_gy):.*\n(?:[ -].*\n)*", "", text, flags=re.MULTILINE)
        (case / "case.yaml").write_text(f"{text}\nconstraints: own.yaml\nalpha_beta_gy: {{rectum: {alpha_beta}}}\n")
        own = f"organ: rectum, metric: D0.5cc, quantity: EQD2, alpha_beta_gy: {alpha_beta}, scope: cumulative, limit_gy: 80, level: mandatory, source: own"
        (case / "own.yaml").write_text(f"- {{id: own, {own}}}\n")
        (evaluation,) = json.loads(checked(case))["evaluations"]
        row = next(r for r in moved if r["organ"] == "Rectum" and r["asked"].startswith("D0.5cc"))
        assert row["judged"] == f"{evaluation['value']:.2f}"
        tab.page.get_by_role("button", name="Back to case file").click()
        tab.page.locator(".limits .banner").wait_for(state="hidden")
        assert limit_rows(tab) == before

    def test_keys_reach_and_move_the_sliders(self, tab: Tab) -> None:
        tab.page.get_by_role("link", name="Limits", exact=True).focus()
        assert tabbed_to(tab, "slider")
        slider = tab.page.get_by_role("slider", name="α/β of rectum")
        slider.focus()
        tab.page.keyboard.press("ArrowRight")
        tab.page.get_by_text("α/β of rectum 3.1 Gy (case file: 3)").wait_for()
        tab.page.get_by_role("button", name="Back to case file").click()
        tab.page.locator(".limits .banner").wait_for(state="hidden")

    def test_slices_follow_wheel_and_keys_and_the_readout_follows_the_cursor(self, tab: Tab) -> None:
        tab.go("See")
        slider = tab.page.get_by_role("slider", name="Axial slice")
        slider.wait_for()
        first = int(slider.input_value())
        place = tab.page.get_by_text(re.compile(r"x -?[\d.]+, y -?[\d.]+, z -?[\d.]+ mm"))
        was = place.inner_text()
        picture = tab.page.locator(".pane.large .picture")
        picture.hover()
        tab.page.mouse.wheel(0, 100)
        wait_changed(tab, place, was)
        turned = int(slider.input_value())
        assert abs(turned - first) == 1
        was = place.inner_text()
        slider.focus()
        tab.page.keyboard.press("ArrowRight" if turned < first else "ArrowLeft")
        wait_changed(tab, place, was)
        assert int(slider.input_value()) == first
        was = place.inner_text()
        picture.click(position={"x": 200, "y": 200})
        wait_changed(tab, place, was)
        assert tab.page.get_by_role("cell", name="Sum", exact=True).is_visible()
        assert "for orientation only" in tab.text()

    def test_another_schedule_is_explored_and_kept_as_an_option(self, tab: Tab) -> None:
        tab.go("Explore")
        facts = tab.page.get_by_text("per fraction,")
        assert "1.80 Gy" in facts.inner_text()
        fractions = tab.page.get_by_role("slider", name="Fractions").first
        fractions.focus()
        tab.page.keyboard.press("ArrowLeft")
        tab.page.keyboard.press("ArrowLeft")
        tab.page.keyboard.press("ArrowLeft")
        tab.page.get_by_text("2.02 Gy").first.wait_for()  # 50.4 Gy in 25
        tab.settle()
        assert "2.02 Gy per fraction" in facts.inner_text()
        # EQD2 of a point with the same scaled dose: BED 50.4 (1 + 2.016 / 10) at alpha/beta 10, over 1.2
        assert f"{50.4 * (1 + 2.016 / 10):.2f} / {50.4 * (1 + 2.016 / 10) / 1.2:.2f}" in tab.text()
        tab.page.get_by_role("button", name="Add this option to the sheet").click()
        tab.page.get_by_role("button", name=re.compile("as HTML|Sheet.*HTML")).first.wait_for()
        tab.settle()
        assert "50.4 Gy in 25" in tab.text() or "25 x 2.016" in tab.text() or "50.4/25" in tab.text()

    def test_every_file_can_be_taken_and_opened(self, tab: Tab, tmp_path: Path) -> None:
        tab.go("Report")
        result = taken(tab, "Result as JSON")
        assert json.loads(result) == json.loads(checked(SAMPLE_A)) | {"settings": json.loads(result)["settings"]}
        with zipfile.ZipFile(io.BytesIO(taken(tab, "Tables as CSV (zip)"))) as tables:
            assert tables.testzip() is None
            limits = next(tables.read(name).decode() for name in tables.namelist() if "limit" in name or "evaluation" in name)
        assert "bladder-slevin-0" in limits
        assert "20.55" in limits
        with zipfile.ZipFile(io.BytesIO(taken(tab, "Tables as Parquet (zip)"))) as tables:
            assert all(parquet.read_table(io.BytesIO(tables.read(name))).num_columns > 1 for name in tables.namelist())
        assert b"CRT 2021" in taken(tab, "Case file")
        tab.page.get_by_role("button", name="Make the RTDOSE files").click()
        with zipfile.ZipFile(io.BytesIO(taken(tab, "RTDOSE files (zip)"))) as doses:
            objects = [pydicom.dcmread(io.BytesIO(doses.read(name))) for name in doses.namelist()]
        assert len(objects) >= 3
        assert {o.Modality for o in objects} == {"RTDOSE"}
        assert all(o.pixel_array.shape == (o.NumberOfFrames, o.Rows, o.Columns) for o in objects)
        tab.page.get_by_role("button", name="Make the report").click()
        document = taken(tab, "Report as HTML").decode("utf-8")
        printed = taken(tab, "Report as PDF")
        assert "<script" not in document.lower()
        assert "55.63" in document  # rectum, D0.5cc
        assert printed.startswith(b"%PDF-")
        assert printed.rstrip().endswith(b"%%EOF")
        pdftotext = shutil.which("pdftotext")
        if pdftotext is not None:
            (tmp_path / "report.pdf").write_bytes(printed)
            text = subprocess.run([pdftotext, "-layout", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True).stdout
            assert "55.63" in text
        offline = tab.context.browser.new_context(offline=True)
        page = offline.new_page()
        page.set_content(document)
        assert page.locator("h1").count() == 1
        offline.close()

    @pytest.mark.parametrize("name", ["Load", "See", "Limits", "Explore", "Report"])
    def test_no_page_is_closed_to_a_reader_of_screens(self, tab: Tab, name: str) -> None:
        tab.go(name)
        tab.page.wait_for_timeout(300)  # until what appears has appeared: what is half transparent has little contrast
        assert violations(tab.page) == []
        assert tabbed_to(tab, "button") or tabbed_to(tab, "input")

    @pytest.mark.hazard("H18")
    def test_a_change_of_the_case_marks_the_numbers_of_the_other_pages_as_old(self, tab: Tab) -> None:
        tab.go("Load")
        tab.page.get_by_text("Limits, alpha/beta and recovery").click()
        box = tab.page.get_by_role("combobox", name="Recovery of earlier dose")
        box.click()
        tab.page.get_by_role("option").nth(1).click()
        tab.page.get_by_text("Changed since the last calculation.").wait_for()
        tab.go("Limits")
        tab.page.get_by_text(re.compile("was edited|was changed|Calculate it again")).first.wait_for()
        tab.go("Report")
        tab.page.get_by_text(re.compile("was changed|Calculate it again")).first.wait_for()
        tab.go("Load")
        tab.calculate()
        tab.go("Limits")
        assert not tab.page.get_by_text(re.compile("Calculate it again")).count()
        assert tab.page.get_by_role("columnheader", name="All courses, after recovery").count() or "recovery" in tab.text()

    @pytest.mark.hazard("H41")
    def test_all_of_it_asked_nobody_else_and_ran_no_error(self, tab: Tab) -> None:
        assert len(tab.asked) > 100
        assert tab.beyond() == []
        assert tab.odd == []


def tabbed_to(tab: Tab, role: str, most: int = 40) -> bool:
    """Whether the Tab key comes to an element of this kind that can be seen to have the focus."""
    kind = {"slider": 'input[type="range"]', "button": "button", "input": "input"}[role]
    script = "kind => { let e = document.activeElement; while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement; return !!e?.matches(kind); }"
    for _ in range(most):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate(script, kind):
            return True
    return False


def wait_changed(tab: Tab, place: Any, was: str) -> None:
    until = time.monotonic() + WAIT_MS / 1000
    while place.inner_text() == was:
        assert time.monotonic() < until
        tab.page.wait_for_timeout(20)


def zipped(files: dict[str, bytes]) -> dict[str, Any]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return {"name": "case.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}


@pytest.mark.hazard("H38")
def test_hostile_files_are_refused_and_the_page_lives(other: Tab) -> None:
    refused = {
        "more than 200 times": zipped({"bomb": bytes(40 * 1024**2)}),
        "leads outside": zipped({"case.yaml": b"courses: []", "../../outside": b"1"}),
        "damaged": {"name": "case.zip", "mimeType": "application/zip", "buffer": b"PK\x03\x04 and no more"},
        "RTDOSE": {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0 no DICOM"},
        "RD.dcm is truncated": {"name": "RD.dcm", "mimeType": "application/dicom", "buffer": b""},
    }
    last = ""
    for why, file in refused.items():
        other.drop_files(file)
        other.page.wait_for_function("last => ![last, undefined].includes(document.querySelector('[data-testid=stAlertContentError]')?.innerText)", arg=last)
        last = other.refusal()
        assert why in last, last
        assert other.page.get_by_role("heading", name="Load a case").is_visible()
    other.open_sample("E")
    other.page.get_by_role("button", name="Calculate", exact=True).wait_for()


@pytest.mark.hazard("H37")
@pytest.mark.hazard("H39")
def test_hostile_names_are_text_and_reach_no_log(other: Tab, server: PageServer, tmp_path: Path) -> None:
    rois = [("Rectum", stored_box()), (HOSTILE, stored_box())]
    patient = {"PatientName": "CANARY^Zwetschgenbaum", "PatientID": "CANARY-7"}
    for number, gy, n, day in ((1, 30, 10, "20200310"), (2, 20, 5, "20210601")):
        plan = {"RTPlanDate": day, "RTPlanLabel": "<b>CANARY</b>"}
        write_course(tmp_path / f"c{number}", number, gy, n, rois, plan=plan, StudyInstanceUID=f"1.2.3.8.{number}", **patient)
    other.drop_folder(tmp_path)
    other.page.get_by_text("Proposed from the files").wait_for()
    other.settle()
    assert HOSTILE in other.text()
    other.calculate()
    for name in ("See", "Limits", "Explore", "Report", "Load"):
        other.go(name)
        assert other.page.get_by_test_id("stException").count() == 0
        assert other.page.locator('img[src="x"]').count() == 0
        assert not any(canary in other.text() for canary in CANARIES[1:])
    assert other.odd == []
    log = server.logged()
    assert not any(canary in log for canary in (*CANARIES, HOSTILE, str(tmp_path)))


@pytest.mark.hazard("H29")
def test_two_people_at_once_see_their_own_patients(tab: Tab, other: Tab, server: PageServer) -> None:
    tab.go("Limits")
    before = limit_rows(tab)
    other.open_sample("B")
    other.page.get_by_role("button", name="Calculate", exact=True).wait_for()
    other.calculate()
    other.go("Limits")
    theirs = limit_rows(other)
    assert theirs != before
    assert "CRT 2021" not in other.text()
    assert "CRT 2021" in tab.text()
    tab.go("Load")
    assert "groin" in tab.text()
    assert "para-aortic" not in tab.text()
    tab.go("Limits")
    assert limit_rows(tab) == before
    tab.page.locator(".limits table").get_by_role("button").first.click()
    other.go("Load")
    assert "groin" not in other.page.get_by_test_id("stMain").inner_text().lower()
    assert len(server.folders()) >= 2


@pytest.mark.hazard("H37")
def test_a_closed_tab_leaves_nothing(server: PageServer, browser: Any) -> None:
    """Neither a folder nor, in the memory of the server, anything that was uploaded or offered to be taken away."""
    before = set(server.folders())
    person = Tab(browser, server.url)
    person.open_sample("E")
    person.page.get_by_role("button", name="Calculate", exact=True).wait_for()
    (folder,) = set(server.folders()) - before
    assert sum(f.is_file() for f in folder.rglob("*")) > 100
    person.close()
    wait_until(lambda: not folder.exists(), 60)


@pytest.mark.hazard("H37")
def test_when_all_tabs_are_closed_nothing_is_held_and_nothing_was_logged(tmp_path: Path, browser: Any) -> None:
    with page_server(tmp_path / "alone", keep_s=KEEP_S) as alone:
        person = Tab(browser, alone.url)
        person.drop_folder(SAMPLE_A / "crt-2021")
        person.page.get_by_role("button", name="Calculate", exact=True).wait_for()
        person.page.goto("about:blank")
        wait_until(lambda: "memory_media_file" not in metrics(alone) and 'session_state",cache=""} ' not in metrics(alone), 60)
        wait_until(lambda: not alone.folders(), 60)
        assert "uploaded_file_manager" not in metrics(alone)
        person.page.goto(alone.url)
        person.page.get_by_role("heading", name="Load a case").wait_for()
        person.open_sample("E")
        person.page.get_by_role("button", name="Calculate", exact=True).wait_for()
        assert alone.folders()
    assert alone.folders() == []  # stopped while a tab was open
    assert CANARIES[0] not in alone.logged()
    assert "Traceback" not in alone.logged()


def metrics(server: PageServer) -> str:
    """What Streamlit says that it holds."""
    with urllib.request.urlopen(f"{server.url}/_stcore/metrics") as answer:
        return str(answer.read().decode())


def wait_until(is_so: Any, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)
