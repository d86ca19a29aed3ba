from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import dicom_factory as dicom
import numpy as np
import pytest
from case_factory import stored_box, write_case, write_course
from streamlit.testing.v1 import AppTest

from reirrad.assessment import assess
from reirrad.loading import load_case
from reirrad.result import to_dict
from reirrad.ui.session import KEY, Session

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_A = ROOT / "sample_plans" / "A-groin-relapse"
HOSTILE = "<img src=x onerror=alert(1)> **b** $x$ :red[r]"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.delenv("REIRRAD_FOLDERS", raising=False)
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


def session_of(page: AppTest) -> Session:
    session = page.session_state[KEY]
    assert isinstance(session, Session)
    return session


def files_of(folder: Path, top: str = "case") -> list[tuple[str, bytes, str]]:
    return [(f"{top}/{p.relative_to(folder).as_posix()}", p.read_bytes(), "") for p in sorted(folder.rglob("*")) if p.is_file()]


def zip_of(files: list[tuple[str, bytes, str]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, _ in files:
            archive.writestr(name, content)
    return packed.getvalue()


def drop_folder(page: AppTest, files: list[tuple[str, bytes, str]]) -> AppTest:
    page.radio(key="load-source").set_value("A folder").run()
    uploader = next(u for u in page.file_uploader if (u.key or "").startswith("folder-"))
    return uploader.set_value(files).run()


def drop_files(page: AppTest, *files: tuple[str, bytes, str]) -> AppTest:
    page.radio(key="load-source").set_value("A zip or single files").run()
    uploader = next(u for u in page.file_uploader if (u.key or "").startswith("files-"))
    return uploader.set_value(list(files)).run()


def press(page: AppTest, label: str) -> AppTest:
    return next(b for b in page.button if b.label == label).click().run()


def edit(page: AppTest, table: str, row: int, **cells: Any) -> AppTest:
    """Edit cells as the browser does."""
    key = next(e.key for e in page.data_editor if (e.key or "").startswith(table))
    state = page.session_state[key]
    rows = {**state["edited_rows"], row: {**state["edited_rows"].get(row, {}), **cells}}
    page.session_state[key] = {"edited_rows": rows, "added_rows": [], "deleted_rows": []}
    return page.run()


def column(page: AppTest, name: str) -> list[Any]:
    """A column of the table of courses, as it was filled."""
    return list(page.data_editor[0].value[name])


def errors(page: AppTest) -> list[str]:
    assert not page.exception
    return [e.value for e in page.error]


def text(page: AppTest) -> str:
    return "\n".join([*(m.value for m in page.markdown), *(c.value for c in page.caption), *errors(page)])


class TestSampleA:
    def test_it_is_calculated_as_the_command_line_does(self, page: AppTest) -> None:
        files = [f for f in files_of(SAMPLE_A, "A-groin-relapse") if "/CT." not in f[0]]  # no number depends on the CT
        drop_folder(page, files)
        assert errors(page) == []
        assert column(page, "name") == ["CRT 2021", "Groin 2023"]
        assert column(page, "planned") == [30, 28]
        press(page, "Calculate")
        assert errors(page) == []
        assessment = assess(*load_case(SAMPLE_A))
        loaded = session_of(page).loaded
        assert loaded is not None
        assert loaded.assessment.verdict == assessment.verdict
        one, two = to_dict(loaded.assessment), to_dict(assessment)
        for part in ("settings", "structures", "evaluations", "verdict"):
            assert one[part] == two[part]
        assert [s.value for s in page.success] == ["Calculated: ✓ within every limit that was checked."]

    def test_a_sample_is_opened(self, page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_case(tmp_path / "small")
        monkeypatch.setattr("reirrad.ui.loadpage.samples", lambda: {"small": tmp_path / "small"})
        page.radio(key="load-source").set_value("A sample").run()
        assert page.selectbox(key="load-sample").options == ["small"]
        press(page, "Open the sample")
        assert errors(page) == []
        assert column(page, "name") == ["first", "second"]

    def test_samples_are_offered_where_they_are(self, page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
        assert page.radio(key="load-source").options == ["A folder", "A zip or single files", "A sample"]
        monkeypatch.setattr("reirrad.ui.loadpage.samples", dict)
        assert page.run().radio(key="load-source").options == ["A folder", "A zip or single files"]


class TestThisMachine:
    def test_only_where_it_is_allowed(self, page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_case(tmp_path / "shared" / "case one")
        write_case(tmp_path / "elsewhere")
        monkeypatch.setenv("REIRRAD_FOLDERS", str(tmp_path / "shared"))
        page.run().radio(key="load-source").set_value("A path on this machine").run()
        page.text_input(key="load-path-text").set_value("../elsewhere")
        press(page, "Open")
        assert "was not found in the folders that may be opened here" in errors(page)[0]
        page.text_input(key="load-path-text").set_value("case one")
        press(page, "Open")
        assert errors(page) == []
        assert column(page, "name") == ["first", "second"]
        edit(page, "courses", 0, name="changed")
        press(page, "Calculate")
        assert session_of(page).loaded is not None
        assert "changed" not in (tmp_path / "shared" / "case one" / "case.yaml").read_text()


class TestTables:
    @pytest.fixture
    def drafted(self, page: AppTest, tmp_path: Path) -> AppTest:
        """Two courses without a case file, with a structure of a hostile name and one that stands for nothing."""
        rois = [("Rectum", stored_box()), (HOSTILE, stored_box()), ("opt_ring", stored_box())]
        for number, gy, n, day, label in ((1, 30, 10, "20200310", "CRT"), (2, 20, 5, "20210601", HOSTILE[:16])):
            plan = {"RTPlanDate": day, "RTPlanLabel": label}
            write_course(tmp_path / f"c{number}", number, gy, n, rois, plan=plan, StudyInstanceUID=f"1.2.3.8.{number}")
        return drop_folder(page, files_of(tmp_path))

    def test_what_is_assumed_is_marked_and_unmapped_structures_are_seen(self, drafted: AppTest) -> None:
        assert errors(drafted) == []
        assert "Proposed from the files: nobody has checked it yet" in text(drafted)
        assert "- **CRT 2020**: kind\\: a guess from the dates of plans; fractions\\: as planned; last day\\: not stated" in text(drafted)
        structures = drafted.data_editor[2].value.astype(object).fillna("")
        assert [list(r) for r in structures.itertuples(index=False)] == [
            [HOSTILE, "", "no organ"],
            ["opt_ring", "", "no organ"],
            ["Rectum", "rectum", "by its name"],
        ]
        assert "<img" not in text(drafted).replace("\\<img", "")
        assert "\\<img src=x onerror=alert\\(1\\)\\> \\*\\*b\\*\\* \\$x\\$ \\:red\\[r\\], opt\\_ring" in text(drafted)

    def test_edits_reach_the_case_file_and_the_calculation(self, drafted: AppTest) -> None:
        edit(drafted, "courses", 0, name="earlier", fractions=9, completed="2020-05-01")
        edit(drafted, "structures", 1, organ="skin")
        edit(drafted, "alphabeta", 0, stated_gy=2)  # rectum, the only organ when the table was made
        document = session_of(drafted).document
        assert document is not None
        assert document["courses"][0] | {"dicom": ""} == {
            "name": "earlier", "kind": "prior", "dicom": "", "fractions": 9, "completed": document["courses"][0]["completed"],
        }  # fmt: skip
        assert str(document["courses"][0]["completed"]) == "2020-05-01"
        assert document["structures"] == {"Rectum": "rectum", "opt_ring": "skin"}
        assert document["alpha_beta_gy"] == {"rectum": 2}
        press(drafted, "Calculate")
        assert errors(drafted) == []
        loaded = session_of(drafted).loaded
        assert loaded is not None
        # 30 Gy in 10 planned, 9 given: 27 Gy of 3 Gy; then 20 Gy of 4 Gy; at alpha/beta 2 Gy
        organs = {o.name: o for o in loaded.assessment.organs}
        assert organs["Rectum"].cumulative.values["max_gy"] == pytest.approx(27 * 5 / 4 + 20 * 6 / 4, abs=1e-3)
        assert set(organs) == {"Rectum", "opt_ring"}

    @pytest.mark.hazard("H18")
    def test_a_result_that_no_longer_belongs_to_the_tables_is_told(self, drafted: AppTest) -> None:
        press(drafted, "Calculate")
        assert drafted.info == []
        assert not session_of(drafted).is_changed
        edit(drafted, "courses", 0, fractions=8)
        assert session_of(drafted).is_changed
        assert [i.value for i in drafted.info] == [
            "Changed since the last calculation. The other pages show the case as it was calculated; calculate again to bring them up to date."
        ]
        assert not [s.value for s in [*drafted.success, *drafted.warning] if s.value.startswith("Calculated")]
        press(drafted, "Calculate")
        assert drafted.info == []

    def test_what_blocks_is_told_beside_its_table_and_goes_when_mended(self, drafted: AppTest) -> None:
        edit(drafted, "courses", 0, completed="2999-01-01")
        assert errors(drafted)[0] == "**CRT 2020, Last day**: the date 2999\\-01\\-01 is not between the years 1950 and 2100\\."
        press(drafted, "Calculate")
        assert len(errors(drafted)) == 2
        assert session_of(drafted).loaded is None
        edit(drafted, "courses", 0, completed="2020-05-01")
        assert errors(drafted) == []

    def test_what_only_the_calculation_finds_stays_until_something_is_changed(self, drafted: AppTest) -> None:
        edit(drafted, "courses", 1, radiation="electron")
        assert errors(drafted) == []
        press(drafted, "Calculate")
        assert "radiation" in errors(drafted)[0]
        edit(drafted, "courses", 1, radiation="photon")
        assert errors(drafted) == []

    def test_edits_survive_another_page(self, drafted: AppTest) -> None:
        edit(drafted, "courses", 0, fractions=9)
        key = next(e.key for e in drafted.data_editor if (e.key or "").startswith("courses"))
        del drafted.session_state[key]  # as Streamlit does when another page is shown
        drafted.run()
        assert column(drafted, "fractions")[0] == 9
        document = session_of(drafted).document
        assert document is not None
        assert document["courses"][0]["fractions"] == 9

    def test_a_course_on_paper_is_added_and_taken_out(self, drafted: AppTest) -> None:
        edit(drafted, "courses", 0, fractions=9)
        version = session_of(drafted).version
        drafted.text_input(key=f"paper-name-{version}").set_value("letter")
        press(drafted, "Add this course")
        assert errors(drafted) == ["A name, the prescribed dose and the number of fractions are needed\\. Fill them in\\."]
        drafted.number_input(key=f"paper-dose-{version}").set_value(10.0)
        drafted.number_input(key=f"paper-fractions-{version}").set_value(5)
        press(drafted, "Add this course")
        assert column(drafted, "name") == ["CRT 2020", "letter", "<img src=x onerr 2021"]
        assert column(drafted, "fractions")[0] == 9
        press(drafted, "Calculate")
        loaded = session_of(drafted).loaded
        assert loaded is not None
        assert [c.is_on_paper for c in loaded.case.courses] == [False, True, False]
        version = session_of(drafted).version
        drafted.selectbox(key=f"out-{version}").set_value(1).run()
        press(drafted, "Take out")
        assert column(drafted, "name") == ["CRT 2020", "<img src=x onerr 2021"]
        assert errors(drafted) == []

    def test_another_course_may_lend_its_structures(self, drafted: AppTest) -> None:
        edit(drafted, "structures", 1, organ="skin")
        drafted.selectbox(key=f"reference-{session_of(drafted).version}").set_value(0).run()
        document = session_of(drafted).document
        assert document is not None
        assert (document["reference"], document["structures"]) == ("CRT 2020", {"Rectum": "rectum", "opt_ring": "skin"})

    def test_limits_and_recovery_are_chosen(self, drafted: AppTest) -> None:
        version = session_of(drafted).version
        assert drafted.multiselect(key=f"limits-{version}").value == ["pelvis"]
        drafted.multiselect(key=f"limits-{version}").set_value(["pelvis", "spine"])
        drafted.selectbox(key=f"recovery-{version}").set_value("doi_2021").run()
        document = session_of(drafted).document
        assert document is not None
        assert (document["constraints"], document["recovery"]) == (["pelvis", "spine"], "doi_2021")
        drafted.multiselect(key=f"limits-{version}").set_value([]).run()
        assert "constraints" not in (session_of(drafted).document or {})

    def test_an_organ_that_its_name_gives_cannot_be_left_out(self, drafted: AppTest) -> None:
        edit(drafted, "structures", 2, organ=None)
        assert "structures" not in (session_of(drafted).document or {})
        assert "Taken for organs by their names all the same, so that no limit is lost: Rectum" in text(drafted)
        press(drafted, "Calculate")
        loaded = session_of(drafted).loaded
        assert loaded is not None
        assert [o.name for o in loaded.assessment.organs] == ["Rectum"]

    def test_a_saved_case_file_is_opened_again(self, drafted: AppTest) -> None:
        edit(drafted, "courses", 0, name="earlier", fractions=9)
        saved = drafted.get("download_button")[0]
        assert saved.proto.label == "Save the case file"
        written = (session_of(drafted).case_folder or Path()) / "case.yaml"
        content = written.read_bytes()
        edit(drafted, "courses", 0, fractions=7)
        uploader = next(u for u in drafted.file_uploader if (u.key or "").startswith("saved-"))
        uploader.set_value(("case.yaml", content, "")).run()
        assert errors(drafted) == []
        assert column(drafted, "name")[0] == "earlier"
        assert column(drafted, "fractions")[0] == 9
        assert column(drafted, "planned") == [10, 5]
        assert "nobody has checked" not in text(drafted)
        for bad in (b"nonsense: [", b"- 1", b"x" * 1_000_001):
            uploader = next(u for u in drafted.file_uploader if (u.key or "").startswith("saved-"))
            uploader.set_value(("case.yaml", bad, "")).run()
            assert errors(drafted)
            assert column(drafted, "name")[0] == "earlier"


class TestSeveralPlans:
    def test_how_they_were_given_is_asked_and_stated(self, page: AppTest, tmp_path: Path) -> None:
        for number, label in ((1, "Pelvis"), (2, "Boost")):
            write_course(tmp_path / f"p{number}", number, 20, 10, plan={"RTPlanDate": "20200310", "RTPlanLabel": label}, StudyInstanceUID="1.2.3.8")
        drop_folder(page, files_of(tmp_path))
        version = session_of(page).version
        assert "plans\\: how were they given?" in text(page)
        radio = page.radio(key=f"given-{version}-0")
        assert radio.options == ["one after the other", "in the same sessions", "only Boost was treated", "only Pelvis was treated"]
        radio.set_value("after").run()
        page.number_input(key=f"n-{version}-0-Boost").set_value(8).run()
        document = session_of(page).document
        assert document is not None
        assert document["courses"][0]["phases"] == [{"plan": "Boost", "fractions": 8}, {"plan": "Pelvis"}]
        press(page, "They are separate courses")
        assert [(c["name"], c["phases"]) for c in (session_of(page).document or {})["courses"]] == [
            ("Boost", [{"plan": "Boost"}]),
            ("Pelvis", [{"plan": "Pelvis"}]),
        ]


class TestCaseFiles:
    def test_phases_of_another_hand_are_left_alone(self, page: AppTest, tmp_path: Path) -> None:
        for number, label in ((1, "Pelvis"), (2, "Boost")):
            write_course(tmp_path / f"p{number}", number, 20 + number, 10, plan={"RTPlanDate": "20200310", "RTPlanLabel": label}, StudyInstanceUID="1.2.3.8")
        phases = "[{plan: Pelvis, fractions: 5}, {plan: Boost, fractions: 4, concurrent: true}, {plan: Pelvis, fractions: 1}]"
        (tmp_path / "case.yaml").write_text(f"courses: [{{name: a, kind: proposed, dicom: ., phases: {phases}}}]\n")
        drop_folder(page, files_of(tmp_path))
        assert not [r for r in page.radio if (r.key or "").startswith("given")]
        assert [p["fractions"] for p in (session_of(page).document or {})["courses"][0]["phases"]] == [5, 4, 1]

    def test_structures_come_from_the_calculation_where_the_files_could_not_be_looked_through(self, page: AppTest, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        (folder / "other").mkdir()
        (folder / "other" / "cut.dcm").write_bytes((folder / "c1" / "00.dcm").read_bytes()[:300])
        drop_folder(page, files_of(folder))
        assert "could not be looked through" in text(page)
        assert len(page.data_editor[2].value) == 0
        press(page, "Calculate")
        assert errors(page) == []
        assert list(page.data_editor[2].value["structure"]) == ["Rectum"]

    def test_one_of_several_is_chosen(self, page: AppTest, tmp_path: Path) -> None:
        folder = write_case(tmp_path)
        (folder / "case-b.yaml").write_text((folder / "case.yaml").read_text().replace("first", "earlier"))
        drop_folder(page, files_of(folder))
        assert column(page, "name")[0] == "first"
        page.selectbox(key=f"case-file-{session_of(page).version}").set_value("case-b.yaml").run()
        assert column(page, "name")[0] == "earlier"
        press(page, "Calculate")
        loaded = session_of(page).loaded
        assert loaded is not None
        assert loaded.case_file.name == "case-b.yaml"


class TestIntake:
    @pytest.mark.hazard("H10")
    def test_a_new_upload_replaces_the_patient(self, page: AppTest, tmp_path: Path) -> None:
        first, second = write_case(tmp_path / "a"), tmp_path / "b"
        write_course(second / "only", 7, 50, 25, PatientID="ANOTHER")
        drop_folder(page, files_of(first, "first patient"))
        press(page, "Calculate")
        session = session_of(page)
        assert session.loaded is not None
        session.kept["dvh"] = object()
        drop_files(page, ("second.zip", zip_of(files_of(second, "x")), ""))
        assert errors(page) == []
        assert (session.loaded, session.kept) == (None, {})
        assert [p.name for p in session.folder.iterdir()] == ["second"]
        assert "first patient" not in text(page)

    @pytest.mark.hazard("H33")
    @pytest.mark.hazard("H38")
    def test_what_is_hostile_or_empty_is_refused_and_the_page_stays_alive(self, page: AppTest, tmp_path: Path) -> None:
        good = files_of(write_case(tmp_path), "case")
        session = session_of(page)
        hostile = {
            "leads outside its folder": [("../../x.dcm", b"x", ""), ("a/y.dcm", b"x", "")],
            "control characters": [("a/x\x00.dcm", b"x", ""), ("a/y.dcm", b"x", "")],
            "name of a device": [("a/NUL", b"x", "")],
            "empty.dcm is truncated": [("a/empty.dcm", b"", "")],
            "report.dcm is not a readable DICOM object": [("a/report.dcm", b"%PDF-1.7 not a DICOM object", "")],
            "holds no DICOM object (1 other file": [("a/report.pdf", b"%PDF-1.7 not a DICOM object", "")],
        }
        for why, files in hostile.items():
            drop_folder(page, files)
            assert why.replace("\\", "") in errors(page)[0].replace("\\", "")
            assert session.opened is None
            assert list(session.folder.iterdir()) == []
        zips = {
            "leads outside the case folder": zip_of([("../x", b"x", "")]),
            "more than 200 times its size": zip_of([("x", bytes(30 * 1024**2), "")]),
            "damaged": b"PK nothing",
        }
        for why, content in zips.items():
            drop_files(page, ("case.zip", content, ""))
            assert why in errors(page)[0]
            assert list(session.folder.iterdir()) == []
        drop_folder(page, good)
        assert errors(page) == []
        drop_folder(page, [("a/damaged.dcm", good[-1][1][:300], "")])  # in place of the good one
        assert errors(page)
        assert session.opened is None
        drop_folder(page, good)
        assert errors(page) == []
        press(page, "Calculate")
        assert session.loaded is not None

    def test_uploads_leave_the_memory_of_the_server(self, page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

        removed: list[str] = []
        monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", lambda self, session_id, file_id: removed.append(file_id))
        files = files_of(write_case(tmp_path))
        drop_folder(page, files)
        assert errors(page) == []
        assert len(set(removed)) == len(files)

    @pytest.mark.hazard("H39")
    def test_names_from_files_are_no_markup(self, page: AppTest) -> None:
        drop_folder(page, [("a/[x](http:/evil)<b>", b"no DICOM", ""), ("a/../<b>", b"x", "")])
        assert "<b>" not in errors(page)[0].replace("\\<b\\>", "")
        assert session_of(page).opened is None

    def test_two_tabs_do_not_know_each_other(self, page: AppTest, tmp_path: Path) -> None:
        other = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        drop_folder(page, files_of(write_case(tmp_path)))
        other.run()
        assert session_of(other).opened is None
        assert session_of(other).folder != session_of(page).folder
        assert not other.data_editor


def test_frames_that_differ_are_told_beside_the_courses_and_mended_there(page: AppTest, tmp_path: Path) -> None:
    for number, frame, day in ((1, "1.2.3.4.1", "20200310"), (2, "1.2.3.4.2", "20210601")):
        plan = {"RTPlanDate": day, "RTPlanLabel": f"P{number}"}
        write_course(tmp_path / f"c{number}", number, 20 + number, 10, frame=frame, plan=plan, StudyInstanceUID=f"1.9.{number}", ct_series=f"1.8.{number}")
    matrix = np.eye(4)
    dicom.save(dicom.registration([("1.2.3.4.2", [matrix]), ("1.2.3.4.1", [matrix])], "1.2.3.4.2"), tmp_path / "reg.dcm")
    drop_folder(page, files_of(tmp_path))
    assert (session_of(page).document or {})["registration"] == [{"course": "P1 2020", "method": "file", "file": "reg.dcm"}]
    assert "is it approved?" in text(page)
    edit(page, "courses", 0, registration=None)
    press(page, "Calculate")
    assert "are in different DICOM frames of reference" in errors(page)[0]
    edit(page, "courses", 0, registration="file", file="reg.dcm")
    assert errors(page) == []
    press(page, "Calculate")
    assert errors(page) == []
    assert session_of(page).loaded is not None
