"""A whole exchange with a real Orthanc, for test_pacs_orthanc.py: `python orthanc_session.py FOLDER` prints what was found as JSON.

Orthanc listens on every address of the machine and cannot be told otherwise, so this is run in a private network namespace where possible.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from archive_factory import fetched, free_port
from pydicom import dcmread

from reirrad.dicom.files import scan
from reirrad.draft import propose
from reirrad.errors import ReirradError
from reirrad.pacs.archive import Archive, Entry, connect
from reirrad.pacs.profile import DicomwebProfile, DimseProfile, Profile
from reirrad.pacs.retrieve import fetch, find
from reirrad.pacs.send import send

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample_plans" / "A-groin-relapse"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PATIENT = "SAMPLE-A"


def configuration(folder: Path, ports: tuple[int, int, int]) -> dict[str, Any]:
    web, dicom, listen = ports
    return {
        **{"Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"), "Plugins": [str(PLUGIN)]},
        **{"HttpPort": web, "RemoteAccessAllowed": False, "AuthenticationEnabled": False},
        **{"DicomPort": dicom, "DicomAet": "ORTHANC", "DicomCheckCalledAet": True, "DicomAlwaysAllowStore": True},
        **{"DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True},
        **{"DicomModalities": {"reirrad": ["REIRRAD", "127.0.0.1", listen]}, "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}},
    }


def refusal(profile: Profile, out: Path) -> str:
    try:
        with connect(profile) as archive:
            fetch(archive, PATIENT, profile, out)
    except ReirradError as error:
        return str(error)
    return ""


def whole(archive: Archive, profile: Profile, out: Path, originals: dict[str, Any]) -> dict[str, Any]:
    """Fetch all, and compare every element with what was stored."""
    found = fetch(archive, PATIENT, profile, out)
    same = [d == originals.get(str(d.SOPInstanceUID)) for d in fetched(out)]
    return {"counts": found.counts, "notices": [n.code for n in found.notices], "equal": all(same), "n": len(same)}


def session(folder: Path, ports: tuple[int, int, int]) -> dict[str, Any]:
    web_port, dicom_port, listen_port = ports
    known: dict[str, Any] = {"protocol": "dimse", "host": "127.0.0.1", "port": dicom_port, "ae_title": "ORTHANC", "listen_port": listen_port, "attempts": 1}
    get, move = DimseProfile(**known), DimseProfile(**known, retrieve="move")
    web = DicomwebProfile(protocol="dicomweb", url=f"http://127.0.0.1:{web_port}/dicom-web", attempts=1)
    files = sorted(SAMPLE.rglob("*.dcm"))
    originals = {str(d.SOPInstanceUID): d for d in map(dcmread, files)}
    result: dict[str, Any] = {"n_files": len(files)}
    with connect(get) as archive:
        result["sent"] = send(archive, files, get)
        result["series"] = sorted(s.modality for s in find(archive, PATIENT, get).series)
        result["get"] = whole(archive, get, folder / "get", originals)
    with connect(move) as archive:
        result["move"] = whole(archive, move, folder / "move", originals)
    with connect(web) as archive:
        result["web"] = whole(archive, web, folder / "web", originals)
    draft = propose(folder / "get")
    result["draft"] = [[c.course.fractions, c.course.prescription_gy] for c in draft.courses if c.course is not None]
    result["wrong_title"] = refusal(get.model_copy(update={"ae_title": "WRONG"}), folder / "none")
    result["wrong_destination"] = refusal(move.model_copy(update={"own_ae_title": "ELSEWHERE"}), folder / "none")
    result["dead"] = refusal(get.model_copy(update={"port": free_port()}), folder / "none")
    result["wrong_url"] = refusal(web.model_copy(update={"url": web.url + "-not"}), folder / "none")
    result["nothing_left"] = not (folder / "none").exists()
    doses = [Path(p) for p in sys.argv[2:]]
    expected = {str(d.SOPInstanceUID): d for d in map(dcmread, doses)}
    with connect(get) as archive:
        send(archive, doses[:1], get)
        result["again"] = fetch(archive, PATIENT, get, folder / "again").counts["RTDOSE"]
    result["draft_again"] = [[c.course.fractions, c.course.prescription_gy] for c in propose(folder / "again").courses if c.course is not None]
    stored = {r.sop_instance_uid: dcmread(r.path) for r in scan(folder / "again", folder).of("RTDOSE")}
    result["dose_equal"] = [stored[uid] == d and bool((stored[uid].pixel_array == d.pixel_array).all()) for uid, d in list(expected.items())[:1]]
    with connect(web) as archive:
        send(archive, doses[1:], web)
        received: list[bytes] = []
        for dose in list(expected.values())[1:]:
            entry = Entry(dose.StudyInstanceUID, dose.SeriesInstanceUID, dose.SOPInstanceUID, "RTDOSE")
            archive.retrieve([entry], lambda uid, content: received.append(content) is None)
        back = [dcmread(io.BytesIO(content)) for content in received]
        result["web_dose_equal"] = [d == expected[str(d.SOPInstanceUID)] and d.PixelData == expected[str(d.SOPInstanceUID)].PixelData for d in back]
    return result


def main() -> None:
    folder = Path(sys.argv[1])
    ports = (free_port(), free_port(), free_port())
    (folder / "orthanc.json").write_text(json.dumps(configuration(folder, ports)))
    with (folder / "orthanc.log").open("wb") as log:
        orthanc = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        for _ in range(120):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[0]), 1), socket.create_connection(("127.0.0.1", ports[1]), 1):
                break
            time.sleep(0.25)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            result = session(folder, ports)
        result["namespace"] = str(Path("/proc/self/ns/net").readlink())
        sys.stdout.write(json.dumps(result))
    finally:
        orthanc.terminate()
        orthanc.wait(30)


if __name__ == "__main__":
    main()
