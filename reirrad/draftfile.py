"""A proposed case file as text: plain YAML, with everything a person must look at as a comment beside it."""

from __future__ import annotations

import io
import re

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from reirrad.constraints import load_set, set_names
from reirrad.draft import CourseDraft, Draft
from reirrad.errors import printable
from reirrad.organs import match_organ, organ, references
from reirrad.structures import Structure
from reirrad.treatments import Treatment

__all__ = ["checks", "draft_text"]

LISTED = 200
# Texts that need no quotes unless they look like a number, a date or a truth value, which ruamel.yaml knows.
_PLAIN = re.compile(r"[^\W_][\w ()./+-]*")


def draft_text(draft: Draft, *, with_patient_id: bool = True) -> str:
    """Return the case file.

    Parameters
    ----------
    with_patient_id : bool
        False where the text is shown and not stored.
    """
    lines = [
        "# Draft of a case file, made from the DICOM objects in this folder. Nothing here has been checked by a person.",
        "# Lines with CHECK are proposals; lines with <- need something DICOM does not say. Texts after # do not count.",
        f"case: {_scalar(draft.title)}",
        *_patient_id(draft, with_patient_id),
        "courses:",
    ]
    for course in draft.courses:
        lines += _course(course, _why_kind(course, draft))
    lines += ["", f"reference: {_scalar(draft.reference.name)}  # CHECK: its structures are evaluated, in its frame of reference"]
    lines += _registration(draft)
    organs = _organs(draft.structures)
    lines += _structures(draft.structures, organs)
    keys = sorted(set(organs.values()))
    lines += _alpha_beta(keys)
    lines += ["", "# recovery: none  # the default; no dose is forgotten"]
    lines += _constraints(keys)
    lines += _left(draft)
    return "\n".join(lines) + "\n"


def checks(draft: Draft) -> list[str]:
    """What a person must look at, in the order of the file; no patient data."""
    said = list(draft.remarks)
    for course in draft.courses:
        said.append(f"{course.name}: {course.kind} ({_why_kind(course, draft)})")
        if course.days is None:
            said.append(f"{course.name}: {'first' if course.kind == 'proposed' else 'last'} day of treatment is not in DICOM")
        if len(course.treatments) > 1:
            said.append(f"{course.name}: {len(course.treatments)} plans; say how they were given (phases)")
        said += [f"{course.name}: {remark}" for remark in course.remarks]
    said += [f"{link.course}: {'registration ' + link.file if link.file else 'no registration: ' + link.reason}" for link in draft.links]
    said += [f"not used: {r.role} {r.name}: {why}" for r, why in draft.unused if r.role in ("RTDOSE", "RTPLAN")]
    if not draft.structures:
        said.append("the reference course has no structures")
    elif not _organs(draft.structures):
        said.append("no structure of the reference course is matched to an organ by its name")
    return [printable(s, 600) for s in said]


