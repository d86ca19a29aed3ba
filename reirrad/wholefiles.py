"""Files written whole or not at all: one, or several of one folder together."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["all_or_none", "whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the file at the end, in place of an older one; whatever stops this, nothing is left.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(temporary).chmod(_permissions(0o666))
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@contextmanager
def all_or_none(directory: Path) -> Iterator[Path]:
    """Give a temporary folder for its owner alone; what lies in it at the end goes to the directory, which is made when it does not exist.

    A file of the same name that is there stays: whether it may be there is for the caller to find out. Whatever stops this, a person included, nothing is left.

    Raises
    ------
    OSError
        When something cannot be written or moved.
    """
    is_new = not directory.exists()
    temporary = Path(tempfile.mkdtemp(dir=directory.absolute().parent if is_new else directory, prefix=".reirrad-", suffix=".part"))
    moved: list[Path] = []
    try:
        yield temporary
        if is_new:
            temporary.chmod(_permissions(0o777))
            temporary.rename(directory)
            return
        for path in sorted(temporary.iterdir()):
            if not (directory / path.name).exists():
                path.rename(directory / path.name)
                moved.append(directory / path.name)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _permissions(most: int) -> int:
    """What the system gives new files, which temporary ones do not have."""
    mask = os.umask(0)
    os.umask(mask)
    return most & ~mask
