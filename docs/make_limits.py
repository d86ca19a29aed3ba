"""Render the library of limits: `python docs/make_limits.py` writes limits.md beside this file.

Every limit is held against a phantom of 1000 cc whose value lies just below, at, and just above the limit. The same input always gives the same text.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reirrad.accumulation import OrganDose
from reirrad.constraints import left_out, load_set, set_names
from reirrad.disagreements import disagreements
from reirrad.evaluation import CONVENTIONAL_FRACTIONS, Finding, evaluate
from reirrad.librarytable import amount, conditions, quantity, recovery
from reirrad.limit import Clause, Limit
from reirrad.organs import references
from reirrad.organsum import OrganSum
from reirrad.radiobiology import dose_for_eqd2, eqd2_from_bed
from reirrad.situation import Situation

DOCS = Path(__file__).resolve().parent
SETS = DOCS.parent / "reirrad" / "data" / "constraints"
VOLUME_CC = 1000.0
# How far the value of the phantom lies from the limit, by unit; a ratio has none.
STEPS = {"Gy": 0.1, "cc": 0.1, "%": 0.1, "": 0.01, "months": 0.1}
# Part of the sum that the proposed course gives, where nothing else is asked.
SHARE = 0.3
PRIOR_FRACTIONS = 25
MONTHS = 24.0


@dataclass(frozen=True)
class Trial:
    """One limit, or one clause of it, on the phantom: values below, at and above it, and what is found."""

    limit: Limit
    clause: Clause | None
    values: tuple[float, float, float]
    statuses: tuple[str, str, str]


def main() -> None:
    """Write the table."""
    (DOCS / "limits.md").write_text(rendered(), encoding="utf-8")


def trials(limit: Limit) -> Iterator[Trial]:
    """Hold a limit, then each of its clauses, against the phantom."""
    values = _around(limit.limit, limit.unit)
    below, at, above = (_evaluated(limit, limit.limit + step) for step in _steps(limit.unit))
    yield Trial(limit, None, values, (below.status, at.status, above.status))
    for clause in limit.clauses:
        statuses = tuple(_clause_status(limit, clause, clause.limit + step) for step in _steps(clause.unit))
        yield Trial(limit, clause, _around(clause.limit, clause.unit), (statuses[0], statuses[1], statuses[2]))


def _steps(unit: str) -> tuple[float, float, float]:
    return -STEPS[unit], 0.0, STEPS[unit]


def _around(value: float, unit: str) -> tuple[float, float, float]:
    return value - STEPS[unit], value, value + STEPS[unit]


def _evaluated(limit: Limit, value: float) -> Finding:
    """The limit on a phantom whose metric has this value."""
    x = limit.metric.argument
    if limit.unit != "Gy" and x is not None:  # a part of the volume is on the other side of the dose that the metric asks for
        part = value if limit.unit == "cc" else VOLUME_CC * value / 100
        doses = [x - 1, x + 1] if limit.comparator == ">=" else [x + 1, x - 1]
        return _judged(limit, [(1, _fractions(limit, x + 1), doses)], [part, VOLUME_CC - part])
    if limit.quantity == "physical":
        return _judged(limit, [(1, _fractions(limit, value), [value])], [VOLUME_CC])
    return _two_courses(limit, value * (1 - SHARE), value * SHARE)


def _fractions(limit: Limit, largest_gy: float) -> int:
    """Fractions of the proposed course; of 2 Gy or less for a limit made for conventional ones."""
    n = limit.max_fractions or limit.min_fractions or 5
    return max(n, math.ceil(largest_gy / 2)) if (limit.min_fractions or 0) >= CONVENTIONAL_FRACTIONS else n


def _two_courses(limit: Limit, prior_gy: float, proposed_gy: float, months: float | None = None) -> Finding:
    """The limit on an even dose of two courses, each given in the quantity of the limit."""
    n = limit.max_fractions or limit.min_fractions or 5
    given = [(0, PRIOR_FRACTIONS, [_physical(limit, prior_gy, PRIOR_FRACTIONS)]), (1, n, [_physical(limit, proposed_gy, n)])]
    return _judged(limit, given, [VOLUME_CC], months)


def _physical(limit: Limit, value_gy: float, fractions: int) -> float:
    assert limit.alpha_beta_gy is not None
    eqd2 = float(eqd2_from_bed(value_gy, limit.alpha_beta_gy)) if limit.quantity == "BED" else value_gy
    return dose_for_eqd2(eqd2, fractions, limit.alpha_beta_gy)


def _clause_status(limit: Limit, clause: Clause, value: float) -> str:
    """Status of one clause, with the sum and the other clauses well met."""
    if clause.what == "interval":
        finding = _two_courses(limit, 0.35 * limit.limit, 0.15 * limit.limit, months=value)
    elif clause.what == "ratio":
        finding = _two_courses(limit, 0.5 * limit.limit * (1 - value), 0.5 * limit.limit * value)
    elif clause.what == "this_course":
        finding = _two_courses(limit, 0.8 * limit.limit - value, value)
    else:  # of each course the first is the larger one
        finding = _two_courses(limit, value, max(0.8 * limit.limit - value, 0.0))
    found = [c.status for c in finding.clauses if c.clause == clause]
    others = [c.status for c in finding.clauses if c.clause != clause]
    assert set(others) <= {"pass"}
    assert finding.status == ("exceed" if "exceed" in found else "pass")
    return "exceed" if "exceed" in found else found[0]


def _judged(limit: Limit, given: list[tuple[int, int, list[float]]], volumes_cc: list[float], months: float | None = None) -> Finding:
    dose = OrganDose(
        np.array(volumes_cc, np.float64),
        np.array([doses for _, _, doses in given], np.float32),
        np.zeros((len(given), 0), np.float32),
        np.array([n for _, n, _ in given], np.intp),
        np.array([course for course, _, _ in given], np.intp),
    )
    interval = limit.max_interval_months or MONTHS if months is None else months
    finding = evaluate(limit, "phantom", OrganSum(dose), Situation(1, given[-1][1], interval, {0: "prior", 1: "proposed"}, frozenset({0})))
    assert finding is not None
    return finding


# ---------------------------------------------------------------------------------------------------------------- text

HEAD = "| Id | Structure | Metric, quantity, dose of | Limit | Conditions | Level | Recovery | Evidence, status | Source | below | at | above |"
INTRODUCTION = """# Limits of the library

