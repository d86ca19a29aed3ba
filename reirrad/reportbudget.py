"""What remains of each limit, in a report: for every organ the limit that leaves least, as EQD2 and as physical dose in so many fractions."""

from __future__ import annotations

from typing import Final

from reirrad.budget import BY_FRACTIONS, LQ_GY, Budget, LimitBudget
from reirrad.budgetdocument import NOTE
from reirrad.budgettable import tightest
from reirrad.organsum import Bounds
from reirrad.reportmodel import Block, Cell, Column, Facts, Paragraph, ReportTable, Section

__all__ = ["remaining_section"]

WORDS: Final = {"not_met": "not met", "unlimited": "no bound", "not_evaluable": "not evaluable"}
CLAUSES: Final = {"this_course": "the new course alone", "each_course": "each course", "ratio": "the new course over the sum"}
ALL_MET: Final = "Every mandatory limit leaves something."
NOT_MET: Final = "A mandatory limit has nothing left or is not evaluable, or no limit could be checked."


def remaining_section(budget: Budget | str) -> Section:
    """Remaining dose of every organ; in place of a budget the reason why there is none."""
    if isinstance(budget, str):
        return Section("Remaining dose", (Paragraph(budget, "warning"),))
    n = budget.fractions[0]
    rows = tightest(budget.rows, n)
    shown = sorted({*BY_FRACTIONS, *budget.fractions})
    with_recovery = any(r.with_recovery_gy is not None for r in rows)
    reasons: dict[str, int] = {}
    cells = tuple(_row(r, shown, with_recovery, reasons) for r in rows)
    columns = (
        Column("Organ", width=1.8),
        Column("Limit of the sum", width=3.3),
        Column("Earlier", "right", 0.9),
        Column("Remaining EQD2", "right", 1.8),
        *((Column("with recovery", "right", 1.3),) if with_recovery else ()),
        *(Column(f"{k} fx", "right", 0.9) for k in shown),
    )
    earlier = ", ".join(c.name for c in budget.case.courses if c.kind == "prior")
    blocks: list[Block] = [
        Paragraph(ALL_MET if budget.something_remains else NOT_MET, "strong" if budget.something_remains else "warning"),
        Paragraph(
            f"After {earlier}, before any proposed course: what may be added evenly to the whole organ, complete repair between fractions. For each organ the "
            f"limit that leaves least in {'1 fraction' if n == 1 else f'{n} fractions'}, a mandatory one where there is one. A deficit: the earlier courses "
            "exceed the limit already. –: nothing is left, the limit is for other numbers of fractions, or it is not evaluable.",
            "small",
        ),
        ReportTable("Remaining EQD2, and as physical dose in so many fractions (fx), Gy", columns, cells),
    ]
    if reasons:
        blocks.append(Facts(tuple((f"Note {k}", reason) for reason, k in reasons.items())))
    if any(a.is_beyond_lq for r in rows for a in r.by_fractions):
        blocks.append(Paragraph(f"*: more than {LQ_GY:g} Gy a fraction, beyond the range in which the linear-quadratic model is supported.", "small"))
    blocks += [Paragraph(n.message, "small") for n in budget.notices if n.code.startswith("budget_")]  # the others are those of the case
    return Section("Remaining dose", (*blocks, Paragraph(NOTE, "small")))


def _row(row: LimitBudget, shown: list[int], with_recovery: bool, reasons: dict[str, int]) -> tuple[Cell | str, ...]:
    limit = row.limit
    of = "physical" if limit.alpha_beta_gy is None else f"{limit.quantity} α/β {limit.alpha_beta_gy:g}"
    sign = limit.comparator.replace("<=", "≤").replace(">=", "≥")
    asked = f"{limit.metric} {of} {sign} {limit.limit:g} {limit.unit}" + (", optimal" if limit.level == "optimal" else "")
    recovery = ("–" if row.with_recovery_gy is None else f"{row.with_recovery_gy:.2f}",) if with_recovery else ()
    doses = (next(a for a in row.by_fractions if a.fractions == n) for n in shown)
    given = ("–" if a.dose_gy is None else f"{a.dose_gy:.2f}{'*' if a.is_beyond_lq else ''}" for a in doses)
    return (row.structure or f"({limit.organ}: no structure)", asked, _earlier(row.prior), _left(row, reasons), *recovery, *given)


def _earlier(prior: Bounds) -> str:
    """Value of the earlier courses."""
    if prior.high is not None:
        return f"{'' if prior.is_exact else '≤ '}{prior.high:.2f}"
    return "–" if prior.low is None else f"≥ {prior.low:.2f}"


def _left(row: LimitBudget, reasons: dict[str, int]) -> Cell:
    """What is left, with the number of the note that says why or on what it rests."""
    bound = [] if row.binding == "sum" else [f"bound by the clause on {CLAUSES[row.binding]}, not by the sum"]
    reason = "; ".join(([row.reason] if row.reason else []) + bound)
    note = f" (note {reasons.setdefault(reason, len(reasons) + 1)})" if reason else ""
    if row.state == "remains":
        return Cell(f"{'≥ ' if row.at_least else ''}{row.remaining_eqd2_gy:.2f}{note}", strong=True)
    if row.state == "deficit":
        return Cell(f"deficit {row.deficit_eqd2_gy:.2f}{note}", strong=True)
    return Cell(f"{WORDS[row.state]}{note}")
