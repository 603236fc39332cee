"""How large: what trials of several sizes would show, from one pool of simulated patients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import RESCUE, cells_arm, control_arm, is_controlled
from stroma.calibration.forecast import Trial
from stroma.calibration.posterior import Posterior, choose_posterior
from stroma.calibration.predict import Simulated, simulate_design, take_draws
from stroma.calibration.prediction import ALPHA, Progress, Settings
from stroma.calibration.summaries import clustered_error, is_open_label, share_error, weighted_points
from stroma.engine.backends import backend as engine
from stroma.engine.backends import watched
from stroma.engine.ensemble import Backend
from stroma.errors import Problems, fail
from stroma.library import library_root
from stroma.trial.conduct import true_share
from stroma.trial.design import TrialDesign
from stroma.trial.observe import simulated_quantities
from stroma.trial.registration import split
from stroma.trial.rules import known_quantities

COMPOSITE, TREATMENT_POLICY = "composite", "treatment-policy"
ESTIMANDS = (COMPOSITE, TREATMENT_POLICY)
EXAMPLE = "for example --n 18,60,120,240 --ratio 2:1"


@dataclass(frozen=True)
class Estimate:
    """A number of replicated trials, with its Monte-Carlo standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class SizeForecast:
    """What trials of one size would show.

    Parameters
    ----------
    n : int
        Patients in all.
    arms : tuple of int
        Patients of each arm, in the design's order.
    success, wrong_sign : Estimate
        Under the current prior: the trial wins; it points against the cells, which do no harm.
    width : Estimate
        Mean width of the 95 % interval of the difference: in percentage points, or the measure's unit.
    type_one : Estimate
        The test wins though the cells do nothing, everybody blinded.
    open_win : Estimate or None
        The same with the open-label bias, where the patients know their arm.
    """

    n: int
    arms: tuple[int, ...]
    success: Estimate
    width: Estimate
    wrong_sign: Estimate
    type_one: Estimate
    open_win: Estimate | None


@dataclass(frozen=True)
class SizeQuestion:
    """Sizes of a trial and what they are asked for.

    Parameters
    ----------
    sizes : tuple of int
    ratio : tuple of float
        Of the arms in the design's order; empty for the planned one.
    estimand : {"composite", "treatment-policy"}
    """

    sizes: tuple[int, ...]
    ratio: tuple[float, ...] = ()
    estimand: str = COMPOSITE


@dataclass(frozen=True)
class PowerForecast:
    """Operating characteristics by size.

    Parameters
    ----------
    cells, control : str
        Labels of the arms that are compared.
    estimand : tuple of str
        Sentences that say what is estimated.
    truth : (float, float, float)
        True difference under the current prior, 5, 50 and 95 % points: percentage points, or the measure's unit.
    control_share : (float, float, float) or None
        True share of the control arm in percent, alike; None for a mean change.
    """

    trial: Trial
    question: SizeQuestion
    cells: str
    control: str
    estimand: tuple[str, ...]
    truth: tuple[float, float, float]
    control_share: tuple[float, float, float] | None
    sizes: tuple[SizeForecast, ...]
    posterior: Posterior
    settings: Settings


def read_question(sizes: str, ratio: str, estimand: str) -> SizeQuestion:
    """Read ``18,60,120``, ``2:1`` and the name of an estimand.

    Raises
    ------
    StromaError
        T224 for everything that cannot be read.
    """
    problems = Problems()
    numbers = [int(x) for x in sizes.split(",") if x.strip().isdecimal()]
    if len(numbers) < len(sizes.split(",")) or min(numbers) < 2:
        problems.add("T224", f"`--n {sizes}` is not a list of patient numbers, each 2 or more", hint=EXAMPLE)
    parts = [_positive(x) for x in ratio.split(":")] if ratio else []
    if not all(parts):
        problems.add("T224", f"`--ratio {ratio}` is not a ratio of the arms", hint=EXAMPLE)
    if estimand not in ESTIMANDS:
        problems.add("T224", f"`--estimand {estimand}` is not known", hint=" or ".join(f"`{e}`" for e in ESTIMANDS))
    problems.raise_if_any()
    return SizeQuestion(tuple(sorted(set(numbers))), tuple(parts), estimand)


