"""A closer look at a forecast: everything of it that a summary over trials leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stroma.calibration.arm_pools import SolvedArms
from stroma.calibration.predict import Simulated, simulate_design, take_draws
from stroma.calibration.prediction import Forecast
from stroma.detail.carried import ASSUMED, SOURCED, Carried, carried
from stroma.detail.cell_fate import CellFate, cell_fate
from stroma.detail.disposition import ArmFlow, patient_flow
from stroma.detail.early import FirstWeek, first_week
from stroma.detail.flares import FlareCurve, flare_curves
from stroma.detail.one_trial import Patient, one_trial
from stroma.detail.remeasured import MOST_DRAWS, measured_twice
from stroma.detail.replicas import replicas
from stroma.detail.responses import arm_responses, compared, leanings
from stroma.detail.variance import DIFFERENCE, Variance, draw_moments, own_share, pooled
from stroma.disease import SWITCH
from stroma.engine.ensemble import Backend
from stroma.trial.design import TrialDesign

SHARE = "share"


@dataclass(frozen=True)
class Uncertainty:
    """The variance of the primary outcome's numbers taken apart, and who carries it.

    Parameters
    ----------
    unit : str
        :data:`SHARE` where the numbers are shares from 0 to 1, else the quantity whose mean change they are.
    variances : tuple of Variance
        Arm by arm, then the difference where there is one.
    carried : tuple of Carried
        In the same order, those whose emulator predicts something.
    """

    unit: str
    variances: tuple[Variance, ...]
    carried: tuple[Carried, ...]


@dataclass(frozen=True)
class Detail:
    """What a closer look shows; see the modules of this package for each part.

    Parameters
    ----------
    design : TrialDesign
        The trial as conducted.
    flow : tuple of ArmFlow
    flares : tuple of FlareCurve
        Empty in a disease without a flare hazard.
    fate : CellFate or None
    week : FirstWeek or None
    cumulative : bool
        Whether the primary outcome still counts after leaving.
    patients : tuple of Patient
        The first replicate of ``flow``, which is also the trial that the curves of ``flares`` show.
    visit_day : tuple of float
    uncertainty : Uncertainty or None
        Where asked for.
    """

    design: TrialDesign
    flow: tuple[ArmFlow, ...]
    flares: tuple[FlareCurve, ...]
    fate: CellFate | None
    week: FirstWeek | None
    cumulative: bool
    patients: tuple[Patient, ...]
    visit_day: tuple[float, ...]
    uncertainty: Uncertainty | None


def look_closer(forecast: Forecast, backend: Backend, solved: SolvedArms, uncertainty: bool = False) -> Detail:
    """Look closer at a forecast of this run.

    Parameters
    ----------
    forecast : Forecast
    backend : Backend
    solved : SolvedArms
        What the forecast kept; an arm that is not there is solved again.
    uncertainty : bool
        Whether to take the variance apart, which takes some seconds.

    Raises
    ------
    StromaError
        D002 the table of the cells' fate.
    """
    settings, design = forecast.settings, forecast.designs[-1]
    found = simulate_design(forecast.record, forecast.disease, forecast.designs[0],
                            take_draws(forecast.posterior, settings.draws, settings.seed), (), settings, backend,
                            solved=solved)
    made = replicas(found, design, settings)
    return Detail(design, patient_flow(made), flare_curves(made), cell_fate(found, settings, backend),
                  first_week(found), made.cumulative, one_trial(made),
                  tuple(float(d) for d in found.potential.visit_day),
                  _taken_apart(found, design, forecast, backend) if uncertainty else None)


def _taken_apart(found: Simulated, design: TrialDesign, forecast: Forecast, backend: Backend) -> Uncertainty:
    seed, pool, weight = forecast.settings.seed, found.potential, found.drawn.weights["current"]
    weight = weight * pool.eligible.any(axis=1)
    arms = arm_responses(found, design, pool)
    wanted = {a.label: [(1.0, i)] for i, a in enumerate(arms)}
    pair = compared(arms, design)
    if pair is not None:
        wanted[DIFFERENCE] = [(1.0, pair[0]), (-1.0, pair[1])]
    some = slice(0, min(MOST_DRAWS, found.drawn.draws.n))
    runs = measured_twice(found, forecast.settings, backend)
    first, again = (arm_responses(found, design, run, some) for run in runs)
    shared = runs[1].eligible
    disease, names = forecast.disease, found.drawn.draws.names
    switches = [i for i, n in enumerate(names) if disease.parameters[n].distribution == SWITCH]
    structure = np.unique(found.drawn.draws.scaled[:, switches], axis=0, return_inverse=True)[1].ravel()
    kinds = [ASSUMED if disease.parameters[n].confidence == ASSUMED else SOURCED for n in names]
    leaning, variances, moments = leanings(found, design, pool), [], {}
    for result, members in wanted.items():
        moments[result] = draw_moments([(s, arms[i]) for s, i in members], pool.eligible, pool.study_spread, leaning)
        own = own_share([first[i] for _, i in members], [again[i] for _, i in members], shared,
                        weight[some] * shared.any(axis=1))
        variances.append(pooled(result, moments[result], own, weight, found.drawn.group, structure, seed))
    return Uncertainty(design.outcomes[0].quantity or SHARE, tuple(variances),
                       carried(found.drawn.draws, moments, kinds, weight, seed))
