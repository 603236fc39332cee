"""Baseline covariates drawn from published marginals joined by a Gaussian copula."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import truncnorm

from stroma.disease import Disease
from stroma.errors import fail, nearest
from stroma.streams import normals
from stroma.tables import Row

ANY = "*"


def require_population(disease: Disease, population: str) -> None:
    """Refuse a population that ``disease.toml`` does not list.

    Raises
    ------
    StromaError
        P001.
    """
    known = disease.config["populations"]
    if population not in known:
        raise fail("P001", f"`{disease.disease_id}` has no population `{population}`",
                   hint=nearest(population, known))


def baseline_rows(disease: Disease, population: str) -> list[Row]:
    """Return one row a covariate: the population's own where it has one, the general one otherwise.

    Raises
    ------
    StromaError
        P001 for a population that ``disease.toml`` does not list.
    """
    require_population(disease, population)
    rows: dict[str, Row] = {}
    for row in disease.baselines:
        if row.text("population") in (ANY, population):
            name = row.text("covariate")
            if name not in rows or row.text("population") != ANY:
                rows[name] = row
    return list(rows.values())


def copula_root(disease: Disease, covariates: list[str]) -> NDArray[np.float64]:
    """Return a square root of the correlation matrix of the latent normals, shape (k, k).

    The published coefficients are taken as those of the latent normals. If together they are not a
    correlation matrix, the nearest one by clipping negative eigenvalues is used.
    """
    k = len(covariates)
    matrix = np.eye(k)
    for row in disease.correlations:
        i, j = covariates.index(row.text("first")), covariates.index(row.text("second"))
        matrix[i, j] = matrix[j, i] = row.known("r")
    value, vector = np.linalg.eigh(matrix)
    root = vector * np.sqrt(np.clip(value, 1e-9, None))
    return root / np.sqrt((root**2).sum(axis=1, keepdims=True))


def sample_baselines(disease: Disease, population: str, seed: int,
                     subject: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Draw baseline covariates.

    Parameters
    ----------
    disease : Disease
    population : str
        One of the disease's populations.
    seed : int
    subject : ndarray of int64, shape (n,)
        Subject numbers; a subject's draw depends on its own number only.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Every covariate of ``baselines.csv``, within its physiological range.

    Source
    ------
    Marginals and correlations: the disease's ``baselines.csv`` and ``correlations.csv``.
    """
    rows = baseline_rows(disease, population)
    names = [r.text("covariate") for r in rows]
    latent = normals(seed, f"baseline/{disease.disease_id}", subject, len(names)) @ copula_root(disease, names).T
    return {name: _marginal(row, latent[:, i]) for i, (name, row) in enumerate(zip(names, rows, strict=True))}


def _marginal(row: Row, latent: NDArray[np.float64]) -> NDArray[np.float64]:
    location, lower, upper = row.known("location"), row.known("lower"), row.known("upper")
    if row.text("distribution") == "bernoulli":
        return (latent < ndtri(location)).astype(float)
    scale = row.known("scale")
    log = row.text("distribution") == "lognormal"
    a, b = (np.log(lower), np.log(upper)) if log else (lower, upper)
    drawn = truncnorm.ppf(ndtr(latent), (a - location) / scale, (b - location) / scale, location, scale)
    return np.exp(drawn) if log else drawn
