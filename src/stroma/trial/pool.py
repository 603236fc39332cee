"""Stage one, the pool: every subject through the model under an arm. Nothing here draws noise."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroma.disease import Disease
from stroma.engine.delivered import DeliveredError
from stroma.engine.ensemble import Backend, Doses, EnsembleProblem, Status, Tolerance
from stroma.errors import fail, nearest
from stroma.population.subjects import Subjects
from stroma.streams import uniforms
from stroma.therapy import Therapy

YEAR = 365.25
MOST_FLARES = 32


@dataclass(frozen=True)
class Pool:
    """Trajectories of one arm: what would happen to each subject there.

    Parameters
    ----------
    subjects : Subjects
    visit_day : ndarray, shape (n_visit,)
    states : dict of str to ndarray, shape (n_subject, n_visit)
        Model outputs at the visits; NaN for a subject that could not be solved.
    status : ndarray of int8, shape (n_subject,)
    key : str
        Content hash of everything that went in.
    checked : DeliveredError or None
        What the engine found out about its accuracy, where it is watched.
    """

    subjects: Subjects
    visit_day: NDArray[np.float64]
    states: Mapping[str, NDArray[np.float64]]
    status: NDArray[np.int8]
    key: str
    checked: DeliveredError | None = None

    @property
    def solved(self) -> NDArray[np.bool_]:
        """Return which subjects have values."""
        return self.status == Status.OK


def needed_outputs(disease: Disease) -> tuple[str, ...]:
    """Return the model outputs that the observables, items and hazards of a disease read."""
    names = {r.text("formula") for r in disease.observables} | {r.text("driver") for r in disease.items}
    return tuple(sorted((names | {disease.config["rescue"]["driver"]}) & set(disease.model.outputs)))


def treated(disease: Disease, subjects: Subjects, therapies: Sequence[Therapy]) -> Subjects:
    """Return the subjects with the properties of the arm's cell product in their parameters."""
    column = {name: i for i, name in enumerate(disease.model.parameters)}
    table = subjects.parameters.copy()
    for therapy in therapies:
        if therapy.kind != "cells":
            continue
        quality = subjects.value(disease, "product_quality") * float(therapy.product["potency"]["spread"])
        potency = table[:, column["host_potency"]] * therapy.value("potency") * np.exp(quality)
        limit = disease.parameters["host_potency"]
        table[:, column["host_potency"]] = np.clip(potency, limit.lower, limit.upper)
        if therapy.thawed:
            table[:, column["licence_thaw"]] = therapy.value("licensing_thawed")
    return replace(subjects, parameters=table)


def arm_doses(disease: Disease, subjects: Subjects, therapies: Sequence[Therapy], seed: int,
              horizon: float) -> Doses:
    """Return exact additions for every subject: drugs, cells, and the subject's own flares.

    Parameters
    ----------
    disease : Disease
    subjects : Subjects
    therapies : sequence of Therapy
        Cell products carry their dose.
    seed : int
    horizon : float
        Last day that matters; later additions are left out.

    Raises
    ------
    StromaError
        D012 for a therapy that acts on a state which the disease does not have.
    """
    index = {name: i for i, name in enumerate(disease.model.states)}
    n = subjects.n
    day: list[NDArray[np.float64]] = []
    state: list[int] = []
    amount: list[NDArray[np.float64]] = []

    def add(name: str, when: float | NDArray[np.float64], much: float | NDArray[np.float64]) -> None:
        state.append(index[name])
        day.append(np.broadcast_to(np.asarray(when, float), (n,)))
        amount.append(np.broadcast_to(np.asarray(much, float), (n,)))

    for therapy in therapies:
        if missing := therapy.states - index.keys():
            raise fail("D012", f"`{disease.disease_id}` has no state `{min(missing)}` for `{therapy.therapy_id}`",
                       hint=f"{nearest(min(missing), index)}; a product for a joint does not fit a disease without one")
        for name, when, much in therapy.doses:
            if when < horizon:
                add(name, when, much)
        if therapy.cell_dose is not None:
            cells = therapy.cell_dose.cells(subjects.covariates["weight"])
            lost = therapy.value("loss_thawed" if therapy.thawed else "loss_fresh")
            alive = cells * therapy.value("viability") * (1.0 - lost)
            living, dead = therapy.cell_states
            for when in therapy.cell_dose.days:
                add(living, when, alive)
                add(dead, when, cells - alive)
    for flare in disease.config.get("flare", ()):
        size = subjects.value(disease, flare["size"])
        for when in _flare_days(disease, subjects, flare, seed, horizon):
            add(flare["state"], np.minimum(when, horizon), np.where(when < horizon, size, 0.0))
    if not state:
        return Doses.none(n)
    days, amounts = np.stack(day, axis=1), np.stack(amount, axis=1)
    order = np.argsort(days, axis=1, kind="stable")
    states = np.broadcast_to(np.array(state, np.int64), days.shape)
    take = np.take_along_axis
    return Doses(np.arange(n + 1, dtype=np.int64) * len(state), take(days, order, 1).ravel(),
                 take(states, order, 1).ravel(), take(amounts, order, 1).ravel())


def _flare_days(disease: Disease, subjects: Subjects, flare: Mapping[str, str], seed: int,
                horizon: float) -> NDArray[np.float64]:
    """Return the day of the first, second, ... flare of every subject, shape (n_flare, n): a Poisson process.

    As many rows as the most flares that anybody has before the horizon, at most :data:`MOST_FLARES`.
    """
    hazard = subjects.value(disease, flare["hazard"]) / YEAR
    uniform = uniforms(seed, f"flares/{flare['state']}", subjects.subject, MOST_FLARES)
    days = np.cumsum(-np.log(uniform), axis=1).T / hazard
    return days[:int((days < horizon).sum(axis=0).max(initial=0))]


def solve_pool(disease: Disease, subjects: Subjects, therapies: Sequence[Therapy], visit_day: NDArray[np.float64],
               seed: int, backend: Backend, tolerance: Tolerance,
               outputs: tuple[str, ...] | None = None) -> Pool:
    """Solve one arm for all subjects.

    Parameters
    ----------
    visit_day : ndarray, shape (n_visit,)
        Increasing, starting at 0.
    outputs : tuple of str, optional
        Model outputs to keep; by default what the disease's observables read.

    Returns
    -------
    Pool
        A failed subject has missing values and its status.
    """
    names = outputs or needed_outputs(disease)
    people = treated(disease, subjects, therapies)
    doses = arm_doses(disease, people, therapies, seed, float(visit_day[-1]))
    problem = EnsembleProblem(disease.model, people.parameters, visit_day, names, doses)
    solved = backend.solve_ensemble(problem, tolerance)
    digest = hashlib.sha256(disease.model.content_hash.encode())
    for array in (people.parameters, visit_day, doses.t_day, doses.amount, doses.state, doses.offset):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr((names, tolerance, backend.name)).encode())
    states = {name: solved.values[:, :, i] for i, name in enumerate(names)}
    return Pool(people, visit_day, states, solved.status, digest.hexdigest()[:16], solved.checked)
