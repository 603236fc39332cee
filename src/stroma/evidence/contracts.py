"""The contract of every table of the store: columns, kinds of cells, allowed words."""

from __future__ import annotations

from stroma.evidence.vocabulary import Vocabulary
from stroma.tables import Column

_TEXT, _NAME = Column(), Column(required=True)
_NUMBER, _WHOLE = Column("number"), Column("integer")

OUTCOME_KEY = ("arm_id", "subgroup", "outcome_id", "time_day", "statistic")


def table_columns(words: Vocabulary) -> dict[str, dict[str, Column]]:
    """Return the contract of every table of the store, by file name."""

    def term(kind: str, required: bool = True) -> Column:
        return Column(required=required, allowed=words.allowed(kind))

    outcome = Column(required=True, allowed=frozenset(words.outcomes))
    return {
        "studies.csv": {
            "study_id": _NAME,
            "citation": _NAME,
            "published_year": _WHOLE,
            "doi": _TEXT,
            "pmid": _TEXT,
            "registry_id": _TEXT,
            "same_report_as": _TEXT,
            "cohort_family": _NAME,
            "split": term("split"),
            "evidence_kind": term("evidence_kind"),
            "design": term("design"),
            "blinding": term("blinding"),
            "species": term("species"),
            "disease": _NAME,
            "country": _TEXT,
            "n_total": _WHOLE,
            "follow_up_days": _NUMBER,
            "inclusion_summary": _TEXT,
            "risk_of_bias_notes": _TEXT,
            "conclusion_direction": term("conclusion_direction"),
            "evidence_level": term("evidence_level"),
            "source_url": _TEXT,
            "note": _TEXT,
        },
        "arms.csv": {
            "arm_id": _NAME,
            "study_id": _NAME,
            "arm_label": _NAME,
            "arm_role": term("arm_role"),
            "overlaps": _TEXT,
            "disease": _TEXT,
            "n_arm": _WHOLE,
            "cell_source": _NAME,
            "donor": term("donor", False),
            "route": _TEXT,
            "dose_value": _TEXT,
            "dose_unit": term("dose_unit", False),
            "n_doses": _TEXT,
            "interval_days": _NUMBER,
            "pretreatment": _TEXT,
            "background_therapy": _TEXT,
        },
        "outcomes.csv": {
            "arm_id": _NAME,
            "subgroup": _TEXT,
            "outcome_id": outcome,
            "time_day": _NUMBER,
            "statistic": term("statistic"),
            "value": _NUMBER,
            "text": _TEXT,
            "unit": _TEXT,
            "dispersion_type": term("dispersion_type"),
            "dispersion_lo": _NUMBER,
            "dispersion_hi": _NUMBER,
            "n_analysed": _WHOLE,
            "rule_id": _TEXT,
            "flags": _TEXT,
            "value_as_printed": _NUMBER,
            "lo_as_printed": _NUMBER,
            "hi_as_printed": _NUMBER,
            "unit_as_printed": _TEXT,
            "source_locator": _TEXT,
            "source_url": _TEXT,
            "note": _TEXT,
        },
        "response_rules.csv": {
            "rule_id": _NAME,
            "outcome": _TEXT,
            "disease": _TEXT,
            "definition": _NAME,
            "formula": _TEXT,
            "better": _TEXT,
            "kind": _TEXT,
            "source": _TEXT,
            "certainty": _TEXT,
        },
        "risk_of_bias.csv": {
            "study_id": _NAME,
            "tool": term("rob_tool"),
            "domain": _NAME,
            "judgement": term("judgement"),
            "reason": _NAME,
        },
        "seed_claims.csv": {
            "claim_id": _NAME,
            "seed": term("seed"),
            "topic": term("claim_topic"),
            "claim": _NAME,
            "study_ids": _TEXT,
            "outcome_ids": _TEXT,
            "primary_statement": _TEXT,
            "status": term("claim_status"),
            "reason": _TEXT,
        },
        "registrations.csv": {
            "nct_id": _NAME,
            "title": _NAME,
            "status": _NAME,
            "disease": term("disease"),
            "cell_source": _NAME,
            "donor": term("donor"),
            "route": term("route"),
            "enrolment": _WHOLE,
            "enrolment_type": _TEXT,
            "start_date": _TEXT,
            "completion_date": _TEXT,
            "results_posted": Column(
                required=True, allowed=frozenset({"yes", "no", "submitted", "not_stated"})
            ),
            "in_seed3": Column(required=True, allowed=frozenset({"yes", "no"})),
            "study_ids": _TEXT,
            "linked_publication": _TEXT,
            "linkage_confidence": term("linkage_confidence"),
            "linkage_reason": _NAME,
            "sponsor": _TEXT,
            "country": _TEXT,
            "source_url": _TEXT,
            "note": _TEXT,
        },
        "not_loaded.csv": {
            "study_id": _NAME,
            "arm_id": _NAME,
            "subgroup": _TEXT,
            "outcome_id": outcome,
            "time_day": _NUMBER,
            "statistic": term("statistic"),
            "value": _NUMBER,
            "unit": _TEXT,
            "n_analysed": _WHOLE,
            "source_locator": _TEXT,
            "source_url": _TEXT,
            "note": _TEXT,
            "reason": _NAME,
        },
    }
