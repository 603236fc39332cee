"""How probable the published numbers are under each draw, with spread between studies.

Every number of one study and outcome shares one study effect; each arm adds its sampling error. Both live
on the scale of the statistic: logit of a share, mean change, log ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stroma.calibration.logits import empirical_logit
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.trial.rules import ResponseRule

# How far one logit of study effect moves a log ratio. Assumed: a logit of 0.5 moves a mean by about a quarter SD.
LOG_RATIO_SCALE = 0.6
# In a study blinded so, the patients do not know what they got.
BLINDED = frozenset({"double_blind", "triple_blind", "single_blind", "double_blind_then_open"})
CONTROLLED = frozenset({"rct", "controlled"})
SHARES = frozenset({"proportion", "hazard"})


def observed_value(target: Target) -> float:
    """Return the published number on the likelihood's scale; shares with half a patient added on both sides."""
    if target.kind in SHARES:
        return float(empirical_logit(np.asarray(target.observed), np.asarray(target.n)))
    return target.observed


def effect_scale(disease: Disease, kind: str, quantity: str) -> float:
    """Return how far one logit of study effect moves a statistic: a share, a mean change or a log ratio."""
    if kind in SHARES:
        return 1.0
    return disease.measures[quantity].study_scale if kind == "change" else LOG_RATIO_SCALE


def open_label_shift(disease: Disease, rules: Mapping[str, ResponseRule], target: Target,
                     values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return how far knowing that cells were given moves a target, shape (n_draw,).

    Nothing where patients did not know; else the outcome's own bias, or that of responses.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n_draw,)
        Parameters on their natural scale.
    """
    if target.blinding in BLINDED:
        return np.zeros_like(values["open_label_response"])
    return open_label_bias(disease, rules, target.kind, target.quantity, values)


def open_label_bias(disease: Disease, rules: Mapping[str, ResponseRule], kind: str, quantity: str,
                    values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return how far a statistic moves, to the better, where patients know their treatment, shape (n_draw,).

    Parameters
    ----------
    kind, quantity : str
        As of a target.
    """
    response = values["open_label_response"]
    if kind in SHARES:
        return rules[quantity].improves * response
    measure = disease.measures[quantity]
    if measure.is_read_blind:
        return np.zeros_like(response)
    if measure.open_label:
        return values[measure.open_label]
    return measure.improves * response * effect_scale(disease, kind, quantity)


def cells_spread(disease: Disease, target: Target, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the between-study SD of an arm with cells: that of trials, or of uncontrolled series, shape (n_draw,)."""
    spread = values["study_spread"]
    if target.design in CONTROLLED:
        return spread
    return np.full_like(spread, disease.parameters["series_spread"].value)


class Likelihood:
    """The density of a list of published numbers, given predictions.

    Parameters
    ----------
    disease : Disease
    targets : sequence of Target
    """

    def __init__(self, disease: Disease, targets: Sequence[Target]) -> None:
        self.trials = tuple(dict.fromkeys(t.trial for t in targets))
        groups = list(dict.fromkeys((t.trial, t.outcome) for t in targets))
        # Indicators: which block (trial and outcome, one study effect) a target belongs to; which trial a block.
        self._block = np.array([[(t.trial, t.outcome) == g for g in groups] for t in targets], float)
        self._trial = np.array([[g[0] == trial for trial in self.trials] for g in groups], float)
        self._share = np.array([t.kind in SHARES for t in targets])
        self._n = np.array([t.n for t in targets])
        self._variance = np.array([0.0 if t.kind in SHARES else t.standard_error**2 for t in targets])
        self._scale = np.array([effect_scale(disease, t.kind, t.quantity) for t in targets])
        self._observed = np.array([observed_value(t) for t in targets])

    def sampling_variance(self, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sampling variance of every arm's statistic at its prediction, shape of ``predicted``."""
        share = (expit(np.clip(predicted, -6.0, 6.0)) * self._n + 0.5) / (self._n + 1.0)
        return np.where(self._share, 1.0 / (self._n * share * (1.0 - share)), self._variance)

    def by_trial(self, predicted: NDArray[np.float64], spread: NDArray[np.float64],
                 shift: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the log likelihood of every trial under every draw.

        Parameters
        ----------
        predicted : ndarray, shape (n_draw, n_target)
        spread : ndarray, shape (n_draw,)
            Between-study SD on the logit scale.
        shift : ndarray, shape (n_draw, n_target), optional
            Added to the prediction (open-label bias).

        Returns
        -------
        ndarray, shape (n_draw, n_trial)
            Columns in the order of ``trials``. The covariance of a block is diag(own) + s s', so that
            the matrix determinant lemma and Sherman-Morrison give density without an inverse.
        """
        mean = predicted if shift is None else predicted + shift
        own = self.sampling_variance(mean)
        residual = self._observed - mean
        shared = spread[:, None] * self._scale
        a = 1.0 + (shared**2 / own) @ self._block
        b = (shared * residual / own) @ self._block
        quadratic = (residual**2 / own) @ self._block - b**2 / a
        log_det = np.log(own) @ self._block + np.log(a)
        size = self._block.sum(axis=0)
        return (-0.5 * (quadratic + log_det + size * np.log(2 * np.pi))) @ self._trial

    def total(self, predicted: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log likelihood of everything under every draw, shape (n_draw,)."""
        return self.by_trial(predicted, spread).sum(axis=1)
