"""Stage two, the clinic: what is measured at visits, with noise, wander and clinical scales item by item."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from stroma.disease import Disease
from stroma.expression import parse
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import Subjects, build_subjects
from stroma.streams import normals, uniforms
from stroma.trial.pool import YEAR, Pool, needed_outputs
from stroma.trial.scales.domains import major_organ_active, new_domains
from stroma.trial.scales.kidney import creatinine_to_egfr, creatinine_upper_limit, egfr_to_creatinine
from stroma.trial.scales.sledai import sledai_2k

Quantities = dict[str, NDArray]


def observe(disease: Disease, pool: Pool, seed: int) -> Quantities:
    """Measure every quantity of the disease at every visit.

    Parameters
    ----------
    disease : Disease
    pool : Pool
    seed : int
        Noise streams; the same subject has the same noise in every arm.

    Returns
    -------
    dict of str to ndarray
        Measured quantities, shape (n_subject, n_visit), and constants of the subject or laboratory,
        shape (n_subject, 1). Units as in ``response_rules.csv``.
    """
    people, days = pool.subjects, pool.visit_day
    found: Quantities = {}
    wander = _wander(disease, people.subject, days, seed)
    taking_part = _placebo(disease, people, days)
    for row in disease.observables:
        name = row.text("outcome_id")
        true = pool.states[row.text("formula")]
        if name == "serum_creatinine":  # what is measured; filtration is then estimated from it, as in the clinic
            true = egfr_to_creatinine(true, *_age_and_sex(people))
        true = true * taking_part.get(name, 1.0)
        if row.text("noise") == "none":  # a dose as prescribed: sums of its steps, free of their rounding
            found[name] = np.round(true, 9)
            continue
        noise = normals(seed, f"measurement/{name}", people.subject, days.size) * row.known("noise_sd")
        if row.text("noise") == "lognormal":
            found[name] = true * np.exp(noise + (wander if row.values["wander"] else 0.0))
        else:
            found[name] = true + noise
    _show(disease, found)
    _add_constants(disease, people, found)
    if "serum_creatinine" in found:
        found["egfr"] = creatinine_to_egfr(found["serum_creatinine"], *_age_and_sex(people))
        found["dialysis"] = pool.states["egfr"] < 10.0
    if disease.items:
        items = _items(disease, pool, found, seed)
        found["sledai_2k"] = sledai_2k(items).astype(float)
        sediment = [items[i] for i in disease.config["sediment"]["items"]]
        found["sediment_active"] = np.logical_or.reduce(sediment)
        found |= _organ_activity(disease, items)
        found["pga"] = _global_assessment(disease, people.subject, found["sledai_2k"], seed)
        found.update({f"item_{name}": value for name, value in items.items()})
    found["rescue"] = _rescue(disease, pool, seed)
    for row in disease.scales:
        found[row.text("outcome_id")] = parse(row.text("formula"), row.file, row.line).evaluate(found, days)
    return found


def simulated_quantities(disease: Disease) -> frozenset[str]:
    """Return the names of everything that :func:`observe` measures for a disease; nothing is solved for it."""
    days, subject = np.array([0.0, 30.0]), np.arange(1, dtype=np.int64)
    covariates = sample_baselines(disease, disease.config["populations"][0], 0, subject)
    people = build_subjects(disease, covariates, {}, 0, subject, {})
    states = {name: np.ones((1, days.size)) for name in needed_outputs(disease)}
    return frozenset(observe(disease, Pool(people, days, states, np.zeros(1, np.int8), ""), 0))


def _age_and_sex(people: Subjects) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return people.covariates["age"][:, None], people.covariates["female"][:, None] > 0


def _add_constants(disease: Disease, people: Subjects, found: Quantities) -> None:
    for name in ("age", "female", "weight"):
        found[name] = people.covariates[name][:, None]
    for name, entry in disease.config.get("laboratory", {}).items():
        found[name] = np.full((people.n, 1), float(entry["value"]))
    found["creatinine_uln"] = creatinine_upper_limit(people.covariates["female"] > 0)[:, None]


def _wander(disease: Disease, subject: NDArray[np.int64], days: NDArray[np.float64],
            seed: int) -> NDArray[np.float64]:
    """Slow, stationary biological wander of ln proteinuria (Ornstein-Uhlenbeck at the visits)."""
    setting = disease.config.get("wander")
    if setting is None:
        return np.zeros((subject.size, days.size))
    z = normals(seed, "wander", subject, days.size)
    out = np.empty_like(z)
    out[:, 0] = z[:, 0]
    for i in range(1, days.size):
        keep = np.exp(-(days[i] - days[i - 1]) / setting["tau_day"])
        out[:, i] = keep * out[:, i - 1] + np.sqrt(1 - keep**2) * z[:, i]
    return setting["sd"] * out


def _placebo(disease: Disease, people: Subjects, days: NDArray[np.float64]) -> Quantities:
    """What taking part in a trial does to each measure, as a factor: expectation, better care, kinder judgement.

    The ln factor approaches minus the table's effect with one half-life, times the patient's own covariate: one
    number for all measures, about 1 on average in the reference population, negative in those who worsen.
    """
    setting = disease.config.get("placebo")
    if setting is None:
        return {}
    reached = people.covariates[setting["covariate"]][:, None] * (1.0 - 0.5 ** (days / setting["half_life_day"]))
    return {row.text("outcome_id"): np.exp(-people.value(disease, row.text("parameter_id"))[:, None] * reached)
            for row in disease.placebo}


def _show(disease: Disease, found: Quantities) -> None:
    """Round and truncate measures to what their instruments can show, in place."""
    for row in disease.instruments:
        name, step = row.text("outcome_id"), row.number("step")
        value = found[name] if step is None else np.round(found[name] / step) * step
        found[name] = np.clip(value, row.number("lower"), row.number("upper"))


def _items(disease: Disease, pool: Pool, found: Mapping[str, NDArray], seed: int) -> dict[str, NDArray[np.bool_]]:
    """Each item of the scale: a laboratory rule, or a patient's own threshold on an activity.

    A patient has the item when the ln activity, with visit noise, lies above a threshold drawn once; the
    thresholds are placed so that the baseline prevalence is the table's.
    """
    people, days = pool.subjects, pool.visit_day
    items: dict[str, NDArray[np.bool_]] = {}
    noise_sd = disease.config["item_noise"]["sd"]
    for row in disease.items:
        name = row.text("item")
        if row.text("rule"):
            items[name] = parse(row.text("rule"), row.file, row.line).evaluate(found, days)
            continue
        spread = people.value(disease, row.text("spread"))
        total = np.sqrt(spread**2 + noise_sd**2)
        z = normals(seed, f"item threshold/{name}", people.subject, 1)[:, 0]
        threshold = spread * z - total * ndtri(row.known("prevalence"))
        visit = noise_sd * normals(seed, f"item noise/{name}", people.subject, days.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            activity = np.log(np.maximum(pool.states[row.text("driver")], 1e-12))
        items[name] = activity + visit > threshold[:, None]
    return items


def _organ_activity(disease: Disease, items: Mapping[str, NDArray[np.bool_]]) -> Quantities:
    """Stand-ins for what BILAG adds to the response rules of lupus: organs newly active, a major organ active."""
    grades = {row.text("item"): row.text("grade") for row in disease.items}
    severe, moderate = new_domains(items, grades)
    return {"bilag_new_a": severe, "bilag_new_b": moderate, "major_organ_active": major_organ_active(items)}


def _global_assessment(disease: Disease, subject: NDArray[np.int64], score: NDArray[np.float64],
                       seed: int) -> NDArray[np.float64]:
    """Return the physician's global assessment, 0 to 3: it saturates with the score, and the physician errs."""
    says = disease.config["global_assessment"]
    error = says["sd"] * normals(seed, "global assessment", subject, score.shape[1])
    return np.clip(3.0 * score / (says["half"] + score) + error, 0.0, 3.0)


def _rescue(disease: Disease, pool: Pool, seed: int) -> NDArray[np.bool_]:
    """Whether rescue treatment was started by each visit: a hazard that follows the activity of the disease."""
    people, days = pool.subjects, pool.visit_day
    activity = pool.states[disease.config["rescue"]["driver"]]
    step = np.diff(days) / YEAR * 0.5 * (activity[:, 1:] + activity[:, :-1])
    hazard = people.value(disease, "rescue_hazard")[:, None]
    cumulative = hazard * np.concatenate([np.zeros((people.n, 1)), np.cumsum(step, axis=1)], axis=1)
    wait = -np.log(uniforms(seed, "rescue", people.subject, 1))
    return cumulative > wait
