"""Replicates of the forecast's trial that are followed patient by patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import ArmPool, control_arm, treated_strata
from stroma.calibration.predict import Simulated
from stroma.calibration.prediction import Settings
from stroma.calibration.simulate import Draws, people_of
from stroma.disease import Disease
from stroma.trial.conduct import PotentialOutcomes, Trials, run_trials
from stroma.trial.design import TrialDesign
from stroma.trial.pool import arm_doses
from stroma.trial.rules import AT_VISIT

MOST_DRAWS, MOST_TRIALS = 200, 400
PURPOSE = "followed trials"


@dataclass(frozen=True)
class Replicas:
    """Trials of the conducted size, drawn under the current prior from the first draws.

    Parameters
    ----------
    disease : Disease
    design : TrialDesign
    pools : tuple of ArmPool
    potential : PotentialOutcomes
        What every subject would show in every arm.
    trials : Trials
    visit : int
        Column of the primary outcome's visit.
    cumulative : bool
        Whether the primary outcome still counts after leaving.
    flare_day : dict of str to ndarray, shape (n_draw, n_subject)
        Day of everybody's first flare by the flare's hazard, the same in every arm; infinite where none begins
        before the last visit. Rows are the first draws only.
    infusion_day : tuple of ndarray, each shape (n_infusion, n_draw)
        By arm, as assumed in each draw; no rows without cells.
    """

    disease: Disease
    design: TrialDesign
    pools: tuple[ArmPool, ...]
    potential: PotentialOutcomes
    trials: Trials
    visit: int
    cumulative: bool
    flare_day: dict[str, NDArray[np.float64]]
    infusion_day: tuple[NDArray[np.float64], ...]

    @property
    def end(self) -> float:
        """Return the day of the last visit."""
        return float(self.potential.visit_day[-1])


def replicas(found: Simulated, design: TrialDesign, settings: Settings) -> Replicas:
    """Replicate the trial and keep who was in it.

    Parameters
    ----------
    found : Simulated
    design : TrialDesign
        Differs from the simulated one in size only.
    """
    n = found.drawn.draws.n
    first = min(MOST_DRAWS, n)
    weight = found.drawn.weights["current"] * (np.arange(n) < first)
    primary = design.outcomes[0]
    visit = int(np.argmin(np.abs(found.potential.visit_day - primary.day)))
    trials = run_trials(found.potential, primary.rule_id or None, control_arm(design), [a.n for a in design.arms],
                        weight, min(MOST_TRIALS, settings.trials), settings.seed, PURPOSE, visit,
                        [a.label for a in design.arms])
    cumulative = bool(primary.rule_id) and found.rules[primary.rule_id].kind != AT_VISIT
    return Replicas(found.disease, design, found.pools, found.potential, trials, visit, cumulative,
                    _first_flares(found, design, first, settings),
                    tuple(_infusions(found, arm) for arm in range(len(found.pools))))


def region_of(disease: Disease, design: TrialDesign) -> str:
    """Return the region whose patients a design enrols; empty where the disease knows none of its countries."""
    return next((disease.region(c) for c in design.countries if disease.region(c)), "")


def _infusions(found: Simulated, arm: int) -> NDArray[np.float64]:
    columns = []
    for part, therapies in treated_strata(found.pools[arm].arm, found.drawn.draws.n):
        days = sorted({d for t in therapies if t.cell_dose for d in t.cell_dose.days})
        columns.append(np.repeat(np.array(days, float)[:, None], part.stop - part.start, axis=1))
    return np.concatenate(columns, axis=1)


def _first_flares(found: Simulated, design: TrialDesign, first: int,
                  settings: Settings) -> dict[str, NDArray[np.float64]]:
    """Return when flares begin, from the same streams that the simulated courses had."""
    disease = found.disease
    flares = disease.config.get("flare", ())
    if not flares:
        return {}
    some = Draws(found.drawn.draws.names, found.drawn.draws.scaled[:first])
    people = people_of(disease, some, settings.subjects, design.population, region_of(disease, design), settings.seed)
    doses = arm_doses(disease, people, (), settings.seed, float(max(design.visit_day)))
    if not doses.t_day.size:
        return {f["hazard"]: np.full((first, settings.subjects), np.inf) for f in flares}
    day, state, amount = (x.reshape(people.n, -1) for x in (doses.t_day, doses.state, doses.amount))
    out = {}
    for flare in flares:
        begins = (state == disease.model.states.index(flare["state"])) & (amount > 0)
        out[flare["hazard"]] = np.where(begins, day, np.inf).min(axis=1).reshape(first, settings.subjects)
    return out
