"""What if: scenarios beside the trial as planned, with the same patients, draws and chance in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import SolvedArms
from stroma.calibration.predict import Simulated, simulate_design, take_draws
from stroma.calibration.prediction import Forecast, OutcomeForecast, Progress, ScenarioForecast, Settings, Shift
from stroma.calibration.replicates import Replicates, is_compared
from stroma.calibration.simulate import Draws
from stroma.calibration.summaries import MAIN, clustered_error, weighted_points
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import Problems, StromaError
from stroma.population.priors import to_scale
from stroma.trial.changes import Scenario, changed
from stroma.trial.design import TrialDesign
from stroma.trial.ready import Claim

PRIOR = "current"
AS_PLANNED = "as planned"


@dataclass(frozen=True)
class Asked:
    """A scenario to compare, with the claims that it answers and why it is asked."""

    scenario: Scenario
    claims: tuple[Claim, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class _Run:
    """One design replicated: its primary outcome arm by arm, and its comparison where there is one."""

    design: TrialDesign
    outcomes: tuple[OutcomeForecast, ...]
    compared: Replicates | None


def set_parameters(disease: Disease, draws: Draws, values: dict[str, float]) -> tuple[Disease, Draws]:
    """Return disease and draws with some parameters at one value: an uncertain one in every draw alike."""
    if not values:
        return disease, draws
    parameters = dict(disease.parameters)
    scaled = draws.scaled.copy()
    for name, value in values.items():
        if name in draws.names:
            scaled[:, draws.names.index(name)] = to_scale(parameters[name], np.array([value]))[0]
        parameters[name] = replace(parameters[name], value=value)
    return replace(disease, parameters=parameters), Draws(draws.names, scaled)


def designs_of(planned: TrialDesign, asked: Sequence[Asked], disease: Disease) -> list[TrialDesign]:
    """Return the design of every scenario.

    Raises
    ------
    StromaError
        T205, T222 for every change that this trial cannot have; all at once.
    """
    problems, designs = Problems(), []
    for one in asked:
        try:
            designs.append(changed(planned, one.scenario, disease))
        except StromaError as error:
            problems.extend(error)
    problems.raise_if_any()
    return designs


def compare(found: Forecast, asked: Sequence[Asked], designs: Sequence[TrialDesign], settings: Settings,
            backend: Backend, solved: SolvedArms, progress: Progress | None = None) -> Forecast:
    """Return the forecast with scenarios beside it, the trial as planned first.

    Parameters
    ----------
    found : Forecast
        Of the trial as planned.
    asked : sequence of Asked
    designs : sequence of TrialDesign
        One a scenario, from :func:`designs_of`.
    solved : SolvedArms
        Arms of this run: an arm that a scenario does not change is not solved again.

    Raises
    ------
    StromaError
        T208 nobody meets the entry criteria, S051 failed subjects.
    """
    planned = found.designs[0]
    drawn = take_draws(found.posterior, settings.draws, settings.seed)
    base = _run(simulate_design(found.record, found.disease, planned, drawn, (), settings, backend, None, solved),
                settings)
    scenarios = [_compared(Asked(Scenario(AS_PLANNED, ())), base, base, drawn.group)]
    for number, (one, design) in enumerate(zip(asked, designs, strict=True)):
        disease, draws = set_parameters(found.disease, drawn.draws, one.scenario.parameters)
        own = replace(drawn, draws=draws)
        simulated = simulate_design(found.record, disease, design, own, (), settings, backend, None, solved)
        scenarios.append(_compared(one, _run(simulated, settings), base, drawn.group))
        if progress:
            progress("scenarios", number + 1, len(designs))
    return replace(found, scenarios=tuple(scenarios))


def _run(simulated: Simulated, settings: Settings) -> _Run:
    design = simulated.design
    primary = tuple(o for o in simulated.outcomes(replace(design, outcomes=design.outcomes[:1]), (), settings)
                    if o.outcome in MAIN)
    return _Run(design, primary, simulated.replicate(PRIOR, design, settings) if is_compared(design) else None)


def _compared(one: Asked, run: _Run, base: _Run, group: NDArray[np.int64]) -> ScenarioForecast:
    """Put a scenario beside the trial as planned, trial by trial and draw by draw."""
    means = tuple(_shift(o.density, b.density, group[b.draw]) for o, b in zip(run.outcomes, base.outcomes, strict=True))
    added = [n for n in run.design.notes if n not in base.design.notes]
    if one.scenario.changes and run.design == base.design and not one.scenario.parameters:
        added.append("this is the trial as planned: nothing changes")
    a, b = run.compared, base.compared
    success = large = difference = interval = None
    if a is not None and b is not None:
        trials = group[b.draw]
        success = _shift(a.success.astype(float), b.success.astype(float), trials)
        difference = _shift(a.truth, b.truth, group, a.usable, b.usable)
        if a.share:
            large = _shift((a.truth >= 10.0).astype(float), (b.truth >= 10.0).astype(float), group, a.usable, b.usable)
        low, high = weighted_points(a.truth, a.usable, (0.05, 0.95))
        interval = (low, high)
    return ScenarioForecast(one.scenario.label, one.scenario.words, run.design.n, run.outcomes, means, success, large,
                            difference, interval, tuple(added), one.claims, one.why)


def _shift(own: NDArray[np.float64], planned: NDArray[np.float64], cluster: NDArray[np.int64],
           weight: NDArray[np.float64] | None = None, planned_weight: NDArray[np.float64] | None = None) -> Shift:
    """Return the mean of a scenario and its paired difference to the plan, with the error of that difference."""
    value, before = float(np.average(own, weights=weight)), float(np.average(planned, weights=planned_weight))
    return Shift(value, value - before, clustered_error(own - planned, cluster, weight))
