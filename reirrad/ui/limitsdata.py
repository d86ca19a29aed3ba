"""What the Limits page keeps of the patient of a tab: the result under what is assumed, organ by organ, so that a slider moves one organ alone."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reirrad.assessment import Assessment
from reirrad.band import Band, Uncertainty
from reirrad.dvh import Undefined
from reirrad.errors import ReirradError
from reirrad.evaluation import Finding
from reirrad.hotspot import HotSpot, hot_spot
from reirrad.judgement import LimitChoice, situations_of, subjects
from reirrad.organresult import OrganResult
from reirrad.organsum import Bounds
from reirrad.reportlimits import worst_first
from reirrad.ui.session import Loaded, Session
from reirrad.ui.whatifpanel import Assumed, changed, settings_of
from reirrad.uncertainty import bands
from reirrad.whatif import WhatIf, what_if

__all__ = ["Explored", "RowKey", "explored_of", "key_of", "offered"]

KEY: Final = "limits"
RowKey = tuple[str, str, int | None]  # limit, structure, course


def key_of(finding: Finding) -> RowKey:
    """What a finding is told from others by, whatever is assumed."""
    return finding.limit.id, finding.structure or "", finding.course


@dataclass(slots=True, eq=False)
class Explored:
    """State of the page.

    Parameters
    ----------
    chosen : str
        Structure of the charts and of the alpha/beta slider.
    serial : int
        Number of the last message of the browser.
    token : str
        Part of the names of widgets, so that none keeps a choice of another patient.
    problem : str
        Why bands could not be calculated; empty when they could.
    is_resting : bool
        No slider has been moved since the browser asked last; only then anything long is begun.
    """

    loaded: Loaded
    chosen: str
    assumed: Assumed = field(default_factory=Assumed)
    serial: int = 0
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    problem: str = ""
    is_resting: bool = False
    parts: dict[str, tuple[WhatIf, Assessment]] = field(default_factory=dict)
    values: dict[str, tuple[float | None, dict[RowKey, tuple[Bounds | None, ...]]]] = field(default_factory=dict)
    tried: dict[tuple[str, str], dict[RowKey, Band]] = field(default_factory=dict)
    spots: dict[tuple[str, float], HotSpot | None] = field(default_factory=dict)
    job: Future[dict[RowKey, Band]] | None = None
    job_of: tuple[str, str] = ("", "")
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def take(self, message: Mapping[str, Any]) -> None:
        """Do what the browser asks."""
        serial, structure = message.get("n"), message.get("structure")
        if isinstance(serial, int) and not isinstance(serial, bool):
            self.serial = serial
        organs = self.loaded.assessment.organs
        if isinstance(structure, str) and structure.isdecimal() and len(structure) < 6 and int(structure) < len(organs):
            self.chosen = organs[int(structure)].name
        before, self.assumed = self.assumed, changed(self.loaded.assessment, self.loaded.choice, self.assumed, message)
        self.is_resting = message.get("tick") is True and self.assumed == before
        if self.assumed != before:
            self.problem = ""

    def assessment(self) -> Assessment:
        """The result under what is assumed: that of the case itself where nothing is assumed otherwise.

        Raises
        ------
        ParameterError
            For assumptions that mean nothing in this case.
        """
        whole, asked = self.loaded.assessment, self.assumed.what_if
        if asked.is_nothing:
            return whole
        nothing = replace(whole, organs=(), findings=())
        case = what_if(nothing, LimitChoice((), frozenset(), ()), asked).case
        parts = [self._part(key) for key in self._keys()]
        by_name = {o.name: o for part in parts for o in part.organs}
        findings = tuple(f for part in parts for f in part.findings)
        return replace(whole, case=case, organs=tuple(by_name[o.name] for o in whole.organs), findings=findings, uncertainty=None)

    def _keys(self) -> list[str]:
        """Organs of the case, and of limits without a structure."""
        whole = self.loaded.assessment
        return list(dict.fromkeys([*(o.organ for o in whole.organs), *(f.limit.organ for f in whole.findings)]))

    def _part(self, key: str) -> Assessment:
        """Result of one organ under what is assumed of it."""
        asked = self.assumed.of_organ(key)
        if key not in self.parts or self.parts[key][0] != asked:
            whole, choice = self.loaded.assessment, self.loaded.choice
            organs = tuple(o for o in whole.organs if o.organ == key)
            alone = replace(whole, organs=organs, findings=tuple(f for f in whole.findings if f.limit.organ == key), uncertainty=None)
            limits = replace(choice, limits=tuple(x for x in choice.limits if x.organ == key))
            self.parts[key] = (asked, what_if(alone, limits, asked))
        return self.parts[key][1]

    # --------------------------------------------------------------------------------------------------- values of each course

    def course_values(self, found: Assessment) -> dict[RowKey, tuple[Bounds | None, ...]]:
        """Metric of every limit in each course alone, in the quantity of the limit; None where the limit is not of that course."""
        out: dict[RowKey, tuple[Bounds | None, ...]] = {}
        for key in self._keys():
            gy = self.assumed.alpha_beta_gy.get(key)
            if key not in self.values or self.values[key][0] != gy:
                organs = [o for o in found.organs if o.organ == key]
                here = [f for f in found.findings if f.limit.organ == key]
                self.values[key] = (gy, {key_of(f): _of_courses(f, organs, len(found.case.courses)) for f in here})
            out |= self.values[key][1]
        return out

    # --------------------------------------------------------------------------------------------------- bands

    def bands(self, found: Assessment) -> tuple[dict[RowKey, Band], list[str]]:
        """Bands known so far under what is assumed, and the organs whose bands are not: the next of them is begun, the chosen and the worst first.

        One organ at a time, in a thread of its own, when the sliders rest: the page goes on meanwhile, and nothing goes on for long when the tab is closed.
        """
        choice = self.loaded.choice
        settings = settings_of(choice, self.assumed)
        if settings is None:
            return {}, []
        self._collect()
        known = self.loaded.assessment.uncertainty
        stated = {} if known is None or settings != choice.uncertainty else {(b.limit_id, b.structure, b.course): b for b in known.bands}
        same = {f.limit.organ for f in found.findings if stated and self.assumed.of_organ(f.limit.organ).is_nothing}
        out: dict[RowKey, Band] = {key_of(f): stated[key_of(f)] for f in found.findings if f.limit.organ in same and key_of(f) in stated}
        missing = []
        keys = dict.fromkeys(f.limit.organ for f in worst_first(found.findings) if f.judged_value is not None)
        chosen = next((o.organ for o in found.organs if o.name == self.chosen), "")
        for key in sorted(keys, key=lambda key: key != chosen):
            name = key, repr((settings, self.assumed.of_organ(key)))
            if name in self.tried:
                out |= self.tried[name]
            elif key not in same:
                missing.append(name)
        if missing and self.is_resting and self.job is None and not self.problem:
            part = self._part(missing[0][0])
            self.job, self.job_of = self.pool.submit(_bands, part, settings), missing[0]
        return out, [key for key, _ in missing] if not self.problem else []

    def _collect(self) -> None:
        """Keep what the thread has found."""
        if self.job is None or not self.job.done():
            return
        try:
            self.tried[self.job_of] = self.job.result()
        except ReirradError as error:
            self.problem = str(error)
        self.job = None

    # --------------------------------------------------------------------------------------------------- hottest points

    def spots_of(self, organs: Sequence[OrganResult]) -> list[HotSpot]:
        """Hottest point of each organ that has one."""
        out = []
        for o in organs:
            name = o.name, o.alpha_beta_gy
            if name not in self.spots:
                self.spots = {k: v for k, v in self.spots.items() if k[0] != o.name}
                self.spots[name] = hot_spot(o, len(self.loaded.case.courses))
            out.append(self.spots[name])
        return [s for s in out if s is not None]


def explored_of(session: Session, loaded: Loaded) -> Explored | None:
    """What is kept of the loaded case, made when it is first asked for; None for a case without structures."""
    kept = session.kept.get(KEY)
    if kept is None or kept.loaded is not loaded:
        names = offered(loaded.assessment)
        if not names:
            return None
        kept = session.kept[KEY] = Explored(loaded, names[0])
    explored: Explored = kept
    return explored


def offered(assessment: Assessment) -> list[str]:
    """Structures, those of the worst limits first."""
    names = [o.name for o in assessment.organs]
    named = [f.structure for f in worst_first(assessment.findings) if f.structure is not None]
    return list(dict.fromkeys([*(n for f in named for n in (f, *f.split(" + ")) if n in names), *names]))


def _bands(part: Assessment, settings: Uncertainty) -> dict[RowKey, Band]:
    found = bands(part.case, part.organs, part.findings, settings, situations_of(part.case))
    return {(b.limit_id, b.structure, b.course): b for b in found.bands}


def _of_courses(finding: Finding, organs: Sequence[OrganResult], n_courses: int) -> tuple[Bounds | None, ...]:
    """Metric of a limit in each course; for a limit of one course in that alone."""
    limit = finding.limit
    result = next((o for o in subjects(limit, organs)[0] if o.name == finding.structure), None)
    if result is None or result.sum is None:
        return (None,) * n_courses
    out: list[Bounds | None] = []
    for k in range(n_courses):
        if limit.scope == "course" and k != finding.course:
            out.append(None)
            continue
        try:
            out.append(result.sum.value(limit.metric, limit.unit, limit.quantity, limit.alpha_beta_gy, k))
        except Undefined as why:
            out.append(Bounds(None, None, str(why)))
    return tuple(out)
