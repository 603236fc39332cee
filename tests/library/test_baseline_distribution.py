"""The untreated disease at its steady state shows the baseline that trials published, as the clinic measures it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import sympy

from stroma.disease import Disease, known_diseases, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Tolerance
from stroma.library import library_root
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import build_subjects
from stroma.tables import Column, Row, read_table
from stroma.trial.observe import observe
from stroma.trial.pool import needed_outputs, solve_pool

TEXT = Column(required=True)
COLUMNS = {"population": TEXT, "quantity": TEXT, "second": Column(),
           "statistic": Column(required=True, allowed=frozenset({"mean", "sd", "r"})),
           "value": Column("number", required=True), "source": TEXT}
SUBJECTS = np.arange(4000)
DAYS = np.array([0.0, 182.0, 364.0])
SEED = 11


def published(disease_id: str) -> list[Row]:
    path = library_root() / "diseases" / disease_id / "published.csv"
    return read_table(path, COLUMNS, "D002", key=("population", "quantity", "second", "statistic")) \
        if path.is_file() else []


def described() -> list[str]:
    return [d for d in known_diseases() if published(d)]


@lru_cache(maxsize=8)
def untreated(disease_id: str, population: str) -> tuple[Disease, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return what is true and what is measured at each visit of untreated patients."""
    disease = load_disease(disease_id)
    weight = disease.config.get("shift_weight", {}).get("refractory", {}).get(population, 0.0)
    people = build_subjects(disease, sample_baselines(disease, population, SEED, SUBJECTS), {}, SEED, SUBJECTS,
                            {"refractory": weight})
    pool = solve_pool(disease, people, [], DAYS, SEED, backend("cpu"), Tolerance(1e-6, 1e-9),
                      (*needed_outputs(disease), *disease.model.states))
    assert pool.solved.all()
    return disease, dict(pool.states), observe(disease, pool, SEED)


@pytest.mark.parametrize(("disease_id", "row"), [
    pytest.param(d, row, id=f"{d}:{row.line}") for d in described() for row in published(d)])
def test_the_measured_baseline_is_the_published_one(disease_id: str, row: Row) -> None:
    """Means within 5 %, standard deviations within 15 %, correlations within 0.15, among those who may enter."""
    disease, _, seen = untreated(disease_id, row.text("population"))
    enters = seen[disease.severity][:, 0] >= disease.config["severity"]["entry"]
    first = seen[row.text("quantity")][enters, 0]
    want, statistic = row.known("value"), row.text("statistic")
    if statistic == "r":
        found = np.corrcoef(first, seen[row.text("second")][enters, 0])[0, 1]
        assert found == pytest.approx(want, abs=0.15)
    elif statistic == "sd":
        assert first.std() == pytest.approx(want, rel=0.15)
    else:
        assert first.mean() == pytest.approx(want, rel=0.05)


@pytest.mark.parametrize("disease_id", described())
def test_untreated_patients_stay_at_their_baseline(disease_id: str) -> None:
    for population in load_disease(disease_id).config["populations"]:
        disease, true, _ = untreated(disease_id, population)
        lasting = [name for name, start in zip(disease.model.states, disease.model.initial, strict=True)
                   if start != sympy.Integer(0) and name not in disease.config["irreversible"]]
        assert len(lasting) >= 3
        for name in lasting:
            moved = np.abs(true[name] / true[name][:, :1] - 1).max()
            assert moved < 1e-4, (population, name)
