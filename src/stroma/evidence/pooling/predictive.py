"""How many patients of a new trial will have an event, from counts of earlier studies.

Each study has a hazard of its own; the logs of these hazards are normal about a common one with spread tau. What is
known of the common hazard and of tau is kept as a grid of weights, so that studies without any event, a single study
and a badly known spread all widen the answer instead of breaking it.

Source: binomial-normal model of Stijnen, Hamza, Ozdemir, Stat Med 2010;29:3046, doi 10.1002/sim.4040, with
log-minus-log in place of logit so that time at risk counts; half-normal prior of a spread of logs as in Rover et al.,
Res Synth Methods 2021;12:448, doi 10.1002/jrsm.1475.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPREAD = 1.0
"""SD of the half-normal prior of tau: nine in ten below 1.6, a fivefold hazard. Assumed; the doi uses 0.5 and 1."""
_POINTS = 600
_SPREADS = 41


@dataclass(frozen=True)
class EventRate:
    """What earlier studies tell of the share of patients with an event by the day of a new trial.

    Parameters
    ----------
    log_hazard : ndarray, shape (n_share,)
        Log of the cumulative hazard by that day.
    spread : ndarray, shape (n_spread,)
        Between-study SD of the log hazards.
    weight : ndarray, shape (n_share, n_spread)
        Posterior weights; they sum to one.
    """

    log_hazard: NDArray[np.float64]
    spread: NDArray[np.float64]
    weight: NDArray[np.float64]

    def shares(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the share of patients with the event in new studies, shape (count,)."""
        position = (rng.permutation(count) + rng.random(count)) / count
        flat = np.cumsum(self.weight.ravel())
        at = np.searchsorted(flat / flat[-1], position).clip(0, flat.size - 1)
        i, j = np.unravel_index(at, self.weight.shape)
        width = self.log_hazard[1] - self.log_hazard[0]
        eta = self.log_hazard[i] + width * (rng.random(count) - 0.5) + self.spread[j] * rng.standard_normal(count)
        return -np.expm1(-np.exp(eta))


def learn_rate(events: Sequence[int], patients: Sequence[int], days: Sequence[float], day: float,
               spread: float = SPREAD) -> EventRate:
    """Learn the hazard and its spread from studies.

    Parameters
    ----------
    events, patients : sequence of int
        Patients with the event, and patients observed, study by study.
    days : sequence of float
        How long each study looked; the hazard is taken as constant.
    day : float
        Follow-up of the new trial. At that day the share of the median study has the prior Beta(1/2, 1/2).
    spread : float
        SD of the half-normal prior of tau; 0 takes the studies as alike.

    Checked by
    ----------
    ``tests/unit/test_event_rate.py``: alike studies of the new trial's length give the beta-binomial; very many
    large studies give the normal distribution of their own log hazards.
    """
    x, n, t = (np.asarray(c, float) for c in (events, patients, days))
    eta = np.linspace(math.log(1e-7), math.log(-math.log(1e-7)), _POINTS)
    tau = np.linspace(0.0, 3.5 * spread, _SPREADS) if spread > 0 else np.zeros(1)
    own = np.stack([_log_likelihood(a, b, eta + math.log(c / day)) for a, b, c in zip(x, n, t, strict=True)])
    peak = own.max(axis=1, keepdims=True)
    # Density of eta under Beta(1/2, 1/2) of p: dp / d eta = (1 - p) exp(eta).
    p = -np.expm1(-np.exp(eta))
    log_weight = (-0.5 * np.log(p) + 0.5 * np.log1p(-p) + eta)[:, None] + np.zeros(tau.size)
    for j, width in enumerate(tau):
        log_weight[:, j] += np.log(_smoothed(np.exp(own - peak), eta, width) + 1e-300).sum(axis=0)
        log_weight[:, j] -= 0.5 * (width / spread) ** 2 if spread > 0 else 0.0
    weight = np.exp(log_weight - log_weight.max())
    return EventRate(eta, tau, weight / weight.sum())


def _log_likelihood(events: float, patients: float, log_hazard: NDArray[np.float64]) -> NDArray[np.float64]:
    hazard = np.exp(np.minimum(log_hazard, 50.0))
    return events * np.log(np.maximum(-np.expm1(-hazard), 1e-300)) - (patients - events) * hazard


def _smoothed(values: NDArray[np.float64], eta: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return each row averaged over a normal deviation of ``eta``, shape (n_study, n_eta)."""
    if width == 0.0:
        return values
    kernel = np.exp(-0.5 * ((eta[:, None] - eta[None, :]) / width) ** 2)
    return values @ (kernel / kernel.sum(axis=0))
