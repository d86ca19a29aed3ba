"""The See page as a script: what it says, offers and keeps. Pictures are caught on their way to the browser."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_factory import stored_box, write_case
from dicom_factory import ct, save
from streamlit.testing.v1 import AppTest

from reirrad.structures import Contour, Structure
from reirrad.ui import seepage
from reirrad.ui.outlines import drawn_structures
from reirrad.ui.registrationview import SIGNED
from reirrad.ui.session import KEY, Session
from reirrad.ui.sliceviewer import packed

APP = str(Path(__file__).resolve().parent.parent / "app.py")
SEE = "reirrad/ui/pages/see.py"


def with_pixels(folder: Path, number: int) -> None:
    """Give the six CT planes of a course pixels: 16 x 12 of 5 x 4 mm around the dose grid, 20 HU."""
    for k in range(6):
        ds = ct(k, tag=number, ImagePositionPatient=[-20, 0, -20.0 + 5 * k], PixelSpacing=[4.0, 5.0], Rows=12, Columns=16, SamplesPerPixel=1)
        ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = "MONOCHROME2", 16, 16, 15, 0
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "-1024", "HU"
        ds.PixelData = np.full((12, 16), 1044, "<u2").tobytes()
        ds["PixelData"].VR = "OW"
        save(ds, folder / f"{k + 3:02d}.dcm")


class Caught:
    """What went to the viewer, and what it would answer."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.moved: Callable[[tuple[float, float, float], int], None] | None = None

    def __call__(self, message: bytes, key: str, on_moved: Callable[[tuple[float, float, float], int], None]) -> None:
        self.messages.append(message)
        self.moved = on_moved

    @property
    def header(self) -> dict[str, Any]:
        message = self.messages[-1]
        size = int.from_bytes(message[:4], "little")
        found: dict[str, Any] = json.loads(message[4 : 4 + size])
        return found


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> Caught:
    one = Caught()
    monkeypatch.setattr(seepage, "show_slices", one)
    return one


@pytest.fixture
def session(tmp_path: Path) -> Session:
    folder = write_case(tmp_path / "case")
    for k in (1, 2):
        with_pixels(folder / f"c{k}", k)
    found = Session()
    found.calculate(folder / "case.yaml")
    return found


def page(session: Session | None) -> AppTest:
    test = AppTest.from_file(APP, default_timeout=30)
    if session is not None:
        test.session_state[KEY] = session
    test.switch_page(SEE).run()
    assert not test.exception
    return test


def field(elements: Any, label: str) -> Any:
    return next(e for e in elements if e.label == label)


