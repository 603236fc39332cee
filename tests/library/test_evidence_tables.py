"""The shipped tables: complete, and in step with one another."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from stroma.evidence.checks import check_evidence

LIBRARY = Path(__file__).parents[2] / "library"


@pytest.fixture(scope="module")
def evidence():
    return check_evidence(LIBRARY)


def rows_of(name: str) -> list[dict[str, str]]:
    with (LIBRARY / "evidence" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_given_result_is_loaded_or_listed_with_its_reason(evidence) -> None:
    assert len(evidence.studies) == 329 and len(evidence.rules) == 137
    assert len(evidence.outcomes) + len(evidence.not_loaded) == 2344
    assert all(row.reason for row in evidence.not_loaded)


def test_a_percentage_left_out_is_that_of_its_count(evidence) -> None:
    counts = {
        (r.arm.arm_id, r.subgroup, r.outcome_id, r.time_day): r
        for r in evidence.outcomes
        if r.statistic == "count"
    }
    for row in rows_of("not_loaded.csv"):
        count = counts[
            row["arm_id"],
            row["subgroup"],
            row["outcome_id"],
            float(row["time_day"]) if row["time_day"] else None,
        ]
        assert abs(100 * count.value / count.n - float(row["value"])) <= 0.5


def test_splits_and_kinds_as_given(evidence) -> None:
    assert Counter(s.split for s in evidence.studies.values()) == {
        "fit": 137,
        "validation": 174,
        "undated": 18,
    }
    assert Counter(s.evidence_kind for s in evidence.studies.values())["msc_trial"] == 38


def test_every_responder_result_has_a_rule(evidence) -> None:
    ruled = [r for r in evidence.outcomes if r.rule_id]
    assert (
        len(ruled)
        + sum(
            1 for r in rows_of("not_loaded.csv") if r["outcome_id"] in evidence.vocabulary.groups["responder"]
        )
        == 860
    )
    assert sum(r.rule_id == "unknown" for r in ruled) == 51


FITTED = {"sle": {"fit_background", "fit_msc"}, "oa": {"fit_background"}}


@pytest.mark.parametrize("disease", FITTED)
def test_targets_are_results_of_the_store(evidence, disease: str) -> None:
    """A target of a calibration is a row of the store, printed value and all."""
    stored: dict[tuple[str, ...], float] = {}
    for row in evidence.outcomes:
        value = row.printed.value if row.printed else row.value
        day = "" if row.time_day is None else f"{row.time_day:g}"
        stored[row.study.study_id, row.arm.label, row.subgroup, row.outcome_id, day, row.statistic] = value
    targets = rows_of(f"../diseases/{disease}/targets.csv")
    for t in targets:
        key = tuple(
            t[name] for name in ("study_id", "arm_label", "subgroup", "outcome", "time_days", "statistic")
        )
        assert key in stored, key
        assert stored[key] == (float(t["value"]) if t["value"] else None), key
    assert {t["role"] for t in targets} == FITTED[disease] | {"validate_background", "validate_msc"}


@pytest.mark.parametrize("disease", FITTED)
def test_targets_to_fit_come_from_studies_to_fit(evidence, disease: str) -> None:
    for t in rows_of(f"../diseases/{disease}/targets.csv"):
        split = evidence.studies[t["study_id"]].split
        assert t["role"].startswith("fit" if split == "fit" else "validate"), (
            t["study_id"],
            split,
            t["role"],
        )


def test_every_rule_known_to_the_store_is_used_or_standard(evidence) -> None:
    used = {r.rule_id for r in evidence.outcomes}
    assert {"ln_deng_remission", "ln_alms_response", "ra_acr20"} & used
    assert used - {""} <= set(evidence.rules)


def test_every_seed_has_claims_and_every_disagreement_both_statements(evidence) -> None:
    assert {claim.seed for claim in evidence.claims} == {"seed1", "seed2", "seed3"}
    differs = [claim for claim in evidence.claims if claim.status == "differs"]
    assert len(differs) > 10 and all(claim.claim and claim.primary_statement for claim in differs)


def test_the_eight_registrations_of_the_third_seed(evidence) -> None:
    with (LIBRARY / "evidence" / "registrations.csv").open(encoding="utf-8", newline="") as stream:
        seed = {row["nct_id"] for row in csv.DictReader(stream) if row["in_seed3"] == "yes"}
    assert len(seed) == 8
    named = " ".join(claim.claim for claim in evidence.claims if claim.topic == "registry")
    assert all(number in named for number in seed)


def test_randomised_trials_of_cells_have_a_sheet(evidence) -> None:
    sheets = {row.study_id for row in evidence.judgements}
    trials = {
        s.study_id
        for s in evidence.studies.values()
        if s.evidence_kind == "msc_trial" and s.randomised and s.species == "human"
    }
    assert len(trials) > 25 and trials <= sheets


def test_no_two_words_for_one_thing(evidence) -> None:
    labels = Counter(term.label.lower() for term in evidence.vocabulary.outcomes.values())
    assert not [label for label, number in labels.items() if number > 1]


def test_every_outcome_of_the_vocabulary_is_used_or_a_model_quantity(evidence) -> None:
    used = {row.outcome_id for row in evidence.outcomes} | {rule.outcome for rule in evidence.rules.values()}
    with (LIBRARY / "vocabulary" / "quantities.csv").open(encoding="utf-8", newline="") as stream:
        quantities = {row["quantity"] for row in csv.DictReader(stream)}
    spare = set(evidence.vocabulary.outcomes) - used - quantities - {"sledai_2k"}
    assert not {name for name in spare if not any(name in rule.outcome for rule in evidence.rules.values())}
