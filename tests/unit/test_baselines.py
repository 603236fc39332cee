"""What the baselines of a validation predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from stroma.calibration.baselines import comparable, last_study, random_effects, reference_sd, vague
from stroma.calibration.targets import Target
from stroma.evidence.pooling import pool


def share(trial: str, observed: float, n: float, year: int = 2010, day: float = 168.0) -> Target:
    return Target(f"{trial}|{observed}", trial, trial, trial, "arm", "remission", "proportion", "rule", day, observed,
                  np.nan, n, False, "mmf", "mixed", "", None, "fit_background", year, "fit", Path("x"), 1)


EARLIER = [share("a", 0.3, 50, 2005), share("b", 0.5, 80, 2007), share("c", 0.6, 40, 2008), share("d", 0.45, 60, 2009)]
NEW = share("e", 0.5, 1_000_000, 2012)


def test_random_effects_are_the_pooled_prediction_interval() -> None:
    """With an arm so large that its own sampling vanishes, the sample has the ends that `pool` computes."""
    seen = np.array([(t.observed * t.n + 0.5) / (t.n + 1) for t in EARLIER])
    n = np.array([t.n for t in EARLIER])
    exact = pool(logit(seen), 1 / (n * seen * (1 - seen)), level=0.9).prediction_interval
    assert exact is not None
    found = np.quantile(random_effects(EARLIER, NEW, 1).values, [0.05, 0.95])
    assert found == pytest.approx(100 * expit(np.array(exact)), abs=1.0)


def test_the_last_study_repeated_has_both_sampling_errors() -> None:
    found = last_study(EARLIER, replace(NEW, n=60.0), 1).values
    p = 0.45
    assert found.mean() == pytest.approx(45, abs=1)
    assert found.std() == pytest.approx(100 * np.sqrt(2 * p * (1 - p) / 60), rel=0.06)


def test_the_vague_default_knows_nothing() -> None:
    found = vague(NEW, 50.0, 1).values
    assert found.mean() == pytest.approx(50, abs=1) and found.std() == pytest.approx(100 / np.sqrt(12), rel=0.02)
    change = replace(NEW, kind="change", quantity="sledai_2k", standard_error=1e-9)
    assert vague(change, 8.0, 1).values.std() == pytest.approx(8, rel=0.03)


def test_only_earlier_arms_of_the_same_outcome_and_time_are_comparable() -> None:
    others = [*EARLIER, share("f", 0.5, 30, 2013), share("g", 0.5, 30, 0), share("h", 0.5, 30, 2009, day=1095.0),
              replace(EARLIER[0], outcome="relapse"), replace(EARLIER[0], family="e", trial="e2")]
    assert [t.trial for t in comparable(NEW, others)] == ["a", "b", "c", "d"]


def test_the_reference_sd_is_that_between_patients() -> None:
    changes = [replace(NEW, kind="change", quantity="sledai_2k", n=n, standard_error=sd / np.sqrt(n))
               for n, sd in ((10.0, 7.0), (40.0, 8.0), (90.0, 12.0))]
    assert reference_sd(changes[0], [*changes, NEW]) == pytest.approx(8.0)
    assert reference_sd(NEW, changes) == 50.0
