"""The library as it stands: every text loads, every table holds, every link leads somewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy

from stroma.cli.model_check import check_therapies, summarise
from stroma.disease import Disease, known_diseases, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Doses, EnsembleProblem, Tolerance
from stroma.errors import StromaError
from stroma.expression import parse
from stroma.library import library_root
from stroma.model.ode_model import symbol
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import build_subjects
from stroma.therapy import known_therapies, load_therapy
from stroma.trial.rules import known_quantities
from stroma.trial.scales.sledai import item_weights
from stroma.units import load_units

TIGHT = Tolerance(1e-9, 1e-11)
NUMBERS = np.arange(5)


@pytest.fixture(params=known_diseases(), scope="module")
def disease(request: pytest.FixtureRequest) -> Disease:
    return load_disease(request.param)


def random_parameters(disease: Disease) -> np.ndarray:
    covariates = sample_baselines(disease, disease.config["populations"][0], 9, NUMBERS)
    return build_subjects(disease, covariates, {}, 9, NUMBERS, {}).parameters


def test_every_module_is_part_of_a_disease() -> None:
    used = {line.file.name for name in known_diseases() for line in load_disease(name).loaded.text.lines}
    assert {p.name for p in (library_root() / "modules").glob("*.ant")} - used == set()


def test_a_disease_simulates(disease: Disease) -> None:
    table = random_parameters(disease)
    asked = EnsembleProblem(disease.model, table, np.array([0.0, 30.0, disease.config["horizon_day"]]),
                            disease.model.outputs, Doses.none(table.shape[0]))
    solved = backend("reference").solve_ensemble(asked, Tolerance())
    assert not solved.status.any() and np.all(np.isfinite(solved.values))


def test_untreated_relative_states_stay_at_one(disease: Disease) -> None:
    """The baseline is a steady state of every patient, but for nephrons and what `disease.toml` calls irreversible."""
    model, table = disease.model, random_parameters(disease)
    lost = set(disease.config.get("irreversible", ())) | {"kidney_nephrons"} & set(model.states)
    assert lost <= set(model.states)
    relative = tuple(s for s, start in zip(model.states, model.initial, strict=True)
                     if start == sympy.Integer(1) and s not in lost)
    assert len(relative) >= 3
    asked = EnsembleProblem(model, table, np.array([30.0, 365.0]), relative, Doses.none(table.shape[0]))
    found = backend("reference").solve_ensemble(asked, TIGHT).values
    assert np.abs(found - 1).max() < 1e-6


def test_untreated_nephrons_are_lost_at_their_stated_rate() -> None:
    disease = load_disease("sle")
    table = random_parameters(disease)
    asked = EnsembleProblem(disease.model, table, np.array([365.0]), ("kidney_nephrons",), Doses.none(table.shape[0]))
    found = backend("reference").solve_ensemble(asked, TIGHT).values[:, 0, 0]
    rate = table[:, disease.model.parameters.index("kidney_k_nephron")]
    assert np.allclose(found, np.exp(-365.0 * rate), rtol=1e-6)


def test_no_cell_is_lost_from_the_books(disease: Disease) -> None:
    """Viable, settled, apoptotic and engulfed cells add up to those given, at every visit and every dose."""
    table = random_parameters(disease)
    model = replace(disease.model, states=(*disease.model.states, "engulfed"),
                    rhs=(*disease.model.rhs, symbol("uptake")), initial=(*disease.model.initial, sympy.Integer(0)))
    counted = tuple(s for s in model.states
                    if s.removeprefix("joint_") in {"viable", "settled", "apoptotic", "engulfed"})
    viable, apoptotic = (next(i for i, s in enumerate(model.states) if s.removeprefix("joint_") == fate)
                         for fate in ("viable", "apoptotic"))
    doses = Doses.per_subject([[(0.0, viable, 3e7), (0.0, apoptotic, 3e7), (7.0, viable, 1e8 * (i + 1))]
                               for i in range(table.shape[0])])
    asked = EnsembleProblem(model, table, np.array([0.01, 1.0, 6.9, 7.5, 9.0, 60.0]), counted, doses)
    total = backend("reference").solve_ensemble(asked, TIGHT).values.sum(axis=2)
    given = 6e7 + np.where(asked.t_visit[None, :] > 7, 1e8 * (NUMBERS[:, None] + 1), 0.0)
    assert np.allclose(total, given, rtol=1e-6)


def test_every_therapy_fits_a_disease() -> None:
    fits: set[str] = set()
    for disease in map(load_disease, known_diseases()):
        assert check_therapies(disease) > 0
        states = set(disease.model.states)
        fits |= {t for t in known_therapies() if load_therapy(t).states <= states}
    assert set(known_therapies()) - fits == set()


def test_a_regimen_with_a_therapy_that_has_no_state_is_refused() -> None:
    lupus = load_disease("sle")
    with pytest.raises(StromaError) as caught:
        check_therapies(replace(lupus, regimens={"x": {"therapies": ["adalimumab", "placebo"]}}))
    (only,) = caught.value.diagnostics
    assert only.code == "D012" and only.file is not None and only.file.name == "adalimumab.toml"


def test_regimens_name_therapies_that_exist(disease: Disease) -> None:
    for code, entry in disease.regimens.items():
        assert set(entry["therapies"]) <= set(known_therapies()), code


@pytest.mark.parametrize("therapy_id", known_therapies())
def test_a_therapy_says_what_it_is(therapy_id: str) -> None:
    therapy = load_therapy(therapy_id)
    assert therapy.therapy_id == therapy_id and therapy.names and therapy.source
    assert therapy.kind in ("cells", "drug", "placebo")
    if therapy.kind == "cells":
        for key in ("potency", "viability", "loss_fresh", "loss_thawed", "licensing_thawed"):
            assert therapy.product[key]["source"] and 0 < therapy.value(key) <= 1, key
        assert not therapy.doses
    else:
        assert bool(therapy.doses) == (therapy.kind == "drug")


def test_no_two_therapies_answer_to_one_name() -> None:
    names = [name.lower() for t in known_therapies() for name in load_therapy(t).names]
    assert len(names) == len(set(names))


def test_observables_and_items_read_what_exists(disease: Disease) -> None:
    outputs, quantities = set(disease.model.outputs), known_quantities(library_root())
    for row in disease.observables:
        assert row.text("formula") in outputs and row.text("outcome_id") in quantities
    for row in disease.scales:
        assert row.text("outcome_id") in quantities
        assert parse(row.text("formula"), row.file, row.line).names(quantities) <= quantities
    for row in disease.items:
        assert row.text("item") in item_weights()
        if row.text("rule"):
            assert parse(row.text("rule"), row.file, row.line).names(quantities) <= quantities
        else:
            assert row.text("driver") in outputs and 0 < row.known("prevalence") < 1


def test_sledai_has_its_24_items() -> None:
    weights = item_weights()
    assert len(weights) == 24 and sum(weights.values()) == 105


def test_every_unit_of_the_vocabulary_is_antimony() -> None:
    import antimony

    text = "model units()\n" + "\n".join(f"unit {n} = {d};" for n, d in load_units(library_root()).items()) + "\nend\n"
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()


def test_the_summary_counts_what_the_tables_hold(disease: Disease) -> None:
    summary = summarise(disease)
    assert summary["parameters"] + sum(p.scope == "population" for p in disease.parameters.values()) \
        == summary["parameters_and_population"]
    assert 0 < summary["assumed_share"] < 1 and summary["equations_with_units"] >= summary["assignments"]
