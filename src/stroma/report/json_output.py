"""The forecast as one JSON object, the same bytes for the same seed."""

from __future__ import annotations

import json
from typing import Any

from stroma.calibration.prediction import Forecast, OutcomeForecast, PriorForecast
from stroma.report.labels import significant


def forecast_object(found: Forecast, run_folder: str) -> dict[str, Any]:
    """Return what ``stroma forecast --json`` prints.

    Parameters
    ----------
    found : Forecast
    run_folder : str
        Where the report and the tables stand.

    Returns
    -------
    dict
        Numbers rounded to six significant digits; a missing number is None.
    """
    manifest = found.posterior.manifest
    return {
        "record": found.record,
        "disease": found.disease.disease_id,
        "simulated": True,
        "outcomes": [_outcome(o) for o in found.outcomes],
        "probability_of_success": significant(found.current.probability_of_success),
        "probability_true_difference_at_least_10_points": significant(found.current.at_least_10),
        "priors": {p.prior: _prior(p) for p in found.priors},
        "posterior": {
            "hash": found.posterior.content_hash,
            "background_fitted_before": manifest["background_fitted_before"],
            "msc_fitted_before": manifest["msc_fitted_before"],
            "fitted_before": manifest["fitted_before"],
            "target_ids": list(manifest["target_ids"]),
        },
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


def _prior(prior: PriorForecast) -> dict[str, Any]:
    low, middle, high = prior.difference
    return {
        "probability_of_success": significant(prior.probability_of_success),
        "monte_carlo_error": significant(prior.monte_carlo_error),
        "true_difference": {"median": significant(middle), "pi90": [significant(low), significant(high)]},
        "probability_true_difference_at_least_10_points": significant(prior.at_least_10),
        "probability_trial_shows_wrong_sign": significant(prior.wrong_sign),
        "effective_draws": significant(prior.draws),
    }


def forecast_json(found: Forecast, run_folder: str) -> str:
    """Return the object as text, keys in the order above."""
    return json.dumps(forecast_object(found, run_folder), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
