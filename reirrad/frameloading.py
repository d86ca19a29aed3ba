"""How the courses of a case are brought into the frame of the reference course: as the case file states, checked against the frames in the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reirrad.autoloading import register_course
from reirrad.casefile import CaseFile
from reirrad.course import Course, ImageStack
from reirrad.dicom.identity import Identity
from reirrad.dicom.spatial import read_transform
from reirrad.errors import CaseFileError, Notice, printable
from reirrad.registration import Transform

__all__ = ["Joined", "join_frames"]


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """How a course comes into the reference frame.

    Parameters
    ----------
    method : str
        same_frame, identity, file, auto, or none: it is not brought there.
    transform : Transform or None
        Points of the reference frame to its own; None where the frames are one, and where it is not brought there.
    detail : str
        For people; may be empty.
    """

    method: str
    transform: Transform | None = None
    detail: str = ""


def join_frames(
    file: CaseFile, courses: list[Course], reference: int, identity: Identity, notices: list[Notice], progress: Callable[[str], None]
) -> list[Joined]:
    """Join every course to the reference.

    Raises
    ------
    ReirradError
        When frames differ and nothing says how they lie to each other, or what says so cannot be used.
    """
    stated = {entry.course: number for number, entry in enumerate(file.registration)}
    joined = []
    for course in courses:
        if course.is_on_paper:
            joined.append(Joined("none"))
            continue
        progress(f"registration of course {printable(course.name)}")
        number = stated.get(course.name)
        found, said = _join(file, number, course, courses[reference], identity)
        joined.append(found)
        notices += [Notice(n.code, n.message, n.course or course.name, n.structure) for n in said]
    return joined


def _join(file: CaseFile, number: int | None, course: Course, reference: Course, identity: Identity) -> tuple[Joined, list[Notice]]:
    same = course.frame_uid == reference.frame_uid
    method = None if number is None else file.registration[number].method
    if method == "none":
        return Joined("none", None, "near-maxima of its own structures are added"), [_not_joined(course)] if course is not reference else []
    if same:
        if method in ("file", "auto"):
            message = f'Course "{printable(course.name)}" is in the reference frame already; the registration is not applied to it.'
            return Joined("same_frame"), [Notice("registration_not_needed", message)]
        if method is None and _other_ct(course.image, reference.image):
            message = (
                f'Course "{printable(course.name)}" shares the frame of reference of the reference course but has a CT series of its own; '
                "coordinates are taken as common. Make sure that the series really were registered to one frame."
            )
            return Joined("same_frame"), [Notice("same_frame_other_ct", message)]
        return Joined("same_frame"), []
    if method == "identity":
        message = (
            f'Course "{printable(course.name)}" has another frame of reference than the reference course; the case file states that they are '
            "identical, and so they are taken. Nothing here checks it."
        )
        return Joined("identity"), [Notice("registration_identity", message)]
    if method == "file" and number is not None:
        entry = file.registration[number]
        places = [("registration", number, "file", k) for k in range(len(entry.file or ()))]
        paths = [file.resolve(*place) for place in places]
        shown = [(path, path.relative_to(file.folder).as_posix()) for path in paths]
        read = read_transform(shown, reference.frame_uid, course.frame_uid, identity=identity)
        return Joined("file", read.transform, read.transform.description), list(read.notices)
    if method == "auto" and number is not None:
        found = register_course(file, number, course, reference)
        return Joined("auto", found.transform, found.transform.description), list(found.warnings)
    raise CaseFileError(
        f'Courses "{printable(course.name)}" and "{printable(reference.name)}" are in different DICOM frames of reference, and the case file '
        "has no registration for them; doses in different frames cannot be summed. Export a Spatial Registration from the planning system and "
        f'name it under registration: in the case file, as {{course: "{printable(course.name)}", method: file, file: reg.dcm}}; or state method: auto '
        "(the CTs are registered here, to be looked at) or method: none (near-maxima of each course on its own structures are added)."
    )


def _not_joined(course: Course) -> Notice:
    message = (
        f'Course "{printable(course.name)}" is not registered: it is read on its own structures, and near-maxima of the sum are upper bounds, wherever the '
        "doses lie. Mean and volume metrics of the sum are not evaluable."
    )
    return Notice("registration_none", message)


def _other_ct(one: ImageStack | None, two: ImageStack | None) -> bool:
    return one is not None and two is not None and one.series_uid != two.series_uid
