"""A registry record in, an honest forecast out, next to what was published."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.posterior import PRIORS, Posterior, load_posterior
from stroma.calibration.simulate import TOLERANCE, Draws, people_of
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend as engine
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.population.subjects import effective_size
from stroma.registry import find_record, read_record
from stroma.streams import generator
from stroma.therapy import CellDose, Therapy, load_therapy
from stroma.trial.conduct import (
    PotentialOutcomes,
    fisher_one_sided,
    mean_change,
    responders,
    run_trials,
    true_difference,
)
from stroma.trial.design import Arm, TrialDesign
from stroma.trial.observe import Quantities, observe
from stroma.trial.pool import solve_pool
from stroma.trial.registration import read_design
from stroma.trial.rules import AT_VISIT, ResponseRule, known_quantities, load_rules

Progress = Callable[[str, int, int], None]
SHOWN = ("upcr", "serum_albumin", "serum_creatinine", "c3", "anti_dsdna", "sledai_2k")
EXTRA_DAY = (7.0, 14.0, 120.0, 150.0)
ALPHA = 0.025
RESCUE = "rescue"
_UNITS = {"proteinuria_24h": "g/24h", "serum_albumin": "g/L", "serum_creatinine": "umol/L", "c3": "g/L",
          "c4": "g/L", "sledai_2k": "points", "egfr": "mL/min/1.73m2"}


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

    draws: int = 400
    subjects: int = 100
    trials: int = 2000
    seed: int = 1


@dataclass(frozen=True)
class OutcomeForecast:
    """One outcome of one arm at one visit.

    Parameters
    ----------
    variant : {"planned", "conducted"}
    outcome, arm, statistic : str
        ``statistic`` is ``percent`` or ``mean_change``.
    visit_day : float
    median : float
    pi50, pi90 : (float, float)
        Of the trial's own statistic: parameters, patients and sampling together. Spread between studies enters
        through the primary outcome only (:func:`stroma.trial.conduct.run_trials`).
    observed : float or None
        As published.
    rule_id, unit : str
    density : ndarray
        Sample of the predictive distribution, for figures.
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
        One-sided win on the primary outcome (Fisher, alpha 0.025) at the planned size.
    monte_carlo_error : float
        Standard error of that probability.
    difference : (float, float, float)
        5, 50 and 95 % points of the true difference in percentage points, before rescue and drop-out.
    at_least_10, wrong_sign : float
        Probability that the true difference is at least 10 points; that the trial's own difference is
        below zero and the true one above, both together.
    draws : float
        Effective number of draws under the prior.
    """

    prior: str
    probability_of_success: float
    monte_carlo_error: float
    difference: tuple[float, float, float]
    at_least_10: float
    wrong_sign: float
    draws: float


@dataclass(frozen=True)
class Band:
    """Quantiles of one quantity in one arm over eligible patients: 5, 25, 50, 75, 95 %."""

    quantity: str
    arm: str
    day: NDArray[np.float64]
    quantiles: NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """Everything a forecast says; :mod:`stroma.report` writes it down."""

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

    @property
    def current(self) -> PriorForecast:
        """Return the forecast under the current prior."""
        return next(p for p in self.priors if p.prior == "current")

    def primary(self, control: bool, variant: str = "conducted") -> OutcomeForecast:
        """Return the record's primary outcome in the control or the MSC arm."""
        rule = self.designs[0].outcomes[0].rule_id
        found = [o for o in self.outcomes if o.rule_id == rule and o.control == control]
        return next((o for o in found if o.variant == variant), found[0])