Written by `python docs/make_limits.py`; do not edit by hand. No cumulative limit here has been validated prospectively.

The last three columns show what is found on a phantom of 1000 cc whose value lies 0.1 Gy (0.1 cc, 0.1 %; 0.01 for a ratio, 0.1 months for an interval) below,
at and above the limit; within 5 % of a limit is a caution. Sums are of two courses, the proposed one with 30 % of the sum, 24 months after the first
(12 where a limit holds for at most 12). Rows that begin with "and" are further clauses of the limit above them: there the sum is well met.
Where an entry is by number of fractions, its id ends with it (`-5fx`).

A limit of this course alone was published for tissue without earlier irradiation, except `carotid-hytec-5fx`: it is optimal, and says nothing of the sum.

Recovery, of a limit for all courses: raw, it is for the sum without recovery; built in, it is for the sum without recovery and higher because of it;
not stated, the source does not say. None of them is held against a sum after recovery.

Status VERIFIED: the number was seen in the paper or its abstract. SECONDARY: it was seen quoted elsewhere. A limit that a survey of experts proposed
without consensus has the evidence expert.

A caution in the column Limit is the careful end of a published range. `reirrad constraints show ID` tells the note and the citation of a limit.
"""


def rendered() -> str:
    """Text of the table."""
    parts = [INTRODUCTION]
    for name in set_names():
        title = tomllib.loads((SETS / f"{name}.toml").read_text(encoding="utf-8"))["title"]
        parts.append(f"## {title} (`{name}`)\n\n{HEAD}\n|{'---|' * 12}")
        parts[-1] += "".join(f"\n{_row(trial)}" for limit in load_set(name) for trial in trials(limit)) + "\n"
    parts += [_sources(), _left_out(), _disagreements()]
    return "\n".join(parts)


def _row(trial: Trial) -> str:
    limit, clause = trial.limit, trial.clause
    statuses = list(trial.statuses)
    if clause is not None:
        words = conditions(limit)[limit.clauses.index(clause)]
        return _cells(["and", "", "", "", words, "", "", "", "", *statuses])
    organ = f"{limit.organ}{', both sides' if limit.combine_sides else ''}{f' ({limit.structure})' if limit.structure else ''}"
    held = "; ".join(conditions(limit)[len(limit.clauses) :])
    known = f"{limit.evidence}, {limit.status}"
    return _cells([f"`{limit.id}`", organ, quantity(limit), amount(limit), held, limit.level, recovery(limit), known, limit.reference, *statuses])


def _cells(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sources() -> str:
    used = sorted({limit.reference for name in set_names() for limit in load_set(name)})
    lines = ["## Sources", ""]
    for key in used:
        source = references()[key]
        lines.append(f"- **{key}** {source.citation} {f'doi {source.doi}' if source.doi else 'doi not seen'}. {source.status}; seen: {source.seen}.")
    return "\n".join(lines) + "\n"


def _left_out() -> str:
    lines = ["## Left out", "", "Published, and no limit here.", ""]
    lines += [f"- `{s.key}` {s.says}. **{s.reason}** {s.citation}" for s in left_out()]
    return "\n".join(lines) + "\n"


def _disagreements() -> str:
    lines = ["## Where sources disagree"]
    for found in disagreements():
        lines += ["", f"**{found.topic}** ({', '.join(found.organs) or 'every organ'})", ""]
        lines += [f"- {value.source}: {value.says}" for value in found.values]
        lines += ["", f"Here: {found.handling}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
