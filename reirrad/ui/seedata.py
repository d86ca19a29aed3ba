"""What the viewer keeps of the patient of a tab: read and calculated once, gone with the patient."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from reirrad.casefile import read_case_file
from reirrad.ctloading import ct_volume
from reirrad.ctvolume import CtVolume
from reirrad.dose import Float32
from reirrad.errors import DicomError
from reirrad.grid import Float64
from reirrad.hotspot import HotSpot, hot_spot
from reirrad.reportlimits import worst_first
from reirrad.ui.outlines import Drawn, drawn_structures, is_parallel
from reirrad.ui.panes import Look, Other, pane_of, place_of
from reirrad.ui.quantities import Remaining
from reirrad.ui.session import Loaded, Session
from reirrad.ui.slicepicture import Window
from reirrad.ui.volumes import VIEWS, ShownCt, View, Volumes, frame_of, volumes_of

__all__ = ["Shown", "first_cursor", "first_structures", "kept_view", "other_ct", "shown_of", "spot_of", "spots"]

KEY: Final = "see"
N_FIRST: Final = 6  # organs outlined at first, beside the targets


@dataclass(slots=True, eq=False)
class Shown:
    """State of the viewer.

    Parameters
    ----------
    token : str
        Part of the names of widgets, so that none keeps a choice of another patient.
    ct_problem : str
        Why there is no CT; empty when there is one.
    cursor_mm : (3,) float64
        (u, v, w) of the lattice.
    spot : HotSpot or None
        The one the cursor was sent to, while it is still there.
    move : int
        Number of the last move of the cursor in the browser.
    other : (int, Other) or None
        The last course whose CT was compared; one at a time, for each takes as much memory as the reference CT.
    pictures : dict
        The last picture of each view, with what it was made of.
    n_drawn : int
        Pictures so far; the browser does not draw the same one again.
    """

    volumes: Volumes
    structures: dict[str, Drawn]
    ct_problem: str
    cursor_mm: Float64
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    spot: HotSpot | None = None
    window: Window = field(default_factory=lambda: Window(40, 400))
    move: int = 0
    remaining: Remaining | None = None
    other: tuple[int, Other] | None = None
    pictures: dict[View, tuple[Any, tuple[dict[str, Any], bytes]]] = field(default_factory=dict)
    n_drawn: int = 0

    def values(self, look: Look, view: View, place: int) -> Float32 | None:
        """What a look shows: the volume, or the slice where no volume of it is kept."""
        match look.key:
            case int(number):
                return self.volumes.physical_gy[number]
            case "physical":
                return self.volumes.physical_cut(view, place)
            case "eqd2":
                return self.volumes.eqd2_gy
            case "recovered":
                return self.volumes.recovered_gy
            case "remaining":
                return None if self.remaining is None else self.remaining.gy
        return None

    def panes(self, look: Look) -> tuple[list[dict[str, Any]], list[bytes]]:
        """The three slices through the cursor; those that have not changed as they were."""
        other = self.other[1] if self.other is not None and look.compared is not None and look.compared[0] == self.other[0] else None
        for view in VIEWS:
            place = place_of(frame_of(self.volumes.grid, view), self.cursor_mm)
            fractions = None if self.remaining is None else self.remaining.fractions
            made_of = (look, place, fractions)
            if view not in self.pictures or self.pictures[view][0] != made_of:
                header, picture = pane_of(self.volumes, self.values(look, view, place), self.structures, look, view, self.cursor_mm, other)
                self.n_drawn += 1
                self.pictures[view] = (made_of, ({**header, "stamp": f"{self.token}-{self.n_drawn}"}, picture))
        return [self.pictures[v][1][0] for v in VIEWS], [self.pictures[v][1][1] for v in VIEWS]

    def go_to(self, cursor_mm: Sequence[float], spot: HotSpot | None = None) -> None:
        """Move the cursor, within the lattice."""
        g = self.volumes.grid
        self.cursor_mm = np.array([np.clip(at, line[0], line[-1]) for at, line in zip(cursor_mm, (g.u_mm, g.v_mm, g.w_mm), strict=True)])
        self.spot = spot

    @property
    def point_mm(self) -> Float64:
        """The cursor in the patient."""
        return self.volumes.grid.to_patient(self.cursor_mm)


def kept_view(session: Session, loaded: Loaded, progress: Callable[[str], None] = lambda _: None) -> Shown:
    """What is kept of the loaded case, made when it is first asked for.

    Raises
    ------
    ReirradError
        When the case has nothing to show, or its files can no longer be read.
    """
    if KEY not in session.kept:
        progress("images of the reference course")
        ct, problem = _ct(loaded, loaded.case.reference)
        recovery = {o.organ: o.kept for o in loaded.assessment.organs if o.kept is not None}
        volumes = volumes_of(loaded.case, ct, recovery, progress)
        g = volumes.grid
        made = Shown(volumes, drawn_structures(loaded.case), problem, np.array([line[line.size // 2] for line in (g.u_mm, g.v_mm, g.w_mm)]))
        first = first_cursor(loaded)
        if first is not None:
            made.go_to(g.to_local(np.asarray(first.point_mm, np.float64)).tolist(), first)
        session.kept[KEY] = made
    shown: Shown = session.kept[KEY]
    return shown


def shown_of(session: Session) -> Shown | None:
    """What is kept, if anything: for callbacks, which must not hold a patient themselves after the tab has forgotten it."""
    shown: Shown | None = session.kept.get(KEY)
    return shown


def other_ct(shown: Shown, loaded: Loaded, number: int) -> str:
    """Read the CT of another course for comparison, in place of the last one; why it cannot be, empty when it can.

    Raises
    ------
    ReirradError
        When the files of the case can no longer be read.
    """
    if shown.other is not None and shown.other[0] == number:
        return ""
    shown.other = None
    ct, problem = _ct(loaded, number)
    if ct is None:
        return problem
    shown.other = (number, Other(ShownCt.of(ct), loaded.case.transforms[number]))
    shown.pictures.clear()
    return ""


def spots(loaded: Loaded) -> list[str]:
    """Structures with a hottest point, those of the worst limits first."""
    known = [o.name for o in loaded.assessment.organs if o.sum is not None and o.sum.dose.course.size and o.sum.dose.points_mm is not None]
    named = [f.structure for f in worst_first(loaded.assessment.findings) if f.structure is not None]
    return list(dict.fromkeys([*(n for f in named for n in (f, *f.split(" + ")) if n in known), *known]))


def spot_of(loaded: Loaded, name: str) -> HotSpot | None:
    """Hottest point of a structure."""
    organ = next((o for o in loaded.assessment.organs if o.name == name), None)
    return None if organ is None else hot_spot(organ, len(loaded.case.courses))


def first_cursor(loaded: Loaded) -> HotSpot | None:
    """Where the viewer opens: the hottest point of the organ of the worst limit."""
    return next((spot for name in spots(loaded)[:1] if (spot := spot_of(loaded, name)) is not None), None)


def first_structures(loaded: Loaded, shown: Shown) -> list[str]:
    """Structures that are outlined at first: targets, and the organs of the worst limits."""
    course = loaded.case.courses[loaded.case.reference]
    drawable = [n for n, s in shown.structures.items() if is_parallel(s, shown.volumes.grid)]
    targets = [s.name for s in course.structures if s.kind == "target" and s.name in drawable]
    return list(dict.fromkeys([*targets[:3], *[n for n in spots(loaded) if n in drawable][:N_FIRST]]))


def _ct(loaded: Loaded, number: int) -> tuple[CtVolume | None, str]:
    """Images of a course, or why there are none."""
    try:
        found = ct_volume(read_case_file(loaded.case_file), loaded.case.courses[number])
    except DicomError as error:
        return None, str(error)
    return (None, "The course has no CT in its folder.") if found is None else (found[0], "")