def forecast(nct_id: str, settings: Settings | None = None, dose: CellDose | None = None,
             backend: Backend | None = None, progress: Progress | None = None) -> Forecast:
    """Forecast a registered trial.

    Parameters
    ----------
    nct_id : str
        A record of ``library/registry``.
    settings : Settings, optional
    dose : CellDose, optional
        Replaces or supplies the dose of the cells.
    backend : Backend, optional
        The engine; ``cpu`` by default.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    Forecast

    Raises
    ------
    StromaError
        E401-E404 the record, T201-T207 the design, C020-C021 the posterior, S051 failed subjects.
    """
    settings = settings or Settings()
    root = library_root()
    record = read_record(find_record(nct_id, root / "registry"))
    supplement = root / "registry" / f"{record.nct_id}.toml"
    designs = read_design(record, supplement if supplement.is_file() else None, dose)
    disease = load_disease(designs[0].disease)
    posterior = load_posterior(disease)
    rules = load_rules(root / "evidence" / "response_rules.csv")
    published = [] if dose else _published(disease, record.nct_id)
    draws, weights = _resample(posterior, settings)
    wanted = {t.quantity for t in published if t.kind == "proportion"} | {o.rule_id for o in designs[0].outcomes}
    pools = _simulate(disease, designs[0], draws, settings, backend or engine("cpu"), progress)
    potential = _potential(disease, designs[0], pools, {r: rules[r] for r in sorted(wanted)}, draws, settings)
    outcomes: list[OutcomeForecast] = []
    priors: list[PriorForecast] = []
    for design in designs:
        shown = published if design is designs[-1] else []  # a result belongs to the trial as conducted
        outcomes += _outcomes(design, shown, potential, rules, weights["current"], settings)
    for prior in PRIORS:
        priors.append(_prior(prior, designs[0], potential, rules, weights[prior], settings))
    eligible = potential.eligible
    pool_key = hashlib.sha256("".join(p.key for p in pools).encode()).hexdigest()[:16]
    unapplied = designs[0].entry.unapplied(set(pools[0].seen), known_quantities(root))
    given = ("the dose was given by hand: the published result belongs to another one and is not compared",)
    notes = (*designs[0].notes, *(given if dose else ()),
             *(f"entry criterion `{c.words}` is not simulated and excludes nobody" for c in unapplied))
    return Forecast(record.nct_id, record.title, disease, tuple(designs), tuple(outcomes), tuple(priors),
                    _bands(pools, designs[0], weights["current"], eligible), posterior, settings,
                    float(eligible.mean()),
                    effective_size((weights["current"][:, None] * eligible).ravel()),
                    sum(p.failed for p in pools), pool_key, ", ".join(sorted({t.study_id for t in published})),
                    dose is not None, notes)


@dataclass(frozen=True)
class _ArmPool:
    """One arm's measured quantities, rows ordered by draw and subject."""

    arm: Arm
    day: NDArray[np.float64]
    seen: Quantities
    failed: int
    key: str


def _published(disease: Disease, nct_id: str) -> list[Target]:
    """Return the published numbers of a trial: shown beside the forecast, never fitted."""
    with (library_root() / "evidence" / "studies.csv").open(encoding="utf-8", newline="") as stream:
        studies = {r["study_id"] for r in csv.DictReader(stream) if nct_id in (r["registry_id"] or "").split(";")}
    return [t for t in load_targets(disease).of("validate_msc", "validate_background") if t.study_id in studies]


def _resample(posterior: Posterior, settings: Settings) -> tuple[Draws, dict[str, NDArray[np.float64]]]:
    """Take draws from the mixture of all named priors, with each prior's own weights beside them."""
    mixture = np.mean([posterior.weights[p] for p in PRIORS], axis=0)
    rng = generator(settings.seed, "posterior draws")
    position = (np.arange(settings.draws) + rng.random()) / settings.draws
    pick = np.searchsorted(np.cumsum(mixture), position).clip(0, mixture.size - 1)
    pick = rng.permutation(pick)
    weights = {p: posterior.weights[p][pick] / mixture[pick] for p in PRIORS}
    return Draws(posterior.names, posterior.scaled[pick]), {p: w / w.sum() for p, w in weights.items()}


def _strata(arm: Arm, n_draw: int) -> list[tuple[slice, list[Therapy]]]:
    """Split the draws over the values of what nobody reports: interval of the infusions, thawed or fresh."""
    cells = [t for t in arm.treatments if t.dose is not None]
    if not cells:
        return [(slice(0, n_draw), [load_therapy(t.therapy_id) for t in arm.treatments])]
    interval, thaw = cells[0].fact("interval_day"), cells[0].fact("thaw_state")
    intervals = [interval.number()] if interval else [0.0]
    if interval and interval.low is not None and interval.high is not None:
        intervals = list(np.linspace(interval.low, interval.high, 4).round(1))
    thaws = [str(thaw.value)] if thaw else ["fresh"]
    if thaw and thaw.options:
        thaws = list(thaw.options)
    options = [(d, s) for s in thaws for d in intervals]
    edges = np.linspace(0, n_draw, len(options) + 1).astype(int)
    out = []
    for (gap, state), first, last in zip(options, edges[:-1], edges[1:], strict=True):
        therapies = []
        for treatment in arm.treatments:
            therapy = load_therapy(treatment.therapy_id)
            if treatment.dose is not None:
                spaced = treatment.spaced(gap) if interval else treatment
                assert spaced.dose is not None
                therapy = therapy.with_dose(spaced.dose, thawed=state == "thawed")
            therapies.append(therapy)
        out.append((slice(int(first), int(last)), therapies))
    return out


