import datetime as dt
import stat
import zipfile

import jsonschema
import pytest

from reirrad import casefolder
from reirrad.casefile import CaseFile, case_schema, open_case, read_case_file, resolve_inside
from reirrad.errors import CaseFileError

TODAY = dt.date(2024, 1, 1)

CASE = """case: groin-relapse
patient_id: 0012345
courses:
  - name: CRT 2021
    kind: prior
    dicom: course1
    completed: 2021-04-16
  - name: SBRT 2023
    kind: proposed
    dicom: course2
    starts: 2023-05-02
structures:
  Rectum: rectum
alpha_beta_gy: {rectum: 3}
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "groin"
    for name in ("course1", "course2"):
        (folder / name).mkdir(parents=True)
    (folder / "reg.dcm").write_bytes(b"")
    (folder / "limits.yaml").write_text("[]")
    return folder


@pytest.fixture
def read(folder):
    def read(text=CASE, today=TODAY):
        (folder / "case.yaml").write_text(text)
        return read_case_file(folder, today)

    return read


def refusal(read, text):
    with pytest.raises(CaseFileError) as error:
        read(text)
    return str(error.value)


def test_a_case_is_read_as_stated(read, folder):
    case = read(CASE + "reference: CRT 2021\nregistration:\n  - {course: SBRT 2023, method: file, file: reg.dcm}\nconstraints: [pelvis, limits.yaml]\n")
    assert (case.title, case.patient_id, case.reference_course) == ("groin-relapse", "0012345", "CRT 2021")
    assert [(c.name, c.kind, c.completed, c.starts, c.fractions, c.per_day, c.radiation) for c in case.courses] == [
        ("CRT 2021", "prior", dt.date(2021, 4, 16), None, None, 1, "photon"),
        ("SBRT 2023", "proposed", None, dt.date(2023, 5, 2), None, 1, "photon"),
    ]
    assert (case.structures, case.alpha_beta_gy, case.recovery, case.interpolation) == ({"Rectum": "rectum"}, {"rectum": 3.0}, {}, "cubic")
    assert (case.constraints, case.limit_files, case.folder) == (["pelvis", "limits.yaml"], ["limits.yaml"], folder.resolve())
    assert case.resolve("courses", 0, "dicom") == (folder / "course1").resolve()
    assert case.resolve("registration", 0, "file") == (folder / "reg.dcm").resolve()
    assert case.resolve("constraints", 1) == (folder / "limits.yaml").resolve()
    assert case.where("courses", 1, "dicom") == "case.yaml:10: courses[1].dicom"


def test_defaults(read, folder):
    case = read("courses:\n- {name: A, kind: prior, dicom: course1}\n- {name: B, kind: proposed, dicom: course2}\n- {name: C, kind: prior, dicom: course1}\n")
    assert (case.title, case.patient_id, case.structures, case.constraints, case.reference_course) == ("groin", None, None, [], "B")
    with pytest.raises(CaseFileError, match=r"case\.yaml:2: courses\[0\]\.completed: no path is given"):
        case.resolve("courses", 0, "completed")


def test_without_a_proposed_course_the_last_is_the_reference(read):
    assert read("courses:\n- {name: A, kind: prior, dicom: course1}\n- {name: B, kind: prior, dicom: course2}\n").reference_course == "B"


def test_one_constraint_may_stand_alone(read, folder):
    case = read(CASE + "constraints: limits.yaml\n")
    assert case.resolve("constraints") == (folder / "limits.yaml").resolve()
    assert read(CASE + "constraints: pelvis\n").limit_files == []


def test_a_model_made_without_a_file_still_names_its_places():
    case = CaseFile.model_validate({"courses": [{"name": "A", "kind": "prior", "dicom": "x"}]})
    assert case.where("courses", 0, "dicom") == "courses.0.dicom"


def test_a_case_file_may_have_another_name(folder):
    (folder / "second.yaml").write_text(CASE)
    assert read_case_file(folder / "second.yaml").title == "groin-relapse"


def test_all_the_ways_to_state_a_course(read):
    case = read(
        "courses:\n"
        "- {name: paper, kind: prior, prescription: {dose_gy: 45, fractions: 25}, organ_doses: {rectum: {D0.1cc: 44.1, mean: 20}}, fractions: 20}\n"
        "- {name: phases, kind: prior, dicom: course1, phases: [{plan: 1a, fractions: 25}, {plan: 1b, concurrent: true}, {dicom: course2}]}\n"
        "- {name: bid, kind: proposed, dicom: course2, radiation: proton, rbe: 1.1, per_day: 2, interval_h: 6}\n"
    )
    assert case.courses[0].organ_doses == {"rectum": {"D0.1cc": 44.1, "mean": 20.0}}
    assert [(p.plan, p.dicom, p.fractions, p.concurrent) for p in case.courses[1].phases] == [
        ("1a", None, 25, False),
        ("1b", None, None, True),
        (None, "course2", None, False),
    ]
    assert (case.courses[2].rbe, case.courses[2].per_day, case.courses[2].interval_h) == (1.1, 2, 6.0)


def test_hostile_structure_names_are_names(read):
    names = ["<script>alert(1)</script>", "Blad\\nder", "\\u001b[31mRED", "=cmd|' /C calc'!A0", "../../x", "L" * 500, "123"]
    case = read(CASE.replace("  Rectum: rectum", "\n".join(f'  "{n}": bladder' for n in names)))
    assert len(case.structures) == 7
    assert "Blad\nder" in case.structures


COURSE = "courses:\n- {name: A, kind: prior, dicom: course1"


@pytest.mark.hazard("H28")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CASE.replace("name: SBRT 2023", "name: CRT 2021"),
         'case.yaml:8: courses[1].name: the course name "CRT 2021" is given twice (also courses[0]); names must differ.'),
        (CASE.replace("kind: prior", "kind: previous"), "case.yaml:5: courses[0].kind: found \"previous\", needed one of 'prior' or 'proposed'."),
        (CASE.replace("    kind: prior\n", ""), 'case.yaml:4: courses[0]: the key "kind" is missing.'),
        (CASE.replace("dicom: course1", "dicom: course1\n    fraction: 25"), 'case.yaml:7: courses[0]: unknown key "fraction", did you mean "fractions"?'),
        (CASE.replace("2021-04-16", "2921-04-16"), "case.yaml:7: courses[0].completed: the date 2921-04-16 is not between the years 1950 and 2100."),
        (CASE.replace("2021-04-16", "2024-01-03"), "case.yaml:7: courses[0].completed: the date 2024-01-03 of a prior course lies in the future."),
        (COURSE + ", starts: 2021-05-01, completed: 2021-04-30}",
         "case.yaml:2: courses[0].completed: the course is completed on 2021-04-30, before it starts on 2021-05-01."),
        (CASE + "reference: CRT 2012\n", 'case.yaml:15: reference: no course is named "CRT 2012", did you mean "CRT 2021"?'),
        (CASE.replace("rectum: 3}", "rectumm: 3}"), 'case.yaml:14: alpha_beta_gy.rectumm: "rectumm" is not an organ key; did you mean "rectum"?'),
        (CASE.replace("rectum: 3}", "rectum: 0.09}"), 'case.yaml:14: alpha_beta_gy.rectum: found "0.09", needed at least 0.1.'),
        (CASE.replace("rectum: 3}", "rectum: 51}"), 'case.yaml:14: alpha_beta_gy.rectum: found "51", needed at most 50.'),
        (CASE.replace("Rectum: rectum", "Rectum: rektum"), 'case.yaml:13: structures.Rectum: "rektum" is not an organ key; did you mean "rectum"?'),
        (CASE.replace("Rectum: rectum", "' ': rectum"), "case.yaml:13: structures.: the name of a structure is empty."),
        (CASE.replace("\n  Rectum: rectum", " {}"), "case.yaml:12: structures: is empty; give at least one entry, or remove the key."),
        (CASE.replace("name: CRT 2021", 'name: "CRT\\n2021"'),
         'case.yaml:4: courses[0].name: "CRT 2021" holds control characters or spaces at its ends; needed plain text.'),
        (CASE.replace("name: CRT 2021", 'name: " "'), "case.yaml:4: courses[0].name: the text is empty."),
        (COURSE + ", fractions: 201}", 'case.yaml:2: courses[0].fractions: found "201", needed at most 200.'),
        (COURSE + ", per_day: 2}", "case.yaml:2: courses[0].per_day: more than one fraction a day needs interval_h, the hours between them."),
        (COURSE + ", interval_h: 6}", "case.yaml:2: courses[0].interval_h: hours between fractions of a day need per_day above 1."),
        (COURSE + ", per_day: 3, interval_h: 12}", "case.yaml:2: courses[0].interval_h: 3 fractions 12 hours apart do not fit into a day."),
        (COURSE + ", rbe: 1.1}", "case.yaml:2: courses[0].rbe: an RBE multiplies a physical proton dose, but the radiation is photon."),
        (COURSE + ", organ_doses: {rectum: {D2cc: 3}}}",
         "case.yaml:2: courses[0].organ_doses: organ doses belong to a course with a prescription and without dose files."),
        ("courses:\n- {name: A, kind: prior}", "case.yaml:2: courses[0]: names no data; needed dicom (a folder), phases, a prescription, or records: none."),
        (COURSE + ", prescription: {dose_gy: 45, fractions: 25}}",
         "case.yaml:2: courses[0].prescription: a prescription replaces dose files; keep either the prescription or the folder."),
        ("courses:\n- {name: A, kind: proposed, prescription: {dose_gy: 45, fractions: 25}}",
         "case.yaml:1: courses: every course is known from paper only; needed at least one with DICOM files, whose structures are used. "
         "To add doses on paper use reirrad eqd2."),
        ("courses:\n- {name: A, kind: prior, fractions: 26, prescription: {dose_gy: 45, fractions: 25}}",
         "case.yaml:2: courses[0].fractions: 26 delivered fractions are more than the 25 prescribed."),
        ("courses:\n- {name: A, kind: prior, prescription: {dose_gy: 4500, fractions: 25}}",
         'case.yaml:2: courses[0].prescription.dose_gy: found "4500", needed at most 200.'),
        ("courses:\n- {name: A, kind: prior, prescription: {dose_gy: 45, fractions: 25}, organ_doses: {rectum: {D2cc: 3, d_2cc: 4}}}",
         "case.yaml:2: courses[0].organ_doses.rectum: the same metric is given twice; keep one."),
        ("courses:\n- {name: A, kind: prior, prescription: {dose_gy: 45, fractions: 25}, organ_doses: {rectum: {V40Gy: 3}}}",
         "case.yaml:2: courses[0].organ_doses.rectum.V40Gy: V40Gy is a volume; needed a dose metric such as D0.1cc or Dmean."),
        ("courses:\n- {name: A, kind: prior, prescription_gy: 45, prescription: {dose_gy: 45, fractions: 25}}",
         "case.yaml:2: courses[0].prescription_gy: the prescribed dose is given twice; keep prescription of a course without dose files."),
        (CASE + "tumour: {repopulation_gy_per_day: 0.6}\n",
         "case.yaml:15: tumour: repopulation needs both repopulation_gy_per_day (BED, Gy) and kickoff_day; add the one that is missing or take both away."),
        (CASE + "tumour: {alpha_beta_gy: [10, 10]}\n", "case.yaml:15: tumour.alpha_beta_gy: the same alpha/beta is given twice; keep one."),
        (CASE + "export: {alpha_beta_gy: 3, priority: [rectum]}\n",
         "case.yaml:15: export: one alpha/beta for all voxels, or priority and other_alpha_beta_gy for a map by organ; needed is one of the two."),
        (CASE + "export: {priority: [rectum, rectum]}\n", "case.yaml:15: export.priority: the same organ is given twice; keep one."),
        (COURSE + ", fractions: 3, phases: [{plan: x}]}", "case.yaml:2: courses[0].fractions: a course with phases states the fractions in each phase."),
        (COURSE + ", phases: [{fractions: 3}]}",
         "case.yaml:2: courses[0].phases[0]: a phase needs either dicom (its folder) or plan (a plan of the course's folder)."),
        (COURSE + ", phases: [{plan: x, concurrent: true}]}",
         "case.yaml:2: courses[0].phases[0].concurrent: the first phase has no phase before it to be concurrent with."),
        ("courses:\n- {name: A, kind: prior, phases: [{plan: x}]}",
         "case.yaml:2: courses[0].phases[0].plan: the plan of a phase is looked for in the folder of its course, which has no dicom."),
        (CASE + "registration: [{course: CRT, method: identity}]\n", 'case.yaml:15: registration[0].course: no course is named "CRT".'),
        (CASE + "registration:\n- {course: CRT 2021, method: none}\n- {course: CRT 2021, method: auto}\n",
         'case.yaml:17: registration[1].course: the course "CRT 2021" has two registration entries; keep one.'),
        (CASE + "registration: [{course: CRT 2021, method: file}]\n", "case.yaml:15: registration[0]: method file needs the key file."),
        (CASE + "registration: [{course: CRT 2021, method: auto, file: reg.dcm}]\n",
         "case.yaml:15: registration[0].file: a file is given, but the method is auto; needed method: file, or no file."),
        (CASE + "registration: [{course: SBRT 2023, method: auto}]\n",
         'case.yaml:15: registration[0].course: "SBRT 2023" is the reference course, whose frame the others are brought into.'),
        (CASE.replace("course1", "course3"), 'case.yaml:6: courses[0].dicom: "course3" does not exist in the case folder.'),
        (CASE.replace("course1", "reg.dcm"), 'case.yaml:6: courses[0].dicom: "reg.dcm" is not a folder.'),
        (CASE.replace("course1", '""'), "case.yaml:6: courses[0].dicom: the path is empty or not a path; needed a path inside the case folder."),
        (CASE + "constraints: course1.yaml\n", 'case.yaml:15: constraints: "course1.yaml" does not exist in the case folder.'),
        (CASE + "constraints: [pelvis, ../../../../etc/passwd]\n",
         'case.yaml:15: constraints[1]: the path "../../../../etc/passwd" climbs with ".."'
         ' and may lead outside the case folder; move the files into the case folder.'),
        (CASE + "registration: [{course: CRT 2021, method: file, file: course1}]\n", 'case.yaml:15: registration[0].file: "course1" is not a file.'),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_line(read, text, message):
    assert refusal(read, text) == message


@pytest.mark.hazard("H28")
def test_every_problem_is_told_at_once(read):
    message = refusal(read, CASE.replace("course1", "/etc").replace("SBRT 2023", "CRT 2021") + "reference: X\n")
    assert [f"case.yaml:{line}:" in message for line in (6, 8, 15)] == [True, True, True]


@pytest.mark.hazard("H24")
def test_the_day_after_today_may_be_another_time_zone(read):
    assert read(CASE.replace("2021-04-16", "2024-01-02")).courses[0].completed == dt.date(2024, 1, 2)
    assert read(today=None).courses[0].completed == dt.date(2021, 4, 16)


@pytest.mark.hazard("H38")
def test_a_case_that_is_not_there(tmp_path, folder):
    with pytest.raises(CaseFileError, match=r"case\.yaml was not found; needed a case folder"):
        read_case_file(folder)
    with pytest.raises(CaseFileError, match="nowhere: no such case was found"):
        read_case_file(tmp_path / "neither" / "nowhere")
    (folder / "case.yaml").symlink_to("/etc/hostname")
    with pytest.raises(CaseFileError, match="leads outside the case folder"):
        read_case_file(folder)


def test_the_schema_knows_the_keys_and_the_sample(read):
    schema = case_schema()
    validator = jsonschema.Draft202012Validator(schema)
    sample = {"courses": [{"name": "A", "kind": "prior", "dicom": "x"}], "constraints": "pelvis", "alpha_beta_gy": {"rectum": 3}}
    assert validator.is_valid(sample)
    assert validator.is_valid({**sample, "constraints": ["pelvis", "limits.yaml"]})
    assert not validator.is_valid({**sample, "recovry": "none"})
    assert not validator.is_valid({**sample, "alpha_beta_gy": {"rectum": 0}})


@pytest.mark.hazard("H38")
@pytest.mark.parametrize(
    ("relative", "message"),
    [
        ("/etc", 'x: the path "/etc" is absolute; needed a path inside the case folder, relative to case.yaml.'),
        ("C:\\data", "absolute"),
        ("\\\\server\\share", "absolute"),
        ("course1/../../groin", 'climbs with ".."'),
        ("course1\\..\\..", 'climbs with ".."'),
        ("course1\\a", 'x: "course1\\a" does not exist in the case folder; write / between folders.'),
        ("a\0b", "not a path"),
        ("out", 'x: "out" is a link that leads outside the case folder; put the files themselves into the case folder.'),
        ("loop", "a loop of links"),
        ("n" * 5000, "cannot be opened"),
    ],
)
def test_paths_stay_inside_the_case(folder, relative, message):
    (folder / "out").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    with pytest.raises(CaseFileError) as error:
        resolve_inside(folder, relative, "x")
    assert message in str(error.value)
    assert len(str(error.value)) < 250


def test_a_link_inside_the_case_is_followed(folder):
    (folder / "same").symlink_to("course1")
    assert resolve_inside(folder, "same", "x") == (folder / "course1").resolve()


@pytest.fixture
def archive(tmp_path):
    def archive(entries, name="case.zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as file:
            for entry, content in entries:
                file.writestr(entry, content)
        return tmp_path / name

    return archive


@pytest.mark.hazard("H37")
@pytest.mark.parametrize("inner", ["", "groin/"])
def test_a_zip_is_a_folder_while_it_is_open(archive, inner):
    path = archive([(f"{inner}case.yaml", CASE), (f"{inner}course1/", ""), (f"{inner}course2/a.dcm", b"x"), ("__MACOSX/x", b"")])
    with open_case(path) as folder:
        private = folder.parent if inner else folder
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert read_case_file(folder, TODAY).resolve("courses", 1, "dicom").joinpath("a.dcm").read_bytes() == b"x"
    assert not private.exists()


def test_a_folder_and_a_case_file_are_given_back(folder):
    for path in (folder, folder / "case.yaml"):
        with open_case(path) as opened:
            assert opened == path


def test_a_zip_is_unpacked_where_it_is_asked_for(archive, tmp_path):
    path = archive([("case.yaml", CASE)])
    private = tmp_path / "private"
    private.mkdir()
    with open_case(path, within=private) as folder:
        assert folder.is_relative_to(private)
    assert list(private.iterdir()) == []


def test_a_zip_without_a_case_is_refused_later(archive):
    with open_case(archive([("readme.txt", "x")])) as folder, pytest.raises(CaseFileError, match="was not found"):
        read_case_file(folder)


def special(name, kind):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o644) << 16
    return entry


@pytest.mark.hazard("H33", "H38")
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("../case.yaml", "x")], "leads outside the case folder"),
        ([("a/../../x", "x")], "leads outside the case folder"),
        ([("/etc/x", "x")], "leads outside the case folder"),
        ([("C:\\x", "x")], "leads outside the case folder"),
        ([("a\\..\\x", "x")], "leads outside the case folder"),
        ([(special("course1", stat.S_IFLNK), "/etc")], "link or special file"),
        ([(special("pipe", stat.S_IFIFO), "")], "link or special file"),
        ([("a", "x"), ("a/b", "x")], "damaged or cannot be unpacked"),
        ([("bomb", b"\0" * (17 * 1024**2))], "more than 200 times its size"),
    ],
)
def test_hostile_zips_are_refused(archive, entries, message, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    path = archive(entries)
    with pytest.raises(CaseFileError, match=message), open_case(path):
        pass
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])


@pytest.mark.hazard("H38")
def test_a_name_given_twice_is_refused(archive):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive([("case.yaml", CASE), ("case.yaml", "other")])
    with pytest.raises(CaseFileError, match=r'holds "case\.yaml" twice'), open_case(path):
        pass


def test_damaged_missing_and_encrypted_zips_are_refused(archive, tmp_path):
    raw = bytearray(archive([("case.yaml", CASE * 50)]).read_bytes())
    (tmp_path / "cut.zip").write_bytes(raw[:100])
    crc = raw.copy()
    crc[60:70] = b"\xff" * 10
    (tmp_path / "crc.zip").write_bytes(crc)
    locked = raw.copy()
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    for name, message in (("cut", "damaged"), ("crc", "damaged"), ("locked", "encrypted"), ("nowhere", "no such file")):
        with pytest.raises(CaseFileError, match=message), open_case(tmp_path / f"{name}.zip"):
            pass


@pytest.mark.hazard("H33")
def test_a_zip_with_too_much_in_it_is_refused(archive, monkeypatch):
    monkeypatch.setattr(casefolder, "MOST_ENTRIES", 2)
    with pytest.raises(CaseFileError, match="holds 3 entries; a case may have at most 2"), open_case(archive([("a", ""), ("b", ""), ("c", "")])):
        pass
    monkeypatch.setattr(casefolder, "LARGEST_TOTAL_BYTES", 1024**3)
    with pytest.raises(CaseFileError, match=r"unpacks to 2\.0 GB; at most 1 GB"):
        casefolder._check_entries(_Archive([_entry("a")]), "x.zip")


class _Archive:
    def __init__(self, entries):
        self.entries = entries

    def infolist(self):
        return self.entries


def _entry(name):
    entry = zipfile.ZipInfo(name)
    entry.file_size, entry.compress_size = 2 * 1024**3, 1024**3
    return entry
