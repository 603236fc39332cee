"""Why studies of one disease disagree: the spread of what they published, split by what differs between them.

Each published number is compared with what a reference study - the most frequent level of every factor, blinded -
would have published on the same statistic on the same day, by the model and draw by draw, in logits of
improvement. What the model says of the difference is split between the factors by Shapley's average over the
orders in which the reference is turned into the arm. The variance between studies then falls apart exactly:
var(published) = sum over factors of cov(part, published) + cov(rest, published), the rest into sampling and what
stays unexplained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.likelihood import SHARES, Likelihood, effect_scale, observed_value, open_label_shift
from stroma.calibration.posterior import distinct_size, load_posterior
from stroma.calibration.predict import Drawn, take_draws
from stroma.calibration.simulate import TOLERANCE, people_of, statistic, visits_of
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease
from stroma.engine.backends import backend as engine
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.explanation.conflict_parts import CHANCE, REST, Component, Conflict, Estimate, StudyDeviation
from stroma.explanation.levels import (
    BLINDING,
    DONOR,
    DOSE,
    DRUGS,
    FACTORS,
    INFLAMMATION,
    LABELS,
    PATIENTS,
    ROUTE,
    SOURCE,
    STEROID,
    Arm,
    arms_of,
    counted,
    in_store,
    together,
)
from stroma.explanation.parts import Settings, weighted_points
from stroma.explanation.shares import owen_values
from stroma.explanation.spread import TINY, Spread
from stroma.library import library_root
from stroma.therapy import CellDose, Therapy
from stroma.trial.observe import observe
from stroma.trial.pool import solve_pool
from stroma.trial.rules import load_rules

if TYPE_CHECKING:
    from stroma.calibration.simulate import Progress

Array = NDArray[np.float64]
# Turned from the reference's level to the arm's one by one; the product carries source, donor and route together.
PRODUCT = "product"
_TURNED = (PATIENTS, DRUGS, PRODUCT, DOSE)
_PRODUCT_FACTORS = (SOURCE, DONOR, ROUTE)


@dataclass(frozen=True)
class _Setting:
    """What is simulated: patients, drugs, product and dose; and the severity that the patients are tilted to."""

    population: str
    region: str
    drugs: tuple[str, ...]
    product: str
    dose: CellDose
    severity: float | None

    @property
    def pool(self) -> tuple:
        """Return what needs a simulation of its own: everything but the severity."""
        return self.population, self.region, self.drugs, self.product, self.dose


def explain_conflict(disease: Disease, settings: Settings | None = None, backend: Backend | None = None,
                     progress: Progress | None = None) -> Conflict:
    """Take the spread between the studies with cells of a disease apart.

    Parameters
    ----------
    disease : Disease
    settings : Settings, optional
    backend : Backend, optional
        The engine; ``cpu`` by default.
    progress : callable, optional
        Called with (stage, done, total).

    Raises
    ------
    StromaError
        C062 no arm with cells among the targets, C020-C021 the posterior.
    """
    sizes = settings or Settings()
    listed = load_targets(disease)
    arms = arms_of(disease, listed)
    if not arms:
        raise fail("C062", f"no arm with cells among the targets of `{disease.disease_id}`",
                   hint="there is no conflict to explain: `stroma evidence list` shows what the store holds")
    posterior = load_posterior(disease)
    drawn = take_draws(posterior, sizes.draws, sizes.seed)
    weight = drawn.weights["current"]
    reference = reference_arm(arms)
    levels, store = counted(arms), in_store(listed)
    factors = {name: _note(arms, levels, name) for name in FACTORS}
    study_ids = tuple(dict.fromkeys(a.study_id for a in arms))
    blank = tuple(Component(name, LABELS[name], levels[name], store.get(name, {}), note)
                  for name, (_, note) in factors.items())
    left_out = tuple(dict.fromkeys((study, e.reason) for e in listed.excluded if e.role.endswith("_msc")
                                   and (study := e.target_id.split("|")[0]) not in study_ids))
    common = {"disease": disease, "reference": reference.levels, "left_out": left_out, "posterior": posterior,
              "settings": sizes, "effective": distinct_size(weight, drawn.group)}
    deviation = _Deviations(disease, arms, reference, drawn, sizes, backend or engine("cpu"), progress).take_apart()
    studies = tuple(_study(s, arms, deviation, weight, factors) for s in study_ids)
    if len(study_ids) < 2:
        return Conflict(studies=studies, components=blank, published_sd=None, predicted_sd=None, **common)
    rows = [_averaged([a for a in arms if a.study_id == s], deviation) for s in study_ids]
    spread = Spread(np.stack([r.published for r in rows]),
                    {n: np.stack([r.parts[n] for r in rows]) for n in rows[0].parts},
                    np.stack([r.chance_sd**2 for r in rows]))
    kept = [name for name in FACTORS if factors[name][0]]
    components = [_measured(c, spread, _owner(c.factor_id), weight) if c.factor_id in kept else c
                  for c in blank]
    components += [
        _measured(Component(CHANCE, "chance: patients sampled", {}, {}, ""), spread, CHANCE, weight),
        _measured(Component(REST, "unexplained rest", {}, {}, ""), spread, REST, weight)]
    return Conflict(studies=studies, components=tuple(components),
                    published_sd=_estimate(np.sqrt(spread.variance), weight),
                    predicted_sd=_estimate(np.sqrt(spread.predicted_variance), weight), **common)


def reference_arm(arms: Sequence[Arm]) -> Arm:
    """Return an arm with the most frequent level of every factor among studies, blinded, of mean published severity."""
    def most(of: Sequence[tuple[str, object]]) -> int:
        studies: dict[object, set[str]] = defaultdict(set)
        for study, level in of:
            studies[level].add(study)
        best = max(studies, key=lambda level: len(studies[level]))
        return next(i for i, (_, level) in enumerate(of) if level == best)

    people = arms[most([(a.study_id, (a.population, a.region)) for a in arms])]
    drugs = arms[most([(a.study_id, tuple(t.therapy_id for t in a.drugs)) for a in arms])].drugs
    product = arms[most([(a.study_id, a.product.therapy_id) for a in arms])].product
    dose = arms[most([(a.study_id, a.dose) for a in arms])].dose
    by_study = {a.study_id: a.severity for a in arms if a.severity is not None}
    severity = float(np.mean(list(by_study.values()))) if by_study else None
    return Arm("reference", (), people.population, people.region, severity, drugs, product, (), dose, True,
               "double_blind", "rct")


def _note(arms: Sequence[Arm], levels: Mapping[str, Mapping[str, int]], name: str) -> tuple[bool, str]:
    """Return whether a factor gets a number of its own, and what is to be said."""
    if name == INFLAMMATION:
        return False, ("no report gives it by arm; in the model it differs from patient to patient, alike in all "
                       "studies, so that it is no cause of a difference between them")
    if len(levels[name]) == 1:
        return False, f"the same in all studies compared: {next(iter(levels[name]))}"
    if len({a.modelled[name] for a in arms}) == 1:
        return False, f"simulated alike in all studies compared, as reports do not tell more: {'; '.join(levels[name])}"
    if name == STEROID:
        return False, "set by the background drugs and counted there"
    beside = [o for o in together(arms, name) if o not in (STEROID, INFLAMMATION)]
    product = [o for o in beside if o in _PRODUCT_FACTORS]
    if name in _PRODUCT_FACTORS and any(FACTORS.index(o) < FACTORS.index(name) for o in product):
        return False, f"changes only together with {LABELS[product[0]]}; counted there"
    if name in _PRODUCT_FACTORS[1:] and name != _first_product(levels):
        return False, f"the model changes products as a whole; counted under {LABELS[_first_product(levels)]}"
    if beside:
        names = " and ".join(LABELS[o] for o in beside)
        return True, f"varies exactly together with {names}: only the model, no published number, tells them apart"
    return True, ""


def _first_product(levels: Mapping[str, Mapping[str, int]]) -> str:
    return next((n for n in _PRODUCT_FACTORS if len(levels[n]) > 1), SOURCE)


def _owner(factor: str) -> str:
    """Return the part that carries a factor."""
    return PRODUCT if factor in _PRODUCT_FACTORS else factor


@dataclass(frozen=True)
class _Deviation:
    """One published number as its distance from the reference, logits of improvement, every array (n_draw,)."""

    published: Array
    parts: Mapping[str, Array]
    chance_sd: Array


@dataclass
class _Deviations:
    disease: Disease
    arms: Sequence[Arm]
    reference: Arm
    drawn: Drawn
    settings: Settings
    backend: Backend
    progress: Progress | None

    def __post_init__(self) -> None:
        self.therapies: dict[str, Therapy] = {
            t.therapy_id: t for a in (*self.arms, self.reference) for t in (*a.drugs, a.product)}
        self.rules = load_rules(library_root() / "evidence" / "response_rules.csv")

    def take_apart(self) -> dict[str, _Deviation]:
        """Return every published number of every arm, by target id."""
        found = self._simulated()
        values = self.drawn.draws.natural(self.disease)
        out = {}
        for arm in self.arms:
            for t in arm.targets:
                def worth(on: frozenset[str], arm: Arm = arm, t: Target = t) -> Array:
                    return found[t.target_id, self._setting(arm, on)]

                shares = owen_values([(name,) for name in _TURNED], worth)
                start = worth(frozenset())
                unit = self._improves(t) * effect_scale(self.disease, t.kind, t.quantity)
                shift = open_label_shift(self.disease, self.rules, t, values)
                mean = worth(frozenset(_TURNED)) + shift
                own = np.sqrt(Likelihood(self.disease, [t]).sampling_variance(mean[:, None])[:, 0])
                parts = {name: v / unit for name, v in shares.items()} | {BLINDING: shift / unit}
                out[t.target_id] = _Deviation((observed_value(t) - start) / unit, parts, own / abs(unit))
        return out

    def _improves(self, target: Target) -> float:
        """Return the sign of an improvement."""
        of = self.rules if target.kind in SHARES else self.disease.measures
        return of[target.quantity].improves

    def _setting(self, arm: Arm, on: frozenset[str]) -> _Setting:
        people = arm if PATIENTS in on else self.reference
        drugs = arm.drugs if DRUGS in on else self.reference.drugs
        product = arm.product if PRODUCT in on else self.reference.product
        dose = arm.dose if DOSE in on else self.reference.dose
        return _Setting(people.population, people.region, tuple(t.therapy_id for t in drugs), product.therapy_id,
                        dose, people.severity)

    def _simulated(self) -> dict[tuple[str, _Setting], Array]:
        """Return the statistic of every target in every setting it is needed in."""
        wanted: dict[tuple, dict[tuple[str, _Setting], Target]] = defaultdict(dict)
        for arm in self.arms:
            for on in _subsets(_TURNED):
                setting = self._setting(arm, on)
                for t in arm.targets:
                    wanted[setting.pool][t.target_id, setting] = t
        days = visits_of([t for a in self.arms for t in a.targets])
        found: dict[tuple[str, _Setting], Array] = {}
        for done, (key, members) in enumerate(wanted.items(), 1):
            population, region, drugs, product, dose = key
            people = people_of(self.disease, self.drawn.draws, self.settings.subjects, population, region,
                               self.settings.seed)
            given = [*(self.therapies[d] for d in drugs), self.therapies[product].with_dose(dose)]
            pool = solve_pool(self.disease, people, given, days, self.settings.seed, self.backend, TOLERANCE)
            seen = observe(self.disease, pool, self.settings.seed)
            for (target_id, setting), t in members.items():
                of = replace(t, severity=setting.severity)
                found[target_id, setting] = statistic(self.disease, of, seen, days, self.rules, self.settings.subjects,
                                                      pool.solved)
            if self.progress:
                self.progress("turn the reference into each arm", done, len(wanted))
        return found


def _subsets(names: Sequence[str]) -> Iterator[frozenset[str]]:
    for bits in range(2 ** len(names)):
        yield frozenset(n for i, n in enumerate(names) if bits >> i & 1)


def _averaged(arms: Sequence[Arm], of: Mapping[str, _Deviation]) -> _Deviation:
    """Return the mean of a study's numbers, arms alike; numbers of one arm share its patients and so their chance."""
    by_arm: dict[tuple, list[_Deviation]] = defaultdict(list)
    for arm in arms:
        for t in arm.targets:
            by_arm[arm.study_id, t.arm_label].append(of[t.target_id])
    members = list(by_arm.values())

    def mean(values: list[list[Array]]) -> Array:
        return np.mean([np.mean(v, axis=0) for v in values], axis=0)

    parts = {name: mean([[d.parts[name] for d in m] for m in members]) for name in (*_TURNED, BLINDING)}
    chance = np.sqrt(np.sum([np.mean([d.chance_sd for d in m], axis=0) ** 2 for m in members], axis=0)) / len(members)
    return _Deviation(mean([[d.published for d in m] for m in members]), parts, chance)


