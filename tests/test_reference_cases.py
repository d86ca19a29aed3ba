"""Valid, odd and bad cases of a generator outside the project, judged by its own runner; skipped without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

N_PARTS = 6
# Refused there; here an affine matrix that scales is applied with a warning (tests/test_dicom_spatial.py), as registration objects of other systems need it.
DECIDED_OTHERWISE = {"reg-scale-1.03-affine"}


@pytest.fixture(scope="session")
def names(reference_cases: Path) -> list[str]:
    listed = subprocess.run([sys.executable, reference_cases / "make_cases.py", "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    named = [row.split()[1] for row in listed[1:-1]]  # the kind and the name of each; base is the first, a count the last
    return [name for name in named if name not in DECIDED_OTHERWISE]


@pytest.mark.parametrize("part", range(N_PARTS))
def test_reference_cases(part: int, names: list[str], reference_cases: Path, tmp_path: Path) -> None:
    """Numbers within tolerance, warnings and refusals where they are due and in words, nothing written on refusal; a part of the cases each."""
    mine = ["base", *names[part::N_PARTS]]
    assert len(mine) > 20
    subprocess.run([sys.executable, reference_cases / "make_cases.py", tmp_path / "cases", "--only", *mine], capture_output=True, check=True)
    runner = [sys.executable, reference_cases / "run_cases.py", tmp_path / "cases", "--only", *mine, "--strict", "--quiet", "--time", "60"]
    found = subprocess.run([*runner, "--cmd", f"{sys.executable} -m reirrad check"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
