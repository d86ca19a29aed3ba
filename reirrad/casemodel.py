"""What a case file may state: its keys, their types and ranges."""

from __future__ import annotations

import datetime as dt
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, WithJsonSchema

from reirrad.casefolder import resolve_inside
from reirrad.errors import CaseFileError, printable
from reirrad.metrics import parse_metric
from reirrad.organs import organ
from reirrad.yamlfile import Document, Text

__all__ = [
    "EVERY_ORGAN",
    "CaseFile",
    "CourseEntry",
    "DeliveryEntry",
    "ExportEntry",
    "PhaseEntry",
    "Prescription",
    "RecoveryEntry",
    "RegistrationEntry",
    "SensitivityEntry",
    "TumourEntry",
    "UncertaintyEntry",
]

FIRST_YEAR, LAST_YEAR = 1950, 2100
LIMIT_FILE_SUFFIXES: Final = (".yaml", ".yml")
EVERY_ORGAN: Final = "all"  # key of the recovery model of organs that are not named


def _plain_text(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    if text != text.strip() or any(unicodedata.category(c)[0] == "C" for c in text):
        raise ValueError(f'"{printable(text, 40)}" holds control characters or spaces at its ends; needed plain text')
    return text


def _organ_key(key: str) -> str:
    return organ(key).key


def _metric_of_dose(text: str) -> str:
    if parse_metric(text).is_volume:
        raise ValueError(f"{printable(text, 40)} is a volume; needed a dose metric such as D0.1cc or Dmean")
    return text


def _structure_name(name: str) -> str:
    if not name.strip():
        raise ValueError("the name of a structure is empty")
    return name


def _plausible_date(day: dt.date) -> dt.date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"the date {day} is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return day


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_choices(value: object) -> object:
    """Recovery by organ: a bare name is a model, for every organ it covers or for one."""
    if isinstance(value, str):
        return {} if value == "none" else {EVERY_ORGAN: {"model": value}}
    return {k: {"model": v} if isinstance(v, str) else v for k, v in value.items()} if isinstance(value, dict) else value


def _organ_key_or_every(key: str) -> str:
    return key if key == EVERY_ORGAN else organ(key).key


Name = Annotated[Text, AfterValidator(_plain_text), Field(max_length=200)]
PathText = Annotated[str, Field(max_length=1000)]
OrganKey = Annotated[str, AfterValidator(_organ_key)]
DoseMetric = Annotated[str, AfterValidator(_metric_of_dose)]
StructureName = Annotated[str, AfterValidator(_structure_name)]
Day = Annotated[dt.date, AfterValidator(_plausible_date)]
Fractions = Annotated[int, Field(ge=1, le=200)]
AlphaBeta = Annotated[float, Field(ge=0.1, le=50)]
Dose = Annotated[float, Field(ge=0, le=1000)]
PATHS_SCHEMA: Final = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
NamesOrName = Annotated[
    list[Name],
    BeforeValidator(_as_list),
    PATHS_SCHEMA,
]


class _Entry(BaseModel):
    """Part of a case file: no unknown keys, no guessing of types, no change afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Prescription(_Entry):
    """Prescribed dose of a prior course without dose files."""

    dose_gy: float = Field(gt=0, le=200)
    fractions: Fractions


class PhaseEntry(_Entry):
    """One plan of a course: its own folder, or one plan (label or UID) of the course's folder."""

    dicom: PathText | None = None
    plan: Name | None = None
    fractions: Fractions | None = None
    concurrent: bool = False


class DeliveryEntry(_Entry):
    """How a fraction is given when it is not given at once."""

    pattern: Literal["low_dose_rate", "pulsed", "permanent", "slow_fraction"]
    hours: float | None = Field(default=None, gt=0, le=1000)
    pulses: int | None = Field(default=None, ge=1, le=1000)
    period_h: float | None = Field(default=None, gt=0, le=24)
    pulse_h: float | None = Field(default=None, gt=0, le=24)
    half_life_days: float | None = Field(default=None, gt=0, le=1000)
    minutes: float | None = Field(default=None, gt=0, le=600)


class RecoveryEntry(_Entry):
    """Recovery of one organ: a model, or steps of one's own with their source."""

    model: Name | None = None
    rationale: Name | None = None
    steps: list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = Field(default=None, min_length=1)
    source: Name | None = None


class SensitivityEntry(_Entry):
    """A model beside the linear-quadratic one, shown and never held against limits."""

    model: Literal["lq-l", "usc"]
    transition_gy: float | None = Field(default=None, ge=2, le=50)
    alpha_per_gy: float | None = Field(default=None, gt=0, le=5)
    d0_gy: float | None = Field(default=None, gt=0, le=20)
    dq_gy: float | None = Field(default=None, gt=0, le=20)
    organs: list[OrganKey] | None = Field(default=None, min_length=1)


class CourseEntry(_Entry):
    """One course as stated."""

    name: Name
    kind: Literal["prior", "proposed"]
    dicom: PathText | None = None
    completed: Day | None = None
    starts: Day | None = None
    fractions: Fractions | None = None
    phases: list[PhaseEntry] | None = Field(default=None, min_length=1)
    radiation: Literal["photon", "proton", "electron", "brachy"] = "photon"
    rbe: float | None = Field(default=None, ge=1.0, le=2.0)
    per_day: int = Field(default=1, ge=1, le=4)
    interval_h: float | None = Field(default=None, ge=0.5, le=24)
    prescription: Prescription | None = None
    prescription_gy: float | None = Field(default=None, gt=0, le=200)
    organ_doses: dict[OrganKey, dict[DoseMetric, Dose]] | None = Field(default=None, min_length=1)
    dvh: PathText | None = None
    records: Literal["none"] | None = None
    delivery: DeliveryEntry | None = None
    let_kev_um: float | None = Field(default=None, gt=0, le=50)
    let: PathText | None = None

    @property
    def is_on_paper(self) -> bool:
        """Whether the course has no dose files."""
        return self.prescription is not None or self.records is not None


RecoveryKey = Annotated[str, AfterValidator(_organ_key_or_every)]
Recoveries = Annotated[
    dict[RecoveryKey, RecoveryEntry],
    BeforeValidator(_as_choices),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, RecoveryEntry.model_json_schema()]}}]}
    ),
]