def _simulate(disease: Disease, design: TrialDesign, draws: Draws, settings: Settings, backend: Backend,
              progress: Progress | None) -> list[_ArmPool]:
    """Solve and measure every arm; a record's assumed values are spread over the draws."""
    last = max(design.visit_day)
    day = np.array(sorted({0.0, *design.visit_day, *(d for d in EXTRA_DAY if d < last)}))
    region = next((disease.region(c) for c in design.countries if disease.region(c)), "")
    pools = []
    for number, arm in enumerate(design.arms):
        parts: list[Quantities] = []
        failed, keys = 0, []
        strata = _strata(arm, draws.n)
        for k, (part, therapies) in enumerate(strata):
            chosen = Draws(draws.names, draws.scaled[part])
            people = people_of(disease, chosen, settings.subjects, design.population, region, settings.seed,
                               part.start)
            pool = solve_pool(disease, people, therapies, day, settings.seed, backend, TOLERANCE)
            parts.append(observe(disease, pool, settings.seed))
            failed += int((~pool.solved).sum())
            keys.append(pool.key)
            if progress:
                progress("simulate patients", number * len(strata) + k + 1, len(design.arms) * len(strata))
        seen = {name: np.concatenate([_full(p[name], p["upcr"]) for p in parts]) for name in parts[0]}
        pools.append(_ArmPool(arm, day, seen, failed, "".join(keys)))
    total = settings.draws * settings.subjects * len(design.arms)
    if sum(p.failed for p in pools) > total * 0.001:
        raise fail("S051", f"{sum(p.failed for p in pools)} of {total} subjects could not be integrated", exit_code=3)
    return pools


def _full(values: NDArray, like: NDArray) -> NDArray:
    return values if values.shape == like.shape else np.broadcast_to(values, (like.shape[0], values.shape[1]))


def _potential(disease: Disease, design: TrialDesign, pools: Sequence[_ArmPool], rules: Mapping[str, ResponseRule],
               draws: Draws, settings: Settings) -> PotentialOutcomes:
    """Evaluate rules at the trial's own visits and gather both potential outcomes of every subject."""
    shape = (draws.n, settings.subjects)
    visit = np.array(design.visit_day)
    columns = [int(np.flatnonzero(pools[0].day == d)[0]) for d in visit]

    def at_visits(pool: _ArmPool) -> Quantities:
        return {n: v[:, columns] if v.shape[1] == pool.day.size else v for n, v in pool.seen.items()}

    measured = [at_visits(p) for p in pools]
    events = {r: np.stack([rule.evaluate(m, visit).reshape(*shape, -1) for m in measured])
              for r, rule in rules.items()}
    events[RESCUE] = np.stack([m[RESCUE].reshape(*shape, -1) for m in measured])
    names = {*SHOWN, "proteinuria_24h", "egfr", "c4"} & set(measured[0])
    measures = {n: np.stack([m[n].reshape(*shape, -1) for m in measured]).astype(float) for n in names}
    control = _control(design)
    first = {n: v[:, 0] for n, v in measured[control].items()}
    eligible = design.entry.admits(first, known_quantities(library_root())).reshape(shape)
    eligible &= np.isfinite(measures["upcr"]).all(axis=(0, 3))
    values = draws.natural(disease)
    return PotentialOutcomes(visit, eligible, events, measures, values["dropout_hazard"], values["study_spread"])


def _control(design: TrialDesign) -> int:
    return next((i for i, a in enumerate(design.arms) if a.control), 0)


def _msc(design: TrialDesign) -> int:
    return next(i for i, a in enumerate(design.arms) if not a.control)


def _interval(values: NDArray[np.float64]) -> tuple[float, tuple[float, float], tuple[float, float]]:
    q = np.nanquantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    return float(q[2]), (float(q[1]), float(q[3])), (float(q[0]), float(q[4]))


