"""What was published of a registered trial: shown beside its forecast, and compared where it can be."""

from __future__ import annotations

from stroma.calibration.prediction import PublishedResult
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease
from stroma.evidence.records import Evidence, Outcome

_SHOWN = frozenset({"count", "proportion", "mean_change", "median_change", "mean", "median", "direction"})
_ROUNDED = 0.6
"""A printed percentage this near to a whole number of patients is that number."""


def own_studies(evidence: Evidence, nct_id: str) -> frozenset[str]:
    """Return the studies that report a registration: by their own number, or by the store's table of links."""
    row = evidence.registrations.get(nct_id)
    return frozenset(row.study_ids if row else ()) | _numbered(evidence, nct_id)


def _numbered(evidence: Evidence, nct_id: str) -> frozenset[str]:
    """Return the studies that print the number of a registration."""
    return frozenset(s.study_id for s in evidence.studies.values() if nct_id in s.registry_id.split(";"))


def compared_results(disease: Disease, evidence: Evidence, nct_id: str) -> tuple[Target, ...]:
    """Return the published numbers that a forecast is compared with: never fitted, of a whole arm, not doubtful."""
    studies = _numbered(evidence, nct_id)
    targets = [t for t in load_targets(disease).of("validate_msc", "validate_background") if t.study_id in studies]
    part = {_identity(o.study.study_id, o.arm.label, o.subgroup, o.outcome_id, o.time_day)
            for s in studies for o in evidence.outcomes_of(s) if not o.usable or o.n is None}
    return tuple(t for t in targets if _identity(*t.target_id.split("|")[:3], t.outcome, t.day) not in part)


def _identity(*parts: str | float | None) -> tuple[str, ...]:
    return tuple("" if p is None else p if isinstance(p, str) else f"{p:g}" for p in parts)


def published_results(evidence: Evidence, nct_id: str) -> tuple[PublishedResult, ...]:
    """Return what the store holds of a registration's reports after entry, whole groups only."""
    row = evidence.registrations.get(nct_id)
    link = "" if row is None or row.linkage_confidence == "high" else row.linkage_confidence
    found = [_result(evidence, o, link) for s in sorted(own_studies(evidence, nct_id))
             for o in evidence.outcomes_of(s) if _is_shown(o)]
    return tuple(dict.fromkeys(found))


def _is_shown(row: Outcome) -> bool:
    single = row.n_analysed == 1 and (row.arm.n_arm or 0) > 1
    return row.statistic in _SHOWN and row.time_day != 0 and not single and not row.outcome_id.startswith("n_")


def _result(evidence: Evidence, row: Outcome, link: str) -> PublishedResult:
    name = evidence.vocabulary.outcomes[row.outcome_id].label
    return PublishedResult(row.study.study_id, row.arm.label, row.subgroup, name, row.time_day, _words(row),
                           not row.usable, link)


def _words(row: Outcome) -> str:
    if row.value is None:
        return row.text.replace("_", " ")
    if row.statistic == "count":
        return f"{row.value:g} of {row.n}" if row.n else f"{row.value:g}"
    if row.statistic == "proportion":
        patients = round(row.value * (row.n or 0) / 100)
        whole = row.n and abs(100 * patients / row.n - row.value) < _ROUNDED
        return f"{patients} of {row.n}, {row.value:g} %" if whole else f"{row.value:g} %"
    return f"{row.statistic.replace('_', ' ')} {row.value:g} {row.unit}".replace("-", "−").strip()

