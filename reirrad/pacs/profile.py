"""How an archive is reached, as a file of its owner alone states it.

The file is TOML: one table per archive, and optionally `default`, the name of one of them. Secrets do not stand in it: it names the environment
variables that hold them.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from reirrad.errors import printable
from reirrad.pacs.errors import ArchiveError

__all__ = ["PROFILE_FILE", "DicomwebProfile", "DimseProfile", "Profile", "Secret", "load_profile", "secret_of"]

PROFILE_FILE: Final = Path("~/.config/reirrad/pacs.toml")
LARGEST_BYTES: Final = 1 << 16


def _ae_title(text: str) -> str:
    if not re.fullmatch(r"[\x20-\x5b\x5d-\x7e]{1,16}", text) or not text.strip():
        raise ValueError("an AE title has 1 to 16 printable ASCII characters without backslash")
    return text.strip()


def _address(text: str) -> str:
    if ipaddress.ip_address(text).is_unspecified:
        raise ValueError("name one address of this machine, not all of them")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("needed is http(s)://host:port/path without a user, a query or a fragment")
    return text.rstrip("/")


def _file(text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("there is no such file")
    return str(path)


AeTitle = Annotated[str, AfterValidator(_ae_title)]
ExistingFile = Annotated[str, AfterValidator(_file)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    tls_ca: ExistingFile | None = None
    tls_certificate: ExistingFile | None = None
    tls_key: ExistingFile | None = None
    connect_timeout_s: Seconds = 10.0
    answer_timeout_s: Seconds = 60.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    first_wait_s: Annotated[float, Field(ge=0, le=60)] = 2.0

    @model_validator(mode="after")
    def _whole_certificate(self) -> _Profile:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return self


class DimseProfile(_Profile):
    """An archive that speaks classic DICOM.

    Parameters
    ----------
    host, port, ae_title
        Of the archive.
    own_ae_title
        How the archive knows this program.
    retrieve
        `get`: objects come back on the same connection. `move`: the archive opens a connection of its own to `listen`:`listen_port`.
    tls
        Encrypted, with the archive's certificate checked against `tls_ca` or the authorities of this machine.
    """

    protocol: Literal["dimse"]
    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")]
    port: Port
    ae_title: AeTitle
    own_ae_title: AeTitle = "REIRRAD"
    retrieve: Literal["get", "move"] = "get"
    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    listen_port: Port = 11112
    tls: bool = False


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class DicomwebProfile(_Profile):
    """An archive that speaks DICOMweb.

    Parameters
    ----------
    url
        Base of the service.
    token_variable
        Environment variable that holds a bearer token.
    user_variable, password_variable
        Environment variables that hold a user and a password.
    """

    protocol: Literal["dicomweb"]
    url: Annotated[str, AfterValidator(_url)]
    token_variable: Variable | None = None
    user_variable: Variable | None = None
    password_variable: Variable | None = None

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> DicomwebProfile:
        if (self.user_variable is None) != (self.password_variable is None):
            raise ValueError("user_variable and password_variable belong together")
        if self.token_variable is not None and self.user_variable is not None:
            raise ValueError("give either token_variable or user_variable")
        if (self.token_variable or self.user_variable) and urlsplit(self.url).scheme != "https" and not _is_loopback(self.url):
            raise ValueError("secrets are sent over https alone")
        return self


Profile = DimseProfile | DicomwebProfile
_PROFILE: TypeAdapter[Profile] = TypeAdapter(Annotated[Profile, Field(discriminator="protocol")])


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs in; never shown."""

    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def secret_of(profile: DicomwebProfile, environment: Mapping[str, str]) -> Secret:
    """Read token, or user and password, from the environment.

    Raises
    ------
    ArchiveError
        When a variable that the profile names is not set.
    """

    def value(variable: str | None) -> str | None:
        if variable is None:
            return None
        found = environment.get(variable, "")
        if not found or not found.isprintable():
            raise ArchiveError(f"The environment variable {variable}, which the profile names, is not set or holds control characters. Set it and run again.")
        return found

    return Secret(value(profile.token_variable), value(profile.user_variable), value(profile.password_variable))


def load_profile(name: str | None = None, path: Path | None = None) -> Profile:
    """Read one profile.

    Parameters
    ----------
    name : str, optional
        Table of the file; without it the default, or the only one.
    path : Path, optional
        The file, instead of `PROFILE_FILE`.

    Raises
    ------
    ArchiveError
        When the file is missing, may be read by others, is no TOML, or states something impossible.
    """
    file = (PROFILE_FILE if path is None else path).expanduser()
    shown = printable(file.name)
    try:
        tables = tomllib.loads(_content_of_owner(file, shown))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise ArchiveError(f"The profile file {shown} is not valid TOML in UTF-8. Correct it; an example stands in docs/pacs.md.") from None
    default = tables.pop("default", None)
    if name is None:
        name = default if isinstance(default, str) else next(iter(tables)) if len(tables) == 1 else None
    known = ", ".join(printable(t) for t in sorted(tables)) or "none"
    if name is None:
        raise ArchiveError(f"The profile file {shown} holds several archives ({known}) and no `default`. Name one with --profile.")
    if not isinstance(tables.get(name), dict):
        raise ArchiveError(f"The profile file {shown} has no archive {printable(name)}; it knows {known}. Correct --profile or the file.")
    return _validated(tables[name], name, shown)


def _validated(table: dict[str, Any], name: str, shown: str) -> Profile:
    try:
        return _PROFILE.validate_python(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        keys = ".".join(str(k) for k in first["loc"] if k not in ("dimse", "dicomweb")) or "the table"
        raise ArchiveError(f"The archive {printable(name)} in {shown} cannot be used: {printable(keys)}: {first['msg']}. Correct the file.") from None


def _content_of_owner(file: Path, shown: str) -> str:
    """Content of a regular file that only its owner may read or write."""
    try:
        # A pipe in place of the file would block an ordinary open.
        with os.fdopen(os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            state = os.fstat(stream.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_BYTES:
                raise ArchiveError(f"The profile file {shown} is not a regular file of at most {LARGEST_BYTES} bytes. Give another one.")
            if os.name == "posix" and (state.st_mode & 0o077 or state.st_uid != os.geteuid()):
                raise ArchiveError(
                    f"The profile file {shown} is open to others than you, or belongs to somebody else; it says how patient data are reached. "
                    "Make it yours alone: chmod 600, and chown to the user who runs reirrad."
                )
            return stream.read().decode("utf-8")
    except OSError as error:
        raise ArchiveError(
            f"The profile file {shown} cannot be read ({error.strerror}). It says how the archive is reached; docs/pacs.md shows how to write one."
        ) from None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
