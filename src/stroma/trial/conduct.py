"""Stage three, the trials: re-sample the pool, randomise, lose people, analyse. Milliseconds a trial.

Both potential outcomes of every subject are known from the pool, so that thousands of trials re-use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import binom, hypergeom

from stroma.streams import generator
from stroma.trial.pool import YEAR


@dataclass(frozen=True)
class PotentialOutcomes:
    """What every subject of every draw would show in every arm.

    Parameters
    ----------
    visit_day : ndarray, shape (n_visit,)
        The trial's own visits.
    eligible : ndarray of bool, shape (n_draw, n_subject)
        Who meets the entry criteria at the measured baseline.
    events : dict of str to ndarray of bool, shape (n_arm, n_draw, n_subject, n_visit)
        Rules, cumulative where the rule is.
    measures : dict of str to ndarray, shape (n_arm, n_draw, n_subject, n_visit)
        Quantities as measured.
    dropout_hazard, study_spread : ndarray, shape (n_draw,)
        Per year; between-study SD on the logit scale.
    """

    visit_day: NDArray[np.float64]
    eligible: NDArray[np.bool_]
    events: Mapping[str, NDArray[np.bool_]]
    measures: Mapping[str, NDArray[np.float64]]
    dropout_hazard: NDArray[np.float64]
    study_spread: NDArray[np.float64]

    @property
    def n_draw(self) -> int:
        """Return the number of parameter draws."""
        return self.eligible.shape[0]


@dataclass(frozen=True)
class Trials:
    """Replicated trials: who was sampled, and when they left.

    Parameters
    ----------
    draw : ndarray of int64, shape (n_trial,)
    subject : tuple of ndarray of int64, each (n_trial, n_arm_size)
        One array an arm; columns of the pool.
    last_visit : tuple of ndarray of int64, each (n_trial, n_arm_size)
        Index of the last visit before the subject left.
    leaves_day : tuple of ndarray, each (n_trial, n_arm_size)
        Day on which the subject leaves, also when that is after the end.
    """

    draw: NDArray[np.int64]
    subject: tuple[NDArray[np.int64], ...]
    last_visit: tuple[NDArray[np.int64], ...]
    leaves_day: tuple[NDArray[np.float64], ...]


def run_trials(pool: PotentialOutcomes, event: str | None, control: int, sizes: Sequence[int],
               weight: NDArray[np.float64], count: int, seed: int, purpose: str, visit: int = -1,
               names: Sequence[str] = ()) -> Trials:
    """Replicate a trial.

    The patients a trial happens to enrol differ from the model's by a study effect: subjects are drawn with
    weights exp(u × response in the control arm), which moves the control response by u on the logit scale.

    Parameters
    ----------
    pool : PotentialOutcomes
    event : str or None
        Event by whose control response the study effect tilts the sampling; None for no tilt.
    control : int
        Index of the control arm.
    sizes : sequence of int
        Subjects per arm.
    weight : ndarray, shape (n_draw,)
        Weights of the draws under a prior.
    count : int
        Trials.
    purpose : str
        Names the random streams; an added arm or an added patient moves no draw of another.
    visit : int
        Index of the visit at which the event tilts; the last by default.
    names : sequence of str
        Names of the arms' streams, so that an arm keeps its draws wherever it stands; its number by default.

    Notes
    -----
    Draws of which nobody is eligible are never used.
    """
    weight = weight * pool.eligible.any(axis=1)
    rng = generator(seed, f"{purpose}/draws")
    position = (rng.permutation(count) + rng.random(count)) / count
    draw = np.searchsorted(np.cumsum(weight / weight.sum()), position).clip(0, pool.n_draw - 1)
    chance = pool.eligible[draw].astype(float)
    if event is not None:
        effect = generator(seed, f"{purpose}/study effect").standard_normal(count) * pool.study_spread[draw]
        responds = pool.events[event][control, draw, :, visit]
        chance *= np.exp(effect[:, None] * (responds - responds.mean(axis=1, keepdims=True)))
    edges = np.cumsum(chance, axis=1)
    edges /= np.maximum(edges[:, -1:], 1e-300)
    offset = np.arange(count, dtype=float)
    subjects, last, left = [], [], []
    for arm, size in zip(names or range(len(sizes)), sizes, strict=True):
        u = generator(seed, f"{purpose}/enrol/{arm}").random((size, count)).T
        flat = np.searchsorted((edges + offset[:, None]).ravel(), (u + offset[:, None]).ravel(), side="right")
        chosen = (flat.reshape(count, size) - np.arange(count)[:, None] * edges.shape[1]).clip(0, edges.shape[1] - 1)
        subjects.append(chosen)
        wait = generator(seed, f"{purpose}/drop-out/{arm}").exponential(size=(size, count)).T
        leaves = wait * YEAR / pool.dropout_hazard[draw][:, None]
        left.append(leaves)
        last.append(np.searchsorted(pool.visit_day, leaves.ravel(), side="right").reshape(count, size) - 1)
    return Trials(draw, tuple(subjects), tuple(x.clip(0, pool.visit_day.size - 1) for x in last), tuple(left))


def responders(pool: PotentialOutcomes, trials: Trials, event: str, arm: int, as_arm: int, visit: int,
               cumulative: bool, failure: str | None = None) -> NDArray[np.int64]:
    """Count events by a visit in one arm of every trial, shape (n_trial,).

    Composite strategy: who left before the event counts as without it, and so does who started rescue
    (``failure``) by the visit or by leaving, before or after the event.

    Parameters
    ----------
    arm : int
        The trial's arm: who was randomised to it.
    as_arm : int
        The pool's arm: what they were given (``arm``, or the control under the prior without effect).
    cumulative : bool
        Whether an event before leaving still counts.
    """
    rows, who = trials.draw[:, None], trials.subject[arm]
    seen = np.minimum(trials.last_visit[arm], visit)
    happened = pool.events[event][as_arm, rows, who, seen]
    if not cumulative:
        happened &= trials.last_visit[arm] >= visit
    if failure is not None:
        happened &= ~pool.events[failure][as_arm, rows, who, seen]
    return happened.sum(axis=1)


def mean_change(pool: PotentialOutcomes, trials: Trials, measure: str, arm: int, as_arm: int,
                visit: int) -> NDArray[np.float64]:
    """Return the mean change from baseline of those still observed, shape (n_trial,); NaN with nobody left."""
    rows, who = trials.draw[:, None], trials.subject[arm]
    values = pool.measures[measure][as_arm, rows, who]
    change = values[:, :, visit] - values[:, :, 0]
    observed = (trials.last_visit[arm] >= visit) & np.isfinite(change)
    n = observed.sum(axis=1)
    total = np.where(observed, change, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def fisher_one_sided(a: NDArray[np.int64], n_a: int, b: NDArray[np.int64], n_b: int) -> NDArray[np.float64]:
    """Return the one-sided Fisher exact p value that arm a responds more than arm b, shape of ``a``."""
    return hypergeom.sf(a - 1, n_a + n_b, a + b, n_a)


def true_difference(pool: PotentialOutcomes, event: str, arm: int, control: int, visit: int,
                    failure: str | None = None) -> NDArray[np.float64]:
    """Return each draw's difference in event shares among its eligible subjects, shape (n_draw,).

    Nobody is lost. With ``failure`` the composite strategy of :func:`responders` holds here too: an event of
    that name by the visit makes a failure.
    """
    return true_share(pool, event, arm, visit, failure) - true_share(pool, event, control, visit, failure)


def true_share(pool: PotentialOutcomes, event: str, arm: int, visit: int,
               failure: str | None = None) -> NDArray[np.float64]:
    """Return each draw's share with an event among its eligible subjects in one arm, nobody lost, shape (n_draw,)."""
    happened = pool.events[event][arm, :, :, visit]
    if failure is not None:
        happened = happened & ~pool.events[failure][arm, :, :, visit]
    weight = pool.eligible / np.maximum(pool.eligible.sum(axis=1, keepdims=True), 1)
    return (happened * weight).sum(axis=1)


def judged(count: NDArray[np.int64], n: int, share: NDArray[np.float64], shift: NDArray[np.float64],
           u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the responders that people who know the treatment report.

    Failures are called responders, or responders failures, with the one probability that moves the true share by
    ``shift`` on the logit scale, as the fit moves the share of an open-label series.

    Parameters
    ----------
    count : ndarray of int64, shape (n_trial,)
        True responders of ``n`` patients.
    share : ndarray, shape (n_trial,)
        True share under the draw of each trial.
    shift : ndarray, shape (n_trial,)
        Open-label bias on the logit scale; 0 leaves the count as it is.
    u : ndarray, shape (n_trial,)
        Uniforms that decide.
    """
    inside = np.clip(share, 1e-9, 1.0 - 1e-9)
    moved = expit(logit(inside) + shift)
    up = np.clip((moved - inside) / (1.0 - inside), 0.0, 1.0)
    down = np.clip((inside - moved) / inside, 0.0, 1.0)
    gained = np.where(shift > 0, binom.ppf(u, n - count, up), 0.0)
    lost = np.where(shift < 0, binom.ppf(u, count, down), 0.0)
    return count + np.maximum(gained, 0.0).astype(np.int64) - np.maximum(lost, 0.0).astype(np.int64)
