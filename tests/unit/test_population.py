"""Virtual patients: the published marginals, joined as published, each draw by its own name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import spearmanr

from stroma.disease import Disease, load_disease
from stroma.errors import StromaError
from stroma.population.baseline import baseline_rows, copula_root, sample_baselines
from stroma.population.priors import centre, from_scale, limits, log_prior, sample_prior, to_scale
from stroma.population.subjects import build_subjects, effective_size, healthy_egfr

MANY = np.arange(20_000)
POPULATIONS = ("new", "relapsed", "refractory", "cytopenia", "mixed")
# Truncation takes much off the upper end, so mean and SD are not the table's; shares below limits are, further down.
HEAVILY_TRUNCATED = {"egfr", "platelets", "leukocytes", "haemoglobin"}


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


@pytest.fixture(scope="module")
def new(disease: Disease) -> dict[str, np.ndarray]:
    return sample_baselines(disease, "new", 1, MANY)


@pytest.mark.parametrize("population", POPULATIONS)
def test_marginals_are_those_of_the_table(disease: Disease, population: str) -> None:
    drawn = sample_baselines(disease, population, 1, MANY)
    for row in baseline_rows(disease, population):
        values, location = drawn[row.text("covariate")], row.known("location")
        if row.text("distribution") == "bernoulli":
            assert abs(values.mean() - location) < 0.01
        elif row.text("covariate") not in HEAVILY_TRUNCATED:
            log = row.text("distribution") == "lognormal"
            middle = np.median(values) / np.exp(location) if log else values.mean() / location
            spread = np.std(np.log(values) if log else values) / row.known("scale")
            assert abs(middle - 1) < 0.05, row.text("covariate")
            assert abs(spread - 1) < 0.15, row.text("covariate")


@pytest.mark.parametrize(("covariate", "limit", "above", "share"), [
    ("egfr", 60, True, (0.82, 0.82)), ("egfr", 90, True, (0.60, 0.60)),  # BLISS-LN: 10.3389/fimmu.2022.999704
    ("c3", 0.9, False, (0.71, 0.80)), ("c4", 0.1, False, (0.59, 0.72)),  # ALMS, below the lower limit
    ("anti_dsdna", 60, True, (0.67, 0.73))])  # ALMS
def test_published_shares(new: dict, covariate: str, limit: float, above: bool, share: tuple[float, float]) -> None:
    beyond = new[covariate] > limit if above else new[covariate] < limit
    assert share[0] - 0.06 < beyond.mean() < share[1] + 0.06


@pytest.mark.parametrize(("covariate", "limit", "share"), [  # li2013: 20 and 24 of 35
    ("leukocytes", 3.0, 20 / 35), ("platelets", 100.0, 24 / 35)])
def test_refractory_cytopenia_is_as_deep_as_published(disease: Disease, covariate: str, limit: float,
                                                      share: float) -> None:
    low = (sample_baselines(disease, "cytopenia", 1, MANY)[covariate] < limit).mean()
    assert low == pytest.approx(share, abs=0.03)
    assert (sample_baselines(disease, "new", 1, MANY)[covariate] < limit).mean() < share / 3


def test_correlations_are_those_of_the_table(disease: Disease, new: dict) -> None:
    for row in disease.correlations:
        found = spearmanr(new[row.text("first")], new[row.text("second")])[0]
        assert abs(found - row.known("r")) < 0.15, (row.text("first"), row.text("second"))


def test_the_copula_is_a_correlation_matrix(disease: Disease) -> None:
    root = copula_root(disease, [r.text("covariate") for r in baseline_rows(disease, "new")])
    assert np.allclose(np.diag(root @ root.T), 1.0)


@pytest.mark.parametrize("population", POPULATIONS)
def test_nobody_leaves_the_physiological_range(disease: Disease, population: str) -> None:
    drawn = sample_baselines(disease, population, 2, MANY)
    for row in baseline_rows(disease, population):
        values = drawn[row.text("covariate")]
        assert row.known("lower") <= values.min() and values.max() <= row.known("upper"), row.text("covariate")


def test_adding_subjects_moves_no_draw(disease: Disease) -> None:
    few, numbers = sample_baselines(disease, "new", 3, np.array([5, 2])), np.arange(50)
    many = sample_baselines(disease, "new", 3, numbers)
    for name, values in few.items():
        assert np.array_equal(values, many[name][[5, 2]])
    people = build_subjects(disease, many, {}, 3, numbers, {})
    pair = build_subjects(disease, few, {}, 3, np.array([5, 2]), {})
    assert np.array_equal(pair.parameters, people.parameters[[5, 2]])


def test_a_population_that_is_not_there(disease: Disease) -> None:
    with pytest.raises(StromaError) as caught:
        sample_baselines(disease, "newly", 1, MANY[:2])
    assert caught.value.diagnostics[0].code == "P001" and "`new`" in caught.value.diagnostics[0].hint


def test_patients_differ_as_the_table_says(disease: Disease, new: dict) -> None:
    people = build_subjects(disease, new, {}, 1, MANY, {"east_asia": 1.0})
    column = people.parameters[:, disease.model.parameters.index("drug_response")]
    shift, spread = (disease.parameters[n].value for n in ("response_east_asia", "response_spread"))
    assert abs(np.median(np.log(column)) - shift) < 0.03 and abs(np.std(np.log(column)) / spread - 1) < 0.05
    slow = people.parameters[:, disease.model.parameters.index("kidney_slow_fraction")]
    assert abs(np.median(slow) - disease.parameters["kidney_slow_fraction"].value) < 0.02
    assert abs(np.std(logit(slow)) / disease.parameters["slow_fraction_spread"].value - 1) < 0.1


def test_baselines_and_draws_reach_the_model(disease: Disease, new: dict) -> None:
    draws = {"renal_brake_tone": np.linspace(0.1, 2.0, MANY.size)}
    people = build_subjects(disease, new, draws, 1, MANY, {})
    for name, values in (("kidney_upcr_baseline", new["upcr"]), ("renal_brake_tone", draws["renal_brake_tone"])):
        assert np.array_equal(people.parameters[:, disease.model.parameters.index(name)], values)
    assert np.array_equal(people.value(disease, "renal_brake_tone"), draws["renal_brake_tone"])
    assert np.all(people.value(disease, "flare_hazard") == disease.parameters["flare_hazard"].value)


def test_healthy_filtration_is_never_below_the_patients_own() -> None:
    assert healthy_egfr(np.array([20.0, 50.0, 50.0]), np.array([90.0, 80.0, 130.0])).tolist() == [120.0, 104.0, 130.0]


def test_effective_size() -> None:
    assert effective_size(np.ones(8)) == pytest.approx(8)
    assert effective_size(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_size(np.zeros(3)) == 0.0


def test_priors_integrate_to_one_and_keep_their_range(disease: Disease) -> None:
    for name in disease.uncertain:
        if name in disease.switches:
            continue
        p = disease.parameters[name]
        low, high = limits(p)
        low, high = max(low, centre(p) - 40), min(high, centre(p) + 40)  # a logit of 0 or 1 is infinite
        grid = np.linspace(low, high, 200_001)
        density = np.exp(log_prior(disease, [name], grid[:, None]))
        assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3), name
        drawn = from_scale(p, sample_prior(disease, [name], 2000, 1)[:, 0])
        assert p.lower <= drawn.min() and drawn.max() <= p.upper, name


def test_the_scale_of_a_prior_is_undone(disease: Disease) -> None:
    for name in disease.uncertain:
        p = disease.parameters[name]
        assert from_scale(p, to_scale(p, np.array([p.value])))[0] == pytest.approx(p.value)
