"""List studies and show one of them, as plain data ready for a table or for JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from stroma.errors import fail, nearest
from stroma.evidence.records import Amount, Arm, Evidence, Judgement, Outcome, Study
from stroma.evidence.risk_of_bias import DOMAINS, OVERALL, risk_of_bias


@dataclass(frozen=True)
class StudyFilter:
    """Which studies to list; empty means any. A disease brings its parts along."""

    disease: str = ""
    evidence_kind: str = ""
    design: str = ""
    split: str = ""
    outcome_id: str = ""


def list_studies(evidence: Evidence, wanted: StudyFilter | None = None) -> list[dict[str, object]]:
    """Return one line a study, by year and id.

    Raises
    ------
    StromaError
        E105 for a word of the filter outside the vocabulary.
    """
    wanted = StudyFilter() if wanted is None else wanted
    for kind in ("disease", "evidence_kind", "design", "split"):
        _known(kind, getattr(wanted, kind), evidence.vocabulary.allowed(kind))
    _known("outcome", wanted.outcome_id, evidence.vocabulary.outcomes)
    studies = [study for study in evidence.studies.values() if _fits(evidence, study, wanted)]
    studies.sort(key=lambda study: (study.published_year or 9999, study.study_id))
    return [
        {
            "study_id": study.study_id,
            "year": study.published_year,
            "disease": ";".join(study.diseases),
            "kind": study.evidence_kind,
            "design": study.design,
            "blinding": study.blinding,
            "n": study.n_total,
            "split": study.split,
            "family": study.cohort_family,
            "results": len(evidence.outcomes_of(study.study_id)),
        }
        for study in studies
    ]


def show_study(evidence: Evidence, study_id: str) -> dict[str, object]:
    """Return everything the store holds on one study.

    Raises
    ------
    StromaError
        E104 for an unknown study.
    """
    study = evidence.study(study_id)
    bias = risk_of_bias(evidence, study_id)
    return {
        "study": _study(study),
        "arms": [_arm(arm) for arm in evidence.arms_of(study_id)],
        "outcomes": [_outcome(row) for row in evidence.outcomes_of(study_id)],
        "risk_of_bias": [
            {"tool": row.tool, "domain": row.domain, "judgement": row.judgement, "reason": row.reason}
            for row in bias
        ],
        "overall_risk_of_bias": next(row.judgement for row in bias if row.domain == OVERALL),
        "seeds": [
            {
                "claim_id": claim.claim_id,
                "seed": claim.seed,
                "the_seed_says": claim.claim,
                "the_source_says": claim.primary_statement,
                "status": claim.status,
            }
            for claim in evidence.claims
            if study_id in claim.study_ids
        ],
        "registrations": [
            {"nct_id": row.nct_id, "confidence": row.linkage_confidence, "reason": row.linkage_reason}
            for row in evidence.registrations.values()
            if study_id in row.study_ids
        ],
        "same_family": [
            other.study_id
            for other in evidence.studies.values()
            if other.cohort_family == study.cohort_family and other is not study
        ],
    }


def list_bias(evidence: Evidence, disease: str = "") -> list[dict[str, object]]:
    """Return the risk of bias of every study with a sheet: one line a study, one column a domain.

    Parameters
    ----------
    evidence : Evidence
    disease : str
        Term of the vocabulary, with its parts; empty for any.

    Returns
    -------
    list of dict
        By year and id. A domain that the study's tool does not have is None; `not_assessed` where the sheet says so.

    Raises
    ------
    StromaError
        E105 for a disease outside the vocabulary.
    """
    sheets: dict[str, list[Judgement]] = defaultdict(list)
    for row in evidence.judgements:
        sheets[row.study_id].append(row)
    lines = []
    for line in list_studies(evidence, StudyFilter(disease=disease)):
        if rows := sheets.get(str(line["study_id"])):
            judged = {row.domain: row.judgement for row in rows}
            head = {name: line[name] for name in ("study_id", "year", "disease", "design")}
            lines.append(head | {"tool": rows[0].tool} | {name: judged.get(name) for name in DOMAINS})
    return lines


def amount_text(amount: Amount | None) -> str:
    """Return an amount as the tables write it."""
    if amount is None:
        return ""
    mark = {"single": "", "range": "-", "alternatives": "|", "successive": "+"}[amount.kind]
    return mark.join(f"{value:g}".replace("e+0", "e").replace("e+", "e") for value in amount.values)


def _known(kind: str, word: str, allowed: Collection[str]) -> None:
    if word and word not in allowed:
        raise fail("E105", f"no {kind} `{word}`", hint=nearest(word, allowed), exit_code=2)


def _fits(evidence: Evidence, study: Study, wanted: StudyFilter) -> bool:
    return (
        (not wanted.disease or not evidence.vocabulary.covered(wanted.disease).isdisjoint(study.diseases))
        and wanted.evidence_kind in ("", study.evidence_kind)
        and wanted.design in ("", study.design)
        and wanted.split in ("", study.split)
        and (
            not wanted.outcome_id
            or any(row.outcome_id == wanted.outcome_id for row in evidence.outcomes_of(study.study_id))
        )
    )


def _study(study: Study) -> dict[str, object]:
    return {
        "study_id": study.study_id,
        "citation": study.citation,
        "year": study.published_year,
        "doi": study.doi,
        "pmid": study.pmid,
        "registry_id": study.registry_id,
        "family": study.cohort_family,
        "split": study.split,
        "kind": study.evidence_kind,
        "design": study.design,
        "blinding": study.blinding,
        "species": study.species,
        "disease": list(study.diseases),
        "country": study.country,
        "n": study.n_total,
        "follow_up_day": study.follow_up_day,
        "inclusion": study.inclusion_summary,
        "bias_notes": study.risk_of_bias_notes,
        "conclusion": study.conclusion_direction,
        "evidence_level": study.evidence_level,
        "source_url": study.source_url,
        "note": study.note,
    }


def _arm(arm: Arm) -> dict[str, object]:
    return {
        "arm_id": arm.arm_id,
        "label": arm.label,
        "role": arm.role,
        "treatment": arm.treatment,
        "overlaps": arm.overlaps,
        "n": arm.n_arm,
        "cell_source": arm.cell_source,
        "donor": arm.donor,
        "route": arm.route,
        "dose": amount_text(arm.dose),
        "dose_unit": arm.dose_unit,
        "n_doses": amount_text(arm.n_doses),
        "interval_day": arm.interval_day,
        "pretreatment": arm.pretreatment,
        "background": arm.background_therapy,
    }


def _outcome(row: Outcome) -> dict[str, object]:
    printed = row.printed
    return {
        "arm_id": row.arm.arm_id,
        "subgroup": row.subgroup,
        "outcome": row.outcome_id,
        "day": row.time_day,
        "statistic": row.statistic,
        "value": row.value,
        "text": row.text,
        "unit": row.unit,
        "dispersion": row.dispersion_type,
        "low": row.low,
        "high": row.high,
        "n": row.n,
        "rule_id": row.rule_id,
        "flags": sorted(row.flags),
        "printed": None
        if printed is None
        else {"value": printed.value, "low": printed.low, "high": printed.high, "unit": printed.unit},
        "source": row.source_locator,
        "source_url": row.source_url,
        "note": row.note,
        "line": row.line,
    }
