"""What a person should know of a case as a whole: its dates, repair between sessions, and courses on paper."""

from __future__ import annotations

from reirrad.course import Case
from reirrad.errors import CaseFileError, Notice, printable
from reirrad.halftimes import half_time
from reirrad.timing import overnight_unrepaired

__all__ = ["case_notices", "repair_notices"]

SHORT_INTERVAL_DAYS = 183  # below about six months most reports speak of the same treatment or of early re-irradiation
OVERLAP_DAYS = 31  # a proposed course may start this long before the stated end of a prior one; more makes no sense
UNREPAIRED = 0.05  # part of the damage left over night that is worth a word
GRADES = {
    "C": "known from a DVH or from doses of organs on paper (grade C)",
    "D": "known from its prescription alone, which is taken for every organ that has no dose of its own (grade D); hot spots may be higher",
    "E": "known to have been given, and nothing more (grade E)",
}


def case_notices(case: Case) -> list[Notice]:
    """All of them.

    Raises
    ------
    CaseFileError
        For dates that make no sense.
    """
    return [*_interval_notices(case), *repair_notices(case), *_paper_notices(case)]


def _interval_notices(case: Case) -> list[Notice]:
    """Say what the dates mean; refuse dates that make no sense."""
    if case.proposed is None or len(case.courses) == 1:
        return []
    days = case.interval_days
    notices = []
    if days is None:
        notices.append(
            Notice("interval_unknown", "The interval between the courses is not known: give completed for every prior and starts for the proposed course.")
        )
    elif days < -OVERLAP_DAYS:
        raise CaseFileError(
            f"The proposed course starts {-days} day(s) before a prior course was completed; the dates (starts, completed) cannot both be right. "
            "Correct them in the case file."
        )
    elif days < 0:
        message = f"The proposed course starts {-days} day(s) before a prior course was completed: the interval is negative. Check the dates."
        notices.append(Notice("interval_negative", message))
    elif days < SHORT_INTERVAL_DAYS:
        message = f"Only {days} day(s) lie between the end of the last prior course and the start of the proposed one: less than six months."
        notices.append(Notice("interval_short", message))
    return notices


def repair_notices(case: Case) -> list[Notice]:
    """Say which half times of repair were used that nobody stated or published for the organ."""
    if not any(c.timing.needs_half_time for c in case.courses):
        return []
    assumed: dict[float, list[str]] = {}
    for key in sorted({key for _, key in case.organs} - set(case.half_time_h)):
        found = half_time(key)
        if found.status == "convention":
            assumed.setdefault(found.hours, []).append(key)
    notices = _night_notices(case)
    if not assumed:
        return notices
    listed = "; ".join(f"{hours:g} h for {', '.join(keys)}" for hours, keys in assumed.items())
    message = (
        f"Repair between sessions is computed with half times of other tissues, because none is published for these organs: {listed}. "
        "State half_time_h in the case file where you know better; longer ones give a higher EQD2."
    )
    return [Notice("half_time_convention", message), *notices]


def _night_notices(case: Case) -> list[Notice]:
    """Say where damage is left unrepaired over night, which the sums leave out."""
    hours = {half_time(key, case.half_time_h.get(key)).hours for _, key in case.organs}
    out = []
    for course in case.courses:
        if not course.timing.needs_half_time or (most := overnight_unrepaired(course.timing, max(hours))) <= UNREPAIRED:
            continue
        least = overnight_unrepaired(course.timing, min(hours))
        part = f"{most:.0%}" if round(least, 2) == round(most, 2) else f"{least:.0%} to {most:.0%}, depending on the organ,"
        message = f'{part} of the damage of course "{printable(course.name)}" is unrepaired by the next day; the EQD2 does not count what that adds.'
        out.append(Notice("repair_overnight", message, course.name))
    return out


def _paper_notices(case: Case) -> list[Notice]:
    """Say what is known of courses without dose files, and what that does to the sums."""
    notices = []
    for course in case.courses:
        if not course.is_on_paper:
            continue
        effect = (
            "cumulative values are not evaluable"
            if course.is_unknown
            else ("near-maxima of the sum are upper bounds, wherever the doses lie; mean and volume metrics of the sum are not evaluable")
        )
        notices.append(Notice("course_on_paper", f'Course "{printable(course.name)}" is {GRADES[course.grade]}: {effect}.', course.name))
        unused = sorted(set(course.paper.organ_doses if course.paper else ()) - {key for _, key in case.organs})
        if unused:
            message = (
                f'Course "{printable(course.name)}" has doses on paper of organs without a structure in the reference course: {", ".join(unused)}; not used.'
            )
            notices.append(Notice("organ_dose_unused", message, course.name))
        if course.paper is not None and (course.paper.organ_doses or course.paper.curves):
            unknown = [printable(s.name, 40) for s, key in case.organs if not course.paper.is_known(s.name, key)]
            if unknown:
                message = (
                    f'Course "{printable(course.name)}" has no dose for these structures; its prescription of {course.paper.prescription_gy:g} Gy is taken for '
                    f"them: {', '.join(unknown)}; hot spots may be higher. State organ_doses for those that lay outside its fields."
                )
                notices.append(Notice("organ_dose_assumed", message, course.name))
    return notices
