"""Everything of one patient that a calculation needs, fetched whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from reirrad.errors import Notice
from reirrad.pacs.archive import Archive, Entry
from reirrad.pacs.errors import ArchiveError, UnreachableError
from reirrad.pacs.holding import Holding
from reirrad.pacs.listing import TREATMENT, Listing, Series, checked_patient_id, list_objects, list_patient
from reirrad.pacs.profile import Profile
from reirrad.pacs.references import References, references_of
from reirrad.pacs.retry import persistently

__all__ = ["Retrieval", "fetch", "find"]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A complete retrieval.

    Parameters
    ----------
    directory : Path
        Where it lies.
    counts : dict
        Objects by modality.
    n_fetched : int
        Objects that this run transferred; the others were there from an earlier attempt.
    notices : tuple of Notice
        What the archive lacks although its objects refer to it.
    """

    directory: Path
    counts: dict[str, int]
    n_fetched: int
    notices: tuple[Notice, ...]


def find(archive: Archive, patient_id: str, profile: Profile) -> Listing:
    """List what the archive has of a patient.

    Raises
    ------
    ArchiveError
        When it has nothing, or does not answer in full.
    """
    return list_patient(archive, checked_patient_id(patient_id), profile)


def fetch(archive: Archive, patient_id: str, profile: Profile, directory: Path, tell: Callable[[str], None] = lambda _: None) -> Retrieval:
    """Fetch every plan, dose, structure set, registration and treatment record of a patient, and the CTs these refer to.

    Parameters
    ----------
    directory : Path
        New folder. Until all has arrived, objects gather in a folder beside it, from which the next attempt continues.
    tell : callable
        Told what is being done; never anything of the patient.

    Raises
    ------
    ArchiveError
        When anything is missing, or not what was asked for. `directory` does not exist then.
    DicomError
        When an object is damaged.
    """
    patient_id = checked_patient_id(patient_id)
    tell("asking what there is")
    listing = list_patient(archive, patient_id, profile)
    if not any(s.modality == "RTDOSE" for s in listing.treatment):
        raise ArchiveError("The archive has no RTDOSE of this patient, so there is nothing to add up. Was dose exported to this archive?")
    holding = Holding(directory, patient_id)
    treatment, n_other = _listed(archive, listing.treatment, profile)
    n_fetched = _complete(archive, holding, treatment, profile, tell)
    references = references_of(holding.paths(treatment))
    image_series = listing.images(references.drawn_on | references.registered)
    images, n_other_images = _listed(archive, image_series, profile)
    n_fetched += _complete(archive, holding, images, profile, tell)
    notices = _notices(references, treatment, listing, n_other + n_other_images)
    counts: dict[str, int] = {}
    for entry in (*treatment, *images):
        counts[entry.modality] = counts.get(entry.modality, 0) + 1
    holding.finish({"counts": counts, "warnings": [n.code for n in notices]})
    return Retrieval(directory, counts, n_fetched, notices)


def _listed(archive: Archive, series: Sequence[Series], profile: Profile) -> tuple[list[Entry], int]:
    """Objects of several series, and how many no calculation can read."""
    lists = [list_objects(archive, s, profile) for s in series]
    return [entry for entries, _ in lists for entry in entries], sum(n for _, n in lists)


def _complete(archive: Archive, holding: Holding, entries: Sequence[Entry], profile: Profile, tell: Callable[[str], None]) -> int:
    """Fetch what is missing, series by series; how many objects were transferred."""
    holding.expect(entries)
    n_missing = len(holding.missing(entries))

    def ask(series: Sequence[Entry]) -> None:
        missing = holding.missing(series)
        if not missing:
            return
        tell(f"fetching {len(entries) - len(holding.missing(entries)) + 1} of {len(entries)} objects")
        archive.retrieve(missing, holding.keep)
        if holding.refusal is not None:
            raise holding.refusal
        still = holding.missing(series)
        if still:
            raise UnreachableError(f"{len(still)} of {len(missing)} objects asked for did not arrive, although the archive lists them.")

    for _, group in groupby(entries, key=lambda e: (e.study_uid, e.series_uid)):
        series = list(group)
        try:
            persistently(lambda series=series: ask(series), profile.attempts, profile.first_wait_s)  # type: ignore[misc]
        except ArchiveError as error:
            if holding.refusal is not None:
                raise holding.refusal from None
            n_held = len(entries) - len(holding.missing(entries))
            raise ArchiveError(
                f"{error} The retrieval is not complete: {n_held} of {len(entries)} objects are kept in {holding.folder.name!r}, where no command "
                "computes with them. Run the same command again to continue."
            ) from None
    return n_missing


def _notices(references: References, treatment: Sequence[Entry], listing: Listing, n_other: int) -> tuple[Notice, ...]:
    """What objects refer to and the archive does not have."""
    instances = {e.instance_uid for e in treatment}
    series = {s.uid for s in listing.series}
    n_by_what = {
        "plan(s) that doses refer to": len(references.plans - instances),
        "structure set(s) that plans refer to": len(references.structure_sets - instances),
        "image series that structures were drawn on": len(references.drawn_on - series),
        "image series that registrations join": len(references.registered - series),
    }
    lacking = [f"{n} {what}" for what, n in n_by_what.items() if n]
    notices = []
    if lacking:
        message = f"The archive does not have {', '.join(lacking)}. What it has is complete, but a course may lack a part: look for it elsewhere."
        notices.append(Notice("archive_lacks_referenced", message))
    if n_other:
        message = f"{n_other} object(s) in series of {', '.join(TREATMENT)} are of kinds that no calculation here reads and were not fetched."
        notices.append(Notice("archive_object_not_read", message))
    return tuple(notices)
