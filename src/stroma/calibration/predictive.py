"""One published number as a forecast: parameters, spread between studies and the arm's own sampling together.

This is the only way in which stroma makes a predictive sample of a published number: the check of the
background, every validation and every baseline go through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stroma.calibration.likelihood import SHARES, effect_scale
from stroma.calibration.posterior import Posterior
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.library import library_root
from stroma.streams import generator
from stroma.trial.rules import load_rules

SAMPLES = 20_000
# Added to the seed for the second half of a draw's patients.
OTHER_PATIENTS = 1_000_003
PERCENT, RATIO, CHANGE = "%", "ratio to baseline", "change"


@dataclass(frozen=True)
class Sample:
    """A forecast of one published number, and that number.

    Parameters
    ----------
    values : ndarray, shape (SAMPLES,)
        On the scale of the publication.
    observed : float
        As published; a share of known patients is set to the count of patients it stands for.
    unit : str
        Percent, ratio to baseline, or change in the outcome's own unit.
    """

    values: NDArray[np.float64]
    observed: float
    unit: str

    def scored(self) -> tuple[NDArray[np.float64], float]:
        """Return sample and observation as they are scored: ratios on the log scale."""
        if self.unit == RATIO:
            return np.log(self.values), float(np.log(self.observed))
        return self.values, self.observed


def predictive_sample(disease: Disease, target: Target, predicted: NDArray[np.float64], spread: NDArray[np.float64],
                      weight: NDArray[np.float64], seed: int, purpose: str,
                      shift: NDArray[np.float64] | None = None) -> Sample:
    """Sample what a publication would report.

    Parameters
    ----------
    predicted : ndarray, shape (n_draw,)
        The statistic under every draw, on the scale of the likelihood.
    spread : ndarray, shape (n_draw,)
        Between-study SD on the logit scale.
    weight : ndarray, shape (n_draw,)
        Of the draws; sums to one.
    purpose : str
        Name of the random stream.
    shift : ndarray, shape (n_draw,), optional
        Added to the prediction (open-label bias).
    """
    rng = generator(seed, purpose)
    draw = rng.choice(weight.size, SAMPLES, p=weight / weight.sum())
    effect = rng.standard_normal(SAMPLES) * spread[draw] * effect_scale(disease, target.kind, target.quantity)
    latent = predicted[draw] + effect
    return published_scale(target, latent if shift is None else latent + shift[draw], rng)


def simulate_halves(disease: Disease, targets: Sequence[Target], draws: Draws, subjects: int, seed: int,
                    backend: Backend, progress: Progress | None = None) -> dict[str, NDArray[np.float64]]:
    """Simulate the targets' statistics under every draw twice, each time with half as many other patients.

    Returns
    -------
    dict
        ``first`` and ``second``, shape (n_draw, n_target); :func:`without_noise` makes one of them.
    """
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    return {half: simulate_targets(disease, targets, rules, draws, subjects // 2, seed + shift, backend, progress)
            for half, shift in (("first", 0), ("second", OTHER_PATIENTS))}


def without_noise(halves: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Take the noise of a draw's few simulated patients out of the spread between draws.

    A statistic over some hundred patients varies between draws by more than the parameters make it vary. By how much
    is seen from how two halves of the patients differ; each column is drawn towards its mean until that variance is
    gone. The sampling error of the published arm's own patients is added later, once.

    Parameters
    ----------
    halves : mapping of str to ndarray, shape (n_draw, n_target)
        From :func:`simulate_halves`.

    Returns
    -------
    ndarray, shape (n_draw, n_target)
    """
    first, second = halves["first"], halves["second"]
    both = 0.5 * (first + second)
    noise, mean = 0.25 * (first - second).var(axis=0), both.mean(axis=0)
    kept = np.sqrt(np.clip(1.0 - noise / np.maximum(both.var(axis=0), 1e-300), 0.0, 1.0))
    return mean + (both - mean) * kept


def published_scale(target: Target, latent: NDArray[np.float64], rng: np.random.Generator) -> Sample:
    """Add the arm's own sampling to true values and return to the scale of the publication."""
    if target.kind in SHARES:
        n = max(1, round(target.n))
        # A share of a known number of patients is a count; what is printed is that count, rounded.
        counted = target.kind == "proportion" and not target.n_assumed
        observed = 100.0 * (round(target.observed * n) / n if counted else target.observed)
        return Sample(100.0 * rng.binomial(n, expit(latent)) / n, observed, PERCENT)
    value = latent + rng.standard_normal(latent.size) * target.standard_error
    if target.kind == "log_ratio":
        return Sample(np.exp(value), float(np.exp(target.observed)), RATIO)
    return Sample(value, target.observed, CHANGE)


def posterior_draws(posterior: Posterior, prior: str, count: int, seed: int) -> Draws:
    """Take equally weighted draws under one named prior."""
    rng = generator(seed, f"draws under {prior}")
    position = (np.arange(count) + rng.random()) / count
    whole = np.cumsum(posterior.weights[prior])
    pick = np.searchsorted(whole / whole[-1], position).clip(0, whole.size - 1)
    return Draws(posterior.names, posterior.scaled[rng.permutation(pick)])
