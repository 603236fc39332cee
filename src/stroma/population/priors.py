"""Priors of uncertain parameters: draws, densities, and the map to an unbounded scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr
from scipy.stats import truncnorm

from stroma.disease import SWITCH, Disease, Parameter
from stroma.streams import generator


def to_scale(parameter: Parameter, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map natural values to the scale on which the prior is normal (or uniform)."""
    if parameter.distribution == "lognormal":
        return np.log(value)
    if parameter.distribution == "logitnormal":
        return logit(value)
    return np.asarray(value, float)


def from_scale(parameter: Parameter, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo :func:`to_scale`, within the parameter's range."""
    if parameter.distribution == "lognormal":
        natural = np.exp(scaled)
    elif parameter.distribution == "logitnormal":
        natural = expit(scaled)
    elif parameter.distribution == SWITCH:
        natural = (np.asarray(scaled) >= 0.5).astype(float)
    else:
        natural = np.asarray(scaled, float)
    return np.clip(natural, parameter.lower, parameter.upper)


def limits(parameter: Parameter) -> tuple[float, float]:
    """Return the range on the prior's scale."""
    with np.errstate(divide="ignore"):
        lower, upper = to_scale(parameter, np.array([parameter.lower, parameter.upper]))
    return float(lower), float(upper)


def centre(parameter: Parameter) -> float:
    """Return the prior's median before truncation, on its scale."""
    return float(to_scale(parameter, np.array([parameter.value]))[0])


def sample_prior(disease: Disease, names: Sequence[str], count: int, seed: int) -> NDArray[np.float64]:
    """Draw from the independent truncated priors.

    Returns
    -------
    ndarray, shape (count, len(names))
        On the priors' scales.
    """
    columns = []
    for name in names:
        p = disease.parameters[name]
        u = generator(seed, f"prior/{name}").random(count)
        lower, upper = limits(p)
        if p.distribution == "uniform":
            columns.append(lower + u * (upper - lower))
        elif p.distribution == SWITCH:
            columns.append((u >= 1.0 - p.spread).astype(float))
        else:
            mid = centre(p)
            columns.append(truncnorm.ppf(u, (lower - mid) / p.spread, (upper - mid) / p.spread, mid, p.spread))
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0))


def log_prior(disease: Disease, names: Sequence[str], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log density of the truncated priors on their scales (of a switch its log weight), shape (n,)."""
    total = np.zeros(scaled.shape[0])
    for i, name in enumerate(names):
        p = disease.parameters[name]
        lower, upper = limits(p)
        x = scaled[:, i]
        inside = (x >= lower) & (x <= upper)
        if p.distribution == "uniform":
            density = np.full(x.shape, -np.log(upper - lower))
        elif p.distribution == SWITCH:
            density = np.log(np.where(x == 1.0, p.spread, 1.0 - p.spread))
            inside = (x == 0.0) | (x == 1.0)
        else:
            mid = centre(p)
            mass = ndtr((upper - mid) / p.spread) - ndtr((lower - mid) / p.spread)
            density = -0.5 * ((x - mid) / p.spread) ** 2 - np.log(p.spread * np.sqrt(2 * np.pi) * mass)
        total += np.where(inside, density, -np.inf)
    return total
