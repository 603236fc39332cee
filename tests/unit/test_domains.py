"""Organ domains: what is new since baseline, and the physician's global assessment, in cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stroma.disease import load_disease
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import build_subjects
from stroma.trial.observe import observe
from stroma.trial.pool import Pool, needed_outputs
from stroma.trial.scales.domains import active_domains, major_organ_active, new_domains


def visits(*present: bool) -> np.ndarray:
    return np.array([present])


def test_a_domain_is_new_where_it_was_silent_at_baseline() -> None:
    items = {"rash": visits(True, True, False), "alopecia": visits(False, True, True),  # skin, active from the start
             "arthritis": visits(False, True, True),  # new from the second visit
             "vasculitis": visits(False, False, True), "fever": visits(False, False, True)}
    grades = {"rash": "B", "alopecia": "", "arthritis": "B", "vasculitis": "A", "fever": ""}
    severe, moderate = new_domains(items, grades)
    assert severe.tolist() == [[0, 0, 1]] and moderate.tolist() == [[0, 1, 1]]


def test_the_gravest_item_counts_a_domain_once() -> None:
    items = {"rash": visits(False, True), "mucosal_ulcers": visits(False, True)}
    assert [x.tolist() for x in new_domains(items, {"rash": "A", "mucosal_ulcers": "B"})] == [[[0, 1]], [[0, 0]]]


def test_major_organs_are_those_that_low_activity_excludes() -> None:
    quiet = {"arthritis": visits(True), "rash": visits(True), "low_complement": visits(True)}
    assert not major_organ_active(quiet).any()
    for item in ("haematuria", "pleurisy", "fever", "vasculitis", "seizure"):
        assert major_organ_active(quiet | {item: visits(True)}).all(), item
    assert set(active_domains(quiet)) == {"musculoskeletal", "skin_and_mucosa", "immunology"}


def test_the_global_assessment_goes_with_the_score() -> None:
    """Within 0 to 3, half way at the stated score, correlated with the SLEDAI as published (0.82)."""
    disease, number, days = load_disease("sle"), np.arange(4000), np.array([0.0, 90.0])
    people = build_subjects(disease, sample_baselines(disease, "new", 3, number), {}, 3, number, {})
    level = np.random.default_rng(1).lognormal(-0.7, 0.9, (number.size, days.size))
    states = dict.fromkeys(needed_outputs(disease), level) | {"egfr": np.full(level.shape, 90.0)}
    seen = observe(disease, Pool(people, days, states, np.zeros(number.size, np.int8), ""), 3)
    pga, score = seen["pga"], seen["sledai_2k"]
    assert pga.min() >= 0 and pga.max() <= 3
    half = np.isclose(score, disease.config["global_assessment"]["half"])
    assert pga[half].mean() == pytest.approx(1.5, abs=0.05)
    assert np.corrcoef(pga.ravel(), score.ravel())[0, 1] == pytest.approx(0.82, abs=0.1)
