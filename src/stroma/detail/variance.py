"""Uncertainty taken apart: how much of the variance of a trial's own number each source brings.

By the law of total variance that variance is the sum of structure (which variant of the model holds), parameters
within it, between studies (which patients a centre enrols, or how it measures), between patients (who of them) and
sampling (measurement, and who leaves: what another run would give the same patients). Finite patients blur the mean
of a draw; the blur is estimated and taken off the variance over draws, as in the analysis of variance of a nested
simulation (Sun, Apley and Staum 2011, doi 10.1287/opre.1110.0950).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.detail.responses import ArmResponses
from stroma.streams import generator

SOURCES = ("sampling", "patients", "studies", "parameters", "structure")
DIFFERENCE = "difference"
_NODES, _RESAMPLES = 15, 200
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Variance:
    """The variance of one number, source by source.

    Parameters
    ----------
    result : str
        An arm's label, or :data:`DIFFERENCE`.
    mean : float
    parts, errors : dict of str to float
        By :data:`SOURCES`, and their Monte Carlo standard errors (resampled background draws). A part is never below
        zero: what noise makes negative is set to zero.
    """

    result: str
    mean: float
    parts: Mapping[str, float]
    errors: Mapping[str, float]

    @property
    def total(self) -> float:
        """Return the whole variance."""
        return sum(self.parts.values())

    def share(self, source: str) -> float:
        """Return the share of a source, 0 to 1."""
        return self.parts[source] / self.total if self.total > 0 else 0.0


@dataclass(frozen=True)
class DrawMoments:
    """What every draw contributes to the variance of one number; each shape (n_draw,).

    Parameters
    ----------
    mean : ndarray
        Mean of the number, averaged over study effects.
    blur : ndarray
        Variance of ``mean`` that finite patients bring.
    studies, within : ndarray
        Variance between studies; of patients and sampling together, divided by arm sizes already.
    """

    mean: Array
    blur: Array
    studies: Array
    within: Array


def pooled(result: str, moments: DrawMoments, own: float, weight: Array, group: NDArray[np.int64],
           structure: NDArray[np.int64], seed: int) -> Variance:
    """Put the draws together.

    Parameters
    ----------
    own : float
        Share of ``within`` that is the patients' own.
    weight : ndarray, shape (n_draw,)
    group : ndarray, shape (n_draw,)
        Draws that share their background; they are resampled together.
    structure : ndarray, shape (n_draw,)
        Which variant of the model a draw has.
    """
    rng = generator(seed, f"resampled draws/{result}")
    size = int(group.max()) + 1
    times = rng.multinomial(size, np.full(size, 1.0 / size), size=_RESAMPLES)
    parts = _parts(moments, own, weight, structure)
    again = np.array([list(_parts(moments, own, weight * t[group], structure).values()) for t in times])
    return Variance(result, float(weight @ moments.mean / weight.sum()), parts,
                    dict(zip(parts, again.std(axis=0).tolist(), strict=True)))


def _parts(moments: DrawMoments, own: float, weight: Array, structure: NDArray[np.int64]) -> dict[str, float]:
    w = weight / weight.sum()
    blur, inside = float(w @ moments.blur), float(w @ moments.within)
    between = weighted_variance(moments.mean, w) - blur
    variants = [w * (structure == v) for v in np.unique(structure[w > 0])]
    within = sum(x.sum() * weighted_variance(moments.mean, x / x.sum()) for x in variants) - blur
    parameters = max(within if len(variants) > 1 else between, 0.0)
    return {"sampling": (1.0 - own) * inside, "patients": own * inside, "studies": float(w @ moments.studies),
            "parameters": parameters, "structure": max(between - parameters, 0.0) if len(variants) > 1 else 0.0}


def weighted_variance(values: Array, weight: Array) -> float:
    """Return the variance under weights that sum to one, corrected for their effective number."""
    lost = 1.0 - float(weight @ weight)
    mean = weight @ values
    return float(weight @ (values - mean) ** 2) / lost if lost > 1e-12 else 0.0


def draw_moments(arms: Sequence[tuple[float, ArmResponses]], eligible: NDArray[np.bool_], study_spread: Array,
                 leaning: Array | None) -> DrawMoments:
    """Return the moments of a signed sum of arms.

    Parameters
    ----------
    arms : sequence of (sign, ArmResponses)
    eligible : ndarray of bool, shape (n_draw, n_subject)
    study_spread : ndarray, shape (n_draw,)
        SD of the study effect, logit.
    leaning : ndarray, shape (n_draw, n_subject), or None
        What a study effect tilts enrolment by; None where it tilts none.
    """
    total = np.sum([sign * arm.slope[:, None] * arm.value for sign, arm in arms], axis=0)
    level = np.sum([sign * arm.level for sign, arm in arms], axis=0)
    nodes, share = np.polynomial.hermite_e.hermegauss(1 if leaning is None else _NODES)
    share = share / share.sum()
    means, blur, within = [], np.zeros(level.shape), np.zeros(level.shape)
    for node, each in zip(nodes, share, strict=True):
        w = enrolled(eligible, study_spread, leaning, float(node))
        means.append(level + (w * total).sum(axis=1))
        blur += each * weighted_covariance(total, total, w) * (w**2).sum(axis=1)
        within += each * np.sum([_single(arm, w) / arm.size for _, arm in arms], axis=0)
    table = np.stack(means)
    mean = share @ table
    added = np.sum([sign * arm.effect_sd for sign, arm in arms], axis=0) ** 2
    return DrawMoments(mean, blur, share @ (table - mean) ** 2 + added, within)


def own_share(first: Sequence[ArmResponses], again: Sequence[ArmResponses], eligible: NDArray[np.bool_],
              weight: Array) -> float:
    """Return the share of the variance within draws that is the patients' own, from two runs of the same patients.

    Parameters
    ----------
    weight : ndarray, shape (n_draw,)
    """
    w = enrolled(eligible, np.zeros(weight.size), None, 0.0)
    own, whole = np.zeros(weight.size), np.zeros(weight.size)
    for a, b in zip(first, again, strict=True):
        own += a.slope * b.slope * weighted_covariance(a.value, b.value, w) / a.size
        whole += 0.5 * (_single(a, w) / a.size + _single(b, w) / b.size)
    total = float(weight @ whole)
    return float(np.clip(float(weight @ own) / total, 0.0, 1.0)) if total > 0 else 0.0


def _single(arm: ArmResponses, weight: Array) -> Array:
    """Return the variance of one enrolled patient's contribution in each draw, shape (n_draw,)."""
    if arm.share:
        mean = np.clip(arm.level + arm.slope * (weight * arm.value).sum(axis=1), 0.0, 1.0)
        return mean * (1.0 - mean)
    return arm.slope**2 * weighted_covariance(arm.value, arm.value, weight)


def enrolled(eligible: NDArray[np.bool_], study_spread: Array, leaning: Array | None, deviation: float) -> Array:
    """Return everybody's chance to be the next enrolled at one study effect, shape (n_draw, n_subject)."""
    chance = eligible.astype(float)
    if leaning is not None:
        chance *= np.exp(deviation * study_spread[:, None] * (leaning - leaning.mean(axis=1, keepdims=True)))
    return chance / np.maximum(chance.sum(axis=1, keepdims=True), 1e-300)


def weighted_covariance(a: Array, b: Array, weight: Array) -> Array:
    """Return the weighted covariance within every draw, corrected for the number of patients, shape (n_draw,)."""
    kept = 1.0 - (weight**2).sum(axis=1)
    joint = (weight * a * b).sum(axis=1) - (weight * a).sum(axis=1) * (weight * b).sum(axis=1)
    return np.where(kept > 1e-9, joint / np.maximum(kept, 1e-9), 0.0)