def _outcomes(design: TrialDesign, published: Sequence[Target], pool: PotentialOutcomes,
              rules: Mapping[str, ResponseRule], weight: NDArray[np.float64],
              settings: Settings) -> list[OutcomeForecast]:
    """Predict the primary outcome and everything that was published, arm by arm."""
    primary = design.outcomes[0]
    control = _control(design)
    sizes = [a.n for a in design.arms]
    trials = run_trials(pool, primary.rule_id, control, sizes, weight, settings.trials, settings.seed, design.variant)
    wanted: dict[tuple[str, str, float], str] = {("proportion", primary.rule_id, primary.day): "primary outcome"}
    for t in published:
        if t.kind in ("proportion", "change"):
            wanted.setdefault((t.kind, t.quantity, t.day), t.outcome)
    found = []
    for (kind, quantity, day), outcome in wanted.items():
        visit = int(np.argmin(np.abs(pool.visit_day - day)))
        for i, arm in enumerate(design.arms):
            if kind == "proportion":
                cumulative = rules[quantity].kind != AT_VISIT
                failure = RESCUE if quantity == primary.rule_id else None
                sample = 100.0 * responders(pool, trials, quantity, i, i, visit, cumulative, failure) / arm.n
            else:
                sample = mean_change(pool, trials, quantity, i, i, visit)
            observed = [t.observed for t in published if (t.kind, t.quantity, t.day) == (kind, quantity, day)
                        and t.regimen.startswith("placebo") == arm.control]
            shown = (observed[0] * (100.0 if kind == "proportion" else 1.0)) if observed else None
            median, pi50, pi90 = _interval(sample)
            found.append(OutcomeForecast(
                design.variant, outcome, arm.label, arm.control, "percent" if kind == "proportion" else "mean_change",
                day, median, pi50, pi90, shown,
                quantity, "%" if kind == "proportion" else _UNITS.get(quantity, ""), sample))
    return found


def _prior(prior: str, design: TrialDesign, pool: PotentialOutcomes, rules: Mapping[str, ResponseRule],
           weight: NDArray[np.float64], settings: Settings) -> PriorForecast:
    """Operating characteristics at the planned size under one prior."""
    primary = design.outcomes[0]
    control, msc = _control(design), _msc(design)
    given = control if prior == "none" else msc
    sizes = [a.n for a in design.arms]
    trials = run_trials(pool, primary.rule_id, control, sizes, weight, settings.trials, settings.seed, f"prior/{prior}")
    visit = int(np.argmin(np.abs(pool.visit_day - primary.day)))
    cumulative = rules[primary.rule_id].kind != AT_VISIT
    a = responders(pool, trials, primary.rule_id, msc, given, visit, cumulative, RESCUE)
    b = responders(pool, trials, primary.rule_id, control, control, visit, cumulative, RESCUE)
    success = fisher_one_sided(a, sizes[msc], b, sizes[control]) < ALPHA
    truth = 100.0 * true_difference(pool, primary.rule_id, given, control, visit)
    order = np.argsort(truth)
    edges = np.cumsum(weight[order]) / weight.sum()
    q = truth[order][np.searchsorted(edges, [0.05, 0.5, 0.95]).clip(0, truth.size - 1)]
    own = a / sizes[msc] - b / sizes[control]
    share = float(success.mean())
    return PriorForecast(prior, share, float(np.sqrt(max(share * (1 - share), 1e-9) / success.size)),
                         (float(q[0]), float(q[1]), float(q[2])), float(weight[truth >= 10.0].sum() / weight.sum()),
                         float(np.mean((own < 0) & (truth[trials.draw] > 0))), effective_size(weight))


def _bands(pools: Sequence[_ArmPool], design: TrialDesign, weight: NDArray[np.float64],
           eligible: NDArray[np.bool_]) -> tuple[Band, ...]:
    each = (weight[:, None] * eligible).ravel()
    bands = []
    for pool in pools:
        for name in SHOWN:
            if name in pool.seen:
                bands.append(Band(name, pool.arm.label, pool.day, _quantiles(pool.seen[name].astype(float), each)))
    return tuple(bands)


def _quantiles(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted 5, 25, 50, 75, 95 % points at every visit, shape (5, n_visit)."""
    out = np.empty((5, values.shape[1]))
    for i in range(values.shape[1]):
        usable = np.isfinite(values[:, i]) & (weight > 0)
        order = np.argsort(values[usable, i], kind="stable")
        edges = np.cumsum(weight[usable][order])
        at = np.searchsorted(edges / edges[-1], [0.05, 0.25, 0.5, 0.75, 0.95]).clip(0, order.size - 1)
        out[:, i] = values[usable, i][order][at]
    return out
