"""What talking to an archive refuses."""

from __future__ import annotations

from reirrad.errors import ReirradError

__all__ = ["ArchiveError", "UnreachableError"]


class ArchiveError(ReirradError):
    """The archive refuses, answers with what was not asked for, or has not what was asked for."""


class UnreachableError(ArchiveError):
    """The archive does not answer, or broke off: the same request may succeed later."""
