"""Simulation-based calibration of the re-weighted pool: writes ranks.csv and summary.csv beside this file.

Run from the root of the project: python validation/simulation_based_calibration/ranks.py

A truth is drawn, its numbers are made up with the likelihood's own noise, a pool of other draws is weighed by the
likelihood of those numbers. If weighing is right, the rank of the truth among the weighted pool is uniform for every
parameter (Talts et al. 2018, arXiv:1804.06788). Truths and pool come from the fit of today and not from the prior, of
which no draw would survive (Saeilynoja et al. 2025, arXiv:2502.03279). README.md says what this shows and what not.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chisquare, kstest

from stroma.calibration.fingerprint import fit_key
from stroma.calibration.fit import Checkpoints, Settings, fit_background
from stroma.calibration.likelihood import SHARES, Likelihood, cells_spread, effect_scale, open_label_shift
from stroma.calibration.sampler import Emulated, explore
from stroma.calibration.simulate import Draws, simulate_targets
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend
from stroma.kernel.native import cache_folder
from stroma.library import library_root
from stroma.population.priors import log_prior, sample_prior
from stroma.population.subjects import effective_size
from stroma.streams import generator
from stroma.trial.rules import load_rules

FOLDER = Path(__file__).parent
# Truths whose numbers leave fewer effective draws are set aside: that is a property of the numbers and of the pool
# without the truth, so the ranks of the others stay uniform.
ENOUGH = 100.0
BINS = 10
TRUTHS, TRUTH_SUBJECTS = 400, 512
BACKGROUND_POOL, CELLS_POOL, CELLS_SUBJECTS = 20_000, 8_000, 128
STEPS = 4000


@dataclass(frozen=True)
class Predicted:
    """Draws and what they predict.

    Parameters
    ----------
    scaled : ndarray, shape (n_draw, n_name)
    mean : ndarray, shape (n_draw, n_target)
        On the likelihood's scale, open-label bias included.
    spread : ndarray, shape (n_draw, n_target)
        Between-study SD on the logit scale.
    """

    scaled: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def trials_of(targets: Sequence[Target]) -> list[list[int]]:
    """Return which targets each trial holds."""
    return [[i for i, t in enumerate(targets) if t.trial == trial] for trial in dict.fromkeys(t.trial for t in targets)]


def made_up(disease: Disease, targets: Sequence[Target], truths: Predicted, truth: int, seed: int) -> list[Target]:
    """Return the numbers as one truth would have published them: a study effect for each trial and outcome, noise."""
    rng = generator(seed, f"made-up numbers/{truth}")
    effects = {b: rng.standard_normal() for b in dict.fromkeys((t.trial, t.outcome) for t in targets)}
    sampling = np.sqrt(Likelihood(disease, targets).sampling_variance(truths.mean[[truth]])[0])
    found = []
    for i, t in enumerate(targets):
        effect = effects[t.trial, t.outcome] * truths.spread[truth, i] * effect_scale(disease, t.kind, t.quantity)
        number = truths.mean[truth, i] + effect + sampling[i] * rng.standard_normal()
        if t.kind in SHARES:  # undo the half patient that the likelihood adds on both sides
            number = (expit(number) * (t.n + 1.0) - 0.5) / t.n
        found.append(replace(t, observed=float(number)))
    return found


def weigh(disease: Disease, numbers: Sequence[Target], pool: Predicted, sharpness: float = 1.0) -> NDArray[np.float64]:
    """Return the weights that numbers give the draws of a pool, shape (n_draw,); they sum to one.

    Parameters
    ----------
    sharpness : float
        Power of the likelihood; anything but 1 is wrong, which a test of this check needs.
    """
    log_weight = np.zeros(pool.scaled.shape[0])
    for members in trials_of(numbers):
        part = Likelihood(disease, [numbers[i] for i in members])
        log_weight += sharpness * part.total(pool.mean[:, members], pool.spread[:, members[0]])
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def ranks(disease: Disease, targets: Sequence[Target], truths: Predicted, pool: Predicted, seed: int,
          sharpness: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rank of every parameter of every truth, 0 to 1, and the effective draws of each truth.

    Returns
    -------
    ndarray, shape (n_truth, n_name)
        Weight of the pool below the truth; of what equals it (switches) a random share.
    ndarray, shape (n_truth,)
    """
    table, effective = [], []
    shares = generator(seed, "ties").random(truths.scaled.shape)
    for j, truth in enumerate(truths.scaled):
        weight = weigh(disease, made_up(disease, targets, truths, j, seed), pool, sharpness)
        table.append(weight @ (pool.scaled < truth) + shares[j] * (weight @ (pool.scaled == truth)))
        effective.append(effective_size(weight))
    return np.array(table), np.array(effective)


