"""Trial registrations: ClinicalTrials.gov API v2 JSON, read into one frozen record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stroma.errors import Problems, fail, nearest

ALLOCATION = frozenset({"RANDOMIZED", "NON_RANDOMIZED", "NA"})
MASKING = frozenset({"NONE", "SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"})
MASKED = frozenset({"PARTICIPANT", "CARE_PROVIDER", "INVESTIGATOR", "OUTCOMES_ASSESSOR"})
PHASES = frozenset({"NA", "EARLY_PHASE1", "PHASE1", "PHASE2", "PHASE3", "PHASE4"})
ENROLMENT = frozenset({"ACTUAL", "ESTIMATED"})
ARM_TYPES = frozenset({"EXPERIMENTAL", "ACTIVE_COMPARATOR", "PLACEBO_COMPARATOR", "SHAM_COMPARATOR",
                       "NO_INTERVENTION", "OTHER"})
INTERVENTION_TYPES = frozenset({"DRUG", "DEVICE", "BIOLOGICAL", "PROCEDURE", "RADIATION", "BEHAVIORAL",
                                "GENETIC", "DIETARY_SUPPLEMENT", "COMBINATION_PRODUCT", "DIAGNOSTIC_TEST",
                                "OTHER"})
_SHAPE = {str: "text", int: "a whole number", dict: "an object", list: "a list", bool: "true or false"}
_UNITS = {"day": "day", "days": "day", "week": "week", "weeks": "week", "wk": "week", "wks": "week",
          "month": "month", "months": "month", "mo": "month", "year": "year", "years": "year", "yr": "year"}
_WORDS = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
          "eight": 8.0, "nine": 9.0, "ten": 10.0, "twelve": 12.0, "eighteen": 18.0}


@dataclass(frozen=True)
class RegistryIntervention:
    """What is given: the registry's type (``BIOLOGICAL``, ``DRUG``, ...), name and description."""

    type: str
    name: str
    description: str = ""


@dataclass(frozen=True)
class RegistryArm:
    """One arm group; ``interventions`` are names of :class:`RegistryIntervention`."""

    label: str
    type: str
    description: str
    interventions: tuple[str, ...]


@dataclass(frozen=True)
class RegistryOutcome:
    """One registered outcome.

    Parameters
    ----------
    measure, time_frame : str
        As registered.
    days : tuple of float
        The times of ``time_frame`` in days since the first treatment; empty if it could not be read.
    """

    measure: str
    time_frame: str
    days: tuple[float, ...]


@dataclass(frozen=True)
class Unmapped:
    """A field of the record that says something the program could not use, or says nothing."""

    field: str
    value: str
    reason: str


@dataclass(frozen=True)
class RegistryRecord:
    """A registration, as far as the program uses one.

    Parameters
    ----------
    start : str
        ``YYYY-MM`` or ``YYYY-MM-DD``; empty if not given.
    phases, who_masked, conditions, countries : tuple of str
        As registered.
    enrolment : int or None
        Subjects, planned or actual by ``enrolment_type`` (``ESTIMATED`` or ``ACTUAL``).
    results : mapping or None
        The results section as it stands; None if there is none.
    reconstructed : str
        A note if the record was rebuilt from public descriptions; empty for a download.
    unmapped : tuple of Unmapped
        What could not be used, field by field.
    file : Path
        Where the record stands.
    """

    nct_id: str
    title: str
    status: str
    start: str
    conditions: tuple[str, ...]
    phases: tuple[str, ...]
    allocation: str
    masking: str
    who_masked: tuple[str, ...]
    enrolment: int | None
    enrolment_type: str
    arms: tuple[RegistryArm, ...]
    interventions: tuple[RegistryIntervention, ...]
    primary: tuple[RegistryOutcome, ...]
    secondary: tuple[RegistryOutcome, ...]
    eligibility: str
    countries: tuple[str, ...]
    has_results: bool
    results: Mapping[str, Any] | None
    reconstructed: str
    unmapped: tuple[Unmapped, ...]
    file: Path


def find_record(nct_id: str, folder: Path) -> Path:
    """Return the file of a registration; small letters in its id are read as capitals.

    Raises
    ------
    StromaError
        E403 if ``folder`` has no record of this id.
    """
    path = folder / f"{nct_id.strip().upper()}.json"
    if not path.is_file():
        known = [p.stem for p in folder.glob("NCT*.json")]
        hint = nearest(nct_id, known) or "known: " + ", ".join(sorted(known))
        raise fail("E403", f"no registry record `{nct_id}`", file=folder,
                   hint=f"{hint}; or put the record's JSON (ClinicalTrials.gov API v2) there")
    return path


