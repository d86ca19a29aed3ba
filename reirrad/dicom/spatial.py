"""Registration objects: the way from one frame of reference to another, over as many objects as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reirrad.deformation import Deformable
from reirrad.dicom.deformable import deformable_links
from reirrad.dicom.files import Record, read_record
from reirrad.dicom.framelink import FrameLink, matrix_links
from reirrad.dicom.identity import Identity
from reirrad.errors import DicomError, Notice
from reirrad.grid import Float64
from reirrad.registration import Rigid, Transform, composed

__all__ = ["Found", "read_rigid", "read_transform"]

SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
DEFORMABLE = "1.2.840.10008.5.1.4.1.1.66.3"
# Two ways between the same frames must lead to the same places.
AGREEMENT_MM = 0.1
# Where matrices are compared: this far from the origin along each axis.
REACH_MM = 500.0
# A way back that ends farther from where it came from is another branch of a folded field.
BRANCH_MM = 1.0
MAX_WAYS = 50
MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The way between two frames of reference.

    Parameters
    ----------
    transform : Transform
        Points of the source frame to the target frame.
    notices : tuple of Notice
        What to say of the objects; without a course.
    records : tuple of Record
        The objects used, in the order of the way.
    """

    transform: Transform
    notices: tuple[Notice, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One link, along or against its direction."""

    link: FrameLink
    inverted: bool

    @property
    def end(self) -> str:
        return self.link.start if self.inverted else self.link.end

    @property
    def transform(self) -> Transform:
        return self.link.transform.inverse() if self.inverted else self.link.transform

    @property
    def is_iterated(self) -> bool:
        return self.inverted and isinstance(self.link.transform, Deformable)


_Way = tuple[_Step, ...]


def read_transform(files: Sequence[tuple[Path, str]], source_frame_uid: str, target_frame_uid: str, *, identity: Identity | None = None) -> Found:
    """Find how points of one frame of reference come to another.

    Parameters
    ----------
    files : sequence of (Path, str)
        Spatial and Deformable Spatial Registration objects, in any order, and their names for messages; resolved and inside the case folder.
    source_frame_uid, target_frame_uid : str
        Frame of Reference UIDs. Objects may point in either direction, and through other frames.
    identity : Identity, optional
        The patient of the courses.

    Returns
    -------
    Found
        The way with fewest steps; of these, with fewest inverted deformations.

    Raises
    ------
    DicomError
        When a file is no registration, is damaged or of another patient; when no way leads from frame to frame, or two that differ by more than 0.1 mm.
    """
    records, notices = [], []
    for path, shown in files:
        record, said = _record(path, shown, identity)
        records.append(record)
        notices += said
    links = [link for r in records for link in (matrix_links(r) if r.sop_class_uid == SPATIAL_REGISTRATION else deformable_links(r))]
    ways = sorted(_ways(links, source_frame_uid, target_frame_uid), key=lambda way: (len(way), sum(step.is_iterated for step in way)))
    if not ways:
        raise DicomError(_unlinked(links, [r.name for r in records], source_frame_uid, target_frame_uid))
    best = ways[0]
    transform = composed([step.transform for step in best])
    _check_agreement(ways)
    used = list(dict.fromkeys(step.link.record for step in best))
    notices += [notice for step in best for notice in step.link.notices]
    notices += [_inverted(step.link.transform, step.link.record.name) for step in best if step.inverted and isinstance(step.link.transform, Deformable)]
    notices += [
        Notice("registration_unused", f"The registration {r.name} is not on the shortest way between the frames of reference; it was not applied.")
        for r in records
        if r not in used
    ]
    return Found(transform, tuple(notices), tuple(used))


def read_rigid(path: Path, file: str, source_frame_uid: str, target_frame_uid: str, *, identity: Identity | None = None) -> Float64:
    """Read one object that must be rigid, exactly.

    Parameters
    ----------
    path : Path
        The registration object; resolved and inside the case folder.
    file : str
        Its name for messages.
    source_frame_uid, target_frame_uid : str
        Frame of Reference UIDs of the wanted direction; the object may hold either.
    identity : Identity, optional
        The patient of the courses.

    Returns
    -------
    (4, 4) float64
        Homogeneous matrix, in mm: a point of the source frame times it is the same point of the patient in the target frame.

    Raises
    ------
    DicomError
        When the object is no rigid registration of these two frames and this patient.
    """
    record = _record(path, file, identity)[0]
    if record.sop_class_uid == DEFORMABLE:
        raise DicomError(f"{file} is a deformable registration, which is not yet applied. Give a rigid Spatial Registration object for these courses.")
    found = read_transform([(path, file)], source_frame_uid, target_frame_uid, identity=identity)
    if not isinstance(found.transform, Rigid) or any(n.code == "registration_rounded" for n in found.notices):
        raise DicomError(f"The matrix of the registration {file} is not rigid: it holds a scale or shear. Give a rigid registration.")
    return found.transform.matrix


def _record(path: Path, shown: str, identity: Identity | None) -> tuple[Record, list[Notice]]:
    """Header of one registration of this patient."""
    record = read_record(path, shown)
    if record is None or record.sop_class_uid not in (SPATIAL_REGISTRATION, DEFORMABLE):
        raise DicomError(f"{shown} is not a DICOM registration (Spatial Registration object). Give the object that registers the two courses.")
    if identity is None:
        return record, []
    if None not in (identity.patient_id, record.identity.patient_id) and identity.patient_id != record.identity.patient_id:
        raise DicomError(f"The registration {shown} carries another Patient ID than the courses. Give the registration of this patient.")
    if identity.is_somebody_else(record.identity):
        raise DicomError(f"The registration {shown} is of another patient than the courses, whatever its Patient ID says. Give that of this patient.")
    if identity.differences(record.identity):
        message = f"The patient's name, date of birth or sex in {shown} differs from that of the courses. Check that it is of the same patient."
        return record, [Notice("patient_identity_differs", message)]
    if record.identity.patient_id is None:
        return record, [Notice("patient_id_missing", f"{shown} has no Patient ID, so it cannot be checked to be of this patient.")]
    return record, []


def _ways(links: Sequence[FrameLink], source: str, target: str) -> list[_Way]:
    """All ways from frame to frame that pass no frame twice."""
    found: list[_Way] = []
    waiting: list[tuple[str, _Way]] = [(source, ())] if source and target else []
    n_steps = 0
    while waiting:
        frame, way = waiting.pop()
        n_steps += 1
        if n_steps > MAX_STEPS or len(found) > MAX_WAYS:
            raise DicomError("The registrations given link their frames of reference in too many ways to compare. Name only those that join the two courses.")
        if frame == target:
            found.append(way)
            continue
        passed = {source, *(step.end for step in way)}
        steps = [_Step(link, link.end == frame) for link in links if frame in (link.start, link.end)]
        waiting += [(step.end, (*way, step)) for step in reversed(steps) if step.end not in passed]
    return found


def _unlinked(links: Sequence[FrameLink], names: Sequence[str], source: str, target: str) -> str:
    if not names:
        return "No registration was given for two courses in different frames of reference. Give the registration of their planning images."
    listed = f"The registration {names[0]} does" if len(names) == 1 else f"The registrations {', '.join(names)} do"
    pairs = list(dict.fromkeys(f"{_tail(link.start)} with {_tail(link.end)}" for link in links))
    linked = f"they link {', '.join(pairs[:10])}" if pairs else "they link none"
    return (
        f"{listed} not link the frames of reference of the two courses, {_tail(source)} and {_tail(target)} (ends of their UIDs); {linked}. "
        "Give the registration of their planning images."
    )


def _tail(uid: str) -> str:
    return f"…{uid[-6:]}" if uid else "(none)"


def _check_agreement(ways: Sequence[_Way]) -> None:
    """Refuse ways that lead to different places, or that no point can tell apart."""
    best, *others = ways
    if not others:
        return
    points = np.concatenate([_cube(), *(_points_of(way) for way in ways)])
    reached = composed([step.transform for step in best])(points)
    for way in others:
        apart = np.linalg.norm(composed([step.transform for step in way])(points) - reached, axis=-1)
        known = apart[np.isfinite(apart)]
        if known.size and known.max() <= AGREEMENT_MM:
            continue
        state = f"to places up to {known.max():.1f} mm apart" if known.size else "and have no point in common where both could be compared"
        raise DicomError(
            f"Two ways of registration lead between the frames of the courses, {state}: {_named(best)}, and {_named(way)}. Name only the one that was approved."
        )


def _named(way: _Way) -> str:
    return " then ".join(step.link.record.name for step in way) or "none"


def _cube() -> Float64:
    """Points (27, 3) on and in a cube around the origin."""
    line = (-REACH_MM, 0.0, REACH_MM)
    return np.array([(x, y, z) for x in line for y in line for z in line])


def _points_of(way: _Way) -> Float64:
    """Points (P, 3) of the source frame that the deformations of a way move."""
    found = [np.empty((0, 3))]
    for n, step in enumerate(way):
        if isinstance(step.link.transform, Deformable):
            points = step.link.transform.sample_points_mm()
            if step.inverted:
                points = step.link.transform(points)
            points = composed([s.transform for s in way[:n]]).inverse()(points)
            found.append(points[np.isfinite(points).all(axis=-1)])
    return np.concatenate(found)


def _inverted(deformation: Deformable, file: str) -> Notice:
    """How well the inversion of a deformation does at its own grid points."""
    points = deformation.sample_points_mm()
    there = deformation(points)
    back, residual = deformation.inverse().solve(there)
    good = np.isfinite(residual) & (np.linalg.norm(back - points, axis=-1) <= BRANCH_MM)
    if not good.any():
        raise DicomError(f"The deformable registration {file} points the other way and cannot be inverted. Export it in the direction of the reference course.")
    lost = "" if good.all() else f"; {100 * (1 - good.mean()):.1f} % of them have no answer or several, so the field is folded or ends there"
    return Notice(
        "registration_inverted",
        f"The deformable registration {file} points the other way than needed; it was inverted by iteration. "
        f"At {good.size} of its grid points the result is exact to {max(residual[good].max(), 0.001):.3f} mm{lost}.",
    )