def _study(study_id: str, arms: Sequence[Arm], of: Mapping[str, _Deviation], weight: Array,
           factors: Mapping[str, tuple[bool, str]]) -> StudyDeviation:
    own = [a for a in arms if a.study_id == study_id]
    found = _averaged(own, of)
    parts = {name: float(weight @ found.parts[_owner(name)]) for name in FACTORS if factors[name][0]}
    return StudyDeviation(study_id, own[0].targets[0].year, own[0].targets[0].family, sum(len(a.targets) for a in own),
                          _estimate(found.published, weight),
                          _estimate(np.sum(list(found.parts.values()), axis=0), weight),
                          float(weight @ found.chance_sd), parts)


def _measured(component: Component, spread: Spread, name: str, weight: Array) -> Component:
    """Return a component with its numbers."""
    own = spread.component(name)
    smaller = [spread.without(i) for i in range(spread.published.shape[0])] if spread.published.shape[0] > 2 else []
    shares = [100.0 * float(weight @ s.component(name)) / float(weight @ s.variance) for s in smaller]
    return replace(component, variance=_estimate(own, weight),
                   published=_estimate(100.0 * own / np.maximum(spread.variance, TINY), weight),
                   predicted=_estimate(spread.of_predicted(name), weight) if name in spread.parts else None,
                   without_one=(min(shares), max(shares)) if shares else None)


def _estimate(values: Array, weight: Array) -> Estimate:
    q = weighted_points(values, weight)
    return Estimate(float(weight @ values), (q[1], q[3]), (q[0], q[4]))