def uniform(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the p values of a Kolmogorov-Smirnov test and of a chi-square test in ten bins, each shape (n_name,)."""
    ks = [kstest(column, "uniform").pvalue for column in table.T]
    counts = [np.histogram(column, BINS, (0.0, 1.0))[0] for column in table.T]
    return np.array(ks), np.array([chisquare(c).pvalue for c in counts])


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values that hold for all tests together (Holm 1979)."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def with_bias(disease: Disease, targets: Sequence[Target], draws: Draws, raw: NDArray[np.float64]) -> Predicted:
    """Return predictions of arms with cells as the fit compares them with published numbers."""
    values = draws.natural(disease)
    shift = np.stack([open_label_shift(disease, t, values) for t in targets], axis=1)
    return Predicted(draws.scaled, raw + shift, np.stack([cells_spread(disease, t, values) for t in targets], axis=1))


def summary(names: Sequence[str], stages: Sequence[str], columns: Sequence[NDArray[np.float64]]) -> list[dict]:
    """Return one row a parameter: how its ranks lie, and the p values, each beside its value for all tests together."""
    tests = [uniform(column[:, None]) for column in columns]
    ks, chi2 = (np.concatenate([t[i] for t in tests]) for i in (0, 1))
    together = holm(np.concatenate([ks, chi2]))
    return [{"parameter_id": name, "stage": stage, "truths": column.size, "mean_rank": round(float(column.mean()), 4),
             "sd_rank": round(float(column.std()), 4), "p_ks": round(float(ks[i]), 4),
             "p_chi2": round(float(chi2[i]), 4), "p_ks_holm": round(float(together[i]), 4),
             "p_chi2_holm": round(float(together[i + len(names)]), 4)}
            for i, (name, stage, column) in enumerate(zip(names, stages, columns, strict=True))]


def from_ranks(rows: Sequence[dict[str, str]]) -> list[dict]:
    """Return the summary of stored ranks: truths with enough effective draws count."""
    names = [n.partition(":") for n in rows[0] if ":" in n]
    enough = {stage: [float(r[f"effective_{stage}"]) >= ENOUGH for r in rows] for stage, _, _ in names}
    columns = [np.array([float(r[f"{stage}:{name}"]) for r, ok in zip(rows, enough[stage], strict=True) if ok])
               for stage, _, name in names]
    return summary([name for _, _, name in names], [stage for stage, _, _ in names], columns)


def background_chain(disease: Disease, targets: Sequence[Target], near: Emulated, start: NDArray[np.float64],
                     seed: int) -> Predicted:
    """Draw from the background posterior of the fit, with the predictions of its emulator."""
    names = disease.fitted_in("background")
    at = names.index("study_spread")

    def spread(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(np.clip(x[:, at], -5, 2))

    def density(x: NDArray[np.float64]) -> NDArray[np.float64]:
        found = log_prior(disease, names, x) + likelihood.total(near.emulator.predict(x), spread(x))
        return np.nan_to_num(found, nan=-np.inf)

    likelihood = Likelihood(disease, targets)
    chain = explore(density, start, STEPS, seed)
    return Predicted(chain, near.emulator.predict(chain), np.repeat(spread(chain)[:, None], len(targets), axis=1))


def main() -> None:
    """Fit, draw truths and pools, rank, test, write."""
    disease, engine = load_disease("sle"), backend("cpu")
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    listed = load_targets(disease)
    control, series = listed.of("fit_background"), listed.of("fit_msc")
    settings = Settings(1500, 2000, 128, 4, 1)
    kept = Checkpoints(cache_folder() / "calibration", fit_key(disease, control, settings.key()))
    found, simulated = fit_background(disease, control, settings, engine, kept, None)
    near = Emulated(simulated.scaled[settings.prior_draws:], simulated.predicted[settings.prior_draws:])
    print(f"background: {found.effective:.0f} effective draws", flush=True)

    background = found.draws.names
    own = tuple(n for n in disease.uncertain if n not in background)
    best = found.draws.scaled[np.argsort(-found.weight)]
    start = best[np.sort(np.unique(best, axis=0, return_index=True)[1])][:4 * len(background)]
    chain, other = (background_chain(disease, control, near, start, seed) for seed in (21, 22))
    rng = generator(23, "truths and pools")
    pick = rng.choice(chain.scaled.shape[0], BACKGROUND_POOL, replace=False)
    pool = Predicted(chain.scaled[pick], chain.mean[pick], chain.spread[pick])
    true = other.scaled[rng.choice(other.scaled.shape[0], TRUTHS, replace=False)]
    raw = simulate_targets(disease, control, rules, Draws(background, true), TRUTH_SUBJECTS, 24, engine)
    at = background.index("study_spread")
    spread = np.repeat(np.exp(true[:, [at]]), len(control), axis=1)
    first, first_size = ranks(disease, control, Predicted(true, raw, spread), pool, 25)
    print(f"background: effective draws of a truth, median {np.median(first_size):.0f}", flush=True)

    def cells(rows: NDArray[np.float64], subjects: int, seed: int) -> Predicted:
        draws = Draws((*background, *own),
                      np.concatenate([rows, sample_prior(disease, own, rows.shape[0], seed)], axis=1))
        return with_bias(disease, series, draws,
                         simulate_targets(disease, series, rules, draws, subjects, seed, engine))

    second, second_size = ranks(disease, series, cells(true, TRUTH_SUBJECTS, 26),
                                cells(pool.scaled[:CELLS_POOL], CELLS_SUBJECTS, 27), 28)
    print(f"cells: effective draws of a truth, median {np.median(second_size):.0f}", flush=True)
    msc = disease.fitted_in("msc")
    at_msc = [(*background, *own).index(n) for n in msc]
    columns = [*(f"background:{n}" for n in background), *(f"cells:{n}" for n in msc)]
    table = np.round(np.concatenate([first, second[:, at_msc]], axis=1), 4)
    rows = [{"truth": str(j), "effective_background": f"{first_size[j]:.1f}", "effective_cells": f"{second_size[j]:.1f}"}
            | dict(zip(columns, map(str, line), strict=True)) for j, line in enumerate(table)]
    _write("ranks.csv", rows)
    found_rows = from_ranks(rows)
    _write("summary.csv", found_rows)
    smallest = min(found_rows, key=lambda r: min(r["p_ks_holm"], r["p_chi2_holm"]))
    print(f"smallest p for all tests together: {smallest}; model {disease.model.content_hash}")


def _write(name: str, rows: Sequence[dict]) -> None:
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
