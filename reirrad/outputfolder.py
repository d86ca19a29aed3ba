"""Several files in one folder: all of them or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["all_or_none"]


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
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o777 & ~mask)
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
