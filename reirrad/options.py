"""Schedules asked for by name: each put in the place of the proposed course, and every limit judged again."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from reirrad.assessment import Assessment, Verdict
from reirrad.band import Band, UncertaintyResult
from reirrad.errors import Notice, printable
from reirrad.evaluation import Finding
from reirrad.exploration import ScheduleChoice
from reirrad.halftimes import half_time
from reirrad.judgement import LimitChoice, judged, situations_of
from reirrad.limit import Limit
from reirrad.organresult import LQ_GY, ROUNDING, OrganResult
from reirrad.recheck import Recheck
from reirrad.rescheduling import rescheduled, rescheduled_case
from reirrad.schedule import Schedule, ScheduleError, parse_schedule
from reirrad.statistics import Statistics, statistics_of_sum
from reirrad.timing import Timing, repair_factor
from reirrad.tumour import Tumour, TumourEffect, effects, overall_days
from reirrad.uncertainty import bands

__all__ = ["AskedSchedule", "LimitRow", "Option", "OptionOrgan", "evaluate_options", "limit_rows", "organs_without_limit", "parse_options"]

MOST_OPTIONS: Final = 6  # as many columns as one page holds
MAX_THREADS: Final = 4
INTERVAL_H: Final = 6.0  # where several a day state none
# What a reader must see first; a pass counts the same at both levels, and of an optional limit that is not evaluable nothing is known.
WORST_FIRST: Final = (
    ("exceed", "mandatory"), ("not_evaluable", "mandatory"), ("exceed", "optimal"), ("caution", "mandatory"), ("caution", "optimal"), ("pass", ""),
    ("not_evaluable", "optimal"),
)  # fmt: skip
_SEVERAL_A_DAY = re.compile(r"\bper-day\s*=\s*(?:[2-9]|[1-9][0-9])\b")
_EQUAL = re.compile(r"[0-9.]+\s*/\s*[0-9]+(?:\s.*)?")
_FORM = "needed are equal external fractions, as 24/3, 50.4/28 or 45/30 per-day=2 interval=6h, with commas between"


@dataclass(frozen=True, slots=True)
class AskedSchedule:
    """One option as it was asked for: total dose, Gy, in equal fractions."""

    text: str
    dose_gy: float
    choice: ScheduleChoice

    @property
    def dose_per_fraction_gy(self) -> float:
        """Gy."""
        return self.dose_gy / self.choice.fractions


@dataclass(frozen=True, slots=True)
class OptionOrgan:
    """One structure under one option.

    Parameters
    ----------
    cumulative : Statistics
        EQD2 of all courses, the option among them.
    largest_per_fraction_gy : float or None
        Largest known dose per fraction of the option in it; None where nothing is known.
    """

    name: str
    organ: str
    alpha_beta_gy: float
    cumulative: Statistics
    largest_per_fraction_gy: float | None

    @property
    def near_maximum_gy(self) -> float | None:
        """D0.1cc of all courses, Gy EQD2; None where it is not known."""
        return self.cumulative.values["D0.1cc_gy"]

    @property
    def is_beyond_lq(self) -> bool:
        """Whether a fraction is larger than the linear-quadratic model is supported for."""
        return self.largest_per_fraction_gy is not None and self.largest_per_fraction_gy > LQ_GY * ROUNDING


@dataclass(frozen=True, slots=True)
class Option:
    """One schedule in the place of the proposed course.

    Parameters
    ----------
    scale : float
        What multiplies the dose distribution of the proposed course.
    overall_days : int
        From the first to the last fraction, five days a week from a Monday on.
    uncertainty : UncertaintyResult or None
        Where the case asks for it.
    """

    asked: AskedSchedule
    scale: float
    overall_days: int
    organs: tuple[OptionOrgan, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict
    tumour: tuple[TumourEffect, ...]
    notices: tuple[Notice, ...] = ()
    uncertainty: UncertaintyResult | None = None

    @property
    def meets_every_mandatory_limit(self) -> bool:
        """Whether nothing mandatory is exceeded or not evaluable."""
        return self.verdict in ("within", "caution")

    def band(self, finding: Finding) -> Band | None:
        """Between what its value lies over all scenarios; None where none was tried."""
        bands = () if self.uncertainty is None else self.uncertainty.bands
        return next((b for b in bands if (b.limit_id, b.structure, b.course) == (finding.limit.id, finding.structure, finding.course)), None)


def parse_options(text: str) -> tuple[tuple[AskedSchedule, ...], tuple[Notice, ...]]:
    """Read a list of schedules; what was assumed comes as notices.

    Raises
    ------
    ScheduleError
        For what is no list of equal external fractions, or has one schedule twice.

    >>> options, _ = parse_options("30/5, 45/30 per-day=2 interval=8h")
    >>> [(o.text, o.dose_gy, o.choice.fractions, o.choice.per_day, o.choice.interval_h) for o in options]
    [('30/5', 30.0, 5, 1, None), ('45/30 per-day=2 interval=8h', 45.0, 30, 2, 8.0)]
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise ScheduleError(f'"{printable(text, 80)}" has nothing between two commas, or is empty; {_FORM}. Write a decimal point, not a comma.')
    if len(words) > MOST_OPTIONS:
        raise ScheduleError(f"{len(words)} schedules are asked for; needed are at most {MOST_OPTIONS}, which is what one page holds. Ask in two runs.")
    notices = []
    for k, word in enumerate(words):
        if "+" not in word and not _EQUAL.fullmatch(word):
            raise ScheduleError(f'"{printable(word, 60)}" is no schedule; {_FORM}. Correct it.')
        if _SEVERAL_A_DAY.search(word) and "interval" not in word:
            words[k] = f"{word} interval={INTERVAL_H:g}h"
            message = f'Schedule "{printable(word, 60)}" does not say how many hours lie between the fractions of a day; {INTERVAL_H:g} h are assumed.'
            notices.append(Notice("interval_assumed", message))
    asked = tuple(_asked(parse_schedule(word)) for word in words)
    for k, one in enumerate(asked):
        if any((one.dose_gy, one.choice) == (other.dose_gy, other.choice) for other in asked[:k]):
            raise ScheduleError(f'"{printable(one.text, 60)}" is asked for twice; needed are schedules that differ. Leave one out.')
    return asked, tuple(notices)


