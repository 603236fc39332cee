"""Registrations and reports: what was registered, what was reported, and how sure the link is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stroma.errors import Problems, fail, nearest
from stroma.evidence.listing import amount_text
from stroma.evidence.posted_results import PostedResult, posted_results
from stroma.evidence.records import Amount, Evidence, Study
from stroma.registry import RegistryRecord, Unmapped, read_record
from stroma.tables import Column, read_table

NO_REPORT = frozenset({"none", "unverified"})
_KINDS = ("disease", "cell_source", "donor", "route")
_NUMBER = r"(\d+(?:\.\d+)?(?:e\d+)?)"
_DOSE = re.compile(_NUMBER + r"\s*(?:[x×*]\s*10\s*[\^]?\s*(\d+))?\s*(million)?", re.IGNORECASE)
_PER_KG = re.compile(r"\bper kg|/\s*kg|per kilogram", re.IGNORECASE)
SMALLEST_DOSE = 1e4
"""A number below this in the text of an arm is not taken for a number of cells."""


@dataclass(frozen=True)
class Link:
    """A report that may be the report of a registration."""

    study_id: str
    confidence: str
    reason: str


@dataclass(frozen=True)
class MappedRecord:
    """A registration in the words of the store.

    Parameters
    ----------
    record : RegistryRecord
    diseases, cell_source, donor, route : tuple of str
        Terms of the vocabulary; empty where the record does not say.
    dose : Amount or None
        Cells per administration, alternatives where arms differ.
    dose_unit : str
        ``cells`` or ``cells_per_kg``, empty without a dose.
    unmapped : tuple of Unmapped
        What could not be mapped, field by field.
    links : tuple of Link
        Reports in the store, surest first.
    results : tuple of PostedResult
        Numbers of the results section, where the record has one.
    """

    record: RegistryRecord
    diseases: tuple[str, ...]
    cell_source: tuple[str, ...]
    donor: tuple[str, ...]
    route: tuple[str, ...]
    dose: Amount | None
    dose_unit: str
    unmapped: tuple[Unmapped, ...]
    links: tuple[Link, ...]
    results: tuple[PostedResult, ...]


@dataclass(frozen=True)
class Unreported:
    """A registration without a report in the store."""

    nct_id: str
    title: str
    status: str
    diseases: tuple[str, ...]
    enrolment: int | None
    confidence: str
    reason: str


def map_record(path: Path, evidence: Evidence) -> MappedRecord:
    """Read a ClinicalTrials.gov v2 JSON file, say it in the store's words and look for its report.

    Parameters
    ----------
    path : Path
        The downloaded record.
    evidence : Evidence
        Where the report is looked for.

    Raises
    ------
    StromaError
        As :func:`stroma.registry.read_record`; E101 for the word list.
    """
    record = read_record(path)
    words = _word_list(evidence)
    given = [item for item in record.interventions if item.type == "BIOLOGICAL"]
    cells = [text for item in given for text in (item.name, item.description) if text]
    arms = [arm.description for arm in record.arms if {item.name for item in given} & set(arm.interventions)]
    texts = {
        "disease": list(record.conditions),
        "cell_source": [record.title, *cells, *arms],
        "donor": [record.title, *cells, *arms],
        "route": arms or [record.title],
    }
    found = {kind: _terms(texts[kind], [w for w in words if w[1] == kind]) for kind in _KINDS}
    doses = sorted({dose for arm in arms for dose in _doses(arm)})
    dose = Amount("single" if len(doses) == 1 else "alternatives", tuple(doses)) if doses else None
    unit = "" if dose is None else "cells_per_kg" if any(_PER_KG.search(arm) for arm in arms) else "cells"
    unmapped = [
        Unmapped(kind, "; ".join(texts[kind]), f"no known {kind.replace('_', ' ')} in these words")
        for kind in _KINDS
        if not found[kind]
    ]
    if dose is None:
        unmapped.append(Unmapped("dose", "; ".join(arms), "no number of cells in these words"))
    results, untold = posted_results(record, evidence.vocabulary.outcomes)
    return MappedRecord(
        record,
        found["disease"],
        found["cell_source"],
        found["donor"],
        found["route"],
        dose,
        unit,
        record.unmapped + tuple(unmapped) + untold,
        find_links(record, found, evidence),
        results,
    )


def find_links(
    record: RegistryRecord, terms: Mapping[str, tuple[str, ...]], evidence: Evidence
) -> tuple[Link, ...]:
    """Return the studies that may report a registration, surest first.

    ``high``: the study carries the registration number, or ``registrations.csv`` says so. ``probable``,
    looked for only where nothing surer is known: no number, but disease, cell source, route and number of
    patients agree, no country contradicts, and the report is not older than the start. Nothing weaker is
    proposed.
    """
    judged = evidence.registrations.get(record.nct_id)
    links = (
        {}
        if judged is None
        else {
            name: Link(name, judged.linkage_confidence, judged.linkage_reason)
            for name in judged.study_ids
            if name in evidence.studies
        }
    )
    reports = [study for study in evidence.studies.values() if study.evidence_kind != "registry"]
    for study in reports:
        if study.registry_id.upper() == record.nct_id.upper():
            links.setdefault(
                study.study_id, Link(study.study_id, "high", "the report is listed under this number")
            )
    if not links:
        links = {
            study.study_id: Link(
                study.study_id, "probable", "disease, cell source, route and number of patients agree"
            )
            for study in reports
            if not study.registry_id and _agrees(study, record, terms, evidence)
        }
    order = {"high": 0, "probable": 1, "unverified": 2}
    return tuple(sorted(links.values(), key=lambda link: (order.get(link.confidence, 3), link.study_id)))


def unreported(evidence: Evidence) -> tuple[Unreported, ...]:
    """Return the registrations without a report in the store, by number.

    A registration counts as reported when a linked study with results is in the store (by ``as_of`` where
    the store was loaded with one) and the link is at least probable.
    """
    found: dict[str, Unreported] = {}
    for row in evidence.registrations.values():
        reported = any(evidence.outcomes_of(name) for name in row.study_ids)
        later = evidence.as_of is not None and row.start_date > evidence.as_of.isoformat()
        if not reported and not later:
            found[row.nct_id] = Unreported(
                row.nct_id,
                row.title,
                row.status,
                (row.disease,),
                row.enrolment,
                row.linkage_confidence,
                row.linkage_reason,
            )
    for study in evidence.studies.values():
        if (
            study.evidence_kind == "registry"
            and study.registry_id
            and study.registry_id not in evidence.registrations
            and not _has_report(study, evidence)
        ):
            found[study.registry_id] = Unreported(
                study.registry_id,
                study.citation,
                "not_stated",
                study.diseases,
                study.n_total,
                "none",
                "registration only; no report found",
            )
    return tuple(found[name] for name in sorted(found))


def check_registrations(evidence: Evidence, problems: Problems) -> None:
    """Add E125 where the table and a record of ``library/registry`` disagree or a link has no confidence."""
    file = evidence.root / "evidence" / "registrations.csv"
    for row in evidence.registrations.values():
        if row.study_ids and row.linkage_confidence in NO_REPORT:
            problems.add(
                "E125",
                f"{row.nct_id} is linked to {', '.join(row.study_ids)} with confidence "
                f"`{row.linkage_confidence}`",
                file=file,
                line=row.line,
                hint="a link is at least `probable`",
            )
        path = evidence.root / "registry" / f"{row.nct_id}.json"
        if not path.is_file():
            continue
        record = read_record(path)
        if record.enrolment != row.enrolment or record.status != row.status:
            problems.add(
                "E125",
                f"{row.nct_id}: {row.status}, {row.enrolment} patients here; {record.status}, "
                f"{record.enrolment} in registry/{path.name}",
                file=file,
                line=row.line,
            )


def _has_report(study: Study, evidence: Evidence) -> bool:
    return any(
        other.registry_id == study.registry_id
        and other.evidence_kind != "registry"
        and evidence.outcomes_of(other.study_id)
        for other in evidence.studies.values()
    )


def _agrees(
    study: Study, record: RegistryRecord, terms: Mapping[str, tuple[str, ...]], evidence: Evidence
) -> bool:
    if record.enrolment is None or study.n_total != record.enrolment:
        return False
    if not set(study.diseases) & set(terms["disease"]):
        return False
    start = _year(record.start)
    if start is not None and study.published_year is not None and study.published_year < start:
        return False
    if record.countries and study.country not in ("", "multinational", *record.countries):
        return False
    return any(
        arm.role == "msc" and arm.cell_source in terms["cell_source"] and arm.route in terms["route"]
        for arm in evidence.arms_of(study.study_id)
    )


def _word_list(evidence: Evidence) -> list[tuple[str, str, str]]:
    path = evidence.root / "vocabulary" / "registry_words.csv"
    rows = read_table(
        path,
        {
            "words": Column(required=True),
            "kind": Column(required=True, allowed=frozenset(_KINDS)),
            "term": Column(required=True),
        },
        "E101",
        ("words", "kind"),
    )
    problems = Problems()
    for row in rows:
        if row.text("term") not in evidence.vocabulary.allowed(row.text("kind")):
            problems.add(
                "E101", f"`{row.text('term')}` is not a `{row.text('kind')}`", file=path, line=row.line
            )
    problems.raise_if_any()
    return [(row.text("words"), row.text("kind"), row.text("term")) for row in rows]


def _terms(texts: Iterable[str], words: list[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return the terms whose words occur; longer words are taken first and used up."""
    found: list[str] = []
    for text in texts:
        rest = text.lower()
        for phrase, _, term in sorted(words, key=lambda word: -len(word[0])):
            if phrase in rest:
                rest = rest.replace(phrase, " ")
                if term not in found:
                    found.append(term)
    return tuple(found)


