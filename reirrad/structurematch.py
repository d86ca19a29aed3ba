"""Does a registration bring an organ onto itself? The contours of two courses, one of them mapped, and how far they agree.

Points and surface of the reference organ are mapped into the frame of the other course (pull); no inverse is needed. Volumes of the mapped organ are
multiplied by the Jacobian determinant. Points of which it is not known where they go count as not shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reirrad.errors import Notice, printable
from reirrad.grid import Float64
from reirrad.organs import match_organ, side
from reirrad.planes import Slabs
from reirrad.points import OrganPoints, organ_points
from reirrad.registration import Rigid, Transform, jacobian_determinant
from reirrad.structures import Structure
from reirrad.surface import Surface, inside, surface_of

__all__ = ["StructureMatch", "jacobian_notices", "match", "overlap_notices", "pairs", "volume_notices"]

LEAST_DICE: Final = 0.8
MOST_DISTANCE_MM: Final = 3.0
JACOBIAN: Final = (0.5, 2.0)
VOLUME_CHANGE: Final = 0.2
UNKNOWN: Final = 0.01
N_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class StructureMatch:
    """How a mapped structure and that of another course agree. None: nothing of the structure could be mapped.

    Parameters
    ----------
    name, other_name : str
        Exactly as in the structure sets.
    dice : float or None
        Twice the shared volume over the sum of both.
    mean_surface_distance_mm, hausdorff95_mm : float or None
        Mean over both surfaces of the distance to the other one; the larger of the 95th percentiles of both ways. By area.
    centre_distance_mm : float or None
        Between the centres of volume.
    volume_reference_cc, volume_other_cc : float
        As contoured, each in its own frame.
    jacobian_min, jacobian_max : float or None
        Determinant at points of the organ; 1 for a rigid transform.
    unknown_fraction : float
        Part of the volume of which it is not known where it goes.
    """

    name: str
    other_name: str
    dice: float | None
    mean_surface_distance_mm: float | None
    hausdorff95_mm: float | None
    centre_distance_mm: float | None
    volume_reference_cc: float
    volume_other_cc: float
    jacobian_min: float | None
    jacobian_max: float | None
    unknown_fraction: float

    @property
    def volume_ratio(self) -> float:
        """Volume of the other structure over that of the reference."""
        return self.volume_other_cc / self.volume_reference_cc


def match(reference: Structure, other: Structure, transform: Transform | None, reference_slabs: Slabs, other_slabs: Slabs) -> StructureMatch:
    """Compare a structure with that of another course.

    Parameters
    ----------
    transform : Transform or None
        Takes points of the reference frame to the frame of the other structure; None when they are one.

    Raises
    ------
    GeometryError
        When the contours of one of them enclose nothing.
    """
    points, there = _points(reference.name, reference_slabs), _points(other.name, other_slabs)
    mapped = points.points_mm if transform is None else transform(points.points_mm)
    known = ~np.isnan(mapped).any(axis=1)
    volume_cc, other_cc = points.volume_cc, there.volume_cc
    unknown_cc = float(points.volumes_cc[~known].sum())
    names = reference.name, other.name
    surface = surface_of(reference_slabs)
    surface = surface if transform is None else surface.moved(transform)
    if not known.any() or not len(surface.centre_mm):
        return StructureMatch(*names, None, None, None, None, volume_cc, other_cc, None, None, unknown_cc / volume_cc)
    mapped, volumes = mapped[known], points.volumes_cc[known]
    jacobian = np.ones(len(mapped)) if transform is None or isinstance(transform, Rigid) else jacobian_determinant(transform, points.points_mm[known])
    volumes = volumes * np.abs(np.where(np.isnan(jacobian), 1.0, jacobian))
    shared_cc = float(volumes[inside(other_slabs, mapped)].sum())
    dice = min(2 * shared_cc / (float(volumes.sum()) + unknown_cc + other_cc), 1.0)
    centre = np.average(mapped, axis=0, weights=volumes) - np.average(there.points_mm, axis=0, weights=there.volumes_cc)
    mean_mm, far_mm = _distances_mm(surface, surface_of(other_slabs))
    low, high = (None, None) if np.isnan(jacobian).all() else (float(np.nanmin(jacobian)), float(np.nanmax(jacobian)))
    return StructureMatch(*names, dice, mean_mm, far_mm, float(np.linalg.norm(centre)), volume_cc, other_cc, low, high, unknown_cc / volume_cc)


def pairs(reference: Sequence[Structure], other: Sequence[Structure], stated: Mapping[str, str] | None = None) -> list[tuple[Structure, Structure]]:
    """Structures of two courses that are the same organ: by exactly the same name, else by the same organ and side.

    Parameters
    ----------
    stated : mapping, optional
        Structure name to organ key, where the user says so.

    Returns
    -------
    list of (reference, other)
        Each structure at most once. Left out: those without contours, targets (of which each course has its own), and those for which several would do.
    """
    keys = stated or {}

    def usable(structures: Sequence[Structure]) -> list[Structure]:
        return [s for s in structures if s.contours and (s.kind == "other" or s.name in keys)]

    def organ_and_side(s: Structure) -> tuple[str, str | None] | None:
        key = keys.get(s.name) or match_organ(s.name)
        return None if key is None else (key, side(s.name))

    here, there = usable(reference), usable(other)
    found: dict[int, Structure] = {}
    for what in (lambda s: s.name, organ_and_side):
        rest = [k for k in range(len(here)) if k not in found]
        taken = {id(s) for s in found.values()}
        free = [s for s in there if id(s) not in taken]
        named, among = [what(here[k]) for k in rest], [what(s) for s in free]
        for k, name in zip(rest, named, strict=True):
            if name is not None and named.count(name) == among.count(name) == 1:
                found[k] = free[among.index(name)]
    return [(here[k], found[k]) for k in sorted(found)]


def overlap_notices(found: StructureMatch, course: str) -> list[Notice]:
    """Say where the mapped structure is not where the course drew it, or where a part of it could not be mapped."""
    out = []
    what = _named(found, course)
    distance = found.mean_surface_distance_mm
    if found.dice is not None and distance is not None and (found.dice < LEAST_DICE or distance > MOST_DISTANCE_MM):
        message = (
            f"{what}: after registration the two contours have a Dice coefficient of {found.dice:.2f}, and their surfaces are {distance:.1f} mm apart on "
            f"average; needed are at least {LEAST_DICE:g} and at most {MOST_DISTANCE_MM:g} mm. Either the registration does not fit this organ, or the "
            "contours differ: look at both on both images. If it does not fit, do not rely on doses summed point by point: register on this organ, or use "
            "method: none."
        )
        out.append(Notice("structure_match_poor", message, course, found.name))
    if found.unknown_fraction > UNKNOWN:
        message = (
            f"{what}: the registration says nothing about {100 * found.unknown_fraction:.2g} % of the structure; that part counts as not overlapping. "
            "Use a registration that reaches over the whole organ."
        )
        out.append(Notice("structure_match_partial", message, course, found.name))
    return out


def jacobian_notices(found: StructureMatch, course: str) -> list[Notice]:
    """Say where a deformation folds tissue, or shrinks or swells it more than tissue does."""
    low, high = found.jacobian_min, found.jacobian_max
    if low is None or high is None:
        return []
    what = f'Structure "{printable(found.name)}", registration of course "{printable(course)}"'
    if low <= 0:
        message = (
            f"{what}: the deformation folds within the structure (Jacobian determinant down to {low:.2f}; needed is above 0): one piece of tissue is in "
            "two places. Doses mapped there mean nothing: correct the registration, or use a rigid one."
        )
        return [Notice("jacobian_folded", message, course, found.name)]
    if low < JACOBIAN[0] or high > JACOBIAN[1]:
        message = (
            f"{what}: the deformation changes volumes within the structure by factors from {low:.2f} to {high:.2f}; usual is {JACOBIAN[0]:g} to "
            f"{JACOBIAN[1]:g}. Check the registration there, unless the organ did change that much (bladder, stomach, a resection)."
        )
        return [Notice("jacobian_large", message, course, found.name)]
    return []


def volume_notices(found: StructureMatch, course: str) -> list[Notice]:
    """Say where the larger of the two volumes is more than a fifth above the smaller one. Needs no registration."""
    small, large = sorted((found.volume_reference_cc, found.volume_other_cc))
    if large <= small * (1 + VOLUME_CHANGE):
        return []
    message = (
        f"{_named(found, course)}: {found.volume_reference_cc:.3g} cc in the reference, {found.volume_other_cc:.3g} cc in that course, more than "
        f"{100 * VOLUME_CHANGE:g} % apart. Check that both are the whole organ, drawn by the same rule; if the organ itself changed, a small volume may be "
        "other tissue now."
    )
    return [Notice("structure_volume_changed", message, course, found.name)]


def _named(found: StructureMatch, course: str) -> str:
    there = "" if found.other_name == found.name else f'"{printable(found.other_name)}" of '
    return f'Structure "{printable(found.name)}" against {there}course "{printable(course)}"'


def _points(name: str, slabs: Slabs) -> OrganPoints:
    """About N_POINTS points."""
    points = organ_points(name, slabs)
    more = points.volumes_cc.size / N_POINTS
    return points if more < 1 else organ_points(name, slabs, points.step_mm * more ** (1 / 3))


def _distances_mm(one: Surface, other: Surface) -> tuple[float, float]:
    """Mean distance of both surfaces to each other, and the larger of both 95th percentiles."""
    there, back = other.distance_mm(one.centre_mm), one.distance_mm(other.centre_mm)
    mean = np.average(np.concatenate([there, back]), weights=np.concatenate([one.area_mm2, other.area_mm2]))
    return float(mean), max(_percentile95(there, one.area_mm2), _percentile95(back, other.area_mm2))


def _percentile95(values: Float64, weights: Float64) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(reached, 0.95 * reached[-1])]])
