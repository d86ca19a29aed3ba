from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's tests of pages put their script in the place of the main module, which processes that are started later would run."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before