def _asked(schedule: Schedule) -> AskedSchedule:
    quoted = f'"{printable(schedule.text, 60)}"'
    if len(schedule.parts) > 1:
        raise ScheduleError(f"{quoted} has parts of different fractions; {_FORM}. A dose distribution can be scaled, not split into phases.")
    stated = {
        "rbe": schedule.rbe, "let": schedule.let_kev_um, "recovered": schedule.recovered, "days": schedule.overall_days,
        "dose rates, pulses, sources or minutes": schedule.delivery,
    }  # fmt: skip
    if wrong := [word for word, value in stated.items() if value is not None]:
        raise ScheduleError(f"{quoted} states {' and '.join(wrong)}; {_FORM}. RBE, delivery and dates are those of the proposed course in the case file.")
    (part,) = schedule.parts
    return AskedSchedule(schedule.text, part.dose_gy, ScheduleChoice(part.fractions, schedule.per_day, schedule.interval_h))


def evaluate_options(
    assessment: Assessment,
    choice: LimitChoice,
    course: int,
    options: Sequence[AskedSchedule],
    tumour: Tumour,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Option, ...]:
    """Put each schedule in the place of one course, and judge every limit again.

    Parameters
    ----------
    course : int
        Of `course_to_reschedule`.
    progress : callable
        Told each schedule before it is calculated.
    """
    found = []
    recheck = Recheck(assessment.case, assessment.organs, course, keep_points=choice.uncertainty is not None)
    for asked in options:
        progress(asked.text)
        found.append(_evaluated(assessment, choice, recheck, asked, tumour))
    return tuple(found)


def _evaluated(assessment: Assessment, choice: LimitChoice, recheck: Recheck, asked: AskedSchedule, tumour: Tumour) -> Option:
    before, course, n = assessment.case, recheck.course, asked.choice.fractions
    prescription = before.courses[course].delivered_gy
    assert prescription is not None, "course_to_reschedule sees to it"
    scale = asked.dose_gy / prescription
    timing = Timing(asked.choice.per_day, asked.choice.interval_h, before.courses[course].timing.pattern)
    case = rescheduled_case(before, course, scale, n, timing)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        organs = list(pool.map(lambda number: _organ(recheck, number, scale, n, timing), range(len(assessment.organs))))
    among = situations_of(case)
    findings, notices = judged(case, choice, organs, among)
    tried = None if choice.uncertainty is None else bands(case, organs, findings, choice.uncertainty, among)
    verdict = Assessment(case, tuple(organs), tuple(findings), (), choice.sets).verdict
    return Option(
        asked,
        scale,
        overall_days(n, asked.choice.per_day),
        tuple(_summary(o, course, scale, n) for o in organs),
        tuple(findings),
        verdict,
        effects(tumour, asked.dose_gy, n, asked.choice.per_day),
        tuple(notices),
        tried,
    )


