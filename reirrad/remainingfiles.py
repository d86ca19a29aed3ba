"""What remains as files for a planning system: for each number of fractions the map as RTDOSE, and its zones as RTSTRUCT."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from reirrad.budget import Budget
from reirrad.dicom.parsing import quiet
from reirrad.dicom.source_study import SourceStudy, plan_of_nobody
from reirrad.dicom.write import encoded
from reirrad.dicom.write_derived import DerivedStructure, derived_dose, derived_structures
from reirrad.dose import DoseGrid
from reirrad.errors import Notice, printable
from reirrad.maplimits import LeftOut, MapOrgan, map_organs
from reirrad.remainingmap import NO_LIMIT_GY, RemainingMap, remaining_map
from reirrad.voxelsum import reference_grid
from reirrad.zones import zone_grid, zones_of

__all__ = ["MapFiles", "map_names", "remaining_files"]

# Zones from the lowest dose on; further ones take the last colour.
COLOURS: Final = ((192, 0, 0), (230, 120, 0), (220, 200, 0), (0, 150, 90), (0, 110, 190))


@dataclass(frozen=True, slots=True, eq=False)
class MapFiles:
    """The map of one number of fractions, and its files.

    Parameters
    ----------
    files : dict
        Name to content.
    left_out : tuple of LeftOut
        Limits that the map does not keep to.
    """

    map: RemainingMap
    files: dict[str, bytes]
    left_out: tuple[LeftOut, ...]
    notices: tuple[Notice, ...]


def map_names(fractions: int) -> tuple[str, str]:
    """Names of the files of a map and of its zones."""
    return f"remaining_{fractions}fx.dcm", f"zones_{fractions}fx.dcm"


def remaining_files(
    found: Budget, folder: Path, zones_gy: Sequence[float], day: dt.date, *, optimal: bool = False, progress: Callable[[str], None] = lambda _: None
) -> list[MapFiles]:
    """Make the files of every number of fractions of a budget, on the dose grid of the reference course.

    Parameters
    ----------
    folder : Path
        Where the files of the courses lie.
    zones_gy : sequence of float
        Doses that zones may receive at most, Gy.
    optimal : bool
        Whether the maps keep to optimal limits too.

    Raises
    ------
    ReirradError
        When there is no grid, or a dose cannot be expressed.
    """
    grid = reference_grid(found.case)
    out = []
    for n in found.fractions:
        progress(f"map of {n} fractions")
        organs, left_out = map_organs(found, n, optimal=optimal)
        one = remaining_map(found.case, organs, grid, n)
        files, told = _files(folder, found, organs, one, zones_gy, day)
        out.append(MapFiles(one, files, left_out, (*one.notices, *told, *_not_in_map(found, left_out))))
    return out


def _not_in_map(found: Budget, left_out: tuple[LeftOut, ...]) -> list[Notice]:
    """Say which mandatory limits the map does not keep to."""
    mandatory = {(r.structure, r.limit.id) for r in found.rows if r.limit.level == "mandatory"}
    missing = [x for x in left_out if (x.structure, x.limit_id) in mandatory]
    if not missing:
        return []
    listed = "; ".join(f"{printable(x.limit_id)} of {printable(x.structure or 'no structure', 40)} ({x.reason})" for x in missing)
    return [Notice("remaining_left_out", f"The map does not keep to these mandatory limits; hold the plan against them with the command check: {listed}.")]


def _files(
    folder: Path, found: Budget, organs: Sequence[MapOrgan], one: RemainingMap, zones_gy: Sequence[float], day: dt.date
) -> tuple[dict[str, bytes], list[Notice]]:
    case, n = found.case, one.fractions
    course = case.courses[case.reference]
    source = SourceStudy.of(folder, course)
    # It is no dose of the proposed plan, and a planning system must not take it for one: it comes from the earlier plans, and is of none.
    earlier = [SourceStudy.of(folder, c).plans for c in case.courses if c.kind == "prior" and not c.is_on_paper]
    plans = (*(plan for those in earlier for plan in those), plan_of_nobody("remaining dose", *source.plans[0]))
    unit = "Gy times RBE" if source.is_effective else "Gy"
    comment = f"Remaining dose in {n} fraction{'s' if n > 1 else ''}, {unit}; {NO_LIMIT_GY:g} = no limit"
    dose = DoseGrid(one.grid, one.dose_gy, course.frame_uid)
    map_name, zones_name = map_names(n)
    with quiet():
        words = f"Remaining dose {n} fx"
        kind: Literal["PHYSICAL", "EFFECTIVE"] = "EFFECTIVE" if source.is_effective else "PHYSICAL"
        written = derived_dose(source, dose, dose_type=kind, summation="MULTI_PLAN", comment=comment, plans=plans, day=day, description=words)
        contents = {map_name: encoded(written)}
    planes = None if course.image is None else zone_grid(one.grid, course.image)
    if planes is None:
        message = "No zones are written: the reference course has no CT, or its planes are not parallel to those of the dose grid. The map holds the same."
        return contents, [Notice("zones_not_written", message, course.name)]
    drawn = zones_of(remaining_map(case, organs, planes, n), zones_gy)
    filled = [DerivedStructure(z.name, z.contours, COLOURS[min(k, len(COLOURS) - 1)]) for k, z in enumerate(drawn) if z.contours]
    if filled:
        with quiet():
            contents[zones_name] = encoded(derived_structures(source, filled, label=f"ReRT zones {n}fx", day=day))
    empty = [z.name for z in drawn if not z.contours]
    message = f"These zones of {n} fraction(s) are empty and not written, for every voxel may receive more: {', '.join(empty)}."
    return contents, [Notice("zones_empty", message, course.name)] if empty else []
