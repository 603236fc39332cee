"""The stage of a fit that knows control arms only: its posterior is where the model says, or it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stroma.calibration.background import KEPT, fit_background
from stroma.calibration.likelihood import Likelihood
from stroma.calibration.rounds import WELL_SMOOTHED, Checkpoints, Round, Settings
from stroma.calibration.simulate import simulate_targets
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.cpu import CpuBackend
from stroma.errors import StromaError
from stroma.library import library_root
from stroma.trial.rules import load_rules

SIZES = Settings(prior_draws=600, draws=600, subjects=16, rounds=6, seed=3)


@pytest.fixture(scope="module")
def knee() -> Disease:
    return load_disease("oa")


@pytest.fixture(scope="module")
def control(knee: Disease) -> list[Target]:
    return load_targets(knee).of("fit_background")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("background")


@pytest.fixture(scope="module")
def found(knee: Disease, control: list[Target], work: Path) -> Round:
    return fit_background(knee, control, SIZES, CpuBackend(None), Checkpoints(work, "x"), None)[0]


def test_it_rests_on_more_even_draws_than_a_round_simulates(found: Round) -> None:
    assert found.draws.n == found.weight.size == KEPT * SIZES.draws
    assert found.weight == pytest.approx(1.0 / found.draws.n)
    assert SIZES.draws < found.effective < found.draws.n
    assert np.unique(found.group).size == np.unique(found.draws.scaled, axis=0).shape[0], "a repeat is one draw"


def test_the_model_itself_says_there_what_the_emulator_says(knee: Disease, control: list[Target], found: Round) -> None:
    """Other patients than those of the fit: what they show on average is what the fit took them to show."""
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    fresh = simulate_targets(knee, control, rules, found.draws, SIZES.subjects, 99, CpuBackend(None))
    error = (fresh - found.predicted).mean(axis=0)
    noise = (fresh - found.predicted).std(axis=0) / np.sqrt(found.draws.n)
    sampling = np.sqrt(Likelihood(knee, control).sampling_variance(found.predicted).mean(axis=0))
    assert (np.abs(error) < WELL_SMOOTHED * sampling + 3.0 * noise).all()


def test_an_interrupted_fit_goes_on_to_the_same_posterior(knee: Disease, control: list[Target], found: Round,
                                                          work: Path, tmp_path: Path) -> None:
    """Only the first round is left: the others are made again."""
    kept = Checkpoints(tmp_path, "x")
    (kept.folder / "background_0.npz").write_bytes((work / "x" / "background_0.npz").read_bytes())
    again, _ = fit_background(knee, control, SIZES, CpuBackend(None), kept, None)
    assert np.array_equal(again.draws.scaled, found.draws.scaled)
    assert np.array_equal(again.predicted, found.predicted)


def test_a_background_of_too_few_draws_is_refused(knee: Disease, control: list[Target], tmp_path: Path) -> None:
    small = Settings(prior_draws=120, draws=60, subjects=16, rounds=1, seed=3)
    with pytest.raises(StromaError, match=r"C030.*background"):
        fit_background(knee, control, small, CpuBackend(None), Checkpoints(tmp_path, "x"), None)
