import datetime as dt
import os
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel

from reirrad.errors import CaseFileError, LimitFileError
from reirrad.yamlfile import Problem, Text, did_you_mean, load_yaml


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def even(n: int) -> int:
    if n % 2:
        raise ValueError("the number is odd.")
    return n


class Part(Strict):
    name: Text
    fractions: Annotated[int, Field(ge=1, le=200), AfterValidator(even)] = 2
    day: dt.date | None = None


class Whole(Strict):
    parts: list[Part] = Field(default_factory=list, min_length=1)
    ratio: float | None = Field(default=None, gt=0)
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    doses: dict[str, float] = Field(default_factory=dict)
    short: Annotated[str, Field(max_length=3)] = ""
    code: Annotated[str, Field(pattern="^x$")] = "x"


class Parts(RootModel[list[Part]]):
    pass


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "case.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_yaml(path, "case.yaml", CaseFileError)

    return load


def refusal(load, text, model=Whole):
    with pytest.raises(CaseFileError) as error:
        load(text).validate(model)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 1500
    return message


@pytest.mark.hazard("H28")
def test_values_have_the_types_of_yaml_1_2(load):
    data = load("a: 010\nb: 3:10\nc: yes\nd: 1e3\ne: 2021-04-16\nf: 2021-04-16T10:00:00\ng: true\nh: ~\ni: '3'\nj: [1, 2.5]\n").data
    assert data == {
        "a": 10, "b": "3:10", "c": "yes", "d": 1000.0, "e": dt.date(2021, 4, 16), "f": "2021-04-16T10:00:00", "g": True, "h": None, "i": "3", "j": [1, 2.5],
    }  # fmt: skip


def test_windows_files_are_read(load):
    assert load(b"\xef\xbb\xbfcase: x\r\nn: 3\r\n").data == {"case": "x", "n": 3}


def test_keys_are_text_as_written(load):
    assert load("1: a\n007: b\n2021-04-16: c\ntrue: d\n<<: e\n").data == {"1": "a", "007": "b", "2021-04-16": "c", "true": "d", "<<": "e"}


def test_names_need_no_quotes_and_keep_their_zeros(load):
    names = [part.name for part in load("- name: 0012\n- name: 1.10\n- name: 2021-04-16\n- name: CRT\n").validate(Parts).root]
    assert names == ["0012", "1.10", "2021-04-16", "CRT"]


def test_lines_of_places(load):
    document = load("a: 1\n\nb:\n  - x\n  - {c: 2,\n     d: 3}\n")
    assert [document.line(place) for place in ((), ("a",), ("b",), ("b", 0), ("b", 1, "d"), ("b", 1, "nothing", 7))] == [1, 1, 3, 4, 6, 5]
    assert document.where(("b", 1, "d")) == "case.yaml:6: b[1].d"
    assert document.where(()) == "case.yaml:1"


def test_problems_are_told_in_the_order_of_lines_and_not_without_end(load):
    document = load("".join(f"k{i}: {i}\n" for i in range(9)))
    with pytest.raises(CaseFileError) as error:
        document.refuse([Problem((f"k{i}",), "is bad") for i in reversed(range(9))])
    message = "; ".join(f"case.yaml:{i + 1}: k{i}: is bad" for i in range(6))
    assert str(error.value) == f"{message}; and 3 more problems."


