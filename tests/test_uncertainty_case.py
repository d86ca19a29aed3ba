"""Uncertainty from the case file to the JSON and the table."""

from __future__ import annotations

import io
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from case_factory import GRID_SHAPE, grid, write_case_file, write_course
from rich.console import Console

from reirrad.assessment import Assessment, assess
from reirrad.loading import load_case
from reirrad.result import result_schema, to_dict
from reirrad.table import render

LIMITS = "- {id: sum, organ: rectum, metric: D2cc, quantity: EQD2, alpha_beta_gy: 3, scope: cumulative, limit_gy: LIMIT, level: mandatory, source: x}\n"


def computed(folder: Path, uncertainty: str, limit_gy: float = 500.0) -> Assessment:
    """The first course rises as x + 20 Gy in 10, the second has 20 Gy in 5."""
    write_course(folder / "c1", 1, np.broadcast_to(grid().u_mm + 20, GRID_SHAPE), 10)
    write_course(folder / "c2", 2, 20, 5)
    text = f"constraints: limits.yaml\nuncertainty: {uncertainty}"
    found = assess(*load_case(write_case_file(folder, text, limits=LIMITS.replace("LIMIT", f"{limit_gy:g}"))))
    jsonschema.validate(to_dict(found), result_schema())
    return found


def shown(found: Assessment) -> str:
    stream = io.StringIO()
    render(found, Console(file=stream, width=200, highlight=False))
    return stream.getvalue()


@pytest.mark.hazard("H05", "H08")
def test_shift_moves_the_sum_by_the_gradient(tmp_path: Path) -> None:
    """3 mm along x are 3 Gy more or less in the first course."""
    found = computed(tmp_path, "{shift_mm: 3}")
    (band,) = to_dict(found)["uncertainty"]["bands"]
    assert band["low"] < band["nominal"] < band["high"]
    d = 20 + 20 - 2  # about D2cc of x + 20 over -5 .. 20 mm

    def eqd2(gy: float) -> float:
        return gy * (gy / 10 + 3) / 5

    assert band["high"] - band["nominal"] == pytest.approx(eqd2(d + 3) - eqd2(d), rel=0.1)
    assert band["most_by"] == "shift"
    assert band["voxel_search"]["anywhere"] >= band["high"] - 1e-3
    text = shown(found)
    assert "How sure: shifts of 3 mm" in text
    assert "Judgements that change\n  none" in re.sub(" +\n", "\n", text)


@pytest.mark.hazard("H05", "H08")
def test_judgement_that_changes_is_listed(tmp_path: Path) -> None:
    nominal = computed(tmp_path / "a", "{shift_mm: 3}").findings[0].value
    assert nominal is not None
    found = computed(tmp_path / "b", "{shift_mm: 3}", round(nominal + 1, 1))
    flips = to_dict(found)["uncertainty"]["flips"]
    assert {f["to_status"] for f in flips} >= {"exceed"}
    assert "becomes exceed" in shown(found)


def test_every_factor_is_tried_and_named(tmp_path: Path) -> None:
    found = computed(tmp_path, "{shift_mm: 2, rotation_deg: 1, alpha_beta: interval, recovery: range, fractions: 1}")
    settings = to_dict(found)["uncertainty"]["settings"]
    assert settings == {"shift_mm": [2, 2, 2], "rotation_deg": 1, "alpha_beta": True, "recovery": True, "fractions": 1}
    text = shown(found)
    assert "How sure: shifts of 2 mm, turns of 1 degrees, alpha/beta interval, recovery of other models, 1 fraction(s) more or fewer" in " ".join(text.split())


def test_nothing_tried(tmp_path: Path) -> None:
    text = shown(computed(tmp_path, "{fractions: 0}"))
    assert "How sure: nothing tried" in text
    assert "1 of 1 limits move by less than 0.1." in text
