"""Evidence simulated from a known effect of the cells is recovered through the fit: none, moderate, large."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from stroma.calibration.cells import fit_cells
from stroma.calibration.likelihood import effect_scale
from stroma.calibration.origin import has_cells
from stroma.calibration.posterior import load_posterior
from stroma.calibration.rounds import Checkpoints, Round, Settings
from stroma.calibration.sampler import fit_emulator
from stroma.calibration.simulate import Draws, simulate_targets
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.cpu import CpuBackend
from stroma.library import library_root
from stroma.population.priors import to_scale
from stroma.streams import generator
from stroma.trial.rules import load_rules
from stroma.validation.outcomes import without_cells

SIZES = Settings(draws=2000, subjects=48, seed=3)
AMPLITUDE = {"none": 0.01, "moderate": 4.0, "large": 18.0}
TRIALS, PATIENTS = 4, 80.0
EFFECTS = 4000


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


def shapes(disease: Disease) -> list[Target]:
    """Return the outcomes that a blinded trial reports of its arm with cells."""
    arms = [t for t in load_targets(disease).targets if t.study_id == "deng2017" and has_cells(disease, t)]
    return [t for t in arms if t.outcome in ("overall_remission", "sledai", "c3")]


def evidence(disease: Disease, truth: np.ndarray) -> list[Target]:
    """Return trials whose arms differ from the truth by study effects and sampling."""
    rng = np.random.default_rng(11)
    out = []
    for trial in range(TRIALS):
        for target, true in zip(shapes(disease), truth, strict=True):
            latent = true + rng.normal() * 0.3 * effect_scale(disease, target.kind, target.quantity)
            error = target.standard_error * np.sqrt(target.n / PATIENTS)
            observed = (rng.binomial(int(PATIENTS), expit(latent)) / PATIENTS if target.kind == "proportion"
                        else latent + rng.normal() * error)
            out.append(replace(target, target_id=f"{trial}|{target.outcome}", trial=f"t{trial}", family=f"f{trial}",
                               n=PATIENTS, observed=float(observed), standard_error=float(error)))
    return out


@pytest.mark.slow
def test_a_known_effect_is_recovered(disease: Disease, tmp_path: Path) -> None:
    rules, engine = load_rules(library_root() / "evidence" / "response_rules.csv"), CpuBackend(None)
    posterior = load_posterior(disease)
    names = disease.fitted_in("background")
    columns = [posterior.names.index(n) for n in names]
    scaled = posterior.scaled[:, columns]
    known = np.full(scaled.shape[0], 1.0 / scaled.shape[0])
    first = Round(Draws(names, scaled), np.zeros((known.size, 0)), np.arange(known.size), known, float(known.size),
                  np.zeros(0))
    bare = without_cells(disease)

    def simulate(of: Disease, draws: Draws, subjects: int) -> np.ndarray:
        return simulate_targets(of, shapes(disease), rules, draws, subjects, SIZES.seed, engine)

    found, true_effect = {}, {}
    for name, amplitude in AMPLITUDE.items():
        row = {n: float(to_scale(p, np.array([p.value]))[0]) for n, p in disease.parameters.items() if p.uncertain}
        row |= dict(zip(names, scaled.mean(axis=0), strict=True))
        row[disease.amplitude] = float(np.log(amplitude))
        truth = Draws(disease.uncertain, np.array([[row[n] for n in disease.uncertain]]))
        with_cells = simulate(disease, truth, 4000)[0]
        true_effect[name] = (with_cells - simulate(bare, truth, 4000)[0])[0]
        second, _ = fit_cells(disease, evidence(disease, with_cells), first, SIZES, engine,
                              Checkpoints(tmp_path, name), None)
        some = generator(SIZES.seed, "draws without cells").choice(second.draws.n, EFFECTS, p=second.weight)
        drawn = Draws(second.draws.names, second.draws.scaled[some])
        smooth = fit_emulator(drawn.scaled, simulate(bare, drawn, SIZES.subjects)).predict(drawn.scaled)
        found[name] = np.quantile(second.predicted[some, 0] - smooth[:, 0], [0.05, 0.5, 0.95])

    print(found, true_effect)
    assert true_effect["none"] == pytest.approx(0, abs=0.1) and true_effect["large"] > true_effect["moderate"] + 0.2
    for name, (low, _, high) in found.items():
        assert low - 0.1 <= true_effect[name] <= high + 0.1, name
    assert found["none"][1] < found["moderate"][1] < found["large"][1]
    assert found["none"][1] < 0.5 * true_effect["large"] < found["large"][1]
