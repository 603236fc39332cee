"""Scores and tables of the background check."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from stroma.calibration.crosscheck import FILE, CheckedArm, interval_score, save_checks

ARM = CheckedArm("loto", "trial_a", "MMF arm (ref 3)", "overall_remission", 168.0, 40.0, False, "%", 50.0, 55.0, 48.0,
                 62.0, 40.0, 70.0, True, True, 30.0, 20.0, 90.0, 70.0, 210.0)


def test_interval_score_is_width_and_penalty() -> None:
    """Gneiting and Raftery 2007, equation 43, at alpha = 0.1: penalty 20 a unit."""
    assert interval_score(40.0, 70.0, 50.0) == pytest.approx(30.0)
    assert interval_score(40.0, 70.0, 40.0) == interval_score(40.0, 70.0, 70.0) == pytest.approx(30.0)
    assert interval_score(40.0, 70.0, 38.0) == pytest.approx(30.0 + 20 * 2)
    assert interval_score(40.0, 70.0, 73.0) == pytest.approx(30.0 + 20 * 3)
    assert interval_score(40.0, 70.0, 73.0, level=0.5) == pytest.approx(30.0 + 4 * 3)


def test_interval_score_is_proper() -> None:
    """Of all central intervals the true one has the least expected score."""
    x = np.random.default_rng(1).normal(size=4000)

    def mean_score(scale: float) -> float:
        z = norm.ppf(0.95) * scale
        return float(np.mean([interval_score(-z, z, v) for v in x]))

    assert mean_score(1.0) < min(mean_score(0.6), mean_score(1.6))


def test_a_kept_check_is_shown_as_a_row(tmp_path: Path) -> None:
    missed = replace(ARM, check="later", unit="change", observed=-9.0, inside_90=False, lo90=-8.0, median=-6.0,
                     hi90=-4.0)
    path = save_checks([ARM, missed], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["check"] for r in rows] == ["loto", "later"] and float(rows[0]["reference_score"]) == 70