def _organ(recheck: Recheck, number: int, scale: float, fractions: int, timing: Timing) -> OrganResult:
    """One structure with the option in the place of the course, at the points a check of it would use; what is said of the other courses stays."""
    organ = recheck.organs[number]
    if organ.sum is None:
        return organ
    repair = half_time(organ.organ, recheck.case.half_time_h.get(organ.organ))
    factor = repair_factor(timing, fractions, repair.hours) if timing.needs_half_time else 1.0
    total = rescheduled(recheck.sum_of([number], scale, fractions), recheck.course, 1.0, fractions, factor)
    return replace(organ, sum=total, cumulative=statistics_of_sum(total, organ.alpha_beta_gy))


def _summary(organ: OrganResult, course: int, scale: float, fractions: int) -> OptionOrgan:
    known = organ.physical[course]
    largest = known.values["max_gy"] if known.values["max_gy"] is not None else known.lower_bounds.get("max_gy")
    per_fraction = None if largest is None else largest * scale / fractions
    return OptionOrgan(organ.name, organ.organ, organ.alpha_beta_gy, organ.cumulative, per_fraction)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """Limits of one structure that differ in the numbers of fractions they are for alone, under every option; None where there is none for it."""

    structure: str | None
    findings: tuple[Finding | None, ...]

    @property
    def limit(self) -> Limit:
        """Limit of the first option that has one."""
        return next(f.limit for f in self.findings if f is not None)

    @property
    def is_one_limit(self) -> bool:
        """Whether all options are held against the same number."""
        return len({(f.limit.comparator, f.limit.limit) for f in self.findings if f is not None}) == 1


def limit_rows(options: Sequence[Option]) -> tuple[LimitRow, ...]:
    """For each option and structure the limit that is worst there, with its findings under all options; worst first.

    So whatever is exceeded in an option, its structure has a row in which this or something worse stands.
    """
    by_key: list[dict[tuple[object, ...], Finding]] = [{} for _ in options]
    worst: dict[tuple[int, str | None], Finding] = {}
    for number, option in enumerate(options):
        for finding in sorted(option.findings, key=_badness):
            by_key[number].setdefault(_row_key(finding), finding)
            worst.setdefault((number, finding.structure), finding)
    chosen = dict.fromkeys(_row_key(f) for f in sorted(worst.values(), key=_badness))
    rows = [tuple(found.get(key) for found in by_key) for key in chosen]
    return tuple(LimitRow(next(f for f in row if f is not None).structure, row) for row in rows)


def organs_without_limit(options: Sequence[Option]) -> tuple[str, ...]:
    """Names of the structures that no limit is held against under any option, so that nothing bounds their dose; the hottest in any option first."""
    limited = {name for o in options for f in o.findings if f.structure is not None for name in f.structure.split(" + ")}
    hottest: dict[str, float] = {}
    for organ in (organ for o in options for organ in o.organs if organ.name not in limited):
        hottest[organ.name] = max(
            hottest.get(organ.name, 0.0), math.inf if organ.near_maximum_gy is None else organ.near_maximum_gy
        )  # what is not known may be the hottest
    return tuple(sorted(hottest, key=lambda name: -hottest[name]))


def _row_key(finding: Finding) -> tuple[object, ...]:
    limit = finding.limit
    same = (limit.metric, limit.unit, limit.quantity, limit.alpha_beta_gy, limit.scope, limit.level, limit.comparator == ">=")
    return finding.structure, limit.organ, finding.course, *same


def _badness(finding: Finding) -> tuple[int, float]:
    """Place among the worst, then what is left as a part of the limit."""
    level = "" if finding.status == "pass" else finding.limit.level
    left = 0.0 if finding.margin is None else finding.margin / (finding.limit.limit or 1.0)
    return WORST_FIRST.index((finding.status, level)), left