class RegistrationEntry(_Entry):
    """How a course comes into the frame of the reference course."""

    course: Name
    method: Literal["identity", "file", "auto", "none"]
    file: Annotated[list[PathText], Field(min_length=1, max_length=10), BeforeValidator(_as_list), PATHS_SCHEMA] | None = None
    structures: list[StructureName] | None = Field(default=None, min_length=1)


class UncertaintyEntry(_Entry):
    """What may be wrong, to be tried on every limit."""

    shift_mm: float | None = Field(default=None, gt=0, le=30)
    rotation_deg: float = Field(default=0, ge=0, le=10)
    alpha_beta: Literal["interval"] | None = None
    recovery: Literal["range"] | None = None
    fractions: int = Field(default=0, ge=0, le=5)


class TumourEntry(_Entry):
    """What is proposed for the tumour: how its effect is counted, and which published evidence stands beside it."""

    alpha_beta_gy: list[AlphaBeta] = Field(default_factory=lambda: [10.0, 3.0], min_length=1, max_length=4)
    repopulation_gy_per_day: float | None = Field(default=None, gt=0, le=3)
    kickoff_day: float | None = Field(default=None, ge=0, le=100)
    evidence: Name | None = None


class ExportEntry(_Entry):
    """Which alpha/beta the voxels of an exported sum have: one, or that of the organ a voxel lies in."""

    alpha_beta_gy: AlphaBeta | None = None
    priority: list[OrganKey] = Field(default_factory=list)
    other_alpha_beta_gy: AlphaBeta = 3.0


class CaseFile(_Entry):
    """A case as stated in its case file.

    ``constraints`` empty means that the file names none; each entry is a library set, or a limits file when it ends
    in ``.yaml`` or ``.yml``.
    """

    case: Annotated[Text, AfterValidator(printable)] | None = None
    patient_id: Name | None = None
    courses: list[CourseEntry] = Field(min_length=1)
    reference: Name | None = None
    registration: list[RegistrationEntry] = Field(default_factory=list)
    structures: dict[StructureName, OrganKey] | None = Field(default=None, min_length=1)
    alpha_beta_gy: dict[OrganKey, AlphaBeta] = Field(default_factory=dict)
    half_time_h: dict[OrganKey, Annotated[float, Field(ge=0.1, le=24)]] = Field(default_factory=dict)
    recovery: Recoveries = Field(default_factory=dict)
    sensitivities: list[SensitivityEntry] = Field(default_factory=list)
    uncertainty: UncertaintyEntry | None = None
    tumour: TumourEntry | None = None
    export: ExportEntry | None = None
    interpolation: Literal["cubic", "linear"] = "cubic"
    constraints: NamesOrName = Field(default_factory=list)

    _folder: Path = PrivateAttr(default=Path())
    _document: Document | None = PrivateAttr(default=None)

    @property
    def folder(self) -> Path:
        """The case folder, absolute and free of links."""
        return self._folder

    @property
    def title(self) -> str:
        """What to call the case: its ``case`` text, else the name of its folder."""
        return self.case or printable(self._folder.name)

    @property
    def reference_course(self) -> str:
        """Name of the course whose frame and structures count: as stated, else the last proposed with DICOM files, else the last with them."""
        with_files = [c for c in self.courses if not c.is_on_paper] or self.courses
        proposed = [c.name for c in with_files if c.kind == "proposed"]
        return self.reference or (proposed or [c.name for c in with_files])[-1]

    @property
    def limit_files(self) -> list[str]:
        """The constraints that are limits files beside the case."""
        return [c for c in self.constraints if c.lower().endswith(LIMIT_FILE_SUFFIXES)]

    def where(self, *place: str | int) -> str:
        """File and line of a key for messages: ``case.yaml:12: courses[1].dicom``."""
        return self._document.where(place) if self._document else ".".join(map(str, place))

    def resolve(self, *place: str | int) -> Path:
        """Return the file or folder that a key names, which exists inside the case folder.

        Parameters
        ----------
        *place : str or int
            ``("courses", 0, "dicom")``, ``("registration", 1, "file")``, ``("constraints",)`` or ``("constraints", 0)``.

        Raises
        ------
        CaseFileError
            When the key names nothing, or something that does not exist inside the case folder.
        """
        value: Any = self
        for part in place:
            value = value[part] if isinstance(part, int) else getattr(value, part)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str):
            raise CaseFileError(f"{self.where(*place)}: no path is given here; needed one inside the case folder.")
        return resolve_inside(self._folder, value, self.where(*place))
