"""What the fit learnt about each parameter: prior, posterior, contraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bernoulli, truncnorm, uniform

from stroma.calibration.cell_weights import SCEPTICAL_MEDIAN, SCEPTICAL_SPREAD
from stroma.calibration.posterior import Posterior
from stroma.disease import SWITCH, Disease, Parameter
from stroma.population.priors import centre, from_scale, limits, to_scale

POINTS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Learnt:
    """One uncertain parameter before and after the fit.

    Parameters
    ----------
    parameter : Parameter
    prior, posterior : tuple of float
        5, 50 and 95 % points on the natural scale; of a switch 0, the weight of 1, and 1.
    contraction : float
        1 - variance of the posterior / variance of the prior, on the prior's scale; 0 learnt nothing, 1 all.
    """

    parameter: Parameter
    prior: tuple[float, ...]
    posterior: tuple[float, ...]
    contraction: float


def prior_of(disease: Disease, parameter: Parameter, prior: str = "current") -> Any:
    """Return SciPy's frozen distribution of a parameter on its prior's scale.

    Parameters
    ----------
    prior : str
        Named prior; ``sceptical`` has its own median and spread for the amplitude of the cells.
    """
    lower, upper = limits(parameter)
    if parameter.distribution == "uniform":
        return uniform(lower, upper - lower)
    if parameter.distribution == SWITCH:
        return bernoulli(parameter.spread)
    mid, spread = centre(parameter), parameter.spread
    if prior == "sceptical" and parameter.parameter_id == disease.amplitude:
        mid, spread = float(to_scale(parameter, np.array([SCEPTICAL_MEDIAN]))[0]), SCEPTICAL_SPREAD
    return truncnorm((lower - mid) / spread, (upper - mid) / spread, mid, spread)


def learnt(disease: Disease, posterior: Posterior, name: str, prior: str = "current") -> Learnt:
    """Compare posterior and prior of one parameter under a named prior."""
    parameter = disease.parameters[name]
    before = prior_of(disease, parameter, prior)
    scaled, weight = posterior.scaled[:, posterior.names.index(name)], posterior.weights[prior]
    mean = float((weight * scaled).sum())
    variance = float((weight * (scaled - mean) ** 2).sum())

    contraction = 1.0 - variance / float(before.var())
    if parameter.distribution == SWITCH:
        return Learnt(parameter, (0.0, parameter.spread, 1.0), (0.0, mean, 1.0), contraction)

    def natural(points: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(float(x) for x in from_scale(parameter, points))

    return Learnt(parameter, natural(before.ppf(POINTS)), natural(_weighted(scaled, weight)), contraction)


def _weighted(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(values, kind="stable")
    edges = np.cumsum(weight[order])
    return values[order][np.searchsorted(edges / edges[-1], POINTS).clip(0, values.size - 1)]


def learnt_all(disease: Disease, posterior: Posterior) -> tuple[Learnt, ...]:
    """Compare every uncertain parameter, in the order of the table."""
    return tuple(learnt(disease, posterior, name) for name in disease.uncertain)
