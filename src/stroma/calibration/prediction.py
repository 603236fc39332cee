"""What a forecast says: outcomes with intervals, operating characteristics under named priors, courses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.posterior import Posterior
from stroma.disease import Disease
from stroma.engine.delivered import DeliveredError
from stroma.trial.design import PlannedEvent, TrialDesign
from stroma.trial.ready import Claim

Progress = Callable[[str, int, int], None]
ALPHA = 0.025


@dataclass(frozen=True)
class Settings:
    """Sizes of a forecast.

    Parameters
    ----------
    draws, subjects : int
        Parameter draws, and patients simulated for each.
    trials : int
        Replicated trials.
    seed : int
    """

    draws: int = 800
    subjects: int = 80
    trials: int = 2000
    seed: int = 1


@dataclass(frozen=True)
class OutcomeForecast:
    """One outcome of one arm at one visit.

    Parameters
    ----------
    variant : {"planned", "conducted"}
    outcome, arm, statistic : str
        ``statistic`` is ``percent``, ``mean_change`` or, for a harm, ``patients``.
    visit_day : float
    median : float
    pi50, pi90 : (float, float)
        Of the trial's own statistic: parameters, patients, sampling and spread between studies together.
    observed : float or None
        As published.
    rule_id, unit : str
    density, draw : ndarray, shape (n_trial,)
        The statistic in every replicated trial, and the posterior draw behind it.
    """

    variant: str
    outcome: str
    arm: str
    control: bool
    statistic: str
    visit_day: float
    median: float
    pi50: tuple[float, float]
    pi90: tuple[float, float]
    observed: float | None
    rule_id: str
    unit: str
    density: NDArray[np.float64]
    draw: NDArray[np.int64]

    @property
    def inside_pi90(self) -> bool | None:
        """Return whether the published number lies inside the 90 % interval, its ends included."""
        if self.observed is None:
            return None
        rounding = 1e-9 * max(1.0, abs(self.observed))  # 5 of 12 is the same share however it was computed
        return bool(self.pi90[0] - rounding <= self.observed <= self.pi90[1] + rounding)


@dataclass(frozen=True)
class PriorForecast:
    """The forecast under one named prior of the MSC effect.

    Parameters
    ----------
    probability_of_success : float
        One-sided win on the main outcome at the planned size, alpha 0.025: Fisher's test of shares, Welch's of mean
        changes, the paired t test of one arm alone.
    monte_carlo_error : float
        Standard error of that probability: finite trials and finite draws together.
    difference : (float, float, float)
        5, 50 and 95 % points of the true difference, nobody lost: in percentage points, rescue counted as failure
        (composite strategy), or for mean changes in the measure's unit.
    at_least_10 : float or None
        Probability that the true difference is at least 10 points; None for a mean change.
    favours, wrong_sign : float
        Probability that the true difference is in favour of the cells, by at least one simulated patient; that it is
        not against them and the trial's own is, both together.
    width : float
        Mean width of the trial's own 95 % interval of the difference, in its unit.
    draws : float
        Effective number of distinct background draws under the prior.
    """

    prior: str
    probability_of_success: float
    monte_carlo_error: float
    difference: tuple[float, float, float]
    at_least_10: float | None
    favours: float
    wrong_sign: float
    width: float
    draws: float


@dataclass(frozen=True)
class Shift:
    """A number of a scenario, and how far it lies from the trial as planned.

    Parameters
    ----------
    value : float
    difference : float
        Scenario minus planned, same patients, same draws, same chance in both.
    error : float
        Monte-Carlo standard error of ``difference``.
    """

    value: float
    difference: float
    error: float


@dataclass(frozen=True)
class ScenarioForecast:
    """The trial as it would be if something were different, under the current prior.

    Parameters
    ----------
    label, changes : str
        What it is called, and what was changed.
    outcomes : tuple of OutcomeForecast
        The primary outcome, arm by arm.
    mean : tuple of Shift
        Mean prediction of each arm: percent, or the measure's unit.
    success, at_least_10, difference : Shift or None
        Probability of success; probability that the true difference is at least 10 points; mean true difference
        in points, or the measure's unit. None where nothing is compared.
    difference_pi90 : (float, float) or None
        Of the true difference.
    claims : tuple of Claim
        For a ready scenario: what was claimed, and what the primary source says.
    why : str
        For a ready scenario: why it is asked, and how it is translated into changes.
    """

    label: str
    changes: str
    n: int
    outcomes: tuple[OutcomeForecast, ...]
    mean: tuple[Shift, ...]
    success: Shift | None
    at_least_10: Shift | None
    difference: Shift | None
    difference_pi90: tuple[float, float] | None
    notes: tuple[str, ...]
    claims: tuple[Claim, ...]
    why: str


@dataclass(frozen=True)
class EventForecast:
    """A harm that is a primary outcome: foretold from published counts of other studies, not from mechanism.

    Parameters
    ----------
    planned : PlannedEvent
    outcomes : tuple of OutcomeForecast
        Patients with the event, variant by variant and arm by arm.
    sources : tuple of EventSource
        What was pooled, for each kind of arm.
    """

    planned: PlannedEvent
    outcomes: tuple[OutcomeForecast, ...]
    sources: tuple[EventSource, ...]


@dataclass(frozen=True)
class EventSource:
    """What a harm is foretold from.

    Parameters
    ----------
    arms : tuple of str
        Labels of the arms that it holds for.
    stratum : str
        Which published arms were pooled, in words.
    studies : tuple of (study_id, events, patients, days)
    share : (float, float, float)
        5, 50 and 95 % points of the share of patients with the event in a new study.
    """

    arms: tuple[str, ...]
    stratum: str
    studies: tuple[tuple[str, int, int, float], ...]
    share: tuple[float, float, float]


@dataclass(frozen=True)
class Band:
    """Quantiles of one quantity in one arm over eligible patients: 5, 25, 50, 75, 95 %."""

    quantity: str
    arm: str
    day: NDArray[np.float64]
    quantiles: NDArray[np.float64]


@dataclass(frozen=True)
class PublishedResult:
    """One number of a report of the trial.

    Parameters
    ----------
    study, arm, subgroup, outcome : str
        Of the evidence store; ``outcome`` in words.
    day : float or None
    value : str
        With unit and patients, in words.
    doubtful : bool
        Whether the store calls the row doubtful.
    link : str
        How sure it is that the report is of this trial: empty where it is certain.
    """

    study: str
    arm: str
    subgroup: str
    outcome: str
    day: float | None
    value: str
    doubtful: bool
    link: str


@dataclass(frozen=True)
class Forecast:
    """Everything a forecast says; :mod:`stroma.report` writes it down.

    Parameters
    ----------
    priors : tuple of PriorForecast
        Empty where nothing is compared: one arm, or no control.
    files : tuple of Path
        What says what the trial does: record and supplement, or a study file.
    scenarios : tuple of ScenarioForecast
        What was asked beside the trial as planned, which then is the first.
    events : tuple of EventForecast
        Primary outcomes that are harms.
    reports : tuple of PublishedResult
        What the library holds of the trial's own reports, whether or not it can be compared.
    """

    record: str
    title: str
    disease: Disease
    designs: tuple[TrialDesign, ...]
    outcomes: tuple[OutcomeForecast, ...]
    priors: tuple[PriorForecast, ...]
    bands: tuple[Band, ...]
    posterior: Posterior
    settings: Settings
    eligible_share: float
    effective_patients: float
    failed: int
    pool_key: str
    published: str
    dose_given: bool
    notes: tuple[str, ...]
    checked: DeliveredError | None
    files: tuple[Path, ...] = ()
    scenarios: tuple[ScenarioForecast, ...] = ()
    events: tuple[EventForecast, ...] = ()
    reports: tuple[PublishedResult, ...] = ()

    @property
    def current(self) -> PriorForecast | None:
        """Return the forecast under the current prior, None where nothing is compared."""
        return next((p for p in self.priors if p.prior == "current"), None)

    def primary(self, control: bool, variant: str = "conducted") -> OutcomeForecast:
        """Return the main outcome in the control or the MSC arm."""
        decides = self.designs[0].outcomes[0].decides
        found = [o for o in self.outcomes if o.rule_id == decides and o.control == control]
        return next((o for o in found if o.variant == variant), found[0])