def _positive(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 0.0


def how_large(trial: Trial, question: SizeQuestion, settings: Settings, backend: Backend | None = None,
              progress: Progress | None = None, posterior: Posterior | None = None) -> PowerForecast:
    """Return what trials of each size would show; the patients are simulated once for all sizes.

    Parameters
    ----------
    progress : callable, optional
        Called with (stage, done, total).
    posterior : Posterior, optional
        The retrospective one by default.

    Raises
    ------
    StromaError
        T224 a trial that compares nothing, or a ratio that does not fit its arms; T208, C020-C021, S051.
    """
    planned = trial.designs[0]
    if not is_controlled(planned):
        raise fail("T224", f"{trial.record} compares nothing: it has no control arm beside another", hint=EXAMPLE)
    if planned.outcomes[0].quantity:  # a measurement counts whatever rescue was started
        question = replace(question, estimand=TREATMENT_POLICY)
    designs = _designs(planned, question)
    chosen = posterior or choose_posterior(trial.disease)
    drawn = take_draws(chosen, settings.draws, settings.seed)
    machine = backend or watched(engine("cpu"))
    found = simulate_design(trial.record, trial.disease, planned, drawn, (), settings, machine, progress)
    failure = RESCUE if question.estimand == COMPOSITE else None
    sizes = []
    for number, design in enumerate(designs):
        sizes.append(_one_size(found, design, settings, failure))
        if progress:
            progress("sizes", number + 1, len(designs))
    truth, control = _rates(found, settings, failure)
    return PowerForecast(trial, question, planned.arms[cells_arm(planned)].label,
                         planned.arms[control_arm(planned)].label, _estimand(found, question.estimand), truth, control,
                         tuple(sizes), chosen, settings)


def _rates(found: Simulated, settings: Settings, failure: str | None
           ) -> tuple[tuple[float, float, float], tuple[float, float, float] | None]:
    """Return the 5, 50 and 95 % points of the true difference and of the control arm's true share."""
    planned = found.replicate("current", found.design, settings, failure)

    def points(values: NDArray[np.float64]) -> tuple[float, float, float]:
        low, middle, high = weighted_points(values, planned.usable, (0.05, 0.5, 0.95))
        return float(low), float(middle), float(high)

    outcome = found.design.outcomes[0]
    if outcome.quantity:
        return points(planned.truth), None
    visit = int(np.argmin(np.abs(found.potential.visit_day - outcome.day)))
    share = true_share(found.potential, outcome.rule_id, control_arm(found.design), visit, failure)
    return points(planned.truth), points(100.0 * share)


def _designs(planned: TrialDesign, question: SizeQuestion) -> list[TrialDesign]:
    ratio = question.ratio or tuple(float(a.n) for a in planned.arms)
    if len(ratio) != len(planned.arms):
        raise fail("T224", f"the ratio has {len(ratio)} parts, the trial {len(planned.arms)} arms: "
                           f"{', '.join(a.label for a in planned.arms)}", hint=EXAMPLE)
    designs = []
    for n in question.sizes:
        parts = split(n, ratio)
        if min(parts) < 1:
            raise fail("T224", f"{n} patients at {':'.join(f'{r:g}' for r in ratio)} leave an arm empty", hint=EXAMPLE)
        designs.append(replace(planned, arms=tuple(
            replace(a, n=k) for a, k in zip(planned.arms, parts, strict=True))))
    return designs


def _one_size(found: Simulated, design: TrialDesign, settings: Settings, failure: str | None) -> SizeForecast:
    group = found.drawn.group
    current = found.replicate("current", design, settings, failure)
    trials = group[current.draw]
    width = np.nan_to_num(current.width, nan=float(np.nanmean(current.width)))
    idle = found.replicate("none", design, settings, failure, biased=False)  # the test itself, whoever knows what
    seen = None
    if is_open_label(design, design.arms[cells_arm(design)]):
        biased = found.replicate("none", design, settings, failure)
        seen = _share(biased.success, group[biased.draw])
    return SizeForecast(design.n, tuple(a.n for a in design.arms), _share(current.success, trials),
                        Estimate(float(width.mean()), clustered_error(width, trials)),
                        _share(current.wrong_sign, trials), _share(idle.success, group[idle.draw]), seen)


def _share(happened: NDArray[np.bool_], cluster: NDArray[np.int64]) -> Estimate:
    return Estimate(float(happened.mean()), share_error(happened, cluster))


def _estimand(found: Simulated, estimand: str) -> tuple[str, ...]:
    """Say what is estimated: population, outcome, what becomes of rescue, leaving and death, summary, test."""
    design, disease = found.design, found.disease
    outcome = design.outcomes[0]
    cells, control = design.arms[cells_arm(design)].label, design.arms[control_arm(design)].label
    arms = f"{cells} minus {control}{'' if len(design.arms) == 2 else ' (other arms are not compared)'}"
    if outcome.quantity:
        return (f"Difference in the mean change of {outcome.quantity.replace('_', ' ')} from entry to day "
                f"{outcome.day:g} among eligible patients, {arms}; won by a one-sided "
                f"Welch test at {100 * ALPHA:g} %.",
                "Treatment-policy strategy: a measurement counts whatever rescue was started.",
                "Who leaves the trial before that day is not measured and left out.")
    rule = found.rules[outcome.rule_id]
    which = "chosen outcome, not the registered one," if outcome.chosen else "primary outcome"
    words = [f"Difference in the share of eligible patients with the {which} by day {outcome.day:g} "
             f"({outcome.rule_id}), {arms}; won by a one-sided Fisher test at {100 * ALPHA:g} %."]
    if estimand == COMPOSITE:
        words.append("Composite strategy: who starts rescue treatment by that day counts as a failure.")
    else:
        words.append("Treatment-policy strategy: the outcome counts whatever rescue was started.")
        if RESCUE in rule.names(known_quantities(library_root())):
            words.append(f"The rule {rule.rule_id} itself counts rescue as a failure.")
    words.append("Who leaves the trial before the outcome counts as without it.")
    words.append("A death would count as a failure." if "death" in simulated_quantities(disease) else
                 f"The model of {disease.disease_id} has no death: none is counted.")
    return tuple(words)
