"""A posterior that was fitted before its tables changed is told apart from one that belongs to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stroma.calibration.freshness import stale_words
from stroma.calibration.posterior import load_posterior
from stroma.disease import known_diseases, load_disease


@pytest.mark.parametrize("name", known_diseases())
def test_the_shipped_posteriors_belong_to_the_shipped_tables(name: str) -> None:
    disease = load_disease(name)
    assert stale_words(disease, load_posterior(disease)) == ()


def test_a_changed_fixed_parameter_is_noticed() -> None:
    disease = load_disease("sle")
    name = "drug_mycophenolate_ec50"
    assert disease.parameters[name].distribution == "fixed"
    moved = replace(disease.parameters[name], value=2.0 * disease.parameters[name].value)
    changed = replace(disease, parameters={**disease.parameters, name: moved})
    assert "stroma calibrate sle" in stale_words(changed, load_posterior(disease))[0]