def column(test: AppTest, name: str) -> list[str]:
    """A column of the table of values at the cursor."""
    (table,) = (m.value for m in test.markdown if m.value.startswith("| Course"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [row[rows[0].index(name)] for row in rows[2:]]


def test_without_a_case_the_page_says_what_to_do() -> None:
    test = page(None)
    assert [i.value for i in test.info] == ["Load a case first: there is nothing to see yet."]
    assert len(test.get("page_link")) == 1


def test_the_whole_page_runs_with_the_viewer_itself(session: Session) -> None:
    test = page(session)
    assert not test.warning  # the CT is shown
    assert column(test, "EQD2 at α/β 3 (Gy)") == ["36.00", "28.00", "64.00"]


def test_it_opens_at_the_hottest_point_of_the_worst_limit_with_the_sum_of_eqd2(session: Session, caught: Caught) -> None:
    test = page(session)
    header = caught.header
    assert field(test.selectbox, "Dose on the CT").value == "Sum: EQD2"
    assert header["legend"]["bar"]["title"] == "Sum: EQD2, Gy"
    assert [p["view"] for p in header["panes"]] == ["axial", "coronal", "sagittal"]
    assert header["large"] == "axial"
    assert len(header["sizes"]) == 3
    assert column(test, "EQD2 at α/β 3 (Gy)") == ["36.00", "28.00", "64.00"]
    assert any("Hottest point of Rectum" in m.value for m in test.markdown)
    assert header["legend"]["names"] == [{"name": "Rectum", "colour": "#56B4E9", "dash": "none"}]


def test_the_physical_sum_says_on_the_picture_that_it_is_for_orientation_only(session: Session, caught: Caught) -> None:
    test = page(session)
    box = field(test.selectbox, "Dose on the CT")
    box.select_index(box.options.index("Sum: physical dose")).run()
    assert not test.exception
    assert all(p["marks"][0].startswith("for orientation only") for p in caught.header["panes"])
    assert caught.header["warns"]


def test_a_moved_cursor_changes_the_slice_and_the_values(session: Session, caught: Caught) -> None:
    test = page(session)
    assert caught.moved is not None
    caught.moved((-500.0, 26.0, -14.0), 7)  # far outside: held to the lattice
    test.run()
    header = caught.header
    assert header["move"] == 7
    assert header["cursor"] == [-20.0, 26.0, -14.0]
    assert header["panes"][0]["words"].startswith("Axial slice at z -15.0 mm")
    assert column(test, "EQD2 at α/β 3 (Gy)") == ["unknown"] * 3  # the dose begins at x = -8
    assert any("At the cursor" in m.value for m in test.markdown)
    test.button(key=f"go_{session.kept['see'].token}").click().run()
    assert any("Hottest point of Rectum" in m.value for m in test.markdown)


def test_window_presets_set_the_sliders_and_sliders_leave_the_preset(session: Session, caught: Caught) -> None:
    test = page(session)
    field(test.selectbox, "CT window").select("Bone").run()
    assert (field(test.slider, "Level (HU)").value, field(test.slider, "Width (HU)").value) == (400, 1800)
    first = caught.messages[-1]
    field(test.slider, "Level (HU)").set_value(100).run()
    assert field(test.selectbox, "CT window").value == "As set below"
    assert caught.messages[-1] != first


def test_isodose_lines_as_asked_for_and_a_wrong_one_in_words(session: Session, caught: Caught) -> None:
    test = page(session)
    field(test.text_input, "Isodose lines (Gy, with commas)").input("50, 60").run()
    assert [i["text"] for i in caught.header["panes"][0]["isodoses"]] == ["50", "60"]
    field(test.text_input, "Isodose lines (Gy, with commas)").input("fifty").run()
    assert "Correct the field" in test.error[0].value


def test_alpha_beta_of_the_values_at_the_cursor(session: Session, caught: Caught) -> None:
    test = page(session)
    test.number_input[0].set_value(10.0).run()
    # 30 x (3 + 10) / 12 and 20 x (4 + 10) / 12
    assert column(test, "EQD2 at α/β 10 (Gy)") == ["32.50", "23.33", "55.83"]


def test_what_remains_is_calculated_when_asked_for(session: Session, caught: Caught) -> None:
    test = page(session)
    box = field(test.selectbox, "Dose on the CT")
    box.select_index(box.options.index("Remaining dose")).run()
    assert caught.header["legend"]["bar"] is None
    field(test.number_input, "Fractions of the new course").set_value(22).run()
    field(test.button, "Calculate what remains").click().run()
    assert not test.exception
    # limit 80 - 36 = 44 Gy EQD2, 2 Gy each in 22 fractions
    assert session.kept["see"].remaining.top_gy == pytest.approx(44, abs=1e-3)
    assert caught.header["legend"]["bar"]["title"] == "Remaining physical dose in 22 fractions, Gy"
    assert caught.header["panes"][0]["marks"][0] == "budget by the limits of voxels, not a prescription"
    field(test.number_input, "Fractions of the new course").set_value(3).run()
    assert any("Shown is what remains in 22 fractions" in c.value for c in test.markdown)


def test_a_registration_is_shown_and_signed(session: Session, caught: Caught) -> None:
    test = page(session)
    field(test.radio, "Look at").set_value("Registration").run()
    assert not test.exception
    assert caught.header["panes"][0]["marks"] == ["squares: second (upper left) and first, in turn"]
    assert "same frame of reference" in " ".join(c.value for c in test.markdown)
    assert "Nobody has signed" in test.warning[0].value
    field(test.radio, "Shown as").set_value("Overlay").run()
    assert caught.header["panes"][0]["marks"][0].startswith("magenta: second; green: first")
    field(test.text_input, "Name").input("  ")
    field(test.button, "Sign").click().run()
    assert "Nothing was kept" in test.error[0].value
    assert SIGNED not in session.kept
    field(test.text_input, "Name").input("A. Physicist")
    field(test.checkbox, "I have looked at this registration").check()
    field(test.text_area, "Note for the report").input("bone <b>good</b>\nskin 3 mm off")
    field(test.button, "Sign").click().run()
    assert session.kept[SIGNED] == {"first": {"by": "A. Physicist", "note": "bone <b>good</b> skin 3 mm off", "looked": True}}
    assert test.success[0].value.startswith(r"Signed: A\. Physicist looked at the registration of first")
    field(test.button, "Withdraw the signature").click().run()
    assert session.kept[SIGNED] == {}


def test_a_case_without_pixels_is_shown_without_ct_and_says_why(tmp_path: Path, caught: Caught) -> None:
    session = Session()
    session.calculate(write_case(tmp_path / "case") / "case.yaml")
    test = page(session)
    assert "The CT of the reference course is not shown" in test.warning[0].value
    assert column(test, "EQD2 at α/β 3 (Gy)") == ["36.00", "28.00", "64.00"]
    field(test.radio, "Look at").set_value("Registration").run()
    assert len(test.error) == 1  # the other CT cannot be read either
    assert not test.exception


def test_a_new_patient_finds_nothing_of_the_one_before(session: Session, caught: Caught, tmp_path: Path) -> None:
    test = page(session)
    token = session.kept["see"].token
    field(test.multiselect, "Outlines").set_value([]).run()
    session.calculate(write_case(tmp_path / "other") / "case.yaml")
    test.run()
    assert not test.exception
    assert session.kept["see"].token != token
    assert field(test.multiselect, "Outlines").value == ["Rectum"]


def test_names_from_files_are_text_and_nothing_else(tmp_path: Path, caught: Caught) -> None:
    hostile = "<img src=x onerror=alert(1)> **b** $x$"
    courses = """
  - {name: "a|b *c*", kind: prior, dicom: c1, completed: 2021-01-01}
  - {name: "<script>1</script>", kind: proposed, dicom: c2, starts: 2022-01-01}
"""
    text = f'constraints: limits.yaml\nstructures: {{"{hostile}": rectum}}'
    folder = write_case(tmp_path / "case", text, courses, rois=[(hostile, stored_box())])
    for k in (1, 2):
        with_pixels(folder / f"c{k}", k)
    session = Session()
    session.calculate(folder / "case.yaml")
    test = page(session)
    assert caught.header["legend"]["names"][0]["name"] == hostile  # the viewer sets it as text
    (table,) = (m.value for m in test.markdown if m.value.startswith("| Course"))
    assert r"| a\|b \*c\* |" in table
    assert r"\<script\>" in table
    assert not any("<img" in m.value.replace(r"\<", "") for m in test.markdown)
    field(test.radio, "Look at").set_value("Registration").run()
    assert not test.exception
    assert r"a\|b \*c\*" in test.warning[0].value


def test_a_case_whose_file_is_gone_is_refused_in_words(session: Session, caught: Caught) -> None:
    assert session.loaded is not None
    session.loaded.case_file.unlink()
    test = page(session)
    assert len(test.error) == 1
    assert not caught.messages


def test_structures_without_extent_have_no_outline(session: Session) -> None:
    assert session.loaded is not None
    case = session.loaded.case
    course = case.courses[case.reference]
    line = Structure("Line", 8, (Contour(np.array([[0.0, 0.0, -5.0], [5.0, 0.0, -5.0], [9.0, 0.0, -5.0]])),))
    again = replace(course.structures[0], number=9)
    courses = (*case.courses[:-1], replace(course, structures=(*course.structures, again, Structure("Empty", 7, ()), line)))
    assert list(drawn_structures(replace(case, courses=courses))) == ["Rectum"]


def test_a_message_is_a_header_and_pictures() -> None:
    message = packed({"a": "ü"}, [b"12", b"345"])
    size = int.from_bytes(message[:4], "little")
    assert json.loads(message[4 : 4 + size]) == {"a": "ü", "sizes": [2, 3]}
    assert message[4 + size :] == b"12345"


def test_a_cleared_tab_holds_no_picture_of_the_patient_any_more(session: Session) -> None:
    test = page(session)
    test.button(key=f"go_{session.kept['see'].token}").click().run()
    kept = [weakref.ref(session.kept["see"].volumes.eqd2_gy), weakref.ref(session.kept["see"].volumes.ct.hu)]
    session.clear()
    gc.collect()
    assert [k() for k in kept] == [None, None]
    assert not test.exception