def read_record(path: Path) -> RegistryRecord:
    """Read one registration.

    Parameters
    ----------
    path : Path
        JSON of one study in the shape of the ClinicalTrials.gov API, version 2.

    Raises
    ------
    StromaError
        E401 not JSON, with line and column; E402 a field missing or of the wrong shape, named by its
        path; E404 an arm that names an intervention the record does not have; all at once.
    """
    reader = _Reader(_json(path), "", path, Problems(), [])
    study = reader.child("protocolSection")
    interventions = tuple(
        RegistryIntervention(place.word("type", INTERVENTION_TYPES), place.text("name", required=True),
                             place.text("description"))
        for place in study.items("armsInterventionsModule.interventions", required=True))
    primary = _outcomes(study, "outcomesModule.primaryOutcomes")
    if not primary:
        study.unused(study.field("outcomesModule.primaryOutcomes"), "", "no primary outcome is registered")
    record = RegistryRecord(
        nct_id=_nct_id(study),
        title=study.text("identificationModule.briefTitle", required=True),
        status=study.text("statusModule.overallStatus"),
        start=_start(study),
        conditions=study.texts("conditionsModule.conditions", required=True),
        phases=study.words("designModule.phases", PHASES),
        allocation=study.word("designModule.designInfo.allocation", ALLOCATION),
        masking=study.word("designModule.designInfo.maskingInfo.masking", MASKING),
        who_masked=study.words("designModule.designInfo.maskingInfo.whoMasked", MASKED),
        enrolment=study.integer("designModule.enrollmentInfo.count"),
        enrolment_type=study.word("designModule.enrollmentInfo.type", ENROLMENT),
        arms=_arms(study, interventions),
        interventions=interventions,
        primary=primary,
        secondary=_outcomes(study, "outcomesModule.secondaryOutcomes"),
        eligibility=study.text("eligibilityModule.eligibilityCriteria"),
        countries=tuple(dict.fromkeys(
            place.text("country") for place in study.items("contactsLocationsModule.locations"))),
        has_results=reader.at("hasResults", bool) is True,
        results=reader.at("resultsSection", dict),
        reconstructed=reader.text("_reconstructed"),
        unmapped=(),
        file=path,
    )
    reader.problems.raise_if_any()
    return replace(record, unmapped=tuple(reader.unmapped))


def days_of(time_frame: str) -> tuple[float, ...]:
    """Return the days of a time frame such as ``6 months``, ``Week 24`` or ``0, 3 and 12 months``.

    A month is 30 days below one year and a twelfth of 365 from then on, a year 365 days, as the evidence
    tables count. Anything that is not numbers with units gives an empty tuple.
    """
    tokens = re.findall(r"\d+(?:\.\d+)?|[a-z]+", time_frame.lower())
    read = [("number", float(t)) if t[0].isdigit() else ("number", _WORDS[t]) if t in _WORDS
            else ("unit", _UNITS[t]) for t in tokens if t[0].isdigit() or t in _WORDS or t in _UNITS]
    unit_first = bool(read) and read[0][0] == "unit"
    days: set[float] = {0.0} if "baseline" in tokens else set()
    waiting: list[float] = []
    for kind, value in reversed(read) if unit_first else read:
        if kind == "number":
            waiting.append(float(value))
        elif not waiting:
            return ()
        else:
            days |= {_in_days(number, str(value)) for number in waiting}
            waiting = []
    return () if waiting or not read else tuple(sorted(days))


def _in_days(number: float, unit: str) -> float:
    if unit == "month":
        return number * 30.0 if number < 12 else float(round(number * 365 / 12))
    return number * {"day": 1.0, "week": 7.0, "year": 365.0}[unit]


