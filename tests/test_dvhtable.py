"""Histograms as tables: distributions with closed form, binned finely and coarsely, and what is refused."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reirrad import dvhtable
from reirrad.dvhtable import last_digit, read_dvh_table
from reirrad.errors import CaseFileError, ParameterError

TOTAL, TOP = 40.0, 80.0  # cc, Gy: D(v) = TOP (1 - v / TOTAL)
VOLUMES = [1e-3, 0.03, 0.1, 0.7, 2.0, 5.0, 10.0, 20.0, 33.3, 39.9]
CURVE = "structure,dose_gy,volume_cc\nCord,0,20.00\nCord,10,12.50\nCord,20,2.00\nCord,30,0.00\n"


def read(tmp_path, text, **more):
    path = tmp_path / "prior.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_dvh_table(path, "prior.csv", **({"kind": "cumulative"} | more))


def refused(tmp_path, text, **more):
    with pytest.raises(CaseFileError) as caught:
        read(tmp_path, text, **more)
    return str(caught.value)


def table(doses, volumes, digits=6, header="structure,dose_gy,volume_cc"):
    return header + "\n" + "".join(f"Cord,{d:.6g},{v:.{digits}f}\n" for d, v in zip(doses, volumes, strict=True))


def falling(dose):
    return TOTAL * np.clip(1 - np.asarray(dose) / TOP, 0, 1)


@pytest.mark.parametrize("width", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("volume", VOLUMES)
def test_a_cumulative_curve_is_never_below_the_truth_and_within_one_bin(tmp_path, width, volume):
    doses = np.arange(0, TOP + width, width)
    paper = read(tmp_path, table(doses, falling(doses)))["Cord"].paper(25)
    truth = TOP * (1 - volume / TOTAL)
    assert truth <= paper.upper_gy(volume) <= truth + width + 1e-4
    assert truth - width - 1e-4 <= paper.lower_gy(volume) <= truth
    assert TOP <= paper.upper_gy(0) < TOP + width
    assert paper.organ_cc == TOTAL


@pytest.mark.parametrize("width", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("volume", VOLUMES)
def test_a_differential_curve_is_never_below_the_truth_and_within_two_bins(tmp_path, width, where, volume):
    edges = np.arange(0, TOP + width, width)
    text = table(edges[:-1] + where * width, -np.diff(falling(edges)), 9)
    paper = read(tmp_path, text, kind="differential")["Cord"].paper(25)
    truth = TOP * (1 - volume / TOTAL)
    assert truth <= paper.upper_gy(volume) <= truth + 2 * width + 1e-4
    assert truth - 2 * width - 1e-4 <= paper.lower_gy(volume) <= truth
    assert TOP <= paper.upper_gy(0) <= TOP + 2 * width


@pytest.mark.parametrize("kind", ["cumulative", "differential"])
@pytest.mark.parametrize("digits", [0, 1, 2])
def test_rounded_volumes_never_hide_dose(tmp_path, kind, digits):
    edges = np.arange(0, TOP + 4, 4.0)
    percent = falling(edges) * 100 / TOTAL
    rows = (edges, percent) if kind == "cumulative" else (edges[:-1], -np.diff(percent))
    paper = read(tmp_path, table(*rows, digits, "structure,dose_gy,volume_percent"), kind=kind, total_cc=TOTAL)["Cord"].paper(25)
    for volume in np.linspace(0.01, 39.9, 400):
        truth = TOP * (1 - volume / TOTAL)
        assert paper.lower_gy(volume) <= truth <= paper.upper_gy(volume)


def test_values_by_hand(tmp_path):
    curve = read(tmp_path, CURVE)["Cord"]
    paper = curve.paper(25, 1.1)
    assert (curve.name, curve.kind, curve.total_cc) == ("Cord", "cumulative", 20)
    assert (paper.fractions, paper.repair, paper.grade) == (25, 1.1, "C")
    # 2.00 cc (1.995 to 2.005) have 20 Gy or more; of which nobody knows how much has nearly 30
    assert [paper.upper_gy(v) for v in (0, 0.004, 1.0, 2.0, 2.005, 2.01, 12.4, 12.6)] == [30, 30, 30, 30, 30, 20, 20, 10]
    assert [paper.lower_gy(v) for v in (0, 1.0, 1.99, 2.0, 2.1, 12.5)] == [20, 20, 20, 10, 10, 0]


def test_a_written_zero_with_few_digits_may_be_a_volume(tmp_path):
    rows = [(0, "20"), (10, "5"), (20, "0"), (30, "0")]
    coarse = read(tmp_path, "structure,dose_gy,volume_cc\n" + "".join(f"A,{d},{v}\n" for d, v in rows))["A"].paper(5)
    assert [coarse.upper_gy(v) for v in (0, 0.4, 0.6)] == [30, 30, 20]  # up to half a cc has more than 20 Gy; the table ends at the maximum
    fine = read(tmp_path, "structure,dose_gy,volume_cc\n" + "".join(f"A,{d},{v}.000\n" for d, v in rows))["A"].paper(5)
    assert fine.upper_gy(0) == 20


def test_a_table_that_ends_above_zero_has_no_maximum(tmp_path):
    paper = read(tmp_path, "structure,dose_gy,volume_cc\nA,5,20.0\nA,10,3.0\n")["A"].paper(5)
    assert [paper.upper_gy(v) for v in (0, 3.0, 3.1, 20.1)] == [math.inf, math.inf, 10, 5]
    assert paper.organ_cc is None


def test_differential_by_hand(tmp_path):
    curve = read(tmp_path, "structure,dose_gy,volume_cc\nA,1,3.000\nA,2,5.000\nA,3,2.000\n", kind="differential")["A"]
    paper = curve.paper(5)
    assert curve.total_cc == 10
    assert [paper.upper_gy(v) for v in (0, 1.9, 2.1, 6.9, 7.1)] == [4, 4, 3, 3, 2]
    assert [paper.lower_gy(v) for v in (0, 1.9, 2.1, 6.9, 7.1)] == [2, 2, 1, 1, 0]
    # written to 0.1 cc, the last bin may hold 1.95 to 2.05 cc
    paper = read(tmp_path, "structure,dose_gy,volume_cc\nA,1,3.0\nA,2,5.0\nA,3,2.0\n", kind="differential")["A"].paper(5)
    assert (paper.upper_gy(2.04), paper.upper_gy(2.06)) == (4, 3)
    assert (paper.lower_gy(1.94), paper.lower_gy(1.96)) == (2, 1)


@pytest.mark.parametrize(
    "text",
    [
        CURVE,
        "﻿" + CURVE,
        CURVE.replace("\n", "\r\n"),
        CURVE.replace("\n", "\n\n# made by hand\n,,\n"),
        CURVE.replace(",", ";").replace(".", ","),
        CURVE.replace(",", "\t").replace(".", ","),
        CURVE.replace(",", ";"),
        CURVE.replace("structure", "Organ").replace("dose_gy", " DOSE_Gy ").replace("Cord", '"Cord"'),
        CURVE + "Cord,10,12.50\n",
        "volume_cc,kind,total_cc,structure,dose_gy\n20,cumulative,20,Cord,0\n12.50,Cumulative,20,Cord,1e1\n2,cumulative,20,Cord,20\n0,cumulative,20,Cord,30",
        "structure,dose_percent,volume_percent,total_cc\nCord,0,100.00,20\nCord,20,62.50,20\nCord,40,10,20\nCord,60,0,20",
    ],
)
def test_ways_to_write_the_same_table(tmp_path, text):
    paper = read(tmp_path, text, prescription_gy=50)["Cord"].paper(25)
    assert paper.doses_gy.tolist() == [30, 20, 10, 0]
    np.testing.assert_allclose(paper.volumes_cc, [0, 2, 12.5, 20], atol=0.02)


def test_several_structures_in_any_mixture(tmp_path):
    curves = read(tmp_path, "structure,dose_gy,volume_cc\nA,0,2.0\nB,0,3.0\nA,10,0.0\nB,20,0.0\n")
    assert {name: curve.paper(5).upper_gy(0) for name, curve in curves.items()} == {"A": 10, "B": 20}


def test_the_kind_is_recognised_where_it_leaves_no_doubt(tmp_path):
    percent = "structure,dose_gy,volume_percent,total_cc\n"
    assert read(tmp_path, percent + "A,0,100,9\nA,1,60,9\nA,2,0,9\n", kind=None)["A"].kind == "cumulative"
    assert read(tmp_path, percent + "A,0,30.0,9\nA,1,60.0,9\nA,2,10.0,9\n", kind=None)["A"].kind == "differential"
    assert read(tmp_path, "# kind: differential\n" + CURVE, kind=None)["Cord"].kind == "differential"
    for rows in ("A,0,100,9\nA,1,0,9\n", "A,0,90,9\nA,1,80,9\n"):  # uniform dose or a step; neither from 100 nor to 100
        assert "prior.csv:2: it is not clear whether" in refused(tmp_path, percent + rows, kind=None)
    assert "not clear" in refused(tmp_path, CURVE, kind=None)


def test_volume_of_the_organ_as_an_argument(tmp_path):
    text = "structure,dose_gy,volume_percent\nA,0,100\nA,10,0\n"
    assert read(tmp_path, text, total_cc={"A": 7.5})["A"].total_cc == 7.5
    assert read(tmp_path, text, total_cc=8)["A"].total_cc == 8
    assert "add a column total_cc" in refused(tmp_path, text, total_cc={"B": 7.5}).lower()
    with pytest.raises(ParameterError, match="total_cc"):
        read(tmp_path, text, total_cc={"A": 0.0})
    with pytest.raises(ParameterError, match="prescription_gy"):
        read(tmp_path, text, prescription_gy=-1.0)


HEADER = "structure,dose_gy,volume_cc\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "prior.csv: the table has no rows"),
        (HEADER, "prior.csv: the table has no rows"),
        ("# only words\nDoe Jane\n", "prior.csv:2: the first line is no header"),
        ("structure,dose_gy;volume_cc\n", "prior.csv:1: the first line is no header"),
        ("structure,dose_cGy,volume_cc\n", "prior.csv:1: column 2: the dose is in cGy"),
        ("structure,Doe Jane,volume_cc\n", "prior.csv:1: column 2: the name of the column is unknown"),
        ("structure,dose_gy,volume_cc,organ\n", "prior.csv:1: column 4: the name of the column is given twice"),
        ("dose_gy,volume_cc\n", "prior.csv:1: exactly one column structure is needed"),
        ("structure,volume_cc\n", "prior.csv:1: exactly one column dose_gy or dose_percent"),
        ("structure,dose_gy,volume_cc,volume_percent\n", "prior.csv:1: exactly one column volume_cc or volume_percent"),
        ("structure,dose_percent,volume_cc\n", "prior.csv:1: dose_percent: percent of a prescribed dose that is not stated"),
        (HEADER + "A,1,5,3\n", "prior.csv:2: the row has 4 fields where the header has 3"),
        (HEADER + 'A,1,"5\n', "prior.csv:2: the quotation marks"),
        (HEADER + 'A,1,"5,3"\n', "prior.csv:2: volume_cc: a decimal comma needs"),
        (HEADER.replace(",", ";") + "A;1,5;3.5\n", "prior.csv:2: volume_cc: decimal commas and decimal points are mixed"),
        (HEADER + ",1,5\n", "prior.csv:2: structure: the name is empty"),
        (HEADER + "A,Doe,5\n", "prior.csv:2: dose_gy: needed is a plain number"),
        (HEADER + "A,nan,5\n", "prior.csv:2: dose_gy: needed is a plain number"),
        (HEADER + "A,1,\n", "prior.csv:2: volume_cc: needed is a plain number"),
        (HEADER + "A,-1,5\n", "prior.csv:2: dose_gy: the number is negative"),
        (HEADER + "A,1,-5\n", "prior.csv:2: volume_cc: the number is negative"),
        (HEADER + "A,1,1e999\n", "prior.csv:2: volume_cc: the number is negative or far too large"),
        (HEADER + "A,5000,5\n", "prior.csv:2: dose_gy: the dose is above 1000 Gy"),
        (HEADER + "A,1,5\nA,0.5,6\n", "prior.csv:3: the dose is lower than"),
        (HEADER + "A,1,5\nB,1,5\nA,1,6\n", "prior.csv:4: line 2 has the same dose"),
        (HEADER + "A,1,5\n", "prior.csv:2: a single row"),
        (HEADER + "A,0,5\nA,1,4\nA,2,4.1\n", "prior.csv:4: volume: the volume is larger than at the lower dose"),
        ("structure,dose_gy,volume_percent,total_cc\nA,1,100.1,9\n", "prior.csv:2: volume_percent: the number is above 100"),
        ("structure,dose_gy,volume_percent,total_cc\nA,0,98,9\nA,1,0,9\n", 'prior.csv:2: volume: "A" begins with 98, but its total is 100'),
        ("structure,dose_gy,volume_cc,total_cc\nA,1,11,9\nA,2,0,9\n", 'prior.csv:2: volume: "A" begins with 11, but its total is 9'),
        ("structure,dose_gy,volume_cc,total_cc\nA,1,10,0\n", "prior.csv:2: total_cc: the number is 0"),
        ("structure,dose_gy,volume_cc,total_cc\nA,1,9,9\nA,2,0,8\n", "prior.csv:3: kind or total_cc differs from line 2"),
        ("structure,dose_gy,volume_cc,kind\nA,1,9,natural\n", "prior.csv:2: kind: neither cumulative nor differential"),
        ("structure,dose_gy,volume_cc,kind\nA,1,9,differential\nA,2,0,differential\n", 'prior.csv:2: "A" is called cumulative and differential at once'),
        ("# kind: differential\n", "prior.csv:1: the kind is neither"),
        ("#KIND= relative\n", "prior.csv:1: the kind is neither"),
        (HEADER.encode("utf-16"), "prior.csv:1: the file is not UTF-8"),
        (HEADER.encode() + "Rück,1,2\n".encode("latin-1"), "prior.csv:2: the file is not UTF-8"),
    ],
)
def test_what_is_refused_and_where(tmp_path, text, found):
    message = refused(tmp_path, text)
    assert message.startswith(found)
    assert "Doe" not in message


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("A,0,10.0,30\nA,1,15.0,30\n", 'prior.csv:2: the volumes of "A" add up to 25, not to 30'),
        ("A,0,0.0,\nA,1,0.0,\n", 'prior.csv:2: "A" has no volume'),
        ("A,0,10,\nA,1,15,\nA,3,2,\n", 'prior.csv:2: the bins of "A" have different widths'),
    ],
)
def test_differential_tables_that_are_refused(tmp_path, rows, found):
    assert refused(tmp_path, "structure,dose_gy,volume_cc,total_cc\n" + rows, kind="differential").startswith(found)


def test_too_large_and_unreadable_files(tmp_path, monkeypatch):
    monkeypatch.setattr(dvhtable, "MOST_ROWS", 3)
    assert refused(tmp_path, CURVE).startswith("prior.csv:5: the table has more than 3 rows")
    monkeypatch.setattr(dvhtable, "LARGEST_FILE_BYTES", 30)
    assert "larger than" in refused(tmp_path, CURVE)
    with pytest.raises(CaseFileError, match=r"no\.csv: the file cannot be read \(No such file"):
        read_dvh_table(tmp_path / "no.csv", "no.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaseFileError, match="not a regular file"):
        read_dvh_table(tmp_path / "pipe", "pipe")


@pytest.mark.parametrize(("written", "unit"), [(["100"], 1), (["1e2"], 1), (["99.87", "5"], 0.01), (["7.33e-2"], 1e-4), ([], 1)])
def test_last_digit(written, unit):
    assert last_digit(written) == unit


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 30), min_size=2, max_size=12), st.sampled_from([0.5, 4.0]), st.booleans(), st.integers(1, 4))
def test_any_distribution_of_voxels_of_1_cc(tmp_path_factory, doses, width, cumulative, digits):
    dose = np.array(doses)
    edges = np.arange(0, dose.max() + 3 * width, width)
    if cumulative:
        text, kind = table(edges, [(dose >= e).sum() for e in edges], digits), "cumulative"
    else:
        text, kind = table(edges[:-1], np.histogram(dose, edges)[0], digits), "differential"
    paper = read(tmp_path_factory.mktemp("t"), text, kind=kind)["Cord"].paper(5)
    for volume in (0.0, 0.3, 1.0, 1.5, 2.0):
        truth = np.sort(dose)[::-1][max(math.ceil(volume) - 1, 0)]
        assert paper.lower_gy(volume) <= truth + 1e-9
        assert truth <= paper.upper_gy(volume) + 1e-9
        if volume in (0.3, 1.5) and digits >= 3:  # empty bins of coarse digits may hold a little each
            assert paper.upper_gy(volume) <= truth + width * (1 if cumulative else 2) + 1e-9
