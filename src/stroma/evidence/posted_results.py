"""The results section of a registry record, in the words of the store: what was posted, arm by arm.

Posted numbers are shown, never stored by themselves: the reader decides which of them are the study's results.

Source
------
Field names: ClinicalTrials.gov API version 2, `outcomeMeasuresModule` and `adverseEventsModule`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stroma.evidence.vocabulary import OutcomeTerm
from stroma.registry import RegistryRecord, Unmapped, days_of

_SPREADS = {
    "standard deviation": "sd",
    "standard error": "se",
    "95% confidence interval": "ci95",
    "inter-quartile range": "iqr",
    "full range": "range",
}
_EVENTS = (("serious", "serious_adverse_event"), ("deaths", "death"))


@dataclass(frozen=True)
class PostedResult:
    """One posted number.

    Parameters
    ----------
    field : str
        Where it stands in the record.
    measure, arm, category : str
        Titles as posted.
    days : tuple of float
        Of the time frame; empty where it cannot be read.
    outcome_id, statistic : str
        Terms of the vocabulary; empty where the words do not name exactly one.
    value : float
    unit : str
        As posted.
    dispersion_type : str
        ``sd``, ``se``, ``ci95``, ``iqr``, ``range`` or ``none``.
    low, high : float or None
        The spread in ``low``, or both limits.
    n_analysed : int or None
    """

    field: str
    measure: str
    arm: str
    category: str
    days: tuple[float, ...]
    outcome_id: str
    statistic: str
    value: float
    unit: str
    dispersion_type: str
    low: float | None
    high: float | None
    n_analysed: int | None


@dataclass
class _Section:
    outcomes: Mapping[str, OutcomeTerm]
    found: list[PostedResult] = field(default_factory=list)
    unmapped: list[Unmapped] = field(default_factory=list)


def posted_results(
    record: RegistryRecord, outcomes: Mapping[str, OutcomeTerm]
) -> tuple[tuple[PostedResult, ...], tuple[Unmapped, ...]]:
    """Return the posted numbers of a record, and what of its results section has no word in the store.

    Parameters
    ----------
    record : RegistryRecord
    outcomes : mapping of str to OutcomeTerm
        Of the vocabulary.
    """
    section = _Section(outcomes)
    if record.results is None:
        if record.has_results:
            section.unmapped.append(Unmapped("hasResults", "true", "results are posted but not in this file"))
        return (), tuple(section.unmapped)
    module = _part(record.results, "outcomeMeasuresModule")
    for i, measure in enumerate(_parts(module, "outcomeMeasures")):
        _read_measure(section, f"outcomeMeasures[{i}]", measure)
    events = _part(record.results, "adverseEventsModule")
    days = days_of(_text(events, "timeFrame"))
    for i, group in enumerate(_parts(events, "eventGroups")):
        for prefix, outcome_id in _EVENTS:
            count, n = _number(group.get(f"{prefix}NumAffected")), _number(group.get(f"{prefix}NumAtRisk"))
            if count is not None:
                place, title = f"adverseEventsModule.eventGroups[{i}]", f"{prefix} (adverse events table)"
                section.found.append(PostedResult(
                    place, title, _text(group, "title"), "", days, outcome_id, "count", count, "patients", "none",
                    None, None, None if n is None else int(n)))
    for name in ("seriousEvents", "otherEvents"):
        terms = _parts(events, name)
        if terms:
            words = "; ".join(_text(term, "term") for term in terms)
            section.unmapped.append(Unmapped(f"adverseEventsModule.{name}", words, "not read term by term"))
    for name in record.results:
        if name not in ("outcomeMeasuresModule", "adverseEventsModule"):
            section.unmapped.append(Unmapped(f"resultsSection.{name}", "", "not read"))
    return tuple(section.found), tuple(section.unmapped)


def _read_measure(section: _Section, place: str, measure: Mapping[str, Any]) -> None:
    title, unit = _text(measure, "title"), _text(measure, "unitOfMeasure")
    days = days_of(_text(measure, "timeFrame"))
    names = _terms(title, section.outcomes)
    outcome_id = names[0] if len(names) == 1 else ""
    statistic = _statistic(_text(measure, "paramType"), title, unit)
    if statistic.endswith("change") and len(days) > 1:
        days = tuple(day for day in days if day != 0)
    if not outcome_id:
        reason = f"the title names several outcomes: {', '.join(names)}" if names else "no outcome of the vocabulary"
        section.unmapped.append(Unmapped(f"{place}.title", title, reason))
    if not statistic:
        words = f"{_text(measure, 'paramType')}, {unit}"
        section.unmapped.append(Unmapped(f"{place}.paramType", words, "no statistic of the vocabulary"))
    if len(days) != 1:
        section.unmapped.append(Unmapped(f"{place}.timeFrame", _text(measure, "timeFrame"), "not one visit"))
    spread_words = _text(measure, "dispersionType")
    spread = _SPREADS.get(spread_words.lower(), "none")
    if spread == "none" and spread_words:
        section.unmapped.append(Unmapped(f"{place}.dispersionType", spread_words, "no spread of the vocabulary"))
    if _parts(measure, "analyses"):
        words = "; ".join(_text(part, "statisticalMethod") for part in _parts(measure, "analyses"))
        section.unmapped.append(Unmapped(f"{place}.analyses", words, "posted comparisons are not read"))
    arms = {_text(group, "id"): _text(group, "title") for group in _parts(measure, "groups")}
    for row in _parts(measure, "classes"):
        sizes = _sizes(measure) | _sizes(row)
        for category in _parts(row, "categories"):
            label = "; ".join(t for t in (_text(row, "title"), _text(category, "title")) if t)
            for cell in _parts(category, "measurements"):
                group, value = _text(cell, "groupId"), _number(cell.get("value"))
                if value is None:
                    section.unmapped.append(Unmapped(f"{place}.measurements", _text(cell, "value"), "not a number"))
                    continue
                low = cell.get("spread") if spread in ("sd", "se") else cell.get("lowerLimit")
                section.found.append(PostedResult(
                    place, title, arms.get(group, group), label, days, outcome_id, statistic, value, unit, spread,
                    _number(low), _number(cell.get("upperLimit")), sizes.get(group)))


def _terms(title: str, outcomes: Mapping[str, OutcomeTerm]) -> list[str]:
    """Return the outcomes a title names; longer names are taken first and used up."""
    names = {name.replace("_", " "): name for name in outcomes}
    names |= {re.sub(r"\s*\(.*", "", term.label).lower(): name for name, term in outcomes.items()}
    rest, found = title.lower(), []
    for phrase in sorted((phrase for phrase in names if len(phrase) > 2), key=len, reverse=True):
        pattern = rf"\b{re.escape(phrase)}s?\b"
        if re.search(pattern, rest):
            rest = re.sub(pattern, " ", rest)
            if names[phrase] not in found:
                found.append(names[phrase])
    return found


def _statistic(kind: str, title: str, unit: str) -> str:
    change = "change" in title.lower()
    people = re.search(r"participant|patient|subject", unit, re.IGNORECASE) is not None
    if re.search(r"%|percent", unit, re.IGNORECASE) and people:
        return "proportion"
    if kind == "COUNT_OF_PARTICIPANTS" or (kind == "NUMBER" and people):
        return "count"
    if kind == "MEAN":
        return "mean_change" if change else "mean"
    if kind == "LEAST_SQUARES_MEAN" and change:
        return "lsm_change"
    if kind == "MEDIAN":
        return "median_change" if change else "median"
    return ""


def _sizes(place: Mapping[str, Any]) -> dict[str, int]:
    found = {}
    for denom in _parts(place, "denoms"):
        if _text(denom, "units").lower() in ("participants", ""):
            for count in _parts(denom, "counts"):
                n = _number(count.get("value"))
                if n is not None:
                    found[_text(count, "groupId")] = int(n)
    return found


def _part(place: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = place.get(name)
    return value if isinstance(value, dict) else {}


def _parts(place: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = place.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(place: Mapping[str, Any], name: str) -> str:
    value = place.get(name)
    return value.strip() if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(str(value).replace(",", ""))
    except ValueError:
        return None