@pytest.mark.hazard("H28")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parts: [{nam: x}]", 'case.yaml:1: parts[0]: the key "name" is missing; case.yaml:1: parts[0]: unknown key "nam", did you mean "name"?'),
        ("partz: []", 'case.yaml:1: unknown key "partz", did you mean "parts"?'),
        ("xyzzy: 1", 'case.yaml:1: unknown key "xyzzy".'),
        ("parts: []", "case.yaml:1: parts: is empty; give at least one entry, or remove the key."),
        ("parts:\n  - name: x\n    fractions: 2.5", 'case.yaml:3: parts[0].fractions: found "2.5", needed a whole number.'),
        ("parts: [{name: x, fractions: '4'}]", 'case.yaml:1: parts[0].fractions: found "4", needed a whole number.'),
        ("parts: [{name: x, fractions: 0}]", 'case.yaml:1: parts[0].fractions: found "0", needed at least 1.'),
        ("parts: [{name: x, fractions: 201}]", 'case.yaml:1: parts[0].fractions: found "201", needed at most 200.'),
        ("parts: [{name: x, fractions: 3}]", "case.yaml:1: parts[0].fractions: the number is odd."),
        ("parts: [{name: x, day: 20210416}]", 'case.yaml:1: parts[0].day: found "20210416", needed a date written YYYY-MM-DD.'),
        ("parts: [{name: x, day: 03/04/2021}]", 'case.yaml:1: parts[0].day: found "03/04/2021", needed a date written YYYY-MM-DD.'),
        ("parts: [{name: true}]", 'case.yaml:1: parts[0].name: found "true", needed text.'),
        ("parts: [x]", 'case.yaml:1: parts[0]: found "x", needed a mapping (key: value).'),
        ("parts: {}", "case.yaml:1: parts: found a mapping, needed a list."),
        ("ratio: true", 'case.yaml:1: ratio: found "true", needed a number.'),
        ('ratio: "3,0"', 'case.yaml:1: ratio: found "3,0", needed a number.'),
        ("ratio: .nan", 'case.yaml:1: ratio: found ".nan", needed a finite number.'),
        ("ratio: 1e999", 'case.yaml:1: ratio: found "1e999", needed a finite number.'),
        ("ratio: 0", 'case.yaml:1: ratio: found "0", needed a number above 0.'),
        ("ratio: [1]", "case.yaml:1: ratio: found a list, needed a number."),
        ("flag: yes", 'case.yaml:1: flag: found "yes", needed true or false.'),
        ("kind: c", "case.yaml:1: kind: found \"c\", needed one of 'a' or 'b'."),
        ("doses: 3", 'case.yaml:1: doses: found "3", needed a mapping (key: value).'),
        ("doses: {x: ~}", "case.yaml:1: doses.x: has no value; give one, or remove the key."),
        ("short: abcd", 'case.yaml:1: short: found "abcd", needed at most 3 characters.'),
        ("code: y", "case.yaml:1: code: found \"y\", needed String should match pattern '^x$'."),
        ("ratio:\nkind: c", "case.yaml:1: ratio: has no value; give one, or remove the key; case.yaml:2: kind: found \"c\", needed one of 'a' or 'b'."),
        ("ratio:", "case.yaml:1: ratio: has no value; give one, or remove the key."),
        ("- 1", "case.yaml:1: found a list, needed a mapping (key: value)."),
    ],
)
def test_what_a_model_refuses_is_told_with_line_and_place(load, text, message):
    assert refusal(load, text) == message


def test_a_refused_value_that_is_not_in_the_file_has_no_text(load):
    class Computed(Strict):
        n: Annotated[int, Field(strict=True)]

    document = load("n: 3")
    assert document._found(("nowhere",), object()) == "a value"


def test_unknown_keys_in_a_list_file_are_compared_with_those_of_its_entries(load):
    assert refusal(load, "- name: x\n- name: y\n  fractons: 3", Parts) == 'case.yaml:3: [1]: unknown key "fractons", did you mean "fractions"?'


@pytest.mark.hazard("H33")
def test_a_huge_value_is_not_repeated(load):
    assert len(refusal(load, "ratio: " + "x" * 90_000)) < 120


def test_whole_numbers_serve_as_numbers(load):
    assert load("ratio: 3").validate(Whole).ratio == 3.0


