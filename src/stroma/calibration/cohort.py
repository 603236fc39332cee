"""A cohort of simulated patients in one arm, as a table: for looking at courses, not for forecasting a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stroma.calibration.posterior import PRIORS, choose_posterior
from stroma.calibration.predictive import posterior_draws
from stroma.calibration.simulate import TOLERANCE, people_of
from stroma.calibration.what_if import set_parameters
from stroma.disease import load_disease
from stroma.engine.backends import backend
from stroma.errors import Problems, fail, nearest
from stroma.population.baseline import require_population
from stroma.trial.changes import read_scenario
from stroma.trial.given import given_therapies
from stroma.trial.observe import observe
from stroma.trial.pool import solve_pool

if TYPE_CHECKING:
    import pyarrow

VISITS = (0.0, 30.0, 90.0, 180.0, 365.0)


def simulate(disease: str, therapies: Sequence[str] = (), *, dose: str = "", days: Sequence[float] = VISITS,
             n: int = 200, population: str = "", prior: str = "current",
             parameters: Mapping[str, float] | None = None, seed: int = 1, fit: str = "") -> pyarrow.Table:
    """Simulate a cohort of patients in one arm. SIMULATED, not medical advice.

    Each patient has a draw of the posterior of his own. The same seed gives the same patients and the same noise in
    every arm, so that two calls can be compared patient by patient.

    Parameters
    ----------
    disease : str
        For example ``sle``.
    therapies : sequence of str
        Products and drugs by id; `stroma list products` and `stroma list drugs` print them.
    dose : str
        Cells of one infusion, for example ``1e6/kg@day0,7``; needed with a product.
    days : sequence of float
        Visits; day 0 is the day before anything is given.
    n : int
        Patients.
    population : str
        One of the disease's; the first by default.
    prior : {"current", "sceptical", "enthusiastic", "none"}
        Of the effect of the cells; ``none`` leaves them without effect.
    parameters : mapping of str to float, optional
        Parameters set to one value for everybody.
    fit : str
        ``current`` or ``before:DATE``; the shipped fit by default.

    Returns
    -------
    pyarrow.Table
        One row a patient and visit, patients in order: ``subject``, ``day`` and every quantity that the disease
        measures, units as in ``library/vocabulary/quantities.csv``. A patient who could not be solved is missing.

    Raises
    ------
    StromaError
        D001, D010, P001, T205, T221, T222, U004, U005, C020 to C022, C040; C023 for an unknown prior or no patient.
    """
    import pyarrow as pa

    loaded, problems = load_disease(disease), Problems()
    if prior not in PRIORS:
        problems.add("C023", f"`{prior}` is no prior of the effect of the cells", hint=nearest(prior, PRIORS))
    if n < 1:
        problems.add("C023", f"{n} patients cannot be simulated", hint="n is 1 or more")
    problems.raise_if_any()
    people = population or loaded.config["populations"][0]
    require_population(loaded, people)
    given = given_therapies(therapies, dose)
    drawn = posterior_draws(choose_posterior(loaded, fit), prior, n, seed)
    if prior == "none":
        given = [t for t in given if t.kind != "cells"]
    fixed = "; ".join(f"{name}={value!r}" for name, value in (parameters or {}).items())
    changed, draws = set_parameters(loaded, drawn, read_scenario(fixed, loaded).parameters if fixed else {})
    visits = np.unique(np.append(0.0, np.asarray(days, float)))
    if not np.isfinite(visits).all() or visits[0] < 0 or visits[-1] > float(loaded.config["horizon_day"]):
        raise fail("T205", f"visits lie within days 0 to {loaded.config['horizon_day']}")
    pool = solve_pool(changed, people_of(changed, draws, 1, people, "", seed), given,
                      visits, seed, backend("cpu"), TOLERANCE)
    table = {"subject": np.repeat(np.arange(n), visits.size), "day": np.tile(visits, n)}
    for name, values in observe(changed, pool, seed).items():
        table[name] = np.broadcast_to(values, (n, visits.size)).reshape(-1)
    wanted = np.repeat(pool.solved, visits.size) & np.isin(table["day"], np.asarray(days, float))
    return pa.table({name: values[wanted] for name, values in table.items()},
                    metadata={"stroma": "SIMULATED, not medical advice"})