def _json(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail("E401", f"{path.name} is not UTF-8 text: {error.reason}", file=path) from None
    except OSError as error:
        raise fail("E401", f"cannot read {path.name}: {error.strerror}", file=path) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        shown = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        raise fail("E401", f"{path.name} is not JSON: {error.msg}", file=path, line=error.lineno,
                   column=error.colno, text=shown) from None
    except RecursionError:
        raise fail("E401", f"{path.name} nests too deep to be a registry record", file=path) from None


@dataclass(frozen=True)
class _Reader:
    """A place in the JSON: reads fields by their path and remembers every problem."""

    value: object
    path: str
    file: Path
    problems: Problems
    unmapped: list[Unmapped]

    def field(self, path: str) -> str:
        return f"{self.path}.{path}" if self.path else path

    def at(self, path: str, kind: type, required: bool = False) -> Any:
        """Return the value of a field, or None where it is absent or wrong (then reported)."""
        value, walked = self.value, self.path
        for key in path.split("."):
            if not isinstance(value, dict):
                self.wrong(walked or "the record", "an object", value)
                return None
            walked = f"{walked}.{key}" if walked else key
            value = value.get(key)
            if value is None:
                if required:
                    self.problems.add("E402", f"`{walked}` is missing", file=self.file)
                return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(self.field(path), _SHAPE[kind], value)
            return None
        return value

    def wrong(self, field: str, wanted: str, value: object) -> None:
        message = f"`{field}` should be {wanted}, not {json.dumps(value)[:60]}"
        if all(problem.message != message for problem in self.problems.found):
            self.problems.add("E402", message, file=self.file)

    def unused(self, field: str, value: str, reason: str) -> None:
        self.unmapped.append(Unmapped(field, value, reason))

    def child(self, path: str) -> _Reader:
        found = self.at(path, dict, required=True)
        if found is None:
            self.problems.raise_if_any()
        return _Reader(found, self.field(path), self.file, self.problems, self.unmapped)

    def text(self, path: str, required: bool = False) -> str:
        return (self.at(path, str, required) or "").strip()

    def integer(self, path: str) -> int | None:
        value = self.at(path, int)
        if value is not None and value < 0:
            self.wrong(self.field(path), "zero or more", value)
        return value

    def items(self, path: str, required: bool = False) -> list[_Reader]:
        """Return the objects of a list."""
        found = self.at(path, list, required) or []
        places = [_Reader(value, f"{self.field(path)}[{i}]", self.file, self.problems, self.unmapped)
                  for i, value in enumerate(found)]
        for place in places:
            if not isinstance(place.value, dict):
                self.wrong(place.path, "an object", place.value)
        return [place for place in places if isinstance(place.value, dict)]

    def texts(self, path: str, required: bool = False) -> tuple[str, ...]:
        found = self.at(path, list, required) or []
        for i, value in enumerate(found):
            if not isinstance(value, str):
                self.wrong(f"{self.field(path)}[{i}]", "text", value)
        if required and found == []:
            self.problems.add("E402", f"`{self.field(path)}` is empty", file=self.file)
        return tuple(value.strip() for value in found if isinstance(value, str))

    def word(self, path: str, known: frozenset[str]) -> str:
        """Return a word of a closed list; an unknown or absent one is noted as unmapped."""
        value = self.text(path)
        if value not in known:
            reason = f"not one of {', '.join(sorted(known))}" if value else "not given"
            self.unused(self.field(path), value, reason)
        return value

    def words(self, path: str, known: frozenset[str]) -> tuple[str, ...]:
        values = self.texts(path)
        for value in values:
            if value not in known:
                self.unused(self.field(path), value, f"not one of {', '.join(sorted(known))}")
        return values


def _nct_id(study: _Reader) -> str:
    nct_id = study.text("identificationModule.nctId", required=True)
    if nct_id and not re.fullmatch(r"NCT\d{8}", nct_id):
        study.wrong(study.field("identificationModule.nctId"), "NCT and eight digits", nct_id)
    return nct_id


def _start(study: _Reader) -> str:
    path = "statusModule.startDateStruct.date"
    date = study.text(path)
    if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", date):
        study.unused(study.field(path), date, "not a date" if date else "not given")
        return ""
    return date


def _arms(study: _Reader, interventions: tuple[RegistryIntervention, ...]) -> tuple[RegistryArm, ...]:
    """Read the arm groups; an arm names an intervention as ``Type: name``."""
    known = {intervention.name for intervention in interventions}
    arms = []
    for group in study.items("armsInterventionsModule.armGroups", required=True):
        names = []
        for written in group.texts("interventionNames"):
            name = written.split(": ", 1)[-1].strip()
            names.append(name)
            if name not in known:
                study.problems.add("E404", f"`{group.path}` names an unknown intervention `{written}`",
                                   file=study.file, hint=nearest(name, known))
        arms.append(RegistryArm(group.text("label", required=True), group.word("type", ARM_TYPES),
                                group.text("description"), tuple(names)))
    return tuple(arms)


def _outcomes(study: _Reader, path: str) -> tuple[RegistryOutcome, ...]:
    outcomes = []
    for place in study.items(path):
        time_frame = place.text("timeFrame")
        days = days_of(time_frame)
        if not days:
            place.unused(place.field("timeFrame"), time_frame,
                         "no time in it that can be read" if time_frame else "not given")
        outcomes.append(RegistryOutcome(place.text("measure", required=True), time_frame, days))
    return tuple(outcomes)
