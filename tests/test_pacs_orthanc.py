"""A real archive: Orthanc of the system, started here and ended here, never reachable from outside where a network namespace can be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from orthanc_session import PLUGIN, SAMPLE

NAMESPACE = ["unshare", "--net", *([] if os.name == "posix" and os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def _isolation() -> list[str]:
    """A command that runs another one with a loopback of its own; nothing where the system does not allow it (ports are random then)."""
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        return []
    return NAMESPACE


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if shutil.which("Orthanc") is None or not PLUGIN.is_file():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed: apt-get install orthanc orthanc-dicomweb")
    folder = tmp_path_factory.mktemp("orthanc")
    export = [sys.executable, "-m", "reirrad", "check", str(SAMPLE), "--export", str(folder / "export"), "--date", "2026-01-31", "--quiet"]
    done = subprocess.run(export, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    doses = sorted(map(str, (folder / "export").glob("*.dcm")))[:2]
    command = [*_isolation(), sys.executable, str(ROOT / "tests" / "orthanc_session.py"), str(folder), *doses]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "SAMPLE-A" not in done.stderr
    return {**json.loads(done.stdout), "n_doses": len(doses)}


@pytest.mark.hazard("H20")
@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_sample_a_comes_back_as_it_was_stored(exchange: dict[str, Any], way: str) -> None:
    """Two courses of 104 CT planes, a plan, a dose and a structure set; every element of every object."""
    assert (exchange["n_files"], exchange["sent"]) == (214, 214)
    assert exchange["series"] == ["CT", "CT", "RTDOSE", "RTDOSE", "RTPLAN", "RTPLAN", "RTSTRUCT", "RTSTRUCT"]
    assert exchange[way] == {"counts": {"RTPLAN": 2, "RTDOSE": 2, "RTSTRUCT": 2, "CT": 208}, "notices": [], "equal": True, "n": 214}


def test_what_was_fetched_can_be_drafted(exchange: dict[str, Any]) -> None:
    """The sample: 54 Gy in 30 in 2021, 50.4 Gy in 28 in 2023; the sum that was sent back is not taken for a course."""
    assert exchange["draft"] == [[30, 54.0], [28, 50.4]]
    assert exchange["draft_again"] == exchange["draft"]


@pytest.mark.hazard("H19", "H20")
def test_the_eqd2_dose_comes_back_equal(exchange: dict[str, Any]) -> None:
    assert exchange["n_doses"] == 2
    assert exchange["again"] == 2 + 1
    assert (exchange["dose_equal"], exchange["web_dose_equal"]) == ([True], [True])


@pytest.mark.hazard("H20")
def test_what_is_wrong_is_named_and_nothing_is_saved(exchange: dict[str, Any]) -> None:
    assert "does not go by the AE title we called" in exchange["wrong_title"]
    assert "AE title ELSEWHERE with the address and port of this machine" in exchange["wrong_destination"]
    assert "No DICOM connection with the archive came about" in exchange["dead"]
    assert "HTTP 404" in exchange["wrong_url"]
    assert exchange["nothing_left"]


def test_the_archive_of_the_test_is_out_of_reach(exchange: dict[str, Any]) -> None:
    if not _isolation():
        pytest.skip("this system gives no private network")
    assert exchange["namespace"] != str(Path("/proc/self/ns/net").readlink())
