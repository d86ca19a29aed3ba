"""What a case file chooses: limits, recovery models, models to show beside the linear-quadratic one, the tumour, and the alpha/beta of exports."""

from __future__ import annotations

from reirrad.assessment import LimitChoice
from reirrad.band import Uncertainty
from reirrad.casefile import CaseFile
from reirrad.casemodel import EVERY_ORGAN
from reirrad.constraints import load_limits, load_set, set_names
from reirrad.course import RecoveryChoice
from reirrad.displayalphabeta import DisplayAlphaBeta
from reirrad.effect import growth_of
from reirrad.errors import CaseFileError, LimitFileError, Notice, ParameterError, printable
from reirrad.highdose import HighDose
from reirrad.limit import Limit
from reirrad.organs import organ
from reirrad.recovery import custom, recovery_models, refusal
from reirrad.tumour import Tumour
from reirrad.yamlfile import did_you_mean

__all__ = ["display_of", "limits_of", "recovery_of", "sensitivities_of", "tumour_of"]


def limits_of(file: CaseFile) -> tuple[LimitChoice, list[Notice]]:
    """The limits of the library sets and files that the case names; every set when it names none."""
    notices = []
    names = list(file.constraints)
    if not names:
        names = list(set_names())
        notices.append(Notice("constraints_default", f"The case file names no constraints; every library set is used: {', '.join(names)}."))
    limits: dict[str, Limit] = {}
    own: set[str] = set()
    for number, name in enumerate(names):
        if name in file.limit_files:
            place = ("constraints",) if len(names) == 1 else ("constraints", number)
            found = load_limits(file.resolve(*place), printable(name))
            own |= {limit.id for limit in found}
        else:
            found = _set(file, name, ("constraints",) if len(names) == 1 else ("constraints", number))
        for limit in found:
            if limit.id in limits and limits[limit.id] != limit:
                raise CaseFileError(f'{file.where("constraints")}: two different limits have the id "{printable(limit.id)}"; rename one of them.')
            limits[limit.id] = limit
    for limit in limits.values():
        alpha_beta = file.alpha_beta_gy.get(limit.organ, organ(limit.organ).alpha_beta_gy)
        if limit.alpha_beta_gy is not None and abs(limit.alpha_beta_gy - alpha_beta) > 1e-6:
            notices.append(
                Notice(
                    "limit_alpha_beta_differs",
                    f"Limit {printable(limit.id)} is defined at alpha/beta {limit.alpha_beta_gy:g} Gy, the organ {limit.organ} is computed with "
                    f"{alpha_beta:g} Gy here; the limit is evaluated at its own {limit.alpha_beta_gy:g} Gy.",
                )
            )
    return LimitChoice(tuple(limits.values()), frozenset(own), tuple(names), _uncertainty(file)), notices


def _uncertainty(file: CaseFile) -> Uncertainty | None:
    """What may be wrong, as stated."""
    entry = file.uncertainty
    if entry is None:
        return None
    return Uncertainty(entry.shift_mm, entry.rotation_deg, entry.alpha_beta is not None, entry.recovery is not None, entry.fractions)


def _set(file: CaseFile, name: str, place: tuple[str | int, ...]) -> tuple[Limit, ...]:
    try:
        return load_set(name)
    except LimitFileError as error:
        raise LimitFileError(f"{file.where(*place)}: {error}") from None


def recovery_of(file: CaseFile, organs: set[str], notices: list[Notice]) -> dict[str, RecoveryChoice]:
    """Recovery models by organ: those stated for it, else the one stated for every organ."""
    chosen: dict[str, RecoveryChoice] = {}
    for key, entry in file.recovery.items():
        model = custom([(m, p) for m, p in entry.steps], entry.source or "") if entry.steps is not None else recovery_models().get(entry.model or "")
        if model is None:
            known = list(recovery_models())
            place = [] if key == EVERY_ORGAN else [key]
            raise CaseFileError(
                f'{file.where("recovery", *place)}: "{printable(entry.model or "", 40)}" is not a recovery model ({", ".join(known)})'
                f"{did_you_mean(entry.model or '', known).rstrip('?')}; needed one of them, none, or steps of your own with their source."
            )
        rationale = entry.rationale or ""
        if key == EVERY_ORGAN:
            chosen = {o: RecoveryChoice(model, rationale) for o in organs} | chosen
            continue
        if said := refusal(model, key, rationale):
            raise CaseFileError(f"{file.where('recovery', key)}: {said}")
        chosen[key] = RecoveryChoice(model, rationale)
    used = {o: c for o, c in chosen.items() if o in organs and c.model.key != "none"}
    without = sorted(o for o, c in used.items() if refusal(c.model, o, c.rationale))
    if without:
        message = (
            f"The recovery model is not applied to {', '.join(without)}: these organs do not recover from late damage, or its source does not speak of them. "
            "Name the organ under recovery with a rationale to override this."
        )
        notices.append(Notice("recovery_not_applied", message))
    if len(used) > len(without):
        message = (
            "Recovery is assumed: sums are shown without and with it. It is a model, tested in no prospective study; only limits made for sums after recovery "
            "are judged with it."
        )
        notices.append(Notice("recovery_assumed", message))
    return used


def sensitivities_of(file: CaseFile) -> tuple[HighDose, ...]:
    """The models to show beside the linear-quadratic one."""
    out = []
    for number, entry in enumerate(file.sensitivities):
        try:
            out.append(HighDose(entry.model, tuple(entry.organs or ()), entry.transition_gy, entry.alpha_per_gy, entry.d0_gy, entry.dq_gy))
        except ParameterError as error:
            raise CaseFileError(f"{file.where('sensitivities', number)}: {error}") from None
    return tuple(out)


def tumour_of(file: CaseFile) -> Tumour:
    """What is assumed of the tumour."""
    entry = file.tumour
    if entry is None:
        return Tumour()
    grows = entry.repopulation_gy_per_day is not None and entry.kickoff_day is not None
    growth = growth_of(grows, entry.repopulation_gy_per_day, entry.kickoff_day)
    try:
        return Tumour(tuple(entry.alpha_beta_gy), growth, entry.evidence)
    except ParameterError as error:
        raise CaseFileError(f"{file.where('tumour', 'evidence')}: {error}") from None


def display_of(file: CaseFile) -> DisplayAlphaBeta:
    """Alpha/beta of the voxels of an exported sum."""
    entry = file.export
    return DisplayAlphaBeta() if entry is None else DisplayAlphaBeta(entry.alpha_beta_gy, tuple(entry.priority), entry.other_alpha_beta_gy)
