from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    return folder


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Real DICOM RT of other systems, not part of the project."""
    return _folder("REIRRAD_REFERENCE_DATA", ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def reference_cases() -> Path:
    """Generator and description of valid, odd and bad cases, not part of the project."""
    return _folder("REIRRAD_REFERENCE_CASES", ROOT.parent / "shared" / "cases")
