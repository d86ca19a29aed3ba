"""What is uncertain, and what that does to a judgement: the band of a value, and the judgements that change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reirrad.errors import Notice, ParameterError, printable
from reirrad.shifts import Shift, shifts
from reirrad.situation import Status

__all__ = ["Band", "Factor", "Flip", "Move", "Searched", "Skipped", "Uncertainty", "UncertaintyResult"]

Factor = Literal["shift", "alpha_beta", "recovery", "fractions"]
MAX_SHIFT_MM: Final = 30.0  # a registration less sure than this is none
MAX_ROTATION_DEG: Final = 10.0
NAMED: Final[dict[Factor, str]] = {"shift": "registration", "alpha_beta": "alpha/beta", "recovery": "recovery", "fractions": "number of fractions"}


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What is uncertain, and by how much.

    Parameters
    ----------
    shift_mm : float or (float, float, float), optional
        By how much the earlier dose may lie elsewhere, or the half axes of an ellipsoid along x, y and z.
    rotation_deg : float
        And by how much it may be turned about the centre of an organ.
    alpha_beta : bool
        Try both ends of the interval of the organ.
    recovery : bool
        Try the least and the largest recovery of the shipped models, where one is chosen.
    fractions : int
        By how many the number of delivered fractions of an earlier course may be wrong.

    Raises
    ------
    ParameterError
        For what is no such number.
    """

    shift_mm: float | tuple[float, float, float] | None = None
    rotation_deg: float = 0.0
    alpha_beta: bool = False
    recovery: bool = False
    fractions: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= r <= MAX_SHIFT_MM for r in self.radii_mm) or (self.shift_mm is not None and not any(self.radii_mm)):
            raise ParameterError(f"shift_mm is {printable(self.shift_mm)}; needed is a length above 0 and up to {MAX_SHIFT_MM:g} mm, or three. Correct it.")
        if not 0 <= self.rotation_deg <= MAX_ROTATION_DEG:
            raise ParameterError(f"rotation_deg is {printable(self.rotation_deg)}; needed is an angle from 0 to {MAX_ROTATION_DEG:g} degrees. Correct it.")
        if self.fractions < 0:
            raise ParameterError(f"fractions is {printable(self.fractions)}; needed is a whole number, zero or above. Correct it.")

    @property
    def radii_mm(self) -> tuple[float, float, float]:
        """Half axes of the ellipsoid of shifts; zeros without."""
        if isinstance(self.shift_mm, tuple):
            return self.shift_mm
        r = 0.0 if self.shift_mm is None else self.shift_mm
        return (r, r, r)

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """All shifts and turns to try."""
        return shifts(self.radii_mm, self.rotation_deg)


@dataclass(frozen=True, slots=True)
class Move:
    """What one factor does to a value: least and largest over its scenarios and the value itself, and in which scenario (None: the value itself)."""

    factor: Factor
    low: float
    high: float
    low_scenario: str | None
    high_scenario: str | None
    n_scenarios: int


@dataclass(frozen=True, slots=True)
class Searched:
    """The voxel search: every point with the largest earlier dose within reach of it.

    Parameters
    ----------
    anywhere, inside : float or None
        Value of the limit's metric, None where the dose is not known far enough; `inside`: over places inside the same organ of the earlier course alone.
    status_anywhere, status_inside : str
    fallback_cc : float
        Volume without such a place within reach; there `inside` is `anywhere`.
    reason : str
        Why the search inside could not be done for a course; may be empty.
    """

    anywhere: float | None
    status_anywhere: Status
    inside: float | None
    status_inside: Status
    fallback_cc: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """One limit of one structure: its value, and between what it lies over all scenarios.

    Parameters
    ----------
    course : int or None
        For a limit of one course: which.
    low, nominal, high : float
        In `unit`. `nominal` is the value held against the limit in the main result.
    status_low, status, status_high : str
        Of the main value of the limit at each of them.
    bound : str
        Whether `nominal` is ``exact``, or what it is at least (``lower``) or at most (``upper``); then `low` and `high` are such too.
    moves : tuple of Move
        One for each factor tried.
    alpha_beta_bound : (low, high) or None
        What the value cannot leave for any alpha/beta of the interval, even if every point had its own.
    searched : Searched or None
        Upper bounds over all registrations within reach; not part of the band.
    other_rule_status : str or None
        Status of the whole rule in the main result, where its further clauses make another one.
    """

    limit_id: str
    structure: str
    course: int | None
    unit: str
    low: float
    nominal: float
    high: float
    status_low: Status
    status: Status
    status_high: Status
    bound: str = "exact"
    moves: tuple[Move, ...] = ()
    alpha_beta_bound: tuple[float, float] | None = None
    searched: Searched | None = None
    other_rule_status: Status | None = None

    @property
    def factor(self) -> Factor | None:
        """What moves the value most; None when nothing does."""
        size = {m.factor: max(m.high - self.nominal, self.nominal - m.low) for m in self.moves}
        most = max(size, key=lambda factor: size[factor], default=None)
        return most if most is not None and size[most] > 0 else None


@dataclass(frozen=True, slots=True)
class Flip:
    """A judgement that a factor changes: in how many of its scenarios, and the one among them that moves the value furthest."""

    limit_id: str
    structure: str
    from_status: Status
    to_status: Status
    factor: Factor
    scenario: str
    value: float | None
    unit: str
    n_scenarios: int
    n_of: int

    @property
    def words(self) -> str:
        """The flip, and why, as a sentence."""
        value = "" if self.value is None else f": {self.value:.2f} {self.unit}"
        times = f"{self.n_scenarios} of {self.n_of} scenarios of the {NAMED[self.factor]}"
        return f"{self.limit_id}, {self.structure}: {self.from_status} becomes {self.to_status} in {times}; furthest with {self.scenario}{value}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A finding without a band, and why."""

    limit_id: str
    structure: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class UncertaintyResult:
    """Bands in the order of the findings, and the judgements that change."""

    settings: Uncertainty
    bands: tuple[Band, ...]
    flips: tuple[Flip, ...]
    skipped: tuple[Skipped, ...]
    notices: tuple[Notice, ...]
