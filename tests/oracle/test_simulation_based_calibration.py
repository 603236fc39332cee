"""Ranks of synthetic truths: the stored table is uniform, and the check that says so can see what is wrong."""

from __future__ import annotations

import csv
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stroma.calibration.likelihood import effect_scale
from stroma.calibration.targets import Target, load_targets
from stroma.disease import load_disease
from stroma.streams import generator

FOLDER = Path(__file__).parents[2] / "validation" / "simulation_based_calibration"
DISEASE = load_disease("sle")
SPREAD = 0.5
# What four numbers of two trials say of two parameters and a switch.
SLOPE = np.array([[3.0, 1.0, 0.5, 2.0], [0.0, 2.0, -1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that made the table."""
    spec = importlib.util.spec_from_file_location("simulation_based_calibration_ranks", FOLDER / "ranks.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # a dataclass looks its module up
    spec.loader.exec_module(found)
    return found


def stored(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def targets() -> list[Target]:
    """Mean changes, for which the likelihood is exactly normal: two trials, one with two outcomes."""
    base = load_targets(DISEASE).targets[0]
    places = [("one", "a", 1.0), ("one", "a", 1.5), ("one", "b", 2.0), ("two", "a", 1.0)]
    return [replace(base, kind="change", quantity="sledai_2k", trial=trial, outcome=outcome, standard_error=error)
            for trial, outcome, error in places]


def drawn(script: ModuleType, count: int, seed: int):
    """Draw from the prior: two standard normals and a fair coin; predict by a straight line."""
    rng = generator(seed, "analytic")
    scaled = np.concatenate([rng.standard_normal((count, 2)), rng.integers(0, 2, (count, 1)).astype(float)], axis=1)
    return script.Predicted(scaled, scaled @ SLOPE, np.full((count, 4), SPREAD))


def smallest_p(script: ModuleType, sharpness: float) -> float:
    table, _ = script.ranks(DISEASE, targets(), drawn(script, 400, 1), drawn(script, 4000, 2), 3, sharpness)
    return float(script.holm(np.concatenate(script.uniform(table))).min())


def test_the_summary_is_what_the_stored_ranks_say(script: ModuleType) -> None:
    found = [{k: str(v) for k, v in row.items()} for row in script.from_ranks(stored("ranks.csv"))]
    assert found == stored("summary.csv")


@pytest.mark.parametrize("kind", ["fit", "model"])
def test_every_fitted_parameter_has_uniform_ranks_over_200_truths(kind: str) -> None:
    rows = [r for r in stored("summary.csv") if r["predicted_by"] == kind]
    stages = {"background": "background", "cells": "msc"}
    assert [(stages[r["stage"]], r["parameter_id"]) for r in rows] == [
        (stage, name) for stage in stages.values() for name in DISEASE.fitted_in(stage)]
    assert min(int(r["truths"]) for r in rows) >= 200
    assert min(min(float(r["p_ks_holm"]), float(r["p_chi2_holm"])) for r in rows) > 0.01


def test_weights_give_the_posterior_that_algebra_gives(script: ModuleType) -> None:
    """Given the switch, parameters and numbers are jointly normal: mean and covariance have a closed form."""
    numbers = [replace(t, observed=y) for t, y in zip(targets(), (2.0, 1.0, -1.0, 3.0), strict=True)]
    pool = drawn(script, 200_000, 4)
    weight = script.weigh(DISEASE, numbers, pool)
    shared = SPREAD * effect_scale(DISEASE, "change", "sledai_2k")
    blocks = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    noise = np.diag([t.standard_error**2 for t in numbers]) + shared**2 * blocks
    observed = np.array([t.observed for t in numbers])
    line = SLOPE[:2].T
    precision = np.eye(2) + line.T @ np.linalg.solve(noise, line)
    for side in (0.0, 1.0):
        mean = np.linalg.solve(precision, line.T @ np.linalg.solve(noise, observed - side * SLOPE[2]))
        own = np.where(pool.scaled[:, 2] == side, weight, 0.0)
        own /= own.sum()
        np.testing.assert_allclose(own @ pool.scaled[:, :2], mean, atol=0.02)
        centred = pool.scaled[:, :2] - mean
        np.testing.assert_allclose((own[:, None] * centred).T @ centred, np.linalg.inv(precision), atol=0.02)


def test_right_weights_leave_uniform_ranks(script: ModuleType) -> None:
    assert smallest_p(script, 1.0) > 0.01


@pytest.mark.parametrize("sharpness", [4.0, 0.25])
def test_a_posterior_too_sure_or_too_vague_is_seen(script: ModuleType, sharpness: float) -> None:
    assert smallest_p(script, sharpness) < 1e-4


def test_p_values_of_several_tests(script: ModuleType) -> None:
    """Holm 1979: 0.01, 0.02, 0.03, 0.04 become 0.04, 0.06, 0.06, 0.06."""
    np.testing.assert_allclose(script.holm(np.array([0.03, 0.01, 0.04, 0.02])), [0.06, 0.04, 0.06, 0.06])
