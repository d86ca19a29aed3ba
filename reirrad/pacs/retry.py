"""Asking again, later and later. pynetdicom has no such thing; that of dicomweb-client cannot repeat a long upload."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from reirrad.pacs.errors import UnreachableError

__all__ = ["persistently"]

LONGEST_WAIT_S: Final = 60.0
Answer = TypeVar("Answer")


def persistently(action: Callable[[], Answer], attempts: int, first_wait_s: float, sleep: Callable[[float], None] = time.sleep) -> Answer:
    """Do something until it succeeds, doubling the wait after each failure that may pass.

    Parameters
    ----------
    attempts : int
        At least 1.
    first_wait_s : float
        Wait before the second attempt.

    Raises
    ------
    UnreachableError
        Of the last attempt. Every other error is raised at once.

    >>> waits: list[float] = []
    >>> answers = iter([UnreachableError("busy"), UnreachableError("busy"), None])
    >>> def ask() -> str:
    ...     answer = next(answers)
    ...     if answer is not None:
    ...         raise answer
    ...     return "done"
    >>> persistently(ask, 3, 2.0, waits.append), waits
    ('done', [2.0, 4.0])
    """
    for attempt in range(attempts - 1):
        try:
            return action()
        except UnreachableError:
            sleep(min(first_wait_s * 2**attempt, LONGEST_WAIT_S))
    return action()
