"""The stage of a fit that credits the cells: a large effect is found, noise of the patients decides nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stroma.calibration.cells import DRAWS_A_TERM, fit_cells
from stroma.calibration.origin import has_cells
from stroma.calibration.posterior import load_posterior
from stroma.calibration.rounds import Checkpoints, Round, Settings
from stroma.calibration.sampler import n_terms
from stroma.calibration.simulate import Draws
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.cpu import CpuBackend
from stroma.errors import StromaError

PATIENTS = 16


@pytest.fixture(scope="module")
def knee() -> Disease:
    return load_disease("oa")


@pytest.fixture(scope="module")
def background(knee: Disease) -> Round:
    posterior, names = load_posterior(knee), knee.fitted_in("background")
    scaled = posterior.scaled[:, [posterior.names.index(n) for n in names]]
    even = np.full(scaled.shape[0], 1.0 / scaled.shape[0])
    return Round(Draws(names, scaled), np.zeros((even.size, 0)), np.arange(even.size), even, float(even.size),
                 np.zeros(0))


def pain(knee: Disease, change: float) -> list[Target]:
    arms = [t for t in load_targets(knee).targets if has_cells(knee, t) and t.kind == "change"]
    trial = [replace(t, n=200.0, standard_error=5.0, blinding="double_blind") for t in arms[:1]]
    return [replace(t, target_id=f"t{i}", trial=f"t{i}", family=f"f{i}", observed=change)
            for t in trial for i in range(3)]


def test_much_less_pain_in_three_blinded_trials_raises_the_effect_of_the_cells(
        knee: Disease, background: Round, tmp_path: Path) -> None:
    enough = DRAWS_A_TERM * n_terms(len(knee.uncertain), 0)
    sizes = Settings(draws=enough // 2 + 1, subjects=PATIENTS, seed=5)
    found = {}
    for change in (-20.0, -40.0):
        kept = Checkpoints(tmp_path, f"cells {change}")
        second, _ = fit_cells(knee, pain(knee, change), background, sizes, CpuBackend(None), kept, None)
        amplitude = second.draws.scaled[:, second.draws.names.index(knee.amplitude)]
        found[change] = second.weight @ amplitude
        assert np.abs(second.smoothing_error).max() < 1.0
    assert found[-40.0] > found[-20.0] + 0.3


def test_too_few_draws_for_an_emulator_are_refused(knee: Disease, background: Round, tmp_path: Path) -> None:
    with pytest.raises(StromaError) as raised:
        fit_cells(knee, pain(knee, -30.0), background, Settings(draws=16, subjects=16), CpuBackend(None),
                  Checkpoints(tmp_path, "few"), None)
    assert raised.value.diagnostics[0].code == "C030"