def _scalar(value: str) -> str:
    """One text as YAML that reads back as the same text, on one line."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width, yaml.default_flow_style = 1_000_000, True
    stream = io.StringIO()
    is_plain = _PLAIN.fullmatch(value) and value == printable(value, len(value))
    yaml.dump([value if is_plain else DoubleQuotedScalarString(value)], stream)  # double quotes hold every character, if need be as an escape
    return stream.getvalue().rstrip("\n")[1:-1]


def _note(text: str, indent: str = "", limit: int = 900) -> str:
    """A comment line; whatever the text holds, it stays one."""
    return f"{indent}# {printable(text, limit)}"


def _patient_id(draft: Draft, with_patient_id: bool) -> list[str]:
    if draft.patient_id is None:
        return [_note("patient_id:  <- not every object carries the same plain Patient ID; state it if every one should")]
    if not with_patient_id:
        return [_note("patient_id:  <- left out of what is shown; every object carries the same Patient ID")]
    return [f"patient_id: {_scalar(draft.patient_id)}  # carried by every object"]


def _why_kind(course: CourseDraft, draft: Draft) -> str:
    if len(draft.courses) == 1:
        return "the only course"
    if any(c.date is None for c in draft.courses):
        return "a guess, for not every plan has a date"
    return "the latest plan" if course.kind == "proposed" else "not the latest plan"


def _course(course: CourseDraft, why_kind: str) -> list[str]:
    pad = "    "
    lines = [
        "",
        f"  - name: {_scalar(course.name)}",
        f"{pad}kind: {course.kind}  # CHECK: {why_kind}",
        f"{pad}dicom: {_scalar(course.dicom)}",
    ]
    lines.append(_date(course, pad))
    if course.radiation != "photon":
        lines.append(f"{pad}radiation: {course.radiation}  # from the plan")
    if course.radiation == "proton":
        is_physical = {d.dose_type for t in course.treatments for d in t.doses} == {"PHYSICAL"}
        lines.append(
            _note("rbe: 1.1  <- used, the default for PHYSICAL dose" if is_physical else "rbe:  <- not stated for EFFECTIVE dose, which holds it", pad)
        )
    if len(course.treatments) > 1:
        lines += _phase_choice(course, pad)
    elif course.is_shared and course.phases:
        lines += [
            _note("The folder holds doses of other courses too; the plan says which is meant.", pad),
            f"{pad}phases:",
            f"{pad}  - plan: {_scalar(course.phases[0].plan)}{_title(course.treatments[0], course.phases[0].plan)}",
            _fractions(course.treatments[0], f"{pad}    "),
        ]
    else:
        lines.append(_fractions(course.treatments[0], pad))
    lines += [_note(f"CHECK: {remark}", pad) for remark in course.remarks]
    return lines


def _date(course: CourseDraft, pad: str) -> str:
    key, day = ("starts", "first") if course.kind == "proposed" else ("completed", "last")
    if course.days is not None:
        found = course.days[0 if key == "starts" else 1]
        return _note(f"{key}: {found}  <- used, from treatment records; state another {day} day if records are missing", pad)
    known = "YYYY-MM-DD" if course.date is None else str(course.date)
    what = "the" if course.date is None else "date of the plan; the"
    return _note(f"{key}: {known}  <- {what} {day} day of treatment is not in DICOM, fill in", pad)


def _fractions(treatment: Treatment, pad: str) -> str:
    planned = None if treatment.plan is None else treatment.plan.planned_fractions
    if planned is None:
        return _note("fractions:  <- not in DICOM and needed: the number delivered", pad)
    return _note(f"fractions: {planned}  <- used, as planned; state the number delivered if it differs", pad)


def _title(treatment: Treatment, shown: str) -> str:
    return "" if treatment.title == shown else f"  # {printable(treatment.title)}"


def _phase_choice(course: CourseDraft, pad: str) -> list[str]:
    """Several plans: how they were given changes the biological dose, so a person chooses."""
    lines = [
        _note(f"CHECK: {len(course.treatments)} plans with dose belong together (same frame of reference, near dates). How were they given?", pad),
        _note("Take the # away from the lines of one answer; until then the case is refused. A plan never treated is left out.", pad),
        _note("If they are separate courses, write an entry for each, with its plan under phases.", pad),
    ]
    for k, treatment in enumerate(course.treatments, 1):
        fractions = "unknown" if treatment.plan is None or treatment.plan.planned_fractions is None else treatment.plan.planned_fractions
        dose = "" if treatment.plan is None or treatment.plan.prescription_gy is None else f", {treatment.plan.prescription_gy:g} Gy"
        lines.append(_note(f"plan {k}: {treatment.title}, {fractions} fractions{dose}, dated {treatment.date or 'unknown'}", pad))
    if not course.phases:
        return [*lines, _note("One of the doses refers to no plan: move it into a folder of its own and name the folder.", pad)]
    for answer, concurrent in (("one after the other", False), ("in the same sessions", True)):
        lines += [_note(f"{answer}:", pad), f"{pad}#phases:"]
        for k, phase in enumerate(course.phases):
            lines.append(f"{pad}#  - plan: {_scalar(phase.plan)}")
            lines += [f"{pad}#    concurrent: true"] if concurrent and k else []
    return lines


def _registration(draft: Draft) -> list[str]:
    if not draft.links:
        return (
            [] if len(draft.courses) == 1 else ["", "# All doses are in one frame of reference: no registration is needed. CHECK that it is the same set-up."]
        )
    found = [link for link in draft.links if link.file is not None]
    lines = ["", "registration:" if found else "# registration:"]
    for link in draft.links:
        if link.file is not None:
            entry = f"  - {{course: {_scalar(link.course)}, method: file, file: {_scalar(link.file)}}}"
            lines.append(f"{entry}  # CHECK: joins the two frames of reference; is it approved?")
        else:
            lines += [f"#  - {{course: {_scalar(link.course)}, method: file, file: }}", _note(f"  <- needed: {link.reason}")]
    return lines


def _organs(structures: tuple[Structure, ...]) -> dict[str, str]:
    """Names that stand for one structure and plainly name an organ, with its key."""
    names = [s.name for s in structures]
    found = {s.name: match_organ(s.name) for s in structures if s.kind == "other" and names.count(s.name) == 1}
    return {name: key for name, key in found.items() if key is not None}


def _structures(structures: tuple[Structure, ...], organs: dict[str, str]) -> list[str]:
    if not structures:
        return ["", "# structures:  <- the reference course has no readable structure set; one is needed"]
    lines = ["", "structures:  # CHECK: matched by name" if organs else "# structures:  <- none is matched by name; for example  Rectum_new: rectum"]
    empty = {s.name for s in structures if not s.contours}
    lines += [f"  {_scalar(name)}: {key}{'  # CHECK: has no closed contour' if name in empty else ''}" for name, key in organs.items()]
    rest = [s for s in structures if s.name not in organs]
    for kind, title in (("other", "not matched, not evaluated"), ("target", "targets"), ("external", "body outline")):
        mine = [s.name for s in rest if s.kind == kind]
        lines += [_note(f"{title}:", "  ")] if mine else []
        for name in mine[:LISTED]:
            twice = "  (this name stands for several structures)" if sum(s.name == name for s in structures) > 1 else ""
            lines.append(f"  #   {printable(_scalar(name), 200)}:{twice}")
        lines += [_note(f"  and {len(mine) - LISTED} more", "  ")] if len(mine) > LISTED else []
    return lines


def _alpha_beta(keys: list[str]) -> list[str]:
    if not keys:
        return []
    lines = ["", "# alpha_beta_gy:  <- used, in Gy; state another value to override"]
    for key in keys:
        known = organ(key)
        source = references()[known.source].citation if known.source in references() else known.source
        lines.append(f"#   {key}: {known.alpha_beta_gy:g}  # {printable(source, 160)}")
    return lines


def _constraints(keys: list[str]) -> list[str]:
    sets = {name: sorted({limit.organ for limit in load_set(name)} & set(keys)) for name in set_names()}
    fitting = {name: covered for name, covered in sets.items() if covered}
    uncovered = sorted(set(keys) - {key for covered in fitting.values() for key in covered})
    if not fitting:
        return ["", _note(f"constraints:  <- no set of the library ({', '.join(set_names())}) has limits for these organs: name a limits file")]
    lines = ["", "constraints:"]
    lines += [f"  - {_scalar(name)}  # CHECK: limits for {', '.join(covered)}" for name, covered in fitting.items()]
    return lines + ([_note(f"no limit of the library for {', '.join(uncovered)}", "  ")] if uncovered else [])


def _left(draft: Draft) -> list[str]:
    """Objects that have no part in the case."""
    lines = [_note(remark) for remark in draft.remarks]
    planes = [r for r, _ in draft.unused if r.role == "CT"]
    if planes:
        lines.append(_note(f"not used: {len(planes)} CT plane(s) such as {planes[0].name}: no structure set of a course was drawn on them"))
    lines += [_note(f"not used: {r.role} {r.name}: {why}") for r, why in draft.unused if r.role != "CT"]
    return ["", *lines] if lines else []