def _doses(text: str) -> list[float]:
    found = []
    for mantissa, exponent, million in _DOSE.findall(text):
        value = float(mantissa) * 10 ** int(exponent or 0) * (1e6 if million else 1)
        if value >= SMALLEST_DOSE:
            found.append(value)
    return found


def _year(start: str) -> int | None:
    return int(start[:4]) if re.match(r"\d{4}", start) else None


def show_registration(evidence: Evidence, nct_id: str) -> dict[str, object]:
    """Return what the store holds on a registration, with its record where the library has one.

    Raises
    ------
    StromaError
        E108 for a number the store does not know.
    """
    row = evidence.registrations.get(nct_id)
    if row is None:
        raise fail(
            "E108", f"no registration `{nct_id}` in the store", hint=nearest(nct_id, evidence.registrations)
        )
    path = evidence.root / "registry" / f"{nct_id}.json"
    record = {"record": mapped_as_dict(map_record(path, evidence))} if path.is_file() else {}
    return {"registration": {key: value for key, value in asdict(row).items() if key != "line"}, **record}


def mapped_as_dict(mapped: MappedRecord) -> dict[str, object]:
    """Return a mapped record as plain data: what is known, what could not be mapped, likely reports."""
    record = mapped.record
    return {
        "record": {
            "nct_id": record.nct_id,
            "title": record.title,
            "status": record.status,
            "start": record.start,
            "disease": list(mapped.diseases),
            "cell_source": list(mapped.cell_source),
            "donor": list(mapped.donor),
            "route": list(mapped.route),
            "dose": amount_text(mapped.dose),
            "dose_unit": mapped.dose_unit,
            "phases": list(record.phases),
            "allocation": record.allocation,
            "masking": record.masking,
            "enrolment": record.enrolment,
            "enrolment_type": record.enrolment_type,
            "countries": list(record.countries),
            "results": record.has_results,
            "reconstructed": record.reconstructed,
        },
        "arms": [
            {
                "label": arm.label,
                "type": arm.type,
                "interventions": list(arm.interventions),
                "description": arm.description,
            }
            for arm in record.arms
        ],
        "interventions": [asdict(item) for item in record.interventions],
        "eligibility": record.eligibility,
        "outcomes": [
            {"kind": kind, "measure": item.measure, "days": list(item.days)}
            for kind, items in (("primary", record.primary), ("secondary", record.secondary))
            for item in items
        ],
        "posted_results": [{**asdict(item), "days": list(item.days)} for item in mapped.results],
        "not_mapped": [asdict(item) for item in mapped.unmapped],
        "reports": [asdict(link) for link in mapped.links],
    }