@pytest.mark.hazard("H28", "H33", "H45")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "case.yaml:3: a: this key is given twice, first in line 1; keep one."),
        ("x:\n  fractions: 30\n  fractions: 3", "case.yaml:3: x.fractions: this key is given twice, first in line 2; keep one."),
        ("a: 1\n---\nb: 2", "case.yaml:2: the YAML file holds a second document (after ---); needed exactly one."),
        ("%YAML 1.1\n---\na: 010", "case.yaml:2: the file asks for another version of YAML; needed 1.2, which needs no directive."),
        ("a: &x 1", "case.yaml:1: YAML anchors and aliases (&, *) are not accepted; write the values out."),
        ("a: *x", "case.yaml:1: YAML anchors and aliases (&, *) are not accepted; write the values out."),
        ("a: !!python/object/apply:os.system [x]", "case.yaml:1: YAML tags (!) are not accepted; write the value plainly."),
        ("a: " + "[" * 20_000, "case.yaml:1: the YAML is nested more than 32 deep, which no file of this kind needs."),
        ("- 1\n" * 50_001, "case.yaml:50000: the YAML is made of more than 50000 parts, which no file of this kind needs."),
        ("? [1, 2]\n: x", "case.yaml:1: a list or mapping stands where a key was needed."),
        ("a:\n  ? {b: 1}\n  : x", "case.yaml:2: a: a list or mapping stands where a key was needed."),
        ("a: 2021-02-30", 'case.yaml:1: a: "2021-02-30" is not a date of the calendar (YYYY-MM-DD).'),
        ("a: " + "9" * 5000, f'case.yaml:1: a: "{"9" * 39}…" is not a number of sensible size.'),
        ('a: "\\ud800"', "case.yaml:1: a: the text holds half a character (a lone surrogate)."),
        ('a: "\\UFFFFFFFF"', "case.yaml: this is not valid YAML: it holds control characters, or escapes that are no characters."),
        ("a: \x07", "case.yaml: this is not valid YAML: it holds control characters, or escapes that are no characters."),
        ("a: [1", "case.yaml:1: this is not valid YAML: expected ',' or ']', but got '<stream end>'."),
        ("", "case.yaml: the file is empty."),
        ("# only a comment", "case.yaml: the file is empty."),
        (b"a: 1\nb: \xff", "case.yaml:2: the file is not UTF-8 text; save it as UTF-8."),
        ("a: " + "x" * 100_000, "case.yaml: a line is longer than 100000 characters, which no file of this kind needs."),
        ("#" + "\n" * 1_000_000, "case.yaml: the file is larger than 1000 kB, which no file of this kind needs."),
    ],
)
def test_yaml_that_can_hide_something_is_refused(load, text, message):
    assert refusal(load, text) == message


def test_an_open_quote_has_a_line(load):
    assert refusal(load, 'a: 1\nb: "x').startswith("case.yaml:2: this is not valid YAML")


def test_missing_and_special_files_are_refused(tmp_path):
    with pytest.raises(LimitFileError, match=r"limits\.yaml: no such file"):
        load_yaml(tmp_path / "limits.yaml", "limits.yaml", LimitFileError)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(LimitFileError, match="not a regular file"):
        load_yaml(tmp_path / "pipe.yaml", "pipe.yaml", LimitFileError)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(LimitFileError, match="cannot be read"):
        load_yaml(tmp_path / "loop.yaml", "loop.yaml", LimitFileError)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(CaseFileError, match=r"folder\.yaml"):
        load_yaml(tmp_path, "folder.yaml", CaseFileError)


def test_hints_need_a_near_word():
    assert did_you_mean("crt 2012", ["CRT 2021", "SBRT"]) == ', did you mean "CRT 2021"?'
    assert did_you_mean("x", ["fractions"]) == ""


@pytest.mark.hazard("H28")
@pytest.mark.parametrize("number", ["1_0", "0x5", "0o17", "1_000.5"])
def test_numbers_in_other_notations_are_refused(tmp_path: Path, number: str) -> None:
    """YAML 1.1 reads 1_0 as ten; a person may have meant something else."""
    path = tmp_path / "case.yaml"
    path.write_text(f"fractions: {number}\n", encoding="utf-8")
    with pytest.raises(CaseFileError, match=r"case\.yaml:1: fractions: .* is not a plain decimal number"):
        load_yaml(path, "case.yaml", CaseFileError)
