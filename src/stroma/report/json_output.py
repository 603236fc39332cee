"""The forecast as one JSON object, the same bytes for the same seed."""

from __future__ import annotations

import json
from typing import Any

from stroma.calibration.prediction import (
    Forecast,
    OutcomeForecast,
    PriorForecast,
    PublishedResult,
    ScenarioForecast,
    Shift,
)
from stroma.detail.look import Detail
from stroma.report.detail_output import detail_object
from stroma.report.labels import difference_unit, significant

POOLED = "counts of other studies, pooled; not mechanism"
NO_COMPARISON = "nothing is compared: the study has no control arm"


def forecast_object(found: Forecast, run_folder: str, detail: Detail | None = None) -> dict[str, Any]:
    """Return what ``stroma forecast --json`` prints.

    Parameters
    ----------
    found : Forecast
    run_folder : str
        Where the report and the tables stand.
    detail : Detail, optional
        A closer look, whose keys are added.

    Returns
    -------
    dict
        Numbers rounded to six significant digits; a missing number is None.
    """
    manifest, current = found.posterior.manifest, found.current
    return {
        "record": found.record,
        "disease": found.disease.disease_id,
        "simulated": True,
        "outcomes": [*(_outcome(o) | {"basis": POOLED} for e in found.events for o in e.outcomes),
                     *(_outcome(o) for o in found.outcomes)],
        "probability_of_success": significant(current.probability_of_success) if current else None,
        "probability_of_success_missing": None if current else NO_COMPARISON,
        "probability_true_difference_at_least_10_points": significant(current.at_least_10) if current else None,
        "difference_unit": difference_unit(found),
        "priors": {p.prior: _prior(p) for p in found.priors},
        "scenarios": [_scenario(s) for s in found.scenarios],
        "notes": list(found.designs[0].notes),
        "doubts": list(found.designs[0].doubts),
        "published_results": [_published(r) for r in found.reports],
        "posterior": {
            "hash": found.posterior.content_hash,
            "background_fitted_before": manifest["background_fitted_before"],
            "msc_fitted_before": manifest["msc_fitted_before"],
            "fitted_before": manifest["fitted_before"],
            "target_ids": list(manifest["target_ids"]),
        },
        **(detail_object(detail) if detail else {}),
        "run_folder": run_folder,
    }


def _outcome(outcome: OutcomeForecast) -> dict[str, Any]:
    return {
        "variant": outcome.variant,
        "outcome": outcome.outcome,
        "visit_day": significant(outcome.visit_day),
        "arm": outcome.arm,
        "statistic": outcome.statistic,
        "predicted": {
            "median": significant(outcome.median),
            "pi50": [significant(x) for x in outcome.pi50],
            "pi90": [significant(x) for x in outcome.pi90],
        },
        "observed": significant(outcome.observed),
        "inside_pi90": outcome.inside_pi90,
    }


def _published(result: PublishedResult) -> dict[str, Any]:
    return {"study": result.study, "arm": result.arm, "subgroup": result.subgroup, "outcome": result.outcome,
            "day": significant(result.day), "value": result.value, "doubtful": result.doubtful,
            "link": result.link or "certain"}


def _prior(prior: PriorForecast) -> dict[str, Any]:
    low, middle, high = prior.difference
    return {
        "probability_of_success": significant(prior.probability_of_success),
        "monte_carlo_error": significant(prior.monte_carlo_error),
        "true_difference": {"median": significant(middle), "pi90": [significant(low), significant(high)]},
        "probability_true_difference_at_least_10_points": significant(prior.at_least_10),
        "probability_true_difference_favours_cells": significant(prior.favours),
        "probability_trial_shows_wrong_sign": significant(prior.wrong_sign),
        "effective_draws": significant(prior.draws),
    }


def _scenario(scenario: ScenarioForecast) -> dict[str, Any]:
    interval = scenario.difference_pi90
    return {
        "label": scenario.label,
        "changes": scenario.changes,
        "n": scenario.n,
        "outcomes": [_outcome(o) | {"mean": _shift(m)}
                     for o, m in zip(scenario.outcomes, scenario.mean, strict=True)],
        "probability_of_success": _shift(scenario.success),
        "true_difference": _shift(scenario.difference),
        "true_difference_pi90": None if interval is None else [significant(x) for x in interval],
        "probability_true_difference_at_least_10_points": _shift(scenario.at_least_10),
        "notes": list(scenario.notes),
        "why": scenario.why,
        "claims": [{"claim_id": c.claim_id, "claim": c.claim, "status": c.status, "primary_source": c.primary,
                    "studies": list(c.studies)} for c in scenario.claims],
    }


def _shift(shift: Shift | None) -> dict[str, Any] | None:
    """Return a number of a scenario, its paired difference to the plan, and that difference's Monte-Carlo error."""
    if shift is None:
        return None
    return {"value": significant(shift.value), "difference_to_planned": significant(shift.difference),
            "monte_carlo_error": significant(shift.error)}


def forecast_json(found: Forecast, run_folder: str, detail: Detail | None = None) -> str:
    """Return the object as text, keys in the order above."""
    said = forecast_object(found, run_folder, detail)
    return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
