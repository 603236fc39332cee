"""What one would predict without a model: earlier studies pooled, the last study again, or next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t as student_t

from stroma.calibration.likelihood import SHARES, observed_value
from stroma.calibration.predictive import SAMPLES, Sample, published_scale
from stroma.calibration.targets import Target
from stroma.evidence.pooling import pool
from stroma.streams import generator

# Published at most so many times earlier or later after entry, a number speaks about the same outcome: half a
# year and a year do, half a year and three do not.
SAME_TIME = 2.5
SHARE_SD = 50.0
UNDATED = 9999


def reference_sd(target: Target, targets: Sequence[Target]) -> float:
    """Return the SD by which scores of an outcome are scaled, on the scale on which it is scored.

    Shares: 50 points, the SD of an outcome that half of the patients have. Else the median SD between the
    patients of the arms that report the outcome.
    """
    if target.kind in SHARES:
        return SHARE_SD
    return float(np.median([t.standard_error * np.sqrt(t.n) for t in targets
                            if (t.kind, t.quantity) == (target.kind, target.quantity)]))


def comparable(target: Target, targets: Sequence[Target]) -> list[Target]:
    """Return the arms of earlier studies that report the target's outcome at a similar time, in the order of years."""
    found = [t for t in targets if 0 < t.year < (target.year or UNDATED)
             and t.family != target.family and t.trial != target.trial
             and (t.outcome, t.kind) == (target.outcome, target.kind)
             and 1 / SAME_TIME <= t.day / target.day <= SAME_TIME]
    return sorted(found, key=lambda t: t.year)


def random_effects(others: Sequence[Target], target: Target, seed: int) -> Sample:
    """Sample the random-effects prediction (REML) of a new arm of the target's size from other arms.

    Student t with k - 2 degrees of freedom, as in :func:`stroma.evidence.pooling.pool`; with two arms one is used.
    """
    value, variance = _effects(others)
    pooled = pool(value, variance)
    rng = generator(seed, f"reference/{target.target_id}")
    scale = np.sqrt(pooled.tau2 + pooled.se**2)
    latent = pooled.estimate + scale * student_t.rvs(max(len(others) - 2, 1), size=SAMPLES, random_state=rng)
    return published_scale(target, latent, rng)


def last_study(others: Sequence[Target], target: Target, seed: int) -> Sample:
    """Sample the last earlier study repeated: its arms pooled, with its sampling error and the target's own."""
    last = [t for t in others if t.trial == others[-1].trial]
    value, variance = _effects(last)
    weight = 1.0 / variance
    rng = generator(seed, f"last study/{target.target_id}")
    latent = (value @ weight + rng.standard_normal(SAMPLES) * np.sqrt(weight.sum())) / weight.sum()
    return published_scale(target, latent, rng)


def vague(target: Target, sd: float, seed: int) -> Sample:
    """Sample next to nothing: any share alike; no change give or take one reference SD."""
    rng = generator(seed, f"vague/{target.target_id}")
    share = rng.uniform(1e-6, 1.0 - 1e-6, SAMPLES)
    return published_scale(target, logit(share) if target.kind in SHARES else rng.standard_normal(SAMPLES) * sd, rng)


def _effects(targets: Sequence[Target]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return published numbers and their sampling variances on the scale of the likelihood."""
    value = np.array([observed_value(t) for t in targets])
    n, share = np.array([t.n for t in targets]), expit(value)
    own = np.array([t.standard_error**2 for t in targets])
    return value, np.where([t.kind in SHARES for t in targets], 1.0 / (n * share * (1.0 - share)), own)
