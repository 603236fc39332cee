"""Simulation-based calibration of the re-weighted pool: writes ranks.csv and summary.csv beside this file.

Run from the root of the project: python validation/simulation_based_calibration/ranks.py

A truth is drawn, its numbers are made up with the likelihood's own noise, a pool of other draws is weighed by the
likelihood of those numbers. If weighing is right, the rank of the truth among the weighted pool is uniform for every
parameter (Talts et al. 2018, arXiv:1804.06788). Truths and pool come from the fit and not from the prior, of which no
draw would survive all numbers (Säilynoja et al. 2025, arXiv:2502.03279). README.md says what this shows and what not.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chisquare, kstest

from stroma.calibration.background import BackgroundDensity, fit_background
from stroma.calibration.fingerprint import fit_key
from stroma.calibration.likelihood import SHARES, Likelihood, cells_spread, effect_scale, open_label_shift
from stroma.calibration.rounds import Checkpoints, Settings
from stroma.calibration.sampler import Emulated, distinct, explore, fit_emulator
from stroma.calibration.simulate import Draws, simulate_targets
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend
from stroma.kernel.native import cache_folder
from stroma.library import library_root
from stroma.population.priors import sample_prior
from stroma.population.subjects import effective_size
from stroma.streams import generator
from stroma.trial.rules import ResponseRule, load_rules

FOLDER = Path(__file__).parent
# Truths whose numbers leave fewer effective draws are set aside: that is a property of the numbers and of the pool
# without the truth, so the ranks of the others stay uniform.
ENOUGH = 100.0
BINS = 10
# What a truth predicts: as the fit takes it, or simulated anew with more patients, which tests the emulator, too.
FIT, MODEL = "fit", "model"
TRUTHS, TRUTH_SUBJECTS = 400, 512
POOL, CELLS_TRAINING = 20_000, 12_000
# Longer than in the fit: truths and pool must follow one distribution closely, or ranks show the chain's own error.
STEPS = 20_000


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

    def of(self, rows: NDArray[np.int64]) -> Predicted:
        """Return some of the draws."""
        return Predicted(self.scaled[rows], self.mean[rows], self.spread[rows])


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


def with_bias(disease: Disease, targets: Sequence[Target], rules: Mapping[str, ResponseRule], draws: Draws,
              raw: NDArray[np.float64]) -> Predicted:
    """Return predictions of arms with cells as the fit compares them with published numbers."""
    values = draws.natural(disease)
    shift = np.stack([open_label_shift(disease, rules, t, values) for t in targets], axis=1)
    return Predicted(draws.scaled, raw + shift, np.stack([cells_spread(disease, t, values) for t in targets], axis=1))


def from_ranks(rows: Sequence[dict[str, str]]) -> list[dict]:
    """Return the summary of stored ranks: one row for each parameter and kind of truth.

    Truths with enough effective draws count. The last two columns are p values that hold for all tests of a kind of
    truth together.
    """
    found = []
    for kind in dict.fromkeys(r["predicted_by"] for r in rows):
        own = [r for r in rows if r["predicted_by"] == kind]
        part = []
        for column in (c for c in own[0] if ":" in c):
            stage, _, name = column.partition(":")
            values = np.array([float(r[column]) for r in own if float(r[f"effective_{stage}"]) >= ENOUGH])
            ks, chi2 = uniform(values[:, None])
            part.append({"predicted_by": kind, "stage": stage, "parameter_id": name, "truths": values.size,
                         "mean_rank": round(float(values.mean()), 4), "sd_rank": round(float(values.std()), 4),
                         "p_ks": round(float(ks[0]), 5), "p_chi2": round(float(chi2[0]), 5)})
        together = holm(np.array([r["p_ks"] for r in part] + [r["p_chi2"] for r in part]))
        found += [r | {"p_ks_holm": round(float(together[i]), 4),
                       "p_chi2_holm": round(float(together[i + len(part)]), 4)} for i, r in enumerate(part)]
    return found


def background_chain(disease: Disease, targets: Sequence[Target], near: Emulated, start: NDArray[np.float64],
                     seed: int) -> Predicted:
    """Draw from the background posterior of the fit, with the predictions of its emulator."""
    log_density = partial(BackgroundDensity(disease, targets).log, emulator=near.emulator)
    chain, _ = explore(log_density, start, STEPS, seed)
    spread = np.exp(chain[:, disease.fitted_in("background").index("study_spread")])
    return Predicted(chain, near.emulator.predict(chain), np.repeat(spread[:, None], len(targets), axis=1))


def main() -> None:
    """Fit, draw truths and pools, rank, test, write."""
    disease, engine = load_disease("sle"), backend("cpu")
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    listed = load_targets(disease)
    control, series = listed.of("fit_background"), listed.of("fit_msc")
    settings = Settings(1500, 2000, 128, 8, 1)
    kept = Checkpoints(cache_folder() / "calibration", fit_key(disease, control, settings.key(), "background"))
    found, simulated = fit_background(disease, control, settings, engine, kept, None)
    print(f"background: {found.effective:.0f} effective draws", flush=True)

    background = found.draws.names
    own = tuple(n for n in disease.uncertain if n not in background)
    start = distinct(found.draws.scaled)[:4 * len(background)]
    chain = background_chain(disease, control, simulated, start, 21)
    apart = np.unique(chain.scaled, axis=0, return_index=True)[1]  # a walker that stays must not meet itself
    pick = generator(23, "truths and pool").permutation(apart)
    true, pool = chain.of(pick[:TRUTHS]), chain.of(pick[TRUTHS:TRUTHS + POOL])

    names = (*background, *own)

    def with_cells(background_rows: NDArray[np.float64], seed: int) -> Draws:
        rows = sample_prior(disease, own, background_rows.shape[0], seed)
        return Draws(names, np.concatenate([background_rows, rows], axis=1))

    def simulated_cells(draws: Draws, subjects: int, seed: int) -> NDArray[np.float64]:
        return simulate_targets(disease, series, rules, draws, subjects, seed, engine)

    trained = with_cells(pool.scaled[:CELLS_TRAINING], 27)
    emulator = fit_emulator(trained.scaled, simulated_cells(trained, settings.subjects, 27),
                            cubic=names.index(disease.amplitude))
    weighed, truth = with_cells(pool.scaled, 29), with_cells(true.scaled, 26)
    cells_pool = with_bias(disease, series, rules, weighed, emulator.predict(weighed.scaled))
    msc = disease.fitted_in("msc")
    at = [names.index(n) for n in msc]
    columns = [*(f"background:{n}" for n in background), *(f"cells:{n}" for n in msc)]
    rows: list[dict[str, str]] = []
    for kind in (FIT, MODEL):
        first, said = true, emulator.predict(truth.scaled)
        if kind == MODEL:
            first = replace(true, mean=simulate_targets(disease, control, rules, Draws(background, true.scaled),
                                                        TRUTH_SUBJECTS, 24, engine))
            said = simulated_cells(truth, TRUTH_SUBJECTS, 26)
        table, size = ranks(disease, control, first, pool, 25)
        cells_table, cells_size = ranks(disease, series, with_bias(disease, series, rules, truth, said), cells_pool, 28)
        print(f"{kind}: median effective draws {np.median(size):.0f} and {np.median(cells_size):.0f}", flush=True)
        for j, line in enumerate(np.concatenate([table, cells_table[:, at]], axis=1)):
            rows.append({"predicted_by": kind, "truth": str(j), "effective_background": f"{size[j]:.1f}",
                         "effective_cells": f"{cells_size[j]:.1f}"}
                        | dict(zip(columns, (f"{r:.4f}" for r in line), strict=True)))
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
