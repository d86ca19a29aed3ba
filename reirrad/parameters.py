"""What a parameter of a formula may be. A formula checks before it computes, so that no nonsense comes out as a number."""

from __future__ import annotations

import math

from reirrad.errors import ParameterError, printable

__all__ = ["not_negative", "positive", "whole"]


def positive(name: str, value: float) -> None:
    """Refuse what is not a finite number above zero.

    >>> positive("half_time_h", 0.0)
    Traceback (most recent call last):
    reirrad.errors.ParameterError: half_time_h is 0.0; needed is a finite number above zero. Correct it.
    """
    if not (_finite(value) and value > 0):
        raise ParameterError(f"{name} is {printable(value)}; needed is a finite number above zero. Correct it.")


def not_negative(name: str, value: float) -> None:
    """Refuse what is not a finite number of at least zero."""
    if not (_finite(value) and value >= 0):
        raise ParameterError(f"{name} is {printable(value)}; needed is a finite number, zero or above. Correct it.")


def whole(name: str, value: float) -> None:
    """Refuse what is not a whole number of at least one."""
    if not (_finite(value) and value >= 1 and value == int(value)):
        raise ParameterError(f"{name} is {printable(value)}; needed is a whole number of at least 1. Correct it.")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False
