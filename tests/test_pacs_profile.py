"""Profiles of archives: whose file it is, what it may state, where secrets come from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reirrad.pacs.archive import connect
from reirrad.pacs.errors import ArchiveError, UnreachableError
from reirrad.pacs.profile import DicomwebProfile, DimseProfile, load_profile, secret_of
from reirrad.pacs.retry import persistently

CLASSIC = 'protocol = "dimse"\nhost = "pacs.clinic"\nport = 104\nae_title = "ARCHIVE"\n'
WEB = 'protocol = "dicomweb"\nurl = "https://pacs.clinic/dicom-web/"\n'


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "pacs.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_profile_says_how_an_archive_is_reached(tmp_path: Path) -> None:
    found = load_profile(path=written(tmp_path, f"[clinic]\n{CLASSIC}retrieve = 'move'\nanswer_timeout_s = 90\n"))
    assert found == DimseProfile(protocol="dimse", host="pacs.clinic", port=104, ae_title="ARCHIVE", retrieve="move", answer_timeout_s=90.0)
    assert (found.own_ae_title, found.listen, found.attempts) == ("REIRRAD", "127.0.0.1", 3)


def test_one_of_several_is_named_or_the_default(tmp_path: Path) -> None:
    both = f"[one]\n{CLASSIC}[two]\n{WEB}"
    assert load_profile("two", written(tmp_path, both)) == DicomwebProfile(protocol="dicomweb", url="https://pacs.clinic/dicom-web")
    assert load_profile(None, written(tmp_path, f'default = "two"\n{both}')).protocol == "dicomweb"
    with pytest.raises(ArchiveError, match="holds several archives \\(one, two\\)"):
        load_profile(None, written(tmp_path, both))
    with pytest.raises(ArchiveError, match="has no archive three; it knows one, two"):
        load_profile("three", written(tmp_path, both))


@pytest.mark.hazard("H37")
@pytest.mark.skipif(os.name != "posix", reason="file modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ArchiveError, match=r"open to others than you.*chmod 600"):
        load_profile(path=written(tmp_path, f"[clinic]\n{CLASSIC}", mode))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, f"[clinic]\n{CLASSIC}")
    os.chown(path, 12345, -1)
    with pytest.raises(ArchiveError, match="belongs to somebody else"):
        load_profile(path=path)


def test_no_file_a_pipe_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be read \\(No such file"):
        load_profile(path=tmp_path / "none.toml")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ArchiveError, match="not a regular file"):
        load_profile(path=tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="not valid TOML"):
        load_profile(path=written(tmp_path, "[clinic\n"))
    with pytest.raises(ArchiveError, match=r"several archives \(none\)"):
        load_profile(path=written(tmp_path, ""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CLASSIC + "colour = 1\n", "colour: Extra inputs"),
        (CLASSIC.replace("104", "0"), "port: "),
        (CLASSIC.replace("104", '"104"'), "port: Input should be a valid integer"),
        (CLASSIC.replace("ARCHIVE", "A" * 17), "ae_title: .*1 to 16"),
        (CLASSIC.replace("ARCHIVE", "A\\\\B"), "ae_title: "),
        (CLASSIC.replace("pacs.clinic", "a/../b"), "host: "),
        (CLASSIC + 'listen = "0.0.0.0"\n', "listen: .*not all of them"),
        (CLASSIC + 'listen = "::"\n', "listen: .*not all of them"),
        (CLASSIC + 'tls_ca = "/nowhere/ca.pem"\n', "tls_ca: .*no such file"),
        (CLASSIC + f'tls_key = "{sys.executable}"\n', "belong together"),
        ('protocol = "smoke"\n', "protocol|tag"),
        ('host = "a"\n', "protocol|tag"),
        (WEB.replace("https", "ftp"), "url: "),
        (WEB.replace("https://", "https://user:SECRETXQ@"), "url: .*without a user"),
        (WEB + 'user_variable = "U"\n', "belong together"),
        (WEB + 'token_variable = "T"\nuser_variable = "U"\npassword_variable = "P"\n', "either"),
        (WEB.replace("https", "http") + 'token_variable = "T"\n', "https alone"),
        (WEB + 'token_variable = "not a name"\n', "token_variable: "),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ArchiveError, match=said) as refusal:
        load_profile(path=written(tmp_path, f"[clinic]\n{text}"))
    assert "SECRETXQ" not in str(refusal.value)


def test_secrets_come_from_the_environment_and_are_not_shown() -> None:
    token = DicomwebProfile(protocol="dicomweb", url="https://a/b", token_variable="T")
    person = DicomwebProfile(protocol="dicomweb", url="http://127.0.0.1:8042/b", user_variable="U", password_variable="P")
    assert secret_of(token, {"T": "SECRETXQ"}).token == "SECRETXQ"
    found = secret_of(person, {"U": "me", "P": "SECRETXQ"})
    assert (found.token, found.user, found.password) == (None, "me", "SECRETXQ")
    assert "SECRETXQ" not in repr(found)
    for environment in ({}, {"T": ""}, {"T": "a\r\nb"}):
        with pytest.raises(ArchiveError, match="variable T, which the profile names, is not set"):
            secret_of(token, environment)


def test_waits_double_and_only_what_may_pass_is_tried_again() -> None:
    waits: list[float] = []
    n_calls = 0

    def ask(error: Exception) -> None:
        nonlocal n_calls
        n_calls += 1
        raise error

    with pytest.raises(UnreachableError, match="gone"):
        persistently(lambda: ask(UnreachableError("gone")), 4, 20.0, waits.append)
    assert (n_calls, waits) == (4, [20.0, 40.0, 60.0])
    with pytest.raises(ArchiveError, match="no"):
        persistently(lambda: ask(ArchiveError("no")), 4, 20.0, waits.append)
    assert n_calls == 5


@pytest.mark.parametrize("protocol", ["dimse", "dicomweb"])
def test_without_the_extra_there_is_one_plain_sentence(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    for name in [m for m in sys.modules if m in ("reirrad.pacs.dimse", "reirrad.pacs.dicomweb")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    monkeypatch.setitem(sys.modules, "dicomweb_client", None)
    monkeypatch.setitem(sys.modules, "dicomweb_client.api", None)
    profile = DimseProfile(protocol="dimse", host="a", port=1, ae_title="A") if protocol == "dimse" else DicomwebProfile(protocol="dicomweb", url="https://a/b")
    with pytest.raises(ArchiveError, match="pip install 'reirrad\\[pacs\\]'"):
        connect(profile)


def test_the_command_loads_no_library_before_it_is_run() -> None:
    code = "import sys, reirrad.pacscommand; print({'numpy', 'pydicom', 'pynetdicom', 'requests', 'pydantic', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
