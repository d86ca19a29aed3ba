"""What was published of patients in the same situation: citations to be read beside options, never used in a calculation."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from reirrad.errors import ParameterError, printable
from reirrad.organs import Reference, references

__all__ = ["Evidence", "Result", "diseases", "evidence"]


@dataclass(frozen=True, slots=True)
class Result:
    """One published statement.

    Parameters
    ----------
    says : str
        With its numbers.
    patients : int or None
        Number of patients; None for a guideline.
    status : str
        VERIFIED: seen in the publication itself. SECONDARY: as quoted elsewhere.
    """

    says: str
    reference: Reference
    patients: int | None
    status: str

    @property
    def citation(self) -> str:
        """The statement with where it comes from, and how it was seen."""
        number = "" if self.patients is None else f" (n = {self.patients})"
        return f"{self.says}{number}. {self.reference.citation} {self.status}: {self.reference.seen}."


@dataclass(frozen=True, slots=True)
class Evidence:
    """All statements on one disease."""

    key: str
    title: str
    results: tuple[Result, ...]


def evidence(disease: str) -> Evidence:
    """Return what was published on a disease.

    Raises
    ------
    ParameterError
        When nothing is there, with what is.
    """
    found = diseases().get(disease)
    if found is None:
        raise ParameterError(f'No evidence is kept for "{printable(disease, 40)}"; there is some for: {", ".join(diseases())}. Name one of these, or none.')
    return found


@cache
def diseases() -> Mapping[str, Evidence]:
    """All diseases by key."""
    tables = tomllib.loads(files("reirrad").joinpath("data", "evidence.toml").read_text(encoding="utf-8"))
    return {key: Evidence(key, table["title"], tuple(_result(row) for row in table["results"])) for key, table in tables.items()}


def _result(row: Mapping[str, object]) -> Result:
    reference = references()[str(row["reference"])]
    patients = row.get("patients")
    return Result(str(row["says"]), reference, patients if isinstance(patients, int) else None, str(row["status"]))
